//! A synchronous rtnetlink socket that can say a thousand things in a few breaths.
//!
//! Setting 1000 addresses one by one, each with its own acknowledgement, takes twice as long as the kernel needs.
//! Here many requests go into one send, and only the last of a slice asks for an acknowledgement: those that
//! fail report errors anyway. A slice is small enough ([`SLICE`]) that a caller gets a word in about every
//! millisecond. Requests are written with the `netlink-packet-route` codec; answers are read by [`read`].

pub mod answer;
pub mod read;

use crate::error::{Error, Refusal, Result};
use crate::privileges::forbidden_netns;
use crate::sys::option;
use answer::{Answers, Dump};
use model::VirtualAddress;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NLMSG_ERROR, NetlinkSerializable,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use node::io::{Address, InterfaceIndex, Link};
pub use read::{LinkSeen, Neighbour};
use read::{Messages, Raw};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily as Domain, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recvfrom, sockopt,
};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The mark that this program puts on its addresses (`IFA_PROTO`, Linux 5.18; `ip -d address` shows it).
/// Older kernels ignore the attribute, and then nothing is marked.
pub const MARK: u8 = 83;

/// Most requests that one send carries: about 0.8 ms of the kernel's time for addresses.
pub const SLICE: usize = 64;

/// Largest netlink message or dump part that is read. Room for it is taken when it is asked for.
const INBOX: usize = 64 * 1024;
/// Room for an acknowledgement or a refusal: the header of the request, and perhaps a line of text.
const ANSWER: usize = 4 * 1024;
/// A dump that was disturbed is taken again this often.
const DUMP_TRIES: u32 = 8;

/// One request: a message and the flags beside `NLM_F_REQUEST` and `NLM_F_ACK`.
#[derive(Clone, Debug)]
pub struct Request {
    message: RouteNetlinkMessage,
    flags: u16,
}

impl Request {
    /// Any route netlink request.
    #[must_use]
    pub const fn new(message: RouteNetlinkMessage, flags: u16) -> Self {
        Self { message, flags }
    }

