//! Nothing about anybody goes where it does not belong (LEAK-01 to 16).
//!
//! The real program runs with everything logged, gets canaries in every personal field, on every route
//! and every way to go wrong, and then all it wrote is searched: standard output and error, metrics,
//! every answer but the authorised ones, every row, the files of the database with its logs, the
//! directory for temporary files, its command line and environment. In each of these a leak is planted
//! as well, in every form that is looked for, and must be found: else the search proves nothing.

use crate::canary::{Canaries, Scanner};
use crate::process::{Deployment, Running, Voice};
use crate::sql;
use crate::support::{ANNA, BERT, Caller, Engine, GEMEENTE, LEA, REGIETEAM, WIJKTEAM, example};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use buurtpoort::cli::issuer::DevIssuer;
use buurtpoort::clock::Clock;
use buurtpoort::store::Pool;
use buurtpoort::tls::client;
use buurtpoort::tls::reload::{IdentityFiles, OutboundFiles};
use reqwest::{Method, RequestBuilder};
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// One thing that the search has to look at.
struct Sink {
    name: String,
    bytes: Vec<u8>,
}

/// The gateway under test and everyone who talks to it.
struct Probe {
    deployment: Deployment,
    running: Running,
    scanner: Scanner,
    canaries: BTreeMap<String, String>,
    referral: Value,
    voices: BTreeMap<&'static str, Voice>,
    /// Everything that was answered and may hold nothing.
    answers: Vec<u8>,
    /// What was found in answers, and in which.
    leaks: BTreeSet<String>,
    statuses: BTreeMap<u16, usize>,
    keys: usize,
    begun: SystemTime,
}

/// What came back.
struct Reply {
    status: u16,
    raw: Vec<u8>,
    body: Value,
}

