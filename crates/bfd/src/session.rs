//! The session: its states, its intervals, and the two timers that follow from them.
//!
//! Neither timer is stored: when to send follows from the last packet and the interval that holds now, when to give up
//! from the last packet heard. So a neighbour that asks for another pace is followed at once (BT-4, BT-13).

use crate::chance::Chance;
use alloc::vec::Vec;
use timeline::{Duration, Instant, Machine};
use wire::bfd::{Control, Diagnostic, State};

/// Slower than this no session need be while it is not Up; faster it must not (RFC 5880 section 6.8.3).
const SLOW: u32 = 1_000_000;
/// No session sends faster, whatever it is told: microseconds.
const FASTEST: u32 = 1000;
/// Parts of an interval, for jitter.
const PARTS: u64 = 10_000;

/// What the administrator wants of a session. Intervals in microseconds, 1000 at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often it would like to send while Up.
    pub min_tx: u32,
    /// How often it takes packets.
    pub min_rx: u32,
    /// How often it sends while not Up; less than a second counts as one.
    pub idle_tx: u32,
    /// The neighbour may miss one fewer than so many packets in a row; not 0.
    pub multiplier: u8,
    /// Say nothing before the neighbour has spoken.
    pub passive: bool,
}

/// What can happen to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A packet for it was believed.
    Packet {
        /// What it says.
        control: Control,
        /// When it came, not after now.
        at: Instant,
    },
    /// Other settings.
    Reconfigure(Settings),
    /// The administrator wants no session any more: it says so and stays AdminDown.
    Disable,
    /// Time has passed.
    Elapsed,
}

/// What a session wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this.
    Send(Control),
    /// It stands elsewhere.
    Moved(Transition),
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Before.
    pub from: State,
    /// Now.
    pub to: State,
    /// What it tells its neighbour about that.
    pub diagnostic: Diagnostic,
    /// What the neighbour last told about its own state.
    pub theirs: Diagnostic,
    /// Where the neighbour last said that it stands: one that is AdminDown went down on purpose (BCL-2).
    pub remote: State,
    /// Nothing was heard for so long: the Detection Time.
    pub silence: Option<Duration>,
}

/// What the neighbour last said, or what holds until it speaks (BVAR-2, 4, 8, 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Remote {
    state: State,
    diagnostic: Diagnostic,
    discriminator: u32,
    min_tx: u32,
    min_rx: u32,
    multiplier: u8,
    demand: bool,
}

impl Remote {
    const UNHEARD: Self = Self {
        state: State::Down,
        diagnostic: Diagnostic::NONE,
        discriminator: 0,
        min_tx: 0,
        min_rx: 1,
        multiplier: 1,
        demand: false,
    };
}

/// A change of intervals is told with P until the neighbour answers (RFC 5880 section 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Poll {
    None,
    Running,
    /// Running for an older change; another follows.
    Stale,
    /// The answer to the older one has come: the next begins with a packet that is none (BT-15).
    Next,
}

/// One session with one neighbour.
#[derive(Clone, Debug)]
pub struct Session {
    settings: Settings,
    state: State,
    diagnostic: Diagnostic,
    discriminator: u32,
    remote: Remote,
    poll: Poll,
    /// What counts for sending and for the Detection Time, while the neighbour may not know the new values yet.
    tx_in_use: u32,
    rx_in_use: u32,
    /// When it last sent a packet of its own accord, and the part of the interval after which the next follows.
    sent_at: Option<Instant>,
    part: u64,
    /// When the last packet that counts came; `None`: silence has been concluded.
    heard_at: Option<Instant>,
    excused: bool,
    chance: Chance,
}

