//! The record of a proof: which policy set was proven, under which properties, and by what.
//!
//! For the gateway, which loads a set only with a record for exactly it. The ledger key signs, over text
//! that begins with a line no checkpoint begins with, so that neither can stand in for the other.
//! Invariant: a record is read only where set, properties, ledger and signature all agree. One that
//! says `release` counts only for the very set that is compiled into the program.
//! Absent: the file it stands in, and the proof itself.

use crate::crypto::CryptoError;
use crate::crypto::digest::hex;
use crate::crypto::keyring::{Keyring, VerifyingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// First line of the text that is signed; says what it is and in which version.
const TITLE: &str = "buurtpoort policy proof 1";

/// Longest record read, in bytes.
const MAX_LEN: usize = 4_096;

/// Why a record does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// It has another form or another version.
    #[error("the proof record cannot be read")]
    Form,
    /// It is about another policy set.
    #[error("the proof record is about another policy set")]
    Policies,
    /// It was made under other properties.
    #[error("the proof record is about other invariants")]
    Invariants,
    /// It was made for another ledger.
    #[error("the proof record is of another ledger")]
    Ledger,
    /// It rests on the tests of a release, and the set is not that release's.
    #[error("the proof record rests on a release that this program is not")]
    Release,
    /// No ledger key of this deployment signed it.
    #[error("the proof record is not signed by the ledger key")]
    Signature,
    /// The ledger key refuses.
    #[error("the ledger key refuses to sign")]
    Key,
}

/// What decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProvenBy {
    /// A solver, on this machine.
    Solver,
    /// The tests of the release, for the set that is compiled in.
    Release,
}

impl ProvenBy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Solver => "cvc5",
            Self::Release => "release",
        }
    }
}

/// What a record is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Proof<'a> {
    /// Hash of the policy set: schema, rules and the TOML files beside them.
    pub policies: [u8; 32],
    /// Hash of the properties.
    pub invariants: [u8; 32],
    /// Name of the ledger whose key signs.
    pub ledger: &'a str,
}

impl Proof<'_> {
    fn body(&self, by: ProvenBy) -> String {
        format!(
            "{TITLE}\nledger: {}\npolicies: sha256:{}\ninvariants: sha256:{}\nproven-by: {}\n",
            self.ledger,
            hex(&self.policies),
            hex(&self.invariants),
            by.as_str(),
        )
    }

    /// The signed record.
    ///
    /// # Errors
    /// [`RecordError::Key`] when the ledger key refuses.
    pub fn sign(&self, by: ProvenBy, keyring: &Keyring) -> Result<String, RecordError> {
        let body = self.body(by);
        let signed = keyring.sign_ledger(body.as_bytes());
        let (signature, version) = signed.map_err(|_error: CryptoError| RecordError::Key)?;
        Ok(format!("{body}signature: {version} {}\n", STANDARD.encode(signature)))
    }

    /// Checks a record against what was loaded. `release` is the hash of the set compiled in.
    ///
    /// # Errors
    /// [`RecordError`], the first thing that is wrong.
    pub fn check(
        &self,
        record: &str,
        release: [u8; 32],
        keys: &[VerifyingKey],
    ) -> Result<ProvenBy, RecordError> {
        let lines = Lines::read(record)?;
        if lines.policies != format!("sha256:{}", hex(&self.policies)) {
            return Err(RecordError::Policies);
        }
        if lines.invariants != format!("sha256:{}", hex(&self.invariants)) {
            return Err(RecordError::Invariants);
        }
        if lines.ledger != self.ledger {
            return Err(RecordError::Ledger);
        }
        let by = [ProvenBy::Solver, ProvenBy::Release];
        let by = by.into_iter().find(|by| by.as_str() == lines.by).ok_or(RecordError::Form)?;
        let body = self.body(by);
        let signed = keys.iter().any(|key| {
            key.version == lines.version && key.verify(body.as_bytes(), &lines.signature).is_ok()
        });
        if !signed {
            return Err(RecordError::Signature);
        }
        if by == ProvenBy::Release && self.policies != release {
            return Err(RecordError::Release);
        }
        Ok(by)
    }
}

