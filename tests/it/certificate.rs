//! Signing in with a certificate (POR): whose it is, that its code works once, for a minute and in one browser, and that
//! who shows another, or none, is told what to do. The pages in a browser are tried in `tests/browser/certificate.mjs`.

use crate::pages::{Browser, Shown, entries, size};
use crate::sql;
use crate::support::{ANNA, WIJKTEAM, World, client_of, on_both};
use buurtpoort::audit::entry::Code;
use buurtpoort::cli::partners::{ApplyArgs, PartnerFile, PersonFile, RegisterFile, parse, run};
use buurtpoort::cli::pki::{DevPki, LeafKind};
use buurtpoort::cli::{boot, check, watch};
use buurtpoort::domain::partner_number::PartnerNumber;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

const BUURTGEZINNEN: &str = "00000099000000006000";
const WIJKTEAM_NUMBER: &str = "00000099000000001000";

/// Issues a certificate of the demo's own authority; returns its pin.
fn issue(world: &World, name: &str, number: &str) -> String {
    issue_at(world, name, number, world.now())
}

/// As [`issue`], at another instant; the revocation list is of now again.
fn issue_at(world: &World, name: &str, number: &str, at: Timestamp) -> String {
    let dir = world.dir().join("pki");
    let mut pki = DevPki::open(&dir, at).expect("the authority");
    let number = PartnerNumber::parse(number).expect("a number");
    let pin = pki.issue(name, &number, LeafKind::Client).expect("issued").pin().to_string();
    DevPki::open(&dir, world.now()).expect("the authority");
    pin
}

/// Issues a certificate of any shape to a name; returns its pin.
fn issue_with(world: &World, name: &str, key: KeyPair, shape: impl FnOnce(&mut CertificateParams)) {
    let dir = world.dir().join("pki");
    let issued = DevPki::open(&dir, world.now())
        .expect("the authority")
        .issue_with(key, shape)
        .expect("issued");
    std::fs::create_dir(dir.join(name)).expect("a directory");
    std::fs::write(dir.join(name).join("cert.pem"), issued.certificate_pem()).expect("written");
    let key = dir.join(name).join("key.pem");
    std::fs::write(&key, issued.key_pem().as_bytes()).expect("written");
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("a mode");
}

/// Has the register know anna's keys.
async fn registered(world: &World, pins: &[&str]) {
    world
        .amend(|register| {
            let own = register.partner.iter_mut().find(|one| one.name == ANNA.0).expect("known");
            anna_of(&mut own.people).pins = pins.iter().map(|pin| (*pin).to_owned()).collect();
        })
        .await;
}

fn anna_of(people: &mut [PersonFile]) -> &mut PersonFile {
    people.iter_mut().find(|one| one.account == ANNA.1).expect("anna")
}

/// Shows a certificate of the demo, or none, at an address of the sign-in listener.
async fn shows(world: &World, name: Option<&str>, at: &str) -> Shown {
    Browser::showing(world, &world.dir().join("pki"), name).asks(at).await
}

/// Sets out from the portal; where that leads.
async fn sets_out(own: &Browser, world: &World) -> String {
    let begin = own.get("/inloggen/certificaat").await;
    let start = format!("https://localhost:{}/inloggen/certificaat/", world.sign_in.port());
    assert_eq!(begin.status, 303, "{}", begin.text);
    assert!(begin.leads_to().starts_with(&start), "{}", begin.leads_to());
    let cookie = begin.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-certificaat=")
            && cookie.contains("; Secure; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    begin.leads_to().to_owned()
}

/// The path back to the portal, with a code.
fn back<'a>(own: &Browser, shown: &'a Shown) -> &'a str {
    assert_eq!(shown.status, 303, "{}", shown.text);
    let path = shown.leads_to().strip_prefix(&own.base).expect("the portal");
    assert!(path.starts_with("/inloggen/certificaat/"), "{path}");
    path
}

/// A browser of somebody who signed in with a certificate.
async fn in_with(world: &World, name: &str) -> Browser {
    let own = Browser::new(world);
    let there = sets_out(&own, world).await;
    let shown = shows(world, Some(name), &there).await;
    assert_eq!(own.get(back(&own, &shown)).await.status, 200, "{name}");
    own
}

