//! Every route of the API listener.

use crate::http::router::Router;
use crate::http::{audit, cases, consent, oauth, referrals, statistics};
use actix_web::http::Method;

/// The routes. `tests/it/surface.rs` tries each of them with every kind of caller.
#[must_use]
pub fn routes() -> Router {
    let (get, post) = (Method::GET, Method::POST);
    Router::default()
        .add(
            post.clone(),
            "/v1/referrals",
            referrals::submit::submit_referral,
        )
        .add(
            get.clone(),
            "/v1/referrals",
            referrals::follow::list_referrals,
        )
        .add(
            get.clone(),
            "/v1/referrals/{id}",
            referrals::follow::read_referral,
        )
        .add(
            post.clone(),
            "/v1/referrals/{id}/consent-decisions",
            consent::decide_referral_consent,
        )
        .add(
            post.clone(),
            "/v1/referrals/{id}/withdrawals",
            referrals::follow::withdraw_referral,
        )
        .add(get.clone(), "/v1/cases", cases::read::list_cases)
        .add(get.clone(), "/v1/cases/{id}", cases::read::read_case)
        .add(
            post.clone(),
            "/v1/cases/{id}/identity-releases",
            cases::release::release_identity,
        )
        .add(
            get.clone(),
            "/v1/cases/{id}/identity-releases",
            cases::release::list_releases,
        )
        .add(
            post.clone(),
            "/v1/cases/{id}/consent-decisions",
            consent::decide_case_consent,
        )
        .add(
            post.clone(),
            "/v1/cases/{id}/assignments",
            cases::assign::assign_case,
        )
        .add(
            get.clone(),
            "/v1/cases/{id}/assignments",
            cases::assign::list_assignments,
        )
        .add(
            post.clone(),
            "/v1/cases/{id}/transitions",
            cases::transition::transition_case,
        )
        .add(
            get.clone(),
            "/v1/statistics/releases",
            statistics::list_statistics,
        )
        .add(
            get.clone(),
            "/v1/statistics/releases/{id}",
            statistics::read_statistics,
        )
        .add(
            get.clone(),
            "/v1/statistics/definitions",
            statistics::read_definitions,
        )
        .add(get.clone(), "/v1/audit/checkpoint", audit::read_checkpoint)
        .add_public(post, "/oauth/token", oauth::token)
        .add_public(
            get.clone(),
            "/.well-known/oauth-authorization-server",
            oauth::metadata,
        )
        .add_public(get, "/.well-known/jwks.json", oauth::jwks)
}
