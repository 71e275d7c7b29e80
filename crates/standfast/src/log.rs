//! Where log lines go: the console, the journal, syslog. Never a reason to wait: a reader that does not keep
//! up loses lines, and how many is said as soon as one gets through.

use node::event::Level;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use std::io::{IoSlice, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

/// How the daemon logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    /// Lines on standard error.
    pub console: bool,
    /// Lines to syslog.
    pub syslog: bool,
    /// Syslog facility: 3 is `daemon`, 16..=23 are `local0` to `local7`.
    pub facility: u8,
    /// The name that lines carry in syslog.
    pub ident: String,
    /// keepalived's line format (ctime) instead of ours (RFC 3339) on the console.
    pub ctime: bool,
}

impl Style {
    /// Lines on standard error only.
    #[must_use]
    pub fn console() -> Self {
        Self { console: true, syslog: false, facility: 3, ident: "standfast".into(), ctime: false }
    }
}

/// The longest line on a console: so much a pipe takes whole or not at all (`PIPE_BUF`).
const LONGEST: usize = 4096;

/// An open log.
#[derive(Debug)]
pub struct Log {
    style: Style,
    syslog: Option<UnixDatagram>,
    /// Lines that syslog did not take.
    lost: u64,
    /// Lines that the console did not take.
    console_lost: u64,
    /// Warnings and alarms go to the console even if it has no other lines.
    complaints: bool,
    /// Standard error is the journal, which adds time and name itself.
    journal: bool,
    colour: bool,
}

impl Log {
    /// Opens what `style` names. A missing syslog is no error: it is tried again with each line.
    #[must_use]
    pub fn open(style: Style) -> Self {
        let journal = std::env::var("JOURNAL_STREAM").is_ok_and(|named| is_stderr(&named));
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = std::io::stderr().is_terminal() && !plain;
        let complaints = false;
        let mut log = Self { style, syslog: None, lost: 0, console_lost: 0, complaints, journal, colour };
        log.connect();
        log
    }

    /// Whether warnings and alarms go to the console in any case.
    pub fn complain_on_console(&mut self, complaints: bool) {
        self.complaints = complaints;
    }

    /// An ordinary line.
    pub fn info(&mut self, text: &str) {
        self.line(Level::Info, text);
    }

    /// A line to look at.
    pub fn warning(&mut self, text: &str) {
        self.line(Level::Warning, text);
    }

    /// A line to act on.
    pub fn alarm(&mut self, text: &str) {
        self.line(Level::Alarm, text);
    }

    /// Writes one line wherever lines go.
    pub fn line(&mut self, level: Level, text: &str) {
        if self.style.console || (self.complaints && level != Level::Info) {
            self.write_console(level, text);
        }
        if self.style.syslog {
            self.write_syslog(level, text);
        }
    }

    fn write_console(&mut self, level: Level, text: &str) {
        if self.console_lost > 0 {
            let said = format!("{} log lines were lost", self.console_lost);
            if put(&self.console_line(Level::Warning, &said)) {
                self.console_lost = 0;
            }
        }
        // A console that is gone is no reason to stop serving.
        if self.console_lost > 0 || !put(&self.console_line(level, text)) {
            self.console_lost += 1;
        }
    }

    fn console_line(&self, level: Level, text: &str) -> String {
        if self.journal {
            return format!("<{}>{text}\n", severity(level));
        }
        if self.style.ctime {
            return format!("{}: {text}\n", now("%a %b %e %H:%M:%S %Y"));
        }
        let time = now("%Y-%m-%dT%H:%M:%S%.3f%:z");
        let (word, on, off) = match (level, self.colour) {
            (Level::Info, _) => ("", "", ""),
            (Level::Warning, true) => ("warning: ", "\x1b[33m", "\x1b[0m"),
            (Level::Warning, false) => ("warning: ", "", ""),
            (Level::Alarm, true) => ("ALARM: ", "\x1b[1;31m", "\x1b[0m"),
            (Level::Alarm, false) => ("ALARM: ", "", ""),
        };
        format!("{time} {on}{word}{text}{off}\n")
    }

    fn write_syslog(&mut self, level: Level, text: &str) {
        if self.syslog.is_none() {
            self.connect();
        }
        if self.lost > 0 && self.datagram(Level::Warning, &format!("{} log lines were lost", self.lost)) {
            self.lost = 0;
        }
        if !self.datagram(level, text) {
            self.lost += 1;
        }
    }

    fn datagram(&mut self, level: Level, text: &str) -> bool {
        let Some(socket) = &self.syslog else { return false };
        let priority = u32::from(self.style.facility) * 8 + severity(level);
        let time = now("%b %e %H:%M:%S");
        let line = format!("<{priority}>{time} {}[{}]: {text}", self.style.ident, std::process::id());
        match socket.send(line.as_bytes()) {
            Ok(_) => true,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::WouldBlock {
                    self.syslog = None;
                }
                false
            }
        }
    }

    fn connect(&mut self) {
        if !self.style.syslog {
            return;
        }
        self.syslog = UnixDatagram::unbound()
            .ok()
            .filter(|socket| socket.connect("/dev/log").is_ok() && socket.set_nonblocking(true).is_ok());
    }
}

/// Writes a line to standard error if that takes it at once, and says whether it did.
///
/// The descriptor is shared with whoever started us, so it must not be made non-blocking itself.
fn put(line: &str) -> bool {
    let stderr = std::io::stderr();
    let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    if !matches!(poll(&mut ready, Some(&at_once)), Ok(1)) || !ready[0].revents().contains(PollFlags::OUT) {
        return false;
    }
    let line = shorten(line);
    let kind = rustix::fs::fstat(&stderr).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if matches!(kind, Ok(FileType::Fifo | FileType::Socket)) {
        // Another writer may have taken the room since.
        let parts = [IoSlice::new(line.as_bytes())];
        match pwritev2(&stderr, &parts, u64::MAX, ReadWriteFlags::NOWAIT) {
            // Kernels that cannot do this for pipes (before Linux 6.4) or sockets.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::SPIPE) => {}
            done => return done.is_ok(),
        }
    }
    rustix::io::write(&stderr, line.as_bytes()).is_ok()
}

/// A line of at most [`LONGEST`] bytes, with its end.
fn shorten(line: &str) -> std::borrow::Cow<'_, str> {
    const END: &str = " ...\n";
    if line.len() <= LONGEST {
        return line.into();
    }
    let most = LONGEST - END.len();
    let cut = (0..=most).rev().find(|at| line.is_char_boundary(*at)).unwrap_or_default();
    format!("{}{END}", &line[..cut]).into()
}

/// Whether standard error is the stream that `JOURNAL_STREAM` names as `device:inode`: a child of a service may
/// have inherited the variable and not the stream.
fn is_stderr(named: &str) -> bool {
    let stat = rustix::fs::fstat(std::io::stderr().as_fd());
    stat.is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// The local time, formatted.
fn now(format: &str) -> String {
    jiff::Zoned::now().strftime(format).to_string()
}

/// The syslog severity of a level (RFC 5424 table 2).
const fn severity(level: Level) -> u32 {
    match level {
        Level::Info => 6,
        Level::Warning => 4,
        Level::Alarm => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(shorten("short\n"), "short\n");
        let long = "\u{20ac}".repeat(2000) + "\n";
        let cut = shorten(&long);
        assert!(cut.len() <= LONGEST && cut.ends_with(" ...\n"), "{}", cut.len());
    }
}
