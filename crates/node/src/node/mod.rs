//! The whole host as one machine: inputs in, effects out.
//!
//! `handle` routes. The work is done in the modules below: `learn` takes facts, `steer` folds them into a
//! verdict and tells the router, `group` lets the members of a group move as one, `vrrp::Router` decides, `derive` compares what is held with what is wanted,
//! `configure` takes a new configuration. `Elapsed` ends a turn: only then timers fire and holds are derived.

mod closed;
mod configure;
mod departing;
mod derive;
mod fixtures;
mod group;
mod learn;
mod news;
mod steer;
mod wires;

use self::departing::Departing;
use self::fixtures::{FIXTURES, Fixtures};
pub(crate) use self::group::Group;
use self::group::{Stir, User};
use self::learn::Loss;
use self::wires::{Door, Way, Wires};
use crate::dial::Dial;
use crate::echo::Echo;
use crate::egress::{self, Heard};
use crate::estate::Estate;
use crate::event::{Contrast, Event, Standing};
use crate::facts::Facts;
use crate::held::Spot;
use crate::io::{Datagram, Effect, Errno, Frame, Input, InterfaceIndex, Order, RouterId, Transmit};
use crate::notify::{Herald, News, is_ours};
use crate::schedule::Schedule;
use crate::slot::{Aim, Cause, Counters, Quiet, Slot};
use crate::slots::Slots;
use crate::track::{Key, Trackers};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Host, Identity, Rare, Transport};
use timeline::{Duration, Instant, Machine};
use vrrp::{
    Admitted, Clocks, Discard, Effect as Decision, Expected, Ingress, Manner, Notice, Policy, Role,
    Transition, admit,
};
use wire::trailer::Stamp;
use wire::{Family, Priority, Vrid};

/// Everything this host decides.
#[derive(Debug, Default)]
pub struct Node {
    /// What is configured, without its instances: they are in the slots, and nothing is kept twice.
    pub(crate) host: Host,
    /// The instances in the order in which they are configured.
    order: Vec<RouterId>,
    pub(crate) facts: Facts,
    pub(crate) trackers: Trackers,
    pub(crate) slots: Slots,
    pub(crate) fixtures: Fixtures,
    pub(crate) groups: Vec<Group>,
    /// Who listens to a VRID on an interface.
    by_wire: Wires,
    by_wire_stale: bool,
    /// Which instances look at an interface.
    by_device: BTreeMap<Arc<str>, Vec<RouterId>>,
    /// Which instances track their source address, on whichever interface it is.
    roaming: Vec<RouterId>,
    /// Which instances have a virtual address.
    by_address: ByAddress,
    /// Who tracks what by name; interfaces only if a group does.
    by_tracker: BTreeMap<Key, Vec<User>>,
    schedule: Schedule,
    /// To be judged again before anything else happens.
    dirty: BTreeSet<RouterId>,
    /// Likewise whoever looks at these interfaces.
    dirty_devices: BTreeSet<Arc<str>>,
    /// Groups to be judged again.
    dirty_groups: BTreeSet<usize>,
    /// Members of groups that changed their roles: the others have to follow.
    stirred: Vec<Stir>,
    /// Groups whose members stand elsewhere, perhaps all of them.
    moved_groups: BTreeSet<usize>,
    /// Addresses that somebody removed in this turn.
    losses: Vec<Loss>,
    /// To be derived at the end of the turn.
    touched: BTreeSet<RouterId>,
    next_id: u32,
    epoch: u64,
    /// A configuration came.
    pub(crate) configured: bool,
    /// No instance runs before then (`vrrp_startup_delay`, `vrrp_delay_after_boot`); set with the first configuration.
    ready_at: Option<Instant>,
    pub(crate) stopping: Option<Order>,
    /// Removals under way for instances that are gone.
    departing: Departing,
    pub(crate) filter: closed::Watch,
    pub(crate) strays: Strays,
    /// What an earlier daemon left, until the first configuration.
    pub(crate) estates: BTreeMap<Identity, Estate>,
    /// Routers to be noted again for a successor.
    pub(crate) unnoted: Vec<RouterId>,
    scratch: Vec<Decision>,
    /// What time it is for signed adverts.
    dial: Dial,
    /// Another number after anything by which an advert might be judged otherwise than the one before it.
    era: u64,
    pub(crate) herald: Herald,
}

