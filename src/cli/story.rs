//! The story of the main job, played through the public API over real mutual TLS.
//!
//! Each step says what was promised and shows what came back; a step that differs makes the whole
//! story fail.

use crate::audit::checkpoint::{Checkpoint, from_header};
use crate::cli::boot::Booted;
use crate::cli::issuer::DevIssuer;
use crate::cli::{Failure, audit, print};
use crate::clock::Clock;
use crate::config::Config;
use crate::tls::client;
use crate::tls::reload::{IdentityFiles, OutboundFiles};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A complete referral of a wijkteam.
pub const WIJKTEAM: &str = include_str!("../../examples/referral-wijkteam.json");
pub(super) const REGIETEAM: &str = include_str!("../../examples/referral-regieteam.json");
const SELF: &str = include_str!("../../examples/referral-self.json");

/// Who speaks: partner, account, role.
pub(super) type Caller = (&'static str, &'static str, &'static str);

const WIJKTEAM_ONE: Caller = ("wijkteam-nijmegen", "wijkteam-1", "referrer");
const REGISSEUR: Caller = ("regieteam-nijmegen", "regisseur-1", "referrer");
const WEBSITE: Caller = ("website-buurtgezinnen", "website", "referrer");
const LEA: Caller = ("buurtgezinnen", "lea", "assigner");
const ANNA: Caller = ("buurtgezinnen", "anna", "coordinator");
const BERT: Caller = ("buurtgezinnen", "bert", "coordinator");
const GEMEENTE: Caller = ("gemeente-nijmegen", "beleid-1", "municipality");

/// How often one call is made again while the gateway cannot write.
const TRIES: usize = 12;

/// Where the story is played.
pub struct Scene {
    directory: PathBuf,
    base: String,
    audience: String,
    issuer: DevIssuer,
    clock: Clock,
    keys: AtomicUsize,
    step: AtomicUsize,
    differs: AtomicBool,
    /// One a partner: a handshake takes longer than most answers.
    clients: Mutex<HashMap<String, reqwest::Client>>,
}

/// What came back.
pub struct Answer {
    status: u16,
    raw: String,
    body: Value,
    replayed: bool,
    checkpoint: Option<String>,
    retry_after: Option<Duration>,
}

impl Scene {
    /// A story played against the gateway at `api` with the certificates of a demo's directory.
    ///
    /// # Errors
    /// When the directory has no issuer.
    pub fn new(
        directory: &Path,
        api: SocketAddr,
        config: &Config,
        clock: Clock,
    ) -> Result<Self, Failure> {
        Ok(Self {
            directory: directory.to_owned(),
            base: format!("https://localhost:{}", api.port()),
            audience: config.tokens.audience.clone(),
            issuer: DevIssuer::open(directory)?,
            clock,
            keys: AtomicUsize::new(0),
            step: AtomicUsize::new(0),
            differs: AtomicBool::new(false),
            clients: Mutex::default(),
        })
    }

    /// A key no step has used yet.
    fn key(&self) -> String {
        let count = self.keys.fetch_add(1, Ordering::Relaxed);
        format!("story-{}-{count}", self.clock.now().as_millisecond())
    }

    /// The present instant.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Opens every connection anew from here on, with the certificates as they are then.
    pub(super) fn forget_clients(&self) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) async fn get(&self, who: Caller, path: &str) -> Result<Answer, Failure> {
        self.call(who, Method::GET, path, None, None).await
    }

    pub(super) async fn post(
        &self,
        who: Caller,
        path: &str,
        body: &Value,
    ) -> Result<Answer, Failure> {
        let key = self.key();
        self.call(who, Method::POST, path, Some(body), Some(&key)).await
    }

    /// Asks, and asks again with the same key while the gateway says that it cannot write just now: a disk that
    /// stands still for two seconds is no fault in the story.
    async fn call(
        &self,
        who: Caller,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Answer, Failure> {
        for _ in 0..TRIES {
            let answer = self.ask(who, method.clone(), path, body, key).await?;
            let Some(wait) = answer.retry_after.filter(|_| answer.status == 503) else {
                return Ok(answer);
            };
            tracing::warn!(seconds = wait.as_secs(), "not now: asked again");
            tokio::time::sleep(wait).await;
        }
        self.ask(who, method, path, body, key).await
    }

    async fn ask(
        &self,
        (partner, person, role): Caller,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Answer, Failure> {
        let token = self.issuer.sign(
            &self.directory,
            partner,
            person,
            &[role],
            &self.audience,
            &self.clock,
        )?;
        let mut request = self
            .client(partner)?
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(token);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let replayed = header("idempotent-replayed").is_some();
        let checkpoint = header("audit-checkpoint");
        let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        let status = response.status().as_u16();
        let raw = response.text().await?;
        let body = serde_json::from_str(&raw).unwrap_or_default();
        Ok(Answer { status, raw, body, replayed, checkpoint, retry_after })
    }

    fn client(&self, partner: &str) -> Result<reqwest::Client, Failure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(partner) {
            return Ok(client.clone());
        }
        let client = self.new_client(partner)?;
        clients.insert(partner.to_owned(), client.clone());
        Ok(client)
    }

    fn new_client(&self, partner: &str) -> Result<reqwest::Client, Failure> {
        let pki = self.directory.join("pki");
        let files = OutboundFiles {
            authorities: pki.join("ca.pem"),
            identity: Some(IdentityFiles {
                certificate: pki.join(partner).join("cert.pem"),
                key: pki.join(partner).join("key.pem"),
            }),
        };
        let tls = client::open(&files, &self.clock)?;
        Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).build()?)
    }

    /// Tells a step: what was promised, whether it holds, what came back.
    fn tell(&self, what: &str, promised: &str, holds: bool, came: &str) -> Result<(), Failure> {
        let number = self.step.fetch_add(1, Ordering::Relaxed) + 1;
        let mark = if holds { "ok" } else { "DIFFERS" };
        if !holds {
            self.differs.store(true, Ordering::Relaxed);
        }
        print(&format!(
            "\n{number:>2}. {what}\n    promised: {promised}\n    came:     {came}\n    {mark}"
        ))
    }
}

