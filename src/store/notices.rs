//! Days of which a coordinator's organisation is told once: the memory of it, with the message in one commit.

use crate::ids::CaseId;
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::referrals::{OutboxRow, insert_outbox};
use crate::store::{Pool, StoreError};
use sqlx::Row;

/// CloudEvents `type` of the message: a day of a case comes near. Which day and of what is read with the case.
pub const KIND: &str = "nl.buurtpoort.termijn-nadert";

/// A page of the cases that somebody holds and that go on, or about which a request waits, after an id.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn held(pool: &Pool, after: CaseId, limit: i64) -> Result<Vec<CaseId>, StoreError> {
    const SQL: &str = "SELECT id FROM case_file WHERE id > $1 AND assignee IS NOT NULL \
        AND erased_ms IS NULL AND (state <> 'closed' OR EXISTS (SELECT 1 FROM access_request a \
        WHERE a.case_id = case_file.id AND a.answered_ms IS NULL)) ORDER BY id LIMIT $2";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(after.uuid())
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| Ok(CaseId::from_uuid(row.try_get("id")?)))
        .collect())
}

/// Those of these days that were not told of yet.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn fresh(
    pool: &Pool,
    case: CaseId,
    days: Vec<(&'static str, String)>,
) -> Result<Vec<(&'static str, String)>, StoreError> {
    const SQL: &str = "SELECT kind, day FROM deadline_notice WHERE case_id = $1";
    if days.is_empty() {
        return Ok(days);
    }
    let told: Vec<(String, String)> = on_db!(pool, |db| sqlx::query(SQL)
        .bind(case.uuid())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("kind")?, row.try_get("day")?)))
        .collect::<Result<_, StoreError>>()?);
    let is_new =
        |(kind, day): &(&'static str, String)| !told.iter().any(|(of, at)| of == kind && at == day);
    Ok(days.into_iter().filter(is_new).collect())
}

/// Tells an organisation once of days of a case that come near. Gives how many it was not told of before; one
/// message is left for all of them.
///
/// # Errors
/// [`StoreError`] when it cannot be written; nothing is then.
pub async fn tell(
    pool: &Pool,
    case: CaseId,
    days: &[(&'static str, String)],
    message: &OutboxRow,
) -> Result<u64, StoreError> {
    match pool {
        Pool::Sqlite { write, .. } => {
            let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
            let told = told(&mut Conn::Sqlite(&mut tx), case, days, message).await?;
            tx.commit().await?;
            Ok(told)
        }
        Pool::Postgres(db) => {
            let mut tx = db.begin().await?;
            let told = told(&mut Conn::Postgres(&mut tx), case, days, message).await?;
            tx.commit().await?;
            Ok(told)
        }
    }
}

async fn told(
    conn: &mut Conn<'_>,
    case: CaseId,
    days: &[(&'static str, String)],
    message: &OutboxRow,
) -> Result<u64, StoreError> {
    const SQL: &str = "INSERT INTO deadline_notice (case_id, kind, day, at_ms) \
        VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let mut fresh = 0;
    for (kind, day) in days {
        fresh += on_conn!(conn, |db| sqlx::query(SQL)
            .bind(case.uuid())
            .bind(*kind)
            .bind(day.as_str())
            .bind(message.created_ms)
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    if fresh > 0 {
        insert_outbox(conn, std::slice::from_ref(message)).await?;
    }
    Ok(fresh)
}
