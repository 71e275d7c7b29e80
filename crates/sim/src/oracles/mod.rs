//! What must hold in every world, each in a file of its own.

pub(crate) mod adverts;
pub(crate) mod forgeries;
pub(crate) mod holding;
pub(crate) mod naive;
pub(crate) mod peace;
pub(crate) mod reasons;
pub(crate) mod reference;
pub(crate) mod seen;
pub(crate) mod settled;
pub(crate) mod starvation;
pub(crate) mod stopped;
pub(crate) mod two_owners;
pub(crate) mod watch;

use crate::world::World;
use alloc::string::String;
use core::fmt;
use timeline::Instant;

/// Something happened that must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Instant,
    /// Which oracle saw it.
    pub oracle: &'static str,
    /// What it saw.
    pub what: String,
}

impl Violation {
    /// The same thing seen once more.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (self.oracle, &self.what) == (other.oracle, &other.what)
    }

    pub(crate) const fn new(at: Instant, oracle: &'static str, what: String) -> Self {
        Self { at, oracle, what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: {}", self.at, self.oracle, self.what)
    }
}

/// What must hold in any world at any moment, whatever is done to it.
pub(crate) fn look_always(world: &mut World) -> Result<u64, Violation> {
    stopped::look(world)?;
    holding::look(world)
}

/// What the oracles remember.
#[derive(Debug, Default)]
pub(crate) struct Oracles {
    two_owners: two_owners::Memory,
    peace: peace::Memory,
    watch: watch::Watch,
    reasons: reasons::Memory,
    starvation: starvation::Memory,
    /// How often each had something to judge.
    pub(crate) seen: seen::Seen,
}

impl Oracles {
    /// After each moment in which something happened.
    pub(crate) fn look(&mut self, world: &mut World) -> Result<(), Violation> {
        let held = look_always(world)?;
        let accounts = self.watch.look(world);
        forgeries::look(world)?;
        reference::look(world, &accounts)?;
        adverts::look(world, &self.watch, &accounts)?;
        reasons::look(&mut self.reasons, world, &accounts)?;
        starvation::look(&mut self.starvation, world, &self.watch)?;
        two_owners::look(&mut self.two_owners, world, &self.watch)?;
        self.seen.count(world, &self.watch, &accounts, held);
        Ok(())
    }

    /// The same when nothing is to change any more.
    pub(crate) fn look_in_peace(&mut self, world: &mut World) -> Result<(), Violation> {
        self.look(world)?;
        peace::look(&mut self.peace, world)
    }
}
