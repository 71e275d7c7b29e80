//! A cluster as data: machines, their interfaces, and which of these are on one network.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use model::{Host, Instance, Transport};
use wire::Family;

/// Machines that share networks.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// The machines; a [`Step`](crate::Step) names one by its place here.
    pub machines: Vec<Member>,
}

/// One machine of a cluster.
#[derive(Clone, Debug)]
pub struct Member {
    /// What people call it.
    pub name: Arc<str>,
    /// What its configuration says.
    pub host: Host,
    /// Its interfaces; the first has the index 2 in its kernel.
    pub interfaces: Vec<Port>,
}

/// One interface of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name on this machine.
    pub name: Arc<str>,
    /// Which network it is plugged into.
    pub segment: u8,
    /// What the machine has there of its own: address and prefix length.
    pub addresses: Vec<(IpAddr, u8)>,
}

impl Cluster {
    /// The cluster that these configurations speak of. Interfaces that carry the same instance (the same name, or else
    /// family and VRID, or a common virtual address) are on one segment whatever they are called; what else has the same
    /// name is on one as well. Own addresses are those that the configurations tell (`unicast_src_ip`,
    /// `mcast_src_ip`, the peers' lists), otherwise free ones beside the virtual addresses.
    #[must_use]
    pub fn of(hosts: Vec<(Arc<str>, Host)>) -> Self {
        let mut ends = Vec::new();
        for (machine, (_, host)) in hosts.iter().enumerate() {
            ends.extend(interfaces(host).into_iter().map(|name| End { machine, name }));
        }
        let segments = Wiring::new(&hosts, ends).segments();
        let mut numbers = Numbers::new(&hosts);
        let mut machines: Vec<Member> = Vec::new();
        for (machine, (name, host)) in hosts.iter().enumerate() {
            let ports = interfaces(host).into_iter().map(|interface| {
                let end = End { machine, name: interface.clone() };
                let segment = segments.get(&end).copied().unwrap_or(0);
                let addresses = numbers.own(&hosts, machine, &interface, segment);
                Port { name: interface, segment, addresses }
            });
            let interfaces = ports.collect();
            machines.push(Member { name: name.clone(), host: host.clone(), interfaces });
        }
        Self { machines }
    }
}

/// All interfaces that a configuration names, those of its instances first.
fn interfaces(host: &Host) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut add = |name: &Arc<str>| {
        if !names.contains(name) {
            names.push(name.clone());
        }
    };
    host.instances.iter().filter_map(|instance| instance.home.interface()).for_each(&mut add);
    for instance in &host.instances {
        instance.held_addresses().filter_map(|held| instance.device_of(held)).for_each(&mut add);
        instance.track_interfaces.iter().for_each(|tracked| add(&tracked.interface));
    }
    for group in &host.groups {
        group.track_interfaces.iter().for_each(|tracked| add(&tracked.interface));
    }
    host.static_addresses.iter().filter_map(model::StaticAddress::interface).for_each(add);
    names
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    machine: usize,
    name: Arc<str>,
}

/// Which ends are on one network: sets that are joined.
struct Wiring {
    ends: Vec<End>,
    /// The set of each end.
    sets: Vec<usize>,
}

impl Wiring {
    fn new(hosts: &[(Arc<str>, Host)], ends: Vec<End>) -> Self {
        let mut wiring = Self { sets: (0..ends.len()).collect(), ends };
        for (one, (_, host)) in hosts.iter().enumerate() {
            for (other, (_, its)) in hosts.iter().enumerate().skip(one + 1) {
                for instance in &host.instances {
                    let twin = twin(host, instance, its).and_then(|twin| twin.home.interface());
                    if let (Some(ours), Some(theirs)) = (instance.home.interface(), twin) {
                        wiring.join((one, ours), (other, theirs));
                    }
                }
            }
        }
        // The rest by its name, unless the other machine is on that network already with another interface.
        for at in 0..wiring.ends.len() {
            for other in at + 1..wiring.ends.len() {
                wiring.join_namesakes(at, other);
            }
        }
        wiring
    }

    fn find(&self, (machine, name): (usize, &Arc<str>)) -> Option<usize> {
        self.ends.iter().position(|end| end.machine == machine && end.name == *name)
    }

    fn join(&mut self, one: (usize, &Arc<str>), other: (usize, &Arc<str>)) {
        if let (Some(one), Some(other)) = (self.find(one), self.find(other)) {
            self.unite(one, other);
        }
    }

