//! Keyed names: pseudonyms, tags, hashes of requests, and cursors.
//!
//! For the flows and the HTTP floor. Invariant: every use has its own HMAC key, derived by
//! HKDF-SHA256 from the purpose key and the labels (recipient, purpose, period), so values
//! made for two recipients cannot be joined. Inputs to pseudonyms are random ids, never names or
//! numbers. Absent: normalising of linkage values, which the caller does.

use std::sync::{Arc, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hkdf, hmac};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::keyring::{Key, KeyPurpose, Keyring};
use super::{CryptoError, Entropy, check_label, envelope, frame};
use crate::domain::pseudonym::Pseudonym;

/// Derived keys kept at most; beyond it the cache starts anew.
const MAX_DERIVED: usize = 1024;

impl Keyring {
    /// The pseudonym of a random id, under the active pseudonym key.
    ///
    /// Stable for one recipient, purpose and period; `domain` says what it names (`family`).
    ///
    /// # Errors
    /// [`CryptoError::Label`] for an empty or overlong label; [`CryptoError::Pseudonym`] for a
    /// domain outside `[a-z][a-z0-9-]{0,31}`.
    pub fn pseudonym(
        &self,
        recipient: &str,
        purpose: &str,
        period: &str,
        domain: &str,
        id: Uuid,
    ) -> Result<Pseudonym, CryptoError> {
        let version = self.active_version(KeyPurpose::Pseudonym)?;
        self.pseudonym_at(version, [recipient, purpose, period], domain, id)
    }

    /// As [`Self::pseudonym`], under a named version: to recognise one made before a rotation.
    /// `scope` is recipient, purpose and period.
    ///
    /// # Errors
    /// As [`Self::pseudonym`], and [`CryptoError::UnknownKey`].
    pub fn pseudonym_at(
        &self,
        version: i32,
        scope: [&str; 3],
        domain: &str,
        id: Uuid,
    ) -> Result<Pseudonym, CryptoError> {
        let key = self.key(KeyPurpose::Pseudonym, version)?;
        let mac = self.derived(&key, &scope)?;
        let tag = first_16(&mac, &frame(&[domain.as_bytes(), id.as_bytes()]))?;
        Ok(Pseudonym::from_tag(domain, version, tag)?)
    }

    /// The key of 128-bit linkage tags within a region, active version.
    ///
    /// # Errors
    /// [`CryptoError::Label`].
    pub fn linkage_key(&self, region: &str) -> Result<LinkageKey, CryptoError> {
        let key = self.active(KeyPurpose::Linkage)?;
        Ok(LinkageKey(self.derived(&key, &[region])?))
    }

    /// A record key for statistics, one derived key per scope (contract and reporting year).
    ///
    /// # Errors
    /// [`CryptoError::Label`].
    pub fn statistics_tag(&self, scope: &str, record: &[u8]) -> Result<[u8; 32], CryptoError> {
        let key = self.active(KeyPurpose::Statistics)?;
        Ok(tag_32(&*self.derived(&key, &[scope])?, record))
    }

    /// A keyed hash of a request body, stored instead of the body.
    #[must_use]
    pub fn idempotency_hash(&self, body: &[u8]) -> [u8; 32] {
        tag_32(&self.idempotency, &frame(&[b"body", body]))
    }

    /// Whether `stored` is the hash of `body` under any version kept, in constant time per version.
    #[must_use]
    pub fn idempotency_matches(&self, body: &[u8], stored: &[u8; 32]) -> bool {
        let framed = frame(&[b"body", body]);
        self.of(KeyPurpose::Idempotency)
            .iter()
            .map(|key| tag_32(&key.mac(), &framed).ct_eq(stored))
            .fold(subtle::Choice::from(0), |any, one| any | one)
            .into()
    }

    /// A keyed hash of a token's `jti`, for replay tables and the ledger.
    #[must_use]
    pub fn token_hash(&self, jti: &str) -> [u8; 32] {
        tag_32(&self.idempotency, &frame(&[b"jti", jti.as_bytes()]))
    }

    /// Seals a list cursor as base64url. `context` names who may use it where, for example partner
    /// and route.
    ///
    /// # Errors
    /// [`CryptoError::Label`], [`CryptoError::Entropy`] or [`CryptoError::KeyExhausted`].
    pub fn seal_cursor(
        &self,
        entropy: &Entropy,
        context: &str,
        cursor: &[u8],
    ) -> Result<String, CryptoError> {
        check_label(context)?;
        let key = self.active(KeyPurpose::Cursor)?;
        key.count_seal()?;
        let associated = self.cursor_binding(context, key.version);
        let sealed = envelope::seal(&*key.symmetric()?, entropy, &associated, &[cursor])?;
        let mut bytes = key.version.to_be_bytes().to_vec();
        bytes.extend_from_slice(&sealed);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Opens a cursor made for the same context, under any version kept.
    ///
    /// # Errors
    /// [`CryptoError::Truncated`], [`CryptoError::UnknownKey`], [`CryptoError::UnknownFormat`] or
    /// [`CryptoError::Tampered`]; to the caller they are all the same: not a cursor of yours.
    pub fn open_cursor(&self, context: &str, text: &str) -> Result<Vec<u8>, CryptoError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().ok_or(CryptoError::Truncated)?;
        let (version, sealed) = bytes.split_first_chunk::<4>().ok_or(CryptoError::Truncated)?;
        let key = self.key(KeyPurpose::Cursor, i32::from_be_bytes(*version))?;
        let associated = self.cursor_binding(context, key.version);
        let mut plain = envelope::open(&*key.symmetric()?, &associated, sealed)?;
        Ok(std::mem::take(&mut *plain))
    }

