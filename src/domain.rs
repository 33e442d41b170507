//! Floor 0: the words of the field, and what each may hold.
//!
//! Values are parsed once, at the edge; from there on nothing can be invalid. The terms are those of
//! `docs/glossary.md`.
//!
//! # Invariants
//! * Nothing about a person implements `Serialize`, `Display` or a telling `Debug`.
//! * An error names the rule that was broken, never the value that broke it.
//!
//! # Not here
//! No I/O, no clock, no JSON: wire shapes live at the HTTP floor.

pub mod access;
pub mod age;
pub mod bsn;
pub mod case;
pub mod consent;
pub mod identity;
pub mod likeness;
pub mod municipality;
pub mod pairing;
pub mod partner;
pub mod partner_number;
pub mod period;
pub mod person;
pub mod programme;
pub mod pseudonym;
pub mod referral;
pub mod support_family;
pub mod term;
pub mod words;
