//! The state machine: requirement by requirement, as one table, walked to the end, against itself on a link, and
//! with whatever chance brings.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod legacy;
mod link;
mod matrix;
mod properties;
mod requirements;
mod timing;
mod walk;

use std::net::IpAddr;

use timeline::{Duration, Instant, Machine};
use vrrp::{Advertisement, Effect, Input, Leader, Role, Router, Settings, State, Transition, Why};
use wire::{Family, Interval, Priority, Version, Vrid};

/// Addresses in the order of the network, which is not that of their text (SM-ACT-11).
const LOWER: &str = "10.0.0.8";
const OWN: &str = "10.0.0.9";
const HIGHER: &str = "10.0.0.10";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn centis(centis: u16) -> Interval {
    Interval::from_centis(centis).unwrap()
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// Priority 100, one second, and keepalived's other defaults.
fn settings(version: Version) -> Settings {
    Settings::new(version, Family::V4, Vrid::new(51).unwrap())
}

fn leader(source: &str, priority: u8) -> Leader {
    Leader { source: ip(source), priority: Priority(priority) }
}

const fn turn(from: Role, to: Role, why: Why) -> Effect {
    Effect::Transition(Transition { from, to, why })
}

/// A router and the time at which it lives.
#[derive(Clone, Debug)]
struct Bench {
    router: Router,
    now: Instant,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self { router: Router::new(settings), now: Instant::from_nanos(1_000_000_000_000) }
    }

    /// Just started: Backup, or Active if it is the owner.
    fn started(settings: Settings) -> Self {
        let mut bench = Self::new(settings);
        bench.start();
        bench
    }

    /// Active since now, by silence.
    fn active(settings: Settings) -> Self {
        let mut bench = Self::started(settings);
        bench.run_out();
        assert_eq!(bench.router.role(), Role::Active);
        bench
    }

    fn give(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.router.handle(self.now, input, &mut effects);
        effects
    }

    fn start(&mut self) -> Vec<Effect> {
        self.give(Input::Startup { primary: ip(OWN) })
    }

    /// An advert that says our own interval, heard as it arrives.
    fn hear(&mut self, source: &str, priority: u8) -> Vec<Effect> {
        self.hear_interval(source, priority, self.router.settings().interval)
    }

    fn hear_interval(&mut self, source: &str, priority: u8, interval: Interval) -> Vec<Effect> {
        let (source, priority) = (ip(source), Priority(priority));
        self.give(Input::Advertisement(Advertisement { source, priority, interval, at: self.now }))
    }

    /// An advert that lay in the queue for `age`.
    fn hear_late(&mut self, source: &str, priority: u8, age: Duration) -> Vec<Effect> {
        let (source, priority, interval) = (ip(source), Priority(priority), self.router.settings().interval);
        self.give(Input::Advertisement(Advertisement { source, priority, interval, at: self.now - age }))
    }

    fn wait(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    /// To the deadline, and tells the router.
    fn run_out(&mut self) -> Vec<Effect> {
        self.now = self.router.deadline().unwrap();
        self.give(Input::Elapsed)
    }

    /// Time left to the deadline.
    fn left(&self) -> Duration {
        self.router.deadline().unwrap().since(self.now)
    }

    /// The effects over `time`, each with when it happened, the router woken at each of its deadlines.
    fn run(&mut self, time: Duration) -> Vec<(Duration, Effect)> {
        let (start, end) = (self.now, self.now + time);
        let mut log = Vec::new();
        while let Some(due) = self.router.deadline().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            let effects = self.give(Input::Elapsed);
            log.extend(effects.into_iter().map(|effect| (self.now.since(start), effect)));
            assert!(self.router.deadline().is_none_or(|due| due > self.now), "overdue after Elapsed");
        }
        self.now = end;
        log
    }

    fn role(&self) -> Role {
        self.router.role()
    }

    fn hold(&self) -> Option<Duration> {
        match self.router.state() {
            State::Backup { hold, .. } => hold.map(|until| until.since(self.now)),
            State::Initialize | State::Active { .. } => None,
        }
    }
}

/// The adverts among effects.
fn adverts(effects: &[Effect]) -> Vec<u8> {
    effects.iter().filter_map(|e| if let Effect::Advertise(p) = e { Some(p.0) } else { None }).collect()
}

/// The rounds of announcements among effects.
fn announced(effects: &[Effect]) -> Vec<u32> {
    effects
        .iter()
        .filter_map(|e| if let Effect::Announce { rounds } = e { Some(*rounds) } else { None })
        .collect()
}
