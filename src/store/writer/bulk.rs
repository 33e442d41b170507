//! The rows of one group on their way in, and what its questions find.
//!
//! For the writer alone. Invariant: a question sees what earlier requests of its group wrote.

use super::{Found, FoundSupport, Question};
use crate::ids::CaseId;
use crate::store::cases;
use crate::store::effect::Rows;
use crate::store::idempotency::{self, Remembered, Scope};
use crate::store::pool::Conn;
use crate::store::referrals::{self, AcceptedReferral};
use crate::store::{
    StoreError, access, approvals, figures, identities, keys, links, pairings, partners, reports,
    support_families,
};
use std::collections::{BTreeSet, HashMap};

/// Rows of new referrals wait here and go in with one statement a table.
#[derive(Default)]
pub(super) struct Bulk {
    accepted: Vec<AcceptedReferral>,
    remembered: Vec<idempotency::IdempotencyRow>,
    outbox: Vec<referrals::OutboxRow>,
    assignments: Vec<cases::AssignmentRow>,
}

impl Bulk {
    /// Keeps what can wait, writes what is a change of one row.
    pub(super) async fn take(&mut self, conn: &mut Conn<'_>, rows: Rows) -> Result<(), StoreError> {
        rights(conn, &rows).await?;
        programme(conn, &rows).await?;
        self.accepted.extend(rows.accepted.map(|accepted| *accepted));
        self.remembered.extend(rows.idempotency);
        self.outbox.extend(rows.outbox);
        self.assignments.extend(rows.assignment);
        if let Some(change) = rows.case {
            cases::change(conn, &change).await?;
        }
        if let Some(facts) = rows.facts {
            cases::write_facts(conn, &facts).await?;
        }
        if let Some(change) = rows.referral {
            referrals::change(conn, &change).await?;
        }
        if let Some(release) = rows.release {
            cases::insert_release(conn, &release).await?;
        }
        if let Some(figures) = rows.figures {
            figures::insert(conn, &figures).await?;
        }
        Ok(())
    }

    pub(super) async fn flush(&mut self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        let keks: BTreeSet<i32> = self.accepted.iter().map(|new| new.key.kek_version).collect();
        for kek in keks {
            // Refused for now: by the next try this process has seen the key that took its place.
            keys::is_there(conn, kek).await?.then_some(()).ok_or(StoreError::Busy)?;
        }
        referrals::insert(conn, &self.accepted).await?;
        cases::insert_assignments(conn, &self.assignments).await?;
        idempotency::insert(conn, &self.remembered).await?;
        referrals::insert_outbox(conn, &self.outbox).await?;
        *self = Self::default();
        Ok(())
    }
}

/// What a family asked of what is kept of it, and what was decided about it.
async fn rights(conn: &mut Conn<'_>, rows: &Rows) -> Result<(), StoreError> {
    if let Some((case, at_ms)) = rows.erase {
        cases::erase(conn, case, at_ms).await?;
    }
    if let Some(id) = rows.erase_support {
        support_families::erase(conn, id).await?;
    }
    if let Some((case, at_ms)) = rows.object {
        cases::object(conn, case, at_ms).await?;
    }
    if let Some(access) = &rows.access {
        access::insert(conn, access).await?;
    }
    if let Some((id, at_ms)) = rows.access_answered {
        access::answer(conn, id, at_ms).await?;
    }
    if let Some(correction) = &rows.correction {
        identities::correct(conn, correction).await?;
    }
    if let Some(link) = &rows.link {
        links::insert(conn, link).await?;
    }
    Ok(())
}

