//! One machine: a daemon (perhaps), its kernel, its clock, and what is on its way between them.

use crate::clock::Clock;
use crate::kernel::Kernel;
use crate::oracles::Violation;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::Host;
use node::Node;
use node::event::{Event, Standing};
use node::io::{Datagram, Effect, Ended, Ending, Errno, Fact, Frame, Input, Order, Outcome, Transmit};
use node::status::Status;
use timeline::{Duration, Instant, Machine as _};

/// So many frames wait in a socket; the rest is lost.
const BACKLOG: usize = 256;

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) kernel: Kernel,
    clock: Clock,
    daemon: Option<Daemon>,
    /// Nothing runs before then.
    frozen_until: Instant,
    /// The thread that sends adverts does not run before then.
    stalled_until: Instant,
    /// Started once more when the daemon has ended.
    pub(crate) start_again: bool,
}

/// A daemon that runs.
#[derive(Debug, Default)]
struct Daemon {
    node: Node,
    facts: Vec<Fact>,
    frames: Vec<(Instant, Transmit)>,
    deaf: bool,
    outcomes: Vec<Outcome>,
    orders: Vec<Input<'static>>,
    standings: BTreeMap<Arc<str>, Standing>,
    stopping: bool,
    /// What is held may be another since somebody looked.
    changed: bool,
}

/// What one turn led to.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) effects: Vec<Effect>,
    pub(crate) sent: Vec<Transmit>,
    /// The daemon has ended as it was told.
    pub(crate) ended: bool,
}

impl Machine {
    pub(crate) const fn new(kernel: Kernel, clock: Clock) -> Self {
        let (frozen_until, stalled_until) = (Instant::EPOCH, Instant::EPOCH);
        Self { kernel, clock, daemon: None, frozen_until, stalled_until, start_again: false }
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.daemon.is_some()
    }

    /// Whether it sends and hears as it should.
    pub(crate) fn is_well(&self, now: Instant) -> bool {
        self.kernel.is_connected() && self.frozen_until <= now && self.stalled_until <= now
    }

    pub(crate) fn start(&mut self, host: Host) {
        match &self.daemon {
            Some(daemon) => self.start_again |= daemon.stopping,
            None => {
                let facts = [self.kernel.everything()].into();
                let orders = [Input::Configure(Box::new(host))].into();
                self.daemon = Some(Daemon { facts, orders, ..Daemon::default() });
                self.start_again = false;
            }
        }
    }

    pub(crate) fn stop(&mut self) {
        if let Some(daemon) = &mut self.daemon
            && !daemon.stopping
        {
            daemon.stopping = true;
            daemon.orders.push(Input::Order(Order::Stop));
        }
    }

    pub(crate) fn crash(&mut self, cleaned: bool) {
        if self.daemon.take().is_some() {
            self.kernel.bury(cleaned);
        }
    }

    pub(crate) fn reload(&mut self, host: Host) {
        if let Some(daemon) = self.daemon.as_mut().filter(|daemon| !daemon.stopping) {
            daemon.orders.push(Input::Configure(Box::new(host)));
        }
    }

    pub(crate) fn freeze(&mut self, until: Instant) {
        self.frozen_until = self.frozen_until.max(until);
    }

    pub(crate) fn stall(&mut self, until: Instant) {
        self.stalled_until = self.stalled_until.max(until);
    }

    pub(crate) const fn wake(&mut self, now: Instant) {
        (self.frozen_until, self.stalled_until) = (now, now);
    }

