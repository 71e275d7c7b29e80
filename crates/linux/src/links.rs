//! Makes and changes interfaces: what a laboratory of namespaces, bridges and cables is built from.
//!
//! The failover daemon itself only reads links; these operations are for tests, demonstrations and (later)
//! virtual MAC interfaces. Interfaces are named, not numbered: the kernel resolves the name in the socket's
//! network namespace, so a [`Netlink`] opened in another namespace works there.

use crate::error::{Error, Refusal, Result};
use crate::netlink::{LinkSeen, Neighbour, Netlink, Request, read};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
pub use netlink_packet_route::link::MacVlanMode;
use netlink_packet_route::link::{
    BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoKind, InfoMacVlan, InfoPortData, InfoPortKind,
    InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use node::io::InterfaceIndex;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use wire::Mac;

/// Another network namespace.
#[derive(Clone, Copy, Debug)]
pub enum Netns<'a> {
    /// That of the descriptor: an open `/proc/PID/ns/net` or `/run/netns/NAME`.
    Fd(BorrowedFd<'a>),
    /// That of a process or thread.
    Pid(u32),
}

impl Netns<'_> {
    fn attribute(self) -> LinkAttribute {
        match self {
            Self::Fd(fd) => LinkAttribute::NetNsFd(fd.as_raw_fd()),
            Self::Pid(pid) => LinkAttribute::NetNsPid(pid),
        }
    }
}

/// Opens a namespace by the name that `ip netns` gave it.
///
/// # Errors
/// When `/run/netns/NAME` cannot be opened.
pub fn named_netns(name: &str) -> Result<std::fs::File> {
    // Pid files have its name too.
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        let doing =
            format!("open network namespace {name:?}, which must be a name in /run/netns and no path");
        return Err(Error::refused(doing, Refusal::new(libc::EINVAL)));
    }
    std::fs::File::open(format!("/run/netns/{name}"))
        .map_err(|error| Error::refused(format!("open network namespace {name}"), Refusal::of(&error)))
}

fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    message
}

fn with_info(name: &str, kind: InfoKind, data: Option<InfoData>) -> LinkMessage {
    let mut message = named(name);
    let mut info = vec![LinkInfo::Kind(kind)];
    info.extend(data.map(LinkInfo::Data));
    message.attributes.push(LinkAttribute::LinkInfo(info));
    message
}

impl Netlink {
    /// Creates a learning bridge that forwards at once: no spanning tree, no forward delay, no multicast
    /// snooping (which would swallow adverts until somebody queries). It is down.
    ///
    /// # Errors
    /// `EEXIST`, `EPERM`, or a kernel without bridges (`EOPNOTSUPP`).
    pub fn create_bridge(&mut self, name: &str) -> Result<()> {
        let data = InfoData::Bridge(vec![
            InfoBridge::StpState(BridgeStpState::Disabled),
            InfoBridge::ForwardDelay(0),
            InfoBridge::MulticastSnooping(false),
        ]);
        self.create(&format!("create bridge {name}"), with_info(name, InfoKind::Bridge, Some(data)))
    }

    /// Creates a cable: `name` here, its other end `peer` here or in `place`. Both are down.
    ///
    /// # Errors
    /// `EEXIST`, `EPERM`, or no such namespace.
    pub fn create_veth(&mut self, name: &str, peer: &str, place: Option<Netns<'_>>) -> Result<()> {
        let mut other = named(peer);
        other.attributes.extend(place.map(Netns::attribute));
        let message = with_info(name, InfoKind::Veth, Some(InfoData::Veth(InfoVeth::Peer(other))));
        self.create(&format!("create cable {name} to {peer}"), message)
    }

