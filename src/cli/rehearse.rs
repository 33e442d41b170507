//! `buurtpoort statistics rehearse`: seals all periods of made-up records with the real protection, in memory, and
//! prints the releases: for whoever wants to attack what we publish.
//!
//! Nothing is kept and no database is opened. The seed is fresh for each run, or given with `--seed` so that a run
//! can be repeated.

use crate::cli::Failure;
use crate::crypto::Entropy;
use crate::crypto::bits::Seed;
use crate::crypto::digest::sha256;
use crate::statistics::freeze::{Frozen, Rule, Table, flow, stock};
use crate::statistics::noise::Alpha;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What figures are multiples of.
const BASE: i64 = 3;
/// Version of the plan the draws are named after.
const PLAN: &str = "lean-1";
/// Quarters of a year.
const QUARTERS: usize = 4;

/// Records of made-up gemeenten.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Records {
    first_quarter: String,
    last_quarter: String,
    blocks: Vec<Block>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    id: String,
    districts: Vec<String>,
    records: Vec<Record>,
}

/// One family: a referral has `quarter`, a pairing `made` and `ended`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    unit: String,
    district: String,
    household: String,
    source: Option<String>,
    age_band: Option<String>,
    quarter: Option<String>,
    made: Option<String>,
    ended: Option<String>,
    outcome: Option<String>,
}

/// Codes of the plan, and whatever else stands in the records: the same for every gemeente, so that which there are in
/// one tells nothing of it.
struct Codes {
    source: Vec<String>,
    age_band: Vec<String>,
    household: Vec<String>,
    outcome: Vec<String>,
    /// `2024Q1` and on.
    quarters: Vec<String>,
}

/// Seals every period of the records, and gives the releases as JSON.
///
/// # Errors
/// One line naming what is wrong with the records.
pub fn rehearse(text: &str, seed: Option<&str>) -> Result<Value, Failure> {
    let records: Records = serde_json::from_str(text).map_err(|error| {
        Failure::usage(format!("records: line {}: not the documented form", error.line()))
    })?;
    let codes = codes(&records)?;
    let seed = match seed {
        Some(words) => Seed::given(sha256(words.as_bytes())),
        None => Seed::fresh(&Entropy::system())?,
    };
    let block = |block: &Block| json!({"id": block.id, "releases": releases(block, &codes, &seed)});
    Ok(json!({"blocks": records.blocks.iter().map(block).collect::<Vec<_>>()}))
}

fn codes(records: &Records) -> Result<Codes, Failure> {
    let all = || records.blocks.iter().flat_map(|block| &block.records);
    let seen = |base: &[&str], of: &dyn Fn(&Record) -> Option<&String>| {
        let mut codes: Vec<String> = base.iter().map(|code| (*code).to_owned()).collect();
        let others: BTreeSet<&String> = all().filter_map(of).collect();
        codes.extend(others.into_iter().filter(|code| !base.contains(&code.as_str())).cloned());
        codes
    };
    let quarters = quarters(&records.first_quarter, &records.last_quarter)?;
    let known = |quarter: &Option<String>, more: &str| {
        quarter.as_ref().is_none_or(|quarter| quarter == more || quarters.contains(quarter))
    };
    let fits = |record: &&Record| {
        known(&record.quarter, "")
            && known(&record.made, "before")
            && known(&record.ended, "open")
            && matches!(record.unit.as_str(), "referral" | "pairing")
    };
    if let Some(at) = all().position(|record| !fits(&record)) {
        return Err(Failure::usage(format!(
            "records: record {}: not a unit or quarter of the range",
            at + 1
        )));
    }
    Ok(Codes {
        source: seen(&["wijkteam", "poh-j", "regieteam", "self", "other"], &|r| r.source.as_ref()),
        age_band: seen(&["0-3", "4-11", "12-17", "18-23"], &|r| r.age_band.as_ref()),
        household: seen(&["one-parent", "two-parent"], &|r| Some(&r.household)),
        outcome: seen(&["goal-reached", "moved", "referred-on", "stopped-early"], &|r| {
            r.outcome.as_ref()
        }),
        quarters,
    })
}

