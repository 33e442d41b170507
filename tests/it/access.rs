//! Ways past the policies and what may be learned by trying: test ids POL and ORA of the threat model that
//! have no other home. Each refusal stands beside the same request in order.

use crate::policy::subject;
use crate::race::set_status;
use crate::support::{ANNA, Answer, BERT, LEA, POH_J, WEBSITE, WIJKTEAM, example, on_both};
use buurtpoort::audit::entry::Event;
use buurtpoort::domain::partner::Role;
use buurtpoort::ids::CaseId;
use buurtpoort::policy::action::{NAMES, ReleaseIdentity};
use buurtpoort::policy::facts::{CaseFacts, Circumstance, Facts};
use buurtpoort::policy::verdict::Note;
use buurtpoort::policy::{Allowed, Subject};
use buurtpoort::store::denials::EACH;
use buurtpoort::store::effect::{Effect, Rows};
use buurtpoort::store::writer::Question;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A body with one more field.
fn with(mut body: Value, field: &str, value: Value) -> Value {
    body.as_object_mut().expect("an object").insert(field.to_owned(), value);
    body
}

/// Names of the headers of an answer, and their values where those do not differ from request to request.
fn shape(answer: &Answer) -> (u16, BTreeSet<String>, String) {
    let names = answer.headers.iter().map(|(name, _)| name.clone()).collect();
    (answer.status, names, answer.raw.clone())
}

on_both! {
    /// POL-05: what the caller may not decide cannot be sent along.
    async fn pol_05_nothing_can_be_assigned_by_a_field_of_ones_own(world: World) {
        let referral = example("referral-wijkteam");
        for (field, value) in [
            ("assignedTo", json!("anna")),
            ("status", json!("assigned")),
            ("role", json!("coordinator")),
            ("partner", json!("buurtgezinnen")),
            ("id", json!("00000000-0000-4000-8000-000000000000")),
        ] {
            let body = with(referral.clone(), field, value);
            let answer = world.post(WIJKTEAM, "/v1/referrals", &body).await;
            let errors = answer.errors();
            assert_eq!((answer.status, errors.len()), (400, 1), "{field}: {}", answer.raw);
            assert_eq!(errors[0].1, "unknown-field", "{field}");
        }
        let (_, case) = world.assigned_case().await;
        let path = format!("/v1/cases/{case}/assignments");
        let to = json!({"coordinator": "bert"});
        assert_eq!(world.post(LEA, &path, &with(to.clone(), "by", json!("anna"))).await.status, 400);
        assert_eq!(world.post(LEA, &path, &to).await.status, 201, "the control");
    }
}

on_both! {
    /// POL-14: a consent ends at midnight in Amsterdam, to the second.
    async fn pol_14_a_consent_ends_at_midnight_in_amsterdam(world: World) {
        let day = world.now().in_tz("Europe/Amsterdam").expect("a zone");
        let midnight = day.tomorrow().and_then(|day| day.start_of_day()).expect("a day").timestamp();
        let mut body = example("referral-wijkteam");
        body["consent"]["validUntil"] = json!(midnight.to_string());
        assert_eq!(world.post(WIJKTEAM, "/v1/referrals", &body).await.status, 201);
        let waiting = world.get(LEA, "/v1/cases?assigned=false").await;
        let case = waiting.text("/items/0/id").to_owned();
        let path = format!("/v1/cases/{case}/assignments");
        assert_eq!(world.post(LEA, &path, &json!({"coordinator": "anna"})).await.status, 201);
        world.later(midnight.as_second() - world.now().as_second() - 1);
        let last = world.release(&case).await;
        assert_eq!(last.status, 201, "a second before: {}", last.raw);
        world.later(1);
        let over = world.release(&case).await;
        assert_eq!((over.status, over.text("/reasons/0")), (403, "expired"), "{}", over.raw);
    }
}

on_both! {
    /// POL-17: a case that is closed shows nobody any more.
    async fn pol_17_a_closed_case_stays_shut(world: World) {
        let (referral, case) = world.assigned_case().await;
        assert_eq!(world.release(&case).await.status, 201, "the control");
        let back = format!("/v1/referrals/{referral}/withdrawals");
        assert_eq!(world.post(WIJKTEAM, &back, &json!({})).await.status, 200);
        let shut = world.release(&case).await;
        assert_eq!(shut.status, 409, "{}", shut.raw);
        assert!(!shut.raw.contains("Proefpersoon"));
        let again = json!({"coordinator": "bert"});
        let again = world.post(LEA, &format!("/v1/cases/{case}/assignments"), &again).await;
        assert_eq!(again.status, 409, "{}", again.raw);
    }
}

