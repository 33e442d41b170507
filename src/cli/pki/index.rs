//! What the development authority has issued: the file behind `cert list` and `cert revoke`.

use super::{Issued, PkiError};
use crate::domain::partner_number::PartnerNumber;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use x509_parser::prelude::{FromDer, X509Certificate};

/// One certificate issued.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name of its directory.
    pub name: String,
    /// The OIN or URA in it; absent for the server's own.
    pub number: Option<String>,
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// The last second of its validity, RFC 3339 UTC.
    pub not_after: String,
    /// When it was revoked, RFC 3339 UTC; absent while it is good.
    pub revoked_at: Option<String>,
}

/// The index file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    list_number: u64,
    certificates: Vec<Entry>,
}

impl Index {
    pub(super) fn read(path: &Path) -> Result<Self, PkiError> {
        serde_json::from_slice(&fs::read(path)?).map_err(PkiError::Index)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, PkiError> {
        serde_json::to_vec_pretty(self).map_err(PkiError::Index)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.certificates
    }

    /// The number of the next revocation list.
    pub(super) fn next_list(&mut self) -> u64 {
        self.list_number += 1;
        self.list_number
    }

    pub(super) fn add(
        &mut self,
        name: &str,
        number: Option<&PartnerNumber>,
        issued: &Issued,
    ) -> Result<(), PkiError> {
        let (_, certificate) = X509Certificate::from_der(issued.certificate())
            .or(Err(rcgen::Error::CouldNotParseCertificate))?;
        let mut serial = String::new();
        for byte in certificate.raw_serial() {
            // Writing to a String cannot fail.
            let _ = write!(serial, "{byte:02x}");
        }
        self.certificates.push(Entry {
            name: name.to_owned(),
            number: number.map(ToString::to_string),
            serial,
            not_after: issued.not_after().to_string(),
            revoked_at: None,
        });
        Ok(())
    }

    /// Marks every good certificate of `name`; how many that were.
    pub(super) fn revoke(&mut self, name: &str, now: Timestamp) -> usize {
        let good = self
            .certificates
            .iter_mut()
            .filter(|entry| entry.name == name && entry.revoked_at.is_none());
        good.map(|entry| entry.revoked_at = Some(now.to_string())).count()
    }

    /// Serial number and instant of every certificate revoked.
    pub(super) fn revoked(&self) -> Result<Vec<(Vec<u8>, Timestamp)>, PkiError> {
        let mut revoked = Vec::new();
        for entry in &self.certificates {
            if let Some(at) = &entry.revoked_at {
                let at = at.parse().or(Err(PkiError::Clock))?;
                revoked.push((bytes(&entry.serial)?, at));
            }
        }
        Ok(revoked)
    }
}

fn bytes(hexadecimal: &str) -> Result<Vec<u8>, PkiError> {
    let digits = hexadecimal.as_bytes().chunks(2).map(|pair| {
        let pair = str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(pair, 16).or(Err(rcgen::Error::CouldNotParseCertificate))
    });
    Ok(digits.collect::<Result<_, _>>()?)
}
