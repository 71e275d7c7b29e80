//! A program that runs in a machine, with its output on a tape, and the ways in which a program can end:
//! asked to, killed without a word, or frozen.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Ticks};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use timeline::Instant;

use crate::clock::{Deadline, now, timespec};
use crate::processes::{self, Process};
use crate::tape::{Flow, Pump, Tape};
use crate::{Error, Result};

/// How many lines of a log an error message shows.
const LAST_LINES: usize = 12;
/// Within this time the kernel has stopped or ended a process, unless something is very wrong.
const KERNEL: Duration = Duration::from_secs(5);

/// A line of a program's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When the laboratory read it: shortly after the program wrote it.
    pub at: Instant,
    /// The line without its end.
    pub text: String,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        // A status has one of the two.
        status.code().map_or_else(|| Self::Signal(status.signal().unwrap_or(0)), Self::Code)
    }
}

/// A running program. Dropped: killed, with all its descendants, and reaped.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Mutex<Child>,
    pid: Pid,
    pidfd: OwnedFd,
    lines: Arc<Tape<Line>>,
    file: PathBuf,
    _pump: Pump,
}

impl Daemon {
    /// Starts `command`; its output goes to `file` too. `name` is for messages.
    pub(crate) fn start(name: String, mut command: Command, file: PathBuf) -> Result<Self> {
        let failed = |why: std::io::Error| Error::system(format!("start {name}"), why);
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        command.stdin(Stdio::null());
        command.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
        // Keys on the terminal of a demonstration are for the demonstration.
        command.process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        // `command` still has the writing end of the pipe.
        drop(command);
        let opened = pid_of(&child).and_then(|pid| Ok((pid, pidfd_open(pid, PidfdFlags::empty())?)));
        let (pid, pidfd) = match opened {
            Ok(opened) => opened,
            Err(why) => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(failed(why));
            }
        };
        let lines = Arc::new(Tape::default());
        let reader = OwnedFd::from(reader);
        rustix::io::ioctl_fionbio(&reader, true).map_err(|why| failed(why.into()))?;
        let mut splitter =
            Splitter { lines: Arc::clone(&lines), part: Vec::new(), file: File::create(&file).ok() };
        let pump = Pump::start("log", reader, move |fd| splitter.read(fd))?;
        evidence::add(&name, &lines);
        Ok(Self { name, child: Mutex::new(child), pid, pidfd, lines, file, _pump: pump })
    }

    /// Its process id inside the laboratory.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// It and its descendants, parents first.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        processes::tree(self.pid())
    }

    /// Its output so far, as a tape.
    #[must_use]
    pub fn lines(&self) -> &Tape<Line> {
        &self.lines
    }

    /// Its output so far, as text.
    #[must_use]
    pub fn log(&self) -> String {
        text(&self.lines.all())
    }

    /// The file with its output; it vanishes with the laboratory.
    #[must_use]
    pub fn log_file(&self) -> &Path {
        &self.file
    }

    /// Waits for a line that contains `pattern`, however long ago it was written.
    ///
    /// # Errors
    /// [`Error::Late`], with the last lines of the log.
    pub fn wait_for_line(&self, pattern: &str, deadline: impl Into<Deadline>) -> Result<Line> {
        self.wait_for_line_from(0, pattern, deadline).map(|(_, line)| line)
    }

    /// Waits for a line that contains `pattern`, not before `mark` (see [`Tape::mark`]); says where to go on.
    ///
    /// # Errors
    /// [`Error::Late`], with the last lines of the log.
    pub fn wait_for_line_from(
        &self,
        mark: usize,
        pattern: &str,
        deadline: impl Into<Deadline>,
    ) -> Result<(usize, Line)> {
        let begun = Ticks::now();
        self.lines.wait_from(mark, deadline, |line| line.text.contains(pattern)).ok_or_else(|| {
            let all = self.lines.all();
            let last = all.get(all.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
            let seen = format!("its last lines:\n{}", text(last));
            Error::Late {
                what: format!("{}: a line with {pattern:?}", self.name),
                within: begun.elapsed(),
                seen,
            }
        })
    }

    /// Sends a signal to the program itself.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        pidfd_send_signal(&self.pidfd, signal)
            .map_err(|why| Error::system(format!("send {signal:?} to {}", self.name), why))
    }

    /// Sends a signal to one of [`Daemon::processes`].
    ///
    /// # Errors
    /// When `pid` is not among them, or gone.
    pub fn signal_process(&self, pid: i32, signal: Signal) -> Result<()> {
        let doing = || format!("send {signal:?} to process {pid} of {}", self.name);
        let gone = || Error::system(doing(), rustix::io::Errno::SRCH);
        let process = Pid::from_raw(pid).ok_or_else(gone)?;
        let handle = pidfd_open(process, PidfdFlags::empty()).map_err(|why| Error::system(doing(), why))?;
        // Asked after the handle was taken, so that the handle cannot be another process's.
        if !self.processes().iter().any(|known| known.pid == pid) {
            return Err(gone());
        }
        pidfd_send_signal(&handle, signal).map_err(|why| Error::system(doing(), why))
    }

    /// Asks it to end (SIGTERM); wait for that with [`Daemon::wait`].
    ///
    /// # Errors
    /// When it has ended already.
    pub fn term(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Crashes it: it and all its descendants stop, then die, so that none can say a last word for another.
    ///
    /// # Errors
    /// When the kernel does not end it.
    pub fn kill_crash(&self) -> Result<Ended> {
        self.stop_all();
        for process in self.processes().iter().rev() {
            // One that is gone needs no killing.
            let _ = self.signal_process(process.pid, Signal::KILL);
        }
        self.wait(KERNEL)
    }

    /// Freezes it with all its descendants, as a paused virtual machine or a hung kernel would.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn freeze(&self) -> Result<()> {
        if self.stop_all() {
            return Ok(());
        }
        let seen = format!("{:?}", self.processes());
        Err(Error::Late { what: format!("{} stops", self.name), within: KERNEL, seen })
    }

    /// Lets it go on after [`Daemon::freeze`].
    ///
    /// # Errors
    /// When it has ended.
    pub fn thaw(&self) -> Result<()> {
        for process in self.processes().iter().skip(1) {
            let _ = self.signal_process(process.pid, Signal::CONT);
        }
        self.signal(Signal::CONT)
    }

    /// Stops the whole family, including what it forked while it was being stopped; whether that worked.
    fn stop_all(&self) -> bool {
        let deadline = Deadline::from(KERNEL);
        loop {
            let running: Vec<Process> =
                self.processes().into_iter().filter(|process| !"TtZX".contains(process.state)).collect();
            if running.is_empty() || deadline.is_past() {
                return running.is_empty();
            }
            for process in &running {
                let _ = self.signal_process(process.pid, Signal::STOP);
            }
            // A signal takes effect when its process next leaves the kernel; there is no event for it.
            std::thread::yield_now();
        }
    }

    /// How it ended; `None` while it runs.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.try_wait().ok().flatten().map(Ended::from)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`Error::Late`].
    pub fn wait(&self, deadline: impl Into<Deadline>) -> Result<Ended> {
        let (begun, deadline) = (Ticks::now(), deadline.into());
        loop {
            if let Some(ended) = self.ended() {
                return Ok(ended);
            }
            if deadline.is_past() {
                let seen = format!("{:?}", self.processes());
                return Err(Error::Late {
                    what: format!("{} ends", self.name),
                    within: begun.elapsed(),
                    seen,
                });
            }
            let mut dead = [PollFd::new(&self.pidfd, PollFlags::IN)];
            let _ = poll(&mut dead, Some(&timespec(deadline.left())));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = self.kill_crash();
        }
        if let Some(keep) = std::env::var_os("STANDFAST_LAB_LOGS") {
            let name = self.file.file_name().unwrap_or_default();
            let _ = std::fs::copy(&self.file, Path::new(&keep).join(name));
        }
    }
}