impl Session {
    /// A session that is Down. `discriminator` names it, not 0 and no other's on this host; `chance` shortens its
    /// intervals.
    #[must_use]
    pub const fn new(settings: Settings, discriminator: u32, chance: Chance) -> Self {
        Self {
            settings,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            discriminator: if discriminator == 0 { 1 } else { discriminator },
            remote: Remote::UNHEARD,
            poll: Poll::None,
            tx_in_use: SLOW,
            rx_in_use: settings.min_rx,
            sent_at: None,
            part: PARTS,
            heard_at: None,
            excused: false,
            chance,
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Where the neighbour said that it stands.
    #[must_use]
    pub const fn remote_state(&self) -> State {
        self.remote.state
    }

    /// Why it last went down.
    #[must_use]
    pub const fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    /// What the neighbour last said about its own state.
    #[must_use]
    pub const fn remote_diagnostic(&self) -> Diagnostic {
        self.remote.diagnostic
    }

    /// Its name on this host.
    #[must_use]
    pub const fn discriminator(&self) -> u32 {
        self.discriminator
    }

    /// The neighbour's name for it; 0: not known.
    #[must_use]
    pub const fn remote_discriminator(&self) -> u32 {
        self.remote.discriminator
    }

    /// The interval of its packets, without jitter (BT-1).
    #[must_use]
    pub fn send_interval(&self) -> Duration {
        Duration::from_micros(self.tx_in_use.max(self.remote.min_rx).max(FASTEST).into())
    }

    /// How long the neighbour may be silent (BT-7); `None`: it has not been heard.
    #[must_use]
    pub fn detection_time(&self) -> Option<Duration> {
        self.heard_at.map(|_| self.detection())
    }

    fn detection(&self) -> Duration {
        let interval = self.rx_in_use.max(self.remote.min_tx).max(FASTEST);
        Duration::from_micros(interval.into()) * u32::from(self.remote.multiplier)
    }

    /// What it says that it would like to send at (BVAR-6).
    fn desired_tx(&self) -> u32 {
        match self.state {
            State::Up => self.settings.min_tx,
            State::AdminDown | State::Down | State::Init => self.settings.idle_tx.max(SLOW),
        }
    }

    fn silent_at(&self) -> Option<Instant> {
        self.heard_at.map(|heard| heard + self.detection())
    }

    /// When the next packet is due (BT-2 to BT-6, BRX-18).
    fn send_at(&self) -> Option<Instant> {
        let remote = &self.remote;
        let both_up = self.state == State::Up && remote.state == State::Up;
        let is_polling = matches!(self.poll, Poll::Running | Poll::Stale);
        if remote.min_rx == 0
            || self.settings.passive && remote.discriminator == 0
            || remote.demand && both_up && !is_polling
        {
            return None;
        }
        let Some(sent) = self.sent_at else { return Some(Instant::EPOCH) };
        let micros = u64::try_from(self.send_interval().as_micros()).unwrap_or(u64::MAX);
        Some(sent + Duration::from_nanos(micros.saturating_mul(1000) / PARTS * self.part))
    }

    fn packet(&self, is_final: bool) -> Control {
        Control {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: !is_final && matches!(self.poll, Poll::Running | Poll::Stale),
            is_final,
            independent: false,
            demand: false,
            multiplier: self.settings.multiplier.max(1),
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx: self.desired_tx(),
            required_min_rx: self.settings.min_rx,
            required_min_echo_rx: 0,
        }
    }

    fn send(&mut self, now: Instant, is_final: bool, effects: &mut Vec<Effect>) {
        self.sent_at = Some(now);
        // BT-2, BT-3: drawn anew for each packet.
        let most = if self.settings.multiplier <= 1 { PARTS * 9 / 10 } else { PARTS };
        self.part = self.chance.between(PARTS * 3 / 4, most + 1);
        effects.push(Effect::Send(self.packet(is_final)));
    }

    fn hear(&mut self, now: Instant, control: &Control, at: Instant, effects: &mut Vec<Effect>) {
        self.remote = Remote {
            state: control.state,
            diagnostic: control.diagnostic,
            discriminator: control.my_discriminator,
            min_tx: control.desired_min_tx,
            min_rx: control.required_min_rx,
            multiplier: control.multiplier.max(1),
            demand: control.demand,
        };
        self.heard_at = self.heard_at.max(Some(at.min(now)));
        self.excused = false;
        match (self.poll, control.is_final) {
            (Poll::Running, true) => {
                self.poll = Poll::None;
                self.settle();
            }
            (Poll::Stale, true) => self.poll = Poll::Next,
            (Poll::Next, false) => self.poll = Poll::Running,
            (Poll::None | Poll::Running | Poll::Stale | Poll::Next, _) => {}
        }
        let to = match (self.state, control.state) {
            (State::Down, State::Down) => State::Init,
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => State::Up,
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => State::Down,
            (stays, _) => stays,
        };
        let moved = to != self.state;
        if moved {
            if to == State::Down {
                self.diagnostic = Diagnostic::NEIGHBOR_DOWN;
            }
            self.go(to, None, effects);
        }
        // BRX-19, BRX-22: an answer is owed in any state. It carries what is new as well (BSM-22).
        if control.poll && !moved {
            effects.push(Effect::Send(self.packet(true)));
        } else if moved {
            self.send(now, control.poll, effects);
        }
    }

    fn go(&mut self, to: State, silence: Option<Duration>, effects: &mut Vec<Effect>) {
        let from = core::mem::replace(&mut self.state, to);
        // Up begins with a poll, because the slow rate of before ends (BT-9); what is not Up has nobody to ask.
        self.poll = if to == State::Up { Poll::Running } else { Poll::None };
        self.settle();
        let (diagnostic, theirs, remote) = (self.diagnostic, self.remote.diagnostic, self.remote.state);
        effects.push(Effect::Moved(Transition { from, to, diagnostic, theirs, remote, silence }));
    }

    /// The values that are told count.
    fn settle(&mut self) {
        (self.tx_in_use, self.rx_in_use) = (self.desired_tx(), self.settings.min_rx);
    }

    fn reconfigure(&mut self, settings: Settings) {
        let before = core::mem::replace(&mut self.settings, settings);
        if self.state != State::Up {
            return self.settle();
        }
        // BT-10, BT-11: neither slower nor less patient before the neighbour knows. The rest counts at once (BT-12).
        self.tx_in_use = self.tx_in_use.min(settings.min_tx);
        self.rx_in_use = self.rx_in_use.max(settings.min_rx);
        if (before.min_tx, before.min_rx) != (settings.min_tx, settings.min_rx) {
            self.poll = match self.poll {
                Poll::None | Poll::Next => Poll::Running,
                Poll::Running | Poll::Stale => Poll::Stale,
            };
        }
    }

    fn elapse(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if let Some(silent_at) = self.silent_at().filter(|at| now >= *at) {
            let patience = self.detection();
            if now.since(silent_at) > patience / 2 && !self.excused {
                // This process, or the machine, stood still: packets may have been lost on the way. Once.
                self.excused = true;
                self.heard_at = Some(now);
            } else {
                self.fall_silent(now, patience, effects);
            }
        }
        if self.send_at().is_some_and(|at| now >= at) {
            self.send(now, false, effects);
        }
    }

    /// BT-8, BVAR-4, BVAR-8: nothing was heard for a Detection Time.
    fn fall_silent(&mut self, now: Instant, patience: Duration, effects: &mut Vec<Effect>) {
        self.heard_at = None;
        self.remote.discriminator = 0;
        self.remote.min_rx = 1;
        self.remote.demand = false;
        if matches!(self.state, State::Init | State::Up) {
            self.diagnostic = Diagnostic::EXPIRED;
            self.go(State::Down, Some(patience), effects);
            // BSM-22; one that is passive has nobody to speak to any more.
            if !self.settings.passive {
                self.send(now, false, effects);
            }
        }
    }
}

impl Machine for Session {
    type Input<'a> = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Packet { control, at } => self.hear(now, &control, at, effects),
            Input::Reconfigure(settings) => self.reconfigure(settings),
            Input::Disable => {
                if self.state != State::AdminDown {
                    self.diagnostic = Diagnostic::ADMIN_DOWN;
                    self.go(State::AdminDown, None, effects);
                    if self.send_at().is_some() {
                        self.send(now, false, effects);
                    }
                }
            }
            Input::Elapsed => self.elapse(now, effects),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        [self.silent_at(), self.send_at()].into_iter().flatten().min()
    }
}
