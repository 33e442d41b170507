//! The ledger for those who watch it: its signed head for partners to keep, entries and proofs for the privacy
//! officer; and the names the ledger uses for accounts.

use crate::audit::committed::{Committed, SignedHead};
use crate::audit::entry::Event;
use crate::audit::proof::Proof;
use crate::audit::tree;
use crate::audit::verify::StoredLeaf;
use crate::crypto::digest::sha256;
use crate::crypto::keyring::Keyring;
use crate::domain::partner::Slug;
use crate::flow::{Done, FlowError, Gateway, plain};
use crate::ids::PartnerId;
use crate::policy::action::{
    ListAuditEntries, ReadAuditConsistency, ReadAuditProof, ReadCheckpoint,
};
use crate::policy::facts::Facts;
use crate::policy::subject::account_key;
use crate::policy::{Action, Allowed};
use crate::store::figures::{self, DisclosureRow};
use crate::store::{StoreError, access, witness};
use std::sync::Arc;
use uuid::Uuid;

/// The latest signed head: the one that covers this very request.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn checkpoint(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReadCheckpoint>,
) -> Result<Done<Arc<SignedHead>>, FlowError> {
    let partner = allowed.subject().partner;
    let (_, committed) =
        plain::settle(gateway, &allowed, partner, &Facts::Bare, Event::AuditRead).await?;
    Ok(Done { value: Arc::clone(committed.head()), committed })
}

/// A page of entries from `from` on, as far as the head that covers this request.
///
/// # Errors
/// [`FlowError::NotFound`] when the policies refuse.
pub async fn entries(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListAuditEntries>,
    from: i64,
    limit: u32,
) -> Result<Done<Vec<StoredLeaf>>, FlowError> {
    let committed = read_ledger(gateway, &allowed).await?;
    let mut value = witness::entries(&gateway.store.pool, from, limit).await?;
    value.retain(|row| row.seq < committed.head().size);
    Ok(Done { value, committed })
}

/// The proof that an entry is under the head that covers this request. Reads the hash of every leaf.
///
/// # Errors
/// [`FlowError::NotFound`] when there is no such entry, or the policies refuse.
pub async fn proof(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReadAuditProof>,
    index: u64,
) -> Result<Done<Proof>, FlowError> {
    let committed = read_ledger(gateway, &allowed).await?;
    let head = Arc::clone(committed.head());
    if index >= head.size {
        return Err(FlowError::NotFound);
    }
    let pool = &gateway.store.pool;
    let from = i64::try_from(index).or(Err(FlowError::NotFound))?;
    let row = witness::entries(pool, from, 1).await?.into_iter().next();
    let hashes = witness::hashes(pool, head.size).await?;
    let path = usize::try_from(index).ok().and_then(|at| tree::inclusion_proof(&hashes, at));
    let (Some(row), Some(path)) = (row, path) else {
        return Err(StoreError::Corrupt("audit_entry").into());
    };
    let value = Proof { index, leaf: row.leaf, path, note: head.note.clone() };
    Ok(Done { value, committed })
}

/// That one tree extends another.
#[derive(Debug)]
pub struct Consistency {
    /// Sizes of the older and the newer tree.
    pub sizes: (u64, u64),
    /// Their roots.
    pub roots: ([u8; 32], [u8; 32]),
    /// Hashes of RFC 9162, 2.1.4.
    pub path: Vec<[u8; 32]>,
}

/// The proof that the tree of size `to` (the head that covers this request, where it is not given) only
/// appended to the tree of size `from`. Reads the hash of every leaf.
///
/// # Errors
/// [`FlowError::Rule`] for sizes the ledger does not have; [`FlowError::NotFound`] when the policies refuse.
pub async fn consistency(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ReadAuditConsistency>,
    from: u64,
    to: Option<u64>,
) -> Result<Done<Consistency>, FlowError> {
    let committed = read_ledger(gateway, &allowed).await?;
    let to = to.unwrap_or(committed.head().size);
    if from > to || to > committed.head().size {
        return Err(FlowError::Rule {
            pointer: "",
            code: "tree-size",
            rule: "from and to must be sizes the ledger has had, from not after to",
        });
    }
    let hashes = witness::hashes(&gateway.store.pool, to).await?;
    let old = usize::try_from(from).or(Err(StoreError::Corrupt("ledger size")))?;
    let path = tree::consistency_proof(&hashes, old);
    let path = path.ok_or(StoreError::Corrupt("audit_entry"))?;
    let roots = (tree::root(hashes.get(..old).unwrap_or_default()), tree::root(&hashes));
    Ok(Done { value: Consistency { sizes: (from, to), roots, path }, committed })
}

/// The last lines of the disclosure ledger, for who reads the ledger.
///
/// # Errors
/// As [`entries`].
pub async fn disclosures(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListAuditEntries>,
) -> Result<Done<Vec<DisclosureRow>>, FlowError> {
    let committed = read_ledger(gateway, &allowed).await?;
    Ok(Done { value: figures::disclosed(&gateway.store.pool, 200).await?, committed })
}

/// Requests for access that wait: of which organisation, since when and until when. Not whose.
///
/// # Errors
/// As [`entries`].
pub async fn clocks(
    gateway: &Arc<Gateway>,
    allowed: Allowed<ListAuditEntries>,
) -> Result<Done<Vec<(PartnerId, i64, i64)>>, FlowError> {
    let committed = read_ledger(gateway, &allowed).await?;
    Ok(Done { value: access::clocks(&gateway.store.pool).await?, committed })
}

/// Decides and records that the ledger is read.
async fn read_ledger<A: Action<Object = PartnerId>>(
    gateway: &Arc<Gateway>,
    allowed: &Allowed<A>,
) -> Result<Committed, FlowError> {
    let partner = allowed.subject().partner;
    let (_, committed) =
        plain::settle(gateway, allowed, partner, &Facts::Bare, Event::AuditRead).await?;
    Ok(committed)
}

/// The name an account at a partner goes by in the ledger.
///
/// # Errors
/// [`StoreError::Unavailable`] without its key.
pub fn ledger_name(
    keyring: &Keyring,
    partner: PartnerId,
    account: &Slug,
) -> Result<String, StoreError> {
    let id = account_id(partner, account);
    let name = keyring.pseudonym("ledger", "audit", "all", "person", id);
    Ok(name.or(Err(StoreError::Unavailable("pseudonym key")))?.as_str().to_owned())
}

/// An id to make the pseudonyms of an account at a partner from. Account names are chosen by an organisation and few;
/// what keeps a pseudonym from being traced back is the key, so this one hash needs none.
#[must_use]
pub fn account_id(partner: PartnerId, account: &Slug) -> Uuid {
    let digest = sha256(account_key(partner, account).as_bytes());
    Uuid::from_slice(digest.get(..16).unwrap_or_default()).unwrap_or_default()
}
