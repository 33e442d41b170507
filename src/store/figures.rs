//! Rows of figures: what is counted, and the immutable releases that are served.
//!
//! Counting reads `case_file` and `history_count` by code and year; it joins nothing that is sealed.

use crate::domain::age::{AgeBand, date_in_amsterdam};
use crate::domain::municipality::Municipality;
use crate::domain::pairing::EndReason;
use crate::domain::period::Year;
use crate::domain::referral::{Composition, Source};
use crate::ids::StatisticsReleaseId;
use crate::statistics::plan::{Counted, Paired, Referred};
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;

/// Which figures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FiguresKey {
    /// Of which gemeente.
    pub municipality: Municipality,
    /// About which year.
    pub year: Year,
}

/// An immutable release.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FiguresRow {
    /// Id.
    pub id: StatisticsReleaseId,
    /// Of which gemeente and year.
    pub key: FiguresKey,
    /// Canonical JSON, served byte for byte.
    pub body: String,
    /// SHA-256 of the body.
    pub sha256: [u8; 32],
    /// Milliseconds since the epoch.
    pub sealed_ms: i64,
}

/// Families referred in one capacity: what is counted before it is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SourceCount {
    /// In which capacity.
    pub source: Source,
    /// Families.
    pub families: u32,
}

/// Counts the referrals of one gemeente that were received from `from_ms` up to `until_ms`, together
/// with what was counted for `key.year` before the gateway.
///
/// Referrals that were taken back are left out. One family per case.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn count(
    pool: &Pool,
    key: FiguresKey,
    from_ms: i64,
    until_ms: i64,
) -> Result<Vec<SourceCount>, StoreError> {
    const SQL: &str = "SELECT source, CAST(SUM(families) AS BIGINT) AS families FROM ( \
        SELECT c.source, 1 AS families FROM case_file c JOIN referral r ON r.id = c.referral_id \
        WHERE c.municipality = $1 AND c.received_ms >= $2 AND c.received_ms < $3 \
        AND r.status <> 'withdrawn' AND c.objected_ms IS NULL \
        UNION ALL SELECT source, families FROM history_count WHERE municipality = $1 AND year = $4 \
        ) counted GROUP BY source ORDER BY source";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(key.municipality.as_str())
        .bind(from_ms)
        .bind(until_ms)
        .bind(i32::from(key.year.number()))
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let source: String = row.try_get("source")?;
            let families: i64 = row.try_get("families")?;
            Ok(SourceCount {
                source: Source::parse(&source).or(Err(StoreError::Corrupt("source")))?,
                families: u32::try_from(families).or(Err(StoreError::Corrupt("count")))?,
            })
        })
        .collect())
}

/// What is counted of a gemeente and year by the plan of frozen figures. Who objects is left out; what was counted
/// before the gateway has no traits, so it is not among them.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn counted(
    pool: &Pool,
    key: FiguresKey,
    (from_ms, until_ms): (i64, i64),
) -> Result<Counted, StoreError> {
    const REFERRED: &str = "SELECT c.received_ms, c.source, c.youngest, c.composition FROM case_file c \
        JOIN referral r ON r.id = c.referral_id WHERE c.municipality = $1 AND c.received_ms >= $2 \
        AND c.received_ms < $3 AND r.status <> 'withdrawn' AND c.objected_ms IS NULL";
    const PAIRED: &str = "SELECT c.composition, p.paired_ms, p.ended_ms, p.end_reason FROM pairing p \
        JOIN case_file c ON c.id = p.case_id WHERE c.municipality = $1 AND c.objected_ms IS NULL \
        AND p.paired_ms < $3 AND (p.ended_ms IS NULL OR p.ended_ms >= $2)";
    const TERM: StoreError = StoreError::Corrupt("term of a count");
    let mut counted = Counted::default();
    on_db!(pool, |db| {
        let query = sqlx::query(REFERRED).bind(key.municipality.as_str());
        for row in query.bind(from_ms).bind(until_ms).fetch_all(db).await? {
            counted.referred.push(Referred {
                quarter: quarter(row.try_get("received_ms")?),
                source: Source::parse(&row.try_get::<String, _>("source")?).or(Err(TERM))?,
                youngest: AgeBand::parse(&row.try_get::<String, _>("youngest")?).or(Err(TERM))?,
                household: Composition::parse(&row.try_get::<String, _>("composition")?)
                    .or(Err(TERM))?,
            });
        }
        let query = sqlx::query(PAIRED).bind(key.municipality.as_str());
        for row in query.bind(from_ms).bind(until_ms).fetch_all(db).await? {
            let made: i64 = row.try_get("paired_ms")?;
            let ended: Option<i64> = row.try_get("ended_ms")?;
            let reason: Option<String> = row.try_get("end_reason")?;
            let reason = reason.map(|text| EndReason::parse(&text)).transpose().or(Err(TERM))?;
            counted.paired.push(Paired {
                household: Composition::parse(&row.try_get::<String, _>("composition")?)
                    .or(Err(TERM))?,
                made: (made >= from_ms).then(|| quarter(made)),
                ended: ended.filter(|at| *at < until_ms).map(quarter).zip(reason),
            });
        }
    });
    Ok(counted)
}

