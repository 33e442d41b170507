//! `buurtpoort audit verify|head`: check the whole ledger; show its signed head.

use crate::audit::verify::{Head, Summary, Tamper, Verifier};
use crate::cli::{Failure, boot, print};
use crate::config::Config;
use crate::crypto::keyring::Keyring;
use crate::store::{Pool, ledger};
use std::path::Path;
use std::process::ExitCode;

/// Entries read at a time.
const PAGE: u32 = 1_000;

/// Checks every entry, in order, against the signed head.
///
/// # Errors
/// When the ledger cannot be read (exit code 2) or the call is wrong (3). A tampered ledger is an
/// answer, with exit code 1.
pub async fn verify(path: &Path) -> Result<ExitCode, Failure> {
    let config = Config::read(path).map_err(Failure::usage)?;
    let incomplete = |failure: Failure| Failure { code: 2, ..failure };
    let pool = boot::pool(&config).await.map_err(incomplete)?;
    let keyring = boot::keyring(&config, &pool).await.map_err(incomplete)?;
    let checked = check(&pool, &keyring, &config.ledger.origin).await.map_err(incomplete)?;
    match checked {
        Ok(summary) => {
            print(&told(&summary))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(tamper) => {
            print(&format!("TAMPERED: {tamper}"))?;
            Ok(ExitCode::from(1))
        }
    }
}

/// Reads and checks the ledger in `pool`.
///
/// # Errors
/// When it cannot be read.
pub async fn check(
    pool: &Pool,
    keyring: &Keyring,
    origin: &str,
) -> Result<Result<Summary, Tamper>, Failure> {
    // The head first: entries that come while we read are beyond it and are not looked at.
    let head = ledger::head(pool).await?;
    let mut verifier = Verifier::new(origin, keyring.ledger_public_keys());
    let signed = head.signed();
    let mut next = 0;
    while next < signed.size {
        let page = ledger::page(pool, next, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for row in page.iter().filter(|row| row.seq < signed.size) {
            if let Err(tamper) = verifier.push(row) {
                return Ok(Err(tamper));
            }
        }
        next = page.last().map_or(u64::MAX, |row| row.seq.saturating_add(1));
    }
    let head = Head { size: signed.size, root: signed.root, checkpoint: &signed.note };
    Ok(verifier.finish(&head))
}

/// What a verified ledger holds, in a few lines.
#[must_use]
pub fn told(summary: &Summary) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "ledger verified: {} entries, {} releases granted, {} refused",
        summary.entries, summary.releases_granted, summary.releases_refused
    );
    for ((event, outcome), count) in &summary.counts {
        let _infallible =
            write!(text, "\n  {:<22} {:<6} {count}", event.as_str(), outcome.as_str());
    }
    text
}

/// The signed head.
///
/// # Errors
/// When it cannot be read.
pub async fn head(path: &Path) -> Result<String, Failure> {
    let config = Config::read(path).map_err(Failure::usage)?;
    let pool = boot::pool(&config).await?;
    Ok(ledger::head(&pool).await?.note)
}
