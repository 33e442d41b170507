//! The root key and the purpose keys it wraps.
//!
//! For `crypto::keyring`, which re-exports the public names. Invariant: a wrapped key opens only
//! under its own root key, deployment, purpose, version and creation instant. The state is left out
//! of the binding, so that a key can be retired without the root key at hand. Absent: files; the
//! caller reads the root key bytes and checks their permissions.

use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use zeroize::{Zeroize, Zeroizing};

use super::{CryptoError, Entropy, envelope, frame};

/// What a key is for. Each purpose has its own keys; none is used for two things.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum KeyPurpose {
    /// Wraps case keys, AES-256-GCM.
    Kek,
    /// Derives pseudonyms per recipient, purpose and period.
    Pseudonym,
    /// Derives linkage tags per field and region.
    Linkage,
    /// Derives record keys for statistics.
    Statistics,
    /// Tags request bodies and token ids.
    Idempotency,
    /// Seals list cursors, AES-256-GCM.
    Cursor,
    /// Signs ledger checkpoints, Ed25519.
    LedgerSigning,
    /// Signs deliveries to receivers, Ed25519.
    DeliverySigning,
    /// Signs tokens and receipts, ES256.
    Tokens,
}

impl KeyPurpose {
    /// Every purpose; a keyring has exactly one active key of each.
    pub const ALL: [Self; 9] = [
        Self::Kek,
        Self::Pseudonym,
        Self::Linkage,
        Self::Statistics,
        Self::Idempotency,
        Self::Cursor,
        Self::LedgerSigning,
        Self::DeliverySigning,
        Self::Tokens,
    ];

    /// The text stored in the database and bound into every wrapped key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kek => "kek",
            Self::Pseudonym => "pseudonym",
            Self::Linkage => "linkage",
            Self::Statistics => "statistics",
            Self::Idempotency => "idempotency",
            Self::Cursor => "cursor",
            Self::LedgerSigning => "ledger-signing",
            Self::DeliverySigning => "delivery-signing",
            Self::Tokens => "tokens",
        }
    }

    /// The inverse of [`Self::as_str`]; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// How a key may still be used.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum KeyState {
    /// Seals, derives and signs.
    Active,
    /// Opens and verifies what it made before.
    VerifyOnly,
    /// Its bytes are gone.
    Destroyed,
}

impl KeyState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Active, Self::VerifyOnly, Self::Destroyed];

    /// The text stored in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::VerifyOnly => "verify-only",
            Self::Destroyed => "destroyed",
        }
    }

    /// The inverse of [`Self::as_str`]; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A purpose key as the database holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WrappedKey {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// 1 or more, unique within the purpose.
    pub version: i32,
    /// Creation instant, milliseconds since 1970-01-01 UTC; part of the binding.
    pub created_ms: i64,
    /// How it may still be used.
    pub state: KeyState,
    /// Sealed key bytes; empty when destroyed.
    pub wrapped: Vec<u8>,
}

impl WrappedKey {
    /// The same row after destruction: the state says so and the bytes are gone.
    #[must_use]
    pub fn destroyed(mut self) -> Self {
        self.wrapped.zeroize();
        self.state = KeyState::Destroyed;
        self
    }

    /// The same key wrapped under a new root key. Purpose, version, instant and state stay.
    ///
    /// # Errors
    /// As opening under `old`, and [`CryptoError::Entropy`].
    pub fn rewrap(
        &self,
        old: &RootKey,
        new: &RootKey,
        entropy: &Entropy,
        deployment: &str,
    ) -> Result<Self, CryptoError> {
        if self.state == KeyState::Destroyed {
            return Ok(self.clone().destroyed());
        }
        let material = unwrap(old, deployment, self)?;
        let associated = binding(deployment, self.purpose, self.version, self.created_ms);
        let wrapped = envelope::seal(&new.0, entropy, &associated, &[&material])?;
        Ok(Self { wrapped, ..self.clone() })
    }
}

