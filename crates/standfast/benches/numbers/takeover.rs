//! Takeover: how late the first gratuitous ARP of each address is after Active_Down was due, and how long a client
//! hears nothing.

use crate::figures::{
    Figures, Party, SILENCE_DELETED, SILENCE_POWER, SILENCE_STOP, TAKEOVER_1, TAKEOVER_1000, ms,
};
use crate::load::{self, PRIORITIES, gratuitous};
use crate::{Failure, LIMIT, Wish};
use lab::{Capture, Client, Daemon, Lab, Machine};
use linux::hand::Hand;
use linux::ledger::Ledger;
use linux::mailbox::Mailbox;
use node::io::{Act, Announcement, Hold, RouterId};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use timeline::Instant;
use wire::checksum::Sum;
use wire::message::{Auth, Outgoing};
use wire::{Interval, Mac, Priority, Version, Vrid, frame, ipv4};

/// So many instances with so many addresses each.
#[derive(Clone, Copy)]
struct Crash {
    instances: u8,
    addresses: u8,
}

impl Crash {
    const ONE: Self = Self { instances: 1, addresses: 1 };

    fn address(instance: u8, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 1, instance, number)
    }

    fn all(self) -> impl Iterator<Item = (u8, Ipv4Addr)> {
        let of = move |i| (1..=self.addresses).map(move |n| (i, Self::address(i, n)));
        (1..=self.instances).flat_map(of)
    }

    /// One advert of priority 150 for each instance, as a whole Ethernet frame.
    fn adverts(self, interface: u32) -> Result<Vec<Announcement>, Failure> {
        let source = Ipv4Addr::new(10, 0, 0, 5);
        let advert = |instance: u8| -> Result<Announcement, Failure> {
            let addresses: Vec<IpAddr> =
                (1..=self.addresses).map(|n| IpAddr::V4(Self::address(instance, n))).collect();
            let message = Outgoing {
                version: Version::V2,
                vrid: Vrid::new(instance).ok_or("VRID 0")?,
                priority: Priority(150),
                interval: Interval::SECOND,
                addresses: &addresses,
                auth: Auth::None,
            };
            let mut payload = Vec::new();
            message.emit(Sum::Message, &mut payload)?;
            let group = Mac::multicast(IpAddr::V4(wire::GROUP_V4)).ok_or("no group")?;
            let header = ipv4::Header {
                source,
                destination: wire::GROUP_V4,
                protocol: wire::PROTOCOL_VRRP,
                ttl: wire::HOP_LIMIT,
                traffic_class: wire::TRAFFIC_CLASS,
                identification: 0,
            };
            let mut bytes = frame::header(group, Mac([2, 0, 10, 0, 0, 5]), frame::ETHERTYPE_IPV4).to_vec();
            header.emit(payload.len(), &mut bytes);
            bytes.extend_from_slice(&payload);
            Ok(Announcement {
                interface,
                address: IpAddr::V4(Self::address(instance, 1)),
                frame: bytes.into(),
            })
        };
        (1..=self.instances).map(advert).collect()
    }

    fn configuration(self, priority: u8) -> String {
        let mut text = String::from("global_defs {\n    router_id bench\n}\n");
        for instance in 1..=self.instances {
            text += &format!(
                "vrrp_instance V{instance} {{\n    state BACKUP\n    interface eth0\n    virtual_router_id {instance}\n    \
                 priority {priority}\n    advert_int 1\n    virtual_ipaddress {{\n"
            );
            for number in 1..=self.addresses {
                text += &format!("        {}\n", Self::address(instance, number));
            }
            text += "    }\n}\n";
        }
        text
    }
}

/// Two machines with the daemon, and one that looks on.
struct Bench {
    lab: Lab,
    daemons: Vec<Daemon>,
}

