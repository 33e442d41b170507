//! What is kept of somebody who asked, as a page to print and hand over: everything that `POST
//! /v1/cases/{id}/access-exports` tells, in words that the one who asked can read.

use crate::http::Api;
use crate::http::problem::Problem;
use crate::portal::kept::{Group, groups, leaves};
use crate::portal::page::{Frame, show_names};
use crate::portal::twin::Told;
use crate::portal::visit::Visit;
use crate::portal::words::{Lang, because, moment, term, terms_of, who, why};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use serde_json::Value;

/// A part of the page: names and values, or a table.
struct Part {
    words: String,
    groups: Vec<Group>,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    /// What is said where there is nothing.
    nothing: String,
}

impl Part {
    const fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.rows.is_empty()
    }
}

#[derive(Template)]
#[template(path = "answer.html")]
struct AnswerPage {
    frame: Frame,
    back: String,
    /// The same, for the form that hides it.
    hide_to: String,
    made: String,
    parts: Vec<Part>,
}

/// Names and values that are there.
type Facts = Vec<(String, String)>;

/// The page of an answer.
///
/// # Errors
/// [`Problem::Internal`] when it cannot be written.
pub(super) fn show(
    visit: &Visit,
    api: &Api,
    id: &str,
    told: &Told,
) -> Result<HttpResponse, Problem> {
    let lang = visit.lang;
    let title = ("Inzage in uw gegevens", "What is kept of you");
    let page = AnswerPage {
        frame: Frame::of(visit, title),
        back: format!("/coordinator/zaak/{id}/rechten"),
        hide_to: format!("zaak/{id}/rechten"),
        made: format!(
            "{}, {}",
            moment(lang, &told.text("/madeAt")),
            who(lang, &told.text("/subject"))
        ),
        parts: vec![
            case(lang, id, told),
            data(lang, told),
            consent(lang, told),
            recipients(lang, api, told),
            pairings(lang, told),
            said(lang, told),
            releases(lang, told),
            log(lang, api, told),
        ],
    };
    show_names(StatusCode::OK, &page, &page.back)
}

fn part(lang: Lang, words: (&str, &str), nothing: (&str, &str)) -> Part {
    Part {
        words: lang.say(words.0, words.1).to_owned(),
        groups: Vec::new(),
        heads: Vec::new(),
        rows: Vec::new(),
        nothing: lang.say(nothing.0, nothing.1).to_owned(),
    }
}

/// Lists of names and values, of which what is empty is left out.
fn listed(lists: impl IntoIterator<Item = Facts>) -> Vec<Group> {
    let mut items: Vec<Facts> = lists.into_iter().collect();
    for item in &mut items {
        item.retain(|(_, text)| !text.is_empty());
    }
    items.retain(|item| !item.is_empty());
    if items.is_empty() { Vec::new() } else { vec![Group { words: String::new(), items }] }
}

fn fact(lang: Lang, name: (&str, &str), text: String) -> (String, String) {
    (lang.say(name.0, name.1).to_owned(), text)
}

fn case(lang: Lang, id: &str, told: &Told) -> Part {
    let word = |list: &str, place: &str| term(lang, list, &told.text(place));
    let facts = vec![
        fact(
            lang,
            ("Waar staat de zaak?", "Where does the case stand?"),
            word("state", "/case/state"),
        ),
        fact(lang, ("Nummer van de zaak", "Number of the case"), id.to_owned()),
        fact(lang, ("Aangemeld door", "Referred by"), word("source", "/case/source")),
        fact(lang, ("Ontvangen", "Received"), told.moment(lang, "/case/receivedAt")),
        fact(lang, ("Gemeente", "Gemeente"), word("gemeente", "/case/municipality")),
        fact(lang, ("Wijk", "District"), told.text("/case/district")),
        fact(lang, ("Huishouden", "Household"), word("household", "/case/household")),
    ];
    Part {
        groups: listed([facts]),
        ..part(lang, ("Uw aanmelding", "Your referral"), ("Niets.", "Nothing."))
    }
}

