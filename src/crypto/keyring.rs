//! All purpose keys of one deployment, opened and checked.
//!
//! For the flows, made once at start-up. Invariant: every purpose has exactly one active key, no
//! two keys share their bytes, and none can be read out. Signing and sealing happen in here or in
//! the sibling modules. Absent: the database rows' storage and the schedule of rotation.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use arc_swap::ArcSwap;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};
use ring::{digest, hmac};
use zeroize::Zeroizing;

use super::{CryptoError, Entropy, wrap};

pub use super::wrap::{KeyPurpose, KeyState, RootKey, WrappedKey, generate};

/// Seals after which a key should be rotated: random 96-bit nonces stay far from colliding.
pub const SEAL_ALARM: u64 = 1 << 30;

/// Seals after which a key refuses (NIST SP 800-38D, random nonces: 2^32).
pub const SEAL_LIMIT: u64 = 1 << 32;

/// Length of ring's PKCS#8 document for a P-256 key; it ends in the uncompressed public point.
const P256_PKCS8_LEN: usize = 138;
const P256_POINT_LEN: usize = 65;

/// The opened keys. Neither printable nor copyable; dropping it wipes the key bytes.
pub struct Keyring {
    pub(super) deployment: Box<str>,
    /// Exchanged whole when keys are rotated ([`Keyring::adopt`]).
    keys: ArcSwap<Vec<Held>>,
    pub(super) idempotency: hmac::Key,
    /// Derived HMAC keys by framed name; bounded by `crypto::pseudonymise`.
    pub(super) derived: Mutex<HashMap<Vec<u8>, Arc<hmac::Key>>>,
}

impl Keyring {
    /// Opens every row that is not destroyed.
    ///
    /// # Errors
    /// Refuses a missing purpose, none or two active versions of one, a version or key bytes that
    /// occur twice, a destroyed row that still has bytes, and rows that are truncated, altered, or
    /// wrapped under another root key or for another deployment.
    pub fn open(
        root: &RootKey,
        deployment: &str,
        rows: impl IntoIterator<Item = WrappedKey>,
    ) -> Result<Self, CryptoError> {
        wrap::check_deployment(deployment)?;
        let mut keys: Vec<Held> = Vec::new();
        let mut versions = HashSet::new();
        let mut fingerprints = HashSet::new();
        for row in rows {
            if !versions.insert((row.purpose, row.version)) {
                return Err(CryptoError::DuplicateVersion(row.purpose));
            }
            if row.state == KeyState::Destroyed {
                if !row.wrapped.is_empty() {
                    return Err(CryptoError::DestroyedKeyHasBytes(row.purpose));
                }
                continue;
            }
            let key = Key::open(root, deployment, &row)?;
            if !fingerprints.insert(key.fingerprint()) {
                return Err(CryptoError::DuplicateMaterial(row.purpose));
            }
            keys.push(Held { state: row.state, key: Arc::new(key) });
        }
        keys.sort_by_key(|held| (held.key.purpose, held.key.version));
        for purpose in KeyPurpose::ALL {
            check_active(&keys, purpose)?;
        }
        let idempotency = find_active(&keys, KeyPurpose::Idempotency)?.mac();
        let (deployment, keys) = (deployment.into(), ArcSwap::from_pointee(keys));
        Ok(Self { deployment, keys, idempotency, derived: Mutex::default() })
    }

    /// Takes over what a ring opened anew holds: new keys, and states that changed. A key that is here already
    /// keeps its counts; one that was destroyed is forgotten. Where they are put away, a new one is too.
    pub fn adopt(&self, fresh: &Self) {
        let (old, away) = (self.keys.load(), self.is_put_away());
        let same = |new: &Key| {
            let own =
                |held: &&Held| (held.key.purpose, held.key.version) == (new.purpose, new.version);
            old.iter().find(own).map(|held| Arc::clone(&held.key))
        };
        let held = |held: &Held| Held {
            state: held.state,
            key: same(&held.key).unwrap_or_else(|| Arc::clone(&held.key)),
        };
        self.keys.store(Arc::new(fresh.keys.load().iter().map(held).collect()));
        if away {
            self.put_away();
        }
    }