struct Lines<'a> {
    ledger: &'a str,
    policies: &'a str,
    invariants: &'a str,
    by: &'a str,
    version: i32,
    signature: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn read(text: &'a str) -> Result<Self, RecordError> {
        if text.len() > MAX_LEN {
            return Err(RecordError::Form);
        }
        let mut lines = text.strip_suffix('\n').ok_or(RecordError::Form)?.split('\n');
        let mut next = |key: &str| {
            let line = lines.next().ok_or(RecordError::Form)?;
            line.strip_prefix(key).ok_or(RecordError::Form)
        };
        next(TITLE)
            .and_then(|rest| if rest.is_empty() { Ok(()) } else { Err(RecordError::Form) })?;
        let ledger = next("ledger: ")?;
        let policies = next("policies: ")?;
        let invariants = next("invariants: ")?;
        let by = next("proven-by: ")?;
        let signed = next("signature: ")?;
        if lines.next().is_some() {
            return Err(RecordError::Form);
        }
        let (version, signature) = signed.split_once(' ').ok_or(RecordError::Form)?;
        let version = version.parse().ok().ok_or(RecordError::Form)?;
        let signature = STANDARD.decode(signature).ok().ok_or(RecordError::Form)?;
        Ok(Self { ledger, policies, invariants, by, version, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::keyring;

    const PROOF: Proof<'_> =
        Proof { policies: [1; 32], invariants: [2; 32], ledger: "localhost/audit/1" };

    #[test]
    fn pol_23_a_record_counts_for_what_it_is_about_and_for_nothing_else() {
        let ring = keyring();
        let keys = ring.ledger_public_keys();
        let record = PROOF.sign(ProvenBy::Solver, &ring).unwrap();
        assert_eq!(PROOF.check(&record, [9; 32], &keys), Ok(ProvenBy::Solver), "the control");
        let other = Proof { policies: [3; 32], ..PROOF };
        assert_eq!(other.check(&record, [9; 32], &keys), Err(RecordError::Policies));
        let other = Proof { invariants: [3; 32], ..PROOF };
        assert_eq!(other.check(&record, [9; 32], &keys), Err(RecordError::Invariants));
        let other = Proof { ledger: "localhost/audit/2", ..PROOF };
        assert_eq!(other.check(&record, [9; 32], &keys), Err(RecordError::Ledger));
        let strangers = keyring().ledger_public_keys();
        assert_eq!(PROOF.check(&record, [9; 32], &strangers), Err(RecordError::Signature));
        // Rewritten for another set without the key.
        let rewritten = record.replace(&"01".repeat(32), &"03".repeat(32));
        let other = Proof { policies: [3; 32], ..PROOF };
        assert_eq!(other.check(&rewritten, [9; 32], &keys), Err(RecordError::Signature));
    }

    #[test]
    fn pol_23_every_changed_character_is_found() {
        let ring = keyring();
        let keys = ring.ledger_public_keys();
        let record = PROOF.sign(ProvenBy::Solver, &ring).unwrap();
        for at in 0..record.len() {
            for replacement in [b'A', b'1', b' ', b'\n'] {
                let mut bytes = record.clone().into_bytes();
                if bytes[at] == replacement {
                    continue;
                }
                bytes[at] = replacement;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(PROOF.check(&changed, [1; 32], &keys).is_err(), "{changed}");
            }
            assert!(PROOF.check(record.get(..at).unwrap(), [1; 32], &keys).is_err());
        }
        assert!(PROOF.check(&format!("{record}x: y\n"), [1; 32], &keys).is_err());
        assert!(PROOF.check(&record, [1; 32], &keys).is_ok(), "the control");
    }

    #[test]
    fn pol_23_a_release_vouches_for_its_own_set_only() {
        let ring = keyring();
        let keys = ring.ledger_public_keys();
        let record = PROOF.sign(ProvenBy::Release, &ring).unwrap();
        assert_eq!(PROOF.check(&record, [1; 32], &keys), Ok(ProvenBy::Release), "the control");
        assert_eq!(PROOF.check(&record, [9; 32], &keys), Err(RecordError::Release));
    }

    #[test]
    fn what_is_signed_is_no_checkpoint() {
        use crate::audit::checkpoint::Checkpoint;
        let ring = keyring();
        let record = PROOF.sign(ProvenBy::Solver, &ring).unwrap();
        let (body, signature) = record.rsplit_once("signature: 1 ").unwrap();
        let note = format!("{body}\n— localhost/audit/1 {signature}");
        assert!(Checkpoint::parse_and_verify(&note, &ring.ledger_public_keys()).is_err());
    }
}
