//! Checks a whole log, one row at a time.
//!
//! For `buurtpoort audit verify`, for the start-up check and for auditors. Invariant: it stops at
//! the first row that breaks a rule and names both; a log that passes has the root its checkpoint
//! states. Absent: reading rows, and reconciling entries with the cases they speak of.

use std::collections::{BTreeMap, HashMap};

use super::checkpoint::{Checkpoint, CheckpointError};
use super::entry::{self, Entry, Event, Outcome, Position};
use super::tree::{self, Peaks};
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
    /// Derived column.
    pub event: String,
    /// Derived column.
    pub outcome: String,
    /// Derived column: the object's reference in hex, if any.
    pub object: Option<String>,
}

/// The head row of the ledger, and the newest checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: [u8; 32],
    /// Signed note for exactly this size.
    pub checkpoint: &'a str,
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
    /// Roots that earlier checkpoints state, by size, not yet reached.
    expected: BTreeMap<u64, [u8; 32]>,
    summary: Summary,
}

impl Verifier {
    /// Starts at the beginning of `log`, which is also the origin of its checkpoints.
    #[must_use]
    pub fn new(log: &str, keys: Vec<VerifyingKey>) -> Self {
        Self {
            log: log.to_owned(),
            keys,
            peaks: Peaks::new(),
            prev: [0; 32],
            last_ts_us: HashMap::new(),
            expected: BTreeMap::new(),
            summary: Summary::default(),
        }
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
        let known = self.expected.insert(kept.size, kept.root);
        let contradicts = known.is_some_and(|root| root != kept.root);
        check(!contradicts, kept.size, Rule::CheckpointRoot)?;
        check(kept.size >= at, kept.size, Rule::CheckpointSize)?;
        self.pass_checkpoint()
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
        self.check_position(seq, &position)?;
        check_columns(seq, row, &entry)?;
        self.prev = row.leaf_hash;
        self.peaks.push(row.leaf_hash);
        self.count(&position, &entry);
        self.pass_checkpoint()
    }

    /// Ends with the head row and the newest checkpoint.
    ///
    /// # Errors
    /// [`Tamper`] at the size of the log when the head, its checkpoint, or a checkpoint added with
    /// [`Self::expect`] does not agree with the rows.
    pub fn finish(mut self, head: &Head<'_>) -> Result<Summary, Tamper> {
        let seq = self.peaks.size();
        check(head.size == seq, seq, Rule::HeadSize)?;
        check(head.root == self.peaks.root(), seq, Rule::HeadRoot)?;
        let newest = self.read(head.checkpoint, seq)?;
        check(newest.size == seq, seq, Rule::CheckpointSize)?;
        check(newest.root == head.root, seq, Rule::CheckpointRoot)?;
        // Whatever is still expected lies beyond the end: the log was cut off or rolled back.
        check(self.expected.is_empty(), seq, Rule::CheckpointSize)?;
        self.summary.boots = self.last_ts_us.len();
        Ok(self.summary)
    }

    fn read(&self, note: &str, seq: u64) -> Result<Checkpoint, Tamper> {
        let read: Result<Checkpoint, CheckpointError> =
            Checkpoint::parse_and_verify(note, &self.keys);
        let Ok(checkpoint) = read else {
            return Err(Tamper { seq, rule: Rule::CheckpointSignature });
        };
        check(checkpoint.origin == self.log, seq, Rule::CheckpointLog)?;
        Ok(checkpoint)
    }

    fn check_position(&mut self, seq: u64, position: &Position) -> Result<(), Tamper> {
        check(position.log.as_str() == self.log, seq, Rule::Log)?;
        check(position.seq == seq, seq, Rule::Position)?;
        check(position.prev == self.prev, seq, Rule::Previous)?;
        let before = self.last_ts_us.insert(position.boot, position.ts_us);
        check(before.is_none_or(|before| before <= position.ts_us), seq, Rule::Time)
    }

