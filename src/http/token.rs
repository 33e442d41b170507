//! Access tokens: one strict verifier.
//!
//! jsonwebtoken alone accepts unknown critical headers, any `typ`, a missing or wrongly typed `iss`, a
//! missing `aud` or `jti`, any lifetime. Here it does one thing, the signature; everything else is
//! checked against explicit shapes. Verified tokens are remembered by the SHA-256 of token and
//! certificate until they end, because a signature costs more than all other steps together; the
//! memory is emptied whenever the register changes.

use crate::crypto::digest::sha256;
use crate::crypto::keyring::Keyring;
use crate::domain::partner::{Partner, Role, Slug};
use crate::http::wire::Object;
use crate::ids::PartnerId;
use crate::store::partners::Register;
use crate::tls::peer::Fingerprint;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Longest token, in bytes.
const MAX_BYTES: usize = 8 * 1024;
/// Longest life of a token, in seconds.
const MAX_LIFE_S: i64 = 300;
/// How far clocks may differ, in seconds.
const LEEWAY_S: i64 = 10;
/// Tokens remembered at most.
const MAX_REMEMBERED: usize = 10_000;

/// What a token says of its bearer, verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bearer {
    /// Account at the partner.
    pub person: Slug,
    /// Roles.
    pub roles: Vec<Role>,
    /// Keyed hash of the `jti`.
    pub token: [u8; 32],
    /// Pseudonym of the account for the ledger.
    pub pseudonym: String,
    expires: i64,
}

/// The token is not accepted. Says nothing more: the answer to every bad token is the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the token is not accepted")]
pub struct NotAccepted;

struct Key {
    kid: String,
    algorithms: &'static [Algorithm],
    verifies: DecodingKey,
}

#[derive(Default)]
struct Known {
    register: i64,
    keys: HashMap<(PartnerId, String), Arc<Vec<Key>>>,
    remembered: HashMap<[u8; 32], Arc<Bearer>>,
}

/// Verifies tokens for one audience.
pub struct Verifier {
    audience: String,
    own_issuer: String,
    own_keys: Arc<Vec<Key>>,
    keyring: Arc<Keyring>,
    known: Mutex<Known>,
}

impl Verifier {
    /// A verifier for tokens addressed to `audience`; `own_issuer` is the gateway's own token endpoint.
    #[must_use]
    pub fn new(audience: &str, own_issuer: &str, keyring: Arc<Keyring>) -> Self {
        let own_keys = Arc::new(keys_of(&keyring.jwks_json()));
        Self {
            audience: audience.to_owned(),
            own_issuer: own_issuer.to_owned(),
            own_keys,
            keyring,
            known: Mutex::new(Known::default()),
        }
    }

    /// Audience of accepted tokens.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Issuer of the gateway's own tokens.
    #[must_use]
    pub fn own_issuer(&self) -> &str {
        &self.own_issuer
    }

    /// Verifies a token that `partner` presented over a connection with this certificate.
    ///
    /// # Errors
    /// [`NotAccepted`].
    pub fn verify(
        &self,
        token: &str,
        partner: &Partner,
        certificate: Fingerprint,
        register: &Register,
        now_s: i64,
    ) -> Result<Arc<Bearer>, NotAccepted> {
        let key = sha256(&crate::crypto::frame(&[token.as_bytes(), &certificate.0]));
        if let Some(bearer) = self.remembered(&key, register.version, now_s) {
            return Ok(bearer);
        }
        let bearer = Arc::new(self.examine(token, partner, certificate, register, now_s)?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // The register may have moved, or all been forgotten, while the signature was checked.
        if known.register != register.version {
            return Ok(bearer);
        }
        if known.remembered.len() >= MAX_REMEMBERED {
            known.remembered.clear();
        }
        known.remembered.insert(key, Arc::clone(&bearer));
        Ok(bearer)
    }

    /// Forgets every verified token, as any change of keys or revocation asks.
    pub fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known::default();
    }

    fn remembered(&self, key: &[u8; 32], register: i64, now_s: i64) -> Option<Arc<Bearer>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.register != register {
            *known = Known { register, ..Known::default() };
        }
        let bearer = known.remembered.get(key)?;
        (now_s < bearer.expires + LEEWAY_S).then(|| Arc::clone(bearer))
    }

    fn examine(
        &self,
        token: &str,
        partner: &Partner,
        certificate: Fingerprint,
        register: &Register,
        now_s: i64,
    ) -> Result<Bearer, NotAccepted> {
        let parts = Parts::of(token)?;
        let Object(header): Object<Header> =
            serde_json::from_slice(&parts.header).or(Err(NotAccepted))?;
        let Object(claims): Object<Claims> =
            serde_json::from_slice(&parts.claims).or(Err(NotAccepted))?;
        let algorithm = header.check()?;
        let keys = self.keys(partner, &claims.iss, register).ok_or(NotAccepted)?;
        let key = keys
            .iter()
            .find(|key| key.kid == header.kid && key.algorithms.contains(&algorithm))
            .ok_or(NotAccepted)?;
        let signed =
            jsonwebtoken::crypto::verify(parts.signature, parts.message, &key.verifies, algorithm);
        ensure(signed.unwrap_or(false))?;
        claims.check(&self.audience, certificate, now_s)?;
        let roles = roles(&claims.roles, partner, claims.iss == self.own_issuer)?;
        let person = Slug::parse(&claims.sub).or(Err(NotAccepted))?;
        Ok(Bearer {
            pseudonym: self.pseudonym(partner.id, &person)?,
            person,
            roles,
            token: self.keyring.token_hash(&claims.jti),
            expires: claims.exp,
        })
    }

    fn pseudonym(&self, partner: PartnerId, person: &Slug) -> Result<String, NotAccepted> {
        let id = crate::flow::witness::account_id(partner, person);
        let pseudonym = self.keyring.pseudonym("ledger", "audit", "all", "person", id);
        Ok(pseudonym.or(Err(NotAccepted))?.as_str().to_owned())
    }

    /// Keys of an issuer that speaks for this partner, or of our own.
    fn keys(&self, partner: &Partner, iss: &str, register: &Register) -> Option<Arc<Vec<Key>>> {
        if iss == self.own_issuer {
            return Some(Arc::clone(&self.own_keys));
        }
        let issuer = partner.issuers.iter().find(|issuer| issuer.iss == iss)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.register != register.version {
            return Some(Arc::new(keys_of(&issuer.jwks)));
        }
        let keys = known
            .keys
            .entry((partner.id, iss.to_owned()))
            .or_insert_with(|| Arc::new(keys_of(&issuer.jwks)));
        Some(Arc::clone(keys))
    }
}

