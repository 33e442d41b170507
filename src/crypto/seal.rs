//! The vault: one key per case, one sealed blob per field group.
//!
//! For the identity store. Invariant: a blob opens only under its own case key and in its own
//! table, case, field group and row version; its length tells the plaintext's length to 64 bytes.
//! Absent: permission. Whoever calls [`open`] shows a permit to the store first.

use ring::hkdf;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::keyring::{KeyPurpose, Keyring};
use super::{CryptoError, Entropy, envelope, frame};

/// Plaintexts are padded to a multiple of this many bytes.
const BLOCK: usize = 64;

/// ISO/IEC 7816-4 padding: one `0x80`, then zeros.
const PADDING: [u8; BLOCK] = {
    let mut bytes = [0; BLOCK];
    bytes[0] = 0x80;
    bytes
};

/// The key of one case, open. Wiped when dropped.
pub struct CaseKey {
    cipher: Box<Zeroizing<[u8; 32]>>,
    /// Derived from the key itself: the same whichever KEK wraps it.
    id: [u8; 16],
}

impl CaseKey {
    fn from_material(material: &[u8; 32]) -> Result<Self, CryptoError> {
        let pseudorandom =
            hkdf::Salt::new(hkdf::HKDF_SHA256, b"buurtpoort/case-key/v1").extract(material);
        let mut cipher = Box::new(Zeroizing::new([0; 32]));
        let mut id = [0; 16];
        expand(&pseudorandom, b"cipher", cipher.as_mut_slice())?;
        expand(&pseudorandom, b"id", &mut id)?;
        Ok(Self { cipher, id })
    }
}

/// A case key as table `case_key` holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WrappedCaseKey {
    /// Version of the key encryption key that wraps it.
    pub kek_version: i32,
    /// The sealed bytes.
    pub wrapped: Vec<u8>,
}

/// Where a sealed blob lives. All four parts are authenticated.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Table name.
    pub table: &'a str,
    /// The case the blob belongs to.
    pub case: Uuid,
    /// Field group, as in the access matrix.
    pub group: &'a str,
    /// Row version; the reader takes it from the case, so an older row does not open.
    pub version: i32,
}

impl Keyring {
    /// A fresh key for a case, open and wrapped under the active KEK.
    ///
    /// # Errors
    /// [`CryptoError::Entropy`] or [`CryptoError::KeyExhausted`].
    pub fn new_case_key(
        &self,
        entropy: &Entropy,
        case: Uuid,
    ) -> Result<(CaseKey, WrappedCaseKey), CryptoError> {
        let mut material = Box::new(Zeroizing::new([0; 32]));
        entropy.fill(material.as_mut_slice())?;
        let wrapped = self.wrap_case_key(entropy, case, &material)?;
        Ok((CaseKey::from_material(&material)?, wrapped))
    }

    /// Opens the key of `case`, whether the KEK that wrapped it is active or verify-only.
    ///
    /// # Errors
    /// [`CryptoError::UnknownKey`] when that KEK is gone; [`CryptoError::Tampered`],
    /// [`CryptoError::Truncated`], [`CryptoError::UnknownFormat`] when the row is not this case's.
    pub fn open_case_key(
        &self,
        case: Uuid,
        wrapped: &WrappedCaseKey,
    ) -> Result<CaseKey, CryptoError> {
        CaseKey::from_material(&*self.unwrap_case_key(case, wrapped)?)
    }

    /// The same case key under the active KEK, for rotation. Blobs sealed before still open.
    ///
    /// # Errors
    /// As [`Self::open_case_key`] and [`Self::new_case_key`].
    pub fn rewrap_case_key(
        &self,
        entropy: &Entropy,
        case: Uuid,
        wrapped: &WrappedCaseKey,
    ) -> Result<WrappedCaseKey, CryptoError> {
        let material = self.unwrap_case_key(case, wrapped)?;
        self.wrap_case_key(entropy, case, &material)
    }

    fn wrap_case_key(
        &self,
        entropy: &Entropy,
        case: Uuid,
        material: &[u8; 32],
    ) -> Result<WrappedCaseKey, CryptoError> {
        let kek = self.active(KeyPurpose::Kek)?;
        kek.count_seal()?;
        let associated = self.case_key_binding(case, kek.version);
        let wrapped = envelope::seal(&*kek.symmetric()?, entropy, &associated, &[material])?;
        Ok(WrappedCaseKey { kek_version: kek.version, wrapped })
    }

    fn unwrap_case_key(
        &self,
        case: Uuid,
        row: &WrappedCaseKey,
    ) -> Result<Box<Zeroizing<[u8; 32]>>, CryptoError> {
        let kek = self.key(KeyPurpose::Kek, row.kek_version)?;
        let associated = self.case_key_binding(case, kek.version);
        let opened = envelope::open(&*kek.symmetric()?, &associated, &row.wrapped)?;
        let mut material = Box::new(Zeroizing::new([0; 32]));
        if opened.len() != material.len() {
            return Err(CryptoError::Tampered);
        }
        material.copy_from_slice(&opened);
        Ok(material)
    }

