//! The BFD sessions of a host: which packet is for which, what each says about its neighbour, and when to look again.
//!
//! A machine of its own beside the [`Node`](crate::Node): packets come many times a second and change nothing most of
//! the time. What a session concludes is a [`Fact::Bfd`] for the node, which counts it as it counts a file or a process.
//! The driver gives both their turns.

mod watch;

use self::watch::Watch;
use crate::event::Event;
use crate::io::{Errno, Fact};
use crate::status::Status;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BinaryHeap};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bfd::Chance;
use core::cmp::Reverse;
use core::fmt;
use core::net::IpAddr;
use model::Bfd;
use timeline::{Duration, Instant, Machine};
use wire::Family;
use wire::bfd::{Control, LEN, Refused};

/// Names one session inside a running daemon. Never used again after the session is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// What can happen to the sessions.
#[derive(Debug)]
pub enum Input<'a> {
    /// These are wanted from now on. They must pass [`model::Host::check`].
    Configure(&'a [Bfd]),
    /// A datagram came to a BFD port.
    Packet(Packet<'a>),
    /// A packet of this session could not be sent.
    Unsent {
        /// The session.
        session: SessionId,
        /// What the kernel said.
        errno: Errno,
    },
    /// Packets to this port cannot be heard, and why; `None`: they can.
    NoSocket {
        /// Of this family.
        family: Family,
        /// The port for several hops.
        multihop: bool,
        /// What the kernel said.
        why: Option<Errno>,
    },
    /// The daemon ends: neighbours are told that it is on purpose.
    Stop,
    /// All inputs of this turn are in.
    Elapsed,
}

/// A received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// TTL or hop limit; `None` if the kernel did not say.
    pub hop_limit: Option<u8>,
    /// It came to the port for several hops.
    pub multihop: bool,
    /// When the kernel received it, not after now.
    pub at: Instant,
    /// From the first byte of the BFD packet.
    pub bytes: &'a [u8],
}

/// What the sessions want done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this from the session's socket.
    Send {
        /// The session.
        session: SessionId,
        /// The packet.
        bytes: [u8; LEN],
    },
    /// Tell the node.
    Fact(Fact),
    /// Tell whoever listens.
    Report(Event),
}

/// Where a session's packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The session.
    pub session: SessionId,
    /// To this address.
    pub neighbor: IpAddr,
    /// From this one; `None`: the kernel chooses.
    pub source: Option<IpAddr>,
    /// With this TTL or hop limit.
    pub hop_limit: u8,
    /// To the port for several hops.
    pub multihop: bool,
}

/// How a session's neighbour is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Both hear each other.
    Up,
    /// They did, and do not any more. That the neighbour's administrator wants it so counts as well: no other check
    /// watches the way through a neighbour (BCL-3).
    Down {
        /// The session's diagnostic.
        ours: wire::bfd::Diagnostic,
        /// The neighbour's.
        theirs: wire::bfd::Diagnostic,
        /// The neighbour said that it is AdminDown.
        on_purpose: bool,
    },
    /// They did not within this time.
    NeverUp(Duration),
    /// Its packets cannot be heard here.
    Unheard(Errno),
}

/// Why a datagram was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Discard {
    /// It is no packet that anybody may believe.
    Packet(Refused),
    /// Nobody here is meant by it.
    Stranger,
    /// It came to the port of the other kind of sessions.
    Port,
    /// It has come too far (BRX-0).
    Distance,
    /// It is not from the neighbour, and may be from anywhere.
    Source,
}

impl Discard {
    /// Each.
    pub const ALL: [Self; 12] = [
        Self::Packet(Refused::Short),
        Self::Packet(Refused::Version),
        Self::Packet(Refused::Length),
        Self::Packet(Refused::Multiplier),
        Self::Packet(Refused::Multipoint),
        Self::Packet(Refused::MyDiscriminator),
        Self::Packet(Refused::YourDiscriminator),
        Self::Packet(Refused::Authenticated),
        Self::Stranger,
        Self::Port,
        Self::Distance,
        Self::Source,
    ];
}

impl fmt::Display for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(refused) => refused.fmt(f),
            Self::Stranger => f.write_str("it is for no session here"),
            Self::Port => f.write_str("only one side says `multihop`"),
            Self::Distance => f.write_str("its TTL or hop limit says that it has come too far"),
            Self::Source => f.write_str("it is not from the neighbour"),
        }
    }
}

/// All sessions of a host.
#[derive(Debug)]
pub struct Sessions {
    watches: BTreeMap<SessionId, Watch>,
    by_name: BTreeMap<Arc<str>, SessionId>,
    by_neighbor: BTreeMap<IpAddr, SessionId>,
    by_discriminator: BTreeMap<u32, SessionId>,
    /// Ports that cannot be heard.
    unheard: BTreeMap<(Family, bool), Errno>,
    /// As [`crate::schedule`] does it: entries may be early, never late.
    due: BinaryHeap<Reverse<(Instant, SessionId)>>,
    discards: BTreeMap<Discard, u64>,
    next_id: u32,
    chance: Chance,
    stopped: bool,
    scratch: Vec<bfd::Effect>,
}

