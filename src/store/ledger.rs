//! Rows of the ledger. Appending happens inside the writer's transaction, under the lock of the head
//! row, so that several gateways stay gapless.

use crate::audit::checkpoint::{Checkpoint, goes_on_under};
use crate::audit::committed::SignedHead;
use crate::audit::entry::{Code, Entry, Leaf, Position};
use crate::audit::tree::Peaks;
use crate::audit::verify::StoredLeaf;
use crate::crypto::keyring::{KeyPurpose, Keyring};
use crate::store::pool::{Conn, Joined, in_records, on_conn, on_db};
use crate::store::{Pool, StoreError};
use serde_json::{Value, json};
use sqlx::Row;

/// The ledger's head, as the lock holder knows it.
#[derive(Clone, Debug)]
pub struct Head {
    /// Origin of the log.
    pub log: String,
    /// Compact range over all entries.
    pub peaks: Peaks,
    /// Hash of the last leaf; zeros before the first.
    pub last_hash: [u8; 32],
    /// The signed note over size and root.
    pub note: String,
}

impl Head {
    /// The head as partners see it.
    #[must_use]
    pub fn signed(&self) -> SignedHead {
        SignedHead { size: self.peaks.size(), root: self.peaks.root(), note: self.note.clone() }
    }
}

/// An entry that found its place.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) seq: u64,
    pub(super) at_us: i64,
    pub(super) leaf: Leaf,
    pub(super) event: &'static str,
    pub(super) outcome: &'static str,
    pub(super) object: Option<String>,
}

/// Gives each entry its place behind `head`, and moves `head` along.
pub(super) fn place(
    head: &mut Head,
    entries: &[Entry],
    boot: [u8; 8],
    at_us: i64,
) -> Result<Vec<Placed>, StoreError> {
    entries
        .iter()
        .map(|entry| {
            let position = Position {
                log: Code::parse(&head.log).or(Err(StoreError::Corrupt("audit_head.log")))?,
                seq: head.peaks.size(),
                prev: head.last_hash,
                ts_us: at_us,
                boot,
            };
            let leaf = entry.encode(&position).or(Err(StoreError::Corrupt("ledger entry")))?;
            let columns = entry.columns();
            head.peaks.push(leaf.hash);
            head.last_hash = leaf.hash;
            Ok(Placed {
                seq: position.seq,
                at_us,
                leaf,
                event: columns.event,
                outcome: columns.outcome,
                object: columns.object,
            })
        })
        .collect()
}

/// Signs the head as it stands.
fn sign(head: &mut Head, keyring: &Keyring, next: Option<i32>) -> Result<(), StoreError> {
    const KEY: StoreError = StoreError::Unavailable("signing key");
    let checkpoint =
        Checkpoint { origin: head.log.clone(), size: head.peaks.size(), root: head.peaks.root() };
    let active = keyring.active_version(KeyPurpose::LedgerSigning).or(Err(KEY))?;
    let by: Vec<i32> = next.into_iter().chain([active]).collect();
    head.note = checkpoint.sign_by(keyring, &by).or(Err(KEY))?;
    Ok(())
}

/// Whether the ledger still goes on under the key of this process. Else the key was rotated, which is seen within a
/// second: a head signed by the old one would be found as forged.
fn check_key(head: &Head, keyring: &Keyring) -> Result<(), StoreError> {
    const KEY: StoreError = StoreError::Unavailable("signing key");
    let active = keyring.active_version(KeyPurpose::LedgerSigning).or(Err(KEY))?;
    let keys = keyring.ledger_public_keys();
    let key = keys.iter().find(|key| key.version == active).ok_or(KEY)?;
    if goes_on_under(&head.note, key) { Ok(()) } else { Err(StoreError::Busy) }
}

