//! Rows of referrals, and the rows that come with a new one.

use crate::crypto::seal::WrappedCaseKey;
use crate::domain::case::CaseState;
use crate::domain::partner::Slug;
use crate::domain::referral::{Profile, ReferralStatus, Source, Urgency};
use crate::ids::{CaseId, DeliveryId, PartnerId, ReferralId};
use crate::store::pool::{Conn, in_records, on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;
use uuid::Uuid;

/// A referral that was accepted, with everything that is written for it.
#[derive(Clone, Debug)]
pub struct AcceptedReferral {
    /// Its id.
    pub id: ReferralId,
    /// The case it becomes.
    pub case: CaseId,
    /// Who sent it.
    pub partner: PartnerId,
    /// The organisation that takes the case.
    pub organisation: PartnerId,
    /// The coordinator, where the territory names one.
    pub assignee: Option<Slug>,
    /// In which capacity it was sent.
    pub source: Source,
    /// How soon.
    pub urgency: Urgency,
    /// First status.
    pub status: ReferralStatus,
    /// What may be known without opening the identity.
    pub profile: Profile,
    /// Sealed: what decisions rest on.
    pub facts: Vec<u8>,
    /// Sealed: the identity, a blob a field group ([`crate::store::identities::pack`]).
    pub identity: Vec<u8>,
    /// The case key, wrapped.
    pub key: WrappedCaseKey,
    /// Milliseconds since the epoch.
    pub received_ms: i64,
}

/// A referral as its referrer knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReferralRow {
    /// Id.
    pub id: ReferralId,
    /// Who sent it.
    pub partner: PartnerId,
    /// The case it became.
    pub case: CaseId,
    /// Status.
    pub status: ReferralStatus,
    /// Status of the first answer.
    pub accepted_as: ReferralStatus,
    /// Milliseconds since the epoch.
    pub received_ms: i64,
    /// Milliseconds since the epoch.
    pub changed_ms: i64,
    /// Counts changes, from 1.
    pub version: i32,
}

/// A new status.
#[derive(Clone, Debug)]
pub struct ReferralChange {
    /// Which referral.
    pub id: ReferralId,
    /// The status.
    pub status: ReferralStatus,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

/// A message to deliver: identifiers and a kind.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Id, by which a receiver tells a repetition.
    pub id: DeliveryId,
    /// Who gets it.
    pub partner: PartnerId,
    /// CloudEvents `type`.
    pub kind: &'static str,
    /// What it is about.
    pub object: Uuid,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
}

const REFERRAL: &str = "INSERT INTO referral (id, partner_id, case_id, source, status, accepted_as, \
    received_ms, changed_ms, version) VALUES ($1, $2, $3, $4, $5, $5, $6, $6, 1)";
const CASE: &str = "INSERT INTO case_file (id, referral_id, organisation_id, assignee, state, source, \
    urgency, municipality, district, composition, youngest, facts_version, facts, received_ms, \
    changed_ms, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $13, $13, 1)";
const KEY: &str = "INSERT INTO case_key (case_id, kek_version, wrapped) VALUES ($1, $2, $3)";
const IDENTITY: &str = "INSERT INTO identity (case_id, version, field_groups) VALUES ($1, 1, $2)";

pub(super) async fn insert(
    conn: &mut Conn<'_>,
    accepted: &[AcceptedReferral],
) -> Result<(), StoreError> {
    if accepted.is_empty() {
        return Ok(());
    }
    match conn {
        Conn::Sqlite(db) => {
            for referral in accepted {
                insert_sqlite(db, referral).await?;
            }
            Ok(())
        }
        Conn::Postgres(db) => insert_postgres(db, accepted).await,
    }
}

