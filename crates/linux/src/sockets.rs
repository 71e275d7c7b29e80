//! The raw sockets through which adverts go and come.
//!
//! Raw IP sockets and not packet sockets, so that the host's firewall, policy routing and neighbour tables have
//! their say in the same way as they always had for a VRRP daemon. Each family has two sockets for
//! receiving, sorted by VRID in the kernel (see [`crate::filter`]); group memberships live on helper sockets, because
//! the kernel allows only 20 on one, and receiving works through `IP_MULTICAST_ALL`, which hands a socket without
//! memberships the adverts of every group that *anybody* on the host has joined.

use crate::clock::{Clock, Turn};
use crate::error::{Error, Refusal, Result};
use crate::filter::{self, Instruction, Side, VridSet};
use crate::privileges::forbidden_netns;
use crate::sys::control::{SO_RXQ_OVFL, SO_TIMESTAMPNS_NEW, Space, Writer};
use crate::sys::message::{Name, Outgoing, Received, RecvBatch, SendBatch};
use crate::sys::option;
use node::io::{Datagram, Errno, Frame, InterfaceIndex, RouterId, Transmit};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;
use timeline::Instant;
use wire::{Family, PROTOCOL_AH, PROTOCOL_VRRP, TRAFFIC_CLASS};

/// Datagrams that one `recvmmsg` brings at most.
const BATCH: usize = 64;
/// Datagrams that one turn takes from a fast socket at most; the rest waits for the next turn.
const FAST_BUDGET: usize = 64 * BATCH;
/// The same for a stray socket.
const STRAY_BUDGET: usize = 4 * BATCH;
/// Receive buffer of a stray socket in bytes: some 50 adverts, then the kernel drops.
const STRAY_BUFFER: i32 = 64 * 1024;
/// Adverts that a fast socket has room for at least: those of a machine that is flooded for some milliseconds.
const LEAST: usize = 2048;
/// A datagram that is so much younger than the turn tells that the turn has been held up.
const HELD_UP: Duration = Duration::from_millis(1);
/// What one small datagram costs in a receive buffer (buffer, its administration, rounding).
const COST: usize = 1280;

/// What a configuration needs from the network.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Need {
    /// The VRIDs of the IPv4 virtual routers; `None`: no IPv4 sockets.
    pub v4: Option<VridSet>,
    /// The VRIDs of the IPv6 virtual routers; `None`: no IPv6 sockets.
    pub v6: Option<VridSet>,
    /// Some router speaks in an Authentication Header.
    pub authenticated: bool,
    /// Adverts that may wait in a fast socket before the kernel drops. Four intervals of all routers is a good
    /// measure; at least 2048 are provided for.
    pub backlog: usize,
    /// The bytes of the longest advert that is expected. When a longer one comes there is room for the next.
    pub longest: usize,
    /// VRF devices, each of which has receiving sockets of its own: whether others hear what comes in there is for the host
    /// to say (`raw_l3mdev_accept`).
    pub vrfs: BTreeSet<InterfaceIndex>,
}

/// A receiving socket and what it has dropped so far.
#[derive(Debug)]
struct Ear {
    socket: Socket,
    family: Family,
    kind: Kind,
    /// It hears what comes in there and nothing else; 0: whatever comes in elsewhere.
    vrf: InterfaceIndex,
    dropped: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Vrrp(Side),
    Authenticated,
}

/// A socket that holds memberships and nothing else.
#[derive(Debug)]
struct Helper {
    socket: Socket,
    family: Family,
    held: BTreeSet<(InterfaceIndex, IpAddr)>,
}

