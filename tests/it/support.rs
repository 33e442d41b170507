//! A gateway of one's own for each test: in this process, on free ports, with its own development CA,
//! its own database on either engine, and a clock that the test moves.
//!
//! `on_both!` writes a test for SQLite and one for PostgreSQL. The PostgreSQL server is named by
//! `BUURTPOORT_TEST_POSTGRES` (`scripts/test.sh` starts one); without it those tests fail under `CI` and
//! are passed over elsewhere, saying so.

use buurtpoort::cli::boot::Booted;
use buurtpoort::cli::demo::{DemoArgs, Raised, raise};
use buurtpoort::cli::issuer::DevIssuer;
use buurtpoort::cli::partners::{RegisterFile, parse};
use buurtpoort::cli::watch;
use buurtpoort::clock::{Clock, TestClock};
use buurtpoort::store::health::State;
use buurtpoort::store::ledger::Stamp;
use buurtpoort::store::partners;
use buurtpoort::telemetry;
use buurtpoort::tls::client;
use buurtpoort::tls::reload::{IdentityFiles, OutboundFiles};
use jiff::{SignedDuration, Timestamp};
use metrics_exporter_prometheus::PrometheusHandle;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Writes `mod name { sqlite, postgres }` around a story that takes a [`World`].
macro_rules! on_both {
    ($(#[$doc:meta])* async fn $name:ident($world:ident: World) $body:block) => {
        mod $name {
            use super::*;

            $(#[$doc])*
            async fn story($world: &$crate::support::World) $body

            #[actix_web::test]
            async fn sqlite() {
                let world = $crate::support::World::raise($crate::support::Engine::Sqlite).await;
                story(&world.expect("SQLite is always there")).await;
            }

            #[actix_web::test]
            async fn postgres() {
                if let Some(world) =
                    $crate::support::World::raise($crate::support::Engine::Postgres).await
                {
                    story(&world).await;
                }
            }
        }
    };
}
pub(crate) use on_both;

/// Who speaks: partner, account, role.
pub(crate) type Caller = (&'static str, &'static str, &'static str);

pub(crate) const WIJKTEAM: Caller = ("wijkteam-nijmegen", "wijkteam-1", "referrer");
pub(crate) const POH_J: Caller = ("poh-j-nijmegen", "poh-1", "referrer");
pub(crate) const REGIETEAM: Caller = ("regieteam-nijmegen", "regisseur-1", "referrer");
pub(crate) const WEBSITE: Caller = ("website-buurtgezinnen", "website", "referrer");
pub(crate) const LEA: Caller = ("buurtgezinnen", "lea", "assigner");
pub(crate) const ANNA: Caller = ("buurtgezinnen", "anna", "coordinator");
pub(crate) const BERT: Caller = ("buurtgezinnen", "bert", "coordinator");
pub(crate) const GEMEENTE: Caller = ("gemeente-nijmegen", "beleid-1", "municipality");
pub(crate) const TOEZICHT: Caller = ("toezicht", "fg-1", "privacy-officer");
pub(crate) const BEHEER: Caller = ("beheer", "beheer-1", "operator");

/// A gateway and everything needed to talk to it.
pub(crate) struct World {
    pub(crate) booted: Arc<Booted>,
    pub(crate) api: SocketAddr,
    pub(crate) portal: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) sign_in: SocketAddr,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) hand: Arc<TestClock>,
    pub(crate) issuer: DevIssuer,
    pub(crate) engine: Engine,
    pub(crate) database: Option<String>,
    keys: AtomicUsize,
    _held: std::fs::File,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) raw: String,
    pub(crate) body: Value,
}

impl Answer {
    /// Text at a JSON pointer; empty where there is none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Codes of `errors[]` by pointer.
    pub(crate) fn errors(&self) -> Vec<(String, String)> {
        let errors = self.body.pointer("/errors").and_then(Value::as_array);
        let text = |error: &Value, key: &str| error[key].as_str().unwrap_or_default().to_owned();
        errors.into_iter().flatten().map(|e| (text(e, "pointer"), text(e, "code"))).collect()
    }
}

/// A metrics recorder for the whole test process.
pub(crate) fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| telemetry::metrics().expect("one recorder a process")).clone()
}

