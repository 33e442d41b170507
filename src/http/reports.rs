//! `PUT /v1/programme-reports/{programme}/{period}`: counts of a quarter, and nothing else.

use crate::domain::municipality::Municipality;
use crate::domain::period::Quarter;
use crate::domain::programme::{GRADE, MOST, Programme, RESPONDENTS, implausible};
use crate::flow::report::{self, Report};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::pairings::evaluate::grade;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::tree::tree;
use crate::http::wire::{Field, FieldError, Reading, shape};
use crate::policy::Allowed;
use crate::policy::action::ReportProgramme;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The counts of a programme; those of another programme are refused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct ReportRequest {
    /// CBS code of the gemeente.
    #[schema(value_type = String)]
    pub municipality: Field<String>,
    /// POH-J: children seen.
    #[schema(value_type = Option<i64>)]
    pub children_seen: Field<i64>,
    /// POH-J: of those, helped without referral.
    #[schema(value_type = Option<i64>)]
    pub helped_without_referral: Field<i64>,
    /// POH-J: of those, referred on.
    #[schema(value_type = Option<i64>)]
    pub referred_on: Field<i64>,
    /// POH-J: contacts.
    #[schema(value_type = Option<i64>)]
    pub contacts: Field<i64>,
    /// POH-J: how many gave a grade.
    #[schema(value_type = Option<i64>)]
    pub respondents: Field<i64>,
    /// POH-J: mean grade, `1.0` to `10.0`, where there are respondents.
    #[schema(value_type = Option<String>)]
    pub grade: Field<String>,
    /// Regieteam: households.
    #[schema(value_type = Option<i64>)]
    pub households: Field<i64>,
    /// Regieteam: of those, with a plan that was agreed.
    #[schema(value_type = Option<i64>)]
    pub plans_agreed: Field<i64>,
    /// Regieteam: out-of-home placements avoided.
    #[schema(value_type = Option<i64>)]
    pub placements_avoided: Field<i64>,
    /// Regieteam: out-of-home placements reversed.
    #[schema(value_type = Option<i64>)]
    pub placements_reversed: Field<i64>,
    /// Doorbraakaanpak: plans.
    #[schema(value_type = Option<i64>)]
    pub plans: Field<i64>,
    /// Doorbraakaanpak: of those, with a breakthrough.
    #[schema(value_type = Option<i64>)]
    pub breakthroughs: Field<i64>,
    /// Doorbraakaanpak: of those, within the three to six months of the plan.
    #[schema(value_type = Option<i64>)]
    pub breakthroughs_within_term: Field<i64>,
}

impl ReportRequest {
    /// Every count by its name on the wire.
    fn counts(&self) -> [(&'static str, &Field<i64>); 12] {
        [
            ("childrenSeen", &self.children_seen),
            ("helpedWithoutReferral", &self.helped_without_referral),
            ("referredOn", &self.referred_on),
            ("contacts", &self.contacts),
            (RESPONDENTS, &self.respondents),
            ("households", &self.households),
            ("plansAgreed", &self.plans_agreed),
            ("placementsAvoided", &self.placements_avoided),
            ("placementsReversed", &self.placements_reversed),
            ("plans", &self.plans),
            ("breakthroughs", &self.breakthroughs),
            ("breakthroughsWithinTerm", &self.breakthroughs_within_term),
        ]
    }
}

/// Which version this is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportReply {
    /// Programme.
    pub programme: &'static str,
    /// Quarter.
    pub period: String,
    /// Counts the versions of this report, from 1.
    pub version: i32,
}

fn read(
    body: &[u8],
    (programme, period): (&str, &str),
    now: Timestamp,
) -> Result<Report, Vec<FieldError>> {
    let in_path = |rule: &str| vec![FieldError::new("", "path", rule)];
    let programme = Programme::parse(programme)
        .or(Err(in_path("the programme must be poh-j, regieteam or doorbraakaanpak")))?;
    let period = Quarter::parse(period, now).map_err(|error| error.to_string());
    let wire: ReportRequest = shape(body).map_err(|error| vec![error])?;
    let tree = tree(body).map_err(|error| vec![error])?;
    let mut r = Reading::default();
    let municipality =
        r.need("municipality", &wire.municipality, "cbs-code", |t| Municipality::parse(t));
    let mut counts = counts(&mut r, programme, &wire);
    let value = |name: &str| counts.iter().find(|(own, _)| own == name).map_or(0, |(_, n)| *n);
    for one in implausible(programme, value) {
        r.error(one.measure, "implausible", one.rule);
    }
    let asked = value(RESPONDENTS) > 0;
    counts.extend(mean_grade(&mut r, programme, &wire, asked));
    counts.sort();
    let mut errors = r.into_errors();
    errors.extend(tree.bsn_places());
    match (municipality, period) {
        (Some(municipality), Ok(period)) if errors.is_empty() => {
            Ok(Report { programme, period, municipality, counts })
        }
        (_, period) => {
            errors.extend(period.err().iter().flat_map(|rule| in_path(rule)));
            Err(errors)
        }
    }
}

/// The counts of the programme; those of another are not its own.
fn counts(r: &mut Reading, programme: Programme, wire: &ReportRequest) -> Vec<(String, i64)> {
    let own = |name: &str| programme.measures().iter().any(|measure| measure.name == name);
    let rule = format!("must be a whole number from 0 to {MOST}");
    let mut found = Vec::new();
    for (name, field) in wire.counts() {
        if own(name) {
            let count = r.need(name, field, "range", |n| {
                if (0..=MOST).contains(n) { Ok(*n) } else { Err(rule.as_str()) }
            });
            found.extend(count.map(|count| (name.to_owned(), count)));
        } else if !matches!(field, Field::Absent) {
            r.error(name, "not-of-this-programme", "is counted by another programme");
        }
    }
    found
}

/// The grade, in tenths: required where somebody gave one, refused where nobody did.
fn mean_grade(
    r: &mut Reading,
    programme: Programme,
    wire: &ReportRequest,
    asked: bool,
) -> Option<(String, i64)> {
    let takes = programme == Programme::PohJ && asked;
    if !takes {
        if !matches!(wire.grade, Field::Absent | Field::Null) {
            r.error(GRADE, "not-expected", "needs respondents");
        }
        return None;
    }
    let tenths = r.need(GRADE, &wire.grade, "grade", |t| grade(t))?;
    Some((GRADE.to_owned(), i64::from(tenths)))
}

/// Takes the counts of a quarter. Sent again they are a new version, unchanged the same.
///
/// # Errors
/// 400 with all errors: counts of another programme, what does not fit together, a partner that does not
/// run the programme or not there.
#[utoipa::path(put, path = "/v1/programme-reports/{programme}/{period}", tag = "programme-reports", operation_id = "reportProgramme",
    params(("programme" = String, Path, description = "poh-j, regieteam or doorbraakaanpak"), ("period" = String, Path, description = "Quarter, such as 2026Q3")),
    request_body = ReportRequest,
    responses((status = 200, body = ReportReply, description = "Received")))]
pub async fn report_programme(
    allowed: Allowed<ReportProgramme>,
    path: Path<(String, String)>,
    body: JsonBody,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (programme, period) = path.into_inner();
    let now = api.gateway.clock.now();
    let new = read(&body.0, (&programme, &period), now).map_err(Problem::Invalid)?;
    let (programme, period) = (new.programme.as_str(), new.period.to_text());
    let (version, _) = report::report(&api.gateway, allowed, new).await?.value;
    reply::versioned(StatusCode::OK, version, &ReportReply { programme, period, version })
}
