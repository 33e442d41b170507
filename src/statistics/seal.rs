//! Seals one period of a contract: from events to the cells that are published, by the contract's method.
//!
//! A frozen contract is sealed by the quarter, and with the fourth the year; what the next quarter needs of this one is
//! given back as [`Kept`], which holds no count that was not drawn around. The other methods seal a year as a whole.

use crate::crypto::bits::Seed;
use crate::domain::period::{Quarter, Year};
use crate::domain::programme::Programme;
use crate::statistics::cellkey;
use crate::statistics::contract::{Contract, Method, TableId};
use crate::statistics::freeze::{self, Carry, Rule, Table};
use crate::statistics::noise::Alpha;
use crate::statistics::release::Cell;
use crate::statistics::tabulate::{Event, Kind, all_of_quarter, members, of_quarter, of_year};
use std::collections::BTreeMap;

/// What the next quarters of the year need to know of a kind in this one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Kept {
    /// Which kind.
    pub kind: Kind,
    /// What was measured: the count with its noise.
    pub measured: i64,
    /// What was published, in units of the base.
    pub units: i64,
}

/// A sealed period.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sealed {
    /// What is published.
    pub cells: Vec<Cell>,
    /// What the next quarters need.
    pub kept: Vec<Kept>,
    /// Tables that this cost, by kind or programme.
    pub spent: Vec<(String, u32)>,
}

/// What a programme reported about itself in a year: its measures with their sums.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reported {
    /// Which programme.
    pub programme: Programme,
    /// Every measure, reported or not.
    pub sums: Vec<(&'static str, i64)>,
}

/// How much noise is drawn around what programmes reported: ε 0.134 of each measure and quarter.
pub const PROGRAMMES: Alpha = Alpha::SevenEighths;
/// Quarters that a programme reports in a year.
const QUARTERS: usize = 4;

/// What a sealing works with.
#[derive(Clone, Copy, Debug)]
pub struct Sealing<'a> {
    /// The contract.
    pub contract: &'a Contract,
    /// What was counted: for the last quarter of a year the whole year.
    pub events: &'a [Event],
    /// What the quarters before this one left.
    pub carried: &'a BTreeMap<Kind, Carry>,
    /// What programmes reported of the year; read with its last quarter.
    pub reports: &'a [Reported],
}

