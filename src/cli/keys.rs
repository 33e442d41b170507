//! `buurtpoort key list` and `key rotate`: the key-encryption key is exchanged while gateways run.
//!
//! What is erased opens no more here; an older backup of the database still holds its wrapped case key, and the
//! key that wrapped that, wrapped by the root key. `rotate kek` makes the middle one go from the database,
//! `rotate root` makes the outermost go from the disk: after both no older backup opens with any key that
//! is left. Resumable: each step is one commit, and a run that was cut off goes on where it stopped. No
//! request fails: gateways look at the keys every second, so each step waits for them before the next one
//! counts on it.
//!
//! # Not here
//! The other purposes: what they made would have to be made anew, or recognised for ever.

use crate::audit::vkey;
use crate::cli::boot::{self, keyring, root_key};
use crate::cli::policies::proof;
use crate::cli::progress::Progress;
use crate::cli::receive;
use crate::cli::{ConfigArgs, Failure, print};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::Entropy;
use crate::crypto::keyring::{KeyPurpose, KeyState, Keyring, VerifyingKey, generate};
use crate::store::keys::{self, Step};
use crate::store::ledger::Stamp;
use crate::store::{Pool, StoreError};
use crate::worker::archive::Archive;
use clap::{Args, Subcommand};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// How long gateways may take to see a key or its new state: they look every second.
const NOTICE: Duration = Duration::from_secs(3);
/// Case keys wrapped anew in one commit.
const BATCH: i64 = 200;

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Purpose, version, state and age of every key.
    List(ConfigArgs),
    /// Exchange the key-encryption key and wrap every case key anew; the ledger key, which signs the head from then on; or
    /// the root key, and wrap every key anew.
    Rotate(RotateArgs),
}

/// Which key, of which deployment.
#[derive(Args, Clone, Debug)]
pub struct RotateArgs {
    /// `kek`, `ledger`, `delivery` or `root`.
    pub purpose: String,
    /// Configuration file.
    #[arg(long)]
    pub config: std::path::PathBuf,
}

/// Runs a verb.
///
/// # Errors
/// One line naming what is wrong.
pub async fn run(verb: &KeyVerb) -> Result<(), Failure> {
    match verb {
        KeyVerb::List(args) => list(&Config::read(&args.config)?).await,
        KeyVerb::Rotate(args) => {
            let config = Config::read(&args.config)?;
            let pool = boot::pool(&config).await?;
            if args.purpose == "root" {
                let count = rotate_root(&config, &pool, &Clock::System).await?;
                pool.close().await;
                return print(&format!("the root key is new; {count} keys wrapped anew"));
            }
            if args.purpose == "ledger" {
                let version = rotate_ledger(&config, &pool, &Clock::System, NOTICE).await?;
                pool.close().await;
                return print(&format!(
                    "ledger-signing {version} is active; give partners and auditors `audit head --keys`"
                ));
            }
            if args.purpose == "delivery" {
                let version = rotate_delivery(&config, &pool, &Clock::System, NOTICE).await?;
                pool.close().await;
                return print(&format!(
                    "delivery-signing {version} is active; give receivers its public half from `key list`"
                ));
            }
            if KeyPurpose::parse(&args.purpose) != Some(KeyPurpose::Kek) {
                return Err(Failure::usage("key rotate: kek, ledger, delivery, or root"));
            }
            let done = rotate(&config, &pool, &Clock::System, NOTICE).await?;
            pool.close().await;
            print(&format!(
                "kek {} is active; {} case keys wrapped anew",
                done.version, done.wrapped
            ))
        }
    }
}

async fn list(config: &Config) -> Result<(), Failure> {
    let pool = boot::pool(config).await?;
    for row in keys::load(&pool).await? {
        let made = crate::clock::from_millisecond(row.created_ms);
        let (purpose, state) = (row.purpose.as_str(), row.state.as_str());
        print(&format!("{purpose:<18} {:>3}  {state:<12} {made}", row.version))?;
    }
    // What receivers of deliveries check signatures with.
    for key in keyring(config, &pool).await?.delivery_public_keys() {
        print(&format!("delivery-signing {} public {}", key.version, receive::key_text(&key)))?;
    }
    pool.close().await;
    Ok(())
}

/// What a rotation came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rotated {
    /// The version that is active now.
    pub version: i32,
    /// Case keys wrapped anew.
    pub wrapped: u64,
}

