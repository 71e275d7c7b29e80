//! Time as data: an [`Instant`] that nobody read from a clock, and the one shape every machine here has.
//!
//! The pure crates never ask what time it is. The driver (Linux or a simulator) chooses an epoch, reads its
//! clock once a turn and passes the value in. `no_std` keeps it so: there is no clock to reach.
//!
//! # What this is not
//! It is not a calendar: wall-clock times live in the driver, where logs are written.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use core::fmt;
use core::ops::{Add, AddAssign, Sub};
pub use core::time::Duration;

/// A point on the driver's time line, in nanoseconds since an epoch that the driver chose.
///
/// Only differences mean anything. Arithmetic saturates: a deadline "after the end of time" is
/// [`Instant::NEVER`], and nothing here panics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The driver's epoch.
    pub const EPOCH: Self = Self(0);
    /// Later than every other instant (584 years after the epoch).
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this instant is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, by: Duration) {
        *self = *self + by;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            return f.write_str("never");
        }
        write!(f, "{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// The shape of everything that decides: one virtual router, later a BFD session, and the whole host.
///
/// `handle` is a function of the state, the time and the input. It appends what is to be done, in order,
/// to the caller's list and does nothing else. The caller calls it again with the machine's "time has
/// passed" input when [`Machine::deadline`] has come; never earlier.
pub trait Machine {
    /// What can happen to it.
    type Input<'a>;
    /// What it wants done.
    type Effect;

    /// Takes one input at `now`; appends effects, to be performed in order.
    fn handle(&mut self, now: Instant, input: Self::Input<'_>, effects: &mut Vec<Self::Effect>);

    /// When it wants to hear that time has passed; `None` while it waits for nothing.
    fn deadline(&self) -> Option<Instant>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_saturate_instead_of_wrapping() {
        let a = Instant::from_nanos(5);
        let b = Instant::from_nanos(9);
        assert_eq!(b.since(a), Duration::from_nanos(4));
        assert_eq!(a.since(b), Duration::ZERO);
        assert_eq!(Instant::NEVER + Duration::from_secs(1), Instant::NEVER);
        assert_eq!(a - Duration::from_secs(1), Instant::EPOCH);
    }

    #[test]
    fn an_instant_prints_as_seconds() {
        assert_eq!(alloc::format!("{:?}", Instant::from_nanos(3_609_375_000)), "3.609375000s");
        assert_eq!(alloc::format!("{:?}", Instant::NEVER), "never");
    }
}
