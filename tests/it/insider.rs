//! Attacks by who knows part of it (STA): a wijkteam that knows what it referred itself, somebody who is sure or says
//! nothing, averages over everything that tells the same, and groups of which all are alike. Each on exact counts or
//! on fresh noise too, where it must succeed.

use crate::attack::{BANDS, Cell, QUARTERS, SOURCES, advantage, published, records, referral};
use buurtpoort::cli::scenario::draw::Draw;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many times a world is made with the family and without.
const WORLDS: usize = 400;

/// Who refers: the wijkteam most of them.
fn by_wijkteam_mostly(records: &mut Value, draw: &mut Draw) {
    for record in records["blocks"][0]["records"].as_array_mut().expect("records") {
        if record["unit"] == "referral" && draw.below(10) < 7 {
            record["source"] = json!("wijkteam");
        }
    }
}

/// What a wijkteam sees of its own district in a year, and of the other referrers of the gemeente, less the referrals
/// that it made itself.
fn beside_own(records: &Value, cells: &[Cell], target: &Value, exact: bool) -> i64 {
    let all = records["blocks"][0]["records"].as_array().expect("records");
    let own = |cell: &Cell| {
        let made = |record: &&Value| {
            record["unit"] == "referral"
                && record["source"] == "wijkteam"
                && record["district"] == target["district"]
                && cell.holds(record)
        };
        i64::try_from(all.iter().filter(made).count()).expect("small")
    };
    let told = |cell: &Cell| if exact { cell.truth(records) } else { cell.value };
    let district = cells.iter().find(|cell| {
        cell.block == 0 && cell.table == "year.referrals.district" && cell.holds(target)
    });
    district.map(|cell| told(cell) - own(cell)).expect("a district")
}

/// A wijkteam knows which families of its district it referred. Whether another one of the district, which a POH-J
/// may have referred, is counted too it can hardly tell.
#[test]
fn a_wijkteam_learns_little_of_who_was_referred_by_others() {
    let mut draw = Draw::of(41);
    let (mut there, mut absent, mut exact) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
    for at in 0..WORLDS {
        let mut records = records(draw.number(), 1);
        by_wijkteam_mostly(&mut records, &mut draw);
        let mut target = referral(&mut draw, 5, QUARTERS[at % 8]);
        target["source"] = json!("poh-j");
        let seen = |records: &Value, seed: &str| {
            let cells = published(records, seed);
            [false, true].map(|exact| beside_own(records, &cells, &target, exact))
        };
        let [told, truth] = seen(&records, &format!("without-{at}"));
        absent.push(told);
        exact[0].push(truth);
        records["blocks"][0]["records"].as_array_mut().expect("records").push(target.clone());
        let [told, truth] = seen(&records, &format!("with-{at}"));
        there.push(told);
        exact[1].push(truth);
    }
    let (told, control) = (advantage(&there, &absent), advantage(&exact[1], &exact[0]));
    eprintln!("insider: advantage {told:.3}; on exact counts {control:.3}");
    assert!(told <= 0.37, "advantage {told}");
    assert!(control > 0.37, "control: on exact counts {control}");
}

/// Somebody who knows every family but one speaks only when sure: where what is seen was never seen without that
/// family. On half of the worlds it is learnt what that is, on the other half it is tried.
#[test]
fn who_knows_all_but_one_is_seldom_sure() {
    let mut draw = Draw::of(43);
    let (mut told, mut exact) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for at in 0..WORLDS {
        let mut records = records(draw.number(), 1);
        let target = referral(&mut draw, 5, QUARTERS[at % 8]);
        for with in [0, 1] {
            let known = records.clone();
            if with == 1 {
                records["blocks"][0]["records"]
                    .as_array_mut()
                    .expect("records")
                    .push(target.clone());
            }
            let cells = published(&records, &format!("sure-{at}-{with}"));
            let own = cells.iter().filter(|cell| cell.holds(&target));
            let sums = own.fold((0, 0), |(told, exact), cell| {
                // What is known is all that was there without that family.
                let others = cell.truth(if with == 1 { &known } else { &records });
                (told + cell.value - others, exact + cell.truth(&records) - others)
            });
            told[with].push(sums.0);
            exact[with].push(sums.1);
        }
    }
    let sure = |[absent, there]: &[Vec<i64>; 2]| {
        let most = absent.iter().max().expect("some");
        let hits = there.iter().filter(|seen| *seen > most).count();
        f64::from(u32::try_from(hits).expect("small"))
            / f64::from(u32::try_from(WORLDS).expect("small"))
    };
    let (ours, control) = (sure(&told), sure(&exact));
    eprintln!("sure of one family: {ours:.3}; on exact counts {control:.3}");
    assert!(ours <= 0.06, "sure in {ours}");
    assert!(control > 0.99, "control: on exact counts {control}");
}

