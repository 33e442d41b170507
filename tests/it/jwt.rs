//! JWT-01 to JWT-31: one claim, one header parameter or one byte away from a token that is accepted.
//!
//! [`Forge::refused`] first has the unchanged token accepted, so that no case passes because of
//! something else. Over HTTP every bad token gets the same answer.

use crate::support::{
    Answer, BEHEER, Caller, Engine, GEMEENTE, LEA, POH_J, TOEZICHT, WIJKTEAM, World, answer,
    on_both,
};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use buurtpoort::cli::partners::RegisterFile;
use buurtpoort::crypto::Entropy;
use buurtpoort::crypto::keyring::{KeyPurpose, Keyring, RootKey, generate};
use buurtpoort::domain::partner::{Issuer, Partner, PartnerKind, PartnerStatus, Role, Slug};
use buurtpoort::domain::partner_number::PartnerNumber;
use buurtpoort::http::token::{Bearer, NotAccepted, Verifier};
use buurtpoort::ids::{PartnerId, RequestId};
use buurtpoort::store::partners::Register;
use buurtpoort::tls::peer::{Fingerprint, PeerCertificate};
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

const NOW: i64 = 1_795_000_000;
const AUDIENCE: &str = "https://gateway.example.nl";
const OWN: &str = "https://gateway.example.nl/own";
const ISS: &str = "https://issuer.example.nl/wijkteam";
const OTHER_ISS: &str = "https://issuer.example.nl/poh";
const CERTIFICATE: Fingerprint = Fingerprint([7; 32]);

/// Keys of one issuer, made once: P-256, P-384 and Ed25519, all in its key set.
struct Keys {
    es256: KeyPair,
    es384: KeyPair,
    ed25519: KeyPair,
}

static KEYS: LazyLock<Keys> = LazyLock::new(Keys::new);
static STRANGER: LazyLock<Keys> = LazyLock::new(Keys::new);

impl Keys {
    fn new() -> Self {
        let key = |algorithm| KeyPair::generate_for(algorithm).expect("a key");
        Self {
            es256: key(&PKCS_ECDSA_P256_SHA256),
            es384: key(&PKCS_ECDSA_P384_SHA384),
            ed25519: key(&PKCS_ED25519),
        }
    }

    fn jwks(&self) -> String {
        let ec = |key: &KeyPair, curve: &str, kid: &str| {
            let (x, y) = key.der_bytes()[1..].split_at((key.der_bytes().len() - 1) / 2);
            let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            json!({"kty": "EC", "crv": curve, "kid": kid, "x": coordinate(x), "y": coordinate(y)})
        };
        let x = URL_SAFE_NO_PAD.encode(self.ed25519.der_bytes());
        let secret = URL_SAFE_NO_PAD.encode(b"a shared secret of no use at all");
        json!({"keys": [
            ec(&self.es256, "P-256", "es"),
            ec(&self.es384, "P-384", "p384"),
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x},
            {"kty": "oct", "kid": "shared", "k": secret},
        ]})
        .to_string()
    }
}

/// A verifier, a register with two partners, and the wijkteam's connection.
struct Bench {
    verifier: Verifier,
    keyring: Arc<Keyring>,
    register: Register,
    partner: Partner,
}

fn partner(name: &str, number: &str, kind: PartnerKind, iss: &str, keys: &Keys) -> Partner {
    Partner {
        id: PartnerId::new(),
        name: Slug::parse(name).expect("a name"),
        number: PartnerNumber::parse(number).expect("a number"),
        kind,
        status: PartnerStatus::Active,
        pins: vec![[3; 32]],
        issuers: vec![Issuer { iss: iss.to_owned(), jwks: keys.jwks() }],
        sources: Vec::new(),
        municipalities: Vec::new(),
        endpoint: None,
        people: Vec::new(),
        sign_in: None,
    }
}

fn keyring() -> Arc<Keyring> {
    let bytes: [u8; 32] = Entropy::system().array().expect("random bytes");
    let root = RootKey::from_bytes(bytes).expect("a root key");
    let make = |purpose| generate(purpose, 1, &root, &Entropy::system(), "test", 1);
    let rows: Vec<_> = KeyPurpose::ALL.into_iter().map(|p| make(p).expect("a key")).collect();
    Arc::new(Keyring::open(&root, "test", rows).expect("a key ring"))
}

impl Bench {
    fn new() -> Self {
        let keyring = keyring();
        let kind = PartnerKind::Referrer;
        let own = partner("wijkteam", "00000099000000001000", kind, ISS, &KEYS);
        let other = partner("poh", "00000099000000002000", kind, OTHER_ISS, &STRANGER);
        let register = Register::new(1, vec![own.clone(), other], Vec::new());
        let verifier = Verifier::new(AUDIENCE, OWN, Arc::clone(&keyring));
        Self { verifier, keyring, register, partner: own }
    }

    fn verify(&self, token: &str) -> Result<Arc<Bearer>, NotAccepted> {
        self.verify_at(token, NOW)
    }

    fn verify_at(&self, token: &str, now: i64) -> Result<Arc<Bearer>, NotAccepted> {
        self.verifier.verify(token, &self.partner, CERTIFICATE, &self.register, now)
    }
}

