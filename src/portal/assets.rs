//! Style sheets, fonts and the reader of the API's description: compiled in, named by what is in them.
//!
//! Made by `src/portal/assets/build.mjs`; a test makes them again and compares. Served with names that change with
//! their content, so a browser may keep them for good.

use crate::http::problem::Problem;
use actix_web::http::header;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use rust_embed::RustEmbed;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::OnceLock;

#[derive(RustEmbed)]
#[folder = "src/portal/assets/dist"]
struct Dist;

/// The path of a file by its plain name, such as `portal.css`.
#[must_use]
pub fn path(name: &str) -> String {
    static NAMES: OnceLock<Value> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let file = Dist::get("manifest.json");
        file.and_then(|file| serde_json::from_slice(&file.data).ok()).unwrap_or_default()
    });
    let file = names.get(name).and_then(|one| one.get("file")).and_then(Value::as_str);
    format!("/assets/{}", file.unwrap_or_default())
}

/// `GET /assets/{name}`: compressed, as all browsers take it; fonts as they are.
///
/// # Errors
/// 404 for any other name; 406 to who does not take what is there compressed only.
pub async fn serve(name: Path<String>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let kind = match name.rsplit_once('.').map(|(_, kind)| kind) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => return Err(Problem::NotFound),
    };
    let (plain, small) = (Dist::get(&name), Dist::get(&format!("{name}.br")));
    if plain.is_none() && small.is_none() {
        return Err(Problem::NotFound);
    }
    let takes =
        request.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let takes = takes.is_some_and(|codings| {
        codings.split(',').any(|one| one.split(';').next().is_some_and(|one| one.trim() == "br"))
    });
    let mut response = HttpResponse::Ok();
    response.content_type(kind);
    response.insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"));
    response.insert_header((header::VARY, "accept-encoding"));
    if let Some(small) = small.filter(|_| takes) {
        response.insert_header((header::CONTENT_ENCODING, "br"));
        return Ok(response.body(in_place(small.data)));
    }
    Ok(response.body(in_place(plain.ok_or(Problem::NotAcceptable)?.data)))
}

/// Bytes of the program as they lie there, not copied for each answer.
fn in_place(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_page_is_a_file() {
        for name in ["portal.css", "swagger-ui.css", "swagger-ui-bundle.js", "swagger-init.js"] {
            let path = path(name);
            let file = path.strip_prefix("/assets/").unwrap();
            assert!(Dist::get(&format!("{file}.br")).is_some(), "{name}: {path}");
        }
        assert_eq!(super::path("elsewhere.css"), "/assets/");
    }
}
