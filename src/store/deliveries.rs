//! Messages on their way to partners: one at a time for each partner, in the order in which they were written.
//!
//! A partner's deliveries are a lane. Whoever works on a lane holds it: on PostgreSQL by a lock on its row, which
//! vanishes with the process that held it (`FOR UPDATE SKIP LOCKED`); on SQLite there is one gateway, which keeps its own
//! list. A message that cannot be delivered holds up those behind it, so that no partner sees a later one first.

use crate::ids::{DeliveryId, PartnerId};
use crate::store::pool::{Conn, on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::{Postgres, Row, Transaction};
use uuid::Uuid;

/// A message that waits.
#[derive(Clone, Debug)]
pub struct Message {
    /// By which a receiver tells a repetition.
    pub id: DeliveryId,
    /// Who gets it.
    pub partner: PartnerId,
    /// CloudEvents `type`.
    pub kind: String,
    /// What it is about.
    pub object: Uuid,
    /// Milliseconds since the epoch.
    pub created_ms: i64,
}

/// The message at the head of a lane. Nobody else works on the lane while this lives.
#[derive(Debug)]
pub struct Claimed {
    /// The message.
    pub message: Message,
    /// How often it was tried before.
    pub attempts: u32,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Sqlite,
    Postgres(Transaction<'static, Postgres>),
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Settled {
    /// The receiver has it.
    Delivered,
    /// To be tried again at this instant, in milliseconds since the epoch.
    Again(i64),
    /// Not tried, and so not counted: to be tried at this instant, in milliseconds since the epoch.
    Later(i64),
    /// Not to be tried again by itself.
    Parked,
}

/// Partners with an endpoint and a message, whose lane is due and not parked, longest waiting first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn due(pool: &Pool, now_ms: i64) -> Result<Vec<PartnerId>, StoreError> {
    const SQL: &str = "SELECT o.partner_id FROM outbox o JOIN partner_endpoint e ON e.partner_id = o.partner_id \
        LEFT JOIN delivered d ON d.message_id = o.id LEFT JOIN delivery_lane l ON l.partner_id = o.partner_id \
        WHERE d.message_id IS NULL AND (l.partner_id IS NULL OR (l.parked = 0 AND l.due_ms <= $1)) \
        GROUP BY o.partner_id ORDER BY MIN(o.created_ms)";
    on_db!(pool, |db| sqlx::query(SQL)
        .bind(now_ms)
        .fetch_all(db)
        .await?
        .iter()
        .map(|row| Ok(PartnerId::from_uuid(row.try_get("partner_id")?)))
        .collect())
}

/// Takes the lane of a partner, and the message at its head; nothing where another has it, it is not due, or nothing
/// waits.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn claim(
    pool: &Pool,
    partner: PartnerId,
    now_ms: i64,
) -> Result<Option<Claimed>, StoreError> {
    open_lane(pool, partner).await?;
    match pool {
        Pool::Sqlite { read, .. } => {
            let mut held = read.acquire().await?;
            let found = head(&mut Conn::Sqlite(&mut held), partner, now_ms, LANE).await?;
            Ok(found.map(|(message, attempts)| Claimed { message, attempts, held: Held::Sqlite }))
        }
        Pool::Postgres(db) => {
            let mut tx = db.begin().await?;
            // A receiver may take its time; a server that ends idle transactions sooner would undo the count of attempts.
            sqlx::query(PATIENT_POSTGRES).execute(&mut *tx).await?;
            let found = head(&mut Conn::Postgres(&mut tx), partner, now_ms, LANE_POSTGRES).await?;
            Ok(found.map(|(message, attempts)| Claimed {
                message,
                attempts,
                held: Held::Postgres(tx),
            }))
        }
    }
}

const PATIENT_POSTGRES: &str = "SET LOCAL idle_in_transaction_session_timeout = 0";
const LANE: &str =
    "SELECT attempts FROM delivery_lane WHERE partner_id = $1 AND parked = 0 AND due_ms <= $2";
const LANE_POSTGRES: &str = "SELECT attempts FROM delivery_lane WHERE partner_id = $1 AND parked = 0 \
    AND due_ms <= $2 FOR UPDATE SKIP LOCKED";

async fn open_lane(pool: &Pool, partner: PartnerId) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO delivery_lane (partner_id, attempts, due_ms, parked, outcome) \
        VALUES ($1, 0, 0, 0, '') ON CONFLICT (partner_id) DO NOTHING";
    const THERE: &str = "SELECT COUNT(*) FROM delivery_lane WHERE partner_id = $1";
    let there: i64 =
        on_db!(pool, |db| sqlx::query_scalar(THERE).bind(partner.uuid()).fetch_one(db).await?);
    if there == 0 {
        let mut held = pool.writing().await?;
        let mut conn = held.conn();
        on_conn!(&mut conn, |db| sqlx::query(SQL)
            .bind(partner.uuid())
            .execute(&mut **db)
            .await?
            .rows_affected());
    }
    Ok(())
}

