//! The worker: configuration in, events out. Its main thread is the *desk*, which may block; the reactor's
//! thread (`linux::packet`) and the hand's thread never wait for it.

use crate::daemon::{Invocation, exit, host_name};
use crate::log::Log;
use crate::sources::{self, Read};
use crate::supervisor::{leave_stderr, word};
use linux::ledger::Ledger;
use linux::packet::{Command, Desk, Reactor, Report};
use linux::pidfile::PidFile;
use linux::signals::{Signal, Signals};
use model::Host;
use node::compat;
use node::event::{Event, Level};
use node::io::Order;
use node::status::Status;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Runs a worker until it is told to stop. Returns the exit code.
pub fn main(invocation: &Invocation, remarks: &[String], ledger: OwnedFd, supervisor: File) -> u8 {
    let mut log = Log::open(invocation.log.clone());
    for remark in remarks {
        log.warning(remark);
    }
    // Before any thread exists: all threads inherit the mask.
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(why) => return give_up(&mut log, exit::FATAL, &why),
    };
    let host = match read_configuration(invocation, &mut log) {
        Ok(host) => host,
        Err(code) => return code,
    };
    let _pid_file = match invocation.worker_pid_file.as_deref().map(PidFile::acquire).transpose() {
        Ok(lock) => lock,
        Err(why) => return give_up(&mut log, exit::FATAL, &why),
    };
    let started = Ledger::adopt(ledger).and_then(Reactor::start);
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
    reactor.desk().command(Command::Configure(Box::new(host)));
    let mut clerk = Clerk { invocation, log, supervisor, asked: Vec::new(), started: false, code: None };
    let code = clerk.serve(&signals, reactor.desk());
    reactor.join();
    code
}

fn give_up(log: &mut Log, code: u8, why: &dyn std::fmt::Display) -> u8 {
    log.alarm(&why.to_string());
    code
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
        Read::Done { host: Some(host), .. } => Ok(host),
        Read::Done { host: None, .. } => {
            log.alarm(&format!("{} cannot run; see: standfast check {}", path.display(), path.display()));
            Err(exit::CONFIG)
        }
        Read::Absent { .. } => Err(exit::NO_CONFIG),
    }
}

fn surroundings(invocation: &Invocation) -> config::Surroundings {
    let links = linux::netlink::Netlink::open().and_then(|mut netlink| netlink.dump_links());
    config::Surroundings {
        host_name: host_name(),
        config_id: Some(invocation.id()),
        interfaces: links.ok().map(|links| links.iter().map(|link| link.name.to_string()).collect()),
    }
}

/// What was asked of the reactor and is not answered yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Data,
    Statistics,
}

/// Sits at the desk.
struct Clerk<'a> {
    invocation: &'a Invocation,
    log: Log,
    supervisor: File,
    asked: Vec<Asked>,
    /// A configuration was in force.
    started: bool,
    code: Option<u8>,
}

impl Clerk<'_> {
    fn serve(&mut self, signals: &Signals, desk: &Desk) -> u8 {
        let mut reports = Vec::new();
        loop {
            let mut ready = [PollFd::new(signals, PollFlags::IN), PollFd::new(desk, PollFlags::IN)];
            if poll(&mut ready, None).is_err() {
                continue;
            }
            while let Ok(Some(received)) = signals.next() {
                self.obey(received.signal, desk);
            }
            desk.reports(&mut reports);
            for report in reports.drain(..) {
                self.note(report);
            }
            if let Some(code) = self.code {
                return code;
            }
        }
    }

    fn obey(&mut self, signal: Signal, desk: &Desk) {
        match signal {
            Signal::Terminate | Signal::Interrupt => {
                self.tell(word::STOPPING);
                self.log.info("Stopping");
                let keep = self.invocation.keep_at_exit;
                desk.command(Command::Order(if keep { Order::Abandon } else { Order::Stop }));
            }
            Signal::Hangup => self.reload(desk),
            Signal::User1 => self.ask(Asked::Data, desk),
            Signal::User2 => self.ask(Asked::Statistics, desk),
            Signal::Child | Signal::Pipe => {}
        }
    }

    /// Validates, then applies: a bad file changes nothing.
    fn reload(&mut self, desk: &Desk) {
        self.tell(word::RELOADING);
        self.log.info("Reloading");
        match read_configuration(self.invocation, &mut self.log) {
            Ok(host) => desk.command(Command::Configure(Box::new(host))),
            Err(_) => {
                self.log.alarm("reload refused: the configuration of before stays in force");
                self.tell(word::READY);
            }
        }
    }

    fn ask(&mut self, what: Asked, desk: &Desk) {
        self.asked.push(what);
        desk.command(Command::Status);
    }

    fn note(&mut self, report: Report) {
        match report {
            Report::Event(event) => {
                for line in compat::log_lines(&event) {
                    self.log.line(event.level(), &line);
                }
                if matches!(event, Event::Configured { .. }) {
                    let again = std::mem::replace(&mut self.started, true);
                    self.log.info(if again { "Reload complete" } else { "Startup complete" });
                    if !again && !self.invocation.foreground {
                        leave_stderr();
                    }
                    self.tell(word::READY);
                }
            }
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
        let (name, text) = match self.asked.remove(0) {
            Asked::Data => ("keepalived.data", compat::data(status)),
            Asked::Statistics => ("keepalived.stats", compat::statistics(status)),
        };
        let path = temporary_directory().join(name);
        match write_dump(&path, &text) {
            Ok(()) => self.log.info(&format!("wrote {}", path.display())),
            Err(why) => self.log.line(Level::Warning, &format!("cannot write {}: {why}", path.display())),
        }
    }

    fn tell(&mut self, said: u8) {
        // Without a supervisor this process is about to be ended anyway.
        let _ = self.supervisor.write_all(&[said]);
    }
}

/// `TMPDIR` if it is an absolute directory that exists, else `/tmp`.
fn temporary_directory() -> PathBuf {
    std::env::var_os("TMPDIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute() && path.is_dir())
        .unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// Replaces a file in a directory that everybody may write to: never through a link that somebody laid there.
fn write_dump(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let no_links = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(no_links);
    options.open(path)?.write_all(text.as_bytes())
}
