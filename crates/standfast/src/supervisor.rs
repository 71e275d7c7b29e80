//! The process that people see: small, without parsing and without network input. It holds the pid file's
//! lock, starts the worker, passes signals on, and sees to it that a worker's addresses do not outlive it.
//!
//! Stages of one invocation, each the same binary with the same words: *reader* (says the [`Terms`] and ends), then
//! *front* (detaches, in the background case) → *supervisor* → *worker*. A stage is told by environment variables;
//! whoever starts another program from a stage takes them away with [`without_stage`].

use crate::daemon::{Invocation, exit};
use crate::errand::{self, Meanwhile};
use crate::guard::{Guard, Need, Offer, show};
use crate::log::Log;
use crate::terms::Terms;
use crate::worker::{self, Inherited};
use linux::Error;
use linux::ledger::{self, Ledger, Released};
use linux::netlink::Netlink;
use linux::nftables::Nftables;
use linux::pidfile::{self, PidFile};
use linux::place::{Place, Taken};
use linux::script::{self, Spawner};
use linux::signals::{Signal, Signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use std::ffi::CString;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Names the stage that a process is started for; absent: the front.
const STAGE: &str = "STANDFAST_STAGE";
/// Numbers of the descriptors that a worker inherits: ledger, two pipes to the supervisor (words, haste), socket for scripts.
const INHERITED: &str = "STANDFAST_INHERITED";
/// The directory that the front was started in: in the background, relative names start there.
const HERE: &str = "STANDFAST_HERE";
/// The terms of the configuration ([`Terms::encode`]); absent: nobody has read it yet.
const TERMS: &str = "STANDFAST_TERMS";
/// What is for stages of this program alone.
const PRIVATE: [&str; 4] = [STAGE, INHERITED, HERE, TERMS];

/// What a worker says to its supervisor, one byte each.
pub mod word {
    /// Everything runs.
    pub const READY: u8 = b'R';
    /// A reload begins.
    pub const RELOADING: u8 = b'L';
    /// It leads at a faster pace than before: look after it oftener. The only word of the pipe that its packet thread writes to.
    pub const HASTE: u8 = b'H';
    /// An orderly end begins.
    pub const STOPPING: u8 = b'S';
    /// The terms of the configuration that was taken follow, and the end of a line.
    pub const TERMS: u8 = b'T';
}

/// So long after the worker is ready it is quiet.
const REST: Duration = Duration::from_secs(6);
/// Addresses that the ledger has room for: 2 MiB of address space, and memory only for what is used.
const LEDGER: usize = 1 << 16;
/// More of one line is not believed: a worker gone mad must not fill the supervisor's memory, and the next one is given
/// the terms in its environment, where one string may have 128 KiB.
const LONGEST_TERMS: usize = 127 << 10;
/// A worker that ran this long is replaced at once when it dies.
const STEADY: Duration = Duration::from_secs(60);

/// Runs the stage that this process was started for.
#[must_use]
pub fn main(invocation: &Invocation, remarks: &[String]) -> u8 {
    let stage = std::env::var(STAGE).unwrap_or_default();
    let here = std::env::var_os(HERE).filter(|_| !stage.is_empty());
    let absolute = here.map(|here| resolve(invocation, Path::new(&here)));
    let invocation = absolute.as_ref().unwrap_or(invocation);
    if stage == "reader" {
        return say_terms(invocation);
    }
    let handed = std::env::var(TERMS).ok().filter(|_| !stage.is_empty());
    let terms =
        match handed.map_or_else(ask_reader, |line| Terms::decode(&line).ok_or("they are garbled".into())) {
            Ok(terms) => terms,
            Err(why) => {
                let text = format!("cannot tell what the configuration asks of the daemon itself: {why}");
                return complain(invocation, exit::FATAL, &text);
            }
        };
    if stage == "worker" {
        take_name(invocation, None, true);
        return run_worker(invocation, remarks, terms);
    }
    if let Err(code) = prepare(invocation, &terms) {
        return code;
    }
    match stage.as_str() {
        _ if stage != "supervisor" && !invocation.foreground => detach(invocation, &terms),
        _ => {
            take_name(invocation, terms.supervisor_process.as_deref(), !stage.is_empty());
            supervise(invocation, terms)
        }
    }
}

// ---- reader ----

fn say_terms(invocation: &Invocation) -> u8 {
    let line = Terms::read(invocation).encode();
    let said = std::io::stdout().write_all(line.as_bytes()).and_then(|()| std::io::stdout().flush());
    if said.is_ok() { exit::OK } else { exit::FATAL }
}

/// Lets a process of its own read the configuration: whatever that takes, nothing of it stays in this one.
fn ask_reader() -> Result<Terms, String> {
    let mut command = again("reader");
    command.stdin(Stdio::null()).stderr(Stdio::null());
    linux::session::end_with_parent(&mut command);
    let output = command.output().map_err(|why| format!("its reader does not start: {why}"))?;
    let line = String::from_utf8_lossy(&output.stdout);
    Terms::decode(&line).ok_or_else(|| format!("its reader ended with {}", output.status))
}

/// The files of an invocation by their full names.
fn resolve(invocation: &Invocation, here: &Path) -> Invocation {
    let mut absolute = invocation.clone();
    absolute.config = invocation.config.as_ref().map(|path| here.join(path));
    absolute.pid_file = invocation.pid_file.as_ref().map(|path| here.join(path));
    absolute.worker_pid_file = invocation.worker_pid_file.as_ref().map(|path| here.join(path));
    absolute
}

/// A stage was started as `/proc/self/exe`, and the kernel calls it `exe`: `ps` and `pidof` shall find it.
fn take_name(invocation: &Invocation, wanted: Option<&str>, is_again: bool) {
    let usual = is_again.then(|| invocation.program());
    if let Some(name) = wanted.or(usual).and_then(|name| CString::new(name).ok()) {
        // Only its looks depend on it.
        let _ = rustix::thread::set_name(&name);
    }
}

/// What every stage before the worker checks: the place, the privileges, the namespace.
fn prepare(invocation: &Invocation, terms: &Terms) -> Result<(), u8> {
    if let Some(name) = terms.namespace(invocation) {
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
    if let Some(mask) = invocation.umask.or(terms.umask.map(u32::from)) {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
    }
    Ok(())
}

fn complain(invocation: &Invocation, code: u8, why: &dyn std::fmt::Display) -> u8 {
    let _ = writeln!(std::io::stderr(), "{}: {why}", invocation.program());
    code
}

/// `-s NAME`, `net_namespace NAME`. Under keepalived's name, a namespace that is not there ends the program with
/// code 0, as its users know it.
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
fn detach(invocation: &Invocation, terms: &Terms) -> u8 {
    let mut command = again("supervisor");
    command.env(TERMS, terms.encode());
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
    command.args(words).env_remove(INHERITED).env_remove(TERMS).env(STAGE, stage);
    command
}

/// Takes away from a program that is to be started what is only for a stage of this one.
pub fn without_stage(command: &mut Command) -> &mut Command {
    PRIVATE.iter().fold(command, |command, name| command.env_remove(name))
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
    haste: std::io::PipeReader,
    scripts: Spawner,
    since: Instant,
}

struct Supervisor<'a> {
    invocation: &'a Invocation,
    terms: Terms,
    /// New terms that the worker is telling; `None`: it is not.
    telling: Option<Vec<u8>>,
    log: Log,
    signals: Signals,
    place: Option<Place>,
    ledger: Ledger,
    guard: Guard,
    /// The next worker may go on with what stands in the ledger.
    offers: bool,
    /// Told once, whatever happens to workers later.
    was_ready: bool,
    /// When to give back what the start took.
    rest_at: Option<Instant>,
    /// The service manager knows that this is the end.
    told_stopping: bool,
    stopping: Option<Instant>,
    backoff: Duration,
}

fn supervise(invocation: &Invocation, terms: Terms) -> u8 {
    linux::privileges::keep_freed_memory();
    // Whoever finds the pid file may send signals at once.
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(why) => return complain(invocation, exit::FATAL, &why),
    };
    match hold_the_place(invocation, &terms.pid_file(invocation)) {
        Ok((_lock, place)) => match Supervisor::new(invocation, terms, signals, place) {
            Ok(mut supervisor) => supervisor.run(),
            Err(why) => complain(invocation, exit::FATAL, &why),
        },
        Err((code, why)) => complain(invocation, code, &why),
    }
}

