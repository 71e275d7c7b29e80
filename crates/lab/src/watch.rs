//! What happens to a machine's addresses and links, told by the kernel as it happens: tests wait for these
//! events instead of asking again and again.

use std::net::IpAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant as Ticks};

use netlink_packet_core::{NetlinkMessage, NetlinkPayload, Nla as _};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, LinkProtoInfoBridge};
use netlink_packet_route::{AddressFamily as Family, RouteNetlinkMessage};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use timeline::Instant;

use crate::clock::{Deadline, now};
use crate::tape::{Flow, Pump, Tape};
use crate::{Cidr, Error, Result};

/// The groups RTMGRP_LINK, RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR of linux/rtnetlink.h.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An address was set, or its state changed.
    Address {
        /// Which.
        address: Cidr,
        /// On the interface of this number.
        interface: u32,
        /// Not tentative, and no duplicate was found.
        usable: bool,
    },
    /// An address was removed.
    AddressGone {
        /// Which.
        address: Cidr,
        /// From the interface of this number.
        interface: u32,
    },
    /// An interface appeared or changed.
    Link {
        /// Its number.
        interface: u32,
        /// Its name.
        name: String,
        /// Administratively up.
        up: bool,
        /// With carrier.
        carrier: bool,
    },
    /// An interface is gone.
    LinkGone {
        /// The number that it had.
        interface: u32,
        /// The name that it had.
        name: String,
    },
    /// A port of a bridge changed (in the laboratory's switch only).
    Port {
        /// Its number.
        interface: u32,
        /// Frames pass.
        forwarding: bool,
    },
    /// The kernel had no room for further events: some are missing here.
    Lost,
}

/// A change and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the laboratory heard of it: some 0.1 ms after it happened, if the machine is not busy.
    pub at: Instant,
    /// What changed.
    pub change: Change,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Watch {
    machine: String,
    events: Arc<Tape<Event>>,
    _pump: Pump,
}

impl Watch {
    /// Listens in the calling thread's network namespace, which is that of `machine`.
    pub(crate) fn start(machine: &str, socket: OwnedFd) -> Result<Self> {
        let events = Arc::new(Tape::default());
        let tape = Arc::clone(&events);
        let mut buffer = vec![0; 64 * 1024];
        let pump = Pump::start("watch", socket, move |fd| read(fd, &mut buffer, &tape))?;
        Ok(Self { machine: machine.to_owned(), events, _pump: pump })
    }

    /// All events so far.
    #[must_use]
    pub fn events(&self) -> &Tape<Event> {
        &self.events
    }

    /// Waits for the event that `wanted` likes, however long ago it was; `what` says what for.
    ///
    /// # Errors
    /// [`Error::Late`], with the last events.
    pub fn wait_for(
        &self,
        what: &str,
        deadline: impl Into<Deadline>,
        wanted: impl FnMut(&Event) -> bool,
    ) -> Result<Event> {
        self.wait_from(0, what, deadline, wanted).map(|(_, event)| event)
    }

    /// As [`Watch::wait_for`], but not before `mark` (see [`Tape::mark`]); says where to go on.
    ///
    /// # Errors
    /// [`Error::Late`], with the last events.
    pub fn wait_from(
        &self,
        mark: usize,
        what: &str,
        deadline: impl Into<Deadline>,
        wanted: impl FnMut(&Event) -> bool,
    ) -> Result<(usize, Event)> {
        let begun = Ticks::now();
        self.events.wait_from(mark, deadline, wanted).ok_or_else(|| {
            let all = self.events.all();
            let last = all.get(all.len().saturating_sub(8)..).unwrap_or_default();
            let what = format!("{}: {what}", self.machine);
            Error::Late { what, within: begun.elapsed(), seen: format!("the last events: {last:#?}") }
        })
    }

    /// Waits until `address` was set since `mark`.
    ///
    /// # Errors
    /// [`Error::Late`].
    pub fn wait_for_address(&self, mark: usize, address: IpAddr, within: Duration) -> Result<Event> {
        let there = |event: &Event| matches!(&event.change, Change::Address { address: a, .. } if a.address == address);
        Ok(self.wait_from(mark, &format!("{address} is set"), within, there)?.1)
    }

