//! How much of the database's own speed the ledger leaves: entries a second through the writer, beside
//! what the database does for the same rows without us, as many a commit.
//!
//! For `scripts/bench.sh`. Works on the database of a configuration while no gateway runs on it, in
//! alternating rounds, and prints one line of JSON. The entries it writes stay in that ledger, which
//! remains whole: use a throw-away database.

use buurtpoort::audit::entry::{Code, Entry, Event, Outcome, Position};
use buurtpoort::cli::boot::{self, Booted, Claim};
use buurtpoort::cli::{Failure, print};
use buurtpoort::clock::Clock;
use buurtpoort::config::Config;
use buurtpoort::ids::RequestId;
use buurtpoort::store::Pool;
use buurtpoort::store::effect::{Effect, Rows};
use buurtpoort::store::writer::Question;
use buurtpoort::tls;
use clap::Parser;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const HEAD: &str = "UPDATE bench_head SET size = $1 WHERE id = 1";

/// The name under which the ledger keeps a case.
const OBJECT: &str = "case:03030303030303030303030303030303";

/// Ledger entries a second beside plain inserts a second, at one batch size.
#[derive(Debug, Parser)]
struct Args {
    /// Configuration of a throw-away gateway that is not running.
    #[arg(long)]
    config: PathBuf,
    /// Rows a commit, at most as many as the writer puts in a group.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=64))]
    batch: u32,
    /// Rounds of each kind.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Length of a round, in milliseconds.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..=10_000))]
    round_ms: u64,
}

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    tls::install_default_provider();
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Standard error may be gone; there is nobody left to tell.
            let _told = writeln!(std::io::stderr(), "ledger: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

async fn run(args: &Args) -> Result<(), Failure> {
    let config = Config::read(&args.config)?;
    let booted = boot::boot(config, Clock::System, Claim::Alone).await?;
    let pool = &booted.api.gateway.store.pool;
    let round = Duration::from_millis(args.round_ms);
    let entry = entry()?;
    let leaf = entry.encode(&Position {
        log: Code::parse("localhost/audit/1")?,
        seq: 0,
        prev: [0; 32],
        ts_us: 0,
        boot: [0; 8],
    })?;
    let mut raw = Raw::make(pool, leaf.bytes, args.batch).await?;
    let (mut entries, mut rows) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        entries.push(rate(ledger(&booted, &entry, args.batch, round).await?, round));
        rows.push(rate(raw.insert(pool, round).await?, round));
    }
    raw.remove(pool).await?;
    let (entries, rows) = (median(entries), median(rows));
    print(
        &json!({
            "database": pool.name(), "batch": args.batch,
            "entries_per_s": entries.round(), "raw_rows_per_s": rows.round(), "ratio": entries / rows,
        })
        .to_string(),
    )?;
    pool.close().await;
    Ok(())
}