impl Sealing<'_> {
    /// Seals a quarter, by measuring, rounding and freezing.
    #[must_use]
    pub fn quarter(&self, quarter: Quarter, (base, alpha): (i64, Alpha), seed: &Seed) -> Sealed {
        let year = quarter.year().number().to_string();
        let mut sealed = Sealed::default();
        for &kind in &self.contract.kinds {
            let name = [
                self.contract.municipality.as_str(),
                self.contract.plan.as_str(),
                kind.as_str(),
                year.as_str(),
            ];
            let rule = Rule { base, alpha, name };
            let carry = self.carried.get(&kind).cloned().unwrap_or_default();
            let first = carry.measured.is_empty();
            let cost = self.contract.cost(kind, quarter, first);
            if cost > 0 {
                sealed.spent.push((kind.as_str().to_owned(), cost));
            }
            if quarter.closes_year() {
                self.last(&mut sealed, &rule, seed, kind, quarter, &carry);
            } else if !kind.is_yearly() {
                self.early(&mut sealed, &rule, seed, kind, quarter, carry);
            }
        }
        if quarter.closes_year() {
            for reported in self.reports {
                self.programme(&mut sealed, seed, &year, base, reported);
            }
        }
        sealed
    }

    /// Sums that a programme reported, each with a draw of its own, of more noise than the contract's: one child can
    /// stand in every measure of every quarter, and each of those is a table.
    fn programme(
        &self,
        sealed: &mut Sealed,
        seed: &Seed,
        year: &str,
        base: i64,
        reported: &Reported,
    ) {
        let kind = format!("programme.{}", reported.programme.as_str());
        let (area, plan) = (self.contract.municipality.as_str(), self.contract.plan.as_str());
        let rule = Rule { base, alpha: PROGRAMMES, name: [area, plan, &kind, year] };
        for (measure, sum) in &reported.sums {
            let place = vec![
                ("measure".to_owned(), (*measure).to_owned()),
                ("year".to_owned(), year.to_owned()),
            ];
            let value = freeze::alone(&rule, seed, measure, *sum);
            sealed.cells.push(Cell::shown(format!("year.{kind}"), place, value));
        }
        let cost = u32::try_from(reported.sums.len() * QUARTERS).unwrap_or(u32::MAX);
        sealed.spent.push((kind, cost));
    }

    fn early(
        &self,
        sealed: &mut Sealed,
        rule: &Rule<'_>,
        seed: &Seed,
        kind: Kind,
        quarter: Quarter,
        mut carry: Carry,
    ) {
        let count = of_quarter(self.events, kind, quarter.place());
        let value = if kind.is_stock() {
            freeze::standing(rule, seed, quarter.place(), count)
        } else {
            let value = freeze::quarter(rule, seed, &mut carry, quarter.place(), count);
            let kept = carry.measured.last().zip(carry.units.last());
            sealed.kept.extend(kept.map(|(measured, units)| Kept {
                kind,
                measured: *measured,
                units: *units,
            }));
            value
        };
        sealed.cells.push(of_kind(kind, quarter, value));
    }

    /// The last quarter of a year, the year and its tables.
    fn last(
        &self,
        sealed: &mut Sealed,
        rule: &Rule<'_>,
        seed: &Seed,
        kind: Kind,
        quarter: Quarter,
        carry: &Carry,
    ) {
        let tables = self.tables(kind);
        let count = of_quarter(self.events, kind, quarter.place());
        let closed = if kind.is_stock() || kind.is_yearly() {
            freeze::standing_closed(rule, seed, count, &tables)
        } else {
            freeze::close(rule, seed, carry, count, &tables)
        };
        if !kind.is_yearly() {
            sealed.cells.push(of_kind(kind, quarter, closed.quarter));
        }
        let year = quarter.year();
        if !kind.is_stock() {
            sealed.cells.push(of_year_as_a_whole(kind, year, closed.year));
        }
        for (table, values) in tables.iter().zip(&closed.tables) {
            let cells = table.cells.iter().map(|(code, _)| *code).zip(values.iter().copied());
            sealed.cells.extend(of_table(kind, year, table.name, cells));
        }
        if self.contract.exact.contains(&kind) {
            let count = (0..4).map(|at| all_of_quarter(self.events, kind, at)).sum();
            let place = vec![("year".to_owned(), year.number().to_string())];
            let table = format!("exact.{}", kind.as_str());
            sealed.cells.push(Cell::shown(table.clone(), place, count));
            // Told without noise: its line in the disclosure ledger says ε 0, which here means no protection at all.
            sealed.spent.push((table, 1));
        }
    }

    fn tables(&self, kind: Kind) -> Vec<Table<'_>> {
        let tables = self.contract.tables_of(kind);
        tables
            .map(|table| {
                let codes = self.contract.codes(table.dimension);
                of_year(self.events, kind, table.dimension, &codes)
            })
            .collect()
    }

    /// Seals a year with the noise of differential privacy on each cell, nothing below zero.
    #[must_use]
    pub fn private(&self, year: Year, alpha: Alpha, seed: &Seed) -> Sealed {
        let number = year.number().to_string();
        let area = self.contract.municipality;
        let plan = self.contract.plan.as_str();
        self.whole(year, |kind, table, code, members| {
            let name = [area.as_str(), plan, kind.as_str(), &number, table, code];
            (number_of(members) + alpha.draw(&mut seed.bits(&name))).max(0)
        })
    }

    /// Seals a year by cell keys: what a cell is moved by follows from who is in it, so that the same families show
    /// the same figure wherever they stand.
    #[must_use]
    pub fn cell_keys(&self, year: Year, seed: &Seed) -> Sealed {
        let key = |at: &usize| seed.bits(&["record", &at.to_string()]).take(16);
        self.whole(year, |_, _, _, members| {
            let sum = members.iter().map(key).fold(0_u32, u32::wrapping_add);
            cellkey::figure(number_of(members), sum)
        })
    }

    /// Seals a year whole: each kind, and each of its tables, with what `figure` makes of who stands in a cell.
    fn whole(&self, year: Year, figure: impl Fn(Kind, &str, &str, &[usize]) -> i64) -> Sealed {
        let mut sealed = Sealed::default();
        for &kind in &self.contract.kinds {
            let all = members(self.events, kind, None);
            sealed.cells.push(of_year_as_a_whole(kind, year, figure(kind, "year", "", &all)));
            let mut cost = 1;
            for TableId { dimension, .. } in self.contract.tables_of(kind) {
                cost += 1;
                let codes = self.contract.codes(dimension);
                let cells = codes.iter().map(|code| {
                    let inside = members(self.events, kind, Some((dimension, code)));
                    (*code, figure(kind, dimension.as_str(), code, &inside))
                });
                sealed.cells.extend(of_table(kind, year, dimension.as_str(), cells));
            }
            sealed.spent.push((kind.as_str().to_owned(), cost));
        }
        sealed
    }
}

fn number_of(members: &[usize]) -> i64 {
    i64::try_from(members.len()).unwrap_or(i64::MAX)
}

impl Method {
    /// How much noise a table costs, where it is drawn.
    #[must_use]
    pub const fn alpha(self) -> Option<Alpha> {
        match self {
            Self::Freeze { alpha, .. } | Self::Private(alpha) => Some(alpha),
            Self::Suppress(_) | Self::CellKey => None,
        }
    }
}

fn of_kind(kind: Kind, quarter: Quarter, value: i64) -> Cell {
    let place = vec![("quarter".to_owned(), quarter.to_text())];
    Cell::shown(format!("quarter.{}", kind.as_str()), place, value)
}

