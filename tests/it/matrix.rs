//! The access matrix against the engine: an oracle written from `tests/data/access-matrix.json` and
//! `api.md`, which knows nothing of the policies, and mutants of the policies that it must notice.
//!
//! The same contract over HTTP: `cells.rs`.

use buurtpoort::cli::policies::{COMPILED_IN, contract, explain, load, matrix};
use buurtpoort::domain::access::{Condition, Conditions, Field, Level, Use};
use buurtpoort::domain::partner::Role;
use buurtpoort::policy::Engine;
use buurtpoort::policy::action::NAMES;
use buurtpoort::policy::engine::PolicyFile;
use buurtpoort::policy::rehearsal::{Twist, Twists};
use buurtpoort::policy::sight::Question;
use cedar_policy::{Policy, PolicyId, PolicySet};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::str::FromStr;
use std::sync::LazyLock;

static CONTRACT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../data/access-matrix.json")).expect("the contract")
});

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// One grant of the contract, in its own words.
struct Grant {
    role: &'static str,
    group: &'static str,
    purposes: BTreeSet<&'static str>,
    level: &'static str,
    conditions: BTreeSet<&'static str>,
}

static GRANTS: LazyLock<Vec<Grant>> = LazyLock::new(|| {
    let word = |grant: &'static Value, key: &str| grant[key].as_str().expect("a word");
    let grants = CONTRACT["grants"].as_array().expect("grants").iter();
    grants
        .map(|grant| Grant {
            role: word(grant, "role"),
            group: word(grant, "fieldGroup"),
            purposes: texts(&grant["purposes"]).collect(),
            level: word(grant, "level"),
            conditions: texts(&grant["conditions"]).collect(),
        })
        .collect()
});

/// The nine roles of the contract, and the role of a token that stands for each.
fn roles() -> Vec<(&'static str, Role)> {
    let named = CONTRACT["roles"].as_object().expect("roles").keys();
    let role = |name: &'static str| match name {
        "other-coordinator" => (name, Role::Coordinator),
        _ => (name, Role::parse(name).expect("a role")),
    };
    named.map(|name| role(name)).collect()
}

/// Which rules are looked at: all, the permits by themselves, or the forbids under a permit for all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Whole,
    Permits,
    Forbids,
}

/// What the contract says of one sight. Stricter than its letter in one thing, which security.md (S1)
/// asks for: whoever's token is not bound sees nothing.
fn agreed(name: &str, question: Question, part: Part) -> bool {
    let held: BTreeSet<&str> = Condition::ALL
        .iter()
        .filter(|one| question.conditions.has(**one))
        .map(|one| one.as_str())
        .collect();
    let has = |one: &str| held.contains(one);
    let (group, level) = (question.field.as_str(), question.level.as_str());
    let granted = GRANTS.iter().any(|grant| {
        (grant.role, grant.group, grant.level) == (name, group, level)
            && grant.purposes.contains(question.purpose.as_str())
            && grant.conditions.is_subset(&held)
    });
    let health = group == "health-attention-points" && level != "submit-only";
    let ceiling = has("token-bound")
        && group != "keys-and-identity-map"
        && (!health || name == "data-subject" || has("consent.health-explicit"))
        && match name {
            "operator" => false,
            "coordinator" | "other-coordinator" => {
                has("assigned") && has("consent-valid") && has("logged")
            }
            "municipality" => level == "aggregate" && has("disclosure-protected"),
            "referrer" => has("own-partner") && ["submit-only", "status-only"].contains(&level),
            _ => true,
        };
    match part {
        Part::Whole => granted && has("token-bound"),
        // The binding of a token is a guardrail's alone, except where the contract names it.
        Part::Permits => granted,
        Part::Forbids => ceiling,
    }
}

/// What is in order, of what an action may ask.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Order {
    bound: bool,
    hers: bool,
    own: bool,
    consent: bool,
    full: bool,
    open: bool,
    plan: bool,
    tells: bool,
    eligible: bool,
}