async fn insert_sqlite(
    db: &mut sqlx::SqliteConnection,
    new: &AcceptedReferral,
) -> Result<(), StoreError> {
    sqlx::query(REFERRAL)
        .bind(new.id.uuid())
        .bind(new.partner.uuid())
        .bind(new.case.uuid())
        .bind(new.source.as_str())
        .bind(new.status.as_str())
        .bind(new.received_ms)
        .execute(&mut *db)
        .await?;
    sqlx::query(CASE)
        .bind(new.case.uuid())
        .bind(new.id.uuid())
        .bind(new.organisation.uuid())
        .bind(new.assignee.as_ref().map(Slug::as_str))
        .bind(CaseState::New.as_str())
        .bind(new.source.as_str())
        .bind(new.urgency.as_str())
        .bind(new.profile.municipality.as_str())
        .bind(district(new))
        .bind(new.profile.composition.as_str())
        .bind(new.profile.youngest.as_str())
        .bind(new.facts.as_slice())
        .bind(new.received_ms)
        .execute(&mut *db)
        .await?;
    sqlx::query(KEY)
        .bind(new.case.uuid())
        .bind(new.key.kek_version)
        .bind(new.key.wrapped.as_slice())
        .execute(&mut *db)
        .await?;
    sqlx::query(IDENTITY)
        .bind(new.case.uuid())
        .bind(new.identity.as_slice())
        .execute(&mut *db)
        .await?;
    Ok(())
}

fn district(new: &AcceptedReferral) -> &str {
    new.profile.district.as_ref().map_or("", |district| district.as_str())
}

/// One statement a table for the whole group, or a few where rows are long.
async fn insert_postgres(
    db: &mut sqlx::PgConnection,
    new: &[AcceptedReferral],
) -> Result<(), StoreError> {
    const REFERRALS: &str = "INSERT INTO referral (id, partner_id, case_id, source, status, \
        accepted_as, received_ms, changed_ms, version) \
        SELECT id, partner, case_id, source, status, status, at_ms, at_ms, 1 FROM unnest( \
        $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[]) \
        AS new (id, partner, case_id, source, status, at_ms)";
    const KEYS: &str = "INSERT INTO case_key (case_id, kek_version, wrapped) \
        SELECT * FROM unnest($1::uuid[], $2::int[], $3::bytea[])";
    const IDENTITIES: &str = "INSERT INTO identity (case_id, version, field_groups) \
        SELECT case_id, 1, groups FROM unnest($1::uuid[], $2::bytea[]) AS new (case_id, groups)";
    let cases: Vec<Uuid> = new.iter().map(|n| n.case.uuid()).collect();
    sqlx::query(REFERRALS)
        .bind(new.iter().map(|n| n.id.uuid()).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.partner.uuid()).collect::<Vec<_>>())
        .bind(cases.as_slice())
        .bind(new.iter().map(|n| n.source.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.status.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.received_ms).collect::<Vec<_>>())
        .execute(&mut *db)
        .await?;
    for run in in_records(new, |new| new.facts.len() + 256) {
        insert_cases_postgres(db, run).await?;
    }
    sqlx::query(KEYS)
        .bind(cases.as_slice())
        .bind(new.iter().map(|n| n.key.kek_version).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.key.wrapped.as_slice()).collect::<Vec<_>>())
        .execute(&mut *db)
        .await?;
    for run in in_records(new, |new| new.identity.len() + 32) {
        sqlx::query(IDENTITIES)
            .bind(run.iter().map(|n| n.case.uuid()).collect::<Vec<_>>())
            .bind(run.iter().map(|n| n.identity.as_slice()).collect::<Vec<_>>())
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

async fn insert_cases_postgres(
    db: &mut sqlx::PgConnection,
    new: &[AcceptedReferral],
) -> Result<(), StoreError> {
    const CASES: &str = "INSERT INTO case_file (id, referral_id, organisation_id, assignee, state, \
        source, urgency, municipality, district, composition, youngest, facts_version, facts, \
        received_ms, changed_ms, version) \
        SELECT id, referral, organisation, assignee, 'new', source, urgency, municipality, district, \
        composition, youngest, 1, facts, at_ms, at_ms, 1 FROM unnest($1::uuid[], $2::uuid[], \
        $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], \
        $10::text[], $11::bytea[], $12::bigint[]) AS new (id, referral, organisation, assignee, \
        source, urgency, municipality, district, composition, youngest, facts, at_ms)";
    sqlx::query(CASES)
        .bind(new.iter().map(|n| n.case.uuid()).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.id.uuid()).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.organisation.uuid()).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.assignee.as_ref().map(Slug::as_str)).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.source.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.urgency.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.profile.municipality.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(district).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.profile.composition.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.profile.youngest.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.facts.as_slice()).collect::<Vec<_>>())
        .bind(new.iter().map(|n| n.received_ms).collect::<Vec<_>>())
        .execute(&mut *db)
        .await?;
    Ok(())
}

