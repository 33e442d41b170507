//! Attacks that solve for the counts (STA): linear equations over everything that is shown, subtraction of releases, and
//! a release made again after one family more. Each breaks a table that only hides what is small, or it proves nothing.

use buurtpoort::cli::rehearse::rehearse;
use buurtpoort::cli::scenario::draw::Draw;
use buurtpoort::statistics::attack::{Known, bounds};
use serde_json::{Value, json};

const SOURCES: [&str; 3] = ["wijkteam", "poh-j", "self"];
const HOUSEHOLDS: [&str; 2] = ["one-parent", "two-parent"];
const BANDS: [&str; 2] = ["0-3", "4-11"];
/// What is small, to who hides small counts.
const SMALL: i64 = 5;

/// Families of a gemeente in a year: source, household, age band, one of each.
type Families = Vec<[usize; 3]>;

fn families(draw: &mut Draw) -> Families {
    let mut below = |most: usize| {
        usize::try_from(draw.below(u64::try_from(most).expect("small"))).expect("small")
    };
    let number = 8 + below(20);
    (0..number).map(|_| [below(3), below(2), below(2)]).collect()
}

/// Atoms: each combination of the three, numbered.
fn atom([source, household, band]: [usize; 3]) -> usize {
    (source * HOUSEHOLDS.len() + household) * BANDS.len() + band
}

const ATOMS: usize = 12;

/// A cell: the atoms in it.
type Cell = Vec<usize>;

/// The cells of the yearly tables: the whole, by source, household and age band.
fn cells() -> Vec<Cell> {
    let all: Vec<[usize; 3]> = (0..3)
        .flat_map(|source| {
            (0..2).flat_map(move |house| (0..2).map(move |band| [source, house, band]))
        })
        .collect();
    let of = |at: usize, code: usize| -> Cell {
        all.iter().filter(|one| one[at] == code).map(|one| atom(*one)).collect()
    };
    let mut cells = vec![all.iter().map(|one| atom(*one)).collect()];
    cells.extend((0..3).map(|code| of(0, code)));
    cells.extend((0..2).map(|code| of(1, code)));
    cells.extend((0..2).map(|code| of(2, code)));
    cells
}

fn count(families: &Families, cell: &Cell) -> i64 {
    let inside = families.iter().filter(|one| cell.contains(&atom(**one)));
    i64::try_from(inside.count()).expect("small")
}

/// How many small counts are found of how many: those of which the attacker is left with the one true value.
fn found(families: &Families, known: &[Known], cells: &[Cell]) -> (u32, u32) {
    let (mut found, mut of) = (0, 0);
    for cell in cells {
        let truth = count(families, cell);
        if !(1..SMALL).contains(&truth) {
            continue;
        }
        of += 1;
        if bounds(ATOMS, known, cell) == Ok((truth, Some(truth))) {
            found += 1;
        }
    }
    (found, of)
}

/// What somebody knows who reads tables in which counts from 1 to 4 are hidden.
fn thresholded(families: &Families, cells: &[Cell]) -> Vec<Known> {
    let one = |cell: &Cell| {
        let truth = count(families, cell);
        let hidden = (1..SMALL).contains(&truth);
        let (least, most) = if hidden { (1, SMALL - 1) } else { (truth, truth) };
        Known { atoms: cell.clone(), least, most: Some(most) }
    };
    cells.iter().map(one).collect()
}

fn records(families: &Families) -> String {
    let record = |[source, household, band]: &[usize; 3]| {
        json!({
            "unit": "referral", "district": "W", "quarter": "2024Q1", "source": SOURCES[*source],
            "household": HOUSEHOLDS[*household], "ageBand": BANDS[*band],
        })
    };
    let records: Vec<Value> = families.iter().map(record).collect();
    let block = json!({"id": "GM0001", "districts": ["W"], "records": records});
    json!({"firstQuarter": "2024Q1", "lastQuarter": "2024Q4", "blocks": [block]}).to_string()
}

