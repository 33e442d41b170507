//! What is read over in the last step, before a referral is sent: what was answered, and what follows from what was not.

use crate::domain::age::date_in_amsterdam;
use crate::http::Api;
use crate::portal::form::{Field, Kind};
use crate::portal::verwijzer::placed::is_shared;
use crate::portal::verwijzer::steps::{LAST, form, is_twelve, subjects};
use crate::portal::visit::Visit;
use crate::portal::words::day;

/// What follows from what was left out, before it is sent: for whom the referral will wait, and what cannot be done.
pub(super) fn lacking(visit: &Visit, api: &Api) -> Vec<String> {
    let sent = &visit.sent;
    let mut whole = sent.json();
    let labels = subjects(&mut whole, sent);
    let today = date_in_amsterdam(api.gateway.clock.now());
    let youths =
        labels.iter().any(|(_, birth)| birth.as_deref().is_some_and(|b| is_twelve(b, today)));
    let mut told = Vec::new();
    if is_shared(sent) && sent.value("ouder2").is_empty() {
        told.push(visit.say(
            "De andere ouder zei nog geen ja. De coördinator zoekt pas een steungezin als u dat ja hebt vastgelegd.",
            "The other parent has not said yes. The coordinator looks for a support family once you recorded that yes.",
        ));
    }
    if youths && sent.value("kind").is_empty() {
        told.push(visit.say(
            "Een kind van 12 jaar of ouder zei nog geen ja. De coördinator zoekt pas een steungezin als u dat ja hebt vastgelegd.",
            "A child of 12 or older has not said yes. The coordinator looks for a support family once you recorded that yes.",
        ));
    }
    if !sent.values("/consent/purposes:l").contains(&"pairing") {
        told.push(visit.say(
            "U vinkte bij Toestemming niet aan dat het gezin ja zei op een steungezin zoeken. Dan kan niemand dat doen, en het kan later niet worden toegevoegd.",
            "At Consent you did not tick that the family said yes to looking for a support family. Then nobody can, and it cannot be added later.",
        ));
    }
    told.into_iter().map(str::to_owned).collect()
}

/// What was answered, to read over before it is sent: title of a step, and its answers.
pub(super) fn summary(visit: &Visit, api: &Api) -> Vec<(usize, Vec<(String, String)>)> {
    let of = |step: usize| {
        let asked = form(visit, api, step);
        let told = |field: &Field| {
            let words = |value: &String| {
                let option = field.options.iter().find(|(code, _)| code == value);
                match (field.kind, option) {
                    (Kind::Date, _) => day(visit.lang, value),
                    (Kind::Flag, _) => visit.say("ja", "yes").to_owned(),
                    (_, Some((_, words))) => words.clone(),
                    _ => value.clone(),
                }
            };
            let values: Vec<String> =
                field.values.iter().filter(|v| !v.is_empty()).map(words).collect();
            // A browser sends nothing of a day that there is not: who reads it over must see that.
            let asked = matches!(field.kind, Kind::Date | Kind::Check | Kind::Radio);
            let none = || visit.say("niet ingevuld", "not filled in").to_owned();
            match (values.is_empty(), asked) {
                (false, _) if field.kind != Kind::Heading => {
                    Some((field.label.clone(), values.join(", ")))
                }
                (true, true) => Some((field.label.clone(), none())),
                _ => None,
            }
        };
        (step, asked.fields.iter().filter_map(told).collect())
    };
    (1..LAST).map(of).collect()
}
