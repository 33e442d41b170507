//! From a configuration to a gateway that can work: database, keys, policies, register, certificates.

use crate::audit::entry::{Code, Entry, Event, Outcome};
use crate::audit::epoch::is_epoch_of;
use crate::cli::policies::{Loaded, Sources, proof};
use crate::cli::{Failure, print};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::digest::hex;
use crate::crypto::keyring::{KeyPurpose, Keyring, RootKey, generate};
use crate::crypto::{CryptoError, Entropy};
use crate::flow::{Gateway, decoy};
use crate::http::Api;
use crate::http::limits::Limits;
use crate::http::token::Verifier;
use crate::ids::RequestId;
use crate::portal::door::Door;
use crate::store::effect::{Effect, Rows};
use crate::store::ledger::Stamp;
use crate::store::rights::{self, Role};
use crate::store::{Pool, Store, Writer, keys, ledger, migrate as schema, partners};
use crate::tls::Versions;
use crate::tls::acceptor::Reloadable;
use crate::tls::reload::{ClientFiles, ListenerFiles};
use crate::worker::archive::Archive;
use crate::worker::delivery::Courier;
use arc_swap::ArcSwap;
use clap::Args;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the file that marks a demo's directory.
pub const DEMO_STAMP: &str = "DEMO";

/// Opens the database a configuration names.
///
/// # Errors
/// When it cannot be reached or is not durable.
pub async fn pool(config: &Config) -> Result<Pool, Failure> {
    let url = config.database.url.as_deref().ok_or_else(|| Failure::new("database: no url"))?;
    let folder = url.strip_prefix("sqlite:").and_then(|path| Path::new(path).parent());
    if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty())
        && !folder.is_dir()
    {
        return Err(Failure::new(format!(
            "database.url: there is no directory {}",
            folder.display()
        )));
    }
    Ok(Pool::open(url).await?)
}

/// Reads the root key: 32 bytes in a file nobody else can read.
///
/// # Errors
/// When the file is missing, short, or readable by others.
pub fn root_key(path: &Path) -> Result<RootKey, Failure> {
    let bad = |rule: &str| Failure::new(format!("keys.root: {rule}"));
    let meta = std::fs::metadata(path)
        .map_err(|error| bad(&format!("{} cannot be read: {}", path.display(), error.kind())))?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(bad("the file must be readable by its owner only (0600)"));
    }
    let bytes = zeroize::Zeroizing::new(std::fs::read(path)?);
    let bytes: [u8; 32] = bytes.as_slice().try_into().or(Err(bad("must hold exactly 32 bytes")))?;
    Ok(RootKey::from_bytes(bytes)?)
}

/// Opens the key ring.
///
/// # Errors
/// When keys are missing, doubled or wrapped under another root key.
pub async fn keyring(config: &Config, pool: &Pool) -> Result<Keyring, Failure> {
    let (root, deployment) = (root_key(&config.keys.root)?, &config.keys.deployment);
    let rows = keys::load(pool).await?;
    let opened = Keyring::open(&root, deployment, rows.clone());
    if let Err(CryptoError::Unwrap(_)) = opened {
        // A rotation of the root key that was cut off after the database had the new one.
        if let Ok(next) = root_key(&next_root(&config.keys.root)) {
            let ring = Keyring::open(&next, deployment, rows)?;
            take_next_root(&config.keys.root)?;
            return Ok(ring);
        }
    }
    Ok(opened?)
}

/// Where a root key lies that is about to take the place of the present one.
#[must_use]
pub fn next_root(root: &Path) -> PathBuf {
    root.with_extension("next")
}

/// Puts the next root key in the place of the present one.
///
/// # Errors
/// When it is not there or cannot be moved.
pub fn take_next_root(root: &Path) -> Result<(), Failure> {
    std::fs::rename(next_root(root), root)?;
    let folder = root.parent().unwrap_or(Path::new("."));
    Ok(std::fs::File::open(folder)?.sync_all()?)
}

