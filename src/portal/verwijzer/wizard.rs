//! `/verwijzer/aanmelden`: one thing a page, and nothing kept until the last one is sent.
//!
//! What was answered travels from page to page within the forms: not in an address, not on our side, not in a browser's
//! storage. Every step is judged by the reader of the API; a step that is right leads to the next.

use crate::domain::referral::Urgency;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::referrals::read;
use crate::http::referrals::submit;
use crate::http::wire::FieldError;
use crate::policy::Allowed;
use crate::policy::action::SubmitReferral;
use crate::portal::form::{Field, Form, Kind};
use crate::portal::page::{self, Frame, Sheet, short};
use crate::portal::twin::{Told, body_of};
use crate::portal::verwijzer::placed::placed;
use crate::portal::verwijzer::review;
use crate::portal::verwijzer::steps::{self, LAST, READ_OUT, title};
use crate::portal::visit::Visit;
use crate::portal::words::term;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use askama::Template;
use std::collections::BTreeSet;

/// A step, its title, and what was answered in it.
type Answered = (usize, String, Vec<(String, String)>);

/// Fields of a form that are not answers.
const OURS: [&str; 5] = ["csrf", "eenmalig", "stap", "naar", READS];
/// Says that somebody has read all of it over before: after a change they go on reading.
const READS: &str = "lezen";

/// Answers that are about a family.
const ABOUT: [&str; 3] = ["/subjects", "/contact/", "/supportText"];

#[derive(Template)]
#[template(path = "wizard.html")]
struct StepPage {
    frame: Frame,
    step: usize,
    last: usize,
    heading: String,
    told: Vec<String>,
    form: Form,
    /// Answers of other steps, carried along.
    carried: Vec<(String, String)>,
    /// Answers to read over, by step: its title, and they.
    summary: Vec<Answered>,
    /// What the free text seems to hold.
    warnings: Vec<String>,
}

/// `GET /verwijzer/aanmelden`: the first step.
///
/// # Errors
/// 403 for a role that refers nobody.
pub async fn begin(
    _: Allowed<SubmitReferral>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    draw(&visit, &api, 1, steps::form(&visit, &api, 1), Vec::new())
}

/// `POST /verwijzer/aanmelden`: a step was answered, or somebody goes back.
///
/// # Errors
/// As `POST /v1/referrals`; what is wrong in a step is shown on its page.
pub async fn answer(
    allowed: Allowed<SubmitReferral>,
    visit: Visit,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let step =
        visit.sent.value("stap").parse::<usize>().ok().filter(|step| (1..=LAST).contains(step));
    let step = step.ok_or(Problem::NotFound)?;
    let to = visit.sent.value("naar");
    if to == "kind" {
        return draw(&visit, &api, step, steps::form(&visit, &api, step), Vec::new());
    }
    if let Some(back) = to.strip_prefix("stap").and_then(|text| text.parse::<usize>().ok()) {
        let back = back.clamp(1, step);
        return draw(&visit, &api, back, steps::form(&visit, &api, back), Vec::new());
    }
    if step == 2 && visit.sent.value("ja") == "nee" {
        return advice(&visit);
    }
    if step == LAST {
        return send(allowed, &visit, request, api).await;
    }
    let (errors, warnings) = judged(&visit, &api);
    let form = marked(&visit, &api, step, errors.clone());
    if form.errors.is_empty() {
        let lacks = |at: &usize| !marked(&visit, &api, *at, errors.clone()).errors.is_empty();
        let next = match visit.sent.value(READS) {
            "" => step + 1,
            _ => (step + 1..LAST).find(lacks).unwrap_or(LAST),
        };
        let warnings = if next == LAST {
            [review::lacking(&visit, &api), warnings].concat()
        } else {
            Vec::new()
        };
        return draw(&visit, &api, next, steps::form(&visit, &api, next), warnings);
    }
    draw(&visit, &api, step, form, Vec::new())
}

/// What the reader of the API finds wrong, and of what it warns.
fn judged(visit: &Visit, api: &Api) -> (Vec<FieldError>, Vec<String>) {
    let body = steps::referral(visit, api).to_string();
    match read::referral(body.as_bytes(), api.gateway.clock.now()) {
        Ok((new, _)) => {
            let words = |hint: &crate::domain::person::Hint| term(visit.lang, "hint", hint.code());
            (Vec::new(), new.warnings.iter().map(|(_, hint)| words(hint)).collect())
        }
        Err(errors) => (errors, Vec::new()),
    }
}

