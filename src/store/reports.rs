//! Rows of programme reports: counts by measure, every version that was sent.

use crate::domain::municipality::Municipality;
use crate::domain::period::Year;
use crate::domain::programme::Programme;
use crate::ids::{PartnerId, ReportId};
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;

/// Which report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReportKey {
    /// Who reports.
    pub partner: PartnerId,
    /// About what.
    pub programme: Programme,
    /// In which gemeente.
    pub municipality: Municipality,
    /// Of which quarter.
    pub period: String,
}

/// One version of a report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReportRow {
    /// Id.
    pub id: ReportId,
    /// Which report.
    pub key: ReportKey,
    /// Counts the versions, from 1.
    pub version: i32,
    /// Measures in order of their names; a grade in tenths.
    pub counts: Vec<(String, i64)>,
    /// Milliseconds since the epoch.
    pub received_ms: i64,
}

/// The last version of a report: its number and its counts.
pub(super) async fn last(
    conn: &mut Conn<'_>,
    key: &ReportKey,
) -> Result<Option<(i32, Vec<(String, i64)>)>, StoreError> {
    const REPORT: &str = "SELECT id, version FROM programme_report WHERE partner_id = $1 \
        AND programme = $2 AND municipality = $3 AND period = $4 ORDER BY version DESC LIMIT 1";
    const COUNTS: &str = "SELECT measure, value FROM programme_count WHERE report_id = $1 \
        ORDER BY measure";
    on_conn!(conn, |db| {
        let report = sqlx::query(REPORT)
            .bind(key.partner.uuid())
            .bind(key.programme.as_str())
            .bind(key.municipality.as_str())
            .bind(key.period.as_str())
            .fetch_optional(&mut **db)
            .await?;
        let Some(report) = report else { return Ok(None) };
        let (id, version): (uuid::Uuid, i32) = (report.try_get("id")?, report.try_get("version")?);
        let rows = sqlx::query(COUNTS).bind(id).fetch_all(&mut **db).await?;
        let count = |row: &_| Ok::<_, StoreError>((measure(row)?, value(row)?));
        let counts = rows.iter().map(count).collect::<Result<_, _>>()?;
        Ok(Some((version, counts)))
    })
}

/// What programmes reported of a gemeente and year, from a quarter on, by measure: the last versions of all partners and quarters, added up.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn of_year(
    pool: &Pool,
    municipality: Municipality,
    year: Year,
    from: &str,
) -> Result<Vec<(String, String, i64)>, StoreError> {
    const SQL: &str = "SELECT r.programme, c.measure, CAST(SUM(c.value) AS BIGINT) AS value FROM programme_report r \
        JOIN programme_count c ON c.report_id = r.id WHERE r.municipality = $1 AND r.period LIKE $2 AND r.period >= $3 \
        AND r.version = (SELECT MAX(o.version) FROM programme_report o WHERE o.partner_id = r.partner_id \
        AND o.programme = r.programme AND o.municipality = r.municipality AND o.period = r.period) \
        GROUP BY r.programme, c.measure";
    on_db!(pool, |db| {
        let query = sqlx::query(SQL).bind(municipality.as_str());
        let rows = query.bind(format!("{}Q%", year.number())).bind(from).fetch_all(db).await?;
        rows.iter().map(|row| Ok((row.try_get("programme")?, measure(row)?, value(row)?))).collect()
    })
}

fn measure<R: Row>(row: &R) -> Result<String, StoreError>
where
    for<'a> &'a str: sqlx::ColumnIndex<R>,
    for<'a> String: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
{
    Ok(row.try_get("measure")?)
}

fn value<R: Row>(row: &R) -> Result<i64, StoreError>
where
    for<'a> &'a str: sqlx::ColumnIndex<R>,
    for<'a> i64: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
{
    Ok(row.try_get("value")?)
}

/// Writes a version of a report with its counts.
pub(super) async fn insert(conn: &mut Conn<'_>, row: &ReportRow) -> Result<(), StoreError> {
    const REPORT: &str = "INSERT INTO programme_report (id, partner_id, programme, municipality, \
        period, version, received_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    const COUNT: &str =
        "INSERT INTO programme_count (report_id, measure, value) VALUES ($1, $2, $3)";
    on_conn!(conn, |db| {
        sqlx::query(REPORT)
            .bind(row.id.uuid())
            .bind(row.key.partner.uuid())
            .bind(row.key.programme.as_str())
            .bind(row.key.municipality.as_str())
            .bind(row.key.period.as_str())
            .bind(row.version)
            .bind(row.received_ms)
            .execute(&mut **db)
            .await?;
        for (measure, value) in &row.counts {
            sqlx::query(COUNT)
                .bind(row.id.uuid())
                .bind(measure.as_str())
                .bind(*value)
                .execute(&mut **db)
                .await?;
        }
    });
    Ok(())
}
