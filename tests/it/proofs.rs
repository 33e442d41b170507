//! What must hold of the policies, decided by `cvc5`; that each property notices the mistake it is for;
//! and that a gateway works with a proven set or not at all.
//!
//! `cvc5` has to be here: what a release says of its policies rests on these tests.

use crate::mutants;
use crate::policy::failures;
use crate::process::{Deployment, PROGRAM};
use crate::support::{Engine as Database, LEA, World, on_both};
use buurtpoort::cli::policies::prove::{Finding, Verdict, decide};
use buurtpoort::cli::policies::{COMPILED_IN, INVARIANTS, INVARIANTS_FILE, Sources, proof};
use buurtpoort::cli::watch;
use buurtpoort::policy::record::ProvenBy;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn shipped() -> Sources {
    Sources::read(None).unwrap_or_else(|failure| panic!("{}", failure.message))
}

async fn findings(sources: &Sources, invariants: &str) -> Vec<Finding> {
    let found = decide(sources, invariants).await;
    found.unwrap_or_else(|failure| panic!("{}", failure.message))
}

/// Names of the properties that do not hold.
async fn broken(sources: &Sources) -> BTreeSet<String> {
    let found = findings(sources, INVARIANTS).await;
    let broken = found.into_iter().filter(|finding| finding.verdict != Verdict::Proven);
    broken.map(|finding| finding.id).collect()
}

/// Proves what lies beside a gateway and records it, as `policy prove --config` does.
pub(crate) async fn prove_and_record(world: &World) {
    let directory = world.dir().join("policies");
    let sources = Sources::read(Some(&directory)).unwrap_or_else(|f| panic!("{}", f.message));
    assert_eq!(broken(&sources).await, BTreeSet::new());
    sign(world, sources.hash());
}

fn sign(world: &World, policies: [u8; 32]) {
    let directory = world.dir().join("policies");
    let (origin, keyring) = (&world.booted.config.ledger.origin, &world.booted.api.gateway.keyring);
    let recorded = proof::record(&directory, policies, origin, keyring, ProvenBy::Solver);
    recorded.unwrap_or_else(|failure| panic!("{}", failure.message));
}

/// The set that the program carries, and for which `demo` and `--shipped` sign, is the one proven here.
#[actix_web::test]
async fn pol_20_the_set_that_is_compiled_in_is_proven() {
    let sources = shipped();
    let found = findings(&sources, INVARIANTS).await;
    for finding in &found {
        assert_eq!(finding.verdict, Verdict::Proven, "{}: {:#?}", finding.id, finding.told);
        let structural = finding.id == "every-action-has-a-ceiling";
        assert!(structural || finding.questions > 0, "{} asks nothing", finding.id);
    }
    for kind in ["ceiling", "guardrail", "floor", "always"] {
        assert!(found.iter().filter(|finding| finding.kind == kind).count() >= 4, "{kind}");
    }
    assert_eq!(proof::release().unwrap_or_else(|f| panic!("{}", f.message)), sources.hash());
}

/// A rule in a file that nobody compiled in would be in force nowhere, and be proven nowhere.
#[test]
fn pol_20_every_file_of_policies_is_compiled_in() {
    let known: BTreeSet<String> = COMPILED_IN
        .iter()
        .map(|(name, _)| *name)
        .chain([INVARIANTS_FILE])
        .map(str::to_owned)
        .collect();
    let there: BTreeSet<String> = fs::read_dir("policies")
        .expect("policies")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| [".cedar", ".cedarschema", ".toml"].iter().any(|kind| name.ends_with(kind)))
        .collect();
    assert_eq!(there, known);
}

/// POL-22: each property notices what it is for, and only that. The one that no rule can break is a law
/// of Cedar itself: that forbids win.
#[actix_web::test]
async fn pol_22_every_property_is_broken_by_a_mistake_of_its_kind() {
    let mut noticed = BTreeSet::new();
    for mutant in mutants::all() {
        let expected: BTreeSet<String> = mutant.breaks.iter().map(|id| (*id).to_owned()).collect();
        let found = broken(&mutant.applied(shipped())).await;
        assert_eq!(found, expected, "{}", mutant.what);
        noticed.extend(found);
    }
    let every = findings(&shipped(), INVARIANTS).await.into_iter().map(|finding| finding.id);
    let unbreakable = ["every-forbid-wins".to_owned()];
    let every: BTreeSet<String> = every.filter(|id| !unbreakable.contains(id)).collect();
    assert_eq!(noticed, every, "every property has its mistake");
}

