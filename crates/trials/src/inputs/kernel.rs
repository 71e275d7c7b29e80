//! A kernel that does what it is asked for, and can tell the truth.

use super::any_address;
use arbitrary::{Result, Unstructured};
use node::io::{
    Act, Actor, Address, Errno, Fact, Hold, InterfaceIndex, Link, Outcome, Place, Placed, RouterId, Settled,
};
use std::collections::BTreeMap;
use wire::Mac;

/// Links, addresses, and which of these this run of the daemon set.
pub(super) struct Kernel {
    links: BTreeMap<InterfaceIndex, Link>,
    addresses: Vec<(Address, bool)>,
    last_remove: BTreeMap<RouterId, u64>,
}

/// Any link with this number.
pub(super) fn link(index: InterfaceIndex, u: &mut Unstructured<'_>) -> Result<Link> {
    let name = *u.choose(&["eth0", "eth1", "lan0"])?;
    let state: u8 = u.arbitrary()?;
    Ok(Link {
        index,
        name: name.into(),
        mac: Mac([2, 0, 0, 0, state, 1]),
        up: state & 1 == 0,
        carrier: state & 6 == 0,
        loopback: state & 0xf8 == 0xf8,
        forwards_ipv6: state & 8 != 0,
        is_vrf: state & 0x30 == 0x30,
        master: (state & 0x40 != 0).then_some(3),
    })
}

impl Kernel {
    /// eth0 and eth1, up, each with an address of the machine.
    pub(super) fn new() -> Self {
        let mut kernel = Self { links: BTreeMap::new(), addresses: Vec::new(), last_remove: BTreeMap::new() };
        for (index, name) in [(1, "eth0"), (2, "eth1")] {
            let mac = Mac([2, 0, 0, 0, 0, 1]);
            let (up, carrier, loopback, forwards_ipv6) = (true, true, false, false);
            let (is_vrf, master, name) = (false, None, name.into());
            let link = Link { index, name, mac, up, carrier, loopback, forwards_ipv6, is_vrf, master };
            kernel.links.insert(index, link);
            for (text, prefix) in [(format!("10.{}.0.5", index - 1), 24), ("fe80::5".to_owned(), 64)] {
                kernel
                    .addresses
                    .push((found(index, text.parse().expect("an address"), prefix, false), false));
            }
        }
        kernel
    }

    /// Something changes by another's hand; the facts that tell of it.
    pub(super) fn change(&mut self, u: &mut Unstructured<'_>) -> Result<Vec<Fact>> {
        let index = u.int_in_range(1..=3)?;
        Ok(match u.int_in_range(0..=4)? {
            0 => {
                let link = link(index, u)?;
                // Two interfaces never have one name.
                if self.links.values().any(|other| other.name == link.name && other.index != index) {
                    return Ok(Vec::new());
                }
                let mut facts = Vec::new();
                if !link.up {
                    facts = self
                        .drop_addresses(|address| address.interface == index && address.address.is_ipv6());
                }
                self.links.insert(index, link.clone());
                facts.push(Fact::Link(link));
                facts
            }
            1 => {
                let mut facts = self.drop_addresses(|address| address.interface == index);
                if self.links.remove(&index).is_some() {
                    facts.push(Fact::LinkGone(index));
                }
                facts
            }
            2 | 3 => {
                let address = any_address(u)?;
                self.drop_addresses(|kept| kept.interface == index && kept.address == address)
            }
            _ => {
                let address = any_address(u)?;
                let longest = if address.is_ipv4() { 32 } else { 128 };
                let found =
                    found(index, address, if u.arbitrary()? { longest } else { longest / 2 }, u.ratio(1, 3)?);
                let there = self.addresses.iter().any(|(kept, _)| kept.place().excludes(&found.place()));
                if there || !self.links.contains_key(&index) {
                    return Ok(Vec::new());
                }
                self.addresses.push((found.clone(), false));
                vec![Fact::Address(found)]
            }
        })
    }

