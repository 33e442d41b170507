//! Every route of the API listener against every kind of caller, and what HTTP itself lets a caller try.
//!
//! The table below is written from `api.md`, not from the code: a route that is not in it fails
//! [`pol_02_every_route_is_in_the_table`]. "On record" means one ledger entry with outcome deny or error;
//! what is refused before the ledger is looked at shows in the counters of the admin listener.

use crate::programme::SUPPORT;
use crate::support::{
    ANNA, Answer, BEHEER, BERT, Caller, Engine, GEMEENTE, LEA, POH_J, REGIETEAM, TOEZICHT, WEBSITE,
    WIJKTEAM, World, answer, client_of, example, metrics, on_both,
};
use buurtpoort::cli::boot;
use buurtpoort::cli::partners::{PartnerFile, RegisterFile, parse};
use buurtpoort::cli::pki::{Authority, DevPki, LeafKind};
use buurtpoort::cli::{serve, watch};
use buurtpoort::config::Config;
use buurtpoort::domain::partner_number::PartnerNumber;
use buurtpoort::http::openapi;
use buurtpoort::http::server::Sockets;
use buurtpoort::store::deliveries;
use buurtpoort::store::ledger::{self, Stamp};
use buurtpoort::store::partners;
use buurtpoort::tls::client;
use buurtpoort::tls::reload::{IdentityFiles, OutboundFiles};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CASE_MANAGER: Caller = ("regieteam-nijmegen", "regisseur-1", "case-manager");
/// A case manager whose organisation takes no part in the plan.
const OTHER_CASE_MANAGER: Caller = ("doorbraak-nijmegen", "coach-1", "case-manager");
const DRUTEN: Caller = ("gemeente-druten", "beleid-1", "municipality");
/// A lead coordinator of another organisation, which [`Hall::open`] adds to the register.
const ELSEWHERE: Caller = ("andere-organisatie", "lea", "assigner");

/// A coordinator there.
const ELSEWHERE_TOO: Caller = ("andere-organisatie", "iemand", "coordinator");

/// One caller for each role.
const ROLES: &[Caller] = &[WIJKTEAM, CASE_MANAGER, LEA, ANNA, GEMEENTE, TOEZICHT, BEHEER];

/// One method of one path, who may call it, and what comes back.
struct Route {
    method: &'static str,
    path: &'static str,
    /// Whoever may, with the query they need.
    right: &'static [(Caller, &'static str)],
    /// Someone in a right role, to whom the object does not belong.
    foreign: Option<Caller>,
    /// An example of `examples/`.
    body: Option<&'static str>,
    /// Whether it creates and so needs an `Idempotency-Key`.
    creates: bool,
    status: u16,
}

const NOBODY: Route = Route {
    method: "GET",
    path: "/",
    right: &[],
    foreign: None,
    body: None,
    creates: false,
    status: 200,
};

const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/v1/referrals",
        right: &[(WIJKTEAM, "")],
        body: Some("referral-wijkteam"),
        creates: true,
        status: 201,
        ..NOBODY
    },
    Route { path: "/v1/referrals", right: &[(WIJKTEAM, "")], ..NOBODY },
    Route { path: "/v1/referrals/{id}", right: &[(WIJKTEAM, "")], foreign: Some(POH_J), ..NOBODY },
    Route {
        path: "/v1/referrals/{id}/goals",
        right: &[(CASE_MANAGER, "")],
        foreign: Some(OTHER_CASE_MANAGER),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/referrals/{id}/consent-decisions",
        right: &[(WIJKTEAM, "")],
        foreign: Some(POH_J),
        body: Some("consent-withdrawal"),
        creates: true,
        status: 201,
    },
    Route {
        method: "POST",
        path: "/v1/referrals/{id}/withdrawals",
        right: &[(WIJKTEAM, "")],
        foreign: Some(POH_J),
        ..NOBODY
    },
    Route { path: "/v1/cases", right: &[(ANNA, ""), (LEA, "?assigned=false")], ..NOBODY },
    Route { path: "/v1/cases/{id}", right: &[(ANNA, "")], foreign: Some(BERT), ..NOBODY },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/identity-releases",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        body: Some("identity-release"),
        creates: true,
        status: 201,
    },
    Route {
        path: "/v1/cases/{id}/identity-releases",
        right: &[(ANNA, ""), (TOEZICHT, "")],
        foreign: Some(BERT),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/consent-decisions",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        body: Some("consent-withdrawal"),
        creates: true,
        status: 201,
    },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/assignments",
        right: &[(LEA, "")],
        foreign: Some(ELSEWHERE),
        body: Some("assignment"),
        creates: true,
        status: 201,
    },
    Route {
        path: "/v1/cases/{id}/assignments",
        right: &[(LEA, "")],
        foreign: Some(ELSEWHERE),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/goals",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        body: Some("goal"),
        ..NOBODY
    },
    Route {
        method: "GET",
        path: "/v1/cases/{id}/links",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/link-decisions",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        body: Some("link-decision"),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/corrections",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        body: Some("correction"),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/access-requests",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        creates: true,
        status: 201,
        body: Some("access-request"),
    },
    Route {
        method: "GET",
        path: "/v1/cases/{id}/access-requests",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/access-exports",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        creates: true,
        status: 201,
        body: Some("access-export"),
    },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/erasures",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        body: Some("erasure"),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/objections",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        body: Some("objection"),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/transitions",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        body: Some("transition"),
        ..NOBODY
    },
    Route { path: "/v1/cases/{id}/proposals", right: &[(ANNA, "")], foreign: Some(BERT), ..NOBODY },
    Route {
        method: "POST",
        path: "/v1/cases/{id}/pairings",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        body: Some("pairing"),
        creates: true,
        status: 201,
    },
    Route { path: "/v1/cases/{id}/pairings", right: &[(ANNA, "")], foreign: Some(BERT), ..NOBODY },
    Route {
        method: "POST",
        path: "/v1/pairings/{id}/transitions",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        body: Some("pairing-step"),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/pairings/{id}/evaluations",
        right: &[(ANNA, "")],
        foreign: Some(BERT),
        body: Some("evaluation"),
        creates: true,
        status: 201,
    },
    Route {
        method: "POST",
        path: "/v1/support-families",
        right: &[(ANNA, ""), (WEBSITE, "")],
        body: Some("support-family"),
        creates: true,
        status: 201,
        ..NOBODY
    },
    Route { path: "/v1/support-families", right: &[(ANNA, "?state=available")], ..NOBODY },
    Route {
        path: "/v1/support-families/{id}",
        right: &[(ANNA, "")],
        foreign: Some(ELSEWHERE_TOO),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/support-families/{id}/transitions",
        right: &[(ANNA, "")],
        foreign: Some(ELSEWHERE_TOO),
        body: Some("support-family-step"),
        ..NOBODY
    },
    Route {
        method: "POST",
        path: "/v1/support-families/{id}/identity-releases",
        right: &[(ANNA, "")],
        foreign: Some(ELSEWHERE_TOO),
        body: Some("support-family-release"),
        creates: true,
        status: 201,
    },
    Route {
        method: "PUT",
        path: "/v1/programme-reports/{programme}/{period}",
        right: &[(POH_J, "")],
        body: Some("programme-report"),
        ..NOBODY
    },
    Route {
        path: "/v1/programme-progress/{municipality}/{year}",
        right: &[(ANNA, ""), (LEA, "")],
        ..NOBODY
    },
    Route { path: "/v1/statistics/releases", right: &[(GEMEENTE, "")], ..NOBODY },
    Route {
        path: "/v1/statistics/releases/{id}",
        right: &[(GEMEENTE, "")],
        foreign: Some(DRUTEN),
        ..NOBODY
    },
    Route { path: "/v1/statistics/definitions", right: &[(GEMEENTE, "")], ..NOBODY },
    Route {
        path: "/v1/audit/checkpoint",
        right: &[
            (WIJKTEAM, ""),
            (CASE_MANAGER, ""),
            (LEA, ""),
            (ANNA, ""),
            (GEMEENTE, ""),
            (TOEZICHT, ""),
            (BEHEER, ""),
        ],
        ..NOBODY
    },
    Route { path: "/v1/deliveries", right: &[(BEHEER, "?limit=100")], ..NOBODY },
    Route {
        method: "POST",
        path: "/v1/deliveries/{id}/retries",
        right: &[(BEHEER, "")],
        status: 202,
        ..NOBODY
    },
    Route { path: "/v1/audit/entries", right: &[(TOEZICHT, "?limit=100")], ..NOBODY },
    Route { path: "/v1/audit/proofs/{index}", right: &[(TOEZICHT, "")], ..NOBODY },
    Route { path: "/v1/audit/consistency", right: &[(TOEZICHT, "?from=1")], ..NOBODY },
    Route { method: "POST", path: "/oauth/token", ..NOBODY },
    Route { path: "/.well-known/oauth-authorization-server", ..NOBODY },
    Route { path: "/.well-known/jwks.json", ..NOBODY },
];

