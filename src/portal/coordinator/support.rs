//! `/coordinator/steungezinnen`: support families, found by what they offer; registered, screened, opened.

use crate::domain::referral::Daypart;
use crate::domain::support_family::SupportState;
use crate::http::Api;
use crate::http::problem::Problem;
use crate::http::support_families::{find, register, work};
use crate::policy::Allowed;
use crate::policy::action::{
    ListSupportFamilies, ReadSupportFamily, RegisterSupportFamily, TransitionSupportFamily,
};
use crate::portal::form::{Form, Kind, set};
use crate::portal::page::{Row, Sheet, aside, short, show_names, shown};
use crate::portal::sign_in::is_fresh;
use crate::portal::trail::{Done, done};
use crate::portal::twin::{Told, body, body_of};
use crate::portal::visit::Visit;
use crate::portal::words::{term, terms_of};
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use serde_json::Value;

const LIST: &str = "/coordinator/steungezinnen";

/// `GET /coordinator/steungezinnen`, narrowed by the parameters of its twin.
///
/// # Errors
/// As `GET /v1/support-families`.
pub async fn list(
    allowed: Allowed<ListSupportFamilies>,
    visit: Visit,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let query = request.query_string().to_owned();
    let told = Told::of(find::list_support_families(allowed, request, api).await?)?;
    let mut sheet = Sheet::of(&visit, ("Steungezinnen", "Support families")).heads(&[
        ("Steungezin", "Support family"),
        ("Stand", "State"),
        ("Wijk", "District"),
        ("Wanneer", "When"),
        ("Leeftijd", "Ages"),
        ("Ontbreekt nog", "Lacks"),
    ]);
    let all = (LIST.to_owned(), visit.say("Alles", "All").to_owned(), query.is_empty());
    sheet.filters.push(all);
    for state in SupportState::ALL {
        let own = format!("state={}", state.as_str());
        let words = term(visit.lang, "support-state", state.as_str());
        sheet.filters.push((format!("{LIST}?{own}"), words, query == own));
    }
    sheet.rows = told.list("/items").iter().map(|one| row(&visit, one)).collect();
    visit
        .say(
            "Er zijn nog geen steungezinnen in deze stand. Meld er een aan.",
            "There are no support families in this state yet. Register one.",
        )
        .clone_into(&mut sheet.empty);
    let new = visit.say("Steungezin aanmelden", "Register a support family").to_owned();
    sheet.links.push(("/coordinator/steungezin-aanmelden".to_owned(), new));
    if told.has("/next") {
        let next = format!("{LIST}?cursor={}", told.text("/next"));
        sheet
            .links
            .push((next, visit.say("Volgende steungezinnen", "Next support families").to_owned()));
    }
    sheet.show()
}

fn row(visit: &Visit, one: &Told) -> Row {
    let id = one.text("/id");
    let lacks = terms_of(visit.lang, "lacks", &one.words("/screening/lacks"));
    Row {
        path: format!("/coordinator/steungezin/{id}"),
        cells: vec![
            short(&id),
            term(visit.lang, "support-state", &one.text("/state")),
            one.text("/district"),
            terms_of(visit.lang, "daypart", &one.words("/offer/dayparts")),
            format!("{}–{}", one.text("/offer/ageFrom"), one.text("/offer/ageTo")),
            if lacks.is_empty() { visit.say("niets", "nothing").to_owned() } else { lacks },
        ],
    }
}

