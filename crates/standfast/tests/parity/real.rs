//! Linux: the daemon's hand and monitor in a private network namespace, and an administrator beside them.

use lab::Machine;
use linux::hand::Hand;
use linux::ledger::{Entry, Ledger, Reader, release_all};
use linux::links::Netns;
use linux::mailbox::Mailbox;
use linux::monitor::Monitor;
use linux::netlink::{Netlink, Request};
use node::io::{Errno, Fact, Hold, InterfaceIndex, Outcome, Place};
use sim::kernel::Deed;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::Mac;

/// What the receive buffer of the monitor holds is lost more easily than what a daemon's holds.
const RECEIVE_BUFFER: i32 = 64 * 1024;
/// So much is told about the loopback interface that the buffer overflows.
const FLOOD: u8 = 250;
/// Nothing that was asked for takes longer.
const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Real {
    /// The administrator.
    netlink: Netlink,
    /// Where the other ends of the cables are.
    beyond: File,
    switch: Netlink,
    cables: BTreeMap<InterfaceIndex, String>,
    laid: u32,
    /// A new interface is told of twice: with an Ethernet address that nobody chose, and with its own.
    fresh: Option<Mac>,
    daemon: Daemon,
}

/// A daemon's hand and monitor.
struct Daemon {
    hand: Hand,
    monitor: Monitor,
    outcomes: Arc<Mailbox<Outcome>>,
    ledger: OwnedFd,
}

impl Daemon {
    fn start() -> Self {
        let outcomes = Arc::new(Mailbox::new().unwrap());
        let ledger = Ledger::create(256).unwrap();
        let fd = ledger.as_fd().try_clone_to_owned().unwrap();
        let hand = Hand::start(Arc::clone(&outcomes), ledger).unwrap();
        let monitor = Monitor::open_with(hand.port(), hand.traces(), RECEIVE_BUFFER).unwrap();
        Self { hand, monitor, outcomes, ledger: fd }
    }
}

impl Real {
    /// In the calling thread's network namespace, with cables to `switch`.
    pub(crate) fn new(switch: &Machine) -> Self {
        for setting in ["ipv4/conf/all/promote_secondaries", "ipv4/conf/default/promote_secondaries"] {
            sysctl(setting, "0").unwrap();
        }
        let (beyond, mut far) = switch
            .within(|| (File::open("/proc/thread-self/ns/net").unwrap(), Netlink::open().unwrap()))
            .unwrap();
        // The ends of a cable shall differ in number: Linux is slower to tell of a cable whose ends do not.
        far.create_veth("x", "y", None).unwrap();
        let (netlink, daemon) = (Netlink::open().unwrap(), Daemon::start());
        Self { netlink, beyond, switch: far, cables: BTreeMap::new(), laid: 0, fresh: None, daemon }
    }

    /// Somebody else does something.
    pub(crate) fn perform(&mut self, deed: &Deed) -> Result<(), Errno> {
        let netlink = &mut self.netlink;
        let done = match deed {
            Deed::Create { name, mac } => return self.create(name, *mac),
            Deed::Delete(index) => name(netlink, *index).and_then(|name| netlink.delete_link(&name)),
            Deed::Rename(index, new) => name(netlink, *index).and_then(|name| netlink.rename(&name, new)),
            Deed::Mac(index, mac) => name(netlink, *index).and_then(|name| netlink.set_mac(&name, *mac)),
            Deed::Mtu(index, mtu) => name(netlink, *index).and_then(|name| netlink.set_mtu(&name, *mtu)),
            Deed::Up(index, up) => name(netlink, *index).and_then(|name| netlink.set_up(&name, *up)),
            Deed::Carrier(index, on) => self.switch.set_up(&self.cables[index], *on),
            Deed::Promote(index, on) => return self.configure("ipv4", *index, "promote_secondaries", *on),
            Deed::Ipv6(index, on) => return self.configure("ipv6", *index, "disable_ipv6", !*on),
            Deed::Forward(index, on) => return self.configure("ipv6", *index, "forwarding", *on),
            Deed::Set(Place { interface, address, prefix }) => {
                return netlink
                    .run(&Request::add_address(*interface, *address, *prefix))
                    .map_err(|why| why.errno);
            }
            Deed::Unset(Place { interface, address, prefix }) => {
                let request = Request::remove_address(*interface, *address, *prefix);
                return netlink.run(&request).map_err(|why| why.errno);
            }
        };
        done.map_err(|why| why.errno().unwrap())
    }

