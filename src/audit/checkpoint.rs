//! Signed tree heads in the form of C2SP `tlog-checkpoint` and `signed-note`.
//!
//! For the store, which signs one per commit group, and for everyone who keeps one. Invariant: a
//! checkpoint is exactly three lines (origin, size, root), signed by a key named after the origin.
//! Absent: extension lines, and the files that hold checkpoints outside the database.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest;

use crate::crypto::CryptoError;
use crate::crypto::keyring::{KeyPurpose, Keyring, VerifyingKey};

/// Algorithm byte of Ed25519 in a note's key id.
pub(super) const ED25519_ALGORITHM: u8 = 1;

/// Longest note accepted, in bytes.
const MAX_NOTE_LEN: usize = 16_384;

/// What a checkpoint states: at this size, the log has this root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// Name of the log; also the name of its signing keys.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: [u8; 32],
}

impl Checkpoint {
    /// The signed note, ending in a line feed.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`] for an origin that cannot name a key; [`CheckpointError::Key`]
    /// when the ledger key refuses to sign.
    pub fn sign(&self, keyring: &Keyring) -> Result<String, CheckpointError> {
        let active = keyring.active_version(KeyPurpose::LedgerSigning)?;
        self.sign_by(keyring, &[active])
    }

    /// As [`Self::sign`], by named versions of the ledger key, a line each: the first is the one that goes on.
    ///
    /// # Errors
    /// As [`Self::sign`], and [`CheckpointError::UnknownKey`].
    pub fn sign_by(&self, keyring: &Keyring, versions: &[i32]) -> Result<String, CheckpointError> {
        check_origin(&self.origin)?;
        let body = self.body();
        let keys = keyring.ledger_public_keys();
        let mut note = format!("{body}\n");
        for version in versions {
            let key = keys.iter().find(|key| key.version == *version);
            let key = key.ok_or(CheckpointError::UnknownKey)?;
            let mut signed = key_id(&self.origin, &key.bytes).to_vec();
            signed.extend_from_slice(&keyring.sign_ledger_as(*version, body.as_bytes())?);
            note.extend(["— ", &self.origin, " ", &STANDARD.encode(signed), "\n"]);
        }
        Ok(note)
    }

    /// Reads a signed note and checks it. The caller compares the origin with the log it expects.
    ///
    /// Signature lines of others (witnesses) are passed over; every line that names one of `keys`
    /// must verify, and there must be at least one.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn parse_and_verify(text: &str, keys: &[VerifyingKey]) -> Result<Self, CheckpointError> {
        Ok(Self::parse_and_verify_by(text, keys)?.0)
    }

    /// As [`Self::parse_and_verify`]; says too which of the keys signed.
    ///
    /// # Errors
    /// As there.
    pub fn parse_and_verify_by(
        text: &str,
        keys: &[VerifyingKey],
    ) -> Result<(Self, Vec<VerifyingKey>), CheckpointError> {
        if text.len() > MAX_NOTE_LEN {
            return Err(CheckpointError::Form);
        }
        let (body_end, signatures) = text.split_once("\n\n").ok_or(CheckpointError::Form)?;
        let checkpoint = Self::parse_body(body_end)?;
        let by = verify_note(&checkpoint.body(), signatures, &checkpoint.origin, keys)?;
        Ok((checkpoint, by))
    }

    fn parse_body(body: &str) -> Result<Self, CheckpointError> {
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Form);
        };
        check_origin(origin)?;
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().ok().ok_or(CheckpointError::Form)?,
            root: STANDARD
                .decode(root)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or(CheckpointError::Form)?,
        };
        // One spelling only: no leading zeros, no sign.
        if checkpoint.body().strip_suffix('\n') == Some(body) {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Form)
        }
    }

    fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }
}

/// Why a checkpoint is refused. Names the rule, never the value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a note of three lines with signatures.
    #[error("not a checkpoint of three lines with signatures")]
    Form,
    /// An origin is empty or holds white space, control characters or a plus sign.
    #[error("an origin has no spaces, control characters or plus signs and is not empty")]
    Origin,
    /// No signature by a key we know.
    #[error("no signature by a known key")]
    UnknownKey,
    /// A signature by a key we know does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The ledger key could not sign.
    #[error(transparent)]
    Key(#[from] CryptoError),
}

