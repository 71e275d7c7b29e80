//! What goes wrong, and later right again.

use super::addresses;
use super::cluster::{priority, virtual_address};
use super::tracked::{FILE, PROCESS, SCRIPT};
use crate::cluster::Cluster;
use crate::forge::Forgery;
use crate::lan::Path;
use crate::programs::Course;
use crate::random::Random;
use crate::scene::Step;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use model::{Flaw, Host, Rare, Tracking};
use node::io::{Ending, Errno, Reason, Unread};
use timeline::{Duration, Instant};

/// When the first thing of the storm may happen, and when the last one begins.
const CALM: u64 = 6_000;
const LAST: u64 = 58_000;

/// Up to sixteen troubles.
pub(super) fn any(random: &mut Random, cluster: &Cluster, hand: Duration) -> Vec<(Instant, Step)> {
    let mut storm = Storm { cluster, hand, steps: Vec::new() };
    let mut before = Instant::EPOCH + Duration::from_millis(CALM);
    for _ in 0..random.index(17) {
        // Troubles seldom come alone: some begin while the one before is being dealt with.
        let from = if random.permille(300) {
            before + random.millis(0, 4_500)
        } else {
            Instant::EPOCH + random.millis(CALM, LAST)
        };
        before = from;
        Trouble::any(random, &mut storm, from).happen(random);
    }
    storm.steps
}

struct Storm<'a> {
    cluster: &'a Cluster,
    /// What the hands need for one order when all is well.
    hand: Duration,
    steps: Vec<(Instant, Step)>,
}

/// One thing that goes wrong, on which machine and how long.
struct Trouble<'a, 'b> {
    storm: &'a mut Storm<'b>,
    machine: usize,
    /// Another machine.
    other: usize,
    from: Instant,
    until: Instant,
}

impl<'a, 'b> Trouble<'a, 'b> {
    fn any(random: &mut Random, storm: &'a mut Storm<'b>, from: Instant) -> Self {
        let machines = storm.cluster.machines.len();
        let machine = random.index(machines);
        let other = (machine + 1 + random.index(machines - 1)) % machines;
        let is_short = random.permille(250);
        let until = from + if is_short { random.millis(0, 300) } else { random.millis(1, 12_000) };
        Self { storm, machine, other, from, until }
    }

    fn happen(mut self, random: &mut Random) {
        let tracks = self.base();
        let is_tracking =
            !(tracks.scripts.is_empty() && tracks.files.is_empty() && tracks.processes.is_empty());
        if is_tracking && random.permille(300) {
            return self.of_program(random, &tracks);
        }
        match random.below(11) {
            8 => self.of_interface(random),
            9 | 10 => self.of_stranger(random),
            0 | 1 => self.of_daemon(random),
            2 => self.of_machine(random),
            3 => self.of_thread(random),
            4 => self.of_link(random),
            5 => self.of_address(random),
            6 => self.of_path(random),
            _ => self.of_segment(random),
        }
    }

    fn first(&mut self, step: Step) {
        self.storm.steps.push((self.from, step));
    }

    fn then(&mut self, step: Step) {
        self.storm.steps.push((self.until, step));
    }

