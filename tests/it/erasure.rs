//! What a family may ask: to be erased, not to be counted; and the goals of a plan, which its participants
//! follow.

use crate::pairing::reconciled;
use crate::sql;
use crate::support::{ANNA, GEMEENTE, LEA, REGIETEAM, WIJKTEAM, World, example, on_both};
use buurtpoort::domain::municipality::Municipality;
use buurtpoort::domain::period::Year;
use buurtpoort::store::counts;
use serde_json::json;

/// Erases a case of anna's.
pub(crate) async fn erase(world: &World, case: &str) -> crate::support::Answer {
    world
        .post(ANNA, &format!("/v1/cases/{case}/erasures"), &json!({"reason": "family-asked"}))
        .await
}

on_both! {
    /// POL-18, ORA-09, AUD-16: an erased case is not there, byte for byte as one that never was, and for ever;
    /// the ledger stays whole and what was published stays as it was.
    async fn pol_18_ora_09_aud_16_an_erased_case_never_was(world: World) {
        let figures = world.get(GEMEENTE, "/v1/statistics/releases").await;
        let published = format!("/v1/statistics/releases/{}", figures.text("/items/0/id"));
        let before = world.get(GEMEENTE, &published).await.raw;
        let (referral, case) = world.assigned_case().await;
        let (_, other) = world.assigned_case().await;
        assert_eq!(world.release(&case).await.status, 201);
        let done = erase(world, &case).await;
        assert_eq!((done.status, done.text("/status")), (200, "erased"), "{}", done.raw);
        let never = "0199a1b2-7c3d-4e5f-8a6b-0c1d2e3f4a5b";
        for path in ["", "/pairings", "/identity-releases", "/proposals"] {
            let erased = world.get(ANNA, &format!("/v1/cases/{case}{path}")).await;
            let absent = world.get(ANNA, &format!("/v1/cases/{never}{path}")).await;
            assert_eq!((erased.status, erased.raw), (404, absent.raw), "{path}");
        }
        assert_eq!(world.release(&case).await.status, 404);
        assert_eq!(erase(world, &case).await.status, 404, "there is nothing left to erase");
        let own = world.get(WIJKTEAM, &format!("/v1/referrals/{referral}")).await;
        let absent = world.get(WIJKTEAM, &format!("/v1/referrals/{never}")).await;
        assert_eq!((own.status, own.raw), (404, absent.raw));
        let listed = world.get(WIJKTEAM, "/v1/referrals").await;
        assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(1), "the other");
        let listed = world.get(ANNA, "/v1/cases").await;
        assert_eq!(listed.text("/items/0/id"), other);
        world.later(1);
        let last = world.referral().await;
        let first = world.get(WIJKTEAM, "/v1/referrals?limit=1").await;
        let next = format!("/v1/referrals?limit=1&cursor={}", first.text("/next"));
        assert_eq!(world.get(WIJKTEAM, &next).await.text("/items/0/id"), last, "no page ends early");
        let assign = |id: &str| format!("/v1/cases/{id}/assignments");
        let decide = |id: &str| format!("/v1/referrals/{id}/consent-decisions");
        for body in [json!({"coordinator": "zzz"}), json!({"x": 1})] {
            let erased = world.post(LEA, &assign(&case), &body).await;
            let absent = world.post(LEA, &assign(never), &body).await;
            assert_eq!((erased.status, erased.raw), (404, absent.raw), "{body}");
            let erased = world.post(WIJKTEAM, &decide(&referral), &body).await;
            let absent = world.post(WIJKTEAM, &decide(never), &body).await;
            assert_eq!((erased.status, erased.raw), (404, absent.raw), "{body}");
        }
        assert_eq!(world.get(GEMEENTE, &published).await.raw, before);
        assert_eq!(world.release(&other).await.status, 201, "control: another opens");
        world.ledger().await;
        reconciled(world).await;
        let pool = &world.booted.api.gateway.store.pool;
        let left = "SELECT COUNT(*) FROM case_file WHERE erased_ms IS NOT NULL AND length(facts) = 0";
        assert_eq!(sql::number(pool, left).await, 1, "the row stays for what was counted");
        assert_eq!(sql::number(pool, "SELECT COUNT(*) FROM identity").await, 2);
        assert_eq!(sql::number(pool, "SELECT COUNT(*) FROM case_key").await, 2);
    }
}