    /// Waits until `address` was removed since `mark`.
    ///
    /// # Errors
    /// [`Error::Late`].
    pub fn wait_for_address_gone(&self, mark: usize, address: IpAddr, within: Duration) -> Result<Event> {
        let gone = |event: &Event| matches!(&event.change, Change::AddressGone { address: a, .. } if a.address == address);
        Ok(self.wait_from(mark, &format!("{address} is removed"), within, gone)?.1)
    }
}

/// A socket that hears of changes in the calling thread's network namespace.
pub(crate) fn open() -> Result<OwnedFd> {
    let failed = |why: rustix::io::Errno| Error::system("listen for changes of the network", why);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Protocol 0 is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None).map_err(failed)?;
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 8 << 20)
        .or_else(|_| rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 8 << 20))
        .map_err(failed)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS)).map_err(failed)?;
    Ok(socket)
}

fn read(fd: BorrowedFd<'_>, buffer: &mut [u8], tape: &Tape<Event>) -> Flow {
    loop {
        match recv(fd, &mut *buffer, RecvFlags::empty()) {
            Ok((len, _)) => {
                let at = now();
                for change in changes(buffer.get(..len).unwrap_or_default()) {
                    tape.push(Event { at, change });
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::NOBUFS) => tape.push(Event { at: now(), change: Change::Lost }),
            Err(rustix::io::Errno::AGAIN) => return Flow::On,
            Err(_) => return Flow::End,
        }
    }
}

fn changes(mut bytes: &[u8]) -> Vec<Change> {
    let mut found = Vec::new();
    while let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) {
        let len = usize::try_from(message.header.length).unwrap_or(usize::MAX);
        if let NetlinkPayload::InnerMessage(inner) = message.payload {
            found.extend(change(inner));
        }
        match bytes.get(len.next_multiple_of(4)..) {
            Some(rest) if len > 0 && !rest.is_empty() => bytes = rest,
            _ => break,
        }
    }
    found
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of a hundred kinds of message four are subscribed to")]
fn change(message: RouteNetlinkMessage) -> Option<Change> {
    Some(match message {
        RouteNetlinkMessage::NewAddress(message) => {
            let bad = AddressFlags::Tentative | AddressFlags::Dadfailed;
            let flags = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Flags(flags) => Some(*flags),
                _ => None,
            });
            let usable = !flags.unwrap_or(AddressFlags::empty()).intersects(bad);
            Change::Address { address: cidr(&message)?, interface: message.header.index, usable }
        }
        RouteNetlinkMessage::DelAddress(message) => {
            Change::AddressGone { address: cidr(&message)?, interface: message.header.index }
        }
        RouteNetlinkMessage::NewLink(message) if message.header.interface_family == Family::Bridge => {
            Change::Port { interface: message.header.index, forwarding: is_forwarding(&message)? }
        }
        // A bridge tells of a port that left it as if an interface were gone.
        RouteNetlinkMessage::DelLink(message) if message.header.interface_family == Family::Bridge => {
            Change::Port { interface: message.header.index, forwarding: false }
        }
        RouteNetlinkMessage::NewLink(message) => Change::Link {
            interface: message.header.index,
            name: link_name(&message)?,
            up: message.header.flags.contains(LinkFlags::Up),
            carrier: message.header.flags.contains(LinkFlags::Running),
        },
        RouteNetlinkMessage::DelLink(message) => {
            Change::LinkGone { interface: message.header.index, name: link_name(&message)? }
        }
        _ => return None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "two of many attributes matter")]
fn cidr(message: &AddressMessage) -> Option<Cidr> {
    let (mut local, mut other) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => other = Some(*address),
            _ => {}
        }
    }
    Some(Cidr { address: local.or(other)?, prefix: message.header.prefix_len })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "one of many attributes matters")]
fn link_name(message: &LinkMessage) -> Option<String> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "one of many attributes matters")]
fn is_forwarding(message: &LinkMessage) -> Option<bool> {
    const IFLA_BRPORT_STATE: u16 = 1;
    const BR_STATE_FORWARDING: u8 = 3;
    let port = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::ProtoInfoBridge(port) => Some(port),
        _ => None,
    })?;
    let state = port.iter().find_map(|attribute| match attribute {
        LinkProtoInfoBridge::Other(other) if other.kind() == IFLA_BRPORT_STATE && other.value_len() == 1 => {
            let mut value = [0];
            other.emit_value(&mut value);
            Some(value[0])
        }
        _ => None,
    })?;
    Some(state == BR_STATE_FORWARDING)
}