/// The form of a step with what is wrong in it; what is wrong in other steps is theirs.
fn marked(visit: &Visit, api: &Api, step: usize, errors: Vec<FieldError>) -> Form {
    let mut form = steps::form(visit, api, step);
    let asks = |name: &str, form: &Form| {
        form.fields.iter().any(|field| field.name.split(':').next() == Some(name))
    };
    let place = placed(&visit.sent);
    let own: Vec<FieldError> =
        errors.into_iter().filter(|e| asks(&place(&e.pointer), &form)).collect();
    for name in missing(&form) {
        form = form.wrong_at(&Problem::invalid(&name, "missing", "is required"));
    }
    if step == 2 && visit.sent.value("gezag") == "GezagNietTeBepalen" {
        let rule = "must be known: without it nobody can say yes";
        form = form.wrong_at(&Problem::invalid("gezag", "authority-unclear", rule));
    }
    let calls = visit.sent.value("/safetySignal:b") == "true";
    if step == 4 && calls && visit.sent.value("/referrer/phone").is_empty() {
        let rule = "needs your telephone at work, in step 1";
        form = form.wrong_at(&Problem::invalid("/safetySignal", "no-telephone", rule));
    }
    form.wrong(&Problem::Invalid(own), place)
}

/// What must be answered and was not: all of it at once, where the reader of the API says of a name that was left out only
/// that there is none. A child that was added and left empty is none.
fn missing(form: &Form) -> Vec<String> {
    let plain = |field: &Field| field.name.split(':').next().unwrap_or_default().to_owned();
    let child = |field: &Field| {
        let at = field.name.strip_prefix("/subjects/").and_then(|rest| rest.split('/').next())?;
        at.parse::<usize>().ok().filter(|at| *at > 1)
    };
    let filled: BTreeSet<usize> =
        form.fields.iter().filter(|field| field.is_filled()).filter_map(child).collect();
    let asked = form.fields.iter().filter(|field| {
        let answers = !matches!(field.kind, Kind::Heading | Kind::Hidden | Kind::Flag);
        answers && !field.optional && child(field).is_none_or(|at| filled.contains(&at))
    });
    asked.filter(|field| !field.is_filled()).map(plain).collect()
}

async fn send(
    allowed: Allowed<SubmitReferral>,
    visit: &Visit,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (errors, _) = judged(visit, &api);
    if let Some(step) =
        (1..LAST).find(|step| !marked(visit, &api, *step, errors.clone()).errors.is_empty())
    {
        return draw(visit, &api, step, marked(visit, &api, step, errors), Vec::new());
    }
    let body = body_of(&steps::referral(visit, &api));
    match submit::submit_referral(allowed, body, request, api.clone()).await {
        Ok(answer) => sent(visit, &Told::of(answer)?),
        Err(problem @ (Problem::Invalid(_) | Problem::ConsentRefused { .. })) => {
            let form = steps::form(visit, &api, LAST).wrong(&problem, placed(&visit.sent));
            draw(visit, &api, LAST, form, Vec::new())
        }
        Err(problem) => Err(problem),
    }
}

/// It was sent: its number, and what happens when.
fn sent(visit: &Visit, told: &Told) -> Result<HttpResponse, Problem> {
    let id = told.text("/id");
    let waits = told.text("/status") == "awaiting-consent";
    let mut sheet = Sheet::of(visit, ("Verstuurd", "Sent"))
        .fact(("Nummer", "Number"), short(&id))
        .fact(("Status", "Status"), term(visit.lang, "status", &told.text("/status")))
        .fact(("Ontvangen", "Received"), told.moment(visit.lang, "/receivedAt"));
    sheet = if waits {
        sheet.tell(
            "Nog niet iedereen die ja moet zeggen, heeft dat gedaan: de andere ouder, of een kind van 12 jaar of ouder. De coördinator kan al contact opnemen, maar zoekt nog geen steungezin. Hoort u een ja? Leg dat dan vast bij deze aanmelding.",
            "Not everybody who must say yes has: the other parent, or a child of 12 or older. The coordinator can make contact, but does not look for a support family yet. Do you hear a yes? Record it with this referral.",
        )
    } else {
        sheet.tell(
            "Een coördinator neemt contact op met het gezin. U ziet bij Mijn aanmeldingen hoe het staat, als het gezin dat goed vond.",
            "A coordinator makes contact with the family. My referrals shows how it stands, if the family agreed to that.",
        )
    };
    if visit.sent.value("/urgency") == Urgency::Urgent.as_str() {
        sheet = sheet.tell(
            "U koos met voorrang: de coördinator ziet dat zodra iedereen ja heeft gezegd.",
            "You chose with priority: the coordinator sees that once everybody has said yes.",
        );
    }
    let own = visit.say("Naar deze aanmelding", "To this referral").to_owned();
    sheet.links.push((format!("/verwijzer/aanmelding/{id}"), own));
    sheet.links.push((
        "/verwijzer/aanmelden".to_owned(),
        visit.say("Nog een gezin aanmelden", "Refer another family").to_owned(),
    ));
    sheet.show()
}

