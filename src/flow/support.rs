//! Support families: registered, looked into, found, and opened by those who work with them.

use crate::audit::entry::{Event, Outcome};
use crate::crypto::seal::{self, Place};
use crate::domain::age::date_in_amsterdam;
use crate::domain::identity::{Disclosure, FieldGroup, Secret};
use crate::domain::partner::{Role, Slug};
use crate::domain::referral::Source;
use crate::domain::support_family::{Neighbourhood, Offer, Screening, SupportState, lacks};
use crate::flow::cases::After;
use crate::flow::on_case::ledger_object;
use crate::flow::release::conclude;
use crate::flow::{Done, FlowError, Gateway, Once, plain};
use crate::ids::{AuditReference, ReleaseId, SupportFamilyId};
use crate::policy::action::{
    ListSupportFamilies, ReadSupportFamily, RegisterSupportFamily, ReleaseSupportIdentity,
    TransitionSupportFamily,
};
use crate::policy::facts::{Circumstance, Facts, SupportFacts};
use crate::policy::verdict::{Note, entry_of};
use crate::policy::{Action, Allowed, Permit};
use crate::store::effect::{Effect, Rows};
use crate::store::support_facts::{self, SupportMemory};
use crate::store::support_families::{
    self, NewSupport, SupportChange, SupportReleaseRow, SupportRow,
};
use crate::store::writer::{Found, FoundSupport, Question};
use crate::store::{StoreError, identities};
use jiff::Timestamp;
use std::sync::Arc;

/// A support family that passed every rule of form.
#[derive(Debug)]
pub struct Registration {
    /// Where it lives.
    pub place: Neighbourhood,
    /// What it offers.
    pub offer: Offer,
    /// The notice it agreed to, by version.
    pub notice: String,
    /// Names, birth dates, contact and address, to seal.
    pub disclosures: Vec<Disclosure>,
}

/// What is shown of a support family without opening who it is.
#[derive(Debug)]
pub struct SupportView {
    /// The row.
    pub row: SupportRow,
    /// What it offers and how its screening stands.
    pub memory: SupportMemory,
    /// What lacks before it can be proposed, by code.
    pub lacks: Vec<&'static str>,
}

/// Registers a support family with the organisation and coordinator that serve its gemeente.
///
/// # Errors
/// [`FlowError::Rule`] where nobody serves the gemeente, or a partner may not pass on registrations;
/// [`FlowError::KeyReused`].
pub async fn register(
    gateway: &Arc<Gateway>,
    allowed: Allowed<RegisterSupportFamily>,
    new: Registration,
    once: Once,
) -> Result<Done<(SupportFamilyId, bool)>, FlowError> {
    let now = gateway.clock.now();
    let new = Arc::new(prepare(gateway, &allowed, new, now)?);
    let (id, row) = (new.0.row.id, Arc::clone(&new));
    let question = Question { idempotency: Some(once.scope), ..Question::default() };
    let decide = move |found: &Found| {
        let subject = allowed.subject();
        if let Some(remembered) = &found.remembered {
            let same = remembered.body == once.body;
            let answer = Ok((SupportFamilyId::from_uuid(remembered.resource), same));
            return (Effect::nothing(subject.request), answer);
        }
        let verdict = allowed.decide(subject.partner, &Facts::Bare, &Circumstance::None);
        let object = ledger_object("support-family", row.1);
        let entry = verdict.entry(Event::SupportRegistered, &Note { object, ..Note::default() });
        let rows = verdict.when_allowed(|| Rows {
            support: Some(Box::new(row.0.clone())),
            idempotency: Some(once.row(201, id.uuid(), now.as_millisecond())),
            ..Rows::default()
        });
        (Effect::new(subject.request, entry, rows), Err(verdict))
    };
    let (answer, committed) = gateway.store.writer.write(question, now, decide).await?;
    let value = match answer {
        Ok((_, false)) => return Err(FlowError::KeyReused),
        Ok((first, true)) => (first, true),
        Err(verdict) => {
            verdict.settle(&committed)?;
            (id, false)
        }
    };
    Ok(Done { value, committed })
}

