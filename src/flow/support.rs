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
use crate::flow::on_support::{Asked, OpenSupport, on_support};
use crate::flow::release::conclude;
use crate::flow::{Done, FlowError, Gateway, Once, plain};
use crate::ids::{AuditReference, ReleaseId, SupportFamilyId};
use crate::policy::Allowed;
use crate::policy::action::{
    ListSupportFamilies, ReadSupportFamily, RegisterSupportFamily, ReleaseSupportIdentity,
    TransitionSupportFamily,
};
use crate::policy::facts::{Circumstance, Facts};
use crate::policy::verdict::{Note, entry_of};
use crate::store::effect::{Effect, Rows};
use crate::store::support_facts::{self, SupportMemory};
use crate::store::support_families::{
    self, NewSupport, SupportChange, SupportReleaseRow, SupportRow,
};
use crate::store::writer::{Found, Question};
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
    let nothing = |_: &OpenSupport<'_>, _| Ok((Rows::default(), ()));
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
    let step = move |found: &OpenSupport<'_>, now| moved(&own, found, to, &learned, expected, now);
    Ok(on_support(gateway, allowed, asked, step).await?.1)
}

fn moved(
    gateway: &Gateway,
    found: &OpenSupport<'_>,
    to: SupportState,
    learned: &Learned,
    expected: Option<i32>,
    now: Timestamp,
) -> Result<(Rows, SupportState), FlowError> {
    let (row, memory) = (found.row, found.memory);
    if expected.is_some_and(|version| version != row.version) {
        return Err(FlowError::Stale);
    }
    if !may_go(found, to) {
        let next = row.state.next().iter().filter(|state| may_go(found, **state));
        return Err(FlowError::State { allowed: next.map(|state| state.as_str()).collect() });
    }
    let before = memory.screening;
    let screening = Screening {
        interviewed_on: learned.screening.interviewed_on.or(before.interviewed_on),
        vog_seen_on: learned.screening.vog_seen_on.or(before.vog_seen_on),
        experienced: learned.screening.experienced || before.experienced,
    };
    let months = gateway.terms.load().vog_months;
    let lacks = lacks(screening, date_in_amsterdam(now), months);
    if to == SupportState::Available && !lacks.is_empty() {
        return Err(INCOMPLETE);
    }
    let offer = learned.offer.clone().unwrap_or_else(|| memory.offer.clone());
    let full = found.living >= i64::from(offer.capacity);
    let to = match to {
        SupportState::Available | SupportState::Paired if full => SupportState::Paired,
        SupportState::Available | SupportState::Paired => SupportState::Available,
        other => other,
    };
    let memory = SupportMemory { offer, screening, ..memory.clone() };
    let version = row.facts_version.saturating_add(1);
    let sealed = support_facts::seal(&gateway.entropy, found.key, row.id, version, &memory)?;
    let change = SupportChange {
        id: row.id,
        state: to,
        facts: Some((version, sealed)),
        at_ms: now.as_millisecond(),
        version: row.version.saturating_add(1),
    };
    Ok((Rows { support_change: Some(change), ..Rows::default() }, to))
}

/// Whether a support family may go there by hand. To stay is to keep what was learned; who has a family with
/// it does not leave, nor is looked into anew as if it had none.
fn may_go(found: &OpenSupport<'_>, to: SupportState) -> bool {
    let stays = to == found.row.state && to != SupportState::Left;
    let free = found.living == 0;
    let by_hand = found.row.state.next().contains(&to);
    stays || (by_hand && (free || to == SupportState::Available))
}

const INCOMPLETE: FlowError = FlowError::Rule {
    pointer: "/to",
    code: "screening-incomplete",
    rule: "needs an interview, a certificate of conduct seen within its term, and experience with children",
};

/// The groups of a support family that are opened together.
const GROUPS: [FieldGroup; 4] =
    [FieldGroup::Names, FieldGroup::BirthDate, FieldGroup::Address, FieldGroup::ContactDetails];

/// Opens who a support family is, after the ledger says so. The reason is kept sealed. Gives whether the key was
/// used before: it is opened again then, and recorded again.
///
/// # Errors
/// [`FlowError::NotFound`] when the caller neither looks after it nor has a family paired with it, or it
/// has left; [`FlowError::KeyReused`].
pub async fn release(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReleaseSupportIdentity>,
    id: SupportFamilyId,
    reason: Secret,
    once: Once,
) -> Result<Done<(Vec<Disclosure>, bool)>, FlowError> {
    let (subject, role) = (Arc::clone(allowed.subject()), allowed.role());
    let fields = GROUPS.iter().map(|group| group.as_str()).collect();
    let event = Event::ReleaseIntent;
    let asked = Asked { id, event, once: Some(once), fields, why: None };
    let (own, person) = (Arc::clone(gateway), subject.person.clone());
    let intent = move |found: &OpenSupport<'_>, now: Timestamp| {
        let release = opening(&own, found, &person, &reason, now)?;
        let memory = once.row(201, release.id.uuid(), now.as_millisecond());
        let idempotency = (!found.remembered).then_some(memory);
        let rows = Rows { support_release: Some(release), idempotency, ..Rows::default() };
        let object = ledger_object("support-family", found.memory.audit_reference);
        Ok((rows, (object, found.remembered)))
    };
    let (permit, Done { value: (object, replayed), committed }) =
        on_support(gateway, allowed, asked, intent).await?;
    let (pool, ring) = (&gateway.store.pool, &gateway.keyring);
    let opened = identities::open_support(pool, ring, &permit, &GROUPS).await;
    let event = if opened.is_ok() { Event::ReleaseDone } else { Event::ReleaseAborted };
    let mut entry = entry_of(&subject, role, event, Outcome::Allow);
    entry.object = object;
    conclude(gateway, entry, subject.request, None);
    Ok(Done { value: (opened?, replayed), committed })
}

/// The opening as a row: every one has its own, a repetition too.
fn opening(
    gateway: &Gateway,
    found: &OpenSupport<'_>,
    person: &Slug,
    reason: &Secret,
    now: Timestamp,
) -> Result<SupportReleaseRow, FlowError> {
    let id = ReleaseId::new();
    let (name, case) = (id.to_string(), found.row.id.uuid());
    let place = Place { table: "support_release", case, group: &name, version: 1 };
    let sealed = seal::seal(&gateway.entropy, found.key, &place, reason.reveal().as_bytes());
    Ok(SupportReleaseRow {
        id,
        support_family: found.row.id,
        person: person.clone(),
        reason: sealed.or(Err(StoreError::Unavailable("seal")))?,
        at_ms: now.as_millisecond(),
    })
}
