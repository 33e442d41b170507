//! What other programmes report about themselves: counts of a quarter, each from its own side.

use crate::sql;
use crate::support::{
    Answer, Caller, GEMEENTE, POH_J, REGIETEAM, WIJKTEAM, World, example, on_both,
};
use reqwest::Method;
use serde_json::{Value, json};

const COACH: Caller = ("doorbraak-nijmegen", "coach-1", "referrer");

pub(crate) async fn put(world: &World, who: Caller, place: &str, body: &Value) -> Answer {
    let path = format!("/v1/programme-reports/{place}");
    world.send(who, Method::PUT, &path, Some(body.to_string()), None).await
}

on_both! {
    /// Each programme reports its own counts; sent again changed it is a new version, unchanged the same.
    async fn each_programme_reports_from_its_own_side(world: World) {
        let poh = example("programme-report");
        let regie = json!({"municipality": "GM0268", "households": 22, "plansAgreed": 18, "placementsAvoided": 4, "placementsReversed": 1});
        let coach = json!({"municipality": "GM0268", "plans": 9, "breakthroughs": 6, "breakthroughsWithinTerm": 5});
        for (who, place, body) in [
            (POH_J, "poh-j/2026Q3", &poh),
            (REGIETEAM, "regieteam/2026Q3", &regie),
            (COACH, "doorbraakaanpak/2026Q3", &coach),
        ] {
            let answer = put(world, who, place, body).await;
            assert_eq!((answer.status, &answer.body["version"]), (200, &json!(1)), "{}", answer.raw);
            let again = put(world, who, place, body).await;
            assert_eq!((again.status, again.header("etag")), (200, "\"1\""), "unchanged");
        }
        let mut more = poh.clone();
        more["contacts"] = json!(481);
        assert_eq!(put(world, POH_J, "poh-j/2026Q3", &more).await.body["version"], json!(2));
        assert_eq!(put(world, POH_J, "poh-j/2026Q2", &more).await.body["version"], json!(1));
        let pool = &world.booted.api.gateway.store.pool;
        let kept = "SELECT COUNT(*) FROM programme_report";
        assert_eq!(sql::number(pool, kept).await, 5, "every version stays");
        let grade = "SELECT CAST(MIN(value) AS BIGINT) FROM programme_count WHERE measure = 'grade'";
        assert_eq!(sql::number(pool, grade).await, 86);
        world.ledger().await;
    }
}

on_both! {
    /// What does not fit together, or is not this partner's, is refused with every error at once.
    async fn counts_that_do_not_fit_are_refused(world: World) {
        let mut body = example("programme-report");
        body["helpedWithoutReferral"] = json!(121);
        body["contacts"] = json!(-1);
        body["plans"] = json!(3);
        body["grade"] = json!("11.0");
        let answer = put(world, POH_J, "poh-j/2026Q3", &body).await;
        let mut errors = answer.errors();
        errors.sort();
        let told: Vec<_> = errors.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
        let expected = [
            ("/contacts", "implausible"),
            ("/contacts", "range"),
            ("/grade", "grade"),
            ("/helpedWithoutReferral", "implausible"),
            ("/plans", "not-of-this-programme"),
        ];
        assert_eq!(told, expected);
        let good = example("programme-report");
        for (place, code) in [("poh-j/2027Q1", "path"), ("poh-j/2026", "path"), ("school/2026Q3", "path")] {
            assert_eq!(put(world, POH_J, place, &good).await.errors()[0].1, code, "{place}");
        }
        let other = put(world, WIJKTEAM, "poh-j/2026Q3", &good).await;
        assert_eq!(other.errors()[0].1, "programme-not-registered");
        let mut elsewhere = good.clone();
        elsewhere["municipality"] = json!("GM0119");
        let elsewhere = put(world, POH_J, "poh-j/2026Q3", &elsewhere).await;
        assert_eq!(elsewhere.errors()[0].1, "municipality-not-registered");
        let silent = json!({"municipality": "GM0268", "childrenSeen": 3, "helpedWithoutReferral": 3, "referredOn": 0, "contacts": 9, "respondents": 0, "grade": "8.0"});
        assert_eq!(put(world, POH_J, "poh-j/2026Q3", &silent).await.errors()[0].1, "not-expected");
        assert_eq!(put(world, GEMEENTE, "poh-j/2026Q3", &good).await.status, 403);
        assert_eq!(put(world, POH_J, "poh-j/2026Q3", &good).await.status, 200, "the control");
    }
}