/// What one [`Speaker::receive`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Drained {
    /// Datagrams that were handed over.
    pub frames: usize,
    /// Of those, how many have our VRIDs.
    pub ours: usize,
    /// Adverts with our VRIDs that the kernel dropped since the last call because the buffer was full, or that were longer
    /// than any before.
    pub lost: u32,
    /// Other adverts that it dropped. Both counts are upper bounds: a full socket drops before it asks its filter.
    pub lost_stray: u32,
    /// Datagrams that were longer than any advert, or came without the interface they arrived on.
    pub unreadable: u32,
    /// The bound of one turn was reached: adverts that arrived before the turn may still be waiting.
    pub more: bool,
}

/// A datagram that was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// Its place in the slice.
    pub at: usize,
    /// Whose advert.
    pub router: RouterId,
    /// Why not.
    pub errno: Errno,
}

/// Sockets that could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Adverts of this family cannot be sent or heard.
    pub family: Family,
    /// Those inside an Authentication Header; otherwise the plain ones.
    pub sealed: bool,
    /// Only what comes in through this VRF device; `None`: anything.
    pub vrf: Option<InterfaceIndex>,
    /// Why.
    pub why: Error,
}

/// A group that could not be joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unjoined {
    /// On this interface.
    pub interface: InterfaceIndex,
    /// The group.
    pub group: IpAddr,
    /// Why.
    pub why: Error,
}

/// All sockets of one host.
pub struct Speaker {
    need: Need,
    mouth_v4: Option<Socket>,
    mouth_v6: Option<Socket>,
    /// Fast ears first: the order in which they are emptied.
    ears: Vec<Ear>,
    helpers: Vec<Helper>,
    inbox: RecvBatch,
    outbox: SendBatch,
}

impl std::fmt::Debug for Speaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Speaker").field("need", &self.need).field("ears", &self.ears).finish_non_exhaustive()
    }
}

impl Speaker {
    /// Opens what `need` names in the calling thread's network namespace.
    ///
    /// # Errors
    /// In a forbidden namespace, or the first refusal of the kernel (`CAP_NET_RAW`; a kernel without IPv6).
    pub fn open(need: &Need) -> Result<Self> {
        forbidden_netns()?;
        let mut speaker = Self {
            need: Need::default(),
            mouth_v4: None,
            mouth_v6: None,
            ears: Vec::new(),
            helpers: Vec::new(),
            inbox: RecvBatch::new(BATCH),
            outbox: SendBatch::new(BATCH),
        };
        match speaker.adapt(need)?.into_iter().next() {
            Some(missing) => Err(missing.why),
            None => Ok(speaker),
        }
    }

    /// Changes to what a new configuration needs. Sockets that stay keep what they have received; new VRIDs
    /// are heard from now on.
    ///
    /// Each family stands for itself, and so do sealed adverts and each VRF. Returns what could not be had; ask again later.
    ///
    /// # Errors
    /// In a forbidden namespace; then nothing has changed.
    pub fn adapt(&mut self, need: &Need) -> Result<Vec<Missing>> {
        forbidden_netns()?;
        let mut missing = Vec::new();
        for family in [Family::V4, Family::V6] {
            self.adapt_family(family, need, &mut missing);
        }
        let program = need.authenticated.then(filter::authenticated);
        self.set_ears(Family::V4, Kind::Authenticated, program, need, &mut missing);
        self.inbox.make_room(need.longest);
        self.ears.sort_by_key(|ear| ear.kind == Kind::Vrrp(Side::Stray));
        self.need = need.clone();
        Ok(missing)
    }

    /// The sending socket and the two receiving sockets of one family.
    fn adapt_family(&mut self, family: Family, need: &Need, missing: &mut Vec<Missing>) {
        let (mouth, set, open, spoken) = match family {
            Family::V4 => (&mut self.mouth_v4, &need.v4, mouth_v4 as fn() -> _, need.authenticated),
            Family::V6 => (&mut self.mouth_v6, &need.v6, mouth_v6 as fn() -> _, false),
        };
        match keep(mouth.take(), set.is_some() || spoken, open) {
            Ok(kept) => *mouth = kept,
            Err(why) => return missing.push(Missing { family, sealed: false, vrf: None, why }),
        }
        for side in [Side::Fast, Side::Stray] {
            let program = set.as_ref().map(|set| filter::program(family, set, side));
            self.set_ears(family, Kind::Vrrp(side), program, need, missing);
        }
    }

