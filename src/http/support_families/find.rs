//! `GET /v1/support-families`, `/{id}` and `GET /v1/cases/{id}/proposals`: found by what they offer, without
//! a name.

use crate::clock::from_millisecond;
use crate::domain::municipality::{District, Municipality};
use crate::domain::person;
use crate::domain::referral::Daypart;
use crate::domain::support_family::SupportState;
use crate::flow::propose;
use crate::flow::support::{self, SupportView};
use crate::http::Api;
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::ids::{CaseId, SupportFamilyId};
use crate::matching::Score;
use crate::policy::Allowed;
use crate::policy::action::{ListSupportFamilies, ProposeSupport, ReadSupportFamily};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

/// A support family without its name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupportFamilyReply {
    /// Id.
    pub id: String,
    /// Where it stands.
    pub state: &'static str,
    /// Account of the coordinator who looks after it.
    pub coordinator: String,
    /// CBS code of the gemeente.
    pub municipality: String,
    /// CBS code of the wijk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
    /// What it offers.
    pub offer: OfferReply,
    /// How far it has been looked into.
    pub screening: ScreeningReply,
    /// RFC 3339 instant.
    pub registered_at: String,
    /// RFC 3339 instant.
    pub changed_at: String,
    /// Counts changes, from 1.
    pub version: i32,
}

/// What it offers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferReply {
    /// When.
    pub dayparts: Vec<&'static str>,
    /// Whether a child may stay the night.
    pub sleepover: bool,
    /// Languages spoken at home.
    pub languages: Vec<String>,
    /// Youngest age.
    pub age_from: u8,
    /// Oldest age.
    pub age_to: u8,
    /// Families at a time.
    pub capacity: u8,
}

/// How far it has been looked into.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScreeningReply {
    /// Day of the interview.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interviewed_on: Option<String>,
    /// Day the certificate of conduct was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vog_seen_on: Option<String>,
    /// Whether it has experience with children.
    pub parenting_experience: bool,
    /// What lacks before it can be proposed.
    pub lacks: Vec<&'static str>,
}

/// A page of support families.
#[derive(Debug, Serialize, ToSchema)]
pub struct SupportFamilyPage {
    /// Oldest first.
    pub items: Vec<SupportFamilyReply>,
    /// Cursor of the next page, if there may be one. A page may hold fewer than asked, even none, where
    /// criteria leave some out.
    pub next: Option<String>,
}

/// One proposal.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProposalReply {
    /// The support family.
    pub support_family: SupportFamilyReply,
    /// Sum of the points.
    pub score: i32,
    /// Why, each with its points.
    pub reasons: Vec<ReasonReply>,
}

/// One reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonReply {
    /// Code.
    pub code: &'static str,
    /// Points.
    pub points: i32,
}

/// Proposals, best first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Proposals {
    /// At most twenty.
    pub items: Vec<ProposalReply>,
    /// Always null.
    pub next: Option<String>,
}

fn reply_of(view: &SupportView) -> SupportFamilyReply {
    let (row, offer, screening) = (&view.row, &view.memory.offer, view.memory.screening);
    SupportFamilyReply {
        id: row.id.to_string(),
        state: row.state.as_str(),
        coordinator: row.coordinator.as_str().to_owned(),
        municipality: row.place.municipality.to_string(),
        district: row.place.district.map(|code| code.to_string()),
        offer: OfferReply {
            dayparts: offer.dayparts.iter().map(|part| part.as_str()).collect(),
            sleepover: offer.sleepover,
            languages: offer.languages.clone(),
            age_from: offer.ages.0,
            age_to: offer.ages.1,
            capacity: offer.capacity,
        },
        screening: ScreeningReply {
            interviewed_on: screening.interviewed_on.map(|day| day.to_string()),
            vog_seen_on: screening.vog_seen_on.map(|day| day.to_string()),
            parenting_experience: screening.experienced,
            lacks: view.lacks.clone(),
        },
        registered_at: from_millisecond(row.registered_ms).to_string(),
        changed_at: from_millisecond(row.changed_ms).to_string(),
        version: row.version,
    }
}

/// What is looked for, beside the gemeente: what is absent does not narrow.
#[derive(Default)]
struct Criteria {
    municipality: Option<Municipality>,
    district: Option<District>,
    state: Option<SupportState>,
    dayparts: Vec<Daypart>,
    language: Option<String>,
}