impl Route {
    /// Whether the certificate alone is enough.
    fn is_public(&self) -> bool {
        self.right.is_empty()
    }

    fn has_object(&self) -> bool {
        self.path.contains("{id}")
    }

    fn content(&self) -> Option<String> {
        match (self.path, self.body) {
            ("/oauth/token", _) => Some("grant_type=client_credentials".to_owned()),
            (_, Some(name)) => Some(example(name).to_string()),
            _ => None,
        }
    }

    fn media(&self) -> &'static str {
        let form = self.path == "/oauth/token";
        if form { "application/x-www-form-urlencoded" } else { "application/json" }
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn verb(&self) -> Method {
        Method::from_bytes(self.method.as_bytes()).expect("a method")
    }
}

/// Every route, as the generated description and the routes' own file know them.
fn known_routes() -> BTreeSet<(String, String)> {
    let source = include_str!("../../src/http/routes.rs");
    let calls = source.split(".add").skip(1);
    calls
        .map(|call| {
            let (method, rest) = call.split_once(',').expect("a method");
            let method = match method {
                put if put.contains("PUT") => "PUT",
                post if post.contains("post") => "POST",
                _ => "GET",
            };
            let path = rest.split('"').nth(1).expect("a path");
            (method.to_owned(), path.to_owned())
        })
        .collect()
}

#[test]
fn pol_02_every_route_is_in_the_table() {
    let table: BTreeSet<_> =
        ROUTES.iter().map(|r| (r.method.to_owned(), r.path.to_owned())).collect();
    assert_eq!(table.len(), ROUTES.len(), "each route once");
    assert_eq!(table, known_routes());
    let document = openapi::document();
    assert_eq!(document["servers"][0]["url"], "https://localhost:8443/v1");
    let described =
        document["paths"].as_object().expect("paths").iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("operations").keys();
            methods.map(move |method| (method.to_uppercase(), format!("/v1{path}")))
        });
    let guarded: BTreeSet<_> = ROUTES
        .iter()
        .filter(|route| !route.is_public())
        .map(|r| (r.method.to_owned(), r.path.to_owned()))
        .collect();
    assert_eq!(described.collect::<BTreeSet<_>>(), guarded);
}

/// The other case in the example of a decision about two.
const TWIN: &str = "00000000-0000-4000-8000-000000000001";
/// The request in the example of an answer to one.
const REQUEST: &str = "00000000-0000-4000-8000-000000000002";

/// A gateway with one client a partner, a second organisation, and one object of each sort.
struct Hall<'w> {
    world: &'w World,
    clients: RefCell<HashMap<String, Client>>,
    referral: String,
    /// A referral with a plan that [`CASE_MANAGER`] takes part in.
    plan: String,
    case: String,
    /// Another case, about the same family.
    twin: String,
    figures: String,
    /// A support family, and a pairing of another case with another one.
    support: String,
    pairing: String,
    /// A support family that can be proposed, for the next introduction.
    spare: RefCell<String>,
    /// A request for access to the case that was made last.
    asked: RefCell<String>,
}

impl<'w> Hall<'w> {
    async fn open(world: &'w World) -> Self {
        enrol(world, ELSEWHERE.0, "00000099000000015000", "coordination").await;
        let (_, twin) = world.assigned_case().await;
        let (referral, case) = world.assigned_case().await;
        let [_, _, support, pairing] = world.introduced().await;
        let releases = world.get(GEMEENTE, "/v1/statistics/releases").await;
        let figures = releases.text("/items/0/id").to_owned();
        assert!(!figures.is_empty());
        let sent = world.post(REGIETEAM, "/v1/referrals", &example("referral-regieteam")).await;
        let plan = sent.text("/id").to_owned();
        assert_eq!(plan.len(), 36, "{}", sent.raw);
        let spare = RefCell::new(support.clone());
        let clients = RefCell::default();
        let asked = RefCell::new(world.ask_access(&case).await);
        Self { world, clients, referral, plan, case, twin, figures, support, pairing, spare, asked }
    }

    fn client(&self, partner: &str) -> Client {
        let mut clients = self.clients.borrow_mut();
        let made = || self.world.client(partner);
        clients.entry(partner.to_owned()).or_insert_with(made).clone()
    }

    /// The id that a route's own caller may use.
    fn id(&self, route: &Route) -> &str {
        match route.path {
            "/v1/referrals/{id}/goals" => &self.plan,
            path if path.starts_with("/v1/referrals/") => &self.referral,
            path if path.starts_with("/v1/cases/") => &self.case,
            path if path.starts_with("/v1/pairings/") => &self.pairing,
            path if path.starts_with("/v1/support-families/") => &self.support,
            _ => &self.figures,
        }
    }

    /// An object that no call has changed yet.
    async fn fresh(&self, route: &Route) -> String {
        // So that it is the last of those that wait.
        self.world.later(1);
        match route.path {
            "/v1/cases/{id}/pairings" => {
                *self.spare.borrow_mut() = self.world.available_support().await;
                return self.world.searching_case().await.1;
            }
            "/v1/cases/{id}/goals" => return self.world.planned_case().await.1,
            "/v1/cases/{id}/access-exports" => {
                let (_, case) = self.world.assigned_case().await;
                *self.asked.borrow_mut() = self.world.ask_access(&case).await;
                return case;
            }
            path if path.starts_with("/v1/deliveries/") => {
                self.world.assigned_case().await;
                return parked_message(self.world).await;
            }
            path if path.starts_with("/v1/pairings/") => {
                let [_, _, _, pairing] = self.world.on_trial().await;
                return pairing;
            }
            path if path.starts_with("/v1/support-families/") => {
                return self.world.support_family(ANNA, &example("support-family")).await;
            }
            _ => {}
        }
        let (referral, case) = self.world.assigned_case().await;
        match self.id(route) {
            id if *id == self.referral => referral,
            id if *id == self.case => case,
            id => id.to_owned(),
        }
    }