    fn case_key_binding(&self, case: Uuid, kek_version: i32) -> Vec<u8> {
        frame(&[
            b"case_key",
            self.deployment.as_bytes(),
            case.as_bytes(),
            KeyPurpose::Kek.as_str().as_bytes(),
            &kek_version.to_be_bytes(),
        ])
    }
}

/// Seals one field group, padded so that its exact length stays hidden.
///
/// # Errors
/// [`CryptoError::Entropy`].
pub fn seal(
    entropy: &Entropy,
    key: &CaseKey,
    place: &Place<'_>,
    plaintext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let padding_len = BLOCK - plaintext.len() % BLOCK;
    let padding = PADDING.get(..padding_len).ok_or(CryptoError::Tampered)?;
    envelope::seal(&key.cipher, entropy, &binding(key, place), &[plaintext, padding])
}

/// Opens one field group.
///
/// # Errors
/// [`CryptoError::Tampered`] when the blob was altered, moved, swapped or rolled back;
/// [`CryptoError::Truncated`] and [`CryptoError::UnknownFormat`] when it is no blob of ours.
pub fn open(
    key: &CaseKey,
    place: &Place<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let mut plain = envelope::open(&key.cipher, &binding(key, place), sealed)?;
    let len = unpadded_len(&plain).ok_or(CryptoError::Tampered)?;
    plain.truncate(len);
    Ok(plain)
}

fn binding(key: &CaseKey, place: &Place<'_>) -> Vec<u8> {
    frame(&[
        b"field_group",
        place.table.as_bytes(),
        place.case.as_bytes(),
        place.group.as_bytes(),
        &place.version.to_be_bytes(),
        &key.id,
    ])
}

fn unpadded_len(padded: &[u8]) -> Option<usize> {
    let len = padded.iter().rposition(|byte| *byte != 0)?;
    let canonical = padded.len().is_multiple_of(BLOCK) && padded.len() - len <= BLOCK;
    (canonical && padded.get(len) == Some(&0x80)).then_some(len)
}

fn expand(from: &hkdf::Prk, label: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
    from.expand(&[label], OutputLen(out.len()))
        .and_then(|okm| okm.fill(out))
        .map_err(|ring::error::Unspecified| CryptoError::KeyForm(KeyPurpose::Kek))
}

/// How many bytes to derive, in the shape ring asks for.
struct OutputLen(usize);

impl hkdf::KeyType for OutputLen {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keyring::WrappedKey;
    use crate::crypto::testing::{keyring, open as open_ring, rotated, rows};

    const CASE: Uuid = Uuid::from_u128(0x1111);
    const OTHER: Uuid = Uuid::from_u128(0x2222);
    const PLACE: Place<'static> =
        Place { table: "identity", case: CASE, group: "names", version: 3 };

    fn case_key() -> CaseKey {
        keyring().new_case_key(&Entropy::system(), CASE).ok().unwrap().0
    }

    #[test]
    fn a_blob_opens_where_it_belongs() {
        let key = case_key();
        for len in [0, 1, 62, 63, 64, 65, 127, 128, 5000] {
            let plain = vec![0x80; len];
            let sealed = seal(&Entropy::system(), &key, &PLACE, &plain).unwrap();
            assert_eq!(open(&key, &PLACE, &sealed).unwrap().as_slice(), plain);
        }
        let zeros = seal(&Entropy::system(), &key, &PLACE, &[0; 70]).unwrap();
        assert_eq!(open(&key, &PLACE, &zeros).unwrap().as_slice(), [0; 70]);
    }

    #[test]
    fn lengths_show_only_the_number_of_blocks() {
        let key = case_key();
        let len =
            |plain: usize| seal(&Entropy::system(), &key, &PLACE, &vec![1; plain]).unwrap().len();
        assert_eq!(len(0), len(63));
        assert_eq!(len(64), len(127));
        assert_eq!(len(64), len(63) + BLOCK);
        assert_eq!(len(0), BLOCK + envelope::OVERHEAD);
    }

