//! One clock for everything that the laboratory sees, so that a log line, a captured frame and a client's
//! silence can be laid side by side; and deadlines for everything that it waits for.

use std::time::{Duration, Instant as Ticks};

use rustix::time::{ClockId, Timespec, clock_gettime};
use timeline::Instant;

/// The time now: CLOCK_MONOTONIC in nanoseconds, the same for all machines of all laboratories.
#[must_use]
pub fn now() -> Instant {
    Instant::from_nanos(nanos(clock_gettime(ClockId::Monotonic)))
}

/// The time on [`now`]'s line of a moment that the kernel stamped with the wall clock a moment ago.
pub(crate) fn from_wall(stamp: Duration) -> Instant {
    let (wall, now) = (clock_gettime(ClockId::Realtime), now());
    let age = nanos(wall).saturating_sub(u64::try_from(stamp.as_nanos()).unwrap_or(u64::MAX));
    now - Duration::from_nanos(age)
}

fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Until when to wait. A [`Duration`] counts from the moment of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Ticks);

impl Deadline {
    /// What is left until then; zero if it is past.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Ticks::now())
    }

    /// Whether it is past.
    #[must_use]
    pub fn is_past(self) -> bool {
        self.left().is_zero()
    }
}

impl From<Duration> for Deadline {
    fn from(after: Duration) -> Self {
        // A century is for ever, and does not overflow.
        Self(Ticks::now() + after.min(Duration::from_secs(3_000_000_000)))
    }
}

impl From<Ticks> for Deadline {
    fn from(at: Ticks) -> Self {
        Self(at)
    }
}

/// `left` as `poll` wants it.
pub(crate) fn timespec(left: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_stamp_lands_on_the_same_line() {
        let wall = Duration::from_nanos(nanos(clock_gettime(ClockId::Realtime)));
        let apart = now().since(from_wall(wall));
        assert!(apart < Duration::from_millis(100), "{apart:?}");
    }

    #[test]
    fn a_deadline_from_a_duration_counts_from_now() {
        assert!(Deadline::from(Duration::ZERO).is_past());
        assert!(!Deadline::from(Duration::MAX).is_past());
    }
}
