//! Daemons in machines: ours and Debian's keepalived behind one face, so that each story can be told with either
//! in either role.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lab::harness::{Outcome, Stop, fail, program};
use lab::{Daemon, Ended, Lab, Line, Machine};

use crate::conf::{LB01, LB02};

/// Long enough for anything that happens at once, on a busy machine too.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// Long enough for an election with adverts every second.
pub(crate) const ELECTION: Duration = Duration::from_secs(15);
/// How late a busy machine may do what was due.
pub(crate) const SLACK: Duration = Duration::from_millis(600);
/// How much earlier than it was due something may seem to have happened: two clocks and rounding.
pub(crate) const JITTER: Duration = Duration::from_millis(15);

/// The program under test.
pub(crate) const OURS: &str = env!("CARGO_BIN_EXE_standfast");

/// The program, or a copy of it that this user may run.
pub(crate) fn ours() -> PathBuf {
    std::env::var_os(crate::user::PROGRAM).map_or_else(|| OURS.into(), PathBuf::from)
}

/// Whose daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Standfast,
    Keepalived,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standfast => "ours",
            Self::Keepalived => "theirs",
        })
    }
}

/// lb01 (.5), lb02 (.6) and a client (.9), with both families.
pub(crate) fn three() -> Result<Lab, lab::Error> {
    Lab::builder()
        .machine(LB01, "10.0.0.5/24", Some("fd00:10::5/64"))
        .machine(LB02, "10.0.0.6/24", Some("fd00:10::6/64"))
        .machine("client", "10.0.0.9/24", Some("fd00:10::9/64"))
        .build()
}

/// lb01 and a client, for a daemon that nobody contradicts.
pub(crate) fn alone() -> Result<Lab, lab::Error> {
    Lab::builder()
        .machine(LB01, "10.0.0.5/24", Some("fd00:10::5/64"))
        .machine("client", "10.0.0.9/24", Some("fd00:10::9/64"))
        .build()
}

/// A machine with a daemon's files, whether it runs or not.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) machine: Machine,
    pub(crate) kind: Kind,
    program: PathBuf,
    pub(crate) conf: PathBuf,
    pub(crate) pid_file: PathBuf,
}

impl Node {
    /// A node on `machine` with this configuration.
    pub(crate) fn new(machine: &Machine, kind: Kind, conf: impl AsRef<str>) -> Result<Self, Stop> {
        let node = Self {
            machine: machine.clone(),
            kind,
            program: match kind {
                Kind::Standfast => ours(),
                Kind::Keepalived => program("keepalived")?,
            },
            conf: machine.file("vrrp.conf"),
            pid_file: machine.file("daemon.pid"),
        };
        node.write(conf)?;
        Ok(node)
    }

    /// One of ours.
    pub(crate) fn ours(machine: &Machine, conf: impl AsRef<str>) -> Result<Self, Stop> {
        Self::new(machine, Kind::Standfast, conf)
    }

    /// Replaces the configuration file.
    pub(crate) fn write(&self, conf: impl AsRef<str>) -> Result<(), lab::Error> {
        self.machine.write(&self.conf, conf.as_ref())
    }

    fn arguments(&self, command: &mut Command) {
        match self.kind {
            Kind::Standfast => {
                command.args(["run", "-f"]).arg(&self.conf).arg("-p").arg(&self.pid_file);
            }
            Kind::Keepalived => {
                command.args(["-n", "-l", "-D", "-f"]).arg(&self.conf).arg("-p").arg(&self.pid_file);
            }
        }
        command.env("TMPDIR", self.dumps());
    }

    /// The directory for dumps, which is this machine's own.
    pub(crate) fn dumps(&self) -> PathBuf {
        self.machine.file("dumps")
    }

    /// Starts the daemon and does not wait for anything.
    pub(crate) fn spawn(&self) -> Result<Running, lab::Error> {
        self.spawn_with(|_| {})
    }

    /// Starts the daemon, with something different about the command.
    pub(crate) fn spawn_with(&self, shape: impl FnOnce(&mut Command)) -> Result<Running, lab::Error> {
        self.machine.write(self.dumps().join("place"), "")?;
        let daemon = self.machine.spawn(&self.program, |command| {
            self.arguments(command);
            shape(command);
        })?;
        Ok(Running { daemon, machine: self.machine.clone() })
    }

