//! The loop: the next thing that happens, whoever it happens to.

use crate::clock::Clock;
use crate::kernel::{ETH0, Kernel};
use crate::lan::Lan;
use crate::machine::{Machine, Spin};
use crate::oracles::Violation;
use crate::plan::{Plan, Step, own};
use crate::random::Random;
use crate::trace::{Happening, Trace};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use model::Host;
use node::event::Event;
use node::io::{Effect, Transmit};
use timeline::{Duration, Instant};

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) machines: Vec<Machine>,
    lan: Lan,
    hosts: Vec<Host>,
    hand: Duration,
    steps: VecDeque<(Instant, Step)>,
    trace: Trace,
    spin: Spin,
    /// Those whose daemon has just ended in order.
    pub(crate) ended: Vec<usize>,
    /// How often any instance moved.
    pub(crate) moves: u64,
}

impl World {
    pub(crate) fn new(plan: &Plan, mut random: Random) -> Self {
        let machines = (0..plan.hosts.len()).map(|n| {
            let kernel = Kernel::new(u8::try_from(n + 1).unwrap_or(u8::MAX), &own(n), plan.hand);
            Machine::new(kernel, Clock::new(&mut random))
        });
        Self {
            now: Instant::EPOCH,
            machines: machines.collect(),
            lan: Lan::new(Random::new(random.next())),
            hosts: plan.hosts.clone(),
            hand: plan.hand,
            steps: plan.steps.iter().cloned().collect(),
            trace: Trace::default(),
            spin: Spin::default(),
            ended: Vec::new(),
            moves: 0,
        }
    }

    pub(crate) fn into_trace(self) -> Trace {
        self.trace
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
            look(self)?;
            self.ended.clear();
        }
        self.now = until;
        Ok(())
    }

    fn happen(&mut self) -> Result<(), Violation> {
        while self.steps.front().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, step)) = self.steps.pop_front() else { break };
            self.trace.note(self.now, Happening::Step(step.clone()));
            self.perform(step);
        }
        while let Some((to, frame)) = self.lan.arrived(self.now) {
            if let Some(machine) = self.machines.get_mut(to) {
                machine.catch(self.now, Transmit { interface: ETH0, ..frame });
            }
        }
        for n in 0..self.machines.len() {
            self.let_run(n)?;
        }
        Ok(())
    }

    fn let_run(&mut self, n: usize) -> Result<(), Violation> {
        let Some(machine) = self.machines.get_mut(n) else { return Ok(()) };
        machine.work(self.now);
        let Some(turn) = machine.turn(self.now) else { return Ok(()) };
        self.spin.note(self.now)?;
        let is_connected = machine.kernel.is_connected();
        for frame in turn.sent.iter().filter(|_| is_connected) {
            (0..self.machines.len())
                .filter(|to| *to != n)
                .for_each(|to| self.lan.send(self.now, n, to, frame));
        }
        for effect in turn.effects {
            self.moves += u64::from(matches!(effect, Effect::Report(Event::Moved { .. })));
            self.trace.note(self.now, Happening::Effect(n, effect));
        }
        if turn.ended {
            self.trace.note(self.now, Happening::Ended(n));
            self.ended.push(n);
            if self.machines.get(n).is_some_and(|machine| machine.start_again) {
                self.perform(Step::Start(n));
            }
        }
        Ok(())
    }

    fn perform(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Start(n) => {
                let host = self.hosts.get(n).cloned().unwrap_or_default();
                self.at(n, |machine| machine.start(host));
            }
            Step::Stop(n) => self.at(n, Machine::stop),
            Step::Crash(n, cleaned) => self.at(n, |machine| machine.crash(cleaned)),
            Step::Reload(n, host) => self.at(n, |machine| machine.reload(*host)),
            Step::Freeze(n, time) => self.at(n, |machine| machine.freeze(now + time)),
            Step::Stall(n, time) => self.at(n, |machine| machine.stall(now + time)),
            Step::Hand(n, time) => self.at(n, |machine| machine.kernel.delay = time),
            Step::Up(n, up) => {
                self.at(n, |machine| machine.change(|kernel, notices| kernel.set_up(up, notices)));
            }
            Step::Carrier(n, on) => {
                self.at(n, |machine| machine.change(|kernel, notices| kernel.set_carrier(on, notices)));
            }
            Step::Steal(n, address) => {
                self.at(n, |machine| machine.change(|kernel, notices| kernel.steal(address, notices)));
            }
            Step::Unseen(n, address) => self.at(n, |machine| {
                machine.kernel.steal(address, &mut Vec::new());
                machine.overrun();
            }),
            Step::Refuse(n, address, true) => self.at(n, |machine| {
                machine.kernel.refuses.insert(address);
            }),
            Step::Refuse(n, address, false) => self.at(n, |machine| {
                machine.kernel.refuses.remove(&address);
            }),
            Step::Overrun(n) => self.at(n, Machine::overrun),
            Step::Path(from, to, path) => self.lan.set(from, to, path),
            Step::Heal => self.heal(),
        }
    }

    fn at(&mut self, n: usize, act: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.machines.get_mut(n) {
            act(machine);
        }
    }

    fn heal(&mut self) {
        self.lan.heal();
        for (machine, host) in self.machines.iter_mut().zip(&self.hosts) {
            machine.wake(self.now);
            machine.kernel.delay = self.hand;
            machine.kernel.refuses.clear();
            machine.change(|kernel, notices| {
                kernel.set_up(true, notices);
                kernel.set_carrier(true, notices);
            });
            machine.reload(host.clone());
            machine.start(host.clone());
        }
    }
}
