//! What the store promises, seen from outside: durable settings, one gateway on one file, statements
//! that fit both schemas, an append-only ledger without which nothing is released, and rows that do
//! not open in another's place.

use crate::process::{Deployment, PROGRAM};
use crate::sql;
use crate::support::{ANNA, Answer, Engine, WIJKTEAM, World, on_both, postgres};
use buurtpoort::audit::entry::{Entry, Event, Outcome};
use buurtpoort::audit::tree::leaf_hash;
use buurtpoort::audit::verify::{Summary, Tamper};
use buurtpoort::cli;
use buurtpoort::clock::Clock;
use buurtpoort::crypto::seal::WrappedCaseKey;
use buurtpoort::domain::age::AgeBand;
use buurtpoort::domain::municipality::Municipality;
use buurtpoort::domain::referral::{Composition, Profile, ReferralStatus, Source, Urgency};
use buurtpoort::ids::{CaseId, ReferralId, RequestId};
use buurtpoort::store::effect::{Effect, Rows};
use buurtpoort::store::health::State;
use buurtpoort::store::referrals::AcceptedReferral;
use buurtpoort::store::writer::Question;
use buurtpoort::store::{Pool, StoreError, Writer, migrate};
use futures_util::future::join_all;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Executor, SqlSafeStr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

// Settings of the databases

/// What may not be in an answer that releases nothing: names, numbers and words of the example.
const IDENTITY: &[&str] = &["Proefpersoon", "+31240000002", "gezin@example.nl", "Voorbeeldstraat"];

/// A pool on a file of its own, with these settings.
async fn sqlite_with(
    directory: &Path,
    mode: SqliteJournalMode,
    synchronous: SqliteSynchronous,
) -> Pool {
    let path = directory.join(format!("{mode:?}{synchronous:?}.sqlite"));
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(mode)
        .synchronous(synchronous);
    let open = || SqlitePoolOptions::new().max_connections(1).connect_with(options.clone());
    let (read, write) = (open().await.expect("a file"), open().await.expect("a file"));
    Pool::Sqlite { read, write, path: Arc::new(path), claimed: None }
}

#[actix_web::test]
async fn sqlite_is_durable_or_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = format!("sqlite:{}", directory.path().join("own.sqlite").display());
    let own = Pool::open(&url).await.expect("SQLite is always there");
    assert_eq!(sql::texts(&own, "PRAGMA journal_mode").await, ["wal"]);
    for (pragma, value) in [("synchronous", 2), ("foreign_keys", 1), ("secure_delete", 1)] {
        assert_eq!(sql::number(&own, &format!("PRAGMA {pragma}")).await, value, "{pragma}");
    }
    let (wal, delete) = (SqliteJournalMode::Wal, SqliteJournalMode::Delete);
    let (full, normal) = (SqliteSynchronous::Full, SqliteSynchronous::Normal);
    let judged = |mode, synchronous| {
        let directory = directory.path();
        async move { sqlite_with(directory, mode, synchronous).await.assert_durable().await }
    };
    assert!(judged(wal, full).await.is_ok());
    assert!(matches!(judged(wal, normal).await, Err(StoreError::Setting("synchronous"))));
    assert!(matches!(judged(delete, full).await, Err(StoreError::Setting("journal_mode"))));
}

