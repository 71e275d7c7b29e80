//! One machine: a daemon (perhaps), its kernel, its clocks, and what is on its way between them.

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::forge::{Ear, Forgery, forge};
use crate::kernel::Kernel;
use crate::oracles::Violation;
use crate::programs::Programs;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::Host;
use node::Node;
use node::estate::{Estate, Note};
use node::event::{Event, Standing};
use node::io::{
    Actor, Datagram, Effect, Ended, Errno, Fact, Frame, Input, InterfaceIndex, Letter, Mailed, Order,
    Outcome, RouterId, Settled, Transmit,
};
use node::mail::Delivery;
use node::status::Status;
use timeline::{Duration, Instant, Machine as _};
use vrrp::{Discard, Legacy};

/// So many frames wait in a socket; the rest is lost.
const BACKLOG: usize = 256;
/// So many reports wait for the desk; the rest is dropped and counted.
const REPORTS: usize = 40;

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) kernel: Kernel,
    pub(crate) clock: Clock,
    /// The configuration that a daemon finds when it starts.
    pub(crate) host: Host,
    pub(crate) programs: Programs,
    daemon: Option<Daemon>,
    /// How the routers of the daemon stand, or stood when it died.
    estates: BTreeMap<RouterId, Estate>,
    /// The supervisor of a worker that has died.
    heir: Option<Heir>,
    /// Its clock has stood still since the daemon last looked about: what others have done meanwhile nobody here knows.
    is_behind: bool,
    /// When a worker died last.
    fell_at: Option<Instant>,
    is_on: bool,
    sleep: Option<Sleep>,
    /// The daemon does not run before then.
    frozen_until: Instant,
    /// The thread that sends adverts does not run before then.
    stalled_until: Instant,
    /// The thread that reads configurations does not run before then.
    desk_until: Instant,
    /// Started once more when the daemon has ended.
    pub(crate) start_again: bool,
    /// Its last daemon was told to leave everything as it is.
    pub(crate) leaves: bool,
}

/// The supervisor waits for another worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heir {
    /// It may go on with what is held.
    Offered,
    /// It starts anew.
    Anew,
}

/// What a new worker needs until its first advert; what removing its addresses may take; and two deaths within this time
/// are a loop.
const START: Duration = Duration::from_millis(50);
const RELEASE: Duration = Duration::from_millis(50);
const LOOP: Duration = Duration::from_secs(60);

/// The whole machine does not run.
#[derive(Debug)]
struct Sleep {
    since: Instant,
    until: Instant,
    /// The clock stands still too, and what arrives waits.
    is_paused: bool,
    frames: Vec<Transmit>,
}

/// A daemon that runs.
#[derive(Debug, Default)]
struct Daemon {
    node: Node,
    facts: Vec<Fact>,
    /// With the kernel's stamps.
    frames: Vec<(i128, Transmit)>,
    /// Which of the frames nobody may believe, and why.
    forged: Vec<(Arc<[u8]>, Discard)>,
    /// What it was told of the wall clock.
    wall: Option<i128>,
    deaf: bool,
    outcomes: Vec<Outcome>,
    runs: Vec<Ended>,
    orders: Vec<Input<'static>>,
    /// What the desk will have read, and when.
    desk: VecDeque<(Instant, Input<'static>)>,
    reports: usize,
    dropped: usize,
    standings: BTreeMap<Arc<str>, Standing>,
    /// Groups that are joined.
    joined: BTreeSet<(InterfaceIndex, IpAddr)>,
    stopping: bool,
    /// It has had a turn.
    ran: bool,
    /// What is held may be another since somebody looked.
    changed: bool,
    /// When the last turn began, on its own clock.
    previous: Instant,
}

/// One turn of a daemon: what it was told and what that led to.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// The first one of its daemon.
    pub(crate) first: bool,
    /// What the machine's clock showed.
    pub(crate) local: Instant,
    /// The frames that it read, and what its clock showed when they had arrived.
    pub(crate) heard: Vec<(Instant, Transmit)>,
    /// What became of forged ones.
    pub(crate) forged: Option<Judgement>,
    /// It was told that it may have missed some.
    pub(crate) deaf: bool,
    /// It was given an order or a configuration.
    pub(crate) ordered: bool,
    /// Addresses that its kernel would not set.
    pub(crate) refused: Vec<IpAddr>,
    /// Addresses that somebody else took away.
    pub(crate) taken: Vec<IpAddr>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) sent: Vec<Transmit>,
    /// The daemon has ended as it was told.
    pub(crate) ended: bool,
}

