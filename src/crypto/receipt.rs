//! Signed receipts and tokens: compact JWS with ES256, and the key set to check them with.
//!
//! For referrers, who keep a receipt and can check it without us. Invariant: one algorithm, the key
//! named by its RFC 7638 thumbprint, no header member beyond `alg`, `kid` and `typ`.
//! Absent: claims and lifetimes; the payload is the caller's bytes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Map, Value, json};

use super::keyring::{KeyPurpose, Keyring};
use super::{CryptoError, Entropy};

/// Longest token accepted, in bytes.
const MAX_TOKEN_LEN: usize = 65_536;

impl Keyring {
    /// Signs `payload` with the active token key. `typ` is 1 to 64 of `[A-Za-z0-9.+-]`.
    ///
    /// # Errors
    /// [`CryptoError::TokenType`] for another `typ`, [`CryptoError::Signing`] when the key refuses.
    pub fn sign_jws(
        &self,
        typ: &str,
        payload: &[u8],
        entropy: &Entropy,
    ) -> Result<String, CryptoError> {
        if !is_typ(typ) {
            return Err(CryptoError::TokenType);
        }
        let key = self.active(KeyPurpose::Tokens)?;
        let refused = CryptoError::Signing(KeyPurpose::Tokens);
        let point = Point::from_uncompressed(&key.public).ok_or(refused)?;
        let header = json!({ "alg": "ES256", "kid": point.thumbprint(), "typ": typ }).to_string();
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let pair = key.p256(entropy)?;
        let signature = pair.sign(entropy.source(), token.as_bytes()).ok().ok_or(refused)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Ok(token)
    }

    /// The JSON Web Key Set with every token key that is not destroyed, oldest version first.
    #[must_use]
    pub fn jwks_json(&self) -> String {
        let keys: Vec<Value> = self
            .of(KeyPurpose::Tokens)
            .iter()
            .filter_map(|key| Point::from_uncompressed(&key.public))
            .map(|point| point.jwk())
            .collect();
        json!({ "keys": keys }).to_string()
    }
}

/// Checks a token against a key set and gives its payload, whatever its `typ`.
///
/// # Errors
/// [`CryptoError::TokenForm`], [`CryptoError::TokenHeader`], [`CryptoError::TokenKey`] or
/// [`CryptoError::Signature`].
pub fn verify_jws(jwks_json: &str, token: &str) -> Result<Vec<u8>, CryptoError> {
    verify(jwks_json, token).map(|(_, payload)| payload)
}

/// As [`verify_jws`], for exactly one `typ`: a token of another kind cannot stand in.
///
/// # Errors
/// As [`verify_jws`], and [`CryptoError::TokenType`].
pub fn verify_jws_typed(jwks_json: &str, typ: &str, token: &str) -> Result<Vec<u8>, CryptoError> {
    let (found, payload) = verify(jwks_json, token)?;
    if found == typ { Ok(payload) } else { Err(CryptoError::TokenType) }
}

fn verify(jwks_json: &str, token: &str) -> Result<(String, Vec<u8>), CryptoError> {
    if token.len() > MAX_TOKEN_LEN {
        return Err(CryptoError::TokenForm);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(CryptoError::TokenForm)?;
    let (header, payload) = signed.split_once('.').ok_or(CryptoError::TokenForm)?;
    let header = Header::parse(&decode(header)?)?;
    let point = find(jwks_json, &header.kid)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.uncompressed())
        .verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|ring::error::Unspecified| CryptoError::Signature)?;
    Ok((header.typ, decode(payload)?))
}

struct Header {
    kid: String,
    typ: String,
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, CryptoError> {
        let Ok(Value::Object(members)) = serde_json::from_slice(json) else {
            return Err(CryptoError::TokenForm);
        };
        let (Some(alg), Some(kid), Some(typ)) =
            (text(&members, "alg"), text(&members, "kid"), text(&members, "typ"))
        else {
            return Err(CryptoError::TokenHeader);
        };
        // Three members and no more: `crit`, `jwk`, `jku`, `x5u` and the like are refused.
        if members.len() != 3 || alg != "ES256" {
            return Err(CryptoError::TokenHeader);
        }
        Ok(Self { kid: kid.to_owned(), typ: typ.to_owned() })
    }
}

/// A P-256 public key as its two coordinates.
struct Point {
    x: [u8; 32],
    y: [u8; 32],
}

impl Point {
    fn from_uncompressed(bytes: &[u8]) -> Option<Self> {
        let (4, coordinates) = bytes.split_first()? else {
            return None;
        };
        let (x, y) = coordinates.split_first_chunk::<32>()?;
        Some(Self { x: *x, y: y.try_into().ok()? })
    }

    fn from_jwk(members: &Map<String, Value>) -> Option<Self> {
        if text(members, "kty")? != "EC" || text(members, "crv")? != "P-256" {
            return None;
        }
        let coordinate = |name| <[u8; 32]>::try_from(decode(text(members, name)?).ok()?).ok();
        Some(Self { x: coordinate("x")?, y: coordinate("y")? })
    }

    fn uncompressed(&self) -> Vec<u8> {
        [&[4], self.x.as_slice(), self.y.as_slice()].concat()
    }

