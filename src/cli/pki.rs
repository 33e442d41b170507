//! A certificate authority for development and demonstrations, in a directory.
//!
//! `ca.pem`, `ca.key.pem`, `ca.crl.pem`, `index.json`, `server/{cert,key}.pem` and for each partner
//! `<partner>/{cert.pem,key.pem,client.p12}`; directories 0700, files 0600. The index is written
//! before what it describes: a certificate that exists can always be revoked. Every change writes a
//! new revocation list.
//!
//! # Not here
//! Anything for production: keys lie unencrypted beside each other, and the PKCS #12 password is
//! known to all. Production partners bring certificates of `PKIoverheid` or UZI.

mod authority;
mod files;
mod index;
mod p12;

pub use authority::{Authority, Issued, LeafKind};
pub use index::Entry;
pub use p12::PASSWORD;

use crate::domain::partner_number::PartnerNumber;
use crate::tls::peer::{PeerCertificate, PeerRefusal};
use index::Index;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair};
use std::io;
use std::path::{Path, PathBuf};

/// How long a revocation list is good for.
const LIST_VALIDITY: SignedDuration = SignedDuration::from_hours(30 * 24);
const SERVER: &str = "server";

/// Why the development authority could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The directory exists already.
    #[error("the directory of a new development CA must not exist yet")]
    Exists,
    /// A name that is no directory name, or is reserved.
    #[error(
        "a certificate name must be 1 to 64 of a-z, 0-9 and -, start with no -, and not be `server`"
    )]
    Name,
    /// No certificate of that name that is not revoked already.
    #[error("there must be an unrevoked certificate of that name")]
    NotIssued,
    /// The index is not the JSON this program writes.
    #[error("the index of issued certificates must be the JSON that this program wrote")]
    Index(#[source] serde_json::Error),
    /// An instant before 1970 or beyond what a certificate can hold.
    #[error("the clock must stand between 1970 and 9000")]
    Clock,
    /// A certificate or list could not be made or read.
    #[error("the certificate library refused: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A certificate just issued that the gateway itself would refuse.
    #[error("the certificate would be refused: {0}")]
    Refused(#[from] PeerRefusal),
    /// The PKCS #12 file could not be made.
    #[error("the PKCS #12 library refused: {0}")]
    Bundle(#[from] p12_keystore::error::Error),
    /// A file could not be read or written.
    #[error("a file of the development CA must be readable and writable: {0}")]
    File(#[from] io::Error),
}

/// A development certificate authority in its directory.
#[derive(Debug)]
pub struct DevPki {
    directory: PathBuf,
    authority: Authority,
    index: Index,
    now: Timestamp,
}

impl DevPki {
    /// Makes a new authority in `directory`, which must not exist, with a certificate for the
    /// server (`localhost`, 127.0.0.1, `::1`) and an empty revocation list. Everything is valid
    /// from `now`: the authority 3 years, leaves 762 days (a scenario plays two years), the list 30 days.
    ///
    /// # Errors
    /// [`PkiError::Exists`], or what the library or the file system refuses.
    pub fn create(directory: &Path, now: Timestamp) -> Result<Self, PkiError> {
        if directory.exists() {
            return Err(PkiError::Exists);
        }
        files::directory(directory)?;
        let authority = Authority::create(now)?;
        files::write(&directory.join("ca.key.pem"), authority.key_pem().as_bytes())?;
        files::write(&directory.join("ca.pem"), authority.certificate_pem().as_bytes())?;
        let index = Index::default();
        let mut pki = Self { directory: directory.to_owned(), authority, index, now };
        let server = pki.authority.issue_server(now)?;
        pki.keep(SERVER, None, &server)?;
        pki.write_list()?;
        Ok(pki)
    }

    /// Opens the authority in `directory` and brings its revocation list up to `now`.
    ///
    /// # Errors
    /// [`PkiError::File`], [`PkiError::Index`] or [`PkiError::Certificate`] where something is
    /// absent or damaged.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Self, PkiError> {
        let certificate = std::fs::read_to_string(directory.join("ca.pem"))?;
        let key = files::read_secret(&directory.join("ca.key.pem"))?;
        let authority = Authority::from_pem(&certificate, &key)?;
        let index = Index::read(&directory.join("index.json"))?;
        let mut pki = Self { directory: directory.to_owned(), authority, index, now };
        pki.write_list()?;
        Ok(pki)
    }

    /// Issues a certificate to `name` for `number` and writes its directory. A certificate issued
    /// to that name before is overwritten there, and stays valid until it is revoked or expires.
    ///
    /// # Errors
    /// [`PkiError::Name`], or what the library or the file system refuses.
    pub fn issue(
        &mut self,
        name: &str,
        number: &PartnerNumber,
        kind: LeafKind,
    ) -> Result<PeerCertificate, PkiError> {
        if !well_named(name) {
            return Err(PkiError::Name);
        }
        let issued = self.authority.issue(name, number, kind, self.now)?;
        let peer = PeerCertificate::read(issued.certificate())?;
        self.keep(name, Some(number), &issued)?;
        let bundle = p12::bundle(name, &issued, self.authority.certificate())?;
        files::write(&self.directory.join(name).join("client.p12"), &bundle)?;
        self.write_list()?;
        Ok(peer)
    }

    /// Makes a certificate of any shape in memory, for tests; neither indexed nor written.
    ///
    /// # Errors
    /// What the library refuses.
    pub fn issue_with(
        &self,
        key: KeyPair,
        shape: impl FnOnce(&mut CertificateParams),
    ) -> Result<Issued, PkiError> {
        self.authority.issue_with(key, self.now, shape)
    }

    /// Revokes every certificate of `name` that is not revoked yet; their number.
    ///
    /// # Errors
    /// [`PkiError::NotIssued`] if there is none.
    pub fn revoke(&mut self, name: &str) -> Result<usize, PkiError> {
        let count = self.index.revoke(name, self.now);
        if count == 0 {
            return Err(PkiError::NotIssued);
        }
        self.write_list()?;
        Ok(count)
    }

    /// Every certificate issued, oldest first.
    #[must_use]
    pub fn list(&self) -> &[Entry] {
        self.index.entries()
    }

    /// The authority itself.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    fn keep(
        &mut self,
        name: &str,
        number: Option<&PartnerNumber>,
        issued: &Issued,
    ) -> Result<(), PkiError> {
        self.index.add(name, number, issued)?;
        self.write_index()?;
        let directory = self.directory.join(name);
        files::directory(&directory)?;
        files::write(&directory.join("key.pem"), issued.key_pem().as_bytes())?;
        files::write(&directory.join("cert.pem"), issued.certificate_pem().as_bytes())?;
        Ok(())
    }

    fn write_list(&mut self) -> Result<(), PkiError> {
        let number = self.index.next_list();
        self.write_index()?;
        let revoked = self.index.revoked()?;
        let until = self.now.checked_add(LIST_VALIDITY).or(Err(PkiError::Clock))?;
        let list = self.authority.revocation_list(&revoked, number, self.now, until)?;
        let pem = list.pem()?;
        Ok(files::write(&self.directory.join("ca.crl.pem"), pem.as_bytes())?)
    }

    fn write_index(&self) -> Result<(), PkiError> {
        let json = self.index.to_json()?;
        Ok(files::write(&self.directory.join("index.json"), &json)?)
    }
}

fn well_named(name: &str) -> bool {
    let letters = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    letters && (1..=64).contains(&name.len()) && !name.starts_with('-') && name != SERVER
}

#[cfg(test)]
mod tests;
