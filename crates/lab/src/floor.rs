//! The floor: what the kernel alone costs for so many adverts, without a daemon's thinking.
//!
//! A timerfd, `sendmmsg` and `recvmmsg` over frames that were built before, with the socket options that a daemon
//! needs. Nothing is looked at, nothing is decided. What a daemon costs more than this is its own.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use crate::clock::now;
use crate::{Error, Machine, Result, sys};

/// One advert, ready to go.
#[derive(Clone, Debug)]
pub struct Advert {
    /// The whole IPv4 datagram.
    pub datagram: Vec<u8>,
    /// To this group.
    pub group: Ipv4Addr,
    /// Out of this interface.
    pub interface: u32,
}

/// What a loop has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Spent {
    /// Its thread's time on a processor.
    pub cpu: Duration,
    /// Adverts that it sent or received.
    pub adverts: u64,
}

impl Spent {
    /// Time on a processor for one advert.
    #[must_use]
    pub fn each(&self) -> Duration {
        self.cpu / u32::try_from(self.adverts).unwrap_or(u32::MAX).max(1)
    }
}

/// Sends every advert once in each `interval`, in slots of equal length with equally many adverts in each, for so
/// long as `length` says. Returns when that is over.
///
/// # Errors
/// When the kernel refuses something.
pub fn send(
    machine: &Machine,
    adverts: &[Advert],
    interval: Duration,
    slot: Duration,
    length: Duration,
) -> Result<Spent> {
    machine
        .within(|| sending(adverts, interval, slot, length))?
        .map_err(|why| Error::system("send the floor", why))
}

/// Sends these adverts again and again as fast as the kernel takes them, for so long as `length` says. Returns how many.
///
/// # Errors
/// When the kernel refuses something.
pub fn flood(machine: &Machine, adverts: &[Advert], length: Duration) -> Result<u64> {
    let flooding = || -> io::Result<u64> {
        let socket = mouth()?;
        let messages = adverts.iter().map(|one| (one.datagram.clone(), one.group, one.interface));
        let mut volley = sys::Volley::new(messages);
        let begun = now();
        let mut sent = 0;
        while now().since(begun) < length {
            sent += volley.send(&socket)?;
        }
        Ok(sent)
    };
    machine.within(flooding)?.map_err(|why| Error::system("flood", why))
}

/// Receives plain IPv4 adverts on all interfaces for so long as `length` says; calls `ready` when it can hear.
///
/// # Errors
/// When the kernel refuses something.
pub fn receive(
    machine: &Machine,
    group: Ipv4Addr,
    interfaces: &[u32],
    length: Duration,
    ready: impl FnOnce() + Send,
) -> Result<Spent> {
    let job = || {
        let ear = ear(group, interfaces)?;
        ready();
        hearing(&ear, length)
    };
    machine.within(job)?.map_err(|why| Error::system("receive the floor", why))
}

/// Sends Ethernet frames out of one interface, one after the other.
///
/// # Errors
/// When the kernel refuses one.
pub fn frames(machine: &Machine, interface: u32, frames: &[impl AsRef<[u8]> + Sync]) -> Result<()> {
    let nothing = crate::bpf::program([], 0, 0);
    let send = || -> Result<()> {
        let socket = crate::capture::packet_socket(interface, Some(&nothing))?;
        for frame in frames {
            rustix::net::send(&socket, frame.as_ref(), rustix::net::SendFlags::empty())
                .map_err(|why| Error::system("send the frames of the floor", std::io::Error::from(why)))?;
        }
        Ok(())
    };
    machine.within(send)?
}

fn sending(adverts: &[Advert], interval: Duration, slot: Duration, length: Duration) -> io::Result<Spent> {
    let socket = mouth()?;
    let slots = usize::try_from(interval.as_nanos() / slot.as_nanos().max(1)).unwrap_or(1).max(1);
    let mut volleys: Vec<sys::Volley> = (0..slots)
        .map(|at| {
            let (from, to) = (at * adverts.len() / slots, (at + 1) * adverts.len() / slots);
            let messages = adverts[from..to].iter();
            sys::Volley::new(messages.map(|one| (one.datagram.clone(), one.group, one.interface)))
        })
        .collect();
    let timer = periodic(slot)?;
    let begun = now();
    let before = sys::thread_time()?;
    let mut sent = 0;
    let mut at = 0;
    while now().since(begun) < length {
        let mut due = [0; 8];
        rustix::io::read(&timer, &mut due)?;
        for _ in 0..u64::from_ne_bytes(due) {
            sent += volleys[at % slots].send(&socket)?;
            at += 1;
        }
    }
    Ok(Spent { cpu: sys::thread_time()? - before, adverts: sent })
}

/// A socket for whole IPv4 datagrams.
fn mouth() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let protocol = Protocol::from_raw(std::num::NonZeroU32::new(255).ok_or(io::ErrorKind::InvalidInput)?);
    let socket = socket_with(AddressFamily::INET, SocketType::RAW, flags, Some(protocol))?;
    sys::set_option(&socket, libc::IPPROTO_IP, libc::IP_HDRINCL, &1_i32)?;
    sys::set_option(&socket, libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, &0_i32)?;
    sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_PRIORITY, &6_i32)?;
    Ok(socket)
}

fn periodic(slot: Duration) -> io::Result<OwnedFd> {
    let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let every = Timespec {
        tv_sec: i64::try_from(slot.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(slot.subsec_nanos()),
    };
    let times = Itimerspec { it_interval: every, it_value: every };
    rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
    Ok(timer)
}

fn ear(group: Ipv4Addr, interfaces: &[u32]) -> io::Result<OwnedFd> {
    let protocol = Protocol::from_raw(std::num::NonZeroU32::new(112).ok_or(io::ErrorKind::InvalidInput)?);
    let socket = socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol))?;
    sys::set_option(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, &1_i32)?;
    sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1_i32)?;
    let buffer = 8 << 20;
    sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &buffer)
        .or_else(|_| sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &buffer))?;
    for &interface in interfaces {
        sys::join_group(&socket, group, interface)?;
    }
    Ok(socket)
}

fn hearing(socket: &OwnedFd, length: Duration) -> io::Result<Spent> {
    // Wakes up now and then though nothing comes.
    let pause = libc::timeval { tv_sec: 0, tv_usec: 50_000 };
    sys::set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, &pause)?;
    let mut net = sys::Net::new(64);
    let begun = now();
    let before = sys::thread_time()?;
    let mut heard = 0;
    while now().since(begun) < length {
        match net.receive(socket) {
            Ok(count) => heard += count,
            Err(why)
                if why.kind() == io::ErrorKind::WouldBlock || why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(Spent { cpu: sys::thread_time()? - before, adverts: heard })
}
