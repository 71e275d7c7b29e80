//! The kernel of a machine in the simulated world: made from its ports, asked all the time, and beside it somebody who
//! sets the machine's own addresses again when an interface comes up.

use super::{Deed, Kernel};
use crate::cluster::Port;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use node::io::{Actor, Fact, InterfaceIndex, Link, Place};
use timeline::Duration;
use wire::Mac;

/// The number of the first interface that is not the loopback one.
pub(crate) const FIRST: InterfaceIndex = 2;

/// An interface as it should be.
#[derive(Clone, Debug)]
pub(super) struct Nic {
    name: Arc<str>,
    mac: Mac,
    /// Its number, or the one that it had before it vanished.
    index: InterfaceIndex,
}

impl Kernel {
    pub(crate) fn of(number: u8, ports: &[Port], delay: Duration) -> Self {
        let mut kernel = Self::bare();
        kernel.hand.delay = delay;
        for port in ports {
            let nic = kernel.tables.next();
            let mac = Mac([2, 0, 0, 0, u8::try_from(nic).unwrap_or(u8::MAX), number]);
            let interface = kernel.tables.create(port.name.clone(), mac);
            let own = port.addresses.iter();
            let own = own.map(|(address, prefix)| Place { interface, address: *address, prefix: *prefix });
            kernel.own.extend(own);
            kernel.ports.push(Nic { name: port.name.clone(), mac, index: interface });
            // Its own addresses are listed, the link-local one too.
            kernel.tables.make_plain(interface, &*port.name == "lo");
            kernel.up(interface, true, &mut Vec::new());
        }
        kernel
    }

    fn up(&mut self, interface: InterfaceIndex, up: bool, notices: &mut Vec<Fact>) {
        // It is there, and whoever sets own addresses wants them to be there, not to set them.
        let _ = self.perform(&Deed::Up(interface, up), notices);
        for place in self.own.clone().into_iter().filter(|place| up && place.interface == interface) {
            let _ = self.perform(&Deed::Set(place), notices);
        }
    }

    /// An interface goes up or down. Going down takes its IPv6 addresses along; its own ones are set again when it
    /// comes up.
    pub(crate) fn set_up(&mut self, name: &str, up: bool, notices: &mut Vec<Fact>) {
        if let Some(interface) = self.tables.named(name) {
            self.up(interface, up, notices);
        }
    }