async fn is_out(own: &Browser) -> bool {
    own.get("/coordinator").await.leads_to() == "/inloggen"
}

on_both! {
    /// A code opens once, within a minute, in the browser that set out; the session ends with the key.
    async fn por_somebody_signs_in_with_a_certificate(world: World) {
        let pin = issue(world, "anna-pas", BUURTGEZINNEN);
        registered(world, &[&pin]).await;
        let own = Browser::new(world);
        assert!(own.get("/inloggen").await.text.contains("href=\"/inloggen/certificaat\""));
        let there = sets_out(&own, world).await;
        let shown = shows(world, Some("anna-pas"), &there).await;
        let path = back(&own, &shown).to_owned();
        assert_eq!(shown.header("set-cookie"), "", "nobody is signed in there");
        for (name, part) in [("connection", "close"), ("content-security-policy", "default-src 'none'"), ("cache-control", "no-store")] {
            assert!(shown.header(name).contains(part), "{name}: {}", shown.header(name));
        }
        // In another browser, with or without a way of its own, it opens nothing, and is gone then for all.
        let other = Browser::new(world);
        assert_eq!(other.get(&path).await.status, 400);
        assert!(is_out(&other).await);
        let waits = own.cookies.borrow().clone();
        assert_eq!(own.get(&path).await.status, 400, "who has it from the other browser has nothing");
        *own.cookies.borrow_mut() = waits;
        sets_out(&other, world).await;
        let shown = shows(world, Some("anna-pas"), &there).await;
        assert_eq!(other.get(back(&own, &shown)).await.status, 400);
        let shown = shows(world, Some("anna-pas"), &there).await;
        let path = back(&own, &shown).to_owned();
        let kept = own.cookies.borrow().clone();
        let before = size(world).await;
        let came = own.get(&path).await;
        assert_eq!(came.status, 200, "{}", came.text);
        assert!(came.text.contains("U bent ingelogd"), "{}", came.text);
        assert!(!own.cookies.borrow().contains_key("__Host-certificaat"));
        let all = entries(world, before).await;
        let whys: Vec<&str> = all.iter().map(|entry| entry.why.as_str()).collect();
        assert_eq!(whys, ["session:certificate"]);
        let fields: Vec<&str> = all[0].fields.iter().map(Code::as_str).collect();
        assert!(fields.len() == 1 && fields[0].starts_with("key:") && !fields[0].contains(&pin), "{fields:?}");
        assert_eq!(own.get("/coordinator").await.status, 200, "control: anna is in");
        *own.cookies.borrow_mut() = kept;
        assert_eq!(own.get(&path).await.status, 400, "a code works once");
        // Nor of a key that was taken off meanwhile and put back.
        let waits = Browser::new(world);
        let there = sets_out(&waits, world).await;
        let shown = shows(world, Some("anna-pas"), &there).await;
        registered(world, &[]).await;
        registered(world, &[&pin]).await;
        assert_eq!(waits.get(back(&waits, &shown)).await.status, 400);
        for (seconds, status) in [(59, 200), (61, 400)] {
            let own = Browser::new(world);
            let there = sets_out(&own, world).await;
            let shown = shows(world, Some("anna-pas"), &there).await;
            world.later(seconds);
            assert_eq!(own.get(back(&own, &shown)).await.status, status, "after {seconds} seconds");
        }
    }
}

on_both! {
    /// Who lost a card has its key taken off: every session of it is over, for good, and of the other card none.
    async fn por_a_session_ends_with_its_key(world: World) {
        let pin = issue(world, "anna-pas", BUURTGEZINNEN);
        let spare = issue(world, "anna-reserve", BUURTGEZINNEN);
        registered(world, &[&pin, &spare]).await;
        let (own, second) = (in_with(world, "anna-pas").await, in_with(world, "anna-reserve").await);
        assert!(!is_out(&own).await && !is_out(&second).await, "control");
        registered(world, &[&spare]).await;
        let begun = own.cookies.borrow().clone();
        assert!(is_out(&own).await && !is_out(&second).await);
        // One that was not seen meanwhile does not come to life again with its key.
        let third = second.cookies.borrow().clone();
        registered(world, &[&pin]).await;
        registered(world, &[&pin, &spare]).await;
        for cookies in [begun, third] {
            *own.cookies.borrow_mut() = cookies;
            assert!(is_out(&own).await);
        }
    }
}

