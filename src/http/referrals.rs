//! `/v1/referrals`: professionals and families submit, and follow what became of it.

pub mod follow;
pub mod goals;
pub mod shape;
pub mod submit;

pub(crate) use read::instant;

pub(crate) mod read;
pub(in crate::http) mod seal;
