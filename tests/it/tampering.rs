//! Ten thousand ledgers, each tampered with once, and a thousand honest ones, before both verifiers:
//! `audit::verify` and `scripts/verify_ledger.py`, which was written from `docs/ledger.md` alone.
//!
//! Both must find every tampering, name the same entry and the same rule, and accept every honest ledger. The
//! dice are the same in every run; `BUURTPOORT_TEST_SEED` throws others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buurtpoort::audit::checkpoint::Checkpoint;
use buurtpoort::audit::entry::{
    Actor, Code, Entry, Event, Object, Outcome, PolicyStamp, Position, RequestStamp,
};
use buurtpoort::audit::epoch::Acknowledged;
use buurtpoort::audit::tree::Peaks;
use buurtpoort::audit::verify::{StoredHead, StoredLeaf, Tamper, Verifier};
use buurtpoort::audit::vkey;
use buurtpoort::crypto::Entropy;
use buurtpoort::crypto::digest::hex;
use buurtpoort::crypto::keyring::{KeyPurpose, Keyring, RootKey, generate};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

const LOG: &str = "gateway.example/audit/1";
/// Honest ledgers, and tamperings of each.
const HONEST: usize = 1_000;
const EACH: usize = 10;

/// A ledger as its tables hold it, with heads kept elsewhere.
#[derive(Clone)]
struct Ledger {
    log: &'static str,
    rows: Vec<StoredLeaf>,
    head: StoredHead,
    kept: Vec<String>,
}

/// Dice: xorshift64*.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a small number");
        usize::try_from(self.throw() % end).expect("a small number")
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.throw().to_le_bytes()[0])
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A deployment's keys.
fn keyring() -> Keyring {
    let entropy = Entropy::system();
    let root = RootKey::from_bytes(entropy.array().expect("randomness")).expect("a root key");
    let rows = KeyPurpose::ALL
        .map(|purpose| generate(purpose, 1, &root, &entropy, "test", 1).expect("a key"));
    Keyring::open(&root, "test", rows).expect("a key ring")
}

fn code(text: &str) -> Code {
    Code::parse(text).expect("a code")
}

fn entry(dice: &mut Dice) -> Entry {
    let mut entry = Entry::new(dice.one_of(&Event::ALL), dice.one_of(&Outcome::ALL));
    let kind = if entry.event == Event::RestoreAcknowledged { "config" } else { "case" };
    entry.object = Object { kind: code(kind), reference: dice.coin().then(|| dice.bytes()) };
    entry.actor = Actor {
        organisation: code("00000099000000001000"),
        partner: dice.coin().then(|| uuid::Uuid::from_bytes(dice.bytes())),
        role: code(dice.one_of(&["referrer", "coordinator", "assigner", ""])),
        certificate: dice.coin().then(|| dice.bytes()),
        subject: code("bp1.person.1.6PWFS4D8HDBRGNVD7ZC71YE0SYM"),
        token: dice.coin().then(|| dice.bytes()),
    };
    entry.fields = ["names", "address"].into_iter().take(dice.below(3)).map(code).collect();
    entry.policy = PolicyStamp { hash: Some(dice.bytes()), rules: vec![code("a-rule")] };
    entry.request = RequestStamp { id: code("r"), trace: code(&hex(&dice.bytes::<16>())) };
    entry.commit = (dice.below(4) == 0).then(|| dice.bytes());
    entry
}

fn row(position: &Position, entry: &Entry) -> StoredLeaf {
    let leaf = entry.encode(position).expect("an entry");
    let columns = entry.columns();
    StoredLeaf {
        seq: position.seq,
        leaf: leaf.bytes,
        leaf_hash: leaf.hash,
        at_us: position.ts_us,
        event: columns.event.to_owned(),
        outcome: columns.outcome.to_owned(),
        object: columns.object,
    }
}

/// Rows in a chain, of one or two process runs.
fn chain(dice: &mut Dice, size: usize) -> Vec<StoredLeaf> {
    let boots: [[u8; 8]; 2] = [dice.bytes(), dice.bytes()];
    let (mut prev, mut ts_us) = ([0; 32], 1_770_000_000_000_000);
    let turn = dice.below(size + 1);
    (0..size)
        .map(|seq| {
            ts_us += i64::try_from(dice.below(1_000)).expect("a small number");
            let boot = boots[usize::from(seq >= turn)];
            let seq = u64::try_from(seq).expect("a small number");
            let made = row(&Position { log: code(LOG), seq, prev, ts_us, boot }, &entry(dice));
            prev = made.leaf_hash;
            made
        })
        .collect()
}

