//! The hourly round of days that must not pass: the organisation of a coordinator is told of each once, by the id of
//! the case and nothing else.

use crate::domain::age::date_in_amsterdam;
use crate::domain::term::{Deadline, DeadlineKind};
use crate::flow::{FlowError, Gateway, deadlines};
use crate::ids::{CaseId, DeliveryId};
use crate::store::referrals::OutboxRow;
use crate::store::{access, cases, facts, notices, pairings};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

/// How many days ahead it is told that a trial ends, an evaluation is due or a request is to be answered. Consent that
/// ends and birthdays that count are told when they stand among the deadlines, thirty days ahead.
const AHEAD_DAYS: i64 = 14;
/// Cases read at a time.
const PAGE: i64 = 200;

/// Tells of every day that comes near. Gives how many were told of that were not before.
///
/// # Errors
/// [`FlowError::Store`]; what was told stays told.
pub async fn sweep(gateway: &Gateway) -> Result<u64, FlowError> {
    let (mut told, mut after) = (0, CaseId::from_uuid(uuid::Uuid::nil()));
    loop {
        let page = notices::held(&gateway.store.pool, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(told) };
        after = *last;
        for case in page {
            told += look_at(gateway, case).await?;
        }
    }
}

async fn look_at(gateway: &Gateway, case: CaseId) -> Result<u64, FlowError> {
    let (pool, now) = (&gateway.store.pool, gateway.clock.now());
    let Some(row) = cases::find(pool, case).await? else { return Ok(0) };
    let Ok(Some((_, memory))) = facts::open(&gateway.keyring, &row) else {
        // Erased meanwhile; or one that does not open, which whoever holds it is told when she reads it.
        return Ok(0);
    };
    let mut all: Vec<Deadline> = deadlines::of_consent(&memory, now).into_iter().collect();
    all.extend(deadlines::of_subjects(&memory, now));
    all.extend(deadlines::of_pairings(pairings::of_case(pool, case).await?.iter()));
    all.extend(deadlines::of_access(access::of_case(pool, case).await?.iter()));
    let days = near(&all, now);
    if days.is_empty() {
        return Ok(0);
    }
    let message = OutboxRow {
        id: DeliveryId::new(),
        partner: row.organisation,
        kind: notices::KIND,
        object: case.uuid(),
        created_ms: now.as_millisecond(),
    };
    Ok(notices::tell(pool, case, &days, &message).await?)
}

/// Those that are near, each with the day by which it is told once.
fn near(all: &[Deadline], now: Timestamp) -> Vec<(DeadlineKind, String)> {
    let today = date_in_amsterdam(now);
    let last = today.checked_add(AHEAD_DAYS.days()).unwrap_or(Date::MAX);
    let one = |deadline: &Deadline| match deadline.on {
        Some(day) => (day <= last || deadline.kind == DeadlineKind::ConsentEnds)
            .then(|| (deadline.kind, day.to_string())),
        // The month in which it is told: the day itself would be a date of birth.
        None => Some((deadline.kind, format!("{:04}-{:02}", today.year(), today.month()))),
    };
    all.iter().filter_map(one).collect()
}
