//! Cost on one core. Budgets: sealing 1 KiB 3 µs, opening it 3 µs, a pseudonym 3 µs, a receipt 80 µs.

use buurtpoort::crypto::Entropy;
use buurtpoort::crypto::seal::{self, Place};
use buurtpoort::ids::{CaseId, FamilyId};
use criterion::{Criterion, Throughput};
use std::error::Error;
use std::hint::black_box;

#[path = "support/keys.rs"]
mod keys;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let entropy = Entropy::system();
    let keyring = keys::keyring(&entropy)?;
    let case = CaseId::new().uuid();
    let (key, wrapped) = keyring.new_case_key(&entropy, case)?;
    let place = Place { table: "identity", case, group: "names", version: 1 };
    let plain = [b'x'; 1000];
    let sealed = seal::seal(&entropy, &key, &place, &plain)?;
    let receipt = [b'r'; 300];
    let family = FamilyId::new().uuid();

    let mut group = criterion.benchmark_group("crypto");
    group.throughput(Throughput::Elements(1));
    group.bench_function("seal/1-kib", |b| {
        b.iter(|| seal::seal(&entropy, &key, &place, black_box(&plain)));
    });
    group.bench_function("open/1-kib", |b| {
        b.iter(|| seal::open(&key, &place, black_box(&sealed)));
    });
    group.bench_function("case-key/new", |b| {
        b.iter(|| keyring.new_case_key(&entropy, black_box(case)));
    });
    group.bench_function("case-key/open", |b| {
        b.iter(|| keyring.open_case_key(case, black_box(&wrapped)));
    });
    group.bench_function("pseudonym", |b| {
        b.iter(|| keyring.pseudonym("gemeente", "statistics", "2026", "family", black_box(family)));
    });
    group.bench_function("receipt", |b| {
        b.iter(|| keyring.sign_jws("bp-receipt+jwt", black_box(&receipt), &entropy));
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}
