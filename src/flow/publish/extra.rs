//! A table beyond the contract: published once a year, only when two of those who can approve have signed for it.
//!
//! Two keys, two people. Both signatures are kept, and are checked again with the keys in force when the table is sealed.
//! Who can write the policies can put keys of their own there: that shows, as the ledger says which policies were in force.

use super::told::{cells, contract_body, not_told_otherwise};
use super::{Draft, PublishError, by_operator, disclosed, fresh, within_cap, write};
use crate::audit::entry::{Code, Event};
use crate::crypto::approval;
use crate::domain::municipality::Municipality;
use crate::domain::period::{Period, Year};
use crate::flow::Gateway;
use crate::ids::RequestId;
use crate::statistics::attack::{self, Broken};
use crate::statistics::contract::{Contract, Disclosure, Method, TableId};
use crate::statistics::freeze::{self, Rule};
use crate::statistics::release::{Cell, Published};
use crate::statistics::seal::Sealed;
use crate::statistics::tabulate::of_year;
use crate::store::counts::{self, Booking};
use crate::store::effect::{Effect, Rows};
use crate::store::figures::{self, FiguresKey, FiguresRow};
use crate::store::writer::{Found, Question};
use crate::store::{StoreError, approvals};
use std::sync::Arc;

/// How many must approve.
const NEEDED: usize = 2;

/// What an approver signs: one table of one gemeente and year, by one plan, at one deployment.
///
/// # Errors
/// [`PublishError::NotTold`] where there is no contract that can be widened.
pub fn statement(
    gateway: &Gateway,
    municipality: Municipality,
    year: Year,
    table: TableId,
) -> Result<String, PublishError> {
    let disclosure = gateway.disclosure.load();
    let plan = &frozen(&disclosure, municipality)?.plan;
    let (deployment, year) = (gateway.keyring.deployment(), year.number());
    Ok(format!(
        "buurtpoort disclosure approval 1\n{deployment}\n{municipality}\n{plan}\n{year}\n{table}\n"
    ))
}

/// Keeps the approval of one person. A second time changes nothing.
///
/// # Errors
/// [`PublishError::NotApproved`] for a key that is nobody's, or a table of the contract.
pub async fn approve(
    gateway: &Arc<Gateway>,
    (municipality, year, table): (Municipality, Year, TableId),
    key: &[u8; 32],
    signature: &[u8],
) -> Result<String, PublishError> {
    let disclosure = gateway.disclosure.load_full();
    let contract = frozen(&disclosure, municipality)?;
    if contract.tables.contains(&table) || !contract.kinds.contains(&table.kind) {
        return Err(PublishError::NotApproved(
            "the table is in the contract already, or of a kind that is not counted",
        ));
    }
    if year < contract.from.year() {
        return Err(PublishError::NotTold);
    }
    let approver = disclosure.approvers.iter().find(|one| one.key == *key);
    let approver = approver
        .ok_or(PublishError::NotApproved("this key is none of policies/disclosure.toml"))?;
    let text = statement(gateway, municipality, year, table)?;
    if !approval::is_signed(key, text.as_bytes(), signature) {
        return Err(PublishError::NotApproved("the signature does not fit the table"));
    }
    let row = approvals::ApprovalRow {
        area: municipality.to_string(),
        period: year.number().to_string(),
        table: table.to_string(),
        approver: approver.name.clone(),
        signature: signature.to_vec(),
        at_ms: gateway.clock.now().as_millisecond(),
    };
    record(gateway, row).await?;
    Ok(approver.name.clone())
}

/// Keeps an approval with an entry that says who approved of what; of one that is there already neither is written.
async fn record(gateway: &Arc<Gateway>, row: approvals::ApprovalRow) -> Result<(), PublishError> {
    let there = approvals::of(&gateway.store.pool, &row.area, &row.period, &row.table).await?;
    if there.iter().any(|one| one.approver == row.approver) {
        return Ok(());
    }
    let (now, request) = (gateway.clock.now(), RequestId::new());
    let said = [
        format!("area:{}", row.area),
        format!("period:{}", row.period),
        format!("table:{}", row.table),
        format!("approved:{}", row.approver),
    ];
    let mut entry = by_operator(gateway, Event::OperatorAction, request, &said);
    entry.why = Code::parse("disclosure-approved").unwrap_or_default();
    let decide = move |_: &Found| {
        let rows = Rows { approval: Some(row.clone()), ..Rows::default() };
        (Effect::new(request, entry.clone(), rows), ())
    };
    gateway.store.writer.write(Question::default(), now, decide).await?;
    Ok(())
}

