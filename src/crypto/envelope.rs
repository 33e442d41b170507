//! The one form of sealed bytes: `version ‖ nonce (12) ‖ ciphertext ‖ tag (16)`, AES-256-GCM.
//!
//! For key wrapping, field groups and cursors. Invariant: the version byte is authenticated with
//! the rest, the nonce is fresh for every seal, and plaintext buffers are wiped. Absent: what the
//! associated data means; the callers build it with `frame`.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use zeroize::Zeroizing;

use super::{CryptoError, Entropy, frame};

const VERSION: u8 = 1;
const HEAD_LEN: usize = 1 + NONCE_LEN;
const TAG_LEN: usize = 16;

/// Bytes a seal adds to its plaintext.
pub(super) const OVERHEAD: usize = HEAD_LEN + TAG_LEN;

/// Seals the concatenation of `parts`, so that padding needs no second copy of the plaintext.
pub(super) fn seal(
    key: &[u8; 32],
    entropy: &Entropy,
    associated: &[u8],
    parts: &[&[u8]],
) -> Result<Vec<u8>, CryptoError> {
    let plain_len: usize = parts.iter().map(|part| part.len()).sum();
    // Exact capacity: growing would leave plaintext behind in a freed buffer.
    let mut sealed = Zeroizing::new(Vec::with_capacity(plain_len + OVERHEAD));
    let nonce: [u8; NONCE_LEN] = entropy.array()?;
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    for part in parts {
        sealed.extend_from_slice(part);
    }
    let body = sealed.get_mut(HEAD_LEN..).ok_or(CryptoError::Truncated)?;
    let tag = cipher(key)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(bind(associated)),
            body,
        )
        .map_err(|Unspecified| CryptoError::Tampered)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(std::mem::take(&mut *sealed))
}

/// Opens what [`seal`] made with the same key and associated data.
pub(super) fn open(
    key: &[u8; 32],
    associated: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let (version, rest) = sealed.split_first().ok_or(CryptoError::Truncated)?;
    if *version != VERSION {
        return Err(CryptoError::UnknownFormat);
    }
    if sealed.len() < OVERHEAD {
        return Err(CryptoError::Truncated);
    }
    let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(CryptoError::Truncated)?;
    let mut plain = Zeroizing::new(body.to_vec());
    let plain_len = cipher(key)?
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(bind(associated)),
            plain.as_mut_slice(),
        )
        .map_err(|Unspecified| CryptoError::Tampered)?
        .len();
    plain.truncate(plain_len);
    Ok(plain)
}

fn bind(associated: &[u8]) -> Vec<u8> {
    frame(&[b"buurtpoort/envelope", &[VERSION], associated])
}

// Built per use: ring does not wipe an expanded key, so none is kept.
fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, CryptoError> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(|Unspecified| CryptoError::Tampered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cry_01_every_flipped_byte_is_found() {
        let sealed = seal(&[7; 32], &Entropy::system(), b"here", &[b"some ", b"words"]).unwrap();
        assert_eq!(sealed.len(), 10 + OVERHEAD);
        assert_eq!(open(&[7; 32], b"here", &sealed).unwrap().as_slice(), b"some words");
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut altered = sealed.clone();
                altered[at] ^= 1 << bit;
                assert!(open(&[7; 32], b"here", &altered).is_err());
            }
        }
    }

    #[test]
    fn cry_03_every_truncation_and_other_formats_are_refused() {
        let sealed = seal(&[7; 32], &Entropy::system(), b"here", &[b"words"]).unwrap();
        for len in 0..sealed.len() {
            assert!(open(&[7; 32], b"here", &sealed[..len]).is_err());
        }
        assert_eq!(open(&[7; 32], b"here", &[]).err(), Some(CryptoError::Truncated));
        assert_eq!(open(&[7; 32], b"here", &[1; 28]).err(), Some(CryptoError::Truncated));
        assert_eq!(open(&[7; 32], b"here", &[1; 29]).err(), Some(CryptoError::Tampered));
        let mut longer = sealed.clone();
        longer.push(0);
        assert_eq!(open(&[7; 32], b"here", &longer).err(), Some(CryptoError::Tampered));
        let mut newer = sealed.clone();
        newer[0] = 2;
        assert_eq!(open(&[7; 32], b"here", &newer).err(), Some(CryptoError::UnknownFormat));
        assert!(open(&[7; 32], b"here", &sealed).is_ok());
    }

    #[test]
    fn another_place_or_key_does_not_open_it() {
        let sealed = seal(&[7; 32], &Entropy::system(), b"here", &[b"words"]).unwrap();
        assert_eq!(open(&[7; 32], b"there", &sealed).err(), Some(CryptoError::Tampered));
        assert_eq!(open(&[8; 32], b"here", &sealed).err(), Some(CryptoError::Tampered));
        assert!(open(&[7; 32], b"here", &sealed).is_ok());
    }

    #[test]
    fn cry_04_nonces_do_not_repeat() {
        let entropy = Entropy::system();
        let nonces: std::collections::HashSet<Vec<u8>> = (0..4096)
            .map(|_| seal(&[7; 32], &entropy, b"", &[]).unwrap()[1..HEAD_LEN].to_vec())
            .collect();
        assert_eq!(nonces.len(), 4096);
    }
}
