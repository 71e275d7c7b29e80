//! The seam: everything that goes into a [`Node`](crate::Node) and everything that comes out, as data.
//!
//! Linux and the simulator are two loops around these types. One turn of a loop is: facts, frames,
//! outcomes, orders, then [`Input::Elapsed`]; only `Elapsed` fires timers and derives what must be held.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use model::{Host, VirtualAddress};
use timeline::Instant;
use wire::{Family, Mac, Vrid};

use crate::estate::Estate;
use crate::event::Event;
pub use crate::mail::{Letter, LetterId, Mailed};
pub use crate::run::{Ended, Ending, Kill, Program, Reason, Run, RunId};
use crate::sessions::Reach;

/// The kernel's number of an interface; never 0.
pub type InterfaceIndex = u32;

/// Names one virtual router inside a running node. Never used again after the router is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(pub u32);

impl RouterId {
    /// No router: static addresses ([`Host::static_addresses`]) are set and removed under this name.
    pub const STATIC: Self = Self(u32::MAX - 1);
}

/// What can happen to a node.
#[derive(Debug)]
pub enum Input<'a> {
    /// Something about the host is now so.
    Fact(Fact),
    /// A datagram of protocol 112 or 51 arrived.
    Frame(Frame<'a>),
    /// A [`Hold`] was carried out, or could not be.
    Outcome(Outcome),
    /// Adverts of this router could not be sent.
    Unsent {
        /// The router.
        router: RouterId,
        /// What the kernel said.
        errno: Errno,
    },
    /// A program that was to be run runs now: its time begins.
    Begun(RunId),
    /// A program that was run has ended, or could not be run.
    Ended(Ended),
    /// What a daemon that has ended without a word left for this one. Comes before the first configuration, or not at
    /// all: an Active router among it goes on as if nothing had happened, if the others cannot have missed it yet.
    Inherit(Vec<Estate>),
    /// A mail was delivered, or could not be.
    Mailed(Mailed),
    /// The administrator's (new) configuration. It must pass [`Host::check`].
    Configure(Box<Host>),
    /// An order from the operator.
    Order(Order),
    /// The counters of the instances begin at zero again.
    CountAnew,
    /// All inputs of this turn are in: fire what is due, then derive what must be held.
    Elapsed,
}

/// A fact about the host. Facts are levels: telling one twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// An interface exists and is so.
    Link(Link),
    /// The interface is gone.
    LinkGone(InterfaceIndex),
    /// An address exists and is so.
    Address(Address),
    /// An address is gone.
    AddressGone {
        /// Which one.
        place: Place,
        /// Who removed it.
        by: Actor,
    },
    /// The whole truth: what is not in it does not exist. Told at the start, and after notifications were lost.
    Everything {
        /// All interfaces.
        links: Vec<Link>,
        /// All addresses, in the kernel's order.
        addresses: Vec<Address>,
    },
    /// Adverts may have been lost on the way to us (receive overflow, or the machine stood still).
    Deaf,
    /// There are no sockets for adverts of this kind, and why; `None`: there are.
    NoSocket {
        /// Of this family.
        family: Family,
        /// Those inside an Authentication Header; otherwise the plain ones.
        sealed: bool,
        /// Only what comes in through this VRF device; `None`: anything.
        vrf: Option<InterfaceIndex>,
        /// What the kernel said.
        why: Option<Errno>,
    },
    /// A group could not be joined on an interface, and why; `None`: it is joined, or nobody wants it any more.
    NotJoined {
        /// On this interface.
        interface: InterfaceIndex,
        /// The group.
        group: IpAddr,
        /// What the kernel said.
        why: Option<Errno>,
    },
    /// The wall clock is so many nanoseconds ahead of the driver's line. Told at the start, and when that has changed;
    /// only signed stamps go by it.
    WallClock(i128),
    /// What a tracked file says ([`model::Host::files`]). Told of each file of a configuration, and then when it changes.
    File {
        /// The name of its `track_file`.
        name: Arc<str>,
        /// The number in it.
        value: Result<i32, Unread>,
    },
    /// How many processes match ([`model::Host::processes`]). Told of each of a configuration, and then when it changes.
    Processes {
        /// The name of its `vrrp_track_process`.
        name: Arc<str>,
        /// How many; or why they cannot be watched.
        count: Result<u32, Errno>,
    },
    /// How the filter of addresses that do not accept is ([`Act::Close`]).
    Filter(Filtering),
    /// How the neighbour of a BFD session is ([`model::Host::bfd`]). Told when that is first known, and then when it
    /// changes.
    Bfd {
        /// The name of its `bfd_instance`.
        name: Arc<str>,
        /// How it is.
        reach: Reach,
    },
}