impl Answer {
    pub(super) const fn status(&self) -> u16 {
        self.status
    }

    pub(super) const fn body(&self) -> &Value {
        &self.body
    }

    pub(super) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Status and the beginning of the body.
    pub(super) fn brief(&self) -> String {
        let shown: String = self.raw.chars().take(420).collect();
        let more = if self.raw.chars().count() > 420 { " …" } else { "" };
        format!("{} {shown}{more}", self.status)
    }
}

/// Plays the whole story; `true` when every answer was as promised.
///
/// # Errors
/// When the gateway cannot be reached or the ledger cannot be read.
pub async fn play(scene: &Scene, booted: &Booted) -> Result<bool, Failure> {
    let referral = referrals(scene).await?;
    refusals(scene, booted).await?;
    let case = casework(scene).await?;
    strangers(scene, &case).await?;
    figures(scene, &case).await?;
    withdrawal(scene, &referral, &case).await?;
    ledger(scene, booted).await?;
    let as_promised = !scene.differs.load(Ordering::Relaxed);
    print(if as_promised {
        "\nEvery answer was as promised."
    } else {
        "\nSome answers DIFFER from what was promised."
    })?;
    Ok(as_promised)
}

fn parse(text: &str) -> Result<Value, Failure> {
    Ok(serde_json::from_str(text)?)
}

/// Three referrals come in. Returns the id of the first.
async fn referrals(scene: &Scene) -> Result<String, Failure> {
    let body = parse(WIJKTEAM)?;
    let key = scene.key();
    let post =
        |body| scene.call(WIJKTEAM_ONE, Method::POST, "/v1/referrals", Some(body), Some(&key));
    let first = post(&body).await?;
    let holds = first.status == 201
        && first.text("/receipt").split('.').count() == 3
        && !first.raw.contains("Proefpersoon");
    let promised = "201 with a signed receipt and no name";
    scene.tell(
        "wijkteam-nijmegen submits a referral with full consent",
        promised,
        holds,
        &first.brief(),
    )?;
    let again = post(&body).await?;
    let holds = again.replayed && again.status == 201 && again.text("/id") == first.text("/id");
    scene.tell("the same Idempotency-Key again", "the same id", holds, &again.brief())?;
    let plan = scene.post(REGISSEUR, "/v1/referrals", &parse(REGIETEAM)?).await?;
    let what = "regieteam-nijmegen submits one with a plan reference and two goals";
    scene.tell(what, "201", plan.status == 201, &plan.brief())?;
    let own = scene.post(WEBSITE, "/v1/referrals", &parse(SELF)?).await?;
    let holds = own.status == 201 && own.text("/status") == "awaiting-consent";
    let what =
        "website-buurtgezinnen submits a parent whose second authority holder has not signed";
    scene.tell(what, "201 awaiting-consent", holds, &own.brief())?;
    Ok(first.text("/id").to_owned())
}

