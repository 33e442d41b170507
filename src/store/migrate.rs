//! Brings a database to the schema this program knows.

use crate::store::{Pool, StoreError};
use sqlx::migrate::Migrator;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Newest migration this program knows.
const KNOWN: i64 = 12;

/// Runs the migrations that have not run.
///
/// # Errors
/// [`StoreError::Schema`] when the database is newer than this program; [`StoreError::Unavailable`]
/// when it cannot be written.
pub async fn run(pool: &Pool) -> Result<(), StoreError> {
    refuse_newer(pool).await?;
    let done = match pool {
        Pool::Sqlite { write, .. } => SQLITE.run(write).await,
        Pool::Postgres(db) => POSTGRES.run(db).await,
    };
    done.or(Err(StoreError::Unavailable("migration")))
}

/// Whether the schema is exactly the one this program knows.
///
/// # Errors
/// [`StoreError::Schema`] when it is not.
pub async fn check(pool: &Pool) -> Result<(), StoreError> {
    let found = version(pool).await?;
    if found == KNOWN { Ok(()) } else { Err(StoreError::Schema { found, known: KNOWN }) }
}

async fn refuse_newer(pool: &Pool) -> Result<(), StoreError> {
    let found = version(pool).await?;
    if found > KNOWN { Err(StoreError::Schema { found, known: KNOWN }) } else { Ok(()) }
}

/// Newest migration in the database; 0 where none has run.
async fn version(pool: &Pool) -> Result<i64, StoreError> {
    const SQL: &str =
        "SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM _sqlx_migrations WHERE success";
    let found = match pool {
        Pool::Sqlite { write, .. } => sqlx::query_scalar(SQL).fetch_one(write).await,
        Pool::Postgres(db) => sqlx::query_scalar(SQL).fetch_one(db).await,
    };
    match found {
        // The database answered that it has no such table.
        Err(sqlx::Error::Database(_)) => Ok(0),
        other => Ok(other?),
    }
}

/// Empties a PostgreSQL database of a demo: everything in its schema `public`. Does nothing on SQLite,
/// whose file the demo replaces.
///
/// # Errors
/// [`StoreError`] when it is refused.
pub async fn wipe(pool: &Pool) -> Result<(), StoreError> {
    if let Pool::Postgres(db) = pool {
        for sql in ["DROP SCHEMA public CASCADE", "CREATE SCHEMA public"] {
            sqlx::query(sql).execute(db).await?;
        }
    }
    Ok(())
}
