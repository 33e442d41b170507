//! The description of the API, generated from the handlers and their wire shapes.
//!
//! Served without authentication on the portal listener at `/v1/openapi.json`, and printed by
//! `buurtpoort openapi`.

use crate::http::edge::API_VERSION;
use crate::http::{
    audit, cases, consent, deliveries, pairings, progress, referrals, reports, statistics,
    support_families,
};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(
    referrals::submit::submit_referral,
    referrals::follow::list_referrals,
    referrals::follow::read_referral,
    referrals::follow::withdraw_referral,
    referrals::goals::read_goals,
    consent::decide_referral_consent,
    consent::decide_case_consent,
    cases::read::list_cases,
    cases::read::read_case,
    cases::release::release_identity,
    cases::release::list_releases,
    cases::assign::assign_case,
    cases::assign::list_assignments,
    cases::transition::transition_case,
    cases::links::list_links,
    cases::links::decide_link,
    cases::access::request_access,
    cases::access::list_access_requests,
    cases::access::export_for_access,
    cases::correct::correct_case,
    cases::rights::change_goal,
    cases::rights::erase_case,
    cases::rights::object_to_statistics,
    support_families::find::list_proposals,
    pairings::introduce::create_pairing,
    pairings::introduce::list_pairings,
    pairings::step::transition_pairing,
    pairings::evaluate::create_evaluation,
    support_families::register::register_support_family,
    support_families::find::list_support_families,
    support_families::find::read_support_family,
    support_families::work::transition_support_family,
    support_families::work::release_support_identity,
    reports::report_programme,
    progress::read_progress,
    statistics::list_statistics,
    statistics::read_statistics,
    statistics::definitions::read_definitions,
    deliveries::list_deliveries,
    deliveries::retry_delivery,
    audit::read_checkpoint,
    audit::list_entries,
    audit::read_proof,
    audit::read_consistency,
))]
struct Described;

/// The whole description, OpenAPI 3.1.
#[must_use]
pub fn document() -> Value {
    let mut document = serde_json::to_value(Described::openapi()).unwrap_or_default();
    put(&mut document, "", "info", info());
    put(&mut document, "", "servers", servers());
    without_version_in_paths(&mut document);
    put(&mut document, "", "security", json!([{"boundToken": []}]));
    put(&mut document, "/components", "securitySchemes", security());
    if let Some(schemas) = document.pointer_mut("/components/schemas") {
        without_null_defaults(schemas);
        require_what_may_not_be_null(schemas);
    }
    put(&mut document, "/components/schemas", "Problem", problem());
    let paths = document.pointer_mut("/paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut);
    for operation in items.flat_map(Map::values_mut) {
        describe(operation);
    }
    document
}

/// The major version stands in the server's address, as the API Design Rules ask, so not in each path.
fn without_version_in_paths(document: &mut Value) {
    let Some(paths) = document.pointer_mut("/paths").and_then(Value::as_object_mut) else {
        return;
    };
    let versioned = std::mem::take(paths);
    paths.extend(versioned.into_iter().map(|(path, item)| {
        let short = path.strip_prefix("/v1").map(str::to_owned);
        (short.unwrap_or(path), item)
    }));
}

/// Puts a member into the object at a pointer.
fn put(document: &mut Value, pointer: &str, key: &str, value: Value) {
    if let Some(object) = document.pointer_mut(pointer).and_then(Value::as_object_mut) {
        object.insert(key.to_owned(), value);
    }
}

fn servers() -> Value {
    json!([{"url": "https://localhost:8443/v1", "description": "The API listener of a demo"}])
}

fn security() -> Value {
    json!({
        "boundToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "RFC 9068 access token bound to the client certificate (RFC 8705) of \
                a mutual TLS connection.",
        },
    })
}

/// A missing field has no default; the shapes only have one for the parser's sake.
fn without_null_defaults(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|key, inner| !(key == "default" && inner.is_null()));
        fields.values_mut().for_each(without_null_defaults);
    }
}

