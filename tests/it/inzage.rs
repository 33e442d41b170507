//! What a family may ask of what is kept of it: to see it within a month, and to have it put right.

use crate::pairing::reconciled;
use crate::support::{ANNA, BERT, World, example, on_both};
use buurtpoort::audit::entry::{Event, Outcome};
use reqwest::Method;
use serde_json::{Value, json};

impl World {
    /// Somebody of a case of anna's asks for access; gives the id of the request.
    pub(crate) async fn ask_access(&self, case: &str) -> String {
        let path = format!("/v1/cases/{case}/access-requests");
        let answer = self.post(ANNA, &path, &json!({"subject": "parent1"})).await;
        assert_eq!(answer.status, 201, "{}", answer.raw);
        answer.text("/id").to_owned()
    }

    async fn export(&self, case: &str, body: &Value) -> crate::support::Answer {
        self.post(ANNA, &format!("/v1/cases/{case}/access-exports"), body).await
    }
}

fn answer_to(request: &str) -> Value {
    json!({"request": request, "identityVerified": true, "rightsOfOthersChecked": true})
}

on_both! {
    /// The clock runs from the day it was asked; the request stands among the deadlines until it is answered.
    async fn a_request_has_a_month_and_stands_among_the_deadlines(world: World) {
        let (_, case) = world.assigned_case().await;
        let path = format!("/v1/cases/{case}/access-requests");
        let asked = world.post(ANNA, &path, &example("access-request")).await;
        assert_eq!(asked.status, 201, "{}", asked.raw);
        assert_eq!((asked.text("/receivedOn"), asked.text("/dueOn")), ("2026-11-20", "2026-12-20"));
        let due = json!({"kind": "access-request-due", "on": "2026-12-20"});
        for at in ["/v1/cases".to_owned(), format!("/v1/cases/{case}")] {
            let told = world.get(ANNA, &at).await;
            let case = told.body.pointer("/items/0").unwrap_or(&told.body);
            assert_eq!(case["deadlines"], json!([due]), "{at}");
        }
        let key = world.key();
        let again = async |body: &Value| world.send(ANNA, Method::POST, &path, Some(body.to_string()), Some(&key)).await;
        let first = again(&json!({"subject": "child1"})).await;
        let second = again(&json!({"subject": "child1"})).await;
        assert_eq!((first.status, first.text("/id")), (201, second.text("/id")), "one request");
        let id = asked.text("/id").to_owned();
        assert_eq!(world.export(&case, &answer_to(&id)).await.status, 201);
        let list = world.get(ANNA, &path).await;
        assert_eq!(list.body["items"].as_array().map(Vec::len), Some(2), "{}", list.raw);
        let answered: Vec<_> = list.body["items"].as_array().expect("items").iter().filter(|one| one.get("answeredAt").is_some()).collect();
        assert_eq!(answered.len(), 1);
        assert_eq!(answered[0]["id"], json!(id));
        let told = world.get(ANNA, &format!("/v1/cases/{case}")).await;
        assert_eq!(told.body["deadlines"].as_array().map(Vec::len), Some(1), "the other one waits");
        for (body, code) in [
            (json!({"subject": "parent9"}), "subject-unknown"),
            (json!({"subject": "parent1", "receivedOn": "2026-11-22"}), "in-the-future"),
            (json!({"subject": "parent1", "receivedOn": "22-11-2026"}), "date"),
        ] {
            let refused = world.post(ANNA, &path, &body).await;
            assert_eq!((refused.status, refused.errors()[0].1.as_str()), (400, code), "{}", refused.raw);
        }
        world.later(86_400);
        let replayed = again(&json!({"subject": "child1"})).await;
        assert_eq!(replayed.header("idempotent-replayed"), "true");
        assert_eq!(replayed.text("/dueOn"), first.text("/dueOn"), "the term began when it was asked");
        let another = world.post(ANNA, &path, &json!({"subject": "child1"})).await;
        assert_ne!(another.text("/dueOn"), first.text("/dueOn"), "control: a new request has its own term");
    }
}