impl Order {
    fn of(twists: &Twists) -> Self {
        let not = |twist| !twists.contains(&twist);
        Self {
            bound: not(Twist::TokenNotBound),
            hers: not(Twist::NotAssigned) && not(Twist::Elsewhere),
            own: not(Twist::Elsewhere),
            consent: not(Twist::ConsentWithdrawn),
            full: not(Twist::ConsentWithdrawn) && not(Twist::ContactStage),
            open: not(Twist::Closed),
            plan: not(Twist::NoCoordinationConsent) && not(Twist::NotAParticipant),
            tells: not(Twist::TellsNothing),
            eligible: not(Twist::NotEligible),
        }
    }

    /// An open case of hers, with full consent.
    fn opens(&self) -> bool {
        self.hers && self.full && self.open
    }

    /// What the forbids by themselves leave, under a permit for everything.
    fn is_not_forbidden(&self, action: &str) -> bool {
        self.bound
            && match action {
                "submitReferral" => self.consent,
                "releaseIdentity" | "proposeSupport" | "pairCase" => self.opens(),
                "movePairing" => !self.tells || (self.full && self.open),
                "releaseSupportIdentity" => self.hers && self.open,
                "readGoals" => self.plan,
                _ => true,
            }
    }
}

/// Done by a coordinator to what is hers, whatever became of consent.
const HERS: [&str; 14] = [
    "readCase",
    "decideCaseConsent",
    "transitionCase",
    "listReleases",
    "listPairings",
    "evaluatePairing",
    "changeGoals",
    "listLinks",
    "decideLink",
    "correctCase",
    "seeToAccess",
    "eraseCase",
    "objectToStatistics",
    "transitionSupportFamily",
];

/// Done by a referrer in its own name, or to what it sent.
const REFERRERS: [&str; 7] = [
    "submitReferral",
    "listReferrals",
    "readReferral",
    "decideReferralConsent",
    "withdrawReferral",
    "registerSupportFamily",
    "reportProgramme",
];

/// What `api.md`, "Resources", says of an action in a situation.
fn agreed_action(role: Role, action: &str, twists: &Twists, part: Part) -> bool {
    let order = Order::of(twists);
    if part == Part::Forbids {
        return order.is_not_forbidden(action);
    }
    let own = order.own;
    let may = match (role, action) {
        (Role::Referrer, "submitReferral") if part == Part::Whole => own && order.consent,
        (Role::Coordinator, "releaseIdentity" | "proposeSupport" | "pairCase") => order.opens(),
        (Role::Coordinator, "movePairing") => order.hers && (order.opens() || !order.tells),
        (Role::Coordinator, "releaseSupportIdentity") => order.hers && order.open,
        (Role::Coordinator, action) if HERS.contains(&action) => order.hers,
        (Role::CaseManager, "readGoals") => order.plan,
        (Role::Assigner, "assignCase") => own && order.eligible,
        (Role::PrivacyOfficer, "listReleases") => true,
        (Role::Coordinator | Role::Assigner, "listCases" | "readProgress")
        | (
            Role::Coordinator,
            "registerSupportFamily" | "listSupportFamilies" | "readSupportFamily",
        )
        | (Role::PrivacyOfficer, "listAuditEntries" | "readAuditProof" | "readAuditConsistency")
        | (Role::Assigner, "listAssignments")
        | (Role::Operator, "listDeliveries" | "retryDelivery")
        | (Role::Municipality, "listStatistics" | "readDefinitions" | "readStatistics") => own,
        (Role::Referrer, action) if REFERRERS.contains(&action) => own,
        (role, "readCheckpoint") => own && role != Role::DataSubject,
        _ => false,
    };
    may && (order.bound || part == Part::Permits)
}

/// Every subset of a list.
fn subsets<T: Copy>(all: &[T]) -> Vec<Vec<T>> {
    (0..1_usize << all.len())
        .map(|bits| {
            let chosen = all.iter().enumerate().filter(|(place, _)| bits & (1 << place) != 0);
            chosen.map(|(_, one)| *one).collect()
        })
        .collect()
}

fn built_in() -> Engine {
    load(None).unwrap_or_else(|failure| panic!("{}", failure.message)).engine
}

/// What an oracle saw.
#[derive(Debug, Default)]
struct Seen {
    decisions: usize,
    allowed: usize,
    too_much: Vec<String>,
    too_little: Vec<String>,
}

