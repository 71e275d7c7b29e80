//! What a virtual router should do, told once more and as plainly as possible: the tables of RFC 9568 section 6.4 and
//! RFC 3768 section 6.4, and what this project adds to them (a held back preemption, an excused silence). Nothing here
//! is shared with crate `vrrp`.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use node::io::Transmit;
use timeline::{Duration, Instant};

/// What one router was told to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) v3: bool,
    pub(crate) interval: Duration,
    /// The one in force.
    pub(crate) priority: u8,
    pub(crate) source: IpAddr,
    pub(crate) preempt: bool,
    pub(crate) preempt_delay: Duration,
    /// So many adverts may be missing.
    pub(crate) missing: u32,
    /// An owner listens to nobody.
    pub(crate) ignores: bool,
    /// A router that loses is not answered.
    pub(crate) proud: bool,
    /// It advertises once more before it yields.
    pub(crate) polite: bool,
}

/// An advert that was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advert {
    pub(crate) vrid: u8,
    pub(crate) v3: bool,
    pub(crate) source: IpAddr,
    pub(crate) priority: u8,
    pub(crate) interval: Duration,
    pub(crate) at: Instant,
}

/// Where a router should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Naive {
    /// It does not take part.
    Out,
    /// It watches, and takes over then.
    Backup {
        /// `None`: that cannot be said.
        due: Option<Instant>,
        /// Of the leader.
        interval: Duration,
        /// No preemption before then.
        hold: Option<Instant>,
        /// Its silence was excused.
        excused: bool,
        /// Who leads with less than it has, and how much less: it takes over from that one and waits for no silence.
        ousts: Option<(IpAddr, u8)>,
    },
    /// It leads, and advertises then.
    Active {
        /// `None`: that cannot be said.
        next: Option<Instant>,
        /// When it last had to answer a router that loses.
        answered: Option<Instant>,
    },
}

/// What a turn should lead to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// True for each time that it becomes Active, false for each time that it becomes Backup.
    pub(crate) moves: Vec<bool>,
    /// So many adverts must be sent,
    pub(crate) least: usize,
    /// and so many may be.
    pub(crate) most: usize,
}

impl Said {
    const fn must_advertise(&mut self) {
        self.least += 1;
        self.most += 1;
    }
}

/// Reads an advert as it lies on the wire.
pub(crate) fn read(frame: &Transmit, at: Instant) -> Option<Advert> {
    let bytes = &*frame.datagram;
    let (source, message) = match frame.source {
        IpAddr::V6(_) => (frame.source, bytes),
        IpAddr::V4(_) => {
            let [a, b, c, d] = *bytes.get(12..16)? else { return None };
            let header = usize::from(bytes.first()? & 15) * 4;
            let sealed = if *bytes.get(9)? == 51 { 24 } else { 0 };
            (IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bytes.get(header + sealed..)?)
        }
    };
    let [kind, vrid, priority, _, high, low, ..] = *message else { return None };
    let v3 = kind >> 4 == 3;
    let interval = match v3 {
        true => Duration::from_millis(10 * (u64::from(high & 15) * 256 + u64::from(low))),
        false => Duration::from_secs(low.into()),
    };
    Some(Advert { vrid, v3, source, priority, interval, at })
}

impl Rules {
    /// Whether it believes this advert, of its own number and family.
    pub(crate) fn believes(&self, advert: &Advert) -> bool {
        let deaf = self.ignores && self.priority == 255;
        let alike = advert.v3 == self.v3 && (self.v3 || advert.interval == self.interval);
        alike && advert.source != self.source && !deaf
    }

    /// Skew_Time.
    pub(crate) fn skew(&self, interval: Duration) -> Duration {
        let whole = if self.v3 { interval } else { Duration::from_secs(1) };
        whole * (256 - u32::from(self.priority)) / 256
    }

    /// Active_Down_Interval.
    pub(crate) fn down(&self, interval: Duration) -> Duration {
        interval * self.missing + self.skew(interval)
    }

    pub(crate) const fn preempts(&self) -> bool {
        self.preempt || self.priority == 255
    }
}

impl Naive {
    /// Whether it can be said when something happens next.
    pub(crate) const fn is_known(&self) -> bool {
        !matches!(self, Self::Backup { due: None, .. } | Self::Active { next: None, .. })
    }

    /// The same without what it knew of the time.
    pub(crate) fn forgotten(self) -> Self {
        match self {
            Self::Out => Self::Out,
            Self::Backup { interval, hold, excused, ousts, .. } => {
                Self::Backup { due: None, interval, hold, excused, ousts }
            }
            Self::Active { answered, .. } => Self::Active { next: None, answered },
        }
    }

