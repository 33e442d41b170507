//! The lean plan of a contract whose figures are measured, rounded and frozen: which tables of a year there are, and
//! the body they are published in.
//!
//! Four kinds: families referred, pairings made, pairings ended, pairings there are. Each as four quarters and a year;
//! by source, age band of the youngest and household, by household, by outcome. No table by wijk: below some twenty
//! events a year it would be noise. Categories are the whole list of the words, whoever was counted: which there are
//! tells nothing.

use crate::crypto::bits::Seed;
use crate::crypto::digest::hex;
use crate::domain::age::AgeBand;
use crate::domain::municipality::Municipality;
use crate::domain::pairing::EndReason;
use crate::domain::period::Year;
use crate::domain::referral::{Composition, Source};
use crate::statistics::freeze::{Frozen, Rule, Table, flow, stock};
use crate::statistics::noise::Alpha;
use std::fmt::Write;

/// Version of the plan, in the name of every draw.
pub const VERSION: &str = "lean-1";
/// What figures are multiples of.
pub const BASE: i64 = 3;
/// How much noise.
pub const ALPHA: Alpha = Alpha::ThreeEighths;

/// A family that was referred in the year.
#[derive(Clone, Copy, Debug)]
pub struct Referred {
    /// Quarter, 0 to 3.
    pub quarter: usize,
    /// In which capacity.
    pub source: Source,
    /// Age band of the youngest.
    pub youngest: AgeBand,
    /// Household.
    pub household: Composition,
}

/// A pairing that went on after its trial.
#[derive(Clone, Copy, Debug)]
pub struct Paired {
    /// Household of the family.
    pub household: Composition,
    /// Quarter of the year in which it was made, 0 to 3; nothing where that was before.
    pub made: Option<usize>,
    /// Quarter of the year in which it ended, and why; nothing where it goes on after it.
    pub ended: Option<(usize, EndReason)>,
}

/// What was counted of a gemeente and a year that is over, one line a family.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Families referred.
    pub referred: Vec<Referred>,
    /// Pairings that were there at any time of it.
    pub paired: Vec<Paired>,
}

/// A kind with its counts: name, quarters, whether it is a stock, tables.
type Kind = (&'static str, [i64; 4], bool, Vec<Table<'static>>);

