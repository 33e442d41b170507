//! A family and a support family come together: proposed, introduced, on trial, paired, evaluated, ended.
//!
//! Each step that tells either family something of the other asks for consent to `pairing` at that
//! instant; to end one never does. The case follows its furthest living pairing.

use crate::audit::entry::Event;
use crate::clock::from_millisecond;
use crate::crypto::seal::{self, Place};
use crate::domain::age::date_in_amsterdam;
use crate::domain::case::CaseState;
use crate::domain::identity::Secret;
use crate::domain::pairing::{
    EndReason, NextForm, PairingState, PlacementAvoided, ProfessionalHelp, SocialContacts, furthest,
};
use crate::domain::support_family::{SupportState, lacks};
use crate::flow::on_case::{OpenCase, Which, Wish, basis, on_case};
use crate::flow::release::explain;
use crate::flow::transition::{referral_status, tell};
use crate::flow::{Done, FlowError, Gateway, Once};
use crate::ids::{CaseId, EvaluationId, PairingId, SupportFamilyId};
use crate::policy::Allowed;
use crate::policy::action::{EvaluatePairing, MovePairing, PairCase};
use crate::policy::facts::Circumstance;
use crate::policy::verdict::Note;
use crate::store::StoreError;
use crate::store::cases::CaseChange;
use crate::store::effect::Rows;
use crate::store::pairings::{self, EvaluationRow, PairingRow};
use crate::store::referrals::ReferralChange;
use crate::store::support_facts;
use crate::store::support_families::SupportChange;
use crate::store::writer::FoundSupport;
use jiff::Timestamp;
use std::sync::Arc;

/// What came of a step.
#[derive(Clone, Debug)]
pub struct Step {
    /// The pairing.
    pub pairing: PairingId,
    /// Where it stands.
    pub state: PairingState,
    /// Where the case stands.
    pub case: CaseState,
    /// Counts changes of the pairing.
    pub version: i32,
    /// Whether this repeats an earlier answer.
    pub replayed: bool,
}

/// Introduces a family to a support family.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not the caller's; [`FlowError::Consent`] without consent to
/// `pairing`; [`FlowError::State`] when the case takes none; [`FlowError::Rule`] when the support family
/// cannot be proposed.
pub async fn introduce(
    gateway: &Arc<Gateway>,
    allowed: Allowed<PairCase>,
    case: CaseId,
    support: SupportFamilyId,
    children: i32,
    once: Once,
) -> Result<Done<Step>, FlowError> {
    let own = Arc::clone(gateway);
    let subject = Arc::clone(allowed.subject());
    let wish = move |found: &OpenCase<'_>, now: Timestamp| {
        let outcome = introduced(&own, found, support, children, once, now);
        let to = outcome.as_ref().map_or(found.row.state, |(_, step)| step.case);
        let why = vec![PairingState::Introduction.as_str(), to.as_str()];
        let note = Note { basis: basis(found.row), why, ..Note::default() };
        // A repetition is on record as having been read, not as a second introduction.
        let first = found.remembered.is_none();
        Wish { granted: if first { Event::PairingMade } else { Event::CaseRead }, note, outcome }
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let which = Which::WithSupport(case, support);
    match on_case(gateway, allowed, case, which, Some(once), nothing, wish).await {
        Err(FlowError::NotFound) => Err(explain(gateway, &subject, case, "pairing").await),
        other => Ok(other?.1),
    }
}

fn introduced(
    gateway: &Gateway,
    found: &OpenCase<'_>,
    support: SupportFamilyId,
    children: i32,
    once: Once,
    now: Timestamp,
) -> Result<(Rows, Step), FlowError> {
    if let Some(remembered) = found.remembered {
        let pairing = PairingId::from_uuid(remembered.resource);
        let state = PairingState::Introduction;
        let step = Step { pairing, state, case: found.row.state, version: 1, replayed: true };
        return Ok((Rows::default(), step));
    }
    if !found.row.state.takes_a_pairing() {
        let next = found.next();
        return Err(FlowError::State { allowed: next.iter().map(|s| s.as_str()).collect() });
    }
    let living = |p: &PairingRow| p.support_family == support && p.state != PairingState::Ended;
    if found.pairings.iter().any(living) {
        return Err(NOT_PROPOSED);
    }
    let household = found.memory.asked.children.map_or(i32::MAX, i32::from);
    (children <= household).then_some(()).ok_or(TOO_MANY)?;
    let offered = proposable(gateway, found, now)?;
    let at_ms = now.as_millisecond();
    let id = PairingId::new();
    let pairing = PairingRow {
        id,
        case: found.row.id,
        support_family: support,
        state: PairingState::Introduction,
        children,
        introduced_ms: at_ms,
        trial_ms: None,
        trial_until_ms: None,
        extended: false,
        paired_ms: None,
        evaluate_ms: None,
        ended_ms: None,
        end_reason: None,
        next_form: None,
        changed_ms: at_ms,
        version: 1,
    };
    let states = found.pairings.iter().map(|p| p.state).chain([pairing.state]);
    let to = furthest(states).unwrap_or(CaseState::Introduction);
    let mut rows = follow(gateway, found, to, now);
    rows.support_change = filled(offered.0, offered.0.living + 1, offered.1, at_ms);
    rows.pairing = Some(pairing);
    rows.idempotency = Some(once.row(201, id.uuid(), at_ms));
    let state = PairingState::Introduction;
    Ok((rows, Step { pairing: id, state, case: to, version: 1, replayed: false }))
}

