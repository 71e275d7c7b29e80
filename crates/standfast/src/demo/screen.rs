//! Where the demonstration is shown: lines that stay, and below them, on a terminal, a few that are drawn anew
//! in place while it waits.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::draw::ink::{Line, Look};

/// How often the live lines are drawn.
const FRAME: Duration = Duration::from_millis(100);

/// Standard output, or nothing at all.
#[derive(Debug)]
pub(crate) struct Screen {
    look: Look,
    silent: bool,
    live: bool,
    inner: Mutex<Inner>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    /// Everything that was said.
    said: Vec<Line>,
    /// How many live lines stand below it now.
    drawn: usize,
    ended: bool,
}

impl Screen {
    /// Standard output; nothing is written to it if `silent`.
    pub(crate) fn new(look: Look, silent: bool) -> Self {
        // Without colours a terminal is still a terminal, unless it is a dumb one.
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let live = !silent && std::io::stdout().is_terminal() && !dumb;
        Self { look, silent, live, inner: Mutex::default(), ended: Condvar::new() }
    }

    /// Says lines that stay.
    pub(crate) fn say(&self, lines: impl IntoIterator<Item = Line>) {
        let mut inner = self.lock();
        let lines: Vec<Line> = lines.into_iter().collect();
        let mut text = clear(&mut inner);
        for line in &lines {
            text.push_str(&self.look.show(line));
            text.push('\n');
        }
        inner.said.extend(lines);
        self.write(&text);
    }

    /// Everything that was said.
    pub(crate) fn said(&self) -> Vec<Line> {
        self.lock().said.clone()
    }

    /// Draws what `lines` makes, again and again, until [`Screen::end`].
    pub(crate) fn animate(&self, lines: impl Fn() -> Vec<Line>) {
        if !self.live {
            return;
        }
        let mut inner = self.lock();
        while !inner.ended {
            drop(inner);
            let lines = lines();
            inner = self.lock();
            if inner.ended {
                break;
            }
            let mut text = clear(&mut inner);
            // A line that does not fit is cut by the terminal, so that one line stays one line.
            text.push_str("\x1b[?7l");
            for line in &lines {
                text.push_str(&self.look.show(line));
                text.push('\n');
            }
            text.push_str("\x1b[?7h");
            inner.drawn = lines.len();
            self.write(&text);
            inner = self.ended.wait_timeout(inner, FRAME).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes the live lines away for ever.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        let text = clear(&mut inner);
        self.write(&text);
        self.ended.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, text: &str) {
        if self.silent || text.is_empty() {
            return;
        }
        let mut out = std::io::stdout().lock();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            // Nobody reads any more (`| head`, say): as a program that takes SIGPIPE ends.
            std::process::exit(141);
        }
    }
}

/// The escape sequences that take the live lines away.
fn clear(inner: &mut Inner) -> String {
    match std::mem::take(&mut inner.drawn) {
        0 => String::new(),
        lines => format!("\x1b[{lines}A\r\x1b[J"),
    }
}
