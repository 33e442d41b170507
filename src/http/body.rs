//! Bodies: JSON (or the token endpoint's form), uncompressed, at most 64 KiB, within ten seconds.

use crate::http::problem::Problem;
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use std::time::Duration;

/// Largest body, in bytes.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Time a body may take. actix has none of its own: a byte a second would hold a connection for hours.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// The bytes of a JSON body, not read yet.
#[derive(Debug)]
pub struct JsonBody(pub Bytes);

impl FromRequest for JsonBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let fit =
            is_plain(request.headers(), "application/json").and_then(|()| fits(request.headers()));
        let payload = payload.take();
        Box::pin(async move {
            fit?;
            let bytes = tokio::time::timeout(DEADLINE, collect(payload)).await;
            bytes.unwrap_or(Err(Problem::BodyTimeout)).map(Self)
        })
    }
}

/// The bytes of a form (RFC 6749), not read yet.
#[derive(Debug)]
pub struct FormBody(pub Bytes);

impl FromRequest for FormBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = "application/x-www-form-urlencoded";
        let fit = is_plain(request.headers(), form).and_then(|()| fits(request.headers()));
        let payload = payload.take();
        Box::pin(async move {
            fit?;
            let bytes = tokio::time::timeout(DEADLINE, collect(payload)).await;
            bytes.unwrap_or(Err(Problem::BodyTimeout)).map(Self)
        })
    }
}

/// Of this media type, in UTF-8, and not compressed, however often it says so.
pub(crate) fn is_plain(headers: &HeaderMap, wanted: &str) -> Result<(), Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut parts = media.unwrap_or_default().split(';').map(str::trim);
    let kind = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted));
    let utf8 = parts.all(|parameter| parameter.eq_ignore_ascii_case("charset=utf-8"));
    let plain = headers.get_all(header::CONTENT_ENCODING).all(|coding| coding == "identity");
    if kind && utf8 && plain { Ok(()) } else { Err(Problem::UnsupportedMediaType) }
}

pub(crate) fn fits(headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BYTES) { Err(Problem::TooLarge) } else { Ok(()) }
}

pub(crate) async fn collect(mut payload: Payload) -> Result<Bytes, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let malformed = Problem::invalid("", "malformed", "the body must arrive whole");
        let chunk = chunk.or(Err(malformed))?;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(Problem::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}
