//! `POST` and `GET /v1/cases/{id}/assignments`: who works on a case.

use crate::clock::from_millisecond;
use crate::domain::partner::Slug;
use crate::flow::{Once, assign, cases as reading};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::wire::{Field, Reading, shape};
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::{AssignCase, ListAssignments};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// To whom.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AssignmentRequest {
    /// Account name of a coordinator with a territory.
    #[schema(value_type = String)]
    pub coordinator: Field<String>,
}

/// An assignment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentReply {
    /// Account name of the coordinator.
    pub coordinator: String,
    /// Account name of who assigned; `territory` where the map did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_by: Option<String>,
    /// RFC 3339 instant.
    pub assigned_at: String,
}

/// All assignments of a case.
#[derive(Debug, Serialize, ToSchema)]
pub struct Assignments {
    /// Oldest first; the last one holds.
    pub items: Vec<AssignmentReply>,
    /// Always null: the list is whole.
    pub next: Option<String>,
}

fn read(body: &[u8]) -> Result<Slug, Problem> {
    let wire: AssignmentRequest = shape(body)?;
    let mut r = Reading::default();
    let to = r.need("coordinator", &wire.coordinator, "account", |t| Slug::parse(t));
    to.ok_or_else(|| Problem::Invalid(r.into_errors()))
}

/// Hands a case to a coordinator. The one who had it loses access at that instant.
///
/// # Errors
/// 404 when the case is not of the caller's organisation; 400 when nobody of that name can take it;
/// 409 when it is closed; 412 when it has changed.
#[utoipa::path(post, path = "/v1/cases/{id}/assignments", tag = "cases", operation_id = "assignCase",
    params(("id" = String, Path, description = "Id of the case"), ("Idempotency-Key" = String, Header, description = "1-64 visible ASCII characters")),
    request_body = AssignmentRequest,
    responses((status = 201, body = AssignmentReply, description = "Assigned")))]
pub async fn assign_case(
    allowed: Allowed<AssignCase>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let parsed = reply::idempotency_key(&request)
        .and_then(|key| Ok((key, reply::if_match(request.headers())?, read(&body.0)?)));
    let (key, expected, to) = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => {
            return Err(reply::unless_hidden(gateway, allowed, case, problem).await);
        }
    };
    let route = format!("/v1/cases/{case}/assignments");
    let once = Once::new(&gateway.keyring, allowed.subject(), &route, &key, &body.0);
    let assigned = assign::assign(gateway, allowed, case, to, expected, once).await?.value;
    let body = AssignmentReply {
        coordinator: assigned.coordinator.as_str().to_owned(),
        assigned_by: None,
        assigned_at: assigned.at.to_string(),
    };
    Ok(reply::replayed(reply::json(StatusCode::CREATED, &body)?, assigned.replayed))
}

/// To whom a case was handed.
///
/// # Errors
/// 404 when the case is not of the caller's organisation.
#[utoipa::path(get, path = "/v1/cases/{id}/assignments", tag = "cases", operation_id = "listAssignments",
    params(("id" = String, Path, description = "Id of the case")),
    responses((status = 200, body = Assignments, description = "The assignments")))]
pub async fn list_assignments(
    allowed: Allowed<ListAssignments>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let rows = reading::assignments(&api.gateway, allowed, case).await?.value;
    let items = rows
        .iter()
        .map(|row| AssignmentReply {
            coordinator: row.coordinator.as_str().to_owned(),
            assigned_by: Some(row.by.as_str().to_owned()),
            assigned_at: from_millisecond(row.at_ms).to_string(),
        })
        .collect();
    reply::json(StatusCode::OK, &Assignments { items, next: None })
}
