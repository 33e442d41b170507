//! `POST` and `GET /v1/cases/{id}/access-requests`, and `POST /v1/cases/{id}/access-exports`: somebody asks to see
//! what is kept of them, and gets it.

use crate::audit::export;
use crate::clock::from_millisecond;
use crate::domain::consent::{Consent, Recipient, SubjectRef};
use crate::domain::identity::{Disclosure, FieldGroup, Secret};
use crate::domain::pairing::{EndReason, NextForm};
use crate::domain::term::day_of;
use crate::flow::Once;
use crate::flow::access::{self, Answer, Word};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::cases::rights::checked;
use crate::http::problem::Problem;
use crate::http::referrals::goals;
use crate::http::reply;
use crate::http::wire::Field;
use crate::ids::{AccessRequestId, CaseId};
use crate::policy::Allowed;
use crate::policy::action::SeeToAccess;
use crate::store::access::AccessRow;
use crate::store::pairings::{EvaluationRow, PairingRow};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who asked, and when.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct AccessRequest {
    /// Label of the subject in the referral.
    #[schema(value_type = String)]
    pub subject: Field<String>,
    /// `YYYY-MM-DD`, today where it is not given: the term begins that day.
    #[schema(value_type = Option<String>, format = Date)]
    pub received_on: Field<String>,
}

/// A request to see what is kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessReply {
    /// Id.
    pub id: String,
    /// Label of the subject in the referral.
    pub subject: String,
    /// `YYYY-MM-DD`.
    pub received_on: String,
    /// Until when it is to be answered, `YYYY-MM-DD`.
    pub due_on: String,
    /// RFC 3339 instant of the first answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<String>,
}

/// The requests about a case.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessReplies {
    /// Oldest first.
    pub items: Vec<AccessReply>,
    /// Always null: the list is whole.
    pub next: Option<String>,
}

/// Which request is answered, and on whose word.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct AccessExport {
    /// Id of the request.
    #[schema(value_type = String)]
    pub request: Field<String>,
    /// Whoever asks is who they say; must be true.
    #[schema(value_type = bool)]
    pub identity_verified: Field<bool>,
    /// It was looked at whether others are harmed; must be true.
    #[schema(value_type = bool)]
    pub rights_of_others_checked: Field<bool>,
    /// The privacy officer looked at the safety signal, which is left out otherwise.
    #[schema(value_type = Option<bool>)]
    pub officer_review: Field<bool>,
}

fn reply_of(row: &AccessRow) -> AccessReply {
    let day = |ms| day_of(from_millisecond(ms)).to_string();
    AccessReply {
        id: row.id.to_string(),
        subject: row.subject.as_str().to_owned(),
        received_on: day(row.received_ms),
        due_on: day(row.due_ms),
        answered_at: row.answered_ms.map(|ms| from_millisecond(ms).to_string()),
    }
}

/// Keeps that somebody asked to see what is kept of them, and until when it is to be answered.
///
/// # Errors
/// 404 when the case is not the caller's; 400 for somebody who is not in the referral.
#[utoipa::path(post, path = "/v1/cases/{id}/access-requests", tag = "rights", operation_id = "requestAccess",
    params(("id" = String, Path, description = "Id of the case"), ("Idempotency-Key" = String, Header, description = "1-64 visible ASCII characters")),
    request_body = AccessRequest,
    responses((status = 201, body = AccessReply, description = "Kept")))]
pub async fn request_access(
    allowed: Allowed<SeeToAccess>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (gateway, case) = (&api.gateway, CaseId::from_uuid(reply::id_or_nil(&id)));
    let read = checked(&body.0, |r, wire: &AccessRequest| {
        let subject = r.need("subject", &wire.subject, "label", |t| SubjectRef::parse(t));
        let received = r.may("receivedOn", &wire.received_on, "date", |t: &String| {
            let day: Option<Date> = t.parse().ok().filter(|_| t.len() == 10);
            day.ok_or("must be a date YYYY-MM-DD")
        });
        Some((subject?, received))
    });
    let read = reply::idempotency_key(&request).and_then(|key| Ok((key, read?)));
    let (key, asked) = match read {
        Ok(read) => read,
        Err(problem) => return Err(reply::unless_hidden(gateway, allowed, case, problem).await),
    };
    let route = format!("/v1/cases/{case}/access-requests");
    let once = Once::new(&gateway.keyring, allowed.subject(), &route, &key, &body.0);
    let kept = access::request(gateway, allowed, case, asked, once).await?.value;
    let response = reply::json(StatusCode::CREATED, &reply_of(&kept.row))?;
    Ok(reply::replayed(response, kept.replayed))
}

