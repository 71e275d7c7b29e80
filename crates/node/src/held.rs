//! What one router holds of what it wants: each address with what is known about it, and the one comparison
//! that start, failover, reload, stop and "somebody deleted the address" all come down to.

use crate::io::{Errno, InterfaceIndex, Placed, Settled};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::VirtualAddress;
use timeline::Instant;

/// One address of a router, and what is known about it.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    /// The interface that shall carry it.
    pub(crate) device: Arc<str>,
    /// The address and its options.
    pub(crate) address: VirtualAddress,
    /// The interface that carries it or is about to; `None` while absent.
    pub(crate) at: Option<InterfaceIndex>,
    /// What is known.
    pub(crate) held: Held,
}

/// What is known about one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It is not there.
    Absent,
    /// It is being set; `lost`: somebody removed it again meanwhile.
    Adding { epoch: u64, lost: bool },
    /// It is there.
    Present(Whose),
    /// It is being removed.
    Removing { epoch: u64 },
    /// The kernel refused it.
    Refused { errno: Errno, retry_at: Instant },
}

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// This run set it.
    Ours,
    /// An earlier run of this program set it (it carries our mark).
    Leftover,
    /// The administrator's; never removed by us.
    Foreign,
}

/// What to do about one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    Add,
    Remove,
}

impl Spot {
    pub(crate) const fn new(device: Arc<str>, address: VirtualAddress) -> Self {
        Self { device, address, at: None, held: Held::Absent }
    }

    /// Whether this is the place of `address` on `interface`.
    pub(crate) fn is_at(&self, interface: InterfaceIndex, address: IpAddr) -> bool {
        self.address.address == address && self.at == Some(interface)
    }

    /// The comparison: what is wanted with what is held.
    pub(crate) fn step(&self, wanted: bool, now: Instant) -> Step {
        match (wanted, self.held) {
            (true, Held::Absent | Held::Removing { .. }) => Step::Add,
            (true, Held::Refused { retry_at, .. }) if now >= retry_at => Step::Add,
            (false, Held::Adding { .. } | Held::Present(Whose::Ours | Whose::Leftover)) => Step::Remove,
            (true, Held::Adding { .. } | Held::Present(_) | Held::Refused { .. })
            | (
                false,
                Held::Absent | Held::Removing { .. } | Held::Refused { .. } | Held::Present(Whose::Foreign),
            ) => Step::Nothing,
        }
    }

    /// Takes the outcome of the operation of `epoch`; false if a later one is under way and this one tells
    /// nothing.
    pub(crate) fn settle(&mut self, epoch: u64, settled: Settled, retry_at: Instant) -> bool {
        let current = match self.held {
            Held::Adding { epoch, .. } | Held::Removing { epoch } => epoch,
            Held::Absent | Held::Present(_) | Held::Refused { .. } => return false,
        };
        if current != epoch {
            return false;
        }
        let lost = matches!(self.held, Held::Adding { lost: true, .. });
        self.held = match settled {
            Settled::Added | Settled::Adopted if lost => Held::Absent,
            Settled::Added => Held::Present(Whose::Ours),
            Settled::Adopted => Held::Present(Whose::Foreign),
            Settled::Removed | Settled::NotOurs | Settled::Superseded => Held::Absent,
            Settled::Refused(errno) => Held::Refused { errno, retry_at },
        };
        true
    }

    /// Whether nothing of ours is there or under way.
    pub(crate) const fn is_at_rest(&self) -> bool {
        matches!(self.held, Held::Absent | Held::Present(Whose::Foreign) | Held::Refused { .. })
    }

    /// As the hand wants it.
    pub(crate) fn placed(&self) -> Option<Placed> {
        Some(Placed { interface: self.at?, address: self.address.clone() })
    }
}

/// When addresses were taken away from us, to tell an accident from a fight.
#[derive(Clone, Debug, Default)]
pub(crate) struct Removals {
    recent: Vec<Instant>,
    strikes: u32,
}

impl Removals {
    const LIMIT: usize = 5;
    const WINDOW: core::time::Duration = core::time::Duration::from_secs(10);
    const LONGEST: core::time::Duration = core::time::Duration::from_secs(60);

    /// Notes a removal; how long to wait before setting the address again: nothing, until it has happened
    /// five times within ten seconds, then 1 s, 2 s, 4 s … at most a minute.
    pub(crate) fn note(&mut self, now: Instant) -> core::time::Duration {
        self.recent.retain(|at| now.since(*at) < Self::WINDOW);
        if self.recent.is_empty() {
            self.strikes = 0;
        }
        self.recent.push(now);
        if self.recent.len() <= Self::LIMIT {
            return core::time::Duration::ZERO;
        }
        self.recent.remove(0);
        self.strikes = (self.strikes + 1).min(7);
        core::time::Duration::from_secs(1 << (self.strikes - 1)).min(Self::LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn removals_are_repaired_at_once_until_they_become_a_fight() {
        let mut removals = Removals::default();
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        for n in 0..5 {
            assert_eq!(removals.note(at(n * 100)), Duration::ZERO);
        }
        assert_eq!(removals.note(at(600)), Duration::from_secs(1));
        assert_eq!(removals.note(at(1_700)), Duration::from_secs(2));
        assert_eq!(removals.note(at(60_000)), Duration::ZERO, "peace has returned");
    }
}
