//! Who is signed in to the portal: for at most eight hours, or a quarter of an hour without being seen.
//!
//! A session is looked up on every request, with the register as it is then: who lost a role, or whose partner was
//! suspended, or whose key was taken off, is out with the next request. Beginning and ending stand in the ledger.
//!
//! # Not here
//! Cookies, links, providers and certificates: they belong to the portal.

use crate::audit::entry::{Code, Event, Object, Outcome};
use crate::crypto::digest::{hex, unhex};
use crate::domain::partner::{Partner, Role, Slug};
use crate::domain::partner_number::PartnerNumber;
use crate::flow::{FlowError, Gateway, witness};
use crate::ids::{PartnerId, RequestId};
use crate::policy::Subject;
use crate::policy::verdict::entry_of;
use crate::store::effect::{Effect, Rows};
use crate::store::sessions::{self, Admitted, Card, Hash, Pin, SessionRow};
use crate::store::writer::{Found, Question};
use crate::store::{StoreError, partners::Register};
use std::sync::Arc;
use zeroize::Zeroizing;

const MINUTE_MS: i64 = 60_000;
/// Without being seen.
const IDLE_MS: i64 = 15 * MINUTE_MS;
/// In all.
const WHOLE_MS: i64 = 8 * 60 * MINUTE_MS;
/// How recent a sign-in must be to open names.
const FRESH_MS: i64 = 10 * MINUTE_MS;
/// How long a way in that works once is good for.
pub const TICKET_MS: i64 = 15 * MINUTE_MS;
/// How long somebody who showed a certificate has to come back to the portal.
const CODE_MS: i64 = MINUTE_MS;

/// How somebody showed who they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Way {
    /// By a link that works once.
    Link,
    /// By the `OpenID` provider of their partner.
    Provider,
    /// With a certificate.
    Certificate(Card),
}

impl Way {
    fn card(self) -> Option<Card> {
        match self {
            Self::Link | Self::Provider => None,
            Self::Certificate(card) => Some(card),
        }
    }

    const fn why(&self) -> &'static str {
        match self {
            Self::Link => "session:link",
            Self::Provider => "session:provider",
            Self::Certificate(_) => "session:certificate",
        }
    }
}

/// A secret: 32 random bytes as hex digits. Wiped when dropped; never written down by us.
pub type Secret = Zeroizing<String>;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who they are to the policies.
    pub subject: Arc<Subject>,
    /// Whether they signed in so recently that names may be opened.
    pub is_fresh: bool,
    /// The certificate they signed in with; nothing where it was another way. Whether it was revoked, the edge looks.
    pub card: Option<Card>,
    hash: Hash,
}

fn hash_of(gateway: &Gateway, what: &str, secret: &str) -> Option<Hash> {
    unhex::<32>(secret)?;
    Some(gateway.keyring.token_hash(&format!("portal-{what}:{secret}")))
}

fn fresh_secret(gateway: &Gateway) -> Result<Secret, StoreError> {
    let bytes = gateway.entropy.array::<32>().or(Err(StoreError::Unavailable("randomness")))?;
    Ok(Zeroizing::new(hex(&bytes)))
}

/// Makes a way in that works once, for a quarter of an hour.
///
/// # Errors
/// [`FlowError::NotFound`] for somebody who may not use the pages.
pub async fn ticket(gateway: &Gateway, partner: &str, account: &Slug) -> Result<Secret, FlowError> {
    let register = gateway.register.load();
    let found = register.named(partner).ok_or(FlowError::NotFound)?;
    roles_of(found, account, None).ok_or(FlowError::NotFound)?;
    let secret = fresh_secret(gateway)?;
    let hash = hash_of(gateway, "ticket", &secret).ok_or(FlowError::NotFound)?;
    let who = Admitted { partner: found.id, account: account.clone(), card: None, state: None };
    keep(gateway, &hash, &who, TICKET_MS).await?;
    Ok(secret)
}

async fn keep(
    gateway: &Gateway,
    hash: &Hash,
    who: &Admitted,
    good_ms: i64,
) -> Result<(), StoreError> {
    let now_ms = gateway.clock.now().as_millisecond();
    sessions::put_ticket(&gateway.store.pool, hash, who, (now_ms, now_ms + good_ms)).await
}

/// What a browser keeps while somebody shows a certificate elsewhere.
///
/// # Errors
/// [`FlowError::Store`] without randomness.
pub fn set_out(gateway: &Gateway) -> Result<Secret, FlowError> {
    Ok(fresh_secret(gateway)?)
}

