//! `buurtpoort audit verify`.

use crate::audit::epoch;
use crate::audit::verify::{Rule, Summary, Tamper, Verifier};
use crate::cli::audit::archive::{self, Archive};
use crate::cli::audit::{Checked, INCOMPLETE, Opened, OutputArgs, Progress, incomplete, tell};
use crate::cli::{Failure, print};
use crate::crypto::keyring::{KeyPurpose, Keyring};
use crate::store::{Pool, StoreError, witness};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Entries read at a time.
const PAGE: u32 = 1_000;

/// Checks every entry in order, against the signed head and against heads kept elsewhere.
pub(super) async fn run(args: &OutputArgs, files: &[PathBuf]) -> Result<ExitCode, Failure> {
    let opened = Opened::open(&args.config).await?;
    // Before the head: the gateway writes its archive after its commits.
    let archive = archive::read(&opened.config.ledger.checkpoints, files)?;
    let origin = &opened.config.ledger.origin;
    let checked = match witness::is_whole(&opened.pool).await {
        Ok(true) => check_with(&opened.pool, &opened.keyring, origin, &archive).await,
        Ok(false) => Err(StoreError::Corrupt("an index does not hold all rows")),
        Err(error) => Err(error),
    };
    let checked = match checked {
        Err(StoreError::Corrupt(what)) => return corrupt(args.json, what),
        other => other.map_err(incomplete)?,
    };
    match checked {
        Ok(summary) if archive.missing.is_empty() => {
            let notes = archive.notes.len();
            let elsewhere = match notes {
                0 => "no heads kept elsewhere were looked at".to_owned(),
                _ => format!("{notes} heads kept elsewhere agree"),
            };
            let text = format!("{}\n  {elsewhere}", told(&summary));
            let object = json!({"result": "ok", "entries": summary.entries, "checkpoints": notes,
                "releasesGranted": summary.releases_granted,
                "releasesRefused": summary.releases_refused});
            tell(args.json, true, &text, &object)
        }
        Ok(_) => {
            let told = archive.missing.join("; ");
            let object = json!({"result": "incomplete", "missing": archive.missing});
            print(&if args.json { object.to_string() } else { format!("INCOMPLETE: {told}") })?;
            Ok(ExitCode::from(INCOMPLETE))
        }
        Err(tamper) => {
            let rule = tamper.rule.to_string();
            let object = json!({"result": "tampered", "seq": tamper.seq, "rule": rule});
            tell(args.json, false, &format!("TAMPERED: {tamper}"), &object)
        }
    }
}

/// A row that cannot be what was written, whatever its number.
fn corrupt(json: bool, what: &str) -> Result<ExitCode, Failure> {
    let object = json!({"result": "tampered", "rule": what});
    tell(json, false, &format!("TAMPERED: a stored row is not as it was written ({what})"), &object)
}

/// Reads and checks the ledger in `pool`.
///
/// # Errors
/// When it cannot be read.
pub async fn check(pool: &Pool, keyring: &Keyring, origin: &str) -> Result<Checked, Failure> {
    Ok(check_with(pool, keyring, origin, &Archive::default()).await?)
}

/// As [`check`], against heads kept elsewhere too.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn check_with(
    pool: &Pool,
    keyring: &Keyring,
    origin: &str,
    archive: &Archive,
) -> Result<Checked, StoreError> {
    // The head first: entries that come while we read are beyond it and are not looked at.
    let head = witness::head(pool).await?;
    // The configuration may still name an earlier epoch of the log.
    let log = if epoch::is_epoch_of(origin, &head.log) { head.log.as_str() } else { origin };
    let mut verifier = Verifier::new(log, keyring.ledger_public_keys());
    let active = keyring.active_version(KeyPurpose::LedgerSigning).unwrap_or_default();
    if let Some(key) = keyring.ledger_public_keys().iter().find(|key| key.version == active) {
        verifier = verifier.signed_today_by(key.bytes);
    }
    for (path, note) in &archive.notes {
        if let Err(tamper) = verifier.expect(note).and_then(|()| named_after(path, note)) {
            return Ok(Err(tamper));
        }
    }
    let mut progress = Progress::of("verify", head.size);
    let mut from = i64::MIN;
    while verifier.size() < head.size {
        let page = witness::entries(pool, from, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for row in &page {
            if verifier.size() == head.size {
                break;
            }
            if let Err(tamper) = verifier.push(row) {
                return Ok(Err(tamper));
            }
        }
        from = i64::try_from(verifier.size()).unwrap_or(i64::MAX);
        progress.at(verifier.size());
    }
    let beyond = rows_beyond(pool, head.size).await?;
    let checked = verifier.finish(&head);
    Ok(checked.and_then(|summary| beyond.map_or(Ok(summary), Err)))
}

/// Rows behind the head: a commit writes both, so a head read after them covers them.
async fn rows_beyond(pool: &Pool, size: u64) -> Result<Option<Tamper>, StoreError> {
    let last = witness::last_row(pool).await?;
    let now = witness::head(pool).await?.size;
    // A row before the first, where there is no first, is covered by nothing.
    let covered = last.is_none_or(|last| u64::try_from(last).is_ok_and(|last| last < now));
    Ok((!covered).then_some(Tamper { seq: size.max(now), rule: Rule::HeadSize }))
}

/// A note of the archive stands in the file of its size.
fn named_after(path: &std::path::Path, note: &str) -> Result<(), Tamper> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let size =
        note.split('\n').nth(1).and_then(|line| line.parse::<u64>().ok()).unwrap_or_default();
    let numbered = stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit());
    if numbered && stem.parse() != Ok(size) {
        return Err(Tamper { seq: size, rule: Rule::CheckpointSize });
    }
    Ok(())
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
