//! The six steps: what each asks, and the referral of the API that the answers make.
//!
//! A field that the API takes as it is asked is named by its pointer there; the rest (who said yes, when, and who has
//! parental authority) is asked as people say it, and put together here.

use crate::domain::consent::AuthorityType;
use crate::domain::referral::{
    AttentionPoint, Composition, Daypart, Frequency, Involved, PlanType, Source, SupportCode,
    Urgency,
};
use crate::http::Api;
use crate::portal::form::{Form, Kind, Sent, instant_of, set};
use crate::portal::verwijzer::placed::is_shared;
use crate::portal::visit::Visit;
use crate::portal::words::{languages, term};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Number of steps.
pub(super) const LAST: usize = 6;

/// Version of the text that is read to the family.
const NOTICE: &str = "2026-01";

/// What a step is called.
pub(super) const fn title(step: usize) -> (&'static str, &'static str) {
    match step {
        1 => ("Gemeente en uw rol", "Gemeente and your role"),
        2 => ("Toestemming", "Consent"),
        3 => ("Het gezin", "The family"),
        4 => ("De vraag", "The request"),
        5 => ("Contact", "Contact"),
        _ => ("Controleren en versturen", "Check and send"),
    }
}

/// The form of a step, with what was answered before.
pub(super) fn form(visit: &Visit, api: &Api, step: usize) -> Form {
    let next = if step == LAST { ("Versturen", "Send") } else { ("Verder", "Continue") };
    let form = Form::to(visit, "/verwijzer/aanmelden", next);
    let form = match step {
        1 => first(visit, &sources(visit, api), form),
        2 => consent(visit, form),
        3 => family(visit, form),
        4 => request(visit, form),
        5 => contact(visit, form),
        _ => form,
    };
    let form = form.sent(&visit.sent);
    if step == 1 { alone(form) } else { form }
}

/// Where there is one thing to choose, it is chosen.
fn alone(mut form: Form) -> Form {
    for field in &mut form.fields {
        let asked = field.name == "/source" || field.name == "/municipality";
        if let ([(code, _)], true, false) = (field.options.as_slice(), asked, field.is_filled()) {
            field.values = vec![code.clone()];
        }
    }
    form
}

/// In which roles the caller's organisation may refer.
fn sources(visit: &Visit, api: &Api) -> Vec<Source> {
    let register = api.gateway.register.load();
    let own = visit.subject().and_then(|subject| register.active(subject.partner));
    own.map(|partner| partner.sources.clone()).unwrap_or_default()
}

fn first(visit: &Visit, sources: &[Source], form: Form) -> Form {
    let subject = visit.subject();
    let places = subject.map(|subject| subject.municipalities.clone()).unwrap_or_default();
    let name = |code: &crate::domain::municipality::Municipality| {
        (code.to_string(), term(visit.lang, "gemeente", code.as_str()))
    };
    form.ask(
        Kind::Radio,
        "/source",
        ("Vanuit welke rol meldt u aan?", "In which role do you refer?"),
    )
    .terms("source", sources.iter().map(|one| one.as_str()))
    .ask(
        Kind::Select,
        "/municipality",
        ("In welke gemeente woont het gezin?", "In which gemeente does the family live?"),
    )
    .options(places.iter().map(name).collect())
    .ask(Kind::Text, "/district", ("Wijkcode", "District code"))
    .hint(
        "Zoals WK026801. Weet u die niet, laat dit dan leeg.",
        "Such as WK026801. Leave it empty if you do not know it.",
    )
    .optional()
    .ask(Kind::Radio, "/urgency", ("Hoe snel is hulp nodig?", "How soon is help needed?"))
    .terms("urgency", Urgency::ALL.iter().map(|one| one.as_str()))
    .ask(Kind::Heading, "", ("Uzelf", "Yourself"))
    .hint(
        "Uw werkgegevens. De coördinator belt u als er een vraag is.",
        "Your work data. The coordinator calls you with a question.",
    )
    .ask(Kind::Text, "/referrer/name", ("Uw naam", "Your name"))
    .own("name")
    .ask(Kind::Text, "/referrer/function", ("Uw functie", "Your function"))
    .own("organization-title")
    .optional()
    .ask(Kind::Text, "/referrer/phone", ("Uw telefoon op het werk", "Your telephone at work"))
    .own("tel")
    .hint("Zoals 024 000 0001.", "Such as 024 000 0001.")
    .optional()
    .ask(Kind::Text, "/reference", ("Uw eigen kenmerk", "Your own reference"))
    .hint(
        "Zonder namen. Daaraan herkent u de aanmelding later.",
        "Without names. By it you know the referral later.",
    )
    .optional()
}