    fn cursor_binding(&self, context: &str, version: i32) -> Vec<u8> {
        let deployment = self.deployment.as_bytes();
        frame(&[b"cursor", deployment, context.as_bytes(), &version.to_be_bytes()])
    }

    fn derived(&self, key: &Key, labels: &[&str]) -> Result<Arc<hmac::Key>, CryptoError> {
        let version = key.version.to_be_bytes();
        let mut parts = vec![key.purpose.as_str().as_bytes(), version.as_slice()];
        for label in labels {
            check_label(label)?;
            parts.push(label.as_bytes());
        }
        let name = frame(&parts);
        let mut cache = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mac) = cache.get(&name) {
            return Ok(Arc::clone(mac));
        }
        let mac = Arc::new(derive(key, &name)?);
        if cache.len() >= MAX_DERIVED {
            cache.clear();
        }
        cache.insert(name, Arc::clone(&mac));
        Ok(mac)
    }
}

fn derive(key: &Key, name: &[u8]) -> Result<hmac::Key, CryptoError> {
    let pseudorandom =
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"buurtpoort/derive/v1").extract(&key.material());
    let info = [name];
    let derived = pseudorandom
        .expand(&info, hmac::HMAC_SHA256)
        .map_err(|ring::error::Unspecified| CryptoError::KeyForm(key.purpose))?;
    Ok(hmac::Key::from(derived))
}

fn tag_32(key: &hmac::Key, message: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    let signed = hmac::sign(key, message);
    for (to, from) in tag.iter_mut().zip(signed.as_ref()) {
        *to = *from;
    }
    tag
}

/// Makes linkage tags of one region: the same value of the same kind has the same tag, and nobody without the key can
/// make one to try a value.
pub struct LinkageKey(Arc<hmac::Key>);

impl LinkageKey {
    /// The tag of a normalised value. The kind, a byte, stands before it: values of two kinds never meet.
    ///
    /// # Errors
    /// [`CryptoError::Truncated`], which an HMAC never gives.
    pub fn tag(&self, kind: u8, value: &[u8]) -> Result<[u8; 16], CryptoError> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&[kind]);
        context.update(value);
        context.sign().as_ref().first_chunk::<16>().copied().ok_or(CryptoError::Truncated)
    }
}