/// Pairs in order: of all look-ups this has the most entries.
#[derive(Debug, Default)]
struct ByAddress(Vec<(IpAddr, RouterId)>);

impl ByAddress {
    fn replace(&mut self, pairs: impl Iterator<Item = (IpAddr, RouterId)>) {
        self.0.clear();
        self.0.extend(pairs);
        self.0.sort_unstable();
        self.0.dedup();
        self.0.shrink_to_fit();
    }

    /// The instances that have an address, by their numbers.
    fn ids(&self, address: IpAddr) -> impl Iterator<Item = &RouterId> + use<'_> {
        let from = self.0.partition_point(|pair| pair.0 < address);
        self.0.iter().skip(from).take_while(move |pair| pair.0 == address).map(|(_, id)| id)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.ids(address).next().is_some()
    }
}

/// Adverts that no instance here is meant by.
#[derive(Clone, Debug, Default)]
pub struct Strays {
    /// By [`Discard::index`].
    pub discards: [u64; Discard::ALL.len()],
    told: BTreeMap<(InterfaceIndex, Option<Vrid>, Discard), Quiet>,
}

/// Not a router: what belongs to nobody is removed under this name.
const NOBODY: RouterId = RouterId(u32::MAX);
/// Of so many broken neighbours a minute is told; of more only the number is known.
const STRAYS: usize = 16;
/// A turn that is this late may have missed adverts.
const LATE: Duration = Duration::from_millis(2);

impl Machine for Node {
    type Input<'a> = Input<'a>;
    type Effect = Effect;

    fn handle(&mut self, now: Instant, input: Input<'_>, effects: &mut Vec<Effect>) {
        if self.stopping == Some(Order::Abandon) {
            return;
        }
        if !matches!(input, Input::Frame(_) | Input::Elapsed) {
            self.era += 1;
        }
        match input {
            Input::Fact(fact) => return self.learn(now, fact, effects),
            Input::Frame(_) | Input::Outcome(_) | Input::Unsent { .. } | Input::Configure(_) => {}
            Input::Begun(id) => return self.trackers.begun(now, id),
            Input::Ended(ended) if is_ours(ended.id) => return self.herald.post.ended(now, ended, effects),
            Input::Ended(ended) => return self.trackers.ended(now, ended, effects),
            Input::Inherit(estates) => return self.inherit(estates),
            Input::Mailed(mailed) => return self.herald.outbox.mailed(now, mailed, effects),
            Input::CountAnew => {
                return self.slots.values_mut().for_each(|slot| slot.counters = Counters::default());
            }
            Input::Order(_) | Input::Elapsed => {}
        }
        self.judge_dirty(now, effects);
        match input {
            Input::Fact(_) | Input::Begun(_) | Input::Ended(_) => {}
            Input::Inherit(_) | Input::Mailed(_) | Input::CountAnew => {}
            Input::Frame(frame) => self.hear(now, &frame, effects),
            Input::Outcome(outcome) => self.settle(now, &outcome, effects),
            Input::Unsent { router, errno } => self.note_unsent(now, router, errno, effects),
            Input::Configure(host) => self.configure(now, *host, effects),
            Input::Order(order) => self.obey(now, order, effects),
            Input::Elapsed => {
                self.trackers.fire(now, effects);
                self.judge_dirty(now, effects);
                self.fire(now, effects);
                self.judge_dirty(now, effects);
                self.mourn(now, effects);
                self.note_squatters(now, effects);
                self.tell_groups(now, effects);
                self.derive(now, effects);
                return self.tell_news(now, effects);
            }
        }
        self.follow(now, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        if self.stopping == Some(Order::Abandon) {
            return None;
        }
        let told = [self.herald.post.deadline(), self.herald.outbox.deadline()];
        let own = [self.schedule.next(), self.ready_at, self.trackers.deadline(), self.fixtures.retry_at()];
        own.into_iter().chain(told).flatten().min()
    }
}

impl Node {
    /// A node that knows nothing and wants nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The configuration in force, put together anew.
    #[must_use]
    pub fn host(&self) -> Host {
        Host { instances: self.instances().cloned().collect(), ..self.host.clone() }
    }

    /// Its instances, as they are configured.
    pub fn instances(&self) -> impl Iterator<Item = &model::Instance> {
        self.order.iter().filter_map(|id| self.slots.get(id)).map(|slot| &slot.instance)
    }

