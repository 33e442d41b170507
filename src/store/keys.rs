//! Rows of the key ring: wrapped by the root key, which is in no database.

use crate::audit::entry::{Code, Entry, Event, Outcome};
use crate::crypto::digest::{hex, sha256};
use crate::crypto::keyring::{KeyPurpose, KeyState, Keyring, WrappedKey};
use crate::crypto::seal::WrappedCaseKey;
use crate::store::ledger::Stamp;
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError, ledger};
use sqlx::{Connection, Row};
use uuid::Uuid;

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

/// Purpose, version and state of every key that is not destroyed, in that order.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn states(pool: &Pool) -> Result<Vec<(KeyPurpose, i32, KeyState)>, StoreError> {
    let rows = load(pool).await?;
    let there = rows.iter().filter(|row| row.state != KeyState::Destroyed);
    let mut states: Vec<_> = there.map(|row| (row.purpose, row.version, row.state)).collect();
    states.sort_by_key(|(purpose, version, _)| (*purpose, *version));
    Ok(states)
}

/// A step in the life of a purpose's keys, written with its ledger entry in one commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// This version becomes the active one, the others are for opening only.
    Activate(i32),
    /// This version is destroyed, unless a case key is still wrapped under it.
    Destroy(i32),
}

/// Takes a step. Gives whether anything was done.
///
/// # Errors
/// [`StoreError`] when it cannot be written; nothing has changed then.
pub async fn step(
    pool: &Pool,
    keyring: &Keyring,
    purpose: KeyPurpose,
    step: Step,
    stamp: &Stamp,
) -> Result<bool, StoreError> {
    match pool {
        Pool::Sqlite { write, .. } => {
            let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
            let done = stepped(&mut Conn::Sqlite(&mut tx), keyring, purpose, step, stamp).await?;
            tx.commit().await?;
            Ok(done)
        }
        Pool::Postgres(db) => {
            let mut tx = db.begin().await?;
            let done = stepped(&mut Conn::Postgres(&mut tx), keyring, purpose, step, stamp).await?;
            tx.commit().await?;
            Ok(done)
        }
    }
}

async fn stepped(
    conn: &mut Conn<'_>,
    keyring: &Keyring,
    purpose: KeyPurpose,
    step: Step,
    stamp: &Stamp,
) -> Result<bool, StoreError> {
    const RETIRE: &str = "UPDATE key_ring SET state = 'verify-only' \
        WHERE purpose = $1 AND state = 'active' AND version <> $2";
    const ACTIVATE: &str = "UPDATE key_ring SET state = 'active' \
        WHERE purpose = $1 AND version = $2 AND state = 'verify-only'";
    const DESTROY_SQLITE: &str = "UPDATE key_ring SET state = 'destroyed', wrapped = x'' \
        WHERE purpose = $1 AND version = $2 AND state = 'verify-only' \
        AND ($1 <> 'kek' OR NOT EXISTS (SELECT 1 FROM case_key WHERE kek_version = $2))";
    const DESTROY_POSTGRES: &str = "UPDATE key_ring SET state = 'destroyed', wrapped = '' \
        WHERE purpose = $1 AND version = $2 AND state = 'verify-only' \
        AND ($1 <> 'kek' OR NOT EXISTS (SELECT 1 FROM case_key WHERE kek_version = $2))";
    let mut head = ledger::lock_head(conn, None).await?;
    let (sql, version, word) = match (step, &*conn) {
        (Step::Activate(version), _) => (ACTIVATE, version, "active"),
        (Step::Destroy(version), Conn::Sqlite(_)) => (DESTROY_SQLITE, version, "destroyed"),
        (Step::Destroy(version), Conn::Postgres(_)) => (DESTROY_POSTGRES, version, "destroyed"),
    };
    let done = on_conn!(conn, |db| {
        let done = sqlx::query(sql).bind(purpose.as_str()).bind(version).execute(&mut **db).await?;
        let done = done.rows_affected() == 1;
        if let (Step::Activate(version), true) = (step, done) {
            sqlx::query(RETIRE).bind(purpose.as_str()).bind(version).execute(&mut **db).await?;
        }
        done
    });
    if done {
        let mut entry = Entry::new(Event::KeyRotated, Outcome::Allow);
        let mut fields = vec![format!("{}:{version}", purpose.as_str()), word.to_owned()];
        let activates = matches!(step, Step::Activate(_));
        let next = (activates && purpose == KeyPurpose::LedgerSigning).then_some(version);
        if next.is_some() {
            fields.extend(takes_over(keyring, version)?);
        }
        entry.fields = fields.iter().filter_map(|field| Code::parse(field).ok()).collect();
        ledger::record_under(conn, &mut head, keyring, &entry, stamp, next).await?;
    }
    Ok(done)
}