/// Mean error of a year's total as one table tells it, and of the mean over all tables that add up to it. `told` gives
/// what a table tells, of its sum and the truth.
fn errors(cells: &[Cell], records: &Value, mut told: impl FnMut(i64, i64) -> i64) -> (f64, f64) {
    let of = |value: i64| f64::from(i32::try_from(value).expect("small"));
    let (mut single, mut averaged, mut number) = (0.0, 0.0, 0.0);
    for year in cells.iter().filter(|cell| cell.table == "year.referrals") {
        let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
        let within = cells.iter().filter(|cell| {
            cell.block == year.block
                && cell.table.contains("referrals")
                && cell.place["quarter"].is_subset(&year.place["quarter"])
        });
        for cell in within {
            *sums.entry(&cell.table).or_default() += cell.value;
        }
        assert!(sums.len() >= 5, "a year is told in so many tables");
        let truth = year.truth(records);
        let tables: Vec<f64> = sums.values().map(|sum| of(told(*sum, truth))).collect();
        let mean = tables.iter().sum::<f64>() / of(i64::try_from(tables.len()).expect("small"));
        single += (tables[0] - of(truth)).abs();
        averaged += (mean - of(truth)).abs();
        number += 1.0;
    }
    (single / number, averaged / number)
}

/// All that tells the same was made to agree, so that an average over it is no nearer to the truth. Where each table is
/// rounded by itself, it is.
#[test]
fn averages_over_tables_gain_nothing() {
    let records = records(47, 200);
    let cells = published(&records, "averages");
    let (single, averaged) = errors(&cells, &records, |sum, _| sum);
    let gain = (single - averaged) / single;
    let mut draw = Draw::of(47);
    // To a multiple of three, up or down at random.
    let (alone, together) = errors(&cells, &records, |_, truth| {
        let up = i64::try_from(draw.below(3)).expect("small") < truth % 3;
        truth - truth % 3 + if up { 3 } else { 0 }
    });
    let control = (alone - together) / alone;
    eprintln!(
        "averaging: gain {gain:.3} of {single:.3}; each rounded by itself {control:.3} of {alone:.3}"
    );
    assert!(gain.abs() <= 0.02, "gain {gain}");
    assert!(control > 0.2, "control: {control}");
}

/// Groups of a district's or gemeente's year of which a reader knows for sure that all are alike, taken that each
/// figure is within `reach` of its count: one category can hold some, and no other any.
fn alike(cells: &[Cell], value: impl Fn(&Cell) -> i64, reach: i64) -> usize {
    let tables: [(&str, &[&str]); 2] = [("source", &SOURCES), ("ageBand", &BANDS)];
    let mut groups = 0;
    for (dimension, codes) in tables {
        let table = format!("year.referrals.{dimension}");
        let mut of: BTreeMap<(usize, &BTreeSet<String>), Vec<i64>> = BTreeMap::new();
        for cell in cells.iter().filter(|cell| cell.table == table) {
            of.entry((cell.block, &cell.place["quarter"])).or_default().push(value(cell));
        }
        for group in of.values() {
            assert_eq!(group.len(), codes.len(), "every category is told");
            let may_hold = group.iter().filter(|value| **value + reach > 0).count();
            let holds = group.iter().any(|value| *value - reach > 0);
            groups += usize::from(may_hold == 1 && holds);
        }
    }
    groups
}

/// That all families of a year came from one referrer, or have children of one age, is never shown: a nought means
/// nought to about three. On exact counts it is.
#[test]
fn no_group_is_shown_to_be_alike() {
    let mut draw = Draw::of(53);
    let mut records = records(53, 200);
    // Every fourth gemeente has families of one referrer only.
    for block in records["blocks"].as_array_mut().expect("blocks").iter_mut().step_by(4) {
        let only = draw.one(&SOURCES).expect("one");
        for record in block["records"].as_array_mut().expect("records") {
            if record["unit"] == "referral" {
                record["source"] = json!(only);
            }
        }
    }
    let cells = published(&records, "alike");
    let found = [1, 2, 3].map(|reach| alike(&cells, |cell| cell.value, reach));
    let control = alike(&cells, |cell| cell.truth(&records), 0);
    eprintln!("groups shown to be alike: {found:?}; on exact counts {control}");
    assert_eq!(found, [0; 3]);
    assert!(control >= 100, "control: {control}");
}
