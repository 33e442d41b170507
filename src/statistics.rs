//! Figures for gemeenten: count, protect, attack, publish.
//!
//! Pure functions: [`tabulate`] lays counts out as fixed tables, [`seal`] protects them by the method of the
//! [`contract`], [`attack`] refuses what could be broken, [`release`] writes the immutable body that is served, and
//! [`formats`] shows that body in other forms. Only tables named in `policies/disclosure.toml` exist; nothing is
//! computed on request.
//!
//! # Not here
//! No identity and no row about one family ever reaches this floor: it is handed codes and counts.

pub mod attack;
pub mod cellkey;
pub mod contract;
pub mod formats;
pub mod freeze;
pub mod noise;
pub mod protect;
pub mod release;
pub mod seal;
pub mod suppress;
pub mod tabulate;
