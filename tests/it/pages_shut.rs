//! Ways that are shut (POR): a form that opened names, links on a deployment, and what began with an account or a provider
//! that is gone.

use crate::pages::{Browser, Shown, entries, link, size};
use crate::process::{Deployment, PROGRAM};
use crate::support::{ANNA, Engine, LEA, WEBSITE, WIJKTEAM, example, on_both};
use buurtpoort::audit::entry::Event;
use buurtpoort::cli::partners::{RegisterFile, SignInFile};
use buurtpoort::domain::partner::Slug;
use buurtpoort::flow::session::{self, Way};
use std::process::Command;

async fn is_out(own: &Browser, home: &str) -> bool {
    own.get(home).await.leads_to() == "/inloggen"
}

on_both! {
    /// A form opens names once. Sent again, as a browser does that goes back or reloads, it opens nothing.
    async fn por_a_form_opens_names_once(world: World) {
        let (_, case) = world.assigned_case().await;
        let support = world.support_family(WEBSITE, &example("support-family")).await;
        let anna = Browser::of(world, ANNA).await;
        let places = [
            (format!("/coordinator/zaak/{case}"), vec![("/purpose", "intake"), ("/reason", "Eerste gesprek plannen")]),
            (format!("/coordinator/steungezin/{support}"), vec![("/reason", "Kennismaken")]),
        ];
        for (place, asked) in places {
            let path = format!("{place}/namen");
            let with = |form: &'static str| [asked.as_slice(), &[("eenmalig", form)]].concat();
            for words in ["the first time", "a second tap"] {
                let shown = anna.post(&path, &with("een-formulier")).await;
                assert!(shown.status == 200 && shown.text.contains("Nu verbergen"), "{words}: {}", shown.text);
                assert!(!shown.text.contains(">null<"), "what is not there is not told");
            }
            world.later(4);
            let before = size(world).await;
            let again = anna.post(&path, &with("een-formulier")).await;
            assert_eq!((again.status, again.leads_to()), (303, place.as_str()));
            let told = anna.get(&place).await;
            assert!(told.text.contains("De namen blijven verborgen."), "{}", told.text);
            let opened = |one: &&buurtpoort::audit::entry::Entry| one.event == Event::ReleaseIntent;
            assert_eq!(entries(world, before).await.iter().filter(opened).count(), 0);
            let other = anna.post(&path, &with("een-ander-formulier")).await;
            assert_eq!(other.status, 200, "control: another form opens them");
            world.later(301);
            *anna.cookies.borrow_mut() = Browser::of(world, ANNA).await.cookies.into_inner();
            anna.get("/hulp").await;
        }
    }
}

on_both! {
    /// A way in that was not taken yet does not come to life again with its account, nor across a suspension.
    async fn por_a_link_ends_with_its_account(world: World) {
        let people = |register: &mut RegisterFile, there: bool| {
            let own = register.partner.iter_mut().find(|one| one.name == LEA.0).expect("known");
            let lea = own.people.iter().position(|one| one.account == LEA.1);
            match (lea, there) {
                (Some(at), false) => drop(own.people.remove(at)),
                (None, true) => own.people.push(buurtpoort::cli::partners::PersonFile {
                    account: LEA.1.to_owned(),
                    roles: vec!["assigner".to_owned()],
                    pins: Vec::new(),
                }),
                _ => {}
            }
        };
        let status = |register: &mut RegisterFile, active: bool| {
            let own = register.partner.iter_mut().find(|one| one.name == LEA.0).expect("known");
            own.status = if active { "active" } else { "suspended" }.to_owned();
        };
        let enters = async |secret: &str| {
            let own = Browser::new(world);
            own.post("/inloggen/link", &[("link", secret)]).await.status
        };
        let (first, second, third) = (link(world, LEA).await, link(world, LEA).await, link(world, LEA).await);
        assert_eq!(enters(&first).await, 303, "control");
        world.amend(|register| people(register, false)).await;
        world.amend(|register| people(register, true)).await;
        assert_eq!(enters(&second).await, 400);
        let fourth = link(world, LEA).await;
        world.amend(|register| status(register, false)).await;
        world.amend(|register| status(register, true)).await;
        assert_eq!((enters(&third).await, enters(&fourth).await), (400, 400));
        assert_eq!(enters(&link(world, LEA).await).await, 303, "control");
    }
}