/// Exchanges the key-encryption key. `notice` is how long running gateways are waited for at each step.
///
/// # Errors
/// When keys cannot be read or written, or a case key does not open: nothing is destroyed then.
pub async fn rotate(
    config: &Config,
    pool: &Pool,
    clock: &Clock,
    notice: Duration,
) -> Result<Rotated, Failure> {
    let _only = only_one(config)?;
    let entropy = Entropy::system();
    let version = next_version(config, pool, clock, &entropy, KeyPurpose::Kek).await?;
    tokio::time::sleep(notice).await;
    let ring = keyring(config, pool).await?;
    let stamp = boot::stamp(config, clock)?;
    keys::step(pool, &ring, KeyPurpose::Kek, Step::Activate(version), &stamp).await?;
    tokio::time::sleep(notice).await;
    let ring = keyring(config, pool).await?;
    let wrapped = wrap_anew(pool, &ring, &entropy, version).await?;
    for (purpose, old, state) in keys::states(pool).await? {
        if purpose == KeyPurpose::Kek && old < version && state == KeyState::VerifyOnly {
            let stamp = Stamp { at_us: clock.now().as_microsecond(), ..stamp };
            let gone = keys::step(pool, &ring, purpose, Step::Destroy(old), &stamp).await?;
            if !gone {
                return Err(Failure::new(
                    "key rotate: case keys came under an older key meanwhile; run it again",
                ));
            }
        }
    }
    pool.empty_log().await?;
    Ok(Rotated { version, wrapped })
}

/// The version to go to: one that an earlier run began, or a new one, which opens nothing yet.
async fn next_version(
    config: &Config,
    pool: &Pool,
    clock: &Clock,
    entropy: &Entropy,
    purpose: KeyPurpose,
) -> Result<i32, Failure> {
    let all: Vec<_> =
        keys::load(pool).await?.into_iter().filter(|row| row.purpose == purpose).collect();
    let newest = all.iter().map(|row| row.version).max().unwrap_or_default();
    let active = all.iter().find(|row| row.state == KeyState::Active).map(|row| row.version);
    let begun = active.is_some_and(|active| active < newest)
        || (purpose == KeyPurpose::Kek && keys::wrapped_under_others(pool, newest).await? > 0);
    if begun {
        return Ok(newest);
    }
    let (root, now_ms) = (root_key(&config.keys.root)?, clock.now().as_millisecond());
    let deployment = &config.keys.deployment;
    let mut key = generate(purpose, newest.saturating_add(1), &root, entropy, deployment, now_ms)?;
    key.state = KeyState::VerifyOnly;
    keys::add(pool, &key).await?;
    Ok(key.version)
}

async fn wrap_anew(
    pool: &Pool,
    ring: &Keyring,
    entropy: &Entropy,
    version: i32,
) -> Result<u64, Failure> {
    let all = keys::wrapped_under_others(pool, version).await?;
    let mut progress = Progress::of("case keys", all);
    let mut done = 0;
    loop {
        let some = keys::some_under_others(pool, version, BATCH).await?;
        if some.is_empty() {
            return Ok(done);
        }
        let mut anew = Vec::with_capacity(some.len());
        for (case, key) in &some {
            let wrapped = ring.rewrap_case_key(entropy, *case, key);
            let wrapped = wrapped.or(Err(StoreError::Corrupt("case_key")))?;
            anew.push((*case, key.kek_version, wrapped));
        }
        keys::rewrapped(pool, &anew).await?;
        done += u64::try_from(some.len()).unwrap_or_default();
        progress.at(done);
    }
}

/// Makes the next key of a purpose, or takes the one an earlier run began with, and waits until gateways know it: they
/// verify with it before they meet it.
async fn begun(
    config: &Config,
    pool: &Pool,
    clock: &Clock,
    purpose: KeyPurpose,
    notice: Duration,
) -> Result<(i32, Keyring), Failure> {
    let version = next_version(config, pool, clock, &Entropy::system(), purpose).await?;
    tokio::time::sleep(notice).await;
    Ok((version, keyring(config, pool).await?))
}