    /// The name of the deployment its keys are bound to.
    #[must_use]
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// Purpose, version and state of every key that is not destroyed, in that order: to see whether the
    /// rows have moved.
    #[must_use]
    pub fn states(&self) -> Vec<(KeyPurpose, i32, KeyState)> {
        let state = |held: &Held| (held.key.purpose, held.key.version, held.state);
        self.keys.load().iter().map(state).collect()
    }

    /// Version of the active key of a purpose, to be stored beside what it makes.
    ///
    /// # Errors
    /// [`CryptoError::NoActiveKey`], which an opened keyring never gives.
    pub fn active_version(&self, purpose: KeyPurpose) -> Result<i32, CryptoError> {
        self.active(purpose).map(|key| key.version)
    }

    /// Signs a ledger checkpoint with the active Ed25519 key. Also says which version signed.
    ///
    /// # Errors
    /// [`CryptoError::Signing`] when the key refuses.
    pub fn sign_ledger(&self, message: &[u8]) -> Result<([u8; 64], i32), CryptoError> {
        self.sign_ed25519(KeyPurpose::LedgerSigning, message)
    }

    /// As [`Self::sign_ledger`], with a named version: the next key signs beside the present one when it takes over.
    ///
    /// # Errors
    /// As [`Self::sign_ledger`], and [`CryptoError::UnknownKey`].
    pub fn sign_ledger_as(&self, version: i32, message: &[u8]) -> Result<[u8; 64], CryptoError> {
        let purpose = KeyPurpose::LedgerSigning;
        let key = self.key(purpose, version)?;
        let signature = key.ed25519()?.sign(message);
        signature.as_ref().first_chunk().copied().ok_or(CryptoError::Signing(purpose))
    }

    /// Public halves of all ledger keys that are not destroyed, oldest version first.
    ///
    /// Destroying a ledger key's row also forgets its public half: retire it as verify-only.
    #[must_use]
    pub fn ledger_public_keys(&self) -> Vec<VerifyingKey> {
        self.ed25519_public_keys(KeyPurpose::LedgerSigning)
    }

    /// Signs a delivery to a receiver with each delivery key that is not destroyed, the active one first: a receiver
    /// that knows one of them takes it, while keys are exchanged.
    ///
    /// # Errors
    /// [`CryptoError::Signing`] when a key refuses.
    pub fn sign_delivery_with_all(&self, message: &[u8]) -> Result<Vec<[u8; 64]>, CryptoError> {
        let purpose = KeyPurpose::DeliverySigning;
        let (first, active) = self.sign_ed25519(purpose, message)?;
        let mut all = vec![first];
        for key in self.of(purpose).iter().rev().filter(|key| key.version != active) {
            let signature = key.ed25519()?.sign(message);
            let bytes = signature.as_ref().first_chunk().copied();
            all.push(bytes.ok_or(CryptoError::Signing(purpose))?);
        }
        Ok(all)
    }

    /// Public halves of all delivery keys that are not destroyed, oldest version first.
    #[must_use]
    pub fn delivery_public_keys(&self) -> Vec<VerifyingKey> {
        self.ed25519_public_keys(KeyPurpose::DeliverySigning)
    }

    /// How many seals each sealing key has made since start-up or since the count was resumed.
    #[must_use]
    pub fn seal_counts(&self) -> Vec<SealCount> {
        let sealing =
            |held: &&Held| matches!(held.key.purpose, KeyPurpose::Kek | KeyPurpose::Cursor);
        self.keys.load().iter().filter(sealing).map(|held| held.key.seal_count()).collect()
    }

    /// Adds seals counted before this process started, as the store remembers them.
    ///
    /// # Errors
    /// [`CryptoError::UnknownKey`] when the key is not here.
    pub fn resume_seal_count(
        &self,
        purpose: KeyPurpose,
        version: i32,
        seals: u64,
    ) -> Result<(), CryptoError> {
        self.key(purpose, version)?.seals.fetch_add(seals, Ordering::Relaxed);
        Ok(())
    }

    /// Wipes the key-encryption keys from memory: no case opens any more. What signs, and what tells
    /// callers apart, stays.
    pub fn put_away(&self) {
        for key in self.of(KeyPurpose::Kek) {
            key.put(Zeroizing::new(Vec::new()));
        }
    }

