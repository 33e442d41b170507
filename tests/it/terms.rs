//! Terms: cases go when theirs is over and not before, and a coordinator sees the days that must not pass.

use crate::pairing::reconciled;
use crate::sql;
use crate::support::{ANNA, LEA, WIJKTEAM, World, example, on_both};
use buurtpoort::domain::municipality::Municipality;
use buurtpoort::domain::period::Year;
use buurtpoort::domain::programme::Target;
use buurtpoort::domain::term::Retention;
use buurtpoort::flow::remind;
use buurtpoort::flow::retention::{Swept, sweep};
use serde_json::json;
use std::sync::Arc;

const DAY: i64 = 86_400;

async fn swept(world: &World, dry: bool) -> Swept {
    sweep(&world.booted.api.gateway, dry, |_| {}).await.expect("looked at")
}

/// How many were due and erased, of those that ended.
async fn goes(world: &World) -> (u64, u64) {
    let swept = swept(world, false).await;
    (swept.due, swept.erased)
}

on_both! {
    /// Taken back and consent withdrawn: thirty days. Closed without a trial: six months. Paired: two years
    /// after the end, or twenty under the Jeugdwet. What is open stays.
    async fn cases_go_when_their_term_is_over(world: World) {
        let (taken_back, _) = world.assigned_case().await;
        let (withdrawn, _) = world.assigned_case().await;
        let (_, never) = world.assigned_case().await;
        let [_, paired, _, pairing] = world.on_trial().await;
        world.assigned_case().await;
        let back = format!("/v1/referrals/{taken_back}/withdrawals");
        assert_eq!(world.post(WIJKTEAM, &back, &json!({})).await.status, 200);
        let said = json!({"signer": "parent1", "decision": "withdrawn", "at": world.now().to_string()});
        let path = format!("/v1/referrals/{withdrawn}/consent-decisions");
        assert_eq!(world.post(WIJKTEAM, &path, &said).await.status, 201);
        let end = json!({"to": "ended", "reason": "mismatch", "nextForm": "home"});
        assert_eq!(world.pairing_to(&pairing, &end).await.status, 200);
        for case in [&never, &paired] {
            assert_eq!(world.case_to(case, "closed").await.status, 200);
        }
        world.later(29 * DAY);
        assert_eq!(goes(world).await, (0, 0), "a day early");
        world.later(DAY + 60);
        let dry = swept(world, true).await;
        assert_eq!((dry.looked_at, dry.due, dry.erased), (4, 2, 0), "a dry run only counts");
        assert_eq!(goes(world).await, (2, 2), "taken back, and withdrawn");
        assert_eq!(goes(world).await, (0, 0), "once");
        world.later(155 * DAY);
        assert_eq!(goes(world).await, (1, 1), "never paired, six months on");
        let gateway = &world.booted.api.gateway;
        let default = gateway.retention.load_full();
        let nijmegen = Municipality::parse("GM0268").expect("a gemeente");
        gateway.retention.store(Arc::new(Retention { jeugdwet20: vec![nijmegen], ..(*default).clone() }));
        world.later(560 * DAY);
        assert_eq!(goes(world).await, (0, 0), "the Jeugdwet asks for twenty years");
        gateway.retention.store(default);
        assert_eq!(goes(world).await, (1, 1), "paired, two years after the end");
        assert_eq!(swept(world, true).await.looked_at, 0, "what is open is not looked at");
        world.ledger().await;
        reconciled(world).await;
    }
}

