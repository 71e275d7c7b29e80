//! Programs that the configuration names: who runs them, and when.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// This program is run as it is.
    Run {
        /// Its path, or a bare name that `PATH` leads to.
        path: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// `</path`: the test whether a file can be opened for reading.
    Readable {
        /// The file.
        path: String,
    },
}

impl Command {
    /// The program, or the file that is tested.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Run { path, .. } | Self::Readable { path } => path,
        }
    }
}

/// Whose rights a program gets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// The user's name or number.
    pub user: Arc<str>,
    /// The group's name or number; `None`: the user's own.
    pub group: Option<Arc<str>>,
}

/// A program that is told of something, with whose rights; `None`: the host's [`crate::Scripts::account`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hook {
    /// The program.
    pub command: Command,
    /// Whose rights it gets.
    pub account: Option<Account>,
}

/// What is wrong with a program that the configuration names, so that it is not run on this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flaw {
    /// This part of its path does not exist.
    Missing(String),
    /// This is no file that can be run (a directory, a socket).
    NotAFile(String),
    /// This user must not run it, or must not pass through this directory on the way to it.
    NotExecutable {
        /// The file, or the part of its path.
        path: String,
        /// Its permission bits.
        mode: u32,
        /// Who would run it.
        user: String,
    },
    /// Its first line names an interpreter that does not exist or cannot be run, or it is of another machine.
    Interpreter {
        /// The file.
        path: String,
        /// What its first line names, if it names something.
        interpreter: Option<String>,
    },
    /// Others than root may change this part of its path, and root would run it.
    Unsafe {
        /// The part of the path.
        path: String,
        /// Its permission bits.
        mode: u32,
        /// The number of its owner.
        owner: u32,
    },
    /// There is no such user or group.
    NoAccount(String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{path} does not exist"),
            Self::NotAFile(path) => write!(f, "{path} is no file that can be run"),
            Self::NotExecutable { path, mode, user } => {
                write!(f, "user {user} may not run {path} (mode {:04o})", mode & 0o7777)
            }
            Self::Interpreter { path, interpreter: Some(interpreter) } => {
                write!(f, "the interpreter {interpreter} that {path} names cannot be run")
            }
            Self::Interpreter { path, interpreter: None } => {
                write!(f, "{path} is no program of this machine")
            }
            Self::Unsafe { path, mode, owner } => {
                write!(f, "others than root may change {path} (owner {owner}, mode {:04o})", mode & 0o7777)
            }
            Self::NoAccount(name) => write!(f, "there is no user or group {name}"),
        }
    }
}

/// What holds for all programs of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scripts {
    /// `script_user`; `None`: `keepalived_script` if there is such a user, else the daemon's own.
    pub account: Option<Account>,
    /// `enable_script_security`: a program of root that others may change is not run.
    pub security: bool,
    /// Run before the first instance starts.
    pub startup: Option<TimedHook>,
    /// Run after the last instance stopped.
    pub shutdown: Option<TimedHook>,
}

/// A program that must end in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedHook {
    /// The program.
    pub hook: Hook,
    /// It is killed after this time.
    pub timeout: Duration,
}