fn data(lang: Lang, told: &Told) -> Part {
    let kept = told.0.pointer("/data").unwrap_or(&Value::Null);
    let waits = (
        "Wat er van u is bewaard, blijft gesloten zolang uw zaak stilstaat. U kunt wel vragen om het te wissen.",
        "What is kept of you stays closed as long as your case stands still. You can ask to have it erased.",
    );
    let lacks = (
        "Wat er van u is bewaard, blijft gesloten zolang er geen toestemming is. U kunt wel vragen om het te wissen.",
        "What is kept of you stays closed as long as there is no consent. You can ask to have it erased.",
    );
    let nothing = if told.text("/case/state") == "on-hold" { waits } else { lacks };
    Part {
        groups: groups(lang, kept),
        ..part(lang, ("Wat er van u is bewaard", "What is kept of you"), nothing)
    }
}

fn consent(lang: Lang, told: &Told) -> Part {
    let words = |list: &str, place: &str| terms_of(lang, list, &told.words(place));
    let decision = |one: &Told| {
        format!("{}, {}", term(lang, "decision", &one.text("/decision")), one.day(lang, "/at"))
    };
    let own: Vec<String> = told.list("/consent/decisions").iter().map(decision).collect();
    let facts = vec![
        fact(
            lang,
            ("Geldt nu voor", "Covers at present"),
            term(lang, "stage", &told.text("/consent/covers")),
        ),
        fact(lang, ("Waarvoor", "For what"), words("consent-purpose", "/consent/purposes")),
        fact(lang, ("Voor wie", "For whom"), told.words("/consent/recipients").join(", ")),
        fact(lang, ("Welke gegevens", "Which data"), words("category", "/consent/categories")),
        fact(lang, ("Tot en met", "Until"), told.day(lang, "/consent/validUntil")),
        fact(lang, ("Wat u besloot", "What you decided"), own.join(" · ")),
    ];
    Part {
        groups: listed([facts]),
        ..part(
            lang,
            ("Waarvoor u toestemming gaf", "For what you consented"),
            ("Er is geen toestemming vastgelegd.", "No consent is recorded."),
        )
    }
}

/// The name of an organisation that takes part, or its number.
fn organisation(api: &Api, number: &str) -> String {
    let register = api.gateway.register.load();
    let own = register.partners().find(|one| one.number.as_str() == number);
    own.map_or_else(|| number.to_owned(), |one| format!("{} ({number})", one.name.as_str()))
}

fn role(lang: Lang, code: &str) -> String {
    match code {
        "plan-participant" => {
            lang.say("Deelnemer aan het plan", "Takes part in the plan").to_owned()
        }
        "" => "Buurtpoort".to_owned(),
        code => term(lang, "role", code),
    }
}

fn recipients(lang: Lang, api: &Api, told: &Told) -> Part {
    let row = |one: &Told| {
        vec![organisation(api, &one.text("/organisation")), role(lang, &one.text("/as"))]
    };
    Part {
        heads: heads(lang, &[("Organisatie", "Organisation"), ("Als", "As")]),
        rows: told.list("/recipients").iter().map(row).collect(),
        ..part(lang, ("Wie het kreeg", "Who got it"), ("Niemand.", "Nobody."))
    }
}

fn heads(lang: Lang, all: &[(&str, &str)]) -> Vec<String> {
    all.iter().map(|head| lang.say(head.0, head.1).to_owned()).collect()
}

fn pairings(lang: Lang, told: &Told) -> Part {
    let one = |pairing: &Told| {
        let word = |list: &str, place: &str| term(lang, list, &pairing.text(place));
        let mut facts = vec![
            fact(lang, ("Stand", "State"), word("pairing", "/state")),
            fact(
                lang,
                ("Kinderen die meedoen", "Children who take part"),
                pairing.text("/children"),
            ),
            fact(lang, ("Kennismaking", "Introduction"), pairing.day(lang, "/introducedAt")),
            fact(lang, ("Proefperiode vanaf", "Trial from"), pairing.day(lang, "/trialFrom")),
            fact(
                lang,
                ("Proefperiode tot en met", "Trial until"),
                pairing.day(lang, "/trialUntil"),
            ),
            fact(lang, ("Gekoppeld", "Paired"), pairing.day(lang, "/pairedAt")),
            fact(lang, ("Beëindigd", "Ended"), pairing.day(lang, "/endedAt")),
            fact(lang, ("Waarom", "Why"), word("end-reason", "/endReason")),
            fact(
                lang,
                ("Waar de kinderen daarna wonen", "Where the children live after it"),
                word("next-form", "/nextForm"),
            ),
        ];
        facts.extend(pairing.list("/evaluations").iter().flat_map(|one| evaluation(lang, one)));
        facts
    };
    Part {
        groups: listed(told.list("/pairings").iter().map(one)),
        ..part(
            lang,
            ("Koppelingen", "Pairings"),
            ("Er is nog geen koppeling.", "There is no pairing yet."),
        )
    }
}

