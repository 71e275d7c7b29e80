//! The interfaces and addresses of one kernel, as Linux keeps them: what it refuses, what goes along with what, in
//! which order it lists them and tells of them.

use super::Deed;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use node::io::{Actor, Address, Errno, Fact, InterfaceIndex, Link, Place};
use wire::Mac;

pub(super) const EPERM: Errno = Errno(1);
const ENOENT: Errno = Errno(2);
const ENXIO: Errno = Errno(6);
const EACCES: Errno = Errno(13);
const EEXIST: Errno = Errno(17);
const ENODEV: Errno = Errno(19);
const EINVAL: Errno = Errno(22);
const EADDRNOTAVAIL: Errno = Errno(99);

/// Whether a refusal says that the address, or its interface, is not there.
pub(super) fn is_gone(why: Errno) -> bool {
    [EADDRNOTAVAIL, ENODEV].contains(&why)
}

/// Whether a refusal says that the address is there.
pub(super) fn is_there(why: Errno) -> bool {
    why == EEXIST
}

/// With less an interface has no IPv6.
const IPV6_MTU: u32 = 1280;
/// What an Ethernet interface can be told.
const MTU: core::ops::RangeInclusive<u32> = 68..=65535;

/// Interfaces and their addresses.
#[derive(Debug)]
pub(super) struct Tables {
    devices: BTreeMap<InterfaceIndex, Device>,
    /// The latest number that was given out.
    latest: InterfaceIndex,
}

#[derive(Debug)]
struct Device {
    name: Arc<str>,
    mac: Mac,
    up: bool,
    /// The other end of the cable is up.
    plugged: bool,
    mtu: u32,
    loopback: bool,
    /// A secondary address follows its primary when that goes.
    promotes: bool,
    v4: Vec<V4>,
    /// `None`: frames are too short for it.
    v6: Option<Ipv6>,
}

#[derive(Clone, Copy, Debug)]
struct V4 {
    address: Ipv4Addr,
    prefix: u8,
    scope: u8,
    secondary: bool,
    marked: bool,
}

/// What an interface has of IPv6.
#[derive(Debug, Default)]
struct Ipv6 {
    disabled: bool,
    /// The interface gives itself no link-local address.
    plain: bool,
    forwards: bool,
    /// It has been up with carrier since it went up.
    ready: bool,
    addresses: Vec<V6>,
}

#[derive(Clone, Copy, Debug)]
struct V6 {
    address: Ipv6Addr,
    prefix: u8,
    marked: bool,
}

/// What is to be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct New {
    pub(super) place: Place,
    pub(super) scope: u8,
    pub(super) marked: bool,
}

impl Tables {
    /// Nothing at all; numbers up to `latest` have been given out.
    pub(super) fn bare(latest: InterfaceIndex) -> Self {
        Self { devices: BTreeMap::new(), latest }
    }

    /// Nothing but the loopback interface, which is up.
    pub(super) fn new() -> Self {
        let mut tables = Self::bare(0);
        let lo = tables.create("lo".into(), Mac::default());
        if let Some(device) = tables.devices.get_mut(&lo) {
            (device.loopback, device.up, device.plugged) = (true, true, true);
            let (scope, secondary, marked) = (254, false, false);
            device.v4.push(V4 { address: Ipv4Addr::LOCALHOST, prefix: 8, scope, secondary, marked });
            let address = V6 { address: Ipv6Addr::LOCALHOST, prefix: 128, marked };
            device.v6 = Some(Ipv6 { ready: true, addresses: [address].into(), ..Ipv6::default() });
        }
        tables
    }

    /// The number that the next interface will have.
    pub(super) const fn next(&self) -> InterfaceIndex {
        self.latest + 1
    }

    /// This interface gives itself no address.
    pub(super) fn make_plain(&mut self, index: InterfaceIndex, loopback: bool) {
        if let Ok(device) = self.device(index) {
            device.loopback = loopback;
            device.v6.iter_mut().for_each(|v6| v6.plain = true);
        }
    }

    pub(super) fn named(&self, name: &str) -> Option<InterfaceIndex> {
        self.devices.iter().find(|(_, device)| &*device.name == name).map(|(index, _)| *index)
    }

    pub(super) fn is_connected(&self, index: InterfaceIndex) -> bool {
        self.devices.get(&index).is_some_and(|device| device.up && device.plugged)
    }

    /// Where addresses are, and whether they are marked, in no order that means anything.
    pub(super) fn places(&self) -> impl Iterator<Item = (Place, bool)> {
        self.devices.iter().flat_map(|(index, device)| {
            let v4 = device.v4.iter().map(|one| (one.address(*index).place(), one.marked));
            v4.chain(device.v6().map(|one| (one.address(*index).place(), one.marked)))
        })
    }

