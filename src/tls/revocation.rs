//! Which certificates their issuers took back.
//!
//! The handshake checks revocation itself; this is the same knowledge in the form of a hash set,
//! asked at every request, so that an open connection ends with its certificate. What is not known
//! is refused: an issuer without a list, or with a list past its next update, vouches for nobody.
//!
//! # Not here
//! Fetching lists, and OCSP: lists are files that the operator's own job keeps up to date.

use crate::clock::from_millisecond;
use crate::tls::peer::{PeerCertificate, PeerRefusal, significant};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use std::collections::{HashMap, HashSet};
use x509_parser::prelude::{ASN1Time, CertificateRevocationList, FromDer, X509Certificate};

/// The revocation lists now in force, by issuer.
#[derive(Debug, Default)]
pub struct Revocations {
    by_issuer: HashMap<Vec<u8>, List>,
}

#[derive(Debug)]
struct List {
    this_update: Timestamp,
    next_update: Timestamp,
    revoked: HashSet<Box<[u8]>>,
}

/// Why a set of revocation lists is refused as a whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ListFault {
    /// Not one well-formed list.
    #[error("must be one well-formed X.509 revocation list")]
    Malformed,
    /// No next update, so nobody could tell when it lapses.
    #[error("must say when its next update is due")]
    NoNextUpdate,
    /// Signed by none of the client authorities.
    #[error("must be signed by one of the client certificate authorities")]
    ForeignIssuer,
    /// An authority without a list: its certificates could not be revoked.
    #[error("must cover every client certificate authority")]
    AuthorityWithoutList,
    /// Past its next update when it was to replace a list in force.
    #[error("must not have expired")]
    Expired,
    /// Issued before the list in force.
    #[error("must not be older than the list in force")]
    Older,
}

impl Revocations {
    /// Reads `lists`, each of which one of `authorities` must have signed, and which together must
    /// cover all of them. Expired lists are read: [`Revocations::check`] then refuses everyone.
    ///
    /// # Errors
    /// The first list, or absence of one, that breaks a rule.
    pub fn read(
        lists: &[CertificateRevocationListDer<'_>],
        authorities: &[CertificateDer<'_>],
    ) -> Result<Self, ListFault> {
        let authorities = authorities
            .iter()
            .map(|der| X509Certificate::from_der(der).map(|(_, certificate)| certificate))
            .collect::<Result<Vec<_>, _>>()
            .or(Err(ListFault::ForeignIssuer))?;
        let mut all = Self::default();
        for der in lists {
            all.add(der, &authorities)?;
        }
        let covered = |authority: &X509Certificate<'_>| {
            all.by_issuer.contains_key(authority.subject().as_raw())
        };
        if authorities.iter().all(covered) { Ok(all) } else { Err(ListFault::AuthorityWithoutList) }
    }

    fn add(&mut self, der: &[u8], authorities: &[X509Certificate<'_>]) -> Result<(), ListFault> {
        let (rest, list) =
            CertificateRevocationList::from_der(der).or(Err(ListFault::Malformed))?;
        if !rest.is_empty() {
            return Err(ListFault::Malformed);
        }
        if !signed_by_one_of(authorities, &list) {
            return Err(ListFault::ForeignIssuer);
        }
        let issuer = list.issuer().as_raw().to_vec();
        let this_update = instant(list.last_update())?;
        let next_update = instant(list.next_update().ok_or(ListFault::NoNextUpdate)?)?;
        let revoked = list
            .iter_revoked_certificates()
            .map(|entry| Box::from(significant(entry.raw_serial())));
        let held = self.by_issuer.entry(issuer).or_insert_with(|| List {
            this_update,
            next_update,
            revoked: HashSet::new(),
        });
        // Two lists of one name (an authority that changed its key) lapse together.
        held.this_update = held.this_update.min(this_update);
        held.next_update = held.next_update.min(next_update);
        held.revoked.extend(revoked);
        Ok(())
    }

    /// Whether these lists may replace `previous` at `now`: an expired one would shut everyone out,
    /// an older one could bring back a certificate that was revoked.
    ///
    /// # Errors
    /// [`ListFault::Expired`] or [`ListFault::Older`].
    pub(crate) fn may_replace(&self, previous: &Self, now: Timestamp) -> Result<(), ListFault> {
        for (issuer, list) in &self.by_issuer {
            let before = previous.by_issuer.get(issuer);
            if list.next_update < now {
                return Err(ListFault::Expired);
            }
            if before.is_some_and(|before| list.this_update < before.this_update) {
                return Err(ListFault::Older);
            }
        }
        Ok(())
    }

    /// Whether `peer` is in good standing with its issuer at `now`.
    ///
    /// # Errors
    /// [`PeerRefusal::UnknownIssuer`], [`PeerRefusal::ListExpired`] or [`PeerRefusal::Revoked`].
    pub fn check(&self, peer: &PeerCertificate, now: Timestamp) -> Result<(), PeerRefusal> {
        self.standing(peer.issuer(), peer.serial(), now)
    }

    /// As [`Self::check`], of a certificate of which only this is known.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn standing(
        &self,
        issuer: &[u8],
        serial: &[u8],
        now: Timestamp,
    ) -> Result<(), PeerRefusal> {
        let list = self.by_issuer.get(issuer).ok_or(PeerRefusal::UnknownIssuer)?;
        if now > list.next_update {
            Err(PeerRefusal::ListExpired)
        } else if list.revoked.contains(serial) {
            Err(PeerRefusal::Revoked)
        } else {
            Ok(())
        }
    }

    /// The number of certificates revoked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_issuer.values().map(|list| list.revoked.len()).sum()
    }

    /// Whether no certificate is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the first of the lists lapses; the epoch where there is none.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        let instants = self.by_issuer.values().map(|list| list.next_update);
        instants.min().unwrap_or(from_millisecond(0))
    }
}

fn signed_by_one_of(
    authorities: &[X509Certificate<'_>],
    list: &CertificateRevocationList<'_>,
) -> bool {
    authorities.iter().any(|authority| {
        authority.subject().as_raw() == list.issuer().as_raw()
            && list.verify_signature(authority.public_key()).is_ok()
    })
}

fn instant(time: ASN1Time) -> Result<Timestamp, ListFault> {
    Timestamp::from_second(time.timestamp()).or(Err(ListFault::Malformed))
}
