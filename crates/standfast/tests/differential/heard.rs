//! What is seen from outside: the kernel's word on addresses, the frames that a machine sends, what scripts were given
//! and what FIFOs said. All of it is cut into one piece for each act.
//!
//! What is evened out, because neither of the two fixes it:
//! - order is kept for each machine, address, instance and group, not between them (a timer of one is not another's);
//! - the general script and the specific one of a change are two lists, and of changes that follow each other closely
//!   the scripts may overtake each other (keepalived starts all at once); the FIFO has their order;
//! - how many adverts there were is a matter of time: compared is what a machine says when the act is over; only
//!   resignations are counted;
//! - while two machines hold one address, who hears whom first is a matter of microseconds: then it is not compared who
//!   took it before whom;
//! - what is told of lower adverts comes with each of them, so it is one, and only where a case asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant as Ticks};

use lab::harness::{Stop, fail};
use lab::{Capture, Change, Cidr, Daemon, Event, Machine, Record, Watch};
use timeline::Instant;
use wire::frame::Seen;
use wire::ndp::Kind;

use crate::case::Case;

/// An act that is never over is no act.
const LONGEST: Duration = Duration::from_secs(60);

/// What was seen, by what was looked at.
pub(crate) type Things = BTreeMap<String, Vec<String>>;

/// What one act led to.
#[derive(Debug)]
pub(crate) struct Phase {
    pub(crate) act: String,
    pub(crate) seen: Things,
    /// How long after the act the last address was set or removed.
    pub(crate) moved: Option<Duration>,
}

/// A whole case, as one of the two played it.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) phases: Vec<Phase>,
    /// What the daemons said, for the reader of a failure.
    pub(crate) logs: String,
}

/// Listens to one machine.
#[derive(Debug)]
pub(crate) struct Ear {
    name: String,
    watch: Watch,
    capture: Capture,
    told: Daemon,
    fifo: Daemon,
    /// Addresses that are no virtual ones.
    own: BTreeSet<String>,
    links: BTreeMap<u32, String>,
    marks: [usize; 4],
    held: BTreeSet<String>,
    powered: bool,
    taken: BTreeSet<IpAddr>,
}

impl Ear {
    /// From now on; `told` and `fifo` print what they read.
    pub(crate) fn new(machine: &Machine, links: &[&str], told: Daemon, fifo: Daemon) -> Result<Self, Stop> {
        let mut own = BTreeSet::new();
        let mut numbers = BTreeMap::new();
        for link in links {
            own.extend(machine.addresses(link)?.iter().map(|address| format!("{address} on {link}")));
            numbers.insert(machine.link_index(link)?, (*link).to_owned());
        }
        Ok(Self {
            name: machine.name().to_owned(),
            watch: machine.watch_addresses()?,
            capture: Capture::start(machine, "eth0")?,
            told,
            fifo,
            own,
            links: numbers,
            marks: [0; 4],
            held: BTreeSet::new(),
            powered: true,
            taken: BTreeSet::new(),
        })
    }

    /// The machine has lost power: whatever its kernel still says, nobody can hear.
    pub(crate) fn power_off(&mut self) -> Result<(), Stop> {
        let mut nothing = Vec::new();
        self.follow(&mut nothing)?;
        self.powered = false;
        self.held.clear();
        Ok(())
    }

    /// Whether that is an address that the machine has by itself.
    pub(crate) fn is_own(&self, address: Cidr, link: &str) -> bool {
        self.own.contains(&format!("{address} on {link}"))
    }

    /// Its interfaces.
    pub(crate) fn links(&self) -> Vec<String> {
        self.links.values().cloned().collect()
    }

    /// It runs again, with nothing of what it had.
    pub(crate) fn power_on(&mut self) {
        self.marks[0] = self.watch.events().mark();
        self.powered = true;
    }

