//! Rows by which a family that was referred twice is known again, and what was decided about it.
//!
//! A tag is keyed and exact (`crate::crypto`, `crate::domain::likeness`): it says that two cases share a feature of
//! one kind, and nothing of the feature. They come in with the referral, side by side in its row, and are compared when
//! a coordinator asks: a referral costs no index, and its answer takes as long whoever the family is.

use crate::domain::likeness::{Evidence, LinkDecision};
use crate::domain::partner::Slug;
use crate::ids::{CaseId, PartnerId};
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use futures_util::TryStreamExt;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use uuid::Uuid;

/// Bytes of a kind and its tag.
const ONE: usize = 17;

/// Puts kinds and tags side by side, as they are kept.
#[must_use]
pub fn pack(tags: &[(Evidence, [u8; 16])]) -> Vec<u8> {
    tags.iter().flat_map(|(kind, tag)| std::iter::once(kind.number()).chain(*tag)).collect()
}

/// Kinds and tags, each as it is kept.
type Tags = HashSet<[u8; ONE]>;

fn unpack(packed: &[u8]) -> Tags {
    packed.as_chunks::<ONE>().0.iter().copied().collect()
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
    const OWN: &str = "SELECT tags FROM case_file WHERE id = $1 AND organisation_id = $2";
    const OTHERS: &str = "SELECT id, assignee, tags FROM case_file WHERE organisation_id = $2 \
        AND id <> $1 AND tags IS NOT NULL AND erased_ms IS NULL ORDER BY id";
    let decisions = decisions(pool, case).await?;
    let mut found = Vec::new();
    on_db!(pool, |db| {
        let own = sqlx::query_scalar(OWN).bind(case.uuid()).bind(organisation.uuid());
        let own: Option<Option<Vec<u8>>> = own.fetch_optional(db).await?;
        let own = unpack(&own.flatten().unwrap_or_default());
        let mut rows = sqlx::query(OTHERS).bind(case.uuid()).bind(organisation.uuid()).fetch(db);
        while let Some(row) = rows.try_next().await? {
            let tags: Vec<u8> = row.try_get("tags")?;
            let common: BTreeSet<_> = common_of(&own, &tags).collect();
            if common.is_empty() {
                continue;
            }
            let assignee: Option<String> = row.try_get("assignee")?;
            let assignee = assignee.map(|name| Slug::parse(&name)).transpose();
            let case = CaseId::from_uuid(row.try_get("id")?);
            found.push(Candidate {
                case,
                assignee: assignee.or(Err(StoreError::Corrupt("case_file.assignee")))?,
                common,
                decision: decisions.get(&case).copied().unwrap_or(LinkDecision::Open),
            });
        }
    });
    Ok(found)
}

/// Kinds of the tags that stand among `own` too.
fn common_of<'a>(own: &'a Tags, tags: &'a [u8]) -> impl Iterator<Item = Evidence> + 'a {
    let (all, _) = tags.as_chunks::<ONE>();
    all.iter().filter(|one| own.contains(*one)).filter_map(|[kind, ..]| Evidence::of(*kind))
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
    Ok(common_of(&unpack(&own), &other).collect())
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
    const CASE: &str = "UPDATE case_file SET tags = NULL WHERE id = $1";
    const ABOUT: [&str; 3] = [
        "DELETE FROM linkage_decision WHERE case_id = $1 OR other_id = $1",
        "DELETE FROM access_request WHERE case_id = $1",
        "DELETE FROM deadline_notice WHERE case_id = $1",
    ];
    on_conn!(conn, |db| {
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
        assert_eq!(back.len(), 2);
        let common: Vec<_> = common_of(&back, &pack(&tags[1..])).collect();
        assert_eq!(common, [Evidence::GivenName]);
        assert_eq!(unpack(&packed[..packed.len() - 1]).len(), 1);
        assert!(unpack(&[]).is_empty());
    }
}
