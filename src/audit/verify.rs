//! Checks a whole log, one row at a time.
//!
//! For `buurtpoort audit verify`, for the start-up check and for auditors. Invariant: it stops at
//! the first row that breaks a rule and names both; a log that passes has the root its checkpoint
//! states. The rules are told in `docs/ledger.md`, and `scripts/verify_ledger.py` holds them too.
//! Absent: reading rows, and reconciling entries with the cases they speak of.

use std::collections::{BTreeMap, HashMap};

use super::checkpoint::Checkpoint;
use super::entry::{self, Entry, Event, Outcome, Position};
use super::epoch::{self, Acknowledged};
use super::tree::{self, Peaks};
use crate::crypto::digest::{hex, sha256};
use crate::crypto::keyring::VerifyingKey;

/// One row as the database holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredLeaf {
    /// Primary key, gapless from 0.
    pub seq: u64,
    /// The exact bytes of the entry.
    pub leaf: Vec<u8>,
    /// RFC 6962 leaf hash of them.
    pub leaf_hash: [u8; 32],
    /// Derived column: the entry's time.
    pub at_us: i64,
    /// Derived column.
    pub event: String,
    /// Derived column.
    pub outcome: String,
    /// Derived column: the object's reference in hex, if any.
    pub object: Option<String>,
}

/// The head row of the ledger as the database holds it, with the newest checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredHead {
    /// Name of the log.
    pub log: String,
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: [u8; 32],
    /// What is needed to append: [`Peaks::to_bytes`].
    pub peaks: Vec<u8>,
    /// Hash of the last leaf; zeros before the first.
    pub last_hash: [u8; 32],
    /// Signed note for exactly this size.
    pub checkpoint: String,
}

/// The first thing found wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("ledger entry {seq}: {rule}")]
pub struct Tamper {
    /// Sequence number of the first bad row; the size of the log when the head is wrong.
    pub seq: u64,
    /// The rule it breaks.
    pub rule: Rule,
}

/// The rules of the log. Texts name the rule, never a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Rule {
    /// A row is missing, double or out of order.
    #[error("sequence numbers are gapless from 0")]
    Sequence,
    /// The stored leaf hash is not the hash of the stored bytes.
    #[error("the leaf hash is the hash of the leaf")]
    LeafHash,
    /// The bytes are not a canonical entry.
    #[error("the leaf is a canonical entry")]
    Leaf,
    /// The entry names another log.
    #[error("the entry belongs to this log")]
    Log,
    /// Another log begins without acknowledging what was lost, or the acknowledgement does not fit.
    #[error("a new epoch begins by acknowledging the head of the one before")]
    Epoch,
    /// The entry states another sequence number than its row.
    #[error("the entry states its own sequence number")]
    Position,
    /// The entry does not carry the hash of the one before.
    #[error("the entry carries the hash of the one before")]
    Previous,
    /// Time ran back within one process run.
    #[error("time does not run back within one process run")]
    Time,
    /// A derived column differs from the entry.
    #[error("the derived columns follow from the entry")]
    Columns,
    /// The head states another size.
    #[error("the head states the number of entries")]
    HeadSize,
    /// The head states another root.
    #[error("the head states the root of the tree")]
    HeadRoot,
    /// The head is of another log.
    #[error("the head is of this log")]
    HeadLog,
    /// The head's peaks or last hash, with which the next entry would go on, are not the tree's.
    #[error("the head states the edge of the tree")]
    HeadEdge,
    /// A checkpoint is malformed or not signed by a known key.
    #[error("the checkpoint is signed by a known key")]
    CheckpointSignature,
    /// A checkpoint is of another log.
    #[error("the checkpoint is of this log")]
    CheckpointLog,
    /// A checkpoint states a size the log does not have (any more).
    #[error("the log is as long as its checkpoint")]
    CheckpointSize,
    /// A checkpoint states another root for its size.
    #[error("the checkpoint states the root of the tree")]
    CheckpointRoot,
    /// A checkpoint is signed by keys alone that others had taken over from.
    #[error("the checkpoint is signed by a key that still signs at its size")]
    RetiredKey,
}

/// What an intact log holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Number of entries.
    pub entries: u64,
    /// Releases of an identity that were allowed: `release.intent` with `allow`.
    pub releases_granted: u64,
    /// Releases that were refused: `release.intent` with `deny`.
    pub releases_refused: u64,
    /// `release.done`.
    pub releases_done: u64,
    /// `release.aborted`.
    pub releases_aborted: u64,
    /// `access.denied`.
    pub accesses_denied: u64,
    /// Time of the first entry, microseconds since 1970-01-01 UTC.
    pub first_ts_us: Option<i64>,
    /// Time of the last entry.
    pub last_ts_us: Option<i64>,
    /// Number of process runs that wrote.
    pub boots: usize,
    /// Entries per event and outcome.
    pub counts: BTreeMap<(Event, Outcome), u64>,
}

