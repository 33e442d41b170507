//! `GET /v1/referrals/{id}/goals`: how the goals of a plan stand, for its participants.

use crate::domain::identity::FieldGroup;
use crate::domain::referral::{GoalStatus, ReferralStatus};
use crate::flow::goals::{self as flow, PlanView};
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::ids::ReferralId;
use crate::policy::Allowed;
use crate::policy::action::ReadGoals;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// How a plan stands. What is not granted, or was not sent, is absent.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanReply {
    /// Id of the referral.
    pub id: String,
    /// Where the referral stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// Where consent stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentStatus>,
    /// Reference, version and dates of the plan, as it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub plan: Option<Box<RawValue>>,
    /// Its goals as they were sent, with the status of today.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    pub goals: Option<Box<RawValue>>,
    /// Whom to call: the professional who referred.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub referrer: Option<Box<RawValue>>,
}

/// Where consent stands, and no more.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentStatus {
    /// `full`, `contact` or `none`.
    pub stage: &'static str,
}

fn reply_of(id: ReferralId, view: &PlanView) -> Result<PlanReply, Problem> {
    let part = |group: FieldGroup| {
        let found = view.disclosures.iter().find(|disclosure| disclosure.group == group);
        let text = found.map(|disclosure| disclosure.content.reveal().to_owned());
        text.map(RawValue::from_string).transpose().or(Err(Problem::Internal))
    };
    let consent = view.consent.map(|stage| ConsentStatus { stage });
    Ok(PlanReply {
        id: id.to_string(),
        status: view.status.map(ReferralStatus::as_str),
        consent,
        plan: part(FieldGroup::PlanReference)?,
        goals: part(FieldGroup::PlanGoals)?.map(|sent| today(&sent, &view.goals)).transpose()?,
        referrer: part(FieldGroup::Referrer)?,
    })
}

/// The goals as they were sent, each with the status it has today.
///
/// # Errors
/// [`Problem::Internal`] when what was sealed is not JSON.
pub(in crate::http) fn today(
    sent: &RawValue,
    standing: &[(String, GoalStatus)],
) -> Result<Box<RawValue>, Problem> {
    let mut goals: Value = serde_json::from_str(sent.get()).or(Err(Problem::Internal))?;
    put_today(&mut goals, standing);
    RawValue::from_string(goals.to_string()).or(Err(Problem::Internal))
}

/// Gives goals the status that they have today.
pub(in crate::http) fn put_today(goals: &mut Value, standing: &[(String, GoalStatus)]) {
    for goal in goals.as_array_mut().into_iter().flatten() {
        let found = standing.iter().find(|(id, _)| goal["id"] == json!(id));
        if let Some((_, status)) = found {
            goal["status"] = json!(status.as_str());
        }
    }
}

/// Reads how the goals of a plan stand.
///
/// # Errors
/// 404 when the referral is not there, the caller's organisation takes no part in its plan, or the
/// family does not consent to `coordination`: the same answer.
#[utoipa::path(get, path = "/v1/referrals/{id}/goals", tag = "referrals", operation_id = "readGoals",
    params(("id" = String, Path, description = "Id of the referral")),
    responses((status = 200, body = PlanReply, description = "The plan")))]
pub async fn read_goals(
    allowed: Allowed<ReadGoals>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let id = ReferralId::from_uuid(reply::id_or_nil(&id));
    let view = flow::read(&api.gateway, allowed, id).await?.value;
    reply::json(StatusCode::OK, &reply_of(id, &view)?)
}
