//! Static addresses: held from the configuration that names them until the daemon's orderly end, whoever is Active.
//!
//! No router stands behind them. All else is as with virtual addresses: the same comparison, the same orders to the
//! hand, the same mark by which a later run knows what this one left.

use super::departing::Gone;
use super::{Node, report};
use crate::event::{Event, StaticNews};
use crate::held::{Held, Spot, Whose};
use crate::io::{Act, Address, Effect, Errno, Hold, InterfaceIndex, Outcome, Place, RouterId, Settled};
use crate::slot::RETRY_ONE;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Rare, StaticAddress};
use timeline::{Duration, Instant};

/// Not a router: static addresses are set and removed under this name.
pub(super) const FIXTURES: RouterId = RouterId::STATIC;

/// All static addresses of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Fixtures {
    pub(crate) spots: Vec<Spot>,
    /// Which of them have this address.
    by_address: BTreeMap<IpAddr, Vec<usize>>,
    /// When to look at them again though nothing happens.
    retry_at: Option<Instant>,
    /// Refusals that were told.
    told: BTreeSet<(Place, Errno)>,
}

impl Fixtures {
    pub(super) const fn is_empty(&self) -> bool {
        self.spots.is_empty()
    }

    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Whether there is something to be looked at.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        self.retry_at.take_if(|at| *at <= now).is_some()
    }

    /// Takes the addresses of a configuration; returns what it no longer wants.
    fn adopt(&mut self, addresses: &[StaticAddress]) -> Vec<Spot> {
        let place = |spot: &Spot| (spot.device.clone(), spot.address.address, spot.address.prefix);
        let mut before: BTreeMap<_, _> =
            core::mem::take(&mut self.spots).into_iter().map(|spot| (place(&spot), spot)).collect();
        let mut gone = Vec::new();
        for one in addresses {
            let Some(device) = one.interface() else { continue };
            let fresh = Spot::new(device.clone(), one.address.clone());
            self.spots.push(match before.remove(&place(&fresh)) {
                // The administrator has seen to it: what was given up is tried again.
                Some(mut old) if old.address == one.address => {
                    old.removals = Rare::default();
                    if matches!(old.held, Held::Lost { .. } | Held::Refused { .. }) {
                        old.held = Held::Absent;
                    }
                    old
                }
                other => {
                    gone.extend(other);
                    fresh
                }
            });
        }
        gone.extend(before.into_values());
        self.told.clear();
        self.by_address.clear();
        for (at, spot) in self.spots.iter().enumerate() {
            self.by_address.entry(spot.address.address).or_default().push(at);
        }
        gone
    }

    /// Those that have this address; an interface has it once.
    fn having(&self, address: IpAddr) -> impl Iterator<Item = &Spot> {
        self.by_address.get(&address).into_iter().flatten().filter_map(|at| self.spots.get(*at))
    }

    fn find(&mut self, address: IpAddr, is: impl Fn(&Spot) -> bool) -> Option<&mut Spot> {
        let at = self.by_address.get(&address)?.iter().find(|at| self.spots.get(**at).is_some_and(&is))?;
        self.spots.get_mut(*at)
    }

    /// Whether one of them has this place.
    pub(super) fn is_at(&self, place: Place) -> bool {
        self.having(place.address).any(|spot| spot.is_at(place))
    }

    /// The one that is in the same place.
    pub(super) fn same_place(&mut self, other: &Spot) -> Option<&mut Spot> {
        self.find(other.address.address, |spot| spot.is_same_place(other))
    }

    /// An interface vanished, and what was on it.
    pub(super) fn forget_interface(&mut self, index: InterfaceIndex) {
        for spot in self.spots.iter_mut().filter(|spot| spot.at == Some(index)) {
            (spot.held, spot.at) = (Held::Absent, None);
        }
    }

    /// What looked like a leftover was on its way out already; true if it was one of these.
    pub(super) fn forget_leftover(&mut self, place: Place) -> bool {
        let leftover = |spot: &Spot| spot.is_at(place) && spot.held == Held::Present(Whose::Leftover);
        let found = self.find(place.address, leftover);
        found.map(|spot| spot.held = Held::Absent).is_some()
    }

    /// An address is there that was not known; `here`: the name of its interface. Whether it is one of these.
    pub(super) fn notice(&mut self, address: &Address, here: &str) -> bool {
        let of = |spot: &Spot| spot.address.prefix == address.prefix;
        let on = |spot: &Spot| *spot.device == *here || spot.at == Some(address.interface);
        let Some(spot) = self.find(address.address, |spot| of(spot) && on(spot)) else { return false };
        if let Held::Adding { lost, .. } = &mut spot.held {
            // What was removed was another one, before ours was set.
            *lost = None;
        }
        if address.marked && *spot.device == *here && matches!(spot.held, Held::Absent | Held::Lost { .. }) {
            (spot.at, spot.held) = (Some(address.interface), Held::Present(Whose::Leftover));
        }
        true
    }

    /// Somebody removed this one; where the one was that this took away.
    pub(super) fn lose(&mut self, lost: Place, now: Instant) -> Option<Place> {
        let is_lost = |spot: &Spot| spot.place().is_some_and(|place| place.excludes(&lost));
        let spot = self.find(lost.address, is_lost)?;
        match spot.held {
            Held::Adding { epoch, .. } => spot.held = Held::Adding { epoch, lost: Some(now) },
            Held::Present(_) => spot.held = Held::Lost { again_at: now },
            Held::Stays { .. } => spot.held = Held::Absent,
            Held::Absent | Held::Removing { .. } | Held::Lost { .. } | Held::Refused { .. } => return None,
        }
        spot.place()
    }

    /// What there is to tell of one that is away; `None`: it is back, or went with its link.
    fn mourn(
        &mut self,
        place: Place,
        by: Option<String>,
        standing: bool,
        now: Instant,
    ) -> Option<StaticNews> {
        let spot = self.find(place.address, |spot| spot.is_at(place))?;
        let (Held::Lost { again_at: again } | Held::Adding { lost: Some(again), .. }) = &mut spot.held else {
            return None;
        };
        let fight = spot.removals.note(Instant::EPOCH, now);
        // A link takes its addresses along once; whoever takes them again and again is not the link.
        if !standing && !fight {
            return None;
        }
        // Nobody watches it, as it was asked for: it comes back with its interface, or at a reload.
        let watched = !spot.address.options.no_track;
        let wait = if fight { RETRY_ONE } else { Duration::ZERO };
        *again = if watched { now + wait } else { Instant::NEVER };
        self.note_retry();
        Some(StaticNews::Lost { by, wait: watched.then_some(wait) })
    }

    fn note_retry(&mut self) {
        let due = self.spots.iter().filter_map(Spot::retry_at).filter(|at| *at != Instant::NEVER);
        self.retry_at = due.min();
    }
}

