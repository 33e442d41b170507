//! Rows of referrals, and the rows that come with a new one.

use crate::crypto::seal::WrappedCaseKey;
use crate::domain::partner::Slug;
use crate::domain::referral::{Profile, ReferralStatus, Source, Urgency};
use crate::ids::{CaseId, DeliveryId, PartnerId, ReferralId};
use crate::store::pool::{Conn, Joined, in_records, on_conn, on_db};
use crate::store::{Pool, StoreError};
use serde_json::{Value, json};
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
    /// By what the family may be known again ([`crate::store::links::pack`]).
    pub tags: Vec<u8>,
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

pub(super) async fn insert(
    conn: &mut Conn<'_>,
    accepted: &[AcceptedReferral],
) -> Result<(), StoreError> {
    if accepted.is_empty() {
        return Ok(());
    }
    match conn {
        Conn::Sqlite(db) => insert_sqlite(db, accepted).await,
        Conn::Postgres(db) => insert_postgres(db, accepted).await,
    }
}

/// One statement a table for the whole group: ids side by side in a blob, the rest in a JSON array.
async fn insert_sqlite(
    db: &mut sqlx::SqliteConnection,
    new: &[AcceptedReferral],
) -> Result<(), StoreError> {
    const REFERRALS: &str = "INSERT INTO referral (id, partner_id, case_id, source, status, \
        accepted_as, received_ms, changed_ms, version) \
        SELECT substr($1, key * 48 + 1, 16), substr($1, key * 48 + 17, 16), \
        substr($1, key * 48 + 33, 16), value ->> 0, value ->> 1, value ->> 1, value ->> 2, \
        value ->> 2, 1 FROM json_each($2)";
    let mut ids = Joined::default();
    let rows: Value = new
        .iter()
        .map(|n| {
            for id in [n.id.uuid(), n.partner.uuid(), n.case.uuid()] {
                ids.push(id.as_bytes());
            }
            let (source, status) = (n.source.as_str(), n.status.as_str());
            json!([source, status, n.received_ms])
        })
        .collect();
    sqlx::query(REFERRALS).bind(ids.0).bind(rows.to_string()).execute(&mut *db).await?;
    insert_cases_sqlite(db, new).await?;
    insert_sealed_sqlite(db, new).await
}

async fn insert_cases_sqlite(
    db: &mut sqlx::SqliteConnection,
    new: &[AcceptedReferral],
) -> Result<(), StoreError> {
    const CASES: &str = "INSERT INTO case_file (id, referral_id, organisation_id, assignee, state, \
        source, urgency, municipality, district, composition, youngest, facts_version, facts, \
        received_ms, changed_ms, version, tags) \
        SELECT substr($1, key * 48 + 1, 16), substr($1, key * 48 + 17, 16), \
        substr($1, key * 48 + 33, 16), value ->> 0, 'new', value ->> 1, value ->> 2, value ->> 3, \
        value ->> 4, value ->> 5, value ->> 6, 1, substr($2, value ->> 7, value ->> 8), \
        value ->> 9, value ->> 9, 1, substr($4, value ->> 10, value ->> 11) FROM json_each($3)";
    let (mut ids, mut facts, mut tags) = <(Joined, Joined, Joined)>::default();
    let rows: Value = new
        .iter()
        .map(|n| {
            for id in [n.case.uuid(), n.id.uuid(), n.organisation.uuid()] {
                ids.push(id.as_bytes());
            }
            let (start, length) = facts.push(&n.facts);
            let (tags, tags_length) = tags.push(&n.tags);
            json!([
                n.assignee.as_ref().map(Slug::as_str),
                n.source.as_str(),
                n.urgency.as_str(),
                n.profile.municipality.as_str(),
                district(n),
                n.profile.composition.as_str(),
                n.profile.youngest.as_str(),
                start,
                length,
                n.received_ms,
                tags,
                tags_length,
            ])
        })
        .collect();
    let query = sqlx::query(CASES).bind(ids.0).bind(facts.0).bind(rows.to_string());
    query.bind(tags.0).execute(db).await?;
    Ok(())
}