/// What to migrate, and for whom.
#[derive(Args, Clone, Debug)]
pub struct MigrateArgs {
    /// Configuration file; its database URL is that of the owner of the schema.
    #[arg(long)]
    pub config: PathBuf,
    /// PostgreSQL: give this role the rights of a running gateway, and no others.
    #[arg(long)]
    pub gateway_role: Option<String>,
    /// PostgreSQL: let this role read the ledger, and nothing else.
    #[arg(long)]
    pub auditor_role: Option<String>,
}

/// `buurtpoort migrate`: schema, keys of a new deployment, start of the ledger, rights of roles.
///
/// # Errors
/// When the database cannot be written or is newer than this program, or a role is not there.
pub async fn migrate(args: &MigrateArgs) -> Result<(), Failure> {
    let config = Config::read(&args.config)?;
    let pool = pool(&config).await?;
    prepare(&config, &pool, &Clock::System).await?;
    let roles = [(Role::Gateway, &args.gateway_role), (Role::Auditor, &args.auditor_role)];
    for (role, name) in roles {
        if let Some(name) = name {
            rights::give(&pool, role, name).await?;
        }
    }
    pool.close().await;
    print(&format!("the {} database has the schema and the keys of this version", pool.name()))
}

/// Brings a database to where a gateway can start on it. Safe to run again.
///
/// # Errors
/// As [`migrate`].
pub async fn prepare(config: &Config, pool: &Pool, clock: &Clock) -> Result<(), Failure> {
    schema::run(pool).await?;
    let root = root_key(&config.keys.root)?;
    let there = keys::load(pool).await?;
    for purpose in KeyPurpose::ALL {
        if there.iter().all(|key| key.purpose != purpose) {
            let now_ms = clock.now().as_millisecond();
            let deployment = &config.keys.deployment;
            let key = generate(purpose, 1, &root, &Entropy::system(), deployment, now_ms)?;
            keys::add(pool, &key).await?;
        }
    }
    let keyring = keyring(config, pool).await?;
    ledger::start(pool, &config.ledger.origin, &keyring).await?;
    let head = ledger::head(pool).await?;
    Ok(Archive::at(&config.ledger.checkpoints).begin(&head.signed())?)
}

/// Everything a process needs to serve.
pub struct Booted {
    /// The configuration.
    pub config: Config,
    /// What the listeners work with.
    pub api: Arc<Api>,
    /// Certificate of the portal listener.
    pub portal_tls: Arc<Reloadable>,
    /// Who delivers messages.
    pub courier: Arc<Courier>,
}

/// Whether a process takes an SQLite file for itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// A gateway: no second one on the same file.
    Alone,
    /// A tool beside a gateway.
    Share,
}

/// Opens everything a configuration names. Opens no port.
///
/// # Errors
/// One line naming what is wrong.
pub async fn boot(config: Config, clock: Clock, claim: Claim) -> Result<Booted, Failure> {
    let tls = Reloadable::open(&api_files(&config), versions(&config))?;
    let portal_tls = Reloadable::open(&portal_files(&config), versions(&config))?;
    let mut pool = pool(&config).await?;
    if claim == Claim::Alone {
        pool.claim()?;
    }
    schema::check(&pool).await?;
    let keyring = Arc::new(keyring(&config, &pool).await?);
    let gateway = Arc::new(gateway(&config, pool, Arc::clone(&keyring), clock).await?);
    let tokens = Verifier::new(&config.tokens.audience, &config.tokens.issuer, keyring);
    let limits = Limits::new(config.limits.requests_per_second);
    if claim == Claim::Alone {
        record_config(&gateway, &config.digest).await?;
        record_policies(&gateway, Outcome::Allow).await?;
    }
    let courier = Arc::new(Courier::of(&config, gateway.clock.clone()));
    courier.check()?;
    let door = Door::of(&config);
    let api = Arc::new(Api { gateway, tls, tokens, limits, door });
    Ok(Booted { config, api, portal_tls, courier })
}

