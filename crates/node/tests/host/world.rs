//! A small world to run nodes in: a kernel that refuses and forgets, a hand that takes its time, a network that
//! loses what it is told to lose, and a clock that jumps to the next thing that happens.
//!
//! After every turn it checks what must hold whatever a test does: see [`Machine::check`] and [`World::check_owners`].

use model::{Host, VirtualAddress};
use node::Node;
use node::compat;
use node::estate::Note;
use node::event::{Event, Standing};
use node::io::{
    Act, Actor, Address, Datagram, Effect, Ended, Ending, Errno, Fact, Frame, Hold, Input, InterfaceIndex,
    Kill, Link, Order, Outcome, Placed, RouterId, Run, RunId, Settled, Transmit,
};
use node::mail::{Delivery, Mailed};
use node::status::{AddressState, InstanceStatus};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use timeline::{Duration, Instant, Machine as _};
use wire::message::Message;
use wire::{Mac, Priority};

/// When every world begins.
pub(crate) const START: Instant = Instant::from_nanos(1_000_000_000_000);
/// The number of `eth0` on every machine.
pub(crate) const ETH0: InterfaceIndex = 2;
/// Two may both be Active for as long as the loser needs to hear one advert of the winner.
const CONFLICT: Duration = Duration::from_millis(1_100);

/// Some machines on some networks.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) machines: Vec<Machine>,
    /// What the first sends does not reach the second.
    cuts: BTreeSet<(usize, usize)>,
    /// Since when a virtual router has had more than one Active.
    conflicts: BTreeMap<(Arc<str>, u8), Instant>,
    turns: u64,
}

/// One machine: a node, its kernel, and what is on its way between them.
pub(crate) struct Machine {
    pub(crate) node: Node,
    pub(crate) kernel: Kernel,
    pub(crate) frozen: bool,
    /// Something that means nothing comes before each frame: no advert is known from before.
    pub(crate) forgetful: bool,
    pub(crate) abandoned: bool,
    /// Everything that the node wanted done.
    pub(crate) log: Vec<(Instant, Effect)>,
    facts: VecDeque<Fact>,
    /// Told only after the outcomes of the same operations.
    late: VecDeque<Fact>,
    frames: Vec<Caught>,
    outcomes: Vec<Outcome>,
    orders: Vec<Input<'static>>,
    was_active: BTreeSet<(Arc<str>, u8)>,
    /// What scripts do when they are run.
    pub(crate) programs: Programs,
    /// Nobody gets to running them.
    pub(crate) programs_wait: bool,
    running: BTreeMap<RunId, Running>,
    /// What becomes of mail; `None`: nobody ever says.
    pub(crate) delivery: Option<Delivery>,
    mailed: Vec<Mailed>,
}

/// What a program does when it is run.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// How it ends.
    pub(crate) ending: Ending,
    /// After so long; `None`: never.
    pub(crate) after: Option<Duration>,
    /// SIGTERM ends it.
    pub(crate) obeys: bool,
    /// SIGKILL ends it.
    pub(crate) mortal: bool,
}

impl Programs {
    /// They end at once, like this.
    pub(crate) const fn ending(ending: Ending) -> Self {
        Self { ending, after: Some(Duration::ZERO), obeys: true, mortal: true }
    }
}

/// A program that runs.
struct Running {
    ending: Ending,
    ends_at: Option<Instant>,
    obeys: bool,
    mortal: bool,
}

/// A frame in a socket.
struct Caught {
    interface: InterfaceIndex,
    at: Instant,
    sent: Transmit,
}

/// What a kernel and the hand that writes to it are like.
#[derive(Default)]
pub(crate) struct Kernel {
    pub(crate) links: BTreeMap<InterfaceIndex, (Link, u8)>,
    pub(crate) addresses: Vec<Kept>,
    /// Addresses that cannot be set.
    pub(crate) refuses: BTreeMap<IpAddr, Errno>,
    /// Addresses that cannot be removed.
    pub(crate) clings: BTreeMap<IpAddr, Errno>,
    /// Addresses that once could not be removed: they stay until somebody tries again.
    clung: BTreeSet<IpAddr>,
    /// Addresses that somebody removes as soon as they are set.
    pub(crate) thief: BTreeSet<IpAddr>,
    /// How long the hand needs for each thing.
    pub(crate) delay: Duration,
    /// No notification comes at all.
    pub(crate) is_silent: bool,
    /// Notifications come after the outcome, not before.
    pub(crate) late_notices: bool,
    pub(crate) announced: Vec<(Instant, IpAddr, u32)>,
    queue: VecDeque<(Instant, Hold)>,
    last_remove: BTreeMap<RouterId, u64>,
}

