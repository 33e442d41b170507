//! `/v1/statistics/definitions`: what each measure counts, and how exact a figure is.

use crate::flow::figures as flow;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::policy::Allowed;
use crate::policy::action::ReadDefinitions;
use crate::statistics::contract::{Contract, Method, TableId};
use crate::statistics::formats::labels;
use crate::statistics::noise::Alpha;
use crate::statistics::tabulate::Kind;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use serde_json::{Value, json};

/// What the figures count and how they are protected.
///
/// # Errors
/// 403 for any other role.
#[utoipa::path(get, path = "/v1/statistics/definitions", tag = "statistics", operation_id = "readStatisticsDefinitions",
    responses((status = 200, body = serde_json::Value, description = "The definitions")))]
pub async fn read_definitions(
    allowed: Allowed<ReadDefinitions>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let told = flow::definitions(&api.gateway, allowed).await?.value;
    let rules = told.threshold;
    let body = json!({
        "tables": [{
            "id": "year.referrals.source",
            "unit": "family",
            "counts": "families referred in a calendar year (Europe/Amsterdam), by the capacity of who referred; referrals taken back and families that object are left out",
        }],
        "method": {
            "name": "suppress-and-round",
            "threshold": rules.threshold(),
            "rounding": rules.base(),
            "rules": "a cell below the threshold is hidden, zero included; further cells are hidden until what is hidden cannot be found by subtraction; shown cells are rounded to the nearest multiple",
        },
        "contracts": told.contracts.iter().map(contract).collect::<Vec<_>>(),
        "regions": told.regions.iter().map(|region| json!({
            "name": region.name,
            "municipalities": region.municipalities.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "method": "sum-of-published",
        })).collect::<Vec<_>>(),
        "measures": Kind::ALL.iter().map(|kind| measure(*kind)).collect::<Vec<_>>(),
        "obsStatus": {"A": "shown", "Q": "hidden"},
        "confStatus": {"F": "free", "C": "confidential"},
        "limits": "a rounded figure differs from the count by at most half the rounding; rounded cells need not add up to the rounded total",
    });
    reply::json(StatusCode::OK, &body)
}

/// A contract as a reader needs it.
fn contract(contract: &Contract) -> Value {
    json!({
        "municipality": contract.municipality.as_str(),
        "plan": contract.plan,
        "method": contract.method.name(),
        "alpha": contract.method.alpha().map(Alpha::as_str),
        "base": if let Method::Freeze { base, .. } = contract.method { Some(base) } else { None },
        "from": contract.from.to_text(),
        "kinds": contract.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "tables": contract.tables.iter().map(|table| table_of(*table)).collect::<Vec<_>>(),
        "exact": contract.exact.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "mostTablesOfAKindAndYear": contract.cap,
        "programmes": contract.programmes.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "districts": contract.districts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "error": error(contract.method),
        "percentages": "make them of published figures only, rounded to 5 points, and not of a base below 15",
    })
}

fn table_of(table: TableId) -> Value {
    let id = format!("year.{table}");
    json!({"id": id, "label": labels::table(&id), "unit": "family"})
}

/// How far a figure can be from the count, in words.
fn error(method: Method) -> String {
    match method {
        Method::Freeze { .. } => {
            let (quarter, year) = method.error95();
            format!(
                "a yearly cell is within {year} of the count in 95 % of the cells, a quarter within {quarter}; the fourth \
                 quarter, which closes the year, is told less exactly; a shown 0 means 0 to about {year}; quarters and \
                 tables add up to the year, and nothing is ever revised"
            )
        }
        Method::Suppress(_) => {
            "what is shown is rounded to the nearest multiple; what is hidden is not known".to_owned()
        }
        Method::CellKey => {
            "a cell is within 5 of the count, and nothing from 1 to 4 is shown; tables do not add up"
                .to_owned()
        }
        Method::Private(_) => {
            "a cell is within 22 of the count in 95 % of the cells at α = 7/8, nearer at a smaller α; \
                tables do not add up"
                .to_owned()
        }
    }
}

fn measure(kind: Kind) -> Value {
    let counts = match kind {
        Kind::Referrals => {
            "families referred, in the quarter in which the referral was received; one that comes late counts in the first quarter that is open; one that is taken back before its quarter is sealed is left out"
        }
        Kind::PairingsMade => {
            "families of which a pairing went on after its trial, in the quarter of that decision; once a year"
        }
        Kind::PairingsEnded => {
            "families of which a pairing ended after it had gone on, by why; once a year"
        }
        Kind::PairingsActive => {
            "families that have a pairing at the end of a quarter; with a draw of its own, so that it does not add up with what was made and ended"
        }
        Kind::SupportFamilies => "support families that registered",
        Kind::Evaluations => {
            "families of which a pairing was evaluated in the year, by the last evaluation"
        }
    };
    json!({
        "measure": kind.as_str(),
        "label": labels::table(&format!("year.{}", kind.as_str())),
        "counts": counts,
        "unit": "family",
        "leftOut": "families that object to statistics, from then on",
    })
}
