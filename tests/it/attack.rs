//! Attacks on the figures as a gemeente would get them (STA): what is published of 200 made-up gemeenten, against what
//! was counted. Each attack is tried on exact counts too, where it must succeed, or it proves nothing.

use buurtpoort::cli::rehearse::rehearse;
use buurtpoort::cli::scenario::draw::Draw;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const QUARTERS: [&str; 8] =
    ["2024Q1", "2024Q2", "2024Q3", "2024Q4", "2025Q1", "2025Q2", "2025Q3", "2025Q4"];
pub(crate) const SOURCES: [&str; 5] = ["wijkteam", "poh-j", "regieteam", "self", "other"];
pub(crate) const BANDS: [&str; 4] = ["0-3", "4-11", "12-17", "18-23"];
const OUTCOMES: [&str; 4] = ["goal-reached", "moved", "referred-on", "stopped-early"];

/// A family that was referred in a quarter.
pub(crate) fn referral(draw: &mut Draw, districts: u64, quarter: &str) -> Value {
    let of = |draw: &mut Draw, codes: &[&'static str]| draw.one(codes).expect("one");
    json!({
        "unit": "referral", "district": format!("W{}", draw.below(districts)), "source": of(draw, &SOURCES),
        "ageBand": of(draw, &BANDS), "household": of(draw, &["one-parent", "one-parent", "two-parent"]), "quarter": quarter,
    })
}

fn pairing(draw: &mut Draw, districts: u64) -> Value {
    let made = draw.below(9);
    let ended = made + 1 + draw.below(6);
    let at = |n: u64, other: &'static str| {
        let place = usize::try_from(n).ok().and_then(|n| n.checked_sub(1));
        place.and_then(|n| QUARTERS.get(n).copied()).unwrap_or(other)
    };
    json!({
        "unit": "pairing", "district": format!("W{}", draw.below(districts)),
        "household": draw.one(&["one-parent", "two-parent"]), "made": at(made, "before"), "ended": at(ended, "open"),
        "outcome": draw.one(&OUTCOMES),
    })
}

/// Records of made-up gemeenten: ten to forty families a year, as they have.
pub(crate) fn records(seed: u64, gemeenten: u64) -> Value {
    let mut draw = Draw::of(seed);
    let block = |draw: &mut Draw, at: u64| {
        let districts = 5 + draw.below(4);
        let mut all = Vec::new();
        for quarter in QUARTERS {
            for _ in 0..2 + draw.below(9) {
                all.push(referral(draw, districts, quarter));
            }
        }
        for _ in 0..12 + draw.below(40) {
            all.push(pairing(draw, districts));
        }
        let names: Vec<String> = (0..districts).map(|n| format!("W{n}")).collect();
        json!({"id": format!("GM{at:04}"), "districts": names, "records": all})
    };
    let blocks: Vec<Value> = (0..gemeenten).map(|at| block(&mut draw, at)).collect();
    json!({"firstQuarter": "2024Q1", "lastQuarter": "2025Q4", "blocks": blocks})
}

/// A published cell: of which gemeente, in which table, where, and how much.
pub(crate) struct Cell {
    pub(crate) block: usize,
    pub(crate) table: String,
    pub(crate) place: BTreeMap<String, BTreeSet<String>>,
    pub(crate) value: i64,
}

pub(crate) fn published(records: &Value, seed: &str) -> Vec<Cell> {
    let told =
        rehearse(&records.to_string(), Some(seed)).unwrap_or_else(|f| panic!("{}", f.message));
    let mut cells = Vec::new();
    for (block, told) in told["blocks"].as_array().expect("blocks").iter().enumerate() {
        for release in told["releases"].as_array().expect("releases") {
            for cell in release["cells"].as_array().expect("cells") {
                let codes = |value: &Value| {
                    let all = value.as_array().expect("codes").iter();
                    all.filter_map(Value::as_str).map(str::to_owned).collect()
                };
                let place = cell["where"].as_object().expect("a place").iter();
                cells.push(Cell {
                    block,
                    table: cell["table"].as_str().expect("a table").to_owned(),
                    place: place.map(|(name, value)| (name.clone(), codes(value))).collect(),
                    value: cell["value"].as_i64().expect("every cell has a value"),
                });
            }
        }
    }
    cells
}

