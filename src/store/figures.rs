//! Rows of figures: the immutable releases that are served, what each disclosed, and what later quarters need.
//!
//! What is counted is in `store::counts`. Invariant: a release, what it cost and which events it counted are written in
//! one transaction, or not at all.

use crate::domain::municipality::Municipality;
use crate::domain::period::{Period, Year};
use crate::domain::referral::Source;
use crate::ids::StatisticsReleaseId;
use crate::statistics::freeze::Carry;
use crate::statistics::seal::Kept;
use crate::statistics::tabulate::Kind;
use crate::store::counts::{self, Booking};
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;
use std::collections::BTreeMap;

/// Which figures.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FiguresKey {
    /// CBS code of a gemeente, or the name of a region.
    pub area: String,
    /// About which quarter or year.
    pub period: Period,
}

/// An immutable release.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FiguresRow {
    /// Id.
    pub id: StatisticsReleaseId,
    /// Of which gemeente or region, and period.
    pub key: FiguresKey,
    /// Canonical JSON, served byte for byte.
    pub body: String,
    /// SHA-256 of the body.
    pub sha256: [u8; 32],
    /// Milliseconds since the epoch.
    pub sealed_ms: i64,
}

/// What a release cost of one kind: a line of the disclosure ledger.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Disclosed {
    /// What was counted.
    pub kind: String,
    /// Tables.
    pub tables: u32,
    /// Most tables of that kind and year.
    pub cap: u32,
    /// ε of a table, in thousandths; 0 where nothing was drawn.
    pub epsilon: u32,
}

/// A release with all that is written with it.
#[derive(Clone, Debug)]
pub struct SealedRows {
    /// The release.
    pub release: FiguresRow,
    /// The year whose budget it draws on.
    pub year: Year,
    /// What it cost.
    pub disclosed: Vec<Disclosed>,
    /// SHA-256 of the seed; empty where nothing was drawn.
    pub commitment: Vec<u8>,
    /// `contract`, or who approved of more.
    pub approved: String,
    /// What later quarters need.
    pub kept: Vec<Kept>,
    /// Which events it counted.
    pub booking: Booking,
}

/// Families referred in one capacity: what is counted before it is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SourceCount {
    /// In which capacity.
    pub source: Source,
    /// Families.
    pub families: u32,
}

/// Puts down what was counted for a closed year before the gateway; a second time changes nothing.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub async fn put_history(
    pool: &Pool,
    (municipality, year): (Municipality, Year),
    counts: &[SourceCount],
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO history_count (municipality, source, year, families) \
        VALUES ($1, $2, $3, $4) ON CONFLICT (municipality, source, year) DO NOTHING";
    let mut held = pool.writing().await?;
    for count in counts {
        let mut conn = held.conn();
        on_conn!(&mut conn, |db| sqlx::query(SQL)
            .bind(municipality.as_str())
            .bind(count.source.as_str())
            .bind(i32::from(year.number()))
            .bind(i64::from(count.families))
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    Ok(())
}

pub(super) async fn is_published(
    conn: &mut Conn<'_>,
    key: &FiguresKey,
) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM figures_release WHERE area = $1 AND period = $2";
    let rows: i64 = on_conn!(conn, |db| sqlx::query_scalar(SQL)
        .bind(key.area.as_str())
        .bind(key.period.to_string())
        .fetch_one(&mut **db)
        .await?);
    Ok(rows > 0)
}

