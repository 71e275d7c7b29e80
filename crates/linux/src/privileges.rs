//! What this process may do, said before it is tried; and the one network namespace where it must do nothing.

/// The caller is in the network namespace that `STANDFAST_FORBID_NETNS` names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is network namespace {inode}, which STANDFAST_FORBID_NETNS forbids: nothing was opened and nothing was sent"
)]
pub struct ForbiddenNetns {
    /// Inode of the namespace.
    pub inode: u64,
}

/// The variable that names the inode of a network namespace which this program must not touch.
pub const FORBID_NETNS: &str = "STANDFAST_FORBID_NETNS";

/// Inode of the calling thread's network namespace.
///
/// # Errors
/// When `/proc` is not there.
pub fn netns_inode() -> Result<u64, std::io::Error> {
    use std::os::unix::fs::MetadataExt;
    // The thread's own: a process may have threads in several namespaces.
    Ok(std::fs::metadata("/proc/thread-self/ns/net")?.ino())
}

/// Refuses to go on in the network namespace whose inode [`FORBID_NETNS`] holds.
///
/// Tests and laboratories set it to the machine's own namespace, so that a mistake in their setup ends the
/// program instead of moving an address of the machine. Everything in this crate that opens a socket asks
/// here first. Without the variable everything is allowed; a value that is no number, or a `/proc` that
/// cannot be read while the variable is set, forbids.
///
/// # Errors
/// [`ForbiddenNetns`], when the caller must end.
pub fn forbidden_netns() -> Result<(), ForbiddenNetns> {
    let Some(forbidden) = std::env::var_os(FORBID_NETNS) else { return Ok(()) };
    let forbidden = forbidden.to_str().and_then(|text| text.trim().parse::<u64>().ok());
    let here = netns_inode().ok();
    match (forbidden, here) {
        (Some(forbidden), Some(here)) if forbidden != here => Ok(()),
        _ => Err(ForbiddenNetns { inode: here.unwrap_or(0) }),
    }
}

/// A capability that the daemon cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// `CAP_NET_ADMIN`: to set and remove addresses.
    NetAdmin,
    /// `CAP_NET_RAW`: to send and receive adverts and announcements.
    NetRaw,
}

impl Capability {
    /// Its name as `capabilities(7)` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
        }
    }

    /// What does not work without it.
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::NetAdmin => "virtual addresses can be neither set nor removed",
            Self::NetRaw => "adverts can be neither sent nor received",
        }
    }
}

/// A capability that the process lacks. Prints as a sentence for the administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} is missing: without it {}. Run as root, or give the service AmbientCapabilities={}",
    .0.name(),
    .0.purpose(),
    .0.name()
)]
pub struct Missing(pub Capability);

/// The needed capabilities that the calling thread does not have (in its effective set).
///
/// Having one is no promise: a container may still refuse the call.
#[must_use]
pub fn missing() -> Vec<Missing> {
    // A kernel that does not answer lets us try.
    let Ok(sets) = rustix::thread::capabilities(None) else { return Vec::new() };
    [
        (Capability::NetAdmin, rustix::thread::CapabilitySet::NET_ADMIN),
        (Capability::NetRaw, rustix::thread::CapabilitySet::NET_RAW),
    ]
    .into_iter()
    .filter(|(_, bit)| !sets.effective.contains(*bit))
    .map(|(capability, _)| Missing(capability))
    .collect()
}

/// Asks for real-time scheduling (`SCHED_FIFO`) of the calling thread at `priority` (1..=99), and for the shortest
/// timer slack. Returns in words what came of it; being refused is no error, only less precise on a busy machine.
#[must_use]
pub fn run_in_real_time(priority: i32) -> String {
    // Real-time threads have no slack; without real time, 1 ns instead of 50 µs.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    real_time(priority)
}

/// The same for a thread that need not be exact to the microsecond, and whose children shall have the usual slack.
#[must_use]
pub fn real_time(priority: i32) -> String {
    match crate::sys::process::real_time(0, priority) {
        Ok(()) => format!("real-time scheduling (SCHED_FIFO {priority})"),
        Err(why) => {
            let reason = match why.errno.0 {
                libc::EPERM => " (needs CAP_SYS_NICE or LimitRTPRIO=; in a cgroup v1 also cpu.rt_runtime_us)",
                _ => "",
            };
            format!("normal scheduling: SCHED_FIFO was refused: {why}{reason}")
        }
    }
}

/// Makes the allocator keep freed memory, so that threads with deadlines do not fault it in again and again; and has large
/// buffers stand for themselves, of which only what is used takes memory. To be called at the start of the process.
pub fn keep_freed_memory() {
    crate::sys::process::keep_freed_memory();
}

/// Has so many bytes ready from which the calling thread takes its own: a takeover should not ask the kernel for each page.
pub fn stock(bytes: usize) {
    crate::sys::process::stock(bytes);
}

/// Gives back the free end of the memory from which the calling thread takes its own. What lies between what is in use,
/// [`give_back`] gives back for all threads; the end only its own thread can. Of use between `Scheduler::loosen` and
/// `Scheduler::tighten`.
pub fn trim_own() {
    crate::sys::process::trim_own();
}

/// Gives back to the kernel what is not needed any more: memory that is free again, and the mapped pages of this program.
/// What is needed again comes back from the page cache by itself, and most of it never is.
pub fn give_back() {
    // To look what is mapped takes memory itself.
    let mapped = crate::sys::process::Mapped::here();
    crate::sys::process::trim();
    mapped.give_back();
}

/// Asks the kernel to keep this process's memory in RAM as it is used, so that no page fault of swap or of a cold
/// file makes an advert late. Returns whether it will, and in words what came of it.
#[must_use]
pub fn lock_memory() -> (bool, String) {
    use rustix::mm::{MlockAllFlags, mlockall};
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE;
    // ONFAULT: lock what is touched and not the whole address space (stacks, arenas).
    match mlockall(all | MlockAllFlags::ONFAULT) {
        Ok(()) => (true, "memory is locked in RAM".to_owned()),
        Err(why) => {
            let why = crate::Refusal::from(why);
            let reason = match why.errno.0 {
                libc::EPERM | libc::ENOMEM => " (needs CAP_IPC_LOCK or LimitMEMLOCK=infinity)",
                _ => "",
            };
            (false, format!("memory may be swapped out: mlockall was refused: {why}{reason}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_capability_says_what_to_do() {
        assert_eq!(
            Missing(Capability::NetRaw).to_string(),
            "CAP_NET_RAW is missing: without it adverts can be neither sent nor received. Run as root, or give \
             the service AmbientCapabilities=CAP_NET_RAW"
        );
    }

    #[test]
    fn real_time_and_memory_say_what_came_of_it() {
        // In a thread, so that the test runner keeps its scheduling.
        let said = std::thread::spawn(|| run_in_real_time(1)).join().unwrap();
        assert!(said.contains("SCHED_FIFO"), "{said}");
        let refused = std::thread::spawn(|| run_in_real_time(1000)).join().unwrap();
        assert!(
            refused.starts_with("normal scheduling: SCHED_FIFO was refused: Invalid argument"),
            "{refused}"
        );
    }
}
