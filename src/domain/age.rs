//! Ages: dates of birth as the BRP may know them, completed years, and the day it is in the
//! Netherlands.
//!
//! Who must consent depends on age in whole years, so everything here is in calendar days in
//! Europe/Amsterdam. A date of birth may be incomplete; it then stands for every day it could be.
//!
//! # Invariants
//! * A [`BirthDate`] is possible: no 30 February, no month 13.
//! * `Debug` tells how complete a date is, never the date.
//!
//! # Not here
//! No clock: the day is always a parameter.

use crate::domain::words::words;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};
use std::fmt;
use std::sync::LazyLock;

/// A date of birth as far as it is known, after the BRP's `VolledigeDatum`, `JaarMaandDatum`,
/// `JaarDatum` and `DatumOnbekend`.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct BirthDate(Known);

#[derive(Clone, Copy, Eq, PartialEq)]
enum Known {
    /// The first and the last day it can be: the same for a full date.
    Between(Date, Date),
    Nothing,
}

/// Text was not a date of birth. The text itself is not repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be a possible date of birth: YYYY-MM-DD, YYYY-MM or YYYY, from 1850 on")]
pub struct NotABirthDate;

/// The ages somebody can have on a day, in completed years; both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ages {
    /// The lowest.
    pub youngest: u16,
    /// The highest.
    pub oldest: u16,
}

impl BirthDate {
    /// A date of which nothing is known.
    pub const UNKNOWN: Self = Self(Known::Nothing);

    /// First year that is taken seriously.
    const FIRST_YEAR: i16 = 1850;

    /// Age in years that stands for "of any age".
    const OLDEST: u16 = 150;

    /// Reads `YYYY-MM-DD`, `YYYY-MM` or `YYYY`.
    ///
    /// # Errors
    /// [`NotABirthDate`] for any other form, an impossible day or month, or a year before 1850.
    pub fn parse(text: &str) -> Result<Self, NotABirthDate> {
        let mut parts = text.split('-');
        let year = number(parts.next(), 4)?.ok_or(NotABirthDate)?;
        let month = number(parts.next(), 2)?;
        let day = number(parts.next(), 2)?;
        if parts.next().is_some() || year < Self::FIRST_YEAR {
            return Err(NotABirthDate);
        }
        let first = date(year, month.unwrap_or(1), day.unwrap_or(1))?;
        let last = match (month, day) {
            (_, Some(_)) => first,
            (Some(_), None) => first.last_of_month(),
            (None, None) => first.last_of_year(),
        };
        Ok(Self(Known::Between(first, last)))
    }

    /// The date in the form [`Self::parse`] reads; empty when nothing is known. For the sealed store.
    #[must_use]
    pub fn to_text(self) -> String {
        match self.0 {
            Known::Nothing => String::new(),
            Known::Between(first, last) if first == last => first.to_string(),
            Known::Between(first, last) if first.month() == last.month() => {
                format!("{:04}-{:02}", first.year(), first.month())
            }
            Known::Between(first, _) => format!("{:04}", first.year()),
        }
    }

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_text(text: &str) -> Result<Self, NotABirthDate> {
        if text.is_empty() { Ok(Self::UNKNOWN) } else { Self::parse(text) }
    }

    /// Whether the day itself is known.
    #[must_use]
    pub fn is_full(self) -> bool {
        matches!(self.0, Known::Between(first, last) if first == last)
    }

    /// Whether the birth lies after `day` however the date is completed.
    #[must_use]
    pub fn is_after(self, day: Date) -> bool {
        matches!(self.0, Known::Between(first, _) if first > day)
    }

    /// The ages this person can have on `day`. An unborn child counts as 0.
    #[must_use]
    pub fn ages_on(self, day: Date) -> Ages {
        match self.0 {
            Known::Between(first, last) => {
                Ages { youngest: completed_years(last, day), oldest: completed_years(first, day) }
            }
            Known::Nothing => Ages { youngest: 0, oldest: Self::OLDEST },
        }
    }

    /// The first and the last day on which this person may become `years` old; `None` when nothing
    /// is known.
    #[must_use]
    pub fn turns(self, years: u8) -> Option<(Date, Date)> {
        match self.0 {
            Known::Between(first, last) => Some((birthday(first, years)?, birthday(last, years)?)),
            Known::Nothing => None,
        }
    }
}

