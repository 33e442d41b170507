//! How fast a ledger is verified: entries a second on one core, beside merely hashing their leaves.
//!
//! For `scripts/bench.sh`, which prints what this prints. Makes its ledger in memory, as full as one of accepted
//! referrals, and touches no database: what is measured is the verifier. Prints one line of JSON.
//!
//!     verify --entries 1000000

use buurtpoort::audit::checkpoint::{Checkpoint, CheckpointError};
use buurtpoort::audit::entry::{
    Actor, Code, Entry, EntryError, Event, Object, Outcome, PolicyStamp, Position, RequestStamp,
};
use buurtpoort::audit::tree::{Peaks, leaf_hash};
use buurtpoort::audit::verify::{StoredHead, StoredLeaf, Verifier};
use buurtpoort::crypto::Entropy;
use buurtpoort::crypto::keyring::Keyring;
use clap::Parser;
use serde_json::json;
use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

#[path = "../benches/support/keys.rs"]
mod keys;

const LOG: &str = "gateway.example.nl/audit/1";
/// Entries made at a time.
const RUN: u64 = 10_000;

/// Entries verified a second, beside entries hashed a second.
#[derive(Debug, Parser)]
struct Args {
    /// Entries in the ledger.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
}

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let keyring = keys::keyring(&Entropy::system())?;
    let mut maker = Maker::new()?;
    let mut verifier = Verifier::new(LOG, keyring.ledger_public_keys());
    let (mut hashing, mut verifying) = (Duration::ZERO, Duration::ZERO);
    let (mut hashed, mut bytes, mut left) = (Peaks::new(), 0, args.entries);
    while left > 0 {
        // In runs, so that a million entries need not be in memory; making them is not timed.
        let rows = maker.rows(left.min(RUN))?;
        left = left.saturating_sub(RUN);
        bytes += rows.iter().map(|row| row.leaf.len()).sum::<usize>();
        let begun = Instant::now();
        for row in &rows {
            hashed.push(leaf_hash(black_box(&row.leaf)));
        }
        hashing += begun.elapsed();
        let begun = Instant::now();
        rows.iter().try_for_each(|row| verifier.push(row))?;
        verifying += begun.elapsed();
    }
    let head = maker.head(&keyring)?;
    if hashed.root() != head.root {
        return Err("the tree has another root".into());
    }
    let begun = Instant::now();
    let summary = verifier.finish(&head)?;
    verifying += begun.elapsed();
    let line = json!({
        "entries": summary.entries,
        "leaf_bytes": bytes,
        "hash_s": seconds(hashing),
        "verify_s": seconds(verifying),
        "ratio": (verifying.as_secs_f64() / hashing.as_secs_f64() * 100.0).round() / 100.0,
    });
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}

/// Makes a ledger, run by run.
struct Maker {
    entry: Entry,
    position: Position,
    peaks: Peaks,
}

impl Maker {
    fn new() -> Result<Self, EntryError> {
        let position = Position {
            log: Code::parse(LOG)?,
            seq: 0,
            prev: [0; 32],
            ts_us: 1_770_000_000_000_000,
            boot: [9; 8],
        };
        Ok(Self { entry: entry()?, position, peaks: Peaks::new() })
    }

    fn rows(&mut self, count: u64) -> Result<Vec<StoredLeaf>, EntryError> {
        (0..count).map(|_| self.row()).collect()
    }

    fn row(&mut self) -> Result<StoredLeaf, EntryError> {
        self.position.ts_us += 700;
        let leaf = self.entry.encode(&self.position)?;
        let (columns, seq) = (self.entry.columns(), self.position.seq);
        self.position.prev = leaf.hash;
        self.position.seq += 1;
        self.peaks.push(leaf.hash);
        Ok(StoredLeaf {
            seq,
            leaf: leaf.bytes,
            leaf_hash: leaf.hash,
            at_us: self.position.ts_us,
            event: columns.event.to_owned(),
            outcome: columns.outcome.to_owned(),
            object: columns.object,
        })
    }

    fn head(&self, keyring: &Keyring) -> Result<StoredHead, CheckpointError> {
        let (size, root) = (self.peaks.size(), self.peaks.root());
        Ok(StoredHead {
            log: LOG.to_owned(),
            size,
            root,
            peaks: self.peaks.to_bytes(),
            last_hash: self.position.prev,
            checkpoint: Checkpoint { origin: LOG.to_owned(), size, root }.sign(keyring)?,
        })
    }
}

/// As full as that of an accepted referral.
fn entry() -> Result<Entry, EntryError> {
    let groups =
        ["names", "birth-date", "authority", "address", "contact-details", "household", "referrer"];
    let mut entry = Entry::new(Event::ReferralAccepted, Outcome::Allow);
    entry.why = Code::parse("submitReferral")?;
    entry.actor = Actor {
        organisation: Code::parse("00000099000000001000")?,
        partner: Some(buurtpoort::ids::PartnerId::new().uuid()),
        role: Code::parse("referrer")?,
        certificate: Some([1; 32]),
        subject: Code::parse("bp1.person.1.6PWFS4D8HDBRGNVD7ZC71YE0SYM")?,
        token: Some([2; 32]),
    };
    entry.purpose = Code::parse("referral")?;
    entry.basis = Code::parse("consent:1")?;
    entry.object = Object { kind: Code::parse("case")?, reference: Some([3; 16]) };
    entry.fields = groups.into_iter().map(Code::parse).collect::<Result<_, _>>()?;
    entry.policy =
        PolicyStamp { hash: Some([4; 32]), rules: vec![Code::parse("referrer-submits")?] };
    entry.request = RequestStamp {
        id: Code::parse("018f3b6e-7c1a-7a70-8c3e-2b7d7c0a9b11")?,
        trace: Code::parse("0af7651916cd43dd8448eb211c80319c")?,
    };
    Ok(entry)
}