pub(super) async fn draw(
    allowed: Allowed<ReadSupportFamily>,
    visit: &Visit,
    id: &str,
    api: &Data<Api>,
    wrong: Option<(&str, &Problem)>,
) -> Result<HttpResponse, Problem> {
    let one = Told::of(
        find::read_support_family(allowed, Path::from(id.to_owned()), api.clone()).await?,
    )?;
    let title = (format!("Steungezin {}", short(id)), format!("Support family {}", short(id)));
    let mut sheet = Sheet::of(visit, (&title.0, &title.1))
        .fact(("Stand", "State"), term(visit.lang, "support-state", &one.text("/state")))
        .fact(("Coördinator", "Coordinator"), one.text("/coordinator"))
        .fact(("Gemeente", "Gemeente"), term(visit.lang, "gemeente", &one.text("/municipality")))
        .fact(("Wijk", "District"), one.text("/district"))
        .fact(("Wanneer", "When"), terms_of(visit.lang, "daypart", &one.words("/offer/dayparts")))
        .fact(("Talen", "Languages"), one.words("/offer/languages").join(", "))
        .fact(
            ("Leeftijd", "Ages"),
            format!("{}–{}", one.text("/offer/ageFrom"), one.text("/offer/ageTo")),
        )
        .fact(("Gezinnen tegelijk", "Families at a time"), one.text("/offer/capacity"))
        .fact(("Gesprek", "Interview"), one.day(visit.lang, "/screening/interviewedOn"))
        .fact(("VOG gezien", "VOG seen"), one.day(visit.lang, "/screening/vogSeenOn"))
        .fact(
            ("Ontbreekt nog", "Lacks"),
            terms_of(visit.lang, "lacks", &one.words("/screening/lacks")),
        );
    LIST.clone_into(&mut sheet.back);
    sheet.folded = true;
    sheet.forms.push(screening(visit, id, &one));
    if is_fresh(visit) && one.text("/state") != "left" {
        let action = format!("/coordinator/steungezin/{id}/namen");
        sheet.forms.push(
            Form::to(visit, action, ("Namen tonen", "Show names"))
                .ask(Kind::Text, "/reason", ("Waarom?", "Why?"))
                .hint(
                    "In een zin, zonder namen. Dit komt in het logboek.",
                    "In a sentence, without names. This goes into the ledger.",
                ),
        );
    }
    if let Some((of, problem)) = wrong {
        for form in sheet.forms.iter_mut().filter(|form| form.action.ends_with(of)) {
            *form = form.clone().sent(&visit.sent).wrong_at(problem);
        }
    }
    sheet.show()
}

/// The form by which a support family is screened, or leaves.
fn screening(visit: &Visit, id: &str, one: &Told) -> Form {
    let states = SupportState::ALL.iter().map(|one| one.as_str());
    let action = format!("/coordinator/steungezin/{id}/stap");
    Form::to(visit, action, ("Stand veranderen", "Change its state"))
        .ask(Kind::Radio, "/to", ("Waarheen?", "Where to?"))
        .terms("support-state", states)
        .holding(one.text("/state"))
        .ask(Kind::Date, "/interviewedOn", ("Gesprek gehad op", "Interviewed on"))
        .optional()
        .holding(one.text("/screening/interviewedOn"))
        .ask(Kind::Date, "/vogSeenOn", ("VOG gezien op", "VOG seen on"))
        .optional()
        .holding(one.text("/screening/vogSeenOn"))
        .ask(
            Kind::Flag,
            "/parentingExperience:b",
            ("Heeft ervaring met kinderen", "Has experience with children"),
        )
        .holding(one.text("/screening/parentingExperience"))
        .of_version(one.text("/version"))
}

/// `GET /coordinator/steungezin/{id}`.
///
/// # Errors
/// As `GET /v1/support-families/{id}`.
pub async fn show(
    allowed: Allowed<ReadSupportFamily>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    draw(allowed, &visit, &id, &api, None).await
}

/// `POST /coordinator/steungezin/{id}/stap`.
///
/// # Errors
/// As `POST /v1/support-families/{id}/transitions`.
pub async fn step(
    allowed: Allowed<TransitionSupportFamily>,
    reading: Allowed<ReadSupportFamily>,
    visit: Visit,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let named = Path::from(id.clone());
    let sent = body(&visit.sent);
    let kept = work::transition_support_family(allowed, named, sent, request, api.clone()).await;
    match shown(kept)? {
        None => Ok(done(&format!("/coordinator/steungezin/{id}"), Done::SupportMoved)),
        Some(problem) => draw(reading, &visit, &id, &api, Some(("/stap", &problem))).await,
    }
}

/// The field that a pointer of the API belongs to.
fn place(pointer: &str) -> String {
    match pointer {
        "/adults" | "/adults/0" => "/adults/0/givenNames",
        "/contact" => "/contact/phone",
        "/offer" | "/offer/dayparts" => "/offer/dayparts",
        languages if languages.starts_with("/offer/languages") => "talen",
        other => other,
    }
    .to_owned()
}

