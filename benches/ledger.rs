//! Cost on one core. Budgets: a ledger entry encoded, hashed, appended 5 µs; a checkpoint 120 µs.

use buurtpoort::audit::checkpoint::Checkpoint;
use buurtpoort::audit::entry::{
    Actor, Code, Entry, EntryError, Event, Object, Outcome, PolicyStamp, Position, RequestStamp,
};
use buurtpoort::audit::tree::Peaks;
use buurtpoort::crypto::Entropy;
use buurtpoort::ids::PartnerId;
use criterion::{Criterion, Throughput};
use std::error::Error;
use std::hint::black_box;

#[path = "support/keys.rs"]
mod keys;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let keyring = keys::keyring(&Entropy::system())?;
    let entry = entry()?;
    let mut position = Position {
        log: Code::parse("gateway.example.nl/audit/1")?,
        seq: 0,
        prev: [0; 32],
        ts_us: 1_770_000_000_000_000,
        boot: [9; 8],
    };
    let mut peaks = Peaks::new();

    let mut group = criterion.benchmark_group("ledger");
    group.throughput(Throughput::Elements(1));
    group.bench_function("append", |b| {
        b.iter(|| {
            let leaf = black_box(&entry).encode(&position)?;
            peaks.push(leaf.hash);
            position.seq = peaks.size();
            position.prev = leaf.hash;
            Ok::<_, EntryError>(leaf)
        });
    });
    let checkpoint = Checkpoint {
        origin: "gateway.example.nl/audit/1".to_owned(),
        size: peaks.size(),
        root: peaks.root(),
    };
    group.bench_function("checkpoint", |b| {
        b.iter(|| black_box(&checkpoint).sign(&keyring));
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// As full as that of an accepted referral.
fn entry() -> Result<Entry, EntryError> {
    let groups =
        ["names", "birth-date", "authority", "address", "contact-details", "household", "referrer"];
    let mut entry = Entry::new(Event::ReferralAccepted, Outcome::Allow);
    entry.why = Code::parse("submitReferral")?;
    entry.actor = Actor {
        organisation: Code::parse("00000099000000001000")?,
        partner: Some(PartnerId::new().uuid()),
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
        PolicyStamp { hash: Some([4; 32]), rules: vec![Code::parse("referrer.submit")?] };
    entry.request = RequestStamp {
        id: Code::parse("018f3b6e-7c1a-7a70-8c3e-2b7d7c0a9b11")?,
        trace: Code::parse("0af7651916cd43dd8448eb211c80319c")?,
    };
    Ok(entry)
}
