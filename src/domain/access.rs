//! The words of the access matrix (`tests/data/access-matrix.json`): what may be seen, how clearly, for
//! what, and on which conditions.
//!
//! For whoever decides or reads field access. Invariant: the spellings are those of the contract. Absent:
//! who may see what, which stands in `policies/fields.cedar`.

use crate::domain::identity::FieldGroup;
use crate::domain::words::words;

words! {
    /// A field group of the access matrix.
    Field {
        /// The professional who referred.
        Referrer = "referrer",
        /// Names of the subjects.
        Names = "names",
        /// Dates of birth.
        BirthDate = "birth-date",
        /// Ages in bands.
        AgeBand = "age-band",
        /// Street, number, postcode, town.
        Address = "address",
        /// Gemeente and wijk.
        Area = "area",
        /// Telephone and e-mail.
        ContactDetails = "contact-details",
        /// Whether the address must stay hidden from other families.
        AddressConfidential = "address-confidential",
        /// The language the family is best reached in.
        PreferredLanguage = "preferred-language",
        /// Who holds authority over the children.
        Authority = "authority",
        /// How and where consent was given.
        ConsentEvidence = "consent-evidence",
        /// Where consent stands.
        ConsentStatus = "consent-status",
        /// Composition of the household.
        Household = "household",
        /// What is asked for, in codes and dayparts.
        SupportRequestCodes = "support-request-codes",
        /// What is asked for, in words.
        SupportRequestText = "support-request-text",
        /// What to mind during a visit.
        HealthAttentionPoints = "health-attention-points",
        /// Whether the coordinator must call the referrer before the family.
        SafetySignal = "safety-signal",
        /// Reference, version and dates of the plan.
        PlanReference = "plan-reference",
        /// The goals of the plan in which Buurtgezinnen has a part.
        PlanGoals = "plan-goals",
        /// Where referral and case stand.
        CaseStatus = "case-status",
        /// The support family and the course of the pairing.
        Pairing = "pairing",
        /// What came of it.
        Evaluations = "evaluations",
        /// Who looked, when and for what.
        Logs = "logs",
        /// Keys, and what ties a pseudonym to a person.
        KeysAndIdentityMap = "keys-and-identity-map",
    }
}

impl Field {
    /// The field group of the matrix that a sealed group belongs to; none for what is kept with the facts.
    #[must_use]
    pub fn of(group: FieldGroup) -> Option<Self> {
        match group {
            FieldGroup::Registrant => Some(Self::Names),
            other => Self::parse(other.as_str()).ok(),
        }
    }
}

words! {
    /// How clearly a field group may be seen.
    Level {
        /// Sent in, and not shown again.
        SubmitOnly = "submit-only",
        /// As it was sent.
        Clear = "clear",
        /// Where something stands, and nothing of its content.
        StatusOnly = "status-only",
        /// Without what names anybody.
        Pseudonymised = "pseudonymised",
        /// Coarser than it was sent.
        Generalised = "generalised",
        /// Counted, and protected against disclosure.
        Aggregate = "aggregate",
        /// As it was sent, and may be changed.
        ReadWrite = "read-write",
    }
}

words! {
    /// For what something is seen.
    Use {
        /// Referring.
        Referral = "referral",
        /// Hearing what became of a referral.
        Feedback = "feedback",
        /// Working together on a plan.
        Coordination = "coordination",
        /// Giving a case to a coordinator.
        Assignment = "assignment",
        /// Getting to know a family.
        Intake = "intake",
        /// Pairing it with a support family.
        Pairing = "pairing",
        /// Staying in touch.
        Monitoring = "monitoring",
        /// Counting.
        Statistics = "statistics",
        /// Checking who looked.
        Audit = "audit",
        /// Running the gateway.
        Operations = "operations",
        /// Answering somebody who asks what is kept about them.
        AccessRequest = "access-request",
    }
}

words! {
    /// A condition of the matrix. Each is a fact that was established before anybody asks the policies.
    Condition {
        /// The referral is of the caller's own organisation.
        OwnPartner = "own-partner",
        /// The family consented to feedback to the referrer.
        FeedbackConsent = "consent.feedback",
        /// The family consented to coordination of its plan.
        CoordinationConsent = "consent.coordination",
        /// The caller's organisation takes part in the plan.
        PlanParticipant = "plan-participant",
        /// The case is assigned to the caller.
        Assigned = "assigned",
        /// Consent covers this field group for this purpose at this instant.
        ConsentValid = "consent-valid",
        /// The token is bound to the certificate of this connection.
        TokenBound = "token-bound",
        /// The disclosure is in the ledger before anything is answered.
        Logged = "logged",
        /// Consent to health data was explicit.
        HealthExplicit = "consent.health-explicit",
        /// Small cells are hidden and figures rounded.
        DisclosureProtected = "disclosure-protected",
        /// Who asks for their own data has shown who they are.
        IdentityVerified = "identity-verified",
        /// What is about others was looked at before it is shown.
        RightsOfOthersChecked = "rights-of-others-checked",
        /// A privacy officer has looked at it first.
        OfficerReview = "privacy-officer-review",
    }
}

/// The conditions that hold. Empty unless said otherwise.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Conditions(u16);

impl Conditions {
    /// Exactly these.
    #[must_use]
    pub fn of(held: &[Condition]) -> Self {
        held.iter().fold(Self::default(), |all, one| all.with(*one, true))
    }

    /// With one more, if it holds.
    #[must_use]
    pub fn with(self, one: Condition, holds: bool) -> Self {
        if holds { Self(self.0 | Self::bit(one)) } else { Self(self.0 & !Self::bit(one)) }
    }

    /// Whether it holds.
    #[must_use]
    pub fn has(self, one: Condition) -> bool {
        self.0 & Self::bit(one) != 0
    }

    fn bit(one: Condition) -> u16 {
        let place = Condition::ALL.iter().position(|other| *other == one);
        place.and_then(|place| u32::try_from(place).ok()).map_or(0, |place| 1 << place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sealed_group_but_those_kept_with_the_facts_is_of_the_matrix() {
        let outside: Vec<_> =
            FieldGroup::ALL.iter().filter(|group| Field::of(**group).is_none()).collect();
        assert_eq!(outside, [&FieldGroup::Reference, &FieldGroup::Summary]);
        assert_eq!(Field::of(FieldGroup::PlanGoals), Some(Field::PlanGoals));
        assert_eq!(Field::of(FieldGroup::Registrant), Some(Field::Names));
    }

    #[test]
    fn conditions_hold_one_by_one() {
        for &one in Condition::ALL {
            let alone = Conditions::of(&[one]);
            for &other in Condition::ALL {
                assert_eq!(alone.has(other), other == one);
            }
            assert_eq!(alone.with(one, false), Conditions::default());
        }
    }
}