    /// A right request for a route: only certificate, token, id and query differ.
    fn request(
        &self,
        client: &Client,
        route: &Route,
        id: &str,
        query: &str,
    ) -> reqwest::RequestBuilder {
        let path = filled(route.path, id);
        let mut request = client.request(route.verb(), self.world.url(&format!("{path}{query}")));
        if route.creates {
            request = request.header("Idempotency-Key", self.world.key());
        }
        if let Some(content) = route.content() {
            let content = self.filled_in(&content);
            request = request.header("Content-Type", route.media()).body(content);
        }
        request
    }

    /// A body with the ids of this hall.
    fn filled_in(&self, content: &str) -> String {
        let content = content.replace(SUPPORT, &self.spare.borrow()).replace(TWIN, &self.twin);
        content.replace(REQUEST, &self.asked.borrow())
    }

    async fn call(&self, route: &Route, id: &str, client: &Client, token: Option<&str>) -> Answer {
        let mut request = self.request(client, route, id, "");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        answer(request.send().await.expect("an answer")).await
    }

    /// As one of the demo's people, about the object of the hall.
    async fn ask(&self, who: Caller, route: &Route, id: &str) -> Answer {
        self.call(route, id, &self.client(who.0), Some(&self.world.token(who))).await
    }
}

/// A path with what stands in it.
fn filled(path: &str, id: &str) -> String {
    let path = path.replace("{id}", id).replace("{index}", "0");
    let path = path.replace("{municipality}", "GM0268").replace("{year}", "2026");
    path.replace("{programme}", "poh-j").replace("{period}", "2026Q3")
}

/// Adds a partner with a certificate of its own to the register.
/// A message to the coordinators' organisation that was tried as often as it will be by itself.
async fn parked_message(world: &World) -> String {
    let pool = &world.booted.api.gateway.store.pool;
    for statement in [
        "DELETE FROM delivery_lane",
        "INSERT INTO partner_endpoint (partner_id, url, authorities, allow_private) \
            SELECT id, 'https://127.0.0.1:1/', '', 1 FROM partner WHERE name = 'buurtgezinnen' \
            ON CONFLICT (partner_id) DO NOTHING",
        "INSERT INTO delivery_lane (partner_id, attempts, due_ms, parked, outcome) \
            SELECT id, 8, 0, 1, 'http-503' FROM partner WHERE name = 'buurtgezinnen'",
    ] {
        crate::sql::run(pool, statement).await;
    }
    let all = deliveries::list(pool, (0, uuid::Uuid::nil()), 100).await.expect("messages");
    let parked = all.iter().find(|listed| listed.state == deliveries::State::Parked);
    parked.expect("one is parked").id.to_string()
}

async fn enrol(world: &World, name: &str, number: &str, kind: &str) {
    let pin = certify(world, name, number);
    let issuer = world.issuer.registered(name);
    let partner = PartnerFile {
        name: name.to_owned(),
        number: number.to_owned(),
        kind: kind.to_owned(),
        status: "active".to_owned(),
        pins: vec![pin],
        issuers: vec![issuer],
        sources: Vec::new(),
        municipalities: Vec::new(),
        endpoint: None,
        people: Vec::new(),
        sign_in: None,
    };
    world.amend(|register| register.partner.push(partner)).await;
}

/// Issues a certificate and returns its pin.
fn certify(world: &World, name: &str, number: &str) -> String {
    let mut pki = DevPki::open(&world.dir().join("pki"), world.now()).expect("the demo's CA");
    let number = PartnerNumber::parse(number).expect("a number");
    let peer = pki.issue(name, &number, LeafKind::Client).expect("a certificate");
    peer.pin().to_string()
}

fn suspend(register: &mut RegisterFile, name: &str) {
    let partner = register.partner.iter_mut().find(|partner| partner.name == name);
    partner.expect("a partner").status = "suspended".to_owned();
}

/// How many entries the ledger has.
async fn size(world: &World) -> u64 {
    let pool = &world.booted.api.gateway.store.pool;
    ledger::head(pool).await.expect("a head").signed().size
}

/// Outcomes of the entries from `from` on.
async fn outcomes(world: &World, from: u64) -> Vec<String> {
    let pool = &world.booted.api.gateway.store.pool;
    let page = ledger::page(pool, from, 100).await.expect("a page");
    page.into_iter().map(|leaf| leaf.outcome).collect()
}

