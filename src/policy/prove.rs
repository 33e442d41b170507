//! What a policy set must keep, as questions for a solver.
//!
//! For `buurtpoort policy prove` and the tests. The properties of `policies/invariants.cedar` and four
//! that hold of any set are compiled, for every request environment of the schema (a role, an action
//! and a kind of object), into questions that have one right answer. Invariant: a property about which
//! there is nothing to ask is never proven.
//! Absent: the solver. This floor does not wait and starts no process; `src/cli/policies` does.
//!
//! A proof speaks of requests that have the form the schema gives them, and of facts that are all
//! there. The engine builds its requests so, and refuses where a rule fails.

use crate::crypto::digest::sha256;
use crate::policy::counterexample::Counterexample;
use crate::policy::engine::{PolicyError, PolicyFile, named_policies, parse_schema, validate};
use cedar_policy::{
    ActionConstraint, Effect, EntityTypeName, Policy, PolicyId, PolicySet, PrincipalConstraint,
    RequestEnv, ResourceConstraint, Schema,
};
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet, Env};
use std::fmt;
use std::sync::Arc;

/// Why there is nothing to prove with.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The set itself would not be loaded.
    #[error(transparent)]
    Policies(#[from] PolicyError),
    /// A property is not written as one.
    #[error("invariants: {id}: {rule}")]
    Property {
        /// Its `@id`.
        id: String,
        /// What is asked of it.
        rule: &'static str,
    },
    /// A rule cannot be put to the solver.
    #[error("{0} cannot be compiled for the solver")]
    Compile(String),
}

/// What a property is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The set stays below it.
    Ceiling,
    /// The forbids of the set stay below it, whatever is permitted.
    Guardrail,
    /// The set does not stay below it.
    Floor,
    /// Holds of any set; written here and not in Cedar.
    Always,
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        [Self::Ceiling, Self::Guardrail, Self::Floor].into_iter().find(|kind| kind.as_str() == text)
    }

    /// As it stands in `@kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ceiling => "ceiling",
            Self::Guardrail => "guardrail",
            Self::Floor => "floor",
            Self::Always => "always",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a solver is asked.
#[derive(Debug)]
pub enum Goal {
    /// Whatever the first set allows, the second allows too.
    Implies(Arc<CompiledPolicySet>, Arc<CompiledPolicySet>),
    /// Nothing is allowed by both.
    Disjoint(Arc<CompiledPolicySet>, Arc<CompiledPolicySet>),
    /// The rule never fails to evaluate.
    NeverFails(Box<CompiledPolicy>),
    /// Something is allowed. The one goal that holds when a request is found; a solver that only ever
    /// says that nothing can be found does not pass it.
    Allows(Arc<CompiledPolicySet>),
}

/// One goal in one request environment.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub goal: Goal,
    place: Place,
    asked: Arc<PolicySet>,
}

impl Question {
    /// The request a solver found, as a person can read it.
    #[must_use]
    pub fn explain(&self, found: &Env) -> Counterexample {
        Counterexample::of(&found.request, &found.entities, &self.asked)
    }

    /// What is told when the answer is known and the request is not.
    #[must_use]
    pub fn place(&self) -> String {
        let Place { principal, action, resource } = &self.place;
        format!("{principal} asks {action} about a {resource}")
    }
}

/// A request environment in the words of the schema, without its namespace.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    action: String,
    principal: String,
    resource: String,
}

/// Something that must hold, and the questions that decide it.
#[derive(Debug)]
pub struct Property {
    /// Its name.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// The promise in plain words.
    pub says: String,
    /// What a solver decides.
    pub questions: Vec<Question>,
    /// What is wrong without asking.
    pub flaws: Vec<String>,
}

/// SHA-256 of the properties a proof is about.
#[must_use]
pub fn hash(invariants: &str) -> [u8; 32] {
    sha256(invariants.as_bytes())
}

/// Everything that must hold of the set in `files` under `schema`: `invariants` and what always holds.
///
/// # Errors
/// [`ProveError`] when set or properties cannot be read.
pub fn properties(
    schema: &str,
    files: &[PolicyFile],
    invariants: &PolicyFile,
) -> Result<Vec<Property>, ProveError> {
    let schema = parse_schema(schema)?;
    let rules = named_policies(files)?;
    validate(&schema, &set(&rules)?)?;
    let written = written(&schema, invariants)?;
    let grounds = grounds(&schema, &rules)?;
    let mut found = vec![
        covered(&schema, &written),
        answerable(&grounds),
        never_fails(&schema, &rules, &grounds)?,
        forbids_win(&schema, &rules, &grounds)?,
    ];
    for property in &written {
        found.push(property.ask(&schema, &grounds)?);
    }
    Ok(found)
}

/// One request environment with what the set comes to in it.
struct Ground {
    environment: RequestEnv,
    place: Place,
    /// The set.
    rules: Arc<PolicySet>,
    compiled: Arc<CompiledPolicySet>,
    /// Its forbids, and a permit for everything.
    forbids: Arc<PolicySet>,
    bounded: Arc<CompiledPolicySet>,
}

