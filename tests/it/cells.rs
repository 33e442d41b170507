//! The access matrix over HTTP: every kind of caller on every route about cases in every situation, and
//! the bodies to the cell.
//!
//! What is expected is worked out from `tests/data/access-matrix.json` and from what was sent in, never
//! from the policies. The same contract against the engine: `matrix.rs`.

use crate::support::{
    ANNA, Answer, BEHEER, BERT, Caller, GEMEENTE, LEA, POH_J, REGIETEAM, TOEZICHT, WEBSITE,
    WIJKTEAM, World, answer, example, on_both,
};
use futures_util::{StreamExt, stream};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const CASE_MANAGER: Caller = ("regieteam-nijmegen", "regisseur-1", "case-manager");
const COACH: Caller = ("doorbraak-nijmegen", "coach-1", "referrer");
const COACH_MANAGER: Caller = ("doorbraak-nijmegen", "coach-1", "case-manager");
const DRUTEN: Caller = ("gemeente-druten", "beleid-1", "municipality");
const CARLA: Caller = ("buurtgezinnen", "carla", "coordinator");

const CALLERS: [Caller; 15] = [
    WIJKTEAM,
    POH_J,
    REGIETEAM,
    WEBSITE,
    COACH,
    CASE_MANAGER,
    COACH_MANAGER,
    LEA,
    ANNA,
    BERT,
    CARLA,
    GEMEENTE,
    DRUTEN,
    TOEZICHT,
    BEHEER,
];

/// What was sent in and done, from which everything else follows.
#[derive(Clone, Debug)]
struct Story {
    what: &'static str,
    referral: String,
    case: String,
    sender: &'static str,
    assignee: Option<&'static str>,
    open: bool,
    /// `full`, `contact` or `none`.
    stage: &'static str,
    purposes: BTreeSet<String>,
    categories: BTreeSet<String>,
    explicit: bool,
    /// Names of partners that take part in the plan.
    participants: Vec<&'static str>,
    /// Of the members that may be left out: `reference`, `district`.
    sent: Vec<&'static str>,
}

/// How a story goes on after the referral was accepted.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    to: &'static [&'static str],
    withdrawn: bool,
    moved: &'static [&'static str],
    taken_back: bool,
}

const ASSIGNED: Turn = Turn { to: &["anna"], withdrawn: false, moved: &[], taken_back: false };
const WAITING: Turn = Turn { to: &[], withdrawn: false, moved: &[], taken_back: false };

/// The regieteam takes part in its own plan.
const THEMSELVES: &[&str] = &["regieteam-nijmegen"];

struct Plot {
    what: &'static str,
    who: Caller,
    body: Value,
    turn: Turn,
    participants: &'static [&'static str],
}

fn edited(name: &str, edit: impl FnOnce(&mut Value)) -> Value {
    let mut body = example(name);
    edit(&mut body);
    body
}

fn without_purpose(name: &str, purpose: &str) -> Value {
    edited(name, |body| {
        let purposes = body["consent"]["purposes"].as_array_mut().expect("purposes");
        let before = purposes.len();
        purposes.retain(|own| own != purpose);
        assert_eq!(purposes.len(), before - 1, "{name} consents to {purpose}");
    })
}

