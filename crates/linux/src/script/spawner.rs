//! The supervisor's side: a thread that starts programs, ends them when it is told to, and reaps them.

use super::account::{Accounts, Identity};
use super::message::{Answer, LONGEST, Request};
use super::path;
use crate::error::{Error, Refusal, Result};
use crate::sys::map::Room;
use crate::sys::spawn::{self, Environment, Program, Stack, Step};
use model::{Command, Flaw};
use node::io::{Ended, Ending, Errno, Kill, Reason, Run, RunId};
use rustix::event::epoll;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process_group, setrlimit, waitid,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{CString, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel as line};
use std::time::{Duration, Instant};

/// So many programs run at once at most.
const MOST: usize = 4096;
/// Descriptors for them and for the rest of the process.
const DESCRIPTORS: u64 = 4096 + 256;
/// Programs that are started before looking after those that run, and at what else is asked.
const AT_ONCE: usize = 8;
/// Requests that are taken before that.
const REQUESTS: usize = 256;
/// What has been ended and was left by its leader is killed after this.
const LINGER: Duration = Duration::from_secs(2);
/// When the worker is gone: how long scripts may take to end before they are killed.
const GRACE: Duration = Duration::from_secs(1);
/// And when nobody waits for them any longer.
const ABANDONED: Duration = Duration::from_secs(3);
/// A file that somebody is writing is tried again after this, so often.
const BUSY: (Duration, u32) = (Duration::from_millis(20), 10);
/// Remarks are made once for each script; for more than so many, not at all.
const REMARKS: usize = 1024;

/// Not passed on: with these a daemon is started, and whoever may set them for it shall not steer shells; and what the
/// service manager says is for the daemon alone: a service that a script starts must not answer in its name.
const LEFT_OUT: [&str; 9] = [
    "IFS",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
];

/// The limit of descriptors with which this process was started.
static STARTED_WITH: OnceLock<Option<(u64, u64)>> = OnceLock::new();

/// Two ends for a [`Spawner`] and a [`super::Runner`].
///
/// # Errors
/// When there are no descriptors left.
pub fn channel() -> Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .map_err(|why| Error::refused("make a socket pair", why))
}

/// A thread that runs programs until the other end of its channel is closed, and then ends them.
#[derive(Debug)]
pub struct Spawner {
    /// Closed when the thread ends.
    over: Receiver<()>,
}

impl Spawner {
    /// Starts the thread. Programs get the environment of this process without the variables in `without`.
    ///
    /// # Errors
    /// When the kernel has no room for it.
    pub fn start(channel: OwnedFd, without: &[&str]) -> Result<Self> {
        let doing = "start the thread for scripts";
        let refused = |why: rustix::io::Errno| Error::refused(doing, why);
        let null = File::options().read(true).write(true).open("/dev/null");
        let null = null.map_err(|why| Error::refused("open /dev/null", Refusal::of(&why)))?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(refused)?;
        let data = epoll::EventData::new_u64(CHANNEL);
        epoll::add(&epoll, &channel, data, epoll::EventFlags::IN).map_err(refused)?;
        let desk = Desk {
            channel,
            epoll,
            null,
            stack: Stack::new().map_err(|why| Error::refused(doing, why))?,
            environment: environment(without),
            descriptors: room_for_descriptors(),
            is_spared: is_spared(),
            accounts: Accounts::default(),
            runs: BTreeMap::new(),
            asked: VecDeque::new(),
            busy: Vec::new(),
            outbox: VecDeque::new(),
            remarked: BTreeSet::new(),
            buffer: Room::new(LONGEST + 1),
            closing: None,
        };
        let thread = std::thread::Builder::new().name("scripts".into());
        let (held, over) = line();
        let serve = move || {
            let _held = held;
            desk.serve();
        };
        thread.spawn(serve).map_err(|why| Error::refused(doing, Refusal::of(&why)))?;
        Ok(Self { over })
    }

    /// Waits until everything has ended after the channel was closed; a little longer than 3 s at most,
    /// because a file system or a user database that does not answer holds the thread up for ever.
    pub fn join(self) {
        let _ = self.over.recv_timeout(ABANDONED + GRACE);
    }
}

fn environment(without: &[&str]) -> Environment {
    let passed = std::env::vars_os()
        .filter(|(name, _)| !LEFT_OUT.iter().chain(without).any(|left_out| name == left_out));
    let variable = |(name, value): (OsString, OsString)| {
        let mut bytes = name.into_vec();
        bytes.push(b'=');
        bytes.extend(value.as_bytes());
        CString::new(bytes).ok()
    };
    Environment::new(passed.filter_map(variable).collect())
}

