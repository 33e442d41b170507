//! `/v1/cases`: what coordinators and assigners work with.

pub mod access;
pub mod assign;
pub mod correct;
pub mod links;
pub mod read;
pub mod release;
pub mod rights;
pub mod transition;