fn plots() -> Vec<Plot> {
    let plot = |what, who, body, turn| Plot { what, who, body, turn, participants: &[] };
    let plan =
        |what, body, turn, participants| Plot { what, who: REGIETEAM, body, turn, participants };
    let (family, regie) = ("referral-wijkteam", "referral-regieteam");
    let elsewhere = edited(regie, |body| {
        body["plan"]["participants"][0]["oin"] = json!("00000099000000004000");
    });
    let nobody = edited(regie, |body| body["plan"]["participants"] = json!([]));
    let druten = edited(family, |body| {
        body["source"] = json!("other");
        body["municipality"] = json!("GM0225");
        body["consent"]["recipients"] = json!(["buurtgezinnen:druten"]);
        body.as_object_mut().expect("an object").remove("district");
    });
    vec![
        plot("waits", WIJKTEAM, example(family), WAITING),
        plot("assigned", WIJKTEAM, example(family), ASSIGNED),
        plot("re-assigned", WIJKTEAM, example(family), Turn { to: &["anna", "bert"], ..ASSIGNED }),
        plot("withdrawn", WIJKTEAM, example(family), Turn { withdrawn: true, ..ASSIGNED }),
        plot("withdrawn, waits", WIJKTEAM, example(family), Turn { withdrawn: true, ..WAITING }),
        plot("closed", WIJKTEAM, example(family), Turn { moved: &["closed"], ..ASSIGNED }),
        plot("on hold", WIJKTEAM, example(family), Turn { moved: &["on-hold"], ..ASSIGNED }),
        plot("taken back", WIJKTEAM, example(family), Turn { taken_back: true, ..ASSIGNED }),
        plot("no feedback", WIJKTEAM, without_purpose(family, "feedback"), ASSIGNED),
        plot("no pairing", WIJKTEAM, without_purpose(family, "pairing"), ASSIGNED),
        plan("plan", example(regie), ASSIGNED, THEMSELVES),
        plan("plan, waits", example(regie), WAITING, THEMSELVES),
        plan("plan, withdrawn", example(regie), Turn { withdrawn: true, ..ASSIGNED }, THEMSELVES),
        plan("plan, no coordination", without_purpose(regie, "coordination"), ASSIGNED, THEMSELVES),
        plan("plan of others", elsewhere, ASSIGNED, &["doorbraak-nijmegen"]),
        plan("plan of nobody", nobody, ASSIGNED, &[]),
        plot("stage contact, waits", WEBSITE, example("referral-self"), WAITING),
        plot("stage contact", WEBSITE, example("referral-self"), ASSIGNED),
        plot("health", POH_J, example("referral-poh-j"), ASSIGNED),
        plot("elsewhere", WEBSITE, druten, WAITING),
    ]
}

fn terms(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What happens after it was accepted.
async fn play(world: &World, plot: &Plot, referral: &str, case: &str) {
    for name in plot.turn.to {
        let to = json!({"coordinator": name});
        let done = world.post(LEA, &format!("/v1/cases/{case}/assignments"), &to).await;
        assert_eq!(done.status, 201, "{}", done.raw);
    }
    for state in plot.turn.moved {
        let to = json!({"to": state});
        let done = world.post(ANNA, &format!("/v1/cases/{case}/transitions"), &to).await;
        assert_eq!(done.status, 200, "{}", done.raw);
    }
    if plot.turn.withdrawn {
        let at = world.now().to_string();
        let no = json!({"signer": "parent1", "decision": "withdrawn", "at": at});
        let path = format!("/v1/referrals/{referral}/consent-decisions");
        assert_eq!(world.post(plot.who, &path, &no).await.status, 201);
    }
    if plot.turn.taken_back {
        let path = format!("/v1/referrals/{referral}/withdrawals");
        let done = world.send(plot.who, Method::POST, &path, None, None).await;
        assert_eq!(done.status, 200, "{}", done.raw);
    }
}

async fn tell(world: &World, plot: &Plot) -> Story {
    // Later than the others, so that it is the last of the list.
    world.later(1);
    let sent = world.post(plot.who, "/v1/referrals", &plot.body).await;
    assert_eq!(sent.status, 201, "{}: {}", plot.what, sent.raw);
    let referral = sent.text("/id").to_owned();
    let druten = plot.body["municipality"] == "GM0225";
    let waiting = if druten {
        world.get(BERT, "/v1/cases?limit=100").await
    } else {
        world.get(LEA, "/v1/cases?assigned=false&limit=100").await
    };
    let newest = waiting.body["items"].as_array().and_then(|items| items.last()).expect("a case");
    let case = newest["id"].as_str().expect("an id").to_owned();
    let auto = druten.then_some("bert");
    play(world, plot, &referral, &case).await;
    let assignee = plot.turn.to.last().copied().or(auto);
    let Turn { withdrawn, moved, taken_back, .. } = plot.turn;
    let waits = sent.text("/status") == "awaiting-consent";
    let consent = &plot.body["consent"];
    Story {
        what: plot.what,
        referral,
        case,
        sender: plot.who.0,
        assignee,
        open: !withdrawn && !taken_back && moved.is_empty(),
        stage: if withdrawn {
            "none"
        } else if waits {
            "contact"
        } else {
            "full"
        },
        purposes: terms(&consent["purposes"]),
        categories: terms(&consent["categories"]),
        explicit: consent["explicit"] == json!(true),
        participants: plot.participants.to_vec(),
        sent: ["reference", "district"].into_iter().filter(|m| plot.body[*m].is_string()).collect(),
    }
}

/// Whether the contract grants a role a group at one of these levels, on what holds.
fn grants(role: &str, group: &str, levels: &[&str], purpose: &str, held: &BTreeSet<&str>) -> bool {
    static CONTRACT: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| {
        serde_json::from_str(include_str!("../data/access-matrix.json")).expect("the contract")
    });
    CONTRACT["grants"].as_array().expect("grants").iter().any(|grant| {
        let word = |key: &str| grant[key].as_str().unwrap_or_default();
        (word("role"), word("fieldGroup")) == (role, group)
            && levels.contains(&word("level"))
            && terms(&grant["purposes"]).contains(purpose)
            && terms(&grant["conditions"]).iter().all(|one| held.contains(one.as_str()))
    })
}

