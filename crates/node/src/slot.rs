//! One instance at run time: its configuration, its router, what it holds, what it counted.

use crate::egress::Egress;
use crate::estate::Outline;
use crate::event::{Disbelieved, Fault, Standing};
use crate::held::{Held, Spot};
use crate::io::{Errno, RouterId};
use crate::verdict::{Place, Share, Verdict};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{Authentication, Instance, Transport};
use timeline::{Duration, Instant, Machine};
use vrrp::{Discard, Legacy, Role, Router, Seen};
use wire::Priority;
use wire::ah;
use wire::message::Auth;

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: RouterId,
    pub(crate) instance: Instance,
    /// The listed addresses, sorted, for comparing with those of an advert.
    pub(crate) listed: Vec<IpAddr>,
    pub(crate) authentication: vrrp::Authentication,
    pub(crate) router: Router,
    pub(crate) verdict: Verdict,
    /// What it says of itself, without its group.
    pub(crate) own: Share,
    /// Where it would speak.
    pub(crate) place: Option<Place>,
    /// Its group.
    pub(crate) group: Option<usize>,
    pub(crate) standing: Standing,
    pub(crate) since: Instant,
    pub(crate) spots: Vec<Spot>,
    pub(crate) egress: Egress,
    pub(crate) seen: Seen,
    pub(crate) counters: Counters,
    /// Where a router before it left off; of use once, when it starts with the first configuration.
    pub(crate) legacy: Option<Legacy>,
    /// When it last sent an advert.
    pub(crate) advertised_at: Instant,
    /// When it did so before, and how many copies of the last advert nobody has refused: without any it was not sent.
    pub(crate) advertised_before: Instant,
    pub(crate) copies: usize,
    /// As it was noted last for a successor.
    pub(crate) outline: Outline,
    /// It is to be noted again.
    pub(crate) is_unnoted: bool,
    /// Its live entry in the schedule.
    pub(crate) queued: Option<Instant>,
    /// Silence was excused since the last advert; not twice.
    pub(crate) excused: bool,
    /// Rounds of announcements owed once the addresses are in place.
    pub(crate) rounds: u32,
    /// All addresses in place was reported for this activation.
    pub(crate) holding: bool,
    /// The hand was asked to set or announce something since it was last told to stop.
    pub(crate) asked: bool,
    pub(crate) refusal: Refusal,
    /// When to look at its addresses again though nothing happens; recomputed by [`Slot::note_retry`].
    pub(crate) retry_at: Option<Instant>,
    pub(crate) quiet: BTreeMap<Cause, Quiet>,
    /// Adverts that were not believed since the last one that was, or since the role changed.
    pub(crate) disbelieved: Option<Disbelieved>,
    /// When the last believed advert arrived.
    pub(crate) heard_at: Instant,
    /// Who advertises with less while we are Active.
    pub(crate) rival: Option<Rival>,
    /// The priority that was told last.
    pub(crate) told_priority: Priority,
    /// Virtual addresses that somebody else set while we are Backup, already told.
    pub(crate) squatters: BTreeSet<IpAddr>,
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
        let known = self.rival.filter(|rival| rival.source == source && at.since(rival.last) <= recent);
        let rival = Rival { source, first: known.map_or(at, |rival| rival.first), last: at };
        self.rival = Some(rival);
        at.since(rival.first) > grace
    }
}

/// What an instance counted since it was configured. All only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Adverts believed.
    pub received: u64,
    /// Adverts handed to the kernel, one for each destination.
    pub sent: u64,
    /// Of `received`: with priority 0.
    pub priority_zero_received: u64,
    /// Of `sent`: with priority 0.
    pub priority_zero_sent: u64,
    /// Adverts that the kernel did not take.
    pub unsent: u64,
    /// Times it became Active.
    pub became_active: u64,
    /// Times it was Active no longer.
    pub released_active: u64,
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
    /// Adverts not believed, by [`Discard::index`].
    pub discards: [u64; Discard::ALL.len()],
}

impl Counters {
    /// Adverts not believed for this reason.
    #[must_use]
    pub fn discarded(&self, why: Discard) -> u64 {
        self.discards.get(why.index()).copied().unwrap_or(0)
    }

    fn count_discard(&mut self, why: Discard) {
        if let Some(counter) = self.discards.get_mut(why.index()) {
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
#[derive(Clone, Copy, Debug, Default)]
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
    pub(crate) until: Option<(Instant, Fault)>,
    strikes: u32,
}

impl Refusal {
    /// 5 s, 10 s, 20 s … at most 5 minutes: each try costs a healthy peer a moment of silence.
    pub(crate) fn note(&mut self, now: Instant, fault: Fault) -> Duration {
        let wait = Duration::from_secs((5_u64 << self.strikes.min(6)).min(300));
        self.strikes += 1;
        self.until = Some((now + wait, fault));
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
        let router = Router::new(instance.settings.clone());
        let verdict = Verdict::of(&instance, &Share::default(), None, None);
        let mut slot = Self {
            id,
            listed: Vec::new(),
            authentication: vrrp::Authentication::None,
            router,
            verdict,
            own: Share::default(),
            place: None,
            group: None,
            standing: Standing::Initialize,
            since: now,
            spots: Vec::new(),
            egress: Egress::default(),
            seen: Seen::default(),
            counters: Counters::default(),
            legacy: None,
            advertised_at: Instant::EPOCH,
            advertised_before: Instant::EPOCH,
            copies: 0,
            outline: (Role::Initialize, instance.settings.interval, None),
            is_unnoted: false,
            queued: None,
            excused: false,
            rounds: 0,
            holding: false,
            asked: false,
            refusal: Refusal::default(),
            retry_at: None,
            quiet: BTreeMap::new(),
            disbelieved: None,
            heard_at: now,
            rival: None,
            told_priority: instance.settings.priority,
            squatters: BTreeSet::new(),
            instance,
        };
        slot.adopt_configuration();
        slot
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
        for address in instance.held_addresses() {
            let device = instance.device_of(address);
            // The same address with the same options in the same place stays as it is.
            let same = before.iter().position(|spot| spot.device == *device && spot.address == *address);
            let spot =
                same.map_or_else(|| Spot::new(device.clone(), address.clone()), |at| before.swap_remove(at));
            self.spots.push(spot);
        }
        self.egress.forget();
        before
    }

    /// An advert was not believed.
    pub(crate) fn note_discard(&mut self, source: IpAddr, why: Discard) {
        self.counters.count_discard(why);
        let adverts = self.disbelieved.map_or(0, |before| before.adverts).saturating_add(1);
        self.disbelieved = Some(Disbelieved { adverts, source, why });
    }

    /// When it wants to be looked at.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let refusal = self.refusal.until.as_ref().map(|(at, _)| *at);
        [self.router.deadline(), refusal, self.retry_at].into_iter().flatten().min()
    }

    /// Recomputes `retry_at`: after anything was done to its addresses, so that an advert, which asks for the
    /// deadline, need not look at each of them.
    pub(crate) fn note_retry(&mut self) {
        self.retry_at = self.spots.iter().filter_map(Spot::retry_at).min();
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