impl Sessions {
    /// No sessions. `seed` decides their discriminators and the jitter: nobody else should know it.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            watches: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_neighbor: BTreeMap::new(),
            by_discriminator: BTreeMap::new(),
            unheard: BTreeMap::new(),
            due: BinaryHeap::new(),
            discards: BTreeMap::new(),
            next_id: 0,
            chance: Chance::new(seed),
            stopped: false,
            scratch: Vec::new(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// Where the packets of each session go.
    pub fn paths(&self) -> impl Iterator<Item = Path> + '_ {
        self.watches.iter().map(|(session, watch)| Path {
            session: *session,
            neighbor: watch.bfd.neighbor,
            source: watch.bfd.source,
            hop_limit: watch.bfd.hop_limit(),
            multihop: watch.bfd.multihop,
        })
    }

    /// Adds what only the sessions themselves know.
    pub fn describe(&self, status: &mut Status) {
        for known in &mut status.sessions {
            let watch = self.by_name.get(&known.name).and_then(|id| self.watches.get(id));
            known.detail = watch.map(|watch| Box::new(watch.detail()));
        }
        status.bfd_discards = self.discards.iter().map(|(why, count)| (*why, *count)).collect();
    }

    fn configure(&mut self, now: Instant, wanted: &[Bfd], effects: &mut Vec<Effect>) {
        let names: BTreeMap<&str, &Bfd> = wanted.iter().map(|bfd| (&*bfd.name, bfd)).collect();
        let gone = |(id, watch): (&SessionId, &Watch)| {
            (!names.get(&*watch.bfd.name).is_some_and(|new| watch.is_same_path(new))).then_some(*id)
        };
        let gone: Vec<SessionId> = self.watches.iter().filter_map(gone).collect();
        for id in gone {
            // Its neighbour shall not take it for a failure (BT-19).
            self.drive(now, id, bfd::Input::Disable, effects);
            if let Some(watch) = self.watches.remove(&id) {
                self.by_name.remove(&watch.bfd.name);
                self.by_neighbor.remove(&watch.bfd.neighbor);
                self.by_discriminator.remove(&watch.session.discriminator());
            }
        }
        for bfd in wanted {
            if let Some(id) = self.by_name.get(&bfd.name).copied() {
                let settings = self.watches.get_mut(&id).filter(|watch| watch.bfd != *bfd).map(|watch| {
                    watch.bfd = bfd.clone();
                    bfd.settings
                });
                if let Some(settings) = settings {
                    self.drive(now, id, bfd::Input::Reconfigure(settings), effects);
                }
            } else {
                self.begin(now, bfd, effects);
            }
        }
    }

    fn begin(&mut self, now: Instant, bfd: &Bfd, effects: &mut Vec<Effect>) {
        let id = SessionId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let mut discriminator = self.chance.discriminator();
        while self.by_discriminator.contains_key(&discriminator) {
            discriminator = self.chance.discriminator();
        }
        let watch = Watch::new(bfd.clone(), discriminator, Chance::new(self.chance.draw()), now);
        self.by_name.insert(bfd.name.clone(), id);
        self.by_neighbor.insert(bfd.neighbor, id);
        self.by_discriminator.insert(discriminator, id);
        self.watches.insert(id, watch);
        self.tell(id, effects);
        self.arm(id, Instant::EPOCH);
    }

    /// BRX-0 to BRX-9: the session that a packet is for.
    fn find(&self, packet: &Packet<'_>) -> Result<(SessionId, Control), (Discard, Option<SessionId>)> {
        let neighbor = self.by_neighbor.get(&packet.source).copied();
        let control = Control::read(packet.bytes).map_err(|why| (Discard::Packet(why), neighbor))?;
        let id = match control.your_discriminator {
            0 => neighbor,
            named => self.by_discriminator.get(&named).copied(),
        };
        let known = id.and_then(|id| Some((id, self.watches.get(&id)?)));
        let (id, watch) = known.ok_or((Discard::Stranger, neighbor))?;
        if watch.bfd.multihop != packet.multihop {
            return Err((Discard::Port, Some(id)));
        }
        let least = watch.bfd.least_hop_limit();
        if packet.hop_limit.unwrap_or(0) < least {
            return Err((Discard::Distance, Some(id)));
        }
        // What must be from this link may change its source (BENC-5); anything else could be anybody's.
        if least < u8::MAX && packet.source != watch.bfd.neighbor {
            return Err((Discard::Source, Some(id)));
        }
        Ok((id, control))
    }

    fn hear(&mut self, now: Instant, packet: &Packet<'_>, effects: &mut Vec<Effect>) {
        match self.find(packet) {
            Ok((id, control)) => {
                if let Some(watch) = self.watches.get_mut(&id) {
                    watch.counts.received += 1;
                }
                let at = packet.at.min(now);
                self.drive(now, id, bfd::Input::Packet { control, at }, effects);
            }
            Err((why, id)) => self.discard(now, packet.source, why, id, effects),
        }
    }