fn rate(count: u32, round: Duration) -> f64 {
    f64::from(count) / round.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// As full as that of an accepted referral.
fn entry() -> Result<Entry, Failure> {
    let mut entry = Entry::new(Event::ReferralAccepted, Outcome::Allow);
    entry.why = Code::parse("submitReferral")?;
    entry.actor.organisation = Code::parse("00000099000000001000")?;
    entry.actor.role = Code::parse("referrer")?;
    entry.actor.certificate = Some([1; 32]);
    entry.actor.subject = Code::parse("bp1.person.1.6PWFS4D8HDBRGNVD7ZC71YE0SYM")?;
    entry.actor.token = Some([2; 32]);
    entry.purpose = Code::parse("referral")?;
    entry.basis = Code::parse("consent:1")?;
    entry.object.kind = Code::parse("case")?;
    entry.object.reference = Some([3; 16]);
    entry.fields = ["names", "birth-date", "authority", "address", "household"]
        .into_iter()
        .map(Code::parse)
        .collect::<Result<_, _>>()?;
    entry.policy.hash = Some([4; 32]);
    entry.policy.rules = vec![Code::parse("referrer.submit")?];
    entry.request.trace = Code::parse("0af7651916cd43dd8448eb211c80319c")?;
    Ok(entry)
}

/// Entries committed within a round. Twice `batch` writers each wait for their answer, so that one group
/// gathers while another is committed, as under load.
async fn ledger(
    booted: &Booted,
    entry: &Entry,
    batch: u32,
    round: Duration,
) -> Result<u32, Failure> {
    let until = Instant::now() + round;
    let mut writers = JoinSet::new();
    for _ in 0..2 * batch {
        let (gateway, entry) = (booted.api.gateway.clone(), Arc::new(entry.clone()));
        writers.spawn(async move {
            let mut written: u32 = 0;
            while Instant::now() < until {
                let entry = Arc::clone(&entry);
                let decide = move |_: &_| {
                    let effect =
                        Effect::new(RequestId::new(), Entry::clone(&entry), Rows::default());
                    (effect, ())
                };
                let now = gateway.clock.now();
                let writer = &gateway.store.writer;
                writer.write(Question::default(), now, decide).await?;
                written += 1;
            }
            Ok::<_, Failure>(written)
        });
    }
    let mut total = 0;
    while let Some(written) = writers.join_next().await {
        total += written??;
    }
    Ok(total)
}

/// What the database itself does for the same rows: tables of the same columns and indexes, the same
/// statements, as many rows a commit and a head that moves along. No triggers, and nothing computed.
struct Raw {
    next: i64,
    leaf: Vec<u8>,
    batch: usize,
}

impl Raw {
    async fn make(pool: &Pool, leaf: Vec<u8>, batch: u32) -> Result<Self, Failure> {
        const SQLITE: [&str; 4] = [
            "CREATE TABLE bench_raw (seq INTEGER NOT NULL PRIMARY KEY, leaf BLOB NOT NULL, \
                leaf_hash BLOB NOT NULL, at_us INTEGER NOT NULL, event TEXT NOT NULL, \
                outcome TEXT NOT NULL, object TEXT) STRICT",
            "CREATE INDEX bench_raw_by_object ON bench_raw (object)",
            "CREATE TABLE bench_head (id INTEGER NOT NULL PRIMARY KEY, size INTEGER NOT NULL) STRICT",
            "INSERT INTO bench_head VALUES (1, 0)",
        ];
        const POSTGRES: [&str; 4] = [
            "CREATE TABLE bench_raw (LIKE audit_entry INCLUDING ALL)",
            "CREATE TABLE bench_head (id SMALLINT NOT NULL PRIMARY KEY, size BIGINT NOT NULL)",
            "INSERT INTO bench_head VALUES (1, 0)",
            "ANALYZE bench_head",
        ];
        match pool {
            Pool::Sqlite { write, .. } => {
                for sql in SQLITE {
                    sqlx::query(sql).execute(write).await?;
                }
            }
            Pool::Postgres(db) => {
                for sql in POSTGRES {
                    sqlx::query(sql).execute(db).await?;
                }
            }
        }
        Ok(Self { next: 0, leaf, batch: usize::try_from(batch)? })
    }

    /// Rows committed within a round.
    async fn insert(&mut self, pool: &Pool, round: Duration) -> Result<u32, Failure> {
        let until = Instant::now() + round;
        let mut total = 0;
        while Instant::now() < until {
            let seqs: Vec<i64> = (self.next..).take(self.batch).collect();
            match pool {
                Pool::Sqlite { write, .. } => self.sqlite(write, &seqs).await?,
                Pool::Postgres(db) => self.postgres(db, &seqs).await?,
            }
            self.next += i64::try_from(seqs.len())?;
            total += u32::try_from(seqs.len())?;
        }
        Ok(total)
    }

    /// One statement a commit, the leaves side by side, as the ledger's own.
    async fn sqlite(&self, db: &sqlx::SqlitePool, seqs: &[i64]) -> Result<(), Failure> {
        const SQL: &str = "INSERT INTO bench_raw SELECT value, substr($1, key * $2 + 1, $2), \
            substr($1, key * $2 + 1, 32), 1, 'referral.accepted', 'allow', $3 FROM json_each($4)";
        let mut tx = db.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(SQL)
            .bind(self.leaf.repeat(seqs.len()))
            .bind(i64::try_from(self.leaf.len())?)
            .bind(OBJECT)
            .bind(json!(seqs).to_string())
            .execute(&mut *tx)
            .await?;
        sqlx::query(HEAD).bind(self.next).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// A few statements a commit: a longer one would wait for the network (`store::pool`).
    async fn postgres(&self, db: &sqlx::PgPool, seqs: &[i64]) -> Result<(), Failure> {
        const SQL: &str = "INSERT INTO bench_raw SELECT seq, leaf, substr(leaf, 1, 32), 1, \
            'referral.accepted', 'allow', $3 FROM unnest($1::bigint[], $2::bytea[]) AS new (seq, leaf)";
        const RUN: usize = 12;
        let mut tx = db.begin().await?;
        sqlx::query("SELECT size FROM bench_head WHERE id = 1 FOR UPDATE")
            .fetch_one(&mut *tx)
            .await?;
        for seqs in seqs.chunks(RUN) {
            let leaves = vec![self.leaf.as_slice(); seqs.len()];
            sqlx::query(SQL).bind(seqs).bind(leaves).bind(OBJECT).execute(&mut *tx).await?;
        }
        sqlx::query(HEAD).bind(self.next).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    async fn remove(self, pool: &Pool) -> Result<(), Failure> {
        for sql in ["DROP TABLE bench_raw", "DROP TABLE bench_head"] {
            let _none = match pool {
                Pool::Sqlite { write, .. } => {
                    sqlx::query(sql).execute(write).await?.rows_affected()
                }
                Pool::Postgres(db) => sqlx::query(sql).execute(db).await?.rows_affected(),
            };
        }
        Ok(())
    }
}