fn note(ring: &Keyring, rows: &[StoredLeaf]) -> String {
    let peaks = edge(rows);
    let checkpoint = Checkpoint { origin: LOG.into(), size: peaks.size(), root: peaks.root() };
    checkpoint.sign(ring).expect("a signature")
}

fn edge(rows: &[StoredLeaf]) -> Peaks {
    let mut peaks = Peaks::new();
    for row in rows {
        peaks.push(row.leaf_hash);
    }
    peaks
}

/// The head row that fits these rows, with this note.
fn head(rows: &[StoredLeaf], checkpoint: String) -> StoredHead {
    let peaks = edge(rows);
    StoredHead {
        log: LOG.into(),
        size: peaks.size(),
        root: peaks.root(),
        peaks: peaks.to_bytes(),
        last_hash: rows.last().map_or([0; 32], |row| row.leaf_hash),
        checkpoint,
    }
}

/// An honest ledger whose newest head kept elsewhere is not always its newest.
fn honest(dice: &mut Dice, ring: &Keyring) -> Ledger {
    let size = 2 + dice.below(7);
    let rows = chain(dice, size);
    let newest = 2 + dice.below(size - 1);
    let older = dice.below(newest);
    let kept = vec![note(ring, &rows[..newest]), note(ring, &rows[..older])];
    let head = head(&rows, note(ring, &rows));
    Ledger { log: LOG, rows, head, kept }
}

fn size_of(note: &str) -> usize {
    note.split('\n').nth(1).expect("a size").parse().expect("a number")
}

/// Gives each row the hash of the one before it and its own hash, as a forger does.
fn rehash(rows: &mut [StoredLeaf], from: usize) {
    let mut prev = from.checked_sub(1).map_or([0; 32], |before| rows[before].leaf_hash);
    for (seq, stored) in rows.iter_mut().enumerate().skip(from) {
        let (position, entry) = buurtpoort::audit::entry::decode(&stored.leaf).expect("an entry");
        let seq = u64::try_from(seq).expect("a small number");
        *stored = row(&Position { seq, prev, ..position }, &entry);
        prev = stored.leaf_hash;
    }
}

const KINDS: [&str; 11] = [
    "bit flipped",
    "entry deleted",
    "entry inserted",
    "entries swapped",
    "renumbered",
    "re-timed",
    "tail cut behind the last head kept elsewhere",
    "whole log forged under another key",
    "database rolled back",
    "derived column changed",
    "fork of the same size under the same key",
];

/// Tampers once. `None` where the dice gave back what was there.
fn tamper(
    dice: &mut Dice,
    ring: &Keyring,
    other: &Keyring,
    of: &Ledger,
    kind: &str,
) -> Option<Ledger> {
    let mut made = of.clone();
    let at = dice.below(made.rows.len());
    match kind {
        "bit flipped" => flip(dice, &mut made),
        "entry deleted" => delete(dice, &mut made, at),
        "entry inserted" => insert(dice, &mut made, at),
        "entries swapped" => swap(dice, &mut made, at),
        "renumbered" => number_anew(dice, &mut made, at),
        "re-timed" => retime(dice, &mut made, at),
        "derived column changed" => column(dice, &mut made.rows[at]),
        "tail cut behind the last head kept elsewhere" => {
            made.rows.truncate(dice.below(size_of(&made.kept[0])));
            // Without the key, the forger has old notes at best.
            let note = if dice.coin() { note(ring, &made.rows) } else { made.head.checkpoint };
            made.head = head(&made.rows, note);
        }
        "whole log forged under another key" => {
            made.rows = chain(dice, made.rows.len());
            made.head = head(&made.rows, note(other, &made.rows));
            if dice.coin() {
                made.kept.clear();
            }
        }
        "database rolled back" => {
            made.rows.truncate(dice.below(size_of(&made.kept[0])));
            made.head = head(&made.rows, note(ring, &made.rows));
        }
        "fork of the same size under the same key" => {
            made.rows = chain(dice, made.rows.len());
            made.head = head(&made.rows, note(ring, &made.rows));
        }
        unknown => panic!("{unknown}"),
    }
    let same = made.rows == of.rows && made.head == of.head && made.kept == of.kept;
    (!same).then_some(made)
}

