//! Identifiers: made in one place, each kind its own type.
//!
//! Rows that are listed in order of arrival get `UUIDv7`. What the outside must not be able to order or
//! relate (cases, persons, audit references) is random (`UUIDv4`): a case id tells nothing about when
//! the referral came.

use std::fmt;
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $make:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier.
            #[must_use]
            pub fn new() -> Self {
                Self($make)
            }

            /// The identifier as it came from a row or a path.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The identifier as a row holds it.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// One referral, as its referrer knows it. Says nothing about the case it became.
    ReferralId,
    random()
);
id!(
    /// One case, as the coordinator's organisation knows it.
    CaseId,
    random()
);
id!(
    /// One partner in the register.
    PartnerId,
    ordered()
);
id!(
    /// One family, inside the erasable zone; never leaves the gateway except as a pseudonym.
    FamilyId,
    random()
);
id!(
    /// The name under which the ledger speaks of one case.
    AuditReference,
    random()
);
id!(
    /// One release of an identity.
    ReleaseId,
    ordered()
);
id!(
    /// One support family. Its key and its sealed identity stand under this id.
    SupportFamilyId,
    random()
);
id!(
    /// One pairing of a family and a support family.
    PairingId,
    random()
);
id!(
    /// One request of a family to see what is kept of it.
    AccessRequestId,
    ordered()
);
id!(
    /// One evaluation of a pairing.
    EvaluationId,
    ordered()
);
id!(
    /// One version of a programme's report.
    ReportId,
    ordered()
);
id!(
    /// One published set of figures.
    StatisticsReleaseId,
    ordered()
);
id!(
    /// One request, made by the server, in every answer and log line.
    RequestId,
    ordered()
);
id!(
    /// One message waiting in the outbox.
    DeliveryId,
    ordered()
);

#[expect(clippy::disallowed_methods, reason = "the one place where identifiers are made")]
fn random() -> Uuid {
    Uuid::new_v4()
}

#[expect(clippy::disallowed_methods, reason = "the one place where identifiers are made")]
fn ordered() -> Uuid {
    Uuid::now_v7()
}
