//! Compares what the ledger says was done to each case with the rows as they stand.
//!
//! For `buurtpoort audit reconcile`. Invariant: every row of a case is accounted for by entries about it, and
//! the other way round; what does not match is named by case and rule. Absent: reading rows, and opening the
//! facts in which a case's name in the ledger stands (`cli::audit`).

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::entry::{Entry, Event, Outcome};
use crate::crypto::digest::hex;

/// State of a case before any step.
const FIRST_STATE: &str = "new";
/// State of a case whose referral was taken back.
const WITHDRAWN_STATE: &str = "closed";
/// State of a case whose consent does not suffice any more.
const HELD_STATE: &str = "on-hold";

/// Something that does not match. Ordered, so that it can be told twice in the same way.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Finding {
    /// Id of the case, where it is known.
    pub case: Option<String>,
    /// Index of the entry, where it is one.
    pub seq: Option<u64>,
    /// What does not hold.
    pub rule: &'static str,
}

/// A case as its rows say.
#[derive(Clone, Debug, Default)]
pub struct CaseOnFile {
    /// Id, to name it by.
    pub id: String,
    /// The ledger's name for it, in hex.
    pub object: String,
    /// State.
    pub state: String,
    /// Version of the sealed facts.
    pub facts_version: i32,
    /// Changes counted in the row.
    pub version: i32,
    /// Who holds it.
    pub assignee: Option<String>,
    /// Assignments in order: version, coordinator, by whom.
    pub assignments: Vec<(i32, String, String)>,
    /// Releases: to which account, for what purpose, which field groups.
    pub releases: Vec<(String, String, Vec<String>)>,
    /// How many pairings it has, or had.
    pub pairings: usize,
    /// Id of the partner whose referral it is.
    pub partner: Option<Uuid>,
    /// Whether there is a referral of this case, and whether it is withdrawn.
    pub referral_withdrawn: Option<bool>,
}

/// What the ledger says about one case.
#[derive(Debug, Default)]
struct Book {
    accepted: u64,
    first_seq: u64,
    consent: i32,
    transitions: i32,
    /// Steps of pairings, each of which changes the case, and how many of them began one.
    pairing_steps: i32,
    pairings: usize,
    /// Whether it was erased.
    erased: bool,
    /// Changes of the facts that are neither.
    other_facts: i32,
    withdrawn: i32,
    /// By territory or by a person, and to whom.
    assigned: Vec<(bool, String)>,
    /// To whom by pseudonym, for what, which groups.
    releases: Vec<(String, String, Vec<String>)>,
    /// Who sent the referral.
    partner: Option<Uuid>,
    state: String,
    /// A decision about consent came after the state was last named.
    may_be_held: bool,
    compared: bool,
}

/// An intent to release, and how often its end was told.
#[derive(Debug)]
struct Intent {
    object: String,
    outcomes: u64,
}

/// The ledger, summed up by case and by request.
#[derive(Debug, Default)]
pub struct Books {
    cases: HashMap<String, Book>,
    intents: HashMap<String, Intent>,
    figures: u64,
    findings: BTreeSet<Finding>,
}

/// What a comparison came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reconciled {
    /// What does not match.
    pub findings: BTreeSet<Finding>,
    /// Cases the ledger knows.
    pub cases: usize,
    /// Intents to release that were allowed.
    pub intents: usize,
    /// Intents whose end is not recorded: a crash in between, or a release still under way.
    pub open_intents: usize,
}

impl Books {
    /// Takes the next entry, in order.
    pub fn enter(&mut self, seq: u64, entry: &Entry) {
        let request = entry.request.id.as_str();
        if matches!(entry.event, Event::ReleaseDone | Event::ReleaseAborted) {
            self.conclude(seq, request, entry);
        }
        if entry.outcome != Outcome::Allow {
            return;
        }
        match entry.event {
            Event::StatsPublished => self.figures += 1,
            Event::ReleaseIntent => {
                let intent = Intent { object: object(entry), outcomes: 0 };
                if self.intents.insert(request.to_owned(), intent).is_some() {
                    self.found(None, Some(seq), "a request has one intent to release");
                }
            }
            _ => {}
        }
        if entry.object.kind.as_str() == "case" && is_about_rows(entry.event) {
            let book = self.cases.entry(object(entry)).or_insert_with(|| Book {
                first_seq: seq,
                state: FIRST_STATE.to_owned(),
                ..Book::default()
            });
            book.enter(entry);
        }
    }

