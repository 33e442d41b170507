//! What other programmes report about themselves: counts of a quarter, a closed list for each.

use crate::domain::municipality::Municipality;
use crate::domain::period::Year;
use crate::domain::referral::Source;
use crate::domain::words::words;

words! {
    /// A programme that reports.
    Programme {
        /// Youth support at the general practitioner's.
        PohJ = "poh-j",
        /// One plan for households with several problems.
        Regieteam = "regieteam",
        /// A tailored plan with a breakthrough within three to six months.
        Doorbraakaanpak = "doorbraakaanpak",
    }
}

/// One measure of a programme, and the measure it is a part of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Measure {
    /// Name on the wire and in a row.
    pub name: &'static str,
    /// It cannot be more than this one.
    pub part_of: Option<&'static str>,
}

const fn whole(name: &'static str) -> Measure {
    Measure { name, part_of: None }
}

const fn part(name: &'static str, part_of: &'static str) -> Measure {
    Measure { name, part_of: Some(part_of) }
}

/// The mean grade of the respondents, in tenths: the one measure that is not a count.
pub const GRADE: &str = "grade";
/// Of how many respondents the grade is the mean.
pub const RESPONDENTS: &str = "respondents";

const POH_J: &[Measure] = &[
    whole("childrenSeen"),
    part("helpedWithoutReferral", "childrenSeen"),
    part("referredOn", "childrenSeen"),
    whole("contacts"),
    part(RESPONDENTS, "childrenSeen"),
];
const REGIETEAM: &[Measure] = &[
    whole("households"),
    part("plansAgreed", "households"),
    part("placementsAvoided", "households"),
    part("placementsReversed", "households"),
];
const DOORBRAAK: &[Measure] = &[
    whole("plans"),
    part("breakthroughs", "plans"),
    part("breakthroughsWithinTerm", "breakthroughs"),
];

impl Programme {
    /// The capacity in which a partner of this programme refers.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            Self::PohJ => Source::PohJ,
            Self::Regieteam => Source::Regieteam,
            Self::Doorbraakaanpak => Source::Doorbraakcoach,
        }
    }

    /// What it counts, all of it required. The grade comes besides, where there are respondents.
    #[must_use]
    pub const fn measures(self) -> &'static [Measure] {
        match self {
            Self::PohJ => POH_J,
            Self::Regieteam => REGIETEAM,
            Self::Doorbraakaanpak => DOORBRAAK,
        }
    }
}

/// Most that a measure can be: what is more is a mistake of typing.
pub const MOST: i64 = 100_000;

/// A measure that does not fit another, and the rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Implausible {
    /// Which measure.
    pub measure: &'static str,
    /// The rule.
    pub rule: &'static str,
}

/// What does not fit in counts that are each right by themselves. `value` gives a measure.
#[must_use]
pub fn implausible(programme: Programme, value: impl Fn(&str) -> i64) -> Vec<Implausible> {
    let mut found: Vec<Implausible> = programme
        .measures()
        .iter()
        .filter(|measure| measure.part_of.is_some_and(|whole| value(measure.name) > value(whole)))
        .map(|measure| Implausible {
            measure: measure.name,
            rule: "must not be more than what it is a part of",
        })
        .collect();
    if programme == Programme::PohJ {
        let (seen, helped, referred) =
            (value("childrenSeen"), value("helpedWithoutReferral"), value("referredOn"));
        if helped + referred > seen && helped <= seen && referred <= seen {
            let rule = "must not, with those helped, be more than the children seen";
            found.push(Implausible { measure: "referredOn", rule });
        }
        if value("contacts") < seen {
            let rule = "must be at least one for each child seen";
            found.push(Implausible { measure: "contacts", rule });
        }
    }
    found
}

/// What a gemeente and Buurtgezinnen agreed on for a year.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target {
    /// Gemeente.
    pub municipality: Municipality,
    /// Year.
    pub year: Year,
    /// Pairings to be made.
    pub pairings: u32,
    /// What the gemeente pays, in whole euro.
    pub budget_euro: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn found(programme: Programme, counts: &[(&str, i64)]) -> Vec<&'static str> {
        let counts: HashMap<&str, i64> = counts.iter().copied().collect();
        let value = |name: &str| counts.get(name).copied().unwrap_or_default();
        implausible(programme, value).into_iter().map(|one| one.measure).collect()
    }

    #[test]
    fn parts_are_no_more_than_their_whole() {
        let good = [
            ("childrenSeen", 100),
            ("helpedWithoutReferral", 75),
            ("referredOn", 25),
            ("contacts", 400),
        ];
        assert!(found(Programme::PohJ, &good).is_empty());
        let mut bad = good;
        bad[2].1 = 26;
        assert_eq!(found(Programme::PohJ, &bad), ["referredOn"]);
        bad[1].1 = 101;
        assert_eq!(found(Programme::PohJ, &bad), ["helpedWithoutReferral"]);
        bad = good;
        bad[3].1 = 99;
        assert_eq!(found(Programme::PohJ, &bad), ["contacts"]);
        let plans = [("plans", 3), ("breakthroughs", 2), ("breakthroughsWithinTerm", 3)];
        assert_eq!(found(Programme::Doorbraakaanpak, &plans), ["breakthroughsWithinTerm"]);
    }

    #[test]
    fn every_part_has_its_whole() {
        for programme in Programme::ALL {
            let names: Vec<_> = programme.measures().iter().map(|one| one.name).collect();
            let wholes = programme.measures().iter().filter_map(|one| one.part_of);
            assert!(wholes.into_iter().all(|whole| names.contains(&whole)));
        }
    }
}