/// A token that would be accepted.
#[derive(Clone)]
struct Forge {
    header: Value,
    claims: Value,
}

impl Forge {
    fn good() -> Self {
        Self {
            header: json!({"alg": "ES256", "typ": "at+jwt", "kid": "es"}),
            claims: json!({
                "iss": ISS,
                "sub": "wijkteam-1",
                "aud": AUDIENCE,
                "iat": NOW,
                "nbf": NOW,
                "exp": NOW + 300,
                "jti": RequestId::new().to_string(),
                "cnf": {"x5t#S256": CERTIFICATE.x5t()},
                "roles": ["referrer"],
            }),
        }
    }

    fn signed(&self) -> String {
        sign(&self.header.to_string(), &self.claims.to_string(), &KEYS.es256)
    }

    /// Refused with this change, on a bench that accepts it without.
    fn refused(bench: &Bench, what: &str, change: impl FnOnce(&mut Self)) {
        let mut forge = Self::good();
        assert!(bench.verify(&forge.signed()).is_ok(), "the control");
        change(&mut forge);
        assert_eq!(bench.verify(&forge.signed()), Err(NotAccepted), "{what}");
    }

    fn accepted(bench: &Bench, what: &str, change: impl FnOnce(&mut Self)) {
        let mut forge = Self::good();
        change(&mut forge);
        assert!(bench.verify(&forge.signed()).is_ok(), "{what}");
    }
}

/// A compact JWS over exactly these texts.
fn sign(header: &str, claims: &str, key: &KeyPair) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let pem = key.serialize_pem();
    let (algorithm, key) = if key.is_compatible(&PKCS_ED25519) {
        (Algorithm::EdDSA, EncodingKey::from_ed_pem(pem.as_bytes()))
    } else if key.is_compatible(&PKCS_ECDSA_P384_SHA384) {
        (Algorithm::ES384, EncodingKey::from_ec_pem(pem.as_bytes()))
    } else {
        (Algorithm::ES256, EncodingKey::from_ec_pem(pem.as_bytes()))
    };
    let key = key.expect("a signing key");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm);
    format!("{message}.{}", signature.expect("a signature"))
}

/// HS256 with these bytes as the secret.
fn hmac(header: &str, claims: &str, secret: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
    format!("{message}.{}", signature.expect("a signature"))
}

fn put(value: &mut Value, key: &str, to: &Value) {
    value[key] = to.clone();
}

fn remove(value: &mut Value, key: &str) {
    assert!(value.as_object_mut().expect("an object").remove(key).is_some(), "{key}");
}

#[test]
fn a_right_token_says_who_and_in_which_role() {
    let bench = Bench::new();
    let bearer = bench.verify(&Forge::good().signed()).expect("accepted");
    assert_eq!(bearer.person.as_str(), "wijkteam-1");
    assert_eq!(bearer.roles, [Role::Referrer]);
    let eddsa = json!({"alg": "EdDSA", "typ": "application/at+jwt", "kid": "ed"}).to_string();
    let claims = Forge::good().claims.to_string();
    assert!(bench.verify(&sign(&eddsa, &claims, &KEYS.ed25519)).is_ok());
}

#[test]
fn jwt_01_alg_none_is_refused() {
    let bench = Bench::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let forge = Forge::good();
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": "es"}).to_string();
        let signed = sign(&header, &forge.claims.to_string(), &KEYS.es256);
        assert!(bench.verify(&forge.signed()).is_ok(), "the control");
        assert_eq!(bench.verify(&signed), Err(NotAccepted), "{alg:?} with a signature");
        let (message, _) = signed.rsplit_once('.').expect("three parts");
        assert_eq!(bench.verify(&format!("{message}.")), Err(NotAccepted), "{alg:?} without");
        assert_eq!(bench.verify(message), Err(NotAccepted), "{alg:?} with no third part");
    }
    let unsigned = Forge::good().signed();
    let (message, _) = unsigned.rsplit_once('.').expect("three parts");
    assert_eq!(bench.verify(&format!("{message}.")), Err(NotAccepted), "ES256 without a signature");
}

#[test]
fn jwt_02_hs256_with_what_is_public_is_refused() {
    let bench = Bench::new();
    let claims = Forge::good().claims.to_string();
    let pem = KEYS.es256.public_key_pem();
    let secrets: [&[u8]; 6] = [
        pem.as_bytes(),
        pem.trim().as_bytes(),
        KEYS.es256.der_bytes(),
        &KEYS.es256.der_bytes()[1..33],
        b"a shared secret of no use at all",
        b"",
    ];
    for secret in secrets {
        for kid in ["es", "ed", "shared"] {
            for alg in ["HS256", "ES256", "EdDSA"] {
                let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid}).to_string();
                assert_eq!(bench.verify(&hmac(&header, &claims, secret)), Err(NotAccepted));
            }
        }
    }
    assert!(bench.verify(&Forge::good().signed()).is_ok(), "the control");
}

