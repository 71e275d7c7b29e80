//! The way in: private namespaces for this process, so that nothing it does can reach the machine's network.
//!
//! The process becomes three. The one that was started stays outside and only passes signals in and the exit
//! code out. Its child is process 1 of a new process namespace: it reaps, and with its end the kernel ends
//! everything inside. The child of that is the program, which goes on where [`enter`] was called. Whichever of
//! the three dies, all of it vanishes: no process, mount, interface or file is left behind.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{
    PidfdFlags, Signal, getegid, geteuid, getpid, pidfd_open, set_parent_process_death_signal,
};
use rustix::thread::UnshareFlags;

use crate::sys::{self, Blocked, Fork};

/// Where the laboratory's own files lie, seen from every machine.
pub(crate) const SCRATCH: &str = "/run/lab";

/// Signals that somebody outside may send to the process that he started, and that are meant for the program.
const PASSED_ON: [i32; 6] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2];

static INSIDE: OnceLock<Inside> = OnceLock::new();

/// Proof that this process is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside {
    /// The inode of the machine's own network namespace, where nothing may be started.
    pub machine_netns: u64,
    /// An ordinary user's laboratory, with a user namespace around it.
    pub user_namespace: bool,
    /// `/proc` shows this laboratory's processes only; where the machine does not allow it, all of the machine's.
    pub own_proc: bool,
}

/// Whether this process has [`enter`]ed.
#[must_use]
pub fn inside() -> Option<Inside> {
    INSIDE.get().copied()
}

/// Takes this process into namespaces of its own. To be called first in `main`, while there is one thread.
///
/// Returns in a new process: process ids change, open files and the working directory stay. Calling it again
/// changes nothing.
///
/// # Errors
/// When the machine does not allow it; the [`Refusal`] says what to do. The process is then as it was, except
/// after [`Refusal::System`], where it may be in namespaces of its own already.
pub fn enter() -> Result<Inside, Refusal> {
    if let Some(inside) = inside() {
        return Ok(inside);
    }
    if threads()? != 1 {
        return Err(Refusal::Threads);
    }
    let machine_netns = machine_netns()?;
    let user_namespace = leave()?;
    let own_proc = become_three()?;
    let inside = Inside { machine_netns, user_namespace, own_proc };
    sys::set_variable(linux::privileges::FORBID_NETNS, &machine_netns.to_string());
    Ok(*INSIDE.get_or_init(|| inside))
}

fn threads() -> Result<usize, Refusal> {
    let tasks =
        std::fs::read_dir("/proc/self/task").map_err(|e| Refusal::system("read /proc/self/task", e))?;
    Ok(tasks.count())
}

/// The machine's namespace; a laboratory inside a laboratory still forbids the outermost.
fn machine_netns() -> Result<u64, Refusal> {
    let outer = std::env::var(linux::privileges::FORBID_NETNS).ok().and_then(|text| text.trim().parse().ok());
    match outer {
        Some(inode) => Ok(inode),
        None => {
            namespace_inode("/proc/self/ns/net").map_err(|e| Refusal::system("read /proc/self/ns/net", e))
        }
    }
}

pub(crate) fn namespace_inode(path: impl AsRef<Path>) -> io::Result<u64> {
    Ok(std::fs::metadata(path)?.ino())
}

/// Unshares; says whether a user namespace was needed.
fn leave() -> Result<bool, Refusal> {
    let plain = UnshareFlags::NEWNET | UnshareFlags::NEWNS | UnshareFlags::NEWPID;
    let root = geteuid().is_root();
    if root && sys::unshare(plain).is_ok() {
        return Ok(false);
    }
    // Try it in a child first: a user namespace that turns out to be useless cannot be left again.
    let step = in_child(|| unshare_as_user(plain).map_or_else(|failed| failed.code(), |()| 0));
    if let Some(failed) = step.map_err(|e| Refusal::system("fork", e)).map(Failed::from_code)? {
        return Err(diagnose(failed, Limits::read(root)));
    }
    unshare_as_user(plain).map_err(|failed| diagnose(failed, Limits::read(root)))?;
    Ok(true)
}

/// Runs `job` in a forked child and returns its exit code.
fn in_child(job: impl FnOnce() -> i32) -> io::Result<i32> {
    // Blocked so that the death of the child is seen by `wait` and by no handler of the program.
    let blocked = Blocked::new(&[libc::SIGCHLD])?;
    let child = match sys::fork()? {
        Fork::Child => sys::exit_now(job()),
        Fork::Parent(child) => child,
    };
    let code = loop {
        blocked.wait()?;
        if let Some((_, code)) = std::iter::from_fn(sys::reap).find(|(pid, _)| *pid == child) {
            break code;
        }
    };
    blocked.restore()?;
    Ok(code)
}

/// The step that failed on the way into a user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    Unshare(i32),
    Map(i32),
    Mount(i32),
}

