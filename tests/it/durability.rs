//! What is acknowledged stays, whatever happens to the process: killed at any moment under load, asked
//! to stop under load, two of them at once. The real program, the real files.

use crate::process::{Deployment, PROGRAM, Running, Voice};
use crate::sql;
use crate::support::{Engine, WIJKTEAM, example};
use buurtpoort::cli::{audit, boot};
use buurtpoort::config::Config;
use buurtpoort::crypto::Entropy;
use buurtpoort::store::Pool;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often the gateway is killed, on each database.
const CYCLES: usize = 20;
/// Senders at once.
const SENDERS: usize = 4;

/// What the senders know: every key they used, and the id that was acknowledged for it.
type Known = Arc<Mutex<BTreeMap<String, Option<String>>>>;

/// Sends one referral after another under fresh keys until the gateway goes away.
async fn send(voice: Voice, name: String, body: Arc<String>, known: Known) {
    for count in 0.. {
        let key = format!("{name}-{count}");
        known.lock().expect("a sender").insert(key.clone(), None);
        let Ok(answer) = voice.post("/v1/referrals", &key, &body).await else {
            return;
        };
        if answer.status == 503 {
            // Stopping, or the writer gave up: not acknowledged.
            continue;
        }
        assert_eq!(answer.status, 201, "{}", answer.raw);
        let id = answer.text("/id").to_owned();
        known.lock().expect("a sender").insert(key, Some(id));
    }
}

/// Starts the senders; they end when the gateway does.
fn load(
    deployment: &Deployment,
    name: &str,
    known: &Known,
) -> Vec<actix_web::rt::task::JoinHandle<()>> {
    let body = Arc::new(example("referral-wijkteam").to_string());
    (0..SENDERS)
        .map(|sender| {
            let voice = deployment.voice(WIJKTEAM);
            let name = format!("{name}-{sender}");
            actix_web::rt::spawn(send(voice, name, Arc::clone(&body), Arc::clone(known)))
        })
        .collect()
}

async fn joined(senders: Vec<actix_web::rt::task::JoinHandle<()>>) {
    for sender in senders {
        sender.await.expect("a sender that was not surprised");
    }
}

/// A moment between 50 and 900 milliseconds from now.
fn moment() -> Duration {
    let random: [u8; 2] = Entropy::system().array().expect("randomness");
    Duration::from_millis(50 + u64::from(u16::from_be_bytes(random)) % 850)
}

/// Sends every key again: what was acknowledged is acknowledged with the same id, what was not is
/// accepted now or then, once.
async fn retry(deployment: &Deployment, known: &Known) -> BTreeSet<String> {
    let body = example("referral-wijkteam").to_string();
    let voice = deployment.voice(WIJKTEAM);
    let sent: Vec<(String, Option<String>)> =
        known.lock().expect("a sender").iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut ids = BTreeSet::new();
    for group in sent.chunks(16) {
        let again = group.iter().map(|(key, _)| voice.post("/v1/referrals", key, &body));
        let answers = futures_util::future::join_all(again).await;
        for ((key, acknowledged), answer) in group.iter().zip(answers) {
            let answer = answer.expect("the gateway stays");
            assert_eq!(answer.status, 201, "{key}: {}", answer.raw);
            let id = answer.text("/id");
            if let Some(acknowledged) = acknowledged {
                assert_eq!(id, acknowledged, "{key}: the same key, the same referral");
                assert_eq!(answer.header("idempotent-replayed"), "true", "{key}");
            }
            assert!(ids.insert(id.replace('-', "")), "{key}: one referral under two keys");
        }
    }
    ids
}

/// Opens the database of a gateway that has stopped.
async fn opened(deployment: &Deployment) -> (Config, Pool) {
    let config = Config::read(&deployment.config()).expect("a configuration");
    let pool = boot::pool(&config).await.unwrap_or_else(|failure| panic!("{}", failure.message));
    (config, pool)
}

/// Every referral is whole: case, key, identity. Gives their ids; [`nothing_half_written`] compares their
/// number with the ledger's, which no column links to them.
async fn whole_referrals(pool: &Pool) -> Vec<String> {
    const SQLITE: &str = "SELECT lower(hex(r.id)) FROM referral r \
        JOIN case_file c ON c.id = r.case_id AND c.referral_id = r.id \
        JOIN case_key k ON k.case_id = c.id JOIN identity i ON i.case_id = c.id";
    const POSTGRES: &str = "SELECT replace(r.id::text, '-', '') FROM referral r \
        JOIN case_file c ON c.id = r.case_id AND c.referral_id = r.id \
        JOIN case_key k ON k.case_id = c.id JOIN identity i ON i.case_id = c.id";
    sql::texts(pool, sql::either(pool, SQLITE, POSTGRES)).await
}

