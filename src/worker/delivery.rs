//! Delivers what waits in the outbox, over mutual TLS, to the endpoints that partners registered.
//!
//! Each endpoint's certificate must come from the authorities registered for it. Nothing is followed: no redirect, no
//! proxy, no second address; and no address that is not public, unless its partner registered that it may be. The name
//! is resolved once and the connection goes to the address that was looked at.

use crate::cli::boot::Booted;
use crate::config::Config;
use crate::domain::partner::{Endpoint, PartnerStatus};
use crate::flow::Gateway;
use crate::flow::deliver::{self, Attempt, Parcel, Signed};
use crate::ids::PartnerId;
use crate::store::deliveries;
use crate::store::deliveries::Settled;
use crate::tls::client;
use crate::tls::reload::{FileFault, IdentityFiles, authorities, identity_of};
use crate::worker::delivery::address::may_meet;
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

pub mod address;

/// How often the outbox is looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// Partners that are delivered to side by side.
const LANES: usize = 6;
/// Messages that one partner gets in a row before others have their turn, and how long that may take.
const IN_A_ROW: usize = 50;
const TURN: Duration = Duration::from_secs(10);

/// Why an endpoint cannot be delivered to. Words of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Not an https URL with a host, or with more than a path.
    Url,
    /// The name has no address.
    Unresolved,
    /// An address that must not be met.
    Address,
    /// The authorities cannot be read.
    Authorities,
    /// The gateway's own certificate cannot be used.
    Identity,
}

impl Refusal {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url-refused",
            Self::Unresolved => "not-resolved",
            Self::Address => "address-refused",
            Self::Authorities => "authorities-refused",
            Self::Identity => "own-certificate",
        }
    }
}

/// Whether an endpoint can be registered at all.
///
/// # Errors
/// The rule it breaks.
pub fn check(endpoint: &Endpoint) -> Result<(), &'static str> {
    let url = url(endpoint);
    let url = url.or(Err("url must be https, with a host and no user, query or fragment"))?;
    let literal = bare(&url).parse::<IpAddr>();
    if literal.is_ok_and(|address| !may_meet(address, endpoint.allow_private)) {
        return Err("url must not name an address that may not be met");
    }
    authorities(endpoint.authorities.as_bytes())
        .map(drop)
        .or(Err("authorities must be certificates in PEM"))
}

fn url(endpoint: &Endpoint) -> Result<Url, Refusal> {
    let url = Url::parse(&endpoint.url).or(Err(Refusal::Url))?;
    let plain = url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    if url.scheme() == "https" && url.host_str().is_some() && plain && nobody {
        Ok(url)
    } else {
        Err(Refusal::Url)
    }
}

/// The host, without the brackets of IPv6.
fn bare(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// A partner that is being delivered to. Left when dropped, even by a panic.
struct Busy {
    partner: PartnerId,
    all: Arc<Mutex<HashSet<PartnerId>>>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.partner);
    }
}

/// Sends messages. Made once a process.
pub struct Courier {
    identity: IdentityFiles,
    timeout: Duration,
    waits_ms: Vec<i64>,
    clock: crate::clock::Clock,
    /// Partners that are being delivered to by this process.
    busy: Arc<Mutex<HashSet<PartnerId>>>,
}

impl Courier {
    /// The courier of a configuration.
    #[must_use]
    pub fn of(config: &Config, clock: crate::clock::Clock) -> Self {
        let delivery = &config.delivery;
        let identity = IdentityFiles {
            certificate: delivery.certificate.clone().unwrap_or(config.tls.certificate.clone()),
            key: delivery.key.clone().unwrap_or(config.tls.key.clone()),
        };
        let timeout = Duration::from_millis(delivery.timeout_ms);
        let waits_ms = delivery.waits_ms.clone();
        Self { identity, timeout, waits_ms, clock, busy: Arc::default() }
    }

    /// Whether its own certificate can be read.
    ///
    /// # Errors
    /// The rule that the files break.
    pub fn check(&self) -> Result<(), FileFault> {
        identity_of(&self.identity).map(drop)
    }

    /// The same courier, that waits this long for a receiver.
    #[must_use]
    pub fn patient(&self, timeout: Duration) -> Self {
        let (identity, clock) = (self.identity.clone(), self.clock.clone());
        let (waits_ms, busy) = (self.waits_ms.clone(), Arc::clone(&self.busy));
        Self { identity, timeout, waits_ms, clock, busy }
    }