const SHOWN: &[&str] =
    &["clear", "read-write", "generalised", "pseudonymised", "status-only", "aggregate"];

impl Story {
    fn holds(&self, who: Caller) -> bool {
        who.2 == "coordinator" && self.assignee == Some(who.1)
    }

    /// Conditions of the contract that hold for a caller, where consent covers the group.
    fn held(&self, who: Caller, covered: bool) -> BTreeSet<&'static str> {
        let consents = |purpose: &str| self.stage == "full" && self.purposes.contains(purpose);
        let all = [
            ("own-partner", self.sender == who.0),
            ("consent.feedback", consents("feedback")),
            ("consent.coordination", consents("coordination")),
            ("plan-participant", self.participants.contains(&who.0)),
            ("assigned", self.holds(who)),
            ("consent-valid", covered),
            ("token-bound", true),
            ("logged", true),
            ("consent.health-explicit", self.explicit),
            ("disclosure-protected", true),
        ];
        all.into_iter().filter(|(_, holds)| *holds).map(|(one, _)| one).collect()
    }

    /// Keys of a case's body, and of its `request`, for one caller.
    fn case_keys(&self, who: Caller) -> BTreeSet<String> {
        let purpose = if who.2 == "assigner" { "assignment" } else { "intake" };
        let sees = |group: &str| {
            // Stage `contact` covers the registrant's contact data, which a case does not show; and the
            // signal to call the referrer first.
            let covered =
                self.stage == "full" || (self.stage == "contact" && group == "safety-signal");
            grants(who.2, group, SHOWN, purpose, &self.held(who, covered))
        };
        // State and consent stay with whoever may open the case at all: `docs/api.md`.
        let mut keys: BTreeSet<&str> =
            BTreeSet::from(["id", "state", "consent", "receivedAt", "changedAt", "version"]);
        let coarse = who.2 == "assigner";
        for (group, own) in [
            ("referrer", &["source", "urgency"][..]),
            ("area", &["municipality", "district"]),
            ("household", &["household"]),
            ("age-band", &["ageBands"]),
            ("support-request-codes", &["request", "request.support"]),
            ("safety-signal", &["request", "request.safetySignal"]),
        ] {
            if sees(group) {
                keys.extend(own);
            }
        }
        if !self.sent.contains(&"district") {
            keys.remove("district");
        }
        if !coarse && sees("household") {
            keys.insert("request.children");
        }
        if coarse && sees("preferred-language") {
            keys.insert("request.preferredLanguage");
        }
        if !coarse && sees("support-request-codes") {
            keys.insert("familyPseudonym");
        }
        keys.into_iter().map(str::to_owned).collect()
    }

    fn referral_keys(&self, who: Caller) -> BTreeSet<String> {
        let held = self.held(who, true);
        let mut keys = BTreeSet::from(["id".to_owned(), "receivedAt".to_owned()]);
        if self.sent.contains(&"reference") {
            keys.insert("reference".to_owned());
        }
        if grants(who.2, "case-status", &["status-only"], "feedback", &held) {
            keys.extend(["status", "changedAt", "version"].map(str::to_owned));
        }
        keys
    }

    fn plan_keys(&self, who: Caller) -> BTreeSet<String> {
        let held = self.held(who, true);
        let sees = |(group, _): &(&str, &str)| grants(who.2, group, SHOWN, "coordination", &held);
        let all = [
            ("case-status", "status"),
            ("consent-status", "consent"),
            ("plan-reference", "plan"),
            ("plan-goals", "goals"),
            ("referrer", "referrer"),
        ];
        let shown = all.into_iter().filter(sees).map(|(_, key)| key);
        shown.chain(["id"]).map(str::to_owned).collect()
    }

    /// Groups of a release for a purpose, of those that every referral here has.
    fn released(&self, who: Caller, purpose: &str) -> BTreeSet<String> {
        let of = |group: &str| match group {
            "names" | "birth-date" | "authority" | "consent-evidence" | "referrer" => "identity",
            "address" | "contact-details" => "contact",
            "health-attention-points" => "health",
            _ => "support-request",
        };
        let registrants = ["names", "contact-details"];
        let groups = [
            "names",
            "birth-date",
            "authority",
            "consent-evidence",
            "referrer",
            "address",
            "contact-details",
            "household",
            "support-request-codes",
            "safety-signal",
            "health-attention-points",
            "plan-goals",
            "plan-reference",
        ];
        let seen = |group: &&str| {
            let covered = match self.stage {
                "full" => self.categories.contains(of(group)),
                _ => registrants.contains(group),
            };
            grants(who.2, group, &["clear", "read-write"], purpose, &self.held(who, covered))
        };
        groups.into_iter().filter(seen).map(str::to_owned).collect()
    }
}