    /// Creates a macvlan on `parent`, with its own `mac` if given. It is down.
    ///
    /// # Errors
    /// `EEXIST`, `EPERM`, or no such parent.
    pub fn create_macvlan(
        &mut self,
        name: &str,
        parent: &str,
        mode: MacVlanMode,
        mac: Option<Mac>,
    ) -> Result<()> {
        let parent_index = self.link_index(parent)?;
        let data = InfoData::MacVlan(vec![InfoMacVlan::Mode(mode)]);
        let mut message = with_info(name, InfoKind::MacVlan, Some(data));
        message.attributes.push(LinkAttribute::Link(parent_index));
        message.attributes.extend(mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
        self.create(&format!("create macvlan {name} on {parent}"), message)
    }

    /// Plugs an interface into a bridge (bond, VRF), or out of it.
    ///
    /// # Errors
    /// No such interface, or the master does not take it.
    pub fn set_master(&mut self, name: &str, master: Option<&str>) -> Result<()> {
        let index = master.map(|master| self.link_index(master)).transpose()?;
        let mut message = named(name);
        message.attributes.push(LinkAttribute::Controller(index.unwrap_or(0)));
        let doing = match master {
            Some(master) => format!("plug {name} into {master}"),
            None => format!("unplug {name}"),
        };
        self.change(&doing, message)
    }

    /// Sets an interface up or down.
    ///
    /// # Errors
    /// No such interface, or `EPERM`.
    pub fn set_up(&mut self, name: &str, up: bool) -> Result<()> {
        let mut message = named(name);
        message.header.change_mask = LinkFlags::Up;
        message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        self.change(&format!("set {name} {}", if up { "up" } else { "down" }), message)
    }

    /// Renames an interface.
    ///
    /// # Errors
    /// No such interface, the new name is taken, or (before Linux 6.3) the interface is up.
    pub fn rename(&mut self, name: &str, new: &str) -> Result<()> {
        let mut message = named(new);
        message.header.index = self.link_index(name)?;
        self.change(&format!("rename {name} to {new}"), message)
    }

    /// Gives an interface another Ethernet address.
    ///
    /// # Errors
    /// No such interface, a group address, or `EPERM`.
    pub fn set_mac(&mut self, name: &str, mac: Mac) -> Result<()> {
        let mut message = named(name);
        message.attributes.push(LinkAttribute::Address(mac.0.to_vec()));
        self.change(&format!("set the Ethernet address {mac} on {name}"), message)
    }

    /// Sets the length of the longest packet that an interface carries.
    ///
    /// # Errors
    /// No such interface, or a length that it cannot have.
    pub fn set_mtu(&mut self, name: &str, mtu: u32) -> Result<()> {
        let mut message = named(name);
        message.attributes.push(LinkAttribute::Mtu(mtu));
        self.change(&format!("set the MTU {mtu} on {name}"), message)
    }

    /// Moves an interface into another network namespace; it is down there and has no addresses.
    ///
    /// # Errors
    /// No such interface or namespace, or one of that name is there already.
    pub fn move_link(&mut self, name: &str, to: Netns<'_>) -> Result<()> {
        let mut message = named(name);
        message.attributes.push(to.attribute());
        self.change(&format!("move {name} to another network namespace"), message)
    }

    /// Isolates a bridge port: it reaches no other isolated port, only the ports that are not.
    ///
    /// # Errors
    /// When it is no port of a bridge.
    pub fn set_isolated(&mut self, name: &str, isolated: bool) -> Result<()> {
        let mut message = named(name);
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(vec![InfoBridgePort::Isolated(isolated)])),
        ]));
        let doing = format!("{} bridge port {name}", if isolated { "isolate" } else { "reconnect" });
        // Not SETLINK: only NEWLINK without NLM_F_CREATE looks at the attributes of a port.
        self.run(&Request::new(RouteNetlinkMessage::NewLink(message), 0))
            .map_err(|why| Error::admin(doing, why))
    }

    /// Deletes an interface; the other end of a cable goes with it.
    ///
    /// # Errors
    /// No such interface, or one that cannot be deleted.
    pub fn delete_link(&mut self, name: &str) -> Result<()> {
        self.run(&Request::new(RouteNetlinkMessage::DelLink(named(name)), 0))
            .map_err(|why| Error::admin(format!("delete {name}"), why))
    }

    /// The kernel's number of an interface.
    ///
    /// # Errors
    /// [`Error::NoInterface`].
    pub fn link_index(&mut self, name: &str) -> Result<InterfaceIndex> {
        self.link(name).map(|seen| seen.index)
    }

    /// What the kernel says about one interface now.
    ///
    /// # Errors
    /// [`Error::NoInterface`].
    pub fn link(&mut self, name: &str) -> Result<LinkSeen> {
        match self.ask(RouteNetlinkMessage::GetLink(named(name)), |raw| LinkSeen::read(raw.body)) {
            Ok(Some(seen)) => Ok(seen),
            Ok(None) => Err(Error::NoInterface(name.to_owned())),
            Err(why) if why.is(libc::ENODEV) => Err(Error::NoInterface(name.to_owned())),
            Err(why) => Err(Error::refused(format!("look up interface {name}"), why)),
        }
    }

    /// Adds a plain address (no mark, no duplicate address detection).
    ///
    /// # Errors
    /// No such interface, or the kernel's refusal (`EEXIST`).
    pub fn add_address(&mut self, name: &str, address: IpAddr, prefix: u8) -> Result<()> {
        let index = self.link_index(name)?;
        self.run(&Request::add_address(index, address, prefix))
            .map_err(|why| Error::setting(address, prefix, name, why))
    }

    /// Removes an address, whoever set it.
    ///
    /// # Errors
    /// No such interface, or no such address (`EADDRNOTAVAIL`).
    pub fn remove_address(&mut self, name: &str, address: IpAddr, prefix: u8) -> Result<()> {
        let index = self.link_index(name)?;
        self.run(&Request::remove_address(index, address, prefix))
            .map_err(|why| Error::removing(address, prefix, name, why))
    }

    /// What the ARP table or neighbour cache has about an address; `None`: no entry.
    ///
    /// # Errors
    /// No such interface, or the kernel refuses.
    pub fn neighbour(&mut self, name: &str, address: IpAddr) -> Result<Option<Neighbour>> {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = self.link_index(name)?;
        let (family, address_attribute) = match address {
            IpAddr::V4(ip) => (AddressFamily::Inet, NeighbourAddress::Inet(ip)),
            IpAddr::V6(ip) => (AddressFamily::Inet6, NeighbourAddress::Inet6(ip)),
        };
        message.header.family = family;
        message.attributes.push(NeighbourAttribute::Destination(address_attribute));
        match self.ask(RouteNetlinkMessage::GetNeighbour(message), |raw| read::neighbour(raw.body)) {
            Ok(found) => Ok(found),
            Err(why) if why.is(libc::ENOENT) => Ok(None),
            Err(why) => Err(Error::refused(format!("look up the neighbour {address} on {name}"), why)),
        }
    }

    fn create(&mut self, doing: &str, message: LinkMessage) -> Result<()> {
        let request = Request::new(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL);
        self.run(&request).map_err(|why| Error::admin(doing, why))
    }

    fn change(&mut self, doing: &str, message: LinkMessage) -> Result<()> {
        let request = Request::new(RouteNetlinkMessage::SetLink(message), 0);
        self.run(&request).map_err(|why| Error::admin(doing, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_namespace_has_a_name_and_no_path() {
        for name in ["", ".", "..", "../netns/blue", "a/b"] {
            let why = named_netns(name).unwrap_err().to_string();
            assert!(why.contains("must be a name in /run/netns and no path"), "{why}");
        }
        let why = named_netns("no-such-namespace").unwrap_err().to_string();
        assert!(why.starts_with("cannot open network namespace no-such-namespace: "), "{why}");
    }
}
