//! What is measured, what it should be, and what it was.

use std::fmt;
use std::time::Duration;

/// Whose figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    /// This program.
    Standfast,
    /// Debian's.
    Keepalived,
    /// The kernel alone.
    Floor,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Standfast => "Standfast",
            Self::Keepalived => "keepalived",
            Self::Floor => "floor",
        })
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Microseconds,
    Megabytes,
    Percent,
    Adverts,
    Thousands,
}

impl Measure {
    /// More of it is better.
    pub(crate) fn more_is_better(&self) -> bool {
        self.goals.iter().any(|goal| matches!(goal, Goal::Least(_)))
    }
}

impl Unit {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::Megabytes => "MB",
            Self::Percent => "%",
            Self::Adverts => "adverts",
            Self::Thousands => "thousand/s",
        }
    }
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// At most this.
    Most(f64),
    /// At least this.
    Least(f64),
    /// At most so many times the floor's.
    OfFloor(f64),
    /// At most so many times keepalived's.
    OfPeer(f64),
}

/// One thing that is measured.
#[derive(Debug, PartialEq)]
pub(crate) struct Measure {
    /// Its name in JSON.
    pub(crate) id: &'static str,
    /// What it is, in words.
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    /// All must hold; none: told for the record.
    pub(crate) goals: &'static [Goal],
}

macro_rules! measures {
    ($($name:ident: $id:literal, $what:literal, $unit:ident, $goals:expr;)*) => {
        $(pub(crate) const $name: &Measure =
            &Measure { id: $id, what: $what, unit: Unit::$unit, goals: &$goals };)*
        /// All of them, in the order of the table.
        pub(crate) const MEASURES: &[&Measure] = &[$($name),*];
    };
}

