//! Rows by which a family that was referred twice is known again, and what was decided about it.
//!
//! A tag is keyed and exact (`crate::crypto`, `crate::domain::likeness`): it says that two cases share a feature of
//! one kind, and nothing of the feature. They come in with the referral, side by side in its row, and are
//! spread over their own table afterwards by the gateway ([`spread`]), the same for every referral: how long
//! an answer takes does not depend on whether a family is known.

use crate::domain::likeness::{Evidence, LinkDecision};
use crate::domain::partner::Slug;
use crate::ids::{CaseId, PartnerId};
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use serde_json::json;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Bytes of a kind and its tag.
const ONE: usize = 17;
/// Most tags a case has: more than five persons come to.
const LONGEST: usize = 128;
/// Cases spread in one commit: few, as the writer waits meanwhile.
const BATCH: i64 = 25;

/// Puts kinds and tags side by side, as they are kept.
#[must_use]
pub fn pack(tags: &[(Evidence, [u8; 16])]) -> Vec<u8> {
    tags.iter().flat_map(|(kind, tag)| std::iter::once(kind.number()).chain(*tag)).collect()
}

fn unpack(packed: &[u8]) -> BTreeSet<(u8, [u8; 16])> {
    let (all, _) = packed.as_chunks::<ONE>();
    let one = |bytes: &[u8; ONE]| {
        let (kind, tag) = bytes.split_first()?;
        Some((*kind, tag.try_into().ok()?))
    };
    all.iter().filter_map(one).collect()
}

/// Spreads the tags of a few cases over their table. Gives how many cases that were; none are left when it is
/// fewer than asked for at once.
///
/// # Errors
/// [`StoreError`] when they cannot be written; none are then.
pub async fn spread(pool: &Pool) -> Result<u64, StoreError> {
    match pool {
        Pool::Sqlite { write, .. } => {
            let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
            let done = spread_some(&mut Conn::Sqlite(&mut tx)).await?;
            tx.commit().await?;
            Ok(done)
        }
        Pool::Postgres(db) => {
            let mut tx = db.begin().await?;
            let done = spread_some(&mut Conn::Postgres(&mut tx)).await?;
            tx.commit().await?;
            Ok(done)
        }
    }
}

/// Whether any tags wait to be spread: asked first, so that a gateway at rest takes no lock.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn wait(pool: &Pool) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM case_file WHERE linked = 0 LIMIT 1";
    Ok(on_db!(pool, |db| sqlx::query(SQL).fetch_optional(db).await?.is_some()))
}

async fn spread_some(conn: &mut Conn<'_>) -> Result<u64, StoreError> {
    const SQLITE: &str = "SELECT id, tags FROM case_file WHERE linked = 0 \
        ORDER BY received_ms, id LIMIT $1";
    const POSTGRES: &str = "SELECT id, tags FROM case_file WHERE linked = 0 \
        ORDER BY received_ms, id LIMIT $1 FOR UPDATE SKIP LOCKED";
    const INSERT_SQLITE: &str = "INSERT INTO linkage_tag (tag, case_id, kind) \
        SELECT substr($2, key * 17 + 2, 16), $1, value FROM json_each($3) WHERE true \
        ON CONFLICT DO NOTHING";
    const INSERT_POSTGRES: &str = "INSERT INTO linkage_tag (tag, case_id, kind) \
        SELECT substr($2::bytea, (place::int - 1) * 17 + 2, 16), $1, value::int \
        FROM jsonb_array_elements_text($3::jsonb) WITH ORDINALITY AS kinds (value, place) \
        ON CONFLICT DO NOTHING";
    const DONE: &str = "UPDATE case_file SET linked = 1 WHERE id = $1";
    let (select, insert) = match conn {
        Conn::Sqlite(_) => (SQLITE, INSERT_SQLITE),
        Conn::Postgres(_) => (POSTGRES, INSERT_POSTGRES),
    };
    on_conn!(conn, |db| {
        let rows = sqlx::query(select).bind(BATCH).fetch_all(&mut **db).await?;
        for row in &rows {
            let (id, tags): (Uuid, Option<Vec<u8>>) = (row.try_get("id")?, row.try_get("tags")?);
            if let Some(tags) = tags {
                let kinds: Vec<_> = tags.iter().step_by(ONE).collect();
                sqlx::query(insert)
                    .bind(id)
                    .bind(tags.as_slice())
                    .bind(json!(kinds).to_string())
                    .execute(&mut **db)
                    .await?;
            }
            sqlx::query(DONE).bind(id).execute(&mut **db).await?;
        }
        Ok(u64::try_from(rows.len()).unwrap_or_default())
    })
}

