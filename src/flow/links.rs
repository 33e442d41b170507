//! A family that was referred twice: proposed to the coordinator who holds the case, who links the two cases, keeps
//! them apart, or takes that back. Nothing is merged.
//!
//! # Invariants
//! * A referrer's answer, and its time, are the same whether a family is known or not: what is compared here is
//!   compared when the coordinator asks.
//! * Kinds of evidence are told, no value; and nothing across organisations: their tags are under other keys.

use crate::audit::entry::Event;
use crate::crypto::keyring::Keyring;
use crate::domain::case::Stage;
use crate::domain::likeness::{Evidence, Feature, Likelihood, LinkDecision, judge};
use crate::flow::on_case::{OpenCase, Which, Wish, basis, on_case, standing_of};
use crate::flow::{Done, FlowError, Gateway};
use crate::ids::{CaseId, PartnerId};
use crate::policy::Allowed;
use crate::policy::action::{DecideLink, ListLinks};
use crate::policy::facts::Circumstance;
use crate::policy::verdict::Note;
use crate::store::StoreError;
use crate::store::cases::CaseRow;
use crate::store::effect::Rows;
use crate::store::links::{self, LinkRow};
use crate::store::{cases, facts};
use jiff::Timestamp;
use std::sync::Arc;

/// Most that are proposed.
const MOST: usize = 50;

/// Another case that may be about the same family.
#[derive(Clone, Debug)]
pub struct Link {
    /// Which.
    pub case: CaseId,
    /// Whether the caller holds it too.
    pub yours: bool,
    /// How sure it is.
    pub likelihood: Likelihood,
    /// What they have in common.
    pub evidence: Vec<Evidence>,
    /// What was decided last.
    pub decision: LinkDecision,
}

/// Keyed tags of what a family may be known again by, as they are kept. One key an organisation, under which each kind
/// has values of its own.
///
/// # Errors
/// [`StoreError::Unavailable`] when there is no key.
pub(super) fn tags(
    keyring: &Keyring,
    organisation: PartnerId,
    likeness: &[Feature],
) -> Result<Vec<u8>, StoreError> {
    const KEY: StoreError = StoreError::Unavailable("linkage key");
    let key = keyring.linkage_key(&organisation.to_string()).or(Err(KEY))?;
    let tag = |feature: &Feature| {
        let tag = key.tag(feature.kind.number(), feature.value.reveal().as_bytes());
        Ok((feature.kind, tag.or(Err(KEY))?))
    };
    Ok(links::pack(&likeness.iter().map(tag).collect::<Result<Vec<_>, StoreError>>()?))
}

/// Cases that may be about the same family, likely ones first.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not the caller's.
pub async fn list(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListLinks>,
    case: CaseId,
) -> Result<Done<Vec<Link>>, FlowError> {
    let subject = Arc::clone(allowed.subject());
    let wish = |found: &OpenCase<'_>, _| Wish {
        granted: Event::CaseRead,
        note: Note { basis: basis(found.row), why: vec!["links"], ..Note::default() },
        outcome: Ok((Rows::default(), found.standing.stage == Some(Stage::Full))),
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let (permit, done) =
        on_case(gateway, allowed, case, Which::Case(case), None, nothing, wish).await?;
    if !done.value {
        // Without full consent nothing more is learned of a family than that it was referred.
        return Ok(Done { value: Vec::new(), committed: done.committed });
    }
    let pool = &gateway.store.pool;
    let found = links::candidates(pool, subject.partner, permit.object()).await?;
    let link = |other: links::Candidate| {
        let evidence: Vec<_> = other.common.into_iter().collect();
        Some(Link {
            case: other.case,
            yours: other.assignee.as_ref() == Some(&subject.person),
            likelihood: judge(&evidence)?,
            evidence,
            decision: other.decision,
        })
    };
    let mut alike: Vec<Link> = found.into_iter().filter_map(link).collect();
    alike.sort_by_key(|link| link.likelihood);
    let mut value = Vec::new();
    for link in alike {
        // The other family's consent counts too: who withdrew it is compared with nobody.
        if value.len() < MOST && is_covered(gateway, link.case).await? {
            value.push(link);
        }
    }
    Ok(Done { value, committed: done.committed })
}

/// Whether the family's consent is full today.
async fn is_covered(gateway: &Gateway, case: CaseId) -> Result<bool, FlowError> {
    let row = cases::find(&gateway.store.pool, case).await?;
    row.map_or(Ok(false), |row| covers(gateway, &row, gateway.clock.now()))
}

/// Whether the consent of a family is full, of its row.
fn covers(gateway: &Gateway, row: &CaseRow, now: Timestamp) -> Result<bool, FlowError> {
    let Some((_, memory)) = facts::open(&gateway.keyring, row)? else { return Ok(false) };
    let standing = standing_of(&gateway.consent.load(), row, &memory, now);
    Ok(standing.stage == Some(Stage::Full))
}

/// Keeps what a coordinator decided about two cases.
///
/// # Errors
/// [`FlowError::NotFound`] when the case is not the caller's; [`FlowError::Rule`] when the two have too little in
/// common to be proposed, or the family has withdrawn its consent.
pub async fn decide(
    gateway: &Arc<Gateway>,
    allowed: Allowed<DecideLink>,
    case: CaseId,
    other: CaseId,
    decision: LinkDecision,
) -> Result<Done<LinkDecision>, FlowError> {
    let person = allowed.subject().person.clone();
    let own = Arc::clone(gateway);
    let wish = move |found: &OpenCase<'_>, now: Timestamp| {
        // As in the list: who withdrew consent is compared with nobody, by either coordinator. It is looked at whatever
        // comes of it, so that the clock tells nothing of a case that is not the caller's.
        let covered = found
            .other
            .is_some_and(|row| covers(&own, row, now).unwrap_or(false) && row.id == other);
        let evidence: Vec<_> = found.common.iter().copied().collect();
        let link = LinkRow {
            case: found.row.id,
            other,
            decision,
            person: person.clone(),
            at_ms: now.as_millisecond(),
        };
        let rows = Rows { link: Some(link), ..Rows::default() };
        Wish {
            granted: Event::LinkDecided,
            note: Note {
                basis: basis(found.row),
                why: vec![decision.as_str()],
                fields: evidence.iter().map(|kind| kind.as_str()).collect(),
                ..Note::default()
            },
            outcome: judge(&evidence)
                .filter(|_| covered && found.standing.stage == Some(Stage::Full))
                .ok_or(NOT_ALIKE)
                .map(|_| (rows, decision)),
        }
    };
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let which = Which::WithOther(case, other);
    Ok(on_case(gateway, allowed, case, which, None, nothing, wish).await?.1)
}

const NOT_ALIKE: FlowError = FlowError::Rule {
    pointer: "/case",
    code: "not-alike",
    rule: "must be a case that was proposed as the same family",
};
