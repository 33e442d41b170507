//! The writer: one commit for many requests, the ledger in the same transaction.
//!
//! A request hands over a [`Question`] (what must be read inside the transaction) and a decision (a
//! pure function from what was found to what is written). While one group is being committed the next
//! one gathers, so under load a disk sync is shared by as many requests as arrived during the last
//! one, and alone a request does not wait.
//!
//! # Invariants
//! * The head of the ledger is locked before anything is read: decisions are serial, across processes
//!   too, so a fact cannot change between the decision and its commit.
//! * A decision may be run again (a serialisation failure, a group taken apart); only the commit
//!   counts. It therefore has no effect of its own.
//! * One bad write, or one decision that panics, fails alone: its group is taken apart and committed one by
//!   one.
//! * An answer is given after the commit, never before.
//! * After a group that was not committed nothing is tried but the keeper's probe, until one succeeds.

use crate::audit::committed::{Committed, SignedHead};
use crate::audit::entry::{Entry, Outcome};
use crate::audit::grown::Grown;
use crate::crypto::keyring::Keyring;
use crate::domain::likeness::Evidence;
use crate::domain::partner::Slug;
use crate::ids::{CaseId, PairingId, ReferralId, RequestId, SupportFamilyId};
use crate::store::cases::CaseRow;
use crate::store::denials::Denials;
use crate::store::effect::{Effect, Rows};
use crate::store::health::{Cause, Health, State};
use crate::store::idempotency::{self, Remembered, Scope};
use crate::store::ledger::{self, Head};
use crate::store::pairings::PairingRow;
use crate::store::pool::Conn;
use crate::store::referrals::ReferralRow;
use crate::store::reports::ReportKey;
use crate::store::support_families::SupportRow;
use crate::store::{Pool, StoreError, figures};
use bulk::{Bulk, look_up};
use jiff::Timestamp;
use sqlx::Connection;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

mod bulk;

/// Requests that may wait.
const QUEUE: usize = 1024;
/// How long one group may take before it is given up: a caller hears so within two seconds.
const PATIENCE: Duration = Duration::from_millis(1_800);
/// How often a group is tried again after a serialisation failure.
const TRIES: usize = 5;

/// What must be read inside the transaction before deciding.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Whether a request with this key was accepted before.
    pub idempotency: Option<Scope>,
    /// A case.
    pub case: Option<CaseId>,
    /// A referral, and the case it became.
    pub referral: Option<ReferralId>,
    /// A pairing, and the case it is of.
    pub pairing: Option<PairingId>,
    /// Whether the pairings of the case, and who referred it, are asked for too.
    pub pairings: bool,
    /// A support family, who works with it and how many families it has.
    pub support: Option<SupportFamilyId>,
    /// Another case: what the case has in common with it.
    pub other: Option<CaseId>,
    /// The last version of a programme's report.
    pub report: Option<Arc<ReportKey>>,
    /// Whether figures of a gemeente and year were published before.
    pub figures: Option<figures::FiguresKey>,
    /// Whether the register is still the one the caller was admitted by.
    pub register: Option<i64>,
}

/// What was found. Absent means: not there, at this instant, in this transaction.
#[derive(Debug, Default)]
pub struct Found {
    /// The earlier request with the same key.
    pub remembered: Option<Remembered>,
    /// The case asked for, or the case of the referral asked for.
    pub case: Option<CaseRow>,
    /// Another case, read where the one asked for is not there: only to take as long.
    pub instead: Option<Box<CaseRow>>,
    /// The referral asked for.
    pub referral: Option<ReferralRow>,
    /// The pairing asked for.
    pub pairing: Option<PairingRow>,
    /// The pairings of the case, oldest first.
    pub pairings: Vec<PairingRow>,
    /// The referral of the case, where its pairings were asked for.
    pub origin: Option<ReferralRow>,
    /// The support family asked for, or that of the pairing.
    pub support: Option<FoundSupport>,
    /// Another support family, read where the one asked for is not there: only to take as long.
    pub support_instead: Option<SupportRow>,
    /// What the case, or the one read in its place, has in common with the other one asked for.
    pub common: BTreeSet<Evidence>,
    /// That other case, or another read in its place: only to take as long.
    pub other: Option<Box<CaseRow>>,
    /// Number and counts of the last version of the report asked for.
    pub report: Option<(i32, Vec<(String, i64)>)>,
    /// Whether the figures asked for are published.
    pub published: bool,
    /// Whether the register has changed since the caller was admitted.
    pub register_moved: bool,
}