on_both! {
    /// The end of a trial, a birthday that counts, the end of consent: soonest first.
    async fn a_coordinator_sees_the_days_that_must_not_pass(world: World) {
        let [_, case, _, pairing] = world.on_trial().await;
        let list = async || world.get(ANNA, "/v1/cases").await;
        let own = |answer: &crate::support::Answer, case: &str| {
            let items = answer.body["items"].as_array().expect("items").iter();
            items.filter(|i| i["id"] == case).map(|i| i["deadlines"].clone()).next().expect("it")
        };
        let until = world.day(2, 0);
        let expected = json!([{"kind": "trial-ends", "on": until}]);
        assert_eq!(own(&list().await, &case), expected);
        assert_eq!(world.get(ANNA, &format!("/v1/cases/{case}")).await.body["deadlines"], expected);
        assert_eq!(world.pairing_to(&pairing, &json!({"to": "paired"})).await.status, 200);
        let expected = json!([{"kind": "evaluation-due", "on": world.day(6, 0)}]);
        assert_eq!(own(&list().await, &case), expected);
        let mut body = example("referral-wijkteam");
        let soon = world.day(0, 20);
        body["subjects"][1]["birthDate"] = json!(soon.replace("2026", "2014"));
        body["consent"]["validUntil"] = json!(format!("{}T00:00:00Z", world.day(0, 10)));
        world.later(1);
        assert_eq!(world.post(WIJKTEAM, "/v1/referrals", &body).await.status, 201);
        let waiting = world.get(LEA, "/v1/cases?assigned=false").await;
        assert!(waiting.body["items"][0].get("deadlines").is_none(), "not for the assigner");
        let young = waiting.text("/items/0/id").to_owned();
        let path = format!("/v1/cases/{young}/assignments");
        assert_eq!(world.post(LEA, &path, &json!({"coordinator": "anna"})).await.status, 201);
        let expected = json!([
            {"kind": "subject-turns-12"},
            {"kind": "consent-ends", "on": world.day(0, 10)},
        ]);
        assert_eq!(own(&list().await, &young), expected);
    }
}

on_both! {
    /// A support family that left is erased after its term, with who it is.
    async fn a_support_family_that_left_goes(world: World) {
        let gone = world.available_support().await;
        let stays = world.available_support().await;
        assert_eq!(world.screen(&gone, &json!({"to": "left"})).await.status, 200);
        world.later(29 * DAY);
        assert_eq!(goes(world).await, (0, 0));
        world.later(DAY + 60);
        assert_eq!(goes(world).await, (1, 1));
        let pool = &world.booted.api.gateway.store.pool;
        assert_eq!(sql::number(pool, "SELECT COUNT(*) FROM identity").await, 1, "the other's");
        let left = "SELECT COUNT(*) FROM support_family WHERE length(facts) > 0";
        assert_eq!(sql::number(pool, left).await, 1);
        assert_eq!(stays.len(), 36);
        world.ledger().await;
        reconciled(world).await;
    }
}

/// Messages that wait about a case that comes near a day.
const NEAR: &str = "SELECT COUNT(*) FROM outbox WHERE kind = 'nl.buurtpoort.termijn-nadert'";

on_both! {
    /// The organisation is told of each day once, by the id of the case: the end of a trial and the answer to a request
    /// a fortnight ahead, a birthday that counts thirty days; nothing of what is closed.
    async fn each_day_that_comes_near_is_told_once(world: World) {
        let gateway = &world.booted.api.gateway;
        let told = async || remind::sweep(gateway).await.expect("looked at");
        let waiting = async || sql::number(&gateway.store.pool, NEAR).await;
        let [_, case, _, _] = world.on_trial().await;
        assert_eq!((told().await, waiting().await), (0, 0), "control: two months ahead");
        world.ask_access(&case).await;
        assert_eq!(told().await, 0, "control: a month ahead");
        world.later(20 * DAY);
        assert_eq!((told().await, waiting().await), (1, 1), "the request");
        assert_eq!((told().await, waiting().await), (0, 1), "once");
        world.later(30 * DAY);
        assert_eq!((told().await, waiting().await), (1, 2), "the end of the trial");
        let about = "SELECT COUNT(*) FROM outbox o JOIN case_file c ON c.id = o.object_id \
            WHERE o.kind = 'nl.buurtpoort.termijn-nadert'";
        assert_eq!(sql::number(&gateway.store.pool, about).await, 2, "a case, and no more");
        let days = "SELECT kind || ' ' || day FROM deadline_notice ORDER BY kind";
        let days = sql::texts(&gateway.store.pool, days).await;
        assert_eq!(days.len(), 2, "{days:?}");
        assert!(days[0].starts_with("access-request-due 2026-12-21"), "{days:?}");
    }
}