impl Seen {
    fn put(&mut self, found: bool, agreed: bool, what: impl FnOnce() -> String) {
        self.decisions += 1;
        self.allowed += usize::from(found);
        match (found, agreed) {
            (true, false) => self.too_much.push(what()),
            (false, true) => self.too_little.push(what()),
            _ => {}
        }
    }

    fn is_as_agreed(&self, what: &str) {
        let Self { decisions, allowed, too_much, too_little } = self;
        eprintln!(
            "{what}: {decisions} decisions, {allowed} allowed, {} unexpected allows, {} unexpected denies",
            too_much.len(),
            too_little.len()
        );
        assert!(*allowed > 0, "the control: something is allowed");
        assert!(too_much.is_empty() && too_little.is_empty(), "{too_much:?} {too_little:?}");
    }
}

/// Conditions that the contract names for a role.
fn named_for(name: &str) -> Vec<Condition> {
    let of = |grant: &&Grant| grant.role == name || name == "other-coordinator";
    let words: BTreeSet<&str> =
        GRANTS.iter().filter(of).flat_map(|grant| grant.conditions.iter().copied()).collect();
    let own = |one: &&Condition| words.contains(one.as_str()) && **one != Condition::Assigned;
    let mut own: Vec<Condition> = Condition::ALL.iter().filter(own).copied().collect();
    if name == "coordinator" {
        own.push(Condition::Assigned);
    }
    if name == "other-coordinator" {
        own.retain(|one| {
            [Condition::ConsentValid, Condition::TokenBound, Condition::Logged].contains(one)
        });
    }
    if !own.contains(&Condition::TokenBound) {
        own.push(Condition::TokenBound);
    }
    own
}

/// POL-01, -04, -09, -15: every role, group, level and purpose, under every combination of the conditions
/// that the contract names for the role, the others held and not held.
#[test]
fn pol_01_04_09_15_every_cell_is_decided_as_the_contract_says() {
    let engine = built_in();
    assert_eq!(GRANTS.len(), 91);
    assert_eq!(CONTRACT["fieldGroups"].as_array().map(Vec::len), Some(Field::ALL.len()));
    let mut seen = Seen::default();
    for (name, role) in roles() {
        let own = named_for(name);
        let others: Vec<Condition> = Condition::ALL
            .iter()
            .copied()
            .filter(|one| !own.contains(one))
            // What makes a coordinator another one is that the case is not hers.
            .filter(|one| !(name == "other-coordinator" && *one == Condition::Assigned))
            .collect();
        let purposes: Vec<Use> = Use::ALL
            .iter()
            .copied()
            .filter(|purpose| {
                let own = CONTRACT["roles"][name]["purposes"].as_array().map(Vec::as_slice);
                let own = own.unwrap_or_default().contains(&json!(purpose.as_str()));
                own || [Use::Intake, Use::Audit].contains(purpose)
            })
            .collect();
        for chosen in subsets(&own) {
            for rest in [others.as_slice(), &[]] {
                let conditions = Conditions::of(&[chosen.as_slice(), rest].concat());
                for &field in Field::ALL {
                    for &level in Level::ALL {
                        for &purpose in &purposes {
                            let question = Question { role, field, level, purpose, conditions };
                            let found = engine.rehearse_sight(question).allow;
                            let agreed = agreed(name, question, Part::Whole);
                            seen.put(found, agreed, || format!("{name} {question:?}"));
                        }
                    }
                }
            }
        }
    }
    seen.is_as_agreed("fields");
    assert!(seen.decisions >= 50_000, "{}", seen.decisions);
}

/// POL-01, -07, -09, -10, -11, -15: every role and action in every situation.
#[test]
fn pol_01_07_09_10_11_15_every_action_is_decided_as_the_design_says() {
    let engine = built_in();
    let situations = subsets(ACTION_TWISTS);
    let mut seen = Seen::default();
    for &role in Role::ALL {
        for action in NAMES.iter().filter(|name| **name != "seeField") {
            for twists in &situations {
                let twists: Twists = twists.iter().copied().collect();
                let found = engine.rehearse(role, action, &twists).expect("an action").allow;
                let agreed = agreed_action(role, action, &twists, Part::Whole);
                seen.put(found, agreed, || format!("{role:?} {action} {twists:?}"));
            }
        }
    }
    seen.is_as_agreed("actions");
}

