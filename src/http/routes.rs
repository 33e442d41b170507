//! Every route of the API listener.

use crate::http::cases::{access, assign, correct, links, read, release, rights, transition};
use crate::http::pairings::{evaluate, introduce, step};
use crate::http::referrals::{follow, goals, submit};
use crate::http::router::Router;
use crate::http::support_families::{find, register, work};
use crate::http::{audit, consent, deliveries, oauth, progress, reports, statistics};
use actix_web::http::Method;

/// The routes. `tests/it/surface.rs` tries each of them with every kind of caller.
#[must_use]
pub fn routes() -> Router {
    let (get, post) = (Method::GET, Method::POST);
    Router::default()
        .add(post.clone(), "/v1/referrals", submit::submit_referral)
        .add(get.clone(), "/v1/referrals", follow::list_referrals)
        .add(get.clone(), "/v1/referrals/{id}", follow::read_referral)
        .add(get.clone(), "/v1/referrals/{id}/goals", goals::read_goals)
        .add(post.clone(), "/v1/referrals/{id}/consent-decisions", consent::decide_referral_consent)
        .add(post.clone(), "/v1/referrals/{id}/withdrawals", follow::withdraw_referral)
        .add(get.clone(), "/v1/cases", read::list_cases)
        .add(get.clone(), "/v1/cases/{id}", read::read_case)
        .add(post.clone(), "/v1/cases/{id}/identity-releases", release::release_identity)
        .add(get.clone(), "/v1/cases/{id}/identity-releases", release::list_releases)
        .add(post.clone(), "/v1/cases/{id}/consent-decisions", consent::decide_case_consent)
        .add(post.clone(), "/v1/cases/{id}/assignments", assign::assign_case)
        .add(get.clone(), "/v1/cases/{id}/assignments", assign::list_assignments)
        .add(post.clone(), "/v1/cases/{id}/transitions", transition::transition_case)
        .add(get.clone(), "/v1/cases/{id}/links", links::list_links)
        .add(post.clone(), "/v1/cases/{id}/link-decisions", links::decide_link)
        .add(post.clone(), "/v1/cases/{id}/goals", rights::change_goal)
        .add(post.clone(), "/v1/cases/{id}/corrections", correct::correct_case)
        .add(post.clone(), "/v1/cases/{id}/access-requests", access::request_access)
        .add(get.clone(), "/v1/cases/{id}/access-requests", access::list_access_requests)
        .add(post.clone(), "/v1/cases/{id}/access-exports", access::export_for_access)
        .add(post.clone(), "/v1/cases/{id}/erasures", rights::erase_case)
        .add(post.clone(), "/v1/cases/{id}/objections", rights::object_to_statistics)
        .add(get.clone(), "/v1/cases/{id}/proposals", find::list_proposals)
        .add(post.clone(), "/v1/cases/{id}/pairings", introduce::create_pairing)
        .add(get.clone(), "/v1/cases/{id}/pairings", introduce::list_pairings)
        .add(post.clone(), "/v1/pairings/{id}/transitions", step::transition_pairing)
        .add(post.clone(), "/v1/pairings/{id}/evaluations", evaluate::create_evaluation)
        .add(post.clone(), "/v1/support-families", register::register_support_family)
        .add(get.clone(), "/v1/support-families", find::list_support_families)
        .add(get.clone(), "/v1/support-families/{id}", find::read_support_family)
        .add(post.clone(), "/v1/support-families/{id}/transitions", work::transition_support_family)
        .add(
            post.clone(),
            "/v1/support-families/{id}/identity-releases",
            work::release_support_identity,
        )
        .add(Method::PUT, "/v1/programme-reports/{programme}/{period}", reports::report_programme)
        .add(get.clone(), "/v1/programme-progress/{municipality}/{year}", progress::read_progress)
        .add(get.clone(), "/v1/statistics/releases", statistics::list_statistics)
        .add(get.clone(), "/v1/statistics/releases/{id}", statistics::read_statistics)
        .add(get.clone(), "/v1/statistics/definitions", statistics::definitions::read_definitions)
        .add(get.clone(), "/v1/deliveries", deliveries::list_deliveries)
        .add(post.clone(), "/v1/deliveries/{id}/retries", deliveries::retry_delivery)
        .add(get.clone(), "/v1/audit/checkpoint", audit::read_checkpoint)
        .add(get.clone(), "/v1/audit/entries", audit::list_entries)
        .add(get.clone(), "/v1/audit/proofs/{index}", audit::read_proof)
        .add(get.clone(), "/v1/audit/consistency", audit::read_consistency)
        .add_public(post, "/oauth/token", oauth::token)
        .add_public(get.clone(), "/.well-known/oauth-authorization-server", oauth::metadata)
        .add_public(get, "/.well-known/jwks.json", oauth::jwks)
}