const TOO_MANY: FlowError = FlowError::Rule {
    pointer: "/children",
    code: "range",
    rule: "must be no more than the household has",
};

const NOT_PROPOSED: FlowError = FlowError::Rule {
    pointer: "/supportFamily",
    code: "support-family-not-available",
    rule: "must be an available support family of the organisation, screened within its term, with room",
};

/// The support family asked for and how many families it takes, if it can be proposed today.
fn proposable<'a>(
    gateway: &Gateway,
    found: &OpenCase<'a>,
    now: Timestamp,
) -> Result<(&'a FoundSupport, u8), FlowError> {
    let support = found.support.ok_or(NOT_PROPOSED)?;
    let (_, memory) = support_facts::open(&gateway.keyring, &support.row)?.ok_or(NOT_PROPOSED)?;
    let months = gateway.terms.load().vog_months;
    let capacity = memory.offer.capacity;
    let fits = support.row.organisation == found.row.organisation
        && support.row.state == SupportState::Available
        && support.living < i64::from(capacity)
        && lacks(memory.screening, date_in_amsterdam(now), months).is_empty();
    if fits { Ok((support, capacity)) } else { Err(NOT_PROPOSED) }
}

/// A support family with as many families as it takes is not proposed; one with room is again.
fn filled(support: &FoundSupport, living: i64, capacity: u8, at_ms: i64) -> Option<SupportChange> {
    let full = living >= i64::from(capacity);
    let state = match support.row.state {
        SupportState::Available if full => SupportState::Paired,
        SupportState::Paired if !full => SupportState::Available,
        _ => return None,
    };
    let (id, version) = (support.row.id, support.row.version.saturating_add(1));
    Some(SupportChange { id, state, facts: None, at_ms, version })
}

/// The case goes where its pairings are, and the referrer hears that something changed. A case that waits
/// keeps waiting. Its row changes with every step, so that the ledger accounts for it.
fn follow(gateway: &Gateway, found: &OpenCase<'_>, to: CaseState, now: Timestamp) -> Rows {
    let at_ms = now.as_millisecond();
    let case =
        CaseChange { id: found.row.id, state: to, assignee: found.row.assignee.clone(), at_ms };
    let tried = found.was_tried() || matches!(to, CaseState::Trial | CaseState::Paired);
    let moved = to != found.row.state && !found.was_taken_back();
    let status = referral_status(to, tried).filter(|_| moved);
    let referral = status.map(|status| ReferralChange { id: found.row.referral, status, at_ms });
    let outbox = referral.iter().filter_map(|_| tell(gateway, found, now)).collect();
    Rows { case: Some(case), referral, outbox, ..Rows::default() }
}

/// What a coordinator asks of a pairing.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// Where it is to go.
    pub to: PairingState,
    /// The end of a trial, for `trial`.
    pub until: Option<Timestamp>,
    /// Why it ends, for `ended`.
    pub reason: Option<EndReason>,
    /// Where the children live after it, for `ended`.
    pub next_form: Option<NextForm>,
}

