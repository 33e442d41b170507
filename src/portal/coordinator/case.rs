//! `/coordinator/zaak/{id}`: one case without names, and what can be done with it.

use crate::domain::case::{CaseState, ReleasePurpose};
use crate::http::Api;
use crate::http::cases::{read, release, transition};
use crate::http::consent;
use crate::http::pairings::introduce;
use crate::http::problem::Problem;
use crate::policy::Allowed;
use crate::policy::action::{
    DecideCaseConsent, ListPairings, ListReleases, ReadCase, TransitionCase,
};
use crate::portal::consent as consent_form;
use crate::portal::coordinator::pairing;
use crate::portal::form::{Form, Kind};
use crate::portal::page::{self, Frame, Row, Sheet, short, shown};
use crate::portal::sign_in::is_fresh;
use crate::portal::trail::{self, Done, done};
use crate::portal::twin::{Told, body};
use crate::portal::visit::Visit;
use crate::portal::words::{because, reason, term, terms_of, who, why};
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use askama::Template;

/// A step of the way a case goes.
struct Step {
    class: &'static str,
    words: String,
    note: String,
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage {
    frame: Frame,
    id: String,
    case: Told,
    steps: Vec<Step>,
    facts: Vec<(String, String)>,
    reasons: Vec<String>,
    /// Who still has to sign, in words.
    missing: String,
    names: Form,
    fresh: bool,
    pairings: Vec<Told>,
    looking: bool,
    forms: Vec<Form>,
}

/// Proof that somebody may see the page: the case, and its pairings.
#[derive(Clone)]
pub(super) struct Seeing {
    pub(super) case: Allowed<ReadCase>,
    pub(super) pairings: Allowed<ListPairings>,
}

/// What went wrong, and with which form: the end of its path.
pub(super) type Wrong<'a> = Option<(&'static str, &'a Problem)>;

/// The page of a case.
///
/// # Errors
/// As `GET /v1/cases/{id}`.
pub(super) async fn draw(
    seeing: Seeing,
    visit: &Visit,
    id: &str,
    api: &Data<Api>,
    wrong: Wrong<'_>,
) -> Result<HttpResponse, Problem> {
    let named = || Path::from(id.to_owned());
    let case = Told::of(read::read_case(seeing.case, named(), api.clone()).await?)?;
    let state = CaseState::parse(&case.text("/state")).or(Err(Problem::Internal))?;
    // Before anything happened there is nothing to ask for, and no line in the ledger that a family would wonder at.
    let pairings = if state == CaseState::New {
        Vec::new()
    } else {
        let told = introduce::list_pairings(seeing.pairings, named(), api.clone()).await?;
        Told::of(told)?.list("/items")
    };
    let short = short(id);
    let mut frame = Frame::of(visit, (&format!("Zaak {short}"), &format!("Case {short}")));
    let mut opening = names(visit, id, &case);
    let mut forms = pairing::forms(visit, id, &pairings);
    forms.extend(moving(visit, id, &case, state, &pairings));
    forms.push(deciding(visit, id, &case));
    if let Some(wrong) = wrong {
        frame = mark(frame.wrong(), forms.iter_mut().chain([&mut opening]), visit, wrong);
    }
    let page = CasePage {
        steps: steps(visit, state, &pairings),
        facts: facts(visit, &case),
        reasons: case
            .words("/consent/reasons")
            .iter()
            .map(|code| reason(visit.lang, code))
            .collect(),
        missing: missing(visit, &case),
        fresh: is_fresh(visit),
        looking: state.takes_a_pairing()
            && case.text("/consent/stage") == "full"
            && pairings.iter().all(|one| one.text("/state") == "ended"),
        frame,
        id: id.to_owned(),
        case,
        names: opening,
        pairings,
        forms,
    };
    let status = match wrong {
        None => StatusCode::OK,
        Some((_, Problem::ConsentRefused { .. })) => StatusCode::FORBIDDEN,
        Some((_, Problem::StateConflict { .. })) => StatusCode::CONFLICT,
        Some((_, Problem::Stale)) => StatusCode::PRECONDITION_FAILED,
        Some(_) => StatusCode::BAD_REQUEST,
    };
    let mut shown = page::show(status, &page)?;
    if !page.fresh {
        trail::remember(shown.headers_mut(), &format!("/coordinator/zaak/{id}"));
    }
    Ok(shown)
}

/// Says what is wrong at the form that was sent, or above the page where that form is gone.
fn mark<'f>(
    mut frame: Frame,
    forms: impl Iterator<Item = &'f mut Form>,
    visit: &Visit,
    (of, problem): (&str, &Problem),
) -> Frame {
    let mut there = false;
    for form in forms.filter(|form| form.action.ends_with(of)) {
        *form = form.clone().sent(&visit.sent).wrong(problem, consent_form::place);
        there = true;
    }
    if !there {
        frame.refuse(problem);
    }
    frame
}

