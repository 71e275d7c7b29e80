//! What a seed means: a cluster, and a storm that comes over it.

use crate::lan::Path;
use crate::random::Random;
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

/// Something that happens to the world.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The daemon is started.
    Start(usize),
    /// The daemon is told to end.
    Stop(usize),
    /// The daemon dies; whether its supervisor removes what it held.
    Crash(usize, bool),
    /// The daemon reads another configuration.
    Reload(usize, Box<Host>),
    /// Nothing on the machine runs for so long; time goes on.
    Freeze(usize, Duration),
    /// The thread that sends adverts does not run for so long.
    Stall(usize, Duration),
    /// What the hand needs for each order from now on.
    Hand(usize, Duration),
    /// The interface is set up or down.
    Up(usize, bool),
    /// The cable is plugged in or pulled.
    Carrier(usize, bool),
    /// Somebody removes a virtual address.
    Steal(usize, IpAddr),
    /// Somebody removes a virtual address, and the notification of it is lost.
    Unseen(usize, IpAddr),
    /// The kernel refuses to set an address from now on, or no longer.
    Refuse(usize, IpAddr, bool),
    /// Notifications and adverts were lost because nobody fetched them.
    Overrun(usize),
    /// What happens to frames from the first to the second from now on.
    Path(usize, usize, Path),
    /// The storm is over.
    Heal,
}

/// A cluster and its storm.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The configuration of each machine when all is well.
    pub(crate) hosts: Vec<Host>,
    /// What the hands need for one order when all is well.
    pub(crate) hand: Duration,
    /// In the order of time.
    pub(crate) steps: Vec<(Instant, Step)>,
}

impl Plan {
    pub(crate) fn new(random: &mut Random) -> Self {
        let machines = 2 + random.index(3);
        let hosts = cluster(random, machines);
        // Some worlds have slow kernels: then minds change while something is being set.
        let hand = if random.permille(250) { random.millis(1, 250) } else { Duration::from_micros(300) };
        let mut plan = Self { hosts, hand, steps: Vec::new() };
        for n in 0..machines {
            plan.steps.push((Instant::EPOCH + random.millis(0, 3_000), Step::Start(n)));
        }
        for _ in 0..random.index(13) {
            plan.add_trouble(random);
        }
        plan.steps.retain(|(at, _)| *at < STORM);
        plan.steps.push((STORM, Step::Heal));
        // Stable: what happens at the same moment happens in the order in which it was thought of.
        plan.steps.sort_by_key(|(at, _)| *at);
        plan
    }

    /// One thing that goes wrong, and later right again.
    fn add_trouble(&mut self, random: &mut Random) {
        let machines = self.hosts.len();
        let from = Instant::EPOCH + random.millis(CALM, 58_000);
        let until = from + random.millis(1, 12_000);
        let n = random.index(machines);
        let other = (n + 1 + random.index(machines - 1)) % machines;
        let address = self.an_address(random);
        let pair = match random.below(16) {
            0 => (Step::Crash(n, true), Step::Start(n)),
            1 => {
                // What it leaves behind may be of no configuration any more.
                let changed = Box::new(self.changed(random, n));
                self.steps.push((from - Duration::from_secs(2), Step::Reload(n, changed)));
                (Step::Crash(n, false), Step::Start(n))
            }
            2 => (Step::Stop(n), Step::Start(n)),
            3 => {
                let changed = self.changed(random, n);
                let base = self.hosts.get(n).cloned().unwrap_or_default();
                (Step::Reload(n, Box::new(changed)), Step::Reload(n, Box::new(base)))
            }
            4 => (Step::Freeze(n, until.since(from)), Step::Overrun(n)),
            5 => (Step::Freeze(n, random.millis(1, 1_500)), Step::Stall(n, random.millis(1, 500))),
            6 => (Step::Stall(n, random.millis(1, 400)), Step::Stall(n, random.millis(1, 400))),
            7 => (Step::Hand(n, random.millis(1, 400)), Step::Hand(n, self.hand)),
            8 => (Step::Up(n, false), Step::Up(n, true)),
            9 => (Step::Carrier(n, false), Step::Carrier(n, true)),
            10 => (Step::Steal(n, address), Step::Steal(n, address)),
            11 => (Step::Refuse(n, address, true), Step::Refuse(n, address, false)),
            12 => (Step::Unseen(n, address), Step::Overrun(other)),
            13 => return self.cut_off(n, from, until),
            14 => (Step::Path(n, other, Path { cut: true, ..Path::GOOD }), Step::Path(n, other, Path::GOOD)),
            _ => {
                let bad = Path {
                    cut: false,
                    lost: random.below(700),
                    doubled: random.below(300),
                    delay: random.millis(0, 50),
                    jitter: random.millis(1, 300),
                };
                (Step::Path(n, other, bad), Step::Path(n, other, Path::GOOD))
            }
        };
        self.steps.push((from, pair.0));
        self.steps.push((until, pair.1));
    }

    /// One machine is alone for a while.
    fn cut_off(&mut self, n: usize, from: Instant, until: Instant) {
        let cut = Path { cut: true, ..Path::GOOD };
        for other in (0..self.hosts.len()).filter(|other| *other != n) {
            for (at, path) in [(from, cut), (until, Path::GOOD)] {
                self.steps.push((at, Step::Path(n, other, path)));
                self.steps.push((at, Step::Path(other, n, path)));
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
            matches!(step, Step::Refuse(..) | Step::Steal(..) | Step::Unseen(..))
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

fn instance(which: u8, settings: Settings, addresses: Vec<VirtualAddress>) -> Instance {
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