/// Starts the ledger of a new deployment under `log`. Does nothing where there is one.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub async fn start(pool: &Pool, log: &str, keyring: &Keyring) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO audit_head (id, log, size, root, peaks, last_hash, checkpoint) \
        VALUES (1, $1, 0, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
    let mut head = Head {
        log: log.to_owned(),
        peaks: Peaks::default(),
        last_hash: [0; 32],
        note: String::new(),
    };
    sign(&mut head, keyring, None)?;
    let root = head.peaks.root();
    let (peaks, last) = (head.peaks.to_bytes(), head.last_hash);
    match pool {
        Pool::Sqlite { write: db, .. } => {
            sqlx::query(SQL)
                .bind(log)
                .bind(root.as_slice())
                .bind(peaks)
                .bind(last.as_slice())
                .bind(&head.note)
                .execute(db)
                .await?;
        }
        Pool::Postgres(db) => {
            sqlx::query(SQL)
                .bind(log)
                .bind(root.as_slice())
                .bind(peaks)
                .bind(last.as_slice())
                .bind(&head.note)
                .execute(db)
                .await?;
        }
    }
    Ok(())
}

/// Locks the head row for this transaction and reads it. On SQLite the head this process wrote last does,
/// if there is one: [`append`] notices if it is not the last any more.
pub(super) async fn lock_head(
    conn: &mut Conn<'_>,
    mine: Option<&Head>,
) -> Result<Head, StoreError> {
    // SQLite's lock is the transaction itself (BEGIN IMMEDIATE).
    const SQLITE: &str =
        "SELECT log, size, peaks, last_hash, checkpoint FROM audit_head WHERE id = 1";
    const POSTGRES: &str =
        "SELECT log, size, peaks, last_hash, checkpoint FROM audit_head WHERE id = 1 FOR UPDATE";
    match (conn, mine) {
        (Conn::Sqlite(_), Some(head)) => Ok(head.clone()),
        (Conn::Sqlite(db), None) => head_of(&sqlx::query(SQLITE).fetch_one(&mut **db).await?),
        (Conn::Postgres(db), _) => head_of(&sqlx::query(POSTGRES).fetch_one(&mut **db).await?),
    }
}

/// Reads the head.
///
/// # Errors
/// [`StoreError`] when there is none or it cannot be read.
pub async fn head(pool: &Pool) -> Result<Head, StoreError> {
    const SQL: &str = "SELECT log, size, peaks, last_hash, checkpoint FROM audit_head WHERE id = 1";
    on_db!(pool, |db| head_of(&sqlx::query(SQL).fetch_one(db).await?))
}

fn head_of<R: Row>(row: &R) -> Result<Head, StoreError>
where
    for<'a> &'a str: sqlx::ColumnIndex<R>,
    for<'a> String: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
    for<'a> i64: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
    for<'a> Vec<u8>: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
{
    let peaks: Vec<u8> = row.try_get("peaks")?;
    let last: Vec<u8> = row.try_get("last_hash")?;
    let size: i64 = row.try_get("size")?;
    let peaks = Peaks::from_bytes(&peaks).or(Err(StoreError::Corrupt("audit_head.peaks")))?;
    if i64::try_from(peaks.size()) != Ok(size) {
        return Err(StoreError::Corrupt("audit_head.size"));
    }
    Ok(Head {
        log: row.try_get("log")?,
        peaks,
        last_hash: last.try_into().or(Err(StoreError::Corrupt("audit_head.last_hash")))?,
        note: row.try_get("checkpoint")?,
    })
}

/// Writes the placed entries, signs the new head meanwhile, and writes it.
///
/// # Errors
/// [`StoreError::Unavailable`] `serialization` when the ledger is not as long as `head` was before them;
/// `signing key` when the key refuses.
pub(super) async fn append(
    conn: &mut Conn<'_>,
    placed: &[Placed],
    head: &mut Head,
    keyring: &Keyring,
) -> Result<(), StoreError> {
    append_under(conn, placed, head, keyring, None).await
}

