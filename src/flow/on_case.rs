//! What every verb on a case has in common: read, open the facts, judge consent, decide, write.

use crate::audit::entry::{Code, Event, Object as LedgerObject, Outcome};
use crate::crypto::seal::CaseKey;
use crate::domain::case::CaseState;
use crate::domain::likeness::Evidence;
use crate::domain::pairing::furthest;
use crate::domain::partner::Role;
use crate::domain::referral::ReferralStatus;
use crate::flow::standing::{Basis, ConsentRules, Standing};
use crate::flow::{Done, FlowError, Gateway, Once};
use crate::ids::{AuditReference, CaseId, PairingId, ReferralId, SupportFamilyId};
use crate::policy::action::Action;
use crate::policy::facts::{CaseFacts, Circumstance, Facts};
use crate::policy::verdict::Note;
use crate::policy::{Allowed, Permit, Verdict};
use crate::store::StoreError;
use crate::store::cases::CaseRow;
use crate::store::effect::{Effect, Rows};
use crate::store::facts::{self, CaseMemory};
use crate::store::idempotency::Remembered;
use crate::store::pairings::PairingRow;
use crate::store::referrals::ReferralRow;
use crate::store::writer::{Found, FoundSupport, Question};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A case as it was found inside the deciding transaction.
pub(super) struct OpenCase<'a> {
    pub(super) row: &'a CaseRow,
    pub(super) key: &'a CaseKey,
    pub(super) memory: &'a CaseMemory,
    pub(super) standing: &'a Standing,
    pub(super) remembered: Option<&'a Remembered>,
    pub(super) referral: Option<&'a ReferralRow>,
    /// Its pairings, oldest first, where they were asked for.
    pub(super) pairings: &'a [PairingRow],
    /// The referral it came from, where the pairings were asked for.
    pub(super) origin: Option<&'a ReferralRow>,
    /// The pairing asked for.
    pub(super) pairing: Option<&'a PairingRow>,
    /// What it has in common with the other case asked for.
    pub(super) common: &'a BTreeSet<Evidence>,
    /// That other case; another one where it is not there.
    pub(super) other: Option<&'a CaseRow>,
    /// The support family asked for, or that of the pairing.
    pub(super) support: Option<&'a FoundSupport>,
}

impl OpenCase<'_> {
    /// Where its living pairings bring the case.
    pub(super) fn living(&self) -> Option<CaseState> {
        furthest(self.pairings.iter().map(|pairing| pairing.state))
    }

    /// Whether its referral was taken back.
    pub(super) fn was_taken_back(&self) -> bool {
        self.origin.is_some_and(|referral| referral.status == ReferralStatus::Withdrawn)
    }

    /// The states a coordinator can move it to from here.
    pub(super) fn next(&self) -> Vec<CaseState> {
        next_of(self.row.state, self.living(), self.was_taken_back())
    }

    /// Whether it was ever tried out with a support family.
    pub(super) fn was_tried(&self) -> bool {
        self.pairings.iter().any(|pairing| pairing.trial_ms.is_some())
    }
}

/// The states a coordinator can move a case to: what was taken back does not come to life again.
pub(super) fn next_of(
    state: CaseState,
    living: Option<CaseState>,
    taken_back: bool,
) -> Vec<CaseState> {
    match (state, living) {
        (CaseState::OnHold, Some(_)) if taken_back => Vec::new(),
        (CaseState::OnHold, None) if taken_back => vec![CaseState::Closed],
        _ => state.next(living),
    }
}

/// What a verb says about a case that was found: what to write if the verdict is yes.
pub(super) struct Wish<T> {
    pub(super) granted: Event,
    pub(super) note: Note,
    /// Rows and result, or why the state of things does not allow it.
    pub(super) outcome: Result<(Rows, T), FlowError>,
}

/// Which case, by its own id or another, and what is read beside it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    Case(CaseId),
    /// A case and its pairings.
    WithPairings(CaseId),
    /// A case, its pairings, and a support family to introduce it to.
    WithSupport(CaseId, SupportFamilyId),
    /// A case, and another that may be about the same family.
    WithOther(CaseId, CaseId),
    /// The case of a pairing, its pairings, and the support family.
    Pairing(PairingId),
    Referral(ReferralId),
    /// The case of a referral, and its pairings.
    ReferralWithPairings(ReferralId),
}

