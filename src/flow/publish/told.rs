//! What a release says, and what was said before it: the body of a release under a contract, and what keeps a new one from
//! being held against an old one.

use super::{PublishError, year_of};
use crate::crypto::bits::Seed;
use crate::crypto::digest::hex;
use crate::domain::period::{Period, Quarter, Year};
use crate::flow::Gateway;
use crate::statistics::attack::Broken;
use crate::statistics::contract::{Contract, Method};
use crate::statistics::release::{Cell, Head, Published, body, quoted};
use crate::store::StoreError;
use crate::store::figures::FiguresRow;
use serde_json::Value;

/// All cells of releases.
pub(super) fn cells(rows: &[FiguresRow]) -> Result<Vec<Cell>, PublishError> {
    let mut all = Vec::new();
    for row in rows {
        let read = Published::read(&row.body).or(Err(StoreError::Corrupt("release")))?;
        all.extend(read.cells);
    }
    Ok(all)
}

/// A year that was told by another method is not told again by this one: the two could be held against each other.
pub(super) fn not_told_otherwise(
    before: &[FiguresRow],
    method: &str,
    year: Year,
) -> Result<(), PublishError> {
    for row in before.iter().filter(|row| year_of(row.key.period) == year) {
        let told = Published::read(&row.body).or(Err(StoreError::Corrupt("release")))?;
        if told.method.get("name").and_then(Value::as_str) != Some(method) {
            return Err(Broken::Again(format!("the year {}", year.number())).into());
        }
    }
    Ok(())
}

/// Whether a quarter can follow what was sealed of its year: by the same plan, base and α, of the same kinds, and after
/// it. A contract changes at the start of a year.
pub(super) fn as_before(
    before: &[FiguresRow],
    contract: &Contract,
    quarter: Quarter,
) -> Result<(), PublishError> {
    let (base, alpha) = match contract.method {
        Method::Freeze { base, alpha } => (base, alpha.as_str()),
        _ => return Err(PublishError::NotTold),
    };
    for row in before {
        let Period::Quarter(told) = row.key.period else { continue };
        if told > quarter {
            return Err(PublishError::Changed);
        }
        if told.year() != quarter.year() {
            continue;
        }
        let read = Published::read(&row.body).or(Err(StoreError::Corrupt("release")))?;
        let method = [
            read.method.get("planVersion").and_then(Value::as_str) == Some(&contract.plan),
            read.method.get("base").and_then(Value::as_i64) == Some(base),
            read.method.get("alpha").and_then(Value::as_str) == Some(alpha),
        ];
        let quarters = contract.kinds.iter().filter(|kind| !kind.is_yearly());
        let mut wanted: Vec<String> =
            quarters.map(|kind| format!("quarter.{}", kind.as_str())).collect();
        let mut there: Vec<&str> =
            read.tables().into_iter().filter(|table| table.starts_with("quarter.")).collect();
        wanted.sort();
        there.sort_unstable();
        if method.contains(&false) || wanted != there {
            return Err(PublishError::Changed);
        }
    }
    Ok(())
}

/// The body of a release under a contract; beside the figures of a year stands the target that was agreed on.
pub(super) fn contract_body(
    gateway: &Gateway,
    contract: &Contract,
    period: Period,
    cells: &[Cell],
    seed: &Seed,
) -> String {
    let year = year_of(period);
    // Once a year: with its last quarter, or with the year where that is told as a whole.
    let closes = match period {
        Period::Quarter(quarter) => quarter.closes_year(),
        Period::Year(_) => !matches!(contract.method, Method::Freeze { .. }),
    };
    let targets = gateway.targets.load();
    let agreed = targets
        .iter()
        .find(|target| (target.municipality, target.year) == (contract.municipality, year))
        .filter(|_| closes);
    let target = agreed.map(|agreed| {
        let place = vec![("year".to_owned(), year.number().to_string())];
        Cell::shown("target.pairings-made".to_owned(), place, i64::from(agreed.pairings))
    });
    let cells: Vec<Cell> = cells.iter().cloned().chain(target).collect();
    let [first, ..] = Quarter::all_of(year);
    let mut fields = vec![
        ("method", method(contract, seed)),
        ("municipality", quoted(contract.municipality.as_str())),
        ("period", quoted(&period.to_string())),
        ("unit", quoted("family")),
    ];
    if contract.from > first {
        fields.push(("countedFrom", quoted(&contract.from.to_text())));
    }
    body(&cells, &Head { fields }, true)
}

/// What a release says of its method: everything but the seed.
fn method(contract: &Contract, seed: &Seed) -> String {
    let commitment = hex(&seed.commitment());
    let (name, plan) = (contract.method.name(), quoted(&contract.plan));
    let (quarter, year) = contract.method.error95();
    match contract.method {
        Method::Freeze { base, alpha } => format!(
            "{{\"alpha\":\"{}\",\"base\":{base},\"commitment\":\"{commitment}\",\"error95\":{{\"quarter\":{quarter},\"year\":{year}}},\
             \"name\":\"{name}\",\"planVersion\":{plan}}}",
            alpha.as_str()
        ),
        Method::Private(alpha) => format!(
            "{{\"alpha\":\"{}\",\"commitment\":\"{commitment}\",\"name\":\"{name}\",\"planVersion\":{plan}}}",
            alpha.as_str()
        ),
        Method::CellKey | Method::Suppress(_) => format!(
            "{{\"commitment\":\"{commitment}\",\"name\":\"{name}\",\"planVersion\":{plan}}}"
        ),
    }
}
