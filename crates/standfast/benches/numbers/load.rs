//! The loads: so many virtual routers on two machines, as text for both daemons and as frames for the floor.

use crate::figures::Party;
use crate::{Failure, LIMIT};
use lab::floor::Advert;
use lab::{Capture, Cidr, Daemon, Lab, Machine};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;
use wire::checksum::Sum;
use wire::frame::Seen;
use wire::message::{Auth, Outgoing};
use wire::{Interval, Priority, Version, Vrid, ipv4};

/// The peer.
pub(crate) const KEEPALIVED: &str = "/usr/sbin/keepalived";
/// The VRIDs on each cable whose adverts are looked at.
pub(crate) const SAMPLE: [u8; 5] = [1, 63, 125, 188, 250];
/// The priorities of the two machines.
pub(crate) const PRIORITIES: [u8; 2] = [150, 100];

/// Two machines with so many cables between them.
pub(crate) fn pair(cables: u8) -> Result<Lab, Failure> {
    let lab = Lab::builder()
        .machine("lb01", "10.0.0.5/24", None)
        .machine("lb02", "10.0.0.6/24", None)
        .machine("client", "10.0.0.9/24", None)
        .build()?;
    for number in 0..cables {
        let end = |machine: u8| Cidr { address: IpAddr::V4(own(number, machine)), prefix: 24 };
        lab.join(&cable(number), [(lab.machine("lb01")?, end(5)), (lab.machine("lb02")?, end(6))])?;
    }
    Ok(lab)
}

/// The name of a cable, at both ends.
pub(crate) fn cable(number: u8) -> String {
    format!("hb{number}")
}

/// A machine's own address on a cable; the first is .5, the second .6.
pub(crate) const fn own(cable: u8, machine: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 20 + cable, 0, machine)
}

/// One of the addresses of a virtual router, from 1.
pub(crate) const fn service(cable: u8, vrid: u8, number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 100 + cable, vrid, number)
}

/// So many virtual routers, in version 3: a VRID is one of 255 on each cable.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) cables: u8,
    pub(crate) each: u8,
    /// Addresses of each.
    pub(crate) addresses: u8,
    /// The same number of them over IPv6.
    pub(crate) both_families: bool,
    pub(crate) centiseconds: u16,
    pub(crate) priority: u8,
    /// One virtual router more on the first cable.
    pub(crate) one_more: bool,
}

impl Load {
    /// A thousand, on four cables.
    pub(crate) const fn thousand(centiseconds: u16, priority: u8) -> Self {
        Self {
            cables: 4,
            each: 250,
            addresses: 1,
            both_families: false,
            centiseconds,
            priority,
            one_more: false,
        }
    }

    pub(crate) const fn interval(self) -> Duration {
        Duration::from_millis(self.centiseconds as u64 * 10)
    }

    /// Active_Down_Interval (RFC 9568 section 6.1).
    pub(crate) fn down(self) -> Duration {
        let skew = self.interval() * (256 - u32::from(self.priority)) / 256;
        self.interval() * 3 + skew
    }

    /// All adverts of one interval.
    pub(crate) fn count(self) -> u32 {
        let families = if self.both_families { 2 } else { 1 };
        u32::from(self.cables) * u32::from(self.each) * families + u32::from(self.one_more)
    }

    /// The virtual routers over IPv4: cable and VRID.
    pub(crate) fn instances(self) -> impl Iterator<Item = (u8, u8)> + Clone {
        let extra = self.one_more.then(|| (0, self.each + 1));
        (0..self.cables).flat_map(move |cable| (1..=self.each).map(move |vrid| (cable, vrid))).chain(extra)
    }

    /// Their addresses, with the cable of each.
    pub(crate) fn services(self) -> impl Iterator<Item = (u8, Ipv4Addr)> + Clone {
        let of = move |(cable, vrid)| {
            (1..=self.addresses).map(move |number| (cable, service(cable, vrid, number)))
        };
        self.instances().flat_map(of)
    }

    pub(crate) fn text(self) -> String {
        let mut text = String::from(
            "global_defs {\n    router_id bench\n    vrrp_version 3\n    vrrp_garp_master_delay 1\n}\n",
        );
        let seconds = f64::from(self.centiseconds) / 100.0;
        let mut instance = |name: String, its_cable: u8, vrid: u8, addresses: &[String]| {
            let _ = write!(
                text,
                "vrrp_instance {name} {{\n    state BACKUP\n    interface {}\n    virtual_router_id {vrid}\n    \
                 priority {}\n    advert_int {seconds}\n    virtual_ipaddress {{\n        {}\n    }}\n}}\n",
                cable(its_cable),
                self.priority,
                addresses.join("\n        ")
            );
        };
        for (cable, vrid) in self.instances() {
            let addresses: Vec<String> =
                (1..=self.addresses).map(|number| service(cable, vrid, number).to_string()).collect();
            instance(format!("V{cable}_{vrid}"), cable, vrid, &addresses);
            if self.both_families {
                let addresses = [format!("fe80::{cable}:{vrid}"), format!("fd00:{cable}:{vrid}::1")];
                instance(format!("S{cable}_{vrid}"), cable, vrid, &addresses);
            }
        }
        text
    }

