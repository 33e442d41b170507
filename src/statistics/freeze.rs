//! Measure once, round additively, freeze: the figures of one kind of event in one year.
//!
//! Each count is drawn around once; everything after that is arithmetic on the draws, in whole numbers and fractions
//! of them. Quarters are rounded one by one as they come, the year closes the last quarter, and every yearly table is
//! fitted to the year: all of them add up, and what was published never changes. The steps are those of
//! `docs/statistics.md`.
//!
//! # Invariants
//! * Every figure is a multiple of the base and not below zero; each table of a year adds up to its four quarters.
//! * Nothing is read but counts; each count is drawn around once for each table it stands in.
//!
//! # Not here
//! Which tables there are, and the seed.

use crate::crypto::bits::Seed;
use crate::statistics::noise::Alpha;
use std::cmp::Reverse;

/// What the noise is drawn under: base, α, and the name of the contract, plan and year.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// What figures are multiples of: 3 or 5.
    pub base: i64,
    /// How much noise.
    pub alpha: Alpha,
    /// Contract, version of the plan, kind of event, year: each draw is named after them.
    pub name: [&'a str; 4],
}

/// A yearly table: its name, and a count for each of its categories, empty ones too.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    /// Such as `source`.
    pub name: &'a str,
    /// Category and count.
    pub cells: Vec<(&'a str, i64)>,
}

/// The figures of a year, or of as many quarters of it as there are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frozen {
    /// Of each quarter.
    pub quarters: Vec<i64>,
    /// Of the year, once it is closed.
    pub year: Option<i64>,
    /// Of each table of the year, in its order.
    pub tables: Vec<Vec<i64>>,
}

/// A number as a fraction of whole ones; the denominator is above zero.
#[derive(Clone, Copy, Debug)]
struct Fraction {
    over: i128,
    under: i128,
}

impl Rule<'_> {
    fn draw(&self, seed: &Seed, table: &str, cell: &str) -> i64 {
        let [contract, plan, kind, year] = self.name;
        self.alpha.draw(&mut seed.bits(&[contract, plan, kind, year, table, cell]))
    }

    /// A number nobody can foretell, for what would be a tie.
    fn lot(&self, seed: &Seed, table: &str, cell: &str) -> u32 {
        let [contract, plan, kind, year] = self.name;
        seed.bits(&[contract, plan, kind, year, table, cell, "lot"]).take(32)
    }

    /// The nearest whole number of bases, not below zero; between two the lot decides.
    fn units(&self, seed: &Seed, value: Fraction, what: &str) -> i64 {
        let base = i128::from(self.base);
        let (over, under) = (2 * value.over + base * value.under, 2 * base * value.under);
        let (whole, tie) = (over.div_euclid(under), over.rem_euclid(under) == 0);
        let down = tie && self.lot(seed, what, "").is_multiple_of(2);
        i64::try_from(whole - i128::from(down)).unwrap_or_default().max(0)
    }
}

/// What the quarters of a year that were published before left behind. Nothing of it is an exact count.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Carry {
    /// What was measured of each: its count with the noise that was drawn around it.
    pub measured: Vec<i64>,
    /// What was published of each, in units of the base.
    pub units: Vec<i64>,
}

/// The last figures of a year: those of its last quarter, of the year, and of its tables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Closed {
    /// Of the last quarter.
    pub quarter: i64,
    /// Of the year.
    pub year: i64,
    /// Of each table, in its order.
    pub tables: Vec<Vec<i64>>,
}

/// The names of the quarters in the draws.
const QUARTERS: [&str; 4] = ["Q1", "Q2", "Q3", "Q4"];

fn name_of(quarter: usize) -> &'static str {
    QUARTERS.get(quarter).copied().unwrap_or_default()
}

/// Freezes the figure of a quarter before the last, 0 to 2, and adds to what is carried over.
pub fn quarter(rule: &Rule<'_>, seed: &Seed, carry: &mut Carry, quarter: usize, count: i64) -> i64 {
    let name = name_of(quarter);
    let value = count + rule.draw(seed, "quarter", name);
    let before = carry.measured.iter().sum::<i64>() - rule.base * carry.units.iter().sum::<i64>();
    let units = rule.units(seed, whole(before + value), name);
    carry.measured.push(value);
    carry.units.push(units);
    units * rule.base
}

