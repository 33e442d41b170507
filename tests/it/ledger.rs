//! The ledger of a running gateway, as those who check it meet it: the command line, the independent verifier
//! on a database and on an export, the API of the privacy officer, receipts and "who looked at my data".

use crate::process::PROGRAM;
use crate::sql;
use crate::support::{ANNA, Engine, LEA, TOEZICHT, WIJKTEAM, World, example, on_both};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use buurtpoort::audit::checkpoint::Checkpoint;
use buurtpoort::audit::proof::Proof;
use buurtpoort::audit::tree::{verify_consistency, verify_inclusion};
use buurtpoort::cli::audit::reconciled;
use buurtpoort::cli::keys::rotate_ledger;
use buurtpoort::store::{Pool, ledger};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// What a program said, and with which exit code.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let code = output.status.code().expect("it ended by itself");
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }

    fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// Runs `buurtpoort audit`.
fn audit(world: &World, words: &[&str]) -> Said {
    let mut command = Command::new(PROGRAM);
    command.arg("audit").args(words);
    if words.first() != Some(&"verify-proof") {
        command.arg("--config").arg(world.dir().join("buurtpoort.toml"));
    }
    Said::of(command.output().expect("the program is there"))
}

fn python(words: &[&str]) -> Said {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/verify_ledger.py");
    Said::of(Command::new("python3").arg(script).args(words).output().expect("python3 is there"))
}

/// Keeps what a program said in a file of the test's own.
fn keep(world: &World, name: &str, text: &str) -> String {
    let path = world.directory.path().join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("a path").to_owned()
}

/// A referral, an assignment, a release and its outcome.
async fn busy(world: &World) -> (String, String) {
    let (referral, case) = world.assigned_case().await;
    assert_eq!(world.release(&case).await.status, 201);
    outcome_written(world).await;
    (referral, case)
}

