//! What a client certificate says about who is calling.
//!
//! The number of the organisation comes from Subject.serialNumber (OIN) or from the UZI name among
//! the subject alternative names (URA), never from the common name: anyone can be given any common
//! name. A certificate that names no number, or two, is nobody's. Fitness of the key is judged here
//! as well, so that a certificate refused at the door cannot be registered either.
//!
//! # Not here
//! Trust: chain, validity and revocation are checked by [`crate::tls::acceptor`].

use crate::domain::partner_number::{Oin, PartnerNumber, Ura};
use crate::tls::provider::sha256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use x509_parser::asn1_rs::{Any, Class, Tag};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

const SERIAL_NUMBER: &str = "2.5.4.5";
const UZI_NAME: &str = "2.5.5.5";
const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const ED25519: &str = "1.3.101.112";
const OIN_LENGTH: usize = 20;
const RSA_BITS: usize = 3072;

/// SHA-256 of a certificate's `SubjectPublicKeyInfo` (DER): the key itself, whatever certificate
/// carries it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SpkiPin(pub [u8; 32]);

/// SHA-256 of a whole certificate (DER), to which RFC 8705 binds tokens.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint(pub [u8; 32]);

/// Not 43 characters of unpadded base64url.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be a SHA-256 value in unpadded base64url: 43 characters")]
pub struct NotADigest;

impl SpkiPin {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`NotADigest`] for anything but 32 bytes in unpadded base64url.
    pub fn parse(text: &str) -> Result<Self, NotADigest> {
        digest(text).map(Self)
    }
}

impl Fingerprint {
    /// Reads the text of an `x5t#S256` member.
    ///
    /// # Errors
    /// [`NotADigest`] for anything but 32 bytes in unpadded base64url.
    pub fn parse(text: &str) -> Result<Self, NotADigest> {
        digest(text).map(Self)
    }

    /// The text of an `x5t#S256` member: unpadded base64url.
    #[must_use]
    pub fn x5t(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

fn digest(text: &str) -> Result<[u8; 32], NotADigest> {
    let bytes = URL_SAFE_NO_PAD.decode(text).or(Err(NotADigest))?;
    bytes.try_into().or(Err(NotADigest))
}

impl fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.x5t())
    }
}

/// Why a client certificate is refused. The texts name the rule and never what the certificate
/// holds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum PeerRefusal {
    /// Not one well-formed X.509 certificate.
    #[error("the client certificate must be one well-formed X.509 certificate")]
    Malformed,
    /// Neither an OIN nor a URA.
    #[error(
        "the client certificate must name an OIN in Subject.serialNumber or a URA in its UZI name"
    )]
    NoNumber,
    /// More than one number.
    #[error("the client certificate must name one OIN or one URA")]
    SeveralNumbers,
    /// A number in the right place with the wrong form.
    #[error(
        "the number in the client certificate must be an OIN of 20 digits or a UZI name with a URA"
    )]
    MalformedNumber,
    /// A key that is too small or of a kind not allowed.
    #[error("the client key must be RSA of 3072 bits or more, EC P-256 or P-384, or Ed25519")]
    WeakKey,
    /// A certificate that may sign other certificates.
    #[error("a certificate authority may not act as a client")]
    Authority,
    /// A wildcard or an address among the alternative names.
    #[error("the client certificate may not carry a wildcard or an IP address")]
    SharedName,
    /// Past its end of validity.
    #[error("the client certificate has expired")]
    Expired,
    /// On the revocation list of its issuer.
    #[error("the client certificate has been revoked")]
    Revoked,
    /// No revocation list of its issuer is loaded.
    #[error("the issuer of the client certificate must have a revocation list here")]
    UnknownIssuer,
    /// The revocation list of its issuer is past its next update.
    #[error("the revocation list of the issuer has expired")]
    ListExpired,
}

/// The caller's certificate, as far as the gateway uses it. Cheap to clone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerCertificate(Arc<Facts>);

#[derive(Debug, Eq, PartialEq)]
struct Facts {
    number: PartnerNumber,
    pin: SpkiPin,
    fingerprint: Fingerprint,
    issuer: Vec<u8>,
    serial: Vec<u8>,
    not_after: Timestamp,
}

