//! Pages of referrers: a family referred in six steps, and how one's own referrals stand.

pub mod goals;
pub mod own;
mod placed;
pub mod report;
mod review;
mod steps;
pub mod wizard;
