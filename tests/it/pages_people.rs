//! What people would stumble over (POR): each of these kept somebody who tried the pages for the first time from their work.

use crate::frozen::{agree, contract, nijmegen, wait};
use crate::pages::{Browser, Shown, size};
use crate::support::{ANNA, GEMEENTE, LEA, TOEZICHT, WIJKTEAM, example, on_both};
use buurtpoort::domain::period::Period;
use serde_json::json;

/// The answers of a referral that lacks nothing, as the last step sends them.
const WHOLE: [(&str, &str); 19] = [
    ("/source", "wijkteam"),
    ("/municipality", "GM0268"),
    ("/urgency", "urgent"),
    ("/referrer/name", "Proefpersoon Werk"),
    ("ja", "ja"),
    ("gezag", "EenhoofdigOuderlijkGezag"),
    ("ouder1", "2026-11-20"),
    ("/consent/purposes:l", "pairing"),
    ("hoe", "oral-recorded"),
    ("bewijs", "dossier-1"),
    ("/household/composition", "one-parent"),
    ("/household/children:n", "1"),
    ("/subjects/0/name/givenNames", "Proefpersoon"),
    ("/subjects/0/name/surname", "Testgezin"),
    ("/subjects/1/name/givenNames", "Kind"),
    ("/subjects/1/name/surname", "Testgezin"),
    ("/subjects/1/birthDate", "2019-05-05"),
    ("/support/codes:l", "relieve-parent"),
    ("/contact/phone", "06 1234 5678"),
];

/// Those answers with others in their place; an empty one is left out.
fn with<'a>(others: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = |(name, _): &&(&'a str, &'a str)| others.iter().all(|(other, _)| other != name);
    let all = WHOLE.iter().filter(kept).chain(others);
    all.filter(|(_, text)| !text.is_empty()).copied().collect()
}

/// What is told of somebody, or something, that lacks.
const LACKS: [&str; 3] = [
    "De andere ouder zei nog geen ja.",
    "Een kind van 12 jaar of ouder zei nog geen ja.",
    "niet aan dat het gezin ja zei op een steungezin zoeken",
];

async fn steps(own: &Browser, answers: &[(&str, &str)]) -> Shown {
    own.post("/verwijzer/aanmelden", answers).await
}

on_both! {
    /// Before it is sent somebody reads what the referral will wait for, and what nobody can do without a yes to it.
    async fn por_what_lacks_is_told_before_it_is_sent(world: World) {
        let own = Browser::of(world, WIJKTEAM).await;
        let calm = ("/safetySignal:b", "false");
        let last = async |others: &[(&str, &str)]| {
            let all = [with(others), vec![calm, ("stap", "5")]].concat();
            let shown = steps(&own, &all).await;
            assert!(shown.status == 200 && shown.text.contains("Controleren en versturen"), "{}", shown.text);
            LACKS.map(|words| shown.text.contains(words))
        };
        assert_eq!(last(&[]).await, [false; 3], "control: nothing lacks");
        assert_eq!(last(&[("gezag", "GezamenlijkOuderlijkGezag")]).await, [true, false, false]);
        assert_eq!(last(&[("/subjects/1/birthDate", "2013-05-05")]).await, [false, true, false]);
        assert_eq!(last(&[("/consent/purposes:l", "")]).await, [false, false, true]);
        let read = steps(&own, &[with(&[]), vec![calm, ("stap", "5")]].concat()).await;
        // Who changes one thing reads all of it over again, and is not led through what was answered.
        let back = steps(&own, &[with(&[]), vec![calm, ("stap", "6"), ("naar", "stap3")]].concat()).await;
        assert!(back.text.contains("Stap 3 van 6") && back.text.contains("name=\"lezen\" value=\"ja\""), "{}", back.text);
        let changed = steps(&own, &[with(&[]), vec![calm, ("lezen", "ja"), ("stap", "3")]].concat()).await;
        assert!(changed.text.contains("Stap 6 van 6"), "{}", changed.text);
        let lacks = steps(&own, &[with(&[("/contact/phone", "")]), vec![calm, ("lezen", "ja"), ("stap", "3")]].concat()).await;
        assert!(lacks.text.contains("Stap 5 van 6"), "{}", lacks.text);
        let plain = steps(&own, &[with(&[]), vec![calm, ("stap", "3")]].concat()).await;
        assert!(plain.text.contains("Stap 4 van 6"), "control: {}", plain.text);
        let told = read.between("Op welke dag zei de andere ouder ja?</dt><dd>", "<");
        assert_eq!(told, "niet ingevuld", "a day that a browser did not send");
        // Codes may be typed as people type.
        let typed = with(&[("/contact/address/street", "Voorbeeldlaan"), ("/contact/address/number", "1"),
            ("/contact/address/postcode", "6511 ab"), ("/contact/address/town", "Nijmegen"), ("/district", "wk026801")]);
        let sent = steps(&own, &[typed, vec![calm, ("stap", "6")]].concat()).await;
        assert!(sent.status == 200 && sent.text.contains("Verstuurd"), "{}", sent.text);
    }
}

