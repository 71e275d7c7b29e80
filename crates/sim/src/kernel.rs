//! The kernel of one machine, as far as the seam shows it, and the hand that writes to it: one interface, addresses, what
//! is refused, and orders that take their time.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use node::io::{
    Act, Actor, Address, Errno, Fact, Hold, InterfaceIndex, Link, Outcome, Place, RouterId, Settled,
};
use timeline::{Duration, Instant};
use wire::Mac;

/// The interface of every machine.
pub(crate) const ETH0: InterfaceIndex = 2;

#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) link: Link,
    addresses: Vec<Kept>,
    /// Addresses that cannot be set.
    pub(crate) refuses: BTreeSet<IpAddr>,
    /// How long the hand needs for each order.
    pub(crate) delay: Duration,
    queue: VecDeque<(Instant, Hold)>,
    last_remove: BTreeMap<RouterId, u64>,
}

#[derive(Debug)]
struct Kept {
    address: Address,
    /// The daemon that runs now set it.
    ours: bool,
}

impl Kernel {
    pub(crate) fn new(number: u8, own: &[(IpAddr, u8)], delay: Duration) -> Self {
        let link = Link {
            index: ETH0,
            name: "eth0".into(),
            mac: Mac([2, 0, 0, 0, 0, number]),
            up: true,
            carrier: true,
            loopback: false,
            forwards_ipv6: false,
        };
        let own = own.iter().map(|(address, prefix)| {
            let (address, prefix, usable) = (*address, *prefix, true);
            let address =
                Address { interface: ETH0, address, prefix, usable, secondary: false, marked: false };
            Kept { address, ours: false }
        });
        Self {
            link,
            addresses: own.collect(),
            refuses: BTreeSet::new(),
            delay,
            queue: VecDeque::new(),
            last_remove: BTreeMap::new(),
        }
    }

    /// Whatever was asked for by a daemon that is no more is off; `cleaned`: its addresses are removed.
    pub(crate) fn bury(&mut self, cleaned: bool) {
        self.queue.clear();
        self.last_remove.clear();
        self.addresses.retain(|kept| !(kept.ours && cleaned));
        self.addresses.iter_mut().for_each(|kept| kept.ours = false);
    }

    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|kept| kept.address.address == address)
    }

    /// What carries the program's mark.
    pub(crate) fn marked(&self) -> impl Iterator<Item = Place> + '_ {
        self.addresses.iter().filter(|kept| kept.address.marked).map(|kept| kept.address.place())
    }

    pub(crate) const fn is_connected(&self) -> bool {
        self.link.up && self.link.carrier
    }

    pub(crate) fn everything(&self) -> Fact {
        let addresses = self.addresses.iter().map(|kept| kept.address.clone()).collect();
        Fact::Everything { links: vec![self.link.clone()], addresses }
    }

    /// The interface goes up or down. Going down takes its IPv6 addresses along, which is told first. The own
    /// link-local one comes back with it.
    pub(crate) fn set_up(&mut self, up: bool, notices: &mut Vec<Fact>) {
        if self.link.up == up {
            return;
        }
        self.link.up = up;
        let goes = |kept: &Kept| kept.address.marked && kept.address.address.is_ipv6();
        if !up {
            for kept in self.addresses.iter().filter(|kept| goes(kept)) {
                notices.push(Fact::AddressGone { place: kept.address.place(), by: Actor::Other(None) });
            }
            self.addresses.retain(|kept| !goes(kept));
        }
        notices.push(Fact::Link(self.link.clone()));
    }

    pub(crate) fn set_carrier(&mut self, carrier: bool, notices: &mut Vec<Fact>) {
        self.link.carrier = carrier;
        notices.push(Fact::Link(self.link.clone()));
    }

    /// Somebody removes a virtual address, if it is here.
    pub(crate) fn steal(&mut self, address: IpAddr, notices: &mut Vec<Fact>) {
        let is_it = |kept: &Kept| kept.address.marked && kept.address.address == address;
        if let Some(at) = self.addresses.iter().position(is_it) {
            let place = self.addresses.remove(at).address.place();
            notices.push(Fact::AddressGone { place, by: Actor::Other(Some("dhcpcd".into())) });
        }
    }

    pub(crate) fn ask(&mut self, now: Instant, hold: Hold) {
        if matches!(hold.act, Act::Remove { .. }) {
            self.last_remove.insert(hold.router, hold.epoch);
        }
        // One after the other.
        let free = self.queue.back().map_or(now, |(at, _)| *at);
        self.queue.push_back((free + self.delay, hold));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.front().map(|(at, _)| *at)
    }

    /// Carries out what is due.
    pub(crate) fn work(&mut self, now: Instant, notices: &mut Vec<Fact>) -> Option<Outcome> {
        if self.next()? > now {
            return None;
        }
        let (_, hold) = self.queue.pop_front()?;
        let stale = self.last_remove.get(&hold.router).is_some_and(|last| hold.epoch < *last);
        let results = match &hold.act {
            Act::Add { addresses, .. } if stale => {
                addresses.iter().map(|placed| (placed.place(), Settled::Superseded)).collect()
            }
            Act::Add { addresses, .. } => {
                let each = addresses.iter().map(|placed| placed.place());
                each.map(|place| (place, self.set(place, notices))).collect()
            }
            Act::Remove { addresses, all } => {
                let each = addresses.iter().map(|placed| placed.place());
                each.map(|place| (place, self.unset(place, *all, notices))).collect()
            }
            Act::Announce { .. } => Vec::new(),
        };
        Some(Outcome { router: hold.router, epoch: hold.epoch, results })
    }

    fn set(&mut self, place: Place, notices: &mut Vec<Fact>) -> Settled {
        if self.refuses.contains(&place.address) {
            return Settled::Refused(Errno(1));
        }
        if let Some(kept) = self.addresses.iter_mut().find(|kept| kept.address.place().excludes(&place)) {
            if !kept.address.marked || kept.address.place() != place {
                return Settled::Adopted;
            }
            kept.ours = true;
            return Settled::Added;
        }
        let Place { interface, address, prefix } = place;
        let address = Address { interface, address, prefix, usable: true, secondary: false, marked: true };
        notices.push(Fact::Address(address.clone()));
        self.addresses.push(Kept { address, ours: true });
        Settled::Added
    }

    fn unset(&mut self, place: Place, all: bool, notices: &mut Vec<Fact>) -> Settled {
        let Some(at) = self.addresses.iter().position(|kept| kept.address.place() == place) else {
            return Settled::Removed;
        };
        if self.addresses.get(at).is_none_or(|kept| !kept.ours && !all) {
            return Settled::NotOurs;
        }
        self.addresses.remove(at);
        notices.push(Fact::AddressGone { place, by: Actor::Ourselves });
        Settled::Removed
    }
}
