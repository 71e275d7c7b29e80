//! One instance at run time: its configuration, its router, what it holds, what it counted.

use crate::echo::Echo;
use crate::egress::{self, Egress};
use crate::estate::{Outline, Unnoted};
use crate::event::{Disbelieved, Fault, Standing};
use crate::held::{Held, Spot};
use crate::io::{self, Errno, Frame, RouterId};
use crate::verdict::{Bequest, Place, Share, Verdict};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Authentication, Blank, Instance, Rare, Transport};
use timeline::{Duration, Instant, Machine};
use vrrp::{Discard, Legacy, Role, Router, Seen};
use wire::Priority;
use wire::ah;
use wire::message::Auth;

/// In the order of its fields (`repr(C)`): what each advert touches, sent or heard, comes first and lies together. A thousand
/// routers do not fit into a processor's cache, and a slot is rarely in it when its turn comes.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slot {
    /// What it hears again and again.
    pub(crate) echo: Echo,
    pub(crate) id: RouterId,
    /// What is to be noted of it.
    pub(crate) unnoted: Unnoted,
    /// It is noted for a successor how it stands.
    pub(crate) noted: bool,
    /// Silence was excused since the last advert; not twice.
    pub(crate) excused: bool,
    /// When the last believed advert arrived.
    pub(crate) heard_at: Instant,
    /// Its live entry in the schedule.
    pub(crate) queued: Option<Instant>,
    /// Adverts that were not believed since the last one that was, or since the role changed.
    pub(crate) disbelieved: Option<Box<Disbelieved>>,
    pub(crate) counters: Counters,
    pub(crate) router: Router,
    // From here on: what an advert asks for that is sent, or that is not the same as the one before it.
    pub(crate) creed: Creed,
    pub(crate) authentication: vrrp::Authentication,
    /// As it was noted last for a successor.
    pub(crate) outline: Outline,
    /// When to look at it for another reason than its router's timers; recomputed by [`Slot::note_aside`].
    pub(crate) aside_at: Option<Instant>,
    pub(crate) verdict: Verdict,
    /// Its group.
    pub(crate) group: Option<usize>,
    /// When it last sent an advert.
    pub(crate) advertised_at: Instant,
    /// When it did so before, and how many copies of the last advert nobody has refused: without any it was not sent.
    pub(crate) advertised_before: Instant,
    pub(crate) copies: usize,
    pub(crate) egress: Egress,
    /// The listed addresses, sorted, for comparing with those of an advert.
    pub(crate) listed: Vec<IpAddr>,
    // From here on: what changes of role, of the configuration and of the facts are about.
    pub(crate) instance: Instance,
    /// What it says of itself, without its group.
    pub(crate) own: Share,
    /// Where it would speak.
    pub(crate) place: Option<Place>,
    pub(crate) standing: Standing,
    pub(crate) since: Instant,
    pub(crate) spots: Vec<Spot>,
    pub(crate) seen: Seen,
    /// Where a router before it left off; of use once, when it starts with the first configuration.
    pub(crate) legacy: Option<Box<Legacy>>,
    /// The priority of the router before it: in force until everything that is tracked has been heard of.
    pub(crate) bequest: Option<Box<Bequest>>,
    /// Rounds of announcements owed once the addresses are in place.
    pub(crate) rounds: u32,
    /// All addresses in place was reported for this activation.
    pub(crate) holding: bool,
    /// The hand was asked to set or announce something since it was last told to stop.
    pub(crate) asked: bool,
    /// Where the hand was last told that its addresses do not accept.
    pub(crate) closed: Arc<[io::Place]>,
    pub(crate) refusal: Refusal,
    /// When to look at its addresses again though nothing happens; recomputed by [`Slot::note_aside`].
    pub(crate) retry_at: Option<Instant>,
    pub(crate) quiet: Rare<BTreeMap<Cause, Quiet>>,
    /// Who advertises with less while we are Active.
    pub(crate) rival: Option<Box<Rival>>,
    /// The priority that was told last.
    pub(crate) told_priority: Priority,
    /// Virtual addresses that somebody else set while we are Backup, already told.
    pub(crate) squatters: Rare<BTreeSet<IpAddr>>,
}

/// What each advert asks of the configuration, beside the settings of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Creed {
    pub(crate) aim: Aim,
    /// TTL or hop limit of sent adverts.
    pub(crate) hop_limit: u8,
    pub(crate) strict: bool,
    /// The address list of the known leader is not looked at.
    pub(crate) trusts_leader: bool,
}

