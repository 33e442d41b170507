//! The record that a policy set was proven, in a file beside the set.
//!
//! For everything that loads policies to work with them. Invariant: from a directory nothing is loaded
//! without a record for exactly what was read. What is compiled in needs none: there is no file that
//! could have been changed, and the tests of the release proved it (`tests/it/proofs.rs`).

use crate::cli::Failure;
use crate::cli::policies::{INVARIANTS, Loaded, Sources};
use crate::crypto::keyring::{KeyPurpose, Keyring, VerifyingKey};
use crate::policy::prove;
use crate::policy::record::{Proof, ProvenBy};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Name of the file. Its kind is none that belongs to a set, so that it does not count in the hash.
pub const RECORD_FILE: &str = "proof.txt";

/// Loads a directory if it was proven, or what is compiled in.
///
/// # Errors
/// One line naming what is wrong with the set or with its record; nothing is loaded then.
pub fn load_proven(
    directory: Option<&Path>,
    ledger: &str,
    keyring: &Keyring,
) -> Result<Loaded, Failure> {
    let sources = Sources::read(directory)?;
    let loaded = sources.load()?;
    if let Some(directory) = directory {
        proven_by(directory, loaded.engine.hash(), ledger, keyring)?;
    }
    Ok(loaded)
}

/// What proved the set with this hash in a directory, by its record.
///
/// # Errors
/// One line naming what is wrong with the record.
pub fn proven_by(
    directory: &Path,
    policies: [u8; 32],
    ledger: &str,
    keyring: &Keyring,
) -> Result<ProvenBy, Failure> {
    let why = |rule: &str| Failure::new(format!("policies: {rule}; see `policy prove`"));
    let record = fs::read_to_string(directory.join(RECORD_FILE)).map_err(|error| {
        let missing = error.kind() == ErrorKind::NotFound;
        why(if missing { "the set is not proven" } else { "the proof record cannot be read" })
    })?;
    let proof = about(policies, ledger);
    let by = proof.check(&record, release()?, &present_key(keyring));
    by.map_err(|error| why(&error.to_string()))
}

/// The ledger key that signs today: what one signed that was taken over from counts no more.
fn present_key(keyring: &Keyring) -> Vec<VerifyingKey> {
    let active = keyring.active_version(KeyPurpose::LedgerSigning).unwrap_or_default();
    keyring.ledger_public_keys().into_iter().filter(|key| key.version == active).collect()
}

/// Records that the set with this hash was proven, beside it.
///
/// # Errors
/// When the key or the directory refuses.
pub fn record(
    directory: &Path,
    policies: [u8; 32],
    ledger: &str,
    keyring: &Keyring,
    by: ProvenBy,
) -> Result<PathBuf, Failure> {
    let text = about(policies, ledger).sign(by, keyring)?;
    let path = directory.join(RECORD_FILE);
    let cannot = |error: std::io::Error| {
        Failure::new(format!(
            "{RECORD_FILE} cannot be written beside the policies: {}",
            error.kind()
        ))
    };
    // Whole or not at all: a gateway may be reading.
    let next = directory.join(format!("{RECORD_FILE}.next"));
    fs::write(&next, text).map_err(cannot)?;
    fs::rename(&next, &path).map_err(cannot)?;
    Ok(path)
}

/// Records the set of this release on the word of its tests, without a solver.
///
/// # Errors
/// When the directory holds any other set.
pub fn record_shipped(
    directory: &Path,
    ledger: &str,
    keyring: &Keyring,
) -> Result<PathBuf, Failure> {
    let policies = Sources::read(Some(directory))?.hash();
    if policies != release()? {
        return Err(Failure::usage(
            "the set is not the one this program was released with: it takes a proof, by cvc5",
        ));
    }
    record(directory, policies, ledger, keyring, ProvenBy::Release)
}

/// Hash of the set that is compiled in, which `tests/it/proofs.rs` proves.
///
/// # Errors
/// Never, for a program that was built whole.
pub fn release() -> Result<[u8; 32], Failure> {
    Ok(Sources::read(None)?.hash())
}

fn about(policies: [u8; 32], ledger: &str) -> Proof<'_> {
    Proof { policies, invariants: prove::hash(INVARIANTS), ledger }
}
