//! What a referrer can see and undo: the status of its own referrals, and taking one back.
//!
//! Where a referral stands is told under the family's consent to `feedback`, judged at each reading.

use crate::audit::entry::Event;
use crate::domain::access::{Condition, Conditions, Field, Level, Use};
use crate::domain::case::CaseState;
use crate::domain::identity::Secret;
use crate::domain::referral::ReferralStatus;
use crate::flow::cases::After;
use crate::flow::decide::tell_organisation;
use crate::flow::on_case::{OpenCase, Which, Wish, consent_basis, on_case};
use crate::flow::{Done, FlowError, Gateway, plain};
use crate::ids::{CaseId, PartnerId, ReferralId};
use crate::policy::action::{ListReferrals, ReadReferral, WithdrawReferral};
use crate::policy::facts::{Circumstance, Facts};
use crate::policy::verdict::Note;
use crate::policy::{Action, Allowed};
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
    /// Id.
    pub id: ReferralId,
    /// Milliseconds since the epoch.
    pub received_ms: i64,
    /// The referrer's own reference.
    pub reference: Option<Secret>,
    /// Where it stands, while the family consents to feedback.
    pub feedback: Option<Feedback>,
}

/// Where a referral stands.
#[derive(Clone, Copy, Debug)]
pub struct Feedback {
    /// Status.
    pub status: ReferralStatus,
    /// Milliseconds since the epoch.
    pub changed_ms: i64,
    /// Counts changes, from 1.
    pub version: i32,
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
    let now = gateway.clock.now();
    let (permit, committed) =
        plain::settle(gateway, &allowed, partner, &Facts::Bare, Event::CaseRead).await?;
    let pool = &gateway.store.pool;
    let rows = referrals::list(pool, permit.object(), after, limit).await?;
    let ids: Vec<CaseId> = rows.iter().map(|row| row.case).collect();
    let found = cases::find_all(pool, &ids).await?;
    let found: HashMap<CaseId, CaseRow> = found.into_iter().map(|case| (case.id, case)).collect();
    let own = |row: ReferralRow| own(gateway, &allowed, &row, found.get(&row.case), now);
    let value = rows.into_iter().map(own).collect::<Result<_, _>>()?;
    Ok(Done { value, committed })
}

/// What is told of one referral: the referrer's own reference, and under consent where it stands.
fn own<A: Action>(
    gateway: &Gateway,
    allowed: &Allowed<A>,
    row: &ReferralRow,
    case: Option<&CaseRow>,
    now: Timestamp,
) -> Result<OwnReferral, FlowError> {
    let opened = case.map(|case| facts::open(&gateway.keyring, case)).transpose()?.flatten();
    let consented = case.zip(opened.as_ref()).is_some_and(|(case, (_, memory))| {
        gateway.consent.load().covers_feedback(consent_basis(case, memory), now)
    });
    let told = hears(allowed, row.partner, consented);
    Ok(OwnReferral {
        id: row.id,
        received_ms: row.received_ms,
        reference: opened.and_then(|(_, memory)| memory.reference),
        feedback: told.then_some(Feedback {
            status: row.status,
            changed_ms: row.changed_ms,
            version: row.version,
        }),
    })
}

/// Whether the caller may hear where a referral of `partner` and its consent stand.
pub(super) fn hears<A: Action>(allowed: &Allowed<A>, partner: PartnerId, consented: bool) -> bool {
    let conditions = Conditions::of(&[Condition::Logged])
        .with(Condition::OwnPartner, partner == allowed.subject().partner)
        .with(Condition::FeedbackConsent, consented);
    let sight = allowed.sight(Use::Feedback, conditions);
    [Field::CaseStatus, Field::ConsentStatus]
        .into_iter()
        .all(|field| sight.allows(field, Level::StatusOnly))
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
    let asking = allowed.clone();
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
    // Of an erased case not even that there was one is told.
    let case = case.filter(|case| case.key.is_some());
    case.as_ref().ok_or(FlowError::NotFound)?;
    let value = own(gateway, &asking, &row, case.as_ref(), now)?;
    Ok(Done { value, committed })
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
        note: Note { why: vec![left_at(found).as_str()], ..Note::default() },
        outcome: close(found, now),
    };
    let which = Which::ReferralWithPairings(id);
    let (_, done) = on_case(gateway, allowed, id, which, None, nothing, wish).await?;
    Ok(done)
}

/// Where taking a referral back leaves the case: closed, or waiting for a human to end its pairings.
fn left_at(found: &OpenCase<'_>) -> CaseState {
    if found.living().is_some() { CaseState::OnHold } else { CaseState::Closed }
}

fn close(found: &OpenCase<'_>, now: Timestamp) -> Result<(Rows, ReferralStatus), FlowError> {
    let status = found.referral.map(|referral| referral.status);
    if found.row.state == CaseState::Closed || status == Some(ReferralStatus::Withdrawn) {
        return Err(FlowError::State { allowed: Vec::new() });
    }
    let at_ms = now.as_millisecond();
    let case = CaseChange {
        id: found.row.id,
        state: left_at(found),
        assignee: found.row.assignee.clone(),
        at_ms,
    };
    let status = ReferralStatus::Withdrawn;
    let referral = Some(ReferralChange { id: found.row.referral, status, at_ms });
    let outbox = vec![tell_organisation(found, at_ms)];
    Ok((Rows { case: Some(case), referral, outbox, ..Rows::default() }, status))
}
