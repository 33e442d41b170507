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
        at_us: position.ts_us,
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

fn read(ring: &Keyring, rows: &[StoredLeaf], head: &StoredHead) -> Result<Summary, Tamper> {
    let mut verifier = Verifier::new(LOG, ring.ledger_public_keys());
    for row in rows {
        verifier.push(row)?;
    }
    verifier.finish(head)
}

/// The head row of a log of these rows, with this note.
fn head_of(rows: &[StoredLeaf], checkpoint: &str) -> StoredHead {
    let mut peaks = Peaks::new();
    for row in rows {
        peaks.push(row.leaf_hash);
    }
    StoredHead {
        log: LOG.into(),
        size: peaks.size(),
        root: peaks.root(),
        peaks: peaks.to_bytes(),
        last_hash: rows.last().map_or([0; 32], |row| row.leaf_hash),
        checkpoint: checkpoint.into(),
    }
}

/// Verifies `rows` against the head of `original`.
fn against(ring: &Keyring, original: &[StoredLeaf], rows: &[StoredLeaf]) -> Option<Tamper> {
    read(ring, rows, &head_of(original, &note(ring, original))).err()
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
    let rows = honest(120);
    let head = head_of(&rows, &note(&ring, &rows));
    let summary = read(&ring, &rows, &head).unwrap();
    assert_eq!((summary.entries, summary.boots), (120, 1));
    // release.intent stands at 3, 41, 79 and, refused, at 117; done, aborted and denied follow it.
    assert_eq!((summary.releases_granted, summary.releases_refused), (3, 1));
    assert_eq!((summary.releases_done, summary.releases_aborted), (4, 4));
    assert_eq!(summary.accesses_denied, 3);
    assert_eq!(summary.counts.values().sum::<u64>(), 120);
    assert_eq!(summary.counts.get(&(Event::ReleaseDone, Outcome::Deny)), Some(&1));
    assert_eq!(summary.first_ts_us, Some(1_700_000_000_000_000));
    assert_eq!(summary.last_ts_us, Some(1_700_000_000_000_119));
}

#[test]
fn a_refused_release_is_counted_as_refused() {
    let ring = keyring();
    let refused = Entry { outcome: Outcome::Deny, ..full() };
    let rows = vec![row(&position(0, [0; 32]), &refused)];
    let head = head_of(&rows, &note(&ring, &rows));
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
    assert_eq!(altered(&|r| r.at_us += 1), found(1, Rule::Columns));
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
    let with_old = read(&ring, &forged, &head_of(&forged, &old)).err();
    assert_eq!(with_old, found(5, Rule::CheckpointRoot));
    let with_own = read(&ring, &forged, &head_of(&forged, &own)).err();
    assert_eq!(with_own, found(5, Rule::CheckpointSignature));
}