    /// An interface that is down, with its cable plugged in; returns its number.
    pub(super) fn create(&mut self, name: Arc<str>, mac: Mac) -> InterfaceIndex {
        self.latest += 1;
        let device = Device {
            name,
            mac,
            up: false,
            plugged: true,
            mtu: 1500,
            loopback: false,
            promotes: false,
            v4: Vec::new(),
            v6: Some(Ipv6::default()),
        };
        self.devices.insert(self.latest, device);
        self.latest
    }

    pub(super) fn perform(&mut self, deed: &Deed, notices: &mut Vec<Fact>) -> Result<(), Errno> {
        match deed {
            Deed::Create { name, mac } => {
                if self.devices.values().any(|device| device.name == *name) {
                    return Err(EEXIST);
                }
                let index = self.create(name.clone(), *mac);
                notices.extend(self.link(index).map(Fact::Link));
                Ok(())
            }
            Deed::Delete(index) => self.delete(*index, notices),
            Deed::Rename(index, name) => {
                self.device(*index)?;
                let is_taken = |(other, device): (&u32, &Device)| other != index && device.name == *name;
                if self.devices.iter().any(is_taken) {
                    return Err(EEXIST);
                }
                self.device(*index)?.name = name.clone();
                self.tell(*index, notices);
                Ok(())
            }
            Deed::Mac(index, mac) => {
                self.device(*index)?.mac = *mac;
                self.tell(*index, notices);
                Ok(())
            }
            Deed::Mtu(index, mtu) => {
                if !MTU.contains(mtu) {
                    self.device(*index)?;
                    return Err(EINVAL);
                }
                let mut along = Vec::new();
                self.device(*index)?.set_mtu(*index, *mtu, &mut along);
                self.tell(*index, notices);
                notices.append(&mut along);
                Ok(())
            }
            Deed::Up(index, up) => {
                self.device(*index)?.set_up(*index, *up, notices);
                Ok(())
            }
            Deed::Carrier(index, on) => {
                self.device(*index)?.set_plugged(*index, *on, notices);
                Ok(())
            }
            Deed::Promote(index, on) => {
                self.setting(*index)?.promotes = *on;
                Ok(())
            }
            Deed::Ipv6(index, on) => self.setting(*index)?.set_ipv6(*index, *on, notices),
            Deed::Forward(index, on) => {
                let v6 = self.setting(*index)?.v6.as_mut().ok_or(ENOENT)?;
                if core::mem::replace(&mut v6.forwards, *on) != *on {
                    self.tell(*index, notices);
                }
                Ok(())
            }
            Deed::Set(place) => {
                let (place, scope, marked) = (*place, 0, false);
                self.set(New { place, scope, marked }, notices)
            }
            Deed::Unset(place) => self.unset(*place, &Actor::Other(None), notices),
        }
    }

    fn device(&mut self, index: InterfaceIndex) -> Result<&mut Device, Errno> {
        self.devices.get_mut(&index).ok_or(ENODEV)
    }

    /// The interface whose setting is a file.
    fn setting(&mut self, index: InterfaceIndex) -> Result<&mut Device, Errno> {
        self.device(index).map_err(|_| ENOENT)
    }

    fn tell(&self, index: InterfaceIndex, notices: &mut Vec<Fact>) {
        notices.extend(self.link(index).map(Fact::Link));
    }

    pub(super) fn link(&self, index: InterfaceIndex) -> Option<Link> {
        Some(self.devices.get(&index)?.link(index))
    }

    pub(super) fn links(&self) -> Vec<Link> {
        self.devices.iter().map(|(index, device)| device.link(*index)).collect()
    }

