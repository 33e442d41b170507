//! The closed lists of events and outcomes.
//!
//! For whoever writes or counts entries. Invariant: the texts are stored for ever and never change
//! meaning. Absent: severity and wording, which belong to the reader.

/// What kind of thing an entry records.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Event {
    /// A referral was taken in.
    ReferralAccepted,
    /// A referral was refused; nothing of it was kept.
    ReferralRefused,
    /// A referral was withdrawn.
    ReferralWithdrawn,
    /// An identity is about to be shown; committed before anything is decrypted.
    ReleaseIntent,
    /// The identity was sent.
    ReleaseDone,
    /// The identity was not, or not wholly, sent.
    ReleaseAborted,
    /// An access was refused.
    AccessDenied,
    /// As many more accesses were refused to one actor within a minute as the field `count` says.
    AccessDeniedMore,
    /// A consent was given.
    ConsentGiven,
    /// A consent was refused.
    ConsentRefused,
    /// A consent was withdrawn.
    ConsentWithdrawn,
    /// A case was assigned.
    AssignmentMade,
    /// A case was read, without identity.
    CaseRead,
    /// A case changed state.
    CaseTransition,
    /// A statistics release was published.
    StatsPublished,
    /// A statistics release was read.
    StatsRead,
    /// A policy set was loaded.
    PolicyLoaded,
    /// A token was issued.
    TokenIssued,
    /// A partner was added, changed or blocked.
    PartnerChanged,
    /// A key was rotated.
    KeyRotated,
    /// A case was erased.
    EraseDone,
    /// The ledger was read.
    AuditRead,
    /// The ledger could not be written for as many milliseconds as the field `gap-ms` says, and can again.
    AuditResumed,
    /// A restore of an older state was acknowledged.
    RestoreAcknowledged,
    /// The configuration changed.
    ConfigChanged,
    /// An operator acted by the command line.
    OperatorAction,
    /// A support family was registered.
    SupportRegistered,
    /// Support families were listed, or one read, without identity.
    SupportRead,
    /// A support family changed state.
    SupportMoved,
    /// Somebody asked to see what is kept of them.
    AccessRequested,
    /// A family was introduced to a support family. The reason ends in the state its case came to.
    PairingMade,
    /// A pairing changed state. The reason ends in the state its case came to.
    PairingMoved,
    /// A pairing was evaluated.
    PairingEvaluated,
    /// Where a goal of a plan stands was changed.
    GoalsChanged,
    /// What is kept of a family was corrected.
    CaseCorrected,
    /// A family will not be counted in figures to come.
    StatisticsObjected,
    /// Two cases were said to be of one family, or not.
    LinkDecided,
    /// Counts of a programme were received.
    ReportReceived,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 38] = [
        Self::ReferralAccepted,
        Self::ReferralRefused,
        Self::ReferralWithdrawn,
        Self::ReleaseIntent,
        Self::ReleaseDone,
        Self::ReleaseAborted,
        Self::AccessDenied,
        Self::AccessDeniedMore,
        Self::ConsentGiven,
        Self::ConsentRefused,
        Self::ConsentWithdrawn,
        Self::AssignmentMade,
        Self::CaseRead,
        Self::CaseTransition,
        Self::StatsPublished,
        Self::StatsRead,
        Self::PolicyLoaded,
        Self::TokenIssued,
        Self::PartnerChanged,
        Self::KeyRotated,
        Self::EraseDone,
        Self::AuditRead,
        Self::AuditResumed,
        Self::RestoreAcknowledged,
        Self::ConfigChanged,
        Self::OperatorAction,
        Self::SupportRegistered,
        Self::SupportRead,
        Self::SupportMoved,
        Self::AccessRequested,
        Self::PairingMade,
        Self::PairingMoved,
        Self::PairingEvaluated,
        Self::GoalsChanged,
        Self::CaseCorrected,
        Self::StatisticsObjected,
        Self::LinkDecided,
        Self::ReportReceived,
    ];

    /// The text in the leaf and in the derived column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReferralAccepted => "referral.accepted",
            Self::ReferralRefused => "referral.refused",
            Self::ReferralWithdrawn => "referral.withdrawn",
            Self::ReleaseIntent => "release.intent",
            Self::ReleaseDone => "release.done",
            Self::ReleaseAborted => "release.aborted",
            Self::AccessDenied => "access.denied",
            Self::AccessDeniedMore => "access.denied-more",
            Self::ConsentGiven => "consent.given",
            Self::ConsentRefused => "consent.refused",
            Self::ConsentWithdrawn => "consent.withdrawn",
            Self::AssignmentMade => "assignment.made",
            Self::CaseRead => "case.read",
            Self::CaseTransition => "case.transition",
            Self::StatsPublished => "stats.published",
            Self::StatsRead => "stats.read",
            Self::PolicyLoaded => "policy.loaded",
            Self::TokenIssued => "token.issued",
            Self::PartnerChanged => "partner.changed",
            Self::KeyRotated => "key.rotated",
            Self::EraseDone => "erase.done",
            Self::AuditRead => "audit.read",
            Self::AuditResumed => "audit.resumed",
            Self::RestoreAcknowledged => "restore.acknowledged",
            Self::ConfigChanged => "config.changed",
            Self::OperatorAction => "operator.action",
            Self::SupportRegistered => "support.registered",
            Self::SupportRead => "support.read",
            Self::SupportMoved => "support.moved",
            Self::AccessRequested => "access.requested",
            Self::PairingMade => "pairing.made",
            Self::PairingMoved => "pairing.moved",
            Self::PairingEvaluated => "pairing.evaluated",
            Self::GoalsChanged => "goals.changed",
            Self::CaseCorrected => "case.corrected",
            Self::StatisticsObjected => "statistics.objected",
            Self::LinkDecided => "link.decided",
            Self::ReportReceived => "report.received",
        }
    }

    /// The inverse of [`Self::as_str`]; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Outcome {
    /// Allowed and done.
    Allow,
    /// Refused by a rule.
    Deny,
    /// Failed for another reason.
    Error,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Deny, Self::Error];

    /// The text in the leaf and in the derived column.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }

    /// The inverse of [`Self::as_str`]; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_are_distinct() {
        for event in Event::ALL {
            assert_eq!(Event::parse(event.as_str()), Some(event));
            assert!(super::super::Code::parse(event.as_str()).is_ok());
        }
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
        }
        assert_eq!(Event::parse("release"), None);
        assert_eq!(Outcome::parse("Allow"), None);
    }
}