/// Moves a pairing along, extends its trial, or ends it.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not of a case of the caller; [`FlowError::Consent`] where a step
/// tells something without consent; [`FlowError::State`] naming the states it can go to;
/// [`FlowError::Rule`]; [`FlowError::Stale`].
pub async fn step(
    gateway: &Arc<Gateway>,
    allowed: Allowed<MovePairing>,
    pairing: PairingId,
    asked: Move,
    expected: Option<i32>,
) -> Result<Done<Step>, FlowError> {
    let case = pairings::case_of(&gateway.store.pool, pairing).await?;
    let (own, subject) = (Arc::clone(gateway), Arc::clone(allowed.subject()));
    let tells = asked.to.tells();
    let wish = move |found: &OpenCase<'_>, now: Timestamp| {
        let outcome = moved(&own, found, asked, expected, now);
        let to = outcome.as_ref().map_or(found.row.state, |(_, step)| step.case);
        let why = [asked.to.as_str()].into_iter().chain(asked.reason.map(EndReason::as_str));
        let why = why.chain([to.as_str()]).collect();
        let note = Note { basis: basis(found.row), why, ..Note::default() };
        Wish { granted: Event::PairingMoved, note, outcome }
    };
    let circumstance = move |_: &OpenCase<'_>| Circumstance::Tells(tells);
    let which = Which::Pairing(pairing);
    match on_case(gateway, allowed, case, which, None, circumstance, wish).await {
        Err(FlowError::NotFound) => Err(explain(gateway, &subject, case, "pairing").await),
        other => Ok(other?.1),
    }
}

fn moved(
    gateway: &Gateway,
    found: &OpenCase<'_>,
    asked: Move,
    expected: Option<i32>,
    now: Timestamp,
) -> Result<(Rows, Step), FlowError> {
    let before = found.pairing.ok_or(FlowError::NotFound)?;
    if expected.is_some_and(|version| version != before.version) {
        return Err(FlowError::Stale);
    }
    let next = before.state.next(before.extended);
    if !next.contains(&asked.to) {
        return Err(FlowError::State { allowed: next.iter().map(|s| s.as_str()).collect() });
    }
    let after = stepped(gateway, before, asked, now)?;
    let others = found.pairings.iter().filter(|p| p.id != after.id).map(|p| p.state);
    let to = case_after(found, furthest(others.chain([after.state])), before);
    let mut rows = follow(gateway, found, to, now);
    if after.state == PairingState::Ended {
        rows.support_change = freed(gateway, found, now.as_millisecond())?;
    }
    let (pairing, state, version) = (after.id, after.state, after.version);
    rows.pairing_change = Some(after);
    Ok((rows, Step { pairing, state, case: to, version, replayed: false }))
}

/// A support family whose pairing ends has room again.
fn freed(
    gateway: &Gateway,
    found: &OpenCase<'_>,
    at_ms: i64,
) -> Result<Option<SupportChange>, FlowError> {
    let Some(support) = found.support else {
        return Ok(None);
    };
    let opened = support_facts::open(&gateway.keyring, &support.row)?;
    Ok(opened
        .and_then(|(_, memory)| filled(support, support.living - 1, memory.offer.capacity, at_ms)))
}

/// Where the case goes: to its furthest living pairing; where none lives, to its evaluation once families
/// were paired, else back to searching. One that waits or has ended stays so.
fn case_after(found: &OpenCase<'_>, furthest: Option<CaseState>, before: &PairingRow) -> CaseState {
    match (found.row.state, furthest) {
        (shut @ (CaseState::OnHold | CaseState::Closed), _) => shut,
        (_, Some(state)) => state,
        (_, None) if before.paired_ms.is_some() => CaseState::Evaluating,
        (_, None) => CaseState::Searching,
    }
}

/// The pairing after the step.
fn stepped(
    gateway: &Gateway,
    before: &PairingRow,
    asked: Move,
    now: Timestamp,
) -> Result<PairingRow, FlowError> {
    let at_ms = now.as_millisecond();
    let mut after = PairingRow {
        state: asked.to,
        changed_ms: at_ms,
        version: before.version.saturating_add(1),
        ..before.clone()
    };
    let terms = **gateway.terms.load();
    match asked.to {
        PairingState::Trial => {
            let until = asked.until.ok_or(missing("/until", "is required for a trial"))?;
            if let Some(was) = before.trial_until_ms {
                terms.extension(from_millisecond(was), until).or(Err(TRIAL))?;
                after.extended = true;
            } else {
                terms.trial(now, until).or(Err(TRIAL))?;
                after.trial_ms = Some(at_ms);
            }
            after.trial_until_ms = Some(until.as_millisecond());
        }
        PairingState::Paired => {
            after.paired_ms = Some(at_ms);
            after.evaluate_ms = terms.next_evaluation(now).map(Timestamp::as_millisecond);
        }
        PairingState::Ended => {
            let (reason, form) = (asked.reason, asked.next_form);
            let reason = reason.ok_or(missing("/reason", "is required to end a pairing"))?;
            let form = form.ok_or(missing("/nextForm", "is required to end a pairing"))?;
            after.ended_ms = Some(at_ms);
            after.evaluate_ms = None;
            (after.end_reason, after.next_form) = (Some(reason), Some(form));
        }
        PairingState::Introduction => {}
    }
    Ok(after)
}

