//! The attack on our own figures, before they are published: what it finds blocks the release.
//!
//! Two parts. [`bounds`] is the attacker: everything published is an equation or an interval over groups of families
//! that always stand together, and of a hidden cell it finds the least and the most it can be, in whole families.
//! [`gate`] asks of a frozen release that what its proof rests on holds: all categories there, multiples of the base,
//! nothing negative, everything adds up, no cell told before.

use crate::domain::period::Quarter;
use crate::statistics::contract::{Contract, Method};
use crate::statistics::protect::{Figure, Protected, Rules};
use crate::statistics::release::Cell;
use crate::statistics::tabulate::Kind;
use microlp::{ComparisonOp, Error, OptimizationDirection, Problem, Variable};
use std::collections::BTreeMap;

/// Why a release is not published. Names the rule and the table, never a figure.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Broken {
    /// A figure is not a multiple of the base, or below zero.
    #[error("{0}: a figure is not a multiple of the base, or negative")]
    Multiple(String),
    /// A table does not have each of its categories once.
    #[error("{0}: a category is missing, or there twice")]
    Categories(String),
    /// A table does not add up.
    #[error("{0}: does not add up")]
    Additive(String),
    /// A cell was published before.
    #[error("{0}: a cell that was published before")]
    Again(String),
    /// A hidden cell can be found, or a group that is all alike.
    #[error("{0}: a hidden cell can be found from what is shown")]
    Found(String),
    /// The attack itself could not be carried out.
    #[error("the attack could not be carried out")]
    Unsolved,
}

/// What an attacker knows about a group of atoms: how many families are in it, at least and at most.
#[derive(Clone, Debug)]
pub struct Known {
    /// Which atoms: groups of families that stand in the same cells everywhere.
    pub atoms: Vec<usize>,
    /// At least so many.
    pub least: i64,
    /// At most so many; nothing where that is not known.
    pub most: Option<i64>,
}

/// The least and the most a group can be, in whole families; no most where nothing bounds it.
///
/// # Errors
/// [`Broken::Unsolved`] when what is known contradicts itself or cannot be solved.
pub fn bounds(
    atoms: usize,
    known: &[Known],
    group: &[usize],
) -> Result<(i64, Option<i64>), Broken> {
    let least = extreme(atoms, known, group, OptimizationDirection::Minimize)?;
    let most = extreme(atoms, known, group, OptimizationDirection::Maximize)?;
    Ok((least.ok_or(Broken::Unsolved)?, most))
}

/// Most families an atom can hold: what bounds the search, far above any count.
const MOST: i32 = 100_000;

fn extreme(
    atoms: usize,
    known: &[Known],
    group: &[usize],
    direction: OptimizationDirection,
) -> Result<Option<i64>, Broken> {
    let mut problem = Problem::new(direction);
    let variables: Vec<Variable> = (0..atoms)
        .map(|at| problem.add_integer_var(if group.contains(&at) { 1.0 } else { 0.0 }, (0, MOST)))
        .collect();
    for fact in known {
        let terms: Vec<(Variable, f64)> = fact
            .atoms
            .iter()
            .filter_map(|at| variables.get(*at).map(|variable| (*variable, 1.0)))
            .collect();
        problem.add_constraint(terms.as_slice(), ComparisonOp::Ge, real(fact.least)?);
        if let Some(most) = fact.most {
            problem.add_constraint(terms.as_slice(), ComparisonOp::Le, real(most)?);
        }
    }
    match problem.solve() {
        Ok(solved) => {
            let solution = solved.into_solution().or(Err(Broken::Unsolved))?;
            let sum: f64 = variables
                .iter()
                .enumerate()
                .filter(|(at, _)| group.contains(at))
                .map(|(_, variable)| solution.var_value(*variable).round())
                .sum();
            let found = whole(sum);
            Ok(Some(found).filter(|n| *n < i64::from(MOST)))
        }
        Err(Error::Unbounded) => Ok(None),
        Err(_) => Err(Broken::Unsolved),
    }
}

fn real(number: i64) -> Result<f64, Broken> {
    i32::try_from(number).map(f64::from).or(Err(Broken::Unsolved))
}

/// A whole number that came back as a real one, to the nearest.
fn whole(number: f64) -> i64 {
    // Counts are far below what a real holds exactly; formatted because casts are not allowed here.
    format!("{number:.0}").parse().unwrap_or(i64::MAX)
}

