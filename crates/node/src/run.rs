//! Programs that a node has run: what it asks for, what became of it, and why one could not be run.

use crate::io::Errno;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use model::{Account, Command, Flaw};

/// Names one run of a program. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// Run a program once, in a process group of its own. Each is answered by exactly one [`Ended`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Names this run.
    pub id: RunId,
    /// The script that it is a run of, for people.
    pub script: Arc<str>,
    /// What is run.
    pub program: Arc<Program>,
}

/// What is run, and how. The same for each run of a script until a reload changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program with its arguments. For a file that must be readable ([`Command::Readable`]): 0 if it is, else 1.
    pub command: Command,
    /// Whose rights it gets; `None`: `keepalived_script` if there is such a user, else the daemon's own.
    pub account: Option<Account>,
    /// What root runs and others may change is not run.
    pub security: bool,
}

/// End a run: a signal to its whole process group. One that has ended already is no mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// The run.
    pub id: RunId,
    /// SIGKILL; else SIGTERM.
    pub hard: bool,
}

/// A run has ended, or never began. A run that nobody knows is no mistake: it may be of a configuration before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The run.
    pub id: RunId,
    /// How.
    pub how: Ending,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// With this status.
    Exited(u8),
    /// By this signal.
    Signalled(i32),
    /// It could not be run.
    NotRun(Reason),
}

/// Why a program could not be run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Something is wrong with the program, or with whom it shall run as.
    Flaw(Flaw),
    /// Its user could not be switched to.
    Switch {
        /// The user.
        user: String,
        /// What the kernel said.
        errno: Errno,
    },
    /// The machine could not start one more process, or refused for a reason of its own.
    Refused(Errno),
    /// Whoever runs programs for this process is gone.
    NoRunner,
    /// Whoever runs programs for this process has not begun it for too long: held up by something else.
    NotBegun,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flaw(flaw) => flaw.fmt(f),
            Self::Switch { user, errno } => write!(f, "cannot become user {user}: {errno}"),
            Self::Refused(errno) => write!(f, "the system refused to start it: {errno}"),
            Self::NoRunner => f.write_str("the process that runs scripts is gone"),
            Self::NotBegun => f.write_str(
                "the process that runs scripts does not get to it (overloaded, or held up by a file system)",
            ),
        }
    }
}