    fn drop_addresses(&mut self, which: impl Fn(&Address) -> bool) -> Vec<Fact> {
        let by = || Actor::Other(None);
        let gone = self.addresses.iter().filter(|(address, _)| which(address));
        let facts = gone.map(|(address, _)| Fact::AddressGone { place: address.place(), by: by() }).collect();
        self.addresses.retain(|(address, _)| !which(address));
        facts
    }

    pub(super) fn everything(&self) -> Fact {
        let links = self.links.values().cloned().collect();
        Fact::Everything { links, addresses: self.addresses.iter().map(|(kept, _)| kept.clone()).collect() }
    }

    pub(super) fn index_of(&self, name: &str) -> Option<InterfaceIndex> {
        self.links.values().find(|link| &*link.name == name).map(|link| link.index)
    }

    pub(super) fn is_marked(&self, place: &Place) -> bool {
        self.addresses.iter().any(|(kept, _)| kept.place() == *place && kept.marked)
    }

    /// Whether something there keeps the address from being set.
    pub(super) fn excludes(&self, place: &Place) -> bool {
        self.addresses.iter().any(|(kept, _)| kept.place() != *place && kept.place().excludes(place))
    }

    pub(super) fn set_by_us(&self) -> impl Iterator<Item = Place> + '_ {
        self.addresses.iter().filter(|(_, ours)| *ours).map(|(kept, _)| kept.place())
    }

    pub(super) fn carry_out(&mut self, hold: &Hold) -> (Option<Outcome>, Vec<Fact>) {
        let stale = self.last_remove.get(&hold.router).is_some_and(|last| hold.epoch < *last);
        let mut facts = Vec::new();
        let results = match &hold.act {
            Act::Add { addresses, .. } if stale => {
                addresses.iter().map(|placed| (placed.place(), Settled::Superseded)).collect()
            }
            Act::Add { addresses, .. } => {
                addresses.iter().map(|placed| (placed.place(), self.set(placed, &mut facts))).collect()
            }
            Act::Remove { addresses, all } => {
                self.last_remove.insert(hold.router, hold.epoch);
                addresses
                    .iter()
                    .map(|placed| (placed.place(), self.unset(placed, *all, &mut facts)))
                    .collect()
            }
            Act::Announce { .. } | Act::Close { .. } => return (None, facts),
        };
        (Some(Outcome { router: hold.router, epoch: hold.epoch, results }), facts)
    }

    fn set(&mut self, placed: &Placed, facts: &mut Vec<Fact>) -> Settled {
        let place = placed.place();
        if !self.links.contains_key(&place.interface) {
            return Settled::Refused(Errno(19));
        }
        if let Some((kept, ours)) = self.addresses.iter_mut().find(|(kept, _)| kept.place().excludes(&place))
        {
            if !kept.marked || kept.place() != place {
                return Settled::Adopted;
            }
            *ours = true;
            return Settled::Added;
        }
        let address = found(place.interface, place.address, place.prefix, true);
        facts.push(Fact::Address(address.clone()));
        self.addresses.push((address, true));
        Settled::Added
    }

    fn unset(&mut self, placed: &Placed, all: bool, facts: &mut Vec<Fact>) -> Settled {
        let place = placed.place();
        let Some(at) = self.addresses.iter().position(|(kept, _)| kept.place() == place) else {
            return Settled::Removed;
        };
        let (kept, ours) = &self.addresses[at];
        if !(*ours || all && kept.marked) {
            return Settled::NotOurs;
        }
        self.addresses.remove(at);
        facts.push(Fact::AddressGone { place, by: Actor::Ourselves });
        Settled::Removed
    }
}

fn found(interface: InterfaceIndex, address: std::net::IpAddr, prefix: u8, marked: bool) -> Address {
    let (usable, secondary) = (true, false);
    Address { interface, address, prefix, usable, secondary, marked }
}
