//! Where log lines go: the console, the journal, syslog. Never a reason to wait: a reader that does not keep
//! up loses lines, and how many is said as soon as one gets through.

use node::event::Level;
use std::io::{IsTerminal, Write};
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

/// An open log.
#[derive(Debug)]
pub struct Log {
    style: Style,
    syslog: Option<UnixDatagram>,
    lost: u64,
    /// Standard error is the journal, which adds time and name itself.
    journal: bool,
    colour: bool,
}

impl Log {
    /// Opens what `style` names. A missing syslog is no error: it is tried again with each line.
    #[must_use]
    pub fn open(style: Style) -> Self {
        let journal = std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = std::io::stderr().is_terminal() && !plain;
        let mut log = Self { style, syslog: None, lost: 0, journal, colour };
        log.connect();
        log
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
        if self.style.console {
            self.write_console(level, text);
        }
        if self.style.syslog {
            self.write_syslog(level, text);
        }
    }

    fn write_console(&mut self, level: Level, text: &str) {
        let line = if self.journal {
            format!("<{}>{text}\n", severity(level))
        } else if self.style.ctime {
            format!("{}: {text}\n", now("%a %b %e %H:%M:%S %Y"))
        } else {
            let time = now("%Y-%m-%dT%H:%M:%S%.3f%:z");
            let (word, on, off) = match (level, self.colour) {
                (Level::Info, _) => ("", "", ""),
                (Level::Warning, true) => ("warning: ", "\x1b[33m", "\x1b[0m"),
                (Level::Warning, false) => ("warning: ", "", ""),
                (Level::Alarm, true) => ("ALARM: ", "\x1b[1;31m", "\x1b[0m"),
                (Level::Alarm, false) => ("ALARM: ", "", ""),
            };
            format!("{time} {on}{word}{text}{off}\n")
        };
        // A console that is gone is no reason to stop serving.
        let _ = std::io::stderr().write_all(line.as_bytes());
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