async fn insert_sealed_sqlite(
    db: &mut sqlx::SqliteConnection,
    new: &[AcceptedReferral],
) -> Result<(), StoreError> {
    const KEYS: &str = "INSERT INTO case_key (case_id, kek_version, wrapped) \
        SELECT substr($1, key * 16 + 1, 16), value ->> 0, substr($2, value ->> 1, value ->> 2) \
        FROM json_each($3)";
    const IDENTITIES: &str = "INSERT INTO identity (case_id, version, field_groups) \
        SELECT substr($1, key * 16 + 1, 16), 1, substr($2, value ->> 3, value ->> 4) \
        FROM json_each($3)";
    let (mut cases, mut keys, mut identities) =
        (Joined::default(), Joined::default(), Joined::default());
    let rows: Value = new
        .iter()
        .map(|n| {
            cases.push(n.case.uuid().as_bytes());
            let (key, key_length) = keys.push(&n.key.wrapped);
            let (identity, length) = identities.push(&n.identity);
            json!([n.key.kek_version, key, key_length, identity, length])
        })
        .collect();
    let rows = rows.to_string();
    sqlx::query(KEYS)
        .bind(cases.0.as_slice())
        .bind(keys.0)
        .bind(rows.as_str())
        .execute(&mut *db)
        .await?;
    sqlx::query(IDENTITIES).bind(cases.0).bind(identities.0).bind(rows).execute(&mut *db).await?;
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
        received_ms, changed_ms, version, tags) \
        SELECT id, referral, organisation, assignee, 'new', source, urgency, municipality, district, \
        composition, youngest, 1, facts, at_ms, at_ms, 1, tags FROM unnest($1::uuid[], $2::uuid[], \
        $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], \
        $10::text[], $11::bytea[], $12::bigint[], $13::bytea[]) AS new (id, referral, organisation, \
        assignee, source, urgency, municipality, district, composition, youngest, facts, at_ms, tags)";
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
        .bind(new.iter().map(|n| n.tags.as_slice()).collect::<Vec<_>>())
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

/// One referral, or where there is none of this id another in its place: the clock does not tell them apart.
const ONE_OR_ANOTHER: &str = "SELECT id, partner_id, case_id, status, accepted_as, received_ms, \
    changed_ms, version FROM referral WHERE id = COALESCE((SELECT id FROM referral WHERE id = $1), \
    (SELECT id FROM referral ORDER BY id LIMIT 1))";

/// Reads one referral; another where it is not there, whose id says so.
pub(super) async fn read(
    conn: &mut Conn<'_>,
    id: ReferralId,
) -> Result<Option<ReferralRow>, StoreError> {
    on_conn!(conn, |db| {
        let row = sqlx::query(ONE_OR_ANOTHER).bind(id.uuid()).fetch_optional(&mut **db).await?;
        row.map(|row| referral_of!(&row)).transpose()
    })
}

/// Reads one referral outside a transaction.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn find(pool: &Pool, id: ReferralId) -> Result<Option<ReferralRow>, StoreError> {
    let row = on_db!(pool, |db| {
        let row = sqlx::query(ONE_OR_ANOTHER).bind(id.uuid()).fetch_optional(db).await?;
        row.map(|row| referral_of!(&row)).transpose()?
    });
    Ok(row.filter(|row| row.id == id))
}

/// A page of one partner's referrals, oldest first, after `(received_ms, id)`, without those
/// that were erased.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list(
    pool: &Pool,
    partner: PartnerId,
    after: (i64, Uuid),
    limit: i64,
) -> Result<Vec<ReferralRow>, StoreError> {
    const SQL: &str = "SELECT r.id, r.partner_id, r.case_id, r.status, r.accepted_as, r.received_ms, \
        r.changed_ms, r.version FROM referral r JOIN case_file c ON c.id = r.case_id \
        WHERE r.partner_id = $1 AND (r.received_ms, r.id) > ($2, $3) AND c.erased_ms IS NULL \
        ORDER BY r.received_ms, r.id LIMIT $4";
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
    const SQLITE: &str = "INSERT INTO outbox (id, partner_id, kind, object_id, created_ms) \
        SELECT substr($1, key * 48 + 1, 16), substr($1, key * 48 + 17, 16), value ->> 0, \
        substr($1, key * 48 + 33, 16), value ->> 1 FROM json_each($2)";
    const POSTGRES: &str = "INSERT INTO outbox (id, partner_id, kind, object_id, created_ms) \
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::bigint[])";
    if rows.is_empty() {
        return Ok(());
    }
    match conn {
        Conn::Sqlite(db) => {
            let mut ids = Joined::default();
            let values: Value = rows
                .iter()
                .map(|row| {
                    for id in [row.id.uuid(), row.partner.uuid(), row.object] {
                        ids.push(id.as_bytes());
                    }
                    json!([row.kind, row.created_ms])
                })
                .collect();
            sqlx::query(SQLITE).bind(ids.0).bind(values.to_string()).execute(&mut **db).await?;
        }
        Conn::Postgres(db) => {
            sqlx::query(POSTGRES)
                .bind(rows.iter().map(|row| row.id.uuid()).collect::<Vec<_>>())
                .bind(rows.iter().map(|row| row.partner.uuid()).collect::<Vec<_>>())
                .bind(rows.iter().map(|row| row.kind).collect::<Vec<_>>())
                .bind(rows.iter().map(|row| row.object).collect::<Vec<_>>())
                .bind(rows.iter().map(|row| row.created_ms).collect::<Vec<_>>())
                .execute(&mut **db)
                .await?;
        }
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