    /// What is in force beside the instances: a host that has none.
    #[must_use]
    pub const fn frame(&self) -> &Host {
        &self.host
    }

    /// Whether nothing of ours is held or under way any more, and who is to be told has been: after [`Order::Stop`],
    /// the daemon may end. After
    /// [`Order::Abandon`] there is nothing to wait for.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.stopping == Some(Order::Abandon) || self.holds_nothing() && self.herald.is_done()
    }

    /// Whether nothing of ours is held or under way any more.
    fn holds_nothing(&self) -> bool {
        let fixed = self.fixtures.spots.iter().all(Spot::is_at_rest);
        let moving = || self.slots.values().all(|slot| slot.spots.iter().all(Spot::is_at_rest));
        self.departing.is_empty() && fixed && moving()
    }

    /// The interface that has this address: what is link-local is everywhere else too.
    #[must_use]
    pub fn interface_of(&self, address: IpAddr) -> Option<InterfaceIndex> {
        self.facts.interface_of(address)
    }

    /// When the router that is looked at next takes over, if it is a Backup and hears nothing meanwhile. Whoever carries
    /// that out can be ready by then.
    #[must_use]
    pub fn takeover_at(&self) -> Option<Instant> {
        let (at, id) = self.schedule.peek()?;
        let router = &self.slots.get(&id)?.router;
        Some(at).filter(|at| router.role() == Role::Backup && router.deadline() == Some(*at))
    }

    /// It is quiet: gives back memory that only a crowd of events has needed. Changes nothing that can be seen.
    pub fn rest(&mut self) {
        self.schedule.rest();
        self.facts.rest();
    }

    /// How many virtual addresses there are: no takeover sets more.
    #[must_use]
    pub const fn addresses(&self) -> usize {
        self.by_address.0.len()
    }

