//! The development authority's key and what it signs; memory only.
//!
//! P-256 throughout. Each authority has its own name, with part of its key's digest in it, so that
//! two authorities can be trusted side by side while one replaces the other.

use super::PkiError;
use crate::domain::partner_number::PartnerNumber;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationList,
    CertificateRevocationListParams, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, OtherNameValue, RevokedCertParams, SanType,
    SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const AUTHORITY_VALIDITY: SignedDuration = SignedDuration::from_hours(3 * 365 * 24);
const LEAF_VALIDITY: SignedDuration = SignedDuration::from_hours(762 * 24);
const SUBJECT_SERIAL_NUMBER: [u64; 4] = [2, 5, 4, 5];
const UZI_NAME: [u64; 4] = [2, 5, 5, 5];

/// What a partner's certificate is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LeafKind {
    /// Calling the gateway.
    Client,
    /// Receiving deliveries of the gateway, on this machine.
    Receiver,
}

/// A certificate and its private key.
pub struct Issued {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
    not_after: Timestamp,
}

/// The key and certificate of a development authority.
pub struct Authority {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(..)")
    }
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issued(..)")
    }
}

impl Issued {
    /// The certificate in DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key, PKCS #8 in DER.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// The private key, PKCS #8 in PEM.
    #[must_use]
    pub fn key_pem(&self) -> zeroize::Zeroizing<String> {
        zeroize::Zeroizing::new(self.key.serialize_pem())
    }

    /// The last second of the validity given when it was issued.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

impl Authority {
    /// A new authority, valid for 3 years from `now`.
    ///
    /// # Errors
    /// What the library refuses, or [`PkiError::Clock`].
    pub fn create(now: Timestamp) -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        set_validity(&mut params, now, AUTHORITY_VALIDITY)?;
        let mut name = "Buurtpoort development CA ".to_owned();
        for byte in params.key_identifier(&key).iter().take(4) {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// An authority made earlier.
    ///
    /// # Errors
    /// [`PkiError::Certificate`] if either text is not what [`Authority::create`] made.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, PkiError> {
        let key = KeyPair::from_pem(key)?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .or(Err(rcgen::Error::CouldNotParseCertificate))?;
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(&der, key)?,
            certificate: der,
            certificate_pem: certificate.to_owned(),
        })
    }

    /// Its certificate in DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its certificate in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its private key, PKCS #8 in PEM.
    #[must_use]
    pub fn key_pem(&self) -> zeroize::Zeroizing<String> {
        zeroize::Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// A certificate for a partner: O and CN are `name`, an OIN goes into Subject.serialNumber, a
    /// URA into a UZI name. A receiver's certificate is good for this machine's names too.
    ///
    /// # Errors
    /// What the library refuses, or [`PkiError::Clock`].
    pub fn issue(
        &self,
        name: &str,
        number: &PartnerNumber,
        kind: LeafKind,
        now: Timestamp,
    ) -> Result<Issued, PkiError> {
        let number = Naming::of(number)?;
        let localhost = dns("localhost")?;
        self.issue_with(KeyPair::generate()?, now, |params| {
            params.distinguished_name.push(DnType::OrganizationName, name);
            params.distinguished_name.push(DnType::CommonName, name);
            number.put(params);
            if kind == LeafKind::Receiver {
                params.subject_alt_names.push(localhost);
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }
        })
    }

    /// The gateway's own certificate, for `localhost`, 127.0.0.1 and `::1`.
    ///
    /// # Errors
    /// What the library refuses, or [`PkiError::Clock`].
    pub fn issue_server(&self, now: Timestamp) -> Result<Issued, PkiError> {
        let localhost = dns("localhost")?;
        self.issue_with(KeyPair::generate()?, now, |params| {
            params.distinguished_name.push(DnType::CommonName, "localhost");
            params.subject_alt_names = vec![
                localhost,
                SanType::IpAddress(Ipv4Addr::LOCALHOST.into()),
                SanType::IpAddress(Ipv6Addr::LOCALHOST.into()),
            ];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })
    }

    /// A certificate for `key`, by default a nameless client's, valid for 762 days from `now`;
    /// `shape` may change anything before it is signed.
    ///
    /// # Errors
    /// What the library refuses, or [`PkiError::Clock`].
    pub fn issue_with(
        &self,
        key: KeyPair,
        now: Timestamp,
        shape: impl FnOnce(&mut CertificateParams),
    ) -> Result<Issued, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        set_validity(&mut params, now, LEAF_VALIDITY)?;
        shape(&mut params);
        let not_after = Timestamp::from_second(params.not_after.unix_timestamp());
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key,
            not_after: not_after.or(Err(PkiError::Clock))?,
        })
    }

    /// A revocation list with `revoked` (serial number, instant), good from `now` until `until`;
    /// `number` must be higher than that of the list before.
    ///
    /// # Errors
    /// What the library refuses, or [`PkiError::Clock`].
    pub fn revocation_list(
        &self,
        revoked: &[(Vec<u8>, Timestamp)],
        number: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<CertificateRevocationList, PkiError> {
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let mut entries = Vec::with_capacity(revoked.len());
        for (serial, at) in revoked {
            entries.push(RevokedCertParams {
                serial_number: SerialNumber::from_slice(serial),
                revocation_time: epoch + since_epoch(*at)?,
                reason_code: None,
                invalidity_date: None,
            });
        }
        let params = CertificateRevocationListParams {
            this_update: epoch + since_epoch(now)?,
            next_update: epoch + since_epoch(until)?,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: entries,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.issuer)?)
    }
}

/// Where a partner number goes in a certificate, with its strings already checked.
enum Naming {
    Subject(DnValue),
    Alternative(SanType),
}

impl Naming {
    fn of(number: &PartnerNumber) -> Result<Self, PkiError> {
        Ok(match number {
            PartnerNumber::Oin(oin) => {
                Self::Subject(DnValue::PrintableString(oin.as_str().try_into()?))
            }
            PartnerNumber::Ura(ura) => {
                let name = format!("2.16.528.1.1007.99.218-1-000000001-S-{ura}-00.000-00000000");
                let name = OtherNameValue::Utf8String(name);
                Self::Alternative(SanType::OtherName((UZI_NAME.to_vec(), name)))
            }
        })
    }

    fn put(self, params: &mut CertificateParams) {
        match self {
            Self::Subject(value) => {
                let kind = DnType::CustomDnType(SUBJECT_SERIAL_NUMBER.to_vec());
                params.distinguished_name.push(kind, value);
            }
            Self::Alternative(name) => params.subject_alt_names.push(name),
        }
    }
}

fn dns(name: &str) -> Result<SanType, PkiError> {
    Ok(SanType::DnsName(name.try_into()?))
}

fn set_validity(
    params: &mut CertificateParams,
    from: Timestamp,
    term: SignedDuration,
) -> Result<(), PkiError> {
    let until = from.checked_add(term).or(Err(PkiError::Clock))?;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(from)?;
    params.not_after = epoch + since_epoch(until)?;
    Ok(())
}

/// Whole seconds since 1970. The bound keeps the library's calendar from overflowing.
fn since_epoch(instant: Timestamp) -> Result<Duration, PkiError> {
    const YEAR_9000: u64 = 221_845_392_000;
    let seconds = u64::try_from(instant.as_second()).or(Err(PkiError::Clock))?;
    if seconds < YEAR_9000 { Ok(Duration::from_secs(seconds)) } else { Err(PkiError::Clock) }
}