    fn conclude(&mut self, seq: u64, request: &str, entry: &Entry) {
        let object = object(entry);
        match self.intents.get_mut(request) {
            Some(intent) if intent.object == object => {
                intent.outcomes += 1;
                if intent.outcomes > 1 {
                    self.found(None, Some(seq), "an intent has at most one outcome");
                }
            }
            _ => self.found(None, Some(seq), "an outcome follows its intent"),
        }
    }

    fn found(&mut self, case: Option<&str>, seq: Option<u64>, rule: &'static str) {
        self.findings.insert(Finding { case: case.map(str::to_owned), seq, rule });
    }

    /// Compares one case. `is_named` says whether an account goes by a pseudonym in the ledger.
    pub fn compare(&mut self, file: &CaseOnFile, is_named: impl Fn(&str, &str) -> bool) {
        let broken = match self.cases.get_mut(&file.object) {
            None => vec!["a case has its entry referral.accepted"],
            Some(book) => {
                let double = std::mem::replace(&mut book.compared, true);
                let mut broken = book.broken(file, &is_named);
                if double {
                    broken.push("two cases do not share a name in the ledger");
                }
                broken
            }
        };
        for rule in broken {
            self.found(Some(&file.id), None, rule);
        }
    }

    /// Ends the comparison. `unnamed` cases have no key any more, so that their names in the ledger are
    /// unknown; `figures` are published.
    #[must_use]
    pub fn close(mut self, unnamed: usize, figures: u64) -> Reconciled {
        let lost = || self.cases.values().filter(|book| !book.compared);
        let unsaid: Vec<u64> = lost().filter(|book| !book.erased).map(|b| b.first_seq).collect();
        let lost: Vec<u64> = lost().map(|book| book.first_seq).collect();
        if lost.len() == unnamed {
            for seq in unsaid {
                self.found(None, Some(seq), "a case whose key is gone was erased on record");
            }
        }
        if lost.len() != unnamed {
            let rule = "an entry about a case has its case";
            let fewer = lost.len() < unnamed;
            for seq in lost {
                self.found(None, Some(seq), rule);
            }
            if fewer {
                self.found(None, None, "an erased case has its entries");
            }
        }
        if figures != self.figures {
            self.found(None, None, "published figures have their entry stats.published");
        }
        Reconciled {
            findings: self.findings,
            cases: self.cases.len(),
            intents: self.intents.len(),
            open_intents: self.intents.values().filter(|intent| intent.outcomes == 0).count(),
        }
    }
}

impl Book {
    fn enter(&mut self, entry: &Entry) {
        match entry.event {
            Event::ReferralAccepted => {
                self.accepted += 1;
                self.partner = entry.actor.partner;
                self.assigned.extend(recipient(entry).map(|to| (true, to)));
            }
            Event::AssignmentMade => {
                self.assigned.push((false, recipient(entry).unwrap_or_default()));
            }
            Event::ConsentGiven | Event::ConsentRefused | Event::ConsentWithdrawn => {
                self.consent += 1;
                self.may_be_held = true;
            }
            Event::CaseTransition => {
                self.transitions += 1;
                let to = entry.why.as_str().rsplit(':').next();
                self.comes_to(to.unwrap_or_default());
            }
            Event::PairingMade | Event::PairingMoved => {
                self.pairing_steps += 1;
                self.pairings += usize::from(entry.event == Event::PairingMade);
                let to = entry.why.as_str().rsplit(':').next();
                self.comes_to(to.unwrap_or_default());
            }
            Event::GoalsChanged | Event::CaseCorrected => self.other_facts += 1,
            Event::EraseDone => self.erased = true,
            Event::ReferralWithdrawn => {
                self.withdrawn += 1;
                let to = entry.why.as_str().rsplit(':').next();
                self.comes_to(if to == Some(HELD_STATE) { HELD_STATE } else { WITHDRAWN_STATE });
            }
            Event::ReleaseIntent => {
                let groups = entry.fields.iter().map(|group| group.as_str().to_owned()).collect();
                let to = entry.actor.subject.as_str().to_owned();
                self.releases.push((to, entry.purpose.as_str().to_owned(), groups));
            }
            _ => {}
        }
    }

