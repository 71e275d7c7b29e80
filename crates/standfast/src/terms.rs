//! What the stages before the worker must know of the configuration: where the daemon runs, what it is called, and
//! what is run before and after it.
//!
//! Those stages hold locks and read no configuration. A stage of its own, the *reader*, does so before any of them
//! decides anything, says these terms on its standard output, and ends. They are handed on in the environment; after
//! a reload the worker tells its supervisor the new ones.

use crate::check::here;
use crate::daemon::Invocation;
use crate::sources::{self, Read};
use linux::scheduling;
use model::{Account, Command, Host, TimedHook};
use node::io::Program;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The shortest time that a worker has to end in order: mail about the end may take two seconds of it, notify scripts
/// three in all, and who is killed in the middle of that has not ended in order.
const SHORTEST_STOP: Duration = Duration::from_secs(4);

/// What the configuration says to the stages before the worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The network namespace.
    pub namespace: Option<String>,
    /// The daemon's name among several.
    pub name: Option<String>,
    /// Pid files lie in a directory of their own.
    pub own_pid_directory: bool,
    /// Seconds that the worker has to end in order.
    stop_limit: u64,
    /// The real-time priority that the packet thread is to have, 1 to 99.
    real_time: Option<u8>,
    /// What the supervisor is called in `ps`.
    pub supervisor_process: Option<String>,
    /// File creation mask.
    pub umask: Option<u16>,
    /// Run before the first worker.
    pub startup: Option<Errand>,
    /// Run after the last one.
    pub shutdown: Option<Errand>,
}

/// A program that is run once and must end in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    path: String,
    /// `None`: the file is only opened.
    arguments: Option<Vec<String>>,
    user: Option<String>,
    group: Option<String>,
    /// `enable_script_security`.
    security: bool,
    seconds: u64,
}

impl Errand {
    fn of(timed: &TimedHook, host: &Host) -> Self {
        let settings = &host.script_settings;
        let account = timed.hook.account.as_ref().or(settings.account.as_ref());
        let (path, arguments) = match &timed.hook.command {
            Command::Run { path, arguments } => (path, Some(arguments.clone())),
            Command::Readable { path } => (path, None),
        };
        Self {
            path: path.clone(),
            arguments,
            user: account.map(|account| account.user.to_string()),
            group: account.and_then(|account| account.group.as_ref()).map(ToString::to_string),
            security: settings.security,
            seconds: timed.timeout.as_secs(),
        }
    }

    /// What is run, with whose rights.
    #[must_use]
    pub fn program(&self) -> Program {
        let path = self.path.clone();
        Program {
            command: match self.arguments.clone() {
                Some(arguments) => Command::Run { path, arguments },
                None => Command::Readable { path },
            },
            account: self.user.as_ref().map(|user| Account {
                user: user.as_str().into(),
                group: self.group.as_deref().map(Into::into),
            }),
            security: self.security,
        }
    }

    /// How long it may take.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl Terms {
    /// The terms of a configuration.
    #[must_use]
    pub fn of(host: &Host) -> Self {
        let daemon = &host.daemon;
        let errand = |timed: &Option<TimedHook>| timed.as_ref().map(|timed| Errand::of(timed, host));
        Self {
            namespace: daemon.namespace.clone(),
            name: daemon.name.clone(),
            own_pid_directory: daemon.own_pid_directory,
            stop_limit: daemon.stop_limit.as_secs(),
            real_time: daemon.scheduling.real_time,
            supervisor_process: daemon.supervisor_process.clone(),
            umask: daemon.umask,
            startup: errand(&host.script_settings.startup),
            shutdown: errand(&host.script_settings.shutdown),
        }
    }

    /// Those of a later configuration, without what only a start can change: the place, names, what is held already.
    #[must_use]
    pub fn renewed(&self, host: &Host) -> Self {
        Self {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            own_pid_directory: self.own_pid_directory,
            supervisor_process: self.supervisor_process.clone(),
            umask: self.umask,
            ..Self::of(host)
        }
    }