impl Reply {
    fn text(&self, pointer: &str) -> String {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// Canaries that are not fields of the referral.
const OTHERS: &[&str] = &[
    "reason",
    "second-reason",
    "decision-method",
    "decision-evidence",
    "key",
    "long-key",
    "field",
    "value",
    "header",
    "header-name",
    "path",
    "query",
    "query-name",
    "cookie",
    "agent",
    "accept",
    "media-type",
    "media-parameter",
    "coding",
    "malformed",
    "term",
    "method",
    "fragment",
    "host",
    "form",
    "grant",
    "client-id",
    "raw",
    "raw-path",
    "server-name",
    "basic",
];
/// Canaries of tokens: account names are `a-z`.
const TOKENS: &[&str] =
    &["sub", "jti", "bad-sub", "bad-jti", "iss", "kid", "role", "aud", "account"];

impl Probe {
    async fn start(engine: Engine) -> Option<Self> {
        // A second early: files are dated by a coarser clock.
        let begun = SystemTime::from(Clock::System.now()) - Duration::from_secs(1);
        let deployment = Deployment::empty(engine).await?;
        let temporary = deployment.beside("temporary");
        std::fs::create_dir(&temporary).expect("a directory");
        let temporary = temporary.display().to_string();
        let environment =
            [("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full"), ("TMPDIR", &temporary)];
        let mut running = deployment.demo("probed", &[], &environment);
        while !running.printed().contains("Still serving") {
            assert!(running.is_up(), "{}", running.printed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (canaries, referral) = canaries();
        let mut scanner = Scanner::new(&canaries);
        let root = std::fs::read(deployment.dir().join("keys/root.key")).expect("a root key");
        scanner.add_key("root key", &root);
        let mut probe = Self {
            deployment,
            running,
            scanner,
            canaries,
            referral,
            voices: BTreeMap::new(),
            answers: Vec::new(),
            leaks: BTreeSet::new(),
            statuses: BTreeMap::new(),
            keys: 0,
            begun,
        };
        for who in [WIJKTEAM, REGIETEAM, LEA, ANNA, BERT, GEMEENTE] {
            probe.voices.insert(who.1, probe.deployment.voice(who));
        }
        // The referrer's token names the canary account, under the canary jti.
        let claims = probe.claims("sub", "jti");
        let token = probe.signed(&claims);
        probe.voices.get_mut(REGIETEAM.1).expect("a voice").token = token;
        Some(probe)
    }

    fn canary(&self, name: &str) -> &str {
        self.canaries.get(name).unwrap_or_else(|| panic!("no canary is called {name}"))
    }

    /// Claims of a referrer of the regieteam.
    fn claims(&self, sub: &str, jti: &str) -> Value {
        let dir = self.deployment.dir();
        let issuer = DevIssuer::open(&dir).unwrap_or_else(|f| panic!("{}", f.message));
        let audience = format!("https://localhost:{}", self.deployment.ports.api);
        let token = issuer
            .sign(&dir, REGIETEAM.0, "x", &["referrer"], &audience, &Clock::System)
            .unwrap_or_else(|f| panic!("{}", f.message));
        let claims = token.split('.').nth(1).expect("claims");
        let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
        let mut claims: Value = serde_json::from_slice(&claims).expect("JSON");
        claims["sub"] = json!(self.canary(sub));
        claims["jti"] = json!(self.canary(jti));
        claims
    }

    fn signed(&self, claims: &Value) -> String {
        let issuer = DevIssuer::open(&self.deployment.dir());
        let issuer = issuer.unwrap_or_else(|f| panic!("{}", f.message));
        issuer.sign_claims(claims).unwrap_or_else(|f| panic!("{}", f.message))
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        format!("{}-{}", self.canary("key"), self.keys)
    }

    fn request(&self, who: Caller, method: Method, path: &str) -> RequestBuilder {
        self.voices[who.1].request(method, path)
    }

    fn json(&mut self, who: Caller, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let key = self.key();
        self.request(who, Method::POST, path)
            .header("Idempotency-Key", key)
            .header("Content-Type", "application/json")
            .body(body)
    }

    /// Sends; the answer may hold canaries whose names begin as one of `allowed`, and no others.
    async fn send(&mut self, what: &str, request: RequestBuilder, allowed: &[&str]) -> Reply {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => panic!("{what}: {error:?}"),
        };
        let status = response.status().as_u16();
        let mut seen = Vec::new();
        for (name, value) in response.headers() {
            seen.extend_from_slice(name.as_str().as_bytes());
            seen.extend_from_slice(b": ");
            seen.extend_from_slice(value.as_bytes());
            seen.push(b'\n');
        }
        let raw = response.bytes().await.unwrap_or_default().to_vec();
        seen.extend_from_slice(&raw);
        self.judge(what, &seen, allowed);
        *self.statuses.entry(status).or_default() += 1;
        let body = serde_json::from_slice(&raw).unwrap_or_default();
        Reply { status, raw, body }
    }

    fn judge(&mut self, what: &str, seen: &[u8], allowed: &[&str]) {
        let found = self.scanner.find(seen);
        let leaked = found.iter().filter(|f| !allowed.iter().any(|name| f.starts_with(name)));
        self.leaks.extend(leaked.map(|leak| format!("{leak} in the answer to {what}")));
        if allowed.is_empty() {
            self.answers.extend_from_slice(seen);
        }
    }

    async fn post(&mut self, what: &str, who: Caller, path: &str, body: &Value) -> Reply {
        let request = self.json(who, path, body.to_string());
        self.send(what, request, &[]).await
    }
}

/// A whole referral of a regieteam in which every personal field holds a canary, and the others.
fn canaries() -> (BTreeMap<String, String>, Value) {
    let mut canaries = Canaries::new();
    let mut referral = example("referral-regieteam");
    // Fields that the example leaves out.
    referral["subjects"][0]["name"]["prefix"] = json!("x");
    referral["contact"]["address"]["suffix"] = json!("x");
    referral["consent"]["signatures"][0]["evidence"] = json!("x");
    referral["consent"]["signatures"][1]["evidence"] = json!("x");
    canaries.fill("referral", &mut referral);
    for name in OTHERS {
        canaries.word(name);
    }
    for name in TOKENS {
        canaries.plain(name);
    }
    for name in ["key", "method", "header-name", "host", "server-name", "kid", "query-name"] {
        canaries.plain(name);
    }
    let all = canaries.all();
    let fields = all.keys().filter(|name| name.starts_with("referral/")).count();
    assert!(fields >= 30, "{fields} personal fields were filled");
    (all.clone(), referral)
}

// The ways to go right and wrong

/// The main job, with canaries in all it carries: who may read them does.
async fn the_main_job(probe: &mut Probe) -> (String, String) {
    let body = probe.referral.clone();
    let request = probe.json(REGIETEAM, "/v1/referrals", body.to_string());
    let sent = probe.send("submit", request, &[]).await;
    assert_eq!(sent.status, 201, "{}", String::from_utf8_lossy(&sent.raw));
    let referral = sent.text("/id");
    let waiting = probe.request(LEA, Method::GET, "/v1/cases?assigned=false&limit=100");
    let waiting = probe.send("waiting cases", waiting, &[]).await;
    let items = waiting.body["items"].as_array().cloned().unwrap_or_default();
    let case = items.last().and_then(|case| case["id"].as_str()).expect("a case").to_owned();
    let at = format!("/v1/cases/{case}");
    let to = json!({"coordinator": "anna"});
    let assigned = probe.post("assign", LEA, &format!("{at}/assignments"), &to).await;
    assert_eq!(assigned.status, 201);
    for path in [String::new(), "/assignments".to_owned()] {
        let who = if path.is_empty() { ANNA } else { LEA };
        let read = probe.request(who, Method::GET, &format!("{at}{path}"));
        assert_eq!(probe.send("read the case", read, &[]).await.status, 200);
    }
    // The sender's own reference is for the sender.
    for path in ["/v1/referrals".to_owned(), format!("/v1/referrals/{referral}")] {
        let read = probe.request(REGIETEAM, Method::GET, &path);
        let read = probe.send("own referral", read, &["referral/reference"]).await;
        assert_eq!(read.status, 200);
    }
    the_release(probe, &at).await;
    let decision = json!({
        "signer": "parent1", "decision": "given", "at": "2026-02-01T09:00:00Z",
        "method": probe.canary("decision-method"), "evidence": probe.canary("decision-evidence"),
    });
    let path = format!("/v1/referrals/{referral}/consent-decisions");
    let decided = probe.post("decide", REGIETEAM, &path, &decision).await;
    assert_eq!(decided.status, 201, "{}", String::from_utf8_lossy(&decided.raw));
    let decided = probe.post("decide", ANNA, &format!("{at}/consent-decisions"), &decision).await;
    assert_eq!(decided.status, 201);
    (referral, case)
}

/// The one authorised release, which is also the proof that the canaries went in and can be found.
async fn the_release(probe: &mut Probe, at: &str) {
    let path = format!("{at}/identity-releases");
    let asked = json!({"purpose": "intake", "reason": probe.canary("reason")});
    let request = probe.json(ANNA, &path, asked.to_string());
    let open = probe.send("release", request, &["referral/"]).await;
    assert_eq!(open.status, 201, "{}", String::from_utf8_lossy(&open.raw));
    let found = probe.scanner.find(&open.raw);
    for name in [
        "referral/subjects/0/name/givenNames",
        "referral/subjects/0/name/prefix",
        "referral/subjects/1/name/surname",
        "referral/contact/phone",
        "referral/contact/email",
        "referral/contact/address/street",
        "referral/contact/address/postcode",
        "referral/subjects/1/birthDate",
        "referral/supportText",
        "referral/referrer/name",
        "referral/plan/reference",
        "referral/plan/goals/0/text",
        "referral/consent/evidence",
    ] {
        assert!(found.contains(&format!("{name} (UTF-8)")), "{name} went in: {found:?}");
    }
    let lines = probe.request(ANNA, Method::GET, &path);
    let lines = probe.send("releases", lines, &["reason"]).await;
    assert!(!probe.scanner.find(&lines.raw).is_empty(), "the reason is for who holds the case");
    for who in [BERT, GEMEENTE, LEA, WIJKTEAM] {
        let reason = json!({"purpose": "intake", "reason": probe.canary("second-reason")});
        let refused = probe.post("foreign release", who, &path, &reason).await;
        assert!(matches!(refused.status, 403 | 404), "{}", refused.status);
    }
}

/// Each field in turn wrong: of another type with canaries in it, or a text that breaks its rule; and each
/// object with a field more.
async fn every_validation_error(probe: &mut Probe) {
    let body = probe.referral.clone();
    let (mut leaves, mut objects) = (Vec::new(), vec![String::new()]);
    places(&body, "", &mut leaves, &mut objects);
    assert!(leaves.len() > 60 && objects.len() > 15, "{} {}", leaves.len(), objects.len());
    let (field, value) = (probe.canary("field").to_owned(), probe.canary("value").to_owned());
    let mut accepted = Vec::new();
    for leaf in &leaves {
        let long = format!("{value}\u{7}{}", value.repeat(120));
        for wrong in [json!({&field: &value}), json!(long), json!([&value, {&field: 1}])] {
            let mut body = body.clone();
            *body.pointer_mut(leaf).expect("a leaf") = wrong;
            let what = format!("wrong {leaf}");
            let refused = probe.post(&what, REGIETEAM, "/v1/referrals", &body).await;
            // An unknown kind of authority is a matter of consent: nobody can sign for it.
            if !matches!(refused.status, 400 | 403) {
                accepted.push(format!("{what}: {}", refused.status));
            }
        }
    }
    for object in &objects {
        let mut more = body.clone();
        more.pointer_mut(object).expect("an object")[&field] = json!(value);
        let what = format!("more in {object}");
        let refused = probe.post(&what, REGIETEAM, "/v1/referrals", &more).await;
        if refused.status != 400 {
            accepted.push(format!("{what}: {}", refused.status));
        }
    }
    assert!(accepted.is_empty(), "every wrong body is refused as such: {accepted:?}");
    let mut few = body.clone();
    few["subjects"][0]["name"]["surname"] = json!(format!("{value} 111222333"));
    assert_eq!(probe.post("a bsn", REGIETEAM, "/v1/referrals", &few).await.status, 400);
}

/// Pointers of everything that is neither object nor array, and of all objects.
fn places(value: &Value, at: &str, leaves: &mut Vec<String>, objects: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                places(field, &format!("{at}/{key}"), leaves, objects);
            }
            if !at.is_empty() {
                objects.push(at.to_owned());
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), leaves, objects);
            }
        }
        _ => leaves.push(at.to_owned()),
    }
}