/// Who asked to see what is kept of them, and until when.
///
/// # Errors
/// 404 when the case is not the caller's.
#[utoipa::path(get, path = "/v1/cases/{id}/access-requests", tag = "rights", operation_id = "listAccessRequests",
    params(("id" = String, Path, description = "Id of the case")),
    responses((status = 200, body = AccessReplies, description = "The requests")))]
pub async fn list_access_requests(
    allowed: Allowed<SeeToAccess>,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let case = CaseId::from_uuid(reply::id_or_nil(&id));
    let rows = access::list(&api.gateway, allowed, case).await?.value;
    let items = rows.iter().map(reply_of).collect();
    reply::json(StatusCode::OK, &AccessReplies { items, next: None })
}

/// Answers a request with what is kept of its subject. Left out: notes of evaluations, which are the coordinator's
/// own words and may be about others, and the signal until the privacy officer looked. Recorded as a release; each answer anew.
///
/// # Errors
/// 404 when the case is not the caller's; 400 for a request that is not of this case, or where identity and the
/// rights of others were not looked at.
#[utoipa::path(post, path = "/v1/cases/{id}/access-exports", tag = "rights", operation_id = "exportForAccess",
    params(("id" = String, Path, description = "Id of the case"), ("Idempotency-Key" = String, Header, description = "1-64 visible ASCII characters")),
    request_body = AccessExport,
    responses((status = 201, body = serde_json::Value, description = "Everything that is kept")))]
pub async fn export_for_access(
    allowed: Allowed<SeeToAccess>,
    id: Path<String>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (gateway, case) = (&api.gateway, CaseId::from_uuid(reply::id_or_nil(&id)));
    let read = checked(&body.0, |r, wire: &AccessExport| {
        let request = r.need("request", &wire.request, "id", |t| {
            Uuid::try_parse(t).ok().filter(|_| t.len() == 36).ok_or("must be an id")
        });
        let word = Word {
            identity_verified: r.required("identityVerified", &wire.identity_verified)
                == Some(&true),
            rights_of_others_checked: r
                .required("rightsOfOthersChecked", &wire.rights_of_others_checked)
                == Some(&true),
            officer_review: r.optional("officerReview", &wire.officer_review) == Some(&true),
        };
        Some((AccessRequestId::from_uuid(request?), word))
    });
    let read = reply::idempotency_key(&request).and_then(|key| Ok((key, read?)));
    let (key, asked) = match read {
        Ok(read) => read,
        Err(problem) => return Err(reply::unless_hidden(gateway, allowed, case, problem).await),
    };
    let route = format!("/v1/cases/{case}/access-exports");
    let once = Once::new(&gateway.keyring, allowed.subject(), &route, &key, &body.0);
    let answer = access::answer(gateway, allowed, case, asked, once).await?.value;
    let response = reply::padded(StatusCode::CREATED, &told(&answer))?;
    Ok(reply::replayed(response, answer.replayed))
}