    fn comes_to(&mut self, state: &str) {
        state.clone_into(&mut self.state);
        self.may_be_held = false;
    }

    /// Every rule that the rows of this case break.
    fn broken(
        &self,
        file: &CaseOnFile,
        is_named: &impl Fn(&str, &str) -> bool,
    ) -> Vec<&'static str> {
        let by_hand = self.assigned.iter().filter(|(territory, _)| !territory).count();
        let by_hand = i32::try_from(by_hand).unwrap_or(i32::MAX);
        let steps = by_hand + self.transitions + self.pairing_steps + self.withdrawn;
        let held = self.may_be_held && file.state == HELD_STATE;
        let last = file.assignments.last().map(|(_, coordinator, _)| coordinator.as_str());
        let withdrawn = self.withdrawn > 0;
        let rules = [
            (self.accepted == 1, "a case has its entry referral.accepted"),
            (file.state == self.state || held, "a case is in the state the ledger brought it to"),
            (
                file.facts_version == 1 + self.consent + self.transitions + self.other_facts,
                "every version of consent has its entry",
            ),
            (
                (1 + steps..=1 + steps + self.consent).contains(&file.version),
                "every change of a case has its entry",
            ),
            (self.pairings == file.pairings, "every pairing has its entry"),
            (self.assignments_match(file, is_named), "every assignment has its entry"),
            (file.assignee.as_deref() == last, "a case is held by whom it was last assigned to"),
            (
                self.releases_match(file, is_named),
                "every release of an identity has its intent, and every intent its release",
            ),
            (self.partner == file.partner, "a referral belongs to the partner that sent it"),
            (
                file.referral_withdrawn == Some(withdrawn),
                "a referral is withdrawn when the ledger says so, and only then",
            ),
        ];
        rules.into_iter().filter(|(holds, _)| !holds).map(|(_, rule)| rule).collect()
    }

    fn assignments_match(&self, file: &CaseOnFile, is_named: &impl Fn(&str, &str) -> bool) -> bool {
        self.assigned.len() == file.assignments.len()
            && (1..).zip(&self.assigned).zip(&file.assignments).all(|((nth, told), row)| {
                let ((territory, to), (version, coordinator, by)) = (told, row);
                *version == nth && (by == "territory") == *territory && is_named(coordinator, to)
            })
    }
}

impl Book {
    /// Each row has an intent of its own, by the same account, for the same purpose and groups.
    fn releases_match(&self, file: &CaseOnFile, is_named: &impl Fn(&str, &str) -> bool) -> bool {
        let mut left: Vec<_> = self.releases.iter().collect();
        file.releases.iter().all(|(account, purpose, groups)| {
            let own = left.iter().position(|(to, told, opened)| {
                told == purpose && opened == groups && is_named(account, to)
            });
            own.map(|at| left.swap_remove(at)).is_some()
        }) && left.is_empty()
    }
}

/// Events whose entries stand or fall with rows of a case.
const fn is_about_rows(event: Event) -> bool {
    matches!(
        event,
        Event::ReferralAccepted
            | Event::ReferralWithdrawn
            | Event::ReleaseIntent
            | Event::ConsentGiven
            | Event::ConsentRefused
            | Event::ConsentWithdrawn
            | Event::AssignmentMade
            | Event::CaseTransition
            | Event::PairingMade
            | Event::PairingMoved
            | Event::GoalsChanged
            | Event::CaseCorrected
            | Event::EraseDone
    )
}

fn object(entry: &Entry) -> String {
    entry.object.reference.as_ref().map(|reference| hex(reference)).unwrap_or_default()
}

/// To whom a case was given: the pseudonym behind `to:` among the fields.
fn recipient(entry: &Entry) -> Option<String> {
    entry.fields.iter().find_map(|field| field.as_str().strip_prefix("to:")).map(str::to_owned)
}

#[cfg(test)]
mod tests;
