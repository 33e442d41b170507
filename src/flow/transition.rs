//! A coordinator moves a case along its states.

use crate::audit::entry::Event;
use crate::domain::case::CaseState;
use crate::domain::identity::Secret;
use crate::domain::referral::ReferralStatus;
use crate::flow::on_case::{OpenCase, Which, Wish, consent_basis, on_case};
use crate::flow::{Done, FlowError, Gateway};
use crate::ids::{CaseId, DeliveryId};
use crate::policy::Allowed;
use crate::policy::action::TransitionCase;
use crate::policy::facts::Circumstance;
use crate::policy::verdict::Note;
use crate::store::cases::{CaseChange, FactsRow};
use crate::store::effect::Rows;
use crate::store::facts::{self, CaseMemory};
use crate::store::referrals::{OutboxRow, ReferralChange};
use jiff::Timestamp;
use std::sync::Arc;

/// Moves a case to `to`. `reason` (JSON of the HTTP floor) is kept sealed with the facts.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not the caller's; [`FlowError::State`] naming the states it can
/// go to; [`FlowError::Stale`].
pub async fn transition(
    gateway: &Arc<Gateway>,
    allowed: Allowed<TransitionCase>,
    case: CaseId,
    to: CaseState,
    reason: Secret,
    expected: Option<i32>,
) -> Result<Done<CaseState>, FlowError> {
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let own = Arc::clone(gateway);
    let wish = move |found: &OpenCase<'_>, now: Timestamp| Wish {
        granted: Event::CaseTransition,
        note: Note { why: vec![to.as_str()], ..Note::default() },
        outcome: step(&own, found, to, &reason, expected, now),
    };
    let (_, done) =
        on_case(gateway, allowed, case, Which::WithPairings(case), None, nothing, wish).await?;
    Ok(done)
}

fn step(
    gateway: &Gateway,
    found: &OpenCase<'_>,
    to: CaseState,
    reason: &Secret,
    expected: Option<i32>,
    now: Timestamp,
) -> Result<(Rows, CaseState), FlowError> {
    if expected.is_some_and(|version| version != found.row.version) {
        return Err(FlowError::Stale);
    }
    let next = found.next();
    if !next.contains(&to) {
        return Err(FlowError::State { allowed: next.iter().map(|s| s.as_str()).collect() });
    }
    let at_ms = now.as_millisecond();
    let case =
        CaseChange { id: found.row.id, state: to, assignee: found.row.assignee.clone(), at_ms };
    // A referral that was taken back stays so.
    let status = referral_status(to, found.was_tried()).filter(|_| !found.was_taken_back());
    let referral = status.map(|status| ReferralChange { id: found.row.referral, status, at_ms });
    let facts = Some(remember(gateway, found, reason)?);
    let outbox = referral.iter().filter_map(|_| tell(gateway, found, now)).collect();
    Ok((Rows { case: Some(case), referral, facts, outbox, ..Rows::default() }, to))
}

/// A message to the referrer that its referral changed, while the family consents to feedback.
pub(super) fn tell(gateway: &Gateway, found: &OpenCase<'_>, now: Timestamp) -> Option<OutboxRow> {
    let rules = gateway.consent.load();
    let hears = rules.covers_feedback(consent_basis(found.row, found.memory), now);
    let origin = found.origin.filter(|_| hears)?;
    Some(tell_referrer(origin.partner, found.row.referral, now.as_millisecond()))
}

/// The facts with the reason of this step at the end of their history.
fn remember(
    gateway: &Gateway,
    found: &OpenCase<'_>,
    reason: &Secret,
) -> Result<FactsRow, FlowError> {
    let history = found.memory.history.iter().chain([reason]).map(Secret::again).collect();
    let memory = CaseMemory { history, ..found.memory.again() };
    let (case, version) = (found.row.id, found.row.facts_version.saturating_add(1));
    let sealed = facts::seal(&gateway.entropy, found.key, case, version, &memory)?;
    Ok(FactsRow { case, version, sealed })
}

/// What the referrer sees of a state of the case; `tried` when a support family ever was.
pub(super) const fn referral_status(state: CaseState, tried: bool) -> Option<ReferralStatus> {
    match (state, tried) {
        (CaseState::New, _) => None,
        (CaseState::Intake | CaseState::Searching | CaseState::Introduction, _) => {
            Some(ReferralStatus::InContact)
        }
        (CaseState::Trial | CaseState::Paired | CaseState::Evaluating, _) => {
            Some(ReferralStatus::Paired)
        }
        (CaseState::OnHold, _) => Some(ReferralStatus::OnHold),
        (CaseState::Closed, false) => Some(ReferralStatus::NotPaired),
        (CaseState::Closed, true) => Some(ReferralStatus::Completed),
    }
}

/// Tells the referrer, by id alone, that something changed.
pub(super) fn tell_referrer(
    partner: crate::ids::PartnerId,
    referral: crate::ids::ReferralId,
    at_ms: i64,
) -> OutboxRow {
    OutboxRow {
        id: DeliveryId::new(),
        partner,
        kind: "nl.buurtpoort.aanmelding-gewijzigd",
        object: referral.uuid(),
        created_ms: at_ms,
    }
}