/// The key above all keys: 32 bytes from outside the database and its backups.
pub struct RootKey(Box<Zeroizing<[u8; 32]>>);

impl RootKey {
    /// Takes the bytes and wipes the argument.
    ///
    /// # Errors
    /// [`CryptoError::WeakRoot`] when all bytes are equal, all-zero included.
    pub fn from_bytes(mut bytes: [u8; 32]) -> Result<Self, CryptoError> {
        let kept = Box::new(Zeroizing::new(bytes));
        bytes.zeroize();
        let [first, rest @ ..] = &**kept;
        if rest.iter().all(|byte| byte == first) {
            return Err(CryptoError::WeakRoot);
        }
        Ok(Self(kept))
    }
}

/// Makes a new key and wraps it. Signing purposes hold PKCS#8, the others 32 random bytes.
///
/// # Errors
/// [`CryptoError::KeyVersion`], [`CryptoError::Deployment`] or [`CryptoError::Entropy`].
pub fn generate(
    purpose: KeyPurpose,
    version: i32,
    root: &RootKey,
    entropy: &Entropy,
    deployment: &str,
    now_ms: i64,
) -> Result<WrappedKey, CryptoError> {
    check_deployment(deployment)?;
    if version < 1 {
        return Err(CryptoError::KeyVersion);
    }
    let material = new_material(purpose, entropy)?;
    let associated = binding(deployment, purpose, version, now_ms);
    let wrapped = envelope::seal(&root.0, entropy, &associated, &[&material])?;
    Ok(WrappedKey { purpose, version, created_ms: now_ms, state: KeyState::Active, wrapped })
}

/// Opens one row.
pub(super) fn unwrap(
    root: &RootKey,
    deployment: &str,
    row: &WrappedKey,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let purpose = row.purpose;
    if row.version < 1 {
        return Err(CryptoError::KeyVersion);
    }
    if row.wrapped.len() < envelope::OVERHEAD + 32 {
        return Err(CryptoError::TruncatedKey(purpose));
    }
    let associated = binding(deployment, purpose, row.version, row.created_ms);
    envelope::open(&root.0, &associated, &row.wrapped).map_err(|error| match error {
        CryptoError::UnknownFormat => CryptoError::UnknownFormat,
        _ => CryptoError::Unwrap(purpose),
    })
}

pub(super) fn check_deployment(deployment: &str) -> Result<(), CryptoError> {
    if (1..=255).contains(&deployment.len()) { Ok(()) } else { Err(CryptoError::Deployment) }
}

fn binding(deployment: &str, purpose: KeyPurpose, version: i32, created_ms: i64) -> Vec<u8> {
    frame(&[
        b"purpose_key",
        deployment.as_bytes(),
        purpose.as_str().as_bytes(),
        &version.to_be_bytes(),
        &created_ms.to_be_bytes(),
    ])
}