impl fmt::Debug for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Known::Nothing => "BirthDate(unknown)",
            Known::Between(first, last) if first == last => "BirthDate(full)",
            Known::Between(..) => "BirthDate(incomplete)",
        })
    }
}

/// Years lived in full on `day` by someone born on `born`; 0 before the birth.
///
/// Someone born on 29 February has a birthday on 1 March in common years.
#[must_use]
pub fn completed_years(born: Date, day: Date) -> u16 {
    let had_birthday = (day.month(), day.day()) >= (born.month(), born.day());
    let years = day.year() - born.year() - i16::from(!had_birthday);
    u16::try_from(years).unwrap_or(0)
}

fn birthday(born: Date, years: u8) -> Option<Date> {
    let year = born.year().checked_add(i16::from(years))?;
    let first_of_march = || Date::new(year, 3, 1).ok();
    Date::new(year, born.month(), born.day()).ok().or_else(first_of_march)
}

fn date(year: i16, month: i16, day: i16) -> Result<Date, NotABirthDate> {
    let part = |value: i16| i8::try_from(value).ok();
    let (Some(month), Some(day)) = (part(month), part(day)) else {
        return Err(NotABirthDate);
    };
    Date::new(year, month, day).ok().ok_or(NotABirthDate)
}

/// A number of exactly `digits` ASCII digits, or nothing where there is no part.
fn number(part: Option<&str>, digits: usize) -> Result<Option<i16>, NotABirthDate> {
    let Some(part) = part else { return Ok(None) };
    if part.len() != digits || !part.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotABirthDate);
    }
    part.parse().ok().map(Some).ok_or(NotABirthDate)
}

words! {
    /// The age bands of figures and of what is told before an identity is opened, in completed
    /// years.
    AgeBand {
        /// 0 through 3.
        UpTo3 = "0-3",
        /// 4 through 11.
        From4To11 = "4-11",
        /// 12 through 17.
        From12To17 = "12-17",
        /// 18 through 23.
        From18To23 = "18-23",
        /// 24 and older: an adult of the household, not a child Buurtgezinnen serves.
        Over23 = "24+",
    }
}

impl AgeBand {
    /// The band of an age in completed years.
    #[must_use]
    pub const fn of(years: u16) -> Self {
        match years {
            0..=3 => Self::UpTo3,
            4..=11 => Self::From4To11,
            12..=17 => Self::From12To17,
            18..=23 => Self::From18To23,
            _ => Self::Over23,
        }
    }
}

/// The zone of every calendar day in the gateway. The rules come from the database compiled in, so
/// that the host cannot change the law; the fixed offset is unreachable and a test says so.
static AMSTERDAM: LazyLock<TimeZone> = LazyLock::new(|| {
    TimeZoneDatabase::bundled()
        .get("Europe/Amsterdam")
        .unwrap_or_else(|_| TimeZone::fixed(Offset::constant(1)))
});

/// The calendar day in Europe/Amsterdam at an instant.
#[must_use]
pub fn date_in_amsterdam(instant: Timestamp) -> Date {
    AMSTERDAM.to_datetime(instant).date()
}

/// The first instant of a calendar day in Europe/Amsterdam; `None` for an impossible day.
#[must_use]
pub fn midnight_in_amsterdam(year: i16, month: i8, day: i8) -> Option<Timestamp> {
    let day = Date::new(year, month, day).ok()?;
    Some(day.to_zoned(AMSTERDAM.clone()).ok()?.timestamp())
}

