//! What is known about the host: interfaces and their addresses. Written by facts, read by the verdict.

use crate::io::{Address, InterfaceIndex, Link};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use wire::Family;

/// Interfaces and addresses, as the kernel last told.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    links: BTreeMap<InterfaceIndex, Known>,
    names: BTreeMap<Arc<str>, InterfaceIndex>,
}

#[derive(Debug)]
struct Known {
    link: Link,
    addresses: Vec<Address>,
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

    pub(crate) fn addresses(&self, index: InterfaceIndex) -> &[Address] {
        self.links.get(&index).map_or(&[], |known| &known.addresses)
    }

    pub(crate) fn all_addresses(&self) -> impl Iterator<Item = &Address> {
        self.links.values().flat_map(|known| &known.addresses)
    }

    /// Takes a link; true if anything about it is new.
    pub(crate) fn set_link(&mut self, link: Link) -> bool {
        // A rename, or a new interface under an old name: the name belongs to whoever was told last.
        self.names.retain(|name, index| *index != link.index || *name == link.name);
        self.names.insert(link.name.clone(), link.index);
        match self.links.get_mut(&link.index) {
            Some(known) if known.link == link => false,
            Some(known) => {
                known.link = link;
                true
            }
            None => {
                self.links.insert(link.index, Known { link, addresses: Vec::new() });
                true
            }
        }
    }

    /// Forgets an interface and its addresses.
    pub(crate) fn remove_link(&mut self, index: InterfaceIndex) -> bool {
        self.names.retain(|_, known| *known != index);
        self.links.remove(&index).is_some()
    }

    /// Takes an address; true if anything about it is new.
    pub(crate) fn set_address(&mut self, address: Address) -> bool {
        let Some(known) = self.links.get_mut(&address.interface) else { return false };
        match known.addresses.iter_mut().find(|a| a.address == address.address && a.prefix == address.prefix)
        {
            Some(old) if *old == address => false,
            Some(old) => {
                *old = address;
                true
            }
            None => {
                known.addresses.push(address);
                true
            }
        }
    }

    /// Forgets an address.
    pub(crate) fn remove_address(&mut self, interface: InterfaceIndex, address: IpAddr) -> bool {
        let Some(known) = self.links.get_mut(&interface) else { return false };
        let before = known.addresses.len();
        known.addresses.retain(|a| a.address != address);
        known.addresses.len() != before
    }

    /// Replaces everything.
    pub(crate) fn replace(&mut self, links: Vec<Link>, addresses: Vec<Address>) {
        *self = Self::default();
        for link in links {
            self.set_link(link);
        }
        for address in addresses {
            self.set_address(address);
        }
    }

    pub(crate) fn has_address(&self, interface: InterfaceIndex, address: IpAddr) -> bool {
        self.addresses(interface).iter().any(|a| a.address == address)
    }

    /// The address that adverts are sent from (TX-3, TX-4): the interface's first IPv4 address, or its
    /// link-local IPv6 address, that is neither virtual nor set by us. An owner has no other than the virtual
    /// one, so that is the second choice.
    pub(crate) fn source(
        &self,
        index: InterfaceIndex,
        family: Family,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let fits = |a: &&Address| match a.address {
            IpAddr::V4(_) => family == Family::V4 && !a.secondary,
            IpAddr::V6(v6) => family == Family::V6 && v6.is_unicast_link_local(),
        };
        let mut own =
            self.addresses(index).iter().filter(fits).filter(|a| a.usable && !a.marked).map(|a| a.address);
        let first = own.next()?;
        if is_virtual(first) { own.find(|a| !is_virtual(*a)).or(Some(first)) } else { Some(first) }
    }
}
