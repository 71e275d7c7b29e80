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
        for interface in self.tables.numbers().collect::<Vec<_>>() {
            self.up(interface, true, &mut Vec::new());
        }
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

    /// All interfaces are up and have a carrier.
    pub(crate) fn is_well_connected(&self) -> bool {
        self.tables.numbers().all(|interface| self.tables.is_connected(interface))
    }

    /// The interface of this name.
    pub(crate) fn link_named(&self, name: &str) -> Option<Link> {
        self.link(self.tables.named(name)?)
    }

    /// The names of its interfaces.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        self.links().into_iter().map(|link| link.name).collect()
    }
}
