//! A stream of bits from a secret seed and a name: what the noise of figures is drawn from.
//!
//! Invariants: the seed is wiped when it is dropped and cannot be printed or copied; the same seed and name give the
//! same bits, other names independent ones (HMAC-SHA-256 as a PRF).

use crate::crypto::digest::sha256;
use crate::crypto::{CryptoError, Entropy};
use ring::hmac;
use zeroize::Zeroizing;

/// A seed that lives for one sealing of figures.
pub struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// A new one.
    ///
    /// # Errors
    /// [`CryptoError::Entropy`].
    pub fn fresh(entropy: &Entropy) -> Result<Self, CryptoError> {
        Ok(Self(Zeroizing::new(entropy.array()?)))
    }

    /// A given one, for rehearsals and tests.
    #[must_use]
    pub fn given(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// What is kept of it: that these figures were drawn from one seed, and from which nobody can tell.
    #[must_use]
    pub fn commitment(&self) -> [u8; 32] {
        sha256(self.0.as_slice())
    }

    /// The bits of a name, each part with its length before it.
    #[must_use]
    pub fn bits(&self, name: &[&str]) -> Bits {
        let mut message = Vec::new();
        for part in name {
            message.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            message.extend_from_slice(part.as_bytes());
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        Bits { key, message, counter: 0, block: [0; 32], used: 256 }
    }
}

/// Bits, the most significant of each byte first.
pub struct Bits {
    key: hmac::Key,
    message: Vec<u8>,
    counter: u32,
    block: [u8; 32],
    used: usize,
}

impl Bits {
    /// The next `count` bits, at most 32, as a number.
    pub fn take(&mut self, count: u32) -> u32 {
        let mut number = 0;
        for _ in 0..count.min(32) {
            number = number << 1 | u32::from(self.bit());
        }
        number
    }

    fn bit(&mut self) -> bool {
        if self.used == 256 {
            let mut context = hmac::Context::with_key(&self.key);
            context.update(&self.message);
            context.update(&self.counter.to_be_bytes());
            self.block.copy_from_slice(context.sign().as_ref());
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        let byte = self.block.get(self.used / 8).copied().unwrap_or_default();
        let bit = byte >> (7 - self.used % 8) & 1 == 1;
        self.used += 1;
        bit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_bits_and_another_others() {
        let seed = Seed::given([7; 32]);
        let of = |name: &[&str]| {
            (0..40).fold(Vec::new(), |mut all, _| {
                all.push(seed.bits(name).take(32));
                all
            })
        };
        assert_eq!(of(&["a", "bc"]), of(&["a", "bc"]));
        // Parts have their lengths before them: they cannot run into each other.
        assert_ne!(seed.bits(&["a", "bc"]).take(32), seed.bits(&["ab", "c"]).take(32));
        assert_ne!(Seed::given([8; 32]).bits(&["a"]).take(32), seed.bits(&["a"]).take(32));
        let mut bits = seed.bits(&["long"]);
        let many: Vec<u32> = (0..100).map(|_| bits.take(7)).collect();
        assert!(many.iter().any(|n| *n != many[0]), "more than one block");
    }

    #[test]
    fn a_commitment_is_the_hash_of_the_seed() {
        let seed = Seed::given([0; 32]);
        let expected = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        assert_eq!(crate::crypto::digest::hex(&seed.commitment()), expected);
    }
}
