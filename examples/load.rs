//! A load generator for a gateway on this machine: requests over TLS 1.3 with a client certificate.
//!
//! For `scripts/bench.sh` and for anyone who wants a figure of their own. It reads certificates and
//! the development issuer from a directory made by `buurtpoort demo`, keeps its connections open
//! (except in mode `handshake`), signs a new token well before the old one ends, and prints one line
//! of JSON. Every referral has an `Idempotency-Key` of its own, so that each one is really written.
//!
//! # Invariants
//! * Loopback addresses only; at most 120 seconds and a million requests.
//! * A request counts when its whole answer arrived inside the measured time and had the right status.
//!
//! # Not here
//! Chunked answers, pipelining, HTTP/2, redirects: nothing the gateway sends needs them.

use buurtpoort::cli::Failure;
use buurtpoort::cli::issuer::DevIssuer;
use buurtpoort::clock::Clock;
use buurtpoort::config::Config;
use buurtpoort::tls;
use buurtpoort::tls::reload::{IdentityFiles, OutboundFiles};
use clap::{Parser, ValueEnum};
use rustls_pki_types::ServerName;
use serde_json::json;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What is sent in mode `referrals`: the complete referral of a wijkteam.
const REFERRAL: &str = include_str!("referral-wijkteam.json");
/// How old a token gets here; the gateway takes it for 300 seconds.
const TOKEN_LIFE: Duration = Duration::from_mins(4);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clock ticks a second in `/proc/PID/stat` (`USER_HZ`, the same on every Linux we run on).
const TICK_US: u64 = 10_000;

/// Sends requests to a gateway on this machine and prints rate, latency and server CPU as JSON.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// What to send.
    #[arg(value_enum)]
    mode: Mode,
    /// Directory made by `buurtpoort demo`.
    #[arg(long)]
    dir: PathBuf,
    /// Where to send it; the gateway of the directory where it is not given.
    #[arg(long)]
    address: Option<SocketAddr>,
    /// What to GET in the modes `get` and `handshake`.
    #[arg(long, default_value = "/.well-known/jwks.json")]
    path: String,
    /// Connections, all open at once.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Threads that share them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=8))]
    threads: u16,
    /// Measured time, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// Time before that in which requests do not count, in milliseconds.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    warm_up_ms: u64,
    /// Requests at most, warm-up included.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    requests: u64,
    /// Processes of the server, to tell the CPU time a request cost; may be given more than once.
    #[arg(long)]
    pid: Vec<u32>,
    /// Partner of the demo.
    #[arg(long, default_value = "wijkteam-nijmegen")]
    partner: String,
    /// Account at that partner.
    #[arg(long, default_value = "wijkteam-1")]
    person: String,
    /// Role in the token.
    #[arg(long, default_value = "referrer")]
    role: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Mode {
    /// New referrals over kept connections.
    Referrals,
    /// A GET over kept connections.
    Get,
    /// A full handshake and a GET for each request.
    Handshake,
}

impl Mode {
    const fn status(self) -> &'static [u8] {
        match self {
            Self::Referrals => b"201",
            Self::Get | Self::Handshake => b"200",
        }
    }
}

