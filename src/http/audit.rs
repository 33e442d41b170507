//! `/v1/audit`: the ledger's signed head, for every partner to keep; entries and proofs for the privacy officer.

use crate::audit::tree::leaf_hash;
use crate::audit::verify::StoredLeaf;
use crate::crypto::digest::hex;
use crate::flow::witness;
use crate::http::Api;
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::policy::Allowed;
use crate::policy::action::{
    ListAuditEntries, ReadAuditConsistency, ReadAuditProof, ReadCheckpoint,
};
use crate::store::health::State;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

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

/// One entry of the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryReply {
    /// Index, from 0.
    pub index: u64,
    /// RFC 6962 hash of `leaf`, hex.
    pub leaf_hash: String,
    /// The exact text that is hashed: JSON.
    pub leaf: String,
}

/// A page of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryPage {
    /// Oldest first.
    pub items: Vec<EntryReply>,
    /// Cursor of the next page; null on the last.
    pub next: Option<String>,
}

/// Reads the ledger, oldest entry first.
///
/// # Errors
/// 400 for a wrong query; 503 when the ledger cannot be written.
#[utoipa::path(get, path = "/v1/audit/entries", tag = "audit", operation_id = "listAuditEntries",
    params(("limit" = Option<u32>, Query, description = "1 to 100, 25 by default"),
        ("cursor" = Option<String>, Query, description = "From the page before")),
    responses((status = 200, body = EntryPage, description = "A page")))]
pub async fn list_entries(
    allowed: Allowed<ListAuditEntries>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let page = Page::read(&api.gateway, allowed.subject(), &request, "audit-entries")?;
    let from = page.after.0.saturating_add(1).max(0);
    let limit = u32::try_from(page.limit).or(Err(Problem::Internal))?;
    let rows = witness::entries(&api.gateway, allowed, from, limit).await?.value;
    let last = rows.last().and_then(|row| i64::try_from(row.seq).ok());
    let next = page.next(&api.gateway, rows.len(), last.map(|seq| (seq, Uuid::nil())))?;
    let items = rows.into_iter().map(entry_reply).collect::<Result<_, _>>()?;
    reply::json(StatusCode::OK, &EntryPage { items, next })
}

fn entry_reply(row: StoredLeaf) -> Result<EntryReply, Problem> {
    let leaf = String::from_utf8(row.leaf).or(Err(Problem::Internal))?;
    Ok(EntryReply { index: row.seq, leaf_hash: hex(&row.leaf_hash), leaf })
}

/// Proof that one entry is in the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofReply {
    /// Index of the entry.
    pub index: u64,
    /// Its exact text.
    pub leaf: String,
    /// RFC 6962 hash of `leaf`, hex.
    pub leaf_hash: String,
    /// Sibling hashes from the leaf to the root, base64.
    pub path: Vec<String>,
    /// The signed note over the tree.
    pub note: String,
    /// All of it as a file (C2SP tlog-proof), for `buurtpoort audit verify-proof`.
    pub tlog_proof: String,
}

/// Proves that an entry is in the ledger, under the head that covers this very request.
///
/// # Errors
/// 404 when there is no such entry; 503 when the ledger cannot be written.
#[utoipa::path(get, path = "/v1/audit/proofs/{index}", tag = "audit", operation_id = "readAuditProof",
    params(("index" = u64, Path, description = "Index of the entry, from 0")),
    responses((status = 200, body = ProofReply, description = "The proof")))]
pub async fn read_proof(
    allowed: Allowed<ReadAuditProof>,
    index: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    // What is no number is no index the ledger has.
    let index = number(&index).unwrap_or(u64::MAX);
    let proof = witness::proof(&api.gateway, allowed, index).await?.value;
    let tlog_proof = proof.to_text();
    let hash = hex(&leaf_hash(&proof.leaf));
    let leaf = String::from_utf8(proof.leaf).or(Err(Problem::Internal))?;
    let body = ProofReply {
        index,
        leaf,
        leaf_hash: hash,
        path: proof.path.iter().map(|hash| STANDARD.encode(hash)).collect(),
        note: proof.note,
        tlog_proof,
    };
    reply::json(StatusCode::OK, &body)
}

/// Proof that the ledger only grew.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsistencyReply {
    /// Size of the older tree.
    pub from: u64,
    /// Size of the newer tree.
    pub to: u64,
    /// Root of the older tree, hex.
    pub from_root: String,
    /// Root of the newer tree, hex.
    pub to_root: String,
    /// Hashes of RFC 9162 section 2.1.4, base64.
    pub path: Vec<String>,
    /// The latest signed note, which covers this very request.
    pub note: String,
}

/// Proves that one tree of the ledger extends another.
///
/// # Errors
/// 400 for sizes the ledger has not had; 503 when the ledger cannot be written.
#[utoipa::path(get, path = "/v1/audit/consistency", tag = "audit", operation_id = "readAuditConsistency",
    params(("from" = u64, Query, description = "Size of the older tree"),
        ("to" = Option<u64>, Query, description = "Size of the newer tree; the latest where it is not given")),
    responses((status = 200, body = ConsistencyReply, description = "The proof")))]
pub async fn read_consistency(
    allowed: Allowed<ReadAuditConsistency>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (from, to) = sizes(request.query_string())?;
    let done = witness::consistency(&api.gateway, allowed, from, to).await?;
    let (sizes, roots) = (done.value.sizes, done.value.roots);
    let body = ConsistencyReply {
        from: sizes.0,
        to: sizes.1,
        from_root: hex(&roots.0),
        to_root: hex(&roots.1),
        path: done.value.path.iter().map(|hash| STANDARD.encode(hash)).collect(),
        note: done.committed.head().note.clone(),
    };
    reply::json(StatusCode::OK, &body)
}

fn sizes(query: &str) -> Result<(u64, Option<u64>), Problem> {
    let (mut from, mut to) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let known = match pair.split_once('=') {
            Some(("from", text)) => {
                std::mem::replace(&mut from, number(text)).is_none() && from.is_some()
            }
            Some(("to", text)) => {
                std::mem::replace(&mut to, number(text)).is_none() && to.is_some()
            }
            _ => false,
        };
        if !known {
            return Err(bad_sizes());
        }
    }
    Ok((from.ok_or_else(bad_sizes)?, to))
}

fn bad_sizes() -> Problem {
    Problem::invalid(
        "",
        "tree-size",
        "holds from, and to where it is given, each a whole number, once",
    )
}

/// A number in its one spelling.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
