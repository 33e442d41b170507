//! Draws that are the same for a seed. For inventing people, never for keys.

/// A sequence of numbers from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// The sequence of a seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, of any size.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not zero.
    pub const fn below(&mut self, n: u64) -> u64 {
        self.number() % n
    }

    /// A whole number from `least` to `most`.
    pub const fn between(&mut self, least: i64, most: i64) -> i64 {
        least.saturating_add_unsigned(self.below(least.abs_diff(most).saturating_add(1)))
    }

    /// Yes, in `n` of a thousand.
    pub const fn happens(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of a list that is not empty.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let length = u64::try_from(of.len()).ok().filter(|length| *length > 0)?;
        of.get(usize::try_from(self.below(length)).ok()?).copied()
    }

    /// A list in an order of its own.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let bound = u64::try_from(last).unwrap_or_default().saturating_add(1);
            let other = usize::try_from(self.below(bound)).unwrap_or_default();
            list.swap(last, other);
        }
    }
}