/// The sum of a counter over all its lines with these labels, as the admin listener shows it.
async fn counter(world: &World, name: &str, labels: &[(&str, &str)]) -> u64 {
    let at = format!("http://{}/metrics", world.admin);
    let text = reqwest::get(at).await.expect("metrics").text().await.expect("text");
    let wanted: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
    let lines = text.lines().filter(|line| {
        line.starts_with(&format!("{name}{{")) && wanted.iter().all(|label| line.contains(label))
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Headers of every answer of the API listener.
fn has_the_headers_of_every_answer(answer: &Answer, what: &str) {
    for (name, value) in [
        ("api-version", "1.0.0"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(answer.header(name), value, "{what}: {name}");
    }
    assert_eq!(answer.header("request-id").len(), 36, "{what}");
    assert_eq!(answer.header("traceparent").len(), 55, "{what}");
    assert!(!answer.header("audit-checkpoint").is_empty(), "{what}");
    for name in ["server", "x-powered-by", "set-cookie"] {
        assert_eq!(answer.header(name), "", "{what}: {name}");
    }
}

/// A problem document of this status and kind, with no more members than it needs.
fn is_problem(answer: &Answer, status: u16, kind: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.raw);
    has_the_headers_of_every_answer(answer, what);
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    let is_kind = format!("https://buurtpoort.example.nl/docs/problems.md#{kind}");
    assert_eq!(answer.text("/type"), is_kind, "{what}");
    assert_eq!(answer.body["status"], json!(status), "{what}");
    let members = answer.body.as_object().expect("an object").keys().map(String::as_str);
    let own = ["errors", "reasons", "missing", "allowed"];
    let common: BTreeSet<_> = members.filter(|member| !own.contains(member)).collect();
    assert_eq!(common, BTreeSet::from(["detail", "instance", "status", "title", "type"]), "{what}");
    for (sent, name) in [("Proefpersoon", "name"), ("Eerste gesprek", "reason"), ("eyJ", "token")] {
        assert!(!answer.raw.contains(sent), "{what} repeats the {name} that was sent");
    }
}

/// What must be the same bytes for "not yours" and "not there".
fn constant(answer: &Answer) -> (u16, BTreeMap<&str, &str>, &str) {
    const OWN: [&str; 4] = ["request-id", "traceparent", "audit-checkpoint", "date"];
    let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let headers = headers.filter(|(name, _)| !OWN.contains(name)).collect();
    (answer.status, headers, &answer.raw)
}

on_both! {
    /// MTLS-01, -02: without a certificate of ours there is no connection, and nothing is recorded.
    async fn mtls_01_02_no_certificate_or_another_authoritys_is_no_connection(world: World) {
        let hall = Hall::open(world).await;
        let before = size(world).await;
        let clock = &world.booted.api.gateway.clock;
        let bare = client_of(&world.dir(), None, clock);
        let forged = forged(world);
        for route in ROUTES {
            let token = world.token(WIJKTEAM);
            for (client, who) in [(&bare, "no certificate"), (&forged, "another authority's")] {
                let request = hall.request(client, route, hall.id(route), "").bearer_auth(&token);
                assert!(request.send().await.is_err(), "{who}: {}", route.name());
            }
        }
        assert_eq!(size(world).await, before);
        let jwks = ROUTES.last().expect("a route");
        assert_eq!(hall.ask(WIJKTEAM, jwks, "").await.status, 200, "the right one is let in");
    }
}

/// A client with the wijkteam's name and number from an authority of its own making.
fn forged(world: &World) -> Client {
    let clock = &world.booted.api.gateway.clock;
    let authority = Authority::create(world.now()).expect("an authority");
    let number = PartnerNumber::parse("00000099000000001000").expect("a number");
    let issued = authority.issue(WIJKTEAM.0, &number, LeafKind::Client, world.now());
    let issued = issued.expect("a certificate");
    let directory = world.directory.path().join("forged");
    std::fs::create_dir_all(&directory).expect("a directory");
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&certificate, issued.certificate_pem()).expect("written");
    std::fs::write(&key, issued.key_pem().as_bytes()).expect("written");
    private(&key);
    let authorities = world.dir().join("pki").join("ca.pem");
    let files = OutboundFiles { authorities, identity: Some(IdentityFiles { certificate, key }) };
    let tls = client::open(&files, clock).expect("usable certificates");
    Client::builder().tls_backend_preconfigured(tls).build().expect("a client")
}

fn private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(file, mode).expect("permissions");
}

on_both! {
    /// MTLS-06, -08: a revoked certificate is refused on an open connection and on a new one.
    async fn mtls_06_08_a_revoked_certificate_is_refused_at_once(world: World) {
        const REVOKED: Caller = ("doorbraak-nijmegen", "coach-1", "referrer");
        let hall = Hall::open(world).await;
        let open = hall.client(REVOKED.0);
        let list = ROUTES.iter().find(|route| route.path == "/v1/referrals" && route.method == "GET");
        let list = list.expect("the list of referrals");
        assert_eq!(hall.ask(REVOKED, list, "").await.status, 200, "good until revoked");
        let mut pki = DevPki::open(&world.dir().join("pki"), world.now()).expect("the demo's CA");
        pki.revoke(REVOKED.0).expect("revoked");
        watch::reload_certificates(&world.booted);
        let before = size(world).await;
        let fresh = world.client(REVOKED.0);
        let token = world.token(REVOKED);
        for route in ROUTES {
            let request = hall.request(&open, route, hall.id(route), "").bearer_auth(&token);
            // The open connection answers; once it is gone there is no other.
            if let Ok(response) = request.send().await {
                is_problem(&answer(response).await, 403, "partner-unknown", &route.name());
            }
            let request = hall.request(&fresh, route, hall.id(route), "").bearer_auth(&token);
            assert!(request.send().await.is_err(), "{}", route.name());
        }
        assert_eq!(size(world).await, before);
        assert_eq!(hall.ask(WIJKTEAM, list, "").await.status, 200, "others are not");
    }
}

on_both! {
    /// MTLS-16, -17: a good certificate of nobody in the register, or of a suspended partner.
    async fn mtls_16_17_not_registered_or_suspended_is_403_everywhere(world: World) {
        const UNKNOWN: Caller = ("onbekend", "iemand", "referrer");
        const SUSPENDED: Caller = ("regieteam-nijmegen", "regisseur-1", "referrer");
        let hall = Hall::open(world).await;
        certify(world, UNKNOWN.0, "00000099000000016000");
        let definitions = "/v1/audit/checkpoint";
        assert_eq!(world.get(SUSPENDED, definitions).await.status, 200, "good until suspended");
        world.amend(|register| suspend(register, SUSPENDED.0)).await;
        let before = size(world).await;
        for who in [UNKNOWN, SUSPENDED] {
            let (client, token) = (hall.client(who.0), world.token(who));
            for route in ROUTES {
                let what = format!("{} {}", who.0, route.name());
                let labels = [("route", route.path), ("method", route.method), ("status", "403")];
                let counted = counter(world, "http_requests_total", &labels).await;
                let answer = hall.call(route, hall.id(route), &client, Some(&token)).await;
                is_problem(&answer, 403, "partner-unknown", &what);
                assert_eq!(answer.text("/instance"), route.path, "{what}");
                assert!(counter(world, "http_requests_total", &labels).await > counted, "{what}");
            }
        }
        assert_eq!(size(world).await, before);
        let kind = [("kind", "partner-unknown")];
        assert!(counter(world, "problems_total", &kind).await > 0, "refusals show by kind");
    }
}

on_both! {
    /// JWT-25 and the plain cases: no token, garbage, another partner's.
    async fn without_a_token_of_this_connection_it_is_401(world: World) {
        let hall = Hall::open(world).await;
        let before = size(world).await;
        let stolen = world.token(POH_J);
        let none: (Option<&str>, &str) = (None, "Bearer realm=\"buurtpoort\"");
        let bad = "Bearer realm=\"buurtpoort\", error=\"invalid_token\"";
        let tries = [none, (Some("garbage"), bad), (Some("a.b.c"), bad), (Some(&stolen), bad)];
        for route in ROUTES.iter().filter(|route| !route.is_public()) {
            let client = hall.client(WIJKTEAM.0);
            for (token, challenge) in tries {
                let what = format!("{token:?} {}", route.name());
                let labels = [("route", route.path), ("method", route.method), ("status", "401")];
                let counted = counter(world, "http_requests_total", &labels).await;
                let answer = hall.call(route, hall.id(route), &client, token).await;
                is_problem(&answer, 401, "unauthenticated", &what);
                assert_eq!(answer.header("www-authenticate"), challenge, "{what}");
                assert_eq!(answer.text("/instance"), route.path, "{what}");
                assert!(counter(world, "http_requests_total", &labels).await > counted, "{what}");
            }
        }
        assert_eq!(size(world).await, before, "nothing was looked at");
        for route in ROUTES.iter().filter(|route| route.is_public()) {
            let answer = hall.call(route, "", &hall.client(WIJKTEAM.0), None).await;
            assert_eq!(answer.status, 200, "{}: {}", route.name(), answer.raw);
            has_the_headers_of_every_answer(&answer, &route.name());
        }
    }
}

on_both! {
    /// POL-01, MTLS-24: a role that may never do this is 403 before anything is looked up.
    async fn pol_01_every_other_role_is_403(world: World) {
        let hall = Hall::open(world).await;
        let before = size(world).await;
        for route in ROUTES.iter().filter(|route| !route.is_public()) {
            let right = |who: &Caller| route.right.iter().any(|(right, _)| right.2 == who.2);
            for who in ROLES.iter().filter(|who| !right(who)) {
                let what = format!("{} {}", who.2, route.name());
                let labels = [("route", route.path), ("method", route.method), ("status", "403")];
                let counted = counter(world, "http_requests_total", &labels).await;
                let answer = hall.ask(*who, route, hall.id(route)).await;
                is_problem(&answer, 403, "forbidden", &what);
                assert_eq!(answer.text("/instance"), route.path, "{what}");
                assert!(counter(world, "http_requests_total", &labels).await > counted, "{what}");
            }
        }
        // A list in the other role's way.
        for (who, path) in [(ANNA, "/v1/cases?assigned=false"), (LEA, "/v1/cases")] {
            is_problem(&world.get(who, path).await, 403, "forbidden", path);
        }
        assert_eq!(size(world).await, before);
    }
}

on_both! {
    /// ORA-01, -08, POL-07, -09: what is another's and what is not there answer with the same bytes,
    /// whether the rest of the request is right or wrong; each try is on record.
    async fn ora_01_08_foreign_and_absent_are_the_same_bytes(world: World) {
        let hall = Hall::open(world).await;
        // A message is nobody's own: every operator sees where all of them stand.
        let of_somebody = |route: &&Route| route.has_object() && !route.path.starts_with("/v1/deliveries/");
        for route in ROUTES.iter().filter(of_somebody) {
            let who = route.foreign.expect("someone else");
            let absent = "0199a1b2-7c3d-4e5f-8a6b-0c1d2e3f4a5b";
            let foreign = hall.id(route).to_owned();
            let loud = foreign.to_uppercase();
            let ids = [&*foreign, absent, &*loud, "jan@example.nl", "123456782", "%00", "..%2f"];
            // Another minute: more than twenty refusals in one are counted together.
            world.later(61);
            let mut seen = Vec::new();
            for id in ids {
                let what = format!("{} {id}", route.name());
                let before = size(world).await;
                let answer = hall.ask(who, route, id).await;
                is_problem(&answer, 404, "not-found", &what);
                assert_eq!(answer.text("/instance"), route.path, "{what}");
                assert_eq!(outcomes(world, before).await, ["deny"], "{what}");
                seen.push(answer);
            }
            if route.body.is_some() {
                for id in [&*foreign, absent] {
                    seen.push(ill_formed(&hall, who, route, id).await);
                }
            }
            let first = constant(seen.first().expect("an answer"));
            for answer in &seen {
                assert_eq!(constant(answer), first, "{}", route.name());
            }
        }
    }
}

/// A request whose body and headers are wrong: the answer must still be the 404, on record.
async fn ill_formed(hall: &Hall<'_>, who: Caller, route: &Route, id: &str) -> Answer {
    let before = size(hall.world).await;
    let path = filled(route.path, id);
    let body = Some("{\"unknown\": 1}".to_owned());
    let answer = hall.world.send(who, Method::POST, &path, body, None).await;
    is_problem(&answer, 404, "not-found", &route.name());
    assert_eq!(outcomes(hall.world, before).await, ["deny"], "{}", route.name());
    answer
}

on_both! {
    /// The controls of all refusals above: the right caller with the same request is served, on
    /// record; wrong in form it is told so.
    async fn the_right_role_is_served(world: World) {
        let hall = Hall::open(world).await;
        for route in ROUTES.iter().filter(|route| !route.is_public()) {
            for (who, query) in route.right {
                let what = format!("{} {}", who.2, route.name());
                let id = hall.fresh(route).await;
                if route.body.is_some() {
                    let path = filled(route.path, &id);
                    let body = Some("{\"unknown\": 1}".to_owned());
                    let key = world.key();
                    let answer = world.send(*who, route.verb(), &path, body, Some(&key)).await;
                    is_problem(&answer, 400, "invalid", &what);
                    assert_eq!(answer.errors(), [(String::new(), "unknown-field".to_owned())]);
                }
                let before = size(world).await;
                let request = hall.request(&hall.client(who.0), route, &id, query);
                let sent = request.bearer_auth(world.token(*who)).send().await;
                let answer = answer(sent.expect("an answer")).await;
                assert_eq!(answer.status, route.status, "{what}: {}", answer.raw);
                has_the_headers_of_every_answer(&answer, &what);
                assert_eq!(outcomes(world, before).await.first().map(String::as_str), Some("allow"), "{what}");
            }
        }
    }
}

on_both! {
    /// What is refused after the object was seen is on record with outcome deny or error.
    async fn a_refusal_on_the_facts_is_one_entry(world: World) {
        let (_, case) = world.assigned_case().await;
        let release = format!("/v1/cases/{case}/identity-releases");
        let assign = format!("/v1/cases/{case}/assignments");
        let transitions = format!("/v1/cases/{case}/transitions");
        let mut unconsented = example("referral-wijkteam");
        unconsented["consent"] = Value::Null;
        let to = |name: &str| json!({"coordinator": name});
        let monitoring = json!({"purpose": "pairing", "reason": "te vroeg"});
        let tries = [
            (WIJKTEAM, "/v1/referrals", unconsented, 403, "consent-refused", "deny"),
            (LEA, &assign, to("nobody"), 400, "invalid", "deny"),
            (LEA, &assign, to("lea"), 400, "invalid", "deny"),
            (ANNA, &transitions, json!({"to": "paired"}), 409, "state-conflict", "error"),
        ];
        for (who, path, body, status, kind, outcome) in tries {
            let before = size(world).await;
            is_problem(&world.post(who, path, &body).await, status, kind, path);
            assert_eq!(outcomes(world, before).await, [outcome], "{path}");
        }
        assert_eq!(world.post(ANNA, &release, &monitoring).await.status, 201, "pairing is consented");
        let stale = stale(world, &transitions).await;
        is_problem(&stale.0, 412, "stale", &transitions);
        assert_eq!(stale.1, ["error"]);
        let used = Some("used-before");
        let send = |name: &str| {
            let body = Some(to(name).to_string());
            world.send(LEA, Method::POST, &assign, body, used)
        };
        assert_eq!(send("bert").await.status, 201);
        let before = size(world).await;
        is_problem(&send("anna").await, 409, "idempotency-key-reused", &assign);
        assert_eq!(outcomes(world, before).await, ["error"]);
    }
}

on_both! {
    /// The same content is the same request, in whatever order its members come: the receipt's digest
    /// is over the canonical form.
    async fn rpl_05_the_order_of_members_is_no_content(world: World) {
        let body = example("referral-wijkteam");
        let members = body.as_object().expect("an object");
        let parts: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        let turned: Vec<&str> = parts.iter().rev().map(String::as_str).collect();
        let bodies = [format!("{{{}}}", parts.join(",")), format!("{{ {} }}", turned.join(", "))];
        let mut ids = Vec::new();
        for body in bodies {
            let answer = world.send(WIJKTEAM, Method::POST, "/v1/referrals", Some(body), Some("order")).await;
            assert_eq!(answer.status, 201, "{}", answer.raw);
            ids.push(answer.text("/id").to_owned());
        }
        assert_eq!(ids.first(), ids.last());
    }
}

on_both! {
    /// INP-01: a body is the documented object; a list of the same values, or anything else, is none.
    async fn inp_01_a_body_is_an_object(world: World) {
        let (_, case) = world.assigned_case().await;
        let lists = [
            (ANNA, format!("/v1/cases/{case}/identity-releases"), json!(["intake", "Eerste gesprek"])),
            (LEA, format!("/v1/cases/{case}/assignments"), json!(["bert"])),
            (ANNA, format!("/v1/cases/{case}/transitions"), json!(["intake", "kort"])),
            (ANNA, format!("/v1/cases/{case}/consent-decisions"), json!(["parent1", "given", "2026-11-01T09:00:00Z"])),
            (WIJKTEAM, "/v1/referrals".to_owned(), json!(["wijkteam"])),
        ];
        for (who, path, list) in lists {
            for body in [list, json!([]), json!(null), json!("text"), json!(7), json!(true)] {
                let answer = world.post(who, &path, &body).await;
                is_problem(&answer, 400, "invalid", &format!("{path} {body}"));
                assert_eq!(answer.errors(), [(String::new(), "wrong-type".to_owned())], "{path} {body}");
            }
        }
        let to = json!({"to": "intake", "reason": "kort"});
        assert_eq!(world.post(ANNA, &format!("/v1/cases/{case}/transitions"), &to).await.status, 200);
    }
}

/// A transition that names a version of long ago.
async fn stale(world: &World, path: &str) -> (Answer, Vec<String>) {
    // The release before writes its outcome behind its answer.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = size(world).await;
    let request = world
        .client(ANNA.0)
        .post(world.url(path))
        .bearer_auth(world.token(ANNA))
        .header("If-Match", "\"999\"")
        .header("Content-Type", "application/json")
        .body(example("transition").to_string());
    let answer = answer(request.send().await.expect("an answer")).await;
    (answer, outcomes(world, before).await)
}

/// A gateway on SQLite: what HTTP lets a caller try does not depend on the database.
async fn world() -> World {
    World::raise(Engine::Sqlite).await.expect("SQLite is always there")
}

#[actix_web::test]
async fn pol_03_inp_17_another_method_is_405_and_names_those_there_are() {
    let world = world().await;
    let client = world.client(WIJKTEAM.0);
    let mut paths: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for route in ROUTES {
        paths.entry(route.path).or_default().insert(route.method);
    }
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];
    for (path, own) in paths {
        for method in methods.into_iter().filter(|method| !own.contains(method)) {
            let what = format!("{method} {path}");
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let at = world.url(&path.replace("{id}", "0199a1b2-7c3d-4e5f-8a6b-0c1d2e3f4a5b"));
            let request = client.request(method.clone(), at).bearer_auth(world.token(WIJKTEAM));
            let answer = answer(request.send().await.expect("an answer")).await;
            assert_eq!(answer.status, 405, "{what}: {}", answer.raw);
            let allow: BTreeSet<&str> = answer.header("allow").split(", ").collect();
            assert_eq!(allow, own, "{what}");
            if method != Method::HEAD {
                is_problem(&answer, 405, "method-not-allowed", &what);
            }
        }
    }
}