/// The figures that are published of those cells.
fn published(families: &Families, seed: &str) -> Vec<i64> {
    let told = rehearse(&records(families), Some(seed)).unwrap_or_else(|f| panic!("{}", f.message));
    let releases = told["blocks"][0]["releases"].as_array().expect("releases");
    let cells = releases[3]["cells"].as_array().expect("cells");
    let value = |table: &str, name: &str, code: &str| {
        let own = cells.iter().find(|cell| {
            cell["table"] == table && (name.is_empty() || cell["where"][name][0] == code)
        });
        own.and_then(|cell| cell["value"].as_i64()).expect("every cell has a figure")
    };
    let mut all = vec![value("year.referrals", "", "")];
    all.extend(SOURCES.map(|code| value("year.referrals.source", "source", code)));
    all.extend(HOUSEHOLDS.map(|code| value("year.referrals.household", "household", code)));
    all.extend(BANDS.map(|code| value("year.referrals.ageBand", "ageBand", code)));
    all
}

/// Linear equations over everything that is shown. Noise has no end, so that of our figures nothing follows for sure; an
/// attacker takes each of them to be within some reach of its count. Where that contradicts itself, or leaves more than
/// one value, nothing is found; where it leaves one, it must seldom be the true one.
#[test]
fn equations_find_small_counts_behind_a_threshold_and_few_of_ours() {
    let (mut draw, cells) = (Draw::of(31), cells());
    let (mut control, mut ours) = ((0, 0), [(0, 0); 4]);
    let add = |to: &mut (u32, u32), more: (u32, u32)| *to = (to.0 + more.0, to.1 + more.1);
    for at in 0..60 {
        let families = families(&mut draw);
        add(&mut control, found(&families, &thresholded(&families, &cells), &cells));
        let figures = published(&families, &format!("equations-{at}"));
        for (reach, ours) in (0..).zip(&mut ours) {
            let one = |(cell, figure): (&Cell, &i64)| Known {
                atoms: cell.clone(),
                least: (figure - reach).max(0),
                most: Some(figure + reach),
            };
            let known: Vec<Known> = cells.iter().zip(&figures).map(one).collect();
            add(ours, found(&families, &known, &cells));
        }
    }
    let share = |(found, of): (u32, u32)| f64::from(found) / f64::from(of.max(1));
    eprintln!("equations: a threshold gives {control:?}, ours taken to be within 0 to 3 {ours:?}");
    assert!(share(control) > 0.3 && control.1 > 50, "control: {control:?}");
    // Multiples of three that add up solve exactly, to counts that are multiples of three: right where the count is 3.
    for (reach, ours) in ours.iter().enumerate() {
        assert!(share(*ours) < 0.2, "within {reach}: {ours:?}");
    }
}

/// A release made again after one family more: behind a threshold the difference tells its codes; ours is never made
/// again (`frozen::sta_what_comes_late_counts_in_the_next_quarter`), and two that were drawn apart would not tell.
#[test]
fn a_release_made_again_tells_of_the_family_that_came_between() {
    let (mut draw, cells) = (Draw::of(32), cells());
    let (mut told, mut misled, mut asked) = (0_u32, 0_u32, 0_u32);
    for at in 0..80 {
        let before = families(&mut draw);
        let newcomer = families(&mut draw)[0];
        let mut after = before.clone();
        after.push(newcomer);
        let holds = |cell: &Cell| cell.contains(&atom(newcomer));
        // The attacker says of each cell whether the newcomer is in it, where both releases show it.
        let shown = |families: &Families, cell: &Cell| {
            Some(count(families, cell)).filter(|n| !(1..SMALL).contains(n))
        };
        let ours = [
            published(&before, &format!("before-{at}")),
            published(&after, &format!("after-{at}")),
        ];
        for (place, cell) in cells.iter().enumerate().skip(1) {
            if let (Some(one), Some(other)) = (shown(&before, cell), shown(&after, cell)) {
                asked += 1;
                told += u32::from((other - one == 1) == holds(cell));
                let grown = ours[1][place] > ours[0][place];
                misled += u32::from(grown != holds(cell));
            }
        }
    }
    let share = |n: u32| f64::from(n) / f64::from(asked);
    eprintln!(
        "made again: threshold tells {:.3}, ours misleads in {:.3}",
        share(told),
        share(misled)
    );
    assert!(share(told) > 0.99, "control");
    assert!(share(misled) > 0.3);
}