    fn of_daemon(&mut self, random: &mut Random) {
        let machine = self.machine;
        let changed = Box::new(self.changed(random));
        let base = self.base();
        let reading = if random.permille(300) { random.millis(0, 4_000) } else { Duration::ZERO };
        match random.below(9) {
            7 => self.first(Step::Replace { machine, time: random.millis(10, 400) }),
            8 => {
                // It hangs for a while first, and the next one may be slow, or fall as well.
                self.first(Step::Stall { machine, time: Duration::from_secs(4) });
                let at = self.from + random.millis(0, 3_500);
                self.storm.steps.push((at, Step::Replace { machine, time: random.millis(10, 3_000) }));
                let again = at + random.millis(0, 30_000);
                self.storm.steps.push((again, Step::Replace { machine, time: random.millis(10, 400) }));
            }
            6 => {
                self.first(Step::Abandon(machine));
                self.then(Step::Start(machine));
            }
            0 => {
                self.first(Step::Crash { machine, cleaned: true });
                self.then(Step::Start(machine));
            }
            1 => {
                self.first(Step::Crash { machine, cleaned: false });
                self.then(Step::Start(machine));
            }
            2 => {
                // What it leaves behind may be of no configuration any more.
                let before = self.from - Duration::from_secs(2);
                self.storm
                    .steps
                    .push((before, Step::Reload { machine, host: changed, reading: Duration::ZERO }));
                self.first(Step::Edit { machine, host: base });
                self.first(Step::Crash { machine, cleaned: false });
                self.then(Step::Start(machine));
            }
            3 => {
                self.first(Step::Stop(machine));
                self.then(Step::Start(machine));
            }
            4 => {
                self.first(Step::Reload { machine, host: changed, reading });
                self.then(Step::Reload { machine, host: base, reading });
            }
            // In the middle of a failover.
            _ => {
                let other = self.other;
                self.first(Step::Crash { machine: other, cleaned: random.permille(500) });
                let soon = self.from + random.millis(2_500, 4_200);
                self.storm.steps.push((soon, Step::Reload { machine, host: changed, reading }));
                self.until = self.until.max(soon);
                self.then(Step::Start(other));
                self.then(Step::Reload { machine, host: base, reading: Duration::ZERO });
            }
        }
    }

    fn of_machine(&mut self, random: &mut Random) {
        let (machine, time) = (self.machine, self.until.since(self.from));
        match random.below(5) {
            0 => {
                self.first(Step::PowerLost(machine));
                self.then(Step::Start(machine));
            }
            1 => self.first(Step::Suspend { machine, time }),
            2 => self.first(Step::Pause { machine, time }),
            3 => {
                self.first(Step::Freeze { machine, time });
                self.then(Step::Overrun(machine));
            }
            _ => {
                let sizes = [1, 100, 1_000, 10_000, 3_600_000];
                let millis = sizes[random.index(sizes.len())];
                self.first(Step::Wall { machine, millis });
                self.then(Step::Wall { machine, millis: -millis });
            }
        }
    }

    fn of_thread(&mut self, random: &mut Random) {
        let machine = self.machine;
        match random.below(6) {
            0 => {
                self.first(Step::Freeze { machine, time: random.millis(1, 1_500) });
                self.then(Step::Stall { machine, time: random.millis(1, 500) });
            }
            1 => {
                self.first(Step::Stall { machine, time: random.millis(1, 400) });
                self.then(Step::Stall { machine, time: random.millis(1, 4_000) });
            }
            2 => {
                self.first(Step::Hand { machine, time: random.millis(1, 400) });
                let time = self.storm.hand;
                self.then(Step::Hand { machine, time });
            }
            3 => {
                self.first(Step::Desk { machine, time: random.millis(1, 8_000) });
                let (host, reading) = (Box::new(self.changed(random)), random.millis(0, 2_000));
                self.first(Step::Reload { machine, host, reading });
                let host = self.base();
                self.then(Step::Reload { machine, host, reading });
            }
            4 => {
                self.first(Step::Desk { machine, time: random.millis(1, 8_000) });
                self.first(Step::Stop(machine));
                self.then(Step::Start(machine));
            }
            _ => self.first(Step::Overrun(machine)),
        }
    }

    fn of_link(&mut self, random: &mut Random) {
        let (machine, interface) = (self.machine, self.an_interface(random));
        if random.permille(200) {
            // A loose plug.
            let mut at = self.from;
            for on in (0..2 + 2 * random.index(5)).map(|n| n % 2 == 1) {
                self.storm.steps.push((at, Step::Carrier { machine, interface: interface.clone(), on }));
                at += random.millis(0, 700);
            }
        } else if random.permille(500) {
            self.first(Step::Up { machine, interface: interface.clone(), up: false });
            self.then(Step::Up { machine, interface, up: true });
        } else {
            self.first(Step::Carrier { machine, interface: interface.clone(), on: false });
            self.then(Step::Carrier { machine, interface, on: true });
        }
    }

