//! The hourly round of days that must not pass: the organisation of a coordinator is told of each once, by the id of
//! the case and nothing else.

use crate::crypto::digest::hex;
use crate::domain::age::date_in_amsterdam;
use crate::domain::case::{CaseState, Stage};
use crate::domain::term::{Deadline, DeadlineKind, turning};
use crate::flow::on_case::standing_of;
use crate::flow::{FlowError, Gateway, deadlines};
use crate::ids::{CaseId, DeliveryId};
use crate::store::cases::CaseRow;
use crate::store::facts::CaseMemory;
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
            match look_at(gateway, case).await {
                Ok(some) => told += some,
                // One that cannot be read keeps no other from its day.
                Err(error) => tracing::warn!(error = %error, "a case whose days cannot be told"),
            }
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
    // A closed case has no day left but that of a request that waits.
    if row.state == CaseState::Closed {
        let waiting = access::of_case(pool, case).await?;
        return put(gateway, &row, near(&deadlines::of_access(waiting.iter()), now), now).await;
    }
    let mut all: Vec<Deadline> = deadlines::of_consent(&memory, now).into_iter().collect();
    all.extend(deadlines::of_pairings(pairings::of_case(pool, case).await?.iter()));
    all.extend(deadlines::of_access(access::of_case(pool, case).await?.iter()));
    let mut days = near(&all, now);
    if standing_of(&gateway.consent.load(), &row, &memory, now).stage == Some(Stage::Full) {
        days.extend(birthdays(gateway, case, &memory, now));
    }
    put(gateway, &row, days, now).await
}

/// Tells of the days of a case that were not told of before.
async fn put(
    gateway: &Gateway,
    row: &CaseRow,
    days: Vec<(&'static str, String)>,
    now: Timestamp,
) -> Result<u64, FlowError> {
    let pool = &gateway.store.pool;
    // Asked first without the lock: at most hours nothing is new.
    let days = notices::fresh(pool, row.id, days).await?;
    if days.is_empty() {
        return Ok(0);
    }
    let message = OutboxRow {
        id: DeliveryId::new(),
        partner: row.organisation,
        kind: notices::KIND,
        object: row.id.uuid(),
        created_ms: now.as_millisecond(),
    };
    Ok(notices::tell(pool, row.id, &days, &message).await?)
}

/// Those that are near, each with the day by which it is told once.
fn near(all: &[Deadline], now: Timestamp) -> Vec<(&'static str, String)> {
    let today = date_in_amsterdam(now);
    let last = today.checked_add(AHEAD_DAYS.days()).unwrap_or(Date::MAX);
    let one = |deadline: &Deadline| {
        let day = deadline.on?;
        let told = day <= last || deadline.kind == DeadlineKind::ConsentEnds;
        told.then(|| (deadline.kind.as_str(), day.to_string()))
    };
    all.iter().filter_map(one).collect()
}

/// Birthdays that count, each told once and remembered by a keyed hash: which age of whom would say how old a child is.
fn birthdays(
    gateway: &Gateway,
    case: CaseId,
    memory: &CaseMemory,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let today = date_in_amsterdam(now);
    let mut days = Vec::new();
    for subject in memory.subjects.iter().filter(|subject| !subject.adult) {
        for one in turning(subject.birth, today) {
            let name = format!("{case}/{}/{}", subject.reference.as_str(), one.kind.as_str());
            days.push(("birthday", hex(&gateway.keyring.token_hash(&name))));
        }
    }
    days
}
