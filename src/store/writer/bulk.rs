//! The rows of one group on their way in, and what its questions find.
//!
//! For the writer alone. Invariant: a question sees what earlier requests of its group wrote.

use super::{Found, Question};
use crate::store::cases;
use crate::store::effect::Rows;
use crate::store::idempotency::{self, Remembered, Scope};
use crate::store::pool::Conn;
use crate::store::referrals::{self, AcceptedReferral};
use crate::store::{StoreError, figures, partners};
use std::collections::HashMap;

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
        referrals::insert(conn, &self.accepted).await?;
        cases::insert_assignments(conn, &self.assignments).await?;
        idempotency::insert(conn, &self.remembered).await?;
        referrals::insert_outbox(conn, &self.outbox).await?;
        *self = Self::default();
        Ok(())
    }
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
    if question.case.is_some() || question.referral.is_some() {
        bulk.flush(conn).await?;
    }
    let referral = match question.referral {
        Some(id) => referrals::read(conn, id).await?,
        None => None,
    };
    // What is not there is read in another's place, so that the same is read of both.
    let (of_referral, is_it) =
        referral.as_ref().map_or((None, true), |r| (Some(r.case), Some(r.id) == question.referral));
    if let Some(id) = question.case.or(of_referral) {
        match cases::read(conn, id).await? {
            cases::Read::It(row) if is_it => found.case = Some(*row),
            cases::Read::It(row) | cases::Read::Another(row) => found.instead = Some(row),
            cases::Read::None => {}
        }
    }
    found.referral = referral.filter(|_| is_it);
    if let Some(known) = question.register {
        found.register_moved = partners::version_on(conn).await? != known;
    }
    if let Some(key) = question.figures {
        found.published = figures::is_published(conn, key).await?;
    }
    Ok(found)
}
