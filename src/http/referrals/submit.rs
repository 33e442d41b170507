//! `POST /v1/referrals`.

use crate::crypto::digest::sha256;
use crate::domain::person::Hint;
use crate::flow::{Once, submit};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::referrals::read;
use crate::http::reply;
use crate::policy::Allowed;
use crate::policy::action::SubmitReferral;
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

/// The answer to an accepted referral. It names nobody.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Id of the referral.
    pub id: String,
    /// `received`, `assigned` or `awaiting-consent`.
    pub status: &'static str,
    /// RFC 3339 instant.
    pub received_at: String,
    /// What the free text seems to hold that belongs elsewhere.
    pub warnings: Vec<Warning>,
    /// Compact JWS (`typ` `bp-receipt+jwt`): proof of acceptance.
    pub receipt: String,
}

/// One warning.
#[derive(Debug, Serialize, ToSchema)]
pub struct Warning {
    /// JSON pointer.
    pub pointer: String,
    /// Code.
    pub code: &'static str,
}

/// Takes a referral in.
///
/// # Errors
/// 400 with all errors of form; 403 with all reasons when consent does not suffice: nothing is kept
/// then; 409 when the key was used for another body.
#[utoipa::path(post, path = "/v1/referrals", tag = "referrals", operation_id = "submitReferral",
    request_body = super::shape::Referral,
    params(("Idempotency-Key" = String, Header, description = "1-64 visible ASCII characters")),
    responses((status = 201, body = Accepted, description = "Accepted")))]
pub async fn submit_referral(
    allowed: Allowed<SubmitReferral>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let key = reply::idempotency_key(&request)?;
    let (new, tree) = read::referral(&body.0, api.gateway.clock.now()).map_err(Problem::Invalid)?;
    // Members in order of their names, so that the same content gives the same digest.
    let mut canonical = tree;
    canonical.sort();
    let digest = sha256(canonical.to_string().as_bytes());
    let once = Once::new(&api.gateway.keyring, allowed.subject(), "/v1/referrals", &key, &digest);
    let warnings = warnings(&new.warnings);
    let done = submit::submit(&api.gateway, allowed, new, once, digest).await?;
    let submitted = done.value;
    let body = Accepted {
        id: submitted.id.to_string(),
        status: submitted.status.as_str(),
        received_at: submitted.received_at.to_string(),
        warnings,
        receipt: submitted.receipt,
    };
    let mut response = reply::json(StatusCode::CREATED, &body)?;
    let location = header::HeaderValue::from_str(&format!("/v1/referrals/{}", body.id));
    response.headers_mut().insert(header::LOCATION, location.or(Err(Problem::Internal))?);
    Ok(reply::replayed(response, submitted.replayed))
}

fn warnings(found: &[(String, Hint)]) -> Vec<Warning> {
    found
        .iter()
        .map(|(pointer, hint)| Warning { pointer: pointer.clone(), code: hint.code() })
        .collect()
}
