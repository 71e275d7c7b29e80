//! Sync groups: members move as one, whatever happens to them and in whatever order.

use crate::config::{host, instance};
use crate::tracking::{script, tracked};
use crate::world::{ETH0, Programs, World, address, forged, ip, link, ms};
use model::{Host, Instance, SyncGroup, TrackedInterface};
use node::Node;
use node::event::{Event, Fault, Standing};
use node::io::{
    Datagram, Effect, Ended, Ending, Fact, Frame, Input, InterfaceIndex, Link, Order, RunId, Transmit,
};
use std::sync::Arc;
use timeline::{Duration, Instant, Machine as _};

/// A group of the instances with these names.
pub(crate) fn group(members: &[&str]) -> SyncGroup {
    SyncGroup {
        name: "G".into(),
        members: members.iter().map(|name| (*name).into()).collect(),
        weights: false,
        track_interfaces: Vec::new(),
        tracking: model::Rare::default(),
        notify: model::Rare::default(),
    }
}

fn member(n: u8, priority: u8) -> Instance {
    let home = format!("eth{n}").as_str().into();
    Instance { home, ..instance(50 + n, priority, &[&format!("10.0.{n}.3")]) }
}

/// Instances `VI_50`, `VI_51` … on eth0, eth1 …, as one group.
pub(crate) fn grouped(members: u8, priority: u8) -> Host {
    let instances: Vec<Instance> = (0..members).map(|n| member(n, priority)).collect();
    let names: Vec<Arc<str>> = instances.iter().map(|i| i.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    Host { groups: vec![group(&names)], ..host(instances) }
}

/// Two machines with eth0 and eth1 on two networks.
pub(crate) fn world() -> World {
    let mut world = World::new(2);
    for (n, machine) in world.machines.iter_mut().enumerate() {
        let last = u8::try_from(n + 5).unwrap();
        machine.add_link(link(3, "eth1", last + 16), 1);
        machine.set_address(address(3, &format!("10.0.1.{last}/24")));
    }
    world
}

fn standings(world: &World, n: usize) -> Vec<Standing> {
    world.machines[n].node.status(world.now).instances.iter().map(|i| i.standing).collect()
}

const BOTH: [Standing; 2] = [Standing::Active; 2];
const NEITHER: [Standing; 2] = [Standing::Backup; 2];
const FAULTY: [Standing; 2] = [Standing::Fault; 2];

#[test]
fn a_fault_of_one_member_moves_all_and_its_end_too() {
    let mut world = world();
    world.boot(0, grouped(2, 150));
    world.boot(1, grouped(2, 100));
    world.run(ms(10_000));
    assert_eq!((standings(&world, 0), standings(&world, 1)), (BOTH.into(), NEITHER.into()));
    world.story(0);
    world.machines[0].change_link(3, |link| link.carrier = false);
    world.run(ms(1_000));
    assert_eq!((standings(&world, 0), standings(&world, 1)), (FAULTY.into(), BOTH.into()));
    insta::assert_snapshot!(world.story(0), @r"
    10.000000 (VI_50) Entering FAULT STATE
    10.000000 (VI_50) because VI_51 of its group G cannot take part
    10.000000 (VI_51) Entering FAULT STATE
    10.000000 (VI_51) because interface eth1 has no carrier
    10.000000 VRRP_Group(G) Syncing instances to FAULT state
    ");
    world.machines[0].change_link(3, |link| link.carrier = true);
    world.run(ms(10_000));
    assert_eq!((standings(&world, 0), standings(&world, 1)), (BOTH.into(), NEITHER.into()));
    insta::assert_snapshot!(world.story(1), @r"
     0.000000 configuration in force: 2 instances (2 new, 0 removed, 0 changed)
     0.000000 (VI_50) Entering BACKUP STATE (init)
     0.000000 (VI_51) Entering BACKUP STATE (init)
     0.000000 VRRP_Group(G) Syncing instances to BACKUP state
     3.414062 (VI_50) follows 10.0.0.5 (priority 150)
     3.414062 (VI_51) follows 10.0.1.5 (priority 150)
    10.609375 (VI_50) Entering MASTER STATE
    10.609375 (VI_50) because 10.0.0.5 resigned (priority 0)
    10.609375 (VI_51) Entering MASTER STATE
    10.609375 (VI_51) because its group moves as one
    10.609375 VRRP_Group(G) Syncing instances to MASTER state
    10.609375 (VI_50) 1 address in place
    10.609375 (VI_51) 1 address in place
    14.414062 (VI_50) Entering BACKUP STATE
    14.414062 (VI_50) because 10.0.0.5 advertises the higher priority 150
    14.414062 (VI_51) Entering BACKUP STATE
    14.414062 (VI_51) because its group moves as one
    14.414062 (VI_51) follows 10.0.1.5 (priority 150)
    14.414062 VRRP_Group(G) Syncing instances to BACKUP state
    ");
}

#[test]
fn members_that_are_in_fault_for_reasons_of_their_own_do_not_hold_each_other() {
    let mut world = world();
    world.boot(0, grouped(2, 150));
    world.run(ms(10_000));
    for index in [ETH0, 3] {
        world.machines[0].change_link(index, |link| link.carrier = false);
        world.run(ms(10));
    }
    let faults = |world: &World, name| world.status(0, name).faults;
    let other = |member: &str| Fault::Member { group: "G".into(), member: member.into() };
    assert_eq!(faults(&world, "VI_50"), [Fault::NoCarrier("eth0".into()), other("VI_51")]);
    world.machines[0].change_link(ETH0, |link| link.carrier = true);
    world.run(ms(10));
    assert_eq!(faults(&world, "VI_50"), [other("VI_51")]);
    assert_eq!(faults(&world, "VI_51"), [Fault::NoCarrier("eth1".into())]);
    world.machines[0].change_link(3, |link| link.carrier = true);
    world.run(ms(5_000));
    assert_eq!(standings(&world, 0), BOTH);
}

#[test]
fn what_a_group_tracks_counts_for_each_member() {
    let mut host = grouped(2, 150);
    host.scripts = vec![script("chk", 1_000)];
    host.groups[0].tracking.scripts = vec![tracked("chk", -60)];
    let (interface, weight, reverse) = ("eth1".into(), 7, true);
    host.groups[0].track_interfaces = vec![TrackedInterface { interface, weight, reverse }];
    let mut world = world();
    world.boot(0, host);
    world.boot(1, grouped(2, 100));
    world.run(ms(10_000));
    let priorities = |world: &World| ["VI_50", "VI_51"].map(|name| world.status(0, name).priority.0);
    assert_eq!((priorities(&world), standings(&world, 0)), ([143, 143], BOTH.into()));
    world.machines[0].programs = Programs::ending(Ending::Exited(1));
    world.run(ms(10_000));
    assert_eq!((priorities(&world), standings(&world, 0)), ([83, 83], NEITHER.into()));
    assert_eq!(standings(&world, 1), BOTH);
    world.machines[0].programs = Programs::ending(Ending::Exited(0));
    world.run(ms(10_000));
    assert_eq!((priorities(&world), standings(&world, 0)), ([143, 143], BOTH.into()));
}

#[test]
fn members_of_unequal_priority_go_together_and_not_to_and_fro() {
    let unequal = |first, second| {
        let mut host = grouped(2, first);
        host.instances[1].settings.priority = wire::Priority(second);
        host
    };
    let mut world = world();
    world.boot(0, unequal(150, 50));
    world.boot(1, unequal(100, 100));
    world.run(ms(30_000));
    for n in 0..2 {
        let moves = world.machines[n].events();
        let moves = moves.iter().filter(|(_, event)| matches!(event, Event::Moved { .. })).count();
        assert!(moves <= 6, "machine {n} moved {moves} times");
        let standings = standings(&world, n);
        assert!(standings.iter().all(|standing| *standing == standings[0]), "{standings:?}");
    }
    assert_ne!(standings(&world, 0), standings(&world, 1));
}

#[test]
fn silence_on_one_of_two_links_moves_nothing_while_the_other_speaks() {
    let mut world = world();
    world.boot(0, grouped(2, 150));
    world.boot(1, grouped(2, 100));
    world.run(ms(10_000));
    world.machines[1].log.clear();
    // A switch between them fails; both links stay up.
    for machine in &mut world.machines {
        machine.kernel.links.get_mut(&3).unwrap().1 += machine.kernel.links[&3].0.mac.0[5];
    }
    world.run(ms(60_000));
    assert_eq!((standings(&world, 0), standings(&world, 1)), (BOTH.into(), NEITHER.into()));
    let moves = world.machines[1].events();
    assert!(!moves.iter().any(|(_, event)| matches!(event, Event::Moved { .. })), "{moves:?}");
    world.crash(0, true);
    world.run(ms(5_000));
    assert_eq!(standings(&world, 1), BOTH);
}

#[test]
fn a_crash_moves_the_group_when_the_first_member_is_due() {
    let mut world = world();
    world.boot(0, grouped(2, 150));
    world.boot(1, grouped(2, 100));
    world.run(ms(10_300));
    world.story(1);
    world.crash(0, true);
    world.run(ms(10_000));
    insta::assert_snapshot!(world.story(1), @r"
    13.023438 (VI_50) Receive advertisement timeout
    13.023438 (VI_50) Entering MASTER STATE
    13.023438 (VI_50) because no advert came from an active router in time
    13.023438 (VI_51) Entering MASTER STATE
    13.023438 (VI_51) because its group moves as one
    13.023438 VRRP_Group(G) Syncing instances to MASTER state
    13.023438 (VI_50) 1 address in place
    13.023438 (VI_51) 1 address in place
    ");
}

#[test]
fn a_reload_that_forms_a_group_brings_its_members_together() {
    let mut world = world();
    let apart = |first, second| {
        let mut host = grouped(2, first);
        host.instances[1].settings.priority = wire::Priority(second);
        host.groups.clear();
        host
    };
    world.boot(0, apart(150, 50));
    world.boot(1, apart(100, 100));
    world.run(ms(10_000));
    assert_eq!(standings(&world, 0), [Standing::Active, Standing::Backup]);
    world.configure(0, grouped(2, 150));
    world.configure(1, grouped(2, 100));
    world.run(ms(10_000));
    assert_eq!((standings(&world, 0), standings(&world, 1)), (BOTH.into(), NEITHER.into()));
    // One more member joins, and one leaves.
    let mut host = grouped(2, 150);
    host.groups[0].members.pop();
    world.configure(0, host);
    world.run(ms(3_000));
    assert_eq!(standings(&world, 0), BOTH);
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(100));
    assert_eq!(standings(&world, 0), [Standing::Fault, Standing::Active]);
    world.order(0, Order::Stop);
    world.run(ms(100));
    assert!(!world.has(0, "10.0.1.3"));
}

// ---- all orders of events ----

/// What can happen to one member, or to the whole group.
#[derive(Clone, Copy, Debug)]
enum Letter {
    /// The link of a member goes down, or comes up.
    Link(usize),
    /// A router above ours begins to speak on the link of a member, or falls silent.
    Superior(usize),
    /// One below.
    Inferior(usize),
    /// The router above resigns everywhere, and is silent.
    Resigns,
    /// The script that the group tracks fails, or succeeds again.
    Script,
    Wait(u64),
}

/// One node with a group on it, a network that says what it is told to say, and no kernel: addresses are as they are.
struct Bed {
    node: Node,
    now: Instant,
    links: Vec<Link>,
    superior: Vec<bool>,
    inferior: Vec<bool>,
    /// Adverts of 200, 50 and 0 for each member.
    said: Arc<Vec<[Transmit; 3]>>,
    speak_at: Instant,
    script: u8,
    effects: Vec<Effect>,
}

/// What a neighbour with this priority says, and what it says when it leaves.
fn sayings(members: u8) -> Vec<[Transmit; 3]> {
    let said = |priority| {
        let mut world = World::new(2);
        for n in 1..members {
            world.machines[1].add_link(link(2 + u32::from(n), &format!("eth{n}"), 32 + n), n);
            world.machines[1].set_address(address(2 + u32::from(n), &format!("10.0.{n}.6/24")));
        }
        world.boot(1, grouped(members, priority));
        world.run(ms(6_000));
        let last = |world: &World| -> Vec<Transmit> {
            let sent = world.machines[1].sent();
            (0..members)
                .map(|n| {
                    let of = |t: &&(Instant, Transmit)| t.1.interface == ETH0 + InterfaceIndex::from(n);
                    sent.iter().rev().find(of).unwrap().1.clone()
                })
                .collect()
        };
        let living = last(&world);
        world.order(1, Order::Stop);
        world.run(ms(10));
        (living, last(&world))
    };
    let ((high, zero), (low, _)) = (said(200), said(50));
    high.into_iter().zip(low).zip(zero).map(|((high, low), zero)| [high, low, zero]).collect()
}

impl Bed {
    fn new(members: u8, said: Arc<Vec<[Transmit; 3]>>) -> Self {
        let links: Vec<Link> =
            (0..members).map(|n| link(ETH0 + u32::from(n), &format!("eth{n}"), 5 + n)).collect();
        let addresses =
            (0..members).map(|n| address(ETH0 + u32::from(n), &format!("10.0.{n}.5/24"))).collect();
        let mut host = grouped(members, 100);
        host.scripts = vec![script("chk", 500)];
        host.groups[0].tracking.scripts = vec![tracked("chk", 0)];
        host.check().unwrap();
        let silent = vec![false; links.len()];
        let now = Instant::from_nanos(1_000_000_000_000);
        let mut bed = Self {
            node: Node::new(),
            now,
            links: links.clone(),
            superior: silent.clone(),
            inferior: silent,
            said,
            speak_at: now,
            script: 0,
            effects: Vec::new(),
        };
        bed.give(Input::Fact(Fact::Everything { links, addresses }));
        bed.give(Input::Configure(Box::new(host)));
        bed.turn();
        bed
    }

    fn give(&mut self, input: Input<'_>) {
        self.node.handle(self.now, input, &mut self.effects);
    }

    /// The end of a turn: scripts end at once.
    fn turn(&mut self) {
        self.give(Input::Elapsed);
        let runs = |effect: Effect| match effect {
            Effect::Run(run) => Some(run.id),
            Effect::Send(_)
            | Effect::Hold(_)
            | Effect::Kill(_)
            | Effect::Report(_)
            | Effect::Tell(_)
            | Effect::Mail(_) => None,
        };
        let runs: Vec<RunId> = self.effects.drain(..).filter_map(runs).collect();
        if runs.is_empty() {
            return;
        }
        for id in runs {
            self.give(Input::Ended(Ended { id, how: Ending::Exited(self.script) }));
        }
        self.give(Input::Elapsed);
    }

    fn hear(&mut self, member: usize, which: usize) {
        if !self.links[member].carrier {
            return;
        }
        let said = self.said.clone();
        let Transmit { interface, datagram, .. } = &said[member][which];
        let datagram = Datagram::V4(datagram);
        let frame = Frame { interface: *interface, at: self.now, datagram };
        self.give(Input::Frame(frame));
    }

    /// Time passes; who speaks does so once a second.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let next = self.node.deadline().unwrap_or(until).min(self.speak_at);
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            if self.now >= self.speak_at {
                self.speak_at = self.now + ms(1_000);
                for member in 0..self.links.len() {
                    if self.superior[member] {
                        self.hear(member, 0);
                    }
                    if self.inferior[member] {
                        self.hear(member, 1);
                    }
                }
            }
            self.turn();
        }
        self.now = until;
    }

    fn set_link(&mut self, member: usize, carrier: bool) {
        self.links[member].carrier = carrier;
        let link = self.links[member].clone();
        self.give(Input::Fact(Fact::Link(link)));
        self.turn();
    }

    fn take(&mut self, letter: Letter) {
        match letter {
            Letter::Link(member) => self.set_link(member, !self.links[member].carrier),
            Letter::Superior(member) => {
                self.superior[member] ^= true;
                if self.superior[member] {
                    self.hear(member, 0);
                }
                self.turn();
            }
            Letter::Inferior(member) => {
                self.inferior[member] ^= true;
                if self.inferior[member] {
                    self.hear(member, 1);
                }
                self.turn();
            }
            Letter::Resigns => {
                for member in 0..self.links.len() {
                    if std::mem::take(&mut self.superior[member]) {
                        self.hear(member, 2);
                    }
                }
                self.turn();
            }
            Letter::Script => {
                self.script ^= 1;
                self.wait(ms(600));
            }
            Letter::Wait(millis) => self.wait(ms(millis)),
        }
    }

    /// Where all members stand; panics if they stand apart.
    fn standing(&self, path: &[Letter]) -> Standing {
        let standings: Vec<Standing> =
            self.node.status(self.now).instances.iter().map(|instance| instance.standing).collect();
        assert!(standings.iter().all(|its| *its == standings[0]), "{standings:?} after {path:?}");
        standings[0]
    }
}

/// Walks every sequence of so many letters: after each letter the members stand together, in FAULT if and only if one
/// has a reason; and when all is well again, the group serves, and yields to a better one.
fn walk(members: u8, alphabet: &[Letter], depth: u32) -> usize {
    let said = Arc::new(sayings(members));
    let all = alphabet.len().pow(depth);
    for number in 0..all {
        let mut bed = Bed::new(members, said.clone());
        let mut path = Vec::new();
        let mut rest = number;
        for _ in 0..depth {
            let letter = alphabet[rest % alphabet.len()];
            rest /= alphabet.len();
            path.push(letter);
            bed.take(letter);
            let faulty = bed.script != 0 || bed.links.iter().any(|link| !link.carrier);
            assert_eq!(bed.standing(&path) == Standing::Fault, faulty, "after {path:?}");
        }
        for member in 0..bed.links.len() {
            (bed.superior[member], bed.inferior[member]) = (false, false);
            bed.set_link(member, true);
        }
        bed.script = 0;
        bed.wait(ms(9_000));
        assert_eq!(bed.standing(&path), Standing::Active, "in silence after {path:?}");
        bed.superior.fill(true);
        bed.wait(ms(4_000));
        assert_eq!(bed.standing(&path), Standing::Backup, "below a better one after {path:?}");
    }
    all
}

#[test]
fn no_order_of_events_leaves_a_group_of_two_stuck() {
    let alphabet = [
        Letter::Link(0),
        Letter::Link(1),
        Letter::Superior(0),
        Letter::Superior(1),
        Letter::Inferior(1),
        Letter::Resigns,
        Letter::Script,
        Letter::Wait(900),
        Letter::Wait(5_000),
    ];
    assert_eq!(walk(2, &alphabet, 4), 6_561);
}

#[test]
fn no_order_of_events_leaves_a_group_of_three_stuck() {
    let alphabet = [
        Letter::Link(0),
        Letter::Link(1),
        Letter::Link(2),
        Letter::Superior(0),
        Letter::Superior(2),
        Letter::Inferior(1),
        Letter::Resigns,
        Letter::Script,
        Letter::Wait(900),
        Letter::Wait(5_000),
    ];
    assert_eq!(walk(3, &alphabet, 3), 1_000);
}

/// What comes from a stranger is of no group.
#[test]
fn a_forged_advert_for_one_member_moves_all_and_they_come_back() {
    let said = sayings(2);
    let mut world = world();
    world.boot(0, grouped(2, 100));
    world.run(ms(10_000));
    let Transmit { interface, source, destination, datagram, .. } = said[1][0].clone();
    let now = world.now;
    world.machines[0].catch(now, forged(interface, source, destination, datagram.to_vec()));
    world.run(ms(10));
    assert_eq!(standings(&world, 0), NEITHER);
    assert!(!world.machines[0].kernel.has(ip("10.0.0.3")));
    world.run(ms(10_000));
    assert_eq!(standings(&world, 0), BOTH);
}