    /// Takes a partner, for as long as what is given lives; nothing where it is taken.
    fn take(&self, partner: PartnerId) -> Option<Busy> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.insert(partner).then(|| Busy { partner, all: Arc::clone(&self.busy) })
    }

    fn is_busy(&self, partner: PartnerId) -> bool {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).contains(&partner)
    }

    /// Sends one message. Gives how it ended and a word for that. What it takes to reach the endpoint is kept in `way` for
    /// the next message of the same turn.
    async fn send(
        &self,
        endpoint: &Endpoint,
        signed: &Signed,
        way: &mut Option<Way>,
    ) -> (Attempt, String) {
        if way.as_ref().is_none_or(|known| known.endpoint != *endpoint) {
            // A name that does not resolve is waited for no longer than a receiver.
            let prepared = tokio::time::timeout(self.timeout, self.prepare(endpoint)).await;
            *way = match prepared.unwrap_or(Err(Refusal::Unresolved)) {
                Ok(prepared) => Some(prepared),
                Err(refusal @ Refusal::Identity) => {
                    return (Attempt::Ours, refusal.as_str().to_owned());
                }
                Err(refusal) => return (Attempt::Failed, refusal.as_str().to_owned()),
            };
        }
        match way {
            Some(way) => way.send(signed).await,
            None => (Attempt::Failed, Refusal::Unresolved.as_str().to_owned()),
        }
    }
}

/// A client that can meet one address only, and where it goes.
struct Way {
    endpoint: Endpoint,
    client: reqwest::Client,
    url: Url,
}

impl Way {
    async fn send(&self, signed: &Signed) -> (Attempt, String) {
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/cloudevents+json; charset=utf-8")
            .header("webhook-id", &signed.id)
            .header("webhook-timestamp", &signed.timestamp)
            .header("webhook-signature", &signed.signature)
            .body(signed.body.clone());
        // What the receiver answers beside its status is never read.
        match request.send().await {
            Ok(answer) => outcome(answer.status()),
            Err(error) if error.is_timeout() => (Attempt::Failed, "timeout".to_owned()),
            Err(error) if error.is_connect() => (Attempt::Failed, "not-connected".to_owned()),
            Err(_) => (Attempt::Failed, "cut-off".to_owned()),
        }
    }
}

impl Courier {
    async fn prepare(&self, endpoint: &Endpoint) -> Result<Way, Refusal> {
        let url = url(endpoint)?;
        let address = resolve(&url, endpoint.allow_private).await?;
        let trusted = authorities(endpoint.authorities.as_bytes());
        let trusted = trusted.or(Err(Refusal::Authorities))?;
        let identity = identity_of(&self.identity).or(Err(Refusal::Identity))?;
        let tls = client::config(trusted, Some(identity), &self.clock);
        let tls = tls.or(Err(Refusal::Identity))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .no_proxy()
            .timeout(self.timeout)
            // A connection for each message: one that the receiver just closed would look like one cut off.
            .pool_max_idle_per_host(0)
            .resolve(&host, address)
            .build();
        Ok(Way { endpoint: endpoint.clone(), client: client.or(Err(Refusal::Identity))?, url })
    }
}

/// The first address of a name, when every one of them may be met: a name that also leads elsewhere is not trusted.
async fn resolve(url: &Url, allow_private: bool) -> Result<SocketAddr, Refusal> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let found: Vec<SocketAddr> = match bare(url).parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => {
            tokio::net::lookup_host((host, port)).await.or(Err(Refusal::Unresolved))?.collect()
        }
    };
    if found.iter().any(|address| !may_meet(address.ip(), allow_private)) {
        return Err(Refusal::Address);
    }
    found.first().copied().ok_or(Refusal::Unresolved)
}

fn outcome(status: StatusCode) -> (Attempt, String) {
    let attempt = match status {
        status if status.is_success() => Attempt::Taken,
        StatusCode::GONE => Attempt::Gone,
        _ => Attempt::Failed,
    };
    (attempt, format!("http-{}", status.as_u16()))
}

/// Delivers, for ever. A lane that is slow does not keep others from being looked at.
pub async fn keep(booted: Arc<Booted>) {
    let (gateway, courier) = (&booted.api.gateway, &booted.courier);
    let (mut ticks, mut running) = (tokio::time::interval(PERIOD), JoinSet::new());
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        while running.try_join_next().is_some() {}
        let free = LANES.saturating_sub(running.len());
        for partner in turns(due(gateway).await, free, |partner| courier.is_busy(partner)) {
            running.spawn(lane(Arc::clone(gateway), Arc::clone(courier), partner));
        }
        match deliveries::waiting(&gateway.store.pool).await {
            Ok(told) => {
                metrics::gauge!("deliveries_waiting").set(number(told.waiting));
                metrics::gauge!("deliveries_parked").set(number(told.parked));
            }
            Err(error) => tracing::warn!(error = %error, "outbox not looked at"),
        }
    }
}

