//! Pages of coordinators and of who assigns to them.

pub mod answer;
pub mod case;
pub mod correct;
pub mod double;
pub mod inbox;
pub mod names;
pub mod pairing;
pub mod plan;
pub mod rights;
pub mod support;
