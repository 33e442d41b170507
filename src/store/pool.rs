//! One enum for two databases.

use crate::store::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, PgConnection, Row, SqliteConnection};
use std::fs::{File, TryLockError};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection is waited for, and SQLite's lock.
const WAIT: Duration = Duration::from_secs(2);

/// Connections to one of the two databases.
#[derive(Clone, Debug)]
pub enum Pool {
    /// A file in this process: one writer at a time, readers beside it.
    Sqlite {
        /// Readers.
        read: SqlitePool,
        /// The one writing connection.
        write: SqlitePool,
        /// The file.
        path: Arc<PathBuf>,
        /// Held by a gateway as long as it lives, see [`Pool::claim`].
        claimed: Option<Arc<File>>,
    },
    /// A server, shared by several gateway processes.
    Postgres(PgPool),
}

/// Runs one body on whichever database is behind a [`Pool`]; `db` is something to execute on.
macro_rules! on_db {
    ($pool:expr, |$db:ident| $body:expr) => {
        match $pool {
            $crate::store::Pool::Sqlite { read: $db, .. } => $body,
            $crate::store::Pool::Postgres($db) => $body,
        }
    };
}
pub(crate) use on_db;

/// One open transaction's connection.
#[derive(Debug)]
pub enum Conn<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL.
    Postgres(&'c mut PgConnection),
}

/// Runs one body on whichever connection a [`Conn`] is.
macro_rules! on_conn {
    ($conn:expr, |$db:ident| $body:expr) => {
        match $conn {
            $crate::store::pool::Conn::Sqlite($db) => $body,
            $crate::store::pool::Conn::Postgres($db) => $body,
        }
    };
}
pub(crate) use on_conn;

/// Blobs side by side: how the rows of a group go to SQLite in one statement. Each call of sqlx crosses
/// to the thread of the connection and back, which costs more than the insert itself.
#[derive(Debug, Default)]
pub(super) struct Joined(pub(super) Vec<u8>);

impl Joined {
    /// Adds one; where it begins, counted from 1 as SQL does, and how long it is.
    pub(super) fn push(&mut self, blob: &[u8]) -> (usize, usize) {
        let start = self.0.len() + 1;
        self.0.extend_from_slice(blob);
        (start, blob.len())
    }
}

/// Most bytes of parameters in one statement to PostgreSQL: what fits one TLS record.
///
/// sqlx 0.9.0 leaves Nagle's algorithm on and hands the socket one record at a time, so the second
/// record of a statement would wait for the delayed acknowledgement of the first: 40 ms each time.
const RECORD_BYTES: usize = 14 * 1024;

/// Cuts rows into runs that each fit one statement; `bytes` is the size of a row's parameters. A row
/// that is too large by itself is a run of its own.
pub(super) fn in_records<T>(rows: &[T], bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut total = 0;
        let fits = |row: &&T| {
            total += bytes(row);
            total <= RECORD_BYTES
        };
        let length = rest.iter().take_while(fits).count().max(1);
        let (run, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(run)
    })
}