/// A form of this page: the end of its path, and what the page says once it is done.
pub(super) type Sending = (&'static str, Done);

/// Leads back to the case when it was done, or shows what is wrong.
pub(super) async fn after(
    kept: Result<HttpResponse, Problem>,
    seeing: Seeing,
    visit: &Visit,
    id: &str,
    api: &Data<Api>,
    (of, what): Sending,
) -> Result<HttpResponse, Problem> {
    match shown(kept)? {
        None => Ok(done(&format!("/coordinator/zaak/{id}"), what)),
        Some(problem) => draw(seeing, visit, id, api, Some((of, &problem))).await,
    }
}

/// The form that opens names.
fn names(visit: &Visit, id: &str, case: &Told) -> Form {
    let purposes = ReleasePurpose::ALL.iter().map(|one| one.as_str());
    Form::to(visit, format!("/coordinator/zaak/{id}/namen"), ("Namen tonen", "Show names"))
        .ask(Kind::Radio, "/purpose", ("Waarvoor?", "For what?"))
        .terms("purpose", purposes)
        .ask(Kind::Text, "/reason", ("Waarom?", "Why?"))
        .hint(
            "In een zin, zonder namen. Het gezin kan dit opvragen.",
            "In a sentence, without names. The family can ask for this.",
        )
        .of_version(case.text("/version"))
}

fn moving(
    visit: &Visit,
    id: &str,
    case: &Told,
    state: CaseState,
    pairings: &[Told],
) -> Option<Form> {
    let living = pairings.iter().map(|one| one.text("/state")).find(|state| state != "ended");
    let next = state.next(living.and_then(|state| CaseState::parse(&state).ok()));
    let form = Form::to(
        visit,
        format!("/coordinator/zaak/{id}/stap"),
        ("Zaak verder brengen", "Move the case along"),
    )
    .ask(Kind::Radio, "/to", ("Waarheen?", "Where to?"))
    .terms("state", next.iter().map(|state| state.as_str()))
    .ask(Kind::Text, "/reason", ("Waarom?", "Why?"))
    .optional()
    .of_version(case.text("/version"));
    (!next.is_empty()).then_some(form)
}

/// Who still has to sign.
fn missing(visit: &Visit, case: &Told) -> String {
    let labels = case.words("/consent/missing");
    labels.iter().map(|label| who(visit.lang, label)).collect::<Vec<_>>().join(", ")
}

/// The form for a decision about consent that the coordinator heard: who is still to sign stands first.
fn deciding(visit: &Visit, id: &str, case: &Told) -> Form {
    let action = format!("/coordinator/zaak/{id}/toestemming");
    let children = Some(case.words("/ageBands").len()).filter(|children| *children > 0);
    consent_form::form(visit, action, &case.words("/consent/missing"), children)
}

/// What is known of the case, in words.
pub(super) fn facts(visit: &Visit, case: &Told) -> Vec<(String, String)> {
    let word = |list: &str, place: &str| term(visit.lang, list, &case.text(place));
    let words = |list: &str, place: &str| terms_of(visit.lang, list, &case.words(place));
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut put = |dutch: &str, english: &str, text: String| {
        if !text.is_empty() {
            facts.push((visit.say(dutch, english).to_owned(), text));
        }
    };
    if case.is("/request/safetySignal") {
        let call = visit.say("Bel eerst de verwijzer", "Call the referrer first");
        put("Let op", "Mind", call.to_owned());
    }
    put("Stand", "State", word("state", "/state"));
    put("Ontvangen", "Received", case.day(visit.lang, "/receivedAt"));
    put("Verwijzer", "Referrer", word("source", "/source"));
    put("Voorrang", "Urgency", word("urgency", "/urgency"));
    put("Gemeente", "Gemeente", word("gemeente", "/municipality"));
    put("Wijk", "District", case.text("/district"));
    put("Huishouden", "Household", word("household", "/household"));
    put("Kinderen", "Children", words("age", "/ageBands"));
    put("Gevraagd", "Asked for", words("support", "/request/support/codes"));
    put("Wanneer", "When", words("daypart", "/request/support/dayparts"));
    put("Hoe vaak", "How often", word("frequency", "/request/support/frequency"));
    put("Taal", "Language", word("language", "/request/preferredLanguage"));
    put("Nummer", "Number", case.text("/id"));
    facts
}

/// The way of a case: what is behind it, where it stands, what comes.
fn steps(visit: &Visit, state: CaseState, pairings: &[Told]) -> Vec<Step> {
    const WAY: [(CaseState, &str, &str); 8] = [
        (CaseState::New, "Aanmelding ontvangen", "Referral received"),
        (CaseState::Intake, "Gesprek", "First talk"),
        (CaseState::Searching, "Steungezin zoeken", "Looking for a support family"),
        (CaseState::Introduction, "Kennismaking", "Introduction"),
        (CaseState::Trial, "Proefperiode", "Trial"),
        (CaseState::Paired, "Afspraken", "Agreements"),
        (CaseState::Evaluating, "Evaluatie elk half jaar", "Evaluation each half year"),
        (CaseState::Closed, "Afgerond", "Closed"),
    ];
    let at = WAY.iter().position(|(of, ..)| *of == state);
    // A case that ended before anybody was introduced went past what lies between.
    let skipped = state == CaseState::Closed && pairings.is_empty();
    let until = pairings.iter().find(|one| one.text("/state") == "trial");
    let step = |(index, (of, dutch, english)): (usize, &(CaseState, &str, &str))| {
        let class = match at {
            Some(now) if index < now => "is-klaar",
            Some(now) if index == now => "is-nu",
            _ => "is-straks",
        };
        let class = if skipped && class == "is-klaar" { "is-straks" } else { class };
        let note = match class {
            _ if skipped && class == "is-straks" => {
                visit.say("overgeslagen of afgebroken", "skipped or broken off")
            }
            "is-klaar" => visit.say("gedaan", "done"),
            "is-nu" => visit.say("nu", "now"),
            _ => visit.say("straks", "later"),
        };
        let trial =
            until.filter(|_| *of == CaseState::Trial).map(|one| one.day(visit.lang, "/trialUntil"));
        let words = match trial {
            Some(day) if !day.is_empty() => {
                format!("{} ({} {day})", visit.say(dutch, english), visit.say("t/m", "until"))
            }
            _ => visit.say(dutch, english).to_owned(),
        };
        Step { class, words, note: note.to_owned() }
    };
    let waits = (state == CaseState::OnHold).then(|| Step {
        class: "is-nu",
        words: visit.say("Wacht", "On hold").to_owned(),
        note: visit.say("nu: de zaak staat stil", "now: the case stands still").to_owned(),
    });
    waits.into_iter().chain(WAY.iter().enumerate().map(step)).collect()
}

/// `GET /coordinator/zaak/{id}`.
///
/// # Errors
/// As `GET /v1/cases/{id}`.
pub async fn show(
    case: Allowed<ReadCase>,
    pairings: Allowed<ListPairings>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    draw(Seeing { case, pairings }, &visit, &id, &api, None).await
}

/// `POST /coordinator/zaak/{id}/stap`.
///
/// # Errors
/// As `POST /v1/cases/{id}/transitions`.
pub async fn step(
    allowed: Allowed<TransitionCase>,
    (case, pairings): (Allowed<ReadCase>, Allowed<ListPairings>),
    visit: Visit,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let named = Path::from(id.clone());
    let kept =
        transition::transition_case(allowed, named, body(&visit.sent), request, api.clone()).await;
    after(kept, Seeing { case, pairings }, &visit, &id, &api, ("/stap", Done::Moved)).await
}

/// `POST /coordinator/zaak/{id}/toestemming`.
///
/// # Errors
/// As `POST /v1/cases/{id}/consent-decisions`.
pub async fn decide(
    allowed: Allowed<DecideCaseConsent>,
    (case, pairings): (Allowed<ReadCase>, Allowed<ListPairings>),
    visit: Visit,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let named = Path::from(id.clone());
    let body = consent_form::body(&visit, &api);
    let kept = consent::decide_case_consent(allowed, named, body, request, api.clone()).await;
    after(kept, Seeing { case, pairings }, &visit, &id, &api, ("/toestemming", Done::Decided)).await
}

/// `GET /coordinator/zaak/{id}/gezien`: who opened the names, when and why.
///
/// # Errors
/// As `GET /v1/cases/{id}/identity-releases`.
pub async fn seen(
    allowed: Allowed<ListReleases>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let case = id.clone();
    let told = Told::of(release::list_releases(allowed, id, api).await?)?;
    let mut sheet = Sheet::of(&visit, ("Wie heeft dit gezien?", "Who has seen this?")).heads(&[
        ("Wanneer", "When"),
        ("Wie", "Who"),
        ("Waarvoor", "For what"),
        ("Wat", "What"),
        ("Waarom", "Why"),
    ]);
    sheet.back = format!("/coordinator/zaak/{case}");
    let row = |one: &Told| Row {
        path: String::new(),
        cells: vec![
            one.moment(visit.lang, "/releasedAt"),
            one.text("/person"),
            why(visit.lang, &one.text("/purpose")),
            terms_of(visit.lang, "field-group", &one.words("/fields")),
            because(visit.lang, &one.text("/purpose"), one.text("/reason")),
        ],
    };
    sheet.rows = told.list("/items").iter().map(row).collect();
    visit
        .say("Nog niemand opende de namen.", "Nobody has opened the names.")
        .clone_into(&mut sheet.empty);
    sheet.show()
}
