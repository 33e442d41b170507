//! Floor 3: what the gateway does, one file a verb.
//!
//! Each verb takes [`Allowed`](crate::policy::Allowed), reads its facts inside the writer's
//! transaction, lets the policies decide, writes effect and ledger entry in one commit, and only then
//! acts on the [`Permit`](crate::policy::Permit). The HTTP floor and the portal call the same verbs.
//!
//! # Not here
//! No HTTP types and no wire shapes; no SQL.

use crate::audit::committed::Committed;
use crate::clock::Clock;
use crate::consent::Outcome;
use crate::crypto::Entropy;
use crate::crypto::keyring::Keyring;
use crate::domain::consent::{Reason, SubjectRef};
use crate::domain::pairing::Terms;
use crate::domain::programme::Target;
use crate::domain::term::Retention;
use crate::policy::verdict::Refused;
use crate::policy::{Engine, Subject};
use crate::statistics::contract::Disclosure;
use crate::store::cases::CaseRow;
use crate::store::partners::Register;
use crate::store::{Store, StoreError};
use arc_swap::ArcSwap;
use std::sync::Arc;

pub mod access;
pub mod assign;
pub mod cases;
pub mod correct;
mod deadlines;
pub mod decide;
pub mod decoy;
pub mod deliver;
pub mod erase;
pub mod figures;
pub mod goals;
pub mod links;
mod on_case;
mod on_support;
pub mod pair;
pub mod pairings;
mod plain;
pub mod progress;
pub mod propose;
pub mod publish;
pub mod referrals;
pub mod release;
pub mod remind;
pub mod report;
pub mod retention;
pub mod session;
pub mod stages;
pub mod standing;
pub mod submit;
pub mod support;
pub mod transition;
pub mod visible;
pub mod witness;

pub use standing::ConsentRules;

/// Everything a verb works with. Shared by all requests of one process.
pub struct Gateway {
    /// Rows.
    pub store: Store,
    /// Keys.
    pub keyring: Arc<Keyring>,
    /// Randomness.
    pub entropy: Entropy,
    /// Time.
    pub clock: Clock,
    /// Policies; exchanged whole on reload.
    pub engine: ArcSwap<Engine>,
    /// Purposes, terms and switches of consent; exchanged with the policies.
    pub consent: ArcSwap<ConsentRules>,
    /// How long the steps of the programme take; exchanged with the policies.
    pub terms: ArcSwap<Terms>,
    /// After how long cases go; exchanged with the policies.
    pub retention: ArcSwap<Retention>,
    /// What was agreed on with gemeenten.
    pub targets: ArcSwap<Vec<Target>>,
    /// What gemeenten are told, and how it is protected; exchanged with the policies.
    pub disclosure: ArcSwap<Disclosure>,
    /// Partners and territories; exchanged whole when the register moves.
    pub register: ArcSwap<Register>,
    /// What is opened in place of a case that is not there.
    pub decoy: ArcSwap<CaseRow>,
}

/// Why a verb did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// Not there, or not the caller's: nobody can tell which.
    #[error("not there, or not yours")]
    NotFound,
    /// Consent does not suffice.
    #[error("consent does not suffice")]
    Consent {
        /// Every reason, in order.
        reasons: Vec<Reason>,
        /// Who still has to sign, by the sender's own labels.
        missing: Vec<SubjectRef>,
    },
    /// The key was used before with another body.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The state does not allow it.
    #[error("the present state does not allow it")]
    State {
        /// What it does allow.
        allowed: Vec<&'static str>,
    },
    /// The caller's copy is stale.
    #[error("the resource has changed")]
    Stale,
    /// A value that is right in form is not right here.
    #[error("{rule}")]
    Rule {
        /// JSON pointer.
        pointer: &'static str,
        /// Code of the rule.
        code: &'static str,
        /// What the rule asks.
        rule: &'static str,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refused> for FlowError {
    fn from(_: Refused) -> Self {
        Self::NotFound
    }
}

impl From<Outcome> for FlowError {
    fn from(outcome: Outcome) -> Self {
        Self::Consent { reasons: outcome.reasons, missing: outcome.missing }
    }
}

/// The result of a verb, and the proof of what was written for it.
#[derive(Debug)]
pub struct Done<T> {
    /// The result.
    pub value: T,
    /// The ledger's word.
    pub committed: Committed,
}

/// What makes a request that creates repeatable.
#[derive(Clone, Copy, Debug)]
pub struct Once {
    /// Keyed hash of partner, route and key.
    pub scope: crate::store::idempotency::Scope,
    /// Keyed hash of the body.
    pub body: [u8; 32],
}

impl Once {
    /// Hashes key and body under the deployment's idempotency key.
    #[must_use]
    pub fn new(keyring: &Keyring, subject: &Subject, route: &str, key: &str, body: &[u8]) -> Self {
        let partner = subject.partner.to_string();
        let scope = crate::crypto::frame(&[partner.as_bytes(), route.as_bytes(), key.as_bytes()]);
        Self {
            scope: crate::store::idempotency::Scope(keyring.idempotency_hash(&scope)),
            body: keyring.idempotency_hash(body),
        }
    }

    /// The row by which the request is remembered.
    #[must_use]
    pub fn row(
        &self,
        status: i32,
        resource: uuid::Uuid,
        created_ms: i64,
    ) -> crate::store::idempotency::IdempotencyRow {
        crate::store::idempotency::IdempotencyRow {
            scope: self.scope,
            remembered: crate::store::idempotency::Remembered { body: self.body, status, resource },
            created_ms,
        }
    }
}
