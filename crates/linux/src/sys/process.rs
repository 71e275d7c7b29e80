//! Signals, scheduling and other things of the process and its threads.

use super::option::check;
use crate::error::Refusal;
use std::ffi::c_int;
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// A set of signals.
#[derive(Clone, Copy)]
pub(crate) struct SignalSet(libc::sigset_t);

impl std::fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignalSet")
    }
}

impl SignalSet {
    /// The given signals. Numbers that are no signals are left out.
    pub(crate) fn of(signals: &[c_int]) -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `sigemptyset` initialises the whole set.
        let mut set = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            set.assume_init()
        };
        for &signal in signals {
            // SAFETY: the set is initialised; a number that is no signal is refused with EINVAL and changes nothing.
            unsafe { libc::sigaddset(&raw mut set, signal) };
        }
        Self(set)
    }

    /// The set without the given signals.
    pub(crate) fn without(mut self, signals: &[c_int]) -> Self {
        for &signal in signals {
            // SAFETY: the set is initialised; a number that is no signal is refused with EINVAL and changes nothing.
            unsafe { libc::sigdelset(&raw mut self.0, signal) };
        }
        self
    }

    /// Blocks these signals in the calling thread; returns what was blocked before.
    pub(crate) fn block(&self) -> Result<Self, Refusal> {
        self.mask(libc::SIG_BLOCK)
    }

    /// Makes this the calling thread's mask.
    pub(crate) fn install(&self) -> Result<Self, Refusal> {
        self.mask(libc::SIG_SETMASK)
    }

    fn mask(&self, how: c_int) -> Result<Self, Refusal> {
        let mut old = Self::of(&[]);
        // SAFETY: both pointers are to initialised sets that outlive the call.
        let errno = unsafe { libc::pthread_sigmask(how, &raw const self.0, &raw mut old.0) };
        if errno == 0 { Ok(old) } else { Err(Refusal::new(errno)) }
    }

    /// A descriptor that reads these signals when they are blocked.
    pub(crate) fn descriptor(&self) -> Result<OwnedFd, Refusal> {
        // SAFETY: the set is initialised and outlives the call.
        let fd = unsafe { libc::signalfd(-1, &raw const self.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        check(fd)?;
        // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// One signal as a signalfd tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) signal: u32,
    pub(crate) sender: u32,
}

/// Reads one signal from a signalfd; `None` when there is none.
pub(crate) fn next_signal(fd: impl AsFd) -> Result<Option<Info>, Refusal> {
    let mut bytes = [0u8; size_of::<libc::signalfd_siginfo>()];
    loop {
        match rustix::io::read(&fd, &mut bytes) {
            // ssi_signo, ssi_errno, ssi_code, ssi_pid: signalfd(2)
            Ok(len) if len == bytes.len() => {
                let word =
                    |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
                return Ok(Some(Info { signal: word(0), sender: word(12) }));
            }
            Ok(_) | Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(rustix::io::Errno::INTR) => {}
            Err(why) => return Err(why.into()),
        }
    }
}

/// Sends a signal to the process behind a pidfd. By number: real-time signals have no names.
pub(crate) fn send_signal(pidfd: impl AsFd, signal: c_int) -> Result<(), Refusal> {
    let none = ptr::null_mut::<libc::siginfo_t>();
    // SAFETY: without information to read, the kernel makes it up itself.
    let done = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_fd().as_raw_fd(), signal, none, 0 as libc::c_uint)
    };
    check(if done < 0 { -1 } else { 0 })
}

/// Runs `command` with `mask` as the signal mask and the default action for the signals in `reset`.
pub(crate) fn with_mask(command: &mut std::process::Command, mask: SignalSet, reset: &'static [c_int]) {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec only `pthread_sigmask` and `signal` are called, which are async-signal-safe
    // (signal-safety(7)) and allocate nothing.
    unsafe {
        command.pre_exec(move || {
            for &signal in reset {
                libc::signal(signal, libc::SIG_DFL);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask.0, ptr::null_mut());
            Ok(())
        });
    }
}