const ACTION_TWISTS: &[Twist] = &[
    Twist::NotAssigned,
    Twist::Elsewhere,
    Twist::ConsentWithdrawn,
    Twist::ContactStage,
    Twist::Closed,
    Twist::TokenNotBound,
    Twist::NotEligible,
    Twist::TellsNothing,
    Twist::NoCoordinationConsent,
    Twist::NotAParticipant,
];

#[test]
fn the_table_for_privacy_officers_is_what_the_policies_say() {
    let text = matrix::render(&built_in());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/matrix.txt");
    let kept = std::fs::read_to_string(path).expect("policies/matrix.txt");
    assert!(kept == text, "make it anew: buurtpoort policy matrix > policies/matrix.txt");
}

/// One policy of the set as it is built in, as JSON.
#[derive(Clone)]
struct Source {
    id: String,
    body: Value,
}

fn sources() -> Vec<Source> {
    let files = COMPILED_IN
        .iter()
        .filter(|(name, _)| Path::new(name).extension().is_some_and(|e| e == "cedar"));
    files
        .flat_map(|(_, text)| {
            let set = PolicySet::from_str(text).expect("a policy file");
            let all: Vec<Policy> = set.policies().cloned().collect();
            all.into_iter().map(|policy| Source {
                id: policy.annotation("id").expect("an id").to_owned(),
                body: policy.to_json().expect("JSON"),
            })
        })
        .collect()
}

/// A mutant: what was done, and the policy as it is now; none where it was dropped.
struct Mutant {
    what: String,
    id: String,
    body: Option<Value>,
}

/// Conjuncts and disjuncts of an expression, each left out once.
fn without_each(expression: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for operator in ["&&", "||"] {
        if let Some(both) = expression.get(operator) {
            let (left, right) = (&both["left"], &both["right"]);
            found.push(right.clone());
            found.push(left.clone());
            found.extend(
                without_each(left)
                    .into_iter()
                    .map(|l| json!({operator: {"left": l, "right": right}})),
            );
            found.extend(
                without_each(right)
                    .into_iter()
                    .map(|r| json!({operator: {"left": left, "right": r}})),
            );
        }
    }
    found
}

/// Lists in an expression, with each item left out once.
fn without_each_item(expression: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match expression {
        Value::Object(members) => {
            for (key, inner) in members {
                if let (true, Some(items)) = (key == "Set", inner.as_array()) {
                    for place in 0..items.len() {
                        let mut fewer = items.clone();
                        fewer.remove(place);
                        found.push(json!({"Set": fewer}));
                    }
                }
                for changed in without_each_item(inner) {
                    let mut members = members.clone();
                    members.insert(key.clone(), changed);
                    found.push(Value::Object(members));
                }
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                for changed in without_each_item(item) {
                    let mut items = items.clone();
                    items[place] = changed;
                    found.push(Value::Array(items));
                }
            }
        }
        _ => {}
    }
    found
}

const ENTITIES: [&str; 8] = [
    "Referrer",
    "CaseManager",
    "Assigner",
    "Coordinator",
    "Municipality",
    "PrivacyOfficer",
    "Operator",
    "DataSubject",
];

fn mutants(source: &Source) -> Vec<Mutant> {
    let id = &source.id;
    let made = |what: String, body: Option<Value>| Mutant { what, id: id.clone(), body };
    let mut found = vec![made(format!("{id} dropped"), None)];
    let conditions = source.body["conditions"].as_array().expect("conditions");
    let with = |place: usize, changed: Option<Value>| {
        let mut body = source.body.clone();
        let list = body["conditions"].as_array_mut().expect("conditions");
        match changed {
            Some(changed) => list[place]["body"] = changed,
            None => drop(list.remove(place)),
        }
        Some(body)
    };
    for (place, condition) in conditions.iter().enumerate() {
        let expression = &condition["body"];
        found.push(made(format!("{id}: condition {place} dropped"), with(place, None)));
        for (number, changed) in without_each(expression).into_iter().enumerate() {
            found.push(made(format!("{id}: part {number} dropped"), with(place, Some(changed))));
        }
        for (number, changed) in without_each_item(expression).into_iter().enumerate() {
            found.push(made(format!("{id}: item {number} dropped"), with(place, Some(changed))));
        }
    }
    if let Some(own) = source.body["principal"]["entity_type"].as_str() {
        for entity in ENTITIES.iter().filter(|entity| !own.ends_with(*entity)) {
            let mut body = source.body.clone();
            body["principal"]["entity_type"] = json!(format!("Buurtpoort::{entity}"));
            found.push(made(format!("{id}: now of {entity}"), Some(body)));
        }
    }
    found
}

