//! The keeper of the ledger: every second it looks whether the ledger can be written, and puts its signed
//! head where the database does not reach.
//!
//! | state | when | what is allowed |
//! |---|---|---|
//! | ok | | everything |
//! | low | less than `low-space-mib` free | reading and releasing; no new referrals |
//! | sealed | a commit failed, less than `least-space-mib` free, or no checkpoint published for ten minutes | liveness, metrics, the last checkpoint |
//!
//! Each cause goes by itself: a failed commit when a probe entry is committed, space and checkpoints when
//! they are there again. The probe says how long the gap was.

use crate::audit::committed::SignedHead;
use crate::audit::entry::{Code, Entry, Event, Outcome};
use crate::cli::boot::{self, Booted};
use crate::clock::Clock;
use crate::config::{Config, Ledger};
use crate::flow::Gateway;
use crate::ids::RequestId;
use crate::store::Pool;
use crate::store::effect::{Effect, Rows};
use crate::store::health::{Cause, State};
use crate::store::writer::Writer;
use crate::worker::archive::{Archive, STEP};
use jiff::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the keeper looks.
const PERIOD: Duration = Duration::from_secs(1);
/// A head that moved is published after this long.
const PUBLISH: Duration = Duration::from_secs(10);
/// Without a published checkpoint for this long, nothing goes on.
const OLDEST: Duration = Duration::from_mins(10);
/// Sealed for this long, the keys that open cases leave memory.
const AWAY: Duration = Duration::from_mins(1);
/// A note is kept for good after this long, however little happened.
const KEEP: Duration = Duration::from_hours(1);
/// How long the file system may take.
const PATIENCE: Duration = Duration::from_secs(2);
const MIB: u64 = 1024 * 1024;

/// Space below which the gateway takes nothing in, and below which it stops; in bytes.
#[derive(Clone, Copy, Debug)]
struct Space {
    low: u64,
    least: u64,
}

/// The keeper of one process.
pub struct Keeper {
    writer: Arc<Writer>,
    gateway: Arc<Gateway>,
    config: Config,
    clock: Clock,
    archive: Archive,
    space: Space,
    /// Where space is looked at: the archive, and the database file where there is one.
    volumes: Vec<PathBuf>,
    published: u64,
    published_at: Instant,
    kept: u64,
    kept_at: Instant,
    /// Counts of denials that could not be written yet.
    unwritten: Vec<Entry>,
    state: State,
    sealed_at: Option<Instant>,
}

/// Keeps the ledger of a gateway, for ever.
pub async fn keep(booted: Arc<Booted>) {
    let mut keeper = Keeper::new(&booted);
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        keeper.look().await;
    }
}

/// Before the process ends: what was only counted, and the last head.
pub async fn close(booted: &Booted) {
    let mut keeper = Keeper::new(booted);
    let counted = keeper.writer.denials(None);
    keeper.write(counted).await;
    let head = keeper.writer.latest();
    keeper.put(head, true).await;
}

impl Keeper {
    /// The keeper of `booted`, which has not looked yet.
    #[must_use]
    pub fn new(booted: &Booted) -> Self {
        let store = &booted.api.gateway.store;
        let Ledger { checkpoints, low_space_mib, least_space_mib, .. } = &booted.config.ledger;
        let mut volumes = vec![checkpoints.clone()];
        if let Pool::Sqlite { path, .. } = &store.pool {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            volumes.push(parent.unwrap_or(Path::new(".")).to_owned());
        }
        let (space, now) =
            (Space { low: low_space_mib * MIB, least: least_space_mib * MIB }, Instant::now());
        Self {
            writer: Arc::clone(&store.writer),
            gateway: Arc::clone(&booted.api.gateway),
            config: booted.config.clone(),
            clock: booted.api.gateway.clock.clone(),
            archive: Archive::at(checkpoints),
            space,
            volumes,
            published: 0,
            published_at: now,
            kept: store.writer.latest().size,
            kept_at: now,
            unwritten: Vec::new(),
            state: State::Ok,
            sealed_at: None,
        }
    }

    /// One look at everything.
    pub async fn look(&mut self) {
        let now = self.clock.now();
        let was_sealed = self.writer.health().state() == State::Sealed;
        self.look_at_space(now).await;
        self.publish(now).await;
        // The keys first: an open ledger without them would fail each request.
        if was_sealed && self.take_up().await {
            self.probe(now).await;
        }
        self.put_away();
        if self.writer.health().state() != State::Sealed {
            let counted = self.writer.denials(Some(now));
            self.write(counted).await;
        }
        self.tell();
    }

    async fn look_at_space(&self, now: Timestamp) {
        let volumes = self.volumes.clone();
        let free = tokio::task::spawn_blocking(move || free_of(&volumes));
        let Ok(Ok(Ok(free))) = tokio::time::timeout(PATIENCE, free).await else {
            // A directory that cannot be asked is found out by the one who writes there.
            return;
        };
        metrics::gauge!("ledger_free_mib")
            .set(f64::from(u32::try_from(free / MIB).unwrap_or(u32::MAX)));
        self.stand(Cause::LowSpace, free < self.space.low, now);
        self.stand(Cause::Space, free < self.space.least, now);
    }