async fn head(
    conn: &mut Conn<'_>,
    partner: PartnerId,
    now_ms: i64,
    lane: &'static str,
) -> Result<Option<(Message, u32)>, StoreError> {
    const HEAD: &str = "SELECT o.id, o.kind, o.object_id, o.created_ms FROM outbox o \
        LEFT JOIN delivered d ON d.message_id = o.id WHERE o.partner_id = $1 AND d.message_id IS NULL \
        ORDER BY o.created_ms, o.id LIMIT 1";
    on_conn!(conn, |db| {
        let query = sqlx::query_scalar(lane).bind(partner.uuid()).bind(now_ms);
        let Some(attempts) = query.fetch_optional(&mut **db).await? else {
            return Ok(None);
        };
        let attempts: i32 = attempts;
        let row = sqlx::query(HEAD).bind(partner.uuid()).fetch_optional(&mut **db).await?;
        row.map(|row| {
            let message = Message {
                id: DeliveryId::from_uuid(row.try_get("id")?),
                partner,
                kind: row.try_get("kind")?,
                object: row.try_get("object_id")?,
                created_ms: row.try_get("created_ms")?,
            };
            Ok((message, u32::try_from(attempts).unwrap_or_default()))
        })
        .transpose()
    })
}

impl Claimed {
    /// Keeps what became of the attempt, and lets the lane go. `outcome` is a word of ours, such as `http-503`.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written: the message is then sent again, which its receiver sees by its id.
    pub async fn settle(
        self,
        pool: &Pool,
        settled: Settled,
        outcome: &str,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let Self { message, attempts, held } = self;
        let line =
            Line { message: &message, attempts: attempts.saturating_add(1), outcome, now_ms };
        match (held, pool) {
            (Held::Postgres(mut tx), _) => {
                line.write(&mut Conn::Postgres(&mut tx), settled).await?;
                Ok(tx.commit().await?)
            }
            (Held::Sqlite, Pool::Sqlite { write, .. }) => {
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                line.write(&mut Conn::Sqlite(&mut tx), settled).await?;
                Ok(tx.commit().await?)
            }
            (Held::Sqlite, Pool::Postgres(_)) => Err(StoreError::Corrupt("lane")),
        }
    }
}

/// What is written of an attempt.
struct Line<'a> {
    message: &'a Message,
    attempts: u32,
    outcome: &'a str,
    now_ms: i64,
}

impl Line<'_> {
    async fn write(&self, conn: &mut Conn<'_>, settled: Settled) -> Result<(), StoreError> {
        const DELIVERED: &str =
            "INSERT INTO delivered (message_id, attempts, at_ms) VALUES ($1, $2, $3)";
        const LANE: &str = "UPDATE delivery_lane SET attempts = $2, due_ms = $3, parked = $4, outcome = $5 \
            WHERE partner_id = $1";
        let attempts = i32::try_from(self.attempts).unwrap_or(i32::MAX);
        let (left, due, parked) = match settled {
            Settled::Delivered => (0, 0, 0),
            Settled::Again(due) => (attempts, due, 0),
            Settled::Later(due) => (attempts.saturating_sub(1), due, 0),
            Settled::Parked => (attempts, 0, 1),
        };
        on_conn!(conn, |db| {
            if settled == Settled::Delivered {
                let query = sqlx::query(DELIVERED).bind(self.message.id.uuid()).bind(attempts);
                query.bind(self.now_ms).execute(&mut **db).await?;
            }
            sqlx::query(LANE)
                .bind(self.message.partner.uuid())
                .bind(left)
                .bind(due)
                .bind(parked)
                .bind(self.outcome)
                .execute(&mut **db)
                .await?
                .rows_affected()
        });
        Ok(())
    }
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// The partner registered no endpoint: it waits for one.
    NoEndpoint,
    /// It waits for its turn.
    Waiting,
    /// It was tried, and will be again.
    Retrying,
    /// It was tried as often as it will be by itself.
    Parked,
    /// The receiver has it.
    Delivered,
}

impl State {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoEndpoint => "no-endpoint",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Parked => "parked",
            Self::Delivered => "delivered",
        }
    }
}

/// A message and where it stands; nothing of what is in it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Id.
    pub id: DeliveryId,
    /// Short name of who gets it.
    pub partner: String,
    /// CloudEvents `type`.
    pub kind: String,
    /// Where it stands.
    pub state: State,
    /// How often it was tried.
    pub attempts: u32,
    /// How the last attempt on its lane ended, a word of ours; empty of one that was not tried.
    pub outcome: String,
    /// When it is tried again, in milliseconds since the epoch.
    pub due_ms: Option<i64>,
    /// When it was delivered, in milliseconds since the epoch.
    pub delivered_ms: Option<i64>,
    /// When it was written, in milliseconds since the epoch.
    pub created_ms: i64,
}

