//! What happens around every request to the portal: language, session, forms, headers, pages of problems.
//!
//! In this order: language, session (looked up with the register as it is now), rate; of a form its origin, then its
//! body, then what only our own forms hold. What a form carries for the API (`Idempotency-Key`, `If-Match`) is put where
//! the API's handlers look for it.

use crate::audit::checkpoint::to_header;
use crate::clock::from_millisecond;
use crate::crypto::digest::hex;
use crate::flow::session::{self, Session};
use crate::http::Api;
use crate::http::body::{DEADLINE, collect, fits, is_plain};
use crate::http::edge::{self, FIXED, Marks};
use crate::http::problem::Problem;
use crate::ids::RequestId;
use crate::portal::certificate::OnlySignIn;
use crate::portal::door::Knock;
use crate::portal::form::Sent;
use crate::portal::page;
use crate::portal::trail;
use crate::portal::visit::Visit;
use crate::portal::words::Lang;
use crate::store::sessions::Card;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, Uri};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use std::sync::Arc;
use std::time::Instant;
use subtle::ConstantTimeEq;

/// The cookie of a session: for this host alone, over TLS alone, for no script, from no other site.
pub const SESSION: &str = "__Host-sessie";
/// The cookie of a chosen language.
const LANGUAGE: &str = "__Host-taal";

/// What pages may load: what this host serves, no script at all, and no style within a page.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'; \
    frame-ancestors 'none'; base-uri 'none'";
/// What the reader of the API may load besides: its scripts, and the description.
const READER: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Wraps every request of the portal listener.
///
/// # Errors
/// Those of the wrapped service; problems are pages, not errors.
pub async fn around(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let marks = edge::marks(request.headers());
    let method = edge::known_method(request.method());
    let (lang, chosen) = language(&mut request);
    let admitted = admit(&mut request, &marks, lang).await;
    let (Ok(visit) | Err((visit, _))) = &admitted;
    let visit = visit.clone();
    request.extensions_mut().insert(visit.clone());
    let response = match admitted {
        Ok(_) => next.call(request).await?.map_into_boxed_body(),
        Err((_, problem)) => {
            // A form that is not of this session is mostly one of a page that was left open.
            let old = visit.posted && matches!(problem, Problem::Forbidden);
            let answer = if old { page::too_old(&visit) } else { page::problem(&visit, &problem) };
            request.into_response(answer)
        }
    };
    let mut response = as_page(response, &visit);
    let status = response.status().as_u16();
    let route = response.request().match_pattern().unwrap_or_else(|| "/".to_owned());
    metrics::counter!("portal_requests_total", "route" => route.clone(), "method" => method, "status" => status.to_string()).increment(1);
    metrics::histogram!("portal_request_seconds", "route" => route.clone())
        .record(started.elapsed().as_secs_f64());
    tracing::info!(
        request_id = %marks.request, trace_id = %marks.trace, method, route, status,
        duration_ms = started.elapsed().as_millis(), "page"
    );
    edge::cut_on_unread_body(&mut response);
    if response.request().app_data::<Data<OnlySignIn>>().is_some() {
        // Who comes again shows again: the card may be gone from the reader by then.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    put_headers(&mut response, &marks, &visit, chosen);
    Ok(response)
}

/// The language: chosen now by `?taal=`, which is taken away, or before, or what the browser asks for.
fn language(request: &mut ServiceRequest) -> (Lang, Option<Lang>) {
    let query = request.query_string().to_owned();
    let chosen = query.split('&').find_map(|pair| Lang::parse(pair.strip_prefix("taal=")?));
    if chosen.is_some() {
        let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("taal=")).collect();
        let path = request.path().to_owned();
        let whole = if rest.is_empty() { path } else { format!("{path}?{}", rest.join("&")) };
        if let Ok(uri) = whole.parse::<Uri>() {
            request.match_info_mut().get_mut().update(&uri);
            request.head_mut().uri = uri;
        }
    }
    let asked =
        request.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let lang = chosen
        .or_else(|| cookie(request.headers(), LANGUAGE).and_then(|code| Lang::parse(&code)))
        .unwrap_or_else(|| Lang::accepted(asked.unwrap_or_default()));
    (lang, chosen)
}

