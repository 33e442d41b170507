//! Transport security: who may connect, and with which key they did.
//!
//! The API listener asks every caller for a certificate and keeps asking: chain, validity, purpose,
//! revocation and key strength are checked when the connection is made, revocation and expiry again
//! at every request ([`acceptor::Reloadable::still_valid`]), because a connection may outlive the
//! trust in its certificate. What is unknown is refused: no list, an expired list, another issuer.
//!
//! The parameters are the ones NCSC-NL calls good (2025-05): TLS 1.3, two AEAD suites, the hybrid
//! X25519MLKEM768 first. The cryptography provider is passed to every configuration explicitly;
//! two are compiled in, and a process-wide default is set for libraries alone.
//!
//! # Not here
//! Session resumption and early data: a resumed session would skip the certificate check. Which
//! partner a number belongs to, and whether its pin is registered, is for the partner register.

pub mod acceptor;
pub mod client;
pub mod connection;
pub mod peer;
mod provider;
pub mod reload;
pub mod revocation;

pub use provider::Versions;

/// Gives libraries that ask the process for a provider (the database driver, the HTTP client) the same
/// one. Our own configurations are handed theirs and do not look.
pub fn install_default_provider() {
    // A second call, in a test, keeps the first.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}
