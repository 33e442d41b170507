//! Pages (POR): who gets in and for how long, what each role reaches, forms that come from elsewhere, and that a page
//! leaves in the ledger what its twin of the API leaves. What a browser shows is tried in `tests/browser`.

use crate::canary::{Canaries, Scanner};
use crate::support::{
    ANNA, BEHEER, BERT, Caller, GEMEENTE, LEA, TOEZICHT, WIJKTEAM, World, example, on_both,
};
use buurtpoort::audit::entry::{self, Entry, Event};
use buurtpoort::domain::partner::Slug;
use buurtpoort::flow::session;
use buurtpoort::portal::routes;
use buurtpoort::store::ledger;
use buurtpoort::tls::client;
use buurtpoort::tls::reload::{IdentityFiles, OutboundFiles};
use reqwest::Method;
use reqwest::redirect::Policy;
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

/// A browser of somebody: keeps cookies, follows nothing by itself.
pub(crate) struct Browser {
    pub(crate) client: reqwest::Client,
    pub(crate) base: String,
    pub(crate) cookies: RefCell<BTreeMap<String, String>>,
    csrf: RefCell<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Shown {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn leads_to(&self) -> &str {
        self.header("location")
    }

    /// What stands between two texts, the first time.
    pub(crate) fn between(&self, before: &str, after: &str) -> &str {
        let rest = self.text.split_once(before).map_or("", |(_, rest)| rest);
        rest.split_once(after).map_or("", |(found, _)| found)
    }
}

impl Browser {
    /// A browser that trusts the demo's CA, with nobody signed in.
    pub(crate) fn new(world: &World) -> Self {
        Self::showing(world, &world.dir().join("pki"), None)
    }

    /// A browser that trusts the CA in a directory, and shows a certificate of it where it is asked for one.
    pub(crate) fn showing(world: &World, pki: &Path, name: Option<&str>) -> Self {
        let identity = name.map(|name| IdentityFiles {
            certificate: pki.join(name).join("cert.pem"),
            key: pki.join(name).join("key.pem"),
        });
        let files = OutboundFiles { authorities: pki.join("ca.pem"), identity };
        let tls =
            client::open(&files, &world.booted.api.gateway.clock).expect("usable certificates");
        let client =
            reqwest::Client::builder().tls_backend_preconfigured(tls).redirect(Policy::none());
        Self {
            client: client.build().expect("a client"),
            base: format!("https://localhost:{}", world.portal.port()),
            cookies: RefCell::default(),
            csrf: RefCell::default(),
        }
    }

    /// A browser of somebody who signed in by a link.
    pub(crate) async fn of(world: &World, who: Caller) -> Self {
        let own = Self::new(world);
        let secret = link(world, who).await;
        let shown = own.post("/inloggen/link", &[("link", &secret)]).await;
        assert_eq!((shown.status, shown.leads_to()), (303, "/"), "{}", shown.text);
        own.get("/hulp").await;
        own
    }

    pub(crate) async fn get(&self, path: &str) -> Shown {
        self.send(Method::GET, path, None, true).await
    }

    /// What a path holds, byte for byte.
    pub(crate) async fn bytes(&self, path: &str) -> Vec<u8> {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.client.get(format!("{}{path}", self.base));
        let answer = request.header("cookie", cookies.join("; ")).send().await;
        answer.expect("an answer").bytes().await.expect("a body").to_vec()
    }

    /// Asks for a page of any listener.
    pub(crate) async fn asks(&self, url: &str) -> Shown {
        self.sent(self.client.get(url)).await
    }

    /// Sends a form as a page of ours would.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let csrf = self.csrf.borrow().clone();
        let own = [("csrf", csrf.as_str())];
        let all = own.iter().chain(fields);
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        self.send(Method::POST, path, Some(body), true).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        from_here: bool,
    ) -> Shown {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request =
                request.header("content-type", "application/x-www-form-urlencoded").body(body);
            if from_here {
                request = request.header("origin", &self.base);
            }
        }
        self.sent(request).await
    }

    async fn sent(&self, mut request: reqwest::RequestBuilder) -> Shown {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let answer = request.send().await.expect("the portal answers");
        let status = answer.status().as_u16();
        let headers: Vec<(String, String)> = answer
            .headers()
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
            })
            .collect();
        for (_, cookie) in headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, rest) = cookie.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            self.cookies.borrow_mut().remove(name);
            if !value.is_empty() {
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
        }
        let text = String::from_utf8_lossy(&answer.bytes().await.expect("a body")).into_owned();
        let shown = Shown { status, headers, text };
        let csrf = shown.between("name=\"csrf\" value=\"", "\"");
        if !csrf.is_empty() {
            csrf.clone_into(&mut self.csrf.borrow_mut());
        }
        shown
    }
}