/// Exchanges the ledger key. The head over the entry that says so is signed by both; from there on only the new one
/// counts, and the old one verifies what was before. Nothing is signed by a gateway that has not seen it yet: its
/// callers ask again, for a second at most.
///
/// # Errors
/// When keys cannot be read or written.
pub async fn rotate_ledger(
    config: &Config,
    pool: &Pool,
    clock: &Clock,
    notice: Duration,
) -> Result<i32, Failure> {
    let _only = only_one(config)?;
    let purpose = KeyPurpose::LedgerSigning;
    let (version, ring) = begun(config, pool, clock, purpose, notice).await?;
    // First where they are kept: from the next head on they are needed.
    let head = crate::store::ledger::head(pool).await?;
    let texts = |key: &VerifyingKey| vkey::to_text(&head.log, key);
    let kept: Vec<_> = ring.ledger_public_keys().iter().map(texts).collect();
    Archive::at(&config.ledger.checkpoints).keep_keys(&kept)?;
    let (stamp, step) = (boot::stamp(config, clock)?, Step::Activate(version));
    let origin = &config.ledger.origin;
    let directory = config.policies.directory.as_deref();
    let proven = directory.map(|at| proof::proven_by(at, stamp.policies, origin, &ring));
    if !keys::step(pool, &ring, purpose, step, &stamp).await? {
        return Err(Failure::new("key rotate: another rotation came first"));
    }
    // A proof that the old key signed counts no more: what was proven stays so under the new one's word.
    if let (Some(directory), Some(Ok(by))) = (directory, proven) {
        proof::record(directory, stamp.policies, origin, &keyring(config, pool).await?, by)?;
    }
    Ok(version)
}

/// Exchanges the key that signs deliveries. The present one signs beside the new one until the next rotation, so that
/// receivers have time to take the new one; the one before it is destroyed.
///
/// # Errors
/// When keys cannot be read or written.
pub async fn rotate_delivery(
    config: &Config,
    pool: &Pool,
    clock: &Clock,
    notice: Duration,
) -> Result<i32, Failure> {
    let _only = only_one(config)?;
    let purpose = KeyPurpose::DeliverySigning;
    let (version, ring) = begun(config, pool, clock, purpose, notice).await?;
    let stamp = boot::stamp(config, clock)?;
    keys::step(pool, &ring, purpose, Step::Activate(version), &stamp).await?;
    for (of, old, state) in keys::states(pool).await? {
        if of == purpose && old < version.saturating_sub(1) && state == KeyState::VerifyOnly {
            let gone = keys::step(pool, &ring, purpose, Step::Destroy(old), &stamp).await?;
            gone.then_some(())
                .ok_or(Failure::new("key rotate: an older key could not be destroyed"))?;
        }
    }
    Ok(version)
}

/// Exchanges the root key: every key is wrapped under a new one, whose file takes the place of the old one.
/// Gateways on other machines need the new file before their next start.
///
/// # Errors
/// When a key does not open or a file cannot be written, or while another rotation runs. Cut off between the
/// database and the file, the next start finds the new key beside the old one ([`boot::keyring`]).
pub async fn rotate_root(config: &Config, pool: &Pool, clock: &Clock) -> Result<usize, Failure> {
    let _only = only_one(config)?;
    let entropy = Entropy::system();
    let ring = keyring(config, pool).await?;
    let old = root_key(&config.keys.root)?;
    let bytes = zeroize::Zeroizing::new(entropy.array::<32>()?);
    let next = boot::next_root(&config.keys.root);
    write_private(&next, bytes.as_slice())?;
    let new = root_key(&next)?;
    let mut rows = Vec::new();
    for row in keys::load(pool).await? {
        let after = row.rewrap(&old, &new, &entropy, &config.keys.deployment)?;
        rows.push((row, after));
    }
    keys::write_wrapped(pool, &ring, &rows, &boot::stamp(config, clock)?).await?;
    boot::take_next_root(&config.keys.root)?;
    pool.empty_log().await?;
    Ok(rows.len())
}

/// Keeps a second rotation out for as long as it lives: two at once could leave keys in the database under a root
/// key that is in no file.
fn only_one(config: &Config) -> Result<File, Failure> {
    let file = File::open(&config.keys.root)?;
    file.try_lock().or(Err(Failure::new("key rotate: another rotation runs; wait for it")))?;
    Ok(file)
}

/// Writes a file that only its owner can read, and sees it on the disk.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    Ok(file.sync_all()?)
}
