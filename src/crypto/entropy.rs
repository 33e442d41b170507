//! Randomness as a parameter.
//!
//! For everything that makes keys, nonces or random ids. Invariant: either all bytes asked for are
//! fresh from the operating system, or the step fails. Absent: seeds, fallbacks and globals.

use ring::rand::{SecureRandom, SystemRandom};

use super::CryptoError;

/// The operating system's generator. Made once at start-up and handed down.
pub struct Entropy(SystemRandom);

impl Entropy {
    /// The only constructor.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one door to the system generator")]
    pub fn system() -> Self {
        Self(SystemRandom::new())
    }

    /// Overwrites `bytes` with random ones.
    ///
    /// # Errors
    /// [`CryptoError::Entropy`] when the system refuses; the contents are then unspecified.
    pub fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        self.0.fill(bytes).map_err(|ring::error::Unspecified| CryptoError::Entropy)
    }

    /// `N` random bytes.
    ///
    /// # Errors
    /// [`CryptoError::Entropy`] when the system refuses.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], CryptoError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn source(&self) -> &SystemRandom {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let entropy = Entropy::system();
        let first: [u8; 32] = entropy.array().unwrap();
        let second: [u8; 32] = entropy.array().unwrap();
        assert_ne!(first, second);
        assert_ne!(first, [0; 32]);
        let mut filled = [0; 32];
        entropy.fill(&mut filled).unwrap();
        assert_ne!(filled, [0; 32]);
    }
}
