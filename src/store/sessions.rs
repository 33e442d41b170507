//! Who is signed in to the portal, and ways in that work once. Secrets are kept as keyed hashes only.

use crate::domain::partner::Slug;
use crate::ids::PartnerId;
use crate::store::pool::{on_conn, on_db};
use crate::store::{Pool, StoreError};
use sqlx::Row;

/// Keyed hash of what a cookie or a link holds.
pub type Hash = [u8; 32];

/// SHA-256 of a public key by which somebody signs in.
pub type Pin = [u8; 32];

/// What is kept of a certificate that somebody signed in with: enough to see whether it still may.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Card {
    /// Its key.
    pub pin: Pin,
    /// Distinguished name of who issued it, DER.
    pub issuer: Vec<u8>,
    /// Serial number, big-endian without leading zeros.
    pub serial: Vec<u8>,
    /// End of its validity, milliseconds since the epoch.
    pub until_ms: i64,
}

/// Somebody who may sign in, once.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Partner.
    pub partner: PartnerId,
    /// Account.
    pub account: Slug,
    /// The certificate they showed; nothing where it was a link.
    pub card: Option<Card>,
    /// Keyed hash of what the browser keeps for which it was made; nothing where it was a link.
    pub state: Option<Hash>,
}

/// Reads the columns of a certificate.
macro_rules! card_of {
    ($row:expr) => {{
        let pin: Option<Vec<u8>> = $row.try_get("pin")?;
        match pin {
            None => None,
            Some(pin) => Some(Card {
                pin: pin.try_into().or(Err(StoreError::Corrupt("pin")))?,
                issuer: $row.try_get("cert_issuer")?,
                serial: $row.try_get("cert_serial")?,
                until_ms: $row.try_get("cert_until_ms")?,
            }),
        }
    }};
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Keyed hash of the secret.
    pub hash: Hash,
    /// Partner.
    pub partner: PartnerId,
    /// Account.
    pub account: Slug,
    /// When they signed in, milliseconds since the epoch.
    pub begun_ms: i64,
    /// When they were last seen, to within a minute.
    pub seen_ms: i64,
    /// With which certificate they signed in; nothing where it was another way.
    pub card: Option<Card>,
}

/// Begins a session, and forgets those that began before an instant.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub async fn begin(pool: &Pool, row: &SessionRow, forget_ms: i64) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM portal_session WHERE begun_ms < $1";
    const SQL: &str = "INSERT INTO portal_session (hash, partner_id, account, begun_ms, seen_ms, pin, \
        cert_issuer, cert_serial, cert_until_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let mut held = pool.writing().await?;
    let mut conn = held.conn();
    on_conn!(&mut conn, |db| {
        sqlx::query(FORGET).bind(forget_ms).execute(&mut **db).await?;
        let query = sqlx::query(SQL).bind(row.hash.as_slice()).bind(row.partner.uuid());
        let query = query.bind(row.account.as_str()).bind(row.begun_ms).bind(row.seen_ms);
        let card = row.card.as_ref();
        let query = query.bind(card.map(|card| card.pin.to_vec()));
        let query = query.bind(card.map(|card| card.issuer.clone()));
        let query = query.bind(card.map(|card| card.serial.clone()));
        query.bind(card.map(|card| card.until_ms)).execute(&mut **db).await?;
    });
    Ok(())
}

/// The session of a secret.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub async fn find(pool: &Pool, hash: &Hash) -> Result<Option<SessionRow>, StoreError> {
    const SQL: &str = "SELECT partner_id, account, begun_ms, seen_ms, pin, cert_issuer, cert_serial, cert_until_ms \
        FROM portal_session WHERE hash = $1";
    on_db!(pool, |db| {
        let row = sqlx::query(SQL).bind(hash.as_slice()).fetch_optional(db).await?;
        row.map(|row| {
            let account: String = row.try_get("account")?;
            Ok(SessionRow {
                hash: *hash,
                partner: PartnerId::from_uuid(row.try_get("partner_id")?),
                account: Slug::parse(&account).or(Err(StoreError::Corrupt("account")))?,
                begun_ms: row.try_get("begun_ms")?,
                seen_ms: row.try_get("seen_ms")?,
                card: card_of!(row),
            })
        })
        .transpose()
    })
}

