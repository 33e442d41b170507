//! A key ring for benches: fresh keys under a fresh root, in no database.

use buurtpoort::crypto::keyring::{KeyPurpose, Keyring, RootKey, generate};
use buurtpoort::crypto::{CryptoError, Entropy};

/// Version 1 of every purpose.
pub(crate) fn keyring(entropy: &Entropy) -> Result<Keyring, CryptoError> {
    let root = RootKey::from_bytes(entropy.array()?)?;
    let rows = KeyPurpose::ALL
        .into_iter()
        .map(|purpose| generate(purpose, 1, &root, entropy, "bench", 1))
        .collect::<Result<Vec<_>, _>>()?;
    Keyring::open(&root, "bench", rows)
}
