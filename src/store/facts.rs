//! What decisions about a case rest on: one sealed blob in `case_file.facts`.
//!
//! It holds the ledger's name for the case; labels, dates of birth, kinds of authority and decisions of
//! consent with their proof; what was said with later decisions; the codes a coordinator is shown before
//! opening the identity; and the referrer's own reference. No name, no address, no number. Consent is
//! judged on it at every release, inside the deciding transaction; opening it discloses nothing to
//! anybody (`docs/decisions/0003-facts-apart-from-identity.md`).
//!
//! The JSON inside the seal is private to this file.

use crate::crypto::Entropy;
use crate::crypto::keyring::Keyring;
use crate::crypto::seal::{self, CaseKey, Place};
use crate::domain::age::BirthDate;
use crate::domain::consent::{
    Authority, AuthorityType, Category, Consent, Purpose, Recipient, Signature, SignatureDecision,
    SubjectFacts, SubjectRef,
};
use crate::domain::identity::Secret;
use crate::domain::referral::{Daypart, GoalStatus, SupportAsked, SupportCode};
use crate::ids::{AuditReference, CaseId, FamilyId};
use crate::store::StoreError;
use crate::store::cases::CaseRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The facts of one case, opened.
#[derive(Debug)]
pub struct CaseMemory {
    /// The ledger's name for the case.
    pub audit_reference: AuditReference,
    /// The family, as pseudonyms are made from.
    pub family: FamilyId,
    /// Everyone whose data is in the referral.
    pub subjects: Vec<SubjectFacts>,
    /// Who registered.
    pub applicant: Option<SubjectRef>,
    /// The consent.
    pub consent: Option<Consent>,
    /// Who takes part in the plan.
    pub plan_participants: Vec<String>,
    /// Whether attention points about health are among the identity's groups.
    pub tells_health: bool,
    /// What is asked for, in codes.
    pub asked: SupportAsked,
    /// Goals of the plan, by label, and where each stands.
    pub goals: Vec<(String, GoalStatus)>,
    /// The referrer's own reference, shown to nobody else.
    pub reference: Option<Secret>,
    /// What was said with later decisions and steps, oldest first: JSON of the HTTP floor.
    pub history: Vec<Secret>,
    /// What is shown before the identity is opened: JSON of the HTTP floor.
    pub view: Secret,
}

impl CaseMemory {
    /// The same facts in boxes of their own, to make a new version from.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            audit_reference: self.audit_reference,
            family: self.family,
            subjects: self.subjects.clone(),
            applicant: self.applicant.clone(),
            consent: self.consent.clone(),
            plan_participants: self.plan_participants.clone(),
            tells_health: self.tells_health,
            asked: self.asked.clone(),
            goals: self.goals.clone(),
            reference: self.reference.as_ref().map(Secret::again),
            history: self.history.iter().map(Secret::again).collect(),
            view: self.view.again(),
        }
    }
}

const CORRUPT: StoreError = StoreError::Corrupt("case facts");

const fn place(case: CaseId, version: i32) -> Place<'static> {
    Place { table: "case_file", case: case.uuid(), group: "facts", version }
}

/// Seals facts as the given version.
///
/// # Errors
/// [`StoreError::Unavailable`] when there is no randomness or the key has made its last seal.
pub fn seal(
    entropy: &Entropy,
    key: &CaseKey,
    case: CaseId,
    version: i32,
    memory: &CaseMemory,
) -> Result<Vec<u8>, StoreError> {
    let text = Secret::new(serde_json::to_string(&stored(memory)).or(Err(CORRUPT))?);
    seal::seal(entropy, key, &place(case, version), text.reveal().as_bytes())
        .or(Err(StoreError::Unavailable("seal")))
}

/// Opens the facts of a case and the key they were under. `None` after erasure.
///
/// # Errors
/// [`StoreError::Corrupt`] when a seal does not fit its row.
pub fn open(keyring: &Keyring, row: &CaseRow) -> Result<Option<(CaseKey, CaseMemory)>, StoreError> {
    let Some(wrapped) = &row.key else {
        return Ok(None);
    };
    let key = keyring.open_case_key(row.id.uuid(), wrapped).or(Err(CORRUPT))?;
    let text = seal::open(&key, &place(row.id, row.facts_version), &row.facts).or(Err(CORRUPT))?;
    let stored: Stored = serde_json::from_slice(&text).or(Err(CORRUPT))?;
    Ok(Some((key, memory(stored)?)))
}