on_both! {
    /// Everything about the one who asked, and of lists by person nothing about another; who looked and why; each
    /// answer is itself on record; never to another coordinator.
    async fn an_answer_is_complete_and_about_the_one_who_asked(world: World) {
        let (_, case) = world.assigned_case().await;
        assert_eq!(world.release(&case).await.status, 201);
        let request = world.ask_access(&case).await;
        let unchecked = json!({"request": request, "identityVerified": true, "rightsOfOthersChecked": false});
        let refused = world.export(&case, &unchecked).await;
        assert_eq!((refused.status, refused.errors()[0].1.as_str()), (400, "not-verified"));
        assert!(!refused.raw.contains("Proefpersoon"));
        let foreign = world.post(BERT, &format!("/v1/cases/{case}/access-exports"), &answer_to(&request)).await;
        assert_eq!(foreign.status, 404);
        let other = buurtpoort::ids::AccessRequestId::new().to_string();
        assert_eq!(world.export(&case, &answer_to(&other)).await.errors()[0].1, "request-unknown");

        let told = world.export(&case, &answer_to(&request)).await;
        assert_eq!(told.status, 201, "{}", told.raw);
        let data = &told.body["data"];
        assert_eq!(data["names"].as_array().map(Vec::len), Some(1), "{data}");
        assert_eq!(data["names"][0]["ref"], json!("parent1"));
        assert_eq!(data["birth-date"][0]["birthDate"], json!("1990-01-01"));
        assert!(!told.raw.contains("2021-05-01"), "the child's date of birth is the child's");
        assert_eq!(data["contact-details"]["phone"], json!("+31240000002"));
        assert!(data.get("safety-signal").is_none(), "not before the privacy officer looked");
        assert_eq!(told.body["consent"]["covers"], json!("full"));
        assert_eq!(told.body["releases"][0]["reason"], json!("Eerste gesprek plannen"));
        let log = told.body["log"].as_array().expect("a log");
        assert!(log.iter().any(|line| line["event"] == json!("release.intent")), "{log:?}");
        assert!(!told.body["recipients"].as_array().expect("recipients").is_empty());
        let reviewed = json!({"request": request, "identityVerified": true, "rightsOfOthersChecked": true, "officerReview": true});
        let reviewed = world.export(&case, &reviewed).await;
        assert_eq!(reviewed.body["data"]["safety-signal"], json!(false));

        let key = world.key();
        let body = answer_to(&request).to_string();
        let exports = format!("/v1/cases/{case}/access-exports");
        let again = async || world.send(ANNA, Method::POST, &exports, Some(body.clone()), Some(&key)).await;
        let [first, second] = [again().await, again().await];
        assert_eq!((first.status, second.status), (201, 201));
        assert_eq!(second.header("idempotent-replayed"), "true");
        // Without consent a request is not a key to the case: what is sealed stays shut, the rest is told.
        let withdrawal = example("consent-withdrawal");
        let path = format!("/v1/cases/{case}/consent-decisions");
        assert_eq!(world.post(ANNA, &path, &withdrawal).await.status, 201);
        assert_eq!(world.release(&case).await.status, 403, "control");
        let shut = world.export(&case, &answer_to(&request)).await;
        assert_eq!((shut.status, &shut.body["data"]), (201, &json!({})), "{}", shut.raw);
        assert!(!shut.raw.contains("Proefpersoon") && !shut.body["log"].as_array().expect("a log").is_empty());
        assert_eq!((&shut.body["releases"][0]["reason"], &shut.body["said"]), (&Value::Null, &json!([])), "words are sealed too");
        assert_eq!(shut.body["releases"][0]["purpose"], told.body["releases"][0]["purpose"], "control: that it was opened is told");
        world.later(86_400 + 60);
        let late = world.export(&case, &answer_to(&request)).await;
        assert_eq!((late.status, late.errors()[0].1.as_str()), (400, "request-answered"));
        let list = world.get(ANNA, &format!("/v1/cases/{case}/identity-releases")).await;
        let purposes: Vec<_> = list.body["items"].as_array().expect("items").iter().map(|one| one["purpose"].clone()).collect();
        assert_eq!(purposes.len(), 6, "each answer is a release of its own");
        assert_eq!(purposes.iter().filter(|one| **one == json!("access-request")).count(), 5);
        reconciled(world).await;
    }
}