/// The quarter of an instant in Amsterdam, 0 to 3.
fn quarter(ms: i64) -> usize {
    let month = date_in_amsterdam(crate::clock::from_millisecond(ms)).month();
    usize::try_from((month - 1) / 3).unwrap_or_default()
}

/// Puts down what was counted for a closed year before the gateway; a second time changes nothing.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub async fn put_history(
    pool: &Pool,
    key: FiguresKey,
    counts: &[SourceCount],
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO history_count (municipality, source, year, families) \
        VALUES ($1, $2, $3, $4) ON CONFLICT (municipality, source, year) DO NOTHING";
    let mut held = pool.writing().await?;
    for count in counts {
        let mut conn = held.conn();
        on_conn!(&mut conn, |db| sqlx::query(SQL)
            .bind(key.municipality.as_str())
            .bind(count.source.as_str())
            .bind(i32::from(key.year.number()))
            .bind(i64::from(count.families))
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    Ok(())
}

pub(super) async fn is_published(conn: &mut Conn<'_>, key: FiguresKey) -> Result<bool, StoreError> {
    const SQL: &str =
        "SELECT COUNT(*) FROM statistics_release WHERE municipality = $1 AND year = $2";
    let rows: i64 = on_conn!(conn, |db| sqlx::query_scalar(SQL)
        .bind(key.municipality.as_str())
        .bind(i32::from(key.year.number()))
        .fetch_one(&mut **db)
        .await?);
    Ok(rows > 0)
}

pub(super) async fn insert(conn: &mut Conn<'_>, row: &FiguresRow) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO statistics_release (id, municipality, year, body, sha256, sealed_ms) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(row.id.uuid())
        .bind(row.key.municipality.as_str())
        .bind(i32::from(row.key.year.number()))
        .bind(row.body.as_str())
        .bind(row.sha256.as_slice())
        .bind(row.sealed_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

macro_rules! figures_of {
    ($row:expr) => {{
        let row = $row;
        let municipality: String = row.try_get("municipality")?;
        let year: i32 = row.try_get("year")?;
        let sha256: Vec<u8> = row.try_get("sha256")?;
        let year = i16::try_from(year).ok().and_then(|year| Year::parse(year).ok());
        Ok::<_, StoreError>(FiguresRow {
            id: StatisticsReleaseId::from_uuid(row.try_get("id")?),
            key: FiguresKey {
                municipality: Municipality::parse(&municipality)
                    .or(Err(StoreError::Corrupt("municipality")))?,
                year: year.ok_or(StoreError::Corrupt("year"))?,
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
    const SQL: &str = "SELECT id, municipality, year, body, sha256, sealed_ms FROM statistics_release \
        WHERE id = $1";
    on_db!(pool, |db| {
        let row = sqlx::query(SQL).bind(id.uuid()).fetch_optional(db).await?;
        row.map(|row| figures_of!(&row)).transpose()
    })
}

/// All releases of one gemeente, oldest year first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list(pool: &Pool, municipality: Municipality) -> Result<Vec<FiguresRow>, StoreError> {
    const SQL: &str = "SELECT id, municipality, year, body, sha256, sealed_ms FROM statistics_release \
        WHERE municipality = $1 ORDER BY year";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(municipality.as_str())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| figures_of!(row))
        .collect())
}