/// Bodies that are no referral at all.
async fn every_malformed_body(probe: &mut Probe) {
    let text = probe.referral.to_string();
    let malformed = probe.canary("malformed").to_owned();
    let narrow: Vec<u8> =
        malformed.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("cut off", text.as_bytes()[..text.len() / 2].to_vec()),
        ("no JSON", malformed.clone().into_bytes()),
        ("text behind", format!("{text}{malformed}").into_bytes()),
        ("a string", json!(malformed).to_string().into_bytes()),
        ("an array", json!([malformed, {&malformed: 1}]).to_string().into_bytes()),
        ("not UTF-8", [b"{\"source\":\"".as_slice(), &narrow, b"\"}"].concat()),
        (
            "twice",
            format!("{{\"source\":\"{malformed}\",\"source\":\"{malformed}\"}}").into_bytes(),
        ),
        ("deep", format!("{}{malformed}", "[\"".repeat(20_000)).into_bytes()),
        ("a number", format!("{{\"contactsBefore\":1e999,\"{malformed}\":0}}").into_bytes()),
        ("empty", Vec::new()),
    ];
    for (what, body) in bodies {
        let request = probe.json(REGIETEAM, "/v1/referrals", body);
        assert_eq!(probe.send(what, request, &[]).await.status, 400, "{what}");
    }
    let large = malformed.repeat(10_000);
    let request = probe.json(REGIETEAM, "/v1/referrals", large.clone());
    assert_eq!(probe.send("too large", request, &[]).await.status, 413);
    let media = probe.canary("media-type").to_owned();
    for media in ["text/plain", "application/json; charset=latin1", &media] {
        let media = format!("{media}; x={malformed}").into_bytes();
        let key = format!("{malformed}-media").into_bytes();
        let request = probe
            .request(REGIETEAM, Method::POST, "/v1/referrals")
            .header("Content-Type", media)
            .header("Idempotency-Key", key)
            .body(text.clone());
        assert_eq!(probe.send("media type", request, &[]).await.status, 415);
    }
    let coding = probe.canary("coding").as_bytes().to_vec();
    let request = probe.json(REGIETEAM, "/v1/referrals", text).header("Content-Encoding", coding);
    assert_eq!(probe.send("coding", request, &[]).await.status, 415);
}

