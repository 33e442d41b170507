//! `/verwijzer/opgave`: the counts of a quarter, for partners that run a programme.

use crate::domain::period::{Quarter, Year};
use crate::domain::programme::{GRADE, Programme};
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::reports;
use crate::policy::Allowed;
use crate::policy::action::ReportProgramme;
use crate::portal::form::{Form, Kind};
use crate::portal::page::{Sheet, shown};
use crate::portal::trail::{Done, done};
use crate::portal::twin::body;
use crate::portal::visit::Visit;
use crate::portal::words::term;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use jiff::Timestamp;

/// The field of the quarter; the API takes it in the path.
const QUARTER: &str = "kwartaal";
/// Quarters that can be chosen: those of a year, the newest first.
const QUARTERS: usize = 4;

/// Programmes that the visitor's organisation runs.
pub(super) fn programmes(visit: &Visit, api: &Api) -> Vec<Programme> {
    let register = api.gateway.register.load();
    let own = visit.subject().and_then(|subject| register.active(subject.partner));
    let runs = |one: &Programme| own.is_some_and(|own| own.sources.contains(&one.source()));
    Programme::ALL.iter().copied().filter(runs).collect()
}

/// Quarters that are over, the newest first.
fn quarters(now: Timestamp) -> Vec<String> {
    let Ok(year) = Year::of(now) else { return Vec::new() };
    let before = Year::parse(year.number() - 1).into_iter().flat_map(Quarter::all_of);
    let all: Vec<Quarter> =
        before.chain(Quarter::all_of(year)).filter(|one| one.is_over(now)).collect();
    all.iter().rev().take(QUARTERS).map(|one| one.to_text()).collect()
}

fn form(visit: &Visit, api: &Api, programme: Programme) -> Form {
    let name = term(visit.lang, "programme", programme.as_str());
    let quarter = |text: String| {
        let (year, at) = text.split_once('Q').unwrap_or_default();
        let words = format!("{} {at}, {year}", visit.say("Kwartaal", "Quarter"));
        (text.clone(), words)
    };
    let places = visit.subject().map(|subject| subject.municipalities.clone()).unwrap_or_default();
    let mut places: Vec<(String, String)> = places
        .iter()
        .map(|code| (code.to_string(), term(visit.lang, "gemeente", code.as_str())))
        .collect();
    places.sort_by(|one, other| one.1.cmp(&other.1));
    let mut form = Form::to(
        visit,
        format!("/verwijzer/opgave/{}", programme.as_str()),
        (&format!("Opgave {name} versturen"), &format!("Send the counts of {name}")),
    )
    .ask(Kind::Select, QUARTER, ("Over welk kwartaal?", "Of which quarter?"))
    .options(quarters(api.gateway.clock.now()).into_iter().map(quarter).collect())
    .ask(Kind::Select, "/municipality", ("Gemeente", "Gemeente"))
    .options(places);
    for measure in programme.measures() {
        let words = (
            term(crate::portal::words::Lang::Nl, "count", measure.name),
            term(visit.lang, "count", measure.name),
        );
        form = form.ask(Kind::Number, &format!("/{}:n", measure.name), (&words.0, &words.1));
    }
    if programme == Programme::PohJ {
        form = form
            .ask(Kind::Text, &format!("/{GRADE}"), ("Gemiddeld cijfer", "Mean grade"))
            .hint(
                "Van 1,0 tot 10,0. Alleen als iemand een cijfer gaf.",
                "From 1.0 to 10.0. Only where somebody gave a grade.",
            )
            .optional();
    }
    form
}

fn sheet(visit: &Visit, forms: Vec<Form>) -> Result<HttpResponse, Problem> {
    let mut sheet = Sheet::of(visit, ("Opgave van een kwartaal", "Counts of a quarter")).tell(
        "Alleen aantallen: geen namen, geen dossiernummers. Stuurt u hetzelfde kwartaal nog een keer, dan geldt de laatste opgave.",
        "Counts only: no names, no file numbers. Sent again for the same quarter, the last counts hold.",
    );
    "/verwijzer".clone_into(&mut sheet.back);
    visit
        .say("Uw organisatie doet geen opgave.", "Your organisation reports no counts.")
        .clone_into(&mut sheet.empty);
    if !forms.is_empty() {
        sheet.empty.clear();
    }
    sheet.folded = forms.len() > 1;
    sheet.forms = forms;
    sheet.show()
}

/// `GET /verwijzer/opgave`.
///
/// # Errors
/// 403 for a role that reports nothing.
pub async fn ask(
    _: Allowed<ReportProgramme>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let forms = programmes(&visit, &api).into_iter().map(|one| form(&visit, &api, one)).collect();
    sheet(&visit, forms)
}

/// `POST /verwijzer/opgave/{programme}`.
///
/// # Errors
/// As `PUT /v1/programme-reports/{programme}/{period}`.
pub async fn send(
    allowed: Allowed<ReportProgramme>,
    visit: Visit,
    programme: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let programme = Programme::parse(&programme).or(Err(Problem::NotFound))?;
    let path = (programme.as_str().to_owned(), visit.sent.value(QUARTER).to_owned());
    let kept =
        reports::report_programme(allowed, Path::from(path), body(&visit.sent), api.clone()).await;
    let Some(problem) = shown(kept)? else {
        return Ok(done("/verwijzer/opgave", Done::Reported));
    };
    let place = |pointer: &str| if pointer.is_empty() { QUARTER } else { pointer }.to_owned();
    sheet(&visit, vec![form(&visit, &api, programme).sent(&visit.sent).wrong(&problem, place)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_that_are_over_can_be_chosen() {
        let at = |text: &str| quarters(text.parse().unwrap());
        assert_eq!(at("2026-11-27T12:00:00Z"), ["2026Q3", "2026Q2", "2026Q1", "2025Q4"]);
        assert_eq!(at("2026-12-31T22:59:59Z"), ["2026Q3", "2026Q2", "2026Q1", "2025Q4"]);
        assert_eq!(
            at("2026-12-31T23:00:00Z"),
            ["2026Q4", "2026Q3", "2026Q2", "2026Q1"],
            "it is 2027 in Amsterdam"
        );
    }
}
