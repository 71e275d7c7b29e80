//! The worker: configuration in, events out. Its main thread is the *desk*, which may block; the reactor's
//! thread (`linux::packet`) and the hand's thread never wait for it.

use crate::check::here;
use crate::daemon::{Invocation, exit, host_name};
use crate::log::Log;
use crate::sources::{self, Read};
use crate::supervisor::{complains_to_front, leave_stderr, word};
use crate::terms::Terms;
use linux::ledger::Ledger;
use linux::packet::{Command, Desk, Haste, Reactor, Report};
use linux::pidfile::PidFile;
use linux::scheduling::Scheduler;
use linux::script::Runner;
use linux::script::account::Identity;
use linux::signals::{Signal, Signals};
use model::{Dumps, Host, ReloadFile};
use node::compat;
use node::event::{Event, Level};
use node::io::Order;
use node::status::Status;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How long a worker that lost its supervisor may need to end, and its pid file's lock with it.
const ORPHAN_LIMIT: Duration = Duration::from_secs(3);

/// What a worker gets from its supervisor.
#[derive(Debug)]
pub struct Inherited {
    /// What it holds, for whoever has to remove that.
    pub ledger: OwnedFd,
    /// Where it says how far it is ([`word`]).
    pub supervisor: File,
    /// Where its packet thread asks to be looked after: one of its own, so that no byte of it falls into a line.
    pub haste: File,
    /// Where it asks for scripts to be run.
    pub scripts: OwnedFd,
}

/// Runs a worker until it is told to stop. Returns the exit code.
pub fn main(invocation: &Invocation, remarks: &[String], terms: Terms, inherited: Inherited) -> u8 {
    let mut style = invocation.log.clone();
    style.ident.push_str(&terms.suffix(invocation, '_'));
    let mut log = Log::open(style);
    log.complain_on_console(complains_to_front(invocation));
    for remark in remarks {
        log.warning(remark);
    }
    // Before any thread exists: all threads inherit the mask.
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(why) => return give_up(&mut log, exit::FATAL, &why),
    };
    let host = match read_apart(invocation, &mut log) {
        Ok(host) => host,
        Err(code) => return code,
    };
    // The file may be another one than the stages before this one saw. Its addresses belong elsewhere then.
    if terms.is_elsewhere(&Terms::of(&host), invocation) {
        let why =
            "the configuration is for another network namespace than this daemon runs in: restart the daemon";
        return give_up(&mut log, exit::CONFIG, &why);
    }
    take_name(invocation, &host);
    let wanted = terms.worker_pid_file(invocation);
    let wanted = wanted.map(|path| PidFile::acquire_within(&path, ORPHAN_LIMIT)).transpose();
    let _pid_file = match wanted {
        Ok(lock) => lock,
        Err(why) => return give_up(&mut log, exit::FATAL, &why),
    };
    let Inherited { ledger, supervisor, haste: hurry, scripts } = inherited;
    let haste = match haste(hurry) {
        Ok(haste) => haste,
        Err(why) => return give_up(&mut log, exit::FATAL, &why),
    };
    let scheduler = Scheduler::new();
    let started =
        Ledger::adopt(ledger).and_then(|ledger| Reactor::start(ledger, Runner::new(scripts), haste));
    let reactor = match started {
        Ok(reactor) => reactor,
        Err(why) => {
            let denied = why.errno().is_some_and(|errno| matches!(errno.0, 1 | 13));
            return give_up(&mut log, if denied { exit::PERMISSION } else { exit::FATAL }, &why);
        }
    };
    for remark in reactor.remarks() {
        log.info(remark);
    }
    let instances = host.instances.len();
    let mut clerk = Clerk {
        invocation,
        terms,
        log,
        supervisor,
        orphan: false,
        asked: Vec::new(),
        host: None,
        instances,
        dumps: Dumps::default(),
        sign: None,
        reload_file: None,
        scheduler,
        stir: Stir::default(),
        started: false,
        gave_back: false,
        stopping: false,
        code: None,
    };
    clerk.take(host, reactor.desk());
    let code = clerk.serve(&signals, reactor.desk());
    reactor.join();
    code
}