fn grounds(schema: &Schema, rules: &[Policy]) -> Result<Vec<Ground>, ProveError> {
    let mut all = Vec::new();
    for environment in schema.request_envs() {
        let here: Vec<Policy> =
            rules.iter().filter(|rule| names(rule, &environment)).cloned().collect();
        let forbids = here.iter().filter(|rule| rule.effect() == Effect::Forbid).cloned();
        let forbids: Vec<Policy> = forbids.chain([everything()?]).collect();
        let (here, forbids) = (set(&here)?, set(&forbids)?);
        all.push(Ground {
            place: place(&environment),
            compiled: compile(&here, &environment, schema)?,
            bounded: compile(&forbids, &environment, schema)?,
            rules: Arc::new(here),
            forbids: Arc::new(forbids),
            environment,
        });
    }
    all.sort_by(|one, other| one.place.cmp(&other.place));
    Ok(all)
}

/// A property of the file.
struct Written {
    id: String,
    kind: Kind,
    says: String,
    policy: Policy,
}

impl Written {
    fn read(policy: Policy) -> Result<Self, ProveError> {
        let id = policy.id().to_string();
        let bad = |rule| ProveError::Property { id: id.clone(), rule };
        let says = policy.annotation("says").unwrap_or_default().to_owned();
        let kind = policy.annotation("kind").and_then(Kind::parse);
        let kind = kind.ok_or_else(|| bad("needs @kind: ceiling, guardrail or floor"))?;
        if says.is_empty() {
            return Err(bad("needs @says, the promise in plain words"));
        }
        if policy.effect() != Effect::Permit {
            return Err(bad("is written as a permit"));
        }
        let simple = matches!(
            (policy.principal_constraint(), policy.resource_constraint()),
            (
                PrincipalConstraint::Any | PrincipalConstraint::Is(_),
                ResourceConstraint::Any | ResourceConstraint::Is(_)
            )
        );
        if !simple {
            return Err(bad("names nobody and no object in its head, only what they are"));
        }
        Ok(Self { id, kind, says, policy })
    }

    /// Whether it speaks of requests of this kind. A floor promises something to the role in its head;
    /// a ceiling, under which every role stands, promises it of the role.
    fn speaks_of(&self, environment: &RequestEnv) -> bool {
        let object = match self.policy.resource_constraint() {
            ResourceConstraint::Is(kind) => kind == *environment.resource(),
            _ => true,
        };
        let role = match self.policy.principal_constraint() {
            PrincipalConstraint::Is(role) if self.kind == Kind::Floor => {
                role == *environment.principal()
            }
            _ => true,
        };
        names(&self.policy, environment) && object && role
    }

    fn ask(&self, schema: &Schema, grounds: &[Ground]) -> Result<Property, ProveError> {
        let itself = Arc::new(set(std::slice::from_ref(&self.policy))?);
        let mut property = always(&self.id, &self.says);
        property.kind = self.kind;
        for ground in grounds.iter().filter(|ground| self.speaks_of(&ground.environment)) {
            let alone = compile(&itself, &ground.environment, schema)?;
            if self.kind == Kind::Floor {
                // A floor that nobody can stand on would hold of any set.
                let goal = Goal::Allows(Arc::clone(&alone));
                property.questions.push(ground.question(goal, &itself));
            }
            let goal = match self.kind {
                Kind::Guardrail => Goal::Implies(Arc::clone(&ground.bounded), alone),
                Kind::Floor => Goal::Implies(alone, Arc::clone(&ground.compiled)),
                Kind::Ceiling | Kind::Always => Goal::Implies(Arc::clone(&ground.compiled), alone),
            };
            let asked = if self.kind == Kind::Guardrail { &ground.forbids } else { &ground.rules };
            property.questions.push(ground.question(goal, asked));
        }
        if property.questions.is_empty() {
            property.flaws.push("the schema describes no request it speaks of".to_owned());
        }
        Ok(property)
    }
}

impl Ground {
    fn question(&self, goal: Goal, asked: &Arc<PolicySet>) -> Question {
        Question { goal, place: self.place.clone(), asked: Arc::clone(asked) }
    }
}

fn written(schema: &Schema, invariants: &PolicyFile) -> Result<Vec<Written>, ProveError> {
    let policies = named_policies(std::slice::from_ref(invariants))?;
    validate(schema, &set(&policies)?)?;
    policies.into_iter().map(Written::read).collect()
}

fn always(id: &str, says: &str) -> Property {
    Property {
        id: id.to_owned(),
        kind: Kind::Always,
        says: says.to_owned(),
        questions: Vec::new(),
        flaws: Vec::new(),
    }
}

