//! The UDP sockets of BFD sessions (RFC 5881 section 4).
//!
//! Packets come in through one socket for each family and port, whoever they are for; each session sends from a socket
//! of its own, whose source port is its own for life. A packet goes where routing sends it, so that it takes the path
//! that is to be watched. TTL and hop limit are read and not left to the kernel's own guard, so that what comes from too
//! far is counted (BENC-7).

use crate::clock::Turn;
use crate::error::{Error, Refusal, Result};
use crate::filter;
use crate::privileges::forbidden_netns;
use crate::sockets::attach;
use crate::sys::control::SO_TIMESTAMPNS_NEW;
use crate::sys::message::RecvBatch;
use crate::sys::option;
use node::io::{Errno, InterfaceIndex};
use node::sessions::{Packet, Path, SessionId};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};
use timeline::Instant;
use wire::bfd::{FIRST_SOURCE_PORT, MULTIHOP_PORT, PORT};
use wire::{Family, TRAFFIC_CLASS};

/// Datagrams that one `recvmmsg` brings at most.
const BATCH: usize = 16;
/// Datagrams that one turn takes from a socket at most: a flood must not hold the timers.
const BUDGET: usize = 16 * BATCH;
/// Receive buffer in bytes: some 200 packets.
const BUFFER: i32 = 256 * 1024;
/// How many source ports are tried before a session has none.
const TRIES: u16 = 64;

/// Packets to one port of one family.
type Side = (Family, bool);

/// What a session sends through.
#[derive(Debug)]
struct Mouth {
    path: Path,
    /// The interface of a link-local neighbour.
    scope: InterfaceIndex,
    socket: Socket,
    to: SockAddr,
}

/// What cannot be heard any more, or can be again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of this family.
    pub family: Family,
    /// At the port for several hops.
    pub multihop: bool,
    /// Why not; `None`: it can.
    pub why: Option<Error>,
}

/// All BFD sockets of one host.
pub struct Neighbors {
    ears: BTreeMap<Side, Socket>,
    lacking: BTreeMap<Side, Errno>,
    mouths: BTreeMap<SessionId, Mouth>,
    /// Why a session has no socket to send from.
    mute: BTreeMap<SessionId, Errno>,
    /// Of sessions that are gone: their last word is on its way.
    retired: BTreeMap<SessionId, Mouth>,
    /// There since there was somebody to hear.
    inbox: Option<RecvBatch>,
    next_port: u16,
}

impl std::fmt::Debug for Neighbors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Neighbors").field("mouths", &self.mouths).finish_non_exhaustive()
    }
}

