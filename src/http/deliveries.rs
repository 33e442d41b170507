//! `/v1/deliveries`: where messages to partners stand, for an operator. Nothing of what is in them.

use crate::clock::from_millisecond;
use crate::flow::deliver as flow;
use crate::http::Api;
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::ids::DeliveryId;
use crate::policy::Allowed;
use crate::policy::action::{ListDeliveries, RetryDelivery};
use crate::store::deliveries::Listed;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

/// One message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryReply {
    /// Id, by which a receiver tells a repetition.
    pub id: String,
    /// Short name of the partner that gets it.
    pub partner: String,
    /// CloudEvents `type`.
    pub kind: String,
    /// `no-endpoint`, `waiting`, `retrying`, `parked` or `delivered`.
    pub state: &'static str,
    /// How often it was tried.
    pub attempts: u32,
    /// How the last attempt ended, such as `http-503` or `timeout`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    /// RFC 3339 instant.
    pub created_at: String,
    /// RFC 3339 instant of the next attempt, while it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<String>,
    /// RFC 3339 instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<String>,
}

/// A page of messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryPage {
    /// Oldest first.
    pub items: Vec<DeliveryReply>,
    /// Cursor of the next page; null on the last.
    pub next: Option<String>,
}

fn reply_of(listed: &Listed) -> DeliveryReply {
    DeliveryReply {
        id: listed.id.to_string(),
        partner: listed.partner.clone(),
        kind: listed.kind.clone(),
        state: listed.state.as_str(),
        attempts: listed.attempts,
        outcome: listed.outcome.clone(),
        created_at: from_millisecond(listed.created_ms).to_string(),
        due_at: listed.due_ms.map(|ms| from_millisecond(ms).to_string()),
        delivered_at: listed.delivered_ms.map(|ms| from_millisecond(ms).to_string()),
    }
}

/// Lists messages and where they stand.
///
/// # Errors
/// 400 for a parameter or cursor that is not of this list; 403 for any other role.
#[utoipa::path(get, path = "/v1/deliveries", tag = "deliveries", operation_id = "listDeliveries",
    params(("limit" = Option<i64>, Query, description = "1-100, default 25"), ("cursor" = Option<String>, Query, description = "From the page before")),
    responses((status = 200, body = DeliveryPage, description = "A page")))]
pub async fn list_deliveries(
    allowed: Allowed<ListDeliveries>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let page = Page::read(&api.gateway, allowed.subject(), &request, "/v1/deliveries")?;
    let rows = flow::list(&api.gateway, allowed, page.after, page.limit).await?.value;
    let last = rows.last().map(|row| (row.created_ms, row.id.uuid()));
    let next = page.next(&api.gateway, rows.len(), last)?;
    let items = rows.iter().map(reply_of).collect();
    reply::json(StatusCode::OK, &DeliveryPage { items, next })
}

/// Has a message tried again at once: one that is parked, or waits for its next attempt.
///
/// # Errors
/// 404 when it is not there; 409 when it was delivered, was not tried yet, or others are before it.
#[utoipa::path(post, path = "/v1/deliveries/{id}/retries", tag = "deliveries", operation_id = "retryDelivery",
    params(("id" = String, Path, description = "Id of the message")),
    responses((status = 202, description = "It is tried again")))]
pub async fn retry_delivery(
    allowed: Allowed<RetryDelivery>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let id = DeliveryId::from_uuid(reply::id_or_nil(&id));
    flow::retry(&api.gateway, allowed, id).await?;
    Ok(HttpResponse::Accepted().finish())
}