    fn unite(&mut self, one: usize, other: usize) {
        if let (Some(&into), Some(&from)) = (self.sets.get(one), self.sets.get(other)) {
            self.sets.iter_mut().filter(|set| **set == from).for_each(|set| *set = into);
        }
    }

    fn join_namesakes(&mut self, one: usize, other: usize) {
        let (Some(a), Some(b)) = (self.ends.get(one), self.ends.get(other)) else { return };
        if a.name == b.name && !self.reaches(one, b.machine) && !self.reaches(other, a.machine) {
            self.unite(one, other);
        }
    }

    /// Whether the network of this end has an interface of that machine.
    fn reaches(&self, end: usize, machine: usize) -> bool {
        let set = self.sets.get(end);
        self.ends.iter().zip(&self.sets).any(|(end, its)| end.machine == machine && Some(its) == set)
    }

    fn segments(&self) -> BTreeMap<End, u8> {
        let mut numbers: BTreeMap<usize, u8> = BTreeMap::new();
        let each = self.ends.iter().zip(&self.sets).map(|(end, set)| {
            let next = u8::try_from(numbers.len()).unwrap_or(u8::MAX);
            (end.clone(), *numbers.entry(*set).or_insert(next))
        });
        each.collect()
    }
}

/// The instance of `its` that is the same as this one of `host`.
fn twin<'a>(host: &Host, instance: &Instance, its: &'a Host) -> Option<&'a Instance> {
    let same = |other: &&Instance| {
        (other.settings.family, other.settings.vrid) == (instance.settings.family, instance.settings.vrid)
    };
    let shares = |other: &&Instance| {
        let mut held = other.held_addresses();
        held.any(|theirs| instance.held_addresses().any(|ours| ours.address == theirs.address))
    };
    let has_namesake = |other: &&Instance| host.instances.iter().any(|ours| ours.name == other.name);
    let all = || its.instances.iter();
    all()
        .find(|other| other.name == instance.name)
        .or_else(|| all().find(|other| same(other) && other.home == instance.home))
        .or_else(|| all().find(|other| same(other) && !has_namesake(other)))
        .or_else(|| all().find(shares))
}

/// Which addresses are taken.
struct Numbers {
    taken: BTreeSet<IpAddr>,
}

impl Numbers {
    fn new(hosts: &[(Arc<str>, Host)]) -> Self {
        let all = hosts.iter().flat_map(|(_, host)| &host.instances);
        let taken = all.flat_map(|instance| {
            let held = instance.held_addresses().map(|held| held.address);
            held.chain(peers(instance)).chain(instance.transport.source())
        });
        Self { taken: taken.collect() }
    }