/// What may not come in leaves nothing behind.
async fn refusals(scene: &Scene, booted: &Booted) -> Result<(), Failure> {
    let pool = &booted.api.gateway.store.pool;
    let before = crate::store::referrals::total(pool).await?;
    let mut body = parse(WIJKTEAM)?;
    if let Some(text) = body.pointer_mut("/supportText") {
        *text = json!("Het nummer van de moeder is 111222333.");
    }
    let answer = scene.post(WIJKTEAM_ONE, "/v1/referrals", &body).await?;
    let kept = crate::store::referrals::total(pool).await? != before;
    let holds = answer.status == 400
        && answer.text("/errors/0/code") == "bsn-not-allowed"
        && !answer.raw.contains("111222333")
        && !kept;
    let promised = "400 naming the rule, not the number; nothing stored";
    scene.tell("a referral with a BSN in the free text", promised, holds, &answer.brief())?;
    let mut body = parse(WIJKTEAM)?;
    if let Some(fields) = body.as_object_mut() {
        fields.remove("consent");
    }
    let answer = scene.post(WIJKTEAM_ONE, "/v1/referrals", &body).await?;
    let kept = crate::store::referrals::total(pool).await? != before;
    let holds = answer.status == 403 && answer.text("/reasons/0") == "consent-missing" && !kept;
    let promised = "403 with reasons; nothing stored";
    scene.tell("a referral without consent", promised, holds, &answer.brief())
}

/// lea assigns, anna reads and opens. Returns the id of the case.
async fn casework(scene: &Scene) -> Result<String, Failure> {
    let waiting = scene.get(LEA, "/v1/cases?assigned=false").await?;
    let case = waiting.text("/items/0/id").to_owned();
    let to = json!({"coordinator": "anna"});
    let path = format!("/v1/cases/{case}/assignments");
    let assigned = scene.post(LEA, &path, &to).await?;
    let what = "lea takes the first unassigned case and assigns it to anna";
    scene.tell(what, "201", assigned.status == 201, &assigned.brief())?;
    let list = scene.get(ANNA, "/v1/cases").await?;
    let holds = list.status == 200
        && list.text("/items/0/id") == case
        && !list.raw.contains("Proefpersoon")
        && !list.raw.contains("Voorbeeldstraat");
    scene.tell("anna lists her cases", "200, no names", holds, &list.brief())?;
    let one = scene.get(ANNA, &format!("/v1/cases/{case}")).await?;
    let holds = one.status == 200 && one.text("/familyPseudonym").starts_with("bp1.");
    scene.tell("anna reads one", "200, codes and a pseudonym", holds, &one.brief())?;
    let reason = json!({"purpose": "intake", "reason": "Eerste gesprek plannen"});
    let path = format!("/v1/cases/{case}/identity-releases");
    let open = scene.post(ANNA, &path, &reason).await?;
    let holds = open.status == 201
        && open.text("/fields/names/0/name/surname") == "Proefpersoon"
        && open.text("/fields/address/street") == "Voorbeeldstraat"
        && open.text("/fields/contact-details/phone").starts_with('+')
        && covered(&open);
    let promised = "201 with names, address, phone, and a signed head that covers the entry";
    let what = "anna releases the identity with purpose and reason";
    scene.tell(what, promised, holds, &open.brief())?;
    Ok(case)
}

/// Whether the answer carries a signed head of the ledger.
fn covered(answer: &Answer) -> bool {
    let note = answer.checkpoint.as_deref().and_then(|header| from_header(header).ok());
    note.is_some_and(|note| note.starts_with("localhost/audit/1\n"))
}