/// Whether that is what a browser keeps.
#[must_use]
pub fn is_state(state: &str) -> bool {
    unhex::<32>(state).is_some()
}

/// A code for somebody whose certificate the register knows: works once, within a minute, in the browser that set out.
///
/// # Errors
/// [`FlowError::NotFound`] where the certificate is nobody's who may use the pages, or `state` is none of ours.
pub async fn code(
    gateway: &Gateway,
    number: &PartnerNumber,
    card: Card,
    state: &str,
) -> Result<Secret, FlowError> {
    let register = gateway.register.load_full();
    let known = register.recognise_person(number, &card.pin);
    let (partner, person) = known.ok_or(FlowError::NotFound)?;
    roles_of(partner, &person.account, Some(&card.pin)).ok_or(FlowError::NotFound)?;
    let secret = fresh_secret(gateway)?;
    let hash = hash_of(gateway, "code", &secret).ok_or(FlowError::NotFound)?;
    let state = Some(hash_of(gateway, "state", state).ok_or(FlowError::NotFound)?);
    let (account, card) = (person.account.clone(), Some(card));
    let who = Admitted { partner: partner.id, account, card, state };
    keep(gateway, &hash, &who, CODE_MS).await?;
    Ok(secret)
}

/// Takes a code, and begins a session, where the certificate is still `in_force`. Whichever browser brings it, the code
/// is gone then.
///
/// # Errors
/// [`FlowError::NotFound`] where it was used, is over, was made for another browser, its certificate is not in force any
/// more, or its person may not use the pages with that key.
pub async fn redeem(
    gateway: &Gateway,
    code: &str,
    state: &str,
    in_force: impl FnOnce(&Card) -> bool,
) -> Result<Secret, FlowError> {
    let hash = hash_of(gateway, "code", code).ok_or(FlowError::NotFound)?;
    let now_ms = gateway.clock.now().as_millisecond();
    let taken = sessions::take_ticket(&gateway.store.pool, &hash, now_ms).await?;
    let who = taken.ok_or(FlowError::NotFound)?;
    let own = hash_of(gateway, "state", state).filter(|own| who.state == Some(*own));
    let card = own.and(who.card).filter(in_force).ok_or(FlowError::NotFound)?;
    begin(gateway, who.partner, &who.account, Way::Certificate(card)).await
}

/// Takes a way in, and begins a session.
///
/// # Errors
/// [`FlowError::NotFound`] where it was used, is over, or its person may not use the pages any more.
pub async fn enter(gateway: &Gateway, secret: &str) -> Result<Secret, FlowError> {
    let hash = hash_of(gateway, "ticket", secret).ok_or(FlowError::NotFound)?;
    let now_ms = gateway.clock.now().as_millisecond();
    let taken = sessions::take_ticket(&gateway.store.pool, &hash, now_ms).await?;
    let who = taken.ok_or(FlowError::NotFound)?;
    begin(gateway, who.partner, &who.account, Way::Link).await
}

/// Begins a session for somebody who showed who they are.
///
/// # Errors
/// [`FlowError::NotFound`] for somebody who may not use the pages; [`FlowError::Store`] when the ledger cannot say so.
pub async fn begin(
    gateway: &Gateway,
    partner: PartnerId,
    account: &Slug,
    way: Way,
) -> Result<Secret, FlowError> {
    let secret = fresh_secret(gateway)?;
    let hash = hash_of(gateway, "session", &secret).ok_or(FlowError::NotFound)?;
    let now_ms = gateway.clock.now().as_millisecond();
    let (account, why) = (account.clone(), way.why());
    let card = way.card();
    let row = SessionRow { hash, partner, account, begun_ms: now_ms, seen_ms: now_ms, card };
    let register = gateway.register.load_full();
    let made = (RequestId::new(), "");
    let subject = subject_of(gateway, &register, &row, made)?.ok_or(FlowError::NotFound)?;
    record(gateway, &subject, (why, row.card.as_ref())).await?;
    sessions::begin(&gateway.store.pool, &row, now_ms - WHOLE_MS).await?;
    Ok(secret)
}