impl Failed {
    /// An exit code: error numbers that matter here are below 64.
    fn code(self) -> i32 {
        match self {
            Self::Unshare(errno) => errno.clamp(1, 63),
            Self::Map(errno) => 64 + errno.clamp(1, 63),
            Self::Mount(errno) => 128 + errno.clamp(1, 63),
        }
    }

    fn from_code(code: i32) -> Option<Self> {
        match code {
            0 => None,
            1..=63 => Some(Self::Unshare(code)),
            64..=127 => Some(Self::Map(code - 64)),
            _ => Some(Self::Mount(code - 128)),
        }
    }

    fn errno(self) -> i32 {
        match self {
            Self::Unshare(errno) | Self::Map(errno) | Self::Mount(errno) => errno,
        }
    }
}

fn unshare_as_user(plain: UnshareFlags) -> Result<(), Failed> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let number = |error: io::Error| error.raw_os_error().unwrap_or(libc::EIO);
    sys::unshare(plain | UnshareFlags::NEWUSER).map_err(|e| Failed::Unshare(number(e)))?;
    let map = |file: &str, text: &str| {
        std::fs::write(Path::new("/proc/self").join(file), text).map_err(|e| Failed::Map(number(e)))
    };
    // Without this an unprivileged process may not map its group.
    map("setgroups", "deny")?;
    map("uid_map", &format!("0 {uid} 1\n"))?;
    map("gid_map", &format!("0 {gid} 1\n"))?;
    private_mounts().map_err(|e| Failed::Mount(number(e.into())))
}

fn private_mounts() -> rustix::io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
}

/// Forks twice; returns in the grandchild. Says whether `/proc` could be mounted afresh.
fn become_three() -> Result<bool, Refusal> {
    let system = |doing: &'static str| move |why: io::Error| Refusal::System { doing, why };
    let outside =
        pidfd_open(getpid(), PidfdFlags::empty()).map_err(|e| Refusal::system("open a pidfd", e))?;
    let blocked =
        Blocked::new(&[&PASSED_ON[..], &[libc::SIGCHLD]].concat()).map_err(system("block signals"))?;
    if let Fork::Parent(first) = sys::fork().map_err(system("fork"))? {
        pass_on(&blocked, first);
    }
    // Process 1 of the new process namespace.
    let ready = die_with(&outside).and_then(|()| furnish());
    drop(outside);
    if let Fork::Parent(program) = sys::fork().map_err(system("fork"))? {
        pass_on(&blocked, program);
    }
    blocked.restore().map_err(system("restore the signal mask"))?;
    ready
}

/// The life of the two processes that are not the program: signals in, exit code out, the dead reaped.
fn pass_on(blocked: &Blocked, child: i32) -> ! {
    loop {
        let Ok(arrived) = blocked.wait() else { sys::exit_now(70) };
        if arrived.signal == libc::SIGCHLD {
            if let Some((_, code)) = std::iter::from_fn(sys::reap).find(|(pid, _)| *pid == child) {
                sys::exit_now(code);
            }
        } else if arrived.by_process {
            // What comes from a terminal's keys goes to the whole foreground group, so the program has it.
            // The child is not reaped yet, so its number is still its own.
            let _ = sys::kill(child, arrived.signal);
        }
    }
}

/// Lets the kernel end process 1, and all inside with it, when the process outside ends in any way.
fn die_with(outside: &rustix::fd::OwnedFd) -> Result<(), Refusal> {
    use rustix::event::{PollFd, PollFlags, poll};
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| Refusal::system("prctl", e))?;
    let mut dead = [PollFd::new(outside, PollFlags::IN)];
    let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut dead, Some(&now)).is_ok_and(|n| n > 0) {
        sys::exit_now(70);
    }
    Ok(())
}

/// Mounts and the loopback interface of the outermost room.
fn furnish() -> Result<bool, Refusal> {
    let none = None::<&std::ffi::CStr>;
    let quiet = MountFlags::NOSUID | MountFlags::NODEV;
    private_mounts().map_err(|e| Refusal::system("make the mounts private", e))?;
    let own_proc = mount("proc", "/proc", "proc", quiet | MountFlags::NOEXEC, none).is_ok();
    mount("lab", "/run", "tmpfs", quiet, Some(c"mode=0755"))
        .map_err(|e| Refusal::system("mount a tmpfs on /run", e))?;
    std::fs::create_dir(SCRATCH).map_err(|e| Refusal::system("make the directory /run/lab", e))?;
    sys::link_up("lo").map_err(|e| Refusal::system("bring up lo", e))?;
    Ok(own_proc)
}

/// Why there can be no laboratory here, and what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// [`enter`] was called too late: the process has several threads.
    Threads,
    /// Ordinary users may not make user namespaces: `kernel.unprivileged_userns_clone` is 0.
    Clone,
    /// Nobody but root may: `user.max_user_namespaces` (or another limit of that kind) is used up or 0.
    Quota,
    /// AppArmor takes all rights from user namespaces of ordinary users.
    AppArmor,
    /// The process is root, but in a container that may not make namespaces.
    Container {
        /// The kernel's answer.
        why: io::Error,
    },
    /// The kernel refused for a reason that is not known here.
    Unknown {
        /// The kernel's answer.
        why: io::Error,
    },
    /// Namespaces were made, but something in them could not be set up.
    System {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        why: io::Error,
    },
}