/// The quarters from one to another, from the first of a year.
fn quarters(first: &str, last: &str) -> Result<Vec<String>, Failure> {
    let read = |text: &str| {
        let (year, quarter) = text.split_once('Q')?;
        let (year, quarter): (u32, u32) = (year.parse().ok()?, quarter.parse().ok()?);
        let fits = (1..=4).contains(&quarter) && (2000..2100).contains(&year) && text.len() == 6;
        fits.then(|| year * 4 + quarter - 1)
    };
    let bad = || {
        Failure::usage(
            "records: firstQuarter and lastQuarter must be quarters such as 2024Q1, in order",
        )
    };
    let (first, last) = (read(first).ok_or_else(bad)?, read(last).ok_or_else(bad)?);
    if last < first || !first.is_multiple_of(4) {
        return Err(Failure::usage(
            "records: firstQuarter must be the first of a year, and before lastQuarter",
        ));
    }
    Ok((first..=last).map(|at| format!("{}Q{}", at / 4, at % 4 + 1)).collect())
}

/// The releases of a gemeente, a quarter each; with the fourth come the tables of the year.
fn releases(block: &Block, codes: &Codes, seed: &Seed) -> Vec<Value> {
    let mut out = Vec::new();
    for (nth, year) in codes.quarters.chunks(QUARTERS).enumerate() {
        let kinds = kinds(block, codes);
        let frozen: Vec<(&Kind<'_>, Frozen)> =
            kinds.iter().map(|kind| (kind, kind.freeze(block, seed, year))).collect();
        for (at, quarter) in year.iter().enumerate() {
            let mut cells = Vec::new();
            for (kind, frozen) in &frozen {
                let value = frozen.quarters.get(at).copied().unwrap_or_default();
                cells.push(cell(
                    &kind.quarter_table(),
                    kind.unit,
                    &kind.of_quarter(codes, quarter),
                    value,
                ));
                if at + 1 == QUARTERS {
                    cells.extend(kind.yearly(codes, year, frozen));
                }
            }
            let seq = nth * QUARTERS + at;
            out.push(json!({"id": format!("{}/{quarter}", block.id), "seq": seq, "cells": cells}));
        }
    }
    out
}

fn cell(table: &str, unit: &str, place: &Value, value: i64) -> Value {
    json!({"table": table, "unit": unit, "where": place, "value": value, "obsStatus": "A"})
}

/// A dimension: its name on the wire, its codes, and what a record says.
type Dimension<'a> = (&'static str, &'a [String], fn(&Record) -> Option<&String>);

/// One kind of event, or a stock, in one year.
struct Kind<'a> {
    name: &'static str,
    unit: &'static str,
    dimensions: Vec<Dimension<'a>>,
    records: Vec<&'a Record>,
}

fn kinds<'a>(block: &'a Block, codes: &'a Codes) -> [Kind<'a>; 4] {
    let of =
        |unit: &str| block.records.iter().filter(|record| record.unit == unit).collect::<Vec<_>>();
    let district: Dimension<'a> = ("district", &block.districts, |r| Some(&r.district));
    let household: Dimension<'a> = ("household", &codes.household, |r| Some(&r.household));
    let source: Dimension<'a> = ("source", &codes.source, |r| r.source.as_ref());
    let age_band: Dimension<'a> = ("ageBand", &codes.age_band, |r| r.age_band.as_ref());
    let outcome: Dimension<'a> = ("outcome", &codes.outcome, |r| r.outcome.as_ref());
    let kind = |name, unit, dimensions| Kind { name, unit, dimensions, records: of(unit) };
    [
        kind("referrals", "referral", vec![district, source, age_band, household]),
        kind("pairings-made", "pairing", vec![district, household]),
        kind("pairings-ended", "pairing", vec![outcome]),
        kind("pairings-active", "pairing", vec![district]),
    ]
}

