//! Cost of one policy decision (compiled-in set, sliced per action). Budget: 30 µs on one core.

use buurtpoort::cli::policies;
use buurtpoort::domain::partner::{PartnerKind, Role, Slug};
use buurtpoort::domain::partner_number::PartnerNumber;
use buurtpoort::ids::{CaseId, PartnerId, RequestId};
use buurtpoort::policy::action::{ReadCase, SubmitReferral};
use buurtpoort::policy::facts::{CaseFacts, Circumstance, Facts};
use buurtpoort::policy::{Allowed, Subject};
use criterion::{Criterion, Throughput};
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let engine = policies::load(None).map_err(|failure| failure.message)?.engine;
    let engine = Arc::new(engine);
    let referrer = Arc::new(subject(PartnerKind::Referrer, Role::Referrer)?);
    let submit = Allowed::<SubmitReferral>::ask(Arc::clone(&referrer), Arc::clone(&engine));
    let submit = submit.ok_or("a referrer may refer")?;
    let coordinator = Arc::new(subject(PartnerKind::Coordination, Role::Coordinator)?);
    let read = Allowed::<ReadCase>::ask(Arc::clone(&coordinator), Arc::clone(&engine));
    let read = read.ok_or("a coordinator may read")?;
    let facts = Facts::Case(CaseFacts {
        organisation: coordinator.partner,
        assignee: Some(coordinator.person.clone()),
        open: true,
        consented: vec!["intake", "pairing"],
    });
    let case = CaseId::new();
    let consent = Circumstance::Consent("full");

    let mut group = criterion.benchmark_group("policy");
    group.throughput(Throughput::Elements(1));
    group.bench_function("ask", |b| {
        b.iter(|| Allowed::<SubmitReferral>::ask(Arc::clone(&referrer), Arc::clone(&engine)));
    });
    group.bench_function("decide/submit-referral", |b| {
        b.iter(|| submit.decide(black_box(referrer.partner), &Facts::Bare, &consent));
    });
    group.bench_function("decide/read-case", |b| {
        b.iter(|| read.decide(black_box(case), &facts, &Circumstance::None));
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

fn subject(kind: PartnerKind, role: Role) -> Result<Subject, Box<dyn Error>> {
    Ok(Subject {
        register: 1,
        partner: PartnerId::new(),
        number: PartnerNumber::parse("00000099000000001000")?,
        partner_name: Slug::parse("partner")?,
        kind,
        person: Slug::parse("account-1")?,
        roles: vec![role],
        municipalities: Vec::new(),
        bound: true,
        certificate: Some([1; 32]),
        token: [2; 32],
        pseudonym: "bp1.person.1.6PWFS4D8HDBRGNVD7ZC71YE0SYM".to_owned(),
        request: RequestId::new(),
        trace: "0af7651916cd43dd8448eb211c80319c".to_owned(),
    })
}
