//! The loop: the next thing that happens, whoever it happens to.

use crate::clock::Clock;
use crate::cluster::{Cluster, Member};
use crate::kernel::{FIRST, Kernel};
use crate::lan::Lan;
use crate::machine::{Machine, Spin, Turn, Woken};
use crate::oracles::Violation;
use crate::random::Random;
use crate::scene::{Advert, Announced, Held, Moved, Record, Scene, Step};
use crate::trace::{Happening, Trace};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use node::event::Event;
use node::io::{Effect, Fact, InterfaceIndex, Transmit};
use timeline::{Duration, Instant};
use vrrp::Ingress;
use wire::Vrid;
use wire::message::Message;

/// When a supervisor starts another worker where none may go on at once.
const RESTART: Duration = Duration::from_secs(1);
/// What a hand needs for one order when all is well.
const HAND: Duration = Duration::from_micros(300);

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) machines: Vec<Machine>,
    lan: Lan,
    cluster: Cluster,
    plugs: Vec<Plug>,
    steps: VecDeque<(Instant, Step)>,
    /// What is done on machines that sleep, as soon as they are awake.
    put_off: Vec<(usize, Step)>,
    record: Record,
    held: Vec<BTreeSet<IpAddr>>,
    spin: Spin,
    /// What the hands need for one order when all is well.
    hand: Duration,
    /// Those whose daemon has just ended in order.
    pub(crate) ended: Vec<usize>,
    /// The turns of this moment, each with its machine.
    pub(crate) turns: Vec<(usize, Turn)>,
    /// How often any instance moved.
    pub(crate) moves: u64,
}

/// An interface in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plug {
    machine: usize,
    interface: InterfaceIndex,
    segment: u8,
}

impl World {
    pub(crate) fn new(scene: &Scene) -> Self {
        let mut random = Random::new(scene.seed);
        let members = || scene.cluster.machines.iter();
        let machine = |(n, member): (usize, &Member)| {
            let number = u8::try_from(n + 1).unwrap_or(u8::MAX);
            let kernel = Kernel::of(number, &member.interfaces, HAND);
            Machine::new(kernel, Clock::new(&mut random), member.host.clone())
        };
        let machines: Vec<Machine> = members().enumerate().map(machine).collect();
        let plugs = members().enumerate().flat_map(|(machine, member)| {
            let ports = (FIRST..).zip(&member.interfaces);
            ports.map(move |(interface, port)| Plug { machine, interface, segment: port.segment })
        });
        let mut steps: Vec<_> =
            scene.steps.iter().map(|(at, step)| (Instant::EPOCH + *at, step.clone())).collect();
        // Stable: what happens at the same moment happens in the order in which it was thought of.
        steps.sort_by_key(|(at, _)| *at);
        let names = members().map(|member| member.name.clone()).collect();
        Self {
            now: Instant::EPOCH,
            held: machines.iter().map(|_| BTreeSet::new()).collect(),
            machines,
            plugs: plugs.collect(),
            lan: Lan::new(Random::new(random.next())),
            cluster: scene.cluster.clone(),
            steps: steps.into(),
            put_off: Vec::new(),
            record: Record { trace: Trace::new(names), ..Record::default() },
            spin: Spin::new(&scene.cluster),
            hand: HAND,
            ended: Vec::new(),
            turns: Vec::new(),
            moves: 0,
        }
    }

    /// Hands that are this slow when all is well.
    pub(crate) fn set_hand(&mut self, hand: Duration) {
        self.hand = hand;
        self.machines.iter_mut().for_each(|machine| machine.kernel.set_delay(hand));
    }

    pub(crate) fn into_record(self) -> Record {
        self.record
    }

    /// How a machine is called.
    pub(crate) fn name(&self, n: usize) -> String {
        self.record.trace.name(n).to_string()
    }

