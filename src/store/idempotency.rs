//! What was asked before: a keyed hash of the key, a keyed hash of the body, a status and an id. Never
//! the body: a store of replies would be a second copy of everything that is sealed elsewhere.

use crate::store::StoreError;
use crate::store::pool::{Conn, on_conn};
use sqlx::Row;
use std::collections::HashMap;
use uuid::Uuid;

/// Keyed hash of partner, route and `Idempotency-Key`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Scope(pub [u8; 32]);

/// An earlier request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remembered {
    /// Keyed hash of its body.
    pub body: [u8; 32],
    /// HTTP status of its answer.
    pub status: i32,
    /// What it made.
    pub resource: Uuid,
}

/// A row to remember a request by.
#[derive(Clone, Debug)]
pub struct IdempotencyRow {
    /// Keyed hash of partner, route and key.
    pub scope: Scope,
    /// What is remembered.
    pub remembered: Remembered,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
}

pub(super) async fn find(
    conn: &mut Conn<'_>,
    scopes: &[Scope],
) -> Result<HashMap<Scope, Remembered>, StoreError> {
    const SQLITE: &str = "SELECT scope, body, status, resource FROM idempotency WHERE scope = $1";
    const POSTGRES: &str =
        "SELECT scope, body, status, resource FROM idempotency WHERE scope = ANY($1)";
    let mut found = HashMap::new();
    match conn {
        Conn::Sqlite(db) => {
            for scope in scopes {
                let row =
                    sqlx::query(SQLITE).bind(scope.0.as_slice()).fetch_optional(&mut **db).await?;
                if let Some(row) = row {
                    let body: Vec<u8> = row.try_get("body")?;
                    let (status, resource) = (row.try_get("status")?, row.try_get("resource")?);
                    found.insert(*scope, remembered(body, status, resource)?);
                }
            }
        }
        Conn::Postgres(db) if !scopes.is_empty() => {
            let keys: Vec<&[u8]> = scopes.iter().map(|scope| scope.0.as_slice()).collect();
            for row in sqlx::query(POSTGRES).bind(keys).fetch_all(&mut **db).await? {
                let scope: Vec<u8> = row.try_get("scope")?;
                let scope = scope.try_into().or(Err(StoreError::Corrupt("idempotency.scope")))?;
                let body: Vec<u8> = row.try_get("body")?;
                let (status, resource) = (row.try_get("status")?, row.try_get("resource")?);
                found.insert(Scope(scope), remembered(body, status, resource)?);
            }
        }
        Conn::Postgres(_) => {}
    }
    Ok(found)
}

fn remembered(body: Vec<u8>, status: i32, resource: Uuid) -> Result<Remembered, StoreError> {
    let body = body.try_into().or(Err(StoreError::Corrupt("idempotency.body")))?;
    Ok(Remembered { body, status, resource })
}

pub(super) async fn insert(conn: &mut Conn<'_>, rows: &[IdempotencyRow]) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO idempotency (scope, body, status, resource, created_ms) \
        VALUES ($1, $2, $3, $4, $5)";
    const POSTGRES: &str = "INSERT INTO idempotency (scope, body, status, resource, created_ms) \
        SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::int[], $4::uuid[], $5::bigint[])";
    if rows.is_empty() {
        return Ok(());
    }
    match conn {
        Conn::Sqlite(db) => {
            for row in rows {
                sqlx::query(SQL)
                    .bind(row.scope.0.as_slice())
                    .bind(row.remembered.body.as_slice())
                    .bind(row.remembered.status)
                    .bind(row.remembered.resource)
                    .bind(row.created_ms)
                    .execute(&mut **db)
                    .await?;
            }
        }
        Conn::Postgres(db) => {
            sqlx::query(POSTGRES)
                .bind(rows.iter().map(|r| r.scope.0.as_slice()).collect::<Vec<_>>())
                .bind(rows.iter().map(|r| r.remembered.body.as_slice()).collect::<Vec<_>>())
                .bind(rows.iter().map(|r| r.remembered.status).collect::<Vec<_>>())
                .bind(rows.iter().map(|r| r.remembered.resource).collect::<Vec<_>>())
                .bind(rows.iter().map(|r| r.created_ms).collect::<Vec<_>>())
                .execute(&mut **db)
                .await?;
        }
    }
    Ok(())
}

/// Forgets requests made before `before_ms`.
///
/// # Errors
/// [`StoreError`] when they cannot be removed.
pub async fn forget(pool: &crate::store::Pool, before_ms: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM idempotency WHERE created_ms < $1";
    let mut conn = pool.writing().await?;
    let mut conn = conn.conn();
    Ok(on_conn!(&mut conn, |db| sqlx::query(SQL)
        .bind(before_ms)
        .execute(&mut **db)
        .await?
        .rows_affected()))
}