on_both! {
    /// A certificate that is revoked or runs out ends its session with the next request.
    async fn por_a_session_ends_with_its_certificate(world: World) {
        let pin = issue(world, "anna-pas", BUURTGEZINNEN);
        let short = issue_at(world, "anna-kort", BUURTGEZINNEN, world.now() - SignedDuration::from_hours(24 * 762) + SignedDuration::from_secs(60));
        registered(world, &[&pin, &short]).await;
        let own = [in_with(world, "anna-pas").await, in_with(world, "anna-kort").await];
        assert!(!is_out(&own[0]).await && !is_out(&own[1]).await, "control");
        world.later(90);
        assert!(!is_out(&own[0]).await && is_out(&own[1]).await, "one has run out");
        DevPki::open(&world.dir().join("pki"), world.now()).expect("the authority").revoke("anna-pas").expect("revoked");
        watch::reload_certificates(&world.booted);
        assert!(is_out(&own[0]).await, "the other is revoked");
        // Nor does a code that was made before open anything, and whoever was signed in stays so.
        let spare = issue(world, "anna-reserve", BUURTGEZINNEN);
        registered(world, &[&spare]).await;
        let waits = Browser::of(world, ANNA).await;
        let there = sets_out(&waits, world).await;
        let shown = shows(world, Some("anna-reserve"), &there).await;
        let before = size(world).await;
        DevPki::open(&world.dir().join("pki"), world.now()).expect("the authority").revoke("anna-reserve").expect("revoked");
        watch::reload_certificates(&world.booted);
        assert_eq!(waits.get(back(&waits, &shown)).await.status, 400);
        assert_eq!(size(world).await, before, "the ledger does not say that somebody came in");
        assert!(!is_out(&waits).await);
    }
}

on_both! {
    /// Whoever shows none, or one that is not a person's of an active partner, gets a page that says what to do, and no code.
    async fn por_other_certificates_sign_nobody_in(world: World) {
        const NONE: &str = "Uw browser liet geen certificaat zien";
        const UNKNOWN: &str = "Buurtpoort kent dit certificaat niet";
        const OVER: &str = "niet meer geldig, of nog niet";
        let pin = issue(world, "anna-pas", BUURTGEZINNEN);
        let lost = issue(world, "anna-verloren", BUURTGEZINNEN);
        let elsewhere = issue(world, "anna-elders", WIJKTEAM_NUMBER);
        let days = |days: i64| world.now() + SignedDuration::from_hours(24 * days);
        let old = issue_at(world, "anna-verlopen", BUURTGEZINNEN, days(-763));
        let young = issue_at(world, "anna-te-vroeg", BUURTGEZINNEN, days(2));
        registered(world, &[&pin, &lost, &elsewhere, &old, &young]).await;
        issue_with(world, "anna-zonder-nummer", KeyPair::generate().expect("a key"), |_| {});
        let foreign = tempfile::tempdir().expect("a directory");
        let pki = foreign.path().join("pki");
        let number = PartnerNumber::parse(BUURTGEZINNEN).expect("a number");
        let mut authority = DevPki::create(&pki, world.now()).expect("an authority");
        authority.issue("anna-vreemd", &number, LeafKind::Client).expect("issued");
        // Trusts the gateway, and shows what somebody else issued.
        std::fs::copy(world.dir().join("pki/ca.pem"), pki.join("ca.pem")).expect("copied");
        let own = Browser::new(world);
        let there = sets_out(&own, world).await;
        assert_eq!(shows(world, Some("anna-verloren"), &there).await.status, 303, "control: not lost yet");
        let mut issuer = DevPki::open(&world.dir().join("pki"), world.now()).expect("the authority");
        issuer.revoke("anna-verloren").expect("revoked");
        watch::reload_certificates(&world.booted);
        let tried = [
            (shows(world, None, &there).await, NONE),
            (shows(world, Some("anna-verloren"), &there).await, OVER),
            (shows(world, Some("anna-verlopen"), &there).await, OVER),
            (shows(world, Some("anna-te-vroeg"), &there).await, OVER),
            (shows(world, Some("anna-zonder-nummer"), &there).await, UNKNOWN),
            (shows(world, Some("anna-elders"), &there).await, UNKNOWN),
            (shows(world, Some(ANNA.0), &there).await, UNKNOWN),
            (shows(world, Some(WIJKTEAM.0), &there).await, UNKNOWN),
            (Browser::showing(world, &pki, Some("anna-vreemd")).asks(&there).await, UNKNOWN),
        ];
        for (shown, words) in &tried {
            assert_eq!((shown.status, shown.leads_to()), (400, ""), "{words}");
            assert!(shown.text.contains(words), "{words}: {}", shown.text);
            assert!(shown.text.contains(&format!("href=\"{}/inloggen\"", own.base)), "{}", shown.text);
            assert_eq!(shown.header("connection"), "close");
        }
        let spoken = shows(world, None, &format!("{there}?taal=en")).await;
        assert!(spoken.text.contains("Your browser showed no certificate"), "{}", spoken.text);
        let shown = shows(world, Some("anna-pas"), &there).await;
        back(&own, &shown);
        // A person's key is no system's.
        let api = client_of(&world.dir(), Some("anna-pas"), &world.booted.api.gateway.clock);
        let asked = api.get(world.url("/v1/cases")).bearer_auth(world.token(ANNA)).send().await.expect("an answer");
        assert_eq!(asked.status().as_u16(), 403, "no partner's certificate");
        assert_eq!(world.get(ANNA, "/v1/cases").await.status, 200, "control: with that of the system");
    }
}

