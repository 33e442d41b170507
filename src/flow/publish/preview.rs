//! What would be published, before anyone publishes: tables, budget, what is hidden and why, what stands in the way.
//!
//! For an operator. Nothing is drawn from counts: a draw that is shown and then made anew could be averaged with the
//! next. Of a frozen contract it therefore tells tables and budget, and tries the gate on a release of nobody; of the
//! one table without a contract, whose figures follow from the counts alone, it tells what would be shown.

use super::told::{as_before, not_told_otherwise};
use super::{PublishError, fresh, quarters, whole_year, year_of};
use crate::domain::municipality::Municipality;
use crate::domain::period::{Period, Quarter, Year};
use crate::domain::programme::Programme;
use crate::flow::Gateway;
use crate::statistics::attack;
use crate::statistics::contract::{Contract, Method};
use crate::statistics::freeze::Carry;
use crate::statistics::protect::{Rules, reasons};
use crate::statistics::release::Cell;
use crate::statistics::seal::{Reported, Sealing};
use crate::statistics::tabulate::ReferralsBySource;
use crate::store::counts;
use crate::store::figures;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tells what `publish` would do with the same gemeente and period.
///
/// # Errors
/// [`PublishError`] as `publish` would give it.
pub async fn preview(
    gateway: &Arc<Gateway>,
    municipality: Municipality,
    period: Period,
) -> Result<Value, PublishError> {
    let disclosure = gateway.disclosure.load_full();
    // The years before a contract are told as those without one.
    let contract = disclosure.contract(municipality);
    match contract.filter(|contract| year_of(period) >= contract.from.year()) {
        Some(contract) if matches!(contract.method, Method::Freeze { .. }) => {
            let quarters = quarters(gateway, contract, period)?;
            frozen(gateway, contract, &quarters).await
        }
        Some(contract) if !matches!(contract.method, Method::Suppress(_)) => {
            let year = whole_year(gateway, period)?;
            by_year(gateway, contract, year).await
        }
        other => {
            let rules = match other.map(|contract| contract.method) {
                Some(Method::Suppress(rules)) => rules,
                _ => disclosure.threshold,
            };
            by_source(gateway, municipality, whole_year(gateway, period)?, rules).await
        }
    }
}

async fn frozen(
    gateway: &Arc<Gateway>,
    contract: &Contract,
    quarters: &[Quarter],
) -> Result<Value, PublishError> {
    let (pool, area) = (&gateway.store.pool, contract.municipality.as_str());
    let told = figures::list(pool, area).await?;
    let (mut steps, mut budget) = (Vec::new(), None::<(Year, Budget)>);
    for quarter in quarters {
        if told.iter().any(|row| row.key.period == Period::Quarter(*quarter)) {
            steps.push(json!({"period": quarter.to_text(), "state": "published before"}));
            continue;
        }
        let mut of_year = match budget.take() {
            Some((year, budget)) if year == quarter.year() => budget,
            _ => {
                let spent = figures::spent(pool, area, quarter.year()).await?;
                Budget { spent, cap: contract.cap }
            }
        };
        // What publishing would refuse is told as that.
        not_told_otherwise(&told, contract.method.name(), quarter.year())?;
        as_before(&told, contract, *quarter)?;
        steps.push(step(gateway, contract, *quarter, &mut of_year)?);
        budget = Some((quarter.year(), of_year));
    }
    Ok(json!({
        "municipality": area, "method": contract.method.name(), "plan": contract.plan, "hidden": [],
        "why": "nothing is hidden: each count is drawn around once and rounded", "releases": steps,
    }))
}

/// What is left of each kind.
struct Budget {
    spent: BTreeMap<String, u32>,
    cap: u32,
}

impl Budget {
    /// Spends, and tells before and after.
    fn spend(&mut self, kind: &str, tables: u32) -> Value {
        let spent = self.spent.entry(kind.to_owned()).or_default();
        let before = *spent;
        *spent += tables;
        json!({
            "kind": kind,
            "tables": tables,
            "before": before,
            "after": *spent,
            "cap": self.cap,
            "withinCap": *spent <= self.cap,
        })
    }
}

