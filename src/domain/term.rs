//! Days that somebody must not let pass, and terms after which a case goes.

use crate::domain::age::{BirthDate, date_in_amsterdam, months_later};
use crate::domain::municipality::Municipality;
use crate::domain::words::words;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

words! {
    /// What a day is about.
    DeadlineKind {
        /// Somebody asked to see what is kept of them: answer by then.
        AccessRequestDue = "access-request-due",
        /// A trial ends: go on or stop.
        TrialEnds = "trial-ends",
        /// A pairing is to be evaluated.
        EvaluationDue = "evaluation-due",
        /// Consent ends.
        ConsentEnds = "consent-ends",
        /// Somebody turns twelve, and decides along from that day.
        SubjectTurns12 = "subject-turns-12",
        /// Somebody turns sixteen, and decides alone from that day.
        SubjectTurns16 = "subject-turns-16",
        /// Somebody turns eighteen, and authority ends.
        SubjectTurns18 = "subject-turns-18",
    }
}

/// A day that somebody must not let pass.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Deadline {
    /// When; within [`AHEAD_DAYS`] where the day itself would tell a date of birth.
    pub on: Option<Date>,
    /// What.
    pub kind: DeadlineKind,
}

/// How many days ahead it is told that consent ends.
pub const AHEAD_DAYS: i64 = 30;

/// The ages at which who decides changes, that this person turns this month or the next. Which day is not told: it
/// would be a date of birth that nobody released.
#[must_use]
pub fn turning(born: BirthDate, today: Date) -> Vec<Deadline> {
    let ages = [
        (12, DeadlineKind::SubjectTurns12),
        (16, DeadlineKind::SubjectTurns16),
        (18, DeadlineKind::SubjectTurns18),
    ];
    // By the month, from the first of the one before: the day on which it is told first, or no more, would give the
    // birthday away to whoever asks every day.
    let month = |day: Date| i32::from(day.year()) * 12 + i32::from(day.month());
    let near = |on: &Date| (0..=1).contains(&(month(*on) - month(today)));
    ages.into_iter()
        .filter_map(|(years, kind)| {
            // Of a date that is not whole the first day that fits.
            let (on, _) = born.turns(years)?;
            near(&on).then_some(Deadline { on: None, kind })
        })
        .collect()
}

/// Whether an instant lies within the next days.
#[must_use]
pub fn is_near(at: Timestamp, now: Timestamp) -> bool {
    now < at && at <= now + SignedDuration::from_hours(24 * AHEAD_DAYS)
}

/// The day of an instant in Amsterdam, for a deadline.
#[must_use]
pub fn day_of(at: Timestamp) -> Date {
    date_in_amsterdam(at)
}

/// After how long a case goes: `policies/programme.toml`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retention {
    /// Days after a referral was declined or taken back, or consent withdrawn.
    pub withdrawn_days: u16,
    /// Months after the last contact of a case that was never tried.
    pub never_paired_months: u8,
    /// Months after the end of the last pairing.
    pub paired_months: u8,
    /// Gemeenten where the Jeugdwet asks for twenty years instead.
    pub jeugdwet20: Vec<Municipality>,
}

/// Why a case goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Over {
    /// It was declined, taken back, or its consent withdrawn.
    Withdrawn,
    /// It was closed without ever being tried.
    NeverPaired,
    /// Its last pairing ended long ago.
    Paired,
}

impl Over {
    /// For the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::NeverPaired => "never-paired",
            Self::Paired => "paired",
        }
    }
}

/// Months of twenty years.
const TWENTY_YEARS: u8 = 240;

impl Retention {
    /// When a case goes that came to its end `since`.
    #[must_use]
    pub fn until(
        &self,
        over: Over,
        municipality: Municipality,
        since: Timestamp,
    ) -> Option<Timestamp> {
        if over != Over::Withdrawn && self.jeugdwet20.contains(&municipality) {
            return months_later(since, TWENTY_YEARS);
        }
        match over {
            Over::Withdrawn => {
                let days = SignedDuration::from_hours(24 * i64::from(self.withdrawn_days));
                since.checked_add(days).ok()
            }
            Over::NeverPaired => months_later(since, self.never_paired_months),
            Over::Paired => months_later(since, self.paired_months),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn an_age_that_counts_is_told_by_the_month_and_never_by_the_day() {
        let born = BirthDate::parse("2010-12-20").unwrap();
        let expected = [Deadline { on: None, kind: DeadlineKind::SubjectTurns16 }];
        assert!(turning(born, day("2026-10-31")).is_empty(), "two months ahead");
        for told in ["2026-11-01", "2026-11-20", "2026-12-19", "2026-12-20", "2026-12-31"] {
            assert_eq!(turning(born, day(told)), expected, "{told}");
        }
        assert!(turning(born, day("2027-01-01")).is_empty(), "the month is over");
        assert!(turning(BirthDate::UNKNOWN, day("2026-11-20")).is_empty());
    }

    #[test]
    fn cases_go_by_the_term_of_their_end_and_by_the_law_of_their_gemeente() {
        let since: Timestamp = "2026-03-31T10:00:00Z".parse().unwrap();
        let nijmegen = Municipality::parse("GM0268").unwrap();
        let rules = Retention {
            withdrawn_days: 30,
            never_paired_months: 6,
            paired_months: 24,
            jeugdwet20: Vec::new(),
        };
        let until =
            |rules: &Retention, over| rules.until(over, nijmegen, since).unwrap().to_string();
        assert_eq!(until(&rules, Over::Withdrawn), "2026-04-30T10:00:00Z");
        assert_eq!(until(&rules, Over::NeverPaired), "2026-09-30T10:00:00Z");
        assert_eq!(until(&rules, Over::Paired), "2028-03-31T10:00:00Z");
        let law = Retention { jeugdwet20: vec![nijmegen], ..rules };
        assert_eq!(until(&law, Over::Paired), "2046-03-31T10:00:00Z");
        assert_eq!(until(&law, Over::Withdrawn), "2026-04-30T10:00:00Z", "no consent, no file");
    }
}