/// The address of the test server, if there is one.
pub(crate) fn postgres() -> Option<String> {
    let url = std::env::var("BUURTPOORT_TEST_POSTGRES").ok();
    assert!(
        url.is_some() || std::env::var_os("CI").is_none(),
        "BUURTPOORT_TEST_POSTGRES is not set"
    );
    if url.is_none() {
        eprintln!("passed over: BUURTPOORT_TEST_POSTGRES is not set");
    }
    url
}

/// A database of its own on the test server.
pub(crate) async fn fresh_database() -> Option<String> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let server = postgres()?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // A process number comes round again on a server that is kept between runs.
    let name = format!("bp_{}_{count}", buurtpoort::ids::DeliveryId::new().uuid().simple());
    let mut connection =
        sqlx::PgConnection::connect(&server).await.expect("the test server answers");
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut connection).await.expect("the test server makes databases");
    let (base, _) = server.rsplit_once('/').expect("an address with a database");
    Some(format!("{base}/{name}"))
}

impl World {
    /// A fresh gateway at noon on 21 November 2026, or nothing without a PostgreSQL server.
    pub(crate) async fn raise(engine: Engine) -> Option<Self> {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(fresh_database().await?),
        };
        let directory = tempfile::tempdir().expect("a temporary directory");
        let args = DemoArgs {
            dir: directory.path().join("demo"),
            api_port: 0,
            portal_port: 0,
            admin_port: 0,
            sign_in_port: Some(0),
            database: database.clone(),
            reset: false,
            exit_after_story: true,
        };
        buurtpoort::tls::install_default_provider();
        let start: Timestamp = "2026-11-21T11:00:00Z".parse().expect("an instant");
        let hand = TestClock::at(start);
        let clock = Clock::Test(Arc::clone(&hand));
        let raised = raise(&args, clock, &metrics()).await;
        let raised = raised.unwrap_or_else(|failure| panic!("{}", failure.message));
        let Raised { booted, servers, api, portal, admin, sign_in, held } = raised;
        actix_web::rt::spawn(async {
            servers.serve().await.expect("the listeners keep going");
        });
        let issuer = DevIssuer::open(&args.dir).unwrap_or_else(|f| panic!("{}", f.message));
        let keys = AtomicUsize::new(0);
        let sign_in = sign_in.expect("a sign-in listener");
        Some(Self {
            booted,
            api,
            portal,
            admin,
            sign_in,
            directory,
            hand,
            issuer,
            engine,
            database,
            keys,
            _held: held,
        })
    }

    /// The demo's directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.directory.path().join("demo")
    }

    /// Moves the clock.
    pub(crate) fn later(&self, seconds: i64) {
        self.hand.advance(SignedDuration::from_secs(seconds));
    }

    /// The present instant.
    pub(crate) fn now(&self) -> Timestamp {
        self.booted.api.gateway.clock.now()
    }

    /// A token for a caller.
    pub(crate) fn token(&self, (partner, person, role): Caller) -> String {
        let audience = &self.booted.config.tokens.audience;
        let clock = &self.booted.api.gateway.clock;
        let token = self.issuer.sign(&self.dir(), partner, person, &[role], audience, clock);
        token.unwrap_or_else(|failure| panic!("{}", failure.message))
    }

    /// A client that presents a partner's certificate.
    pub(crate) fn client(&self, partner: &str) -> reqwest::Client {
        client_of(&self.dir(), Some(partner), &self.booted.api.gateway.clock)
    }

    /// An idempotency key that was not used yet.
    pub(crate) fn key(&self) -> String {
        format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed))
    }

    /// The address of a path on the API listener.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.api.port())
    }

    pub(crate) async fn get(&self, who: Caller, path: &str) -> Answer {
        self.send(who, Method::GET, path, None, None).await
    }

    pub(crate) async fn post(&self, who: Caller, path: &str, body: &Value) -> Answer {
        let key = self.key();
        self.send(who, Method::POST, path, Some(body.to_string()), Some(&key)).await
    }

    pub(crate) async fn send(
        &self,
        who: Caller,
        method: Method,
        path: &str,
        body: Option<String>,
        key: Option<&str>,
    ) -> Answer {
        let token = self.token(who);
        let mut request = self.client(who.0).request(method, self.url(path)).bearer_auth(token);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        answer(request.send().await.expect("the gateway answers")).await
    }

    /// Submits a referral of the wijkteam and returns its id.
    pub(crate) async fn referral(&self) -> String {
        let answer = self.post(WIJKTEAM, "/v1/referrals", &example("referral-wijkteam")).await;
        assert_eq!(answer.status, 201, "{}", answer.raw);
        answer.text("/id").to_owned()
    }

    /// Submits a referral, assigns it to anna and returns the ids of referral and case.
    pub(crate) async fn assigned_case(&self) -> (String, String) {
        // Later than the others, so that it is the last of the list.
        self.later(1);
        let referral = self.referral().await;
        (referral, self.assign_last().await)
    }

    /// Assigns the case that came last to anna, and returns its id.
    pub(crate) async fn assign_last(&self) -> String {
        let waiting = self.get(LEA, "/v1/cases?assigned=false&limit=100").await;
        let items = waiting.body["items"].as_array().expect("a list");
        let case = items.last().expect("the case")["id"].as_str().expect("an id").to_owned();
        let to = json!({"coordinator": "anna"});
        let assigned = self.post(LEA, &format!("/v1/cases/{case}/assignments"), &to).await;
        assert_eq!(assigned.status, 201, "{}", assigned.raw);
        case
    }

    /// Anna asks for the identity behind a case.
    pub(crate) async fn release(&self, case: &str) -> Answer {
        let body = json!({"purpose": "intake", "reason": "Eerste gesprek plannen"});
        self.post(ANNA, &format!("/v1/cases/{case}/identity-releases"), &body).await
    }

    /// Changes the register as `buurtpoort partner apply` does; the gateway reads it within a second.
    pub(crate) async fn apply(&self, change: impl FnOnce(&mut RegisterFile)) {
        let file = self.dir().join("partners.toml");
        let text = std::fs::read_to_string(&file).expect("the register");
        let mut register: RegisterFile = toml::from_str(&text).expect("a register");
        change(&mut register);
        let text = toml::to_string(&register).expect("TOML");
        std::fs::write(&file, &text).expect("written");
        let (them, territories) = parse(&text).unwrap_or_else(|f| panic!("{}", f.message));
        let gateway = &self.booted.api.gateway;
        let (pool, ring) = (&gateway.store.pool, &gateway.keyring);
        let stamp = Stamp { boot: [3; 8], at_us: self.now().as_microsecond(), policies: [3; 32] };
        partners::apply(pool, ring, &them, &territories, &stamp).await.expect("applied");
    }

    /// As [`Self::apply`], and has the gateway read it at once.
    pub(crate) async fn amend(&self, change: impl FnOnce(&mut RegisterFile)) {
        self.apply(change).await;
        watch::refresh_register(&self.booted).await;
    }

    /// Waits until the ledger is written again.
    pub(crate) async fn healed(&self) {
        let health = self.booted.api.gateway.store.writer.health();
        for _ in 0..100 {
            if health.state() == State::Ok {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the ledger stays {}", health.state().as_str());
    }

    /// Checks the whole ledger and returns what it holds, by event and outcome.
    pub(crate) async fn ledger(&self) -> buurtpoort::audit::verify::Summary {
        let gateway = &self.booted.api.gateway;
        let origin = &self.booted.config.ledger.origin;
        let checked =
            buurtpoort::cli::audit::check(&gateway.store.pool, &gateway.keyring, origin).await;
        let checked = checked.unwrap_or_else(|failure| panic!("{}", failure.message));
        checked.unwrap_or_else(|tamper| panic!("{tamper}"))
    }
}

/// A client that trusts a demo's CA and presents a partner's certificate, or none.
pub(crate) fn client_of(directory: &Path, partner: Option<&str>, clock: &Clock) -> reqwest::Client {
    let pki = directory.join("pki");
    let identity = partner.map(|partner| IdentityFiles {
        certificate: pki.join(partner).join("cert.pem"),
        key: pki.join(partner).join("key.pem"),
    });
    let files = OutboundFiles { authorities: pki.join("ca.pem"), identity };
    let tls = client::open(&files, clock).expect("usable certificates");
    reqwest::Client::builder().tls_backend_preconfigured(tls).build().expect("a client")
}

/// Reads an answer whole.
pub(crate) async fn answer(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(k, v)| (k.as_str().to_owned(), v.to_str().unwrap_or_default().to_owned()))
        .collect();
    let raw = response.text().await.expect("a body in UTF-8");
    let body = serde_json::from_str(&raw).unwrap_or_default();
    Answer { status, headers, raw, body }
}

/// An example of `examples/`.
pub(crate) fn example(name: &str) -> Value {
    let path = format!("{}/examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("an example");
    serde_json::from_str(&text).expect("JSON")
}
