//! The caller's certificate, handed from the connection to its requests.
//!
//! The one file here that knows actix. A connection without a certificate, or on a listener that
//! asks for none, gets nothing: whoever needs a caller finds none and refuses.

use crate::tls::peer::PeerCertificate;
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use std::any::Any;

/// Puts the [`PeerCertificate`] of a TLS connection into its extensions, once per connection; for
/// `HttpServer::on_connect`. A request finds it with `request.conn_data::<PeerCertificate>()`.
pub fn on_connect(connection: &dyn Any, extensions: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() else {
        return;
    };
    let (_, session) = stream.get_ref();
    if let Some([leaf, ..]) = session.peer_certificates()
        && let Ok(peer) = PeerCertificate::read(leaf)
    {
        extensions.insert(peer);
    }
}