/// How the filter of addresses that do not accept is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Filtering {
    /// Whether it is in force.
    pub state: FilterState,
    /// How many transactions were made for it.
    pub batches: u64,
    /// How often it was put back after somebody had changed or removed it.
    pub repairs: u64,
    /// Who did that last, if it is known.
    pub by: Option<String>,
}

/// Whether the filter is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FilterState {
    /// Nobody asks for it.
    #[default]
    Off,
    /// It is.
    InForce,
    /// It should be and is not: addresses accept that must not.
    Lacking(Unfiltered),
    /// Nobody asks for it any more, and the kernel refused to remove it: addresses may not accept that should.
    Stays(Errno),
}

/// Why there is no filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unfiltered {
    /// The kernel has no nftables.
    Absent(Errno),
    /// A table of that name is there and not ours.
    Taken,
    /// The kernel refused the rules.
    Refused(Errno),
}

/// Why there is no number in a tracked file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unread {
    /// It does not exist, or nothing is in it: that counts as 0.
    Absent,
    /// What stands in it is no number, or not one of 32 bits: the last number stays.
    Garbage,
    /// It is no file but this ("a pipe"), and was not opened: the last number stays.
    NotAFile(&'static str),
    /// It could not be read: the last number stays.
    Refused(Errno),
}

/// Who changed something in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// This daemon's own hand.
    Ourselves,
    /// Somebody else; the name of the process if it could be found.
    Other(Option<String>),
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: InterfaceIndex,
    /// Its name.
    pub name: Arc<str>,
    /// Its Ethernet address; zeros for interfaces without one.
    pub mac: Mac,
    /// Administratively up.
    pub up: bool,
    /// Has carrier (operational state up or unknown).
    pub carrier: bool,
    /// A loopback interface.
    pub loopback: bool,
    /// Whether the host forwards IPv6 on it, which decides the Router flag of Neighbor Advertisements.
    pub forwards_ipv6: bool,
    /// A VRF device.
    pub is_vrf: bool,
    /// The bridge, bond or VRF of which it is a port.
    pub master: Option<InterfaceIndex>,
}

/// An address on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// On this interface.
    pub interface: InterfaceIndex,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// It may be used as a source: neither tentative nor found to be a duplicate (nor deprecated on purpose).
    pub usable: bool,
    /// An IPv4 secondary address.
    pub secondary: bool,
    /// It carries this program's mark: this run or an earlier one set it.
    pub marked: bool,
}

/// What makes an address one and no other: the same address with another prefix is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// On this interface.
    pub interface: InterfaceIndex,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
}

impl Place {
    /// Whether both cannot be there at once: an interface has an IPv6 address once, whatever its prefix.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        self == other
            || self.address.is_ipv6() && (self.interface, self.address) == (other.interface, other.address)
    }
}

impl Address {
    /// Where it is.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place { interface: self.interface, address: self.address, prefix: self.prefix }
    }
}

/// A received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// On this interface.
    pub interface: InterfaceIndex,
    /// When the kernel received it, on the driver's time line, not after now.
    pub at: Instant,
    /// What arrived.
    pub datagram: Datagram<'a>,
}

/// A received IP datagram as raw sockets give it.
#[derive(Clone, Copy, Debug)]
pub enum Datagram<'a> {
    /// IPv4: from the first byte of the IP header.
    V4(&'a [u8]),
    /// IPv6: the payload of protocol 112, and what the header said.
    V6 {
        /// Source address.
        source: Ipv6Addr,
        /// Destination address.
        destination: Ipv6Addr,
        /// Hop limit; `None` if the kernel did not say.
        hop_limit: Option<u8>,
        /// From the first byte of the VRRP message.
        payload: &'a [u8],
    },
}

impl Datagram<'_> {
    /// For whom it probably is, unchecked: family, whether it is unicast, and VRID.
    pub(crate) fn addressee(&self) -> Option<(Family, bool, Vrid)> {
        let (family, multicast, message) = match *self {
            Self::V4(bytes) => {
                let start = usize::from(bytes.first()? & 15) * 4;
                (Family::V4, bytes.get(16)? & 0xf0 == 0xe0, bytes.get(start..)?)
            }
            Self::V6 { destination, payload, .. } => (Family::V6, destination.is_multicast(), payload),
        };
        Some((family, !multicast, Vrid::new(*message.get(1)?)?))
    }
}