/// A note on one line, for an HTTP header: base64url of its text.
#[must_use]
pub fn to_header(note: &str) -> String {
    URL_SAFE_NO_PAD.encode(note)
}

/// The note in a header made by [`to_header`]; not yet verified.
///
/// # Errors
/// [`CheckpointError::Form`].
pub fn from_header(header: &str) -> Result<String, CheckpointError> {
    let bytes = URL_SAFE_NO_PAD.decode(header).ok().ok_or(CheckpointError::Form)?;
    String::from_utf8(bytes).ok().ok_or(CheckpointError::Form)
}

fn verify_note(
    body: &str,
    signatures: &str,
    name: &str,
    keys: &[VerifyingKey],
) -> Result<Vec<VerifyingKey>, CheckpointError> {
    let lines = signatures.strip_suffix('\n').ok_or(CheckpointError::Form)?;
    let mut verified = Vec::new();
    for line in lines.split('\n') {
        let (signer, blob) = line
            .strip_prefix("— ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or(CheckpointError::Form)?;
        let blob = STANDARD.decode(blob).ok().ok_or(CheckpointError::Form)?;
        let (id, signature) = blob.split_first_chunk::<4>().ok_or(CheckpointError::Form)?;
        for key in keys.iter().filter(|key| signer == name && key_id(name, &key.bytes) == *id) {
            key.verify(body.as_bytes(), signature)
                .map_err(|_refused| CheckpointError::Signature)?;
            verified.push(*key);
        }
    }
    if verified.is_empty() { Err(CheckpointError::UnknownKey) } else { Ok(verified) }
}

/// Whether a note goes on under this process's ledger key: its first signature is by it. By a newer one, the key was
/// rotated and this process has not seen it yet. An unsigned note goes on under any.
#[must_use]
pub fn goes_on_under(note: &str, key: &VerifyingKey) -> bool {
    let first = note.split_once("\n\n").and_then(|(_, lines)| lines.lines().next());
    let Some((name, blob)) =
        first.and_then(|line| line.strip_prefix("— ")).and_then(|rest| rest.split_once(' '))
    else {
        return true;
    };
    let blob = STANDARD.decode(blob).unwrap_or_default();
    blob.starts_with(&key_id(name, &key.bytes))
}

/// First four bytes of SHA-256(name ‖ line feed ‖ algorithm ‖ public key).
pub(super) fn key_id(name: &str, public_key: &[u8; 32]) -> [u8; 4] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(name.as_bytes());
    context.update(&[b'\n', ED25519_ALGORITHM]);
    context.update(public_key);
    context.finish().as_ref().first_chunk::<4>().copied().unwrap_or_default()
}