on_both! {
    /// What is about the family as a whole goes to who registered it: an address may be hidden from another parent.
    async fn another_of_the_family_is_shown_their_own(world: World) {
        let (_, case) = world.assigned_case().await;
        let path = format!("/v1/cases/{case}/access-requests");
        assert_eq!(world.release(&case).await.status, 201);
        let asked = world.post(ANNA, &path, &json!({"subject": "child1"})).await;
        let told = world.export(&case, &answer_to(asked.text("/id"))).await;
        assert_eq!(told.status, 201, "{}", told.raw);
        assert_eq!(told.body["data"]["names"][0]["ref"], json!("child1"));
        for hidden in ["Voorbeeldstraat", "+31240000002", "gezin@example.nl", "1990-01-01", "Graag een middag", "Eerste gesprek plannen", "WK026801", "GM0268", "buurtgezinnen:nijmegen"] {
            assert!(!told.raw.contains(hidden), "{hidden}");
        }
        let registrant = world.ask_access(&case).await;
        let told = world.export(&case, &answer_to(&registrant)).await;
        for shown in ["Voorbeeldstraat", "Graag een middag", "Eerste gesprek plannen", "WK026801", "GM0268", "buurtgezinnen:nijmegen"] {
            assert!(told.raw.contains(shown), "control: {shown}");
        }
    }
}

on_both! {
    /// That an address is secret is not forgotten by a correction that leaves it out, nor does one make an address tellable
    /// of which nobody said so.
    async fn a_correction_makes_no_address_tellable(world: World) {
        let referred = async |confidential: Value| {
            let mut body = example("referral-wijkteam");
            body["contact"]["confidential"] = confidential;
            if body["contact"]["confidential"].is_null() {
                body["contact"].as_object_mut().expect("a contact").remove("confidential");
            }
            world.later(1);
            assert_eq!(world.post(crate::support::WIJKTEAM, "/v1/referrals", &body).await.status, 201);
            world.assign_last().await
        };
        let mut contact = example("correction")["contact"].clone();
        contact.as_object_mut().expect("a contact").remove("confidential");
        for said in [json!(true), Value::Null, json!(false)] {
            let case = referred(said.clone()).await;
            let path = format!("/v1/cases/{case}/corrections");
            assert_eq!(world.post(ANNA, &path, &json!({"contact": contact})).await.status, 200);
            let after = world.release(&case).await;
            assert_eq!(after.text("/fields/contact-details/phone"), "+31240000009", "control");
            assert_eq!(after.body["fields"]["address-confidential"], said, "{}", after.raw);
        }
    }
}

on_both! {
    /// What is put right is shown from then on, what was there before no more; decisions rest on it; the family may be
    /// known again by it; nothing else changes.
    async fn a_correction_is_a_new_sealed_version(world: World) {
        let (_, case) = world.assigned_case().await;
        let before = world.release(&case).await;
        let path = format!("/v1/cases/{case}/corrections");
        let corrected = world.post(ANNA, &path, &example("correction")).await;
        assert_eq!(corrected.status, 200, "{}", corrected.raw);
        assert!(corrected.body["fields"].as_array().expect("fields").contains(&json!("names")));
        let after = world.release(&case).await;
        assert_eq!(after.status, 201, "{}", after.raw);
        assert_eq!(after.text("/fields/names/0/name/givenNames"), "Voorbeeldje");
        assert_eq!(after.text("/fields/contact-details/phone"), "+31240000009");
        assert!(!after.raw.contains("+31240000002"));
        for group in ["support-request-codes", "household", "authority", "address"] {
            assert_eq!(before.body["fields"][group], after.body["fields"][group], "{group}");
        }
        // Twice: of a group the highest version counts.
        let mut contact = example("correction")["contact"].clone();
        contact["phone"] = json!("+31240000008");
        assert_eq!(world.post(ANNA, &path, &json!({"contact": contact})).await.status, 200);
        let third = world.release(&case).await;
        assert_eq!(third.text("/fields/contact-details/phone"), "+31240000008");
        assert_eq!(third.text("/fields/names/0/name/givenNames"), "Voorbeeldje");
        // What a whole section leaves out is gone.
        let bare = json!({"contact": {"phone": "+31240000008"}});
        assert_eq!(world.post(ANNA, &path, &bare).await.status, 200);
        let fourth = world.release(&case).await;
        for group in ["address", "address-confidential", "preferred-language"] {
            assert!(third.body["fields"].get(group).is_some(), "control: {group}");
            assert!(fourth.body["fields"].get(group).is_none(), "{group}: {}", fourth.raw);
        }
        // A child that proves to be twelve signs along.
        let mut older = example("correction");
        older["subjects"][1]["birthDate"] = json!("2014-01-01");
        let body = json!({"subjects": older["subjects"]});
        assert_eq!(world.post(ANNA, &path, &body).await.status, 200);
        let fewer = world.release(&case).await;
        assert_eq!((fewer.status, fewer.text("/stage")), (201, "contact"), "{}", fewer.raw);
        let told = world.get(ANNA, &format!("/v1/cases/{case}")).await;
        assert_eq!(told.text("/consent/missing/0"), "child1", "{}", told.raw);
        // Back again would do what only the child's signature may.
        let younger = json!({"subjects": example("correction")["subjects"]});
        let refused = world.post(ANNA, &path, &younger).await;
        assert_eq!((refused.status, refused.errors()[0].1.as_str()), (400, "consent-first"), "{}", refused.raw);
        reconciled(world).await;
        assert_eq!(world.ledger().await.counts.get(&(Event::CaseCorrected, Outcome::Allow)), Some(&4));
    }
}

