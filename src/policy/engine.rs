//! The Cedar engine: loads and validates the policy set, and answers questions from facts alone.
//!
//! Policies are sliced per action when the set is loaded, because the cost of a decision is linear in
//! the policies looked at.

use crate::crypto::digest::{hex, sha256};
use crate::domain::partner::{Role, Slug};
use crate::policy::action::{Action, NAMES, Object};
use crate::policy::facts::{CaseFacts, Circumstance, Facts, SupportFacts};
use crate::policy::sight::Sights;
use crate::policy::subject::{Subject, account_key};
use cedar_policy::{
    ActionConstraint, Authorizer, Context, Decision, Effect, Entities, Entity, EntityId,
    EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Request, RestrictedExpression, Schema,
    ValidationMode, Validator,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::str::FromStr;

/// Why a policy set was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The schema does not parse.
    #[error("the schema does not parse: {0}")]
    Schema(String),
    /// A policy file does not parse.
    #[error("{file}: {reason}")]
    Syntax {
        /// The file.
        file: String,
        /// What the parser said.
        reason: String,
    },
    /// A file holds a template, which decides nothing until it is linked, and nothing here links.
    #[error("{0}: a template is no policy")]
    Template(String),
    /// Two policies bear one `@id`, or one bears none.
    #[error("{0}: every policy needs an @id of its own")]
    Id(String),
    /// The set does not validate against the schema.
    #[error("the policies do not validate: {0}")]
    Invalid(String),
    /// Schema and program know different actions.
    #[error("the schema and the program differ in the action {0}")]
    UnknownAction(String),
    /// An action applies to a role the program does not know.
    #[error("the schema names a role the program does not know")]
    UnknownRole,
}

/// The text of one policy file.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// File name, for messages.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// The answer of the engine, before it is sealed into a verdict.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Decided {
    pub(super) allow: bool,
    pub(super) rules: Vec<String>,
}

pub(super) struct Slice {
    pub(super) policies: PolicySet,
    pub(super) roles: Vec<Role>,
    pub(super) uid: EntityUid,
    /// What the action is done to, by entity type.
    pub(super) object: String,
}

/// What a rule says of itself, for who checks a decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Saying {
    /// Whether it permits; else it forbids.
    pub permits: bool,
    /// `@why`, English. A set of an operator's own may lack it.
    pub why: Option<String>,
    /// `@waarom`, Dutch. A set of an operator's own may lack it.
    pub waarom: Option<String>,
}

fn saying(policy: &Policy) -> Option<(String, Saying)> {
    let told = |name| policy.annotation(name).map(str::to_owned);
    let (why, waarom) = (told("why"), told("waarom"));
    let told = Saying { permits: policy.effect() == Effect::Permit, why, waarom };
    Some((policy.annotation("id")?.to_owned(), told))
}

/// A validated policy set, ready to answer.
pub struct Engine {
    pub(super) slices: HashMap<&'static str, Slice>,
    pub(super) sights: Sights,
    /// What each rule says of itself, by its id.
    sayings: BTreeMap<String, Saying>,
    hash: [u8; 32],
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({})", hex(&self.hash))
    }
}

impl Engine {
    /// Loads `schema` and `files`, validates strictly, and checks that schema and program know the
    /// same actions. `other` are the files beside them that decisions rest on; they count in the hash.
    ///
    /// # Errors
    /// [`PolicyError`]; nothing is loaded then.
    pub fn load(
        schema: &str,
        files: &[PolicyFile],
        other: &[PolicyFile],
    ) -> Result<Self, PolicyError> {
        let parsed = parse_schema(schema)?;
        check_actions(&parsed)?;
        let policies = named_policies(files)?;
        let set = PolicySet::from_policies(policies.iter().cloned())
            .map_err(|error| PolicyError::Id(error.to_string()))?;
        validate(&parsed, &set)?;
        let mut slices = HashMap::new();
        for name in NAMES {
            slices.insert(*name, slice(name, &parsed, &policies)?);
        }
        let sayings = policies.iter().filter_map(saying).collect();
        Ok(Self { slices, sights: Sights::default(), sayings, hash: hash(schema, files, other) })
    }

    /// What a rule of the set says of itself.
    #[must_use]
    pub fn saying(&self, rule: &str) -> Option<&Saying> {
        self.sayings.get(rule)
    }