impl Kind<'_> {
    fn is_stock(&self) -> bool {
        self.name == "pairings-active"
    }

    fn quarter_table(&self) -> String {
        format!("quarter.{}", self.name)
    }

    /// Whether a record is an event of one of these quarters; of a stock, whether it is there at the end of the last.
    fn counts(&self, record: &Record, quarters: &[String]) -> bool {
        let within = |at: &Option<String>| at.as_ref().is_some_and(|at| quarters.contains(at));
        match self.name {
            "referrals" => within(&record.quarter),
            "pairings-made" => within(&record.made),
            "pairings-ended" => within(&record.ended),
            _ => quarters.last().is_some_and(|last| {
                let made =
                    record.made.as_ref().is_some_and(|made| made == "before" || made <= last);
                made && record.ended.as_ref().is_some_and(|ended| ended == "open" || ended > last)
            }),
        }
    }

    fn count(&self, quarters: &[String], has: impl Fn(&Record) -> bool) -> i64 {
        let own = self.records.iter().filter(|record| self.counts(record, quarters) && has(record));
        i64::try_from(own.count()).unwrap_or_default()
    }

    fn freeze(&self, block: &Block, seed: &Seed, year: &[String]) -> Frozen {
        let name = [block.id.as_str(), PLAN, self.name, year.first().map_or("", String::as_str)];
        let rule = Rule { base: BASE, alpha: Alpha::ThreeEighths, name };
        let quarters: Vec<i64> =
            year.chunks(1).map(|quarter| self.count(quarter, |_| true)).collect();
        let tables: Vec<Table<'_>> = self
            .dimensions
            .iter()
            .map(|(name, codes, of)| {
                let cell = |code: &'_ String| self.count(year, |record| of(record) == Some(code));
                Table {
                    name,
                    cells: codes.iter().map(|code| (code.as_str(), cell(code))).collect(),
                }
            })
            .collect();
        let freeze = if self.is_stock() { stock } else { flow };
        freeze(&rule, seed, &quarters, &tables)
    }

    /// Where the figure of a quarter stands.
    fn of_quarter(&self, codes: &Codes, quarter: &String) -> Value {
        self.of_period(codes, std::slice::from_ref(quarter))
    }

    fn of_period(&self, codes: &Codes, period: &[String]) -> Value {
        match self.name {
            "referrals" => json!({"quarter": period}),
            "pairings-made" => json!({"made": period}),
            "pairings-ended" => json!({"ended": period}),
            _ => {
                let last = period.last().map_or("", String::as_str);
                let split = codes.quarters.iter().position(|quarter| quarter == last);
                let (made, after) = codes.quarters.split_at(split.map_or(0, |at| at + 1));
                let made: Vec<&str> =
                    std::iter::once("before").chain(made.iter().map(String::as_str)).collect();
                let ended: Vec<&str> = after.iter().map(String::as_str).chain(["open"]).collect();
                json!({"made": made, "ended": ended})
            }
        }
    }

    /// The cells of the year: its total and its tables; of a stock its tables alone.
    fn yearly(&self, codes: &Codes, year: &[String], frozen: &Frozen) -> Vec<Value> {
        let place = self.of_period(codes, year);
        let mut cells = Vec::new();
        if let (Some(value), false) = (frozen.year, self.is_stock()) {
            cells.push(cell(&format!("year.{}", self.name), self.unit, &place, value));
        }
        for ((name, codes, _), values) in self.dimensions.iter().zip(&frozen.tables) {
            let table = format!("year.{}.{name}", self.name);
            for (code, value) in codes.iter().zip(values) {
                let mut place = place.clone();
                if let Some(fields) = place.as_object_mut() {
                    fields.insert((*name).to_owned(), json!([code]));
                }
                cells.push(cell(&table, self.unit, &place, *value));
            }
        }
        cells
    }
}