/// Where adverts go and come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// The host's group.
    Group,
    /// A group of its own.
    OwnGroup(IpAddr),
    Peers,
}

impl Creed {
    fn of(instance: &Instance) -> Self {
        Self {
            aim: match &instance.transport {
                Transport::Multicast { group: None, .. } => Aim::Group,
                Transport::Multicast { group: Some(group), .. } => Aim::OwnGroup(*group),
                Transport::Unicast { .. } => Aim::Peers,
            },
            hop_limit: egress::hop_limit(instance),
            strict: instance.strict,
            trusts_leader: instance.skip_check_known_leader,
        }
    }
}

/// A router that advertises with less than we do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rival {
    source: IpAddr,
    first: Instant,
    last: Instant,
}

impl Slot {
    /// An advert with less than ours arrived at `at`. Whether its sender has had the time to hear us.
    pub(crate) fn note_rival(&mut self, source: IpAddr, at: Instant) -> bool {
        let settings = self.router.settings();
        // We answer at once, unless told not to: then our next regular advert must reach it.
        let answered = if settings.lower_priority_no_advert { 3 } else { 1 };
        let grace = settings.interval.duration() * answered / 2;
        let recent = self.router.down_interval();
        let first = Rival { source, first: at, last: at };
        let rival = self.rival.get_or_insert_with(|| Box::new(first));
        if rival.source == source && at.since(rival.last) <= recent {
            rival.last = at;
        } else {
            **rival = first;
        }
        at.since(rival.first) > grace
    }
}

/// What an instance counted since it was configured. All only grow. What each advert counts lies together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// Adverts believed.
    pub received: u64,
    /// Adverts handed to the kernel, one for each destination.
    pub sent: u64,
    /// Times it became Active.
    pub became_active: u64,
    /// Times it was Active no longer.
    pub released_active: u64,
    /// What most routers never meet.
    pub incidents: Rare<Incidents>,
    /// Adverts not believed.
    pub discards: Discards,
}

/// What most routers never meet, and need no place for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incidents {
    /// Believed adverts with priority 0.
    pub priority_zero_received: u64,
    /// Adverts with priority 0 that were handed to the kernel.
    pub priority_zero_sent: u64,
    /// Adverts that the kernel did not take.
    pub unsent: u64,
    /// Believed adverts with another address list (RX-14).
    pub address_list_differs: u64,
    /// Believed adverts with another interval (RX-15).
    pub interval_differs: u64,
    /// Believed version 3 adverts whose checksum covered the message alone (CK-5).
    pub message_sums: u64,
    /// Losing adverts heard while Active (SBD-1).
    pub rivals: u64,
    /// Addresses that somebody else removed while Active.
    pub lost_addresses: u64,
}

impl Blank for Incidents {
    const BLANK: &'static Self = &Self {
        priority_zero_received: 0,
        priority_zero_sent: 0,
        unsent: 0,
        address_list_differs: 0,
        interval_differs: 0,
        message_sums: 0,
        rivals: 0,
        lost_addresses: 0,
    };
}

impl Counters {
    /// Adverts not believed for this reason.
    #[must_use]
    pub fn discarded(&self, why: Discard) -> u64 {
        self.discards.counts().get(why.index()).copied().unwrap_or(0)
    }
}

/// Adverts not believed. Most routers never meet one, and need no place for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discards(Option<Box<[u64; Discard::ALL.len()]>>);

impl Discards {
    /// By [`Discard::index`]; empty before the first.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        self.0.as_deref().map_or(&[], <[u64; _]>::as_slice)
    }

    fn count(&mut self, why: Discard) {
        let counts = self.0.get_or_insert_with(|| Box::new([0; _]));
        if let Some(counter) = counts.get_mut(why.index()) {
            *counter += 1;
        }
    }
}

/// Something that may happen with every packet and is therefore told rarely (RX-21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    Discard(Discard),
    Rival,
    RivalStays,
    AddressList,
    Interval,
    Unsent,
    SecondOwner,
    NewLeader,
    PreemptHold,
}

impl Cause {
    /// How many are told at once. Leaders may change a few times for a good reason; two that both think they
    /// are Active change places with every advert.
    const fn burst(self) -> u32 {
        match self {
            Self::NewLeader => 5,
            Self::Discard(_)
            | Self::Rival
            | Self::RivalStays
            | Self::PreemptHold
            | Self::AddressList
            | Self::Interval
            | Self::Unsent
            | Self::SecondOwner => 1,
        }
    }
}

