//! Invented families and support families: names that say so, addresses at `example.nl`, telephone numbers that
//! nobody has.

use super::draw::Draw;
use super::programme::{FamilyPlan, Programme};
use crate::cli::Failure;
use crate::cli::story::{REGIETEAM, WIJKTEAM};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

/// One of a telephone number, made of who it is: in a range that is given to nobody.
fn phone(kind: u64, number: usize) -> String {
    format!("+3185000{kind}{number:03}")
}

fn district(programme: &Programme, draw: &mut Draw) -> String {
    let code = programme.municipality.trim_start_matches("GM");
    format!("WK{code}0{}", draw.between(1, 3))
}

fn years_ago(today: Date, years: i64, draw: &mut Draw) -> Result<String, Failure> {
    let day = today.checked_sub(years.years())?.checked_sub(draw.between(1, 300).days())?;
    Ok(day.to_string())
}

/// The body of a family's referral on a day.
///
/// # Errors
/// When an example of the program cannot be read.
pub(super) fn referral(
    family: &FamilyPlan,
    programme: &Programme,
    number: usize,
    now: Timestamp,
    draw: &mut Draw,
) -> Result<Value, Failure> {
    let today = crate::domain::age::date_in_amsterdam(now);
    let mut body: Value = serde_json::from_str(WIJKTEAM)?;
    let plan: Value = serde_json::from_str(REGIETEAM)?;
    let surname = format!("Verzonnen-{number}");
    let (subjects, signers) = subjects(family, &surname, today, draw)?;
    let at = now.checked_sub(24.hours())?.to_string();
    let sign = |who: &String| json!({"ref": who, "decision": "given", "at": at, "method": "signed-on-paper"});
    let labels: Vec<_> = subjects.iter().filter_map(|one| one.get("ref").cloned()).collect();
    put(&mut body, "source", json!(family.source));
    put(&mut body, "reference", json!(format!("SC-{number}")));
    put(&mut body, "municipality", json!(programme.municipality));
    put(&mut body, "district", json!(district(programme, draw)));
    put(&mut body, "subjects", json!(subjects));
    put(
        &mut body,
        "household",
        json!({
            "composition": if family.one_parent { "one-parent" } else { "two-parent" },
            "children": family.children.iter().sum::<usize>(),
        }),
    );
    put(
        &mut body,
        "contact",
        json!({
            "phone": phone(1, number),
            "email": format!("gezin-{number}@example.nl"),
            "address": {"street": "Verzonnenstraat", "number": number.to_string(), "postcode": "6500AA", "town": programme.town},
            "confidential": false,
            "preferredLanguage": "nl",
        }),
    );
    if let (Some(consent), Ok(until)) = (body.get_mut("consent"), today.checked_add(5.years())) {
        put(consent, "recipients", json!([programme.recipient]));
        put(consent, "subjects", json!(labels));
        put(consent, "signatures", signers.iter().map(sign).collect());
        put(consent, "validFrom", json!(at));
        put(consent, "validUntil", json!(format!("{until}T00:00:00Z")));
    }
    if matches!(family.source, "regieteam" | "doorbraakcoach") {
        with_plan(&mut body, &plan, family.source);
    }
    Ok(body)
}

/// A plan, and consent that covers it.
fn with_plan(body: &mut Value, example: &Value, source: &str) {
    let mut plan = example.get("plan").cloned().unwrap_or_default();
    if source == "doorbraakcoach" {
        put(&mut plan, "type", json!("maatwerkplan"));
        put(&mut plan, "horizonMonths", json!(6));
    }
    put(body, "plan", plan);
}

/// Who is in the family, and who signs: two holders of authority, and children from 12 on.
fn subjects(
    family: &FamilyPlan,
    surname: &str,
    today: Date,
    draw: &mut Draw,
) -> Result<(Vec<Value>, Vec<String>), Failure> {
    let mut subjects = vec![json!({
        "ref": "parent1", "role": "parent",
        "name": {"givenNames": "Verzonnen", "surname": surname},
        "birthDate": years_ago(today, draw.between(22, 45), draw)?,
    })];
    let mut signers = vec!["parent1".to_owned(), "parent2".to_owned()];
    let [younger, older] = family.children;
    for at in 0..younger + older {
        let label = format!("child{}", at + 1);
        // Not near a birthday that would change who signs.
        let age = if at < younger { draw.between(0, 10) } else { draw.between(12, 13) };
        subjects.push(json!({
            "ref": label, "role": "youth",
            "name": {"givenNames": "Kind", "surname": surname},
            "birthDate": years_ago(today, age, draw)?,
            "competent": true,
            "authority": {
                "type": "GezamenlijkOuderlijkGezag", "holders": ["parent1", "parent2"],
                "source": "gezagsregister", "seenOn": today.to_string(),
            },
        }));
        if at >= younger {
            signers.push(label);
        }
    }
    Ok((subjects, signers))
}

/// The body of a support family's registration.
#[must_use]
pub(super) fn support_family(programme: &Programme, number: usize, draw: &mut Draw) -> Value {
    let dayparts = ["weekend-afternoon", "weekday-afternoon", "weekend-morning"];
    json!({
        "municipality": programme.municipality,
        "district": district(programme, draw),
        "adults": [{"givenNames": "Verzonnen", "surname": format!("Steungezin-{number}"), "birthDate": format!("{}-04-02", draw.between(1955, 1990))}],
        "contact": {
            "phone": phone(2, number),
            "email": format!("steungezin-{number}@example.nl"),
            "street": "Verzonnenlaan", "number": number.to_string(), "postcode": "6500AB", "town": programme.town,
        },
        "offer": {
            "dayparts": [draw.one(&dayparts).unwrap_or("weekend-afternoon")],
            "sleepover": draw.happens(250), "languages": ["nl"],
            "ageFrom": 0, "ageTo": draw.between(12, 23), "capacity": 1,
        },
        "noticeVersion": "2026-01",
        "agreed": true,
    })
}

fn put(body: &mut Value, key: &str, value: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}