/// How the packet thread asks the supervisor to look after it oftener: a byte that is lost if the pipe is full, which means
/// that nobody has looked for a long time.
fn haste(mut pipe: File) -> std::io::Result<Haste> {
    rustix::fs::fcntl_setfl(&pipe, rustix::fs::OFlags::NONBLOCK)?;
    Ok(Box::new(move || _ = pipe.write(&[word::HASTE])))
}

fn give_up(log: &mut Log, code: u8, why: &dyn std::fmt::Display) -> u8 {
    log.alarm(&why.to_string());
    code
}

/// Reads the configuration in a thread of its own. The allocator keeps the memory that reading takes with the thread, and
/// gives it to one that is started later: what lives long is not scattered among it.
///
/// # Errors
/// The exit code, when it cannot run.
fn read_apart(invocation: &Invocation, log: &mut Log) -> Result<Host, u8> {
    let mut read = None;
    let mut work = || read = Some(read_configuration(invocation, log));
    let is_done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("reader".into()).spawn_scoped(scope, &mut work);
        thread.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).is_ok()
    });
    if !is_done {
        work();
    }
    read.unwrap_or(Err(exit::SOFTWARE))
}

/// Reads the configuration and logs what there is to say about it.
///
/// # Errors
/// The exit code, when it cannot run.
fn read_configuration(invocation: &Invocation, log: &mut Log) -> Result<Host, u8> {
    let path = invocation.config_path();
    log.info(&format!("reading {}", path.display()));
    let read = sources::read(&path, &surroundings(invocation));
    for (level, line) in read.lines() {
        log.line(level, &line);
    }
    match read {
        Read::Done { host: Some(mut host), .. } => {
            name_sender(&mut host);
            Ok(host)
        }
        Read::Done { host: None, diagnostics, .. } => {
            log.alarm(&format!("{} cannot run; see: standfast check {}", path.display(), path.display()));
            // keepalived has one code for files that are not there, whichever they are.
            let absent = diagnostics.iter().any(|d| d.id == config::Id::IncludeNotFound);
            Err(if absent { exit::NO_CONFIG } else { exit::CONFIG })
        }
        Read::Absent { .. } => Err(exit::NO_CONFIG),
    }
}

/// Mail comes from this host, and from whoever this program runs as, unless the configuration says otherwise.
fn name_sender(host: &mut Host) {
    if host.mail.server.is_none() {
        return;
    }
    let name = host_name();
    // The user database may be slow, and is hardly ever needed.
    let user = if rustix::process::geteuid().is_root() { "root".into() } else { Identity::own().name };
    host.mail.from.get_or_insert_with(|| format!("{user}@{name}"));
    host.mail.helo.get_or_insert_with(|| name.clone());
    host.router_id.get_or_insert(name);
}

fn surroundings(invocation: &Invocation) -> config::Surroundings {
    config::Surroundings {
        host_name: host_name(),
        config_id: Some(invocation.id()),
        interfaces: here::interfaces().ok(),
        programs: std::collections::BTreeMap::new(),
        hooks: std::collections::BTreeMap::new(),
        keepalived: None,
        all_includes: invocation.all_includes,
        environment: crate::sources::environment(),
    }
}

/// What was asked of the reactor and is not answered yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Data,
    Statistics,
    Json,
}

/// Whether so much has happened that it is worth to give back what it took, once it is quiet again.
#[derive(Clone, Copy, Default)]
struct Stir {
    reports: usize,
    /// It is being given back, and memory is not locked, until then.
    loose_until: Option<Instant>,
}

impl Stir {
    /// So many reports are much.
    const MUCH: usize = 500;
    /// It is quiet when nothing was reported for so long.
    const QUIET: Duration = Duration::from_secs(5);
    /// So long the threads have for giving back what is theirs. Who is later does it another time.
    const LOOSE: Duration = Duration::from_millis(50);

    fn note(&mut self, reports: usize) {
        self.reports = self.reports.saturating_add(reports);
    }

    /// How long to wait for the next report, if that makes a difference.
    fn patience(&self, now: Instant) -> Option<Timespec> {
        let quiet = (self.reports >= Self::MUCH).then_some(Self::QUIET);
        let pause = self.loose_until.map(|until| until.saturating_duration_since(now)).or(quiet)?;
        Timespec::try_from(pause).ok()
    }