/// An address in the kernel.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) address: Address,
    /// This run set it.
    pub(crate) ours: bool,
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// An Ethernet interface that is up.
pub(crate) fn link(index: InterfaceIndex, name: &str, mac: u8) -> Link {
    Link {
        index,
        name: name.into(),
        mac: Mac([2, 0, 0, 0, 0, mac]),
        up: true,
        carrier: true,
        loopback: false,
        forwards_ipv6: false,
        is_vrf: false,
        master: None,
    }
}

/// An address that the administrator set.
pub(crate) fn address(interface: InterfaceIndex, text: &str) -> Address {
    let (address, prefix) = text.split_once('/').unwrap();
    let (usable, secondary, marked) = (true, false, false);
    Address { interface, address: ip(address), prefix: prefix.parse().unwrap(), usable, secondary, marked }
}

impl World {
    /// Machines with one interface `eth0` on one network, addresses 10.0.0.5, 10.0.0.6 … and fe80::5 ….
    pub(crate) fn new(machines: usize) -> Self {
        let machines = (0..machines).map(|n| Machine::new(u8::try_from(n + 5).unwrap()));
        let (cuts, conflicts) = (BTreeSet::new(), BTreeMap::new());
        Self { now: START, machines: machines.collect(), cuts, conflicts, turns: 0 }
    }

    /// Starts the daemon of machine `n`.
    pub(crate) fn boot(&mut self, n: usize, host: Host) {
        let machine = &mut self.machines[n];
        machine.node = Node::new();
        machine.abandoned = false;
        (machine.frozen, machine.was_active) = (false, BTreeSet::new());
        machine.kernel.queue.clear();
        machine.kernel.last_remove.clear();
        machine.kernel.addresses.iter_mut().for_each(|kept| kept.ours = false);
        (machine.frames, machine.outcomes, machine.orders) = (Vec::new(), Vec::new(), Vec::new());
        machine.late.clear();
        machine.running.clear();
        machine.facts = VecDeque::from([machine.kernel.everything()]);
        self.configure(n, host);
    }

    /// The daemon of machine `n` ends without a word, and another one goes on after `time`.
    pub(crate) fn replace(&mut self, n: usize, host: Host, time: Duration) {
        let mut estates = Vec::new();
        self.machines[n].node.note_estates(|_, note| {
            match note {
                Note::Stands(estate) => estates.push(estate.clone()),
                Note::Gone => {}
                Note::Advertised(_) => panic!("how it stands was not told before"),
            }
            true
        });
        self.crash(n, false);
        self.run(time);
        self.boot(n, host);
        self.machines[n].orders.insert(0, Input::Inherit(estates));
    }

    pub(crate) fn configure(&mut self, n: usize, host: Host) {
        host.check().unwrap();
        self.machines[n].orders.push(Input::Configure(Box::new(host)));
    }

    pub(crate) fn order(&mut self, n: usize, order: Order) {
        self.machines[n].abandoned |= order == Order::Abandon;
        self.machines[n].orders.push(Input::Order(order));
    }

    /// The process dies; somebody takes its addresses away, or nobody does.
    pub(crate) fn crash(&mut self, n: usize, cleaned: bool) {
        self.machines[n].frozen = true;
        if cleaned {
            self.machines[n].kernel.addresses.retain(|kept| !kept.ours);
        }
    }