impl Which {
    fn question(self, once: Option<Once>, register: i64) -> Question {
        let asked = Question {
            idempotency: once.map(|once| once.scope),
            register: Some(register),
            ..Question::default()
        };
        match self {
            Self::Case(id) => Question { case: Some(id), ..asked },
            Self::WithPairings(id) => Question { case: Some(id), pairings: true, ..asked },
            Self::WithSupport(id, support) => {
                Question { case: Some(id), pairings: true, support: Some(support), ..asked }
            }
            Self::WithOther(id, other) => Question { case: Some(id), other: Some(other), ..asked },
            Self::Pairing(id) => Question { pairing: Some(id), pairings: true, ..asked },
            Self::Referral(id) => Question { referral: Some(id), ..asked },
            Self::ReferralWithPairings(id) => {
                Question { referral: Some(id), pairings: true, ..asked }
            }
        }
    }
}

/// Reads a case inside the transaction, lets `circumstance` and `wish` speak, decides, writes.
///
/// The order is: there at all and allowed (else 404), key not used otherwise, then the wish's own
/// refusal. Whatever the outcome, one ledger entry is written.
pub(super) async fn on_case<A, T>(
    gateway: &Arc<Gateway>,
    allowed: Allowed<A>,
    object: A::Object,
    which: Which,
    once: Option<Once>,
    circumstance: impl Fn(&OpenCase<'_>) -> Circumstance + Send + 'static,
    wish: impl Fn(&OpenCase<'_>, Timestamp) -> Wish<T> + Send + 'static,
) -> Result<(Permit<A>, Done<T>), FlowError>
where
    A: Action,
    T: Send + 'static,
{
    let now = gateway.clock.now();
    let own = Arc::clone(gateway);
    let question = which.question(once, allowed.subject().register);
    let decide = move |found: &Found| {
        decided(&own, &allowed, object, once, found, now, &circumstance, &wish)
    };
    let (answer, committed) = gateway.store.writer.write(question, now, decide).await?;
    let (verdict, outcome) = answer;
    let permit = match (verdict.settle(&committed), &outcome) {
        (Err(_), Some(Err(FlowError::Store(corrupt)))) => return Err(corrupt.clone().into()),
        (permit, _) => permit?,
    };
    let value = outcome.unwrap_or(Err(FlowError::NotFound))?;
    Ok((permit, Done { value, committed }))
}

type Answer<A, T> = (Verdict<A>, Option<Result<T, FlowError>>);

#[expect(
    clippy::too_many_arguments,
    reason = "the one place where a request, its object and its rules meet"
)]
fn decided<A: Action, T>(
    gateway: &Gateway,
    allowed: &Allowed<A>,
    object: A::Object,
    once: Option<Once>,
    found: &Found,
    now: Timestamp,
    circumstance: &impl Fn(&OpenCase<'_>) -> Circumstance,
    wish: &impl Fn(&OpenCase<'_>, Timestamp) -> Wish<T>,
) -> (Effect, Answer<A, T>) {
    let request = allowed.subject().request;
    let opened = found.case.as_ref().map(|row| (row, facts::open(&gateway.keyring, row)));
    let Some((row, Ok(Some((key, memory))))) = &opened else {
        as_long_as_a_foreign_case(gateway, found, now, circumstance, wish);
        let verdict = allowed.decide(object, &Facts::Absent, &Circumstance::None);
        let corrupt = matches!(opened, Some((_, Err(_))));
        let note =
            Note { why: corrupt.then_some("corrupt").into_iter().collect(), ..Note::default() };
        let entry = verdict.entry(Event::AccessDenied, &note);
        // Whose case it is may know that it does not open; to others it is not there.
        let broken = || Err(StoreError::Corrupt("case facts").into());
        let told = (corrupt && is_theirs(allowed, found)).then(broken);
        return (Effect::new(request, entry, Rows::default()), (verdict, told));
    };
    let standing = standing_of(&gateway.consent.load(), row, memory, now);
    let case = OpenCase {
        row,
        key,
        memory,
        standing: &standing,
        remembered: found.remembered.as_ref(),
        referral: found.referral.as_ref(),
        pairings: &found.pairings,
        origin: found.origin.as_ref(),
        pairing: found.pairing.as_ref(),
        common: &found.common,
        other: found.other.as_deref(),
        support: found.support.as_ref(),
    };
    let facts = facts_for(&case);
    let verdict = allowed.decide(object, &facts, &circumstance(&case));
    let Wish { granted, note, outcome } = wish(&case, now);
    let outcome = moved(found).or_else(|| reused(once, &case)).map_or(outcome, Err);
    let note = Note { object: ledger_object("case", memory.audit_reference), ..note };
    let mut entry = verdict.entry(granted, &note);
    match outcome {
        Ok((rows, value)) => {
            let rows = verdict.when_allowed(|| rows);
            (Effect::new(request, entry, rows), (verdict, Some(Ok(value))))
        }
        Err(error) => {
            // To whom it is refused nothing is said of why it would not have worked either.
            let theirs = verdict.when_allowed(|| {
                entry.outcome = Outcome::Error;
                true
            });
            let told = theirs.then_some(Err(error));
            (Effect::new(request, entry, Rows::default()), (verdict, told))
        }
    }
}

/// Whether the caller may know of the case without its facts being open.
fn is_theirs<A: Action>(allowed: &Allowed<A>, found: &Found) -> bool {
    let subject = allowed.subject();
    let holds = |row: &CaseRow| {
        row.organisation == subject.partner
            && (allowed.role() == Role::Assigner || row.assignee.as_ref() == Some(&subject.person))
    };
    match &found.referral {
        Some(referral) => referral.partner == subject.partner,
        None => found.case.as_ref().is_some_and(holds),
    }
}

/// Does with another case, or the decoy where there is no other, what is done with one that is there but not
/// the caller's. A wish is pure: nothing comes of it.
fn as_long_as_a_foreign_case<T>(
    gateway: &Gateway,
    found: &Found,
    now: Timestamp,
    circumstance: &impl Fn(&OpenCase<'_>) -> Circumstance,
    wish: &impl Fn(&OpenCase<'_>, Timestamp) -> Wish<T>,
) {
    let decoy = gateway.decoy.load();
    let row = found.instead.as_deref().unwrap_or(&decoy);
    if let Ok(Some((key, memory))) = facts::open(&gateway.keyring, row) {
        let standing = standing_of(&gateway.consent.load(), row, &memory, now);
        let case = OpenCase {
            row,
            key: &key,
            memory: &memory,
            standing: &standing,
            remembered: None,
            referral: None,
            pairings: &[],
            origin: None,
            pairing: None,
            common: &BTreeSet::new(),
            other: found.other.as_deref(),
            support: None,
        };
        std::hint::black_box((circumstance(&case), wish(&case, now)));
    }
}

/// The caller was admitted by a register that is no longer in force: it may be suspended by now. It asks
/// again, and is admitted by the new one or not.
fn moved(found: &Found) -> Option<FlowError> {
    found.register_moved.then(|| StoreError::Busy.into())
}

fn reused(once: Option<Once>, case: &OpenCase<'_>) -> Option<FlowError> {
    let other = case.remembered?.body != once?.body;
    other.then_some(FlowError::KeyReused)
}

/// Facts about what was asked for: a referral, or a case.
fn facts_for(case: &OpenCase<'_>) -> Facts {
    match case.referral {
        Some(referral) => Facts::Referral { partner: referral.partner },
        None => Facts::Case(CaseFacts {
            organisation: case.row.organisation,
            assignee: case.row.assignee.clone(),
            open: case.row.state.is_open(),
            consented: case.standing.consented.clone(),
        }),
    }
}

pub(super) fn standing_of(
    rules: &ConsentRules,
    row: &CaseRow,
    memory: &CaseMemory,
    now: Timestamp,
) -> Standing {
    rules.standing(consent_basis(row, memory), now)
}

/// What consent about a case is judged on.
pub(super) fn consent_basis<'a>(row: &CaseRow, memory: &'a CaseMemory) -> Basis<'a> {
    Basis {
        subjects: &memory.subjects,
        applicant: memory.applicant.as_ref(),
        consent: memory.consent.as_ref(),
        tells_health: memory.tells_health,
        source: row.source,
        municipality: row.profile.municipality,
    }
}

/// The ledger's name for something about a case.
pub(super) fn ledger_object(kind: &str, reference: AuditReference) -> LedgerObject {
    LedgerObject {
        kind: Code::parse(kind).unwrap_or_default(),
        reference: Some(reference.uuid().into_bytes()),
    }
}

/// The consent version a permission rests on.
pub(super) fn basis(row: &CaseRow) -> String {
    format!("consent:{}", row.facts_version)
}
