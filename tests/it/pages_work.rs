//! Pages on which work is done (POR): what is put right, told to who asked, decided, reported; and that the next page says
//! that it was done, and somebody who had to sign in comes back to where they were.

use crate::canary::{Canaries, Scanner};
use crate::frozen::{agree, contract, nijmegen, wait};
use crate::pages::{Browser, Shown, about, entries, link, size};
use crate::support::{
    ANNA, BEHEER, BERT, Caller, GEMEENTE, POH_J, REGIETEAM, TOEZICHT, WIJKTEAM, example, on_both,
};
use buurtpoort::audit::entry::Event;
use serde_json::json;

/// Opens the names of a case.
async fn opened(own: &Browser, case: &str) -> Shown {
    let names = [("/purpose", "intake"), ("/reason", "Eerste gesprek plannen")];
    let shown = own.post(&format!("/coordinator/zaak/{case}/namen"), &names).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    shown
}

/// The fields of the form that goes to a path and holds a field, as a browser would send them unchanged.
fn fields(shown: &Shown, path: &str, holding: &str) -> Vec<(String, String)> {
    let action = format!("action=\"{path}\"");
    let forms = shown
        .text
        .split("<form ")
        .skip(1)
        .map(|form| form.split("</form>").next().unwrap_or_default());
    let own = forms
        .into_iter()
        .find(|form| form.contains(&action) && form.contains(holding))
        .expect("the form");
    let value = |input: &str, name: &str| {
        let rest = input.split_once(&format!(" {name}=\"")).map(|(_, rest)| rest)?;
        rest.split('"').next().map(str::to_owned)
    };
    let sent = |input: &&str| !input.contains("type=\"radio\"") || input.contains(" checked");
    let inputs =
        own.split("<input ").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
    let inputs: Vec<String> =
        inputs.filter(|input| sent(input)).map(|input| format!(" {input}")).collect();
    inputs
        .iter()
        .filter_map(|input| Some((value(input, "name")?, value(input, "value")?)))
        .filter(|(name, _)| name != "csrf")
        .collect()
}

async fn send(own: &Browser, path: &str, fields: &[(String, String)]) -> Shown {
    let all: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    own.post(path, &all).await
}

fn change(fields: &mut [(String, String)], name: &str, value: &str) {
    let own = fields.iter_mut().find(|(known, _)| known == name).expect("the field");
    value.clone_into(&mut own.1);
}

on_both! {
    /// What is wrong is put right beside the names, the rest stays as it was, and the ledger has what the API would leave.
    async fn por_a_family_is_put_right(world: World) {
        let (_, case) = world.assigned_case().await;
        let before = world.release(&case).await;
        let anna = Browser::of(world, ANNA).await;
        let (zaak, path) = (format!("/coordinator/zaak/{case}"), format!("/coordinator/zaak/{case}/verbeteren"));
        let shown = opened(&anna, &case).await;
        let mut contact = fields(&shown, &path, "/contact/phone");
        change(&mut contact, "/contact/phone", "024 000 00 09");
        let at = size(world).await;
        assert_eq!(send(&anna, &path, &contact).await.leads_to(), zaak);
        let said = anna.get(&zaak).await;
        assert!(said.text.contains("role=\"status\"") && said.text.contains("De gegevens zijn verbeterd."), "{}", said.text);
        assert!(!anna.get(&zaak).await.text.contains("De gegevens zijn verbeterd."), "once");
        let middle = size(world).await;
        let mut again = example("correction")["contact"].clone();
        again["phone"] = json!("+31240000009");
        assert_eq!(world.post(ANNA, &format!("/v1/cases/{case}/corrections"), &json!({"contact": again})).await.status, 200);
        let all = entries(world, at).await;
        // The second rests on the consent as it stands after the first.
        let corrected = |part: &[buurtpoort::audit::entry::Entry]| -> Vec<String> {
            part.iter().filter(|one| one.event == Event::CaseCorrected).map(|one| about(one).replace("consent:2", "consent:1")).collect()
        };
        let (page, api) = all.split_at(usize::try_from(middle - at).expect("small"));
        assert_eq!((corrected(page).len(), corrected(page)), (1, corrected(api)));
        let mut who = fields(&opened(&anna, &case).await, &path, "/subjects/0/name/surname");
        change(&mut who, "/subjects/1/name/givenNames", "Kindje");
        assert_eq!(send(&anna, &path, &who).await.leads_to(), zaak);
        let after = world.release(&case).await;
        assert_eq!(after.text("/fields/contact-details/phone"), "+31240000009");
        assert_eq!(after.text("/fields/names/1/name/givenNames"), "Kindje");
        for group in ["address", "address-confidential", "preferred-language", "birth-date", "household"] {
            assert_eq!(before.body["fields"][group], after.body["fields"][group], "{group}");
        }
        let bert = Browser::of(world, BERT).await;
        assert_eq!(send(&bert, &path, &who).await.status, 404);
        // Of an address nobody said whether it is secret: the form does not say so either. A parent needs no date of birth.
        let mut body = example("referral-wijkteam");
        body["contact"].as_object_mut().expect("a contact").remove("confidential");
        body["subjects"][0].as_object_mut().expect("a parent").remove("birthDate");
        world.later(1);
        let sent = world.post(WIJKTEAM, "/v1/referrals", &body).await;
        assert_eq!(sent.status, 201, "{}", sent.raw);
        let case = world.assign_last().await;
        let path = format!("/coordinator/zaak/{case}/verbeteren");
        let contact = fields(&opened(&anna, &case).await, &path, "/contact/phone");
        assert!(contact.contains(&("/contact/confidential:b".to_owned(), String::new())), "{contact:?}");
        assert_eq!(send(&anna, &path, &contact).await.status, 303);
        let shown = opened(&anna, &case).await;
        assert!(!shown.text.contains("Adres geheim"), "{}", shown.text);
        let mut who = fields(&shown, &path, "/subjects/0/name/surname");
        change(&mut who, "/subjects/0/name/surname", "Proefpersoon-Voorbeeld");
        assert_eq!(send(&anna, &path, &who).await.status, 303);
        assert_eq!(world.release(&case).await.text("/fields/names/0/name/surname"), "Proefpersoon-Voorbeeld");
    }
}

