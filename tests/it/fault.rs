//! The ledger cannot be written: nothing leaves, callers hear so at once, and it heals by itself.
//!
//! The real program. Every fault begins with a release that works and ends with one.

use crate::process::{Deployment, Running, Voice};
use crate::sql;
use crate::support::{ANNA, Answer, Engine, LEA, WIJKTEAM, example};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// In every name of the examples.
const NAME: &str = "Proefpersoon";
/// How long a caller waits for its refusal.
const SOON: Duration = Duration::from_secs(1);
/// The same where another holds a lock: that long the gateway waits for it.
const LOCKED: Duration = Duration::from_secs(2);
/// How long until it is ready again.
const HEALED: Duration = Duration::from_secs(5);
/// What a busy test machine takes on top.
const NOISE: Duration = Duration::from_millis(700);

/// A gateway with a case of anna's, and those who ask.
struct Scene {
    deployment: Deployment,
    running: Running,
    anna: Voice,
    wijkteam: Voice,
    case: String,
    keys: u32,
}

impl Scene {
    /// Nothing without a PostgreSQL server.
    async fn made(engine: Engine) -> Option<Self> {
        Some(Self::served(Deployment::made(engine).await?).await)
    }

    async fn served(deployment: Deployment) -> Self {
        let running = deployment.serve().await;
        let (anna, lea) = (deployment.voice(ANNA), deployment.voice(LEA));
        let wijkteam = deployment.voice(WIJKTEAM);
        let mut scene = Self { deployment, running, anna, wijkteam, case: String::new(), keys: 0 };
        assert_eq!(scene.refer().await.0.status, 201);
        let waiting = lea.get("/v1/cases?assigned=false&limit=100").await;
        let items = waiting.body["items"].as_array().expect("a list");
        scene.case = items.last().expect("a case")["id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/cases/{}/assignments", scene.case);
        let assigned = lea.post(&path, "assign", r#"{"coordinator":"anna"}"#).await;
        assert_eq!(assigned.expect("an answer").status, 201);
        scene.works("before").await;
        scene
    }

    async fn refer(&mut self) -> (Answer, Duration) {
        self.keys += 1;
        let key = format!("referral-{}", self.keys);
        let body = example("referral-wijkteam").to_string();
        timed(self.wijkteam.post("/v1/referrals", &key, &body)).await
    }

    async fn release(&mut self) -> (Answer, Duration) {
        self.keys += 1;
        let (key, path) = (
            format!("release-{}", self.keys),
            format!("/v1/cases/{}/identity-releases", self.case),
        );
        let body = r#"{"purpose":"intake","reason":"Eerste gesprek plannen"}"#;
        timed(self.anna.post(&path, &key, body)).await
    }

    /// The positive control: the identity is released.
    async fn works(&mut self, when: &str) {
        let (released, _) = self.release().await;
        assert_eq!(released.status, 201, "{when}: {}", released.raw);
        assert!(released.raw.contains(NAME), "{when}");
    }

    /// Nobody gets anything, and each hears so within `patience`.
    async fn refuses(&mut self, patience: Duration) {
        for round in ["first", "again"] {
            let (released, took) = self.release().await;
            self.refused(round, "release", &released, took, patience);
            let (referred, took) = self.refer().await;
            self.refused(round, "referral", &referred, took, patience);
        }
        let (read, took) =
            timed(async { Ok(self.anna.get(&format!("/v1/cases/{}", self.case)).await) }).await;
        self.refused("then", "reading", &read, took, patience);
        // The last checkpoint is still there for everybody.
        let head = self.wijkteam.get("/v1/audit/checkpoint").await;
        assert_eq!(head.status, 200, "{}", head.raw);
    }

    fn refused(
        &self,
        round: &str,
        what: &str,
        answer: &Answer,
        took: Duration,
        patience: Duration,
    ) {
        let printed = self.running.printed();
        let last: String = printed.lines().rev().take(3).collect();
        assert_eq!(answer.status, 503, "{round} {what}: {} {last}", answer.raw);
        assert!(answer.raw.contains("audit-unavailable"), "{round} {what}: {}", answer.raw);
        assert!(!answer.raw.contains(NAME), "{round} {what}");
        assert!(!answer.header("retry-after").is_empty(), "{round} {what}");
        assert!(took < patience + NOISE, "{round} {what}: {took:?}");
    }

    /// Ready within [`HEALED`], and works.
    async fn heals(&mut self) {
        let begun = Instant::now();
        let client = self.deployment.client(None);
        self.running.ready(&client).await;
        assert!(begun.elapsed() < HEALED + NOISE, "{:?}", begun.elapsed());
        self.works("after").await;
        assert_eq!(self.refer().await.0.status, 201);
        let pool = self.deployment.outside().await;
        let resumed = "SELECT COUNT(*) FROM audit_entry WHERE event = 'audit.resumed'";
        assert!(sql::number(&pool, resumed).await >= 1, "the gap is in the ledger");
        pool.close().await;
    }
}

async fn timed(asked: impl Future<Output = Result<Answer, reqwest::Error>>) -> (Answer, Duration) {
    let begun = Instant::now();
    let answer = asked.await.expect("the gateway answers");
    (answer, begun.elapsed())
}

/// Another process holds what every commit needs.
async fn locked(engine: Engine) {
    let Some(mut scene) = Scene::made(engine).await else { return };
    let pool = scene.deployment.outside().await;
    let hold = sql::either(
        &pool,
        "BEGIN EXCLUSIVE",
        "DO $$ BEGIN PERFORM 1 FROM audit_head FOR UPDATE; PERFORM pg_sleep(6); END $$",
    );
    if engine == Engine::Sqlite {
        sql::run(&pool, hold).await;
        scene.refuses(LOCKED).await;
        sql::run(&pool, "ROLLBACK").await;
    } else {
        let other = pool.clone();
        let holder = tokio::spawn(async move { sql::run(&other, hold).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        scene.refuses(LOCKED).await;
        holder.await.expect("the lock ends");
    }
    scene.heals().await;
    pool.close().await;
}

#[actix_web::test]
async fn flt_08_aud_15_locked_by_another_sqlite() {
    locked(Engine::Sqlite).await;
}

#[actix_web::test]
async fn flt_08_aud_15_locked_by_another_postgres() {
    locked(Engine::Postgres).await;
}

#[actix_web::test]
async fn flt_12_aud_15_database_gone_postgres() {
    let Some(mut scene) = Scene::made(Engine::Postgres).await else { return };
    let pool = scene.deployment.outside().await;
    scene.deployment.gone(&pool, true).await;
    scene.refuses(SOON).await;
    scene.deployment.gone(&pool, false).await;
    scene.heals().await;
    pool.close().await;
}

// Full and broken disks

/// A file system of its own. Gone when dropped.
struct Disk(PathBuf);

impl Disk {
    /// None where we may not mount.
    fn of_mib(at: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a directory");
        let size = format!("size={mib}m,mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(at.to_owned()));
        }
        // Root may, which is who runs scripts/test.sh where it installs things; others are told.
        eprintln!("passed over: no file system may be mounted here");
        None
    }

    /// Fills it until `kib` KiB are left.
    fn fill(&self, kib: u64) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).expect("a filler");
        let block = [7; 4096];
        while file.write_all(&block).is_ok() {}
        let size = file.metadata().expect("a filler").len();
        file.set_len(size.saturating_sub(kib * 1024)).expect("a shorter filler");
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// Moves the database of a deployment to a disk of its own, with these lines under `[ledger]`.
fn moved(deployment: &Deployment, disk: &Disk, ledger: &str) {
    let from = deployment.dir().join("buurtpoort.sqlite");
    let to = disk.0.join("buurtpoort.sqlite");
    for end in ["", "-wal", "-shm"] {
        let name = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        if name(&from).exists() {
            std::fs::copy(name(&from), name(&to)).expect("a copy");
        }
    }
    let text = std::fs::read_to_string(deployment.config()).expect("a configuration");
    let here = format!("sqlite:{}", to.display());
    assert!(text.contains("sqlite:buurtpoort.sqlite"));
    let text = text.replace("sqlite:buurtpoort.sqlite", &here);
    let text = text.replace("[ledger]\n", &format!("[ledger]\n{ledger}\n"));
    std::fs::write(deployment.config(), text).expect("a configuration");
}

#[actix_web::test]
async fn flt_05_aud_15_disk_full_sqlite() {
    let deployment = Deployment::made(Engine::Sqlite).await.expect("a deployment");
    let Some(disk) = Disk::of_mib(&deployment.beside("disk"), 96) else { return };
    moved(&deployment, &disk, "low-space-mib = 0\nleast-space-mib = 0");
    let mut scene = Scene::served(deployment).await;
    let filler = disk.fill(0);
    // What the write-ahead log has room for still goes.
    let mut tries = 0;
    while scene.refer().await.0.status == 201 {
        tries += 1;
        assert!(tries < 20_000, "the disk does not get full");
    }
    scene.refuses(SOON).await;
    std::fs::remove_file(filler).expect("space again");
    scene.heals().await;
    drop(scene);
}

#[actix_web::test]
async fn flt_06_low_then_sealed_then_open_sqlite() {
    let deployment = Deployment::made(Engine::Sqlite).await.expect("a deployment");
    let Some(disk) = Disk::of_mib(&deployment.beside("disk"), 96) else { return };
    moved(&deployment, &disk, "low-space-mib = 24\nleast-space-mib = 8");
    let mut scene = Scene::served(deployment).await;
    let filler = disk.fill(16 * 1024);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let (referred, _) = scene.refer().await;
    assert_eq!(referred.status, 507, "{}", referred.raw);
    assert!(referred.raw.contains("storage-low") && !referred.header("retry-after").is_empty());
    scene.works("while space is low").await;
    drop(disk.fill(4 * 1024));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    scene.refuses(SOON).await;
    std::fs::remove_file(filler).expect("space again");
    let begun = Instant::now();
    let client = scene.deployment.client(None);
    scene.running.ready(&client).await;
    assert!(begun.elapsed() < HEALED + NOISE);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    scene.works("after").await;
    assert_eq!(scene.refer().await.0.status, 201);
}

/// strace, which answers EIO in place of the kernel. It lets go when it is ended.
struct Broken(Child);

impl Broken {
    /// None where there is no strace, or it may not look into another process.
    fn disk_of(running: &Running) -> Option<Self> {
        let child = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync"])
            .args(["-e", "inject=fdatasync,fsync:error=EIO", "-p", &running.id().to_string()])
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.ok()?;
        std::thread::sleep(Duration::from_millis(800));
        if child.try_wait().expect("a child of ours").is_some() {
            eprintln!("passed over: strace may not attach here");
            return None;
        }
        Some(Self(child))
    }

    fn mend(&mut self) {
        let asked = Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).status();
        assert!(asked.expect("kill is there").success());
        self.0.wait().expect("a child of ours");
    }
}

#[actix_web::test]
async fn flt_04_aud_15_disk_answers_with_an_error_sqlite() {
    let mut scene = Scene::made(Engine::Sqlite).await.expect("a deployment");
    let Some(mut broken) = Broken::disk_of(&scene.running) else {
        eprintln!("passed over: no strace");
        return;
    };
    scene.refuses(SOON).await;
    broken.mend();
    scene.heals().await;
}

/// Control of the controls: a filled disk is full.
#[test]
fn a_filled_disk_takes_nothing_more() {
    let holder = tempfile::tempdir().expect("a directory");
    let Some(disk) = Disk::of_mib(&holder.path().join("disk"), 4) else { return };
    let filler = disk.fill(0);
    assert!(std::fs::write(disk.0.join("more"), [0; 8192]).is_err());
    let file = File::options().write(true).open(&filler).expect("a filler");
    file.write_all_at(&[0; 10], 0).expect("what is there can be written over");
    // An open file keeps its space.
    drop(file);
    std::fs::remove_file(filler).expect("a filler");
    assert!(std::fs::write(disk.0.join("more"), [0; 8192]).is_ok());
}