    /// Whether the key-encryption keys are put away.
    #[must_use]
    pub fn is_put_away(&self) -> bool {
        self.of(KeyPurpose::Kek).iter().any(|key| key.material().is_empty())
    }

    /// Takes the key-encryption keys up again from a ring opened anew.
    pub fn take_up(&self, fresh: &Self) {
        for key in self.of(KeyPurpose::Kek).iter().filter(|key| key.material().is_empty()) {
            if let Ok(same) = fresh.key(KeyPurpose::Kek, key.version) {
                key.put(same.material().clone());
            }
        }
    }

    pub(super) fn active(&self, purpose: KeyPurpose) -> Result<Arc<Key>, CryptoError> {
        find_active(&self.keys.load(), purpose)
    }

    pub(super) fn key(&self, purpose: KeyPurpose, version: i32) -> Result<Arc<Key>, CryptoError> {
        let all = self.keys.load();
        let own = |held: &&Held| held.key.purpose == purpose && held.key.version == version;
        let found = all.iter().find(own).map(|held| Arc::clone(&held.key));
        found.ok_or(CryptoError::UnknownKey(purpose))
    }

    /// Every key of a purpose, oldest version first.
    pub(super) fn of(&self, purpose: KeyPurpose) -> Vec<Arc<Key>> {
        let all = self.keys.load();
        let own = all.iter().filter(|held| held.key.purpose == purpose);
        own.map(|held| Arc::clone(&held.key)).collect()
    }

    fn sign_ed25519(
        &self,
        purpose: KeyPurpose,
        message: &[u8],
    ) -> Result<([u8; 64], i32), CryptoError> {
        let key = self.active(purpose)?;
        let signature = key.ed25519()?.sign(message);
        let bytes = signature.as_ref().first_chunk::<64>().ok_or(CryptoError::Signing(purpose))?;
        Ok((*bytes, key.version))
    }

    fn ed25519_public_keys(&self, purpose: KeyPurpose) -> Vec<VerifyingKey> {
        self.of(purpose)
            .iter()
            .filter_map(|key| {
                let bytes = <[u8; 32]>::try_from(key.public.as_slice()).ok()?;
                Some(VerifyingKey { version: key.version, bytes })
            })
            .collect()
    }
}

/// The public half of an Ed25519 key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VerifyingKey {
    /// Version of the key pair.
    pub version: i32,
    /// The 32 bytes of RFC 8032.
    pub bytes: [u8; 32],
}

impl VerifyingKey {
    /// # Errors
    /// [`CryptoError::Signature`] unless `signature` is this key's over exactly `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        UnparsedPublicKey::new(&ED25519, &self.bytes)
            .verify(message, signature)
            .map_err(|ring::error::Unspecified| CryptoError::Signature)
    }
}

/// The number of seals one key has made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SealCount {
    /// What the key is for.
    pub purpose: KeyPurpose,
    /// Its version.
    pub version: i32,
    /// Seals counted.
    pub seals: u64,
    /// Whether [`SEAL_ALARM`] is reached and the key should be rotated.
    pub alarm: bool,
}

/// A key and how it may still be used.
struct Held {
    state: KeyState,
    key: Arc<Key>,
}

/// One opened key.
pub(super) struct Key {
    pub(super) purpose: KeyPurpose,
    pub(super) version: i32,
    /// Empty while a key-encryption key is put away.
    material: RwLock<Zeroizing<Vec<u8>>>,
    /// Ed25519: 32 bytes. P-256: the uncompressed point. Empty for the symmetric purposes.
    pub(super) public: Vec<u8>,
    seals: AtomicU64,
    /// The pair made from `material`, when first signed with: making it costs as much as a signature.
    ed25519: OnceLock<Ed25519KeyPair>,
    p256: OnceLock<EcdsaKeyPair>,
}