    fn stand(&self, cause: Cause, stands: bool, now: Timestamp) {
        let health = self.writer.health();
        if stands && health.raise(cause, now) {
            tracing::error!(cause = cause.as_str(), "ledger");
        }
        if !stands && health.clear(cause) {
            tracing::info!(cause = cause.as_str(), "ledger: the cause is gone");
        }
    }

    /// Publishes the head when it has moved for long enough or far enough.
    async fn publish(&mut self, now: Timestamp) {
        let head = self.writer.latest();
        let moved = head.size.saturating_sub(self.published);
        let due = moved >= STEP || (moved > 0 && self.published_at.elapsed() >= PUBLISH);
        let overdue = self.writer.health().stands(Cause::Checkpoint);
        if due || overdue || self.published == 0 {
            let keep = head.size.saturating_sub(self.kept) >= STEP
                || (head.size > self.kept && self.kept_at.elapsed() >= KEEP);
            if self.put(head, keep).await {
                self.stand(Cause::Checkpoint, false, now);
            } else {
                self.stand(Cause::Checkpoint, self.published_at.elapsed() >= OLDEST, now);
            }
        } else if moved == 0 {
            self.published_at = Instant::now();
        }
    }

    /// Writes a head to the archive; whether it is there.
    async fn put(&mut self, head: Arc<SignedHead>, keep: bool) -> bool {
        let (archive, size) = (self.archive.clone(), head.size);
        let written = tokio::task::spawn_blocking(move || archive.publish(&head, keep));
        let failed = match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(Ok(()))) => {
                (self.published, self.published_at) = (size, Instant::now());
                if keep {
                    (self.kept, self.kept_at) = (size, Instant::now());
                }
                return true;
            }
            Ok(Ok(Err(error))) => error.kind(),
            Ok(Err(_)) => io::ErrorKind::Other,
            Err(_) => io::ErrorKind::TimedOut,
        };
        metrics::counter!("ledger_checkpoint_failures_total").increment(1);
        tracing::error!(error = %failed, "checkpoint not published");
        false
    }

    /// Tries to write; where that goes, the ledger is open again unless another cause stands.
    async fn probe(&mut self, now: Timestamp) {
        let health = Arc::clone(self.writer.health());
        let others = health.stands(Cause::Space) || health.stands(Cause::Checkpoint);
        if others && !health.stands(Cause::Write) {
            return;
        }
        let gap_ms = (now.as_microsecond() - health.sealed_at_us()).max(0) / 1_000;
        let mut entry = Entry::new(Event::AuditResumed, Outcome::Allow);
        entry.policy.hash = Some(self.gateway.engine.load().hash());
        entry.fields = Code::parse(&format!("gap-ms:{gap_ms}")).into_iter().collect();
        let effect = Effect::new(RequestId::new(), entry, Rows::default());
        if self.writer.probe(effect, now).await.is_ok() {
            health.clear(Cause::Write);
            tracing::warn!(gap_ms, "ledger: written again");
        }
    }

    /// A minute after the sealing the keys that open cases leave memory.
    fn put_away(&mut self) {
        let ring = &self.gateway.keyring;
        if self.writer.health().state() != State::Sealed {
            self.sealed_at = None;
        } else if self.sealed_at.get_or_insert_with(Instant::now).elapsed() >= AWAY
            && !ring.is_put_away()
        {
            ring.put_away();
            tracing::warn!("ledger sealed for a minute: the keys of the cases left memory");
        }
    }

    /// Whether the keys are there, read again where they had left.
    async fn take_up(&self) -> bool {
        let ring = &self.gateway.keyring;
        if ring.is_put_away() {
            match boot::keyring(&self.config, &self.gateway.store.pool).await {
                Ok(fresh) => ring.take_up(&fresh),
                Err(failure) => tracing::error!(error = %failure.message, "keys not read again"),
            }
        }
        !ring.is_put_away()
    }

    /// Writes counts of denials, or keeps them for the next look.
    async fn write(&mut self, counted: Vec<Entry>) {
        let policy = self.gateway.engine.load().hash();
        self.unwritten.extend(counted.into_iter().map(|mut entry| {
            entry.policy.hash.get_or_insert(policy);
            entry
        }));
        if self.unwritten.is_empty() {
            return;
        }
        let entries = std::mem::take(&mut self.unwritten);
        let effect =
            Effect { request: RequestId::new(), entries: entries.clone(), rows: Rows::default() };
        if self.writer.probe(effect, self.clock.now()).await.is_err() {
            self.unwritten = entries;
        }
    }

    fn tell(&mut self) {
        let state = self.writer.health().state();
        if state != self.state {
            tracing::warn!(state = state.as_str(), "ledger");
            self.state = state;
        }
        let number = match state {
            State::Ok => 0,
            State::Low => 1,
            State::Sealed => 2,
        };
        metrics::gauge!("ledger_state").set(f64::from(number));
        metrics::gauge!("ledger_checkpoint_age_seconds")
            .set(self.published_at.elapsed().as_secs_f64());
    }
}

/// The least free space of these volumes, in bytes.
fn free_of(volumes: &[PathBuf]) -> io::Result<u64> {
    let mut least = u64::MAX;
    for volume in volumes {
        let stat = rustix::fs::statvfs(volume)?;
        least = least.min(stat.f_bavail.saturating_mul(stat.f_frsize));
    }
    Ok(least)
}
