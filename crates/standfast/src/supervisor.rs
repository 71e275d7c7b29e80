//! The process that people see: small, without parsing and without network input. It holds the pid file's
//! lock, starts the worker, passes signals on, and sees to it that a worker's addresses do not outlive it.
//!
//! Stages of one invocation, each the same binary with the same words: *front* (detaches, in the background
//! case) → *supervisor* → *worker*. A stage is named by an environment variable that no child of ours inherits.

use crate::daemon::{Invocation, exit};
use crate::log::Log;
use crate::worker;
use linux::Error;
use linux::ledger::{self, Ledger, Reader};
use linux::netlink::Netlink;
use linux::pidfile::{self, PidFile};
use linux::signals::{Signal, Signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Names the stage that a process is started for; absent: the front.
const STAGE: &str = "STANDFAST_STAGE";
/// Numbers of the descriptors that a worker inherits: ledger, then pipe to the supervisor.
const INHERITED: &str = "STANDFAST_INHERITED";

/// What a worker says to its supervisor, one byte each.
pub mod word {
    /// Everything runs.
    pub const READY: u8 = b'R';
    /// A reload begins.
    pub const RELOADING: u8 = b'L';
    /// An orderly end begins.
    pub const STOPPING: u8 = b'S';
}

/// Addresses that the ledger has room for: 2 MiB of address space, and memory only for what is used.
const LEDGER: usize = 1 << 16;
/// How long a worker may take to end in order before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// A worker that ran this long is replaced at once when it dies.
const STEADY: Duration = Duration::from_secs(60);

/// Runs the stage that this process was started for.
#[must_use]
pub fn main(invocation: &Invocation, remarks: &[String]) -> u8 {
    let stage = std::env::var(STAGE).unwrap_or_default();
    if !stage.is_empty() {
        take_name(invocation);
    }
    if stage == "worker" {
        return run_worker(invocation, remarks);
    }
    if let Err(code) = prepare(invocation) {
        return code;
    }
    match stage.as_str() {
        "supervisor" => supervise(invocation),
        _ if invocation.foreground => supervise(invocation),
        _ => detach(),
    }
}

/// A stage was started as `/proc/self/exe`, and the kernel calls it `exe`: `ps` and `pidof` shall find it.
fn take_name(invocation: &Invocation) {
    let name = if invocation.as_keepalived { c"keepalived" } else { c"standfast" };
    // Only its looks depend on it.
    let _ = rustix::thread::set_name(name);
}

/// What every stage before the worker checks: the place, the privileges, the namespace.
fn prepare(invocation: &Invocation) -> Result<(), u8> {
    if let Some(name) = &invocation.namespace {
        enter_namespace(name)?;
    }
    if let Err(why) = linux::privileges::forbidden_netns() {
        return Err(complain(exit::PERMISSION, &why));
    }
    let missing = linux::privileges::missing();
    if !missing.is_empty() {
        for capability in &missing {
            complain(exit::PERMISSION, capability);
        }
        return Err(exit::PERMISSION);
    }
    if let Some(mask) = invocation.umask {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
    }
    Ok(())
}

fn complain(code: u8, why: &dyn std::fmt::Display) -> u8 {
    let _ = writeln!(std::io::stderr(), "standfast: {why}");
    code
}

/// `-s NAME`. A namespace that is not there ends the program with code 0, as keepalived's users know it.
fn enter_namespace(name: &str) -> Result<(), u8> {
    let namespace = linux::links::named_netns(name).map_err(|why| complain(exit::OK, &why))?;
    let kind = Some(rustix::thread::LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(namespace.as_fd(), kind)
        .map_err(|why| complain(exit::OK, &format!("cannot enter network namespace {name}: {why}")))?;
    Ok(())
}

// ---- front ----

/// Starts the supervisor in a session of its own and waits until it is ready: whoever started us may then rely
/// on the daemon, and sees its code if it could not start.
fn detach() -> u8 {
    let mut command = again("supervisor");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    linux::session::detach(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(why) => return complain(exit::FATAL, &format!("cannot start the daemon: {why}")),
    };
    // The supervisor writes one byte when it is ready, and closes its end when it ends.
    let mut said = [0; 1];
    let ready = child.stdout.take().map(|mut pipe| pipe.read_exact(&mut said));
    if matches!(ready, Some(Ok(()))) {
        return exit::OK;
    }
    child.wait().map_or(exit::FATAL, code_of)
}

/// This program once more, with the same words.
fn again(stage: &str) -> Command {
    let mut words = std::env::args_os();
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    command.args(words).env(STAGE, stage);
    command
}

/// Lets go of the standard error that the starter gave us: in the background nobody reads it.
pub(crate) fn leave_stderr() {
    if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

fn code_of(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::SOFTWARE)
}

/// The worker has said why it cannot run; another one could not either.
fn is_permanent(status: ExitStatus) -> bool {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.is_some_and(|code| matches!(code, exit::FATAL | exit::CONFIG | exit::PERMISSION | exit::NO_CONFIG))
}

// ---- supervisor ----

/// A running worker.
struct Worker {
    child: Child,
    pidfd: OwnedFd,
    words: std::io::PipeReader,
    since: Instant,
}

struct Supervisor<'a> {
    invocation: &'a Invocation,
    log: Log,
    signals: Signals,
    ledger: Ledger,
    /// Told once, whatever happens to workers later.
    was_ready: bool,
    stopping: Option<Instant>,
    backoff: Duration,
}

fn supervise(invocation: &Invocation) -> u8 {
    match hold_the_place(invocation) {
        Ok(_lock) => match Supervisor::new(invocation) {
            Ok(mut supervisor) => supervisor.run(),
            Err(why) => complain(exit::FATAL, &why),
        },
        Err((code, why)) => complain(code, &why),
    }
}

/// Takes the pid file's lock; refuses to start beside a keepalived that speaks in this network namespace.
fn hold_the_place(invocation: &Invocation) -> Result<PidFile, (u8, String)> {
    make_parent(&invocation.pid_file);
    let lock = PidFile::acquire(&invocation.pid_file).map_err(|why| {
        let already = matches!(why, Error::AlreadyRunning { .. });
        let code = if already && invocation.as_keepalived { exit::OK } else { exit::FATAL };
        (code, why.to_string())
    })?;
    if let Some(pid) = pidfile::running_keepalived() {
        let text = format!(
            "keepalived is running here (process {pid}) and would fight over the same addresses. \
             Stop it first: systemctl stop keepalived"
        );
        return Err((exit::FATAL, text));
    }
    Ok(lock)
}

/// keepalived's pid files may live in a directory of their own, which nobody else makes.
fn make_parent(path: &std::path::Path) {
    if let Some(parent) = path.parent() {
        // If this fails, opening the file says why.
        let _ = std::fs::create_dir_all(parent);
    }
}

impl<'a> Supervisor<'a> {
    fn new(invocation: &'a Invocation) -> Result<Self, linux::Error> {
        let mut style = invocation.log.clone();
        if invocation.as_keepalived {
            style.ident = "Keepalived".into();
        }
        Ok(Self {
            invocation,
            log: Log::open(style),
            signals: Signals::block()?,
            ledger: Ledger::create(LEDGER)?,
            was_ready: false,
            stopping: None,
            backoff: Duration::ZERO,
        })
    }

    fn run(&mut self) -> u8 {
        self.log.info(&format!("Standfast {} starting", env!("CARGO_PKG_VERSION")));
        loop {
            let mut worker = match self.start_worker() {
                Ok(worker) => worker,
                Err(why) => {
                    self.log.alarm(&format!("cannot start the worker: {why}"));
                    return exit::FATAL;
                }
            };
            let status = self.watch(&mut worker);
            self.release(status);
            if self.stopping.is_some() {
                linux::notify::stopping();
                self.log.info("Stopped");
                return if status.success() { exit::OK } else { code_of(status) };
            }
            if is_permanent(status) || self.invocation.no_respawn {
                return code_of(status);
            }
            if let Some(code) = self.wait_before_next(worker.since.elapsed()) {
                return code;
            }
        }
    }

    fn start_worker(&mut self) -> std::io::Result<Worker> {
        let (words, pen) = std::io::pipe()?;
        let mut command = again("worker");
        let inherited = [self.ledger.as_fd().as_raw_fd(), pen.as_raw_fd()];
        command.env(INHERITED, format!("{},{}", inherited[0], inherited[1]));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // The signals stay blocked: one that comes before the worker reads them waits there and kills nobody.
        linux::session::keep_open(&mut command, inherited);
        linux::session::end_with_parent(&mut command);
        let child = command.spawn()?;
        drop(pen);
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        rustix::fs::fcntl_setfl(&words, rustix::fs::OFlags::NONBLOCK)?;
        Ok(Worker { child, pidfd, words, since: Instant::now() })
    }

    /// Passes signals to the worker and its words on, until it ends.
    fn watch(&mut self, worker: &mut Worker) -> ExitStatus {
        loop {
            let mut ready = [
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(&worker.pidfd, PollFlags::IN),
                PollFd::new(&worker.words, PollFlags::IN),
            ];
            let limit = self.stopping.map(|since| STOP_LIMIT.saturating_sub(since.elapsed()));
            let timeout = limit.and_then(|limit| Timespec::try_from(limit).ok());
            let count = poll(&mut ready, timeout.as_ref()).unwrap_or(0);
            let ended = !ready[1].revents().is_empty();
            self.pass_signals(worker);
            self.pass_words(worker);
            if ended {
                return worker.child.wait().unwrap_or_else(|_| ExitStatus::from_raw(0));
            }
            if count == 0 && limit.is_some_and(|limit| limit.is_zero()) {
                self.log.alarm("the worker did not end in time and was killed");
                let _ = pidfd_send_signal(&worker.pidfd, rustix::process::Signal::KILL);
            }
        }
    }

    fn pass_signals(&mut self, worker: &Worker) {
        use rustix::process::Signal as Number;
        while let Ok(Some(received)) = self.signals.next() {
            let number = match received.signal {
                Signal::Terminate | Signal::Interrupt => {
                    self.stopping.get_or_insert_with(Instant::now);
                    Number::TERM
                }
                Signal::Hangup => Number::HUP,
                Signal::User1 => Number::USR1,
                Signal::User2 => Number::USR2,
                Signal::Child | Signal::Pipe => continue,
            };
            let _ = pidfd_send_signal(&worker.pidfd, number);
        }
    }

    fn pass_words(&mut self, worker: &mut Worker) {
        let mut words = [0; 64];
        while let Ok(count @ 1..) = worker.words.read(&mut words) {
            for said in words.iter().take(count) {
                match *said {
                    word::READY => {
                        linux::notify::ready("serving");
                        if !std::mem::replace(&mut self.was_ready, true) {
                            self.tell_front();
                        }
                    }
                    word::RELOADING => linux::notify::reloading(),
                    word::STOPPING => linux::notify::stopping(),
                    _ => {}
                }
            }
        }
    }

    /// The front waits on our standard output. Whoever waits for the front waits for the end of its standard
    /// error too, so that is let go of first.
    fn tell_front(&self) {
        if !self.invocation.foreground {
            leave_stderr();
            let _ = std::io::stdout().write_all(b"R").and_then(|()| std::io::stdout().flush());
            if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
                let _ = rustix::stdio::dup2_stdout(&null);
            }
        }
    }

    /// A crash must release: what the dead worker held is removed before anything else.
    fn release(&mut self, status: ExitStatus) {
        if self.stopping.is_none() && !status.success() && !is_permanent(status) {
            self.log.alarm(&format!("the worker ended unexpectedly ({status})"));
        }
        if self.invocation.keep_at_exit && self.stopping.is_some() {
            return;
        }
        let released = Reader::open(&self.ledger)
            .and_then(|reader| Ok((reader, Netlink::open()?)))
            .and_then(|(reader, mut netlink)| ledger::release_all(&reader, &mut netlink));
        match released {
            Err(why) => self.log.alarm(&why.to_string()),
            Ok(released) => {
                for entry in &released.removed {
                    self.log.alarm(&format!(
                        "removed {}/{}, which the worker had left",
                        entry.address, entry.prefix
                    ));
                }
                for (entry, why) in &released.refused {
                    self.log.alarm(&format!("cannot remove {}/{}: {why}", entry.address, entry.prefix));
                }
            }
        }
    }

    /// The pause before the next worker: none after a long life, then 1 s, 2 s … a minute. A signal to stop
    /// ends it.
    fn wait_before_next(&mut self, lived: Duration) -> Option<u8> {
        self.backoff = match (lived >= STEADY, self.backoff) {
            (true, _) => Duration::ZERO,
            (false, Duration::ZERO) => Duration::from_secs(1),
            (false, before) => (before * 2).min(Duration::from_secs(60)),
        };
        let until = Instant::now() + self.backoff;
        self.log.warning(&format!("starting another worker in {} s", self.backoff.as_secs()));
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let timeout = Timespec::try_from(left).ok();
            let _ = poll(&mut [PollFd::new(&self.signals, PollFlags::IN)], timeout.as_ref());
            while let Ok(Some(received)) = self.signals.next() {
                if matches!(received.signal, Signal::Terminate | Signal::Interrupt) {
                    self.log.info("Stopped");
                    return Some(exit::OK);
                }
            }
        }
    }
}

// ---- worker ----

fn run_worker(invocation: &Invocation, remarks: &[String]) -> u8 {
    let inherited = std::env::var(INHERITED).unwrap_or_default();
    let numbers: Vec<i32> = inherited.split(',').filter_map(|n| n.parse().ok()).collect();
    let [ledger, pen] = numbers[..] else {
        return complain(exit::FATAL, &"a worker is started by its supervisor only");
    };
    let (Some(ledger), Some(pen)) = (linux::session::inherit(ledger), linux::session::inherit(pen)) else {
        return complain(exit::FATAL, &"the supervisor's descriptors are not there");
    };
    worker::main(invocation, remarks, ledger, std::fs::File::from(pen))
}
