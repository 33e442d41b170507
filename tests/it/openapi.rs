//! The description of the API against what the API does: examples, required fields, answers.

use crate::support::{
    ANNA, Caller, Engine, LEA, REGIETEAM, WIJKTEAM, World, answer, client_of, example,
};
use buurtpoort::http::openapi;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Each example of `examples/`, with the operation whose body it is.
const EXAMPLES: &[(&str, &str)] = &[
    ("access-export", "exportForAccess"),
    ("access-request", "requestAccess"),
    ("assignment", "assignCase"),
    ("consent-withdrawal", "decideCaseConsent"),
    ("consent-withdrawal", "decideReferralConsent"),
    ("correction", "correctCase"),
    ("erasure", "eraseCase"),
    ("evaluation", "createEvaluation"),
    ("goal", "changeGoal"),
    ("identity-release", "releaseIdentity"),
    ("link-decision", "decideLink"),
    ("objection", "objectToStatistics"),
    ("pairing", "createPairing"),
    ("pairing-step", "transitionPairing"),
    ("programme-report", "reportProgramme"),
    ("referral-doorbraakcoach", "submitReferral"),
    ("referral-poh-j", "submitReferral"),
    ("referral-regieteam", "submitReferral"),
    ("referral-self", "submitReferral"),
    ("referral-wijkteam", "submitReferral"),
    ("support-family", "registerSupportFamily"),
    ("support-family-release", "releaseSupportIdentity"),
    ("support-family-step", "transitionSupportFamily"),
    ("transition", "transitionCase"),
];

/// Problems any request can meet, and those that only a request with a body can.
const PROBLEMS: &[&str] = &["400", "401", "403", "404", "406", "429", "503"];
const PROBLEMS_OF_BODIES: &[&str] = &["408", "409", "413", "415"];

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let of_path = |(path, item): (&String, &'_ Value)| {
        let item = item.as_object().expect("operations").clone();
        item.keys().map(|method| (method.clone(), path.clone())).collect::<Vec<_>>()
    };
    let named: Vec<(String, String)> = paths.iter().flat_map(of_path).collect();
    let found = named
        .into_iter()
        .map(|(method, path)| (format!("{method} {path}"), &document["paths"][&path][&method]));
    found.collect()
}

fn operation<'d>(document: &'d Value, id: &str) -> &'d Value {
    let found = operations(document).into_iter().find(|(_, one)| one["operationId"] == json!(id));
    found.unwrap_or_else(|| panic!("no operation {id}")).1
}

fn body_schema<'d>(document: &'d Value, id: &str) -> &'d Value {
    &operation(document, id)["requestBody"]["content"]["application/json"]["schema"]
}

/// As much of JSON Schema 2020-12 as the description uses; a keyword it does not know is an error, so
/// that nothing is passed over.
struct Validator<'d> {
    document: &'d Value,
    errors: Vec<String>,
}

impl<'d> Validator<'d> {
    fn check(document: &'d Value, schema: &'d Value, value: &Value) -> Vec<String> {
        let mut validator = Self { document, errors: Vec::new() };
        validator.at("", schema, value);
        validator.errors
    }

