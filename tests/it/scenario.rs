//! Two years of the programme through the API: what is counted from the gateway's rows is what was published, on
//! both databases, and the same for the same seed.

use crate::process::PROGRAM;
use crate::support::{fresh_database, metrics};
use buurtpoort::cli::scenario::report::Line;
use buurtpoort::cli::scenario::{ScenarioArgs, Which, play};
use std::path::Path;
use std::process::Command;

/// Plays a scenario and gives its comparison; its ledger verifies and fits its rows.
async fn played(which: Which, seed: u64, dir: &Path, database: Option<String>) -> Vec<Line> {
    buurtpoort::tls::install_default_provider();
    let args =
        ScenarioArgs { which, seed, dir: dir.to_owned(), database, reset: false, json: false };
    let lines =
        play(&args, &metrics()).await.unwrap_or_else(|failure| panic!("{}", failure.message));
    for verb in ["verify", "reconcile"] {
        let config = dir.join("buurtpoort.toml");
        let mut command = Command::new(PROGRAM);
        let said = command.args(["audit", verb, "--config"]).arg(config).output().expect("it ran");
        assert!(said.status.success(), "{verb}: {}", String::from_utf8_lossy(&said.stdout));
    }
    lines
}

fn wrong(lines: &[Line]) -> Vec<&Line> {
    lines.iter().filter(|line| !line.agrees).collect()
}

#[actix_web::test]
async fn the_region_is_counted_as_it_was_published_and_the_same_again() {
    let place = tempfile::tempdir().expect("a directory");
    let first = played(Which::Region, 1, &place.path().join("first"), None).await;
    assert!(first.len() > 20 && wrong(&first).is_empty(), "{:?}", wrong(&first));
    let again = played(Which::Region, 1, &place.path().join("again"), None).await;
    assert_eq!(first, again);
    if let Some(database) = fresh_database().await {
        let other = played(Which::Region, 1, &place.path().join("other"), Some(database)).await;
        assert_eq!(first, other, "PostgreSQL");
    }
}

/// The control: another seed draws other families, and a programme that is not played is not counted.
#[actix_web::test]
async fn another_seed_is_another_story_with_the_published_figures() {
    let place = tempfile::tempdir().expect("a directory");
    let mut stories = Vec::new();
    for seed in [2, 3] {
        let dir = place.path().join(seed.to_string());
        let lines = played(Which::Region, seed, &dir, None).await;
        assert!(wrong(&lines).is_empty(), "{:?}", wrong(&lines));
        stories.push(lines);
    }
    assert_ne!(stories[0], stories[1], "what is drawn is drawn");
    let alone = played(Which::Hoogeveen, 1, &place.path().join("alone"), None).await;
    let supports = alone.iter().find(|line| line.what == "support families registered");
    assert_eq!(supports.expect("a line").counted, "8");
    assert!(alone.iter().all(|line| line.town == "Hoogeveen"));
    let json = buurtpoort::cli::scenario::report::json(&alone);
    assert_eq!(json["lines"].as_array().map(Vec::len), Some(alone.len()));
    assert_eq!(json["lines"][0]["agrees"], serde_json::json!(true));
}

/// A disk that stands still for longer than a commit may take seals the ledger for a moment: who asks again with the
/// same key goes on, and what was asked twice is there once.
#[test]
fn a_scenario_goes_on_after_a_disk_that_stood_still() {
    let looks = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !looks.is_ok_and(|looks| looks.status.success()) {
        eprintln!("passed over: no strace, or it may not look into another process");
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let dir = place.path().join("slow");
    let log = dir.join("buurtpoort.sqlite-wal");
    let played = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-P"])
        .arg(&log)
        // The hundredth is in the midst of the acts.
        .args(["-e", "inject=fdatasync,fsync:delay_exit=2500000:when=100"])
        .args([PROGRAM, "scenario", "hoogeveen", "--dir"])
        .arg(&dir)
        .output()
        .expect("strace ran before");
    let told = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{told}{}", String::from_utf8_lossy(&played.stderr));
    assert!(told.contains("Counted as published."), "{told}");
    let config = dir.join("buurtpoort.toml");
    let verified = Command::new(PROGRAM).args(["audit", "verify", "--config"]).arg(config).output();
    let verified = verified.expect("it ran");
    let verified = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.contains("audit.resumed"), "control: the ledger was sealed: {verified}");
}
