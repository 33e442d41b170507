//! Proof that ledger entries were committed, and the signed head that covers them.

use super::grown::{Grown, Inclusion};
use crate::ids::RequestId;
use std::sync::Arc;

/// A signed tree head as it is given to partners.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedHead {
    /// Entries covered.
    pub size: u64,
    /// RFC 6962 root.
    pub root: [u8; 32],
    /// The signed note (C2SP checkpoint).
    pub note: String,
}

/// Proof that the entry of one request is durable. Made by the store's writer after its commit, and
/// by nothing else.
#[derive(Clone, Debug)]
pub struct Committed {
    entry: Option<(RequestId, u64)>,
    head: Arc<SignedHead>,
    grown: Arc<Grown>,
}

impl Committed {
    /// For the writer alone (`src/store/writer.rs`; a test reads the sources for any other caller).
    /// `grown` is what the whole group added to the tree.
    pub(crate) const fn after_commit(
        entry: Option<(RequestId, u64)>,
        head: Arc<SignedHead>,
        grown: Arc<Grown>,
    ) -> Self {
        Self { entry, head, grown }
    }

    /// Whether an entry of `request` is among what was committed.
    #[must_use]
    pub fn covers(&self, request: RequestId) -> bool {
        self.entry.is_some_and(|(own, _)| own == request)
    }

    /// Index of that entry; the size of the ledger where nothing was written.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.entry.map_or(self.head.size, |(_, index)| index)
    }

    /// Proof that the entry `index`, if it is one of this commit, stands under [`Self::head`].
    #[must_use]
    pub fn inclusion(&self, index: u64) -> Option<Inclusion> {
        self.grown.inclusion(index)
    }

    /// The signed head that covers it.
    #[must_use]
    pub const fn head(&self) -> &Arc<SignedHead> {
        &self.head
    }
}