impl Key {
    fn open(root: &RootKey, deployment: &str, row: &WrappedKey) -> Result<Self, CryptoError> {
        let material = wrap::unwrap(root, deployment, row)?;
        let public =
            public_half(row.purpose, &material).ok_or(CryptoError::KeyForm(row.purpose))?;
        Ok(Self {
            purpose: row.purpose,
            version: row.version,
            material: RwLock::new(material),
            public,
            seals: AtomicU64::new(0),
            ed25519: OnceLock::new(),
            p256: OnceLock::new(),
        })
    }

    fn ed25519(&self) -> Result<&Ed25519KeyPair, CryptoError> {
        if let Some(pair) = self.ed25519.get() {
            return Ok(pair);
        }
        let pair = Ed25519KeyPair::from_pkcs8(&self.material()).ok();
        let pair = pair.ok_or(CryptoError::Signing(self.purpose))?;
        Ok(self.ed25519.get_or_init(|| pair))
    }

    /// The pair that signs tokens and receipts.
    pub(super) fn p256(&self, entropy: &Entropy) -> Result<&EcdsaKeyPair, CryptoError> {
        if let Some(pair) = self.p256.get() {
            return Ok(pair);
        }
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &self.material(), entropy.source()).ok();
        let pair = pair.ok_or(CryptoError::Signing(self.purpose))?;
        Ok(self.p256.get_or_init(|| pair))
    }

    /// The bytes, for as long as they are looked at.
    pub(super) fn material(&self) -> RwLockReadGuard<'_, Zeroizing<Vec<u8>>> {
        self.material.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The 32 bytes of a symmetric key. None while it is put away.
    pub(super) fn symmetric(&self) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        let bytes = self.material();
        let bytes = bytes.as_slice().try_into().ok();
        bytes.map(Zeroizing::new).ok_or(CryptoError::KeyForm(self.purpose))
    }

    fn put(&self, material: Zeroizing<Vec<u8>>) {
        *self.material.write().unwrap_or_else(PoisonError::into_inner) = material;
    }

    pub(super) fn mac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.material())
    }

    /// Counts one seal before it is made.
    pub(super) fn count_seal(&self) -> Result<(), CryptoError> {
        if self.seals.fetch_add(1, Ordering::Relaxed) >= SEAL_LIMIT {
            return Err(CryptoError::KeyExhausted(self.purpose));
        }
        Ok(())
    }

    fn seal_count(&self) -> SealCount {
        let seals = self.seals.load(Ordering::Relaxed);
        SealCount {
            purpose: self.purpose,
            version: self.version,
            seals,
            alarm: seals >= SEAL_ALARM,
        }
    }

    // A digest, so that the check for doubles holds no second copy of the keys.
    fn fingerprint(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, &self.material()).as_ref().to_vec()
    }
}

fn public_half(purpose: KeyPurpose, material: &[u8]) -> Option<Vec<u8>> {
    match purpose {
        KeyPurpose::LedgerSigning | KeyPurpose::DeliverySigning => {
            let pair = Ed25519KeyPair::from_pkcs8(material).ok()?;
            Some(pair.public_key().as_ref().to_vec())
        }
        KeyPurpose::Tokens => {
            let point = material.last_chunk::<P256_POINT_LEN>()?;
            (material.len() == P256_PKCS8_LEN && point.starts_with(&[4])).then(|| point.to_vec())
        }
        _ => (material.len() == 32).then(Vec::new),
    }
}

fn find_active(keys: &[Held], purpose: KeyPurpose) -> Result<Arc<Key>, CryptoError> {
    let active = |held: &&Held| held.key.purpose == purpose && held.state == KeyState::Active;
    let found = keys.iter().find(active).map(|held| Arc::clone(&held.key));
    found.ok_or(CryptoError::NoActiveKey(purpose))
}

fn check_active(keys: &[Held], purpose: KeyPurpose) -> Result<(), CryptoError> {
    let mut states = keys.iter().filter(|held| held.key.purpose == purpose).map(|held| held.state);
    let Some(first) = states.next() else {
        return Err(CryptoError::MissingKey(purpose));
    };
    let active = std::iter::once(first).chain(states).filter(|s| *s == KeyState::Active).count();
    match active {
        0 => Err(CryptoError::NoActiveKey(purpose)),
        1 => Ok(()),
        _ => Err(CryptoError::SeveralActiveKeys(purpose)),
    }
}

#[cfg(test)]
mod tests;
