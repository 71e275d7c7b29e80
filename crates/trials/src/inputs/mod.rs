//! Any sequence of inputs, also such as no kernel, no hand and no network would give: a node neither panics nor spins nor
//! grows, speaks only while Active, and when it has been told the truth again, it holds what it should.

mod hosts;
mod kernel;

use arbitrary::{Result, Unstructured};
use hosts::{ADDRESSES, SECRET};
use kernel::Kernel;
use model::{Flaw, Host};
use node::event::{Event, Standing};
use node::io::{
    Act, Actor, Address, Datagram, Effect, Ended, Ending, Errno, Fact, Frame, Hold, Input, Order, Outcome,
    Place, Reason, RouterId, RunId, Settled, Transmit, Unread,
};
use node::status::{AddressState, Status};
use node::{Node, compat};
use std::collections::BTreeSet;
use std::net::IpAddr;
use timeline::{Duration, Instant, Machine as _};
use wire::message::Message;
use wire::{Family, Vrid};

const START: Instant = Instant::from_nanos(1_000_000_000_000);
/// More than any one input of these small hosts can lead to.
const MOST_EFFECTS: usize = 1_000;
/// More than these hosts need, however long they are fed.
const MOST_MEMORY: usize = 400_000;
/// A longer sequence shows nothing that a shorter one does not.
const LONGEST: usize = 600;

/// Feeds a node what the bytes say, then tells it the truth and looks what it holds.
///
/// # Panics
/// When a rule is broken.
pub fn check(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    let mut world = World::new();
    for _ in 0..LONGEST {
        // Bytes that end in the middle of an input end the sequence.
        if u.is_empty() || world.step(&mut u).is_err() {
            break;
        }
    }
    world.remember_little();
    if world.is_sane {
        world.settle();
    }
}

type Router = (Vrid, Family);

struct World {
    node: Node,
    now: Instant,
    kernel: Kernel,
    /// Asked of the hand and not answered.
    asked: Vec<Hold>,
    runs: Vec<RunId>,
    active: BTreeSet<Router>,
    abandoned: bool,
    stopped: bool,
    /// Time has not come near its end.
    is_sane: bool,
    count: u32,
}

impl World {
    fn new() -> Self {
        Self {
            node: Node::new(),
            now: START,
            kernel: Kernel::new(),
            asked: Vec::new(),
            runs: Vec::new(),
            active: BTreeSet::new(),
            abandoned: false,
            stopped: false,
            is_sane: true,
            count: 0,
        }
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.arbitrary::<u8>()? % 20 {
            0 | 1 => self.honest_fact(u)?,
            2 => self.false_fact(u)?,
            3 => self.state_of_the_sockets(u)?,
            4 => {
                let everything = if u.ratio(3, 4)? {
                    self.kernel.everything()
                } else {
                    Fact::Everything { links: Vec::new(), addresses: Vec::new() }
                };
                self.handle(Input::Fact(everything));
            }
            5 | 6 => self.advert(u)?,
            7 => self.anything_from_the_network(u)?,
            8 | 9 => self.carry_out(u.int_in_range(1..=4)?),
            10 => self.false_outcome(u)?,
            11 => {
                let (router, errno) = (RouterId(u.int_in_range(0..=8)?), Errno(u.arbitrary()?));
                self.handle(Input::Unsent { router, errno });
            }
            12 => {
                let host = hosts::any(u)?;
                if host.check().is_ok() {
                    self.configure(host);
                }
            }
            13 => self.order(u)?,
            14 => self.ended(u)?,
            15 => self.tracked(u)?,
            16 | 17 => self.elapsed(),
            _ => {
                self.wait(u)?;
                self.elapsed();
            }
        }
        Ok(())
    }

    // ---- inputs ----

    fn configure(&mut self, host: Host) {
        self.handle(Input::Configure(Box::new(host)));
    }

    fn honest_fact(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        for fact in self.kernel.change(u)? {
            self.handle(Input::Fact(fact));
        }
        Ok(())
    }

    fn false_fact(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let (usable, secondary, marked) = u.arbitrary()?;
        let (interface, address, prefix) = (u.int_in_range(0..=4)?, any_address(u)?, u.arbitrary()?);
        let found = Address { interface, address, prefix, usable, secondary, marked };
        let fact = match u.int_in_range(0..=4)? {
            0 => Fact::Address(found),
            1 => Fact::LinkGone(interface),
            2 => Fact::Link(kernel::link(interface, u)?),
            _ => {
                let by = if u.arbitrary()? { Actor::Ourselves } else { Actor::Other(Some("dhcpcd".into())) };
                Fact::AddressGone { place: found.place(), by }
            }
        };
        if u.arbitrary()? {
            self.handle(Input::Fact(fact.clone())); // told twice
        }
        self.handle(Input::Fact(fact));
        Ok(())
    }

