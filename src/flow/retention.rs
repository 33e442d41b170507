//! Cases, and support families that left, go when their term is over: unasked, each with its entry, never one that came back to life meanwhile.
//!
//! For the worker and `buurtpoort retention`. Absent: the ledger, which is kept; releases of figures, which
//! stay.

use crate::audit::entry::{Code, Entry, Event, Outcome};
use crate::clock::from_millisecond;
use crate::domain::case::CaseState;
use crate::domain::consent::SignatureDecision;
use crate::domain::pairing::PairingState;
use crate::domain::referral::ReferralStatus;
use crate::domain::term::Over;
use crate::flow::erase::leave_no_trace;
use crate::flow::on_case::{ledger_object, standing_of};
use crate::flow::{FlowError, Gateway};
use crate::ids::{CaseId, RequestId, SupportFamilyId};
use crate::store::StoreError;
use crate::store::cases::{self, CaseRow};
use crate::store::effect::{Effect, Rows};
use crate::store::facts;
use crate::store::pairings::{self, PairingRow};
use crate::store::referrals;
use crate::store::support_facts;
use crate::store::support_families::{self, SupportRow};
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
    /// Cases that could not be read.
    pub failed: u64,
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
            sweep_support(gateway, dry, &mut swept).await?;
            told(swept);
            if !dry {
                // Every time, also for an erasure whose own turn came when the log was being read.
                leave_no_trace(gateway).await;
            }
            return Ok(swept);
        };
        after = last.id;
        for row in &page {
            swept.looked_at += 1;
            match look_at(gateway, row, dry).await {
                Ok((due, erased)) => {
                    swept.due += u64::from(due);
                    swept.erased += u64::from(erased);
                }
                // One row that is not as it was written keeps no other from its term.
                Err(FlowError::Store(StoreError::Corrupt(what))) => {
                    swept.failed += 1;
                    tracing::error!(error = what, "a case whose term cannot be told");
                }
                Err(error) => return Err(error),
            }
        }
        told(swept);
    }
}

/// The same for support families that left.
async fn sweep_support(
    gateway: &Arc<Gateway>,
    dry: bool,
    swept: &mut Swept,
) -> Result<(), FlowError> {
    let days = i64::from(gateway.retention.load().withdrawn_days);
    let before_ms = gateway.clock.now().as_millisecond() - days * 86_400_000;
    let mut after = SupportFamilyId::from_uuid(uuid::Uuid::nil());
    loop {
        let pool = &gateway.store.pool;
        let page = support_families::list_left(pool, before_ms, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.id;
        for row in &page {
            swept.looked_at += 1;
            swept.due += 1;
            if !dry {
                swept.erased += u64::from(erase_support(gateway, row).await?);
            }
        }
    }
}

/// Erases a support family. What has left does not come back, so nothing is looked at again.
async fn erase_support(gateway: &Arc<Gateway>, row: &SupportRow) -> Result<bool, FlowError> {
    let opened = support_facts::open(&gateway.keyring, row);
    let reference = opened.ok().flatten().map(|(_, memory)| memory.audit_reference);
    let mut entry = Entry::new(Event::EraseDone, Outcome::Allow);
    entry.why = Code::parse("term:left").unwrap_or_default();
    entry.object = reference.map(|r| ledger_object("support-family", r)).unwrap_or_default();
    entry.policy.hash = Some(gateway.engine.load().hash());
    let (id, request, now) = (row.id, RequestId::new(), gateway.clock.now());
    let decide = move |found: &Found| {
        let there = found.support.as_ref().is_some_and(|support| support.row.key.is_some());
        if !there {
            return (Effect::nothing(request), false);
        }
        let rows = Rows { erase_support: Some(id), ..Rows::default() };
        (Effect::new(request, entry.clone(), rows), true)
    };
    let question = Question { support: Some(id), ..Question::default() };
    Ok(gateway.store.writer.write(question, now, decide).await?.0)
}

/// Whether a case is over its term, and whether it was erased.
async fn look_at(
    gateway: &Arc<Gateway>,
    row: &CaseRow,
    dry: bool,
) -> Result<(bool, bool), FlowError> {
    let now = gateway.clock.now();
    let pairings = pairings::of_case(&gateway.store.pool, row.id).await?;
    let Some(over) = is_over(gateway, row, &pairings, now).await? else {
        return Ok((false, false));
    };
    Ok((true, !dry && erase(gateway, row, over, now).await?))
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
    let changed = from_millisecond(row.changed_ms);
    let ended = pairings.iter().filter_map(|p| p.ended_ms).max().map(from_millisecond);
    let (over, since) = match row.state {
        CaseState::Closed | CaseState::OnHold if taken_back => (Over::Withdrawn, changed),
        CaseState::Closed if pairings.iter().any(|p| p.trial_ms.is_some()) => {
            (Over::Paired, ended.unwrap_or(changed))
        }
        CaseState::Closed => (Over::NeverPaired, changed),
        _ => match withdrawn(gateway, row, now)? {
            Some(at) => (Over::Withdrawn, at.max(changed)),
            None => return Ok(None),
        },
    };
    let until = gateway.retention.load().until(over, row.profile.municipality, since);
    Ok(until.is_some_and(|until| until <= now).then_some(over))
}

/// When the last "no" was said, of a case that waits without consent. One whose consent merely ended, or that waits
/// for a signature, waits for a human.
fn withdrawn(
    gateway: &Gateway,
    row: &CaseRow,
    now: Timestamp,
) -> Result<Option<Timestamp>, FlowError> {
    let Some((_, memory)) = facts::open(&gateway.keyring, row)? else {
        return Ok(None);
    };
    if standing_of(&gateway.consent.load(), row, &memory, now).stage.is_some() {
        return Ok(None);
    }
    let consent = memory.consent.iter();
    let said = consent.flat_map(|consent| {
        let no = consent.signatures.iter().filter(|s| s.decision != SignatureDecision::Given);
        no.map(|signature| signature.at).chain(consent.withdrawn_at)
    });
    Ok(said.max())
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
    let (id, request) = (row.id, RequestId::new());
    let versions = (row.version, row.facts_version);
    let decide = move |found: &Found| {
        let same =
            found.case.as_ref().is_some_and(|case| (case.version, case.facts_version) == versions);
        if !same {
            return (Effect::nothing(request), false);
        }
        let rows = Rows { erase: Some((id, now.as_millisecond())), ..Rows::default() };
        (Effect::new(request, entry.clone(), rows), true)
    };
    let question = Question { case: Some(id), ..Question::default() };
    Ok(gateway.store.writer.write(question, now, decide).await?.0)
}