/// Reads a log from its first row to its head.
pub struct Verifier {
    log: String,
    keys: Vec<VerifyingKey>,
    peaks: Peaks,
    prev: [u8; 32],
    last_ts_us: HashMap<[u8; 8], i64>,
    /// The epoch the last entry belongs to.
    epoch: Option<String>,
    /// Roots that checkpoints state, by size and log, not yet reached.
    expected: BTreeMap<(u64, String), [u8; 32]>,
    /// Size and signers of every checkpoint read, by the hash of their public halves.
    signed: Vec<(u64, Vec<String>)>,
    /// Ledger keys that another took over from, and the size up to which they sign.
    retired: HashMap<String, u64>,
    /// The key that signs today, where it is known: the newest head is by it.
    present: Option<[u8; 32]>,
    summary: Summary,
}

impl Verifier {
    /// Starts at the beginning of `log`, which is also the origin of its checkpoints. Entries of its earlier
    /// epochs come first, where there were any.
    #[must_use]
    pub fn new(log: &str, keys: Vec<VerifyingKey>) -> Self {
        Self {
            log: log.to_owned(),
            keys,
            peaks: Peaks::new(),
            prev: [0; 32],
            last_ts_us: HashMap::new(),
            epoch: None,
            expected: BTreeMap::new(),
            signed: Vec::new(),
            retired: HashMap::new(),
            present: None,
            summary: Summary::default(),
        }
    }

    /// Says which key signs today: a whole log signed by an older one alone is a forgery, whatever stands in it.
    #[must_use]
    pub fn signed_today_by(mut self, key: [u8; 32]) -> Self {
        self.present = Some(key);
        self
    }

    /// Adds a checkpoint kept elsewhere; the log must pass through its size with its root.
    /// Call before the first row.
    ///
    /// # Errors
    /// [`Tamper`] when it is not signed, is of another log, contradicts one added before, or comes
    /// after its size was passed.
    pub fn expect(&mut self, checkpoint: &str) -> Result<(), Tamper> {
        let at = self.peaks.size();
        let kept = self.read(checkpoint, at)?;
        let size = kept.size;
        let known = self.expected.insert((size, kept.origin), kept.root);
        check(known.is_none_or(|root| root == kept.root), size, Rule::CheckpointRoot)?;
        check(size >= at, size, Rule::CheckpointSize)?;
        self.pass_checkpoints()
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// [`Tamper`] naming this row and the first rule it breaks.
    pub fn push(&mut self, row: &StoredLeaf) -> Result<(), Tamper> {
        let seq = self.peaks.size();
        check(row.seq == seq, seq, Rule::Sequence)?;
        check(tree::leaf_hash(&row.leaf) == row.leaf_hash, seq, Rule::LeafHash)?;
        let Ok((position, entry)) = entry::decode(&row.leaf) else {
            return Err(Tamper { seq, rule: Rule::Leaf });
        };
        self.check_epoch(seq, &position, &entry)?;
        self.check_position(seq, &position)?;
        check_columns(seq, row, &position, &entry)?;
        self.prev = row.leaf_hash;
        self.peaks.push(row.leaf_hash);
        if let Some(from) = retires(&entry) {
            self.retired.entry(from).or_insert(seq.saturating_add(1));
        }
        self.count(&position, &entry);
        self.pass_checkpoints()
    }

    /// Ends with the head row and the newest checkpoint.
    ///
    /// # Errors
    /// [`Tamper`] at the size of the log when the head, its checkpoint, or a checkpoint added with
    /// [`Self::expect`] does not agree with the rows.
    pub fn finish(mut self, head: &StoredHead) -> Result<Summary, Tamper> {
        let seq = self.peaks.size();
        check(head.size == seq, seq, Rule::HeadSize)?;
        check(head.root == self.peaks.root(), seq, Rule::HeadRoot)?;
        check(head.log == self.log, seq, Rule::HeadLog)?;
        let edge = head.peaks == self.peaks.to_bytes() && head.last_hash == self.prev;
        check(edge, seq, Rule::HeadEdge)?;
        let last = self.epoch.as_ref().is_none_or(|epoch| *epoch == self.log);
        check(last, seq, Rule::Log)?;
        let newest = self.read(&head.checkpoint, seq)?;
        check(newest.origin == self.log, seq, Rule::CheckpointLog)?;
        check(newest.size == seq, seq, Rule::CheckpointSize)?;
        check(newest.root == head.root, seq, Rule::CheckpointRoot)?;
        // Whatever is still expected lies beyond the end: the log was cut off or rolled back.
        check(self.expected.is_empty(), seq, Rule::CheckpointSize)?;
        if let (Some(key), Some((_, by))) = (self.present, self.signed.last()) {
            check(by.contains(&hex(&sha256(&key))), seq, Rule::RetiredKey)?;
        }
        self.check_signers()?;
        self.summary.boots = self.last_ts_us.len();
        Ok(self.summary)
    }

    /// Number of entries taken so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.peaks.size()
    }

    /// Each checkpoint is signed by a key that nobody had taken over from at its size.
    fn check_signers(&mut self) -> Result<(), Tamper> {
        self.signed.sort();
        for (size, by) in &self.signed {
            let signs = |key: &String| self.retired.get(key).is_none_or(|until| size <= until);
            check(by.iter().any(signs), *size, Rule::RetiredKey)?;
        }
        Ok(())
    }

