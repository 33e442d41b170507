//! `buurtpoort check` and `buurtpoort healthcheck`.

use crate::audit::checkpoint::Checkpoint;
use crate::cli::boot::Claim;
use crate::cli::{Failure, boot, print};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::ledger;
use crate::worker::archive::Archive;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Opens everything a gateway would open, except ports.
///
/// # Errors
/// One line naming what is wrong: exit code 3 for the file itself, 1 for what it names.
pub async fn run(path: &Path) -> Result<(), Failure> {
    let config = Config::read(path).map_err(Failure::usage)?;
    let booted = boot::boot(config, Clock::System, Claim::Share).await?;
    let gateway = &booted.api.gateway;
    Archive::at(&booted.config.ledger.checkpoints).try_writing()?;
    let partners = gateway.register.load().partners().count();
    let head = ledger::head(&gateway.store.pool).await?;
    Checkpoint::parse_and_verify(&head.note, &gateway.keyring.ledger_public_keys())?;
    if partners == 0 {
        return Err(Failure::new("register: no partners; see partner apply"));
    }
    print(&format!(
        "configuration, {} database, certificates, keys, policies and the ledger's signed head are in order; {partners} partners",
        gateway.store.pool.name()
    ))
}

/// Asks `/ready` of a running gateway.
///
/// # Errors
/// When it does not answer, or is not ready.
pub async fn health(path: &Path) -> Result<(), Failure> {
    let config = Config::read(path).map_err(Failure::usage)?;
    let mut socket = TcpStream::connect(config.listen.admin).await?;
    socket
        .write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    if answer.starts_with("HTTP/1.1 200") { print("ready") } else { Err(Failure::new("not ready")) }
}