#[test]
fn aud_03_aud_09_aud_10_checkpoints_kept_elsewhere_find_cuts_and_forks() {
    let ring = keyring();
    let rows = honest(8);
    let with = |kept: &[&str], rows: &[StoredLeaf]| {
        let mut verifier = Verifier::new(LOG, ring.ledger_public_keys());
        for note in kept {
            verifier.expect(note)?;
        }
        for row in rows {
            verifier.push(row)?;
        }
        verifier.finish(&head_of(rows, &note(&ring, rows)))
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
    let with = |checkpoint: &str| read(&ring, &rows, &head_of(&rows, checkpoint)).err();
    assert_eq!(with(&note(&ring, &rows)), None);
    assert_eq!(with(""), found(3, Rule::CheckpointSignature));
    assert_eq!(with(&note(&ring, &rows[..2])), found(3, Rule::CheckpointSize));
    let other = Checkpoint { origin: "other".into(), size: 3, root: root_of(&rows) };
    assert_eq!(with(&other.sign(&ring).unwrap()), found(3, Rule::CheckpointLog));
}

#[test]
fn every_column_of_the_head_is_checked() {
    let ring = keyring();
    let rows = honest(3);
    let with = |change: &dyn Fn(&mut StoredHead)| {
        let mut head = head_of(&rows, &note(&ring, &rows));
        change(&mut head);
        read(&ring, &rows, &head).err()
    };
    assert_eq!(with(&|_| ()), None);
    assert_eq!(with(&|h| h.size += 1), found(3, Rule::HeadSize));
    assert_eq!(with(&|h| h.root[0] ^= 1), found(3, Rule::HeadRoot));
    assert_eq!(with(&|h| h.log.push('1')), found(3, Rule::HeadLog));
    assert_eq!(with(&|h| h.last_hash[31] ^= 1), found(3, Rule::HeadEdge));
    assert_eq!(with(&|h| h.peaks.truncate(4)), found(3, Rule::HeadEdge));
    assert_eq!(with(&|h| h.checkpoint.insert(0, 'x')), found(3, Rule::CheckpointSignature));
}

const NEXT: &str = "gateway.example/audit/2";

/// Four entries, a restore that lost `lost`, and three more entries in the next epoch.
fn restored(lost: &Acknowledged) -> Vec<StoredLeaf> {
    let mut rows = honest(4);
    for seq in 4..8 {
        let log = crate::audit::entry::Code::parse(NEXT).unwrap();
        let prev = rows.last().map_or([0; 32], |row| row.leaf_hash);
        let entry = if seq == 4 { lost.entry().unwrap() } else { entry_at(seq) };
        rows.push(row(&Position { log, ..position(seq, prev) }, &entry));
    }
    rows
}

/// Verifies as the second epoch, with checkpoints of the first.
fn in_epoch_two(ring: &Keyring, rows: &[StoredLeaf], kept: &[String]) -> Option<Tamper> {
    let size = u64::try_from(rows.len()).unwrap();
    let signed = Checkpoint { origin: NEXT.into(), size, root: root_of(rows) }.sign(ring).unwrap();
    let mut verifier = Verifier::new(NEXT, ring.ledger_public_keys());
    let mut verify = || {
        kept.iter().try_for_each(|note| verifier.expect(note))?;
        rows.iter().try_for_each(|row| verifier.push(row))
    };
    let head = StoredHead { log: NEXT.into(), ..head_of(rows, &signed) };
    verify().and_then(|()| verifier.finish(&head).map(drop)).err()
}

#[test]
fn aud_09_a_restore_is_an_epoch_that_owns_up_to_what_was_lost() {
    let ring = keyring();
    let before = honest(6);
    let lost = Acknowledged { log: LOG.into(), size: 6, root: root_of(&before) };
    let rows = restored(&lost);
    let kept: Vec<String> = (1..=6).map(|size| note(&ring, &before[..size])).collect();
    assert_eq!(in_epoch_two(&ring, &rows, &kept), None);
    // A checkpoint beyond the acknowledged head, or another root for it, shows a larger loss.
    let longer = vec![note(&ring, &honest(7))];
    assert_eq!(in_epoch_two(&ring, &rows, &longer), found(4, Rule::CheckpointSize));
    let other = Acknowledged { root: [7; 32], ..lost.clone() };
    assert_eq!(in_epoch_two(&ring, &restored(&other), &kept), found(4, Rule::CheckpointRoot));
    let less = Acknowledged { size: 5, root: root_of(&before[..5]), ..lost.clone() };
    assert_eq!(in_epoch_two(&ring, &restored(&less), &kept), found(4, Rule::CheckpointSize));
    // What the restore kept is held to its checkpoints all the same.
    let fork = chain(6, |seq, prev| Position { boot: [1; 8], ..position(seq, prev) });
    let forked = vec![note(&ring, &fork[..3])];
    assert_eq!(in_epoch_two(&ring, &rows, &forked), found(3, Rule::CheckpointRoot));
    // Nothing else begins an epoch, and the first one's head is no head of the second.
    let short = Acknowledged { size: 3, ..lost.clone() };
    assert_eq!(in_epoch_two(&ring, &restored(&short), &[]), found(4, Rule::Epoch));
    let foreign = Acknowledged { log: "other/1".into(), ..lost };
    assert_eq!(in_epoch_two(&ring, &restored(&foreign), &[]), found(4, Rule::Epoch));
    assert_eq!(in_epoch_two(&ring, &rows[..4], &[]), found(4, Rule::Log));
    assert_eq!(against(&ring, &rows, &rows), found(4, Rule::Log));
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
    fn aud_01_to_08_any_single_tampering_is_found(
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