/// Keys of an object, and with a dot those of its `request`.
fn keys(body: &Value) -> BTreeSet<String> {
    let own = body.as_object().into_iter().flatten().map(|(key, _)| key.clone());
    let inner = body["request"].as_object().into_iter().flatten();
    own.chain(inner.map(|(key, _)| format!("request.{key}"))).collect()
}

/// One request, and what is expected of it.
struct Probe {
    who: Caller,
    method: Method,
    path: String,
    status: u16,
    keys: Option<BTreeSet<String>>,
}

fn probe(who: Caller, method: Method, path: String, status: u16) -> Probe {
    Probe { who, method, path, status, keys: None }
}

fn status(may_ask: bool, is_theirs: bool, yes: u16) -> u16 {
    match (may_ask, is_theirs) {
        (false, _) => 403,
        (true, false) => 404,
        (true, true) => yes,
    }
}

/// Everything one caller can ask about one case. A body of no content shows who would be listened to:
/// 400, without changing anything.
fn probes(story: &Story, who: Caller) -> Vec<Probe> {
    let (referral, case) = (&story.referral, &story.case);
    let is = |role: &str| who.2 == role;
    let own = story.sender == who.0;
    let coordination = story.held(who, true);
    let plan =
        coordination.contains("consent.coordination") && coordination.contains("plan-participant");
    let (get, post) = (Method::GET, Method::POST);
    let at = |tail: &str| format!("/v1/cases/{case}{tail}");
    let of = |tail: &str| format!("/v1/referrals/{referral}{tail}");
    let hers = story.holds(who);
    let read = status(is("referrer"), own, 200);
    let goals = status(is("case-manager"), plan, 200);
    let one = status(is("coordinator"), hers, 200);
    let officer = is("privacy-officer");
    vec![
        Probe {
            keys: (read == 200).then(|| story.referral_keys(who)),
            ..probe(who, get.clone(), of(""), read)
        },
        Probe {
            keys: (goals == 200).then(|| story.plan_keys(who)),
            ..probe(who, get.clone(), of("/goals"), goals)
        },
        Probe {
            keys: (one == 200).then(|| story.case_keys(who)),
            ..probe(who, get.clone(), at(""), one)
        },
        probe(
            who,
            get.clone(),
            at("/identity-releases"),
            status(officer || is("coordinator"), officer || hers, 200),
        ),
        probe(who, get.clone(), at("/assignments"), status(is("assigner"), true, 200)),
        probe(who, post.clone(), of("/consent-decisions"), status(is("referrer"), own, 400)),
        probe(who, post.clone(), at("/consent-decisions"), status(is("coordinator"), hers, 400)),
        probe(who, post.clone(), at("/identity-releases"), status(is("coordinator"), hers, 400)),
        probe(who, post.clone(), at("/transitions"), status(is("coordinator"), hers, 400)),
        probe(who, post, at("/assignments"), status(is("assigner"), true, 400)),
        // The id of the one is not the id of the other.
        probe(
            who,
            get.clone(),
            format!("/v1/referrals/{case}"),
            status(is("referrer"), false, 200),
        ),
        probe(who, get, format!("/v1/cases/{referral}"), status(is("coordinator"), false, 200)),
    ]
}

