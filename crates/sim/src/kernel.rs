//! The kernel of one machine, as far as the seam shows it, and the hand that writes to it: interfaces, addresses, what
//! is refused, and orders that take their time.

use crate::cluster::Port;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use node::io::{
    Act, Actor, Address, Announcement, Errno, Fact, Hold, InterfaceIndex, Link, Outcome, Place, RouterId,
    Settled,
};
use timeline::{Duration, Instant};
use wire::Mac;

/// The number of the first interface that is not the loopback one.
pub(crate) const FIRST: InterfaceIndex = 2;

#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) links: Vec<Link>,
    addresses: Vec<Kept>,
    /// Addresses that cannot be set.
    pub(crate) refuses: BTreeSet<IpAddr>,
    /// How long the hand needs for each order.
    pub(crate) delay: Duration,
    queue: VecDeque<(Instant, Hold)>,
    last_remove: BTreeMap<RouterId, u64>,
    /// What the hand announced and nobody fetched yet.
    pub(crate) announced: Vec<(InterfaceIndex, IpAddr)>,
}

#[derive(Debug)]
struct Kept {
    address: Address,
    /// The daemon that runs now set it.
    ours: bool,
}

impl Kernel {
    pub(crate) fn new(number: u8, ports: &[Port], delay: Duration) -> Self {
        let (mut links, mut addresses) = (Vec::new(), Vec::new());
        for (interface, port) in (FIRST..).zip(ports) {
            let nic = u8::try_from(interface).unwrap_or(u8::MAX);
            links.push(Link {
                index: interface,
                name: port.name.clone(),
                mac: Mac([2, 0, 0, 0, nic, number]),
                up: true,
                carrier: true,
                loopback: &*port.name == "lo",
                forwards_ipv6: false,
            });
            addresses.extend(port.addresses.iter().map(|(address, prefix)| {
                let (address, prefix, usable) = (*address, *prefix, true);
                let address = Address { interface, address, prefix, usable, secondary: false, marked: false };
                Kept { address, ours: false }
            }));
        }
        Self {
            links,
            addresses,
            refuses: BTreeSet::new(),
            delay,
            queue: VecDeque::new(),
            last_remove: BTreeMap::new(),
            announced: Vec::new(),
        }
    }

    pub(crate) fn link(&self, interface: InterfaceIndex) -> Option<&Link> {
        self.links.iter().find(|link| link.index == interface)
    }

    fn link_named(&mut self, name: &str) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| &*link.name == name)
    }

    /// Whatever was asked for by a daemon that is no more is off; `cleaned`: its addresses are removed.
    pub(crate) fn bury(&mut self, cleaned: bool) {
        self.queue.clear();
        self.last_remove.clear();
        self.addresses.retain(|kept| !(kept.ours && cleaned));
        self.addresses.iter_mut().for_each(|kept| kept.ours = false);
    }

    /// Only what the machine has of its own is left.
    pub(crate) fn lose_power(&mut self) {
        self.bury(true);
        self.announced.clear();
        self.addresses.retain(|kept| !kept.address.marked);
        self.links.iter_mut().for_each(|link| link.up = true);
    }

    /// Everything that is under way takes so much longer.
    pub(crate) fn put_off(&mut self, time: Duration) {
        self.queue.iter_mut().for_each(|(at, _)| *at += time);
    }

    pub(crate) fn has_on(&self, interface: InterfaceIndex, address: IpAddr) -> bool {
        let mut all = self.addresses.iter();
        all.any(|kept| kept.address.interface == interface && kept.address.address == address)
    }

    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|kept| kept.address.address == address)
    }

    /// What carries the program's mark.
    pub(crate) fn marked(&self) -> impl Iterator<Item = Place> + '_ {
        self.addresses.iter().filter(|kept| kept.address.marked).map(|kept| kept.address.place())
    }

    /// Whether what goes out of an interface leaves the machine.
    pub(crate) fn is_connected(&self, interface: InterfaceIndex) -> bool {
        self.link(interface).is_some_and(|link| link.up && link.carrier)
    }

    /// All interfaces are up and have a carrier.
    pub(crate) fn is_well_connected(&self) -> bool {
        self.links.iter().all(|link| link.up && link.carrier)
    }

    pub(crate) fn everything(&self) -> Fact {
        let addresses = self.addresses.iter().map(|kept| kept.address.clone()).collect();
        Fact::Everything { links: self.links.clone(), addresses }
    }

    /// The interface goes up or down. Going down takes its IPv6 addresses along, which is told first. The own
    /// link-local one comes back with it.
    pub(crate) fn set_up(&mut self, name: &str, up: bool, notices: &mut Vec<Fact>) {
        let Some(link) = self.link_named(name).filter(|link| link.up != up) else { return };
        link.up = up;
        let link = link.clone();
        let goes = |kept: &Kept| {
            let Address { interface, address, marked, .. } = kept.address;
            interface == link.index && marked && address.is_ipv6()
        };
        if !up {
            for kept in self.addresses.iter().filter(|kept| goes(kept)) {
                notices.push(Fact::AddressGone { place: kept.address.place(), by: Actor::Other(None) });
            }
            self.addresses.retain(|kept| !goes(kept));
        }
        notices.push(Fact::Link(link));
    }

    pub(crate) fn set_carrier(&mut self, name: &str, carrier: bool, notices: &mut Vec<Fact>) {
        if let Some(link) = self.link_named(name) {
            link.carrier = carrier;
            notices.push(Fact::Link(link.clone()));
        }
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
            Act::Add { addresses, announcements } => {
                let each = addresses.iter().map(|placed| placed.place());
                let results: Vec<_> = each.map(|place| (place, self.set(place, notices))).collect();
                let is_set = |address| {
                    results.iter().any(|(place, how)| {
                        place.address == address && matches!(how, Settled::Added | Settled::Adopted)
                    })
                };
                let told = announcements.iter().filter(|told| is_set(told.address));
                self.announced.extend(told.map(|told| (told.interface, told.address)));
                results
            }
            Act::Remove { addresses, all } => {
                let each = addresses.iter().map(|placed| placed.place());
                each.map(|place| (place, self.unset(place, *all, notices))).collect()
            }
            Act::Announce { announcements, .. } => {
                let is_here = |told: &&Announcement| {
                    self.addresses.iter().any(|kept| kept.address.address == told.address)
                };
                let told: Vec<_> = announcements.iter().filter(|told| !stale && is_here(told)).collect();
                self.announced.extend(told.iter().map(|told| (told.interface, told.address)));
                Vec::new()
            }
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
