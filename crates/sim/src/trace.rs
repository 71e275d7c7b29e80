//! Everything that happened in a world, and how to tell it.

use crate::forge::Forgery;
use crate::lan::Path;
use crate::programs::Course;
use crate::scene::Step;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write as _;
use node::compat;
use node::io::{Effect, Ending};
use node::sessions::Reach;
use timeline::Instant;

/// Everything that happened, in order.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    names: Vec<Arc<str>>,
    happenings: Vec<(Instant, Happening)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Step(Step),
    /// A machine wanted this.
    Effect(usize, Effect),
    /// A daemon that was told to end has ended.
    Ended(usize),
    /// A machine that stood still runs again.
    Woke(usize),
    /// The desk fell behind: so many reports came late, so many were dropped.
    Late(usize, usize, usize),
}

impl Trace {
    pub(crate) const fn new(names: Vec<Arc<str>>) -> Self {
        Self { names, happenings: Vec::new() }
    }

    pub(crate) fn note(&mut self, at: Instant, happening: Happening) {
        self.happenings.push((at, happening));
    }

    /// What a person wants to read: what was done to the world, and what the daemons logged.
    #[must_use]
    pub fn story(&self) -> String {
        let mut story = String::new();
        for (at, happening) in &self.happenings {
            for line in self.told(happening) {
                let _ = writeln!(story, "{:>14}  {line}", format!("{at:?}"));
            }
        }
        story
    }

    /// All of it, for comparing: two runs of one seed have the same.
    #[must_use]
    pub fn whole(&self) -> String {
        let mut whole = String::new();
        for (at, happening) in &self.happenings {
            let _ = writeln!(whole, "{at:?} {happening:?}");
            // A frame does not print its bytes.
            if let Happening::Effect(_, Effect::Send(frame)) = happening {
                let _ = writeln!(whole, "  {:02x?}", frame.datagram);
            }
        }
        whole
    }

    /// How a machine is called.
    pub(crate) fn name(&self, n: usize) -> &str {
        self.names.get(n).map_or("nobody", |name| name)
    }

    fn told(&self, happening: &Happening) -> Vec<String> {
        match happening {
            Happening::Step(step) => [format!("*** {}", self.words(step))].into(),
            Happening::Ended(n) => [format!("*** {} has ended in order", self.name(*n))].into(),
            Happening::Woke(n) => [format!("*** {} runs again", self.name(*n))].into(),
            Happening::Late(n, late, 0) => {
                [format!("*** {}: the desk reads {late} reports late", self.name(*n))].into()
            }
            Happening::Late(n, late, lost) => {
                let name = self.name(*n);
                [format!("*** {name}: the desk reads {late} reports late, and {lost} were dropped")].into()
            }
            Happening::Effect(n, Effect::Report(event)) => {
                let lines = compat::log_lines(event);
                lines.iter().map(|line| format!("{}: {line}", self.name(*n))).collect()
            }
            Happening::Effect(
                _,
                Effect::Send(_)
                | Effect::Hold(_)
                | Effect::Run(_)
                | Effect::Kill(_)
                | Effect::Tell(_)
                | Effect::Mail(_),
            ) => Vec::new(),
        }
    }

    fn words(&self, step: &Step) -> String {
        if let Some((machine, words)) = done_to(step) {
            return format!("{}: {words}", self.name(machine));
        }
        let Step::Path { segment, from, to, path } = step else {
            return "the storm is over: everything is healed and every daemon runs".into();
        };
        let (from, to) = (self.name(*from), self.name(*to));
        let place = segment.map(|segment| format!(" on segment {segment}")).unwrap_or_default();
        if path.cut {
            return format!("nothing from {from} reaches {to}{place}");
        }
        match *path {
            Path::GOOD => format!("everything from {from} reaches {to}{place}"),
            Path::NO_MULTICAST => format!("no multicast from {from} reaches {to}{place}"),
            Path { no_multicast, lost, doubled, delay, jitter, cut: _ } => {
                let but = if no_multicast { "no multicast, and " } else { "" };
                format!(
                    "from {from} to {to}{place}: {but}{lost} ‰ are lost, {doubled} ‰ doubled, and they take {delay:?} and up to {jitter:?} more"
                )
            }
        }
    }
}

