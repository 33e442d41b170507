//! That one entry is in the ledger, for someone who has nothing but keys: C2SP `tlog-proof` and receipts.
//!
//! For partners and families, who may show such a file to anyone. Invariant: what is returned as proven was
//! hashed up to a root that a known key signed. Absent: which keys to trust, and reading files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::entry::{self, Entry, Position};
use super::tree;
use crate::crypto::digest::unhex;
use crate::crypto::keyring::VerifyingKey;
use crate::crypto::receipt::verify_jws_typed;

/// First line of a proof.
const FORMAT: &str = "c2sp.org/tlog-proof@v1";

/// `typ` of a receipt.
pub const RECEIPT_TYPE: &str = "bp-receipt+jwt";

/// Longest proof accepted, in bytes; a leaf takes less than 32 KiB.
const MAX_LEN: usize = 65_536;

/// An entry with its place in a signed tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proof {
    /// Index of the entry.
    pub index: u64,
    /// Its exact bytes.
    pub leaf: Vec<u8>,
    /// Sibling hashes from the leaf to the root.
    pub path: Vec<[u8; 32]>,
    /// The signed note over the tree.
    pub note: String,
}

/// Why a proof is refused. Names the rule, never the value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProofError {
    /// Not the text of a proof, or not the payload of a receipt.
    #[error("not a proof in the form of docs/ledger.md")]
    Form,
    /// The note is refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The leaf is not at its index in the tree.
    #[error("the entry does not stand at its index under this root")]
    Inclusion,
    /// The leaf is no entry, or one of another place.
    #[error("the leaf is not the ledger entry of this index")]
    Leaf,
    /// The receipt's signature is not by a known key.
    #[error("the receipt is not signed by a known key")]
    Signature,
    /// The receipt is for another request.
    #[error("the receipt is for another request")]
    Digest,
    /// The receipt shows no path: it repeats an earlier one.
    #[error("the receipt carries no proof, as those of repeated requests")]
    NoPath,
    /// The checkpoint is not over the receipt's tree.
    #[error("the checkpoint is over another tree than the receipt")]
    OtherTree,
}

impl Proof {
    /// The text, as a file `.tlog-proof`. The leaf is its `extra` line.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text =
            format!("{FORMAT}\nextra {}\nindex {}\n", STANDARD.encode(&self.leaf), self.index);
        for hash in &self.path {
            text.push_str(&STANDARD.encode(hash));
            text.push('\n');
        }
        format!("{text}\n{}", self.note)
    }

    /// Reads the text; proves nothing yet.
    ///
    /// # Errors
    /// [`ProofError::Form`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        Self::parts(text).filter(|proof| proof.to_text() == text).ok_or(ProofError::Form)
    }

    fn parts(text: &str) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let (proof, note) = text.split_once("\n\n")?;
        let mut lines = proof.split('\n');
        lines.next().filter(|line| *line == FORMAT)?;
        let leaf = STANDARD.decode(lines.next()?.strip_prefix("extra ")?).ok()?;
        let index = lines.next()?.strip_prefix("index ")?.parse().ok()?;
        let path = lines.map(hash).collect::<Option<_>>()?;
        Some(Self { index, leaf, path, note: note.to_owned() })
    }

    /// The checkpoint and the entry, proven with `keys`.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(
        &self,
        keys: &[VerifyingKey],
    ) -> Result<(Checkpoint, Position, Entry), ProofError> {
        let head = Checkpoint::parse_and_verify(&self.note, keys)?;
        let leaf = tree::leaf_hash(&self.leaf);
        if !tree::verify_inclusion(self.index, head.size, &leaf, &self.path, &head.root) {
            return Err(ProofError::Inclusion);
        }
        let (position, entry) = entry::decode(&self.leaf).or(Err(ProofError::Leaf))?;
        if position.seq == self.index { Ok((head, position, entry)) } else { Err(ProofError::Leaf) }
    }
}