/// The form by which a support family is registered.
fn registration(visit: &Visit) -> Form {
    let places = visit.subject().map(|subject| subject.municipalities.clone()).unwrap_or_default();
    let name = |code: &crate::domain::municipality::Municipality| {
        (code.to_string(), term(visit.lang, "gemeente", code.as_str()))
    };
    let mut places: Vec<(String, String)> = places.iter().map(name).collect();
    places.sort_by(|one, other| one.1.cmp(&other.1));
    let form = Form::to(visit, "/coordinator/steungezin-aanmelden", ("Aanmelden", "Register"))
        .ask(Kind::Heading, "", ("Waar", "Where"))
        .ask(Kind::Select, "/municipality", ("Gemeente", "Gemeente"))
        .options(places)
        .ask(Kind::Text, "/district", ("Wijkcode", "District code"))
        .hint("Zoals WK026801.", "Such as WK026801.")
        .optional()
        .ask(Kind::Heading, "", ("Wie", "Who"))
        .ask(Kind::Text, "/adults/0/givenNames", ("Voornamen", "Given names"))
        .ask(Kind::Text, "/adults/0/prefix", ("Tussenvoegsel", "Prefix"))
        .optional()
        .ask(Kind::Text, "/adults/0/surname", ("Achternaam", "Surname"))
        .ask(Kind::Text, "/contact/phone", ("Telefoon", "Telephone"))
        .hint(
            "Zoals 06 1234 5678. Telefoon of e-mail: vul ten minste één van beide in.",
            "Such as 06 1234 5678. Telephone or e-mail: fill in at least one of them.",
        )
        .optional()
        .ask(Kind::Text, "/contact/email", ("E-mail", "E-mail"))
        .optional()
        .ask(Kind::Text, "/contact/street", ("Straat", "Street"))
        .ask(Kind::Text, "/contact/number", ("Huisnummer", "House number"))
        .ask(Kind::Text, "/contact/postcode", ("Postcode", "Postcode"))
        .ask(Kind::Text, "/contact/town", ("Plaats", "Town"));
    offer(form)
}

/// What a support family offers.
fn offer(form: Form) -> Form {
    form.ask(Kind::Heading, "", ("Aanbod", "Offer"))
        .ask(
            Kind::Check,
            "/offer/dayparts:l",
            ("Wanneer kan het steungezin?", "When can the support family?"),
        )
        .terms("daypart", Daypart::ALL.iter().map(|one| one.as_str()))
        .ask(
            Kind::Flag,
            "/offer/sleepover:b",
            ("Een kind kan blijven slapen", "A child can stay the night"),
        )
        .ask(Kind::Text, "talen", ("Talen", "Languages"))
        .hint("Codes met komma's, zoals nl, ar.", "Codes with commas, such as nl, ar.")
        .holding("nl")
        .ask(Kind::Number, "/offer/ageFrom:n", ("Kinderen vanaf (jaar)", "Children from (years)"))
        .optional()
        .ask(
            Kind::Number,
            "/offer/ageTo:n",
            ("Kinderen tot en met (jaar)", "Children up to (years)"),
        )
        .optional()
        .with("/noticeVersion", "2026-01")
        .ask(
            Kind::Flag,
            "/agreed:b",
            (
                "Het steungezin vindt goed dat wij dit bewaren en een gesprek voeren",
                "The support family agrees to be kept and screened",
            ),
        )
}

/// `GET /coordinator/steungezin-aanmelden`.
///
/// # Errors
/// 403 for a role that registers none.
pub async fn ask(_: Allowed<RegisterSupportFamily>, visit: Visit) -> Result<HttpResponse, Problem> {
    let mut sheet = Sheet::of(&visit, ("Steungezin aanmelden", "Register a support family"));
    LIST.clone_into(&mut sheet.back);
    sheet.forms.push(registration(&visit));
    sheet.show()
}

/// `POST /coordinator/steungezin-aanmelden`.
///
/// # Errors
/// As `POST /v1/support-families`.
pub async fn register(
    allowed: Allowed<RegisterSupportFamily>,
    visit: Visit,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let mut value = visit.sent.json();
    let languages =
        visit.sent.value("talen").split(',').map(str::trim).filter(|tag| !tag.is_empty());
    let languages: Value = languages.map(Value::from).collect();
    set(&mut value, "/offer/languages", languages);
    let problem =
        match register::register_support_family(allowed, body_of(&value), request, api).await {
            Ok(answer) => {
                let path = format!("/coordinator/steungezin/{}", Told::of(answer)?.text("/id"));
                return Ok(done(&path, Done::Registered));
            }
            Err(problem) => problem,
        };
    let problem = aside(problem)?;
    let mut sheet = Sheet::of(&visit, ("Steungezin aanmelden", "Register a support family"));
    LIST.clone_into(&mut sheet.back);
    sheet.forms.push(registration(&visit).sent(&visit.sent).wrong(&problem, place));
    sheet.frame = sheet.frame.wrong();
    // Who the support family is stands on it.
    show_names(StatusCode::BAD_REQUEST, &sheet, LIST)
}
