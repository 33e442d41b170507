//! `buurtpoort serve`: the gateway itself.

use crate::cli::boot::{self, Booted, Claim, DEMO_STAMP};
use crate::cli::{Failure, watch};
use crate::clock::Clock;
use crate::config::Config;
use crate::http::server::{self, Servers, Sockets};
use crate::telemetry;
use crate::worker::delivery;
use crate::worker::ledger as keeper;
use actix_web::web::Data;
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// One line naming what is wrong, before any port is open.
pub async fn run(path: &Path) -> Result<(), Failure> {
    if path.parent().unwrap_or(Path::new(".")).join(DEMO_STAMP).exists() {
        return Err(Failure::new(
            "this is the directory of a demo; it is never served as a deployment",
        ));
    }
    let config = Config::read(path)?;
    telemetry::init(&config.log.filter);
    let metrics = telemetry::metrics().map_err(Failure::new)?;
    let booted = Arc::new(boot::boot(config, Clock::System, Claim::Alone).await?);
    let listen = booted.config.listen.clone();
    let sockets = Sockets {
        api: TcpListener::bind(listen.api)?,
        portal: TcpListener::bind(listen.portal)?,
        admin: TcpListener::bind(listen.admin)?,
        sign_in: listen.sign_in.map(TcpListener::bind).transpose()?,
    };
    let servers = start(&booted, sockets, &metrics)?;
    tracing::info!(
        database = booted.api.gateway.store.pool.name(),
        port = listen.api.port(),
        "serving"
    );
    until_stopped(&booted, servers).await
}

/// Starts the listeners and the watch.
///
/// # Errors
/// When a listener cannot start.
pub fn start(
    booted: &Arc<Booted>,
    sockets: Sockets,
    metrics: &PrometheusHandle,
) -> Result<Servers, Failure> {
    let api = Data::from(Arc::clone(&booted.api));
    let workers = booted.config.listen.workers;
    let servers = server::start(sockets, api, &booted.portal_tls, metrics, workers)?;
    tokio::spawn(watch::changes(Arc::clone(booted)));
    tokio::spawn(keeper::keep(Arc::clone(booted)));
    tokio::spawn(delivery::keep(Arc::clone(booted)));
    Ok(servers)
}

/// Serves until a signal asks to stop; SIGHUP reloads.
///
/// # Errors
/// When a listener fails.
pub async fn until_stopped(booted: &Booted, servers: Servers) -> Result<(), Failure> {
    let handles = servers.handles();
    let serving = servers.serve();
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let signals = async {
        loop {
            tokio::select! {
                _ = hangup.recv() => {
                    watch::reload_certificates(booted);
                    watch::reload_policies(booted).await;
                }
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        tracing::info!("stopping: no new connections, requests at hand are finished");
        for handle in handles {
            handle.stop(true).await;
        }
    };
    let (served, ()) = tokio::join!(serving, signals);
    served?;
    keeper::close(booted).await;
    booted.api.gateway.store.pool.close().await;
    Ok(())
}
