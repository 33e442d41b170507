//! Hides small cells and rounds the others, so that no cell and no difference of cells points at a
//! family.
//!
//! The rules, for one table of counts and its total:
//! 1. A cell below the threshold is hidden, zero included: that nobody came is also a fact.
//! 2. A single hidden cell could be found by subtracting the others from the total, so the smallest
//!    shown cell is hidden with it.
//! 3. Shown cells and the total are rounded to the nearest multiple of the base, halves up.
//! 4. A total below the threshold is hidden, and then every cell with it.
//! 5. What hidden cells share, the total less the shown cells, must itself reach the threshold after
//!    rounding; until it does, the smallest shown cell is hidden too.
//!
//! A hidden cell says nothing more: not which rule hid it.

use std::num::NonZeroU32;

/// What a figure shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Figure {
    /// Hidden.
    Hidden,
    /// A multiple of the rounding base.
    Shown(u32),
}

/// Threshold and rounding base of `policies/disclosure.toml`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rules {
    threshold: NonZeroU32,
    base: NonZeroU32,
}

/// The rules would protect nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "threshold must be at least 5 and the rounding base at least 3, and no more than the threshold"
)]
pub struct TooWeak;

impl Rules {
    /// # Errors
    /// [`TooWeak`] for a threshold below 5, a base below 3, or a base above the threshold.
    pub fn new(threshold: u32, base: u32) -> Result<Self, TooWeak> {
        if threshold < 5 || base < 3 || base > threshold {
            return Err(TooWeak);
        }
        Ok(Self {
            threshold: NonZeroU32::new(threshold).ok_or(TooWeak)?,
            base: NonZeroU32::new(base).ok_or(TooWeak)?,
        })
    }

    /// Families a shown cell counts at least.
    #[must_use]
    pub const fn threshold(self) -> u32 {
        self.threshold.get()
    }

    /// What figures are multiples of.
    #[must_use]
    pub const fn base(self) -> u32 {
        self.base.get()
    }

    fn round(self, count: u32) -> u32 {
        let base = self.base();
        count.saturating_add(base / 2) / base * base
    }
}

/// A protected table: one figure a cell in the order of the counts, and the total.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Protected {
    /// Cells.
    pub cells: Vec<Figure>,
    /// Total.
    pub total: Figure,
}

/// Protects one table of counts; its total is their sum.
#[must_use]
pub fn protect(counts: &[u32], rules: Rules) -> Protected {
    let total: u32 = counts.iter().sum();
    if total < rules.threshold() {
        return Protected { cells: vec![Figure::Hidden; counts.len()], total: Figure::Hidden };
    }
    let mut shown: Vec<bool> = counts.iter().map(|n| *n >= rules.threshold()).collect();
    while !hidden_are_safe(counts, &shown, total, rules) {
        match smallest_shown(counts, &shown) {
            Some(index) => hide(&mut shown, index),
            None => break,
        }
    }
    let figure = |(count, shown): (&u32, &bool)| {
        if *shown { Figure::Shown(rules.round(*count)) } else { Figure::Hidden }
    };
    Protected {
        cells: counts.iter().zip(&shown).map(figure).collect(),
        total: Figure::Shown(rules.round(total)),
    }
}

/// Why each cell, and last the total, is shown or hidden: for who decides about publishing, never for who reads it.
#[must_use]
pub fn reasons(counts: &[u32], rules: Rules) -> Vec<&'static str> {
    let table = protect(counts, rules);
    let reason = |(count, figure): (&u32, &Figure)| match figure {
        Figure::Shown(_) => "shown, rounded",
        Figure::Hidden if table.total == Figure::Hidden => {
            "hidden: the whole is below the threshold"
        }
        Figure::Hidden if *count < rules.threshold() => "hidden: below the threshold",
        Figure::Hidden => "hidden: otherwise another hidden cell could be found by subtracting",
    };
    let total = match table.total {
        Figure::Shown(_) => "shown, rounded",
        Figure::Hidden => "hidden: below the threshold",
    };
    counts.iter().zip(&table.cells).map(reason).chain([total]).collect()
}