on_both! {
    /// A mistake brings back what was sent and nothing else, on a page that goes by itself.
    async fn por_a_mistake_shows_what_was_sent_only(world: World) {
        let (mut canaries, mut body) = (Canaries::new(), example("referral-wijkteam"));
        for (pointer, at) in [("/subjects/0/name/surname", "a"), ("/subjects/1/name/givenNames", "b")] {
            *body.pointer_mut(pointer).expect("a field") = json!(canaries.word(at));
        }
        world.later(1);
        assert_eq!(world.post(WIJKTEAM, "/v1/referrals", &body).await.status, 201);
        let case = world.assign_last().await;
        let (anna, path) = (Browser::of(world, ANNA).await, format!("/coordinator/zaak/{case}/verbeteren"));
        let mut contact = fields(&opened(&anna, &case).await, &path, "/contact/phone");
        change(&mut contact, "/contact/address/postcode", "nergens");
        let wrong = send(&anna, &path, &contact).await;
        assert_eq!(wrong.status, 400, "{}", wrong.text);
        assert!(wrong.text.contains("<title>Fout: ") && wrong.text.contains("nergens"), "{}", wrong.text);
        assert!(wrong.header("refresh").starts_with("900;url=/coordinator/zaak/"), "{}", wrong.header("refresh"));
        assert_eq!(wrong.text.len() % (16 * 1024), 0);
        let scanner = Scanner::new(canaries.all());
        assert!(scanner.find(wrong.text.as_bytes()).is_empty());
        assert!(!scanner.find(opened(&anna, &case).await.text.as_bytes()).is_empty(), "control");
    }
}

