//! What points at a person: sealed types that cannot be printed, cloned or serialised.
//!
//! An identity travels through the gateway as one [`Disclosure`] per field group: text made by the
//! edge that received it, sealed under the case key, and read back only by the edge that answers the
//! assigned coordinator. The floors between carry it without looking.

use crate::domain::words::words;
use std::fmt;
use zeroize::Zeroizing;

words! {
    /// The field groups of the access matrix (`tests/data/access-matrix.json`) that are kept sealed.
    FieldGroup {
        /// Names of the subjects.
        Names = "names",
        /// Dates of birth.
        BirthDate = "birth-date",
        /// Street, number, postcode, town.
        Address = "address",
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
        /// Composition of the household and its children by age band.
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
        /// The professional who referred.
        Referrer = "referrer",
        /// The referrer's own reference for the referral. Kept with the facts.
        Reference = "reference",
        /// The registrant's own name, apart from the others: all that stage `contact` may show.
        Registrant = "registrant",
        /// What is shown before the identity is opened. Kept with the facts, not with the identity.
        Summary = "summary",
    }
}

/// Text that is about somebody. Wiped when dropped; opened only by [`reveal`](Self::reveal).
///
/// It cannot be copied by accident, shown, or serialised:
/// ```compile_fail
/// # use buurtpoort::domain::identity::Secret;
/// let copy = Secret::new(String::new()).clone();
/// ```
/// ```compile_fail
/// # use buurtpoort::domain::identity::Secret;
/// let shown = Secret::new(String::new()).to_string();
/// ```
/// ```compile_fail
/// # use buurtpoort::domain::identity::Secret;
/// let wire = serde_json::to_string(&Secret::new(String::new()));
/// ```
/// It opens through its one door:
/// ```
/// # use buurtpoort::domain::identity::Secret;
/// assert_eq!(Secret::new("x".to_owned()).reveal(), "x");
/// ```
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The one door to the text; `git grep reveal` shows everyone who goes through it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The same text in a box of its own, on its way back into a seal. Not `Clone`: a copy is a decision.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::new(self.reveal().to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The text of one field group of one case, as the edge wrote it and will read it.
#[derive(Debug)]
pub struct Disclosure {
    /// Which group.
    pub group: FieldGroup,
    /// Its content.
    pub content: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("Fam. Proefpersoon".to_owned());
        let shown = format!("{:?}", Disclosure { group: FieldGroup::Names, content: secret });
        assert!(!shown.contains("Proefpersoon"));
        assert!(shown.contains("Names"), "the group itself may be told");
    }
}