fn first_16(key: &hmac::Key, message: &[u8]) -> Result<[u8; 16], CryptoError> {
    let tag = hmac::sign(key, message);
    tag.as_ref().first_chunk::<16>().copied().ok_or(CryptoError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{keyring, open, rotated, rows, wrapped};
    use crate::domain::pseudonym::PseudonymError;

    const ID: Uuid = Uuid::from_u128(0x0123_4567);

    #[test]
    fn a_pseudonym_is_stable_and_readable() {
        let ring = keyring();
        let first = ring.pseudonym("org-a", "support", "2026", "family", ID).unwrap();
        let again = ring.pseudonym("org-a", "support", "2026", "family", ID).unwrap();
        assert_eq!(first, again);
        assert_eq!((first.domain(), first.key_version()), ("family", 1));
        assert_eq!(Pseudonym::parse(first.as_str()), Ok(first));
    }

    #[test]
    fn a_pseudonym_follows_from_its_key_for_ever() {
        let mut set = rows(1, "test");
        set[1] = wrapped(KeyPurpose::Pseudonym, &[7; 32], "test");
        let made = open(set).pseudonym("org-a", "support", "2026", "family", ID).unwrap();
        assert_eq!(made.as_str(), "bp1.family.1.6PWFS4D8HDBRGNVD7ZC71YE0SYM");
    }

    #[test]
    fn cry_09_pseudonyms_differ_in_every_dimension() {
        let ring = keyring();
        let make = |recipient, purpose, period, domain, id| {
            let made = ring.pseudonym(recipient, purpose, period, domain, id).unwrap();
            made.as_str().rsplit('.').next().unwrap().to_owned()
        };
        let other_id = Uuid::from_u128(2);
        let all = [
            make("org-a", "support", "2026", "family", ID),
            make("org-b", "support", "2026", "family", ID),
            make("org-a", "evaluate", "2026", "family", ID),
            make("org-a", "support", "2027", "family", ID),
            make("org-a", "support", "2026", "child", ID),
            make("org-a", "support", "2026", "family", other_id),
            make("org-as", "upport", "2026", "family", ID),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        let elsewhere = keyring().pseudonym("org-a", "support", "2026", "family", ID).unwrap();
        assert!(!elsewhere.as_str().ends_with(&all[0]));
    }

    #[test]
    fn a_rotated_key_makes_new_names_and_still_knows_the_old() {
        let set = rows(1, "test");
        let before = open(set.clone());
        let after = open(rotated(set, KeyPurpose::Pseudonym));
        let old = before.pseudonym("org-a", "support", "2026", "family", ID).unwrap();
        let new = after.pseudonym("org-a", "support", "2026", "family", ID).unwrap();
        assert_eq!((old.key_version(), new.key_version()), (1, 2));
        let scope = ["org-a", "support", "2026"];
        assert_eq!(after.pseudonym_at(1, scope, "family", ID).unwrap(), old);
        let missing = after.pseudonym_at(3, scope, "family", ID);
        assert_eq!(missing, Err(CryptoError::UnknownKey(KeyPurpose::Pseudonym)));
    }

    #[test]
    fn empty_labels_and_bad_domains_are_refused() {
        let ring = keyring();
        let make = |recipient, domain| ring.pseudonym(recipient, "p", "2026", domain, ID).err();
        assert_eq!(make("", "family"), Some(CryptoError::Label));
        assert_eq!(make("a", "Family"), Some(PseudonymError::Domain.into()));
        assert_eq!(make("a", "family"), None);
    }

    #[test]
    fn the_cache_is_bounded_and_changes_nothing() {
        let ring = keyring();
        let first = ring.pseudonym("org-0", "p", "2026", "family", ID).unwrap();
        for n in 0..=MAX_DERIVED {
            ring.pseudonym(&format!("org-{n}"), "p", "2026", "family", ID).unwrap();
            assert!(ring.derived.lock().unwrap().len() <= MAX_DERIVED);
        }
        assert_eq!(ring.pseudonym("org-0", "p", "2026", "family", ID).unwrap(), first);
    }

    #[test]
    fn tags_differ_per_field_region_scope_and_value() {
        let ring = keyring();
        let link =
            |kind, region, value| ring.linkage_key(region).unwrap().tag(kind, value).unwrap();
        let base = link(0, "r1", b"+31612345678");
        assert_eq!(base, link(0, "r1", b"+31612345678"));
        assert_ne!(base, link(1, "r1", b"+31612345678"));
        assert_ne!(base, link(0, "r2", b"+31612345678"));
        assert_ne!(base, link(0, "r1", b"+31612345679"));
        assert!(ring.linkage_key("").is_err());
        let record = ring.statistics_tag("GM0000/2026", b"r").unwrap();
        assert_ne!(record, ring.statistics_tag("GM0000/2027", b"r").unwrap());
        assert_eq!(record, ring.statistics_tag("GM0000/2026", b"r").unwrap());
    }

    #[test]
    fn request_hashes_outlive_a_rotation_and_are_not_token_hashes() {
        let set = rows(1, "test");
        let before = open(set.clone());
        let after = open(rotated(set, KeyPurpose::Idempotency));
        let stored = before.idempotency_hash(b"body");
        assert_ne!(after.idempotency_hash(b"body"), stored);
        assert!(after.idempotency_matches(b"body", &stored));
        assert!(after.idempotency_matches(b"body", &after.idempotency_hash(b"body")));
        assert!(!after.idempotency_matches(b"bodies", &stored));
        assert!(!keyring().idempotency_matches(b"body", &stored));
        assert_ne!(before.token_hash("body"), stored);
        assert_eq!(before.token_hash("t"), before.token_hash("t"));
    }

    #[test]
    fn pol_25_a_cursor_opens_only_in_its_context() {
        let ring = keyring();
        let text = ring.seal_cursor(&Entropy::system(), "org-a/cases", b"after 17").unwrap();
        assert_eq!(ring.open_cursor("org-a/cases", &text).unwrap(), b"after 17");
        let refused = Err(CryptoError::Tampered);
        assert_eq!(ring.open_cursor("org-b/cases", &text), refused);
        assert_eq!(ring.open_cursor("org-a/reports", &text), refused);
        assert!(keyring().open_cursor("org-a/cases", &text).is_err());
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(bytes).unwrap();
            assert!(ring.open_cursor("org-a/cases", &altered).is_err());
            assert!(ring.open_cursor("org-a/cases", text.get(..at).unwrap()).is_err());
        }
        assert!(ring.seal_cursor(&Entropy::system(), "", b"x").is_err());
    }

    #[test]
    fn a_cursor_outlives_a_rotation() {
        let set = rows(1, "test");
        let text = open(set.clone()).seal_cursor(&Entropy::system(), "c", b"x").unwrap();
        let after = open(rotated(set, KeyPurpose::Cursor));
        assert_eq!(after.open_cursor("c", &text).unwrap(), b"x");
        assert_eq!(after.seal_counts().len(), 3);
    }
}
