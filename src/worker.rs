//! Floor 4: what the gateway does unasked, beside the listeners.

pub mod archive;
pub mod delivery;
pub mod ledger;