#[test]
fn jwt_03_another_algorithm_of_the_family_is_refused() {
    let bench = Bench::new();
    let claims = Forge::good().claims.to_string();
    for (alg, kid) in [("ES384", "p384"), ("ES384", "es"), ("ES256", "p384")] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid}).to_string();
        assert_eq!(
            bench.verify(&sign(&header, &claims, &KEYS.es384)),
            Err(NotAccepted),
            "{alg} {kid}"
        );
    }
    for alg in ["ES512", "ES256K", "RS384", "PS512", "RS256", "PS256", "EdDSA", "es256", "Ed25519"]
    {
        Forge::refused(&bench, alg, |forge| put(&mut forge.header, "alg", &json!(alg)));
    }
    // The right algorithm under the name of another key.
    Forge::refused(&bench, "kid of another key", |forge| {
        put(&mut forge.header, "kid", &json!("ed"));
    });
}

#[test]
fn jwt_04_05_07_parameters_that_change_what_is_checked_are_refused() {
    let bench = Bench::new();
    let jwk: Value = serde_json::from_str(&STRANGER.jwks()).expect("a key set");
    let tries = [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("crit", json!("exp")),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("jku", json!("https://example.nl/jwks.json")),
        ("jwk", jwk["keys"][0].clone()),
        ("jwk", json!(null)),
        ("x5u", json!("https://example.nl/cert.pem")),
        ("x5c", json!(["MIIB"])),
    ];
    for (name, value) in tries {
        Forge::refused(&bench, name, |forge| put(&mut forge.header, name, &value));
    }
    Forge::refused(&bench, "crit and b64", |forge| {
        put(&mut forge.header, "crit", &json!(["b64"]));
        put(&mut forge.header, "b64", &json!(false));
    });
    // With the attacker's key named and the token signed by it.
    let mut header = Forge::good().header;
    put(&mut header, "jwk", &jwk["keys"][0]);
    let token = sign(&header.to_string(), &Forge::good().claims.to_string(), &STRANGER.es256);
    assert_eq!(bench.verify(&token), Err(NotAccepted));
    // A parameter that changes nothing is ignored, as RFC 7515 asks.
    Forge::accepted(&bench, "cty", |forge| put(&mut forge.header, "x", &json!(1)));
}

#[test]
fn jwt_06_another_type_is_refused() {
    let bench = Bench::new();
    for typ in [
        json!("JWT"),
        json!("logout+jwt"),
        json!("bp-receipt+jwt"),
        json!("dpop+jwt"),
        json!(""),
        json!(null),
        json!(["at+jwt"]),
        json!("at+jwt "),
    ] {
        Forge::refused(&bench, "typ", |forge| put(&mut forge.header, "typ", &typ));
    }
    Forge::refused(&bench, "no typ", |forge| remove(&mut forge.header, "typ"));
    Forge::accepted(&bench, "the long name", |forge| {
        put(&mut forge.header, "typ", &json!("application/at+jwt"));
    });
}

#[test]
fn jwt_08_a_key_id_is_compared_and_nothing_else() {
    let bench = Bench::new();
    let long = "k".repeat(10_000);
    for kid in [
        json!("unknown"),
        json!(""),
        json!("../../es"),
        json!("es' OR '1'='1"),
        json!("es\u{0}"),
        json!("ES"),
        json!(1),
        json!(null),
        json!(["es"]),
        json!(long),
    ] {
        Forge::refused(&bench, "kid", |forge| put(&mut forge.header, "kid", &kid));
    }
    Forge::refused(&bench, "no kid", |forge| remove(&mut forge.header, "kid"));
}

#[test]
fn jwt_09_10_11_the_issuer_is_one_string_and_this_partners() {
    let bench = Bench::new();
    for iss in [
        json!(7),
        json!([ISS]),
        json!([ISS, OTHER_ISS]),
        json!(null),
        json!(""),
        json!(OTHER_ISS),
        json!(OWN),
        json!(format!("{ISS}/")),
        json!(ISS.to_uppercase()),
    ] {
        Forge::refused(&bench, "iss", |forge| put(&mut forge.claims, "iss", &iss));
    }
    Forge::refused(&bench, "no iss", |forge| remove(&mut forge.claims, "iss"));
}

#[test]
fn jwt_12_13_the_audience_is_exactly_this_gateway() {
    let bench = Bench::new();
    let other = "https://elsewhere.example.nl";
    for aud in [
        json!(other),
        json!([]),
        json!([other]),
        json!([AUDIENCE, other]),
        json!([other, AUDIENCE]),
        json!([AUDIENCE, AUDIENCE]),
        json!(null),
        json!(7),
        json!({"aud": AUDIENCE}),
        json!(format!("{AUDIENCE}/")),
    ] {
        Forge::refused(&bench, "aud", |forge| put(&mut forge.claims, "aud", &aud));
    }
    Forge::refused(&bench, "no aud", |forge| remove(&mut forge.claims, "aud"));
    Forge::accepted(&bench, "a list of one", |f| put(&mut f.claims, "aud", &json!([AUDIENCE])));
}