on_both! {
    /// Others than those of the referral, or nobody at all: refused, and nothing is kept; erased with the case.
    async fn a_correction_keeps_to_the_people_of_the_referral(world: World) {
        let (_, case) = world.assigned_case().await;
        let path = format!("/v1/cases/{case}/corrections");
        let mut fewer = example("correction");
        fewer["subjects"].as_array_mut().expect("subjects").pop();
        let fewer = world.post(ANNA, &path, &fewer).await;
        assert_eq!((fewer.status, fewer.errors()[0].1.as_str()), (400, "subjects-differ"), "{}", fewer.raw);
        assert_eq!(world.post(ANNA, &path, &json!({})).await.errors()[0].1, "missing");
        let mut sole = example("correction");
        sole["subjects"][1]["authority"] = json!({"type": "EenhoofdigOuderlijkGezag", "holders": ["parent1"]});
        assert_eq!(world.post(ANNA, &path, &sole).await.errors()[0].1, "not-corrected", "who must sign stays");
        let mut bsn = example("correction");
        bsn["contact"]["address"]["street"] = json!("Straat 111222333");
        assert_eq!(world.post(ANNA, &path, &bsn).await.errors()[0].1, "bsn-not-allowed");
        assert_eq!(world.post(ANNA, &path, &example("correction")).await.status, 200, "control");
        assert_eq!(world.case_to(&case, "closed").await.status, 200);
        assert_eq!(world.post(ANNA, &path, &example("correction")).await.status, 200, "what is kept can be put right");
        let erased = world.post(ANNA, &format!("/v1/cases/{case}/erasures"), &json!({"reason": "family-asked"})).await;
        assert_eq!(erased.status, 200);
        let kept = "SELECT COUNT(*) FROM identity_correction";
        assert_eq!(crate::sql::number(&world.booted.api.gateway.store.pool, kept).await, 0);
    }
}

on_both! {
    /// What a support family may be told grows with the pairing, and falls back with consent.
    async fn a_pairing_says_what_may_be_told(world: World) {
        let [_, case, _, pairing] = world.introduced().await;
        let told = async || {
            let list = world.get(ANNA, &format!("/v1/cases/{case}/pairings")).await;
            list.body["items"][0]["mayBeTold"].as_array().cloned().unwrap_or_default()
        };
        let introduced = told().await;
        assert!(introduced.contains(&json!("first-names")) && !introduced.contains(&json!("contact")));
        let body = json!({"to": "trial", "until": world.day(2, 0)});
        assert_eq!(world.pairing_to(&pairing, &body).await.status, 200);
        let on_trial = told().await;
        assert!(on_trial.contains(&json!("contact")) && on_trial.contains(&json!("address")), "{on_trial:?}");
        // The address becomes confidential.
        let mut contact = example("correction")["contact"].clone();
        contact["confidential"] = json!(true);
        let path = format!("/v1/cases/{case}/corrections");
        assert_eq!(world.post(ANNA, &path, &json!({"contact": contact})).await.status, 200);
        let hidden = told().await;
        assert!(hidden.contains(&json!("contact")) && !hidden.contains(&json!("address")), "{hidden:?}");
        let ended = json!({"to": "ended", "reason": "moved", "nextForm": "home"});
        assert_eq!(world.pairing_to(&pairing, &ended).await.status, 200);
        assert!(told().await.is_empty());
    }
}