/// Tells the first few, then no more for a minute, and then also the number of those not told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Quiet {
    since: Option<Instant>,
    told: u32,
    suppressed: u32,
}

impl Quiet {
    const PERIOD: Duration = Duration::from_secs(60);

    /// `Some(number suppressed since the last one told)` if this one shall be told.
    pub(crate) fn tell(&mut self, now: Instant, burst: u32) -> Option<u32> {
        if !self.is_recent(now) {
            (self.since, self.told) = (Some(now), 0);
        }
        if self.told >= burst {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.told += 1;
        Some(core::mem::take(&mut self.suppressed))
    }

    /// Whether it has anything to remember.
    pub(crate) fn is_recent(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.since(since) < Self::PERIOD)
    }
}

/// The addresses cannot be held: the kernel refused every one, or somebody keeps removing one. When to try again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) until: Option<Box<(Instant, Fault)>>,
    strikes: u32,
}

impl Refusal {
    /// 5 s, 10 s, 20 s … at most 5 minutes: each try costs a healthy peer a moment of silence.
    pub(crate) fn note(&mut self, now: Instant, fault: Fault) -> Duration {
        let wait = Duration::from_secs((5_u64 << self.strikes.min(6)).min(300));
        self.strikes += 1;
        self.until = Some(Box::new((now + wait, fault)));
        wait
    }

    pub(crate) fn forgive(&mut self) {
        *self = Self::default();
    }
}

/// How long until an address that was refused alone is tried again.
pub(crate) const RETRY_ONE: Duration = Duration::from_secs(10);

impl Slot {
    pub(crate) fn new(id: RouterId, instance: Instance, now: Instant) -> Self {
        let (router, creed) = (Router::new(instance.settings.clone()), Creed::of(&instance));
        let verdict = Verdict::of(&instance, &Share::default(), None, None);
        let mut slot = Self {
            echo: Echo::NONE,
            id,
            unnoted: Unnoted::Nothing,
            noted: false,
            excused: false,
            heard_at: now,
            queued: None,
            disbelieved: None,
            counters: Counters::default(),
            router,
            creed,
            authentication: vrrp::Authentication::None,
            outline: (Role::Initialize, instance.settings.interval, None, instance.settings.priority),
            aside_at: None,
            verdict,
            group: None,
            advertised_at: Instant::EPOCH,
            advertised_before: Instant::EPOCH,
            copies: 0,
            egress: Egress::default(),
            listed: Vec::new(),
            own: Share::default(),
            place: None,
            standing: Standing::Initialize,
            since: now,
            spots: Vec::new(),
            seen: Seen::default(),
            legacy: None,
            bequest: None,
            rounds: 0,
            holding: false,
            asked: false,
            closed: Arc::default(),
            refusal: Refusal::default(),
            retry_at: None,
            quiet: Rare::default(),
            rival: None,
            told_priority: instance.settings.priority,
            squatters: Rare::default(),
            instance,
        };
        slot.adopt_configuration();
        slot
    }

    /// Takes another configuration that changes nothing about adverts but what is believed of them.
    pub(crate) fn adopt_instance(&mut self, instance: Instance) {
        self.creed = Creed::of(&instance);
        self.instance = instance;
    }

    /// Recomputes what follows from the configuration. Returns the spots that it no longer wants.
    pub(crate) fn adopt_configuration(&mut self) -> Vec<Spot> {
        let instance = &self.instance;
        self.listed = instance.addresses.iter().map(|a| a.address).collect();
        self.listed.sort_unstable();
        self.authentication = match &instance.authentication {
            Authentication::None => vrrp::Authentication::None,
            Authentication::Password(secret) => vrrp::Authentication::Password(Auth::Pass(secret.reveal())),
            Authentication::Header(secret) => vrrp::Authentication::Header(ah::Key::new(secret.reveal())),
            Authentication::Keyed(ring) => vrrp::Authentication::Keyed(ring.clone()),
        };
        if let (Authentication::Keyed(_), transport) = (&instance.authentication, &instance.transport) {
            self.seen.make_room(match transport {
                Transport::Unicast { peers, .. } => peers.len(),
                Transport::Multicast { .. } => 0,
            });
        }
        let mut before = core::mem::take(&mut self.spots);
        self.spots.reserve_exact(instance.addresses.len() + instance.excluded.len());
        for address in instance.held_addresses() {
            let Some(device) = instance.device_of(address) else { continue };
            // The same address with the same options in the same place stays as it is.
            let same = before.iter().position(|spot| spot.device == *device && spot.address == *address);
            let spot =
                same.map_or_else(|| Spot::new(device.clone(), address.clone()), |at| before.swap_remove(at));
            self.spots.push(spot);
        }
        self.egress.forget();
        before
    }

