//! Questions with invented facts: what would the rules say if …?
//!
//! For the table a privacy officer reads, for `buurtpoort policy explain` and for tests. Nothing here can
//! open anything: no verdict, no permit, no ledger entry comes of it.
//!
//! A rehearsal starts from "everything in order" (own organisation, assigned, consent valid, open, token
//! bound, …); each [`Twist`] takes one thing away.

use crate::domain::access::{Condition, Conditions};
use crate::domain::municipality::Municipality;
use crate::domain::partner::{PartnerKind, Role, Slug};
use crate::domain::partner_number::PartnerNumber;
use crate::domain::words::words;
use crate::ids::{PartnerId, RequestId};
use crate::policy::engine::{Asked, Decided, Engine};
use crate::policy::facts::{CaseFacts, Circumstance, Facts, SupportFacts};
use crate::policy::sight::Question;
use crate::policy::subject::Subject;
use cedar_policy::Effect;
use std::collections::BTreeSet;
use uuid::Uuid;

words! {
    /// One thing that is not in order.
    Twist {
        /// Another coordinator holds the case.
        NotAssigned = "not-assigned",
        /// It belongs to another organisation, or another gemeente.
        Elsewhere = "elsewhere",
        /// Consent was withdrawn, or never sufficed.
        ConsentWithdrawn = "consent-withdrawn",
        /// Only signatures lack: the registrant's own contact data is covered.
        ContactStage = "contact-stage",
        /// The case is closed or on hold.
        Closed = "closed",
        /// The token is bound to another certificate.
        TokenNotBound = "token-not-bound",
        /// The person named may not have the case.
        NotEligible = "not-eligible",
        /// The step ends a pairing.
        TellsNothing = "tells-nothing",
        /// No consent to feedback.
        NoFeedbackConsent = "no-feedback-consent",
        /// No consent to coordination.
        NoCoordinationConsent = "no-coordination-consent",
        /// The caller's organisation takes no part in the plan.
        NotAParticipant = "not-a-participant",
        /// Consent to health data was not explicit.
        HealthNotExplicit = "health-not-explicit",
        /// The disclosure is not in the ledger.
        NotLogged = "not-logged",
        /// Figures are not protected against disclosure.
        NotProtected = "not-protected",
        /// Who asks has not shown who they are.
        NotVerified = "not-verified",
        /// What is about others was not looked at.
        RightsNotChecked = "rights-not-checked",
        /// No privacy officer looked first.
        NotReviewed = "not-reviewed",
    }
}

impl Twist {
    /// In plain words.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::NotAssigned => "the case is not assigned to the caller",
            Self::Elsewhere => "of another organisation or gemeente",
            Self::ConsentWithdrawn => "consent was withdrawn",
            Self::ContactStage => "signatures lack: stage contact",
            Self::Closed => "the case is closed or on hold",
            Self::TokenNotBound => "the token is not bound to the connection",
            Self::NotEligible => "the person named may not have the case",
            Self::TellsNothing => "the step only ends a pairing",
            Self::NoFeedbackConsent => "no consent to feedback",
            Self::NoCoordinationConsent => "no consent to coordination",
            Self::NotAParticipant => "the organisation takes no part in the plan",
            Self::HealthNotExplicit => "consent to health data is not explicit",
            Self::NotLogged => "the disclosure is not in the ledger",
            Self::NotProtected => "figures are not protected",
            Self::NotVerified => "who asks has not shown who they are",
            Self::RightsNotChecked => "the rights of others were not checked",
            Self::NotReviewed => "no privacy officer looked first",
        }
    }

    /// The condition of the access matrix that is missing then.
    #[must_use]
    pub const fn takes_away(self) -> Option<Condition> {
        Some(match self {
            Self::NotAssigned => Condition::Assigned,
            Self::Elsewhere => Condition::OwnPartner,
            Self::ConsentWithdrawn => Condition::ConsentValid,
            Self::TokenNotBound => Condition::TokenBound,
            Self::NoFeedbackConsent => Condition::FeedbackConsent,
            Self::NoCoordinationConsent => Condition::CoordinationConsent,
            Self::NotAParticipant => Condition::PlanParticipant,
            Self::HealthNotExplicit => Condition::HealthExplicit,
            Self::NotLogged => Condition::Logged,
            Self::NotProtected => Condition::DisclosureProtected,
            Self::NotVerified => Condition::IdentityVerified,
            Self::RightsNotChecked => Condition::RightsOfOthersChecked,
            Self::NotReviewed => Condition::OfficerReview,
            Self::ContactStage | Self::Closed | Self::NotEligible | Self::TellsNothing => {
                return None;
            }
        })
    }
}

/// Everything that is not in order at once.
pub type Twists = BTreeSet<Twist>;

/// The conditions that are left.
#[must_use]
pub fn conditions(twists: &Twists) -> Conditions {
    let missing = |one: &Condition| twists.iter().any(|twist| twist.takes_away() == Some(*one));
    let held: Vec<Condition> = Condition::ALL.iter().copied().filter(|one| !missing(one)).collect();
    Conditions::of(&held)
}

/// What the rules would say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rehearsed {
    /// Yes or no.
    pub allow: bool,
    /// Ids of the rules that decided: the permits of a yes, the forbids of a no.
    pub rules: Vec<String>,
}

impl From<Decided> for Rehearsed {
    fn from(decided: Decided) -> Self {
        Self { allow: decided.allow, rules: decided.rules }
    }
}

/// A rule as a reader meets it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// Its `@id`.
    pub id: String,
    /// Its `@why`, where it has one.
    pub why: Option<String>,
    /// Whether it forbids.
    pub forbids: bool,
}

