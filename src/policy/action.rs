//! Every action of `policies/schema.cedarschema`, one zero-sized type each.
//!
//! The engine refuses to start when this list and the schema differ.

use crate::domain::access::Field;
use crate::domain::municipality::Municipality;
use crate::ids::{CaseId, PartnerId, ReferralId, SupportFamilyId};
use std::fmt;

mod sealed {
    pub trait Sealed {}
}

/// Something a caller can ask for. Sealed: an action exists here and in the schema, or not at all.
pub trait Action: sealed::Sealed + Send + Sync + 'static {
    /// What the action is done to.
    type Object: Object;
    /// Name in the schema.
    const NAME: &'static str;
    /// The purpose a ledger entry gives for it, by role of `tests/data/access-matrix.json`.
    const PURPOSE: &'static str;
}

/// What an action is done to. Its key stands in the permit; it is not written to the ledger, which
/// knows cases by their audit reference.
pub trait Object: Copy + fmt::Debug + Eq + Send + Sync + 'static {
    /// Entity type in the schema.
    const ENTITY: &'static str;
    /// Entity id in the schema.
    fn key(&self) -> String;
}

impl Object for CaseId {
    const ENTITY: &'static str = "Buurtpoort::Case";
    fn key(&self) -> String {
        self.to_string()
    }
}

impl Object for ReferralId {
    const ENTITY: &'static str = "Buurtpoort::Referral";
    fn key(&self) -> String {
        self.to_string()
    }
}

impl Object for SupportFamilyId {
    const ENTITY: &'static str = "Buurtpoort::SupportFamily";
    fn key(&self) -> String {
        self.to_string()
    }
}

impl Object for PartnerId {
    const ENTITY: &'static str = "Buurtpoort::Partner";
    fn key(&self) -> String {
        self.to_string()
    }
}

impl Object for Municipality {
    const ENTITY: &'static str = "Buurtpoort::Gemeente";
    fn key(&self) -> String {
        self.to_string()
    }
}

impl Object for Field {
    const ENTITY: &'static str = "Buurtpoort::Field";
    fn key(&self) -> String {
        self.as_str().to_owned()
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident on $object:ty = $text:literal for $purpose:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
            impl sealed::Sealed for $name {}
            impl Action for $name {
                type Object = $object;
                const NAME: &'static str = $text;
                const PURPOSE: &'static str = $purpose;
            }
        )+

        /// Names of all actions, as in the schema.
        pub const NAMES: &[&str] = &[$($text),+];
    };
}

