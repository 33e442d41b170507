//! Floor 1: how well a support family would suit a family, with the reasons.
//!
//! A plain sum that a coordinator can follow and that decides nothing: she does. It knows codes, dayparts,
//! ages and places, and no identity.
//!
//! # Invariants
//! * Every point has its reason, and the points add up to the score.
//! * Whoever cannot be proposed is not scored: the reasons why stand in its place.
//! * Equal scores stay in the order they came in.

use crate::domain::municipality::{District, Municipality};
use crate::domain::referral::Daypart;
use crate::domain::support_family::{Neighbourhood, Offer};

/// What a family asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// When.
    pub dayparts: Vec<Daypart>,
    /// Whether a child would stay the night.
    pub sleepover: bool,
    /// The language the family is best reached in, as a tag.
    pub language: Option<String>,
    /// Ages of the children, in whole years.
    pub ages: Vec<u16>,
    /// Gemeente.
    pub municipality: Municipality,
    /// Wijk, where known.
    pub district: Option<District>,
}

/// One reason and what it weighs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reason {
    /// Code.
    pub code: &'static str,
    /// Points, below zero where it counts against.
    pub points: i32,
}

/// How well one support family would suit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Score {
    /// Sum of the points.
    pub points: i32,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Scores an offer. `earlier` says how the pairings of this support family that ended went: how many
/// reached their goal, and how many ended in a mismatch. `living`: families it has now.
#[must_use]
pub fn score(
    wanted: &Wanted,
    offer: &Offer,
    place: Neighbourhood,
    earlier: (usize, usize),
    living: usize,
) -> Score {
    let mut reasons = Vec::new();
    let mut put = |code, points: i32| {
        if points != 0 {
            reasons.push(Reason { code, points });
        }
    };
    put_place(&mut put, wanted, place);
    let shared = wanted.dayparts.iter().filter(|part| offer.dayparts.contains(part)).count();
    put("dayparts", small(shared.min(3)) * 2);
    if !wanted.dayparts.is_empty() && shared == 0 {
        put("no-daypart-shared", -4);
    }
    if wanted.sleepover {
        put("sleepover", if offer.sleepover { 2 } else { -3 });
    }
    let (least, most) = offer.ages;
    let fits = |age: &u16| (u16::from(least)..=u16::from(most)).contains(age);
    let fitting = wanted.ages.iter().filter(|age| fits(age)).count();
    put("ages", small(fitting.min(3)));
    put("ages-outside", -2 * small((wanted.ages.len() - fitting).min(2)));
    if let Some(language) = &wanted.language {
        let spoken = offer.languages.iter().any(|tag| primary(tag) == primary(language));
        put("language", if spoken { 2 } else { 0 });
    }
    put("earlier-goal-reached", small(earlier.0.min(2)));
    put("earlier-mismatch", -small(earlier.1.min(2)));
    put("has-families-already", -small(living.min(3)));
    Score { points: reasons.iter().map(|reason| reason.points).sum(), reasons }
}

fn put_place(put: &mut impl FnMut(&'static str, i32), wanted: &Wanted, place: Neighbourhood) {
    let near = wanted.district.is_some() && wanted.district == place.district;
    match (near, wanted.municipality == place.municipality) {
        (true, _) => put("same-district", 5),
        (false, true) => put("same-municipality", 3),
        (false, false) => put("elsewhere", -2),
    }
}

/// A language without its region.
fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or_default()
}

/// Counts that were cut to a few.
fn small(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Puts the best first.
pub fn rank<T>(scored: &mut [(T, Score)]) {
    scored.sort_by_key(|(_, score)| std::cmp::Reverse(score.points));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(district: &str) -> Neighbourhood {
        Neighbourhood {
            municipality: Municipality::parse("GM0268").unwrap(),
            district: Some(District::parse(district).unwrap()),
        }
    }

    fn wanted() -> Wanted {
        Wanted {
            dayparts: vec![Daypart::WeekendAfternoon, Daypart::WeekdayEvening],
            sleepover: false,
            language: Some("ar".to_owned()),
            ages: vec![5, 9],
            municipality: Municipality::parse("GM0268").unwrap(),
            district: Some(District::parse("WK026801").unwrap()),
        }
    }

    fn offer() -> Offer {
        Offer {
            dayparts: vec![Daypart::WeekendAfternoon],
            sleepover: false,
            languages: vec!["nl".to_owned(), "ar-MA".to_owned()],
            ages: (0, 8),
            capacity: 1,
        }
    }

    #[test]
    fn near_with_a_shared_daypart_and_language_comes_before_far_without() {
        let near = score(&wanted(), &offer(), place("WK026801"), (0, 0), 0);
        let codes: Vec<_> = near.reasons.iter().map(|reason| reason.code).collect();
        assert_eq!(codes, ["same-district", "dayparts", "ages", "ages-outside", "language"]);
        assert_eq!(near.points, 5 + 2 + 1 - 2 + 2);
        let silent = Offer { dayparts: Vec::new(), languages: Vec::new(), ..offer() };
        let far = score(&wanted(), &silent, place("WK026802"), (0, 1), 1);
        assert!(far.points < near.points);
        let mut both = vec![("far", far), ("near", near)];
        rank(&mut both);
        assert_eq!(both[0].0, "near");
    }

    proptest! {
        /// The points are the sum of the reasons, and one more shared daypart never counts against.
        #[test]
        fn points_add_up_and_more_in_common_is_never_worse(
            parts in proptest::sample::subsequence(Daypart::ALL.to_vec(), 0..=7),
            more in proptest::sample::select(Daypart::ALL.to_vec()),
            ages in proptest::collection::vec(0_u16..24, 0..4),
            sleepover: bool, stays: bool, good in 0_usize..4, bad in 0_usize..4,
        ) {
            let wanted = Wanted { sleepover, ages, ..wanted() };
            let offer = Offer { dayparts: parts.clone(), sleepover: stays, ..offer() };
            let one = score(&wanted, &offer, place("WK026801"), (good, bad), 0);
            prop_assert_eq!(one.points, one.reasons.iter().map(|r| r.points).sum::<i32>());
            let wider = Offer { dayparts: [parts, vec![more]].concat(), ..offer };
            let two = score(&wanted, &wider, place("WK026801"), (good, bad), 0);
            prop_assert!(two.points >= one.points);
        }
    }
}