/// Freezes the last quarter of a year, the year and its tables.
#[must_use]
pub fn close(
    rule: &Rule<'_>,
    seed: &Seed,
    carry: &Carry,
    count: i64,
    tables: &[Table<'_>],
) -> Closed {
    let last = count + rule.draw(seed, "quarter", name_of(3));
    let drawn = draw_tables(rule, seed, tables);
    let quarters = i64::try_from(carry.measured.len()).unwrap_or(3) + 1;
    let total = combined(carry.measured.iter().sum::<i64>() + last, quarters, &drawn);
    let before: i64 = carry.units.iter().sum();
    let year = rule.units(seed, total, "year").max(before);
    Closed {
        quarter: (year - before) * rule.base,
        year: year * rule.base,
        tables: fitted(rule, seed, total, year, tables, &drawn),
    }
}

/// Freezes what there is at the end of a quarter before the last: each with a draw and a rounding of its own.
#[must_use]
pub fn standing(rule: &Rule<'_>, seed: &Seed, quarter: usize, count: i64) -> i64 {
    let name = name_of(quarter);
    rule.units(seed, whole(count + rule.draw(seed, "quarter", name)), name) * rule.base
}

/// Freezes what there is at the end of a year, together with its tables.
#[must_use]
pub fn standing_closed(rule: &Rule<'_>, seed: &Seed, count: i64, tables: &[Table<'_>]) -> Closed {
    let last = count + rule.draw(seed, "quarter", name_of(3));
    let drawn = draw_tables(rule, seed, tables);
    let total = combined(last, 1, &drawn);
    let units = rule.units(seed, total, "year");
    let figure = units * rule.base;
    Closed {
        quarter: figure,
        year: figure,
        tables: fitted(rule, seed, total, units, tables, &drawn),
    }
}

/// Freezes a count that stands by itself: a draw and a rounding of its own.
#[must_use]
pub fn alone(rule: &Rule<'_>, seed: &Seed, what: &str, count: i64) -> i64 {
    rule.units(seed, whole(count + rule.draw(seed, "alone", what)), what) * rule.base
}

/// Freezes one table more of a year that is closed: fitted to the figure of the year, which stays as it was published.
#[must_use]
pub fn one_more(rule: &Rule<'_>, seed: &Seed, year: i64, table: &Table<'_>) -> Vec<i64> {
    let tables = std::slice::from_ref(table);
    let drawn = draw_tables(rule, seed, tables);
    let units = year.div_euclid(rule.base);
    fitted(rule, seed, whole(year), units, tables, &drawn).pop().unwrap_or_default()
}

/// Freezes the quarters of a kind of event that are over, and with the fourth the year and its tables, from one seed:
/// for a rehearsal. A gateway freezes one quarter at a time, each from a seed of its own.
#[must_use]
pub fn flow(rule: &Rule<'_>, seed: &Seed, quarters: &[i64], tables: &[Table<'_>]) -> Frozen {
    let mut carry = Carry::default();
    let mut out: Vec<i64> = quarters
        .iter()
        .take(3)
        .enumerate()
        .map(|(at, count)| quarter(rule, seed, &mut carry, at, *count))
        .collect();
    let closed = quarters.get(3).map(|last| close(rule, seed, &carry, *last, tables));
    out.extend(closed.as_ref().map(|closed| closed.quarter));
    Frozen::of(out, closed)
}

/// As [`flow`], of a stock: what there is at the end of each quarter.
#[must_use]
pub fn stock(rule: &Rule<'_>, seed: &Seed, ends: &[i64], tables: &[Table<'_>]) -> Frozen {
    let mut out: Vec<i64> = ends
        .iter()
        .take(3)
        .enumerate()
        .map(|(at, count)| standing(rule, seed, at, *count))
        .collect();
    let closed = ends.get(3).map(|last| standing_closed(rule, seed, *last, tables));
    out.extend(closed.as_ref().map(|closed| closed.quarter));
    Frozen::of(out, closed)
}

impl Frozen {
    fn of(quarters: Vec<i64>, closed: Option<Closed>) -> Self {
        let (year, tables) = closed.map_or((None, Vec::new()), |c| (Some(c.year), c.tables));
        Self { quarters, year, tables }
    }
}

fn draw_tables(rule: &Rule<'_>, seed: &Seed, tables: &[Table<'_>]) -> Vec<Vec<i64>> {
    let one = |table: &Table<'_>| {
        let cell = |(name, count): &(&str, i64)| count + rule.draw(seed, table.name, name);
        table.cells.iter().map(cell).collect()
    };
    tables.iter().map(one).collect()
}

fn whole(value: i64) -> Fraction {
    Fraction { over: i128::from(value), under: 1 }
}

