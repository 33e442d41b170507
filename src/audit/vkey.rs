//! Public ledger keys as text, in the form of C2SP `signed-note`: `name+hash+base64`.
//!
//! For whoever keeps a key to check the ledger with later. Invariant: one spelling; the hash is that of name
//! and key. Absent: private keys, and other algorithms than Ed25519.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::{ED25519_ALGORITHM, key_id};
use crate::crypto::digest::hex;
use crate::crypto::keyring::VerifyingKey;

/// The text of one key of one log.
#[must_use]
pub fn to_text(log: &str, key: &VerifyingKey) -> String {
    let mut bytes = vec![ED25519_ALGORITHM];
    bytes.extend_from_slice(&key.bytes);
    format!("{log}+{}+{}", hex(&key_id(log, &key.bytes)), STANDARD.encode(bytes))
}

/// Log and key in a text made by [`to_text`]; the version is not in it and becomes 0.
#[must_use]
pub fn parse(text: &str) -> Option<(String, VerifyingKey)> {
    let (log, rest) = text.split_once('+')?;
    let (_, encoded) = rest.split_once('+')?;
    let (algorithm, bytes) = {
        let bytes = STANDARD.decode(encoded).ok()?;
        let (first, rest) = bytes.split_first()?;
        (*first, <[u8; 32]>::try_from(rest).ok()?)
    };
    let key = VerifyingKey { version: 0, bytes };
    let same = algorithm == ED25519_ALGORITHM && to_text(log, &key) == text;
    same.then(|| (log.to_owned(), key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the signed-note specification.
    const PUBLISHED: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_published_key_is_read_and_written() {
        let (log, key) = parse(PUBLISHED).unwrap();
        assert_eq!(log, "PeterNeumann");
        assert_eq!(to_text(&log, &key), PUBLISHED);
    }

    #[test]
    fn other_texts_are_no_keys() {
        assert!(parse(PUBLISHED).is_some());
        for (from, to) in
            [("Peter", "Petra"), ("c74f", "C74F"), ("+AR", "+BR"), ("TW", "TX"), ("+", " ")]
        {
            assert_eq!(parse(&PUBLISHED.replacen(from, to, 1)), None, "{from}");
        }
        assert_eq!(parse(""), None);
    }
}
