//! The keys of `auth_hmac`, what is asked of a signed advert, and which stamps are fresh.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use wire::Interval;
use wire::trailer::{Key, Stamp};

/// Keyed authentication of adverts by a trailer ([`wire::trailer`]), in either version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    /// The keys, each with its number, 1 or more; no number twice.
    pub keys: Vec<(u8, Key)>,
    /// The number of the one that signs; one of `keys`.
    pub active: u8,
    /// How far a stamp may be off; `None`: see [`Keyring::window_at`].
    pub window: Option<Duration>,
    /// How a repetition is told.
    pub replay: Replay,
    /// Who must sign.
    pub mode: Mode,
}

/// How a repeated advert is told from a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Replay {
    /// Its stamp is about now, and greater than the last one of its sender.
    #[default]
    Time,
    /// Its stamp is greater than the last one of its sender.
    Monotonic,
}

/// Who must sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Everybody.
    #[default]
    Enforce,
    /// This router; unsigned adverts are believed.
    Permissive,
    /// Nobody: this router does not sign, and believes unsigned adverts.
    ReceiveOnly,
}

impl Keyring {
    /// The longest window.
    pub const MAX_WINDOW: Duration = Duration::from_secs(300);
    /// The shortest window that is not written.
    const USUAL_WINDOW: Duration = Duration::from_secs(5);

    /// The key of that number.
    #[must_use]
    pub fn key(&self, id: u8) -> Option<&Key> {
        self.keys.iter().find(|(own, _)| *own == id).map(|(_, key)| key)
    }

    /// The key that signs; `None` if this router does not sign.
    #[must_use]
    pub fn signing_key(&self) -> Option<&Key> {
        (self.mode != Mode::ReceiveOnly).then(|| self.key(self.active)).flatten()
    }

    /// How far a stamp may be off: as written, or three intervals, at least five seconds.
    #[must_use]
    pub fn window_at(&self, interval: Interval) -> Duration {
        self.window.unwrap_or((interval.duration() * 3).clamp(Self::USUAL_WINDOW, Self::MAX_WINDOW))
    }

    /// The stamp of the next advert: what the clock shows, but after the `last` one. One that is ahead of the clock
    /// by more than the window would not be believed: then the clock counts again (AUTH-18).
    #[must_use]
    pub fn next_stamp(&self, last: Option<Stamp>, clock: Stamp, interval: Interval) -> Stamp {
        let Some(last) = last.filter(|last| !clock.is_after(*last)) else { return clock };
        let is_lost = self.replay == Replay::Time && last.distance(clock) > self.window_at(interval);
        if is_lost { clock } else { last.next() }
    }
}

/// What time it is, as two clocks show it. They differ after somebody has set the wall clock, until an advert of
/// another router shows that the others go by the new time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The wall clock.
    pub wall: Stamp,
    /// The wall clock as if nobody had set it.
    pub kept: Stamp,
}

/// By which clock a stamp is about now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The one that adverts are signed with.
    Kept,
    /// Only the wall clock: this router's own stamps are off.
    Wall,
}

impl Clocks {
    /// Whether `stamp` is within the window (AUTH-17), and by which clock.
    pub(crate) fn freshness(&self, stamp: Stamp, window: Duration) -> Option<Freshness> {
        if stamp.distance(self.kept) <= window {
            return Some(Freshness::Kept);
        }
        (stamp.distance(self.wall) <= window).then_some(Freshness::Wall)
    }
}

/// The last stamp that was believed of each sender, latest first. Does not allocate once there is room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps {
    senders: Vec<(IpAddr, Stamp)>,
    room: usize,
}

impl Stamps {
    /// So many senders at least that are not listed can be told apart.
    const ROOM: usize = 16;

    /// Makes room for `peers` and some others; who signs more than that is not protected against a repetition within
    /// the window.
    pub(crate) fn make_room(&mut self, peers: usize) {
        self.room = peers + Self::ROOM;
        self.senders.reserve(self.room.saturating_sub(self.senders.len()));
    }

    pub(crate) fn last(&self, source: IpAddr) -> Option<Stamp> {
        self.senders.iter().find(|(known, _)| *known == source).map(|(_, stamp)| *stamp)
    }

    pub(crate) fn remember(&mut self, source: IpAddr, stamp: Stamp) {
        let known = self.senders.iter().position(|(known, _)| *known == source);
        let place = match known {
            Some(place) => place,
            None => {
                self.senders.truncate(self.room.max(1) - 1);
                self.senders.push((source, stamp));
                self.senders.len() - 1
            }
        };
        if let Some(upto) = self.senders.get_mut(..=place) {
            upto.rotate_right(1);
        }
        if let Some(first) = self.senders.first_mut() {
            *first = (source, stamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn ring() -> Keyring {
        let keys = alloc::vec![(1, Key::new(&[1; 32]).unwrap())];
        Keyring { keys, active: 1, window: None, replay: Replay::Time, mode: Mode::Enforce }
    }

    const fn seconds(seconds: u64) -> Stamp {
        Stamp(seconds << 32)
    }

    #[test]
    fn the_window_is_three_intervals_and_at_least_five_seconds() {
        let centis = |centis| Interval::from_centis(centis).unwrap();
        assert_eq!(ring().window_at(Interval::SECOND), Duration::from_secs(5));
        assert_eq!(ring().window_at(centis(300)), Duration::from_secs(9));
        let written = Keyring { window: Some(Duration::from_secs(1)), ..ring() };
        assert_eq!(written.window_at(centis(300)), Duration::from_secs(1));
        assert_eq!(ring().window_at(Interval::from_secs(255).unwrap()), Duration::from_secs(300));
    }

    #[test]
    fn auth_18_stamps_follow_the_clock_and_never_go_back_within_the_window() {
        let next = |last, clock| ring().next_stamp(last, clock, Interval::SECOND);
        assert_eq!(next(None, seconds(100)), seconds(100));
        assert_eq!(next(Some(seconds(99)), seconds(100)), seconds(100));
        assert_eq!(next(Some(seconds(100)), seconds(100)), seconds(100).next());
        assert_eq!(next(Some(seconds(105)), seconds(100)), seconds(105).next());
        assert_eq!(next(Some(seconds(106)), seconds(100)), seconds(100), "nobody would believe the next one");
        let counting = Keyring { replay: Replay::Monotonic, ..ring() };
        let next = counting.next_stamp(Some(seconds(9_999)), seconds(100), Interval::SECOND);
        assert_eq!(next, seconds(9_999).next());
    }

    #[test]
    fn the_senders_heard_last_are_remembered() {
        let mut stamps = Stamps::default();
        stamps.make_room(1);
        let address = |n: u8| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n));
        for n in 0..18 {
            stamps.remember(address(n), seconds(u64::from(n)));
        }
        stamps.remember(address(5), seconds(99));
        assert_eq!(stamps.last(address(0)), None);
        assert_eq!(stamps.last(address(1)), Some(seconds(1)));
        assert_eq!(stamps.last(address(5)), Some(seconds(99)));
        stamps.remember(address(0), seconds(0));
        assert_eq!(stamps.last(address(1)), None, "heard the longest time ago");
        assert_eq!(stamps.senders.len(), 17);
    }
}
