//! `POST /v1/cases/{id}/transitions`: a case moves along its states.

use crate::domain::case::CaseState;
use crate::domain::identity::Secret;
use crate::domain::person;
use crate::flow::transition;
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::tree::tree;
use crate::http::wire::{Field, Reading, shape};
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::TransitionCase;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TransitionRequest {
    /// A state of the case.
    #[schema(value_type = String)]
    pub to: Field<String>,
    /// Why, in a few words; kept sealed.
    #[schema(value_type = Option<String>)]
    pub reason: Field<String>,
}

/// Where the case stands now.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransitionReply {
    /// State.
    pub state: &'static str,
}

fn read(body: &[u8]) -> Result<(CaseState, Secret), Problem> {
    let wire: TransitionRequest = shape(body)?;
    let tree = tree(body)?;
    let mut r = Reading::default();
    let to = r.need("to", &wire.to, "term", |t| CaseState::parse(t));
    r.may("reason", &wire.reason, "text", |t| person::line(t, 200));
    let mut errors = r.into_errors();
    errors.extend(tree.bsn_places());
    let to = to.filter(|_| errors.is_empty()).ok_or(Problem::Invalid(errors))?;
    Ok((to, Secret::new(tree.to_string())))
}

/// Moves a case along.
///
/// # Errors
/// 404 when it is not the caller's; 409 naming the states it can go to; 412 when it has changed.
#[utoipa::path(post, path = "/v1/cases/{id}/transitions", tag = "cases", operation_id = "transitionCase",
    params(("id" = String, Path, description = "Id of the case")),
    request_body = TransitionRequest,
    responses((status = 200, body = TransitionReply, description = "Moved")))]
pub async fn transition_case(
    allowed: Allowed<TransitionCase>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let parsed =
        reply::if_match(request.headers()).and_then(|expected| Ok((expected, read(&body.0)?)));
    let (expected, (to, reason)) = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => return Err(reply::unless_hidden(gateway, allowed, case, problem).await),
    };
    let state = transition::transition(gateway, allowed, case, to, reason, expected).await?.value;
    reply::json(StatusCode::OK, &TransitionReply { state: state.as_str() })
}
