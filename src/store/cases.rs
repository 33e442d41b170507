//! Rows of cases: what is known of them without opening an identity, who holds them, who opened them.

use crate::crypto::seal::WrappedCaseKey;
use crate::domain::age::AgeBand;
use crate::domain::case::CaseState;
use crate::domain::municipality::{District, Municipality};
use crate::domain::partner::Slug;
use crate::domain::referral::{Composition, Profile, Source, Urgency};
use crate::ids::{CaseId, PartnerId, ReferralId, ReleaseId};
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError, links};
use sqlx::Row;
use uuid::Uuid;

/// A case, with its sealed facts and the key that opens them.
#[derive(Clone, Debug)]
pub struct CaseRow {
    /// Id.
    pub id: CaseId,
    /// The referral it came from.
    pub referral: ReferralId,
    /// The organisation it belongs to.
    pub organisation: PartnerId,
    /// The coordinator who holds it.
    pub assignee: Option<Slug>,
    /// Where it stands.
    pub state: CaseState,
    /// Who referred, by capacity.
    pub source: Source,
    /// How soon.
    pub urgency: Urgency,
    /// What may be known without opening the identity.
    pub profile: Profile,
    /// Version of the sealed facts.
    pub facts_version: i32,
    /// Sealed facts.
    pub facts: Vec<u8>,
    /// The wrapped case key; `None` after erasure.
    pub key: Option<WrappedCaseKey>,
    /// Milliseconds since the epoch.
    pub received_ms: i64,
    /// Milliseconds since the epoch.
    pub changed_ms: i64,
    /// Counts changes, from 1.
    pub version: i32,
}