/// No consent is no dead end.
fn advice(visit: &Visit) -> Result<HttpResponse, Problem> {
    let mut sheet = Sheet::of(visit, ("Nog geen toestemming", "No consent yet"))
        .tell("Zonder ja van het gezin kunt u niet aanmelden. Er is niets bewaard.", "Without a yes of the family you cannot refer. Nothing was kept.")
        .tell("Twijfelt het gezin? Vertel dat alleen een coördinator de naam ziet, en dat zij elk moment kunnen stoppen.", "Does the family hesitate? Tell them that only a coordinator sees their name, and that they can stop at any moment.")
        .tell("Het gezin kan zich ook zelf aanmelden bij Buurtgezinnen, of eerst vrijblijvend bellen.", "The family can also register with Buurtgezinnen itself, or call first.")
        .tell("Maakt u zich zorgen over de veiligheid van een kind? Bel Veilig Thuis: 0800 2000, dag en nacht.", "Do you worry about the safety of a child? Call Veilig Thuis: 0800 2000, day and night.");
    let mut back = Form::to(visit, "/verwijzer/aanmelden", ("Vorige stap", "Previous step"));
    let answers = visit.sent.pairs().filter(|(name, _)| !OURS.contains(name));
    for (name, text) in answers.chain([("stap", "2"), ("naar", "stap2")]) {
        back = back.with(name, text);
    }
    sheet.forms.push(back);
    // What was answered of the family travels along, should it say yes after all.
    page::show_names(StatusCode::OK, &sheet, "/verwijzer")
}

fn draw(
    visit: &Visit,
    api: &Api,
    step: usize,
    form: Form,
    warnings: Vec<String>,
) -> Result<HttpResponse, Problem> {
    let (dutch, english) = title(step);
    let heading = visit.say(dutch, english).to_owned();
    let count =
        (format!("Stap {step} van {LAST}: {dutch}"), format!("Step {step} of {LAST}: {english}"));
    let mut frame = Frame::of(visit, (&count.0, &count.1));
    let wrong = !form.errors.is_empty();
    if wrong {
        frame = frame.wrong();
    }
    let asked = |name: &str| {
        form.fields.iter().any(|field| field.name == name && field.kind != Kind::Heading)
    };
    let carried = visit
        .sent
        .pairs()
        .filter(|(name, text)| !OURS.contains(name) && !text.is_empty() && !asked(name));
    let mut carried: Vec<_> =
        carried.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let has_read = !visit.sent.value(READS).is_empty() || visit.sent.value("stap") == "6";
    if has_read && step < LAST {
        carried.push((READS.to_owned(), "ja".to_owned()));
    }
    let named = |(at, answers): (usize, Vec<(String, String)>)| {
        let (dutch, english) = title(at);
        (at, visit.say(dutch, english).to_owned(), answers)
    };
    let summary = if step == LAST {
        review::summary(visit, api).into_iter().map(named).collect()
    } else {
        Vec::new()
    };
    let told = if step == 2 {
        READ_OUT.iter().map(|(dutch, english)| visit.say(dutch, english).to_owned()).collect()
    } else {
        Vec::new()
    };
    let page =
        StepPage { frame, step, last: LAST, heading, told, form, carried, summary, warnings };
    let status = if wrong { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    // Who the family is stands on it, or travels with it: it does not stay on a screen that somebody left.
    if step > 2 || page.carried.iter().any(|(name, _)| ABOUT.iter().any(|of| name.starts_with(of)))
    {
        return page::show_names(status, &page, "/verwijzer");
    }
    page::show(status, &page)
}
