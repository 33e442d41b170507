//! What somebody meets who is new to it: a mistake is told with what to do, and destroys nothing.

use crate::support::{Engine, World, example, metrics, on_both};
use buurtpoort::cli::demo::{DemoArgs, raise};
use buurtpoort::cli::partners::{self, ApplyArgs};
use buurtpoort::clock::Clock;
use buurtpoort::config::Config;

use crate::process::{Deployment, PROGRAM};
use std::path::Path;
use std::process::Command;

/// A demo in a directory, on ports of its own.
fn demo_in(dir: std::path::PathBuf) -> DemoArgs {
    DemoArgs {
        dir,
        api_port: 0,
        portal_port: 0,
        admin_port: 0,
        sign_in_port: None,
        database: None,
        reset: false,
        exit_after_story: true,
    }
}

/// What the program says on standard error, and its exit code.
fn said(words: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(PROGRAM).args(words).output().expect("the program");
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
}

/// The directory of a demo that runs is not taken by another: its ledger would be gone under it.
#[actix_web::test]
async fn a_second_demo_leaves_the_first_alone() {
    let world = World::raise(Engine::Sqlite).await.expect("SQLite is always there");
    let told = raise(&demo_in(world.dir()), Clock::System, &metrics()).await;
    let told = told.err().expect("refused").message;
    assert_eq!(told, "a demo is running in this directory; stop it, or choose another with --dir");
    let ledger = world.ledger().await;
    assert!(ledger.entries > 0, "control: the first goes on");
    // Control: what one that has ended left is taken.
    let dir = world.directory.path().join("other");
    std::fs::create_dir(&dir).expect("a directory");
    std::fs::write(dir.join("DEMO"), "").expect("a stamp");
    std::fs::write(dir.join("old.toml"), "").expect("a file");
    let again = raise(&demo_in(dir.clone()), Clock::System, &metrics()).await;
    assert!(again.is_ok(), "{:?}", again.err().map(|failure| failure.message));
    assert!(!dir.join("old.toml").exists());
    let mine = world.directory.path().join("mine");
    std::fs::create_dir(&mine).expect("a directory");
    std::fs::write(mine.join("thesis.txt"), "mine").expect("a file");
    let told =
        raise(&demo_in(mine.clone()), Clock::System, &metrics()).await.err().expect("refused");
    assert!(
        told.message.contains("not a demo") && mine.join("thesis.txt").exists(),
        "{}",
        told.message
    );
}

on_both! {
    /// A file with a new partner and no territory does not stop every gemeente from being served.
    async fn a_register_without_territories_is_asked_about(world: World) {
        let config = world.dir().join("buurtpoort.toml");
        let file = world.dir().join("one.toml");
        let one = "[[partner]]\nname = \"nieuw\"\nnumber = \"00000099000000077000\"\nkind = \"referrer\"\n\
            pins = [\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]\nsources = [\"wijkteam\"]\nmunicipalities = [\"GM0268\"]\n";
        std::fs::write(&file, one).expect("a file");
        let args = |dry_run, drop_territories| ApplyArgs { file: file.clone(), dry_run, drop_territories, config: config.clone() };
        for dry_run in [true, false] {
            let told = partners::run(&args(dry_run, false)).await.expect_err("refused").message;
            assert!(told.contains("GM0118, GM0119, GM0225, GM0252, GM0268, GM1945 would not be served"), "{told}");
        }
        let sent = world.post(crate::support::WIJKTEAM, "/v1/referrals", &example("referral-wijkteam")).await;
        assert_eq!(sent.status, 201, "control: Nijmegen is served as before: {}", sent.raw);
        let told = "1 partners, 0 territories in the place of 6";
        for (dry_run, done) in [(true, "the file is in order, nothing was changed"), (false, "applied")] {
            let applied = partners::run(&args(dry_run, true)).await.map_err(|failure| failure.message);
            assert_eq!(applied, Ok(format!("{told}: {done}")));
        }
        // A file that leaves one gemeente out is asked about as well; a whole one is not.
        let whole = ApplyArgs { file: world.dir().join("partners.toml"), ..args(false, false) };
        assert!(partners::run(&whole).await.is_ok(), "control");
        let text = text_of(world, "partners.toml");
        let less = text.replace("municipality = \"GM0119\"", "municipality = \"GM0118\"\ndistrict = \"WK011801\"");
        assert_ne!(less, text);
        std::fs::write(&file, less).expect("a file");
        let told = partners::run(&args(false, false)).await.expect_err("refused").message;
        assert!(told.contains("there are, and GM0119 would not be served"), "{told}");
    }
}