fn delete(dice: &mut Dice, made: &mut Ledger, at: usize) {
    made.rows.remove(at);
    hide(dice, made);
}

/// Puts numbers or head right, as a careless forger does; or neither.
fn hide(dice: &mut Dice, made: &mut Ledger) {
    if dice.coin() {
        renumber(&mut made.rows);
    }
    if dice.coin() {
        made.head = head(&made.rows, made.head.checkpoint.clone());
    }
}

fn insert(dice: &mut Dice, made: &mut Ledger, at: usize) {
    let mut extra = made.rows[dice.below(made.rows.len())].clone();
    extra.seq = u64::try_from(at).expect("a small number");
    made.rows.insert(at, extra);
    match dice.below(3) {
        0 => {}
        1 => renumber(&mut made.rows),
        _ => {
            rehash(&mut made.rows, at);
            made.head = head(&made.rows, made.head.checkpoint.clone());
        }
    }
}

fn swap(dice: &mut Dice, made: &mut Ledger, at: usize) {
    let size = made.rows.len();
    made.rows.swap(at, (at + 1 + dice.below(size - 1)) % size);
    hide(dice, made);
}

fn number_anew(dice: &mut Dice, made: &mut Ledger, at: usize) {
    match dice.below(3) {
        0 => made.rows[at].seq = u64::try_from(at + 1 + dice.below(9)).expect("small"),
        1 => made.rows.iter_mut().skip(at).for_each(|row| row.seq += 1),
        _ => {
            // In the leaf as well, with a hash to match.
            let stored = &mut made.rows[at];
            let (position, entry) =
                buurtpoort::audit::entry::decode(&stored.leaf).expect("an entry");
            let seq = position.seq + 1;
            *stored = StoredLeaf { seq: stored.seq, ..row(&Position { seq, ..position }, &entry) };
        }
    }
}

fn renumber(rows: &mut [StoredLeaf]) {
    for (seq, row) in (0..).zip(rows) {
        row.seq = seq;
    }
}

/// One bit of anything that is stored.
fn flip(dice: &mut Dice, made: &mut Ledger) {
    let at = dice.below(made.rows.len());
    let bit = 1 << dice.below(8);
    let any = |dice: &mut Dice, bytes: &mut [u8]| {
        let at = dice.below(bytes.len());
        bytes[at] ^= bit;
    };
    match dice.below(8) {
        0..=2 => any(dice, &mut made.rows[at].leaf),
        3 => any(dice, &mut made.rows[at].leaf_hash),
        4 => made.rows[at].at_us ^= i64::from(bit),
        5 => any(dice, &mut made.head.root),
        6 => any(dice, &mut made.head.peaks),
        _ if dice.coin() => any(dice, &mut made.head.last_hash),
        _ => {
            let mut bytes = made.head.checkpoint.clone().into_bytes();
            let at = dice.below(bytes.len());
            bytes[at] ^= bit & 0x1f;
            if let Ok(text) = String::from_utf8(bytes) {
                made.head.checkpoint = text;
            }
        }
    }
}

/// Another time in a leaf, with all that follows from it put right or not.
fn retime(dice: &mut Dice, made: &mut Ledger, at: usize) {
    let stored = &mut made.rows[at];
    let (position, entry) = buurtpoort::audit::entry::decode(&stored.leaf).expect("an entry");
    let by = i64::try_from(1 + dice.below(1_000_000)).expect("a small number");
    let ts_us = if dice.coin() { position.ts_us + by } else { position.ts_us - by };
    *stored = row(&Position { ts_us, ..position }, &entry);
    if dice.coin() {
        rehash(&mut made.rows, at);
    }
    if dice.coin() {
        made.head = head(&made.rows, made.head.checkpoint.clone());
    }
}