/// Notes that somebody was seen.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub async fn seen(pool: &Pool, hash: &Hash, at_ms: i64) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE portal_session SET seen_ms = $2 WHERE hash = $1";
    let mut held = pool.writing().await?;
    let mut conn = held.conn();
    on_conn!(&mut conn, |db| {
        sqlx::query(SQL).bind(hash.as_slice()).bind(at_ms).execute(&mut **db).await?;
    });
    Ok(())
}

/// Ends a session.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub async fn end(pool: &Pool, hash: &Hash) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM portal_session WHERE hash = $1";
    let mut held = pool.writing().await?;
    let mut conn = held.conn();
    on_conn!(&mut conn, |db| {
        sqlx::query(SQL).bind(hash.as_slice()).execute(&mut **db).await?;
    });
    Ok(())
}

/// Ends every session of an account, and the ways in that were made for it.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub async fn end_all(pool: &Pool, partner: PartnerId, account: &Slug) -> Result<(), StoreError> {
    const SESSIONS: &str = "DELETE FROM portal_session WHERE partner_id = $1 AND account = $2";
    const TICKETS: &str = "DELETE FROM portal_ticket WHERE partner_id = $1 AND account = $2";
    let mut held = pool.writing().await?;
    let mut conn = held.conn();
    for sql in [SESSIONS, TICKETS] {
        on_conn!(&mut conn, |db| {
            let query = sqlx::query(sql).bind(partner.uuid()).bind(account.as_str());
            query.execute(&mut **db).await?;
        });
    }
    Ok(())
}

/// Keeps a way in that works once until an instant, and forgets those whose time is over.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub async fn put_ticket(
    pool: &Pool,
    hash: &Hash,
    who: &Admitted,
    (now_ms, until_ms): (i64, i64),
) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM portal_ticket WHERE until_ms < $1";
    const SQL: &str = "INSERT INTO portal_ticket (hash, partner_id, account, until_ms, pin, \
        cert_issuer, cert_serial, cert_until_ms, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let mut held = pool.writing().await?;
    let mut conn = held.conn();
    on_conn!(&mut conn, |db| {
        sqlx::query(FORGET).bind(now_ms).execute(&mut **db).await?;
        let query = sqlx::query(SQL).bind(hash.as_slice()).bind(who.partner.uuid());
        let card = who.card.as_ref();
        let query = query.bind(who.account.as_str()).bind(until_ms);
        let query = query.bind(card.map(|card| card.pin.to_vec()));
        let query = query.bind(card.map(|card| card.issuer.clone()));
        let query = query.bind(card.map(|card| card.serial.clone()));
        let query = query.bind(card.map(|card| card.until_ms));
        query.bind(who.state.map(Vec::from)).execute(&mut **db).await?;
    });
    Ok(())
}

/// Takes a way in: whose it is, where it was there and its time is not over. It is gone then.
///
/// # Errors
/// [`StoreError`] when it cannot be taken.
pub async fn take_ticket(
    pool: &Pool,
    hash: &Hash,
    now_ms: i64,
) -> Result<Option<Admitted>, StoreError> {
    const THERE: &str = "SELECT COUNT(*) FROM portal_ticket WHERE hash = $1";
    const SQL: &str = "DELETE FROM portal_ticket WHERE hash = $1 RETURNING partner_id, account, until_ms, pin, \
        cert_issuer, cert_serial, cert_until_ms, state";
    // A guess costs a read, and does not wait for whoever writes.
    let there: i64 =
        on_db!(pool, |db| sqlx::query_scalar(THERE).bind(hash.as_slice()).fetch_one(db).await?);
    if there == 0 {
        return Ok(None);
    }
    let mut held = pool.writing().await?;
    let mut conn = held.conn();
    on_conn!(&mut conn, |db| {
        let row = sqlx::query(SQL).bind(hash.as_slice()).fetch_optional(&mut **db).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let account: String = row.try_get("account")?;
        let until_ms: i64 = row.try_get("until_ms")?;
        let partner = PartnerId::from_uuid(row.try_get("partner_id")?);
        let account = Slug::parse(&account).or(Err(StoreError::Corrupt("account")))?;
        let card = card_of!(row);
        let state: Option<Vec<u8>> = row.try_get("state")?;
        let state = state.map(|hash| hash.try_into().or(Err(StoreError::Corrupt("state"))));
        let state = state.transpose()?;
        Ok((now_ms <= until_ms).then_some(Admitted { partner, account, card, state }))
    })
}
