//! The reference receiver of deliveries: what a gemeente runs, or takes as an example of what to check.
//!
//! A message is taken when a key of the sender signed id, time and the raw body, and the time is within five minutes.
//! It is kept once, however often it comes: a line of a journal, on the disk before it is answered.

use crate::clock::Clock;
use crate::crypto::keyring::VerifyingKey;
use crate::tls::acceptor::Reloadable;
use crate::tls::connection::on_connect;
use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Most bytes of a message.
const MOST: usize = 1024 * 1024;
/// How far the time of a message may be from ours, in seconds.
const LEEWAY: i64 = 300;

/// What a receiver knows.
pub struct Receiver {
    keys: Vec<VerifyingKey>,
    clock: Clock,
    kept: Mutex<Kept>,
}

/// The journal, and the ids in it.
struct Kept {
    journal: File,
    ids: HashSet<Uuid>,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// A header is missing or not of its form, or the body is not the event of that id.
    Form,
    /// The time is too far from ours.
    Time,
    /// No key of the sender signed it.
    Signature,
    /// It could not be kept.
    NotKept,
}

impl Refused {
    const fn status(self) -> StatusCode {
        match self {
            Self::Form => StatusCode::BAD_REQUEST,
            Self::Time | Self::Signature => StatusCode::UNAUTHORIZED,
            Self::NotKept => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Receiver {
    /// Opens the journal, mode 0600, and reads what was kept. A last line that was cut off is taken away: its message was
    /// not answered, and comes again.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(journal: &Path, keys: Vec<VerifyingKey>, clock: Clock) -> io::Result<Self> {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(journal)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let id = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            Uuid::try_parse(line.get("id")?.as_str()?).ok()
        };
        let lines = text.get(..whole).unwrap_or_default().lines();
        let ids: Option<HashSet<Uuid>> = lines.map(id).collect();
        let ids = ids.ok_or_else(|| io::Error::other("a line of the journal is not ours"))?;
        file.set_len(u64::try_from(whole).unwrap_or_default())?;
        file.seek(SeekFrom::End(0))?;
        if let Some(folder) = journal.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self { keys, clock, kept: Mutex::new(Kept { journal: file, ids }) })
    }

    /// Checks a message and keeps it. Gives whether it is new.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn take(&self, headers: &HeaderMap, body: &[u8]) -> Result<bool, Refused> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let id = text("webhook-id").ok_or(Refused::Form)?;
        let timestamp = text("webhook-timestamp").ok_or(Refused::Form)?;
        let signatures = text("webhook-signature").ok_or(Refused::Form)?;
        let at: i64 = timestamp.parse().or(Err(Refused::Form))?;
        if (self.clock.now().as_second() - at).abs() > LEEWAY {
            return Err(Refused::Time);
        }
        let content = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
        if !self.is_signed(&content, signatures) {
            return Err(Refused::Signature);
        }
        let event: Value = serde_json::from_slice(body).or(Err(Refused::Form))?;
        let uuid = Uuid::try_parse(id).or(Err(Refused::Form))?;
        if event.get("id").and_then(Value::as_str) != Some(id) {
            return Err(Refused::Form);
        }
        self.keep(uuid, &event).or(Err(Refused::NotKept))
    }

    fn is_signed(&self, content: &[u8], signatures: &str) -> bool {
        let of = |one: &str| STANDARD.decode(one.strip_prefix("v1a,")?).ok();
        let mut all = signatures.split(' ').filter_map(of);
        all.any(|bytes| self.keys.iter().any(|key| key.verify(content, &bytes).is_ok()))
    }

    fn keep(&self, id: Uuid, event: &Value) -> io::Result<bool> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.ids.contains(&id) {
            return Ok(false);
        }
        let at = self.clock.now().to_string();
        let line = json!({"id": id.to_string(), "receivedAt": at, "event": event});
        let (line, end) = (format!("{line}\n"), kept.journal.stream_position()?);
        let written =
            kept.journal.write_all(line.as_bytes()).and_then(|()| kept.journal.sync_data());
        if let Err(error) = written {
            // Half a line would be glued to the next one; what was not answered comes again.
            kept.journal.set_len(end)?;
            kept.journal.seek(SeekFrom::Start(end))?;
            return Err(error);
        }
        kept.ids.insert(id);
        Ok(true)
    }
}

async fn receive(request: HttpRequest, body: Bytes, receiver: Data<Receiver>) -> HttpResponse {
    let headers = request.headers().clone();
    let taken = web::block(move || receiver.take(&headers, &body)).await;
    match taken {
        Ok(Ok(true)) => HttpResponse::Created().finish(),
        Ok(Ok(false)) => HttpResponse::Ok().finish(),
        Ok(Err(refused)) => {
            tracing::warn!(refused = ?refused, "message not taken");
            HttpResponse::new(refused.status())
        }
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

/// Starts a receiver that takes messages at any path, over mutual TLS.
///
/// # Errors
/// When the TLS configuration is refused or the socket cannot be used.
pub fn serve(socket: TcpListener, receiver: Receiver, tls: &Arc<Reloadable>) -> io::Result<Server> {
    let config = tls.server_config(&receiver.clock).map_err(io::Error::other)?;
    let receiver = Data::new(receiver);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(receiver.clone())
            .app_data(PayloadConfig::new(MOST))
            .default_service(web::post().to(receive))
    })
    .on_connect(on_connect)
    .workers(1)
    .client_request_timeout(Duration::from_secs(5))
    .shutdown_timeout(2)
    .disable_signals()
    .listen_rustls_0_23(socket, config)?;
    Ok(server.run())
}