impl Bench {
    fn start(party: Party, load: Crash) -> Result<Self, Failure> {
        let lab = Lab::builder()
            .machine("lb01", "10.0.0.5/8", None)
            .machine("lb02", "10.0.0.6/8", None)
            .machine("client", "10.0.0.9/8", None)
            .build()?;
        let mut daemons = Vec::new();
        for (name, priority) in ["lb01", "lb02"].into_iter().zip(PRIORITIES) {
            let machine = lab.machine(name)?;
            daemons.push(load::start(party, machine, &load.configuration(priority))?);
        }
        let bench = Self { lab, daemons };
        let last = load.all().last().map(|(_, address)| address).unwrap_or(Ipv4Addr::LOCALHOST);
        bench.lb01()?.wait_until_holds(IpAddr::V4(last), true, LIMIT)?;
        Ok(bench)
    }

    fn lb01(&self) -> Result<&Machine, Failure> {
        Ok(self.lab.machine("lb01")?)
    }

    /// Power lost: everything on lb01 stops at once.
    fn crash(&self) -> Result<(), Failure> {
        self.lab.cable(self.lb01()?).unplug()?;
        self.daemons[0].kill_crash()?;
        Ok(())
    }
}

/// The first gratuitous ARP of each address after its Master_Down was due; the worst of all addresses.
///
/// The Active router is played by the bench: it sends the adverts of all VRIDs at one moment and then falls
/// silent, so that both daemons face the same thing, everything being due at once.
fn lateness(party: Party, load: Crash) -> Result<Duration, Failure> {
    const ROUNDS: u32 = 5;
    let lab = Lab::builder()
        .machine("lb01", "10.0.0.5/8", None)
        .machine("lb02", "10.0.0.6/8", None)
        .machine("client", "10.0.0.9/8", None)
        .build()?;
    let (lb01, lb02) = (lab.machine("lb01")?, lab.machine("lb02")?);
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    // The hand sends whatever frames it is given, in batches.
    let herald = lb01.within(|| Hand::start(Arc::new(Mailbox::new()?), Ledger::create(1)?))??;
    let adverts: Arc<[Announcement]> = load.adverts(lb01.link_index("eth0")?)?.into();
    let _daemon = load::start(party, lb02, &load.configuration(PRIORITIES[1]))?;
    let begun = std::time::Instant::now();
    for round in 1..=ROUNDS {
        herald.push(Hold {
            router: RouterId(round),
            epoch: 1,
            act: Act::Announce { announcements: adverts.clone(), rounds: 1, gap: Duration::ZERO },
        });
        if round < ROUNDS {
            std::thread::sleep(
                (begun + Duration::from_secs(1) * round).saturating_duration_since(std::time::Instant::now()),
            );
        }
    }
    // Whichever is announced last: all are there once each was seen.
    let mut first = BTreeMap::<Ipv4Addr, Instant>::new();
    capture.wait_for("the first gratuitous ARP of every address", LIMIT, |r| {
        if let Some(address) = gratuitous(&r.seen) {
            first.entry(address).or_insert(r.at);
        }
        first.len() == load.all().count()
    })?;
    let down = Duration::from_secs(3) + Duration::from_secs(1) * (256 - 100) / 256;
    let mut due = BTreeMap::<u8, Instant>::new();
    for record in capture.records() {
        if let Some((vrid, 150)) = record.advert() {
            due.insert(vrid, record.at + down);
        }
    }
    if capture.dropped() > 0 {
        return Err("the capture lost frames: the machine is too busy to measure".into());
    }
    let late = load.all().filter_map(|(vrid, address)| Some(first.get(&address)?.since(*due.get(&vrid)?)));
    Ok(late.max().unwrap_or_default())
}

