//! Virtual addresses that are somebody's own, that two instances want, or that nobody on the link can reach.

use super::Advice;
use crate::diagnostic::Findings;
use crate::lower::Placed;
use crate::registry::Id;
use crate::source::Span;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Instance, Transport, VirtualAddress};

impl Advice<'_> {
    pub(super) fn addresses(&self, findings: &mut Findings) {
        self.shared(findings);
        let subnets = self.subnets();
        for placed in self.instances {
            self.peers(placed, findings);
            self.taken(placed, findings);
            unfit(placed, findings);
            unreachable(placed, &subnets, findings);
            self.owner(placed, findings);
        }
    }

    /// One address in two instances: the one that resigns takes it from the other.
    fn shared(&self, findings: &mut Findings) {
        let mut first: BTreeMap<(Arc<str>, IpAddr), (Span, &Placed)> = BTreeMap::new();
        for placed in self.instances {
            for (address, span) in held(placed) {
                let Some(device) = placed.instance.device_of(address) else { continue };
                let key = (device.clone(), address.address);
                match first.entry(key) {
                    Entry::Vacant(free) => {
                        free.insert((span, placed));
                    }
                    Entry::Occupied(taken) => {
                        let (place, other) = *taken.get();
                        let (this, other) = (&placed.instance, &other.instance);
                        // One virtual router that speaks in two ways, or one that was written twice.
                        if (this.settings.vrid, &this.home) == (other.settings.vrid, &other.home) {
                            continue;
                        }
                        let (name, other, address) = (&this.name, &other.name, address.address);
                        findings.add(Id::AddressShared, span, |d| {
                            d.say(format!("{address} is an address of `{other}` too: whichever resigns takes it from the other"))
                                .label(place, format!("`{other}` has it"))
                                .help(format!("let `{other}` or `{name}` have it"))
                        });
                    }
                }
            }
        }
    }

    /// A node that lists itself as its partner.
    fn peers(&self, placed: &Placed, findings: &mut Findings) {
        let Transport::Unicast { source, peers, .. } = &placed.instance.transport else { return };
        let own = placed.instance.home.interface().map(|name| self.own(&placed.instance, name));
        let own = own.unwrap_or_default();
        for (peer, span) in peers.iter().zip(&placed.peers) {
            if *source == Some(peer.address) || own.contains(&peer.address) {
                let label = placed.source.filter(|_| *source == Some(peer.address));
                findings.add(Id::OwnPeer, *span, |d| {
                    let d = d.say(format!("{} is this node itself: adverts to it tell nobody", peer.address));
                    let d = match label {
                        Some(place) => d.label(place, "the source of its adverts"),
                        None => d,
                    };
                    d.help("list the addresses of the partners only")
                });
            }
        }
    }

    /// A virtual address that a node has for itself, as it seems.
    fn taken(&self, placed: &Placed, findings: &mut Findings) {
        let instance = &placed.instance;
        let (source, peers) = match &instance.transport {
            Transport::Unicast { source, peers, .. } => (*source, &peers[..]),
            Transport::Multicast { source, .. } => (*source, &[][..]),
        };
        let partners: BTreeMap<IpAddr, Span> =
            peers.iter().map(|p| p.address).zip(placed.peers.iter().copied()).collect();
        let mut known: BTreeMap<&str, BTreeSet<IpAddr>> = BTreeMap::new();
        for (address, span) in held(placed) {
            let ip = address.address;
            let Some(device) = instance.device_of(address) else { continue };
            let peer = partners.get(&ip).copied();
            let source = placed.source.filter(|_| source == Some(ip));
            let own = known.entry(device).or_insert_with(|| self.own(instance, device)).contains(&ip);
            let owner = instance.settings.priority.is_owner();
            let (what, place) = match (peer, source) {
                (Some(place), _) => ("a partner's own", Some((place, "this partner has it"))),
                (None, Some(place)) if !owner => ("this node's own", Some((place, "adverts come from it"))),
                (None, None) if own && !owner => ("this node's own", None),
                (None, _) => continue,
            };
            findings.add(Id::AddressTaken, span, |d| {
                let d = d.say(format!("{ip} is {what} address: it cannot move to the others and back"));
                let d = match place {
                    Some((place, label)) => d.label(place, label),
                    None => d,
                };
                d.help("choose an address that no machine has for itself")
            });
        }
    }

    /// The subnets on each interface of which the addresses are known, those too that virtual addresses bring
    /// along.
    fn subnets(&self) -> BTreeMap<&str, BTreeSet<(IpAddr, u8)>> {
        let Some(interfaces) = &self.surroundings.interfaces else { return BTreeMap::new() };
        let subnet = |(ip, prefix): (IpAddr, u8)| {
            (prefix < whole(ip) && !is_link_local(ip)).then(|| (network(ip, prefix), prefix))
        };
        let mut subnets: BTreeMap<&str, BTreeSet<(IpAddr, u8)>> = interfaces
            .iter()
            .map(|(name, it)| (name.as_str(), it.addresses.iter().copied().filter_map(subnet).collect()))
            .collect();
        for one in &self.host.static_addresses {
            if let Some(known) = one.interface().and_then(|name| subnets.get_mut(&**name)) {
                known.extend(subnet((one.address.address, one.address.prefix)));
            }
        }
        for instance in self.instances.iter().map(|placed| &placed.instance) {
            for address in instance.held_addresses() {
                let device = instance.device_of(address);
                if let Some(known) = device.and_then(|name| subnets.get_mut(&**name)) {
                    known.extend(subnet((address.address, address.prefix)));
                }
            }
        }
        subnets
    }

    /// Priority 255 says that the node has the addresses for itself.
    fn owner(&self, placed: &Placed, findings: &mut Findings) {
        let instance = &placed.instance;
        let Some(span) = placed.priority.filter(|_| instance.settings.priority.is_owner()) else { return };
        let has = |address: &VirtualAddress| {
            instance
                .device_of(address)
                .and_then(|name| self.on(name))
                .is_none_or(|list| list.iter().any(|(own, _)| *own == address.address))
        };
        if instance.addresses.is_empty() || instance.addresses.iter().any(has) {
            return;
        }
        findings.add(Id::OwnerWithoutAddress, span, |d| {
            d.say("priority 255 is for the machine that has the address for itself, and this one has none of them")
                .help("write 254 or less: an owner always takes the address back, and no weight can move it")
        });
    }

    /// The addresses that are on an interface now; `None`: not known.
    fn on(&self, device: &str) -> Option<&[(IpAddr, u8)]> {
        let interface = self.surroundings.interfaces.as_ref()?.get(device)?;
        Some(&interface.addresses)
    }

    /// The addresses that an interface has for itself. One that was put there for the instance looks as the
    /// configuration says, and stands behind the primary one.
    fn own(&self, instance: &Instance, device: &str) -> BTreeSet<IpAddr> {
        let list = self.on(device).unwrap_or_default();
        if list.is_empty() {
            return BTreeSet::new();
        }
        let held: BTreeSet<(IpAddr, u8)> = instance.held_addresses().map(|a| (a.address, a.prefix)).collect();
        let mut own = BTreeSet::new();
        for v4 in [true, false] {
            let family: Vec<&(IpAddr, u8)> = list.iter().filter(|(a, _)| a.is_ipv4() == v4).collect();
            let primary = family.first().filter(|_| family.len() > 1).map(|(a, _)| *a);
            own.extend(primary);
            own.extend(family.iter().filter(|pair| !held.contains(pair)).map(|(a, _)| *a));
        }
        own
    }
}

