//! A case on its stage: a laboratory of its own, the same daemon on every machine, called the same way.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::harness::{Stop, fail};
use lab::{Daemon, Lab, Lossy, Machine};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::case::Case;
use crate::heard::{self, Ear, Phase, Played};

/// Where each machine has its configuration.
pub(crate) const CONF: &str = "/run/keepalived.conf";
const PID: &str = "/run/keepalived.pid";
/// Within this time a daemon says that it has started, or read its file again.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many lines of a log are shown when the two differ.
const LINES: usize = 60;

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

/// A machine and what runs on it.
pub(crate) struct Node {
    pub(crate) machine: Machine,
    pub(crate) conf: String,
    pub(crate) running: Option<Daemon>,
    logs: String,
}

/// Everything of one case with one kind.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    program: PathBuf,
    pub(crate) nodes: Vec<Node>,
    pub(crate) ears: Vec<Ear>,
    pub(crate) losses: Vec<Lossy>,
    /// Files by their names in the case.
    pub(crate) files: BTreeMap<String, String>,
    /// How daemons ended in this act.
    pub(crate) ends: Vec<(String, String)>,
}

/// Plays a case from its first to its last act.
pub(crate) fn play(case: &Case, kind: Kind, program: &Path) -> Result<Played, Stop> {
    let mut stage = Stage::new(case, kind, program)?;
    let mut phases: Vec<Phase> = Vec::new();
    for (at, act) in case.story.iter().enumerate() {
        let since = lab::now();
        for part in act.split(';') {
            stage.act(part.trim()).map_err(|stop| match stop {
                Stop::Failed(why) => fail(format!("{part:?}: {why}\n{}", stage.logs())),
                other @ (Stop::Skip(_) | Stop::Missing(_)) => other,
            })?;
        }
        let logs = || stage.logs();
        heard::wait_for_quiet(&stage.ears, case.quiet).map_err(|stop| match stop {
            Stop::Failed(why) => fail(format!("{act:?}: {why}\n{}", logs())),
            other @ (Stop::Skip(_) | Stop::Missing(_)) => other,
        })?;
        // What happens again has a name of its own.
        let name = match case.story[..at].iter().filter(|before| *before == act).count() {
            0 => act.clone(),
            before => format!("{act} ({})", before + 1),
        };
        let mut phase = heard::hear(&mut stage.ears, case, &name, since)?;
        for (machine, how) in std::mem::take(&mut stage.ends) {
            phase.seen.entry(format!("{machine} ends")).or_default().push(how);
        }
        phases.push(phase);
    }
    Ok(Played { phases, logs: stage.logs() })
}

impl Stage {
    fn new(case: &Case, kind: Kind, program: &Path) -> Result<Self, Stop> {
        let mut builder = Lab::builder();
        for (number, name) in (5..).zip(&case.machines) {
            builder =
                builder.machine(name, &format!("10.0.0.{number}/24"), Some(&format!("fd00:10::{number}/64")));
        }
        let lab = builder.build()?;
        let called = lab.directory().join("keepalived");
        match kind {
            Kind::Standfast => std::os::unix::fs::symlink(program, &called)?,
            Kind::Keepalived => {}
        }
        let program = if kind == Kind::Standfast { called } else { program.to_owned() };
        let mut stage = Self {
            lab,
            program,
            nodes: Vec::new(),
            ears: Vec::new(),
            losses: Vec::new(),
            files: case.files.clone(),
            ends: Vec::new(),
        };
        for name in &case.machines {
            let machine = stage.lab.machine(name)?.clone();
            stage.furnish(case, machine)?;
        }
        Ok(stage)
    }

    /// What the configurations of all cases expect to find.
    fn furnish(&mut self, case: &Case, machine: Machine) -> Result<(), Stop> {
        for link in &case.links {
            let mut netlink = machine.netlink();
            netlink.create_veth(link, &format!("{link}far"), None)?;
            netlink.set_up(link, true)?;
            netlink.set_up(&format!("{link}far"), true)?;
        }
        program(&machine, "/run/rec", "#!/bin/sh\necho \"$*\" >/run/told\n")?;
        program(&machine, "/run/check", "#!/bin/sh\ntest ! -e \"/run/bad-$1\"\n")?;
        for (path, text) in &case.programs {
            program(&machine, path, text)?;
        }
        let conf = case.configuration(machine.name()).map_err(fail)?.to_owned();
        machine.write(CONF, &conf)?;
        let (told, fifo) = (reader(&machine, "/run/told")?, reader(&machine, "/run/fifo")?);
        let mut links = vec!["eth0"];
        links.extend(case.links.iter().map(String::as_str));
        self.ears.push(Ear::new(&machine, &links, told, fifo)?);
        self.nodes.push(Node { machine, conf, running: None, logs: String::new() });
        Ok(())
    }

    /// Which machine that is.
    pub(crate) fn number(&self, name: &str) -> Result<usize, Stop> {
        let found = self.nodes.iter().position(|node| node.machine.name() == name);
        found.ok_or_else(|| fail(format!("there is no machine {name}")))
    }

    pub(crate) fn start(&mut self, node: usize) -> Result<(), Stop> {
        let node = &mut self.nodes[node];
        if let Some(past) = node.running.take() {
            node.logs += &past.log();
        }
        node.running = Some(node.machine.spawn(&self.program, |command| {
            command.args(["-n", "-l", "-D", "-f", CONF, "-p", PID, "-r", "/run/vrrp.pid", "-i"]);
            command.arg(node.machine.name()).env("TMPDIR", "/run");
        })?);
        Ok(())
    }

    /// Waits until a daemon says so. One that says nothing of the kind (it has ended; it refused) has had its time.
    pub(crate) fn wait_for(&self, node: usize, mark: usize, line: &str) {
        if let Some(daemon) = &self.nodes[node].running {
            let _ = daemon.wait_for_line_from(mark, line, PATIENCE);
        }
    }

    /// The last that the daemons said.
    fn logs(&self) -> String {
        self.nodes.iter().fold(String::new(), |mut text, node| {
            let mut log = node.logs.clone();
            log.extend(node.running.iter().map(Daemon::log));
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LINES)..];
            let _ = writeln!(text, "--- {}\n{}", node.machine.name(), last.join("\n"));
            text
        })
    }
}

/// A program on a machine.
fn program(machine: &Machine, path: &str, text: &str) -> Result<(), Stop> {
    machine.write(path, text)?;
    machine.within(|| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap())?;
    Ok(())
}

/// Makes a FIFO, and prints what comes out of it.
fn reader(machine: &Machine, path: &str) -> Result<Daemon, Stop> {
    let mode = Mode::from_raw_mode(0o600);
    let made = machine.within(|| mknodat(CWD, path, FileType::Fifo, mode, 0))?;
    made.map_err(|why| fail(format!("make {path}: {why}")))?;
    // Open for writing too, so that it does not end with the first writer.
    Ok(machine.spawn("/bin/sh", |command| {
        command.args(["-c", &format!("exec cat 0<>{path}")]);
    })?)
}