#[test]
fn jwt_14_15_20_every_claim_is_required() {
    let bench = Bench::new();
    for name in ["iss", "sub", "aud", "iat", "nbf", "exp", "jti", "cnf", "roles"] {
        Forge::refused(&bench, name, |forge| remove(&mut forge.claims, name));
        Forge::refused(&bench, name, |forge| put(&mut forge.claims, name, &json!(null)));
        Forge::refused(&bench, name, |forge| put(&mut forge.claims, name, &json!({})));
    }
    for jti in [json!(""), json!(7), json!("j".repeat(129))] {
        Forge::refused(&bench, "jti", |forge| put(&mut forge.claims, "jti", &jti));
    }
}

#[test]
fn jwt_16_17_18_19_20_times_are_whole_seconds_close_to_now_and_a_life_is_short() {
    let bench = Bench::new();
    let times = |forge: &mut Forge, iat: i64, nbf: i64, exp: i64| {
        for (name, value) in [("iat", iat), ("nbf", nbf), ("exp", exp)] {
            put(&mut forge.claims, name, &json!(value));
        }
    };
    for (iat, nbf, exp, fits) in [
        (NOW - 300, NOW - 300, NOW, true),
        (NOW - 309, NOW - 309, NOW - 9, true),
        (NOW - 310, NOW - 310, NOW - 10, false),
        (NOW - 345, NOW - 345, NOW - 45, false),
        (NOW + 10, NOW + 10, NOW + 310, true),
        (NOW + 11, NOW, NOW + 200, false),
        (NOW, NOW + 11, NOW + 200, false),
        (NOW, NOW + 3_600, NOW + 300, false),
        (NOW, NOW, NOW + 301, false),
        (NOW - 600, NOW - 600, NOW + 10, false),
        (NOW, NOW, NOW, false),
        (NOW, NOW, NOW - 1, false),
        (NOW, -1, NOW + 300, false),
        (NOW, NOW, i64::MAX, false),
        (i64::MIN, NOW, NOW + 300, false),
    ] {
        let past = |instant: i64| instant.saturating_sub(NOW);
        let what = format!("{} {} {}", past(iat), past(nbf), past(exp));
        if fits {
            Forge::accepted(&bench, &what, |forge| times(forge, iat, nbf, exp));
        } else {
            Forge::refused(&bench, &what, |forge| times(forge, iat, nbf, exp));
        }
    }
    for name in ["iat", "nbf", "exp"] {
        for value in [
            json!((NOW + 10).to_string()),
            json!(-5),
            json!(1e300),
            json!(u64::MAX),
            json!(1.5),
            json!(true),
            json!([NOW]),
        ] {
            Forge::refused(&bench, name, |forge| put(&mut forge.claims, name, &value));
        }
    }
}

/// Header and claims are objects; a list of the same values in the right order is none.
#[test]
fn a_list_is_not_an_object() {
    let bench = Bench::new();
    let forge = Forge::good();
    let (header, claims) = (forge.header.to_string(), forge.claims.to_string());
    let c = &forge.claims;
    let listed = json!([
        c["iss"], c["sub"], c["aud"], c["iat"], c["nbf"], c["exp"], c["jti"], c["cnf"], c["roles"]
    ]);
    assert!(bench.verify(&sign(&header, &claims, &KEYS.es256)).is_ok(), "the control");
    let token = sign(&header, &listed.to_string(), &KEYS.es256);
    assert_eq!(bench.verify(&token), Err(NotAccepted), "claims");
    let listed = json!(["ES256", "at+jwt", "es"]).to_string();
    assert_eq!(bench.verify(&sign(&listed, &claims, &KEYS.es256)), Err(NotAccepted), "header");
    let listed =
        json!(["ES256", "at+jwt", "es", false, false, false, false, false, false]).to_string();
    assert_eq!(
        bench.verify(&sign(&listed, &claims, &KEYS.es256)),
        Err(NotAccepted),
        "all of the header"
    );
}

#[test]
fn jwt_21_a_member_that_is_there_twice_is_refused() {
    let bench = Bench::new();
    let forge = Forge::good();
    let header = forge.header.to_string();
    let claims = forge.claims.to_string();
    assert!(bench.verify(&sign(&header, &claims, &KEYS.es256)).is_ok(), "the control");
    let twice = |text: &str, member: &str| {
        format!("{},{member}}}", text.strip_suffix('}').expect("an object"))
    };
    for member in [
        "\"sub\":\"lea\"",
        "\"roles\":[\"referrer\"]",
        "\"exp\":1795000300",
        "\"iss\":\"x\"",
        "\"aud\":\"x\"",
        "\"jti\":\"x\"",
    ] {
        let claims = twice(&claims, member);
        assert!(serde_json::from_str::<Value>(&claims).is_ok(), "a lax reader takes it");
        assert_eq!(
            bench.verify(&sign(&header, &claims, &KEYS.es256)),
            Err(NotAccepted),
            "{member}"
        );
    }
    for member in ["\"alg\":\"ES256\"", "\"kid\":\"es\"", "\"typ\":\"at+jwt\""] {
        let header = twice(&header, member);
        assert_eq!(
            bench.verify(&sign(&header, &claims, &KEYS.es256)),
            Err(NotAccepted),
            "{member}"
        );
    }
    let x5t = CERTIFICATE.x5t();
    let once = format!("{{\"x5t#S256\":\"{x5t}\"}}");
    let both = format!("{{\"x5t#S256\":\"{x5t}\",\"x5t#S256\":\"{x5t}\"}}");
    assert!(claims.contains(&once));
    let claims = claims.replace(&once, &both);
    assert_eq!(bench.verify(&sign(&header, &claims, &KEYS.es256)), Err(NotAccepted));
}

