//! Floor 2: where rows live.
//!
//! Speaks domain types upward, SQL downward. One enum ([`Pool`]) stands for the two databases we
//! promise; `on_db!` runs one body on whichever is behind it. Every change goes through the
//! [`writer::Writer`], which shares one commit among concurrent requests and appends the ledger in the
//! same transaction.
//!
//! # Invariants
//! * No row is written without its ledger entry: [`writer::Writer`] is the only thing that writes about
//!   cases, and an [`effect::Effect`] carries both.
//! * What is acknowledged is durable: SQLite runs with WAL and `synchronous=FULL`, PostgreSQL with
//!   `synchronous_commit=on`; both are asserted when the pool opens.
//! * A function that opens an identity takes a permit and no id.
//! * Statements are `const SQL` beside their function. Where the two databases cannot share one, the
//!   two stand side by side.
//!
//! # Not here
//! No HTTP, no policy rules, no clock (instants are parameters), no `SELECT *`, no `format!` near SQL.
//!
//! To add a table: `migrations/README.md`.

use std::sync::Arc;

pub mod access;
pub mod approvals;
pub mod cases;
pub mod census;
pub mod counts;
pub mod deliveries;
pub mod denials;
pub mod effect;
pub mod facts;
pub mod figures;
pub mod health;
pub mod idempotency;
pub mod identities;
pub mod keys;
pub mod ledger;
pub mod links;
pub mod migrate;
pub mod notices;
pub mod pairings;
pub mod partners;
pub mod pool;
pub mod referrals;
pub mod reports;
pub mod rights;
pub mod sessions;
pub mod support_facts;
pub mod support_families;
pub mod tally;
pub mod witness;
pub mod writer;

pub use pool::Pool;
pub use writer::Writer;

/// What went wrong below. The source is for the log, and even there only its kind: a database error
/// can hold the row it failed on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is locked, or cannot be written.
    #[error("the database is not available ({0})")]
    Unavailable(&'static str),
    /// The ledger cannot be written since some moments: nothing is tried until it can.
    #[error("the ledger is sealed")]
    Sealed,
    /// Space runs out: nothing new is taken in.
    #[error("space is low")]
    Low,
    /// The queue of waiting writes is full.
    #[error("too many writes are waiting")]
    Busy,
    /// A row does not hold what it must: bytes changed, a seal that does not fit, an unknown term.
    #[error("a stored row is not as it was written ({0})")]
    Corrupt(&'static str),
    /// The schema is not the one this program knows.
    #[error("the database has schema {found}, this program knows {known}{}", if found < known { ": run `buurtpoort migrate`" } else { "" })]
    Schema {
        /// What is there.
        found: i64,
        /// What is known.
        known: i64,
    },
    /// The database is not configured as durability or confidentiality asks.
    #[error("the database setting {0} is not as it must be")]
    Setting(&'static str),
    /// Another gateway has the SQLite file.
    #[error("another gateway is using this database file; several gateways share PostgreSQL only")]
    InUse,
    /// It was erased while it was asked for.
    #[error("it was erased meanwhile")]
    Gone,
    /// A write breaks a constraint of the schema: a fault of ours.
    #[error("a write does not fit the schema")]
    Constraint,
}

/// Which part of the failure may be told: the kind, never the text, which can hold a failing row.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => of_database(error.as_ref()),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::RowNotFound => Self::Corrupt("row"),
            sqlx::Error::PoolTimedOut => Self::Unavailable("pool"),
            sqlx::Error::Io(_) => Self::Unavailable("io"),
            sqlx::Error::Tls(_) => Self::Unavailable("tls"),
            _ => Self::Unavailable("connection"),
        }
    }
}

fn of_database(error: &dyn sqlx::error::DatabaseError) -> StoreError {
    use sqlx::error::ErrorKind;
    match error.kind() {
        ErrorKind::UniqueViolation
        | ErrorKind::ForeignKeyViolation
        | ErrorKind::NotNullViolation
        | ErrorKind::CheckViolation
        | ErrorKind::ExclusionViolation => StoreError::Constraint,
        _ => match error.code().as_deref() {
            // A trigger of the schema refuses it.
            Some("1811" | "P0001") => StoreError::Constraint,
            Some("40001" | "40P01") => StoreError::Unavailable("serialization"),
            Some("5" | "517" | "261" | "6") => StoreError::Unavailable("locked"),
            _ => StoreError::Unavailable("database"),
        },
    }
}

/// Everything the floors above need of the store.
#[derive(Clone, Debug)]
pub struct Store {
    /// For reading.
    pub pool: Pool,
    /// For writing.
    pub writer: Arc<Writer>,
}
