//! `buurtpoort policy prove`: has `cvc5` decide what must hold of the policies.
//!
//! For whoever changes a rule, and for privacy officers who want to see that nothing else changed.
//! Invariant: what the solver does not answer, or answers with "unknown", is never a proof.

use crate::cli::policies::{INVARIANTS, INVARIANTS_FILE, Sources, proof};
use crate::cli::{Failure, boot, print};
use crate::config::Config;
use crate::crypto::digest::hex;
use crate::policy::engine::PolicyFile;
use crate::policy::prove::{self, Goal, Property, Question};
use crate::policy::record::ProvenBy;
use cedar_policy_symcc::err::Error as SymccError;
use cedar_policy_symcc::solver::{LocalSolver, SolverError};
use cedar_policy_symcc::{CedarSymCompiler, Env};
use clap::Args;
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Longest the solver may think about one question, in milliseconds. It takes a few.
const LIMIT: &str = "--tlimit-per=60000";

/// How often progress is told.
const PERIOD: Duration = Duration::from_secs(2);

/// `buurtpoort policy prove`
#[derive(Args, Clone, Debug)]
pub struct ProveArgs {
    /// Directory of the policies; where not given, that of the configuration, or those compiled in.
    #[arg(long)]
    pub policies: Option<PathBuf>,
    /// Record the proof beside the policies, signed by the ledger key of this deployment.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Record on the word of the release, without cvc5: only for the policies it came with, unchanged.
    #[arg(long, requires = "config", conflicts_with = "json")]
    pub shipped: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What was found out about a property.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It holds.
    Proven,
    /// It does not.
    Counterexample,
    /// The solver does not know.
    Unknown,
}

/// A property and what was found out about it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its name.
    pub id: String,
    /// What it is.
    pub kind: &'static str,
    /// The promise in plain words.
    pub says: String,
    /// How many request environments and rules were asked about.
    pub questions: usize,
    /// What was found out.
    pub verdict: Verdict,
    /// The requests that break it.
    pub told: Vec<String>,
}