/// Nothing is half there: as many of each as there are referrals, and each its own ledger entry.
async fn nothing_half_written(pool: &Pool, whole: &[String]) {
    let expected = i64::try_from(whole.len()).expect("a count");
    for counted in [
        "SELECT COUNT(*) FROM referral",
        "SELECT COUNT(*) FROM case_file",
        "SELECT COUNT(*) FROM case_key",
        "SELECT COUNT(*) FROM identity",
        "SELECT COUNT(DISTINCT object) FROM audit_entry WHERE event = 'referral.accepted'",
        "SELECT COUNT(*) FROM audit_entry WHERE event = 'referral.accepted' AND outcome = 'allow'",
        "SELECT COUNT(*) FROM referral r JOIN idempotency i ON i.resource = r.id",
    ] {
        assert_eq!(sql::number(pool, counted).await, expected, "{counted}");
    }
}

/// The ledger of a gateway that has stopped verifies.
async fn ledger_verifies(config: &Config, pool: &Pool) {
    let keyring = boot::keyring(config, pool).await.unwrap_or_else(|f| panic!("{}", f.message));
    let checked = audit::check(pool, &keyring, &config.ledger.origin).await;
    let checked = checked.unwrap_or_else(|failure| panic!("{}", failure.message));
    checked.unwrap_or_else(|tamper| panic!("{tamper}"));
}