/// What a mutant can have an effect on, so that the rest need not be loaded or asked again and again.
#[derive(Clone, Debug)]
struct Reach {
    fields: bool,
    actions: bool,
    /// Entity types of the roles; empty for all of them.
    roles: BTreeSet<String>,
}

impl Reach {
    const fn everything() -> Self {
        Self { fields: true, actions: true, roles: BTreeSet::new() }
    }

    fn of(source: &Source, mutant: &Mutant) -> Self {
        let fields = source.is_about_fields();
        let everywhere = source.is_about_everything();
        let entity = |body: &Value| body["principal"]["entity_type"].as_str().map(str::to_owned);
        let bodies = [Some(&source.body), mutant.body.as_ref()];
        let all: Vec<Option<String>> = bodies.into_iter().flatten().map(entity).collect();
        let roles = if all.iter().any(Option::is_none) { Vec::new() } else { all };
        let roles = roles.into_iter().flatten().collect();
        Self { fields: fields || everywhere, actions: !fields || everywhere, roles }
    }

    fn has(&self, entity: Option<&str>) -> bool {
        let named = |entity: &str| self.roles.contains(entity);
        self.roles.is_empty() || entity.is_none_or(named)
    }

    fn has_role(&self, role: Role) -> bool {
        let place = Role::ALL.iter().position(|other| *other == role).expect("a role");
        self.has(Some(&format!("Buurtpoort::{}", ENTITIES[place])))
    }

    fn keeps(&self, source: &Source) -> bool {
        let fields = source.is_about_fields();
        let kind =
            source.is_about_everything() || (fields && self.fields) || (!fields && self.actions);
        kind && self.has(source.body["principal"]["entity_type"].as_str())
    }
}

impl Source {
    fn is_about_fields(&self) -> bool {
        self.body["action"].to_string().contains("seeField")
    }

    fn is_about_everything(&self) -> bool {
        self.body["action"]["op"] == "All"
    }
}

/// The set with one policy exchanged, of which only a part is looked at.
fn set(sources: &[Source], mutant: Option<&Mutant>, part: Part, reach: &Reach) -> Option<Engine> {
    let mut text = String::new();
    for source in sources.iter().filter(|source| reach.keeps(source)) {
        let own = mutant.filter(|mutant| mutant.id == source.id);
        let Some(body) = own.map_or(Some(&source.body), |mutant| mutant.body.as_ref()) else {
            continue;
        };
        let forbids = body["effect"] == "forbid";
        if (part == Part::Permits && forbids) || (part == Part::Forbids && !forbids) {
            continue;
        }
        let policy = Policy::from_json(Some(PolicyId::new(&source.id)), body.clone());
        text.push_str(&policy.ok()?.to_cedar()?);
        text.push('\n');
    }
    if part == Part::Forbids {
        text.push_str("@id(\"permit-all\") permit (principal, action, resource);");
    }
    let schema = COMPILED_IN.iter().find(|(name, _)| name.ends_with(".cedarschema"))?.1;
    let file = PolicyFile { name: "mutant.cedar".to_owned(), text };
    Engine::load(schema, &[file], &[]).ok()
}

