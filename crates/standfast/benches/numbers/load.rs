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
/// Cables between the two machines: a VRID is one of 255 on each.
pub(crate) const CABLES: [&str; 4] = ["hb0", "hb1", "hb2", "hb3"];
/// Virtual routers on each cable.
pub(crate) const EACH: u8 = 250;
/// All virtual routers.
pub(crate) const COUNT: u32 = 1000;
/// The VRIDs on each cable whose adverts are looked at.
pub(crate) const SAMPLE: [u8; 5] = [1, 63, 125, 188, 250];
/// The priorities of the two machines.
pub(crate) const PRIORITIES: [u8; 2] = [150, 100];

/// Two machines with four cables between them.
pub(crate) fn pair() -> Result<Lab, Failure> {
    let lab =
        Lab::builder().machine("lb01", "10.0.0.5/24", None).machine("lb02", "10.0.0.6/24", None).build()?;
    for (number, name) in CABLES.iter().enumerate() {
        let end = |machine: u8| -> Result<Cidr, Failure> {
            Ok(Cidr { address: IpAddr::V4(own(u8::try_from(number)?, machine)), prefix: 24 })
        };
        lab.join(name, [(lab.machine("lb01")?, end(5)?), (lab.machine("lb02")?, end(6)?)])?;
    }
    Ok(lab)
}

/// A machine's own address on a cable; the first is .5, the second .6.
pub(crate) const fn own(cable: u8, machine: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 20 + cable, 0, machine)
}

/// The address of a virtual router.
pub(crate) const fn service(cable: u8, vrid: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 30 + cable, vrid, 1)
}

/// A thousand virtual routers with one address each, in version 3.
#[derive(Clone, Copy)]
pub(crate) struct Thousand {
    pub(crate) centiseconds: u16,
    pub(crate) priority: u8,
    /// One more than a thousand.
    pub(crate) one_more: bool,
}

impl Thousand {
    pub(crate) const fn every(centiseconds: u16, priority: u8) -> Self {
        Self { centiseconds, priority, one_more: false }
    }

    pub(crate) const fn interval(self) -> Duration {
        Duration::from_millis(self.centiseconds as u64 * 10)
    }

    /// Active_Down_Interval (RFC 9568 section 6.1).
    pub(crate) fn down(self) -> Duration {
        let skew = self.interval() * (256 - u32::from(self.priority)) / 256;
        self.interval() * 3 + skew
    }

    /// The instances: cable and VRID.
    pub(crate) fn instances(self) -> impl Iterator<Item = (u8, u8)> + Clone {
        let cables = 0..CABLES.len() as u8;
        let extra = self.one_more.then_some((0, EACH + 1));
        cables.flat_map(|cable| (1..=EACH).map(move |vrid| (cable, vrid))).chain(extra)
    }

    pub(crate) fn text(self) -> String {
        let mut text = String::from(
            "global_defs {\n    router_id bench\n    vrrp_version 3\n    vrrp_garp_master_delay 1\n}\n",
        );
        let seconds = f64::from(self.centiseconds) / 100.0;
        for (cable, vrid) in self.instances() {
            let (interface, address) = (CABLES[usize::from(cable)], service(cable, vrid));
            let _ = write!(
                text,
                "vrrp_instance V{cable}_{vrid} {{\n    state BACKUP\n    interface {interface}\n    \
                 virtual_router_id {vrid}\n    priority {}\n    advert_int {seconds}\n    \
                 virtual_ipaddress {{\n        {address}\n    }}\n}}\n",
                self.priority
            );
        }
        text
    }

    /// The same as frames from the first machine.
    pub(crate) fn adverts(self, machine: &Machine) -> Result<Vec<Advert>, Failure> {
        let interfaces = CABLES.iter().map(|name| machine.link_index(name)).collect::<Result<Vec<_>, _>>()?;
        let interval = Interval::from_centis(self.centiseconds).ok_or("no interval")?;
        // One of each cable after the other, as a daemon would have them after some time.
        let mut all: Vec<_> = self.instances().collect();
        all.sort_by_key(|(cable, vrid)| (*vrid, *cable));
        let advert = |(cable, vrid): (u8, u8)| -> Result<Advert, Failure> {
            let (source, destination) = (own(cable, 5), wire::GROUP_V4);
            let message = Outgoing {
                version: Version::V3,
                vrid: Vrid::new(vrid).ok_or("VRID 0")?,
                priority: Priority(self.priority),
                interval,
                addresses: &[IpAddr::V4(service(cable, vrid))],
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
            Ok(Advert { datagram, group: destination, interface: interfaces[usize::from(cable)] })
        };
        all.into_iter().map(advert).collect()
    }
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

/// Waits until each of the instances was announced once, as captures of all cables tell; returns when the last was.
pub(crate) fn all_announced(
    captures: &[Capture],
    instances: impl Iterator<Item = (u8, u8)> + Clone,
) -> Result<timeline::Instant, Failure> {
    let mut last = timeline::Instant::EPOCH;
    for (cable, capture) in captures.iter().enumerate() {
        let here = instances.clone().filter(|(its, _)| usize::from(*its) == cable);
        let mut missing: BTreeSet<Ipv4Addr> = here.map(|(its, vrid)| service(its, vrid)).collect();
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
pub(crate) fn announcements(machine: &Machine) -> Result<Vec<Capture>, Failure> {
    Ok(CABLES.iter().map(|name| Capture::resolution(machine, name)).collect::<Result<_, _>>()?)
}