    /// The adverts over IPv4 as frames from the machine whose addresses end so.
    pub(crate) fn adverts(self, machine: &Machine, own_end: u8) -> Result<Vec<Advert>, Failure> {
        let interfaces = (0..self.cables)
            .map(|number| machine.link_index(&cable(number)))
            .collect::<Result<Vec<_>, _>>()?;
        let interval = Interval::from_centis(self.centiseconds).ok_or("no interval")?;
        // One of each cable after the other, as a daemon would have them after some time.
        let mut all: Vec<_> = self.instances().collect();
        all.sort_by_key(|(cable, vrid)| (*vrid, *cable));
        let advert = |(cable, vrid): (u8, u8)| -> Result<Advert, Failure> {
            let addresses: Vec<IpAddr> =
                (1..=self.addresses).map(|number| IpAddr::V4(service(cable, vrid, number))).collect();
            let (source, interface) = (own(cable, own_end), interfaces[usize::from(cable)]);
            advert((source, interface), vrid, self.priority, interval, &addresses)
        };
        all.into_iter().map(advert).collect()
    }
}

/// One advert of version 3, from an address and out of an interface.
pub(crate) fn advert(
    (source, interface): (Ipv4Addr, u32),
    vrid: u8,
    priority: u8,
    interval: Interval,
    addresses: &[IpAddr],
) -> Result<Advert, Failure> {
    let destination = wire::GROUP_V4;
    let message = Outgoing {
        version: Version::V3,
        vrid: Vrid::new(vrid).ok_or("VRID 0")?,
        priority: Priority(priority),
        interval,
        addresses,
        auth: Auth::None,
    };
    let mut payload = Vec::new();
    let ends = Sum::PseudoHeader { source: IpAddr::V4(source), destination: IpAddr::V4(destination) };
    message.emit(ends, &mut payload)?;
    let header = ipv4::Header {
        source,
        destination,
        protocol: wire::PROTOCOL_VRRP,
        ttl: wire::HOP_LIMIT,
        traffic_class: wire::TRAFFIC_CLASS,
        identification: 0,
    };
    let mut datagram = Vec::new();
    header.emit(payload.len(), &mut datagram);
    datagram.extend_from_slice(&payload);
    Ok(Advert { datagram, group: destination, interface })
}

/// Writes a configuration; daemons find it under this name.
pub(crate) fn configure(machine: &Machine, text: &str) -> Result<PathBuf, Failure> {
    let file = machine.file("bench.conf");
    std::fs::write(&file, text)?;
    Ok(file)
}

/// Starts a daemon with a configuration.
pub(crate) fn start(party: Party, machine: &Machine, text: &str) -> Result<Daemon, Failure> {
    let file = configure(machine, text)?;
    let daemon = match party {
        Party::Standfast => machine.spawn(env!("CARGO_BIN_EXE_standfast"), |command| {
            command.args(["run", "-f"]).arg(&file);
        }),
        Party::Keepalived => machine.spawn(KEEPALIVED, |command| {
            command.args(["-n", "-l", "-f"]).arg(&file);
        }),
        Party::Floor => return Err("the floor is no daemon".into()),
    };
    Ok(daemon?)
}

/// Waits until each of the addresses was announced once, as captures of all cables tell; returns when the last was.
pub(crate) fn all_announced(
    captures: &[Capture],
    services: impl Iterator<Item = (u8, Ipv4Addr)> + Clone,
) -> Result<timeline::Instant, Failure> {
    let mut last = timeline::Instant::EPOCH;
    for (cable, capture) in captures.iter().enumerate() {
        let here = services.clone().filter(|(its, _)| usize::from(*its) == cable);
        let mut missing: BTreeSet<Ipv4Addr> = here.map(|(_, address)| address).collect();
        if missing.is_empty() {
            continue;
        }
        let end = capture.wait_for("the first gratuitous ARP of every address", LIMIT, |record| {
            gratuitous(&record.seen).is_some_and(|address| missing.remove(&address)) && missing.is_empty()
        })?;
        last = last.max(end.at);
    }
    Ok(last)
}

/// The address of a gratuitous ARP.
pub(crate) fn gratuitous(seen: &Option<Seen>) -> Option<Ipv4Addr> {
    match seen {
        Some(Seen::Arp(arp)) if arp.is_gratuitous() => Some(arp.target),
        _ => None,
    }
}

/// Captures ARP on all cables of a machine.
pub(crate) fn announcements(machine: &Machine, cables: u8) -> Result<Vec<Capture>, Failure> {
    Ok((0..cables).map(|number| Capture::resolution(machine, &cable(number))).collect::<Result<_, _>>()?)
}