/// Whose turn it is, of those who wait, when so many can be served: one that is being served already does not take the
/// place of another.
fn turns(
    due: Vec<PartnerId>,
    free: usize,
    is_busy: impl Fn(PartnerId) -> bool,
) -> impl Iterator<Item = PartnerId> {
    due.into_iter().filter(move |partner| !is_busy(*partner)).take(free)
}

/// Partners for whom something is due.
async fn due(gateway: &Gateway) -> Vec<PartnerId> {
    let now_ms = gateway.clock.now().as_millisecond();
    let mut due = deliveries::due(&gateway.store.pool, now_ms).await.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "outbox not looked at");
        Vec::new()
    });
    // Who is suspended waits on, and must not take the place of another.
    let register = gateway.register.load();
    let active = |id: &PartnerId| {
        register.partners().any(|one| one.id == *id && one.status == PartnerStatus::Active)
    };
    due.retain(active);
    due
}

fn number(count: i64) -> f64 {
    i32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Delivers what is due now, partners side by side. Gives how many messages were taken.
pub async fn round(gateway: &Arc<Gateway>, courier: &Arc<Courier>) -> usize {
    let (mut running, mut taken) = (JoinSet::new(), 0);
    for partner in due(gateway).await {
        if running.len() >= LANES {
            taken += running.join_next().await.and_then(Result::ok).unwrap_or(0);
        }
        running.spawn(lane(Arc::clone(gateway), Arc::clone(courier), partner));
    }
    while let Some(done) = running.join_next().await {
        taken += done.unwrap_or(0);
    }
    taken
}

/// Delivers to one partner until nothing waits, one was not taken, or others should have their turn.
async fn lane(gateway: Arc<Gateway>, courier: Arc<Courier>, partner: PartnerId) -> usize {
    let Some(_busy) = courier.take(partner) else {
        return 0;
    };
    let (begun, mut taken, mut way) = (Instant::now(), 0, None);
    while taken < IN_A_ROW && begun.elapsed() < TURN {
        match one(&gateway, &courier, partner, &mut way).await {
            Some(Settled::Delivered) => taken += 1,
            _ => break,
        }
    }
    taken
}

async fn one(
    gateway: &Arc<Gateway>,
    courier: &Courier,
    partner: PartnerId,
    way: &mut Option<Way>,
) -> Option<Settled> {
    let parcel: Parcel = match deliver::next(gateway, partner).await {
        Ok(parcel) => parcel?,
        Err(error) => {
            tracing::warn!(error = %error, "message not made");
            return None;
        }
    };
    let (attempt, outcome) = match &parcel.endpoint {
        Some(endpoint) => courier.send(endpoint, &parcel.signed, way).await,
        None => (Attempt::Gone, "not-theirs".to_owned()),
    };
    let settled = deliver::settle(gateway, parcel, attempt, &outcome, &courier.waits_ms).await;
    let word = match &settled {
        Ok(Settled::Delivered) => "delivered",
        Ok(Settled::Again(_) | Settled::Later(_)) => "failed",
        Ok(Settled::Parked) => "parked",
        Err(_) => "not-settled",
    };
    metrics::counter!("deliveries_total", "outcome" => word).increment(1);
    if attempt != Attempt::Taken {
        tracing::warn!(partner = %partner, outcome, "message not taken");
    }
    match settled {
        Ok(settled) => Some(settled),
        Err(error) => {
            tracing::warn!(error = %error, "delivery not kept: it is sent again");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slow receivers of six lanes once kept the seventh waiting for as long as they were slow.
    #[test]
    fn who_is_being_served_takes_nobodys_turn() {
        let all: Vec<PartnerId> = (0..8).map(|_| PartnerId::new()).collect();
        let slow = &all[..6];
        let turn = |free| turns(all.clone(), free, |one| slow.contains(&one)).collect::<Vec<_>>();
        assert_eq!(turn(1), all[6..7]);
        assert_eq!(turn(LANES), all[6..]);
        assert!(turn(0).is_empty());
        let idle: Vec<PartnerId> = turns(all.clone(), LANES, |_| false).collect();
        assert_eq!(idle, all[..LANES], "control");
    }

    #[test]
    fn an_endpoint_is_an_https_url_and_nothing_more() {
        let of = |url: &str| {
            super::url(&Endpoint {
                url: url.to_owned(),
                authorities: String::new(),
                allow_private: false,
            })
        };
        assert!(of("https://ontvangst.example.nl:8443/buurtpoort").is_ok());
        for bad in [
            "http://example.nl/",
            "https://u:p@example.nl/",
            "https://example.nl/?a=b",
            "https://example.nl/#a",
            "ftp://example.nl",
            "example.nl",
            "",
        ] {
            assert_eq!(of(bad), Err(Refusal::Url), "{bad}");
        }
    }
}
