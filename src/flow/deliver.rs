//! Messages to partners: what is in them, how they are signed, when they are tried again.
//!
//! A message is an event of `CloudEvents` (NL GOV profile, structured JSON) signed as Standard Webhooks has it, with Ed25519. It
//! holds ids and published figures, nothing about anybody: what has changed is asked for, and judged, when it is read.
//! How it is sent is the caller's.

use crate::audit::entry::Event;
use crate::clock::from_millisecond;
use crate::domain::municipality::Municipality;
use crate::domain::partner::{Endpoint, PartnerKind, PartnerStatus};
use crate::flow::{Done, FlowError, Gateway, plain, publish};
use crate::ids::{DeliveryId, PartnerId, StatisticsReleaseId};
use crate::policy::Allowed;
use crate::policy::action::{ListDeliveries, RetryDelivery};
use crate::policy::facts::Facts;
use crate::store::StoreError;
use crate::store::deliveries::{self, Claimed, Listed, Message, Settled, Waiting};
use crate::store::figures::{self, FiguresRow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// A signed message, ready to be sent.
#[derive(Clone, Debug)]
pub struct Signed {
    /// `webhook-id`: by which a receiver tells a repetition.
    pub id: String,
    /// `webhook-timestamp`: seconds since the epoch.
    pub timestamp: String,
    /// `webhook-signature`: one for each key, two while keys are exchanged.
    pub signature: String,
    /// The event.
    pub body: String,
}

/// How an attempt ended, as far as it decides what comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attempt {
    /// Taken: 2xx.
    Taken,
    /// The receiver is gone for good: 410.
    Gone,
    /// Not tried, for a fault that is not the receiver's.
    Ours,
    /// Anything else.
    Failed,
}

/// What is to be delivered, and where.
#[derive(Debug)]
pub struct Parcel {
    /// The receiver; nothing where it may not have the message any more.
    pub endpoint: Option<Endpoint>,
    /// The message.
    pub signed: Signed,
    claimed: Claimed,
}

/// How long a fault of ours is waited out, in milliseconds.
const OURS_MS: i64 = 60_000;

/// Takes what waits longest for a partner; nothing where nothing does, it is not due, or another is at it.
///
/// # Errors
/// [`FlowError::Store`]; and when the message cannot be made or signed.
pub async fn next(gateway: &Arc<Gateway>, partner: PartnerId) -> Result<Option<Parcel>, FlowError> {
    let register = gateway.register.load_full();
    let known = register.partners().find(|known| known.id == partner);
    // Whoever is suspended gets nothing; what waits for it waits on.
    let known = known.filter(|known| known.status == PartnerStatus::Active);
    let Some((known, endpoint)) = known.and_then(|known| Some((known, known.endpoint.clone()?)))
    else {
        return Ok(None);
    };
    let now_ms = gateway.clock.now().as_millisecond();
    let Some(claimed) = deliveries::claim(&gateway.store.pool, partner, now_ms).await? else {
        return Ok(None);
    };
    let (data, own) = data(gateway, &claimed.message, &known.municipalities).await?;
    let body = event(gateway, &claimed.message, &data).to_string();
    let signed = sign(gateway, &claimed.message, body)?;
    Ok(Some(Parcel { endpoint: own.then_some(endpoint), signed, claimed }))
}

/// Keeps how an attempt ended. `outcome` is a word of ours, such as `http-503`; `waits_ms` are the waits after each
/// attempt that failed, after the last of which the message is parked.
///
/// # Errors
/// [`FlowError::Store`]: the message is then sent again.
pub async fn settle(
    gateway: &Arc<Gateway>,
    parcel: Parcel,
    attempt: Attempt,
    outcome: &str,
    waits_ms: &[i64],
) -> Result<Settled, FlowError> {
    let now_ms = gateway.clock.now().as_millisecond();
    let settled = match attempt {
        Attempt::Taken => Settled::Delivered,
        Attempt::Gone => Settled::Parked,
        Attempt::Ours => Settled::Later(now_ms + OURS_MS),
        Attempt::Failed => {
            let lot = gateway.entropy.array::<2>().or(Err(StoreError::Unavailable("entropy")))?;
            again(waits_ms, parcel.claimed.attempts, now_ms, u16::from_be_bytes(lot))
        }
    };
    parcel.claimed.settle(&gateway.store.pool, settled, outcome, now_ms).await?;
    Ok(settled)
}

/// When an attempt comes after `before` others that failed: the wait of the schedule, up to a fifth longer by lot, so that
/// receivers that came back are not met by all at once.
fn again(waits_ms: &[i64], before: u32, now_ms: i64, lot: u16) -> Settled {
    let wait = usize::try_from(before).ok().and_then(|at| waits_ms.get(at));
    wait.map_or(Settled::Parked, |wait| {
        let jitter = wait / 5 * i64::from(lot) / i64::from(u16::MAX);
        Settled::Again(now_ms + wait + jitter)
    })
}