#[actix_web::test]
async fn inp_18_a_path_that_is_not_a_route_is_404_and_no_way_in() {
    let world = world().await;
    let client = world.client(WIJKTEAM.0);
    for route in ROUTES {
        let path = route.path.replace("{id}", "0199a1b2-7c3d-4e5f-8a6b-0c1d2e3f4a5b");
        let at = world.url(&format!("{path}/"));
        let method = Method::from_bytes(route.method.as_bytes()).expect("a method");
        let request = client.request(method, at).bearer_auth(world.token(WIJKTEAM));
        let answer = answer(request.send().await.expect("an answer")).await;
        is_problem(&answer, 404, "not-found", &path);
    }
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/referrals",
        "/V1/referrals",
        "//v1/referrals",
        "/v1//referrals",
        "/v1/referrals;x=1",
        "/v1/referrals.",
        "/v1/openapi.json",
        "/metrics",
        "/live",
        "/v1/cases/a/b/c",
        "/v1/%72eferrals/",
        "/v1/referrals%2f",
    ] {
        let answer = world.get(WIJKTEAM, path).await;
        is_problem(&answer, 404, "not-found", path);
    }
    // Spelled otherwise, a guarded path is still guarded.
    for path in ["/%76%31/referrals", "/v1/%72eferrals", "/x/../v1/referrals", "/./v1/referrals"] {
        let sent = client.get(world.url(path)).send().await.expect("an answer");
        let answer = answer(sent).await;
        assert!(matches!(answer.status, 401 | 404), "{path}: {}", answer.raw);
    }
}