    fn state_of_the_sockets(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let why = if u.arbitrary()? { Some(Errno(u.arbitrary()?)) } else { None };
        let family = if u.arbitrary()? { Family::V4 } else { Family::V6 };
        let group = if family == Family::V4 { wire::GROUP_V4.into() } else { wire::GROUP_V6.into() };
        let interface = u.int_in_range(0..=4)?;
        let fact = match u.int_in_range(0..=3)? {
            0 => Fact::Deaf,
            3 => Fact::WallClock(u.arbitrary::<i64>()?.into()),
            1 => Fact::NoSocket {
                family,
                sealed: u.arbitrary()?,
                vrf: (interface > 2).then_some(interface),
                why,
            },
            _ => Fact::NotJoined { interface, group, why },
        };
        self.handle(Input::Fact(fact));
        Ok(())
    }

    fn advert(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let mut bytes = hosts::advert(u)?;
        if u.ratio(1, 4)? && !bytes.is_empty() {
            let at = u.choose_index(bytes.len())?;
            bytes[at] ^= u.arbitrary::<u8>()?;
        }
        let at = self.moment(u)?;
        let frame = Frame { interface: u.int_in_range(1..=3)?, at, datagram: Datagram::V4(&bytes) };
        self.handle(Input::Frame(frame));
        Ok(())
    }

    fn anything_from_the_network(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let at = self.moment(u)?;
        let interface = u.int_in_range(0..=4)?;
        let (six, limit) = (u.arbitrary()?, u.arbitrary::<u8>()?);
        let len = u.int_in_range(0..=60)?;
        let payload = u.bytes(len.min(u.len()))?;
        let datagram = if six {
            let (source, destination) = ([0xfe; 16].into(), wire::GROUP_V6);
            Datagram::V6 { source, destination, hop_limit: (limit != 0).then_some(limit), payload }
        } else {
            Datagram::V4(payload)
        };
        self.handle(Input::Frame(Frame { interface, at, datagram }));
        Ok(())
    }

    /// When the kernel says that a frame came: now, before, or (which no clock would say) later.
    fn moment(&self, u: &mut Unstructured<'_>) -> Result<Instant> {
        let by = Duration::from_millis(u64::from(u.arbitrary::<u8>()?) * 10);
        Ok(match u.int_in_range(0..=4)? {
            0 => self.now - by,
            1 => self.now + by,
            _ => self.now,
        })
    }

    /// The hand does the next things that it was asked for, and says truly what became of them.
    fn carry_out(&mut self, count: usize) {
        for _ in 0..count.min(self.asked.len()) {
            let hold = self.asked.remove(0);
            let (outcome, facts) = self.kernel.carry_out(&hold);
            for fact in facts {
                self.handle(Input::Fact(fact));
            }
            if let Some(outcome) = outcome {
                self.handle(Input::Outcome(outcome));
            }
        }
    }

    /// An answer that is a lie, or to what nobody asked.
    fn false_outcome(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let settled = [
            Settled::Added,
            Settled::Adopted,
            Settled::Removed,
            Settled::NotOurs,
            Settled::Superseded,
            Settled::Refused(Errno(u.arbitrary()?)),
        ];
        let settled = *u.choose(&settled)?;
        let (mut router, mut epoch) = (RouterId(u.int_in_range(0..=8)?), u.int_in_range(0..=40)?);
        let (interface, address, prefix) =
            (u.int_in_range(1..=3)?, any_address(u)?, u.int_in_range(0..=128)?);
        let mut results = vec![(Place { interface, address, prefix }, settled)];
        if !self.asked.is_empty() && u.arbitrary()? {
            let hold = &self.asked[u.choose_index(self.asked.len())?];
            (router, epoch) = (hold.router, hold.epoch);
            if let Act::Add { addresses, .. } | Act::Remove { addresses, .. } = &hold.act {
                results = addresses.iter().map(|placed| (placed.place(), settled)).collect();
            }
        }
        self.handle(Input::Outcome(Outcome { router, epoch, results }));
        Ok(())
    }

