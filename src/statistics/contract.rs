//! What a gemeente is to be told: by which method, from when, in which tables, at most how much.
//!
//! Read from `policies/disclosure.toml` by the floor above. A gemeente that has no contract there gets one table of a
//! year, small cells hidden.

use crate::domain::municipality::{District, Municipality};
use crate::domain::period::Quarter;
use crate::domain::programme::Programme;
use crate::statistics::noise::Alpha;
use crate::statistics::protect::Rules;
use crate::statistics::tabulate::{Dimension, ELSEWHERE, Kind};
use std::fmt;

/// How figures are protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// Measured, rounded and frozen: every cell is published, every table adds up.
    Freeze {
        /// What figures are multiples of: 3 or 5.
        base: i64,
        /// How much noise.
        alpha: Alpha,
    },
    /// Small cells are hidden and others with them; what is shown is rounded.
    Suppress(Rules),
    /// Each cell is moved by what the keys of its records say, at most five; nothing from 1 to 4 is shown.
    CellKey,
    /// Differential privacy: two-sided geometric noise, ε of a whole year at most 1; for large gemeenten and regions.
    Private(Alpha),
}

impl Method {
    /// Its name in a contract and in a release.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Freeze { .. } => "measure-round-freeze",
            Self::Suppress(_) => "suppress-and-round",
            Self::CellKey => "cell-key",
            Self::Private(_) => "differential-privacy",
        }
    }

    /// How far a frozen figure is from its count at most, in 95 of 100 cells: of a quarter and of a year. Measured; the
    /// test of `freeze` measures it again. Zero for methods that have no such pair.
    #[must_use]
    pub const fn error95(self) -> (i64, i64) {
        match self {
            Self::Freeze { base: 3, alpha: Alpha::Half } => (5, 4),
            Self::Freeze { base: 3, .. } => (4, 3),
            Self::Freeze { alpha: Alpha::Half, .. } => (6, 5),
            Self::Freeze { .. } => (5, 4),
            Self::Suppress(_) | Self::CellKey | Self::Private(_) => (0, 0),
        }
    }
}

/// A table of a year: a kind by a dimension.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct TableId {
    /// What is counted.
    pub kind: Kind,
    /// By what.
    pub dimension: Dimension,
}

/// Not a table that can be published.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be a kind, a dot and a dimension it has, such as referrals.source")]
pub struct NotATable;

impl TableId {
    /// # Errors
    /// [`NotATable`] for a kind or dimension that is not there, or not of that kind.
    pub fn parse(text: &str) -> Result<Self, NotATable> {
        let (kind, dimension) = text.split_once('.').ok_or(NotATable)?;
        let kind = Kind::parse(kind).or(Err(NotATable))?;
        let dimension = Dimension::parse(dimension).or(Err(NotATable))?;
        let known = kind.dimensions().contains(&dimension);
        if known { Ok(Self { kind, dimension }) } else { Err(NotATable) }
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind.as_str(), self.dimension.as_str())
    }
}

/// What a gemeente is to be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contract {
    /// Which gemeente.
    pub municipality: Municipality,
    /// Name of this version of the plan; part of the name of every draw.
    pub plan: String,
    /// How it is protected.
    pub method: Method,
    /// The first quarter that is counted.
    pub from: Quarter,
    /// What is counted, by the quarter and the year.
    pub kinds: Vec<Kind>,
    /// The yearly tables.
    pub tables: Vec<TableId>,
    /// Wijken of tables by district.
    pub districts: Vec<District>,
    /// Programmes whose reports of the year stand beside.
    pub programmes: Vec<Programme>,
    /// Kinds whose year is told exactly, as the contract asks for: an invoice is made out by it.
    pub exact: Vec<Kind>,
    /// Most tables of one kind and year.
    pub cap: u32,
}

/// Most tables of one kind and year that any contract can allow.
pub const HARD_CAP: u32 = 10;
/// Most tables where a contract says nothing.
pub const CAP: u32 = 5;