impl Node {
    /// Takes the static addresses of a configuration; returns what is to go when the routers have theirs.
    pub(super) fn adopt_fixtures(&mut self, addresses: &[StaticAddress]) -> Vec<Spot> {
        let gone = self.fixtures.adopt(addresses);
        self.touched.insert(FIXTURES);
        gone
    }

    /// Compares what is wanted of them with what is there.
    pub(super) fn derive_fixtures(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let wanted = self.stopping.is_none();
        let mut spots = core::mem::take(&mut self.fixtures.spots);
        let (add, gone) = self.compare(now, FIXTURES, &mut spots, wanted);
        self.fixtures.spots = spots;
        self.fixtures.note_retry();
        if add.is_empty() && gone.is_empty() {
            return;
        }
        self.epoch += 1;
        let epoch = self.epoch;
        self.tell_leftovers(&gone, effects);
        gone.ask(FIXTURES, epoch, &mut self.facts, effects);
        if !add.is_empty() {
            let (addresses, announcements) = (add.into(), Arc::from([]));
            let act = Act::Add { addresses, announcements };
            effects.push(Effect::Hold(Hold { router: FIXTURES, epoch, act }));
        }
    }

    pub(super) fn settle_fixtures(&mut self, now: Instant, outcome: &Outcome, effects: &mut Vec<Effect>) {
        for (place, settled) in &outcome.results {
            let Some(spot) = self.fixtures.find(place.address, |spot| spot.is_at(*place)) else { continue };
            let adding = matches!(spot.held, Held::Adding { .. });
            if !spot.settle(outcome.epoch, *settled, now + RETRY_ONE) {
                continue;
            }
            let absent = matches!(spot.held, Held::Absent | Held::Lost { .. });
            let (address, interface) = (place.address, spot.device.clone());
            match *settled {
                Settled::Refused(errno) if !adding => {
                    effects.push(report(Event::AddressStays { address, interface, errno }));
                }
                Settled::Refused(errno) => {
                    if self.fixtures.told.insert((*place, errno)) {
                        let news = StaticNews::Refused { errno, wait: RETRY_ONE };
                        effects.push(report(Event::Static { address, interface, news }));
                    }
                }
                Settled::Added | Settled::Adopted => {
                    self.fixtures.told.retain(|(told, _)| told != place);
                    if *settled == Settled::Adopted {
                        let news = StaticNews::Adopted;
                        effects.push(report(Event::Static { address, interface, news }));
                    }
                }
                Settled::Removed | Settled::NotOurs | Settled::Superseded => {}
            }
            if absent {
                self.touched.insert(FIXTURES);
            }
        }
        self.fixtures.note_retry();
    }

    /// Tells of one that somebody removed; it is set again when this turn ends, unless it is a fight.
    pub(super) fn mourn_fixture(
        &mut self,
        now: Instant,
        place: Place,
        by: Option<String>,
        effects: &mut Vec<Effect>,
    ) {
        let standing = self.facts.link(place.interface).is_some_and(|link| link.up);
        let Some(news) = self.fixtures.mourn(place, by, standing, now) else { return };
        let (address, interface) = (place.address, self.facts.name_of(place.interface));
        effects.push(report(Event::Static { address, interface, news }));
    }

    /// Says of what is about to go that an earlier run had left it.
    pub(super) fn tell_leftovers(&self, gone: &Gone, effects: &mut Vec<Effect>) {
        for placed in gone.leftovers() {
            let (address, interface) = (placed.address.address, self.facts.name_of(placed.interface));
            effects.push(report(Event::LeftoverRemoved { address, interface }));
        }
    }
}
