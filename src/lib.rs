//! Buurtpoort: the privacy gateway between those who refer families, the Buurtgezinnen coordinators
//! and the gemeenten.
//!
//! Floors, from the ground up; each uses those below it and none above. `tests/it/floors.rs` enforces
//! it, `docs/architecture.md` tells the reasons.

// Floor 0: words.
pub mod clock;
pub mod domain;
pub mod ids;

// Floor 1: rules. Pure: no I/O, no waiting.
pub mod audit;
pub mod consent;
pub mod crypto;
pub mod matching;
pub mod policy;
pub mod statistics;

// Floor 2: rows.
pub mod store;

// Floor 3: verbs.
pub mod flow;

// Floor 4: edges.
pub mod cli;
pub mod config;
pub mod http;
pub mod portal;
pub mod telemetry;
pub mod tls;
pub mod worker;