/// What a message tells, and whether its partner may have it: of figures, whether it is still a gemeente they are about.
async fn data(
    gateway: &Gateway,
    message: &Message,
    municipalities: &[Municipality],
) -> Result<(Value, bool), FlowError> {
    if message.kind != publish::MESSAGE {
        // The status of a referral is told only with consent to feedback at that instant; a message may come hours later.
        return Ok((json!({"id": message.object.to_string()}), true));
    }
    let id = StatisticsReleaseId::from_uuid(message.object);
    let row = figures::find(&gateway.store.pool, id).await?;
    let row = row.ok_or(StoreError::Corrupt("figures_release"))?;
    let own = crate::flow::figures::about(&row).iter().any(|about| municipalities.contains(about));
    Ok((release(&row)?, own))
}

/// The event of a message.
fn event(gateway: &Gateway, message: &Message, data: &Value) -> Value {
    json!({
        "specversion": "1.0",
        "id": message.id.to_string(),
        "source": source(gateway),
        "type": message.kind,
        "time": from_millisecond(message.created_ms).to_string(),
        "datacontenttype": "application/json",
        "data": data,
    })
}

/// `source`: by the OIN of whoever runs the gateway, where it is in the register; else by its deployment.
fn source(gateway: &Gateway) -> String {
    let register = gateway.register.load();
    let runs = register.partners().find(|partner| partner.kind == PartnerKind::Operations);
    let number =
        runs.map_or_else(|| "unknown".to_owned(), |partner| partner.number.as_str().to_owned());
    format!("urn:nld:oin:{number}:systeem:buurtpoort")
}

/// A release as it was sealed, with what a receiver needs to check it.
fn release(row: &FiguresRow) -> Result<Value, FlowError> {
    let body: Value =
        serde_json::from_str(&row.body).or(Err(StoreError::Corrupt("figures_release")))?;
    Ok(json!({
        "id": row.id.to_string(),
        "area": row.key.area,
        "period": row.key.period.to_string(),
        "sealedAt": from_millisecond(row.sealed_ms).to_string(),
        "sha256": crate::crypto::digest::hex(&row.sha256),
        "figures": body,
    }))
}

/// Signs as Standard Webhooks has it: over id, timestamp and body, with each delivery key there is.
fn sign(gateway: &Gateway, message: &Message, body: String) -> Result<Signed, FlowError> {
    let id = message.id.to_string();
    let timestamp = gateway.clock.now().as_second().to_string();
    let content = format!("{id}.{timestamp}.{body}");
    let made = gateway.keyring.sign_delivery_with_all(content.as_bytes());
    let made = made.or(Err(StoreError::Unavailable("delivery key")))?;
    let signatures: Vec<String> =
        made.iter().map(|bytes| format!("v1a,{}", STANDARD.encode(bytes))).collect();
    Ok(Signed { id, timestamp, signature: signatures.join(" "), body })
}

/// A page of messages and where they stand, for an operator. Nothing of what is in them.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn list(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListDeliveries>,
    after: (i64, Uuid),
    limit: i64,
) -> Result<Done<Vec<Listed>>, FlowError> {
    let partner = allowed.subject().partner;
    let event = Event::OperatorAction;
    let (_, committed) = plain::settle(gateway, &allowed, partner, &Facts::Bare, event).await?;
    let value = deliveries::list(&gateway.store.pool, after, limit).await?;
    Ok(Done { value, committed })
}

/// How deliveries stand, for an operator.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn waiting(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListDeliveries>,
) -> Result<Done<Waiting>, FlowError> {
    let partner = allowed.subject().partner;
    let event = Event::OperatorAction;
    let (_, committed) = plain::settle(gateway, &allowed, partner, &Facts::Bare, event).await?;
    Ok(Done { value: deliveries::waiting(&gateway.store.pool).await?, committed })
}

/// Has a message tried again at once, which was parked or waits for its next attempt.
///
/// # Errors
/// [`FlowError::NotFound`] when it is not there or the policies refuse; [`FlowError::State`] when it was delivered, was
/// not tried yet, or others are before it.
pub async fn retry(
    gateway: &Arc<Gateway>,
    allowed: Allowed<RetryDelivery>,
    id: DeliveryId,
) -> Result<Done<()>, FlowError> {
    let partner = allowed.subject().partner;
    let event = Event::OperatorAction;
    let (_, committed) = plain::settle(gateway, &allowed, partner, &Facts::Bare, event).await?;
    match deliveries::retry(&gateway.store.pool, id).await? {
        None => Err(FlowError::NotFound),
        Some(false) => Err(FlowError::State { allowed: vec!["parked", "retrying"] }),
        Some(true) => Ok(Done { value: (), committed }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_waits_longer_each_time_and_then_parks() {
        let waits = [5_000, 60_000];
        assert_eq!(again(&waits, 0, 0, 0), Settled::Again(5_000));
        assert_eq!(again(&waits, 1, 0, 0), Settled::Again(60_000));
        assert_eq!(again(&waits, 2, 0, 0), Settled::Parked);
        let latest = again(&waits, 0, 1_000, u16::MAX);
        assert_eq!(latest, Settled::Again(7_000), "a fifth longer at most");
    }
}
