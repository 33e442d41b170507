//! Rows of support families: where each lives and stands, and what is sealed about it.
//!
//! Its key lies in `case_key` and its identity in `identity`, under its own id: what erases a family erases
//! a support family.

use crate::crypto::seal::WrappedCaseKey;
use crate::domain::municipality::{District, Municipality};
use crate::domain::partner::Slug;
use crate::domain::support_family::{Neighbourhood, SupportState};
use crate::ids::{PartnerId, ReleaseId, SupportFamilyId};
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;
use uuid::Uuid;

/// A support family, with its sealed facts and the key that opens them.
#[derive(Clone, Debug)]
pub struct SupportRow {
    /// Id.
    pub id: SupportFamilyId,
    /// The organisation it registered with.
    pub organisation: PartnerId,
    /// The coordinator who looks after it.
    pub coordinator: Slug,
    /// Where it stands.
    pub state: SupportState,
    /// Where it lives.
    pub place: Neighbourhood,
    /// Version of the sealed facts.
    pub facts_version: i32,
    /// Sealed facts.
    pub facts: Vec<u8>,
    /// The wrapped key; `None` after erasure.
    pub key: Option<WrappedCaseKey>,
    /// Milliseconds since the epoch.
    pub registered_ms: i64,
    /// Milliseconds since the epoch.
    pub changed_ms: i64,
    /// Counts changes, from 1.
    pub version: i32,
}

/// A support family that was registered, with everything that is written for it.
#[derive(Clone, Debug)]
pub struct NewSupport {
    /// The row, its key in it.
    pub row: SupportRow,
    /// Sealed: the identity, a blob a field group ([`crate::store::identities::pack`]).
    pub identity: Vec<u8>,
}

/// A new state, and new facts with it.
#[derive(Clone, Debug)]
pub struct SupportChange {
    /// Which.
    pub id: SupportFamilyId,
    /// The state.
    pub state: SupportState,
    /// The next version of the facts, sealed as it, where they changed.
    pub facts: Option<(i32, Vec<u8>)>,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
    /// The version this makes: nothing is written over another's change.
    pub version: i32,
}

/// An opening of who a support family is, about to happen.
#[derive(Clone, Debug)]
pub struct SupportReleaseRow {
    /// Id.
    pub id: ReleaseId,
    /// Which.
    pub support_family: SupportFamilyId,
    /// Who.
    pub person: Slug,
    /// Why, sealed.
    pub reason: Vec<u8>,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

macro_rules! select_support {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.organisation_id, s.coordinator, s.state, s.municipality, s.district, ",
            "s.facts_version, s.facts, s.registered_ms, s.changed_ms, s.version, k.kek_version, ",
            "k.wrapped FROM support_family s LEFT JOIN case_key k ON k.case_id = s.id ",
            $rest
        )
    };
}

const CORRUPT: StoreError = StoreError::Corrupt("support_family term");

macro_rules! support_of {
    ($row:expr) => {{
        let row = $row;
        let text = |column: &str| row.try_get::<String, _>(column);
        let (kek, wrapped): (Option<i32>, Option<Vec<u8>>) =
            (row.try_get("kek_version")?, row.try_get("wrapped")?);
        let district = text("district")?;
        let known = Some(district.as_str()).filter(|code| !code.is_empty());
        Ok::<_, StoreError>(SupportRow {
            id: SupportFamilyId::from_uuid(row.try_get("id")?),
            organisation: PartnerId::from_uuid(row.try_get("organisation_id")?),
            coordinator: Slug::parse(&text("coordinator")?).or(Err(CORRUPT))?,
            state: SupportState::parse(&text("state")?).or(Err(CORRUPT))?,
            place: Neighbourhood {
                municipality: Municipality::parse(&text("municipality")?).or(Err(CORRUPT))?,
                district: known.map(District::parse).transpose().or(Err(CORRUPT))?,
            },
            facts_version: row.try_get("facts_version")?,
            facts: row.try_get("facts")?,
            key: kek
                .zip(wrapped)
                .map(|(kek_version, wrapped)| WrappedCaseKey { kek_version, wrapped }),
            registered_ms: row.try_get("registered_ms")?,
            changed_ms: row.try_get("changed_ms")?,
            version: row.try_get("version")?,
        })
    }};
}