/// What a daemon made of frames that it must not believe.
#[derive(Debug)]
pub(crate) struct Judgement {
    /// Why each of them must not be believed.
    pub(crate) why: Vec<Discard>,
    /// So many others were read.
    pub(crate) genuine: usize,
    /// By [`Discard::index`], before and after.
    pub(crate) discarded: [[u64; Discard::ALL.len()]; 2],
    /// So many adverts had been believed, before and after.
    pub(crate) believed: [u64; 2],
}

/// What happened to a machine when its time came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The machine runs again.
    Machine,
    /// The desk read so many reports late, and so many were dropped.
    Desk(usize, usize),
}

impl Machine {
    pub(crate) fn new(kernel: Kernel, clock: Clock, host: Host) -> Self {
        let (frozen_until, stalled_until, desk_until) = (Instant::EPOCH, Instant::EPOCH, Instant::EPOCH);
        let (daemon, is_on, sleep, start_again, leaves) = (None, true, None, false, false);
        Self {
            kernel,
            clock,
            host,
            programs: Programs::default(),
            daemon,
            estates: BTreeMap::new(),
            heir: None,
            is_behind: false,
            fell_at: None,
            is_on,
            sleep,
            frozen_until,
            stalled_until,
            desk_until,
            start_again,
            leaves,
        }
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.daemon.is_some()
    }

    /// Its kernel runs: what it holds it answers for.
    pub(crate) const fn is_awake(&self) -> bool {
        self.is_on && self.sleep.is_none()
    }

    /// The whole machine does not run.
    pub(crate) const fn is_asleep(&self) -> bool {
        self.sleep.is_some()
    }

    /// Whether it sends and hears as it should.
    pub(crate) fn is_well(&self, now: Instant) -> bool {
        let is_idle = self.frozen_until <= now && self.stalled_until <= now;
        self.is_awake() && is_idle && self.kernel.is_well_connected()
    }

    pub(crate) fn start(&mut self, now: Instant) {
        if !self.is_on {
            self.is_on = true;
            self.clock.begin(now);
        }
        match &self.daemon {
            Some(daemon) => self.start_again |= daemon.stopping,
            // Its supervisor has not ended.
            None if self.heir.is_some() => {}
            None => {
                self.estates.clear();
                let facts = [self.kernel.everything()].into();
                let orders = [Input::Configure(Box::new(self.host.clone()))].into();
                let previous = self.clock.read(now);
                self.daemon = Some(Daemon { facts, orders, previous, ..Daemon::default() });
                self.start_again = false;
            }
        }
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        self.end(now, Order::Stop);
    }

    pub(crate) fn abandon(&mut self, now: Instant) {
        self.end(now, Order::Abandon);
    }

    fn end(&mut self, now: Instant, order: Order) {
        if let Some(daemon) = self.daemon.as_mut().filter(|daemon| !daemon.stopping) {
            (daemon.stopping, self.leaves) = (true, order == Order::Abandon);
            daemon.tell(now, Duration::ZERO, Input::Order(order));
        }
    }

    /// Somebody forges an advert for one of its instances.
    pub(crate) fn deceive(&mut self, now: Instant, at: usize, forgery: Forgery, priority: u8) {
        let Some(daemon) = self.daemon.as_ref() else { return };
        let status = daemon.node.status(self.clock.read(now));
        let forged = daemon.node.instances().nth(at).and_then(|instance| {
            let state = status.instances.iter().find(|state| state.name == instance.name)?;
            let interface = self.kernel.link_named(instance.home.interface()?)?.index;
            let ear = Ear { interface, source: state.source? };
            forge(daemon.node.frame(), instance, &ear, forgery, priority)
        });
        let Some((frame, why)) = forged else { return };
        if let Some(daemon) = &mut self.daemon {
            daemon.forged.push((frame.datagram.clone(), why));
        }
        self.catch(now, frame);
    }