on_both! {
    /// POL-26: a list is neither sorted nor narrowed by a field one may not see, or by any other.
    async fn pol_26_lists_take_no_other_parameter(world: World) {
        world.assigned_case().await;
        for query in ["sort=name", "surname=Proefpersoon", "q=Nijmegen", "fields=names", "postcode=6500AA"] {
            let answer = world.get(ANNA, &format!("/v1/cases?{query}")).await;
            assert_eq!(answer.status, 400, "{query}: {}", answer.raw);
            assert!(!answer.raw.contains("Proefpersoon") && !answer.raw.contains("6500AA"), "{query}");
        }
        let plain = world.get(ANNA, "/v1/cases?limit=5").await;
        assert_eq!((plain.status, plain.body["items"].as_array().map(Vec::len)), (200, Some(1)));
    }
}

on_both! {
    /// POL-28, AUD-18: who guesses ids finds none, and cannot fill the ledger with guesses.
    async fn pol_28_aud_18_guessed_ids_are_not_there_and_are_counted(world: World) {
        let (_, case) = world.assigned_case().await;
        // A new minute.
        world.later(61);
        let before = world.ledger().await.entries;
        let first = world.get(ANNA, "/v1/cases/00000000-0000-4000-8000-000000000000").await;
        for number in 1..200_u128 {
            let id = uuid::Uuid::from_u128((number << 80) | 0x4000_8000_0000_0000_0000);
            let answer = world.get(ANNA, &format!("/v1/cases/{id}")).await;
            assert_eq!((answer.status, &answer.raw), (404, &first.raw));
        }
        assert_eq!(world.get(ANNA, &format!("/v1/cases/{case}")).await.status, 200, "the control");
        let written = world.ledger().await.entries - before;
        assert_eq!(written, EACH + 1, "twenty refusals and the reading");
        world.later(61);
        for _ in 0..40 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            if world.ledger().await.entries - before > written {
                break;
            }
        }
        assert_eq!(world.ledger().await.entries - before, written + 1, "and their count");
    }
}

on_both! {
    /// ORA-03: a family that is referred again, by the same or by another, is answered as one that is new.
    async fn ora_03_a_family_referred_twice_is_answered_as_once(world: World) {
        let body = example("referral-wijkteam");
        let first = world.post(WIJKTEAM, "/v1/referrals", &body).await;
        let second = world.post(WIJKTEAM, "/v1/referrals", &body).await;
        let mut other = body.clone();
        other["source"] = json!("poh-j");
        let third = world.post(POH_J, "/v1/referrals", &other).await;
        let told = |answer: &Answer| {
            let fields = answer.body.as_object().expect("an object");
            let names: BTreeSet<String> = fields.keys().cloned().collect();
            (answer.status, names, answer.text("/status").to_owned())
        };
        assert_eq!(told(&first), told(&second));
        assert_eq!(told(&first), told(&third), "{}", third.raw);
        assert_ne!(first.text("/id"), second.text("/id"), "the control: they are two");
    }
}

on_both! {
    /// ORA-05, -07: conditional and header-only requests tell no more than the plain one.
    async fn ora_05_07_conditions_and_heads_tell_no_more(world: World) {
        let (referral, _) = world.assigned_case().await;
        let absent = "00000000-0000-4000-8000-000000000000";
        let own = world.get(WIJKTEAM, &format!("/v1/referrals/{referral}")).await;
        assert_eq!(own.status, 200, "the control");
        for method in [Method::GET, Method::HEAD] {
            let mut seen = Vec::new();
            for id in [referral.as_str(), absent] {
                let request = world
                    .client(POH_J.0)
                    .request(method.clone(), world.url(&format!("/v1/referrals/{id}")))
                    .bearer_auth(world.token(POH_J))
                    .header("If-None-Match", own.header("etag"));
                let answer = crate::support::answer(request.send().await.expect("an answer")).await;
                seen.push(shape(&answer));
            }
            assert_eq!(seen[0], seen[1], "{method}");
            assert!([404, 405].contains(&seen[0].0), "{method}: {:?}", seen[0]);
        }
        let late = world.post(WEBSITE, &format!("/v1/referrals/{referral}/withdrawals"), &json!({})).await;
        assert_eq!(late.status, 404);
    }
}

on_both! {
    /// AUD-14: a release whose intent was not written gets no permit: neither when its code writes nothing,
    /// nor with the proof of another request.
    async fn aud_14_a_release_whose_intent_was_not_written_gets_no_permit(world: World) {
        let gateway = &world.booted.api.gateway;
        let verdict = || {
            let who = Subject { request: buurtpoort::ids::RequestId::new(), ..subject("anna", &[Role::Coordinator]) };
            let facts = Facts::Case(CaseFacts {
                organisation: who.partner,
                assignee: Some(who.person.clone()),
                open: true,
                consented: vec!["intake"],
            });
            let request = who.request;
            let allowed = Allowed::<ReleaseIdentity>::ask(who.into(), gateway.engine.load_full());
            let allowed = allowed.expect("a coordinator may ask");
            (request, allowed.decide(CaseId::new(), &facts, &Circumstance::Purpose("intake")))
        };
        let write = async |effect: Effect| {
            let mut effect = Some(effect);
            let once = move |_: &_| (effect.take().expect("decided once"), ());
            let now = gateway.clock.now();
            gateway.store.writer.write(Question::default(), now, once).await.expect("written").1
        };
        let note = Note::default();
        let (request, skipped) = verdict();
        let nothing = write(Effect::nothing(request)).await;
        assert!(skipped.settle(&nothing).is_err(), "no intent, no permit");
        let (request, kept) = verdict();
        let entry = kept.entry(Event::ReleaseIntent, &note);
        let committed = write(Effect::new(request, entry, Rows::default())).await;
        let (_, other) = verdict();
        assert!(other.settle(&committed).is_err(), "the intent of another request");
        assert!(kept.settle(&committed).is_ok(), "control: with its intent it is a permit");
    }
}