fn prepare(
    gateway: &Gateway,
    allowed: &Allowed<RegisterSupportFamily>,
    new: Registration,
    now: Timestamp,
) -> Result<(NewSupport, AuditReference), FlowError> {
    let subject = allowed.subject();
    let register = gateway.register.load();
    if allowed.role() == Role::Referrer {
        let named = register.named(subject.partner_name.as_str());
        let passes_on = named.is_some_and(|p| p.sources.contains(&Source::SelfRegistered));
        passes_on.then_some(()).ok_or(FlowError::Rule {
            pointer: "",
            code: "source-not-registered",
            rule: "must come from a partner at which families register themselves",
        })?;
    }
    let place = new.place;
    let served = register.territory(place.municipality, place.district).cloned();
    let served = served.ok_or(FlowError::Rule {
        pointer: "/municipality",
        code: "municipality-not-served",
        rule: "must be a gemeente that Buurtgezinnen serves",
    })?;
    // Whoever registers one of her own organisation looks after it.
    let hers = allowed.role() == Role::Coordinator && subject.partner == served.organisation;
    let coordinator = if hers { subject.person.clone() } else { served.coordinator };
    let (id, audit_reference) = (SupportFamilyId::new(), AuditReference::new());
    let unavailable = StoreError::Unavailable("case key");
    let (key, wrapped) =
        gateway.keyring.new_case_key(&gateway.entropy, id.uuid()).or(Err(unavailable))?;
    let identity = identities::pack_under(&gateway.entropy, &key, id.uuid(), 1, &new.disclosures)?;
    let screening = Screening::default();
    let memory = SupportMemory { audit_reference, offer: new.offer, screening, notice: new.notice };
    let facts = support_facts::seal(&gateway.entropy, &key, id, 1, &memory)?;
    let at_ms = now.as_millisecond();
    let row = SupportRow {
        id,
        organisation: served.organisation,
        coordinator,
        state: SupportState::Registered,
        place,
        facts_version: 1,
        facts,
        key: Some(wrapped),
        registered_ms: at_ms,
        changed_ms: at_ms,
        version: 1,
    };
    Ok((NewSupport { row, identity }, audit_reference))
}

/// Lists a page of the organisation's support families, without names; `municipality` narrows it.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn list(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListSupportFamilies>,
    municipality: &str,
    after: After,
    limit: i64,
) -> Result<Done<Vec<SupportView>>, FlowError> {
    let (now, partner) = (gateway.clock.now(), allowed.subject().partner);
    let event = Event::SupportRead;
    let (permit, committed) =
        plain::settle(gateway, &allowed, partner, &Facts::Bare, event).await?;
    let pool = &gateway.store.pool;
    let rows = support_families::list(pool, permit.object(), municipality, after, limit).await?;
    let views = rows.into_iter().filter_map(|row| view(gateway, row, now).transpose());
    Ok(Done { value: views.collect::<Result<_, _>>()?, committed })
}

/// Opens the facts of a row; `None` after erasure.
pub(super) fn view(
    gateway: &Gateway,
    row: SupportRow,
    now: Timestamp,
) -> Result<Option<SupportView>, StoreError> {
    let Some((_, memory)) = support_facts::open(&gateway.keyring, &row)? else {
        return Ok(None);
    };
    let vog_months = gateway.terms.load().vog_months;
    let lacks = lacks(memory.screening, date_in_amsterdam(now), vog_months);
    Ok(Some(SupportView { row, memory, lacks }))
}

/// Reads one support family, without its name.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not of the caller's organisation.
pub async fn read(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReadSupportFamily>,
    id: SupportFamilyId,
) -> Result<Done<SupportView>, FlowError> {
    let nothing = |_: &SupportRow, _: &SupportMemory, _| Ok((Rows::default(), ()));
    let asked = Asked { id, event: Event::SupportRead, once: None, fields: Vec::new(), why: None };
    let (permit, Done { committed, .. }) = on_support(gateway, allowed, asked, nothing).await?;
    let row = support_families::find(&gateway.store.pool, permit.object()).await?;
    let row = row.ok_or(FlowError::NotFound)?;
    let value = view(gateway, row, gateway.clock.now())?.ok_or(FlowError::NotFound)?;
    Ok(Done { value, committed })
}

/// What a coordinator found out, to be kept with the step.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    /// How far it has been looked into; what is absent stays as it was.
    pub screening: Screening,
    /// What it offers from here on, where that changed.
    pub offer: Option<Offer>,
}