#[actix_web::test]
async fn inp_12_13_another_medium_or_a_compressed_body_is_415() {
    let world = world().await;
    let hall = Hall::open(&world).await;
    let taking = ROUTES.iter().filter(|route| route.content().is_some());
    for route in taking {
        let who = route.right.first().map_or(WIJKTEAM, |(who, _)| *who);
        let media = route.media();
        let id = hall.fresh(route).await;
        let plain: [(Option<&str>, Option<&str>); 6] = [
            (None, None),
            (Some("text/plain"), None),
            (Some("application/jsonp"), None),
            (Some(media), Some("gzip")),
            (Some(media), Some("br")),
            (Some(media), Some("identity, gzip")),
        ];
        for (kind, coding) in plain {
            let what = format!("{kind:?} {coding:?} {}", route.name());
            let path = filled(route.path, &id);
            let mut request = hall.client(who.0).request(route.verb(), world.url(&path));
            request = request.bearer_auth(world.token(who)).header("Idempotency-Key", world.key());
            if let Some(kind) = kind {
                request = request.header("Content-Type", kind);
            }
            if let Some(coding) = coding {
                request = request.header("Content-Encoding", coding);
            }
            let content = route.content().unwrap_or_default();
            let sent = request.body(content).send().await.expect("an answer");
            is_problem(&answer(sent).await, 415, "unsupported-media-type", &what);
        }
        let served = hall.ask(who, route, &id).await;
        assert_eq!(served.status, route.status, "{}: {}", route.name(), served.raw);
    }
}

#[actix_web::test]
async fn inp_10_11_64_kib_are_taken_and_one_byte_more_is_413() {
    let world = world().await;
    let hall = Hall::open(&world).await;
    let padded =
        |size: usize, content: &str| format!("{content}{}", " ".repeat(size - content.len()));
    for route in ROUTES.iter().filter(|route| route.content().is_some()) {
        let who = route.right.first().map_or(WIJKTEAM, |(who, _)| *who);
        let id = hall.fresh(route).await;
        let content = route.content().unwrap_or_default();
        let content = hall.filled_in(&content);
        let path = filled(route.path, &id);
        for (size, large) in [(65_536, false), (65_537, true)] {
            let what = format!("{size} {}", route.name());
            let request = hall.client(who.0).request(route.verb(), world.url(&path));
            let request = request.bearer_auth(world.token(who));
            let request = request.header("Idempotency-Key", world.key());
            let request = request.header("Content-Type", route.media());
            let sent = request.body(padded(size, &content)).send().await.expect("an answer");
            let answer = answer(sent).await;
            if large {
                is_problem(&answer, 413, "too-large", &what);
            } else {
                // Blanks around JSON say nothing; in a form they are part of it.
                let read = if route.is_public() { 400 } else { route.status };
                assert_eq!(answer.status, read, "{what}: {}", answer.raw);
            }
        }
        for (size, large) in [(65_536, false), (65_537, true)] {
            let token = world.token(who);
            let body = padded(size, &content);
            let place = format!("{} {path}", route.method);
            let head =
                head_of(&place, &token, &world.key(), route.media(), "Transfer-Encoding: chunked");
            let chunk = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
            let mut wire = Wire::open(&world, who.0);
            let answered = tokio::task::spawn_blocking(move || wire.exchange(chunk.as_bytes()));
            let answered = answered.await.expect("an answer");
            let status = answered.split(' ').nth(1).unwrap_or_default();
            assert_eq!(status == "413", large, "chunked {size} {}: {answered}", route.name());
        }
    }
}

