//! What a seed means: a cluster, and a storm that comes over it.

use crate::cluster::{Cluster, Member, Port};
use crate::lan::Path;
use crate::random::Random;
use crate::scene::{Scene, Step};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use model::{Authentication, ChecksumForm, Host, Instance, Transport, VirtualAddress};
use timeline::{Duration, Instant};
use vrrp::Settings;
use wire::{Family, Interval, Priority, Version, Vrid};

/// When the storm is over and everything is healed.
pub(crate) const STORM: Instant = Instant::from_nanos(60_000_000_000);
/// So long nothing may change after everything has settled.
pub(crate) const QUIET: Duration = Duration::from_secs(10);
/// When the first thing of the storm may happen.
const CALM: u64 = 6_000;

/// A cluster and its storm.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The configuration of each machine when all is well.
    pub(crate) hosts: Vec<Host>,
    /// What the hands need for one order when all is well.
    pub(crate) hand: Duration,
    steps: Vec<(Instant, Step)>,
    seed: u64,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let machines = 2 + random.index(3);
        let hosts = cluster(random, machines);
        // Some worlds have slow kernels: then minds change while something is being set.
        let hand = if random.permille(250) { random.millis(1, 250) } else { Duration::from_micros(300) };
        let mut plan = Self { hosts, hand, steps: Vec::new(), seed: 0 };
        for n in 0..machines {
            plan.steps.push((Instant::EPOCH + random.millis(0, 3_000), Step::Start(n)));
        }
        for _ in 0..random.index(13) {
            plan.add_trouble(random);
        }
        plan.steps.retain(|(at, _)| *at < STORM);
        plan.steps.push((STORM, Step::Heal));
        plan.seed = random.next();
        plan
    }

    /// The same as a scene, until everything is over.
    pub(crate) fn scene(&self) -> Scene {
        let members = self.hosts.iter().enumerate().map(|(n, host)| {
            let (name, addresses) = (format!("node{}", n + 1).into(), own(n).into());
            let port = Port { name: "eth0".into(), segment: 0, addresses };
            Member { name, host: host.clone(), interfaces: [port].into() }
        });
        let steps = self.steps.iter().map(|(at, step)| (at.since(Instant::EPOCH), step.clone()));
        let length = STORM.since(Instant::EPOCH) + self.bound() + QUIET;
        let cluster = Cluster { machines: members.collect() };
        Scene { cluster, steps: steps.collect(), length, seed: self.seed }
    }

    /// One thing that goes wrong, and later right again.
    fn add_trouble(&mut self, random: &mut Random) {
        let machines = self.hosts.len();
        let from = Instant::EPOCH + random.millis(CALM, 58_000);
        let until = from + random.millis(1, 12_000);
        let n = random.index(machines);
        let other = (n + 1 + random.index(machines - 1)) % machines;
        let address = self.an_address(random);
        let machine = n;
        let path = |path| Step::Path { segment: None, from: n, to: other, path };
        let freeze = |time| Step::Freeze { machine, time };
        let stall = |time| Step::Stall { machine, time };
        let reload = |host: Host| Step::Reload { machine, host: Box::new(host), reading: Duration::ZERO };
        let eth0 = || "eth0".into();
        let pair = match random.below(16) {
            0 => (Step::Crash { machine, cleaned: true }, Step::Start(n)),
            1 => {
                // What it leaves behind may be of no configuration any more.
                self.steps.push((from - Duration::from_secs(2), reload(self.changed(random, n))));
                let host = Box::new(self.hosts.get(n).cloned().unwrap_or_default());
                self.steps.push((from, Step::Edit { machine, host }));
                (Step::Crash { machine, cleaned: false }, Step::Start(n))
            }
            2 => (Step::Stop(n), Step::Start(n)),
            3 => {
                let base = self.hosts.get(n).cloned().unwrap_or_default();
                (reload(self.changed(random, n)), reload(base))
            }
            4 => (freeze(until.since(from)), Step::Overrun(n)),
            5 => (freeze(random.millis(1, 1_500)), stall(random.millis(1, 500))),
            6 => (stall(random.millis(1, 400)), stall(random.millis(1, 400))),
            7 => {
                let hand = |time| Step::Hand { machine, time };
                (hand(random.millis(1, 400)), hand(self.hand))
            }
            8 => {
                let up = |up| Step::Up { machine, interface: eth0(), up };
                (up(false), up(true))
            }
            9 => {
                let cable = |on| Step::Carrier { machine, interface: eth0(), on };
                (cable(false), cable(true))
            }
            10 => (Step::Steal { machine, address }, Step::Steal { machine, address }),
            11 => {
                let refuse = |refused| Step::Refuse { machine, address, refused };
                (refuse(true), refuse(false))
            }
            12 => (Step::Unseen { machine, address }, Step::Overrun(other)),
            13 => return self.cut_off(n, from, until),
            14 => (path(Path::CUT), path(Path::GOOD)),
            _ => {
                let bad = Path {
                    lost: random.below(700),
                    doubled: random.below(300),
                    delay: random.millis(0, 50),
                    jitter: random.millis(1, 300),
                    ..Path::GOOD
                };
                (path(bad), path(Path::GOOD))
            }
        };
        self.steps.push((from, pair.0));
        self.steps.push((until, pair.1));
    }

    /// One machine is alone for a while.
    fn cut_off(&mut self, n: usize, from: Instant, until: Instant) {
        for other in (0..self.hosts.len()).filter(|other| *other != n) {
            for (at, path) in [(from, Path::CUT), (until, Path::GOOD)] {
                self.steps.push((at, Step::Path { segment: None, from: n, to: other, path }));
                self.steps.push((at, Step::Path { segment: None, from: other, to: n, path }));
            }
        }
    }

    fn an_address(&self, random: &mut Random) -> IpAddr {
        let all: Vec<IpAddr> =
            self.hosts.iter().flat_map(|host| &host.instances).flat_map(addresses).collect();
        all.get(random.index(all.len())).copied().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// The configuration of one machine with something about it changed that its peers need not know.
    fn changed(&self, random: &mut Random, n: usize) -> Host {
        let mut host = self.hosts.get(n).cloned().unwrap_or_default();
        let at = random.index(host.instances.len());
        let Some(instance) = host.instances.get_mut(at) else { return host };
        match random.below(5) {
            0 => instance.settings.priority = priority(random),
            1 => instance.settings.preempt ^= true,
            2 => instance.addresses.push(virtual_address(instance.settings.family, 200)),
            3 if instance.addresses.len() > 1 => instance.addresses.truncate(1),
            3 => instance.settings.announce.refresh = Duration::from_secs(2),
            _ => {
                host.instances.remove(at);
            }
        }
        host
    }

    /// How long it may take until everything is as it should be after the storm.
    pub(crate) fn bound(&self) -> Duration {
        let fought = |(_, step): &(Instant, Step)| {
            matches!(step, Step::Refuse { .. } | Step::Steal { .. } | Step::Unseen { .. })
        };
        // Down and skew, the delay before preemption, adverts until everybody knows.
        let settle = Duration::from_secs(10);
        // After a refusal or a fight an instance waits for up to 40 s before it tries once more.
        if self.steps.iter().any(fought) { settle + Duration::from_secs(45) } else { settle }
    }
}