    /// What `from` sends does not reach `to` from now on.
    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        self.cuts.insert((from, to));
    }

    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
    }

    pub(crate) fn status(&self, n: usize, instance: &str) -> InstanceStatus {
        let status = self.machines[n].node.status(self.now);
        status.instances.into_iter().find(|i| &*i.name == instance).unwrap()
    }

    pub(crate) fn standing(&self, n: usize) -> Standing {
        self.machines[n].node.status(self.now).instances[0].standing
    }

    /// Whether machine `n` answers for an address.
    pub(crate) fn has(&self, n: usize, address: &str) -> bool {
        self.machines[n].kernel.has(ip(address))
    }

    /// Time since the world began, in milliseconds and fractions.
    pub(crate) fn clock(&self, at: Instant) -> f64 {
        at.since(START).as_secs_f64() * 1000.0
    }

    /// What machine `n` reported since the last time it was asked, in words, each with its time in seconds.
    pub(crate) fn story(&mut self, n: usize) -> String {
        let mut story = String::new();
        for (at, event) in self.machines[n].events() {
            for line in compat::log_lines(&event) {
                story += &format!("{:>12.6} {line}\n", self.clock(at) / 1000.0);
            }
        }
        self.machines[n].log.clear();
        story
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.settle();
            self.check_owners();
            let next = self.machines.iter().filter_map(Machine::next).min().filter(|next| *next <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
        }
        self.now = until;
        let allowed = 40_000 + u64::try_from(time.as_millis()).unwrap() * 50;
        assert!(self.turns < allowed, "{} turns in {time:?}: something spins", self.turns);
        self.turns = 0;
    }

    /// Everything that happens at this instant.
    fn settle(&mut self) {
        for _ in 0..200 {
            let mut busy = false;
            let mut sent = Vec::new();
            for (n, machine) in self.machines.iter_mut().enumerate() {
                busy |= machine.kernel_works(self.now);
                if machine.wants_turn(self.now) {
                    busy = true;
                    self.turns += 1;
                    sent.extend(machine.turn(self.now).into_iter().map(|transmit| (n, transmit)));
                }
            }
            if !busy {
                return;
            }
            // Only now: what two do at the same instant neither knows of the other.
            sent.into_iter().for_each(|(n, transmit)| self.deliver(n, transmit));
        }
        panic!("no end of turns at {:?}", self.now);
    }

    fn deliver(&mut self, from: usize, sent: Transmit) {
        let Some(lan) = self.machines[from].kernel.links.get(&sent.interface).map(|(_, lan)| *lan) else {
            return;
        };
        for to in (0..self.machines.len()).filter(|to| *to != from) {
            let machine = &mut self.machines[to];
            let wanted = sent.destination.is_multicast() || machine.kernel.has(sent.destination);
            let ear =
                machine.kernel.links.values().find(|(link, its)| *its == lan && link.up && link.carrier);
            if let (Some((ear, _)), true, false) = (ear, wanted, self.cuts.contains(&(from, to))) {
                machine.frames.push(Caught { interface: ear.index, at: self.now, sent: sent.clone() });
            }
        }
    }

    /// SM-P-3, SM-P-4: on a whole network two Actives part as soon as one hears the other.
    fn check_owners(&mut self) {
        let whole =
            self.cuts.is_empty() && self.machines.iter().all(|m| !m.frozen && m.kernel.is_connected());
        let mut active: BTreeMap<(Arc<str>, u8), Vec<usize>> = BTreeMap::new();
        for (n, machine) in self.machines.iter().enumerate().filter(|(_, m)| !m.abandoned) {
            machine.was_active.iter().for_each(|router| active.entry(router.clone()).or_default().push(n));
        }
        active.retain(|_, holders| whole && holders.len() > 1);
        active.retain(|router, holders| self.hear_each_other(router, holders));
        self.conflicts.retain(|router, _| active.contains_key(router));
        for router in active.into_keys() {
            let since = *self.conflicts.entry(router.clone()).or_insert(self.now);
            assert!(self.now.since(since) < CONFLICT, "{router:?} has two owners at {:?}", self.now);
        }
    }

    /// Whether the machines speak from different addresses: what comes from its own address nobody believes.
    fn hear_each_other(&self, router: &(Arc<str>, u8), machines: &[usize]) -> bool {
        let source = |n: &usize| {
            let status = self.machines[*n].node.status(self.now);
            let mut instances = status.instances.into_iter();
            instances.find(|i| router == &(i.home.to_string().into(), i.vrid.get())).and_then(|i| i.source)
        };
        machines.iter().map(source).collect::<BTreeSet<_>>().len() > 1
    }
}

