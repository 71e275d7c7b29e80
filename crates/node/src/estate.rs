//! What a daemon leaves behind for the one that goes on in its place: how each router stands, kept up to date by the
//! driver where the daemon's death does not erase it.
//!
//! A level, not an effect: the driver asks at the end of each turn what has changed ([`Node::note_estates`]) and gives
//! it all to the successor before its first configuration ([`Input::Inherit`](crate::io::Input::Inherit)).

use crate::Node;
use crate::io::RouterId;
use crate::slot::Slot;
use crate::verdict::Bequest;
use alloc::boxed::Box;
use alloc::vec::Vec;
use model::Identity;
use timeline::{Duration, Instant};
use vrrp::{Leader, Legacy, Role, State};
use wire::trailer::Stamp;
use wire::{Interval, Priority};

/// How one router stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estate {
    /// Which one.
    pub identity: Identity,
    /// Where it stands.
    pub legacy: Legacy,
    /// Its effective priority. Until everything that it tracks has been heard of, a successor goes by it: else it would
    /// advertise for a moment as if nothing were tracked.
    pub priority: Priority,
    /// The last sequence number of its Authentication Header; 0 without one.
    pub sequence: u32,
    /// The stamp of its last signed advert.
    pub stamp: Option<Stamp>,
    /// What it counted.
    pub tally: Tally,
}

/// What is new about how a router stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// There is nothing to go on with.
    Gone,
    /// All of it.
    Stands(&'a Estate),
    /// It stands as it did, and has advertised.
    Advertised(Progress),
}

/// What an advert alone changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// See [`Legacy::Active`].
    pub until: Instant,
    /// See [`Legacy::Active`].
    pub advertise_at: Instant,
    /// See [`Estate::sequence`].
    pub sequence: u32,
    /// See [`Estate::stamp`].
    pub stamp: Option<Stamp>,
    /// See [`Tally::sent`].
    pub sent: u64,
}

impl Estate {
    /// Takes in what an advert has changed.
    pub const fn go_on(&mut self, progress: Progress) {
        if let Legacy::Active { until, advertise_at, .. } = &mut self.legacy {
            (*until, *advertise_at) = (progress.until, progress.advertise_at);
        }
        self.sequence = progress.sequence;
        self.stamp = progress.stamp;
        self.tally.sent = progress.sent;
    }
}

/// What has to be noted of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Unnoted {
    #[default]
    Nothing,
    Advert,
    Everything,
}

/// The counters that survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tally {
    /// Adverts sent.
    pub sent: u64,
    /// Adverts believed.
    pub received: u64,
    /// Times it became Active.
    pub became_active: u64,
    /// Times it was Active no longer.
    pub released_active: u64,
}

/// What is compared to know whether a router that did not advertise has to be noted again.
pub(crate) type Outline = (Role, Interval, Option<Leader>, Priority);

/// So long a successor goes by the priority of its predecessor at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// A successor goes on so far behind the last sequence number that was noted: its predecessor may have died between
/// sending and noting, and sends no more than a few adverts of one router in a turn.
const SKIPPED: u32 = 64;

impl Node {
    /// Tells `note` of each router that has advertised, changed its role, its leader, its interval or its priority, or is
    /// gone since the last call.
    ///
    /// `note` says whether it has taken it. A router that it has no room for is told of whole again when it advertises.
    pub fn note_estates(&mut self, mut note: impl FnMut(RouterId, Note<'_>) -> bool) {
        for id in self.unnoted.drain(..) {
            let Some(slot) = self.slots.get_mut(&id) else {
                note(id, Note::Gone);
                continue;
            };
            let unnoted = core::mem::take(&mut slot.unnoted);
            if unnoted == Unnoted::Advert
                && let Some(progress) = slot.progress()
            {
                note(id, Note::Advertised(progress));
                continue;
            }
            let estate = slot.estate();
            slot.noted = note(id, estate.as_ref().map_or(Note::Gone, Note::Stands));
        }
    }

    /// What a predecessor left: of use for the first configuration only.
    pub(crate) fn inherit(&mut self, estates: Vec<Estate>) {
        if !self.configured {
            self.estates = estates.into_iter().map(|estate| (estate.identity.clone(), estate)).collect();
        }
    }
}

impl Slot {
    /// Takes over what a router of the same identity left.
    pub(crate) fn inherit(&mut self, estate: &Estate) {
        let Tally { sent, received, became_active, released_active } = estate.tally;
        self.legacy = Some(Box::new(estate.legacy));
        self.bequest = Some(Box::new(Bequest { priority: estate.priority, until: self.since + PATIENCE }));
        self.told_priority = estate.priority;
        // What the others have heard last.
        if let Legacy::Active { interval, until, .. } = estate.legacy {
            self.advertised_at = until - interval.duration() * u32::from(self.router.settings().down_adverts);
        }
        self.counters.sent = sent;
        self.counters.received = received;
        self.counters.became_active = became_active;
        self.counters.released_active = released_active;
        if estate.sequence > 0 {
            self.egress.go_on_after(estate.sequence.saturating_add(SKIPPED));
        }
        if let Some(Stamp(last)) = estate.stamp {
            self.egress.go_on_after_stamp(Stamp(last.saturating_add(SKIPPED.into())));
        }
        self.note_aside();
    }