impl PeerCertificate {
    /// Reads an end-entity certificate in DER.
    ///
    /// # Errors
    /// The first rule that the certificate breaks. Chain, revocation and time are not among them.
    pub fn read(der: &[u8]) -> Result<Self, PeerRefusal> {
        let (rest, certificate) = X509Certificate::from_der(der).or(Err(PeerRefusal::Malformed))?;
        if !rest.is_empty() {
            return Err(PeerRefusal::Malformed);
        }
        refuse_authority(&certificate)?;
        refuse_weak_key(certificate.public_key())?;
        let not_after = certificate.validity().not_after.timestamp();
        Ok(Self(Arc::new(Facts {
            number: number(&certificate)?,
            pin: SpkiPin(sha256(certificate.public_key().raw).ok_or(PeerRefusal::Malformed)?),
            fingerprint: Fingerprint(sha256(der).ok_or(PeerRefusal::Malformed)?),
            issuer: certificate.issuer().as_raw().to_vec(),
            serial: significant(certificate.raw_serial()).to_vec(),
            not_after: Timestamp::from_second(not_after).or(Err(PeerRefusal::Malformed))?,
        })))
    }

    /// The organisation's number.
    #[must_use]
    pub fn number(&self) -> PartnerNumber {
        self.0.number
    }

    /// The digest of its public key.
    #[must_use]
    pub fn pin(&self) -> SpkiPin {
        self.0.pin
    }

    /// The digest of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// The serial number that the issuer gave, big-endian without leading zeros.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// The last second of its validity.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// The issuer's distinguished name in DER, by which revocation lists are found.
    pub(crate) fn issuer(&self) -> &[u8] {
        &self.0.issuer
    }
}

/// An integer without its leading zeros: the form in which serial numbers are compared.
pub(crate) fn significant(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    serial.get(zeros..).unwrap_or_default()
}

fn refuse_authority(certificate: &X509Certificate<'_>) -> Result<(), PeerRefusal> {
    let constraints = certificate.basic_constraints().or(Err(PeerRefusal::Malformed))?;
    let usage = certificate.key_usage().or(Err(PeerRefusal::Malformed))?;
    let is_ca = constraints.is_some_and(|extension| extension.value.ca);
    let signs = usage.is_some_and(|extension| extension.value.key_cert_sign());
    if is_ca || signs { Err(PeerRefusal::Authority) } else { Ok(()) }
}

fn refuse_weak_key(key: &SubjectPublicKeyInfo<'_>) -> Result<(), PeerRefusal> {
    let curve = || {
        let parameters = key.algorithm.parameters.as_ref()?;
        Some(parameters.as_oid().ok()?.to_id_string())
    };
    let strong = match key.algorithm.algorithm.to_id_string().as_str() {
        RSA => rsa_bits(key).is_some_and(|bits| bits >= RSA_BITS),
        EC => curve().is_some_and(|curve| curve == P256 || curve == P384),
        ED25519 => true,
        _ => false,
    };
    if strong { Ok(()) } else { Err(PeerRefusal::WeakKey) }
}

/// The length of the modulus in bits, counted from its highest set bit.
fn rsa_bits(key: &SubjectPublicKeyInfo<'_>) -> Option<usize> {
    let PublicKey::RSA(rsa) = key.parsed().ok()? else {
        return None;
    };
    let modulus = significant(rsa.modulus);
    let unused = usize::try_from(modulus.first()?.leading_zeros()).ok()?;
    Some(modulus.len() * 8 - unused)
}

fn number(certificate: &X509Certificate<'_>) -> Result<PartnerNumber, PeerRefusal> {
    let mut found = oins(certificate)?;
    let names = certificate.subject_alternative_name().or(Err(PeerRefusal::Malformed))?;
    for name in names.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::OtherName(kind, value) if kind.to_id_string() == UZI_NAME => {
                found.push(PartnerNumber::Ura(ura(value)?));
            }
            GeneralName::DNSName(dns) if dns.contains('*') => return Err(PeerRefusal::SharedName),
            GeneralName::IPAddress(_) => return Err(PeerRefusal::SharedName),
            GeneralName::Invalid(..) => return Err(PeerRefusal::Malformed),
            _ => {}
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(PeerRefusal::NoNumber),
        _ => Err(PeerRefusal::SeveralNumbers),
    }
}