/// An order from the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// End in order: Active routers resign (priority 0), addresses go. Done when [`Node::is_at_rest`](crate::Node::is_at_rest).
    Stop,
    /// End without a word: no priority 0, addresses stay (`--dont-release-vrrp`). The node does nothing more.
    Abandon,
}

/// What a node wants done. To be performed in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send one advert.
    Send(Transmit),
    /// Change what the host holds, or announce it. In order for one router and for one address; may take time.
    Hold(Hold),
    /// Run a program.
    Run(Run),
    /// End a program that runs.
    Kill(Kill),
    /// Write a line to the pipes of the configuration ([`model::HostNotify`]).
    Tell(Arc<str>),
    /// Deliver a mail.
    Mail(Letter),
    /// Tell whoever listens.
    Report(Event),
}

/// One advert on its way.
#[derive(Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Of this router.
    pub router: RouterId,
    /// Out of this interface; 0: routing alone decides.
    pub interface: InterfaceIndex,
    /// Unicast goes by the routing table of this VRF device; 0: by the main ones.
    pub vrf: InterfaceIndex,
    /// From this address.
    pub source: IpAddr,
    /// To this address.
    pub destination: IpAddr,
    /// Hop limit (IPv6; the IPv4 header has it already).
    pub hop_limit: u8,
    /// IPv4: the whole datagram from its header. IPv6: the VRRP message.
    pub datagram: Arc<[u8]>,
}

impl fmt::Debug for Transmit {
    /// Without the bytes: a password may be among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transmit")
            .field("router", &self.router)
            .field("interface", &self.interface)
            .field("vrf", &self.vrf)
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("hop_limit", &self.hop_limit)
            .field("bytes", &self.datagram.len())
            .finish()
    }
}

/// A change of what the host holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// For this router.
    pub router: RouterId,
    /// Grows with each change of mind about this router. An `Add` or `Announce` whose epoch is older than
    /// the router's latest `Remove` must not be carried out any more ([`Settled::Superseded`]).
    pub epoch: u64,
    /// What to do.
    pub act: Act,
}

/// What the hand can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Set addresses, in batches; after each batch send the announcement of each address in it once.
    Add {
        /// The addresses.
        addresses: Arc<[Placed]>,
        /// One for each address, same order; empty: announce nothing.
        announcements: Arc<[Announcement]>,
    },
    /// Remove those of the addresses that this program set. The list may be empty: what the router asked for
    /// before is off all the same, announcements too.
    Remove {
        /// The addresses.
        addresses: Arc<[Placed]>,
        /// Also those that an earlier run left: they carry our mark. What carries none is somebody else's.
        all: bool,
    },
    /// Announce, `rounds` times: every address once before any address twice. An address that an `Add` before
    /// it could not set is left out.
    Announce {
        /// What to announce.
        announcements: Arc<[Announcement]>,
        /// How often.
        rounds: u32,
        /// Pause between two packets on one interface.
        gap: Duration,
    },
    /// Of this router exactly these addresses do not accept: what hosts send to them, and what is sent from them, is
    /// dropped, but for what RFC 9568 needs. What is new here is in force before an `Add` after it sets an address; what
    /// is here no more accepts again once everything before it is done. No [`Outcome`]; how it goes is a [`Fact::Filter`].
    Close {
        /// Their places, sorted.
        places: Arc<[Place]>,
    },
}

/// A virtual address and the interface on which it belongs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The interface.
    pub interface: InterfaceIndex,
    /// Address and options.
    pub address: VirtualAddress,
}

impl Placed {
    /// Where it belongs.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place { interface: self.interface, address: self.address.address, prefix: self.address.prefix }
    }
}

/// One gratuitous ARP or unsolicited Neighbor Advertisement, as an Ethernet frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Out of this interface.
    pub interface: InterfaceIndex,
    /// The announced address.
    pub address: IpAddr,
    /// The whole frame.
    pub frame: Box<[u8]>,
}

/// What became of an `Add` or a `Remove`, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Of this router.
    pub router: RouterId,
    /// As in the [`Hold`].
    pub epoch: u64,
    /// For each address what became of it.
    pub results: Vec<(Place, Settled)>,
}

/// What became of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is there, and we set it.
    Added,
    /// It was there already and is not ours to remove.
    Adopted,
    /// It is not there any more.
    Removed,
    /// It was left alone because it is not ours.
    NotOurs,
    /// A later order came first; nothing was done.
    Superseded,
    /// The kernel said no.
    Refused(Errno),
}

/// A Linux error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);