/// FLT-24: a second gateway on the same file is refused, in another process; a tool is not.
#[actix_web::test]
async fn flt_24_a_second_gateway_on_one_file_is_refused() {
    let deployment = Deployment::made(Engine::Sqlite).await.expect("SQLite is always there");
    let (second, _) = deployment.second();
    let ask = |verb: &str| Command::new(PROGRAM).args([verb, "--config"]).arg(&second).output();
    let mut running = deployment.serve().await;
    let refused = ask("serve").expect("the program runs");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(told.contains(&StoreError::InUse.to_string()), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(ask("check").expect("the program runs").status.success(), "a tool may look");
    // The one that was there is not disturbed; killed, it leaves the file free.
    assert_eq!(deployment.voice(WIJKTEAM).get("/v1/referrals").await.status, 200);
    running.kill();
    deployment.serve().await;
}

#[actix_web::test]
async fn postgres_elsewhere_is_reached_over_verified_tls_only() {
    let setting = "database.url sslmode=verify-full";
    for (url, allowed) in [
        ("postgres://u@192.0.2.1/x", false),
        ("postgres://u@192.0.2.1/x?sslmode=require", false),
        ("postgres://u@192.0.2.1/x?sslmode=verify-ca", false),
        ("postgres://u@localhost/x?host=192.0.2.1", false),
        ("postgres://u@localhost/x?hostaddr=192.0.2.1", false),
        ("postgres://u@localhost.example.nl/x", false),
        ("postgres://u@127.0.0.1.example.nl/x", false),
        ("postgres://u@192.0.2.1/x?sslmode=verify-full", true),
        ("postgres://u@127.0.0.1:1/x", true),
        ("postgres://u@localhost:1/x", true),
    ] {
        let refused = match Pool::open(url).await {
            Err(StoreError::Setting(named)) => named == setting,
            Err(_) => false,
            Ok(_) => panic!("nobody answers at {url}"),
        };
        assert_eq!(refused, !allowed, "{url}");
    }
}

#[actix_web::test]
async fn postgres_proves_who_it_is() {
    let Some(server) = postgres() else {
        return;
    };
    let Ok(authority) = std::env::var("BUURTPOORT_TEST_POSTGRES_CA") else {
        assert!(std::env::var_os("CI").is_none(), "BUURTPOORT_TEST_POSTGRES_CA is not set");
        eprintln!("passed over: BUURTPOORT_TEST_POSTGRES_CA is not set");
        return;
    };
    let base = server.split('?').next().unwrap_or_default();
    let with = |ca: &str| format!("{base}?sslmode=verify-full&sslrootcert={ca}");
    let pool = Pool::open(&with(&authority)).await.expect("the right authority");
    let encrypted = "SELECT CAST(ssl AS TEXT) FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(sql::texts(&pool, encrypted).await, ["true"]);
    let world = World::raise(Engine::Sqlite).await.expect("SQLite is always there");
    let other = world.dir().join("pki/ca.pem");
    let refused = Pool::open(&with(&other.display().to_string())).await;
    assert!(matches!(refused, Err(StoreError::Unavailable("tls" | "io"))), "{refused:?}");
}

on_both! {
    /// FLT-26: a database that a newer program has changed is left alone.
    async fn flt_26_a_newer_schema_is_refused(world: World) {
        let pool = &world.booted.api.gateway.store.pool;
        assert!(migrate::check(pool).await.is_ok());
        let newer = sql::either(
            pool,
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
             execution_time) VALUES (99, 'newer', TRUE, X'00', 0)",
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
             execution_time) VALUES (99, 'newer', TRUE, '\\x00', 0)",
        );
        sql::run(pool, newer).await;
        for refused in [migrate::check(pool).await, migrate::run(pool).await] {
            assert!(matches!(refused, Err(StoreError::Schema { found: 99, .. })), "{refused:?}");
        }
        sql::run(pool, "DELETE FROM _sqlx_migrations WHERE version = 99").await;
        assert!(migrate::run(pool).await.is_ok());
    }
}

// Statements

/// A statement of the store: in which file and function, under which name.
struct Statement {
    place: String,
    function: String,
    name: String,
    text: String,
}

/// The text between the quotes of a Rust string literal, and what comes after.
fn literal(source: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut rest = source.strip_prefix('"')?;
    loop {
        let mut characters = rest.chars();
        match characters.next()? {
            '"' => return Some((text, characters.as_str())),
            '\\' => {
                let after = characters.as_str();
                if let Some(broken) = after.strip_prefix('\n') {
                    rest = broken.trim_start();
                    continue;
                }
                text.push(characters.next()?);
            }
            other => text.push(other),
        }
        rest = characters.as_str();
    }
}

/// All literals of a piece of source, one after another.
fn literals(mut source: &str) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(at) = source.find('"') {
        let Some((text, rest)) = source.get(at..).and_then(literal) else {
            break;
        };
        found.push(text);
        source = rest;
    }
    found
}