    /// One receiving socket for each VRF, and one for the rest, which comes first: where there is not room for all, that is
    /// the trouble of VRFs only. None is closed before another hears in its place: in that moment an advert comes twice, and
    /// never not at all.
    fn set_ears(
        &mut self,
        family: Family,
        kind: Kind,
        program: Option<Vec<Instruction>>,
        need: &Need,
        missing: &mut Vec<Missing>,
    ) {
        let sealed = kind == Kind::Authenticated;
        let rest = |speaker: &mut Self, apart: &BTreeSet<InterfaceIndex>| {
            let program = program.clone().map(|program| filter::but_for(apart, program));
            speaker.set_ear((family, kind, 0), program.as_deref(), need.backlog)
        };
        let before = self.heard_apart(family, kind);
        let mut done = rest(self, &before);
        for vrf in &need.vrfs {
            // The kernel does not mind one that has gone in the meantime.
            if let Err(why) = self.set_ear((family, kind, *vrf), program.as_deref(), need.backlog) {
                missing.push(Missing { family, sealed, vrf: Some(*vrf), why });
            }
        }
        let apart = &self.heard_apart(family, kind) & &need.vrfs;
        if apart != before {
            done = done.and_then(|()| rest(self, &apart));
        }
        missing.extend(done.err().map(|why| Missing { family, sealed, vrf: None, why }));
        let is_stale = |vrf| vrf != 0 && !need.vrfs.contains(&vrf);
        self.ears.retain(|ear| (ear.family, ear.kind) != (family, kind) || !is_stale(ear.vrf));
    }

    /// The VRFs that have such a socket of their own.
    fn heard_apart(&self, family: Family, kind: Kind) -> BTreeSet<InterfaceIndex> {
        let own = self.ears.iter().filter(|ear| (ear.family, ear.kind) == (family, kind));
        own.map(|ear| ear.vrf).filter(|vrf| *vrf != 0).collect()
    }