    fn order(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        // Rarely: little happens afterwards.
        if u.ratio(1, 8)? {
            let order = if u.ratio(3, 4)? { Order::Stop } else { Order::Abandon };
            self.abandoned |= order == Order::Abandon;
            self.stopped |= order == Order::Stop;
            self.handle(Input::Order(order));
        }
        Ok(())
    }

    fn ended(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let how = match u.int_in_range(0..=3)? {
            0 => Ending::Exited(0),
            1 => Ending::Exited(u.arbitrary()?),
            2 => Ending::Signalled(u.arbitrary()?),
            _ => Ending::NotRun(Reason::Flaw(Flaw::Missing("/no/such".into()))),
        };
        let id = if self.runs.is_empty() || u.ratio(1, 8)? {
            RunId(u.int_in_range(0..=20)?)
        } else {
            self.runs.remove(u.choose_index(self.runs.len())?)
        };
        // Of some nothing was heard before.
        if !id.0.is_multiple_of(4) {
            self.handle(Input::Begun(id));
        }
        self.handle(Input::Ended(Ended { id, how }));
        Ok(())
    }

    fn tracked(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let name = (*u.choose(&["a", "b", "c"])?).into();
        let fact = if u.arbitrary()? {
            let value = match u.int_in_range(0..=3)? {
                0 => Err(Unread::Absent),
                1 => Err(Unread::Garbage),
                _ => Ok(u.arbitrary()?),
            };
            Fact::File { name, value }
        } else {
            let count = if u.arbitrary()? { Ok(u.arbitrary()?) } else { Err(Errno(1)) };
            Fact::Processes { name, count }
        };
        self.handle(Input::Fact(fact));
        Ok(())
    }

    fn wait(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let millis = Duration::from_millis(u64::from(u.arbitrary::<u16>()?));
        let deadline = self.node.deadline().unwrap_or(self.now).max(self.now);
        self.now = match u.int_in_range(0..=7)? {
            0..=2 => deadline,
            3 => deadline - Duration::from_nanos(1),
            4 => self.now + millis,
            5 => self.now + millis * 1_000,
            6 if u.ratio(1, 8)? => {
                self.is_sane = false;
                // As near to the end of time as it gets.
                Instant::NEVER - Duration::from_millis(millis.as_secs() * 2 + 1)
            }
            _ => deadline + millis / 10,
        }
        .max(self.now);
        Ok(())
    }

    // ---- what must hold after each ----

    fn elapsed(&mut self) {
        self.handle(Input::Elapsed);
        let deadline = self.node.deadline();
        assert!(
            deadline.is_none_or(|at| at > self.now || at == Instant::NEVER),
            "it spins: {deadline:?} at {:?}",
            self.now
        );
        let mut more = Vec::new();
        self.node.handle(self.now, Input::Elapsed, &mut more);
        assert!(more.is_empty(), "time stood still, and yet: {more:?}");
    }

    fn handle(&mut self, input: Input<'_>) {
        let mut effects = Vec::new();
        self.node.handle(self.now, input, &mut effects);
        assert!(effects.len() < MOST_EFFECTS, "{} effects of one input", effects.len());
        let status = self.node.status(self.now);
        let active: BTreeSet<Router> = status
            .instances
            .iter()
            .filter(|instance| instance.standing == Standing::Active)
            .map(|instance| (instance.vrid, instance.family))
            .collect();
        // An owner may start, and be gone again, within a turn.
        let started =
            effects.iter().any(|e| matches!(e, Effect::Report(Event::Moved { to: Standing::Active, .. })));
        for effect in &effects {
            match effect {
                Effect::Send(sent) => self.may_be_sent(sent, &active, started),
                Effect::Hold(Hold { act: Act::Add { addresses, announcements }, .. }) => {
                    assert!(announcements.is_empty() || addresses.len() == announcements.len());
                    for placed in addresses.iter() {
                        let address = placed.address.address;
                        let wanted = status.instances.iter().any(|instance| {
                            (started || instance.standing == Standing::Active)
                                && instance.addresses.iter().any(|its| its.address == address)
                        });
                        assert!(wanted, "{address} is set for nobody");
                    }
                }
                Effect::Report(event) => {
                    compat::log_lines(event).iter().for_each(|line| tells_no_secret(line));
                    tells_no_secret(&format!("{event:?}"));
                }
                Effect::Hold(_) | Effect::Run(_) | Effect::Kill(_) | Effect::Tell(_) | Effect::Mail(_) => {}
            }
        }
        // To write all that down takes far longer than anything else.
        self.count += 1;
        if self.count.is_multiple_of(16) {
            tells_no_secret(&format!("{effects:?}"));
            tells_no_secret(&format!("{status:?}"));
        }
        self.active = active;
        for effect in effects {
            match effect {
                Effect::Hold(hold) => self.asked.push(hold),
                Effect::Run(run) => self.runs.push(run.id),
                Effect::Send(_) | Effect::Kill(_) | Effect::Tell(_) | Effect::Mail(_) | Effect::Report(_) => {
                }
            }
        }
        // A hand may be slow, but nobody waits for a thousand things that it was asked.
        if self.asked.len() > 200 {
            self.carry_out(100);
        }
    }

