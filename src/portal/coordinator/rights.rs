//! `/coordinator/zaak/{id}/rechten`: what a family may ask of what is kept of it.

use crate::flow::erase::EraseReason;
use crate::http::Api;
use crate::http::cases::{access, rights};
use crate::http::problem::Problem;
use crate::http::reply;
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::{EraseCase, ObjectToStatistics, SeeToAccess};
use crate::portal::coordinator::answer;
use crate::portal::coordinator::names::is_spent;
use crate::portal::form::{Form, Kind};
use crate::portal::page::{Row, Sheet, aside, shown};
use crate::portal::sign_in::is_fresh;
use crate::portal::trail::{self, Done, done};
use crate::portal::twin::{Told, body};
use crate::portal::visit::Visit;
use crate::portal::words::who;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

async fn draw(
    allowed: Allowed<SeeToAccess>,
    visit: &Visit,
    id: &str,
    api: &Data<Api>,
    wrong: Option<(&str, &Problem)>,
) -> Result<HttpResponse, Problem> {
    let listed =
        access::list_access_requests(allowed, Path::from(id.to_owned()), api.clone()).await?;
    let items = Told::of(listed)?.list("/items");
    let mut sheet = Sheet::of(visit, ("Rechten van het gezin", "Rights of the family"))
        .tell(
            "Een gezin mag zien wat er van hen is bewaard, dat laten verbeteren of wissen, en vragen niet mee te tellen in cijfers. Verbeteren doet u onder de namen, zodra u die hebt geopend.",
            "A family may see what is kept of it, have it corrected or erased, and ask not to be counted in figures. You correct below the names, once you opened them.",
        )
        .heads(&[("Wie vroeg inzage", "Who asked to see"), ("Gevraagd op", "Asked on"), ("Antwoord vóór", "Answer before"), ("Beantwoord", "Answered")]);
    sheet.back = format!("/coordinator/zaak/{id}");
    if !is_fresh(visit) {
        sheet = sheet.tell(
            "U bent langer dan tien minuten geleden ingelogd. Inzage geven en wissen kan pas nadat u opnieuw bent ingelogd; dan komt u hier terug.",
            "You signed in more than ten minutes ago. Answering and erasing can be done once you signed in again; you will come back here.",
        );
        sheet.links.push((
            "/inloggen".to_owned(),
            visit.say("Opnieuw inloggen", "Sign in again").to_owned(),
        ));
    }
    sheet.folded = true;
    sheet.rows = items
        .iter()
        .map(|one| Row {
            path: String::new(),
            cells: vec![
                who(visit.lang, &one.text("/subject")),
                one.day(visit.lang, "/receivedOn"),
                one.day(visit.lang, "/dueOn"),
                one.moment(visit.lang, "/answeredAt"),
            ],
        })
        .collect();
    visit
        .say("Er zijn geen verzoeken om inzage.", "There are no requests to see.")
        .clone_into(&mut sheet.empty);
    sheet.forms = forms(visit, id, &items);
    if let Some((of, problem)) = wrong {
        for form in sheet.forms.iter_mut().filter(|form| form.action.ends_with(of)) {
            *form = form.clone().sent(&visit.sent).wrong_at(problem);
        }
        sheet.refuse(problem);
    }
    let mut shown = sheet.show()?;
    if !is_fresh(visit) {
        trail::remember(shown.headers_mut(), &format!("/coordinator/zaak/{id}/rechten"));
    }
    Ok(shown)
}

fn forms(visit: &Visit, id: &str, items: &[Told]) -> Vec<Form> {
    let at = |end: &str| format!("/coordinator/zaak/{id}/rechten/{end}");
    let labels = ["parent1", "parent2", "child1", "child2", "child3", "child4", "child5", "child6"];
    let named = |label: &str| (label.to_owned(), who(visit.lang, label));
    let people = labels.into_iter().map(named).collect();
    let mut forms = vec![
        Form::to(visit, at("inzage"), ("Verzoek om inzage vastleggen", "Record a request to see"))
            .ask(Kind::Select, "/subject", ("Wie vraagt?", "Who asks?"))
            .options(people)
            .ask(Kind::Date, "/receivedOn", ("Op welke dag?", "On which day?"))
            .optional(),
    ];
    let open: Vec<(String, String)> = items
        .iter()
        .filter(|one| !one.has("/answeredAt"))
        .map(|one| {
            (
                one.text("/id"),
                format!(
                    "{}, {}",
                    who(visit.lang, &one.text("/subject")),
                    one.day(visit.lang, "/receivedOn")
                ),
            )
        })
        .collect();
    if !open.is_empty() && is_fresh(visit) {
        forms.push(answering(visit, at("antwoord"), open));
    }
    forms.push(
        Form::to(
            visit,
            at("bezwaar"),
            ("Niet meetellen in cijfers", "Not to be counted in figures"),
        )
        .ask(Kind::Heading, "", ("Niet meetellen", "Not to be counted"))
        .hint(
            "Het gezin telt dan niet mee in cijfers die nog komen. Dat kan niet worden teruggedraaid.",
            "The family is then not counted in figures that are still to come. This cannot be undone.",
        )
        .with("/to", "statistics"),
    );
    // Neither can be undone: not by whoever finds a screen that was left.
    if is_fresh(visit) {
        forms.push(erasing(visit, at("wissen")));
    }
    forms
}