#[actix_web::test]
async fn inp_27_what_cannot_be_served_is_406() {
    let world = world().await;
    let hall = Hall::open(&world).await;
    let accept = |who: Caller, route: &Route, value: &str| {
        let query = route.right.first().map_or("", |(_, query)| query);
        let request = hall.request(&hall.client(who.0), route, hall.id(route), query);
        request.bearer_auth(world.token(who)).header("Accept", value).send()
    };
    for route in ROUTES.iter().filter(|route| !route.is_public() && route.method == "GET") {
        let (who, _) = route.right.first().expect("someone");
        for value in ["text/html", "application/xml, text/turtle", "image/png;q=0.8", ""] {
            let sent = accept(*who, route, value).await.expect("an answer");
            is_problem(&answer(sent).await, 406, "not-acceptable", &route.name());
        }
        for value in ["*/*", "application/json", "text/html, application/json;q=0.5"] {
            let sent = accept(*who, route, value).await.expect("an answer");
            assert_eq!(answer(sent).await.status, 200, "{value} {}", route.name());
        }
    }
}

#[actix_web::test]
async fn jwt_29_one_authorization_header_and_no_token_elsewhere() {
    let world = world().await;
    let client = world.client(WIJKTEAM.0);
    let token = world.token(WIJKTEAM);
    let at = world.url("/v1/referrals");
    let twice = client.get(&at).bearer_auth(&token).bearer_auth(&token).send().await;
    let twice = answer(twice.expect("an answer")).await;
    is_problem(&twice, 401, "unauthenticated", "two headers");
    assert!(twice.header("www-authenticate").ends_with("error=\"invalid_request\""));
    let basic = client.get(&at).header("Authorization", format!("Basic {token}")).send().await;
    is_problem(&answer(basic.expect("an answer")).await, 401, "unauthenticated", "another scheme");
    let query = client.get(format!("{at}?access_token={token}")).send().await;
    is_problem(&answer(query.expect("an answer")).await, 401, "unauthenticated", "in the query");
    let both = client.get(format!("{at}?access_token={token}")).bearer_auth(&token).send().await;
    is_problem(&answer(both.expect("an answer")).await, 400, "invalid", "in header and query");
    let cookie = client.get(&at).header("Cookie", format!("access_token={token}")).send().await;
    is_problem(&answer(cookie.expect("an answer")).await, 401, "unauthenticated", "in a cookie");
    assert_eq!(world.get(WIJKTEAM, "/v1/referrals").await.status, 200);
}

#[actix_web::test]
async fn mtls_22_no_header_says_who_is_calling() {
    let world = world().await;
    let pem =
        std::fs::read(world.dir().join("pki/poh-j-nijmegen/cert.pem")).expect("a certificate");
    let pem = buurtpoort::crypto::digest::hex(&pem);
    let names = ["X-SSL-Client-Cert", "X-Forwarded-Client-Cert", "Client-Cert", "X-Partner"];
    for name in names {
        let request = world.client(WIJKTEAM.0).get(world.url("/v1/referrals"));
        let request = request.bearer_auth(world.token(POH_J)).header(name, &pem);
        let sent = request.header("Forwarded", "for=127.0.0.1;host=localhost").send().await;
        is_problem(&answer(sent.expect("an answer")).await, 401, "unauthenticated", name);
    }
}

/// INP-28: a query that no list documents is refused, so that nobody gets used to putting data there.
#[actix_web::test]
async fn inp_28_a_query_that_is_not_documented_is_400() {
    let world = world().await;
    let hall = Hall::open(&world).await;
    for route in ROUTES.iter().filter(|route| !route.is_public()) {
        let (who, _) = route.right.first().expect("someone");
        let client = hall.client(who.0);
        let request = hall.request(&client, route, hall.id(route), "?bsn=123456782");
        let sent = request.bearer_auth(world.token(*who)).send().await.expect("an answer");
        let answer = answer(sent).await;
        is_problem(&answer, 400, "invalid", &route.name());
        assert!(!answer.raw.contains("123456782"), "{}", route.name());
    }
}

/// POL-25: pages are bounded, and a cursor is good for who got it, where she got it.
#[actix_web::test]
async fn pol_25_pages_are_bounded_and_cursors_are_their_owners() {
    let world = world().await;
    for _ in 0..2 {
        world.referral().await;
    }
    let first = world.get(WIJKTEAM, "/v1/referrals?limit=1").await;
    let cursor = first.text("/next").to_owned();
    let next = world.get(WIJKTEAM, &format!("/v1/referrals?cursor={cursor}")).await;
    assert_eq!((next.status, next.body["items"].as_array().map(Vec::len)), (200, Some(1)));
    let bad =
        ["limit=0", "limit=101", "limit=-1", "limit=1000000000", "limit=x", "cursor=x", "sort=id"];
    for query in bad {
        let answer = world.get(WIJKTEAM, &format!("/v1/referrals?{query}")).await;
        is_problem(&answer, 400, "invalid", query);
    }
    let colleague = ("wijkteam-nijmegen", "wijkteam-2", "referrer");
    for who in [POH_J, colleague] {
        let answer = world.get(who, &format!("/v1/referrals?cursor={cursor}")).await;
        is_problem(&answer, 400, "invalid", "another's cursor");
    }
    let answer = world.get(ANNA, &format!("/v1/cases?cursor={cursor}")).await;
    is_problem(&answer, 400, "invalid", "another list's cursor");
}

#[actix_web::test]
async fn traceparent_is_honoured_and_never_trusted() {
    let world = world().await;
    let client = world.client(WIJKTEAM.0);
    let trace = |value: &'static str| {
        let request = client.get(world.url("/v1/referrals")).bearer_auth(world.token(WIJKTEAM));
        request.header("traceparent", value).send()
    };
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let sent = answer(trace(good).await.expect("an answer")).await;
    assert!(sent.header("traceparent").starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    assert!(!sent.header("traceparent").contains("b7ad6b7169203331"), "a span of our own");
    let sent = answer(trace("Fam. Geheim").await.expect("an answer")).await;
    assert_eq!((sent.status, sent.header("traceparent").len()), (200, 55));
    assert!(!sent.header("traceparent").contains("Geheim"));
}

/// One raw TLS connection as a partner: for what no client library would send.
struct Wire {
    tls: rustls::StreamOwned<rustls::ClientConnection, TcpStream>,
}

impl Wire {
    fn open(world: &World, partner: &str) -> Self {
        let pki = world.dir().join("pki");
        let identity = IdentityFiles {
            certificate: pki.join(partner).join("cert.pem"),
            key: pki.join(partner).join("key.pem"),
        };
        let files = OutboundFiles { authorities: pki.join("ca.pem"), identity: Some(identity) };
        let config = client::open(&files, &world.booted.api.gateway.clock).expect("certificates");
        let name = rustls_pki_types::ServerName::try_from("localhost").expect("a name");
        let session = rustls::ClientConnection::new(Arc::new(config), name).expect("a session");
        let socket = TcpStream::connect(world.api).expect("a socket");
        Self { tls: rustls::StreamOwned::new(session, socket) }
    }

