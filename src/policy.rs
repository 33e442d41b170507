//! Who may do what: the rules of `policies/`, asked with facts and answered with a sealed verdict.
//!
//! ```text
//! Subject ─► Allowed<A> ─► Verdict<A> ─► Permit<A>
//!  (who)     (role may ask)  (sealed)      (yes, and its ledger entry is committed)
//! ```
//!
//! # Invariants
//! * A [`Verdict`] has no accessor: the answer comes out of [`Verdict::settle`], which asks for the
//!   proof that its ledger entry was committed.
//! * A [`Permit`] carries the object it is about. There is no second id to get wrong.
//! * The engine never queries: every fact is handed in.
//! * The set never fails open: an evaluation error is a refusal.
//!
//! # Not here
//! No store, no HTTP, no clock. Consent is judged in [`crate::consent`] and handed in as a fact.

pub mod action;
pub mod counterexample;
pub mod engine;
pub mod facts;
pub mod fields;
pub mod permit;
pub mod prove;
pub mod record;
pub mod rehearsal;
pub mod sight;
pub mod subject;
pub mod telling;
pub mod verdict;

pub use action::Action;
pub use engine::Engine;
pub use permit::Permit;
pub use subject::Subject;
pub use verdict::{Allowed, Verdict};