actions! {
    /// A referrer submits a referral.
    SubmitReferral on PartnerId = "submitReferral" for "referral";
    /// A referrer lists its own referrals.
    ListReferrals on PartnerId = "listReferrals" for "referral";
    /// A referrer reads the status of one of its referrals.
    ReadReferral on ReferralId = "readReferral" for "feedback";
    /// A referrer passes on a signature, a refusal or a withdrawal of consent.
    DecideReferralConsent on ReferralId = "decideReferralConsent" for "referral";
    /// A referrer takes a referral back.
    WithdrawReferral on ReferralId = "withdrawReferral" for "referral";
    /// A case manager reads how the goals of a plan stand.
    ReadGoals on ReferralId = "readGoals" for "coordination";
    /// A coordinator lists her cases, or an assigner the unassigned ones.
    ListCases on PartnerId = "listCases" for "intake";
    /// Who runs the programme sees how it goes in a gemeente, in counts.
    ReadProgress on PartnerId = "readProgress" for "monitoring";
    /// A coordinator reads a case, without names.
    ReadCase on CaseId = "readCase" for "intake";
    /// A coordinator opens the identity behind a case.
    ReleaseIdentity on CaseId = "releaseIdentity" for "intake";
    /// Who opened the identity, when and why.
    ListReleases on CaseId = "listReleases" for "audit";
    /// A coordinator passes on a decision about consent.
    DecideCaseConsent on CaseId = "decideCaseConsent" for "intake";
    /// A coordinator moves a case along.
    TransitionCase on CaseId = "transitionCase" for "intake";
    /// A coordinator has support families proposed for a case.
    ProposeSupport on CaseId = "proposeSupport" for "pairing";
    /// A coordinator introduces a family to a support family.
    PairCase on CaseId = "pairCase" for "pairing";
    /// A coordinator moves a pairing along, or ends it.
    MovePairing on CaseId = "movePairing" for "pairing";
    /// A coordinator sees the pairings of a case.
    ListPairings on CaseId = "listPairings" for "pairing";
    /// A coordinator evaluates a pairing.
    EvaluatePairing on CaseId = "evaluatePairing" for "monitoring";
    /// A coordinator says where a goal of the plan stands.
    ChangeGoals on CaseId = "changeGoals" for "coordination";
    /// A coordinator sees which cases may be about the same family.
    ListLinks on CaseId = "listLinks" for "intake";
    /// A coordinator links two cases, keeps them apart, or takes that back.
    DecideLink on CaseId = "decideLink" for "intake";
    /// A coordinator corrects what is kept of a family.
    CorrectCase on CaseId = "correctCase" for "access-request";
    /// A coordinator sees to the request of somebody to see what is kept of them.
    SeeToAccess on CaseId = "seeToAccess" for "access-request";
    /// A coordinator has a family erased.
    EraseCase on CaseId = "eraseCase" for "access-request";
    /// A coordinator passes on that a family will not be counted.
    ObjectToStatistics on CaseId = "objectToStatistics" for "access-request";
    /// A support family is registered.
    RegisterSupportFamily on PartnerId = "registerSupportFamily" for "pairing";
    /// A coordinator looks for support families.
    ListSupportFamilies on PartnerId = "listSupportFamilies" for "pairing";
    /// A coordinator reads what a support family offers, without its name.
    ReadSupportFamily on SupportFamilyId = "readSupportFamily" for "pairing";
    /// A coordinator screens a support family, or lets it go.
    TransitionSupportFamily on SupportFamilyId = "transitionSupportFamily" for "pairing";
    /// A coordinator opens who a support family is.
    ReleaseSupportIdentity on SupportFamilyId = "releaseSupportIdentity" for "pairing";
    /// A referrer reports the counts of its programme.
    ReportProgramme on PartnerId = "reportProgramme" for "statistics";
    /// An assigner hands a case to a coordinator.
    AssignCase on CaseId = "assignCase" for "assignment";
    /// An assigner sees to whom a case was handed.
    ListAssignments on CaseId = "listAssignments" for "assignment";
    /// A gemeente lists the releases of figures about itself.
    ListStatistics on PartnerId = "listStatistics" for "statistics";
    /// A gemeente reads what the figures mean.
    ReadDefinitions on PartnerId = "readDefinitions" for "statistics";
    /// A gemeente reads one release of figures.
    ReadStatistics on Municipality = "readStatistics" for "statistics";
    /// A partner takes the signed head of the ledger.
    ReadCheckpoint on PartnerId = "readCheckpoint" for "audit";
    /// A privacy officer reads the ledger.
    ListAuditEntries on PartnerId = "listAuditEntries" for "audit";
    /// A privacy officer takes the proof that one entry is in it.
    ReadAuditProof on PartnerId = "readAuditProof" for "audit";
    /// A privacy officer takes the proof that it only grew.
    ReadAuditConsistency on PartnerId = "readAuditConsistency" for "audit";
    /// An operator sees which messages were delivered; nothing of what is in them.
    ListDeliveries on PartnerId = "listDeliveries" for "operations";
    /// An operator has a message tried again.
    RetryDelivery on PartnerId = "retryDelivery" for "operations";
    /// May a field group be seen this clearly? Asked within another action, by [`Sight`].
    ///
    /// [`Sight`]: crate::policy::sight::Sight
    SeeField on Field = "seeField" for "operations";
}