impl Criteria {
    /// Takes one parameter; whether it is one of these.
    fn take(&mut self, name: &str, text: &str) -> Result<bool, Problem> {
        fn rule<T, E>(parsed: Result<T, E>) -> Result<T, Problem> {
            let rule = "a criterion must be a CBS code, a language tag or a listed term";
            parsed.or(Err(Problem::invalid("", "term", rule)))
        }
        match name {
            "municipality" => self.municipality = Some(rule(Municipality::parse(text))?),
            "district" => self.district = Some(rule(District::parse(text))?),
            "state" => self.state = Some(rule(SupportState::parse(text))?),
            "daypart" => self.dayparts.push(rule(Daypart::parse(text))?),
            "language" => {
                rule(person::language(text))?;
                self.language = Some(text.to_owned());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn fits(&self, view: &SupportView) -> bool {
        let offer = &view.memory.offer;
        let speaks = |wanted: &String| offer.languages.iter().any(|tag| tag == wanted);
        self.district.is_none_or(|district| view.row.place.district == Some(district))
            && self.state.is_none_or(|state| view.row.state == state)
            && self.dayparts.iter().all(|part| offer.dayparts.contains(part))
            && self.language.as_ref().is_none_or(speaks)
    }
}

/// Lists support families of the caller's organisation.
///
/// # Errors
/// 400 for a parameter or cursor that is not of this list.
#[utoipa::path(get, path = "/v1/support-families", tag = "support-families", operation_id = "listSupportFamilies",
    params(("limit" = Option<i64>, Query, description = "1-100, default 25"), ("cursor" = Option<String>, Query, description = "From the page before"),
        ("municipality" = Option<String>, Query, description = "CBS code"), ("district" = Option<String>, Query, description = "CBS code of a wijk"),
        ("state" = Option<String>, Query, description = "Where it stands"), ("daypart" = Option<String>, Query, description = "A daypart it offers; may be repeated"),
        ("language" = Option<String>, Query, description = "A language it speaks")),
    responses((status = 200, body = SupportFamilyPage, description = "A page")))]
pub async fn list_support_families(
    allowed: Allowed<ListSupportFamilies>,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let mut criteria = Criteria::default();
    let route = "/v1/support-families";
    let page = Page::read_with(&api.gateway, allowed.subject(), &request, route, |name, text| {
        criteria.take(name, text)
    })?;
    let municipality = criteria.municipality.map(|code| code.to_string()).unwrap_or_default();
    let (gateway, after) = (&api.gateway, page.after);
    let listed = support::list(gateway, allowed, &municipality, after, page.limit).await?;
    let views = listed.value;
    let last = views.last().map(|view| (view.row.registered_ms, view.row.id.uuid()));
    let next = page.next(gateway, views.len(), last)?;
    let items = views.iter().filter(|view| criteria.fits(view)).map(reply_of).collect();
    reply::json(StatusCode::OK, &SupportFamilyPage { items, next })
}

/// Reads one support family, without its name.
///
/// # Errors
/// 404 when it is not of the caller's organisation.
#[utoipa::path(get, path = "/v1/support-families/{id}", tag = "support-families", operation_id = "readSupportFamily",
    params(("id" = String, Path, description = "Id of the support family")),
    responses((status = 200, body = SupportFamilyReply, description = "The support family")))]
pub async fn read_support_family(
    allowed: Allowed<ReadSupportFamily>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let id = SupportFamilyId::from_uuid(reply::id_or_nil(&id));
    let view = support::read(&api.gateway, allowed, id).await?.value;
    reply::versioned(StatusCode::OK, view.row.version, &reply_of(&view))
}

/// Proposes support families for a case, best first, with the reasons.
///
/// # Errors
/// 404 when the case is not the caller's; 403 with reasons without consent to `pairing`.
#[utoipa::path(get, path = "/v1/cases/{id}/proposals", tag = "pairings", operation_id = "listProposals",
    params(("id" = String, Path, description = "Id of the case")),
    responses((status = 200, body = Proposals, description = "Proposals")))]
pub async fn list_proposals(
    allowed: Allowed<ProposeSupport>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let proposed = propose::propose(&api.gateway, allowed, case).await?;
    let item = |(view, Score { points, reasons }): &(SupportView, Score)| ProposalReply {
        support_family: reply_of(view),
        score: *points,
        reasons: reasons.iter().map(|r| ReasonReply { code: r.code, points: r.points }).collect(),
    };
    let items = proposed.value.iter().map(item).collect();
    reply::json(StatusCode::OK, &Proposals { items, next: None })
}
