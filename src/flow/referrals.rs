//! What a referrer can see and undo: the status of its own referrals, and taking one back.

use crate::audit::entry::Event;
use crate::domain::case::CaseState;
use crate::domain::identity::Secret;
use crate::domain::referral::ReferralStatus;
use crate::flow::cases::After;
use crate::flow::on_case::{OpenCase, Which, Wish, on_case};
use crate::flow::{Done, FlowError, Gateway, plain};
use crate::ids::{CaseId, ReferralId};
use crate::policy::Allowed;
use crate::policy::action::{ListReferrals, ReadReferral, WithdrawReferral};
use crate::policy::facts::{Circumstance, Facts};
use crate::policy::verdict::Note;
use crate::store::cases::{self, CaseChange, CaseRow};
use crate::store::effect::{Effect, Rows};
use crate::store::facts;
use crate::store::referrals::{self, ReferralChange, ReferralRow};
use crate::store::writer::{Found, Question};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// A referral as its referrer may see it.
#[derive(Debug)]
pub struct OwnReferral {
    /// The row.
    pub row: ReferralRow,
    /// The referrer's own reference.
    pub reference: Option<Secret>,
}

/// Lists a page of the partner's own referrals, oldest first.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn list(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListReferrals>,
    after: After,
    limit: i64,
) -> Result<Done<Vec<OwnReferral>>, FlowError> {
    let partner = allowed.subject().partner;
    let (permit, committed) =
        plain::settle(gateway, &allowed, partner, &Facts::Bare, Event::CaseRead).await?;
    let pool = &gateway.store.pool;
    let rows = referrals::list(pool, permit.object(), after, limit).await?;
    let ids: Vec<CaseId> = rows.iter().map(|row| row.case).collect();
    let mut references = HashMap::new();
    for case in cases::find_all(pool, &ids).await? {
        references.insert(case.id, reference(gateway, &case)?);
    }
    let own = |row: ReferralRow| {
        let reference = references.remove(&row.case).flatten();
        OwnReferral { row, reference }
    };
    Ok(Done { value: rows.into_iter().map(own).collect(), committed })
}

/// The referrer's own reference: all that is shown of a case's facts here.
fn reference(gateway: &Gateway, case: &CaseRow) -> Result<Option<Secret>, FlowError> {
    Ok(facts::open(&gateway.keyring, case)?.and_then(|(_, memory)| memory.reference))
}

/// Reads the status of one referral.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not the caller's.
pub async fn read(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReadReferral>,
    id: ReferralId,
) -> Result<Done<OwnReferral>, FlowError> {
    let now = gateway.clock.now();
    let question = Question { referral: Some(id), ..Question::default() };
    let decide = move |found: &Found| {
        let facts = found
            .referral
            .as_ref()
            .map_or(Facts::Absent, |referral| Facts::Referral { partner: referral.partner });
        let verdict = allowed.decide(id, &facts, &Circumstance::None);
        let entry = verdict.entry(Event::CaseRead, &Note::default());
        let effect = Effect::new(allowed.subject().request, entry, Rows::default());
        (effect, (verdict, found.referral.clone(), found.case.clone()))
    };
    let ((verdict, row, case), committed) =
        gateway.store.writer.write(question, now, decide).await?;
    verdict.settle(&committed)?;
    let row = row.ok_or(FlowError::NotFound)?;
    let reference = case.as_ref().map(|case| reference(gateway, case)).transpose()?.flatten();
    Ok(Done { value: OwnReferral { row, reference }, committed })
}

/// Takes a referral back: nothing more is released, and the case closes.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not the caller's; [`FlowError::State`] when it has ended.
pub async fn withdraw(
    gateway: &Arc<Gateway>,
    allowed: Allowed<WithdrawReferral>,
    id: ReferralId,
) -> Result<Done<ReferralStatus>, FlowError> {
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let wish = |found: &OpenCase<'_>, now: Timestamp| Wish {
        granted: Event::ReferralWithdrawn,
        note: Note::default(),
        outcome: close(found, now),
    };
    let (_, done) = on_case(gateway, allowed, id, Which::Referral(id), None, nothing, wish).await?;
    Ok(done)
}

fn close(found: &OpenCase<'_>, now: Timestamp) -> Result<(Rows, ReferralStatus), FlowError> {
    let status = found.referral.map(|referral| referral.status);
    if found.row.state == CaseState::Closed || status == Some(ReferralStatus::Withdrawn) {
        return Err(FlowError::State { allowed: Vec::new() });
    }
    let at_ms = now.as_millisecond();
    let case = CaseChange {
        id: found.row.id,
        state: CaseState::Closed,
        assignee: found.row.assignee.clone(),
        at_ms,
    };
    let status = ReferralStatus::Withdrawn;
    let referral = ReferralChange { id: found.row.referral, status, at_ms };
    Ok((Rows { case: Some(case), referral: Some(referral), ..Rows::default() }, status))
}
