//! A case that belongs to nobody, opened in place of one that is not there when there is no case at all.
//!
//! Whether a case exists is a secret. A foreign case costs the reading of its row, the opening of its
//! facts, the judging of its consent and a policy decision; an absent one costs the same of another case,
//! which the store reads in its place.

use crate::crypto::Entropy;
use crate::crypto::keyring::Keyring;
use crate::domain::age::{AgeBand, BirthDate};
use crate::domain::case::CaseState;
use crate::domain::consent::{SubjectFacts, SubjectRef};
use crate::domain::identity::Secret;
use crate::domain::municipality::Municipality;
use crate::domain::referral::{Composition, Profile, Source, SupportAsked, Urgency};
use crate::ids::{AuditReference, CaseId, FamilyId, PartnerId, ReferralId};
use crate::store::StoreError;
use crate::store::cases::CaseRow;
use crate::store::facts::{self, CaseMemory};

/// Makes the decoy of one process.
///
/// # Errors
/// [`StoreError::Unavailable`] when there is no randomness.
pub fn make(keyring: &Keyring, entropy: &Entropy) -> Result<CaseRow, StoreError> {
    const NO: StoreError = StoreError::Unavailable("decoy");
    let id = CaseId::new();
    let (key, wrapped) = keyring.new_case_key(entropy, id.uuid()).or(Err(NO))?;
    let subject = |label: &str, adult: bool| {
        Ok::<_, StoreError>(SubjectFacts {
            reference: SubjectRef::parse(label).or(Err(NO))?,
            birth: BirthDate::UNKNOWN,
            adult,
            competent: Some(true),
            authority: None,
            representatives: std::collections::BTreeSet::new(),
        })
    };
    let memory = CaseMemory {
        audit_reference: AuditReference::new(),
        family: FamilyId::new(),
        subjects: vec![subject("parent1", true)?, subject("child1", false)?],
        applicant: None,
        consent: None,
        plan_participants: Vec::new(),
        tells_health: false,
        asked: SupportAsked::default(),
        goals: Vec::new(),
        reference: None,
        history: Vec::new(),
        // About as long as a real one.
        view: Secret::new("{}".repeat(120)),
    };
    Ok(CaseRow {
        id,
        referral: ReferralId::new(),
        organisation: PartnerId::new(),
        assignee: None,
        state: CaseState::Closed,
        source: Source::Other,
        urgency: Urgency::Regular,
        profile: Profile {
            municipality: Municipality::parse("GM0000").or(Err(NO))?,
            district: None,
            composition: Composition::Other,
            youngest: AgeBand::Over23,
        },
        facts_version: 1,
        facts: facts::seal(entropy, &key, id, 1, &memory)?,
        key: Some(wrapped),
        received_ms: 0,
        changed_ms: 0,
        version: 1,
    })
}
