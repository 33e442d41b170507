//! The ledger's signed head, for partners to keep; and the names the ledger uses for accounts.

use crate::audit::committed::SignedHead;
use crate::audit::entry::Event;
use crate::crypto::digest::sha256;
use crate::domain::partner::Slug;
use crate::flow::{Done, FlowError, Gateway, plain};
use crate::ids::PartnerId;
use crate::policy::Allowed;
use crate::policy::action::ReadCheckpoint;
use crate::policy::facts::Facts;
use crate::policy::subject::account_key;
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

/// An id to make the pseudonyms of an account at a partner from. Account names are chosen by an organisation and few;
/// what keeps a pseudonym from being traced back is the key, so this one hash needs none.
#[must_use]
pub fn account_id(partner: PartnerId, account: &Slug) -> Uuid {
    let digest = sha256(account_key(partner, account).as_bytes());
    Uuid::from_slice(digest.get(..16).unwrap_or_default()).unwrap_or_default()
}
