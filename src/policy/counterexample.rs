//! A request that a solver made up, as a person can read it.
//!
//! For whoever has to find out why a property does not hold. Entities have no names in a made-up
//! request: they are called after what they are, `Partner A`, `Partner B`, and the caller and the
//! object by that word. Absent: the judgement; this only tells.

use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Entities, EntityUid, EvalResult, PolicySet, Request,
};
use std::fmt;

/// A made-up request, and what the rules say to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counterexample {
    /// Role of the caller.
    pub role: String,
    /// What is asked.
    pub action: String,
    /// Kind of object.
    pub object: String,
    /// What is so, in words, one fact each.
    pub facts: Vec<String>,
    /// Whether the rules allow it.
    pub allowed: bool,
    /// The rules that decided it; empty where no rule allows.
    pub rules: Vec<String>,
    /// The rules that failed to evaluate.
    pub failed: Vec<String>,
}

impl Counterexample {
    pub(super) fn of(request: &Request, entities: &Entities, rules: &PolicySet) -> Self {
        let answer = Authorizer::new().is_authorized(request, rules, entities);
        let failed = answer.diagnostics().errors().map(|error| match error {
            AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
        });
        let kind = |uid: Option<&EntityUid>| {
            uid.map(|uid| uid.type_name().basename().to_owned()).unwrap_or_default()
        };
        Self {
            role: kind(request.principal()),
            action: request.action().map(|a| a.id().unescaped().to_owned()).unwrap_or_default(),
            object: kind(request.resource()),
            facts: facts(request, entities),
            allowed: answer.decision() == Decision::Allow,
            rules: sorted(answer.diagnostics().reason().map(ToString::to_string)),
            failed: sorted(failed),
        }
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

/// What is so of caller, object and request, one line each.
fn facts(request: &Request, entities: &Entities) -> Vec<String> {
    let mut names = Names::of(request);
    let mut facts = Vec::new();
    for (who, uid) in [("the caller", request.principal()), ("the object", request.resource())] {
        let Some(entity) = uid.and_then(|uid| entities.get(uid)) else { continue };
        let mut attributes: Vec<_> =
            entity.attrs().filter_map(|(name, value)| Some((name, value.ok()?))).collect();
        attributes.sort_by(|one, other| one.0.cmp(other.0));
        for (name, value) in attributes {
            facts.push(format!("{who}: {name} = {}", names.tell(&value)));
        }
    }
    if let Some(context) = request.context() {
        for key in sorted(context.clone().into_iter().map(|(key, _)| key)) {
            if let Some(value) = context.get(&key) {
                facts.push(format!("the request: {key} = {}", names.tell(&value)));
            }
        }
    }
    facts
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = if self.allowed { "is allowed" } else { "is refused" };
        write!(f, "{} asks {} about a {} and {answer}", self.role, self.action, self.object)?;
        match self.rules.as_slice() {
            [] => write!(f, ", since no rule allows it")?,
            rules => write!(f, " by {}", rules.join(", "))?,
        }
        if !self.failed.is_empty() {
            write!(f, ", while {} fails", self.failed.join(", "))?;
        }
        for fact in &self.facts {
            write!(f, "\n    {fact}")?;
        }
        Ok(())
    }
}

/// What entities without a name are called.
struct Names {
    caller: Option<EntityUid>,
    object: Option<EntityUid>,
    others: Vec<EntityUid>,
}

impl Names {
    fn of(request: &Request) -> Self {
        let (caller, object) = (request.principal().cloned(), request.resource().cloned());
        Self { caller, object, others: Vec::new() }
    }

    fn entity(&mut self, uid: &EntityUid) -> String {
        if self.caller.as_ref() == Some(uid) {
            return "the caller".to_owned();
        }
        if self.object.as_ref() == Some(uid) {
            return "the object".to_owned();
        }
        let kind = uid.type_name();
        let alike = || self.others.iter().filter(|other| other.type_name() == kind);
        let at = alike().position(|other| other == uid).unwrap_or_else(|| alike().count());
        if !self.others.contains(uid) {
            self.others.push(uid.clone());
        }
        let letter = u8::try_from(at).ok().and_then(|at| b'A'.checked_add(at)).map(char::from);
        match letter.filter(char::is_ascii_uppercase) {
            Some(letter) => format!("{} {letter}", kind.basename()),
            None => format!("{} {}", kind.basename(), at.saturating_add(1)),
        }
    }

    fn tell(&mut self, value: &EvalResult) -> String {
        match value {
            EvalResult::Bool(true) => "yes".to_owned(),
            EvalResult::Bool(false) => "no".to_owned(),
            EvalResult::Long(number) => number.to_string(),
            EvalResult::String(text) => format!("{text:?}"),
            EvalResult::EntityUid(uid) => self.entity(uid),
            EvalResult::Set(set) => {
                let members: Vec<String> = set.iter().map(|member| self.tell(member)).collect();
                if members.is_empty() { "none".to_owned() } else { members.join(" and ") }
            }
            EvalResult::Record(record) => {
                let members: Vec<String> = record
                    .iter()
                    .map(|(key, member)| format!("{key} {}", self.tell(member)))
                    .collect();
                members.join(", ")
            }
            EvalResult::ExtensionValue(text) => text.clone(),
        }
    }
}
