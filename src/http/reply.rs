//! Parts that answers have in common.

use crate::flow::{Gateway, visible};
use crate::http::problem::Problem;
use crate::http::statistics;
use crate::ids::{CaseId, ReferralId, SupportFamilyId};
use crate::policy::{Action, Allowed};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use std::sync::Arc;
use uuid::Uuid;

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_string(body).or(Err(Problem::Internal))?;
    Ok(HttpResponse::build(status).content_type("application/json").body(body))
}

/// Bytes by which the answer that holds an identity grows: larger than most of them.
pub(super) const STEP: usize = 4096;

/// A JSON answer whose length says little: spaces behind it up to a whole number of [`STEP`]s, so that who
/// watches the network does not count the children of a family.
pub(super) fn padded(status: StatusCode, body: &impl Serialize) -> Result<HttpResponse, Problem> {
    let mut body = serde_json::to_string(body).or(Err(Problem::Internal))?;
    let missing = body.len().next_multiple_of(STEP) - body.len();
    body.extend(std::iter::repeat_n(' ', missing));
    Ok(HttpResponse::build(status).content_type("application/json").body(body))
}

/// A JSON answer about a resource that has versions.
pub(super) fn versioned(
    status: StatusCode,
    version: i32,
    body: &impl Serialize,
) -> Result<HttpResponse, Problem> {
    let mut response = json(status, body)?;
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).or(Err(Problem::Internal))?;
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// Marks an answer as the repetition of an earlier one.
pub(super) fn replayed(mut response: HttpResponse, replayed: bool) -> HttpResponse {
    if replayed {
        let name = header::HeaderName::from_static("idempotent-replayed");
        response.headers_mut().insert(name, HeaderValue::from_static("true"));
    }
    response
}

/// The caller's `Idempotency-Key`.
///
/// # Errors
/// [`Problem::Invalid`] when it is missing or not 1-64 visible ASCII characters.
pub(crate) fn idempotency_key(request: &HttpRequest) -> Result<String, Problem> {
    let key = request.headers().get("idempotency-key").and_then(|value| value.to_str().ok());
    let visible = |key: &&str| {
        (1..=64).contains(&key.len()) && key.bytes().all(|b| (0x21..=0x7e).contains(&b))
    };
    key.filter(visible).map(str::to_owned).ok_or_else(|| {
        let rule = "the header Idempotency-Key must hold 1 to 64 visible ASCII characters";
        Problem::invalid("", "idempotency-key", rule)
    })
}

/// The version that `If-Match` names, where it is sent.
///
/// # Errors
/// [`Problem::Stale`] when it names anything but one version of ours.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<i32>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let tag = value.to_str().ok().and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
    tag.and_then(|tag| tag.parse().ok()).map(Some).ok_or(Problem::Stale)
}

/// An id in a path. What does not read as one becomes the nil id, which names nothing: the answer is
/// the 404 of every other absent id, on record like any other.
pub(crate) fn id_or_nil(text: &str) -> Uuid {
    let canonical = text.len() == 36;
    Uuid::try_parse(text).ok().filter(|_| canonical).unwrap_or_default()
}

/// The problem with a request about a case, unless the caller must not know that the case is there.
pub(super) async fn unless_hidden<A: Action<Object = CaseId>>(
    gateway: &Arc<Gateway>,
    allowed: Allowed<A>,
    case: CaseId,
    problem: Problem,
) -> Problem {
    visible::case(gateway, &allowed, case).await.err().map_or(problem, Problem::from)
}

/// As [`unless_hidden`], for a referral.
pub(super) async fn unless_hidden_referral<A: Action<Object = ReferralId>>(
    gateway: &Arc<Gateway>,
    allowed: Allowed<A>,
    referral: ReferralId,
    problem: Problem,
) -> Problem {
    visible::referral(gateway, &allowed, referral).await.err().map_or(problem, Problem::from)
}

/// As [`unless_hidden`], for a support family.
pub(super) async fn unless_hidden_support<A: Action<Object = SupportFamilyId>>(
    gateway: &Arc<Gateway>,
    allowed: Allowed<A>,
    id: SupportFamilyId,
    problem: Problem,
) -> Problem {
    visible::support(gateway, &allowed, id).await.err().map_or(problem, Problem::from)
}

/// Whether the caller takes what the route gives: JSON, and of a release of figures its other forms too.
///
/// # Errors
/// [`Problem::NotAcceptable`].
pub(super) fn acceptable(path: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let of_figures = path.starts_with("/v1/statistics/releases/");
    if of_figures && statistics::wanted(headers).is_some() {
        return Ok(());
    }
    accepts_json(headers)
}

fn accepts_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(accept) = headers.get(header::ACCEPT) else {
        return Ok(());
    };
    let accept = accept.to_str().unwrap_or_default();
    let takes = |range: &str| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        matches!(kind, "*/*" | "application/*" | "application/json" | "application/problem+json")
    };
    if accept.split(',').any(takes) { Ok(()) } else { Err(Problem::NotAcceptable) }
}
