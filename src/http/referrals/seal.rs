//! What is sealed: a referral's field groups as JSON, one text a group.
//!
//! This is the shape in which a release shows them again; between here and there nobody reads it.

use crate::domain::consent::SubjectRef;
use crate::domain::identity::{Disclosure, FieldGroup, Secret};
use crate::domain::likeness::{Feature, Reached, Someone, features};
use crate::domain::person::{Hint, hints};
use crate::http::referrals::shape;
use crate::http::wire::Field;
use serde_json::{Map, Value, json};

/// The value of a field that was checked before, as JSON; nothing where it is missing.
fn text(field: &Field<String>) -> Value {
    match field {
        Field::Present(text) => json!(text),
        _ => Value::Null,
    }
}

fn texts(field: &Field<Vec<Field<String>>>) -> Value {
    match field {
        Field::Present(items) => items.iter().map(text).collect(),
        _ => json!([]),
    }
}

fn flag(field: &Field<bool>) -> Value {
    match field {
        Field::Present(flag) => json!(flag),
        _ => Value::Null,
    }
}

fn number(field: &Field<i64>) -> Value {
    match field {
        Field::Present(number) => json!(number),
        _ => Value::Null,
    }
}

const fn there<T>(field: &Field<T>) -> Option<&T> {
    match field {
        Field::Present(value) => Some(value),
        _ => None,
    }
}

/// An object without the fields that are missing.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let present = fields.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(present.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

fn items<T>(field: &Field<Vec<Field<T>>>) -> impl Iterator<Item = &T> {
    there(field).into_iter().flatten().filter_map(there)
}

/// All groups of a referral; those that were not sent are left out.
pub(in crate::http) fn groups(wire: &shape::Referral) -> Vec<Disclosure> {
    let contact = there(&wire.contact);
    let support = there(&wire.support);
    let groups = [
        (FieldGroup::Names, per_subject(wire, |s| ("name", name(&s.name)))),
        (FieldGroup::BirthDate, per_subject(wire, |s| ("birthDate", text(&s.birth_date)))),
        (FieldGroup::Authority, per_subject(wire, |s| ("authority", authority(&s.authority)))),
        (FieldGroup::Address, contact.map_or(Value::Null, |c| address(&c.address))),
        (FieldGroup::ContactDetails, contact.map_or(Value::Null, reachable)),
        (FieldGroup::AddressConfidential, contact.map_or(Value::Null, |c| flag(&c.confidential))),
        (
            FieldGroup::PreferredLanguage,
            contact.map_or(Value::Null, |c| text(&c.preferred_language)),
        ),
        (FieldGroup::ConsentEvidence, evidence(wire)),
        (FieldGroup::Household, household(wire)),
        (FieldGroup::SupportRequestCodes, support.map_or(Value::Null, codes)),
        (FieldGroup::SupportRequestText, text(&wire.support_text)),
        (FieldGroup::HealthAttentionPoints, present_list(&wire.attention_points)),
        (FieldGroup::SafetySignal, flag(&wire.safety_signal)),
        (FieldGroup::PlanReference, plan(&wire.plan)),
        (FieldGroup::PlanGoals, goals(&wire.plan)),
        (FieldGroup::Referrer, referrer(wire)),
        (FieldGroup::Reference, text(&wire.reference)),
        (FieldGroup::Summary, summary(wire)),
    ];
    groups
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(group, value)| Disclosure { group, content: Secret::new(value.to_string()) })
        .collect()
}

/// The registrant's own name, for stage `contact`.
pub(in crate::http) fn registrant(
    wire: &shape::Referral,
    who: Option<&SubjectRef>,
) -> Option<Secret> {
    let label = who?.as_str();
    let own = |s: &&shape::Subject| there(&s.label).is_some_and(|l| l == label);
    let subject = items(&wire.subjects).find(own)?;
    Some(Secret::new(object([("ref", json!(label)), ("name", name(&subject.name))]).to_string()))
}

/// By what the family may be known again when it is referred once more.
pub(in crate::http) fn likeness(wire: &shape::Referral) -> Vec<Feature> {
    fn value(field: &Field<String>) -> Option<&str> {
        there(field).map(String::as_str)
    }
    let persons: Vec<Someone<'_>> = items(&wire.subjects)
        .filter_map(|subject| {
            let name = there(&subject.name)?;
            Some(Someone {
                given_names: value(&name.given_names)?,
                surname: value(&name.surname)?,
                // A part of a date is too little to know somebody by.
                birth_date: value(&subject.birth_date)
                    .filter(|text| text.len() == 10 && !text.contains("-00")),
                child: value(&subject.role) == Some("youth"),
            })
        })
        .collect();
    let contact = there(&wire.contact);
    let address = contact.and_then(|contact| there(&contact.address));
    let reached = Reached {
        phone: contact.and_then(|contact| value(&contact.phone)),
        email: contact.and_then(|contact| value(&contact.email)),
        address: address.and_then(|at| Some((value(&at.postcode)?, value(&at.number)?))),
    };
    features(&persons, reached)
}

