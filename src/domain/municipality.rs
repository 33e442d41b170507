//! Gemeenten and wijken by their CBS codes.
//!
//! The syntax is checked here; whether a gemeente takes part is for the territory register.

use std::fmt;

/// A gemeente: `GM` and four digits (Nijmegen is `GM0268`).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Municipality([u8; 6]);

/// A wijk: `WK` and six digits, the first four of which are its gemeente's.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct District([u8; 8]);

/// Not a CBS code of the kind asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be a CBS code: GM and four digits for a gemeente, WK and six for a wijk")]
pub struct NotACbsCode;

impl Municipality {
    /// # Errors
    /// [`NotACbsCode`] for anything but `GM` and four digits.
    pub fn parse(text: &str) -> Result<Self, NotACbsCode> {
        code(text, *b"GM").map(Self)
    }

    /// The code, such as `GM0268`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl District {
    /// # Errors
    /// [`NotACbsCode`] for anything but `WK` and six digits.
    pub fn parse(text: &str) -> Result<Self, NotACbsCode> {
        code(text, *b"WK").map(Self)
    }

    /// The code, such as `WK026801`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether the code says that the wijk lies in `municipality`.
    #[must_use]
    pub fn lies_in(&self, municipality: &Municipality) -> bool {
        self.0.iter().skip(2).take(4).eq(municipality.0.iter().skip(2))
    }
}

fn code<const N: usize>(text: &str, prefix: [u8; 2]) -> Result<[u8; N], NotACbsCode> {
    let bytes: [u8; N] = text.as_bytes().try_into().or(Err(NotACbsCode))?;
    let digits = bytes.iter().skip(2).all(u8::is_ascii_digit);
    if bytes.starts_with(&prefix) && digits { Ok(bytes) } else { Err(NotACbsCode) }
}

impl fmt::Display for Municipality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for District {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_exactly() {
        assert_eq!(Municipality::parse("GM0268").unwrap().as_str(), "GM0268");
        for bad in ["GM268", "gm0268", "GM026A", "WK0268", "", "GM02681"] {
            assert_eq!(Municipality::parse(bad), Err(NotACbsCode), "{bad}");
        }
    }

    #[test]
    fn a_district_knows_its_municipality() {
        let wijk = District::parse("WK026801").unwrap();
        assert!(wijk.lies_in(&Municipality::parse("GM0268").unwrap()));
        assert!(!wijk.lies_in(&Municipality::parse("GM0119").unwrap()));
    }
}
