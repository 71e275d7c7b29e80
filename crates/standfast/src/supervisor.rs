//! The process that people see: small, without parsing and without network input. It holds the pid file's
//! lock, starts the worker, passes signals on, and sees to it that a worker's addresses do not outlive it.
//!
//! Stages of one invocation, each the same binary with the same words: *front* (detaches, in the background
//! case) → *supervisor* → *worker*. A stage is told by environment variables; whoever starts another program from
//! a stage takes them away with [`without_stage`].

use crate::daemon::{Invocation, exit};
use crate::guard::{Guard, Need, Offer, show};
use crate::log::Log;
use crate::worker::{self, Inherited};
use linux::Error;
use linux::ledger::{self, Ledger, Released};
use linux::netlink::Netlink;
use linux::pidfile::{self, PidFile};
use linux::place::{Place, Taken};
use linux::script::{self, Spawner};
use linux::signals::{Signal, Signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Names the stage that a process is started for; absent: the front.
const STAGE: &str = "STANDFAST_STAGE";
/// Numbers of the descriptors that a worker inherits: ledger, pipe to the supervisor, socket for scripts.
const INHERITED: &str = "STANDFAST_INHERITED";
/// The directory that the front was started in: in the background, relative names start there.
const HERE: &str = "STANDFAST_HERE";

/// What a worker says to its supervisor, one byte each.
pub mod word {
    /// Everything runs.
    pub const READY: u8 = b'R';
    /// A reload begins.
    pub const RELOADING: u8 = b'L';
    /// It leads at a faster pace than before: look after it oftener.
    pub const HASTE: u8 = b'H';
    /// An orderly end begins.
    pub const STOPPING: u8 = b'S';
}

/// Addresses that the ledger has room for: 2 MiB of address space, and memory only for what is used.
const LEDGER: usize = 1 << 16;
/// How long a worker may take to end in order before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// A worker that ran this long is replaced at once when it dies.
const STEADY: Duration = Duration::from_secs(60);

/// The real-time priority of the supervisor: above the worker's threads, which it must notice when they run wild.
const PRIORITY: i32 = 3;

/// Runs the stage that this process was started for.
#[must_use]
pub fn main(invocation: &Invocation, remarks: &[String]) -> u8 {
    let stage = std::env::var(STAGE).unwrap_or_default();
    if !stage.is_empty() {
        take_name(invocation);
    }
    let here = std::env::var_os(HERE).filter(|_| !stage.is_empty());
    let absolute = here.map(|here| resolve(invocation, Path::new(&here)));
    let invocation = absolute.as_ref().unwrap_or(invocation);
    if stage == "worker" {
        return run_worker(invocation, remarks);
    }
    if let Err(code) = prepare(invocation) {
        return code;
    }
    match stage.as_str() {
        "supervisor" => supervise(invocation),
        _ if invocation.foreground => supervise(invocation),
        _ => detach(invocation),
    }
}

/// The files of an invocation by their full names.
fn resolve(invocation: &Invocation, here: &Path) -> Invocation {
    let mut absolute = invocation.clone();
    absolute.config = invocation.config.as_ref().map(|path| here.join(path));
    absolute.pid_file = here.join(&invocation.pid_file);
    absolute.worker_pid_file = invocation.worker_pid_file.as_ref().map(|path| here.join(path));
    absolute
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
        enter_namespace(invocation, name)?;
    }
    if let Err(why) = linux::privileges::forbidden_netns() {
        return Err(complain(invocation, exit::PERMISSION, &why));
    }
    let missing = linux::privileges::missing();
    if !missing.is_empty() {
        for capability in &missing {
            complain(invocation, exit::PERMISSION, capability);
        }
        return Err(exit::PERMISSION);
    }
    if let Some(mask) = invocation.umask {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
    }
    Ok(())
}

fn complain(invocation: &Invocation, code: u8, why: &dyn std::fmt::Display) -> u8 {
    let name = if invocation.as_keepalived { "keepalived" } else { "standfast" };
    let _ = writeln!(std::io::stderr(), "{name}: {why}");
    code
}