/// All addresses of an instance.
pub(crate) fn addresses(instance: &Instance) -> impl Iterator<Item = IpAddr> + '_ {
    instance.held_addresses().map(|held| held.address)
}

/// What machine `n` has of its own: address and prefix.
pub(crate) fn own(n: usize) -> [(IpAddr, u8); 2] {
    let n = u8::try_from(n + 1).unwrap_or(u8::MAX);
    [
        (IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)), 24),
        (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(n))), 64),
    ]
}

fn virtual_address(family: Family, last: u8) -> VirtualAddress {
    VirtualAddress::host(match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last))),
    })
}

/// Few different ones, so that some are equal; now and then the owner's.
fn priority(random: &mut Random) -> Priority {
    Priority([50, 99, 100, 100, 101, 150, 200, 254, 255][random.index(9)])
}

/// The same virtual routers on every machine, each with a priority of its own.
fn cluster(random: &mut Random, machines: usize) -> Vec<Host> {
    let mut hosts: Vec<Host> = (0..machines).map(|_| Host::default()).collect();
    for which in 0..=u8::from(random.permille(500)) {
        let (version, family) =
            [(Version::V2, Family::V4), (Version::V3, Family::V4), (Version::V3, Family::V6)]
                [random.index(3)];
        let Some(vrid) = Vrid::new(51 + which) else { continue };
        let mut settings = Settings::new(version, family, vrid);
        settings.preempt = random.permille(800);
        if random.permille(200) {
            settings.preempt_delay = random.millis(1, 3_000);
        }
        if version == Version::V3 && random.permille(300) {
            settings.interval = Interval::from_centis(20).unwrap_or(Interval::SECOND);
        }
        let first = 101 + which * 10;
        let count = u8::try_from(1 + random.below(3)).unwrap_or(1);
        let addresses: Vec<_> = (first..first + count).map(|last| virtual_address(family, last)).collect();
        for host in &mut hosts {
            settings.priority = priority(random);
            host.instances.push(instance(which, settings.clone(), addresses.clone()));
        }
    }
    hosts
}

pub(crate) fn instance(which: u8, settings: Settings, addresses: Vec<VirtualAddress>) -> Instance {
    Instance {
        name: format!("VI_{}", which + 1).into(),
        interface: "eth0".into(),
        settings,
        wants_active: false,
        transport: Transport::Multicast { group: None, source: None },
        authentication: Authentication::None,
        checksum: ChecksumForm::default(),
        addresses,
        excluded: Vec::new(),
        track_interfaces: Vec::new(),
        tracking: model::Tracking::default(),
        ignore_own_link: false,
        track_source: false,
        notify: model::Notify::default(),
        strict: false,
        arp_gap: Duration::ZERO,
        na_gap: Duration::ZERO,
        skip_check_known_leader: false,
        check_unicast_source: false,
    }
}