/// The support family asked for, or where there is none of this id another in its place, whose id says so.
pub(super) async fn read(
    conn: &mut Conn<'_>,
    id: SupportFamilyId,
) -> Result<Option<SupportRow>, StoreError> {
    const SQL: &str = select_support!(
        "WHERE s.id = COALESCE((SELECT id FROM support_family WHERE id = $1), \
         (SELECT id FROM support_family ORDER BY id LIMIT 1))"
    );
    on_conn!(conn, |db| {
        let row = sqlx::query(SQL).bind(id.uuid()).fetch_optional(&mut **db).await?;
        row.map(|row| support_of!(&row)).transpose()
    })
}

/// The coordinators of the families a support family is paired with, inside the transaction.
pub(super) async fn paired_with(
    conn: &mut Conn<'_>,
    id: SupportFamilyId,
) -> Result<Vec<Slug>, StoreError> {
    const SQL: &str = "SELECT DISTINCT c.assignee FROM pairing p JOIN case_file c ON c.id = p.case_id \
        JOIN support_family s ON s.id = p.support_family_id AND s.organisation_id = c.organisation_id \
        WHERE p.support_family_id = $1 AND p.state <> 'ended' AND c.assignee IS NOT NULL";
    let names: Vec<String> =
        on_conn!(conn, |db| sqlx::query_scalar(SQL).bind(id.uuid()).fetch_all(&mut **db).await?);
    names.iter().map(|name| Slug::parse(name).or(Err(CORRUPT))).collect()
}

/// Reads one outside a transaction; one that was erased is not there.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn find(pool: &Pool, id: SupportFamilyId) -> Result<Option<SupportRow>, StoreError> {
    const SQL: &str = select_support!("WHERE s.id = $1 AND k.case_id IS NOT NULL");
    on_db!(pool, |db| {
        let row = sqlx::query(SQL).bind(id.uuid()).fetch_optional(db).await?;
        row.map(|row| support_of!(&row)).transpose()
    })
}

/// A page of an organisation's support families that have not left, oldest first, after
/// `(registered_ms, id)`; `municipality` narrows it, the empty text does not.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list(
    pool: &Pool,
    organisation: PartnerId,
    municipality: &str,
    after: (i64, Uuid),
    limit: i64,
) -> Result<Vec<SupportRow>, StoreError> {
    const SQL: &str = select_support!(
        "WHERE s.organisation_id = $1 AND ($2 = '' OR s.municipality = $2) AND s.state <> 'left' \
         AND (s.registered_ms, s.id) > ($3, $4) ORDER BY s.registered_ms, s.id LIMIT $5"
    );
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(organisation.uuid())
        .bind(municipality)
        .bind(after.0)
        .bind(after.1)
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| support_of!(row))
        .collect())
}

/// The support families of an organisation that can be proposed, oldest first, at most `limit`.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list_available(
    pool: &Pool,
    organisation: PartnerId,
    limit: i64,
) -> Result<Vec<SupportRow>, StoreError> {
    const SQL: &str = select_support!(
        "WHERE s.organisation_id = $1 AND s.state = 'available' \
         ORDER BY s.registered_ms, s.id LIMIT $2"
    );
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(organisation.uuid())
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| support_of!(row))
        .collect())
}