/// Fields of a request that may not be left out. The shapes have defaults for the parser's sake, so that
/// all errors can be told at once; the reader asks for every field that may not be `null`.
fn require_what_may_not_be_null(schemas: &mut Value) {
    let shapes = schemas.as_object_mut().into_iter().flat_map(Map::values_mut);
    for shape in shapes.filter(|shape| shape["additionalProperties"] == json!(false)) {
        let fields = shape["properties"].as_object().into_iter().flatten();
        let names = fields.filter(|(_, field)| !may_be_null(field)).map(|(name, _)| json!(name));
        let required: Vec<Value> = names.collect();
        if !required.is_empty() {
            put(shape, "", "required", Value::Array(required));
        }
    }
}

fn may_be_null(field: &Value) -> bool {
    let null = json!("null");
    let of_types = field["type"].as_array().is_some_and(|types| types.contains(&null));
    let among = field["oneOf"].as_array().into_iter().flatten();
    of_types || among.map(|one| &one["type"]).any(|kind| *kind == null)
}

fn info() -> Value {
    json!({
        "title": "Buurtpoort",
        "version": API_VERSION,
        "description": "Privacy gateway between those who refer families, the Buurtgezinnen coordinators and the gemeenten. Mutual TLS; see docs/api.md.",
        "contact": {"name": "Operators of this gateway", "email": "beheer@example.nl", "url": "https://buurtpoort.example.nl/contact"},
        "license": {"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
    })
}

/// Headers of every answer, and the problems every operation can give.
fn describe(operation: &mut Value) {
    let taken = operation.get("requestBody").is_some();
    let problems = [
        ("400", "The request breaks rules; all are listed"),
        ("401", "No valid token bound to this connection"),
        ("403", "This role may never do this, or consent does not suffice"),
        ("404", "Not there, or not yours"),
        ("406", "No acceptable form"),
        ("408", "The body took longer than ten seconds"),
        ("409", "The state or an earlier request does not allow it"),
        ("412", "The resource has another version than If-Match names"),
        ("413", "The body has more than 64 KiB"),
        ("415", "Not application/json, or compressed"),
        ("429", "Too many requests"),
        ("503", "The ledger cannot be written, or too much is waiting"),
    ];
    let of_bodies = ["408", "412", "413", "415"];
    for (status, text) in problems.into_iter().filter(|(s, _)| taken || !of_bodies.contains(s)) {
        put(
            operation,
            "/responses",
            status,
            json!({
                "description": text,
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }),
        );
    }
    let answers = operation.pointer_mut("/responses").and_then(Value::as_object_mut);
    for answer in answers.into_iter().flat_map(Map::values_mut) {
        put(answer, "", "headers", headers());
    }
}

fn headers() -> Value {
    let text =
        |description: &str| json!({"description": description, "schema": {"type": "string"}});
    json!({
        "API-Version": text("Version of the API"),
        "Audit-Checkpoint": text("base64url of the signed tree head that covers this request"),
        "Cache-Control": text("no-store"),
        "Content-Security-Policy": text("Nothing may be loaded or framed"),
        "Request-Id": text("Quote it when asking about this request"),
        "Strict-Transport-Security": text("HTTPS only"),
        "X-Content-Type-Options": text("nosniff"),
        "X-Frame-Options": text("DENY"),
        "traceparent": text("W3C trace context"),
    })
}

fn problem() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "description": "RFC 9457 problem document. It names rules and codes, never a value.",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "instance": {"type": "string", "description": "The route, as a template"},
            "errors": {"type": "array", "items": {"type": "object", "properties": {"pointer": text, "code": text, "detail": text}}},
            "reasons": {"type": "array", "items": text},
            "missing": {"type": "array", "items": text},
            "allowed": {"type": "array", "items": text},
        },
    })
}