/// Makes room for one descriptor for each program. Returns the limit that they shall have, if it is another one.
fn room_for_descriptors() -> Option<(u64, u64)> {
    *STARTED_WITH.get_or_init(|| {
        let before = getrlimit(Resource::Nofile);
        let (soft, hard) = (before.current?, before.maximum.unwrap_or(u64::MAX));
        let wanted = DESCRIPTORS.min(hard);
        if soft >= wanted {
            return None;
        }
        let raised = Rlimit { current: Some(wanted), maximum: before.maximum };
        // With less room fewer programs run at once.
        setrlimit(Resource::Nofile, raised).ok()?;
        Some((soft, hard))
    })
}

fn is_spared() -> bool {
    let score = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    score.trim().starts_with('-')
}

/// Marks the channel among the descriptors that are waited for; no run has this number.
const CHANNEL: u64 = u64::MAX;

/// A program that was started and is not reaped.
#[derive(Debug)]
struct Running {
    pid: Pid,
    pidfd: OwnedFd,
    /// When it was first told to end.
    ended_at: Option<Instant>,
    /// It has ended and that was told. Until it is reaped, its number and its group are nobody else's.
    is_over: bool,
}

impl Running {
    fn signal(&self, signal: Signal) {
        // Everybody may have gone in the meantime.
        let _ = kill_process_group(self.pid, signal);
    }

    fn reap(&self) {
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
}

/// Why a program does not run.
enum Trouble {
    Never(Reason),
    /// Somebody writes to the file.
    Busy,
}

impl From<Reason> for Trouble {
    fn from(reason: Reason) -> Self {
        Self::Never(reason)
    }
}

/// A file that was busy: when it is tried again, how often it was.
#[derive(Debug)]
struct Retry {
    at: Instant,
    times: u32,
    run: Run,
}

struct Desk {
    channel: OwnedFd,
    epoll: OwnedFd,
    null: File,
    stack: Stack,
    environment: Environment,
    descriptors: Option<(u64, u64)>,
    is_spared: bool,
    accounts: Accounts,
    runs: BTreeMap<RunId, Running>,
    /// Asked for and not started. Each start takes a while, and nobody shall be told to end behind all of them.
    asked: VecDeque<Run>,
    busy: Vec<Retry>,
    /// What the worker has not yet taken.
    outbox: VecDeque<Vec<u8>>,
    remarked: BTreeSet<String>,
    buffer: Room,
    /// The worker has gone, then.
    closing: Option<Instant>,
}

impl Desk {
    fn serve(mut self) {
        spawn::block_all_signals();
        loop {
            let ready = self.wait();
            for id in ready {
                self.look_after(id);
            }
            if self.closing.is_none() {
                self.take_requests();
            }
            for _ in 0..AT_ONCE {
                let Some(run) = self.asked.pop_front() else { break };
                self.run(run, 0);
            }
            self.keep_time(Instant::now());
            self.send();
            let over = |since: Instant| self.runs.is_empty() || since.elapsed() >= ABANDONED;
            if self.closing.is_some_and(over) {
                return;
            }
        }
    }