on_both! {
    /// Somebody who asked gets a page in words, in either language, without a code or what is another's.
    async fn por_what_is_kept_is_told_in_words(world: World) {
        let (_, case) = world.assigned_case().await;
        let anna = Browser::of(world, ANNA).await;
        opened(&anna, &case).await;
        let rights = format!("/coordinator/zaak/{case}/rechten");
        assert_eq!(anna.post(&format!("{rights}/inzage"), &[("/subject", "parent1")]).await.leads_to(), rights);
        let listed = anna.get(&rights).await;
        let request = listed.between("name=\"/request\" value=\"", "\"").to_owned();
        assert!(listed.text.contains("Ouder 1") && listed.text.contains("Het verzoek is vastgelegd."), "{}", listed.text);
        let path = format!("{rights}/antwoord");
        let mut all = vec![("/request", request.as_str()), ("/identityVerified:b", "true")];
        let unchecked = anna.post(&path, &all).await;
        assert!(unchecked.status == 400 && !unchecked.text.contains("Proefpersoon"), "{}", unchecked.text);
        all.push(("/rightsOfOthersChecked:b", "true"));
        let told = anna.post(&path, &all).await;
        assert_eq!((told.status, told.text.len() % (16 * 1024)), (200, 0), "{}", told.text);
        for words in ["Inzage in uw gegevens", "Proefpersoon", "1 januari 1990", "Voorbeeldstraat", "Eerste gesprek plannen", "Een steungezin zoeken en voorstellen", "Namen geopend", "buurtgezinnen ("] {
            assert!(told.text.contains(words), "{words}: {}", told.text);
        }
        let main = told.between("<main", "</main>");
        for code in ["parent1", "child1", "one-parent", "release.", "birthDate", "contact-details", "relieve-parent", "2021"] {
            assert!(!main.contains(code), "{code}: {main}");
        }
        assert!(told.header("refresh").starts_with("900;url="));
        let english = anna.post(&format!("{path}?taal=en"), &all).await;
        assert!(english.text.contains("What is kept of you") && english.text.contains("1 January 1990"), "{}", english.text);
    }
}

on_both! {
    /// A case that may be about the same family is decided on, and the page tells no value.
    async fn por_a_double_case_is_decided_on(world: World) {
        let [first, second] = world.twice().await;
        let (anna, path) = (Browser::of(world, ANNA).await, format!("/coordinator/zaak/{second}/dubbel"));
        let page = anna.get(&path).await;
        assert!(page.text.contains("Waarschijnlijk") && page.text.contains("E-mailadres"), "{}", page.text);
        assert!(!page.text.contains("Proefpersoon") && !page.text.contains("example.nl"));
        assert_eq!(anna.post(&path, &[("/case", &first), ("/decision", "linked")]).await.leads_to(), path);
        let decided = anna.get(&path).await;
        assert!(decided.text.contains("De beslissing is vastgelegd.") && decided.text.contains("Hetzelfde gezin</td>"), "{}", decided.text);
        assert_eq!(anna.post(&path, &[("/case", &first)]).await.status, 400);
    }
}

on_both! {
    /// A goal is kept up to date beside the names, and read by the case manager of the plan.
    async fn por_a_goal_is_followed(world: World) {
        let (referral, case) = world.planned_case().await;
        let anna = Browser::of(world, ANNA).await;
        let path = format!("/coordinator/zaak/{case}/doel");
        let mut goal = fields(&opened(&anna, &case).await, &path, "/id");
        change(&mut goal, "/status", "in-progress");
        let id = goal.iter().find(|(name, _)| name == "/id").expect("an id").1.clone();
        assert_eq!(send(&anna, &path, &goal).await.leads_to(), format!("/coordinator/zaak/{case}"));
        assert_eq!(anna.post(&path, &[("/id", &id)]).await.status, 400, "no status");
        let today = fields(&opened(&anna, &case).await, &path, "/id");
        assert!(today.contains(&("/status".to_owned(), "in-progress".to_owned())), "as it stands today: {today:?}");
        let late = Browser::of(world, ANNA).await;
        world.later(601);
        for bad in ["x%0d%0ay", "..%2f.."] {
            assert_eq!(late.post(&format!("/coordinator/steungezin/{bad}/namen"), &[]).await.status, 404, "{bad}");
        }
        let manager: Caller = (REGIETEAM.0, REGIETEAM.1, "case-manager");
        let own = Browser::of(world, manager).await;
        assert_eq!(own.post("/verwijzer/plan", &[("nummer", &referral)]).await.leads_to(), format!("/verwijzer/plan/{referral}"));
        let read = own.get(&format!("/verwijzer/plan/{referral}")).await;
        assert!(read.status == 200 && read.text.contains("Bezig"), "{}", read.text);
        assert!(!read.text.contains("Proefpersoon"));
        assert_eq!(own.get("/verwijzer/plan/00000000-0000-4000-8000-000000000000").await.status, 404);
        assert_eq!(own.post("/verwijzer/plan", &[("nummer", "x")]).await.status, 400);
        let other = Browser::of(world, WIJKTEAM).await;
        assert_eq!(other.get(&format!("/verwijzer/plan/{referral}")).await.status, 403);
    }
}

