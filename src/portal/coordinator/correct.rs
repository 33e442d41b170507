//! `POST /coordinator/zaak/{id}/verbeteren`: what is kept of a family is put right. The forms stand beside the names that
//! were opened, filled in with them; a mistake brings back what was sent and nothing else.

use crate::http::Api;
use crate::http::cases::correct;
use crate::http::problem::Problem;
use crate::policy::Allowed;
use crate::policy::action::CorrectCase;
use crate::portal::form::{Form, Kind};
use crate::portal::page::{Sheet, show_names, shown};
use crate::portal::trail::{Done, done};
use crate::portal::twin::{Told, body};
use crate::portal::visit::Visit;
use crate::portal::words::{languages, term, who};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use serde_json::{Value, json};

/// Parts of a name.
const NAME: [(&str, &str, &str); 3] = [
    ("givenNames", "Voornamen", "Given names"),
    ("prefix", "Tussenvoegsel", "Prefix"),
    ("surname", "Achternaam", "Surname"),
];
/// How a family is reached: place in the body, Dutch, English.
const REACHED: [(&str, &str, &str); 7] = [
    ("phone", "Telefoon", "Telephone"),
    ("email", "E-mail", "E-mail"),
    ("address/street", "Straat", "Street"),
    ("address/number", "Huisnummer", "House number"),
    ("address/suffix", "Toevoeging", "Suffix"),
    ("address/postcode", "Postcode", "Postcode"),
    ("address/town", "Plaats", "Town"),
];

/// The forms for field groups that were opened, holding what they hold.
///
/// Both sections are sent whole, and what they leave out is gone: there is no form where a part of a section may not have
/// been shown.
pub(super) fn forms(visit: &Visit, id: &str, told: &Told) -> Vec<Form> {
    if told.text("/stage") != "full" {
        return Vec::new();
    }
    let part = |group: &str| told.0.pointer(&format!("/fields/{group}"));
    let (who, reached) = (subjects(part("names"), part("birth-date")), part("contact-details"));
    let contact = reached.map(|details| {
        let mut contact = details.as_object().cloned().unwrap_or_default();
        for (group, name) in [
            ("address", "address"),
            ("address-confidential", "confidential"),
            ("preferred-language", "preferredLanguage"),
        ] {
            contact.extend(part(group).map(|value| (name.to_owned(), value.clone())));
        }
        json!({"contact": contact})
    });
    let own = [
        who.map(|who| naming(visit, id, &Told(who))),
        contact.map(|kept| reaching(visit, id, &Told(kept))),
    ];
    own.into_iter().flatten().collect()
}

/// Everybody in the referral, as a correction takes them; nothing where somebody's name is not shown. An adult may have no
/// date of birth.
fn subjects(names: Option<&Value>, births: Option<&Value>) -> Option<Value> {
    let births = births.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let one = |name: &Value| {
        let mut whole = name.as_object()?.clone();
        let born = births.iter().find(|one| one.get("ref") == name.get("ref"));
        let born = born.and_then(|one| one.get("birthDate"));
        whole.extend(born.map(|born| ("birthDate".to_owned(), born.clone())));
        ["ref", "role", "name"]
            .iter()
            .all(|field| whole.contains_key(*field))
            .then_some(Value::Object(whole))
    };
    let all: Option<Vec<Value>> = names?.as_array()?.iter().map(one).collect();
    all.filter(|all| !all.is_empty()).map(|all| json!({"subjects": all}))
}

fn action(id: &str) -> String {
    format!("/coordinator/zaak/{id}/verbeteren")
}