impl Contract {
    /// Codes of a dimension, the whole list.
    #[must_use]
    pub fn codes(&self, dimension: Dimension) -> Vec<&str> {
        match dimension {
            Dimension::District => {
                self.districts.iter().map(District::as_str).chain([ELSEWHERE]).collect()
            }
            other => other.codes(),
        }
    }

    /// The yearly tables of a kind.
    pub fn tables_of(&self, kind: Kind) -> impl Iterator<Item = TableId> + '_ {
        self.tables.iter().copied().filter(move |table| table.kind == kind)
    }

    /// Tables that a release of a quarter costs about a family that stands in it.
    ///
    /// The quarters of a flow are one table, paid with the first that is sealed: a family stands in one of them. The
    /// stock of each quarter is a table of its own. With the last quarter come those of the year.
    #[must_use]
    pub fn cost(&self, kind: Kind, quarter: Quarter, first_of_year: bool) -> u32 {
        let yearly = u32::try_from(self.tables_of(kind).count()).unwrap_or(u32::MAX);
        let own = match kind {
            _ if kind.is_yearly() => u32::from(quarter.closes_year()),
            _ if kind.is_stock() => 1,
            _ => u32::from(first_of_year),
        };
        if quarter.closes_year() { own + yearly } else { own }
    }
}

/// Gemeenten whose figures are also told as one sum.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Region {
    /// Its name, such as `rijk-van-nijmegen`.
    pub name: String,
    /// Its gemeenten.
    pub municipalities: Vec<Municipality>,
}

/// Somebody who can approve of what goes beyond a contract: a name and the key of its signatures.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approver {
    /// Name.
    pub name: String,
    /// Ed25519 public key.
    pub key: [u8; 32],
}

/// All that `policies/disclosure.toml` says.
#[derive(Clone, Debug)]
pub struct Disclosure {
    /// For gemeenten without a contract.
    pub threshold: Rules,
    /// Contracts, at most one a gemeente.
    pub contracts: Vec<Contract>,
    /// Regions.
    pub regions: Vec<Region>,
    /// Who can approve.
    pub approvers: Vec<Approver>,
}

impl Disclosure {
    /// The contract of a gemeente.
    #[must_use]
    pub fn contract(&self, municipality: Municipality) -> Option<&Contract> {
        self.contracts.iter().find(|contract| contract.municipality == municipality)
    }

    /// The regions a gemeente lies in.
    pub fn regions_of(&self, municipality: Municipality) -> impl Iterator<Item = &Region> {
        self.regions.iter().filter(move |region| region.municipalities.contains(&municipality))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_a_kind_by_a_dimension_it_has() {
        assert_eq!(TableId::parse("referrals.source").unwrap().to_string(), "referrals.source");
        for bad in ["referrals", "referrals.outcome", "families.source", "referrals.source.x", ""] {
            assert_eq!(TableId::parse(bad), Err(NotATable), "{bad}");
        }
    }

    #[test]
    fn quarters_of_a_flow_are_paid_once_and_those_of_a_stock_each_time() {
        let contract = Contract {
            municipality: Municipality::parse("GM0119").unwrap(),
            plan: "lean-1".to_owned(),
            method: Method::Freeze { base: 3, alpha: Alpha::ThreeEighths },
            from: Quarter::read("2026Q1").unwrap(),
            kinds: vec![Kind::Referrals, Kind::PairingsActive, Kind::Evaluations],
            tables: ["referrals.source", "referrals.ageBand", "evaluations.grade"]
                .map(|table| TableId::parse(table).unwrap())
                .to_vec(),
            districts: Vec::new(),
            programmes: Vec::new(),
            exact: Vec::new(),
            cap: CAP,
        };
        let year = Quarter::all_of(crate::domain::period::Year::parse(2026).unwrap());
        let of = |kind| {
            let costs = year.map(|quarter| contract.cost(kind, quarter, quarter == year[0]));
            (costs, costs.iter().sum::<u32>())
        };
        assert_eq!(of(Kind::Referrals), ([1, 0, 0, 2], 3));
        assert_eq!(of(Kind::PairingsActive), ([1, 1, 1, 1], 4));
        assert_eq!(of(Kind::Evaluations), ([0, 0, 0, 2], 2));
    }
}