/// The OINs in the subject. A serialNumber of another length is not an OIN: UZI certificates carry
/// the number of the card there.
fn oins(certificate: &X509Certificate<'_>) -> Result<Vec<PartnerNumber>, PeerRefusal> {
    certificate
        .subject()
        .iter_attributes()
        .filter(|attribute| attribute.attr_type().to_id_string() == SERIAL_NUMBER)
        .map(|attribute| attribute.as_str().or(Err(PeerRefusal::Malformed)))
        .filter(|text| text.as_ref().map_or(true, |text| text.len() == OIN_LENGTH))
        .map(|text| {
            let oin = Oin::parse(text?).or(Err(PeerRefusal::MalformedNumber))?;
            Ok(PartnerNumber::Oin(oin))
        })
        .collect()
}

/// The URA in the value of a UZI name, `[0] EXPLICIT` around a character string.
fn ura(value: &[u8]) -> Result<Ura, PeerRefusal> {
    let (rest, outer) = Any::from_der(value).or(Err(PeerRefusal::MalformedNumber))?;
    let (inside, inner) = Any::from_der(outer.data).or(Err(PeerRefusal::MalformedNumber))?;
    let wrapped = outer.class() == Class::ContextSpecific && outer.tag() == Tag(0);
    let is_text = [Tag::Ia5String, Tag::Utf8String, Tag::PrintableString].contains(&inner.tag());
    if !(wrapped && is_text && rest.is_empty() && inside.is_empty()) {
        return Err(PeerRefusal::MalformedNumber);
    }
    let text = str::from_utf8(inner.data).or(Err(PeerRefusal::MalformedNumber))?;
    subscriber(text).ok_or(PeerRefusal::MalformedNumber)
}

/// `<OID CA>-<version>-<UZI number>-<card type>-<subscriber URA>-<role>-<AGB>`.
fn subscriber(text: &str) -> Option<Ura> {
    let parts: Vec<&str> = text.split('-').collect();
    let [authority, version, uzi, card, subscriber, role, agb] = parts.as_slice() else {
        return None;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let dotted = |text: &str| text.split('.').all(digits);
    let well_formed = dotted(authority)
        && digits(version)
        && digits(uzi)
        && card.len() == 1
        && card.bytes().all(|byte| byte.is_ascii_uppercase())
        && dotted(role)
        && digits(agb);
    if well_formed { Ura::parse(subscriber).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subscriber_of_a_uzi_name_is_its_fifth_part() {
        let name = "2.16.528.1.1003.1.3.5.5.2-1-12345678-S-90000111-00.000-00000000";
        assert_eq!(subscriber(name).unwrap().as_str(), "90000111");
        for bad in [
            "",
            "90000111",
            "2.16-1-12345678-S-9000011-00.000-00000000",
            "2.16-1-12345678-S-90000111-00.000",
            "2.16-1-12345678-S-90000111-00.000-00000000-1",
            "2..16-1-12345678-S-90000111-00.000-00000000",
            "2.16-1-12345678-s-90000111-00.000-00000000",
            "2.16-1--S-90000111-00.000-00000000",
        ] {
            assert_eq!(subscriber(bad), None, "{bad}");
        }
    }

    #[test]
    fn serial_numbers_compare_without_leading_zeros() {
        assert_eq!(significant(&[0, 0, 7, 0]), &[7, 0]);
        assert!(significant(&[0]).is_empty());
    }

    #[test]
    fn digests_read_back_and_nothing_else_does() {
        let print = Fingerprint([7; 32]);
        assert_eq!(Fingerprint::parse(&print.x5t()), Ok(print));
        assert_eq!(SpkiPin::parse(&SpkiPin([9; 32]).to_string()), Ok(SpkiPin([9; 32])));
        assert_eq!(Fingerprint::parse(&print.x5t().replace('c', "=")), Err(NotADigest));
        assert_eq!(SpkiPin::parse("BwcH"), Err(NotADigest));
    }

    #[test]
    fn bytes_that_are_no_certificate_are_refused() {
        assert_eq!(PeerCertificate::read(b""), Err(PeerRefusal::Malformed));
        assert_eq!(PeerCertificate::read(&[0x30, 0x03, 1, 2, 3]), Err(PeerRefusal::Malformed));
    }
}