    /// Nothing is wrong with the network, and everybody whose daemon runs can use it.
    pub(crate) fn is_whole(&self) -> bool {
        let mut running = self.machines.iter().filter(|machine| machine.is_running());
        self.lan.is_good() && running.all(|machine| machine.is_well(self.now))
    }

    /// Lets everything happen until then; `look` sees the world after each moment in which something happened.
    pub(crate) fn run_until(
        &mut self,
        until: Instant,
        mut look: impl FnMut(&mut Self) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        loop {
            let steps = self.steps.front().map(|(at, _)| *at);
            let machines = self.machines.iter().filter_map(Machine::next);
            let next = machines.chain(steps).chain(self.lan.next()).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            self.happen()?;
            self.observe();
            look(self)?;
            self.ended.clear();
            self.turns.clear();
        }
        self.now = until;
        Ok(())
    }

    fn happen(&mut self) -> Result<(), Violation> {
        while self.steps.front().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, step)) = self.steps.pop_front() else { break };
            match done_on(&step) {
                Some(n) if self.machines.get(n).is_some_and(Machine::is_asleep) => {
                    self.put_off.push((n, step));
                }
                _ => self.begin(step),
            }
        }
        while let Some((to, frame)) = self.lan.arrived(self.now) {
            self.at(to, |machine, now| machine.catch(now, frame));
        }
        for n in 0..self.machines.len() {
            self.let_run(n)?;
        }
        Ok(())
    }

    fn let_run(&mut self, n: usize) -> Result<(), Violation> {
        let Some(machine) = self.machines.get_mut(n) else { return Ok(()) };
        let woken = machine.work(self.now);
        let announced = machine.kernel.take_announced();
        match woken {
            Some(Woken::Machine) => {
                self.note(Happening::Woke(n));
                self.catch_up(n);
            }
            Some(Woken::Desk(late, dropped)) => self.note(Happening::Late(n, late, dropped)),
            None => {}
        }
        self.note_announced(n, &announced);
        let turn = self.machines.get_mut(n).and_then(|machine| machine.turn(self.now));
        let Some(turn) = turn else { return Ok(()) };
        self.spin.note(self.now)?;
        self.carry_out(n, turn);
        Ok(())
    }

    fn begin(&mut self, step: Step) {
        self.note(Happening::Step(step.clone()));
        self.perform(step);
    }

    /// What was to be done on a machine while it slept is done.
    fn catch_up(&mut self, n: usize) {
        let (due, rest) =
            core::mem::take(&mut self.put_off).into_iter().partition(|(machine, _)| *machine == n);
        self.put_off = rest;
        let due: Vec<(usize, Step)> = due;
        due.into_iter().for_each(|(_, step)| self.begin(step));
    }

    fn carry_out(&mut self, n: usize, turn: Turn) {
        for frame in &turn.sent {
            self.send(n, frame);
        }
        for effect in &turn.effects {
            if let Effect::Report(Event::Moved { instance, from, to, why, faults, disbelieved }) = effect {
                self.moves += 1;
                let (instance, faults) = (instance.clone(), faults.clone());
                let (at, machine, from, to, why) = (self.now, n, *from, *to, *why);
                self.record.moves.push(Moved {
                    at,
                    machine,
                    instance,
                    from,
                    to,
                    why,
                    faults,
                    disbelieved: *disbelieved,
                });
            }
            self.note(Happening::Effect(n, effect.clone()));
        }
        if turn.ended {
            self.note(Happening::Ended(n));
            self.record.runs.push((self.now, n, false));
            self.ended.push(n);
            if self.machines.get(n).is_some_and(|machine| machine.start_again) {
                self.perform(Step::Start(n));
            }
        }
        self.turns.push((n, turn));
    }

    fn note(&mut self, happening: Happening) {
        self.record.trace.note(self.now, happening);
    }

    fn note_announced(&mut self, n: usize, announced: &[(InterfaceIndex, IpAddr)]) {
        let Some(machine) = self.machines.get(n) else { return };
        for (interface, address) in announced {
            if machine.kernel.is_connected(*interface) {
                let (at, interface, address) = (self.now, machine.name_of(*interface), *address);
                self.record.announced.push(Announced { at, machine: n, interface, address });
            }
        }
    }

    /// A frame leaves a machine, if its cable is in: to all others on the segment, or to whoever has the address.
    fn send(&mut self, n: usize, frame: &Transmit) {
        let is_it = |plug: &&Plug| plug.machine == n && plug.interface == frame.interface;
        let Some(plug) = self.plugs.iter().find(is_it).copied() else { return };
        let Some(machine) = self.machines.get(n).filter(|m| m.kernel.is_connected(plug.interface)) else {
            return;
        };
        let interface = machine.name_of(plug.interface);
        self.record.adverts.extend(advert(self.now, n, interface, frame));
        let destination = frame.destination;
        let others = self.plugs.iter().filter(|other| other.machine != n);
        let near = || others.clone().filter(|other| other.segment == plug.segment);
        let has = |other: &&Plug| {
            self.machines.get(other.machine).is_some_and(|m| m.answers(other.interface, destination))
        };
        let receivers: Vec<(Plug, bool)> = if destination.is_multicast() {
            near().map(|other| (*other, false)).collect()
        } else if let Some(neighbour) = near().find(has) {
            [(*neighbour, false)].into()
        } else {
            let far = others.clone().find(has).filter(|_| !is_link_local(destination));
            far.map(|far| (*far, true)).into_iter().collect()
        };
        for (to, is_routed) in receivers {
            let mut frame = Transmit { interface: to.interface, ..frame.clone() };
            if is_routed {
                route(&mut frame);
            }
            self.lan.send(self.now, (plug.segment, n, to.machine), &frame);
        }
    }

    /// Looks who answers for which virtual address.
    fn observe(&mut self) {
        for (n, (machine, held)) in self.machines.iter().zip(&mut self.held).enumerate() {
            let marked = || machine.kernel.marked().filter(|_| machine.is_awake()).map(|place| place.address);
            if marked().count() == held.len() && marked().all(|address| held.contains(&address)) {
                continue;
            }
            let now: BTreeSet<IpAddr> = marked().collect();
            let (at, machine) = (self.now, n);
            let gone = held.difference(&now).map(|address| (*address, false));
            let come = now.difference(held).map(|address| (*address, true));
            let changes = gone.chain(come);
            let changes = changes.map(|(address, is_held)| Held { at, machine, address, is_held });
            self.record.held.extend(changes);
            *held = now;
        }
    }

    fn perform(&mut self, step: Step) {
        match step {
            Step::Start(n) => self.with_run(n, Machine::start),
            Step::Stop(n) => self.at(n, Machine::stop),
            Step::Abandon(n) => self.at(n, Machine::abandon),
            Step::Present { machine, interface, present } => {
                self.change(machine, |kernel, notices| kernel.set_present(&interface, present, notices));
                self.plug(machine);
            }
            Step::Rename { machine, interface, name } => {
                self.change(machine, |kernel, notices| kernel.rename(&interface, name, notices));
            }
            Step::Own { machine, interface, there } => {
                self.change(machine, |kernel, notices| kernel.set_own(&interface, there, notices));
            }
            Step::Forged { machine, instance, forgery, priority } => {
                self.at(machine, |machine, now| machine.deceive(now, instance, forgery, priority));
            }
            Step::PowerLost(n) => {
                self.put_off.retain(|(machine, _)| *machine != n);
                self.with_run(n, Machine::lose_power);
                self.plug(n);
            }
            Step::Crash { machine, cleaned } => self.with_run(machine, |machine, _| machine.crash(cleaned)),
            Step::Replace { machine, time } => self.replace(machine, time),
            Step::Succeed(n) => self.with_run(n, Machine::succeed),
            Step::Revoke(n) => self.at(n, |machine, _| machine.revoke()),
            Step::Edit { machine, host } => self.at(machine, |machine, _| machine.host = *host),
            Step::Reload { machine, host, reading } => {
                self.at(machine, |machine, now| machine.reload(now, *host, reading));
            }
            Step::Freeze { machine, time } => self.at(machine, |machine, now| machine.freeze(now + time)),
            Step::Suspend { machine, time } => {
                self.at(machine, |machine, now| machine.sleep(now, now + time, false));
            }
            Step::Pause { machine, time } => {
                self.at(machine, |machine, now| machine.sleep(now, now + time, true));
            }
            Step::Stall { machine, time } => self.at(machine, |machine, now| machine.stall(now + time)),
            Step::Desk { machine, time } => self.at(machine, |machine, now| machine.block_desk(now + time)),
            Step::Hand { machine, time } => self.at(machine, |machine, _| machine.kernel.set_delay(time)),
            Step::Wall { machine, millis } => self.at(machine, |machine, _| machine.clock.set_wall(millis)),
            Step::Overrun(n) => self.at(n, |machine, _| machine.overrun()),
            Step::Path { segment, from, to, path } => self.set_path(segment, from, to, path),
            Step::Heal => self.heal(),
            Step::Up { machine, interface, up } => {
                self.change(machine, |kernel, notices| kernel.set_up(&interface, up, notices));
            }
            Step::Carrier { machine, interface, on } => {
                self.change(machine, |kernel, notices| kernel.set_carrier(&interface, on, notices));
            }
            Step::Steal { machine, address } => {
                self.change(machine, |kernel, notices| kernel.steal(address, notices));
            }
            Step::Unseen { machine, address } => self.at(machine, |machine, _| {
                machine.kernel.steal(address, &mut Vec::new());
                machine.overrun();
            }),
            Step::Refuse { machine, address, refused } => self.at(machine, |machine, _| {
                machine.kernel.refuse(address, refused);
            }),
            Step::Check { machine, script, course } => {
                self.at(machine, |machine, _| machine.programs.set_course(script, course));
            }
            Step::File { machine, file, value } => self.at(machine, |machine, _| {
                let fact = machine.programs.set_file(file, value);
                machine.learn(fact);
            }),
            Step::Processes { machine, process, count } => self.at(machine, |machine, _| {
                let fact = machine.programs.set_processes(process, count);
                machine.learn(fact);
            }),
            Step::Bfd { machine, session, reach } => self.at(machine, |machine, _| {
                let fact = machine.programs.set_neighbor(session, reach);
                machine.learn(fact);
            }),
        }
    }

    fn change(&mut self, n: usize, change: impl FnOnce(&mut Kernel, &mut Vec<Fact>)) {
        self.at(n, |machine, _| machine.change(change));
    }

    /// The cables are in the interfaces that the machine has now.
    fn plug(&mut self, n: usize) {
        let Some(machine) = self.machines.get(n) else { return };
        let plugs = self.plugs.iter_mut().filter(|plug| plug.machine == n);
        plugs.zip(machine.kernel.interfaces()).for_each(|(plug, interface)| plug.interface = interface);
    }

    fn set_path(&mut self, segment: Option<u8>, from: usize, to: usize, path: crate::lan::Path) {
        let segments: BTreeSet<u8> = self.plugs.iter().map(|plug| plug.segment).collect();
        for number in segments.into_iter().filter(|number| segment.is_none_or(|only| only == *number)) {
            self.lan.set((number, from, to), path);
        }
    }

    fn at(&mut self, n: usize, act: impl FnOnce(&mut Machine, Instant)) {
        if let Some(machine) = self.machines.get_mut(n) {
            act(machine, self.now);
        }
    }

    /// The same for what may begin or end a daemon.
    fn with_run(&mut self, n: usize, act: impl FnOnce(&mut Machine, Instant)) {
        let Some(machine) = self.machines.get_mut(n) else { return };
        let before = machine.is_running();
        act(machine, self.now);
        if machine.is_running() != before {
            self.record.runs.push((self.now, n, !before));
        }
    }

    /// A worker dies, and its supervisor does what follows.
    fn replace(&mut self, n: usize, time: Duration) {
        let mut end = None;
        self.with_run(n, |machine, now| end = machine.lose_worker(now));
        let Some(end) = end else { return };
        let (next, revoke) = match end {
            Some(until) => (self.now + time, Some(until)),
            None => (self.now + RESTART, None),
        };
        let follows = [(next, Step::Succeed(n))].into_iter();
        for (at, step) in follows.chain(revoke.map(|at| (at, Step::Revoke(n)))) {
            let behind = self.steps.partition_point(|(other, _)| *other <= at);
            self.steps.insert(behind, (at, step));
        }
    }

    fn heal(&mut self) {
        self.put_off.clear();
        self.lan.heal();
        let hosts: Vec<_> = self.cluster.machines.iter().map(|member| member.host.clone()).collect();
        for (n, host) in hosts.into_iter().enumerate() {
            let hand = self.hand;
            self.at(n, |machine, now| {
                machine.wake(now);
                machine.forget_heir();
                machine.kernel.heal(hand);
                machine.programs.heal();
                machine.change(Kernel::repair);
                machine.reload(now, host, Duration::ZERO);
            });
            self.with_run(n, Machine::start);
            self.plug(n);
        }
    }
}