/// A support family with what decisions about it rest on.
#[derive(Debug)]
pub struct FoundSupport {
    /// The row.
    pub row: SupportRow,
    /// Coordinators of the families it is paired with.
    pub paired_with: Vec<Slug>,
    /// How many pairings of it live.
    pub living: i64,
}

type Decide = Box<dyn FnMut(&Found) -> Effect + Send>;

struct Job {
    question: Question,
    at: Timestamp,
    decide: Decide,
    /// Tried although the ledger is sealed.
    probe: bool,
    /// Whether its denial is written by itself, once that is known: a decision may be run again.
    alone: Option<bool>,
    reply: oneshot::Sender<Result<Committed, StoreError>>,
}

/// The way to write. Cheap to share.
#[derive(Debug)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
    latest: Arc<Mutex<Arc<SignedHead>>>,
    health: Arc<Health>,
    denials: Arc<Mutex<Denials>>,
}

impl Writer {
    /// Starts the writing task on `pool`, whose ledger ends at `head`. `boot` identifies this process start
    /// in the ledger; at most `group` requests share one commit.
    #[must_use]
    pub fn start(
        pool: Pool,
        keyring: Arc<Keyring>,
        boot: [u8; 8],
        group: NonZeroUsize,
        head: SignedHead,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let latest = Arc::new(Mutex::new(Arc::new(head)));
        let (health, denials) = (Arc::new(Health::default()), Arc::default());
        let worker = Worker {
            pool,
            keyring,
            boot,
            group,
            last_us: 0,
            latest: Arc::clone(&latest),
            health: Arc::clone(&health),
            denials: Arc::clone(&denials),
            head: None,
            jobs,
        };
        tokio::spawn(worker.run());
        Self { queue, latest, health, denials }
    }