fn column(dice: &mut Dice, row: &mut StoredLeaf) {
    match dice.below(4) {
        0 => row.event = dice.one_of(&Event::ALL).as_str().to_owned(),
        1 => row.outcome = dice.one_of(&Outcome::ALL).as_str().to_owned(),
        2 => row.object = dice.coin().then(|| hex(&dice.bytes::<16>())),
        _ => row.at_us += 1,
    }
}

/// What `audit::verify` says.
fn judge(ring: &Keyring, ledger: &Ledger) -> Result<u64, Tamper> {
    let mut verifier = Verifier::new(ledger.log, ring.ledger_public_keys());
    ledger.kept.iter().try_for_each(|note| verifier.expect(note))?;
    ledger.rows.iter().try_for_each(|row| verifier.push(row))?;
    verifier.finish(&ledger.head).map(|summary| summary.entries)
}

/// The ledger as `--batch` reads it.
fn as_json(ring: &Keyring, id: usize, ledger: &Ledger) -> Value {
    let entry = |row: &StoredLeaf| {
        json!([
            row.seq,
            STANDARD.encode(&row.leaf),
            hex(&row.leaf_hash),
            row.at_us,
            row.event,
            row.outcome,
            row.object
        ])
    };
    let keys = ring.ledger_public_keys();
    json!({
        "id": id,
        "log": ledger.log,
        "keys": keys.iter().map(|key| vkey::to_text(ledger.log, key)).collect::<Vec<_>>(),
        "checkpoints": ledger.kept,
        "head": {
            "log": ledger.head.log, "size": ledger.head.size, "root": hex(&ledger.head.root),
            "peaks": hex(&ledger.head.peaks), "last_hash": hex(&ledger.head.last_hash),
            "checkpoint": ledger.head.checkpoint,
        },
        "entries": ledger.rows.iter().map(entry).collect::<Vec<_>>(),
    })
}

/// What the independent verifier says of each line of a file.
fn judged_by_python(file: &std::path::Path) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/verify_ledger.py");
    let output = Command::new("python3").arg(script).arg("--batch").arg(file).output();
    let output = output.expect("python3 is there");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn aud_01_to_11_and_23_every_tampering_is_found_by_both_verifiers_and_no_honest_ledger_is_accused()
{
    let seed = std::env::var("BUURTPOORT_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut dice = Dice(seed.unwrap_or(0x001e_d9e7));
    let (ring, other) = (keyring(), keyring());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledgers.jsonl");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
    let mut ours: Vec<(&str, Result<u64, Tamper>)> = Vec::new();
    let mut put = |kind: &'static str, ledger: &Ledger| {
        let line = as_json(&ring, ours.len(), ledger);
        writeln!(file, "{line}").expect("written");
        ours.push((kind, judge(&ring, ledger)));
    };
    let mut turn = 0;
    for _ in 0..HONEST {
        let ledger = honest(&mut dice, &ring);
        put("honest", &ledger);
        let mut made = 0;
        while made < EACH {
            let kind = KINDS[turn % KINDS.len()];
            if let Some(mutant) = tamper(&mut dice, &ring, &other, &ledger, kind) {
                put(kind, &mutant);
                (made, turn) = (made + 1, turn + 1);
            }
        }
    }
    drop(file);
    let theirs = judged_by_python(&path);
    assert_eq!(theirs.len(), ours.len());
    let mut counts: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for (id, ((kind, ours), theirs)) in ours.iter().zip(&theirs).enumerate() {
        let count = counts.entry(kind).or_default();
        count.0 += 1;
        count.1 += usize::from(ours.is_err());
        count.2 += usize::from(theirs["exit"] == 1);
        assert_eq!(&verdict(id, ours), theirs, "{kind}: the two verifiers disagree");
    }
    for (kind, (made, found, found_there)) in &counts {
        eprintln!("{kind:<48} {made:>6} made, found here {found:>6}, by Python {found_there:>6}");
    }
    let honest = counts.remove("honest").expect("honest ledgers");
    assert_eq!(honest, (HONEST, 0, 0), "false alarms");
    assert_eq!(counts.len(), KINDS.len(), "every kind was tried");
    let total = counts.values().fold(0, |sum, (made, found, found_there)| {
        assert_eq!((made, made), (found, found_there));
        sum + made
    });
    assert_eq!(total, HONEST * EACH);
}

