//! The pairings of a case, and what the support family may be told of the family at each.

use crate::audit::entry::Event;
use crate::domain::access::{Condition, Conditions, Field, Use};
use crate::domain::case::{CaseState, ReleasePurpose, Stage};
use crate::domain::pairing::PairingState;
use crate::flow::on_case::{OpenCase, Which, Wish, on_case};
use crate::flow::{Done, FlowError, Gateway};
use crate::ids::CaseId;
use crate::policy::Allowed;
use crate::policy::action::ListPairings;
use crate::policy::facts::Circumstance;
use crate::policy::telling::{Agreed, TellingStage, Told, may_be_told};
use crate::policy::verdict::Note;
use crate::store::effect::Rows;
use crate::store::pairings::{self, EvaluationRow, PairingRow};
use std::sync::Arc;

/// A pairing as its coordinator sees it: without consent no more than what is needed to end it.
#[derive(Debug)]
pub struct PairingView {
    /// The pairing.
    pub row: PairingRow,
    /// Whether all of it may be shown, or only that there is one and where it stands.
    pub whole: bool,
    /// Its evaluations, oldest first, where they may be shown.
    pub evaluations: Vec<EvaluationRow>,
    /// What the support family may be told of the family as things stand.
    pub may_be_told: &'static [Told],
}

/// The pairings of a case, oldest first, each with its evaluations.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not the caller's.
pub async fn list(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListPairings>,
    case: CaseId,
) -> Result<Done<Vec<PairingView>>, FlowError> {
    let asking = allowed.clone();
    let wish = |found: &OpenCase<'_>, _| Wish {
        granted: Event::CaseRead,
        note: Note::default(),
        outcome: Ok((Rows::default(), (found.standing.stage == Some(Stage::Full), agreed(found)))),
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let (permit, done) =
        on_case(gateway, allowed, case, Which::Case(case), None, nothing, wish).await?;
    let (full, agreed) = done.value;
    let held = Conditions::of(&[Condition::Logged, Condition::Assigned])
        .with(Condition::ConsentValid, full);
    let sight = asking.sight(Use::Monitoring, held);
    let (whole, evaluated) = (sight.is_clear(Field::Pairing), sight.is_clear(Field::Evaluations));
    let pool = &gateway.store.pool;
    let mut value = Vec::new();
    for row in pairings::of_case(pool, permit.object()).await? {
        let evaluations =
            if evaluated { pairings::evaluations(pool, row.id).await? } else { Vec::new() };
        let may_be_told = told_at(row.state).map_or(&[][..], |stage| may_be_told(stage, agreed));
        value.push(PairingView { row, whole, evaluations, may_be_told });
    }
    Ok(Done { value, committed: done.committed })
}

/// What the family agreed to, as far as another family may be told of it.
fn agreed(found: &OpenCase<'_>) -> Agreed {
    Agreed {
        referral: found.standing.stage == Some(Stage::Full) && found.row.state != CaseState::OnHold,
        pairing: found.standing.consented.contains(&ReleasePurpose::Pairing.as_str()),
        address_confidential: !found.memory.asked.address_may_be_told,
    }
}

/// How far the two families are on their way; nowhere once it is over.
const fn told_at(state: PairingState) -> Option<TellingStage> {
    match state {
        PairingState::Introduction => Some(TellingStage::Introduction),
        PairingState::Trial | PairingState::Paired => Some(TellingStage::Paired),
        PairingState::Ended => None,
    }
}
