//! `GET /v1/cases` and `GET /v1/cases/{id}`: cases without names.

use crate::clock::from_millisecond;
use crate::domain::access::Level;
use crate::domain::identity::Secret;
use crate::domain::partner::Role;
use crate::domain::referral::{Composition, Source, Urgency};
use crate::flow::Gateway;
use crate::flow::cases::{self as flow, CaseView, ConsentDetail, ViewLevels};
use crate::http::Api;
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::{ListCases, ReadCase};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::ToSchema;

/// A case without names.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaseReply {
    /// Id.
    pub id: String,
    /// Where it stands.
    pub state: &'static str,
    /// In which capacity it was referred; while consent is full, or for the assigner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// How soon; as `source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urgency: Option<&'static str>,
    /// CBS code of the gemeente; as `source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub municipality: Option<String>,
    /// CBS code of the wijk; as `source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
    /// Composition of the household; as `source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub household: Option<&'static str>,
    /// Age bands of the children, youngest first; as `source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_bands: Option<Vec<&'static str>>,
    /// Children in the household, codes and dayparts, language, safety signal; as `source`, coarser for
    /// the assigner. At stage `contact` the safety signal alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// Days that must not pass, soonest first; for the coordinator. Those of a pairing while consent is full.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deadlines: Vec<DeadlineReply>,
    /// Where consent stands.
    pub consent: ConsentStanding,
    /// The same family, the same pseudonym, for this organisation only; for the coordinator while consent
    /// is full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_pseudonym: Option<String>,
    /// RFC 3339 instant.
    pub received_at: String,
    /// RFC 3339 instant.
    pub changed_at: String,
    /// Counts changes, from 1.
    pub version: i32,
}

/// A day that must not pass.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadlineReply {
    /// `access-request-due`, `trial-ends`, `evaluation-due`, `consent-ends`, `subject-turns-12`, `-16` or `-18`.
    pub kind: &'static str,
    /// `YYYY-MM-DD`; absent for a birthday, which lies within thirty days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
}

/// Where consent stands today.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentStanding {
    /// `full`, `contact` or `none`.
    pub stage: &'static str,
    /// Why it is not full; this and the following for the coordinator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Vec<&'static str>>,
    /// Labels of who still has to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Vec<String>>,
    /// RFC 3339 instant after which it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A page of cases.
#[derive(Debug, Serialize, ToSchema)]
pub struct CasePage {
    /// Oldest first.
    pub items: Vec<CaseReply>,
    /// Cursor of the next page, if there may be one.
    pub next: Option<String>,
}

/// A case as it is answered.
pub(crate) fn reply_of(view: &CaseView) -> CaseReply {
    let (municipality, district) = view.area.unzip();
    CaseReply {
        id: view.id.to_string(),
        state: view.state.as_str(),
        source: view.source.map(Source::as_str),
        urgency: view.urgency.map(Urgency::as_str),
        municipality: municipality.map(|code| code.to_string()),
        district: district.flatten().map(|code| code.to_string()),
        household: view.household.map(Composition::as_str),
        age_bands: view.age_bands.as_ref().map(|all| all.iter().map(|b| b.as_str()).collect()),
        request: view.view.as_ref().map(|text| request(text, view.levels)),
        deadlines: view
            .deadlines
            .iter()
            .map(|one| DeadlineReply {
                kind: one.kind.as_str(),
                on: one.on.map(|on| on.to_string()),
            })
            .collect(),
        consent: ConsentStanding {
            stage: view.stage.map_or("none", |stage| stage.as_str()),
            reasons: detail(view, |d| d.reasons.iter().map(|reason| reason.as_str()).collect()),
            missing: detail(view, |d| d.missing.iter().map(|l| l.as_str().to_owned()).collect()),
            until: detail(view, |d| d.until).flatten().map(|until| until.to_string()),
        },
        family_pseudonym: view.pseudonym.clone(),
        received_at: from_millisecond(view.received_ms).to_string(),
        changed_at: from_millisecond(view.changed_ms).to_string(),
        version: view.version,
    }
}