/// The form for who a family is.
fn naming(visit: &Visit, id: &str, kept: &Told) -> Form {
    let mut form = Form::to(
        visit,
        action(id),
        ("Namen of geboortedata verbeteren", "Correct names or dates of birth"),
    );
    for (at, one) in kept.list("/subjects").iter().enumerate() {
        let (label, role) = (one.text("/ref"), one.text("/role"));
        let place = |field: &str| format!("/subjects/{at}/{field}");
        let heading = match who(visit.lang, &label) {
            own if own == label => format!("{} ({label})", term(visit.lang, "subject", &role)),
            own => own,
        };
        form = form
            .ask(Kind::Heading, "", (&heading, &heading))
            .with(&place("ref"), label)
            .with(&place("role"), role.as_str());
        for (field, dutch, english) in NAME {
            let value = one.text(&format!("/name/{field}"));
            form = form
                .ask(Kind::Text, &place(&format!("name/{field}")), (dutch, english))
                .holding(value);
            if field == "prefix" {
                form = form.optional();
            }
        }
        form = form
            .ask(Kind::Date, &place("birthDate"), ("Geboortedatum", "Date of birth"))
            .holding(one.text("/birthDate"));
        if role != "youth" {
            form = form.optional();
        }
    }
    form
}

/// The form for how a family is reached.
fn reaching(visit: &Visit, id: &str, kept: &Told) -> Form {
    let mut form = Form::to(
        visit,
        action(id),
        ("Telefoon of adres verbeteren", "Correct telephone or address"),
    )
    .ask(Kind::Heading, "", ("Hoe is het gezin te bereiken?", "How is the family reached?"))
    .hint("Wat u leeg laat, is daarna weg.", "What you leave empty is gone afterwards.");
    for (place, dutch, english) in REACHED {
        let pointer = format!("/contact/{place}");
        let value = kept.text(&pointer);
        form = form.ask(Kind::Text, &pointer, (dutch, english)).holding(value).optional();
    }
    form = form
        .ask(Kind::Select, "/contact/preferredLanguage", ("Taal", "Language"))
        .options(languages(visit.lang, &kept.text("/contact/preferredLanguage")))
        .holding(kept.text("/contact/preferredLanguage"))
        .optional();
    let said =
        |code: &str, words: (&str, &str)| (code.to_owned(), visit.say(words.0, words.1).to_owned());
    // Nothing is chosen for who did not say: an address that nobody spoke of is not told.
    form.ask(
        Kind::Radio,
        "/contact/confidential:b",
        (
            "Mag het adres aan een steungezin worden verteld?",
            "May a support family be told the address?",
        ),
    )
    .options(vec![
        said("true", ("Nee, het is geheim", "No, it is secret")),
        said("false", ("Ja", "Yes")),
        said(
            "",
            ("Niet besproken: dan vertellen wij het niet", "Not talked of: then we do not tell it"),
        ),
    ])
    .holding(kept.text("/contact/confidential"))
}

/// `POST /coordinator/zaak/{id}/verbeteren`.
///
/// # Errors
/// As `POST /v1/cases/{id}/corrections`.
pub async fn correct(
    allowed: Allowed<CorrectCase>,
    visit: Visit,
    id: Path<String>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let kept = correct::correct_case(allowed, Path::from(id.clone()), body(&visit.sent), api).await;
    let Some(problem) = shown(kept)? else {
        return Ok(done(&format!("/coordinator/zaak/{id}"), Done::Corrected));
    };
    let sent = Told(visit.sent.json());
    let form = if sent.has("/contact") {
        reaching(&visit, &id, &sent)
    } else {
        naming(&visit, &id, &sent)
    };
    let mut sheet = Sheet::of(&visit, ("Gegevens verbeteren", "Correct the data"));
    sheet.back = format!("/coordinator/zaak/{id}");
    sheet.frame = sheet.frame.wrong();
    sheet.forms.push(form.wrong(&problem, place));
    show_names(StatusCode::BAD_REQUEST, &sheet, &format!("/coordinator/zaak/{id}"))
}

/// The field that a pointer of the API belongs to: a section that lacks as a whole, its first field.
fn place(pointer: &str) -> String {
    match pointer {
        "/contact" => "/contact/phone".to_owned(),
        "/contact/address" => "/contact/address/street".to_owned(),
        other if other.ends_with("/name") => format!("{other}/givenNames"),
        other => other.to_owned(),
    }
}