/// The value of a cookie that was sent once.
///
/// Names are compared byte by byte: only of a name that *begins* with `__Host-` does a browser promise that this host set
/// it. Taking off white space that is none to a browser (U+2003) let a neighbouring host set our cookies.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    // Another cookie, of whatever else serves on this host, may hold anything.
    let sent = headers.get_all(header::COOKIE).flat_map(|all| all.as_bytes().split(|b| *b == b';'));
    let value = |pair: &[u8]| {
        let start = pair.iter().position(|byte| *byte != b' ')?;
        let value = pair.get(start..)?.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        // No cookie of ours holds anything else.
        String::from_utf8(value.to_vec()).ok()
    };
    let mut own = sent.filter_map(value);
    let first = own.next()?;
    own.next().is_none().then_some(first)
}

/// Finds who asks and what was sent.
async fn admit(
    request: &mut ServiceRequest,
    marks: &Marks,
    lang: Lang,
) -> Result<Visit, (Visit, Problem)> {
    let mut visit = Visit {
        lang,
        session: None,
        csrf: String::new(),
        once: RequestId::new().uuid().simple().to_string(),
        sent: Arc::default(),
        posted: *request.method() == Method::POST,
        done: trail::told(request.headers()).filter(|_| *request.method() == Method::GET),
        path: request.path().to_owned(),
    };
    match fill(request, marks, &mut visit).await {
        Ok(()) => Ok(visit),
        Err(problem) => Err((visit, problem)),
    }
}

async fn fill(
    request: &mut ServiceRequest,
    marks: &Marks,
    visit: &mut Visit,
) -> Result<(), Problem> {
    let api = request.app_data::<Data<Api>>().ok_or(Problem::Internal)?.clone();
    let gateway = &api.gateway;
    // Cookies know no ports: on the sign-in listener nobody is signed in.
    let anybody = request.app_data::<Data<OnlySignIn>>().is_some();
    if let Some(secret) = cookie(request.headers(), SESSION).filter(|_| !anybody) {
        // What stands in the ledger for ever is a keyed hash of the trace id.
        let trace: String =
            hex(&gateway.keyring.token_hash(&marks.trace)).chars().take(32).collect();
        let found = session::look(gateway, &secret, marks.request, &trace).await?;
        let found = unless_lapsed(&api, found).await?;
        if let Some(session) = &found {
            api.limits.take(session.subject.partner).map_err(Problem::TooManyRequests)?;
            request.extensions_mut().insert(Arc::clone(&session.subject));
            visit.csrf = hex(&gateway.keyring.token_hash(&format!("portal-form:{secret}")));
        }
        visit.session = found;
    }
    let signs_in = [
        "/inloggen/l/",
        "/inloggen/link",
        "/inloggen/bij/",
        "/inloggen/terug",
        "/inloggen/certificaat",
    ];
    // A path of ours needs no escaping: one that has it may lead where its letters do not say.
    let signs_in = request.path().contains('%')
        || signs_in.iter().any(|start| request.path().starts_with(start));
    if visit.session.is_none() || signs_in {
        if signs_in && is_within_another(request.headers()) {
            return Err(Problem::Forbidden);
        }
        let from = request.peer_addr().ok_or(Problem::Internal)?.ip();
        let at = match (anybody, signs_in) {
            (true, _) => Knock::Card,
            (false, true) => Knock::SignIn,
            (false, false) => Knock::Page,
        };
        api.door.knock(from, at).map_err(Problem::TooManyRequests)?;
    }
    // The description of the API is no page, and takes no form.
    if *request.method() == Method::POST && !request.path().starts_with("/v1/") {
        form(request, visit, api.door.origin.as_deref()).await?;
    }
    Ok(())
}

/// Whether a certificate may be shown at this instant.
pub(super) fn in_force(api: &Api, card: &Card) -> bool {
    let (until, now) = (from_millisecond(card.until_ms), api.gateway.clock.now());
    api.tls.in_force((&card.issuer, &card.serial), until, now).is_ok()
}

/// A session whose certificate, where it began with one, may still be shown: one that was revoked ends it.
async fn unless_lapsed(api: &Api, found: Option<Session>) -> Result<Option<Session>, Problem> {
    let Some(session) = found else { return Ok(None) };
    let Some(card) = &session.card else { return Ok(Some(session)) };
    if in_force(api, card) {
        return Ok(Some(session));
    }
    session::lapse(&api.gateway, &session).await?;
    Ok(None)
}