fn new_material(purpose: KeyPurpose, entropy: &Entropy) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let refused = |ring::error::Unspecified| CryptoError::Entropy;
    let document = match purpose {
        KeyPurpose::LedgerSigning | KeyPurpose::DeliverySigning => {
            Ed25519KeyPair::generate_pkcs8(entropy.source()).map_err(refused)?
        }
        KeyPurpose::Tokens => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, entropy.source())
                .map_err(refused)?
        }
        _ => {
            let mut bytes = Zeroizing::new(vec![0; 32]);
            entropy.fill(&mut bytes)?;
            return Ok(bytes);
        }
    };
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(seed: u8) -> RootKey {
        let mut bytes = [seed; 32];
        bytes[31] ^= 1;
        RootKey::from_bytes(bytes).unwrap()
    }

    #[test]
    fn names_round_trip() {
        for purpose in KeyPurpose::ALL {
            assert_eq!(KeyPurpose::parse(purpose.as_str()), Some(purpose));
        }
        for state in KeyState::ALL {
            assert_eq!(KeyState::parse(state.as_str()), Some(state));
        }
        assert_eq!(KeyPurpose::parse("KEK"), None);
        assert_eq!(KeyState::parse(""), None);
    }

    #[test]
    fn a_constant_root_key_is_refused() {
        for byte in [0, 1, 0x55, 0xff] {
            assert_eq!(RootKey::from_bytes([byte; 32]).err(), Some(CryptoError::WeakRoot));
        }
        for at in [0, 15, 31] {
            let mut bytes = [0; 32];
            bytes[at] = 1;
            assert!(RootKey::from_bytes(bytes).is_ok());
        }
    }

    #[test]
    fn a_wrapped_key_opens_only_as_itself() {
        let entropy = Entropy::system();
        let row = generate(KeyPurpose::Kek, 1, &root(3), &entropy, "test", 42).unwrap();
        assert_eq!(unwrap(&root(3), "test", &row).unwrap().len(), 32);
        let refused = Some(CryptoError::Unwrap(KeyPurpose::Kek));
        assert_eq!(unwrap(&root(4), "test", &row).err(), refused);
        assert_eq!(unwrap(&root(3), "production", &row).err(), refused);
        let moved = [
            WrappedKey { purpose: KeyPurpose::Cursor, ..row.clone() },
            WrappedKey { version: 2, ..row.clone() },
            WrappedKey { created_ms: 43, ..row.clone() },
        ];
        for altered in moved {
            assert_eq!(
                unwrap(&root(3), "test", &altered).err(),
                Some(CryptoError::Unwrap(altered.purpose))
            );
        }
        for at in 1..row.wrapped.len() {
            let mut altered = row.clone();
            altered.wrapped[at] ^= 1;
            assert_eq!(unwrap(&root(3), "test", &altered).err(), refused);
        }
    }

    #[test]
    fn short_and_unknown_rows_are_named() {
        let entropy = Entropy::system();
        let row = generate(KeyPurpose::Kek, 1, &root(3), &entropy, "test", 42).unwrap();
        let mut short = row.clone();
        short.wrapped.pop();
        let truncated = CryptoError::TruncatedKey(KeyPurpose::Kek);
        assert_eq!(unwrap(&root(3), "test", &short).err(), Some(truncated));
        let mut newer = row.clone();
        newer.wrapped[0] = 9;
        assert_eq!(unwrap(&root(3), "test", &newer).err(), Some(CryptoError::UnknownFormat));
        let zero = WrappedKey { version: 0, ..row };
        assert_eq!(unwrap(&root(3), "test", &zero).err(), Some(CryptoError::KeyVersion));
    }

    #[test]
    fn keys_are_generated_only_with_a_version_and_a_deployment() {
        let entropy = Entropy::system();
        let make = |version, deployment: &str| {
            generate(KeyPurpose::Kek, version, &root(3), &entropy, deployment, 0).err()
        };
        assert_eq!(make(0, "test"), Some(CryptoError::KeyVersion));
        assert_eq!(make(1, ""), Some(CryptoError::Deployment));
        assert_eq!(make(1, &"d".repeat(256)), Some(CryptoError::Deployment));
        assert_eq!(make(1, &"d".repeat(255)), None);
    }

    #[test]
    fn rewrapping_moves_a_key_to_the_new_root_only() {
        let entropy = Entropy::system();
        let row = generate(KeyPurpose::Tokens, 4, &root(3), &entropy, "test", 42).unwrap();
        let moved = row.rewrap(&root(3), &root(5), &entropy, "test").unwrap();
        assert_eq!(
            unwrap(&root(5), "test", &moved).unwrap(),
            unwrap(&root(3), "test", &row).unwrap()
        );
        assert!(unwrap(&root(3), "test", &moved).is_err());
        assert!(row.rewrap(&root(4), &root(5), &entropy, "test").is_err());
        let gone = moved.destroyed();
        assert!(gone.wrapped.is_empty());
        assert_eq!(gone.rewrap(&root(5), &root(6), &entropy, "test").unwrap(), gone);
    }
}