    fn may_be_sent(&self, sent: &Transmit, active: &BTreeSet<Router>, started: bool) {
        let (family, message) = match (sent.source, sent.datagram.get(9)) {
            (IpAddr::V6(_), _) => (Family::V6, &sent.datagram[..]),
            (IpAddr::V4(_), Some(51)) => (Family::V4, &sent.datagram[44..]),
            (IpAddr::V4(_), _) => (Family::V4, &sent.datagram[20..]),
        };
        let message = Message::new(message).expect("whole");
        let router = (Vrid::new(message.vrid()).expect("not zero"), family);
        // A good-bye is of one who was Active; whatever else is said, of one who is, or ends within this input.
        let leaves = message.priority() == wire::Priority::LEAVING;
        let may = self.active.contains(&router) || !leaves && active.contains(&router);
        assert!(started || may, "{sent:?} by a router that is not Active");
    }

    fn remember_little(&self) {
        let size = format!("{:?}", self.node).len();
        assert!(size < MOST_MEMORY, "{size} bytes are remembered");
        let _ = (self.node.listeners().count(), self.node.is_at_rest());
    }

    // ---- the end ----

    /// The truth is told and everything asked for is done: what is held is what Active routers want, and a daemon that was
    /// stopped holds nothing.
    fn settle(&mut self) {
        if self.abandoned {
            assert!(self.node.is_at_rest() && self.node.deadline().is_none());
            return;
        }
        let until = self.now + Duration::from_secs(130);
        let mut told = 0;
        let mut turns = 0;
        while self.now < until {
            turns += 1;
            assert!(turns < 60_000, "no end of turns");
            if told < 2 && self.asked.is_empty() {
                self.handle(Input::Fact(self.kernel.everything()));
                told += 1;
            }
            self.carry_out(usize::MAX);
            for id in std::mem::take(&mut self.runs) {
                self.handle(Input::Ended(Ended { id, how: Ending::Exited(0) }));
            }
            self.handle(Input::Elapsed);
            let deadline = self.node.deadline().unwrap_or(until);
            if self.asked.is_empty() || deadline > self.now + Duration::from_millis(10) {
                self.now = self.now.max(deadline.min(until));
            }
        }
        self.carry_out(usize::MAX);
        self.handle(Input::Elapsed);
        if self.stopped {
            assert!(self.node.is_at_rest(), "it never ends");
        }
        self.holds_what_it_should(&self.node.status(self.now));
    }

    fn holds_what_it_should(&self, status: &Status) {
        let mut wanted = BTreeSet::new();
        for instance in &status.instances {
            let active = instance.standing == Standing::Active;
            for its in &instance.addresses {
                let Some(interface) = self.kernel.index_of(&its.device) else { continue };
                let place = Place { interface, address: its.address, prefix: its.prefix };
                match its.state {
                    AddressState::Held => {
                        assert!(active, "{place:?} is held by {:?}", instance.standing);
                        assert!(self.kernel.is_marked(&place), "{place:?} is not there");
                        wanted.insert(place);
                    }
                    AddressState::Absent => {
                        assert!(!active || self.kernel.excludes(&place), "{place:?} is missing");
                    }
                    AddressState::Adding | AddressState::Removing => panic!("{place:?} is never done"),
                    AddressState::Foreign | AddressState::Refused(_) => {}
                }
            }
        }
        for place in self.kernel.set_by_us() {
            assert!(wanted.contains(&place), "{place:?} is held for nobody");
        }
    }
}

fn any_address(u: &mut Unstructured<'_>) -> Result<IpAddr> {
    Ok(u.choose(&ADDRESSES)?.parse().expect("an address"))
}

fn tells_no_secret(text: &str) {
    assert!(!text.contains(SECRET), "a password: {text}");
}