    /// Reads what `question` asks, lets `decide` decide, commits what it says and its ledger entries,
    /// and returns what `decide` returned with the proof of the commit.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] while the ledger cannot be written; [`StoreError::Busy`] when too many wait;
    /// else why it could not be committed. Nothing is written then, unless the connection broke during
    /// the commit: a retry with the same key finds out.
    pub async fn write<T, F>(
        &self,
        question: Question,
        at: Timestamp,
        decide: F,
    ) -> Result<(T, Committed), StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Found) -> (Effect, T) + Send + 'static,
    {
        if self.health.state() == State::Sealed {
            return Err(StoreError::Sealed);
        }
        self.queue(question, at, decide, false).await
    }

    /// Writes the keeper's own entries, also while the ledger is sealed.
    ///
    /// # Errors
    /// Why they could not be committed.
    pub async fn probe(&self, effect: Effect, at: Timestamp) -> Result<Committed, StoreError> {
        let Effect { request, entries, .. } = effect;
        let again = move |_: &Found| {
            (Effect { request, entries: entries.clone(), rows: Rows::default() }, ())
        };
        Ok(self.queue(Question::default(), at, again, true).await?.1)
    }

    async fn queue<T, F>(
        &self,
        question: Question,
        at: Timestamp,
        mut decide: F,
        probe: bool,
    ) -> Result<(T, Committed), StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Found) -> (Effect, T) + Send + 'static,
    {
        let slot = Arc::new(Mutex::new(None));
        let filled = Arc::clone(&slot);
        let decide: Decide = Box::new(move |found| {
            let (effect, value) = decide(found);
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            effect
        });
        let (reply, answer) = oneshot::channel();
        let job = Job { question, at, decide, probe, alone: None, reply };
        self.queue.try_send(job).or(Err(StoreError::Busy))?;
        let committed = answer.await.or(Err(StoreError::Unavailable("writer")))??;
        let value = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok((value.ok_or(StoreError::Corrupt("decision"))?, committed))
    }

    /// The last head this process committed, or found when it started.
    #[must_use]
    pub fn latest(&self) -> Arc<SignedHead> {
        Arc::clone(&self.latest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the ledger can be written.
    #[must_use]
    pub const fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Takes the summaries of denials that were only counted: those of the minutes before `at`, or all.
    #[must_use]
    pub fn denials(&self, before: Option<Timestamp>) -> Vec<Entry> {
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        match before {
            Some(at) => denials.take(at),
            None => denials.take_all(),
        }
    }
}

/// The place of each request's first entry, the head after them, and what was added to the tree.
type Written = (Vec<Option<(RequestId, u64)>>, Head, Arc<Grown>);

struct Worker {
    pool: Pool,
    keyring: Arc<Keyring>,
    boot: [u8; 8],
    group: NonZeroUsize,
    /// Time in the ledger never runs back within one process.
    last_us: i64,
    latest: Arc<Mutex<Arc<SignedHead>>>,
    health: Arc<Health>,
    denials: Arc<Mutex<Denials>>,
    /// The head this process committed last, as long as nothing failed since.
    head: Option<Head>,
    jobs: mpsc::Receiver<Job>,
}

impl Worker {
    async fn run(mut self) {
        let mut waiting = VecDeque::new();
        while let Some(group) = self.gather(&mut waiting).await {
            self.commit(group).await;
        }
    }

    /// The next group: what waits already, at most `group`. A request whose idempotency key is in
    /// the group already waits for the next one, where it finds the first one's row.
    async fn gather(&mut self, waiting: &mut VecDeque<Job>) -> Option<Vec<Job>> {
        if waiting.is_empty() {
            waiting.push_back(self.jobs.recv().await?);
        }
        while waiting.len() < self.group.get() {
            match self.jobs.try_recv() {
                Ok(job) => waiting.push_back(job),
                Err(_) => break,
            }
        }
        let mut keys = HashSet::new();
        let (group, later): (Vec<Job>, Vec<Job>) = waiting
            .drain(..)
            .partition(|job| job.question.idempotency.is_none_or(|key| keys.insert(key)));
        *waiting = later.into();
        Some(group)
    }

    async fn commit(&mut self, mut group: Vec<Job>) {
        if self.health.state() == State::Sealed {
            group = without_the_refused(group);
        }
        if group.is_empty() {
            return;
        }
        match self.attempt(&mut group).await {
            Ok(committed) => answer(group, committed),
            Err(StoreError::Constraint | StoreError::Corrupt(_)) if group.len() > 1 => {
                for job in group {
                    let mut alone = vec![job];
                    let done = self.attempt(&mut alone).await;
                    answer_one(alone, done);
                }
            }
            Err(error) => {
                let at = group.iter().map(|job| job.at).max().unwrap_or_default();
                // Said once: what follows is refused without being tried. A write that does not fit is a
                // fault of its own and says nothing of the ledger.
                let broken = matches!(error, StoreError::Unavailable(_));
                if broken && self.health.raise(Cause::Write, at) {
                    tracing::error!(error = %error, "group not committed: the ledger is sealed");
                }
                for job in group {
                    drop(job.reply.send(Err(error.clone())));
                }
            }
        }
    }

    async fn attempt(&mut self, group: &mut [Job]) -> Result<Vec<Committed>, StoreError> {
        let mut failed = StoreError::Unavailable("serialization");
        for _ in 0..TRIES {
            let tried = tokio::time::timeout(PATIENCE, self.transact(group)).await;
            match tried.unwrap_or(Err(StoreError::Unavailable("timeout"))) {
                Err(StoreError::Unavailable("serialization")) => {}
                Err(error) => {
                    failed = error;
                    break;
                }
                Ok(committed) => return Ok(committed),
            }
        }
        Err(failed)
    }

    async fn transact(&mut self, group: &mut [Job]) -> Result<Vec<Committed>, StoreError> {
        let pool = self.pool.clone();
        // Only a commit makes it known again.
        let mine = self.head.take();
        let (places, head, grown) = match &pool {
            Pool::Sqlite { write, .. } => {
                let mut held = write.acquire().await?;
                let done = self.on_sqlite(&mut held, group, mine.as_ref()).await;
                if matches!(done, Err(StoreError::Unavailable(_))) {
                    // A commit that failed leaves sqlx counting a transaction that SQLite has rolled
                    // back: no other could begin on this connection. It may not even close.
                    drop(held.close().await);
                }
                done?
            }
            Pool::Postgres(db) => {
                let mut tx = db.begin().await?;
                let done = self.apply(&mut Conn::Postgres(&mut tx), group, None).await?;
                tx.commit().await?;
                done
            }
        };
        let signed = Arc::new(head.signed());
        self.head = Some(head);
        let head = signed;
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&head);
        Ok(places
            .into_iter()
            .map(|place| Committed::after_commit(place, Arc::clone(&head), Arc::clone(&grown)))
            .collect())
    }

    async fn on_sqlite(
        &mut self,
        held: &mut sqlx::SqliteConnection,
        group: &mut [Job],
        mine: Option<&Head>,
    ) -> Result<Written, StoreError> {
        let mut tx = held.begin_with("BEGIN IMMEDIATE").await?;
        let done = self.apply(&mut Conn::Sqlite(&mut tx), group, mine).await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn apply(
        &mut self,
        conn: &mut Conn<'_>,
        group: &mut [Job],
        mine: Option<&Head>,
    ) -> Result<Written, StoreError> {
        let mut head = ledger::lock_head(conn, mine).await?;
        let keys: Vec<Scope> = group.iter().filter_map(|job| job.question.idempotency).collect();
        let remembered = idempotency::find(conn, &keys).await?;
        let mut bulk = Bulk::default();
        let mut entries: Vec<Entry> = Vec::new();
        let mut places = Vec::with_capacity(group.len());
        for job in group.iter_mut() {
            let found = look_up(conn, &job.question, &remembered, &mut bulk).await?;
            // A fault in one decision is that request's alone: its group is taken apart.
            let decided = catch_unwind(AssertUnwindSafe(|| (job.decide)(&found)));
            let mut effect = decided.or(Err(StoreError::Corrupt("decision")))?;
            self.only_counted(job, &mut effect);
            let index = head.peaks.size() + u64::try_from(entries.len()).unwrap_or(u64::MAX);
            places.push((!effect.entries.is_empty()).then_some((effect.request, index)));
            entries.extend(effect.entries);
            bulk.take(conn, effect.rows).await?;
            self.last_us = self.last_us.max(job.at.as_microsecond());
        }
        bulk.flush(conn).await?;
        let before = head.peaks.clone();
        let mut hashes = Vec::new();
        if !entries.is_empty() {
            let leaves = ledger::place(&mut head, &entries, self.boot, self.last_us)?;
            ledger::append(conn, &leaves, &mut head, &self.keyring).await?;
            hashes.extend(leaves.iter().map(|placed| placed.leaf.hash));
        }
        Ok((places, head, Arc::new(Grown::new(before, hashes))))
    }
}

impl Worker {
    /// Takes the entry of a denial away when the actor's share of this minute is written.
    fn only_counted(&self, job: &mut Job, effect: &mut Effect) {
        let denied = |entry: &Entry| entry.outcome == Outcome::Deny;
        let Some(denial) = effect.entries.first().filter(|entry| denied(entry) && !job.probe)
        else {
            return;
        };
        let alone = *job.alone.get_or_insert_with(|| {
            let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
            denials.count(&denial.actor, job.at)
        });
        if !alone {
            effect.entries.clear();
        }
    }
}

/// Answers those that are not tried while the ledger is sealed; gives the others.
fn without_the_refused(group: Vec<Job>) -> Vec<Job> {
    let (probes, refused): (Vec<Job>, Vec<Job>) = group.into_iter().partition(|job| job.probe);
    for job in refused {
        drop(job.reply.send(Err(StoreError::Sealed)));
    }
    probes
}

fn answer(group: Vec<Job>, committed: Vec<Committed>) {
    for (job, committed) in group.into_iter().zip(committed) {
        // A caller that went away has its effect all the same; a retry finds it.
        drop(job.reply.send(Ok(committed)));
    }
}

fn answer_one(alone: Vec<Job>, done: Result<Vec<Committed>, StoreError>) {
    match done {
        Ok(committed) => answer(alone, committed),
        Err(error) => {
            for job in alone {
                drop(job.reply.send(Err(error.clone())));
            }
        }
    }
}
