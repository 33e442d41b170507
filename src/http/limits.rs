//! How much one partner may ask: a token bucket a partner, so that a noisy one slows nobody else.

use crate::ids::PartnerId;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;

/// Buckets of all partners.
#[derive(Debug)]
pub struct Limits {
    buckets: DefaultKeyedRateLimiter<PartnerId>,
    clock: DefaultClock,
}

impl Limits {
    /// `per_second` requests on average, twice as many at once.
    #[must_use]
    pub fn new(per_second: NonZeroU32) -> Self {
        let quota =
            Quota::per_second(per_second).allow_burst(per_second.saturating_add(per_second.get()));
        Self { buckets: RateLimiter::keyed(quota), clock: DefaultClock::default() }
    }

    /// Takes one from the partner's bucket.
    ///
    /// # Errors
    /// Seconds to wait, at least 1, when it is empty.
    pub fn take(&self, partner: PartnerId) -> Result<(), u64> {
        self.buckets
            .check_key(&partner)
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
