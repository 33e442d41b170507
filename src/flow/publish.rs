//! Figures for gemeenten are sealed: counted, protected, attacked, written once.
//!
//! A frozen contract is sealed by the quarter, in order; with the fourth come the year and its tables. A region is
//! added up of what was published of its gemeenten. Everything a release needs is written with it in one commit: its
//! line in the disclosure ledger, which events it counted, the message to the gemeente. A second time nothing is drawn.

use crate::audit::entry::{Code, Entry, Event, Object as LedgerObject, Outcome};
use crate::crypto::bits::Seed;
use crate::crypto::digest::{hex, sha256};
use crate::domain::age::midnight_in_amsterdam;
use crate::domain::municipality::Municipality;
use crate::domain::partner::PartnerKind;
use crate::domain::period::{Period, Quarter, Year};
use crate::domain::programme::Programme;
use crate::flow::Gateway;
use crate::ids::{DeliveryId, PartnerId, RequestId, StatisticsReleaseId};
use crate::statistics::attack::{self, Broken};
use crate::statistics::contract::{Contract, Method};
use crate::statistics::noise::Alpha;
use crate::statistics::protect::Rules;
use crate::statistics::seal::{PROGRAMMES, Reported, Sealed, Sealing};
use crate::statistics::suppress;
use crate::statistics::tabulate::ReferralsBySource;
use crate::store::StoreError;
use crate::store::counts::{self, Booking, Counted};
use crate::store::effect::{Effect, Rows};
use crate::store::figures::{self, Disclosed, FiguresKey, FiguresRow, SealedRows};
use crate::store::referrals::OutboxRow;
use crate::store::reports;
use crate::store::writer::{Found, Question};
use std::collections::BTreeMap;
use std::sync::Arc;
use told::{as_before, cells, contract_body, not_told_otherwise};

pub mod extra;
pub mod preview;
mod region;
mod told;

