//! `buurtpoort policy …`: verbs for whoever reads, changes or checks the rules. Only `prove` opens a database, to sign its
//! record.

use crate::cli::policies::{contract, explain, load, matrix, prove};
use crate::cli::{Failure, print};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Which policies.
#[derive(Args, Clone, Debug)]
pub struct SetArgs {
    /// Directory of policies; those compiled in where it is not given.
    #[arg(long)]
    pub policies: Option<PathBuf>,
}

/// `buurtpoort policy`
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Print who may do and see what, in which situation, for a reader who does not program.
    Matrix(SetArgs),
    /// Check every cell of the access matrix this program was built with. Exit code 0 as agreed, 1 not.
    Test(SetArgs),
    /// Say what would be decided, by which rule, and what makes the difference.
    #[command(after_help = explain::GRAMMAR)]
    Explain(ExplainArgs),
    /// Prove that the policies keep what they must. Exit code 0 proven, 1 a counterexample, 2 no solver
    /// or no answer, 3 usage.
    Prove(prove::ProveArgs),
}

/// `buurtpoort policy explain`
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// `ROLE[:ACCOUNT][@SITUATION[,SITUATION…]]`, such as `coordinator:anna@consent-withdrawn`.
    pub subject: String,
    /// Name of an action, such as `releaseIdentity`, or `seeField`.
    pub action: String,
    /// `case`, `referral`, `partner` or `gemeente`; for `seeField` `GROUP[:LEVEL[:PURPOSE]]`.
    pub object: String,
    #[command(flatten)]
    set: SetArgs,
}

/// Does what was asked.
///
/// # Errors
/// When the policies do not load, or the question does not read.
pub async fn run(verb: &PolicyVerb) -> Result<ExitCode, Failure> {
    let engine = |set: &SetArgs| Ok::<_, Failure>(load(set.policies.as_deref())?.engine);
    match verb {
        PolicyVerb::Prove(args) => return prove::run(args).await,
        PolicyVerb::Matrix(set) => print(&matrix::render(&engine(set)?))?,
        PolicyVerb::Test(set) => {
            let found = contract::check(&engine(set)?)?;
            print(&found.told())?;
            return Ok(ExitCode::from(u8::from(!found.differences.is_empty())));
        }
        PolicyVerb::Explain(args) => {
            let engine = engine(&args.set)?;
            print(&explain::explain(&engine, &args.subject, &args.action, &args.object)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
