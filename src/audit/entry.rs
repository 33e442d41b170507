//! One entry of the ledger and its exact bytes.
//!
//! For the flows, which fill an [`Entry`], and for the store, which gives it a [`Position`].
//! Invariant: every text is a [`Code`] of a closed alphabet, everything else is a number, a hash or
//! a random reference; equal entries have equal bytes and only those bytes decode.
//! Absent: free text, names, values of fields, and `Serialize`.

use ring::hmac;
use uuid::Uuid;

use super::tree;
use crate::crypto::digest::hex;

mod event;
mod json;
mod quick;

pub use event::{Event, Outcome};

/// Version of the leaf format.
pub const LEAF_VERSION: u64 = 1;

/// Most field groups, and most policy rules, that one entry names.
pub const MAX_NAMES: usize = 64;

/// A text of at most 128 of `[A-Za-z0-9:._/-]`, possibly empty. No sentence fits.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Code(Box<str>);

impl Code {
    /// # Errors
    /// [`EntryError::Code`] for any other character or more than 128 of them.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b":._/-".contains(&b);
        if text.len() <= 128 && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(EntryError::Code)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What happened, without its place in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What kind of thing happened.
    pub event: Event,
    /// How it ended.
    pub outcome: Outcome,
    /// Reason code, empty when the outcome needs none.
    pub why: Code,
    /// Who did it.
    pub actor: Actor,
    /// Id of the processing activity it was done for.
    pub purpose: Code,
    /// Legal basis: consent id and version, or an article.
    pub basis: Code,
    /// What it was done to.
    pub object: Object,
    /// Names of the field groups disclosed; for statistics also counts, as `rows:12`.
    pub fields: Vec<Code>,
    /// The policy that decided.
    pub policy: PolicyStamp,
    /// The request it belongs to.
    pub request: RequestStamp,
    /// HMAC-SHA-256 of a payload under a random salt kept beside the case, see [`commitment`].
    pub commit: Option<[u8; 32]>,
}

/// Who acted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Actor {
    /// Number of the organisation (OIN, URA), as text.
    pub organisation: Code,
    /// The partner's row id.
    pub partner: Option<Uuid>,
    /// The role acted in.
    pub role: Code,
    /// SHA-256 fingerprint of the client certificate.
    pub certificate: Option<[u8; 32]>,
    /// Pseudonym of the person, made for the ledger.
    pub subject: Code,
    /// Keyed hash of the token's `jti`.
    pub token: Option<[u8; 32]>,
}

/// What was acted on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Object {
    /// Kind, for example `case`.
    pub kind: Code,
    /// The random audit reference of the case; its mapping is erased with the case.
    pub reference: Option<[u8; 16]>,
}

/// The policy in force.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PolicyStamp {
    /// SHA-256 of the policy set.
    pub hash: Option<[u8; 32]>,
    /// Ids of the rules that decided.
    pub rules: Vec<Code>,
}

/// The request an entry belongs to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RequestStamp {
    /// Id made by this gateway.
    pub id: Code,
    /// W3C trace id.
    pub trace: Code,
}

/// Where an entry stands. Taken under the lock on the ledger head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Position {
    /// Name of the log, which is the origin of its checkpoints.
    pub log: Code,
    /// Gapless from 0.
    pub seq: u64,
    /// Leaf hash of the entry before, zeros for the first.
    pub prev: [u8; 32],
    /// Microseconds since 1970-01-01 UTC; never decreases within one `boot`.
    pub ts_us: i64,
    /// Random id of the process run that wrote it.
    pub boot: [u8; 8],
}

/// The stored form of an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leaf {
    /// The exact bytes to store.
    pub bytes: Vec<u8>,
    /// Their RFC 6962 leaf hash.
    pub hash: [u8; 32],
}

/// The columns derived from an entry for searching; a verifier compares them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Columns {
    /// [`Event::as_str`].
    pub event: &'static str,
    /// [`Outcome::as_str`].
    pub outcome: &'static str,
    /// The object's reference in lower-case hex, if any.
    pub object: Option<String>,
}

/// Why bytes are not an entry, or an entry cannot be written. Names the rule, never the value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EntryError {
    /// A text has a character outside the alphabet or is too long.
    #[error("a ledger text has at most 128 of A-Z, a-z, 0-9 and :._/-")]
    Code,
    /// More field groups or rules than an entry may name.
    #[error("a ledger entry names at most 64 field groups and 64 rules")]
    TooManyNames,
    /// Another version of the leaf format.
    #[error("unknown version of the leaf format")]
    UnknownVersion,
    /// Not JSON, a field missing or of another type, or an unknown event or outcome.
    #[error("not a ledger entry")]
    Form,
    /// The same entry has other bytes: order, spacing, doubles or fields we do not know.
    #[error("not the canonical bytes of a ledger entry")]
    NotCanonical,
}