/// JWT-22: the other signature over the same token is another spelling of the same token: what is kept
/// of it (the hash of its `jti`) is the same.
#[test]
fn jwt_22_a_malleated_signature_names_the_same_token() {
    let bench = Bench::new();
    let token = Forge::good().signed();
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("a signature");
    let (r, s) = signature.split_at(32);
    let other = [r, &order_less(s)].concat();
    let other = format!("{message}.{}", URL_SAFE_NO_PAD.encode(other));
    assert_ne!(other, token);
    let first = bench.verify(&token).expect("accepted");
    if let Ok(second) = bench.verify(&other) {
        assert_eq!(second.token, first.token);
    }
}

/// n - s for the order n of P-256.
fn order_less(s: &[u8]) -> Vec<u8> {
    const N: &[u8] = b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let byte = |pair: &[u8]| {
        let pair = str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).expect("hex")
    };
    let n: Vec<u8> = N.chunks(2).map(byte).collect();
    let mut result = vec![0; 32];
    let mut borrow = 0;
    for index in (0..32).rev() {
        let difference = i16::from(n[index]) - i16::from(s[index]) - borrow;
        borrow = i16::from(difference < 0);
        result[index] = u8::try_from(difference.rem_euclid(256)).expect("a byte");
    }
    result
}

#[test]
fn jwt_23_one_spelling_only() {
    let bench = Bench::new();
    let token = Forge::good().signed();
    assert!(bench.verify(&token).is_ok(), "the control");
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { panic!("three parts") };
    let padded = URL_SAFE.encode(URL_SAFE_NO_PAD.decode(signature).expect("a signature"));
    let mut shorter = (*signature).to_owned();
    let last = shorter.pop().expect("a character");
    // 64 bytes leave four bits of the last character unused.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let index = alphabet.find(last).expect("base64url");
    let sibling = alphabet.chars().nth(index + 1).expect("base64url");
    let loose = format!("{shorter}{sibling}");
    for bad in [
        format!("{header}.{claims}.{padded}"),
        format!("{header}.{claims}.{loose}"),
        format!("{token}\n"),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}."),
        format!("{token}.{signature}"),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.{signature}=="),
        format!("{header}.{claims}.{shorter}"),
        format!("{header}.{claims}.{}", "A".repeat(86)),
        format!("{header}.{signature}.{claims}"),
        token.replace('-', "+").replace('_', "/") + "+",
        String::new(),
        "..".to_owned(),
    ] {
        assert_eq!(bench.verify(&bad), Err(NotAccepted), "{bad:?}");
    }
    let flipped = |at: usize| {
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("a signature");
        bytes[at] ^= 1;
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(bytes))
    };
    for at in 0..64 {
        assert_eq!(bench.verify(&flipped(at)), Err(NotAccepted), "byte {at}");
    }
}

#[test]
fn jwt_24_25_the_token_is_bound_to_this_connection() {
    let bench = Bench::new();
    let other = Fingerprint([8; 32]).x5t();
    let own = CERTIFICATE.x5t();
    for cnf in [
        json!({}),
        json!({"x5t#S256": other}),
        json!({"x5t#S256": ""}),
        json!({"x5t#S256": [own]}),
        json!({"x5t#S256": format!("{own}=")}),
        json!({"x5t#s256": own}),
        json!({"x5t": own}),
        json!({"jkt": own}),
        json!(own),
        json!([own]),
    ] {
        Forge::refused(&bench, "cnf", |forge| put(&mut forge.claims, "cnf", &cnf));
    }
    // A token that was accepted a moment ago, on another connection: memory does not help it.
    let token = Forge::good().signed();
    assert!(bench.verify(&token).is_ok());
    let elsewhere =
        bench.verifier.verify(&token, &bench.partner, Fingerprint([8; 32]), &bench.register, NOW);
    assert_eq!(elsewhere, Err(NotAccepted));
}

#[test]
fn jwt_26_the_subject_is_an_account_name() {
    let bench = Bench::new();
    let long = "a".repeat(65);
    for sub in [
        json!(""),
        json!("Anna"),
        json!("a b"),
        json!("a/b"),
        json!("anna\n"),
        json!("anna\u{0}"),
        json!("ánna"),
        json!("jan@example.nl"),
        json!(7),
        json!(["anna"]),
        json!(long),
    ] {
        Forge::refused(&bench, "sub", |forge| put(&mut forge.claims, "sub", &sub));
    }
    Forge::accepted(&bench, "64 characters", |f| put(&mut f.claims, "sub", &json!("a".repeat(64))));
}

