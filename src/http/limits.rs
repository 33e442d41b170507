//! How much one partner may ask, or one address of a stranger: a token bucket each, so that a noisy one slows nobody else.

use crate::ids::PartnerId;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Buckets of all partners.
pub type Limits = Buckets<PartnerId>;

/// Buckets that are kept before those that are full again are forgotten.
const MOST: usize = 10_000;
/// Requests between two looks at how many are kept.
const EVERY: usize = 1_024;

/// A bucket for each of whoever asks.
#[derive(Debug)]
pub struct Buckets<K: Copy + Eq + Hash> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    taken: AtomicUsize,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    /// `per_second` requests on average, twice as many at once.
    #[must_use]
    pub fn new(per_second: NonZeroU32) -> Self {
        Self::with_burst(per_second, per_second.saturating_add(per_second.get()))
    }

    /// `per_second` requests on average, `burst` at once.
    #[must_use]
    pub fn with_burst(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self {
            limiter: RateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            taken: AtomicUsize::new(0),
        }
    }

    /// Takes one from a bucket.
    ///
    /// # Errors
    /// Seconds to wait, at least 1, when it is empty.
    pub fn take(&self, whose: K) -> Result<(), u64> {
        // Not at every request: who asks from very many addresses would have each of them walk all buckets.
        let turn = self.taken.fetch_add(1, Ordering::Relaxed);
        if turn.is_multiple_of(EVERY) && self.limiter.len() > MOST {
            self.limiter.retain_recent();
        }
        self.limiter
            .check_key(&whose)
            .map_err(|until| until.wait_time_from(self.clock.now()).as_secs().saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lim_07_a_bucket_empties_for_its_own_partner_only() {
        let limits = Limits::new(NonZeroU32::new(2).unwrap());
        let (noisy, quiet) = (PartnerId::new(), PartnerId::new());
        let refused = (0..10).filter(|_| limits.take(noisy).is_err()).count();
        assert!(refused >= 5);
        assert_eq!(limits.take(quiet), Ok(()));
    }
}