impl Entry {
    /// An entry with everything but the event and its outcome empty.
    #[must_use]
    pub fn new(event: Event, outcome: Outcome) -> Self {
        Self {
            event,
            outcome,
            why: Code::default(),
            actor: Actor::default(),
            purpose: Code::default(),
            basis: Code::default(),
            object: Object::default(),
            fields: Vec::new(),
            policy: PolicyStamp::default(),
            request: RequestStamp::default(),
            commit: None,
        }
    }

    /// The canonical bytes at a position, with their hash.
    ///
    /// # Errors
    /// [`EntryError::TooManyNames`].
    pub fn encode(&self, position: &Position) -> Result<Leaf, EntryError> {
        let bytes = self.text(position)?.into_bytes();
        let hash = tree::leaf_hash(&bytes);
        Ok(Leaf { bytes, hash })
    }

    fn text(&self, position: &Position) -> Result<String, EntryError> {
        if self.fields.len() > MAX_NAMES || self.policy.rules.len() > MAX_NAMES {
            return Err(EntryError::TooManyNames);
        }
        Ok(json::write(self, position))
    }

    /// The derived columns.
    #[must_use]
    pub fn columns(&self) -> Columns {
        Columns {
            event: self.event.as_str(),
            outcome: self.outcome.as_str(),
            object: self.object.reference.as_ref().map(|reference| hex(reference)),
        }
    }
}

/// Reads the bytes of [`Entry::encode`] back; no other bytes are accepted.
///
/// # Errors
/// [`EntryError`].
pub fn decode(bytes: &[u8]) -> Result<(Position, Entry), EntryError> {
    let (position, entry) = json::read(bytes)?;
    // Writing again is the strictness: unknown fields, doubles, order and spacing do not survive.
    if entry.text(&position)?.as_bytes() != bytes {
        return Err(EntryError::NotCanonical);
    }
    Ok((position, entry))
}

