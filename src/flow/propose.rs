//! Support families proposed for a case, best first, with the reasons. The coordinator decides.

use crate::audit::entry::Event;
use crate::domain::age::date_in_amsterdam;
use crate::domain::pairing::{EndReason, PairingState};
use crate::flow::on_case::{OpenCase, Which, Wish, basis, on_case};
use crate::flow::release::explain;
use crate::flow::support::{SupportView, view};
use crate::flow::{Done, FlowError, Gateway};
use crate::ids::{CaseId, SupportFamilyId};
use crate::matching::{Score, Wanted, rank, score};
use crate::policy::Allowed;
use crate::policy::action::ProposeSupport;
use crate::policy::facts::Circumstance;
use crate::policy::verdict::Note;
use crate::store::effect::Rows;
use crate::store::pairings::{self, PairingRow};
use crate::store::support_families;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// Most that are proposed at once.
const MOST: usize = 20;
/// Available support families of one organisation that are looked at, oldest first.
const LOOKED_AT: i64 = 2_000;

/// Proposes support families for a case.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not the caller's; [`FlowError::Consent`] without consent to
/// `pairing`.
pub async fn propose(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ProposeSupport>,
    case: CaseId,
) -> Result<Done<Vec<(SupportView, Score)>>, FlowError> {
    let subject = Arc::clone(allowed.subject());
    let wish = |found: &OpenCase<'_>, now: Timestamp| Wish {
        granted: Event::CaseRead,
        note: Note { basis: basis(found.row), ..Note::default() },
        outcome: Ok((Rows::default(), wanted(found, now))),
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let asked = on_case(gateway, allowed, case, Which::Case(case), None, nothing, wish).await;
    let (_, Done { value: wanted, committed }) = match asked {
        Err(FlowError::NotFound) => return Err(explain(gateway, &subject, case, "pairing").await),
        other => other?,
    };
    let (pool, now) = (&gateway.store.pool, gateway.clock.now());
    let rows = support_families::list_available(pool, subject.partner, LOOKED_AT).await?;
    let mut past: HashMap<SupportFamilyId, Vec<PairingRow>> = HashMap::new();
    for pairing in pairings::of_available(pool, subject.partner).await? {
        past.entry(pairing.support_family).or_default().push(pairing);
    }
    let mut scored = Vec::new();
    for row in rows {
        let past = past.remove(&row.id).unwrap_or_default();
        let view = view(gateway, row, now)?;
        scored.extend(view.and_then(|view| scored_if_free(&wanted, view, &past)));
    }
    rank(&mut scored);
    scored.truncate(MOST);
    Ok(Done { value: scored, committed })
}

fn wanted(found: &OpenCase<'_>, now: Timestamp) -> Wanted {
    let today = date_in_amsterdam(now);
    let children = found.memory.subjects.iter().filter(|subject| !subject.adult);
    let asked = &found.memory.asked;
    Wanted {
        dayparts: asked.dayparts.clone(),
        sleepover: asked.sleepover,
        language: asked.language.clone(),
        ages: children.map(|child| child.birth.ages_on(today).youngest).collect(),
        municipality: found.row.profile.municipality,
        district: found.row.profile.district,
    }
}

/// The score of a support family that can be proposed today, with the pairings it has had.
fn scored_if_free(
    wanted: &Wanted,
    view: SupportView,
    past: &[PairingRow],
) -> Option<(SupportView, Score)> {
    let living = past.iter().filter(|pairing| pairing.state != PairingState::Ended).count();
    let offer = &view.memory.offer;
    if !view.lacks.is_empty() || living >= usize::from(offer.capacity) {
        return None;
    }
    let ended = |reason| past.iter().filter(|p| p.end_reason == Some(reason)).count();
    let earlier = (ended(EndReason::GoalReached), ended(EndReason::Mismatch));
    let score = score(wanted, offer, view.row.place, earlier, living);
    Some((view, score))
}