/// Takes the pid file's lock and the network namespace's; refuses to start beside a keepalived that speaks there.
fn hold_the_place(invocation: &Invocation, path: &Path) -> Result<(PidFile, Option<Place>), (u8, String)> {
    let already = if invocation.as_keepalived { exit::OK } else { exit::FATAL };
    make_parent(path);
    let lock = PidFile::acquire(path).map_err(|why| {
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
    fn new(
        invocation: &'a Invocation,
        terms: Terms,
        signals: Signals,
        place: Option<Place>,
    ) -> Result<Self, linux::Error> {
        let mut style = invocation.log.clone();
        if invocation.as_keepalived {
            style.ident = "Keepalived".into();
        }
        style.ident.push_str(&terms.suffix(invocation, '_'));
        let mut log = Log::open(style);
        log.complain_on_console(complains_to_front(invocation));
        let ledger = Ledger::create(LEDGER)?;
        let guard = Guard::new(&ledger)?;
        // Being refused is no error: the worker says so, of itself.
        let _ = linux::privileges::real_time(terms.priority());
        Ok(Self {
            invocation,
            terms,
            telling: None,
            log,
            signals,
            place,
            ledger,
            guard,
            offers: false,
            was_ready: false,
            rest_at: None,
            told_stopping: false,
            stopping: None,
            backoff: Duration::ZERO,
        })
    }

    /// The first worker comes after `startup_script`, `shutdown_script` after the last one.
    fn run(&mut self) -> u8 {
        self.log.info(&format!("Standfast {} starting", env!("CARGO_PKG_VERSION")));
        if let Some(errand) = self.terms.startup.clone()
            && errand::run("startup script", &errand, &PRIVATE, &self.signals, &mut self.log, true)
                == Meanwhile::Terminated
        {
            self.stopping = Some(Instant::now());
        }
        let code = if self.stopping.is_some() { exit::OK } else { self.keep_working() };
        if self.stopping.is_some() {
            self.tell_stopping();
        }
        if let Some(errand) = self.terms.shutdown.take() {
            errand::run("shutdown script", &errand, &PRIVATE, &self.signals, &mut self.log, false);
        }
        if self.stopping.is_some() {
            self.log.info("Stopped");
        }
        code
    }

    fn keep_working(&mut self) -> u8 {
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
        // The one before may have died in the middle of a line.
        self.telling = None;
        let (words, pen) = std::io::pipe()?;
        let (haste, hurry) = std::io::pipe()?;
        let (theirs, ours) = script::channel().map_err(std::io::Error::other)?;
        let scripts = Spawner::start(ours, &PRIVATE).map_err(std::io::Error::other)?;
        let mut command = again("worker");
        let inherited =
            [self.ledger.as_fd().as_raw_fd(), pen.as_raw_fd(), hurry.as_raw_fd(), theirs.as_raw_fd()];
        command.env(INHERITED, inherited.map(|number| number.to_string()).join(","));
        command.env(TERMS, self.terms.encode());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // The signals stay blocked: one that comes before the worker reads them waits there and kills nobody.
        linux::session::keep_open(&mut command, inherited);
        linux::session::end_with_parent(&mut command);
        rustix::fs::fcntl_setfl(&words, rustix::fs::OFlags::NONBLOCK)?;
        rustix::fs::fcntl_setfl(&haste, rustix::fs::OFlags::NONBLOCK)?;
        let mut child = command.spawn()?;
        drop((pen, hurry, theirs));
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Worker { child, pidfd, words, haste, scripts, since: Instant::now() }),
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
        let mut silent = [false; 2];
        loop {
            // A pipe that the worker has closed would be ready for ever.
            let words = if silent[0] { worker.pidfd.as_fd() } else { worker.words.as_fd() };
            let haste = if silent[1] { worker.pidfd.as_fd() } else { worker.haste.as_fd() };
            let place = self.place.as_ref().map_or(worker.pidfd.as_fd(), AsFd::as_fd);
            let mut ready = [self.signals.as_fd(), worker.pidfd.as_fd(), words, haste, place]
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            let limit = self.stopping.filter(|_| !killed);
            let limit = limit.map(|since| self.terms.stop_limit().saturating_sub(since.elapsed()));
            let rest = self.rest_at.map(|at| at.saturating_duration_since(Instant::now()));
            let pause = [limit, rest].into_iter().flatten().fold(self.guard.pause(), Duration::min);
            let timeout = Timespec::try_from(pause).ok();
            let count = poll(&mut ready, timeout.as_ref()).unwrap_or(0);
            let [signals, ended, words, haste, place] = ready.map(|fd| fd.revents());
            let closed = |pipe: PollFlags| pipe.contains(PollFlags::HUP) && !pipe.contains(PollFlags::IN);
            silent = [silent[0] || closed(words), silent[1] || closed(haste)];
            // It wakes up for each interval of the fastest router: nobody is asked who has nothing to say.
            if !place.is_empty()
                && let Some(place) = &self.place
            {
                place.dismiss();
            }
            if !signals.is_empty() {
                self.pass_signals(worker);
            }
            if haste.contains(PollFlags::IN) && matches!(worker.haste.read(&mut [0; 64]), Ok(1..)) {
                self.guard.hurry();
            }
            if words.contains(PollFlags::IN) {
                self.pass_words(worker);
            }
            if self.rest_at.take_if(|at| *at <= Instant::now()).is_some() {
                linux::privileges::give_back();
            }
            if !ended.is_empty() {
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
        while let Ok(Some(received)) = self.signals.next() {
            let signal = match received.signal {
                Signal::Terminate | Signal::Interrupt => {
                    self.stopping.get_or_insert_with(Instant::now);
                    Signal::Terminate
                }
                Signal::Child | Signal::Pipe | Signal::Burst => continue,
                passed @ (Signal::Hangup
                | Signal::User1
                | Signal::User2
                | Signal::UserClear
                | Signal::UserJson) => passed,
            };
            linux::signals::send(&worker.pidfd, signal);
        }
    }

    fn pass_words(&mut self, worker: &mut Worker) {
        let mut words = [0; 64];
        // Once a turn: a worker gone mad that never stops talking must not keep signals waiting.
        if let Ok(count @ 1..) = worker.words.read(&mut words) {
            for said in words.iter().take(count) {
                if self.take_terms(*said) {
                    continue;
                }
                match *said {
                    word::TERMS => self.telling = Some(Vec::new()),
                    word::READY => {
                        if self.stopping.is_none() {
                            linux::notify::ready("serving");
                        }
                        if !std::mem::replace(&mut self.was_ready, true) {
                            self.tell_front();
                            self.log.complain_on_console(false);
                            self.rest_at = Some(Instant::now() + REST);
                        }
                    }
                    word::RELOADING if self.stopping.is_none() => linux::notify::reloading(),
                    word::STOPPING if self.stopping.is_some() => self.tell_stopping(),
                    _ => {}
                }
            }
        }
    }

    /// Takes one byte of the terms of a new configuration; false when none are being told.
    fn take_terms(&mut self, said: u8) -> bool {
        let Some(line) = &mut self.telling else { return false };
        if said != b'\n' {
            // What is too long is heard to its end, and then no terms.
            if line.len() <= LONGEST_TERMS {
                line.push(said);
            }
            return true;
        }
        let whole = std::str::from_utf8(line).ok().filter(|line| line.len() <= LONGEST_TERMS);
        let new = whole.and_then(Terms::decode);
        self.telling = None;
        match new {
            // What is held under the old ones cannot move.
            Some(new) if self.terms.forbid(&new, self.invocation).is_none() => {
                if new.priority() != self.terms.priority() {
                    let _ = linux::privileges::real_time(new.priority());
                }
                self.terms = new;
            }
            Some(_) | None => self.log.alarm("what the worker says of the configuration is garbled"),
        }
        true
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
        // Before the offer is off: who comes too late for it erases the ledger.
        let noted = self.guard.reader().noted();
        if self.ledger.revoke() {
            let released = Netlink::open().and_then(|mut netlink| ledger::release(&noted, &mut netlink));
            // Only when nothing is left that it is for.
            if released.as_ref().is_ok_and(|released| released.refused.is_empty() && released.damaged == 0) {
                self.sweep();
            }
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
    fn remove(&mut self) -> Result<Released, Error> {
        let mut netlink = Netlink::open()?;
        let released = ledger::release_all(self.guard.reader(), &mut netlink)?;
        // Only when nothing is left that it is for.
        if released.refused.is_empty() && released.damaged == 0 {
            self.sweep();
        }
        Ok(released)
    }

    /// Removes the table of addresses that do not accept, if there is one.
    fn sweep(&mut self) {
        if !self.ledger.has_filter() {
            return;
        }
        let doing = "remove the nftables table of addresses that do not accept";
        let swept =
            Nftables::open().and_then(|mut kernel| kernel.sweep().map_err(|why| Error::refused(doing, why)));
        match swept {
            Ok(()) => self.ledger.note_filter(false),
            Err(why) => self.log.alarm(&why.to_string()),
        }
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
                        self.stopping = Some(Instant::now());
                        return Some(exit::OK);
                    }
                    Signal::Hangup => again = true,
                    Signal::User1
                    | Signal::User2
                    | Signal::UserClear
                    | Signal::UserJson
                    | Signal::Burst
                    | Signal::Child
                    | Signal::Pipe => {}
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

fn run_worker(invocation: &Invocation, remarks: &[String], terms: Terms) -> u8 {
    linux::privileges::keep_freed_memory();
    let inherited = std::env::var(INHERITED).unwrap_or_default();
    let numbers: Vec<i32> = inherited.split(',').filter_map(|n| n.parse().ok()).collect();
    let [ledger, pen, haste, scripts] = numbers[..] else {
        return complain(invocation, exit::FATAL, &"a worker is started by its supervisor only");
    };
    let [Some(ledger), Some(pen), Some(haste), Some(scripts)] =
        [ledger, pen, haste, scripts].map(linux::session::inherit)
    else {
        return complain(invocation, exit::FATAL, &"the supervisor's descriptors are not there");
    };
    let inherited = Inherited { ledger, supervisor: pen.into(), haste: haste.into(), scripts };
    worker::main(invocation, remarks, terms, inherited)
}
