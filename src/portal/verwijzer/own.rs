//! `/verwijzer`: one's own referrals, without anything of the family; taking one back; a decision heard later.

use crate::domain::partner::Role;
use crate::http::Api;
use crate::http::consent;
use crate::http::problem::Problem;
use crate::http::referrals::follow;
use crate::policy::Allowed;
use crate::policy::action::{DecideReferralConsent, ListReferrals, ReadReferral, WithdrawReferral};
use crate::portal::consent as consent_form;
use crate::portal::form::Form;
use crate::portal::page::{Row, Sheet, short, shown};
use crate::portal::trail::{Done, done};
use crate::portal::twin::Told;
use crate::portal::verwijzer::report;
use crate::portal::visit::Visit;
use crate::portal::words::term;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

/// `GET /verwijzer`.
///
/// # Errors
/// As `GET /v1/referrals`.
pub async fn list(
    allowed: Allowed<ListReferrals>,
    visit: Visit,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let told = Told::of(follow::list_referrals(allowed, request, api.clone()).await?)?;
    let mut sheet = Sheet::of(&visit, ("Mijn aanmeldingen", "My referrals")).heads(&[
        ("Nummer", "Number"),
        ("Uw kenmerk", "Your reference"),
        ("Ontvangen", "Received"),
        ("Status", "Status"),
    ]);
    let row = |one: &Told| Row {
        path: format!("/verwijzer/aanmelding/{}", one.text("/id")),
        cells: vec![
            short(&one.text("/id")),
            one.text("/reference"),
            one.day(visit.lang, "/receivedAt"),
            status(&visit, one),
        ],
    };
    sheet.rows = told.list("/items").iter().map(row).collect();
    visit
        .say("U hebt nog geen gezin aangemeld. Kies Gezin aanmelden; dat duurt ongeveer vier minuten.", "You have not referred a family yet. Choose Refer a family; it takes about four minutes.")
        .clone_into(&mut sheet.empty);
    sheet.links.push((
        "/verwijzer/aanmelden".to_owned(),
        visit.say("Gezin aanmelden", "Refer a family").to_owned(),
    ));
    if !report::programmes(&visit, &api).is_empty() {
        sheet.links.push((
            "/verwijzer/opgave".to_owned(),
            visit.say("Opgave van een kwartaal", "Counts of a quarter").to_owned(),
        ));
    }
    if told.has("/next") {
        let next = format!("/verwijzer?cursor={}", told.text("/next"));
        sheet.links.push((next, visit.say("Volgende aanmeldingen", "Next referrals").to_owned()));
    }
    sheet.show()
}

fn status(visit: &Visit, one: &Told) -> String {
    if one.has("/status") {
        return term(visit.lang, "status", &one.text("/status"));
    }
    visit
        .say(
            "Niet te zien: het gezin gaf daar (nog) geen toestemming voor",
            "Not shown: the family did not (yet) consent to that",
        )
        .to_owned()
}

async fn draw(
    allowed: Allowed<ReadReferral>,
    visit: &Visit,
    id: &str,
    api: &Data<Api>,
    wrong: Option<(&str, &Problem)>,
) -> Result<HttpResponse, Problem> {
    let one =
        Told::of(follow::read_referral(allowed, Path::from(id.to_owned()), api.clone()).await?)?;
    let title = (format!("Aanmelding {}", short(id)), format!("Referral {}", short(id)));
    let mut sheet = Sheet::of(visit, (&title.0, &title.1))
        .fact(("Uw kenmerk", "Your reference"), one.text("/reference"))
        .fact(("Heel nummer", "Whole number"), id)
        .fact(("Ontvangen", "Received"), one.moment(visit.lang, "/receivedAt"))
        .fact(("Status", "Status"), status(visit, &one))
        .fact(("Veranderd", "Changed"), one.moment(visit.lang, "/changedAt"));
    if one.has("/reference") {
        sheet = sheet.tell(
            "Belt u met de coördinator? Noem uw eigen kenmerk: het nummer ziet de coördinator niet.",
            "Calling the coordinator? Give your own reference: the coordinator does not see the number.",
        );
    }
    "/verwijzer".clone_into(&mut sheet.back);
    sheet.folded = true;
    if visit.subject().is_some_and(|subject| subject.roles.contains(&Role::CaseManager)) {
        sheet.links.push((
            format!("/verwijzer/plan/{id}"),
            visit.say("Doelen van het plan", "Goals of the plan").to_owned(),
        ));
    }
    let action = format!("/verwijzer/aanmelding/{id}/toestemming");
    sheet.forms = vec![consent_form::form(visit, action, &[], None)];
    if !matches!(one.text("/status").as_str(), "withdrawn" | "completed" | "not-paired") {
        let form = Form::to(
            visit,
            format!("/verwijzer/aanmelding/{id}/intrekken"),
            ("Aanmelding intrekken", "Take the referral back"),
        );
        sheet.forms.push(form.grave());
    }
    if let Some((of, problem)) = wrong {
        for form in sheet.forms.iter_mut().filter(|form| form.action.ends_with(of)) {
            *form = form.clone().sent(&visit.sent).wrong(problem, consent_form::place);
        }
    }
    sheet.show()
}

/// `GET /verwijzer/aanmelding/{id}`.
///
/// # Errors
/// As `GET /v1/referrals/{id}`.
pub async fn show(
    allowed: Allowed<ReadReferral>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    draw(allowed, &visit, &id, &api, None).await
}

/// `POST /verwijzer/aanmelding/{id}/intrekken`.
///
/// # Errors
/// As `POST /v1/referrals/{id}/withdrawals`.
pub async fn withdraw(
    allowed: Allowed<WithdrawReferral>,
    reading: Allowed<ReadReferral>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let kept = follow::withdraw_referral(allowed, Path::from(id.clone()), api.clone()).await;
    match shown(kept)? {
        None => Ok(done(&format!("/verwijzer/aanmelding/{id}"), Done::Withdrawn)),
        Some(problem) => draw(reading, &visit, &id, &api, Some(("/intrekken", &problem))).await,
    }
}

/// `POST /verwijzer/aanmelding/{id}/toestemming`.
///
/// # Errors
/// As `POST /v1/referrals/{id}/consent-decisions`.
pub async fn decide(
    allowed: Allowed<DecideReferralConsent>,
    reading: Allowed<ReadReferral>,
    visit: Visit,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (named, body) = (Path::from(id.clone()), consent_form::body(&visit, &api));
    let kept = consent::decide_referral_consent(allowed, named, body, request, api.clone()).await;
    match shown(kept)? {
        None => Ok(done(&format!("/verwijzer/aanmelding/{id}"), Done::Decided)),
        Some(problem) => draw(reading, &visit, &id, &api, Some(("/toestemming", &problem))).await,
    }
}