/// The form that answers a request to see.
fn answering(visit: &Visit, action: String, open: Vec<(String, String)>) -> Form {
    Form::to(visit, action, ("Inzage geven (om te printen)", "Answer (to print)"))
        .ask(Kind::Radio, "/request", ("Welk verzoek?", "Which request?"))
        .options(open)
        .ask(
            Kind::Flag,
            "/identityVerified:b",
            ("Ik heb gecontroleerd wie het vraagt", "I checked who asks"),
        )
        .ask(
            Kind::Flag,
            "/rightsOfOthersChecked:b",
            (
                "Ik heb gekeken of er gegevens van anderen in staan die niet verteld mogen worden",
                "I looked at whether it holds data of others that must not be told",
            ),
        )
}

/// The form that erases everything, which asks twice.
fn erasing(visit: &Visit, action: String) -> Form {
    let reasons = EraseReason::ALL.iter().map(|one| one.as_str());
    Form::to(visit, action, ("Alles wissen", "Erase everything"))
        .ask(Kind::Radio, "/reason", ("Waarom?", "Why?"))
        .hint("Dit kan niet ongedaan worden gemaakt.", "This cannot be undone.")
        .terms("erase", reasons)
        .ask(
            Kind::Flag,
            "zeker",
            ("Ik weet zeker dat alles weg mag", "I am sure that all of it may go"),
        )
        .grave()
}

/// `GET /coordinator/zaak/{id}/rechten`.
///
/// # Errors
/// As `GET /v1/cases/{id}/access-requests`.
pub async fn show(
    allowed: Allowed<SeeToAccess>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    draw(allowed, &visit, &id, &api, None).await
}

/// `POST /coordinator/zaak/{id}/rechten/inzage`.
///
/// # Errors
/// As `POST /v1/cases/{id}/access-requests`.
pub async fn request(
    allowed: Allowed<SeeToAccess>,
    visit: Visit,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (seeing, named) = (allowed.clone(), Path::from(id.clone()));
    let sent = body(&visit.sent);
    match shown(access::request_access(allowed, named, sent, request, api.clone()).await)? {
        None => Ok(done(&format!("/coordinator/zaak/{id}/rechten"), Done::Requested)),
        Some(problem) => draw(seeing, &visit, &id, &api, Some(("/inzage", &problem))).await,
    }
}

/// `POST /coordinator/zaak/{id}/rechten/antwoord`: what is kept of somebody, as a page to print.
///
/// # Errors
/// As `POST /v1/cases/{id}/access-exports`.
pub async fn answer(
    allowed: Allowed<SeeToAccess>,
    visit: Visit,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (seeing, named) = (allowed.clone(), Path::from(id.clone()));
    if !is_fresh(&visit) {
        return draw(seeing, &visit, &id, &api, None).await;
    }
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let route = format!("/v1/cases/{case}/access-exports");
    if is_spent(allowed.subject(), &route, &request, &api).await? {
        return Ok(done(&format!("/coordinator/zaak/{id}/rechten"), Done::Spent));
    }
    match access::export_for_access(allowed, named, body(&visit.sent), request, api.clone()).await {
        Ok(told) => answer::show(&visit, &api, &id, &Told::of(told)?),
        Err(problem) => {
            let problem = aside(problem)?;
            let wrong = Some(("/antwoord", &problem));
            draw(seeing, &visit, &id, &api, wrong).await
        }
    }
}

/// `POST /coordinator/zaak/{id}/rechten/bezwaar`.
///
/// # Errors
/// As `POST /v1/cases/{id}/objections`.
pub async fn object(
    allowed: Allowed<ObjectToStatistics>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let back = done(&format!("/coordinator/zaak/{id}"), Done::Objected);
    rights::object_to_statistics(allowed, id, body(&visit.sent), api).await?;
    Ok(back)
}

/// `POST /coordinator/zaak/{id}/rechten/wissen`.
///
/// # Errors
/// As `POST /v1/cases/{id}/erasures`.
pub async fn erase(
    allowed: Allowed<EraseCase>,
    seeing: Allowed<SeeToAccess>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    if !is_fresh(&visit) {
        return draw(seeing, &visit, &id, &api, None).await;
    }
    let named = Path::from(id.clone());
    if visit.sent.value("zeker") != "true" {
        let problem = Problem::invalid("zeker", "not-sure", "must be ticked: it cannot be undone");
        return draw(seeing, &visit, &id, &api, Some(("/wissen", &problem))).await;
    }
    match shown(rights::erase_case(allowed, named, body(&visit.sent), api.clone()).await)? {
        None => Ok(done("/coordinator", Done::Erased)),
        Some(problem) => draw(seeing, &visit, &id, &api, Some(("/wissen", &problem))).await,
    }
}