/// Refusals that are not about form: consent, capacity, place, keys.
async fn every_refusal(probe: &mut Probe) {
    let body = probe.referral.clone();
    let mut refused = body.clone();
    refused["consent"]["signatures"][0]["decision"] = json!("refused");
    assert_eq!(probe.post("refused", REGIETEAM, "/v1/referrals", &refused).await.status, 403);
    let mut without = body.clone();
    without.as_object_mut().expect("an object").remove("consent");
    assert_eq!(probe.post("no consent", REGIETEAM, "/v1/referrals", &without).await.status, 403);
    let mut elsewhere = body.clone();
    elsewhere["municipality"] = json!("GM9999");
    elsewhere["district"] = json!(null);
    let status = probe.post("elsewhere", REGIETEAM, "/v1/referrals", &elsewhere).await.status;
    assert!(matches!(status, 400 | 403), "{status}");
    let mut capacity = body.clone();
    capacity["source"] = json!("doorbraakcoach");
    assert_eq!(probe.post("capacity", REGIETEAM, "/v1/referrals", &capacity).await.status, 400);
    let once = |probe: &Probe, body: &Value, key: Vec<u8>| {
        probe
            .request(REGIETEAM, Method::POST, "/v1/referrals")
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", key)
            .body(body.to_string())
    };
    let key = probe.canary("key").as_bytes().to_vec();
    let mut other = body.clone();
    other["supportText"] = json!(probe.canary("value"));
    for (body, status) in [(&body, 201), (&body, 201), (&other, 409)] {
        let request = once(probe, body, key.clone());
        assert_eq!(probe.send("a key again", request, &[]).await.status, status);
    }
    let long = probe.canary("long-key").repeat(9).into_bytes();
    let request = once(probe, &body, long);
    assert_eq!(probe.send("a bad key", request, &[]).await.status, 400);
}

/// Canaries where a case or referral is named or changed.
async fn every_case_route(probe: &mut Probe, referral: &str, case: &str) {
    let (field, value) = (probe.canary("field").to_owned(), probe.canary("value").to_owned());
    let account = probe.canary("account").to_owned();
    let at = format!("/v1/cases/{case}");
    let bodies = [
        json!({&field: &value}),
        json!({"purpose": &value, "reason": format!("{value}\u{7}")}),
        json!({"purpose": "intake", "reason": {&field: &value}}),
        json!({"signer": &value, "decision": &value, "at": &value, "method": [&value], "evidence": 1}),
        json!({"signer": "nobody", "decision": "given", "at": "2999-01-01T00:00:00Z", "method": &value}),
        json!({"to": &value}),
        json!({"to": "paired", &field: &value}),
        json!({"coordinator": &value}),
        json!({"coordinator": &account}),
        json!([&value]),
        json!(&value),
    ];
    let routes = [
        (ANNA, format!("{at}/identity-releases")),
        (ANNA, format!("{at}/consent-decisions")),
        (ANNA, format!("{at}/transitions")),
        (LEA, format!("{at}/assignments")),
        (REGIETEAM, format!("/v1/referrals/{referral}/consent-decisions")),
    ];
    for (who, route) in &routes {
        for body in &bodies {
            let refused = probe.post(&format!("{route} {body}"), *who, route, body).await;
            assert!((400..500).contains(&refused.status), "{route} {body}: {}", refused.status);
        }
        // A stranger, and an id that is none.
        let foreign = if who.0 == "buurtgezinnen" { BERT } else { WIJKTEAM };
        for body in &bodies {
            probe.post("foreign", foreign, route, body).await;
        }
        let nowhere = route.replace(case, &account).replace(referral, &account);
        probe.post("nowhere", *who, &nowhere, &bodies[1]).await;
        let stale = probe.canary("header").as_bytes().to_vec();
        let request = probe.json(*who, route, bodies[7].to_string()).header("If-Match", stale);
        probe.send("If-Match", request, &[]).await;
    }
}

