//! Clusters of all shapes: two to four machines, one to three segments, multicast and unicast.

use crate::cluster::{Cluster, Member, Port};
use crate::random::Random;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use model::{Authentication, Host, Instance, Secret, TrackedInterface, Transport, VirtualAddress};
use vrrp::{Peer, Settings};
use wire::{Family, Interval, Priority, Version, Vrid};

/// The same virtual routers on every machine, each with a priority of its own.
pub(super) fn any(random: &mut Random) -> Cluster {
    let machines = 2 + random.index(3);
    let segments = [1, 1, 1, 2, 2, 3][random.index(6)];
    // The last machine may be of another kind.
    let stranger = random.permille(200).then(|| machines - 1);
    let mut members: Vec<Member> = (0..machines)
        .map(|n| {
            let ports = (0..segments).map(|segment| Port {
                name: if stranger == Some(n) {
                    format!("ens{}", segment + 3)
                } else {
                    format!("eth{segment}")
                }
                .into(),
                segment,
                addresses: own(segment, n).into(),
            });
            let (name, host) = (format!("node{}", n + 1).into(), Host::default());
            Member { name, host, interfaces: ports.collect() }
        })
        .collect();
    let routers = 1 + random.index(if segments == 1 { 2 } else { 3 });
    for which in (0_u8..).take(routers) {
        let segment = u8::try_from(random.index(segments.into())).unwrap_or(0);
        let Some(router) = Router::any(random, which, segment, segments) else { continue };
        for n in 0..members.len() {
            let instance = router.on(random, &members, n);
            if let Some(member) = members.get_mut(n) {
                member.host.instances.push(instance);
            }
        }
    }
    share(random, &mut members);
    super::tracked::add(random, &mut members);
    Cluster { machines: members }
}

/// Now and then two instances have an address in common, which one leaves to the other.
fn share(random: &mut Random, members: &mut [Member]) {
    if !random.permille(300) {
        return;
    }
    for member in members {
        let [one, other, ..] = member.host.instances.as_mut_slice() else { return };
        if one.home == other.home && one.settings.family == other.settings.family {
            other.addresses.extend(one.addresses.first().cloned());
        }
    }
}

/// What the same virtual router has in common on all machines.
struct Router {
    which: u8,
    segment: u8,
    settings: Settings,
    is_unicast: bool,
    authentication: Authentication,
    listed: u8,
    /// One address is on this segment.
    elsewhere: Option<u8>,
    /// One more moves along.
    has_excluded: bool,
    /// Whoever is no peer is not heard.
    is_picky: bool,
    tracked: Option<(u8, i16)>,
}

impl Router {
    fn any(random: &mut Random, which: u8, segment: u8, segments: u8) -> Option<Self> {
        let (version, family) =
            [(Version::V2, Family::V4), (Version::V3, Family::V4), (Version::V3, Family::V6)]
                [random.index(3)];
        let vrid = Vrid::new(51 + which)?;
        let mut settings = Settings::new(version, family, vrid);
        settings.preempt = random.permille(800);
        if random.permille(200) {
            settings.preempt_delay = random.millis(1, 3_000);
        }
        if version == Version::V3 && random.permille(300) {
            settings.interval = Interval::from_centis(20).unwrap_or(Interval::SECOND);
        }
        let has_password = version == Version::V2 && random.permille(300);
        let other = (segment + 1) % segments;
        Some(Self {
            which,
            segment,
            settings,
            is_unicast: random.permille(350),
            authentication: match (has_password, random.permille(500)) {
                (true, true) => Authentication::Password(Secret::cut(b"storm")),
                (true, false) => Authentication::Header(Secret::cut(b"storm")),
                (false, _) => Authentication::None,
            },
            listed: u8::try_from(1 + random.below(3)).unwrap_or(1),
            elsewhere: (other != segment && random.permille(300)).then_some(other),
            has_excluded: random.permille(150),
            is_picky: random.permille(500),
            tracked: (other != segment && random.permille(300))
                .then(|| (other, [0, -60, -120][random.index(3)])),
        })
    }

    /// The same on one machine.
    fn on(&self, random: &mut Random, members: &[Member], n: usize) -> Instance {
        let mut settings = self.settings.clone();
        settings.priority = priority(random);
        let family = settings.family;
        let first = 101 + self.which * 10;
        let address = |last| virtual_address(family, self.segment, last);
        let mut addresses: Vec<VirtualAddress> = (first..first + self.listed).map(address).collect();
        let device = |segment: u8| name(members, n, segment);
        if let (Some(segment), Some(last)) = (self.elsewhere, addresses.last_mut()) {
            *last = virtual_address(family, segment, first + self.listed - 1);
            last.options.device = Some(device(segment));
        }
        let mut instance = instance(self.which, settings, addresses);
        instance.home = device(self.segment).into();
        instance.authentication = self.authentication.clone();
        // The second of them, without a number that would make all worlds others.
        instance.accept = self.which != 1;
        if self.has_excluded {
            instance.excluded.push(address(first + 9));
        }
        if let Some((segment, weight)) = self.tracked.filter(|_| !instance.settings.priority.is_owner()) {
            let interface = device(segment);
            instance.track_interfaces.push(TrackedInterface { interface, weight, reverse: false });
        }
        if self.is_unicast {
            let speaks = |n: usize| unicast_address(family, self.segment, n);
            let others = (0..members.len()).filter(|other| *other != n);
            let peers =
                others.map(|other| Peer { address: speaks(other), min_ttl: None, max_ttl: None }).collect();
            instance.check_unicast_source = self.is_picky;
            instance.transport = Transport::Unicast { source: Some(speaks(n)), peers, ttl: 255 };
        }
        instance
    }
}

fn name(members: &[Member], n: usize, segment: u8) -> Arc<str> {
    let mut ports = members.get(n).into_iter().flat_map(|member| &member.interfaces);
    ports.find(|port| port.segment == segment).map_or_else(|| "eth0".into(), |port| port.name.clone())
}

/// What machine `n` has of its own on a segment: address and prefix.
fn own(segment: u8, n: usize) -> [(IpAddr, u8); 3] {
    let last = u16::try_from(n + 1).unwrap_or(u16::MAX);
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, u16::from(segment), last);
    [
        (unicast_address(Family::V4, segment, n), 24),
        (IpAddr::V6(link_local), 64),
        (unicast_address(Family::V6, segment, n), 64),
    ]
}

/// Where machine `n` can be spoken to.
fn unicast_address(family: Family, segment: u8, n: usize) -> IpAddr {
    let last = u8::try_from(n + 1).unwrap_or(u8::MAX);
    address(family, segment, last)
}

fn address(family: Family, segment: u8, last: u8) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(10, 0, segment, last)),
        Family::V6 => {
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, u16::from(segment), 0, 0, 0, u16::from(last)))
        }
    }
}

pub(super) fn virtual_address(family: Family, segment: u8, last: u8) -> VirtualAddress {
    VirtualAddress::host(address(family, segment, last))
}

/// Few different ones, so that some are equal; now and then the owner's.
pub(super) fn priority(random: &mut Random) -> Priority {
    Priority([50, 99, 100, 100, 101, 150, 200, 254, 255][random.index(9)])
}

pub(crate) fn instance(which: u8, settings: Settings, addresses: Vec<VirtualAddress>) -> Instance {
    Instance::new(format!("VI_{}", which + 1), "eth0", settings, addresses)
}
