//! Counts laid out as tables with every category present, counted or not.
//!
//! What is counted comes as [`Event`]s: a kind, a quarter and codes, nothing by which one could be told from another.

use crate::domain::age::AgeBand;
use crate::domain::pairing::{EndReason, PlacementAvoided, ProfessionalHelp, SocialContacts};
use crate::domain::referral::{Composition, Source};
use crate::domain::words::words;
use crate::statistics::freeze::Table;

words! {
    /// What is counted. The unit is a family, once for each kind and table.
    Kind {
        /// Families that were referred.
        Referrals = "referrals",
        /// Families of which a pairing went on after its trial.
        PairingsMade = "pairings-made",
        /// Families of which a pairing ended.
        PairingsEnded = "pairings-ended",
        /// Families that have a pairing at the end of a period: a stock.
        PairingsActive = "pairings-active",
        /// Support families that registered.
        SupportFamilies = "support-families",
        /// Families of which a pairing was evaluated, by the last evaluation of the year.
        Evaluations = "evaluations",
    }
}

impl Kind {
    /// Whether it is what there is at an instant rather than what happened in a period.
    #[must_use]
    pub const fn is_stock(self) -> bool {
        matches!(self, Self::PairingsActive)
    }

    /// Whether it is counted by the year alone: a pairing is evaluated twice a year, and would stand in two quarters.
    #[must_use]
    pub const fn is_yearly(self) -> bool {
        matches!(self, Self::Evaluations)
    }

    /// By what it can be broken down.
    #[must_use]
    pub const fn dimensions(self) -> &'static [Dimension] {
        use Dimension as D;
        match self {
            Self::Referrals => &[D::District, D::Source, D::AgeBand, D::Household],
            Self::PairingsMade => &[D::District, D::Household, D::Waiting],
            Self::PairingsEnded => &[D::District, D::Outcome],
            Self::PairingsActive | Self::SupportFamilies => &[D::District],
            Self::Evaluations => &[
                D::ProfessionalHelp,
                D::NetworkExtended,
                D::SocialContacts,
                D::Grade,
                D::PlacementAvoided,
            ],
        }
    }
}

words! {
    /// By what a kind is broken down.
    Dimension {
        /// Wijk, CBS code.
        District = "district",
        /// In which capacity it was referred.
        Source = "source",
        /// Age band of the youngest child.
        AgeBand = "ageBand",
        /// Composition of the household.
        Household = "household",
        /// Why a pairing ended.
        Outcome = "outcome",
        /// Weeks from the referral to the introduction.
        Waiting = "waiting",
        /// What became of professional help.
        ProfessionalHelp = "professionalHelp",
        /// Whether the network was extended.
        NetworkExtended = "networkExtended",
        /// What became of the child's social contacts.
        SocialContacts = "socialContacts",
        /// What grade the pairing was given.
        Grade = "grade",
        /// Whether an out-of-home placement was avoided.
        PlacementAvoided = "placementAvoided",
    }
}

/// A family whose wijk is not known, or not one of the contract's.
pub const ELSEWHERE: &str = "elsewhere";
/// Bands of the waiting time, in whole weeks.
const WAITING: [&str; 4] = ["0-4", "5-8", "9-13", "14-"];
/// Bands of a grade from 1.0 to 10.0.
const GRADES: [&str; 4] = ["1.0-5.4", "5.5-6.9", "7.0-7.9", "8.0-10.0"];

/// The band of a waiting time, in milliseconds.
#[must_use]
pub const fn waiting_band(ms: i64) -> &'static str {
    match ms / (7 * 86_400_000) {
        ..=4 => WAITING[0],
        5..=8 => WAITING[1],
        9..=13 => WAITING[2],
        _ => WAITING[3],
    }
}

/// The band of a grade, in tenths.
#[must_use]
pub const fn grade_band(tenths: i32) -> &'static str {
    match tenths {
        ..=54 => GRADES[0],
        55..=69 => GRADES[1],
        70..=79 => GRADES[2],
        _ => GRADES[3],
    }
}

fn spelled<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|one| word(*one)).collect()
}

impl Dimension {
    /// Its codes, the whole list; of a wijk they are the contract's.
    #[must_use]
    pub fn codes(self) -> Vec<&'static str> {
        match self {
            Self::District => Vec::new(),
            Self::Source => spelled(Source::ALL, Source::as_str),
            Self::AgeBand => spelled(AgeBand::ALL, AgeBand::as_str),
            Self::Household => spelled(Composition::ALL, Composition::as_str),
            Self::Outcome => spelled(EndReason::ALL, EndReason::as_str),
            Self::Waiting => WAITING.to_vec(),
            Self::ProfessionalHelp => spelled(ProfessionalHelp::ALL, ProfessionalHelp::as_str),
            Self::NetworkExtended => vec!["yes", "no"],
            Self::SocialContacts => spelled(SocialContacts::ALL, SocialContacts::as_str),
            Self::Grade => GRADES.to_vec(),
            Self::PlacementAvoided => spelled(PlacementAvoided::ALL, PlacementAvoided::as_str),
        }
    }
}

/// One family in one kind, as it is counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// In which quarter of the year it is counted, 0 to 3; a stock in each at the end of which it is there.
    pub quarter: usize,
    /// Its codes.
    pub traits: Vec<(Dimension, String)>,
    /// Whether the family stands in an earlier event of this kind and year: then it counts in no table, which is what
    /// bounds what a table can tell of it, but in the number that is told exactly.
    pub again: bool,
}

