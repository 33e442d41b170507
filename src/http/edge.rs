//! What happens around every request: ids, identity, limits, headers.
//!
//! In this order: request id and trace, certificate (pin, revocation, partner), rate limit, token. A
//! problem found here is the answer; nothing of the body has been read by then.

use crate::audit::checkpoint::to_header;
use crate::crypto::digest::hex;
use crate::domain::partner::Partner;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::reply::acceptable;
use crate::ids::RequestId;
use crate::policy::Subject;
use crate::tls::connection::Cut;
use crate::tls::peer::PeerCertificate;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Version of the API, as every answer says.
pub const API_VERSION: &str = "1.0.0";

/// Time in which an answer still goes out before its connection is cut.
const GRACE: Duration = Duration::from_secs(2);

/// A request's own identifiers.
#[derive(Clone, Debug)]
pub struct Marks {
    /// Made here.
    pub request: RequestId,
    /// W3C trace id: the caller's, or new.
    pub trace: String,
    pub(crate) span: String,
}

/// Wraps every request of the API listener.
///
/// # Errors
/// Those of the wrapped service; problems are answers, not errors.
pub async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let marks = marks(request.headers());
    let method = known_method(request.method());
    request.extensions_mut().insert(marks.clone());
    let response = match admit(&request, &marks) {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(problem) => {
            metrics::counter!("problems_total", "kind" => problem.kind()).increment(1);
            let route = request.match_pattern().unwrap_or_else(|| "/".to_owned());
            request.into_response(problem.response(&route))
        }
    };
    let response = with_route(response);
    let status = response.status().as_u16();
    let route = response.request().match_pattern().unwrap_or_else(|| "/".to_owned());
    let seconds = started.elapsed().as_secs_f64();
    metrics::counter!("http_requests_total", "route" => route.clone(), "method" => method, "status" => status.to_string()).increment(1);
    metrics::histogram!("http_request_seconds", "route" => route.clone()).record(seconds);
    tracing::info!(
        request_id = %marks.request, trace_id = %marks.trace, method, route, status,
        duration_ms = started.elapsed().as_millis(), "request"
    );
    Ok(with_headers(response, &marks))
}

/// The method as a word of ours: what a caller makes up is not written down.
pub(crate) fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "other",
    }
}

/// Lets a request in, or says why not. Puts the caller in the request's extensions.
fn admit(request: &ServiceRequest, marks: &Marks) -> Result<(), Problem> {
    let api = request.app_data::<Data<Api>>().ok_or(Problem::Internal)?.clone();
    let peer = request.conn_data::<PeerCertificate>().ok_or(Problem::PartnerUnknown)?;
    let now = api.gateway.clock.now();
    api.tls.still_valid(peer, now).or(Err(Problem::PartnerUnknown))?;
    let register = api.gateway.register.load();
    let partner =
        register.recognise(&peer.number(), &peer.pin().0).ok_or(Problem::PartnerUnknown)?;
    api.limits.take(partner.id).map_err(Problem::TooManyRequests)?;
    api.door.saw(partner.id, peer.pin().0, peer.not_after());
    if !request.path().starts_with("/v1/") {
        // Token endpoint and metadata: the certificate is enough.
        request.extensions_mut().insert(Arc::new(partner.clone()));
        return Ok(());
    }
    let token = bearer(request.headers())?;
    let refused = Problem::Unauthenticated { error: Some("invalid_token") };
    let bearer = api
        .tokens
        .verify(token, partner, peer.fingerprint(), &register, now.as_second())
        .or(Err(refused))?;
    acceptable(request.path(), request.headers())?;
    // A caller chooses its trace id; what goes into the ledger for ever is a keyed hash of it.
    let hashed = hex(&api.gateway.keyring.token_hash(&marks.trace));
    let trace = hashed.chars().take(32).collect();
    let subject = Subject {
        register: register.version,
        ..subject(partner, peer, &bearer, marks.request, trace)
    };
    request.extensions_mut().insert(Arc::new(subject));
    Ok(())
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION);
    let value = values.next().ok_or(Problem::Unauthenticated { error: None })?;
    if values.next().is_some() {
        return Err(Problem::Unauthenticated { error: Some("invalid_request") });
    }
    let text = value.to_str().unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token)
    } else {
        Err(Problem::Unauthenticated { error: None })
    }
}

