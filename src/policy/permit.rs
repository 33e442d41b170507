//! Proof that an action was allowed and that the ledger says so.

use crate::policy::action::Action;
use std::fmt;

/// Proof: allowed, and the ledger entry is committed. Made by [`Verdict::settle`] alone, used once.
///
/// [`Verdict::settle`]: crate::policy::Verdict::settle
pub struct Permit<A: Action> {
    object: A::Object,
    ledger_index: u64,
}

impl<A: Action> Permit<A> {
    pub(super) const fn new(object: A::Object, ledger_index: u64) -> Self {
        Self { object, ledger_index }
    }

    /// The object the permit is about.
    #[must_use]
    pub const fn object(&self) -> A::Object {
        self.object
    }

    /// Index of the ledger entry that records the permission.
    #[must_use]
    pub const fn ledger_index(&self) -> u64 {
        self.ledger_index
    }
}

impl<A: Action> fmt::Debug for Permit<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit<{}>#{}", A::NAME, self.ledger_index)
    }
}
