//! The caller's certificate, handed from the connection to its requests.
//!
//! The one file here that knows actix. A connection without a certificate, or on a listener that
//! asks for none, gets nothing: whoever needs a caller finds none and refuses.

use crate::tls::acceptor::Reloadable;
use crate::tls::peer::PeerCertificate;
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use std::any::Any;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

/// A hand on the socket of a connection, to end it whatever the HTTP library is waiting for.
#[derive(Clone, Debug)]
pub struct Cut(Arc<std::net::TcpStream>);

impl Cut {
    /// Ends the connection after `grace`, in which the last answer still goes out.
    pub fn after(&self, grace: Duration) {
        let socket = Arc::clone(&self.0);
        actix_web::rt::spawn(async move {
            actix_web::rt::time::sleep(grace).await;
            // It may have ended by itself.
            let _ended = socket.shutdown(Shutdown::Both);
        });
    }
}

/// Puts the [`PeerCertificate`] of a TLS connection, and a [`Cut`], into its extensions, once per connection; for
/// `HttpServer::on_connect`. A request finds it with `request.conn_data::<PeerCertificate>()`.
pub fn on_connect(connection: &dyn Any, extensions: &mut Extensions) {
    if let Some([leaf, ..]) = chain_of(connection, extensions)
        && let Ok(peer) = PeerCertificate::read(leaf)
    {
        extensions.insert(peer);
    }
}

/// Puts what a client of an asking listener showed into the extensions of its connection: `Result<PeerCertificate,
/// Unfit>` where it showed a certificate, and nothing where it showed none.
pub fn on_connect_asked(
    connection: &dyn Any,
    extensions: &mut Extensions,
    judge: &Reloadable,
    now: Timestamp,
) {
    if let Some(chain) = chain_of(connection, extensions) {
        extensions.insert(judge.judge(chain, now));
    }
}

/// The certificates that the other side of a TLS connection showed, leaf first; puts a [`Cut`] into the extensions.
fn chain_of<'a>(
    connection: &'a dyn Any,
    extensions: &mut Extensions,
) -> Option<&'a [CertificateDer<'static>]> {
    let stream = connection.downcast_ref::<TlsStream<TcpStream>>()?;
    let (socket, session) = stream.get_ref();
    if let Ok(held) = socket.as_fd().try_clone_to_owned() {
        extensions.insert(Cut(Arc::new(held.into())));
    }
    session.peer_certificates()
}
