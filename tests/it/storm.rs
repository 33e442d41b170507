//! Deliveries under a storm (P5, FLT-16): receivers that fail, hang, cut off, send elsewhere, say they are gone and answer
//! a gigabyte; gateways that are killed. Nothing is lost, nothing comes out of order, and after the ids are compared
//! each message was there once.
//!
//! Four hundred messages in the tests of every day; `scripts/race.sh` sends five thousand.

use crate::process::{Deployment, Running};
use crate::sql;
use crate::support::{BEHEER, Engine};
use buurtpoort::cli::scenario::draw::Draw;
use buurtpoort::clock::Clock;
use buurtpoort::store::Pool;
use buurtpoort::store::deliveries::{self, State};
use buurtpoort::tls::Versions;
use buurtpoort::tls::acceptor::Reloadable;
use buurtpoort::tls::reload::{ClientFiles, ListenerFiles};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const GEMEENTEN: [&str; 4] =
    ["gemeente-nijmegen", "gemeente-druten", "gemeente-heumen", "gemeente-meppel"];

fn messages() -> usize {
    let asked = std::env::var("BUURTPOORT_DELIVERIES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(400)
}

/// What all receivers kept: id and time of each message, in order, by path.
#[derive(Default)]
struct Kept {
    by_path: BTreeMap<String, Vec<(String, Timestamp)>>,
    /// How often each thing was done.
    done: BTreeMap<&'static str, usize>,
}

struct Storm {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    elsewhere: Arc<AtomicUsize>,
}

/// What a receiver does with a message: keep it or not, and answer.
const WAYS: [(&str, bool, u64); 8] = [
    ("taken", true, 70),
    ("fails", false, 14),
    ("cut after the headers", true, 4),
    ("hangs", false, 3),
    ("sends elsewhere", false, 3),
    ("is gone", false, 2),
    ("answers a gigabyte and fails", false, 2),
    ("answers a gigabyte and takes", true, 2),
];

fn way(draw: &mut Draw) -> (&'static str, bool) {
    let mut left = draw.below(100);
    for (name, keeps, share) in WAYS {
        if left < share {
            return (name, keeps);
        }
        left -= share;
    }
    ("taken", true)
}

impl Storm {
    async fn break_loose(deployment: &Deployment) -> Self {
        let pki = deployment.dir().join("pki");
        let files = ListenerFiles {
            certificate: pki.join("server/cert.pem"),
            key: pki.join("server/key.pem"),
            clients: Some(ClientFiles {
                authorities: pki.join("ca.pem"),
                revocations: pki.join("ca.crl.pem"),
            }),
        };
        let tls = Reloadable::open(&files, Versions::Tls13).expect("TLS");
        let config = Arc::new(tls.server_config(&Clock::System).expect("a configuration"));
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let other = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = format!("https://localhost:{}/", other.local_addr().expect("one").port());
        let (kept, elsewhere) = (Arc::<Mutex<Kept>>::default(), Arc::new(AtomicUsize::new(0)));
        let followed = Arc::clone(&elsewhere);
        actix_web::rt::spawn(async move {
            while other.accept().await.is_ok() {
                followed.fetch_add(1, Ordering::SeqCst);
            }
        });
        let (shared, draw) = (Arc::clone(&kept), Arc::new(Mutex::new(Draw::of(16))));
        actix_web::rt::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, kept) = (acceptor.clone(), Arc::clone(&shared));
                let (target, way) = (target.clone(), way(&mut draw.lock().expect("a lot")));
                actix_web::rt::spawn(async move {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        // A sender that goes away is part of the storm.
                        drop(serve(stream, way, &kept, &target).await);
                    }
                });
            }
        });
        Self { address, kept, elsewhere }
    }
}

type Stream = tokio_rustls::server::TlsStream<tokio::net::TcpStream>;