    /// All addresses: those of IPv4 first, of each interface in its own order.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let v4 = self.devices.iter().flat_map(|(index, d)| d.v4.iter().map(|one| one.address(*index)));
        let v6 = self.devices.iter().flat_map(|(index, d)| d.v6().map(|one| one.address(*index)));
        v4.chain(v6).collect()
    }

    /// What is in this place.
    pub(super) fn find(&self, place: Place) -> Option<Address> {
        let device = self.devices.get(&place.interface)?;
        let v4 = device.v4.iter().map(|one| one.address(place.interface));
        let v6 = device.v6().map(|one| one.address(place.interface));
        v4.chain(v6).find(|one| one.place() == place)
    }

    pub(super) fn set_promotes(&mut self, index: InterfaceIndex) {
        if let Ok(device) = self.device(index) {
            device.promotes = true;
        }
    }

    fn delete(&mut self, index: InterfaceIndex, notices: &mut Vec<Fact>) -> Result<(), Errno> {
        let device = self.device(index)?;
        device.set_up(index, false, notices);
        let v4 = device.v4.drain(..).map(|one| one.address(index).place());
        notices.extend(v4.map(|place| Fact::AddressGone { place, by: Actor::Other(None) }));
        device.drop_ipv6(index, notices);
        self.devices.remove(&index);
        notices.push(Fact::LinkGone(index));
        Ok(())
    }

    pub(super) fn set(&mut self, new: New, notices: &mut Vec<Fact>) -> Result<(), Errno> {
        let New { place: Place { interface, address, prefix }, scope, marked } = new;
        if address.is_ipv4() && prefix > 32 {
            return Err(EINVAL);
        }
        let device = self.device(interface)?;
        let told = match address {
            IpAddr::V4(address) => device
                .set_v4(V4 { address, prefix, scope, secondary: false, marked })?
                .map(|one| one.address(interface)),
            IpAddr::V6(address) => Some(device.set_v6(V6 { address, prefix, marked })?.address(interface)),
        };
        notices.extend(told.map(Fact::Address));
        Ok(())
    }

    pub(super) fn unset(&mut self, place: Place, by: &Actor, notices: &mut Vec<Fact>) -> Result<(), Errno> {
        let device = self.device(place.interface)?;
        match place.address {
            IpAddr::V4(address) => {
                let is_it = |one: &V4| (one.address, one.prefix) == (address, place.prefix);
                let at = device.v4.iter().position(is_it).ok_or(EADDRNOTAVAIL)?;
                device.unset_v4(place.interface, at, by, notices);
            }
            IpAddr::V6(address) => {
                let v6 = device.v6.as_mut().ok_or(ENXIO)?;
                let is_it = |one: &V6| (one.address, one.prefix) == (address, place.prefix);
                let at = v6.addresses.iter().position(is_it).ok_or(EADDRNOTAVAIL)?;
                v6.addresses.remove(at);
                notices.push(Fact::AddressGone { place, by: by.clone() });
            }
        }
        Ok(())
    }
}

impl Device {
    fn link(&self, index: InterfaceIndex) -> Link {
        Link {
            index,
            name: self.name.clone(),
            mac: self.mac,
            up: self.up,
            carrier: self.up && self.plugged,
            loopback: self.loopback,
            forwards_ipv6: self.v6.as_ref().is_some_and(|v6| v6.forwards),
            is_vrf: false,
            master: None,
        }
    }

    fn v6(&self) -> impl Iterator<Item = &V6> {
        self.v6.iter().flat_map(|v6| &v6.addresses)
    }

    fn set_up(&mut self, index: InterfaceIndex, up: bool, notices: &mut Vec<Fact>) {
        if core::mem::replace(&mut self.up, up) == up {
            return;
        }
        if up {
            // Carrier comes a moment later.
            notices.push(Fact::Link(Link { carrier: false, ..self.link(index) }));
            if self.plugged {
                notices.push(Fact::Link(self.link(index)));
                self.get_ready(index, notices);
            }
        } else {
            notices.push(Fact::Link(self.link(index)));
            self.flush_ipv6(index, notices);
        }
    }

    fn set_plugged(&mut self, index: InterfaceIndex, on: bool, notices: &mut Vec<Fact>) {
        if core::mem::replace(&mut self.plugged, on) != on && self.up {
            notices.push(Fact::Link(self.link(index)));
            if on {
                self.get_ready(index, notices);
            }
        }
    }

    /// IPv6 begins, if it has not, as it may: the interface gives itself its link-local address.
    fn get_ready(&mut self, index: InterfaceIndex, notices: &mut Vec<Fact>) {
        let (running, mac) = (self.up && self.plugged, self.mac);
        let Some(v6) = self.v6.as_mut().filter(|v6| running && !v6.disabled && !v6.ready) else { return };
        v6.ready = true;
        if v6.plain {
            return;
        }
        let own = V6 { address: link_local(mac), prefix: 64, marked: false };
        if v6.insert(own).is_ok() {
            notices.push(Fact::Address(own.address(index)));
        }
    }

    /// All addresses of IPv6 go.
    fn flush_ipv6(&mut self, index: InterfaceIndex, notices: &mut Vec<Fact>) {
        if let Some(v6) = &mut self.v6 {
            v6.ready = false;
            let gone = v6.addresses.drain(..).map(|one| one.address(index).place());
            notices.extend(gone.map(|place| Fact::AddressGone { place, by: Actor::Other(None) }));
        }
    }

    fn drop_ipv6(&mut self, index: InterfaceIndex, notices: &mut Vec<Fact>) {
        self.flush_ipv6(index, notices);
        self.v6 = None;
    }