    /// Startup.
    pub(crate) fn start(rules: &Rules, now: Instant) -> Self {
        let interval = rules.interval;
        let due = Some(now + rules.down(interval));
        Self::Backup { due, interval, hold: None, excused: false, ousts: None }
    }

    fn lead(rules: &Rules, now: Instant) -> Self {
        Self::Active { next: Some(now + rules.interval), answered: None }
    }

    /// An advert that it believes.
    pub(crate) fn hear(&mut self, rules: &Rules, now: Instant, advert: Advert, said: &mut Said) {
        let learnt = if rules.v3 { advert.interval } else { rules.interval };
        match self {
            Self::Out => {}
            Self::Backup { due, interval, excused, ousts, .. } if advert.priority == 0 => {
                *ousts = ousts.filter(|(source, _)| *source != advert.source);
                *due = due.map(|_| advert.at + rules.skew(*interval));
                *excused = false;
            }
            Self::Backup { due, interval, hold, excused, ousts } => {
                *excused = false;
                *ousts = Some((advert.source, advert.priority));
                if advert.priority < rules.priority && rules.preempts() {
                    // It may hold back already: since when is not known.
                    let is_unknown = due.is_none() && hold.is_none();
                    if rules.preempt_delay.is_zero()
                        || is_unknown
                        || advert.at >= *hold.get_or_insert(advert.at + rules.preempt_delay)
                    {
                        return;
                    }
                } else {
                    *hold = None;
                }
                *ousts = None;
                *interval = learnt;
                let armed = advert.at + rules.down(learnt);
                // An advert that lay about for long takes nothing away from what was granted after it.
                let is_old = advert.at + advert.interval < now;
                *due = if is_old { due.map(|due| due.max(armed)) } else { Some(armed) };
            }
            Self::Active { next, .. } if advert.priority == 0 => {
                said.must_advertise();
                *next = Some(now + rules.interval);
            }
            Self::Active { .. } if (advert.priority, advert.source) > (rules.priority, rules.source) => {
                if rules.polite {
                    said.must_advertise();
                }
                said.moves.push(false);
                let due = Some(advert.at + rules.down(learnt));
                *self = Self::Backup { due, interval: learnt, hold: None, excused: false, ousts: None };
            }
            Self::Active { answered, .. } => {
                // One that loses: answered at once, but not more often than a flood would make bearable.
                let is_flood = answered.is_some_and(|at| now < at + rules.interval);
                if !rules.proud {
                    said.most += 1;
                    said.least += usize::from(!is_flood);
                }
                *answered = Some(now);
            }
        }
    }

    /// Adverts may have been lost on the way: one more interval for whoever leads.
    pub(crate) fn miss(&mut self, rules: &Rules, now: Instant) {
        let Self::Backup { due: Some(due), interval, excused, .. } = self else { return };
        let grace = now + *interval + rules.skew(*interval);
        if !*excused && *due < grace {
            (*due, *excused) = (grace, true);
        }
    }

    /// The administrator has other wishes, or a tracker has: a deadline moves with the priority and else stays.
    pub(crate) fn alter(&mut self, old: &Rules, new: &Rules, now: Instant, by_hand: bool) {
        match self {
            Self::Out => {}
            Self::Backup { due, interval, hold, ousts, .. } => {
                *due = due.map(|due| due + new.skew(*interval) - old.skew(*interval));
                if !new.v3 {
                    *interval = new.interval;
                }
                if new.preempt_delay != old.preempt_delay {
                    *hold = None;
                }
                // Whom it may no longer push aside it has to hear as any other from now on.
                if ousts.take_if(|(_, priority)| *priority >= new.priority || !new.preempts()).is_some() {
                    *due = due.map(|_| now + new.down(*interval));
                }
            }
            Self::Active { next, .. } if by_hand => *next = Some(now + new.interval),
            Self::Active { .. } => {}
        }
    }

    /// Time has passed. A timer that comes much too late has slept through adverts, perhaps.
    pub(crate) fn elapse(&mut self, rules: &Rules, now: Instant, said: &mut Said) {
        match self {
            Self::Backup { due: Some(due), interval, excused, .. } if *due <= now => {
                let is_late = now.since(*due) > Duration::from_millis(2).max(*interval / 2);
                if is_late && !*excused {
                    return self.miss(rules, now);
                }
                said.moves.push(true);
                said.must_advertise();
                *self = Self::lead(rules, now);
            }
            Self::Active { next: Some(next), .. } if *next <= now => {
                said.must_advertise();
                while *next <= now {
                    *next += rules.interval;
                }
            }
            Self::Out | Self::Backup { .. } | Self::Active { .. } => {}
        }
    }
}
