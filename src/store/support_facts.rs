//! What is known of a support family without its name: one sealed blob in `support_family.facts`.
//!
//! It holds the ledger's name for it, what it offers and how its screening stands. No name, no address, no
//! number. The JSON inside the seal is private to this file.

use crate::crypto::Entropy;
use crate::crypto::keyring::Keyring;
use crate::crypto::seal::{self, CaseKey, Place};
use crate::domain::referral::Daypart;
use crate::domain::support_family::{Offer, Screening};
use crate::ids::{AuditReference, SupportFamilyId};
use crate::store::StoreError;
use crate::store::support_families::SupportRow;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The facts of one support family, opened.
#[derive(Clone, Debug)]
pub struct SupportMemory {
    /// The ledger's name for it.
    pub audit_reference: AuditReference,
    /// What it offers.
    pub offer: Offer,
    /// How far it has been looked into.
    pub screening: Screening,
    /// The notice it agreed to, by version.
    pub notice: String,
}

const CORRUPT: StoreError = StoreError::Corrupt("support facts");

const fn place(id: SupportFamilyId, version: i32) -> Place<'static> {
    Place { table: "support_family", case: id.uuid(), group: "facts", version }
}

/// Seals facts as the given version.
///
/// # Errors
/// [`StoreError::Unavailable`] when there is no randomness or the key has made its last seal.
pub fn seal(
    entropy: &Entropy,
    key: &CaseKey,
    id: SupportFamilyId,
    version: i32,
    memory: &SupportMemory,
) -> Result<Vec<u8>, StoreError> {
    let text = serde_json::to_vec(&stored(memory)).or(Err(CORRUPT))?;
    seal::seal(entropy, key, &place(id, version), &text).or(Err(StoreError::Unavailable("seal")))
}

/// Opens the facts and gives the key they were under. `None` after erasure.
///
/// # Errors
/// [`StoreError::Corrupt`] when a seal does not fit its row.
pub fn open(
    keyring: &Keyring,
    row: &SupportRow,
) -> Result<Option<(CaseKey, SupportMemory)>, StoreError> {
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
    dayparts: Vec<String>,
    sleepover: bool,
    languages: Vec<String>,
    ages: (u8, u8),
    capacity: u8,
    interviewed: Option<String>,
    vog: Option<String>,
    experienced: bool,
    notice: String,
}

fn stored(memory: &SupportMemory) -> Stored {
    let SupportMemory { audit_reference, offer, screening, notice } = memory;
    Stored {
        audit: audit_reference.uuid(),
        dayparts: offer.dayparts.iter().map(|part| part.as_str().to_owned()).collect(),
        sleepover: offer.sleepover,
        languages: offer.languages.clone(),
        ages: offer.ages,
        capacity: offer.capacity,
        interviewed: screening.interviewed_on.map(|day| day.to_string()),
        vog: screening.vog_seen_on.map(|day| day.to_string()),
        experienced: screening.experienced,
        notice: notice.clone(),
    }
}

fn memory(stored: Stored) -> Result<SupportMemory, StoreError> {
    let day = |text: Option<String>| {
        text.map(|text| text.parse::<jiff::civil::Date>()).transpose().or(Err(CORRUPT))
    };
    let dayparts = stored.dayparts.iter().map(|part| Daypart::parse(part));
    Ok(SupportMemory {
        audit_reference: AuditReference::from_uuid(stored.audit),
        offer: Offer {
            dayparts: dayparts.collect::<Result<_, _>>().or(Err(CORRUPT))?,
            sleepover: stored.sleepover,
            languages: stored.languages,
            ages: stored.ages,
            capacity: stored.capacity,
        },
        screening: Screening {
            interviewed_on: day(stored.interviewed)?,
            vog_seen_on: day(stored.vog)?,
            experienced: stored.experienced,
        },
        notice: stored.notice,
    })
}
