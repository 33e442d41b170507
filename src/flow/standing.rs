//! Where a case stands in consent at one instant: which purposes it covers, and at which stage.

use crate::consent::{Outcome, evaluate, missing_is_only_signatures};
use crate::domain::case::{ReleasePurpose, Stage};
use crate::domain::consent::{
    Action, Category, Consent, Purpose, Recipient, Request, SubjectFacts, SubjectRef, Switches,
};
use crate::domain::municipality::Municipality;
use crate::domain::referral::Source;
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// `policies/consent.toml`.
#[derive(Clone, Debug, Default)]
pub struct ConsentRules {
    /// Which purpose of consent a release purpose rests on.
    pub release: HashMap<&'static str, Purpose>,
    /// Switches and default terms.
    pub switches: Switches,
    /// The recipient a consent must name, by gemeente.
    pub recipients: HashMap<Municipality, Recipient>,
}

/// What consent is judged on, whether fresh from the wire or opened from the store.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// Everyone in the message.
    pub subjects: &'a [SubjectFacts],
    /// Who registers.
    pub applicant: Option<&'a SubjectRef>,
    /// The consent, if any came.
    pub consent: Option<&'a Consent>,
    /// Whether attention points about health are part of it.
    pub tells_health: bool,
    /// In which capacity it was sent.
    pub source: Source,
    /// Where the family lives.
    pub municipality: Municipality,
}

/// Consent at one instant.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What evaluating purpose `referral` gave.
    pub referral: Outcome,
    /// Stage, where anything may be released at all.
    pub stage: Option<Stage>,
    /// Release purposes that are covered, by their words.
    pub consented: Vec<&'static str>,
}

impl Standing {
    /// `full`, `contact` or `none`.
    #[must_use]
    pub fn stage_word(&self) -> &'static str {
        self.stage.map_or("none", Stage::as_str)
    }
}

impl ConsentRules {
    /// Judges a basis at an instant.
    #[must_use]
    pub fn standing(&self, basis: Basis<'_>, at: Timestamp) -> Standing {
        let judge =
            |purpose| evaluate(&self.request(basis, purpose, at), basis.consent, self.switches);
        let referral = judge(Purpose::Referral);
        let contact =
            || missing_is_only_signatures(&referral) && judge(Purpose::Contact).is_allowed();
        let stage = if referral.is_allowed() {
            Some(Stage::Full)
        } else if contact() {
            Some(Stage::Contact)
        } else {
            None
        };
        let covered = |purpose: &ReleasePurpose| {
            let rests_on = self.release.get(purpose.as_str()).copied();
            match stage {
                Some(Stage::Contact) => *purpose == ReleasePurpose::Intake,
                _ => rests_on.is_some_and(|purpose| judge(purpose).is_allowed()),
            }
        };
        let consented = ReleasePurpose::ALL
            .iter()
            .filter(|purpose| covered(purpose))
            .map(|purpose| purpose.as_str())
            .collect();
        Standing { referral, stage, consented }
    }

    /// Whether the referrer may hear what becomes of its referral. The status says nothing about anybody
    /// but that they were referred, so the category `identity` is enough.
    #[must_use]
    pub fn covers_feedback(&self, basis: Basis<'_>, at: Timestamp) -> bool {
        let categories = BTreeSet::from([Category::Identity]);
        let request = Request { categories, ..self.request(basis, Purpose::Feedback, at) };
        evaluate(&request, basis.consent, self.switches).is_allowed()
    }

    /// Whether a participant of the plan may follow its goals. The plan that came with the referral names
    /// who takes part; the recipient of the consent is the organisation that tells them.
    #[must_use]
    pub fn covers_coordination(&self, basis: Basis<'_>, participant: bool, at: Timestamp) -> bool {
        let request = self.request(basis, Purpose::Coordination, at);
        let plan_participants = request.recipient.iter().filter(|_| participant).cloned().collect();
        let categories = BTreeSet::from([Category::Identity, Category::SupportRequest]);
        let request = Request { categories, plan_participants, ..request };
        evaluate(&request, basis.consent, self.switches).is_allowed()
    }

    fn request(&self, basis: Basis<'_>, purpose: Purpose, at: Timestamp) -> Request {
        Request {
            at,
            purpose: Some(purpose),
            recipient: self.recipients.get(&basis.municipality).cloned(),
            categories: categories(purpose, basis.tells_health),
            other_categories: false,
            subjects: basis.subjects.to_vec(),
            applicant: basis.applicant.cloned(),
            action: Action::Process,
            plan_participants: BTreeSet::new(),
            contains_bsn: false,
            child_protection_report: false,
            from_poh_j: basis.source == Source::PohJ,
            contested_divorce: false,
            other_parent_objects: false,
            objection: false,
        }
    }
}

/// The categories a purpose needs. Stage `contact` needs the registrant's own data only.
fn categories(purpose: Purpose, tells_health: bool) -> BTreeSet<Category> {
    let mut needed = BTreeSet::from([Category::Identity, Category::Contact]);
    if purpose != Purpose::Contact {
        needed.insert(Category::SupportRequest);
        if tells_health {
            needed.insert(Category::Health);
        }
    }
    needed
}