/// What a tool puts on the entries it writes: who reads them later sees under which policies that was.
///
/// # Errors
/// When the policies cannot be read or there is no randomness.
pub fn stamp(config: &Config, clock: &Clock) -> Result<Stamp, Failure> {
    let policies = Sources::read(config.policies.directory.as_deref())?.hash();
    let (boot, at_us) = (Entropy::system().array()?, clock.now().as_microsecond());
    Ok(Stamp { boot, at_us, policies })
}

/// Records which configuration is in force from here on.
///
/// # Errors
/// When the ledger cannot be written.
async fn record_config(gateway: &Gateway, digest: &[u8; 32]) -> Result<(), Failure> {
    let mut entry = Entry::new(Event::ConfigChanged, Outcome::Allow);
    entry.fields = Code::parse(&format!("config:{}", hex(digest))).into_iter().collect();
    record(gateway, entry).await
}

/// Records which policies are in force from here on, or that others were not taken.
///
/// # Errors
/// When the ledger cannot be written.
pub async fn record_policies(gateway: &Gateway, outcome: Outcome) -> Result<(), Failure> {
    record(gateway, Entry::new(Event::PolicyLoaded, outcome)).await
}

async fn record(gateway: &Gateway, mut entry: Entry) -> Result<(), Failure> {
    entry.policy.hash = Some(gateway.engine.load().hash());
    let effect = Effect::new(RequestId::new(), entry, Rows::default());
    gateway.store.writer.probe(effect, gateway.clock.now()).await?;
    Ok(())
}

async fn gateway(
    config: &Config,
    pool: Pool,
    keyring: Arc<Keyring>,
    clock: Clock,
) -> Result<Gateway, Failure> {
    let entropy = Entropy::system();
    let register = partners::load(&pool).await?;
    let head = ledger::head(&pool).await?;
    if !is_epoch_of(&config.ledger.origin, &head.log) {
        return Err(Failure::new("ledger.origin: the database holds another log"));
    }
    let archive = Archive::at(&config.ledger.checkpoints);
    archive.check(&pool, &head, &keyring.ledger_public_keys()).await?;
    let Loaded { engine, consent, disclosure, terms, retention, targets } =
        proof::load_proven(config.policies.directory.as_deref(), &config.ledger.origin, &keyring)?;
    let (ring, group) = (Arc::clone(&keyring), config.limits.group);
    let writer = Writer::start(pool.clone(), ring, entropy.array()?, group, head.signed());
    let decoy = decoy::make(&keyring, &entropy)?;
    Ok(Gateway {
        decoy: ArcSwap::from_pointee(decoy),
        store: Store { pool, writer: Arc::new(writer) },
        keyring,
        entropy,
        clock,
        engine: ArcSwap::from_pointee(engine),
        consent: ArcSwap::from_pointee(consent),
        disclosure: ArcSwap::from_pointee(disclosure),
        terms: ArcSwap::from_pointee(terms),
        retention: ArcSwap::from_pointee(retention),
        targets: ArcSwap::from_pointee(targets),
        register: ArcSwap::from_pointee(register),
    })
}

const fn versions(config: &Config) -> Versions {
    if config.tls.allow_tls12 { Versions::Tls12Too } else { Versions::Tls13 }
}

/// Files of the API listener.
#[must_use]
pub fn api_files(config: &Config) -> ListenerFiles {
    let clients = ClientFiles {
        authorities: config.tls.client_authorities.clone(),
        revocations: config.tls.revocations.clone(),
    };
    ListenerFiles { clients: Some(clients), ..portal_files(config) }
}

/// Files of the portal listener, which asks for no certificate.
#[must_use]
pub fn portal_files(config: &Config) -> ListenerFiles {
    ListenerFiles {
        certificate: config.tls.certificate.clone(),
        key: config.tls.key.clone(),
        clients: None,
    }
}