/// Writes a new support family, its key and its identity.
pub(super) async fn insert(conn: &mut Conn<'_>, new: &NewSupport) -> Result<(), StoreError> {
    const FAMILY: &str = "INSERT INTO support_family (id, organisation_id, coordinator, state, \
        municipality, district, facts_version, facts, registered_ms, changed_ms, version) \
        VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $8, 1)";
    const KEY: &str = "INSERT INTO case_key (case_id, kek_version, wrapped) VALUES ($1, $2, $3)";
    const IDENTITY: &str =
        "INSERT INTO identity (case_id, version, field_groups) VALUES ($1, 1, $2)";
    let row = &new.row;
    let key = row.key.as_ref().ok_or(StoreError::Corrupt("support key"))?;
    let district = row.place.district.as_ref().map_or("", |district| district.as_str());
    on_conn!(conn, |db| {
        sqlx::query(FAMILY)
            .bind(row.id.uuid())
            .bind(row.organisation.uuid())
            .bind(row.coordinator.as_str())
            .bind(row.state.as_str())
            .bind(row.place.municipality.as_str())
            .bind(district)
            .bind(row.facts.as_slice())
            .bind(row.registered_ms)
            .execute(&mut **db)
            .await?;
        sqlx::query(KEY)
            .bind(row.id.uuid())
            .bind(key.kek_version)
            .bind(key.wrapped.as_slice())
            .execute(&mut **db)
            .await?;
        sqlx::query(IDENTITY)
            .bind(row.id.uuid())
            .bind(new.identity.as_slice())
            .execute(&mut **db)
            .await?;
    });
    Ok(())
}

/// Writes where a support family stands now.
pub(super) async fn change(conn: &mut Conn<'_>, change: &SupportChange) -> Result<(), StoreError> {
    const STATE: &str = "UPDATE support_family SET state = $2, changed_ms = $3, version = $4 \
        WHERE id = $1 AND version = $4 - 1";
    const FACTS: &str = "UPDATE support_family SET facts_version = $2, facts = $3 \
        WHERE id = $1 AND facts_version = $2 - 1";
    let changed = on_conn!(conn, |db| {
        let done = sqlx::query(STATE)
            .bind(change.id.uuid())
            .bind(change.state.as_str())
            .bind(change.at_ms)
            .bind(change.version)
            .execute(&mut **db)
            .await?;
        let mut changed = done.rows_affected();
        if let Some((version, sealed)) = &change.facts {
            let done = sqlx::query(FACTS)
                .bind(change.id.uuid())
                .bind(*version)
                .bind(sealed.as_slice())
                .execute(&mut **db)
                .await?;
            changed = changed.min(done.rows_affected());
        }
        changed
    });
    if changed == 1 { Ok(()) } else { Err(StoreError::Constraint) }
}

/// Writes an opening.
pub(super) async fn insert_release(
    conn: &mut Conn<'_>,
    row: &SupportReleaseRow,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO support_release (id, support_family_id, person, reason, at_ms) \
        VALUES ($1, $2, $3, $4, $5)";
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(row.id.uuid())
        .bind(row.support_family.uuid())
        .bind(row.person.as_str())
        .bind(row.reason.as_slice())
        .bind(row.at_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

/// A page of support families that left before an instant and were not erased, by id, after `after`.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list_left(
    pool: &Pool,
    before_ms: i64,
    after: SupportFamilyId,
    limit: i64,
) -> Result<Vec<SupportRow>, StoreError> {
    const SQL: &str = select_support!(
        "WHERE s.id > $1 AND s.state = 'left' AND s.changed_ms <= $2 AND k.case_id IS NOT NULL \
         ORDER BY s.id LIMIT $3"
    );
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(after.uuid())
        .bind(before_ms)
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| support_of!(row))
        .collect())
}

/// Erases a support family: its key, its identity and its facts go. The row stays for what was counted.
pub(super) async fn erase(conn: &mut Conn<'_>, id: SupportFamilyId) -> Result<(), StoreError> {
    const KEY: &str = "DELETE FROM case_key WHERE case_id = $1";
    const IDENTITY: &str = "DELETE FROM identity WHERE case_id = $1";
    const FACTS_SQLITE: &str = "UPDATE support_family SET facts = x'' WHERE id = $1";
    const FACTS_POSTGRES: &str = "UPDATE support_family SET facts = '' WHERE id = $1";
    let facts = match conn {
        Conn::Sqlite(_) => FACTS_SQLITE,
        Conn::Postgres(_) => FACTS_POSTGRES,
    };
    let gone = on_conn!(conn, |db| {
        let gone = sqlx::query(KEY).bind(id.uuid()).execute(&mut **db).await?.rows_affected();
        for sql in [IDENTITY, facts] {
            sqlx::query(sql).bind(id.uuid()).execute(&mut **db).await?;
        }
        gone
    });
    if gone == 1 { Ok(()) } else { Err(StoreError::Constraint) }
}
