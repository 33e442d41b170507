//! What a support family may be told of a family, which grows with the stage.
//!
//! For whoever proposes, introduces or pairs. Invariants: nothing without consent to the referral; a way
//! to get in touch and an address only once paired, under consent to `pairing`; a confidential address
//! never. Absent: how it is told, and the values themselves.

use crate::domain::age::{BirthDate, date_in_amsterdam};
use crate::domain::identity::FieldGroup;
use crate::domain::words::words;
use jiff::Timestamp;

words! {
    /// How far two families are on their way to each other.
    TellingStage {
        /// A coordinator proposes a family.
        Proposal = "proposal",
        /// They are to meet.
        Introduction = "introduction",
        /// They are paired, on trial or for good.
        Paired = "paired",
    }
}

words! {
    /// One thing that may be told.
    Told {
        /// How many children.
        ChildrenCount = "children-count",
        /// The ages of the children in whole years.
        AgesInYears = "ages-in-years",
        /// When help is wanted.
        Dayparts = "dayparts",
        /// What is asked for, in codes.
        Codes = "codes",
        /// First names.
        FirstNames = "first-names",
        /// The wijk the family lives in.
        District = "district",
        /// Telephone and e-mail.
        Contact = "contact",
        /// Street, number, postcode, town.
        Address = "address",
    }
}

impl Told {
    /// The sealed group it is taken from; none where it stands in the facts or on the case itself.
    #[must_use]
    pub const fn comes_from(self) -> Option<FieldGroup> {
        match self {
            Self::ChildrenCount => Some(FieldGroup::Household),
            Self::Dayparts | Self::Codes => Some(FieldGroup::SupportRequestCodes),
            Self::FirstNames => Some(FieldGroup::Names),
            Self::Contact => Some(FieldGroup::ContactDetails),
            Self::Address => Some(FieldGroup::Address),
            Self::AgesInYears | Self::District => None,
        }
    }
}

/// What the family agreed to, at this instant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Agreed {
    /// Consent to `referral` holds.
    pub referral: bool,
    /// Consent to `pairing` holds.
    pub pairing: bool,
    /// The address must stay hidden from other families. What was not said counts as yes.
    pub address_confidential: bool,
}

const AT_PROPOSAL: &[Told] = &[Told::ChildrenCount, Told::AgesInYears, Told::Dayparts, Told::Codes];
const AT_INTRODUCTION: &[Told] = &[
    Told::ChildrenCount,
    Told::AgesInYears,
    Told::Dayparts,
    Told::Codes,
    Told::FirstNames,
    Told::District,
];
const WHEN_PAIRED: &[Told] = &[
    Told::ChildrenCount,
    Told::AgesInYears,
    Told::Dayparts,
    Told::Codes,
    Told::FirstNames,
    Told::District,
    Told::Contact,
];
const WITH_ADDRESS: &[Told] = Told::ALL;

/// What may be told at a stage, given what was agreed. Whoever is paired without consent to `pairing`
/// is told no more than at the introduction.
#[must_use]
pub const fn may_be_told(stage: TellingStage, agreed: Agreed) -> &'static [Told] {
    match (stage, agreed) {
        (_, Agreed { referral: false, .. }) => &[],
        (TellingStage::Proposal, _) => AT_PROPOSAL,
        (TellingStage::Introduction, _) | (_, Agreed { pairing: false, .. }) => AT_INTRODUCTION,
        (TellingStage::Paired, Agreed { address_confidential: true, .. }) => WHEN_PAIRED,
        (TellingStage::Paired, _) => WITH_ADDRESS,
    }
}

/// Ages in whole years on the day of an instant, youngest first; of an incomplete date of birth the
/// youngest age that fits. No date is told, only these numbers.
#[must_use]
pub fn ages_in_years(children: &[BirthDate], at: Timestamp) -> Vec<u16> {
    let today = date_in_amsterdam(at);
    let mut ages: Vec<u16> = children.iter().map(|born| born.ages_on(today).youngest).collect();
    ages.sort_unstable();
    ages
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn every() -> impl Iterator<Item = (TellingStage, Agreed)> {
        TellingStage::ALL.iter().flat_map(|stage| {
            (0..8_u8).map(|bits| {
                let agreed = Agreed {
                    referral: bits & 1 != 0,
                    pairing: bits & 2 != 0,
                    address_confidential: bits & 4 != 0,
                };
                (*stage, agreed)
            })
        })
    }

    /// Written as a rule for each item, against the lists above: every stage, every consent.
    #[test]
    fn pol_15_each_item_is_told_at_its_stage_and_under_its_consent_and_not_before() {
        for (stage, agreed) in every() {
            for &item in Told::ALL {
                let introduced = stage != TellingStage::Proposal;
                let paired = stage == TellingStage::Paired && agreed.pairing;
                let expected = agreed.referral
                    && match item {
                        Told::ChildrenCount | Told::AgesInYears | Told::Dayparts | Told::Codes => {
                            true
                        }
                        Told::FirstNames | Told::District => introduced,
                        Told::Contact => paired,
                        Told::Address => paired && !agreed.address_confidential,
                    };
                let told = may_be_told(stage, agreed).contains(&item);
                assert_eq!(told, expected, "{item:?} at {stage:?} with {agreed:?}");
            }
        }
    }

    #[test]
    fn what_is_told_only_grows_with_the_stage_and_nothing_twice() {
        for (_, agreed) in every() {
            let mut before = BTreeSet::new();
            for &stage in TellingStage::ALL {
                let list = may_be_told(stage, agreed);
                let now: BTreeSet<_> = list.iter().copied().collect();
                assert_eq!(now.len(), list.len());
                assert!(now.is_superset(&before), "{stage:?} with {agreed:?}");
                before = now;
            }
        }
    }

    #[test]
    fn no_item_comes_from_a_group_that_is_never_told() {
        use FieldGroup::{Address, ContactDetails, Household, Names, SupportRequestCodes};
        let from: BTreeSet<_> = Told::ALL.iter().filter_map(|item| item.comes_from()).collect();
        let may = [Names, Address, ContactDetails, Household, SupportRequestCodes];
        assert_eq!(from, may.into_iter().collect());
    }

    #[test]
    fn ages_are_numbers_of_years_youngest_first() {
        let born = |text| BirthDate::parse(text).unwrap();
        let at: Timestamp = "2026-11-21T11:00:00Z".parse().unwrap();
        let children = [born("2015-11-22"), born("2021-03-01"), born("2014")];
        assert_eq!(ages_in_years(&children, at), [5, 10, 11]);
        assert_eq!(ages_in_years(&[], at), Vec::<u16>::new());
    }
}