    /// An interface is not what it was.
    fn of_interface(&mut self, random: &mut Random) {
        let (machine, interface) = (self.machine, self.an_interface(random));
        match random.below(3) {
            0 => {
                self.first(Step::Present { machine, interface: interface.clone(), present: false });
                self.then(Step::Present { machine, interface, present: true });
            }
            1 => {
                let name: Arc<str> = "other".into();
                self.first(Step::Rename { machine, interface: interface.clone(), name: name.clone() });
                self.then(Step::Rename { machine, interface: name, name: interface });
            }
            _ => {
                self.first(Step::Own { machine, interface: interface.clone(), there: false });
                self.then(Step::Own { machine, interface, there: true });
            }
        }
    }

    /// Somebody on the segment lies.
    fn of_stranger(&mut self, random: &mut Random) {
        let machine = self.machine;
        let mut at = self.from;
        for _ in 0..1 + random.index(30) {
            let instance = random.index(self.base().instances.len().max(1));
            let forgery = Forgery::ALL.get(random.index(Forgery::ALL.len())).copied();
            let priority = [0, 1, 200, 254, 255][random.index(5)];
            let forged = forgery.map(|forgery| Step::Forged { machine, instance, forgery, priority });
            self.storm.steps.extend(forged.map(|step| (at, step)));
            at += random.millis(0, 700);
        }
    }

    fn of_address(&mut self, random: &mut Random) {
        let (machine, address) = (self.machine, self.an_address(random));
        match random.below(5) {
            3 => {
                // A thief who comes back, which is a fight.
                let mut at = self.from;
                for _ in 0..3 + random.index(12) {
                    self.storm.steps.push((at, Step::Steal { machine, address }));
                    at += random.millis(0, 900);
                }
            }
            4 => {
                // Nothing can be set any more.
                for address in self.all_addresses() {
                    self.first(Step::Refuse { machine, address, refused: true });
                    self.then(Step::Refuse { machine, address, refused: false });
                }
            }
            0 => {
                self.first(Step::Steal { machine, address });
                self.then(Step::Steal { machine, address });
            }
            1 => {
                self.first(Step::Refuse { machine, address, refused: true });
                self.then(Step::Refuse { machine, address, refused: false });
            }
            _ => self.first(Step::Unseen { machine, address }),
        }
    }

    /// What is tracked fails, and comes back.
    fn of_program(&mut self, random: &mut Random, host: &Host) {
        let machine = self.machine;
        match random.below(3) {
            0 if !host.files.is_empty() => {
                let file = |value| Step::File { machine, file: FILE.into(), value };
                let values =
                    [Ok(-200), Ok(-30), Ok(-1_000), Ok(100_000), Err(Unread::Absent), Err(Unread::Garbage)];
                self.first(file(values[random.index(values.len())]));
                self.then(file(Ok(0)));
            }
            1 if !host.processes.is_empty() => {
                let processes = |count| Step::Processes { machine, process: PROCESS.into(), count };
                self.first(processes(if random.permille(900) { Ok(0) } else { Err(Errno(1)) }));
                self.then(processes(Ok(2)));
            }
            _ => {
                let after = random.millis(1, 3_000);
                let courses = [
                    Course::FAILS,
                    Course::FAILS,
                    Course::Ends { after, how: Ending::Exited(1) },
                    Course::Ends { after, how: Ending::Signalled(11) },
                    Course::Ends {
                        after: Duration::ZERO,
                        how: Ending::NotRun(Reason::Flaw(Flaw::Missing("/bin/check".into()))),
                    },
                    Course::Hangs { is_deaf: false },
                    Course::Hangs { is_deaf: true },
                ];
                let check = |course| Step::Check { machine, script: SCRIPT.into(), course };
                let course = courses.get(random.index(courses.len())).cloned();
                self.first(check(course.unwrap_or(Course::FAILS)));
                self.then(check(Course::GOOD));
            }
        }
    }