    fn read(&mut self, note: &str, seq: u64) -> Result<Checkpoint, Tamper> {
        let Ok((checkpoint, by)) = Checkpoint::parse_and_verify_by(note, &self.keys) else {
            return Err(Tamper { seq, rule: Rule::CheckpointSignature });
        };
        check(epoch::is_epoch_of(&checkpoint.origin, &self.log), seq, Rule::CheckpointLog)?;
        let by = by.iter().map(|key| hex(&sha256(&key.bytes))).collect();
        self.signed.push((checkpoint.size, by));
        Ok(checkpoint)
    }

    /// An entry is of the same epoch as the one before, or begins the next by acknowledging a restore.
    fn check_epoch(&mut self, seq: u64, position: &Position, entry: &Entry) -> Result<(), Tamper> {
        let own = position.log.as_str();
        let broken = Err(Tamper { seq, rule: Rule::Epoch });
        check(epoch::is_epoch_of(own, &self.log), seq, Rule::Log)?;
        if self.epoch.as_deref() == Some(own) {
            return Ok(());
        }
        let begins = Acknowledged::read(entry);
        let Some(lost) = begins.filter(|lost| epoch::follows(own, &lost.log)) else {
            // The first epoch begins without ceremony.
            let first = self.epoch.is_none();
            self.epoch = Some(own.to_owned());
            return check(first, seq, Rule::Epoch);
        };
        let known = self.epoch.replace(own.to_owned());
        if known.is_some_and(|known| known != lost.log) || lost.size < seq {
            return broken;
        }
        self.pass_lost(seq, own, &lost)
    }

    /// Checkpoints of earlier epochs beyond `seq` speak of entries that the restore gave up; none may lie
    /// beyond the head that it acknowledged, and one of the same size states the same root.
    fn pass_lost(&mut self, seq: u64, own: &str, lost: &Acknowledged) -> Result<(), Tamper> {
        let here = lost.size == seq;
        check(!here || lost.root == self.peaks.root(), seq, Rule::Epoch)?;
        let gone: Vec<_> = self.expected.extract_if(.., |(_, log), _| log != own).collect();
        for ((size, log), root) in gone {
            if !epoch::follows(own, &log) {
                // Of an epoch still to come.
                self.expected.insert((size, log), root);
                continue;
            }
            check(size <= lost.size, seq, Rule::CheckpointSize)?;
            check(size < lost.size || root == lost.root, seq, Rule::CheckpointRoot)?;
        }
        Ok(())
    }

    fn check_position(&mut self, seq: u64, position: &Position) -> Result<(), Tamper> {
        check(position.seq == seq, seq, Rule::Position)?;
        check(position.prev == self.prev, seq, Rule::Previous)?;
        let before = self.last_ts_us.insert(position.boot, position.ts_us);
        check(before.is_none_or(|before| before <= position.ts_us), seq, Rule::Time)
    }

    /// Compares the tree with every checkpoint of this size.
    fn pass_checkpoints(&mut self) -> Result<(), Tamper> {
        let size = self.peaks.size();
        while self.expected.first_key_value().is_some_and(|((next, _), _)| *next == size) {
            let root = self.expected.pop_first().map(|(_, root)| root);
            check(root == Some(self.peaks.root()), size, Rule::CheckpointRoot)?;
        }
        Ok(())
    }

    fn count(&mut self, position: &Position, entry: &Entry) {
        let summary = &mut self.summary;
        summary.entries += 1;
        summary.first_ts_us.get_or_insert(position.ts_us);
        summary.last_ts_us = Some(position.ts_us);
        *summary.counts.entry((entry.event, entry.outcome)).or_default() += 1;
        match (entry.event, entry.outcome) {
            (Event::ReleaseIntent, Outcome::Allow) => summary.releases_granted += 1,
            (Event::ReleaseIntent, Outcome::Deny) => summary.releases_refused += 1,
            (Event::ReleaseDone, _) => summary.releases_done += 1,
            (Event::ReleaseAborted, _) => summary.releases_aborted += 1,
            (Event::AccessDenied, _) => summary.accesses_denied += 1,
            _ => {}
        }
    }
}

/// The ledger key that an entry retires, by the hash of its public half.
fn retires(entry: &Entry) -> Option<String> {
    if (entry.event, entry.outcome) != (Event::KeyRotated, Outcome::Allow) {
        return None;
    }
    let from = entry.fields.iter().find_map(|field| field.as_str().strip_prefix("from:"))?;
    Some(from.to_owned())
}

fn check_columns(
    seq: u64,
    row: &StoredLeaf,
    position: &Position,
    entry: &Entry,
) -> Result<(), Tamper> {
    let columns = entry.columns();
    let equal = row.at_us == position.ts_us
        && row.event == columns.event
        && row.outcome == columns.outcome
        && row.object == columns.object;
    check(equal, seq, Rule::Columns)
}

fn check(holds: bool, seq: u64, rule: Rule) -> Result<(), Tamper> {
    if holds { Ok(()) } else { Err(Tamper { seq, rule }) }
}

#[cfg(test)]
mod tests;
