//! The public numbers by which a partner organisation is known in its certificate.
//!
//! An OIN (Logius, organisations that deal with government) or a URA (CIBG, care providers that
//! subscribe to UZI). Both are published in registers; neither says anything about a person. The
//! syntax is checked here; whether the number belongs to a partner is for the partner register.

use std::fmt;

/// An organisation's OIN: twenty digits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Oin([u8; 20]);

/// A care provider's URA, the subscriber number in the UZI register: eight digits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ura([u8; 8]);

/// The number that a certificate carries for its organisation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PartnerNumber {
    /// From Subject.serialNumber.
    Oin(Oin),
    /// From the UZI name in the subject alternative names.
    Ura(Ura),
}

/// Neither an OIN nor a URA.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be an OIN of 20 digits or a URA of 8 digits")]
pub struct NotAPartnerNumber;

impl Oin {
    /// # Errors
    /// [`NotAPartnerNumber`] for anything but twenty digits.
    pub fn parse(text: &str) -> Result<Self, NotAPartnerNumber> {
        digits(text).map(Self)
    }

    /// The twenty digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Ura {
    /// # Errors
    /// [`NotAPartnerNumber`] for anything but eight digits.
    pub fn parse(text: &str) -> Result<Self, NotAPartnerNumber> {
        digits(text).map(Self)
    }

    /// The eight digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl PartnerNumber {
    /// Reads either number; their lengths tell them apart.
    ///
    /// # Errors
    /// [`NotAPartnerNumber`] for anything but twenty or eight digits.
    pub fn parse(text: &str) -> Result<Self, NotAPartnerNumber> {
        Oin::parse(text).map(Self::Oin).or_else(|NotAPartnerNumber| Ura::parse(text).map(Self::Ura))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Oin(oin) => oin.as_str(),
            Self::Ura(ura) => ura.as_str(),
        }
    }
}

impl fmt::Display for Oin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Ura {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for PartnerNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn digits<const N: usize>(text: &str) -> Result<[u8; N], NotAPartnerNumber> {
    let bytes: [u8; N] = text.as_bytes().try_into().or(Err(NotAPartnerNumber))?;
    if bytes.iter().all(u8::is_ascii_digit) { Ok(bytes) } else { Err(NotAPartnerNumber) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_tells_an_oin_from_a_ura() {
        let oin = PartnerNumber::parse("00000001003214345000").unwrap();
        let ura = PartnerNumber::parse("90000111").unwrap();
        assert!(matches!(oin, PartnerNumber::Oin(_)));
        assert!(matches!(ura, PartnerNumber::Ura(_)));
        assert_eq!(oin.to_string(), "00000001003214345000");
        assert_eq!(ura.as_str(), "90000111");
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(Oin::parse("00000001003214345000").is_ok());
        assert!(Ura::parse("90000111").is_ok());
        for text in [
            "",
            "9000011",
            "900001111",
            "9000011x",
            " 9000011",
            "0000000100321434500",
            "0000000100321434500A",
            "000000010032143450000",
            "٩٠٠٠",
        ] {
            assert_eq!(PartnerNumber::parse(text), Err(NotAPartnerNumber), "{text}");
        }
        assert!(Oin::parse("90000111").is_err());
        assert!(Ura::parse("00000001003214345000").is_err());
    }
}
