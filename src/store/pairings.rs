//! Rows of pairings and their evaluations: dates and codes; a note is sealed.

use crate::domain::pairing::{
    EndReason, NextForm, PairingState, PlacementAvoided, ProfessionalHelp, SocialContacts,
};
use crate::domain::partner::Slug;
use crate::ids::{CaseId, EvaluationId, PairingId, PartnerId, SupportFamilyId};
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;
use uuid::Uuid;

/// A pairing. Instants are milliseconds since the epoch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PairingRow {
    /// Id.
    pub id: PairingId,
    /// The family's case.
    pub case: CaseId,
    /// The support family.
    pub support_family: SupportFamilyId,
    /// Where it stands.
    pub state: PairingState,
    /// How many children take part.
    pub children: i32,
    /// When the families were introduced.
    pub introduced_ms: i64,
    /// When the trial began.
    pub trial_ms: Option<i64>,
    /// When it ends.
    pub trial_until_ms: Option<i64>,
    /// Whether it was extended.
    pub extended: bool,
    /// When they went on.
    pub paired_ms: Option<i64>,
    /// When the next evaluation is due.
    pub evaluate_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// Why.
    pub end_reason: Option<EndReason>,
    /// Where the children live after it.
    pub next_form: Option<NextForm>,
    /// When it changed last.
    pub changed_ms: i64,
    /// Counts changes, from 1.
    pub version: i32,
}

/// An evaluation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EvaluationRow {
    /// Id.
    pub id: EvaluationId,
    /// Of which pairing.
    pub pairing: PairingId,
    /// What became of professional help.
    pub professional_help: ProfessionalHelp,
    /// Whether the family's network grew.
    pub network_extended: bool,
    /// What became of the child's social contacts.
    pub social_contacts: SocialContacts,
    /// The family's grade, in tenths: 10 to 100.
    pub grade: i32,
    /// Whether a placement was avoided.
    pub placement_avoided: PlacementAvoided,
    /// What else was said, sealed.
    pub note: Option<Vec<u8>>,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

const CORRUPT: StoreError = StoreError::Corrupt("pairing term");

macro_rules! pairing_of {
    ($row:expr) => {{
        let row = $row;
        let reason: Option<String> = row.try_get("end_reason")?;
        let form: Option<String> = row.try_get("next_form")?;
        Ok::<_, StoreError>(PairingRow {
            id: PairingId::from_uuid(row.try_get("id")?),
            case: CaseId::from_uuid(row.try_get("case_id")?),
            support_family: SupportFamilyId::from_uuid(row.try_get("support_family_id")?),
            state: PairingState::parse(&row.try_get::<String, _>("state")?).or(Err(CORRUPT))?,
            children: row.try_get("children")?,
            introduced_ms: row.try_get("introduced_ms")?,
            trial_ms: row.try_get("trial_ms")?,
            trial_until_ms: row.try_get("trial_until_ms")?,
            extended: row.try_get::<i32, _>("extended")? == 1,
            paired_ms: row.try_get("paired_ms")?,
            evaluate_ms: row.try_get("evaluate_ms")?,
            ended_ms: row.try_get("ended_ms")?,
            end_reason: reason.map(|text| EndReason::parse(&text)).transpose().or(Err(CORRUPT))?,
            next_form: form.map(|text| NextForm::parse(&text)).transpose().or(Err(CORRUPT))?,
            changed_ms: row.try_get("changed_ms")?,
            version: row.try_get("version")?,
        })
    }};
}

macro_rules! select_pairing {
    ($rest:literal) => {
        concat!(
            "SELECT id, case_id, support_family_id, state, children, introduced_ms, trial_ms, ",
            "trial_until_ms, extended, paired_ms, evaluate_ms, ended_ms, end_reason, next_form, ",
            "changed_ms, version FROM pairing ",
            $rest
        )
    };
}

/// The pairing asked for, or where there is none of this id another in its place, whose id says so.
pub(super) async fn read(
    conn: &mut Conn<'_>,
    id: PairingId,
) -> Result<Option<PairingRow>, StoreError> {
    const SQL: &str = select_pairing!(
        "WHERE id = COALESCE((SELECT id FROM pairing WHERE id = $1), \
         (SELECT id FROM pairing ORDER BY id LIMIT 1))"
    );
    on_conn!(conn, |db| {
        let row = sqlx::query(SQL).bind(id.uuid()).fetch_optional(&mut **db).await?;
        row.map(|row| pairing_of!(&row)).transpose()
    })
}

/// The pairings of a case, oldest first, inside the transaction.
pub(super) async fn read_of_case(
    conn: &mut Conn<'_>,
    case: CaseId,
) -> Result<Vec<PairingRow>, StoreError> {
    const SQL: &str = select_pairing!("WHERE case_id = $1 ORDER BY introduced_ms, id");
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(case.uuid())
        .fetch_all(&mut **db)
        .await?
        .iter()
        .map(|row| pairing_of!(row))
        .collect())
}

/// How many living pairings a support family has, inside the transaction.
pub(super) async fn living_of_support(
    conn: &mut Conn<'_>,
    id: SupportFamilyId,
) -> Result<i64, StoreError> {
    const SQL: &str =
        "SELECT COUNT(*) FROM pairing WHERE support_family_id = $1 AND state <> 'ended'";
    Ok(on_conn!(conn, |db| sqlx::query_scalar(SQL).bind(id.uuid()).fetch_one(&mut **db).await?))
}