    /// Those of the configuration that an invocation leads to. One that cannot run has no programs at its ends; the
    /// worker will say why it cannot.
    #[must_use]
    pub fn read(invocation: &Invocation) -> Self {
        let plain = here::surroundings(Some(invocation.id()), false);
        let surroundings = config::Surroundings { all_includes: invocation.all_includes, ..plain };
        match sources::read(&invocation.config_path(), &surroundings) {
            Read::Done { host: Some(host), .. } => Self::of(&host),
            Read::Done { host: None, partial: Some(host), .. } => {
                Self { startup: None, shutdown: None, ..Self::of(&host) }
            }
            Read::Done { .. } | Read::Absent { .. } => Self::of(&Host::default()),
        }
    }

    /// As one line.
    #[must_use]
    pub fn encode(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From a line; `None`: these are no terms.
    #[must_use]
    pub fn decode(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// How long the worker may take to end in order before it is killed.
    #[must_use]
    pub fn stop_limit(&self) -> Duration {
        Duration::from_secs(self.stop_limit).max(SHORTEST_STOP)
    }

    /// The real-time priority of the supervisor: above the worker's threads, which it must notice when they run wild.
    #[must_use]
    pub fn priority(&self) -> i32 {
        let packet = self.real_time.map_or(scheduling::USUAL, i32::from);
        (packet.min(scheduling::HIGHEST) + 1).max(scheduling::USUAL + 1)
    }

    /// The network namespace to run in: the command line's, else the configuration's.
    #[must_use]
    pub fn namespace<'a>(&'a self, invocation: &'a Invocation) -> Option<&'a str> {
        invocation.namespace.as_deref().or(self.namespace.as_deref())
    }

    /// Whether a configuration is for another network namespace than the one that these terms led to.
    #[must_use]
    pub fn is_elsewhere(&self, new: &Self, invocation: &Invocation) -> bool {
        self.namespace(invocation) != new.namespace(invocation)
    }

    /// Why a daemon that runs with these terms cannot go on with `new`; `None`: it can.
    #[must_use]
    pub fn forbid(&self, new: &Self, invocation: &Invocation) -> Option<String> {
        let what = if self.is_elsewhere(new, invocation) {
            "network namespace"
        } else if self.name != new.name {
            "instance name"
        } else {
            return None;
        };
        Some(format!("Cannot change {what} at a reload - please restart {}", invocation.program()))
    }

    /// What is added to names in logs and of dumps, with `sign` before each part: the namespace, the daemon's name.
    #[must_use]
    pub fn suffix(&self, invocation: &Invocation, sign: char) -> String {
        let parts = self.namespace(invocation).into_iter().chain(self.name.as_deref());
        parts.map(|part| format!("{sign}{part}")).collect()
    }

    /// The supervisor's pid file, which is also the lock.
    #[must_use]
    pub fn pid_file(&self, invocation: &Invocation) -> PathBuf {
        let usual = || self.usual_pid_file(invocation, invocation.program());
        invocation.pid_file.clone().unwrap_or_else(usual)
    }

    /// The worker's pid file, if one is wanted.
    #[must_use]
    pub fn worker_pid_file(&self, invocation: &Invocation) -> Option<PathBuf> {
        let usual = || invocation.as_keepalived.then(|| self.usual_pid_file(invocation, "vrrp"));
        invocation.worker_pid_file.clone().or_else(usual)
    }

    fn usual_pid_file(&self, invocation: &Invocation, stem: &str) -> PathBuf {
        let mut path = PathBuf::from("/run");
        let namespace = self.namespace(invocation);
        if self.own_pid_directory || self.name.is_some() || namespace.is_some() {
            path.push(invocation.program());
        }
        path.extend(namespace);
        let name = self.name.as_ref().map(|name| format!("_{name}")).unwrap_or_default();
        path.push(format!("{stem}{name}.pid"));
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Hook;

    fn terms(namespace: Option<&str>, name: Option<&str>, own_pid_directory: bool) -> Terms {
        let (namespace, name) = (namespace.map(Into::into), name.map(Into::into));
        Terms { namespace, name, own_pid_directory, ..Terms::default() }
    }

    #[test]
    fn pid_files_have_keepalived_s_places() {
        let theirs = Invocation { as_keepalived: true, ..Invocation::standfast() };
        for (namespace, name, own, pid, vrrp) in [
            (None, None, false, "/run/keepalived.pid", "/run/vrrp.pid"),
            (None, None, true, "/run/keepalived/keepalived.pid", "/run/keepalived/vrrp.pid"),
            (None, Some("a"), false, "/run/keepalived/keepalived_a.pid", "/run/keepalived/vrrp_a.pid"),
            (Some("n"), None, false, "/run/keepalived/n/keepalived.pid", "/run/keepalived/n/vrrp.pid"),
            (
                Some("n"),
                Some("a"),
                true,
                "/run/keepalived/n/keepalived_a.pid",
                "/run/keepalived/n/vrrp_a.pid",
            ),
        ] {
            let terms = terms(namespace, name, own);
            assert_eq!(terms.pid_file(&theirs), PathBuf::from(pid));
            assert_eq!(terms.worker_pid_file(&theirs), Some(vrrp.into()));
            let ours = terms.pid_file(&Invocation::standfast());
            assert_eq!(ours, PathBuf::from(pid.replace("keepalived", "standfast")));
            assert_eq!(terms.worker_pid_file(&Invocation::standfast()), None);
        }
    }

    #[test]
    fn the_command_line_wins() {
        let terms = terms(Some("blue"), Some("a"), false);
        let invocation = Invocation {
            as_keepalived: true,
            namespace: Some("red".into()),
            pid_file: Some("/x.pid".into()),
            ..Invocation::standfast()
        };
        assert_eq!(terms.namespace(&invocation), Some("red"));
        assert_eq!(terms.suffix(&invocation, '_'), "_red_a");
        assert_eq!(terms.pid_file(&invocation), PathBuf::from("/x.pid"));
        assert_eq!(terms.worker_pid_file(&invocation), Some("/run/keepalived/red/vrrp_a.pid".into()));
        // What the configuration says does not matter then.
        let other = Terms { namespace: None, ..terms.clone() };
        assert_eq!(terms.forbid(&other, &invocation), None);
    }

    #[test]
    fn a_reload_keeps_namespace_and_name() {
        let (before, invocation) = (terms(Some("blue"), Some("a"), false), Invocation::standfast());
        let said = |after: &Terms| before.forbid(after, &invocation);
        assert_eq!(said(&terms(Some("blue"), Some("a"), true)), None);
        assert_eq!(
            said(&terms(None, Some("a"), false)).as_deref(),
            Some("Cannot change network namespace at a reload - please restart standfast")
        );
        assert_eq!(
            said(&terms(Some("blue"), None, false)).as_deref(),
            Some("Cannot change instance name at a reload - please restart standfast")
        );
    }

    #[test]
    fn what_only_a_start_can_change_stays() {
        let before = Terms {
            umask: Some(0o27),
            supervisor_process: Some("top".into()),
            ..terms(Some("n"), Some("a"), true)
        };
        let mut host = Host::default();
        host.daemon.stop_limit = Duration::from_secs(9);
        let after = before.renewed(&host);
        assert_eq!(after, Terms { stop_limit: 9, ..before.clone() });
        assert_eq!(
            (after.stop_limit(), before.stop_limit()),
            (Duration::from_secs(9), Duration::from_secs(4))
        );
    }

    #[test]
    fn the_supervisor_stands_above_the_threads_that_it_watches() {
        let priority = |packet| Terms { real_time: packet, ..Terms::default() }.priority();
        assert_eq!(
            [None, Some(1), Some(2), Some(50), Some(98), Some(99)].map(priority),
            [3, 3, 3, 51, 99, 99]
        );
    }

    #[test]
    fn terms_survive_their_way() {
        let arguments = vec!["a b".into(), "\"\\\u{1f}\n".into()];
        let hook = Hook { command: Command::Run { path: "/x".into(), arguments }, account: None };
        let timed = TimedHook { hook, timeout: Duration::from_secs(7) };
        let mut host = Host::default();
        host.script_settings.startup = Some(timed.clone());
        host.script_settings.account = Some(Account { user: "nobody".into(), group: None });
        host.script_settings.security = true;
        let terms = Terms::of(&host);
        let line = terms.encode();
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(Terms::decode(&line), Some(terms.clone()));
        let Some(errand) = &terms.startup else { panic!("{terms:?}") };
        let program = errand.program();
        assert_eq!((program.command, errand.limit()), (timed.hook.command, timed.timeout));
        assert_eq!(program.account.map(|account| account.user.to_string()).as_deref(), Some("nobody"));
        assert!(program.security);
        assert_eq!((Terms::decode(""), Terms::decode("{}")), (None, None));
    }
}