on_both! {
    /// Who asks to be called first leaves a number.
    async fn por_who_is_called_first_has_a_telephone(world: World) {
        let own = Browser::of(world, WIJKTEAM).await;
        let asks = ("/safetySignal:b", "true");
        let without = steps(&own, &[with(&[]), vec![asks, ("stap", "4")]].concat()).await;
        assert!(without.status == 400 && without.text.contains("vul in stap 1 uw telefoon in"), "{}", without.text);
        let sent = steps(&own, &[with(&[]), vec![asks, ("stap", "6")]].concat()).await;
        assert_eq!(sent.status, 400, "not by the last step either");
        let phone = [("/referrer/phone", "024 000 0001")];
        let told = steps(&own, &[with(&phone), vec![asks, ("stap", "4")]].concat()).await;
        assert!(told.status == 200 && told.text.contains("Stap 5 van 6"), "control: {}", told.text);
        // One thing to choose is chosen; the visitor's own data the browser may fill in.
        let first = own.get("/verwijzer/aanmelden").await;
        assert!(first.text.contains("value=\"wijkteam\" id=\"v-source\" checked"), "{}", first.text);
        assert!(first.text.contains("autocomplete=\"tel\"") && first.text.contains("autocomplete=\"name\""));
    }
}

on_both! {
    /// A family that was not asked for pairing: the page says so, and leads back to the case.
    async fn por_a_missing_purpose_is_told_beside_the_case(world: World) {
        let mut body = example("referral-wijkteam");
        body["consent"]["purposes"] = json!(["referral", "contact"]);
        world.later(1);
        let sent = world.post(WIJKTEAM, "/v1/referrals", &body).await;
        assert_eq!(sent.status, 201, "{}", sent.raw);
        let case = world.assign_last().await;
        for to in ["intake", "searching"] {
            let moved = world.post(ANNA, &format!("/v1/cases/{case}/transitions"), &json!({"to": to})).await;
            assert_eq!(moved.status, 200, "{}", moved.raw);
        }
        let anna = Browser::of(world, ANNA).await;
        let shown = anna.get(&format!("/coordinator/zaak/{case}/voorstellen")).await;
        assert!(shown.text.contains("is het gezin niet om toestemming gevraagd"), "{}", shown.text);
        assert!(shown.text.contains(&format!("class=\"terug\" href=\"/coordinator/zaak/{case}\"")), "{}", shown.text);
        let (_, other) = world.assigned_case().await;
        for to in ["intake", "searching"] {
            assert_eq!(world.post(ANNA, &format!("/v1/cases/{other}/transitions"), &json!({"to": to})).await.status, 200);
        }
        let shown = anna.get(&format!("/coordinator/zaak/{other}/voorstellen")).await;
        assert!(shown.text.contains("Er is nu geen steungezin dat past"), "control: {}", shown.text);
        // What was taken meanwhile is told, though there is nobody left to choose.
        let sent = [("/supportFamily", other.as_str()), ("/children:n", "1")];
        let refused = anna.post(&format!("/coordinator/zaak/{other}/voorstellen"), &sent).await;
        assert!(refused.status == 400 && refused.text.contains("utrecht-alert--error"), "{}", refused.text);
    }
}