impl Refusal {
    fn system(doing: &'static str, why: impl Into<io::Error>) -> Self {
        Self::System { doing, why: why.into() }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let intro = "cannot make the private network namespaces of the laboratory";
        let or_root = |f: &mut fmt::Formatter<'_>, setting: &str| {
            write!(
                f,
                "\n  run it as root:       sudo {}\n  or allow it for now:  sudo sysctl {setting}",
                myself()
            )
        };
        match self {
            Self::Threads => write!(f, "{intro}: the process has more than one thread already"),
            Self::Clone => {
                write!(f, "{intro}: kernel.unprivileged_userns_clone is 0, so ordinary users may not")?;
                or_root(f, "kernel.unprivileged_userns_clone=1")
            }
            Self::Quota => {
                write!(f, "{intro}: user.max_user_namespaces (or user.max_net_namespaces) is used up or 0")?;
                or_root(f, "user.max_user_namespaces=15000")
            }
            Self::AppArmor => {
                write!(
                    f,
                    "{intro}: kernel.apparmor_restrict_unprivileged_userns is 1, which takes their rights away"
                )?;
                or_root(f, "kernel.apparmor_restrict_unprivileged_userns=0")
            }
            Self::Container { why } => write!(
                f,
                "{intro}: {why}. This is root, but without the rights of the machine's root, as in a container\n  \
                 run it on the machine itself, or start the container with: --privileged"
            ),
            Self::Unknown { why } => write!(f, "{intro}: {why}\n  run it as root:  sudo {}", myself()),
            Self::System { doing, why } => write!(f, "{intro}: cannot {doing}: {why}"),
        }
    }
}

/// The command that was called, for the advice to call it as root.
fn myself() -> String {
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let program = words.next().unwrap_or_else(|| "standfast".to_owned());
    let program = match program.rsplit_once('/') {
        // Found through PATH, most likely; sudo finds it there too.
        Some((directory, name)) if directory.ends_with("/bin") || directory.ends_with("/sbin") => {
            name.to_owned()
        }
        _ => program,
    };
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}

/// What the machine says about user namespaces.
#[derive(Clone, Copy, Debug, Default)]
struct Limits {
    root: bool,
    unprivileged_clone: Option<u64>,
    max_user: Option<u64>,
    apparmor: Option<u64>,
}

impl Limits {
    fn read(root: bool) -> Self {
        let number =
            |path: &str| std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
        Self {
            root,
            unprivileged_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            max_user: number("/proc/sys/user/max_user_namespaces"),
            apparmor: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        }
    }
}

fn diagnose(failed: Failed, limits: Limits) -> Refusal {
    let why = io::Error::from_raw_os_error(failed.errno());
    let denied = [libc::EPERM, libc::EACCES].contains(&failed.errno());
    if failed.errno() == libc::ENOSPC || limits.max_user == Some(0) {
        Refusal::Quota
    } else if limits.root {
        Refusal::Container { why }
    } else if denied && limits.unprivileged_clone == Some(0) {
        Refusal::Clone
    } else if denied && limits.apparmor == Some(1) {
        Refusal::AppArmor
    } else {
        Refusal::Unknown { why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_obstacle_is_named() {
        let user = Limits { max_user: Some(96_365), ..Limits::default() };
        let named = |failed, limits| diagnose(failed, limits).to_string();
        let quota = named(Failed::Unshare(libc::ENOSPC), Limits { max_user: Some(0), ..user });
        assert!(quota.contains("sudo sysctl user.max_user_namespaces=15000"), "{quota}");
        let clone = named(Failed::Unshare(libc::EPERM), Limits { unprivileged_clone: Some(0), ..user });
        assert!(clone.contains("sudo sysctl kernel.unprivileged_userns_clone=1"), "{clone}");
        for failed in [Failed::Map(libc::EPERM), Failed::Mount(libc::EACCES)] {
            let apparmor = named(failed, Limits { apparmor: Some(1), ..user });
            assert!(
                apparmor.contains("sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
                "{apparmor}"
            );
        }
        let container = named(Failed::Unshare(libc::EPERM), Limits { root: true, ..user });
        assert!(container.contains("--privileged"), "{container}");
        assert!(named(Failed::Unshare(libc::EPERM), user).contains("run it as root:  sudo "));
    }

    #[test]
    fn a_step_survives_its_way_through_an_exit_code() {
        assert_eq!(Failed::from_code(0), None);
        for failed in [Failed::Unshare(libc::ENOSPC), Failed::Map(libc::EPERM), Failed::Mount(libc::EACCES)] {
            assert_eq!(Failed::from_code(failed.code()), Some(failed));
        }
    }
}