impl Engine {
    /// Entity type that an action is done to, such as `Buurtpoort::Case`; nothing for an action that is
    /// not there.
    #[must_use]
    pub fn object_of(&self, action: &str) -> Option<&str> {
        self.slices.get(action).map(|slice| slice.object.as_str())
    }

    /// Roles that may ask for an action at all.
    #[must_use]
    pub fn roles_of(&self, action: &str) -> &[Role] {
        self.slices.get(action).map_or(&[], |slice| slice.roles.as_slice())
    }

    /// Rules that are looked at for an action, by id.
    #[must_use]
    pub fn rules_of(&self, action: &str) -> Vec<Rule> {
        let policies = self.slices.get(action).map(|slice| slice.policies.policies());
        let mut rules: Vec<Rule> = policies
            .into_iter()
            .flatten()
            .map(|policy| Rule {
                id: policy.annotation("id").unwrap_or_default().to_owned(),
                why: policy.annotation("why").map(str::to_owned),
                forbids: policy.effect() == Effect::Forbid,
            })
            .collect();
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        rules
    }

    /// What would be answered to `role` asking for `action` with these things not in order; nothing for
    /// an action that is not there, or one about field groups, for which there is [`Self::rehearse_sight`].
    #[must_use]
    pub fn rehearse(&self, role: Role, action: &str, twists: &Twists) -> Option<Rehearsed> {
        let entity = self.object_of(action)?;
        if !self.roles_of(action).contains(&role) {
            return Some(Rehearsed { allow: false, rules: Vec::new() });
        }
        let subject = invented(role, twists)?;
        let (key, facts) = object(entity, twists)?;
        let circumstance = circumstance(action, twists);
        let (facts, circumstance) = (&facts, &circumstance);
        let asked = Asked { subject: &subject, role, entity, key, facts, circumstance };
        Some(self.weigh(action, &asked).into())
    }

    /// What would be answered about a field group, with the rules that decided.
    #[must_use]
    pub fn rehearse_sight(&self, question: Question) -> Rehearsed {
        self.look(question).into()
    }
}

const fn organisation(number: u128) -> PartnerId {
    PartnerId::from_uuid(Uuid::from_u128(number))
}

fn invented(role: Role, twists: &Twists) -> Option<Subject> {
    Some(Subject {
        register: 0,
        partner: organisation(1),
        number: PartnerNumber::parse("00000099000000001000").ok()?,
        partner_name: Slug::parse("partner").ok()?,
        kind: PartnerKind::Coordination,
        person: Slug::parse("caller").ok()?,
        roles: vec![role],
        municipalities: vec![Municipality::parse("GM0268").ok()?],
        bound: !twists.contains(&Twist::TokenNotBound),
        certificate: Some([0; 32]),
        token: [0; 32],
        pseudonym: String::new(),
        request: RequestId::from_uuid(Uuid::nil()),
        trace: String::new(),
    })
}

fn object(entity: &str, twists: &Twists) -> Option<(String, Facts)> {
    let elsewhere = twists.contains(&Twist::Elsewhere);
    let owner = organisation(if elsewhere { 2 } else { 1 });
    let anything = Uuid::from_u128(3).to_string();
    Some(match entity {
        "Buurtpoort::Partner" => (owner.to_string(), Facts::Bare),
        "Buurtpoort::Gemeente" => {
            (if elsewhere { "GM0225" } else { "GM0268" }.to_owned(), Facts::Bare)
        }
        "Buurtpoort::Referral" => (anything, Facts::Referral { partner: owner }),
        "Buurtpoort::Case" => (anything, Facts::Case(case(owner, twists)?)),
        "Buurtpoort::SupportFamily" => (anything, Facts::SupportFamily(support(owner, twists)?)),
        _ => return None,
    })
}

fn case(organisation: PartnerId, twists: &Twists) -> Option<CaseFacts> {
    let holder = if twists.contains(&Twist::NotAssigned) { "colleague" } else { "caller" };
    let consented = if twists.contains(&Twist::ConsentWithdrawn) {
        Vec::new()
    } else if twists.contains(&Twist::ContactStage) {
        vec!["intake"]
    } else {
        vec!["intake", "pairing", "monitoring"]
    };
    Some(CaseFacts {
        organisation,
        assignee: Some(Slug::parse(holder).ok()?),
        open: !twists.contains(&Twist::Closed),
        consented,
    })
}

fn support(organisation: PartnerId, twists: &Twists) -> Option<SupportFacts> {
    let holder = if twists.contains(&Twist::NotAssigned) { "colleague" } else { "caller" };
    let coordinator = Slug::parse(holder).ok()?;
    let (holders, open) = (vec![coordinator.clone()], !twists.contains(&Twist::Closed));
    Some(SupportFacts { organisation, coordinator, holders, open })
}

fn circumstance(action: &str, twists: &Twists) -> Circumstance {
    let has = |twist| twists.contains(&twist);
    match action {
        "submitReferral" if has(Twist::ConsentWithdrawn) => Circumstance::Consent("none"),
        "submitReferral" if has(Twist::ContactStage) => Circumstance::Consent("contact"),
        "submitReferral" => Circumstance::Consent("full"),
        "releaseIdentity" if has(Twist::ContactStage) => Circumstance::Purpose("pairing"),
        "releaseIdentity" => Circumstance::Purpose("intake"),
        "movePairing" => Circumstance::Tells(!has(Twist::TellsNothing)),
        "assignCase" => Circumstance::Eligible(!has(Twist::NotEligible)),
        "readGoals" => Circumstance::Coordination {
            consented: !has(Twist::NoCoordinationConsent),
            participant: !has(Twist::NotAParticipant),
        },
        _ => Circumstance::None,
    }
}
