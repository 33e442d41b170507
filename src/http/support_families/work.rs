//! `POST /v1/support-families/{id}/transitions` and `/identity-releases`: looked into, and opened.

use crate::domain::identity::{Disclosure, Secret};
use crate::domain::person;
use crate::domain::support_family::{Screening, SupportState};
use crate::flow::Once;
use crate::flow::support::{self, Learned};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::support_families::register::{OfferWire, read_offer};
use crate::http::tree::tree;
use crate::http::wire::{Field, FieldError, Reading, shape};
use crate::ids::SupportFamilyId;
use crate::policy::Allowed;
use crate::policy::action::{ReleaseSupportIdentity, TransitionSupportFamily};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Where it is to go, and what was found out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct SupportTransitionRequest {
    /// A state; the present one keeps it where it is.
    #[schema(value_type = String)]
    pub to: Field<String>,
    /// Day of the interview.
    #[schema(value_type = Option<String>)]
    pub interviewed_on: Field<String>,
    /// Day the certificate of conduct (VOG) was seen.
    #[schema(value_type = Option<String>)]
    pub vog_seen_on: Field<String>,
    /// Whether it has experience with children.
    #[schema(value_type = Option<bool>)]
    pub parenting_experience: Field<bool>,
    /// What it offers from here on.
    #[schema(value_type = Option<OfferWire>)]
    pub offer: Field<OfferWire>,
}

/// Where it stands now.
#[derive(Debug, Serialize, ToSchema)]
pub struct SupportTransitionReply {
    /// State.
    pub state: &'static str,
}

/// Why who it is is opened.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SupportReleaseRequest {
    /// Why, in a sentence.
    #[schema(value_type = String)]
    pub reason: Field<String>,
}

/// Who it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct SupportReleaseReply {
    /// The field groups, each as it was sent.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    pub fields: BTreeMap<&'static str, Box<RawValue>>,
}

fn read_step(body: &[u8], today: Date) -> Result<(SupportState, Learned), Vec<FieldError>> {
    let wire: SupportTransitionRequest = shape(body).map_err(|error| vec![error])?;
    let tree = tree(body).map_err(|error| vec![error])?;
    let mut r = Reading::default();
    let to = r.need("to", &wire.to, "term", |t| SupportState::parse(t));
    let mut day = |at: &str, field: &Field<String>| {
        r.may(at, field, "date", |text| {
            let day = text.parse::<Date>().ok().filter(|_| text.len() == 10);
            day.filter(|day| *day <= today).ok_or("must be a date YYYY-MM-DD that has come")
        })
    };
    let interviewed_on = day("interviewedOn", &wire.interviewed_on);
    let vog_seen_on = day("vogSeenOn", &wire.vog_seen_on);
    let experienced = r.optional("parentingExperience", &wire.parenting_experience) == Some(&true);
    let offer = r.optional("offer", &wire.offer);
    let offer = offer.and_then(|wire| r.within("offer", wire, read_offer));
    let mut errors = r.into_errors();
    errors.extend(tree.bsn_places());
    let screening = Screening { interviewed_on, vog_seen_on, experienced };
    match to {
        Some(to) if errors.is_empty() => Ok((to, Learned { screening, offer })),
        _ => Err(errors),
    }
}

/// Moves a support family along, keeping what was found out.
///
/// # Errors
/// 404 when it is not the caller's; 409 naming the states it can go to; 412 when it has changed.
#[utoipa::path(post, path = "/v1/support-families/{id}/transitions", tag = "support-families", operation_id = "transitionSupportFamily",
    params(("id" = String, Path, description = "Id of the support family")),
    request_body = SupportTransitionRequest,
    responses((status = 200, body = SupportTransitionReply, description = "Moved")))]
pub async fn transition_support_family(
    allowed: Allowed<TransitionSupportFamily>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let id = SupportFamilyId::from_uuid(reply::id_or_nil(&id));
    let today = crate::domain::age::date_in_amsterdam(gateway.clock.now());
    let parsed = reply::if_match(request.headers())
        .and_then(|expected| Ok((expected, read_step(&body.0, today).map_err(Problem::Invalid)?)));
    let (expected, (to, learned)) = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => {
            return Err(reply::unless_hidden_support(gateway, allowed, id, problem).await);
        }
    };
    let state = support::transition(gateway, allowed, id, to, learned, expected).await?.value;
    reply::json(StatusCode::OK, &SupportTransitionReply { state: state.as_str() })
}

fn read_reason(body: &[u8]) -> Result<Secret, Vec<FieldError>> {
    let wire: SupportReleaseRequest = shape(body).map_err(|error| vec![error])?;
    let tree = tree(body).map_err(|error| vec![error])?;
    let mut r = Reading::default();
    let reason = r.need("reason", &wire.reason, "text", |t| {
        person::line(t, 500).map(|()| Secret::new(t.clone()))
    });
    let mut errors = r.into_errors();
    errors.extend(tree.bsn_places());
    reason.filter(|_| errors.is_empty()).ok_or(errors)
}

/// Opens who a support family is, for the coordinator who looks after it or has a family paired with it.
///
/// # Errors
/// 404 for everybody else, and after it left; 503 when the ledger cannot be written.
#[utoipa::path(post, path = "/v1/support-families/{id}/identity-releases", tag = "support-families", operation_id = "releaseSupportIdentity",
    params(("id" = String, Path, description = "Id of the support family"), ("Idempotency-Key" = String, Header, description = "1-64 visible ASCII characters")),
    request_body = SupportReleaseRequest,
    responses((status = 201, body = SupportReleaseReply, description = "Released")))]
pub async fn release_support_identity(
    allowed: Allowed<ReleaseSupportIdentity>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let id = SupportFamilyId::from_uuid(reply::id_or_nil(&id));
    let parsed = reply::idempotency_key(&request)
        .and_then(|key| Ok((key, read_reason(&body.0).map_err(Problem::Invalid)?)));
    let (key, reason) = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => {
            return Err(reply::unless_hidden_support(gateway, allowed, id, problem).await);
        }
    };
    let route = format!("/v1/support-families/{id}/identity-releases");
    let once = Once::new(&gateway.keyring, allowed.subject(), &route, &key, &body.0);
    let (opened, replayed) = support::release(gateway, allowed, id, reason, once).await?.value;
    let body = SupportReleaseReply { fields: fields(opened)? };
    Ok(reply::replayed(reply::padded(StatusCode::CREATED, &body)?, replayed))
}

fn fields(opened: Vec<Disclosure>) -> Result<BTreeMap<&'static str, Box<RawValue>>, Problem> {
    let field = |disclosure: Disclosure| {
        let content = RawValue::from_string(disclosure.content.reveal().to_owned());
        Ok((disclosure.group.as_str(), content.or(Err(Problem::Internal))?))
    };
    opened.into_iter().map(field).collect()
}