/// Others learn nothing, not even that the case is there.
async fn strangers(scene: &Scene, case: &str) -> Result<(), Failure> {
    let there = scene.get(BERT, &format!("/v1/cases/{case}")).await?;
    let absent = scene.get(BERT, "/v1/cases/00000000-0000-4000-8000-000000000000").await?;
    let holds = there.status == 404 && there.status == absent.status && there.raw == absent.raw;
    let promised = "404, byte for byte the answer for a case that does not exist";
    scene.tell("bert asks for the same case", promised, holds, &there.brief())
}

/// The gemeente gets figures and never a family.
async fn figures(scene: &Scene, case: &str) -> Result<(), Failure> {
    let denied = scene.get(GEMEENTE, &format!("/v1/cases/{case}")).await?;
    let other = scene.get(GEMEENTE, "/v1/cases/00000000-0000-4000-8000-000000000000").await?;
    let holds = denied.status == 403 && other.status == 403 && denied.raw == other.raw;
    let promised = "403, whatever the id";
    scene.tell("gemeente-nijmegen asks for the case", promised, holds, &denied.brief())?;
    let list = scene.get(GEMEENTE, "/v1/statistics/releases").await?;
    let cells = list.body.pointer("/items/0/figures/cells").and_then(Value::as_array);
    let cells = cells.cloned().unwrap_or_default();
    let shown = cells.iter().any(|cell| at(cell, "value").as_u64().is_some_and(|value| value > 0));
    let hidden =
        cells.iter().any(|cell| at(cell, "value").is_null() && at(cell, "confStatus") == "C");
    let holds = list.status == 200 && shown && hidden;
    let promised = "200, a table with figures and with hidden cells";
    scene.tell("gemeente-nijmegen asks for its statistics", promised, holds, &list.brief())
}

fn at<'a>(cell: &'a Value, key: &str) -> &'a Value {
    cell.get(key).unwrap_or(&Value::Null)
}

/// Consent withdrawn stops the next release.
async fn withdrawal(scene: &Scene, referral: &str, case: &str) -> Result<(), Failure> {
    let at = scene.clock.now().to_string();
    let decision =
        json!({"signer": "parent1", "decision": "withdrawn", "at": at, "method": "by-telephone"});
    let path = format!("/v1/referrals/{referral}/consent-decisions");
    let withdrawn = scene.post(WIJKTEAM_ONE, &path, &decision).await?;
    let holds = withdrawn.status == 201 && withdrawn.text("/stage") == "none";
    scene.tell(
        "the parent withdraws consent",
        "201, nothing is covered any more",
        holds,
        &withdrawn.brief(),
    )?;
    let reason = json!({"purpose": "intake", "reason": "Tweede gesprek plannen"});
    let path = format!("/v1/cases/{case}/identity-releases");
    let refused = scene.post(ANNA, &path, &reason).await?;
    let holds = refused.status == 403
        && refused.text("/reasons/0") == "consent-withdrawn"
        && !refused.raw.contains("Proefpersoon");
    let promised = "403 consent-withdrawn, no name";
    scene.tell("anna asks for the identity again", promised, holds, &refused.brief())
}

/// The ledger verifies and shows every release.
async fn ledger(scene: &Scene, booted: &Booted) -> Result<(), Failure> {
    let gateway = &booted.api.gateway;
    let origin = &booted.config.ledger.origin;
    let checked = audit::check(&gateway.store.pool, &gateway.keyring, origin).await?;
    let promised = "it verifies and shows one release granted and one refused";
    match checked {
        Ok(summary) => {
            let holds = summary.releases_granted == 1 && summary.releases_refused == 1;
            scene.tell("the ledger", promised, holds, &audit::told(&summary))?;
        }
        Err(tamper) => scene.tell("the ledger", promised, false, &tamper.to_string())?,
    }
    let head = gateway.store.writer.latest();
    let keys = gateway.keyring.ledger_public_keys();
    let signed = Checkpoint::parse_and_verify(&head.note, &keys).is_ok();
    scene.tell(
        "its head",
        "signed by the ledger key",
        signed,
        if signed { "signed" } else { "not signed" },
    )
}
