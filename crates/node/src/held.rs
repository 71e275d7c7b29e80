//! What one router holds of what it wants: each address with what is known about it, and the one comparison
//! that start, failover, reload, stop and "somebody deleted the address" all come down to.

use crate::io::{Errno, InterfaceIndex, Place, Placed, Settled};
use alloc::sync::Arc;
use alloc::vec::Vec;
use model::{Blank, Rare, VirtualAddress};
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
    /// When it was taken away from us.
    pub(crate) removals: Rare<Removals>,
}

/// What is known about one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It is not there.
    Absent,
    /// It is being set; `lost`: somebody removed it again meanwhile, and when it may be set once more.
    Adding { epoch: u64, lost: Option<Instant> },
    /// It is there.
    Present(Whose),
    /// It is being removed.
    Removing { epoch: u64, whose: Whose },
    /// Somebody removed it; it may be set again then.
    Lost { again_at: Instant },
    /// The kernel refused it.
    Refused { errno: Errno, retry_at: Instant },
    /// It is there, and the kernel refused to remove it.
    Stays { whose: Whose, retry_at: Instant },
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
    pub(crate) fn new(device: Arc<str>, address: VirtualAddress) -> Self {
        Self { device, address, at: None, held: Held::Absent, removals: Rare::default() }
    }

    /// Where it is or is about to be.
    pub(crate) fn place(&self) -> Option<Place> {
        let VirtualAddress { address, prefix, .. } = self.address;
        Some(Place { interface: self.at?, address, prefix })
    }

    /// Whether this is its place.
    pub(crate) fn is_at(&self, place: Place) -> bool {
        self.place() == Some(place)
    }

    /// Whether both are about the same address in the same place.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        self.device == other.device
            && (self.address.address, self.address.prefix) == (other.address.address, other.address.prefix)
    }

    /// Whether it is there or about to come or go, as far as this run has to do with it.
    pub(crate) const fn is_claimed(&self) -> bool {
        !matches!(self.held, Held::Absent | Held::Lost { .. } | Held::Refused { .. })
    }

    /// The comparison: what is wanted with what is held.
    pub(crate) fn step(&self, wanted: bool, now: Instant) -> Step {
        match (wanted, self.held) {
            (true, Held::Absent | Held::Removing { .. } | Held::Stays { .. }) => Step::Add,
            (true, Held::Refused { retry_at: at, .. } | Held::Lost { again_at: at }) if now >= at => {
                Step::Add
            }
            (false, Held::Adding { .. } | Held::Present(Whose::Ours | Whose::Leftover)) => Step::Remove,
            (false, Held::Stays { retry_at, .. }) if now >= retry_at => Step::Remove,
            (true, Held::Adding { .. } | Held::Present(_))
            | (false, Held::Absent | Held::Removing { .. } | Held::Present(Whose::Foreign))
            | (_, Held::Refused { .. } | Held::Lost { .. } | Held::Stays { .. }) => Step::Nothing,
        }
    }

    /// Takes the outcome of the operation of `epoch`; false if a later one is under way and this one tells
    /// nothing.
    pub(crate) fn settle(&mut self, epoch: u64, settled: Settled, retry_at: Instant) -> bool {
        let (current, removing, lost) = match self.held {
            Held::Adding { epoch, lost } => (epoch, None, lost),
            Held::Removing { epoch, whose } => (epoch, Some(whose), None),
            Held::Absent
            | Held::Present(_)
            | Held::Lost { .. }
            | Held::Refused { .. }
            | Held::Stays { .. } => return false,
        };
        if current != epoch {
            return false;
        }
        self.held = match (settled, lost) {
            (Settled::Added | Settled::Adopted, Some(again_at)) => Held::Lost { again_at },
            (Settled::Added, None) => Held::Present(Whose::Ours),
            (Settled::Adopted, None) => Held::Present(Whose::Foreign),
            (Settled::Removed | Settled::NotOurs | Settled::Superseded, _) => Held::Absent,
            (Settled::Refused(errno), _) => match removing {
                Some(whose) => Held::Stays { whose, retry_at },
                None => Held::Refused { errno, retry_at },
            },
        };
        true
    }

    /// Whose it is, as far as removing it goes.
    pub(crate) const fn whose(&self) -> Whose {
        match self.held {
            Held::Present(whose) | Held::Removing { whose, .. } | Held::Stays { whose, .. } => whose,
            Held::Absent | Held::Adding { .. } | Held::Lost { .. } | Held::Refused { .. } => Whose::Ours,
        }
    }

    /// Whether nothing of ours is there or under way. What the kernel will not remove was tried and told: an
    /// orderly end does not wait for it.
    pub(crate) const fn is_at_rest(&self) -> bool {
        match self.held {
            Held::Absent | Held::Present(Whose::Foreign) | Held::Lost { .. } => true,
            Held::Refused { .. } | Held::Stays { .. } => true,
            Held::Adding { .. } | Held::Removing { .. } | Held::Present(Whose::Ours | Whose::Leftover) => {
                false
            }
        }
    }

    /// Whether it may be announced: it is there, or will be before the announcement is carried out.
    pub(crate) const fn is_announceable(&self) -> bool {
        matches!(self.held, Held::Present(_) | Held::Adding { .. })
    }

    /// When to look at it again though nothing happens.
    pub(crate) const fn retry_at(&self) -> Option<Instant> {
        match self.held {
            Held::Lost { again_at: at }
            | Held::Refused { retry_at: at, .. }
            | Held::Stays { retry_at: at, .. } => Some(at),
            Held::Absent | Held::Adding { .. } | Held::Present(_) | Held::Removing { .. } => None,
        }
    }

    /// As the hand wants it.
    pub(crate) fn placed(&self) -> Option<Placed> {
        Some(Placed { interface: self.at?, address: self.address.clone() })
    }
}

