//! Rows of the key ring: wrapped by the root key, which is in no database.

use crate::crypto::keyring::{KeyPurpose, KeyState, WrappedKey};
use crate::store::pool::{on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;

/// All keys.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn load(pool: &Pool) -> Result<Vec<WrappedKey>, StoreError> {
    const SQL: &str = "SELECT purpose, version, created_ms, state, wrapped FROM key_ring \
        ORDER BY purpose, version";
    on_db!(pool, |db| sqlx::query(SQL)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let purpose: String = row.try_get("purpose")?;
            let state: String = row.try_get("state")?;
            Ok(WrappedKey {
                purpose: KeyPurpose::parse(&purpose).ok_or(StoreError::Corrupt("key purpose"))?,
                version: row.try_get("version")?,
                created_ms: row.try_get("created_ms")?,
                state: KeyState::parse(&state).ok_or(StoreError::Corrupt("key state"))?,
                wrapped: row.try_get("wrapped")?,
            })
        })
        .collect())
}

/// Adds a key. A key of that purpose and version that is there already stays as it is.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub async fn add(pool: &Pool, key: &WrappedKey) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO key_ring (purpose, version, created_ms, state, wrapped) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (purpose, version) DO NOTHING";
    let mut held = pool.writing().await?;
    let mut conn = held.conn();
    on_conn!(&mut conn, |db| sqlx::query(SQL)
        .bind(key.purpose.as_str())
        .bind(key.version)
        .bind(key.created_ms)
        .bind(key.state.as_str())
        .bind(key.wrapped.as_slice())
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}
