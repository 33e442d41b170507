//! Pairings of a case: `/v1/cases/{id}/pairings`, `/v1/pairings/{id}`.

pub mod evaluate;
pub mod introduce;
pub mod step;
