//! A machine's clock: its own epoch, and a little too fast or too slow.

use crate::random::Random;
use timeline::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    offset: Duration,
    /// So many millionths more than the world's time has passed; less if negative.
    drift: i64,
}

impl Clock {
    /// Drift of bad crystals: up to 200 millionths.
    pub(crate) fn new(random: &mut Random) -> Self {
        let drift = i64::try_from(random.below(401)).unwrap_or(0) - 200;
        Self { offset: Duration::from_secs(1 + random.below(1_000_000)), drift }
    }

    /// What it shows when the world's time is `now`.
    pub(crate) fn read(self, now: Instant) -> Instant {
        let nanos = now.as_nanos();
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
        let mut moment = Instant::from_nanos(guess.saturating_sub(guess / 10_000_000));
        while self.read(moment) < local {
            let missing = local.since(self.read(moment));
            moment += missing.max(Duration::from_nanos(1));
        }
        moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_met_by_every_clock_and_not_much_later() {
        let mut random = Random::new(1);
        for _ in 0..1_000 {
            let clock = Clock::new(&mut random);
            let now = Instant::EPOCH + random.millis(0, 200_000);
            let local = clock.read(now) + random.millis(0, 5_000);
            let moment = clock.moment(local);
            assert!(clock.read(moment) >= local);
            assert!(clock.read(moment).since(local) < Duration::from_micros(50), "{clock:?}");
        }
    }
}
