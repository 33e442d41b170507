//! `/beheer`: how the gateway is, for who runs it. Nothing of a person, a case or a figure.

use crate::crypto::keyring::{KeyPurpose, KeyState};
use crate::domain::partner::Partner;
use crate::flow::Gateway;
use crate::flow::deliver;
use crate::flow::stages::{self, Stage};
use crate::http::Api;
use crate::http::deliveries;
use crate::http::problem::Problem;
use crate::policy::Allowed;
use crate::policy::action::{ListDeliveries, RetryDelivery};
use crate::portal::form::{Form, Kind};
use crate::portal::page::{Row, Sheet, short};
use crate::portal::trail::{Done, done};
use crate::portal::twin::Told;
use crate::portal::visit::Visit;
use crate::portal::words::{moment_of, moment_of_ms, term};
use crate::store::deliveries::Waiting;
use crate::tls::reload::valid_until;
use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use jiff::{SignedDuration, Timestamp};

/// `GET /beheer`: state, keys, partners.
///
/// # Errors
/// 403 for any other role.
pub async fn show(
    allowed: Allowed<ListDeliveries>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let gateway = &api.gateway;
    let deliveries = deliver::waiting(gateway, allowed).await?.value;
    let state = gateway.store.writer.health().state();
    let (head, until) = (gateway.store.writer.latest(), api.tls.revocations_expire_at());
    let mut sheet = Sheet::of(&visit, ("Stand", "State"))
        .fact(("Vraagt aandacht", "Needs attention"), attention(&visit, &api, deliveries))
        .fact(("Logboek", "Ledger"), term(visit.lang, "health", state.as_str()))
        .fact(("Regels in het logboek", "Entries in the ledger"), head.size.to_string())
        .fact(
            ("Intreklijst geldt tot", "Revocation list valid until"),
            until.map(|at| moment_of(visit.lang, at)).unwrap_or_default(),
        )
        .fact(("Certificaat geldt tot", "Certificate valid until"), certificate(&visit, &api))
        .fact(("Luistert op", "Listens on"), listeners(&visit, &api))
        .fact(
            ("Adres van het portaal", "Address of the portal"),
            api.door.origin.clone().unwrap_or_default(),
        )
        .fact(("Naam in tokens", "Name in tokens"), api.tokens.own_issuer())
        .fact(("Database", "Database"), gateway.store.pool.name())
        .fact(("Versie", "Version"), env!("CARGO_PKG_VERSION"))
        .fact(("Leveringen onderweg", "Deliveries under way"), deliveries.waiting.to_string())
        .heads(&[
            ("Partner", "Partner"),
            ("Soort", "Kind"),
            ("Stand", "State"),
            ("Certificaat geldt tot", "Certificate valid until"),
            ("Inloggen", "Signing in"),
            ("Mensen", "People"),
        ]);
    sheet = sheet.fact(("Sleutels", "Keys"), keys(&visit, gateway));
    let register = gateway.register.load();
    let mut partners: Vec<_> = register.partners().collect();
    partners.sort_by(|one, other| one.name.cmp(&other.name));
    sheet.rows = partners.iter().map(|partner| partner_row(&visit, &api, partner)).collect();
    sheet.show()
}

fn partner_row(visit: &Visit, api: &Api, partner: &Partner) -> Row {
    let keys = partner.people.iter().any(|person| !person.pins.is_empty());
    let sign_in = match (&partner.sign_in, keys) {
        (Some(_), true) => ("eigen account, certificaat", "own account, certificate"),
        (Some(_), false) => ("eigen account", "own account"),
        (None, true) => ("certificaat", "certificate"),
        (None, false) => ("geen account", "no account"),
    };
    Row {
        path: String::new(),
        cells: vec![
            partner.name.as_str().to_owned(),
            term(visit.lang, "partner-kind", partner.kind.as_str()),
            term(visit.lang, "partner-status", partner.status.as_str()),
            certificates(visit, api, partner),
            visit.say(sign_in.0, sign_in.1).to_owned(),
            partner.people.len().to_string(),
        ],
    }
}

