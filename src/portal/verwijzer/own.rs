//! `/verwijzer`: one's own referrals, without anything of the family; taking one back; a decision heard later.

use crate::domain::consent::SignatureDecision;
use crate::http::Api;
use crate::http::consent;
use crate::http::problem::Problem;
use crate::http::referrals::follow;
use crate::policy::Allowed;
use crate::policy::action::{DecideReferralConsent, ListReferrals, ReadReferral, WithdrawReferral};
use crate::portal::edge::see_other;
use crate::portal::form::{Form, Kind, instant_of, set};
use crate::portal::page::{Row, Sheet, is_shown, short};
use crate::portal::twin::{Told, body_of};
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
    let told = Told::of(follow::list_referrals(allowed, request, api).await?)?;
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
        .fact(("Ontvangen", "Received"), one.moment(visit.lang, "/receivedAt"))
        .fact(("Status", "Status"), status(visit, &one))
        .fact(("Veranderd", "Changed"), one.moment(visit.lang, "/changedAt"));
    "/verwijzer".clone_into(&mut sheet.back);
    sheet.folded = true;
    sheet.forms = vec![deciding(visit, id)];
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
            *form = form.clone().sent(&visit.sent).wrong(problem, |pointer| {
                if pointer == "/at" { "dag" } else { pointer }.to_owned()
            });
        }
    }
    sheet.show()
}

/// The form for a signature, a refusal or a withdrawal that the referrer heard.
fn deciding(visit: &Visit, id: &str) -> Form {
    let who = [
        ("parent1", "De eerste ouder", "The first parent"),
        ("parent2", "De andere ouder", "The other parent"),
        ("child1", "Kind 1", "Child 1"),
        ("child2", "Kind 2", "Child 2"),
        ("child3", "Kind 3", "Child 3"),
        ("child4", "Kind 4", "Child 4"),
    ];
    let options = who
        .iter()
        .map(|(code, dutch, english)| ((*code).to_owned(), visit.say(dutch, english).to_owned()));
    Form::to(
        visit,
        format!("/verwijzer/aanmelding/{id}/toestemming"),
        ("Toestemming vastleggen", "Record consent"),
    )
    .ask(Kind::Radio, "/signer", ("Wie besliste?", "Who decided?"))
    .options(options.collect())
    .ask(Kind::Radio, "/decision", ("Wat was het antwoord?", "What was the answer?"))
    .terms("decision", SignatureDecision::ALL.iter().map(|one| one.as_str()))
    .ask(Kind::Date, "dag", ("Op welke dag?", "On which day?"))
    .ask(Kind::Text, "/method", ("Hoe?", "How?"))
    .hint(
        "Zoals: getekend op papier. Alleen nodig bij ja.",
        "Such as: signed on paper. Needed for a yes only.",
    )
    .optional()
    .ask(Kind::Text, "/evidence", ("Waar is dat vastgelegd?", "Where is that kept?"))
    .hint("Alleen nodig bij ja.", "Needed for a yes only.")
    .optional()
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
    match follow::withdraw_referral(allowed, Path::from(id.clone()), api.clone()).await {
        Ok(_) => Ok(see_other(&format!("/verwijzer/aanmelding/{id}"))),
        Err(problem) if is_shown(&problem) => {
            draw(reading, &visit, &id, &api, Some(("/intrekken", &problem))).await
        }
        Err(problem) => Err(problem),
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
    let mut value = visit.sent.json();
    if let Some(at) = instant_of(visit.sent.value("dag"), api.gateway.clock.now()) {
        set(&mut value, "/at", at);
    }
    let named = Path::from(id.clone());
    match consent::decide_referral_consent(allowed, named, body_of(&value), request, api.clone())
        .await
    {
        Ok(_) => Ok(see_other(&format!("/verwijzer/aanmelding/{id}"))),
        Err(problem) if is_shown(&problem) => {
            draw(reading, &visit, &id, &api, Some(("/toestemming", &problem))).await
        }
        Err(problem) => Err(problem),
    }
}
