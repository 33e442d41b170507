//! Proof of authorisation as the first argument of a handler.
//!
//! Never waits: actix polls the arguments of a handler side by side, so an argument that waited would
//! let the body parser answer a stranger.

use crate::http::Api;
use crate::http::problem::Problem;
use crate::policy::action::{
    ListAuditEntries, ListCases, ListDeliveries, ListReferrals, ListSupportFamilies,
    ReadAuditConsistency, ReadCheckpoint,
};
use crate::policy::{Action, Allowed, Subject};
use crate::store::health::State;
use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use std::future::{Ready, ready};
use std::sync::Arc;

impl<A: Action> FromRequest for Allowed<A> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(ask(request))
    }
}

fn ask<A: Action>(request: &HttpRequest) -> Result<Allowed<A>, Problem> {
    let subject = request.extensions().get::<Arc<Subject>>().cloned();
    let subject = subject.ok_or(Problem::Unauthenticated { error: None })?;
    let api = request.app_data::<Data<Api>>().ok_or(Problem::Internal)?;
    // Nothing is opened or done that could not be recorded; the head as it stands can be shown.
    let sealed = api.gateway.store.writer.health().state() == State::Sealed;
    if sealed && A::NAME != ReadCheckpoint::NAME {
        return Err(Problem::AuditUnavailable);
    }
    let engine = api.gateway.engine.load_full();
    let allowed = Allowed::ask(subject, engine).ok_or(Problem::Forbidden)?;
    no_query_unless_read::<A>(request)?;
    Ok(allowed)
}

/// Lists and a proof of growth read their own parameters; nothing else takes any. What stands in a URL ends in the logs of
/// others, so nobody may get used to putting data there.
fn no_query_unless_read<A: Action>(request: &HttpRequest) -> Result<(), Problem> {
    let reading = [
        ListReferrals::NAME,
        ListCases::NAME,
        ListDeliveries::NAME,
        ListSupportFamilies::NAME,
        ListAuditEntries::NAME,
        ReadAuditConsistency::NAME,
    ];
    if request.query_string().is_empty() || reading.contains(&A::NAME) {
        return Ok(());
    }
    Err(Problem::invalid("", "unknown-parameter", "holds documented parameters only"))
}