/// After a stop: `ids` are all there, whole, and nothing is half there.
async fn all_is_there(deployment: &Deployment, ids: &BTreeSet<String>) {
    let (config, pool) = opened(deployment).await;
    let whole = whole_referrals(&pool).await;
    let there: BTreeSet<&String> = whole.iter().collect();
    assert_eq!(there.len(), whole.len(), "each once");
    let lost: Vec<_> = ids.iter().filter(|id| !there.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    nothing_half_written(&pool, &whole).await;
    ledger_verifies(&config, &pool).await;
    pool.close().await;
}

async fn stopped(mut running: Running) {
    let begun = Instant::now();
    running.terminate();
    let status = running.ended().await;
    assert!(status.success(), "{}", running.printed());
    assert!(begun.elapsed() < Duration::from_secs(12), "it drains within its time");
}

fn acknowledged(known: &Known) -> BTreeSet<String> {
    let known = known.lock().expect("a sender");
    known.values().flatten().map(|id| id.replace('-', "")).collect()
}

async fn flt_01_killed_under_load(engine: Engine) {
    let Some(deployment) = Deployment::made(engine).await else {
        return;
    };
    let known = Known::default();
    let mut slowest = Duration::ZERO;
    for cycle in 0..CYCLES {
        let begun = Instant::now();
        let mut running = deployment.serve().await;
        slowest = slowest.max(begun.elapsed());
        let senders = load(&deployment, &format!("kill-{cycle}"), &known);
        tokio::time::sleep(moment()).await;
        running.kill();
        joined(senders).await;
    }
    let count = acknowledged(&known).len();
    assert!(count > 5 * CYCLES, "only {count} were acknowledged: there was no load");
    assert!(slowest < Duration::from_secs(10), "ready again after {slowest:?}");
    let running = deployment.serve().await;
    let ids = retry(&deployment, &known).await;
    assert!(ids.is_superset(&acknowledged(&known)));
    stopped(running).await;
    all_is_there(&deployment, &ids).await;
    eprintln!("{engine:?}: {count} acknowledged over {CYCLES} kills, 0 lost; ready in {slowest:?}");
}

#[actix_web::test]
async fn flt_01_killed_under_load_sqlite() {
    flt_01_killed_under_load(Engine::Sqlite).await;
}

#[actix_web::test]
async fn flt_01_killed_under_load_postgres() {
    flt_01_killed_under_load(Engine::Postgres).await;
}

async fn flt_02_asked_to_stop_under_load(engine: Engine) {
    let Some(deployment) = Deployment::made(engine).await else {
        return;
    };
    let known = Known::default();
    for cycle in 0..3 {
        let running = deployment.serve().await;
        let senders = load(&deployment, &format!("stop-{cycle}"), &known);
        tokio::time::sleep(moment()).await;
        stopped(running).await;
        joined(senders).await;
    }
    let ids = acknowledged(&known);
    assert!(ids.len() > 10, "only {} were acknowledged: there was no load", ids.len());
    all_is_there(&deployment, &ids).await;
}

#[actix_web::test]
async fn flt_02_asked_to_stop_under_load_sqlite() {
    flt_02_asked_to_stop_under_load(Engine::Sqlite).await;
}

#[actix_web::test]
async fn flt_02_asked_to_stop_under_load_postgres() {
    flt_02_asked_to_stop_under_load(Engine::Postgres).await;
}

/// The check itself bites: a referral whose key is gone, and one that was never there, are found.
#[actix_web::test]
async fn what_is_lost_would_be_found() {
    let deployment = Deployment::made(Engine::Sqlite).await.expect("SQLite is always there");
    let (_, pool) = opened(&deployment).await;
    let before = whole_referrals(&pool).await;
    assert!(!before.is_empty(), "the story leaves referrals");
    sql::run(&pool, "DELETE FROM case_key WHERE case_id = (SELECT MIN(case_id) FROM case_key)")
        .await;
    let after = whole_referrals(&pool).await;
    assert_eq!(after.len() + 1, before.len());
    let expected = i64::try_from(after.len()).expect("a count");
    assert_ne!(sql::number(&pool, "SELECT COUNT(*) FROM referral").await, expected);
    pool.close().await;
}

/// Two gateways on one PostgreSQL: one ledger, one memory of keys, one register.
#[actix_web::test]
async fn two_gateways_on_one_database() {
    const BOOTS: &str = "SELECT COUNT(DISTINCT convert_from(leaf, 'UTF8')::json ->> 'boot') \
        FROM audit_entry WHERE event = 'referral.accepted'";
    let Some(deployment) = Deployment::made(Engine::Postgres).await else {
        return;
    };
    let (second, ports) = deployment.second();
    let one = deployment.serve().await;
    let two = deployment.serve_with(&second, ports).await;
    let voices = [deployment.voice(WIJKTEAM), deployment.voice_at(WIJKTEAM, ports)];
    let ids = same_keys_at_both(&voices).await;
    suspended_at_both(&deployment, &voices).await;
    stopped(one).await;
    stopped(two).await;
    let stored: BTreeSet<String> = ids.iter().map(|id| id.replace('-', "")).collect();
    all_is_there(&deployment, &stored).await;
    let (_, pool) = opened(&deployment).await;
    assert!(sql::number(&pool, BOOTS).await >= 3, "the story and both gateways wrote");
    pool.close().await;
}

/// Each key is sent to both gateways at the same moment; both give the same referral.
async fn same_keys_at_both([one, two]: &[Voice; 2]) -> BTreeSet<String> {
    let body = example("referral-wijkteam").to_string();
    let mut ids = BTreeSet::new();
    for round in 0..10 {
        let keys: Vec<String> = (0..8).map(|n| format!("both-{round}-{n}")).collect();
        let here = keys.iter().map(|key| one.post("/v1/referrals", key, &body));
        let there = keys.iter().map(|key| two.post("/v1/referrals", key, &body));
        let (here, there) = tokio::join!(
            futures_util::future::join_all(here),
            futures_util::future::join_all(there)
        );
        for (first, other) in here.into_iter().zip(there) {
            let (first, other) = (first.expect("one answers"), other.expect("two answers"));
            assert_eq!((first.status, other.status), (201, 201), "{}{}", first.raw, other.raw);
            assert_eq!(first.text("/id"), other.text("/id"));
            let replays = [&first, &other].map(|a| a.header("idempotent-replayed") == "true");
            assert!(replays[0] != replays[1], "one made it, the other found it");
            ids.insert(first.text("/id").to_owned());
        }
    }
    assert_eq!(ids.len(), 80);
    ids
}

/// A partner that is suspended is refused by both within two seconds.
async fn suspended_at_both(deployment: &Deployment, voices: &[Voice; 2]) {
    for voice in voices {
        assert_eq!(voice.get("/v1/referrals").await.status, 200);
    }
    let register = deployment.dir().join("partners.toml");
    let text = std::fs::read_to_string(&register).expect("a register");
    let mut text: toml::Table = text.parse().expect("TOML");
    let partners = text["partner"].as_array_mut().expect("partners");
    for partner in partners.iter_mut().filter(|p| p["name"].as_str() == Some(WIJKTEAM.0)) {
        partner["status"] = "suspended".into();
    }
    std::fs::write(&register, text.to_string()).expect("a register");
    let applied = Command::new(PROGRAM)
        .args(["partner", "apply"])
        .arg(&register)
        .arg("--config")
        .arg(deployment.config())
        .output()
        .expect("the program runs");
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let begun = Instant::now();
    for voice in voices {
        while voice.get("/v1/referrals").await.status != 403 {
            assert!(begun.elapsed() < Duration::from_secs(2), "still let in");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    for voice in voices {
        let refused = voice.get("/v1/referrals").await;
        assert!(refused.text("/type").ends_with("#partner-unknown"), "{}", refused.raw);
    }
}