/// Runs the verb. Exit code 0 all proven, 1 a counterexample, 2 no solver or no answer, 3 usage, and
/// where a proof cannot be recorded.
///
/// # Errors
/// One line naming what is wrong.
pub async fn run(args: &ProveArgs) -> Result<ExitCode, Failure> {
    let config = args.config.as_deref().map(Config::read).transpose().map_err(Failure::usage)?;
    let configured = config.as_ref().and_then(|config| config.policies.directory.clone());
    let directory = args.policies.clone().or(configured);
    if let (true, Some(config)) = (args.shipped, &config) {
        let directory = directory.ok_or_else(needs_no_record)?;
        let path = sign(config, &directory, None).await.map_err(as_usage)?;
        print(&format!("recorded on the word of the release in {}", path.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let sources = Sources::read(directory.as_deref()).map_err(as_usage)?;
    // What cannot be loaded is not worth a proof.
    sources.load().map_err(as_usage)?;
    let findings = decide(&sources, INVARIANTS).await?;
    print(&if args.json { as_json(&sources, &findings) } else { as_text(&findings) })?;
    let any = |verdict| findings.iter().any(|finding| finding.verdict == verdict);
    if any(Verdict::Counterexample) {
        return Ok(ExitCode::from(1));
    }
    if any(Verdict::Unknown) {
        return Ok(ExitCode::from(2));
    }
    if let (Some(config), Some(directory)) = (&config, &directory) {
        let path = sign(config, directory, Some(sources.hash())).await.map_err(as_usage)?;
        tell(&format!("recorded in {}", path.display()));
    } else if config.is_some() {
        tell("what is compiled in needs no record");
    }
    Ok(ExitCode::SUCCESS)
}

fn as_usage(failure: Failure) -> Failure {
    Failure::usage(failure.message)
}

fn needs_no_record() -> Failure {
    Failure::usage("no policies.directory is configured: what is compiled in needs no record")
}

/// Records what was proven, or the release's set where nothing was.
async fn sign(
    config: &Config,
    directory: &Path,
    proven: Option<[u8; 32]>,
) -> Result<PathBuf, Failure> {
    let pool = boot::pool(config).await?;
    let keyring = boot::keyring(config, &pool).await?;
    let ledger = &config.ledger.origin;
    let path = match proven {
        Some(policies) => proof::record(directory, policies, ledger, &keyring, ProvenBy::Solver)?,
        None => proof::record_shipped(directory, ledger, &keyring)?,
    };
    pool.close().await;
    Ok(path)
}

/// Decides every property of `invariants`, and what always holds, of a policy set.
///
/// # Errors
/// Code 2 without a solver or when it stops; code 3 when set or properties cannot be read.
pub async fn decide(sources: &Sources, invariants: &str) -> Result<Vec<Finding>, Failure> {
    let file = PolicyFile { name: INVARIANTS_FILE.to_owned(), text: invariants.to_owned() };
    let properties =
        prove::properties(&sources.schema, &sources.cedar, &file).map_err(Failure::usage)?;
    let mut solver = Solver::start()?;
    let mut progress = Progress::over(&properties);
    let mut findings = Vec::new();
    for property in &properties {
        findings.push(solver.find(property, &mut progress).await?);
    }
    // Whether it ends well says nothing about what it answered.
    let _ended = solver.compiler.solver_mut().clean_up().await;
    Ok(findings)
}

struct Solver {
    compiler: CedarSymCompiler<LocalSolver>,
}

impl Solver {
    fn start() -> Result<Self, Failure> {
        let solver = LocalSolver::cvc5_with_args([LIMIT]).map_err(|error| match error {
            SolverError::Io(error) if error.kind() == ErrorKind::NotFound => no_answer(
                "cvc5 is not here: install the Debian package cvc5, or name the program in CVC5",
            ),
            error => no_answer(&format!("cvc5 cannot be started: {error}")),
        })?;
        let compiler = CedarSymCompiler::new(solver)
            .map_err(|error| no_answer(&format!("cvc5 cannot be used: {error}")))?;
        Ok(Self { compiler })
    }

    async fn find(
        &mut self,
        property: &Property,
        progress: &mut Progress,
    ) -> Result<Finding, Failure> {
        let mut told = property.flaws.clone();
        let mut unknown = Vec::new();
        for question in &property.questions {
            match self.ask(question).await {
                Ok(Answer::Holds) => {}
                Ok(Answer::Broken(how)) => told.push(how),
                Err(SymccError::SolverUnknown) => {
                    unknown.push(format!("not decided: {}", question.place()));
                }
                Err(error) => {
                    let what = format!("{}: {}: {error}", property.id, question.place());
                    return Err(no_answer(&what));
                }
            }
            progress.step();
        }
        let verdict = match (told.is_empty(), unknown.is_empty()) {
            (false, _) => Verdict::Counterexample,
            (true, false) => Verdict::Unknown,
            (true, true) => Verdict::Proven,
        };
        told.append(&mut unknown);
        Ok(Finding {
            id: property.id.clone(),
            kind: property.kind.as_str(),
            says: property.says.clone(),
            questions: property.questions.len(),
            verdict,
            told,
        })
    }

    async fn ask(&mut self, question: &Question) -> Result<Answer, SymccError> {
        let found = match self.search(&question.goal).await {
            Ok(found) => found,
            Err(
                SymccError::DecodeModel(_)
                | SymccError::ConcretizeError(_)
                | SymccError::ModelInvalid { .. },
            ) => {
                // There is a request, and it cannot be read: then it is told without one.
                return self.holds(question).await;
            }
            Err(error) => return Err(error),
        };
        let wanted = matches!(question.goal, Goal::Allows(_));
        Ok(match found {
            // The engine itself is asked about what the solver says it allows.
            Some(found) if wanted && question.explain(&found).allowed => Answer::Holds,
            None if wanted => Answer::Broken(format!("{} and is never allowed", question.place())),
            None => Answer::Holds,
            Some(found) => Answer::Broken(question.explain(&found).to_string()),
        })
    }

    async fn search(&mut self, goal: &Goal) -> Result<Option<Env>, SymccError> {
        let solver = &mut self.compiler;
        match goal {
            Goal::Implies(one, other) => {
                solver.check_implies_with_counterexample_opt(one, other).await
            }
            Goal::Disjoint(one, other) => {
                solver.check_disjoint_with_counterexample_opt(one, other).await
            }
            Goal::NeverFails(rule) => solver.check_never_errors_with_counterexample_opt(rule).await,
            Goal::Allows(set) => solver.check_always_denies_with_counterexample_opt(set).await,
        }
    }

    async fn holds(&mut self, question: &Question) -> Result<Answer, SymccError> {
        let solver = &mut self.compiler;
        let holds = match &question.goal {
            Goal::Implies(one, other) => solver.check_implies_opt(one, other).await?,
            Goal::Disjoint(one, other) => solver.check_disjoint_opt(one, other).await?,
            Goal::NeverFails(rule) => solver.check_never_errors_opt(rule).await?,
            Goal::Allows(set) => !solver.check_always_denies_opt(set).await?,
        };
        let place = question.place();
        Ok(if holds { Answer::Holds } else { Answer::Broken(format!("{place}, in some case")) })
    }
}

enum Answer {
    Holds,
    Broken(String),
}

fn no_answer(message: &str) -> Failure {
    Failure { message: message.to_owned(), code: 2 }
}

/// How far it is, told while it lasts.
struct Progress {
    all: usize,
    done: usize,
    told: Instant,
}

impl Progress {
    fn over(properties: &[Property]) -> Self {
        let all = properties.iter().map(|property| property.questions.len()).sum();
        Self { all, done: 0, told: Instant::now() }
    }

    fn step(&mut self) {
        self.done = self.done.saturating_add(1);
        if self.told.elapsed() >= PERIOD {
            self.told = Instant::now();
            tell(&format!("{} of {} questions decided", self.done, self.all));
        }
    }
}

/// Tells the one at the terminal; not data.
fn tell(text: &str) {
    // Standard error may be gone; there is nobody left to tell.
    let _told = writeln!(std::io::stderr(), "buurtpoort: {text}");
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "proven",
        Verdict::Counterexample => "COUNTEREXAMPLE",
        Verdict::Unknown => "UNKNOWN",
    }
}

fn as_text(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let Finding { id, kind, says, questions, verdict, told } = finding;
        lines.push(format!("{:<14}  {kind:<9}  {id}  ({questions})", word(*verdict)));
        if *verdict == Verdict::Proven {
            continue;
        }
        lines.push(format!("  {says}"));
        lines.extend(told.iter().map(|how| format!("  {how}")));
    }
    lines.join("\n")
}

fn as_json(sources: &Sources, findings: &[Finding]) -> String {
    let one = |finding: &Finding| {
        json!({
            "id": finding.id, "kind": finding.kind, "says": finding.says,
            "verdict": word(finding.verdict).to_ascii_lowercase(),
            "questions": finding.questions, "counterexamples": finding.told,
        })
    };
    json!({
        "policies": hex(&sources.hash()),
        "invariants": hex(&prove::hash(INVARIANTS)),
        "properties": findings.iter().map(one).collect::<Vec<Value>>(),
    })
    .to_string()
}