on_both! {
    /// Of a partner that is suspended nobody signs in, with a code of before neither; past the next update of the
    /// revocation list nobody can be judged.
    async fn por_a_suspended_partner_and_a_lapsed_list_sign_nobody_in(world: World) {
        let pin = issue(world, "anna-pas", BUURTGEZINNEN);
        registered(world, &[&pin]).await;
        let own = Browser::new(world);
        let there = sets_out(&own, world).await;
        let shown = shows(world, Some("anna-pas"), &there).await;
        back(&own, &shown);
        world.amend(|register| {
            let own = register.partner.iter_mut().find(|one| one.name == ANNA.0).expect("known");
            own.status = "suspended".to_owned();
        })
        .await;
        assert!(shows(world, Some("anna-pas"), &there).await.text.contains("kent dit certificaat niet"), "suspended");
        assert_eq!(own.get(back(&own, &shown)).await.status, 400, "a code of before ends with the partner");
        // Past the next update of the list nobody can be judged, and it is not their fault.
        world.later(31 * 24 * 3_600);
        assert!(shows(world, Some("anna-pas"), &there).await.text.contains("kan uw certificaat nu niet controleren"));
        assert!(shows(world, None, &there).await.text.contains("geen certificaat"), "control: it still answers");
    }
}

on_both! {
    /// A card of the UZI register holds the number of the subscriber in its UZI name.
    async fn por_a_card_with_a_uzi_name_signs_in(world: World) {
        const URA: &str = "90000222";
        let pin = issue(world, "praktijk-pas", URA);
        let other = issue(world, "andere-praktijk-pas", "90000333");
        world
            .amend(|register| {
                let like = register.partner.iter().find(|one| one.name == WIJKTEAM.0).expect("known");
                let mut own: PartnerFile = toml::from_str(&toml::to_string(like).expect("TOML")).expect("a partner");
                (own.name, own.number) = ("praktijk".to_owned(), URA.to_owned());
                (own.pins, own.issuers, own.people) = (Vec::new(), Vec::new(), Vec::new());
                let (account, roles) = ("poh-2".to_owned(), vec!["referrer".to_owned()]);
                own.people.push(PersonFile { account, roles, pins: vec![pin.clone(), other.clone()] });
                register.partner.push(own);
            })
            .await;
        let own = Browser::new(world);
        let there = sets_out(&own, world).await;
        let wrong = shows(world, Some("andere-praktijk-pas"), &there).await;
        assert!(wrong.status == 400 && wrong.text.contains("kent dit certificaat niet"), "of another subscriber");
        let shown = shows(world, Some("praktijk-pas"), &there).await;
        assert_eq!(own.get(back(&own, &shown)).await.status, 200);
        assert_eq!(own.get("/verwijzer").await.status, 200);
    }
}

