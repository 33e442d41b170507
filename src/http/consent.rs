//! `POST /v1/referrals/{id}/consent-decisions` and `POST /v1/cases/{id}/consent-decisions`: one shape,
//! two doors.

use crate::domain::consent::{Signature, SignatureDecision, SubjectRef};
use crate::domain::identity::Secret;
use crate::domain::person;
use crate::flow::decide::{self, Decided, Said};
use crate::flow::{Done, Once};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::tree::tree;
use crate::http::wire::{Field, FieldError, Reading, shape};
use crate::ids::{CaseId, ReferralId};
use crate::policy::Allowed;
use crate::policy::action::{DecideCaseConsent, DecideReferralConsent};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A signature, a refusal or a withdrawal.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsentDecision {
    /// Label of who decides, as in the referral.
    #[schema(value_type = String)]
    pub signer: Field<String>,
    /// `given`, `refused` or `withdrawn`.
    #[schema(value_type = String)]
    pub decision: Field<String>,
    /// RFC 3339 instant.
    #[schema(value_type = String)]
    pub at: Field<String>,
    /// How it was expressed.
    #[schema(value_type = Option<String>)]
    pub method: Field<String>,
    /// Where the proof is.
    #[schema(value_type = Option<String>)]
    pub evidence: Field<String>,
}

/// What the consent covers now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentReply {
    /// `full`, `contact` or `none`; for a referrer only while the family consents to `feedback`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<&'static str>,
    /// Labels of who still has to sign; for the coordinator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
}

fn read(body: &[u8], now: jiff::Timestamp) -> Result<Said, Vec<FieldError>> {
    let wire: ConsentDecision = shape(body).map_err(|error| vec![error])?;
    let tree = tree(body).map_err(|error| vec![error])?;
    let mut r = Reading::default();
    let signer = r.need("signer", &wire.signer, "label", |t| SubjectRef::parse(t));
    let decision = r.need("decision", &wire.decision, "term", |t| SignatureDecision::parse(t));
    let at = r.need("at", &wire.at, "instant", |t| crate::http::referrals::instant(t));
    if at.is_some_and(|at| at > now) {
        r.error("at", "in-the-future", "must not lie in the future");
    }
    if decision == Some(SignatureDecision::Given) {
        // Consent must be shown to have been given (AVG 7 lid 1); a "no" needs no proof.
        r.required("method", &wire.method);
        r.required("evidence", &wire.evidence);
    }
    r.may("method", &wire.method, "text", |t| person::line(t, 40));
    r.may("evidence", &wire.evidence, "text", |t| person::line(t, 200));
    let mut errors = r.into_errors();
    errors.extend(tree.bsn_places());
    match (signer, decision, at) {
        (Some(signer), Some(decision), Some(at)) if errors.is_empty() => {
            let evidence = Secret::new(tree.to_string());
            Ok(Said { signature: Signature { signer, decision, at }, evidence })
        }
        _ => Err(errors),
    }
}

fn answer(done: Done<Decided>) -> Result<HttpResponse, Problem> {
    let Decided { stage, missing, replayed } = done.value;
    let body = ConsentReply {
        stage,
        missing: missing.map(|all| all.iter().map(|one| one.as_str().to_owned()).collect()),
    };
    Ok(reply::replayed(reply::json(StatusCode::CREATED, &body)?, replayed))
}

/// A decision handed over by the coordinator.
///
/// # Errors
/// 404 when the case is not the caller's; 400; 409 when the key was used for another body.
#[utoipa::path(post, path = "/v1/cases/{id}/consent-decisions", tag = "cases", operation_id = "decideCaseConsent",
    params(("id" = String, Path, description = "Id of the case"), ("Idempotency-Key" = String, Header, description = "1-64 visible ASCII characters")),
    request_body = ConsentDecision,
    responses((status = 201, body = ConsentReply, description = "Recorded")))]
pub async fn decide_case_consent(
    allowed: Allowed<DecideCaseConsent>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let parsed = reply::idempotency_key(&request).and_then(|key| {
        let said = read(&body.0, gateway.clock.now()).map_err(Problem::Invalid)?;
        Ok((key, said))
    });
    let (key, said) = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => return Err(reply::unless_hidden(gateway, allowed, case, problem).await),
    };
    let route = format!("/v1/cases/{case}/consent-decisions");
    let once = Once::new(&gateway.keyring, allowed.subject(), &route, &key, &body.0);
    answer(decide::on_case_consent(gateway, allowed, case, said, once).await?)
}

/// A decision handed over by the referrer.
///
/// # Errors
/// 404 when the referral is not the caller's; 400; 409 when the key was used for another body.
#[utoipa::path(post, path = "/v1/referrals/{id}/consent-decisions", tag = "referrals", operation_id = "decideReferralConsent",
    params(("id" = String, Path, description = "Id of the referral"), ("Idempotency-Key" = String, Header, description = "1-64 visible ASCII characters")),
    request_body = ConsentDecision,
    responses((status = 201, body = ConsentReply, description = "Recorded")))]
pub async fn decide_referral_consent(
    allowed: Allowed<DecideReferralConsent>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let referral = ReferralId::from_uuid(reply::id_or_nil(&id));
    let parsed = reply::idempotency_key(&request).and_then(|key| {
        let said = read(&body.0, gateway.clock.now()).map_err(Problem::Invalid)?;
        Ok((key, said))
    });
    let (key, said) = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => {
            return Err(reply::unless_hidden_referral(gateway, allowed, referral, problem).await);
        }
    };
    let route = format!("/v1/referrals/{referral}/consent-decisions");
    let once = Once::new(&gateway.keyring, allowed.subject(), &route, &key, &body.0);
    answer(decide::on_referral_consent(gateway, allowed, referral, said, once).await?)
}
