//! What was seen, and what follows from it: who owned what when, and what a client was answered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use node::event::Standing;
use timeline::Instant;

use super::cast::Cast;
use super::scenario::{Act, Scenario};

/// A shorter time without an owner is one passing the address on to the other.
pub(crate) const NOTICED: Duration = Duration::from_millis(10);

/// A shorter time with two owners is the one passing the address on to the other.
pub(crate) const HANDOVER: Duration = Duration::from_millis(100);

/// What was seen in one world.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Instances that changed where they stand.
    pub(crate) moves: Vec<Move>,
    /// Addresses that were set (true) or removed: when, on which node.
    pub(crate) holds: Vec<(Instant, usize, IpAddr, bool)>,
    /// Gratuitous ARPs and unsolicited Neighbor Advertisements: when, from which node.
    pub(crate) announced: Vec<(Instant, usize, IpAddr)>,
    /// What must never happen, whatever the scenario does, and did.
    pub(crate) bugs: Vec<String>,
}

/// An instance that changed where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    /// When.
    pub(crate) at: Instant,
    /// On which node.
    pub(crate) node: usize,
    /// The service that it is part of.
    pub(crate) service: usize,
    /// Where it stood.
    pub(crate) from: Standing,
    /// Where it stands.
    pub(crate) to: Standing,
    /// Why, as the log has it.
    pub(crate) why: Option<String>,
}

/// What a machine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It has no power.
    Off,
    /// It has power, and no daemon.
    Idle,
    /// The daemon runs.
    Running,
    /// Nothing on it runs.
    Paused,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Its beginning.
    pub(crate) from: Instant,
    /// Its end.
    pub(crate) until: Instant,
}

impl Span {
    /// How long it lasts.
    pub(crate) fn length(self) -> Duration {
        self.until.since(self.from)
    }

    /// How much of it lies within another.
    pub(crate) fn overlap(self, other: Self) -> Duration {
        self.until.min(other.until).since(self.from.max(other.from))
    }
}

/// Values over time: each holds from its moment on.
#[derive(Clone, Debug)]
pub(crate) struct Track<T>(Vec<(Instant, T)>);

impl<T: Clone + PartialEq> Track<T> {
    /// One that begins with a value.
    fn new(first: T) -> Self {
        Self(vec![(Instant::EPOCH, first)])
    }

    fn set(&mut self, at: Instant, value: T) {
        match self.0.last_mut() {
            Some((last, old)) if *last == at => *old = value,
            Some((_, old)) if *old == value => {}
            _ => self.0.push((at, value)),
        }
    }

    /// The value at a moment, after everything that happens in it.
    pub(crate) fn at(&self, at: Instant) -> Option<&T> {
        let after = self.0.partition_point(|(from, _)| *from <= at);
        self.0.get(after.max(1) - 1).map(|(_, value)| value)
    }

    /// The values with the stretches in which they hold.
    pub(crate) fn spans(&self, end: Instant) -> impl Iterator<Item = (Span, &T)> {
        let nexts = self.0.iter().skip(1).map(|(at, _)| *at).chain([end]);
        self.0.iter().zip(nexts).map(|((from, value), until)| (Span { from: *from, until }, value))
    }

    /// The values and when each begins to hold.
    pub(crate) fn changes(&self) -> &[(Instant, T)] {
        &self.0
    }
}

/// What happened, by node and by service.
#[derive(Debug)]
pub(crate) struct History {
    /// The end.
    pub(crate) end: Instant,
    /// What each machine was doing.
    pub(crate) presence: Vec<Track<Presence>>,
    /// The life of each service.
    pub(crate) lives: Vec<Life>,
}

/// What a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has not heard of an address yet.
    Unknown,
    /// This node answers.
    By(usize),
    /// Nobody could answer.
    None,
    /// Somebody could, and the client's ARP table leads to another.
    Astray,
}

/// The life of a service.
#[derive(Debug)]
pub(crate) struct Life {
    /// Who owned it: machines that run and have an address of it.
    pub(crate) owners: Track<Vec<usize>>,
    /// Where each node stood.
    pub(crate) standings: Vec<Track<Standing>>,
    /// What a client is answered.
    pub(crate) answers: Track<Answer>,
    /// The end.
    end: Instant,
}

