//! The one choice of suites, groups and versions, for listeners and outbound connections alike.
//!
//! # Not here
//! A process-wide default provider: each configuration is given this one.

use crate::clock::Clock;
use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use std::sync::Arc;
use std::time::Duration;

/// The protocol versions that a listener speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Versions {
    /// TLS 1.3 and nothing else.
    #[default]
    Tls13,
    /// TLS 1.2 too, with forward secrecy and AEAD suites only; for a partner that cannot do better.
    Tls12Too,
}

const TLS_13: &[SupportedCipherSuite] =
    &[cipher_suite::TLS13_AES_256_GCM_SHA384, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256];

const TLS_12: &[SupportedCipherSuite] = &[
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

static ONLY_13: [&rustls::SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
static BOTH: [&rustls::SupportedProtocolVersion; 2] =
    [&rustls::version::TLS13, &rustls::version::TLS12];

impl Versions {
    /// The versions in the form that the library takes.
    pub(crate) fn supported(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        match self {
            Self::Tls13 => &ONLY_13,
            Self::Tls12Too => &BOTH,
        }
    }

    /// The provider, limited to the suites and groups allowed.
    pub(crate) fn provider(self) -> Arc<CryptoProvider> {
        let older: &[SupportedCipherSuite] = match self {
            Self::Tls13 => &[],
            Self::Tls12Too => TLS_12,
        };
        Arc::new(CryptoProvider {
            cipher_suites: [TLS_13, older].concat(),
            kx_groups: vec![
                kx_group::X25519MLKEM768,
                kx_group::X25519,
                kx_group::SECP256R1,
                kx_group::SECP384R1,
            ],
            ..aws_lc_rs::default_provider()
        })
    }
}

/// SHA-256 by the provider that also hashes the handshake. `None` would mean that the suite named
/// in the source is not what its name says.
pub(crate) fn sha256(bytes: &[u8]) -> Option<[u8; 32]> {
    let suite = cipher_suite::TLS13_CHACHA20_POLY1305_SHA256.tls13()?;
    let digest = suite.common.hash_provider.hash(bytes);
    digest.as_ref().try_into().ok()
}

/// Our clock, in the shape that the library asks for.
#[derive(Debug)]
pub(crate) struct Hands(pub(crate) Clock);

impl TimeProvider for Hands {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::NamedGroup;

    #[test]
    fn sha256_is_sha256() {
        let abc = sha256(b"abc").unwrap();
        assert_eq!(&abc[..4], &[0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(&abc[28..], &[0xf2, 0x00, 0x15, 0xad]);
    }

    #[test]
    fn the_hybrid_group_comes_first_and_only_two_suites_remain() {
        let provider = Versions::Tls13.provider();
        let groups: Vec<_> = provider.kx_groups.iter().map(|group| group.name()).collect();
        let expected = [
            NamedGroup::X25519MLKEM768,
            NamedGroup::X25519,
            NamedGroup::secp256r1,
            NamedGroup::secp384r1,
        ];
        assert_eq!(groups, expected);
        assert_eq!(provider.cipher_suites.len(), 2);
        assert_eq!(Versions::Tls12Too.provider().cipher_suites.len(), 6);
    }
}
