//! Whether a caller may know that something is there, asked when the rest of a request is wrong: a
//! stranger must get the same 404 for a good body and a bad one.

use crate::audit::entry::Event;
use crate::domain::partner::Role;
use crate::flow::{FlowError, Gateway, plain};
use crate::ids::{CaseId, ReferralId, SupportFamilyId};
use crate::policy::facts::Facts;
use crate::policy::{Action, Allowed};
use crate::store::{cases, referrals, support_families};
use std::sync::Arc;

/// Fails with [`FlowError::NotFound`], on record, when the case is not there or not the caller's.
///
/// # Errors
/// [`FlowError::NotFound`]; [`FlowError::Store`].
pub async fn case<A: Action<Object = CaseId>>(
    gateway: &Arc<Gateway>,
    allowed: &Allowed<A>,
    id: CaseId,
) -> Result<(), FlowError> {
    let subject = allowed.subject();
    let row = cases::find(&gateway.store.pool, id).await?;
    let visible = row.is_some_and(|row| {
        row.organisation == subject.partner
            && (allowed.role() == Role::Assigner || row.assignee.as_ref() == Some(&subject.person))
    });
    if visible { Ok(()) } else { refuse(gateway, allowed, id).await }
}

/// Fails with [`FlowError::NotFound`], on record, when the referral is not there or not the caller's.
///
/// # Errors
/// [`FlowError::NotFound`]; [`FlowError::Store`].
pub async fn referral<A: Action<Object = ReferralId>>(
    gateway: &Arc<Gateway>,
    allowed: &Allowed<A>,
    id: ReferralId,
) -> Result<(), FlowError> {
    let pool = &gateway.store.pool;
    let row = referrals::find(pool, id).await?;
    let case = row.as_ref().map_or(CaseId::from_uuid(id.uuid()), |row| row.case);
    // An erased one is not there.
    let is_there = cases::find(pool, case).await?.is_some();
    let visible = is_there && row.is_some_and(|row| row.partner == allowed.subject().partner);
    if visible { Ok(()) } else { refuse(gateway, allowed, id).await }
}

/// Fails with [`FlowError::NotFound`], on record, when the support family is not there or not of the caller's
/// organisation.
///
/// # Errors
/// [`FlowError::NotFound`]; [`FlowError::Store`].
pub async fn support<A: Action<Object = SupportFamilyId>>(
    gateway: &Arc<Gateway>,
    allowed: &Allowed<A>,
    id: SupportFamilyId,
) -> Result<(), FlowError> {
    let row = support_families::find(&gateway.store.pool, id).await?;
    let visible = row.is_some_and(|row| row.organisation == allowed.subject().partner);
    if visible { Ok(()) } else { refuse(gateway, allowed, id).await }
}

async fn refuse<A: Action>(
    gateway: &Arc<Gateway>,
    allowed: &Allowed<A>,
    object: A::Object,
) -> Result<(), FlowError> {
    let event = Event::AccessDenied;
    plain::settle(gateway, allowed, object, &Facts::Absent, event).await.map(|_| ())
}