on_both! {
    /// A key goes from one person to another, whatever the order of the file, and is never one of a system too: not even
    /// of a partner that the file does not name.
    async fn por_a_key_is_of_one_person_of_the_whole_register(world: World) {
        let pin = issue(world, "pas", BUURTGEZINNEN);
        let holder = |name: &'static str, account: &'static str, pins: Vec<String>| {
            move |register: &mut RegisterFile| {
                for one in &mut register.partner {
                    for person in &mut one.people {
                        let own = one.name == name && person.account == account;
                        person.pins = if own { pins.clone() } else { Vec::new() };
                    }
                }
            }
        };
        for (name, account) in [("toezicht", "fg-1"), ("buurtgezinnen", "anna"), ("toezicht", "fg-1")] {
            world.amend(holder(name, account, vec![pin.clone()])).await;
            let register = world.booted.api.gateway.register.load_full();
            let held: Vec<_> = register.partners().flat_map(|one| &one.people).filter(|one| !one.pins.is_empty()).collect();
            assert_eq!((held.len(), held[0].account.as_str()), (1, account));
        }
        let text = std::fs::read_to_string(world.dir().join("partners.toml")).expect("the register");
        let mut file: RegisterFile = toml::from_str(&text).expect("a register");
        let system = file.partner.iter().find(|one| one.name == "beheer").expect("known").pins.clone();
        file.partner.retain(|one| one.name != "beheer");
        holder("buurtgezinnen", "anna", system)(&mut file);
        let path = world.dir().join("partial.toml");
        std::fs::write(&path, toml::to_string(&file).expect("TOML")).expect("written");
        let args = ApplyArgs { file: path, dry_run: false, drop_territories: false, config: world.dir().join("buurtpoort.toml") };
        let told = run(&args).await.expect_err("the key of a system").message;
        assert!(told.starts_with("partner buurtgezinnen: people: anna: pins: a key must be of one person"), "{told}");
        // The other way round as well: a system does not get what a person of another partner has.
        let paragraph = |pin: &str, status: &str| {
            let text = format!(
                "[[partner]]\nname = \"beheer\"\nnumber = \"00000099000000014000\"\nkind = \"operations\"\n\
                 status = \"{status}\"\npins = [\"{pin}\"]\n"
            );
            std::fs::write(&args.file, text).expect("written");
        };
        let args = ApplyArgs { drop_territories: true, ..args.clone() };
        paragraph(&pin, "active");
        let told = run(&args).await.expect_err("the key of a person").message;
        assert_eq!(told, "partner beheer: pins: a person of another partner signs in with that key");
        let before = world.booted.api.gateway.register.load().version;
        watch::refresh_register(&world.booted).await;
        assert_eq!(world.booted.api.gateway.register.load().version, before, "nothing was changed");
        // A register of before that breaks the rule does not keep a partner from being suspended.
        let known: RegisterFile = toml::from_str(&text).expect("a register");
        let own = known.partner.iter().find(|one| one.name == "beheer").expect("known").pins[0].clone();
        let broken = "INSERT INTO partner_pin (partner_id, pin) SELECT partner_id, pin FROM partner_person_pin";
        assert_eq!(sql::run(&world.booted.api.gateway.store.pool, broken).await, 1);
        paragraph(&own, "suspended");
        assert!(run(&args).await.is_ok());
    }
}