    /// The virtual routers that listen for adverts: interface (if it exists), VRID, family, multicast group.
    pub fn listeners(&self) -> impl Iterator<Item = Listener> + '_ {
        self.slots.values().map(|slot| {
            let instance = &slot.instance;
            let multicast = matches!(instance.transport, Transport::Multicast { .. });
            let device = instance.home.device().and_then(|name| self.facts.link_named(name));
            Listener {
                interface: device.map(|link| link.index).filter(|_| !instance.home.is_routed()),
                vrf: self.facts.vrf_of_home(&instance.home),
                vrid: instance.settings.vrid,
                family: instance.settings.family,
                group: multicast.then(|| egress::group(&self.host, instance)),
                sealed: matches!(instance.authentication, model::Authentication::Header(_)),
            }
        })
    }

    // ---- adverts in ----

    fn hear(&mut self, now: Instant, frame: &Frame<'_>, effects: &mut Vec<Effect>) {
        if self.hears_again(now, frame) {
            return;
        }
        let ingress = match frame.datagram {
            Datagram::V4(bytes) => match Ingress::v4(bytes) {
                Ok(ingress) => ingress,
                Err(why) => return self.stray(now, frame.interface, None, None, why, effects),
            },
            Datagram::V6 { source, destination, hop_limit, payload } => {
                Ingress::v6(source, destination, hop_limit, payload)
            }
        };
        let unicast = !ingress.destination.is_multicast();
        let way = Way { door: Door::Interface(frame.interface), family: ingress.family(), unicast };
        let vrf = || self.facts.vrf_of(frame.interface);
        let id = ingress.vrid().and_then(|vrid| self.by_wire.find(way, vrid, vrf));
        let Some(slot) = id.and_then(|id| self.slots.get_mut(&id)) else {
            let why = vrrp::admit_stray(&ingress);
            return self.stray(now, frame.interface, ingress.vrid(), Some(ingress.source), why, effects);
        };
        let at = frame.at.min(now);
        let verdict = {
            let clocks = self.dial.clocks(&slot.authentication, at);
            believe(&self.host, slot, at, clocks, &ingress)
        };
        let is_ours = slot.verdict.place.is_some_and(|place| place.source == ingress.source);
        let is_doubtful = match &verdict {
            Ok(admitted) => admitted.remarks.confirms_wall_clock,
            Err(Discard::Stale) => !is_ours && slot.seen.is_news(&ingress),
            Err(_) => false,
        };
        if is_doubtful {
            self.follow_clock(ingress.source, effects);
        }
        let Some(slot) = id.and_then(|id| self.slots.get_mut(&id)) else { return };
        match verdict {
            Ok(admitted) => {
                let id = slot.id;
                slot.believe_in(at);
                note_admitted(now, slot, &admitted, &ingress, effects);
                self.drive(now, id, vrrp::Input::Advertisement(admitted.advertisement), effects);
                if let Some(slot) = self.slots.get_mut(&id)
                    && let Some(patience) = slot.router.patience(&admitted.advertisement)
                {
                    let way = (slot.router.settings().version, &slot.authentication);
                    slot.echo = Echo::of(frame, way, &admitted, self.era, patience);
                }
            }
            Err(why) => {
                slot.note_discard(ingress.source, why);
                if let Some(suppressed) = slot.tell(Cause::Discard(why), now) {
                    let instance = Some(slot.instance.name.clone());
                    let interface = match slot.instance.home.interface() {
                        Some(name) => name.clone(),
                        None => self.facts.name_of(frame.interface),
                    };
                    let vrid = Some(slot.instance.settings.vrid);
                    let (source, contrast) = (ingress.source, contrast(slot, &ingress, why));
                    effects.push(report(Event::Discarded {
                        instance,
                        interface,
                        vrid,
                        source,
                        why,
                        contrast,
                        suppressed,
                    }));
                }
            }
        }
    }

    /// Nearly all adverts that a Backup hears say what the one before has said.
    fn hears_again(&mut self, now: Instant, frame: &Frame<'_>) -> bool {
        let Some((family, unicast, vrid)) = frame.datagram.addressee() else { return false };
        let way = Way { door: Door::Interface(frame.interface), family, unicast };
        let id = self.by_wire.find(way, vrid, || self.facts.vrf_of(frame.interface));
        let slot = id.and_then(|id| self.slots.get_mut(&id));
        slot.is_some_and(|slot| slot.hears_again(now, frame, self.era))
    }

    fn stray(
        &mut self,
        now: Instant,
        interface: InterfaceIndex,
        vrid: Option<Vrid>,
        source: Option<IpAddr>,
        why: Discard,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(counter) = self.strays.discards.get_mut(why.index()) {
            *counter += 1;
        }
        // Other clusters on the same network are ordinary neighbours; their VRID alone is nothing to tell.
        if why == Discard::Vrid && !self.host.daemon.logs_unknown {
            return;
        }
        // Bounded: a flood of made-up VRIDs is counted, not remembered.
        let key = (interface, vrid, why);
        let told = &mut self.strays.told;
        if told.len() >= STRAYS && !told.contains_key(&key) {
            told.retain(|_, quiet| quiet.is_recent(now));
            if told.len() >= STRAYS {
                return;
            }
        }
        let Some(suppressed) = told.entry(key).or_default().tell(now, 1) else { return };
        let interface = self.facts.name_of(interface);
        let source = source.unwrap_or(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED));
        let (instance, contrast) = (None, None);
        let event = Event::Discarded { instance, interface, vrid, source, why, contrast, suppressed };
        effects.push(report(event));
    }

    // ---- time ----

    fn fire(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.ready_at.is_some_and(|at| now >= at) {
            self.ready_at = None;
            self.dirty.extend(self.slots.ids());
        }
        if self.fixtures.is_due(now) {
            self.touched.insert(FIXTURES);
        }
        loop {
            let ahead = self.schedule.untouched(now).iter().filter_map(|id| self.slots.get(id));
            core::hint::black_box(ahead.map(Slot::glance).sum::<usize>());
            let Some((at, id)) = self.schedule.pop_due(now) else { break };
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            if slot.queued != Some(at) {
                continue;
            }
            slot.queued = None;
            let (again, retry) = slot.take_aside(now);
            if again {
                self.dirty.insert(id);
            }
            if retry {
                self.touched.insert(id);
            }
            if slot.router.deadline().is_some_and(|deadline| deadline <= now) {
                let input = self.elapsed_or_deaf(now, id);
                self.drive(now, id, input, effects);
                self.follow(now, effects);
            }
            if let Some(slot) = self.slots.get_mut(&id) {
                // Never at or before now: what is due now was done, and a deadline that stays must not spin.
                self.schedule.arm(slot, now + Duration::from_nanos(1));
            }
        }
        self.refresh_schedule(now);
    }

    /// Nobody shall wake up for a deadline that has moved since: the first entry of the schedule is made a true one.
    fn refresh_schedule(&mut self, now: Instant) {
        while let Some((at, id)) = self.schedule.peek() {
            let slot = self.slots.get_mut(&id).filter(|slot| slot.queued == Some(at));
            let Some(slot) = slot else {
                self.schedule.drop_first();
                continue;
            };
            if at <= now || slot.deadline().is_some_and(|deadline| deadline <= at) {
                return;
            }
            slot.queued = None;
            self.schedule.drop_first();
            self.schedule.arm_again(slot, at);
        }
    }

    /// TM-10: a timer that fires much too late means that this process, or the machine, stood still; adverts
    /// may have been lost meanwhile. Excuse the silence, once.
    fn elapsed_or_deaf(&mut self, now: Instant, id: RouterId) -> vrrp::Input {
        let Some(slot) = self.slots.get_mut(&id) else { return vrrp::Input::Elapsed };
        let late = slot.router.deadline().map_or(Duration::ZERO, |due| now.since(due));
        let limit = LATE.max(slot.router.active_interval().duration() / 2);
        if slot.router.role() == Role::Backup && late > limit && !slot.excused {
            slot.excused = true;
            return vrrp::Input::Deaf;
        }
        let is_ready = slot.router.role() == Role::Backup && slot.group.is_some();
        if is_ready && !self.may_lead(now, id) {
            return vrrp::Input::StandBack;
        }
        vrrp::Input::Elapsed
    }

    // ---- routers ----

    /// Gives one router an input and carries its effects on.
    fn drive(&mut self, now: Instant, id: RouterId, input: vrrp::Input, effects: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        self.scratch.clear();
        // Only a Backup has one: whatever happens to it, also that it is one no more, ends that.
        if slot.router.role() == Role::Backup {
            slot.echo.forget();
        }
        slot.router.handle(now, input, &mut self.scratch);
        let advertised = self.scratch.iter().any(|effect| matches!(effect, Decision::Advertise(_)));
        let mut copies = 0;
        for effect in self.scratch.drain(..) {
            match effect {
                Decision::Advertise(priority) => {
                    let before = effects.len();
                    let clock = self.dial.clocks(&slot.authentication, now).kept;
                    advertise(&self.host, slot, priority, clock, effects);
                    copies += effects.len() - before;
                }
                Decision::Announce { rounds } => {
                    slot.rounds = slot.rounds.max(rounds);
                    self.touched.insert(id);
                }
                Decision::Transition(transition) => {
                    self.touched.insert(id);
                    moved(now, slot, transition, effects);
                    self.herald.stands(slot);
                    if let Some(group) = slot.group {
                        self.stirred.push(Stir::new(id, group, transition));
                        self.moved_groups.insert(group);
                    }
                }
                Decision::Notice(notice) => {
                    // Somebody else is Active: no virtual address is to be here.
                    if matches!(notice, Notice::NewLeader(_)) {
                        self.touched.insert(id);
                    }
                    if matches!(notice, Notice::Rival(_)) {
                        self.herald.owe_instance(slot, News::LowerAdvert, slot.verdict.priority);
                    }
                    tell_notice(now, slot, notice, effects);
                }
            }
        }
        if slot.must_note(now, advertised, copies) {
            self.unnoted.push(id);
        }
        self.schedule.arm(slot, Instant::EPOCH);
    }

    fn note_unsent(&mut self, now: Instant, id: RouterId, errno: Errno, effects: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.counters.incidents.unsent += 1;
        slot.counters.sent = slot.counters.sent.saturating_sub(1);
        if slot.unsay() {
            self.unnoted.push(id);
        }
        if let Some(suppressed) = slot.tell(Cause::Unsent, now) {
            let instance = slot.instance.name.clone();
            effects.push(report(Event::Unsent { instance, errno, suppressed }));
        }
    }

    /// An instance ends in order.
    fn shut(&mut self, now: Instant, id: RouterId, effects: &mut Vec<Effect>) {
        self.drive(now, id, vrrp::Input::Shutdown(Manner::Stop), effects);
        // One that could not take part is not waiting for better times any more.
        if let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.standing == Standing::Fault) {
            slot.standing = Standing::Initialize;
            slot.since = now;
            self.moved_groups.extend(slot.group);
            let (instance, faults) = (slot.instance.name.clone(), Vec::new());
            let (from, to, why) = (Standing::Fault, Standing::Initialize, vrrp::Why::Stopped);
            let disbelieved = None;
            effects.push(report(Event::Moved { instance, from, to, why, faults, disbelieved }));
        }
    }

    fn obey(&mut self, now: Instant, order: Order, effects: &mut Vec<Effect>) {
        self.stopping = Some(order);
        if order == Order::Abandon {
            return;
        }
        self.trackers.stop(effects);
        let ids: Vec<RouterId> = self.slots.ids().collect();
        for id in ids {
            self.shut(now, id, effects);
            self.touched.insert(id);
        }
        self.touched.insert(FIXTURES);
    }
}

