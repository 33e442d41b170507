//! The table of `policies/matrix.txt`: who may do and see what, in which situation.
//!
//! Every mark is an answer of the engine to invented facts. The file is checked in and compared by a
//! test, so a change of a rule shows as a change of this table, which a privacy officer can read.

use crate::cli::policies::contract::purposes;
use crate::domain::access::{Field, Level, Use};
use crate::domain::partner::Role;
use crate::policy::Engine;
use crate::policy::action::NAMES;
use crate::policy::rehearsal::{Twist, Twists, conditions};
use crate::policy::sight::Question;
use std::fmt::Write;

/// A column: its heading, the role, and what is never in order for it.
type Column = (&'static str, Role, Option<Twist>);

const COLUMNS: [Column; 9] = [
    ("referrer", Role::Referrer, None),
    ("case-manager", Role::CaseManager, None),
    ("assigner", Role::Assigner, None),
    ("coordinator", Role::Coordinator, None),
    ("other-coord.", Role::Coordinator, Some(Twist::NotAssigned)),
    ("municipality", Role::Municipality, None),
    ("privacy-off.", Role::PrivacyOfficer, None),
    ("operator", Role::Operator, None),
    ("data-subject", Role::DataSubject, None),
];

const SHOWN_WIDTH: usize = 44;

const LEGEND: &str = "\
WHO MAY DO AND SEE WHAT

Made from the policies by `buurtpoort policy matrix`; not written by hand. A test compares it with the rules.

  ✔   allowed
  ✘   refused, with the answer for something that is not there (404)
  ·   this role may never ask this, whatever it is about (403)

\"In order\" means: of the caller's own organisation or gemeente, the case assigned to the caller, open, consent
valid for the purpose, the token bound to the connection. Each further line takes one thing away. The column
\"other-coord.\" is a coordinator to whom the case is not assigned; \"data-subject\" is somebody who asks for their
own data through the coordinator's organisation. That a case may be read says little by itself: what is shown of
it is in the second table, and without valid consent that is nothing but its id, its state and that consent lacks.
";

const FIELDS_LEGEND: &str = "\
WHICH FIELD GROUPS, HOW CLEARLY

With everything in order, for the role's own purposes. What is not in the list below is shown to nobody.

  S  submit-only    sent in, not shown again        G  generalised     coarser than it was sent
  C  clear          as it was sent                  A  aggregate       counted, small numbers hidden
  T  status-only    where it stands, no content     W  read-write      as it was sent, may be changed
  P  pseudonymised  without what names anybody      ·  nothing
";

/// The whole table.
#[must_use]
pub fn render(engine: &Engine) -> String {
    let mut text = LEGEND.to_owned();
    let names = NAMES.iter().filter(|name| **name != "seeField");
    for name in names {
        action(&mut text, engine, name);
    }
    text.push('\n');
    text.push_str(FIELDS_LEGEND);
    fields(&mut text, engine);
    text.push_str("\nWHAT A MISSING CONDITION TAKES AWAY\n\n");
    for column in COLUMNS.iter().filter(|(_, _, always)| always.is_none()) {
        losses(&mut text, engine, *column);
    }
    let trimmed: Vec<&str> = text.lines().map(str::trim_end).collect();
    trimmed.join("\n").trim_end().to_owned() + "\n"
}

/// Writing to a string cannot fail.
fn line(text: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    let _written = write!(text, "  {first:SHOWN_WIDTH$}");
    for cell in cells {
        let _written = write!(text, "{cell:^14}");
    }
    text.push('\n');
}

fn headings(text: &mut String, title: &str) {
    text.push('\n');
    line(text, title, COLUMNS.iter().map(|(heading, _, _)| (*heading).to_owned()));
}

fn action(text: &mut String, engine: &Engine, name: &str) {
    headings(text, name);
    let row = |text: &mut String, told: &str, twists: &Twists| {
        let mark = |column: &Column| mark(engine, name, column, twists);
        line(text, told, COLUMNS.iter().map(mark));
    };
    row(text, "in order", &Twists::new());
    for twist in relevant(engine, name) {
        let told = match (name, twist) {
            ("releaseIdentity", Twist::ContactStage) => "signatures lack, asked for pairing",
            _ => twist.told(),
        };
        row(text, told, &Twists::from([twist]));
    }
}

fn mark(engine: &Engine, name: &str, (_, role, always): &Column, twists: &Twists) -> String {
    let twists = twists.iter().copied().chain(*always).collect();
    let answer = engine.rehearse(*role, name, &twists);
    let may_ask = engine.roles_of(name).contains(role);
    let mark = match answer {
        _ if !may_ask => "·",
        Some(answer) if answer.allow => "✔",
        _ => "✘",
    };
    mark.to_owned()
}

/// What can be out of order about the object of an action.
fn relevant(engine: &Engine, name: &str) -> Vec<Twist> {
    let mut twists = match engine.object_of(name) {
        Some("Buurtpoort::Case") => vec![
            Twist::NotAssigned,
            Twist::Elsewhere,
            Twist::ConsentWithdrawn,
            Twist::ContactStage,
            Twist::Closed,
        ],
        Some("Buurtpoort::SupportFamily") => {
            vec![Twist::NotAssigned, Twist::Elsewhere, Twist::Closed]
        }
        _ => vec![Twist::Elsewhere],
    };
    twists.extend_from_slice(match name {
        "submitReferral" => &[Twist::ConsentWithdrawn, Twist::ContactStage],
        "movePairing" => &[Twist::TellsNothing],
        "assignCase" => &[Twist::NotEligible],
        "readGoals" => &[Twist::NoCoordinationConsent, Twist::NotAParticipant],
        _ => &[],
    });
    twists.push(Twist::TokenNotBound);
    twists
}

const fn letter(level: Level) -> &'static str {
    match level {
        Level::SubmitOnly => "S",
        Level::Clear => "C",
        Level::StatusOnly => "T",
        Level::Pseudonymised => "P",
        Level::Generalised => "G",
        Level::Aggregate => "A",
        Level::ReadWrite => "W",
    }
}

