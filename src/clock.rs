//! The time, as a parameter.
//!
//! Every floor that needs an instant is handed one; only the edges hold a [`Clock`]. Tests move a
//! [`TestClock`] instead of waiting.
//!
//! # Not here
//! Monotonic time: deadlines of sockets and queues use the runtime's own timers.

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Where instants come from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The clock of the machine.
    System,
    /// A clock that a test moves by hand.
    Test(Arc<TestClock>),
}

impl Clock {
    /// The present instant, UTC, to the millisecond: what a row can hold, an answer can show.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => whole_millisecond(system_now()),
            Self::Test(clock) => clock.now(),
        }
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    /// A clock standing at `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(start.as_millisecond())))
    }

    /// Moves the clock, forwards or back.
    pub fn advance(&self, by: SignedDuration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(0);
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    fn now(&self) -> Timestamp {
        from_millisecond(self.0.load(Ordering::SeqCst))
    }
}

/// The instant `ms` milliseconds after 1970-01-01T00:00:00Z; the epoch itself where that is out of
/// range, which no row written by this program is.
#[must_use]
pub fn from_millisecond(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn whole_millisecond(instant: Timestamp) -> Timestamp {
    from_millisecond(instant.as_millisecond())
}

#[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
fn system_now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_clock_moves_only_by_hand() {
        let start = from_millisecond(1_000);
        let hand = TestClock::at(start);
        let clock = Clock::Test(Arc::clone(&hand));
        assert_eq!(clock.now(), start);
        hand.advance(SignedDuration::from_secs(2));
        assert_eq!(clock.now(), from_millisecond(3_000));
    }

    #[test]
    fn the_system_clock_shows_whole_milliseconds() {
        assert_eq!(Clock::System.now().as_nanosecond() % 1_000_000, 0);
    }
}