/// One virtual router that wants to hear adverts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its interface, if it exists; it may have none.
    pub interface: Option<InterfaceIndex>,
    /// The VRF device through which its adverts come, if there is one.
    pub vrf: Option<InterfaceIndex>,
    /// Its VRID.
    pub vrid: Vrid,
    /// Its family.
    pub family: Family,
    /// Its group; `None` for unicast.
    pub group: Option<IpAddr>,
    /// Its adverts come inside an Authentication Header.
    pub sealed: bool,
}

const fn report(event: Event) -> Effect {
    Effect::Report(event)
}

/// The receive checks for one instance.
fn believe(
    host: &Host,
    slot: &mut Slot,
    at: Instant,
    clocks: Clocks,
    ingress: &Ingress<'_>,
) -> Result<Admitted, Discard> {
    let (settings, instance) = (slot.router.settings(), &slot.instance);
    let expected = match slot.creed.aim {
        Aim::Group => Expected::Group(egress::default_group(host, settings.family)),
        Aim::OwnGroup(group) => Expected::Group(group),
        Aim::Peers => {
            let peers = match &instance.transport {
                Transport::Multicast { .. } => &[][..],
                Transport::Unicast { peers, .. } => peers,
            };
            let bounded = peers.iter().any(|peer| peer.min_ttl.is_some() || peer.max_ttl.is_some());
            Expected::Unicast { peers, only_peers: instance.check_unicast_source || bounded }
        }
    };
    let nowhere = IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED);
    let policy = Policy {
        version: settings.version,
        interval: settings.interval,
        authentication: &slot.authentication,
        clocks,
        owner_ignores: settings.owner_ignores_adverts && slot.router.priority().is_owner(),
        expected,
        own: slot.verdict.place.map_or(nowhere, |place| place.source),
        addresses: &slot.listed,
        strict: slot.creed.strict,
        trusted: slot.router.leader().filter(|_| slot.creed.trusts_leader).map(|leader| leader.source),
    };
    admit(&mut slot.seen, &policy, at, ingress)
}