pub(super) async fn insert(conn: &mut Conn<'_>, rows: &SealedRows) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO figures_release (id, area, period, body, sha256, sealed_ms) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    let release = &rows.release;
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(release.id.uuid())
        .bind(release.key.area.as_str())
        .bind(release.key.period.to_string())
        .bind(release.body.as_str())
        .bind(release.sha256.as_slice())
        .bind(release.sealed_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    for line in &rows.disclosed {
        disclose(conn, rows, line).await?;
    }
    for kept in &rows.kept {
        keep(conn, release.id, kept).await?;
    }
    counts::book(conn, &rows.booking).await
}

async fn disclose(
    conn: &mut Conn<'_>,
    rows: &SealedRows,
    line: &Disclosed,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO disclosure (release_id, kind, area, year, tables, cap, epsilon, commitment, \
        approved, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let small = |n: u32| i32::try_from(n).or(Err(StoreError::Corrupt("disclosure")));
    let (tables, cap, epsilon) = (small(line.tables)?, small(line.cap)?, small(line.epsilon)?);
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(rows.release.id.uuid())
        .bind(line.kind.as_str())
        .bind(rows.release.key.area.as_str())
        .bind(i32::from(rows.year.number()))
        .bind(tables)
        .bind(cap)
        .bind(epsilon)
        .bind(rows.commitment.as_slice())
        .bind(rows.approved.as_str())
        .bind(rows.release.sealed_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

async fn keep(
    conn: &mut Conn<'_>,
    release: StatisticsReleaseId,
    kept: &Kept,
) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO measured (release_id, kind, value, units) VALUES ($1, $2, $3, $4)";
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(release.uuid())
        .bind(kept.kind.as_str())
        .bind(kept.measured)
        .bind(kept.units)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

/// What the sealed quarters of a gemeente's year left, by kind, in their order.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn carried(
    pool: &Pool,
    area: &str,
    year: Year,
) -> Result<BTreeMap<Kind, Carry>, StoreError> {
    const SQL: &str = "SELECT m.kind, m.value, m.units FROM measured m JOIN figures_release r ON r.id = m.release_id \
        WHERE r.area = $1 AND r.period LIKE $2 ORDER BY r.period";
    let mut carried: BTreeMap<Kind, Carry> = BTreeMap::new();
    on_db!(pool, |db| {
        let query = sqlx::query(SQL).bind(area).bind(format!("{}Q%", year.number()));
        for row in query.fetch_all(db).await? {
            let kind: String = row.try_get("kind")?;
            let kind = Kind::parse(&kind).or(Err(StoreError::Corrupt("kind")))?;
            let carry = carried.entry(kind).or_default();
            carry.measured.push(row.try_get("value")?);
            carry.units.push(row.try_get("units")?);
        }
    });
    Ok(carried)
}

/// Tables that were disclosed of an area and year so far, by kind.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn spent(
    pool: &Pool,
    area: &str,
    year: Year,
) -> Result<BTreeMap<String, u32>, StoreError> {
    const SQL: &str = "SELECT kind, CAST(SUM(tables) AS BIGINT) AS tables FROM disclosure \
        WHERE area = $1 AND year = $2 GROUP BY kind";
    on_db!(pool, |db| {
        let query = sqlx::query(SQL).bind(area).bind(i32::from(year.number()));
        let rows = query.fetch_all(db).await?;
        rows.iter()
            .map(|row| {
                let tables: i64 = row.try_get("tables")?;
                let tables = u32::try_from(tables).or(Err(StoreError::Corrupt("disclosure")))?;
                Ok((row.try_get("kind")?, tables))
            })
            .collect()
    })
}

/// A line of the disclosure ledger.
#[derive(Clone, Debug)]
pub struct DisclosureRow {
    /// CBS code of a gemeente, or the name of a region.
    pub area: String,
    /// Year.
    pub year: i32,
    /// What is counted.
    pub kind: String,
    /// Tables of this release.
    pub tables: i32,
    /// Most tables of this kind and year.
    pub cap: i32,
    /// Of one table, in thousandths; 0 where nothing was drawn.
    pub epsilon: i32,
    /// SHA-256 of the seed, or empty.
    pub commitment: Vec<u8>,
    /// `contract`, or who approved of more.
    pub approved: String,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

/// The last lines of the disclosure ledger, newest first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn disclosed(pool: &Pool, limit: i64) -> Result<Vec<DisclosureRow>, StoreError> {
    const SQL: &str = "SELECT area, year, kind, tables, cap, epsilon, commitment, approved, at_ms \
        FROM disclosure ORDER BY at_ms DESC, area, kind LIMIT $1";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            Ok(DisclosureRow {
                area: row.try_get("area")?,
                year: row.try_get("year")?,
                kind: row.try_get("kind")?,
                tables: row.try_get("tables")?,
                cap: row.try_get("cap")?,
                epsilon: row.try_get("epsilon")?,
                commitment: row.try_get("commitment")?,
                approved: row.try_get("approved")?,
                at_ms: row.try_get("at_ms")?,
            })
        })
        .collect())
}

