//! A case is handed to a coordinator. The one who had it loses access at that instant.

use crate::audit::entry::Event;
use crate::domain::case::CaseState;
use crate::domain::partner::Slug;
use crate::domain::referral::ReferralStatus;
use crate::flow::on_case::{OpenCase, Which, Wish, on_case};
use crate::flow::witness::ledger_name;
use crate::flow::{Done, FlowError, Gateway, Once};
use crate::ids::{CaseId, DeliveryId};
use crate::policy::Allowed;
use crate::policy::action::AssignCase;
use crate::policy::facts::Circumstance;
use crate::policy::verdict::Note;
use crate::store::cases::{AssignmentRow, CaseChange};
use crate::store::effect::Rows;
use crate::store::referrals::{OutboxRow, ReferralChange};
use jiff::Timestamp;
use std::sync::Arc;

/// What came of it.
#[derive(Debug)]
pub struct Assigned {
    /// To whom.
    pub coordinator: Slug,
    /// When.
    pub at: Timestamp,
    /// Whether this repeats an earlier answer.
    pub replayed: bool,
}

/// Hands a case to `to`, who must be a coordinator with a territory of the same organisation and not
/// the assigner herself.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not of the caller's organisation; [`FlowError::Rule`] when
/// nobody of that name can take it; [`FlowError::State`] when it is closed; [`FlowError::Stale`].
pub async fn assign(
    gateway: &Arc<Gateway>,
    allowed: Allowed<AssignCase>,
    case: CaseId,
    to: Slug,
    expected: Option<i32>,
    once: Once,
) -> Result<Done<Assigned>, FlowError> {
    let subject = allowed.subject();
    let register = gateway.register.load();
    let eligible = register.is_coordinator(subject.partner, &to) && subject.person != to;
    if !eligible {
        return Err(ineligible(gateway, allowed, case).await);
    }
    let by = subject.person.clone();
    let name = ledger_name(&gateway.keyring, subject.partner, &to)?;
    let circumstance = move |_: &OpenCase<'_>| Circumstance::Eligible(true);
    let wish = move |found: &OpenCase<'_>, now: Timestamp| Wish {
        // A repetition is on record as having been read, not as a second assignment.
        granted: match found.remembered {
            Some(_) => Event::CaseRead,
            None => Event::AssignmentMade,
        },
        note: Note { to: Some(name.clone()), ..Note::default() },
        outcome: hand_over(found, &to, &by, expected, once, now),
    };
    let (_, done) =
        on_case(gateway, allowed, case, Which::Case(case), Some(once), circumstance, wish).await?;
    Ok(done)
}

/// Refuses by the policies, on the record; a caller whose case it is learns which rule it was.
async fn ineligible(
    gateway: &Arc<Gateway>,
    allowed: Allowed<AssignCase>,
    case: CaseId,
) -> FlowError {
    let organisation = allowed.subject().partner;
    let circumstance = |_: &OpenCase<'_>| Circumstance::Eligible(false);
    let wish = |_: &OpenCase<'_>, _| Wish {
        granted: Event::AssignmentMade,
        note: Note { why: vec!["not-eligible"], ..Note::default() },
        outcome: Ok((Rows::default(), ())),
    };
    let asked = on_case(gateway, allowed, case, Which::Case(case), None, circumstance, wish).await;
    if let Err(error @ FlowError::Store(_)) = asked {
        return error;
    }
    match crate::store::cases::find(&gateway.store.pool, case).await {
        Ok(Some(row)) if row.organisation == organisation => FlowError::Rule {
            pointer: "/coordinator",
            code: "not-a-coordinator",
            rule: "must be a coordinator with a territory, and not the assigner",
        },
        Ok(_) => FlowError::NotFound,
        Err(error) => error.into(),
    }
}

fn hand_over(
    found: &OpenCase<'_>,
    to: &Slug,
    by: &Slug,
    expected: Option<i32>,
    once: Once,
    now: Timestamp,
) -> Result<(Rows, Assigned), FlowError> {
    if found.remembered.is_some() {
        let again = Assigned { coordinator: to.clone(), at: now, replayed: true };
        return Ok((Rows::default(), again));
    }
    if expected.is_some_and(|version| version != found.row.version) {
        return Err(FlowError::Stale);
    }
    if found.row.state == CaseState::Closed {
        return Err(FlowError::State { allowed: Vec::new() });
    }
    let at_ms = now.as_millisecond();
    let case = found.row.id;
    let waiting = found.standing.stage.is_none_or(|s| s == crate::domain::case::Stage::Contact);
    let referral = (!waiting && found.row.state == CaseState::New).then_some(ReferralChange {
        id: found.row.referral,
        status: ReferralStatus::Assigned,
        at_ms,
    });
    let rows = Rows {
        case: Some(CaseChange {
            id: case,
            state: found.row.state,
            assignee: Some(to.clone()),
            at_ms,
        }),
        referral,
        assignment: Some(AssignmentRow {
            case,
            version: 0,
            coordinator: to.clone(),
            by: by.clone(),
            at_ms,
        }),
        idempotency: Some(once.row(201, case.uuid(), at_ms)),
        outbox: vec![OutboxRow {
            id: DeliveryId::new(),
            partner: found.row.organisation,
            kind: "nl.buurtpoort.casus-toegewezen",
            object: case.uuid(),
            created_ms: at_ms,
        }],
        ..Rows::default()
    };
    Ok((rows, Assigned { coordinator: to.clone(), at: now, replayed: false }))
}