/// What it says and what we say, where that is the reason.
fn contrast(slot: &Slot, ingress: &Ingress<'_>, why: Discard) -> Option<Contrast> {
    let (heard, settings) = (ingress.heard()?, &slot.instance.settings);
    if why == Discard::Version {
        return Some(Contrast::Version { theirs: heard.version, ours: settings.version });
    }
    if why == Discard::Interval {
        return Some(Contrast::Interval { theirs: heard.interval, ours: settings.interval });
    }
    let ours = match slot.authentication {
        vrrp::Authentication::None | vrrp::Authentication::Keyed(_) => 0,
        vrrp::Authentication::Password(_) => 1,
        vrrp::Authentication::Header(_) => 2,
    };
    (why == Discard::AuthenticationType).then_some(Contrast::Authentication { theirs: heard.auth_type, ours })
}

fn note_admitted(
    now: Instant,
    slot: &mut Slot,
    admitted: &Admitted,
    ingress: &Ingress<'_>,
    effects: &mut Vec<Effect>,
) {
    let (advertisement, remarks) = (&admitted.advertisement, &admitted.remarks);
    if advertisement.priority == Priority::LEAVING {
        slot.counters.incidents.priority_zero_received += 1;
    }
    let version_3 = slot.router.settings().version == wire::Version::V3;
    if version_3 && remarks.sum == vrrp::SumForm::Message {
        slot.counters.incidents.message_sums += 1;
    }
    let source = advertisement.source;
    if remarks.address_list_differs {
        slot.counters.incidents.address_list_differs += 1;
        if slot.tell(Cause::AddressList, now).is_some() {
            let instance = slot.instance.name.clone();
            let (mut theirs, mut ours) = (ingress.addresses(), slot.listed.clone());
            ours.retain(|address| !theirs.contains(address));
            theirs.retain(|address| slot.listed.binary_search(address).is_err());
            effects.push(report(Event::AddressListDiffers { instance, source, theirs, ours }));
        }
    }
    if remarks.interval_differs {
        slot.counters.incidents.interval_differs += 1;
        if slot.tell(Cause::Interval, now).is_some() {
            let instance = slot.instance.name.clone();
            let (theirs, ours) = (advertisement.interval, slot.router.settings().interval);
            effects.push(report(Event::IntervalDiffers { instance, source, theirs, ours }));
        }
    }
}

