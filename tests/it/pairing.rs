//! The programme over the API: support families, pairings from introduction to end, and what consent lets a
//! coordinator do at each step.

use crate::support::{ANNA, BERT, Caller, LEA, WEBSITE, WIJKTEAM, World, example, on_both};
use serde_json::{Value, json};

on_both! {
    /// A family that registers at the website comes to the coordinator of its gemeente, is looked into, and can
    /// be proposed only then.
    async fn a_support_family_is_looked_into_before_it_is_proposed(world: World) {
        let id = world.support_family(WEBSITE, &example("support-family")).await;
        let path = format!("/v1/support-families/{id}");
        let view = world.get(ANNA, &path).await;
        assert_eq!((view.text("/state"), view.text("/coordinator")), ("registered", "anna"));
        assert_eq!(view.body["screening"]["lacks"], json!(["interview", "vog", "parenting-experience"]));
        for name in ["Voorbeeldgezin", "+3124", "Voorbeeldlaan", "1980"] {
            assert!(!view.raw.contains(name), "{name} is not shown before it is opened");
        }
        assert_eq!(world.screen(&id, &json!({"to": "available"})).await.status, 409);
        assert_eq!(world.screen(&id, &json!({"to": "screening"})).await.status, 200);
        let early = world.screen(&id, &json!({"to": "available"})).await;
        assert_eq!(early.errors(), [("/to".to_owned(), "screening-incomplete".to_owned())]);
        let old = json!({"to": "available", "interviewedOn": "2026-11-01", "vogSeenOn": "2023-11-20", "parentingExperience": true});
        assert_eq!(world.screen(&id, &old).await.errors()[0].1, "screening-incomplete", "a VOG too old");
        let mut good = old.clone();
        good["vogSeenOn"] = json!("2023-11-21");
        assert_eq!(world.screen(&id, &good).await.status, 200, "on the last day of its term");
        let open = json!({"reason": "Kennismaken"});
        let release = format!("{path}/identity-releases");
        let opened = world.post(ANNA, &release, &open).await;
        assert_eq!((opened.status, opened.text("/fields/names/0/surname")), (201, "Voorbeeldgezin"));
        assert_eq!(world.post(BERT, &release, &open).await.status, 404);
        assert_eq!(world.get(BERT, &path).await.status, 200, "a colleague may see what it offers");
        assert_eq!(world.get(WEBSITE, &path).await.status, 403);
        assert_eq!(world.screen(&id, &json!({"to": "left"})).await.status, 200);
        assert_eq!(world.post(ANNA, &release, &open).await.status, 404, "not after it left");
        world.ledger().await;
    }
}