    /// The worker dies. `None`: there is none. Else until when another one may go on with what it held; not at all: then it
    /// is gone.
    pub(crate) fn lose_worker(&mut self, now: Instant) -> Option<Option<Instant>> {
        if self.daemon.as_ref().is_none_or(|daemon| daemon.stopping) {
            return None;
        }
        self.daemon = None;
        self.programs.forget_runs();
        // What kept its threads is over with them.
        (self.stalled_until, self.desk_until) = (now, now);
        let is_loop = self.fell_at.replace(now).is_some_and(|at| now.since(at) < LOOP);
        let until = self.estates.values().filter_map(|estate| match estate.legacy {
            Legacy::Active { until, .. } => Some(self.clock.moment(until - RELEASE)),
            Legacy::Backup { .. } => None,
        });
        let until = until.min();
        // Where nothing is held there is nothing that another one could hold for too long.
        let is_offered = !is_loop && until.is_none_or(|until| until.since(now) >= START);
        self.heir = Some(if is_offered { Heir::Offered } else { Heir::Anew });
        if is_offered && until.is_some() {
            self.kernel.orphan();
            return Some(until);
        }
        self.kernel.bury(true);
        Some(None)
    }

    /// The next worker begins.
    pub(crate) fn succeed(&mut self, now: Instant) {
        let Some(heir) = self.heir.take().filter(|_| self.daemon.is_none()) else { return };
        let estates: Vec<Estate> = core::mem::take(&mut self.estates).into_values().collect();
        self.start(now);
        if heir == Heir::Offered
            && let Some(daemon) = &mut self.daemon
        {
            daemon.orders.insert(0, Input::Inherit(estates));
        }
    }

    /// What a dead worker held is there for the next one, and nobody else can have taken over.
    pub(crate) fn is_offered(&self) -> bool {
        self.heir == Some(Heir::Offered) && !self.is_behind
    }

    /// Nobody waits for another worker: the daemon may be started anew.
    pub(crate) const fn forget_heir(&mut self) {
        self.heir = None;
    }

    /// The supervisor waits no longer for the next worker.
    pub(crate) fn revoke(&mut self) {
        if self.heir == Some(Heir::Offered) {
            self.heir = Some(Heir::Anew);
            self.kernel.bury(true);
        }
    }

    pub(crate) fn crash(&mut self, cleaned: bool) {
        if self.daemon.take().is_some() {
            self.programs.forget_runs();
            self.kernel.bury(cleaned);
        }
    }

    /// Nothing of what it held and nothing of what it waited for is left.
    pub(crate) fn lose_power(&mut self, now: Instant) {
        (self.daemon, self.heir) = (None, None);
        self.programs.forget_runs();
        self.kernel.lose_power();
        self.wake_up(now);
        self.is_on = false;
        self.start_again = false;
        (self.frozen_until, self.stalled_until, self.desk_until) = (now, now, now);
    }

    pub(crate) fn reload(&mut self, now: Instant, host: Host, reading: Duration) {
        self.host = host;
        if let Some(daemon) = self.daemon.as_mut().filter(|daemon| !daemon.stopping) {
            daemon.tell(now, reading, Input::Configure(Box::new(self.host.clone())));
        }
    }

    pub(crate) fn freeze(&mut self, until: Instant) {
        self.frozen_until = self.frozen_until.max(until);
    }

    pub(crate) fn stall(&mut self, until: Instant) {
        self.stalled_until = self.stalled_until.max(until);
    }

    pub(crate) fn block_desk(&mut self, until: Instant) {
        self.desk_until = self.desk_until.max(until);
    }

    /// The whole machine does not run until then; `is_paused`: nor does its clock.
    pub(crate) fn sleep(&mut self, now: Instant, until: Instant, is_paused: bool) {
        if self.is_on && self.sleep.is_none() {
            self.sleep = Some(Sleep { since: now, until, is_paused, frames: Vec::new() });
        }
    }