macro_rules! referral_of {
    ($row:expr) => {{
        let row = $row;
        let term = |text: String| {
            ReferralStatus::parse(&text).or(Err(StoreError::Corrupt("referral.status")))
        };
        Ok::<_, StoreError>(ReferralRow {
            id: ReferralId::from_uuid(row.try_get("id")?),
            partner: PartnerId::from_uuid(row.try_get("partner_id")?),
            case: CaseId::from_uuid(row.try_get("case_id")?),
            status: term(row.try_get("status")?)?,
            accepted_as: term(row.try_get("accepted_as")?)?,
            received_ms: row.try_get("received_ms")?,
            changed_ms: row.try_get("changed_ms")?,
            version: row.try_get("version")?,
        })
    }};
}

pub(super) async fn read(
    conn: &mut Conn<'_>,
    id: ReferralId,
) -> Result<Option<ReferralRow>, StoreError> {
    const SQL: &str = "SELECT id, partner_id, case_id, status, accepted_as, received_ms, changed_ms, \
        version FROM referral WHERE id = $1";
    on_conn!(conn, |db| {
        let row = sqlx::query(SQL).bind(id.uuid()).fetch_optional(&mut **db).await?;
        row.map(|row| referral_of!(&row)).transpose()
    })
}

/// Reads one referral outside a transaction.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn find(pool: &Pool, id: ReferralId) -> Result<Option<ReferralRow>, StoreError> {
    const SQL: &str = "SELECT id, partner_id, case_id, status, accepted_as, received_ms, changed_ms, \
        version FROM referral WHERE id = $1";
    on_db!(pool, |db| {
        let row = sqlx::query(SQL).bind(id.uuid()).fetch_optional(db).await?;
        row.map(|row| referral_of!(&row)).transpose()
    })
}

/// A page of one partner's referrals, oldest first, after `(received_ms, id)`.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list(
    pool: &Pool,
    partner: PartnerId,
    after: (i64, Uuid),
    limit: i64,
) -> Result<Vec<ReferralRow>, StoreError> {
    const SQL: &str = "SELECT id, partner_id, case_id, status, accepted_as, received_ms, changed_ms, \
        version FROM referral WHERE partner_id = $1 AND (received_ms, id) > ($2, $3) \
        ORDER BY received_ms, id LIMIT $4";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(partner.uuid())
        .bind(after.0)
        .bind(after.1)
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| referral_of!(row))
        .collect())
}

pub(super) async fn change(conn: &mut Conn<'_>, change: &ReferralChange) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE referral SET status = $2, changed_ms = $3, version = version + 1 \
        WHERE id = $1";
    let changed = on_conn!(conn, |db| sqlx::query(SQL)
        .bind(change.id.uuid())
        .bind(change.status.as_str())
        .bind(change.at_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    if changed == 1 { Ok(()) } else { Err(StoreError::Constraint) }
}

pub(super) async fn insert_outbox(
    conn: &mut Conn<'_>,
    rows: &[OutboxRow],
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO outbox (id, partner_id, kind, object_id, created_ms) \
        VALUES ($1, $2, $3, $4, $5)";
    for row in rows {
        on_conn!(conn, |db| sqlx::query(SQL)
            .bind(row.id.uuid())
            .bind(row.partner.uuid())
            .bind(row.kind)
            .bind(row.object)
            .bind(row.created_ms)
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    Ok(())
}

/// How many referrals are kept.
///
/// # Errors
/// [`StoreError`] when they cannot be counted.
pub async fn total(pool: &Pool) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM referral";
    Ok(on_db!(pool, |db| sqlx::query_scalar(SQL).fetch_one(db).await?))
}