impl Machine {
    fn new(number: u8) -> Self {
        let mut kernel = Kernel::default();
        kernel.links.insert(ETH0, (link(ETH0, "eth0", number), 0));
        for text in [format!("10.0.0.{number}/24"), format!("fe80::{number}/64")] {
            kernel.addresses.push(Kept { address: address(ETH0, &text), ours: false });
        }
        Self {
            node: Node::new(),
            kernel,
            frozen: false,
            forgetful: false,
            abandoned: false,
            log: Vec::new(),
            facts: VecDeque::new(),
            late: VecDeque::new(),
            frames: Vec::new(),
            outcomes: Vec::new(),
            orders: Vec::new(),
            was_active: BTreeSet::new(),
            programs: Programs::ending(Ending::Exited(0)),
            programs_wait: false,
            running: BTreeMap::new(),
            delivery: Some(Delivery::Taken(Vec::new())),
            mailed: Vec::new(),
        }
    }

    pub(crate) fn tell(&mut self, fact: Fact) {
        self.facts.push_back(fact);
    }

    /// Puts a frame into the socket, as if it had come from a stranger.
    pub(crate) fn catch(&mut self, at: Instant, sent: Transmit) {
        self.frames.push(Caught { interface: sent.interface, at, sent });
    }

    pub(crate) fn events(&self) -> Vec<(Instant, Event)> {
        let events = self.log.iter().filter_map(|(at, effect)| match effect {
            Effect::Report(event) => Some((*at, event.clone())),
            Effect::Send(_)
            | Effect::Hold(_)
            | Effect::Run(_)
            | Effect::Kill(_)
            | Effect::Tell(_)
            | Effect::Mail(_) => None,
        });
        events.collect()
    }

    pub(crate) fn sent(&self) -> Vec<(Instant, Transmit)> {
        let sent = self.log.iter().filter_map(|(at, effect)| match effect {
            Effect::Send(transmit) => Some((*at, transmit.clone())),
            Effect::Report(_)
            | Effect::Hold(_)
            | Effect::Run(_)
            | Effect::Kill(_)
            | Effect::Tell(_)
            | Effect::Mail(_) => None,
        });
        sent.collect()
    }

    pub(crate) fn holds(&self) -> Vec<Hold> {
        let holds = self.log.iter().filter_map(|(_, effect)| match effect {
            Effect::Hold(hold) => Some(hold.clone()),
            Effect::Report(_)
            | Effect::Send(_)
            | Effect::Run(_)
            | Effect::Kill(_)
            | Effect::Tell(_)
            | Effect::Mail(_) => None,
        });
        holds.collect()
    }

    /// The administrator, or some program, sets an address.
    pub(crate) fn set_address(&mut self, address: Address) {
        self.kernel.addresses.retain(|k| !k.address.place().excludes(&address.place()));
        self.kernel.addresses.push(Kept { address: address.clone(), ours: false });
        self.facts.push_back(Fact::Address(address));
    }

    /// Somebody removes an address.
    pub(crate) fn steal(&mut self, address: &str, by: &str) {
        let address = ip(address);
        let kept = self.kernel.addresses.iter().position(|k| k.address.address == address).unwrap();
        let place = self.kernel.addresses.remove(kept).address.place();
        self.facts.push_back(Fact::AddressGone { place, by: Actor::Other(Some(by.into())) });
    }

    pub(crate) fn add_link(&mut self, link: Link, lan: u8) {
        self.kernel.links.insert(link.index, (link.clone(), lan));
        self.facts.push_back(Fact::Link(link));
    }

    /// An interface changes. Going down takes its IPv6 addresses along; the kernel tells those first.
    pub(crate) fn change_link(&mut self, index: InterfaceIndex, change: impl FnOnce(&mut Link)) {
        let (link, _) = self.kernel.links.get_mut(&index).unwrap();
        change(link);
        let link = link.clone();
        if !link.up {
            self.drop_addresses(index, |address| address.is_ipv6());
        }
        self.facts.push_back(Fact::Link(link));
    }

