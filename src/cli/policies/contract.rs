//! Whether a policy set grants what the access matrix grants, cell by cell, and nothing else.
//!
//! The matrix (`tests/data/access-matrix.json`) is compiled in. Asked are all roles, groups, levels and
//! purposes with every condition held, and for each grant once more without each of its conditions; and
//! who may open an identity or a plan at all.

use crate::cli::Failure;
use crate::domain::access::{Condition, Conditions, Field, Level, Use};
use crate::domain::partner::Role;
use crate::policy::Engine;
use crate::policy::rehearsal::{Twist, Twists};
use crate::policy::sight::Question;
use serde::Deserialize;

const CONTRACT: &str = include_str!("../../../tests/data/access-matrix.json");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contract {
    grants: Vec<GrantFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrantFile {
    role: String,
    field_group: String,
    purposes: Vec<String>,
    level: String,
    conditions: Vec<String>,
}

struct Grant {
    role: Role,
    field: Field,
    purposes: Vec<Use>,
    level: Level,
    conditions: Vec<Condition>,
}

/// What came of checking.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many questions were asked.
    pub asked: usize,
    /// Where the rules differ from the matrix, in words.
    pub differences: Vec<String>,
}

impl Checked {
    /// In lines for a reader.
    #[must_use]
    pub fn told(&self) -> String {
        let mut lines = self.differences.clone();
        let verdict = if self.differences.is_empty() { "as agreed" } else { "NOT as agreed" };
        let (asked, wrong) = (self.asked, self.differences.len());
        lines.push(format!("{asked} questions, {wrong} differences: {verdict}"));
        lines.join("\n")
    }

    fn compare(&mut self, engine: &Engine, question: Question, agreed: bool) {
        self.asked += 1;
        let found = engine.rehearse_sight(question).allow;
        if found != agreed {
            let Question { role, field, level, purpose, .. } = question;
            let missing: Vec<&str> = Condition::ALL
                .iter()
                .filter(|one| !question.conditions.has(**one))
                .map(|one| one.as_str())
                .collect();
            let without =
                if missing.is_empty() { "nothing".to_owned() } else { missing.join(", ") };
            let (said, wanted) =
                if found { ("allowed", "refused") } else { ("refused", "allowed") };
            self.differences.push(format!(
                "{} sees {} at level {} for {}, with {without} missing: {said}, agreed is {wanted}",
                role.as_str(),
                field.as_str(),
                level.as_str(),
                purpose.as_str(),
            ));
        }
    }
}

/// Checks a set.
///
/// # Errors
/// When the matrix names something this program does not know.
pub fn check(engine: &Engine) -> Result<Checked, Failure> {
    let grants = grants()?;
    let all = Conditions::of(Condition::ALL);
    let mut checked = Checked::default();
    for &role in Role::ALL {
        for &field in Field::ALL {
            for &level in Level::ALL {
                for &purpose in Use::ALL {
                    let agreed = grants.iter().any(|grant| {
                        (grant.role, grant.field, grant.level) == (role, field, level)
                            && grant.purposes.contains(&purpose)
                    });
                    let question = Question { role, field, level, purpose, conditions: all };
                    checked.compare(engine, question, agreed);
                }
            }
        }
    }
    for grant in &grants {
        for &purpose in &grant.purposes {
            for &condition in &grant.conditions {
                let (role, field, level) = (grant.role, grant.field, grant.level);
                let conditions = all.with(condition, false);
                let question = Question { role, field, level, purpose, conditions };
                checked.compare(engine, question, false);
            }
        }
    }
    identity(&mut checked, engine);
    Ok(checked)
}

/// The two actions that open what is sealed, on the conditions the matrix names for what they open.
fn identity(checked: &mut Checked, engine: &Engine) {
    let needed = [
        ("releaseIdentity", Role::Coordinator, &OPENING[..]),
        ("readGoals", Role::CaseManager, &FOLLOWING[..]),
    ];
    for (action, only, conditions) in needed {
        for &role in Role::ALL {
            let situations = conditions.iter().map(|twist| Twists::from([*twist]));
            for twists in situations.chain([Twists::new()]) {
                checked.asked += 1;
                let found = engine.rehearse(role, action, &twists).is_some_and(|it| it.allow);
                let agreed = role == only && twists.is_empty();
                if found != agreed {
                    let told: Vec<&str> = twists.iter().map(|twist| twist.told()).collect();
                    let (role, told) = (role.as_str(), told.join("; "));
                    let said = if found { "allowed" } else { "refused" };
                    let difference = format!("{role} asks {action} ({told}): {said}");
                    checked.differences.push(difference);
                }
            }
        }
    }
}

const OPENING: [Twist; 5] = [
    Twist::NotAssigned,
    Twist::Elsewhere,
    Twist::ConsentWithdrawn,
    Twist::Closed,
    Twist::TokenNotBound,
];
const FOLLOWING: [Twist; 3] =
    [Twist::NoCoordinationConsent, Twist::NotAParticipant, Twist::TokenNotBound];

fn grants() -> Result<Vec<Grant>, Failure> {
    let contract: Contract = serde_json::from_str(CONTRACT)?;
    contract.grants.iter().map(read).collect()
}

fn read(file: &GrantFile) -> Result<Grant, Failure> {
    let purposes = file.purposes.iter().map(|text| Use::parse(text));
    let conditions = file.conditions.iter().map(|text| Condition::parse(text));
    Ok(Grant {
        role: Role::parse(&file.role)?,
        field: Field::parse(&file.field_group)?,
        purposes: purposes.collect::<Result<_, _>>()?,
        level: Level::parse(&file.level)?,
        conditions: conditions.collect::<Result<_, _>>()?,
    })
}

/// For what a role sees anything at all, by the matrix.
pub(super) fn purposes(role: Role) -> Vec<Use> {
    let grants = grants().unwrap_or_default();
    let mut own: Vec<Use> =
        grants.into_iter().filter(|grant| grant.role == role).flat_map(|g| g.purposes).collect();
    own.sort_unstable();
    own.dedup();
    own
}
