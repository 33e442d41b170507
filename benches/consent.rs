//! Cost of judging consent once (two subjects, two signatures). Budget: 2 µs on one core.

use buurtpoort::consent::evaluate;
use buurtpoort::domain::age::BirthDate;
use buurtpoort::domain::consent::{
    Action, Authority, AuthorityType, Category, Consent, Purpose, Recipient, Request, Signature,
    SignatureDecision, SubjectFacts, SubjectRef, Switches,
};
use criterion::{Criterion, Throughput};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::error::Error;
use std::hint::black_box;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let (request, consent) = (request()?, consent()?);
    let silent = Consent { signatures: Vec::new(), ..consent.clone() };
    let judge =
        |consent: &Consent| evaluate(black_box(&request), Some(consent), Switches::default());
    if !judge(&consent).is_allowed() || judge(&silent).is_allowed() {
        return Err("the cases are not what they are called".into());
    }
    let mut group = criterion.benchmark_group("consent");
    group.throughput(Throughput::Elements(1));
    group.bench_function("allowed", |b| b.iter(|| judge(black_box(&consent))));
    group.bench_function("unsigned", |b| b.iter(|| judge(black_box(&silent))));
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// A parent and a young child, to be referred.
fn request() -> Result<Request, Box<dyn Error>> {
    let parents = BTreeSet::from([SubjectRef::parse("parent1")?, SubjectRef::parse("parent2")?]);
    let child = SubjectFacts {
        authority: Some(Authority {
            kind: Some(AuthorityType::GezamenlijkOuderlijkGezag),
            holders: parents,
            under_investigation: false,
        }),
        ..subject("child1", "2021-05-01")?
    };
    Ok(Request {
        at: "2026-02-01T12:00:00Z".parse()?,
        purpose: Some(Purpose::Referral),
        recipient: Some(Recipient::parse("buurtgezinnen:nijmegen")?),
        categories: categories(),
        other_categories: false,
        subjects: vec![subject("parent1", "1990-01-01")?, child],
        applicant: None,
        action: Action::Process,
        plan_participants: BTreeSet::new(),
        contains_bsn: false,
        child_protection_report: false,
        from_poh_j: false,
        contested_divorce: false,
        other_parent_objects: false,
        objection: false,
    })
}

fn subject(label: &str, birth: &str) -> Result<SubjectFacts, Box<dyn Error>> {
    Ok(SubjectFacts {
        reference: SubjectRef::parse(label)?,
        birth: BirthDate::parse(birth)?,
        adult: false,
        competent: None,
        authority: None,
        representatives: BTreeSet::new(),
    })
}

fn categories() -> BTreeSet<Category> {
    BTreeSet::from([Category::Identity, Category::Contact, Category::SupportRequest])
}

/// Consent of both parents.
fn consent() -> Result<Consent, Box<dyn Error>> {
    let from: Timestamp = "2026-01-05T00:00:00Z".parse()?;
    let signed = |label: &str| {
        Ok::<_, Box<dyn Error>>(Signature {
            signer: SubjectRef::parse(label)?,
            decision: SignatureDecision::Given,
            at: from,
        })
    };
    Ok(Consent {
        purposes: BTreeSet::from([Purpose::Referral, Purpose::Contact, Purpose::Pairing]),
        recipients: BTreeSet::from([Recipient::parse("buurtgezinnen:nijmegen")?]),
        categories: categories(),
        subjects: BTreeSet::from([SubjectRef::parse("parent1")?, SubjectRef::parse("child1")?]),
        signatures: vec![signed("parent1")?, signed("parent2")?],
        replaced_by_court: BTreeSet::new(),
        valid_from: Some(from),
        valid_until: Some("2031-01-05T00:00:00Z".parse()?),
        withdrawn_at: None,
        evidence: Some("sha256:00".to_owned()),
        notice_version: Some("2026-01".to_owned()),
        explicit: true,
        implied: false,
        conditional: false,
    })
}
