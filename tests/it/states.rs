//! Every step from every state, and random ways through them, against a model of the programme that knows
//! nothing of the code: `domain.md`, "States", written down once more.
//!
//! `BUURTPOORT_SEQUENCES` ways on each database, 120 unless it says otherwise; `scripts/race.sh` asks for 2,000.

use crate::support::{ANNA, LEA, WIJKTEAM, World, example, on_both};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const CASE_STATES: [&str; 9] = [
    "new",
    "intake",
    "searching",
    "introduction",
    "trial",
    "paired",
    "evaluating",
    "closed",
    "on-hold",
];

/// What can be asked.
#[derive(Clone, Debug)]
enum Ask {
    Case(&'static str),
    Introduce,
    Step(&'static str),
    Withdraw,
    Give,
    TakeBack,
}

/// A case and its pairings, as they must be.
#[derive(Clone, Debug)]
struct Model {
    case: &'static str,
    /// State, extended, ever paired.
    pairings: Vec<(&'static str, bool, bool)>,
    consent: bool,
    taken_back: bool,
}

const ORDER: [&str; 3] = ["introduction", "trial", "paired"];

impl Model {
    const fn new() -> Self {
        Self { case: "new", pairings: Vec::new(), consent: true, taken_back: false }
    }

    fn furthest(&self) -> Option<&'static str> {
        let rank = |state: &str| ORDER.iter().position(|known| *known == state);
        let living = self.pairings.iter().filter_map(|(state, ..)| rank(state));
        living.max().map(|place| ORDER[place])
    }

    fn open(&self) -> bool {
        !["closed", "on-hold"].contains(&self.case)
    }

    fn next(&self) -> Vec<&'static str> {
        match (self.case, self.furthest()) {
            ("new", _) => vec!["intake", "on-hold", "closed"],
            ("intake" | "evaluating", _) => vec!["searching", "on-hold", "closed"],
            ("searching", _) => vec!["on-hold", "closed"],
            ("on-hold", Some(_)) if self.taken_back => vec![],
            ("on-hold", Some(state)) => vec![state],
            ("on-hold", None) if self.taken_back => vec!["closed"],
            ("on-hold", None) => vec!["intake", "closed"],
            ("closed", _) => vec![],
            _ => vec!["on-hold"],
        }
    }

    /// The status that must come back; the model is as it must be after it.
    fn ask(&mut self, ask: &Ask) -> u16 {
        match ask {
            Ask::Case(to) if self.next().contains(to) => {
                self.case = to;
                200
            }
            Ask::Case(_) => 409,
            Ask::Introduce => self.introduce(),
            Ask::Step(to) => self.step(to),
            Ask::Withdraw => {
                if self.consent && self.open() {
                    self.case = "on-hold";
                }
                self.consent = false;
                201
            }
            Ask::Give => {
                self.consent = true;
                201
            }
            Ask::TakeBack if self.case == "closed" || self.taken_back => 409,
            Ask::TakeBack => {
                self.case = if self.furthest().is_some() { "on-hold" } else { "closed" };
                self.taken_back = true;
                200
            }
        }
    }

    fn introduce(&mut self) -> u16 {
        let takes = ["searching", "introduction", "trial", "paired", "evaluating"];
        match () {
            () if !self.consent => 403,
            () if !self.open() || !takes.contains(&self.case) => 409,
            // The one support family there is takes one family.
            () if self.furthest().is_some() => 400,
            () => {
                self.pairings.push(("introduction", false, false));
                self.case = self.furthest().expect("one lives");
                201
            }
        }
    }

    fn step(&mut self, to: &'static str) -> u16 {
        let tells = to != "ended";
        let (consent, open) = (self.consent, self.open());
        let Some((state, extended, paired)) = self.pairings.last_mut() else { return 404 };
        if tells && !consent {
            return 403;
        }
        let allowed: &[&str] = match (*state, *extended) {
            ("introduction", _) => &["trial", "ended"],
            ("trial", false) => &["trial", "paired", "ended"],
            ("trial", true) => &["paired", "ended"],
            ("paired", _) => &["ended"],
            _ => &[],
        };
        if (tells && !open) || !allowed.contains(&to) {
            return 409;
        }
        *extended |= (*state, to) == ("trial", "trial");
        *paired |= to == "paired";
        let was_paired = *paired;
        *state = to;
        if open {
            let after = if was_paired { "evaluating" } else { "searching" };
            self.case = self.furthest().unwrap_or(after);
        }
        200
    }
}

/// One family on its way, and the support family that may be introduced to it.
struct Way<'w> {
    world: &'w World,
    referral: String,
    case: String,
    support: String,
    pairing: String,
}