/// Moves a support family to `to`, keeping what was learned.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not the caller's; [`FlowError::State`] naming the states it can go
/// to; [`FlowError::Rule`] when it cannot be proposed yet; [`FlowError::Stale`].
pub async fn transition(
    gateway: &Arc<Gateway>,
    allowed: Allowed<TransitionSupportFamily>,
    id: SupportFamilyId,
    to: SupportState,
    learned: Learned,
    expected: Option<i32>,
) -> Result<Done<SupportState>, FlowError> {
    let own = Arc::clone(gateway);
    let asked = Asked {
        id,
        event: Event::SupportMoved,
        once: None,
        fields: Vec::new(),
        why: Some(to.as_str()),
    };
    let step = move |row: &SupportRow, memory: &SupportMemory, now| {
        moved(&own, row, memory, to, &learned, expected, now)
    };
    Ok(on_support(gateway, allowed, asked, step).await?.1)
}

fn moved(
    gateway: &Gateway,
    row: &SupportRow,
    memory: &SupportMemory,
    to: SupportState,
    learned: &Learned,
    expected: Option<i32>,
    now: Timestamp,
) -> Result<(Rows, SupportState), FlowError> {
    if expected.is_some_and(|version| version != row.version) {
        return Err(FlowError::Stale);
    }
    let next = row.state.next();
    // To stay is to keep what was learned.
    if !next.contains(&to) && (to != row.state || next.is_empty()) {
        return Err(FlowError::State {
            allowed: next.iter().map(|state| state.as_str()).collect(),
        });
    }
    let before = memory.screening;
    let screening = Screening {
        interviewed_on: learned.screening.interviewed_on.or(before.interviewed_on),
        vog_seen_on: learned.screening.vog_seen_on.or(before.vog_seen_on),
        experienced: learned.screening.experienced || before.experienced,
    };
    let months = gateway.terms.load().vog_months;
    if to == SupportState::Available && !lacks(screening, date_in_amsterdam(now), months).is_empty()
    {
        return Err(FlowError::Rule {
            pointer: "/to",
            code: "screening-incomplete",
            rule: "needs an interview, a certificate of conduct seen within its term, and experience with children",
        });
    }
    let offer = learned.offer.clone().unwrap_or_else(|| memory.offer.clone());
    let memory = SupportMemory { offer, screening, ..memory.clone() };
    let version = row.facts_version.saturating_add(1);
    let Some((key, _)) = support_facts::open(&gateway.keyring, row)? else {
        return Err(FlowError::NotFound);
    };
    let sealed = support_facts::seal(&gateway.entropy, &key, row.id, version, &memory)?;
    let change = SupportChange {
        id: row.id,
        state: to,
        facts: Some((version, sealed)),
        at_ms: now.as_millisecond(),
        version: row.version.saturating_add(1),
    };
    Ok((Rows { support_change: Some(change), ..Rows::default() }, to))
}

/// The groups of a support family that are opened together.
const GROUPS: [FieldGroup; 4] =
    [FieldGroup::Names, FieldGroup::BirthDate, FieldGroup::Address, FieldGroup::ContactDetails];

/// Opens who a support family is, after the ledger says so. The reason is kept sealed.
///
/// # Errors
/// [`FlowError::NotFound`] when the caller neither looks after it nor has a family paired with it, or it
/// has left.
pub async fn release(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReleaseSupportIdentity>,
    id: SupportFamilyId,
    reason: Secret,
    once: Once,
) -> Result<Done<Vec<Disclosure>>, FlowError> {
    let (subject, role) = (Arc::clone(allowed.subject()), allowed.role());
    let fields = GROUPS.iter().map(|group| group.as_str()).collect();
    let (event, once) = (Event::ReleaseIntent, Some(once));
    let asked = Asked { id, event, once, fields, why: None };
    let (own, person) = (Arc::clone(gateway), subject.person.clone());
    let intent = move |row: &SupportRow, memory: &SupportMemory, now: Timestamp| {
        let release = opening(&own, row, &person, &reason, now)?;
        let rows = Rows { support_release: Some(release), ..Rows::default() };
        Ok((rows, ledger_object("support-family", memory.audit_reference)))
    };
    let (permit, Done { value: object, committed }) =
        on_support(gateway, allowed, asked, intent).await?;
    let (pool, ring) = (&gateway.store.pool, &gateway.keyring);
    let opened = identities::open_support(pool, ring, &permit, &GROUPS).await;
    let event = if opened.is_ok() { Event::ReleaseDone } else { Event::ReleaseAborted };
    let mut entry = entry_of(&subject, role, event, Outcome::Allow);
    entry.object = object;
    conclude(gateway, entry, subject.request);
    Ok(Done { value: opened?, committed })
}