/// The statements of one file: every `const` of text or texts, with what `select_…!` puts before it.
fn statements(place: &str, source: &str) -> Vec<Statement> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let prefix = |name: &str| {
        let body = source.split(&format!("macro_rules! {name} ")).nth(1)?;
        Some(literals(body.split("$rest\n").next()?).concat())
    };
    let mut function = String::new();
    let mut found = Vec::new();
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let from = source.get(at..).unwrap_or_default();
        at += line.len();
        if let Some((_, rest)) = line.split_once("fn ") {
            function = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        }
        let Some(rest) = line.trim_start().strip_prefix("const ") else {
            continue;
        };
        let Some((name, kind)) = rest.split_once(": ") else {
            continue;
        };
        if !(kind.starts_with("&str") || kind.starts_with("[&str")) {
            continue;
        }
        let end = from.find(";\n").unwrap_or(from.len());
        let body = from.get(..end).unwrap_or_default();
        let called = body.split_once('!').and_then(|(before, _)| before.rsplit(' ').next());
        let start = called.and_then(prefix);
        for text in literals(body) {
            found.push(Statement {
                place: place.to_owned(),
                function: function.clone(),
                name: name.to_owned(),
                text: start.clone().unwrap_or_default() + &text,
            });
        }
    }
    found
}

/// Every statement under `src/store`.
fn all_statements() -> Vec<Statement> {
    let mut directories = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store"))];
    let (mut found, mut paths) = (Vec::new(), Vec::new());
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { directories.push(path) } else { paths.push(path) }
        }
    }
    for path in paths {
        let source = std::fs::read_to_string(&path).expect("a source");
        found.extend(statements(&path.display().to_string(), &source));
    }
    let verbs = ["SELECT", "INSERT", "UPDATE", "DELETE"];
    found.retain(|statement| verbs.iter().any(|verb| statement.text.starts_with(verb)));
    found
}

async fn prepare(pool: &Pool, text: &str) -> Result<(), sqlx::Error> {
    let text = sqlx::AssertSqlSafe(text.to_owned()).into_sql_str();
    match pool {
        Pool::Sqlite { write, .. } => write.acquire().await?.prepare(text).await.map(drop),
        Pool::Postgres(db) => db.acquire().await?.prepare(text).await.map(drop),
    }
}

on_both! {
    /// Every statement of the store fits the schema, also those that no other test comes to.
    async fn every_statement_prepares(world: World) {
        let pool = &world.booted.api.gateway.store.pool;
        let other = sql::either(pool, "postgres", "sqlite");
        let mut tried = 0;
        for statement in all_statements() {
            let Statement { place, function, name, text } = statement;
            if name.to_lowercase().contains(other) || function.contains(other) {
                continue;
            }
            tried += 1;
            let prepared = prepare(pool, &text).await;
            assert!(prepared.is_ok(), "{place} {function} {name}: {prepared:?}\n{text}");
        }
        assert!(tried >= 45, "only {tried} statements were found");
        assert!(prepare(pool, "SELECT nothing FROM case_file").await.is_err());
    }
}

#[test]
fn statements_are_found_in_all_their_forms() {
    let source = "macro_rules! select_it {\n ($rest:literal) => {\n concat!(\"SELECT a, \",\n \
        \"b FROM t \",\n $rest\n)};}\nfn one_sqlite() {\n    const SQL: &str = select_it!(\"WHERE \
        a = 1\");\n    const TWO: [&str; 2] = [\"DELETE FROM x\", \"DELETE FROM \\\n    y\"];\n}\n";
    let found = statements("here", source);
    let found: Vec<_> =
        found.iter().map(|s| (s.function.as_str(), s.name.as_str(), s.text.as_str())).collect();
    assert_eq!(
        found,
        [
            ("one_sqlite", "SQL", "SELECT a, b FROM t WHERE a = 1"),
            ("one_sqlite", "TWO", "DELETE FROM x"),
            ("one_sqlite", "TWO", "DELETE FROM y"),
        ]
    );
}

// What cannot be changed