/// Publishes tables beyond the contract of a year that is closed. A second time gives what was published.
///
/// # Errors
/// [`PublishError`]; nothing is then written.
pub async fn publish(
    gateway: &Arc<Gateway>,
    municipality: Municipality,
    year: Year,
    tables: &[TableId],
) -> Result<FiguresRow, PublishError> {
    let key = FiguresKey { area: municipality.to_string(), period: Period::Year(year) };
    let before = figures::list(&gateway.store.pool, &key.area).await?;
    let disclosure = gateway.disclosure.load_full();
    let contract = frozen(&disclosure, municipality)?;
    not_told_otherwise(&before, contract.method.name(), year)?;
    if let Some(there) = before.iter().find(|row| row.key == key) {
        return same(there, tables);
    }
    let mut names = Vec::new();
    for table in tables {
        names.extend(approved(gateway, &disclosure, (municipality, year, *table)).await?);
    }
    names.sort();
    names.dedup();
    let told = cells(&before)?;
    let (sealed, seed) = seal(gateway, contract, year, tables, &told).await?;
    let draft = Draft {
        body: contract_body(gateway, contract, key.period, &sealed.cells, &seed),
        key: key.clone(),
        year,
        disclosed: sealed
            .spent
            .iter()
            .map(|(kind, tables)| disclosed(contract, kind, *tables))
            .collect(),
        commitment: seed.commitment().to_vec(),
        approved: names.join("+"),
        sealed,
        booking: Booking::default(),
        readers: vec![municipality],
    };
    within_cap(gateway, &draft).await?;
    write(gateway, draft).await?;
    let all = figures::list(&gateway.store.pool, &key.area).await?;
    let published = all.into_iter().find(|row| row.key == key);
    Ok(published.ok_or(StoreError::Corrupt("figures_release"))?)
}

/// The release of tables beyond the contract that is there, where it is of these tables.
fn same(there: &FiguresRow, tables: &[TableId]) -> Result<FiguresRow, PublishError> {
    let read = Published::read(&there.body).or(Err(StoreError::Corrupt("release")))?;
    let mut asked: Vec<String> = tables.iter().map(|table| format!("year.{table}")).collect();
    let mut told = read.tables();
    asked.sort();
    told.sort_unstable();
    if told == asked {
        return Ok(there.clone());
    }
    Err(PublishError::NotApproved("tables beyond the contract are published once a year, together"))
}

fn frozen(disclosure: &Disclosure, municipality: Municipality) -> Result<&Contract, PublishError> {
    let contract = disclosure.contract(municipality);
    let frozen = contract.filter(|contract| matches!(contract.method, Method::Freeze { .. }));
    frozen.ok_or(PublishError::NotTold)
}

/// Who approved of a table, by keys that are in force: two at least.
async fn approved(
    gateway: &Gateway,
    disclosure: &Disclosure,
    (municipality, year, table): (Municipality, Year, TableId),
) -> Result<Vec<String>, PublishError> {
    let rows = approvals::of(
        &gateway.store.pool,
        municipality.as_str(),
        &year.number().to_string(),
        &table.to_string(),
    )
    .await?;
    let text = statement(gateway, municipality, year, table)?;
    let stands = |row: &approvals::ApprovalRow| {
        let approver = disclosure.approvers.iter().find(|one| one.name == row.approver);
        approver.is_some_and(|one| approval::is_signed(&one.key, text.as_bytes(), &row.signature))
    };
    let names: Vec<String> = rows.into_iter().filter(stands).map(|row| row.approver).collect();
    if names.len() < NEEDED {
        return Err(PublishError::NotApproved(
            "two of those who can approve must sign for each table beyond the contract",
        ));
    }
    Ok(names)
}

async fn seal(
    gateway: &Arc<Gateway>,
    contract: &Contract,
    year: Year,
    tables: &[TableId],
    told: &[Cell],
) -> Result<(Sealed, crate::crypto::bits::Seed), PublishError> {
    let Method::Freeze { base, alpha } = contract.method else {
        return Err(PublishError::NotTold);
    };
    let seed = fresh(gateway)?;
    let counted = counts::of_closed_year(&gateway.store.pool, contract, year).await?;
    let number = year.number().to_string();
    let mut sealed = Sealed::default();
    for table in tables {
        let kind = table.kind.as_str();
        let rule = Rule {
            base,
            alpha,
            name: [contract.municipality.as_str(), contract.plan.as_str(), kind, &number],
        };
        let closed = year_of_kind(told, *table, &number).ok_or(PublishError::NotOver)?;
        let codes = contract.codes(table.dimension);
        let counts = of_year(&counted.events, table.kind, table.dimension, &codes);
        let values = freeze::one_more(&rule, &seed, closed, &counts);
        if values.iter().sum::<i64>() != closed {
            return Err(Broken::Additive(table.to_string()).into());
        }
        for (code, value) in codes.iter().zip(values) {
            let place = vec![
                ("year".to_owned(), number.clone()),
                (table.dimension.as_str().to_owned(), (*code).to_owned()),
            ];
            sealed.cells.push(Cell::shown(format!("year.{table}"), place, value));
        }
        match sealed.spent.iter_mut().find(|(of, _)| of == kind) {
            Some((_, tables)) => *tables += 1,
            None => sealed.spent.push((kind.to_owned(), 1)),
        }
    }
    attack::told_once(&sealed.cells, told)?;
    Ok((sealed, seed))
}

/// The figure that was published of a kind's year; of a stock of its last quarter.
fn year_of_kind(told: &[Cell], table: TableId, year: &str) -> Option<i64> {
    let kind = table.kind.as_str();
    let (name, place) = if table.kind.is_stock() {
        (format!("quarter.{kind}"), ("quarter".to_owned(), format!("{year}Q4")))
    } else {
        (format!("year.{kind}"), ("year".to_owned(), year.to_owned()))
    };
    let own = |cell: &&Cell| cell.table == name && cell.place == [place.clone()];
    told.iter().find(own).and_then(|cell| cell.value)
}