/// What a receipt says, its signature checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receipt {
    /// Id of the referral.
    pub id: String,
    /// When it came in.
    pub received_at: String,
    /// `sha-256:` and the hash of the canonical request.
    pub digest: String,
    /// Index of the ledger entry.
    pub index: u64,
    /// Size of the tree.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
}

impl Receipt {
    /// Checks the signature against a key set and the entry's place under the receipt's tree head.
    ///
    /// # Errors
    /// [`ProofError::Signature`], [`ProofError::Form`], [`ProofError::NoPath`] and [`ProofError::Inclusion`].
    pub fn verify(jwks: &str, token: &str) -> Result<Self, ProofError> {
        let payload = verify_jws_typed(jwks, RECEIPT_TYPE, token).or(Err(ProofError::Signature))?;
        let payload: Value = serde_json::from_slice(&payload).or(Err(ProofError::Form))?;
        let receipt = Self::read(&payload).ok_or(ProofError::Form)?;
        let (Some(leaf), Some(path)) = (payload.get("leafHash"), payload.get("proof")) else {
            return Err(ProofError::NoPath);
        };
        let leaf = leaf.as_str().and_then(unhex).ok_or(ProofError::Form)?;
        let path = path.as_array().ok_or(ProofError::Form)?.iter();
        let path: Option<Vec<[u8; 32]>> = path.map(|item| item.as_str().and_then(hash)).collect();
        let path = path.ok_or(ProofError::Form)?;
        if tree::verify_inclusion(receipt.index, receipt.size, &leaf, &path, &receipt.root) {
            Ok(receipt)
        } else {
            Err(ProofError::Inclusion)
        }
    }

    fn read(payload: &Value) -> Option<Self> {
        let text = |pointer: &str| payload.pointer(pointer)?.as_str().map(str::to_owned);
        let number = |pointer: &str| payload.pointer(pointer)?.as_u64();
        Some(Self {
            id: text("/id")?,
            received_at: text("/receivedAt")?,
            digest: text("/digest")?,
            index: number("/ledgerIndex")?,
            size: number("/treeHead/size")?,
            root: unhex(&text("/treeHead/rootHash")?)?,
        })
    }

    /// Whether the ledger key signed the very tree of this receipt.
    ///
    /// # Errors
    /// [`ProofError::Checkpoint`] and [`ProofError::OtherTree`].
    pub fn is_under(&self, note: &str, keys: &[VerifyingKey]) -> Result<(), ProofError> {
        let head = Checkpoint::parse_and_verify(note, keys)?;
        let same = (head.size, head.root) == (self.size, self.root);
        if same { Ok(()) } else { Err(ProofError::OtherTree) }
    }
}