on_both! {
    /// Found by what it offers; proposed for a case with the reasons, nearest first.
    async fn found_by_criteria_and_proposed_with_reasons(world: World) {
        let near = world.available_support().await;
        let mut far = example("support-family");
        far["district"] = json!("WK026802");
        far["offer"]["dayparts"] = json!(["weekday-morning"]);
        far["offer"]["languages"] = json!(["ar"]);
        let far = world.available_with(&far).await;
        let list = async |query: &str| {
            let answer = world.get(ANNA, &format!("/v1/support-families{query}")).await;
            assert_eq!(answer.status, 200, "{query}: {}", answer.raw);
            let ids = answer.body["items"].as_array().expect("items").iter();
            ids.map(|item| item["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(list("").await, [&*near, &*far]);
        assert_eq!(list("?daypart=weekday-morning").await, [&*far]);
        assert_eq!(list("?language=ar&state=available").await, [&*far]);
        assert_eq!(list("?district=WK026801").await, [&*near]);
        assert!(list("?municipality=GM0225").await.is_empty());
        assert_eq!(world.get(ANNA, "/v1/support-families?name=x").await.status, 400);
        let (_, case) = world.searching_case().await;
        let proposals = world.get(ANNA, &format!("/v1/cases/{case}/proposals")).await;
        assert_eq!(proposals.text("/items/0/supportFamily/id"), near);
        assert_eq!(proposals.text("/items/0/reasons/0/code"), "same-district");
        assert_eq!(proposals.text("/items/1/supportFamily/id"), far);
        assert_eq!(world.introduce(&case, &near).await.status, 201);
        let proposals = world.get(ANNA, &format!("/v1/cases/{case}/proposals")).await;
        let left = proposals.body["items"].as_array().map(Vec::len);
        assert_eq!(left, Some(1), "one with as many families as it takes is not proposed");
    }
}

/// The state of a case, and what its referrer hears.
async fn stands(world: &World, case: &str, referral: &str) -> (String, String) {
    let view = world.get(ANNA, &format!("/v1/cases/{case}")).await;
    let heard = world.get(WIJKTEAM, &format!("/v1/referrals/{referral}")).await;
    (view.text("/state").to_owned(), heard.text("/status").to_owned())
}

fn pair(state: &str, status: &str) -> (String, String) {
    (state.to_owned(), status.to_owned())
}

on_both! {
    /// The whole way: introduction, trial, its one extension, paired, evaluated, ended, completed.
    async fn a_pairing_goes_from_introduction_to_its_end(world: World) {
        let [referral, case, support, pairing] = world.introduced().await;
        assert_eq!(stands(world, &case, &referral).await, pair("introduction", "in-contact"));
        let view = world.get(ANNA, &format!("/v1/support-families/{support}")).await;
        assert_eq!(view.text("/state"), "paired", "it takes one family");
        let evaluate = format!("/v1/pairings/{pairing}/evaluations");
        assert_eq!(world.post(ANNA, &evaluate, &example("evaluation")).await.status, 409, "too early");
        let trial = |until: String| json!({"to": "trial", "until": until});
        let short = world.pairing_to(&pairing, &trial(world.day(0, 10))).await;
        assert_eq!(short.errors(), [("/until".to_owned(), "trial-length".to_owned())]);
        for far in ["9999-12-30", "9999-12-31", "2126-01-01"] {
            assert_eq!(world.pairing_to(&pairing, &trial(far.to_owned())).await.status, 400, "{far}");
        }
        assert_eq!(world.pairing_to(&pairing, &trial(world.day(2, 0))).await.status, 200);
        assert_eq!(stands(world, &case, &referral).await, pair("trial", "paired"));
        let longer = world.pairing_to(&pairing, &trial(world.day(3, 5))).await;
        assert_eq!(longer.errors()[0].1, "trial-length", "a month at most");
        assert_eq!(world.pairing_to(&pairing, &trial(world.day(3, 0))).await.status, 200);
        let again = world.pairing_to(&pairing, &trial(world.day(3, 1))).await;
        assert_eq!((again.status, &again.body["allowed"]), (409, &json!(["paired", "ended"])));
        assert_eq!(world.pairing_to(&pairing, &json!({"to": "paired"})).await.status, 200);
        assert_eq!(stands(world, &case, &referral).await, pair("paired", "paired"));
        assert_eq!(world.post(ANNA, &evaluate, &example("evaluation")).await.status, 201);
        let bare = world.pairing_to(&pairing, &json!({"to": "ended"})).await;
        let missing = ["/reason", "/nextForm"].map(|at| (at.to_owned(), "missing".to_owned()));
        assert_eq!(bare.errors(), missing, "all at once");
        let end = json!({"to": "ended", "reason": "goal-reached", "nextForm": "home"});
        assert_eq!(world.pairing_to(&pairing, &end).await.status, 200);
        assert_eq!(stands(world, &case, &referral).await, pair("evaluating", "paired"));
        let view = world.get(ANNA, &format!("/v1/support-families/{support}")).await;
        assert_eq!(view.text("/state"), "available", "it has room again");
        assert_eq!(world.post(ANNA, &evaluate, &example("evaluation")).await.status, 201, "at the end");
        let pairings = world.get(ANNA, &format!("/v1/cases/{case}/pairings")).await;
        assert_eq!(pairings.text("/items/0/endReason"), "goal-reached");
        assert_eq!(pairings.body["items"][0]["evaluations"][0]["grade"], json!(8.6));
        assert!(!pairings.raw.contains("zaterdag"), "the note stays sealed");
        assert_eq!(world.case_to(&case, "closed").await.status, 200);
        let heard = world.get(WIJKTEAM, &format!("/v1/referrals/{referral}")).await;
        assert_eq!(heard.text("/status"), "completed");
        world.ledger().await;
        reconciled(world).await;
    }
}

/// The ledger accounts for every row.
pub(crate) async fn reconciled(world: &World) {
    let gateway = &world.booted.api.gateway;
    let found = buurtpoort::cli::audit::reconciled(&gateway.store.pool, &gateway.keyring).await;
    let found = found.expect("read");
    assert!(found.findings.is_empty(), "{:?}", found.findings);
}

on_both! {
    /// A parent who withdraws during the introduction stops everything but its end.
    async fn a_parent_withdraws_during_the_introduction(world: World) {
        let [referral, case, _, pairing] = world.introduced().await;
        let said = json!({"signer": "parent1", "decision": "withdrawn", "at": world.now().to_string()});
        let path = format!("/v1/referrals/{referral}/consent-decisions");
        assert_eq!(world.post(WIJKTEAM, &path, &said).await.status, 201);
        let trial = json!({"to": "trial", "until": world.day(2, 0)});
        let refused = world.pairing_to(&pairing, &trial).await;
        assert_eq!((refused.status, refused.text("/reasons/0")), (403, "consent-withdrawn"));
        assert_eq!(world.get(ANNA, &format!("/v1/cases/{case}/proposals")).await.status, 403);
        let other = world.available_support().await;
        assert_eq!(world.introduce(&case, &other).await.status, 403);
        assert_eq!(world.case_to(&case, "closed").await.status, 409, "first the pairing ends");
        let end = json!({"to": "ended", "reason": "family-stopped", "nextForm": "home"});
        let ended = world.pairing_to(&pairing, &end).await;
        assert_eq!((ended.status, ended.text("/case")), (200, "on-hold"), "{}", ended.raw);
        assert_eq!(world.case_to(&case, "closed").await.status, 200);
        reconciled(world).await;
    }
}

on_both! {
    /// A child turns sixteen during the trial: from that day the youth decides alone.
    async fn a_child_turns_sixteen_during_the_trial(world: World) {
        let mut body = example("referral-wijkteam");
        // Fifteen now, sixteen in three days; the youth signed too, as from twelve on.
        body["subjects"][1]["birthDate"] = json!("2010-11-24");
        body["subjects"][1]["competent"] = json!(true);
        let own = json!({"ref": "child1", "decision": "given", "at": "2026-01-06T09:00:00Z", "method": "signed-on-paper"});
        body["consent"]["signatures"].as_array_mut().expect("signatures").push(own);
        world.later(1);
        let sent = world.post(WIJKTEAM, "/v1/referrals", &body).await;
        assert_eq!(sent.status, 201, "{}", sent.raw);
        let case = world.get(LEA, "/v1/cases?assigned=false").await.text("/items/0/id").to_owned();
        let to = json!({"coordinator": "anna"});
        world.post(LEA, &format!("/v1/cases/{case}/assignments"), &to).await;
        for to in ["intake", "searching"] {
            assert_eq!(world.case_to(&case, to).await.status, 200);
        }
        let support = world.available_support().await;
        let pairing = world.introduce(&case, &support).await.text("/id").to_owned();
        let trial = json!({"to": "trial", "until": world.day(2, 0)});
        assert_eq!(world.pairing_to(&pairing, &trial).await.status, 200);
        world.later(4 * 86_400);
        assert_eq!(world.release(&case).await.status, 201, "the youth's own yes carries it");
        let decisions = format!("/v1/cases/{case}/consent-decisions");
        let said = json!({"signer": "child1", "decision": "withdrawn", "at": world.now().to_string()});
        assert_eq!(world.post(ANNA, &decisions, &said).await.status, 201);
        let go_on = world.pairing_to(&pairing, &json!({"to": "paired"})).await;
        assert_eq!(go_on.status, 403, "and the youth's no stops it, whatever the parents said");
    }
}

on_both! {
    /// One family, two support families: the case stands where the furthest is; a family that takes two has
    /// room for a second.
    async fn a_family_with_two_support_families(world: World) {
        let mut roomy = example("support-family");
        roomy["offer"]["capacity"] = json!(2);
        let roomy = world.available_with(&roomy).await;
        let other = world.available_support().await;
        let (_, case) = world.searching_case().await;
        let first = world.introduce(&case, &roomy).await.text("/id").to_owned();
        let twice = world.introduce(&case, &roomy).await;
        assert_eq!(twice.errors()[0].1, "support-family-not-available", "not the same one twice");
        let second = world.introduce(&case, &other).await;
        assert_eq!((second.status, second.text("/case")), (201, "introduction"));
        let trial = json!({"to": "trial", "until": world.day(1, 10)});
        assert_eq!(world.pairing_to(&first, &trial).await.text("/case"), "trial");
        let end = json!({"to": "ended", "reason": "mismatch", "nextForm": "support-family"});
        let ended = world.pairing_to(second.text("/id"), &end).await;
        assert_eq!(ended.text("/case"), "trial", "the other goes on");
        let (_, neighbour) = world.searching_case().await;
        let shared = world.introduce(&neighbour, &roomy).await;
        assert_eq!(shared.status, 201, "{}", shared.raw);
        let (_, third) = world.searching_case().await;
        assert_eq!(world.introduce(&third, &roomy).await.status, 400, "and no third");
        reconciled(world).await;
    }
}

on_both! {
    /// A coordinator leaves: her cases and their pairings go on with whom they are given to.
    async fn a_coordinator_leaves(world: World) {
        const BERTS: Caller = BERT;
        let [_, case, support, pairing] = world.introduced().await;
        let release = format!("/v1/support-families/{support}/identity-releases");
        let reason = json!({"reason": "Kennismaking"});
        assert_eq!(world.post(BERTS, &release, &reason).await.status, 404);
        let to = json!({"coordinator": "bert"});
        let assigned = world.post(LEA, &format!("/v1/cases/{case}/assignments"), &to).await;
        assert_eq!(assigned.status, 201, "{}", assigned.raw);
        let trial = json!({"to": "trial", "until": world.day(2, 0)});
        assert_eq!(world.pairing_to(&pairing, &trial).await.status, 404, "anna has lost it");
        let steps = format!("/v1/pairings/{pairing}/transitions");
        assert_eq!(world.post(BERTS, &steps, &trial).await.status, 200);
        let opened = world.post(BERTS, &release, &reason).await;
        assert_eq!(opened.status, 201, "who works with it may open it: {}", opened.raw);
    }
}

on_both! {
    /// The same key gives the same pairing; another body a conflict.
    async fn an_introduction_repeated_is_one(world: World) {
        let support = world.available_support().await;
        let (_, case) = world.searching_case().await;
        let path = format!("/v1/cases/{case}/pairings");
        let body = |children: u8| json!({"supportFamily": support, "children": children}).to_string();
        let send = async |children| {
            world.send(ANNA, reqwest::Method::POST, &path, Some(body(children)), Some("once")).await
        };
        let [first, again, other] = [send(1).await, send(1).await, send(2).await];
        assert_eq!((first.status, again.status, other.status), (201, 201, 409));
        assert_eq!(first.text("/id"), again.text("/id"));
        assert_eq!(again.header("idempotent-replayed"), "true");
        let listed = world.get(ANNA, &path).await.body["items"].as_array().map(Vec::len);
        assert_eq!(listed, Some(1));
    }
}

/// What may be sent to move a pairing, by state and whether its trial was extended.
const STEPS: [(&str, bool, &[&str]); 5] = [
    ("introduction", false, &["trial", "ended"]),
    ("trial", false, &["trial", "paired", "ended"]),
    ("trial", true, &["paired", "ended"]),
    ("paired", false, &["ended"]),
    ("ended", false, &[]),
];

/// A body that would be right for each state.
fn towards(world: &World, to: &str, extended: bool) -> Value {
    match to {
        "trial" => json!({"to": to, "until": world.day(if extended { 3 } else { 2 }, 0)}),
        "ended" => json!({"to": to, "reason": "moved", "nextForm": "home"}),
        _ => json!({"to": to}),
    }
}

on_both! {
    /// Every state of a pairing and every step: those allowed work, the others are 409 and name the allowed.
    async fn every_step_of_a_pairing_from_every_state(world: World) {
        for (state, extended, allowed) in STEPS {
            for to in ["introduction", "trial", "paired", "ended"] {
                world.later(1);
                let [_, _, _, pairing] = world.introduced().await;
                let way: &[&str] = match (state, extended) {
                    ("introduction", _) => &[],
                    ("trial", false) => &["trial"],
                    ("trial", true) => &["trial", "trial"],
                    ("paired", _) => &["trial", "paired"],
                    _ => &["ended"],
                };
                for (nth, step) in way.iter().enumerate() {
                    let answer = world.pairing_to(&pairing, &towards(world, step, nth == 1)).await;
                    assert_eq!(answer.status, 200, "{state}: {}", answer.raw);
                }
                let answer = world.pairing_to(&pairing, &towards(world, to, state == "trial")).await;
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
    /// A referral taken back while families are paired leaves the case waiting: a human ends the pairing, and
    /// nothing else goes on.
    async fn a_referral_taken_back_with_a_living_pairing_waits(world: World) {
        let [referral, case, _, pairing] = world.on_trial().await;
        let back = format!("/v1/referrals/{referral}/withdrawals");
        assert_eq!(world.post(WIJKTEAM, &back, &json!({})).await.status, 200);
        assert_eq!(world.get(ANNA, &format!("/v1/cases/{case}")).await.text("/state"), "on-hold");
        assert_eq!(world.pairing_to(&pairing, &json!({"to": "paired"})).await.status, 409);
        assert_eq!(world.case_to(&case, "trial").await.status, 409);
        let to = json!({"coordinator": "bert"});
        let path = format!("/v1/cases/{case}/assignments");
        assert_eq!(world.post(LEA, &path, &to).await.status, 201, "another can take it over");
        let end = json!({"to": "ended", "reason": "family-stopped", "nextForm": "home"});
        let path = format!("/v1/pairings/{pairing}/transitions");
        assert_eq!(world.post(BERT, &path, &end).await.status, 200);
        let path = format!("/v1/cases/{case}/transitions");
        let again = world.post(BERT, &path, &json!({"to": "intake"})).await;
        assert_eq!((again.status, &again.body["allowed"]), (409, &json!(["closed"])));
        assert_eq!(world.post(BERT, &path, &json!({"to": "closed"})).await.status, 200);
        let heard = world.get(WIJKTEAM, &format!("/v1/referrals/{referral}")).await;
        assert_eq!(heard.text("/status"), "withdrawn", "it stays taken back");
        reconciled(world).await;
    }
}

on_both! {
    /// Who has a family does not leave; a new certificate and more room can be kept meanwhile.
    async fn a_support_family_with_a_family_stays_and_can_change(world: World) {
        let [_, _, support, _] = world.introduced().await;
        let left = world.screen(&support, &json!({"to": "left"})).await;
        assert_eq!((left.status, &left.body["allowed"]), (409, &json!([])));
        let mut roomier = json!({"to": "paired", "vogSeenOn": world.day(0, 0)});
        assert_eq!(world.screen(&support, &roomier).await.text("/state"), "paired");
        roomier["offer"] = example("support-family")["offer"].clone();
        roomier["offer"]["capacity"] = json!(2);
        assert_eq!(world.screen(&support, &roomier).await.text("/state"), "available", "it has room");
        let (_, second) = world.searching_case().await;
        assert_eq!(world.introduce(&second, &support).await.status, 201);
        let left = world.screen(&support, &json!({"to": "left"})).await;
        assert_eq!(left.status, 409);
        let path = format!("/v1/support-families/{support}/identity-releases");
        let send = async |reason: &str| {
            let body = json!({"reason": reason}).to_string();
            world.send(ANNA, reqwest::Method::POST, &path, Some(body), Some("open-once")).await
        };
        let [first, again, other] = [send("Bellen").await, send("Bellen").await, send("Schrijven").await];
        assert_eq!((first.status, again.status, other.status), (201, 201, 409));
        assert_eq!(again.header("idempotent-replayed"), "true");
    }
}

on_both! {
    /// Without consent a coordinator sees of a pairing what is needed to end it.
    async fn without_consent_a_pairing_shows_what_ends_it(world: World) {
        let [referral, case, support, pairing] = world.on_trial().await;
        let path = format!("/v1/cases/{case}/pairings");
        assert_eq!(world.get(ANNA, &path).await.text("/items/0/supportFamily"), support, "control");
        let said = json!({"signer": "parent1", "decision": "withdrawn", "at": world.now().to_string()});
        let decisions = format!("/v1/referrals/{referral}/consent-decisions");
        assert_eq!(world.post(WIJKTEAM, &decisions, &said).await.status, 201);
        let bare = json!([{"id": pairing, "state": "trial", "evaluations": [], "version": 2}]);
        assert_eq!(world.get(ANNA, &path).await.body["items"], bare);
    }
}