/// Support families, pairings and reports.
async fn programme(conn: &mut Conn<'_>, rows: &Rows) -> Result<(), StoreError> {
    if let Some(new) = &rows.support {
        let kek = new.row.key.as_ref().map(|key| key.kek_version).unwrap_or_default();
        keys::is_there(conn, kek).await?.then_some(()).ok_or(StoreError::Busy)?;
        support_families::insert(conn, new).await?;
    }
    if let Some(change) = &rows.support_change {
        support_families::change(conn, change).await?;
    }
    if let Some(report) = &rows.report {
        reports::insert(conn, report).await?;
    }
    if let Some(approval) = &rows.approval {
        approvals::insert(conn, approval).await?;
    }
    if let Some(release) = &rows.support_release {
        support_families::insert_release(conn, release).await?;
    }
    if let Some(pairing) = &rows.pairing {
        pairings::insert(conn, pairing).await?;
    }
    if let Some(pairing) = &rows.pairing_change {
        pairings::change(conn, pairing).await?;
    }
    if let Some(evaluation) = &rows.evaluation {
        pairings::insert_evaluation(conn, evaluation).await?;
    }
    Ok(())
}

/// Reads what a question asks. What earlier requests of the group wrote is flushed first, so that it
/// is seen.
pub(super) async fn look_up(
    conn: &mut Conn<'_>,
    question: &Question,
    remembered: &HashMap<Scope, Remembered>,
    bulk: &mut Bulk,
) -> Result<Found, StoreError> {
    let mut found = Found {
        remembered: question.idempotency.and_then(|key| remembered.get(&key).cloned()),
        ..Found::default()
    };
    if question.case.is_some() || question.referral.is_some() || question.pairing.is_some() {
        bulk.flush(conn).await?;
    }
    let (of_pairing, is_paired) = look_up_pairing(conn, question, &mut found).await?;
    let referral = match question.referral {
        Some(id) => referrals::read(conn, id).await?,
        None => None,
    };
    // What is not there is read in another's place, so that the same is read of both.
    let (of_referral, is_it) =
        referral.as_ref().map_or((None, true), |r| (Some(r.case), Some(r.id) == question.referral));
    if let Some(id) = question.case.or(of_referral).or(of_pairing) {
        match cases::read(conn, id).await? {
            cases::Read::It(row) if is_it && is_paired => found.case = Some(*row),
            cases::Read::It(row) | cases::Read::Another(row) => found.instead = Some(row),
            cases::Read::None => {}
        }
    }
    found.referral = referral.filter(|_| is_it);
    let read = found.case.as_ref().or(found.instead.as_deref());
    if let (true, Some(case)) = (question.pairings, read) {
        let pairings = pairings::read_of_case(conn, case.id).await?;
        let origin = referrals::read(conn, case.referral).await?;
        if found.case.is_some() {
            (found.pairings, found.origin) = (pairings, origin);
        }
    }
    if let (Some(other), Some(case)) = (question.other, read) {
        found.common = links::common(conn, case.id, other).await?;
        found.other = match cases::read(conn, other).await? {
            cases::Read::It(row) | cases::Read::Another(row) => Some(row),
            cases::Read::None => None,
        };
    }
    if let Some(known) = question.register {
        found.register_moved = partners::version_on(conn).await? != known;
    }
    if let Some(key) = &question.report {
        found.report = reports::last(conn, key).await?;
    }
    if let Some(key) = &question.figures {
        found.published = figures::is_published(conn, key).await?;
    }
    Ok(found)
}

/// Reads a pairing and the support family asked for, or that of the pairing. Gives the case of the pairing
/// that was read, and whether it is the one that was asked for.
async fn look_up_pairing(
    conn: &mut Conn<'_>,
    question: &Question,
    found: &mut Found,
) -> Result<(Option<CaseId>, bool), StoreError> {
    let pairing = match question.pairing {
        Some(id) => pairings::read(conn, id).await?,
        None => None,
    };
    let is_it = question.pairing.is_none() || pairing.as_ref().map(|p| p.id) == question.pairing;
    let case = pairing.as_ref().map(|pairing| pairing.case);
    let support = question.support.or(pairing.as_ref().map(|pairing| pairing.support_family));
    if let Some(id) = support {
        let row = support_families::read(conn, id).await?;
        let (paired_with, living) = (
            support_families::paired_with(conn, id).await?,
            pairings::living_of_support(conn, id).await?,
        );
        match row {
            Some(row) if row.id == id && is_it => {
                found.support = Some(FoundSupport { row, paired_with, living });
            }
            other => found.support_instead = other,
        }
    }
    found.pairing = pairing.filter(|_| is_it);
    Ok((case, is_it))
}
