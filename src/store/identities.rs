//! The identity behind a case: one sealed blob per field group, side by side in one row.
//!
//! Layout of `identity.field_groups`: for each group, the length of its name (1 byte), its name, the
//! length of its blob (4 bytes, big-endian), its blob. Each blob is sealed by itself, bound to the
//! table, the case, the group and the row's version: a release opens the groups it may show and
//! leaves the others shut.
//!
//! # Invariants
//! * [`open`], [`open_plan`], [`open_for_access`] and [`open_support`] take a permit and no id: which case is in the permit.
//! * Nothing joins this table to another.

use crate::crypto::Entropy;
use crate::crypto::keyring::Keyring;
use crate::crypto::seal::{self, CaseKey, Place, WrappedCaseKey};
use crate::domain::age::AgeBand;
use crate::domain::identity::{Disclosure, FieldGroup, Secret};
use crate::ids::CaseId;
use crate::policy::Permit;
use crate::policy::action::{ReadGoals, ReleaseIdentity, ReleaseSupportIdentity, SeeToAccess};
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError, referrals};
use sqlx::Row;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Seals each group by itself and puts them side by side.
///
/// # Errors
/// [`StoreError::Unavailable`] when there is no randomness or the key has made its last seal.
pub fn pack(
    entropy: &Entropy,
    key: &CaseKey,
    case: CaseId,
    version: i32,
    disclosures: &[Disclosure],
) -> Result<Vec<u8>, StoreError> {
    pack_under(entropy, key, case.uuid(), version, disclosures)
}

/// As [`pack`], for whatever has a key of its own: a case, or a support family.
///
/// # Errors
/// As [`pack`].
pub fn pack_under(
    entropy: &Entropy,
    key: &CaseKey,
    id: Uuid,
    version: i32,
    disclosures: &[Disclosure],
) -> Result<Vec<u8>, StoreError> {
    let mut packed = Vec::new();
    for disclosure in disclosures {
        let group = disclosure.group.as_str();
        let sealed = seal::seal(
            entropy,
            key,
            &place(id, group, version),
            disclosure.content.reveal().as_bytes(),
        )
        .or(Err(StoreError::Unavailable("seal")))?;
        packed.push(u8::try_from(group.len()).or(Err(StoreError::Corrupt("group name")))?);
        packed.extend_from_slice(group.as_bytes());
        let length = u32::try_from(sealed.len()).or(Err(StoreError::Corrupt("group length")))?;
        packed.extend_from_slice(&length.to_be_bytes());
        packed.extend_from_slice(&sealed);
    }
    Ok(packed)
}

const fn place(id: Uuid, group: &str, version: i32) -> Place<'_> {
    Place { table: "identity", case: id, group, version }
}

/// Opens the groups asked for, of the case the permit is about. Groups that were never sent are left
/// out.
///
/// # Errors
/// [`StoreError::Corrupt`] when a seal does not fit its row.
pub async fn open(
    pool: &Pool,
    keyring: &Keyring,
    permit: &Permit<ReleaseIdentity>,
    groups: &[FieldGroup],
) -> Result<Vec<Disclosure>, StoreError> {
    open_of(pool, keyring, permit.object().uuid(), groups).await
}

/// Opens the groups asked for, of the case the permit is about, for somebody who asked to see them.
///
/// # Errors
/// [`StoreError::Corrupt`] when a seal does not fit its row.
pub async fn open_for_access(
    pool: &Pool,
    keyring: &Keyring,
    permit: &Permit<SeeToAccess>,
    groups: &[FieldGroup],
) -> Result<Vec<Disclosure>, StoreError> {
    open_of(pool, keyring, permit.object().uuid(), groups).await
}

/// What was put right about a family: the groups, sealed as `version`.
#[derive(Clone, Debug)]
pub struct CorrectionRow {
    /// Whose.
    pub case: CaseId,
    /// Version the groups are sealed as: that of the facts of the same commit.
    pub version: i32,
    /// The groups, as [`pack`] gives them.
    pub field_groups: Vec<u8>,
    /// Age band of the youngest, where it may have changed.
    pub youngest: Option<AgeBand>,
}

pub(super) async fn correct(conn: &mut Conn<'_>, row: &CorrectionRow) -> Result<(), StoreError> {
    const GROUPS: &str = "INSERT INTO identity_correction (case_id, version, field_groups) \
        VALUES ($1, $2, $3)";
    const CASE: &str = "UPDATE case_file SET youngest = COALESCE($2, youngest) WHERE id = $1";
    on_conn!(conn, |db| {
        sqlx::query(GROUPS)
            .bind(row.case.uuid())
            .bind(row.version)
            .bind(row.field_groups.as_slice())
            .execute(&mut **db)
            .await?;
        sqlx::query(CASE)
            .bind(row.case.uuid())
            .bind(row.youngest.map(AgeBand::as_str))
            .execute(&mut **db)
            .await?;
    });
    Ok(())
}

