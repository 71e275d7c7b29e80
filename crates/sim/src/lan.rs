//! The network: a path from each machine to each other one, and what is on its way.

use crate::random::Random;
use alloc::collections::BTreeMap;
use node::io::Transmit;
use timeline::{Duration, Instant};

/// What happens to frames from one machine to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) cut: bool,
    /// So many of a thousand frames.
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) delay: Duration,
    /// Up to so much more; what is sent later may arrive first.
    pub(crate) jitter: Duration,
}

impl Path {
    pub(crate) const GOOD: Self = Self {
        cut: false,
        lost: 0,
        doubled: 0,
        delay: Duration::from_micros(50),
        jitter: Duration::from_micros(200),
    };
}

#[derive(Debug)]
pub(crate) struct Lan {
    /// Those that are not good, by sender and receiver.
    bad: BTreeMap<(usize, usize), Path>,
    on_the_way: BTreeMap<(Instant, u64), (usize, Transmit)>,
    sent: u64,
    random: Random,
}

impl Lan {
    pub(crate) const fn new(random: Random) -> Self {
        Self { bad: BTreeMap::new(), on_the_way: BTreeMap::new(), sent: 0, random }
    }

    pub(crate) fn set(&mut self, from: usize, to: usize, path: Path) {
        if path == Path::GOOD {
            self.bad.remove(&(from, to));
        } else {
            self.bad.insert((from, to), path);
        }
    }

    pub(crate) fn heal(&mut self) {
        self.bad.clear();
    }

    pub(crate) fn is_good(&self) -> bool {
        self.bad.is_empty()
    }

    pub(crate) fn send(&mut self, now: Instant, from: usize, to: usize, frame: &Transmit) {
        let path = self.bad.get(&(from, to)).copied().unwrap_or(Path::GOOD);
        if path.cut || self.random.permille(path.lost) {
            return;
        }
        let times = if self.random.permille(path.doubled) { 2 } else { 1 };
        for _ in 0..times {
            let jitter = u64::try_from(path.jitter.as_nanos()).unwrap_or(u64::MAX).max(1);
            let at = now + path.delay + Duration::from_nanos(self.random.below(jitter));
            self.on_the_way.insert((at, self.sent), (to, frame.clone()));
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