    #[test]
    fn cry_01_every_flipped_byte_of_a_blob_is_found() {
        let key = case_key();
        let sealed = seal(&Entropy::system(), &key, &PLACE, b"Test Persoon").unwrap();
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 0x40;
            let error = if at == 0 { CryptoError::UnknownFormat } else { CryptoError::Tampered };
            assert_eq!(open(&key, &PLACE, &altered).err(), Some(error));
        }
        assert!(open(&key, &PLACE, &sealed).is_ok());
    }

    #[test]
    fn cry_02_cry_03_a_moved_or_older_blob_does_not_open() {
        let key = case_key();
        let sealed = seal(&Entropy::system(), &key, &PLACE, b"Test Persoon").unwrap();
        let elsewhere = [
            Place { table: "consent", ..PLACE },
            Place { case: OTHER, ..PLACE },
            Place { group: "address", ..PLACE },
            Place { version: 4, ..PLACE },
            Place { table: "identitynames", group: "", ..PLACE },
        ];
        for place in elsewhere {
            assert_eq!(open(&key, &place, &sealed).err(), Some(CryptoError::Tampered));
        }
        for len in 0..sealed.len() {
            assert!(open(&key, &PLACE, &sealed[..len]).is_err());
        }
        assert_eq!(open(&case_key(), &PLACE, &sealed).err(), Some(CryptoError::Tampered));
        assert!(open(&key, &PLACE, &sealed).is_ok());
    }

    #[test]
    fn a_place_is_bound_to_the_key_whichever_kek_wraps_it() {
        let set = rows(1, "test");
        let before = open_ring(set.clone());
        let (key, old) = before.new_case_key(&Entropy::system(), CASE).ok().unwrap();
        let after = open_ring(rotated(set, KeyPurpose::Kek));
        let new = after.rewrap_case_key(&Entropy::system(), CASE, &old).unwrap();
        let same = after.open_case_key(CASE, &new).ok().unwrap();
        assert_eq!(binding(&same, &PLACE), binding(&key, &PLACE));
        assert_ne!(binding(&case_key(), &PLACE), binding(&key, &PLACE));
    }

    #[test]
    fn padding_must_be_canonical() {
        assert_eq!(unpadded_len(&PADDING), Some(0));
        assert_eq!(unpadded_len(&[0; 64]), None);
        assert_eq!(unpadded_len(&[]), None);
        assert_eq!(unpadded_len(&PADDING[..63]), None);
        assert_eq!(unpadded_len(&[PADDING, [0; 64]].concat()), None);
        assert_eq!(unpadded_len(&[[0; 64], PADDING].concat()), Some(64));
        assert_eq!(unpadded_len(&[[1; 64]].concat()), None);
    }

    #[test]
    fn a_wrapped_case_key_opens_only_for_its_case() {
        let ring = keyring();
        let (key, wrapped) = ring.new_case_key(&Entropy::system(), CASE).ok().unwrap();
        let sealed = seal(&Entropy::system(), &key, &PLACE, b"x").unwrap();
        let opened = ring.open_case_key(CASE, &wrapped).ok().unwrap();
        assert!(open(&opened, &PLACE, &sealed).is_ok());
        assert_eq!(ring.open_case_key(OTHER, &wrapped).err(), Some(CryptoError::Tampered));
        let future = WrappedCaseKey { kek_version: 2, ..wrapped.clone() };
        let unknown = Some(CryptoError::UnknownKey(KeyPurpose::Kek));
        assert_eq!(ring.open_case_key(CASE, &future).err(), unknown);
        for at in 0..wrapped.wrapped.len() {
            let mut altered = wrapped.clone();
            altered.wrapped[at] ^= 1;
            assert!(ring.open_case_key(CASE, &altered).is_err());
        }
    }

    #[test]
    fn cry_06_the_kek_of_another_deployment_does_not_open_it() {
        let (_, wrapped) = keyring().new_case_key(&Entropy::system(), CASE).ok().unwrap();
        assert_eq!(keyring().open_case_key(CASE, &wrapped).err(), Some(CryptoError::Tampered));
        // Even with the very same key bytes: the name of the deployment is bound in.
        let material = [5; 32];
        let named = |deployment: &str| {
            let mut set = rows(1, deployment);
            set[0] = crate::crypto::testing::wrapped(KeyPurpose::Kek, &material, deployment);
            Keyring::open(&crate::crypto::testing::root(1), deployment, set).ok().unwrap()
        };
        let (_, here) = named("test").new_case_key(&Entropy::system(), CASE).ok().unwrap();
        assert!(named("test").open_case_key(CASE, &here).is_ok());
        assert_eq!(
            named("production").open_case_key(CASE, &here).err(),
            Some(CryptoError::Tampered)
        );
    }

    #[test]
    fn cry_07_cry_08_after_rewrapping_the_old_kek_can_go() {
        let set = rows(1, "test");
        let before = open_ring(set.clone());
        let (key, old) = before.new_case_key(&Entropy::system(), CASE).ok().unwrap();
        let sealed = seal(&Entropy::system(), &key, &PLACE, b"x").unwrap();
        let both = rotated(set, KeyPurpose::Kek);
        let during = open_ring(both.clone());
        assert!(during.open_case_key(CASE, &old).is_ok());
        let new = during.rewrap_case_key(&Entropy::system(), CASE, &old).unwrap();
        assert_eq!((old.kek_version, new.kek_version), (1, 2));
        let destroy = |row: WrappedKey| {
            let old_kek = row.purpose == KeyPurpose::Kek && row.version == 1;
            if old_kek { row.destroyed() } else { row }
        };
        let after = open_ring(both.into_iter().map(destroy).collect());
        let unknown = Some(CryptoError::UnknownKey(KeyPurpose::Kek));
        assert_eq!(after.open_case_key(CASE, &old).err(), unknown);
        let opened = after.open_case_key(CASE, &new).ok().unwrap();
        assert_eq!(open(&opened, &PLACE, &sealed).unwrap().as_slice(), b"x");
    }
}