    pub(crate) fn remove_link(&mut self, index: InterfaceIndex) {
        self.drop_addresses(index, |_| true);
        self.kernel.links.remove(&index);
        self.facts.push_back(Fact::LinkGone(index));
    }

    fn drop_addresses(&mut self, interface: InterfaceIndex, which: impl Fn(IpAddr) -> bool) {
        let goes = |kept: &Kept| kept.address.interface == interface && which(kept.address.address);
        for kept in self.kernel.addresses.iter().filter(|kept| goes(kept)) {
            let (place, by) = (kept.address.place(), Actor::Other(None));
            self.facts.push_back(Fact::AddressGone { place, by });
        }
        self.kernel.addresses.retain(|kept| !goes(kept));
    }

    pub(crate) fn wants_turn(&self, now: Instant) -> bool {
        let waiting = self.facts.len()
            + self.frames.len()
            + self.outcomes.len()
            + self.orders.len()
            + self.late.len()
            + self.mailed.len();
        let due = [self.node.deadline(), self.next_end()].into_iter().flatten().any(|at| at <= now);
        !self.frozen && (waiting > 0 || due)
    }

    fn next(&self) -> Option<Instant> {
        let queue = self.kernel.queue.front().map(|(at, _)| *at);
        let deadline = self.node.deadline();
        if self.frozen { None } else { [queue, deadline, self.next_end()].into_iter().flatten().min() }
    }

    /// When the next program ends.
    fn next_end(&self) -> Option<Instant> {
        self.running.values().filter_map(|run| run.ends_at).min()
    }

    /// The runs that were begun, and when.
    pub(crate) fn runs(&self) -> Vec<(Instant, Run)> {
        let runs = self.log.iter().filter_map(|(at, effect)| match effect {
            Effect::Run(run) => Some((*at, run.clone())),
            Effect::Report(_)
            | Effect::Send(_)
            | Effect::Hold(_)
            | Effect::Kill(_)
            | Effect::Tell(_)
            | Effect::Mail(_) => None,
        });
        runs.collect()
    }

    /// The signals that were sent to runs: when, and whether SIGKILL.
    pub(crate) fn kills(&self) -> Vec<(Instant, Kill)> {
        let kills = self.log.iter().filter_map(|(at, effect)| match effect {
            Effect::Kill(kill) => Some((*at, *kill)),
            Effect::Report(_)
            | Effect::Send(_)
            | Effect::Hold(_)
            | Effect::Run(_)
            | Effect::Tell(_)
            | Effect::Mail(_) => None,
        });
        kills.collect()
    }

    fn start_program(&mut self, now: Instant, id: RunId) {
        let Programs { ending, after, obeys, mortal } = self.programs.clone();
        let ends_at = after.map(|after| now + after);
        self.running.insert(id, Running { ending, ends_at, obeys, mortal });
    }

    fn signal(&mut self, now: Instant, kill: Kill) {
        let Some(run) = self.running.get_mut(&kill.id) else { return };
        if if kill.hard { run.mortal } else { run.obeys } {
            (run.ending, run.ends_at) = (Ending::Signalled(if kill.hard { 9 } else { 15 }), Some(now));
        }
    }

    /// One turn, in the order that the seam demands; gives what went onto the network.
    pub(crate) fn turn(&mut self, now: Instant) -> Vec<Transmit> {
        let mut effects = Vec::new();
        let late = std::mem::take(&mut self.late);
        for fact in self.facts.drain(..) {
            self.node.handle(now, Input::Fact(fact), &mut effects);
        }
        for Caught { interface, at, sent } in self.frames.drain(..) {
            let datagram = match (sent.source, sent.destination) {
                (IpAddr::V6(source), IpAddr::V6(destination)) => {
                    let hop_limit = Some(sent.hop_limit);
                    Datagram::V6 { source, destination, hop_limit, payload: &sent.datagram }
                }
                _ => Datagram::V4(&sent.datagram),
            };
            if self.forgetful {
                self.node.handle(now, Input::Begun(RunId(u64::MAX)), &mut effects);
                // Nor may it matter that it rests.
                self.node.rest();
            }
            self.node.handle(now, Input::Frame(Frame { interface, at, datagram }), &mut effects);
        }
        for outcome in self.outcomes.drain(..) {
            self.node.handle(now, Input::Outcome(outcome), &mut effects);
        }
        let ended: Vec<RunId> = self
            .running
            .iter()
            .filter(|(_, run)| run.ends_at.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            let how = self.running.remove(&id).unwrap().ending;
            self.node.handle(now, Input::Ended(Ended { id, how }), &mut effects);
        }
        for mailed in self.mailed.drain(..) {
            self.node.handle(now, Input::Mailed(mailed), &mut effects);
        }
        for order in self.orders.drain(..) {
            self.node.handle(now, order, &mut effects);
        }
        self.node.handle(now, Input::Elapsed, &mut effects);
        self.facts.extend(late);
        let sent = self.perform(now, &effects);
        self.check(now, &effects);
        self.log.extend(effects.into_iter().map(|effect| (now, effect)));
        sent
    }