/// Canaries in the request line and in headers.
async fn every_place_of_a_request(probe: &mut Probe) {
    let (path, query) = (probe.canary("path").to_owned(), probe.canary("query").to_owned());
    let name = probe.canary("query-name").to_owned();
    for at in [
        format!("/{path}"),
        format!("/v1/referrals/{path}"),
        format!("/v1/cases/{path}/identity-releases"),
        format!("/v1/statistics/releases/{path}"),
        format!("/v1/referrals?{name}={query}"),
        format!("/v1/referrals?cursor={query}"),
        format!("/v1/cases?limit={query}&assigned={query}"),
        format!("/v1/audit/checkpoint?{query}#{path}"),
        format!("/v1//{path}/../%2e%2e/%00;{path}"),
        format!("/oauth/token/{path}?client_id={query}"),
        format!("/.well-known/{path}"),
    ] {
        for who in [REGIETEAM, ANNA, GEMEENTE] {
            let request = probe.request(who, Method::GET, &at);
            probe.send(&at, request, &[]).await;
        }
    }
    let header = probe.canary("header").as_bytes().to_vec();
    for of in [
        "User-Agent",
        "Cookie",
        "Referer",
        "From",
        "X-Forwarded-For",
        "Forwarded",
        "Origin",
        "Traceparent",
        "Tracestate",
        "Accept-Language",
        "If-None-Match",
        "Range",
        "Via",
        "X-Request-Id",
        "Request-Id",
        "Accept",
        probe.canary("header-name"),
    ]
    .map(str::to_owned)
    {
        let request =
            probe.request(REGIETEAM, Method::GET, "/v1/referrals").header(&of, header.clone());
        let read = probe.send(&of, request, &["referral/reference"]).await;
        assert!(matches!(read.status, 200 | 400 | 406 | 416), "{of}: {}", read.status);
    }
}

/// Canaries as the method, in forms, and at the other listeners.
async fn every_other_door(probe: &mut Probe) {
    let (path, query) = (probe.canary("path").to_owned(), probe.canary("query").to_owned());
    let name = probe.canary("query-name").to_owned();
    let header = probe.canary("header").as_bytes().to_vec();
    let method = Method::from_bytes(probe.canary("method").as_bytes()).expect("a method");
    for (who, at) in [(REGIETEAM, "/v1/referrals"), (ANNA, "/nowhere"), (LEA, "/v1/cases")] {
        let request = probe.request(who, method.clone(), at);
        probe.send("made-up method", request, &[]).await;
    }
    let forms = [
        format!("grant_type={}&client_id={}", probe.canary("grant"), probe.canary("client-id")),
        format!("grant_type=client_credentials&client_id={}", probe.canary("client-id")),
        probe.canary("form").to_owned(),
    ];
    for form in forms {
        let request = probe
            .request(REGIETEAM, Method::POST, "/oauth/token")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form);
        assert_eq!(probe.send("token", request, &[]).await.status, 400);
    }
    for port in [probe.deployment.ports.portal, probe.deployment.ports.admin] {
        let scheme = if port == probe.deployment.ports.admin { "http" } else { "https" };
        let url = format!("{scheme}://localhost:{port}/{path}?{name}={query}");
        let request = probe.deployment.client(None).get(url).header("Cookie", header.clone());
        probe.send("another listener", request, &[]).await;
    }
}

/// Canaries in tokens that are not accepted, and in what is no token.
async fn every_bad_token(probe: &mut Probe) {
    let good = probe.claims("bad-sub", "bad-jti");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let mut tokens = vec![probe.canary("basic").to_owned()];
    for claims in [
        with("iss", json!(probe.canary("iss"))),
        with("aud", json!(probe.canary("aud"))),
        with("roles", json!([probe.canary("role")])),
        with("exp", json!(1)),
        with("cnf", json!({"x5t#S256": probe.canary("jti")})),
        with("sub", json!({probe.canary("bad-sub"): 1})),
        with("sub", json!(probe.canary("value"))),
    ] {
        tokens.push(probe.signed(&claims));
    }
    let header = json!({"alg": "none", "kid": probe.canary("kid"), "typ": probe.canary("kid")});
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let claims = URL_SAFE_NO_PAD.encode(good.to_string());
    tokens.push(format!("{header}.{claims}.{claims}"));
    let client = probe.voices[REGIETEAM.1].client.clone();
    let url = format!("{}/v1/referrals", probe.voices[REGIETEAM.1].base);
    for token in tokens {
        for scheme in ["Bearer ", "Basic ", ""] {
            let value = format!("{scheme}{token}").into_bytes();
            let request = client.get(&url).header("Authorization", value);
            assert_eq!(probe.send("a bad token", request, &[]).await.status, 401);
        }
    }
    let own = probe.voices[REGIETEAM.1].token.clone();
    let request = client.get(&url).bearer_auth(&own).header("Authorization", "Bearer x");
    assert_eq!(probe.send("two tokens", request, &[]).await.status, 401);
    // Somebody else's certificate with this token.
    let request = probe.voices[WIJKTEAM.1].client.get(&url).bearer_auth(own);
    assert_eq!(probe.send("a stolen token", request, &[]).await.status, 401);
}

