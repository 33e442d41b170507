//! `POST /oauth/token` and its metadata: tokens for partner systems that have no issuer of their own.
//!
//! The certificate is the credential (RFC 8705 `tls_client_auth`); the token is bound to it, lives 300
//! seconds and carries the one role of that kind of partner. Persons' roles are never given here.

use crate::crypto::digest::hex;
use crate::domain::partner::{Partner, Role};
use crate::http::Api;
use crate::http::body::FormBody;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::ids::RequestId;
use crate::tls::peer::PeerCertificate;
use actix_web::http::StatusCode;
use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use std::sync::Arc;

/// Life of a token, in seconds.
const LIFE_S: i64 = 300;

/// `POST /oauth/token`: a bound token for the partner behind the certificate.
///
/// # Errors
/// [`Problem::Invalid`] for another grant or another client; [`Problem::Forbidden`] where this kind of
/// partner has no role for systems.
pub(super) async fn token(
    request: HttpRequest,
    partner: ReqData<Arc<Partner>>,
    body: FormBody,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    check_form(&body.0, partner.name.as_str())?;
    let role = Role::of_system(partner.kind).ok_or(Problem::Forbidden)?;
    let peer = request.conn_data::<PeerCertificate>().ok_or(Problem::PartnerUnknown)?;
    let now = api.gateway.clock.now().as_second();
    let claims = json!({
        "iss": api.tokens.own_issuer(),
        "sub": partner.name.as_str(),
        "client_id": partner.name.as_str(),
        "aud": api.tokens.audience(),
        "iat": now,
        "nbf": now,
        "exp": now + LIFE_S,
        "jti": hex(RequestId::new().uuid().as_bytes()),
        "cnf": {"x5t#S256": peer.fingerprint().x5t()},
        "roles": [role.as_str()],
    });
    let keyring = &api.gateway.keyring;
    let token = keyring
        .sign_jws("at+jwt", claims.to_string().as_bytes(), &api.gateway.entropy)
        .or(Err(Problem::Internal))?;
    metrics::counter!("tokens_issued_total").increment(1);
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": LIFE_S});
    reply::json(StatusCode::OK, &body)
}

/// The form of RFC 6749 section 4.4.2: one grant type, and at most our own client id.
fn check_form(body: &[u8], name: &str) -> Result<(), Problem> {
    let malformed = Problem::invalid("", "malformed", "must be a form in UTF-8");
    let text = str::from_utf8(body).or(Err(malformed))?;
    // A parameter that comes twice counts as another value (RFC 6749 section 3.2).
    let values = |wanted: &'static str| {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(move |(key, _)| *key == wanted).map(|(_, value)| value)
    };
    let grant = values("grant_type").eq(["client_credentials"]);
    let client = values("client_id").count() == 0 || values("client_id").eq([name]);
    match (grant, client) {
        (true, true) => Ok(()),
        (false, _) => Err(Problem::invalid(
            "/grant_type",
            "unsupported-grant-type",
            "must be client_credentials",
        )),
        (_, false) => Err(Problem::invalid(
            "/client_id",
            "invalid-client",
            "must be the partner of the certificate",
        )),
    }
}

/// `GET /.well-known/oauth-authorization-server` (RFC 8414).
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub(super) async fn metadata(api: Data<Api>) -> Result<HttpResponse, Problem> {
    let issuer = api.tokens.own_issuer();
    let body = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["tls_client_auth"],
        "tls_client_certificate_bound_access_tokens": true,
    });
    reply::json(StatusCode::OK, &body)
}

/// `GET /.well-known/jwks.json` (RFC 7517): keys of tokens and receipts.
pub(crate) async fn jwks(api: Data<Api>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/jwk-set+json")
        .body(api.gateway.keyring.jwks_json())
}