/// What an operator should look at now, or that there is nothing.
fn attention(visit: &Visit, api: &Api, deliveries: Waiting) -> String {
    let now = api.gateway.clock.now();
    let soon = |until: Option<Timestamp>, days: i64| {
        until.is_none_or(|until| until < now + SignedDuration::from_hours(24 * days))
    };
    let ledger = api.gateway.store.writer.health().state().as_str() != "ok";
    let own = valid_until(&api.door.certificate).ok();
    let all = [
        (ledger, ("het logboek", "the ledger")),
        (soon(api.tls.revocations_expire_at(), 7), ("de intreklijst", "the revocation list")),
        (soon(own, 30), ("het eigen certificaat", "the own certificate")),
        (deliveries.parked > 0, ("leveringen die geparkeerd staan", "deliveries that are parked")),
        (deliveries.failing > 0, ("leveringen die niet aankomen", "deliveries that do not arrive")),
    ];
    let told: Vec<&str> =
        all.iter().filter(|(is, _)| *is).map(|(_, words)| visit.say(words.0, words.1)).collect();
    if told.is_empty() { visit.say("Niets", "Nothing").to_owned() } else { told.join(", ") }
}

/// Until when the certificates of a partner are valid, one a key. The register has keys; a certificate is known once it
/// was shown.
fn certificates(visit: &Visit, api: &Api, partner: &Partner) -> String {
    let until = |pin: &[u8; 32]| match api.door.valid_until(partner.id, pin) {
        Some(until) => moment_of(visit.lang, until),
        None => visit.say("nog niet gezien", "not seen yet").to_owned(),
    };
    partner.pins.iter().map(until).collect::<Vec<_>>().join(" · ")
}

/// Until when the certificate of the listeners is valid, as it lies on the disk now.
fn certificate(visit: &Visit, api: &Api) -> String {
    let until = valid_until(&api.door.certificate);
    until.map_or_else(|fault| fault.to_string(), |until| moment_of(visit.lang, until))
}

/// The addresses of the listeners.
fn listeners(visit: &Visit, api: &Api) -> String {
    let names = [
        "API",
        visit.say("portaal", "portal"),
        visit.say("beheer", "admin"),
        visit.say("inloggen met certificaat", "sign-in with a certificate"),
    ];
    let told = names.iter().zip(&api.door.listeners).map(|(name, at)| format!("{name} {at}"));
    told.collect::<Vec<_>>().join(", ")
}

/// The keys that are not destroyed, with version and state: a rotation that runs shows as two of one purpose.
fn keys(visit: &Visit, gateway: &Gateway) -> String {
    let told = |(purpose, version, state): &(KeyPurpose, i32, KeyState)| {
        format!("{} {version} ({})", purpose.as_str(), term(visit.lang, "key", state.as_str()))
    };
    let all = gateway.keyring.states();
    let there = all.iter().filter(|(_, _, state)| *state != KeyState::Destroyed);
    let mut keys: Vec<String> = there.map(told).collect();
    keys.sort();
    keys.join(", ")
}

/// `GET /beheer/cijfers`: how far figures have come, and no figure.
///
/// # Errors
/// 403 for any other role.
pub async fn figures(
    allowed: Allowed<ListDeliveries>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let all = stages::list(&api.gateway, allowed).await?.value;
    let mut sheet = Sheet::of(&visit, ("Cijfers", "Figures"))
        .tell(
            "Van concept tot afgeleverd. Controleren en publiceren gebeurt in één keer: wat de controle niet doorstaat, wordt niet gepubliceerd. Publiceren doet u op de opdrachtregel, met buurtpoort statistics.",
            "From draft to delivered. Checking and publishing are one step: what does not withstand the check is not published. You publish on the command line, by buurtpoort statistics.",
        )
        .heads(&[
            ("Gebied", "Area"),
            ("Periode", "Period"),
            ("Concept", "Draft"),
            ("Gecontroleerd en gepubliceerd", "Checked and published"),
            ("Afgeleverd", "Delivered"),
        ]);
    sheet.rows = all.iter().map(|stage| stage_row(&visit, stage)).collect();
    visit
        .say("Er is geen afspraak met een gemeente.", "There is no contract with a gemeente.")
        .clone_into(&mut sheet.empty);
    sheet.show()
}