impl Cell {
    pub(crate) fn holds(&self, record: &Value) -> bool {
        let unit = if self.table.contains("referrals") { "referral" } else { "pairing" };
        record["unit"] == unit
            && self
                .place
                .iter()
                .all(|(name, codes)| record[name].as_str().is_some_and(|code| codes.contains(code)))
    }

    pub(crate) fn truth(&self, records: &Value) -> i64 {
        let own = records["blocks"][self.block]["records"].as_array().expect("records");
        i64::try_from(own.iter().filter(|record| self.holds(record)).count()).expect("a count")
    }
}

/// Everything is published once, as a multiple of three, close to the truth, and adds up.
#[test]
fn figures_are_close_add_up_and_are_never_revised() {
    let records = records(1, 200);
    let cells = published(&records, "accuracy");
    let (mut errors, mut off, mut once) = (0, 0_u32, BTreeSet::new());
    for cell in &cells {
        let error = (cell.value - cell.truth(&records)).abs();
        errors += error;
        off += u32::from(error > 2);
        assert!(cell.value >= 0 && cell.value % 3 == 0, "{}: {}", cell.table, cell.value);
        assert!(
            once.insert((cell.block, &cell.table, &cell.place)),
            "published twice: {}",
            cell.table
        );
    }
    let number = u32::try_from(cells.len()).expect("a number");
    let mean = f64::from(u32::try_from(errors).expect("small")) / f64::from(number);
    let share = f64::from(off) / f64::from(number);
    let relations = additive(&cells);
    eprintln!(
        "figures: {number} cells, mean error {mean:.3}, off by more than 2 in {share:.4}, {relations} relations add up"
    );
    assert!(mean <= 1.25, "mean error {mean}");
    assert!(share <= 0.12, "off by more than 2 in {share}");
    assert!(relations >= 4_000, "{relations} relations");
}

/// How many relations hold: a year is its quarters, and each of its tables. None may fail.
fn additive(cells: &[Cell]) -> usize {
    let mut relations = 0;
    for kind in ["referrals", "pairings-made", "pairings-ended"] {
        let period = match kind {
            "referrals" => "quarter",
            "pairings-made" => "made",
            _ => "ended",
        };
        let years = cells.iter().filter(|cell| cell.table == format!("year.{kind}"));
        for year in years {
            let within = |cell: &&Cell| {
                cell.block == year.block && cell.place[period].is_subset(&year.place[period])
            };
            let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
            for cell in cells.iter().filter(|cell| cell.table.contains(kind)).filter(within) {
                *sums.entry(&cell.table).or_default() += cell.value;
            }
            for (table, sum) in sums {
                assert_eq!(sum, year.value, "{table} of gemeente {}", year.block);
                relations += 1;
            }
        }
    }
    relations
}

/// The best a threshold on `score` can do to tell one world from another: right in the one less wrong in the other.
pub(crate) fn advantage(one: &[i64], other: &[i64]) -> f64 {
    let part = |of: &[i64], least: i64| {
        let above = of.iter().filter(|score| **score >= least).count();
        f64::from(u32::try_from(above).expect("small"))
            / f64::from(u32::try_from(of.len()).expect("small"))
    };
    let scores: BTreeSet<i64> = one.iter().chain(other).copied().collect();
    scores.iter().map(|least| part(one, *least) - part(other, *least)).fold(0.0, f64::max)
}

/// Somebody knows every family but one. Whether that one is counted shows in every cell it would stand in: what was
/// published less what is known of the others.
fn scores(records: &Value, target: &Value, exact: bool, seed: &str) -> i64 {
    let known =
        |cell: &Cell| cell.truth(records) - i64::from(cell.holds(target) && is_in(records, target));
    let cells = published(records, seed);
    let own = cells.iter().filter(|cell| cell.block == 0 && cell.holds(target));
    own.map(|cell| if exact { cell.truth(records) } else { cell.value } - known(cell)).sum()
}