/// Which ledger key takes over from which, by the hashes of their public halves: what a verifier needs to refuse heads
/// that the old one signs later.
fn takes_over(keyring: &Keyring, version: i32) -> Result<[String; 2], StoreError> {
    const KEY: StoreError = StoreError::Unavailable("signing key");
    let active = keyring.active_version(KeyPurpose::LedgerSigning).or(Err(KEY))?;
    let keys = keyring.ledger_public_keys();
    let hash = |wanted: i32| {
        let key = keys.iter().find(|key| key.version == wanted).ok_or(KEY)?;
        Ok::<_, StoreError>(hex(&sha256(&key.bytes)))
    };
    Ok([format!("from:{}", hash(active)?), format!("to:{}", hash(version)?)])
}

/// Writes every key as it is wrapped under a new root key, with the entry that says so, in one commit. `rows`
/// is every key: as it was read, and as it is to be.
///
/// # Errors
/// [`StoreError::Constraint`] when a key came, went or changed since it was read: what one root opens and
/// the other does not would be lost. [`StoreError`] when it cannot be written. Nothing has changed then.
pub async fn write_wrapped(
    pool: &Pool,
    keyring: &Keyring,
    rows: &[(WrappedKey, WrappedKey)],
    stamp: &Stamp,
) -> Result<(), StoreError> {
    match pool {
        Pool::Sqlite { write, .. } => {
            let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
            write_rows(&mut Conn::Sqlite(&mut tx), keyring, rows, stamp).await?;
            Ok(tx.commit().await?)
        }
        Pool::Postgres(db) => {
            let mut tx = db.begin().await?;
            write_rows(&mut Conn::Postgres(&mut tx), keyring, rows, stamp).await?;
            Ok(tx.commit().await?)
        }
    }
}

async fn write_rows(
    conn: &mut Conn<'_>,
    keyring: &Keyring,
    rows: &[(WrappedKey, WrappedKey)],
    stamp: &Stamp,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE key_ring SET wrapped = $3 \
        WHERE purpose = $1 AND version = $2 AND wrapped = $4";
    const ALL: &str = "SELECT COUNT(*) FROM key_ring";
    let head = ledger::lock_head(conn, None).await?;
    let mut left: i64 = on_conn!(conn, |db| sqlx::query_scalar(ALL).fetch_one(&mut **db).await?);
    for (before, after) in rows {
        let changed = on_conn!(conn, |db| sqlx::query(SQL)
            .bind(after.purpose.as_str())
            .bind(after.version)
            .bind(after.wrapped.as_slice())
            .bind(before.wrapped.as_slice())
            .execute(&mut **db)
            .await?
            .rows_affected());
        left -= i64::from(changed == 1);
    }
    if left != 0 {
        return Err(StoreError::Constraint);
    }
    let mut entry = Entry::new(Event::KeyRotated, Outcome::Allow);
    entry.fields = Code::parse("root").into_iter().collect();
    ledger::record(conn, head, keyring, &entry, stamp).await?;
    Ok(())
}

/// How many case keys are wrapped under another key-encryption key than this one.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn wrapped_under_others(pool: &Pool, version: i32) -> Result<u64, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM case_key WHERE kek_version <> $1";
    let count: i64 = on_db!(pool, |db| sqlx::query_scalar(SQL).bind(version).fetch_one(db).await?);
    Ok(u64::try_from(count).unwrap_or_default())
}

/// A few case keys that are wrapped under another key-encryption key than this one.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn some_under_others(
    pool: &Pool,
    version: i32,
    limit: i64,
) -> Result<Vec<(Uuid, WrappedCaseKey)>, StoreError> {
    const SQL: &str = "SELECT case_id, kek_version, wrapped FROM case_key WHERE kek_version <> $1 \
        LIMIT $2";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(version)
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let key = WrappedCaseKey {
                kek_version: row.try_get("kek_version")?,
                wrapped: row.try_get("wrapped")?,
            };
            Ok((row.try_get("case_id")?, key))
        })
        .collect())
}

/// Writes case keys wrapped anew, each only where it is still wrapped as it was read.
///
/// # Errors
/// [`StoreError`] when they cannot be written; none is then.
pub async fn rewrapped(
    pool: &Pool,
    keys: &[(Uuid, i32, WrappedCaseKey)],
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE case_key SET kek_version = $3, wrapped = $4 \
        WHERE case_id = $1 AND kek_version = $2";
    let mut held = pool.writing().await?;
    let mut conn = held.conn();
    on_conn!(&mut conn, |db| {
        let mut tx = db.begin().await?;
        for (case, before, key) in keys {
            sqlx::query(SQL)
                .bind(case)
                .bind(before)
                .bind(key.kek_version)
                .bind(key.wrapped.as_slice())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
    });
    Ok(())
}

/// Whether a key-encryption key is there at all, inside a transaction that writes what is wrapped under it: a
/// gateway that has not looked for a while must not write what nobody can open.
pub(super) async fn is_there(conn: &mut Conn<'_>, kek: i32) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM key_ring WHERE purpose = 'kek' AND version = $1 \
        AND state <> 'destroyed'";
    let count: i64 =
        on_conn!(conn, |db| sqlx::query_scalar(SQL).bind(kek).fetch_one(&mut **db).await?);
    Ok(count == 1)
}
