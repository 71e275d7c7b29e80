//! What the daemon itself is told: where it runs, what it is called, and how the machine treats it.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// The longest name of a process that the kernel keeps, in bytes.
pub const LONGEST_PROCESS_NAME: usize = 15;

/// Everything that has to do with the processes and not with virtual routers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// `net_namespace`: the network namespace that it runs in; `None`: the one that it was started in.
    pub namespace: Option<String>,
    /// `instance`: its name among several daemons of one machine.
    pub name: Option<String>,
    /// `use_pid_dir`: its pid files lie in a directory of their own.
    pub own_pid_directory: bool,
    /// `child_wait_time`: how long the worker may take to end in order.
    pub stop_limit: Duration,
    /// `process_name`: what the supervisor is called in `ps`, at most [`LONGEST_PROCESS_NAME`] bytes.
    pub supervisor_process: Option<String>,
    /// `vrrp_process_name`, or what `process_names` makes of it: the same for the worker.
    pub worker_process: Option<String>,
    /// `umask`: what may not be done with files that it makes, 0..=0o777; `None`: 0o177 for dumps, else as started.
    pub umask: Option<u16>,
    /// How the kernel treats the worker.
    pub scheduling: Scheduling,
    /// What it writes when it is asked to.
    pub dumps: Dumps,
    /// `reload_file`: a file that is there while a reload is under way.
    pub reload_file: Option<ReloadFile>,
    /// `log_unknown_vrids`: adverts of virtual routers that are not configured here are logged.
    pub logs_unknown: bool,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            namespace: None,
            name: None,
            own_pid_directory: false,
            stop_limit: Duration::from_secs(5),
            supervisor_process: None,
            worker_process: None,
            umask: None,
            scheduling: Scheduling::default(),
            dumps: Dumps::default(),
            reload_file: None,
            logs_unknown: false,
        }
    }
}

/// How the kernel treats the worker's threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// `vrrp_priority`: the nice value, -20..=19; `None`: as started.
    pub nice: Option<i8>,
    /// `vrrp_rt_priority`: the real-time priority of the thread that sends and receives adverts, 1..=99.
    pub real_time: Option<u8>,
    /// `vrrp_cpu_affinity`: numbers of the processors that it may use, ascending; empty: all.
    pub processors: Vec<u16>,
    /// `vrrp_rlimit_rttime`: a real-time thread that computes longer without waiting is told of.
    pub longest_burst: Option<Duration>,
    /// `vrrp_no_swap`: its memory must stay in RAM.
    pub no_swap: bool,
}

/// What is written when a signal asks for it, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dumps {
    /// `data_use_instance`: names of files tell the daemon's name and namespace.
    pub named: bool,
    /// `state_dump_file`: where the state goes.
    pub state: Option<String>,
    /// `json_version`: the layout of the JSON, 1 or 2.
    pub json_version: u8,
}

impl Default for Dumps {
    fn default() -> Self {
        Self { named: false, state: None, json_version: 1 }
    }
}

/// Where a reload is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadFile {
    /// Beside the pid file.
    Usual,
    /// Here.
    At(String),
}
