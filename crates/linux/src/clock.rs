//! Real time on the driver's line: `CLOCK_BOOTTIME`, which no administrator sets and no suspend stops.
//!
//! The kernel stamps received datagrams with the wall clock. [`Turn`] knows how far the wall clock is from
//! the line *now*; a stamp from before a step of the wall clock converts to nonsense, so what comes out is clamped
//! between the previous turn and this one. The step then moves no deadline by more than one turn.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;
use timeline::Instant;

/// Now, on the driver's line: nanoseconds of `CLOCK_BOOTTIME`.
#[must_use]
pub fn now() -> Instant {
    Instant::from_nanos(nanos(clock_gettime(ClockId::Boottime)))
}

/// Lets so much time pass, or less.
pub(crate) fn sleep(time: Duration) {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let time = Timespec { tv_sec: seconds, tv_nsec: i64::from(time.subsec_nanos()) };
    // Interrupted: the caller looks what there is to do anyway.
    let _ = rustix::thread::clock_nanosleep_relative(ClockId::Monotonic, &time);
}

fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// Reads the clock once a turn.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    previous: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock whose first turn begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { previous: now() }
    }

    /// Begins a turn: reads boot time and wall clock together.
    pub fn turn(&mut self) -> Turn {
        let mut reading = Reading::take();
        for _ in 0..Self::TRIES {
            if reading.now.since(reading.before) <= Self::TOGETHER {
                break;
            }
            // Something came in between: by half of that the wall clock would be off.
            reading = Reading::take();
        }
        let Reading { before, wall, now } = reading;
        // The wall clock was read somewhere between; the middle is at most half a microsecond off.
        let middle = before.as_nanos().midpoint(now.as_nanos());
        let turn =
            Turn { now, previous: self.previous.min(now), wall: i128::from(wall) - i128::from(middle) };
        self.previous = now;
        turn
    }

    /// The same turn, but now: much time has passed since it began.
    pub fn again(&mut self, turn: &Turn) -> Turn {
        Turn { previous: turn.previous, ..self.turn() }
    }

    /// Clocks that are read in this time are read together.
    const TOGETHER: Duration = Duration::from_micros(50);
    /// How often they are read again at most.
    const TRIES: u32 = 3;
}

/// Boot time, wall clock, boot time.
struct Reading {
    before: Instant,
    wall: u64,
    now: Instant,
}

impl Reading {
    fn take() -> Self {
        let before = now();
        let wall = nanos(clock_gettime(ClockId::Realtime));
        Self { before, wall, now: now() }
    }
}

/// One turn of the loop: what time it is, and how to place the kernel's stamps on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When this turn began.
    pub now: Instant,
    /// When the turn before it began.
    pub previous: Instant,
    /// Wall clock minus line, in nanoseconds.
    wall: i128,
}

impl Turn {
    /// How many nanoseconds the wall clock is ahead of the line.
    #[must_use]
    pub const fn wall_ahead(&self) -> i128 {
        self.wall
    }

    /// The instant of a wall-clock time (since 1970), not before the previous turn and not after this one.
    #[must_use]
    pub fn place(&self, wall: Duration) -> Instant {
        self.convert(wall).clamp(self.previous, self.now)
    }

    /// The same without the clamp: used to tell "arrived after the turn began".
    #[must_use]
    pub fn convert(&self, wall: Duration) -> Instant {
        let line = i128::try_from(wall.as_nanos()).unwrap_or(i128::MAX).saturating_sub(self.wall);
        Instant::from_nanos(u64::try_from(line.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn a_stamp_of_now_lies_in_this_turn() {
        let mut clock = Clock::new();
        let _ = clock.turn();
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let turn = clock.turn();
        let placed = turn.convert(stamp);
        assert!(placed + Duration::from_millis(50) > turn.previous, "{placed:?} {turn:?}");
        assert!(placed < turn.now + Duration::from_millis(50), "{placed:?} {turn:?}");
        assert!(turn.place(stamp) >= turn.previous && turn.place(stamp) <= turn.now);
    }

    #[test]
    fn tm_9_sbt_9_a_step_of_the_wall_clock_stays_within_the_turn() {
        let at = Instant::from_nanos;
        let turn = Turn { now: at(2_000), previous: at(1_000), wall: 1_000_000 };
        assert_eq!(turn.place(Duration::from_nanos(1_001_500)), at(1_500));
        assert_eq!(turn.place(Duration::ZERO), at(1_000), "stamped before the clock was put forward");
        assert_eq!(turn.place(Duration::from_secs(9)), at(2_000), "stamped before it was put back");
        assert_eq!(turn.place(Duration::MAX), at(2_000));
    }
}
