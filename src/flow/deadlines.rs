//! Days that a coordinator must not let pass, of one case.

use crate::clock::from_millisecond;
use crate::domain::age::date_in_amsterdam;
use crate::domain::pairing::PairingState;
use crate::domain::term::{Deadline, DeadlineKind, day_of, is_near, turning};
use crate::store::access::AccessRow;
use crate::store::facts::CaseMemory;
use crate::store::pairings::PairingRow;
use jiff::Timestamp;

/// Of the pairings: trials that end, evaluations that are due.
pub(super) fn of_pairings<'a>(pairings: impl Iterator<Item = &'a PairingRow>) -> Vec<Deadline> {
    let of = |pairing: &PairingRow| {
        let (kind, at_ms) = match pairing.state {
            PairingState::Trial => (DeadlineKind::TrialEnds, pairing.trial_until_ms),
            PairingState::Paired => (DeadlineKind::EvaluationDue, pairing.evaluate_ms),
            PairingState::Introduction | PairingState::Ended => return None,
        };
        at_ms.map(|ms| Deadline { on: Some(day_of(from_millisecond(ms))), kind })
    };
    pairings.filter_map(of).collect()
}

/// Of requests to see what is kept: until when they are to be answered.
pub(super) fn of_access<'a>(requests: impl Iterator<Item = &'a AccessRow>) -> Vec<Deadline> {
    let due = |row: &AccessRow| Deadline {
        on: Some(day_of(from_millisecond(row.due_ms))),
        kind: DeadlineKind::AccessRequestDue,
    };
    requests.filter(|row| row.answered_ms.is_none()).map(due).collect()
}

/// Of the consent: when it ends.
pub(super) fn of_consent(memory: &CaseMemory, now: Timestamp) -> Option<Deadline> {
    let until = memory.consent.as_ref().and_then(|consent| consent.valid_until);
    let ends = until.filter(|until| is_near(*until, now));
    ends.map(|until| Deadline { on: Some(day_of(until)), kind: DeadlineKind::ConsentEnds })
}

/// Of the subjects: who turns an age at which another decides.
pub(super) fn of_subjects(memory: &CaseMemory, now: Timestamp) -> Vec<Deadline> {
    let today = date_in_amsterdam(now);
    let young = memory.subjects.iter().filter(|subject| !subject.adult);
    young.flat_map(|subject| turning(subject.birth, today)).collect()
}