macro_rules! figures_of {
    ($row:expr) => {{
        let row = $row;
        let period: String = row.try_get("period")?;
        let sha256: Vec<u8> = row.try_get("sha256")?;
        Ok::<_, StoreError>(FiguresRow {
            id: StatisticsReleaseId::from_uuid(row.try_get("id")?),
            key: FiguresKey {
                area: row.try_get("area")?,
                period: Period::parse(&period).or(Err(StoreError::Corrupt("period")))?,
            },
            body: row.try_get("body")?,
            sha256: sha256.try_into().or(Err(StoreError::Corrupt("sha256")))?,
            sealed_ms: row.try_get("sealed_ms")?,
        })
    }};
}

/// Reads one release.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn find(pool: &Pool, id: StatisticsReleaseId) -> Result<Option<FiguresRow>, StoreError> {
    const SQL: &str =
        "SELECT id, area, period, body, sha256, sealed_ms FROM figures_release WHERE id = $1";
    on_db!(pool, |db| {
        let row = sqlx::query(SQL).bind(id.uuid()).fetch_optional(db).await?;
        row.map(|row| figures_of!(&row)).transpose()
    })
}

/// All releases of regions, by name and oldest period first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn of_regions(pool: &Pool) -> Result<Vec<FiguresRow>, StoreError> {
    const SQL: &str = "SELECT id, area, period, body, sha256, sealed_ms FROM figures_release \
        WHERE area NOT LIKE 'GM%' ORDER BY area, period";
    on_db!(pool, |db| sqlx::query(SQL)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| figures_of!(row))
        .collect())
}

/// All releases of one gemeente or region, oldest period first; a year before its quarters.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list(pool: &Pool, area: &str) -> Result<Vec<FiguresRow>, StoreError> {
    const SQL: &str = "SELECT id, area, period, body, sha256, sealed_ms FROM figures_release \
        WHERE area = $1 ORDER BY period";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(area)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| figures_of!(row))
        .collect())
}

/// A release without its figures, and how far the messages about it have come.
#[derive(Clone, Debug)]
pub struct StageRow {
    /// CBS code of a gemeente, or the name of a region.
    pub area: String,
    /// Quarter or year.
    pub period: String,
    /// Milliseconds since the epoch.
    pub sealed_ms: i64,
    /// Messages that tell of it.
    pub messages: i64,
    /// Of those, how many were delivered.
    pub delivered: i64,
    /// When the last of those was delivered, in milliseconds since the epoch.
    pub delivered_ms: Option<i64>,
}

/// The last releases, newest first, with the messages of a kind about them.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn stages(pool: &Pool, kind: &str, limit: i64) -> Result<Vec<StageRow>, StoreError> {
    const SQL: &str = "SELECT f.area, f.period, f.sealed_ms, COUNT(o.id) AS messages, \
        COUNT(d.message_id) AS delivered, MAX(d.at_ms) AS delivered_ms FROM figures_release f \
        LEFT JOIN outbox o ON o.object_id = f.id AND o.kind = $1 LEFT JOIN delivered d ON d.message_id = o.id \
        GROUP BY f.id, f.area, f.period, f.sealed_ms ORDER BY f.sealed_ms DESC, f.area, f.period DESC LIMIT $2";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(kind)
        .bind(limit)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            Ok(StageRow {
                area: row.try_get("area")?,
                period: row.try_get("period")?,
                sealed_ms: row.try_get("sealed_ms")?,
                messages: row.try_get("messages")?,
                delivered: row.try_get("delivered")?,
                delivered_ms: row.try_get("delivered_ms")?,
            })
        })
        .collect())
}

/// Area and period of every release.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn published(pool: &Pool) -> Result<Vec<(String, String)>, StoreError> {
    on_db!(pool, |db| sqlx::query("SELECT area, period FROM figures_release")
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| Ok((row.try_get("area")?, row.try_get("period")?)))
        .collect())
}