/// The opening as a row: every one has its own, a repetition too.
fn opening(
    gateway: &Gateway,
    row: &SupportRow,
    person: &Slug,
    reason: &Secret,
    now: Timestamp,
) -> Result<SupportReleaseRow, FlowError> {
    let (id, opened) = (ReleaseId::new(), support_facts::open(&gateway.keyring, row)?);
    let (key, _) = opened.ok_or(FlowError::NotFound)?;
    let name = id.to_string();
    let place = Place { table: "support_release", case: row.id.uuid(), group: &name, version: 1 };
    let sealed = seal::seal(&gateway.entropy, &key, &place, reason.reveal().as_bytes());
    Ok(SupportReleaseRow {
        id,
        support_family: row.id,
        person: person.clone(),
        reason: sealed.or(Err(StoreError::Unavailable("seal")))?,
        at_ms: now.as_millisecond(),
    })
}

/// A question about one support family.
struct Asked {
    id: SupportFamilyId,
    event: Event,
    once: Option<Once>,
    fields: Vec<&'static str>,
    why: Option<&'static str>,
}

/// Reads a support family inside the transaction, decides, writes: what `on_case` is for a case.
async fn on_support<A, T>(
    gateway: &Arc<Gateway>,
    allowed: Allowed<A>,
    asked: Asked,
    step: impl Fn(&SupportRow, &SupportMemory, Timestamp) -> Result<(Rows, T), FlowError>
    + Send
    + 'static,
) -> Result<(Permit<A>, Done<T>), FlowError>
where
    A: Action<Object = SupportFamilyId>,
    T: Send + 'static,
{
    let now = gateway.clock.now();
    let own = Arc::clone(gateway);
    let question = Question {
        support: Some(asked.id),
        idempotency: asked.once.map(|once| once.scope),
        register: Some(allowed.subject().register),
        ..Question::default()
    };
    let decide = move |found: &Found| {
        let opened = found.support.as_ref().and_then(|support| {
            let opened = support_facts::open(&own.keyring, &support.row).ok().flatten();
            opened.map(|(_, memory)| (support, memory))
        });
        let request = allowed.subject().request;
        let Some((support, memory)) = opened else {
            let verdict = allowed.decide(asked.id, &nobodys(), &Circumstance::None);
            let entry = verdict.entry(Event::AccessDenied, &Note::default());
            return (Effect::new(request, entry, Rows::default()), (None, None));
        };
        let verdict = allowed.decide(asked.id, &facts_of(support), &Circumstance::None);
        let reused =
            found.remembered.as_ref().zip(asked.once).is_some_and(|(r, o)| r.body != o.body);
        let outcome = match (found.register_moved, reused) {
            (true, _) => Err(StoreError::Busy.into()),
            (_, true) => Err(FlowError::KeyReused),
            _ => step(&support.row, &memory, now),
        };
        let note = Note {
            object: ledger_object("support-family", memory.audit_reference),
            fields: asked.fields.clone(),
            why: asked.why.into_iter().collect(),
            ..Note::default()
        };
        let mut entry = verdict.entry(asked.event, &note);
        let (rows, outcome) = match outcome {
            Ok((rows, value)) => (verdict.when_allowed(|| rows), Ok(value)),
            Err(error) => {
                verdict.when_allowed(|| entry.outcome = Outcome::Error);
                (Rows::default(), Err(error))
            }
        };
        (Effect::new(request, entry, rows), (Some(verdict), Some(outcome)))
    };
    let ((verdict, outcome), committed) = gateway.store.writer.write(question, now, decide).await?;
    let permit = verdict.ok_or(FlowError::NotFound)?.settle(&committed)?;
    let value = outcome.unwrap_or(Err(FlowError::NotFound))?;
    Ok((permit, Done { value, committed }))
}

fn facts_of(support: &FoundSupport) -> Facts {
    let row = &support.row;
    let mut holders = support.paired_with.clone();
    holders.push(row.coordinator.clone());
    Facts::SupportFamily(SupportFacts {
        organisation: row.organisation,
        coordinator: row.coordinator.clone(),
        holders,
        open: row.state != SupportState::Left,
    })
}

/// Facts of a support family that is nobody's, decided on in place of one that is not there.
fn nobodys() -> Facts {
    let nobody = Slug::parse("nobody");
    match nobody {
        Ok(coordinator) => Facts::SupportFamily(SupportFacts {
            organisation: crate::ids::PartnerId::from_uuid(uuid::Uuid::nil()),
            coordinator,
            holders: Vec::new(),
            open: false,
        }),
        Err(_) => Facts::Absent,
    }
}