fn consent(visit: &Visit, form: Form) -> Form {
    let yes_no = |yes: (&str, &str), no: (&str, &str)| {
        vec![
            ("ja".to_owned(), visit.say(yes.0, yes.1).to_owned()),
            ("nee".to_owned(), visit.say(no.0, no.1).to_owned()),
        ]
    };
    let authority = [
        AuthorityType::GezamenlijkOuderlijkGezag,
        AuthorityType::EenhoofdigOuderlijkGezag,
        AuthorityType::GezagNietTeBepalen,
    ];
    form.ask(Kind::Radio, "ja", ("Is de aanmelding met het gezin besproken, en zeggen zij ja?", "Was the referral talked over with the family, and do they say yes?"))
        .options(yes_no(("Ja", "Yes"), ("Nee, of nog niet", "No, or not yet")))
        .ask(Kind::Radio, "gezag", ("Wie heeft het gezag over de kinderen?", "Who has parental authority over the children?"))
        .terms("authority", authority.iter().map(|one| one.as_str()))
        .ask(Kind::Date, "ouder1", ("Op welke dag zei de eerste ouder ja?", "On which day did the first parent say yes?"))
        .ask(Kind::Date, "ouder2", ("Op welke dag zei de andere ouder ja?", "On which day did the other parent say yes?"))
        .hint("Alleen bij gezag samen. Nog niet gevraagd? Laat leeg; de aanmelding wacht dan daarop.", "With shared authority only. Not asked yet? Leave it empty; the referral then waits for it.")
        .optional()
        .ask(Kind::Date, "kind", ("Op welke dag zei elk kind van 12 jaar en ouder zelf ja?", "On which day did each child of 12 and older say yes?"))
        .hint("Alleen bij kinderen van 12 en ouder. Nog niet gevraagd? Laat leeg; de aanmelding wacht dan daarop.", "With children of 12 and older only. Not asked yet? Leave it empty; the referral then waits for it.")
        .optional()
        .ask(Kind::Check, "/consent/purposes:l", ("Waarvoor zei het gezin ja?", "For what did the family say yes?"))
        .hint(
            "Aanmelden en contact opnemen horen er altijd bij. Zegt het gezin geen ja op een steungezin zoeken, dan kan niemand dat doen.",
            "Referring and making contact always belong to it. Without a yes to looking for a support family nobody can.",
        )
        .terms("consent-purpose", ["pairing", "monitoring", "feedback", "coordination"])
        .optional()
        .ask(Kind::Text, "hoe", ("Hoe zei het gezin ja?", "How did the family say yes?"))
        .hint("Zoals: getekend op papier, of mondeling met een aantekening.", "Such as: signed on paper, or spoken with a note of it.")
        .ask(Kind::Text, "bewijs", ("Waar is dat vastgelegd?", "Where is that kept?"))
        .hint("Een plaats of nummer in uw dossier, zonder namen.", "A place or number in your file, without names.")
}

/// The text that is read to the family, and then asked about.
pub(super) const READ_OUT: [(&str, &str); 4] = [
    ("Lees dit voor:", "Read this out:"),
    (
        "Ik wil u aanmelden bij Buurtgezinnen. Een coördinator van Buurtgezinnen neemt dan contact met u op en zoekt een gezin in de buurt dat u kan steunen.",
        "I would like to refer you to Buurtgezinnen. A coordinator then makes contact with you and looks for a family nearby that can support you.",
    ),
    (
        "Alleen die coördinator ziet uw naam. De gemeente krijgt alleen aantallen. Elke keer dat iemand uw naam opent, wordt dat opgeschreven, en u mag dat zien.",
        "Only that coordinator sees your name. The gemeente gets numbers only. Each time somebody opens your name that is written down, and you may see it.",
    ),
    (
        "U mag nee zeggen, en u mag later van gedachten veranderen. Dat heeft geen gevolgen voor andere hulp.",
        "You may say no, and you may change your mind later. That has no consequences for other help.",
    ),
];

