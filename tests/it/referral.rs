//! A referral through the API: what is promised when it comes in.

use crate::support::{
    ANNA, BERT, GEMEENTE, LEA, POH_J, REGIETEAM, WEBSITE, WIJKTEAM, example, on_both,
};
use reqwest::Method;
use serde_json::json;

on_both! {
    /// Every example body is accepted from the partner it is meant for.
    async fn examples_are_accepted(world: World) {
        let doorbraak = ("doorbraak-nijmegen", "coach-1", "referrer");
        let cases = [
            (WIJKTEAM, "referral-wijkteam", "received"),
            (POH_J, "referral-poh-j", "received"),
            (REGIETEAM, "referral-regieteam", "received"),
            (doorbraak, "referral-doorbraakcoach", "received"),
            (WEBSITE, "referral-self", "awaiting-consent"),
        ];
        for (who, name, status) in cases {
            let answer = world.post(who, "/v1/referrals", &example(name)).await;
            assert_eq!((answer.status, answer.text("/status")), (201, status), "{}", answer.raw);
        }
    }
}

on_both! {
    /// All errors come at once, by pointer and rule; nothing sent is repeated; nothing is kept.
    async fn every_error_at_once_and_nothing_echoed(world: World) {
        let mut body = example("referral-wijkteam");
        body["source"] = json!("Fam. Geheim");
        body["contact"]["phone"] = json!("Geheim 06");
        body["contact"]["address"]["postcode"] = json!(6500);
        body["subjects"][1]["birthDate"] = json!("2021-02-30");
        body["supportText"] = json!("bsn 111222333");
        body["safetySignal"] = json!(null);
        let answer = world.post(WIJKTEAM, "/v1/referrals", &body).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let mut errors = answer.errors();
        errors.sort();
        let expected = [
            ("/contact/address/postcode", "wrong-type"),
            ("/contact/phone", "phone"),
            ("/safetySignal", "missing"),
            ("/source", "term"),
            ("/subjects/1/birthDate", "birth-date"),
            ("/supportText", "bsn-not-allowed"),
        ];
        let errors: Vec<_> = errors.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
        assert_eq!(errors, expected);
        assert!(!answer.raw.contains("Geheim") && !answer.raw.contains("111222333"));
        let list = world.get(WIJKTEAM, "/v1/referrals").await;
        assert_eq!(list.body["items"], json!([]));
    }
}

on_both! {
    /// The same key gives the same referral; the same key with another body a conflict; another
    /// partner's key is another key.
    async fn rpl_05_06_07_keys_make_a_request_repeatable(world: World) {
        let body = example("referral-wijkteam").to_string();
        let post = |who, body: &str| {
            let body = body.to_owned();
            world.send(who, Method::POST, "/v1/referrals", Some(body), Some("once"))
        };
        let first = post(WIJKTEAM, &body).await;
        let again = post(WIJKTEAM, &body).await;
        assert_eq!((first.status, again.status), (201, 201));
        assert_eq!(first.text("/id"), again.text("/id"));
        assert_eq!(first.text("/receivedAt"), again.text("/receivedAt"));
        assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
        let other = body.replace("Voorbeeldstraat", "Andere straat");
        let reused = post(WIJKTEAM, &other).await;
        assert_eq!(reused.status, 409);
        assert!(reused.text("/type").ends_with("#idempotency-key-reused"));
        let poh = example("referral-poh-j").to_string();
        assert_eq!(post(POH_J, &poh).await.status, 201);
        let missing = world.send(WIJKTEAM, Method::POST, "/v1/referrals", Some(body), None).await;
        assert_eq!(missing.errors(), [(String::new(), "idempotency-key".to_owned())]);
    }
}

on_both! {
    /// Fifty at once with one key make one referral.
    async fn rpl_08_fifty_at_once_make_one(world: World) {
        let body = example("referral-wijkteam").to_string();
        let sent = (0..50).map(|_| {
            world.send(WIJKTEAM, Method::POST, "/v1/referrals", Some(body.clone()), Some("fifty"))
        });
        let answers = futures_util::future::join_all(sent).await;
        assert!(answers.iter().all(|answer| answer.status == 201));
        let id = answers[0].text("/id");
        assert!(answers.iter().all(|answer| answer.text("/id") == id));
        let list = world.get(WIJKTEAM, "/v1/referrals").await;
        assert_eq!(list.body["items"].as_array().map(Vec::len), Some(1));
    }
}

