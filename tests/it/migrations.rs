//! The two schemas are twins: what one database holds, the other holds under the same name.

use crate::sql;
use crate::support::fresh_database;
use buurtpoort::store::{Pool, migrate};
use std::collections::BTreeSet;

/// A column: table, name, family of its type, whether it must be there, place in the primary key.
const SQLITE_COLUMNS: &str = "SELECT t.name || '.' || c.name || ' ' || lower(c.type) || ' ' || \
    c.\"notnull\" || ' ' || c.pk FROM sqlite_master t JOIN pragma_table_info(t.name) c \
    WHERE t.type = 'table' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%'";
const POSTGRES_COLUMNS: &str = "SELECT c.table_name || '.' || c.column_name || ' ' || \
    lower(c.data_type) || ' ' || CASE c.is_nullable WHEN 'NO' THEN 1 ELSE 0 END || ' ' || \
    COALESCE(k.ordinal_position, 0) FROM information_schema.columns c \
    LEFT JOIN information_schema.table_constraints p ON p.table_schema = 'public' \
    AND p.table_name = c.table_name AND p.constraint_type = 'PRIMARY KEY' \
    LEFT JOIN information_schema.key_column_usage k ON k.constraint_name = p.constraint_name \
    AND k.table_name = c.table_name AND k.column_name = c.column_name \
    WHERE c.table_schema = 'public' AND c.table_name NOT LIKE '\\_sqlx%'";

/// Indexes that were asked for by name.
const SQLITE_INDEXES: &str = "SELECT name || ' ' || tbl_name FROM sqlite_master \
    WHERE type = 'index' AND sql IS NOT NULL";
const POSTGRES_INDEXES: &str = "SELECT indexname || ' ' || tablename FROM pg_indexes \
    WHERE schemaname = 'public' AND indexname NOT IN (SELECT conname FROM pg_constraint) \
    AND tablename NOT LIKE '\\_sqlx%'";

/// What a column holds, whatever either database calls it.
fn family(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let (Some(column), Some(kind), [not_null, key]) =
        (words.first(), words.get(1), &words[words.len() - 2..])
    else {
        panic!("{line}");
    };
    let family = match *kind {
        "integer" | "bigint" | "smallint" | "boolean" => "number",
        "text" => "text",
        "blob" | "bytea" | "uuid" => "bytes",
        other => panic!("{column} is of an unknown type {other}"),
    };
    format!("{column} {family} {not_null} {key}")
}

async fn both() -> Option<(Pool, Pool, tempfile::TempDir)> {
    let url = fresh_database().await?;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = format!("sqlite:{}", directory.path().join("twin.sqlite").display());
    let pools = (
        Pool::open(&file).await.expect("SQLite is always there"),
        Pool::open(&url).await.expect("the test server answers"),
    );
    for pool in [&pools.0, &pools.1] {
        migrate::run(pool).await.expect("the schema");
        migrate::run(pool).await.expect("again, without effect");
        migrate::check(pool).await.expect("the schema that is known");
    }
    Some((pools.0, pools.1, directory))
}

async fn lines(pool: &Pool, sql: &str) -> BTreeSet<String> {
    sql::texts(pool, sql).await.into_iter().collect()
}

#[actix_web::test]
async fn the_schemas_are_twins() {
    let Some((sqlite, postgres, _held)) = both().await else {
        return;
    };
    let columns = lines(&sqlite, SQLITE_COLUMNS).await;
    let here: BTreeSet<String> = columns.iter().map(|line| family(line)).collect();
    let columns = lines(&postgres, POSTGRES_COLUMNS).await;
    let there: BTreeSet<String> = columns.iter().map(|line| family(line)).collect();
    assert!(here.len() > 60, "{} columns were found", here.len());
    assert_eq!(here, there);
    let here = lines(&sqlite, SQLITE_INDEXES).await;
    assert!(!here.is_empty());
    assert_eq!(here, lines(&postgres, POSTGRES_INDEXES).await);
    // A column more on one side is seen.
    sql::run(&sqlite, "ALTER TABLE outbox ADD COLUMN extra TEXT").await;
    let more = lines(&sqlite, SQLITE_COLUMNS).await;
    let more: BTreeSet<String> = more.iter().map(|line| family(line)).collect();
    assert_eq!(more.difference(&there).collect::<Vec<_>>(), ["outbox.extra text 0 0"]);
}

#[test]
fn each_migration_has_its_twin() {
    let names = |engine: &str| {
        let path = format!("{}/migrations/{engine}", env!("CARGO_MANIFEST_DIR"));
        let entries = std::fs::read_dir(path).expect("migrations");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names.collect::<BTreeSet<_>>()
    };
    assert_eq!(names("sqlite"), names("postgres"));
    assert!(!names("sqlite").is_empty());
}

/// A database as an earlier version left it, with a case in it.
const BEFORE_0005: &str = "INSERT INTO partner VALUES (zeroblob(16), 'p', 'n', 'referrer', 'active'); \
    INSERT INTO referral VALUES (zeroblob(16), zeroblob(16), zeroblob(16), 'wijkteam', 'received', \
        'received', 1, 2, 3); \
    INSERT INTO case_file VALUES (zeroblob(16), zeroblob(16), zeroblob(16), 'anna', 'new', 'wijkteam', \
        'regular', 'GM0268', 'WK026801', 'one-parent', '4-11', 1, x'0102', 1, 2, 3); \
    INSERT INTO assignment VALUES (zeroblob(16), 1, 'anna', 'lea', 4); \
    INSERT INTO identity_release VALUES (zeroblob(16), zeroblob(16), 'anna', 'intake', 'full', 'names', \
        x'03', 5)";

/// What the migration must not lose, as texts.
const KEPT: &str = "SELECT group_concat(t) FROM (SELECT hex(case_id) || status || received_ms || version \
    AS t FROM referral UNION ALL SELECT hex(referral_id) || assignee || district || hex(facts) || version \
    FROM case_file UNION ALL SELECT coordinator || assigned_by || at_ms FROM assignment \
    UNION ALL SELECT person || purpose || hex(reason) || at_ms FROM identity_release)";

#[actix_web::test]
async fn a_case_of_an_earlier_version_is_kept_when_tables_are_written_anew() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let earlier = directory.path().join("earlier");
    std::fs::create_dir(&earlier).expect("a folder");
    let all = format!("{}/migrations/sqlite", env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(all).expect("migrations") {
        let (path, name) = entry.map(|e| (e.path(), e.file_name())).expect("an entry");
        if name.to_str().is_some_and(|name| name < "0005") {
            std::fs::copy(path, earlier.join(name)).expect("copied");
        }
    }
    let file = format!("sqlite:{}", directory.path().join("old.sqlite").display());
    let pool = Pool::open(&file).await.expect("SQLite is always there");
    let Pool::Sqlite { write, .. } = &pool else { panic!("SQLite") };
    let migrator = sqlx::migrate::Migrator::new(earlier).await.expect("the first four");
    migrator.run(write).await.expect("the earlier schema");
    for statement in BEFORE_0005.split("; ") {
        sql::run(&pool, statement).await;
    }
    let before = sql::texts(&pool, KEPT).await;
    assert!(before[0].contains("annalea4") && before[0].contains("annaintake035"), "{before:?}");
    migrate::run(&pool).await.expect("the schema of today");
    assert_eq!(sql::texts(&pool, KEPT).await, before);
    let bad = lines(&pool, "SELECT \"table\" FROM pragma_foreign_key_check").await;
    assert!(bad.is_empty(), "{bad:?}");
}
