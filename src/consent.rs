//! Whether consent suffices for one use of a family's data.
//!
//! [`evaluate()`] is asked at every use, not only when the family is referred: children grow up,
//! terms end, people change their minds. It answers with every reason at once, so that whoever asks
//! can put everything right in one go. The contract is `tests/data/consent.json`.
//!
//! # Invariants
//! * Deny by default: only a request with no reason against it is allowed.
//! * Reasons come in the order of [`Reason`], each once; missing signers by label, each once.
//! * The order of signatures in a message is of no importance.
//! * No court decision and no presumption ever stands in for the young person.
//!
//! # Not here
//! No clock, no I/O, no JSON. Who may ask at all is for `policy`.
//!
//! # Sources
//! BW 1:233, 1:247, 1:253a, 1:253i, 1:302, 1:378, 1:450; BW 7:447, 7:450, 7:465 (WGBO); Jeugdwet
//! 7.3.4, 7.3.5, 7.3.15; AVG 4.11, 7, 9; UAVG 5, 22, 31, 46.

mod authority;
mod evaluate;
mod signatures;

use crate::domain::consent::{Reason, SubjectRef};
pub use evaluate::evaluate;

/// Whether a use is allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Consent suffices.
    Allow,
    /// It does not.
    Deny,
}

impl Decision {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// The answer of [`evaluate()`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// [`Decision::Deny`] exactly when there is a reason.
    pub decision: Decision,
    /// Every reason against it, in order.
    pub reasons: Vec<Reason>,
    /// Who still has to sign, sorted by label.
    pub missing: Vec<SubjectRef>,
}

impl Outcome {
    /// Whether the use is allowed.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }
}

/// Whether nothing stands in the way but signatures that can still be collected. Only then may a
/// referral wait at stage `contact`.
#[must_use]
pub fn missing_is_only_signatures(outcome: &Outcome) -> bool {
    let signature = |reason: &Reason| {
        matches!(
            reason,
            Reason::AuthorityHolderMissing | Reason::YouthMissing | Reason::AdultMissing
        )
    };
    !outcome.reasons.is_empty() && outcome.reasons.iter().all(signature)
}