on_both! {
    /// AUD-01 to 04 in the database itself: what is written in the ledger or published stays.
    async fn ledger_and_published_figures_are_append_only(world: World) {
        let pool = &world.booted.api.gateway.store.pool;
        let before = world.ledger().await.entries;
        assert!(before > 0, "the demo publishes figures, which is in the ledger");
        assert!(sql::number(pool, "SELECT COUNT(*) FROM figures_release").await > 0);
        let mut forbidden = vec![
            "UPDATE audit_entry SET at_us = at_us + 1",
            "UPDATE audit_entry SET leaf = leaf WHERE seq = 0",
            "DELETE FROM audit_entry",
            "DELETE FROM audit_entry WHERE seq = 0",
            "DELETE FROM audit_head",
            "UPDATE audit_head SET size = size - 1",
            "UPDATE figures_release SET body = '{}'",
            "DELETE FROM figures_release",
        ];
        forbidden.extend(match pool {
            Pool::Sqlite { .. } => [
                "REPLACE INTO audit_entry SELECT * FROM audit_entry WHERE seq = 0",
                "REPLACE INTO figures_release SELECT * FROM figures_release",
            ],
            Pool::Postgres(_) => ["TRUNCATE audit_entry", "TRUNCATE figures_release"],
        });
        for statement in forbidden {
            assert!(sql::attempt(pool, statement).await.is_err(), "{statement}");
        }
        // What is refused is the change, not the table: a row more is welcome.
        world.referral().await;
        assert!(world.ledger().await.entries > before);
    }
}

on_both! {
    /// The head of the ledger cannot be put aside for a shorter one.
    async fn the_head_of_the_ledger_stays(world: World) {
        world.referral().await;
        let pool = &world.booted.api.gateway.store.pool;
        let size = world.ledger().await.entries;
        // Refused or without effect: either will do.
        let tried = match pool {
            Pool::Sqlite { .. } => {
                "REPLACE INTO audit_head SELECT id, log, size - 1, root, peaks, last_hash, \
                 checkpoint FROM audit_head"
            }
            Pool::Postgres(_) => "TRUNCATE audit_head",
        };
        drop(sql::attempt(pool, tried).await);
        assert_eq!(world.ledger().await.entries, size);
    }
}

// The writer

fn accepted(world: &World, id: ReferralId) -> AcceptedReferral {
    let register = world.booted.api.gateway.register.load();
    let partner = |name| register.named(name).expect("a partner of the demo").id;
    AcceptedReferral {
        tags: Vec::new(),
        id,
        case: CaseId::new(),
        partner: partner(WIJKTEAM.0),
        organisation: partner(ANNA.0),
        assignee: None,
        source: Source::Wijkteam,
        urgency: Urgency::parse("regular").expect("a term"),
        status: ReferralStatus::Received,
        profile: Profile {
            municipality: Municipality::parse("GM0268").expect("a gemeente"),
            district: None,
            composition: Composition::parse("one-parent").expect("a term"),
            youngest: AgeBand::Over23,
        },
        facts: vec![1],
        identity: vec![2],
        key: WrappedCaseKey { kek_version: 1, wrapped: vec![3] },
        received_ms: world.now().as_millisecond(),
    }
}

async fn write(world: &World, id: ReferralId) -> Result<u64, StoreError> {
    let row = accepted(world, id);
    let request = RequestId::new();
    let decide = move |_: &_| {
        let entry = Entry::new(Event::ReferralAccepted, Outcome::Allow);
        let rows = Rows { accepted: Some(Box::new(row.clone())), ..Rows::default() };
        (Effect::new(request, entry, rows), ())
    };
    let gateway = &world.booted.api.gateway;
    let written = gateway.store.writer.write(Question::default(), world.now(), decide).await;
    written.map(|((), committed)| committed.index())
}

on_both! {
    /// Two referrals under one id among thirty others: one of the two fails, and nothing else does.
    async fn a_bad_write_fails_alone(world: World) {
        let before = world.ledger().await.entries;
        let twice = ReferralId::new();
        let mut ids: Vec<ReferralId> = (0..30).map(|_| ReferralId::new()).collect();
        ids.insert(10, twice);
        ids.insert(20, twice);
        // All are in the queue before the writer gets its turn, so they share a group.
        let done = join_all(ids.iter().map(|id| write(world, *id))).await;
        let failed: Vec<_> =
            ids.iter().zip(&done).filter(|(_, done)| done.is_err()).collect();
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(matches!(failed[0], (id, Err(StoreError::Constraint)) if *id == twice));
        let mut places: Vec<u64> = done.into_iter().flatten().collect();
        places.sort_unstable();
        assert_eq!(places, (before..before + 31).collect::<Vec<_>>(), "gapless");
        let pool = &world.booted.api.gateway.store.pool;
        assert_eq!(sql::number(pool, "SELECT COUNT(*) FROM referral").await, 31);
        assert_eq!(sql::number(pool, "SELECT COUNT(*) FROM case_file").await, 31);
        assert_eq!(world.ledger().await.entries, before + 31);
    }
}

