//! `POST /v1/cases/{id}/corrections`: what is kept of a family is put right.

use crate::domain::age::BirthDate;
use crate::domain::consent::SubjectRef;
use crate::domain::identity::{Disclosure, FieldGroup, Secret};
use crate::flow::correct::{self, Correction};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::referrals::{read, seal, shape};
use crate::http::reply;
use crate::http::tree::tree;
use crate::http::wire::{Field, FieldError, Reading, shape as read_shape};
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::CorrectCase;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is put right: everybody in the referral, how the family is reached, or both. What is not sent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorrectionRequest {
    /// Everybody in the referral, by the same labels: `ref`, `role`, `name`, `birthDate`. Who holds authority and who can
    /// decide is not corrected here.
    #[schema(value_type = Option<Vec<shape::Subject>>)]
    pub subjects: Field<Vec<Field<shape::Subject>>>,
    /// How the family is reached, whole. Where `confidential` is left out the address is not told to another family, and what
    /// was said of it stays with the address.
    #[schema(value_type = Option<shape::Contact>)]
    pub contact: Field<shape::Contact>,
}

/// What was put right.
#[derive(Debug, Serialize, ToSchema)]
pub struct CorrectionReply {
    /// Names of the field groups that have a new version.
    pub fields: Vec<&'static str>,
}

/// Groups that a correction can hold.
const GROUPS: [FieldGroup; 6] = [
    FieldGroup::Names,
    FieldGroup::BirthDate,
    FieldGroup::Address,
    FieldGroup::ContactDetails,
    FieldGroup::AddressConfidential,
    FieldGroup::PreferredLanguage,
];

fn read_correction(body: &[u8], now: Timestamp) -> Result<Correction, Vec<FieldError>> {
    let wire: CorrectionRequest = read_shape(body).map_err(|error| vec![error])?;
    let tree = tree(body).map_err(|error| vec![error])?;
    let mut r = Reading::default();
    let (who, reached) = (is_there(&wire.subjects), is_there(&wire.contact));
    let subjects = if who { read::corrected(&mut r, &wire.subjects, now) } else { Vec::new() };
    if reached {
        read::reached(&mut r, &wire.contact);
    }
    if !who && !reached {
        r.error("", "missing", "must hold subjects, contact, or both");
    }
    let mut errors = r.into_errors();
    errors.extend(tree.bsn_places());
    if !errors.is_empty() {
        return Err(errors);
    }
    let sent_contact = match &wire.contact {
        Field::Present(contact) => Some((
            matches!(contact.confidential, Field::Present(false)),
            match &contact.preferred_language {
                Field::Present(language) => Some(language.clone()),
                _ => None,
            },
        )),
        _ => None,
    };
    let referral =
        shape::Referral { subjects: wire.subjects, contact: wire.contact, ..Default::default() };
    let sent = |group: &FieldGroup| match group {
        FieldGroup::Names | FieldGroup::BirthDate => who,
        _ => reached,
    };
    let mut disclosures = seal::groups(&referral);
    disclosures.retain(|one| GROUPS.contains(&one.group) && sent(&one.group));
    // What was not sent of a section that was is gone: else its old version would be the newest. That an address is secret
    // is not forgotten by leaving it out: it goes with the address.
    let has_address = disclosures.iter().any(|one| one.group == FieldGroup::Address);
    let stays = |group: FieldGroup| group == FieldGroup::AddressConfidential && has_address;
    for group in GROUPS.iter().copied().filter(|group| sent(group) && !stays(*group)) {
        if disclosures.iter().all(|one| one.group != group) {
            disclosures.push(Disclosure { group, content: Secret::new("null".to_owned()) });
        }
    }
    let name = |(who, _): &(SubjectRef, BirthDate)| {
        Some((who.clone(), seal::registrant(&referral, Some(who))?))
    };
    Ok(Correction {
        registrants: subjects.iter().filter_map(name).collect(),
        disclosures,
        subjects,
        reached: sent_contact,
    })
}

const fn is_there<T>(field: &Field<T>) -> bool {
    !matches!(field, Field::Absent | Field::Null)
}

/// Puts right who a family is, or how it is reached. What was kept before is shown no more.
///
/// # Errors
/// 404 when the case is not the caller's; 400 when the subjects are not those of the referral.
#[utoipa::path(post, path = "/v1/cases/{id}/corrections", tag = "rights", operation_id = "correctCase",
    params(("id" = String, Path, description = "Id of the case")),
    request_body = CorrectionRequest,
    responses((status = 200, body = CorrectionReply, description = "Put right")))]
pub async fn correct_case(
    allowed: Allowed<CorrectCase>,
    id: Path<String>,
    body: JsonBody,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let (gateway, case) = (&api.gateway, CaseId::from_uuid(reply::id_or_nil(&id)));
    let correction = match read_correction(&body.0, gateway.clock.now()) {
        Ok(correction) => correction,
        Err(errors) => {
            let problem = Problem::Invalid(errors);
            return Err(reply::unless_hidden(gateway, allowed, case, problem).await);
        }
    };
    let fields = correct::correct(gateway, allowed, case, correction).await?.value;
    reply::json(StatusCode::OK, &CorrectionReply { fields })
}
