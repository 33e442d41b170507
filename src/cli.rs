//! The command line: one file a verb.
//!
//! Data goes to standard output, progress and logs to standard error. No secret is ever an argument.

pub mod audit;
pub mod boot;
pub mod certificates;
pub mod check;
pub mod consent;
pub mod demo;
pub mod figures;
pub mod issuer;
pub mod keys;
pub mod links;
pub mod partners;
pub mod pki;
pub mod policies;
mod progress;
pub mod receive;
pub mod rehearse;
pub mod restore;
pub mod retention;
pub mod scenario;
pub mod serve;
pub mod story;
pub mod watch;

use clap::{Args, Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Privacy gateway between those who refer families, the Buurtgezinnen coordinators and the gemeenten.
#[derive(Debug, Parser)]
#[command(name = "buurtpoort", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make everything fresh, play the story of one referral over mutual TLS, then keep serving.
    Demo(demo::DemoArgs),
    /// Play two years of the programme through the API, and count what was published.
    Scenario(scenario::ScenarioArgs),
    /// Run the gateway.
    Serve(ConfigArgs),
    /// Bring the database to the schema of this program, and make the keys of a new deployment.
    Migrate(boot::MigrateArgs),
    /// Try configuration, database, certificates, keys, policies and ledger; open no port.
    Check(check::CheckArgs),
    /// Ask a running gateway whether it is ready.
    Healthcheck(ConfigArgs),
    /// Print an access token of the development issuer of a demo.
    Token(issuer::TokenArgs),
    /// Print a link into the pages of a demo, that works once.
    Link(links::LinkArgs),
    /// Certificates of a demo's development CA.
    Cert(certificates::CertArgs),
    /// Judge consent.
    #[command(subcommand)]
    Consent(ConsentVerb),
    /// Look for burgerservicenummers.
    #[command(subcommand)]
    Bsn(BsnVerb),
    /// The register of partners and territories.
    #[command(subcommand)]
    Partner(PartnerVerb),
    /// Figures for gemeenten.
    #[command(subcommand)]
    Statistics(figures::StatisticsVerb),
    /// Read and check the policies.
    #[command(subcommand)]
    Policy(policies::verbs::PolicyVerb),
    /// Keys.
    #[command(subcommand)]
    Key(keys::KeyVerb),
    /// Cases whose term is over.
    #[command(subcommand)]
    Retention(retention::RetentionVerb),
    /// The ledger.
    #[command(subcommand)]
    Audit(audit::AuditVerb),
    /// Receive what a gateway delivers: the reference receiver, for a gemeente to run or to learn from.
    Receive(receive::ReceiveArgs),
    /// Print the OpenAPI description.
    Openapi,
}

/// Where the configuration is.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// Configuration file.
    #[arg(long)]
    pub config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum ConsentVerb {
    /// Read `{vectors:[{id, input}]}` and print `{results:[{id, decision, reasons, missing}]}`.
    Evaluate {
        /// JSON file.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum BsnVerb {
    /// Read `{vectors:[{text}]}` and print `{results:[bool]}`.
    Scan {
        /// JSON file.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum PartnerVerb {
    /// Bring the register to what a TOML file says.
    Apply(partners::ApplyArgs),
}

/// Why a verb failed, and with which exit code.
#[derive(Debug)]
pub struct Failure {
    /// One line.
    pub message: String,
    /// Exit code.
    pub code: u8,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), code: 1 }
    }

    /// A wrong call or file, exit code 3.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), code: 3 }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Runs the verb on the command line.
pub async fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help goes to standard output with code 0, a wrong call to standard error with 3.
            let _told = told.print();
            return ExitCode::from(if told.use_stderr() { 3 } else { 0 });
        }
    };
    crate::tls::install_default_provider();
    match act(cli.verb).await {
        Ok(code) => code,
        Err(failure) => {
            // Standard error may be gone; there is nobody left to tell.
            let _told = writeln!(std::io::stderr(), "buurtpoort: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

async fn act(verb: Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Demo(args) => return demo::run(&args).await,
        Verb::Scenario(args) => return scenario::run(&args).await,
        Verb::Serve(args) => serve::run(&args.config).await?,
        Verb::Migrate(args) => boot::migrate(&args).await?,
        Verb::Check(args) => check::run(&args).await?,
        Verb::Healthcheck(args) => check::health(&args.config).await?,
        Verb::Token(args) => print(&issuer::token(&args)?)?,
        Verb::Link(args) => print(&links::run(&args).await?)?,
        Verb::Cert(args) => print(&certificates::run(&args)?)?,
        Verb::Consent(ConsentVerb::Evaluate { file }) => {
            print(&consent::evaluate_json(&read(&file)?).map_err(Failure::usage)?)?;
        }
        Verb::Bsn(BsnVerb::Scan { file }) => {
            print(&consent::scan_json(&read(&file)?).map_err(Failure::usage)?)?;
        }
        Verb::Partner(PartnerVerb::Apply(args)) => print(&partners::run(&args).await?)?,
        Verb::Statistics(verb) => print(&figures::run(&verb).await?)?,
        Verb::Retention(verb) => retention::run(&verb).await?,
        Verb::Key(verb) => keys::run(&verb).await?,
        Verb::Audit(verb) => return audit::run(&verb).await,
        Verb::Policy(verb) => return policies::verbs::run(&verb).await,
        Verb::Receive(args) => receive::run(&args).await?,
        Verb::Openapi => print(&crate::http::openapi::document().to_string())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints data on standard output.
///
/// # Errors
/// When standard output is closed.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", text.trim_end())?;
    Ok(())
}

fn read(path: &std::path::Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("{} cannot be read: {}", path.display(), error.kind()))
    })
}