/// Questions near the edge of every cell: allowed, one condition short, for another purpose, at another
/// level.
fn near_misses() -> Vec<(&'static str, Question)> {
    let all = Conditions::of(Condition::ALL);
    let mut found = Vec::new();
    for (name, role) in roles() {
        let stranger = name == "other-coordinator";
        let base = all.with(Condition::Assigned, !stranger);
        for &field in Field::ALL {
            let own = |grant: &&Grant| (grant.role, grant.group) == (name, field.as_str());
            let grant = GRANTS.iter().find(own);
            let level = grant.map_or(Level::Clear, |g| Level::parse(g.level).expect("a level"));
            let mut ask = |level, purpose, conditions| {
                found.push((name, Question { role, field, level, purpose, conditions }));
            };
            let own = texts(&CONTRACT["roles"][name]["purposes"]);
            let mut purposes: Vec<Use> =
                own.map(|text| Use::parse(text).expect("a purpose")).collect();
            if purposes.is_empty() {
                purposes.push(Use::Intake);
            }
            for &purpose in &purposes {
                ask(level, purpose, base);
            }
            let foreign = if name == "operator" { Use::Audit } else { Use::Operations };
            ask(level, foreign, base);
            for &one in Condition::ALL {
                ask(level, purposes[0], base.with(one, false));
            }
            for &other in Level::ALL {
                ask(other, purposes[0], base);
            }
        }
    }
    found
}

