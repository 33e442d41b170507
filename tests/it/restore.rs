//! An older database is not served: what partners and the archive saw cannot be taken back unsaid.

use crate::process::{Deployment, PROGRAM};
use crate::support::{Engine, WIJKTEAM, example};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

fn run(arguments: &[&str], config: &Path) -> (i32, String) {
    let Output { status, stdout, stderr } = Command::new(PROGRAM)
        .args(arguments)
        .arg("--config")
        .arg(config)
        .output()
        .expect("it runs");
    let told = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.code().unwrap_or(-1), told)
}

async fn refer(deployment: &Deployment, key: &str) {
    let body = example("referral-wijkteam").to_string();
    let answer = deployment.voice(WIJKTEAM).post("/v1/referrals", key, &body).await;
    assert_eq!(answer.expect("an answer").status, 201);
}

/// Copies the files of the SQLite database.
fn copy(deployment: &Deployment, from: &Path, to: &Path) {
    for end in ["", "-wal", "-shm"] {
        let name = format!("buurtpoort.sqlite{end}");
        drop(std::fs::remove_file(to.join(&name)));
        if from.join(&name).exists() {
            std::fs::copy(from.join(&name), to.join(&name)).expect("a copy");
        }
    }
    assert!(deployment.dir().join("buurtpoort.sqlite").exists());
}

/// Serves, refers, and stops in good order: the archive then has the last head.
async fn a_day(deployment: &Deployment, key: &str) {
    let mut running = deployment.serve().await;
    refer(deployment, key).await;
    running.terminate();
    assert!(running.ended().await.success(), "{}", running.printed());
}

#[actix_web::test]
async fn aud_09_flt_28_an_older_database_is_refused_until_two_persons_say_so() {
    let deployment = Deployment::made(Engine::Sqlite).await.expect("a deployment");
    let (dir, config) = (deployment.dir(), deployment.config());
    a_day(&deployment, "first").await;
    let backup = deployment.beside("backup");
    std::fs::create_dir(&backup).expect("a directory");
    copy(&deployment, &dir, &backup);
    // The control: the backup of this very moment is no restore of an older one.
    assert_eq!(run(&["check"], &config).0, 0);
    a_day(&deployment, "second").await;
    copy(&deployment, &backup, &dir);

    let (code, told) = run(&["serve"], &config);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("an older database was restored"), "{told}");
    assert_eq!(run(&["check"], &config).0, 1);

    let said = |by: &str, second: &str| {
        run(
            &[
                "audit",
                "acknowledge-restore",
                "--reason",
                "incident-7",
                "--by",
                by,
                "--second",
                second,
            ],
            &config,
        )
    };
    let (code, told) = said("pien", "pien");
    assert_eq!(code, 3, "{told}");
    let (code, told) = said("pien", "joost");
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("localhost/audit/2"), "{told}");
    let (code, told) = said("pien", "joost");
    assert_eq!(code, 2, "once: {told}");

    let mut running = deployment.serve().await;
    refer(&deployment, "third").await;
    running.terminate();
    running.ended().await;
    let (code, told) = run(&["audit", "verify"], &config);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("restore.acknowledged"), "{told}");
    let lost = std::fs::read_dir(dir.join("checkpoints")).expect("an archive");
    let lost = lost
        .filter_map(Result::ok)
        .any(|entry| entry.file_name().to_string_lossy().ends_with(".lost"));
    assert!(lost, "the note of the lost head is kept");
}

#[actix_web::test]
async fn aud_09_a_database_of_before_a_new_ledger_key_is_found_to_be_older() {
    let deployment = Deployment::made(Engine::Sqlite).await.expect("a deployment");
    let (dir, config) = (deployment.dir(), deployment.config());
    a_day(&deployment, "first").await;
    let backup = deployment.beside("backup");
    std::fs::create_dir(&backup).expect("a directory");
    copy(&deployment, &dir, &backup);
    let (code, told) = run(&["key", "rotate", "ledger"], &config);
    assert_eq!(code, 0, "{told}");
    // What was proven stays proven under the new key, and the gateway starts.
    a_day(&deployment, "second").await;
    assert_eq!(run(&["audit", "verify"], &config).0, 0, "control: whole");
    copy(&deployment, &backup, &dir);
    let (code, told) = run(&["serve"], &config);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("an older database was restored"), "{told}");
    let words = [
        "audit",
        "acknowledge-restore",
        "--reason",
        "incident-8",
        "--by",
        "pien",
        "--second",
        "joost",
    ];
    let (code, told) = run(&words, &config);
    assert_eq!(code, 0, "{told}");
    // The record of the proof is by a key this database never had.
    let (code, told) = run(&["serve"], &config);
    assert!(code == 1 && told.contains("policy prove"), "{told}");
    let (code, told) = run(&["policy", "prove", "--shipped"], &config);
    assert_eq!(code, 0, "{told}");
    a_day(&deployment, "third").await;
    let (code, told) = run(&["audit", "verify"], &config);
    assert_eq!(code, 0, "{told}");
}

#[actix_web::test]
async fn aud_12_a_lost_or_foreign_checkpoint_is_refused() {
    let deployment = Deployment::made(Engine::Sqlite).await.expect("a deployment");
    let config = deployment.config();
    a_day(&deployment, "first").await;
    let latest = deployment.dir().join("checkpoints").join("latest");
    let note = std::fs::read_to_string(&latest).expect("a note");
    assert_eq!(run(&["check"], &config).0, 0, "control");
    for (change, rule) in [
        (None, "no checkpoint there"),
        (Some(String::new()), "latest"),
        (Some(note.replace("localhost/audit/1", "localhost/audit/2")), "latest"),
        (Some(format!("{}x\n", note.trim_end())), "latest"),
    ] {
        match &change {
            None => std::fs::remove_file(&latest).expect("a note"),
            Some(text) => std::fs::write(&latest, text).expect("a note"),
        }
        let (code, told) = run(&["serve"], &config);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains("ledger.checkpoints") && told.contains(rule), "{told}");
    }
    std::fs::write(&latest, note).expect("a note");
    assert_eq!(run(&["check"], &config).0, 0, "control");
}

#[actix_web::test]
async fn the_head_reaches_the_archive_while_serving() {
    let deployment = Deployment::made(Engine::Sqlite).await.expect("a deployment");
    let mut running = deployment.serve().await;
    let latest = deployment.dir().join("checkpoints").join("latest");
    let size = |text: &str| text.lines().nth(1).and_then(|size| size.parse::<u64>().ok());
    let before = size(&std::fs::read_to_string(&latest).expect("a note")).expect("a size");
    refer(&deployment, "first").await;
    let mut seen = before;
    for _ in 0..150 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        seen = size(&std::fs::read_to_string(&latest).expect("a note")).expect("a size");
        if seen > before {
            break;
        }
    }
    assert!(seen > before, "published within fifteen seconds");
    running.kill();
}