    /// Every rule of the set and what it says of itself, by id.
    pub fn sayings(&self) -> impl Iterator<Item = (&str, &Saying)> {
        self.sayings.iter().map(|(id, saying)| (id.as_str(), saying))
    }

    /// SHA-256 of schema and policies: stands in every ledger entry.
    #[must_use]
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The role in which `subject` may ask for `A` at all, if any.
    #[must_use]
    pub fn role_for<A: Action>(&self, subject: &Subject) -> Option<Role> {
        let roles = &self.slices.get(A::NAME)?.roles;
        subject.roles.iter().copied().find(|role| roles.contains(role))
    }

    /// Whether `subject` holds `role` and the role may ask for `A`.
    pub(super) fn may_ask<A: Action>(&self, subject: &Subject, role: Role) -> bool {
        let slice = self.slices.get(A::NAME);
        subject.roles.contains(&role) && slice.is_some_and(|slice| slice.roles.contains(&role))
    }

    pub(super) fn decide<A: Action>(
        &self,
        subject: &Subject,
        role: Role,
        object: A::Object,
        facts: &Facts,
        circumstance: &Circumstance,
    ) -> Decided {
        let (entity, key) = (A::Object::ENTITY, object.key());
        self.weigh(A::NAME, &Asked { subject, role, entity, key, facts, circumstance })
    }

    /// The rules of an action; none for a role the schema does not list, whatever they would say.
    pub(super) fn slice_for(&self, action: &str, role: Role) -> Option<&Slice> {
        self.slices.get(action).filter(|slice| slice.roles.contains(&role))
    }

    /// Puts a question to the rules of an action.
    pub(super) fn weigh(&self, action: &str, asked: &Asked<'_>) -> Decided {
        let refused = Decided { allow: false, rules: Vec::new() };
        let absent = matches!(asked.facts, Facts::Absent);
        let Some(slice) = self.slice_for(action, asked.role) else {
            return refused;
        };
        let Some((request, entities)) = question(slice, asked) else {
            return refused;
        };
        let answer = Authorizer::new().is_authorized(&request, &slice.policies, &entities);
        let failed = answer.diagnostics().errors().next().is_some();
        let mut rules: Vec<String> =
            answer.diagnostics().reason().map(|id| AsRef::<str>::as_ref(id).to_owned()).collect();
        rules.sort_unstable();
        if absent {
            // Decided all the same, so that it takes as long; the answer does not count.
            return refused;
        }
        Decided { allow: answer.decision() == Decision::Allow && !failed, rules }
    }
}

/// Who asks about what, with which facts.
pub(super) struct Asked<'a> {
    pub(super) subject: &'a Subject,
    pub(super) role: Role,
    pub(super) entity: &'a str,
    pub(super) key: String,
    pub(super) facts: &'a Facts,
    pub(super) circumstance: &'a Circumstance,
}

fn question(slice: &Slice, asked: &Asked<'_>) -> Option<(Request, Entities)> {
    let (subject, role) = (asked.subject, asked.role);
    let principal = uid(entity_type(role), &subject.key())?;
    let resource = uid(asked.entity, &asked.key)?;
    let known = [
        Entity::new(principal.clone(), principal_facts(subject, role)?, HashSet::new()).ok()?,
        Entity::new(resource.clone(), resource_facts(asked.facts)?, HashSet::new()).ok()?,
    ];
    let entities = Entities::from_entities(known, None).ok()?;
    let context = context(asked.circumstance)?;
    let request = Request::new(principal, slice.uid.clone(), resource, context, None).ok()?;
    Some((request, entities))
}

fn principal_facts(subject: &Subject, role: Role) -> Option<HashMap<String, RestrictedExpression>> {
    let partner = uid("Buurtpoort::Partner", &subject.partner.to_string())?;
    let mut facts = HashMap::from([
        ("partner".to_owned(), RestrictedExpression::new_entity_uid(partner)),
        ("bound".to_owned(), RestrictedExpression::new_bool(subject.bound)),
    ]);
    if role == Role::Municipality {
        let gemeenten = subject
            .municipalities
            .iter()
            .filter_map(|gm| uid("Buurtpoort::Gemeente", gm.as_str()))
            .map(RestrictedExpression::new_entity_uid);
        facts.insert("gemeenten".to_owned(), RestrictedExpression::new_set(gemeenten));
    }
    Some(facts)
}

