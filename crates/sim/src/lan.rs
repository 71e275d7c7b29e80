//! The networks: a path from each machine to each other one on each segment, and what is on its way.

use crate::random::Random;
use alloc::collections::BTreeMap;
use node::io::Transmit;
use timeline::{Duration, Instant};

/// What happens to frames from one machine to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Nothing arrives.
    pub cut: bool,
    /// Nothing arrives that is sent to a group: a switch whose snooping forgot who listens.
    pub no_multicast: bool,
    /// So many of a thousand frames are lost.
    pub lost: u64,
    /// So many of a thousand arrive twice.
    pub doubled: u64,
    /// How long a frame takes at least.
    pub delay: Duration,
    /// Up to so much more; what is sent later may arrive first.
    pub jitter: Duration,
}

impl Path {
    /// A network as it should be.
    pub const GOOD: Self = Self {
        cut: false,
        no_multicast: false,
        lost: 0,
        doubled: 0,
        delay: Duration::from_micros(50),
        jitter: Duration::from_micros(200),
    };
    /// No network.
    pub const CUT: Self = Self { cut: true, ..Self::GOOD };
    /// Only what is sent to one machine arrives.
    pub const NO_MULTICAST: Self = Self { no_multicast: true, ..Self::GOOD };
}

/// A way that frames take: the segment, the sender, the receiver.
type Way = (u8, usize, usize);

#[derive(Debug)]
pub(crate) struct Lan {
    /// Those that are not good.
    bad: BTreeMap<Way, Path>,
    on_the_way: BTreeMap<(Instant, u64), (usize, Transmit)>,
    sent: u64,
    random: Random,
}

impl Lan {
    pub(crate) const fn new(random: Random) -> Self {
        Self { bad: BTreeMap::new(), on_the_way: BTreeMap::new(), sent: 0, random }
    }

    pub(crate) fn set(&mut self, way: Way, path: Path) {
        if path == Path::GOOD {
            self.bad.remove(&way);
        } else {
            self.bad.insert(way, path);
        }
    }

    pub(crate) fn heal(&mut self) {
        self.bad.clear();
    }

    pub(crate) fn is_good(&self) -> bool {
        self.bad.is_empty()
    }

    /// Sends a frame on its way; its interface is the receiver's.
    pub(crate) fn send(&mut self, now: Instant, way: Way, frame: &Transmit) {
        let path = self.bad.get(&way).copied().unwrap_or(Path::GOOD);
        let is_cut = path.cut || path.no_multicast && frame.destination.is_multicast();
        if is_cut || self.random.permille(path.lost) {
            return;
        }
        let times = if self.random.permille(path.doubled) { 2 } else { 1 };
        for _ in 0..times {
            let jitter = u64::try_from(path.jitter.as_nanos()).unwrap_or(u64::MAX).max(1);
            let at = now + path.delay + Duration::from_nanos(self.random.below(jitter));
            self.on_the_way.insert((at, self.sent), (way.2, frame.clone()));
            self.sent += 1;
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.on_the_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// What has arrived, and where.
    pub(crate) fn arrived(&mut self, now: Instant) -> Option<(usize, Transmit)> {
        let first = self.on_the_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