/// A new state or assignee.
#[derive(Clone, Debug)]
pub struct CaseChange {
    /// Which case.
    pub id: CaseId,
    /// The state.
    pub state: CaseState,
    /// The coordinator.
    pub assignee: Option<Slug>,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

/// A new version of the sealed facts.
#[derive(Clone, Debug)]
pub struct FactsRow {
    /// Which case.
    pub case: CaseId,
    /// The version, one higher than the last.
    pub version: i32,
    /// Sealed.
    pub sealed: Vec<u8>,
}

/// An assignment.
#[derive(Clone, Debug)]
pub struct AssignmentRow {
    /// Which case.
    pub case: CaseId,
    /// Counts the assignments of the case, from 1.
    pub version: i32,
    /// To whom.
    pub coordinator: Slug,
    /// By whom: an account, or `territory`.
    pub by: Slug,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

/// A release that is about to happen.
#[derive(Clone, Debug)]
pub struct ReleaseRow {
    /// Id.
    pub id: ReleaseId,
    /// Which case.
    pub case: CaseId,
    /// Who.
    pub person: Slug,
    /// For what.
    pub purpose: &'static str,
    /// At which stage.
    pub stage: &'static str,
    /// Names of the field groups, a space between.
    pub field_groups: String,
    /// Why, sealed.
    pub reason: Vec<u8>,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

macro_rules! select_case {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.referral_id, c.organisation_id, c.assignee, c.state, c.source, c.urgency, ",
            "c.municipality, c.district, c.composition, c.youngest, c.facts_version, c.facts, ",
            "c.received_ms, c.changed_ms, c.version, k.kek_version, k.wrapped ",
            "FROM case_file c LEFT JOIN case_key k ON k.case_id = c.id ",
            $rest
        )
    };
}

macro_rules! case_of {
    ($row:expr) => {{
        let row = $row;
        let text = |column: &str| row.try_get::<String, _>(column);
        let assignee: Option<String> = row.try_get("assignee")?;
        let kek: Option<i32> = row.try_get("kek_version")?;
        let wrapped: Option<Vec<u8>> = row.try_get("wrapped")?;
        Ok::<_, StoreError>(CaseRow {
            id: CaseId::from_uuid(row.try_get("id")?),
            referral: ReferralId::from_uuid(row.try_get("referral_id")?),
            organisation: PartnerId::from_uuid(row.try_get("organisation_id")?),
            assignee: assignee.map(|name| slug(&name)).transpose()?,
            state: term(CaseState::parse(&text("state")?))?,
            source: term(Source::parse(&text("source")?))?,
            urgency: term(Urgency::parse(&text("urgency")?))?,
            profile: Profile {
                municipality: term(Municipality::parse(&text("municipality")?))?,
                district: district(&text("district")?)?,
                composition: term(Composition::parse(&text("composition")?))?,
                youngest: term(AgeBand::parse(&text("youngest")?))?,
            },
            facts_version: row.try_get("facts_version")?,
            facts: row.try_get("facts")?,
            key: kek
                .zip(wrapped)
                .map(|(kek_version, wrapped)| WrappedCaseKey { kek_version, wrapped }),
            received_ms: row.try_get("received_ms")?,
            changed_ms: row.try_get("changed_ms")?,
            version: row.try_get("version")?,
        })
    }};
}

fn term<T, E>(parsed: Result<T, E>) -> Result<T, StoreError> {
    parsed.or(Err(StoreError::Corrupt("case_file term")))
}

fn slug(text: &str) -> Result<Slug, StoreError> {
    Slug::parse(text).or(Err(StoreError::Corrupt("account name")))
}

fn district(text: &str) -> Result<Option<District>, StoreError> {
    if text.is_empty() { Ok(None) } else { term(District::parse(text)).map(Some) }
}

/// One case, or where there is none of this id another in its place: the clock does not tell them apart.
const ONE_OR_ANOTHER: &str = select_case!(
    "WHERE c.id = COALESCE((SELECT id FROM case_file WHERE id = $1), \
     (SELECT id FROM case_file WHERE erased_ms IS NULL ORDER BY id LIMIT 1))"
);

/// The case asked for, or else any other: only its work counts.
pub(super) enum Read {
    /// It is there.
    It(Box<CaseRow>),
    /// It is not; another is.
    Another(Box<CaseRow>),
    /// There is none at all.
    None,
}

impl Read {
    fn of(row: Option<CaseRow>, id: CaseId) -> Self {
        match row {
            Some(row) if row.id == id => Self::It(Box::new(row)),
            Some(row) => Self::Another(Box::new(row)),
            None => Self::None,
        }
    }
}

pub(super) async fn read(conn: &mut Conn<'_>, id: CaseId) -> Result<Read, StoreError> {
    let row = on_conn!(conn, |db| {
        let row = sqlx::query(ONE_OR_ANOTHER).bind(id.uuid()).fetch_optional(&mut **db).await?;
        row.map(|row| case_of!(&row)).transpose()?
    });
    Ok(Read::of(row, id))
}

/// Reads one case outside a transaction. An erased one is not there.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn find(pool: &Pool, id: CaseId) -> Result<Option<CaseRow>, StoreError> {
    let row = on_db!(pool, |db| {
        let row = sqlx::query(ONE_OR_ANOTHER).bind(id.uuid()).fetch_optional(db).await?;
        row.map(|row| case_of!(&row)).transpose()?
    });
    Ok(row.filter(|row| row.id == id && row.key.is_some()))
}

/// The cases of these ids, in no order.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn find_all(pool: &Pool, ids: &[CaseId]) -> Result<Vec<CaseRow>, StoreError> {
    const POSTGRES: &str = select_case!("WHERE c.id = ANY($1)");
    match pool {
        Pool::Sqlite { .. } => {
            let mut found = Vec::new();
            for id in ids {
                found.extend(find(pool, *id).await?);
            }
            Ok(found)
        }
        Pool::Postgres(db) => {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
            let rows = sqlx::query(POSTGRES).bind(ids).fetch_all(db).await?;
            rows.iter().map(|row| case_of!(row)).collect()
        }
    }
}

/// A page of all cases, by id, after `after`.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list_all(pool: &Pool, after: CaseId, limit: i64) -> Result<Vec<CaseRow>, StoreError> {
    const SQL: &str = select_case!("WHERE c.id > $1 ORDER BY c.id LIMIT $2");
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(after.uuid())
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| case_of!(row))
        .collect())
}