fn resource_facts(facts: &Facts) -> Option<HashMap<String, RestrictedExpression>> {
    match facts {
        Facts::Absent => case_facts(&CaseFacts::nobodys()),
        Facts::Bare => Some(HashMap::new()),
        Facts::Referral { partner } => {
            let partner = uid("Buurtpoort::Partner", &partner.to_string())?;
            let partner = RestrictedExpression::new_entity_uid(partner);
            Some(HashMap::from([("partner".to_owned(), partner)]))
        }
        Facts::Case(case) => case_facts(case),
        Facts::SupportFamily(family) => support_facts(family),
    }
}

fn support_facts(family: &SupportFacts) -> Option<HashMap<String, RestrictedExpression>> {
    let account = |person: &Slug| {
        let key = account_key(family.organisation, person);
        uid(entity_type(Role::Coordinator), &key).map(RestrictedExpression::new_entity_uid)
    };
    let holders: Option<Vec<_>> = family.holders.iter().map(account).collect();
    let organisation = uid("Buurtpoort::Partner", &family.organisation.to_string())?;
    Some(HashMap::from([
        ("organisation".to_owned(), RestrictedExpression::new_entity_uid(organisation)),
        ("coordinator".to_owned(), account(&family.coordinator)?),
        ("holders".to_owned(), RestrictedExpression::new_set(holders?)),
        ("open".to_owned(), RestrictedExpression::new_bool(family.open)),
    ]))
}

fn case_facts(case: &CaseFacts) -> Option<HashMap<String, RestrictedExpression>> {
    let organisation = uid("Buurtpoort::Partner", &case.organisation.to_string())?;
    let consented =
        case.consented.iter().map(|p| RestrictedExpression::new_string((*p).to_owned()));
    let mut facts = HashMap::from([
        ("organisation".to_owned(), RestrictedExpression::new_entity_uid(organisation)),
        ("open".to_owned(), RestrictedExpression::new_bool(case.open)),
        ("consented".to_owned(), RestrictedExpression::new_set(consented)),
    ]);
    if let Some(assignee) = &case.assignee {
        let key = account_key(case.organisation, assignee);
        let assignee = uid(entity_type(Role::Coordinator), &key)?;
        facts.insert("assignee".to_owned(), RestrictedExpression::new_entity_uid(assignee));
    }
    Some(facts)
}

fn context(circumstance: &Circumstance) -> Option<Context> {
    let flag = RestrictedExpression::new_bool;
    let pairs = match circumstance {
        Circumstance::None => Vec::new(),
        Circumstance::Purpose(purpose) => vec![("purpose", text(purpose))],
        Circumstance::Consent(found) => vec![("consent", text(found))],
        Circumstance::Eligible(yes) => vec![("eligible", flag(*yes))],
        Circumstance::Tells(yes) => vec![("tells", flag(*yes))],
        Circumstance::Coordination { consented, participant } => {
            vec![("coordination", flag(*consented)), ("participant", flag(*participant))]
        }
    };
    Context::from_pairs(pairs.into_iter().map(|(key, value)| (key.to_owned(), value))).ok()
}

pub(super) fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

pub(super) fn uid(entity: &str, key: &str) -> Option<EntityUid> {
    let name = EntityTypeName::from_str(entity).ok()?;
    Some(EntityUid::from_type_name_and_id(name, EntityId::new(key)))
}

/// The entity type that stands for a role in the schema.
pub(super) const fn entity_type(role: Role) -> &'static str {
    match role {
        Role::Referrer => "Buurtpoort::Referrer",
        Role::CaseManager => "Buurtpoort::CaseManager",
        Role::Assigner => "Buurtpoort::Assigner",
        Role::Coordinator => "Buurtpoort::Coordinator",
        Role::Municipality => "Buurtpoort::Municipality",
        Role::PrivacyOfficer => "Buurtpoort::PrivacyOfficer",
        Role::Operator => "Buurtpoort::Operator",
        Role::DataSubject => "Buurtpoort::DataSubject",
    }
}

