//! What a daemon leaves behind for the one that goes on in its place: how each router stands, kept up to date by the
//! driver where the daemon's death does not erase it.
//!
//! A level, not an effect: the driver asks at the end of each turn what has changed ([`Node::note_estates`]) and gives
//! it all to the successor before its first configuration ([`Input::Inherit`](crate::io::Input::Inherit)).

use crate::Node;
use crate::io::RouterId;
use crate::slot::Slot;
use alloc::vec::Vec;
use model::Identity;
use timeline::Instant;
use vrrp::{Leader, Legacy, Role, State};
use wire::Interval;

/// How one router stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estate {
    /// Which one.
    pub identity: Identity,
    /// Where it stands.
    pub legacy: Legacy,
    /// The last sequence number of its Authentication Header; 0 without one.
    pub sequence: u32,
    /// What it counted.
    pub tally: Tally,
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
pub(crate) type Outline = (Role, Interval, Option<Leader>);

/// A successor goes on so far behind the last sequence number that was noted: its predecessor may have died between
/// sending and noting, and sends no more than a few adverts of one router in a turn.
const SKIPPED: u32 = 64;

impl Node {
    /// Tells `note` how each router stands that has advertised, changed its role, its leader or its interval, or is
    /// gone since the last call. `None`: there is nothing to go on with.
    pub fn note_estates(&mut self, mut note: impl FnMut(RouterId, Option<&Estate>)) {
        let mut unnoted = core::mem::take(&mut self.unnoted);
        for id in unnoted.drain(..) {
            let estate = self.slots.get_mut(&id).and_then(|slot| {
                slot.is_unnoted = false;
                slot.estate()
            });
            note(id, estate.as_ref());
        }
        self.unnoted = unnoted;
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
        self.legacy = Some(estate.legacy);
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
    }

    pub(crate) fn outline(&self) -> Outline {
        (self.router.role(), self.router.active_interval(), self.router.leader())
    }

    fn estate(&self) -> Option<Estate> {
        let settings = self.router.settings();
        let legacy = match *self.router.state() {
            State::Initialize => return None,
            State::Backup { interval, leader, .. } => Legacy::Backup { interval, leader },
            State::Active { advertise_at, .. } => Legacy::Active {
                interval: settings.interval,
                until: self.advertised_at + settings.interval.duration() * u32::from(settings.down_adverts),
                advertise_at,
            },
        };
        let counters = &self.counters;
        Some(Estate {
            identity: self.instance.identity(),
            legacy,
            sequence: self.egress.sequence(),
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
        !core::mem::replace(&mut self.is_unnoted, true)
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
        (changed || advertised) && !core::mem::replace(&mut self.is_unnoted, true)
    }
}
