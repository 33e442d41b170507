//! Signed heads kept outside the database, so that an older or shorter ledger does not pass for the ledger.
//!
//! A directory, best on another volume or machine: `latest` is the newest signed note, `<size>.note` (20
//! digits) are notes kept along the way, at least one every [`STEP`] entries. After an acknowledged restore
//! the note that was lost is kept as `<size>.lost`.
//!
//! # Invariants
//! * A note is there whole or not at all: written beside, synced, renamed, directory synced.
//! * `latest` never steps back, also when two gateways share the directory.
//!
//! Several gateways on one database may each have a directory of their own. Absent: reading what is kept
//! along the way, which `audit verify` does (`cli::audit::archive`).

use crate::audit::checkpoint::{Checkpoint, CheckpointError};
use crate::audit::committed::SignedHead;
use crate::audit::tree::Peaks;
use crate::audit::vkey;
use crate::crypto::keyring::VerifyingKey;
use crate::store::ledger::Head;
use crate::store::{Pool, StoreError, witness};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Entries after which a note is kept for good.
pub const STEP: u64 = 1_000;

/// Longest note read, in bytes.
const LONGEST: u64 = 16 * 1024;

/// The directory.
#[derive(Clone, Debug)]
pub struct Archive {
    directory: PathBuf,
}

/// Why a ledger is not the one the archive knows.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There are entries, and nothing outside the database vouches for them.
    #[error(
        "ledger.checkpoints: no checkpoint there, and the ledger has entries; `migrate` begins an archive"
    )]
    Missing,
    /// The newest note is not one of this deployment.
    #[error("ledger.checkpoints: latest: {0}")]
    Note(#[from] CheckpointError),
    /// The newest note is of another log.
    #[error("ledger.checkpoints: latest is of another log than the database holds")]
    Log,
    /// The ledger is shorter than it was: a restored backup, or entries cut off.
    #[error(
        "the ledger ends at {size}, its last checkpoint at {expected}: an older database was restored, or \
         entries were removed. `audit verify` looks further; `audit acknowledge-restore` begins anew"
    )]
    Behind {
        /// Entries in the database.
        size: u64,
        /// Entries at the last checkpoint.
        expected: u64,
    },
    /// The ledger has another history.
    #[error("the ledger contradicts its last checkpoint: its entries were changed")]
    Fork,
    /// The directory.
    #[error("ledger.checkpoints: {}", .0.kind())]
    Io(#[from] io::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Archive {
    /// The archive in `directory`.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// The newest note, unread.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn latest(&self) -> io::Result<Option<String>> {
        match fs::metadata(self.path("latest")) {
            Ok(meta) if meta.len() > LONGEST => Err(io::ErrorKind::InvalidData.into()),
            Ok(_) => fs::read_to_string(self.path("latest")).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins an archive with `head` where there is none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&self, head: &SignedHead) -> Result<(), ArchiveError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        if self.latest()?.is_none() { Ok(self.put("latest", &head.note)?) } else { Ok(()) }
    }

    /// Keeps the public keys that heads are checked with, as text: a database of before a rotation does not know the newer
    /// one, and must still be found to be older.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep_keys(&self, texts: &[String]) -> io::Result<()> {
        self.put("keys", &format!("{}\n", texts.join("\n")))
    }

    /// The keys of the database, and those kept here.
    #[must_use]
    pub fn keys(&self, own: &[VerifyingKey]) -> Vec<VerifyingKey> {
        let kept = fs::read_to_string(self.path("keys")).unwrap_or_default();
        let kept = kept.lines().filter_map(|text| vkey::parse(text).map(|(_, key)| key));
        let others = kept.filter(|key| own.iter().all(|one| one.bytes != key.bytes));
        own.iter().copied().chain(others).collect()
    }

    /// Tries to write there, and leaves nothing behind.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn try_writing(&self) -> Result<(), ArchiveError> {
        let probe = self.directory.join(format!("probe-{}", std::process::id()));
        fs::write(&probe, [])?;
        Ok(fs::remove_file(probe)?)
    }

    /// Makes `head` the newest note, unless a newer one is there; keeps it for good where `keep`.
    ///
    /// # Errors
    /// When it cannot be written; what was there stays.
    pub fn publish(&self, head: &SignedHead, keep: bool) -> io::Result<()> {
        if keep {
            self.put(&format!("{:020}.note", head.size), &head.note)?;
        }
        let there = self.latest()?.as_deref().and_then(size_of);
        if there.is_some_and(|there| there >= head.size) {
            return Ok(());
        }
        self.put("latest", &head.note)
    }

    /// Puts `head` in the place of a note that no ledger answers to any more, and keeps that one aside.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(&self, head: &SignedHead) -> io::Result<()> {
        if let Some(lost) = self.latest()? {
            let size = size_of(&lost).unwrap_or_default();
            self.put(&format!("{size:020}.lost"), &lost)?;
        }
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let beyond = path.file_name().and_then(|name| name.to_str()).and_then(|name| {
                name.strip_suffix(".note")?.parse::<u64>().ok().filter(|size| *size > head.size)
            });
            if let Some(size) = beyond {
                fs::rename(&path, self.path(&format!("{size:020}.lost")))?;
            }
        }
        self.put("latest", &head.note)
    }

    /// Whether the ledger in `pool` goes on from what the archive saw last.
    ///
    /// # Errors
    /// [`ArchiveError`] naming what differs.
    pub async fn check(
        &self,
        pool: &Pool,
        head: &Head,
        keys: &[VerifyingKey],
    ) -> Result<(), ArchiveError> {
        let Some(note) = self.latest()? else {
            return if head.peaks.size() == 0 { Ok(()) } else { Err(ArchiveError::Missing) };
        };
        let seen = Checkpoint::parse_and_verify(&note, &self.keys(keys))?;
        if seen.origin != head.log {
            return Err(ArchiveError::Log);
        }
        let size = head.peaks.size();
        if seen.size > size {
            return Err(ArchiveError::Behind { size, expected: seen.size });
        }
        let root =
            if seen.size == size { head.peaks.root() } else { root_at(pool, seen.size).await? };
        if root == seen.root { Ok(()) } else { Err(ArchiveError::Fork) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn put(&self, name: &str, text: &str) -> io::Result<()> {
        let beside = self.path(&format!(".{name}.{}", std::process::id()));
        let written = File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&beside, self.path(name)));
        if written.is_err() {
            // It may not even be there.
            drop(fs::remove_file(&beside));
        }
        written?;
        File::open(&self.directory)?.sync_all()
    }
}

/// The size an unverified note states.
fn size_of(note: &str) -> Option<u64> {
    note.lines().nth(1)?.parse().ok()
}

/// The root over the first `size` entries, from their stored leaf hashes.
async fn root_at(pool: &Pool, size: u64) -> Result<[u8; 32], StoreError> {
    let mut peaks = Peaks::default();
    for hash in witness::hashes(pool, size).await? {
        peaks.push(hash);
    }
    Ok(peaks.root())
}