/// A page of the cases that ended or wait and were not erased, by id, after `after`.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list_ended(
    pool: &Pool,
    after: CaseId,
    limit: i64,
) -> Result<Vec<CaseRow>, StoreError> {
    const SQL: &str = select_case!(
        "WHERE c.id > $1 AND c.state IN ('closed', 'on-hold') AND c.erased_ms IS NULL \
         ORDER BY c.id LIMIT $2"
    );
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(after.uuid())
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| case_of!(row))
        .collect())
}

/// A page of the cases one coordinator holds, oldest first, after `(received_ms, id)`.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list_of(
    pool: &Pool,
    organisation: PartnerId,
    coordinator: &Slug,
    after: (i64, Uuid),
    limit: i64,
) -> Result<Vec<CaseRow>, StoreError> {
    const SQL: &str = select_case!(
        "WHERE c.organisation_id = $1 AND c.assignee = $2 AND c.erased_ms IS NULL \
         AND (c.received_ms, c.id) > ($3, $4) \
         ORDER BY c.received_ms, c.id LIMIT $5"
    );
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(organisation.uuid())
        .bind(coordinator.as_str())
        .bind(after.0)
        .bind(after.1)
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| case_of!(row))
        .collect())
}

/// A page of an organisation's cases that nobody holds and somebody could, oldest first, after `(received_ms, id)`.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list_unassigned(
    pool: &Pool,
    organisation: PartnerId,
    after: (i64, Uuid),
    limit: i64,
) -> Result<Vec<CaseRow>, StoreError> {
    const SQL: &str = select_case!(
        "WHERE c.organisation_id = $1 AND c.assignee IS NULL AND c.erased_ms IS NULL \
         AND c.state <> 'closed' AND (c.received_ms, c.id) > ($2, $3) \
         ORDER BY c.received_ms, c.id LIMIT $4"
    );
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(organisation.uuid())
        .bind(after.0)
        .bind(after.1)
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| case_of!(row))
        .collect())
}