impl Counted {
    fn kinds(&self) -> [Kind; 4] {
        let (referred, paired) = (&self.referred, &self.paired);
        let count =
            |of: &dyn Fn(&Paired) -> bool| number(paired.iter().filter(|one| of(one)).count());
        let made = |one: &Paired, quarter| one.made == Some(quarter);
        let ended = |one: &Paired, quarter| one.ended.is_some_and(|(at, _)| at == quarter);
        let there = |one: &Paired, quarter| {
            one.made.is_none_or(|at| at <= quarter) && one.ended.is_none_or(|(at, _)| at > quarter)
        };
        let quarters = |of: &dyn Fn(&Paired, usize) -> bool| {
            [0, 1, 2, 3].map(|quarter| count(&|one| of(one, quarter)))
        };
        let of_year = [0, 1, 2, 3]
            .map(|quarter| number(referred.iter().filter(|one| one.quarter == quarter).count()));
        let household = |one: &Paired, wanted| one.made.is_some() && one.household == wanted;
        let reason = |one: &Paired, wanted| one.ended.is_some_and(|(_, reason)| reason == wanted);
        [
            (
                "referrals",
                of_year,
                false,
                vec![
                    table("source", Source::ALL, Source::as_str, |wanted| {
                        number(referred.iter().filter(|one| one.source == wanted).count())
                    }),
                    table("ageBand", AgeBand::ALL, AgeBand::as_str, |wanted| {
                        number(referred.iter().filter(|one| one.youngest == wanted).count())
                    }),
                    table("household", Composition::ALL, Composition::as_str, |wanted| {
                        number(referred.iter().filter(|one| one.household == wanted).count())
                    }),
                ],
            ),
            (
                "pairings-made",
                quarters(&made),
                false,
                vec![table("household", Composition::ALL, Composition::as_str, |wanted| {
                    count(&|one| household(one, wanted))
                })],
            ),
            (
                "pairings-ended",
                quarters(&ended),
                false,
                vec![table("outcome", EndReason::ALL, EndReason::as_str, |wanted| {
                    count(&|one| reason(one, wanted))
                })],
            ),
            ("pairings-active", quarters(&there), true, Vec::new()),
        ]
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn table<T: Copy>(
    name: &'static str,
    all: &[T],
    word: fn(T) -> &'static str,
    count: impl Fn(T) -> i64,
) -> Table<'static> {
    Table { name, cells: all.iter().map(|one| (word(*one), count(*one))).collect() }
}

/// How many tables the plan has: each costs ε = ln 8/3 about a family that stands in it.
pub const TABLES: usize = 9;

/// The canonical body of one gemeente's frozen figures about a year that is over: keys sorted, no spaces.
#[must_use]
pub fn body(municipality: Municipality, year: Year, counted: &Counted, seed: &Seed) -> String {
    let number = year.number().to_string();
    let mut out = String::from("{\"cells\":[");
    for (name, quarters, is_stock, tables) in counted.kinds() {
        let rule = Rule {
            base: BASE,
            alpha: ALPHA,
            name: [municipality.as_str(), VERSION, name, &number],
        };
        let freeze = if is_stock { stock } else { flow };
        let frozen = freeze(&rule, seed, &quarters, &tables);
        put(&mut out, (name, &number, is_stock), &tables, &frozen);
    }
    out.pop();
    // Writing to a String cannot fail.
    let _infallible = write!(
        out,
        "],\"method\":{{\"alpha\":\"3/8\",\"base\":{BASE},\"commitment\":\"{}\",\"error95\":{{\"quarter\":4,\"year\":3}},\
         \"name\":\"measure-round-freeze\",\"planVersion\":\"{VERSION}\"}},\"municipality\":\"{municipality}\",\
         \"period\":\"{number}\",\"unit\":\"family\"}}",
        hex(&seed.commitment()),
    );
    out
}

fn put(
    out: &mut String,
    (name, year, is_stock): (&str, &str, bool),
    tables: &[Table<'_>],
    frozen: &Frozen,
) {
    for (at, value) in frozen.quarters.iter().enumerate() {
        let place = format!("\"quarter\":\"{year}Q{}\"", at + 1);
        cell(out, &format!("quarter.{name}"), &place, *value);
    }
    if let (Some(value), false) = (frozen.year, is_stock) {
        cell(out, &format!("year.{name}"), "", value);
    }
    for (table, values) in tables.iter().zip(&frozen.tables) {
        for ((code, _), value) in table.cells.iter().zip(values) {
            let place = format!("\"{}\":\"{code}\"", table.name);
            cell(out, &format!("year.{name}.{}", table.name), &place, *value);
        }
    }
}

fn cell(out: &mut String, table: &str, place: &str, value: i64) {
    let _infallible = write!(
        out,
        "{{\"confStatus\":\"F\",\"obsStatus\":\"A\",\"table\":\"{table}\",\"value\":{value},\"where\":{{{place}}}}},"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Counted {
        let referred = |quarter, source| Referred {
            quarter,
            source,
            youngest: AgeBand::From4To11,
            household: Composition::OneParent,
        };
        let paired = |made, ended| Paired { household: Composition::OneParent, made, ended };
        Counted {
            referred: vec![
                referred(0, Source::Wijkteam),
                referred(3, Source::PohJ),
                referred(3, Source::PohJ),
            ],
            paired: vec![
                paired(Some(0), None),
                paired(None, Some((2, EndReason::Moved))),
                paired(Some(1), Some((1, EndReason::GoalReached))),
            ],
        }
    }

    #[test]
    fn each_kind_is_counted_in_its_quarters_and_by_its_words() {
        let [referrals, made, ended, active] = counted().kinds();
        assert_eq!(
            (referrals.1, made.1, ended.1, active.1),
            ([1, 0, 0, 2], [1, 1, 0, 0], [0, 1, 1, 0], [2, 2, 1, 1])
        );
        let cells = |kind: &Kind, table: usize| -> Vec<(&str, i64)> {
            kind.3[table].cells.iter().filter(|(_, n)| *n > 0).copied().collect()
        };
        assert_eq!(cells(&referrals, 0), [("wijkteam", 1), ("poh-j", 2)]);
        assert_eq!(cells(&made, 0), [("one-parent", 2)]);
        assert_eq!(cells(&ended, 0).len(), 2);
        assert_eq!(referrals.3[0].cells.len(), Source::ALL.len(), "empty ones too");
        let tables: usize = counted().kinds().iter().map(|kind| 1 + kind.3.len()).sum();
        assert_eq!(tables, TABLES);
    }

    #[test]
    fn a_body_is_canonical_the_same_for_a_seed_and_names_no_count() {
        let gemeente = Municipality::parse("GM0119").unwrap();
        let year = Year::parse(2025).unwrap();
        let of = |seed: u8| body(gemeente, year, &counted(), &Seed::given([seed; 32]));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2), "control: another seed draws otherwise");
        let text = of(1);
        assert!(
            !text.contains(' ') && text.contains("\"table\":\"year.referrals.source\""),
            "{text}"
        );
        assert!(text.ends_with("\"period\":\"2025\",\"unit\":\"family\"}"));
        // The same categories stand there when nobody was counted.
        let empty = body(gemeente, year, &Counted::default(), &Seed::given([1; 32]));
        assert_eq!(empty.matches("\"where\"").count(), text.matches("\"where\"").count());
    }
}