impl History {
    /// What follows from a record.
    pub(crate) fn new(cast: &Cast, scenario: &Scenario, record: &Record) -> Self {
        let end = Instant::EPOCH + scenario.until;
        let nodes = cast.nodes.len();
        let presence: Vec<_> = (0..nodes).map(|node| presence(node, scenario)).collect();
        let reach: Vec<_> = (0..nodes).map(|node| reach(node, scenario)).collect();
        let mut by_address: BTreeMap<IpAddr, Vec<Seen>> = BTreeMap::new();
        for (at, node, address, held) in &record.holds {
            by_address.entry(*address).or_default().push(Seen {
                at: *at,
                node: *node,
                what: What::Held(*held),
            });
        }
        for (at, node, address) in &record.announced {
            by_address.entry(*address).or_default().push(Seen {
                at: *at,
                node: *node,
                what: What::Announced,
            });
        }
        // What machines do changes at the same moments for all services.
        let mut common: Vec<Seen> = Vec::new();
        for node in 0..nodes {
            let changes = presence.get(node).into_iter().flat_map(Track::changes).map(|(at, _)| *at);
            let ways = reach.get(node).into_iter().flat_map(Track::changes).map(|(at, _)| *at);
            common.extend(changes.chain(ways).map(|at| Seen { at, node, what: What::Machine }));
        }
        let mut standings: Vec<Vec<Track<Standing>>> =
            vec![vec![Track::new(Standing::Initialize); nodes]; cast.services.len()];
        for step in &record.moves {
            if let Some(track) = standings.get_mut(step.service).and_then(|list| list.get_mut(step.node)) {
                track.set(step.at, step.to);
            }
        }
        let lives = standings.into_iter().enumerate().map(|(service, standings)| {
            let addresses = cast.addresses(service);
            let world = World { presence: &presence, reach: &reach };
            let (owners, answers) = world.life(&addresses, &by_address, &common);
            Life { owners, standings, answers, end }
        });
        let lives = lives.collect();
        Self { end, presence, lives }
    }
}

/// Something that may change who owns or answers.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    node: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Machine,
    Held(bool),
    Announced,
}

struct World<'a> {
    presence: &'a [Track<Presence>],
    reach: &'a [Track<bool>],
}

impl World<'_> {
    fn is_up(&self, node: usize, at: Instant) -> bool {
        let presence = self.presence.get(node).and_then(|track| track.at(at));
        matches!(presence, Some(Presence::Idle | Presence::Running))
    }

    fn is_reached(&self, node: usize, at: Instant) -> bool {
        self.is_up(node, at) && self.reach.get(node).and_then(|track| track.at(at)) == Some(&true)
    }

    /// Who owns any of these addresses, and what a client that asks for all of them is answered.
    fn life(
        &self,
        addresses: &[IpAddr],
        by_address: &BTreeMap<IpAddr, Vec<Seen>>,
        common: &[Seen],
    ) -> (Track<Vec<usize>>, Track<Answer>) {
        let mut events: Vec<(Seen, Option<IpAddr>)> = common.iter().map(|seen| (*seen, None)).collect();
        for address in addresses {
            let seen = by_address.get(address).into_iter().flatten();
            events.extend(seen.map(|seen| (*seen, Some(*address))));
        }
        events.sort_by_key(|(seen, _)| seen.at);
        let mut held: BTreeSet<(usize, IpAddr)> = BTreeSet::new();
        // Where the client's ARP table leads it.
        let mut led: BTreeMap<IpAddr, usize> = BTreeMap::new();
        let mut owners = Track::new(Vec::new());
        let mut answers = Track::new(Answer::Unknown);
        for (seen, address) in events {
            match (seen.what, address) {
                (What::Held(true), Some(address)) => _ = held.insert((seen.node, address)),
                (What::Held(false), Some(address)) => _ = held.remove(&(seen.node, address)),
                (What::Announced, Some(address)) if self.is_reached(seen.node, seen.at) => {
                    led.insert(address, seen.node);
                }
                _ => {}
            }
            let mut now: Vec<usize> = held.iter().map(|(node, _)| *node).collect();
            now.dedup();
            now.retain(|node| self.is_up(*node, seen.at));
            owners.set(seen.at, now);
            answers.set(seen.at, self.answer(&held, &led, seen.at));
        }
        (owners, answers)
    }

    /// What a client is answered that asks for every address it ever heard of.
    fn answer(&self, held: &BTreeSet<(usize, IpAddr)>, led: &BTreeMap<IpAddr, usize>, at: Instant) -> Answer {
        let is_right =
            |address: &IpAddr, node: usize| held.contains(&(node, *address)) && self.is_reached(node, at);
        let missing = led.iter().find(|(address, node)| !is_right(address, **node));
        match (missing, led.values().next()) {
            (None, Some(node)) => Answer::By(*node),
            (None, None) => Answer::Unknown,
            (Some((address, _)), _) => {
                let has_it = (0..self.presence.len()).any(|node| is_right(address, node));
                if has_it { Answer::Astray } else { Answer::None }
            }
        }
    }
}

