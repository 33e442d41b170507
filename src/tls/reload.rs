//! Certificates, keys and revocation lists, read from their PEM files.
//!
//! All files of a listener are read before any of them is used: a reload swaps everything or
//! nothing. A private key that others on the machine can read is refused, not warned about.
//! Errors name what the file is for and the rule it breaks, never its path or contents.

use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

/// Where a listener's files are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenerFiles {
    /// The listener's own certificate, leaf first, then its issuers.
    pub certificate: PathBuf,
    /// The private key of that certificate; mode 0600 or stricter.
    pub key: PathBuf,
    /// Whose client certificates are accepted; absent where none is asked for.
    pub clients: Option<ClientFiles>,
}

/// Where the files are that judge client certificates.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientFiles {
    /// The authorities that issue client certificates, one or more.
    pub authorities: PathBuf,
    /// Their revocation lists, in one file.
    pub revocations: PathBuf,
}

/// Where the files of an outbound connection are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutboundFiles {
    /// The authorities that the other side's certificate must come from; no others are trusted.
    pub authorities: PathBuf,
    /// The client certificate and its key; absent where none is presented.
    pub identity: Option<IdentityFiles>,
}

/// Where a certificate and its key are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdentityFiles {
    /// The certificate, leaf first.
    pub certificate: PathBuf,
    /// Its private key; mode 0600 or stricter.
    pub key: PathBuf,
}

/// A certificate chain and its private key.
#[derive(Debug)]
pub struct Identity {
    /// Leaf first, then its issuers.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's private key.
    pub key: PrivateKeyDer<'static>,
}

/// What judges client certificates.
#[derive(Clone, Debug)]
pub struct ClientTrust {
    /// The authorities that issue client certificates.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Their revocation lists.
    pub lists: Vec<CertificateRevocationListDer<'static>>,
}

/// Everything a listener needs, read and not yet judged.
#[derive(Debug)]
pub struct Material {
    /// Its own certificate and key.
    pub identity: Identity,
    /// How it judges clients; absent where it asks for no certificate.
    pub clients: Option<ClientTrust>,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The certificate of this side.
    Certificate,
    /// Its private key.
    Key,
    /// The authorities that the other side's certificate must come from.
    Authorities,
    /// The revocation lists of the client authorities.
    Revocations,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the TLS certificate",
            Self::Key => "the TLS private key",
            Self::Authorities => "the file of certificate authorities",
            Self::Revocations => "the file of revocation lists",
        })
    }
}

/// Why a file could not be taken into use.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// Absent, or not readable by this process.
    #[error("{0} must be a readable file: {1}")]
    Unreadable(Role, io::ErrorKind),
    /// Not PEM, or without the sections that this role needs.
    #[error("{0} must hold at least one PEM section of its kind and no damaged one")]
    NotPem(Role),
    /// A key that group or others may read.
    #[error("{0} may be accessible to its owner only (mode 0600)")]
    Exposed(Role),
}

impl ListenerFiles {
    /// Reads all files.
    ///
    /// # Errors
    /// The first file that breaks a rule.
    pub fn read(&self) -> Result<Material, FileFault> {
        let clients = self.clients.as_ref().map(|files| {
            Ok(ClientTrust {
                authorities: sections(&files.authorities, Role::Authorities)?,
                lists: sections(&files.revocations, Role::Revocations)?,
            })
        });
        Ok(Material {
            identity: identity(&self.certificate, &self.key)?,
            clients: clients.transpose()?,
        })
    }
}

impl OutboundFiles {
    /// Reads the authorities and, where there is one, the identity.
    ///
    /// # Errors
    /// The first file that breaks a rule.
    pub fn read(&self) -> Result<(Vec<CertificateDer<'static>>, Option<Identity>), FileFault> {
        let authorities = sections(&self.authorities, Role::Authorities)?;
        let ours = self.identity.as_ref();
        let ours = ours.map(|files| identity(&files.certificate, &files.key)).transpose()?;
        Ok((authorities, ours))
    }
}

/// The authorities in a PEM text, one or more.
///
/// # Errors
/// [`FileFault::NotPem`].
pub fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, FileFault> {
    pem_sections(pem, Role::Authorities)
}

/// Reads a certificate and its key.
///
/// # Errors
/// The first file that breaks a rule.
pub fn identity_of(files: &IdentityFiles) -> Result<Identity, FileFault> {
    identity(&files.certificate, &files.key)
}

/// Until when the certificate in a PEM file is valid: that of the leaf, which comes first.
///
/// # Errors
/// [`FileFault`] where it cannot be read.
pub fn valid_until(path: &Path) -> Result<Timestamp, FileFault> {
    let chain: Vec<CertificateDer<'static>> = sections(path, Role::Certificate)?;
    let ends = chain.first().and_then(|leaf| {
        let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
        Timestamp::from_second(leaf.validity().not_after.timestamp()).ok()
    });
    ends.ok_or(FileFault::NotPem(Role::Certificate))
}

fn identity(certificate: &Path, key: &Path) -> Result<Identity, FileFault> {
    let mut file = open(key, Role::Key)?;
    let facts = file.metadata().map_err(|error| unreadable(Role::Key, &error))?;
    if facts.mode() & 0o077 != 0 {
        return Err(FileFault::Exposed(Role::Key));
    }
    let pem = Zeroizing::new(contents(&mut file, Role::Key)?);
    Ok(Identity {
        chain: sections(certificate, Role::Certificate)?,
        key: PrivateKeyDer::from_pem_slice(&pem).or(Err(FileFault::NotPem(Role::Key)))?,
    })
}

fn sections<T: PemObject>(path: &Path, role: Role) -> Result<Vec<T>, FileFault> {
    pem_sections(&contents(&mut open(path, role)?, role)?, role)
}

fn pem_sections<T: PemObject>(pem: &[u8], role: Role) -> Result<Vec<T>, FileFault> {
    let found: Vec<T> =
        T::pem_slice_iter(pem).collect::<Result<_, _>>().or(Err(FileFault::NotPem(role)))?;
    if found.is_empty() { Err(FileFault::NotPem(role)) } else { Ok(found) }
}

fn open(path: &Path, role: Role) -> Result<File, FileFault> {
    File::open(path).map_err(|error| unreadable(role, &error))
}

fn contents(file: &mut File, role: Role) -> Result<Vec<u8>, FileFault> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| unreadable(role, &error))?;
    Ok(bytes)
}

fn unreadable(role: Role, error: &io::Error) -> FileFault {
    FileFault::Unreadable(role, error.kind())
}