fn main() -> ExitCode {
    tls::install_default_provider();
    match run(Args::parse()) {
        Ok(line) => {
            // Standard output may be gone; there is nobody left to tell.
            let _told = writeln!(std::io::stdout(), "{line}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let _told = writeln!(std::io::stderr(), "load: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

fn run(args: Args) -> Result<serde_json::Value, Failure> {
    let target = Arc::new(Target::open(args)?);
    let args = &target.args;
    let window =
        Window::after(Duration::from_millis(args.warm_up_ms), Duration::from_secs(args.seconds));
    let share = args.connections.div_ceil(args.threads);
    let threads: Vec<_> = (0..args.threads)
        .map(|_| {
            let target = Arc::clone(&target);
            thread::spawn(move || drive(&target, share, window))
        })
        .collect();
    thread::sleep(window.from.saturating_duration_since(Instant::now()));
    let before = cpu_us(&args.pid)?;
    while Instant::now() < window.until && !threads.iter().all(JoinHandle::is_finished) {
        thread::sleep(Duration::from_millis(2));
    }
    let used = cpu_us(&args.pid)?.saturating_sub(before);
    let mut tally = Tally::default();
    for thread in threads {
        let part = thread.join().or(Err(Failure::new("a thread failed")))?;
        tally.add(part?);
    }
    tally.report(window, (!args.pid.is_empty()).then_some(used))
}

/// When requests count.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: Instant,
    until: Instant,
}

impl Window {
    fn after(warm_up: Duration, measured: Duration) -> Self {
        let from = Instant::now() + warm_up;
        Self { from, until: from + measured }
    }

    fn holds(&self, instant: Instant) -> bool {
        (self.from..self.until).contains(&instant)
    }
}

/// Runs `connections` connections on this thread until the window closes.
fn drive(target: &Arc<Target>, connections: u16, window: Window) -> Result<Tally, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let local = tokio::task::LocalSet::new();
        let tasks: Vec<_> = (0..connections)
            .map(|_| {
                let target = Arc::clone(target);
                local.spawn_local(async move { one(&target, window).await })
            })
            .collect();
        let together = async {
            let mut tally = Tally::default();
            for task in tasks {
                tally.add(task.await?);
            }
            Ok(tally)
        };
        local.run_until(together).await
    })
}

/// One connection after another, one request after another.
async fn one(target: &Target, window: Window) -> Tally {
    let mut tally = Tally::default();
    let mut open: Option<Connection> = None;
    while Instant::now() < window.until {
        let Some(number) = target.number() else {
            break;
        };
        let started = Instant::now();
        let answer = timeout(PATIENCE, target.exchange(&mut open, number)).await;
        let ok = matches!(answer, Ok(Ok(())));
        let ended = Instant::now();
        if window.holds(ended) {
            tally.count(ok, ended.duration_since(started), ended);
        }
        if !ok {
            open = None;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    tally
}

/// Where requests go, and what they are made of.
struct Target {
    args: Args,
    address: SocketAddr,
    tls: TlsConnector,
    tokens: Tokens,
    run: i64,
    sent: AtomicU64,
}

impl Target {
    fn open(args: Args) -> Result<Self, Failure> {
        let config = Config::read(&args.dir.join("buurtpoort.toml"))?;
        let address = args.address.unwrap_or(config.listen.api);
        if !address.ip().is_loopback() {
            return Err(Failure::usage("only an address of this machine"));
        }
        let pki = args.dir.join("pki");
        let own = pki.join(&args.partner);
        let files = OutboundFiles {
            authorities: pki.join("ca.pem"),
            identity: Some(IdentityFiles {
                certificate: own.join("cert.pem"),
                key: own.join("key.pem"),
            }),
        };
        let tls = tls::client::open(&files, &Clock::System)?;
        Ok(Self {
            tokens: Tokens::open(&args, config.tokens.audience)?,
            address,
            tls: TlsConnector::from(Arc::new(tls)),
            run: Clock::System.now().as_millisecond(),
            sent: AtomicU64::new(0),
            args,
        })
    }

    /// The number of the next request, while more may be sent.
    fn number(&self) -> Option<u64> {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        (number < self.args.requests).then_some(number)
    }

    /// One request and its whole answer; leaves the connection open where it may be used again.
    async fn exchange(&self, open: &mut Option<Connection>, number: u64) -> Result<(), Failure> {
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => Connection::open(self).await?,
        };
        let request = self.request(number)?;
        let status = connection.exchange(&request).await?;
        if self.args.mode == Mode::Handshake {
            connection.stream.shutdown().await?;
        } else {
            *open = Some(connection);
        }
        if status == self.args.mode.status() {
            Ok(())
        } else {
            Err(Failure::new("another status than expected"))
        }
    }

    fn request(&self, number: u64) -> Result<Vec<u8>, Failure> {
        let port = self.address.port();
        let (verb, path, body) = match self.args.mode {
            Mode::Referrals => ("POST", "/v1/referrals", REFERRAL),
            Mode::Get | Mode::Handshake => ("GET", self.args.path.as_str(), ""),
        };
        let more = if body.is_empty() {
            String::new()
        } else {
            format!(
                "Idempotency-Key: load-{}-{number}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n",
                self.run,
                body.len()
            )
        };
        let token = self.tokens.fresh()?;
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n\
             {more}\r\n{body}"
        );
        Ok(request.into_bytes())
    }
}

