//! Counts laid out as a table with every category present, counted or not.

use crate::domain::referral::Source;

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
    fn every_source_has_a_cell() {
        let table = ReferralsBySource::new([(Source::PohJ, 2), (Source::PohJ, 3)]);
        assert_eq!(table.cells().len(), Source::ALL.len());
        assert_eq!(table.total(), 5);
        assert!(table.cells().contains(&(Source::PohJ, 5)));
        assert!(table.cells().contains(&(Source::Wijkteam, 0)));
    }
}