/// As [`append`]; where `next` is given, that version of the ledger key signs too and takes over.
async fn append_under(
    conn: &mut Conn<'_>,
    placed: &[Placed],
    head: &mut Head,
    keyring: &Keyring,
    next: Option<i32>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE audit_head SET size = $1, root = $2, peaks = $3, last_hash = $4, \
        checkpoint = $5 WHERE id = 1 AND size = $6";
    check_key(head, keyring)?;
    let size = signed_size(head.peaks.size())?;
    let before = placed.first().map_or(Ok(size), |first| signed_size(first.seq))?;
    // The database works on the entries while this thread signs.
    let (inserted, signed) =
        futures_util::future::join(insert(conn, placed), async { sign(head, keyring, next) }).await;
    // A place that is taken: somebody wrote since this head was read.
    inserted.map_err(|error| match error {
        StoreError::Constraint => StoreError::Unavailable("serialization"),
        other => other,
    })?;
    signed?;
    let root = head.peaks.root();
    let changed = on_conn!(conn, |db| sqlx::query(SQL)
        .bind(size)
        .bind(root.as_slice())
        .bind(head.peaks.to_bytes())
        .bind(head.last_hash.as_slice())
        .bind(&head.note)
        .bind(before)
        .execute(&mut **db)
        .await?
        .rows_affected());
    if changed == 1 { Ok(()) } else { Err(StoreError::Unavailable("serialization")) }
}

async fn insert(conn: &mut Conn<'_>, placed: &[Placed]) -> Result<(), StoreError> {
    match conn {
        Conn::Sqlite(db) => insert_sqlite(db, placed).await,
        Conn::Postgres(db) => {
            for run in in_records(placed, |entry| entry.leaf.bytes.len() + 192) {
                insert_postgres(db, run).await?;
            }
            Ok(())
        }
    }
}

/// One statement for the whole group: blobs side by side, the rest in a JSON array.
async fn insert_sqlite(
    db: &mut sqlx::SqliteConnection,
    placed: &[Placed],
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO audit_entry (seq, leaf, leaf_hash, at_us, event, outcome, object) \
        SELECT $1 + key, substr($2, value ->> 0, value ->> 1), substr($3, key * 32 + 1, 32), $4, \
        value ->> 2, value ->> 3, value ->> 4 FROM json_each($5)";
    let Some(first) = placed.first() else { return Ok(()) };
    let (mut leaves, mut hashes) = (Joined::default(), Joined::default());
    let rows: Value = placed
        .iter()
        .map(|p| {
            let (start, length) = leaves.push(&p.leaf.bytes);
            hashes.push(&p.leaf.hash);
            json!([start, length, p.event, p.outcome, p.object])
        })
        .collect();
    sqlx::query(SQL)
        .bind(signed_size(first.seq)?)
        .bind(leaves.0)
        .bind(hashes.0)
        .bind(first.at_us)
        .bind(rows.to_string())
        .execute(db)
        .await?;
    Ok(())
}

async fn insert_postgres(db: &mut sqlx::PgConnection, placed: &[Placed]) -> Result<(), StoreError> {
    const SQL_POSTGRES: &str = "INSERT INTO audit_entry (seq, leaf, leaf_hash, at_us, event, outcome, \
        object) SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[], \
        $5::text[], $6::text[], $7::text[])";
    let seqs: Vec<i64> = placed.iter().map(|p| signed_size(p.seq)).collect::<Result<_, _>>()?;
    let leaves = placed.iter().map(|p| p.leaf.bytes.as_slice());
    let hashes = placed.iter().map(|p| p.leaf.hash.as_slice());
    let objects = placed.iter().map(|p| p.object.as_deref());
    sqlx::query(SQL_POSTGRES)
        .bind(seqs)
        .bind(leaves.collect::<Vec<_>>())
        .bind(hashes.collect::<Vec<_>>())
        .bind(placed.iter().map(|p| p.at_us).collect::<Vec<_>>())
        .bind(placed.iter().map(|p| p.event).collect::<Vec<_>>())
        .bind(placed.iter().map(|p| p.outcome).collect::<Vec<_>>())
        .bind(objects.collect::<Vec<_>>())
        .execute(&mut *db)
        .await?;
    Ok(())
}

