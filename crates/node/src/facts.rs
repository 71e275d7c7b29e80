//! What is known about the host: interfaces and their addresses. Written by facts, read by the verdict.

use crate::event::Fault;
use crate::io::{Address, Errno, InterfaceIndex, Link, Place};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::Home;
use wire::Family;

/// Interfaces and addresses, as the kernel last told.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    links: BTreeMap<InterfaceIndex, Known>,
    names: BTreeMap<Arc<str>, InterfaceIndex>,
    /// Adverts that cannot be had, and why.
    no_sockets: BTreeMap<Kind, Errno>,
    /// Groups that could not be joined, and why.
    not_joined: BTreeMap<(InterfaceIndex, IpAddr), Errno>,
}

#[derive(Debug)]
struct Known {
    link: Link,
    /// The host's own, in the kernel's order, which decides what the primary one is.
    own: Vec<Address>,
    /// Those with this program's mark: there may be thousands, and their order says nothing.
    marked: BTreeMap<(IpAddr, u8), Address>,
}

/// Adverts of a family, plain or sealed, that come in through a VRF device, or all.
pub(crate) type Kind = (Family, bool, Option<InterfaceIndex>);

/// What was new about a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Nothing,
    /// Its state; which name belongs to which number is as before.
    State,
    /// Also which number its name belongs to.
    Name,
}

impl Facts {
    pub(crate) fn link(&self, index: InterfaceIndex) -> Option<&Link> {
        self.links.get(&index).map(|known| &known.link)
    }

    pub(crate) fn link_named(&self, name: &str) -> Option<&Link> {
        self.link(*self.names.get(name)?)
    }

    /// The name of an interface, for people; also of one that has just vanished.
    pub(crate) fn name_of(&self, index: InterfaceIndex) -> Arc<str> {
        self.link(index).map_or_else(|| alloc::format!("#{index}").into(), |link| link.name.clone())
    }

    /// The VRF to which an interface belongs, or which it is: `Some(None)` for none, `None` if it is not known.
    pub(crate) fn vrf_of(&self, index: InterfaceIndex) -> Option<Option<InterfaceIndex>> {
        let link = self.link(index)?;
        let is_vrf = |index: &InterfaceIndex| self.link(*index).is_some_and(|link| link.is_vrf);
        Some(core::iter::once(index).chain(link.master).find(is_vrf))
    }

    /// The VRF device through which the adverts of an instance come, if there is one.
    pub(crate) fn vrf_of_home(&self, home: &Home) -> Option<InterfaceIndex> {
        self.vrf_of(self.link_named(home.device()?)?.index).flatten()
    }

    /// Whether an address is there, usable, on whichever interface of a VRF, or of none.
    pub(crate) fn has_within(&self, vrf: Option<InterfaceIndex>, address: IpAddr) -> bool {
        let mut within = self.links.keys().filter(|index| self.vrf_of(**index) == Some(vrf));
        within.any(|index| self.has(*index, address))
    }

    /// What is wrong with an interface.
    pub(crate) fn link_fault(&self, name: &Arc<str>) -> Option<Fault> {
        match self.link_named(name) {
            None => Some(Fault::InterfaceMissing(name.clone())),
            Some(link) if !link.up => Some(Fault::InterfaceDown(name.clone())),
            Some(link) if !link.carrier => Some(Fault::NoCarrier(name.clone())),
            Some(_) => None,
        }
    }

    /// Whether an interface has this address, usable.
    pub(crate) fn has(&self, interface: InterfaceIndex, address: IpAddr) -> bool {
        let Some(known) = self.links.get(&interface) else { return false };
        let mut marked = known.marked.range((address, 0)..=(address, u8::MAX));
        marked.any(|(_, its)| its.usable) || known.own.iter().any(|its| its.address == address && its.usable)
    }

    /// The first interface that has this address.
    pub(crate) fn interface_of(&self, address: IpAddr) -> Option<InterfaceIndex> {
        self.links.keys().copied().find(|index| self.has(*index, address))
    }

    /// It is quiet: addresses that came one after the other fill their places by half; made anew, they fill them.
    pub(crate) fn rest(&mut self) {
        for known in self.links.values_mut() {
            known.marked = core::mem::take(&mut known.marked).into_iter().collect();
            known.own.shrink_to_fit();
        }
    }

    /// All addresses that carry this program's mark.
    pub(crate) fn marked(&self) -> impl Iterator<Item = &Address> {
        self.links.values().flat_map(|known| known.marked.values())
    }

    /// Takes a link.
    pub(crate) fn set_link(&mut self, link: Link) -> News {
        // A rename, or a new interface under an old name: the name belongs to whoever was told last.
        if let Some(known) = self.links.get(&link.index)
            && known.link.name != link.name
            && self.names.get(&known.link.name) == Some(&link.index)
        {
            self.names.remove(&known.link.name);
        }
        let moved = self.names.insert(link.name.clone(), link.index) != Some(link.index);
        let changed = match self.links.get_mut(&link.index) {
            Some(known) => core::mem::replace(&mut known.link, link.clone()) != link,
            None => {
                let (own, marked) = (Vec::new(), BTreeMap::new());
                self.links.insert(link.index, Known { link, own, marked });
                true
            }
        };
        match (moved, changed) {
            (true, _) => News::Name,
            (false, true) => News::State,
            (false, false) => News::Nothing,
        }
    }

    /// Forgets an interface and its addresses.
    pub(crate) fn remove_link(&mut self, index: InterfaceIndex) -> bool {
        let Some(gone) = self.links.remove(&index) else { return false };
        if self.names.get(&gone.link.name) == Some(&index) {
            self.names.remove(&gone.link.name);
        }
        true
    }

