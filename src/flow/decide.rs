//! A decision about consent comes in: a signature, a refusal, a withdrawal. It counts from its commit.

use crate::audit::entry::Event;
use crate::domain::case::{CaseState, Stage};
use crate::domain::consent::{Consent, Signature, SignatureDecision, SubjectRef};
use crate::domain::identity::Secret;
use crate::domain::referral::ReferralStatus;
use crate::flow::on_case::{OpenCase, Which, Wish, consent_basis, on_case, standing_of};
use crate::flow::referrals::hears;
use crate::flow::standing::Standing;
use crate::flow::transition::tell_referrer;
use crate::flow::{Done, FlowError, Gateway, Once};
use crate::ids::{CaseId, DeliveryId, ReferralId};
use crate::policy::Allowed;
use crate::policy::action::{DecideCaseConsent, DecideReferralConsent};
use crate::policy::facts::Circumstance;
use crate::policy::verdict::Note;
use crate::store::StoreError;
use crate::store::cases::{CaseChange, FactsRow};
use crate::store::effect::Rows;
use crate::store::facts::{self, CaseMemory};
use crate::store::referrals::{OutboxRow, ReferralChange};
use jiff::Timestamp;
use std::sync::Arc;

/// A decision as it was handed over.
#[derive(Debug)]
pub struct Said {
    /// Who decided what, and when.
    pub signature: Signature,
    /// How it was said and where the proof is: JSON of the HTTP floor, kept sealed.
    pub evidence: Secret,
}

/// What came of a decision.
#[derive(Clone, Debug)]
pub struct Decided {
    /// What the consent covers now, `full`, `contact` or `none`, for whom may hear it.
    pub stage: Option<&'static str>,
    /// Who still has to sign, for the coordinator.
    pub missing: Option<Vec<SubjectRef>>,
    /// Whether this repeats an earlier answer.
    pub replayed: bool,
}

/// What a decision led to, before it is known who may hear it.
#[derive(Clone, Debug)]
struct Recorded {
    stage: &'static str,
    missing: Vec<SubjectRef>,
    /// Whether the family consents to feedback to its referrer, before or after the decision.
    feedback: bool,
    replayed: bool,
}

/// A decision handed over by the coordinator who holds the case.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not the caller's; [`FlowError::KeyReused`].
pub async fn on_case_consent(
    gateway: &Arc<Gateway>,
    allowed: Allowed<DecideCaseConsent>,
    case: CaseId,
    said: Said,
    once: Once,
) -> Result<Done<Decided>, FlowError> {
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let wish = wish(gateway, said, once);
    let (_, Done { value, committed }) =
        on_case(gateway, allowed, case, Which::WithPairings(case), Some(once), nothing, wish)
            .await?;
    let Recorded { stage, missing, replayed, .. } = value;
    let value = Decided { stage: Some(stage), missing: Some(missing), replayed };
    Ok(Done { value, committed })
}

/// A decision handed over by the partner that referred. What consent covers now is a status: told while
/// the family consents to feedback, be it before the decision or after it.
///
/// # Errors
/// As [`on_case_consent`].
pub async fn on_referral_consent(
    gateway: &Arc<Gateway>,
    allowed: Allowed<DecideReferralConsent>,
    referral: ReferralId,
    said: Said,
    once: Once,
) -> Result<Done<Decided>, FlowError> {
    let nothing = |_: &OpenCase<'_>| Circumstance::None;
    let wish = wish(gateway, said, once);
    let which = Which::ReferralWithPairings(referral);
    let asking = allowed.clone();
    let asked = on_case(gateway, allowed, referral, which, Some(once), nothing, wish);
    let (_, Done { value, committed }) = asked.await?;
    let Recorded { stage, feedback, replayed, .. } = value;
    let told = hears(&asking, asking.subject().partner, feedback);
    let value = Decided { stage: told.then_some(stage), missing: None, replayed };
    Ok(Done { value, committed })
}

