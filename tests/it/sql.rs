//! Statements that the tests write themselves, on whichever database is behind a pool: to look at
//! rows from outside, and to do what the program never does.

use buurtpoort::store::Pool;

/// Runs a statement that gives one column of text.
pub(crate) async fn texts(pool: &Pool, sql: &str) -> Vec<String> {
    let statement = sqlx::AssertSqlSafe(sql.to_owned());
    let rows = match pool {
        Pool::Sqlite { write, .. } => sqlx::query_scalar(statement).fetch_all(write).await,
        Pool::Postgres(db) => sqlx::query_scalar(statement).fetch_all(db).await,
    };
    rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Runs a statement that gives one number.
pub(crate) async fn number(pool: &Pool, sql: &str) -> i64 {
    let statement = sqlx::AssertSqlSafe(sql.to_owned());
    let number = match pool {
        Pool::Sqlite { write, .. } => sqlx::query_scalar(statement).fetch_one(write).await,
        Pool::Postgres(db) => sqlx::query_scalar(statement).fetch_one(db).await,
    };
    number.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Runs a statement; how many rows it touched, or why not.
pub(crate) async fn attempt(pool: &Pool, sql: &str) -> Result<u64, sqlx::Error> {
    let statement = sqlx::AssertSqlSafe(sql.to_owned());
    Ok(match pool {
        Pool::Sqlite { write, .. } => sqlx::query(statement).execute(write).await?.rows_affected(),
        Pool::Postgres(db) => sqlx::query(statement).execute(db).await?.rows_affected(),
    })
}

/// Runs a statement that must work.
pub(crate) async fn run(pool: &Pool, sql: &str) -> u64 {
    attempt(pool, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// One of two texts, by engine.
pub(crate) const fn either<'a>(pool: &Pool, sqlite: &'a str, postgres: &'a str) -> &'a str {
    match pool {
        Pool::Sqlite { .. } => sqlite,
        Pool::Postgres(_) => postgres,
    }
}