on_both! {
    /// A pairing is ended by a human before its family is erased.
    async fn a_living_pairing_is_ended_first(world: World) {
        let [_, case, _, pairing] = world.introduced().await;
        assert_eq!(erase(world, &case).await.status, 409);
        let end = json!({"to": "ended", "reason": "family-stopped", "nextForm": "home"});
        assert_eq!(world.pairing_to(&pairing, &end).await.status, 200);
        assert_eq!(erase(world, &case).await.status, 200);
        assert_eq!(world.pairing_to(&pairing, &end).await.status, 404);
        reconciled(world).await;
    }
}

on_both! {
    /// Who objects is counted until then and not after.
    async fn who_objects_is_not_counted_any_more(world: World) {
        let (_, case) = world.assigned_case().await;
        world.assigned_case().await;
        let pool = &world.booted.api.gateway.store.pool;
        let municipality = Municipality::parse("GM0268").expect("a gemeente");
        let year = Year::parse(2026).expect("a year");
        let counted = async || {
            let counted = counts::by_source(pool, (municipality, year), (0, i64::MAX)).await;
            let counts = counted.expect("counted");
            counts.iter().map(|count| count.families).sum::<u32>()
        };
        let before = counted().await;
        let path = format!("/v1/cases/{case}/objections");
        let wrong = world.post(ANNA, &path, &json!({"to": "everything"})).await;
        assert_eq!(wrong.errors(), [("/to".to_owned(), "term".to_owned())]);
        assert_eq!(counted().await, before);
        assert_eq!(world.post(ANNA, &path, &json!({"to": "statistics"})).await.status, 200);
        assert_eq!(counted().await, before - 1);
        reconciled(world).await;
    }
}

on_both! {
    /// The coordinator says how a goal stands; the case manager of a participant reads it, with consent.
    async fn goals_are_followed_by_the_participants_of_the_plan(world: World) {
        let (referral, case) = world.planned_case().await;
        let manager = (REGIETEAM.0, REGIETEAM.1, "case-manager");
        let goals = format!("/v1/referrals/{referral}/goals");
        assert_eq!(world.get(manager, &goals).await.text("/goals/0/status"), "open");
        let path = format!("/v1/cases/{case}/goals");
        assert_eq!(world.post(ANNA, &path, &example("goal")).await.status, 200);
        let read = world.get(manager, &goals).await;
        assert_eq!(read.text("/goals/0/status"), "in-progress", "{}", read.raw);
        assert_eq!(read.text("/goals/1/status"), "open", "the other stands as it did");
        assert!(read.text("/goals/0/text").len() > 3, "the text as it was sent");
        let unknown = json!({"id": "goal-9", "status": "reached"});
        assert_eq!(world.post(ANNA, &path, &unknown).await.errors()[0].1, "goal-unknown");
        let (_, without) = world.assigned_case().await;
        let path = format!("/v1/cases/{without}/goals");
        assert_eq!(world.post(ANNA, &path, &example("goal")).await.status, 400, "no plan, no goals");
        reconciled(world).await;
    }
}

/// What was erased is not in the files of SQLite either, its log among them: that is where it was last.
#[actix_web::test]
async fn what_is_erased_is_not_in_the_log_of_sqlite() {
    let world = World::raise(crate::support::Engine::Sqlite).await.expect("SQLite is always there");
    let (_, case) = world.assigned_case().await;
    let (_, key) = crate::rotation::backup(&world, &case).await;
    let buurtpoort::store::Pool::Sqlite { path, .. } = &world.booted.api.gateway.store.pool else {
        panic!("SQLite");
    };
    let held = || {
        let log = std::path::PathBuf::from(format!("{}-wal", path.display()));
        let files = [path.to_path_buf(), log].map(|file| std::fs::read(file).unwrap_or_default());
        files.iter().any(|file| file.windows(key.wrapped.len()).any(|at| at == key.wrapped))
    };
    assert!(held(), "control: it is on the disk before");
    erase(&world, &case).await;
    assert!(!held());
}
