//! How the programme goes, counted from the rows: pairings, support families, referrals. No identity is read.
//!
//! For the organisation itself, beside what was agreed on; and for the scenario, which holds it against what was published. Absent: protection; what leaves for a gemeente is
//! `crate::statistics`.

use crate::domain::municipality::Municipality;
use crate::ids::{CaseId, PartnerId};
use crate::store::pool::on_db;
use crate::store::{Pool, StoreError};
use sqlx::Row;
use std::collections::BTreeMap;

/// A pairing that went on after its trial.
#[derive(Clone, Debug)]
pub struct Paired {
    /// Of which case.
    pub case: CaseId,
    /// Gemeente of the family, CBS code.
    pub municipality: String,
    /// In which capacity it was referred.
    pub source: String,
    /// Composition of the household.
    pub composition: String,
    /// Children who take part.
    pub children: usize,
    /// When the families were introduced, in milliseconds since the epoch.
    pub introduced_ms: i64,
    /// When they went on, in milliseconds since the epoch.
    pub paired_ms: i64,
}

/// What an organisation did in a gemeente between two instants.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Done {
    /// Pairings that went on after their trial.
    pub pairings: i64,
    /// Children who take part in those.
    pub children: i64,
    /// Support families that registered.
    pub support_families: i64,
    /// Families that were referred.
    pub referred: i64,
}

/// Counts what an organisation did in a gemeente, from one instant up to another, in milliseconds since the epoch.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn done(
    pool: &Pool,
    organisation: PartnerId,
    municipality: Municipality,
    (from_ms, until_ms): (i64, i64),
) -> Result<Done, StoreError> {
    const SQL: &str = "SELECT \
        (SELECT COUNT(*) FROM pairing p JOIN case_file c ON c.id = p.case_id \
            WHERE c.organisation_id = $1 AND c.municipality = $2 \
            AND p.paired_ms >= $3 AND p.paired_ms < $4) AS pairings, \
        (SELECT CAST(COALESCE(SUM(p.children), 0) AS BIGINT) FROM pairing p \
            JOIN case_file c ON c.id = p.case_id \
            WHERE c.organisation_id = $1 AND c.municipality = $2 \
            AND p.paired_ms >= $3 AND p.paired_ms < $4) AS children, \
        (SELECT COUNT(*) FROM support_family WHERE organisation_id = $1 AND municipality = $2 \
            AND registered_ms >= $3 AND registered_ms < $4) AS support_families, \
        (SELECT COUNT(*) FROM case_file WHERE organisation_id = $1 AND municipality = $2 \
            AND received_ms >= $3 AND received_ms < $4) AS referred";
    on_db!(pool, |db| {
        let query = sqlx::query(SQL).bind(organisation.uuid()).bind(municipality.as_str());
        let row = query.bind(from_ms).bind(until_ms).fetch_one(db).await?;
        Ok(Done {
            pairings: row.try_get("pairings")?,
            children: row.try_get("children")?,
            support_families: row.try_get("support_families")?,
            referred: row.try_get("referred")?,
        })
    })
}

/// Pairings that went on after their trial, in order of that.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn paired(pool: &Pool) -> Result<Vec<Paired>, StoreError> {
    const SQL: &str = "SELECT p.case_id, c.municipality, c.source, c.composition, p.children, \
        p.introduced_ms, p.paired_ms FROM pairing p JOIN case_file c ON c.id = p.case_id \
        WHERE p.paired_ms IS NOT NULL ORDER BY p.paired_ms, p.id";
    on_db!(pool, |db| sqlx::query(SQL)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let children: i32 = row.try_get("children")?;
            Ok(Paired {
                case: CaseId::from_uuid(row.try_get("case_id")?),
                municipality: row.try_get("municipality")?,
                source: row.try_get("source")?,
                composition: row.try_get("composition")?,
                children: usize::try_from(children).or(Err(StoreError::Corrupt("pairing")))?,
                introduced_ms: row.try_get("introduced_ms")?,
                paired_ms: row.try_get("paired_ms")?,
            })
        })
        .collect())
}

/// Support families that ever registered, by gemeente.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn support_families(pool: &Pool) -> Result<BTreeMap<String, usize>, StoreError> {
    const SQL: &str = "SELECT municipality, COUNT(*) AS number FROM support_family \
        GROUP BY municipality ORDER BY municipality";
    by_municipality(pool, SQL).await
}

/// Families that were referred, by gemeente.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn referred(pool: &Pool) -> Result<BTreeMap<String, usize>, StoreError> {
    const SQL: &str = "SELECT municipality, COUNT(*) AS number FROM case_file \
        GROUP BY municipality ORDER BY municipality";
    by_municipality(pool, SQL).await
}

async fn by_municipality(
    pool: &Pool,
    sql: &'static str,
) -> Result<BTreeMap<String, usize>, StoreError> {
    on_db!(pool, |db| sqlx::query(sql)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let number: i64 = row.try_get("number")?;
            let number = usize::try_from(number).or(Err(StoreError::Corrupt("count")))?;
            Ok((row.try_get("municipality")?, number))
        })
        .collect())
}
