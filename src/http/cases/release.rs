//! `POST` and `GET /v1/cases/{id}/identity-releases`: who the family is, for the assigned coordinator
//! only; and who asked.

use crate::clock::from_millisecond;
use crate::domain::case::ReleasePurpose;
use crate::domain::identity::{FieldGroup, Secret};
use crate::domain::person;
use crate::flow::Once;
use crate::flow::cases as reading;
use crate::flow::release::{self, Asked, Released};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::referrals::goals;
use crate::http::reply;
use crate::http::tree::tree;
use crate::http::wire::{Field, FieldError, Reading, shape};
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::{ListReleases, ReleaseIdentity};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// For what, and why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseRequest {
    /// `intake`, `pairing` or `monitoring`.
    #[schema(value_type = String)]
    pub purpose: Field<String>,
    /// Why, in a sentence; kept sealed, shown to the family on request.
    #[schema(value_type = String)]
    pub reason: Field<String>,
}

/// What is released.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseReply {
    /// Id of the release.
    pub id: String,
    /// RFC 3339 instant.
    pub released_at: String,
    /// Purpose.
    pub purpose: &'static str,
    /// `full` or `contact`.
    pub stage: &'static str,
    /// The field groups that consent and stage allow, each as it was sent; goals with the status of today.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    pub fields: BTreeMap<&'static str, Box<RawValue>>,
}

/// One line of who opened the identity.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseLineReply {
    /// Id of the release.
    pub id: String,
    /// RFC 3339 instant.
    pub released_at: String,
    /// Who: the account, or a pseudonym of it for the privacy officer.
    pub person: String,
    /// Purpose.
    pub purpose: String,
    /// `full` or `contact`.
    pub stage: String,
    /// Names of the field groups.
    pub fields: Vec<String>,
    /// Why; for the coordinator who holds the case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who opened the identity.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseLines {
    /// Oldest first.
    pub items: Vec<ReleaseLineReply>,
    /// Always null: the list is whole.
    pub next: Option<String>,
}

fn read(body: &[u8], expected: Option<i32>) -> Result<Asked, Vec<FieldError>> {
    let wire: ReleaseRequest = shape(body).map_err(|error| vec![error])?;
    let tree = tree(body).map_err(|error| vec![error])?;
    let mut r = Reading::default();
    let purpose = r.need("purpose", &wire.purpose, "term", |t| ReleasePurpose::parse(t));
    let reason = r.need("reason", &wire.reason, "text", |t| {
        person::line(t, 500).map(|()| Secret::new(t.clone()))
    });
    let mut errors = r.into_errors();
    errors.extend(tree.bsn_places());
    match (purpose, reason) {
        (Some(purpose), Some(reason)) if errors.is_empty() => {
            Ok(Asked { purpose, reason, expected })
        }
        _ => Err(errors),
    }
}

/// Releases the identity behind a case.
///
/// # Errors
/// 404 when the case is not there or not assigned to the caller; 403 with reasons when consent does
/// not cover the purpose; 409 when the case is on hold or closed; 503 when the ledger cannot be
/// written. Nothing is opened then.
#[utoipa::path(post, path = "/v1/cases/{id}/identity-releases", tag = "cases", operation_id = "releaseIdentity",
    params(("id" = String, Path, description = "Id of the case"), ("Idempotency-Key" = String, Header, description = "1-64 visible ASCII characters")),
    request_body = ReleaseRequest,
    responses((status = 201, body = ReleaseReply, description = "Released")))]
pub async fn release_identity(
    allowed: Allowed<ReleaseIdentity>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let parsed = reply::idempotency_key(&request).and_then(|key| {
        let expected = reply::if_match(request.headers())?;
        Ok((key, read(&body.0, expected).map_err(Problem::Invalid)?))
    });
    let (key, asked) = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => return Err(reply::unless_hidden(gateway, allowed, case, problem).await),
    };
    let route = format!("/v1/cases/{case}/identity-releases");
    let once = Once::new(&gateway.keyring, allowed.subject(), &route, &key, &body.0);
    let released = release::release(gateway, allowed, case, asked, once).await?.value;
    let replayed = released.replayed;
    let response = reply::padded(StatusCode::CREATED, &reply_of(released)?)?;
    Ok(reply::replayed(response, replayed))
}

fn reply_of(released: Released) -> Result<ReleaseReply, Problem> {
    let mut fields = BTreeMap::new();
    for disclosure in released.disclosures {
        let content = RawValue::from_string(disclosure.content.reveal().to_owned());
        let (name, content) = match disclosure.group {
            // At stage `contact` the only name shown is the registrant's own.
            FieldGroup::Registrant => {
                (FieldGroup::Names.as_str(), in_list(disclosure.content.reveal()))
            }
            group => (group.as_str(), content),
        };
        let mut content = content.or(Err(Problem::Internal))?;
        if disclosure.group == FieldGroup::PlanGoals {
            content = goals::today(&content, &released.goals)?;
        }
        fields.insert(name, content);
    }
    Ok(ReleaseReply {
        id: released.id.to_string(),
        released_at: released.at.to_string(),
        purpose: released.purpose.as_str(),
        stage: released.stage.as_str(),
        fields,
    })
}

fn in_list(item: &str) -> Result<Box<RawValue>, serde_json::Error> {
    RawValue::from_string(format!("[{item}]"))
}

/// Who opened the identity, when and why.
///
/// # Errors
/// 404 when the case is not there or not the caller's.
#[utoipa::path(get, path = "/v1/cases/{id}/identity-releases", tag = "cases", operation_id = "listIdentityReleases",
    params(("id" = String, Path, description = "Id of the case")),
    responses((status = 200, body = ReleaseLines, description = "The releases")))]
pub async fn list_releases(
    allowed: Allowed<ListReleases>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let lines = reading::releases(&api.gateway, allowed, case).await?.value;
    let items = lines
        .into_iter()
        .map(|line| ReleaseLineReply {
            id: line.release.id.to_string(),
            released_at: from_millisecond(line.release.at_ms).to_string(),
            person: line.person,
            purpose: line.release.purpose,
            stage: line.release.stage,
            fields: line.release.field_groups,
            reason: line.reason.map(|reason| reason.reveal().to_owned()),
        })
        .collect();
    reply::json(StatusCode::OK, &ReleaseLines { items, next: None })
}