fn pid_of(child: &Child) -> std::io::Result<Pid> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

fn text(lines: &[Line]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{}", line.text);
        text
    })
}

/// Makes lines of what comes out of a pipe.
struct Splitter {
    lines: Arc<Tape<Line>>,
    part: Vec<u8>,
    file: Option<File>,
}

impl Splitter {
    fn read(&mut self, fd: std::os::fd::BorrowedFd<'_>) -> Flow {
        let mut buffer = [0; 16 * 1024];
        loop {
            match rustix::io::read(fd, &mut buffer) {
                Ok(0) => {
                    if !self.part.is_empty() {
                        self.take(b"\n");
                    }
                    self.lines.end();
                    return Flow::End;
                }
                Ok(len) => self.take(&buffer[..len]),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Flow::On,
                Err(_) => return Flow::End,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if let Some(file) = &mut self.file {
            // The lines in memory are what tests read; a full disk must not end them.
            let _ = file.write_all(bytes);
        }
        let at = now();
        self.part.extend_from_slice(bytes);
        while let Some(end) = self.part.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.part.drain(..=end).collect();
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
            self.lines.push(Line { at, text });
        }
    }
}

/// What the programs said that this thread started: shown when its test fails.
pub(crate) mod evidence {
    use super::{Line, Tape};
    use std::cell::RefCell;
    use std::sync::Arc;

    type Said = Vec<(String, Arc<Tape<Line>>)>;

    thread_local! {
        static SAID: RefCell<Said> = const { RefCell::new(Vec::new()) };
    }

    /// Only the runner of tests asks for it; elsewhere nothing is kept.
    pub(super) fn add(name: &str, lines: &Arc<Tape<Line>>) {
        if cfg!(feature = "harness") {
            SAID.with_borrow_mut(|said| said.push((name.to_owned(), Arc::clone(lines))));
        }
    }

    /// Takes it all away.
    #[cfg(feature = "harness")]
    pub(crate) fn take() -> Said {
        SAID.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_becomes_lines_however_it_arrives() {
        let lines = Arc::new(Tape::default());
        let mut splitter = Splitter { lines: Arc::clone(&lines), part: Vec::new(), file: None };
        for part in ["one\r\ntw", "o\n\nth", "ree\n"] {
            splitter.take(part.as_bytes());
        }
        let all: Vec<_> = lines.all().into_iter().map(|line| line.text).collect();
        assert_eq!(all, ["one", "two", "", "three"]);
    }
}