/// A page of messages, oldest first, after an instant and id.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub async fn list(
    pool: &Pool,
    (after_ms, after): (i64, Uuid),
    limit: i64,
) -> Result<Vec<Listed>, StoreError> {
    const SQL: &str = "SELECT o.id, o.kind, o.created_ms, p.name, e.partner_id AS endpoint, d.at_ms, \
        d.attempts AS taken, l.attempts, l.due_ms, l.parked, l.outcome, (SELECT COUNT(*) FROM outbox b \
        LEFT JOIN delivered x ON x.message_id = b.id WHERE b.partner_id = o.partner_id AND x.message_id IS NULL \
        AND (b.created_ms < o.created_ms OR (b.created_ms = o.created_ms AND b.id < o.id))) AS ahead \
        FROM outbox o JOIN partner p ON p.id = o.partner_id LEFT JOIN partner_endpoint e ON e.partner_id = o.partner_id \
        LEFT JOIN delivered d ON d.message_id = o.id LEFT JOIN delivery_lane l ON l.partner_id = o.partner_id \
        WHERE o.created_ms > $1 OR (o.created_ms = $1 AND o.id > $2) ORDER BY o.created_ms, o.id LIMIT $3";
    on_db!(pool, |db| {
        let query = sqlx::query(SQL).bind(after_ms).bind(after).bind(limit);
        let rows = query.fetch_all(db).await?;
        rows.iter()
            .map(|row| {
                let number =
                    |n: Option<i32>| u32::try_from(n.unwrap_or_default()).unwrap_or_default();
                let delivered_ms: Option<i64> = row.try_get("at_ms")?;
                let endpoint: Option<Uuid> = row.try_get("endpoint")?;
                let (ahead, attempts): (i64, u32) =
                    (row.try_get("ahead")?, number(row.try_get("attempts")?));
                let parked = row.try_get::<Option<i32>, _>("parked")? == Some(1);
                let state = match (delivered_ms, endpoint) {
                    (Some(_), _) => State::Delivered,
                    (None, None) => State::NoEndpoint,
                    _ if ahead > 0 || attempts == 0 => State::Waiting,
                    _ if parked => State::Parked,
                    _ => State::Retrying,
                };
                let tried = matches!(state, State::Retrying | State::Parked);
                let outcome: Option<String> = row.try_get("outcome")?;
                let due: Option<i64> = row.try_get("due_ms")?;
                Ok(Listed {
                    id: DeliveryId::from_uuid(row.try_get("id")?),
                    partner: row.try_get("name")?,
                    kind: row.try_get("kind")?,
                    state,
                    attempts: if state == State::Delivered {
                        number(row.try_get("taken")?)
                    } else {
                        attempts * u32::from(tried)
                    },
                    outcome: outcome.filter(|_| tried).unwrap_or_default(),
                    due_ms: due.filter(|_| state == State::Retrying),
                    delivered_ms,
                    created_ms: row.try_get("created_ms")?,
                })
            })
            .collect()
    })
}

/// Lets the message at the head of a lane be tried again at once. Gives whether it was at the head and had been tried;
/// nothing where there is no such message.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub async fn retry(pool: &Pool, id: DeliveryId) -> Result<Option<bool>, StoreError> {
    const OF: &str = "SELECT partner_id FROM outbox WHERE id = $1";
    const SQL: &str = "UPDATE delivery_lane SET attempts = 0, due_ms = 0, parked = 0 WHERE partner_id = $1 \
        AND attempts > 0 AND $2 = (SELECT o.id FROM outbox o LEFT JOIN delivered d ON d.message_id = o.id \
        WHERE o.partner_id = $1 AND d.message_id IS NULL ORDER BY o.created_ms, o.id LIMIT 1)";
    let partner: Option<Uuid> =
        on_db!(pool, |db| sqlx::query_scalar(OF).bind(id.uuid()).fetch_optional(db).await?);
    let Some(partner) = partner else {
        return Ok(None);
    };
    let mut held = pool.writing().await?;
    let mut conn = held.conn();
    let changed = on_conn!(&mut conn, |db| sqlx::query(SQL)
        .bind(partner)
        .bind(id.uuid())
        .execute(&mut **db)
        .await?
        .rows_affected());
    Ok(Some(changed == 1))
}

/// How deliveries stand.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Waiting {
    /// Messages for a partner that has an endpoint.
    pub waiting: i64,
    /// Lanes that stand still until an operator has them tried again.
    pub parked: i64,
    /// Lanes whose last attempt failed, and that are tried again by themselves.
    pub failing: i64,
}

/// How deliveries stand.
///
/// # Errors
/// [`StoreError`] when they cannot be counted.
pub async fn waiting(pool: &Pool) -> Result<Waiting, StoreError> {
    const WAITING: &str = "SELECT COUNT(*) FROM outbox o JOIN partner_endpoint e ON e.partner_id = o.partner_id \
        LEFT JOIN delivered d ON d.message_id = o.id WHERE d.message_id IS NULL";
    const PARKED: &str = "SELECT COUNT(*) FROM delivery_lane WHERE parked = 1";
    const FAILING: &str = "SELECT COUNT(*) FROM delivery_lane WHERE parked = 0 AND attempts > 0";
    on_db!(pool, |db| {
        let waiting = sqlx::query_scalar(WAITING).fetch_one(db).await?;
        let parked = sqlx::query_scalar(PARKED).fetch_one(db).await?;
        Ok(Waiting { waiting, parked, failing: sqlx::query_scalar(FAILING).fetch_one(db).await? })
    })
}