/// How many children the form shows: those that were filled in, one more where that was asked, at least one.
fn children(sent: &Sent) -> usize {
    let filled = (1..=8).rev().find(|at| {
        let prefix = format!("/subjects/{at}/");
        sent.pairs().any(|(name, _)| name.starts_with(&prefix))
    });
    let more = usize::from(sent.value("naar") == "kind");
    (filled.unwrap_or(1) + more).min(8)
}

fn family(visit: &Visit, form: Form) -> Form {
    let mut form = form
        .ask(
            Kind::Radio,
            "/household/composition",
            ("Hoe ziet het gezin eruit?", "What does the family look like?"),
        )
        .terms("household", Composition::ALL.iter().map(|one| one.as_str()))
        .ask(
            Kind::Number,
            "/household/children:n",
            ("Hoeveel kinderen wonen er?", "How many children live there?"),
        )
        .ask(Kind::Heading, "", ("De ouder", "The parent"))
        .ask(
            Kind::Text,
            "/subjects/0/name/givenNames",
            ("Voornamen van de ouder", "Given names of the parent"),
        )
        .ask(
            Kind::Text,
            "/subjects/0/name/prefix",
            ("Tussenvoegsel van de ouder", "Prefix of the parent"),
        )
        .optional()
        .ask(
            Kind::Text,
            "/subjects/0/name/surname",
            ("Achternaam van de ouder", "Surname of the parent"),
        )
        .ask(
            Kind::Date,
            "/subjects/0/birthDate",
            ("Geboortedatum van de ouder", "Date of birth of the parent"),
        )
        .optional();
    for at in 1..=children(&visit.sent) {
        let asked = [
            ("name/givenNames", "Voornamen van kind", "Given names of child", Kind::Text),
            ("name/surname", "Achternaam van kind", "Surname of child", Kind::Text),
            ("birthDate", "Geboortedatum van kind", "Date of birth of child", Kind::Date),
        ];
        form = form.ask(Kind::Heading, "", (&format!("Kind {at}"), &format!("Child {at}")));
        for (place, dutch, english, kind) in asked {
            let words = (format!("{dutch} {at}"), format!("{english} {at}"));
            form = form.ask(kind, &format!("/subjects/{at}/{place}"), (&words.0, &words.1));
        }
    }
    form
}

fn request(visit: &Visit, form: Form) -> Form {
    let form = form
        .ask(
            Kind::Check,
            "/support/codes:l",
            ("Waar kan een steungezin bij helpen?", "With what can a support family help?"),
        )
        .hint("Kies er één tot drie.", "Choose one to three.")
        .terms("support", SupportCode::ALL.iter().map(|one| one.as_str()))
        .ask(
            Kind::Check,
            "/support/dayparts:l",
            ("Wanneer zou dat kunnen?", "When would that be possible?"),
        )
        .optional()
        .terms("daypart", Daypart::ALL.iter().map(|one| one.as_str()))
        .ask(Kind::Radio, "/support/frequency", ("Hoe vaak?", "How often?"))
        .optional()
        .terms("frequency", Frequency::ALL.iter().map(|one| one.as_str()))
        .ask(
            Kind::Flag,
            "/support/sleepover:b",
            ("Een kind wil graag blijven slapen", "A child would like to stay the night"),
        );
    let form = mind(visit, form);
    let form = if visit.sent.value("/source") == Source::PohJ.as_str() {
        let asked = ("Hoe vaak had u zelf al contact?", "How often were you in contact before?");
        let form = form.ask(Kind::Number, "/contactsBefore:n", asked);
        form.hint("Uw eigen gesprekken met dit gezin.", "Your own talks with this family.")
            .optional()
    } else {
        form
    };
    if Source::parse(visit.sent.value("/source")).is_ok_and(Source::has_plan) {
        plan(form)
    } else {
        form
    }
}