/// A ceiling for any action counts for none: it says too little about each.
fn covered(schema: &Schema, written: &[Written]) -> Property {
    let mut property = always(
        "every-action-has-a-ceiling",
        "There is no action for which nobody wrote down how far it may go.",
    );
    let ceilings = || written.iter().filter(|one| one.kind == Kind::Ceiling);
    let mut actions: Vec<_> = schema.actions().collect();
    actions.sort();
    for action in actions {
        let named = ceilings().any(|one| match one.policy.action_constraint() {
            ActionConstraint::Any => false,
            ActionConstraint::Eq(uid) => uid == *action,
            ActionConstraint::In(uids) => uids.contains(action),
        });
        if !named {
            property.flaws.push(format!("no ceiling names {}", action.id().unescaped()));
        }
    }
    property
}

/// Also the control of the solver: here it has to find something.
fn answerable(grounds: &[Ground]) -> Property {
    let mut property = always(
        "every-role-can-be-told-yes",
        "Each role that may ask for an action can be allowed it: no forbid shuts it altogether.",
    );
    for ground in grounds {
        let goal = Goal::Allows(Arc::clone(&ground.compiled));
        property.questions.push(ground.question(goal, &ground.rules));
    }
    property
}

fn never_fails(
    schema: &Schema,
    rules: &[Policy],
    grounds: &[Ground],
) -> Result<Property, ProveError> {
    let mut property = always(
        "no-rule-ever-fails",
        "Every rule can be answered for every request: none is passed over because it fails.",
    );
    for (rule, ground) in pairs(rules, grounds) {
        let compiled = CompiledPolicy::compile(rule, &ground.environment, schema);
        let compiled = compiled.map_err(|_error| ProveError::Compile(rule.id().to_string()))?;
        property
            .questions
            .push(ground.question(Goal::NeverFails(Box::new(compiled)), &ground.rules));
    }
    Ok(property)
}

fn forbids_win(
    schema: &Schema,
    rules: &[Policy],
    grounds: &[Ground],
) -> Result<Property, ProveError> {
    let mut property = always(
        "every-forbid-wins",
        "Where the condition of a forbid holds, nothing is allowed: no permit stands above it.",
    );
    let forbids: Vec<Policy> =
        rules.iter().filter(|rule| rule.effect() == Effect::Forbid).cloned().collect();
    for (rule, ground) in pairs(&forbids, grounds) {
        let held = compile(&set(&[turned(rule)?])?, &ground.environment, schema)?;
        let goal = Goal::Disjoint(held, Arc::clone(&ground.compiled));
        property.questions.push(ground.question(goal, &ground.rules));
    }
    Ok(property)
}

/// Each rule with each environment whose action it names.
fn pairs<'a>(
    rules: &'a [Policy],
    grounds: &'a [Ground],
) -> impl Iterator<Item = (&'a Policy, &'a Ground)> {
    let here = move |ground: &'a Ground| {
        let named = move |rule: &&Policy| names(rule, &ground.environment);
        rules.iter().filter(named).map(move |rule| (rule, ground))
    };
    grounds.iter().flat_map(here)
}

/// The condition of a forbid as a permit: it allows exactly what the forbid refuses.
fn turned(forbid: &Policy) -> Result<Policy, ProveError> {
    let failed = || ProveError::Compile(forbid.id().to_string());
    let mut json = forbid.to_json().ok().ok_or_else(failed)?;
    let effect = json.get_mut("effect").ok_or_else(failed)?;
    *effect = "permit".into();
    Policy::from_json(Some(forbid.id().clone()), json).ok().ok_or_else(failed)
}

fn everything() -> Result<Policy, ProveError> {
    let id = "everything-to-everybody";
    let parsed = Policy::parse(Some(PolicyId::new(id)), "permit (principal, action, resource);");
    parsed.map_err(|_error| ProveError::Compile(id.to_owned()))
}

/// Whether the head of a rule names the action of an environment.
fn names(rule: &Policy, environment: &RequestEnv) -> bool {
    match rule.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == *environment.action(),
        ActionConstraint::In(uids) => uids.contains(environment.action()),
    }
}

fn place(environment: &RequestEnv) -> Place {
    let name = |kind: &EntityTypeName| kind.basename().to_owned();
    Place {
        action: environment.action().id().unescaped().to_owned(),
        principal: name(environment.principal()),
        resource: name(environment.resource()),
    }
}

fn set(policies: &[Policy]) -> Result<PolicySet, ProveError> {
    let set = PolicySet::from_policies(policies.iter().cloned());
    Ok(set.map_err(|error| PolicyError::Id(error.to_string()))?)
}

fn compile(
    set: &PolicySet,
    environment: &RequestEnv,
    schema: &Schema,
) -> Result<Arc<CompiledPolicySet>, ProveError> {
    let compiled = CompiledPolicySet::compile(set, environment, schema);
    let place = || place(environment);
    compiled
        .map(Arc::new)
        .map_err(|_error| ProveError::Compile(format!("the set for {:?}", place())))
}

#[cfg(test)]
mod tests;