/// TX-1 to TX-8: one advert to each destination.
fn advertise(host: &Host, slot: &mut Slot, priority: Priority, clock: Stamp, effects: &mut Vec<Effect>) {
    let Some(place) = slot.verdict.place else { return };
    let hop_limit = slot.creed.hop_limit;
    let heard = match slot.authentication {
        vrrp::Authentication::None | vrrp::Authentication::Password(_) => None,
        vrrp::Authentication::Header(_) | vrrp::Authentication::Keyed(_) => {
            Some(Heard { greatest: slot.seen.greatest(), clock })
        }
    };
    for advert in slot.egress.adverts(host, &slot.instance, place, priority, heard) {
        slot.counters.sent += 1;
        if priority == Priority::LEAVING {
            slot.counters.incidents.priority_zero_sent += 1;
        }
        effects.push(Effect::Send(Transmit {
            router: slot.id,
            interface: place.interface,
            vrf: place.vrf,
            source: place.source,
            destination: advert.destination,
            hop_limit,
            datagram: advert.datagram.clone(),
        }));
    }
}

fn moved(now: Instant, slot: &mut Slot, transition: Transition, effects: &mut Vec<Effect>) {
    let from = slot.standing;
    slot.standing = match transition.to {
        Role::Initialize if slot.verdict.faults.is_empty() => Standing::Initialize,
        Role::Initialize => Standing::Fault,
        Role::Backup => Standing::Backup,
        Role::Active => Standing::Active,
    };
    let anew = transition.why != vrrp::Why::Resumed;
    slot.counters.became_active += u64::from(transition.to == Role::Active && anew);
    slot.counters.released_active += u64::from(transition.from == Role::Active);
    slot.since = now;
    slot.quiet = Rare::default();
    slot.holding = false;
    slot.excused = false;
    slot.rival = None;
    let silence = matches!(transition.why, vrrp::Why::NoResponse);
    let disbelieved = slot.disbelieved.take().filter(|heard| silence && heard.adverts > 0);
    let disbelieved = disbelieved.map(|disbelieved| *disbelieved);
    let faults = slot.faults().to_vec();
    let (instance, to, why) = (slot.instance.name.clone(), slot.standing, transition.why);
    effects.push(report(Event::Moved { instance, from, to, why, faults, disbelieved }));
}

fn tell_notice(now: Instant, slot: &mut Slot, notice: Notice, effects: &mut Vec<Effect>) {
    let instance = slot.instance.name.clone();
    let event = match notice {
        Notice::NewLeader(leader) => {
            if slot.tell(Cause::NewLeader, now).is_none() {
                return;
            }
            Event::NewLeader { instance, leader }
        }
        Notice::Rival(rival) => {
            slot.counters.incidents.rivals += 1;
            let stays = slot.note_rival(rival.source, slot.heard_at);
            let cause = if stays { Cause::RivalStays } else { Cause::Rival };
            let Some(suppressed) = slot.tell(cause, now) else { return };
            Event::Rival { instance, rival, stays, suppressed }
        }
        Notice::SecondOwner(source) => {
            if slot.tell(Cause::SecondOwner, now).is_none() {
                return;
            }
            Event::SecondOwner { instance, source }
        }
        Notice::PreemptHold(wait) => {
            if slot.tell(Cause::PreemptHold, now).is_none() {
                return;
            }
            Event::PreemptHold { instance, wait }
        }
        Notice::SilenceExcused => Event::SilenceExcused { instance },
        Notice::StoodStill(time) => Event::StoodStill { instance, time },
    };
    effects.push(report(event));
}