fn detail<T>(view: &CaseView, of: impl FnOnce(&ConsentDetail) -> T) -> Option<T> {
    view.consent.as_ref().map(of)
}

/// The codes of a case, as clearly as each group may be shown. Generalised: no number of children, codes
/// and dayparts alone, the language without its region.
fn request(text: &Secret, levels: ViewLevels) -> Value {
    let mut whole: Map<String, Value> = serde_json::from_str(text.reveal()).unwrap_or_default();
    let coarse = |level: Option<Level>| level == Some(Level::Generalised);
    let mut shown = Map::new();
    let mut show = |name: &str, value: Option<Value>| {
        shown.extend(value.map(|value| (name.to_owned(), value)));
    };
    if levels.household.is_some() && !coarse(levels.household) {
        show("children", whole.remove("children"));
    }
    if levels.support.is_some() {
        let mut support = whole.remove("support");
        if let Some(Value::Object(parts)) = support.as_mut().filter(|_| coarse(levels.support)) {
            parts.retain(|name, _| matches!(name.as_str(), "codes" | "dayparts"));
        }
        show("support", support);
    }
    if levels.signal.is_some() {
        show("safetySignal", whole.remove("safetySignal"));
    }
    if levels.language.is_some() {
        let language = whole.remove("preferredLanguage");
        let primary = |tag: &Value| {
            let tag = tag.as_str().unwrap_or_default();
            Value::from(tag.split('-').next().unwrap_or_default())
        };
        let told = if coarse(levels.language) { language.as_ref().map(primary) } else { language };
        show("preferredLanguage", told);
    }
    Value::Object(shown)
}

/// Lists the coordinator's cases, or with `assigned=false` those nobody holds, for the assigner.
///
/// # Errors
/// 400 for a parameter or cursor that is not of this list; 403 for a coordinator asking for unassigned
/// cases.
#[utoipa::path(get, path = "/v1/cases", tag = "cases", operation_id = "listCases",
    params(("limit" = Option<i64>, Query, description = "1-100, default 25"), ("cursor" = Option<String>, Query, description = "From the page before"),
        ("assigned" = Option<bool>, Query, description = "false: cases nobody holds, for assigners")),
    responses((status = 200, body = CasePage, description = "A page")))]
pub async fn list_cases(
    allowed: Allowed<ListCases>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let page = Page::read(&api.gateway, allowed.subject(), &request, "/v1/cases")?;
    let role = if page.unassigned { Role::Assigner } else { Role::Coordinator };
    let allowed = allowed.in_role(role).ok_or(Problem::Forbidden)?;
    let (items, next) = page_of(&api.gateway, allowed, &page).await?;
    reply::json(StatusCode::OK, &CasePage { items, next })
}

/// A page of cases, and the cursor of the next.
///
/// # Errors
/// 404 when the policies refuse.
pub(crate) async fn page_of(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListCases>,
    page: &Page,
) -> Result<(Vec<CaseReply>, Option<String>), Problem> {
    let views = flow::list(gateway, allowed, page.after, page.limit).await?.value;
    let last = views.last().map(|view| (view.received_ms, view.id.uuid()));
    let next = page.next(gateway, views.len(), last)?;
    Ok((views.iter().map(reply_of).collect(), next))
}

/// Reads one case.
///
/// # Errors
/// 404 when it is not there or not assigned to the caller: the same answer.
#[utoipa::path(get, path = "/v1/cases/{id}", tag = "cases", operation_id = "readCase",
    params(("id" = String, Path, description = "Id of the case")),
    responses((status = 200, body = CaseReply, description = "The case")))]
pub async fn read_case(
    allowed: Allowed<ReadCase>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let view = flow::read(&api.gateway, allowed, case).await?.value;
    reply::versioned(StatusCode::OK, view.version, &reply_of(&view))
}
