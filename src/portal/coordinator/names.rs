//! `POST /coordinator/zaak/{id}/namen`: who the family is, for a quarter of an hour on one screen.
//!
//! The names stand in the answer to the form and nowhere else. Going back, reloading or copying the address shows
//! nothing of them: a form opens names once, and "Nu verbergen" has the browser forget what it kept.

use crate::flow::Once;
use crate::http::Api;
use crate::http::cases::release;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::support_families::work;
use crate::ids::{CaseId, SupportFamilyId};
use crate::policy::action::{
    ListPairings, ReadCase, ReadSupportFamily, ReleaseIdentity, ReleaseSupportIdentity,
};
use crate::policy::{Allowed, Subject};
use crate::portal::coordinator::case::{self, Seeing};
use crate::portal::coordinator::{correct, plan, support};
use crate::portal::edge::see_other;
use crate::portal::form::{Form, Kind};
use crate::portal::kept::{Group, groups};
use crate::portal::page::{Frame, VISIBLE_S, aside, short, show_names};
use crate::portal::sign_in::{clear_cache, is_fresh};
use crate::portal::trail::{Done, done};
use crate::portal::twin::{Told, body};
use crate::portal::visit::Visit;
use crate::portal::words::{Lang, moment_of};
use crate::store::idempotency;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use askama::Template;
use jiff::SignedDuration;
use serde_json::Value;
use uuid::Uuid;

/// So long a form that opened names does it again: who taps twice is shown what the first tap asked.
const TAPS: SignedDuration = SignedDuration::from_secs(3);

/// Whether the form that was sent opened names before.
pub(super) async fn is_spent(
    subject: &Subject,
    route: &str,
    request: &HttpRequest,
    api: &Api,
) -> Result<bool, Problem> {
    let gateway = &api.gateway;
    let Ok(key) = reply::idempotency_key(request) else { return Ok(false) };
    let once = Once::new(&gateway.keyring, subject, route, &key, b"");
    let before = (gateway.clock.now() - TAPS).as_millisecond();
    let made = idempotency::made_at(&gateway.store.pool, &once.scope).await?;
    Ok(made.is_some_and(|made| made < before))
}

#[derive(Template)]
#[template(path = "names.html")]
struct NamesPage {
    frame: Frame,
    until: String,
    /// What is left, a line for each minute: the style sheet shows the one of now.
    countdown: Vec<String>,
    /// What follows `/coordinator/` in the path to go back to.
    back: String,
    groups: Vec<Group>,
    /// What can be put right, or kept up to date, of what is shown.
    forms: Vec<Form>,
}

fn show(
    visit: &Visit,
    api: &Api,
    told: &Told,
    (back, forms): (String, Vec<Form>),
) -> Result<HttpResponse, Problem> {
    let until = api.gateway.clock.now() + SignedDuration::from_secs(VISIBLE_S);
    let id = back.rsplit('/').next().unwrap_or_default();
    let title = (format!("Namen bij {}", short(id)), format!("Names of {}", short(id)));
    let page = NamesPage {
        frame: Frame::of(visit, (&title.0, &title.1)),
        until: moment_of(visit.lang, until),
        countdown: (1..=VISIBLE_S / 60).rev().map(|left| minutes(visit, left)).collect(),
        groups: groups(visit.lang, told.0.pointer("/fields").unwrap_or(&Value::Null)),
        back,
        forms,
    };
    show_names(StatusCode::OK, &page, &format!("/coordinator/{}", page.back))
}

fn minutes(visit: &Visit, left: i64) -> String {
    match left {
        1 => visit.say("Nog 1 minuut.", "1 minute left.").to_owned(),
        _ => match visit.lang {
            Lang::Nl => format!("Nog {left} minuten."),
            Lang::En => format!("{left} minutes left."),
        },
    }
}

/// `POST /coordinator/zaak/{id}/namen`.
///
/// # Errors
/// As `POST /v1/cases/{id}/identity-releases`; a refusal of consent is shown with what to do next.
pub async fn open(
    allowed: Allowed<ReleaseIdentity>,
    (case, pairings): (Allowed<ReadCase>, Allowed<ListPairings>),
    visit: Visit,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    if !is_fresh(&visit) {
        return case::draw(Seeing { case, pairings }, &visit, &id, &api, None).await;
    }
    let named = Path::from(id.clone());
    let asked = CaseId::from_uuid(reply::id_or_nil(&id));
    let route = format!("/v1/cases/{asked}/identity-releases");
    if is_spent(allowed.subject(), &route, &request, &api).await? {
        return Ok(done(&format!("/coordinator/zaak/{id}"), Done::Spent));
    }
    match release::release_identity(allowed, named, body(&visit.sent), request, api.clone()).await {
        Ok(answer) => {
            let told = Told::of(answer)?;
            let mut forms = correct::forms(&visit, &id, &told);
            forms.extend(plan::forms(&visit, &id, &told));
            show(&visit, &api, &told, (format!("zaak/{id}"), forms))
        }
        Err(problem) => {
            let problem = aside(problem)?;
            let wrong = Some(("/namen", &problem));
            case::draw(Seeing { case, pairings }, &visit, &id, &api, wrong).await
        }
    }
}

/// `POST /coordinator/steungezin/{id}/namen`.
///
/// # Errors
/// As `POST /v1/support-families/{id}/identity-releases`.
pub async fn open_support(
    allowed: Allowed<ReleaseSupportIdentity>,
    reading: Allowed<ReadSupportFamily>,
    visit: Visit,
    id: Path<String>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let back = format!("steungezin/{id}");
    if !is_fresh(&visit) {
        // What leads on is made of an id and of nothing else.
        Uuid::try_parse(&id).or(Err(Problem::NotFound))?;
        return Ok(see_other(&format!("/coordinator/{back}")));
    }
    let named = Path::from(id.clone());
    let family = SupportFamilyId::from_uuid(reply::id_or_nil(&id));
    let route = format!("/v1/support-families/{family}/identity-releases");
    if is_spent(allowed.subject(), &route, &request, &api).await? {
        return Ok(done(&format!("/coordinator/{back}"), Done::Spent));
    }
    let sent = body(&visit.sent);
    match work::release_support_identity(allowed, named, sent, request, api.clone()).await {
        Ok(answer) => show(&visit, &api, &Told::of(answer)?, (back, Vec::new())),
        Err(problem) => {
            let problem = aside(problem)?;
            let wrong = Some(("/namen", &problem));
            support::draw(reading, &visit, &id, &api, wrong).await
        }
    }
}

/// `POST /coordinator/verbergen`: back to the case or support family; the browser forgets what it kept.
///
/// # Errors
/// None.
pub async fn hide(visit: Visit) -> Result<HttpResponse, Problem> {
    let to = visit.sent.value("naar");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '/';
    let known = to.starts_with("zaak/") || to.starts_with("steungezin/");
    let path =
        if known && to.chars().all(plain) { format!("/coordinator/{to}") } else { "/".to_owned() };
    let mut response = done(&path, Done::Hidden);
    clear_cache(&mut response);
    Ok(response)
}