    /// What one machine sends to another goes astray.
    fn of_path(&mut self, random: &mut Random) {
        let path = match random.below(4) {
            0 => Path::CUT,
            1 => Path::NO_MULTICAST,
            _ => Path {
                lost: random.below(700),
                doubled: random.below(300),
                delay: random.millis(0, 50),
                jitter: random.millis(1, 300),
                ..Path::GOOD
            },
        };
        let segment = self.a_segment(random);
        self.way(segment, self.machine, self.other, path);
    }

    /// One machine is alone for a while, or nobody hears what is sent to all.
    fn of_segment(&mut self, random: &mut Random) {
        let segment = self.a_segment(random);
        let machines = self.storm.cluster.machines.len();
        let is_alone = random.permille(600);
        for one in 0..machines {
            for other in (0..machines).filter(|other| *other != one) {
                if !is_alone {
                    self.way(segment, one, other, Path::NO_MULTICAST);
                } else if one == self.machine || other == self.machine {
                    self.way(segment, one, other, Path::CUT);
                }
            }
        }
    }

    fn way(&mut self, segment: Option<u8>, from: usize, to: usize, path: Path) {
        self.first(Step::Path { segment, from, to, path });
        self.then(Step::Path { segment, from, to, path: Path::GOOD });
    }

    fn a_segment(&self, random: &mut Random) -> Option<u8> {
        let ports = self.storm.cluster.machines.first().map_or(1, |member| member.interfaces.len());
        let segment = u8::try_from(random.index(ports)).ok();
        segment.filter(|_| random.permille(500))
    }

    fn an_interface(&self, random: &mut Random) -> Arc<str> {
        let ports = self.storm.cluster.machines.get(self.machine).map(|member| member.interfaces.as_slice());
        let ports = ports.unwrap_or_default();
        ports.get(random.index(ports.len().max(1))).map_or_else(|| "eth0".into(), |port| port.name.clone())
    }

    fn all_addresses(&self) -> Vec<IpAddr> {
        let hosts = self.storm.cluster.machines.iter().map(|member| &member.host);
        hosts.flat_map(|host| &host.instances).flat_map(addresses).collect()
    }

    fn an_address(&self, random: &mut Random) -> IpAddr {
        let all = self.all_addresses();
        all.get(random.index(all.len())).copied().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    fn base(&self) -> Box<Host> {
        let member = self.storm.cluster.machines.get(self.machine);
        Box::new(member.map(|member| member.host.clone()).unwrap_or_default())
    }

    /// The configuration with something about it changed that its peers need not know.
    fn changed(&self, random: &mut Random) -> Host {
        let mut host = *self.base();
        let at = random.index(host.instances.len());
        let is_grouped = !host.groups.is_empty();
        let Some(instance) = host.instances.get_mut(at) else { return host };
        let is_tracking = !instance.track_interfaces.is_empty() || *instance.tracking != Tracking::default();
        match random.below(6) {
            0 if is_grouped => instance.settings.preempt ^= true,
            0 if is_tracking => {
                instance.track_interfaces.clear();
                instance.tracking = Rare::default();
            }
            0 => instance.settings.priority = priority(random),
            1 => instance.settings.preempt ^= true,
            2 => instance.addresses.push(virtual_address(instance.settings.family, 0, 200)),
            3 if instance.addresses.len() > 1 => instance.addresses.truncate(1),
            3 => instance.settings.announce.refresh = Duration::from_secs(2),
            4 => instance.excluded.clear(),
            // An instance of a group cannot go alone.
            _ if host.groups.is_empty() => {
                host.instances.remove(at);
            }
            _ => host.groups.clear(),
        }
        host
    }
}