/// Gives SIGCHLD its default action: while a process ignores it, the kernel throws the endings of its children away.
pub(crate) fn keep_endings() {
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Asks for `SCHED_FIFO` at `priority` (1..=99) for a thread, 0 is the calling one. Its children fall back to normal.
pub(crate) fn real_time(thread: libc::pid_t, priority: c_int) -> Result<(), Refusal> {
    schedule(thread, libc::SCHED_FIFO, priority)
}

/// Asks for normal scheduling again.
pub(crate) fn usual_time(thread: libc::pid_t) -> Result<(), Refusal> {
    schedule(thread, libc::SCHED_OTHER, 0)
}

fn schedule(thread: libc::pid_t, policy: c_int, priority: c_int) -> Result<(), Refusal> {
    const SCHED_RESET_ON_FORK: c_int = 0x4000_0000;
    // SAFETY: all-zero bytes are a valid `sched_param`.
    let mut parameter: libc::sched_param = unsafe { zeroed() };
    parameter.sched_priority = priority;
    // By raw call: musl's wrapper refuses with ENOSYS.
    // SAFETY: the kernel reads `struct sched_param { int }` from the pointer, which outlives the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            thread,
            policy | SCHED_RESET_ON_FORK,
            &raw const parameter,
        )
    };
    check(if done < 0 { -1 } else { 0 })
}

/// Gives a thread a nice value, -20..=19.
pub(crate) fn set_nice(thread: libc::pid_t, nice: c_int) -> Result<(), Refusal> {
    let thread = libc::id_t::try_from(thread).map_err(|_| Refusal::new(libc::ESRCH))?;
    // SAFETY: numbers only. On Linux this is about one thread.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, thread, nice) })
}

/// Takes the lock of an open file description on the whole file; `Err(EAGAIN or EACCES)` while another has it.
pub(crate) fn lock_file(fd: impl AsFd) -> Result<(), Refusal> {
    let lock = whole_file();
    // SAFETY: the kernel reads a `struct flock` from the pointer, which outlives the call.
    check(unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) })
}

/// Whether another open file description has the whole-file lock.
pub(crate) fn is_locked(fd: impl AsFd) -> Result<bool, Refusal> {
    let mut lock = whole_file();
    // SAFETY: the kernel reads and writes a `struct flock` at the pointer, which outlives the call.
    check(unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) })?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

fn whole_file() -> libc::flock {
    // SAFETY: all-zero bytes are a valid `flock`: from the start of the file to its end.
    let mut lock: libc::flock = unsafe { zeroed() };
    lock.l_type = libc::c_short::try_from(libc::F_WRLCK).unwrap_or_default();
    lock.l_whence = libc::c_short::try_from(libc::SEEK_SET).unwrap_or_default();
    lock
}

/// Gives free memory and mapped code back to the kernel.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` works under the allocator's locks.
    unsafe {
        libc::malloc_trim(0);
    }
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, length) in maps.lines().filter_map(code) {
        // SAFETY: the range is a mapping of a file that this process may execute and has never written: nothing in it
        // differs from the file, from which it is read again when somebody gets there.
        unsafe {
            libc::madvise(std::ptr::without_provenance_mut(start), length, libc::MADV_DONTNEED);
        }
    }
}

/// Start and length of a mapping, if it is code of a file (`proc_pid_maps(5)`).
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (range, access) = (words.next()?, words.next()?);
    let is_file = words.nth(2).is_some_and(|inode| inode != "0");
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    (access == "r-xp" && is_file).then(|| (start, end.saturating_sub(start)))
}

/// Tells the allocator to keep what is freed instead of giving it back to the kernel: memory that comes back
/// costs a page fault for each 4 KiB, in the middle of a takeover.
pub(crate) fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    {
        const KEEP: c_int = 64 << 20;
        const GROW_BY: c_int = 256 << 10;
        // SAFETY: `mallopt` only changes numbers of the allocator, under its lock.
        unsafe {
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEEP);
            libc::mallopt(libc::M_TOP_PAD, GROW_BY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_given_back() {
        let code_of = "55e4-55f4 r-xp 00002000 fe:00 131 /usr/sbin/standfast";
        assert_eq!(code(code_of), Some((0x55e4, 0x10)));
        for other in [
            "55e4-55f4 r--p 00002000 fe:00 131 /usr/sbin/standfast",
            "55e4-55f4 rwxp 00002000 fe:00 131 /usr/sbin/standfast",
            "7ffd-7fff r-xp 00000000 00:00 0 [vdso]",
            "nonsense",
            "",
        ] {
            assert_eq!(code(other), None, "{other}");
        }
        give_back();
        assert_eq!(code(code_of), Some((0x55e4, 0x10)), "what was dropped is read again");
    }
}