    /// What a machine has of its own on an interface.
    fn own(
        &mut self,
        hosts: &[(Arc<str>, Host)],
        machine: usize,
        interface: &Arc<str>,
        segment: u8,
    ) -> Vec<(IpAddr, u8)> {
        let mut own: Vec<(IpAddr, u8)> = Vec::new();
        let here = hosts.get(machine).map(|(_, host)| host);
        let instances = || here.into_iter().flat_map(|host| &host.instances);
        let speaking = || instances().filter(|instance| instance.home.interface() == Some(interface));
        for instance in speaking() {
            let known = instance.transport.source().or_else(|| self.listed(hosts, machine, instance));
            if let Some(address) = known.filter(|known| !own.iter().any(|(has, _)| has == known)) {
                own.push((address, self.prefix(hosts, address)));
                self.taken.insert(address);
            }
        }
        for family in [Family::V4, Family::V6] {
            let has = own.iter().any(|(address, _)| Family::of(*address) == family);
            let mut wants = speaking().filter(|instance| instance.settings.family == family);
            let unicast = |i: &Instance| matches!(i.transport, Transport::Unicast { .. });
            let is_missing = match family {
                Family::V4 => wants.next().is_some(),
                Family::V6 => wants.any(unicast),
            };
            if is_missing && !has {
                let held = instances().flat_map(|instance| {
                    let held = instance.held_addresses();
                    held.filter(|held| instance.device_of(held) == Some(interface))
                });
                let near: Vec<_> = held.filter(|held| Family::of(held.address) == family).collect();
                let near = near.iter().map(|held| (held.address, subnet(held.address, held.prefix)));
                let near = near.into_iter().next().unwrap_or_else(|| somewhere(family, segment));
                own.extend(self.free(near).map(|address| (address, near.1)));
            }
        }
        let number = u16::try_from(machine + 1).unwrap_or(u16::MAX);
        let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, u16::from(segment), number);
        if &**interface != "lo" && !own.iter().any(|(address, _)| is_link_local(*address)) {
            own.push((IpAddr::V6(link_local), 64));
        }
        own
    }

    /// What the other machines call this one: the peer that they list and it does not.
    fn listed(&self, hosts: &[(Arc<str>, Host)], machine: usize, instance: &Instance) -> Option<IpAddr> {
        let here = hosts.get(machine).map(|(_, host)| host)?;
        let others = hosts.iter().enumerate().filter(|(at, _)| *at != machine);
        let twins = others.filter_map(|(_, (_, its))| twin(here, instance, its));
        let twins: Vec<&Instance> = twins.collect();
        let is_theirs = |address: IpAddr| {
            peers(instance).any(|peer| peer == address)
                || twins.iter().any(|twin| twin.transport.source() == Some(address))
        };
        twins.iter().flat_map(|twin| peers(twin)).find(|peer| !is_theirs(*peer))
    }

    /// The prefix of the virtual addresses around an address.
    fn prefix(&self, hosts: &[(Arc<str>, Host)], address: IpAddr) -> u8 {
        let held = hosts.iter().flat_map(|(_, host)| &host.instances).flat_map(Instance::held_addresses);
        let mut prefixes = held.map(|held| (held.address, subnet(held.address, held.prefix)));
        let around = prefixes.find(|near| network(near.0, near.1) == network(address, near.1));
        around.map_or_else(|| subnet(address, u8::MAX), |(_, prefix)| prefix)
    }

    fn free(&mut self, (near, prefix): (IpAddr, u8)) -> Option<IpAddr> {
        let bits = if near.is_ipv4() { 32 } else { 128 };
        let hosts = 1_u128.checked_shl(bits - u32::from(prefix)).unwrap_or(u128::MAX);
        let first = network(near, prefix);
        let mut numbers = (11..hosts.min(1_000).saturating_sub(1)).chain(1..hosts.min(11));
        let free = numbers.find_map(|number| {
            let address = match near {
                IpAddr::V4(_) => {
                    IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(first + number).unwrap_or(u32::MAX)))
                }
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(first + number)),
            };
            (!self.taken.contains(&address)).then_some(address)
        });
        self.taken.extend(free);
        free
    }
}

fn peers(instance: &Instance) -> impl Iterator<Item = IpAddr> + '_ {
    let peers = match &instance.transport {
        Transport::Unicast { peers, .. } => peers.as_slice(),
        Transport::Multicast { .. } => &[],
    };
    peers.iter().map(|peer| peer.address)
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The prefix of the network of an address that may be written as one host's.
const fn subnet(address: IpAddr, prefix: u8) -> u8 {
    match address {
        IpAddr::V4(_) if prefix > 30 => 24,
        IpAddr::V6(_) if prefix > 126 => 64,
        IpAddr::V4(_) | IpAddr::V6(_) => prefix,
    }
}

/// The first address of a network, as a number.
fn network(address: IpAddr, prefix: u8) -> u128 {
    let (bits, width) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let hosts = width - u32::from(prefix).min(width);
    bits.checked_shr(hosts).and_then(|high| high.checked_shl(hosts)).unwrap_or(0)
}

