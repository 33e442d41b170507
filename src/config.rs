//! Configuration: one TOML file, typos refused, secrets only by the path of a file.
//!
//! Paths are relative to the directory of the file. Every field is described in
//! `docs/operations.md`; `buurtpoort check --config FILE` tries all of it and opens no port.

use crate::audit::epoch;
use crate::crypto::digest::sha256;
use crate::telemetry;
use serde::Deserialize;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// SHA-256 of the file, for the ledger.
    #[serde(skip)]
    pub digest: [u8; 32],
    /// Where rows live.
    pub database: Database,
    /// Addresses.
    #[serde(default)]
    pub listen: Listen,
    /// Certificates.
    pub tls: Tls,
    /// Keys.
    pub keys: Keys,
    /// Access tokens.
    pub tokens: Tokens,
    /// Ledger.
    pub ledger: Ledger,
    /// Policies.
    #[serde(default)]
    pub policies: Policies,
    /// Limits.
    #[serde(default)]
    pub limits: Limits,
    /// Messages to partners.
    #[serde(default)]
    pub delivery: Delivery,
    /// Pages.
    #[serde(default)]
    pub portal: Portal,
    /// Logs.
    #[serde(default)]
    pub log: Log,
}

/// `[database]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Database {
    /// `sqlite:PATH`, or `postgres://…` without a password.
    pub url: Option<String>,
    /// A file that holds the URL, for one with a password in it.
    pub url_file: Option<PathBuf>,
}

/// `[listen]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Listen {
    /// API listener, mutual TLS.
    pub api: SocketAddr,
    /// Portal listener, TLS.
    pub portal: SocketAddr,
    /// Admin listener, plain HTTP: a loopback address.
    pub admin: SocketAddr,
    /// Sign-in listener, TLS that asks for a person's certificate; none where nobody signs in with one.
    pub sign_in: Option<SocketAddr>,
    /// Threads that serve the API.
    pub workers: usize,
}

impl Default for Listen {
    fn default() -> Self {
        let any = |port| SocketAddr::from(([0, 0, 0, 0], port));
        Self {
            api: any(8443),
            portal: any(8444),
            admin: SocketAddr::from(([127, 0, 0, 1], 9090)),
            sign_in: None,
            workers: 2,
        }
    }
}

/// `[tls]`: PEM files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tls {
    /// Certificate of the gateway, leaf first.
    pub certificate: PathBuf,
    /// Its key, mode 0600.
    pub key: PathBuf,
    /// Authorities that issue the partners' certificates.
    pub client_authorities: PathBuf,
    /// Their revocation lists.
    pub revocations: PathBuf,
    /// Also speak TLS 1.2.
    #[serde(default)]
    pub allow_tls12: bool,
}

/// `[keys]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Keys {
    /// File of 32 bytes, mode 0600: the root key. In no backup of the database.
    pub root: PathBuf,
    /// Name of this deployment; bound into every wrapped key.
    pub deployment: String,
}

/// `[tokens]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tokens {
    /// The exact `aud` of accepted tokens.
    pub audience: String,
    /// The gateway's own issuer.
    pub issuer: String,
}

/// `[ledger]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ledger {
    /// Origin of the log's first epoch, such as `buurtpoort.example.nl/audit/1`.
    pub origin: String,
    /// Directory of signed heads, best on another volume than the database.
    #[serde(default = "checkpoints")]
    pub checkpoints: PathBuf,
    /// Free space in MiB below which no new referrals are accepted.
    #[serde(default = "low_space")]
    pub low_space_mib: u64,
    /// Free space in MiB below which nothing is written or released.
    #[serde(default = "least_space")]
    pub least_space_mib: u64,
}

fn checkpoints() -> PathBuf {
    PathBuf::from("checkpoints")
}

/// Whether an issuer is scheme and host alone: its metadata lies at a path below it.
fn is_origin(issuer: &str) -> bool {
    issuer
        .strip_prefix("https://")
        .is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#']))
}

const fn low_space() -> u64 {
    512
}

const fn least_space() -> u64 {
    64
}

/// `[policies]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Policies {
    /// Directory of policy files; those compiled in where it is not given.
    pub directory: Option<PathBuf>,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Limits {
    /// Requests a second of one partner, on average; twice as many at once.
    pub requests_per_second: NonZeroU32,
    /// Requests that share one commit at most.
    pub group: NonZeroUsize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: NonZeroU32::new(2_000).unwrap_or(NonZeroU32::MIN),
            group: NonZeroUsize::new(64).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// `[delivery]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Delivery {
    /// Certificate the gateway shows to receivers, PEM; that of the listeners where it is not given.
    pub certificate: Option<PathBuf>,
    /// Its key, mode 0600.
    pub key: Option<PathBuf>,
    /// How long a receiver may take, in milliseconds.
    pub timeout_ms: u64,
    /// Waits after each attempt that failed, in milliseconds; after the last the message is parked.
    pub waits_ms: Vec<i64>,
}