    /// How much there is that may not change any more when an act is over.
    fn news(&self) -> [usize; 3] {
        let count =
            |daemon: &Daemon| daemon.lines().all().iter().filter(|line| !is_lower(&line.text)).count();
        [self.watch.events().mark(), count(&self.told), count(&self.fifo)]
    }

    /// What happened to virtual addresses since the last time.
    fn follow(&mut self, moves: &mut Vec<(Instant, String, char, String)>) -> Result<(), Stop> {
        let events = self.watch.events().from_mark(self.marks[0]);
        self.marks[0] += events.len();
        for Event { at, change } in events {
            let (address, interface, is_set) = match change {
                Change::Address { address, interface, .. } => (address, interface, true),
                Change::AddressGone { address, interface } => (address, interface, false),
                Change::Lost => return Err(fail("the laboratory missed something")),
                Change::Link { .. } | Change::LinkGone { .. } | Change::Port { .. } => continue,
            };
            // The far end of a cable is nobody's.
            let Some(link) = self.links.get(&interface) else { continue };
            let what = format!("{address} on {link}");
            if self.own.contains(&what) || !self.powered {
                continue;
            }
            let changed = if is_set { self.held.insert(what.clone()) } else { self.held.remove(&what) };
            if changed {
                self.taken.extend(is_set.then_some(address.address));
                moves.push((at, self.name.clone(), if is_set { '+' } else { '-' }, what));
            }
        }
        Ok(())
    }

    /// The lines of a reader since the last time.
    fn lines(&mut self, which: usize) -> Vec<String> {
        let daemon = if which == 1 { &self.told } else { &self.fifo };
        let lines = daemon.lines().from_mark(self.marks[which]);
        self.marks[which] += lines.len();
        lines.into_iter().map(|line| line.text).collect()
    }

    /// What scripts and FIFOs were told since the last time.
    fn heard(&mut self, seen: &mut Things, with_lower: bool) {
        let mut add = |key: String, what: String| {
            let all: &mut Vec<String> = seen.entry(key).or_default();
            let lower = is_lower(&what);
            if !(lower && (!with_lower || all.contains(&what))) {
                all.push(what);
            }
        };
        let name = self.name.clone();
        for line in self.lines(1) {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                [.., "INSTANCE" | "GROUP", whose, _, _] => add(format!("{name} notify {whose}"), line),
                [.., whose] => add(format!("{name} script {whose}"), line),
                [] => {}
            }
        }
        for line in self.lines(2) {
            let whose = line.split('"').nth(1).unwrap_or("nobody").to_owned();
            add(format!("{name} fifo {whose}"), line);
        }
    }

    /// What the machine sent since the last time; `settled` is when the last news was over.
    fn sent(&mut self, seen: &mut Things, settled: Instant, count: bool) {
        let records = self.capture.tape().from_mark(self.marks[3]);
        self.marks[3] += records.len();
        let mut add = |what: &str, of: &dyn fmt::Display, said: String| {
            let all = seen.entry(format!("{} {what} {of}", self.name)).or_default();
            if !all.contains(&said) {
                all.push(said);
            }
        };
        let (mut announced, mut resigned) = (BTreeMap::<IpAddr, usize>::new(), BTreeMap::<u8, usize>::new());
        for record in records.iter().filter(|record| record.outgoing) {
            match record.advert() {
                Some((vrid, 0)) => *resigned.entry(vrid).or_default() += 1,
                Some((vrid, _)) if record.at >= settled => {
                    let [text, hops] = advert(record).unwrap_or_default();
                    add("advertises", &vrid, text);
                    add("hops", &vrid, hops);
                }
                Some(_) | None => {}
            }
            if let Some(address) = announces(record).filter(|address| count || self.taken.contains(address)) {
                *announced.entry(address).or_default() += 1;
            }
        }
        self.taken.clear();
        for (vrid, times) in resigned {
            add("resigns", &vrid, format!("{times}"));
        }
        for (address, times) in announced {
            add("announces", &address, if count { format!("{times} times") } else { "yes".to_owned() });
        }
    }
}

