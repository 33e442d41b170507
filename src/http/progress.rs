//! `GET /v1/programme-progress/{municipality}/{year}`: how the programme goes, beside what was agreed on.

use crate::domain::municipality::Municipality;
use crate::domain::period::Year;
use crate::flow::progress;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::wire::FieldError;
use crate::policy::Allowed;
use crate::policy::action::ReadProgress;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

/// What was agreed on with the gemeente for the year.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetReply {
    /// Pairings to be made.
    pub pairings: u32,
    /// What the gemeente pays, in whole euro.
    pub budget_euro: u32,
}

/// What was done in the year, by the caller's organisation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActualReply {
    /// Pairings that went on after their trial.
    pub pairings: i64,
    /// Children who take part in those.
    pub children: i64,
    /// Support families that registered.
    pub support_families: i64,
    /// Families that were referred.
    pub referred: i64,
}

/// A year in a gemeente.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressReply {
    /// CBS code.
    pub municipality: String,
    /// Year.
    pub year: i16,
    /// What was agreed on, where anything was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetReply>,
    /// What was done.
    pub actual: ActualReply,
    /// Budget by pairing, in whole euro, where there is both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_per_pairing_euro: Option<i64>,
}

/// How the programme goes in a gemeente, beside what was agreed on. Counts of the organisation's own cases.
///
/// # Errors
/// 400 for no CBS code or year.
#[utoipa::path(get, path = "/v1/programme-progress/{municipality}/{year}", tag = "cases", operation_id = "readProgress",
    params(("municipality" = String, Path, description = "CBS code, such as GM0268"), ("year" = String, Path, description = "Such as 2026")),
    responses((status = 200, body = ProgressReply, description = "The year so far")))]
pub async fn read_progress(
    allowed: Allowed<ReadProgress>,
    place: Path<(String, String)>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (code, number) = place.into_inner();
    let bad = |rule: String| {
        Problem::Invalid(vec![FieldError { pointer: String::new(), code: "path", detail: rule }])
    };
    let municipality = Municipality::parse(&code).map_err(|error| bad(error.to_string()))?;
    let year = number.parse().ok().filter(|_| number.len() == 4).and_then(|n| Year::parse(n).ok());
    let year = year.ok_or_else(|| bad("must be a year from 2000 to 2099".to_owned()))?;
    let progress = progress::read(&api.gateway, allowed, municipality, year).await?.value;
    let done = progress.done;
    let told = ProgressReply {
        municipality: municipality.as_str().to_owned(),
        year: year.number(),
        target: progress
            .target
            .map(|one| TargetReply { pairings: one.pairings, budget_euro: one.budget_euro }),
        actual: ActualReply {
            pairings: done.pairings,
            children: done.children,
            support_families: done.support_families,
            referred: done.referred,
        },
        cost_per_pairing_euro: progress.euro_a_pairing(),
    };
    reply::json(StatusCode::OK, &told)
}
