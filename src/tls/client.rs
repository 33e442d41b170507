//! The TLS side of outbound connections: deliveries to gemeenten, and the demonstration's partners.
//!
//! TLS 1.3 only, with the same suites and groups as the listeners; the other side must come from
//! the authorities named for it, not from the ones the machine trusts. Nothing is resumed.

use crate::clock::Clock;
use crate::tls::acceptor::MaterialFault;
use crate::tls::provider::{Hands, Versions};
use crate::tls::reload::{Identity, OutboundFiles};
use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;

/// Reads the files and makes the configuration.
///
/// # Errors
/// The first rule that the files break.
pub fn open(files: &OutboundFiles, clock: &Clock) -> Result<ClientConfig, MaterialFault> {
    let (authorities, identity) = files.read()?;
    config(authorities, identity, clock)
}

/// A configuration that trusts `authorities` and presents `identity`, where there is one.
///
/// # Errors
/// [`MaterialFault::Authorities`] or [`MaterialFault::Identity`] for what cannot serve as such.
pub fn config(
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
    clock: &Clock,
) -> Result<ClientConfig, MaterialFault> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).or(Err(MaterialFault::Authorities))?;
    }
    let provider = Versions::Tls13.provider();
    let time = Arc::new(Hands(clock.clone()));
    let builder = ClientConfig::builder_with_details(provider, time)
        .with_protocol_versions(Versions::Tls13.supported())
        .or(Err(MaterialFault::Provider))?
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(Identity { chain, key }) => {
            builder.with_client_auth_cert(chain, key).or(Err(MaterialFault::Identity))?
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
