//! Sealing figures, and killed while at it: never a part of a release, never two draws of one; and the seed is nowhere.
//!
//! Twenty kills in the tests of every day on each database; `scripts/race.sh` does fifty.

use crate::process::{Deployment, PROGRAM};
use crate::sql;
use crate::support::Engine;
use buurtpoort::crypto::digest::{hex, sha256, unhex};
use buurtpoort::store::Pool;
use buurtpoort::store::figures;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

const GEMEENTEN: [&str; 4] = ["GM0268", "GM0119", "GM0225", "GM0118"];

const QUARTERS: &str = "SELECT COUNT(*) FROM figures_release WHERE period LIKE '%Q%'";

fn kills() -> usize {
    std::env::var("BUURTPOORT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// Contracts from 2015 on: nine years to be sealed of each gemeente, before those that the demo published.
fn agree(deployment: &Deployment) {
    agree_on(deployment, &GEMEENTEN.map(|code| (code, "2015Q1")), "");
}

/// Contracts of gemeenten from a quarter on, and what else stands in the file.
fn agree_on(deployment: &Deployment, contracts: &[(&str, &str)], more: &str) {
    let path = deployment.dir().join("policies").join("disclosure.toml");
    let mut text = fs::read_to_string(&path).expect("a policy");
    for (code, from) in contracts {
        let _infallible = write!(
            text,
            "\n[[contract]]\nmunicipality = \"{code}\"\nplan = \"crash-1\"\nmethod = \"measure-round-freeze\"\n\
             from = \"{from}\"\nkinds = [\"referrals\", \"pairings-made\", \"pairings-active\"]\n\
             tables = [\"referrals.source\", \"referrals.household\"]\n"
        );
    }
    text.push_str(more);
    fs::write(&path, text).expect("a policy");
    let mut prove = Command::new(PROGRAM);
    prove.args(["policy", "prove", "--config"]).arg(deployment.config()).stdin(Stdio::null());
    let proven = prove.output().expect("the program");
    assert!(proven.status.success(), "{}", String::from_utf8_lossy(&proven.stderr));
}

fn sealing(deployment: &Deployment, code: &str, period: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["statistics", "publish", "--municipality", code, "--period", period, "--config"]);
    let log = deployment.beside("sealing.log");
    let log = File::options().create(true).append(true).open(log).expect("a log");
    command.arg(deployment.config()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command
}

/// Every release, by area and period: its bytes.
async fn releases(pool: &Pool) -> BTreeMap<(String, String), [u8; 32]> {
    let mut all = BTreeMap::new();
    for code in GEMEENTEN {
        for row in figures::list(pool, code).await.expect("releases") {
            assert_eq!(row.sha256, sha256(row.body.as_bytes()));
            all.insert((code.to_owned(), row.key.period.to_string()), row.sha256);
        }
    }
    all
}

/// Each frozen release has all that is written with it, and nothing is there without its release.
async fn nothing_in_part(pool: &Pool) {
    const EARLY: &str = "SELECT COUNT(*) FROM figures_release WHERE period LIKE '%Q1' OR period LIKE '%Q2' OR period LIKE '%Q3'";
    const STOCK: &str = "SELECT COUNT(*) FROM disclosure WHERE kind = 'pairings-active'";
    const MEASURED: &str = "SELECT COUNT(*) FROM measured";
    const PUBLISHED: &str = "SELECT COUNT(*) FROM audit_entry WHERE event = 'stats.published'";
    const RELEASES: &str = "SELECT COUNT(*) FROM figures_release";
    let number = async |sql| sql::number(pool, sql).await;
    assert_eq!(number(STOCK).await, number(QUARTERS).await, "a line of the stock with each");
    assert_eq!(number(MEASURED).await, 2 * number(EARLY).await, "what the next one needs");
    assert_eq!(number(PUBLISHED).await, number(RELEASES).await, "an entry with each");
}

async fn sealed_whole_or_not_at_all(engine: Engine) {
    let Some(deployment) = Deployment::made(engine).await else {
        return;
    };
    agree(&deployment);
    let pool = deployment.outside().await;
    let mut seen = releases(&pool).await;
    let (before, mut midway) = (seen.len(), 0);
    for at in 0..kills() {
        // A year or two more each time, so that there is always something left to seal.
        let (code, year) =
            (GEMEENTEN[at % GEMEENTEN.len()], 2015 + (at / GEMEENTEN.len() * 2).min(8));
        let before = sql::number(&pool, QUARTERS).await;
        let mut child = sealing(&deployment, code, &year.to_string()).spawn().expect("the program");
        // At a random moment of the sealing: from the first release that is there on.
        for _ in 0..2_000 {
            let begun = sql::number(&pool, QUARTERS).await > before;
            if begun || child.try_wait().expect("a child").is_some() {
                break;
            }
            actix_web::rt::time::sleep(Duration::from_millis(1)).await;
        }
        let moment = Duration::from_micros(u64::try_from(at * 1_733 % 11_000).expect("small"));
        actix_web::rt::time::sleep(moment).await;
        child.kill().expect("a kill");
        child.wait().expect("an end");
        nothing_in_part(&pool).await;
        let now = releases(&pool).await;
        for (key, hash) in &seen {
            assert_eq!(now.get(key), Some(hash), "{key:?} was drawn again");
        }
        let last = (code.to_owned(), format!("{year}Q4"));
        midway +=
            usize::from(sql::number(&pool, QUARTERS).await > before && !now.contains_key(&last));
        seen = now;
    }
    assert!(midway > 0, "control: some were cut off midway");
    // What was cut off is taken up where it stopped, and a second time gives the same bytes.
    let mut written = 0;
    for code in GEMEENTEN {
        for _ in 0..2 {
            // Of the last gemeente's years all that is written is searched for the seed.
            if code == GEMEENTEN[3] && written == 0 {
                keep_log(&pool, true).await;
                written = place_in_log(&pool).await;
            }
            let done = sealing(&deployment, code, "2023").status().expect("the program");
            assert!(done.success());
            let now = releases(&pool).await;
            assert!(seen.iter().all(|(key, hash)| now.get(key) == Some(hash)));
            seen = now;
        }
    }
    eprintln!(
        "kills: {}, midway in a year: {midway}, releases {} (before {before})",
        kills(),
        seen.len()
    );
    assert_eq!(seen.len(), before + GEMEENTEN.len() * 36);
    nothing_in_part(&pool).await;
    the_seed_is_nowhere(&deployment, &pool, written).await;
    pool.close().await;
}

/// Has a PostgreSQL server keep its log from here on, or no longer: others write to it, and it would be used again.
async fn keep_log(pool: &Pool, keep: bool) {
    const KEEP: &str =
        "SELECT COUNT(*) FROM pg_create_physical_replication_slot(current_database(), true)";
    const LEAVE: &str =
        "SELECT COUNT(*) FROM (SELECT pg_drop_replication_slot(current_database())) AS gone";
    if matches!(pool, Pool::Postgres(_)) {
        sql::number(pool, if keep { KEEP } else { LEAVE }).await;
    }
}

/// How far the log of a PostgreSQL server is written, in bytes since it was made; nothing on SQLite.
async fn place_in_log(pool: &Pool) -> u64 {
    const PLACE: &str = "SELECT CAST(pg_current_wal_insert_lsn() - '0/0' AS BIGINT)";
    match pool {
        Pool::Sqlite { .. } => 0,
        Pool::Postgres(_) => u64::try_from(sql::number(pool, PLACE).await).expect("a place"),
    }
}

/// The seed of a release is what its commitment is the hash of: every 32 bytes that stand anywhere are tried, as they
/// are and as hexadecimal digits. Control: one that is planted is found, in the database too.
async fn the_seed_is_nowhere(deployment: &Deployment, pool: &Pool, written: u64) {
    let all = sql::either(
        pool,
        "SELECT lower(hex(commitment)) FROM disclosure",
        "SELECT encode(commitment, 'hex') FROM disclosure",
    );
    let all = sql::texts(pool, all).await;
    let mut commitments: HashSet<[u8; 32]> = all.iter().filter_map(|text| unhex(text)).collect();
    assert!(commitments.len() > 16, "{}", commitments.len());
    let log = fs::read(deployment.beside("sealing.log")).expect("a log");
    assert_eq!(seeds_in(&log, &commitments), 0, "log");
    let seed = unhex::<32>("5f3c9a1772e84bd06617c2d9388af4be0d2196c37be85fa4401ec98d7fb2603a");
    let seed = seed.expect("32 bytes");
    let text = format!("CREATE TABLE planted AS SELECT '{}' AS note", hex(&seed));
    for (planted, statement) in [(0, ""), (1, text.as_str())] {
        if planted == 1 {
            commitments.insert(sha256(&seed));
            sql::run(pool, statement).await;
        }
        match pool {
            Pool::Sqlite { .. } => {
                let files = ["buurtpoort.sqlite", "buurtpoort.sqlite-wal"];
                let bytes =
                    files.map(|name| fs::read(deployment.dir().join(name)).unwrap_or_default());
                let found: usize = bytes.iter().map(|bytes| seeds_in(bytes, &commitments)).sum();
                assert!(bytes[0].len() > 100_000 && (found > 0) == (planted > 0), "{found}");
            }
            Pool::Postgres(_) => {
                sql::run(pool, "CHECKPOINT").await;
                for (place, bytes) in of_server(pool, written).await {
                    let found = seeds_in(&bytes, &commitments);
                    eprintln!("{place}: {} bytes, {found} seeds", bytes.len());
                    assert!(
                        bytes.len() > 100_000 && (found > 0) == (planted > 0),
                        "{place}: {found}"
                    );
                }
            }
        }
    }
    keep_log(pool, false).await;
    let raw = [b"before".as_slice(), &seed, b"after"].concat();
    assert_eq!(seeds_in(&raw, &commitments), 1, "control: as it is");
}

/// What a PostgreSQL server keeps on its disk: the files of this database, and its log from a place on.
async fn of_server(pool: &Pool, written: u64) -> [(&'static str, Vec<u8>); 2] {
    const FILES: &str = "SELECT current_setting('data_directory') || '/base/' || oid FROM pg_database \
        WHERE datname = current_database()";
    const SEGMENTS: &str = "SELECT current_setting('data_directory') || '/pg_wal/' || \
        pg_walfile_name(CAST('0/0' AS pg_lsn) + CAST(at AS NUMERIC)) FROM generate_series(";
    const SEGMENT: u64 = 16 << 20;
    let folder = sql::texts(pool, FILES).await;
    let files = fs::read_dir(&folder[0])
        .expect("the server is on this machine, and its files are ours to read");
    let mut rows = Vec::new();
    for file in files {
        rows.extend(fs::read(file.expect("a file").path()).expect("a file"));
    }
    let (first, last) = (written / SEGMENT, place_in_log(pool).await / SEGMENT);
    // The name of a segment is that of a place within it.
    let segments =
        format!("{SEGMENTS}{}, {}, {SEGMENT}) AS at", first * SEGMENT + 1, last * SEGMENT + 1);
    let mut log = Vec::new();
    for name in sql::texts(pool, &segments).await {
        log.extend(fs::read(name).expect("a segment"));
    }
    let before = usize::try_from(written - first * SEGMENT).expect("small");
    [("rows", rows), ("log", log.split_off(before))]
}

/// How many known seeds stand in bytes. Windows that no random seed would be are passed over, or a server's files would
/// take minutes: one with four equal bytes in a row comes once in half a million.
fn seeds_in(bytes: &[u8], commitments: &HashSet<[u8; 32]>) -> usize {
    let is_one = |seed: &[u8]| commitments.contains(&sha256(seed));
    let (mut found, mut raw, mut digits) = (0, 0, 0);
    for (at, byte) in bytes.iter().enumerate() {
        let monotone = at >= 3 && bytes[at - 3..at].iter().all(|before| before == byte);
        raw = if monotone { 0 } else { raw + 1 };
        digits = if byte.is_ascii_hexdigit() { digits + 1 } else { 0 };
        found += usize::from(raw >= 32 && is_one(&bytes[at - 31..=at]));
        let text = (digits >= 64).then(|| str::from_utf8(&bytes[at - 63..=at]).ok()).flatten();
        found += usize::from(text.and_then(unhex::<32>).is_some_and(|seed| is_one(&seed)));
    }
    found
}

/// The command line: what would be published, publishing, a key and an approval, and files in every form.
#[actix_web::test]
async fn the_verbs_of_figures_do_what_they_say() {
    let Some(deployment) = Deployment::made(Engine::Sqlite).await else {
        return;
    };
    let run = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("statistics").args(arguments).stdin(Stdio::null());
        if arguments[0] != "approver-key" {
            command.arg("--config").arg(deployment.config());
        }
        let done = command.output().expect("the program");
        let text = String::from_utf8(done.stdout).expect("text");
        (done.status.code(), text, String::from_utf8(done.stderr).expect("text"))
    };
    let of = ["--municipality", "GM0268", "--period"];
    let (code, told, _) = run(&[&["preview"], &of[..], &["2022"]].concat());
    assert!(code == Some(0) && told.contains("hidden: the whole is below the threshold"), "{told}");
    let (code, told, _) = run(&[&["preview"], &of[..], &["2025"]].concat());
    assert!(code == Some(0) && told.contains("published before"), "{told}");
    let key = deployment.beside("approver.key");
    let key = key.to_str().expect("a path");
    let (code, public, _) = run(&["approver-key", "--out", key]);
    assert!(code == Some(0) && unhex::<32>(public.trim()).is_some(), "{public}");
    assert_eq!(run(&["approver-key", "--out", key]).0, Some(1), "a key is never written over");
    let more = format!("[[approver]]\nname = \"officer\"\nkey = \"{}\"\n", public.trim());
    agree_on(&deployment, &[("GM0268", "2026Q1")], &more);
    let (code, told, _) = run(&[&["preview"], &of[..], &["2026Q3"]].concat());
    assert!(code == Some(0) && told.contains("would be published"), "{told}");
    let (code, bodies, _) = run(&[&["publish"], &of[..], &["2026Q3"]].concat());
    assert!(
        code == Some(0) && bodies.lines().count() == 1 && bodies.contains("2026Q3"),
        "{bodies}"
    );
    assert_eq!(run(&[&["publish"], &of[..], &["2026Q3"]].concat()).1, bodies, "as before");
    let (code, _, error) = run(&[&["publish"], &of[..], &["2026Q4"]].concat());
    assert_eq!((code, error.contains("the period is not over")), (Some(3), true), "{error}");
    let table = ["--table", "referrals.ageBand"];
    let (code, told, error) =
        run(&[&["approve"], &of[..], &["2026", "--key", key], &table].concat());
    assert_eq!(
        (code, told.trim()),
        (Some(0), "officer approved of referrals.ageBand of GM0268 2026"),
        "{error}"
    );
    let (code, _, error) = run(&[&["publish"], &of[..], &["2026"], &table].concat());
    assert!(code == Some(1) && error.contains("two of those who can approve"), "{error}");
    let out = deployment.beside("out");
    let (code, files, _) =
        run(&["export", "--area", "GM0268", "--out", out.to_str().expect("a path")]);
    // Two years of the demo and three quarters, in five forms.
    assert_eq!((code, files.lines().count()), (Some(0), 25), "{files}");
    assert!(
        files.lines().all(|name| fs::metadata(out.join(name)).is_ok_and(|file| file.len() > 50))
    );
}

#[actix_web::test]
async fn sta_sealing_is_killed_at_any_moment_sqlite() {
    sealed_whole_or_not_at_all(Engine::Sqlite).await;
}

#[actix_web::test]
async fn sta_sealing_is_killed_at_any_moment_postgres() {
    sealed_whole_or_not_at_all(Engine::Postgres).await;
}