/// Attacks a table whose small cells are hidden: none may be found.
///
/// # Errors
/// [`Broken`].
pub fn hidden_cells(
    table: &str,
    counts: &[u32],
    shown: &Protected,
    rules: Rules,
) -> Result<(), Broken> {
    let all: Vec<usize> = (0..counts.len()).collect();
    let below = i64::from(rules.base() / 2);
    let around = |atoms: Vec<usize>, figure: u32| {
        let figure = i64::from(figure);
        // What is shown is rounded, halves up, and never shown below the threshold.
        let least = (figure - below).max(i64::from(rules.threshold()));
        Known { atoms, least, most: Some(figure + i64::from(rules.base() - 1) - below) }
    };
    let mut known = Vec::new();
    if let Figure::Shown(total) = shown.total {
        known.push(around(all.clone(), total));
    }
    for (at, figure) in shown.cells.iter().enumerate() {
        if let Figure::Shown(figure) = figure {
            known.push(around(vec![at], *figure));
        }
    }
    if known.is_empty() {
        return Ok(());
    }
    for (at, figure) in shown.cells.iter().enumerate() {
        if *figure == Figure::Hidden {
            let (least, most) = bounds(counts.len(), &known, &[at])?;
            if most == Some(least) {
                return Err(Broken::Found(table.to_owned()));
            }
        }
    }
    Ok(())
}

/// Whether a release of a quarter may be published. `before` is everything that was published of this gemeente.
///
/// # Errors
/// The first rule it breaks.
pub fn gate(
    contract: &Contract,
    quarter: Quarter,
    cells: &[Cell],
    before: &[Cell],
) -> Result<(), Broken> {
    told_once(cells, before)?;
    figures(contract, cells)?;
    if quarter.closes_year() {
        categories(contract, cells)?;
        additive(contract, quarter, cells, before)?;
    }
    Ok(())
}

/// No cell is told twice: what could be compared could be subtracted.
///
/// # Errors
/// [`Broken::Again`].
pub fn told_once(cells: &[Cell], before: &[Cell]) -> Result<(), Broken> {
    let same = |one: &Cell, other: &Cell| (&one.table, &one.place) == (&other.table, &other.place);
    for (at, cell) in cells.iter().enumerate() {
        let earlier = cells.iter().take(at).chain(before);
        if earlier.into_iter().any(|other| same(cell, other)) {
            return Err(Broken::Again(cell.table.clone()));
        }
    }
    Ok(())
}

fn figures(contract: &Contract, cells: &[Cell]) -> Result<(), Broken> {
    let base = match contract.method {
        Method::Freeze { base, .. } => base,
        _ => 1,
    };
    let fits = |value: i64| value >= 0 && value % base == 0;
    let wrong = cells
        .iter()
        .find(|cell| !cell.table.starts_with("exact.") && !cell.value.is_some_and(fits));
    wrong.map_or(Ok(()), |cell| Err(Broken::Multiple(cell.table.clone())))
}

/// Which categories a table shows tells nothing only while it shows all of them.
fn categories(contract: &Contract, cells: &[Cell]) -> Result<(), Broken> {
    for table in &contract.tables {
        let (name, dimension) = (format!("year.{table}"), table.dimension.as_str());
        let code = |cell: &Cell| {
            let mut place = cell.place.iter();
            place.find(|(of, _)| of == dimension).map(|(_, code)| code.clone())
        };
        let mut there: Vec<String> =
            cells.iter().filter(|cell| cell.table == name).filter_map(code).collect();
        let mut wanted: Vec<String> =
            contract.codes(table.dimension).into_iter().map(str::to_owned).collect();
        there.sort();
        wanted.sort();
        if there != wanted {
            return Err(Broken::Categories(name));
        }
    }
    Ok(())
}

/// Each table of the year, and the quarters that were published of it, add up to the year.
fn additive(
    contract: &Contract,
    quarter: Quarter,
    cells: &[Cell],
    before: &[Cell],
) -> Result<(), Broken> {
    let of_year = |cell: &&Cell| {
        let year = quarter.year().number().to_string();
        cell.place.iter().any(|(name, code)| match name.as_str() {
            "year" => *code == year,
            "quarter" => code.starts_with(&year),
            _ => false,
        })
    };
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for cell in cells.iter().chain(before).filter(of_year) {
        *sums.entry(&cell.table).or_default() += cell.value.unwrap_or_default();
    }
    let sum = |table: &str| sums.get(table).copied();
    for &kind in &contract.kinds {
        let total = total_of(kind, quarter, cells, &sum);
        let mut tables: Vec<String> =
            contract.tables_of(kind).map(|table| format!("year.{table}")).collect();
        if !kind.is_stock() && !kind.is_yearly() {
            tables.push(format!("quarter.{}", kind.as_str()));
        }
        if let Some(table) = tables.into_iter().find(|table| sum(table) != total) {
            return Err(Broken::Additive(table));
        }
    }
    Ok(())
}