on_both! {
    /// Who takes a provider off the register, or another in its place, ends what it let in.
    async fn por_a_session_ends_with_its_provider(world: World) {
        let ca = std::fs::read_to_string(world.dir().join("pki/ca.pem")).expect("the CA");
        let provider = |issuer: &str| SignInFile {
            issuer: issuer.to_owned(),
            client_id: "buurtpoort".to_owned(),
            claim: "preferred_username".to_owned(),
            acr: String::new(),
            authorities: ca.clone(),
        };
        let given = async |own: Option<SignInFile>| {
            world.amend(|register| {
                let anna = register.partner.iter_mut().find(|one| one.name == ANNA.0).expect("known");
                anna.sign_in = own;
            })
            .await;
        };
        let begun = async || {
            let gateway = &world.booted.api.gateway;
            let partner = gateway.register.load().named(ANNA.0).expect("known").id;
            let account = Slug::parse(ANNA.1).expect("an account");
            let secret = session::begin(gateway, partner, &account, Way::Provider).await.expect("a session");
            let own = Browser::new(world);
            own.cookies.borrow_mut().insert("__Host-sessie".to_owned(), secret.as_str().to_owned());
            own
        };
        given(Some(provider("https://localhost:1"))).await;
        let own = begun().await;
        given(Some(provider("https://localhost:1"))).await;
        assert!(!is_out(&own, "/coordinator").await, "control: nothing was changed");
        given(Some(provider("https://localhost:2"))).await;
        assert!(is_out(&own, "/coordinator").await, "another provider");
        let own = begun().await;
        assert!(!is_out(&own, "/coordinator").await, "control");
        given(None).await;
        assert!(is_out(&own, "/coordinator").await, "no provider");
    }
}

on_both! {
    /// What can be neither undone nor taken back asks for a sign-in of the last ten minutes.
    async fn por_erasing_asks_for_a_fresh_sign_in(world: World) {
        let (_, case) = world.assigned_case().await;
        let anna = Browser::of(world, ANNA).await;
        let path = format!("/coordinator/zaak/{case}/rechten");
        assert!(anna.get(&path).await.text.contains("/rechten/wissen"), "control");
        world.later(601);
        let stale = anna.get(&path).await;
        assert!(!stale.text.contains("/rechten/wissen") && stale.text.contains("Opnieuw inloggen"), "{}", stale.text);
        let erase = [("/reason", "family-asked"), ("zeker", "true")];
        assert_eq!(anna.post(&format!("{path}/wissen"), &erase).await.status, 200);
        assert_eq!(world.get(ANNA, &format!("/v1/cases/{case}")).await.status, 200, "it is there");
        let fresh = Browser::of(world, ANNA).await;
        fresh.get(&path).await;
        assert_eq!(fresh.post(&format!("{path}/wissen"), &erase).await.status, 303, "control");
        assert_eq!(world.get(ANNA, &format!("/v1/cases/{case}")).await.status, 404);
    }
}

on_both! {
    /// The steps that hold who a family is leave the screen by themselves, and their length says little.
    async fn por_steps_with_names_do_not_stay(world: World) {
        let own = Browser::of(world, WIJKTEAM).await;
        let leaves = |shown: &Shown| shown.header("refresh").starts_with("900;url=/verwijzer");
        let first = own.get("/verwijzer/aanmelden").await;
        assert!(first.status == 200 && !leaves(&first), "control: nothing of anybody stands on it");
        let name = ("/subjects/0/name/surname", "Testgezin");
        for back in ["stap1", "stap2", "stap3", "stap4"] {
            let shown = own.post("/verwijzer/aanmelden", &[("stap", "5"), ("naar", back), name]).await;
            assert!(shown.status == 200 && shown.text.contains("Testgezin"), "{back}: {}", shown.text);
            assert!(leaves(&shown) && shown.text.len().is_multiple_of(16 * 1024), "{back}");
        }
    }
}

/// A link signs nobody in on a deployment, whatever somebody put into its directory.
#[actix_web::test]
async fn por_links_are_for_demos_only() {
    let deployment = Deployment::made(Engine::Sqlite).await.expect("a deployment");
    let mut running = deployment.serve().await;
    let client = deployment.client(None);
    running.ready(&client).await;
    std::fs::write(deployment.dir().join("DEMO"), "").expect("a stamp");
    let made = Command::new(PROGRAM)
        .args(["link", "--partner", "buurtgezinnen", "--person", "anna", "--dir"])
        .arg(deployment.dir())
        .output()
        .expect("it ran");
    let made = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    let base = format!("https://localhost:{}", deployment.ports.portal);
    let secret = made.rsplit('/').next().unwrap_or_default().to_owned();
    assert!(made.contains("/inloggen/l/") && secret.len() > 20, "control: a link was made: {made}");
    let asked = async |path: &str| {
        client.get(format!("{base}{path}")).send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(asked("/inloggen").await, 200, "control");
    assert_eq!(asked(&format!("/inloggen/l/{secret}")).await, 404);
    let sent = client
        .post(format!("{base}/inloggen/link"))
        .header("origin", &base)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("link={secret}"));
    let sent = sent.send().await.expect("an answer");
    assert_eq!((sent.status().as_u16(), sent.headers().get("set-cookie")), (404, None));
    running.terminate();
}