    /// Nothing was reported for as long as it had patience. Whether to give back now.
    fn loosens(&mut self, now: Instant) -> bool {
        let begins = self.loose_until.is_none() && self.reports >= Self::MUCH;
        if begins {
            *self = Self { reports: 0, loose_until: Some(now + Self::LOOSE) };
        }
        begins
    }

    /// Whether the time for that is over, whatever was reported meanwhile.
    fn tightens(&mut self, now: Instant) -> bool {
        self.loose_until.take_if(|until| *until <= now).is_some()
    }
}

/// Sits at the desk.
struct Clerk<'a> {
    invocation: &'a Invocation,
    /// What the stages before this one go by.
    terms: Terms,
    log: Log,
    /// The pipe to the supervisor, which nobody reads any more when that has ended.
    supervisor: File,
    /// The supervisor has ended.
    orphan: bool,
    asked: Vec<Asked>,
    /// The configuration in force, on its way into a dump.
    host: Option<Box<Host>>,
    /// So many are in the configuration in force.
    instances: usize,
    dumps: Dumps,
    /// What shows that a reload is under way, according to the configuration in force.
    sign: Option<ReloadFile>,
    /// The file that does, while one is.
    reload_file: Option<PathBuf>,
    scheduler: Scheduler,
    stir: Stir,
    /// A configuration was in force.
    started: bool,
    /// Memory was given back, and perhaps what a takeover needs.
    gave_back: bool,
    /// The orderly end has begun.
    stopping: bool,
    code: Option<u8>,
}