/// Every level at which a role sees a group for one of its own purposes.
fn levels(engine: &Engine, role: Role, field: Field, purposes: &[Use], twists: &Twists) -> String {
    let conditions = conditions(twists);
    let seen = |level: &&Level| {
        purposes.iter().any(|purpose| {
            let (level, purpose) = (**level, *purpose);
            engine.sees(Question { role, field, level, purpose, conditions })
        })
    };
    Level::ALL.iter().filter(seen).map(|level| letter(*level)).collect()
}

fn fields(text: &mut String, engine: &Engine) {
    let own: Vec<Vec<Use>> = COLUMNS.iter().map(|(_, role, _)| purposes(*role)).collect();
    headings(text, "field group");
    for &field in Field::ALL {
        let cells = COLUMNS.iter().zip(&own).map(|((_, role, always), purposes)| {
            let twists = always.iter().copied().collect();
            let found = levels(engine, *role, field, purposes, &twists);
            if found.is_empty() { "·".to_owned() } else { found }
        });
        line(text, field.as_str(), cells);
    }
}

/// What one role loses when one condition is missing.
fn losses(text: &mut String, engine: &Engine, (_, role, _): Column) {
    let purposes = purposes(role);
    let words: Vec<&str> = purposes.iter().map(|purpose| purpose.as_str()).collect();
    let seen = |twists: &Twists| -> Vec<Field> {
        let sees = |field: &Field| !levels(engine, role, *field, &purposes, twists).is_empty();
        Field::ALL.iter().copied().filter(sees).collect()
    };
    let all = seen(&Twists::new());
    let (name, count) = (role.as_str(), all.len());
    let purposes = if words.is_empty() { "for nothing".to_owned() } else { words.join(", ") };
    let _written = writeln!(text, "  {name} ({purposes}): {count} of 24 groups");
    for twist in Twist::ALL.iter().filter(|twist| twist.takes_away().is_some()) {
        let left = seen(&Twists::from([*twist]));
        let lost: Vec<&str> =
            all.iter().filter(|field| !left.contains(field)).map(|f| f.as_str()).collect();
        let told = match (left.is_empty(), lost.is_empty()) {
            (_, true) => continue,
            (true, false) => "everything".to_owned(),
            (false, false) => lost.join(", "),
        };
        let _written = writeln!(text, "    {}: loses {told}", twist.told());
    }
    text.push('\n');
}