    /// Waits for the next thing to do. Returns the runs that may have ended.
    fn wait(&self) -> Vec<RunId> {
        let blank = epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) };
        let mut events = [blank; 64];
        let timeout = self.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|left| rustix::event::Timespec::try_from(left).ok());
        let count = epoll::wait(&self.epoll, events.as_mut_slice(), timeout.as_ref()).unwrap_or(0);
        let numbers = events.iter().take(count).map(|event| event.data.u64());
        numbers.filter(|number| *number != CHANNEL).map(RunId).collect()
    }

    fn deadline(&self) -> Option<Instant> {
        if !self.asked.is_empty() {
            return Some(Instant::now());
        }
        let lingering = self.runs.values().filter(|run| run.is_over).filter_map(|run| run.ended_at);
        let lingering = lingering.map(|at| at + LINGER);
        let busy = self.busy.iter().map(|retry| retry.at);
        let outbox = (!self.outbox.is_empty()).then(|| Instant::now() + Duration::from_millis(5));
        let closing = self.closing.map(|since| {
            let killed = since.elapsed() >= GRACE;
            since + if killed { ABANDONED } else { GRACE }
        });
        lingering.chain(busy).chain(outbox).chain(closing).min()
    }

    fn take_requests(&mut self) {
        for _ in 0..REQUESTS {
            match recv(&self.channel, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => return self.close(),
                Ok((length, _)) => match self.buffer.get(..length).and_then(Request::decode) {
                    Some(Request::Run(run)) => self.asked.push_back(run),
                    Some(Request::Kill(kill)) => self.kill(kill),
                    None => self.remark("a request for a script was garbled and is ignored".into()),
                },
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => return self.close(),
            }
        }
    }

    /// The worker has gone: so do its scripts, but not what they left running elsewhere.
    fn close(&mut self) {
        let _ = epoll::delete(&self.epoll, &self.channel);
        self.closing = Some(Instant::now());
        self.asked.clear();
        self.busy.clear();
        self.outbox.clear();
        for run in self.runs.values().filter(|run| !run.is_over) {
            run.signal(Signal::TERM);
        }
    }

    fn run(&mut self, run: Run, times: u32) {
        if run.id.0 == CHANNEL || self.runs.contains_key(&run.id) {
            return self.remark("a request for a script was made twice and is ignored".into());
        }
        match self.start(&run) {
            Ok((pid, pidfd)) => {
                let data = epoll::EventData::new_u64(run.id.0);
                let watched = epoll::add(&self.epoll, &pidfd, data, epoll::EventFlags::IN);
                let running = Running { pid, pidfd, ended_at: None, is_over: false };
                if let Err(why) = watched {
                    // Nobody would notice its end.
                    running.signal(Signal::KILL);
                    let _ = waitid(WaitId::PidFd(running.pidfd.as_fd()), WaitIdOptions::EXITED);
                    return self.tell(run.id, Ending::NotRun(Reason::Refused(Errno(why.raw_os_error()))));
                }
                self.runs.insert(run.id, running);
                self.outbox.push_back(Answer::Begun(run.id).encode());
            }
            Err(Trouble::Busy) if times < BUSY.1 => {
                self.busy.push(Retry { at: Instant::now() + BUSY.0, times: times + 1, run });
            }
            Err(Trouble::Busy) => {
                self.tell(run.id, Ending::NotRun(Reason::Refused(Errno(libc::ETXTBSY))));
            }
            Err(Trouble::Never(reason)) => self.tell(run.id, Ending::NotRun(reason)),
        }
    }

    fn start(&mut self, run: &Run) -> Result<(Pid, OwnedFd), Trouble> {
        if self.runs.len() >= MOST {
            return Err(Reason::Refused(Errno(libc::EAGAIN)).into());
        }
        let program = &run.program;
        let account = program.account.as_ref();
        let user = account.map(|account| &*account.user);
        let group = account.and_then(|account| account.group.as_deref());
        let who = self.accounts.resolve(user, group)?;
        let (path, arguments) = match &program.command {
            Command::Run { path, arguments } => (path, arguments),
            Command::Readable { path } => {
                // A shell, because it can be ended when a file system does not answer.
                let words = [path::SHELL, "-c", "{ :; } <\"$1\" || exit 1", "sh", path];
                return self
                    .launch(Path::new(path::SHELL), &words, &who)
                    .map_err(|flaw| flaw.settle(path, &who));
            }
        };
        let file = path::locate(path)?;
        if let Some(flaw) = path::unsafety(&file, &who)? {
            if program.security {
                return Err(flaw.into());
            }
            self.remark(format!(
                "script {}: {flaw}: without enable_script_security it is run as root all the same",
                run.script
            ));
        }
        let shown = file.to_string_lossy().into_owned();
        let words: Vec<&str> = [&*shown].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        match self.launch(&file, &words, &who) {
            Err(Denial::Execute(libc::ENOEXEC)) => {}
            other => return other.map_err(|flaw| flaw.settle(path, &who)),
        }
        // Either a text without a `#!` line, or nothing that this machine runs.
        if !path::examine(path, &who)?.needs_shell {
            return Err(Reason::Flaw(Flaw::Interpreter { path: shown, interpreter: None }).into());
        }
        self.remark(format!("script {}: {shown} has no #! line: it is run by {}", run.script, path::SHELL));
        let words: Vec<&str> = [path::SHELL].into_iter().chain(words).collect();
        self.launch(Path::new(path::SHELL), &words, &who).map_err(|flaw| flaw.settle(path, &who))
    }

    fn launch(&mut self, file: &Path, words: &[&str], who: &Identity) -> Result<(Pid, OwnedFd), Denial> {
        let impossible = |_| Denial::System(libc::EINVAL);
        let words = words.iter().map(|word| CString::new(*word)).collect::<std::result::Result<Vec<_>, _>>();
        let file = CString::new(file.as_os_str().as_bytes()).map_err(impossible)?;
        let program = Program {
            file: &file,
            words: &words.map_err(impossible)?,
            environment: &self.environment,
            null: self.null.as_fd(),
            rights: (!who.is_own()).then_some((who.user, who.group, &who.groups[..])),
            descriptors: self.descriptors,
            is_spared: self.is_spared,
        };
        spawn::start(&program, &mut self.stack).map_err(|(step, why)| match step {
            Step::Fork | Step::Prepare => Denial::System(why.errno.0),
            Step::Rights => Denial::Rights(why.errno.0),
            Step::Execute => Denial::Execute(why.errno.0),
        })
    }

    fn kill(&mut self, Kill { id, hard }: Kill) {
        if let Some(run) = self.runs.get_mut(&id).filter(|run| !run.is_over) {
            run.ended_at.get_or_insert_with(Instant::now);
            run.signal(if hard { Signal::KILL } else { Signal::TERM });
        } else if let Some(at) = self.asked.iter().position(|run| run.id == id) {
            self.asked.remove(at);
            self.tell(id, Ending::NotRun(Reason::NotBegun));
        } else if let Some(at) = self.busy.iter().position(|retry| retry.run.id == id) {
            self.busy.remove(at);
            self.tell(id, Ending::NotRun(Reason::Refused(Errno(libc::ETXTBSY))));
        }
    }

    /// A run may have ended.
    fn look_after(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(&id).filter(|run| !run.is_over) else { return };
        // It stays a zombie for now: what it leaves in its group can still be found.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let how = match waitid(WaitId::PidFd(run.pidfd.as_fd()), options) {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Ending::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
                (None, Some(signal)) => Ending::Signalled(signal),
                (None, None) => return,
            },
            Ok(None) => return,
            Err(why) => Ending::NotRun(Reason::Refused(Errno(why.raw_os_error()))),
        };
        let _ = epoll::delete(&self.epoll, &run.pidfd);
        run.is_over = true;
        if run.ended_at.is_none() {
            run.reap();
            self.runs.remove(&id);
        }
        self.tell(id, how);
    }

    fn keep_time(&mut self, now: Instant) {
        if let Some(since) = self.closing
            && now.saturating_duration_since(since) >= GRACE
        {
            self.runs.values().for_each(|run| run.signal(Signal::KILL));
        }
        self.runs.retain(|_, run| {
            let lingers =
                run.is_over && run.ended_at.is_some_and(|at| now < at + LINGER) && self.closing.is_none();
            if !run.is_over || lingers {
                return true;
            }
            run.signal(Signal::KILL);
            run.reap();
            false
        });
        let (due, later) = std::mem::take(&mut self.busy).into_iter().partition(|retry| retry.at <= now);
        self.busy = later;
        let due: Vec<Retry> = due;
        for Retry { times, run, .. } in due {
            self.run(run, times);
        }
    }

    fn tell(&mut self, id: RunId, how: Ending) {
        if self.closing.is_none() {
            self.outbox.push_back(Answer::Ended(Ended { id, how }).encode());
        }
    }

    /// Says something once.
    fn remark(&mut self, text: String) {
        if self.closing.is_none() && self.remarked.len() < REMARKS && self.remarked.insert(text.clone()) {
            self.outbox.push_back(Answer::Remark(text).encode());
        }
    }

    fn send(&mut self) {
        while let Some(bytes) = self.outbox.front() {
            match send(&self.channel, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS | rustix::io::Errno::NOMEM) => {
                    return;
                }
                // If it failed, the worker is gone, and the next look at the channel says so.
                Ok(_) | Err(_) => {}
            }
            self.outbox.pop_front();
        }
    }
}

/// What the kernel refused.
enum Denial {
    System(i32),
    Rights(i32),
    Execute(i32),
}

impl Denial {
    /// The reason behind an error number.
    fn settle(self, path: &str, who: &Identity) -> Trouble {
        let errno = match self {
            Self::System(errno) => return Reason::Refused(Errno(errno)).into(),
            Self::Rights(errno) => {
                return Reason::Switch { user: who.name.clone(), errno: Errno(errno) }.into();
            }
            Self::Execute(libc::ETXTBSY) => return Trouble::Busy,
            Self::Execute(errno) => errno,
        };
        match path::examine(path, who) {
            Err(reason) => reason.into(),
            // All is there that can be seen, so what is missing is what loads it.
            Ok(_) if errno == libc::ENOENT => {
                Reason::Flaw(Flaw::Interpreter { path: path.into(), interpreter: None }).into()
            }
            Ok(_) => Reason::Refused(Errno(errno)).into(),
        }
    }
}

#[cfg(test)]
mod tests;