fn presence(node: usize, scenario: &Scenario) -> Track<Presence> {
    let own = || scenario.acts.iter().filter(|(_, act)| act.subject() == Some(node));
    let is_off = own().next().is_some_and(|(_, act)| matches!(act, Act::PowerOn(_)));
    let mut track = Track::new(if is_off { Presence::Off } else { Presence::Idle });
    let mut wakes: Option<(Instant, Presence)> = None;
    for (at, act) in own() {
        let at = Instant::EPOCH + *at;
        if let Some((until, before)) = wakes.take_if(|(until, _)| *until <= at) {
            track.set(until, before);
        }
        if matches!(act, Act::Start(_) | Act::PowerOn(_)) {
            track.set(at, Presence::Running);
        } else if matches!(act, Act::Stop(_)) {
            track.set(at, Presence::Idle);
        } else if matches!(act, Act::PowerOff(_)) {
            wakes = None;
            track.set(at, Presence::Off);
        } else if let (Act::Pause(_, time), Some(before)) = (act, track.at(at).copied())
            && before != Presence::Off
        {
            wakes = Some((at + *time, before));
            track.set(at, Presence::Paused);
        }
    }
    if let Some((until, before)) = wakes {
        track.set(until, before);
    }
    track
}

/// Whether clients can reach the node.
fn reach(node: usize, scenario: &Scenario) -> Track<bool> {
    let mut track = Track::new(true);
    for (at, act) in &scenario.acts {
        if let Some((whose, reached)) = act.reach()
            && whose.is_none_or(|whose| whose == node)
        {
            track.set(Instant::EPOCH + *at, reached);
        }
    }
    track
}

impl Life {
    /// When it was first owned.
    pub(crate) fn begun(&self) -> Option<Instant> {
        self.owners.changes().iter().find(|(_, owners)| !owners.is_empty()).map(|(at, _)| *at)
    }

    /// The stretches without an owner, once there was one.
    pub(crate) fn gaps(&self) -> Vec<Span> {
        let Some(begun) = self.begun() else { return Vec::new() };
        let without =
            self.owners.spans(self.end).filter(|(span, owners)| owners.is_empty() && span.from >= begun);
        without.map(|(span, _)| span).filter(|span| !span.length().is_zero()).collect()
    }

    /// The stretches with two owners or more, passing on included.
    fn overlaps(&self) -> Vec<Span> {
        let mut list: Vec<Span> = Vec::new();
        for (span, _) in self.owners.spans(self.end).filter(|(_, owners)| owners.len() > 1) {
            match list.last_mut() {
                Some(last) if last.until == span.from => last.until = span.until,
                _ => list.push(span),
            }
        }
        list
    }

    /// The stretches with two owners or more, without those in which one passes the address on.
    pub(crate) fn doubles(&self) -> Vec<Span> {
        self.overlaps().into_iter().filter(|span| span.length() >= HANDOVER).collect()
    }

    /// The stretches in which a client is not answered, once it was.
    pub(crate) fn silences(&self) -> Vec<Span> {
        let mut list: Vec<Span> = Vec::new();
        let silent = self
            .answers
            .spans(self.end)
            .filter(|(_, answer)| matches!(answer, Answer::None | Answer::Astray));
        for (span, _) in silent.filter(|(span, _)| !span.length().is_zero()) {
            match list.last_mut() {
                Some(last) if last.until == span.from => last.until = span.until,
                _ => list.push(span),
            }
        }
        list
    }

    /// How long a client asked a node that no longer owned, while another did.
    pub(crate) fn astray(&self) -> Duration {
        let astray = self.answers.spans(self.end).filter(|(_, answer)| **answer == Answer::Astray);
        astray.map(|(span, _)| span.length()).sum()
    }

    /// The owners one after the other.
    pub(crate) fn sequence(&self) -> Vec<usize> {
        let mut list: Vec<usize> = Vec::new();
        let mut before: &[usize] = &[];
        for (_, owners) in self.owners.changes() {
            let newcomers = owners.iter().filter(|owner| !before.contains(owner));
            // Who is left alone is the owner again.
            for owner in newcomers.chain(owners.first().filter(|_| owners.len() == 1)) {
                if list.last() != Some(owner) {
                    list.push(*owner);
                }
            }
            before = owners;
        }
        list
    }
}

/// The longest of some stretches.
pub(crate) fn longest(spans: &[Span]) -> Duration {
    spans.iter().map(|span| span.length()).max().unwrap_or_default()
}

/// How long they are together.
pub(crate) fn total(spans: &[Span]) -> Duration {
    spans.iter().map(|span| span.length()).sum()
}
