//! `buurtpoort cert issue|list|revoke`: the development CA of a demo.

use crate::cli::Failure;
use crate::cli::boot::DEMO_STAMP;
use crate::cli::pki::{DevPki, LeafKind};
use crate::clock::Clock;
use crate::domain::partner_number::PartnerNumber;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `buurtpoort cert`
#[derive(Args, Debug)]
pub struct CertArgs {
    #[command(subcommand)]
    verb: CertVerb,
    /// Directory of the demo.
    #[arg(long, default_value = "demo-data", global = true)]
    dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum CertVerb {
    /// Issue a certificate.
    Issue {
        /// Short name, also of the directory it is put in.
        name: String,
        /// OIN or URA.
        #[arg(long)]
        number: String,
    },
    /// List all certificates that were issued.
    List,
    /// Revoke every certificate of a name; a running demo refuses it within a second.
    Revoke {
        /// Short name.
        name: String,
    },
}

/// Runs the verb; returns what to print.
///
/// # Errors
/// When the directory is not that of a demo, or the CA refuses.
pub fn run(args: &CertArgs) -> Result<String, Failure> {
    if !args.dir.join(DEMO_STAMP).exists() {
        return Err(Failure::usage("the development CA exists only in the directory of a demo"));
    }
    let mut pki = DevPki::open(&args.dir.join("pki"), Clock::System.now())?;
    match &args.verb {
        CertVerb::Issue { name, number } => {
            let number = PartnerNumber::parse(number).map_err(Failure::usage)?;
            let peer = pki.issue(name, &number, LeafKind::Client)?;
            Ok(format!("issued; public-key pin {}", peer.pin()))
        }
        CertVerb::List => serde_json::to_string_pretty(pki.list()).map_err(Failure::new),
        CertVerb::Revoke { name } => Ok(format!("revoked: {}", pki.revoke(name)?)),
    }
}
