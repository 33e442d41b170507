//! Pages of referrers: a family referred in six steps, and how one's own referrals stand.

pub mod own;
mod steps;
pub mod wizard;
