//! What can be tracked, and how a failure counts.

use crate::{Account, Command, InterfaceName, TrackedInterface};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// What a failure does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// 0: a failure is a fault. Positive: added while it is well. Negative: subtracted while it failed. For a
    /// file: the factor of the number in it.
    pub value: i16,
    /// Well and failed change places.
    pub reverse: bool,
}

/// A `vrrp_script`: a program that is run again and again; its exit code decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its name; unique among the scripts.
    pub name: Arc<str>,
    /// What is run.
    pub command: Command,
    /// Whose rights it gets; `None`: the host's `script_user`.
    pub account: Option<Account>,
    /// Between the beginnings of two runs; not zero.
    pub interval: Duration,
    /// A run is killed after this time; `None`: after the interval.
    pub timeout: Option<Duration>,
    /// Successes in a row until it counts as well; 1 or more.
    pub rise: u32,
    /// Failures in a row until it counts as failed; 1 or more.
    pub fall: u32,
    /// -253..=253, for whoever tracks it and says nothing else.
    pub weight: Weight,
    /// `init_fail`: failed until the first result.
    pub starts_failed: bool,
}

impl Script {
    /// How long a run may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.timeout.unwrap_or(self.interval)
    }
}

/// How the parameters of a process must match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParameterMatch {
    /// All, and no others.
    #[default]
    Exact,
    /// These come first, and the last of them may be longer.
    Initial,
    /// These come first, and more may follow.
    Partial,
}

/// A `vrrp_track_process`: processes that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its name; unique among the processes.
    pub name: Arc<str>,
    /// The program.
    pub path: String,
    /// Its parameters; empty: any, but none if `parameter_match` is given.
    pub parameters: Vec<String>,
    /// How the parameters must match.
    pub parameter_match: ParameterMatch,
    /// Compare the whole command line, not only the name of the program.
    pub full_command: bool,
    /// -254..=254, for whoever tracks it and says nothing else.
    pub weight: Weight,
    /// The fewest processes with which it is well.
    pub fewest: u32,
    /// The most processes with which it is well; `None`: any number. Not below `fewest`.
    pub most: Option<u32>,
    /// How long an end must last before it counts.
    pub end_delay: Duration,
    /// How long a beginning must last before it counts.
    pub begin_delay: Duration,
}

/// A `track_file`: a number in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name; unique among the files.
    pub name: Arc<str>,
    /// The file.
    pub path: String,
    /// -254..=254, for whoever tracks it and says nothing else.
    pub weight: Weight,
    /// What is written into it at the start.
    pub initial: Option<InitialNumber>,
}

/// What a tracked file gets at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitialNumber {
    /// The number.
    pub value: i32,
    /// Also when the file is there.
    pub overwrite: bool,
}

/// A `bfd_instance`: a session with a neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bfd {
    /// Its name; unique among the sessions.
    pub name: Arc<str>,
    /// -253..=253, for whoever tracks it and says nothing else.
    pub weight: Weight,
}

/// Something tracked by name, with the weight that counts here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Its name.
    pub name: Arc<str>,
    /// What its failure does here.
    pub weight: Weight,
}

/// What an instance or a group tracks by name. Each name exists in the host, and stands here once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracking {
    /// Of [`crate::Host::scripts`].
    pub scripts: Vec<Tracked>,
    /// Of [`crate::Host::processes`].
    pub processes: Vec<Tracked>,
    /// Of [`crate::Host::files`].
    pub files: Vec<Tracked>,
    /// Of [`crate::Host::bfd`].
    pub bfd: Vec<Tracked>,
}

impl Tracking {
    /// Each list.
    #[must_use]
    pub fn lists(&self) -> [&[Tracked]; 4] {
        [&self.scripts, &self.processes, &self.files, &self.bfd]
    }

    /// Everything, list after list.
    pub fn all(&self) -> impl Iterator<Item = &Tracked> {
        self.lists().into_iter().flatten()
    }
}

/// A `vrrp_sync_group`: instances that change state together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroup {
    /// Its name; unique among the groups.
    pub name: Arc<str>,
    /// The names of its instances, in the order of the file; 1 or more, each in this group only.
    pub members: Vec<Arc<str>>,
    /// `sync_group_tracking_weight`: its instances may track with weights of their own; else only processes have one.
    pub weights: bool,
    /// Interfaces tracked for all members.
    pub track_interfaces: Vec<TrackedInterface>,
    /// What else is tracked for all members.
    pub tracking: Tracking,
    /// Who is told.
    pub notify: crate::Notify,
}

/// A line of `interface_up_down_delays`: changes of a link count when they last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkDelay {
    /// The interface.
    pub interface: InterfaceName,
    /// How long it must be down.
    pub down: Duration,
    /// How long it must be up.
    pub up: Duration,
}