/// Bytes that no HTTP library sends.
fn every_raw_request(probe: &mut Probe) {
    let (raw, path) = (probe.canary("raw").to_owned(), probe.canary("raw-path").to_owned());
    let long = raw.repeat(12_000);
    let requests = [
        format!("{raw}\r\n\r\n"),
        format!("GET /{path} HTTP/9.9\r\n\r\n"),
        format!("GET /{path} HTTP/1.1\r\n{raw}\r\n\r\n"),
        format!("GET /v1/referrals HTTP/1.1\r\nHost: {raw}\r\nX: {raw}\0{raw}\r\n\r\n"),
        format!("GET http://{raw}/{path} HTTP/1.1\r\nHost: {raw}\r\n\r\n"),
        format!("POST /v1/referrals HTTP/1.1\r\nHost: x\r\nContent-Length: {raw}\r\n\r\n{raw}"),
        format!(
            "POST /v1/referrals HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nTransfer-Encoding: \
             chunked\r\n\r\n{raw}"
        ),
        format!(
            "POST /v1/referrals HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n{raw}\r\n"
        ),
        format!("GET /v1/referrals HTTP/1.1\r\nX-Long: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"),
    ];
    for request in requests {
        let name = probe.canary("server-name").to_owned();
        for server in ["localhost", &format!("{name}.localhost")] {
            let answer = over_tls(&probe.deployment, server, request.as_bytes());
            probe.judge("a raw request", &answer, &[]);
        }
        for port in [probe.deployment.ports.api, probe.deployment.ports.admin] {
            let mut plain = TcpStream::connect(("127.0.0.1", port)).expect("a listener");
            plain.set_read_timeout(Some(Duration::from_millis(400))).expect("a socket");
            let answer = exchange(&mut plain, request.as_bytes());
            // An HTTP answer in the clear repeats nothing either.
            probe.judge("a raw request in the clear", &answer, &[]);
        }
    }
}

/// Writes, then reads what comes within a moment; the other side may close at any time.
fn exchange<S: Read + Write>(stream: &mut S, request: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    if stream.write_all(request).and_then(|()| stream.flush()).is_ok() {
        while let Ok(count) = stream.read(&mut buffer) {
            answer.extend_from_slice(&buffer[..count]);
            if count == 0 || answer.ends_with(b"}") {
                break;
            }
        }
    }
    answer
}

fn over_tls(deployment: &Deployment, server: &str, request: &[u8]) -> Vec<u8> {
    let pki = deployment.dir().join("pki");
    let identity = IdentityFiles {
        certificate: pki.join(WIJKTEAM.0).join("cert.pem"),
        key: pki.join(WIJKTEAM.0).join("key.pem"),
    };
    let files = OutboundFiles { authorities: pki.join("ca.pem"), identity: Some(identity) };
    let config = client::open(&files, &Clock::System).expect("certificates");
    let name = ServerName::try_from(server.to_owned()).expect("a name");
    let session = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let socket = TcpStream::connect(("127.0.0.1", deployment.ports.api)).expect("a listener");
    socket.set_read_timeout(Some(Duration::from_millis(400))).expect("a socket");
    exchange(&mut rustls::StreamOwned::new(session, socket), request)
}

// A store that fails

/// The database refuses, is locked or gone: referrals, releases and readings fail, and tell nothing.
async fn every_failure_of_the_store(probe: &mut Probe, case: &str) {
    let pool = probe.deployment.outside().await;
    // A write that does not fit: PostgreSQL puts the failing row in its own log.
    let refuse = sql::either(
        &pool,
        "CREATE TRIGGER no_more BEFORE INSERT ON identity BEGIN SELECT raise(ABORT, 'no'); END",
        "ALTER TABLE identity ADD CONSTRAINT no_more CHECK (version > 99) NOT VALID",
    );
    sql::run(&pool, refuse).await;
    let body = probe.referral.clone();
    assert_eq!(probe.post("refused row", REGIETEAM, "/v1/referrals", &body).await.status, 500);
    let again =
        sql::either(&pool, "DROP TRIGGER no_more", "ALTER TABLE identity DROP CONSTRAINT no_more");
    sql::run(&pool, again).await;
    // A row that is not as it was written.
    sql::run(&pool, "UPDATE identity SET version = version + 7").await;
    let path = format!("/v1/cases/{case}/identity-releases");
    let asked = json!({"purpose": "intake", "reason": probe.canary("second-reason")});
    assert_eq!(probe.post("corrupt row", ANNA, &path, &asked).await.status, 500);
    sql::run(&pool, "UPDATE identity SET version = version - 7").await;
    probe.deployment.gone(&pool, true).await;
    for (who, at, body) in [(REGIETEAM, "/v1/referrals", &body), (ANNA, &*path, &asked)] {
        let refused = probe.post("no database", who, at, body).await;
        assert_eq!(refused.status, 503, "{}", String::from_utf8_lossy(&refused.raw));
    }
    probe.deployment.gone(&pool, false).await;
    let client = probe.deployment.client(None);
    probe.running.ready(&client).await;
    let request = probe.json(ANNA, &path, asked.to_string());
    assert_eq!(probe.send("healed", request, &["referral/"]).await.status, 201);
    pool.close().await;
}

