//! Programs that the configuration names: who runs them, and when.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's name or number.
    pub user: Arc<str>,
    /// The group's name or number; `None`: the user's own.
    pub group: Option<Arc<str>>,
}

/// A program that is told of something, with whose rights; `None`: the host's [`crate::Scripts::account`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The program.
    pub command: Command,
    /// Whose rights it gets.
    pub account: Option<Account>,
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
