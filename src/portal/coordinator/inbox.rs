//! `/coordinator`: the coordinator's cases, those that press first; and what waits to be assigned.

use crate::domain::partner::Role;
use crate::flow::cases as flow;
use crate::http::Api;
use crate::http::cases::{assign, read};
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::policy::Allowed;
use crate::policy::action::{AssignCase, ListAssignments, ListCases};
use crate::portal::coordinator::case;
use crate::portal::form::{Form, Kind};
use crate::portal::page::{Row, Sheet, short, shown};
use crate::portal::trail::{Done, done};
use crate::portal::twin::{Told, body};
use crate::portal::visit::Visit;
use crate::portal::words::{term, terms_of};
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use uuid::Uuid;

const HEADS: [(&str, &str); 7] = [
    ("Zaak", "Case"),
    ("Gemeente", "Gemeente"),
    ("Verwijzer", "Referrer"),
    ("Kinderen", "Children"),
    ("Ontvangen", "Received"),
    ("Status", "State"),
    ("Actie vóór", "Act before"),
];

/// States by which the inbox can be narrowed.
const FILTERS: [&str; 9] = [
    "new",
    "intake",
    "searching",
    "introduction",
    "trial",
    "paired",
    "evaluating",
    "on-hold",
    "closed",
];

async fn cases(
    allowed: Allowed<ListCases>,
    role: Role,
    visit: &Visit,
    request: &HttpRequest,
    api: &Api,
) -> Result<(Vec<Told>, Option<String>, String), Problem> {
    let (mut state, gateway) = (String::new(), &api.gateway);
    let mut page =
        Page::read_with(gateway, allowed.subject(), request, &visit.path, |name, text| {
            let known = name == "status" && FILTERS.contains(&text);
            if known {
                text.clone_into(&mut state);
            }
            Ok(known)
        })?;
    page.limit = 100;
    let allowed = allowed.in_role(role).ok_or(Problem::Forbidden)?;
    let (items, next) = read::page_of(gateway, allowed, &page).await?;
    let next = next.map(|cursor| format!("{}?cursor={cursor}", visit.path));
    let mut items = items.iter().map(Told::made).collect::<Result<Vec<_>, _>>()?;
    items.retain(|one| state.is_empty() || one.text("/state") == state);
    // What is urgent and nobody began with; what must not pass; then the oldest.
    items.sort_by_key(|one| {
        let waits = one.text("/state") == "new" && one.text("/urgency") == "urgent";
        let due = one.list("/deadlines").first().map(|due| due.text("/on")).unwrap_or_default();
        let due = if due.is_empty() { "9999".to_owned() } else { due };
        (!waits, due, one.text("/receivedAt"))
    });
    Ok((items, next, state))
}

fn row(visit: &Visit, one: &Told, at: &str) -> Row {
    let due = one.list("/deadlines").first().map(|due| {
        let kind = term(visit.lang, "deadline", &due.text("/kind"));
        let day = due.day(visit.lang, "/on");
        if day.is_empty() { kind } else { format!("{day}: {kind}") }
    });
    let or_dash = |text: String| if text.is_empty() { "–".to_owned() } else { text };
    let word = |list: &str, place: &str| or_dash(term(visit.lang, list, &one.text(place)));
    Row {
        path: format!("{at}/{}", one.text("/id")),
        cells: vec![
            short(&one.text("/id")),
            word("gemeente", "/municipality"),
            word("source", "/source"),
            or_dash(terms_of(visit.lang, "age", &one.words("/ageBands"))),
            one.day(visit.lang, "/receivedAt"),
            marked(visit, one),
            or_dash(due.unwrap_or_default()),
        ],
    }
}