/// The floor: addresses through bare netlink, in as few calls as it takes, and then their gratuitous ARPs.
fn bare(load: Crash) -> Result<Duration, Failure> {
    let lab =
        Lab::builder().machine("lb02", "10.0.0.6/8", None).machine("client", "10.0.0.9/8", None).build()?;
    let lb02 = lab.machine("lb02")?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let (interface, mac) = (lb02.link_index("eth0")?, lb02.mac("eth0")?);
    let requests: Vec<_> = load
        .all()
        .map(|(_, address)| linux::netlink::Request::add_address(interface, IpAddr::V4(address), 32))
        .collect();
    let target = wire::arp::TargetHardware::Broadcast;
    let frames: Vec<_> =
        load.all().map(|(_, address)| wire::arp::gratuitous_request(mac, address, target)).collect();
    let begun = lab::now();
    {
        let mut netlink = lb02.netlink();
        for slice in requests.chunks(linux::netlink::SLICE) {
            let mut answers = Vec::new();
            netlink.slice(slice, &mut answers).map_err(|why| format!("set addresses: {why}"))?;
        }
    }
    lab::floor::frames(lb02, interface, &frames)?;
    let mut first = BTreeMap::<Ipv4Addr, Instant>::new();
    capture.wait_for("the gratuitous ARP of every address", LIMIT, |record| {
        if let Some(address) = gratuitous(&record.seen) {
            first.entry(address).or_insert(record.at);
        }
        first.len() == load.all().count()
    })?;
    Ok(first.into_values().max().unwrap_or(begun).since(begun))
}

/// What is done to the Active router.
#[derive(Clone, Copy)]
enum Blow {
    OrderlyStop,
    PowerLost,
    AddressDeleted,
}

/// The longest time in which a client that asks every 2 ms heard nothing.
fn silence(party: Party, blow: Blow) -> Result<Duration, Failure> {
    let bench = Bench::start(party, Crash::ONE)?;
    let target = IpAddr::V4(Crash::address(1, 1));
    let client = Client::start_every(bench.lab.machine("client")?, target, Duration::from_millis(2))?;
    client.wait_for_answer(LIMIT)?;
    let begun = lab::now();
    let lb01 = bench.lb01()?;
    match blow {
        Blow::OrderlyStop => bench.daemons[0].term()?,
        Blow::PowerLost => bench.crash()?,
        Blow::AddressDeleted => lb01.del_address("eth0", "10.1.1.1/32".parse()?)?,
    }
    let by = match blow {
        Blow::AddressDeleted => lb01.mac("eth0")?,
        Blow::OrderlyStop | Blow::PowerLost => bench.lab.machine("lb02")?.mac("eth0")?,
    };
    if matches!(blow, Blow::AddressDeleted) {
        // Whether the daemon notices at once or much later, it must be the same machine that answers in the end.
        let watch = lb01.watch_addresses()?;
        if !lb01.holds(target)? {
            watch.wait_for_address(0, target, LIMIT)?;
        }
    }
    client.wait_for_answer_by(by, LIMIT)?;
    Ok(client.timeline().since(begun).longest_silence())
}

pub(crate) fn one(party: Party, _: &Wish) -> Result<Figures, Failure> {
    takeover(party, Crash::ONE).map(|late| Figures::of(TAKEOVER_1, ms(late)))
}

pub(crate) fn thousand(party: Party, _: &Wish) -> Result<Figures, Failure> {
    takeover(party, Crash { instances: 50, addresses: 20 }).map(|late| Figures::of(TAKEOVER_1000, ms(late)))
}

fn takeover(party: Party, load: Crash) -> Result<Duration, Failure> {
    if party == Party::Floor { bare(load) } else { lateness(party, load) }
}

pub(crate) fn orderly_stop(party: Party, _: &Wish) -> Result<Figures, Failure> {
    silence(party, Blow::OrderlyStop).map(|time| Figures::of(SILENCE_STOP, ms(time)))
}

pub(crate) fn power_lost(party: Party, _: &Wish) -> Result<Figures, Failure> {
    silence(party, Blow::PowerLost).map(|time| Figures::of(SILENCE_POWER, ms(time)))
}

pub(crate) fn address_deleted(party: Party, _: &Wish) -> Result<Figures, Failure> {
    silence(party, Blow::AddressDeleted).map(|time| Figures::of(SILENCE_DELETED, ms(time)))
}