    /// Takes an address; true if anything about it is new.
    pub(crate) fn set_address(&mut self, address: Address) -> bool {
        let Some(known) = self.links.get_mut(&address.interface) else { return false };
        let key = (address.address, address.prefix);
        let place = known.own.iter().position(|a| (a.address, a.prefix) == key);
        if address.marked {
            place.map(|at| known.own.remove(at));
            return known.marked.insert(key, address.clone()) != Some(address);
        }
        known.marked.remove(&key);
        match place.and_then(|at| known.own.get_mut(at)) {
            Some(old) => core::mem::replace(old, address.clone()) != address,
            None => {
                known.own.push(address);
                true
            }
        }
    }

    /// Forgets an address.
    pub(crate) fn remove_address(&mut self, place: Place) {
        self.remove_marked(place);
        if let Some(known) = self.links.get_mut(&place.interface) {
            known.own.retain(|a| a.place() != place);
        }
    }

    /// Forgets an address that is about to be removed, if it is one that carries our mark: the administrator's
    /// stays.
    pub(crate) fn remove_marked(&mut self, place: Place) {
        if let Some(known) = self.links.get_mut(&place.interface) {
            known.marked.remove(&(place.address, place.prefix));
        }
    }

    /// Replaces all interfaces and addresses.
    pub(crate) fn replace(&mut self, links: Vec<Link>, addresses: Vec<Address>) {
        let before = core::mem::take(&mut self.links);
        self.names.clear();
        for link in links {
            self.set_link(link);
        }
        for address in addresses {
            self.set_address(address);
        }
        // Linux lists newer IPv6 addresses first: what was the first one of those that were known stays it, else
        // a router would speak from another address than before.
        for (index, known) in &mut self.links {
            let Some(old) = before.get(index) else { continue };
            let place = |a: &Address| old.own.iter().position(|b| a.place() == b.place());
            known.own.sort_by_key(|address| place(address).unwrap_or(usize::MAX));
        }
    }

    /// Takes whether there are sockets; true if that is new.
    pub(crate) fn set_no_socket(&mut self, kind: Kind, why: Option<Errno>) -> bool {
        set(&mut self.no_sockets, kind, why)
    }

    /// Takes whether a group is joined; true if that is new.
    pub(crate) fn set_not_joined(
        &mut self,
        interface: InterfaceIndex,
        group: IpAddr,
        why: Option<Errno>,
    ) -> bool {
        set(&mut self.not_joined, (interface, group), why)
    }

    /// Why there are no sockets for adverts of this kind, at all or in their VRF.
    pub(crate) fn no_socket(&self, (family, sealed, vrf): Kind) -> Option<Errno> {
        let why = |vrf| self.no_sockets.get(&(family, sealed, vrf)).copied();
        why(None).or_else(|| why(Some(vrf?)))
    }

    /// Why a group is not joined.
    pub(crate) fn not_joined(&self, interface: InterfaceIndex, group: IpAddr) -> Option<Errno> {
        self.not_joined.get(&(interface, group)).copied()
    }

    /// The prefix with which somebody else set this address here.
    pub(crate) fn unmarked(&self, interface: InterfaceIndex, address: IpAddr) -> Option<u8> {
        let own = &self.links.get(&interface)?.own;
        own.iter().find(|known| known.address == address).map(|known| known.prefix)
    }

    /// Whether it is there with this program's mark.
    pub(crate) fn is_marked(&self, place: Place) -> bool {
        let known = self.links.get(&place.interface);
        known.is_some_and(|known| known.marked.contains_key(&(place.address, place.prefix)))
    }

    /// Whether it is there, or another that would keep the kernel from setting it.
    pub(crate) fn is_taken(&self, place: Place) -> bool {
        let Some(known) = self.links.get(&place.interface) else { return false };
        let marked = known.marked.range((place.address, 0)..=(place.address, u8::MAX));
        marked.map(|(_, address)| address).chain(&known.own).any(|a| a.place().excludes(&place))
    }

    /// The address that adverts are sent from (TX-3, TX-4): the interface's first IPv4 address, or its
    /// link-local IPv6 address, that is neither virtual nor set by us. An owner has no other than the virtual
    /// one, so that is the next choice; the last is an IPv4 address that is secondary, because a virtual one
    /// of the same network was there first.
    pub(crate) fn source(
        &self,
        index: InterfaceIndex,
        family: Family,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let fits = |a: &&Address| match a.address {
            IpAddr::V4(_) => family == Family::V4,
            IpAddr::V6(v6) => family == Family::V6 && v6.is_unicast_link_local(),
        };
        let known = self.links.get(&index)?;
        let own = || known.own.iter().filter(fits).filter(|a| a.usable);
        let primary = || own().filter(|a| !a.secondary).map(|a| a.address);
        let choice = primary().find(|a| !is_virtual(*a)).or_else(|| primary().next());
        choice.or_else(|| own().map(|a| a.address).find(|a| !is_virtual(*a)))
    }

    /// The interface's first global IPv6 address that is neither virtual nor set by us: what unicast to a peer
    /// beyond the link is sent from.
    pub(crate) fn global_source(
        &self,
        index: InterfaceIndex,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let own = self.links.get(&index)?.own.iter().filter(|a| a.usable).map(|a| a.address);
        let mut global = own.filter(|address| match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_loopback(),
        });
        global.find(|address| !is_virtual(*address))
    }
}

/// Keeps what is not as it should be, and only that; true if that is new.
fn set<K: Ord>(broken: &mut BTreeMap<K, Errno>, key: K, why: Option<Errno>) -> bool {
    match why {
        Some(errno) => broken.insert(key, errno) != Some(errno),
        None => broken.remove(&key).is_some(),
    }
}
