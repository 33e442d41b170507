//! The ledger: what an entry says, how entries form a tree, and how anyone checks it.
//!
//! For the store, which appends, and for verifiers, who need nothing but this module and the public
//! keys. Invariant: an entry is a fixed list of codes, random references and hashes; nothing in it
//! can hold a sentence. Absent: the database, the clock and the writer's lock.

pub mod checkpoint;
pub mod committed;
pub mod entry;
pub mod epoch;
pub mod export;
pub mod grown;
pub mod proof;
pub mod reconcile;
pub mod tree;
pub mod verify;
pub mod vkey;

pub use entry::{Entry, Event, Leaf, Outcome, Position};