fn subject(
    partner: &Partner,
    peer: &PeerCertificate,
    bearer: &crate::http::token::Bearer,
    request: RequestId,
    trace: String,
) -> Subject {
    Subject {
        partner: partner.id,
        number: partner.number,
        partner_name: partner.name.clone(),
        kind: partner.kind,
        person: bearer.person.clone(),
        roles: bearer.roles.clone(),
        municipalities: partner.municipalities.clone(),
        // The verifier accepts no other kind; the policies ask all the same.
        bound: true,
        certificate: Some(peer.fingerprint().0),
        token: bearer.token,
        register: 0,
        pseudonym: bearer.pseudonym.clone(),
        request,
        trace,
    }
}

/// The caller's trace id where it is a valid `traceparent`, else a new one.
pub(crate) fn marks(headers: &HeaderMap) -> Marks {
    let request = RequestId::new();
    let sent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let fresh = hex(request.uuid().as_bytes());
    let trace = sent.and_then(trace_id).map_or_else(|| fresh.clone(), str::to_owned);
    let span = fresh.chars().rev().take(16).collect();
    Marks { request, trace, span }
}

fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let nonzero = trace.bytes().any(|b| b != b'0');
    let valid = version == "00"
        && is_hex(trace, 32)
        && nonzero
        && is_hex(span, 16)
        && is_hex(flags, 2)
        && parts.next().is_none();
    valid.then_some(trace)
}

/// Gives a problem the route it happened on.
fn with_route(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let Some(problem) = response.response().error().and_then(|error| error.as_error::<Problem>())
    else {
        return response;
    };
    metrics::counter!("problems_total", "kind" => problem.kind()).increment(1);
    let route = response.request().match_pattern().unwrap_or_else(|| "/".to_owned());
    let answer = problem.response(&route);
    response.into_response(answer)
}

fn with_headers(mut response: ServiceResponse<BoxBody>, marks: &Marks) -> ServiceResponse<BoxBody> {
    cut_on_unread_body(&mut response);
    let head =
        response.request().app_data::<Data<Api>>().map(|api| api.gateway.store.writer.latest());
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put("request-id", marks.request.to_string());
    put("traceparent", format!("00-{}-{}-01", marks.trace, marks.span));
    // The head covers whatever this request wrote: its entry was committed before the answer.
    if let Some(head) = head {
        put("audit-checkpoint", to_header(&head.note));
    }
    response
}

/// Ends the connection after an answer to a body of unknown length, which may not have been read:
/// actix would go on reading it, a byte a second, for ever.
pub(crate) fn cut_on_unread_body(response: &mut ServiceResponse<BoxBody>) {
    let chunked = response.request().headers().contains_key(header::TRANSFER_ENCODING);
    if chunked {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        if let Some(cut) = response.request().conn_data::<Cut>() {
            cut.after(GRACE);
        }
    }
}

/// As [`around`], for a listener that has no callers to tell apart.
///
/// # Errors
/// Those of the wrapped service.
pub async fn around_public(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = next.call(request).await?.map_into_boxed_body();
    cut_on_unread_body(&mut response);
    Ok(response)
}

/// The same headers for a listener that has no callers to tell apart.
#[must_use]
pub fn fixed_headers() -> DefaultHeaders {
    FIXED.iter().fold(DefaultHeaders::new(), |headers, (name, value)| headers.add((*name, *value)))
}

/// Headers of every answer: version, and those of the NL API Design Rules, transport security module.
pub(crate) const FIXED: [(&str, &str); 8] = [
    ("api-version", API_VERSION),
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("permissions-policy", "interest-cohort=()"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_taken_only_when_it_is_one() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace_id(good), Some("0af7651916cd43dd8448eb211c80319c"));
        for bad in [
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-short-b7ad6b7169203331-01",
            "Fam. Proefpersoon",
        ] {
            assert_eq!(trace_id(bad), None);
        }
    }
}
