//! Rights of PostgreSQL's roles (AUD-20): the gateway appends and does not change, the auditor reads the ledger
//! and nothing else. SQLite has no roles.

use crate::sql;
use crate::support::{Engine, WIJKTEAM, World, example};
use buurtpoort::cli::boot::{self, Claim};
use buurtpoort::cli::serve;
use buurtpoort::http::server::Sockets;
use buurtpoort::store::rights::{self, Role};
use buurtpoort::store::{Pool, ledger};
use std::net::TcpListener;
use std::sync::Arc;

/// What the gateway's role must not be able to do, whatever happens to the gateway.
const NOT_THE_GATEWAY: &[&str] = &[
    "UPDATE audit_entry SET outcome = 'allow' WHERE seq = 0",
    "DELETE FROM audit_entry WHERE seq = 0",
    "TRUNCATE audit_entry",
    "DELETE FROM audit_head",
    "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
    "DROP TRIGGER audit_entry_not_updated ON audit_entry",
    "UPDATE figures_release SET body = ''",
    "DELETE FROM figures_release",
    "DELETE FROM identity_release",
    "UPDATE assignment SET coordinator = 'bert'",
    "UPDATE partner SET status = 'active'",
    "INSERT INTO partner_pin SELECT partner_id, pin FROM partner_pin",
    "DELETE FROM territory",
    "UPDATE key_ring SET state = 'destroyed'",
    "CREATE TABLE extra (id INTEGER)",
];

const NOT_THE_AUDITOR: &[&str] = &[
    "INSERT INTO audit_entry SELECT * FROM audit_entry",
    "UPDATE audit_head SET size = size + 1",
    "SELECT COUNT(*) FROM case_file",
    "SELECT COUNT(*) FROM identity",
    "SELECT COUNT(*) FROM case_key",
    "SELECT COUNT(*) FROM key_ring",
    "SELECT COUNT(*) FROM referral",
    "SELECT COUNT(*) FROM outbox",
];

/// The same database, spoken to as another role.
fn address(world: &World, role: &str) -> String {
    let url = world.booted.config.database.url.clone().expect("an address");
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}options[role]={role}")
}

async fn refused(pool: &Pool, statement: &str) {
    let error = sql::attempt(pool, statement).await.expect_err(statement);
    let code = error.as_database_error().and_then(|e| e.code().map(std::borrow::Cow::into_owned));
    assert_eq!(code.as_deref(), Some("42501"), "{statement}: permission denied");
}

#[actix_web::test]
async fn aud_20_the_gateway_only_appends_and_the_auditor_only_reads_the_ledger() {
    let Some(world) = World::raise(Engine::Postgres).await else { return };
    let owner = &world.booted.api.gateway.store.pool;
    world.referral().await;
    let (gateway, auditor) = (
        format!("bp_gateway_{}", std::process::id()),
        format!("bp_auditor_{}", std::process::id()),
    );
    let missing = rights::give(owner, Role::Gateway, "nobody_of_this_name").await;
    assert!(missing.is_err(), "a role that is not there");
    for name in [&gateway, &auditor] {
        let made = format!("CREATE ROLE {name}");
        sql::run(owner, &made).await;
    }
    rights::give(owner, Role::Gateway, &gateway).await.expect("given");
    rights::give(owner, Role::Auditor, &auditor).await.expect("given");
    rights::give(owner, Role::Gateway, &gateway).await.expect("again, without effect");

    let mut config = world.booted.config.clone();
    config.database.url = Some(address(&world, &gateway));
    let second = boot::boot(config, world.booted.api.gateway.clock.clone(), Claim::Alone).await;
    let second = Arc::new(second.unwrap_or_else(|failure| panic!("{}", failure.message)));
    let pool = &second.api.gateway.store.pool;
    let me = sql::texts(pool, "SELECT current_user::text").await;
    assert_eq!(me, [&*gateway], "control: it speaks as that role");
    let socket = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let sockets = Sockets { api: socket(), portal: socket(), admin: socket(), sign_in: None };
    let port = sockets.api.local_addr().expect("an address").port();
    let servers = serve::start(&second, sockets, &crate::support::metrics()).expect("it serves");
    actix_web::rt::spawn(servers.serve());
    let sent = world
        .client(WIJKTEAM.0)
        .post(format!("https://localhost:{port}/v1/referrals"))
        .bearer_auth(world.token(WIJKTEAM))
        .header("Idempotency-Key", "as-a-role")
        .json(&example("referral-wijkteam"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(sent.status().as_u16(), 201, "control: the gateway works with these rights");
    for statement in NOT_THE_GATEWAY {
        refused(pool, statement).await;
    }
    let reader = Pool::open(&address(&world, &auditor)).await.expect("the auditor connects");
    let page = ledger::page(&reader, 0, 10).await.expect("the auditor reads the ledger");
    assert!(!page.is_empty());
    for statement in NOT_THE_AUDITOR {
        refused(&reader, statement).await;
    }
    assert!(
        sql::run(owner, "UPDATE outbox SET kind = kind").await < 1_000,
        "control: the owner may"
    );
}
