//! What the kernel says about interfaces and addresses, as facts.
//!
//! One netlink socket in the multicast groups of links and addresses. Facts are levels, so nothing is lost by telling
//! twice; but a notification that did not fit into the receive buffer is lost, the kernel says so once
//! (`ENOBUFS`), and then the whole truth is read again.
//!
//! Reading the whole truth may wait for the kernel's configuration lock. It happens at the start and after a loss.

use crate::error::{Error, Refusal, Result};
use crate::netlink::read::{self, LinkSeen, Messages, Raw, forwards_ipv6};
use crate::netlink::{Netlink, open_socket};
use crate::sys::map::Room;
use crate::sys::option;
use node::io::{Actor, Fact, InterfaceIndex, Link, Place};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, recvfrom};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// `1 << (RTNLGRP_* - 1)` of LINK, IPV4_IFADDR, IPV6_IFADDR and IPV6_NETCONF (linux/rtnetlink.h).
const GROUPS: u32 = 1 | 1 << 4 | 1 << 8 | 1 << 24;
/// Room for some 10,000 notifications.
const RECEIVE_BUFFER: i32 = 8 << 20;
/// Most notifications that one call takes; the rest waits for the next turn.
const BUDGET: usize = 4096;

/// What the hand is about to remove, so that the monitor can tell its doing from others'.
///
/// The port id that IPv4 notifications carry is no proof: a removal may take other addresses along, and the
/// kernel tells of them with the same port id. IPv6 notifications carry none. So only the note counts.
#[derive(Debug, Default)]
pub struct Traces {
    removing: Mutex<HashMap<Place, u32>>,
}

impl Traces {
    /// Notes that an address is about to be removed.
    pub fn leave(&self, place: Place) {
        *self.lock().entry(place).or_default() += 1;
    }

    /// Takes one note away; whether there was one.
    pub(crate) fn take(&self, place: Place) -> bool {
        let mut removing = self.lock();
        let Some(count) = removing.get_mut(&place) else { return false };
        *count -= 1;
        if *count == 0 {
            removing.remove(&place);
        }
        true
    }

    fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, u32>> {
        self.removing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The notifications of one network namespace.
#[derive(Debug)]
pub struct Monitor {
    fd: OwnedFd,
    netlink: Netlink,
    notices: Notices,
    inbox: Room,
    overruns: u64,
    /// Notifications were lost, and the whole truth could not be read since.
    stale: bool,
}

impl Monitor {
    /// Subscribes in the calling thread's network namespace. `ours` and `traces` are those of the
    /// [`Hand`](crate::hand::Hand) whose removals are ours. Then call [`Monitor::everything`] once.
    ///
    /// # Errors
    /// In a forbidden namespace, or when the kernel refuses.
    pub fn open(ours: u32, traces: Arc<Traces>) -> Result<Self> {
        Self::open_with(ours, traces, RECEIVE_BUFFER)
    }

    /// The same with a receive buffer of so many bytes.
    ///
    /// # Errors
    /// As [`Monitor::open`].
    pub fn open_with(ours: u32, traces: Arc<Traces>, buffer: i32) -> Result<Self> {
        let fd = open_socket(GROUPS)?;
        option::set_receive_buffer(&fd, buffer)
            .map_err(|why| Error::refused("size a netlink receive buffer", why))?;
        rustix::io::ioctl_fionbio(&fd, true)
            .map_err(|why| Error::refused("prepare a netlink socket", why))?;
        let netlink = Netlink::open()?;
        let inbox = Room::new(64 * 1024);
        let notices = Notices::new(ours, traces, Asks { forwards_ipv6, name_of });
        Ok(Self { fd, netlink, notices, inbox, overruns: 0, stale: false })
    }

    /// Reads the whole truth. Notifications that were waiting are older than it and are thrown away.
    ///
    /// # Errors
    /// When the kernel refuses to list interfaces or addresses.
    pub fn everything(&mut self) -> Result<Fact> {
        while let Ok(_) | Err(Errno::NOBUFS | Errno::INTR) =
            recvfrom(&self.fd, &mut self.inbox[..], RecvFlags::empty())
        {}
        self.notices.traces.clear();
        let links = self.netlink.dump_links()?;
        let addresses = self.netlink.dump_addresses()?;
        self.notices.links = links.iter().map(|link| (link.index, link.clone())).collect();
        self.stale = false;
        Ok(Fact::Everything { links, addresses })
    }

    /// Whether the whole truth could not be read after a loss. The next [`Monitor::receive`] tries again.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.stale
    }

    /// Tells what has changed, without waiting. After a loss it tells [`Fact::Everything`].
    ///
    /// # Errors
    /// When the socket fails, or after a loss as [`Monitor::everything`]; then [`Monitor::is_stale`].
    pub fn receive(&mut self, mut each: impl FnMut(Fact)) -> Result<()> {
        if self.stale {
            return self.everything().map(&mut each);
        }
        let mut facts = Vec::new();
        for _ in 0..BUDGET {
            match recvfrom(&self.fd, &mut self.inbox[..], RecvFlags::empty()) {
                Ok((_, len, from)) => {
                    let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
                    // Only the kernel is believed: any privileged process may send to this socket.
                    if from.is_some_and(|from| from.pid() != 0) {
                        continue;
                    }
                    let whole = len <= self.inbox.len();
                    let readable = self.notices.read(&self.inbox[..len.min(self.inbox.len())], &mut facts);
                    facts.drain(..).for_each(&mut each);
                    if !(whole && readable) {
                        return self.lost(each);
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => return self.lost(each),
                Err(why) => return Err(Error::refused("read netlink notifications", Refusal::from(why))),
            }
        }
        Ok(())
    }

    /// How often notifications were lost.
    #[must_use]
    pub const fn overruns(&self) -> u64 {
        self.overruns
    }

    fn lost(&mut self, mut each: impl FnMut(Fact)) -> Result<()> {
        self.overruns += 1;
        self.stale = true;
        self.everything().map(&mut each)
    }
}

/// What the bytes of notifications do not tell: asked for elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Asks {
    /// Whether the host forwards IPv6 on the interface of this name.
    pub forwards_ipv6: fn(&str) -> bool,
    /// The name of the process behind a netlink port id.
    pub name_of: fn(u32) -> Option<String>,
}

/// Makes facts of the bytes of notifications.
#[derive(Debug)]
pub struct Notices {
    /// The hand's port id.
    ours: u32,
    traces: Arc<Traces>,
    asks: Asks,
    /// As last told, to tell a link again when only its forwarding changes.
    links: HashMap<InterfaceIndex, Link>,
}

impl Notices {
    /// Knows no links yet. `ours` and `traces` as in [`Monitor::open`].
    #[must_use]
    pub fn new(ours: u32, traces: Arc<Traces>, asks: Asks) -> Self {
        Self { ours, traces, asks, links: HashMap::new() }
    }

    /// Appends the facts in what was received. `false`: a part could not be read, so that something is lost.
    #[must_use]
    pub fn read(&mut self, bytes: &[u8], facts: &mut Vec<Fact>) -> bool {
        let mut messages = Messages(bytes);
        messages.all(|raw| self.notice(&raw, facts).is_some()) && messages.is_whole()
    }

    /// `None`: this should have been readable, and something is lost.
    fn notice(&mut self, raw: &Raw<'_>, facts: &mut Vec<Fact>) -> Option<()> {
        match raw.kind {
            libc::RTM_NEWLINK | libc::RTM_DELLINK => self.link(raw, facts),
            libc::RTM_NEWADDR | libc::RTM_DELADDR => self.address(raw, facts),
            libc::RTM_NEWNETCONF => {
                if let Some((index, forwards)) = read::forwarding(raw.body)
                    && let Some(link) = self.links.get_mut(&index)
                    && link.forwards_ipv6 != forwards
                {
                    link.forwards_ipv6 = forwards;
                    facts.push(Fact::Link(link.clone()));
                }
                Some(())
            }
            _ => Some(()),
        }
    }

    fn address(&mut self, raw: &Raw<'_>, facts: &mut Vec<Fact>) -> Option<()> {
        if !read::is_ip(*raw.body.first()?) {
            return Some(()); // of other protocols
        }
        let address = read::address(raw.body)?;
        if raw.kind == libc::RTM_NEWADDR {
            facts.push(Fact::Address(address));
        } else {
            let place = address.place();
            facts.push(Fact::AddressGone { place, by: self.actor(raw, place) });
        }
        Some(())
    }

    fn link(&mut self, raw: &Raw<'_>, facts: &mut Vec<Fact>) -> Option<()> {
        // Other families tell about bridge ports, not about interfaces.
        if *raw.body.first()? != 0 {
            return Some(());
        }
        let seen = LinkSeen::read(raw.body)?;
        if raw.kind == libc::RTM_DELLINK {
            self.links.remove(&seen.index);
            facts.push(Fact::LinkGone(seen.index));
        } else {
            let link = seen.link_with(self.asks.forwards_ipv6)?;
            self.links.insert(link.index, link.clone());
            facts.push(Fact::Link(link));
        }
        Some(())
    }

    fn actor(&self, raw: &Raw<'_>, place: Place) -> Actor {
        let noted = self.traces.take(place);
        if noted {
            return Actor::Ourselves;
        }
        // The kernel took it along with one that the hand removed: nobody to name.
        let nobody = raw.port == self.ours;
        Actor::Other(if nobody { None } else { (self.asks.name_of)(raw.port) })
    }
}

/// The name of the process behind a netlink port id, if it still lives. A process's first socket has its process
/// id; its further ones have numbers that belong to nobody.
fn name_of(port: u32) -> Option<String> {
    if port == 0 || port > i32::MAX.unsigned_abs() {
        return None;
    }
    let name = std::fs::read_to_string(format!("/proc/{port}/comm")).ok()?;
    let name = name.trim_end();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Readable while notifications wait.
impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only asks the kernel; changes nothing.
    #[test]
    fn the_whole_truth_is_asked_for_until_it_comes() {
        // Where this program must not touch anything there is nothing to test.
        let Ok(mut monitor) = Monitor::open(0, Arc::default()) else { return };
        let deaf = std::fs::File::open("/dev/null").unwrap();
        let good = std::mem::replace(&mut monitor.netlink, Netlink::on(deaf.into()));
        let mut facts = Vec::new();
        assert!(!monitor.is_stale());
        assert!(monitor.lost(|fact| facts.push(fact)).is_err());
        assert!(monitor.is_stale() && monitor.receive(|fact| facts.push(fact)).is_err());
        assert!(monitor.is_stale() && facts.is_empty());
        monitor.netlink = good;
        monitor.receive(|fact| facts.push(fact)).unwrap();
        assert!(!monitor.is_stale());
        assert!(matches!(facts[..], [Fact::Everything { .. }]));
    }
}