    pub(crate) fn overrun(&mut self) {
        let everything = self.kernel.everything();
        if let Some(daemon) = &mut self.daemon {
            daemon.facts = [everything].into();
            daemon.frames.clear();
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

    pub(crate) fn catch(&mut self, now: Instant, frame: Transmit) {
        if let Some(daemon) = self.daemon.as_mut().filter(|_| self.kernel.is_connected()) {
            if daemon.frames.len() < BACKLOG {
                daemon.frames.push((now, frame));
            } else {
                daemon.deaf = true;
            }
        }
    }

    /// When it will do something, if nothing else happens.
    pub(crate) fn next(&self) -> Option<Instant> {
        let daemon = self.daemon.as_ref()?;
        let due = match daemon.node.deadline() {
            _ if daemon.is_called() => Some(Instant::EPOCH),
            deadline => deadline.map(|local| self.clock.moment(local)),
        };
        let turn = due.map(|due| due.max(self.stalled_until));
        let next = [turn, self.kernel.next()].into_iter().flatten().min()?;
        Some(next.max(self.frozen_until))
    }

    /// The hand carries out what is due.
    pub(crate) fn work(&mut self, now: Instant) {
        if self.frozen_until > now {
            return;
        }
        let Some(daemon) = &mut self.daemon else { return };
        while let Some(outcome) = self.kernel.work(now, &mut daemon.facts) {
            daemon.outcomes.push(outcome);
        }
    }

    /// One turn, in the order that the seam demands, if it is time for one.
    pub(crate) fn turn(&mut self, now: Instant) -> Option<Turn> {
        let local = self.clock.read(now);
        let daemon = self.daemon.as_mut()?;
        let is_due = daemon.is_called() || daemon.node.deadline().is_some_and(|at| at <= local);
        if !is_due || now < self.frozen_until || now < self.stalled_until {
            return None;
        }
        let mut effects = daemon.hear_all(local, self.clock);
        let mut turn = Turn::default();
        let mut at = 0;
        while let Some(effect) = effects.get(at).cloned() {
            at += 1;
            match effect {
                Effect::Send(frame) if self.kernel.link.up => turn.sent.push(frame),
                Effect::Send(Transmit { router, .. }) => {
                    let input = Input::Unsent { router, errno: Errno(100) };
                    daemon.node.handle(local, input, &mut effects);
                }
                Effect::Hold(hold) => {
                    daemon.changed = true;
                    self.kernel.ask(now, hold);
                }
                // Every check succeeds at once.
                Effect::Run(run) => {
                    let ended = Ended { id: run.id, how: Ending::Exited(0) };
                    daemon.node.handle(local, Input::Ended(ended), &mut effects);
                }
                Effect::Kill(_) => {}
                Effect::Report(event) => daemon.note(&event),
            }
        }
        turn.effects = effects;
        turn.ended = daemon.stopping && daemon.node.is_at_rest();
        if turn.ended {
            self.daemon = None;
        }
        Some(turn)
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
            || !self.orders.is_empty()
    }

    fn hear_all(&mut self, local: Instant, clock: Clock) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.changed |= !(self.facts.is_empty() && self.outcomes.is_empty() && self.orders.is_empty());
        for fact in self.facts.drain(..) {
            self.node.handle(local, Input::Fact(fact), &mut effects);
        }
        for (at, frame) in self.frames.drain(..) {
            let datagram = match (frame.source, frame.destination) {
                (IpAddr::V6(source), IpAddr::V6(destination)) => {
                    let hop_limit = Some(frame.hop_limit);
                    Datagram::V6 { source, destination, hop_limit, payload: &frame.datagram }
                }
                _ => Datagram::V4(&frame.datagram),
            };
            let frame = Frame { interface: frame.interface, at: clock.read(at), datagram };
            self.node.handle(local, Input::Frame(frame), &mut effects);
        }
        if core::mem::take(&mut self.deaf) {
            self.node.handle(local, Input::Fact(Fact::Deaf), &mut effects);
        }
        for outcome in self.outcomes.drain(..) {
            self.node.handle(local, Input::Outcome(outcome), &mut effects);
        }
        for order in self.orders.drain(..) {
            self.node.handle(local, order, &mut effects);
        }
        self.node.handle(local, Input::Elapsed, &mut effects);
        effects
    }

    fn note(&mut self, event: &Event) {
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
    turns: u32,
}

impl Spin {
    const LIMIT: u32 = 2_000;
    const WINDOW: Duration = Duration::from_secs(1);

    pub(crate) fn note(&mut self, now: Instant) -> Result<(), Violation> {
        if now.since(self.since) > Self::WINDOW {
            *self = Self { since: now, turns: 0 };
        }
        self.turns += 1;
        if self.turns < Self::LIMIT {
            return Ok(());
        }
        Err(Violation::new(now, "spin", format!("{} turns within {:?}", self.turns, Self::WINDOW)))
    }
}