on_both! {
    /// The sign-in listener has one page: nobody is signed in there, and the rest is on the portal.
    async fn por_the_sign_in_listener_has_one_page(world: World) {
        let own = Browser::of(world, ANNA).await;
        let at = |path: &str| format!("https://localhost:{}{path}", world.sign_in.port());
        for path in ["/", "/inloggen", "/hulp", "/privacy", "/toegankelijkheid"] {
            assert_eq!(own.asks(&at(path)).await.leads_to(), format!("{}{path}", own.base));
        }
        assert_eq!(own.asks(&at("/inloggen/certificaat/abc")).await.leads_to(), format!("{}/inloggen", own.base));
        let inbox = own.get("/coordinator").await;
        assert!(inbox.status == 200 && inbox.text.contains(ANNA.1), "control: she is signed in on the portal");
        for path in ["/coordinator", "/beheer", "/v1/cases", "/v1/openapi.json", "/inloggen/bij/buurtgezinnen", "/inloggen/certificaat"] {
            let shown = own.asks(&at(path)).await;
            assert_eq!(shown.status, 404, "{path}");
            assert!(!shown.text.contains(ANNA.1), "{path} knows who she is");
            assert_eq!(shown.header("connection"), "close", "{path}");
        }
        let led = own.client.get(format!("{}/inloggen/certificaat", own.base)).header("sec-fetch-site", "cross-site");
        assert_eq!(led.send().await.expect("an answer").headers()["location"], "/inloggen", "another site signs nobody in");
        // Nor does a picture in a page of another site use up what an address may ask.
        let there = sets_out(&own, world).await;
        for (to, status) in [("image", 403), ("document", 400)] {
            let asked = own.client.get(&there).header("sec-fetch-site", "cross-site").header("sec-fetch-dest", to);
            assert_eq!(asked.send().await.expect("an answer").status().as_u16(), status, "{to}");
        }
        // `check --sign-in` says when people have keys and nobody asks for them.
        let pin = issue(world, "anna-pas", BUURTGEZINNEN);
        registered(world, &[&pin]).await;
        assert!(check::sign_ins(&world.booted).await.is_ok(), "control: they are asked for them");
        let mut config = world.booted.config.clone();
        (config.listen.sign_in, config.portal.sign_in_origin) = (None, None);
        let clock = world.booted.api.gateway.clock.clone();
        let deaf = boot::boot(config, clock, boot::Claim::Share).await.unwrap_or_else(|failure| panic!("{}", failure.message));
        let told = check::sign_ins(&deaf).await.expect_err("nobody asks").message;
        assert_eq!(told, "sign-in of buurtgezinnen: people have pins, and listen.sign-in is not set");
    }
}

#[test]
fn a_partner_is_named_once_and_a_person_has_a_role() {
    let one = "[[partner]]\nname = \"beheer\"\nnumber = \"00000099000000014000\"\nkind = \"operations\"\npins = []\n";
    let two = one.replace("14000", "15000");
    assert!(parse(one).is_ok(), "control");
    assert_eq!(
        parse(&format!("{one}{two}")).expect_err("twice").message,
        "partner beheer: must be named once"
    );
    let person = |roles: &str| {
        parse(&format!("{one}[[partner.people]]\naccount = \"x\"\nroles = [{roles}]\n"))
    };
    assert!(person("\"operator\"").is_ok(), "control");
    assert_eq!(
        person("").expect_err("none").message,
        "partner beheer: people: x: roles: at least one must be given"
    );
}

#[test]
fn a_key_of_a_person_is_nobody_elses() {
    let (one, two) = (
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
    );
    let register = |system: &str, anna: &str, bert: &str| {
        parse(&format!(
            "[[partner]]\nname = \"buurtgezinnen\"\nnumber = \"{BUURTGEZINNEN}\"\nkind = \"coordination\"\n\
             pins = [\"{system}\"]\n\
             [[partner.people]]\naccount = \"anna\"\nroles = [\"coordinator\"]\npins = [{anna}]\n\
             [[partner.people]]\naccount = \"bert\"\nroles = [\"coordinator\"]\npins = [{bert}]\n"
        ))
    };
    let quoted = |pin: &str| format!("\"{pin}\"");
    assert!(register(one, &quoted(two), "").is_ok());
    for (anna, bert) in
        [(quoted(one), String::new()), (quoted(two), quoted(two)), (quoted("abc"), String::new())]
    {
        let refused = register(one, &anna, &bert).expect_err("refused").message;
        assert!(
            refused.starts_with("partner buurtgezinnen: people: ") && refused.contains("pins"),
            "{refused}"
        );
        assert!(!refused.contains(two), "{refused}");
    }
}