/// One client and one token a caller.
struct Line<'w> {
    world: &'w World,
    held: HashMap<Caller, (Client, String)>,
}

impl<'w> Line<'w> {
    fn open(world: &'w World) -> Self {
        let held = CALLERS.iter().map(|who| (*who, (world.client(who.0), world.token(*who))));
        Self { world, held: held.collect() }
    }

    async fn ask(&self, who: Caller, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let (client, token) = &self.held[&who];
        let posts = method == Method::POST;
        let mut request = client.request(method, self.world.url(path)).bearer_auth(token);
        if posts {
            let body = body.map_or_else(|| "{}".to_owned(), Value::to_string);
            request = request.header("Idempotency-Key", self.world.key());
            request = request.header("Content-Type", "application/json").body(body);
        }
        answer(request.send().await.expect("an answer")).await
    }
}

/// Nothing that was sent about a family is in an answer that opens no identity.
fn names_nobody(answer: &Answer, what: &str) {
    for sent in ["Proefpersoon", "Voorbeeldstraat", "gezin@example.nl", "1990-01-01"] {
        assert!(!answer.raw.contains(sent), "{what}: {}", answer.raw);
    }
}

#[derive(Default)]
struct Count {
    requests: usize,
    served: usize,
    wrong: Vec<String>,
}

impl Count {
    fn put(&mut self, what: &str, found: &Answer, expected: u16) {
        self.requests += 1;
        self.served += usize::from(found.status < 300);
        if found.status != expected {
            self.wrong.push(format!("{what}: {} instead of {expected}", found.status));
        }
    }

    fn cells(&mut self, what: &str, found: &BTreeSet<String>, expected: &BTreeSet<String>) {
        if found != expected {
            let more: Vec<_> = found.difference(expected).collect();
            let fewer: Vec<_> = expected.difference(found).collect();
            self.wrong.push(format!("{what}: shows {more:?} too much and {fewer:?} too little"));
        }
    }
}

async fn walk(line: &Line<'_>, stories: &[Story], count: &mut Count) {
    let asked = stories.iter().flat_map(|story| {
        CALLERS.iter().flat_map(move |who| {
            probes(story, *who).into_iter().map(move |probe| (story.what, probe))
        })
    });
    let answers = stream::iter(asked).map(|(what, probe)| async move {
        let found = line.ask(probe.who, probe.method.clone(), &probe.path, None).await;
        (what, probe, found)
    });
    let mut answers = answers.buffer_unordered(16);
    while let Some((story, probe, found)) = answers.next().await {
        let what = format!("{story}: {:?} {} {}", probe.who, probe.method, probe.path);
        names_nobody(&found, &what);
        count.put(&what, &found, probe.status);
        if let Some(expected) = &probe.keys {
            count.cells(&what, &keys(&found.body), expected);
        }
    }
}

async fn lists(line: &Line<'_>, stories: &[Story], count: &mut Count) {
    for who in CALLERS {
        let paths = [
            ("/v1/referrals?limit=100", who.2 == "referrer"),
            ("/v1/cases?limit=100", who.2 == "coordinator"),
            ("/v1/cases?limit=100&assigned=false", who.2 == "assigner"),
            ("/v1/statistics/releases", who.2 == "municipality"),
        ];
        for (path, may) in paths {
            let found = line.ask(who, Method::GET, path, None).await;
            let what = format!("{who:?} {path}");
            names_nobody(&found, &what);
            count.put(&what, &found, if may { 200 } else { 403 });
            let items = found.body["items"].as_array().cloned().unwrap_or_default();
            if path.starts_with("/v1/statistics") || !may {
                continue;
            }
            let referrals = path.starts_with("/v1/referrals");
            let theirs = stories.iter().filter(|story| match who.2 {
                "referrer" => story.sender == who.0,
                "assigner" => story.assignee.is_none(),
                _ => story.holds(who),
            });
            let expected: BTreeMap<&str, BTreeSet<String>> = theirs
                .map(|story| {
                    if referrals {
                        (story.referral.as_str(), story.referral_keys(who))
                    } else {
                        (story.case.as_str(), story.case_keys(who))
                    }
                })
                .collect();
            let shown: BTreeSet<&str> =
                items.iter().filter_map(|item| item["id"].as_str()).collect();
            assert_eq!(shown, expected.keys().copied().collect(), "{what}");
            for item in &items {
                let id = item["id"].as_str().unwrap_or_default();
                count.cells(&format!("{what} {id}"), &keys(item), &expected[id]);
            }
        }
    }
}