impl Neighbors {
    /// No sockets. Source ports are tried from one on that `seed` chooses.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let part = u16::try_from(seed % u64::from(u16::MAX - FIRST_SOURCE_PORT)).unwrap_or(0);
        Self {
            ears: BTreeMap::new(),
            lacking: BTreeMap::new(),
            mouths: BTreeMap::new(),
            mute: BTreeMap::new(),
            retired: BTreeMap::new(),
            inbox: None,
            next_port: FIRST_SOURCE_PORT + part,
        }
    }

    /// Whether everything that is wanted can be heard.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lacking.is_empty()
    }

    /// Makes the sockets those of `wanted`, each path with the interface of a link-local neighbour. What stays keeps its
    /// port and what it has received. Returns what is new about what cannot be heard; a session that cannot send tells
    /// so each time that it wants to.
    ///
    /// # Errors
    /// In a forbidden namespace; then nothing has changed.
    pub fn adapt(&mut self, wanted: &[(Path, Option<InterfaceIndex>)]) -> Result<Vec<Change>> {
        forbidden_netns()?;
        let new: BTreeMap<SessionId, (&Path, InterfaceIndex)> =
            wanted.iter().map(|(path, scope)| (path.session, (path, scope.unwrap_or(0)))).collect();
        let stays = |(id, mouth): &(SessionId, Mouth)| new.get(id) == Some(&(&mouth.path, mouth.scope));
        let (kept, stale): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.mouths).into_iter().partition(stays);
        self.mouths = kept;
        self.retired.extend(stale);
        self.mute.clear();
        for (id, (path, scope)) in &new {
            if self.mouths.contains_key(id) {
                continue;
            }
            // Asked for again with the next change of an interface; until then its packets count as not sent.
            let mouth = match path.is_link_local() && *scope == 0 {
                true => Err(Errno(libc::ENODEV)),
                false => self.open_mouth(path, *scope).map_err(|why| why.errno().unwrap_or(Errno(libc::EIO))),
            };
            match mouth {
                Ok(mouth) => _ = self.mouths.insert(*id, mouth),
                Err(errno) => _ = self.mute.insert(*id, errno),
            }
        }
        let sides: Vec<Side> =
            new.values().map(|(path, _)| (Family::of(path.neighbor), path.multihop)).collect();
        self.ears.retain(|side, _| sides.contains(side));
        let mut changes = Vec::new();
        for side in [Family::V4, Family::V6].into_iter().flat_map(|family| [(family, false), (family, true)])
        {
            let refused = match sides.contains(&side) && !self.ears.contains_key(&side) {
                true => ear(side).map(|ear| _ = self.ears.insert(side, ear)).err(),
                false => None,
            };
            let (family, multihop) = side;
            match refused {
                None if self.lacking.remove(&side).is_some() => {
                    changes.push(Change { family, multihop, why: None });
                }
                None => {}
                Some(why) => {
                    let errno = why.errno().unwrap_or(Errno(libc::EIO));
                    if self.lacking.insert(side, errno) != Some(errno) {
                        changes.push(Change { family, multihop, why: Some(why) });
                    }
                }
            }
        }
        Ok(changes)
    }

    /// The receiving sockets, to wait for readability (level-triggered). They change with [`Neighbors::adapt`].
    pub fn ears(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.ears.values().map(AsFd::as_fd)
    }

    /// Hands over what has arrived, at most a bounded number. Returns how many datagrams could not even be looked at.
    pub fn receive(&mut self, turn: &Turn, mut each: impl FnMut(Instant, Packet<'_>)) -> u32 {
        let mut unreadable = 0;
        if self.ears.is_empty() {
            return unreadable;
        }
        let inbox = self.inbox.get_or_insert_with(|| RecvBatch::new(BATCH));
        for ((_, multihop), ear) in &self.ears {
            for _ in 0..BUDGET / BATCH {
                let count = inbox.receive(ear, true).or_else(|_| inbox.receive(ear, true));
                let count = count.unwrap_or(0);
                for at in 0..count {
                    let datagram = inbox.datagram(at);
                    let Some(source) = inbox.source(at).filter(|_| !datagram.truncated) else {
                        unreadable += 1;
                        continue;
                    };
                    let stamp = datagram.said.stamp.map_or(turn.now, |stamp| turn.place(stamp));
                    let (hop_limit, bytes) = (datagram.said.hop_limit, datagram.bytes);
                    each(turn.now, Packet { source, hop_limit, multihop: *multihop, at: stamp, bytes });
                }
                if count < inbox.capacity() {
                    break;
                }
            }
        }
        unreadable
    }

    /// Sends one packet of a session.
    ///
    /// # Errors
    /// The kernel's answer, also to the wish for a socket; no device, if the interface of a link-local neighbour is not
    /// known.
    pub fn send(&self, session: SessionId, bytes: &[u8]) -> Result<(), Errno> {
        let mouth = self.mouths.get(&session).or_else(|| self.retired.get(&session));
        let mute = || self.mute.get(&session).copied().unwrap_or(Errno(libc::ENODEV));
        let mouth = mouth.ok_or_else(mute)?;
        match mouth.socket.send_to(bytes, &mouth.to) {
            Ok(_) => Ok(()),
            Err(error) => Err(Refusal::of(&error).errno),
        }
    }

    /// The last words have been sent.
    pub fn forget_retired(&mut self) {
        self.retired.clear();
    }

    fn open_mouth(&mut self, path: &Path, scope: InterfaceIndex) -> Result<Mouth> {
        let family = Family::of(path.neighbor);
        let socket = udp(family)?;
        let prepare = || {
            match family {
                Family::V4 => {
                    socket.set_freebind_v4(true)?;
                    socket.set_ttl_v4(path.hop_limit.into())?;
                    socket.set_tos_v4(TRAFFIC_CLASS.into())?;
                }
                Family::V6 => {
                    socket.set_freebind_v6(true)?;
                    socket.set_unicast_hops_v6(path.hop_limit.into())?;
                    socket.set_tclass_v6(TRAFFIC_CLASS.into())?;
                }
            }
            socket.set_priority(6)
        };
        prepare()
            .map_err(|error: std::io::Error| Error::refused("prepare a BFD socket", Refusal::of(&error)))?;
        // Nobody has anything to say to this port.
        attach(&socket, &filter::nothing())?;
        let any = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let source = path.source.unwrap_or(any);
        let mut why = Refusal::new(libc::EADDRINUSE);
        for _ in 0..TRIES {
            let port = self.next_port;
            self.next_port = if port == u16::MAX { FIRST_SOURCE_PORT } else { port + 1 };
            match socket.bind(&place(source, port, scope)) {
                Ok(()) => {
                    let to = if path.multihop { MULTIHOP_PORT } else { PORT };
                    let to = place(path.neighbor, to, scope);
                    return Ok(Mouth { path: *path, scope, socket, to });
                }
                Err(error) => why = Refusal::of(&error),
            }
            if !why.is(libc::EADDRINUSE) {
                break;
            }
        }
        Err(Error::refused(format!("send BFD packets from {source}"), why))
    }
}