fn wish(
    gateway: &Arc<Gateway>,
    said: Said,
    once: Once,
) -> impl Fn(&OpenCase<'_>, Timestamp) -> Wish<Recorded> + Send + 'static {
    let gateway = Arc::clone(gateway);
    move |found, now| Wish {
        granted: granted(found, said.signature.decision),
        note: Note { basis: crate::flow::on_case::basis(found.row), ..Note::default() },
        outcome: record(&gateway, found, &said, once, now),
    }
}

/// A repetition is on record as having been read, not as a second decision.
const fn granted(found: &OpenCase<'_>, decision: SignatureDecision) -> Event {
    if found.remembered.is_some() { Event::CaseRead } else { event(decision) }
}

const fn event(decision: SignatureDecision) -> Event {
    match decision {
        SignatureDecision::Given => Event::ConsentGiven,
        SignatureDecision::Refused => Event::ConsentRefused,
        SignatureDecision::Withdrawn => Event::ConsentWithdrawn,
    }
}

fn record(
    gateway: &Gateway,
    found: &OpenCase<'_>,
    said: &Said,
    once: Once,
    now: Timestamp,
) -> Result<(Rows, Recorded), FlowError> {
    let rules = gateway.consent.load();
    let before = rules.covers_feedback(consent_basis(found.row, found.memory), now);
    if found.remembered.is_some() {
        return Ok((Rows::default(), recorded(found.standing, before, true)));
    }
    if !is_known(found.memory, &said.signature.signer) {
        return Err(FlowError::Rule {
            pointer: "/signer",
            code: "signer-unknown",
            rule: "must be the label of a subject or of a holder of authority in the referral",
        });
    }
    let memory = with_decision(found.memory, said, now)?;
    let standing = standing_of(&rules, found.row, &memory, now);
    let feedback = before || rules.covers_feedback(consent_basis(found.row, &memory), now);
    let version = found.row.facts_version.saturating_add(1);
    let case = found.row.id;
    let sealed = facts::seal(&gateway.entropy, found.key, case, version, &memory)?;
    let at_ms = now.as_millisecond();
    let mut rows = Rows {
        facts: Some(FactsRow { case, version, sealed }),
        idempotency: Some(once.row(201, case.uuid(), at_ms)),
        ..Rows::default()
    };
    follow(found, &standing, feedback, at_ms, &mut rows);
    Ok((rows, recorded(&standing, feedback, false)))
}

/// Whether the referral knows this label.
fn is_known(memory: &CaseMemory, signer: &SubjectRef) -> bool {
    memory.subjects.iter().any(|subject| {
        let holders = subject.authority.iter().any(|authority| authority.holders.contains(signer));
        subject.reference == *signer || holders || subject.representatives.contains(signer)
    })
}

/// The memory with one more decision in its consent. A refusal or withdrawal counts from the moment it
/// is handed over, whenever it was said: nobody's "no" is older than their "yes".
fn with_decision(
    memory: &CaseMemory,
    said: &Said,
    now: Timestamp,
) -> Result<CaseMemory, FlowError> {
    let consent = memory.consent.as_ref().ok_or(StoreError::Corrupt("consent"))?;
    let mut signatures = consent.signatures.clone();
    let mut signature = said.signature.clone();
    if signature.decision != SignatureDecision::Given {
        let own = consent.signatures.iter().filter(|other| other.signer == signature.signer);
        signature.at = own.map(|other| other.at).fold(now, Timestamp::max);
    }
    signatures.push(signature);
    let history = memory.history.iter().chain([&said.evidence]).map(Secret::again).collect();
    let consent = Some(Consent { signatures, ..consent.clone() });
    Ok(CaseMemory { consent, history, ..memory.again() })
}

/// What follows from the new standing: a case whose consent is gone waits, one whose signatures are
/// complete goes on. The coordinator is told that something changed, by id; the referrer too, with `feedback`.
fn follow(found: &OpenCase<'_>, standing: &Standing, feedback: bool, at_ms: i64, rows: &mut Rows) {
    let row = found.row;
    if row.state == CaseState::Closed || found.was_taken_back() {
        // What has ended, or was taken back, does not come back by a signature.
        return;
    }
    let (before, after) = (found.standing.stage, standing.stage);
    let status = match (before, after) {
        (Some(_), None) => ReferralStatus::OnHold,
        (Some(Stage::Contact), Some(Stage::Full)) if row.assignee.is_some() => {
            ReferralStatus::Assigned
        }
        (Some(Stage::Contact), Some(Stage::Full)) => ReferralStatus::Received,
        _ => return,
    };
    rows.referral = Some(ReferralChange { id: row.referral, status, at_ms });
    if after.is_none() && row.state.is_open() {
        rows.case = Some(CaseChange {
            id: row.id,
            state: CaseState::OnHold,
            assignee: row.assignee.clone(),
            at_ms,
        });
    }
    rows.outbox.push(tell_organisation(found, at_ms));
    if let Some(referral) = found.referral.filter(|_| feedback) {
        rows.outbox.push(tell_referrer(referral.partner, referral.id, at_ms));
    }
}

/// Tells the coordinator's organisation, by id alone, that a case changed without her doing.
pub(super) fn tell_organisation(found: &OpenCase<'_>, at_ms: i64) -> OutboxRow {
    OutboxRow {
        id: DeliveryId::new(),
        partner: found.row.organisation,
        kind: "nl.buurtpoort.casus-gewijzigd",
        object: found.row.id.uuid(),
        created_ms: at_ms,
    }
}

fn recorded(standing: &Standing, feedback: bool, replayed: bool) -> Recorded {
    let missing = standing.referral.missing.clone();
    Recorded { stage: standing.stage_word(), missing, feedback, replayed }
}
