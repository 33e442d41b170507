//! What somebody meets who is new to it: a mistake is told with what to do, and destroys nothing.

use crate::support::{Engine, World, example, metrics, on_both};
use buurtpoort::cli::demo::{DemoArgs, raise};
use buurtpoort::cli::partners;
use buurtpoort::clock::Clock;
use buurtpoort::config::Config;
use buurtpoort::store::migrate;

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
        let told = partners::run(&file, false, false, &config).await.expect_err("refused").message;
        assert!(told.contains("the 6 of the register would go") && told.contains("--no-territories"), "{told}");
        let sent = world.post(crate::support::WIJKTEAM, "/v1/referrals", &example("referral-wijkteam")).await;
        assert_eq!(sent.status, 201, "control: Nijmegen is served as before: {}", sent.raw);
        assert!(partners::run(&file, true, false, &config).await.is_ok(), "the file itself is in order");
        let applied = partners::run(&file, false, true, &config).await.map_err(|failure| failure.message);
        assert_eq!(applied.as_deref(), Ok("1 partners, 0 territories: applied; there were 6 territories"));
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
    let empty = world.directory.path().join("empty.sqlite");
    let pool = buurtpoort::store::Pool::open(&format!("sqlite:{}", empty.display()))
        .await
        .expect("a file");
    let told = migrate::check(&pool).await.expect_err("nothing is there").to_string();
    assert!(told.ends_with(": run `buurtpoort migrate`"), "{told}");
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