measures! {
    TAKEOVER_1: "takeover_1", "crash takeover of 1 address: first gratuitous ARP after due", Milliseconds, [Goal::Most(0.6)];
    TAKEOVER_1000: "takeover_1000", "crash takeover of 1000 addresses (50 × 20): last address's first gratuitous ARP after due", Milliseconds, [Goal::Most(25.0)];
    SILENCE_STOP: "silence_stop", "client silence, orderly stop (protocol: 609 ms)", Milliseconds, [];
    SILENCE_POWER: "silence_power", "client silence, power lost (protocol: up to 3609 ms)", Milliseconds, [];
    SILENCE_DELETED: "silence_deleted", "client silence, address deleted by hand", Milliseconds, [Goal::Most(15.0)];
    DRIFT: "drift", "1 instance at 10 ms: adverts sent of those due", Percent, [Goal::Least(99.95)];
    TEN_SENT: "ten_sent", "1000 instances at 10 ms, both nodes here: adverts sent of those due", Percent, [Goal::Least(99.0)];
    TEN_GAP: "ten_gap_p999", "the same: gap between adverts, 99.9th percentile", Milliseconds, [Goal::Most(15.0)];
    TEN_MAX: "ten_gap_max", "the same: longest gap (Active_Down_Interval: 34 ms)", Milliseconds, [Goal::Most(34.0)];
    TEN_BACKUP: "ten_backup", "the same: adverts by the backup", Adverts, [Goal::Most(0.0)];
    CPU_SENT: "cpu_sent", "CPU for an advert sent (1000 instances, 100 ms)", Microseconds, [Goal::OfFloor(1.3), Goal::OfPeer(0.6)];
    CPU_RECEIVED: "cpu_received", "CPU for an advert received (1000 instances, 100 ms)", Microseconds, [Goal::OfFloor(1.3), Goal::OfPeer(0.85)];
    LATE_SENT: "late_sent", "gap between adverts, longest (1000 instances, 100 ms)", Milliseconds, [];
    START: "start", "start of 1000 instances until all are Active, beyond the protocol's wait", Milliseconds, [Goal::Most(200.0)];
    RELOAD_NEW: "reload_new", "reload with 1 instance added to 1000: new address beyond the protocol's wait", Milliseconds, [Goal::Most(100.0)];
    RELOAD_LATE: "reload_late", "the same: longest gap beyond an advert's interval of 1 s, during the reload", Milliseconds, [Goal::Most(500.0)];
    CPU_FAMILIES: "cpu_families", "CPU for an advert sent, 255 VRIDs × both families on one interface, 100 ms", Microseconds, [];
    LATE_FAMILIES: "late_families", "the same: longest gap", Milliseconds, [];
    START_SIXTEEN: "start_sixteen", "start of 16 interfaces × 250 instances, beyond the protocol's wait (341 ms)", Milliseconds, [];
    CPU_SIXTEEN: "cpu_sixteen", "the same at 100 ms: CPU for an advert sent", Microseconds, [];
    LATE_SIXTEEN: "late_sixteen", "the same: longest gap", Milliseconds, [];
    START_TWENTY: "start_twenty", "start of 250 instances × 20 addresses, beyond the protocol's wait", Milliseconds, [];
    FLOOD_GAP: "flood_gap", "flood of foreign and malformed VRRP, 1 instance at 100 ms: longest gap between own adverts", Milliseconds, [Goal::Most(150.0)];
    FLOOD_RATE: "flood_rate", "the same: thousand frames a second that the flood reached", Thousands, [];
    FLOOD_CPU: "flood_cpu", "the same: CPU of the busier daemon, of one processor", Percent, [];
    FLOOD_TAKEN: "flood_taken", "the same: adverts by the backup", Adverts, [Goal::Most(0.0)];
    STALL_TAKEN: "stall_taken", "1000 instances at 100 ms, either node stands still 20 … 500 ms: adverts by the backup", Adverts, [Goal::Most(0.0)];
    BUSY_GAP: "busy_gap", "8 busy loops, 200 instances at 100 ms: longest gap", Milliseconds, [Goal::Most(200.0)];
    BUSY_TAKEN: "busy_taken", "the same: adverts by the backup", Adverts, [Goal::Most(0.0)];
    LOCKS_GAP: "locks_gap", "300 interfaces made and deleted again and again, 200 instances at 100 ms: longest gap", Milliseconds, [Goal::Most(200.0)];
    LOCKS_TAKEN: "locks_taken", "the same: adverts by the backup", Adverts, [Goal::Most(0.0)];
    SCRIPTS_GAP: "scripts_gap", "500 scripts a second, 200 instances at 100 ms: longest gap", Milliseconds, [Goal::Most(150.0)];
    SCRIPTS_CPU: "scripts_cpu", "the same: CPU of the daemon's own processes, of one processor (what a child costs before it runs its program is nobody's)", Percent, [];
    MEMORY: "memory", "memory, 1000 instances (all processes, proportional)", Megabytes, [Goal::Most(6.0)];
}

/// What one run of a trial gave.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) values: Vec<(&'static Measure, f64)>,
    /// Why there are none.
    pub(crate) failure: Option<String>,
    /// Single observations in milliseconds, for a plot.
    pub(crate) samples: Vec<(&'static Measure, Vec<f64>)>,
}

impl Figures {
    pub(crate) fn of(measure: &'static Measure, value: f64) -> Self {
        Self { values: vec![(measure, value)], ..Self::default() }
    }

    pub(crate) fn and(mut self, measure: &'static Measure, value: f64) -> Self {
        self.values.push((measure, value));
        self
    }

    /// A trial that could not be carried out: that is a result, too.
    pub(crate) fn failed(why: String) -> Self {
        Self { failure: Some(why), ..Self::default() }
    }

    pub(crate) fn sampled(mut self, measure: &'static Measure, samples: Vec<f64>) -> Self {
        self.samples.push((measure, samples));
        self
    }

    /// For the terminal, as they come.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.values
            .iter()
            .map(|(measure, value)| format!("{value:10.2} {:<7} {}", measure.unit.word(), measure.what))
    }
}

/// Milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Microseconds.
pub(crate) fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The value below which this share of the (sorted) values lies; NaN of nothing.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let at = (last as f64 * share).ceil() as usize;
    sorted.get(at.min(last)).copied().unwrap_or(f64::NAN)
}
