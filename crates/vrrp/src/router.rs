//! One virtual router: the page that a visitor reads first.
//!
//! [`Router`] is plain data with its timers inside the state that needs them, so a timer of another state
//! cannot exist (SM-P-1, SM-INIT-6, SM-BKP-11, SM-BKP-12, SM-ACT-18). `handle` is one match over (state, input).

use crate::legacy::Legacy;
use crate::settings::{AnnounceSettings, Settings};
use crate::timers;
use alloc::vec::Vec;
use core::net::IpAddr;
use timeline::{Duration, Instant, Machine};
use wire::{Interval, Priority, Version};

/// The state of a virtual router (RFC 9568 section 6.4), each with the timers that it runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not taking part: not started, stopped, or a fault is known.
    Initialize,
    /// Watching the Active router.
    Backup {
        /// Active_Down_Timer: when silence will have lasted too long.
        down_at: Instant,
        /// Active_Adver_Interval: learnt in version 3, our own in version 2 (TM-5).
        interval: Interval,
        /// Preemption waits until then (SM-BKP-15); runs from the first inferior advert.
        hold: Option<Instant>,
        /// Who was heard last.
        leader: Option<Leader>,
        /// Its last advert has not armed the timer (SM-BKP-7): it has less than ours, and we take over from it.
        preempting: bool,
    },
    /// Answering for the addresses.
    Active {
        /// Adver_Timer: when the next advert is due. On an absolute schedule, so lateness does not add up.
        advertise_at: Instant,
        /// When to announce again.
        announcing: Announcing,
        /// Meters the extra adverts that answer losing ones (SM-ACT-20).
        answers: Meter,
    },
}

/// The role that a state plays, without its timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// See [`State::Initialize`].
    Initialize,
    /// See [`State::Backup`].
    Backup,
    /// See [`State::Active`].
    Active,
}

/// The Active router as a Backup sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leader {
    /// Its primary address.
    pub source: IpAddr,
    /// The priority of its last advert; [`Priority::LEAVING`] after it resigned.
    pub priority: Priority,
}

/// The announcements that an Active router still owes its neighbours; `None` where it owes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Announcing {
    /// Second burst after becoming Active.
    pub again_at: Option<Instant>,
    /// Second burst after a losing advert was heard.
    pub rival_at: Option<Instant>,
    /// Next refresh.
    pub refresh_at: Option<Instant>,
}

/// Lets a bounded number of answers through: bursts of four, then one each quarter interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Meter {
    used_until: Instant,
}

/// An advert that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Advertisement {
    /// The sender's primary address.
    pub source: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Its interval.
    pub interval: Interval,
    /// When it arrived; at most `now`.
    pub at: Instant,
}

/// What can happen to a virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Take part, with this primary address (IPv4) or link-local address (IPv6).
    Startup {
        /// Own address.
        primary: IpAddr,
    },
    /// Take part, and go on where a process that is no more has left off.
    Resume {
        /// Own address.
        primary: IpAddr,
        /// What it has left.
        legacy: Legacy,
    },
    /// Take part no longer.
    Shutdown(Manner),
    /// An admitted advert.
    Advertisement(Advertisement),
    /// The effective priority, 1..=255, as trackers make it.
    Priority(Priority),
    /// The own primary address changed.
    Primary(IpAddr),
    /// The administrator changed the settings; `priority` is the effective one.
    Reconfigure {
        /// The new settings.
        settings: Settings,
        /// The effective priority under them.
        priority: Priority,
    },
    /// Adverts may have been lost on the way to us: silence proves nothing now.
    Deaf,
    /// The routers that it moves together with (a sync group) became Active: so does a Backup.
    TakeOver,
    /// The routers that it moves together with are Backup: an Active one resigns, and a Backup waits one more
    /// interval however long the silence has lasted.
    StandBack,
    /// Time has passed.
    Elapsed,
}

/// How to stop taking part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manner {
    /// The daemon ends, or the instance was removed: resign.
    Stop,
    /// A fault, but adverts can still be sent: resign.
    Fault,
    /// A fault, and nothing can be sent: go without a word.
    Mute,
}