/// What a person is shown: who asks what, which rule lets them, and the fact that makes it wrong.
#[actix_web::test]
async fn pol_22_a_counterexample_can_be_read() {
    let found = findings(&mutants::all().remove(0).applied(shipped()), INVARIANTS).await;
    let finding =
        found.iter().find(|finding| finding.id == mutants::IDENTITY).expect("the property");
    let told = finding.told.join("\n");
    assert!(
        told.starts_with(
            "Coordinator asks releaseIdentity about a Case and is allowed by coordinator-opens-hers-as-consented"
        ),
        "{told}"
    );
    assert!(told.contains("the caller: bound = yes"), "{told}");
    assert!(told.contains("the object: open = yes"), "{told}");
    assert!(told.contains("the request: purpose = "), "{told}");
    assert!(!told.contains("assignee = the caller"), "that would be no counterexample: {told}");
}

/// A floor that nobody can stand on, and a property about no request, prove nothing.
#[actix_web::test]
async fn pol_22_an_empty_promise_is_not_kept() {
    let floor = |condition: &str| {
        format!(
            "{INVARIANTS}\n@id(\"empty\") @kind(\"floor\") @says(\"so\") permit (principal is \
             Buurtpoort::Coordinator, action == Buurtpoort::Action::\"readCase\", resource) \
             when {{ principal.bound && resource has assignee && principal == resource.assignee && {condition} }};"
        )
    };
    for (condition, verdict) in [
        ("resource.open", Verdict::Proven),
        ("resource.open && !resource.open", Verdict::Counterexample),
    ] {
        let found = findings(&shipped(), &floor(condition)).await;
        let last = found.last().expect("a finding");
        assert_eq!((last.id.as_str(), last.verdict), ("empty", verdict), "{condition}");
    }
}

// The record.

/// A forbid that the set may well have: it keeps every promise.
const STRICTER: &str = "@id(\"closed\") forbid (principal, action == \
    Buurtpoort::Action::\"listAssignments\", resource) when { resource.open };";

on_both! {
    /// POL-21, -23: a good set without a record for exactly it is not taken; with one it is.
    async fn pol_21_23_a_set_that_is_not_proven_is_not_taken(world: World) {
        let (_, case) = world.assigned_case().await;
        let path = format!("/v1/cases/{case}/assignments");
        let hash = || world.booted.api.gateway.engine.load().hash();
        let policies = world.dir().join("policies");
        let (first, record) = (hash(), policies.join(proof::RECORD_FILE));
        let of_first = fs::read_to_string(&record).expect("a record");
        assert!(of_first.contains("proven-by: release"), "the demo's set is the release's");
        assert_eq!(world.get(LEA, &path).await.status, 200);

        fs::write(policies.join("extra.cedar"), STRICTER).expect("written");
        let sources = Sources::read(Some(&policies)).unwrap_or_else(|f| panic!("{}", f.message));
        sign(world, sources.hash());
        let of_extra = fs::read_to_string(&record).expect("a record");
        let unsigned = of_extra.rsplit_once("signature").expect("a signature").0.to_owned();
        let other_hash = of_first.lines().nth(2).expect("a hash");
        let wrong = [
            of_first.clone(),
            of_extra.replace("cvc5", "release"),
            of_extra.replace("localhost/audit/1", "localhost/audit/2"),
            of_extra.replace(of_extra.lines().nth(2).expect("a hash"), other_hash),
            of_first.replace(other_hash, of_extra.lines().nth(2).expect("a hash")),
            unsigned,
            String::new(),
        ];
        let before = failures(world).await;
        for (count, text) in wrong.iter().enumerate() {
            fs::write(&record, text).expect("written");
            watch::reload_policies(&world.booted).await;
            assert_eq!(hash(), first, "wrong record {count}");
        }
        fs::remove_file(&record).expect("removed");
        watch::reload_policies(&world.booted).await;
        assert_eq!(hash(), first, "no record");
        assert_eq!(world.get(LEA, &path).await.status, 200, "the old set goes on");
        assert!(failures(world).await > before + 7, "each is counted");

        fs::write(&record, &of_extra).expect("written");
        watch::reload_policies(&world.booted).await;
        assert_eq!(hash(), sources.hash(), "the control: with its record it is taken");
        assert_eq!(world.get(LEA, &path).await.status, 404, "and holds");
    }
}

