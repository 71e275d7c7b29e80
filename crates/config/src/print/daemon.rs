//! What the daemon itself is told.

use super::writer::word;
use super::{Print, seconds};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use model::{Daemon, Dumps, ReloadFile, Scheduling};

impl Print<'_> {
    /// The lines that stand outside of blocks.
    pub(super) fn serving_root(&mut self, daemon: &Daemon) {
        let usual = Daemon::default();
        self.text("net_namespace", daemon.namespace.as_ref());
        self.text("instance", daemon.name.as_ref());
        self.flag("use_pid_dir", daemon.own_pid_directory);
        let limit = daemon.stop_limit;
        self.setting("child_wait_time", &seconds(limit), limit == usual.stop_limit);
    }

    /// The lines of `global_defs`.
    pub(super) fn serving(&mut self, daemon: &Daemon) {
        let Daemon {
            namespace: _,
            name: _,
            own_pid_directory: _,
            stop_limit: _,
            supervisor_process,
            worker_process,
            umask,
            scheduling: Scheduling { nice, real_time, processors, longest_burst, no_swap },
            dumps: Dumps { named, state, json_version },
            reload_file,
            logs_unknown,
        } = daemon;
        self.text("process_name", supervisor_process.as_ref());
        self.text("vrrp_process_name", worker_process.as_ref());
        if let Some(mask) = umask {
            self.setting("umask", &format!("{mask:04o}"), false);
        }
        if let Some(nice) = nice {
            self.setting("vrrp_priority", &format!("{nice}"), false);
        }
        if let Some(priority) = real_time {
            self.setting("vrrp_rt_priority", &format!("{priority}"), false);
        }
        if !processors.is_empty() {
            let list: Vec<String> = processors.iter().map(|number| format!("{number}")).collect();
            self.setting("vrrp_cpu_affinity", &list.join(" "), false);
        }
        if let Some(time) = longest_burst {
            self.setting("vrrp_rlimit_rttime", &format!("{}", time.as_micros()), false);
        }
        self.flag("vrrp_no_swap", *no_swap);
        self.switch("data_use_instance", *named);
        self.text("state_dump_file", state.as_ref());
        self.setting(
            "json_version",
            &format!("{json_version}"),
            *json_version == Dumps::default().json_version,
        );
        match reload_file {
            None => {}
            Some(ReloadFile::Usual) => self.to.line("reload_file"),
            Some(ReloadFile::At(path)) => self.setting("reload_file", &word(path), false),
        }
        self.flag("log_unknown_vrids", *logs_unknown);
    }

    fn text(&mut self, keyword: &str, text: Option<&String>) {
        if let Some(text) = text {
            self.setting(keyword, &word(text), false);
        }
    }
}