on_both! {
    /// Who runs a programme reports its counts; a count that does not fit is shown at its field.
    async fn por_counts_are_reported(world: World) {
        let poh = Browser::of(world, POH_J).await;
        assert!(poh.get("/verwijzer").await.text.contains("/verwijzer/opgave"));
        let page = poh.get("/verwijzer/opgave").await;
        assert!(page.text.contains("Kinderen gezien") && !page.text.contains("Huishoudens"), "{}", page.text);
        let counts = |seen: &'static str| {
            [("kwartaal", "2026Q3"), ("/municipality", "GM0268"), ("/childrenSeen:n", seen), ("/helpedWithoutReferral:n", "75"), ("/referredOn:n", "20"), ("/contacts:n", "480"), ("/respondents:n", "40"), ("/grade", "8,6")]
        };
        let wrong = poh.post("/verwijzer/opgave/poh-j", &counts("60")).await;
        assert!(wrong.status == 400 && wrong.text.contains("href=\"#v-helpedWithoutReferral-n\""), "{}", wrong.text);
        assert_eq!(poh.post("/verwijzer/opgave/poh-j", &counts("100")).await.leads_to(), "/verwijzer/opgave");
        assert!(poh.get("/verwijzer/opgave").await.text.contains("De opgave is ontvangen."));
        let kept = "SELECT COUNT(*) FROM programme_report";
        assert_eq!(crate::sql::number(&world.booted.api.gateway.store.pool, kept).await, 1);
        assert_eq!(poh.post("/verwijzer/opgave/regieteam", &counts("100")).await.status, 400);
        assert_eq!(poh.post("/verwijzer/opgave/anders", &counts("100")).await.status, 404);
        let wijkteam = Browser::of(world, WIJKTEAM).await;
        assert!(!wijkteam.get("/verwijzer").await.text.contains("/verwijzer/opgave"));
        assert!(wijkteam.get("/verwijzer/opgave").await.text.contains("doet geen opgave"));
    }
}

on_both! {
    /// Who had to sign in comes back to where they were, once, if it is a page of theirs.
    async fn por_one_comes_back_after_signing_in(world: World) {
        let (_, case) = world.assigned_case().await;
        let path = format!("/coordinator/zaak/{case}");
        let sign_in = async |who: Caller| {
            let own = Browser::new(world);
            assert_eq!(own.get(&path).await.leads_to(), "/inloggen");
            let secret = link(world, who).await;
            assert_eq!(own.post("/inloggen/link", &[("link", &secret)]).await.leads_to(), "/");
            let first = own.get("/").await.leads_to().to_owned();
            (first, own.get("/").await.leads_to().to_owned())
        };
        assert_eq!(sign_in(ANNA).await, (path.clone(), "/coordinator".to_owned()));
        assert_eq!(sign_in(TOEZICHT).await, ("/toezicht".to_owned(), "/toezicht".to_owned()));
        // Where names cannot be opened any more, one comes back to the case.
        let anna = Browser::of(world, ANNA).await;
        world.later(601);
        assert!(anna.get(&path).await.text.contains("Opnieuw inloggen"));
        let secret = link(world, ANNA).await;
        anna.post("/inloggen/link", &[("link", &secret)]).await;
        assert_eq!(anna.get("/").await.leads_to(), path);
        // Who signs out leaves nothing to come back to.
        assert!(anna.get("/coordinator").await.status == 200 && anna.get(&path).await.status == 200);
        world.later(601);
        anna.get(&path).await;
        let out = anna.post("/afmelden", &[]).await;
        assert_eq!(out.leads_to(), "/inloggen");
        assert!(anna.get("/inloggen").await.text.contains("U bent uitgelogd."));
        let secret = link(world, ANNA).await;
        anna.post("/inloggen/link", &[("link", &secret)]).await;
        assert_eq!(anna.get("/").await.leads_to(), "/coordinator");
    }
}

