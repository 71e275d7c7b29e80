//! What to look at in a turn, and when not to wake up at once: system calls that find nothing cost more than adverts.

use std::time::Duration;
use timeline::Instant;
use wire::Interval;

/// What may have something to say, as the kernel told. To ask all others again in each turn would cost more than an
/// advert does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Readable(u16);

impl Readable {
    pub(super) const NOTHING: Self = Self(0);
    pub(super) const EVERYTHING: Self = Self(u16::MAX);
    pub(super) const TIMER: Self = Self(1);
    pub(super) const MONITOR: Self = Self(1 << 1);
    /// Adverts with our VRIDs.
    pub(super) const EARS: Self = Self(1 << 2);
    /// Other adverts.
    pub(super) const STRAYS: Self = Self(1 << 3);
    pub(super) const OUTCOMES: Self = Self(1 << 4);
    pub(super) const COMMANDS: Self = Self(1 << 5);
    /// Scripts, tracked things, mail.
    pub(super) const PROGRAMS: Self = Self(1 << 6);
    pub(super) const PIPES: Self = Self(1 << 7);
    /// Packets of BFD.
    pub(super) const NEIGHBORS: Self = Self(1 << 8);

    /// As a watched descriptor carries it.
    pub(super) fn data(self) -> u64 {
        self.0.into()
    }

    pub(super) fn from_data(data: u64) -> Self {
        u16::try_from(data).map_or(Self::EVERYTHING, Self)
    }

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing but this has anything to say.
    pub(super) const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Tells when so many adverts arrive that waking up for each is waste: each says when it came, so they can be read
/// in slots. Timers that are set do not wait for that; what an advert sets off (to yield, to answer, a resignation that
/// leaves only Skew_Time) is up to a slot late, no more than on a slow network, and so is all else that wakes this
/// thread up.
#[derive(Debug)]
pub(super) struct Crowd {
    since: Instant,
    frames: usize,
    is_dense: bool,
    slot: Duration,
}

impl Crowd {
    /// Over so long adverts are counted.
    const WINDOW: Duration = Duration::from_millis(20);
    /// So many of them are a crowd: two a millisecond.
    const DENSE: usize = 40;
    /// More of them at once than this are a flood, which must not find the sockets unattended: they have room for twice as
    /// many.
    const FLOOD: usize = 1024;
    /// They wait for each other at least so long.
    const SHORTEST: Duration = Duration::from_millis(1);
    /// And no longer.
    const LONGEST: Duration = Duration::from_millis(8);
    /// In between, the shortest interval between adverts has so many slots.
    const SLOTS: u32 = 12;

    pub(super) const fn new() -> Self {
        Self { since: Instant::EPOCH, frames: 0, is_dense: false, slot: Self::SHORTEST }
    }

    /// The intervals between adverts are these.
    pub(super) fn configure(&mut self, intervals: impl Iterator<Item = Interval>) {
        let slot = intervals.min().map_or(Duration::ZERO, |interval| interval.duration() / Self::SLOTS);
        self.slot = slot.clamp(Self::SHORTEST, Self::LONGEST);
    }

    /// How long adverts of a crowd wait for each other.
    pub(super) const fn slot(&self) -> Duration {
        self.slot
    }

    pub(super) const fn is_dense(&self) -> bool {
        self.is_dense
    }

    /// So many adverts were read.
    pub(super) fn note(&mut self, now: Instant, frames: usize) {
        self.frames += frames;
        if frames > Self::FLOOD {
            self.is_dense = false;
            (self.since, self.frames) = (now, 0);
            return;
        }
        if now.since(self.since) >= Self::WINDOW {
            // One that is alone after a pause is no crowd, however many came before it.
            self.is_dense = self.frames >= Self::DENSE && now.since(self.since) < 2 * Self::WINDOW;
            (self.since, self.frames) = (now, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_a_small_part_of_the_shortest_interval() {
        let slot = |intervals: &[u16]| {
            let mut crowd = Crowd::new();
            crowd.configure(intervals.iter().map(|centis| Interval::from_centis(*centis).unwrap()));
            crowd.slot()
        };
        assert_eq!(slot(&[]), Crowd::SHORTEST);
        assert_eq!(slot(&[1, 100]), Crowd::SHORTEST);
        assert_eq!(slot(&[100, 6]), Duration::from_millis(5));
        assert_eq!(slot(&[100]), Crowd::LONGEST);
    }

    #[test]
    fn a_crowd_is_many_adverts_in_a_short_time() {
        let mut crowd = Crowd::new();
        let at = |micros: u64| Instant::from_nanos(micros * 1000);
        let feed = |crowd: &mut Crowd, from: u64, to: u64, every: u64| {
            for micros in (from..to).step_by(usize::try_from(every).unwrap()) {
                crowd.note(at(micros), 1);
            }
        };
        feed(&mut crowd, 0, 100_000, 1000);
        assert!(!crowd.is_dense(), "one a millisecond");
        feed(&mut crowd, 100_000, 150_000, 100);
        assert!(crowd.is_dense(), "ten a millisecond");
        feed(&mut crowd, 150_000, 230_000, 5000);
        assert!(!crowd.is_dense(), "it has dispersed");
        feed(&mut crowd, 230_000, 280_000, 100);
        assert!(crowd.is_dense);
        crowd.note(at(900_000), 200);
        assert!(!crowd.is_dense(), "a burst after a pause");
        feed(&mut crowd, 900_000, 950_000, 100);
        assert!(crowd.is_dense());
        crowd.note(at(950_500), 1500);
        assert!(!crowd.is_dense(), "a flood");
    }
}