impl Way<'_> {
    async fn ask(&mut self, ask: &Ask, extends: bool) -> u16 {
        let world = self.world;
        // Signatures count by their time.
        world.later(1);
        match ask {
            Ask::Case(to) => world.case_to(&self.case, to).await.status,
            Ask::Introduce => {
                let answer = world.introduce(&self.case, &self.support).await;
                if answer.status == 201 {
                    answer.text("/id").clone_into(&mut self.pairing);
                }
                answer.status
            }
            Ask::Step(to) => {
                let body = match *to {
                    "trial" => {
                        json!({"to": to, "until": world.day(if extends { 3 } else { 2 }, 0)})
                    }
                    "ended" => json!({"to": to, "reason": "moved", "nextForm": "home"}),
                    _ => json!({"to": to}),
                };
                world.pairing_to(&self.pairing, &body).await.status
            }
            Ask::Withdraw | Ask::Give => {
                let decision = if matches!(ask, Ask::Give) { "given" } else { "withdrawn" };
                let said: Value = json!({
                    "signer": "parent1", "decision": decision, "at": world.now().to_string(),
                    "method": "signed-on-paper", "evidence": "scan 1",
                });
                let path = format!("/v1/referrals/{}/consent-decisions", self.referral);
                world.post(WIJKTEAM, &path, &said).await.status
            }
            Ask::TakeBack => {
                let path = format!("/v1/referrals/{}/withdrawals", self.referral);
                world.post(WIJKTEAM, &path, &json!({})).await.status
            }
        }
    }
}

fn sequences() -> usize {
    std::env::var("BUURTPOORT_SEQUENCES").ok().and_then(|n| n.parse().ok()).unwrap_or(120)
}

/// Random ways; those that lead somewhere are asked for more often.
fn ways() -> impl Strategy<Value = Vec<Ask>> {
    let step = prop::sample::select(vec!["introduction", "trial", "trial", "paired", "ended"]);
    let case = prop::sample::select(CASE_STATES.to_vec());
    let one = prop_oneof![
        2 => case.prop_map(Ask::Case),
        3 => Just(Ask::Introduce),
        6 => step.prop_map(Ask::Step),
        1 => Just(Ask::Withdraw),
        1 => Just(Ask::Give),
        1 => Just(Ask::TakeBack),
    ];
    let begun = prop::bool::weighted(0.85);
    (begun, prop::collection::vec(one, 3..10)).prop_map(|(begun, rest)| {
        let start = if begun { vec![Ask::Case("intake"), Ask::Case("searching")] } else { vec![] };
        start.into_iter().chain(rest).collect()
    })
}

on_both! {
    /// The gateway does what the model does, on every random way, and the ledger accounts for all of it.
    async fn random_ways_go_as_the_model_goes(world: World) {
        let mut runner = TestRunner::deterministic();
        let ways = ways();
        let (mut asked, mut far) = (0, 0);
        for nth in 0..sequences() {
            let asks = ways.new_tree(&mut runner).expect("a way").current();
            let (referral, case) = world.assigned_case().await;
            let support = world.available_with(&example("support-family")).await;
            let mut way = Way { world, referral, case, support, pairing: String::new() };
            let mut model = Model::new();
            for (place, ask) in asks.iter().enumerate() {
                let in_trial = model.pairings.last().is_some_and(|(state, ..)| *state == "trial");
                let expected = model.ask(ask);
                if expected == 404 {
                    continue;
                }
                let found = way.ask(ask, in_trial).await;
                assert_eq!(found, expected, "way {nth}, step {place} of {asks:?}, now {model:?}");
                asked += 1;
            }
            far += usize::from(model.pairings.iter().any(|(_, _, paired)| *paired));
            let view = world.get(ANNA, &format!("/v1/cases/{}", way.case)).await;
            assert_eq!(view.text("/state"), model.case, "way {nth}: {asks:?}");
        }
        eprintln!("{} ways, {asked} steps, {far} of them came to be paired", sequences());
        assert!(far > sequences() / 50, "control: some go the whole way");
        world.ledger().await;
        crate::pairing::reconciled(world).await;
    }
}

