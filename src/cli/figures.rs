//! `buurtpoort statistics publish`.

use crate::cli::boot::Claim;
use crate::cli::{Failure, boot};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::municipality::Municipality;
use crate::domain::period::Year;
use crate::flow::figures;
use crate::store::figures::FiguresKey;
use std::path::Path;

/// Publishes one gemeente's figures about one year; prints the sealed body.
///
/// # Errors
/// When the year is not over or the database cannot be written.
pub async fn publish(municipality: &str, year: i16, path: &Path) -> Result<String, Failure> {
    let municipality = Municipality::parse(municipality).map_err(Failure::usage)?;
    let year = Year::parse(year).map_err(Failure::usage)?;
    let config = Config::read(path).map_err(Failure::usage)?;
    let booted = boot::boot(config, Clock::System, Claim::Share).await?;
    let key = FiguresKey { municipality, year };
    Ok(figures::publish(&booted.api.gateway, key).await?.body)
}