/// What a virtual router wants done, in order. Whether addresses are held is not an effect but a level:
/// they are if and only if [`Router::role`] is [`Role::Active`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Send an advert of this priority.
    Advertise(Priority),
    /// Announce every address `rounds` times, after it is in place.
    Announce {
        /// How often.
        rounds: u32,
    },
    /// The role changed.
    Transition(Transition),
    /// Something to tell.
    Notice(Notice),
}

/// A change of role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// Before.
    pub from: Role,
    /// After.
    pub to: Role,
    /// The reason.
    pub why: Why,
}

/// Why a role changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Started, or a fault went away.
    Started,
    /// Started as the address owner.
    Owner,
    /// Goes on where a process that is no more has left off.
    Resumed,
    /// No advert for an Active_Down_Interval.
    NoResponse,
    /// The Active router resigned.
    LeaderLeft(IpAddr),
    /// The Active router has a lower priority than ours.
    Preempting(Leader),
    /// A router of higher priority advertises.
    HigherPriority(Leader),
    /// A router of equal priority and higher address advertises.
    HigherAddress(Leader),
    /// The daemon stops or the instance was removed.
    Stopped,
    /// A fault became known.
    Fault,
    /// The routers that it moves together with changed.
    Group,
    /// Its timers ran so late that another router must have taken over ([`Settings::late_rival`]).
    TooLate,
}

/// Something that an administrator wants to know though no role changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// A Backup follows another Active router than before.
    NewLeader(Leader),
    /// Active, a losing advert was heard: a rival exists and has not heard us yet (SBD-1).
    Rival(Leader),
    /// We are the owner (255), and another router says it is too (CFG-1, SM-ACT-13).
    SecondOwner(IpAddr),
    /// Preemption is held back for this long (SM-BKP-15).
    PreemptHold(Duration),
    /// Silence was not counted because adverts may have been lost on the way to us.
    SilenceExcused,
    /// Active, and the periodic advert is so late that a backup has probably taken over meanwhile.
    StoodStill(Duration),
}

/// One virtual router on this host. In the order of its fields (`repr(C)`): what every advert moves comes first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Router {
    state: State,
    /// Effective priority.
    priority: Priority,
    /// Own primary address; meaningless in `Initialize`.
    primary: IpAddr,
    /// Where in each interval its adverts belong.
    phase: Phase,
    settings: Settings,
}

/// Where in each interval a router's adverts belong. Of many routers that become Active at once, each would else
/// advertise in the same moment for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Phase {
    /// An interval after the event that began the rhythm, as the RFC has it.
    #[default]
    Free,
    /// At this part (of 2³²) of each interval of the time line: routers of one interval and one phase advertise together.
    /// The first advert after the event comes up to an interval early, no other one does.
    Fixed(u32),
}

impl Phase {
    /// The latest instant of this phase that is not more than an interval after `now`.
    fn next(self, now: Instant, interval: Duration) -> Instant {
        let latest = now + interval;
        let Self::Fixed(part) = self else { return latest };
        let whole = interval.as_nanos().max(1);
        let offset = (whole * u128::from(part)) >> 32;
        let past = (u128::from(latest.as_nanos()) + whole - offset) % whole;
        let next = latest - Duration::from_nanos(u64::try_from(past).unwrap_or(0));
        if next > now { next } else { latest }
    }
}

