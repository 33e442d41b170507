//! `buurtpoort audit`: check the ledger, prove what is in it, compare it with the rows, hand it out.
//!
//! Every verb but `verify-proof` takes `--config`; all work beside a running gateway. Exit code 0 ok,
//! 1 tampered or not proven, 2 incomplete (it could not be read, or evidence is missing), 3 usage.

use crate::audit::verify::{Summary, Tamper};
use crate::cli::progress::Progress;
use crate::cli::restore::{self, RestoreArgs};
use crate::cli::{ConfigArgs, Failure, boot, print};
use crate::config::Config;
use crate::crypto::keyring::{KeyPurpose, Keyring};
use crate::store::{Pool, witness};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

pub mod archive;
mod export;
mod prove;
mod reconcile;
mod tail;
mod verify;

pub use reconcile::reconciled;
pub use verify::{check, check_with, told};

/// Exit code where something is not as it was written.
const TAMPERED: u8 = 1;
/// Exit code where the answer cannot be given.
const INCOMPLETE: u8 = 2;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Check every entry, the signed head, and every head kept elsewhere.
    Verify(VerifyArgs),
    /// Print the signed head, or the public keys it is checked with.
    Head(HeadArgs),
    /// Print a proof that one entry is in the ledger (C2SP tlog-proof).
    Prove(ProveArgs),
    /// Check a proof or a receipt, without a database.
    VerifyProof(VerifyProofArgs),
    /// Compare the ledger with cases, assignments, consents and releases.
    Reconcile(OutputArgs),
    /// Print the ledger, or records made from it, one JSON object a line.
    Export(ExportArgs),
    /// Print the last entries.
    Tail(TailArgs),
    /// Go on with a restored, older database: two persons, and an entry that says so.
    AcknowledgeRestore(RestoreArgs),
}

/// Which deployment, and how to answer.
#[derive(Args, Clone, Debug)]
pub struct OutputArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// `verify`
#[derive(Args, Debug)]
pub struct VerifyArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// Signed heads kept elsewhere, beside the archive of the configuration.
    #[arg(long, num_args = 1..)]
    checkpoint: Vec<PathBuf>,
}

/// `head`
#[derive(Args, Debug)]
pub struct HeadArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// Print the public keys instead, one a line.
    #[arg(long, conflicts_with = "json")]
    keys: bool,
}

/// `prove`
#[derive(Args, Debug)]
pub struct ProveArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Index of the entry.
    #[arg(long)]
    seq: u64,
}

/// `verify-proof`
#[derive(Args, Debug)]
pub struct VerifyProofArgs {
    /// A `.tlog-proof` file, or a receipt.
    file: PathBuf,
    /// Files with public keys: ledger keys (`audit head --keys`), and for a receipt a key set
    /// (`/.well-known/jwks.json`).
    #[arg(long, required = true, num_args = 1..)]
    key: Vec<PathBuf>,
    /// For a receipt: the signed head that came with it.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// For a receipt: the request it is for.
    #[arg(long)]
    request: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// `export`
#[derive(Args, Debug)]
pub struct ExportArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// Of what kind the records are.
    #[arg(long, value_enum, default_value = "ledger")]
    format: Format,
    /// One case only, by its id.
    #[arg(long)]
    case: Option<uuid::Uuid>,
}

/// Kinds of export; their fields are in `docs/ledger.md`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// Head and leaves, for a verifier elsewhere.
    Ledger,
    /// Logboek Dataverwerkingen, a line for each data subject.
    Logboek,
    /// Fields of NEN 7513, joined with `logboek` on trace and span.
    Nen7513,
    /// Authorization Decision Log with AuthZEN request and response.
    Authzen,
    /// Who looked at the data of one case, in words; JSON with `--json`.
    Inzage,
}

/// `tail`
#[derive(Args, Debug)]
pub struct TailArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// How many entries.
    #[arg(long, short = 'n', default_value_t = 10)]
    lines: u32,
    /// Go on with those that come.
    #[arg(long)]
    follow: bool,
}

/// Does what the verb says.
///
/// # Errors
/// When it cannot be done: exit code 2, or 3 for a wrong call.
pub async fn run(verb: &AuditVerb) -> Result<ExitCode, Failure> {
    // What was found wrong is an answer; whatever else fails leaves the question open.
    act(verb).await.map_err(|failure| match failure.code {
        TAMPERED => Failure { code: INCOMPLETE, ..failure },
        _ => failure,
    })
}

async fn act(verb: &AuditVerb) -> Result<ExitCode, Failure> {
    match verb {
        AuditVerb::Verify(args) => verify::run(&args.output, &args.checkpoint).await,
        AuditVerb::Head(args) => head(args).await,
        AuditVerb::Prove(args) => prove::prove(&Opened::open(&args.config).await?, args.seq).await,
        AuditVerb::VerifyProof(args) => prove::verify_proof(args),
        AuditVerb::Reconcile(args) => reconcile::run(args).await,
        AuditVerb::Export(args) => export::run(args).await,
        AuditVerb::Tail(args) => tail::run(args).await,
        AuditVerb::AcknowledgeRestore(args) => {
            restore::acknowledge(args).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn head(args: &HeadArgs) -> Result<ExitCode, Failure> {
    let opened = Opened::open(&args.output.config).await?;
    let head = witness::head(&opened.pool).await.map_err(incomplete)?;
    let keys = opened.key_texts(&head.log);
    if args.keys {
        print(&keys.join("\n"))?;
    } else if args.output.json {
        let root = crate::crypto::digest::hex(&head.root);
        let told = json!({"log": head.log, "size": head.size, "rootHash": root,
            "note": head.checkpoint, "keys": keys});
        print(&told.to_string())?;
    } else {
        print(&head.checkpoint)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a verb works on.
struct Opened {
    config: Config,
    pool: Pool,
    keyring: Keyring,
}

impl Opened {
    async fn open(args: &ConfigArgs) -> Result<Self, Failure> {
        let config = Config::read(&args.config).map_err(Failure::usage)?;
        let unread = |failure: Failure| Failure { code: INCOMPLETE, ..failure };
        let pool = boot::pool(&config).await.map_err(unread)?;
        let keyring = boot::keyring(&config, &pool).await.map_err(unread)?;
        Ok(Self { config, pool, keyring })
    }

    /// The public keys as a verifier elsewhere is given them, the one that signs today last.
    fn key_texts(&self, log: &str) -> Vec<String> {
        // The one that signs today is the last; one that is to take over is not yet among them.
        let active = self.keyring.active_version(KeyPurpose::LedgerSigning).unwrap_or_default();
        let keys = self.keyring.ledger_public_keys();
        let known = keys.iter().filter(|key| key.version <= active);
        known.map(|key| crate::audit::vkey::to_text(log, key)).collect()
    }
}

fn incomplete(error: impl std::fmt::Display) -> Failure {
    Failure { message: error.to_string(), code: INCOMPLETE }
}

/// How the end of a check is told.
fn tell(json: bool, ok: bool, text: &str, object: &serde_json::Value) -> Result<ExitCode, Failure> {
    print(&if json { object.to_string() } else { text.to_owned() })?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(TAMPERED) })
}

/// A summary or the first thing found wrong.
pub type Checked = Result<Summary, Tamper>;