    fn pass_checkpoint(&mut self) -> Result<(), Tamper> {
        let size = self.peaks.size();
        match self.expected.remove(&size) {
            Some(root) => check(root == self.peaks.root(), size, Rule::CheckpointRoot),
            None => Ok(()),
        }
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

fn check_columns(seq: u64, row: &StoredLeaf, entry: &Entry) -> Result<(), Tamper> {
    let columns = entry.columns();
    let equal = row.event == columns.event
        && row.outcome == columns.outcome
        && row.object == columns.object;
    check(equal, seq, Rule::Columns)
}

fn check(holds: bool, seq: u64, rule: Rule) -> Result<(), Tamper> {
    if holds { Ok(()) } else { Err(Tamper { seq, rule }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::entry::Object;
    use crate::audit::entry::tests::{full, position};
    use crate::crypto::keyring::Keyring;
    use crate::crypto::testing::keyring;
    use proptest::prelude::*;

    const LOG: &str = "gateway.example/audit/1";

    fn entry_at(seq: u64) -> Entry {
        let event = Event::ALL[usize::try_from(seq).unwrap() % Event::ALL.len()];
        let outcome = if seq % 5 == 4 { Outcome::Deny } else { Outcome::Allow };
        Entry { event, outcome, ..full() }
    }

    fn row(position: &Position, entry: &Entry) -> StoredLeaf {
        let leaf = entry.encode(position).unwrap();
        let columns = entry.columns();
        StoredLeaf {
            seq: position.seq,
            leaf: leaf.bytes,
            leaf_hash: leaf.hash,
            event: columns.event.into(),
            outcome: columns.outcome.into(),
            object: columns.object,
        }
    }

    /// A log whose rows follow from `position_of`, each with the right hash of the one before.
    fn chain(count: u64, position_of: impl Fn(u64, [u8; 32]) -> Position) -> Vec<StoredLeaf> {
        let mut prev = [0; 32];
        (0..count)
            .map(|seq| {
                let made = row(&position_of(seq, prev), &entry_at(seq));
                prev = made.leaf_hash;
                made
            })
            .collect()
    }

    fn honest(count: u64) -> Vec<StoredLeaf> {
        chain(count, position)
    }

    fn root_of(rows: &[StoredLeaf]) -> [u8; 32] {
        let hashes: Vec<[u8; 32]> = rows.iter().map(|row| row.leaf_hash).collect();
        tree::root(&hashes)
    }

    fn note(ring: &Keyring, rows: &[StoredLeaf]) -> String {
        let size = u64::try_from(rows.len()).unwrap();
        Checkpoint { origin: LOG.into(), size, root: root_of(rows) }.sign(ring).unwrap()
    }

    fn read(ring: &Keyring, rows: &[StoredLeaf], head: &Head<'_>) -> Result<Summary, Tamper> {
        let mut verifier = Verifier::new(LOG, ring.ledger_public_keys());
        for row in rows {
            verifier.push(row)?;
        }
        verifier.finish(head)
    }

    /// Verifies `rows` against the head of `original`.
    fn against(ring: &Keyring, original: &[StoredLeaf], rows: &[StoredLeaf]) -> Option<Tamper> {
        let size = u64::try_from(original.len()).unwrap();
        let checkpoint = note(ring, original);
        let head = Head { size, root: root_of(original), checkpoint: &checkpoint };
        read(ring, rows, &head).err()
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with an optional error")]
    fn found(seq: u64, rule: Rule) -> Option<Tamper> {
        Some(Tamper { seq, rule })
    }

    #[test]
    fn honest_logs_pass_and_are_counted() {
        let ring = keyring();
        for count in [0, 1, 2, 7, 48] {
            let rows = honest(count);
            assert_eq!(against(&ring, &rows, &rows), None);
        }
        let rows = honest(48);
        let checkpoint = note(&ring, &rows);
        let head = Head { size: 48, root: root_of(&rows), checkpoint: &checkpoint };
        let summary = read(&ring, &rows, &head).unwrap();
        assert_eq!((summary.entries, summary.boots), (48, 1));
        // release.intent stands at 3 and 27; done, aborted and denied follow it in that order.
        assert_eq!((summary.releases_granted, summary.releases_refused), (2, 0));
        assert_eq!((summary.releases_done, summary.releases_aborted), (2, 2));
        assert_eq!(summary.accesses_denied, 2);
        assert_eq!(summary.counts.values().sum::<u64>(), 48);
        assert_eq!(summary.counts.get(&(Event::ReleaseDone, Outcome::Deny)), Some(&1));
        assert_eq!(summary.first_ts_us, Some(1_700_000_000_000_000));
        assert_eq!(summary.last_ts_us, Some(1_700_000_000_000_047));
    }

    #[test]
    fn a_refused_release_is_counted_as_refused() {
        let ring = keyring();
        let refused = Entry { outcome: Outcome::Deny, ..full() };
        let rows = vec![row(&position(0, [0; 32]), &refused)];
        let checkpoint = note(&ring, &rows);
        let head = Head { size: 1, root: root_of(&rows), checkpoint: &checkpoint };
        let summary = read(&ring, &rows, &head).unwrap();
        assert_eq!((summary.releases_granted, summary.releases_refused), (0, 1));
    }

    #[test]
    fn aud_01_every_flipped_byte_of_a_leaf_is_found() {
        let ring = keyring();
        let rows = honest(4);
        for at in 0..rows[2].leaf.len() {
            let mut altered = rows.clone();
            altered[2].leaf[at] ^= 1;
            assert_eq!(against(&ring, &rows, &altered), found(2, Rule::LeafHash));
        }
        for at in 0..32 {
            let mut altered = rows.clone();
            altered[2].leaf_hash[at] ^= 1;
            assert_eq!(against(&ring, &rows, &altered), found(2, Rule::LeafHash));
        }
    }

    #[test]
    fn aud_02_to_06_deleted_inserted_swapped_and_renumbered_rows_are_found() {
        let ring = keyring();
        let rows = honest(6);
        let altered = |change: &dyn Fn(&mut Vec<StoredLeaf>)| {
            let mut copy = rows.clone();
            change(&mut copy);
            against(&ring, &rows, &copy)
        };
        assert_eq!(altered(&|_| ()), None);
        assert_eq!(altered(&|r| drop(r.remove(2))), found(2, Rule::Sequence));
        assert_eq!(altered(&|r| drop(r.pop())), found(5, Rule::HeadSize));
        assert_eq!(altered(&|r| r.insert(2, r[2].clone())), found(3, Rule::Sequence));
        assert_eq!(altered(&|r| r.swap(2, 3)), found(2, Rule::Sequence));
        let renumbered = |r: &mut Vec<StoredLeaf>| {
            r.remove(2);
            for (seq, row) in (0..).zip(r.iter_mut()) {
                row.seq = seq;
            }
        };
        assert_eq!(altered(&renumbered), found(2, Rule::Position));
        let exchanged = |r: &mut Vec<StoredLeaf>| {
            r.swap(2, 3);
            (r[2].seq, r[3].seq) = (2, 3);
        };
        assert_eq!(altered(&exchanged), found(2, Rule::Position));
        let appended = |r: &mut Vec<StoredLeaf>| {
            let next = position(6, r[5].leaf_hash);
            r.push(row(&next, &full()));
        };
        assert_eq!(altered(&appended), found(7, Rule::HeadSize));
    }

    #[test]
    fn aud_07_changed_columns_are_found() {
        let ring = keyring();
        let rows = honest(3);
        let altered = |change: &dyn Fn(&mut StoredLeaf)| {
            let mut copy = rows.clone();
            change(&mut copy[1]);
            against(&ring, &rows, &copy)
        };
        assert_eq!(altered(&|_| ()), None);
        assert_eq!(altered(&|r| r.event = "case.read".into()), found(1, Rule::Columns));
        assert_eq!(altered(&|r| r.outcome = "deny".into()), found(1, Rule::Columns));
        assert_eq!(altered(&|r| r.object = None), found(1, Rule::Columns));
        let bare = Entry { object: Object::default(), ..full() };
        let mut invented = vec![row(&position(0, [0; 32]), &bare)];
        assert_eq!(against(&ring, &invented, &invented), None);
        invented[0].object = Some(String::new());
        assert_eq!(against(&ring, &invented, &invented), found(0, Rule::Columns));
    }

    #[test]
    fn aud_08_a_rebuilt_log_contradicts_the_checkpoint() {
        let ring = keyring();
        let rows = honest(5);
        let forged = chain(5, |seq, prev| Position { ts_us: 1, ..position(seq, prev) });
        assert_eq!(against(&ring, &forged, &forged), None);
        assert_eq!(against(&ring, &rows, &forged), found(5, Rule::HeadRoot));
        // With the head forged as well, only the signature is left, and a stranger's key is none.
        let (old, own) = (note(&ring, &rows), note(&keyring(), &forged));
        let head = |checkpoint| Head { size: 5, root: root_of(&forged), checkpoint };
        let with_old = read(&ring, &forged, &head(&old)).err();
        assert_eq!(with_old, found(5, Rule::CheckpointRoot));
        let with_own = read(&ring, &forged, &head(&own)).err();
        assert_eq!(with_own, found(5, Rule::CheckpointSignature));
    }

    #[test]
    fn aud_03_aud_09_aud_10_checkpoints_kept_elsewhere_find_cuts_and_forks() {
        let ring = keyring();
        let rows = honest(8);
        let with = |kept: &[&str], rows: &[StoredLeaf]| {
            let size = u64::try_from(rows.len()).unwrap();
            let checkpoint = note(&ring, rows);
            let mut verifier = Verifier::new(LOG, ring.ledger_public_keys());
            for note in kept {
                verifier.expect(note)?;
            }
            for row in rows {
                verifier.push(row)?;
            }
            verifier.finish(&Head { size, root: root_of(rows), checkpoint: &checkpoint })
        };
        let (empty, middle) = (note(&ring, &[]), note(&ring, &rows[..4]));
        let last = note(&ring, &rows);
        assert!(with(&[&empty, &middle, &last], &rows).is_ok());
        // Rolled back, with the operator's own key: the head agrees, the kept note does not.
        assert!(with(&[&middle], &rows[..6]).is_ok());
        let cut = with(&[&middle, &last], &rows[..6]).err();
        assert_eq!(cut, found(6, Rule::CheckpointSize));
        let fork = chain(8, |seq, prev| Position { boot: [1; 8], ..position(seq, prev) });
        assert!(with(&[], &fork).is_ok());
        assert_eq!(with(&[&middle], &fork).err(), found(4, Rule::CheckpointRoot));
        let both = with(&[&note(&ring, &fork[..4]), &middle], &rows).err();
        assert_eq!(both, found(4, Rule::CheckpointRoot));
        let stranger = with(&[&note(&keyring(), &rows[..4])], &rows).err();
        assert_eq!(stranger, found(0, Rule::CheckpointSignature));
    }

    #[test]
    fn the_newest_checkpoint_is_of_this_log_and_size() {
        let ring = keyring();
        let rows = honest(3);
        let with = |checkpoint: &str| {
            read(&ring, &rows, &Head { size: 3, root: root_of(&rows), checkpoint }).err()
        };
        assert_eq!(with(&note(&ring, &rows)), None);
        assert_eq!(with(""), found(3, Rule::CheckpointSignature));
        assert_eq!(with(&note(&ring, &rows[..2])), found(3, Rule::CheckpointSize));
        let other = Checkpoint { origin: "other".into(), size: 3, root: root_of(&rows) };
        assert_eq!(with(&other.sign(&ring).unwrap()), found(3, Rule::CheckpointLog));
    }

    #[test]
    fn positions_hold_within_a_rebuilt_chain() {
        let ring = keyring();
        let verify = |rows: &[StoredLeaf]| against(&ring, rows, rows);
        let other_log = chain(2, |seq, prev| Position { log: full().why, ..position(seq, prev) });
        assert_eq!(verify(&other_log), found(0, Rule::Log));
        let unlinked = chain(3, |seq, _| position(seq, [0; 32]));
        assert_eq!(verify(&unlinked), found(1, Rule::Previous));
        let backwards = |boot_of: fn(u64) -> u8| {
            chain(3, move |seq, prev| Position {
                ts_us: 10 - i64::try_from(seq).unwrap(),
                boot: [boot_of(seq); 8],
                ..position(seq, prev)
            })
        };
        assert_eq!(verify(&backwards(|_| 1)), found(1, Rule::Time));
        assert_eq!(verify(&backwards(|seq| u8::from(seq == 1))), found(2, Rule::Time));
        assert_eq!(verify(&backwards(|seq| u8::try_from(seq).unwrap())), None);
        let still = chain(3, |seq, prev| Position { ts_us: 5, ..position(seq, prev) });
        assert_eq!(verify(&still), None);
    }

    #[test]
    fn bytes_that_are_no_entry_are_found() {
        let ring = keyring();
        let mut rows = honest(1);
        rows[0].leaf.push(b' ');
        rows[0].leaf_hash = tree::leaf_hash(&rows[0].leaf);
        assert_eq!(against(&ring, &rows, &rows), found(0, Rule::Leaf));
    }

    proptest! {
        #[test]
        fn aud_18_any_single_tampering_is_found(
            kind in 0_u8..8, at in 0_usize..20, other in 0_usize..20,
            byte in 0_usize..600, bit in 0_u8..8,
        ) {
            let ring = keyring();
            let rows = honest(20);
            prop_assert_eq!(against(&ring, &rows, &rows), None);
            let mut altered = rows.clone();
            match kind {
                0 => { let n = byte % altered[at].leaf.len(); altered[at].leaf[n] ^= 1 << bit; }
                1 => altered[at].leaf_hash[byte % 32] ^= 1 << bit,
                2 => drop(altered.remove(at)),
                3 => altered.insert(at, rows[other].clone()),
                4 => { prop_assume!(at != other); altered.swap(at, other); }
                5 => altered[at].seq ^= 1 << bit,
                6 => altered.truncate(at),
                _ => {
                    // Retimed from `at` on, and every hash after it rebuilt.
                    let from = u64::try_from(at).unwrap();
                    altered = chain(20, |seq, prev| {
                        let honest = position(seq, prev);
                        Position { ts_us: honest.ts_us + i64::from(seq >= from), ..honest }
                    });
                }
            }
            prop_assert!(against(&ring, &rows, &altered).is_some());
        }
    }
}