    fn wake_up(&mut self, now: Instant) {
        let Some(sleep) = self.sleep.take() else { return };
        let missed = now.since(sleep.since);
        self.programs.put_off(missed);
        if sleep.is_paused {
            self.is_behind = true;
            self.clock.miss(missed);
            // What was planned on this machine's time line comes so much later.
            for moment in [&mut self.frozen_until, &mut self.stalled_until, &mut self.desk_until] {
                if *moment > sleep.since {
                    *moment += missed;
                }
            }
            self.kernel.put_off(missed);
            if let Some(daemon) = &mut self.daemon {
                daemon.desk.iter_mut().for_each(|(at, _)| *at += missed);
            }
        }
        for frame in sleep.frames {
            self.catch(now, frame);
        }
    }

    /// Whatever keeps it from running is over.
    pub(crate) fn wake(&mut self, now: Instant) {
        self.wake_up(now);
        (self.frozen_until, self.stalled_until, self.desk_until) = (now, now, now);
    }

    pub(crate) fn overrun(&mut self) {
        let everything = self.kernel.everything();
        if let Some(daemon) = &mut self.daemon {
            daemon.facts = [everything].into();
            daemon.frames.clear();
            daemon.forged.clear();
            daemon.deaf = true;
        }
    }

    /// Changes something about the kernel that it tells of.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Kernel, &mut Vec<Fact>)) {
        let mut notices = Vec::new();
        change(&mut self.kernel, &mut notices);
        if let Some(daemon) = &mut self.daemon {
            daemon.facts.extend(notices);
        }
    }

    /// Tells the daemon of something.
    pub(crate) fn learn(&mut self, fact: Fact) {
        if let Some(daemon) = &mut self.daemon {
            daemon.facts.push(fact);
        }
    }

    /// Whether it would answer who has this address on this interface.
    pub(crate) fn answers(&self, interface: InterfaceIndex, address: IpAddr) -> bool {
        self.is_on && self.kernel.is_connected(interface) && self.kernel.has_on(interface, address)
    }

    /// A frame comes in on its interface.
    pub(crate) fn catch(&mut self, now: Instant, frame: Transmit) {
        if let Some(sleep) = &mut self.sleep {
            if sleep.is_paused && sleep.frames.len() < BACKLOG {
                sleep.frames.push(frame);
            }
            return;
        }
        let stamp = self.clock.stamp(now);
        let Some(daemon) = self.daemon.as_mut().filter(|_| self.kernel.is_connected(frame.interface)) else {
            return;
        };
        let is_meant = match frame.destination.is_multicast() {
            true => daemon.joined.contains(&(frame.interface, frame.destination)),
            false => self.kernel.has(frame.destination),
        };
        if !is_meant {
        } else if daemon.frames.len() < BACKLOG {
            daemon.frames.push((stamp, frame));
        } else {
            daemon.deaf = true;
        }
    }

    /// When it will do something, if nothing else happens.
    pub(crate) fn next(&self) -> Option<Instant> {
        if let Some(sleep) = &self.sleep {
            return Some(sleep.until);
        }
        let daemon = self.daemon.as_ref()?;
        let due = match daemon.node.deadline() {
            _ if daemon.is_called() => Some(Instant::EPOCH),
            deadline => deadline.map(|local| self.clock.moment(local)),
        };
        let turn = due.map(|due| due.max(self.stalled_until));
        let desk = daemon.desk.front().map(|(at, _)| (*at).max(self.desk_until));
        let reports = (daemon.reports > 0).then_some(self.desk_until);
        let next =
            [turn, self.kernel.next(), self.programs.next(), desk, reports].into_iter().flatten().min()?;
        Some(next.max(self.frozen_until))
    }

    /// Whoever slept wakes up; the desk and the hand do what is due.
    pub(crate) fn work(&mut self, now: Instant) -> Option<Woken> {
        let slept = self.sleep.as_ref().is_some_and(|sleep| sleep.until <= now);
        if slept {
            self.wake_up(now);
        }
        if self.sleep.is_some() || self.frozen_until > now {
            return None;
        }
        let daemon = self.daemon.as_mut()?;
        while let Some(outcome) = self.kernel.work(now, &mut daemon.facts) {
            daemon.outcomes.push(outcome);
        }
        while let Some(ended) = self.programs.ended(now) {
            daemon.runs.push(ended);
        }
        let mut late = None;
        if self.desk_until <= now {
            let reports = core::mem::take(&mut daemon.reports);
            let dropped = core::mem::take(&mut daemon.dropped);
            late = (reports > 0).then_some(Woken::Desk(reports, dropped));
            while daemon.desk.front().is_some_and(|(at, _)| *at <= now) {
                daemon.orders.extend(daemon.desk.pop_front().map(|(_, order)| order));
            }
        }
        if slept { Some(Woken::Machine) } else { late }
    }

    /// One turn, in the order that the seam demands, if it is time for one.
    pub(crate) fn turn(&mut self, now: Instant) -> Option<Turn> {
        let local = self.clock.read(now);
        let is_blocked = self.sleep.is_some() || now < self.frozen_until || now < self.stalled_until;
        let daemon = self.daemon.as_mut()?;
        let is_due = daemon.is_called() || daemon.node.deadline().is_some_and(|at| at <= local);
        if !is_due || is_blocked {
            return None;
        }
        self.is_behind = false;
        let first = !core::mem::replace(&mut daemon.ran, true);
        let (deaf, ordered) = (daemon.deaf, !daemon.orders.is_empty());
        let refused = daemon
            .outcomes
            .iter()
            .flat_map(|outcome| &outcome.results)
            .filter_map(|result| matches!(result.1, Settled::Refused(_)).then_some(result.0.address));
        let taken = daemon.facts.iter().filter_map(|fact| {
            let Fact::AddressGone { place, by: Actor::Other(_) } = fact else { return None };
            Some(place.address)
        });
        let (refused, taken) = (refused.collect(), taken.collect());
        let mut turn = Turn { first, local, deaf, ordered, refused, taken, ..Turn::default() };
        for fact in &daemon.facts {
            if let Fact::LinkGone(interface) = fact {
                self.kernel.forget(*interface);
            }
        }
        // What else comes in the same turn may take counters along.
        let is_plain = daemon.orders.is_empty() && daemon.facts.is_empty();
        let is_deceived = !daemon.forged.is_empty();
        let before = (is_deceived && is_plain).then(|| daemon.counts(local));
        let forged = core::mem::take(&mut daemon.forged);
        let mut effects = daemon.hear_all(local, self.clock, &self.programs, &mut turn.heard);
        if is_deceived {
            let mut why = Vec::new();
            turn.heard.retain(|(_, frame)| {
                let found = forged.iter().find(|(datagram, _)| Arc::ptr_eq(datagram, &frame.datagram));
                why.extend(found.map(|(_, why)| *why));
                found.is_none()
            });
            turn.forged = before.map(|(discarded, believed)| {
                let after = daemon.counts(local);
                let genuine = turn.heard.len();
                Judgement { why, genuine, discarded: [discarded, after.0], believed: [believed, after.1] }
            });
        }
        let mut at = 0;
        while let Some(effect) = effects.get(at).cloned() {
            at += 1;
            match effect {
                Effect::Send(frame) if self.kernel.link(frame.interface).is_some_and(|link| link.up) => {
                    turn.sent.push(frame);
                }
                Effect::Send(Transmit { router, .. }) => {
                    let input = Input::Unsent { router, errno: Errno(100) };
                    daemon.node.handle(local, input, &mut effects);
                }
                Effect::Hold(hold) => {
                    daemon.changed = true;
                    self.kernel.ask(now, hold);
                }
                Effect::Run(run) => {
                    self.programs.run(now, &run);
                    daemon.node.handle(local, Input::Begun(run.id), &mut effects);
                }
                Effect::Kill(kill) => self.programs.kill(now, kill),
                // Who reads the pipes is not in this world, and its mail server takes everything at once.
                Effect::Tell(_) => {}
                Effect::Mail(Letter { id, .. }) => {
                    let mailed = Mailed { id, how: Delivery::Taken(Vec::new()) };
                    daemon.node.handle(local, Input::Mailed(mailed), &mut effects);
                }
                Effect::Report(event) => daemon.note(&event, now < self.desk_until),
            }
        }
        turn.effects = effects;
        let estates = &mut self.estates;
        daemon.node.note_estates(|id, note| {
            match note {
                Note::Stands(estate) => _ = estates.insert(id, estate.clone()),
                Note::Advertised(progress) => {
                    if let Some(estate) = estates.get_mut(&id) {
                        estate.go_on(progress);
                    }
                }
                Note::Gone => _ = estates.remove(&id),
            }
            true
        });
        turn.ended = daemon.stopping && daemon.node.is_at_rest() && daemon.desk.is_empty();
        if turn.ended {
            self.daemon = None;
            self.programs.forget_runs();
            // The next one has a hand of its own, which has taken nothing back yet.
            self.kernel.bury(false);
        }
        Some(turn)
    }

    /// The interface of this number, to people.
    pub(crate) fn name_of(&self, interface: InterfaceIndex) -> Arc<str> {
        self.kernel.link(interface).map_or_else(|| "?".into(), |link| link.name.clone())
    }

    /// What its clock shows.
    pub(crate) fn local(&self, now: Instant) -> Instant {
        self.clock.read(now)
    }

    /// Whether something waits that the daemon has not been told.
    pub(crate) fn is_called(&self) -> bool {
        self.daemon.as_ref().is_some_and(Daemon::is_called)
    }

    /// What the daemon says of itself.
    pub(crate) fn status(&self, now: Instant) -> Option<Status> {
        let daemon = self.daemon.as_ref()?;
        Some(daemon.node.status(self.clock.read(now)))
    }

    /// The instances of the configuration in force.
    pub(crate) fn instances(&self) -> impl Iterator<Item = &model::Instance> {
        self.daemon.iter().flat_map(|daemon| daemon.node.instances())
    }

    /// The configuration in force, without its instances.
    pub(crate) fn in_force(&self) -> Option<&Host> {
        self.daemon.as_ref().map(|daemon| daemon.node.frame())
    }

    /// Whether an instance is Active here.
    pub(crate) fn is_active(&self, instance: &str) -> bool {
        let standing = self.daemon.as_ref().and_then(|daemon| daemon.standings.get(instance));
        standing == Some(&Standing::Active)
    }

    /// The instances that are Active here.
    pub(crate) fn active(&self) -> impl Iterator<Item = &Arc<str>> + '_ {
        let standings = self.daemon.iter().flat_map(|daemon| &daemon.standings);
        standings.filter(|(_, standing)| **standing == Standing::Active).map(|(name, _)| name)
    }

    /// What the daemon says of itself, if something may have changed since it was asked and nothing is under way.
    pub(crate) fn news(&mut self, now: Instant) -> Option<Status> {
        let local = self.clock.read(now);
        let daemon = self.daemon.as_mut()?;
        let is_quiet = self.kernel.next().is_none() && !daemon.is_called();
        let is_news = is_quiet && core::mem::take(&mut daemon.changed);
        is_news.then(|| daemon.node.status(local))
    }
}