/// What the tables of a kind add up to: its year; of a stock what there is at the end of the last quarter.
fn total_of(
    kind: Kind,
    quarter: Quarter,
    cells: &[Cell],
    sum: &dyn Fn(&str) -> Option<i64>,
) -> Option<i64> {
    if !kind.is_stock() {
        return sum(&format!("year.{}", kind.as_str()));
    }
    let (table, last) = (format!("quarter.{}", kind.as_str()), quarter.to_text());
    let mut own = cells.iter().filter(|cell| cell.table == table);
    own.find(|cell| cell.place.iter().any(|(_, code)| *code == last)).and_then(|cell| cell.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::municipality::Municipality;
    use crate::statistics::contract::TableId;
    use crate::statistics::noise::Alpha;
    use crate::statistics::protect::protect;

    fn known(atoms: &[usize], count: i64) -> Known {
        Known { atoms: atoms.to_vec(), least: count, most: Some(count) }
    }

    #[test]
    fn one_hidden_cell_is_what_the_others_leave() {
        // A total, and all cells but one.
        let facts = [known(&[0, 1, 2], 14), known(&[0], 7), known(&[1], 5)];
        assert_eq!(bounds(3, &facts, &[2]), Ok((2, Some(2))));
        // Control: with two hidden both can be anything up to what is left.
        assert_eq!(bounds(3, &facts[..2], &[2]), Ok((0, Some(7))));
        assert_eq!(bounds(3, &facts[1..], &[2]), Ok((0, None)));
        assert_eq!(bounds(1, &[known(&[0], 1), known(&[0], 2)], &[0]), Err(Broken::Unsolved));
    }

    /// Two tables over the same families: no table alone gives a cell away, together they do.
    #[test]
    fn tables_that_cross_are_attacked_together() {
        let facts = [known(&[0, 1], 6), known(&[2, 3], 9), known(&[0, 2], 15), known(&[1, 3], 0)];
        assert_eq!(bounds(4, &facts, &[0]), Ok((6, Some(6))));
        assert_eq!(bounds(4, &facts[..2], &[0]), Ok((0, Some(6))), "control");
    }

    #[test]
    fn what_protect_hides_is_not_found_and_a_lone_hidden_cell_is() {
        let rules = Rules::new(10, 5).unwrap();
        for counts in [[3, 40, 12, 30], [0, 40, 9, 30], [8, 40, 7, 30], [9, 9, 9, 9]] {
            let table = protect(&counts, rules);
            assert_eq!(hidden_cells("t", &counts, &table, rules), Ok(()), "{counts:?}");
        }
        // Control: the total and both other cells at their edges leave a hidden cell one value.
        let rules = Rules::new(5, 3).unwrap();
        let shown =
            Protected { cells: vec![Figure::Hidden, Figure::Shown(6)], total: Figure::Shown(6) };
        assert_eq!(hidden_cells("t", &[0, 6], &shown, rules), Ok(()));
        let exact = [known(&[0, 1], 6), known(&[1], 6)];
        assert_eq!(bounds(2, &exact, &[0]), Ok((0, Some(0))));
        let told = Protected {
            cells: vec![Figure::Hidden, Figure::Shown(6), Figure::Shown(6)],
            total: Figure::Shown(9),
        };
        let found = Err(Broken::Found("t".to_owned()));
        assert_eq!(hidden_cells("t", &[0, 5, 5], &told, rules), found);
    }

    fn contract() -> Contract {
        Contract {
            municipality: Municipality::parse("GM0119").unwrap(),
            plan: "test-1".to_owned(),
            method: Method::Freeze { base: 3, alpha: Alpha::ThreeEighths },
            from: Quarter::read("2026Q1").unwrap(),
            kinds: vec![Kind::Evaluations],
            tables: vec![TableId::parse("evaluations.networkExtended").unwrap()],
            districts: Vec::new(),
            programmes: Vec::new(),
            exact: Vec::new(),
            cap: 5,
        }
    }

    fn cells(yes: i64, no: i64) -> Vec<Cell> {
        let year = ("year".to_owned(), "2026".to_owned());
        let of = |code: &str, value| {
            let place = vec![year.clone(), ("networkExtended".to_owned(), code.to_owned())];
            Cell::shown("year.evaluations.networkExtended".to_owned(), place, value)
        };
        let total = Cell::shown("year.evaluations".to_owned(), vec![year.clone()], 12);
        vec![total, of("yes", yes), of("no", no)]
    }

    /// Each rule stops what breaks it alone; the control passes.
    #[test]
    fn the_gate_stops_what_the_proof_does_not_hold_for() {
        let (contract, last) = (contract(), Quarter::read("2026Q4").unwrap());
        let judge = |cells: &[Cell], before: &[Cell]| gate(&contract, last, cells, before);
        assert_eq!(judge(&cells(9, 3), &[]), Ok(()));
        let table = || "year.evaluations.networkExtended".to_owned();
        assert_eq!(judge(&cells(8, 4), &[]), Err(Broken::Multiple(table())));
        assert_eq!(judge(&cells(15, -3), &[]), Err(Broken::Multiple(table())));
        assert_eq!(judge(&cells(9, 6), &[]), Err(Broken::Additive(table())));
        assert_eq!(judge(&cells(9, 3)[..2], &[]), Err(Broken::Categories(table())));
        let again = Err(Broken::Again("year.evaluations".to_owned()));
        assert_eq!(judge(&cells(9, 3), &cells(6, 6)), again);
    }
}
