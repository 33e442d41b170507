//! Keys, sealing, pseudonyms and receipts; the only floor but `audit` that knows `ring`.
//!
//! For the store and the flows: they hand in bytes and places and get bytes back.
//! Invariant: key bytes live in boxes that are wiped when dropped and that cannot be printed,
//! copied or serialised; every sealed or derived value is bound to what it is for.
//! Absent: files, databases, clocks and ambient randomness. Entropy is a parameter.

pub mod approval;
pub mod bits;
pub mod digest;
pub mod entropy;
mod envelope;
pub mod keyring;
pub mod pseudonymise;
pub mod receipt;
pub mod seal;
#[cfg(test)]
pub(crate) mod testing;
mod wrap;

pub use entropy::Entropy;

use keyring::KeyPurpose;

/// Why a cryptographic step was refused. Names the rule and the key, never a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CryptoError {
    /// The operating system gave no randomness.
    #[error("no randomness available from the operating system")]
    Entropy,
    /// All bytes of the root key are equal.
    #[error("the root key is a constant")]
    WeakRoot,
    /// The name of the deployment is empty or longer than 255 bytes.
    #[error("a deployment name has 1 to 255 bytes")]
    Deployment,
    /// A purpose has no usable key.
    #[error("no key for purpose {}", .0.as_str())]
    MissingKey(KeyPurpose),
    /// A purpose has keys, but none is active.
    #[error("no active key for purpose {}", .0.as_str())]
    NoActiveKey(KeyPurpose),
    /// A purpose has more than one active key.
    #[error("more than one active key for purpose {}", .0.as_str())]
    SeveralActiveKeys(KeyPurpose),
    /// Two rows carry the same purpose and version.
    #[error("the same key version occurs twice for purpose {}", .0.as_str())]
    DuplicateVersion(KeyPurpose),
    /// Two rows carry the same key material.
    #[error("key material is used twice, found at purpose {}", .0.as_str())]
    DuplicateMaterial(KeyPurpose),
    /// A key version below 1.
    #[error("key versions start at 1")]
    KeyVersion,
    /// A destroyed key still has wrapped bytes.
    #[error("a destroyed key of purpose {} still has bytes", .0.as_str())]
    DestroyedKeyHasBytes(KeyPurpose),
    /// A wrapped key is too short to be one.
    #[error("a wrapped key of purpose {} is truncated", .0.as_str())]
    TruncatedKey(KeyPurpose),
    /// A wrapped key does not open: other root key, other deployment, or an altered row.
    #[error("a wrapped key of purpose {} does not open under this root key", .0.as_str())]
    Unwrap(KeyPurpose),
    /// An opened key has the wrong length or form for its purpose.
    #[error("a key of purpose {} has the wrong form", .0.as_str())]
    KeyForm(KeyPurpose),
    /// The key version asked for is not in the keyring or is destroyed.
    #[error("this key version of purpose {} is not available", .0.as_str())]
    UnknownKey(KeyPurpose),
    /// The key has made as many seals as random nonces allow.
    #[error("the key of purpose {} has made its last seal", .0.as_str())]
    KeyExhausted(KeyPurpose),
    /// The first byte names a format this version does not know.
    #[error("unknown format of sealed bytes")]
    UnknownFormat,
    /// Sealed bytes shorter than any seal.
    #[error("sealed bytes are truncated")]
    Truncated,
    /// Sealed bytes do not open: altered, moved to another place, or under another key.
    #[error("sealed bytes do not open in this place")]
    Tampered,
    /// A recipient, purpose, period, field, region or context is empty or over 255 bytes.
    #[error("a label has 1 to 255 bytes")]
    Label,
    /// A pseudonym could not be written.
    #[error(transparent)]
    Pseudonym(#[from] crate::domain::pseudonym::PseudonymError),
    /// A signing key refused to sign.
    #[error("signing failed for purpose {}", .0.as_str())]
    Signing(KeyPurpose),
    /// A signature does not belong to the message and key.
    #[error("the signature does not verify")]
    Signature,
    /// A token or key set is not in the strict form we accept.
    #[error("not a compact ES256 token with a readable key set")]
    TokenForm,
    /// A token names another algorithm, a critical extension, or members we do not know.
    #[error("the token header is not one of ours")]
    TokenHeader,
    /// A token has another `typ` than the caller asked for.
    #[error("the token is of another type")]
    TokenType,
    /// A token names a key that is not in the key set.
    #[error("the token names an unknown key")]
    TokenKey,
}

/// Joins parts so that no two different lists give the same bytes: each part is preceded by its
/// length as eight big-endian bytes.
pub(crate) fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let mut framed = Vec::new();
    for part in parts {
        let length_bytes = u64::try_from(part.len()).unwrap_or(u64::MAX);
        framed.extend_from_slice(&length_bytes.to_be_bytes());
        framed.extend_from_slice(part);
    }
    framed
}

/// Accepts a label of 1 to 255 bytes.
fn check_label(label: &str) -> Result<(), CryptoError> {
    if (1..=255).contains(&label.len()) { Ok(()) } else { Err(CryptoError::Label) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compiles only while `$secret` lacks the trait: with it, the inferred type is ambiguous.
    macro_rules! lacks {
        ($($secret:ty: $forbidden:path),+ $(,)?) => { $(
            const _: fn() = || {
                trait Ambiguous<A> {
                    fn here() {}
                }
                struct Present;
                impl<T: ?Sized> Ambiguous<()> for T {}
                impl<T: ?Sized + $forbidden> Ambiguous<Present> for T {}
                let _ = <$secret as Ambiguous<_>>::here;
            };
        )+ };
    }

    lacks! {
        keyring::RootKey: std::fmt::Debug,
        keyring::RootKey: Clone,
        keyring::Keyring: std::fmt::Debug,
        keyring::Keyring: Clone,
        seal::CaseKey: std::fmt::Debug,
        seal::CaseKey: Clone,
    }

    #[test]
    fn keys_can_be_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<keyring::Keyring>();
        shared::<seal::CaseKey>();
        shared::<Entropy>();
    }

    #[test]
    fn framing_keeps_borders() {
        assert_ne!(frame(&[b"ab", b"c"]), frame(&[b"a", b"bc"]));
        assert_ne!(frame(&[b"ab"]), frame(&[b"ab", b""]));
        assert_eq!(frame(&[b"a"]), [0, 0, 0, 0, 0, 0, 0, 1, b'a']);
    }

    #[test]
    fn labels_have_a_length() {
        assert_eq!(check_label(""), Err(CryptoError::Label));
        assert_eq!(check_label(&"a".repeat(256)), Err(CryptoError::Label));
        assert_eq!(check_label("a"), Ok(()));
        assert_eq!(check_label(&"a".repeat(255)), Ok(()));
    }
}