pub(crate) async fn link(world: &World, (partner, person, _): Caller) -> String {
    let account = Slug::parse(person).expect("an account");
    let secret = session::ticket(&world.booted.api.gateway, partner, &account).await;
    secret.expect("somebody who may use the pages").to_string()
}

/// The entries of the ledger from one on.
pub(crate) async fn entries(world: &World, from: u64) -> Vec<Entry> {
    let pool = &world.booted.api.gateway.store.pool;
    let rows = ledger::page(pool, from, 1_000).await.expect("a page");
    rows.iter().map(|row| entry::decode(&row.leaf).expect("an entry").1).collect()
}

pub(crate) async fn size(world: &World) -> u64 {
    ledger::head(&world.booted.api.gateway.store.pool).await.expect("a head").signed().size
}

on_both! {
    /// A link works once and for a quarter of an hour; the cookie is for this host, TLS and no script; a session ends
    /// after a quarter of an hour without being seen, after eight hours, and where somebody signs out, here or everywhere.
    async fn por_a_session_begins_by_a_link_and_ends(world: World) {
        let secret = link(world, ANNA).await;
        let own = Browser::new(world);
        let asked = own.get(&format!("/inloggen/l/{secret}")).await;
        assert_eq!(asked.status, 200, "looking at a link does not use it up");
        let taken = own.post("/inloggen/link", &[("link", &secret)]).await;
        assert_eq!((taken.status, taken.leads_to()), (303, "/"), "{}", taken.text);
        let cookie = taken.header("set-cookie").to_owned();
        assert!(cookie.starts_with("__Host-sessie=") && cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
        assert_eq!(own.get("/").await.leads_to(), "/coordinator");
        assert_eq!(own.get("/coordinator").await.status, 200);
        let again = Browser::new(world).post("/inloggen/link", &[("link", &secret)]).await;
        assert_eq!((again.status, again.header("set-cookie")), (400, ""), "once");
        let late = link(world, ANNA).await;
        world.later(901);
        assert_eq!(own.get("/coordinator").await.leads_to(), "/inloggen", "a quarter of an hour without being seen");
        assert_eq!(Browser::new(world).post("/inloggen/link", &[("link", &late)]).await.status, 400, "too late");
        let long = Browser::of(world, ANNA).await;
        for _ in 0..40 {
            world.later(700);
            assert_eq!(long.get("/coordinator").await.status, 200);
        }
        world.later(801);
        assert_eq!(long.get("/coordinator").await.leads_to(), "/inloggen", "eight hours");
        let (one, other) = (Browser::of(world, ANNA).await, Browser::of(world, ANNA).await);
        let stolen = one.cookies.borrow().clone();
        let out = one.post("/afmelden", &[]).await;
        assert_eq!((out.status, out.header("clear-site-data")), (303, "\"cache\""));
        *one.cookies.borrow_mut() = stolen;
        assert_eq!(one.get("/coordinator").await.leads_to(), "/inloggen", "the cookie is worth nothing any more");
        assert_eq!(other.get("/coordinator").await.status, 200, "control: another session goes on");
        let third = Browser::of(world, ANNA).await;
        third.get("/coordinator").await;
        assert_eq!(third.post("/afmelden", &[("overal", "true")]).await.status, 303);
        assert_eq!(other.get("/coordinator").await.leads_to(), "/inloggen", "everywhere");
    }
}

on_both! {
    /// Who loses a role, or whose partner is suspended, is out with the next request.
    async fn por_a_revoked_role_ends_its_sessions(world: World) {
        let (anna, bert) = (Browser::of(world, ANNA).await, Browser::of(world, BERT).await);
        let people = |register: &mut buurtpoort::cli::partners::RegisterFile| {
            let own = register.partner.iter_mut().find(|one| one.name == ANNA.0).expect("known");
            own.people.retain(|one| one.account != "anna");
        };
        world.amend(people).await;
        assert_eq!(anna.get("/coordinator").await.leads_to(), "/inloggen");
        assert_eq!(bert.get("/coordinator").await.status, 200, "control");
        let account = Slug::parse("anna").expect("an account");
        assert!(session::ticket(&world.booted.api.gateway, ANNA.0, &account).await.is_err());
        world
            .amend(|register| {
                let own = register.partner.iter_mut().find(|one| one.name == ANNA.0).expect("known");
                "suspended".clone_into(&mut own.status);
            })
            .await;
        assert_eq!(bert.get("/coordinator").await.leads_to(), "/inloggen");
    }
}

on_both! {
    /// A form counts only when it comes from a page of ours, with what only that page holds.
    async fn por_a_form_from_elsewhere_is_refused(world: World) {
        world.referral().await;
        let lea = Browser::of(world, LEA).await;
        let case = lea.get("/coordinator/toewijzen").await.between("href=\"/coordinator/toewijzen/", "\"").to_owned();
        let path = format!("/coordinator/toewijzen/{case}");
        let before = size(world).await;
        let csrf = lea.csrf.borrow().clone();
        let body = format!("csrf={csrf}&%2Fcoordinator=anna");
        for (what, body, from_here) in [
            ("no origin", body.clone(), false),
            ("no token", "%2Fcoordinator=anna".to_owned(), true),
            ("another token", body.replace(&csrf, &"0".repeat(csrf.len())), true),
        ] {
            let refused = lea.send(Method::POST, &path, Some(body), from_here).await;
            assert_eq!(refused.status, 403, "{what}");
        }
        let stranger = Browser::of(world, BERT).await;
        let other = format!("csrf={}&%2Fcoordinator=anna", stranger.csrf.borrow());
        assert_eq!(lea.send(Method::POST, &path, Some(other), true).await.status, 403, "the token of another session");
        let told = entries(world, before).await;
        assert!(told.iter().all(|entry| entry.event == Event::TokenIssued), "nothing was done");
        assert_eq!(lea.send(Method::POST, &path, Some(body), true).await.status, 303, "control");
    }
}

const EVERYBODY: [(&str, Caller); 6] = [
    ("/coordinator", ANNA),
    ("/coordinator/toewijzen", LEA),
    ("/verwijzer", WIJKTEAM),
    ("/gemeente", GEMEENTE),
    ("/toezicht", TOEZICHT),
    ("/beheer", BEHEER),
];

on_both! {
    /// Every page: a stranger is led to where one signs in, another role is refused, and no answer is kept by a browser
    /// or loads anything from elsewhere.
    async fn por_every_page_is_for_its_role_only(world: World) {
        let mut browsers = vec![("", Browser::new(world))];
        for (home, who) in EVERYBODY {
            browsers.push((home, Browser::of(world, who).await));
        }
        let (mut tried, mut allowed) = (0, 0);
        for (path, methods) in routes::routes().paths() {
            let place = path
                .replace("{id}", "00000000-0000-4000-8000-000000000000")
                .replace("{pairing}", "00000000-0000-4000-8000-000000000000")
                .replace("{to}", "ended").replace("{form}", "csv").replace("{index}", "0")
                .replace("{name}", "x.css").replace("{secret}", "x").replace("{partner}", "x");
            for method in methods {
                for (home, browser) in &browsers {
                    let body = (method.as_str() == "POST").then(|| format!("csrf={}", browser.csrf.borrow()));
                    if place == "/afmelden" && !home.is_empty() {
                        continue;
                    }
                    let shown = browser.send(method.as_str().parse().expect("a method"), &place, body, true).await;
                    tried += 1;
                    let section = place.split('/').nth(1).unwrap_or_default();
                    let guarded = ["coordinator", "verwijzer", "gemeente", "toezicht", "beheer"].contains(&section)
                        && place != "/coordinator/verbergen";
                    if guarded && home.is_empty() {
                        assert_eq!((shown.status, shown.leads_to()), (303, "/inloggen"), "{method} {path}");
                    } else if guarded && home.split('/').nth(1) != Some(section) {
                        // As in the API: a privacy officer may ask who opened names, of a case that she knows, and a
                        // referrer passes on support families that made themselves known to it.
                        let also = match (*home, path) {
                            ("/toezicht", path) if path.ends_with("/gezien") => 404,
                            ("/verwijzer", "/coordinator/steungezin-aanmelden") => 200,
                            _ => 403,
                        };
                        let told = [also, if also == 200 { 400 } else { also }];
                        assert!(told.contains(&shown.status), "{method} {path} of {home}: {}", shown.status);
                    } else if guarded && shown.status != 403 {
                        allowed += 1;
                    }
                    assert!(shown.status < 500, "{method} {path} of {home}: {}", shown.status);
                    let kept = shown.header("cache-control");
                    assert!(kept == "no-store" || (section == "assets" && shown.status == 200), "{path}: {kept}");
                    let policy = shown.header("content-security-policy");
                    let strict = policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("script-src");
                    assert!(strict || (path == "/api" && policy.contains("script-src 'self'")), "{path}: {policy}");
                    assert!(!shown.text.contains(" style=") && !shown.text.contains("<style"), "{path}");
                    assert!(!shown.text.contains("src=\"http") && !shown.text.contains("href=\"http"), "{path}");
                }
            }
        }
        eprintln!("pages: {tried} answers, {allowed} let in");
        assert!(tried >= 400 && allowed > 40, "control: {tried} tried, {allowed} let in");
    }
}

on_both! {
    /// A case of another coordinator is as one that is not there, byte for byte but for the id that was asked for.
    async fn por_a_case_of_another_is_not_there(world: World) {
        let (_, case) = world.assigned_case().await;
        let bert = Browser::of(world, BERT).await;
        let plain = |shown: Shown, id: &str| (shown.status, shown.text.replace(id, "ID").replace(bert.csrf.borrow().as_str(), ""));
        let nobody = "00000000-0000-4000-8000-000000000000";
        for end in ["", "/gezien", "/rechten", "/voorstellen"] {
            let theirs = plain(bert.get(&format!("/coordinator/zaak/{case}{end}")).await, &case);
            let absent = plain(bert.get(&format!("/coordinator/zaak/{nobody}{end}")).await, nobody);
            assert_eq!(theirs, absent, "{end}");
            assert_eq!(theirs.0, 404);
        }
        let names = [("/purpose", "intake"), ("/reason", "Eerste gesprek")];
        let theirs = plain(bert.post(&format!("/coordinator/zaak/{case}/namen"), &names).await, &case);
        let absent = plain(bert.post(&format!("/coordinator/zaak/{nobody}/namen"), &names).await, nobody);
        assert_eq!((theirs.0, &theirs), (404, &absent));
        let anna = Browser::of(world, ANNA).await;
        assert_eq!(anna.get(&format!("/coordinator/zaak/{case}")).await.status, 200, "control");
    }
}

/// What an entry says of an action, and not of who asked by which way.
pub(crate) fn about(entry: &Entry) -> String {
    let mut same = entry.clone();
    same.actor.certificate = None;
    same.actor.token = None;
    same.request = entry::RequestStamp::default();
    format!("{same:?}")
}

on_both! {
    /// A page leaves in the ledger what its twin of the API leaves.
    async fn por_a_page_is_in_the_ledger_as_its_twin(world: World) {
        let (_, case) = world.assigned_case().await;
        let anna = Browser::of(world, ANNA).await;
        let at = size(world).await;
        assert_eq!(anna.get(&format!("/coordinator/zaak/{case}")).await.status, 200);
        assert_eq!(entries(world, at).await.len(), 1, "of a new case nothing but the case is read");
        let moved = json!({"to": "intake", "reason": "first-conversation"});
        let moved = world.post(ANNA, &format!("/v1/cases/{case}/transitions"), &moved).await;
        assert!(moved.status == 200 || moved.status == 201, "{}", moved.raw);
        let at = size(world).await;
        let answer = world.get(ANNA, &format!("/v1/cases/{case}")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(world.get(ANNA, &format!("/v1/cases/{case}/pairings")).await.status, 200);
        assert_eq!(world.release(&case).await.status, 201);
        let middle = size(world).await;
        assert_eq!(anna.get(&format!("/coordinator/zaak/{case}")).await.status, 200);
        let names = [("/purpose", "intake"), ("/reason", "Eerste gesprek plannen"), ("versie", "3")];
        let shown = anna.post(&format!("/coordinator/zaak/{case}/namen"), &names).await;
        assert!(shown.status == 200 && shown.text.contains("Proefpersoon"), "{}", shown.text);
        // What was sent is told behind the answer.
        actix_web::rt::time::sleep(std::time::Duration::from_millis(300)).await;
        let all = entries(world, at).await;
        let (api, page) = all.split_at(usize::try_from(middle - at).expect("small"));
        let kinds = [Event::CaseRead, Event::ReleaseIntent];
        let told = |part: &[Entry]| -> Vec<String> {
            part.iter().filter(|entry| kinds.contains(&entry.event)).map(about).collect()
        };
        assert_eq!(told(page), told(api));
        assert_eq!(told(page).len(), 3, "the case, its pairings, and that it was opened");
    }
}

on_both! {
    /// Names are opened by who signed in within ten minutes, and stand in that one answer and nowhere else.
    async fn por_names_stand_in_one_answer_only(world: World) {
        let (mut canaries, mut body) = (Canaries::new(), example("referral-wijkteam"));
        for (pointer, at) in [("/subjects/0/name/surname", "a"), ("/subjects/1/name/givenNames", "b"), ("/contact/address/street", "c")] {
            let word = canaries.word(at);
            *body.pointer_mut(pointer).expect("a field") = json!(word);
        }
        world.later(1);
        assert_eq!(world.post(WIJKTEAM, "/v1/referrals", &body).await.status, 201);
        let case = world.assign_last().await;
        let scanner = Scanner::new(canaries.all());
        let anna = Browser::of(world, ANNA).await;
        let path = format!("/coordinator/zaak/{case}");
        let names = [("/purpose", "intake"), ("/reason", "Eerste gesprek plannen")];
        let shown = anna.post(&format!("{path}/namen"), &names).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        assert!(!scanner.find(shown.text.as_bytes()).is_empty(), "control: they are shown");
        assert_eq!(shown.text.len() % (16 * 1024), 0, "the length says little");
        let title = shown.between("<title>", "</title>");
        assert!(scanner.find(title.as_bytes()).is_empty(), "{title}");
        assert!(scanner.find(format!("{:?}", shown.headers).as_bytes()).is_empty());
        assert_eq!(shown.header("cache-control"), "no-store");
        let hidden = anna.post("/coordinator/verbergen", &[("naar", &format!("zaak/{case}"))]).await;
        assert_eq!((hidden.leads_to(), hidden.header("clear-site-data")), (path.as_str(), "\"cache\""));
        let outside = anna.post("/coordinator/verbergen", &[("naar", "//elsewhere.example")]).await;
        assert_eq!(outside.leads_to(), "/");
        for other in [path.clone(), format!("{path}/gezien"), format!("{path}/rechten"), "/coordinator".to_owned()] {
            let page = anna.get(&other).await;
            assert_eq!(page.status, 200, "{other}");
            assert!(scanner.find(page.text.as_bytes()).is_empty(), "{other}");
        }
        assert!(anna.get(&format!("{path}/gezien")).await.text.contains("Eerste gesprek plannen"));
        for (home, who) in EVERYBODY.iter().filter(|(_, who)| *who != ANNA) {
            let page = Browser::of(world, *who).await.get(home).await;
            assert_eq!(page.status, 200, "{home}");
            assert!(scanner.find(page.text.as_bytes()).is_empty(), "{home}");
        }
        world.later(601);
        let late = anna.post(&format!("{path}/namen"), &names).await;
        assert!(scanner.find(late.text.as_bytes()).is_empty() && late.text.contains("tien minuten"), "{}", late.status);
    }
}

on_both! {
    /// Forms that no page of ours would send are refused or answered, and the gateway goes on.
    async fn por_forms_that_no_page_sends_do_no_harm(world: World) {
        let own = Browser::of(world, WIJKTEAM).await;
        let deep = format!("{}=x", "/a".repeat(25_000));
        let wide = (0..9_000).fold(String::new(), |all, n| all + "&%2F" + &n.to_string() + "=1");
        let nested = format!("&{}=x", "%2Fsubjects%2F31%2F31%2F31%2F31%2F31%2F31%2F31");
        for body in [deep.as_str(), wide.as_str(), nested.as_str(), "stap=9", "stap=6&naar=verder", "%ff=%00&stap=1", "stap=1&naar=stap99"] {
            let body = format!("csrf={}&stap=3&{body}", own.csrf.borrow());
            let shown = own.send(Method::POST, "/verwijzer/aanmelden", Some(body), true).await;
            assert!(shown.status < 500, "{}", shown.status);
        }
        let large = format!("csrf={}&x={}", own.csrf.borrow(), "y".repeat(70_000));
        assert_eq!(own.send(Method::POST, "/verwijzer/aanmelden", Some(large), true).await.status, 413);
        assert_eq!(own.get("/verwijzer").await.status, 200, "control: it goes on");
    }
}
