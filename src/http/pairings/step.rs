//! `POST /v1/pairings/{id}/transitions`: on trial, paired, ended.

use crate::domain::age::midnight_in_amsterdam;
use crate::domain::pairing::{EndReason, NextForm, PairingState};
use crate::flow::pair::{self, Move};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::pairings::introduce::{StepReply, step_of};
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::tree::tree;
use crate::http::wire::{Field, FieldError, Reading, shape};
use crate::ids::PairingId;
use crate::policy::Allowed;
use crate::policy::action::MovePairing;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::ToSchema;

/// Where a pairing is to go.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct PairingStepRequest {
    /// `trial` (again: its one extension), `paired` or `ended`.
    #[schema(value_type = String)]
    pub to: Field<String>,
    /// Last day of the trial, `YYYY-MM-DD`.
    #[schema(value_type = Option<String>)]
    pub until: Field<String>,
    /// Why it ends.
    #[schema(value_type = Option<String>)]
    pub reason: Field<String>,
    /// Where the children live after it.
    #[schema(value_type = Option<String>)]
    pub next_form: Field<String>,
}

fn read(body: &[u8]) -> Result<Move, Vec<FieldError>> {
    let wire: PairingStepRequest = shape(body).map_err(|error| vec![error])?;
    let tree = tree(body).map_err(|error| vec![error])?;
    let mut r = Reading::default();
    let to = r.need("to", &wire.to, "term", |t| PairingState::parse(t));
    let until = r.may("until", &wire.until, "date", |text| {
        let day = text.parse::<Date>().ok().filter(|_| text.len() == 10);
        let start = day.and_then(|d| midnight_in_amsterdam(d.year(), d.month(), d.day()));
        start.ok_or("must be a date YYYY-MM-DD")
    });
    let reason = r.may("reason", &wire.reason, "term", |t| EndReason::parse(t));
    let next_form = r.may("nextForm", &wire.next_form, "term", |t| NextForm::parse(t));
    match to {
        Some(PairingState::Trial) => drop(r.required("until", &wire.until)),
        Some(PairingState::Ended) => {
            r.required("reason", &wire.reason);
            r.required("nextForm", &wire.next_form);
        }
        _ => {}
    }
    let mut errors = r.into_errors();
    errors.extend(tree.bsn_places());
    let to = to.filter(|_| errors.is_empty()).ok_or(errors)?;
    Ok(Move { to, until, reason, next_form })
}

/// Moves a pairing along, extends its trial, or ends it.
///
/// # Errors
/// 404 when it is not of a case of the caller; 403 with reasons where a step tells something without
/// consent to `pairing`; 409 naming the states it can go to; 412 when it has changed.
#[utoipa::path(post, path = "/v1/pairings/{id}/transitions", tag = "pairings", operation_id = "transitionPairing",
    params(("id" = String, Path, description = "Id of the pairing")),
    request_body = PairingStepRequest,
    responses((status = 200, body = StepReply, description = "Moved")))]
pub async fn transition_pairing(
    allowed: Allowed<MovePairing>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let pairing = PairingId::from_uuid(reply::id_or_nil(&id));
    let parsed = reply::if_match(request.headers())
        .and_then(|expected| Ok((expected, read(&body.0).map_err(Problem::Invalid)?)));
    let (expected, asked) = match parsed {
        Ok(parsed) => parsed,
        Err(problem) => {
            let case = pair::case_of(gateway, pairing).await?;
            return Err(reply::unless_hidden(gateway, allowed, case, problem).await);
        }
    };
    let step = pair::step(gateway, allowed, pairing, asked, expected).await?.value;
    reply::versioned(StatusCode::OK, step.version, &step_of(&step))
}
