//! Whether the ledger can be written: asked before anything is read, opened or accepted.
//!
//! The writer says when a commit failed, the keeper of the ledger (`crate::worker::ledger`) when space
//! or the checkpoints kept elsewhere run out. Each cause stands by itself and goes by itself.
//!
//! # Invariant
//! While one cause of [`State::Sealed`] stands nothing is committed but the keeper's probe.

use jiff::Timestamp;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

/// What the gateway may do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum State {
    /// Everything.
    Ok,
    /// Read and release; no new referrals.
    Low,
    /// Say that it lives, show its last checkpoint, and nothing else.
    Sealed,
}

impl State {
    /// For logs, metrics and the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Low => "low",
            Self::Sealed => "sealed",
        }
    }
}

/// Why not everything is allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// A group was not committed.
    Write,
    /// Almost no space is left.
    Space,
    /// No checkpoint reached its place outside the database for too long.
    Checkpoint,
    /// Space runs out.
    LowSpace,
}

const SEALING: u8 = Cause::Write.bit() | Cause::Space.bit() | Cause::Checkpoint.bit();

impl Cause {
    const fn bit(self) -> u8 {
        match self {
            Self::Write => 1,
            Self::Space => 2,
            Self::Checkpoint => 4,
            Self::LowSpace => 8,
        }
    }

    /// For logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Space => "space",
            Self::Checkpoint => "checkpoint",
            Self::LowSpace => "low-space",
        }
    }
}

/// The causes that stand, shared by everybody who asks.
#[derive(Debug, Default)]
pub struct Health {
    causes: AtomicU8,
    sealed_at_us: AtomicI64,
}

impl Health {
    /// What is allowed now.
    #[must_use]
    pub fn state(&self) -> State {
        let causes = self.causes.load(Ordering::Acquire);
        if causes & SEALING != 0 {
            State::Sealed
        } else if causes != 0 {
            State::Low
        } else {
            State::Ok
        }
    }

    /// Lets a cause stand from `at` on. Gives whether it did not before.
    pub fn raise(&self, cause: Cause, at: Timestamp) -> bool {
        let before = self.causes.fetch_or(cause.bit(), Ordering::AcqRel);
        if before & SEALING == 0 && cause.bit() & SEALING != 0 {
            self.sealed_at_us.store(at.as_microsecond(), Ordering::Release);
        }
        before & cause.bit() == 0
    }

    /// Takes a cause away. Gives whether it stood.
    pub fn clear(&self, cause: Cause) -> bool {
        self.causes.fetch_and(!cause.bit(), Ordering::AcqRel) & cause.bit() != 0
    }

    /// Whether this cause stands.
    #[must_use]
    pub fn stands(&self, cause: Cause) -> bool {
        self.causes.load(Ordering::Acquire) & cause.bit() != 0
    }

    /// Microseconds since the epoch at which the present or last sealing began; 0 before any.
    #[must_use]
    pub fn sealed_at_us(&self) -> i64 {
        self.sealed_at_us.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn causes_stand_and_go_each_by_itself() {
        let health = Health::default();
        assert_eq!(health.state(), State::Ok);
        assert!(health.raise(Cause::LowSpace, at(1)));
        assert_eq!(health.state(), State::Low);
        assert!(health.raise(Cause::Write, at(2)));
        assert!(!health.raise(Cause::Write, at(3)), "it stood already");
        assert!(health.raise(Cause::Space, at(4)));
        assert_eq!(health.state(), State::Sealed);
        assert_eq!(health.sealed_at_us(), 2_000_000, "sealed since the first cause");
        assert!(health.clear(Cause::Write));
        assert_eq!(health.state(), State::Sealed);
        assert!(health.clear(Cause::Space));
        assert!(!health.clear(Cause::Space));
        assert_eq!(health.state(), State::Low);
        assert!(health.clear(Cause::LowSpace));
        assert_eq!(health.state(), State::Ok);
        assert!(health.raise(Cause::Checkpoint, at(9)));
        assert_eq!((health.state(), health.sealed_at_us()), (State::Sealed, 9_000_000));
    }
}
