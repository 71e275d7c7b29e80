//! Both kernels side by side.

use crate::plan::{Happening, Plan};
use crate::real::Real;
use lab::Machine;
use node::io::{Actor, Address, Errno, Fact, Hold, InterfaceIndex, Link, Outcome, Place};
use sim::kernel::{Deed, Kernel};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use wire::Mac;

/// Linux tells of carrier when it comes to it.
const PATIENCE: Duration = Duration::from_secs(5);
/// What comes so late is told with the next happening.
const REST: Duration = Duration::from_millis(300);
/// So much of the past is shown with a difference.
const PAST: usize = 12;

pub(crate) struct Two {
    real: Real,
    fake: Kernel,
    plan: Plan,
    seed: u64,
    past: VecDeque<String>,
    told: [Told; 2],
}

/// What a listener knows.
#[derive(Debug, Default)]
struct Told {
    links: BTreeMap<InterfaceIndex, Link>,
    addresses: BTreeMap<Place, Address>,
}

impl Told {
    /// The facts that tell anything new; of somebody else it does not matter who it was.
    fn news(&mut self, facts: Vec<Fact>) -> Vec<Fact> {
        facts.into_iter().map(nameless).filter(|fact| self.is_news(fact)).collect()
    }

    fn is_news(&mut self, fact: &Fact) -> bool {
        match fact {
            Fact::Link(link) => self.links.insert(link.index, link.clone()).as_ref() != Some(link),
            Fact::LinkGone(index) => self.links.remove(index).is_some(),
            Fact::Address(address) => {
                self.addresses.insert(address.place(), address.clone()).as_ref() != Some(address)
            }
            Fact::AddressGone { place, .. } => self.addresses.remove(place).is_some(),
            Fact::Everything { links, addresses } => {
                self.links = links.iter().map(|link| (link.index, link.clone())).collect();
                self.addresses = addresses.iter().map(|one| (one.place(), one.clone())).collect();
                true
            }
            Fact::Deaf
            | Fact::WallClock(_)
            | Fact::NoSocket { .. }
            | Fact::NotJoined { .. }
            | Fact::Filter(_)
            | Fact::File { .. }
            | Fact::Processes { .. }
            | Fact::Bfd { .. } => true,
        }
    }
}

fn nameless(fact: Fact) -> Fact {
    match fact {
        Fact::AddressGone { place, by: Actor::Other(_) } => {
            Fact::AddressGone { place, by: Actor::Other(None) }
        }
        fact => fact,
    }
}

/// What is told, in the order that is defined.
///
/// Linux tells of a new IPv6 address a moment after it is set, whatever else happens meanwhile, and not at all if it
/// has gone by then: such addresses come last here, in their order. Whether it tells of a link that goes up first
/// without its carrier is a matter of time: of each link only the last counts. And whether a link that goes forwards is
/// looked up when it is gone already.
fn sorted(facts: Vec<Fact>) -> Vec<Fact> {
    let (mut late, mut others) = (Vec::new(), Vec::new());
    for (at, fact) in facts.iter().enumerate() {
        let after = facts.get(at + 1..).unwrap_or_default();
        let before = facts.get(..at).unwrap_or_default();
        let is_gone = |place: Place| after.iter().any(|fact| is_gone(fact, place));
        let is_new = |place: Place| {
            before.iter().any(|fact| matches!(fact, Fact::Address(one) if one.place() == place))
        };
        match fact {
            Fact::Link(link) if after.iter().any(|fact| is_link(fact, link.index)) => {}
            Fact::Link(link) if after.contains(&Fact::LinkGone(link.index)) => {
                others.push(Fact::Link(Link { forwards_ipv6: false, ..link.clone() }));
            }
            Fact::Address(one) if one.address.is_ipv6() && is_gone(one.place()) => {}
            Fact::Address(one) if one.address.is_ipv6() => late.push(fact.clone()),
            Fact::AddressGone { place, .. } if place.address.is_ipv6() && is_new(*place) => {}
            _ => others.push(fact.clone()),
        }
    }
    others.extend(late);
    others
}

fn is_link(fact: &Fact, index: InterfaceIndex) -> bool {
    matches!(fact, Fact::Link(link) if link.index == index)
}

fn is_gone(fact: &Fact, place: Place) -> bool {
    matches!(fact, Fact::AddressGone { place: gone, .. } if *gone == place)
}

impl Two {
    pub(crate) fn new(seed: u64, switch: &Machine) -> Self {
        let (mut real, mut fake) = (Real::new(switch), Kernel::default());
        // The number that the machine's first interface had is not given out again.
        fake.perform(&Deed::Create { name: "eth0".into(), mac: Mac::default() }, &mut Vec::new()).unwrap();
        fake.perform(&Deed::Delete(2), &mut Vec::new()).unwrap();
        let everything = real.restart(false);
        let mut two = Self {
            real,
            fake,
            plan: Plan::new(seed),
            seed,
            past: VecDeque::new(),
            told: [Told::default(), Told::default()],
        };
        two.hear_everything(everything);
        two
    }