    fn perform(&mut self, now: Instant, effects: &[Effect]) -> Vec<Transmit> {
        let mut sent = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send(transmit) => {
                    let transmit = crate::routed::sent_by(&self.kernel, transmit);
                    let link = self.kernel.links.get(&transmit.interface);
                    if link.is_some_and(|(link, _)| link.up) {
                        sent.push(transmit);
                        continue;
                    }
                    let (router, errno) = (transmit.router, Errno(if link.is_some() { 100 } else { 19 }));
                    let mut more = Vec::new();
                    self.node.handle(now, Input::Unsent { router, errno }, &mut more);
                    self.log.extend(more.into_iter().map(|effect| (now, effect)));
                }
                Effect::Hold(hold) => self.kernel.ask(now, hold.clone()),
                Effect::Run(run) => {
                    if !self.programs_wait {
                        self.start_program(now, run.id);
                        self.node.handle(now, Input::Begun(run.id), &mut Vec::new());
                    }
                }
                Effect::Kill(kill) => self.signal(now, *kill),
                Effect::Mail(letter) => {
                    let mailed = |how| Mailed { id: letter.id, how };
                    self.mailed.extend(self.delivery.clone().map(mailed));
                }
                Effect::Report(_) | Effect::Tell(_) => {}
            }
        }
        sent
    }

    fn kernel_works(&mut self, now: Instant) -> bool {
        let mut worked = false;
        while !self.frozen && self.kernel.queue.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, hold)) = self.kernel.queue.pop_front() else { break };
            let (outcome, mut notices) = self.kernel.carry_out(now, &hold);
            if self.kernel.is_silent {
                notices.clear();
            }
            if self.kernel.late_notices { &mut self.late } else { &mut self.facts }.extend(notices);
            self.outcomes.extend(outcome);
            worked = true;
        }
        worked
    }

    /// What holds after every turn: addresses are set for Active routers only, adverts come from Active ones or
    /// say good-bye, and when nothing is under way any more what is held is what Active routers want.
    fn check(&mut self, now: Instant, effects: &[Effect]) {
        let status = self.node.status(now);
        let active: Vec<_> = status.instances.iter().filter(|i| i.standing == Standing::Active).collect();
        let routers: BTreeSet<_> = active.iter().map(|i| (i.home.to_string().into(), i.vrid.get())).collect();
        // An owner may start, and be gone again, within a turn.
        let started =
            effects.iter().any(|e| matches!(e, Effect::Report(Event::Moved { to: Standing::Active, .. })));
        for effect in effects {
            match effect {
                Effect::Hold(Hold { router: RouterId::STATIC, act: Act::Add { addresses, .. }, .. }) => {
                    for placed in addresses.iter() {
                        let mut wanted = status.static_addresses.iter().map(|a| a.address);
                        assert!(wanted.any(|a| a == placed.address.address), "{placed:?} is not static");
                        assert!(!status.stopping, "{placed:?} is set at the end");
                    }
                }
                Effect::Hold(Hold { act: Act::Add { addresses, announcements }, .. }) => {
                    assert_eq!(addresses.len(), announcements.len());
                    for placed in addresses.iter() {
                        let wanted = |i: &&InstanceStatus| {
                            i.addresses.iter().any(|a| a.address == placed.address.address)
                        };
                        assert!(active.iter().any(wanted), "{placed:?} is set for nobody at {now:?}");
                    }
                }
                Effect::Send(transmit) => {
                    let message = vrrp_message(transmit);
                    let message = Message::new(&message).unwrap();
                    let mut at_any_time = self.was_active.iter().chain(&routers);
                    let leaves = message.priority() == Priority::LEAVING;
                    let is_known = at_any_time.any(|(_, vrid)| *vrid == message.vrid());
                    let is_active = active.iter().any(|i| i.vrid.get() == message.vrid());
                    assert!(started || is_known && !(leaves && is_active), "{transmit:?} at {now:?}");
                }
                Effect::Hold(_)
                | Effect::Report(_)
                | Effect::Run(_)
                | Effect::Kill(_)
                | Effect::Tell(_)
                | Effect::Mail(_) => {}
            }
        }
        self.was_active = routers;
        if self.abandoned || !self.kernel.queue.is_empty() || self.facts.len() + self.late.len() > 0 {
            return;
        }
        let ours: BTreeSet<IpAddr> = self.kernel.ours().collect();
        let mut wanted = BTreeSet::new();
        for address in &status.static_addresses {
            match address.state {
                AddressState::Held => assert!(!status.stopping, "{address:?} at the end"),
                AddressState::Absent | AddressState::Foreign | AddressState::Refused(_) => continue,
                AddressState::Removing => {
                    assert!(self.kernel.clung.contains(&address.address), "{address:?}");
                }
                AddressState::Adding => panic!("{address:?} is being set by nobody at {now:?}"),
            }
            wanted.insert(address.address);
        }
        for (instance, address) in
            status.instances.iter().flat_map(|i| i.addresses.iter().map(move |a| (i, a)))
        {
            let is_active = instance.standing == Standing::Active;
            match address.state {
                AddressState::Held => assert!(is_active, "{address:?} is held by {:?}", instance.standing),
                AddressState::Absent if is_active => {} // Its interface is missing, or somebody keeps removing it.
                AddressState::Absent | AddressState::Foreign | AddressState::Refused(_) => {}
                AddressState::Removing => {
                    assert!(self.kernel.clung.contains(&address.address), "{address:?}")
                }
                AddressState::Adding => panic!("{address:?} is being set by nobody at {now:?}"),
            }
            if matches!(address.state, AddressState::Held | AddressState::Removing) {
                wanted.insert(address.address);
            }
        }
        let clung = |address: &IpAddr| self.kernel.clung.contains(address);
        assert!(ours.difference(&wanted).all(clung), "{ours:?} is not {wanted:?} at {now:?}");
        assert!(wanted.is_subset(&self.kernel.marked().collect()), "{ours:?} is not {wanted:?} at {now:?}");
    }
}

