//! The program itself as a child process, for what only the real binary can show: what it prints,
//! what a kill leaves behind, two of them on one database.

use crate::sql;
use crate::support::{Answer, Caller, Engine, answer, client_of, fresh_database};
use buurtpoort::cli::boot;
use buurtpoort::cli::issuer::DevIssuer;
use buurtpoort::clock::Clock;
use buurtpoort::config::Config;
use buurtpoort::store::Pool;
use reqwest::Method;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_buurtpoort");

/// How long a child may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// The three ports of one gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) api: u16,
    pub(crate) portal: u16,
    pub(crate) admin: u16,
}

impl Ports {
    /// Ports below the range from which the system takes those of outgoing connections, so that they
    /// are still free when a killed gateway comes back.
    pub(crate) fn free() -> Self {
        Self { api: free_port(), portal: free_port(), admin: free_port() }
    }
}

fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (std::process::id().wrapping_mul(97).wrapping_add(step)) % 12_000;
        let port = u16::try_from(port).expect("a port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A directory with everything a gateway needs, made by the program's own `demo`, and a database.
pub(crate) struct Deployment {
    holder: tempfile::TempDir,
    pub(crate) engine: Engine,
    pub(crate) database: Option<String>,
    pub(crate) ports: Ports,
}

impl Deployment {
    /// An empty directory and an empty database; nothing without a PostgreSQL server.
    pub(crate) async fn empty(engine: Engine) -> Option<Self> {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(fresh_database().await?),
        };
        buurtpoort::tls::install_default_provider();
        let holder = tempfile::tempdir().expect("a temporary directory");
        Some(Self { holder, engine, database, ports: Ports::free() })
    }

    /// As [`Self::empty`], with the demo's story told and the stamp taken off: ready to be served.
    pub(crate) async fn made(engine: Engine) -> Option<Self> {
        let deployment = Self::empty(engine).await?;
        let mut demo = deployment.demo("made", &["--exit-after-story"], &[]);
        let status = demo.ended().await;
        assert!(status.success(), "{}", demo.printed());
        std::fs::remove_file(deployment.dir().join("DEMO")).expect("a stamp");
        Some(deployment)
    }

    /// The directory the program works in.
    pub(crate) fn dir(&self) -> PathBuf {
        self.holder.path().join("demo")
    }

    /// A path beside it, for what the test itself keeps.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.holder.path().join(name)
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir().join("buurtpoort.toml")
    }

    /// Runs `buurtpoort demo`.
    pub(crate) fn demo(&self, name: &str, extra: &[&str], environment: &[(&str, &str)]) -> Running {
        let mut command = Command::new(PROGRAM);
        command.arg("demo").arg("--dir").arg(self.dir());
        for (flag, port) in [
            ("--api-port", self.ports.api),
            ("--portal-port", self.ports.portal),
            ("--admin-port", self.ports.admin),
        ] {
            command.arg(flag).arg(port.to_string());
        }
        if let Some(database) = &self.database {
            command.arg("--database").arg(database);
        }
        command.args(extra).envs(environment.iter().copied());
        Running::start(command, &self.beside(name), self.ports)
    }

    /// Runs `buurtpoort serve` and waits until it is ready.
    pub(crate) async fn serve(&self) -> Running {
        self.serve_with(&self.config(), self.ports).await
    }

    /// Runs `buurtpoort serve` on another configuration file of the same directory.
    pub(crate) async fn serve_with(&self, config: &Path, ports: Ports) -> Running {
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg("--config").arg(config);
        let name = format!("served-{}", ports.api);
        let mut running = Running::start(command, &self.beside(&name), ports);
        running.ready(&self.client(None)).await;
        running
    }

    /// A second configuration file: the same deployment on ports of its own.
    pub(crate) fn second(&self) -> (PathBuf, Ports) {
        let ports = Ports::free();
        let mut text = std::fs::read_to_string(self.config()).expect("a configuration");
        for (name, from, to) in [
            ("api", self.ports.api, ports.api),
            ("portal", self.ports.portal, ports.portal),
            ("admin", self.ports.admin, ports.admin),
        ] {
            let line = |port| format!("{name} = \"127.0.0.1:{port}\"");
            assert!(text.contains(&line(from)), "{text}");
            text = text.replace(&line(from), &line(to));
        }
        let path = self.dir().join("second.toml");
        std::fs::write(&path, text).expect("a configuration");
        (path, ports)
    }

    /// The database of the gateway, opened beside it.
    pub(crate) async fn outside(&self) -> Pool {
        let config = Config::read(&self.config()).expect("a configuration");
        let pool = boot::pool(&config).await;
        pool.unwrap_or_else(|failure| panic!("beside a gateway: {}", failure.message))
    }

    /// Takes the database away from the gateway, or gives it back: SQLite is locked through `pool`,
    /// PostgreSQL refuses connections and ends those there are.
    pub(crate) async fn gone(&self, pool: &Pool, away: bool) {
        let Some(url) = &self.database else {
            sql::run(pool, if away { "BEGIN EXCLUSIVE" } else { "ROLLBACK" }).await;
            return;
        };
        let (server, name) = url.rsplit_once('/').expect("an address");
        let other = Pool::open(&format!("{server}/postgres")).await.expect("the test server");
        sql::run(&other, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {}", !away)).await;
        if away {
            let end = format!(
                "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"
            );
            sql::number(&other, &end).await;
        }
        other.close().await;
    }

    /// A client with a partner's certificate, or none.
    pub(crate) fn client(&self, partner: Option<&str>) -> reqwest::Client {
        client_of(&self.dir(), partner, &Clock::System)
    }

    /// A token for a caller.
    pub(crate) fn token(&self, (partner, person, role): Caller) -> String {
        let issuer = DevIssuer::open(&self.dir()).unwrap_or_else(|f| panic!("{}", f.message));
        let audience = format!("https://localhost:{}", self.ports.api);
        let token = issuer.sign(&self.dir(), partner, person, &[role], &audience, &Clock::System);
        token.unwrap_or_else(|failure| panic!("{}", failure.message))
    }

    /// Someone who keeps a connection and a token.
    pub(crate) fn voice(&self, who: Caller) -> Voice {
        self.voice_at(who, self.ports)
    }

    /// As [`Self::voice`], at another gateway of the same deployment.
    pub(crate) fn voice_at(&self, who: Caller, ports: Ports) -> Voice {
        let base = format!("https://localhost:{}", ports.api);
        Voice { client: self.client(Some(who.0)), token: self.token(who), base }
    }
}