/// How many events of a kind there are in a quarter, a family as often as it stands in them.
#[must_use]
pub fn all_of_quarter(events: &[Event], kind: Kind, quarter: usize) -> i64 {
    let own = events.iter().filter(|event| event.kind == kind && event.quarter == quarter);
    i64::try_from(own.count()).unwrap_or(i64::MAX)
}

/// How many events of a kind are counted in a quarter.
#[must_use]
pub fn of_quarter(events: &[Event], kind: Kind, quarter: usize) -> i64 {
    let own = |event: &&Event| event.kind == kind && event.quarter == quarter && !event.again;
    i64::try_from(events.iter().filter(own).count()).unwrap_or(i64::MAX)
}

/// Which events of a year stand in a cell: of a kind, and with one code where one is asked for. Of a stock: those
/// that are there at the end of the year.
#[must_use]
pub fn members(events: &[Event], kind: Kind, code: Option<(Dimension, &str)>) -> Vec<usize> {
    let own = |event: &Event| {
        event.kind == kind && !event.again && (!kind.is_stock() || event.quarter == 3)
    };
    let with = |event: &Event| {
        let has = |(of, is): &(Dimension, String)| Some((*of, is.as_str())) == code;
        code.is_none() || event.traits.iter().any(has)
    };
    let inside = events.iter().enumerate().filter(|(_, event)| own(event) && with(event));
    inside.map(|(at, _)| at).collect()
}

/// A yearly table of a kind: a count for each code, empty ones too.
#[must_use]
pub fn of_year<'a>(
    events: &[Event],
    kind: Kind,
    dimension: Dimension,
    codes: &[&'a str],
) -> Table<'a> {
    let count = |code: &str| {
        let members = members(events, kind, Some((dimension, code)));
        i64::try_from(members.len()).unwrap_or(i64::MAX)
    };
    let cells = codes.iter().map(|code| (*code, count(code))).collect();
    Table { name: dimension.as_str(), cells }
}

/// Families referred in one year in one gemeente, by the capacity of who referred: one cell a source,
/// in the order of [`Source::ALL`]. Unit: families (a case each), not children.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReferralsBySource(Vec<(Source, u32)>);

impl ReferralsBySource {
    /// Lays out counts; what is not among them counts 0, what is there twice is added up.
    #[must_use]
    pub fn new(counts: impl IntoIterator<Item = (Source, u32)>) -> Self {
        let counts: Vec<(Source, u32)> = counts.into_iter().collect();
        let of = |source: Source| {
            counts.iter().filter(|(counted, _)| *counted == source).map(|(_, n)| n).sum()
        };
        Self(Source::ALL.iter().map(|source| (*source, of(*source))).collect())
    }

    /// The cells.
    #[must_use]
    pub fn cells(&self) -> &[(Source, u32)] {
        &self.0
    }

    /// All families.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.iter().map(|(_, families)| families).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_have_their_edges() {
        const WEEK: i64 = 7 * 86_400_000;
        let of = |weeks: i64| waiting_band(weeks * WEEK);
        assert_eq!(
            [of(0), of(4), of(5), of(8), of(9), of(13), of(14)],
            ["0-4", "0-4", "5-8", "5-8", "9-13", "9-13", "14-"]
        );
        assert_eq!(waiting_band(5 * WEEK - 1), "0-4");
        assert_eq!(
            [10, 54, 55, 69, 70, 79, 80, 100].map(grade_band),
            [
                "1.0-5.4", "1.0-5.4", "5.5-6.9", "5.5-6.9", "7.0-7.9", "7.0-7.9", "8.0-10.0",
                "8.0-10.0"
            ]
        );
    }

    #[test]
    fn every_event_is_counted_in_its_quarter_and_by_its_codes() {
        let event = |kind, quarter, code: &str| Event {
            kind,
            quarter,
            traits: vec![(Dimension::Household, code.to_owned())],
            again: false,
        };
        let mut again = event(Kind::Referrals, 3, "one-parent");
        again.again = true;
        let events = [
            again,
            event(Kind::Referrals, 0, "one-parent"),
            event(Kind::Referrals, 3, "one-parent"),
            event(Kind::PairingsMade, 3, "foster"),
        ];
        assert_eq!([0, 1, 2, 3].map(|q| of_quarter(&events, Kind::Referrals, q)), [1, 0, 0, 1]);
        assert_eq!(all_of_quarter(&events, Kind::Referrals, 3), 2, "told exactly, each time");
        let codes = Dimension::Household.codes();
        let table = of_year(&events, Kind::Referrals, Dimension::Household, &codes);
        assert_eq!(table.cells.len(), Composition::ALL.len(), "empty ones too");
        let counted: Vec<_> = table.cells.iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(counted, [&("one-parent", 2)]);
        // Of a stock the end of the year alone: otherwise one pairing would be there four times.
        let stock = [0, 1, 2, 3].map(|q| event(Kind::PairingsActive, q, "one-parent"));
        let table = of_year(&stock, Kind::PairingsActive, Dimension::Household, &codes);
        assert_eq!(table.cells.iter().map(|(_, n)| n).sum::<i64>(), 1);
    }

    #[test]
    fn every_source_has_a_cell() {
        let table = ReferralsBySource::new([(Source::PohJ, 2), (Source::PohJ, 3)]);
        assert_eq!(table.cells().len(), Source::ALL.len());
        assert_eq!(table.total(), 5);
        assert!(table.cells().contains(&(Source::PohJ, 5)));
        assert!(table.cells().contains(&(Source::Wijkteam, 0)));
    }
}
