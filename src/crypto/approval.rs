//! Signatures of people who approve of what is published: Ed25519, a key each, kept by the person.
//!
//! Absent: where keys are kept. The file is made once, mode 0600, and its public half goes into
//! `policies/disclosure.toml`.

use crate::crypto::{CryptoError, Entropy};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

/// The key of one approver. Cannot be printed or copied.
pub struct ApprovalKey(Ed25519KeyPair);

impl ApprovalKey {
    /// Makes a key; the first is what is kept of it, PKCS#8.
    ///
    /// # Errors
    /// [`CryptoError::Entropy`].
    pub fn fresh(entropy: &Entropy) -> Result<(Zeroizing<Vec<u8>>, Self), CryptoError> {
        let made = Ed25519KeyPair::generate_pkcs8(entropy.source());
        let bytes = Zeroizing::new(made.or(Err(CryptoError::Entropy))?.as_ref().to_vec());
        let key = Self::read(&bytes).ok_or(CryptoError::Entropy)?;
        Ok((bytes, key))
    }

    /// Reads a key that was kept; nothing where it is none.
    #[must_use]
    pub fn read(pkcs8: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8(pkcs8).ok().map(Self)
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap_or_default()
    }

    /// Signs a statement.
    #[must_use]
    pub fn sign(&self, statement: &[u8]) -> Vec<u8> {
        self.0.sign(statement).as_ref().to_vec()
    }
}

/// Whether the holder of a key signed a statement.
#[must_use]
pub fn is_signed(public: &[u8; 32], statement: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(statement, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_key_and_one_statement() {
        let (bytes, key) = ApprovalKey::fresh(&Entropy::system()).unwrap();
        let signature = ApprovalKey::read(&bytes).unwrap().sign(b"one");
        assert!(is_signed(&key.public(), b"one", &signature));
        assert!(!is_signed(&key.public(), b"another", &signature));
        let (_, other) = ApprovalKey::fresh(&Entropy::system()).unwrap();
        assert!(!is_signed(&other.public(), b"one", &signature));
        assert!(ApprovalKey::read(b"no key").is_none());
    }
}