    fn at(&mut self, place: &str, schema: &'d Value, value: &Value) {
        let schema = schema.as_object().unwrap_or_else(|| panic!("{place}: a schema is an object"));
        for (keyword, rule) in schema {
            match keyword.as_str() {
                "description" | "format" | "title" | "example" => {}
                "$ref" => self.at(place, self.referred(rule), value),
                "type" => self.kind(place, rule, value),
                "oneOf" => self.one_of(place, rule, value),
                "properties" => self.properties(place, rule, value),
                "required" => self.required(place, rule, value),
                "additionalProperties" => self.closed(place, schema, rule, value),
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.at(&format!("{place}/{index}"), rule, item);
                    }
                }
                "enum" => {
                    let known = rule.as_array().is_some_and(|terms| terms.contains(value));
                    self.ensure(known, place, "not one of the terms");
                }
                "minimum" => {
                    let low = value.as_f64().zip(rule.as_f64()).is_some_and(|(v, low)| v < low);
                    self.ensure(!low, place, "too low");
                }
                unknown => panic!("{place}: this validator does not know {unknown}"),
            }
        }
    }

    fn referred(&self, rule: &Value) -> &'d Value {
        let pointer = rule.as_str().and_then(|text| text.strip_prefix('#')).expect("a local $ref");
        self.document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere"))
    }

    fn ensure(&mut self, holds: bool, place: &str, rule: &str) {
        if !holds {
            self.errors.push(format!("{place}: {rule}"));
        }
    }

    fn kind(&mut self, place: &str, rule: &Value, value: &Value) {
        let is = |kind: &Value| match kind.as_str().expect("a type") {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            unknown => panic!("{place}: no type is called {unknown}"),
        };
        let fits = rule.as_array().map_or_else(|| is(rule), |kinds| kinds.iter().any(is));
        self.ensure(fits, place, "of another type");
    }

    fn one_of(&mut self, place: &str, rule: &'d Value, value: &Value) {
        let choices = rule.as_array().expect("choices");
        // "This, or null": what is wrong with it is said of this.
        if let [shape, null] = choices.as_slice()
            && null["type"] == json!("null")
        {
            if !value.is_null() {
                self.at(place, shape, value);
            }
            return;
        }
        let fits = |one: &&'d Value| Self::check(self.document, one, value).is_empty();
        self.ensure(choices.iter().filter(fits).count() == 1, place, "must fit exactly one");
    }

    fn properties(&mut self, place: &str, rule: &'d Value, value: &Value) {
        for (name, schema) in rule.as_object().expect("properties") {
            if let Some(inner) = value.get(name) {
                self.at(&format!("{place}/{name}"), schema, inner);
            }
        }
    }

    fn required(&mut self, place: &str, rule: &Value, value: &Value) {
        for name in rule.as_array().expect("names").iter().filter_map(Value::as_str) {
            let there = !value.is_object() || value.get(name).is_some();
            self.ensure(there, &format!("{place}/{name}"), "required");
        }
    }

    fn closed(&mut self, place: &str, schema: &Map<String, Value>, rule: &Value, value: &Value) {
        if *rule != json!(false) {
            return;
        }
        let known = schema.get("properties").and_then(Value::as_object);
        for name in value.as_object().into_iter().flat_map(Map::keys) {
            let listed = known.is_some_and(|known| known.contains_key(name));
            self.ensure(listed, &format!("{place}/{name}"), "not documented");
        }
    }
}

#[test]
fn every_example_fits_the_body_of_its_operation() {
    let document = openapi::document();
    for (name, id) in EXAMPLES {
        let schema = body_schema(&document, id);
        let errors = Validator::check(&document, schema, &example(name));
        assert_eq!(errors, Vec::<String>::new(), "{name}");
    }
    let listed: BTreeSet<String> =
        EXAMPLES.iter().map(|(name, _)| format!("{name}.json")).collect();
    let there = std::fs::read_dir(format!("{}/examples", env!("CARGO_MANIFEST_DIR")));
    let there = there.expect("examples").map(|entry| entry.expect("a file").file_name());
    let there: BTreeSet<String> = there
        .filter_map(|name| name.into_string().ok())
        .filter(|name| std::path::Path::new(name).extension().is_some_and(|kind| kind == "json"))
        .collect();
    assert_eq!(there, listed, "every example has its operation here");
    let taking: BTreeSet<&str> = operations(&document)
        .into_iter()
        .filter(|(_, one)| one.get("requestBody").is_some())
        .filter_map(|(_, one)| one["operationId"].as_str())
        .collect();
    let shown: BTreeSet<&str> = EXAMPLES.iter().map(|(_, id)| *id).collect();
    assert_eq!(shown, taking, "every body has an example");
}