/// Messages name the file, the line, or the next command.
#[actix_web::test]
async fn a_mistake_is_told_with_what_to_do() {
    let world = World::raise(Engine::Sqlite).await.expect("SQLite is always there");
    let dir = world.dir();
    let text = std::fs::read_to_string(dir.join("buurtpoort.toml")).expect("a configuration");
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let file = dir.join("changed.toml");
        std::fs::write(&file, text.replace(from, to)).expect("written");
        Config::read(&file).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let gone = with("url = \"sqlite:buurtpoort.sqlite\"", "url-file = \"keys/database.url\"");
    let path = dir.join("keys/database.url");
    assert_eq!(
        gone,
        format!("database.url-file: {} cannot be read: entity not found", path.display())
    );
    let mistyped = with("deployment = \"demo\"", "deployment = 7");
    let line = text.lines().position(|line| line == "deployment = \"demo\"").expect("a line") + 1;
    assert!(mistyped.contains(&format!("line {line}: ")), "{mistyped}");
    assert_eq!(with("deployment = \"demo\"", "deployment = \"other\""), "", "control");
    let (nosuch, here) = (dir.join("nosuch.toml"), dir.join("buurtpoort.toml"));
    let (nosuch, here, dir) =
        (nosuch.display().to_string(), here.display().to_string(), dir.display().to_string());
    let (told, code) = said(&["partner", "apply", &nosuch, "--config", &here]);
    assert!(
        told.contains(&format!("{nosuch} cannot be read: entity not found")) && code == Some(3),
        "{told}"
    );
    let (told, code) = said(&[
        "token",
        "--dir",
        &dir,
        "--partner",
        "wijkteam-nijmegen",
        "--person",
        "x",
        "--role",
        "baas",
    ]);
    assert!(told.contains("role: must be one") && code == Some(3), "{told}");
    let (told, _) =
        said(&["link", "--dir", "/nosuch", "--partner", "buurtgezinnen", "--person", "anna"]);
    assert!(told.contains("/nosuch is none"), "{told}");
    let unmade = text.replace("buurtpoort.sqlite", "empty.sqlite");
    let register = text_of(&world, "partners.toml");
    std::fs::write(world.dir().join("unmade.toml"), unmade).expect("written");
    std::fs::write(world.dir().join("bad.toml"), register.replacen("kind =", "knid =", 1))
        .expect("written");
    // In the directory itself, as one types: paths are relative to the file.
    let apply = |file: &str, config: &str| {
        let words = ["partner", "apply", file, "--dry-run", "--config", config];
        let output = Command::new(PROGRAM)
            .current_dir(world.dir())
            .args(words)
            .output()
            .expect("the program");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let told = apply("partners.toml", "buurtpoort.toml");
    assert!(told.contains("in order"), "control: {told}");
    let told = apply("partners.toml", "unmade.toml");
    assert!(told.trim().ends_with(": run `buurtpoort migrate`"), "{told}");
    let told = apply("bad.toml", "buurtpoort.toml");
    assert!(told.contains("line ") && told.contains("knid"), "{told}");
}

fn text_of(world: &World, name: &str) -> String {
    std::fs::read_to_string(world.dir().join(name)).expect("a file")
}

/// The lines of a block of shell in a document, under a heading.
fn block<'a>(text: &'a str, heading: &str) -> &'a str {
    let rest = text.split_once(heading).map_or("", |(_, rest)| rest);
    let rest = rest.split_once("```sh\n").map_or("", |(_, rest)| rest);
    rest.split_once("```").map_or("", |(block, _)| block)
}

/// The first steps of docs/api.md work as they stand there, against a demo that serves.
#[actix_web::test]
async fn the_first_steps_work_as_written() {
    let deployment = Deployment::empty(Engine::Sqlite).await.expect("SQLite is always there");
    let mut demo = deployment.demo("demo", &[], &[]);
    demo.said("Still serving").await;
    let document = std::fs::read_to_string("docs/api.md").expect("the document");
    let written = block(&document, "## First steps");
    let first = "DIR=demo-data API=https://localhost:8443 PATH=$PWD/target/release:$PATH\n";
    assert!(written.starts_with(first), "{written}");
    let program = Path::new(PROGRAM).parent().expect("a directory");
    let own = format!(
        "DIR={} API=https://localhost:{} PATH={}:$PATH\n",
        deployment.dir().display(),
        deployment.ports.api,
        program.display()
    );
    let script = format!("set -eu\n{}", written.replace(first, &own));
    let output = Command::new("bash").arg("-c").arg(script).output().expect("bash");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}{}", demo.printed());
    assert!(out.contains("PROVEN: referral ") && out.contains("it is for this request"), "{out}");
    assert!(out.contains("\"reference\":\"WT-2026-0001\""), "the list of referrals: {out}");
    assert!(out.contains("GM0268"), "figures: {out}");
}

/// The sample register is one, as far as it goes.
#[test]
fn the_sample_register_can_be_read() {
    let text = std::fs::read_to_string("deploy/partners.toml").expect("the sample");
    let (partners, territories) =
        partners::parse(&text).unwrap_or_else(|failure| panic!("{}", failure.message));
    assert!(partners.len() > 4 && territories.len() > 1);
}
