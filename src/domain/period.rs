//! Reporting periods: calendar years in Europe/Amsterdam.

use crate::domain::age::date_in_amsterdam;
use jiff::Timestamp;

/// A calendar year between 2000 and 2099.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Year(i16);

/// Not a year that can be reported on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be a year from 2000 to 2099")]
pub struct NotAYear;

impl Year {
    /// # Errors
    /// [`NotAYear`] outside 2000-2099.
    pub const fn parse(year: i16) -> Result<Self, NotAYear> {
        if year >= 2000 && year <= 2099 { Ok(Self(year)) } else { Err(NotAYear) }
    }

    /// The year in which an instant falls in Europe/Amsterdam.
    ///
    /// # Errors
    /// [`NotAYear`] outside 2000-2099.
    pub fn of(instant: Timestamp) -> Result<Self, NotAYear> {
        Self::parse(date_in_amsterdam(instant).year())
    }

    /// The number, such as `2025`.
    #[must_use]
    pub const fn number(self) -> i16 {
        self.0
    }

    /// Whether the year is over at `now`, so that its figures can be closed.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        date_in_amsterdam(now).year() > self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_ends_at_midnight_in_amsterdam() {
        let before: Timestamp = "2025-12-31T22:59:59Z".parse().unwrap();
        let after: Timestamp = "2025-12-31T23:00:00Z".parse().unwrap();
        assert_eq!(Year::of(before), Year::parse(2025));
        assert_eq!(Year::of(after), Year::parse(2026));
        assert!(!Year::parse(2025).unwrap().is_over(before));
        assert!(Year::parse(2025).unwrap().is_over(after));
    }
}