on_both! {
    /// Only the assigned coordinator gets the identity; a colleague, a referrer and the gemeente do
    /// not; who opened it is on record.
    async fn pol_09_10_only_the_assigned_coordinator_opens_the_identity(world: World) {
        let (_, case) = world.assigned_case().await;
        let open = world.release(&case).await;
        assert_eq!(open.status, 201, "{}", open.raw);
        assert_eq!(open.text("/fields/names/0/name/surname"), "Proefpersoon");
        assert_eq!(open.text("/fields/contact-details/phone"), "+31240000002");
        let path = format!("/v1/cases/{case}/identity-releases");
        let body = json!({"purpose": "intake", "reason": "nieuwsgierig"});
        let colleague = world.post(BERT, &path, &body).await;
        assert_eq!(colleague.status, 404);
        for who in [WIJKTEAM, GEMEENTE, LEA] {
            assert_eq!(world.post(who, &path, &body).await.status, 403);
        }
        let lines = world.get(ANNA, &path).await;
        assert_eq!(lines.body["items"].as_array().map(Vec::len), Some(1));
        assert_eq!(lines.text("/items/0/person"), "anna");
        assert_eq!(lines.text("/items/0/reason"), "Eerste gesprek plannen");
        let ledger = world.ledger().await;
        assert_eq!((ledger.releases_granted, ledger.releases_refused), (1, 1));
    }
}

on_both! {
    /// Stage contact: only the registrant's own name and contact data.
    async fn pol_12_stage_contact_shows_the_registrant_only(world: World) {
        let sent = world.post(WEBSITE, "/v1/referrals", &example("referral-self")).await;
        assert_eq!(sent.text("/status"), "awaiting-consent");
        let waiting = world.get(LEA, "/v1/cases?assigned=false").await;
        let case = waiting.text("/items/0/id").to_owned();
        let to = json!({"coordinator": "anna"});
        world.post(LEA, &format!("/v1/cases/{case}/assignments"), &to).await;
        let open = world.release(&case).await;
        assert_eq!((open.status, open.text("/stage")), (201, "contact"), "{}", open.raw);
        let fields: Vec<&str> =
            open.body["fields"].as_object().expect("fields").keys().map(String::as_str).collect();
        let allowed = [
            "address-confidential", "contact-details", "names", "preferred-language",
        ];
        assert!(fields.iter().all(|field| allowed.contains(field)), "{fields:?}");
        assert_eq!(open.body["fields"]["names"].as_array().map(Vec::len), Some(1));
        assert!(!open.raw.contains("\"Kind\""), "the child's name stays sealed");
        let pairing = json!({"purpose": "pairing", "reason": "te vroeg"});
        let path = format!("/v1/cases/{case}/identity-releases");
        assert_eq!(world.post(ANNA, &path, &pairing).await.status, 403);
        // The second authority holder signs: now the whole family is covered.
        let mut signed = json!({"signer": "parent2", "decision": "given", "at": "2026-11-20T09:00:00Z"});
        let path = format!("/v1/cases/{case}/consent-decisions");
        let bare = world.post(ANNA, &path, &signed).await;
        assert_eq!(bare.status, 400, "a yes needs proof");
        signed["method"] = json!("signed-on-paper");
        signed["evidence"] = json!("scan 12");
        let path = format!("/v1/cases/{case}/consent-decisions");
        let decided = world.post(ANNA, &path, &signed).await;
        assert_eq!((decided.status, decided.text("/stage")), (201, "full"), "{}", decided.raw);
        let open = world.release(&case).await;
        assert_eq!(open.text("/stage"), "full");
        assert!(open.raw.contains("\"Kind\""));
    }
}

on_both! {
    /// Withdrawn consent stops the next release at once; so does reassignment.
    async fn pol_11_12_a_release_rests_on_the_facts_of_that_instant(world: World) {
        let (referral, case) = world.assigned_case().await;
        assert_eq!(world.release(&case).await.status, 201);
        let to = json!({"coordinator": "bert"});
        let path = format!("/v1/cases/{case}/assignments");
        assert_eq!(world.post(LEA, &path, &to).await.status, 201);
        assert_eq!(world.release(&case).await.status, 404, "the one who had it has lost it");
        let body = json!({"purpose": "intake", "reason": "overdracht"});
        let own = format!("/v1/cases/{case}/identity-releases");
        assert_eq!(world.post(BERT, &own, &body).await.status, 201);
        let at = world.now().to_string();
        let withdrawn = json!({"signer": "parent1", "decision": "withdrawn", "at": at});
        let path = format!("/v1/referrals/{referral}/consent-decisions");
        assert_eq!(world.post(WIJKTEAM, &path, &withdrawn).await.status, 201);
        let refused = world.post(BERT, &own, &body).await;
        assert_eq!((refused.status, refused.text("/reasons/0")), (403, "consent-withdrawn"));
        assert_eq!(world.get(BERT, &format!("/v1/cases/{case}")).await.text("/state"), "on-hold");
    }
}