    fn jwk(&self) -> Value {
        let Self { x, y } = self;
        json!({
            "alg": "ES256", "crv": "P-256", "kid": self.thumbprint(), "kty": "EC", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// RFC 7638: SHA-256 over the required members in alphabetical order.
    fn thumbprint(&self) -> String {
        let (x, y) = (URL_SAFE_NO_PAD.encode(self.x), URL_SAFE_NO_PAD.encode(self.y));
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
    }
}

// The thumbprint is computed anew, so a key set cannot give a key another key's name.
fn find(jwks_json: &str, kid: &str) -> Result<Point, CryptoError> {
    let set: Value = serde_json::from_str(jwks_json).ok().ok_or(CryptoError::TokenForm)?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or(CryptoError::TokenForm)?;
    keys.iter()
        .filter_map(Value::as_object)
        .filter_map(Point::from_jwk)
        .find(|point| point.thumbprint() == kid)
        .ok_or(CryptoError::TokenKey)
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

fn decode(part: &str) -> Result<Vec<u8>, CryptoError> {
    URL_SAFE_NO_PAD.decode(part).ok().ok_or(CryptoError::TokenForm)
}

fn is_typ(typ: &str) -> bool {
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b".+-".contains(&b);
    (1..=64).contains(&typ.len()) && typ.bytes().all(alphabet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{keyring, open, rotated, rows};

    fn sign(ring: &Keyring) -> String {
        ring.sign_jws("receipt+jwt", b"{\"id\":1}", &Entropy::system()).unwrap()
    }

    #[test]
    fn a_receipt_verifies_with_the_published_keys() {
        let ring = keyring();
        let (jwks, token) = (ring.jwks_json(), sign(&ring));
        assert_eq!(verify_jws(&jwks, &token).unwrap(), b"{\"id\":1}");
        assert!(verify_jws_typed(&jwks, "receipt+jwt", &token).is_ok());
        let other = verify_jws_typed(&jwks, "at+jwt", &token);
        assert_eq!(other, Err(CryptoError::TokenType));
        let stranger = verify_jws(&keyring().jwks_json(), &token);
        assert_eq!(stranger, Err(CryptoError::TokenKey));
    }

    #[test]
    fn every_changed_character_is_found() {
        let ring = keyring();
        let (jwks, token) = (ring.jwks_json(), sign(&ring));
        for at in 0..token.len() {
            for replacement in [b'A', b'B', b'.', b'='] {
                let mut bytes = token.clone().into_bytes();
                if bytes[at] == replacement {
                    continue;
                }
                bytes[at] = replacement;
                assert!(verify_jws(&jwks, &String::from_utf8(bytes).unwrap()).is_err());
            }
            assert!(verify_jws(&jwks, token.get(..at).unwrap()).is_err());
        }
        assert!(verify_jws(&jwks, &token).is_ok());
    }

    #[test]
    fn other_headers_are_refused() {
        let ring = keyring();
        let (jwks, token) = (ring.jwks_json(), sign(&ring));
        let rest = token.split_once('.').unwrap().1;
        let kid = Point::from_uncompressed(&ring.active(KeyPurpose::Tokens).unwrap().public);
        let kid = kid.unwrap().thumbprint();
        let with = |header: Value| {
            verify_jws(&jwks, &format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string())))
        };
        let good = json!({ "alg": "ES256", "kid": kid, "typ": "receipt+jwt" });
        assert!(with(good).is_ok());
        let refused = Err(CryptoError::TokenHeader);
        assert_eq!(with(json!({ "alg": "none", "kid": kid, "typ": "receipt+jwt" })), refused);
        assert_eq!(with(json!({ "alg": "HS256", "kid": kid, "typ": "receipt+jwt" })), refused);
        assert_eq!(with(json!({ "alg": "ES256", "kid": kid })), refused);
        assert_eq!(with(json!({ "alg": "ES256", "kid": kid, "typ": "x", "crit": [] })), refused);
        let unknown = with(json!({ "alg": "ES256", "kid": "x", "typ": "receipt+jwt" }));
        assert_eq!(unknown, Err(CryptoError::TokenKey));
        let retyped = with(json!({ "alg": "ES256", "kid": kid, "typ": "at+jwt" }));
        assert_eq!(retyped, Err(CryptoError::Signature));
    }

    #[test]
    fn old_receipts_outlive_a_rotation() {
        let set = rows(1, "test");
        let (old_ring, new_ring) = (open(set.clone()), open(rotated(set, KeyPurpose::Tokens)));
        let (old, new) = (sign(&old_ring), sign(&new_ring));
        assert!(verify_jws(&new_ring.jwks_json(), &old).is_ok());
        assert!(verify_jws(&new_ring.jwks_json(), &new).is_ok());
        assert_eq!(verify_jws(&old_ring.jwks_json(), &new), Err(CryptoError::TokenKey));
    }

    #[test]
    fn the_key_set_is_public_only() {
        let set: Value = serde_json::from_str(&keyring().jwks_json()).unwrap();
        let names: Vec<&String> = set["keys"][0].as_object().unwrap().keys().collect();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!(verify_jws("{}", "a.b.c"), Err(CryptoError::TokenForm));
    }

    #[test]
    fn thumbprint_matches_rfc_9449() {
        let jwk = json!({
            "kty": "EC", "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        });
        let point = Point::from_jwk(jwk.as_object().unwrap()).unwrap();
        assert_eq!(point.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        let other = json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA" });
        assert!(Point::from_jwk(other.as_object().unwrap()).is_none());
    }

    #[test]
    fn types_have_a_closed_alphabet() {
        let ring = keyring();
        for typ in ["", "a b", "a\"b", &"a".repeat(65)] {
            let refused = ring.sign_jws(typ, b"", &Entropy::system());
            assert_eq!(refused, Err(CryptoError::TokenType));
        }
        assert!(ring.sign_jws(&"a".repeat(64), b"", &Entropy::system()).is_ok());
    }
}
