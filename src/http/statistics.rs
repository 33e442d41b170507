//! `/v1/statistics`: published figures, byte for byte as they were sealed, or in a form made of that.

use crate::clock::from_millisecond;
use crate::crypto::digest::hex;
use crate::domain::municipality::Municipality;
use crate::flow::figures as flow;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::ids::StatisticsReleaseId;
use crate::policy::Allowed;
use crate::policy::action::{ListStatistics, ReadStatistics};
use crate::statistics::formats::csv::Separator;
use crate::statistics::formats::{self, About, Format};
use crate::statistics::release::Published;
use crate::store::figures::FiguresRow;
use actix_web::body::MessageBody;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

pub mod definitions;

/// One release of figures.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FiguresReply {
    /// Id.
    pub id: String,
    /// CBS code of the gemeente, or the name of a region.
    pub area: String,
    /// CBS code of the gemeente; absent of a region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub municipality: Option<String>,
    /// Calendar year such as 2025, or quarter such as 2026Q3, Europe/Amsterdam.
    pub period: String,
    /// RFC 3339 instant.
    pub sealed_at: String,
    /// SHA-256 of `figures`, hex.
    pub sha256: String,
    /// The sealed body: cells with `value`, `obsStatus` and `confStatus`.
    #[schema(value_type = serde_json::Value)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Box<RawValue>>,
}

/// The releases about the caller's gemeenten.
#[derive(Debug, Serialize, ToSchema)]
pub struct FiguresPage {
    /// By gemeente and region, oldest period first.
    pub items: Vec<FiguresReply>,
    /// Always null: the list is whole.
    pub next: Option<String>,
}

fn reply_of(row: &FiguresRow, whole: bool) -> Result<FiguresReply, Problem> {
    let figures = if whole {
        Some(RawValue::from_string(row.body.clone()).or(Err(Problem::Internal))?)
    } else {
        None
    };
    Ok(FiguresReply {
        id: row.id.to_string(),
        municipality: Municipality::parse(&row.key.area).ok().map(|own| own.to_string()),
        area: row.key.area.clone(),
        period: row.key.period.to_string(),
        sealed_at: from_millisecond(row.sealed_ms).to_string(),
        sha256: hex(&row.sha256),
        figures,
    })
}

/// Lists the releases about the caller's own gemeenten.
///
/// # Errors
/// 403 for any other role.
#[utoipa::path(get, path = "/v1/statistics/releases", tag = "statistics", operation_id = "listStatisticsReleases",
    responses((status = 200, body = FiguresPage, description = "The releases")))]
pub async fn list_statistics(
    allowed: Allowed<ListStatistics>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let rows = flow::list(&api.gateway, allowed).await?.value;
    let items = rows.iter().map(|row| reply_of(row, true)).collect::<Result<_, _>>()?;
    reply::json(StatusCode::OK, &FiguresPage { items, next: None })
}

/// Reads one release, in the form the caller asks for by `Accept`: JSON as it was sealed, CSV (with
/// `;separator=semicolon` for that), its CSVW metadata, JSON-stat 2.0 or XLSX.
///
/// # Errors
/// 404 when it is not there or about another gemeente; 406 for any other form.
#[utoipa::path(get, path = "/v1/statistics/releases/{id}", tag = "statistics", operation_id = "readStatisticsRelease",
    params(("id" = String, Path, description = "Id of the release")),
    responses((status = 200, description = "The release", content(
        (FiguresReply = "application/json"), (String = "text/csv"), (serde_json::Value = "application/csvm+json"),
        (serde_json::Value = "application/vnd.json-stat+json"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")))))]
pub async fn read_statistics(
    allowed: Allowed<ReadStatistics>,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let id = StatisticsReleaseId::from_uuid(reply::id_or_nil(&id));
    let row = flow::read(&api.gateway, allowed, id).await?.value;
    let (format, separator) = wanted(request.headers()).ok_or(Problem::NotAcceptable)?;
    let suffix = match (format, separator) {
        (Format::Json, _) => String::new(),
        (_, Separator::Comma) => format!("-{}", format.extension()),
        (_, Separator::Semicolon) => format!("-semicolon-{}", format.extension()),
    };
    let tag = format!("\"{}{suffix}\"", hex(&row.sha256));
    let held = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if held == Some(tag.as_str()) {
        HttpResponse::NotModified().finish()
    } else {
        shown(&row, format, separator)?
    };
    let tag = HeaderValue::from_str(&tag).or(Err(Problem::Internal))?;
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// The first form of `Accept` that there is; JSON where it says nothing.
pub(super) fn wanted(headers: &HeaderMap) -> Option<(Format, Separator)> {
    let Some(accept) = headers.get(header::ACCEPT) else {
        return Some((Format::Json, Separator::Comma));
    };
    let accept = accept.to_str().unwrap_or_default();
    accept.split(',').find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let separator = if parts.any(|part| part == "separator=semicolon") {
            Separator::Semicolon
        } else {
            Separator::Comma
        };
        let known = Format::ALL.iter().find(|format| format.media_type() == kind);
        let format = match kind {
            "*/*" | "application/*" | "application/problem+json" => Some(&Format::Json),
            "text/*" => Some(&Format::Csv),
            _ => known,
        };
        format.map(|format| (*format, separator))
    })
}

/// A release in one form, as bytes.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be made.
pub(crate) fn file(
    row: &FiguresRow,
    format: Format,
    separator: Separator,
) -> Result<Bytes, Problem> {
    let answer = shown(row, format, separator)?;
    answer.into_body().try_into_bytes().or(Err(Problem::Internal))
}

/// A release in one form.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be made.
pub(crate) fn shown(
    row: &FiguresRow,
    format: Format,
    separator: Separator,
) -> Result<HttpResponse, Problem> {
    if format == Format::Json {
        return reply::json(StatusCode::OK, &reply_of(row, true)?);
    }
    let published = Published::read(&row.body).or(Err(Problem::Internal))?;
    let about = About {
        release: row.id.to_string(),
        sha256: hex(&row.sha256),
        sealed_at: from_millisecond(row.sealed_ms).to_string(),
        file: format!("buurtgezinnen-{}-{}", row.key.area, row.key.period),
    };
    let body = formats::make(&published, (format, separator), &about);
    let body = body.or(Err(Problem::Internal))?;
    let mut response = HttpResponse::Ok();
    let kind = match format {
        Format::Csv => "text/csv; charset=utf-8; header=present",
        other => other.media_type(),
    };
    response.content_type(kind);
    let file = format!("attachment; filename=\"{}.{}\"", about.file, format.extension());
    response.insert_header((header::CONTENT_DISPOSITION, file));
    if format == Format::Csv {
        let link = format!(
            "</v1/statistics/releases/{}>; rel=\"describedby\"; type=\"{}\"",
            about.release,
            Format::CsvMetadata.media_type()
        );
        response.insert_header((header::LINK, link));
    }
    Ok(response.body(body))
}
