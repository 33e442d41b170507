//! The caller's certificate, handed from the connection to its requests.
//!
//! The one file here that knows actix. A connection without a certificate, or on a listener that
//! asks for none, gets nothing: whoever needs a caller finds none and refuses.

use crate::tls::peer::PeerCertificate;
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
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
    let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() else {
        return;
    };
    let (socket, session) = stream.get_ref();
    if let Ok(held) = socket.as_fd().try_clone_to_owned() {
        extensions.insert(Cut(Arc::new(held.into())));
    }
    if let Some([leaf, ..]) = session.peer_certificates()
        && let Ok(peer) = PeerCertificate::read(leaf)
    {
        extensions.insert(peer);
    }
}