/// Addresses that no machine answers for, or not to others.
fn unfit(placed: &Placed, findings: &mut Findings) {
    for (address, span) in held(placed) {
        let (ip, prefix) = (address.address, address.prefix);
        let own_host =
            ip.is_loopback() && placed.instance.device_of(address).is_none_or(|name| &**name != "lo");
        let what = match ip {
            _ if ip.is_unspecified() => "stands for no address at all",
            _ if own_host => "is an address that every machine has for itself: others cannot reach it",
            _ if ip.is_multicast() => "is a multicast group, and no address of a machine",
            IpAddr::V4(v4) if v4.is_broadcast() => "is the broadcast address",
            // Two addresses on a point-to-point link are both for machines (RFC 3021).
            IpAddr::V4(v4) if prefix < 31 && address.options.peer.is_none() => {
                let hosts = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
                match u32::from(v4) & hosts {
                    0 => "is the address of the subnet itself, and of no machine in it",
                    bits if bits == hosts => "is the broadcast address of its subnet",
                    _ => continue,
                }
            }
            IpAddr::V4(_) | IpAddr::V6(_) => continue,
        };
        findings.add(Id::AddressUnfit, span, |d| {
            d.say(format!("{address} {what}")).help("write the address that the clients ask for")
        });
    }
}

/// A single address in no subnet of its interface: nobody on the link asks for it there. Said once for each
/// instance.
fn unreachable(placed: &Placed, subnets: &BTreeMap<&str, BTreeSet<(IpAddr, u8)>>, findings: &mut Findings) {
    let mut far = held(placed).filter(|(address, _)| {
        let device = placed.instance.device_of(address);
        let Some(known) = device.and_then(|name| subnets.get(&**name)) else { return false };
        let ip = address.address;
        let mut family = known.iter().filter(|(net, _)| net.is_ipv4() == ip.is_ipv4()).peekable();
        let single = address.prefix == whole(ip) && address.options.peer.is_none();
        single && family.peek().is_some() && !family.any(|(net, prefix)| network(ip, *prefix) == *net)
    });
    let Some((address, span)) = far.next() else { return };
    let more = far.count();
    let (ip, Some(device)) = (address.address, placed.instance.device_of(address)) else { return };
    let nets = subnets.get(&**device).into_iter().flatten().filter(|(net, _)| net.is_ipv4() == ip.is_ipv4());
    let list: Vec<String> = nets.take(4).map(|(net, prefix)| format!("{net}/{prefix}")).collect();
    findings.add(Id::AddressUnreachable, span, |d| {
        let others = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        d.say(format!(
            "{ip}{others} is in no subnet of {device} ({}): others reach it by a route only",
            list.join(", ")
        ))
        .help("choose an address of the subnet, or name the interface with `dev`")
    });
}

/// The addresses of an instance with their places.
fn held(placed: &Placed) -> impl Iterator<Item = (&VirtualAddress, Span)> {
    placed.instance.held_addresses().zip(placed.addresses.iter().chain(&placed.excluded).copied())
}

const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// The prefix length of a single address.
const fn whole(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// The first address of the subnet.
fn network(ip: IpAddr, prefix: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(prefix))).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(prefix))).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & mask).into())
        }
    }
}