/// Another case with which one has something in common.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which.
    pub case: CaseId,
    /// Who holds it.
    pub assignee: Option<Slug>,
    /// What they have in common.
    pub common: BTreeSet<Evidence>,
    /// What was decided last.
    pub decision: LinkDecision,
}

/// Cases of an organisation with which one of its cases has something in common, in the order of their ids.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn candidates(
    pool: &Pool,
    organisation: PartnerId,
    case: CaseId,
) -> Result<Vec<Candidate>, StoreError> {
    const SQLITE: &str = "SELECT c.id, c.assignee, t.kind FROM case_file own \
        JOIN json_each($3) place ON place.value < length(own.tags) / 17 \
        JOIN linkage_tag t ON t.tag = substr(own.tags, place.value * 17 + 2, 16) \
        JOIN case_file c ON c.id = t.case_id \
        WHERE own.id = $1 AND own.organisation_id = $2 AND c.id <> $1 \
        AND c.organisation_id = $2 AND c.erased_ms IS NULL";
    const POSTGRES: &str = "SELECT c.id, c.assignee, t.kind FROM case_file own \
        JOIN jsonb_array_elements_text($3::jsonb) place (value) \
        ON place.value::int < length(own.tags) / 17 \
        JOIN linkage_tag t ON t.tag = substr(own.tags, place.value::int * 17 + 2, 16) \
        JOIN case_file c ON c.id = t.case_id \
        WHERE own.id = $1 AND own.organisation_id = $2 AND c.id <> $1 \
        AND c.organisation_id = $2 AND c.erased_ms IS NULL";
    let sql = match pool {
        Pool::Sqlite { .. } => SQLITE,
        Pool::Postgres(_) => POSTGRES,
    };
    let places = json!((0..LONGEST).collect::<Vec<usize>>()).to_string();
    let decisions = decisions(pool, case).await?;
    let mut found: BTreeMap<CaseId, Candidate> = BTreeMap::new();
    on_db!(pool, |db| {
        let query = sqlx::query(sql).bind(case.uuid()).bind(organisation.uuid()).bind(places);
        for row in query.fetch_all(db).await? {
            let case = CaseId::from_uuid(row.try_get("id")?);
            let assignee: Option<String> = row.try_get("assignee")?;
            let assignee = assignee.map(|name| Slug::parse(&name)).transpose();
            let assignee = assignee.or(Err(StoreError::Corrupt("case_file.assignee")))?;
            let kind = u8::try_from(row.try_get::<i32, _>("kind")?).ok().and_then(Evidence::of);
            let kind = kind.ok_or(StoreError::Corrupt("linkage_tag.kind"))?;
            let decision = decisions.get(&case).copied().unwrap_or(LinkDecision::Open);
            let fresh = Candidate { case, assignee, common: BTreeSet::new(), decision };
            found.entry(case).or_insert(fresh).common.insert(kind);
        }
    });
    Ok(found.into_values().collect())
}

async fn decisions(
    pool: &Pool,
    case: CaseId,
) -> Result<BTreeMap<CaseId, LinkDecision>, StoreError> {
    const SQL: &str = "SELECT case_id, other_id, decision FROM linkage_decision \
        WHERE case_id = $1 OR other_id = $1 ORDER BY version";
    let mut last = BTreeMap::new();
    on_db!(pool, |db| {
        for row in sqlx::query(SQL).bind(case.uuid()).fetch_all(db).await? {
            let pair: (Uuid, Uuid) = (row.try_get("case_id")?, row.try_get("other_id")?);
            let other = if pair.0 == case.uuid() { pair.1 } else { pair.0 };
            let decision = LinkDecision::parse(&row.try_get::<String, _>("decision")?);
            let decision = decision.or(Err(StoreError::Corrupt("linkage_decision")))?;
            last.insert(CaseId::from_uuid(other), decision);
        }
    });
    Ok(last)
}