    fn set_ipv6(&mut self, index: InterfaceIndex, on: bool, notices: &mut Vec<Fact>) -> Result<(), Errno> {
        let v6 = self.v6.as_mut().ok_or(ENOENT)?;
        if core::mem::replace(&mut v6.disabled, !on) == on {
            if on {
                self.get_ready(index, notices);
            } else {
                self.flush_ipv6(index, notices);
            }
        }
        Ok(())
    }

    fn set_mtu(&mut self, index: InterfaceIndex, mtu: u32, notices: &mut Vec<Fact>) {
        self.mtu = mtu;
        if mtu < IPV6_MTU {
            self.drop_ipv6(index, notices);
        } else if self.v6.is_none() {
            self.v6 = Some(Ipv6::default());
            self.get_ready(index, notices);
        }
    }

    /// `None`: nothing was done, and that is no error.
    fn set_v4(&mut self, mut new: V4) -> Result<Option<V4>, Errno> {
        if new.address.is_unspecified() {
            return Ok(None);
        }
        if self.v4.iter().any(|old| old.is_beside(&new) && old.address == new.address) {
            return Err(EEXIST);
        }
        // Primary ones first, from the narrowest scope to the widest.
        let mut at = 0;
        for (which, old) in self.v4.iter().enumerate() {
            if !old.secondary && new.scope <= old.scope {
                at = which + 1;
            }
            if old.is_beside(&new) {
                if old.scope != new.scope {
                    return Err(EINVAL);
                }
                new.secondary = true;
            }
        }
        let at = if new.secondary { self.v4.len() } else { at };
        self.v4.insert(at, new);
        Ok(Some(new))
    }

    /// Removes one, and what goes along with it: all secondary ones of its subnet, unless one of them takes its place.
    fn unset_v4(&mut self, index: InterfaceIndex, at: usize, by: &Actor, notices: &mut Vec<Fact>) {
        let gone = self.v4.remove(at);
        let follows = |one: &V4| !gone.secondary && one.secondary && one.is_beside(&gone);
        let tell = |one: &V4, by| Fact::AddressGone { place: one.address(index).place(), by };
        if !self.promotes {
            let along = self.v4.iter().filter(|one| follows(one));
            notices.extend(along.map(|one| tell(one, Actor::Other(None))));
            self.v4.retain(|one| !follows(one));
        }
        notices.push(tell(&gone, by.clone()));
        let Some(heir) = self.v4.iter().position(follows) else { return };
        let mut promoted = self.v4.remove(heir);
        promoted.secondary = false;
        // It joins the primary ones: behind the last of them that stood behind the one that is gone, or else in its place.
        let primary = |one: &V4| !one.secondary && gone.scope <= one.scope;
        let last = self.v4.iter().skip(at).rposition(primary).map(|last| at + last);
        self.v4.insert(last.map_or(at, |last| last + 1), promoted);
        notices.push(Fact::Address(promoted.address(index)));
    }

    fn set_v6(&mut self, new: V6) -> Result<V6, Errno> {
        if new.prefix > 128 {
            return Err(EINVAL);
        }
        let loopback = self.loopback;
        let v6 = self.v6.as_mut().ok_or(EINVAL)?;
        if v6.disabled {
            return Err(EACCES);
        }
        let address = new.address;
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() && !loopback {
            return Err(EADDRNOTAVAIL);
        }
        v6.insert(new)?;
        Ok(new)
    }
}

impl Ipv6 {
    /// The newest first among those that reach equally far.
    fn insert(&mut self, new: V6) -> Result<(), Errno> {
        if self.addresses.iter().any(|old| old.address == new.address) {
            return Err(EEXIST);
        }
        let reach = |one: &V6| !(one.address.is_unicast_link_local() || one.address.is_loopback());
        let at = self.addresses.iter().position(|old| reach(&new) >= reach(old));
        self.addresses.insert(at.unwrap_or(self.addresses.len()), new);
        Ok(())
    }
}

impl V4 {
    /// Whether they are of one subnet, as the kernel sees it.
    fn is_beside(&self, other: &Self) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        let net = |one: &Self| u32::from(one.address) & mask;
        self.prefix == other.prefix && net(self) == net(other)
    }

    const fn address(&self, interface: InterfaceIndex) -> Address {
        let Self { address, prefix, secondary, marked, .. } = *self;
        Address { interface, address: IpAddr::V4(address), prefix, usable: true, secondary, marked }
    }
}

impl V6 {
    const fn address(&self, interface: InterfaceIndex) -> Address {
        let Self { address, prefix, marked } = *self;
        Address { interface, address: IpAddr::V6(address), prefix, usable: true, secondary: false, marked }
    }
}

/// The address that an interface gives itself.
fn link_local(Mac([a, b, c, d, e, f]): Mac) -> Ipv6Addr {
    let pair = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, pair(a ^ 2, b), pair(c, 0xff), pair(0xfe, d), pair(e, f))
}