on_both! {
    /// AUD-21: 64 writers at once, in two writing tasks where the database allows it, leave no gap.
    async fn aud_21_64_writers_leave_no_gap(world: World) {
        const EACH: usize = 8;
        let gateway = &world.booted.api.gateway;
        let before = world.ledger().await.entries;
        let pool = gateway.store.pool.clone();
        let head = buurtpoort::store::ledger::head(&pool).await.expect("a head").signed();
        let ring = Arc::clone(&gateway.keyring);
        let other = Writer::start(pool, ring, [7; 8], NonZeroUsize::MIN, head);
        let writers = [&*gateway.store.writer, &other];
        let one = |number: usize| async move {
            let mut places = Vec::new();
            for _ in 0..EACH {
                let request = RequestId::new();
                let decide = move |_: &_| {
                    let entry = Entry::new(Event::AuditRead, Outcome::Allow);
                    (Effect::new(request, entry, Rows::default()), ())
                };
                let at = Clock::System.now();
                let written = writers[number % 2].write(Question::default(), at, decide).await;
                let ((), committed) = written.expect("a writable ledger");
                assert!(committed.covers(request));
                places.push(committed.index());
            }
            places
        };
        let places = join_all((0..64).map(one)).await;
        let mut places: Vec<u64> = places.into_iter().flatten().collect();
        places.sort_unstable();
        let expected = before + u64::try_from(64 * EACH).expect("a count");
        assert_eq!(places, (before..expected).collect::<Vec<_>>());
        assert_eq!(world.ledger().await.entries, expected);
    }
}

// Without the ledger nothing is released

/// A release that is refused because the ledger cannot be written: not a byte of identity.
fn nothing_released(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 503, "{why}: {}", answer.raw);
    assert!(answer.text("/type").ends_with("#audit-unavailable"), "{why}: {}", answer.raw);
    assert!(!answer.header("retry-after").is_empty(), "{why}");
    assert_eq!(answer.body.get("fields"), None, "{why}");
    for word in IDENTITY {
        assert!(!answer.raw.contains(word), "{why}: {}", answer.raw);
    }
}

on_both! {
    /// AUD-15, FLT-08: without a place in the ledger nothing is released; when it is back, it is.
    async fn aud_15_no_ledger_no_release(world: World) {
        let (_, case) = world.assigned_case().await;
        let pool = &world.booted.api.gateway.store.pool;
        for (away, back) in [
            ("ALTER TABLE audit_entry RENAME TO away", "ALTER TABLE away RENAME TO audit_entry"),
            ("ALTER TABLE audit_head RENAME TO away", "ALTER TABLE away RENAME TO audit_head"),
            (
                "ALTER TABLE audit_entry RENAME COLUMN leaf TO lost",
                "ALTER TABLE audit_entry RENAME COLUMN lost TO leaf",
            ),
        ] {
            sql::run(pool, away).await;
            nothing_released(&world.release(&case).await, away);
            sql::run(pool, back).await;
            world.healed().await;
        }
        locked(world, &case).await;
        world.healed().await;
        let open = world.release(&case).await;
        assert_eq!((open.status, open.text("/stage")), (201, "full"), "it heals: {}", open.raw);
        assert!(IDENTITY.iter().all(|word| open.raw.contains(word)), "the words are the right ones");
        let summary = world.ledger().await;
        assert_eq!((summary.releases_granted, summary.releases_refused), (1, 0));
        // For good: the database is gone.
        pool.close().await;
        nothing_released(&world.release(&case).await, "closed");
    }
}