/// The pairings of a case, oldest first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn of_case(pool: &Pool, case: CaseId) -> Result<Vec<PairingRow>, StoreError> {
    const SQL: &str = select_pairing!("WHERE case_id = $1 ORDER BY introduced_ms, id");
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(case.uuid())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| pairing_of!(row))
        .collect())
}

/// The case of a pairing; the nil id, which is no case, where there is no such pairing.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn case_of(pool: &Pool, id: PairingId) -> Result<CaseId, StoreError> {
    const SQL: &str = "SELECT case_id FROM pairing WHERE id = $1";
    let found: Option<Uuid> =
        on_db!(pool, |db| sqlx::query_scalar(SQL).bind(id.uuid()).fetch_optional(db).await?);
    Ok(CaseId::from_uuid(found.unwrap_or_default()))
}

/// The living pairings of the cases one coordinator holds, oldest first: read at once for a list.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn of_coordinator(
    pool: &Pool,
    organisation: PartnerId,
    coordinator: &Slug,
) -> Result<Vec<PairingRow>, StoreError> {
    const SQL: &str = select_pairing!(
        "WHERE case_id IN (SELECT id FROM case_file WHERE organisation_id = $1 AND assignee = $2) \
         AND state <> 'ended' ORDER BY introduced_ms, id"
    );
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(organisation.uuid())
        .bind(coordinator.as_str())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| pairing_of!(row))
        .collect())
}

/// The pairings of an organisation's support families that can be proposed, oldest first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn of_available(
    pool: &Pool,
    organisation: PartnerId,
) -> Result<Vec<PairingRow>, StoreError> {
    const SQL: &str = select_pairing!(
        "WHERE support_family_id IN (SELECT id FROM support_family \
         WHERE organisation_id = $1 AND state = 'available') ORDER BY introduced_ms, id"
    );
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(organisation.uuid())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| pairing_of!(row))
        .collect())
}

/// Writes a new pairing.
pub(super) async fn insert(conn: &mut Conn<'_>, row: &PairingRow) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO pairing (id, case_id, support_family_id, state, children, \
        introduced_ms, extended, changed_ms, version) VALUES ($1, $2, $3, $4, $5, $6, 0, $6, 1)";
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(row.id.uuid())
        .bind(row.case.uuid())
        .bind(row.support_family.uuid())
        .bind(row.state.as_str())
        .bind(row.children)
        .bind(row.introduced_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

/// Writes where a pairing stands now. `row.version` is the one it gets: nothing is written over another's
/// change.
pub(super) async fn change(conn: &mut Conn<'_>, row: &PairingRow) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE pairing SET state = $2, trial_ms = $3, trial_until_ms = $4, \
        extended = $5, paired_ms = $6, evaluate_ms = $7, ended_ms = $8, end_reason = $9, \
        next_form = $10, changed_ms = $11, version = $12 WHERE id = $1 AND version = $12 - 1";
    let changed = on_conn!(conn, |db| sqlx::query(SQL)
        .bind(row.id.uuid())
        .bind(row.state.as_str())
        .bind(row.trial_ms)
        .bind(row.trial_until_ms)
        .bind(i32::from(row.extended))
        .bind(row.paired_ms)
        .bind(row.evaluate_ms)
        .bind(row.ended_ms)
        .bind(row.end_reason.map(EndReason::as_str))
        .bind(row.next_form.map(NextForm::as_str))
        .bind(row.changed_ms)
        .bind(row.version)
        .execute(&mut **db)
        .await?
        .rows_affected());
    if changed == 1 { Ok(()) } else { Err(StoreError::Constraint) }
}

/// Writes an evaluation.
pub(super) async fn insert_evaluation(
    conn: &mut Conn<'_>,
    row: &EvaluationRow,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO evaluation (id, pairing_id, professional_help, network_extended, \
        social_contacts, grade, placement_avoided, note, at_ms) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    on_conn!(conn, |db| sqlx::query(SQL)
        .bind(row.id.uuid())
        .bind(row.pairing.uuid())
        .bind(row.professional_help.as_str())
        .bind(i32::from(row.network_extended))
        .bind(row.social_contacts.as_str())
        .bind(row.grade)
        .bind(row.placement_avoided.as_str())
        .bind(row.note.as_deref())
        .bind(row.at_ms)
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(())
}

/// The evaluations of a pairing, oldest first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn evaluations(
    pool: &Pool,
    pairing: PairingId,
) -> Result<Vec<EvaluationRow>, StoreError> {
    const SQL: &str = "SELECT id, professional_help, network_extended, social_contacts, grade, \
        placement_avoided, note, at_ms FROM evaluation WHERE pairing_id = $1 ORDER BY at_ms, id";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(pairing.uuid())
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| {
            let text = |column: &str| row.try_get::<String, _>(column);
            Ok(EvaluationRow {
                id: EvaluationId::from_uuid(row.try_get("id")?),
                pairing,
                professional_help: ProfessionalHelp::parse(&text("professional_help")?)
                    .or(Err(CORRUPT))?,
                network_extended: row.try_get::<i32, _>("network_extended")? == 1,
                social_contacts: SocialContacts::parse(&text("social_contacts")?)
                    .or(Err(CORRUPT))?,
                grade: row.try_get("grade")?,
                placement_avoided: PlacementAvoided::parse(&text("placement_avoided")?)
                    .or(Err(CORRUPT))?,
                note: row.try_get("note")?,
                at_ms: row.try_get("at_ms")?,
            })
        })
        .collect())
}
