//! `POST /v1/support-families`: a family that offers itself is registered.

use crate::domain::age::BirthDate;
use crate::domain::identity::{Disclosure, FieldGroup, Secret};
use crate::domain::municipality::{District, Municipality};
use crate::domain::person;
use crate::domain::referral::Daypart;
use crate::domain::support_family::{Neighbourhood, Offer};
use crate::flow::Once;
use crate::flow::support::{self, Registration};
use crate::http::Api;
use crate::http::body::JsonBody;
use crate::http::problem::Problem;
use crate::http::reply;
use crate::http::tree::tree;
use crate::http::wire::{Field, FieldError, Reading, Shape, Wire, shape};
use crate::policy::Allowed;
use crate::policy::action::RegisterSupportFamily;
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// A support family, as it made itself known.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct SupportFamilyRequest {
    /// CBS code of the gemeente.
    #[schema(value_type = String)]
    pub municipality: Field<String>,
    /// CBS code of the wijk.
    #[schema(value_type = Option<String>)]
    pub district: Field<String>,
    /// Adults of the household.
    #[schema(value_type = Vec<AdultWire>)]
    pub adults: Field<Vec<Field<AdultWire>>>,
    /// How it is reached.
    #[schema(value_type = ReachWire)]
    pub contact: Field<ReachWire>,
    /// What it offers.
    #[schema(value_type = OfferWire)]
    pub offer: Field<OfferWire>,
    /// Version of the notice it agreed to.
    #[schema(value_type = String)]
    pub notice_version: Field<String>,
    /// Must be true: it agreed to be kept and screened.
    #[schema(value_type = bool)]
    pub agreed: Field<bool>,
}

/// One adult.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct AdultWire {
    /// Given names.
    #[schema(value_type = String)]
    pub given_names: Field<String>,
    /// Prefix of the surname.
    #[schema(value_type = Option<String>)]
    pub prefix: Field<String>,
    /// Surname.
    #[schema(value_type = String)]
    pub surname: Field<String>,
    /// `YYYY-MM-DD`, `YYYY-MM` or `YYYY`.
    #[schema(value_type = Option<String>, format = Date)]
    pub birth_date: Field<String>,
}

/// How it is reached.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct ReachWire {
    /// E.164; this or the e-mail address.
    #[schema(value_type = Option<String>)]
    pub phone: Field<String>,
    /// E-mail address.
    #[schema(value_type = Option<String>)]
    pub email: Field<String>,
    /// Street.
    #[schema(value_type = String)]
    pub street: Field<String>,
    /// House number.
    #[schema(value_type = String)]
    pub number: Field<String>,
    /// Postcode.
    #[schema(value_type = String)]
    pub postcode: Field<String>,
    /// Town.
    #[schema(value_type = String)]
    pub town: Field<String>,
}

/// What it offers.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct OfferWire {
    /// When: dayparts.
    #[schema(value_type = Vec<String>)]
    pub dayparts: Field<Vec<Field<String>>>,
    /// Whether a child may stay the night.
    #[schema(value_type = Option<bool>)]
    pub sleepover: Field<bool>,
    /// Languages spoken at home.
    #[schema(value_type = Option<Vec<String>>)]
    pub languages: Field<Vec<Field<String>>>,
    /// Youngest age, default 0.
    #[schema(value_type = Option<i64>)]
    pub age_from: Field<i64>,
    /// Oldest age, default 23.
    #[schema(value_type = Option<i64>)]
    pub age_to: Field<i64>,
    /// Families at a time, 1 to 3, default 1.
    #[schema(value_type = Option<i64>)]
    pub capacity: Field<i64>,
}

