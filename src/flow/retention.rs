//! Cases go when their term is over: unasked, each with its entry, never one that came back to life meanwhile.
//!
//! For the worker and `buurtpoort retention`. Absent: the ledger, which is kept; releases of figures, which
//! stay.

use crate::audit::entry::{Code, Entry, Event, Outcome};
use crate::clock::from_millisecond;
use crate::domain::case::CaseState;
use crate::domain::pairing::PairingState;
use crate::domain::referral::ReferralStatus;
use crate::domain::term::Over;
use crate::flow::on_case::{ledger_object, standing_of};
use crate::flow::{FlowError, Gateway};
use crate::ids::{CaseId, RequestId};
use crate::store::cases::{self, CaseRow};
use crate::store::effect::{Effect, Rows};
use crate::store::facts;
use crate::store::pairings::{self, PairingRow};
use crate::store::referrals;
use crate::store::writer::{Found, Question};
use jiff::Timestamp;
use std::sync::Arc;

/// Cases that are looked at together.
const PAGE: i64 = 200;

/// What a sweep came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Swept {
    /// Cases that ended and were looked at.
    pub looked_at: u64,
    /// Cases whose term is over.
    pub due: u64,
    /// Cases that were erased.
    pub erased: u64,
}

/// Erases every case whose term is over, or with `dry` only counts them. `told` hears how far it is.
///
/// # Errors
/// [`FlowError::Store`]; what was erased before stays erased.
pub async fn sweep(
    gateway: &Arc<Gateway>,
    dry: bool,
    mut told: impl FnMut(Swept),
) -> Result<Swept, FlowError> {
    let mut swept = Swept::default();
    let mut after = CaseId::from_uuid(uuid::Uuid::nil());
    loop {
        let page = cases::list_ended(&gateway.store.pool, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(swept);
        };
        after = last.id;
        for row in &page {
            swept.looked_at += 1;
            let now = gateway.clock.now();
            let pairings = pairings::of_case(&gateway.store.pool, row.id).await?;
            let Some(over) = is_over(gateway, row, &pairings, now).await? else {
                continue;
            };
            swept.due += 1;
            if !dry && erase(gateway, row, over, now).await? {
                swept.erased += 1;
            }
        }
        told(swept);
    }
}

/// Why the term of a case is over, if it is.
async fn is_over(
    gateway: &Gateway,
    row: &CaseRow,
    pairings: &[PairingRow],
    now: Timestamp,
) -> Result<Option<Over>, FlowError> {
    if pairings.iter().any(|pairing| pairing.state != PairingState::Ended) {
        return Ok(None);
    }
    let gone = [ReferralStatus::Withdrawn, ReferralStatus::Declined];
    let referral = referrals::find(&gateway.store.pool, row.referral).await?;
    let taken_back = referral.is_some_and(|referral| gone.contains(&referral.status));
    let over = match row.state {
        CaseState::Closed if taken_back => Over::Withdrawn,
        CaseState::Closed if pairings.iter().any(|p| p.trial_ms.is_some()) => Over::Paired,
        CaseState::Closed => Over::NeverPaired,
        CaseState::OnHold if !has_consent(gateway, row, now)? => Over::Withdrawn,
        _ => return Ok(None),
    };
    let since = since(row, pairings, over);
    let until = gateway.retention.load().until(over, row.profile.municipality, since);
    Ok(until.is_some_and(|until| until <= now).then_some(over))
}

/// The end a term counts from: of the last pairing, or the last change of the case.
fn since(row: &CaseRow, pairings: &[PairingRow], over: Over) -> Timestamp {
    let ended = pairings.iter().filter_map(|pairing| pairing.ended_ms).max();
    let ended = ended.filter(|_| over == Over::Paired);
    from_millisecond(ended.unwrap_or(row.changed_ms))
}

fn has_consent(gateway: &Gateway, row: &CaseRow, now: Timestamp) -> Result<bool, FlowError> {
    let Some((_, memory)) = facts::open(&gateway.keyring, row)? else {
        return Ok(false);
    };
    Ok(standing_of(&gateway.consent.load(), row, &memory, now).stage.is_some())
}

/// Erases a case that has not changed since it was looked at. Gives whether it was.
async fn erase(
    gateway: &Arc<Gateway>,
    row: &CaseRow,
    over: Over,
    now: Timestamp,
) -> Result<bool, FlowError> {
    let Some((_, memory)) = facts::open(&gateway.keyring, row)? else {
        return Ok(false);
    };
    let mut entry = Entry::new(Event::EraseDone, Outcome::Allow);
    entry.why = Code::parse(&format!("term:{}", over.as_str())).unwrap_or_default();
    entry.object = ledger_object("case", memory.audit_reference);
    entry.policy.hash = Some(gateway.engine.load().hash());
    let (id, version, request) = (row.id, row.version, RequestId::new());
    let decide = move |found: &Found| {
        let same = found.case.as_ref().is_some_and(|case| case.version == version);
        if !same {
            return (Effect::nothing(request), false);
        }
        let rows = Rows { erase: Some((id, now.as_millisecond())), ..Rows::default() };
        (Effect::new(request, entry.clone(), rows), true)
    };
    let question = Question { case: Some(id), ..Question::default() };
    Ok(gateway.store.writer.write(question, now, decide).await?.0)
}