fn stage_row(visit: &Visit, stage: &Stage) -> Row {
    let waits = visit.say("wacht", "waits").to_owned();
    let draft = match (stage.sealed_ms, stage.approved) {
        (Some(_), _) => visit.say("gedaan", "done").to_owned(),
        (None, None) => visit.say("klaar om te controleren", "ready to be checked").to_owned(),
        (None, Some(count)) => {
            format!(
                "{}: {count} {} 2",
                stage.table,
                visit.say("goedkeuring(en) van", "approval(s) of")
            )
        }
    };
    let (messages, delivered) = stage.messages;
    let delivered = match (stage.sealed_ms, messages) {
        (None, _) => waits.clone(),
        (Some(_), 0) => visit.say("haalt zelf op", "fetches itself").to_owned(),
        (Some(_), _) => {
            let count = format!("{delivered} {} {messages}", visit.say("van", "of"));
            let last = stage.delivered_ms.map(|ms| moment_of_ms(visit.lang, ms));
            last.map_or(count.clone(), |last| format!("{count}, {last}"))
        }
    };
    Row {
        path: String::new(),
        cells: vec![
            term(visit.lang, "gemeente", &stage.area),
            stage.period.clone(),
            draft,
            stage.sealed_ms.map_or(waits, |ms| moment_of_ms(visit.lang, ms)),
            delivered,
        ],
    }
}

/// `GET /beheer/leveringen`: messages to partners, and where they stand.
///
/// # Errors
/// As `GET /v1/deliveries`.
pub async fn list(
    allowed: Allowed<ListDeliveries>,
    visit: Visit,
    request: HttpRequest,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let told = Told::of(deliveries::list_deliveries(allowed, request, api).await?)?;
    let mut sheet = Sheet::of(&visit, ("Leveringen", "Deliveries"))
        .tell(
            "Berichten aan partners en waar ze staan. Wat erin staat, ziet u niet.",
            "Messages to partners and where they stand. You do not see what is in them.",
        )
        .heads(&[
            ("Bericht", "Message"),
            ("Partner", "Partner"),
            ("Stand", "State"),
            ("Pogingen", "Attempts"),
            ("Laatste uitkomst", "Last outcome"),
            ("Gemaakt", "Made"),
            ("Afgeleverd", "Delivered"),
        ]);
    let items = told.list("/items");
    let row = |one: &Told| Row {
        path: String::new(),
        cells: vec![
            short(&one.text("/id")),
            one.text("/partner"),
            term(visit.lang, "delivery", &one.text("/state")),
            one.text("/attempts"),
            term(visit.lang, "delivery-outcome", &one.text("/outcome")),
            one.moment(visit.lang, "/createdAt"),
            one.moment(visit.lang, "/deliveredAt"),
        ],
    };
    sheet.rows = items.iter().map(row).collect();
    visit
        .say("Er zijn nog geen berichten.", "There are no messages yet.")
        .clone_into(&mut sheet.empty);
    let stuck: Vec<(String, String)> = items
        .iter()
        .filter(|one| matches!(one.text("/state").as_str(), "parked" | "retrying"))
        .map(|one| {
            (one.text("/id"), format!("{} ({})", one.text("/partner"), short(&one.text("/id"))))
        })
        .collect();
    if !stuck.is_empty() {
        sheet.forms.push(
            Form::to(&visit, "/beheer/leveringen", ("Opnieuw proberen", "Try again"))
                .ask(Kind::Radio, "bericht", ("Welk bericht?", "Which message?"))
                .options(stuck),
        );
    }
    if told.has("/next") {
        let next = format!("/beheer/leveringen?cursor={}", told.text("/next"));
        sheet.links.push((next, visit.say("Volgende", "Next").to_owned()));
    }
    sheet.show()
}

/// `POST /beheer/leveringen`: has a message tried again.
///
/// # Errors
/// As `POST /v1/deliveries/{id}/retries`.
pub async fn retry(
    allowed: Allowed<RetryDelivery>,
    visit: Visit,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let id = Path::from(visit.sent.value("bericht").to_owned());
    deliveries::retry_delivery(allowed, id, api).await?;
    Ok(done("/beheer/leveringen", Done::Retried))
}