#[test]
fn jwt_27_keys_and_issuers_are_not_mixed_up() {
    let bench = Bench::new();
    let forge = Forge::good();
    let (header, claims) = (forge.header.to_string(), forge.claims.to_string());
    assert!(bench.verify(&forge.signed()).is_ok(), "the control");
    let stranger = sign(&header, &claims, &STRANGER.es256);
    assert_eq!(bench.verify(&stranger), Err(NotAccepted), "our issuer, another's key");
    let mut theirs = Forge::good().claims;
    put(&mut theirs, "iss", &json!(OTHER_ISS));
    let token = sign(&header, &theirs.to_string(), &STRANGER.es256);
    assert_eq!(bench.verify(&token), Err(NotAccepted), "another partner's issuer and key");
    let gateways = bench.keyring.sign_jws("at+jwt", claims.as_bytes(), &Entropy::system());
    assert_eq!(
        bench.verify(&gateways.expect("signed")),
        Err(NotAccepted),
        "our issuer, the gateway's key"
    );
    let mut own = Forge::good().claims;
    put(&mut own, "iss", &json!(OWN));
    let token = sign(&header, &own.to_string(), &KEYS.es256);
    assert_eq!(bench.verify(&token), Err(NotAccepted), "the gateway's issuer, a partner's key");
    let token = bench.keyring.sign_jws("at+jwt", own.to_string().as_bytes(), &Entropy::system());
    assert!(bench.verify(&token.expect("signed")).is_ok(), "the gateway's issuer and key");
    let receipt =
        bench.keyring.sign_jws("bp-receipt+jwt", own.to_string().as_bytes(), &Entropy::system());
    assert_eq!(bench.verify(&receipt.expect("signed")), Err(NotAccepted), "a receipt is no token");
}

#[test]
fn jwt_28_what_is_too_long_or_too_deep_is_refused_quickly() {
    let bench = Bench::new();
    Forge::refused(&bench, "100 KiB", |f| put(&mut f.claims, "x", &json!("x".repeat(100 * 1024))));
    Forge::accepted(&bench, "4 KiB", |f| put(&mut f.claims, "x", &json!("x".repeat(4 * 1024))));
    let forge = Forge::good();
    let claims = forge.claims.to_string();
    let inner = claims.strip_prefix('{').expect("an object");
    let deep = format!("{}{}", "[".repeat(1_500), "]".repeat(1_500));
    for (name, fits) in [("aud", false), ("cnf", false), ("roles", false), ("unknown", true)] {
        // A claim that nobody asked for is passed over, however deep it goes.
        let claims =
            format!("{{\"{name}\":{deep},{}", inner.replace(&format!("\"{name}\""), "\"other\""));
        let token = sign(&forge.header.to_string(), &claims, &KEYS.es256);
        assert!(token.len() < 8 * 1024);
        assert_eq!(bench.verify(&token).is_ok(), fits, "{name}");
    }
    assert_eq!(bench.verify(&"a.".repeat(50_000)), Err(NotAccepted));
}

#[test]
fn pol_24_roles_are_known_and_possible_at_this_partner() {
    let bench = Bench::new();
    for roles in [
        json!([]),
        json!("referrer"),
        json!(["Referrer"]),
        json!(["admin"]),
        json!(["referrer", "admin"]),
        json!(["coordinator"]),
        json!(["referrer", "coordinator"]),
        json!(["assigner"]),
        json!(["municipality"]),
        json!(["privacy-officer"]),
        json!(["operator"]),
        json!([["referrer"]]),
        json!([7]),
        json!(vec!["referrer"; 8]),
    ] {
        Forge::refused(&bench, "roles", |forge| put(&mut forge.claims, "roles", &roles));
    }
    let both = json!(["referrer", "case-manager"]);
    Forge::accepted(&bench, "both of its kind", |f| put(&mut f.claims, "roles", &both));
}

/// The gateway's own issuer gives a system its one role; a person's role from it is refused.
#[test]
fn the_own_issuer_speaks_for_systems_only() {
    let bench = Bench::new();
    for (role, fits) in [("referrer", true), ("case-manager", false), ("coordinator", false)] {
        let mut claims = Forge::good().claims;
        put(&mut claims, "iss", &json!(OWN));
        put(&mut claims, "roles", &json!([role]));
        let token =
            bench.keyring.sign_jws("at+jwt", claims.to_string().as_bytes(), &Entropy::system());
        assert_eq!(bench.verify(&token.expect("signed")).is_ok(), fits, "{role}");
    }
}

#[test]
fn a_remembered_token_ends_when_it_ends() {
    let bench = Bench::new();
    let token = Forge::good().signed();
    assert!(bench.verify(&token).is_ok());
    assert!(bench.verify_at(&token, NOW + 309).is_ok());
    assert_eq!(bench.verify_at(&token, NOW + 310), Err(NotAccepted));
}