fn check_origin(origin: &str) -> Result<(), CheckpointError> {
    let refused = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if origin.is_empty() || origin.len() > 255 || origin.contains(refused) {
        return Err(CheckpointError::Origin);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{keyring, open, rotated, rows};

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "gateway.example/audit/1".into(), size: 42, root: [7; 32] }
    }

    #[test]
    fn a_checkpoint_has_the_published_form() {
        let note = checkpoint().sign(&keyring()).unwrap();
        let start = "gateway.example/audit/1\n42\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\n\
                     — gateway.example/audit/1 ";
        assert!(note.starts_with(start));
        assert!(note.ends_with('\n'));
        assert_eq!(note.lines().count(), 5);
    }

    #[test]
    fn it_verifies_with_the_ledger_keys() {
        let ring = keyring();
        let note = checkpoint().sign(&ring).unwrap();
        let keys = ring.ledger_public_keys();
        assert_eq!(Checkpoint::parse_and_verify(&note, &keys), Ok(checkpoint()));
        let header = to_header(&note);
        assert!(header.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(from_header(&header), Ok(note));
        assert_eq!(from_header("a b"), Err(CheckpointError::Form));
        assert_eq!(from_header("_w"), Err(CheckpointError::Form));
    }

    #[test]
    fn aud_11_unknown_and_rotated_keys() {
        let set = rows(1, "test");
        let (old, new) = (open(set.clone()), open(rotated(set, KeyPurpose::LedgerSigning)));
        let (before, after) = (checkpoint().sign(&old).unwrap(), checkpoint().sign(&new).unwrap());
        let verify = |note: &str, ring: &Keyring| {
            Checkpoint::parse_and_verify(note, &ring.ledger_public_keys()).err()
        };
        assert_eq!(verify(&before, &new), None);
        assert_eq!(verify(&after, &new), None);
        assert_eq!(verify(&after, &old), Some(CheckpointError::UnknownKey));
        assert_eq!(verify(&before, &keyring()), Some(CheckpointError::UnknownKey));
    }

    #[test]
    fn every_changed_byte_is_found() {
        let ring = keyring();
        let (note, keys) = (checkpoint().sign(&ring).unwrap(), ring.ledger_public_keys());
        for at in 0..note.len() {
            for flip in [1, 2, 0x20] {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= flip;
                if let Ok(altered) = String::from_utf8(bytes) {
                    assert!(Checkpoint::parse_and_verify(&altered, &keys).is_err());
                }
            }
        }
        assert!(Checkpoint::parse_and_verify(&note, &keys).is_ok());
    }

    #[test]
    fn a_known_key_with_a_wrong_signature_is_not_passed_over() {
        let ring = keyring();
        let (note, keys) = (checkpoint().sign(&ring).unwrap(), ring.ledger_public_keys());
        let larger = note.replace("\n42\n", "\n43\n");
        let error = Checkpoint::parse_and_verify(&larger, &keys).err();
        assert_eq!(error, Some(CheckpointError::Signature));
    }

    #[test]
    fn witnesses_may_add_their_lines() {
        let ring = keyring();
        let (note, keys) = (checkpoint().sign(&ring).unwrap(), ring.ledger_public_keys());
        let witnessed = format!("{note}— witness.example {}\n", STANDARD.encode([9; 76]));
        assert_eq!(Checkpoint::parse_and_verify(&witnessed, &keys), Ok(checkpoint()));
        let broken = format!("{note}- witness.example AAAA\n");
        assert!(Checkpoint::parse_and_verify(&broken, &keys).is_err());
    }

    #[test]
    fn other_spellings_are_refused_even_when_signed() {
        let ring = keyring();
        let keys = ring.ledger_public_keys();
        let signed = |body: &str| {
            let (signature, _) = ring.sign_ledger(body.as_bytes()).unwrap();
            let mut blob = key_id("log", &keys[0].bytes).to_vec();
            blob.extend_from_slice(&signature);
            let note = format!("{body}\n— log {}\n", STANDARD.encode(blob));
            Checkpoint::parse_and_verify(&note, &keys).err()
        };
        let root = STANDARD.encode([7; 32]);
        let form = Some(CheckpointError::Form);
        assert_eq!(signed(&format!("log\n42\n{root}\n")), None);
        assert_eq!(signed(&format!("log\n042\n{root}\n")), form);
        assert_eq!(signed(&format!("log\n+42\n{root}\n")), form);
        assert_eq!(signed(&format!("log\n42\n{root}\nextension\n")), form);
        assert_eq!(signed("log\n42\n"), form);
        assert_eq!(signed(&format!("log\n42\n{}\n", STANDARD.encode([7; 31]))), form);
        assert_eq!(signed(&format!("\n42\n{root}\n")), Some(CheckpointError::Origin));
        for origin in ["", "a b", "a+b", "a\nb"] {
            let bad = Checkpoint { origin: origin.into(), ..checkpoint() };
            assert_eq!(bad.sign(&ring).err(), Some(CheckpointError::Origin));
        }
    }

    /// The example of the signed-note reference implementation.
    #[test]
    fn the_published_signed_note_verifies() {
        let key = STANDARD.decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let bytes: [u8; 32] = key[1..].try_into().unwrap();
        assert_eq!(key_id("PeterNeumann", &bytes), [0xc7, 0x4f, 0x20, 0xa3]);
        let body = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let signature = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2\
                         pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let keys = [VerifyingKey { version: 1, bytes }];
        assert_eq!(verify_note(body, signature, "PeterNeumann", &keys), Ok(keys.to_vec()));
        let altered = verify_note(&body.replace("the", "an"), signature, "PeterNeumann", &keys);
        assert_eq!(altered, Err(CheckpointError::Signature));
    }
}
