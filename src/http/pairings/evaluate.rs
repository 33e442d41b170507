//! `POST /v1/pairings/{id}/evaluations`: what came of it, in codes; a note stays sealed.

use crate::domain::identity::Secret;
use crate::domain::pairing::{PlacementAvoided, ProfessionalHelp, SocialContacts};
use crate::domain::person;
use crate::flow::Once;
use crate::flow::pair::{self, Evaluation};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::tree::tree;
use crate::http::wire::{Field, FieldError, Reading, shape};
use crate::ids::PairingId;
use crate::policy::Allowed;
use crate::policy::action::EvaluatePairing;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What came of a pairing.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct EvaluationRequest {
    /// `prevented`, `reduced`, `ended`, `unchanged` or `increased`.
    #[schema(value_type = String)]
    pub professional_help: Field<String>,
    /// Whether the family's network grew.
    #[schema(value_type = bool)]
    pub network_extended: Field<bool>,
    /// `more`, `same` or `less`.
    #[schema(value_type = String)]
    pub social_contacts: Field<String>,
    /// The family's grade, `1.0` to `10.0` with one decimal, as text.
    #[schema(value_type = String)]
    pub grade: Field<String>,
    /// `yes`, `no` or `not-applicable`.
    #[schema(value_type = String)]
    pub placement_avoided: Field<String>,
    /// What else was said; kept sealed.
    #[schema(value_type = Option<String>)]
    pub note: Field<String>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvaluationAccepted {
    /// Id of the evaluation.
    pub id: String,
}

/// A grade in tenths.
pub(in crate::http) fn grade(text: &str) -> Result<i32, &'static str> {
    const RULE: &str = "must be a grade from 1.0 to 10.0 with one decimal";
    let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let form = (1..=2).contains(&whole.len()) && tenth.len() == 1 && digits(whole) && digits(tenth);
    let number = |part: &str| part.parse::<i32>().or(Err(RULE));
    let tenths = if form { number(whole)? * 10 + number(tenth)? } else { 0 };
    if (10..=100).contains(&tenths) { Ok(tenths) } else { Err(RULE) }
}

fn read(body: &[u8]) -> Result<Evaluation, Vec<FieldError>> {
    let wire: EvaluationRequest = shape(body).map_err(|error| vec![error])?;
    let tree = tree(body).map_err(|error| vec![error])?;
    let mut r = Reading::default();
    let help =
        r.need("professionalHelp", &wire.professional_help, "term", |t| ProfessionalHelp::parse(t));
    let network = r.required("networkExtended", &wire.network_extended).copied();
    let contacts =
        r.need("socialContacts", &wire.social_contacts, "term", |t| SocialContacts::parse(t));
    let grade = r.need("grade", &wire.grade, "grade", |t| grade(t));
    let placement =
        r.need("placementAvoided", &wire.placement_avoided, "term", |t| PlacementAvoided::parse(t));
    let note = r.may("note", &wire.note, "text", |t| {
        person::prose(t, 1000).map(|()| Secret::new(t.clone()))
    });
    let mut errors = r.into_errors();
    errors.extend(tree.bsn_places());
    match (help, network, contacts, grade, placement) {
        (
            Some(professional_help),
            Some(network_extended),
            Some(social_contacts),
            Some(grade),
            Some(placement_avoided),
        ) if errors.is_empty() => Ok(Evaluation {
            professional_help,
            network_extended,
            social_contacts,
            grade,
            placement_avoided,
            note,
        }),
        _ => Err(errors),
    }
}

/// Evaluates a pairing.
///
/// # Errors
/// 404 when it is not of a case of the caller; 409 before its trial.
#[utoipa::path(post, path = "/v1/pairings/{id}/evaluations", tag = "pairings", operation_id = "createEvaluation",
    params(("id" = String, Path, description = "Id of the pairing"), ("Idempotency-Key" = String, Header, description = "1-64 visible ASCII characters")),
    request_body = EvaluationRequest,
    responses((status = 201, body = EvaluationAccepted, description = "Kept")))]
pub async fn create_evaluation(
    allowed: Allowed<EvaluatePairing>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let pairing = PairingId::from_uuid(reply::id_or_nil(&id));
    let parsed = reply::idempotency_key(&request)
        .and_then(|key| Ok((key, read(&body.0).map_err(Problem::Invalid)?)));
    let (key, said) = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => {
            let case = pair::case_of(gateway, pairing).await?;
            return Err(reply::unless_hidden(gateway, allowed, case, problem).await);
        }
    };
    let route = format!("/v1/pairings/{pairing}/evaluations");
    let once = Once::new(&gateway.keyring, allowed.subject(), &route, &key, &body.0);
    let (id, replayed) = pair::evaluate(gateway, allowed, pairing, said, once).await?.value;
    let response = reply::json(StatusCode::CREATED, &EvaluationAccepted { id: id.to_string() })?;
    Ok(reply::replayed(response, replayed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_have_one_decimal() {
        for (text, tenths) in [("1.0", 10), ("8.6", 86), ("10.0", 100), ("7", 70)] {
            assert_eq!(grade(text), Ok(tenths), "{text}");
        }
        for text in ["0.9", "10.1", "8.65", "8,6", "-1.0", "", "x", "100", "+8.0"] {
            assert!(grade(text).is_err(), "{text}");
        }
    }
}