/// JWT-30: a key that left the register is refused, remembered or not, also beside requests that still
/// hold the register of before.
#[test]
fn jwt_30_a_key_that_left_the_register_is_refused() {
    let bench = Bench::new();
    let token = Forge::good().signed();
    assert!(bench.verify(&token).is_ok(), "remembered");
    let mut moved = bench.partner.clone();
    moved.issuers = vec![Issuer { iss: ISS.to_owned(), jwks: STRANGER.jwks() }];
    let after = Register::new(2, vec![moved.clone()], Vec::new());
    let verify = |token: &str| bench.verifier.verify(token, &moved, CERTIFICATE, &after, NOW);
    assert_eq!(verify(&token), Err(NotAccepted));
    for _ in 0..3 {
        // A request that began before the change: its own register still knows the key.
        assert!(bench.verify(&token).is_ok());
        assert_eq!(verify(&token), Err(NotAccepted));
    }
    let forge = Forge::good();
    let rotated = sign(&forge.header.to_string(), &forge.claims.to_string(), &STRANGER.es256);
    assert!(verify(&rotated).is_ok(), "the new key");
}

/// As above with the requests truly side by side: what the old register allowed is never remembered
/// under the new one.
#[test]
fn jwt_30_old_and_new_register_side_by_side() {
    let bench = Bench::new();
    let mut moved = bench.partner.clone();
    moved.issuers = vec![Issuer { iss: ISS.to_owned(), jwks: STRANGER.jwks() }];
    let after = Register::new(2, vec![moved.clone()], Vec::new());
    let tokens: Vec<String> = (0..8).map(|_| Forge::good().signed()).collect();
    let wrong = std::thread::scope(|scope| {
        let old = scope.spawn(|| {
            for token in tokens.iter().cycle().take(4_000) {
                assert!(bench.verify(token).is_ok(), "the old register knows the key");
            }
        });
        let new = scope.spawn(|| {
            let verify = |token: &String| {
                bench.verifier.verify(token, &moved, CERTIFICATE, &after, NOW).is_ok()
            };
            tokens.iter().cycle().take(4_000).filter(|token| verify(token)).count()
        });
        old.join().expect("a thread");
        new.join().expect("a thread")
    });
    assert_eq!(wrong, 0, "accepted with a key that the register no longer knows");
}

/// The running gateway's address for a token, and a client of the wijkteam.
async fn present(world: &World, token: &str) -> Answer {
    let client = world.client(WIJKTEAM.0);
    let request = client.get(world.url("/v1/referrals")).bearer_auth(token);
    answer(request.send().await.expect("an answer")).await
}

/// Claims that the running gateway accepts from the wijkteam.
fn live(world: &World) -> Value {
    let pem = std::fs::read(world.dir().join("pki").join(WIJKTEAM.0).join("cert.pem"));
    let certificate = CertificateDer::from_pem_slice(&pem.expect("a certificate")).expect("PEM");
    let peer = PeerCertificate::read(&certificate).expect("a certificate of ours");
    let now = world.now().as_second();
    json!({
        "iss": world.issuer.registered(WIJKTEAM.0).iss,
        "sub": "wijkteam-1",
        "aud": world.booted.config.tokens.audience,
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "jti": RequestId::new().to_string(),
        "cnf": {"x5t#S256": peer.fingerprint().x5t()},
        "roles": ["referrer"],
    })
}

