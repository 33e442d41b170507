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
//! * One bad write fails alone: its group is taken apart and committed one by one.
//! * An answer is given after the commit, never before.

use crate::audit::committed::{Committed, SignedHead};
use crate::audit::entry::Entry;
use crate::crypto::keyring::Keyring;
use crate::ids::{CaseId, ReferralId, RequestId};
use crate::store::cases::{self, CaseRow};
use crate::store::effect::{Effect, Rows};
use crate::store::idempotency::{self, Remembered, Scope};
use crate::store::ledger::{self, Head};
use crate::store::pool::Conn;
use crate::store::referrals::{self, AcceptedReferral, ReferralRow};
use crate::store::{Pool, StoreError, figures};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait.
const QUEUE: usize = 1024;
/// How long one group may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a group is tried again after a serialisation failure.
const TRIES: usize = 5;

/// What must be read inside the transaction before deciding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question {
    /// Whether a request with this key was accepted before.
    pub idempotency: Option<Scope>,
    /// A case.
    pub case: Option<CaseId>,
    /// A referral, and the case it became.
    pub referral: Option<ReferralId>,
    /// Whether figures of a gemeente and year were published before.
    pub figures: Option<figures::FiguresKey>,
}

/// What was found. Absent means: not there, at this instant, in this transaction.
#[derive(Debug, Default)]
pub struct Found {
    /// The earlier request with the same key.
    pub remembered: Option<Remembered>,
    /// The case asked for, or the case of the referral asked for.
    pub case: Option<CaseRow>,
    /// The referral asked for.
    pub referral: Option<ReferralRow>,
    /// Whether the figures asked for are published.
    pub published: bool,
}

type Decide = Box<dyn FnMut(&Found) -> Effect + Send>;

struct Job {
    question: Question,
    at: Timestamp,
    decide: Decide,
    reply: oneshot::Sender<Result<Committed, StoreError>>,
}

/// The way to write. Cheap to share.
#[derive(Debug)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
    latest: Arc<Mutex<Option<Arc<SignedHead>>>>,
}

impl Writer {
    /// Starts the writing task on `pool`. `boot` identifies this process start in the ledger; at most
    /// `group` requests share one commit.
    #[must_use]
    pub fn start(pool: Pool, keyring: Arc<Keyring>, boot: [u8; 8], group: NonZeroUsize) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let latest = Arc::new(Mutex::new(None));
        let worker = Worker {
            pool,
            keyring,
            boot,
            group,
            last_us: 0,
            latest: Arc::clone(&latest),
            head: None,
            jobs,
        };
        tokio::spawn(worker.run());
        Self { queue, latest }
    }

    /// Reads what `question` asks, lets `decide` decide, commits what it says and its ledger entries,
    /// and returns what `decide` returned with the proof of the commit.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many wait; else why it could not be committed. Nothing is written
    /// then, unless the connection broke during the commit: a retry with the same key finds out.
    pub async fn write<T, F>(
        &self,
        question: Question,
        at: Timestamp,
        mut decide: F,
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
        self.queue.try_send(Job { question, at, decide, reply }).or(Err(StoreError::Busy))?;
        let committed = answer.await.or(Err(StoreError::Unavailable("writer")))??;
        let value = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok((value.ok_or(StoreError::Corrupt("decision"))?, committed))
    }

    /// The last head this process committed.
    #[must_use]
    pub fn latest(&self) -> Option<Arc<SignedHead>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Worker {
    pool: Pool,
    keyring: Arc<Keyring>,
    boot: [u8; 8],
    group: NonZeroUsize,
    /// Time in the ledger never runs back within one process.
    last_us: i64,
    latest: Arc<Mutex<Option<Arc<SignedHead>>>>,
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
                tracing::error!(error = %error, "group not committed");
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
        let (places, head) = match &pool {
            Pool::Sqlite { write, .. } => {
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                let done = self.apply(&mut Conn::Sqlite(&mut tx), group, mine.as_ref()).await?;
                tx.commit().await?;
                done
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
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&head));
        Ok(places
            .into_iter()
            .map(|place| Committed::after_commit(place, Arc::clone(&head)))
            .collect())
    }

    async fn apply(
        &mut self,
        conn: &mut Conn<'_>,
        group: &mut [Job],
        mine: Option<&Head>,
    ) -> Result<(Vec<Option<(RequestId, u64)>>, Head), StoreError> {
        let mut head = ledger::lock_head(conn, mine).await?;
        let keys: Vec<Scope> = group.iter().filter_map(|job| job.question.idempotency).collect();
        let remembered = idempotency::find(conn, &keys).await?;
        let mut bulk = Bulk::default();
        let mut entries: Vec<Entry> = Vec::new();
        let mut places = Vec::with_capacity(group.len());
        for job in group.iter_mut() {
            let found = look_up(conn, &job.question, &remembered, &mut bulk).await?;
            let effect = (job.decide)(&found);
            let index = head.peaks.size() + u64::try_from(entries.len()).unwrap_or(u64::MAX);
            places.push((!effect.entries.is_empty()).then_some((effect.request, index)));
            entries.extend(effect.entries);
            bulk.take(conn, effect.rows).await?;
            self.last_us = self.last_us.max(job.at.as_microsecond());
        }
        bulk.flush(conn).await?;
        if !entries.is_empty() {
            let leaves = ledger::place(&mut head, &entries, self.boot, self.last_us)?;
            ledger::sign(&mut head, &self.keyring)?;
            ledger::append(conn, &leaves, &head).await?;
        }
        Ok((places, head))
    }
}