/// Why figures were not published. Nothing was then written.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The period goes on.
    #[error("the period is not over")]
    NotOver,
    /// The contract does not count that period.
    #[error("the contract of this gemeente does not tell that period")]
    NotTold,
    /// Nobody in the register is that gemeente or works for it.
    #[error("no partner of the register is this gemeente, or works for it")]
    Unknown,
    /// The budget of a kind does not suffice.
    #[error("{kind}: {left} of {cap} tables are left in that year, {asked} are asked for")]
    OverCap {
        /// Which kind.
        kind: String,
        /// Tables that were asked for.
        asked: u32,
        /// Tables that are left.
        left: u32,
        /// The cap.
        cap: u32,
    },
    /// The attack found something.
    #[error("not published: {0}")]
    Broken(#[from] Broken),
    /// The contract changed within a year that was begun.
    #[error(
        "the contract has another plan, method, kinds or start than what was sealed of that year; it changes with a year"
    )]
    Changed,
    /// Not approved of by two who can.
    #[error("{0}")]
    NotApproved(&'static str),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the type of a message about published figures is.
pub const MESSAGE: &str = "nl.buurtpoort.statistiek-gepubliceerd";

/// A release that is about to be written.
pub(super) struct Draft {
    key: FiguresKey,
    body: String,
    year: Year,
    disclosed: Vec<Disclosed>,
    commitment: Vec<u8>,
    approved: String,
    sealed: Sealed,
    booking: Booking,
    readers: Vec<Municipality>,
}

/// Publishes one gemeente's figures about a period that is over, with the quarters before it that were not published,
/// and what can be added up of its regions. Gives the releases of the period that was asked for, old or new.
///
/// # Errors
/// [`PublishError`]; what was published before it stays published.
pub async fn publish(
    gateway: &Arc<Gateway>,
    municipality: Municipality,
    period: Period,
) -> Result<Vec<FiguresRow>, PublishError> {
    let disclosure = gateway.disclosure.load_full();
    let contract = disclosure.contract(municipality);
    if contract.is_none() && !is_served(gateway, municipality) {
        return Err(PublishError::Unknown);
    }
    let quarters = match contract.map(|contract| (contract, contract.method)) {
        Some((contract, Method::Freeze { .. })) if year_of(period) >= contract.from.year() => {
            let quarters = quarters(gateway, contract, period)?;
            for quarter in &quarters {
                freeze(gateway, contract, *quarter).await?;
            }
            quarters
        }
        // The years before a contract are told as those without one.
        Some((contract, _)) if year_of(period) < contract.from.year() => {
            let year = whole_year(gateway, period)?;
            by_source(gateway, municipality, year, disclosure.threshold).await?;
            Vec::new()
        }
        Some((contract, method)) => {
            let last = whole_year(gateway, period)?;
            // In order, like quarters: what was not told of a year before would be counted in a later one.
            let mut year = contract.from.year();
            while year <= last {
                by_year(gateway, contract, method, year).await?;
                year = Quarter::all_of(year)[3].next().year();
            }
            Vec::new()
        }
        None => {
            let year = whole_year(gateway, period)?;
            by_source(gateway, municipality, year, disclosure.threshold).await?;
            Vec::new()
        }
    };
    for region in disclosure.regions_of(municipality) {
        for quarter in &quarters {
            region::add_up(gateway, &disclosure, region, *quarter).await?;
        }
    }
    let asked = |row: &FiguresRow| match (row.key.period, period) {
        (Period::Quarter(quarter), Period::Year(year)) => quarter.year() == year,
        (told, asked) => told == asked,
    };
    let all = figures::list(&gateway.store.pool, municipality.as_str()).await?;
    Ok(all.into_iter().filter(asked).collect())
}

/// Whether any partner is the gemeente or works for it: what is published of a mistyped code is published for good.
fn is_served(gateway: &Gateway, municipality: Municipality) -> bool {
    let register = gateway.register.load();
    register.partners().any(|partner| partner.municipalities.contains(&municipality))
}

/// The quarters of a contract up to the end of a period, from its start: what was not told of a quarter before would
/// otherwise be counted in a later one.
fn quarters(
    gateway: &Gateway,
    contract: &Contract,
    period: Period,
) -> Result<Vec<Quarter>, PublishError> {
    let last = match period {
        Period::Quarter(quarter) => quarter,
        Period::Year(year) => Quarter::all_of(year)[3],
    };
    if !last.is_over(gateway.clock.now()) {
        return Err(PublishError::NotOver);
    }
    let all = std::iter::successors(Some(contract.from), |quarter| Some(quarter.next()));
    let told: Vec<Quarter> = all.take_while(|quarter| *quarter <= last).collect();
    if told.is_empty() { Err(PublishError::NotTold) } else { Ok(told) }
}

fn whole_year(gateway: &Gateway, period: Period) -> Result<Year, PublishError> {
    match period {
        Period::Year(year) if year.is_over(gateway.clock.now()) => Ok(year),
        Period::Year(_) => Err(PublishError::NotOver),
        Period::Quarter(_) => Err(PublishError::NotTold),
    }
}

/// A seed that lives until it is dropped at the end of one sealing.
pub(super) fn fresh(gateway: &Gateway) -> Result<Seed, PublishError> {
    Ok(Seed::fresh(&gateway.entropy).or(Err(StoreError::Unavailable("seed")))?)
}

/// Seals a quarter of a frozen contract, unless it was.
async fn freeze(
    gateway: &Arc<Gateway>,
    contract: &Contract,
    quarter: Quarter,
) -> Result<(), PublishError> {
    let area = contract.municipality.as_str();
    if is_published(gateway, contract.municipality, Period::Quarter(quarter)).await? {
        return Ok(());
    }
    let pool = &gateway.store.pool;
    let before = figures::list(pool, area).await?;
    not_told_otherwise(&before, contract.method.name(), quarter.year())?;
    as_before(&before, contract, quarter)?;
    let counted = counts::of_quarter(pool, contract, quarter).await?;
    let carried = figures::carried(pool, area, quarter.year()).await?;
    let Method::Freeze { base, alpha } = contract.method else {
        return Err(PublishError::NotTold);
    };
    let seed = fresh(gateway)?;
    let reports = reports(gateway, contract, quarter.year()).await?;
    let (events, carried) = (&counted.events, &carried);
    let sealing = Sealing { contract, events, carried, reports: &reports };
    let sealed = sealing.quarter(quarter, (base, alpha), &seed);
    attack::gate(contract, quarter, &sealed.cells, &cells(&before)?)?;
    let draft = draft(gateway, contract, Period::Quarter(quarter), counted, sealed, &seed);
    within_cap(gateway, &draft).await?;
    write(gateway, draft).await
}

/// Whether a measure of a programme is told: all but visits, of which one child can have any number.
fn is_told(measure: &str) -> bool {
    measure != "contacts"
}

/// What the programmes of a contract reported of a year, from its start: every measure, reported or not. What is
/// reported after the year is sealed is told nowhere: the year is frozen.
async fn reports(
    gateway: &Gateway,
    contract: &Contract,
    year: Year,
) -> Result<Vec<Reported>, PublishError> {
    let from = contract.from.to_text();
    let all = reports::of_year(&gateway.store.pool, contract.municipality, year, &from).await?;
    let sum = |programme: Programme, measure: &str| {
        let own = |(of, is, _): &&(String, String, i64)| of == programme.as_str() && is == measure;
        all.iter().find(own).map_or(0, |(_, _, value)| *value)
    };
    let reported = |programme: &Programme| Reported {
        programme: *programme,
        sums: programme
            .measures()
            .iter()
            .filter(|measure| is_told(measure.name))
            .map(|measure| (measure.name, sum(*programme, measure.name)))
            .collect(),
    };
    Ok(contract.programmes.iter().map(reported).collect())
}

/// Seals a year of a contract by another method, unless it was.
async fn by_year(
    gateway: &Arc<Gateway>,
    contract: &Contract,
    method: Method,
    year: Year,
) -> Result<(), PublishError> {
    let last = Quarter::all_of(year)[3];
    if last < contract.from {
        return Err(PublishError::NotTold);
    }
    if is_published(gateway, contract.municipality, Period::Year(year)).await? {
        return Ok(());
    }
    let (seed, carried) = (fresh(gateway)?, BTreeMap::new());
    let counted = counts::of_quarter(&gateway.store.pool, contract, last).await?;
    let (events, carried) = (&counted.events, &carried);
    let sealing = Sealing { contract, events, carried, reports: &[] };
    let sealed = match method {
        Method::Private(alpha) => sealing.private(year, alpha, &seed),
        Method::CellKey => sealing.cell_keys(year, &seed),
        Method::Suppress(rules) => {
            return by_source(gateway, contract.municipality, year, rules).await;
        }
        Method::Freeze { .. } => return Err(PublishError::NotTold),
    };
    let before = figures::list(&gateway.store.pool, contract.municipality.as_str()).await?;
    not_told_otherwise(&before, method.name(), year)?;
    attack::told_once(&sealed.cells, &cells(&before)?)?;
    let draft = draft(gateway, contract, Period::Year(year), counted, sealed, &seed);
    within_cap(gateway, &draft).await?;
    write(gateway, draft).await
}

async fn is_published(
    gateway: &Gateway,
    municipality: Municipality,
    period: Period,
) -> Result<bool, PublishError> {
    let told = figures::list(&gateway.store.pool, municipality.as_str()).await?;
    Ok(told.iter().any(|row| row.key.period == period))
}

/// The one table of a gemeente without a contract.
async fn by_source(
    gateway: &Arc<Gateway>,
    municipality: Municipality,
    year: Year,
    rules: Rules,
) -> Result<(), PublishError> {
    let pool = &gateway.store.pool;
    let before = figures::list(pool, municipality.as_str()).await?;
    not_told_otherwise(&before, "suppress-and-round", year)?;
    let counted = counts::by_source(pool, (municipality, year), span(year)?).await?;
    let counts = ReferralsBySource::new(counted.iter().map(|c| (c.source, c.families)));
    let cells = suppress::cells(&counts, rules)?;
    let draft = Draft {
        key: FiguresKey { area: municipality.to_string(), period: Period::Year(year) },
        body: suppress::release(municipality, year, &cells, rules),
        year,
        disclosed: Vec::new(),
        commitment: Vec::new(),
        approved: "contract".to_owned(),
        sealed: Sealed::default(),
        booking: Booking::default(),
        readers: vec![municipality],
    };
    write(gateway, draft).await
}

/// First instant of a year and of the next, in milliseconds since the epoch.
fn span(year: Year) -> Result<(i64, i64), PublishError> {
    let start = |year: i16| {
        let instant = midnight_in_amsterdam(year, 1, 1).ok_or(StoreError::Corrupt("year"));
        instant.map(jiff::Timestamp::as_millisecond)
    };
    Ok((start(year.number())?, start(year.number().saturating_add(1))?))
}

fn draft(
    gateway: &Gateway,
    contract: &Contract,
    period: Period,
    counted: Counted,
    sealed: Sealed,
    seed: &Seed,
) -> Draft {
    let line = |(kind, tables): &(String, u32)| disclosed(contract, kind, *tables);
    Draft {
        key: FiguresKey { area: contract.municipality.to_string(), period },
        body: contract_body(gateway, contract, period, &sealed.cells, seed),
        year: year_of(period),
        disclosed: sealed.spent.iter().map(line).collect(),
        commitment: seed.commitment().to_vec(),
        approved: "contract".to_owned(),
        sealed,
        booking: counted.booking,
        readers: vec![contract.municipality],
    }
}

const fn year_of(period: Period) -> Year {
    match period {
        Period::Quarter(quarter) => quarter.year(),
        Period::Year(year) => year,
    }
}

pub(super) fn disclosed(contract: &Contract, kind: &str, tables: u32) -> Disclosed {
    let own = contract.method.alpha().map_or(0, Alpha::epsilon_thousandths);
    // Programmes have a noise, and so a cap, of their own: once a year, in all measures and quarters.
    let (cap, epsilon) = match kind.split_once('.') {
        Some(("programme", _)) => (tables, PROGRAMMES.epsilon_thousandths()),
        Some(("exact", _)) => (1, 0),
        _ => (contract.cap, own),
    };
    Disclosed { kind: kind.to_owned(), tables, cap, epsilon }
}

/// Whether the budget suffices, of each kind.
pub(super) async fn within_cap(gateway: &Gateway, draft: &Draft) -> Result<(), PublishError> {
    let spent = figures::spent(&gateway.store.pool, &draft.key.area, draft.year).await?;
    for line in &draft.disclosed {
        let before = spent.get(&line.kind).copied().unwrap_or_default();
        let left = line.cap.saturating_sub(before);
        if line.tables > left {
            return Err(PublishError::OverCap {
                kind: line.kind.clone(),
                asked: line.tables,
                left,
                cap: line.cap,
            });
        }
    }
    Ok(())
}

/// Writes a release with all that belongs to it; nothing where the period was published meanwhile.
pub(super) async fn write(gateway: &Arc<Gateway>, draft: Draft) -> Result<(), PublishError> {
    let now = gateway.clock.now();
    let (key, sealed_ms) = (draft.key.clone(), now.as_millisecond());
    let request = RequestId::new();
    let entry = by_operator(gateway, Event::StatsPublished, request, &on_record(&draft));
    let id = StatisticsReleaseId::new();
    let outbox = messages(gateway, &draft.readers, id, sealed_ms);
    let rows = SealedRows {
        release: FiguresRow {
            id,
            sha256: sha256(draft.body.as_bytes()),
            key: draft.key,
            body: draft.body,
            sealed_ms,
        },
        year: draft.year,
        disclosed: draft.disclosed,
        commitment: draft.commitment,
        approved: draft.approved,
        kept: draft.sealed.kept,
        booking: draft.booking,
    };
    let decide = move |found: &Found| {
        if found.published {
            return (Effect::nothing(request), ());
        }
        let figures = Some(Box::new(rows.clone()));
        let rows = Rows { figures, outbox: outbox.clone(), ..Rows::default() };
        (Effect::new(request, entry.clone(), rows), ())
    };
    let question = Question { figures: Some(key), ..Question::default() };
    gateway.store.writer.write(question, now, decide).await?;
    Ok(())
}

/// An entry of what an operator did with figures.
fn by_operator(gateway: &Gateway, event: Event, request: RequestId, said: &[String]) -> Entry {
    let code = |text: &str| Code::parse(text).unwrap_or_default();
    let mut entry = Entry::new(event, Outcome::Allow);
    entry.policy.hash = Some(gateway.engine.load().hash());
    entry.object = figures_object();
    entry.fields = said.iter().filter_map(|field| Code::parse(field).ok()).collect();
    entry.actor.role = code("operator");
    entry.purpose = code("statistics");
    entry.request.id = code(&request.to_string());
    entry
}

/// What the ledger says of a release: of what and when, its hash, tables, seed, who approved.
fn on_record(draft: &Draft) -> Vec<String> {
    let tables: u32 = draft.disclosed.iter().map(|line| line.tables).sum();
    let mut fields = Vec::new();
    if tables > 0 {
        fields.push(format!("tables:{tables}"));
    }
    fields.push(format!("area:{}", draft.key.area));
    fields.push(format!("period:{}", draft.key.period));
    fields.push(format!("sha256:{}", hex(&sha256(draft.body.as_bytes()))));
    if !draft.commitment.is_empty() {
        fields.push(format!("seed:{}", hex(&draft.commitment)));
    }
    let names = draft.approved.split('+').filter(|name| *name != "contract");
    fields.extend(names.map(|name| format!("approved:{name}")));
    fields
}

pub(super) fn figures_object() -> LedgerObject {
    LedgerObject { kind: Code::parse("figures").unwrap_or_default(), reference: None }
}

/// A message to each gemeente that reads the release and registered where messages go.
fn messages(
    gateway: &Gateway,
    readers: &[Municipality],
    release: StatisticsReleaseId,
    created_ms: i64,
) -> Vec<OutboxRow> {
    let register = gateway.register.load();
    let reads = |partner: &&crate::domain::partner::Partner| {
        partner.kind == PartnerKind::Municipality
            && partner.endpoint.is_some()
            && partner.municipalities.iter().any(|own| readers.contains(own))
    };
    let mut partners: Vec<PartnerId> =
        register.partners().filter(reads).map(|partner| partner.id).collect();
    partners.sort_unstable();
    let row = |partner| OutboxRow {
        id: DeliveryId::new(),
        partner,
        kind: MESSAGE,
        object: release.uuid(),
        created_ms,
    };
    partners.into_iter().map(row).collect()
}