/// Whether another site asks for this within a page of its own: a picture, a script. It would use up what somebody has to
/// sign in with, or the patience we have with their address.
fn is_within_another(headers: &HeaderMap) -> bool {
    let says = |name| headers.get(name).and_then(|value| value.to_str().ok());
    says("sec-fetch-site").is_some_and(|from| from == "cross-site")
        && says("sec-fetch-dest").is_some_and(|to| to != "document")
}

/// Reads a form, when it came from a page of ours.
async fn form(
    request: &mut ServiceRequest,
    visit: &mut Visit,
    origin: Option<&str>,
) -> Result<(), Problem> {
    is_from_here(request.headers(), origin)?;
    is_plain(request.headers(), "application/x-www-form-urlencoded")?;
    fits(request.headers())?;
    let payload = request.take_payload();
    let bytes = tokio::time::timeout(DEADLINE, collect(payload)).await;
    let sent = Sent::read(&bytes.unwrap_or(Err(Problem::BodyTimeout))?);
    if visit.session.is_some() {
        let same: bool = sent.value("csrf").as_bytes().ct_eq(visit.csrf.as_bytes()).into();
        same.then_some(()).ok_or(Problem::Forbidden)?;
    }
    let headers = request.headers_mut();
    // Nobody but this floor says so.
    headers.remove("idempotency-key");
    headers.remove(header::IF_MATCH);
    let once = Some(sent.value("eenmalig")).filter(|once| !once.is_empty()).unwrap_or(&visit.once);
    if let Ok(value) = HeaderValue::from_str(once) {
        headers.insert(HeaderName::from_static("idempotency-key"), value);
    }
    let version = sent.value("versie");
    if !version.is_empty() {
        let tag = HeaderValue::from_str(&format!("\"{version}\"")).or(Err(Problem::Stale))?;
        headers.insert(header::IF_MATCH, tag);
    }
    visit.sent = Arc::new(sent);
    Ok(())
}

/// Whether a browser says that a form came from a page of the portal: of its registered origin, or of this host where
/// none is.
fn is_from_here(headers: &HeaderMap, own: Option<&str>) -> Result<(), Problem> {
    let text = |name: HeaderName| {
        let mut all = headers.get_all(name);
        all.next().filter(|_| all.next().is_none()).and_then(|value| value.to_str().ok())
    };
    let host = text(header::HOST).map(|host| format!("https://{host}"));
    let own = own.or(host.as_deref());
    match (text(header::ORIGIN), own) {
        (Some(origin), Some(own)) if origin == own => Ok(()),
        _ => Err(Problem::Forbidden),
    }
}

/// Whether another site led a browser here, as browsers say: it must not sign anybody in, or out of their own session.
pub(super) fn is_led_by_another(request: &HttpRequest) -> bool {
    let from = request.headers().get("sec-fetch-site").and_then(|value| value.to_str().ok());
    from.is_some_and(|from| from != "same-origin" && from != "none")
}

/// Makes a page of a problem. Who is not signed in is led to where that is done.
fn as_page(response: ServiceResponse<BoxBody>, visit: &Visit) -> ServiceResponse<BoxBody> {
    let Some(problem) = response.response().error().and_then(|error| error.as_error::<Problem>())
    else {
        return response;
    };
    metrics::counter!("problems_total", "kind" => problem.kind()).increment(1);
    let answer = match problem {
        Problem::Unauthenticated { .. } => {
            if visit.posted {
                return response.into_response(trail::done("/inloggen", trail::Done::Lost));
            }
            let mut answer = see_other("/inloggen");
            // Not for who was led here by another site: it would choose where one goes after signing in.
            if !is_led_by_another(response.request()) {
                trail::remember(answer.headers_mut(), &visit.path);
            }
            answer
        }
        problem => page::problem(visit, problem),
    };
    response.into_response(answer)
}

/// Leads to another page.
#[must_use]
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

