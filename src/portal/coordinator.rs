//! Pages of coordinators and of who assigns to them.

pub mod case;
pub mod inbox;
pub mod names;
pub mod pairing;
pub mod rights;
pub mod support;
