//! What can be tracked, and how a failure counts.

use crate::{Account, Command, InterfaceName, TrackedInterface};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use vrrp::{Blank, Rare};

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
    /// Who is at the other end; no other session's neighbour.
    pub neighbor: IpAddr,
    /// Where packets are sent from, of the neighbour's family; `None`: the kernel chooses.
    pub source: Option<IpAddr>,
    /// Its intervals.
    pub settings: bfd::Settings,
    /// TTL or hop limit of sent packets, not 0; `None`: [`Bfd::hop_limit`] says what is usual.
    pub hop_limit: Option<u8>,
    /// How many hops a packet may have made; `None`: any number.
    pub max_hops: Option<u8>,
    /// It speaks to the port of sessions over several hops.
    pub multihop: bool,
    /// -253..=253, for whoever tracks it and says nothing else.
    pub weight: Weight,
}

impl Bfd {
    /// A session that says no more than it must: everything else as if no line spoke of it.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, neighbor: IpAddr) -> Self {
        let settings = bfd::Settings {
            min_tx: 10_000,
            min_rx: 10_000,
            idle_tx: 1_000_000,
            multiplier: 5,
            passive: false,
        };
        Self {
            name: name.into(),
            neighbor,
            source: None,
            settings,
            hop_limit: None,
            max_hops: Some(0),
            multihop: false,
            weight: Weight::default(),
        }
    }

    /// TTL or hop limit of sent packets. Unless it is written, 255 as RFC 5881 has it: keepalived sends 64 over
    /// IPv6, which others discard, and takes 255 (BTRAP-5).
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        self.hop_limit.unwrap_or(255)
    }

    /// The least that may be left of a received packet's TTL or hop limit. Packets of a keepalived that says nothing
    /// come with 64 over IPv6, so they are taken unless a line says that there is more.
    #[must_use]
    pub fn least_hop_limit(&self) -> u8 {
        let sent = self.hop_limit.unwrap_or(if self.neighbor.is_ipv4() { 255 } else { 64 });
        self.max_hops.map_or(0, |hops| sent.saturating_sub(hops))
    }
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

impl Blank for Tracking {
    const BLANK: &'static Self =
        &Self { scripts: Vec::new(), processes: Vec::new(), files: Vec::new(), bfd: Vec::new() };
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
    pub tracking: Rare<Tracking>,
    /// Who is told.
    pub notify: Rare<crate::Notify>,
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