/// The control of the test above: what is wrong in an example is found.
#[test]
fn what_does_not_fit_is_found() {
    let document = openapi::document();
    let schema = body_schema(&document, "submitReferral");
    let found = |change: &dyn Fn(&mut Value)| {
        let mut body = example("referral-wijkteam");
        change(&mut body);
        Validator::check(&document, schema, &body)
    };
    assert_eq!(found(&|b| b["subjects"][1]["x"] = json!(1)), ["/subjects/1/x: not documented"]);
    assert_eq!(found(&|b| b["safetySignal"] = json!("no")), ["/safetySignal: of another type"]);
    assert_eq!(found(&|b| b["consent"] = json!(7)), ["/consent: of another type"]);
    let without = |b: &mut Value| drop(b.as_object_mut().map(|b| b.remove("safetySignal")));
    assert_eq!(found(&without), ["/safetySignal: required"]);
}

#[test]
fn every_operation_is_described_in_full() {
    let document = openapi::document();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")));
    let mut ids = BTreeSet::new();
    for (name, one) in operations(&document) {
        let id = one["operationId"].as_str().unwrap_or_else(|| panic!("{name}: no operationId"));
        assert!(ids.insert(id.to_owned()), "{id} twice");
        let told = |member: &str| one[member].as_str().is_some_and(|text| !text.trim().is_empty());
        assert!(told("description") || told("summary"), "{name}: no description");
        assert_eq!(one["tags"].as_array().map(Vec::len), Some(1), "{name}");
        let answers = one["responses"].as_object().expect("responses");
        let takes_body = one.get("requestBody").is_some();
        let expected = PROBLEMS.iter().chain(PROBLEMS_OF_BODIES.iter().filter(|_| takes_body));
        for status in expected {
            let problem = &one["responses"][*status]["content"]["application/problem+json"];
            let schema = &problem["schema"]["$ref"];
            assert_eq!(*schema, json!("#/components/schemas/Problem"), "{name}: {status}");
        }
        assert!(answers.keys().any(|status| status.starts_with('2')), "{name}");
        for (status, one) in answers {
            for header in ["API-Version", "Audit-Checkpoint", "Cache-Control", "traceparent"] {
                assert!(one["headers"].get(header).is_some(), "{name}: {status} {header}");
            }
            let text = one["description"].as_str().unwrap_or_default();
            assert!(!text.trim().is_empty(), "{name}: {status} says nothing");
        }
        parameters_are_described(&name, one);
    }
}

fn parameters_are_described(name: &str, one: &Value) {
    let parameters: BTreeMap<&str, &Value> = one["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|parameter| Some((parameter["name"].as_str()?, parameter)))
        .collect();
    assert_eq!(parameters.contains_key("id"), name.contains("{id}"), "{name}");
    for (parameter, described) in &parameters {
        let text = described["description"].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{name}: {parameter}");
    }
    let creates = one["responses"].get("201").is_some();
    let key = parameters.get("Idempotency-Key");
    assert_eq!(key.is_some(), creates, "{name}: a key goes with what creates");
    assert!(key.is_none_or(|key| key["required"] == json!(true)), "{name}");
}

#[test]
fn every_reference_leads_somewhere_and_every_shape_is_used() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            found.insert(target.to_owned());
        }
        let inner = value.as_object().into_iter().flat_map(Map::values);
        inner.chain(value.as_array().into_iter().flatten()).for_each(|v| references(v, found));
    }
    let document = openapi::document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for target in &found {
        let pointer = target.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{target}");
    }
    let shapes = document["components"]["schemas"].as_object().expect("schemas");
    for name in shapes.keys() {
        assert!(found.contains(&format!("#/components/schemas/{name}")), "{name} is used nowhere");
    }
}

/// No example of the description, and no text in it, holds what looks like somebody's data.
#[test]
fn leak_20_the_description_holds_no_numbers_of_people() {
    let text = openapi::document().to_string();
    assert!(!buurtpoort::domain::bsn::contains_bsn(&text));
    assert!(buurtpoort::domain::bsn::contains_bsn("nr 111222333"), "the control");
}