/// A page of entries from `from` on, in order: what a verifier reads.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn page(pool: &Pool, from: u64, limit: u32) -> Result<Vec<StoredLeaf>, StoreError> {
    const SQL: &str = "SELECT seq, leaf, leaf_hash, at_us, event, outcome, object FROM audit_entry \
        WHERE seq >= $1 ORDER BY seq LIMIT $2";
    let from = signed_size(from)?;
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(from)
        .bind(i64::from(limit))
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let seq: i64 = row.try_get("seq")?;
            let hash: Vec<u8> = row.try_get("leaf_hash")?;
            Ok(StoredLeaf {
                seq: u64::try_from(seq).or(Err(StoreError::Corrupt("audit_entry.seq")))?,
                leaf: row.try_get("leaf")?,
                leaf_hash: hash.try_into().or(Err(StoreError::Corrupt("audit_entry.leaf_hash")))?,
                at_us: row.try_get("at_us")?,
                event: row.try_get("event")?,
                outcome: row.try_get("outcome")?,
                object: row.try_get("object")?,
            })
        })
        .collect())
}

/// What a tool beside the gateway puts on its entry.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Random id of the process run.
    pub boot: [u8; 8],
    /// When, in microseconds since 1970.
    pub at_us: i64,
    /// Hash of the policy set the deployment is configured with.
    pub policies: [u8; 32],
}

/// Begins a new epoch of the log: `log` is its name from here on, and `entry` its first entry.
///
/// # Errors
/// [`StoreError`] when it cannot be written; nothing has changed then.
pub async fn begin_epoch(
    pool: &Pool,
    keyring: &Keyring,
    log: &str,
    entry: &Entry,
    stamp: &Stamp,
) -> Result<Head, StoreError> {
    match pool {
        Pool::Sqlite { write, .. } => {
            let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
            let mut conn = Conn::Sqlite(&mut tx);
            let head = epoch(&mut conn, keyring, log, entry, stamp).await?;
            tx.commit().await?;
            Ok(head)
        }
        Pool::Postgres(db) => {
            let mut tx = db.begin().await?;
            let mut conn = Conn::Postgres(&mut tx);
            let head = epoch(&mut conn, keyring, log, entry, stamp).await?;
            tx.commit().await?;
            Ok(head)
        }
    }
}

async fn epoch(
    conn: &mut Conn<'_>,
    keyring: &Keyring,
    log: &str,
    entry: &Entry,
    stamp: &Stamp,
) -> Result<Head, StoreError> {
    const SQL: &str = "UPDATE audit_head SET log = $1 WHERE id = 1";
    let mut head = lock_head(conn, None).await?;
    log.clone_into(&mut head.log);
    on_conn!(conn, |db| sqlx::query(SQL).bind(log).execute(&mut **db).await?.rows_affected());
    record(conn, head, keyring, entry, stamp).await
}

/// Writes one entry behind a head that is locked: for what is not written by the writer.
pub(super) async fn record(
    conn: &mut Conn<'_>,
    mut head: Head,
    keyring: &Keyring,
    entry: &Entry,
    stamp: &Stamp,
) -> Result<Head, StoreError> {
    record_under(conn, &mut head, keyring, entry, stamp, None).await?;
    Ok(head)
}

/// As [`record`]; where `next` is given, that version of the ledger key signs too and takes over.
pub(super) async fn record_under(
    conn: &mut Conn<'_>,
    head: &mut Head,
    keyring: &Keyring,
    entry: &Entry,
    stamp: &Stamp,
    next: Option<i32>,
) -> Result<(), StoreError> {
    let mut entry = entry.clone();
    entry.policy.hash = Some(stamp.policies);
    let placed = place(head, std::slice::from_ref(&entry), stamp.boot, stamp.at_us)?;
    append_under(conn, &placed, head, keyring, next).await
}

/// Index of the first entry of one event about one object.
///
/// # Errors
/// [`StoreError::Corrupt`] when there is none.
pub async fn first(pool: &Pool, object: &str, event: &str) -> Result<u64, StoreError> {
    const SQL: &str = "SELECT seq FROM audit_entry WHERE object = $1 AND event = $2 \
        ORDER BY seq LIMIT 1";
    let seq: i64 =
        on_db!(pool, |db| sqlx::query_scalar(SQL).bind(object).bind(event).fetch_one(db).await?);
    u64::try_from(seq).or(Err(StoreError::Corrupt("audit_entry.seq")))
}

fn signed_size(size: u64) -> Result<i64, StoreError> {
    i64::try_from(size).or(Err(StoreError::Corrupt("ledger size")))
}
