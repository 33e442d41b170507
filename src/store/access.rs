//! Rows of requests for access: who of a family asked to see what is kept, when, and until when it is answered.

use crate::domain::consent::SubjectRef;
use crate::domain::partner::Slug;
use crate::ids::{AccessRequestId, CaseId, PartnerId};
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;

/// A request for access.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessRow {
    /// Id.
    pub id: AccessRequestId,
    /// Of which case.
    pub case: CaseId,
    /// Who asked: the label in the referral.
    pub subject: SubjectRef,
    /// Milliseconds since the epoch.
    pub received_ms: i64,
    /// Until when it is to be answered, in milliseconds since the epoch.
    pub due_ms: i64,
    /// When it was answered first, in milliseconds since the epoch.
    pub answered_ms: Option<i64>,
}

macro_rules! access_of {
    ($row:expr) => {{
        let row = $row;
        let subject: String = row.try_get("subject")?;
        Ok::<_, StoreError>(AccessRow {
            id: AccessRequestId::from_uuid(row.try_get("id")?),
            case: CaseId::from_uuid(row.try_get("case_id")?),
            subject: SubjectRef::parse(&subject).or(Err(StoreError::Corrupt("access_request")))?,
            received_ms: row.try_get("received_ms")?,
            due_ms: row.try_get("due_ms")?,
            answered_ms: row.try_get("answered_ms")?,
        })
    }};
}

pub(super) async fn insert(conn: &mut Conn<'_>, row: &AccessRow) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO access_request (id, case_id, subject, received_ms, due_ms) \
        VALUES ($1, $2, $3, $4, $5)";
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(row.id.uuid())
        .bind(row.case.uuid())
        .bind(row.subject.as_str())
        .bind(row.received_ms)
        .bind(row.due_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

/// Keeps when a request was answered first.
pub(super) async fn answer(
    conn: &mut Conn<'_>,
    id: AccessRequestId,
    at_ms: i64,
) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE access_request SET answered_ms = COALESCE(answered_ms, $2) WHERE id = $1";
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(id.uuid())
        .bind(at_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

/// Requests about a case, oldest first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn of_case(pool: &Pool, case: CaseId) -> Result<Vec<AccessRow>, StoreError> {
    const SQL: &str = "SELECT id, case_id, subject, received_ms, due_ms, answered_ms \
        FROM access_request WHERE case_id = $1 ORDER BY received_ms, id";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(case.uuid())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| access_of!(row))
        .collect())
}

/// Requests that wait, about the cases of one coordinator.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn waiting(
    pool: &Pool,
    organisation: PartnerId,
    coordinator: &Slug,
) -> Result<Vec<AccessRow>, StoreError> {
    const SQL: &str = "SELECT a.id, a.case_id, a.subject, a.received_ms, a.due_ms, a.answered_ms \
        FROM access_request a JOIN case_file c ON c.id = a.case_id \
        WHERE c.organisation_id = $1 AND c.assignee = $2 AND a.answered_ms IS NULL";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(organisation.uuid())
        .bind(coordinator.as_str())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| access_of!(row))
        .collect())
}

/// Every request that waits, the soonest due first: when it came and when it is due, and of which organisation's case.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn clocks(pool: &Pool) -> Result<Vec<(PartnerId, i64, i64)>, StoreError> {
    const SQL: &str = "SELECT c.organisation_id, a.received_ms, a.due_ms FROM access_request a \
        JOIN case_file c ON c.id = a.case_id WHERE a.answered_ms IS NULL ORDER BY a.due_ms, a.id";
    on_db!(pool, |db| sqlx::query(SQL)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let organisation = PartnerId::from_uuid(row.try_get("organisation_id")?);
            Ok((organisation, row.try_get("received_ms")?, row.try_get("due_ms")?))
        })
        .collect())
}