async fn serve(
    mut stream: Stream,
    (name, keeps): (&'static str, bool),
    kept: &Mutex<Kept>,
    target: &str,
) -> std::io::Result<()> {
    let (path, body) = request(&mut stream).await?;
    let event: Value = serde_json::from_slice(&body).expect("an event");
    {
        let mut kept = kept.lock().expect("kept");
        *kept.done.entry(name).or_default() += 1;
        if keeps {
            let text = |field: &str| event[field].as_str().expect("a text").to_owned();
            let at = text("time").parse().expect("an instant");
            kept.by_path.entry(path).or_default().push((text("id"), at));
        }
    }
    match name {
        "taken" => stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await?,
        "fails" => stream.write_all(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").await?,
        "cut after the headers" => stream.write_all(b"HTTP/1.1 20").await?,
        "hangs" => actix_web::rt::time::sleep(Duration::from_secs(30)).await,
        "sends elsewhere" => {
            let answer =
                format!("HTTP/1.1 301 There\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await?;
        }
        "is gone" => stream.write_all(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n").await?,
        _ => {
            let status = if keeps { "200 Yes" } else { "500 No" };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: 1073741824\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let block = vec![b'x'; 64 * 1024];
            for _ in 0..16 * 1024 {
                stream.write_all(&block).await?;
            }
        }
    }
    stream.shutdown().await
}

/// Reads one request: its path and its body.
async fn request(stream: &mut Stream) -> std::io::Result<(String, Vec<u8>)> {
    let (mut bytes, mut block) = (Vec::new(), [0; 4096]);
    loop {
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or(0);
            if bytes.len() >= head + 4 + length {
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                return Ok((path, bytes[head + 4..].to_vec()));
            }
        }
        let read = stream.read(&mut block).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&block[..read]);
    }
}

/// Puts the messages in the outbox, each about a release that is there, and registers the endpoints.
async fn fill(deployment: &Deployment, pool: &Pool, address: SocketAddr, number: usize) {
    let authorities = std::fs::read_to_string(deployment.dir().join("pki/ca.pem")).expect("a CA");
    for name in GEMEENTEN {
        let url = format!("https://localhost:{}/{name}", address.port());
        sql::run(
            pool,
            &format!(
                "INSERT INTO partner_endpoint (partner_id, url, authorities, allow_private) \
             SELECT id, '{url}', '{authorities}', 1 FROM partner WHERE name = '{name}'"
            ),
        )
        .await;
    }
    let id = sql::either(pool, "randomblob(16)", "gen_random_uuid()");
    let names = GEMEENTEN.map(|name| format!("'{name}'")).join(", ");
    sql::run(pool, &format!(
        "INSERT INTO outbox (id, partner_id, kind, object_id, created_ms) \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
         SELECT {id}, p.id, 'nl.buurtpoort.statistiek-gepubliceerd', (SELECT r.id FROM figures_release r \
             JOIN partner_municipality m ON m.municipality = r.area WHERE m.partner_id = p.id \
             ORDER BY r.period LIMIT 1), n.i FROM n \
             CROSS JOIN (SELECT id FROM partner WHERE name IN ({names})) p",
        number / GEMEENTEN.len()
    )).await;
}

/// Short waits, so that the storm is over today.
fn hasten(deployment: &Deployment) {
    let path = deployment.config();
    let text = std::fs::read_to_string(&path).expect("a configuration");
    let waits = "[delivery]\ntimeout-ms = 500\nwaits-ms = [20, 20, 20, 20, 20, 20, 20]\n";
    let text = text.replace("[delivery]\n", waits);
    assert!(text.contains("waits-ms"), "{text}");
    std::fs::write(path, text).expect("a configuration");
}

/// Where the storm stands: messages that were kept at least once.
fn unique(kept: &Mutex<Kept>) -> usize {
    let kept = kept.lock().expect("kept");
    kept.by_path.values().flatten().map(|(id, _)| id).collect::<HashSet<_>>().len()
}

/// An operator has what is parked tried again.
async fn free(deployment: &Deployment, pool: &Pool) {
    let voice = deployment.voice(BEHEER);
    let mut after = (0, uuid::Uuid::nil());
    loop {
        let page = deliveries::list(pool, after, 1000).await.expect("messages");
        for parked in page.iter().filter(|one| one.state == State::Parked) {
            let path = format!("/v1/deliveries/{}/retries", parked.id);
            if let Ok(answer) = voice.post(&path, &parked.id.to_string(), "{}").await {
                assert!(matches!(answer.status, 202 | 409), "{}", answer.raw);
            }
        }
        match page.last() {
            Some(last) => after = (last.created_ms, last.id.uuid()),
            None => return,
        }
    }
}

async fn weathered(engine: Engine) {
    let Some(deployment) = Deployment::made(engine).await else {
        return;
    };
    let (number, pool) = (messages(), deployment.outside().await);
    let storm = Storm::break_loose(&deployment).await;
    fill(&deployment, &pool, storm.address, number).await;
    hasten(&deployment);
    let mut first = deployment.serve().await;
    let second: Option<Running> = match engine {
        Engine::Postgres => {
            let (config, ports) = deployment.second();
            Some(deployment.serve_with(&config, ports).await)
        }
        Engine::Sqlite => None,
    };
    let (begun, mut killed, mut freed) = (Instant::now(), false, Instant::now());
    while unique(&storm.kept) < number {
        assert!(begun.elapsed() < Duration::from_mins(10), "{} of {number}", unique(&storm.kept));
        if !killed && unique(&storm.kept) * 2 > number {
            killed = true;
            first.kill();
            first = deployment.serve().await;
        }
        if freed.elapsed() > Duration::from_secs(1) {
            freed = Instant::now();
            free(&deployment, &pool).await;
        }
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(killed, "one was killed midway");
    settled(&deployment, &pool, number).await;
    judge(&storm, number);
    drop((first, second));
    pool.close().await;
}

/// All are delivered in the books too.
async fn settled(deployment: &Deployment, pool: &Pool, number: usize) {
    const DELIVERED: &str = "SELECT COUNT(*) FROM delivered";
    let all = i64::try_from(number).expect("small");
    for _ in 0..600 {
        if sql::number(pool, DELIVERED).await == all {
            break;
        }
        free(deployment, pool).await;
        actix_web::rt::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(sql::number(pool, DELIVERED).await, all);
}

/// Nothing lost, each once after the ids are compared, in order for each receiver, nothing followed elsewhere.
fn judge(storm: &Storm, number: usize) {
    let kept = storm.kept.lock().expect("kept");
    let mut all = HashSet::new();
    let mut copies = 0;
    for (path, messages) in &kept.by_path {
        let mut last = Timestamp::MIN;
        for (id, time) in messages {
            if all.insert(id.clone()) {
                assert!(*time > last, "{path}: out of order");
                last = *time;
            } else {
                copies += 1;
            }
        }
    }
    eprintln!("deliveries: {number} messages, {copies} copies, {:?}", kept.done);
    assert_eq!(all.len(), number);
    assert!(copies > 0, "control: some came twice");
    let done = |name: &str| kept.done.get(name).copied().unwrap_or_default();
    assert!(WAYS.iter().all(|(name, ..)| done(name) > 0), "control: {:?}", kept.done);
    assert_eq!(storm.elsewhere.load(Ordering::SeqCst), 0, "OUT-02: a redirect was followed");
}

#[actix_web::test]
async fn flt_16_deliveries_weather_a_storm_sqlite() {
    weathered(Engine::Sqlite).await;
}

#[actix_web::test]
async fn flt_16_deliveries_weather_a_storm_postgres() {
    weathered(Engine::Postgres).await;
}
