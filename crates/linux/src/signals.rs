//! Signals as something to read, and not as something that interrupts.
//!
//! They are blocked in the first thread before any other exists (all threads inherit the mask) and read from a
//! descriptor in the loop. Programs that this one starts get the mask of before back.

use crate::error::{Error, Result};
use crate::sys::process::{self, SignalSet};
use std::ffi::c_int;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A signal that this program understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// End in order (`SIGTERM`).
    Terminate,
    /// End in order (`SIGINT`, Ctrl-C).
    Interrupt,
    /// Read the configuration again (`SIGHUP`).
    Hangup,
    /// Write the state to a file (`SIGUSR1`).
    User1,
    /// Write the statistics to a file (`SIGUSR2`).
    User2,
    /// Write the statistics to a file, then count from zero ([`stats_clear`]).
    UserClear,
    /// Write the state to a file as JSON ([`json`]).
    UserJson,
    /// A real-time thread computed for longer than it may without waiting (`SIGXCPU`).
    Burst,
    /// A child ended (`SIGCHLD`).
    Child,
    /// A reader of ours went away (`SIGPIPE`): never acted upon, but it must not kill.
    Pipe,
}

/// The number of [`Signal::UserJson`]: the C library decides where its own signals end.
#[must_use]
pub fn json() -> c_int {
    libc::SIGRTMIN() + 2
}

/// The number of [`Signal::UserClear`].
#[must_use]
pub fn stats_clear() -> c_int {
    libc::SIGRTMAX() - 1
}

/// Sends a signal to a process; one that has ended is no mistake.
pub fn send(process: impl AsFd, signal: Signal) {
    let _ = process::send_signal(process, signal.number());
}

fn all() -> [(Signal, c_int); 10] {
    [
        (Signal::Terminate, libc::SIGTERM),
        (Signal::Interrupt, libc::SIGINT),
        (Signal::Hangup, libc::SIGHUP),
        (Signal::User1, libc::SIGUSR1),
        (Signal::User2, libc::SIGUSR2),
        (Signal::UserClear, stats_clear()),
        (Signal::UserJson, json()),
        (Signal::Burst, libc::SIGXCPU),
        (Signal::Child, libc::SIGCHLD),
        (Signal::Pipe, libc::SIGPIPE),
    ]
}

impl Signal {
    /// Its number.
    #[must_use]
    pub fn number(self) -> c_int {
        all().into_iter().find(|(signal, _)| *signal == self).map_or(0, |(_, number)| number)
    }
}

/// What children get the default action for: the Rust runtime ignores it in us.
static RESET: [c_int; 1] = [libc::SIGPIPE];

/// One signal and who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub signal: Signal,
    /// Process id of the sender; 0 if it was the kernel or is in another PID namespace.
    pub sender: u32,
}

/// All signals of [`Signal`], blocked and readable.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
    before: SignalSet,
}

impl Signals {
    /// Blocks the signals in the calling thread and opens the descriptor. Call it before any other thread exists.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn block() -> Result<Self> {
        let doing = "take over the signals";
        // Whoever started us may have ignored it, and that is inherited.
        process::keep_endings();
        let numbers = all().map(|(_, number)| number);
        let set = SignalSet::of(&numbers);
        // A process that was started with them blocked reads them as well; its own children shall not have to.
        let before = set.block().map_err(|why| Error::refused(doing, why))?.without(&numbers);
        let fd = set.descriptor().map_err(|why| Error::refused(doing, why))?;
        Ok(Self { fd, before })
    }

    /// The next signal; `None` when there is none.
    ///
    /// # Errors
    /// The kernel's refusal; not known to happen.
    pub fn next(&self) -> Result<Option<Received>> {
        let info = process::next_signal(&self.fd).map_err(|why| Error::refused("read the signals", why))?;
        Ok(info.and_then(|info| {
            let number = c_int::try_from(info.signal).ok()?;
            let (signal, _) = all().into_iter().find(|&(_, known)| known == number)?;
            Some(Received { signal, sender: info.sender })
        }))
    }

    /// Gives a program that is to be started the signal mask that this one had at its own start, with none of these
    /// signals in it.
    pub fn restore_for(&self, command: &mut std::process::Command) {
        process::with_mask(command, self.before, &RESET);
    }

    /// Gives the calling thread the mask of before. What was received and not read is then delivered.
    ///
    /// # Errors
    /// The kernel's refusal; not known to happen.
    pub fn restore(&self) -> Result<()> {
        self.before.install().map(drop).map_err(|why| Error::refused("give back the signals", why))
    }
}

/// Readable while signals wait.
impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
