//! `GET /v1/cases/{id}/links` and `POST /v1/cases/{id}/link-decisions`: a family that was referred twice.

use crate::domain::likeness::{Evidence, LinkDecision};
use crate::flow::links::{self, Link};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::cases::rights::{DoneReply, checked};
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::wire::Field;
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::{DecideLink, ListLinks};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Another case of the organisation that may be about the same family.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkReply {
    /// Its id.
    pub case: String,
    /// Whether the caller holds it too, and can read it.
    pub yours: bool,
    /// `likely` or `possible`.
    pub likelihood: &'static str,
    /// Kinds of what they have in common.
    pub evidence: Vec<&'static str>,
    /// `linked`, `apart`, or `open` while nothing is decided.
    pub decision: &'static str,
}

/// Cases that may be about the same family.
#[derive(Debug, Serialize, ToSchema)]
pub struct Links {
    /// Likely ones first; fifty at most.
    pub items: Vec<LinkReply>,
    /// Always null: the list is whole.
    pub next: Option<String>,
}

/// What is decided about two cases.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LinkRequest {
    /// Id of the other case, as it was proposed.
    #[schema(value_type = String)]
    pub case: Field<String>,
    /// `linked`, `apart`, or `open` to take an earlier decision back.
    #[schema(value_type = String)]
    pub decision: Field<String>,
}

fn reply_of(link: &Link) -> LinkReply {
    LinkReply {
        case: link.case.to_string(),
        yours: link.yours,
        likelihood: link.likelihood.as_str(),
        evidence: link.evidence.iter().copied().map(Evidence::as_str).collect(),
        decision: link.decision.as_str(),
    }
}

/// Lists cases that may be about the same family, with the kinds of evidence and no value.
///
/// # Errors
/// 404 when the case is not the caller's.
#[utoipa::path(get, path = "/v1/cases/{id}/links", tag = "cases", operation_id = "listLinks",
    params(("id" = String, Path, description = "Id of the case")),
    responses((status = 200, body = Links, description = "The cases")))]
pub async fn list_links(
    allowed: Allowed<ListLinks>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let done = links::list(&api.gateway, allowed, case).await?;
    let items = done.value.iter().map(reply_of).collect();
    reply::json(StatusCode::OK, &Links { items, next: None })
}

/// Links two cases, keeps them apart, or takes that back. Nothing is merged.
///
/// # Errors
/// 404 when the case is not the caller's; 400 when the other one was not proposed.
#[utoipa::path(post, path = "/v1/cases/{id}/link-decisions", tag = "cases", operation_id = "decideLink",
    params(("id" = String, Path, description = "Id of the case")),
    request_body = LinkRequest,
    responses((status = 200, body = DoneReply, description = "Kept")))]
pub async fn decide_link(
    allowed: Allowed<DecideLink>,
    id: Path<String>,
    body: JsonBody,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (gateway, case) = (&api.gateway, CaseId::from_uuid(reply::id_or_nil(&id)));
    let decision = checked(&body.0, |r, wire: &LinkRequest| {
        let other = r.need("case", &wire.case, "id", |t| {
            Uuid::try_parse(t).ok().filter(|_| t.len() == 36).ok_or("must be an id")
        });
        let decision = r.need("decision", &wire.decision, "term", |t| LinkDecision::parse(t));
        Some((CaseId::from_uuid(other?), decision?))
    });
    let (other, decision) = match decision {
        Ok(decision) => decision,
        Err(problem) => return Err(reply::unless_hidden(gateway, allowed, case, problem).await),
    };
    let kept = links::decide(gateway, allowed, case, other, decision).await?.value;
    reply::json(StatusCode::OK, &DoneReply { status: kept.as_str() })
}
