//! Cost of an access token (ES256) on one core. Budgets: 2 µs when remembered, 160 µs the first time.

use buurtpoort::clock::Clock;
use buurtpoort::crypto::Entropy;
use buurtpoort::domain::partner::{Partner, PartnerKind, PartnerStatus, Slug};
use buurtpoort::domain::partner_number::PartnerNumber;
use buurtpoort::http::token::Verifier;
use buurtpoort::ids::PartnerId;
use buurtpoort::store::partners::Register;
use buurtpoort::tls::peer::Fingerprint;
use criterion::{Criterion, Throughput};
use serde_json::json;
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

#[path = "support/keys.rs"]
mod keys;

const ISSUER: &str = "https://gateway.example.nl";
const AUDIENCE: &str = "https://gateway.example.nl/api";

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    let entropy = Entropy::system();
    let keyring = Arc::new(keys::keyring(&entropy)?);
    let certificate = Fingerprint([7; 32]);
    let now_s = Clock::System.now().as_second();
    let claims = json!({
        "iss": ISSUER, "sub": "account-1", "aud": AUDIENCE,
        "iat": now_s, "nbf": now_s, "exp": now_s + 300, "jti": "bench",
        "cnf": {"x5t#S256": certificate.x5t()}, "roles": ["referrer"],
    });
    let token = keyring.sign_jws("at+jwt", claims.to_string().as_bytes(), &entropy)?;
    let verifier = Verifier::new(AUDIENCE, ISSUER, keyring);
    let partner = partner()?;
    let register = Register::new(1, vec![partner.clone()], Vec::new());
    let verify = |token: &str| verifier.verify(token, &partner, certificate, &register, now_s);
    verify(&token)?;
    if verify(&format!("{token}A")).is_ok() {
        return Err("another signature must not be accepted".into());
    }

    let mut group = criterion.benchmark_group("token");
    group.throughput(Throughput::Elements(1));
    group.bench_function("remembered", |b| b.iter(|| verify(black_box(&token))));
    group.bench_function("first-seen", |b| {
        b.iter(|| {
            verifier.forget();
            verify(black_box(&token))
        });
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}

fn partner() -> Result<Partner, Box<dyn Error>> {
    Ok(Partner {
        id: PartnerId::new(),
        name: Slug::parse("partner")?,
        number: PartnerNumber::parse("00000099000000001000")?,
        kind: PartnerKind::Referrer,
        status: PartnerStatus::Active,
        pins: Vec::new(),
        issuers: Vec::new(),
        sources: Vec::new(),
        municipalities: Vec::new(),
        endpoint: None,
        people: Vec::new(),
        sign_in: None,
    })
}