fn step(
    gateway: &Gateway,
    contract: &Contract,
    quarter: Quarter,
    budget: &mut Budget,
) -> Result<Value, PublishError> {
    let Method::Freeze { base, alpha } = contract.method else {
        return Err(PublishError::NotTold);
    };
    // Nobody is counted: what is tried is whether the plan holds together.
    let mut carried = BTreeMap::new();
    if !budget.spent.is_empty() {
        let one = Carry { measured: vec![0], units: vec![0] };
        carried.extend(contract.kinds.iter().map(|kind| (*kind, one.clone())));
    }
    let nothing = |programme: &Programme| {
        let told = programme.measures().iter().filter(|measure| super::is_told(measure.name));
        Reported { programme: *programme, sums: told.map(|measure| (measure.name, 0)).collect() }
    };
    let reports: Vec<Reported> = contract.programmes.iter().map(nothing).collect();
    let sealing = Sealing { contract, events: &[], carried: &carried, reports: &reports };
    let sealed = sealing.quarter(quarter, (base, alpha), &fresh(gateway)?);
    let mut tables: Vec<(&str, u32)> = Vec::new();
    for cell in &sealed.cells {
        match tables.iter_mut().find(|(table, _)| *table == cell.table) {
            Some((_, cells)) => *cells += 1,
            None => tables.push((&cell.table, 1)),
        }
    }
    let tables: Vec<Value> =
        tables.iter().map(|(table, cells)| json!({"table": table, "cells": cells})).collect();
    let spent: Vec<Value> =
        sealed.spent.iter().map(|(kind, tables)| budget.spend(kind, *tables)).collect();
    let gate = match attack::told_once(&sealed.cells, &[]) {
        Ok(()) => "passed".to_owned(),
        Err(broken) => broken.to_string(),
    };
    let epsilon = f64::from(alpha.epsilon_thousandths()) / 1000.0;
    Ok(json!({
        "period": quarter.to_text(), "state": "would be published", "tables": tables, "base": base,
        "alpha": alpha.as_str(), "epsilonOfATable": epsilon, "error95": {"quarter": contract.method.error95().0, "year": contract.method.error95().1},
        "budget": spent, "attack": gate,
    }))
}

/// A year by cell keys or differential privacy: tables and budget.
async fn by_year(
    gateway: &Arc<Gateway>,
    contract: &Contract,
    year: Year,
) -> Result<Value, PublishError> {
    let area = contract.municipality.as_str();
    let spent = figures::spent(&gateway.store.pool, area, year).await?;
    let mut budget = Budget { spent, cap: contract.cap };
    let kinds = contract.kinds.iter().map(|kind| {
        let tables = u32::try_from(contract.tables_of(*kind).count()).unwrap_or(u32::MAX);
        budget.spend(kind.as_str(), tables.saturating_add(1))
    });
    let kinds: Vec<Value> = kinds.collect();
    let tables: Vec<String> = contract.tables.iter().map(ToString::to_string).collect();
    Ok(json!({
        "municipality": area, "method": contract.method.name(), "plan": contract.plan, "hidden": [],
        "why": "nothing is hidden: each cell is moved", "period": year.number().to_string(),
        "tables": tables, "budget": kinds,
    }))
}

/// The one table without a contract: what would be shown, and why the rest is not.
async fn by_source(
    gateway: &Arc<Gateway>,
    municipality: Municipality,
    year: Year,
    rules: Rules,
) -> Result<Value, PublishError> {
    let told = figures::list(&gateway.store.pool, municipality.as_str()).await?;
    if told.iter().any(|row| row.key.period == Period::Year(year)) {
        // What would be published now, held against what was, would tell of who came or went since.
        return Ok(json!({
            "municipality": municipality.as_str(), "period": year.number().to_string(),
            "state": "published before",
        }));
    }
    let span = super::span(year)?;
    let counted = counts::by_source(&gateway.store.pool, (municipality, year), span).await?;
    let counts = ReferralsBySource::new(counted.iter().map(|c| (c.source, c.families)));
    let families: Vec<u32> = counts.cells().iter().map(|(_, n)| *n).collect();
    let cells = crate::statistics::suppress::cells(&counts, rules);
    let attack = match &cells {
        Ok(_) => "passed".to_owned(),
        Err(broken) => broken.to_string(),
    };
    let cells = cells.unwrap_or_default();
    let why = reasons(&families, rules);
    let told = |(cell, why): (&Cell, &&str)| {
        let place: BTreeMap<&str, &str> =
            cell.place.iter().map(|(name, code)| (name.as_str(), code.as_str())).collect();
        json!({"where": place, "value": cell.value, "why": why})
    };
    let cells: Vec<Value> = cells.iter().zip(&why).map(told).collect();
    Ok(json!({
        "municipality": municipality.as_str(), "method": "suppress-and-round", "period": year.number().to_string(),
        "threshold": rules.threshold(), "rounding": rules.base(), "cells": cells, "attack": attack,
        "warning": "small cells that are hidden can be narrowed down by who knows most families; a contract with \
            measure-round-freeze does not have this",
    }))
}
