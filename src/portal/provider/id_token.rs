//! What an id token must be to be believed (`OpenID` Connect Core 1.0, 3.1.3.7). Pure: keys and time are given.

use super::Refused;
use crate::domain::partner::SignIn;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

/// The claims of an id token that holds: signed by a key of the provider, for us, for this sign-in, now.
pub(super) fn claims(
    token: &str,
    keys: &Value,
    sign_in: &SignIn,
    nonce: &str,
    now_s: i64,
) -> Result<Value, Refused> {
    let header = jsonwebtoken::decode_header(token).or(Err(Refused::Token))?;
    // Never a shared secret: the key set is public.
    let known = [Algorithm::ES256, Algorithm::PS256, Algorithm::RS256, Algorithm::EdDSA];
    if !known.contains(&header.alg) {
        return Err(Refused::Token);
    }
    let keys: JwkSet = serde_json::from_value(keys.clone()).or(Err(Refused::Answer))?;
    let key = match &header.kid {
        Some(kid) => keys.find(kid),
        None => keys.keys.first().filter(|_| keys.keys.len() == 1),
    };
    let key = DecodingKey::from_jwk(key.ok_or(Refused::Token)?).or(Err(Refused::Token))?;
    let mut wanted = Validation::new(header.alg);
    wanted.set_issuer(&[sign_in.issuer.as_str()]);
    wanted.set_audience(&[sign_in.client_id.as_str()]);
    wanted.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    // Looked at below, by our own clock.
    wanted.validate_exp = false;
    let claims =
        jsonwebtoken::decode::<Value>(token, &key, &wanted).or(Err(Refused::Token))?.claims;
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let fresh = number("exp").is_some_and(|exp| exp > now_s - 10)
        && number("iat").is_some_and(|iat| iat <= now_s + 10 && iat > now_s - 600);
    let others = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
    let for_us = text("azp").map_or(!others, |azp| azp == sign_in.client_id);
    // Signed in a moment ago, and not by a session that the provider remembered.
    if number("auth_time").is_none_or(|at| at <= now_s - 300 || at > now_s + 10) {
        return Err(Refused::Sureness);
    }
    if !fresh || !for_us || text("nonce") != Some(nonce) {
        return Err(Refused::Token);
    }
    if !sign_in.acr.is_empty() && text("acr") != Some(sign_in.acr.as_str()) {
        return Err(Refused::Sureness);
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn provider() -> (EncodingKey, Value) {
        crate::tls::install_default_provider();
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let point = pair.public_key_raw();
        let part =
            |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(point.get(range).unwrap());
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": part(1..33), "y": part(33..65)}]});
        (EncodingKey::from_ec_der(&pair.serialize_der()), keys)
    }

    fn sign_in(acr: &str) -> SignIn {
        SignIn {
            issuer: "https://op.example".to_owned(),
            client_id: "buurtpoort".to_owned(),
            claim: "preferred_username".to_owned(),
            acr: acr.to_owned(),
            authorities: String::new(),
        }
    }

    fn good() -> Value {
        json!({
            "iss": "https://op.example", "sub": "1", "aud": "buurtpoort", "exp": NOW + 60, "iat": NOW, "auth_time": NOW - 5, "nonce": "n",
            "acr": "high", "preferred_username": "anna",
        })
    }

    #[test]
    fn an_id_token_holds_only_as_it_must_be() {
        let (key, keys) = provider();
        let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::ES256) };
        let read = |body: &Value, acr: &str| {
            let token = encode(&header, body, &key).unwrap();
            claims(&token, &keys, &sign_in(acr), "n", NOW).map(drop)
        };
        assert_eq!(read(&good(), ""), Ok(()));
        assert_eq!(read(&good(), "high"), Ok(()));
        assert_eq!(read(&good(), "higher"), Err(Refused::Sureness));
        for auth_time in [json!(NOW - 3_600), json!(NOW + 60), Value::Null] {
            let mut claims = good();
            claims["auth_time"] = auth_time;
            assert_eq!(read(&claims, ""), Err(Refused::Sureness), "not signed in now");
        }
        for (name, value) in [
            ("iss", json!("https://other.example")),
            ("aud", json!("other")),
            ("aud", json!(["buurtpoort", "other"])),
            ("exp", json!(NOW - 60)),
            ("exp", json!("soon")),
            ("iat", json!(NOW + 60)),
            ("iat", json!(NOW - 3_600)),
            ("nonce", json!("other")),
            ("nonce", Value::Null),
            ("azp", json!("other")),
        ] {
            let mut claims = good();
            claims[name] = value.clone();
            assert_eq!(read(&claims, ""), Err(Refused::Token), "{name}: {value}");
        }
        for name in ["iss", "sub", "aud", "exp", "iat", "nonce"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(read(&claims, ""), Err(Refused::Token), "without {name}");
        }
    }

    #[test]
    fn a_token_of_another_key_or_a_shared_secret_is_refused() {
        let ((_, keys), (other, _)) = (provider(), provider());
        let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::ES256) };
        let token = encode(&header, &good(), &other).unwrap();
        assert_eq!(claims(&token, &keys, &sign_in(""), "n", NOW).map(drop), Err(Refused::Token));
        let secret = EncodingKey::from_secret(keys.to_string().as_bytes());
        let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, &good(), &secret).unwrap();
        assert_eq!(claims(&token, &keys, &sign_in(""), "n", NOW).map(drop), Err(Refused::Token));
        assert_eq!(claims("x.y.z", &keys, &sign_in(""), "n", NOW).map(drop), Err(Refused::Token));
    }
}