/// Tokens of one account, signed anew before they end.
struct Tokens {
    issuer: DevIssuer,
    args: Args,
    audience: String,
    current: Mutex<Option<(Arc<str>, Instant)>>,
}

impl Tokens {
    fn open(args: &Args, audience: String) -> Result<Self, Failure> {
        Ok(Self {
            issuer: DevIssuer::open(&args.dir)?,
            args: args.clone(),
            audience,
            current: Mutex::new(None),
        })
    }

    fn fresh(&self) -> Result<Arc<str>, Failure> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, signed)) = current.as_ref()
            && signed.elapsed() < TOKEN_LIFE
        {
            return Ok(Arc::clone(token));
        }
        let Args { dir, partner, person, role, .. } = &self.args;
        let (roles, audience) = ([role.as_str()], &self.audience);
        let token = self.issuer.sign(dir, partner, person, &roles, audience, &Clock::System)?;
        let token: Arc<str> = token.into();
        *current = Some((Arc::clone(&token), Instant::now()));
        Ok(token)
    }
}

/// One connection, and what was read from it beyond the last answer: nothing.
struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(target: &Target) -> Result<Self, Failure> {
        let tcp = TcpStream::connect(target.address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        Ok(Self {
            stream: target.tls.connect(name, tcp).await?,
            buffer: Vec::with_capacity(8 * 1024),
        })
    }

    /// Sends a request, reads the whole answer, and gives its status.
    async fn exchange(&mut self, request: &[u8]) -> Result<[u8; 3], Failure> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Failure::new("the connection ended within an answer"));
            }
            if let Some((status, length)) = head(&self.buffer)
                && self.buffer.len() >= length
            {
                return Ok(status);
            }
        }
    }
}

/// Status and whole length of an answer whose head has arrived.
fn head(bytes: &[u8]) -> Option<([u8; 3], usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let status = bytes.get(9..12)?.try_into().ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some((status, end + length.unwrap_or(0)))
}

/// What was counted.
#[derive(Default)]
struct Tally {
    errors: u32,
    latencies_us: Vec<u32>,
    last: Option<Instant>,
}

impl Tally {
    fn count(&mut self, ok: bool, took: Duration, ended: Instant) {
        if ok {
            let took_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            self.latencies_us.push(took_us);
            self.last = Some(ended);
        } else {
            self.errors += 1;
        }
    }

    fn add(&mut self, other: Self) {
        self.errors += other.errors;
        self.latencies_us.extend(other.latencies_us);
        self.last = self.last.max(other.last);
    }

    fn report(
        mut self,
        window: Window,
        used_us: Option<u64>,
    ) -> Result<serde_json::Value, Failure> {
        self.latencies_us.sort_unstable();
        let last = self.last.unwrap_or(window.until);
        let seconds = last.duration_since(window.from).as_secs_f64();
        let ok = u32::try_from(self.latencies_us.len())?;
        let percentile_ms = |percent: usize| {
            let at = self.latencies_us.len() * percent / 100;
            let us = self.latencies_us.get(at).copied();
            us.map(|us| f64::from(us) / 1_000.0)
        };
        let rps = (f64::from(ok) / seconds).round();
        let cpu_us = match used_us {
            Some(us) if ok > 0 => Some(f64::from(u32::try_from(us)?) / f64::from(ok)),
            _ => None,
        };
        Ok(json!({
            "requests": ok + self.errors,
            "ok": ok,
            "errors": self.errors,
            "seconds": seconds,
            "rps": rps,
            "p50_ms": percentile_ms(50),
            "p99_ms": percentile_ms(99),
            "server_cpu_us": cpu_us,
        }))
    }
}

/// CPU time these processes have used, user and system together, in microseconds.
fn cpu_us(pids: &[u32]) -> Result<u64, Failure> {
    let mut ticks = 0;
    for pid in pids {
        let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))?;
        // The name of the program stands in parentheses and may hold anything.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let times = fields.split_whitespace().skip(11).take(2);
        ticks += times.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(ticks * TICK_US)
}