fn action_uid(name: &str) -> Result<EntityUid, PolicyError> {
    uid("Buurtpoort::Action", name).ok_or_else(|| PolicyError::UnknownAction(name.to_owned()))
}

fn check_actions(schema: &Schema) -> Result<(), PolicyError> {
    let declared: BTreeSet<String> =
        schema.actions().map(|uid| uid.id().unescaped().to_owned()).collect();
    let known: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    match declared.symmetric_difference(&known).next() {
        Some(name) => Err(PolicyError::UnknownAction(name.clone())),
        None => Ok(()),
    }
}

pub(super) fn parse_schema(text: &str) -> Result<Schema, PolicyError> {
    let parsed = Schema::from_cedarschema_str(text);
    parsed.map(|(schema, _)| schema).map_err(|error| PolicyError::Schema(error.to_string()))
}

pub(super) fn named_policies(files: &[PolicyFile]) -> Result<Vec<Policy>, PolicyError> {
    let mut named = Vec::new();
    let mut seen = HashSet::new();
    for file in files {
        let set = PolicySet::from_str(&file.text).map_err(|error| PolicyError::Syntax {
            file: file.name.clone(),
            reason: error.to_string(),
        })?;
        if set.templates().next().is_some() {
            return Err(PolicyError::Template(file.name.clone()));
        }
        for policy in set.policies() {
            let id = policy.annotation("id").unwrap_or_default().to_owned();
            if id.is_empty() || !seen.insert(id.clone()) {
                return Err(PolicyError::Id(file.name.clone()));
            }
            named.push(policy.new_id(PolicyId::new(id)));
        }
    }
    Ok(named)
}

pub(super) fn validate(schema: &Schema, set: &PolicySet) -> Result<(), PolicyError> {
    // Only the facts of caller and object are handed in: one step from them, and no further.
    let result = Validator::new(schema.clone()).validate_with_level(set, ValidationMode::Strict, 1);
    if result.validation_passed_without_warnings() {
        return Ok(());
    }
    let errors = result.validation_errors().map(ToString::to_string);
    let warnings = result.validation_warnings().map(ToString::to_string);
    Err(PolicyError::Invalid(errors.chain(warnings).collect::<Vec<_>>().join("; ")))
}

fn slice(name: &'static str, schema: &Schema, all: &[Policy]) -> Result<Slice, PolicyError> {
    let action = action_uid(name)?;
    let applies = |policy: &&Policy| match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == action,
        ActionConstraint::In(uids) => uids.contains(&action),
    };
    let relevant: Vec<Policy> = all.iter().filter(applies).cloned().collect();
    let principals: Vec<String> = schema
        .principals_for_action(&action)
        .into_iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    let roles: Vec<Role> = Role::ALL
        .iter()
        .copied()
        .filter(|role| principals.iter().any(|p| p == entity_type(*role)))
        .collect();
    if roles.len() != principals.iter().collect::<BTreeSet<_>>().len() {
        return Err(PolicyError::UnknownRole);
    }
    let policies =
        PolicySet::from_policies(relevant).map_err(|error| PolicyError::Id(error.to_string()))?;
    let object = schema.resources_for_action(&action).into_iter().flatten().next();
    let object = object.map(ToString::to_string).unwrap_or_default();
    Ok(Slice { policies, roles, uid: action, object })
}

/// Hash of a set: of its schema, its rules and the files beside them that decisions rest on.
#[must_use]
pub fn hash(schema: &str, files: &[PolicyFile], other: &[PolicyFile]) -> [u8; 32] {
    let mut sorted: Vec<&PolicyFile> = files.iter().chain(other).collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = format!("{}\n{schema}", schema.len());
    for file in sorted {
        for part in [&file.name, &file.text.len().to_string(), &file.text] {
            text.push_str(part);
            text.push('\n');
        }
    }
    sha256(text.as_bytes())
}

/// Whether a set holds at least one permit for each action: an action nobody may do is a mistake.
#[must_use]
pub fn actions_without_permit(engine: &Engine) -> Vec<&'static str> {
    let permitted = |slice: &Slice| slice.policies.policies().any(|p| p.effect() == Effect::Permit);
    NAMES.iter().copied().filter(|name| !engine.slices.get(name).is_some_and(permitted)).collect()
}
