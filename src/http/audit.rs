//! `GET /v1/audit/checkpoint`: the ledger's signed head, for every partner to keep.

use crate::crypto::digest::hex;
use crate::flow::witness;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::policy::Allowed;
use crate::policy::action::ReadCheckpoint;
use crate::store::health::State;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

/// A signed tree head.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointReply {
    /// Entries covered.
    pub size: u64,
    /// RFC 6962 root, hex.
    pub root_hash: String,
    /// The signed note (C2SP checkpoint).
    pub note: String,
}

/// The latest signed head of the ledger. It covers this very request; while the ledger cannot be written,
/// it is the last one there was, and the request leaves no entry.
///
/// # Errors
/// 503 when the ledger turns out not to be writable.
#[utoipa::path(get, path = "/v1/audit/checkpoint", tag = "audit", operation_id = "readCheckpoint",
    responses((status = 200, body = CheckpointReply, description = "The head")))]
pub async fn read_checkpoint(
    allowed: Allowed<ReadCheckpoint>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let writer = &api.gateway.store.writer;
    let head = match writer.health().state() {
        State::Sealed => writer.latest(),
        State::Ok | State::Low => witness::checkpoint(&api.gateway, allowed).await?.value,
    };
    let body =
        CheckpointReply { size: head.size, root_hash: hex(&head.root), note: head.note.clone() };
    reply::json(StatusCode::OK, &body)
}