on_both! {
    /// Who handed a case over sees to whom, and can put a mistake right.
    async fn por_a_case_that_was_handed_over_can_be_handed_on(world: World) {
        world.later(1);
        world.referral().await;
        let waiting = world.get(LEA, "/v1/cases?assigned=false&limit=100").await;
        let case = waiting.body["items"].as_array().and_then(|all| all.last()).expect("one")["id"].as_str().expect("an id").to_owned();
        let (lea, path) = (Browser::of(world, LEA).await, format!("/coordinator/toewijzen/{case}"));
        for to in ["carla", "anna"] {
            let sent = lea.post(&path, &[("/coordinator", to)]).await;
            assert_eq!((sent.status, sent.leads_to()), (303, path.as_str()));
            let shown = lea.get(&path).await;
            assert!(shown.text.contains("De zaak is toegewezen.") && shown.text.contains(&format!(">{to}</th>")), "{}", shown.text);
        }
        assert_eq!(world.get(ANNA, &format!("/v1/cases/{case}")).await.status, 200);
    }
}

on_both! {
    /// From the number in a complaint to who opened the names, and by which rule.
    async fn por_a_complaint_leads_to_the_ledger(world: World) {
        let (_, case) = world.assigned_case().await;
        assert_eq!(world.release(&case).await.status, 201);
        let (_, other) = world.assigned_case().await;
        let anna = Browser::of(world, ANNA).await;
        assert!(anna.get(&format!("/coordinator/zaak/{case}")).await.text.contains(&format!("<dd>{case}</dd>")));
        let officer = Browser::of(world, TOEZICHT).await;
        let leads = async |number: &str| officer.post("/toezicht/zaak", &[("zaak", number)]).await;
        let before = size(world).await;
        let found = leads(&format!(" {case} ")).await;
        assert_eq!(found.status, 303, "{}", found.text);
        assert_eq!(size(world).await, before + 1, "that somebody looked is on record");
        let shown = officer.get(found.leads_to()).await;
        assert!(shown.text.contains("coordinator-opens-hers-as-consented"), "{}", shown.text);
        assert!(shown.text.contains("wat over één zaak"), "{}", shown.text);
        assert!(shown.text.matches("onderwerp=").count() > 5, "narrowed further it stays about that case");
        let nobody = officer.get(leads(&other).await.leads_to()).await;
        assert!(!nobody.text.contains("coordinator-opens-hers-as-consented"), "control: of another case");
        for wrong in ["", "123", "zaak", "01a22f00"] {
            let told = leads(wrong).await;
            assert!(told.status == 400 && told.text.contains("36 tekens"), "{wrong}: {}", told.text);
        }
        assert_eq!(leads("00000000-0000-7000-8000-000000000000").await.status, 404);
        assert_eq!(anna.post("/toezicht/zaak", &[("zaak", &case)]).await.status, 403, "for who runs cases it is no way");
    }
}

on_both! {
    /// A year under a contract: a nought is starred on the overview as on the page, what was agreed stands beside what was
    /// counted, and each file has its own sum.
    async fn por_figures_are_told_as_they_are(world: World) {
        agree(world, |disclosure| disclosure.contracts.push(contract(nijmegen(), "2026Q3")));
        wait(world, 60);
        let quarter = Period::parse("2026Q3").expect("a quarter");
        buurtpoort::flow::publish::publish(&world.booted.api.gateway, nijmegen(), quarter).await.expect("published");
        let own = Browser::of(world, GEMEENTE).await;
        let list = own.get("/gemeente").await.text;
        assert!(list.contains("Nijmegen, 3e kwartaal 2026") && !list.contains("2026Q3"), "{list}");
        assert!(list.contains("tegel__getal\">0*</dd>") && !list.contains("tegel__getal\">0</dd>"), "{list}");
        assert!(list.contains("Een 0* betekent"), "{list}");
        let explained = own.get("/gemeente/uitleg").await.text;
        assert!(!explained.contains("measure-round-freeze") && explained.contains("staat daarna vast"), "{explained}");
        let year = list.split("href=\"/gemeente/cijfers/").last().expect("a year").split('"').next().expect("an id");
        let page = own.get(&format!("/gemeente/cijfers/{year}")).await.text;
        for form in ["xlsx", "csv", "csv-metadata", "json-stat", "json"] {
            let answer = own.bytes(&format!("/gemeente/cijfers/{year}/{form}")).await;
            let sum = buurtpoort::crypto::digest::hex(&buurtpoort::crypto::digest::sha256(&answer));
            assert!(page.contains(&sum), "{form}");
        }
        assert!(page.contains("Aantallen onder 10 zijn verborgen en de andere zijn afgerond op 5."), "{page}");
    }
}