/// When an address was taken away from us, to tell an accident from a fight.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Removals {
    recent: Vec<Instant>,
    is_fight: bool,
}

impl Blank for Removals {
    const BLANK: &'static Self = &Self { recent: Vec::new(), is_fight: false };
}

impl Removals {
    const LIMIT: usize = 5;
    const WINDOW: core::time::Duration = core::time::Duration::from_secs(10);

    /// Notes a removal of an address that is wanted since `since`; whether it is a fight: more than five removals
    /// within ten seconds. It is over when the address was left alone for ten seconds.
    pub(crate) fn note(&mut self, since: Instant, now: Instant) -> bool {
        // While it was not wanted it could not be taken away: only the time after that is peace.
        let quiet = self.recent.last().map(|last| now.since(since.max(*last)));
        if quiet.is_none_or(|quiet| quiet >= Self::WINDOW) {
            *self = Self::default();
        }
        self.recent.retain(|at| now.since(*at) < Self::WINDOW);
        self.is_fight |= self.recent.len() >= Self::LIMIT;
        self.recent.push(now);
        self.is_fight
    }

    /// Whether the latest removals were a fight.
    pub(crate) const fn is_fight(&self) -> bool {
        self.is_fight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_are_an_accident_until_they_become_a_fight() {
        let mut removals = Removals::default();
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        for n in 0..5 {
            assert!(!removals.note(at(0), at(n * 100)));
        }
        assert!(removals.note(at(0), at(600)));
        assert!(removals.note(at(20_000), at(20_001)), "while it was not wanted there was no peace");
        assert!(!removals.note(at(20_000), at(30_001)), "peace has returned");
    }

    #[test]
    fn a_removal_now_and_then_is_no_fight() {
        let mut removals = Removals::default();
        assert!((0..100).all(|n| !removals.note(Instant::EPOCH, Instant::from_nanos(n * 2_000_000_001))));
    }
}