on_both! {
    /// ORA-04: the answer with an identity is as long for a small family as for a larger one.
    async fn ora_04_the_length_of_an_identity_tells_little(world: World) {
        let (_, small) = world.assigned_case().await;
        let mut body = example("referral-wijkteam");
        let long = "Wil graag op woensdagmiddag wat rust. ".repeat(20);
        body["supportText"] = json!(long);
        world.later(1);
        assert_eq!(world.post(WIJKTEAM, "/v1/referrals", &body).await.status, 201);
        let waiting = world.get(LEA, "/v1/cases?assigned=false").await;
        let large = waiting.text("/items/0/id").to_owned();
        let path = format!("/v1/cases/{large}/assignments");
        assert_eq!(world.post(LEA, &path, &json!({"coordinator": "anna"})).await.status, 201);
        let [small, large] = [world.release(&small).await, world.release(&large).await];
        assert_eq!((small.status, large.status), (201, 201));
        assert_eq!(small.header("content-length"), large.header("content-length"));
        assert_eq!(small.raw.len() % 4096, 0);
        let (bare, longer) = (small.raw.trim_end().len(), large.raw.trim_end().len());
        assert!(bare + 400 < longer, "control: what is said differs, {bare} and {longer}");
    }
}

on_both! {
    /// POL-19, -27, -29: what would get round the rules does not exist: no breaking of the glass, no request
    /// about several things at once, no case that moves to another gemeente.
    async fn pol_19_27_29_there_is_no_way_round(world: World) {
        assert!(NAMES.contains(&"releaseIdentity"), "control: actions go by these names");
        for word in ["emergency", "break", "override", "bulk", "relocate", "export"] {
            assert!(NAMES.iter().all(|name| !name.to_lowercase().contains(word)), "{word}");
        }
        let (_, case) = world.assigned_case().await;
        let path = format!("/v1/cases/{case}/identity-releases");
        for purpose in ["emergency", "break-glass", "intake,pairing", "*"] {
            let body = json!({"purpose": purpose, "reason": "Het is dringend"});
            let answer = world.post(ANNA, &path, &body).await;
            assert_eq!(answer.errors(), [("/purpose".to_owned(), "term".to_owned())], "{purpose}");
        }
        let absent = "00000000-0000-4000-8000-000000000000";
        for path in [
            format!("/v1/cases/{case},{absent}"),
            format!("/v1/cases/{case}%2C{absent}"),
            format!("/v1/cases/{case};{absent}"),
        ] {
            assert_eq!(world.get(ANNA, &path).await.status, 404, "{path}");
        }
        let several = json!({"purpose": "intake", "reason": "Beide", "cases": [case, absent]});
        assert_eq!(world.post(ANNA, &path, &several).await.errors()[0].1, "unknown-field");
        let moved = json!({"coordinator": "bert", "municipality": "GM0225"});
        let assign = format!("/v1/cases/{case}/assignments");
        assert_eq!(world.post(LEA, &assign, &moved).await.errors()[0].1, "unknown-field");
        assert_eq!(world.get(ANNA, &format!("/v1/cases/{case}")).await.text("/municipality"), "GM0268");
        assert_eq!(world.release(&case).await.status, 201, "control: one at a time, for a purpose");
    }
}

on_both! {
    /// Between a change of the register and the gateway seeing it, who is refused is refused as ever: whether a
    /// case is there is not told by "ask again".
    async fn ora_a_register_that_moves_tells_nothing_of_a_case(world: World) {
        let (_, case) = world.assigned_case().await;
        let absent = CaseId::new().to_string();
        world.apply(|register| set_status(register, "website-buurtgezinnen", "suspended")).await;
        let asked = async |who, id: &str, verb: &str, body: Value| {
            world.post(who, &format!("/v1/cases/{id}/{verb}"), &body).await.raw.replace(id, "ID")
        };
        for (verb, body) in [
            ("identity-releases", json!({"purpose": "intake", "reason": "x"})),
            ("transitions", json!({"to": "intake"})),
            ("erasures", json!({"reason": "family-asked"})),
        ] {
            let foreign = asked(BERT, &case, verb, body.clone()).await;
            let own = asked(ANNA, &case, verb, body.clone()).await;
            assert!(own.contains("#busy"), "control: {verb}: {own}");
            assert!(foreign.contains("#not-found"), "{verb}: {foreign}");
            assert_eq!(foreign, asked(BERT, &absent, verb, body).await, "{verb}");
        }
    }
}