const fn ensure(holds: bool) -> Result<(), NotAccepted> {
    if holds { Ok(()) } else { Err(NotAccepted) }
}

struct Parts<'a> {
    header: Vec<u8>,
    claims: Vec<u8>,
    message: &'a [u8],
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Result<Self, NotAccepted> {
        ensure(token.len() <= MAX_BYTES)?;
        let (message, signature) = token.rsplit_once('.').ok_or(NotAccepted)?;
        let (header, claims) = message.split_once('.').ok_or(NotAccepted)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).or(Err(NotAccepted));
        // Decoded here too, so that padding and stray characters are refused.
        decode(signature)?;
        Ok(Self {
            header: decode(header)?,
            claims: decode(claims)?,
            message: message.as_bytes(),
            signature,
        })
    }
}

/// Header parameters. Those that point at a key elsewhere, or change what is signed, are refused by
/// being named; others are ignored as RFC 7515 asks.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
    #[serde(default, deserialize_with = "named")]
    crit: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "named")]
    b64: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "named")]
    jku: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "named")]
    jwk: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "named")]
    x5u: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "named")]
    x5c: Option<IgnoredAny>,
}

/// A parameter that is there, whatever it holds: `null` too.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IgnoredAny>, D::Error> {
    IgnoredAny::deserialize(deserializer).map(Some)
}

impl Header {
    fn check(&self) -> Result<Algorithm, NotAccepted> {
        let foreign = [&self.crit, &self.b64, &self.jku, &self.jwk, &self.x5u, &self.x5c];
        ensure(foreign.iter().all(|parameter| parameter.is_none()))?;
        ensure(matches!(self.typ.as_str(), "at+jwt" | "application/at+jwt"))?;
        match self.alg.as_str() {
            "ES256" => Ok(Algorithm::ES256),
            "PS256" => Ok(Algorithm::PS256),
            "RS256" => Ok(Algorithm::RS256),
            "EdDSA" => Ok(Algorithm::EdDSA),
            _ => Err(NotAccepted),
        }
    }
}

/// Claims, each required and of exactly this type. A claim that is there twice does not parse.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    cnf: Object<Confirmation>,
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    List(Vec<String>),
}

#[derive(Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    certificate: String,
}

impl Claims {
    fn check(
        &self,
        audience: &str,
        certificate: Fingerprint,
        now_s: i64,
    ) -> Result<(), NotAccepted> {
        let ours = match &self.aud {
            Audience::One(aud) => aud == audience,
            Audience::List(list) => list.len() == 1 && list.iter().all(|aud| aud == audience),
        };
        ensure(ours)?;
        ensure((1..=128).contains(&self.jti.len()))?;
        let sane = |instant: i64| (0..=i64::from(u32::MAX)).contains(&instant);
        ensure(sane(self.iat) && sane(self.nbf) && sane(self.exp))?;
        ensure(self.exp > self.iat && self.exp - self.iat <= MAX_LIFE_S)?;
        ensure(self.iat <= now_s + LEEWAY_S && self.nbf <= now_s + LEEWAY_S)?;
        ensure(now_s < self.exp + LEEWAY_S)?;
        ensure(self.cnf.0.certificate == certificate.x5t())
    }
}

/// Roles of the token: all known, all possible at this kind of partner; from our own token endpoint
/// only the role of a system.
fn roles(words: &[String], partner: &Partner, own: bool) -> Result<Vec<Role>, NotAccepted> {
    let held = Role::ALL.iter().filter(|role| **role != Role::DataSubject).count();
    ensure((1..=held).contains(&words.len()))?;
    words
        .iter()
        .map(|word| {
            let role = Role::parse(word).or(Err(NotAccepted))?;
            ensure(role.may_be_held_at(partner.kind))?;
            ensure(!own || Role::of_system(partner.kind) == Some(role))?;
            Ok(role)
        })
        .collect()
}

/// How many keys of a key set can verify tokens.
#[must_use]
pub fn usable_keys(jwks: &str) -> usize {
    keys_of(jwks).len()
}

/// Usable keys of a key set; others are passed over.
fn keys_of(jwks: &str) -> Vec<Key> {
    let set: JwkSet = serde_json::from_str(jwks).unwrap_or(JwkSet { keys: Vec::new() });
    set.keys.iter().filter_map(key_of).collect()
}

fn key_of(jwk: &Jwk) -> Option<Key> {
    let algorithms: &'static [Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            &[Algorithm::ES256]
        }
        AlgorithmParameters::OctetKeyPair(_) => &[Algorithm::EdDSA],
        AlgorithmParameters::RSA(_) => &[Algorithm::PS256, Algorithm::RS256],
        _ => return None,
    };
    let verifies = DecodingKey::from_jwk(jwk).ok()?;
    Some(Key { kid: jwk.common.key_id.clone()?, algorithms, verifies })
}