/// A client of one gateway that keeps its connection and its token.
#[derive(Clone, Debug)]
pub(crate) struct Voice {
    pub(crate) client: reqwest::Client,
    pub(crate) token: String,
    pub(crate) base: String,
}

impl Voice {
    /// A request with the caller's token.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Posts JSON under an idempotency key; fails where the gateway goes away.
    pub(crate) async fn post(
        &self,
        path: &str,
        key: &str,
        body: &str,
    ) -> Result<Answer, reqwest::Error> {
        let request = self
            .request(Method::POST, path)
            .header("Idempotency-Key", key)
            .header("Content-Type", "application/json")
            .body(body.to_owned());
        let response = request.send().await?;
        answer_of(response).await
    }

    /// Reads a path.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path).send().await.expect("the gateway answers")).await
    }
}

/// Reads an answer whole, or says that the connection broke on the way.
async fn answer_of(response: reqwest::Response) -> Result<Answer, reqwest::Error> {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(k, v)| (k.as_str().to_owned(), v.to_str().unwrap_or_default().to_owned()))
        .collect();
    let raw = response.text().await?;
    let body = serde_json::from_str(&raw).unwrap_or_default();
    Ok(Answer { status, headers, raw, body })
}

/// A child process. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    ports: Ports,
}

impl Running {
    fn start(mut command: Command, output: &Path, ports: Ports) -> Self {
        let (out, err) = (output.with_extension("out"), output.with_extension("err"));
        let file = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            Stdio::from(file.expect("a file for what it prints"))
        };
        command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
        let child = command.spawn().expect("the program starts");
        Self { child, out, err, ports }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub(crate) fn is_up(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_none()
    }

    /// Everything printed so far, both ways.
    pub(crate) fn printed(&self) -> String {
        let text = |path: &Path| {
            String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
        };
        format!("{}{}", text(&self.out), text(&self.err))
    }

    /// Waits until `/ready` says so.
    pub(crate) async fn ready(&mut self, client: &reqwest::Client) {
        let url = format!("http://127.0.0.1:{}/ready", self.ports.admin);
        let begun = Instant::now();
        loop {
            let asked = client.get(&url).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "it ended: {}", self.printed());
            assert!(begun.elapsed() < PATIENCE, "not ready: {}", self.printed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until it printed these words.
    pub(crate) async fn said(&mut self, words: &str) {
        let begun = Instant::now();
        while !self.printed().contains(words) {
            assert!(self.is_up() && begun.elapsed() < PATIENCE, "never: {}", self.printed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child of ours");
        self.child.wait().expect("a child of ours");
    }

    /// Asks it to stop, as `kill` does.
    pub(crate) fn terminate(&self) {
        let asked = Command::new("kill").arg("-TERM").arg(self.id().to_string()).status();
        assert!(asked.expect("kill is there").success());
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.printed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
