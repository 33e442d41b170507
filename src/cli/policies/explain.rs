//! `buurtpoort policy explain`: what would be decided, by which rule, and what makes the difference.

use crate::cli::Failure;
use crate::cli::policies::contract::purposes;
use crate::domain::access::{Field, Level, Use};
use crate::domain::partner::{Role, Slug};
use crate::policy::Engine;
use crate::policy::rehearsal::{Rehearsed, Rule, Twist, Twists, conditions};
use crate::policy::sight::Question;
use std::fmt::Write;

/// The grammar, for `--help`.
pub const GRAMMAR: &str = "\
SUBJECT   ROLE[:ACCOUNT][@SITUATION[,SITUATION...]]
  ROLE        referrer case-manager assigner coordinator other-coordinator municipality
              privacy-officer operator data-subject
  SITUATION   what is not in order; without any, everything is:
              not-assigned elsewhere consent-withdrawn contact-stage closed token-not-bound
              not-eligible no-feedback-consent no-coordination-consent not-a-participant
              health-not-explicit not-logged not-protected not-verified rights-not-checked
              not-reviewed; `assigned` says in so many words that the case is
ACTION    as in policies/schema.cedarschema, such as readCase, releaseIdentity, seeField
OBJECT    case, referral, partner or gemeente, as the action has it;
          for seeField GROUP[:LEVEL[:PURPOSE]], such as names:clear:intake

  buurtpoort policy explain coordinator:anna@assigned releaseIdentity case
  buurtpoort policy explain coordinator:anna@consent-withdrawn seeField names
  buurtpoort policy explain operator seeField names:clear";

struct Asking {
    role: Role,
    name: String,
    twists: Twists,
}

enum About {
    Object(String),
    Field(Field, Level, Use),
}

/// Answers one question in a few lines.
///
/// # Errors
/// When a part of the question does not read: which, and what it may be.
pub fn explain(
    engine: &Engine,
    subject: &str,
    action: &str,
    object: &str,
) -> Result<String, Failure> {
    let asking = asking(subject)?;
    let entity = engine.object_of(action).ok_or_else(|| Failure::usage("no such action"))?;
    let about = about(engine, &asking, entity, object)?;
    let answer = ask(engine, &asking, action, &about, &asking.twists);
    let mut text = question(&asking, action, &about);
    let verdict = if answer.allow { "allowed" } else { "refused" };
    let _written = writeln!(text, "{verdict}");
    let rules = engine.rules_of(action);
    if !engine.roles_of(action).contains(&asking.role) {
        text.push_str("  This role may never ask this: the schema does not name it (403).\n");
        return Ok(text);
    }
    reasons(&mut text, &answer, &rules);
    difference(&mut text, &asking.twists, answer.allow, |twists| {
        ask(engine, &asking, action, &about, twists).allow
    });
    Ok(text)
}

fn asking(text: &str) -> Result<Asking, Failure> {
    let (who, situations) = text.split_once('@').unwrap_or((text, ""));
    let (role, account) = who.split_once(':').unwrap_or((who, ""));
    if !account.is_empty() {
        Slug::parse(account).map_err(|error| Failure::usage(format!("account: {error}")))?;
    }
    let mut twists = Twists::new();
    for word in situations.split(',').filter(|word| !word.is_empty() && *word != "assigned") {
        let twist =
            Twist::parse(word).map_err(|error| Failure::usage(format!("situation {error}")));
        twists.insert(twist?);
    }
    let known = if role == "other-coordinator" {
        twists.insert(Twist::NotAssigned);
        Ok(Role::Coordinator)
    } else {
        Role::parse(role)
    };
    let known = known.map_err(|error| Failure::usage(format!("role {error}")))?;
    let name = if account.is_empty() { role.to_owned() } else { format!("{role} {account}") };
    Ok(Asking { role: known, name, twists })
}