/// Whether a set differs from what was agreed, anywhere.
fn differs(
    engine: &Engine,
    part: Part,
    questions: &[(&'static str, Question)],
    reach: &Reach,
) -> bool {
    let field = |(name, question): &(&str, Question)| {
        reach.has_role(question.role)
            && engine.rehearse_sight(*question).allow != agreed(name, *question, part)
    };
    let action = |action: &str| {
        let relevant: &[Twist] = match action {
            "submitReferral" => &[Twist::ConsentWithdrawn, Twist::ContactStage],
            "readGoals" => &[Twist::NoCoordinationConsent, Twist::NotAParticipant],
            "releaseIdentity" | "proposeSupport" | "pairCase" => {
                &[Twist::ConsentWithdrawn, Twist::ContactStage, Twist::Closed]
            }
            "movePairing" => {
                &[Twist::ConsentWithdrawn, Twist::ContactStage, Twist::Closed, Twist::TellsNothing]
            }
            "releaseSupportIdentity" => &[Twist::Closed],
            "assignCase" => &[Twist::NotEligible],
            _ => &[],
        };
        let common = [Twist::NotAssigned, Twist::Elsewhere, Twist::TokenNotBound];
        let one_by_one = common.iter().chain(relevant).map(|twist| Twists::from([*twist]));
        // What only counts where a step ends a pairing shows in what that makes up for.
        let ends = relevant.iter().filter(|_| action == "movePairing");
        let ends = ends.map(|twist| Twists::from([*twist, Twist::TellsNothing]));
        let situations: Vec<Twists> = one_by_one.chain(ends).chain([Twists::new()]).collect();
        Role::ALL.iter().any(|role| {
            let asked = engine.roles_of(action).contains(role) && reach.has_role(*role);
            situations.iter().any(|twists| {
                let found = engine.rehearse(*role, action, twists).expect("an action").allow;
                asked && found != agreed_action(*role, action, twists, part)
            })
        })
    };
    let actions = || NAMES.iter().filter(|name| **name != "seeField").any(|name| action(name));
    let cells = || questions.iter().any(field);
    (reach.fields && cells()) || (reach.actions && actions())
}

/// Every mutant of every policy is noticed: the set does not load, or an answer differs from the contract.
/// A rule that another one covers is looked at by itself too: permits without forbids, forbids under a
/// permit for everything.
#[test]
fn pol_22_every_mutant_of_the_policies_is_noticed() {
    let (sources, questions) = (sources(), near_misses());
    for part in [Part::Whole, Part::Permits, Part::Forbids] {
        let reach = Reach::everything();
        let engine = set(&sources, None, part, &reach).expect("the set itself loads");
        assert!(!differs(&engine, part, &questions, &reach), "the control: {part:?}");
    }
    let (mut made, mut unloaded, mut missed) = (0, 0, Vec::new());
    for source in &sources {
        let alone = if source.body["effect"] == "forbid" { Part::Forbids } else { Part::Permits };
        for mutant in mutants(source) {
            made += 1;
            let reach = Reach::of(source, &mutant);
            let mut loads = true;
            let noticed = [Part::Whole, alone].into_iter().any(|part| {
                let engine = set(&sources, Some(&mutant), part, &reach);
                loads &= engine.is_some();
                engine.is_none_or(|engine| differs(&engine, part, &questions, &reach))
            });
            unloaded += usize::from(!loads);
            if !noticed {
                missed.push(mutant.what);
            }
        }
    }
    eprintln!(
        "{made} mutants, {unloaded} do not load, {} noticed, {} missed",
        made - missed.len(),
        missed.len()
    );
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(made > 200, "{made}");
}

/// `policy test`: the set as built is as agreed; a directory with one rule changed is not.
#[test]
fn a_directory_that_differs_from_the_contract_is_told_where() {
    let place = tempfile::tempdir().expect("a directory");
    for (name, text) in COMPILED_IN {
        std::fs::write(place.path().join(name), text).expect("written");
    }
    let check = || {
        let set = load(Some(place.path())).unwrap_or_else(|failure| panic!("{}", failure.message));
        contract::check(&set.engine).unwrap_or_else(|failure| panic!("{}", failure.message))
    };
    assert_eq!(check().differences, [""; 0], "the control");
    let fields = place.path().join("fields.cedar");
    let text = std::fs::read_to_string(&fields).expect("fields.cedar");
    let wider = text.replacen("context.planParticipant &&", "", 1);
    std::fs::write(&fields, wider).expect("written");
    let found = check().differences.join("\n");
    assert!(found.contains("case-manager") && found.contains("plan-participant"), "{found}");
    std::fs::write(&fields, text).expect("written");
    let own = place.path().join("own.cedar");
    let lax = "@id(\"lax\") permit (principal is Buurtpoort::Assigner, action == \
        Buurtpoort::Action::\"seeField\", resource == Buurtpoort::Field::\"names\");";
    std::fs::write(&own, lax).expect("written");
    let found = check().differences.join("\n");
    assert!(found.contains("assigner sees names at level clear"), "{found}");
}

/// `policy explain` names the rule, its reason and what makes the difference.
#[test]
fn an_explanation_names_the_rule_and_what_makes_the_difference() {
    let engine = built_in();
    let told = |subject: &str, action: &str, object: &str| {
        explain::explain(&engine, subject, action, object).map_err(|failure| failure.message)
    };
    let yes = told("coordinator:anna@assigned", "releaseIdentity", "case").expect("an answer");
    assert!(yes.contains("\nallowed\n"), "{yes}");
    assert!(yes.contains("permitted by coordinator-opens-hers-as-consented"), "{yes}");
    let no =
        told("coordinator:anna@consent-withdrawn", "releaseIdentity", "case").expect("an answer");
    assert!(no.contains("\nrefused\n"), "{no}");
    assert!(no.contains("forbidden by no-identity-without-consent"), "{no}");
    assert!(no.contains("but for this: consent was withdrawn"), "{no}");
    let other = told("other-coordinator", "seeField", "names").expect("an answer");
    assert!(other.contains("refused") && other.contains("a-coordinator-sees-hers-only"), "{other}");
    let never = told("operator", "readCase", "case").expect("an answer");
    assert!(never.contains("may never ask"), "{never}");
    let silent = told("privacy-officer", "seeField", "names:clear").expect("an answer");
    assert!(silent.contains("No rule permits it"), "{silent}");
    for (subject, action, object) in [
        ("coordinator", "openEverything", "case"),
        ("mayor", "readCase", "case"),
        ("coordinator@on-fire", "readCase", "case"),
        ("coordinator:Anna de Vries", "readCase", "case"),
        ("coordinator", "readCase", "referral"),
        ("coordinator", "seeField", "bsn"),
        ("coordinator", "seeField", "names:loud"),
    ] {
        assert!(told(subject, action, object).is_err(), "{subject} {action} {object}");
    }
}

/// Every policy says why it is there, so that an explanation has words.
#[test]
fn every_rule_says_why() {
    let engine = built_in();
    for action in NAMES {
        for rule in engine.rules_of(action) {
            assert!(rule.why.is_some_and(|why| why.ends_with('.')), "{}", rule.id);
        }
    }
}