/// The same time of day in Europe/Amsterdam, so many calendar months later; `None` past the last
/// representable instant.
#[must_use]
pub fn months_later(instant: Timestamp, months: u8) -> Option<Timestamp> {
    let span = Span::new().try_months(i64::from(months)).ok()?;
    let later = instant.to_zoned(AMSTERDAM.clone()).checked_add(span).ok()?;
    Some(later.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["2018-05-01", "2018-05", "2018", ""] {
            let date = BirthDate::from_text(text).unwrap();
            assert_eq!(date.to_text(), text);
        }
    }
    use jiff::civil::date as day;

    fn ages(born: &str, on: Date) -> (u16, u16) {
        let ages = BirthDate::parse(born).unwrap().ages_on(on);
        (ages.youngest, ages.oldest)
    }

    #[test]
    fn a_birthday_counts_from_its_first_minute() {
        assert_eq!(ages("2014-03-11", day(2026, 3, 10)), (11, 11));
        assert_eq!(ages("2014-03-10", day(2026, 3, 10)), (12, 12));
        assert_eq!(ages("2027-01-01", day(2026, 3, 10)), (0, 0));
    }

    #[test]
    fn leaplings_have_their_birthday_on_1_march_in_common_years() {
        assert_eq!(ages("2008-02-29", day(2024, 2, 28)), (15, 15));
        assert_eq!(ages("2008-02-29", day(2024, 2, 29)), (16, 16), "2024 has a 29 February");
        assert_eq!(ages("2008-02-29", day(2026, 2, 28)), (17, 17));
        assert_eq!(ages("2008-02-29", day(2026, 3, 1)), (18, 18));
        let born = BirthDate::parse("2008-02-29").unwrap();
        assert_eq!(born.turns(18), Some((day(2026, 3, 1), day(2026, 3, 1))));
        assert_eq!(born.turns(16), Some((day(2024, 2, 29), day(2024, 2, 29))));
    }

    #[test]
    fn an_incomplete_date_is_every_day_it_can_be() {
        assert_eq!(ages("2010", day(2026, 3, 10)), (15, 16));
        assert_eq!(ages("2010-03", day(2026, 3, 10)), (15, 16));
        assert_eq!(ages("2010-02", day(2026, 3, 10)), (16, 16));
        assert_eq!(ages("2010", day(2026, 12, 31)), (16, 16));
        let anyone = BirthDate::UNKNOWN.ages_on(day(2026, 3, 10));
        assert!(anyone.youngest == 0 && anyone.oldest >= 120);
        let months = BirthDate::parse("2010-02").unwrap();
        assert_eq!(months.turns(16), Some((day(2026, 2, 1), day(2026, 2, 28))));
    }

    #[test]
    fn impossible_dates_are_refused_by_rule_and_not_by_value() {
        for bad in [
            "",
            "2010-",
            "2010-13",
            "2010-00",
            "2010-02-30",
            "2009-02-29",
            "2010-2-3",
            "10-02-2010",
            "1849",
            "20100203",
            "2010-02-03-04",
            "2010-02-03T00:00:00Z",
            " 2010",
            "+201",
            "２０１０",
        ] {
            assert_eq!(BirthDate::parse(bad), Err(NotABirthDate), "{bad}");
        }
        assert!(BirthDate::parse("2008-02-29").unwrap().is_full());
        assert!(!NotABirthDate.to_string().contains("2010"));
    }

    #[test]
    fn a_date_of_birth_does_not_print() {
        assert_eq!(format!("{:?}", BirthDate::parse("2018-05-01").unwrap()), "BirthDate(full)");
        assert_eq!(format!("{:?}", BirthDate::parse("2018").unwrap()), "BirthDate(incomplete)");
    }

    #[test]
    fn bands_meet_without_gap_or_overlap() {
        let bands: Vec<_> =
            [0, 3, 4, 11, 12, 17, 18, 23, 24].map(|y| AgeBand::of(y).as_str()).into();
        assert_eq!(
            bands,
            ["0-3", "0-3", "4-11", "4-11", "12-17", "12-17", "18-23", "18-23", "24+"]
        );
    }

    #[test]
    fn the_day_turns_at_midnight_in_amsterdam() {
        assert_eq!(AMSTERDAM.iana_name(), Some("Europe/Amsterdam"));
        let on = |text: &str| date_in_amsterdam(text.parse().unwrap());
        assert_eq!(on("2026-03-09T22:59:59Z"), day(2026, 3, 9));
        assert_eq!(on("2026-03-09T23:00:00Z"), day(2026, 3, 10));
        assert_eq!(on("2026-07-09T21:59:59Z"), day(2026, 7, 9));
        assert_eq!(on("2026-07-09T22:00:00Z"), day(2026, 7, 10));
    }

    #[test]
    fn months_are_calendar_months() {
        let later = |text: &str| months_later(text.parse().unwrap(), 12).unwrap().to_string();
        assert_eq!(later("2026-03-01T00:00:00Z"), "2027-03-01T00:00:00Z");
        assert_eq!(later("2024-02-29T12:00:00Z"), "2025-02-28T12:00:00Z");
    }
}
