//! What a family may ask of what is kept: to be erased, and not to be counted.
//!
//! To erase is to destroy the key of the case, with its identity and its facts, in one commit with the entry
//! that says so: nothing of it opens any more, for the gateway at once, and in older backups and the dead rows
//! and log of PostgreSQL once both keys were rotated (`docs/operations.md`). The row stays for what was counted;
//! the ledger stays whole, and its name for the case is known to nobody.

use crate::audit::entry::Event;
use crate::domain::words::words;
use crate::flow::on_case::{OpenCase, Which, Wish, basis, on_case};
use crate::flow::{Done, FlowError, Gateway};
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::{EraseCase, ObjectToStatistics};
use crate::policy::facts::Circumstance;
use crate::policy::verdict::Note;
use crate::store::effect::Rows;
use jiff::Timestamp;
use std::sync::Arc;

words! {
    /// Why a case is erased.
    EraseReason {
        /// The family asked for it.
        FamilyAsked = "family-asked",
        /// It should never have been sent.
        SentInError = "sent-in-error",
        /// Its term is over.
        TermOver = "term-over",
    }
}

/// Erases a case.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not the caller's; [`FlowError::State`] while a pairing lives: a human
/// ends it first.
pub async fn erase(
    gateway: &Arc<Gateway>,
    allowed: Allowed<EraseCase>,
    case: CaseId,
    reason: EraseReason,
) -> Result<Done<()>, FlowError> {
    let wish = move |found: &OpenCase<'_>, now: Timestamp| Wish {
        granted: Event::EraseDone,
        note: Note { basis: basis(found.row), why: vec![reason.as_str()], ..Note::default() },
        outcome: erased(found, now),
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let which = Which::WithPairings(case);
    let done = on_case(gateway, allowed, case, which, None, nothing, wish).await?.1;
    leave_no_trace(gateway).await;
    Ok(done)
}

/// What was erased goes from the log of the database too. Where it cannot now, the hourly round does it.
pub(super) async fn leave_no_trace(gateway: &Gateway) {
    match gateway.store.pool.empty_log().await {
        Ok(true) => {}
        Ok(false) => tracing::warn!("log of the database not emptied yet: it is being read"),
        Err(error) => tracing::warn!(error = %error, "log of the database not emptied yet"),
    }
}

fn erased(found: &OpenCase<'_>, now: Timestamp) -> Result<(Rows, ()), FlowError> {
    if found.living().is_some() {
        return Err(FlowError::State { allowed: vec!["end-pairings-first"] });
    }
    let erase = Some((found.row.id, now.as_millisecond()));
    Ok((Rows { erase, ..Rows::default() }, ()))
}

/// Keeps that the family will not be counted in figures published from now on. Figures that are published stay.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not the caller's.
pub async fn object(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ObjectToStatistics>,
    case: CaseId,
) -> Result<Done<()>, FlowError> {
    let wish = |found: &OpenCase<'_>, now: Timestamp| {
        let object = Some((found.row.id, now.as_millisecond()));
        let granted = Event::StatisticsObjected;
        let outcome = Ok((Rows { object, ..Rows::default() }, ()));
        Wish { granted, note: Note::default(), outcome }
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    Ok(on_case(gateway, allowed, case, Which::Case(case), None, nothing, wish).await?.1)
}