on_both! {
    /// An operator sees how far figures have come, and no figure; what partners' certificates were last.
    async fn por_an_operator_sees_how_far_figures_are(world: World) {
        agree(world, |disclosure| disclosure.contracts.push(contract(nijmegen(), "2026Q3")));
        let own = Browser::of(world, BEHEER).await;
        assert!(!own.get("/beheer/cijfers").await.text.contains("2026Q4"), "it is not over");
        assert!(own.get("/beheer").await.text.contains("Vraagt aandacht</dt><dd>Niets</dd>"));
        wait(world, 60);
        let own = Browser::of(world, BEHEER).await;
        let drafts = own.get("/beheer/cijfers").await;
        let stand = |page: &Shown, period: &str| page.between(&format!(">{period}<"), "</tr>").to_owned();
        assert!(stand(&drafts, "2026Q3").contains("klaar om te controleren"), "{}", drafts.text);
        let quarter = buurtpoort::domain::period::Period::parse("2026Q3").expect("a quarter");
        buurtpoort::flow::publish::publish(&world.booted.api.gateway, nijmegen(), quarter).await.expect("published");
        let sealed = own.get("/beheer/cijfers").await;
        assert!(stand(&sealed, "2026Q3").contains("haalt zelf op") && !stand(&sealed, "2026Q3").contains("klaar"), "{}", sealed.text);
        assert!(stand(&sealed, "2026Q4").contains("klaar om te controleren"), "{}", sealed.text);
        let before = own.get("/beheer").await;
        assert!(before.text.contains("nog niet gezien"), "{}", before.text);
        let shown = before.text.matches("nog niet gezien").count();
        assert_eq!(world.get(POH_J, "/v1/referrals").await.status, 200);
        assert_eq!(own.get("/beheer").await.text.matches("nog niet gezien").count(), shown - 1);
        // The list of revoked certificates lasts thirty days.
        world.later(25 * 86_400);
        let own = Browser::of(world, BEHEER).await;
        assert!(own.get("/beheer").await.text.contains("Vraagt aandacht</dt><dd>de intreklijst</dd>"));
    }
}

on_both! {
    /// Figures and rules are told in the language of the page; the rule that allowed an opening too.
    async fn por_figures_and_rules_are_told_in_both_languages(world: World) {
        let own = Browser::of(world, GEMEENTE).await;
        let list = own.get("/gemeente").await;
        let year = list.between("<a href=\"/gemeente/cijfers/", "\"").to_owned();
        let path = format!("/gemeente/cijfers/{year}");
        let (dutch, english) = (own.get(&path).await.text, own.get(&format!("{path}?taal=en")).await.text);
        for (known, other) in [("Aangemelde gezinnen naar verwijzer", "Families referred by referrer"), (">Totaal<", ">Total<"), ("CSV, puntkomma", "CSV, semicolon")] {
            assert!(dutch.contains(known) && !dutch.contains(other), "{known}");
            assert!(english.contains(other) && !english.contains(known), "{other}");
        }
        let (_, case) = world.assigned_case().await;
        let before = size(world).await;
        opened(&Browser::of(world, ANNA).await, &case).await;
        let after = size(world).await;
        let officer = Browser::of(world, TOEZICHT).await;
        let mut allowed = 0;
        for at in before..after {
            let line = officer.get(&format!("/toezicht/regel/{at}")).await.text;
            allowed += usize::from(line.contains("opent de namen voor een doel waarvoor het gezin toestemming gaf"));
        }
        assert!(allowed > 0, "the entry says by which rule");
        let (dutch, english) = (officer.get("/toezicht/regels").await.text, officer.get("/toezicht/regels?taal=en").await.text);
        let engine = world.booted.api.gateway.engine.load();
        let mut rules = 0;
        for (id, saying) in engine.sayings() {
            let (why, waarom) = (saying.why.as_deref().expect("@why"), saying.waarom.as_deref().expect("@waarom"));
            assert_ne!(why, waarom, "{id}");
            let shown = why.replace('\'', "&#39;");
            assert!(dutch.contains(id) && dutch.contains(waarom) && !dutch.contains(&shown), "{id}");
            assert!(english.contains(id) && english.contains(&shown) && !english.contains(waarom), "{id}");
            rules += 1;
        }
        assert!(rules > 40, "{rules}");
        assert!(dutch.contains("Staat toe") && dutch.contains("Verbiedt"));
    }
}

/// The fields that a page says something is wrong with, in the order of the summary.
fn wrong(shown: &Shown) -> Vec<String> {
    let summary = shown.between("id=\"fouten\"", "</ul>");
    let links = summary.split("href=\"#").skip(1);
    links.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
}

/// Answers of the five steps that are asked, in no order.
const ANSWERS: [&[(&str, &str)]; 5] = [
    &[
        ("/source", "wijkteam"),
        ("/municipality", "GM0268"),
        ("/urgency", "regular"),
        ("/referrer/name", "Proefpersoon Werk"),
        ("/referrer/phone", "024 000 0001"),
    ],
    &[
        ("ja", "ja"),
        ("gezag", "EenhoofdigOuderlijkGezag"),
        ("ouder1", "2026-11-20"),
        ("hoe", "oral-recorded"),
        ("bewijs", "dossier-1"),
    ],
    &[
        ("/household/composition", "one-parent"),
        ("/household/children:n", "2"),
        ("/subjects/0/name/givenNames", "Proefpersoon"),
        ("/subjects/0/name/surname", "Testgezin"),
        ("/subjects/1/name/givenNames", "Kind"),
        ("/subjects/1/name/surname", "Testgezin"),
        ("/subjects/1/birthDate", "2019-05-05"),
        ("/subjects/2/name/givenNames", "Kindje"),
        ("/subjects/2/name/surname", "Testgezin"),
        ("/subjects/2/birthDate", "2021-05-05"),
    ],
    &[("/support/codes:l", "relieve-parent"), ("/safetySignal:b", "false")],
    &[("/contact/phone", "06 1234 5678")],
];