impl Default for Delivery {
    fn default() -> Self {
        const MINUTE: i64 = 60_000;
        let waits =
            [5_000, MINUTE, 5 * MINUTE, 30 * MINUTE, 120 * MINUTE, 300 * MINUTE, 600 * MINUTE];
        Self { certificate: None, key: None, timeout_ms: 15_000, waits_ms: waits.to_vec() }
    }
}

/// `[portal]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Portal {
    /// Scheme, host and port by which browsers know the portal, such as `https://portal.example.nl`: to where providers
    /// send people back. Without it nobody signs in by a provider.
    pub origin: Option<String>,
    /// Scheme, host and port by which browsers know the sign-in listener.
    pub sign_in_origin: Option<String>,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Log {
    /// As `RUST_LOG` has it.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned() }
    }
}

/// The configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not readable: the file itself, or one that it names.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, std::io::ErrorKind),
    /// Not as it must be.
    #[error("the configuration is not as it must be: {0}")]
    Form(String),
    /// A rule across fields.
    #[error("{0}")]
    Rule(&'static str),
}

impl Config {
    /// Reads a file; its paths become relative to its directory.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(unreadable("the configuration", path))?;
        let mut config = Self::parse(&text)?;
        config.rebase(path.parent().unwrap_or(Path::new(".")))?;
        Ok(config)
    }

    /// Reads text.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config: Self =
            toml::from_str(text).map_err(|error| ConfigError::Form(placed(text, &error)))?;
        config.digest = sha256(text.as_bytes());
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let rule = |holds: bool, rule| {
            if holds { Ok(()) } else { Err(ConfigError::Rule(rule)) }
        };
        let sources = [self.database.url.is_some(), self.database.url_file.is_some()];
        rule(
            sources.iter().filter(|given| **given).count() == 1,
            "database: exactly one of url and url-file must be given",
        )?;
        let in_the_open = self.database.url.as_deref().is_some_and(has_password);
        rule(!in_the_open, "database.url: a password belongs in a file, see url-file")?;
        rule(self.listen.admin.ip().is_loopback(), "listen.admin: must be a loopback address")?;
        rule((1..=64).contains(&self.listen.workers), "listen.workers: must be 1 to 64")?;
        rule(!self.keys.deployment.is_empty(), "keys.deployment: must be given")?;
        let Ledger { origin, low_space_mib, least_space_mib, .. } = &self.ledger;
        rule(
            epoch::next(origin).is_some(),
            "ledger.origin: must end in the number of its first epoch, as in host/audit/1",
        )?;
        rule(
            least_space_mib <= low_space_mib && *low_space_mib < 1 << 30,
            "ledger.least-space-mib: must be at most ledger.low-space-mib",
        )?;
        let Delivery { certificate, key, timeout_ms, waits_ms } = &self.delivery;
        let waits = waits_ms.iter().all(|wait| (1..=86_400_000).contains(wait));
        rule(
            waits && (1..=16).contains(&waits_ms.len()),
            "delivery.waits-ms: one to sixteen waits, of a day at most",
        )?;
        rule(
            certificate.is_some() == key.is_some(),
            "delivery: certificate and key are given together, or neither",
        )?;
        rule((100..=60_000).contains(timeout_ms), "delivery.timeout-ms: must be 100 to 60000")?;
        rule(is_origin(&self.tokens.issuer), "tokens.issuer: must be an https URL without a path")?;
        self.check_sign_in()?;
        rule(
            telemetry::is_filter(&self.log.filter),
            "log.filter: must be a filter as RUST_LOG has it",
        )
    }

    /// The sign-in listener and the portal lead people to each other.
    fn check_sign_in(&self) -> Result<(), ConfigError> {
        let Portal { origin, sign_in_origin } = &self.portal;
        let rules = [
            (
                origin.as_deref().is_none_or(is_origin),
                "portal.origin: must be an https URL without a path",
            ),
            (
                sign_in_origin.as_deref().is_none_or(is_origin),
                "portal.sign-in-origin: must be an https URL without a path",
            ),
            (
                self.listen.sign_in.is_some() == sign_in_origin.is_some(),
                "listen.sign-in and portal.sign-in-origin: both must be given, or neither",
            ),
            (
                sign_in_origin.is_none() || origin.is_some(),
                "portal.origin: must be given where people sign in with a certificate",
            ),
            (
                sign_in_origin.is_none() || origin != sign_in_origin,
                "portal.sign-in-origin: must be another than portal.origin",
            ),
        ];
        let broken = rules.into_iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(()), |(_, rule)| Err(ConfigError::Rule(rule)))
    }

    fn rebase(&mut self, base: &Path) -> Result<(), ConfigError> {
        if let Some(file) = &self.database.url_file {
            let file = base.join(file);
            let text =
                std::fs::read_to_string(&file).map_err(unreadable("database.url-file:", &file))?;
            self.database.url = Some(text.trim().to_owned());
        }
        if let Some(path) = self.database.url.as_deref().and_then(|u| u.strip_prefix("sqlite:")) {
            self.database.url = Some(format!("sqlite:{}", base.join(path).display()));
        }
        let tls = &mut self.tls;
        let paths = [
            &mut tls.certificate,
            &mut tls.key,
            &mut tls.client_authorities,
            &mut tls.revocations,
            &mut self.keys.root,
            &mut self.ledger.checkpoints,
        ];
        for path in paths {
            *path = base.join(&*path);
        }
        let delivery = [&mut self.delivery.certificate, &mut self.delivery.key];
        for path in delivery.into_iter().flatten() {
            *path = base.join(&*path);
        }
        if let Some(directory) = &mut self.policies.directory {
            *directory = base.join(&*directory);
        }
        Ok(())
    }
}