#[derive(Deserialize, Serialize)]
struct Stored {
    audit: Uuid,
    family: Uuid,
    subjects: Vec<StoredSubject>,
    applicant: Option<String>,
    consent: Option<StoredConsent>,
    participants: Vec<String>,
    health: bool,
    #[serde(default)]
    asked: StoredAsked,
    #[serde(default)]
    goals: Vec<(String, String)>,
    reference: Option<String>,
    history: Vec<String>,
    view: String,
}

#[derive(Default, Deserialize, Serialize)]
struct StoredAsked {
    codes: Vec<String>,
    dayparts: Vec<String>,
    sleepover: bool,
    language: Option<String>,
    #[serde(default)]
    address: bool,
    #[serde(default)]
    children: Option<u8>,
}

#[derive(Deserialize, Serialize)]
struct StoredSubject {
    reference: String,
    born: String,
    adult: bool,
    competent: Option<bool>,
    authority: Option<StoredAuthority>,
    representatives: Vec<String>,
}

#[derive(Deserialize, Serialize)]
struct StoredAuthority {
    kind: Option<String>,
    holders: Vec<String>,
    investigated: bool,
}

#[derive(Deserialize, Serialize)]
struct StoredConsent {
    purposes: Vec<String>,
    recipients: Vec<String>,
    categories: Vec<String>,
    subjects: Vec<String>,
    /// Signer, decision, milliseconds since the epoch.
    signatures: Vec<(String, String, i64)>,
    court: Vec<String>,
    from: Option<i64>,
    until: Option<i64>,
    withdrawn: Option<i64>,
    evidence: Option<String>,
    notice: Option<String>,
    explicit: bool,
    implied: bool,
    conditional: bool,
}

fn stored(memory: &CaseMemory) -> Stored {
    Stored {
        audit: memory.audit_reference.uuid(),
        family: memory.family.uuid(),
        subjects: memory.subjects.iter().map(stored_subject).collect(),
        applicant: memory.applicant.as_ref().map(|label| label.as_str().to_owned()),
        consent: memory.consent.as_ref().map(stored_consent),
        participants: memory.plan_participants.clone(),
        health: memory.tells_health,
        asked: stored_asked(&memory.asked),
        goals: memory.goals.iter().map(|(id, s)| (id.clone(), s.as_str().to_owned())).collect(),
        reference: memory.reference.as_ref().map(|text| text.reveal().to_owned()),
        history: memory.history.iter().map(|text| text.reveal().to_owned()).collect(),
        view: memory.view.reveal().to_owned(),
    }
}

fn stored_asked(asked: &SupportAsked) -> StoredAsked {
    StoredAsked {
        codes: asked.codes.iter().map(|code| code.as_str().to_owned()).collect(),
        dayparts: asked.dayparts.iter().map(|part| part.as_str().to_owned()).collect(),
        sleepover: asked.sleepover,
        language: asked.language.clone(),
        address: asked.address_may_be_told,
        children: asked.children,
    }
}

fn asked(stored: StoredAsked) -> Result<SupportAsked, StoreError> {
    let codes = stored.codes.iter().map(|code| SupportCode::parse(code));
    let dayparts = stored.dayparts.iter().map(|part| Daypart::parse(part));
    Ok(SupportAsked {
        codes: codes.collect::<Result<_, _>>().or(Err(CORRUPT))?,
        dayparts: dayparts.collect::<Result<_, _>>().or(Err(CORRUPT))?,
        sleepover: stored.sleepover,
        language: stored.language,
        address_may_be_told: stored.address,
        children: stored.children,
    })
}

fn goal((id, status): (String, String)) -> Result<(String, GoalStatus), StoreError> {
    Ok((id, GoalStatus::parse(&status).or(Err(CORRUPT))?))
}

fn stored_subject(subject: &SubjectFacts) -> StoredSubject {
    StoredSubject {
        reference: subject.reference.as_str().to_owned(),
        born: subject.birth.to_text(),
        adult: subject.adult,
        competent: subject.competent,
        authority: subject.authority.as_ref().map(|authority| StoredAuthority {
            kind: authority.kind.map(|kind| kind.as_str().to_owned()),
            holders: labels(&authority.holders),
            investigated: authority.under_investigation,
        }),
        representatives: labels(&subject.representatives),
    }
}

fn labels(refs: &BTreeSet<SubjectRef>) -> Vec<String> {
    refs.iter().map(|label| label.as_str().to_owned()).collect()
}

