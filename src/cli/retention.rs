//! `buurtpoort retention run`: erase what is over its term now, or with `--dry-run` say what would be.

use crate::cli::boot::{self, Claim};
use crate::cli::progress::Progress;
use crate::cli::{Failure, print};
use crate::clock::Clock;
use crate::config::Config;
use crate::flow::retention::sweep;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

/// What to do about terms.
#[derive(Debug, Subcommand)]
pub enum RetentionVerb {
    /// Erase every case whose term is over.
    Run(RunArgs),
}

/// On which deployment.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Configuration file.
    #[arg(long)]
    pub config: PathBuf,
    /// Only count them.
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs a verb. A gateway does the same every hour by itself.
///
/// # Errors
/// One line naming what is wrong.
pub async fn run(verb: &RetentionVerb) -> Result<(), Failure> {
    let RetentionVerb::Run(args) = verb;
    let config = Config::read(&args.config)?;
    let booted = boot::boot(config, Clock::System, Claim::Share).await?;
    let mut progress = Progress::of("cases", 0);
    let told = |swept: crate::flow::retention::Swept| progress.at(swept.looked_at);
    let swept = sweep(&booted.api.gateway, args.dry_run, told).await;
    let swept = swept.map_err(Failure::new)?;
    booted.api.gateway.store.pool.close().await;
    let told = json!({"lookedAt": swept.looked_at, "due": swept.due, "erased": swept.erased,
        "failed": swept.failed});
    print(&told.to_string())
}
