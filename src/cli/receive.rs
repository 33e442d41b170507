//! `buurtpoort receive`: the reference receiver of deliveries.

use crate::cli::{Failure, print};
use crate::clock::Clock;
use crate::crypto::keyring::VerifyingKey;
use crate::http::receiver::{self, Receiver};
use crate::telemetry;
use crate::tls::Versions;
use crate::tls::acceptor::Reloadable;
use crate::tls::reload::{ClientFiles, ListenerFiles};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// `buurtpoort receive`
#[derive(Args, Clone, Debug)]
pub struct ReceiveArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:9443")]
    pub listen: SocketAddr,
    /// Certificate of the receiver, PEM.
    #[arg(long)]
    pub certificate: PathBuf,
    /// Its key, mode 0600.
    #[arg(long)]
    pub key: PathBuf,
    /// Who issues the gateway's certificate, PEM.
    #[arg(long)]
    pub client_authorities: PathBuf,
    /// Their revocation list, PEM.
    #[arg(long)]
    pub revocations: PathBuf,
    /// A delivery key of the gateway, `whpk_…` as `buurtpoort key list` prints it; two while keys are exchanged.
    #[arg(long, required = true)]
    pub sender_key: Vec<String>,
    /// Directory of the journal, `received.jsonl`.
    #[arg(long)]
    pub store: PathBuf,
}

/// What stands before a public key, as Standard Webhooks has it.
pub const KEY_PREFIX: &str = "whpk_";

/// A public key as it is written.
#[must_use]
pub fn key_text(key: &VerifyingKey) -> String {
    format!("{KEY_PREFIX}{}", STANDARD.encode(key.bytes))
}

/// Reads a public key.
///
/// # Errors
/// One line naming the rule.
pub fn read_key(text: &str) -> Result<VerifyingKey, Failure> {
    let bytes = text.strip_prefix(KEY_PREFIX).and_then(|text| STANDARD.decode(text).ok());
    let bytes: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or_else(|| {
        Failure::usage("--sender-key: must be whpk_ and 32 bytes of base64, as key list prints it")
    })?;
    Ok(VerifyingKey { version: 0, bytes })
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// One line naming what is wrong, before the port is open.
pub async fn run(args: &ReceiveArgs) -> Result<(), Failure> {
    telemetry::init("info");
    let keys = args.sender_key.iter().map(|text| read_key(text)).collect::<Result<_, _>>()?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&args.store)?;
    let receiver = Receiver::open(&args.store.join("received.jsonl"), keys, Clock::System)?;
    let clients = ClientFiles {
        authorities: args.client_authorities.clone(),
        revocations: args.revocations.clone(),
    };
    let files = ListenerFiles {
        certificate: args.certificate.clone(),
        key: args.key.clone(),
        clients: Some(clients),
    };
    let tls = Reloadable::open(&files, Versions::Tls13)?;
    let socket = TcpListener::bind(args.listen)?;
    let address = socket.local_addr()?;
    let server = receiver::serve(socket, receiver, &tls)?;
    print(&format!("receiving on https://{address}"))?;
    let handle = server.handle();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let signals = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        handle.stop(true).await;
    };
    let (ended, ()) = tokio::join!(server, signals);
    Ok(ended?)
}