impl Machine for Router {
    type Input<'a> = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        use Input as In;
        use State::{Active, Backup, Initialize};
        // Before an answer to whoever has taken over makes it yield.
        if matches!(input, In::Elapsed | In::Advertisement(_)) && self.must_have_lost(now) {
            self.give_way(now, effects);
        }
        match (&self.state, input) {
            // SM-INIT-1: the owner starts as Active. SM-INIT-2, SM-INIT-3: all others start as Backup.
            (Initialize, In::Startup { primary }) => self.start(now, primary, effects),
            (Initialize, In::Resume { primary, legacy }) => self.resume(now, primary, legacy, effects),
            // SM-INIT-4, SM-INIT-5, SM-INIT-6: not taking part, so nothing matters.
            (Initialize, In::Advertisement(_) | In::Shutdown(_) | In::Elapsed | In::Deaf) => {}
            (Initialize, In::TakeOver | In::StandBack) => {}

            // SM-BKP-2: leave without priority 0; nobody follows us. SM-BKP-13 likewise.
            (Backup { .. }, In::Shutdown(manner)) => {
                self.turn(State::Initialize, why_stopped(manner), effects)
            }
            // SM-BKP-3: silence lasted for Active_Down_Interval.
            (Backup { down_at, .. }, In::Elapsed) if now >= *down_at => {
                let why = self.why_taking_over();
                self.become_active(now, why, effects);
            }
            (Backup { .. }, In::Elapsed) => {}
            // SM-BKP-4 to SM-BKP-10, SM-BKP-14, SM-BKP-15.
            (Backup { .. }, In::Advertisement(heard)) => self.backup_hears(now, heard, effects),
            // TM-10: what was lost may have been the adverts that we miss.
            (Backup { .. }, In::Deaf) => self.excuse_silence(now, effects),
            // A sync group moves as one.
            (Backup { .. }, In::TakeOver) => self.become_active(now, Why::Group, effects),
            (Backup { .. }, In::StandBack) => self.put_off(now),

            // SM-ACT-2, SM-ACT-17: say so if it can be said, then leave.
            (Active { .. }, In::Shutdown(manner)) => {
                if manner != Manner::Mute {
                    effects.push(Effect::Advertise(Priority::LEAVING));
                }
                self.turn(State::Initialize, why_stopped(manner), effects);
            }
            // SM-ACT-3, and the bursts of announcements.
            (Active { .. }, In::Elapsed) => self.active_elapsed(now, effects),
            // SM-ACT-4 to SM-ACT-16.
            (Active { .. }, In::Advertisement(heard)) => self.active_hears(now, heard, effects),
            // An Active router draws no conclusion from silence.
            (Active { .. }, In::Deaf | In::TakeOver) => {}
            // A sync group moves as one, and whoever leads there now need not wait for our silence.
            (Active { .. }, In::StandBack) => self.stand_back(now, effects),

            // Already taking part: only the address is news.
            (Backup { .. } | Active { .. }, In::Startup { primary } | In::Resume { primary, .. })
            | (Initialize | Backup { .. } | Active { .. }, In::Primary(primary)) => {
                self.primary_changes(primary, effects);
            }
            // SM-BKP-17, SM-ACT-19, TM-14.
            (Initialize | Backup { .. } | Active { .. }, In::Priority(priority)) => {
                self.priority_changes(now, priority, effects);
            }
            // SM-BKP-16, SM-BKP-17.
            (Initialize | Backup { .. } | Active { .. }, In::Reconfigure { settings, priority }) => {
                self.reconfigure(now, settings, priority, effects);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Initialize => None,
            State::Backup { down_at, .. } => Some(*down_at),
            State::Active { advertise_at, announcing, .. } => {
                let Announcing { again_at, rival_at, refresh_at } = *announcing;
                [again_at, rival_at, refresh_at].into_iter().flatten().chain([*advertise_at]).min()
            }
        }
    }
}

