//! `buurtpoort check` and `buurtpoort healthcheck`.

use crate::audit::checkpoint::Checkpoint;
use crate::cli::boot::{Booted, Claim};
use crate::cli::{Failure, boot, print};
use crate::clock::Clock;
use crate::config::Config;
use crate::portal::provider;
use crate::store::ledger;
use crate::worker::archive::Archive;
use clap::Args;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is checked.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Configuration file.
    #[arg(long)]
    pub config: PathBuf,
    /// Ask each partner's `OpenID` provider as well whether its people could sign in.
    #[arg(long)]
    pub sign_in: bool,
}

/// Opens everything a gateway would open, except ports. Providers of partners are asked only where that is wanted: a
/// gateway that is checked before it starts must not wait for them.
///
/// # Errors
/// One line naming what is wrong: exit code 3 for the file itself, 1 for what it names.
pub async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let config = Config::read(&args.config).map_err(Failure::usage)?;
    let booted = boot::boot(config, Clock::System, Claim::Share).await?;
    let gateway = &booted.api.gateway;
    Archive::at(&booted.config.ledger.checkpoints).try_writing()?;
    let partners = gateway.register.load().partners().count();
    let head = ledger::head(&gateway.store.pool).await?;
    Checkpoint::parse_and_verify(&head.note, &gateway.keyring.ledger_public_keys())?;
    if partners == 0 {
        return Err(Failure::new("register: no partners; see partner apply"));
    }
    if args.sign_in {
        sign_ins(&booted).await?;
    }
    print(&format!(
        "configuration, {} database, certificates, keys, policies and the ledger's signed head are in order; {partners} partners",
        gateway.store.pool.name()
    ))
}

/// Asks each partner's provider what it says of itself.
///
/// # Errors
/// One line a partner whose people could not sign in, and why.
pub async fn sign_ins(booted: &Booted) -> Result<(), Failure> {
    let gateway = &booted.api.gateway;
    let (register, mut wrong) = (gateway.register.load_full(), Vec::new());
    for partner in register.partners() {
        let keys = partner.people.iter().any(|person| !person.pins.is_empty());
        if keys && booted.api.door.sign_in_origin.is_none() {
            wrong.push(format!(
                "sign-in of {}: people have pins, and listen.sign-in is not set",
                partner.name.as_str()
            ));
        }
        let Some(sign_in) = &partner.sign_in else { continue };
        let tried = match booted.api.door.origin {
            Some(_) => provider::try_out(gateway, sign_in).await,
            None => Err("portal.origin is not set: no provider can send anybody back".to_owned()),
        };
        wrong.extend(tried.err().map(|why| format!("sign-in of {}: {why}", partner.name.as_str())));
    }
    wrong.sort();
    if wrong.is_empty() { Ok(()) } else { Err(Failure::new(wrong.join("\n"))) }
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