fn evaluation(lang: Lang, one: &Told) -> Facts {
    let word = |list: &str, place: &str| term(lang, list, &one.text(place));
    let yes = if one.is("/networkExtended") { ("ja", "yes") } else { ("nee", "no") };
    let grade = one.number("/gradeTenths").map(|tenths| format!("{},{}", tenths / 10, tenths % 10));
    vec![
        fact(lang, ("Evaluatie", "Evaluation"), one.day(lang, "/at")),
        fact(lang, ("Professionele hulp", "Professional help"), word("help", "/professionalHelp")),
        fact(lang, ("Netwerk werd groter", "Network grew"), lang.say(yes.0, yes.1).to_owned()),
        fact(
            lang,
            ("Sociale contacten van het kind", "Social contacts of the child"),
            word("contacts", "/socialContacts"),
        ),
        fact(lang, ("Cijfer", "Grade"), grade.unwrap_or_default()),
        fact(
            lang,
            ("Uithuisplaatsing voorkomen", "Placement avoided"),
            word("placement", "/placementAvoided"),
        ),
    ]
}

fn said(lang: Lang, told: &Told) -> Part {
    let one = |said: &Told| leaves(lang, "", &said.0);
    Part {
        groups: listed(told.list("/said").iter().map(one)),
        ..part(
            lang,
            ("Wat er bij besluiten en stappen is gezegd", "What was said with decisions and steps"),
            (
                "Niets, of het blijft gesloten zolang uw zaak stilstaat of er geen toestemming is.",
                "Nothing, or it stays closed as long as your case stands still or there is no consent.",
            ),
        )
    }
}

fn releases(lang: Lang, told: &Told) -> Part {
    let row = |one: &Told| {
        vec![
            one.moment(lang, "/at"),
            one.text("/person"),
            why(lang, &one.text("/purpose")),
            terms_of(lang, "field-group", &one.words("/fields")),
            because(lang, &one.text("/purpose"), one.text("/reason")),
        ]
    };
    Part {
        heads: heads(
            lang,
            &[
                ("Wanneer", "When"),
                ("Wie", "Who"),
                ("Waarvoor", "For what"),
                ("Wat zij mochten zien", "What they could see"),
                ("Waarom", "Why"),
            ],
        ),
        rows: told.list("/releases").iter().map(row).collect(),
        ..part(
            lang,
            ("Wie uw gegevens opende, wanneer en waarom", "Who opened your data, when and why"),
            ("Niemand.", "Nobody."),
        )
    }
}

fn log(lang: Lang, api: &Api, told: &Told) -> Part {
    let row = |one: &Told| {
        let event = term(lang, "event", &one.text("/event"));
        let outcome = one.text("/outcome");
        let what = if outcome == "allow" {
            event
        } else {
            format!("{event} ({})", term(lang, "outcome", &outcome))
        };
        let whose = role(lang, &one.text("/role"));
        let number = one.text("/organisation");
        let whose = if number.is_empty() {
            whose
        } else {
            format!("{whose}, {}", organisation(api, &number))
        };
        vec![
            one.moment(lang, "/at"),
            what,
            whose,
            why(lang, &one.text("/purpose")),
            one.text("/ledgerIndex"),
        ]
    };
    Part {
        heads: heads(
            lang,
            &[
                ("Wanneer", "When"),
                ("Wat", "What"),
                ("Wie", "Who"),
                ("Waarvoor", "For what"),
                ("Regel in het logboek", "Entry of the ledger"),
            ],
        ),
        rows: told.list("/log").iter().map(row).collect(),
        ..part(
            lang,
            ("Alles wat over uw zaak is vastgelegd", "All that is on record about your case"),
            ("Niets.", "Nothing."),
        )
    }
}