/// The state of a case, with what presses.
fn marked(visit: &Visit, one: &Told) -> String {
    let urgent = (one.text("/urgency") == "urgent").then(|| term(visit.lang, "urgency", "urgent"));
    let signal = one.is("/request/safetySignal");
    let signal =
        signal.then(|| visit.say("Bel eerst de verwijzer", "Call the referrer first").to_owned());
    let state = term(visit.lang, "state", &one.text("/state"));
    [Some(state), urgent, signal].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// `GET /coordinator`.
///
/// # Errors
/// As `GET /v1/cases`.
pub async fn show(
    allowed: Allowed<ListCases>,
    visit: Visit,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (items, next, state) = cases(allowed, Role::Coordinator, &visit, &request, &api).await?;
    let mut sheet = Sheet::of(&visit, ("Postvak", "Inbox")).heads(&HEADS);
    sheet.filters.push((
        "/coordinator".to_owned(),
        visit.say("Alles", "All").to_owned(),
        state.is_empty(),
    ));
    for code in FILTERS {
        let words = term(visit.lang, "state", code);
        sheet.filters.push((format!("/coordinator?status={code}"), words, state == code));
    }
    sheet.rows = items.iter().map(|one| row(&visit, one, "/coordinator/zaak")).collect();
    let empty = if state.is_empty() {
        visit.say(
            "U hebt geen zaken. Zodra iemand u een zaak toewijst, staat die hier, met de dag waarop u iets moet doen.",
            "You have no cases. As soon as somebody assigns one to you it stands here, with the day on which you must act.",
        )
    } else {
        visit.say(
            "Geen zaken met deze status. Kies Alles om uw andere zaken te zien.",
            "No cases in this state. Choose All to see your other cases.",
        )
    };
    empty.clone_into(&mut sheet.empty);
    sheet
        .links
        .extend(next.map(|path| (path, visit.say("Volgende zaken", "Next cases").to_owned())));
    sheet.show()
}

/// `GET /coordinator/toewijzen`.
///
/// # Errors
/// As `GET /v1/cases?assigned=false`.
pub async fn show_unassigned(
    allowed: Allowed<ListCases>,
    visit: Visit,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (items, next, _) = cases(allowed, Role::Assigner, &visit, &request, &api).await?;
    let mut sheet = Sheet::of(&visit, ("Toewijzen", "Assign"))
        .tell(
            "Zaken die nog niemand heeft. Kies een zaak en geef die aan een coördinator.",
            "Cases that nobody has yet. Choose one and hand it to a coordinator.",
        )
        .heads(&HEADS);
    sheet.rows = items.iter().map(|one| row(&visit, one, "/coordinator/toewijzen")).collect();
    visit
        .say(
            "Alle zaken zijn toegewezen. Nieuwe aanmeldingen komen hier vanzelf te staan.",
            "All cases are assigned. New referrals come to stand here by themselves.",
        )
        .clone_into(&mut sheet.empty);
    sheet
        .links
        .extend(next.map(|path| (path, visit.say("Volgende zaken", "Next cases").to_owned())));
    sheet.show()
}

/// The form by which a case is handed over, to coordinators of the caller's own organisation.
fn assignment(visit: &Visit, id: &str, api: &Api) -> Form {
    let register = api.gateway.register.load();
    let own = visit.subject().and_then(|subject| register.active(subject.partner));
    let people = own.map(|partner| partner.people.clone()).unwrap_or_default();
    let is_one =
        |person: &&crate::domain::partner::Person| person.roles.contains(&Role::Coordinator);
    let name = |person: &crate::domain::partner::Person| {
        let account = person.account.as_str().to_owned();
        let areas = visit.subject().map(|subject| {
            let all = register.areas_of(subject.partner, &person.account);
            let mut all: Vec<String> =
                all.map(|code| term(visit.lang, "gemeente", code.as_str())).collect();
            all.sort();
            all.dedup();
            all.join(", ")
        });
        let areas = areas.filter(|areas| !areas.is_empty());
        (account.clone(), areas.map_or(account.clone(), |areas| format!("{account} ({areas})")))
    };
    Form::to(visit, format!("/coordinator/toewijzen/{id}"), ("Toewijzen", "Assign"))
        .ask(Kind::Radio, "/coordinator", ("Aan wie?", "To whom?"))
        .hint(
            "Heeft iemand de zaak al, dan kan die er vanaf dat moment niet meer bij.",
            "If somebody has the case already, they cannot open it from that moment on.",
        )
        .options(people.iter().filter(is_one).map(name).collect())
}

/// What an assigner may know of a case that nobody has; nothing of one that somebody has.
async fn known(
    allowed: Allowed<ListCases>,
    visit: &Visit,
    id: &str,
    api: &Api,
) -> Result<Vec<(String, String)>, Problem> {
    let allowed = allowed.in_role(Role::Assigner).ok_or(Problem::Forbidden)?;
    let first = (i64::MIN, Uuid::nil());
    let views = flow::list(&api.gateway, allowed, first, 100).await?.value;
    let Some(view) = views.iter().find(|view| view.id.to_string() == id) else {
        return Ok(Vec::new());
    };
    Ok(case::facts(visit, &Told::made(&read::reply_of(view))?))
}

async fn handing(
    (allowed, listing): (Allowed<ListAssignments>, Allowed<ListCases>),
    visit: &Visit,
    id: Path<String>,
    api: Data<Api>,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let short = short(&id);
    let whole = id.clone();
    let told = Told::of(assign::list_assignments(allowed, id, api.clone()).await?)?;
    let title = (format!("Zaak {short} toewijzen"), format!("Assign case {short}"));
    let mut sheet = Sheet::of(visit, (&title.0, &title.1)).heads(&[
        ("Coördinator", "Coordinator"),
        ("Toegewezen door", "Assigned by"),
        ("Op", "On"),
    ]);
    "/coordinator/toewijzen".clone_into(&mut sheet.back);
    sheet.facts = known(listing, visit, &whole, &api).await?;
    sheet.rows = told
        .list("/items")
        .iter()
        .map(|one| Row {
            path: String::new(),
            cells: vec![
                one.text("/coordinator"),
                one.text("/assignedBy"),
                one.moment(visit.lang, "/assignedAt"),
            ],
        })
        .collect();
    visit
        .say("Nog aan niemand toegewezen.", "Not assigned to anybody yet.")
        .clone_into(&mut sheet.empty);
    sheet.forms.push(form);
    sheet.show()
}

/// `GET /coordinator/toewijzen/{id}`.
///
/// # Errors
/// As `GET /v1/cases/{id}/assignments`.
pub async fn show_assignment(
    allowed: Allowed<ListAssignments>,
    listing: Allowed<ListCases>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let form = assignment(&visit, &id, &api);
    handing((allowed, listing), &visit, id, api, form).await
}

/// `POST /coordinator/toewijzen/{id}`.
///
/// # Errors
/// As `POST /v1/cases/{id}/assignments`; what is wrong with the form is a page.
pub async fn assign(
    allowed: Allowed<AssignCase>,
    reading: (Allowed<ListAssignments>, Allowed<ListCases>),
    visit: Visit,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let sent = body(&visit.sent);
    let named = Path::from(id.clone());
    let kept = assign::assign_case(allowed, named, sent, request, api.clone()).await;
    let Some(problem) = shown(kept)? else {
        // There it says to whom, and a mistake can be put right.
        return Ok(done(&format!("/coordinator/toewijzen/{id}"), Done::Assigned));
    };
    let form = assignment(&visit, &id, &api).sent(&visit.sent).wrong_at(&problem);
    handing(reading, &visit, id, api, form).await
}
