//! Field access: which groups of the matrix a role sees, how clearly, under which facts.
//!
//! ```text
//! Allowed<A> ─► Sight (role, purpose, conditions) ─► may `names` be seen in `clear`?
//! ```
//!
//! Asked by the verbs while they put an answer together, within an action that is allowed itself. The
//! rules stand in `policies/fields.cedar`.
//!
//! # Invariants
//! * Nobody in particular asks: the principal is a role without a name, so one answer holds for all who
//!   hold the role under the same facts, and is remembered as long as the set is loaded.
//! * What no rule grants is not seen, nor what fails to evaluate.
//!
//! # Not here
//! The facts. Whoever makes a [`Sight`] has established them.

use crate::domain::access::{Condition, Conditions, Field, Level, Use};
use crate::domain::partner::Role;
use crate::ids::PartnerId;
use crate::policy::action::{Action, SeeField};
use crate::policy::engine::{Decided, Engine, entity_type, text, uid};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, Request, RestrictedExpression,
};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// One question about one field group.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Question {
    /// The role that asks.
    pub role: Role,
    /// The field group.
    pub field: Field,
    /// How clearly.
    pub level: Level,
    /// For what.
    pub purpose: Use,
    /// What holds.
    pub conditions: Conditions,
}

/// Answers that were given before, by question: there are few, and they do not change with time.
#[derive(Debug, Default)]
pub(super) struct Sights(Mutex<HashMap<Question, bool>>);

impl Engine {
    /// Whether the rules allow this sight.
    #[must_use]
    pub fn sees(&self, question: Question) -> bool {
        let known = |sights: &Sights| {
            let answers = sights.0.lock().unwrap_or_else(PoisonError::into_inner);
            answers.get(&question).copied()
        };
        if let Some(answer) = known(&self.sights) {
            return answer;
        }
        let answer = self.look(question).allow;
        let mut answers = self.sights.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(question, answer);
        answer
    }

    /// Asks the rules themselves, and names those that decided.
    pub(super) fn look(&self, question: Question) -> Decided {
        let nothing = Decided { allow: false, rules: Vec::new() };
        let Some(slice) = self.slice_for(SeeField::NAME, question.role) else {
            return nothing;
        };
        let Some((request, entities)) = asked(&slice.uid, question) else {
            return nothing;
        };
        let answer = Authorizer::new().is_authorized(&request, &slice.policies, &entities);
        let failed = answer.diagnostics().errors().next().is_some();
        let reasons = answer.diagnostics().reason();
        let mut rules: Vec<String> =
            reasons.map(|id| AsRef::<str>::as_ref(id).to_owned()).collect();
        rules.sort_unstable();
        Decided { allow: answer.decision() == Decision::Allow && !failed, rules }
    }
}

fn asked(action: &cedar_policy::EntityUid, question: Question) -> Option<(Request, Entities)> {
    let principal = uid(entity_type(question.role), "anybody")?;
    let resource = uid("Buurtpoort::Field", question.field.as_str())?;
    let nowhere = uid("Buurtpoort::Partner", &PartnerId::from_uuid(uuid::Uuid::nil()).to_string())?;
    let bound = question.conditions.has(Condition::TokenBound);
    let mut facts = HashMap::from([
        ("partner".to_owned(), RestrictedExpression::new_entity_uid(nowhere)),
        ("bound".to_owned(), RestrictedExpression::new_bool(bound)),
    ]);
    if question.role == Role::Municipality {
        facts.insert("gemeenten".to_owned(), RestrictedExpression::new_set([]));
    }
    let who = Entity::new(principal.clone(), facts, HashSet::new()).ok()?;
    let entities = Entities::from_entities([who], None).ok()?;
    let request =
        Request::new(principal, action.clone(), resource, context(question)?, None).ok()?;
    Some((request, entities))
}

fn context(question: Question) -> Option<Context> {
    let flags = Condition::ALL.iter().filter_map(|one| {
        let held = question.conditions.has(*one);
        Some((attribute(*one)?.to_owned(), RestrictedExpression::new_bool(held)))
    });
    let words = [
        ("purpose".to_owned(), text(question.purpose.as_str())),
        ("level".to_owned(), text(question.level.as_str())),
    ];
    Context::from_pairs(flags.chain(words)).ok()
}

/// The name of a condition in `context`; that a token is bound is known of the caller, not of the request.
pub(super) const fn attribute(one: Condition) -> Option<&'static str> {
    Some(match one {
        Condition::OwnPartner => "ownPartner",
        Condition::FeedbackConsent => "feedbackConsent",
        Condition::CoordinationConsent => "coordinationConsent",
        Condition::PlanParticipant => "planParticipant",
        Condition::Assigned => "assigned",
        Condition::ConsentValid => "consentValid",
        Condition::TokenBound => return None,
        Condition::Logged => "logged",
        Condition::HealthExplicit => "healthExplicit",
        Condition::DisclosureProtected => "disclosureProtected",
        Condition::IdentityVerified => "identityVerified",
        Condition::RightsOfOthersChecked => "rightsOfOthersChecked",
        Condition::OfficerReview => "officerReview",
    })
}

/// What one caller sees of one object.
#[derive(Clone, Debug)]
pub struct Sight {
    engine: Arc<Engine>,
    role: Role,
    purpose: Use,
    conditions: Conditions,
}

/// Levels at which something is shown, the clearest first.
const SHOWN: [Level; 6] = [
    Level::ReadWrite,
    Level::Clear,
    Level::Generalised,
    Level::Pseudonymised,
    Level::StatusOnly,
    Level::Aggregate,
];

impl Sight {
    pub(super) const fn new(
        engine: Arc<Engine>,
        role: Role,
        purpose: Use,
        conditions: Conditions,
    ) -> Self {
        Self { engine, role, purpose, conditions }
    }

    /// The same with one condition that differs between field groups.
    #[must_use]
    pub fn with(&self, one: Condition, holds: bool) -> Self {
        Self { conditions: self.conditions.with(one, holds), ..self.clone() }
    }

    /// How clearly a field group may be shown; not at all where no rule grants it.
    #[must_use]
    pub fn level(&self, field: Field) -> Option<Level> {
        SHOWN.into_iter().find(|level| self.allows(field, *level))
    }

    /// Whether a field group may be shown as it was sent.
    #[must_use]
    pub fn is_clear(&self, field: Field) -> bool {
        [Level::ReadWrite, Level::Clear].into_iter().any(|level| self.allows(field, level))
    }

    /// Whether a field group may be seen at this level.
    #[must_use]
    pub fn allows(&self, field: Field, level: Level) -> bool {
        let (role, purpose, conditions) = (self.role, self.purpose, self.conditions);
        self.engine.sees(Question { role, field, level, purpose, conditions })
    }
}
