//! Approvals of tables beyond a contract: who signed for which, kept for good.

use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;

/// One approval.
#[derive(Clone, Debug)]
pub struct ApprovalRow {
    /// CBS code of the gemeente.
    pub area: String,
    /// Year.
    pub period: String,
    /// Which table.
    pub table: String,
    /// Who.
    pub approver: String,
    /// Ed25519 signature of the statement.
    pub signature: Vec<u8>,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

/// Keeps an approval; a second one of the same person changes nothing.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub(super) async fn insert(conn: &mut Conn<'_>, row: &ApprovalRow) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO disclosure_approval (area, period, table_id, approver, signature, at_ms) \
        SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM disclosure_approval \
        WHERE area = $1 AND period = $2 AND table_id = $3 AND approver = $4)";
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(row.area.as_str())
        .bind(row.period.as_str())
        .bind(row.table.as_str())
        .bind(row.approver.as_str())
        .bind(row.signature.as_slice())
        .bind(row.at_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

/// The approvals of a table, by name.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn of(
    pool: &Pool,
    area: &str,
    period: &str,
    table: &str,
) -> Result<Vec<ApprovalRow>, StoreError> {
    const SQL: &str = "SELECT area, period, table_id, approver, signature, at_ms FROM disclosure_approval \
        WHERE area = $1 AND period = $2 AND table_id = $3 ORDER BY approver";
    on_db!(pool, |db| {
        let query = sqlx::query(SQL).bind(area).bind(period).bind(table);
        let rows = query.fetch_all(db).await?;
        rows.iter()
            .map(|row| {
                Ok(ApprovalRow {
                    area: row.try_get("area")?,
                    period: row.try_get("period")?,
                    table: row.try_get("table_id")?,
                    approver: row.try_get("approver")?,
                    signature: row.try_get("signature")?,
                    at_ms: row.try_get("at_ms")?,
                })
            })
            .collect()
    })
}

/// Tables beyond a contract that were approved of and are not published: area, year, table, how many approved.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn open(pool: &Pool) -> Result<Vec<(String, String, String, i64)>, StoreError> {
    const SQL: &str = "SELECT a.area, a.period, a.table_id, COUNT(*) AS approved FROM disclosure_approval a \
        WHERE NOT EXISTS (SELECT 1 FROM figures_release f WHERE f.area = a.area AND f.period = a.period) \
        GROUP BY a.area, a.period, a.table_id ORDER BY a.area, a.period, a.table_id";
    on_db!(pool, |db| sqlx::query(SQL)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            Ok((
                row.try_get("area")?,
                row.try_get("period")?,
                row.try_get("table_id")?,
                row.try_get("approved")?,
            ))
        })
        .collect())
}
