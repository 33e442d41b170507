//! `buurtpoort scenario`: two years of the programme, played through the public API with a clock that is moved.
//!
//! The same seed gives the same families, days and figures. Everybody is invented and says so; addresses are at
//! `example.nl`, no number is anybody's. At the end the gateway's own rows are held against what the programmes
//! published.

pub mod draw;
mod people;
mod programme;
pub mod report;
mod stage;

pub use programme::Which;

use crate::cli::demo::{self, DemoArgs, Raised};
use crate::cli::pki::DevPki;
use crate::cli::progress::Progress;
use crate::cli::story::Scene;
use crate::cli::{Failure, print, watch};
use crate::clock::{Clock, TestClock};
use crate::telemetry;
use clap::Args;
use draw::Draw;
use jiff::{SignedDuration, Timestamp};
use metrics_exporter_prometheus::PrometheusHandle;
use programme::Plan;
use report::Line;
use stage::Stage;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// The day the programmes begin.
const START: &str = "2024-09-02T08:00:00Z";
/// Days between two lists of revoked certificates: one lasts thirty.
const LISTS: i64 = 20;

/// `buurtpoort scenario`
#[derive(Args, Clone, Debug)]
pub struct ScenarioArgs {
    /// Which programmes.
    pub which: Which,
    /// Who and when is drawn from this number.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where everything goes; an earlier demo there is replaced.
    #[arg(long, default_value = "scenario-data")]
    pub dir: PathBuf,
    /// `postgres://…` of an empty database; an SQLite file in the directory where it is not given.
    #[arg(long)]
    pub database: Option<String>,
    /// Also replace an earlier demo in that PostgreSQL database.
    #[arg(long)]
    pub reset: bool,
    /// Print the comparison as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Plays it and prints published beside counted.
///
/// # Errors
/// When something cannot be made, or an answer is not as it must be.
pub async fn run(args: &ScenarioArgs) -> Result<ExitCode, Failure> {
    telemetry::init(&std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned()));
    let metrics = telemetry::metrics().map_err(Failure::new)?;
    let lines = play(args, &metrics).await?;
    let agrees = lines.iter().all(|line| line.agrees);
    let code = if agrees { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if args.json {
        print(&report::json(&lines).to_string())?;
        return Ok(code);
    }
    print(&report::told(&lines))?;
    print(if agrees { "Counted as published." } else { "Some figures DIFFER." })?;
    Ok(code)
}

/// Makes a gateway, plays the programmes on it, and compares.
///
/// # Errors
/// As [`run`].
pub async fn play(args: &ScenarioArgs, metrics: &PrometheusHandle) -> Result<Vec<Line>, Failure> {
    let start: Timestamp = START.parse()?;
    let hand = TestClock::at(start);
    let clock = Clock::Test(Arc::clone(&hand));
    let raised = demo::raise(&demo_args(args), clock.clone(), metrics).await?;
    let Raised { booted, servers, api, .. } = raised;
    let handles = servers.handles();
    let scene = Scene::new(&args.dir, api, &booted.config, clock)?;
    let mut draw = Draw::of(args.seed);
    let programmes = args.which.programmes(&mut draw);
    let plan = Plan::of(&programmes, &mut draw);
    let gateway = Arc::clone(&booted.api.gateway);
    let mut stage = Stage::of(scene, &programmes, &plan, draw);
    let playing = async {
        let all = u64::try_from(plan.acts.len()).unwrap_or_default();
        let (mut progress, mut done, mut today, mut listed) = (Progress::of("steps", all), 0, 0, 0);
        for (day, act, id) in &plan.acts {
            hand.advance(
                SignedDuration::from_hours(24 * (day - today)) + SignedDuration::from_secs(1),
            );
            today = *day;
            if today - listed >= LISTS {
                listed = today;
                let _listed = DevPki::open(&args.dir.join("pki"), gateway.clock.now())?;
                watch::reload_certificates(&booted);
                stage.scene.forget_clients();
            }
            stage.act(*act, *id).await?;
            done += 1;
            progress.at(done);
        }
        let (pool, keyring) = (&gateway.store.pool, &gateway.keyring);
        report::compare(pool, keyring, &programmes, start).await
    };
    let serving = servers.serve();
    tokio::select! {
        played = playing => {
            for handle in handles {
                handle.stop(false).await;
            }
            played
        }
        served = serving => served.map(|()| Vec::new()).map_err(Failure::from),
    }
}

fn demo_args(args: &ScenarioArgs) -> DemoArgs {
    DemoArgs {
        dir: args.dir.clone(),
        api_port: 0,
        portal_port: 0,
        admin_port: 0,
        sign_in_port: None,
        database: args.database.clone(),
        reset: args.reset,
        exit_after_story: true,
    }
}