/// What else a coordinator must know of the request.
fn mind(visit: &Visit, form: Form) -> Form {
    let yes_no = vec![
        ("false".to_owned(), visit.say("Nee", "No").to_owned()),
        (
            "true".to_owned(),
            visit
                .say("Ja, ik wil eerst gebeld worden", "Yes, I want to be called first")
                .to_owned(),
        ),
    ];
    form.ask(Kind::Area, "/supportText", ("Toelichting", "Explanation"))
        .hint(
            "Geen namen, adressen, telefoonnummers of burgerservicenummers.",
            "No names, addresses, telephone numbers or burgerservicenummers.",
        )
        .optional()
        .ask(
            Kind::Radio,
            "/safetySignal:b",
            (
                "Moet de coördinator u eerst bellen, omdat er iets speelt?",
                "Must the coordinator call you first because of something?",
            ),
        )
        .hint(
            "Is een kind in gevaar? Bel Veilig Thuis: 0800 2000.",
            "Is a child in danger? Call Veilig Thuis: 0800 2000.",
        )
        .options(yes_no)
        .ask(
            Kind::Check,
            "/attentionPoints:l",
            ("Waar moet een steungezin op letten?", "What must a support family mind?"),
        )
        .hint(
            "Dit gaat over gezondheid: kies alleen waar het gezin zelf om vroeg.",
            "This is about health: choose only what the family asked for.",
        )
        .optional()
        .terms("attention", AttentionPoint::ALL.iter().map(|one| one.as_str()))
        .ask(Kind::Check, "/alreadyInvolved:l", ("Wie helpt al?", "Who helps already?"))
        .optional()
        .terms("involved", Involved::ALL.iter().map(|one| one.as_str()))
}

/// What a regieteam or doorbraakcoach tells of the plan.
fn plan(form: Form) -> Form {
    form.ask(Kind::Heading, "", ("Het plan", "The plan"))
        .ask(Kind::Radio, "/plan/type", ("Welk soort plan?", "What kind of plan?"))
        .terms("plan", PlanType::ALL.iter().map(|one| one.as_str()))
        .ask(Kind::Text, "/plan/reference", ("Nummer van het plan", "Number of the plan"))
        .ask(
            Kind::Date,
            "/plan/agreedByFamilyOn",
            ("Het gezin ging akkoord op", "The family agreed on"),
        )
        .optional()
        .ask(Kind::Number, "/plan/horizonMonths:n", ("Looptijd in maanden", "Term in months"))
        .hint("Bij een maatwerkplan: 3 tot 6.", "For a maatwerkplan: 3 to 6.")
        .optional()
        .ask(
            Kind::Text,
            "/plan/goals/0/text",
            ("Het doel waarbij een steungezin helpt", "The goal with which a support family helps"),
        )
}

fn contact(visit: &Visit, form: Form) -> Form {
    form.ask(Kind::Text, "/contact/phone", ("Telefoon van het gezin", "Telephone of the family"))
        .hint(
            "Zoals 06 1234 5678. Telefoon of e-mail: vul ten minste één van beide in.",
            "Such as 06 1234 5678. Telephone or e-mail: fill in at least one of them.",
        )
        .optional()
        .ask(Kind::Text, "/contact/email", ("E-mail van het gezin", "E-mail of the family"))
        .optional()
        .ask(Kind::Text, "/contact/address/street", ("Straat", "Street"))
        .optional()
        .ask(Kind::Text, "/contact/address/number", ("Huisnummer", "House number"))
        .optional()
        .ask(Kind::Text, "/contact/address/postcode", ("Postcode", "Postcode"))
        .optional()
        .ask(Kind::Text, "/contact/address/town", ("Plaats", "Town"))
        .optional()
        .ask(
            Kind::Flag,
            "/contact/confidential:b",
            ("Het adres is geheim", "The address is confidential"),
        )
        .ask(Kind::Select, "/contact/preferredLanguage", ("Taal", "Language"))
        .options(languages(visit.lang, visit.sent.value("/contact/preferredLanguage")))
        .optional()
}

