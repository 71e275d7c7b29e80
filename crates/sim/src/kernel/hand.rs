//! The hand: it carries out orders, one after the other, and takes its time.

use super::tables::{EPERM, New, Tables, is_gone, is_there};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use node::io::{
    Act, Actor, Announcement, Fact, Hold, InterfaceIndex, Outcome, Place, Placed, RouterId, Settled,
};
use timeline::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Hand {
    /// How long each order takes.
    pub(super) delay: Duration,
    /// Addresses that cannot be set.
    pub(super) refuses: BTreeSet<IpAddr>,
    queue: VecDeque<(Instant, Hold)>,
    last_remove: BTreeMap<RouterId, u64>,
    /// What this daemon set.
    own: BTreeSet<Place>,
    /// Interfaces on which removing one address takes no other along, by this hand's doing.
    promoted: BTreeSet<InterfaceIndex>,
    /// Where addresses do not accept, by who asked for it.
    closed: BTreeMap<RouterId, Arc<[Place]>>,
    /// What was announced.
    pub(super) announced: Vec<(InterfaceIndex, IpAddr)>,
}

impl Hand {
    /// The daemon is no more: whatever it asked for is off. What it had set is returned.
    pub(super) fn end(&mut self) -> BTreeSet<Place> {
        self.queue.clear();
        self.last_remove.clear();
        self.promoted.clear();
        self.announced.clear();
        self.closed.clear();
        core::mem::take(&mut self.own)
    }

    /// The worker is no more, and another one goes on: what was asked for is off, and what was set is its own.
    pub(super) fn orphan(&mut self) {
        let own = self.end();
        self.own = own;
    }

    /// What this daemon set.
    pub(super) fn own(&self) -> impl Iterator<Item = Place> {
        self.own.iter().copied()
    }

    /// Where addresses do not accept.
    pub(super) fn closed(&self) -> impl Iterator<Item = Place> {
        self.closed.values().flat_map(|places| places.iter().copied())
    }

    /// An interface is gone.
    pub(super) fn forget(&mut self, interface: InterfaceIndex) {
        self.own.retain(|place| place.interface != interface);
        self.promoted.remove(&interface);
    }

    pub(super) fn ask(&mut self, now: Instant, hold: Hold) {
        if matches!(hold.act, Act::Remove { .. }) {
            let latest = self.last_remove.entry(hold.router).or_default();
            *latest = hold.epoch.max(*latest);
        }
        let free = self.queue.back().map_or(now, |(at, _)| now.max(*at));
        // A set of the filter is changed in no time.
        let takes = if matches!(hold.act, Act::Close { .. }) { Duration::ZERO } else { self.delay };
        self.queue.push_back((free + takes, hold));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.front().map(|(at, _)| *at)
    }

    /// Everything that is under way takes so much longer.
    pub(super) fn put_off(&mut self, time: Duration) {
        self.queue.iter_mut().for_each(|(at, _)| *at += time);
    }

    /// Carries out the next order if it is due.
    pub(super) fn work(
        &mut self,
        now: Instant,
        tables: &mut Tables,
        notices: &mut Vec<Fact>,
    ) -> Option<Outcome> {
        if self.next()? > now {
            return None;
        }
        let (_, Hold { router, epoch, act }) = self.queue.pop_front()?;
        let is_stale = self.last_remove.get(&router).is_some_and(|last| epoch < *last);
        let results = match &act {
            Act::Add { addresses, .. } if is_stale => {
                addresses.iter().map(|placed| (placed.place(), Settled::Superseded)).collect()
            }
            Act::Add { addresses, announcements } => {
                let each = addresses.iter();
                let results: Vec<_> =
                    each.map(|placed| (placed.place(), self.set(placed, tables, notices))).collect();
                self.announce(announcements, &results);
                results
            }
            Act::Remove { addresses, all } => {
                let each = addresses.iter().map(Placed::place);
                each.map(|place| (place, self.unset(place, *all, tables, notices))).collect()
            }
            Act::Announce { announcements, .. } => {
                let is_here = |one: &&Announcement| {
                    tables
                        .places()
                        .any(|(place, _)| (place.interface, place.address) == (one.interface, one.address))
                };
                let told = announcements.iter().filter(|one| !is_stale && is_here(one));
                self.announced.extend(told.map(|one| (one.interface, one.address)));
                Vec::new()
            }
            Act::Close { places } => {
                if places.is_empty() {
                    self.closed.remove(&router);
                } else {
                    self.closed.insert(router, Arc::clone(places));
                }
                Vec::new()
            }
        };
        Some(Outcome { router, epoch, results })
    }

    fn announce(&mut self, announcements: &[Announcement], results: &[(Place, Settled)]) {
        let is_set = |one: &&Announcement| {
            results.iter().any(|(place, how)| {
                (place.interface, place.address) == (one.interface, one.address)
                    && matches!(how, Settled::Added | Settled::Adopted)
            })
        };
        let told = announcements.iter().filter(is_set).map(|one| (one.interface, one.address));
        self.announced.extend(told);
    }

    fn set(&mut self, placed: &Placed, tables: &mut Tables, notices: &mut Vec<Fact>) -> Settled {
        let place = placed.place();
        if self.refuses.contains(&place.address) {
            return Settled::Refused(EPERM);
        }
        self.promote(place, tables);
        let new = New { place, scope: placed.address.options.scope, marked: true };
        match tables.set(new, notices) {
            Err(why) if is_there(why) && !tables.find(place).is_some_and(|there| there.marked) => {
                self.own.remove(&place);
                Settled::Adopted
            }
            Err(why) if !is_there(why) => {
                if is_gone(why) {
                    self.own.remove(&place);
                }
                Settled::Refused(why)
            }
            Ok(()) | Err(_) => {
                self.own.insert(place);
                Settled::Added
            }
        }
    }

    fn unset(&mut self, place: Place, all: bool, tables: &mut Tables, notices: &mut Vec<Fact>) -> Settled {
        let is_foreign = || tables.find(place).is_some_and(|there| !there.marked);
        if !self.own.contains(&place) && (!all || is_foreign()) {
            return Settled::NotOurs;
        }
        self.promote(place, tables);
        match tables.unset(place, &Actor::Ourselves, notices) {
            Err(why) if !is_gone(why) => return Settled::Refused(why),
            Ok(()) | Err(_) => {}
        }
        self.own.remove(&place);
        Settled::Removed
    }

    /// No address shall take others along when it goes.
    fn promote(&mut self, place: Place, tables: &mut Tables) {
        if place.address.is_ipv4() && place.prefix < 32 && self.promoted.insert(place.interface) {
            tables.set_promotes(place.interface);
        }
    }
}