impl Pool {
    /// Opens `sqlite:PATH` or `postgres://…`, and asserts that commits are durable there.
    ///
    /// # Errors
    /// [`StoreError::Setting`] when the database is not durable or not private on the way;
    /// [`StoreError::Unavailable`] when it cannot be reached.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        match url.strip_prefix("sqlite:") {
            Some(path) => Self::open_sqlite(Path::new(path.trim_start_matches("//"))).await,
            None => Self::open_postgres(url).await,
        }
    }

    /// Copies SQLite's write-ahead log into the database and empties it, so that what was deleted is in neither.
    /// Gives whether it could: a reader may be in the way. PostgreSQL keeps its own log in its own time.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        let Self::Sqlite { write, .. } = self else {
            return Ok(true);
        };
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(write).await?;
        Ok(row.try_get::<i64, _>(0)? == 0)
    }

    async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        make_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(WAIT)
            .statement_cache_capacity(256)
            .pragma("secure_delete", "on")
            .pragma("temp_store", "memory")
            // Ids are random, so every insert looks up leaves all over the indexes: hold the upper ones
            // in memory (16 MiB; the system holds the others), and let a page that is written again and
            // again be copied back once. Not more: each commit that split a page goes through the whole
            // table of the cache, which with 64 MiB took a twentieth of all work.
            .pragma("cache_size", "-16384")
            .pragma("wal_autocheckpoint", "8000")
            .disable_statement_logging();
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WAIT)
            .connect_with(options.clone())
            .await?;
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(WAIT)
            .connect_with(options)
            .await?;
        let pool = Self::Sqlite { read, write, claimed: None, path: Arc::new(path.to_owned()) };
        pool.assert_durable().await?;
        Ok(pool)
    }

    async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .or(Err(StoreError::Setting("database.url")))?
            .application_name("buurtpoort")
            .disable_statement_logging();
        let private =
            is_on_this_machine(&options) || matches!(options.get_ssl_mode(), PgSslMode::VerifyFull);
        if !private {
            return Err(StoreError::Setting("database.url sslmode=verify-full"));
        }
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(WAIT)
            // A statement prepared while its table was empty keeps the plan for an empty table, and
            // reads all of it each time, until the server gathers statistics: 2,200 referrals a
            // second instead of 7,000. Every question asked often has its index.
            .after_connect(|held, _| {
                Box::pin(async move {
                    sqlx::query("SET enable_seqscan = off").execute(held).await.map(drop)
                })
            })
            .connect_with(options)
            .await?;
        let pool = Self::Postgres(pool);
        pool.assert_durable().await?;
        Ok(pool)
    }

    /// Asserts that an acknowledged commit survives a power cut.
    ///
    /// # Errors
    /// [`StoreError::Setting`] naming the setting that is not as it must be.
    pub async fn assert_durable(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { read, write, .. } => {
                for db in [read, write] {
                    let mode: String =
                        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(db).await?;
                    let sync: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(db).await?;
                    ensure(mode == "wal", "journal_mode")?;
                    ensure(sync == 2, "synchronous")?;
                }
                Ok(())
            }
            Self::Postgres(db) => {
                let commit: String =
                    sqlx::query_scalar("SHOW synchronous_commit").fetch_one(db).await?;
                let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(db).await?;
                ensure(matches!(&*commit, "on" | "remote_apply"), "synchronous_commit")?;
                ensure(fsync == "on", "fsync")
            }
        }
    }

    /// Takes the database for one gateway alone, where two could not share it. Tools that only look, or
    /// change the register, do without.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another gateway has it.
    pub fn claim(&mut self) -> Result<(), StoreError> {
        if let Self::Sqlite { path, claimed, .. } = self {
            *claimed = Some(Arc::new(lock_beside(path)?));
        }
        Ok(())
    }

    /// A trivial question, to see whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let one: i64 =
            on_db!(self, |db| sqlx::query_scalar("SELECT CAST(1 AS BIGINT)").fetch_one(db).await?);
        ensure(one == 1, "ping")
    }

    /// Which of the two, for messages and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres(_) => "postgresql",
        }
    }

    /// Closes all connections, so that nothing is written after.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write, .. } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(db) => db.close().await,
        }
    }
}

fn ensure(holds: bool, setting: &'static str) -> Result<(), StoreError> {
    if holds { Ok(()) } else { Err(StoreError::Setting(setting)) }
}

/// Makes the file with mode 0600 before SQLite would make it readable for all; its `-wal` and `-shm` get
/// the same mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let made = File::options().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).or(Err(StoreError::Unavailable("database file")))
}

/// Takes the lock file beside the database, or says that another gateway has it.
fn lock_beside(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(name)
        .or(Err(StoreError::Unavailable("lock file")))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(_)) => Err(StoreError::Unavailable("lock file")),
    }
}

/// Whether the server is reached without leaving the machine.
fn is_on_this_machine(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A connection held for writing outside the writer: keys, the partner register, housekeeping.
#[derive(Debug)]
pub enum Writing {
    /// SQLite.
    Sqlite(sqlx::pool::PoolConnection<sqlx::Sqlite>),
    /// PostgreSQL.
    Postgres(sqlx::pool::PoolConnection<sqlx::Postgres>),
}

impl Writing {
    /// The connection to execute on.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(held) => Conn::Sqlite(held),
            Self::Postgres(held) => Conn::Postgres(held),
        }
    }
}

impl Pool {
    /// Takes a connection for writing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when none comes free in time.
    pub async fn writing(&self) -> Result<Writing, StoreError> {
        Ok(match self {
            Self::Sqlite { write, .. } => Writing::Sqlite(write.acquire().await?),
            Self::Postgres(db) => Writing::Postgres(db.acquire().await?),
        })
    }
}
