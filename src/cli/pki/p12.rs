//! Certificate and key in one PKCS #12 file, for browsers and tools that want that.

use super::{Issued, PkiError};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rustls_pki_types::CertificateDer;

/// The password of every bundle: a demonstration's, known to all.
pub const PASSWORD: &str = "demo";

/// The bundle of `issued` and its authority.
pub(super) fn bundle(
    name: &str,
    issued: &Issued,
    authority: &CertificateDer<'_>,
) -> Result<Vec<u8>, PkiError> {
    let key = PrivateKey::from_der(issued.key().secret_der())?;
    let chain = [Certificate::from_der(issued.certificate())?, Certificate::from_der(authority)?];
    let mut store = KeyStore::new();
    let entry = KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(name.as_bytes(), key, chain));
    store.add_entry(name, entry);
    Ok(store.writer(PASSWORD).write()?)
}
