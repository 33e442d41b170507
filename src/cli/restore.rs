//! `buurtpoort audit acknowledge-restore`: two persons say that an older database is the one to go on with.
//!
//! The ledger goes on under the next number of its name, with an entry that holds the head that was lost.
//! Whoever keeps a checkpoint of the earlier epoch can still see that entries are missing, and that it was
//! said.

use crate::audit::checkpoint::Checkpoint;
use crate::audit::entry::{Code, Entry};
use crate::audit::epoch::{Acknowledged, next};
use crate::cli::{Failure, boot, print};
use crate::clock::Clock;
use crate::config::Config;
use crate::crypto::digest::hex;
use crate::crypto::keyring::Keyring;
use crate::domain::partner::Slug;
use crate::store::{ledger, migrate as schema};
use crate::worker::archive::{Archive, ArchiveError};
use clap::Args;
use std::path::PathBuf;

/// Goes on with a restored, older database, and says so in the ledger.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Configuration file.
    #[arg(long)]
    pub config: PathBuf,
    /// Why, in one word of small letters, digits and hyphens, such as the number of the incident; it stays in the ledger.
    #[arg(long)]
    pub reason: String,
    /// Who says so.
    #[arg(long)]
    pub by: String,
    /// Who else says so.
    #[arg(long)]
    pub second: String,
}

/// Begins a new epoch. No gateway may be running.
///
/// # Errors
/// When there is nothing to acknowledge, the ledger contradicts its checkpoint rather than ending before it,
/// or the two persons are one.
pub async fn acknowledge(args: &RestoreArgs) -> Result<(), Failure> {
    let usage = |rule: &str| Failure::usage(rule);
    let (by, second) = (Slug::parse(&args.by), Slug::parse(&args.second));
    let (Ok(by), Ok(second)) = (by, second) else {
        return Err(usage("--by and --second: names of small letters, digits and hyphens"));
    };
    if by == second {
        return Err(usage("--second: another person than --by"));
    }
    let reason = Slug::parse(&args.reason).ok().and_then(|word| Code::parse(word.as_str()).ok());
    let reason = reason.ok_or_else(|| usage("--reason: one word of small letters, digits and hyphens, such as incident-7; no name of a person"))?;
    let config = Config::read(&args.config).map_err(Failure::usage)?;
    let mut pool = boot::pool(&config).await?;
    pool.claim()?;
    schema::check(&pool).await?;
    let keyring = boot::keyring(&config, &pool).await?;
    let archive = Archive::at(&config.ledger.checkpoints);
    let head = ledger::head(&pool).await?;
    let keys = archive.keys(&keyring.ledger_public_keys());
    let (size, expected) = match archive.check(&pool, &head, &keys).await {
        Err(ArchiveError::Behind { size, expected }) => (size, expected),
        Err(other) => return Err(other.into()),
        Ok(()) => {
            return Err(Failure::new(
                "the ledger goes on from its last checkpoint: nothing to acknowledge",
            ));
        }
    };
    let lost = archive.latest()?.unwrap_or_default();
    let lost = Checkpoint::parse_and_verify(&lost, &keys)?;
    let entry = entry(&keyring, reason, lost, [&by, &second])?;
    let log = next(&head.log).ok_or_else(|| Failure::new("the log has no epoch"))?;
    let stamp = boot::stamp(&config, &Clock::System)?;
    let begun = ledger::begin_epoch(&pool, &keyring, &log, &entry, &stamp).await?;
    archive.replace(&begun.signed())?;
    pool.close().await;
    print(&format!(
        "the ledger goes on as {log} from entry {size}; its last checkpoint was at {expected}. \
         What was written between the two is lost, or is with those who hold receipts"
    ))
}

/// Persons by a keyed hash: who has the key can ask whether it was a certain one.
fn entry(
    keyring: &Keyring,
    reason: Code,
    lost: Checkpoint,
    [by, second]: [&Slug; 2],
) -> Result<Entry, Failure> {
    let hashed = |person: &Slug| hex(&keyring.token_hash(person.as_str()));
    let lost = Acknowledged { log: lost.origin, size: lost.size, root: lost.root };
    let mut entry = lost.entry()?;
    entry.why = reason;
    entry.actor.role = Code::parse("operator")?;
    entry.actor.subject = Code::parse(&hashed(by))?;
    entry.basis = Code::parse(&format!("second:{}", hashed(second)))?;
    Ok(entry)
}
