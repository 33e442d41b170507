//! A support family (steungezin): a stable family nearby that opens its door to children of another.

use crate::domain::municipality::District;
use crate::domain::referral::Daypart;
use crate::domain::words::words;
use jiff::civil::Date;

words! {
    /// Where a support family stands.
    SupportState {
        /// It made itself known.
        Registered = "registered",
        /// A coordinator gets to know it.
        Screening = "screening",
        /// It can be proposed.
        Available = "available",
        /// It has as many families as it wants.
        Paired = "paired",
        /// It stopped.
        Left = "left",
    }
}

impl SupportState {
    /// The states a coordinator can move it to by hand. To and from `paired` it moves with its pairings.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Registered | Self::Available => &[Self::Screening, Self::Left],
            Self::Screening => &[Self::Available, Self::Left],
            Self::Paired | Self::Left => &[],
        }
    }
}

/// What a support family offers. No name, no address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Offer {
    /// When.
    pub dayparts: Vec<Daypart>,
    /// Whether a child may stay the night.
    pub sleepover: bool,
    /// Languages spoken at home, as tags.
    pub languages: Vec<String>,
    /// Ages it is at home with, both included.
    pub ages: (u8, u8),
    /// How many families at a time.
    pub capacity: u8,
}

/// How far it has been looked into.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Screening {
    /// The day a coordinator spoke with it.
    pub interviewed_on: Option<Date>,
    /// The day its certificate of conduct (VOG) was seen. The certificate itself is not kept.
    pub vog_seen_on: Option<Date>,
    /// Whether it has brought up children, or worked with them.
    pub experienced: bool,
}

/// What still lacks before it can be proposed, by code.
#[must_use]
pub fn lacks(screening: Screening, today: Date, vog_months: u8) -> Vec<&'static str> {
    let mut lacks = Vec::new();
    if screening.interviewed_on.is_none() {
        lacks.push("interview");
    }
    match screening.vog_seen_on {
        None => lacks.push("vog"),
        Some(seen) if is_too_old(seen, today, vog_months) => lacks.push("vog-too-old"),
        Some(_) => {}
    }
    if !screening.experienced {
        lacks.push("parenting-experience");
    }
    lacks
}

/// Whether a certificate seen on a day is older than its term; the last day of the term still counts.
#[must_use]
pub fn is_too_old(seen: Date, today: Date, months: u8) -> bool {
    let last = seen.checked_add(jiff::Span::new().months(i32::from(months)));
    last.is_ok_and(|last| last < today)
}

/// Where it lives, as far as matching needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Neighbourhood {
    /// Gemeente.
    pub municipality: crate::domain::municipality::Municipality,
    /// Wijk, where known.
    pub district: Option<District>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn only_what_is_looked_into_can_be_proposed() {
        let today = day("2026-11-26");
        let whole = Screening {
            interviewed_on: Some(today),
            vog_seen_on: Some(day("2026-11-01")),
            experienced: true,
        };
        assert!(lacks(whole, today, 36).is_empty());
        let nothing = lacks(Screening::default(), today, 36);
        assert_eq!(nothing, ["interview", "vog", "parenting-experience"]);
        let old = Screening { vog_seen_on: Some(day("2023-11-25")), ..whole };
        assert_eq!(lacks(old, today, 36), ["vog-too-old"]);
    }

    #[test]
    fn a_certificate_counts_on_the_last_day_of_its_term() {
        let seen = day("2023-11-30");
        assert!(!is_too_old(seen, day("2026-11-30"), 36));
        assert!(is_too_old(seen, day("2026-12-01"), 36));
        assert!(
            !is_too_old(day("2024-02-29"), day("2027-02-28"), 36),
            "a leap day ends in February"
        );
        assert!(is_too_old(day("2024-02-29"), day("2027-03-01"), 36));
    }

    #[test]
    fn left_is_the_end_and_everything_by_hand_can_reach_it() {
        assert!(SupportState::Left.next().is_empty());
        for state in [SupportState::Registered, SupportState::Screening, SupportState::Available] {
            assert!(state.next().contains(&SupportState::Left));
        }
    }
}