// Where it could have gone

async fn sinks(probe: &Probe) -> Vec<Sink> {
    let sink = |name: &str, bytes| Sink { name: name.to_owned(), bytes };
    let metrics = format!("http://127.0.0.1:{}/metrics", probe.deployment.ports.admin);
    let metrics = probe.deployment.client(None).get(metrics).send().await.expect("metrics");
    let id = probe.running.id();
    let read = |path: String| std::fs::read(path).unwrap_or_default();
    let mut sinks = vec![
        sink("standard output", read(probe.deployment.beside("probed.out").display().to_string())),
        sink("standard error", read(probe.deployment.beside("probed.err").display().to_string())),
        sink("metrics", metrics.bytes().await.expect("metrics").to_vec()),
        sink("answers", probe.answers.clone()),
        sink("command line", read(format!("/proc/{id}/cmdline"))),
        sink("environment", read(format!("/proc/{id}/environ"))),
    ];
    let pool = probe.deployment.outside().await;
    for table in tables(&pool).await {
        let rows = rows(&pool, &table).await.join("\n").into_bytes();
        sinks.push(sink(&format!("table {table}"), rows));
    }
    files_of(&probe.deployment.beside("temporary"), probe.begun, "", &mut sinks);
    match &probe.deployment.database {
        None => {
            for end in ["", "-wal", "-shm"] {
                let name = format!("buurtpoort.sqlite{end}");
                let bytes = std::fs::read(probe.deployment.dir().join(&name)).expect("a file");
                sinks.push(sink(&name, bytes));
            }
        }
        Some(_) => server_files(&pool, probe.begun, &mut sinks).await,
    }
    pool.close().await;
    sinks
}

async fn tables(pool: &Pool) -> Vec<String> {
    let sql = sql::either(
        pool,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        "SELECT CAST(table_name AS TEXT) FROM information_schema.tables \
         WHERE table_schema = 'public'",
    );
    sql::texts(pool, sql).await
}

/// All columns of all rows, bytes in hex: a file would cut long ones in pieces.
async fn rows(pool: &Pool, table: &str) -> Vec<String> {
    let sql = match pool {
        Pool::Postgres(_) => format!("SELECT CAST(t AS TEXT) FROM {table} t"),
        Pool::Sqlite { .. } => {
            let columns =
                format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')");
            let columns = sql::texts(pool, &columns).await.join(" || ' ' || ");
            format!("SELECT {columns} FROM {table}")
        }
    };
    sql::texts(pool, &sql).await
}

/// Files of the PostgreSQL server that were written since the test began: the database itself, the
/// write-ahead log, what all databases share, the server's log. Those of other databases are not ours.
async fn server_files(pool: &Pool, begun: SystemTime, sinks: &mut Vec<Sink>) {
    sql::run(pool, "CHECKPOINT").await;
    let directory = sql::texts(pool, "SHOW data_directory").await.concat();
    let own = "SELECT CAST(oid AS TEXT) FROM pg_database WHERE datname = current_database()";
    let own = format!("/base/{}/", sql::texts(pool, own).await.concat());
    let activity = "SELECT COALESCE(query, '') FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let activity = sql::texts(pool, activity).await.join("\n").into_bytes();
    sinks.push(Sink { name: "pg_stat_activity".to_owned(), bytes: activity });
    let directory = PathBuf::from(directory);
    // The log lies beside the data, or within.
    let server = directory.parent().unwrap_or(&directory).to_owned();
    if std::fs::read_dir(&directory).is_err() {
        assert!(std::env::var_os("CI").is_none(), "the server's files cannot be read from here");
        eprintln!("passed over: the server's files, which cannot be read from here");
        return;
    }
    let before = sinks.len();
    files_of(&server, begun, &own, sinks);
    let names: Vec<&str> = sinks.iter().skip(before).map(|sink| sink.name.as_str()).collect();
    for wanted in [own.as_str(), "/pg_wal/", "/log"] {
        assert!(names.iter().any(|name| name.contains(wanted)), "{wanted} among {names:?}");
    }
}