/// A network that nobody spoke of.
const fn somewhere(family: Family, segment: u8) -> (IpAddr, u8) {
    match family {
        Family::V4 => (IpAddr::V4(Ipv4Addr::new(192, 0, segment, 0)), 24),
        Family::V6 => (IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0xff00 | segment as u16, 0, 0, 0, 0)), 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::instance;
    use alloc::format;
    use alloc::vec;
    use model::VirtualAddress;
    use vrrp::{Peer, Settings};
    use wire::{Version, Vrid};

    fn host(name: &str, interface: &str, vrid: u8, address: [u8; 4], prefix: u8) -> Host {
        let settings = Settings::new(Version::V2, Family::V4, Vrid::new(vrid).unwrap());
        let held = VirtualAddress { prefix, ..VirtualAddress::host(IpAddr::from(address)) };
        let mut instance = instance(0, settings, vec![held]);
        (instance.name, instance.home) = (name.into(), interface.into());
        Host { instances: vec![instance], ..Host::default() }
    }

    fn cluster(hosts: Vec<Host>) -> Cluster {
        let named = hosts.into_iter().enumerate().map(|(n, host)| (format!("node{}", n + 1).into(), host));
        Cluster::of(named.collect())
    }

    fn unicast(mut host: Host, source: Option<&str>, peers: &[&str]) -> Host {
        let peer = |peer: &&str| Peer { address: peer.parse().unwrap(), min_ttl: None, max_ttl: None };
        let peers = peers.iter().map(peer).collect();
        let source = source.map(|source| source.parse().unwrap());
        host.instances[0].transport = Transport::Unicast { source, peers, ttl: 255 };
        host
    }

    fn first(cluster: &Cluster, machine: usize) -> (IpAddr, u8) {
        cluster.machines[machine].interfaces[0].addresses[0]
    }

    #[test]
    fn own_addresses_lie_beside_the_virtual_one_and_are_nobody_elses() {
        let one = host("VI", "eth0", 51, [10, 1, 2, 11], 24);
        let cluster = cluster(vec![one.clone(), one]);
        assert_eq!(first(&cluster, 0), (IpAddr::from([10, 1, 2, 12]), 24));
        assert_eq!(first(&cluster, 1), (IpAddr::from([10, 1, 2, 13]), 24));
    }

    #[test]
    fn a_small_subnet_and_an_address_of_one_host_are_understood() {
        let small = host("VI", "eth0", 51, [10, 1, 2, 1], 29);
        assert_eq!(first(&cluster(vec![small]), 0), (IpAddr::from([10, 1, 2, 2]), 29));
        let single = host("VI", "eth0", 51, [10, 1, 2, 1], 32);
        assert_eq!(first(&cluster(vec![single]), 0), (IpAddr::from([10, 1, 2, 11]), 24));
    }

    #[test]
    fn sources_and_the_lists_of_peers_say_who_is_who() {
        let base = host("VI", "eth0", 51, [10, 0, 0, 100], 24);
        let three = vec![
            unicast(base.clone(), Some("10.0.0.1"), &["10.0.0.2", "10.0.0.3"]),
            unicast(base.clone(), None, &["10.0.0.1", "10.0.0.3"]),
            unicast(base, None, &["10.0.0.1", "10.0.0.2"]),
        ];
        let cluster = cluster(three);
        let found: Vec<_> = (0..3).map(|n| first(&cluster, n)).collect();
        let expected = [1, 2, 3].map(|last| (IpAddr::from([10, 0, 0, last]), 24));
        assert_eq!(found, expected);
    }

    #[test]
    fn interfaces_of_the_same_instance_are_on_one_segment_whatever_their_names() {
        let one = host("VI", "eth0", 51, [10, 0, 0, 100], 24);
        let same_name = host("VI", "ens3", 52, [10, 0, 0, 101], 24);
        let same_vrid = host("OTHER", "ens4", 51, [10, 0, 0, 102], 24);
        let same_address = host("ANOTHER", "ens5", 53, [10, 0, 0, 100], 24);
        for other in [same_name, same_vrid, same_address] {
            let cluster = cluster(vec![one.clone(), other]);
            let segment = |n: usize| cluster.machines[n].interfaces[0].segment;
            assert_eq!(segment(0), segment(1), "{cluster:?}");
        }
        let stranger = host("STRANGER", "ens6", 54, [10, 9, 0, 100], 24);
        let cluster = cluster(vec![one, stranger]);
        assert_ne!(cluster.machines[0].interfaces[0].segment, cluster.machines[1].interfaces[0].segment);
    }

    #[test]
    fn one_vrid_on_two_interfaces_is_two_segments() {
        let mut two = host("A", "eth0", 51, [10, 0, 0, 100], 24);
        two.instances.extend(host("B", "eth1", 51, [10, 0, 1, 100], 24).instances);
        let cluster = cluster(vec![two.clone(), two]);
        let segments = |n: usize| cluster.machines[n].interfaces.iter().map(|port| port.segment);
        assert!(segments(0).eq([0, 1]) && segments(1).eq([0, 1]));
    }

    #[test]
    fn tracked_interfaces_and_those_of_single_addresses_are_there() {
        let mut host = host("VI", "eth0", 51, [10, 0, 0, 100], 24);
        host.instances[0].addresses[0].options.device = Some("eth1".into());
        let tracked = model::TrackedInterface { interface: "eth2".into(), weight: 0, reverse: false };
        host.instances[0].track_interfaces.push(tracked);
        let cluster = cluster(vec![host]);
        let names: Vec<_> = cluster.machines[0].interfaces.iter().map(|port| &*port.name).collect();
        assert_eq!(names, ["eth0", "eth1", "eth2"]);
        assert!(first(&cluster, 0).0.is_ipv4(), "it speaks from eth0 though no virtual address is there");
    }
}