/// The referral that the answers make.
pub(super) fn referral(visit: &Visit, api: &Api) -> Value {
    let (sent, now) = (&visit.sent, api.gateway.clock.now());
    let mut whole = sent.json();
    set(&mut whole, "/familyInformed", sent.value("ja") == "ja");
    // A box that is not ticked is not sent: here that means no.
    for pointer in ["/contact/confidential", "/support/sleepover"] {
        if whole.pointer(pointer).is_none() {
            set(&mut whole, pointer, false);
        }
    }
    // As people type them.
    for pointer in ["/district", "/contact/address/postcode"] {
        let typed = whole.pointer(pointer).and_then(Value::as_str).map(str::to_uppercase);
        if let Some(upper) = typed {
            set(&mut whole, pointer, upper);
        }
    }
    let labels = subjects(&mut whole, sent);
    set(&mut whole, "/consent", said(sent, &labels, api, now));
    if whole.pointer("/plan").is_some() {
        set(&mut whole, "/plan/goals/0/id", "goal-1");
        set(&mut whole, "/plan/goals/0/status", "open");
        let number = visit.subject().map(|subject| subject.number.as_str().to_owned());
        set(&mut whole, "/plan/participants", json!([{"oin": number}]));
    }
    whole
}

/// Gives everybody a label and a role, and the children who has authority; the labels, and which are of children.
pub(super) fn subjects(whole: &mut Value, sent: &Sent) -> Vec<(String, Option<String>)> {
    let authority = sent.value("gezag");
    let holders: &[&str] = match authority {
        "GezamenlijkOuderlijkGezag" => &["parent1", "parent2"],
        "EenhoofdigOuderlijkGezag" => &["parent1"],
        _ => &[],
    };
    let mut labels = Vec::new();
    let all = whole.pointer_mut("/subjects").and_then(Value::as_array_mut);
    for (at, one) in all.into_iter().flatten().enumerate() {
        let label = if at == 0 { "parent1".to_owned() } else { format!("child{at}") };
        let birth = one.pointer("/birthDate").and_then(Value::as_str).map(str::to_owned);
        set(one, "/ref", label.as_str());
        set(one, "/role", if at == 0 { "parent" } else { "youth" });
        if at > 0 {
            set(one, "/competent", true);
            let authority =
                json!({"type": authority, "holders": holders, "source": "parent-statement"});
            set(one, "/authority", authority);
        }
        labels.push((label, birth.filter(|_| at > 0)));
    }
    labels
}

/// The consent: for whom, by whom, when.
fn said(sent: &Sent, labels: &[(String, Option<String>)], api: &Api, now: Timestamp) -> Value {
    let on = |field: &str| instant_of(sent.value(field), now);
    let (first, second, children) = (on("ouder1"), on("ouder2"), on("kind"));
    let how = sent.value("hoe");
    let signed = |label: &str, at: &Option<String>| {
        at.as_ref().map(|at| json!({"ref": label, "decision": "given", "at": at, "method": how}))
    };
    let shared = is_shared(sent);
    let mut signatures: Vec<Value> = signed("parent1", &first).into_iter().collect();
    signatures.extend(signed("parent2", &second).filter(|_| shared));
    let today = crate::domain::age::date_in_amsterdam(now);
    let youths = labels
        .iter()
        .filter(|(_, birth)| birth.as_deref().is_some_and(|birth| is_twelve(birth, today)));
    signatures.extend(youths.filter_map(|(label, _)| signed(label, &children)));
    // From the first yes on: a signature of before would not count.
    let from = [&first, &second, &children].into_iter().flatten().min();
    let mut purposes = vec!["referral", "contact"];
    purposes.extend(sent.values("/consent/purposes:l"));
    let mut categories = vec!["identity", "contact", "support-request"];
    if !sent.values("/attentionPoints:l").is_empty() {
        categories.push("health");
    }
    let rules = api.gateway.consent.load();
    let place = crate::domain::municipality::Municipality::parse(sent.value("/municipality")).ok();
    let recipient =
        place.and_then(|place| rules.recipients.get(&place)).map(|one| one.as_str().to_owned());
    json!({
        "purposes": purposes,
        "recipients": recipient.into_iter().collect::<Vec<_>>(),
        "categories": categories,
        "subjects": labels.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>(),
        "signatures": signatures,
        "validFrom": from,
        "evidence": sent.value("bewijs"),
        "noticeVersion": NOTICE,
        "explicit": true,
    })
}

/// Whether somebody born on a day is twelve.
pub(super) fn is_twelve(birth: &str, today: jiff::civil::Date) -> bool {
    let twelfth = birth
        .parse::<jiff::civil::Date>()
        .and_then(|birth| birth.checked_add(jiff::Span::new().years(12)));
    twelfth.is_ok_and(|day| day <= today)
}