on_both! {
    /// A file is the same for everybody and kept by anybody: it carries nothing of a visitor.
    async fn por_files_carry_nothing_of_a_visitor(world: World) {
        let own = Browser::of(world, WIJKTEAM).await;
        let page = own.get("/hulp?taal=en").await;
        assert!(!page.header("audit-checkpoint").is_empty() && page.header("set-cookie").contains("__Host-taal"), "control");
        let font = buurtpoort::portal::assets::path("noto-sans-latin.woff2");
        let file = own.get(&format!("{font}?taal=nl")).await;
        assert!(file.status == 200 && file.header("cache-control").contains("public"), "{font}: {}", file.status);
        assert_eq!((file.header("set-cookie"), file.header("audit-checkpoint")), ("", ""));
    }
}

on_both! {
    /// The answer to who asked to see is shown once by a form, as names are; a page can be taken off the screen.
    async fn por_an_answer_is_shown_once(world: World) {
        let (_, case) = world.assigned_case().await;
        let anna = Browser::of(world, ANNA).await;
        let path = format!("/coordinator/zaak/{case}/rechten");
        assert_eq!(anna.post(&format!("{path}/inzage"), &[("/subject", "parent1")]).await.status, 303);
        let page = anna.get(&path).await;
        let request = page.between("name=\"/request\" value=\"", "\"").to_owned();
        let asked = [
            ("/request", request.as_str()),
            ("/identityVerified:b", "true"),
            ("/rightsOfOthersChecked:b", "true"),
            ("eenmalig", "een-antwoord"),
        ];
        let shown = anna.post(&format!("{path}/antwoord"), &asked).await;
        assert!(shown.status == 200 && shown.text.contains("Proefpersoon") && shown.text.contains("Nu verbergen"), "{}", shown.text);
        let hidden = anna.post("/coordinator/verbergen", &[("naar", &format!("zaak/{case}/rechten"))]).await;
        assert_eq!((hidden.leads_to(), hidden.header("clear-site-data")), (path.as_str(), "\"cache\""));
        world.later(4);
        let again = anna.post(&format!("{path}/antwoord"), &asked).await;
        assert_eq!((again.status, again.leads_to()), (303, path.as_str()));
        assert!(anna.get(&path).await.text.contains("De namen blijven verborgen."));
    }
}

on_both! {
    /// A gateway that has not read the register yet may let somebody in for a second: not beyond, whatever the register
    /// says next.
    async fn por_who_came_in_by_an_old_register_is_out(world: World) {
        let gateway = &world.booted.api.gateway;
        let account = Slug::parse(LEA.1).expect("an account");
        let partner = gateway.register.load().named(LEA.0).expect("known").id;
        let people = |there: bool| {
            move |register: &mut RegisterFile| {
                let own = register.partner.iter_mut().find(|one| one.name == LEA.0).expect("known");
                own.people.retain(|one| one.account != LEA.1);
                if there {
                    own.people.push(buurtpoort::cli::partners::PersonFile {
                        account: LEA.1.to_owned(),
                        roles: vec!["assigner".to_owned()],
                        pins: Vec::new(),
                    });
                }
            }
        };
        let begun = async || {
            let secret = session::begin(gateway, partner, &account, Way::Link).await.expect("a session");
            let own = Browser::new(world);
            own.cookies.borrow_mut().insert("__Host-sessie".to_owned(), secret.as_str().to_owned());
            own
        };
        assert!(!is_out(&begun().await, "/coordinator/toewijzen").await, "control");
        world.apply(people(false)).await;
        let own = begun().await;
        world.amend(people(true)).await;
        assert!(is_out(&own, "/coordinator/toewijzen").await);
        assert!(!is_out(&begun().await, "/coordinator/toewijzen").await, "control");
    }
}

on_both! {
    /// Of a family that says no, what was answered before leaves the screen as well.
    async fn por_advice_with_answers_does_not_stay(world: World) {
        let own = Browser::of(world, WIJKTEAM).await;
        let answers = [("stap", "2"), ("ja", "nee"), ("/subjects/0/name/surname", "Testgezin")];
        let shown = own.post("/verwijzer/aanmelden", &answers).await;
        assert!(shown.status == 200 && shown.text.contains("Nog geen toestemming"), "{}", shown.text);
        assert!(shown.header("refresh").starts_with("900;url=/verwijzer"));
    }
}
