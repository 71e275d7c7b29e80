//! What the command line asks of the daemon, whichever of the two command lines it was.

use crate::log::Style;
use std::path::{Path, PathBuf};

/// Everything the command line decides about one daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The configuration file; `None`: the default places.
    pub config: Option<PathBuf>,
    /// Speak and exit as keepalived does.
    pub as_keepalived: bool,
    /// Stay in the foreground.
    pub foreground: bool,
    /// Where and how to log.
    pub log: Style,
    /// The supervisor's pid file, if it was named.
    pub pid_file: Option<PathBuf>,
    /// The worker's pid file, if it was named.
    pub worker_pid_file: Option<PathBuf>,
    /// The id for `@ID` lines; `None`: the host name up to the first dot.
    pub config_id: Option<String>,
    /// A named network namespace to run in.
    pub namespace: Option<String>,
    /// At the end keep addresses and send no priority 0 (`--dont-release-vrrp`).
    pub keep_at_exit: bool,
    /// End when the worker dies, instead of starting another (`--dont-respawn`).
    pub no_respawn: bool,
    /// File creation mask, octal.
    pub umask: Option<u32>,
    /// A plain `include` complains about everything.
    pub all_includes: bool,
}

/// Where configurations are looked for when none is named: ours, then keepalived's.
pub const DEFAULT_CONFIGS: [&str; 2] = ["/etc/standfast/standfast.conf", "/etc/keepalived/keepalived.conf"];

impl Invocation {
    /// `standfast run` without options.
    #[must_use]
    pub fn standfast() -> Self {
        Self {
            config: None,
            as_keepalived: false,
            foreground: true,
            log: Style::console(),
            pid_file: None,
            worker_pid_file: None,
            config_id: None,
            namespace: None,
            keep_at_exit: false,
            no_respawn: false,
            umask: None,
            all_includes: false,
        }
    }

    /// The name that it was called by.
    #[must_use]
    pub const fn program(&self) -> &'static str {
        if self.as_keepalived { "keepalived" } else { "standfast" }
    }

    /// The configuration file to read: the named one, else the first default that exists, else the last
    /// default (whose absence is then the message).
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        if let Some(named) = &self.config {
            return named.clone();
        }
        let [ours, theirs] = DEFAULT_CONFIGS.map(Path::new);
        let choice = if !self.as_keepalived && ours.exists() { ours } else { theirs };
        choice.to_path_buf()
    }

    /// The id that `@ID` lines are compared with.
    #[must_use]
    pub fn id(&self) -> String {
        self.config_id.clone().unwrap_or_else(|| {
            let host = host_name();
            host.split('.').next().unwrap_or_default().to_owned()
        })
    }
}

/// The host's name.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The exit codes of keepalived, which are ours too where they have a meaning.
pub mod exit {
    /// Normal end.
    pub const OK: u8 = 0;
    /// Wrong options, or an error at run time.
    pub const FATAL: u8 = 1;
    /// The configuration cannot run.
    pub const CONFIG: u8 = 2;
    /// A privilege is missing.
    pub const PERMISSION: u8 = 4;
    /// There is no configuration file.
    pub const NO_CONFIG: u8 = 6;
    /// A mistake in this program.
    pub const SOFTWARE: u8 = 70;
}