    fn create(&mut self, name: &str, mac: Mac) -> Result<(), Errno> {
        self.laid += 1;
        let peer = format!("far{}", self.laid);
        let laid = self.netlink.create_veth(name, &peer, Some(Netns::Fd(self.beyond.as_fd())));
        laid.map_err(|why| why.errno().unwrap())?;
        self.netlink.set_mac(name, mac).unwrap();
        self.switch.set_up(&peer, true).unwrap();
        self.fresh = Some(mac);
        self.cables.insert(self.netlink.link_index(name).unwrap(), peer);
        Ok(())
    }

    fn configure(&mut self, family: &str, index: InterfaceIndex, what: &str, on: bool) -> Result<(), Errno> {
        let name = name(&mut self.netlink, index).unwrap();
        let written = sysctl(&format!("{family}/conf/{name}/{what}"), if on { "1" } else { "0" });
        written.map_err(|why| Errno(why.raw_os_error().unwrap()))
    }

    /// The hand gets orders; waits until it has carried them out.
    pub(crate) fn hold(&mut self, holds: &[Hold]) -> Vec<Outcome> {
        self.daemon.hand.push_all(holds.iter().cloned());
        let mut outcomes = Vec::new();
        let deadline = Instant::now() + SOON;
        while outcomes.len() < holds.len() {
            self.daemon.outcomes.take(&mut outcomes);
            assert!(Instant::now() < deadline, "the hand does not answer to {holds:?}");
            std::thread::sleep(Duration::from_micros(200));
        }
        outcomes
    }

    /// What is told now. As the daemon's loop does, the hand hears of interfaces that are gone.
    pub(crate) fn facts(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let Daemon { hand, monitor, .. } = &mut self.daemon;
        let fresh = self.fresh.take();
        monitor
            .receive(|fact| {
                if let Fact::LinkGone(interface) = fact {
                    hand.forget(interface);
                }
                if !matches!((&fact, fresh), (Fact::Link(link), Some(mac)) if link.mac != mac) {
                    facts.push(fact);
                }
            })
            .unwrap();
        facts
    }

    /// More is told than the monitor can hear, and then the whole truth.
    pub(crate) fn lose(&mut self) -> Fact {
        let place = |n: u8| (1, IpAddr::from([127, 1, 1, n]), 32);
        let set =
            (0..FLOOD).map(place).map(|(at, address, prefix)| Request::add_address(at, address, prefix));
        let unset =
            (0..FLOOD).map(place).map(|(at, address, prefix)| Request::remove_address(at, address, prefix));
        let requests: Vec<_> = set.chain(unset).collect();
        self.netlink.batch(&requests, &mut Vec::new()).unwrap();
        let before = self.daemon.monitor.overruns();
        let mut facts = self.facts();
        assert_eq!(self.daemon.monitor.overruns(), before + 1, "nothing was lost");
        facts.pop().unwrap()
    }

    /// What the ledger says, in its order.
    pub(crate) fn held(&self) -> Vec<Place> {
        let entries = Reader::open(&self.daemon.ledger).unwrap().entries();
        let place = |one: Entry| Place { interface: one.interface, address: one.address, prefix: one.prefix };
        entries.into_iter().map(place).collect()
    }

    /// The daemon dies and another one starts, which is told everything.
    pub(crate) fn restart(&mut self, cleaned: bool) -> Fact {
        let new = Daemon::start();
        let Daemon { hand, ledger, .. } = std::mem::replace(&mut self.daemon, new);
        hand.stop();
        if cleaned {
            release_all(&Reader::open(ledger).unwrap(), &mut self.netlink).unwrap();
        }
        self.daemon.monitor.everything().unwrap()
    }

    /// All interfaces and addresses, as the kernel lists them.
    pub(crate) fn everything(&mut self) -> Fact {
        let links = self.netlink.dump_links().unwrap();
        Fact::Everything { links, addresses: self.netlink.dump_addresses().unwrap() }
    }
}

fn name(netlink: &mut Netlink, index: InterfaceIndex) -> linux::error::Result<String> {
    let links = netlink.dump_links()?;
    let link = links.iter().find(|link| link.index == index);
    Ok(link.map_or_else(|| format!("no{index}"), |link| link.name.to_string()))
}

fn sysctl(name: &str, value: &str) -> std::io::Result<()> {
    std::fs::write(format!("/proc/sys/net/{name}"), value)
}
