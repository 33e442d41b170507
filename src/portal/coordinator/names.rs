//! `POST /coordinator/zaak/{id}/namen`: who the family is, for a quarter of an hour on one screen.
//!
//! The names stand in the answer to the form and nowhere else: going back, reloading or copying the address shows
//! nothing of them. "Nu verbergen" has the browser forget what it kept.

use crate::domain::identity::FieldGroup;
use crate::http::Api;
use crate::http::cases::release;
use crate::http::problem::Problem;
use crate::http::support_families::work;
use crate::policy::Allowed;
use crate::policy::action::{
    ListPairings, ReadCase, ReadSupportFamily, ReleaseIdentity, ReleaseSupportIdentity,
};
use crate::portal::coordinator::case::{self, Seeing};
use crate::portal::coordinator::support;
use crate::portal::edge::see_other;
use crate::portal::page::{Frame, is_shown, short};
use crate::portal::sign_in::{clear_cache, is_fresh};
use crate::portal::twin::{Told, body};
use crate::portal::visit::Visit;
use crate::portal::words::{Lang, day, moment_of, term};
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use askama::Template;
use jiff::SignedDuration;
use serde_json::Value;

/// How long names stay on a screen, in seconds.
const VISIBLE_S: i64 = 900;
/// The length of the page is a multiple of this: it says little about how many people it names.
const STEP: usize = 16 * 1024;

struct Group {
    words: String,
    items: Vec<Vec<(String, String)>>,
}

#[derive(Template)]
#[template(path = "names.html")]
struct NamesPage {
    frame: Frame,
    until: String,
    /// What follows `/coordinator/` in the path to go back to.
    back: String,
    groups: Vec<Group>,
}

fn show(visit: &Visit, api: &Api, told: &Told, back: String) -> Result<HttpResponse, Problem> {
    let until = api.gateway.clock.now() + SignedDuration::from_secs(VISIBLE_S);
    let id = back.rsplit('/').next().unwrap_or_default();
    let title = (format!("Namen bij {}", short(id)), format!("Names of {}", short(id)));
    let page = NamesPage {
        frame: Frame::of(visit, (&title.0, &title.1)),
        until: moment_of(visit.lang, until),
        groups: groups(visit.lang, told.0.pointer("/fields").unwrap_or(&Value::Null)),
        back,
    };
    let mut text = page.render().or(Err(Problem::Internal))?;
    let missing = text.len().next_multiple_of(STEP) - text.len();
    text.extend(std::iter::repeat_n(' ', missing));
    let mut response = HttpResponse::build(StatusCode::OK);
    // Names do not stay on a screen that somebody left: a limit that is what it is for (WCAG 2.2.1, essential).
    response.insert_header(("refresh", format!("{VISIBLE_S};url=/coordinator/{}", page.back)));
    Ok(response.content_type("text/html; charset=utf-8").body(text))
}

/// Each field group, who the family is first: lists of names and values, one a person where it is about persons.
fn groups(lang: Lang, fields: &Value) -> Vec<Group> {
    let group = |one: &FieldGroup| {
        let name = one.as_str();
        let value = fields.get(name)?;
        let mut items = Vec::new();
        match value {
            Value::Array(people) if people.iter().all(Value::is_object) => {
                items.extend(people.iter().map(|one| person(lang, one)));
            }
            other => items.push(leaves(lang, name, other)),
        }
        items.retain(|item| !item.is_empty());
        Some(Group { words: term(lang, "field-group", name), items })
    };
    let all = FieldGroup::ALL.iter().filter_map(group);
    all.filter(|group| !group.items.is_empty()).collect()
}

/// What is said of one person, and who that is.
fn person(lang: Lang, value: &Value) -> Vec<(String, String)> {
    let own = |name: &str| value.get(name).and_then(Value::as_str);
    let (Some(label), Some(role)) = (own("ref"), own("role")) else {
        return leaves(lang, "", value);
    };
    let who = format!("{} ({label})", term(lang, "subject", role));
    let fields = value.as_object().into_iter().flatten();
    let rest = fields.filter(|(name, _)| *name != "ref" && *name != "role");
    let mut told = vec![(term(lang, "field", "ref"), who)];
    told.extend(rest.flat_map(|(name, value)| leaves(lang, name, value)));
    // Only who it is: the group says nothing of this person.
    if told.len() == 1 { Vec::new() } else { told }
}

/// Every text within a value, with the name of its field.
fn leaves(lang: Lang, name: &str, value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| leaves(lang, name, value)).collect()
        }
        Value::Array(all) if all.iter().any(|one| one.is_object() || one.is_array()) => {
            all.iter().flat_map(|one| leaves(lang, name, one)).collect()
        }
        Value::Array(all) if all.is_empty() => Vec::new(),
        Value::Array(all) => {
            let words: Vec<String> = all.iter().map(|one| text(lang, name, one)).collect();
            vec![(label(lang, name), words.join(", "))]
        }
        Value::Null => Vec::new(),
        other => vec![(label(lang, name), text(lang, name, other))],
    }
}

fn label(lang: Lang, name: &str) -> String {
    let own = term(lang, "field", name);
    if own == name { term(lang, "field-group", name) } else { own }
}

fn text(lang: Lang, name: &str, value: &Value) -> String {
    let Value::String(code) = value else {
        return match value {
            Value::Bool(true) => lang.say("ja", "yes").to_owned(),
            Value::Bool(false) => lang.say("nee", "no").to_owned(),
            other => other.to_string(),
        };
    };
    let list = match name {
        "codes" => "support",
        "dayparts" => "daypart",
        "frequency" => "frequency",
        "composition" => "household",
        "type" if term(lang, "plan", code) != *code => "plan",
        "type" => "authority",
        "status" => "goal",
        "health-attention-points" => "attention",
        "alreadyInvolved" => "involved",
        "decision" => "decision",
        "source" => "authority-source",
        _ => "",
    };
    let as_day = matches!(name, "birthDate" | "at" | "seenOn").then(|| day(lang, code));
    as_day.filter(|day| !day.is_empty()).unwrap_or_else(|| term(lang, list, code))
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
    match release::release_identity(allowed, named, body(&visit.sent), request, api.clone()).await {
        Ok(answer) => show(&visit, &api, &Told::of(answer)?, format!("zaak/{id}")),
        Err(problem) if is_shown(&problem) => {
            let wrong = Some(("/namen", &problem));
            case::draw(Seeing { case, pairings }, &visit, &id, &api, wrong).await
        }
        Err(problem) => Err(problem),
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
        return Ok(see_other(&format!("/coordinator/{back}")));
    }
    let named = Path::from(id.clone());
    let sent = body(&visit.sent);
    match work::release_support_identity(allowed, named, sent, request, api.clone()).await {
        Ok(answer) => show(&visit, &api, &Told::of(answer)?, back),
        Err(problem) if is_shown(&problem) => {
            support::draw(reading, &visit, &id, &api, Some(("/namen", &problem))).await
        }
        Err(problem) => Err(problem),
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
    let mut response = see_other(&path);
    clear_cache(&mut response);
    Ok(response)
}