fn about(engine: &Engine, asking: &Asking, entity: &str, text: &str) -> Result<About, Failure> {
    let kind = entity.rsplit("::").next().unwrap_or_default().to_lowercase();
    if kind != "field" {
        let fits = text == kind;
        let rule = || Failure::usage(format!("the object of this action is a {kind}"));
        return fits.then(|| About::Object(kind.clone())).ok_or_else(rule);
    }
    let mut parts = text.split(':');
    let field = Field::parse(parts.next().unwrap_or_default())
        .map_err(|error| Failure::usage(format!("field group {error}")))?;
    let level = parts.next().map(Level::parse).transpose();
    let level = level.map_err(|error| Failure::usage(format!("level {error}")))?;
    let purpose = parts.next().map(Use::parse).transpose();
    let purpose = purpose.map_err(|error| Failure::usage(format!("purpose {error}")))?;
    let own = purposes(asking.role).first().copied();
    let purpose = purpose.or(own).unwrap_or(Use::Operations);
    let level = level.unwrap_or_else(|| usual(engine, asking.role, field, purpose));
    Ok(About::Field(field, level, purpose))
}

/// The level at which the role sees the group when everything is in order; `clear` where it never does.
fn usual(engine: &Engine, role: Role, field: Field, purpose: Use) -> Level {
    let conditions = conditions(&Twists::new());
    let sees =
        |level: &Level| engine.sees(Question { role, field, level: *level, purpose, conditions });
    Level::ALL.iter().copied().find(sees).unwrap_or(Level::Clear)
}

fn ask(
    engine: &Engine,
    asking: &Asking,
    action: &str,
    about: &About,
    twists: &Twists,
) -> Rehearsed {
    match about {
        About::Object(_) => engine
            .rehearse(asking.role, action, twists)
            .unwrap_or(Rehearsed { allow: false, rules: Vec::new() }),
        About::Field(field, level, purpose) => engine.rehearse_sight(Question {
            role: asking.role,
            field: *field,
            level: *level,
            purpose: *purpose,
            conditions: conditions(twists),
        }),
    }
}

fn question(asking: &Asking, action: &str, about: &About) -> String {
    let object = match about {
        About::Object(kind) => format!("a {kind}"),
        About::Field(field, level, purpose) => {
            format!("{} at level {} for {}", field.as_str(), level.as_str(), purpose.as_str())
        }
    };
    let situation: Vec<&str> = asking.twists.iter().map(|twist| twist.told()).collect();
    let situation =
        if situation.is_empty() { "everything in order".to_owned() } else { situation.join("; ") };
    format!("{} asks {action}: {object}\nsituation: {situation}\n", asking.name)
}

fn reasons(text: &mut String, answer: &Rehearsed, rules: &[Rule]) {
    if answer.rules.is_empty() {
        text.push_str("  No rule permits it: what no rule permits is refused.\n");
    }
    for id in &answer.rules {
        let rule = rules.iter().find(|rule| rule.id == *id);
        let kind =
            if rule.is_some_and(|rule| rule.forbids) { "forbidden by" } else { "permitted by" };
        let why = rule.and_then(|rule| rule.why.as_deref()).unwrap_or("(the rule says no why)");
        let _written = writeln!(text, "  {kind} {id}: {why}");
    }
}

/// Which single change would turn the answer.
fn difference(text: &mut String, twists: &Twists, allow: bool, ask: impl Fn(&Twists) -> bool) {
    let without = |one: &Twist| -> Twists { twists.iter().copied().filter(|t| t != one).collect() };
    let with = |one: &Twist| -> Twists { twists.iter().copied().chain([*one]).collect() };
    let found: Vec<&str> = if allow {
        let turns = |one: &&Twist| !ask(&with(one));
        Twist::ALL.iter().filter(turns).map(|one| one.told()).collect()
    } else {
        let turns = |one: &&Twist| ask(&without(one));
        twists.iter().filter(turns).map(|one| one.told()).collect()
    };
    if !found.is_empty() {
        let lead =
            if allow { "It would be refused if" } else { "It would be allowed but for this" };
        let _written = writeln!(text, "  {lead}: {}.", found.join("; or "));
    }
}
