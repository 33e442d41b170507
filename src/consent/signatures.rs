//! Decisions as they stand at one instant, and what they amount to.

use crate::domain::consent::{Signature, SignatureDecision, SubjectRef};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The latest decision of each signer.
#[derive(Debug)]
pub(super) struct Decisions<'a>(BTreeMap<&'a SubjectRef, (Timestamp, SignatureDecision)>);

impl<'a> Decisions<'a> {
    /// As they stand at `at`: later ones have not been made yet. Time decides, not the order in the
    /// message; of two at the same instant the one that allows least.
    pub(super) fn as_of(signatures: &'a [Signature], at: Timestamp) -> Self {
        let mut latest: BTreeMap<&SubjectRef, (Timestamp, SignatureDecision)> = BTreeMap::new();
        for signature in signatures.iter().filter(|signature| signature.at <= at) {
            // `SignatureDecision` is ordered given < refused < withdrawn
            let made = (signature.at, signature.decision);
            let stands = latest.entry(&signature.signer).or_insert(made);
            *stands = made.max(*stands);
        }
        Self(latest)
    }

    /// What `signer` decided last.
    pub(super) fn of(&self, signer: &SubjectRef) -> Option<SignatureDecision> {
        self.0.get(signer).map(|(_, decision)| *decision)
    }

    /// Whether `signer` consents.
    pub(super) fn gives(&self, signer: &SubjectRef) -> bool {
        self.of(signer) == Some(SignatureDecision::Given)
    }

    /// Everyone who consents.
    pub(super) fn givers(&self) -> impl Iterator<Item = &'a SubjectRef> {
        let given = |(_, (_, decision)): &(_, &(_, _))| *decision == SignatureDecision::Given;
        self.0.iter().filter(given).map(|(signer, _)| *signer)
    }
}