impl Router {
    /// A router in `Initialize`, with the priority of its settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let nowhere = IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED);
        Self {
            priority: settings.priority,
            settings,
            primary: nowhere,
            phase: Phase::Free,
            state: State::Initialize,
        }
    }

    /// Says where in each interval its adverts belong, from the next time that its rhythm begins.
    pub const fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Its role. The addresses are to be held if and only if this is [`Role::Active`].
    #[must_use]
    pub const fn role(&self) -> Role {
        match self.state {
            State::Initialize => Role::Initialize,
            State::Backup { .. } => Role::Backup,
            State::Active { .. } => Role::Active,
        }
    }

    /// The state with its timers.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The settings in force.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The effective priority.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// The Active router that this Backup follows, if it heard one.
    #[must_use]
    pub const fn leader(&self) -> Option<Leader> {
        match self.state {
            State::Backup { leader, .. } => leader,
            State::Initialize | State::Active { .. } => None,
        }
    }

    /// Whether it has reason of its own to take over now, or would not stand in the way: it takes no part, it is
    /// Active, its timer has run out, its leader resigned, or has less than ours and may be preempted.
    #[must_use]
    pub fn agrees_to_lead(&self, now: Instant) -> bool {
        match self.state {
            State::Initialize | State::Active { .. } => true,
            State::Backup { down_at, hold, leader, .. } => {
                let preempts = self.preempts() && hold.is_none_or(|until| now >= until);
                let inferior = |leader: Leader| leader.priority < self.priority && preempts;
                now >= down_at || leader.is_some_and(|l| l.priority == Priority::LEAVING || inferior(l))
            }
        }
    }

    /// Skew_Time under the interval in force.
    #[must_use]
    pub fn skew_time(&self) -> Duration {
        timers::skew(self.settings.version, self.active_interval(), self.priority)
    }

    /// Active_Down_Interval under the interval in force.
    #[must_use]
    pub fn down_interval(&self) -> Duration {
        self.down(self.active_interval())
    }

    /// Active_Adver_Interval: learnt while Backup in version 3, else our own.
    #[must_use]
    pub const fn active_interval(&self) -> Interval {
        match self.state {
            State::Backup { interval, .. } => interval,
            State::Initialize | State::Active { .. } => self.settings.interval,
        }
    }

    /// If this Backup waits for nothing but the next advert of the router that it follows, whose last one was `last`: how
    /// long after such an advert it takes over. The same advert again does nothing but put that off, as long as nothing
    /// else happens to this router: [`Router::hears_again`].
    #[must_use]
    pub fn patience(&self, last: &Advertisement) -> Option<Duration> {
        let State::Backup { down_at, interval, hold: None, leader, preempting: false } = self.state else {
            return None;
        };
        let followed = leader == Some(Leader { source: last.source, priority: last.priority });
        let patience = self.down(interval);
        let is_leading = followed && last.priority != Priority::LEAVING;
        (is_leading && down_at == last.at + patience).then_some(patience)
    }

    /// The advert for which `patience` was told arrived once more, at `at`: what [`Input::Advertisement`] would do.
    /// Returns false, and has done nothing, if it lay in a queue for so long that more is to be asked.
    #[must_use]
    pub fn hears_again(&mut self, now: Instant, at: Instant, patience: Duration) -> bool {
        let State::Backup { down_at, interval, .. } = &mut self.state else { return false };
        if at + interval.duration() < now {
            return false;
        }
        *down_at = at + patience;
        true
    }

    fn down(&self, interval: Interval) -> Duration {
        timers::down(self.settings.version, interval, self.priority, self.settings.down_adverts)
    }

    // ---- Initialize ----

    fn start(&mut self, now: Instant, primary: IpAddr, effects: &mut Vec<Effect>) {
        self.primary = primary;
        if self.priority.is_owner() {
            return self.become_active(now, Why::Owner, effects);
        }
        let interval = self.settings.interval;
        let down_at = now + self.down(interval);
        let state = State::Backup { down_at, interval, hold: None, leader: None, preempting: false };
        self.turn(state, Why::Started, effects);
    }

    /// The others must not notice: who was Active says so at once and keeps its rhythm, as long as none of them can
    /// have taken over meanwhile; who was Backup knows whom it follows, and how long to wait for it.
    fn resume(&mut self, now: Instant, primary: IpAddr, legacy: Legacy, effects: &mut Vec<Effect>) {
        match legacy {
            Legacy::Active { until, advertise_at, .. } if now < until => {
                self.primary = primary;
                effects.push(Effect::Advertise(self.priority));
                let (interval, announce) = (self.settings.interval.duration(), *self.settings.announce);
                let next = next_on_schedule(advertise_at - interval, interval, now);
                // Whatever a damaged record says.
                let is_sane = next > now && next <= now + interval;
                let state = State::Active {
                    advertise_at: if is_sane { next } else { now + interval },
                    announcing: Announcing::after_takeover(now, &announce),
                    answers: Meter::default(),
                };
                self.turn(state, Why::Resumed, effects);
                // What was owed may not have been sent; saying it twice harms nobody.
                effects.push(Effect::Announce { rounds: announce.repeat.max(1) });
            }
            Legacy::Backup { interval: learnt, leader: Some(followed) }
                if !self.priority.is_owner() && followed.priority != Priority::LEAVING =>
            {
                self.primary = primary;
                let interval = match self.settings.version {
                    Version::V2 => self.settings.interval,
                    Version::V3 => learnt,
                };
                let (down_at, leader) = (now + self.down(interval), Some(followed));
                let state = State::Backup { down_at, interval, hold: None, leader, preempting: false };
                self.turn(state, Why::Resumed, effects);
            }
            Legacy::Active { .. } | Legacy::Backup { .. } => self.start(now, primary, effects),
        }
    }

    // ---- Backup ----

    fn backup_hears(&mut self, now: Instant, heard: Advertisement, effects: &mut Vec<Effect>) {
        let preempts = self.preempts();
        let State::Backup { down_at, interval, hold, leader, preempting } = &mut self.state else { return };
        let news = Leader { source: heard.source, priority: heard.priority };
        if heard.priority != Priority::LEAVING && leader.map(|l| l.source) != Some(heard.source) {
            effects.push(Effect::Notice(Notice::NewLeader(news)));
        }
        // SM-BKP-4, SM-BKP-9: the Active router leaves; wait only Skew_Time, of the interval known so far (TM-13).
        if heard.priority == Priority::LEAVING {
            // Somebody else may leave than whom we follow: TRAP-16.
            if leader.is_none_or(|followed| followed.source == heard.source) {
                (*leader, *preempting) = (Some(news), false);
            }
            *down_at = heard.at + timers::skew(self.settings.version, *interval, self.priority);
            return;
        }
        *leader = Some(news);
        // SM-BKP-7: an inferior router advertises and we preempt: let the timer run out, unless preemption is
        // still held back (SM-BKP-15): then follow the inferior router for now.
        if heard.priority < self.priority && preempts {
            let delay = self.settings.preempt_delay;
            *preempting = true;
            if delay.is_zero() {
                return;
            }
            if hold.is_none() {
                effects.push(Effect::Notice(Notice::PreemptHold(delay)));
            }
            if heard.at >= *hold.get_or_insert(heard.at + delay) {
                return;
            }
        } else {
            // SM-BKP-15: a router that may lead ends the hold.
            *hold = None;
        }
        *preempting = false;
        // SM-BKP-5, SM-BKP-6, SM-BKP-8 (version 3 learns the interval, TM-6), SM-BKP-14 (version 2 does not).
        if self.settings.version == Version::V3 {
            *interval = heard.interval;
        }
        let settings = &self.settings;
        let armed =
            heard.at + timers::down(settings.version, *interval, self.priority, settings.down_adverts);
        // TM-10: what lay in a queue tells of the past. It may lengthen the wait, but not cut short what a later
        // start or excuse granted.
        let stale = heard.at + heard.interval.duration() < now;
        *down_at = if stale { armed.max(*down_at) } else { armed };
    }

    fn excuse_silence(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let State::Backup { down_at, interval, .. } = &mut self.state else { return };
        // One more interval, in which a living Active router must be heard.
        let grace = now + interval.duration() + timers::skew(self.settings.version, *interval, self.priority);
        if *down_at < grace {
            *down_at = grace;
            effects.push(Effect::Notice(Notice::SilenceExcused));
        }
    }

    /// Not before one more interval.
    fn put_off(&mut self, now: Instant) {
        if let State::Backup { down_at, interval, .. } = &mut self.state {
            *down_at = (*down_at).max(now + interval.duration());
        }
    }

    fn why_taking_over(&self) -> Why {
        match self.state {
            State::Backup { leader: Some(leader), .. } if leader.priority == Priority::LEAVING => {
                Why::LeaderLeft(leader.source)
            }
            // An advert that arms the timer is not taken for silence, whatever we may do since.
            State::Backup { leader: Some(leader), preempting: true, .. } => Why::Preempting(leader),
            State::Initialize | State::Backup { .. } | State::Active { .. } => Why::NoResponse,
        }
    }

    /// Who may no longer take over from a leader that speaks counts anew: its adverts were let pass till now.
    fn spare_leader(&mut self, now: Instant) {
        let (preempts, down) = (self.preempts(), self.down_interval());
        if let State::Backup { down_at, leader: Some(leader), preempting, .. } = &mut self.state
            && *preempting
            && !(preempts && leader.priority < self.priority)
        {
            (*down_at, *preempting) = (now + down, false);
        }
    }

    /// CFG-4: the owner always preempts.
    const fn preempts(&self) -> bool {
        self.settings.preempt || self.priority.is_owner()
    }

    // ---- Active ----

    /// SM-BKP-3, SM-INIT-1: advertise, then (once the addresses are in place) announce.
    fn become_active(&mut self, now: Instant, why: Why, effects: &mut Vec<Effect>) {
        effects.push(Effect::Advertise(self.priority));
        let announce = *self.settings.announce;
        let state = State::Active {
            advertise_at: self.phase.next(now, self.settings.interval.duration()),
            announcing: Announcing::after_takeover(now, &announce),
            answers: Meter::default(),
        };
        self.turn(state, why, effects);
        effects.push(Effect::Announce { rounds: announce.repeat.max(1) });
    }

    fn active_elapsed(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let long = self.down_interval();
        let announce = &self.settings.announce;
        let State::Active { advertise_at, announcing, .. } = &mut self.state else { return };
        let mut rounds = announcing.due(now, announce);
        if now >= *advertise_at {
            effects.push(Effect::Advertise(self.priority));
            // Neighbours may have learnt the way to whoever took over: teach them anew.
            let late = now.since(*advertise_at);
            if late > long {
                effects.push(Effect::Notice(Notice::StoodStill(late)));
                rounds = rounds.max(announce.repeat.max(1));
            }
            *advertise_at = next_on_schedule(*advertise_at, self.settings.interval.duration(), now);
        }
        if rounds > 0 {
            effects.push(Effect::Announce { rounds });
        }
    }

    fn active_hears(&mut self, now: Instant, heard: Advertisement, effects: &mut Vec<Effect>) {
        let rival = Leader { source: heard.source, priority: heard.priority };
        // SM-ACT-10: our own advert came back, or somebody has our address. Answering would be a storm.
        if heard.source == self.primary {
            return;
        }
        // SM-ACT-12, SM-ACT-13: two owners is a mistake to shout about; then the ordinary rule settles it.
        if self.priority.is_owner() && heard.priority.is_owner() {
            effects.push(Effect::Notice(Notice::SecondOwner(heard.source)));
        }
        if heard.priority == Priority::LEAVING {
            // SM-ACT-4: whoever left may have started the timers of other backups: stop them at once.
            effects.push(Effect::Advertise(self.priority));
            let next = self.phase.next(now, self.settings.interval.duration());
            if let State::Active { advertise_at, .. } = &mut self.state {
                *advertise_at = next;
            }
        } else if heard.priority > self.priority {
            self.yield_to(heard, Why::HigherPriority(rival), effects); // SM-ACT-5, SM-ACT-14
        } else if heard.priority == self.priority && heard.source > self.primary {
            self.yield_to(heard, Why::HigherAddress(rival), effects); // SM-ACT-6, SM-ACT-11
        } else {
            self.answer(now, rival, effects); // SM-ACT-7, SM-ACT-8
        }
    }

    /// SM-ACT-5, SM-ACT-6, SM-ACT-15, SM-ACT-16: to Backup, without priority 0.
    fn yield_to(&mut self, heard: Advertisement, why: Why, effects: &mut Vec<Effect>) {
        if self.settings.higher_priority_send_advert {
            effects.push(Effect::Advertise(self.priority));
        }
        let interval = match self.settings.version {
            Version::V2 => self.settings.interval,
            Version::V3 => heard.interval,
        };
        let state = State::Backup {
            down_at: heard.at + self.down(interval),
            interval,
            hold: None,
            leader: Some(Leader { source: heard.source, priority: heard.priority }),
            preempting: false,
        };
        self.turn(state, why, effects);
    }

    /// Whether a peer of the priority that [`Settings::late_rival`] names must have taken over by now, because our next
    /// advert is so late.
    fn must_have_lost(&self, now: Instant) -> bool {
        let (State::Active { advertise_at, .. }, Some(rival)) = (&self.state, self.settings.late_rival)
        else {
            return false;
        };
        let Settings { version, interval, down_adverts, .. } = self.settings;
        let silent = now.since(*advertise_at) + interval.duration();
        now > *advertise_at && silent >= timers::down(version, interval, rival, down_adverts)
    }

    /// To Backup, without priority 0: whoever took over shall keep it.
    fn give_way(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let interval = self.settings.interval;
        let down_at = now + self.down(interval);
        let state = State::Backup { down_at, interval, hold: None, leader: None, preempting: false };
        self.turn(state, Why::TooLate, effects);
    }

    fn stand_back(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        effects.push(Effect::Advertise(Priority::LEAVING));
        let interval = self.settings.interval;
        let down_at = now + self.down(interval);
        let state = State::Backup { down_at, interval, hold: None, leader: None, preempting: false };
        self.turn(state, Why::Group, effects);
    }

    /// SM-ACT-7, SM-ACT-8: a losing advert. Answer at once, so that the rival hears who leads and bridges and
    /// neighbours learn the way back to us; leave the schedule alone (SM-ACT-9); never more than the meter
    /// allows (SM-ACT-20).
    fn answer(&mut self, now: Instant, rival: Leader, effects: &mut Vec<Effect>) {
        effects.push(Effect::Notice(Notice::Rival(rival)));
        let announce = *self.settings.announce;
        let interval = self.settings.interval.duration();
        let State::Active { announcing, answers, .. } = &mut self.state else { return };
        if !answers.admits(now, interval / 4) {
            return;
        }
        if !self.settings.lower_priority_no_advert {
            effects.push(Effect::Advertise(self.priority));
        }
        if announce.lower_priority_repeat > 0 {
            effects.push(Effect::Announce { rounds: announce.lower_priority_repeat });
            if !announce.lower_priority_delay.is_zero() {
                announcing.rival_at = Some(now + announce.lower_priority_delay);
            }
        }
    }

    // ---- In every state ----

    fn primary_changes(&mut self, primary: IpAddr, effects: &mut Vec<Effect>) {
        if self.primary == primary {
            return;
        }
        self.primary = primary;
        // SBY-9: the order between two Active routers may have flipped; let the other one know.
        if self.role() == Role::Active {
            effects.push(Effect::Advertise(self.priority));
        }
    }

    fn priority_changes(&mut self, now: Instant, priority: Priority, effects: &mut Vec<Effect>) {
        if self.priority == priority {
            return;
        }
        self.set_priority(priority);
        match &self.state {
            // SM-BKP-17.
            State::Backup { .. } if priority.is_owner() => self.become_active(now, Why::Owner, effects),
            State::Initialize => {}
            State::Backup { .. } => self.spare_leader(now),
            // SM-ACT-19: a better backup can start counting at once.
            State::Active { .. } => effects.push(Effect::Advertise(priority)),
        }
    }

    /// Moves the running timer by the difference of the skews (as keepalived does): it always is where the
    /// priority in force would have put it, however often that changed.
    fn set_priority(&mut self, priority: Priority) {
        let before = self.skew_time();
        self.priority = priority;
        let after = self.skew_time();
        match &mut self.state {
            State::Backup { down_at, .. } => *down_at = (*down_at + after) - before,
            State::Initialize | State::Active { .. } => {}
        }
    }

    fn reconfigure(
        &mut self,
        now: Instant,
        settings: Settings,
        priority: Priority,
        effects: &mut Vec<Effect>,
    ) {
        let relearn = self.settings.version != settings.version || settings.version == Version::V2;
        let hold_again = self.settings.preempt_delay != settings.preempt_delay;
        // An owner that already is one and follows a second owner (SM-ACT-13) goes on doing so.
        let becomes_owner = priority.is_owner() && !self.priority.is_owner();
        self.set_priority(priority);
        self.settings = settings;
        let own = self.settings.interval;
        let next = self.phase.next(now, own.duration());
        match &mut self.state {
            State::Initialize => {}
            // SM-BKP-17.
            State::Backup { .. } if becomes_owner => self.become_active(now, Why::Owner, effects),
            // SM-BKP-16: the running deadline stays; the new settings count from the next arming.
            State::Backup { interval, hold, .. } => {
                if relearn {
                    *interval = own;
                }
                if hold_again {
                    *hold = None;
                }
                self.spare_leader(now);
            }
            // Tell the others what changed, and keep the new rhythm from here.
            State::Active { advertise_at, announcing, .. } => {
                *advertise_at = next;
                announcing.follow(now, &self.settings.announce);
                effects.push(Effect::Advertise(priority));
            }
        }
    }

    fn turn(&mut self, state: State, why: Why, effects: &mut Vec<Effect>) {
        let from = self.role();
        self.state = state;
        effects.push(Effect::Transition(Transition { from, to: self.role(), why }));
    }
}

