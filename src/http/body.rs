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
const DEADLINE: Duration = Duration::from_secs(10);

/// The bytes of a JSON body, not read yet.
#[derive(Debug)]
pub struct JsonBody(pub Bytes);

impl FromRequest for JsonBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let fit = is_json(request.headers()).and_then(|()| fits(request.headers()));
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
        let media = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let form = media.is_some_and(|m| m.starts_with("application/x-www-form-urlencoded"));
        let payload = payload.take();
        Box::pin(async move {
            if !form {
                return Err(Problem::UnsupportedMediaType);
            }
            let bytes = tokio::time::timeout(DEADLINE, collect(payload)).await;
            bytes.unwrap_or(Err(Problem::BodyTimeout)).map(Self)
        })
    }
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let media = value(header::CONTENT_TYPE).unwrap_or_default();
    let mut parts = media.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|parameter| parameter.eq_ignore_ascii_case("charset=utf-8"));
    let plain = value(header::CONTENT_ENCODING).is_none_or(|coding| coding == "identity");
    if json && utf8 && plain { Ok(()) } else { Err(Problem::UnsupportedMediaType) }
}

fn fits(headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BYTES) { Err(Problem::TooLarge) } else { Ok(()) }
}

async fn collect(mut payload: Payload) -> Result<Bytes, Problem> {
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