impl Wire for AdultWire {
    const SHAPE: Shape = Shape::Object;
}
impl Wire for ReachWire {
    const SHAPE: Shape = Shape::Object;
}
impl Wire for OfferWire {
    const SHAPE: Shape = Shape::Object;
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupportFamilyAccepted {
    /// Id.
    pub id: String,
    /// `registered`.
    pub state: &'static str,
}

fn read(body: &[u8]) -> Result<Registration, Vec<FieldError>> {
    let wire: SupportFamilyRequest = shape(body).map_err(|error| vec![error])?;
    let tree = tree(body).map_err(|error| vec![error])?;
    let mut r = Reading::default();
    let place = place(&mut r, &wire);
    let adults = r.list("adults", &wire.adults, 1..=4, |r, adult| Some(read_adult(r, adult)));
    let reach = r.required("contact", &wire.contact);
    let reach = reach.map(|wire| r.within("contact", wire, read_reach));
    let offer = r.required("offer", &wire.offer);
    let offer = offer.and_then(|wire| r.within("offer", wire, read_offer));
    let notice = r.need("noticeVersion", &wire.notice_version, "text", |t| {
        person::line(t, 40).map(|()| t.clone())
    });
    if r.required("agreed", &wire.agreed) == Some(&false) {
        r.error("agreed", "not-agreed", "must be true: nobody is registered without agreeing");
    }
    let mut errors = r.into_errors();
    errors.extend(tree.bsn_places());
    match (place, reach, offer, notice) {
        (Some(place), Some(reach), Some(offer), Some(notice)) if errors.is_empty() => {
            let disclosures = disclosures(&adults, reach);
            Ok(Registration { place, offer, notice, disclosures })
        }
        _ => Err(errors),
    }
}

fn place(r: &mut Reading, wire: &SupportFamilyRequest) -> Option<Neighbourhood> {
    let municipality =
        r.need("municipality", &wire.municipality, "cbs-code", |t| Municipality::parse(t))?;
    let district = r.may("district", &wire.district, "cbs-code", |t| District::parse(t));
    if district.is_some_and(|district| !district.lies_in(&municipality)) {
        r.error("district", "district-elsewhere", "must lie in the gemeente");
    }
    Some(Neighbourhood { municipality, district })
}

/// The name and the birth date of one adult, as they will be sealed.
fn read_adult(r: &mut Reading, wire: &AdultWire) -> (Value, Value) {
    let text = |r: &mut Reading, at: &str, field, max| {
        r.need(at, field, "text", |t: &String| person::line(t, max).map(|()| t.clone()))
    };
    let given = text(r, "givenNames", &wire.given_names, 120);
    let surname = text(r, "surname", &wire.surname, 120);
    let prefix = r.may("prefix", &wire.prefix, "text", |t| person::line(t, 20).map(|()| t.clone()));
    let born = r.may("birthDate", &wire.birth_date, "birth-date", |t| {
        BirthDate::parse(t).map(|_| t.clone())
    });
    (json!({"givenNames": given, "prefix": prefix, "surname": surname}), json!(born))
}

/// Contact and address, as they will be sealed.
fn read_reach(r: &mut Reading, wire: &ReachWire) -> (Value, Value) {
    let absent = |field: &Field<String>| matches!(field, Field::Absent | Field::Null);
    if absent(&wire.phone) && absent(&wire.email) {
        r.error("", "phone-or-email", "must hold a telephone number or an e-mail address");
    }
    let phone = r.may("phone", &wire.phone, "phone", |t| person::phone(t).map(|()| t.clone()));
    let email = r.may("email", &wire.email, "email", |t| person::email(t).map(|()| t.clone()));
    let line = |r: &mut Reading, at: &str, field, max| {
        r.need(at, field, "text", |t: &String| person::line(t, max).map(|()| t.clone()))
    };
    let street = line(r, "street", &wire.street, 80);
    let number = line(r, "number", &wire.number, 10);
    let town = line(r, "town", &wire.town, 80);
    let postcode =
        r.need("postcode", &wire.postcode, "postcode", |t| person::postcode(t).map(|()| t.clone()));
    let address = json!({"street": street, "number": number, "postcode": postcode, "town": town});
    (json!({"phone": phone, "email": email}), address)
}

/// What it offers.
pub(super) fn read_offer(r: &mut Reading, wire: &OfferWire) -> Option<Offer> {
    let within = |least: i64, most: i64| {
        move |n: &i64| {
            let fits = (least..=most).contains(n);
            let number = u8::try_from(*n).ok().filter(|_| fits);
            number.ok_or_else(|| format!("must be a whole number from {least} to {most}"))
        }
    };
    let dayparts = r.terms("dayparts", &wire.dayparts, 1..=7, Daypart::parse);
    let sleepover = r.optional("sleepover", &wire.sleepover) == Some(&true);
    let languages = r.list("languages", &wire.languages, 0..=8, |r, tag| {
        if let Err(rule) = person::language(tag) {
            r.error("", "language", &rule.to_string());
            return None;
        }
        Some(tag.clone())
    });
    let from = r.may("ageFrom", &wire.age_from, "range", within(0, 23)).unwrap_or(0);
    let to = r.may("ageTo", &wire.age_to, "range", within(0, 23)).unwrap_or(23);
    if from > to {
        r.error("ageTo", "range", "must not be less than ageFrom");
    }
    let capacity = r.may("capacity", &wire.capacity, "range", within(1, 3)).unwrap_or(1);
    let offer = Offer { dayparts, sleepover, languages, ages: (from, to), capacity };
    (!offer.dayparts.is_empty()).then_some(offer)
}

fn disclosures(adults: &[(Value, Value)], (contact, address): (Value, Value)) -> Vec<Disclosure> {
    let names: Value = adults.iter().map(|(name, _)| name.clone()).collect();
    let births: Value = adults.iter().map(|(_, born)| born.clone()).collect();
    let group =
        |group, content: Value| Disclosure { group, content: Secret::new(content.to_string()) };
    vec![
        group(FieldGroup::Names, names),
        group(FieldGroup::BirthDate, births),
        group(FieldGroup::ContactDetails, contact),
        group(FieldGroup::Address, address),
    ]
}

/// Registers a support family.
///
/// # Errors
/// 400 with all errors of form, or where nobody serves the gemeente; 409 when the key was used for another
/// body.
#[utoipa::path(post, path = "/v1/support-families", tag = "support-families", operation_id = "registerSupportFamily",
    request_body = SupportFamilyRequest,
    params(("Idempotency-Key" = String, Header, description = "1-64 visible ASCII characters")),
    responses((status = 201, body = SupportFamilyAccepted, description = "Registered")))]
pub async fn register_support_family(
    allowed: Allowed<RegisterSupportFamily>,
    body: JsonBody,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let key = reply::idempotency_key(&request)?;
    let new = read(&body.0).map_err(Problem::Invalid)?;
    let route = "/v1/support-families";
    let once = Once::new(&gateway.keyring, allowed.subject(), route, &key, &body.0);
    let (id, replayed) = support::register(gateway, allowed, new, once).await?.value;
    let body = SupportFamilyAccepted { id: id.to_string(), state: "registered" };
    let mut response = reply::json(StatusCode::CREATED, &body)?;
    let location = header::HeaderValue::from_str(&format!("{route}/{}", body.id));
    response.headers_mut().insert(header::LOCATION, location.or(Err(Problem::Internal))?);
    Ok(reply::replayed(response, replayed))
}