/// `-s NAME`. Under keepalived's name, a namespace that is not there ends the program with code 0, as its users
/// know it.
fn enter_namespace(invocation: &Invocation, name: &str) -> Result<(), u8> {
    let code = if invocation.as_keepalived { exit::OK } else { exit::FATAL };
    let namespace = linux::links::named_netns(name).map_err(|why| complain(invocation, code, &why))?;
    let kind = Some(rustix::thread::LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(namespace.as_fd(), kind).map_err(|why| {
        complain(invocation, code, &format!("cannot enter network namespace {name}: {why}"))
    })?;
    Ok(())
}

// ---- front ----

/// Starts the supervisor in a session of its own and waits until it is ready: whoever started us may then rely
/// on the daemon, and sees its code if it could not start.
fn detach(invocation: &Invocation) -> u8 {
    let mut command = again("supervisor");
    // A daemon in the background keeps no directory busy.
    match std::env::current_dir() {
        Ok(here) => command.env(HERE, here).current_dir("/"),
        Err(why) => {
            return complain(invocation, exit::FATAL, &format!("cannot tell the current directory: {why}"));
        }
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    linux::session::detach(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(why) => return complain(invocation, exit::FATAL, &format!("cannot start the daemon: {why}")),
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
    command.args(words).env_remove(INHERITED).env(STAGE, stage);
    command
}

/// Takes away from a program that is to be started what is only for a stage of this one.
pub fn without_stage(command: &mut Command) -> &mut Command {
    command.env_remove(STAGE).env_remove(INHERITED).env_remove(HERE)
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

/// The worker has said why it cannot run: another one could not either, as long as nothing else changes. In words,
/// and what to do.
fn obstacle(status: ExitStatus) -> Option<(&'static str, &'static str)> {
    match status.code().and_then(|code| u8::try_from(code).ok())? {
        exit::FATAL => Some(("the worker cannot run", "its lines above say why")),
        exit::CONFIG => Some(("the configuration cannot run", "standfast check")),
        exit::PERMISSION => Some(("a privilege is missing", "the worker's lines above say which")),
        exit::NO_CONFIG => Some(("the configuration cannot be read", "standfast check")),
        _ => None,
    }
}

// ---- supervisor ----

/// A running worker.
struct Worker {
    child: Child,
    pidfd: OwnedFd,
    words: std::io::PipeReader,
    scripts: Spawner,
    since: Instant,
}

struct Supervisor<'a> {
    invocation: &'a Invocation,
    log: Log,
    signals: Signals,
    place: Option<Place>,
    ledger: Ledger,
    guard: Guard,
    /// The next worker may go on with what stands in the ledger.
    offers: bool,
    /// Told once, whatever happens to workers later.
    was_ready: bool,
    /// The service manager knows that this is the end.
    told_stopping: bool,
    stopping: Option<Instant>,
    backoff: Duration,
}

fn supervise(invocation: &Invocation) -> u8 {
    // Whoever finds the pid file may send signals at once.
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(why) => return complain(invocation, exit::FATAL, &why),
    };
    match hold_the_place(invocation) {
        Ok((_lock, place)) => match Supervisor::new(invocation, signals, place) {
            Ok(mut supervisor) => supervisor.run(),
            Err(why) => complain(invocation, exit::FATAL, &why),
        },
        Err((code, why)) => complain(invocation, code, &why),
    }
}

/// Takes the pid file's lock and the network namespace's; refuses to start beside a keepalived that speaks there.
fn hold_the_place(invocation: &Invocation) -> Result<(PidFile, Option<Place>), (u8, String)> {
    let already = if invocation.as_keepalived { exit::OK } else { exit::FATAL };
    make_parent(&invocation.pid_file);
    let lock = PidFile::acquire(&invocation.pid_file).map_err(|why| {
        let code = if matches!(why, Error::AlreadyRunning { .. }) { already } else { exit::FATAL };
        (code, why.to_string())
    })?;
    let place = match Place::take().map_err(|why| (exit::FATAL, why.to_string()))? {
        Taken::Ours(place) => Some(place),
        Taken::Occupied(pid) => {
            let who = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
            return Err((already, format!("Standfast is running here already{who}")));
        }
        Taken::Squatted(who) => {
            let text = format!(
                "warning: {who} has the name by which Standfast daemons of one network namespace notice each other"
            );
            complain(invocation, exit::OK, &text);
            None
        }
    };
    if let Some(pid) = pidfile::running_keepalived() {
        let text = format!(
            "keepalived is running here (process {pid}) and would fight over the same addresses. \
             Stop it first: systemctl stop keepalived"
        );
        return Err((exit::FATAL, text));
    }
    Ok((lock, place))
}

/// keepalived's pid files may live in a directory of their own, which nobody else makes.
fn make_parent(path: &Path) {
    if let Some(parent) = path.parent() {
        // If this fails, opening the file says why.
        let _ = std::fs::create_dir_all(parent);
    }
}

impl<'a> Supervisor<'a> {
    fn new(invocation: &'a Invocation, signals: Signals, place: Option<Place>) -> Result<Self, linux::Error> {
        let mut style = invocation.log.clone();
        if invocation.as_keepalived {
            style.ident = "Keepalived".into();
        }
        let mut log = Log::open(style);
        log.complain_on_console(complains_to_front(invocation));
        let ledger = Ledger::create(LEDGER)?;
        let guard = Guard::new(&ledger)?;
        // Being refused is no error: the worker says so, of itself.
        let _ = linux::privileges::real_time(PRIORITY);
        Ok(Self {
            invocation,
            log,
            signals,
            place,
            ledger,
            guard,
            offers: false,
            was_ready: false,
            told_stopping: false,
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
                    if self.guard.withdraw() {
                        self.take_back();
                    }
                    if !self.was_ready || self.invocation.no_respawn {
                        return exit::FATAL;
                    }
                    if let Some(code) = self.wait_before_next(Duration::ZERO, None) {
                        return code;
                    }
                    continue;
                }
            };
            let status = self.watch(&mut worker);
            if self.leaves_to_next(status) {
                continue;
            }
            self.release(status);
            if self.stopping.is_some() {
                // Its scripts end with it, and not one of them is left unreaped.
                worker.scripts.join();
                self.tell_stopping();
                self.log.info("Stopped");
                return if status.success() { exit::OK } else { code_of(status) };
            }
            let obstacle = obstacle(status);
            if self.invocation.no_respawn || (obstacle.is_some() && !self.was_ready) {
                let code = code_of(status);
                let why = obstacle.map(|(what, _)| format!(": {what}")).unwrap_or_default();
                self.log.alarm(&format!("ending with code {code}{why}"));
                worker.scripts.join();
                return code;
            }
            if let Some(code) = self.wait_before_next(worker.since.elapsed(), obstacle) {
                return code;
            }
        }
    }

    /// Tells the service manager once that this is the end.
    fn tell_stopping(&mut self) {
        if !std::mem::replace(&mut self.told_stopping, true) {
            linux::notify::stopping();
        }
    }

    fn start_worker(&mut self) -> std::io::Result<Worker> {
        self.ledger.offer(std::mem::take(&mut self.offers));
        self.guard.begin();
        let (words, pen) = std::io::pipe()?;
        let (theirs, ours) = script::channel().map_err(std::io::Error::other)?;
        let scripts = Spawner::start(ours, &[STAGE, INHERITED, HERE]).map_err(std::io::Error::other)?;
        let mut command = again("worker");
        let inherited = [self.ledger.as_fd().as_raw_fd(), pen.as_raw_fd(), theirs.as_raw_fd()];
        command.env(INHERITED, inherited.map(|number| number.to_string()).join(","));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // The signals stay blocked: one that comes before the worker reads them waits there and kills nobody.
        linux::session::keep_open(&mut command, inherited);
        linux::session::end_with_parent(&mut command);
        rustix::fs::fcntl_setfl(&words, rustix::fs::OFlags::NONBLOCK)?;
        let mut child = command.spawn()?;
        drop((pen, theirs));
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Worker { child, pidfd, words, scripts, since: Instant::now() }),
            Err(why) => {
                // Nobody would watch it.
                let _ = child.kill().and_then(|()| child.wait());
                Err(why.into())
            }
        }
    }

    /// Passes signals to the worker and its words on, until it ends.
    fn watch(&mut self, worker: &mut Worker) -> ExitStatus {
        let mut killed = false;
        let mut silent = false;
        loop {
            // A pipe that the worker has closed would be ready for ever.
            let words = if silent { worker.pidfd.as_fd() } else { worker.words.as_fd() };
            let mut ready = vec![
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(&worker.pidfd, PollFlags::IN),
                PollFd::from_borrowed_fd(words, PollFlags::IN),
            ];
            ready.extend(self.place.as_ref().map(|place| PollFd::new(place, PollFlags::IN)));
            let limit = self.stopping.filter(|_| !killed);
            let limit = limit.map(|since| STOP_LIMIT.saturating_sub(since.elapsed()));
            let pause = limit.unwrap_or(Duration::MAX).min(self.guard.pause());
            let timeout = Timespec::try_from(pause).ok();
            let count = poll(&mut ready, timeout.as_ref()).unwrap_or(0);
            let ended = !ready[1].revents().is_empty();
            silent |=
                ready[2].revents().contains(PollFlags::HUP) && !ready[2].revents().contains(PollFlags::IN);
            if let Some(place) = &self.place {
                place.dismiss();
            }
            self.pass_signals(worker);
            self.pass_words(worker);
            if ended {
                return worker.child.wait().unwrap_or_else(|_| ExitStatus::from_raw(0));
            }
            self.guard(worker);
            if count == 0 && limit.is_some_and(|limit| limit.is_zero()) {
                // In a system call that does not end, it ends later; then there is nothing to do but to wait.
                let _ = pidfd_send_signal(&worker.pidfd, rustix::process::Signal::KILL);
                killed = true;
                self.log.alarm("the worker did not end in time and was killed");
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
        // Once a turn: a worker gone mad that never stops talking must not keep signals waiting.
        if let Ok(count @ 1..) = worker.words.read(&mut words) {
            for said in words.iter().take(count) {
                match *said {
                    word::READY => {
                        if self.stopping.is_none() {
                            linux::notify::ready("serving");
                        }
                        if !std::mem::replace(&mut self.was_ready, true) {
                            self.tell_front();
                            self.log.complain_on_console(false);
                        }
                    }
                    word::HASTE => self.guard.hurry(),
                    word::RELOADING if self.stopping.is_none() => linux::notify::reloading(),
                    word::STOPPING if self.stopping.is_some() => self.tell_stopping(),
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

    /// Ends a worker that hangs, and sees to it that what one held or was offered does not stay for too long.
    fn guard(&mut self, worker: &Worker) {
        match self.guard.look(worker.child.id()) {
            None => {}
            Some(Need::Tell(what)) => {
                self.log.alarm(&format!("the worker cannot set addresses now: {what}"));
            }
            Some(Need::Kill(what)) => {
                let _ = pidfd_send_signal(&worker.pidfd, rustix::process::Signal::KILL);
                self.log.alarm(&format!("the worker hangs and was killed: {what}"));
            }
            Some(Need::Revoke) => self.take_back(),
            // An orderly end that leaves everything as it is.
            Some(Need::Release) if self.keeps() => {}
            Some(Need::Release) => {
                let released = self.remove();
                self.log.alarm("the worker was killed and has not ended: what it holds is removed");
                self.tell_removed(released);
            }
        }
    }

    /// What the next worker was to go on with is removed, if it has not done so yet.
    fn take_back(&mut self) {
        if self.ledger.revoke() {
            let released = self.remove();
            self.log.alarm("no new worker was ready in time: what was held is removed");
            self.tell_removed(released);
        }
    }

    /// Whether the next worker may go on with what this one has left, and be started at once.
    fn leaves_to_next(&mut self, status: ExitStatus) -> bool {
        let in_order = self.stopping.is_some() || status.success() || obstacle(status).is_some();
        if in_order || self.invocation.no_respawn {
            let _ = self.guard.withdraw();
            return false;
        }
        let offer = self.guard.fall(self.was_ready);
        let Offer::Held(time) = offer else {
            self.offers = offer == Offer::Learnt;
            return false;
        };
        self.offers = true;
        self.log.alarm(&format!(
            "the worker ended unexpectedly ({status}); its addresses stay, and another worker has {} to go on with them",
            show(time)
        ));
        true
    }

    /// A crash must release: what the dead worker held is removed before anything else.
    fn release(&mut self, status: ExitStatus) {
        let released = (!self.keeps()).then(|| self.remove());
        if self.stopping.is_none() && !status.success() && obstacle(status).is_none() {
            self.log.alarm(&format!("the worker ended unexpectedly ({status})"));
        }
        released.into_iter().for_each(|released| self.tell_removed(released));
    }

    /// What is held is to stay.
    const fn keeps(&self) -> bool {
        self.invocation.keep_at_exit && self.stopping.is_some()
    }

    /// Removes what stands in the ledger.
    fn remove(&self) -> Result<Released, Error> {
        let mut netlink = Netlink::open()?;
        ledger::release_all(self.guard.reader(), &mut netlink)
    }

    fn tell_removed(&mut self, released: Result<Released, Error>) {
        match released {
            Err(why) => self.log.alarm(&why.to_string()),
            Ok(released) => {
                for entry in &released.removed {
                    self.log.alarm(&format!(
                        "removed {}/{}, which the worker had left",
                        entry.address, entry.prefix
                    ));
                }
                if released.damaged > 0 {
                    self.log.alarm(&format!(
                        "{} records of the worker's ledger are damaged: addresses that it held may be left",
                        released.damaged
                    ));
                }
                for (entry, why) in &released.refused {
                    self.log.alarm(&format!("cannot remove {}/{}: {why}", entry.address, entry.prefix));
                }
            }
        }
    }

    /// The pause before the next worker: none after a long life, then 1 s, 2 s … a minute. A signal to stop
    /// ends it, and one to reload too: something may have been mended. Where there is an obstacle, there is always
    /// a pause.
    fn wait_before_next(&mut self, lived: Duration, obstacle: Option<(&str, &str)>) -> Option<u8> {
        self.backoff = match (lived >= STEADY, self.backoff) {
            (true, _) if obstacle.is_none() => Duration::ZERO,
            (true, _) | (false, Duration::ZERO) => Duration::from_secs(1),
            (false, before) => (before * 2).min(Duration::from_secs(60)),
        };
        let until = Instant::now() + self.backoff;
        let seconds = self.backoff.as_secs();
        match obstacle {
            Some((what, advice)) => {
                let file = self.invocation.config_path();
                let advice = match advice {
                    "standfast check" => format!("{advice} {}", file.display()),
                    other => other.to_owned(),
                };
                self.log.alarm(&format!("{what}; trying again in {seconds} s: {advice}"));
            }
            None => self.log.warning(&format!("starting another worker in {seconds} s")),
        }
        loop {
            let mut again = false;
            while let Ok(Some(received)) = self.signals.next() {
                match received.signal {
                    Signal::Terminate | Signal::Interrupt => {
                        self.tell_stopping();
                        self.log.info("Stopped");
                        return Some(exit::OK);
                    }
                    Signal::Hangup => again = true,
                    Signal::User1 | Signal::User2 | Signal::Child | Signal::Pipe => {}
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || again {
                return None;
            }
            let timeout = Timespec::try_from(left).ok();
            let _ = poll(&mut [PollFd::new(&self.signals, PollFlags::IN)], timeout.as_ref());
        }
    }
}

/// In the background, what keeps the daemon from starting is told to whoever waits for it. (keepalived says it to
/// syslog only.)
pub(crate) fn complains_to_front(invocation: &Invocation) -> bool {
    !invocation.foreground && !invocation.as_keepalived
}

// ---- worker ----

fn run_worker(invocation: &Invocation, remarks: &[String]) -> u8 {
    let inherited = std::env::var(INHERITED).unwrap_or_default();
    let numbers: Vec<i32> = inherited.split(',').filter_map(|n| n.parse().ok()).collect();
    let [ledger, pen, scripts] = numbers[..] else {
        return complain(invocation, exit::FATAL, &"a worker is started by its supervisor only");
    };
    let [Some(ledger), Some(pen), Some(scripts)] = [ledger, pen, scripts].map(linux::session::inherit) else {
        return complain(invocation, exit::FATAL, &"the supervisor's descriptors are not there");
    };
    let inherited = Inherited { ledger, supervisor: std::fs::File::from(pen), scripts };
    worker::main(invocation, remarks, inherited)
}