fn of_year_as_a_whole(kind: Kind, year: Year, value: i64) -> Cell {
    let place = vec![("year".to_owned(), year.number().to_string())];
    Cell::shown(format!("year.{}", kind.as_str()), place, value)
}

fn of_table<'a>(
    kind: Kind,
    year: Year,
    dimension: &str,
    cells: impl Iterator<Item = (&'a str, i64)>,
) -> Vec<Cell> {
    let one = |(code, value): (&str, i64)| {
        let place = vec![
            (dimension.to_owned(), code.to_owned()),
            ("year".to_owned(), year.number().to_string()),
        ];
        Cell::shown(format!("year.{}.{dimension}", kind.as_str()), place, value)
    };
    cells.map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::municipality::Municipality;
    use crate::statistics::tabulate::Dimension;

    fn contract(method: Method, kinds: &[Kind], tables: &[&str]) -> Contract {
        Contract {
            municipality: Municipality::parse("GM0119").unwrap(),
            plan: "test-1".to_owned(),
            method,
            from: Quarter::read("2026Q1").unwrap(),
            kinds: kinds.to_vec(),
            tables: tables.iter().map(|table| TableId::parse(table).unwrap()).collect(),
            districts: Vec::new(),
            programmes: Vec::new(),
            exact: vec![Kind::Referrals],
            cap: 5,
        }
    }

    fn events() -> Vec<Event> {
        let referred = |quarter, source: &str| Event {
            kind: Kind::Referrals,
            quarter,
            traits: vec![(Dimension::Source, source.to_owned())],
            again: false,
        };
        let there = |quarter| Event {
            kind: Kind::PairingsActive,
            quarter,
            traits: Vec::new(),
            again: false,
        };
        let mut all = vec![referred(0, "wijkteam"), referred(1, "poh-j"), referred(3, "poh-j")];
        all.extend([0, 1, 2, 3].map(there));
        all
    }

    fn sum(sealed: &[Sealed], table: &str) -> i64 {
        let cells = sealed.iter().flat_map(|one| &one.cells).filter(|cell| cell.table == table);
        cells.filter_map(|cell| cell.value).sum()
    }

    /// Sealed quarter by quarter, each from a seed of its own: tables add up to the year and the quarters too.
    #[test]
    fn a_year_of_quarters_adds_up_and_costs_what_the_contract_says() {
        let (base, alpha) = (3, Alpha::ThreeEighths);
        let contract = contract(
            Method::Freeze { base, alpha },
            &[Kind::Referrals, Kind::PairingsActive],
            &["referrals.source"],
        );
        for first in 0..50 {
            let (mut sealed, mut carried) = (Vec::new(), BTreeMap::<Kind, Carry>::new());
            for quarter in Quarter::all_of(Year::parse(2026).unwrap()) {
                let (events, carry) = (events(), carried.clone());
                let sealing =
                    Sealing { contract: &contract, events: &events, carried: &carry, reports: &[] };
                let seed = Seed::given([first + u8::try_from(quarter.place()).unwrap(); 32]);
                let one = sealing.quarter(quarter, (base, alpha), &seed);
                for kept in &one.kept {
                    let carry = carried.entry(kept.kind).or_default();
                    carry.measured.push(kept.measured);
                    carry.units.push(kept.units);
                }
                sealed.push(one);
            }
            let year = sum(&sealed, "year.referrals");
            assert_eq!(sum(&sealed, "quarter.referrals"), year);
            assert_eq!(sum(&sealed, "year.referrals.source"), year);
            assert_eq!(sum(&sealed, "exact.referrals"), 3);
            let spent = |kind: Kind| {
                let all = sealed.iter().flat_map(|one| &one.spent);
                all.filter(|(of, _)| *of == kind.as_str()).map(|(_, n)| n).sum::<u32>()
            };
            assert_eq!((spent(Kind::Referrals), spent(Kind::PairingsActive)), (2, 4));
        }
    }

    #[test]
    fn the_same_families_show_the_same_figure_by_cell_keys() {
        let contract = contract(Method::CellKey, &[Kind::Referrals], &["referrals.source"]);
        let carried = BTreeMap::new();
        // All by one source: the year and that cell of the table hold the same families.
        let events: Vec<Event> = (0..9)
            .map(|_| Event {
                kind: Kind::Referrals,
                quarter: 0,
                traits: vec![(Dimension::Source, "poh-j".to_owned())],
                again: false,
            })
            .collect();
        let sealing =
            Sealing { contract: &contract, events: &events, carried: &carried, reports: &[] };
        let of = |seed: u8| {
            sealing.cell_keys(Year::parse(2026).unwrap(), &Seed::given([seed; 32])).cells
        };
        let mut seen = Vec::new();
        for seed in 0..40 {
            let cells = of(seed);
            let code = |cell: &Cell, code: &str| cell.place.iter().any(|(_, is)| is == code);
            let poh = cells.iter().find(|cell| code(cell, "poh-j")).unwrap();
            assert_eq!(poh.value, cells[0].value);
            seen.push(poh.value);
        }
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 3, "control: other keys, other figures");
    }
}