fn stored_consent(consent: &Consent) -> StoredConsent {
    let signature = |s: &Signature| {
        let (signer, decision) = (s.signer.as_str().to_owned(), s.decision.as_str().to_owned());
        (signer, decision, s.at.as_millisecond())
    };
    StoredConsent {
        purposes: consent.purposes.iter().map(|p| p.as_str().to_owned()).collect(),
        recipients: consent.recipients.iter().map(|r| r.as_str().to_owned()).collect(),
        categories: consent.categories.iter().map(|c| c.as_str().to_owned()).collect(),
        subjects: labels(&consent.subjects),
        signatures: consent.signatures.iter().map(signature).collect(),
        court: labels(&consent.replaced_by_court),
        from: consent.valid_from.map(jiff::Timestamp::as_millisecond),
        until: consent.valid_until.map(jiff::Timestamp::as_millisecond),
        withdrawn: consent.withdrawn_at.map(jiff::Timestamp::as_millisecond),
        evidence: consent.evidence.clone(),
        notice: consent.notice_version.clone(),
        explicit: consent.explicit,
        implied: consent.implied,
        conditional: consent.conditional,
    }
}

fn memory(stored: Stored) -> Result<CaseMemory, StoreError> {
    Ok(CaseMemory {
        audit_reference: AuditReference::from_uuid(stored.audit),
        family: FamilyId::from_uuid(stored.family),
        subjects: stored.subjects.iter().map(subject).collect::<Result<_, _>>()?,
        applicant: stored.applicant.as_deref().map(label).transpose()?,
        consent: stored.consent.as_ref().map(consent).transpose()?,
        plan_participants: stored.participants,
        tells_health: stored.health,
        asked: asked(stored.asked)?,
        goals: stored.goals.into_iter().map(goal).collect::<Result<_, _>>()?,
        reference: stored.reference.map(Secret::new),
        history: stored.history.into_iter().map(Secret::new).collect(),
        view: Secret::new(stored.view),
    })
}

fn label(text: &str) -> Result<SubjectRef, StoreError> {
    SubjectRef::parse(text).or(Err(CORRUPT))
}

fn refs(texts: &[String]) -> Result<BTreeSet<SubjectRef>, StoreError> {
    texts.iter().map(|text| label(text)).collect()
}

fn subject(stored: &StoredSubject) -> Result<SubjectFacts, StoreError> {
    let authority = |stored: &StoredAuthority| {
        let kind = stored.kind.as_deref().map(AuthorityType::parse).transpose();
        Ok::<_, StoreError>(Authority {
            kind: kind.or(Err(CORRUPT))?,
            holders: refs(&stored.holders)?,
            under_investigation: stored.investigated,
        })
    };
    Ok(SubjectFacts {
        reference: label(&stored.reference)?,
        birth: BirthDate::from_text(&stored.born).or(Err(CORRUPT))?,
        adult: stored.adult,
        competent: stored.competent,
        authority: stored.authority.as_ref().map(authority).transpose()?,
        representatives: refs(&stored.representatives)?,
    })
}

fn consent(stored: &StoredConsent) -> Result<Consent, StoreError> {
    fn terms<T: Ord, E>(
        texts: &[String],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<BTreeSet<T>, StoreError> {
        texts.iter().map(|text| parse(text).or(Err(CORRUPT))).collect()
    }
    let signature = |(signer, decision, at): &(String, String, i64)| {
        Ok::<_, StoreError>(Signature {
            signer: label(signer)?,
            decision: SignatureDecision::parse(decision).or(Err(CORRUPT))?,
            at: instant(*at)?,
        })
    };
    Ok(Consent {
        purposes: terms(&stored.purposes, Purpose::parse)?,
        recipients: terms(&stored.recipients, Recipient::parse)?,
        categories: terms(&stored.categories, Category::parse)?,
        subjects: refs(&stored.subjects)?,
        signatures: stored.signatures.iter().map(signature).collect::<Result<_, _>>()?,
        replaced_by_court: refs(&stored.court)?,
        valid_from: stored.from.map(instant).transpose()?,
        valid_until: stored.until.map(instant).transpose()?,
        withdrawn_at: stored.withdrawn.map(instant).transpose()?,
        evidence: stored.evidence.clone(),
        notice_version: stored.notice.clone(),
        explicit: stored.explicit,
        implied: stored.implied,
        conditional: stored.conditional,
    })
}

fn instant(ms: i64) -> Result<jiff::Timestamp, StoreError> {
    jiff::Timestamp::from_millisecond(ms).or(Err(CORRUPT))
}