fn hash(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::entry::tests::{full, position};
    use crate::crypto::Entropy;
    use crate::crypto::digest::hex;
    use crate::crypto::testing::keyring;

    /// Entry 2 of a log of five.
    fn proof() -> (Proof, Vec<VerifyingKey>) {
        let ring = keyring();
        let leaves: Vec<Vec<u8>> =
            (0..5).map(|seq| full().encode(&position(seq, [0; 32])).unwrap().bytes).collect();
        let hashes: Vec<[u8; 32]> = leaves.iter().map(|leaf| tree::leaf_hash(leaf)).collect();
        let head = Checkpoint {
            origin: "gateway.example/audit/1".into(),
            size: 5,
            root: tree::root(&hashes),
        };
        let path = tree::inclusion_proof(&hashes, 2).unwrap();
        let note = head.sign(&ring).unwrap();
        (Proof { index: 2, leaf: leaves[2].clone(), path, note }, ring.ledger_public_keys())
    }

    #[test]
    fn a_proof_is_read_back_and_shows_its_entry() {
        let (proof, keys) = proof();
        let text = proof.to_text();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra "));
        let read = Proof::parse(&text).unwrap();
        assert_eq!(read, proof);
        let (head, position, entry) = read.verify(&keys).unwrap();
        assert_eq!((head.size, position.seq), (5, 2));
        assert_eq!(entry, full());
    }

    #[test]
    fn aud_22_no_altered_proof_is_accepted() {
        let (proof, keys) = proof();
        let refused = |change: &dyn Fn(&mut Proof)| {
            let mut altered = proof.clone();
            change(&mut altered);
            altered.verify(&keys).err()
        };
        assert_eq!(refused(&|_| ()), None);
        assert_eq!(refused(&|p| p.index = 3), Some(ProofError::Inclusion));
        assert_eq!(refused(&|p| p.index = 5), Some(ProofError::Inclusion));
        assert_eq!(refused(&|p| p.leaf[9] ^= 1), Some(ProofError::Inclusion));
        assert_eq!(refused(&|p| p.path[1][0] ^= 1), Some(ProofError::Inclusion));
        assert_eq!(refused(&|p| p.path.truncate(1)), Some(ProofError::Inclusion));
        let larger = refused(&|p| p.note = p.note.replace("\n5\n", "\n6\n"));
        assert_eq!(larger, Some(ProofError::Checkpoint(CheckpointError::Signature)));
        let stranger = proof.verify(&keyring().ledger_public_keys()).err();
        assert_eq!(stranger, Some(ProofError::Checkpoint(CheckpointError::UnknownKey)));
        let text = proof.to_text();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let altered = String::from_utf8(bytes).ok().and_then(|text| Proof::parse(&text).ok());
            assert!(altered.is_none_or(|proof| proof.verify(&keys).is_err()), "byte {at}");
        }
    }

    #[test]
    fn a_receipt_holds_against_its_own_tree_and_the_signed_one() {
        let ring = keyring();
        let leaves: Vec<[u8; 32]> = (0_u8..5).map(|n| tree::leaf_hash(&[n])).collect();
        let root = tree::root(&leaves);
        let path = tree::inclusion_proof(&leaves, 2).unwrap();
        let payload = |index: u64, leaf: &[u8; 32]| {
            serde_json::json!({
                "id": "r", "receivedAt": "2026-01-01T00:00:00Z", "digest": "sha-256:00",
                "ledgerIndex": index, "leafHash": hex(leaf),
                "proof": path.iter().map(|hash| STANDARD.encode(hash)).collect::<Vec<_>>(),
                "treeHead": {"size": 5, "rootHash": hex(&root)},
            })
        };
        let sign = |typ: &str, payload: &Value| {
            ring.sign_jws(typ, payload.to_string().as_bytes(), &Entropy::system()).unwrap()
        };
        let verify = |token: &str| Receipt::verify(&ring.jwks_json(), token);
        let good = payload(2, &leaves[2]);
        let receipt = verify(&sign(RECEIPT_TYPE, &good)).unwrap();
        assert_eq!((receipt.index, receipt.size, receipt.root), (2, 5, root));
        let origin = "gateway.example/audit/1".to_owned();
        let note = |size| Checkpoint { origin: origin.clone(), size, root }.sign(&ring).unwrap();
        let keys = ring.ledger_public_keys();
        assert_eq!(receipt.is_under(&note(5), &keys), Ok(()));
        assert_eq!(receipt.is_under(&note(6), &keys), Err(ProofError::OtherTree));
        let refused = |payload: &Value| verify(&sign(RECEIPT_TYPE, payload)).err();
        assert_eq!(refused(&payload(3, &leaves[2])), Some(ProofError::Inclusion));
        assert_eq!(refused(&payload(2, &leaves[3])), Some(ProofError::Inclusion));
        let mut repeated = good.clone();
        repeated.as_object_mut().unwrap().remove("proof");
        assert_eq!(refused(&repeated), Some(ProofError::NoPath));
        assert_eq!(verify(&sign("at+jwt", &good)).err(), Some(ProofError::Signature));
        let stranger = Receipt::verify(&keyring().jwks_json(), &sign(RECEIPT_TYPE, &good));
        assert_eq!(stranger.err(), Some(ProofError::Signature));
    }
}
