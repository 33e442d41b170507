//! `GET /v1/cases` and `GET /v1/cases/{id}`: cases without names.

use crate::clock::from_millisecond;
use crate::domain::case::Stage;
use crate::domain::partner::Role;
use crate::flow::cases::{self as flow, CaseView};
use crate::http::Api;
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::{ListCases, ReadCase};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A case without names.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaseReply {
    /// Id.
    pub id: String,
    /// Where it stands.
    pub state: &'static str,
    /// In which capacity it was referred.
    pub source: &'static str,
    /// How soon.
    pub urgency: &'static str,
    /// CBS code of the gemeente.
    pub municipality: String,
    /// CBS code of the wijk.
    pub district: Option<String>,
    /// Composition of the household; while consent is full, or for the assigner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub household: Option<&'static str>,
    /// Age bands of the children, youngest first; as `household`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_bands: Option<Vec<&'static str>>,
    /// Children in the household, codes and dayparts; as `household`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// Where consent stands.
    pub consent: ConsentStanding,
    /// The same family, the same pseudonym, for this organisation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_pseudonym: Option<String>,
    /// RFC 3339 instant.
    pub received_at: String,
    /// RFC 3339 instant.
    pub changed_at: String,
    /// Counts changes, from 1.
    pub version: i32,
}

/// Where consent stands today.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentStanding {
    /// `full`, `contact` or `none`.
    pub stage: &'static str,
    /// Why it is not full.
    pub reasons: Vec<&'static str>,
    /// Labels of who still has to sign.
    pub missing: Vec<String>,
    /// RFC 3339 instant after which it is over.
    pub until: Option<String>,
}

/// A page of cases.
#[derive(Debug, Serialize, ToSchema)]
pub struct CasePage {
    /// Oldest first.
    pub items: Vec<CaseReply>,
    /// Cursor of the next page, if there may be one.
    pub next: Option<String>,
}

fn reply_of(view: &CaseView, role: Role) -> CaseReply {
    let row = &view.row;
    // The matrix gives the assigner generalised fields without condition, the coordinator only what
    // consent covers.
    let shown = role == Role::Assigner || view.stage == Some(Stage::Full);
    CaseReply {
        id: row.id.to_string(),
        state: row.state.as_str(),
        source: row.source.as_str(),
        urgency: row.urgency.as_str(),
        municipality: row.profile.municipality.to_string(),
        district: row.profile.district.map(|district| district.to_string()),
        household: shown.then(|| row.profile.composition.as_str()),
        age_bands: shown.then(|| view.age_bands.iter().map(|band| band.as_str()).collect()),
        request: shown.then(|| serde_json::from_str(view.view.reveal()).unwrap_or_default()),
        consent: ConsentStanding {
            stage: view.stage.map_or("none", |stage| stage.as_str()),
            reasons: view.reasons.iter().map(|reason| reason.as_str()).collect(),
            // Whose signature is missing is for the one who works on the case.
            missing: match role {
                Role::Coordinator => {
                    view.missing.iter().map(|label| label.as_str().to_owned()).collect()
                }
                _ => Vec::new(),
            },
            until: view.until.map(|until| until.to_string()),
        },
        family_pseudonym: (role == Role::Coordinator).then(|| view.pseudonym.clone()),
        received_at: from_millisecond(row.received_ms).to_string(),
        changed_at: from_millisecond(row.changed_ms).to_string(),
        version: row.version,
    }
}

/// Lists the coordinator's cases, or with `assigned=false` those nobody holds, for the assigner.
///
/// # Errors
/// 400 for a parameter or cursor that is not of this list; 403 for a coordinator asking for unassigned
/// cases.
#[utoipa::path(get, path = "/v1/cases", tag = "cases", operation_id = "listCases",
    params(("limit" = Option<i64>, Query, description = "1-100, default 25"), ("cursor" = Option<String>, Query, description = "From the page before"),
        ("assigned" = Option<bool>, Query, description = "false: cases nobody holds, for assigners")),
    responses((status = 200, body = CasePage, description = "A page")))]
pub async fn list_cases(
    allowed: Allowed<ListCases>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let page = Page::read(&api.gateway, allowed.subject(), &request, "/v1/cases")?;
    let role = if page.unassigned { Role::Assigner } else { Role::Coordinator };
    let allowed = allowed.in_role(role).ok_or(Problem::Forbidden)?;
    let views = flow::list(&api.gateway, allowed, page.after, page.limit).await?.value;
    let last = views.last().map(|view| (view.row.received_ms, view.row.id.uuid()));
    let next = page.next(&api.gateway, views.len(), last)?;
    let items = views.iter().map(|view| reply_of(view, role)).collect();
    reply::json(StatusCode::OK, &CasePage { items, next })
}

/// Reads one case.
///
/// # Errors
/// 404 when it is not there or not assigned to the caller: the same answer.
#[utoipa::path(get, path = "/v1/cases/{id}", tag = "cases", operation_id = "readCase",
    params(("id" = String, Path, description = "Id of the case")),
    responses((status = 200, body = CaseReply, description = "The case")))]
pub async fn read_case(
    allowed: Allowed<ReadCase>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let view = flow::read(&api.gateway, allowed, case).await?.value;
    reply::versioned(StatusCode::OK, view.row.version, &reply_of(&view, Role::Coordinator))
}
