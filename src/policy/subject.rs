//! Who is asking, as the edges established it from the certificate and the token.

use crate::domain::municipality::Municipality;
use crate::domain::partner::{PartnerKind, Role, Slug};
use crate::domain::partner_number::PartnerNumber;
use crate::ids::{PartnerId, RequestId};

/// The authenticated caller of one request. Holds no secret: the token itself is gone.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The partner behind the certificate.
    pub partner: PartnerId,
    /// Its OIN or URA.
    pub number: PartnerNumber,
    /// Its short name.
    pub partner_name: Slug,
    /// Its kind.
    pub kind: PartnerKind,
    /// The account, unique within the partner.
    pub person: Slug,
    /// Roles of the token that the partner's kind may hold.
    pub roles: Vec<Role>,
    /// Gemeenten the partner is, or works for.
    pub municipalities: Vec<Municipality>,
    /// Whether what the caller shows is bound to where it is shown: a token to this connection's certificate, or a
    /// session of the portal to a cookie that no script, no other origin and no API call can use (decision 0016).
    pub bound: bool,
    /// SHA-256 of the certificate; nothing on the portal, where none is asked for.
    pub certificate: Option<[u8; 32]>,
    /// Keyed hash of the token's `jti` or of the session: finds either in the ledger without naming it.
    pub token: [u8; 32],
    /// Pseudonym of the account for the ledger.
    pub pseudonym: String,
    /// Version of the register by which the caller was admitted.
    pub register: i64,
    /// The request.
    pub request: RequestId,
    /// Keyed hash of the request's W3C trace id, 32 hex digits.
    pub trace: String,
}

impl Subject {
    /// Entity id of the caller in a role: partner and account.
    #[must_use]
    pub fn key(&self) -> String {
        account_key(self.partner, &self.person)
    }
}

/// Entity id of an account at a partner.
#[must_use]
pub fn account_key(partner: PartnerId, person: &Slug) -> String {
    format!("{partner}/{}", person.as_str())
}