    fn discard(
        &mut self,
        now: Instant,
        source: IpAddr,
        why: Discard,
        id: Option<SessionId>,
        effects: &mut Vec<Effect>,
    ) {
        *self.discards.entry(why).or_default() += 1;
        let Some(watch) = id.and_then(|id| self.watches.get_mut(&id)) else { return };
        watch.counts.discarded += 1;
        // A neighbour that still speaks to the session of an earlier run is an ordinary thing.
        if why == Discard::Stranger {
            return;
        }
        let Some(suppressed) = watch.told.entry(why).or_default().tell(now, 1) else { return };
        let session = watch.bfd.name.clone();
        effects.push(Effect::Report(Event::BfdDiscarded { session, source, why, suppressed }));
    }

    /// Gives one session an input and carries its effects on.
    fn drive(&mut self, now: Instant, id: SessionId, input: bfd::Input, effects: &mut Vec<Effect>) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        self.scratch.clear();
        watch.session.handle(now, input, &mut self.scratch);
        for effect in self.scratch.drain(..) {
            match effect {
                bfd::Effect::Send(control) => {
                    watch.counts.sent += 1;
                    effects.push(Effect::Send { session: id, bytes: control.write() });
                }
                bfd::Effect::Moved(transition) => watch.moved(&transition),
            }
        }
        self.tell(id, effects);
        self.arm(id, Instant::EPOCH);
    }

    /// Tells the node what is new about a neighbour.
    fn tell(&mut self, id: SessionId, effects: &mut Vec<Effect>) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if let Some(reach) = watch.news(self.unheard.get(&watch.side()).copied()).filter(|_| !self.stopped) {
            effects.push(Effect::Fact(Fact::Bfd { name: watch.bfd.name.clone(), reach }));
        }
    }

    fn unsent(&mut self, now: Instant, id: SessionId, errno: Errno, effects: &mut Vec<Effect>) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        watch.counts.unsent += 1;
        watch.counts.sent = watch.counts.sent.saturating_sub(1);
        if let Some(suppressed) = watch.quiet.tell(now, 1) {
            let session = watch.bfd.name.clone();
            effects.push(Effect::Report(Event::BfdUnsent { session, errno, suppressed }));
        }
    }

    // ---- time ----

    fn arm(&mut self, id: SessionId, not_before: Instant) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let Some(deadline) = watch.deadline().map(|at| at.max(not_before)) else { return };
        if watch.queued.is_none_or(|at| deadline < at) {
            watch.queued = Some(deadline);
            self.due.push(Reverse((deadline, id)));
        }
    }

    fn fire(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(Reverse((at, id))) = self.due.peek().copied() {
            if at == Instant::NEVER {
                return;
            }
            let Some(watch) = self.watches.get_mut(&id).filter(|watch| watch.queued == Some(at)) else {
                self.due.pop();
                continue;
            };
            let is_true = watch.deadline().is_some_and(|deadline| deadline <= at);
            if at > now && is_true {
                return;
            }
            self.due.pop();
            watch.queued = None;
            if at <= now {
                watch.lose_patience(now);
                self.drive(now, id, bfd::Input::Elapsed, effects);
            }
            // Never at or before now: what is due now was done, and a deadline that stays must not spin.
            self.arm(id, now + Duration::from_nanos(1));
        }
    }
}

impl Machine for Sessions {
    type Input<'a> = Input<'a>;
    type Effect = Effect;

    fn handle(&mut self, now: Instant, input: Input<'_>, effects: &mut Vec<Effect>) {
        if self.stopped {
            return;
        }
        match input {
            Input::Configure(wanted) => self.configure(now, wanted, effects),
            Input::Packet(packet) => self.hear(now, &packet, effects),
            Input::Unsent { session, errno } => self.unsent(now, session, errno, effects),
            Input::NoSocket { family, multihop, why } => {
                let before = match why {
                    Some(errno) => self.unheard.insert((family, multihop), errno),
                    None => self.unheard.remove(&(family, multihop)),
                };
                let is_back = why.is_none() && before.is_some();
                let side = (family, multihop);
                let ids: Vec<SessionId> = self
                    .watches
                    .iter()
                    .filter(|(_, watch)| watch.side() == side)
                    .map(|(id, _)| *id)
                    .collect();
                for id in ids {
                    if let Some(watch) = self.watches.get_mut(&id).filter(|_| is_back) {
                        watch.be_patient(now);
                    }
                    self.tell(id, effects);
                    self.arm(id, Instant::EPOCH);
                }
            }
            Input::Stop => {
                self.stopped = true;
                let ids: Vec<SessionId> = self.watches.keys().copied().collect();
                ids.into_iter().for_each(|id| self.drive(now, id, bfd::Input::Disable, effects));
            }
            Input::Elapsed => self.fire(now, effects),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let next = self.due.peek().map(|Reverse((at, _))| *at);
        next.filter(|_| !self.stopped)
    }
}

impl Path {
    /// The interface decides, because its addresses are on every link.
    #[must_use]
    pub const fn is_link_local(&self) -> bool {
        matches!(self.neighbor, IpAddr::V6(v6) if v6.is_unicast_link_local())
    }
}