fn put_headers(
    response: &mut ServiceResponse<BoxBody>,
    marks: &Marks,
    visit: &Visit,
    chosen: Option<Lang>,
) {
    // A stranger does not learn how large the ledger is.
    let api = response.request().app_data::<Data<Api>>().filter(|_| visit.session.is_some());
    let head = api.map(|api| api.gateway.store.writer.latest());
    let policy = if visit.path == "/api" { READER } else { POLICY };
    // A file is the same for everybody, and may be kept by anybody: nothing of a visitor goes with it.
    let is_file = visit.path.starts_with("/assets/");
    // A page said so; an answer that leads on leaves it to the next one.
    let said = visit.done.is_some() && !response.status().is_redirection();
    let headers = response.headers_mut();
    if said && !is_file {
        trail::forget(headers);
    }
    for (name, value) in FIXED {
        let name = HeaderName::from_static(name);
        match name.as_str() {
            "content-security-policy" => headers.insert(name, HeaderValue::from_static(policy)),
            // With `no-referrer` a browser does not say from where a form comes, not even to ourselves.
            "referrer-policy" => headers.insert(name, HeaderValue::from_static("same-origin")),
            // Files whose name changes with their content may be kept; pages never.
            "cache-control" if headers.contains_key(&name) => continue,
            _ => headers.insert(name, HeaderValue::from_static(value)),
        };
    }
    let sharing = HeaderName::from_static("cross-origin-resource-policy");
    if !headers.contains_key(&sharing) {
        headers.insert(sharing, HeaderValue::from_static("same-origin"));
    }
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put("request-id", marks.request.to_string());
    put("traceparent", format!("00-{}-{}-01", marks.trace, marks.span));
    put("cross-origin-opener-policy", "same-origin".to_owned());
    if let Some(head) = head.filter(|_| !is_file) {
        put("audit-checkpoint", to_header(&head.note));
    }
    if let Some(lang) = chosen.filter(|_| !is_file) {
        let cookie = format!(
            "{LANGUAGE}={}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=31536000",
            lang.code()
        );
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// The status of a problem, for a page of it.
pub(super) fn status(problem: &Problem) -> actix_web::http::StatusCode {
    problem.status_code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_comes_from_this_host_or_is_refused() {
        let headers = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("localhost:8444"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            headers
        };
        let here = Some("https://localhost:8444");
        assert!(is_from_here(&headers(here), None).is_ok());
        assert!(is_from_here(&headers(here), here).is_ok());
        assert!(is_from_here(&headers(here), Some("https://portal.example")).is_err());
        for other in [
            None,
            Some("null"),
            Some("http://localhost:8444"),
            Some("https://localhost"),
            Some("https://localhost:8444.example"),
        ] {
            assert!(is_from_here(&headers(other), None).is_err(), "{other:?}");
        }
    }

    #[test]
    fn a_cookie_that_comes_twice_is_none() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=1; __Host-sessie=x; b=2"));
        assert_eq!(cookie(&headers, SESSION).as_deref(), Some("x"));
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-sessie=y"));
        assert_eq!(cookie(&headers, SESSION), None);
    }

    fn sent(all: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for one in all {
            headers.append(header::COOKIE, HeaderValue::from_bytes(one).unwrap());
        }
        cookie(&headers, SESSION)
    }

    /// A neighbouring host may set a cookie whose name only looks like ours.
    #[test]
    fn a_cookie_is_the_one_whose_name_begins_as_the_browser_promises() {
        assert_eq!(sent(&[b"a=b; __Host-sessie=own; c=d"]).as_deref(), Some("own"));
        assert_eq!(sent(&[b"a=b", b"__Host-sessie=own"]).as_deref(), Some("own"));
        for space in ["\u{2003}", "\u{a0}", "\u{85}", "\u{3000}", "\u{feff}", "\t", "x"] {
            let tossed = format!("{space}__Host-sessie=theirs");
            assert_eq!(sent(&[tossed.as_bytes()]), None, "{space:?}");
            let both = format!("__Host-sessie=own; {tossed}");
            assert_eq!(sent(&[both.as_bytes()]).as_deref(), Some("own"), "{space:?}");
        }
        for other in ["__host-sessie=x", "__Host-sessie =x", "__Host-sessies=x", "__Host-sessie"] {
            assert_eq!(sent(&[other.as_bytes()]), None, "{other}");
        }
        assert_eq!(sent(&[b"__Host-sessie=a; __Host-sessie=b"]), None, "which of them is ours?");
        assert_eq!(sent(&[b"__Host-sessie=\xe2\x80"]), None);
    }
}