/// The gemeente's figures are of its own gemeente and hold protected cells only.
async fn figures(line: &Line<'_>) {
    let own = line.ask(GEMEENTE, Method::GET, "/v1/statistics/releases", None).await;
    let items = own.body["items"].as_array().expect("releases");
    assert!(!items.is_empty() && items.iter().all(|item| item["municipality"] == "GM0268"));
    for item in items {
        for cell in item["figures"]["cells"].as_array().expect("cells") {
            let value = cell["value"].as_u64();
            assert!(value.is_none_or(|value| value >= 10 && value % 5 == 0), "{cell}");
        }
    }
}

/// Identities, for every purpose, to all coordinators.
async fn open(line: &Line<'_>, stories: &[Story], count: &mut Count) {
    for story in stories {
        for who in [ANNA, BERT, CARLA] {
            for (purpose, consent) in
                [("intake", "referral"), ("pairing", "pairing"), ("monitoring", "monitoring")]
            {
                let body = json!({"purpose": purpose, "reason": "Proef"});
                let path = format!("/v1/cases/{}/identity-releases", story.case);
                let found = line.ask(who, Method::POST, &path, Some(&body)).await;
                let covered = match story.stage {
                    "full" => story.purposes.contains(consent),
                    "contact" => purpose == "intake",
                    _ => false,
                };
                let expected = match (story.holds(who), covered, story.open) {
                    (false, ..) => 404,
                    (_, false, _) => 403,
                    (.., false) => 409,
                    _ => 201,
                };
                let what = format!("{}: {who:?} opens for {purpose}", story.what);
                count.put(&what, &found, expected);
                if found.status != 201 {
                    names_nobody(&found, &what);
                    continue;
                }
                let shown = keys(&found.body["fields"]);
                let agreed = story.released(who, purpose);
                let optional =
                    ["address-confidential", "preferred-language", "support-request-text"];
                let more: Vec<_> = shown
                    .iter()
                    .filter(|key| !agreed.contains(*key) && !optional.contains(&key.as_str()))
                    .collect();
                let always = ["names", "contact-details"];
                let fewer = always.iter().any(|key| !shown.contains(*key));
                if !more.is_empty() || fewer {
                    count.wrong.push(format!("{what}: {shown:?} instead of {agreed:?}"));
                }
            }
        }
    }
}

/// The privacy officer reads pseudonyms where the coordinator reads accounts.
async fn pseudonymised(line: &Line<'_>, stories: &[Story]) {
    let story = stories.iter().find(|story| story.what == "assigned").expect("the story");
    let path = format!("/v1/cases/{}/identity-releases", story.case);
    let hers = line.ask(ANNA, Method::GET, &path, None).await;
    let first = (hers.text("/items/0/person"), hers.text("/items/0/reason"));
    assert_eq!(first, ("anna", "Proef"), "{}: {}", hers.status, hers.raw);
    let officers = line.ask(TOEZICHT, Method::GET, &path, None).await;
    assert!(officers.text("/items/0/person").starts_with("bp1.person."), "{}", officers.raw);
    assert!(!officers.raw.contains("anna") && !officers.raw.contains("Proef"), "{}", officers.raw);
}