    /// The numbers of the machine's interfaces, in the order of its ports.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = InterfaceIndex> {
        self.ports.iter().map(|nic| nic.index)
    }

    /// An interface vanishes, or comes back under the next number.
    pub(crate) fn set_present(&mut self, name: &str, present: bool, notices: &mut Vec<Fact>) {
        let Some(at) = self.ports.iter().position(|nic| &*nic.name == name) else { return };
        let Some(nic) = self.ports.get(at).cloned() else { return };
        let is_there = self.link(nic.index).is_some();
        if is_there && !present {
            // It is there.
            let _ = self.perform(&Deed::Delete(nic.index), notices);
        } else if !is_there && present {
            let interface = self.tables.create(nic.name, nic.mac);
            self.tables.make_plain(interface, name == "lo");
            notices.extend(self.link(interface).map(Fact::Link));
            for place in self.own.iter_mut().filter(|place| place.interface == nic.index) {
                place.interface = interface;
            }
            if let Some(nic) = self.ports.get_mut(at) {
                nic.index = interface;
            }
            self.up(interface, true, notices);
        }
    }

    /// An interface is called something else, as long as nothing else is.
    pub(crate) fn rename(&mut self, from: &str, to: Arc<str>, notices: &mut Vec<Fact>) {
        if let Some(interface) = self.tables.named(from) {
            // If another one has the name the old one stays.
            let _ = self.perform(&Deed::Rename(interface, to), notices);
        }
    }

    /// The machine's own addresses on an interface are removed, or set again.
    pub(crate) fn set_own(&mut self, name: &str, there: bool, notices: &mut Vec<Fact>) {
        let Some(interface) = self.tables.named(name) else { return };
        for place in self.own.clone().into_iter().filter(|place| place.interface == interface) {
            // What is there already need not be set, and what is gone not be removed.
            let deed = if there { Deed::Set(place) } else { Deed::Unset(place) };
            let _ = self.perform(&deed, notices);
        }
    }

    /// Its interfaces are there under their names, and so are its own addresses.
    pub(crate) fn repair(&mut self, notices: &mut Vec<Fact>) {
        for nic in self.ports.clone() {
            if let Some(link) = self.link(nic.index) {
                self.rename(&link.name, nic.name.clone(), notices);
            }
            self.set_present(&nic.name, true, notices);
            self.set_up(&nic.name, true, notices);
            self.set_carrier(&nic.name, true, notices);
        }
    }

    /// Whether an interface has an address of this family that no daemon has set.
    pub(crate) fn has_own(&self, interface: InterfaceIndex, is_v4: bool) -> bool {
        let is_local = |address: IpAddr| match address {
            IpAddr::V4(_) => is_v4,
            IpAddr::V6(v6) => !is_v4 && v6.is_unicast_link_local(),
        };
        self.tables
            .places()
            .any(|(place, marked)| !marked && place.interface == interface && is_local(place.address))
    }

    /// An interface gets carrier or loses it.
    pub(crate) fn set_carrier(&mut self, name: &str, carrier: bool, notices: &mut Vec<Fact>) {
        if let Some(interface) = self.tables.named(name) {
            // It is there.
            let _ = self.perform(&Deed::Carrier(interface, carrier), notices);
        }
    }

    /// Somebody removes a virtual address, if it is here.
    pub(crate) fn steal(&mut self, address: IpAddr, notices: &mut Vec<Fact>) {
        let place = self.marked().find(|place| place.address == address);
        if let Some(place) = place {
            // It is there.
            let _ = self.tables.unset(place, &Actor::Other(Some("dhcpcd".into())), notices);
        }
    }

    /// Only what the machine has of its own is left.
    pub(crate) fn lose_power(&mut self) {
        self.bury(true);
        let marked: Vec<Place> = self.marked().collect();
        for place in marked {
            // Nobody listens.
            let _ = self.tables.unset(place, &Actor::Other(None), &mut Vec::new());
        }
        self.repair(&mut Vec::new());
    }

    /// Everything that is under way takes so much longer.
    pub(crate) fn put_off(&mut self, time: Duration) {
        self.hand.put_off(time);
    }

    /// Nothing is refused any more, and the hand is as fast as this.
    pub(crate) fn heal(&mut self, delay: Duration) {
        self.hand.delay = delay;
        self.hand.refuses.clear();
    }

    /// What was announced since somebody asked.
    pub(crate) fn take_announced(&mut self) -> Vec<(InterfaceIndex, IpAddr)> {
        core::mem::take(&mut self.hand.announced)
    }

    /// What carries the program's mark.
    pub(crate) fn marked(&self) -> impl Iterator<Item = Place> + '_ {
        self.tables.places().filter(|(_, marked)| *marked).map(|(place, _)| place)
    }

    /// Where addresses do not accept.
    pub(crate) fn closed(&self) -> impl Iterator<Item = Place> + '_ {
        self.hand.closed()
    }

    pub(crate) fn has_on(&self, interface: InterfaceIndex, address: IpAddr) -> bool {
        self.tables.places().any(|(place, _)| (place.interface, place.address) == (interface, address))
    }

    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.tables.places().any(|(place, _)| place.address == address)
    }

    /// Whether what goes out of an interface leaves the machine.
    pub(crate) fn is_connected(&self, interface: InterfaceIndex) -> bool {
        self.tables.is_connected(interface)
    }

    /// All interfaces are there, up and have a carrier and their addresses.
    pub(crate) fn is_well_connected(&self) -> bool {
        let is_well = |nic: &Nic| {
            self.tables.named(&nic.name) == Some(nic.index) && self.tables.is_connected(nic.index)
        };
        self.ports.iter().all(is_well) && self.own.iter().all(|place| self.tables.find(*place).is_some())
    }

    /// The interface of this name.
    pub(crate) fn link_named(&self, name: &str) -> Option<Link> {
        self.link(self.tables.named(name)?)
    }
}