    /// Opens, changes or closes one receiving socket.
    fn set_ear(
        &mut self,
        (family, kind, vrf): (Family, Kind, InterfaceIndex),
        program: Option<&[Instruction]>,
        backlog: usize,
    ) -> Result<()> {
        let at = self.ears.iter().position(|ear| (ear.family, ear.kind, ear.vrf) == (family, kind, vrf));
        match (at, program) {
            (Some(at), Some(program)) => {
                let ear = &self.ears[at];
                ear.set_buffer(backlog)?;
                attach(&ear.socket, program)
            }
            (None, Some(program)) => {
                self.ears.push(Ear::open((family, kind, vrf), program, backlog)?);
                Ok(())
            }
            (Some(at), None) => {
                self.ears.remove(at);
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    /// The receiving sockets, to wait for readability (level-triggered), and whether it is one for strays. They change
    /// with [`Speaker::adapt`].
    pub fn ears(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        self.ears.iter().map(|ear| (ear.socket.as_fd(), ear.is_stray()))
    }

    /// Hands over what arrived before `turn` began, with the time that it is, fast sockets first, and at most a bounded
    /// number, so that a flood cannot hold the timers. `strays`: also what is not for our VRIDs.
    ///
    /// Where the thread was held up after the turn began, the turn is moved to now: what arrived meanwhile counts from when
    /// it arrived, and not from before.
    pub fn receive(
        &mut self,
        clock: &mut Clock,
        turn: &mut Turn,
        strays: bool,
        mut each: impl FnMut(Instant, Frame<'_>),
    ) -> Drained {
        let mut drained = Drained::default();
        for ear in self.ears.iter_mut().filter(|ear| strays || !ear.is_stray()) {
            ear.drain(&mut self.inbox, clock, turn, &mut drained, &mut each);
        }
        drained
    }

    /// Sends adverts, as many with one system call as stand together in one family. Each that was not sent is
    /// appended to `unsent`; the others go out all the same.
    ///
    /// Multicast leaves by the interface that the advert names. Unicast goes where routing sends it, decided as if
    /// from the advert's source address; only link-local addresses bind it to the interface, and a VRF device to its
    /// routing table.
    pub fn send(&mut self, transmits: &[Transmit], unsent: &mut Vec<Unsent>) {
        let mut start = 0;
        for run in transmits.chunk_by(|a, b| a.destination.is_ipv4() == b.destination.is_ipv4()) {
            let mut failed = |at: usize, errno: Errno| {
                let router = run.get(at).map_or(RouterId(u32::MAX), |transmit| transmit.router);
                unsent.push(Unsent { at: start + at, router, errno });
            };
            let v4 = run.first().is_some_and(|transmit| transmit.destination.is_ipv4());
            match if v4 { &self.mouth_v4 } else { &self.mouth_v6 } {
                Some(mouth) => self.outbox.send(mouth, run, describe, failed),
                None => (0..run.len()).for_each(|at| failed(at, Errno(libc::EAFNOSUPPORT))),
            }
            start += run.len();
        }
    }

    /// Does for an advert of each kind all that comes before the kernel's part, and sends nothing.
    pub fn rehearse(&mut self) {
        for address in [IpAddr::from([0; 4]), IpAddr::from([0; 16])] {
            let (router, interface, vrf, hop_limit) = (RouterId(u32::MAX), 0, 0, 0);
            let (source, destination, datagram) = (address, address, Arc::default());
            let transmit = Transmit { router, interface, vrf, source, destination, hop_limit, datagram };
            self.outbox.rehearse(&transmit, describe);
        }
    }

    /// Joins `group` on an interface. Joining twice is no error.
    ///
    /// # Errors
    /// No such interface, or the kernel refuses.
    pub fn join(&mut self, interface: InterfaceIndex, group: IpAddr) -> Result<()> {
        let family = Family::of(group);
        let place = (interface, group);
        if self.helpers.iter().any(|helper| helper.held.contains(&place)) {
            return Ok(());
        }
        // The latest first: those before it are full, unless somebody left.
        for helper in self.helpers.iter_mut().rev().filter(|helper| helper.family == family) {
            match helper.join(place) {
                Ok(()) => return Ok(()),
                // Full: 20 IPv4 memberships on one socket (igmp_max_memberships), or its option memory.
                Err(why) if why.is(libc::ENOBUFS) || why.is(libc::ENOMEM) => {}
                Err(why) => return Err(joining(place, why)),
            }
        }
        let mut helper = Helper::open(family)?;
        helper.join(place).map_err(|why| joining(place, why))?;
        self.helpers.push(helper);
        Ok(())
    }

    /// Leaves `group` on an interface, which may be gone already.
    pub fn leave(&mut self, interface: InterfaceIndex, group: IpAddr) {
        self.helpers.iter_mut().for_each(|helper| helper.leave((interface, group)));
        self.helpers.retain(|helper| !helper.held.is_empty());
    }

    /// Leaves every group on an interface that is gone. When one of the same name appears it has another number
    /// and must be joined again.
    pub fn forget(&mut self, interface: InterfaceIndex) {
        let gone: Vec<_> = self.memberships().filter(|place| place.0 == interface).collect();
        gone.into_iter().for_each(|(interface, group)| self.leave(interface, group));
    }

    /// Makes the memberships those that are `wanted`: joins what is missing, leaves the rest.
    ///
    /// Returns what could not be joined; ask again when the interface changes.
    pub fn hold_memberships(&mut self, wanted: &BTreeSet<(InterfaceIndex, IpAddr)>) -> Vec<Unjoined> {
        let held: BTreeSet<_> = self.memberships().collect();
        held.difference(wanted).for_each(|&(interface, group)| self.leave(interface, group));
        let missing = wanted.difference(&held);
        missing
            .filter_map(|&(interface, group)| {
                self.join(interface, group).err().map(|why| Unjoined { interface, group, why })
            })
            .collect()
    }

    /// The same, without trust in what was joined before: an interface may have left and come back with the same
    /// number unseen. Everything is left before it is joined anew: when a socket leaves a group of an interface that
    /// has gone, the kernel counts that against the new one of the same number.
    pub fn renew_memberships(&mut self, wanted: &BTreeSet<(InterfaceIndex, IpAddr)>) -> Vec<Unjoined> {
        self.helpers.clear();
        self.hold_memberships(wanted)
    }

    /// The groups that are joined, with their interfaces.
    pub fn memberships(&self) -> impl Iterator<Item = (InterfaceIndex, IpAddr)> {
        self.helpers.iter().flat_map(|helper| helper.held.iter().copied())
    }
}

/// Keeps, opens or closes a sending socket.
fn keep(socket: Option<Socket>, wanted: bool, open: fn() -> Result<Socket>) -> Result<Option<Socket>> {
    match (socket, wanted) {
        (_, false) => Ok(None),
        (Some(socket), true) => Ok(Some(socket)),
        (None, true) => open().map(Some),
    }
}

fn joining((interface, group): (InterfaceIndex, IpAddr), why: Refusal) -> Error {
    Error::refused(format!("join {group} on interface number {interface}"), why)
}

/// Where a transmit goes, with the control messages that make the kernel send it so.
fn describe<'a>(transmit: &'a Transmit, space: &mut Space) -> (Outgoing<'a>, usize) {
    let multicast = transmit.destination.is_multicast();
    let mut writer = Writer::new(space);
    let scope = match (transmit.source, transmit.destination) {
        (IpAddr::V4(_), _) if multicast => {
            writer.packet_info_v4(transmit.interface, std::net::Ipv4Addr::UNSPECIFIED);
            0
        }
        (IpAddr::V4(source), _) => {
            // Only for the routing decision; the header in the datagram has the source that is sent.
            writer.packet_info_v4(transmit.vrf, source);
            0
        }
        (IpAddr::V6(source), IpAddr::V6(to)) => {
            // The kernel takes no link-local source without its interface.
            let bound = multicast || to.is_unicast_link_local() || source.is_unicast_link_local();
            let interface = if bound { transmit.interface } else { transmit.vrf };
            writer.packet_info_v6(interface, source);
            writer.hop_limit(transmit.hop_limit);
            interface
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    };
    let len = writer.len();
    (Outgoing { to: Name::ip(transmit.destination, scope), bytes: &transmit.datagram }, len)
}

/// A raw socket; `protocol` as in the IP header.
fn raw(family: Family, protocol: i32) -> Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::RAW.nonblocking(), Some(Protocol::from(protocol)));
    socket.map_err(|error| {
        Error::raw(format!("open a raw {family} socket for protocol {protocol}"), Refusal::of(&error))
    })
}

/// IPv4 adverts come complete with their header; this socket adds and receives nothing.
fn mouth_v4() -> Result<Socket> {
    let socket = raw(Family::V4, libc::IPPROTO_RAW)?;
    let prepare = || {
        socket.set_header_included_v4(true)?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_freebind_v4(true)?;
        // Ahead of other traffic in the queue of the interface, as the type of service says.
        socket.set_priority(6)
    };
    prepare().map_err(|error: std::io::Error| preparing(&error))?;
    widen(&socket)?;
    Ok(socket)
}

/// IPv6 adverts come without header, with their checksum in place.
fn mouth_v6() -> Result<Socket> {
    let socket = raw(Family::V6, i32::from(PROTOCOL_VRRP))?;
    attach(&socket, &filter::nothing())?;
    let prepare = || {
        socket.set_multicast_loop_v6(false)?;
        socket.set_tclass_v6(u32::from(TRAFFIC_CLASS))?;
        socket.set_priority(6)?;
        // An address may be chosen as source in the moment in which it comes or goes.
        socket.set_freebind_v6(true)
    };
    prepare().map_err(|error: std::io::Error| preparing(&error))?;
    widen(&socket)?;
    Ok(socket)
}

/// Room for the adverts of a thousand routers that are due at once, on a card that takes its time.
fn widen(socket: &Socket) -> Result<()> {
    option::set_send_buffer(socket, 4 << 20).map_err(|why| Error::refused("size a send buffer", why))
}

fn preparing(error: &std::io::Error) -> Error {
    Error::raw("prepare a raw socket", Refusal::of(error))
}

pub(crate) fn attach(socket: &Socket, program: &[Instruction]) -> Result<()> {
    let code: Vec<SockFilter> = program
        .iter()
        .map(|instruction| SockFilter::new(instruction.code, instruction.yes, instruction.no, instruction.k))
        .collect();
    socket.attach_filter(&code).map_err(|error| Error::refused("filter a socket", Refusal::of(&error)))
}

impl Ear {
    fn open(
        (family, kind, vrf): (Family, Kind, InterfaceIndex),
        program: &[Instruction],
        backlog: usize,
    ) -> Result<Self> {
        let protocol = match kind {
            Kind::Vrrp(_) => PROTOCOL_VRRP,
            Kind::Authenticated => PROTOCOL_AH,
        };
        let socket = raw(family, i32::from(protocol))?;
        // Before the socket has its filter it takes everything: let nothing in, look what came, then open.
        attach(&socket, &filter::nothing())?;
        let preparing = |why: Refusal| Error::raw("prepare a raw socket", why);
        let set = |level, name| option::set_int(&socket, level, name, 1).map_err(preparing);
        if vrf != 0 {
            let index = libc::c_int::try_from(vrf).unwrap_or(libc::c_int::MAX);
            option::set_int(&socket, libc::SOL_SOCKET, libc::SO_BINDTOIFINDEX, index).map_err(preparing)?;
        }
        match family {
            Family::V4 => set(libc::IPPROTO_IP, libc::IP_PKTINFO)?,
            Family::V6 => {
                set(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)?;
                set(libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT)?;
            }
        }
        set(libc::SOL_SOCKET, SO_TIMESTAMPNS_NEW)?;
        set(libc::SOL_SOCKET, SO_RXQ_OVFL)?;
        let mut early = RecvBatch::new(BATCH);
        while early.receive(&socket, false).is_ok_and(|count| count > 0) {}
        let ear = Self { socket, family, kind, vrf, dropped: 0 };
        ear.set_buffer(backlog)?;
        attach(&ear.socket, program)?;
        Ok(ear)
    }

    fn is_stray(&self) -> bool {
        self.kind == Kind::Vrrp(Side::Stray)
    }

    fn set_buffer(&self, backlog: usize) -> Result<()> {
        let bytes = match self.kind {
            Kind::Vrrp(Side::Stray) => STRAY_BUFFER,
            // The kernel doubles what it is given, for its own administration; the cost here includes that.
            Kind::Vrrp(Side::Fast) | Kind::Authenticated => {
                i32::try_from(backlog.max(LEAST).saturating_mul(COST) / 2).unwrap_or(i32::MAX / 2)
            }
        };
        option::set_receive_buffer(&self.socket, bytes)
            .map_err(|why| Error::refused("size a receive buffer", why))
    }

    fn drain(
        &mut self,
        inbox: &mut RecvBatch,
        clock: &mut Clock,
        turn: &mut Turn,
        drained: &mut Drained,
        each: &mut impl FnMut(Instant, Frame<'_>),
    ) {
        let stray = self.is_stray();
        let mut budget = if stray { STRAY_BUDGET } else { FAST_BUDGET };
        while budget > 0 {
            let named = self.family == Family::V6;
            // An error here is a pending ICMP error or worse; the next call clears it or the socket stays silent.
            let count = inbox.receive(&self.socket, named);
            let count = count.or_else(|_| inbox.receive(&self.socket, named)).unwrap_or(0);
            let stamps = (0..count).filter_map(|at| inbox.datagram(at).said.stamp);
            let newest = stamps.map(|stamp| turn.convert(stamp)).max();
            if newest.is_some_and(|newest| newest > turn.now + HELD_UP) {
                *turn = clock.again(turn);
            }
            let mut later = false;
            for at in 0..count {
                let datagram = inbox.datagram(at);
                if let Some(dropped) = datagram.said.dropped {
                    let lost = dropped.wrapping_sub(self.dropped);
                    self.dropped = dropped;
                    *(if stray { &mut drained.lost_stray } else { &mut drained.lost }) += lost;
                }
                later |= datagram.said.stamp.is_some_and(|stamp| turn.convert(stamp) > turn.now);
                match frame(self.family, &datagram, turn) {
                    Some(frame) => {
                        drained.frames += 1;
                        drained.ours += usize::from(!stray);
                        each(turn.now, frame);
                    }
                    // An advert that is longer than any before. There is room for the next one.
                    None if datagram.truncated && inbox.can_grow() => {
                        *(if stray { &mut drained.lost_stray } else { &mut drained.lost }) += 1;
                    }
                    None => drained.unreadable += 1,
                }
            }
            inbox.adapt();
            budget = budget.saturating_sub(count);
            if later || count < inbox.capacity() {
                return;
            }
        }
        drained.more = true;
    }
}

/// A received datagram as the node takes it; `None` if it is too long or its interface was not told.
fn frame<'a>(family: Family, received: &Received<'a>, turn: &Turn) -> Option<Frame<'a>> {
    if received.truncated || received.said.interface == 0 {
        return None;
    }
    let datagram = match family {
        Family::V4 => Datagram::V4(received.bytes),
        Family::V6 => Datagram::V6 {
            source: received.source_v6?,
            destination: received.said.destination_v6?,
            hop_limit: received.said.hop_limit,
            payload: received.bytes,
        },
    };
    let at = received.said.stamp.map_or(turn.now, |stamp| turn.place(stamp));
    Some(Frame { interface: received.said.interface, at, datagram })
}

impl Helper {
    fn open(family: Family) -> Result<Self> {
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), None)
            .map_err(|error| Error::refused("open a socket for groups", Refusal::of(&error)))?;
        Ok(Self { socket, family, held: BTreeSet::new() })
    }

    fn join(&mut self, place: (InterfaceIndex, IpAddr)) -> Result<(), Refusal> {
        let (interface, group) = place;
        let done = match group {
            IpAddr::V4(group) => self.socket.join_multicast_v4_n(&group, &by_index(interface)),
            IpAddr::V6(group) => self.socket.join_multicast_v6(&group, interface),
        };
        done.map_err(|error| Refusal::of(&error)).or_else(|why| match why.errno.0 {
            libc::EADDRINUSE => Ok(()),
            _ => Err(why),
        })?;
        self.held.insert(place);
        Ok(())
    }

    fn leave(&mut self, place: (InterfaceIndex, IpAddr)) {
        if !self.held.remove(&place) {
            return;
        }
        let (interface, group) = place;
        // Refused only when the membership went with its interface.
        let _ = match group {
            IpAddr::V4(group) => self.socket.leave_multicast_v4_n(&group, &by_index(interface)),
            IpAddr::V6(group) => self.socket.leave_multicast_v6(&group, interface),
        };
    }
}

const fn by_index(interface: InterfaceIndex) -> socket2::InterfaceIndexOrAddress {
    socket2::InterfaceIndexOrAddress::Index(interface)
}
