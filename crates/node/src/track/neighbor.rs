//! One neighbour of a BFD session: how it is, as far as that is known.

use crate::event::Health;
use crate::sessions::Reach;
use timeline::Instant;

/// What a session last said. It stays over a reload: one that begins again has not said anything new yet.
#[derive(Debug)]
pub(crate) struct Neighbor {
    pub(crate) reach: Option<Reach>,
    pub(crate) since: Instant,
}

impl Neighbor {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { reach: None, since: now }
    }

    /// Takes what a session says; if that is new, whether it counts otherwise than before.
    pub(crate) fn set(&mut self, now: Instant, reach: Reach) -> Option<bool> {
        let health = self.health();
        if self.reach.replace(reach) == Some(reach) {
            return None;
        }
        let counts = self.health() != health;
        if counts {
            self.since = now;
        }
        Some(counts)
    }

    pub(crate) const fn health(&self) -> Health {
        match self.reach {
            None => Health::Waiting,
            Some(Reach::Up) => Health::Well,
            Some(Reach::Down { .. } | Reach::NeverUp(_)) => Health::Failed,
            Some(Reach::Unheard(_)) => Health::Unknown,
        }
    }
}
