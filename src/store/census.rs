//! Rows that must have their entry in the ledger, read whole for `buurtpoort audit reconcile`.
//!
//! Invariant: nothing is left out; a row that cannot be read is an error. Absent: sealed content other than
//! the facts, which say the ledger's name for a case.

use crate::ids::{CaseId, PartnerId, ReferralId};
use crate::store::pool::on_db;
use crate::store::{Pool, StoreError};
use sqlx::Row;
use std::collections::HashMap;

/// What the tables say beside the cases themselves.
#[derive(Debug, Default)]
pub struct Census {
    /// Assignments by case: coordinator and who assigned, in order of their version.
    pub assignments: HashMap<CaseId, Vec<Assigned>>,
    /// Releases by case.
    pub releases: HashMap<CaseId, Vec<Released>>,
    /// Number of pairings by case.
    pub pairings: HashMap<CaseId, usize>,
    /// Referrals.
    pub referrals: HashMap<ReferralId, Sent>,
    /// Number of cases.
    pub cases: u64,
    /// Number of published figures.
    pub figures: u64,
}

/// One assignment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Assigned {
    /// Counts from 1.
    pub version: i32,
    /// To whom: account name.
    pub coordinator: String,
    /// By whom: an account, or `territory`.
    pub by: String,
}

/// One referral.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// The case it became.
    pub case: CaseId,
    /// Who sent it.
    pub partner: PartnerId,
    /// How it stands.
    pub status: String,
}

/// One release.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Released {
    /// To whom: account name.
    pub person: String,
    /// For what.
    pub purpose: String,
    /// Names of the field groups.
    pub groups: Vec<String>,
}

/// Reads all of it.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn take(pool: &Pool) -> Result<Census, StoreError> {
    const CASES: &str = "SELECT COUNT(*) FROM case_file";
    const FIGURES: &str = "SELECT COUNT(*) FROM figures_release";
    let (cases, figures): (i64, i64) = on_db!(pool, |db| {
        let cases = sqlx::query_scalar(CASES).fetch_one(db).await?;
        (cases, sqlx::query_scalar(FIGURES).fetch_one(db).await?)
    });
    Ok(Census {
        assignments: assignments(pool).await?,
        releases: releases(pool).await?,
        pairings: pairings(pool).await?,
        referrals: referrals(pool).await?,
        cases: u64::try_from(cases).unwrap_or_default(),
        figures: u64::try_from(figures).unwrap_or_default(),
    })
}

async fn assignments(pool: &Pool) -> Result<HashMap<CaseId, Vec<Assigned>>, StoreError> {
    const SQL: &str = "SELECT case_id, version, coordinator, assigned_by FROM assignment \
        ORDER BY case_id, version";
    let mut found: HashMap<CaseId, Vec<Assigned>> = HashMap::new();
    on_db!(pool, |db| {
        for row in sqlx::query(SQL).fetch_all(db).await? {
            let assigned = Assigned {
                version: row.try_get("version")?,
                coordinator: row.try_get("coordinator")?,
                by: row.try_get("assigned_by")?,
            };
            found.entry(CaseId::from_uuid(row.try_get("case_id")?)).or_default().push(assigned);
        }
    });
    Ok(found)
}

async fn releases(pool: &Pool) -> Result<HashMap<CaseId, Vec<Released>>, StoreError> {
    const SQL: &str = "SELECT case_id, person, purpose, field_groups FROM identity_release";
    let mut found: HashMap<CaseId, Vec<Released>> = HashMap::new();
    on_db!(pool, |db| {
        for row in sqlx::query(SQL).fetch_all(db).await? {
            let groups: String = row.try_get("field_groups")?;
            let released = Released {
                person: row.try_get("person")?,
                purpose: row.try_get("purpose")?,
                groups: groups.split_whitespace().map(str::to_owned).collect(),
            };
            found.entry(CaseId::from_uuid(row.try_get("case_id")?)).or_default().push(released);
        }
    });
    Ok(found)
}

async fn referrals(pool: &Pool) -> Result<HashMap<ReferralId, Sent>, StoreError> {
    const SQL: &str = "SELECT id, partner_id, case_id, status FROM referral";
    let mut found = HashMap::new();
    on_db!(pool, |db| {
        for row in sqlx::query(SQL).fetch_all(db).await? {
            let sent = Sent {
                case: CaseId::from_uuid(row.try_get("case_id")?),
                partner: PartnerId::from_uuid(row.try_get("partner_id")?),
                status: row.try_get("status")?,
            };
            found.insert(ReferralId::from_uuid(row.try_get("id")?), sent);
        }
    });
    Ok(found)
}

async fn pairings(pool: &Pool) -> Result<HashMap<CaseId, usize>, StoreError> {
    const SQL: &str = "SELECT case_id FROM pairing";
    let mut found: HashMap<CaseId, usize> = HashMap::new();
    let cases: Vec<uuid::Uuid> = on_db!(pool, |db| sqlx::query_scalar(SQL).fetch_all(db).await?);
    for case in cases {
        *found.entry(CaseId::from_uuid(case)).or_default() += 1;
    }
    Ok(found)
}
