//! The rows of one group on their way in, and what its questions find.
//!
//! For the writer alone. Invariant: a question sees what earlier requests of its group wrote.

use super::{Found, Question};
use crate::ids::CaseId;
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
    if let Some(id) = question.referral {
        found.referral = referrals::read(conn, id).await?;
    }
    // A referral that is not there is answered after as many reads as one that is another's.
    let nothing = question.referral.map(|id| CaseId::from_uuid(id.uuid()));
    let of_referral = found.referral.as_ref().map(|referral| referral.case);
    if let Some(id) = question.case.or(of_referral).or(nothing) {
        found.case = cases::read(conn, id).await?;
    }
    if let Some(known) = question.register {
        found.register_moved = partners::version_on(conn).await? != known;
    }
    if let Some(key) = question.figures {
        found.published = figures::is_published(conn, key).await?;
    }
    Ok(found)
}