/// HMAC-SHA-256 of a payload under a random salt. Deleting the salt makes it say nothing.
#[must_use]
pub fn commitment(salt: &[u8; 32], payload: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), payload);
    for (to, from) in tag.iter_mut().zip(signed.as_ref()) {
        *to = *from;
    }
    tag
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn code(text: &str) -> Code {
        Code::parse(text).unwrap()
    }

    pub(crate) fn position(seq: u64, prev: [u8; 32]) -> Position {
        let ts_us = 1_700_000_000_000_000 + i64::try_from(seq).unwrap();
        Position { log: code("gateway.example/audit/1"), seq, prev, ts_us, boot: [9; 8] }
    }

    pub(crate) fn full() -> Entry {
        Entry {
            why: code("consent-complete"),
            actor: Actor {
                organisation: code("00000001234567890000"),
                partner: Some(Uuid::from_u128(7)),
                role: code("coordinator"),
                certificate: Some([0xab; 32]),
                subject: code("bp1.person.1.6PWFS4D8HDBRGNVD7ZC71YE0SYM"),
                token: Some([0xcd; 32]),
            },
            purpose: code("matching"),
            basis: code("consent:1:3"),
            object: Object { kind: code("case"), reference: Some([0x0f; 16]) },
            fields: vec![code("names"), code("address")],
            policy: PolicyStamp { hash: Some([1; 32]), rules: vec![code("coordinator.release")] },
            request: RequestStamp { id: code("r-1"), trace: code("t-1") },
            commit: Some([2; 32]),
            ..Entry::new(Event::ReleaseIntent, Outcome::Allow)
        }
    }

    fn text(entry: &Entry) -> String {
        String::from_utf8(entry.encode(&position(0, [0; 32])).unwrap().bytes).unwrap()
    }

    #[test]
    fn the_bytes_are_fixed_for_ever() {
        let zeros = "0".repeat(64);
        assert_eq!(
            text(&Entry::new(Event::CaseRead, Outcome::Deny)),
            format!(
                "{{\"v\":1,\"log\":\"gateway.example/audit/1\",\"seq\":0,\"prev\":\"{zeros}\",\
                 \"ts\":1700000000000000,\"boot\":\"0909090909090909\",\"ev\":\"case.read\",\
                 \"out\":\"deny\",\"why\":\"\",\"actor\":{{\"org\":\"\",\"partner\":null,\
                 \"role\":\"\",\"cert\":null,\"sub\":\"\",\"jti\":null}},\"purpose\":\"\",\
                 \"basis\":\"\",\"obj\":{{\"kind\":\"\",\"ref\":null}},\"fields\":[],\
                 \"policy\":{{\"hash\":null,\"rules\":[]}},\"req\":{{\"id\":\"\",\"trace\":\"\"}},\
                 \"commit\":null}}"
            )
        );
    }

    #[test]
    fn a_full_entry_round_trips() {
        let leaf = full().encode(&position(3, [4; 32])).unwrap();
        assert_eq!(decode(&leaf.bytes).unwrap(), (position(3, [4; 32]), full()));
        assert_eq!(leaf.hash, tree::leaf_hash(&leaf.bytes));
        let columns = full().columns();
        assert_eq!((columns.event, columns.outcome), ("release.intent", "allow"));
        assert_eq!(columns.object, Some("0f".repeat(16)));
    }

    #[test]
    fn aud_19_nothing_but_codes_fits() {
        let (long, longest) = ("a".repeat(129), "a".repeat(128));
        for text in ["Jan de Vries", "a\nb", "\u{1b}[0m", "\"", "a@b.nl", "ë", "{", ",", &long] {
            assert_eq!(Code::parse(text), Err(EntryError::Code));
        }
        for text in ["", "release.intent", "A-Z:az/09_.", &longest] {
            assert_eq!(code(text).as_str(), text);
        }
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let mut entry = full();
        entry.fields = vec![code("names"); MAX_NAMES];
        assert!(entry.encode(&position(0, [0; 32])).is_ok());
        entry.fields.push(code("names"));
        assert_eq!(entry.encode(&position(0, [0; 32])), Err(EntryError::TooManyNames));
        entry.fields.clear();
        entry.policy.rules = vec![code("r"); MAX_NAMES + 1];
        assert_eq!(entry.encode(&position(0, [0; 32])), Err(EntryError::TooManyNames));
    }

    #[test]
    fn only_canonical_bytes_decode() {
        let good = text(&full());
        assert!(decode(good.as_bytes()).is_ok());
        let cases = [
            (good.replace("{\"v\":1,", "{\"v\":2,"), EntryError::UnknownVersion),
            (good.replace("{\"v\":1,", "{"), EntryError::UnknownVersion),
            (good.replace("\"v\":1", "\"v\":1.0"), EntryError::UnknownVersion),
            (good.replace("\"log\"", "\"extra\":1,\"log\""), EntryError::NotCanonical),
            (good.replace("\"role\"", "\"extra\":1,\"role\""), EntryError::NotCanonical),
            (good.replace("\"seq\":0", "\"seq\":0,\"seq\":0"), EntryError::NotCanonical),
            (good.replace("\"seq\":0", "\"seq\": 0"), EntryError::NotCanonical),
            (good.replace("r-1", "\\u0072-1"), EntryError::NotCanonical),
            (good.replace(&"ab".repeat(32), &"AB".repeat(32)), EntryError::Form),
            (good.replace("\"seq\":0", "\"seq\":-1"), EntryError::Form),
            (good.replace("\"ts\":1", "\"ts\":0.1"), EntryError::Form),
            (good.replace("release.intent", "release.other"), EntryError::Form),
            (good.replace("\"allow\"", "\"maybe\""), EntryError::Form),
            (good.replace("r-1", "r 1"), EntryError::Code),
            (good.replace("\"fields\":[", "\"fields\":[1,"), EntryError::Form),
            (good.replace("\"req\":{", "\"req\":[{"), EntryError::Form),
            (format!("{good} "), EntryError::NotCanonical),
            (format!("{good}x"), EntryError::Form),
            (String::new(), EntryError::Form),
            ("[]".into(), EntryError::Form),
            ("[".repeat(100_000), EntryError::Form),
        ];
        for (bytes, error) in cases {
            assert_ne!(bytes, good);
            assert_eq!(decode(bytes.as_bytes()), Err(error));
        }
    }

    #[test]
    fn a_commitment_needs_its_salt() {
        assert_eq!(commitment(&[1; 32], b"x"), commitment(&[1; 32], b"x"));
        assert_ne!(commitment(&[1; 32], b"x"), commitment(&[2; 32], b"x"));
        assert_ne!(commitment(&[1; 32], b"x"), commitment(&[1; 32], b"y"));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn aud_01_no_flipped_bit_gives_the_same_hash(at in 0_usize..700, bit in 0_u8..8) {
            let leaf = full().encode(&position(0, [0; 32])).unwrap();
            let mut bytes = leaf.bytes.clone();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert_ne!(tree::leaf_hash(&bytes), leaf.hash);
            // What still decodes is another entry, in its own canonical bytes.
            if let Ok((position, entry)) = decode(&bytes) {
                prop_assert_eq!(entry.encode(&position).unwrap().bytes, bytes);
            }
        }

        #[test]
        fn any_position_round_trips(
            seq in any::<u64>(), prev in any::<[u8; 32]>(),
            ts_us in any::<i64>(), boot in any::<[u8; 8]>(),
        ) {
            let position = Position { log: code("l"), seq, prev, ts_us, boot };
            let leaf = full().encode(&position).unwrap();
            prop_assert_eq!(decode(&leaf.bytes).unwrap().0, position);
        }
    }
}
