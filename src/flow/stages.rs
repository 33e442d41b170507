//! How far figures have come: drafted, checked, published, delivered. For an operator, who sees no figure.
//!
//! Checking is a condition of publishing: what does not withstand the attack is not written ([`super::publish`]). So
//! there are two kinds of rows: periods of a contract that are over and were not published, and releases. Tables beyond a
//! contract stand among the first with how many approved of them.

use crate::audit::entry::Event;
use crate::domain::period::{Period, Quarter};
use crate::flow::publish::MESSAGE;
use crate::flow::{Done, FlowError, Gateway, plain};
use crate::policy::Allowed;
use crate::policy::action::ListDeliveries;
use crate::policy::facts::Facts;
use crate::statistics::contract::{Contract, Disclosure, Method};
use crate::store::{approvals, figures};
use jiff::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;

/// Releases that are listed at most, the newest first.
const MOST: i64 = 100;

/// A period of an area, and how far it has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stage {
    /// CBS code of a gemeente, or the name of a region.
    pub area: String,
    /// Quarter or year.
    pub period: String,
    /// The table, of one beyond a contract.
    pub table: String,
    /// How many approved, of a table beyond a contract that is not published.
    pub approved: Option<usize>,
    /// When it was checked and published, in milliseconds since the epoch; nothing while it is a draft.
    pub sealed_ms: Option<i64>,
    /// Messages that tell of it, and how many of them were delivered.
    pub messages: (i64, i64),
    /// When the last of them was delivered, in milliseconds since the epoch.
    pub delivered_ms: Option<i64>,
}

/// Drafts, then releases, the newest first.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn list(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListDeliveries>,
) -> Result<Done<Vec<Stage>>, FlowError> {
    let partner = allowed.subject().partner;
    let (_, committed) =
        plain::settle(gateway, &allowed, partner, &Facts::Bare, Event::OperatorAction).await?;
    let (pool, disclosure) = (&gateway.store.pool, gateway.disclosure.load_full());
    let published: HashSet<(String, String)> =
        figures::published(pool).await?.into_iter().collect();
    let mut value = drafts(&disclosure, gateway.clock.now(), &published);
    value.extend(approvals::open(pool).await?.into_iter().map(|(area, period, table, count)| {
        Stage { table, approved: usize::try_from(count).ok(), ..draft(area, period) }
    }));
    value.extend(figures::stages(pool, MESSAGE, MOST).await?.into_iter().map(|row| Stage {
        sealed_ms: Some(row.sealed_ms),
        messages: (row.messages, row.delivered),
        delivered_ms: row.delivered_ms,
        ..draft(row.area, row.period)
    }));
    Ok(Done { value, committed })
}

/// What contracts tell of periods that are over and was not published, the oldest first.
fn drafts(
    disclosure: &Disclosure,
    now: Timestamp,
    published: &HashSet<(String, String)>,
) -> Vec<Stage> {
    let of = |contract: &Contract| {
        let area = contract.municipality.to_string();
        let open = |period: &String| !published.contains(&(area.clone(), period.clone()));
        let own = told(contract, now).into_iter().filter(open);
        own.map(|period| draft(area.clone(), period)).collect::<Vec<_>>()
    };
    disclosure.contracts.iter().flat_map(of).collect()
}

fn draft(area: String, period: String) -> Stage {
    Stage {
        area,
        period,
        table: String::new(),
        approved: None,
        sealed_ms: None,
        messages: (0, 0),
        delivered_ms: None,
    }
}

/// The periods of a contract that are over: quarters where figures are frozen, else years.
fn told(contract: &Contract, now: Timestamp) -> Vec<String> {
    let all = std::iter::successors(Some(contract.from), |quarter| Some(quarter.next()));
    let over = all.take_while(|quarter: &Quarter| quarter.is_over(now));
    if matches!(contract.method, Method::Freeze { .. }) {
        return over.map(|quarter| Period::Quarter(quarter).to_string()).collect();
    }
    let closing = over.filter(|quarter| quarter.closes_year());
    closing.map(|quarter| Period::Year(quarter.year()).to_string()).collect()
}
