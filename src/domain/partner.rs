//! Partners of the gateway, the roles their people may hold, and what each partner may do.

use crate::domain::municipality::{District, Municipality};
use crate::domain::partner_number::PartnerNumber;
use crate::domain::referral::Source;
use crate::domain::words::words;
use crate::ids::PartnerId;

words! {
    /// What sort of organisation a partner is.
    PartnerKind {
        /// Refers families: wijkteam, POH-J, regieteam, doorbraakcoach, the website.
        Referrer = "referrer",
        /// Buurtgezinnen: coordinators and those who assign to them.
        Coordination = "coordination",
        /// A gemeente, which gets figures and never people.
        Municipality = "municipality",
        /// Privacy officers (FG) and auditors.
        Oversight = "oversight",
        /// Those who run the gateway; they see no data.
        Operations = "operations",
    }
}

words! {
    /// A role a token may carry.
    Role {
        /// Submits referrals and follows its own.
        Referrer = "referrer",
        /// Case manager of a regieteam: feedback on the goals of a plan.
        CaseManager = "case-manager",
        /// Lead coordinator, who assigns cases.
        Assigner = "assigner",
        /// Coordinator, who works with the families assigned.
        Coordinator = "coordinator",
        /// Policy adviser of a gemeente.
        Municipality = "municipality",
        /// Functionaris gegevensbescherming or auditor.
        PrivacyOfficer = "privacy-officer",
        /// Runs the gateway.
        Operator = "operator",
        /// Somebody who asks for their own data, through the coordinator's organisation. Decided about,
        /// never held: no token carries it.
        DataSubject = "data-subject",
    }
}

impl Role {
    /// Whether people of a partner of this kind may hold the role at all.
    #[must_use]
    pub const fn may_be_held_at(self, kind: PartnerKind) -> bool {
        matches!(
            (self, kind),
            (Self::Referrer | Self::CaseManager, PartnerKind::Referrer)
                | (Self::Assigner | Self::Coordinator, PartnerKind::Coordination)
                | (Self::Municipality, PartnerKind::Municipality)
                | (Self::PrivacyOfficer, PartnerKind::Oversight)
                | (Self::Operator, PartnerKind::Operations)
        )
    }

    /// The role the gateway's own token endpoint gives a partner system of this kind, where it gives
    /// one: never coordinator, assigner, privacy officer or operator, which belong to persons.
    #[must_use]
    pub const fn of_system(kind: PartnerKind) -> Option<Self> {
        match kind {
            PartnerKind::Referrer => Some(Self::Referrer),
            PartnerKind::Municipality => Some(Self::Municipality),
            PartnerKind::Coordination | PartnerKind::Oversight | PartnerKind::Operations => None,
        }
    }
}

words! {
    /// Whether a partner takes part at this moment.
    PartnerStatus {
        /// Takes part.
        Active = "active",
        /// Refused until further notice.
        Suspended = "suspended",
    }
}

/// Short name of a partner or a person's account: 1-64 characters of `a-z 0-9 . _ -`.
///
/// An account name is chosen by the organisation and is not meant to be a person's name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Slug(String);

/// Not a short name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be 1 to 64 characters of a-z, 0-9, dot, underscore and hyphen")]
pub struct NotASlug;

impl Slug {
    /// # Errors
    /// [`NotASlug`] for any other character or length.
    pub fn parse(text: &str) -> Result<Self, NotASlug> {
        let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
        if (1..=64).contains(&text.len()) && text.chars().all(ok) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotASlug)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Someone who signs tokens for one partner.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issuer {
    /// The exact `iss` of its tokens.
    pub iss: String,
    /// Its public keys, an RFC 7517 key set.
    pub jwks: String,
}

/// Where messages to a partner are delivered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// An https URL without query or fragment.
    pub url: String,
    /// Who issues the receiver's certificate, PEM. Nobody else's is taken.
    pub authorities: String,
    /// Whether it may be an address that is not public, such as one inside a gemeente's own network.
    pub allow_private: bool,
}

/// Somebody at a partner who may use the pages of the portal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    /// Account name.
    pub account: Slug,
    /// What the pages let them do.
    pub roles: Vec<Role>,
    /// SHA-256 of each public key by which they may sign in with a certificate; mostly none.
    pub pins: Vec<[u8; 32]>,
}

/// The `OpenID` provider that says who somebody of a partner is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignIn {
    /// The exact `iss`: an https URL without query or fragment.
    pub issuer: String,
    /// As whom the gateway is known there.
    pub client_id: String,
    /// Which claim of the id token holds the account name.
    pub claim: String,
    /// The `acr` that is asked for and required; empty where any will do.
    pub acr: String,
    /// Who issues the certificate of the provider, PEM. Nobody else's is taken.
    pub authorities: String,
}

/// An organisation in the register.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partner {
    /// Row id.
    pub id: PartnerId,
    /// Short name, such as `wijkteam-nijmegen`.
    pub name: Slug,
    /// Number in the certificate: OIN or URA.
    pub number: PartnerNumber,
    /// Sort of organisation.
    pub kind: PartnerKind,
    /// Takes part or not.
    pub status: PartnerStatus,
    /// SHA-256 of each public key it may connect with (two during a renewal).
    pub pins: Vec<[u8; 32]>,
    /// Who signs tokens for its people.
    pub issuers: Vec<Issuer>,
    /// In which capacity it may refer.
    pub sources: Vec<Source>,
    /// The gemeenten it is, or works for.
    pub municipalities: Vec<Municipality>,
    /// Where messages to it go, where it takes any.
    pub endpoint: Option<Endpoint>,
    /// Its people who may use the pages.
    pub people: Vec<Person>,
    /// Who says who they are; without it they sign in with a certificate, or by the links of a demo.
    pub sign_in: Option<SignIn>,
}

/// A piece of the map for which one coordinator works.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Territory {
    /// The coordinator's organisation.
    pub organisation: PartnerId,
    /// The gemeente.
    pub municipality: Municipality,
    /// One wijk of it, or all of it.
    pub district: Option<District>,
    /// The coordinator's account name.
    pub coordinator: Slug,
    /// Whether a new case goes to this coordinator by itself, or waits for the assigner's hand.
    pub automatic: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_belongs_to_one_kind_of_partner_and_a_data_subject_to_none() {
        for &role in Role::ALL {
            let kinds = PartnerKind::ALL.iter().filter(|kind| role.may_be_held_at(**kind));
            assert_eq!(kinds.count(), usize::from(role != Role::DataSubject), "{role:?}");
        }
    }

    #[test]
    fn no_system_is_given_a_persons_role() {
        let given: Vec<_> = PartnerKind::ALL.iter().filter_map(|k| Role::of_system(*k)).collect();
        assert_eq!(given, [Role::Referrer, Role::Municipality]);
    }

    #[test]
    fn slugs_are_short_and_plain() {
        assert!(Slug::parse("wijkteam-nijmegen").is_ok());
        for bad in ["", "Anna", "a b", "a/b", &"a".repeat(65)] {
            assert_eq!(Slug::parse(bad), Err(NotASlug));
        }
    }
}
