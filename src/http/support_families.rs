//! `/v1/support-families`: who opens its door to children of another family.

pub mod find;
pub mod register;
pub mod work;