    fn patience(&self, time: Duration) {
        self.tls.sock.set_read_timeout(Some(time)).expect("a timeout");
    }

    /// Sends, and reads the head and what comes with it.
    fn exchange(&mut self, bytes: &[u8]) -> String {
        self.patience(Duration::from_secs(15));
        // An early refusal may close the door while we are still speaking.
        let _refused = self.tls.write_all(bytes);
        let mut buffer = vec![0; 8 * 1024];
        let count = self.tls.read(&mut buffer).unwrap_or(0);
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    /// Sends `first`, then `drip` every second, until the other side closes or 20 seconds are
    /// over. What came back, and when it was closed.
    fn dawdle(&mut self, first: &[u8], drip: &[u8]) -> (String, Option<Duration>) {
        let started = Instant::now();
        self.tls.write_all(first).expect("sent");
        self.tls.flush().expect("sent");
        self.patience(Duration::from_secs(1));
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while started.elapsed() < Duration::from_secs(20) {
            match self.tls.read(&mut buffer) {
                Ok(0) => return (text(&heard), Some(started.elapsed())),
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(error) if is_wait(&error) => {
                    if self.tls.write_all(drip).and_then(|()| self.tls.flush()).is_err() {
                        return (text(&heard), Some(started.elapsed()));
                    }
                }
                Err(_) => return (text(&heard), Some(started.elapsed())),
            }
        }
        (text(&heard), None)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_wait(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

fn head_of(place: &str, token: &str, key: &str, media: &str, length: &str) -> String {
    let (method, path) = place.split_once(' ').unwrap_or(("POST", place));
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: {key}\r\nContent-Type: {media}\r\n{length}\r\n\r\n"
    )
}

/// LIM-01, -02, -03: a slow head, a body of a byte a second and a body that never comes are cut.
#[actix_web::test]
async fn lim_01_02_03_slow_senders_are_cut() {
    let world = world().await;
    let token = world.token(WIJKTEAM);
    let head = |length: usize| {
        let length = format!("Content-Length: {length}");
        head_of("/v1/referrals", &token, &world.key(), "application/json", &length)
    };
    let quick = format!("{}{}", head(2), "{}");
    let mut wire = Wire::open(&world, WIJKTEAM.0);
    let answered = tokio::task::spawn_blocking(move || wire.exchange(quick.as_bytes()));
    assert!(answered.await.expect("an answer").starts_with("HTTP/1.1 400 "), "the control");
    let length = "Transfer-Encoding: chunked";
    let of = |token: &str| head_of("/v1/referrals", token, "chunks", "application/json", length);
    let (chunked, stranger) = (of(&token), of("no-token"));
    let tries = [
        ("a byte a second", head(1_000), " ", "HTTP/1.1 408 ", 12),
        ("a body that never comes", head(1_000), "", "HTTP/1.1 408 ", 12),
        ("a head that never ends", "POST /v1/referrals HTTP/1.1\r\nX: ".to_owned(), " ", "", 8),
        ("chunks for ever", chunked, "1\r\na\r\n", "HTTP/1.1 408 ", 15),
        ("chunks nobody reads", stranger, "1\r\na\r\n", "HTTP/1.1 401 ", 5),
    ];
    let threads = tries.map(|(what, first, drip, begins, within)| {
        let mut wire = Wire::open(&world, WIJKTEAM.0);
        let cut =
            tokio::task::spawn_blocking(move || wire.dawdle(first.as_bytes(), drip.as_bytes()));
        (what, begins, within, cut)
    });
    for (what, begins, within, cut) in threads {
        let (heard, closed) = cut.await.expect("a thread");
        assert!(heard.starts_with(begins), "{what}: {heard}");
        let closed = closed.unwrap_or_else(|| panic!("{what}: still open after 20 s: {heard}"));
        assert!(closed < Duration::from_secs(within), "{what}: closed after {closed:?}");
    }
}

/// A second gateway in a world's directory, on a database of its own, with a low rate limit.
async fn frugal(world: &World, per_second: u32) -> SocketAddr {
    let ok = "a second gateway";
    let mut config = Config::read(&world.dir().join("buurtpoort.toml")).expect("a configuration");
    config.database.url = Some(format!("sqlite:{}", world.dir().join("second.sqlite").display()));
    config.ledger.checkpoints = world.dir().join("second-checkpoints");
    config.limits.requests_per_second = NonZeroU32::new(per_second).expect("not zero");
    // The record beside those of the demo is signed by the demo's ledger key; this one has its own.
    config.policies.directory = None;
    let clock = world.booted.api.gateway.clock.clone();
    let pool = boot::pool(&config).await.expect(ok);
    boot::prepare(&config, &pool, &clock).await.expect(ok);
    let register = std::fs::read_to_string(world.dir().join("partners.toml")).expect("a register");
    let (them, territories) = parse(&register).expect("a register");
    let ring = boot::keyring(&config, &pool).await.expect(ok);
    let stamp = Stamp { boot: [4; 8], at_us: clock.now().as_microsecond(), policies: [4; 32] };
    partners::apply(&pool, &ring, &them, &territories, &stamp).await.expect(ok);
    pool.close().await;
    drop(pool);
    let booted = Arc::new(boot::boot(config, clock, boot::Claim::Alone).await.expect(ok));
    let bind = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let sockets = Sockets { api: bind(), portal: bind(), admin: bind(), sign_in: None };
    let api = sockets.api.local_addr().expect("an address");
    let servers = serve::start(&booted, sockets, &metrics()).expect(ok);
    actix_web::rt::spawn(async move {
        let _booted = booted;
        servers.serve().await.expect("the listeners keep going");
    });
    api
}

/// LIM-07: one partner's flood is answered 429 with `Retry-After`, whatever it says of its address;
/// another partner is served all the while, and the flooder again after the time given.
#[actix_web::test]
async fn lim_07_a_noisy_partner_waits_and_slows_nobody() {
    let world = world().await;
    let api = frugal(&world, 2).await;
    let at = format!("https://localhost:{}/v1/audit/checkpoint", api.port());
    let ask = |client: &Client, who: Caller, from: usize| {
        let request = client.get(&at).bearer_auth(world.token(who));
        request.header("X-Forwarded-For", format!("10.0.0.{from}")).send()
    };
    let noisy = world.client(WIJKTEAM.0);
    assert_eq!(answer(ask(&noisy, WIJKTEAM, 0).await.expect("an answer")).await.status, 200);
    let flood = futures_util::future::join_all((0..40).map(|from| ask(&noisy, WIJKTEAM, from)));
    let mut refused = Vec::new();
    for response in flood.await {
        let answer = answer(response.expect("an answer")).await;
        if answer.status != 200 {
            refused.push(answer);
        }
    }
    assert!(refused.len() >= 10, "{} refused", refused.len());
    for answer in &refused {
        is_problem(answer, 429, "too-many-requests", "flood");
        let wait: u64 = answer.header("retry-after").parse().expect("seconds");
        assert!((1..=2).contains(&wait), "{wait}");
    }
    let quiet = world.client(POH_J.0);
    let answer_of_quiet = answer(ask(&quiet, POH_J, 0).await.expect("an answer")).await;
    assert_eq!(answer_of_quiet.status, 200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(answer(ask(&noisy, WIJKTEAM, 0).await.expect("an answer")).await.status, 200);
}