/// Whether at least two cells share what is hidden, and it could still be anything from the threshold
/// up, whatever the rounding took away.
fn hidden_are_safe(counts: &[u32], shown: &[bool], total: u32, rules: Rules) -> bool {
    let hidden = shown.iter().filter(|shown| !**shown).count();
    if hidden == 0 {
        return true;
    }
    let revealed: u32 =
        counts.iter().zip(shown).filter(|(_, shown)| **shown).map(|(n, _)| rules.round(*n)).sum();
    let rest = rules.round(total).saturating_sub(revealed);
    hidden >= 2 && (rest >= rules.threshold() || revealed == 0)
}

fn smallest_shown(counts: &[u32], shown: &[bool]) -> Option<usize> {
    counts
        .iter()
        .zip(shown)
        .enumerate()
        .filter(|(_, (_, shown))| **shown)
        .min_by_key(|(_, (count, _))| **count)
        .map(|(index, _)| index)
}

fn hide(shown: &mut [bool], index: usize) {
    if let Some(cell) = shown.get_mut(index) {
        *cell = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Figure::{Hidden, Shown};
    use proptest::prelude::*;

    fn rules() -> Rules {
        Rules::new(10, 5).unwrap()
    }

    #[test]
    fn sta_01_small_cells_are_hidden_at_and_around_the_threshold() {
        let at = |n: u32| protect(&[n, 40, 9, 8, 30], rules()).cells[0];
        assert_eq!(at(9), Hidden);
        assert_eq!(at(10), Shown(10));
        assert_eq!(at(11), Shown(10));
        assert_eq!(at(13), Shown(15));
    }

    #[test]
    fn sta_02_one_hidden_cell_takes_a_second_with_it() {
        let table = protect(&[3, 40, 12, 30], rules());
        assert_eq!(table.cells, [Hidden, Shown(40), Hidden, Shown(30)]);
        // Positive control: with two small cells that share enough, nothing else is hidden.
        let table = protect(&[8, 40, 7, 30], rules());
        assert_eq!(table.cells, [Hidden, Shown(40), Hidden, Shown(30)]);
        assert_eq!(table.total, Shown(85));
    }

    #[test]
    fn sta_03_zero_is_hidden_like_any_small_number() {
        let table = protect(&[0, 40, 9, 30], rules());
        assert_eq!((table.cells[0], table.cells[2]), (Hidden, Hidden));
    }

    #[test]
    fn sta_07_a_small_gemeente_shows_nothing() {
        let table = protect(&[3, 2, 4], rules());
        assert_eq!(table, Protected { cells: vec![Hidden; 3], total: Hidden });
    }

    #[test]
    fn each_hidden_cell_has_its_reason() {
        let why = reasons(&[3, 40, 12, 30], rules());
        assert_eq!(why.len(), 5);
        assert_eq!((why[0], why[1]), ("hidden: below the threshold", "shown, rounded"));
        assert!(why[2].contains("subtracting"));
        assert!(reasons(&[3, 2], rules()).iter().all(|why| why.starts_with("hidden")));
    }

    #[test]
    fn weak_rules_are_refused() {
        assert_eq!(Rules::new(4, 3), Err(TooWeak));
        assert_eq!(Rules::new(10, 2), Err(TooWeak));
        assert_eq!(Rules::new(10, 11), Err(TooWeak));
        assert!(Rules::new(5, 3).is_ok());
    }

    proptest! {
        #[test]
        fn no_table_shows_a_small_cell_or_leaves_one_to_be_subtracted(
            counts in proptest::collection::vec(0_u32..60, 1..8)
        ) {
            let table = protect(&counts, rules());
            for (count, figure) in counts.iter().zip(&table.cells) {
                if let Shown(shown) = figure {
                    prop_assert!(*count >= 10 && shown % 5 == 0 && shown.abs_diff(*count) <= 2);
                }
            }
            let hidden = table.cells.iter().filter(|f| **f == Hidden).count();
            let shown: u32 = table.cells.iter().map(|f| if let Shown(n) = f { *n } else { 0 }).sum();
            if let Shown(total) = table.total {
                prop_assert!(hidden != 1 || counts.len() == 1);
                prop_assert!(hidden == 0 || shown == 0 || total.saturating_sub(shown) >= 10);
            } else {
                prop_assert_eq!(hidden, counts.len());
            }
        }
    }
}