/// Somebody else holds the ledger's lock: the gateway gives up in time and releases nothing.
async fn locked(world: &World, case: &str) {
    let begun = Instant::now();
    match &world.database {
        None => {
            let file = world.dir().join("buurtpoort.sqlite");
            let options = SqliteConnectOptions::new().filename(file);
            let mut held = sqlx::SqliteConnection::connect_with(&options).await.expect("a file");
            held.execute("BEGIN EXCLUSIVE").await.expect("a lock");
            nothing_released(&world.release(case).await, "locked");
            held.execute("ROLLBACK").await.expect("a lock");
        }
        Some(url) => {
            let mut held = sqlx::PgConnection::connect(url).await.expect("a database");
            held.execute("BEGIN").await.expect("a transaction");
            held.execute("LOCK TABLE audit_head IN EXCLUSIVE MODE").await.expect("a lock");
            nothing_released(&world.release(case).await, "locked");
            held.execute("ROLLBACK").await.expect("a lock");
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "it gives up in time");
}

// Rows that are not as they were written

/// What somebody with the database and without the keys can do.
#[derive(Clone, Copy, Debug)]
enum Tampering {
    /// One bit of one byte of entry 1, and perhaps its hash made to fit.
    Flip { rehash: bool },
    /// A statement.
    Run(&'static str),
}

async fn tamper(pool: &Pool, tampering: Tampering) {
    const READ: &str = "SELECT leaf FROM audit_entry WHERE seq = 1";
    const WRITE: &str = "UPDATE audit_entry SET leaf = $1, leaf_hash = $2 WHERE seq = 1";
    let rehash = match tampering {
        Tampering::Run(statement) => {
            assert_eq!(sql::run(pool, statement).await, 1, "{statement}");
            return;
        }
        Tampering::Flip { rehash } => rehash,
    };
    let leaf: Result<Vec<u8>, _> = match pool {
        Pool::Sqlite { write, .. } => sqlx::query_scalar(READ).fetch_one(write).await,
        Pool::Postgres(db) => sqlx::query_scalar(READ).fetch_one(db).await,
    };
    let mut leaf = leaf.expect("an entry");
    let before = leaf_hash(&leaf);
    // A digit of the process that wrote it, which no column repeats: it is an entry all the same.
    let at = leaf.windows(8).position(|w| w == b"\"boot\":\"").expect("a process") + 8;
    leaf[at] = if leaf[at] == b'0' { b'1' } else { b'0' };
    let hash = if rehash { leaf_hash(&leaf) } else { before };
    let (leaf, hash) = (leaf.as_slice(), hash.as_slice());
    let done = match pool {
        Pool::Sqlite { write, .. } => {
            sqlx::query(WRITE).bind(leaf).bind(hash).execute(write).await.map(drop)
        }
        Pool::Postgres(db) => sqlx::query(WRITE).bind(leaf).bind(hash).execute(db).await.map(drop),
    };
    done.expect("a row");
}

async fn checked(world: &World) -> Result<Summary, Tamper> {
    let gateway = &world.booted.api.gateway;
    let origin = &world.booted.config.ledger.origin;
    let checked = cli::audit::check(&gateway.store.pool, &gateway.keyring, origin).await;
    checked.unwrap_or_else(|failure| panic!("{}", failure.message))
}

on_both! {
    /// AUD-01, 02, 03, 07, 08 on the rows themselves, behind the back of the triggers: each is found,
    /// and when it is put right the ledger verifies again.
    async fn a_tampered_ledger_is_found(world: World) {
        world.referral().await;
        let pool = &world.booted.api.gateway.store.pool;
        for trigger in ["audit_entry_not_updated", "audit_entry_not_deleted"] {
            let dropped = match pool {
                Pool::Sqlite { .. } => format!("DROP TRIGGER {trigger}"),
                Pool::Postgres(_) => format!("DROP TRIGGER {trigger} ON audit_entry"),
            };
            sql::run(pool, &dropped).await;
        }
        sql::run(pool, "CREATE TABLE kept AS SELECT * FROM audit_entry").await;
        let last = sql::number(pool, "SELECT MAX(seq) FROM audit_entry").await;
        for (change, seq) in [
            (Tampering::Flip { rehash: false }, 1),
            // The entry itself is whole; the next one does not follow it.
            (Tampering::Flip { rehash: true }, 2),
            (Tampering::Run("UPDATE audit_entry SET event = 'case.read' WHERE seq = 1"), 1),
            (Tampering::Run("UPDATE audit_entry SET outcome = 'deny' WHERE seq = 1"), 1),
            (Tampering::Run("DELETE FROM audit_entry WHERE seq = 1"), 1),
            (
                Tampering::Run(
                    "DELETE FROM audit_entry WHERE seq = (SELECT MAX(seq) FROM audit_entry)",
                ),
                last,
            ),
        ] {
            checked(world).await.expect("an honest ledger");
            tamper(pool, change).await;
            let found = checked(world).await.expect_err("it is found");
            assert_eq!(found.seq, u64::try_from(seq).expect("a number"), "{change:?}: {found}");
            sql::run(pool, "DELETE FROM audit_entry").await;
            sql::run(pool, "INSERT INTO audit_entry SELECT * FROM kept").await;
        }
        checked(world).await.expect("an honest ledger");
    }
}

on_both! {
    /// CRY-02: what is sealed for one case does not open in the place of another.
    async fn cry_02_rows_swapped_between_cases_do_not_open(world: World) {
        let (_, one) = world.assigned_case().await;
        let (_, two) = world.assigned_case().await;
        let pool = &world.booted.api.gateway.store.pool;
        sql::run(pool, "CREATE TABLE kept AS SELECT case_id, field_groups FROM identity").await;
        sql::run(pool, "CREATE TABLE facts_kept AS SELECT id, facts FROM case_file").await;
        let swap = "UPDATE identity SET field_groups = \
            (SELECT field_groups FROM kept WHERE kept.case_id <> identity.case_id)";
        assert_eq!(sql::run(pool, swap).await, 2);
        for case in [&one, &two] {
            shut(&world.release(case).await, 500);
        }
        let back = "UPDATE identity SET field_groups = \
            (SELECT field_groups FROM kept WHERE kept.case_id = identity.case_id)";
        sql::run(pool, back).await;
        assert_eq!(world.release(&one).await.status, 201);
        let swap = "UPDATE case_file SET facts = \
            (SELECT facts FROM facts_kept WHERE facts_kept.id <> case_file.id)";
        assert_eq!(sql::run(pool, swap).await, 2);
        for case in [&one, &two] {
            shut(&world.release(case).await, 500);
            shut(&world.get(ANNA, &format!("/v1/cases/{case}")).await, 500);
        }
        shut(&world.get(ANNA, "/v1/cases").await, 500);
        let back = "UPDATE case_file SET facts = \
            (SELECT facts FROM facts_kept WHERE facts_kept.id = case_file.id)";
        sql::run(pool, back).await;
        assert_eq!(world.release(&two).await.status, 201);
        let summary = world.ledger().await;
        // Two intents whose seal did not fit were recorded as aborted, two were released.
        assert_eq!((summary.releases_granted, summary.releases_aborted), (4, 2));
    }
}

/// An answer without data, with this status.
fn shut(answer: &Answer, status: u16) {
    for word in IDENTITY {
        assert!(!answer.raw.contains(word), "{}", answer.raw);
    }
    assert_eq!(answer.body.get("fields"), None);
    assert_eq!(answer.status, status, "{}", answer.raw);
}

on_both! {
    /// A decision that panics is that request's alone: what waits beside it is committed, and the writer goes on.
    async fn a_decision_that_panics_fails_alone(world: World) {
        let writer = &world.booted.api.gateway.store.writer;
        let now = world.now();
        let bad = writer.write(Question::default(), now, |_: &_| -> (Effect, ()) { panic!("planted") });
        let good = write(world, ReferralId::new());
        let (bad, good) = futures_util::future::join(bad, good).await;
        assert!(matches!(bad, Err(StoreError::Corrupt("decision"))), "{bad:?}");
        assert!(good.is_ok(), "{good:?}");
        assert!(write(world, ReferralId::new()).await.is_ok(), "and the next");
        assert_eq!(writer.health().state(), State::Ok);
    }
}