impl Daemon {
    /// Something waits for it.
    const fn is_called(&self) -> bool {
        self.deaf
            || !self.facts.is_empty()
            || !self.frames.is_empty()
            || !self.outcomes.is_empty()
            || !self.runs.is_empty()
            || !self.orders.is_empty()
    }

    /// Adverts not believed, by reason, and adverts believed.
    fn counts(&self, local: Instant) -> ([u64; Discard::ALL.len()], u64) {
        let status = self.node.status(local);
        let mut discarded = status.strays;
        for instance in &status.instances {
            for (sum, more) in discarded.iter_mut().zip(instance.counters.discards.counts()) {
                *sum += more;
            }
        }
        (discarded, status.instances.iter().map(|instance| instance.counters.received).sum())
    }

    /// The desk will have done its part after so long; it does one thing after the other.
    fn tell(&mut self, now: Instant, reading: Duration, order: Input<'static>) {
        let free = self.desk.back().map_or(now, |(at, _)| (*at).max(now));
        self.desk.push_back((free + reading, order));
    }

    fn hear_all(
        &mut self,
        local: Instant,
        clock: Clock,
        programs: &Programs,
        heard: &mut Vec<(Instant, Transmit)>,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let is_news = !(self.facts.is_empty() && self.orders.is_empty());
        self.changed |= is_news || !self.outcomes.is_empty();
        if self.wall.replace(clock.ahead()) != Some(clock.ahead()) {
            self.node.handle(local, Input::Fact(Fact::WallClock(clock.ahead())), &mut effects);
        }
        for fact in self.facts.drain(..) {
            self.node.handle(local, Input::Fact(fact), &mut effects);
        }
        for (stamp, sent) in self.frames.drain(..) {
            let frame = &sent;
            let datagram = match (frame.source, frame.destination) {
                (IpAddr::V6(source), IpAddr::V6(destination)) => {
                    let hop_limit = Some(frame.hop_limit);
                    Datagram::V6 { source, destination, hop_limit, payload: &frame.datagram }
                }
                _ => Datagram::V4(&frame.datagram),
            };
            let at = clock.place(stamp, self.previous, local);
            let frame = Frame { interface: frame.interface, at, datagram };
            self.node.handle(local, Input::Frame(frame), &mut effects);
            heard.push((at, sent));
        }
        if core::mem::take(&mut self.deaf) {
            self.node.handle(local, Input::Fact(Fact::Deaf), &mut effects);
        }
        for outcome in self.outcomes.drain(..) {
            self.node.handle(local, Input::Outcome(outcome), &mut effects);
        }
        for ended in self.runs.drain(..) {
            self.node.handle(local, Input::Ended(ended), &mut effects);
        }
        for order in self.orders.drain(..) {
            let is_reading = matches!(order, Input::Configure(_));
            self.node.handle(local, order, &mut effects);
            if is_reading {
                for fact in programs.facts(self.node.frame()) {
                    self.node.handle(local, Input::Fact(fact), &mut effects);
                }
            }
        }
        self.node.handle(local, Input::Elapsed, &mut effects);
        if is_news {
            let groups = self.node.listeners().filter_map(|one| Some((one.interface?, one.group?)));
            self.joined = groups.collect();
        }
        self.previous = local;
        effects
    }