impl Clerk<'_> {
    fn serve(&mut self, signals: &Signals, desk: &Desk) -> u8 {
        let mut reports = Vec::new();
        loop {
            let mut ready = vec![PollFd::new(signals, PollFlags::IN), PollFd::new(desk, PollFlags::IN)];
            if !self.orphan {
                // Nothing is awaited but its end, which is reported in any case.
                ready.push(PollFd::new(&self.supervisor, PollFlags::empty()));
            }
            let polled = poll(&mut ready, self.stir.patience(Instant::now()).as_ref());
            let tightens = self.stir.tightens(Instant::now());
            if tightens {
                let remark = self.scheduler.tighten();
                remark.into_iter().for_each(|remark| self.log.warning(&remark));
                desk.command(Command::Brace);
            }
            match polled {
                // Not after the short wait for the threads: that was no rest.
                Ok(0) if !tightens && self.stir.loosens(Instant::now()) => {
                    reports = Vec::new();
                    self.scheduler.loosen();
                    desk.rest();
                    continue;
                }
                Ok(0) | Err(_) => continue,
                Ok(_) => {}
            }
            let gone = ready.get(2).is_some_and(|pipe| !pipe.revents().is_empty());
            if gone {
                self.orphan = true;
                self.log.alarm("the supervisor has ended");
                self.obey(Signal::Terminate, desk);
            }
            while let Ok(Some(received)) = signals.next() {
                self.obey(received.signal, desk);
            }
            desk.reports(&mut reports);
            self.stir.note(reports.len());
            for report in reports.drain(..) {
                self.note(report);
            }
            if std::mem::take(&mut self.gave_back) {
                desk.command(Command::Brace);
            }
            if let Some(code) = self.code {
                return code;
            }
        }
    }

    fn obey(&mut self, signal: Signal, desk: &Desk) {
        match signal {
            // A service manager tells every process of the unit, and the supervisor passes it on: once is enough.
            Signal::Terminate | Signal::Interrupt if self.stopping => {}
            Signal::Terminate | Signal::Interrupt => {
                self.stopping = true;
                self.tell(word::STOPPING);
                self.log.info("Stopping");
                let keep = self.invocation.keep_at_exit;
                desk.command(Command::Order(if keep { Order::Abandon } else { Order::Stop }));
            }
            Signal::Hangup => self.reload(desk),
            Signal::User1 => self.ask(Asked::Data, Command::Status, desk),
            Signal::User2 => self.ask(Asked::Statistics, Command::Status, desk),
            Signal::UserClear => self.ask(Asked::Statistics, Command::StatusAndCountAnew, desk),
            Signal::UserJson => {
                desk.command(Command::Host);
                self.ask(Asked::Json, Command::Status, desk);
            }
            Signal::Burst => self.log.alarm(
                "a real-time thread computed for longer than vrrp_rlimit_rttime allows without waiting",
            ),
            Signal::Child | Signal::Pipe => {}
        }
    }

    /// Validates, then applies: a bad file changes nothing.
    fn reload(&mut self, desk: &Desk) {
        self.tell(word::RELOADING);
        self.log.info("Reloading");
        self.show_reload();
        match read_apart(self.invocation, &mut self.log) {
            Ok(host) if host.instances.is_empty() && self.instances > 0 => self.refuse_reload(&format!(
                "a reload would remove all {} instances; stop the daemon instead",
                self.instances
            )),
            Ok(host) => match self.terms.forbid(&Terms::of(&host), self.invocation) {
                Some(why) => {
                    self.refuse_reload(&format!("{why}; the configuration of before stays in force"))
                }
                None => self.take(host, desk),
            },
            Err(_) => self.refuse_reload("the configuration of before stays in force"),
        }
    }

    /// Lets a configuration be in force from now on.
    fn take(&mut self, host: Host, desk: &Desk) {
        self.instances = host.instances.len();
        self.dumps = host.daemon.dumps.clone();
        self.sign.clone_from(&host.daemon.reload_file);
        let new = self.terms.renewed(&host);
        // What the supervisor runs by is what is in force. At the start, it may have been read a moment earlier.
        if new != self.terms {
            self.say(&[&[word::TERMS], new.encode().as_bytes(), b"\n"].concat());
            self.terms = new;
        }
        take_name(self.invocation, &host);
        for (level, line) in self.scheduler.apply(&host.daemon.scheduling) {
            self.log.line(level, &line);
        }
        desk.command(Command::Configure(Box::new(host)));
    }

    fn refuse_reload(&mut self, why: &str) {
        self.log.alarm(&format!("reload refused: {why}"));
        self.hide_reload();
        self.tell(word::READY);
    }

    /// Makes the file that others take for a reload that is under way, before anything else: reading may take its time.
    fn show_reload(&mut self) {
        let path = match &self.sign {
            None => return,
            Some(ReloadFile::At(path)) => PathBuf::from(path),
            Some(ReloadFile::Usual) => self.terms.pid_file(self.invocation).with_extension("reload"),
        };
        // One that is there and empty, an earlier run has left.
        let is_left =
            |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|it| it.is_file() && it.len() == 0);
        match File::options().write(true).create_new(true).open(&path) {
            Err(why) if !is_left(&path) => {
                self.log.warning(&format!("reload_file {} is not made: {why}", path.display()));
            }
            Ok(_) | Err(_) => self.reload_file = Some(path),
        }
    }

    fn hide_reload(&mut self) {
        if let Some(path) = self.reload_file.take() {
            let _ = std::fs::remove_file(path);
        }
    }

    fn ask(&mut self, what: Asked, command: Command, desk: &Desk) {
        self.asked.push(what);
        desk.command(command);
    }

    fn note(&mut self, report: Report) {
        match report {
            Report::Event(event) => {
                for line in compat::log_lines(&event) {
                    self.log.line(event.level(), &line);
                }
                if matches!(event, Event::Configured { .. }) {
                    let again = std::mem::replace(&mut self.started, true);
                    if !again {
                        let remark = self.scheduler.settle();
                        self.log.info(&remark);
                        self.gave_back = true;
                    }
                    self.log.info(if again { "Reload complete" } else { "Startup complete" });
                    if !again && !self.invocation.foreground {
                        leave_stderr();
                        self.log.complain_on_console(false);
                    }
                    self.hide_reload();
                    self.tell(word::READY);
                }
            }
            Report::Host(host) => self.host = Some(host),
            Report::Status(status) => self.answer(&status),
            Report::Problem(level, text) => self.log.line(level, &text),
            Report::Lost(count) => {
                self.log.warning(&format!("{count} events were not logged: too many at once"))
            }
            Report::Ended => self.code = Some(exit::OK),
            Report::Broken(what) => {
                self.log.alarm(&format!("a mistake in this program: {what}. Please report it"));
                self.code = Some(exit::SOFTWARE);
            }
        }
    }

    fn answer(&mut self, status: &Status) {
        if self.asked.is_empty() {
            return;
        }
        let directory = temporary_directory();
        let (path, text) = match self.asked.remove(0) {
            Asked::Data => (self.state_file(&directory), compat::data(status)),
            Asked::Statistics => (directory.join("keepalived.stats"), compat::statistics(status)),
            Asked::Json => {
                let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let text = self.host.take().and_then(|host| compat::json(status, &host, wall));
                let Some(text) = text else {
                    return self.log.info("there is no instance to write JSON about");
                };
                (directory.join("keepalived.json"), text)
            }
        };
        match write_dump(&path, &text, self.mode()) {
            Ok(()) => self.log.info(&format!("wrote {}", path.display())),
            Err(why) => self.log.line(Level::Warning, &format!("cannot write {}: {why}", path.display())),
        }
    }

    /// Where the state goes: only this file has a name of its own for each daemon, as keepalived has it.
    fn state_file(&self, directory: &Path) -> PathBuf {
        if let Some(path) = &self.dumps.state {
            return directory.join(path);
        }
        let suffix = self.terms.suffix(self.invocation, '_');
        match suffix.strip_prefix('_') {
            Some(name) if self.dumps.named => directory.join(format!("keepalived.{name}.data")),
            Some(_) | None => directory.join("keepalived.data"),
        }
    }

    /// Whoever chose a umask chose who may read dumps.
    fn mode(&self) -> u32 {
        let chosen = self.invocation.umask.is_some() || self.terms.umask.is_some();
        if chosen { 0o666 } else { 0o600 }
    }

    fn tell(&mut self, said: u8) {
        self.say(&[said]);
    }

    /// Waits for a supervisor that does not read: half a line would swallow what comes after it.
    fn say(&mut self, said: &[u8]) {
        // Without a supervisor this process is about to be ended anyway.
        let _ = self.supervisor.write_all(said);
    }
}