/// Runs a verb of the program to its end.
fn run(args: &[&str], environment: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(args).envs(environment.iter().copied());
    command.output().expect("the program runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn nowhere() -> PathBuf {
    PathBuf::from("/nowhere/cvc5")
}

/// POL-20, -23 with the program itself: what `check` and `serve` refuse, and what `policy prove` makes of it.
#[actix_web::test]
async fn pol_20_23_the_program_starts_on_a_proven_set_only() {
    let deployment = Deployment::empty(Database::Sqlite).await.expect("SQLite is always there");
    let none = nowhere();
    let environment = [("CVC5", none.to_str().expect("a path"))];
    let mut demo = deployment.demo("made", &["--exit-after-story"], &environment);
    assert!(demo.ended().await.success(), "a demo needs no cvc5: {}", demo.printed());
    fs::remove_file(deployment.dir().join("DEMO")).expect("a stamp");
    let config = deployment.config();
    let config = config.to_str().expect("a path");
    let policies = deployment.dir().join("policies");
    let record = policies.join(proof::RECORD_FILE);
    let check = || run(&["check", "--config", config], &[]);
    let prove =
        |more: &[&str]| run(&[&["policy", "prove", "--config", config], more].concat(), &[]);
    assert!(check().status.success(), "the control: {}", told(&check()));

    let refused = |rule: &str| {
        for verb in ["check", "serve"] {
            let output = run(&[verb, "--config", config], &[]);
            assert!(!output.status.success(), "{verb}");
            assert!(told(&output).contains(rule), "{verb}: {}", told(&output));
            assert_eq!(told(&output).lines().count(), 1, "{verb}: one line");
        }
    };
    fs::write(policies.join("extra.cedar"), STRICTER).expect("written");
    refused("another policy set");
    let shipped = prove(&["--shipped"]);
    assert_eq!(shipped.status.code(), Some(3), "it is not the release's");
    let without = run(&["policy", "prove", "--config", config], &[("CVC5", &none)]);
    assert_eq!(without.status.code(), Some(2), "{}", told(&without));
    assert!(told(&without).contains("Debian package cvc5"), "{}", told(&without));
    refused("another policy set");

    let output = prove(&[]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(fs::read_to_string(&record).expect("a record").contains("proven-by: cvc5"));
    assert!(check().status.success(), "{}", told(&check()));

    // A lax rule is not proven, and the record of the set before does not count for it.
    let lax = "@id(\"lax\") permit (principal is Buurtpoort::Coordinator, action == \
        Buurtpoort::Action::\"readCase\", resource) when { resource.open };";
    fs::write(policies.join("extra.cedar"), lax).expect("written");
    let output = prove(&[]);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        printed.contains("COUNTEREXAMPLE  ceiling    a-case-only-for-its-coordinator"),
        "{printed}"
    );
    assert!(
        printed.contains("Coordinator asks readCase about a Case and is allowed by lax"),
        "{printed}"
    );
    refused("another policy set");

    fs::remove_file(policies.join("extra.cedar")).expect("removed");
    fs::remove_file(&record).expect("removed");
    refused("not proven");
    let output = run(&["policy", "prove", "--config", config, "--shipped"], &[("CVC5", &none)]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(fs::read_to_string(&record).expect("a record").contains("proven-by: release"));
    let served = deployment.serve().await;
    drop(served);

    // What rules are held to is the program's.
    let weaker = INVARIANTS.replace("@kind(\"floor\")", "@kind(\"ceiling\")");
    fs::write(policies.join(INVARIANTS_FILE), weaker).expect("written");
    refused("invariants.cedar");
    assert_eq!(prove(&[]).status.code(), Some(3));
}

/// A solver that is not one: it must find something where something is to be found.
#[test]
fn pol_22_a_solver_that_only_agrees_proves_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    for (answer, code) in [("unsat", 1), ("unknown", 2), ("nonsense", 2)] {
        let path = place.path().join(answer);
        let script = format!(
            "#!/bin/sh\nwhile read -r line; do case $line in *check-sat*) echo {answer};; esac; done\n"
        );
        fs::write(&path, script).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("runnable");
        let output = run(&["policy", "prove"], &[("CVC5", &path)]);
        assert_eq!(output.status.code(), Some(code), "{answer}: {}", told(&output));
    }
    let output = run(&["policy", "prove", "--json"], &[]);
    assert_eq!(output.status.code(), Some(0), "the control: {}", told(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let properties = report["properties"].as_array().expect("a list");
    assert!(properties.iter().all(|one| one["verdict"] == "proven"));
    let elsewhere = run(&["policy", "prove", "--policies", "/nowhere"], &[]);
    assert_eq!(elsewhere.status.code(), Some(3));
}