/// How a case comes to a state.
async fn at(world: &World, state: &str) -> (String, String) {
    let trial = async |steps: &[&str]| {
        let [_, case, _, pairing] = world.introduced().await;
        for to in steps {
            let body = match *to {
                "trial" => json!({"to": to, "until": world.day(2, 0)}),
                "ended" => json!({"to": to, "reason": "moved", "nextForm": "home"}),
                _ => json!({"to": to}),
            };
            assert_eq!(world.pairing_to(&pairing, &body).await.status, 200, "{to}");
        }
        (case, pairing)
    };
    match state {
        "introduction" => trial(&[]).await,
        "trial" => trial(&["trial"]).await,
        "paired" => trial(&["trial", "paired"]).await,
        "evaluating" => trial(&["trial", "paired", "ended"]).await,
        by_hand => {
            world.later(1);
            let (_, case) = world.assigned_case().await;
            let way: &[&str] = match by_hand {
                "intake" => &["intake"],
                "searching" => &["intake", "searching"],
                "closed" => &["closed"],
                "on-hold" => &["on-hold"],
                _ => &[],
            };
            for to in way {
                assert_eq!(world.case_to(&case, to).await.status, 200, "{to}");
            }
            (case, String::new())
        }
    }
}

on_both! {
    /// Every state of a case and every step by hand: those allowed work, the others are 409 and name the allowed.
    async fn every_step_of_a_case_from_every_state(world: World) {
        for state in CASE_STATES {
            let model = Model {
                case: state,
                pairings: ORDER.contains(&state).then_some((state, false, false)).into_iter().collect(),
                ..Model::new()
            };
            for to in CASE_STATES {
                let (case, _) = at(world, state).await;
                let answer = world.case_to(&case, to).await;
                let allowed = model.next();
                if allowed.contains(&to) {
                    assert_eq!(answer.status, 200, "{state} to {to}: {}", answer.raw);
                } else {
                    assert_eq!((answer.status, &answer.body["allowed"]), (409, &json!(allowed)), "{state} to {to}");
                }
            }
        }
    }
}

on_both! {
    /// Every state of a support family and every step by hand.
    async fn every_step_of_a_support_family_from_every_state(world: World) {
        let screened = json!({"to": "screening", "interviewedOn": world.day(0, 0), "vogSeenOn": world.day(0, 0), "parentingExperience": true});
        let ways: [(&str, &[&str], &[&str]); 4] = [
            ("registered", &[], &["screening", "left"]),
            ("screening", &["screening"], &["available", "left"]),
            ("available", &["screening", "available"], &["screening", "left"]),
            ("left", &["left"], &[]),
        ];
        for (state, way, allowed) in ways {
            for to in ["registered", "screening", "available", "left"] {
                let id = world.support_family(ANNA, &example("support-family")).await;
                for step in way {
                    let body = if *step == "screening" { screened.clone() } else { json!({"to": step}) };
                    assert_eq!(world.screen(&id, &body).await.status, 200, "{state}: {step}");
                }
                let mut body = screened.clone();
                body["to"] = json!(to);
                let answer = world.screen(&id, &body).await;
                let stays = to == state && state != "left";
                if allowed.contains(&to) || stays {
                    assert_eq!((answer.status, answer.text("/state")), (200, to), "{state}");
                } else {
                    assert_eq!((answer.status, &answer.body["allowed"]), (409, &json!(allowed)), "{state} to {to}");
                }
            }
        }
        assert_eq!(world.get(LEA, "/v1/support-families").await.status, 403, "control: not hers to see");
    }
}