/// A line about a lower advert.
fn is_lower(text: &str) -> bool {
    text.contains("MASTER_RX_LOWER_PRI") || text.starts_with("master_rx_lower_pri ")
}

/// What an advert says, and how far it may go.
fn advert(record: &Record) -> Option<[String; 2]> {
    let Some(Seen::Vrrp {
        source,
        destination,
        hop_limit,
        version,
        priority,
        count,
        first,
        centiseconds,
        authenticated,
        sum_ok,
        ..
    }) = record.seen
    else {
        return None;
    };
    let first = first.map(|address| address.to_string()).unwrap_or_default();
    let secret = if authenticated { " authenticated" } else { "" };
    let wrong = if sum_ok { "" } else { " with a wrong checksum" };
    let text = format!(
        "version {version} priority {} every {centiseconds} cs of {count} addresses from {first} by {source} to \
         {destination}{secret}{wrong}",
        priority.0
    );
    Some([text, hop_limit.to_string()])
}

/// The address that a frame says, unasked and to all, to be here.
fn announces(record: &Record) -> Option<IpAddr> {
    match record.seen? {
        Seen::Arp(arp) if arp.is_gratuitous() => Some(arp.sender.into()),
        Seen::Neighbor(neighbor) => match neighbor.kind {
            Kind::Advertisement { solicited: false, .. } => Some(neighbor.target.into()),
            Kind::Advertisement { .. } | Kind::Solicitation => None,
        },
        Seen::Arp(_) | Seen::Vrrp { .. } => None,
    }
}

/// Waits until nothing new has come for `quiet`.
pub(crate) fn wait_for_quiet(ears: &[Ear], quiet: Duration) -> Result<(), Stop> {
    let begun = Ticks::now();
    let news = || ears.iter().map(Ear::news).collect::<Vec<_>>();
    let (mut last, mut at) = (news(), Ticks::now());
    while at.elapsed() < quiet {
        // What is awaited is that nothing comes; there is no event for it.
        std::thread::sleep(Duration::from_millis(40));
        let now = news();
        if now != last {
            (last, at) = (now, Ticks::now());
        }
        if begun.elapsed() > LONGEST {
            return Err(fail(format!("after {LONGEST:?} there was still something new")));
        }
    }
    Ok(())
}

/// Whether two of them hold the same address.
fn is_split(ears: &[Ear]) -> bool {
    ears.iter().enumerate().any(|(at, one)| ears[..at].iter().any(|other| !one.held.is_disjoint(&other.held)))
}

/// What the act led to that began at `since`.
pub(crate) fn hear(ears: &mut [Ear], case: &Case, act: &str, since: Instant) -> Result<Phase, Stop> {
    // What was decided last is on the wire by then.
    let settled = lab::now() - case.quiet / 2;
    let mut seen = Things::new();
    let was_split = is_split(ears);
    let mut moves = Vec::new();
    for ear in ears.iter_mut() {
        ear.follow(&mut moves)?;
        ear.heard(&mut seen, case.lower && !was_split);
    }
    let is_split = was_split || is_split(ears);
    for ear in ears.iter_mut() {
        ear.sent(&mut seen, settled, case.count);
        for address in &ear.held {
            seen.entry(format!("owners of {address}")).or_default().push(ear.name.clone());
        }
    }
    moves.sort();
    let moved = moves.last().map(|(at, ..)| at.since(since));
    for (_, machine, sign, address) in moves {
        seen.entry(format!("{machine} {address}")).or_default().push(sign.to_string());
        if sign == '+' && !is_split {
            seen.entry(format!("takers of {address}")).or_default().push(machine);
        }
    }
    // Only what somebody said is a thing.
    seen.retain(|_, all| !all.is_empty());
    Ok(Phase { act: act.to_owned(), seen, moved })
}