impl Kernel {
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|kept| kept.address.address == address)
    }

    /// What this run of the daemon set.
    pub(crate) fn ours(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter().filter(|kept| kept.ours).map(|kept| kept.address.address)
    }

    fn marked(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter().filter(|kept| kept.address.marked).map(|kept| kept.address.address)
    }

    fn is_connected(&self) -> bool {
        self.links.values().all(|(link, _)| link.up && link.carrier)
    }

    pub(crate) fn everything(&self) -> Fact {
        let links = self.links.values().map(|(link, _)| link.clone()).collect();
        Fact::Everything {
            links,
            addresses: self.addresses.iter().map(|kept| kept.address.clone()).collect(),
        }
    }

    fn ask(&mut self, now: Instant, hold: Hold) {
        if matches!(hold.act, Act::Remove { .. }) {
            self.last_remove.insert(hold.router, hold.epoch);
        }
        self.queue.push_back((now + self.delay, hold));
    }

    fn carry_out(&mut self, now: Instant, hold: &Hold) -> (Option<Outcome>, Vec<Fact>) {
        let stale = self.last_remove.get(&hold.router).is_some_and(|last| hold.epoch < *last);
        let mut notices = Vec::new();
        let results = match &hold.act {
            Act::Add { addresses, .. } if stale => {
                addresses.iter().map(|placed| (placed.place(), Settled::Superseded)).collect()
            }
            Act::Add { addresses, announcements } => {
                let results: Vec<_> =
                    addresses.iter().map(|placed| (placed.place(), self.set(placed, &mut notices))).collect();
                announcements.iter().for_each(|a| self.announce(now, a.address, 1));
                results
            }
            Act::Remove { addresses, all } => {
                let each = addresses.iter();
                each.map(|placed| (placed.place(), self.unset(placed, *all, &mut notices))).collect()
            }
            Act::Announce { announcements, rounds, .. } => {
                if !stale {
                    announcements.iter().for_each(|a| self.announce(now, a.address, *rounds));
                }
                return (None, notices);
            }
            Act::Close { .. } => return (None, notices),
        };
        (Some(Outcome { router: hold.router, epoch: hold.epoch, results }), notices)
    }

    fn announce(&mut self, now: Instant, address: IpAddr, rounds: u32) {
        if self.has(address) {
            self.announced.push((now, address, rounds));
        }
    }

    fn set(&mut self, placed: &Placed, notices: &mut Vec<Fact>) -> Settled {
        let Placed { interface, address: VirtualAddress { address, prefix, .. } } = *placed;
        if !self.links.contains_key(&interface) {
            return Settled::Refused(Errno(19));
        }
        if let Some(errno) = self.refuses.get(&address) {
            return Settled::Refused(*errno);
        }
        let place = placed.place();
        let here = |kept: &&mut Kept| kept.address.place().excludes(&place);
        if let Some(kept) = self.addresses.iter_mut().find(here) {
            if !kept.address.marked || kept.address.place() != place {
                return Settled::Adopted;
            }
            kept.ours = true;
            return Settled::Added;
        }
        let (usable, secondary, marked) = (true, false, true);
        let address = Address { interface, address, prefix, usable, secondary, marked };
        notices.push(Fact::Address(address.clone()));
        if self.thief.contains(&address.address) {
            let by = Actor::Other(Some("dhcpcd".into()));
            notices.push(Fact::AddressGone { place, by });
        } else {
            self.addresses.push(Kept { address, ours: true });
        }
        Settled::Added
    }

    fn unset(&mut self, placed: &Placed, all: bool, notices: &mut Vec<Fact>) -> Settled {
        let (address, place) = (placed.address.address, placed.place());
        let here = |kept: &Kept| kept.address.place() == place;
        let Some(at) = self.addresses.iter().position(here) else { return Settled::Removed };
        let kept = &self.addresses[at];
        if !(kept.ours || all && kept.address.marked) {
            return Settled::NotOurs;
        }
        if let Some(errno) = self.clings.get(&address) {
            self.clung.insert(address);
            return Settled::Refused(*errno);
        }
        self.addresses.remove(at);
        notices.push(Fact::AddressGone { place, by: Actor::Ourselves });
        Settled::Removed
    }
}