/// The machine that must be awake for this.
fn done_on(step: &Step) -> Option<usize> {
    match step {
        Step::Start(n) | Step::Stop(n) | Step::Abandon(n) | Step::Overrun(n) => Some(*n),
        Step::Succeed(n) | Step::Revoke(n) => Some(*n),
        Step::Present { machine, .. }
        | Step::Rename { machine, .. }
        | Step::Own { machine, .. }
        | Step::Forged { machine, .. } => Some(*machine),
        Step::Crash { machine, .. }
        | Step::Edit { machine, .. }
        | Step::Replace { machine, .. }
        | Step::Reload { machine, .. }
        | Step::Freeze { machine, .. }
        | Step::Stall { machine, .. }
        | Step::Hand { machine, .. }
        | Step::Desk { machine, .. }
        | Step::Wall { machine, .. }
        | Step::Up { machine, .. }
        | Step::Steal { machine, .. }
        | Step::Unseen { machine, .. }
        | Step::Refuse { machine, .. }
        | Step::Check { machine, .. }
        | Step::File { machine, .. }
        | Step::Processes { machine, .. }
        | Step::Bfd { machine, .. } => Some(*machine),
        Step::PowerLost(_)
        | Step::Suspend { .. }
        | Step::Pause { .. }
        | Step::Carrier { .. }
        | Step::Path { .. }
        | Step::Heal => None,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// What a router between two networks does to a frame.
fn route(frame: &mut Transmit) {
    frame.hop_limit = frame.hop_limit.saturating_sub(1);
    if frame.destination.is_ipv4() {
        let mut bytes: Vec<u8> = frame.datagram.to_vec();
        if let Some(header) = bytes.first_chunk_mut::<20>() {
            let sum = u16::from_be_bytes([header[10], header[11]]);
            header[8] = header[8].saturating_sub(1);
            // RFC 1141: the word that became less by 0x100 is in the sum.
            let (more, carry) = sum.overflowing_add(0x100);
            [header[10], header[11]] = (more + u16::from(carry)).to_be_bytes();
        }
        frame.datagram = bytes.into();
    }
}

fn advert(at: Instant, machine: usize, interface: Arc<str>, frame: &Transmit) -> Option<Advert> {
    let (source, destination) = (frame.source, frame.destination);
    let ingress = match (source, destination) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Ingress::v6(source, destination, Some(frame.hop_limit), &frame.datagram)
        }
        _ => Ingress::v4(&frame.datagram).ok()?,
    };
    let message = Message::new(ingress.payload)?;
    let (vrid, priority) = (Vrid::new(message.vrid())?, message.priority());
    Some(Advert { at, machine, interface, vrid, priority, source, destination })
}