const fn why_stopped(manner: Manner) -> Why {
    match manner {
        Manner::Stop => Why::Stopped,
        Manner::Fault | Manner::Mute => Why::Fault,
    }
}

/// The first instant after `now` on the schedule that `due` belongs to. Late turns skip, they do not shift:
/// an interval stays an interval over any length of time.
fn next_on_schedule(due: Instant, interval: Duration, now: Instant) -> Instant {
    let next = due + interval;
    if next > now {
        return next;
    }
    let missed = now.since(due).as_nanos() / interval.as_nanos().max(1);
    let skip = u32::try_from(missed + 1).unwrap_or(u32::MAX);
    due + interval.saturating_mul(skip)
}

impl Announcing {
    fn after_takeover(now: Instant, settings: &AnnounceSettings) -> Self {
        let some = |wait: Duration| (!wait.is_zero()).then_some(wait);
        Self {
            again_at: some(settings.delay).map(|delay| now + delay),
            rival_at: None,
            refresh_at: some(settings.refresh).map(|refresh| now + settings.delay + refresh),
        }
    }

    /// New settings while Active: pending bursts stay, the refresh follows the new period.
    fn follow(&mut self, now: Instant, settings: &AnnounceSettings) {
        self.refresh_at = match (self.refresh_at, settings.refresh) {
            (_, refresh) if refresh.is_zero() => None,
            (Some(at), refresh) => Some(at.min(now + refresh)),
            (None, refresh) => Some(now + refresh),
        };
    }

    /// The rounds that are due; takes them off the list. Bursts that coincide become the larger one.
    fn due(&mut self, now: Instant, settings: &AnnounceSettings) -> u32 {
        let mut rounds = 0;
        if self.again_at.take_if(|at| now >= *at).is_some() {
            rounds = rounds.max(settings.repeat.max(1));
        }
        if self.rival_at.take_if(|at| now >= *at).is_some() {
            rounds = rounds.max(settings.lower_priority_repeat);
        }
        if let Some(at) = self.refresh_at.filter(|at| now >= *at) {
            rounds = rounds.max(settings.refresh_repeat.max(1));
            self.refresh_at = Some(next_on_schedule(at, settings.refresh, now));
        }
        rounds
    }
}

impl Meter {
    const BURST: u32 = 4;

    /// Whether one more fits; `each` is what one costs.
    fn admits(&mut self, now: Instant, each: Duration) -> bool {
        let from = self.used_until.max(now);
        if from.since(now) + each > each * Self::BURST {
            return false;
        }
        self.used_until = from + each;
        true
    }
}