/// Opens the groups asked for, of the support family the permit is about.
///
/// # Errors
/// [`StoreError::Corrupt`] when a seal does not fit its row.
pub async fn open_support(
    pool: &Pool,
    keyring: &Keyring,
    permit: &Permit<ReleaseSupportIdentity>,
    groups: &[FieldGroup],
) -> Result<Vec<Disclosure>, StoreError> {
    open_of(pool, keyring, permit.object().uuid(), groups).await
}

/// What a participant of a plan can be shown at all, whatever it asks.
const OF_A_PLAN: [FieldGroup; 3] =
    [FieldGroup::PlanGoals, FieldGroup::PlanReference, FieldGroup::Referrer];

/// Opens groups about the plan, and who referred, of the referral the permit is about. Any other group
/// stays shut.
///
/// # Errors
/// [`StoreError::Corrupt`] when a seal does not fit its row, or the referral has none.
pub async fn open_plan(
    pool: &Pool,
    keyring: &Keyring,
    permit: &Permit<ReadGoals>,
    groups: &[FieldGroup],
) -> Result<Vec<Disclosure>, StoreError> {
    let row = referrals::find(pool, permit.object()).await?;
    let case = row.ok_or(StoreError::Corrupt("referral of a permit"))?.case;
    let groups: Vec<FieldGroup> =
        groups.iter().copied().filter(|group| OF_A_PLAN.contains(group)).collect();
    open_of(pool, keyring, case.uuid(), &groups).await
}

async fn open_of(
    pool: &Pool,
    keyring: &Keyring,
    id: Uuid,
    groups: &[FieldGroup],
) -> Result<Vec<Disclosure>, StoreError> {
    const SQL: &str = "SELECT i.version, i.field_groups, k.kek_version, k.wrapped FROM identity i \
        JOIN case_key k ON k.case_id = i.case_id WHERE i.case_id = $1";
    let (version, packed, key) = on_db!(pool, |db| {
        let row = sqlx::query(SQL).bind(id).fetch_optional(db).await?.ok_or(StoreError::Gone)?;
        let key = WrappedCaseKey {
            kek_version: row.try_get("kek_version")?,
            wrapped: row.try_get("wrapped")?,
        };
        let version: i32 = row.try_get("version")?;
        let packed: Vec<u8> = row.try_get("field_groups")?;
        (version, packed, key)
    });
    let key = keyring.open_case_key(id, &key).or(Err(StoreError::Corrupt("case_key")))?;
    let corrections = corrections(pool, id).await?;
    let mut newest: BTreeMap<&str, (i32, &[u8])> = BTreeMap::new();
    let all = std::iter::once((version, &packed)).chain(corrections.iter().map(|(v, p)| (*v, p)));
    for (version, packed) in all {
        newest.extend(unpack(packed)?.into_iter().map(|(name, sealed)| (name, (version, sealed))));
    }
    let mut opened = Vec::new();
    for (name, (version, sealed)) in newest {
        let Some(group) = groups.iter().copied().find(|group| group.as_str() == name) else {
            continue;
        };
        let text = seal::open(&key, &place(id, name, version), sealed)
            .or(Err(StoreError::Corrupt("identity seal")))?;
        let text = str::from_utf8(&text).or(Err(StoreError::Corrupt("identity text")))?;
        if text == "null" {
            // Put right by leaving it out.
            continue;
        }
        opened.push(Disclosure { group, content: Secret::new(text.to_owned()) });
    }
    Ok(opened)
}

/// What was put right, by version, oldest first.
async fn corrections(pool: &Pool, id: Uuid) -> Result<Vec<(i32, Vec<u8>)>, StoreError> {
    const SQL: &str = "SELECT version, field_groups FROM identity_correction \
        WHERE case_id = $1 ORDER BY version";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(id)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("version")?, row.try_get("field_groups")?)))
        .collect())
}

/// The groups of a row, by name, still sealed.
fn unpack(packed: &[u8]) -> Result<Vec<(&str, &[u8])>, StoreError> {
    const SHORT: StoreError = StoreError::Corrupt("identity layout");
    let mut rest = packed;
    let mut groups = Vec::new();
    while let Some((length, tail)) = rest.split_first() {
        let (name, tail) = tail.split_at_checked(usize::from(*length)).ok_or(SHORT)?;
        let (length, tail) = tail.split_first_chunk::<4>().ok_or(SHORT)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).or(Err(SHORT))?;
        let (sealed, tail) = tail.split_at_checked(length).ok_or(SHORT)?;
        groups.push((str::from_utf8(name).or(Err(SHORT))?, sealed));
        rest = tail;
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_row_does_not_unpack() {
        let mut packed = vec![5];
        packed.extend_from_slice(b"names");
        packed.extend_from_slice(&3_u32.to_be_bytes());
        packed.extend_from_slice(b"abc");
        let groups = unpack(&packed).unwrap();
        assert_eq!(groups, [("names", b"abc".as_slice())]);
        for cut in 1..packed.len() {
            let cut = packed.get(..cut).unwrap_or_default();
            assert!(unpack(cut).is_err());
        }
    }
}