    /// Looks at the places that an advert, sent or heard, will need, and nothing else; what it returns means nothing.
    /// Who looks at many before the first is dealt with waits for memory once, and not once for each.
    pub(crate) fn glance(&self) -> usize {
        let listed = self.listed.first().is_some_and(IpAddr::is_ipv4);
        let state = self.router.role() as usize + self.copies + self.egress.glance();
        state + usize::from(self.excused) + usize::from(self.counters.received > 0) + usize::from(listed)
    }

    /// Whether this is what it has heard before and nothing has happened since: then all that it does is done.
    pub(crate) fn hears_again(&mut self, now: Instant, frame: &Frame<'_>, era: u64) -> bool {
        let at = frame.at.min(now);
        let again = self.echo.repeats(frame, era)
            && at >= self.heard_at
            && self.queued.is_some()
            && self.router.hears_again(now, at, self.echo.span);
        if again {
            self.believe_in(at);
        }
        again
    }

    /// An advert that arrived at `at` is believed.
    pub(crate) fn believe_in(&mut self, at: Instant) {
        self.excused = false;
        // Its place stays: believed and disbelieved may take turns for ever.
        if let Some(disbelieved) = &mut self.disbelieved {
            disbelieved.adverts = 0;
        }
        self.heard_at = at;
        self.counters.received += 1;
    }

    /// An advert was not believed.
    pub(crate) fn note_discard(&mut self, source: IpAddr, why: Discard) {
        self.counters.discards.count(why);
        let before = self.disbelieved.as_ref();
        let adverts = before.map_or(0, |before| before.adverts).saturating_add(1);
        let disbelieved = Disbelieved { adverts, source, why };
        // A flood of them shall not ask the allocator each time.
        match &mut self.disbelieved {
            Some(place) => **place = disbelieved,
            None => self.disbelieved = Some(Box::new(disbelieved)),
        }
    }

    /// When it wants to be looked at.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match (self.router.deadline(), self.aside_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Recomputes `retry_at` and `aside_at`: after anything was done to its addresses or its refusal, so that an advert, which
    /// asks for the deadline, need not look at each of them.
    pub(crate) fn note_aside(&mut self) {
        self.retry_at = self.spots.iter().filter_map(Spot::retry_at).min();
        self.note_aside_of(self.retry_at);
    }

    fn note_aside_of(&mut self, retry_at: Option<Instant>) {
        self.retry_at = retry_at;
        let refusal = self.refusal.until.as_ref().map(|refused| refused.0);
        let bequest = self.bequest.as_ref().map(|bequest| bequest.until);
        self.aside_at = [refusal, retry_at, bequest].into_iter().flatten().min();
    }

    /// What it waited for, beside its router's timers, has come: whether it has to be judged again, and derived.
    pub(crate) fn take_aside(&mut self, now: Instant) -> (bool, bool) {
        if self.aside_at.is_none_or(|at| at > now) {
            return (false, false);
        }
        let tries = self.refusal.until.as_ref().is_some_and(|refused| now >= refused.0);
        if tries {
            self.refusal.until = None;
        }
        let is_over = self.bequest.as_ref().is_some_and(|bequest| now >= bequest.until);
        if is_over {
            self.bequest = None;
        }
        let again = tries || is_over;
        let retry = self.retry_at.is_some_and(|at| now >= at);
        self.note_aside_of(self.retry_at.filter(|_| !retry));
        (again, retry)
    }

    /// If every address was refused: with which error.
    pub(crate) fn refused_altogether(&self) -> Option<Errno> {
        let mut last = None;
        for spot in &self.spots {
            match spot.held {
                Held::Refused { errno, .. } => last = Some(errno),
                Held::Absent
                | Held::Adding { .. }
                | Held::Present(_)
                | Held::Removing { .. }
                | Held::Lost { .. }
                | Held::Stays { .. } => return None,
            }
        }
        last
    }

    pub(crate) fn all_present(&self) -> bool {
        self.spots.iter().all(|spot| matches!(spot.held, Held::Present(_)))
    }

    /// Why it stands where it stands.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.verdict.faults
    }

    /// Whether this happening shall be told, and how many were not.
    pub(crate) fn tell(&mut self, cause: Cause, now: Instant) -> Option<u32> {
        self.quiet.entry(cause).or_default().tell(now, cause.burst())
    }
}
