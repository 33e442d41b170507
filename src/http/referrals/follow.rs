//! `GET /v1/referrals`, `GET /v1/referrals/{id}`, `POST /v1/referrals/{id}/withdrawals`.

use crate::clock::from_millisecond;
use crate::flow::referrals::{self as flow, OwnReferral};
use crate::http::Api;
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::ids::ReferralId;
use crate::policy::Allowed;
use crate::policy::action::{ListReferrals, ReadReferral, WithdrawReferral};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A referral as its referrer may see it: nothing about the family.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReferralReply {
    /// Id.
    pub id: String,
    /// The referrer's own reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub reference: Option<Value>,
    /// Status; this and the following only while the family consents to `feedback`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// RFC 3339 instant.
    pub received_at: String,
    /// RFC 3339 instant; as `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<String>,
    /// Counts changes, from 1; as `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
}

/// A page of referrals.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReferralPage {
    /// Oldest first.
    pub items: Vec<ReferralReply>,
    /// Cursor of the next page, if there may be one.
    pub next: Option<String>,
}

/// The new status.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusReply {
    /// Status.
    pub status: &'static str,
}

fn reply_of(own: &OwnReferral) -> ReferralReply {
    let told = own.feedback;
    let text = own.reference.as_ref().map(|sealed| serde_json::from_str(sealed.reveal()));
    ReferralReply {
        reference: text.and_then(Result::ok),
        id: own.id.to_string(),
        status: told.map(|told| told.status.as_str()),
        received_at: from_millisecond(own.received_ms).to_string(),
        changed_at: told.map(|told| from_millisecond(told.changed_ms).to_string()),
        version: told.map(|told| told.version),
    }
}

/// Lists the partner's own referrals.
///
/// # Errors
/// 400 for a parameter or cursor that is not of this list.
#[utoipa::path(get, path = "/v1/referrals", tag = "referrals", operation_id = "listReferrals",
    params(("limit" = Option<i64>, Query, description = "1-100, default 25"), ("cursor" = Option<String>, Query, description = "From the page before")),
    responses((status = 200, body = ReferralPage, description = "A page")))]
pub async fn list_referrals(
    allowed: Allowed<ListReferrals>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let page = Page::read(&api.gateway, allowed.subject(), &request, "/v1/referrals")?;
    let rows = flow::list(&api.gateway, allowed, page.after, page.limit).await?.value;
    let last = rows.last().map(|own| (own.received_ms, own.id.uuid()));
    let next = page.next(&api.gateway, rows.len(), last)?;
    let items = rows.iter().map(reply_of).collect();
    reply::json(StatusCode::OK, &ReferralPage { items, next })
}

/// Reads the status of one referral.
///
/// # Errors
/// 404 when it is not there or another partner's.
#[utoipa::path(get, path = "/v1/referrals/{id}", tag = "referrals", operation_id = "readReferral",
    params(("id" = String, Path, description = "Id of the referral")),
    responses((status = 200, body = ReferralReply, description = "The referral")))]
pub async fn read_referral(
    allowed: Allowed<ReadReferral>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let id = ReferralId::from_uuid(reply::id_or_nil(&id));
    let own = flow::read(&api.gateway, allowed, id).await?.value;
    let reply = reply_of(&own);
    match reply.version {
        Some(version) => reply::versioned(StatusCode::OK, version, &reply),
        None => reply::json(StatusCode::OK, &reply),
    }
}

/// Takes a referral back.
///
/// # Errors
/// 404 when it is not there or another partner's; 409 when it has ended.
#[utoipa::path(post, path = "/v1/referrals/{id}/withdrawals", tag = "referrals", operation_id = "withdrawReferral",
    params(("id" = String, Path, description = "Id of the referral")),
    responses((status = 200, body = StatusReply, description = "Taken back")))]
pub async fn withdraw_referral(
    allowed: Allowed<WithdrawReferral>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let id = ReferralId::from_uuid(reply::id_or_nil(&id));
    let status = flow::withdraw(&api.gateway, allowed, id).await?.value;
    reply::json(StatusCode::OK, &StatusReply { status: status.as_str() })
}
