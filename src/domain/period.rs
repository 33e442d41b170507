//! Reporting periods: calendar quarters and years in Europe/Amsterdam.

use crate::domain::age::{date_in_amsterdam, midnight_in_amsterdam};
use jiff::Timestamp;
use std::fmt;

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

/// A calendar quarter, Europe/Amsterdam.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Quarter {
    year: i16,
    quarter: i8,
}

/// Not a quarter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be a quarter that has begun, such as 2026Q3")]
pub struct NotAQuarter;

impl Quarter {
    /// # Errors
    /// [`NotAQuarter`] for another form, before 2015, or one that has not begun.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, NotAQuarter> {
        let read = Self::read(text)?;
        if read <= Self::of(now) { Ok(read) } else { Err(NotAQuarter) }
    }

    /// One that may be yet to come.
    ///
    /// # Errors
    /// [`NotAQuarter`] for another form, or outside 2015-2099.
    pub fn read(text: &str) -> Result<Self, NotAQuarter> {
        let (year, quarter) = text.split_once('Q').ok_or(NotAQuarter)?;
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let form = year.len() == 4 && quarter.len() == 1 && digits(year) && digits(quarter);
        let number = |part: &str| part.parse::<i16>().or(Err(NotAQuarter));
        let (year, quarter) = if form { (number(year)?, number(quarter)?) } else { (0, 0) };
        let quarter = i8::try_from(quarter).or(Err(NotAQuarter))?;
        let known = (2015..=2099).contains(&year) && (1..=4).contains(&quarter);
        if known { Ok(Self { year, quarter }) } else { Err(NotAQuarter) }
    }

    /// The quarter an instant lies in.
    #[must_use]
    pub fn of(now: Timestamp) -> Self {
        let today = date_in_amsterdam(now);
        Self { year: today.year(), quarter: (today.month() + 2) / 3 }
    }

    /// The four quarters of a year, in order.
    #[must_use]
    pub fn all_of(year: Year) -> [Self; 4] {
        [1, 2, 3, 4].map(|quarter| Self { year: year.number(), quarter })
    }

    /// The year it lies in.
    #[must_use]
    pub const fn year(self) -> Year {
        Year(self.year)
    }

    /// Its place in the year, 0 to 3.
    #[must_use]
    pub fn place(self) -> usize {
        usize::try_from(self.quarter - 1).unwrap_or_default()
    }

    /// Whether its year ends with it.
    #[must_use]
    pub const fn closes_year(self) -> bool {
        self.quarter == 4
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.quarter == 4 {
            Self { year: self.year + 1, quarter: 1 }
        } else {
            Self { year: self.year, quarter: self.quarter + 1 }
        }
    }

    /// Whether it is over at `now`, so that its figures can be sealed.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        self < Self::of(now)
    }

    /// Its first instant; nothing outside the calendar.
    #[must_use]
    pub fn begins(self) -> Option<Timestamp> {
        midnight_in_amsterdam(self.year, self.quarter * 3 - 2, 1)
    }

    /// As it is written.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{}Q{}", self.year, self.quarter)
    }
}

/// What figures are about: a quarter, or a year as a whole.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Period {
    /// A quarter.
    Quarter(Quarter),
    /// A year.
    Year(Year),
}

/// Not a period.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be a quarter such as 2026Q3, or a year such as 2026")]
pub struct NotAPeriod;

impl Period {
    /// # Errors
    /// [`NotAPeriod`] for anything but a quarter from 2015 or a year from 2000.
    pub fn parse(text: &str) -> Result<Self, NotAPeriod> {
        if let Ok(quarter) = Quarter::read(text) {
            return Ok(Self::Quarter(quarter));
        }
        let digits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
        let year = text.parse().ok().filter(|_| digits).and_then(|year| Year::parse(year).ok());
        year.map(Self::Year).ok_or(NotAPeriod)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarter(quarter) => f.write_str(&quarter.to_text()),
            Self::Year(year) => write!(f, "{}", year.number()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_has_begun() {
        let now: Timestamp = "2026-11-21T11:00:00Z".parse().unwrap();
        assert_eq!(Quarter::parse("2026Q4", now).unwrap().to_text(), "2026Q4");
        for bad in
            ["2027Q1", "2026Q5", "2026Q0", "2014Q4", "2026-3", "26Q3", "2026q3", "+026Q3", ""]
        {
            assert_eq!(Quarter::parse(bad, now), Err(NotAQuarter), "{bad}");
        }
        assert!(Quarter::read("2027Q1").is_ok_and(|next| !next.is_over(now)));
    }

    #[test]
    fn quarters_follow_each_other_and_begin_at_midnight_in_amsterdam() {
        let last = Quarter::read("2025Q4").unwrap();
        assert_eq!((last.next().to_text(), last.place()), ("2026Q1".to_owned(), 3));
        assert!(last.closes_year() && !last.next().closes_year());
        assert_eq!(last.next().begins(), "2025-12-31T23:00:00Z".parse().ok());
        assert_eq!(Quarter::read("2026Q3").unwrap().begins(), "2026-06-30T22:00:00Z".parse().ok());
        assert!(last.is_over("2025-12-31T23:00:00Z".parse().unwrap()));
        assert!(!last.is_over("2025-12-31T22:59:59Z".parse().unwrap()));
    }

    #[test]
    fn a_period_is_a_quarter_or_a_year() {
        for good in ["2026Q3", "2026", "2000"] {
            assert_eq!(Period::parse(good).unwrap().to_string(), good);
        }
        for bad in ["2026Q5", "26", "1999", "+026", "2026-1", ""] {
            assert_eq!(Period::parse(bad), Err(NotAPeriod), "{bad}");
        }
    }

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