/// Everything, for the subject who asked: of lists by person only what is about them.
fn told(answer: &Answer) -> Value {
    let subject = answer.request.subject.as_str();
    let (state, source, received, profile) = &answer.case;
    let (consent, covered) = &answer.consent;
    let mut data: serde_json::Map<String, Value> = answer
        .disclosures
        .iter()
        .filter(|one| one.group != FieldGroup::Registrant)
        .map(|one| (one.group.as_str().to_owned(), own(one, subject)))
        .collect();
    if let Some(goals) = data.get_mut(FieldGroup::PlanGoals.as_str()) {
        goals::put_today(goals, &answer.goals);
    }
    json!({
        "request": answer.request.id.to_string(),
        "subject": subject,
        "madeAt": answer.at.to_string(),
        "case": {
            "state": state.as_str(), "source": source.as_str(), "receivedAt": received.to_string(),
            "municipality": Some(profile.municipality.as_str()).filter(|_| answer.for_registrant),
            "district": profile.district.filter(|_| answer.for_registrant).map(|district| district.to_string()),
            "household": profile.composition.as_str(),
        },
        "consent": consent.as_ref().map(|consent| consent_of(consent, covered, (subject, answer.for_registrant))),
        "recipients": recipients(answer),
        "data": data,
        "pairings": answer.pairings.iter().map(pairing).collect::<Vec<_>>(),
        "releases": answer.releases.iter().map(|(release, reason)| json!({
            "at": from_millisecond(release.at_ms).to_string(),
            "person": release.person.as_str(), "purpose": release.purpose, "stage": release.stage,
            "fields": release.field_groups, "reason": reason.as_ref().map(Secret::reveal),
        })).collect::<Vec<_>>(),
        "said": answer.history.iter().filter_map(|text| said(text, subject)).collect::<Vec<_>>(),
        "log": answer.log.iter().map(export::inzage).collect::<Vec<_>>(),
        "rights": ["rectification", "erasure", "restriction", "objection", "complaint-with-supervisory-authority"],
    })
}

/// What was said with a decision or a step; not what another said of their own consent.
fn said(text: &Secret, subject: &str) -> Option<Value> {
    let said: Value = serde_json::from_str(text.reveal()).ok()?;
    let mine = said.get("signer").is_none_or(|signer| signer == subject);
    mine.then_some(said)
}

/// A group as it is kept; of a list with a label for each person, the person's own items.
fn own(disclosure: &Disclosure, subject: &str) -> Value {
    let mine = |item: &Value| item.get("ref").is_none_or(|label| label == subject);
    let mut content: Value = serde_json::from_str(disclosure.content.reveal()).unwrap_or_default();
    if let Some(items) = content.as_array_mut() {
        items.retain(mine);
    }
    if let Some(signatures) = content.get_mut("signatures").and_then(Value::as_array_mut) {
        signatures.retain(mine);
    }
    content
}

fn consent_of(consent: &Consent, stage: &str, (subject, for_registrant): (&str, bool)) -> Value {
    let own = consent.signatures.iter().filter(|one| one.signer.as_str() == subject);
    json!({
        "covers": stage,
        "purposes": consent.purposes.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        // Whom consent names says in which gemeente the family lives.
        "recipients": consent.recipients.iter().filter(|_| for_registrant).map(Recipient::as_str).collect::<Vec<_>>(),
        "categories": consent.categories.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "validUntil": consent.valid_until.map(|until| until.to_string()),
        "decisions": own.map(|one| json!({"decision": one.decision.as_str(), "at": one.at.to_string()})).collect::<Vec<_>>(),
    })
}

/// Organisations that were shown who the family is, from the ledger, and those that take part in the plan.
fn recipients(answer: &Answer) -> Value {
    let mut seen: Vec<Value> = answer
        .log
        .iter()
        .filter(|line| line.entry.event == crate::audit::entry::Event::ReleaseDone)
        .map(|line| json!({"organisation": line.entry.actor.organisation.as_str(), "as": line.entry.actor.role.as_str()}))
        .collect();
    seen.extend(
        answer
            .participants
            .iter()
            .map(|oin| json!({"organisation": oin, "as": "plan-participant"})),
    );
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    Value::Array(seen)
}

fn pairing((row, evaluations): &(PairingRow, Vec<EvaluationRow>)) -> Value {
    let at = |ms: Option<i64>| ms.map(|ms| from_millisecond(ms).to_string());
    json!({
        "state": row.state.as_str(), "children": row.children,
        "introducedAt": from_millisecond(row.introduced_ms).to_string(),
        "endReason": row.end_reason.map(EndReason::as_str), "nextForm": row.next_form.map(NextForm::as_str),
        "trialFrom": at(row.trial_ms), "trialUntil": at(row.trial_until_ms), "pairedAt": at(row.paired_ms), "endedAt": at(row.ended_ms),
        "evaluations": evaluations.iter().map(|one| json!({
            "at": from_millisecond(one.at_ms).to_string(),
            "professionalHelp": one.professional_help.as_str(), "networkExtended": one.network_extended,
            "socialContacts": one.social_contacts.as_str(), "gradeTenths": one.grade,
            "placementAvoided": one.placement_avoided.as_str(),
        })).collect::<Vec<_>>(),
    })
}