/// A request body with every member of every object, by pointer.
fn members(value: &Value, place: &str, found: &mut Vec<String>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let here = format!("{place}/{name}");
        members(inner, &here, found);
        found.push(here);
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        members(inner, &format!("{place}/{index}"), found);
    }
}

fn without(body: &Value, pointer: &str) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a member");
    let mut body = body.clone();
    let object = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    object.remove(name).expect("a member");
    body
}

/// Required of a youth and not of an adult, and a plan of a regieteam: the description cannot say so.
const ON_CONDITION: &[&str] = &[
    "referral-wijkteam/subjects/1/birthDate",
    "referral-wijkteam/subjects/1/authority",
    "referral-regieteam/plan",
    "referral-regieteam/subjects/1/birthDate",
    "referral-regieteam/subjects/1/authority",
];

/// What the description calls required is what the gateway misses, and nothing else.
#[actix_web::test]
async fn required_in_the_description_is_required_at_the_door() {
    let world = World::raise(Engine::Sqlite).await.expect("SQLite is always there");
    let document = openapi::document();
    let (_, case) = world.assigned_case().await;
    let tries: [(&str, &str, Caller, String); 6] = [
        ("referral-wijkteam", "submitReferral", WIJKTEAM, "/v1/referrals".to_owned()),
        ("referral-regieteam", "submitReferral", REGIETEAM, "/v1/referrals".to_owned()),
        ("assignment", "assignCase", LEA, format!("/v1/cases/{case}/assignments")),
        (
            "identity-release",
            "releaseIdentity",
            ANNA,
            format!("/v1/cases/{case}/identity-releases"),
        ),
        ("transition", "transitionCase", ANNA, format!("/v1/cases/{case}/transitions")),
        (
            "consent-withdrawal",
            "decideCaseConsent",
            ANNA,
            format!("/v1/cases/{case}/consent-decisions"),
        ),
    ];
    let mut differ = Vec::new();
    for (name, id, who, path) in tries {
        let body = example(name);
        let mut pointers = Vec::new();
        members(&body, "", &mut pointers);
        for pointer in pointers {
            let body = without(&body, &pointer);
            let described = Validator::check(&document, body_schema(&document, id), &body);
            let answer = world.post(who, &path, &body).await;
            let missed = answer.errors().contains(&(pointer.clone(), "missing".to_owned()));
            let required = described == [format!("{pointer}: required")];
            let required = required || ON_CONDITION.contains(&&*format!("{name}{pointer}"));
            if required != missed {
                differ.push(format!("{name}{pointer}: {described:?}, and {}", answer.raw));
            }
        }
    }
    assert!(differ.is_empty(), "{differ:#?}");
}

#[actix_web::test]
async fn the_portal_serves_the_description_to_anybody() {
    let world = World::raise(Engine::Sqlite).await.expect("SQLite is always there");
    let anybody = client_of(&world.dir(), None, &world.booted.api.gateway.clock);
    let at = |path: &str| format!("https://localhost:{}{path}", world.portal.port());
    let served = anybody.get(at("/v1/openapi.json")).send().await.expect("an answer");
    let served = answer(served).await;
    assert_eq!((served.status, served.header("content-type")), (200, "application/json"));
    assert_eq!(served.body, openapi::document());
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("api-version", "1.0.0"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(served.header(name), value, "{name}");
    }
    assert_eq!(served.header("access-control-allow-credentials"), "");
    for path in ["/v1/referrals", "/v1/cases", "/oauth/token", "/metrics", "/v1/openapi.json/"] {
        let other = answer(anybody.get(at(path)).send().await.expect("an answer")).await;
        assert_eq!(other.status, 404, "{path}: nothing else is served without a certificate");
        assert_eq!(other.header("access-control-allow-origin"), "", "{path}");
        assert_eq!(other.header("api-version"), "1.0.0", "{path}");
    }
    let posted = anybody.request(Method::POST, at("/v1/openapi.json")).send().await;
    let posted = answer(posted.expect("an answer")).await;
    assert!(matches!(posted.status, 404 | 405), "{}", posted.raw);
}