    /// Starts the daemon and waits until it says that it has started.
    pub(crate) fn start(&self) -> Result<Running, lab::Error> {
        let running = self.spawn()?;
        running.wait_for_line("Startup complete", SOON)?;
        Ok(running)
    }

    /// Starts the daemon and waits until VI_1 holds its addresses.
    pub(crate) fn start_active(&self) -> Result<Running, lab::Error> {
        let running = self.spawn()?;
        running.enters("VI_1", "MASTER", ELECTION)?;
        Ok(running)
    }
}

/// A daemon that was started.
#[derive(Debug)]
pub(crate) struct Running {
    daemon: Daemon,
    machine: Machine,
}

impl Deref for Running {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl Running {
    /// Waits until an instance enters a state, however long ago.
    pub(crate) fn enters(&self, instance: &str, state: &str, within: Duration) -> Result<Line, lab::Error> {
        self.enters_from(0, instance, state, within)
    }

    /// Waits until an instance enters a state after `mark`.
    pub(crate) fn enters_from(
        &self,
        mark: usize,
        instance: &str,
        state: &str,
        within: Duration,
    ) -> Result<Line, lab::Error> {
        let pattern = format!("({instance}) Entering {state} STATE");
        Ok(self.wait_for_line_from(mark, &pattern, within)?.1)
    }

    /// How many lines of the log contain `pattern`.
    pub(crate) fn count(&self, pattern: &str) -> usize {
        self.lines().all().iter().filter(|line| line.text.contains(pattern)).count()
    }

    /// The machine dies: no last word, no carrier, no answer.
    pub(crate) fn dies(&self, lab: &Lab) -> Result<(), lab::Error> {
        self.freeze()?;
        lab.cable(&self.machine).unplug()?;
        self.kill_crash()?;
        Ok(())
    }

    /// Asks it to end and expects that it does so with code 0.
    pub(crate) fn stop(&self) -> Outcome {
        self.term()?;
        match self.wait(SOON)? {
            Ended::Code(0) => Ok(()),
            other @ (Ended::Code(_) | Ended::Signal(_)) => {
                Err(fail(format!("it was asked to end and ended with {other:?}")))
            }
        }
    }

    /// Lines that tell of something wrong, those excepted that contain one of `allowed`.
    pub(crate) fn complaints(&self, allowed: &[&str]) -> Vec<String> {
        const SIGNS: [&str; 16] = [
            "error",
            "discard",
            "ignored an advert",
            "ignoring",
            "invalid",
            "mismatch",
            "bogus",
            "alarm",
            "panicked",
            "refused",
            "cannot",
            "unable",
            "failed",
            "wrong",
            "mistake",
            "warning",
        ];
        let lines = self.lines().all().into_iter().map(|line| line.text);
        let bad = lines.filter(|text| {
            let small = text.to_lowercase();
            SIGNS.iter().any(|sign| small.contains(sign)) && !allowed.iter().any(|fine| text.contains(fine))
        });
        bad.collect()
    }
}

/// The two daemons of a story, lb01 before lb02.
pub(crate) fn nodes(lab: &Lab, kinds: [Kind; 2], conf: impl Fn(&str) -> String) -> Result<[Node; 2], Stop> {
    let make = |name: &str, kind| Node::new(lab.machine(name)?, kind, conf(name));
    Ok([make(LB01, kinds[0])?, make(LB02, kinds[1])?])
}

/// Starts both and waits until lb01 is the Active one and lb02 follows.
///
/// lb01 comes first: what it is ahead by its priority is little on a busy machine.
pub(crate) fn settle(nodes: &[Node; 2]) -> Result<[Running; 2], lab::Error> {
    let [first, second] = nodes;
    let active = first.spawn()?;
    active.enters("VI_1", "BACKUP", SOON)?;
    let backup = second.spawn()?;
    active.enters("VI_1", "MASTER", ELECTION)?;
    backup.enters("VI_1", "BACKUP", ELECTION)?;
    Ok([active, backup])
}

/// Whether a file is there, as a machine sees it.
pub(crate) fn exists(machine: &Machine, path: &Path) -> Result<bool, lab::Error> {
    machine.within(|| path.exists())
}