/// What two cases of one organisation have in common, inside a transaction. Nothing with itself.
pub(super) async fn common(
    conn: &mut Conn<'_>,
    case: CaseId,
    other: CaseId,
) -> Result<BTreeSet<Evidence>, StoreError> {
    const SQL: &str = "SELECT a.tags AS own, b.tags AS other FROM case_file a \
        JOIN case_file b ON b.organisation_id = a.organisation_id AND b.id <> a.id \
        WHERE a.id = $1 AND b.id = $2";
    let row = on_conn!(conn, |db| {
        let query = sqlx::query(SQL).bind(case.uuid()).bind(other.uuid());
        let row = query.fetch_optional(&mut **db).await?;
        row.map(|row| -> Result<_, StoreError> {
            let own: Option<Vec<u8>> = row.try_get("own")?;
            Ok((own, row.try_get::<Option<Vec<u8>>, _>("other")?))
        })
        .transpose()?
    });
    let Some((Some(own), Some(other))) = row else {
        return Ok(BTreeSet::new());
    };
    let (own, other) = (unpack(&own), unpack(&other));
    Ok(own.intersection(&other).filter_map(|(kind, _)| Evidence::of(*kind)).collect())
}

/// A decision about two cases.
#[derive(Clone, Debug)]
pub struct LinkRow {
    /// The case it was decided from.
    pub case: CaseId,
    /// The other one.
    pub other: CaseId,
    /// What.
    pub decision: LinkDecision,
    /// By whom.
    pub person: Slug,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

pub(super) async fn insert(conn: &mut Conn<'_>, link: &LinkRow) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO linkage_decision (case_id, other_id, version, decision, person, at_ms) \
        SELECT $1, $2, COALESCE(MAX(version), 0) + 1, $3, $4, $5 FROM linkage_decision \
        WHERE case_id = $1 AND other_id = $2";
    let (first, second) = (link.case.min(link.other), link.case.max(link.other));
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(first.uuid())
        .bind(second.uuid())
        .bind(link.decision.as_str())
        .bind(link.person.as_str())
        .bind(link.at_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

/// Removes the tags of a case that is erased, and what was asked and decided about it by name of a person.
pub(super) async fn erase(conn: &mut Conn<'_>, case: CaseId) -> Result<(), StoreError> {
    const TAGS: &str = "SELECT tags FROM case_file WHERE id = $1";
    const TAG: &str = "DELETE FROM linkage_tag WHERE tag = $1 AND case_id = $2";
    const CASE: &str = "UPDATE case_file SET tags = NULL, linked = 1 WHERE id = $1";
    const ABOUT: [&str; 3] = [
        "DELETE FROM linkage_decision WHERE case_id = $1 OR other_id = $1",
        "DELETE FROM access_request WHERE case_id = $1",
        "DELETE FROM deadline_notice WHERE case_id = $1",
    ];
    on_conn!(conn, |db| {
        let tags: Option<Vec<u8>> =
            sqlx::query_scalar(TAGS).bind(case.uuid()).fetch_one(&mut **db).await?;
        for (_, tag) in unpack(&tags.unwrap_or_default()) {
            let query = sqlx::query(TAG).bind(tag.as_slice()).bind(case.uuid());
            query.execute(&mut **db).await?;
        }
        sqlx::query(CASE).bind(case.uuid()).execute(&mut **db).await?;
        for sql in ABOUT {
            sqlx::query(sql).bind(case.uuid()).execute(&mut **db).await?;
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_back_as_they_were_put() {
        let tags = [(Evidence::Phone, [7; 16]), (Evidence::GivenName, [9; 16])];
        let packed = pack(&tags);
        assert_eq!(packed.len(), 2 * ONE);
        let back = unpack(&packed);
        assert!(tags.iter().all(|(kind, tag)| back.contains(&(kind.number(), *tag))));
        assert_eq!(unpack(&packed[..packed.len() - 1]).len(), 1);
        assert!(unpack(&[]).is_empty());
    }
}