/// The machine that a step happens to, and in words what happens.
fn done_to(step: &Step) -> Option<(usize, String)> {
    Some(match step {
        Step::Start(n) => (*n, "the daemon starts".into()),
        Step::Stop(n) => (*n, "the daemon is told to end".into()),
        Step::PowerLost(n) => (*n, "the power is lost".into()),
        Step::Crash { machine, cleaned: true } => {
            (*machine, "the daemon dies, and what it held is removed".into())
        }
        Step::Crash { machine, cleaned: false } => {
            (*machine, "the daemon dies, and what it held stays".into())
        }
        Step::Replace { machine, .. } => (*machine, "the worker dies".into()),
        Step::Succeed(n) => (*n, "another worker begins".into()),
        Step::Revoke(n) => (*n, "the supervisor waits no longer for another worker".into()),
        Step::Edit { machine, .. } => (*machine, "the configuration is changed, and nobody is told".into()),
        Step::Reload { machine, reading, .. } => {
            (*machine, format!("reload, which takes {reading:?} to read"))
        }
        Step::Freeze { machine, time } => (*machine, format!("the daemon does not run for {time:?}")),
        Step::Suspend { machine, time } => (*machine, format!("the machine sleeps for {time:?}")),
        Step::Pause { machine, time } => {
            (*machine, format!("the machine and its clock stand still for {time:?}"))
        }
        Step::Stall { machine, time } => (*machine, format!("adverts wait for {time:?}")),
        Step::Hand { machine, time } => (*machine, format!("setting addresses takes {time:?} from now on")),
        Step::Desk { machine, time } => {
            (*machine, format!("signals, configurations and logs wait for {time:?}"))
        }
        Step::Wall { machine, millis } => (*machine, format!("the wall clock jumps by {millis} ms")),
        Step::Up { machine, interface, up } => {
            (*machine, format!("{interface} is set {}", if *up { "up" } else { "down" }))
        }
        Step::Present { machine, interface, present } => {
            (*machine, format!("{interface} {}", if *present { "is there again" } else { "vanishes" }))
        }
        Step::Rename { machine, interface, name } => {
            (*machine, format!("{interface} is called {name} from now on"))
        }
        Step::Own { machine, interface, there } => {
            let done = if *there { "set again" } else { "removed" };
            (*machine, format!("the machine's own addresses on {interface} are {done}"))
        }
        Step::Forged { machine, instance, forgery, priority } => {
            let (number, wrong) = (instance + 1, flaw(*forgery));
            (
                *machine,
                format!("somebody forges an advert of priority {priority} for instance {number}: {wrong}"),
            )
        }
        Step::Abandon(n) => (*n, "the daemon is told to end and to leave everything as it is".into()),
        Step::Carrier { machine, interface, on: true } => {
            (*machine, format!("the cable of {interface} is plugged in"))
        }
        Step::Carrier { machine, interface, on: false } => {
            (*machine, format!("the cable of {interface} is pulled"))
        }
        Step::Steal { machine, address } => (*machine, format!("somebody removes {address}")),
        Step::Unseen { machine, address } => {
            (*machine, format!("somebody removes {address}, and what the kernel told was lost"))
        }
        Step::Refuse { machine, address, refused: true } => (*machine, format!("{address} cannot be set")),
        Step::Refuse { machine, address, refused: false } => {
            (*machine, format!("{address} can be set again"))
        }
        Step::Check { machine, script, course } => (*machine, course_of(script, course)),
        Step::File { machine, file, value } => (
            *machine,
            match value {
                Ok(number) => format!("the file {file} says {number}"),
                Err(why) => format!("there is no number in the file {file}: {why:?}"),
            },
        ),
        Step::Processes { machine, process, count } => (
            *machine,
            match count {
                Ok(count) => format!("{count} processes match {process}"),
                Err(errno) => format!("the processes of {process} cannot be watched: {errno}"),
            },
        ),
        Step::Bfd { machine, session, reach: Reach::Up } => {
            (*machine, format!("the BFD session {session} is up"))
        }
        Step::Bfd { machine, session, .. } => (*machine, format!("the BFD session {session} is down")),
        Step::Overrun(n) => (*n, "notifications and adverts were lost".into()),
        Step::Path { .. } | Step::Heal => return None,
    })
}

/// What is wrong with a forged advert.
const fn flaw(forgery: Forgery) -> &'static str {
    match forgery {
        Forgery::Routed => "a router has passed it on",
        Forgery::Version => "it has the other version",
        Forgery::Kind => "it is no advertisement",
        Forgery::Cut => "it ends too soon",
        Forgery::Tail => "bytes that nobody knows follow it",
        Forgery::Damaged => "its checksum is wrong",
        Forgery::Stranger => "it has a VRID that nobody has",
        Forgery::Password => "it has no password, or a guessed one",
        Forgery::Interval => "it has another interval",
        Forgery::Ourselves => "it comes from the machine's own address",
        Forgery::Destination => "it is sent to this machine alone",
        Forgery::Peer => "its sender is no peer",
    }
}

fn course_of(script: &str, course: &Course) -> String {
    match course {
        Course::Ends { after, how: Ending::Exited(status) } => {
            format!("{script} takes {after:?} and ends with status {status} from now on")
        }
        Course::Ends { after, how: Ending::Signalled(signal) } => {
            format!("{script} takes {after:?} and is killed by signal {signal} from now on")
        }
        Course::Ends { how: Ending::NotRun(why), .. } => format!("{script} cannot be run: {why}"),
        Course::Hangs { is_deaf: false } => format!("{script} hangs from now on"),
        Course::Hangs { is_deaf: true } => format!("{script} hangs and ignores SIGTERM from now on"),
    }
}
