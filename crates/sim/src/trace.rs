//! Everything that happened in a world, and how to tell it.

use crate::plan::Step;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use node::compat;
use node::io::Effect;
use timeline::Instant;

/// Everything that happened, in order.
#[derive(Debug, Default)]
pub struct Trace(Vec<(Instant, Happening)>);

#[derive(Debug)]
pub(crate) enum Happening {
    Step(Step),
    /// A machine wanted this.
    Effect(usize, Effect),
    /// A daemon that was told to end has ended.
    Ended(usize),
}

impl Trace {
    pub(crate) fn note(&mut self, at: Instant, happening: Happening) {
        self.0.push((at, happening));
    }

    /// What a person wants to read: what was done to the world, and what the daemons logged.
    #[must_use]
    pub fn story(&self) -> String {
        let mut story = String::new();
        for (at, happening) in &self.0 {
            for line in told(happening) {
                let _ = writeln!(story, "{:>14}  {line}", format!("{at:?}"));
            }
        }
        story
    }

    /// All of it, for comparing: two runs of one seed have the same.
    #[must_use]
    pub fn whole(&self) -> String {
        let mut whole = String::new();
        for (at, happening) in &self.0 {
            let _ = writeln!(whole, "{at:?} {happening:?}");
            // A frame does not print its bytes.
            if let Happening::Effect(_, Effect::Send(frame)) = happening {
                let _ = writeln!(whole, "  {:02x?}", frame.datagram);
            }
        }
        whole
    }
}

fn told(happening: &Happening) -> Vec<String> {
    match happening {
        Happening::Step(step) => [format!("*** {}", words(step))].into(),
        Happening::Ended(n) => [format!("*** {} has ended in order", name(*n))].into(),
        Happening::Effect(n, Effect::Report(event)) => {
            let lines = compat::log_lines(event);
            lines.iter().map(|line| format!("{}: {line}", name(*n))).collect()
        }
        Happening::Effect(_, Effect::Send(_) | Effect::Hold(_) | Effect::Run(_) | Effect::Kill(_)) => {
            Vec::new()
        }
    }
}

/// How a machine is called.
pub(crate) fn name(n: usize) -> String {
    format!("node{}", n + 1)
}

fn words(step: &Step) -> String {
    match step {
        Step::Start(n) => format!("{}: the daemon starts", name(*n)),
        Step::Stop(n) => format!("{}: the daemon is told to end", name(*n)),
        Step::Crash(n, true) => format!("{}: the daemon dies, and what it held is removed", name(*n)),
        Step::Crash(n, false) => format!("{}: the daemon dies, and what it held stays", name(*n)),
        Step::Reload(n, _) => format!("{}: reload", name(*n)),
        Step::Freeze(n, time) => format!("{}: nothing runs for {time:?}", name(*n)),
        Step::Stall(n, time) => format!("{}: adverts wait for {time:?}", name(*n)),
        Step::Hand(n, time) => format!("{}: setting addresses takes {time:?} from now on", name(*n)),
        Step::Up(n, up) => format!("{}: eth0 is set {}", name(*n), if *up { "up" } else { "down" }),
        Step::Carrier(n, true) => format!("{}: the cable is plugged in", name(*n)),
        Step::Carrier(n, false) => format!("{}: the cable is pulled", name(*n)),
        Step::Steal(n, address) => format!("{}: somebody removes {address}", name(*n)),
        Step::Unseen(n, address) => {
            format!("{}: somebody removes {address}, and what the kernel told was lost", name(*n))
        }
        Step::Refuse(n, address, true) => format!("{}: {address} cannot be set", name(*n)),
        Step::Refuse(n, address, false) => format!("{}: {address} can be set again", name(*n)),
        Step::Overrun(n) => format!("{}: notifications and adverts were lost", name(*n)),
        Step::Path(from, to, path) => {
            let (from, to) = (name(*from), name(*to));
            if path.cut {
                format!("nothing from {from} reaches {to}")
            } else if *path == crate::lan::Path::GOOD {
                format!("everything from {from} reaches {to}")
            } else {
                format!(
                    "from {from} to {to} {} ‰ are lost, {} ‰ doubled, and they take {:?} and up to {:?} more",
                    path.lost, path.doubled, path.delay, path.jitter
                )
            }
        }
        Step::Heal => "the storm is over: everything is healed and every daemon runs".into(),
    }
}