on_both! {
    /// A child that turns twelve is told of once, and neither the day nor the age is kept.
    async fn a_birthday_is_told_without_its_day(world: World) {
        let mut body = example("referral-wijkteam");
        body["subjects"][1]["birthDate"] = json!("2014-12-10");
        world.later(1);
        assert_eq!(world.post(WIJKTEAM, "/v1/referrals", &body).await.status, 201);
        world.assign_last().await;
        let gateway = &world.booted.api.gateway;
        // On a busy machine the look that the gateway takes when it starts may come first.
        assert!(remind::sweep(gateway).await.expect("looked at") <= 1);
        let day = sql::texts(&gateway.store.pool, "SELECT kind || ' ' || day FROM deadline_notice").await;
        assert!(day.len() == 1 && day[0].starts_with("birthday ") && day[0].len() == 73, "{day:?}");
        world.later(15 * DAY);
        assert_eq!(remind::sweep(gateway).await.expect("looked at"), 0, "once, also in another month");
    }
}

on_both! {
    /// What was agreed on stands beside what was done, for the organisation that does it; more children than the
    /// household has do not take part.
    async fn progress_stands_beside_its_target(world: World) {
        let path = "/v1/programme-progress/GM0268/2026";
        let before = world.get(ANNA, path).await;
        assert_eq!(before.status, 200, "{}", before.raw);
        assert_eq!(before.body["actual"]["pairings"], json!(0));
        assert!(before.body.get("target").is_none());
        let [_, _, _, pairing] = world.on_trial().await;
        assert_eq!(world.pairing_to(&pairing, &json!({"to": "paired"})).await.status, 200);
        let gateway = &world.booted.api.gateway;
        let nijmegen = Municipality::parse("GM0268").expect("a gemeente");
        let year = Year::parse(2026).expect("a year");
        let target = Target { municipality: nijmegen, year, pairings: 10, budget_euro: 58_000 };
        gateway.targets.store(Arc::new(vec![target]));
        let after = world.get(LEA, path).await;
        assert_eq!(after.body["target"], json!({"pairings": 10, "budgetEuro": 58_000}), "{}", after.raw);
        assert_eq!(after.body["actual"], json!({"pairings": 1, "children": 1, "supportFamilies": 1, "referred": 1}));
        assert_eq!(after.body["costPerPairingEuro"], json!(58_000));
        let elsewhere = world.get(ANNA, "/v1/programme-progress/GM0119/2026").await;
        assert_eq!(elsewhere.body["actual"]["pairings"], json!(0), "control: counted by gemeente");
        let earlier = world.get(ANNA, "/v1/programme-progress/GM0268/2025").await;
        assert_eq!(earlier.body["actual"]["referred"], json!(0), "control: counted by year");
        for bad in ["GM0268/20", "GM0268/1999", "Nijmegen/2026"] {
            assert_eq!(world.get(ANNA, &format!("/v1/programme-progress/{bad}")).await.status, 400, "{bad}");
        }
        let support = world.available_support().await;
        let (_, case) = world.searching_case().await;
        let path = format!("/v1/cases/{case}/pairings");
        let too_many = world.post(ANNA, &path, &json!({"supportFamily": support, "children": 2})).await;
        assert_eq!((too_many.status, too_many.errors()), (400, vec![("/children".to_owned(), "range".to_owned())]));
        assert_eq!(world.introduce(&case, &support).await.status, 201, "control");
    }
}
