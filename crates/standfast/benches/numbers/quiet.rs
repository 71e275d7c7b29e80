//! Is the machine idle? A figure from a busy one says nothing.

use std::time::Duration;

/// The share of the machine's processors that others may use before and after a run.
const BUSY: f64 = 0.04;
/// The share that the machine's host may take away during a run.
const STOLEN: f64 = 0.01;
/// How long to wait for quiet.
const PATIENCE: u32 = 40;
/// How often to look whether somebody else works after a run.
const LOOKS: u32 = 5;

/// Times of all processors, in ticks since boot.
#[derive(Clone, Copy, Debug, Default)]
struct Ticks {
    all: f64,
    idle: f64,
    stolen: f64,
}

impl Ticks {
    fn now() -> Self {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        // user nice system idle iowait irq softirq steal (proc(5)); guests are in user already.
        let numbers: Vec<f64> = text
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|word| word.parse().ok())
            .collect();
        let at = |which: usize| numbers.get(which).copied().unwrap_or(0.0);
        Self { all: numbers.iter().sum(), idle: at(3) + at(4), stolen: at(7) }
    }

    /// The shares that were busy and stolen since `before`.
    fn since(self, before: Self) -> (f64, f64) {
        let all = (self.all - before.all).max(1.0);
        (1.0 - (self.idle - before.idle) / all, (self.stolen - before.stolen) / all)
    }
}

/// Waits until nobody else works here. What is in the way, if it stays.
pub(crate) fn wait(anyway: bool) -> Result<(), String> {
    let mut busy = 0.0;
    for _ in 0..if anyway { 1 } else { PATIENCE } {
        let before = Ticks::now();
        std::thread::sleep(Duration::from_millis(if anyway { 100 } else { 500 }));
        busy = Ticks::now().since(before).0;
        if busy <= BUSY {
            return Ok(());
        }
    }
    Err(format!("the machine was busy to {:.0} % before", busy * 100.0))
}

/// Watches one run.
pub(crate) struct Watch(Ticks);

impl Watch {
    pub(crate) fn begin() -> Self {
        Self(Ticks::now())
    }

    /// What spoils the run, if anything.
    pub(crate) fn end(self) -> Option<String> {
        let (_, stolen) = Ticks::now().since(self.0);
        if stolen > STOLEN {
            return Some(format!("the machine's host took away {:.1} % of it meanwhile", stolen * 100.0));
        }
        // A daemon that was overwhelmed takes a moment to go.
        let mut busy = 0.0;
        for _ in 0..LOOKS {
            let before = Ticks::now();
            std::thread::sleep(Duration::from_millis(300));
            busy = Ticks::now().since(before).0;
            if busy <= BUSY {
                return None;
            }
        }
        Some(format!("the machine was busy to {:.0} % afterwards", busy * 100.0))
    }
}