pub(super) async fn change(conn: &mut Conn<'_>, change: &CaseChange) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE case_file SET state = $2, assignee = $3, changed_ms = $4, \
        version = version + 1 WHERE id = $1";
    let changed = on_conn!(conn, |db| sqlx::query(SQL)
        .bind(change.id.uuid())
        .bind(change.state.as_str())
        .bind(change.assignee.as_ref().map(Slug::as_str))
        .bind(change.at_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    if changed == 1 { Ok(()) } else { Err(StoreError::Constraint) }
}

pub(super) async fn write_facts(conn: &mut Conn<'_>, facts: &FactsRow) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE case_file SET facts_version = $2, facts = $3 \
        WHERE id = $1 AND facts_version = $2 - 1";
    let changed = on_conn!(conn, |db| sqlx::query(SQL)
        .bind(facts.case.uuid())
        .bind(facts.version)
        .bind(facts.sealed.as_slice())
        .execute(&mut **db)
        .await?
        .rows_affected());
    if changed == 1 { Ok(()) } else { Err(StoreError::Constraint) }
}

/// Erases a case: its key, its identity and its facts go, and what is left says nothing about anybody. The row
/// stays for what was counted.
pub(super) async fn erase(conn: &mut Conn<'_>, id: CaseId, at_ms: i64) -> Result<(), StoreError> {
    const KEY: &str = "DELETE FROM case_key WHERE case_id = $1";
    const IDENTITY: &str = "DELETE FROM identity WHERE case_id = $1";
    const CORRECTIONS: &str = "DELETE FROM identity_correction WHERE case_id = $1";
    const CASE_SQLITE: &str = "UPDATE case_file SET state = 'closed', assignee = NULL, facts = x'', \
        erased_ms = $2, changed_ms = $2, version = version + 1 WHERE id = $1";
    const CASE_POSTGRES: &str = "UPDATE case_file SET state = 'closed', assignee = NULL, facts = '', \
        erased_ms = $2, changed_ms = $2, version = version + 1 WHERE id = $1";
    let case = match conn {
        Conn::Sqlite(_) => CASE_SQLITE,
        Conn::Postgres(_) => CASE_POSTGRES,
    };
    let gone = on_conn!(conn, |db| {
        let gone = sqlx::query(KEY).bind(id.uuid()).execute(&mut **db).await?.rows_affected();
        sqlx::query(IDENTITY).bind(id.uuid()).execute(&mut **db).await?;
        sqlx::query(CORRECTIONS).bind(id.uuid()).execute(&mut **db).await?;
        sqlx::query(case).bind(id.uuid()).bind(at_ms).execute(&mut **db).await?;
        gone
    });
    links::erase(conn, id).await?;
    if gone == 1 { Ok(()) } else { Err(StoreError::Constraint) }
}

/// Keeps that a family will not be counted in figures to come.
pub(super) async fn object(conn: &mut Conn<'_>, id: CaseId, at_ms: i64) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE case_file SET objected_ms = $2 WHERE id = $1 AND objected_ms IS NULL";
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(id.uuid())
        .bind(at_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

pub(super) async fn insert_assignments(
    conn: &mut Conn<'_>,
    rows: &[AssignmentRow],
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO assignment (case_id, version, coordinator, assigned_by, at_ms) \
        SELECT $1, COALESCE(MAX(version), 0) + 1, $2, $3, $4 FROM assignment WHERE case_id = $1";
    for row in rows {
        on_conn!(conn, |db| sqlx::query(SQL)
            .bind(row.case.uuid())
            .bind(row.coordinator.as_str())
            .bind(row.by.as_str())
            .bind(row.at_ms)
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    Ok(())
}

/// All assignments of a case, oldest first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn assignments(pool: &Pool, case: CaseId) -> Result<Vec<AssignmentRow>, StoreError> {
    const SQL: &str = "SELECT version, coordinator, assigned_by, at_ms FROM assignment \
        WHERE case_id = $1 ORDER BY version";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(case.uuid())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            Ok(AssignmentRow {
                case,
                version: row.try_get("version")?,
                coordinator: slug(&row.try_get::<String, _>("coordinator")?)?,
                by: slug(&row.try_get::<String, _>("assigned_by")?)?,
                at_ms: row.try_get("at_ms")?,
            })
        })
        .collect())
}

pub(super) async fn insert_release(
    conn: &mut Conn<'_>,
    row: &ReleaseRow,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO identity_release (id, case_id, person, purpose, stage, field_groups, \
        reason, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(row.id.uuid())
        .bind(row.case.uuid())
        .bind(row.person.as_str())
        .bind(row.purpose)
        .bind(row.stage)
        .bind(row.field_groups.as_str())
        .bind(row.reason.as_slice())
        .bind(row.at_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

/// A release that happened.
#[derive(Clone, Debug)]
pub struct PastRelease {
    /// Id.
    pub id: ReleaseId,
    /// Who.
    pub person: Slug,
    /// For what.
    pub purpose: String,
    /// At which stage.
    pub stage: String,
    /// Names of the field groups.
    pub field_groups: Vec<String>,
    /// Why, sealed.
    pub reason: Vec<u8>,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

/// All releases of the identity behind a case, oldest first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn releases(pool: &Pool, case: CaseId) -> Result<Vec<PastRelease>, StoreError> {
    const SQL: &str = "SELECT id, person, purpose, stage, field_groups, reason, at_ms \
        FROM identity_release WHERE case_id = $1 ORDER BY at_ms, id";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(case.uuid())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let groups: String = row.try_get("field_groups")?;
            Ok(PastRelease {
                id: ReleaseId::from_uuid(row.try_get("id")?),
                person: slug(&row.try_get::<String, _>("person")?)?,
                purpose: row.try_get("purpose")?,
                stage: row.try_get("stage")?,
                field_groups: groups.split_whitespace().map(str::to_owned).collect(),
                reason: row.try_get("reason")?,
                at_ms: row.try_get("at_ms")?,
            })
        })
        .collect())
}