/// What the worker is called in `ps`: a stage was started as `/proc/self/exe`, and the kernel calls it `exe`.
fn take_name(invocation: &Invocation, host: &Host) {
    let name = host.daemon.worker_process.as_deref().unwrap_or(invocation.program());
    if let Ok(name) = CString::new(name) {
        // Only its looks depend on it.
        let _ = rustix::thread::set_name(&name);
    }
}

/// `TMPDIR` if it is an absolute directory that exists, else `/tmp`.
fn temporary_directory() -> PathBuf {
    std::env::var_os("TMPDIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute() && path.is_dir())
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// Replaces a file in a directory that everybody may write to: what lies there, be it a link or a pipe, is never
/// opened.
fn write_dump(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(name);
    // One that a process of the same number has left.
    match std::fs::remove_file(&temporary) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(why),
        Ok(()) | Err(_) => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&temporary)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_follows_a_crowd_of_reports_and_nothing_else() {
        let (mut stir, now) = (Stir::default(), Instant::now());
        stir.note(Stir::MUCH - 1);
        assert!(stir.patience(now).is_none() && !stir.loosens(now));
        stir.note(1);
        assert!(stir.patience(now).is_some() && !stir.tightens(now));
        assert!(stir.loosens(now) && !stir.loosens(now), "once");
        // Whatever is reported meanwhile, it comes to an end, and counts for the next rest.
        stir.note(Stir::MUCH);
        assert!(stir.patience(now).is_some_and(|pause| pause.tv_sec == 0));
        assert!(!stir.tightens(now + Stir::LOOSE / 2));
        assert!(stir.tightens(now + Stir::LOOSE) && !stir.tightens(now + Stir::LOOSE));
        assert!(stir.loosens(now));
    }

    #[test]
    fn a_dump_replaces_what_lies_there_and_opens_nothing() {
        let directory = std::env::temp_dir().join(format!("standfast-dump-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (path, precious) = (directory.join("keepalived.data"), directory.join("precious"));
        std::fs::write(&precious, "precious").unwrap();
        // A link, then a pipe that nobody reads, then a dump of before.
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        write_dump(&path, "one", 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for text in ["two", "three"] {
            write_dump(&path, text, 0o600).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 2);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