    /// Sets a virtual address, with our mark. `EEXIST` if it is there.
    #[must_use]
    pub fn add_virtual(interface: InterfaceIndex, address: &VirtualAddress) -> Self {
        let mut message = placed(interface, address.address, address.prefix, address.options.peer);
        if address.address.is_ipv4() {
            message.header.scope = address.options.scope.into();
            message.attributes.extend(address.options.label.clone().map(AddressAttribute::Label));
            message.attributes.extend(address.options.broadcast.map(AddressAttribute::Broadcast));
        } else {
            message.attributes.extend(lifetime(address).map(AddressAttribute::CacheInfo));
        }
        set_flags(&mut message, flags_of(address));
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(MARK)));
        Self::new(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Removes a virtual address. `EADDRNOTAVAIL` if it is not there.
    #[must_use]
    pub fn remove_virtual(interface: InterfaceIndex, address: &VirtualAddress) -> Self {
        let message = placed(interface, address.address, address.prefix, address.options.peer);
        Self::new(RouteNetlinkMessage::DelAddress(message), 0)
    }

    /// Sets a plain address without our mark, as an administrator would (IPv6: without waiting for
    /// duplicate address detection).
    #[must_use]
    pub fn add_address(interface: InterfaceIndex, address: IpAddr, prefix: u8) -> Self {
        let mut message = placed(interface, address, prefix, None);
        if let IpAddr::V4(ip) = address
            && prefix < 31
        {
            let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            message.attributes.push(AddressAttribute::Broadcast(Ipv4Addr::from(u32::from(ip) | host)));
        }
        set_flags(&mut message, AddressFlags::Nodad);
        Self::new(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Removes an address, whoever set it.
    #[must_use]
    pub fn remove_address(interface: InterfaceIndex, address: IpAddr, prefix: u8) -> Self {
        Self::new(RouteNetlinkMessage::DelAddress(placed(interface, address, prefix, None)), 0)
    }
}

/// The message of one address, as both adding and removing need it.
fn placed(interface: InterfaceIndex, address: IpAddr, prefix: u8, peer: Option<IpAddr>) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = prefix;
    message.header.index = interface;
    message.attributes.push(AddressAttribute::Local(address));
    message.attributes.push(AddressAttribute::Address(peer.unwrap_or(address)));
    message
}

fn flags_of(address: &VirtualAddress) -> AddressFlags {
    let mut flags = AddressFlags::empty();
    if address.address.is_ipv6() && !address.options.detect_duplicates {
        flags |= AddressFlags::Nodad;
    }
    if address.options.no_prefix_route {
        flags |= AddressFlags::Noprefixroute;
    }
    if address.address.is_ipv6() && address.options.home {
        flags |= AddressFlags::Homeaddress;
    }
    flags
}

/// Flags go both into the header (8 bits, read by every kernel) and into the attribute (32 bits).
fn set_flags(message: &mut AddressMessage, flags: AddressFlags) {
    let low = flags.bits().to_le_bytes()[0];
    message.header.flags = AddressHeaderFlags::from_bits_retain(low);
    if !flags.is_empty() {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
}

/// The lifetime of an IPv6 address that is not simply "for ever".
///
/// A preferred lifetime of 0 makes the address deprecated: it answers, but the host does not choose it as
/// the source of its own connections, which would break when the address moves away.
fn lifetime(address: &VirtualAddress) -> Option<CacheInfo> {
    const FOREVER: u32 = u32::MAX;
    let preferred =
        address.options.preferred_lifetime.unwrap_or(if address.prefix == 128 { 0 } else { FOREVER });
    if preferred == FOREVER {
        return None;
    }
    let mut info = CacheInfo::default();
    info.ifa_preferred = preferred;
    info.ifa_valid = FOREVER;
    Some(info)
}

/// A route netlink socket in the network namespace where it was opened.
#[derive(Debug)]
pub struct Netlink {
    fd: OwnedFd,
    port: u32,
    sequence: u32,
    outbox: Vec<u8>,
    inbox: Vec<u8>,
}

impl Netlink {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// In a forbidden namespace, or when the kernel refuses.
    pub fn open() -> Result<Self> {
        let fd = open_socket(0)?;
        let doing = "prepare a netlink socket";
        // Answers to a slice that fails as a whole must fit.
        option::set_receive_buffer(&fd, 1 << 20).map_err(|why| Error::refused(doing, why))?;
        // The kernel answers while we send; this only guards against waiting for ever.
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(Duration::from_secs(10)))
            .map_err(|why| Error::refused(doing, why))?;
        let port = port_of(&fd)?;
        Ok(Self { fd, port, sequence: 1, outbox: Vec::with_capacity(SLICE * 128), inbox: vec![0; ANSWER] })
    }

    /// One that cannot work, for tests.
    #[cfg(test)]
    pub(crate) fn on(fd: OwnedFd) -> Self {
        Self { fd, port: 0, sequence: 1, outbox: Vec::new(), inbox: Vec::new() }
    }

    /// The socket's port id: what the notifications that its requests cause carry.
    #[must_use]
    pub const fn port(&self) -> u32 {
        self.port
    }

    /// Carries out one request and returns the kernel's answer.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn run(&mut self, request: &Request) -> Result<(), Refusal> {
        let mut results = Vec::with_capacity(1);
        self.slice(std::slice::from_ref(request), &mut results)?;
        results.pop().unwrap_or(Ok(()))
    }

    /// Carries out all requests in order, [`SLICE`] to a send; appends one answer for each to `results`.
    ///
    /// One refused request does not keep the others from being carried out.
    ///
    /// # Errors
    /// When the socket itself fails; then some requests may have been carried out, and `results` has the
    /// answers of the whole slices before.
    pub fn batch(
        &mut self,
        requests: &[Request],
        results: &mut Vec<Result<(), Refusal>>,
    ) -> Result<(), Refusal> {
        results.reserve(requests.len());
        requests.chunks(SLICE).try_for_each(|slice| self.slice(slice, results))
    }

    /// One send, one acknowledgement. At most [`SLICE`] requests are worth a slice; more only take longer.
    ///
    /// # Errors
    /// As [`Netlink::batch`].
    pub fn slice(
        &mut self,
        requests: &[Request],
        results: &mut Vec<Result<(), Refusal>>,
    ) -> Result<(), Refusal> {
        if requests.is_empty() {
            return Ok(());
        }
        let first = self.sequence;
        self.outbox.clear();
        for (at, request) in requests.iter().enumerate() {
            let last = at + 1 == requests.len();
            let flags = request.flags | NLM_F_REQUEST | if last { NLM_F_ACK } else { 0 };
            self.write(&request.message, flags);
        }
        self.send()?;
        let start = results.len();
        results.resize_with(start + requests.len(), || Ok(()));
        let mut answers = Answers::new(first, &mut results[start..]);
        let mut inbox = std::mem::take(&mut self.inbox);
        let answered = self.receive(&mut inbox, |bytes| answers.take(bytes));
        self.inbox = inbox;
        if answered.is_err() {
            results.truncate(start);
        }
        answered
    }

    /// All links, as the node sees them.
    ///
    /// # Errors
    /// When the kernel refuses or keeps changing its mind for too long.
    pub fn dump_links(&mut self) -> Result<Vec<Link>> {
        Ok(self.dump_links_seen()?.iter().filter_map(LinkSeen::link).collect())
    }

    /// All links with what the node does not ask for (master, flags).
    ///
    /// # Errors
    /// As [`Netlink::dump_links`].
    pub fn dump_links_seen(&mut self) -> Result<Vec<LinkSeen>> {
        let mut message = LinkMessage::default();
        // Without statistics a dump of 1000 links is a third of the size.
        message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        self.dump("list the interfaces", &RouteNetlinkMessage::GetLink(message), Dump::links)
    }

    /// All IPv4 and IPv6 addresses, in the kernel's order.
    ///
    /// # Errors
    /// As [`Netlink::dump_links`].
    pub fn dump_addresses(&mut self) -> Result<Vec<Address>> {
        let message = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        self.dump("list the addresses", &message, Dump::addresses)
    }

    /// Removes an address with our mark whatever its peer is; `Ok(false)` if there is none.
    ///
    /// The kernel finds an address of a point-to-point link only with its peer, or without any: and the latter
    /// takes the first with that address, whatever its prefix. So this looks first.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn remove_marked(
        &mut self,
        interface: InterfaceIndex,
        address: IpAddr,
        prefix: u8,
    ) -> Result<bool, Refusal> {
        let known = self.dump_addresses().unwrap_or_default();
        let same = |other: &&Address| (other.interface, other.address) == (interface, address);
        if !known.iter().filter(same).all(|other| other.marked && other.prefix == prefix) {
            return Ok(false);
        }
        if !known.iter().any(|other| same(&other)) {
            return Ok(false);
        }
        let mut message = placed(interface, address, prefix, None);
        message.attributes.truncate(1); // IFA_LOCAL
        self.run(&Request::new(RouteNetlinkMessage::DelAddress(message), 0)).map(|()| true)
    }

    /// Sends a dump request and collects the answer; again if it was disturbed.
    fn dump<T>(
        &mut self,
        doing: &str,
        message: &RouteNetlinkMessage,
        begin: fn(u32) -> Dump<T>,
    ) -> Result<Vec<T>> {
        let refused = |why: Refusal| Error::refused(doing, why);
        let (mut last, mut inbox) = (Vec::new(), vec![0; INBOX]);
        for _ in 0..DUMP_TRIES {
            let mut dump = begin(self.sequence);
            self.outbox.clear();
            self.write(message, NLM_F_REQUEST | NLM_F_DUMP);
            self.send().map_err(refused)?;
            self.receive(&mut inbox, |bytes| dump.take(bytes)).map_err(refused)?;
            let table = dump.finish().map_err(refused)?;
            if !table.disturbed {
                return Ok(table.rows);
            }
            last = table.rows;
        }
        // The tables change faster than we can read them: what was read last is the best there is, and
        // the notifications that go with the changes correct it.
        Ok(last)
    }

    /// Sends a request whose answer is one message and not only an acknowledgement.
    pub(crate) fn ask<T>(
        &mut self,
        message: RouteNetlinkMessage,
        mut take: impl FnMut(&Raw<'_>) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let sequence = self.sequence;
        self.outbox.clear();
        self.write(&message, NLM_F_REQUEST | NLM_F_ACK);
        self.send()?;
        let (mut found, mut answer) = (None, [Ok(())]);
        self.receive(&mut vec![0; INBOX], |bytes| {
            for raw in Messages(bytes).filter(|raw| raw.sequence == sequence && raw.kind != NLMSG_ERROR) {
                found = take(&raw).or(found.take());
            }
            Answers::new(sequence, &mut answer).take(bytes)
        })?;
        let [answer] = answer;
        answer.map(|()| found)
    }

    /// Writes a request as it would be sent, and sends nothing.
    pub fn rehearse(&mut self, request: &Request) {
        let sequence = self.sequence;
        self.write(&request.message, request.flags | NLM_F_REQUEST | NLM_F_ACK);
        self.outbox.clear();
        self.sequence = sequence;
    }

    /// Appends one message with the next sequence number to the outbox.
    fn write(&mut self, message: &RouteNetlinkMessage, flags: u16) {
        let start = self.outbox.len();
        let len = read::HEADER + message.buffer_len();
        self.outbox.resize(start + read::align(len), 0);
        let (header, body) = self.outbox[start..start + len].split_at_mut(read::HEADER);
        // struct nlmsghdr: a message of ours is a few hundred bytes.
        header[..4].copy_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_ne_bytes());
        header[4..6].copy_from_slice(&message.message_type().to_ne_bytes());
        header[6..8].copy_from_slice(&flags.to_ne_bytes());
        header[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
        message.serialize(body);
        self.sequence = self.sequence.wrapping_add(1);
    }

    fn send(&mut self) -> Result<(), Refusal> {
        loop {
            match rustix::net::send(&self.fd, &self.outbox, SendFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(why) => return Err(why.into()),
            }
        }
    }

    /// Receives into `inbox` until `take` says that this was the end.
    fn receive(&self, inbox: &mut [u8], mut take: impl FnMut(&[u8]) -> bool) -> Result<(), Refusal> {
        loop {
            let (len, from) = match recvfrom(&self.fd, &mut inbox[..], RecvFlags::empty()) {
                Ok((len, _, from)) => (len, from),
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return Err(Refusal::new(libc::ETIMEDOUT)),
                Err(why) => return Err(why.into()),
            };
            let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            // Only the kernel is believed: any privileged process may send to this socket.
            if from.is_none_or(|from| from.pid() == 0) && take(&inbox[..len]) {
                return Ok(());
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A bound route netlink socket with the options that both requests and notifications want.
pub(crate) fn open_socket(groups: u32) -> Result<OwnedFd> {
    open_socket_of(None, groups) // NETLINK_ROUTE is 0
}

/// The same of another protocol.
pub(crate) fn open_socket_of(protocol: Option<Protocol>, groups: u32) -> Result<OwnedFd> {
    const SOL_NETLINK: i32 = 270;
    forbidden_netns()?;
    let doing = "open a netlink socket";
    let fd = rustix::net::socket_with(Domain::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)
        .map_err(|why| Error::refused(doing, why))?;
    rustix::net::bind(&fd, &SocketAddrNetlink::new(0, groups)).map_err(|why| Error::refused(doing, why))?;
    // Each is a comfort that an old kernel may lack: texts in errors, short errors, strict dump filters.
    for name in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK, libc::NETLINK_GET_STRICT_CHK] {
        let _ = option::set_int(&fd, SOL_NETLINK, name, 1);
    }
    Ok(fd)
}

/// The port id that the kernel chose for a netlink socket.
pub(crate) fn port_of(fd: &OwnedFd) -> Result<u32> {
    let doing = "ask for a netlink port";
    let address = rustix::net::getsockname(fd).map_err(|why| Error::refused(doing, why))?;
    SocketAddrNetlink::try_from(address)
        .map(|address| address.pid())
        .map_err(|why| Error::refused(doing, why))
}