on_both! {
    /// POL-01, -04, -06, -07, -09, -10, -11, -15: callers × routes × cases, and every body to the cell.
    async fn pol_01_04_06_07_09_10_11_15_every_cell_over_http(world: World) {
        let mut stories = Vec::new();
        for plot in &plots() {
            stories.push(tell(world, plot).await);
        }
        let line = Line::open(world);
        let mut count = Count::default();
        walk(&line, &stories, &mut count).await;
        lists(&line, &stories, &mut count).await;
        figures(&line).await;
        open(&line, &stories, &mut count).await;
        pseudonymised(&line, &stories).await;
        let Count { requests, served, wrong } = count;
        eprintln!("{:?}: {requests} requests, {served} served, {} not as agreed", world.engine, wrong.len());
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(requests >= 2_500 && served > 100, "{requests} {served}");
    }
}

on_both! {
    /// POL-07: a participant of the plan reads its goals and whom to call, and nothing else; after a
    /// withdrawal it is not there.
    async fn pol_07_15_goals_are_for_participants_under_consent(world: World) {
        let sent = world.post(REGIETEAM, "/v1/referrals", &example("referral-regieteam")).await;
        let id = sent.text("/id").to_owned();
        let path = format!("/v1/referrals/{id}/goals");
        let plan = world.get(CASE_MANAGER, &path).await;
        assert_eq!(plan.status, 200, "{}", plan.raw);
        let goals = plan.body["goals"].as_array().expect("goals");
        assert!(goals.iter().all(|goal| goal["status"].is_string()) && !goals.is_empty());
        let body = example("referral-regieteam");
        assert_eq!(plan.text("/plan/reference"), body["plan"]["reference"].as_str().expect("a reference"));
        assert_eq!(plan.text("/referrer/name"), body["referrer"]["name"].as_str().expect("a name"));
        names_nobody(&plan, "goals");
        assert_eq!(world.get(COACH_MANAGER, &path).await.status, 404);
        assert_eq!(world.get(REGIETEAM, &path).await.status, 403);
        let no = json!({"signer": "parent1", "decision": "withdrawn", "at": world.now().to_string()});
        let told = world.post(REGIETEAM, &format!("/v1/referrals/{id}/consent-decisions"), &no).await;
        assert_eq!((told.status, told.text("/stage")), (201, "none"), "{}", told.raw);
        let gone = world.get(CASE_MANAGER, &path).await;
        let absent = "/v1/referrals/00000000-0000-4000-8000-000000000000/goals";
        let absent = world.get(CASE_MANAGER, absent).await;
        assert_eq!((gone.status, &gone.raw), (404, &absent.raw), "not there any more");
        // Taken back: the plan is shared for a referral that stands.
        let sent = world.post(REGIETEAM, "/v1/referrals", &example("referral-regieteam")).await;
        let path = format!("/v1/referrals/{}/goals", sent.text("/id"));
        assert_eq!(world.get(CASE_MANAGER, &path).await.status, 200, "the control");
        let back = format!("/v1/referrals/{}/withdrawals", sent.text("/id"));
        assert_eq!(world.post(REGIETEAM, &back, &json!({})).await.status, 200);
        let gone = world.get(CASE_MANAGER, &path).await;
        assert_eq!((gone.status, &gone.raw), (404, &absent.raw), "taken back");
    }
}

on_both! {
    /// POL-08: a referrer refers for gemeenten it is registered for, in a capacity it is registered for.
    async fn pol_08_a_referrer_speaks_for_its_own_gemeenten_and_capacity(world: World) {
        let refused = |body: Value| async move {
            let answer = world.post(WIJKTEAM, "/v1/referrals", &body).await;
            (answer.status, answer.errors())
        };
        let error = |pointer: &str, code: &str| (400, vec![(pointer.to_owned(), code.to_owned())]);
        let moved = |code: &str| edited("referral-wijkteam", |body| {
            body["municipality"] = json!(code);
            body.as_object_mut().expect("an object").remove("district");
        });
        assert_eq!(refused(moved("GM0225")).await, error("/municipality", "municipality-not-registered"));
        assert_eq!(refused(moved("GM9999")).await, error("/municipality", "municipality-not-served"));
        let other = edited("referral-wijkteam", |body| body["source"] = json!("poh-j"));
        assert_eq!(refused(other).await, error("/source", "source-not-registered"));
        assert_eq!(refused(moved("GM0268")).await, (201, Vec::new()), "the control");
    }
}
