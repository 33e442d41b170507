//! `POST` and `GET /v1/cases/{id}/pairings`: a family is introduced to a support family.

use crate::clock::from_millisecond;
use crate::domain::pairing::{EndReason, NextForm};
use crate::flow::Once;
use crate::flow::pair::{self, Step};
use crate::flow::pairings::{self, PairingView};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::tree::tree;
use crate::http::wire::{Field, FieldError, Reading, shape};
use crate::ids::{CaseId, SupportFamilyId};
use crate::policy::Allowed;
use crate::policy::action::{ListPairings, PairCase};
use crate::store::pairings::EvaluationRow;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// With whom, and how many children take part.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct PairingRequest {
    /// Id of the support family.
    #[schema(value_type = String)]
    pub support_family: Field<String>,
    /// Children who take part, 1 to 15.
    #[schema(value_type = i64)]
    pub children: Field<i64>,
}

/// Where a pairing and its case stand.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepReply {
    /// Id of the pairing.
    pub id: String,
    /// Where it stands.
    pub state: &'static str,
    /// Where the case stands.
    pub case: &'static str,
    /// Counts changes, from 1.
    pub version: i32,
}

/// A pairing. Instants are RFC 3339.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairingReply {
    /// Id.
    pub id: String,
    /// Id of the support family; this and all but state and version while consent is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_family: Option<String>,
    /// Where it stands.
    pub state: &'static str,
    /// Children who take part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub children: Option<i32>,
    /// When the families were introduced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introduced_at: Option<String>,
    /// When the trial began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial_from: Option<String>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial_until: Option<String>,
    /// Whether it was extended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended: Option<bool>,
    /// When they went on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paired_at: Option<String>,
    /// When the next evaluation is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation_due: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<&'static str>,
    /// Where the children live after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_form: Option<&'static str>,
    /// What the support family may be told of the family as things stand; nothing once it is over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub may_be_told: Vec<&'static str>,
    /// Oldest first.
    pub evaluations: Vec<EvaluationReply>,
    /// Counts changes, from 1.
    pub version: i32,
}

/// An evaluation, without its note.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationReply {
    /// Id.
    pub id: String,
    /// RFC 3339 instant.
    pub at: String,
    /// What became of professional help.
    pub professional_help: &'static str,
    /// Whether the family's network grew.
    pub network_extended: bool,
    /// What became of the child's social contacts.
    pub social_contacts: &'static str,
    /// The family's grade, 1.0 to 10.0.
    pub grade: f64,
    /// Whether a placement was avoided.
    pub placement_avoided: &'static str,
}

/// The pairings of a case.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pairings {
    /// Oldest first.
    pub items: Vec<PairingReply>,
    /// Always null: the list is whole.
    pub next: Option<String>,
}

fn read(body: &[u8]) -> Result<(SupportFamilyId, i32), Vec<FieldError>> {
    let wire: PairingRequest = shape(body).map_err(|error| vec![error])?;
    let tree = tree(body).map_err(|error| vec![error])?;
    let mut r = Reading::default();
    let support = r.need("supportFamily", &wire.support_family, "id", |t| {
        Uuid::try_parse(t).ok().filter(|_| t.len() == 36).ok_or("must be an id")
    });
    let children = r.need("children", &wire.children, "range", |n| {
        let count = i32::try_from(*n).ok().filter(|n| (1..=15).contains(n));
        count.ok_or("must be a whole number from 1 to 15")
    });
    let mut errors = r.into_errors();
    errors.extend(tree.bsn_places());
    match (support, children) {
        (Some(support), Some(children)) if errors.is_empty() => {
            Ok((SupportFamilyId::from_uuid(support), children))
        }
        _ => Err(errors),
    }
}

pub(super) fn step_of(step: &Step) -> StepReply {
    StepReply {
        id: step.pairing.to_string(),
        state: step.state.as_str(),
        case: step.case.as_str(),
        version: step.version,
    }
}

/// Introduces a family to a support family.
///
/// # Errors
/// 404 when the case is not the caller's; 403 with reasons without consent to `pairing`; 409 when the case
/// takes no pairing; 400 when the support family cannot be proposed.
#[utoipa::path(post, path = "/v1/cases/{id}/pairings", tag = "pairings", operation_id = "createPairing",
    params(("id" = String, Path, description = "Id of the case"), ("Idempotency-Key" = String, Header, description = "1-64 visible ASCII characters")),
    request_body = PairingRequest,
    responses((status = 201, body = StepReply, description = "Introduced")))]
pub async fn create_pairing(
    allowed: Allowed<PairCase>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let parsed = reply::idempotency_key(&request)
        .and_then(|key| Ok((key, read(&body.0).map_err(Problem::Invalid)?)));
    let (key, (support, children)) = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => return Err(reply::unless_hidden(gateway, allowed, case, problem).await),
    };
    let route = format!("/v1/cases/{case}/pairings");
    let once = Once::new(&gateway.keyring, allowed.subject(), &route, &key, &body.0);
    let step = pair::introduce(gateway, allowed, case, support, children, once).await?.value;
    let mut response = reply::json(StatusCode::CREATED, &step_of(&step))?;
    let location = header::HeaderValue::from_str(&format!("/v1/pairings/{}", step.pairing));
    response.headers_mut().insert(header::LOCATION, location.or(Err(Problem::Internal))?);
    Ok(reply::replayed(response, step.replayed))
}

/// The pairings of a case.
///
/// # Errors
/// 404 when the case is not the caller's.
#[utoipa::path(get, path = "/v1/cases/{id}/pairings", tag = "pairings", operation_id = "listPairings",
    params(("id" = String, Path, description = "Id of the case")),
    responses((status = 200, body = Pairings, description = "The pairings")))]
pub async fn list_pairings(
    allowed: Allowed<ListPairings>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let found = pairings::list(&api.gateway, allowed, case).await?.value;
    let items = found.iter().map(reply_of).collect();
    reply::json(StatusCode::OK, &Pairings { items, next: None })
}

fn reply_of(view: &PairingView) -> PairingReply {
    let (row, whole) = (&view.row, view.whole);
    let instant = |ms: Option<i64>| ms.filter(|_| whole).map(|ms| from_millisecond(ms).to_string());
    PairingReply {
        id: row.id.to_string(),
        support_family: whole.then(|| row.support_family.to_string()),
        state: row.state.as_str(),
        children: whole.then_some(row.children),
        introduced_at: instant(Some(row.introduced_ms)),
        trial_from: instant(row.trial_ms),
        trial_until: instant(row.trial_until_ms),
        extended: whole.then_some(row.extended),
        paired_at: instant(row.paired_ms),
        evaluation_due: instant(row.evaluate_ms),
        ended_at: instant(row.ended_ms),
        end_reason: row.end_reason.filter(|_| whole).map(EndReason::as_str),
        next_form: row.next_form.filter(|_| whole).map(NextForm::as_str),
        may_be_told: view.may_be_told.iter().map(|item| item.as_str()).collect(),
        evaluations: view.evaluations.iter().map(evaluation_of).collect(),
        version: row.version,
    }
}

fn evaluation_of(row: &EvaluationRow) -> EvaluationReply {
    EvaluationReply {
        id: row.id.to_string(),
        at: from_millisecond(row.at_ms).to_string(),
        professional_help: row.professional_help.as_str(),
        network_extended: row.network_extended,
        social_contacts: row.social_contacts.as_str(),
        grade: f64::from(row.grade) / 10.0,
        placement_avoided: row.placement_avoided.as_str(),
    }
}