fn is_in(records: &Value, target: &Value) -> bool {
    let own = records["blocks"][0]["records"].as_array().expect("records");
    own.last().is_some_and(|last| last == target)
}

#[test]
fn who_knows_all_families_but_one_learns_little_of_that_one() {
    let mut draw = Draw::of(9);
    let (mut there, mut absent, mut exact) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
    for at in 0..400 {
        let mut records = records(draw.number(), 1);
        let target = referral(&mut draw, 5, QUARTERS[at % 8]);
        let seed = format!("membership-{at}");
        absent.push(scores(&records, &target, false, &seed));
        exact[0].push(scores(&records, &target, true, &seed));
        records["blocks"][0]["records"].as_array_mut().expect("records").push(target.clone());
        let seed = format!("membership-with-{at}");
        there.push(scores(&records, &target, false, &seed));
        exact[1].push(scores(&records, &target, true, &seed));
    }
    let (told, control) = (advantage(&there, &absent), advantage(&exact[1], &exact[0]));
    eprintln!("all but one: advantage {told:.3}; on exact counts {control:.3}");
    assert!(told <= 0.55, "advantage {told}");
    assert!(control > 0.99, "control: on exact counts {control}");
}

/// Why figures are frozen: with fresh noise for each question a hundred answers give the counts away. From one seed a
/// hundred are one; that a gateway seals once is shown in `frozen.rs`.
#[test]
fn fresh_noise_would_be_averaged_away() {
    let records = records(5, 1);
    let first: Vec<i64> = published(&records, "once").iter().map(|cell| cell.value).collect();
    let again: Vec<i64> = published(&records, "once").iter().map(|cell| cell.value).collect();
    assert_eq!(first, again);
    let cells = published(&records, "0");
    let mut sums = vec![0_i64; cells.len()];
    for n in 0..100 {
        for (sum, cell) in sums.iter_mut().zip(published(&records, &n.to_string())) {
            *sum += cell.value;
        }
    }
    let near = |sum: i64, truth: i64| (sum - truth * 100).abs() <= 50;
    let found =
        cells.iter().zip(&sums).filter(|(cell, sum)| near(**sum, cell.truth(&records))).count();
    assert!(
        found * 10 > cells.len() * 6,
        "control: {found} of {} given away by averages",
        cells.len()
    );
}

/// The records of the contract are taken; what is not of their form is refused without repeating it.
#[test]
fn the_records_of_the_contract_are_sealed() {
    let text = include_str!("../data/statistics-records.json");
    let told = rehearse(text, Some("contract")).unwrap_or_else(|f| panic!("{}", f.message));
    assert_eq!(told["blocks"].as_array().map(Vec::len), Some(3));
    let release = &told["blocks"][0]["releases"][7];
    assert_eq!((&release["id"], &release["seq"]), (&json!("GM0000/2025Q4"), &json!(7)));
    let tables: BTreeSet<&str> = release["cells"]
        .as_array()
        .expect("cells")
        .iter()
        .filter_map(|cell| cell["table"].as_str())
        .collect();
    let expected = [
        "quarter.pairings-active",
        "quarter.pairings-ended",
        "quarter.pairings-made",
        "quarter.referrals",
        "year.pairings-active.district",
        "year.pairings-ended",
        "year.pairings-ended.outcome",
        "year.pairings-made",
        "year.pairings-made.district",
        "year.pairings-made.household",
        "year.referrals",
        "year.referrals.ageBand",
        "year.referrals.district",
        "year.referrals.household",
        "year.referrals.source",
    ];
    assert_eq!(tables, expected.into_iter().collect());
    for bad in [
        "{}",
        "{\"firstQuarter\": \"2024Q2\", \"lastQuarter\": \"2024Q4\", \"blocks\": []}",
        "Voorbeeld",
    ] {
        let refused = rehearse(bad, None).expect_err("refused");
        assert!(refused.code == 3 && !refused.message.contains("Voorbeeld"), "{}", refused.message);
    }
}
