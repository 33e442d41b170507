//! The ledger as whoever checks it reads it: rows as they stand, whatever is in them.
//!
//! For `buurtpoort audit`, for proofs and for exports. Invariant: a value that cannot be what was written (a
//! hash of another length, a negative size) becomes one that no rule accepts, so that the verifier names the
//! row instead of the reader giving up on the whole. Absent: writing (`store::ledger`).

use crate::audit::verify::{StoredHead, StoredLeaf};
use crate::store::pool::on_db;
use crate::store::{Pool, StoreError};
use sqlx::Row;

/// Leaf hashes read at a time.
const RUN: i64 = 16_384;

macro_rules! leaf_of {
    ($row:expr) => {{
        let row = $row;
        let seq: i64 = row.try_get("seq")?;
        Ok::<_, StoreError>(StoredLeaf {
            seq: u64::try_from(seq).unwrap_or(u64::MAX),
            leaf: row.try_get("leaf")?,
            leaf_hash: hash(row.try_get("leaf_hash")?),
            at_us: row.try_get("at_us")?,
            event: row.try_get("event")?,
            outcome: row.try_get("outcome")?,
            object: row.try_get("object")?,
        })
    }};
}

/// The head row.
///
/// # Errors
/// [`StoreError`] when there is none or the database does not answer.
pub async fn head(pool: &Pool) -> Result<StoredHead, StoreError> {
    const SQL: &str =
        "SELECT log, size, root, peaks, last_hash, checkpoint FROM audit_head WHERE id = 1";
    on_db!(pool, |db| {
        let row = sqlx::query(SQL).fetch_one(db).await?;
        let size: i64 = row.try_get("size")?;
        Ok(StoredHead {
            log: row.try_get("log")?,
            size: u64::try_from(size).unwrap_or(u64::MAX),
            root: hash(row.try_get("root")?),
            peaks: row.try_get("peaks")?,
            last_hash: hash(row.try_get("last_hash")?),
            checkpoint: row.try_get("checkpoint")?,
        })
    })
}

/// Entries from the row `from` on, in order. Begin with [`i64::MIN`]: a row before the first is found too.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn entries(pool: &Pool, from: i64, limit: u32) -> Result<Vec<StoredLeaf>, StoreError> {
    const SQL: &str = "SELECT seq, leaf, leaf_hash, at_us, event, outcome, object FROM audit_entry \
        WHERE seq >= $1 ORDER BY seq LIMIT $2";
    on_db!(pool, |db| {
        let rows = sqlx::query(SQL).bind(from).bind(i64::from(limit)).fetch_all(db).await?;
        rows.iter().map(|row| leaf_of!(row)).collect()
    })
}

/// Entries about one object, by the ledger's name for it in hex, oldest first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn about(pool: &Pool, object: &str) -> Result<Vec<StoredLeaf>, StoreError> {
    // Without an index, which whoever writes to the database could have made to skip rows.
    const SQL: &str = "SELECT seq, leaf, leaf_hash, at_us, event, outcome, object FROM audit_entry \
        WHERE object || '' = $1 ORDER BY seq";
    on_db!(pool, |db| {
        let rows = sqlx::query(SQL).bind(object).fetch_all(db).await?;
        rows.iter().map(|row| leaf_of!(row)).collect()
    })
}

/// Whether indexes hold all rows: of SQLite, whose file a tool can change so that a question skips some.
/// PostgreSQL has `amcheck` for it.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn is_whole(pool: &Pool) -> Result<bool, StoreError> {
    match pool {
        Pool::Sqlite { read, .. } => {
            let told: String =
                sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(read).await?;
            Ok(told == "ok")
        }
        Pool::Postgres(_) => Ok(true),
    }
}

/// Number of the last row, wherever the head stands.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn last_row(pool: &Pool) -> Result<Option<i64>, StoreError> {
    const SQL: &str = "SELECT MAX(seq) FROM audit_entry";
    Ok(on_db!(pool, |db| sqlx::query_scalar(SQL).fetch_one(db).await?))
}

/// The hashes of the first `size` leaves, from which any proof about a tree of that size is made. Reads
/// 32 bytes a leaf, all of them, in runs of 16,384.
///
/// # Errors
/// [`StoreError::Corrupt`] when there are fewer; [`StoreError`] when they cannot be read.
pub async fn hashes(pool: &Pool, size: u64) -> Result<Vec<[u8; 32]>, StoreError> {
    const SQL: &str = "SELECT leaf_hash FROM audit_entry WHERE seq >= $1 AND seq < $2 ORDER BY seq";
    let end = i64::try_from(size).or(Err(StoreError::Corrupt("ledger size")))?;
    let mut hashes = Vec::new();
    let mut from = 0;
    while from < end {
        let until = end.min(from.saturating_add(RUN));
        let run: Vec<Vec<u8>> =
            on_db!(pool, |db| sqlx::query_scalar(SQL).bind(from).bind(until).fetch_all(db).await?);
        hashes.extend(run.into_iter().map(hash));
        from = until;
    }
    let whole = u64::try_from(hashes.len()) == Ok(size);
    if whole { Ok(hashes) } else { Err(StoreError::Corrupt("audit_entry")) }
}

/// What is no hash becomes zeros, which no leaf hashes to.
fn hash(bytes: Vec<u8>) -> [u8; 32] {
    bytes.try_into().unwrap_or([0; 32])
}