    /// It did not go on where the router before it left off: it starts as any other.
    pub(crate) fn decline(&mut self) {
        if self.legacy.take().is_some() {
            self.bequest = None;
        }
    }

    pub(crate) fn outline(&self) -> Outline {
        (self.router.role(), self.router.active_interval(), self.router.leader(), self.router.priority())
    }

    /// When the others take over if they hear nothing more.
    fn until(&self) -> Instant {
        let settings = self.router.settings();
        self.advertised_at + settings.interval.duration() * u32::from(settings.down_adverts)
    }

    /// What its last advert changed, if it is Active.
    fn progress(&self) -> Option<Progress> {
        let State::Active { advertise_at, .. } = *self.router.state() else { return None };
        let (sequence, stamp) = (self.egress.sequence(), self.egress.stamp());
        Some(Progress { until: self.until(), advertise_at, sequence, stamp, sent: self.counters.sent })
    }

    fn estate(&self) -> Option<Estate> {
        let settings = self.router.settings();
        let legacy = match *self.router.state() {
            State::Initialize => return None,
            State::Backup { interval, leader, .. } => Legacy::Backup { interval, leader },
            State::Active { advertise_at, .. } => {
                Legacy::Active { interval: settings.interval, until: self.until(), advertise_at }
            }
        };
        let counters = &self.counters;
        Some(Estate {
            identity: self.instance.identity(),
            legacy,
            priority: self.router.priority(),
            sequence: self.egress.sequence(),
            stamp: self.egress.stamp(),
            tally: Tally {
                sent: counters.sent,
                received: counters.received,
                became_active: counters.became_active,
                released_active: counters.released_active,
            },
        })
    }

    /// One copy of its last advert was not sent. If none was, nobody has heard it: for the others it is as if it had not
    /// been. Whether it has to be noted once more.
    pub(crate) fn unsay(&mut self) -> bool {
        if self.copies == 0 {
            return false;
        }
        self.copies -= 1;
        if self.copies > 0 {
            return false;
        }
        self.advertised_at = self.advertised_before;
        self.owe(Unnoted::Advert)
    }

    /// Whether it is not yet in the list of those that have to be noted.
    fn owe(&mut self, what: Unnoted) -> bool {
        let before = self.unnoted;
        self.unnoted = before.max(what);
        before == Unnoted::Nothing && what != Unnoted::Nothing
    }

    /// Whether it has to be noted: at least if it `advertised`, in so many `copies`, and it is not yet in the list.
    pub(crate) fn must_note(&mut self, now: Instant, advertised: bool, copies: usize) -> bool {
        if advertised {
            if self.advertised_at < now || self.copies == 0 {
                (self.advertised_before, self.copies) = (self.advertised_at, 0);
            }
            self.advertised_at = now;
            self.copies += copies;
        }
        let outline = self.outline();
        let changed = core::mem::replace(&mut self.outline, outline) != outline;
        self.owe(match (changed || advertised && !self.noted, advertised) {
            (true, _) => Unnoted::Everything,
            (false, true) => Unnoted::Advert,
            (false, false) => Unnoted::Nothing,
        })
    }
}