/// The mean of what each table says of the whole, each weighed by how little noise is in it: one by its cells.
fn combined(sum: i64, cells: i64, drawn: &[Vec<i64>]) -> Fraction {
    let own = |table: &Vec<i64>| {
        let cells = i128::try_from(table.len()).unwrap_or(1);
        (i128::from(table.iter().sum::<i64>()), cells.max(1))
    };
    let all: Vec<(i128, i128)> = std::iter::once((i128::from(sum), i128::from(cells)))
        .chain(drawn.iter().filter(|table| !table.is_empty()).map(own))
        .collect();
    // Over one denominator: the product of the numbers of cells.
    let product: i128 = all.iter().map(|(_, cells)| cells).product();
    let over = all.iter().map(|(sum, cells)| sum * (product / cells)).sum();
    let under = all.iter().map(|(_, cells)| product / cells).sum();
    Fraction { over, under }
}

fn fitted(
    rule: &Rule<'_>,
    seed: &Seed,
    total: Fraction,
    units: i64,
    tables: &[Table<'_>],
    drawn: &[Vec<i64>],
) -> Vec<Vec<i64>> {
    let one = |(table, measured): (&Table<'_>, &Vec<i64>)| {
        let lots: Vec<u32> =
            table.cells.iter().map(|(cell, _)| rule.lot(seed, table.name, cell)).collect();
        let fit = fit(measured, total, units, rule.base, &lots);
        fit.iter().map(|k| k * rule.base).collect()
    };
    tables.iter().zip(drawn).map(one).collect()
}

/// Spreads `units` over the cells of a table: each measured value moved by the same until they add up to `total`, none
/// below zero; whole units first, the rest to the largest remainders.
fn fit(measured: &[i64], total: Fraction, units: i64, base: i64, lots: &[u32]) -> Vec<i64> {
    let mut down: Vec<usize> = (0..measured.len()).collect();
    let value = |at: &usize| i128::from(measured.get(*at).copied().unwrap_or_default());
    down.sort_by_key(|at| Reverse(value(at)));
    // The cells that stay above zero are the largest: as many as still do when moved together.
    let (mut kept, mut sum) = (0_i128, 0_i128);
    for at in &down {
        let (more, with) = (kept + 1, sum + value(at));
        // value + (total − with) / more > 0, over the common denominator.
        if value(at) * total.under * more + total.over - with * total.under <= 0 {
            break;
        }
        (kept, sum) = (more, with);
    }
    let (shift, under) = (total.over - sum * total.under, total.under * kept.max(1));
    let keeps: Vec<usize> = down.into_iter().take(usize::try_from(kept).unwrap_or(0)).collect();
    let over = |at: usize| {
        let above = keeps.contains(&at) && total.over > 0;
        if above { value(&at) * under + shift } else { 0 }
    };
    let unit = under * i128::from(base);
    let mut spread: Vec<i64> = (0..measured.len())
        .map(|at| i64::try_from(over(at).div_euclid(unit)).unwrap_or_default())
        .collect();
    let mut order: Vec<usize> = (0..measured.len()).collect();
    let lot = |at: usize| lots.get(at).copied().unwrap_or_default();
    order.sort_by_key(|at| (Reverse(over(*at).rem_euclid(unit)), lot(*at)));
    let mut rest = units - spread.iter().sum::<i64>();
    for at in order.iter().cycle() {
        if rest <= 0 {
            break;
        }
        if let Some(cell) = spread.get_mut(*at) {
            *cell += 1;
            rest -= 1;
        }
    }
    spread
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(base: i64) -> Rule<'static> {
        let name = ["GM0000", "1", "referral", "2024"];
        Rule { base, alpha: Alpha::ThreeEighths, name }
    }

    fn tables(source: &[i64], household: &[i64]) -> Vec<Table<'static>> {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let cells = |counts: &[i64]| names.into_iter().zip(counts.iter().copied()).collect();
        vec![
            Table { name: "source", cells: cells(source) },
            Table { name: "household", cells: cells(household) },
        ]
    }

    #[test]
    fn a_fit_keeps_what_fits_and_takes_nothing_below_zero() {
        let lots = [3, 1, 2];
        assert_eq!(fit(&[6, 3, 0], whole(9), 3, 3, &lots), [2, 1, 0]);
        assert_eq!(fit(&[9, -4, -2], whole(9), 3, 3, &lots), [3, 0, 0]);
        assert_eq!(fit(&[-4, -4, -2], whole(-10), 0, 3, &lots), [0, 0, 0]);
        // More units than the measured values hold: the lots decide who gets them first.
        assert_eq!(fit(&[0, 0, 0], whole(0), 2, 3, &lots), [0, 1, 1]);
        assert_eq!(fit(&[1, 1, 1], whole(3), 1, 3, &lots), [0, 1, 0]);
    }

    #[test]
    fn without_noise_the_method_only_rounds() {
        // The mean of three tables that agree is what they say.
        let total = combined(30, 4, &[vec![10, 20], vec![30, 0, 0]]);
        assert_eq!(total.over, 30 * total.under);
        assert_eq!(rule(3).units(&Seed::given([1; 32]), whole(29), "x"), 10);
        assert_eq!(rule(3).units(&Seed::given([1; 32]), whole(-29), "x"), 0);
    }

    /// What is printed with a release of its error holds for every base and α a contract can choose: 2,000 years of four
    /// quarters and tables of five, four and two cells.
    #[test]
    fn the_error_that_is_told_is_the_error_there_is() {
        use crate::statistics::contract::Method;
        for base in [3, 5] {
            for alpha in [Alpha::Quarter, Alpha::ThreeEighths, Alpha::Half] {
                let (of_quarter, of_year) = Method::Freeze { base, alpha }.error95();
                let (mut near, mut all) = ([0_u32; 2], [0_u32; 2]);
                for nth in 0..2_000_u32 {
                    let seed = Seed::given(crate::crypto::digest::sha256(&nth.to_be_bytes()));
                    let lot = |what: &str, most: u32| i64::from(seed.bits(&[what]).take(16) % most);
                    let year = lot("year", 40);
                    let split = |what: &str, cells: usize| {
                        let mut counts = vec![0_i64; cells];
                        for one in 0..year {
                            let at = lot(&format!("{what}{one}"), u32::try_from(cells).unwrap());
                            counts[usize::try_from(at).unwrap()] += 1;
                        }
                        counts
                    };
                    let quarters = split("q", 4);
                    let names = ["a", "b", "c", "d", "e"];
                    let tables: Vec<Table<'_>> = [("s", 5), ("t", 4), ("h", 2)]
                        .map(|(name, cells)| Table {
                            name,
                            cells: names.into_iter().zip(split(name, cells)).collect(),
                        })
                        .to_vec();
                    let rule = Rule { base, alpha, name: ["GM0000", "1", "k", "2024"] };
                    let told = flow(&rule, &seed, &quarters, &tables);
                    // The last quarter closes the year and is told less exactly: the documents say so.
                    let early = quarters.iter().zip(&told.quarters).take(3);
                    let yearly = tables.iter().zip(&told.tables).flat_map(|(table, values)| {
                        table.cells.iter().map(|(_, count)| count).zip(values)
                    });
                    for (of, (count, value), most) in early
                        .map(|pair| (0, pair, of_quarter))
                        .chain(yearly.map(|pair| (1, pair, of_year)))
                    {
                        all[of] += 1;
                        near[of] += u32::from((count - value).abs() <= most);
                    }
                }
                for of in [0, 1] {
                    let share = f64::from(near[of]) / f64::from(all[of]);
                    assert!(share >= 0.95, "base {base} α {}: {of} {share}", alpha.as_str());
                }
            }
        }
    }

    proptest! {
        /// Whatever is counted and drawn: multiples of the base, nothing below zero, every table adds up to the year and
        /// the year to its quarters, and the quarters that were published stay as they were when the year closes.
        #[test]
        fn everything_adds_up_and_nothing_is_revised(
            quarters in proptest::collection::vec(0_i64..12, 4),
            source in proptest::collection::vec(0_i64..20, 5),
            household in proptest::collection::vec(0_i64..30, 2),
            seed: [u8; 32],
            base in proptest::sample::select(vec![3_i64, 5]),
        ) {
            let (rule, seed) = (rule(base), Seed::given(seed));
            let tables = tables(&source, &household);
            let closed = flow(&rule, &seed, &quarters, &tables);
            let year = closed.year.unwrap();
            prop_assert_eq!(closed.quarters.iter().sum::<i64>(), year);
            for table in &closed.tables {
                prop_assert_eq!(table.iter().sum::<i64>(), year);
                prop_assert!(table.iter().all(|n| *n >= 0 && n % base == 0));
            }
            prop_assert!(closed.quarters.iter().all(|n| *n >= 0 && n % base == 0));
            for over in 1..4 {
                let open = flow(&rule, &seed, &quarters[..over], &tables);
                prop_assert_eq!(&open.quarters, &closed.quarters[..over]);
                prop_assert!(open.year.is_none() && open.tables.is_empty());
            }
            let stock = stock(&rule, &seed, &quarters, &tables);
            for table in &stock.tables {
                prop_assert_eq!(table.iter().sum::<i64>(), stock.year.unwrap());
            }
            prop_assert_eq!(stock.quarters.last().copied(), stock.year);
        }
    }
}