/// Who a secret belongs to at this instant; nobody where the session is over, or the person may not use the pages.
///
/// # Errors
/// [`FlowError::Store`] when it cannot be looked up.
pub async fn look(
    gateway: &Gateway,
    secret: &str,
    request: RequestId,
    trace: &str,
) -> Result<Option<Session>, FlowError> {
    let Some(hash) = hash_of(gateway, "session", secret) else {
        return Ok(None);
    };
    let pool = &gateway.store.pool;
    let Some(row) = sessions::find(pool, &hash).await? else {
        return Ok(None);
    };
    let now_ms = gateway.clock.now().as_millisecond();
    let over = now_ms - row.seen_ms > IDLE_MS || now_ms - row.begun_ms > WHOLE_MS;
    let register = gateway.register.load_full();
    let subject = if over { None } else { subject_of(gateway, &register, &row, (request, trace))? };
    let Some(subject) = subject else {
        sessions::end(pool, &hash).await?;
        return Ok(None);
    };
    if now_ms - row.seen_ms > MINUTE_MS {
        sessions::seen(pool, &hash, now_ms).await?;
    }
    let is_fresh = now_ms - row.begun_ms <= FRESH_MS;
    Ok(Some(Session { subject: Arc::new(subject), is_fresh, card: row.card, hash }))
}

/// Ends a session whose certificate is not in force any more.
///
/// # Errors
/// [`FlowError::Store`] when it cannot be written.
pub async fn lapse(gateway: &Gateway, session: &Session) -> Result<(), FlowError> {
    Ok(sessions::end(&gateway.store.pool, &session.hash).await?)
}

/// Ends one session, or all of the same person.
///
/// # Errors
/// [`FlowError::Store`] when it cannot be written.
pub async fn end(gateway: &Gateway, session: &Session, everywhere: bool) -> Result<(), FlowError> {
    let (pool, subject) = (&gateway.store.pool, &session.subject);
    if everywhere {
        sessions::end_all(pool, subject.partner, &subject.person).await?;
    } else {
        sessions::end(pool, &session.hash).await?;
    }
    let why = if everywhere { "session:ended-everywhere" } else { "session:ended" };
    record(gateway, subject, (why, None)).await
}

/// Roles that somebody holds at a partner that takes part; nothing for a stranger, or for a key that is not theirs (any
/// more).
fn roles_of(partner: &Partner, account: &Slug, pin: Option<&Pin>) -> Option<Vec<Role>> {
    let person = partner.people.iter().find(|person| person.account == *account)?;
    if pin.is_some_and(|pin| !person.pins.contains(pin)) {
        return None;
    }
    let may = |role: &Role| role.may_be_held_at(partner.kind);
    let roles: Vec<Role> = person.roles.iter().copied().filter(may).collect();
    (!roles.is_empty()).then_some(roles)
}

fn subject_of(
    gateway: &Gateway,
    register: &Register,
    row: &SessionRow,
    (request, trace): (RequestId, &str),
) -> Result<Option<Subject>, StoreError> {
    let pin = row.card.as_ref().map(|card| &card.pin);
    let found = register.active(row.partner);
    let Some((partner, roles)) = found.and_then(|p| Some((p, roles_of(p, &row.account, pin)?)))
    else {
        return Ok(None);
    };
    Ok(Some(Subject {
        partner: partner.id,
        number: partner.number,
        partner_name: partner.name.clone(),
        kind: partner.kind,
        person: row.account.clone(),
        roles,
        municipalities: partner.municipalities.clone(),
        bound: true,
        certificate: None,
        // Not the hash by which it is found: the ledger is read by more people than the database.
        token: gateway.keyring.token_hash(&format!("portal-entry:{}", hex(&row.hash))),
        pseudonym: witness::ledger_name(&gateway.keyring, partner.id, &row.account)?,
        register: register.version,
        request,
        trace: trace.to_owned(),
    }))
}

/// Has the ledger say that a session began or ended; of a certificate a keyed hash of its key, by which two cards of one
/// person are told apart.
async fn record(
    gateway: &Gateway,
    subject: &Subject,
    (why, card): (&str, Option<&Card>),
) -> Result<(), FlowError> {
    let role = subject.roles.first().copied().ok_or(FlowError::NotFound)?;
    let mut entry = entry_of(subject, role, Event::TokenIssued, Outcome::Allow);
    entry.why = Code::parse(why).unwrap_or_default();
    entry.purpose = Code::parse("operations").unwrap_or_default();
    entry.policy.hash = Some(gateway.engine.load().hash());
    entry.object = Object { kind: Code::parse("session").unwrap_or_default(), reference: None };
    let key =
        card.map(|card| gateway.keyring.token_hash(&format!("portal-key:{}", hex(&card.pin))));
    entry.fields =
        key.iter().filter_map(|key| Code::parse(&format!("key:{}", hex(key))).ok()).collect();
    let request = subject.request;
    let decide = move |_: &Found| (Effect::new(request, entry.clone(), Rows::default()), ());
    let now = gateway.clock.now();
    gateway.store.writer.write(Question::default(), now, decide).await?;
    Ok(())
}