/// Rows of new referrals wait here and go in with one statement a table.
#[derive(Default)]
struct Bulk {
    accepted: Vec<AcceptedReferral>,
    remembered: Vec<idempotency::IdempotencyRow>,
    outbox: Vec<referrals::OutboxRow>,
    assignments: Vec<cases::AssignmentRow>,
}

impl Bulk {
    /// Keeps what can wait, writes what is a change of one row.
    async fn take(&mut self, conn: &mut Conn<'_>, rows: Rows) -> Result<(), StoreError> {
        self.accepted.extend(rows.accepted.map(|accepted| *accepted));
        self.remembered.extend(rows.idempotency);
        self.outbox.extend(rows.outbox);
        self.assignments.extend(rows.assignment);
        if let Some(change) = rows.case {
            cases::change(conn, &change).await?;
        }
        if let Some(facts) = rows.facts {
            cases::write_facts(conn, &facts).await?;
        }
        if let Some(change) = rows.referral {
            referrals::change(conn, &change).await?;
        }
        if let Some(release) = rows.release {
            cases::insert_release(conn, &release).await?;
        }
        if let Some(figures) = rows.figures {
            figures::insert(conn, &figures).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        referrals::insert(conn, &self.accepted).await?;
        cases::insert_assignments(conn, &self.assignments).await?;
        idempotency::insert(conn, &self.remembered).await?;
        referrals::insert_outbox(conn, &self.outbox).await?;
        *self = Self::default();
        Ok(())
    }
}

/// Reads what a question asks. What earlier requests of the group wrote is flushed first, so that it
/// is seen.
async fn look_up(
    conn: &mut Conn<'_>,
    question: &Question,
    remembered: &HashMap<Scope, Remembered>,
    bulk: &mut Bulk,
) -> Result<Found, StoreError> {
    let mut found = Found {
        remembered: question.idempotency.and_then(|key| remembered.get(&key).cloned()),
        ..Found::default()
    };
    if question.case.is_some() || question.referral.is_some() {
        bulk.flush(conn).await?;
    }
    if let Some(id) = question.referral {
        found.referral = referrals::read(conn, id).await?;
    }
    // A referral that is not there is answered after as many reads as one that is another's.
    let nothing = question.referral.map(|id| CaseId::from_uuid(id.uuid()));
    let of_referral = found.referral.as_ref().map(|referral| referral.case);
    if let Some(id) = question.case.or(of_referral).or(nothing) {
        found.case = cases::read(conn, id).await?;
    }
    if let Some(key) = question.figures {
        found.published = figures::is_published(conn, key).await?;
    }
    Ok(found)
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
