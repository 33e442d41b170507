//! Two-sided geometric noise, exactly, from bits: no floating point, no rejection, no modulo.
//!
//! G counts how often a group of bits says "on" before it says "off" the first time; the noise is G₁ − G₂. With
//! "on" in α of the groups P(noise = n) = (1 − α)/(1 + α) · α^|n|: what is published of one table says about any
//! family at most ε = ln 1/α more than what was known without it.

use crate::crypto::bits::Bits;

/// How much noise: the chance of one step further from the count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alpha {
    /// 1/4: ε = 1.386 a table.
    Quarter,
    /// 3/8: ε = 0.981 a table. The default.
    ThreeEighths,
    /// 1/2: ε = 0.693 a table.
    Half,
    /// 7/8: ε = 0.134 a table, so that seven tables stay below 1. For differential privacy of a whole year.
    SevenEighths,
}

impl Alpha {
    /// Numerator and denominator.
    #[must_use]
    pub const fn fraction(self) -> (u32, u32) {
        match self {
            Self::Quarter => (1, 4),
            Self::ThreeEighths => (3, 8),
            Self::Half => (1, 2),
            Self::SevenEighths => (7, 8),
        }
    }

    /// As it is written: `3/8`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarter => "1/4",
            Self::ThreeEighths => "3/8",
            Self::Half => "1/2",
            Self::SevenEighths => "7/8",
        }
    }

    /// ε = ln 1/α of one table, in thousandths, rounded up.
    #[must_use]
    pub const fn epsilon_thousandths(self) -> u32 {
        match self {
            Self::Quarter => 1_387,
            Self::ThreeEighths => 981,
            Self::Half => 694,
            Self::SevenEighths => 134,
        }
    }

    /// One noise.
    pub fn draw(self, bits: &mut Bits) -> i64 {
        self.steps(bits) - self.steps(bits)
    }

    /// Groups that say "on" before the first that does not.
    fn steps(self, bits: &mut Bits) -> i64 {
        let (on, of) = self.fraction();
        let width = of.trailing_zeros();
        let mut steps = 0;
        while bits.take(width) < on {
            steps += 1;
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::bits::Seed;

    /// The exact distribution over a million draws for each α, by chi-square: 17 values and the two tails, 18
    /// degrees of freedom; 42.3 is passed by one honest sampler in a thousand. The control is an α that is off by
    /// 1/256.
    #[test]
    fn the_noise_has_its_exact_distribution() {
        const DRAWS: u32 = 1_000_000;
        for alpha in [Alpha::Quarter, Alpha::ThreeEighths, Alpha::Half, Alpha::SevenEighths] {
            let mut counts = [0_u32; 19];
            let mut bits = Seed::given([42; 32]).bits(&["chi-square"]);
            for _ in 0..DRAWS {
                let noise = alpha.draw(&mut bits).clamp(-9, 9);
                counts[usize::try_from(noise + 9).unwrap()] += 1;
            }
            let (on, of) = alpha.fraction();
            let fit = |a: f64| {
                let inside = |n: i32| (1.0 - a) / (1.0 + a) * a.powi(n.abs());
                let mut sum = 0.0;
                for (at, count) in counts.iter().enumerate() {
                    let n = i32::try_from(at).unwrap() - 9;
                    // Beyond eight: the whole tail.
                    let part = if n.abs() == 9 { a.powi(9) / (1.0 + a) } else { inside(n) };
                    let expected = part * f64::from(DRAWS);
                    sum += (f64::from(*count) - expected).powi(2) / expected.max(1e-9);
                }
                sum
            };
            let a = f64::from(on) / f64::from(of);
            let epsilon = f64::from(alpha.epsilon_thousandths()) / 1000.0;
            assert!(
                epsilon >= -a.ln() && epsilon < 0.001 - a.ln(),
                "{}: {epsilon}",
                alpha.as_str()
            );
            let (right, wrong) = (fit(a), fit(a + 1.0 / 256.0));
            assert!(right < 42.3, "α = {on}/{of}: χ² = {right}");
            assert!(wrong > 42.3, "control: α = {on}/{of} + 1/256: χ² = {wrong}");
        }
    }
}