/// JWT-31: over HTTP every bad token gets the same bytes, and none of the library's words.
#[actix_web::test]
async fn jwt_31_the_answer_to_every_bad_token_is_the_same() {
    let world = World::raise(Engine::Sqlite).await.expect("SQLite is always there");
    let signed = |change: &dyn Fn(&mut Value)| {
        let mut claims = live(&world);
        change(&mut claims);
        world.issuer.sign_claims(&claims).unwrap_or_else(|f| panic!("{}", f.message))
    };
    assert_eq!(present(&world, &signed(&|_| ())).await.status, 200, "the control");
    let now = world.now().as_second();
    let good = signed(&|_| ());
    let (message, _) = good.rsplit_once('.').expect("three parts");
    let tries = [
        signed(&|c| put(c, "exp", &json!(now - 45))),
        signed(&|c| put(c, "nbf", &json!(now + 3_600))),
        signed(&|c| put(c, "aud", &json!("https://elsewhere.example.nl"))),
        signed(&|c| put(c, "iss", &json!(7))),
        signed(&|c| remove(c, "jti")),
        signed(&|c| put(c, "cnf", &json!({"x5t#S256": "AAAA"}))),
        signed(&|c| put(c, "roles", &json!(["coordinator"]))),
        signed(&|c| put(c, "sub", &json!("Fam. Geheim"))),
        signed(&|c| put(c, "x", &json!("x".repeat(20 * 1024)))),
        format!("{message}."),
        format!("{message}.AAAA"),
        world.token(POH_J),
        "eyJhbGciOiJub25lIn0.e30.".to_owned(),
        "x".to_owned(),
    ];
    let mut bodies = Vec::new();
    for token in tries {
        let answer = present(&world, &token).await;
        assert_eq!(answer.status, 401, "{}", answer.raw);
        let challenge = "Bearer realm=\"buurtpoort\", error=\"invalid_token\"";
        assert_eq!(answer.header("www-authenticate"), challenge);
        bodies.push(answer.raw);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let huge = present(&world, &"x".repeat(100 * 1024)).await;
    assert!(matches!(huge.status, 400 | 401 | 431), "{}", huge.raw);
    assert_eq!(present(&world, &signed(&|_| ())).await.status, 200, "and it goes on");
}

/// Asks the token endpoint.
async fn grant(world: &World, who: Caller, form: &str) -> Answer {
    let request = world.client(who.0).post(world.url("/oauth/token"));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    answer(request.body(form.to_owned()).send().await.expect("an answer")).await
}

const FORM: &str = "grant_type=client_credentials";

#[actix_web::test]
async fn the_token_endpoint_gives_a_system_a_bound_token_and_nothing_more() {
    let world = World::raise(Engine::Sqlite).await.expect("SQLite is always there");
    let given = grant(&world, WIJKTEAM, FORM).await;
    assert_eq!((given.status, given.text("/token_type")), (200, "Bearer"), "{}", given.raw);
    assert_eq!(given.body["expires_in"], json!(300));
    assert_eq!(given.header("cache-control"), "no-store");
    let token = given.text("/access_token");
    assert_eq!(present(&world, token).await.status, 200, "it works");
    let thief =
        world.client(POH_J.0).get(world.url("/v1/referrals")).bearer_auth(token).send().await;
    assert_eq!(answer(thief.expect("an answer")).await.status, 401, "for its own certificate only");
    world.later(311);
    assert_eq!(present(&world, token).await.status, 401, "for 300 seconds only");
    let adviser = grant(&world, GEMEENTE, FORM).await;
    let figures = world.client(GEMEENTE.0).get(world.url("/v1/statistics/releases"));
    let figures = figures.bearer_auth(adviser.text("/access_token")).send().await;
    assert_eq!(
        answer(figures.expect("an answer")).await.status,
        200,
        "a gemeente's system reads figures"
    );
    for who in [LEA, TOEZICHT, BEHEER] {
        let refused = grant(&world, who, FORM).await;
        assert_eq!(refused.status, 403, "{}: {}", who.0, refused.raw);
        assert!(refused.text("/type").ends_with("#forbidden"));
    }
}

#[actix_web::test]
async fn the_token_endpoint_takes_one_grant_for_oneself() {
    let world = World::raise(Engine::Sqlite).await.expect("SQLite is always there");
    let own = format!("{FORM}&client_id=wijkteam-nijmegen");
    assert_eq!(grant(&world, WIJKTEAM, &own).await.status, 200, "the control");
    for form in [
        "",
        "grant_type=password&username=a&password=b",
        "grant_type=authorization_code&code=x",
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=x",
        "grant_type=Client_Credentials",
        "grant_type=client_credentials&grant_type=password",
        "grant_type=client_credentials&grant_type=client_credentials",
        "GRANT_TYPE=client_credentials",
        "grant_type=client_credentials&client_id=poh-j-nijmegen",
        "grant_type=client_credentials&client_id=wijkteam-nijmegen&client_id=poh-j-nijmegen",
        "grant_type=client_credentials&client_id=",
    ] {
        let refused = grant(&world, WIJKTEAM, form).await;
        assert_eq!(refused.status, 400, "{form}: {}", refused.raw);
        assert!(refused.text("/access_token").is_empty(), "{form}");
    }
    let latin = world.client(WIJKTEAM.0).post(world.url("/oauth/token"));
    let latin = latin.header("Content-Type", "application/x-www-form-urlencoded");
    let latin = latin.body(b"grant_type=\xff".to_vec()).send().await.expect("an answer");
    assert_eq!(answer(latin).await.status, 400);
}

on_both! {
    /// JWT-30 over HTTP: an issuer's key leaves the register by `partner apply`, and tokens signed by
    /// it are refused from then on, those of a moment ago too; so it is with an issuer that leaves.
    async fn jwt_30_a_rotated_issuer_key_is_refused_when_the_register_moves(world: World) {
        let token = world.token(WIJKTEAM);
        assert_eq!(present(world, &token).await.status, 200, "remembered");
        let jwks = KEYS.jwks();
        world.amend(|register| issuer_of(register).jwks.clone_from(&jwks)).await;
        assert_eq!(present(world, &token).await.status, 401);
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "es"}).to_string();
        let rotated = sign(&header, &live(world).to_string(), &KEYS.es256);
        assert_eq!(present(world, &rotated).await.status, 200, "the new key");
        let given = grant(world, WIJKTEAM, FORM).await;
        world.amend(|register| {
            let named = register.partner.iter_mut().find(|p| p.name == WIJKTEAM.0);
            named.expect("the wijkteam").issuers.clear();
        }).await;
        assert_eq!(present(world, &rotated).await.status, 401, "the issuer is gone");
        assert_eq!(present(world, given.text("/access_token")).await.status, 200, "the gateway's own stays");
        assert_eq!(world.get(POH_J, "/v1/referrals").await.status, 200, "others are not touched");
    }
}

fn issuer_of(register: &mut RegisterFile) -> &mut buurtpoort::cli::partners::IssuerFile {
    let named = register.partner.iter_mut().find(|partner| partner.name == WIJKTEAM.0);
    named.and_then(|partner| partner.issuers.first_mut()).expect("its issuer")
}