/// What the free text seems to hold that belongs elsewhere.
pub(super) fn warnings(wire: &shape::Referral) -> Vec<(String, Hint)> {
    let Some(free) = there(&wire.support_text) else {
        return Vec::new();
    };
    let names: Vec<&str> = items(&wire.subjects)
        .filter_map(|subject| there(&subject.name))
        .flat_map(|name| [there(&name.given_names), there(&name.surname)])
        .flatten()
        .map(String::as_str)
        .collect();
    hints(free, &names).into_iter().map(|hint| ("/supportText".to_owned(), hint)).collect()
}

fn per_subject(
    wire: &shape::Referral,
    of: impl Fn(&shape::Subject) -> (&'static str, Value),
) -> Value {
    items(&wire.subjects)
        .map(|subject| {
            let (key, value) = of(subject);
            object([("ref", text(&subject.label)), ("role", text(&subject.role)), (key, value)])
        })
        .collect()
}

fn name(field: &Field<shape::Name>) -> Value {
    there(field).map_or(Value::Null, |name| {
        object([
            ("givenNames", text(&name.given_names)),
            ("prefix", text(&name.prefix)),
            ("surname", text(&name.surname)),
        ])
    })
}

fn authority(field: &Field<shape::Authority>) -> Value {
    there(field).map_or(Value::Null, |authority| {
        object([
            ("type", text(&authority.kind)),
            ("holders", texts(&authority.holders)),
            ("underInvestigation", flag(&authority.under_investigation)),
            ("source", text(&authority.source)),
            ("seenOn", text(&authority.seen_on)),
        ])
    })
}

fn address(field: &Field<shape::Address>) -> Value {
    there(field).map_or(Value::Null, |address| {
        object([
            ("street", text(&address.street)),
            ("number", text(&address.number)),
            ("suffix", text(&address.suffix)),
            ("postcode", text(&address.postcode)),
            ("town", text(&address.town)),
        ])
    })
}

fn reachable(contact: &shape::Contact) -> Value {
    object([("phone", text(&contact.phone)), ("email", text(&contact.email))])
}

fn evidence(wire: &shape::Referral) -> Value {
    there(&wire.consent).map_or(Value::Null, |consent| {
        let signature = |s: &shape::Signature| {
            object([
                ("ref", text(&s.label)),
                ("decision", text(&s.decision)),
                ("at", text(&s.at)),
                ("method", text(&s.method)),
                ("evidence", text(&s.evidence)),
            ])
        };
        object([
            ("evidence", text(&consent.evidence)),
            ("noticeVersion", text(&consent.notice_version)),
            ("signatures", items(&consent.signatures).map(signature).collect()),
        ])
    })
}

fn household(wire: &shape::Referral) -> Value {
    there(&wire.household).map_or(Value::Null, |household| {
        object([
            ("composition", text(&household.composition)),
            ("children", number(&household.children)),
            ("alreadyInvolved", texts(&wire.already_involved)),
        ])
    })
}

fn codes(support: &shape::Support) -> Value {
    object([
        ("codes", texts(&support.codes)),
        ("dayparts", texts(&support.dayparts)),
        ("frequency", text(&support.frequency)),
        ("sleepover", flag(&support.sleepover)),
    ])
}

fn present_list(field: &Field<Vec<Field<String>>>) -> Value {
    there(field).map_or(Value::Null, |_| texts(field))
}

fn plan(field: &Field<shape::Plan>) -> Value {
    there(field).map_or(Value::Null, |plan| {
        let manager = there(&plan.case_manager).map_or(Value::Null, |manager| {
            object([
                ("partner", text(&manager.partner)),
                ("name", text(&manager.name)),
                ("phone", text(&manager.phone)),
                ("email", text(&manager.email)),
            ])
        });
        object([
            ("type", text(&plan.kind)),
            ("reference", text(&plan.reference)),
            ("version", number(&plan.version)),
            ("agreedByFamilyOn", text(&plan.agreed_by_family_on)),
            ("evaluationDate", text(&plan.evaluation_date)),
            ("horizonMonths", number(&plan.horizon_months)),
            ("caseManager", manager),
        ])
    })
}

fn goals(field: &Field<shape::Plan>) -> Value {
    there(field).map_or(Value::Null, |plan| {
        let goal = |g: &shape::Goal| {
            object([("id", text(&g.id)), ("text", text(&g.text)), ("status", text(&g.status))])
        };
        items(&plan.goals).map(goal).collect()
    })
}

fn referrer(wire: &shape::Referral) -> Value {
    there(&wire.referrer).map_or(Value::Null, |referrer| {
        object([
            ("name", text(&referrer.name)),
            ("function", text(&referrer.function)),
            ("phone", text(&referrer.phone)),
            ("email", text(&referrer.email)),
            ("contactsBefore", number(&wire.contacts_before)),
        ])
    })
}

/// What a coordinator sees before opening the identity: numbers and codes, nothing in words.
fn summary(wire: &shape::Referral) -> Value {
    let children = there(&wire.household).map_or(Value::Null, |h| number(&h.children));
    let support = there(&wire.support).map_or(Value::Null, codes);
    object([
        ("children", children),
        ("support", support),
        ("safetySignal", flag(&wire.safety_signal)),
        (
            "preferredLanguage",
            there(&wire.contact).map_or(Value::Null, |c| text(&c.preferred_language)),
        ),
    ])
}
