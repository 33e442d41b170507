//! A case manager follows a plan: how its goals stand, its reference, and whom to call. The coordinator says
//! how they stand.
//!
//! For a participant of the plan, under the family's consent to `coordination`, judged inside the
//! transaction. The groups that were opened stand in the ledger entry, committed before anything is
//! opened. Absent: everything else about the family; nothing else is opened.

use crate::audit::entry::Event;
use crate::domain::access::{Condition, Conditions, Field, Level, Use};
use crate::domain::case::{CaseState, Stage};
use crate::domain::identity::{Disclosure, FieldGroup};
use crate::domain::referral::{GoalStatus, ReferralStatus};
use crate::flow::on_case::{OpenCase, Which, Wish, basis, consent_basis, on_case};
use crate::flow::standing::ConsentRules;
use crate::flow::{Done, FlowError, Gateway};
use crate::ids::{CaseId, ReferralId};
use crate::policy::action::{ChangeGoals, ReadGoals};
use crate::policy::facts::Circumstance;
use crate::policy::verdict::Note;
use crate::policy::{Allowed, Subject, fields};
use crate::store::cases::FactsRow;
use crate::store::effect::Rows;
use crate::store::{facts, identities};
use jiff::Timestamp;
use std::sync::Arc;

/// What a participant of the plan is told.
#[derive(Debug)]
pub struct PlanView {
    /// Where the referral stands.
    pub status: Option<ReferralStatus>,
    /// What consent covers, `full`, `contact` or `none`, where it may be told.
    pub consent: Option<&'static str>,
    /// The groups, opened.
    pub disclosures: Vec<Disclosure>,
    /// Where each goal stands today, by label.
    pub goals: Vec<(String, GoalStatus)>,
}

/// What the policies let this caller see, as it stood inside the transaction.
struct Granted {
    status: Option<ReferralStatus>,
    consent: Option<&'static str>,
    groups: Vec<FieldGroup>,
    goals: Vec<(String, GoalStatus)>,
}

/// Reads how the goals of a plan stand.
///
/// # Errors
/// [`FlowError::NotFound`] when the referral is not there, the caller's organisation takes no part in its
/// plan, or the family does not consent to coordination: nobody can tell which.
pub async fn read(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReadGoals>,
    id: ReferralId,
) -> Result<Done<PlanView>, FlowError> {
    let now = gateway.clock.now();
    let subject = Arc::clone(allowed.subject());
    let own = Arc::clone(gateway);
    let circumstance = {
        let subject = Arc::clone(&subject);
        move |found: &OpenCase<'_>| coordination(&own.consent.load(), &subject, found, now)
    };
    let (asking, own) = (allowed.clone(), Arc::clone(gateway));
    let wish = move |found: &OpenCase<'_>, now: Timestamp| {
        let facts = coordination(&own.consent.load(), asking.subject(), found, now);
        let granted = granted(&asking, found, &facts);
        Wish {
            granted: Event::CaseRead,
            note: Note {
                basis: basis(found.row),
                fields: granted.groups.iter().map(|group| group.as_str()).collect(),
                ..Note::default()
            },
            outcome: Ok((Rows::default(), granted)),
        }
    };
    let which = Which::Referral(id);
    let (permit, Done { value, committed }) =
        on_case(gateway, allowed, id, which, None, circumstance, wish).await?;
    let pool = &gateway.store.pool;
    let disclosures = identities::open_plan(pool, &gateway.keyring, &permit, &value.groups).await?;
    let Granted { status, consent, goals, .. } = value;
    let value = PlanView { status, consent, disclosures, goals };
    Ok(Done { value, committed })
}

/// Whether the family consents to coordination, and whether the caller's organisation takes part.
fn coordination(
    rules: &ConsentRules,
    subject: &Subject,
    found: &OpenCase<'_>,
    now: Timestamp,
) -> Circumstance {
    let number = subject.number.as_str();
    let participant = found.memory.plan_participants.iter().any(|oin| oin == number);
    let basis = consent_basis(found.row, found.memory);
    // A plan is shared for a referral that stands.
    let over = [ReferralStatus::Withdrawn, ReferralStatus::Declined];
    let stands = found.referral.is_some_and(|referral| !over.contains(&referral.status));
    let consented = stands && rules.covers_coordination(basis, participant, now);
    Circumstance::Coordination { consented, participant }
}

fn granted(allowed: &Allowed<ReadGoals>, found: &OpenCase<'_>, facts: &Circumstance) -> Granted {
    let (consented, participant) = match facts {
        Circumstance::Coordination { consented, participant } => (*consented, *participant),
        _ => (false, false),
    };
    let held = Conditions::of(&[Condition::Logged])
        .with(Condition::CoordinationConsent, consented)
        .with(Condition::PlanParticipant, participant);
    let sight = allowed.sight(Use::Coordination, held);
    let status = sight.allows(Field::CaseStatus, Level::StatusOnly);
    let consent = sight.allows(Field::ConsentStatus, Level::StatusOnly);
    let categories = found.memory.consent.as_ref().map(|consent| &consent.categories);
    let categories: Vec<_> = categories.into_iter().flatten().copied().collect();
    let seen = |group: &FieldGroup| Field::of(*group).is_some_and(|field| sight.is_clear(field));
    let groups = fields::to_release(Stage::Full, &categories).into_iter().filter(seen).collect();
    Granted {
        status: found.referral.filter(|_| status).map(|referral| referral.status),
        consent: consent.then(|| found.standing.stage_word()),
        groups,
        goals: found.memory.goals.clone(),
    }
}

/// Says where a goal stands from now on, for the participants of the plan.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not the caller's; [`FlowError::Rule`] when its plan has no such
/// goal; [`FlowError::State`] once the case is closed.
pub async fn change(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ChangeGoals>,
    case: CaseId,
    goal: String,
    status: GoalStatus,
) -> Result<Done<GoalStatus>, FlowError> {
    let own = Arc::clone(gateway);
    let wish = move |found: &OpenCase<'_>, _: Timestamp| Wish {
        granted: Event::GoalsChanged,
        note: Note { basis: basis(found.row), why: vec![status.as_str()], ..Note::default() },
        outcome: changed(&own, found, &goal, status)
            .map(|facts| (Rows { facts: Some(facts), ..Rows::default() }, status)),
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    Ok(on_case(gateway, allowed, case, Which::Case(case), None, nothing, wish).await?.1)
}

fn changed(
    gateway: &Gateway,
    found: &OpenCase<'_>,
    goal: &str,
    status: GoalStatus,
) -> Result<FactsRow, FlowError> {
    if found.row.state == CaseState::Closed {
        return Err(FlowError::State { allowed: Vec::new() });
    }
    let mut memory = found.memory.again();
    let known = memory.goals.iter_mut().find(|(id, _)| id == goal);
    known.ok_or(NO_GOAL)?.1 = status;
    let (case, version) = (found.row.id, found.row.facts_version.saturating_add(1));
    let sealed = facts::seal(&gateway.entropy, found.key, case, version, &memory)?;
    Ok(FactsRow { case, version, sealed })
}

const NO_GOAL: FlowError = FlowError::Rule {
    pointer: "/id",
    code: "goal-unknown",
    rule: "must be the label of a goal of the plan in the referral",
};
