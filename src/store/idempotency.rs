//! What was asked before: a keyed hash of the key, a keyed hash of the body, a status and an id. Never
//! the body: a store of replies would be a second copy of everything that is sealed elsewhere.

use crate::store::pool::{Conn, Joined, on_conn, on_db};
use crate::store::{Pool, StoreError};
use serde_json::{Value, json};
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

macro_rules! remembered_of {
    ($row:expr) => {{
        let row = $row;
        let scope: Vec<u8> = row.try_get("scope")?;
        let scope = scope.try_into().or(Err(StoreError::Corrupt("idempotency.scope")))?;
        let (body, status) = (row.try_get("body")?, row.try_get("status")?);
        let remembered = remembered(body, status, row.try_get("resource")?)?;
        Ok::<_, StoreError>((Scope(scope), remembered))
    }};
}

pub(super) async fn find(
    conn: &mut Conn<'_>,
    scopes: &[Scope],
) -> Result<HashMap<Scope, Remembered>, StoreError> {
    const SQLITE: &str = "SELECT scope, body, status, resource FROM idempotency WHERE scope IN \
        (SELECT substr($1, value, 32) FROM json_each($2))";
    const POSTGRES: &str =
        "SELECT scope, body, status, resource FROM idempotency WHERE scope = ANY($1)";
    let mut found = HashMap::new();
    if scopes.is_empty() {
        return Ok(found);
    }
    match conn {
        Conn::Sqlite(db) => {
            let mut keys = Joined::default();
            let places: Value = scopes.iter().map(|scope| keys.push(&scope.0).0).collect();
            let asked = sqlx::query(SQLITE).bind(keys.0).bind(places.to_string());
            for row in asked.fetch_all(&mut **db).await? {
                let (scope, remembered) = remembered_of!(row)?;
                found.insert(scope, remembered);
            }
        }
        Conn::Postgres(db) => {
            let keys: Vec<&[u8]> = scopes.iter().map(|scope| scope.0.as_slice()).collect();
            for row in sqlx::query(POSTGRES).bind(keys).fetch_all(&mut **db).await? {
                let (scope, remembered) = remembered_of!(row)?;
                found.insert(scope, remembered);
            }
        }
    }
    Ok(found)
}

fn remembered(body: Vec<u8>, status: i32, resource: Uuid) -> Result<Remembered, StoreError> {
    let body = body.try_into().or(Err(StoreError::Corrupt("idempotency.body")))?;
    Ok(Remembered { body, status, resource })
}

pub(super) async fn insert(conn: &mut Conn<'_>, rows: &[IdempotencyRow]) -> Result<(), StoreError> {
    const SQLITE: &str = "INSERT INTO idempotency (scope, body, status, resource, created_ms) \
        SELECT substr($1, key * 80 + 1, 32), substr($1, key * 80 + 33, 32), value ->> 0, \
        substr($1, key * 80 + 65, 16), value ->> 1 FROM json_each($2)";
    const POSTGRES: &str = "INSERT INTO idempotency (scope, body, status, resource, created_ms) \
        SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::int[], $4::uuid[], $5::bigint[])";
    if rows.is_empty() {
        return Ok(());
    }
    match conn {
        Conn::Sqlite(db) => {
            let mut blobs = Joined::default();
            let values: Value = rows
                .iter()
                .map(|row| {
                    let remembered = &row.remembered;
                    blobs.push(&row.scope.0);
                    blobs.push(&remembered.body);
                    blobs.push(remembered.resource.as_bytes());
                    json!([remembered.status, row.created_ms])
                })
                .collect();
            sqlx::query(SQLITE).bind(blobs.0).bind(values.to_string()).execute(&mut **db).await?;
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

/// When a request was made, in milliseconds since the epoch, if it was.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn made_at(pool: &Pool, scope: &Scope) -> Result<Option<i64>, StoreError> {
    const SQL: &str = "SELECT created_ms FROM idempotency WHERE scope = $1";
    Ok(on_db!(pool, |db| sqlx::query_scalar(SQL)
        .bind(scope.0.as_slice())
        .fetch_optional(db)
        .await?))
}

/// Forgets requests made before `before_ms`.
///
/// # Errors
/// [`StoreError`] when they cannot be removed.
pub async fn forget(pool: &Pool, before_ms: i64) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM idempotency WHERE created_ms < $1";
    let mut conn = pool.writing().await?;
    let mut conn = conn.conn();
    Ok(on_conn!(&mut conn, |db| sqlx::query(SQL)
        .bind(before_ms)
        .execute(&mut **db)
        .await?
        .rows_affected()))
}
