//! What changes while the gateway runs: the register, the revocation list, and on SIGHUP certificates
//! and policies. What is invalid is not taken; the old one stays.

use crate::audit::entry::Outcome;
use crate::cli::boot::{self, Booted, api_files, portal_files};
use crate::cli::policies::proof;
use crate::config::Config;
use crate::flow::{decoy, remind, retention};
use crate::store::{idempotency, keys, partners};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often the register and the revocation list are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// Periods between two rounds of housekeeping: an hour.
const HOUSEKEEPING: u64 = 3_600;
/// How long an idempotency key is remembered, in milliseconds.
const KEPT_MS: i64 = 72 * 3_600 * 1_000;

/// Looks after the register and the revocation list, for ever.
pub async fn changes(booted: Arc<Booted>) {
    let mut seen = modified(&booted);
    let mut ticks = tokio::time::interval(PERIOD);
    let mut count: u64 = 0;
    loop {
        ticks.tick().await;
        if count.is_multiple_of(HOUSEKEEPING) {
            forget_old_keys(&booted).await;
            // Beside the rest: a long look must not keep a revocation or a key from being seen.
            tokio::spawn(erase_what_is_over(Arc::clone(&booted)));
            tokio::spawn(remind(Arc::clone(&booted)));
        }
        count = count.saturating_add(1);
        let now = modified(&booted);
        if now != seen {
            seen = now;
            reload_certificates(&booted);
        }
        refresh_register(&booted).await;
        refresh_keys(&booted).await;
    }
}

/// Takes keys that were added or retired by `buurtpoort key rotate`.
pub async fn refresh_keys(booted: &Booted) {
    let gateway = &booted.api.gateway;
    let known = gateway.keyring.states();
    match keys::states(&gateway.store.pool).await {
        Ok(states) if states == known => {}
        Ok(_) => match boot::keyring(&booted.config, &gateway.store.pool).await {
            Ok(fresh) => {
                gateway.keyring.adopt(&fresh);
                match decoy::make(&gateway.keyring, &gateway.entropy) {
                    Ok(decoy) => gateway.decoy.store(Arc::new(decoy)),
                    Err(error) => tracing::error!(error = %error, "decoy kept as it was"),
                }
                tracing::info!("keys read again");
            }
            Err(failure) => tracing::error!(error = %failure.message, "keys kept as they were"),
        },
        Err(error) => tracing::warn!(error = %error, "keys not looked at"),
    }
}

/// Idempotency keys are kept for 72 hours.
async fn forget_old_keys(booted: &Booted) {
    let gateway = &booted.api.gateway;
    let before = gateway.clock.now().as_millisecond() - KEPT_MS;
    if let Err(error) = idempotency::forget(&gateway.store.pool, before).await {
        tracing::warn!(error = %error, "old idempotency keys kept");
    }
}

/// Cases go when their term is over.
async fn erase_what_is_over(booted: Arc<Booted>) {
    let gateway = &booted.api.gateway;
    match retention::sweep(gateway, false, |_| {}).await {
        Ok(swept) if swept.erased > 0 => {
            tracing::info!(erased = swept.erased, "cases erased whose term is over");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(error = %error, "terms not looked at"),
    }
}

/// Organisations are told of days that come near.
async fn remind(booted: Arc<Booted>) {
    if let Err(error) = remind::sweep(&booted.api.gateway).await {
        tracing::warn!(error = %error, "days that come near not told of");
    }
}

fn modified(booted: &Booted) -> Option<SystemTime> {
    std::fs::metadata(&booted.config.tls.revocations).and_then(|meta| meta.modified()).ok()
}

/// Reads the register again when it has moved.
pub async fn refresh_register(booted: &Booted) {
    let gateway = &booted.api.gateway;
    let known = gateway.register.load().version;
    match partners::version(&gateway.store.pool).await {
        Ok(version) if version == known => {}
        Ok(version) => match partners::load(&gateway.store.pool).await {
            Ok(register) => {
                gateway.register.store(Arc::new(register));
                booted.api.tokens.forget();
                tracing::info!(register = version, "register read again");
            }
            Err(error) => tracing::error!(error = %error, "register kept as it was"),
        },
        Err(error) => tracing::warn!(error = %error, "register not looked at"),
    }
}

/// Takes certificates, authorities and revocation lists anew.
pub fn reload_certificates(booted: &Booted) {
    let now = booted.api.gateway.clock.now();
    let api = booted.api.tls.reload(&api_files(&booted.config), now);
    let portal = booted.portal_tls.reload(&portal_files(&booted.config), now);
    booted.api.tokens.forget();
    match api.and(portal) {
        Ok(()) => tracing::info!("certificates and revocation list taken anew"),
        Err(error) => {
            metrics::counter!("reload_failures_total", "what" => "certificates").increment(1);
            tracing::error!(error = %error, "certificates kept as they were");
        }
    }
}

/// Takes policies anew, if the whole set is valid and proven; which set is in force is on record.
pub async fn reload_policies(booted: &Booted) {
    let outcome = take_policies(booted);
    if let Err(failure) = boot::record_policies(&booted.api.gateway, outcome).await {
        tracing::error!(error = %failure.message, "policies in force not recorded");
    }
}

fn take_policies(booted: &Booted) -> Outcome {
    let Config { policies, ledger, .. } = &booted.config;
    let keyring = &booted.api.gateway.keyring;
    match proof::load_proven(policies.directory.as_deref(), &ledger.origin, keyring) {
        Ok(loaded) => {
            booted.api.gateway.engine.store(Arc::new(loaded.engine));
            booted.api.gateway.consent.store(Arc::new(loaded.consent));
            booted.api.gateway.disclosure.store(Arc::new(loaded.disclosure));
            booted.api.gateway.terms.store(Arc::new(loaded.terms));
            booted.api.gateway.retention.store(Arc::new(loaded.retention));
            booted.api.gateway.targets.store(Arc::new(loaded.targets));
            tracing::info!("policies taken anew");
            Outcome::Allow
        }
        Err(failure) => {
            metrics::counter!("reload_failures_total", "what" => "policies").increment(1);
            tracing::error!(error = %failure.message, "policies kept as they were");
            Outcome::Error
        }
    }
}