/// A number that nobody can foresee.
///
/// # Errors
/// The kernel has no random numbers.
pub(crate) fn draw() -> Result<u64> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|why| Error::refused("draw a random number", why))?;
    Ok(u64::from_ne_bytes(bytes))
}

fn place(address: IpAddr, port: u16, scope: InterfaceIndex) -> SockAddr {
    match address {
        IpAddr::V4(_) => SocketAddr::new(address, port).into(),
        IpAddr::V6(v6) => {
            let scope = if v6.is_unicast_link_local() { scope } else { 0 };
            SocketAddrV6::new(v6, port, 0, scope).into()
        }
    }
}

fn udp(family: Family) -> Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let open = || {
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if family == Family::V6 {
            socket.set_only_v6(true)?;
        }
        Ok(socket)
    };
    open().map_err(|error: std::io::Error| {
        Error::refused(format!("open a {family} socket for BFD"), Refusal::of(&error))
    })
}

fn ear((family, multihop): Side) -> Result<Socket> {
    let port = if multihop { MULTIHOP_PORT } else { PORT };
    let socket = udp(family)?;
    let set = |level, name| {
        option::set_int(&socket, level, name, 1).map_err(|why| Error::refused("prepare a BFD socket", why))
    };
    let any = match family {
        Family::V4 => {
            set(libc::IPPROTO_IP, libc::IP_RECVTTL)?;
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        }
        Family::V6 => {
            set(libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT)?;
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        }
    };
    set(libc::SOL_SOCKET, SO_TIMESTAMPNS_NEW)?;
    option::set_receive_buffer(&socket, BUFFER)
        .map_err(|why| Error::refused("size a receive buffer", why))?;
    socket.bind(&place(any, port, 0)).map_err(|error| {
        Error::refused(format!("hear BFD packets at {family} UDP port {port}"), Refusal::of(&error))
    })?;
    Ok(socket)
}
