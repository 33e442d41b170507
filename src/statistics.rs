//! Figures for gemeenten: count, protect, publish.
//!
//! Three steps, each a pure function: [`tabulate`] lays counts out as a fixed table, [`protect`] hides
//! and rounds, [`publish`] writes the immutable body that is served. Only tables named in
//! `policies/disclosure.toml` exist; nothing is computed on request.
//!
//! # Not here
//! No identity and no row about one family ever reaches this floor: it is handed counts.

pub mod freeze;
pub mod noise;
pub mod plan;
pub mod protect;
pub mod publish;
pub mod tabulate;