    /// Lets the next happening happen to both.
    pub(crate) fn step(&mut self) {
        let happening = self.plan.next(&self.fake);
        self.past.push_back(happening.to_string());
        if self.past.len() > PAST {
            self.past.pop_front();
        }
        match happening {
            Happening::Deed(deed) => {
                let mut facts = Vec::new();
                let answers = self.perform(&deed, &mut facts);
                self.same("the answer", answers);
                self.hear(facts);
            }
            Happening::Holds(holds) => self.hold(&holds),
            Happening::Lost(deeds) => {
                for deed in deeds {
                    let answers = self.perform(&deed, &mut Vec::new());
                    self.same("the answer", answers);
                    self.settle();
                }
                let everything = self.real.lose();
                self.hear_everything(everything);
            }
            Happening::Restart { cleaned } => {
                let held: Vec<Place> = self.fake.held().collect();
                let noted = self.noted(&held);
                let mut real = noted.clone();
                real.sort();
                self.same("what is held", [real, held]);
                self.fake.bury(false);
                // What goes first decides what takes whose place, so they go in the ledger's order.
                for place in noted.into_iter().filter(|_| cleaned) {
                    if self.fake.addresses().iter().any(|one| one.place() == place && one.marked) {
                        self.fake.perform(&Deed::Unset(place), &mut Vec::new()).unwrap();
                    }
                }
                let everything = self.real.restart(cleaned);
                self.hear_everything(everything);
            }
        }
        self.settle();
    }

    /// Nothing is told that should not be.
    pub(crate) fn end(&mut self) {
        std::thread::sleep(REST);
        self.hear(Vec::new());
    }

    fn perform(&mut self, deed: &Deed, facts: &mut Vec<Fact>) -> [Result<(), Errno>; 2] {
        [self.real.perform(deed), self.fake.perform(deed, facts)]
    }

    fn hold(&mut self, holds: &[Hold]) {
        let outcomes = self.real.hold(holds);
        for hold in holds {
            self.fake.ask(timeline::Instant::EPOCH, hold.clone());
        }
        let mut facts = Vec::new();
        let fakes: Vec<Outcome> =
            std::iter::from_fn(|| self.fake.work(timeline::Instant::EPOCH, &mut facts)).collect();
        self.same("what became of the orders", [outcomes, fakes]);
        self.hear(facts);
    }

    /// Both tell the same.
    fn hear(&mut self, facts: Vec<Fact>) {
        for fact in &facts {
            if let Fact::LinkGone(interface) = fact {
                self.fake.forget(*interface);
            }
        }
        let [real, fake] = &mut self.told;
        let expected = sorted(fake.news(facts));
        let mut heard = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            heard.extend(real.news(self.real.facts()));
            if sorted(heard.clone()) == expected || Instant::now() > deadline {
                break;
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        self.same("what is told", [sorted(heard), expected]);
    }

    /// What the ledger says when the hand has heard of everything.
    fn noted(&self, held: &[Place]) -> Vec<Place> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let noted = self.real.held();
            if noted.len() == held.len() || Instant::now() > deadline {
                return noted;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn hear_everything(&mut self, everything: Fact) {
        self.told[0].is_news(&everything);
        self.told[1].is_news(&self.fake.everything());
        self.same("the whole truth", [everything, self.fake.everything()]);
    }

    /// Both list the same, at the latest when Linux has heard of a carrier.
    fn settle(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let mut tables = [self.real.everything(), self.fake.everything()];
        while tables[0] != tables[1] && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
            tables[0] = self.real.everything();
        }
        self.same("the tables", tables);
    }

    #[track_caller]
    fn same<T: PartialEq + Shown>(&self, what: &str, [real, fake]: [T; 2]) {
        assert!(
            real == fake,
            "seed {}: {what} differs after\n  {}\nLinux:{}\nsimulator:{}",
            self.seed,
            self.past.iter().map(String::as_str).collect::<Vec<_>>().join("\n  "),
            real.shown(),
            fake.shown()
        );
    }
}

/// What can be shown on few lines.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for Result<(), Errno> {
    fn shown(&self) -> String {
        format!(" {self:?}")
    }
}

impl Shown for Vec<Outcome> {
    fn shown(&self) -> String {
        let results = self.iter().flat_map(|outcome| &outcome.results);
        results.map(|(place, how)| format!("\n  {} {how:?}", at(*place))).collect()
    }
}

impl Shown for Vec<Place> {
    fn shown(&self) -> String {
        self.iter().map(|place| format!("\n  {}", at(*place))).collect()
    }
}

impl Shown for Vec<Fact> {
    fn shown(&self) -> String {
        self.iter().map(Shown::shown).collect()
    }
}

impl Shown for Fact {
    fn shown(&self) -> String {
        match self {
            Self::Everything { links, addresses } => {
                let links = links.iter().map(|link| Self::Link(link.clone()).shown());
                links.chain(addresses.iter().map(|one| Self::Address(one.clone()).shown())).collect()
            }
            Self::Address(one) => {
                let words =
                    [(!one.usable, " unusable"), (one.secondary, " secondary"), (one.marked, " marked")];
                let words: String = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
                format!("\n  {}{words}", at(one.place()))
            }
            Self::AddressGone { place, by } => format!("\n  {} gone by {by:?}", at(*place)),
            other => format!("\n  {other:?}"),
        }
    }
}

/// A place, in words.
pub(crate) fn at(place: Place) -> String {
    format!("{}/{} on {}", place.address, place.prefix, place.interface)
}
