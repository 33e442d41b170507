//! `POST /v1/cases/{id}/erasures`, `/objections` and `/goals`: what a family asks of what is kept, and how the
//! goals of its plan stand.

use crate::domain::person;
use crate::domain::referral::GoalStatus;
use crate::flow::erase::{self, EraseReason};
use crate::flow::goals;
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::tree::tree;
use crate::http::wire::{Field, FieldError, Reading, shape};
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::{ChangeGoals, EraseCase, ObjectToStatistics};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a case is erased.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ErasureRequest {
    /// `family-asked`, `sent-in-error` or `term-over`.
    #[schema(value_type = String)]
    pub reason: Field<String>,
}

/// That the family will not be counted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectionRequest {
    /// Must be `statistics`.
    #[schema(value_type = String)]
    pub to: Field<String>,
}

/// Where a goal stands.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GoalRequest {
    /// Label of the goal, as in the referral.
    #[schema(value_type = String)]
    pub id: Field<String>,
    /// `open`, `in-progress`, `reached` or `stopped`.
    #[schema(value_type = String)]
    pub status: Field<String>,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct DoneReply {
    /// `erased`, `not-counted`, the status of the goal, or the decision about two cases.
    pub status: &'static str,
}

/// Reads a body of one or two terms, and refuses numbers that may not stand anywhere.
pub(super) fn checked<'a, W: Deserialize<'a>, T>(
    body: &'a [u8],
    read: impl FnOnce(&mut Reading, &W) -> Option<T>,
) -> Result<T, Problem> {
    let wire: W = shape(body)?;
    let tree = tree(body)?;
    let mut r = Reading::default();
    let read = read(&mut r, &wire);
    let mut errors: Vec<FieldError> = r.into_errors();
    errors.extend(tree.bsn_places());
    read.filter(|_| errors.is_empty()).ok_or(Problem::Invalid(errors))
}

/// Erases a case: nothing of it opens any more.
///
/// # Errors
/// 404 when it is not the caller's, and ever after; 409 while a pairing lives.
#[utoipa::path(post, path = "/v1/cases/{id}/erasures", tag = "rights", operation_id = "eraseCase",
    params(("id" = String, Path, description = "Id of the case")),
    request_body = ErasureRequest,
    responses((status = 200, body = DoneReply, description = "Erased")))]
pub async fn erase_case(
    allowed: Allowed<EraseCase>,
    id: Path<String>,
    body: JsonBody,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (gateway, case) = (&api.gateway, CaseId::from_uuid(reply::id_or_nil(&id)));
    let reason = checked(&body.0, |r, wire: &ErasureRequest| {
        r.need("reason", &wire.reason, "term", |t| EraseReason::parse(t))
    });
    let reason = match reason {
        Ok(reason) => reason,
        Err(problem) => return Err(reply::unless_hidden(gateway, allowed, case, problem).await),
    };
    erase::erase(gateway, allowed, case, reason).await?;
    reply::json(StatusCode::OK, &DoneReply { status: "erased" })
}

/// Keeps that a family will not be counted in figures published from now on.
///
/// # Errors
/// 404 when the case is not the caller's.
#[utoipa::path(post, path = "/v1/cases/{id}/objections", tag = "rights", operation_id = "objectToStatistics",
    params(("id" = String, Path, description = "Id of the case")),
    request_body = ObjectionRequest,
    responses((status = 200, body = DoneReply, description = "Kept")))]
pub async fn object_to_statistics(
    allowed: Allowed<ObjectToStatistics>,
    id: Path<String>,
    body: JsonBody,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (gateway, case) = (&api.gateway, CaseId::from_uuid(reply::id_or_nil(&id)));
    let to = checked(&body.0, |r, wire: &ObjectionRequest| {
        let known = |t: &String| if t == "statistics" { Ok(()) } else { Err("must be statistics") };
        r.need("to", &wire.to, "term", known)
    });
    if let Err(problem) = to {
        return Err(reply::unless_hidden(gateway, allowed, case, problem).await);
    }
    erase::object(gateway, allowed, case).await?;
    reply::json(StatusCode::OK, &DoneReply { status: "not-counted" })
}

/// Says where a goal of the plan stands, for its participants.
///
/// # Errors
/// 404 when the case is not the caller's; 400 when its plan has no such goal; 409 once it is closed.
#[utoipa::path(post, path = "/v1/cases/{id}/goals", tag = "cases", operation_id = "changeGoal",
    params(("id" = String, Path, description = "Id of the case")),
    request_body = GoalRequest,
    responses((status = 200, body = DoneReply, description = "Kept")))]
pub async fn change_goal(
    allowed: Allowed<ChangeGoals>,
    id: Path<String>,
    body: JsonBody,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (gateway, case) = (&api.gateway, CaseId::from_uuid(reply::id_or_nil(&id)));
    let goal = checked(&body.0, |r, wire: &GoalRequest| {
        let id = r.need("id", &wire.id, "label", |t| person::label(t).map(|()| t.clone()));
        let status = r.need("status", &wire.status, "term", |t| GoalStatus::parse(t));
        Some((id?, status?))
    });
    let (goal, status) = match goal {
        Ok(goal) => goal,
        Err(problem) => return Err(reply::unless_hidden(gateway, allowed, case, problem).await),
    };
    let status = goals::change(gateway, allowed, case, goal, status).await?.value;
    reply::json(StatusCode::OK, &DoneReply { status: status.as_str() })
}
