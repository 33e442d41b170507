//! `/verwijzer/plan`: how the goals of a plan stand, for the case manager of an organisation that takes part in it.

use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::referrals::goals;
use crate::policy::Allowed;
use crate::policy::action::ReadGoals;
use crate::portal::edge::see_other;
use crate::portal::form::{Form, Kind};
use crate::portal::kept::leaves;
use crate::portal::page::{Row, Sheet, short};
use crate::portal::twin::Told;
use crate::portal::visit::Visit;
use crate::portal::words::term;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde_json::Value;

/// The field of the number of a referral.
const NUMBER: &str = "nummer";

fn asking(visit: &Visit, wrong: Option<&Problem>) -> Result<HttpResponse, Problem> {
    let mut sheet = Sheet::of(visit, ("Doelen van een plan", "Goals of a plan")).tell(
        "U ziet hoe de doelen ervoor staan als uw organisatie meedoet in het plan en het gezin dat goed vindt. Hebt u het gezin zelf aangemeld? Ga dan naar Mijn aanmeldingen.",
        "You see where the goals stand if your organisation takes part in the plan and the family agrees to it. Did you refer the family yourself? Go to My referrals.",
    );
    let form = Form::to(visit, "/verwijzer/plan", ("Doelen bekijken", "See the goals"))
        .ask(Kind::Text, NUMBER, ("Heel nummer van de aanmelding", "Whole number of the referral"))
        .hint(
            "36 tekens. Het staat bij de verwijzer op de pagina van de aanmelding.",
            "36 characters. The referrer finds it on the page of the referral.",
        );
    sheet.forms.push(match wrong {
        Some(problem) => form.sent(&visit.sent).wrong_at(problem),
        None => form,
    });
    sheet.show()
}

/// `GET /verwijzer/plan`: asks of which referral.
///
/// # Errors
/// 403 for a role that manages no plan.
pub async fn ask(_: Allowed<ReadGoals>, visit: Visit) -> Result<HttpResponse, Problem> {
    asking(&visit, None)
}

/// `POST /verwijzer/plan`: to the goals of the referral that was named.
///
/// # Errors
/// 403 for a role that manages no plan.
pub async fn find(_: Allowed<ReadGoals>, visit: Visit) -> Result<HttpResponse, Problem> {
    let Ok(id) = uuid::Uuid::try_parse(visit.sent.value(NUMBER)) else {
        let rule = "must be the whole number of a referral: 36 characters";
        return asking(&visit, Some(&Problem::invalid(NUMBER, "number", rule)));
    };
    Ok(see_other(&format!("/verwijzer/plan/{id}")))
}

/// `GET /verwijzer/plan/{id}`.
///
/// # Errors
/// As `GET /v1/referrals/{id}/goals`.
pub async fn show(
    allowed: Allowed<ReadGoals>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let short = short(&id);
    let told = Told::of(goals::read_goals(allowed, id, api).await?)?;
    let title = (format!("Plan bij aanmelding {short}"), format!("Plan of referral {short}"));
    let mut sheet = Sheet::of(&visit, (&title.0, &title.1))
        .fact(("Aanmelding", "Referral"), term(visit.lang, "status", &told.text("/status")))
        .fact(("Toestemming", "Consent"), term(visit.lang, "stage", &told.text("/consent/stage")))
        .heads(&[("Doel", "Goal"), ("Wat", "What"), ("Stand", "State")]);
    let of_plan = told.0.pointer("/plan").unwrap_or(&Value::Null);
    sheet.facts.extend(leaves(visit.lang, "plan", of_plan));
    "/verwijzer/plan".clone_into(&mut sheet.back);
    let row = |goal: &Told| Row {
        path: String::new(),
        cells: vec![
            goal.text("/id"),
            goal.text("/text"),
            term(visit.lang, "goal", &goal.text("/status")),
        ],
    };
    sheet.rows = told.list("/goals").iter().map(row).collect();
    visit
        .say("Er zijn geen doelen die u mag zien.", "There are no goals that you may see.")
        .clone_into(&mut sheet.empty);
    sheet.show()
}