/// What a regieteam answers instead, and of its plan.
const PLANNED: [&[(&str, &str)]; 5] = [
    &[
        ("/source", "regieteam"),
        ("/municipality", "GM0268"),
        ("/urgency", "urgent"),
        ("/referrer/name", "Proefpersoon Werk"),
    ],
    ANSWERS[1],
    ANSWERS[2],
    &[
        ("/support/codes:l", "relieve-parent"),
        ("/safetySignal:b", "false"),
        ("/plan/type", "integraal-plan-van-aanpak"),
        ("/plan/reference", "PLAN-1"),
        ("/plan/goals/0/text", "Een vaste middag rust"),
    ],
    ANSWERS[4],
];

/// Answers step after step: left empty a step asks at once for all that it will ever ask for. What was answered.
async fn in_one_round(
    own: &Browser,
    all: [&'static [(&'static str, &'static str)]; 5],
) -> Vec<(&'static str, &'static str)> {
    let mut before: Vec<(&str, &str)> = Vec::new();
    for (at, answers) in all.iter().enumerate() {
        let number = ["1", "2", "3", "4", "5"][at];
        // Of the second child one thing was filled in: then the rest of that child is asked for.
        let begun: &[(&str, &str)] =
            if at == 2 { &[("/subjects/2/name/givenNames", "Kindje")] } else { &[] };
        let empty: Vec<_> = before.iter().chain(begun).copied().chain([("stap", number)]).collect();
        let told = own.post("/verwijzer/aanmelden", &empty).await;
        assert_eq!(told.status, 400, "step {number} asks for nothing");
        let asked = wrong(&told);
        let is_asked = |name: &str| {
            begun.iter().any(|(known, _)| *known == name) || asked.contains(&id_of(name))
        };
        let answered: Vec<_> = answers.iter().filter(|(name, _)| is_asked(name)).copied().collect();
        let all = asked.len() + begun.len();
        assert_eq!(
            answered.len(),
            all,
            "step {number} asks for more than this test answers: {asked:?}"
        );
        before.extend(answered);
        let sent: Vec<_> = before.iter().copied().chain([("stap", number)]).collect();
        let next = own.post("/verwijzer/aanmelden", &sent).await;
        assert_eq!((next.status, wrong(&next)), (200, Vec::new()), "step {number}: {}", next.text);
    }
    before
}

on_both! {
    /// A step that was left empty says at once all that must be answered; one that was answered so says nothing more.
    async fn por_a_step_tells_all_its_mistakes_at_once(world: World) {
        let own = Browser::of(world, WIJKTEAM).await;
        let answers = in_one_round(&own, ANSWERS).await;
        let plain: Vec<_> = answers.iter().copied().chain([("stap", "6")]).collect();
        let sent = own.post("/verwijzer/aanmelden", &plain).await;
        assert!(sent.status == 200 && sent.text.contains("Verstuurd"), "{}", sent.text);
        assert!(!sent.text.contains("U koos met voorrang"), "control");
        // A child that was added and left empty keeps nobody.
        let less = answers.iter().copied().filter(|(name, _)| !name.starts_with("/subjects/2/"));
        let less: Vec<_> = less.chain([("/subjects/2/name/surname", ""), ("stap", "3")]).collect();
        assert_eq!(own.post("/verwijzer/aanmelden", &less).await.status, 200);
        let team = Browser::of(world, REGIETEAM).await;
        let planned: Vec<_> = in_one_round(&team, PLANNED).await.into_iter().chain([("stap", "6")]).collect();
        let sent = team.post("/verwijzer/aanmelden", &planned).await;
        assert!(sent.status == 200 && sent.text.contains("U koos met voorrang"), "{}", sent.text);
    }
}

/// The id of the first input of a field.
fn id_of(name: &str) -> String {
    format!("v{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
}