/// The VRRP message in a datagram, whatever stands before it.
pub(crate) fn vrrp_message(sent: &Transmit) -> Vec<u8> {
    match (sent.source, sent.datagram.get(9)) {
        (IpAddr::V6(_), _) => sent.datagram.to_vec(),
        (IpAddr::V4(_), Some(51)) => sent.datagram[44..].to_vec(),
        (IpAddr::V4(_), _) => sent.datagram[20..].to_vec(),
    }
}

/// The priorities that were sent, with their times in milliseconds.
pub(crate) fn adverts(world: &World, n: usize) -> Vec<(f64, u8)> {
    let sent = world.machines[n].sent();
    sent.iter()
        .map(|(at, t)| (world.clock(*at), Message::new(&vrrp_message(t)).unwrap().priority().0))
        .collect()
}

/// A frame that says whatever a test wants it to say.
pub(crate) fn forged(
    interface: InterfaceIndex,
    source: IpAddr,
    destination: IpAddr,
    datagram: Vec<u8>,
) -> Transmit {
    let datagram: Arc<[u8]> = datagram.into();
    Transmit { router: RouterId(0), interface, vrf: 0, source, destination, hop_limit: 255, datagram }
}

/// A link-local address that is not ready yet.
pub(crate) fn tentative(interface: InterfaceIndex, last: u16) -> Address {
    let local = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last));
    Address { usable: false, ..address(interface, &format!("{local}/64")) }
}
