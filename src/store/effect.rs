//! What one decision writes: its ledger entries and its rows, together or not at all.

use crate::audit::entry::Entry;
use crate::ids::{AccessRequestId, CaseId, RequestId, SupportFamilyId};
use crate::store::access::AccessRow;
use crate::store::approvals::ApprovalRow;
use crate::store::cases::{AssignmentRow, CaseChange, FactsRow, ReleaseRow};
use crate::store::figures::SealedRows;
use crate::store::idempotency::IdempotencyRow;
use crate::store::identities::CorrectionRow;
use crate::store::links::LinkRow;
use crate::store::pairings::{EvaluationRow, PairingRow};
use crate::store::referrals::{AcceptedReferral, OutboxRow, ReferralChange};
use crate::store::reports::ReportRow;
use crate::store::support_families::{NewSupport, SupportChange, SupportReleaseRow};

/// Entries and rows of one decision.
#[derive(Debug)]
pub struct Effect {
    /// The request they belong to.
    pub request: RequestId,
    /// Ledger entries, in order.
    pub entries: Vec<Entry>,
    /// Rows.
    pub rows: Rows,
}

impl Effect {
    /// Nothing is written: a replay of what was written before.
    #[must_use]
    pub fn nothing(request: RequestId) -> Self {
        Self { request, entries: Vec::new(), rows: Rows::default() }
    }

    /// One entry and the rows that go with it.
    #[must_use]
    pub fn new(request: RequestId, entry: Entry, rows: Rows) -> Self {
        Self { request, entries: vec![entry], rows }
    }
}

/// Rows to write. Each field is a row of one table, or a change of one.
#[derive(Debug, Default)]
pub struct Rows {
    /// A referral with its case, keys and identity.
    pub accepted: Option<Box<AcceptedReferral>>,
    /// A new version of what decisions about a case rest on.
    pub facts: Option<FactsRow>,
    /// A new state or assignee of a case.
    pub case: Option<CaseChange>,
    /// A new status of a referral.
    pub referral: Option<ReferralChange>,
    /// An assignment.
    pub assignment: Option<AssignmentRow>,
    /// A release of an identity, about to happen.
    pub release: Option<ReleaseRow>,
    /// The memory of a request that creates.
    pub idempotency: Option<IdempotencyRow>,
    /// Messages to deliver.
    pub outbox: Vec<OutboxRow>,
    /// A new support family.
    pub support: Option<Box<NewSupport>>,
    /// A new state of a support family.
    pub support_change: Option<SupportChange>,
    /// An opening of who a support family is, about to happen.
    pub support_release: Option<SupportReleaseRow>,
    /// A new pairing.
    pub pairing: Option<PairingRow>,
    /// Where a pairing stands now.
    pub pairing_change: Option<PairingRow>,
    /// An evaluation.
    pub evaluation: Option<EvaluationRow>,
    /// A case to erase, at an instant in milliseconds since the epoch.
    pub erase: Option<(CaseId, i64)>,
    /// A support family to erase.
    pub erase_support: Option<SupportFamilyId>,
    /// A case whose family will not be counted from an instant on.
    pub object: Option<(CaseId, i64)>,
    /// A request to see what is kept.
    pub access: Option<AccessRow>,
    /// One that is answered, at an instant in milliseconds since the epoch.
    pub access_answered: Option<(AccessRequestId, i64)>,
    /// What was put right about a family.
    pub correction: Option<CorrectionRow>,
    /// A decision whether two cases are about one family.
    pub link: Option<LinkRow>,
    /// A version of a programme's report.
    pub report: Option<ReportRow>,
    /// An approval of a table beyond a contract.
    pub approval: Option<ApprovalRow>,
    /// Published figures, and what is written with them.
    pub figures: Option<Box<SealedRows>>,
}
