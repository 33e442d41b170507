//! Two things at the same moment: a release, and what takes away the right to it. Whichever the ledger
//! has first counts: after an acknowledged withdrawal or reassignment nothing is released any more.

use crate::sql;
use crate::support::{ANNA, Answer, Caller, LEA, WIJKTEAM, World, answer, example, on_both};
use buurtpoort::audit::entry::{Code, Entry, Event, Outcome, decode};
use buurtpoort::cli::partners::RegisterFile;
use buurtpoort::crypto::Entropy;
use buurtpoort::store::ledger;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Tries at the same time: their requests share commits.
const AT_ONCE: usize = 20;

/// Tries on each database: as many as `BUURTPOORT_RACE_TRIES` says, else as fit between two commits.
/// `scripts/race.sh` has the ten thousand.
fn tries() -> usize {
    let asked = std::env::var("BUURTPOORT_RACE_TRIES").ok();
    asked.map_or(400, |text| text.parse().expect("BUURTPOORT_RACE_TRIES: a number"))
}

/// Someone who keeps a connection and a token.
struct Speaker<'w> {
    world: &'w World,
    client: reqwest::Client,
    token: String,
}

impl<'w> Speaker<'w> {
    fn new(world: &'w World, who: Caller) -> Self {
        Self { world, client: world.client(who.0), token: world.token(who) }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        loop {
            let request = self
                .client
                .request(Method::POST, self.world.url(path))
                .bearer_auth(&self.token)
                .header("Idempotency-Key", self.world.key())
                .header("Content-Type", "application/json")
                .body(body.to_string());
            let answer = answer(request.send().await.expect("the gateway answers")).await;
            // Ten thousand in a row are more than one partner may send in a second.
            if answer.status != 429 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Makes cases that anna holds; gives the ids of referral and case.
async fn cases(world: &World) -> Vec<(String, String)> {
    const SQLITE: &str = "SELECT lower(hex(referral_id)) || ' ' || lower(hex(id)) FROM case_file \
        WHERE assignee IS NULL";
    const POSTGRES: &str = "SELECT replace(referral_id::text, '-', '') || ' ' || \
        replace(id::text, '-', '') FROM case_file WHERE assignee IS NULL";
    let (wijkteam, lea) = (Speaker::new(world, WIJKTEAM), Speaker::new(world, LEA));
    let referral = example("referral-wijkteam");
    for _ in 0..tries() / AT_ONCE {
        let sent = (0..AT_ONCE).map(|_| wijkteam.post("/v1/referrals", &referral));
        all_created(&join_all(sent).await);
    }
    let pool = &world.booted.api.gateway.store.pool;
    let rows = sql::texts(pool, sql::either(pool, SQLITE, POSTGRES)).await;
    let ids = rows.iter().filter_map(|row| row.split_once(' '));
    let ids: Vec<(String, String)> = ids.map(|(r, c)| (dashed(r), dashed(c))).collect();
    let anna = json!({"coordinator": "anna"});
    for group in ids.chunks(AT_ONCE) {
        let assigned = group.iter().map(|(_, case)| {
            let (lea, anna, path) = (&lea, &anna, format!("/v1/cases/{case}/assignments"));
            async move { lea.post(&path, anna).await }
        });
        all_created(&join_all(assigned).await);
    }
    assert_eq!(ids.len(), tries());
    ids
}

fn all_created(answers: &[Answer]) {
    for answer in answers {
        assert_eq!(answer.status, 201, "{}", answer.raw);
    }
}

fn dashed(hex: &str) -> String {
    hex.parse::<uuid::Uuid>().expect("an id").to_string()
}

/// A little while, up to six milliseconds: so that now the one is first, then the other.
async fn a_little_while() {
    let [random] = Entropy::system().array::<1>().expect("randomness");
    tokio::time::sleep(Duration::from_micros(u64::from(random) * 24)).await;
}

/// Sends both; gives the status of the release and of what takes it away.
async fn at_once(
    anna: &Speaker<'_>,
    case: &str,
    other: &Speaker<'_>,
    path: &str,
    body: &Value,
) -> (u16, u16) {
    let asked = json!({"purpose": "intake", "reason": "Eerste gesprek plannen"});
    let release = async {
        a_little_while().await;
        anna.post(&format!("/v1/cases/{case}/identity-releases"), &asked).await
    };
    let taken = async {
        a_little_while().await;
        other.post(path, body).await
    };
    let (release, taken) = tokio::join!(release, taken);
    if release.status != 201 {
        assert!(!release.raw.contains("Proefpersoon"), "{}", release.raw);
    }
    (release.status, taken.status)
}

/// The granted events of each case, in the order of the ledger.
async fn granted(world: &World) -> BTreeMap<String, Vec<String>> {
    let pool = &world.booted.api.gateway.store.pool;
    let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut next = 0;
    loop {
        let page = ledger::page(pool, next, 1_000).await.expect("a ledger");
        let Some(last) = page.last() else {
            return events;
        };
        next = last.seq + 1;
        for row in page.iter().filter(|row| row.outcome == "allow") {
            if let Some(case) = &row.object {
                events.entry(case.clone()).or_default().push(row.event.clone());
            }
        }
    }
}

/// How many cases had their release before `end`, and how many never; fails where one came after.
fn judged(events: &BTreeMap<String, Vec<String>>, end: &str, nth: usize) -> (usize, usize) {
    let (mut before, mut never) = (0, 0);
    for (case, events) in events {
        let ends: Vec<usize> =
            events.iter().enumerate().filter(|(_, e)| *e == end).map(|(at, _)| at).collect();
        let Some(end) = ends.get(nth) else {
            continue;
        };
        let late = events.iter().skip(*end).any(|event| event == "release.intent");
        assert!(!late, "{case}: released after {events:?}");
        let early = events.iter().take(*end).any(|event| event == "release.intent");
        if early {
            before += 1;
        } else {
            never += 1;
        }
    }
    (before, never)
}

/// Both orders must have happened, else the tries prove nothing.
fn both_happened(world: &World, what: &str, (before, never): (usize, usize), answered: usize) {
    eprintln!("{what} on {:?}: {before} released before, {never} refused", world.engine);
    assert_eq!(before + never, tries());
    assert_eq!(before, answered, "who got an identity is who has an entry");
    assert!(before >= 5 && never >= 5, "{before} before and {never} after: no race");
}

on_both! {
    /// POL-13: consent withdrawn by the referrer while the coordinator asks for the identity.
    async fn pol_13_withdrawn_at_the_moment_of_release(world: World) {
        let ids = cases(world).await;
        let (anna, wijkteam) = (Speaker::new(world, ANNA), Speaker::new(world, WIJKTEAM));
        let at = world.now().to_string();
        let withdrawn = json!({"signer": "parent1", "decision": "withdrawn", "at": at});
        let mut answered = 0;
        for group in ids.chunks(AT_ONCE) {
            let tries = group.iter().map(|(referral, case)| {
                let (anna, wijkteam, withdrawn) = (&anna, &wijkteam, &withdrawn);
                let path = format!("/v1/referrals/{referral}/consent-decisions");
                async move { at_once(anna, case, wijkteam, &path, withdrawn).await }
            });
            for (release, withdrawal) in join_all(tries).await {
                assert_eq!(withdrawal, 201);
                assert!(matches!(release, 201 | 403), "{release}");
                answered += usize::from(release == 201);
            }
        }
        let counts = judged(&granted(world).await, "consent.withdrawn", 0);
        both_happened(world, "withdrawal", counts, answered);
        world.ledger().await;
    }
}

on_both! {
    /// POL-11: the case is handed to somebody else while the coordinator asks for the identity.
    async fn pol_11_reassigned_at_the_moment_of_release(world: World) {
        let ids = cases(world).await;
        let (anna, lea) = (Speaker::new(world, ANNA), Speaker::new(world, LEA));
        let bert = json!({"coordinator": "bert"});
        let mut answered = 0;
        for group in ids.chunks(AT_ONCE) {
            let tries = group.iter().map(|(_, case)| {
                let (anna, lea, bert) = (&anna, &lea, &bert);
                let path = format!("/v1/cases/{case}/assignments");
                async move { at_once(anna, case, lea, &path, bert).await }
            });
            for (release, handed) in join_all(tries).await {
                assert_eq!(handed, 201);
                assert!(matches!(release, 201 | 404), "{release}");
                answered += usize::from(release == 201);
            }
        }
        // The first assignment gave the case to anna, the second took it away.
        let counts = judged(&granted(world).await, "assignment.made", 1);
        both_happened(world, "reassignment", counts, answered);
        world.ledger().await;
    }
}

/// Whether a partner takes part.
pub(crate) fn set_status(register: &mut RegisterFile, name: &str, status: &str) {
    let partner = register.partner.iter_mut().find(|partner| partner.name == name);
    status.clone_into(&mut partner.expect("a partner").status);
}

on_both! {
    /// POL-13 of a partner: the coordinators' organisation is suspended while one of them asks. From the
    /// entry of the change on nothing is released to them, although the gateway reads the register later.
    async fn pol_13_suspended_at_the_moment_of_release(world: World) {
        let (_, case) = world.assigned_case().await;
        let anna = Speaker::new(world, ANNA);
        let path = format!("/v1/cases/{case}/identity-releases");
        let asked = json!({"purpose": "intake", "reason": "Eerste gesprek plannen"});
        let rounds = tries() / AT_ONCE;
        let mut answered = 0;
        for round in 0..rounds {
            let done = AtomicUsize::new(0);
            let releases = join_all((0..AT_ONCE).map(|_| async {
                a_little_while().await;
                let status = anna.post(&path, &asked).await.status;
                done.fetch_add(1, Ordering::Relaxed);
                status
            }));
            let suspended = async {
                // Now before any release, now after some of the twenty: on a busy machine too.
                a_little_while().await;
                while done.load(Ordering::Relaxed) < round % 7 {
                    a_little_while().await;
                }
                world.apply(|register| set_status(register, "buurtgezinnen", "suspended")).await;
            };
            let (releases, ()) = tokio::join!(releases, suspended);
            assert!(releases.iter().all(|status| matches!(status, 201 | 403 | 503)), "{releases:?}");
            answered += releases.iter().filter(|status| **status == 201).count();
            world.amend(|register| set_status(register, "buurtgezinnen", "active")).await;
        }
        let counts = suspensions(world).await;
        eprintln!("suspension on {:?}: {counts:?} of {} tries", world.engine, rounds * AT_ONCE);
        let Suspensions { suspended, released, late } = counts;
        assert_eq!((suspended, late), (rounds, 0));
        assert_eq!(released, answered, "who got an identity is who has an entry");
        assert!(released >= 20 && released <= rounds * AT_ONCE - 20, "{released}: no race");
        world.ledger().await;
    }
}

#[derive(Debug, Default, Eq, PartialEq)]
struct Suspensions {
    suspended: usize,
    released: usize,
    /// Releases between a suspension and its end.
    late: usize,
}

impl Suspensions {
    fn count(&mut self, entry: &Entry, off: &mut bool) {
        let field = |name: &str| entry.fields.iter().any(|field| field.as_str() == name);
        match entry.event {
            Event::PartnerChanged => {
                *off = !field("suspended:0");
                self.suspended += usize::from(*off);
            }
            Event::ReleaseIntent if entry.outcome == Outcome::Allow => {
                self.released += 1;
                self.late += usize::from(*off);
            }
            _ => {}
        }
    }
}

/// Goes through the ledger in its order.
async fn suspensions(world: &World) -> Suspensions {
    let pool = &world.booted.api.gateway.store.pool;
    let (mut counts, mut off, mut next) = (Suspensions::default(), false, 0);
    loop {
        let page = ledger::page(pool, next, 1_000).await.expect("a ledger");
        let Some(last) = page.last() else {
            return counts;
        };
        next = last.seq + 1;
        for row in &page {
            let (_, entry) = decode(&row.leaf).expect("an entry");
            counts.count(&entry, &mut off);
        }
    }
}

/// The counting bites: a release while suspended is late.
#[test]
fn a_release_while_suspended_would_be_counted() {
    let mut change = Entry::new(Event::PartnerChanged, Outcome::Allow);
    change.fields = vec![Code::parse("suspended:1").expect("a code")];
    let release = Entry::new(Event::ReleaseIntent, Outcome::Allow);
    let (mut counts, mut off) = (Suspensions::default(), false);
    for entry in [&release, &change, &release] {
        counts.count(entry, &mut off);
    }
    assert_eq!(counts, Suspensions { suspended: 1, released: 2, late: 1 });
}

/// The judge bites: a release behind the withdrawal is found.
#[test]
#[should_panic(expected = "released after")]
fn a_late_release_would_be_found() {
    let events = ["consent.withdrawn", "release.intent"].map(str::to_owned).to_vec();
    judged(&BTreeMap::from([("case".to_owned(), events)]), "consent.withdrawn", 0);
}
