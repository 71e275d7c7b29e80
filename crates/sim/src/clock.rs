//! A machine's clocks: one that nobody sets, with its own epoch and a little too fast or too slow, and the wall clock.

use crate::random::Random;
use timeline::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    offset: Duration,
    /// So many millionths more than the world's time has passed; less if negative.
    drift: i64,
    /// So much of the world's time it has missed.
    missed: Duration,
    /// The wall clock, in nanoseconds ahead of this one.
    wall: i128,
}

impl Clock {
    /// Drift of bad crystals: up to 200 millionths.
    pub(crate) fn new(random: &mut Random) -> Self {
        let drift = i64::try_from(random.below(401)).unwrap_or(0) - 200;
        let offset = Duration::from_secs(1 + random.below(1_000_000));
        // The wall clocks of all machines are set to one time, and drift apart.
        let ahead = i128::try_from(offset.as_nanos()).unwrap_or(0);
        Self { offset, drift, missed: Duration::ZERO, wall: 1_700_000_000_000_000_000 - ahead }
    }

    /// What it shows when the world's time is `now`.
    pub(crate) fn read(self, now: Instant) -> Instant {
        let nanos = (now - self.missed).as_nanos();
        let gone = (nanos / 1_000_000).saturating_mul(self.drift.unsigned_abs());
        let shown = if self.drift < 0 { nanos - gone } else { nanos + gone };
        Instant::from_nanos(shown) + self.offset
    }

    /// The first moment of the world at which it shows `local` or more.
    pub(crate) fn moment(self, local: Instant) -> Instant {
        let wanted = local.since(Instant::EPOCH + self.offset);
        let nanos = u64::try_from(wanted.as_nanos()).unwrap_or(u64::MAX);
        let gone = (nanos / 1_000_000).saturating_mul(self.drift.unsigned_abs());
        let guess = if self.drift < 0 { nanos.saturating_add(gone) } else { nanos.saturating_sub(gone) };
        // Right to a few millionths of the drift: the rest is looked for.
        let mut moment = Instant::from_nanos(guess.saturating_sub(guess / 10_000_000)) + self.missed;
        while self.read(moment) < local {
            let missing = local.since(self.read(moment));
            moment += missing.max(Duration::from_nanos(1));
        }
        moment
    }

    /// It stood still for so long.
    pub(crate) fn miss(&mut self, time: Duration) {
        self.missed += time;
    }

    /// The machine was just switched on: its clock begins anew. The wall clock has a battery.
    pub(crate) fn begin(&mut self, now: Instant) {
        let shown = self.stamp(now);
        self.missed = now.since(Instant::EPOCH);
        self.offset = Duration::from_secs(5);
        self.wall = shown - i128::from(self.read(now).as_nanos());
    }

    /// Somebody sets the wall clock.
    pub(crate) fn set_wall(&mut self, millis: i64) {
        self.wall += i128::from(millis) * 1_000_000;
    }

    /// By how many nanoseconds the wall clock is ahead of this one.
    pub(crate) const fn ahead(self) -> i128 {
        self.wall
    }

    /// What the wall clock shows, in nanoseconds since 1970: what the kernel stamps datagrams with.
    pub(crate) fn stamp(self, now: Instant) -> i128 {
        i128::from(self.read(now).as_nanos()) + self.wall
    }

    /// Where a stamp lies on the other clock, as the wall clock is now: nonsense if it was set since. A driver clamps it
    /// between its last two turns.
    pub(crate) fn place(self, stamp: i128, previous: Instant, turn: Instant) -> Instant {
        let nanos = (stamp - self.wall).max(0);
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).clamp(previous.min(turn), turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_deadline_is_met_by_every_clock_and_not_much_later() {
        let mut random = Random::new(1);
        for _ in 0..1_000 {
            let mut clock = Clock::new(&mut random);
            clock.miss(random.millis(0, 10_000));
            let now = at(20_000) + random.millis(0, 200_000);
            let local = clock.read(now) + random.millis(0, 5_000);
            let moment = clock.moment(local);
            assert!(clock.read(moment) >= local);
            assert!(clock.read(moment).since(local) < Duration::from_micros(50), "{clock:?}");
        }
    }

    #[test]
    fn a_step_of_the_wall_clock_shows_in_stamps_and_the_clamp_bounds_it() {
        for step in [3_600_000, -3_600_000] {
            let mut clock = Clock::new(&mut Random::new(1));
            let (previous, turn) = (clock.read(at(1_000)), clock.read(at(2_000)));
            let stamp = clock.stamp(at(1_500));
            assert_eq!(clock.place(stamp, previous, turn), clock.read(at(1_500)));
            clock.set_wall(step);
            assert_eq!(clock.read(at(2_000)), turn, "the clock that counts goes on");
            let expected = if step > 0 { previous } else { turn };
            assert_eq!(clock.place(stamp, previous, turn), expected);
        }
    }

    #[test]
    fn a_clock_that_stood_still_has_missed_that_time_and_one_of_a_new_machine_begins() {
        let mut clock = Clock::new(&mut Random::new(1));
        let before = clock.read(at(1_000));
        clock.miss(Duration::from_secs(30));
        assert_eq!(clock.read(at(31_000)), before);
        clock.begin(at(50_000));
        assert_eq!(clock.read(at(50_000)), at(5_000));
    }
}