/// What names a file that cannot be read, and why not.
fn unreadable(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> ConfigError {
    let named = format!("{what} {}", path.display());
    move |error| ConfigError::Unreadable(named, error.kind())
}

/// What is wrong with the form of a TOML file, and in which line.
#[must_use]
pub fn placed(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {}", before.matches('\n').count() + 1, error.message()),
        None => error.message().to_owned(),
    }
}

/// Whether a URL carries a password between `:` and `@`.
fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split_once('@').is_some_and(|(user, _)| user.contains(':')) || rest.contains("password=")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = r#"
        [database]
        url = "sqlite:buurtpoort.sqlite"
        [tls]
        certificate = "cert.pem"
        key = "key.pem"
        client-authorities = "ca.pem"
        revocations = "ca.crl.pem"
        [keys]
        root = "root.key"
        deployment = "test"
        [tokens]
        audience = "https://localhost:8443"
        issuer = "https://localhost:8443"
        [ledger]
        origin = "localhost/audit/1"
    "#;

    #[test]
    fn the_smallest_file_is_enough() {
        let config = Config::parse(SMALLEST).unwrap();
        assert_eq!(config.listen.api.port(), 8443);
        assert!(!config.tls.allow_tls12);
    }

    #[test]
    fn unsafe_and_mistyped_files_are_refused() {
        let changed = |from: &str, to: &str| {
            assert!(SMALLEST.contains(from));
            Config::parse(&SMALLEST.replace(from, to))
        };
        assert!(changed("deployment = \"test\"", "deploymnt = \"test\"").is_err());
        assert!(changed("deployment = \"test\"", "deployment = \"\"").is_err());
        assert!(changed("[ledger]", "[listen]\nadmin = \"0.0.0.0:9090\"\n[ledger]").is_err());
        assert!(changed("[ledger]", "[listen]\nadmin = \"127.0.0.1:9090\"\n[ledger]").is_ok());
        assert!(changed("issuer = \"https:", "issuer = \"http:").is_err());
        let portal = |lines: &str| changed("[ledger]", &format!("{lines}\n[ledger]"));
        let listen = "[listen]\nsign-in = \"127.0.0.1:8445\"\n[portal]";
        let (own, other) =
            ("origin = \"https://localhost:8444\"", "sign-in-origin = \"https://localhost:8445\"");
        assert!(portal(&format!("{listen}\n{own}\n{other}")).is_ok());
        assert!(portal(&format!("{listen}\n{own}")).is_err());
        assert!(portal(&format!("{listen}\n{other}")).is_err());
        assert!(
            portal(&format!("{listen}\n{own}\nsign-in-origin = \"https://localhost:8444\""))
                .is_err()
        );
        assert!(portal(&format!("[portal]\n{own}\n{other}")).is_err());
        assert!(portal(&format!("[portal]\n{own}")).is_ok());
        assert!(changed("sqlite:buurtpoort.sqlite", "postgres://u:p@localhost/x").is_err());
        assert!(changed("sqlite:buurtpoort.sqlite", "postgres://u@localhost/x").is_ok());
    }
}