    fn note(&mut self, event: &Event, is_late: bool) {
        match (is_late, self.reports < REPORTS) {
            (false, _) => {}
            (true, true) => self.reports += 1,
            (true, false) => self.dropped += 1,
        }
        if let Event::Moved { instance, to, .. } = event {
            self.changed = true;
            self.standings.insert(instance.clone(), *to);
        }
    }
}

/// A machine may not be asked for more turns than this within so long.
#[derive(Debug, Default)]
pub(crate) struct Spin {
    since: Instant,
    turns: u64,
    limit: u64,
}

impl Spin {
    const WINDOW: Duration = Duration::from_secs(1);

    /// What a busy cluster may well need: each advert is a turn of every machine, and there may be a few at once.
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let machines = u64::try_from(cluster.machines.len()).unwrap_or(u64::MAX);
        let instances = cluster.machines.iter().flat_map(|machine| &machine.host.instances);
        let rate =
            |interval: Duration| 1 + 1_000 / u64::try_from(interval.as_millis()).unwrap_or(1_000).max(1);
        let adverts: u64 = instances.map(|instance| rate(instance.settings.interval.duration())).sum();
        Self { limit: 2_000 + adverts.saturating_mul(machines) * 2, ..Self::default() }
    }

    pub(crate) fn note(&mut self, now: Instant) -> Result<(), Violation> {
        if now.since(self.since) > Self::WINDOW {
            (self.since, self.turns) = (now, 0);
        }
        self.turns += 1;
        if self.turns < self.limit {
            return Ok(());
        }
        Err(Violation::new(now, "spin", format!("{} turns within {:?}", self.turns, Self::WINDOW)))
    }
}