/// Every file below that was written since `begun`; of `/base/…` only what `own` names.
fn files_of(directory: &Path, begun: SystemTime, own: &str, sinks: &mut Vec<Sink>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.display().to_string();
        // What comes and goes meanwhile is passed over.
        let Ok(meta) = entry.metadata() else {
            continue;
        };
        if meta.is_dir() {
            files_of(&path, begun, own, sinks);
        } else if (!name.contains("/base/") || name.contains(own))
            && meta.modified().is_ok_and(|at| at >= begun)
            && meta.is_file()
        {
            sinks.push(Sink { name, bytes: std::fs::read(&path).unwrap_or_default() });
        }
    }
}

// The search, and the proof that it finds

/// A leak in every form, planted in a part of each sink, is found.
fn planted_leaks_are_found(probe: &Probe, sinks: &[Sink]) {
    let planted = "referral/subjects/0/name/surname";
    let forms = [probe.scanner.forms_of(planted), probe.scanner.forms_of("root key")].concat();
    assert!(forms.len() > 60, "{} forms", forms.len());
    // One sink of a kind is enough of a server's many files.
    let (files, others): (Vec<&Sink>, Vec<&Sink>) =
        sinks.iter().partition(|sink| sink.name.starts_with('/'));
    for sink in others.into_iter().chain(files.into_iter().take(8)) {
        let part = &sink.bytes[..sink.bytes.len().min(2_000)];
        for (number, (form, bytes)) in forms.iter().enumerate() {
            let at = number * 31 % (part.len() + 1);
            let planted = [&part[..at], bytes, &part[at..]].concat();
            let found = probe.scanner.find(&planted);
            assert!(
                found.iter().any(|f| f.ends_with(&format!("({form})"))),
                "{} {form}",
                sink.name
            );
        }
    }
}

/// Really leaked into the database and, on PostgreSQL, into the server's log: found there.
async fn real_leaks_are_found(probe: &Probe) {
    let pool = probe.deployment.outside().await;
    let leak = probe.canary("malformed");
    sql::run(&pool, "CREATE TABLE leaked (words TEXT)").await;
    sql::run(&pool, &format!("INSERT INTO leaked (words) VALUES ('{leak}')")).await;
    let failing = format!("SELECT 1 FROM \"{leak}\"");
    assert!(sql::attempt(&pool, &failing).await.is_err());
    pool.close().await;
    let sinks = sinks(probe).await;
    let found: Vec<&str> = sinks
        .iter()
        .filter(|sink| !probe.scanner.find(&sink.bytes).is_empty())
        .map(|sink| sink.name.as_str())
        .collect();
    let files_are_read = sinks.iter().any(|sink| sink.name.contains("/pg_wal/"));
    let wanted: &[&str] = match probe.deployment.engine {
        Engine::Sqlite => &["table leaked", "buurtpoort.sqlite-wal"],
        Engine::Postgres if files_are_read => &["table leaked", "/base/", "/pg_wal/", "/log"],
        Engine::Postgres => &["table leaked"],
    };
    for wanted in wanted {
        assert!(found.iter().any(|name| name.contains(wanted)), "{wanted} among {found:?}");
    }
}

async fn leak_01_to_16(engine: Engine) {
    let Some(mut probe) = Probe::start(engine).await else {
        return;
    };
    let (referral, case) = the_main_job(&mut probe).await;
    every_validation_error(&mut probe).await;
    every_malformed_body(&mut probe).await;
    every_refusal(&mut probe).await;
    every_case_route(&mut probe, &referral, &case).await;
    every_place_of_a_request(&mut probe).await;
    every_other_door(&mut probe).await;
    every_bad_token(&mut probe).await;
    every_raw_request(&mut probe);
    every_failure_of_the_store(&mut probe, &case).await;
    let sinks = sinks(&probe).await;
    for sink in &sinks {
        for found in probe.scanner.find(&sink.bytes) {
            probe.leaks.insert(format!("{found} in {}", sink.name));
        }
    }
    assert!(probe.leaks.is_empty(), "{:#?}", probe.leaks);
    let logged = &sinks.iter().find(|sink| sink.name == "standard error").expect("a log").bytes;
    let logged = String::from_utf8_lossy(logged);
    assert!(logged.contains("\"TRACE\"") && logged.contains("\"store\""), "everything is logged");
    for status in [201, 400, 401, 403, 404, 405, 406, 409, 413, 415, 500, 503] {
        assert!(probe.statuses.contains_key(&status), "no {status} in {:?}", probe.statuses);
    }
    planted_leaks_are_found(&probe, &sinks);
    real_leaks_are_found(&probe).await;
    let size: usize = sinks.iter().map(|sink| sink.bytes.len()).sum();
    eprintln!(
        "{engine:?}: {} canaries in {} forms, {} answers, {} sinks of {} KiB: nothing",
        probe.canaries.len(),
        probe.scanner.len(),
        probe.statuses.values().sum::<usize>(),
        sinks.len(),
        size / 1024
    );
}

#[actix_web::test]
async fn leak_01_to_16_sqlite() {
    leak_01_to_16(Engine::Sqlite).await;
}

#[actix_web::test]
async fn leak_01_to_16_postgres() {
    leak_01_to_16(Engine::Postgres).await;
}