const TRIAL: FlowError = FlowError::Rule {
    pointer: "/until",
    code: "trial-length",
    rule: "must lie one to two months ahead, or at most a month after the present end, once",
};

const fn missing(pointer: &'static str, rule: &'static str) -> FlowError {
    FlowError::Rule { pointer, code: "missing", rule }
}

/// The case of a pairing; no case where there is no such pairing.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn case_of(gateway: &Gateway, pairing: PairingId) -> Result<CaseId, FlowError> {
    Ok(pairings::case_of(&gateway.store.pool, pairing).await?)
}

/// What is said of a pairing after some time.
#[derive(Debug)]
pub struct Evaluation {
    /// What became of professional help.
    pub professional_help: ProfessionalHelp,
    /// Whether the family's network grew.
    pub network_extended: bool,
    /// What became of the child's social contacts.
    pub social_contacts: SocialContacts,
    /// The family's grade, in tenths.
    pub grade: i32,
    /// Whether a placement was avoided.
    pub placement_avoided: PlacementAvoided,
    /// What else was said. Kept sealed.
    pub note: Option<Secret>,
}

/// Keeps an evaluation of a pairing that goes on, or has ended.
///
/// # Errors
/// [`FlowError::NotFound`]; [`FlowError::State`] while the families do not know each other yet;
/// [`FlowError::KeyReused`].
pub async fn evaluate(
    gateway: &Arc<Gateway>,
    allowed: Allowed<EvaluatePairing>,
    pairing: PairingId,
    said: Evaluation,
    once: Once,
) -> Result<Done<(EvaluationId, bool)>, FlowError> {
    let case = pairings::case_of(&gateway.store.pool, pairing).await?;
    let own = Arc::clone(gateway);
    let wish = move |found: &OpenCase<'_>, now: Timestamp| {
        let first = found.remembered.is_none();
        let granted = if first { Event::PairingEvaluated } else { Event::CaseRead };
        let outcome = evaluated(&own, found, &said, once, now);
        Wish { granted, note: Note { basis: basis(found.row), ..Note::default() }, outcome }
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let which = Which::Pairing(pairing);
    Ok(on_case(gateway, allowed, case, which, Some(once), nothing, wish).await?.1)
}

fn evaluated(
    gateway: &Gateway,
    found: &OpenCase<'_>,
    said: &Evaluation,
    once: Once,
    now: Timestamp,
) -> Result<(Rows, (EvaluationId, bool)), FlowError> {
    if let Some(remembered) = found.remembered {
        return Ok((Rows::default(), (EvaluationId::from_uuid(remembered.resource), true)));
    }
    let pairing = found.pairing.ok_or(FlowError::NotFound)?;
    if pairing.trial_ms.is_none() {
        return Err(FlowError::State { allowed: vec![PairingState::Trial.as_str()] });
    }
    let (id, at_ms) = (EvaluationId::new(), now.as_millisecond());
    let name = id.to_string();
    let place = note_place(found.row.id, &name);
    let seal = |text: &Secret| {
        let sealed = seal::seal(&gateway.entropy, found.key, &place, text.reveal().as_bytes());
        sealed.or(Err(StoreError::Unavailable("seal")))
    };
    let evaluation = EvaluationRow {
        id,
        pairing: pairing.id,
        professional_help: said.professional_help,
        network_extended: said.network_extended,
        social_contacts: said.social_contacts,
        grade: said.grade,
        placement_avoided: said.placement_avoided,
        note: said.note.as_ref().map(seal).transpose()?,
        at_ms,
    };
    let next = gateway.terms.load().next_evaluation(now).map(Timestamp::as_millisecond);
    let goes_on = pairing.state == PairingState::Paired;
    let changed = PairingRow {
        evaluate_ms: next,
        changed_ms: at_ms,
        version: pairing.version.saturating_add(1),
        ..pairing.clone()
    };
    let rows = Rows {
        evaluation: Some(evaluation),
        pairing_change: goes_on.then_some(changed),
        idempotency: Some(once.row(201, id.uuid(), at_ms)),
        ..Rows::default()
    };
    Ok((rows, (id, false)))
}

/// A note is bound to the case and to its evaluation.
const fn note_place(case: CaseId, evaluation: &str) -> Place<'_> {
    Place { table: "evaluation", case: case.uuid(), group: evaluation, version: 1 }
}