/// A verdict of ours as the independent verifier prints it.
fn verdict(id: usize, ours: &Result<u64, Tamper>) -> Value {
    match ours {
        Ok(_) => json!({"id": id, "exit": 0}),
        Err(Tamper { seq, rule }) => {
            json!({"id": id, "exit": 1, "seq": seq, "rule": rule.to_string()})
        }
    }
}

const NEXT: &str = "gateway.example/audit/2";

/// A ledger that lost two entries in a restore, owned up to it as `lost` says, and went on.
fn restored(dice: &mut Dice, ring: &Keyring, before: &[StoredLeaf], lost: &Acknowledged) -> Ledger {
    let mut rows = before[..4].to_vec();
    for nth in 0..3 {
        let tail = rows.last().expect("four rows");
        let (ts_us, prev) = (tail.at_us, tail.leaf_hash);
        let entry = if nth == 0 { lost.entry().expect("an entry") } else { entry(dice) };
        let position = Position { log: code(NEXT), seq: 4 + nth, prev, ts_us, boot: [8; 8] };
        rows.push(row(&position, &entry));
    }
    let peaks = edge(&rows);
    let note_of = |log: &str, peaks: &Peaks| {
        let head = Checkpoint { origin: log.into(), size: peaks.size(), root: peaks.root() };
        head.sign(ring).expect("a signature")
    };
    let kept = (1..=6).map(|size| note_of(LOG, &edge(&before[..size]))).collect();
    let head = StoredHead { log: NEXT.into(), ..head(&rows, note_of(NEXT, &peaks)) };
    Ledger { log: NEXT, rows, head, kept }
}

#[test]
fn aud_09_both_verifiers_follow_a_restore_that_was_owned_up_to_and_no_other() {
    let (mut dice, ring) = (Dice(9), keyring());
    let before = chain(&mut dice, 8);
    let root = |size: usize| edge(&before[..size]).root();
    let lost = |log: &str, size, root| Acknowledged { log: log.into(), size, root };
    let mut made = |lost: &Acknowledged| restored(&mut dice, &ring, &before, lost);
    let honest = made(&lost(LOG, 6, root(6)));
    let longer = made(&lost(LOG, 8, root(8)));
    let mut bare = honest.clone();
    bare.kept.clear();
    let mut cut = honest.clone();
    cut.rows.truncate(4);
    let mut late = honest.clone();
    late.kept.push(note(&ring, &before[..7]));
    let tampered = [
        made(&lost(LOG, 5, root(5))),
        made(&lost(LOG, 6, [7; 32])),
        made(&lost(LOG, 3, root(3))),
        made(&lost("other.example/audit/1", 6, root(6))),
        made(&lost(NEXT, 6, root(6))),
        cut,
        late,
        Ledger { log: LOG, ..honest.clone() },
    ];
    let all: Vec<Ledger> = [honest, longer, bare].into_iter().chain(tampered).collect();
    let lines: Vec<String> =
        (0..).zip(&all).map(|(id, ledger)| as_json(&ring, id, ledger).to_string()).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("epochs.jsonl");
    std::fs::write(&path, lines.join("\n")).expect("written");
    let theirs = judged_by_python(&path);
    for (id, ledger) in all.iter().enumerate() {
        let ours = judge(&ring, ledger);
        assert_eq!(ours.is_ok(), id < 3, "{id}: {ours:?}");
        assert_eq!(verdict(id, &ours), theirs[id], "{id}: the two verifiers disagree");
    }
}

#[test]
fn the_independent_verifier_knows_every_event() {
    let script = include_str!("../../scripts/verify_ledger.py");
    let list = script.split_once("EVENTS = \"\"\"").expect("a list").1;
    let known: Vec<&str> =
        list.split_once("\"\"\"").expect("its end").0.split_whitespace().collect();
    let all: Vec<&str> = Event::ALL.iter().map(|event| event.as_str()).collect();
    assert_eq!(known, all, "scripts/verify_ledger.py and Event::ALL");
    let format = include_str!("../../docs/ledger.md");
    for event in all {
        assert!(format.contains(&format!("`{event}`")), "docs/ledger.md does not name {event}");
    }
}
