//! `/v1/statistics`: published figures, byte for byte as they were sealed.

use crate::clock::from_millisecond;
use crate::crypto::digest::hex;
use crate::flow::figures as flow;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::ids::StatisticsReleaseId;
use crate::policy::Allowed;
use crate::policy::action::{ListStatistics, ReadDefinitions, ReadStatistics};
use crate::store::figures::FiguresRow;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// One release of figures.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FiguresReply {
    /// Id.
    pub id: String,
    /// CBS code of the gemeente.
    pub municipality: String,
    /// Calendar year, Europe/Amsterdam.
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
    /// Oldest year first.
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
        municipality: row.key.municipality.to_string(),
        period: row.key.year.number().to_string(),
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

/// Reads one release.
///
/// # Errors
/// 404 when it is not there or about another gemeente.
#[utoipa::path(get, path = "/v1/statistics/releases/{id}", tag = "statistics", operation_id = "readStatisticsRelease",
    params(("id" = String, Path, description = "Id of the release")),
    responses((status = 200, body = FiguresReply, description = "The release")))]
pub async fn read_statistics(
    allowed: Allowed<ReadStatistics>,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let id = StatisticsReleaseId::from_uuid(reply::id_or_nil(&id));
    let row = flow::read(&api.gateway, allowed, id).await?.value;
    let tag = format!("\"{}\"", hex(&row.sha256));
    let held = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if held == Some(tag.as_str()) {
        HttpResponse::NotModified().finish()
    } else {
        reply::json(StatusCode::OK, &reply_of(&row, true)?)?
    };
    let tag = header::HeaderValue::from_str(&tag).or(Err(Problem::Internal))?;
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// What the figures count and how they are protected.
///
/// # Errors
/// 403 for any other role.
#[utoipa::path(get, path = "/v1/statistics/definitions", tag = "statistics", operation_id = "readStatisticsDefinitions",
    responses((status = 200, body = serde_json::Value, description = "The definitions")))]
pub async fn read_definitions(
    allowed: Allowed<ReadDefinitions>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (rules, frozen) = flow::definitions(&api.gateway, allowed).await?.value;
    let body = json!({
        "tables": [{
            "id": "year.referrals.source",
            "unit": "family",
            "counts": "families referred in a calendar year (Europe/Amsterdam), by the capacity of who referred; referrals taken back and families that object are left out",
        }],
        "method": {
            "name": "suppress-and-round",
            "threshold": rules.threshold(),
            "rounding": rules.base(),
            "rules": "a cell below the threshold is hidden, zero included; further cells are hidden until what is hidden cannot be found by subtraction; shown cells are rounded to the nearest multiple",
        },
        "frozen": {
            "municipalities": frozen.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "method": "measure-round-freeze",
            "base": 3,
            "alpha": "3/8",
            "rules": "each count is drawn around once, exactly; quarters and the year are rounded to multiples of three so that every table adds up to the year, and never change. A yearly cell is within 3 of the count in 97.5 % of the cells, a quarter within 4 in 97.9 %; a shown 0 means 0 to about 3",
        },
        "obsStatus": {"A": "shown", "Q": "hidden"},
        "confStatus": {"F": "free", "C": "confidential"},
        "limits": "a rounded figure differs from the count by at most half the rounding; rounded cells need not add up to the rounded total",
    });
    reply::json(StatusCode::OK, &body)
}