/// The outcome of a release is written behind its answer.
async fn outcome_written(world: &World) {
    for _ in 0..100 {
        let ledger = world.ledger().await;
        if ledger.releases_granted == ledger.releases_done {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no outcome");
}

/// Lets the test change what the program never changes.
async fn without_triggers(pool: &Pool) {
    for (trigger, table) in [
        ("audit_entry_not_updated", "audit_entry"),
        ("audit_entry_not_deleted", "audit_entry"),
        ("audit_head_only_grows", "audit_head"),
    ] {
        let statement = match pool {
            Pool::Sqlite { .. } => format!("DROP TRIGGER {trigger}"),
            Pool::Postgres(_) => format!("DROP TRIGGER IF EXISTS {trigger} ON {table}"),
        };
        sql::run(pool, &statement).await;
    }
}

/// The database file, where it is one.
fn file(world: &World) -> Option<PathBuf> {
    (world.engine == Engine::Sqlite).then(|| world.dir().join("buurtpoort.sqlite"))
}

on_both! {
    /// AUD-03, -09, -23: an honest ledger is accepted by the program, and by the independent verifier on the
    /// database file and on an export; cut off or rolled back to an older signed head, by none of them.
    async fn aud_03_09_23_both_verifiers_agree_on_a_running_ledger(world: World) {
        busy(world).await;
        let older = audit(world, &["head"]);
        let (keys, early) = (audit(world, &["head", "--keys"]), world.ledger().await.entries);
        assert_eq!((older.code, keys.code), (0, 0), "{older:?} {keys:?}");
        let keys = keep(world, "ledger.keys", &keys.out);
        let pool = &world.booted.api.gateway.store.pool;
        // What an old backup would hold.
        sql::run(pool, "CREATE TABLE old_head AS SELECT * FROM audit_head").await;
        busy(world).await;
        let newer = keep(world, "newer.note", &audit(world, &["head"]).out);
        let whole = audit(world, &["verify", "--json", "--checkpoint", &newer]);
        assert_eq!(whole.code, 0, "{whole:?}");
        assert_eq!(whole.lines()[0]["result"], "ok");
        // The one handed over, and the one in the gateway's own archive.
        assert_eq!(whole.lines()[0]["checkpoints"], 2);
        let by_python = |name: &str| {
            let export = audit(world, &["export"]);
            assert_eq!(export.code, 0, "{export:?}");
            let export = keep(world, name, &export.out);
            let mut ledgers = vec![export];
            ledgers.extend(file(world).map(|path| path.to_str().expect("a path").to_owned()));
            ledgers.iter().map(|l| python(&["--key", &keys, "--checkpoint", &newer, l])).collect::<Vec<_>>()
        };
        for said in by_python("honest.jsonl") {
            assert_eq!(said.code, 0, "{said:?}");
        }
        without_triggers(pool).await;
        // The tail is gone, and the head is the genuine one of that time.
        sql::run(pool, &format!("DELETE FROM audit_entry WHERE seq >= {early}")).await;
        for column in ["size", "root", "peaks", "last_hash", "checkpoint"] {
            let back = format!("UPDATE audit_head SET {column} = (SELECT {column} FROM old_head)");
            sql::run(pool, &back).await;
        }
        assert_eq!(audit(world, &["verify"]).code, 0, "by itself it looks whole");
        let found = audit(world, &["verify", "--json", "--checkpoint", &newer]);
        assert_eq!((found.code, &found.lines()[0]["seq"]), (1, &json!(early)), "{found:?}");
        for said in by_python("cut.jsonl") {
            assert_eq!(said.code, 1, "{said:?}");
            assert!(said.out.contains(&format!("ledger entry {early}:")), "{said:?}");
        }
    }
}

on_both! {
    /// AUD-01, -04, -07, -12: changed rows in the database itself, rows beyond the head, and an archive of
    /// signed heads that says otherwise or lacks its newest.
    async fn aud_01_04_07_12_rows_and_archive_are_both_looked_at(world: World) {
        busy(world).await;
        let pool = &world.booted.api.gateway.store.pool;
        let archive = world.dir().join("checkpoints");
        with_archive(world);
        let note = audit(world, &["head"]).out;
        let size: u64 = note.lines().nth(1).and_then(|line| line.parse().ok()).expect("a size");
        let verify = || audit(world, &["verify"]);
        std::fs::write(archive.join("latest"), &note).expect("written");
        std::fs::write(archive.join(format!("{size:020}.note")), &note).expect("written");
        assert_eq!(verify().code, 0, "control");
        std::fs::remove_file(archive.join("latest")).expect("removed");
        assert_eq!(verify().code, 2, "the newest head is missing");
        std::fs::write(archive.join("latest"), note.replace('1', "2")).expect("written");
        assert_eq!(verify().code, 1, "not signed");
        std::fs::write(archive.join("latest"), &note).expect("written");
        std::fs::write(archive.join(format!("{:020}.note", size + 1)), &note).expect("written");
        assert_eq!(verify().code, 1, "a note in the file of another size");
        std::fs::remove_file(archive.join(format!("{:020}.note", size + 1))).expect("removed");
        assert_eq!(verify().code, 0, "control");
        without_triggers(pool).await;
        sql::run(pool, "CREATE TABLE kept AS SELECT * FROM audit_entry").await;
        let extra = "INSERT INTO audit_entry SELECT {seq}, leaf, leaf_hash, at_us, event, outcome, object \
            FROM kept WHERE seq = 1";
        for (change, back) in [
            ("UPDATE audit_entry SET at_us = at_us + 1 WHERE seq = 2", "UPDATE audit_entry SET at_us = at_us - 1 WHERE seq = 2"),
            (&*extra.replace("{seq}", "-1"), "DELETE FROM audit_entry WHERE seq = -1"),
            (&*extra.replace("{seq}", "5000"), "DELETE FROM audit_entry WHERE seq = 5000"),
            ("UPDATE audit_head SET last_hash = root", "UPDATE audit_head SET last_hash = (SELECT leaf_hash FROM kept ORDER BY seq DESC LIMIT 1)"),
        ] {
            sql::run(pool, change).await;
            assert_eq!(verify().code, 1, "{change}");
            if let Some(path) = file(world) {
                let keys = audit(world, &["head", "--keys"]).out;
                let said = python(&["--key", keys.trim(), path.to_str().expect("a path")]);
                assert_eq!(said.code, 1, "{change}: {said:?}");
            }
            sql::run(pool, back).await;
            assert_eq!(verify().code, 0, "control after {change}");
        }
    }
}

/// Names the archive in the configuration, where the demo did not.
fn with_archive(world: &World) {
    let path = world.dir().join("buurtpoort.toml");
    let text = std::fs::read_to_string(&path).expect("a configuration");
    if !text.contains("checkpoints =") {
        let named = text.replace("[ledger]\n", "[ledger]\ncheckpoints = \"checkpoints\"\n");
        assert_ne!(named, text);
        std::fs::write(&path, named).expect("written");
    }
    let archive = world.dir().join("checkpoints");
    std::fs::create_dir_all(&archive).expect("a directory");
    for entry in std::fs::read_dir(archive).expect("a directory") {
        std::fs::remove_file(entry.expect("an entry").path()).expect("removed");
    }
}

on_both! {
    /// AUD-13: a row changed without an entry is found, whatever else stays as it was; put right, all matches.
    async fn aud_13_what_the_ledger_does_not_know_is_found(world: World) {
        let (_, case) = busy(world).await;
        let (referral, _) = world.assigned_case().await;
        let at = world.now().to_string();
        let withdrawal = json!({"signer": "parent1", "decision": "withdrawn", "at": at, "method": "by-telephone"});
        let path = format!("/v1/referrals/{referral}/consent-decisions");
        assert_eq!(world.post(WIJKTEAM, &path, &withdrawal).await.status, 201);
        let intake = world.post(ANNA, &format!("/v1/cases/{case}/transitions"), &example("transition")).await;
        assert_eq!(intake.status, 200, "{}", intake.raw);
        let gateway = &world.booted.api.gateway;
        let pool = &gateway.store.pool;
        let found = async || {
            let done = reconciled(pool, &gateway.keyring).await.expect("read");
            done.findings.into_iter().map(|finding| finding.rule).collect::<BTreeSet<_>>()
        };
        assert_eq!(found().await, BTreeSet::new(), "control");
        let said = audit(world, &["reconcile"]);
        assert_eq!(said.code, 0, "{said:?}");
        let id = sql::either(pool, &format!("x'{}'", case.replace('-', "")), &format!("'{case}'")).to_owned();
        let of = |change: &str| format!("UPDATE case_file SET {change} WHERE id = {id}");
        let mut tries = vec![
            (of("assignee = 'bert'"), of("assignee = 'anna'"), "a case is held by whom it was last assigned to"),
            (of("state = 'searching'"), of("state = 'intake'"), "a case is in the state the ledger brought it to"),
            (of("version = version + 9"), of("version = version - 9"), "every change of a case has its entry"),
        ];
        // Assigned to another in both tables.
        let given = |to: &str| format!("UPDATE assignment SET coordinator = '{to}' WHERE case_id = {id}");
        tries.push((given("bert"), given("anna"), "every assignment has its entry"));
        // Opened by another than the ledger says.
        let opened = |by: &str| format!("UPDATE identity_release SET person = '{by}' WHERE case_id = {id}");
        let release = "every release of an identity has its intent, and every intent its release";
        tries.push((opened("bert"), opened("anna"), release));
        // The referral moved to a partner that did not send it.
        let sent = |by: &str| format!(
            "UPDATE referral SET partner_id = (SELECT id FROM partner WHERE name = '{by}') WHERE case_id = {id}"
        );
        tries.push((sent("poh-j-nijmegen"), sent("wijkteam-nijmegen"), "a referral belongs to the partner that sent it"));
        for (change, back, rule) in &tries {
            assert!(sql::run(pool, change).await > 0, "{change}");
            assert!(found().await.contains(rule), "{change}");
            let said = audit(world, &["reconcile", "--json"]);
            assert_eq!((said.code, said.out.contains(&case)), (1, true), "{change}: {said:?}");
            sql::run(pool, back).await;
            assert_eq!(found().await, BTreeSet::new(), "put right: {change}");
        }
        let extra = format!("UPDATE identity_release SET purpose = 'pairing' WHERE case_id = {id}");
        sql::run(pool, &extra).await;
        assert_eq!(found().await.len(), 1, "a release for another purpose than the ledger has");
        sql::run(pool, &format!("DELETE FROM identity_release WHERE case_id = {id}")).await;
        assert_eq!(found().await.len(), 1, "a release without its row");
    }
}

on_both! {
    /// AUD-17: who looked at my data: every entry about the case, and of no other; in words and as records.
    async fn aud_17_inzage_is_complete_and_only_about_one_case(world: World) {
        let (_, mine) = busy(world).await;
        let (_, other) = busy(world).await;
        assert_eq!(world.get(ANNA, &format!("/v1/cases/{mine}")).await.status, 200);
        assert_eq!(world.get(TOEZICHT, &format!("/v1/cases/{mine}/identity-releases")).await.status, 200);
        let inzage = |case: &str| audit(world, &["export", "--format", "inzage", "--json", "--case", case]);
        let (mine_lines, other_lines) = (inzage(&mine).lines(), inzage(&other).lines());
        let events = |lines: &[Value]| {
            let event = |line: &Value| line["event"].as_str().expect("an event").to_owned();
            lines.iter().map(event).collect::<Vec<_>>()
        };
        let common = ["referral.accepted", "assignment.made", "release.intent", "release.done"];
        assert_eq!(events(&other_lines), common);
        assert_eq!(events(&mine_lines), [&common[..], &["case.read", "audit.read"]].concat());
        let index = |lines: &[Value]| {
            lines.iter().map(|line| line["ledgerIndex"].as_u64().expect("an index")).collect::<BTreeSet<_>>()
        };
        assert!(index(&mine_lines).is_disjoint(&index(&other_lines)));
        // Nothing else in the ledger names a case.
        let export = audit(world, &["export"]).lines();
        let named = export.iter().skip(1).filter(|row| row[6].is_string()).count();
        assert_eq!(named, mine_lines.len() + other_lines.len());
        let words = audit(world, &["export", "--format", "inzage", "--case", &mine]).out;
        assert!(words.contains("saw who the family is") && words.contains("by coordinator"), "{words}");
        assert!(!words.contains("anna") && !words.contains("Proefpersoon"), "{words}");

        let records = |format: &str| audit(world, &["export", "--format", format, "--case", &mine]).lines();
        let (logboek, nen, authzen) = (records("logboek"), records("nen7513"), records("authzen"));
        // The example speaks of three people.
        let people = example("referral-wijkteam")["subjects"].as_array().map_or(0, Vec::len);
        assert_eq!(logboek.len(), people * mine_lines.len());
        let join = |line: &Value| (line["trace_id"].to_string(), line["span_id"].to_string());
        let joined: BTreeMap<_, _> = nen.iter().map(|line| (join(line), line)).collect();
        assert_eq!(joined.len(), logboek.len(), "each line has a span of its own");
        for line in &logboek {
            let who = joined.get(&join(line)).expect("its twin");
            assert_eq!(who["ParticipantObjectID"], line["attributes"]["dpl.core.data_subject_id"]);
            let user = who["UserID"].as_str().expect("a pseudonym");
            assert!(user.is_empty() || !line.to_string().contains(user), "it names the user");
        }
        let seen: BTreeSet<_> = nen.iter().map(|line| line["ParticipantObjectID"].to_string()).collect();
        assert_eq!(seen.len(), people);
        assert_eq!(authzen.len(), mine_lines.len() - 1, "release.done is no decision of the policies");
        assert!(authzen.iter().all(|line| line["attributes"]["adl.core.policies"]["sha256"].is_string()));
        let all = audit(world, &["export", "--format", "logboek"]).lines();
        assert_eq!(all.len(), people * named, "without a case: everybody's");
    }
}

on_both! {
    /// A receipt proves acceptance without us: signature, path, request and signed head; AUD-22 nothing altered.
    async fn aud_22_a_receipt_proves_acceptance_to_a_stranger(world: World) {
        busy(world).await;
        let body = example("referral-wijkteam").to_string();
        let post = || world.send(WIJKTEAM, Method::POST, "/v1/referrals", Some(body.clone()), Some("receipt"));
        let answer = post().await;
        let again = post().await;
        let receipt = keep(world, "receipt.jws", answer.text("/receipt"));
        let head = keep(world, "head.txt", answer.header("audit-checkpoint"));
        let jwks = keep(world, "jwks.json", &world.get(WIJKTEAM, "/.well-known/jwks.json").await.raw);
        let keys = keep(world, "ledger.keys", &audit(world, &["head", "--keys"]).out);
        let request = keep(world, "request.json", &body);
        let check = |receipt: &str, request: &str, head: &str| {
            audit(world, &["verify-proof", receipt, "--json", "--key", &jwks, &keys, "--request", request, "--checkpoint", head])
        };
        let said = check(&receipt, &request, &head);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(said.lines()[0]["id"], answer.text("/id"));
        let whole = keep(world, "answer.json", &answer.raw);
        assert_eq!(check(&whole, &request, &head).code, 0, "the answer as it came holds the receipt");
        let other = keep(world, "other.json", &body.replace("Voorbeeldstraat", "Andere straat"));
        assert_eq!(check(&receipt, &other, &head).code, 1);
        let later = keep(world, "later.txt", world.get(WIJKTEAM, "/v1/audit/checkpoint").await.header("audit-checkpoint"));
        assert_eq!(check(&receipt, &request, &later).code, 1, "the head of another tree");
        let twice = body.replacen('{', r#"{"supportText":"Iets anders","#, 1);
        assert!(twice.matches("supportText").count() == 2, "the control");
        let twice = keep(world, "twice.json", &twice);
        assert_eq!(check(&receipt, &twice, &head).code, 1, "a field that stands twice was never accepted");
        let mut changed = answer.text("/receipt").to_owned();
        changed.truncate(changed.len() - 2);
        assert_eq!(check(&keep(world, "changed.jws", &changed), &request, &head).code, 1);
        // A repetition is signed anew, over a later head, and shows no path; its index leads to a proof.
        let repeated = check(&keep(world, "again.jws", again.text("/receipt")), &request, &head);
        assert_eq!((repeated.code, repeated.out.contains("carries no proof")), (1, true), "{repeated:?}");
        let index = said.lines()[0]["index"].to_string();
        let proof = audit(world, &["prove", "--seq", &index]);
        let proof = keep(world, "entry.tlog-proof", &proof.out);
        let said = audit(world, &["verify-proof", &proof, "--key", &keys]);
        assert_eq!((said.code, said.out.contains("referral.accepted")), (0, true), "{said:?}");
        let text = std::fs::read_to_string(&proof).expect("a proof");
        let altered = keep(world, "altered.tlog-proof", &text.replace(&format!("index {index}\n"), "index 0\n"));
        assert_eq!(audit(world, &["verify-proof", &altered, "--key", &keys]).code, 1);
    }
}

on_both! {
    /// The privacy officer reads the whole ledger page by page, and proves entry and growth.
    async fn the_privacy_officer_reads_and_proves(world: World) {
        busy(world).await;
        let early = world.get(TOEZICHT, "/v1/audit/checkpoint").await.body;
        let mut seen = Vec::new();
        let mut path = "/v1/audit/entries?limit=3".to_owned();
        for _ in 0..3 {
            let page = world.get(TOEZICHT, &path).await;
            assert_eq!(page.status, 200, "{}", page.raw);
            seen.extend(page.body["items"].as_array().expect("a list").clone());
            path = format!("/v1/audit/entries?limit=3&cursor={}", page.text("/next"));
        }
        let indices: Vec<u64> = seen.iter().filter_map(|item| item["index"].as_u64()).collect();
        assert_eq!(indices, (0..9).collect::<Vec<_>>());
        let keys = world.booted.api.gateway.keyring.ledger_public_keys();
        for item in seen.iter().take(4) {
            let reply = world.get(TOEZICHT, &format!("/v1/audit/proofs/{}", item["index"])).await;
            assert_eq!(reply.status, 200, "{}", reply.raw);
            let proof = Proof::parse(reply.text("/tlogProof")).expect("a proof");
            let (head, position, _) = proof.verify(&keys).expect("it holds");
            assert_eq!((Some(position.seq), reply.text("/leaf")), (item["index"].as_u64(), item["leaf"].as_str().expect("a leaf")));
            let covering = Checkpoint::parse_and_verify(reply.text("/note"), &keys).expect("signed");
            assert_eq!(head, covering);
            let path = hashes(&reply.body["path"]);
            let hash = buurtpoort::audit::tree::leaf_hash(reply.text("/leaf").as_bytes());
            assert!(verify_inclusion(position.seq, head.size, &hash, &path, &head.root));
        }
        let from = early["size"].as_u64().expect("a size");
        let grown = world.get(TOEZICHT, &format!("/v1/audit/consistency?from={from}")).await;
        assert_eq!(grown.status, 200, "{}", grown.raw);
        assert_eq!(grown.text("/fromRoot"), early["rootHash"].as_str().expect("a root"));
        let head = Checkpoint::parse_and_verify(grown.text("/note"), &keys).expect("signed");
        let old = Checkpoint::parse_and_verify(early["note"].as_str().expect("a note"), &keys).expect("signed");
        let path = hashes(&grown.body["path"]);
        assert!(verify_consistency(from, head.size, &old.root, &head.root, &path));
        assert!(!verify_consistency(from - 1, head.size, &old.root, &head.root, &path));
        for (wrong, status) in [
            ("/v1/audit/proofs/100000", 404),
            ("/v1/audit/proofs/01", 404),
            ("/v1/audit/proofs/-1", 404),
            ("/v1/audit/consistency", 400),
            ("/v1/audit/consistency?from=3&to=2", 400),
            ("/v1/audit/consistency?from=1&to=100000", 400),
            ("/v1/audit/consistency?from=1&from=2", 400),
            ("/v1/audit/consistency?from=1&x=2", 400),
            ("/v1/audit/entries?limit=101", 400),
        ] {
            assert_eq!(world.get(TOEZICHT, wrong).await.status, status, "{wrong}");
        }
        assert_eq!(world.get(LEA, "/v1/audit/entries").await.status, 403);
    }
}

fn hashes(list: &Value) -> Vec<[u8; 32]> {
    let texts = list.as_array().expect("a list").iter().filter_map(Value::as_str);
    texts.map(|text| STANDARD.decode(text).expect("base64").try_into().expect("a hash")).collect()
}

#[actix_web::test]
async fn the_audit_verbs_tell_a_wrong_call_from_a_ledger_that_cannot_be_read() {
    let world = World::raise(Engine::Sqlite).await.expect("SQLite is always there");
    let (_, case) = world.assigned_case().await;
    assert_eq!(audit(&world, &["verify"]).code, 0, "control");
    let tail = audit(&world, &["tail", "-n", "2"]);
    assert_eq!((tail.code, tail.out.lines().count()), (0, 2), "{tail:?}");
    assert!(tail.out.contains("assignment.made"), "{tail:?}");
    for wrong in [
        &["prove", "--seq", "100000"][..],
        &["verify", "--checkpoint", "/nonexistent/note"],
        &["export", "--format", "inzage"],
        &["export", "--format", "ledger", "--case", &case],
        &["export", "--format", "inzage", "--case", "00000000-0000-4000-8000-000000000000"],
        &["nonsense"],
    ] {
        let said = audit(&world, wrong);
        assert_eq!(said.code, 3, "{wrong:?}: {said:?}");
        assert_eq!(said.out, "", "{wrong:?}: data only on standard output");
        assert!(!said.err.is_empty(), "{wrong:?}");
    }
    assert_eq!(python(&[]).code, 3);
    assert_eq!(python(&["/nonexistent/ledger"]).code, 2);
    let path: &Path = &world.dir().join("buurtpoort.sqlite");
    assert_eq!(python(&[path.to_str().expect("a path")]).code, 3, "a database needs keys");
    let (text, config) =
        (std::fs::read_to_string(world.dir().join("buurtpoort.toml")), world.dir());
    let gone = text.expect("a configuration").replace("buurtpoort.sqlite", "none/none.sqlite");
    std::fs::write(config.join("buurtpoort.toml"), gone).expect("written");
    assert_eq!(audit(&world, &["verify"]).code, 2, "the database is not there");
}

on_both! {
    /// Who reads an entry later can say under which configuration and which policies it was written: also what a
    /// tool beside the gateway wrote before it started.
    async fn each_entry_says_under_which_policies_it_was_written(world: World) {
        world.referral().await;
        let said = audit(world, &["export"]);
        let leaves = said.lines().into_iter().skip(1).map(|row| {
            let leaf = STANDARD.decode(row[1].as_str().expect("a leaf")).expect("base64");
            serde_json::from_slice::<Value>(&leaf).expect("JSON")
        });
        let leaves: Vec<_> = leaves.collect();
        let events: BTreeSet<_> = leaves.iter().filter_map(|leaf| leaf["ev"].as_str()).collect();
        let written = ["partner.changed", "config.changed", "policy.loaded", "referral.accepted"];
        assert!(written.iter().all(|event| events.contains(event)), "{events:?}");
        for leaf in &leaves {
            assert_eq!(leaf["policy"]["hash"], leaves[0]["policy"]["hash"], "{leaf}");
        }
        assert_eq!(leaves[0]["policy"]["hash"].as_str().map(str::len), Some(64), "{}", leaves[0]);
        let config = std::fs::read(world.dir().join("buurtpoort.toml")).expect("read");
        let digest = format!("config:{}", buurtpoort::crypto::digest::hex(&buurtpoort::crypto::digest::sha256(&config)));
        let changed = leaves.iter().find(|leaf| leaf["ev"] == "config.changed").expect("one");
        assert_eq!(changed["fields"], json!([digest]));
    }
}

on_both! {
    /// AUD-11: the ledger key is exchanged while the gateway works; from the entry that says so on both verifiers refuse a
    /// head that the old key signs, and accept what it signed before.
    async fn aud_11_a_ledger_key_that_was_taken_over_from_signs_no_more(world: World) {
        busy(world).await;
        let before = keep(world, "before.note", &audit(world, &["head"]).out);
        let gateway = &world.booted.api.gateway;
        let (pool, clock) = (&gateway.store.pool, &gateway.clock);
        let rotating = rotate_ledger(&world.booted.config, pool, clock, Duration::from_millis(2_200));
        let under_way = async {
            let (mut accepted, mut again) = (0, 0);
            let until = tokio::time::Instant::now() + Duration::from_secs(5);
            while tokio::time::Instant::now() < until {
                let sent = world.post(WIJKTEAM, "/v1/referrals", &example("referral-wijkteam")).await;
                match sent.status {
                    201 => accepted += 1,
                    503 => again += 1,
                    other => panic!("{other}: {}", sent.raw),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (accepted, again)
        };
        let (version, (accepted, again)) = futures_util::future::join(rotating, under_way).await;
        assert_eq!(version.unwrap_or_else(|failure| panic!("{}", failure.message)), 2);
        assert!(accepted > again && accepted > 10, "{accepted} accepted, {again} asked to come again");
        assert_eq!(world.post(WIJKTEAM, "/v1/referrals", &example("referral-wijkteam")).await.status, 201);

        let keys = keep(world, "ledger.keys", &audit(world, &["head", "--keys"]).out);
        let export = keep(world, "whole.jsonl", &audit(world, &["export"]).out);
        let both = |note: &str| {
            let ours = audit(world, &["verify", "--json", "--checkpoint", note]);
            let theirs = python(&["--key", &keys, "--checkpoint", note, &export]);
            (ours.code, theirs.code, ours, theirs)
        };
        let head = gateway.store.writer.latest();
        let log = ledger::head(pool).await.expect("a head").log;
        let checkpoint = Checkpoint { origin: log, size: head.size, root: head.root };
        let signed = |version: i32| checkpoint.sign_by(&gateway.keyring, &[version]).expect("signed");
        for (name, note) in [("of-before", std::fs::read_to_string(&before).expect("read")), ("by-the-new", signed(2))] {
            let (ours, theirs, first, second) = both(&keep(world, name, &note));
            assert_eq!((ours, theirs), (0, 0), "control {name}: {first:?} {second:?}");
        }
        let (ours, theirs, first, second) = both(&keep(world, "by-the-old", &signed(1)));
        assert_eq!((ours, theirs), (1, 1), "{first:?} {second:?}");
        assert_eq!(first.lines()[0]["seq"], json!(head.size));
        assert!(second.out.contains("still signs at its size"), "{second:?}");
        // A head in the database by the old key alone: as a forger with that key would leave it.
        let forged = format!("UPDATE audit_head SET checkpoint = '{}'", signed(1));
        assert_eq!(sql::run(pool, &forged).await, 1);
        let export = keep(world, "forged.jsonl", &audit(world, &["export"]).out);
        let ours = audit(world, &["verify"]);
        let theirs = python(&["--key", &keys, &export]);
        assert_eq!((ours.code, theirs.code), (1, 1), "{ours:?} {theirs:?}");
    }
}
