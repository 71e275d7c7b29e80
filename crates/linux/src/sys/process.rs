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
    set_schedule(thread, libc::SCHED_FIFO | SCHED_RESET_ON_FORK, priority)
}

/// How the kernel schedules a thread, to come back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    policy: c_int,
    priority: c_int,
}

impl Schedule {
    /// That of the calling thread.
    pub(crate) fn own() -> Result<Self, Refusal> {
        // SAFETY: all-zero bytes are a valid `sched_param`.
        let mut parameter: libc::sched_param = unsafe { zeroed() };
        // SAFETY: numbers only.
        let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) };
        let policy = c_int::try_from(policy).unwrap_or(-1);
        check(policy.min(0))?;
        // SAFETY: the kernel writes `struct sched_param { int }` to the pointer, which outlives the call.
        let done = unsafe { libc::syscall(libc::SYS_sched_getparam, 0, &raw mut parameter) };
        check(if done < 0 { -1 } else { 0 })?;
        Ok(Self { policy, priority: parameter.sched_priority })
    }

    /// Makes it that of the calling thread again, without its children if that is refused. Otherwise the thread is
    /// scheduled normally, which is never refused: it does not stay in real time.
    pub(crate) fn take_up(self) {
        let done = set_schedule(0, self.policy, self.priority)
            .or_else(|_| set_schedule(0, self.policy | SCHED_RESET_ON_FORK, self.priority));
        let _ = done.or_else(|_| set_schedule(0, libc::SCHED_OTHER | SCHED_RESET_ON_FORK, 0));
    }
}

const SCHED_RESET_ON_FORK: c_int = 0x4000_0000;

fn set_schedule(thread: libc::pid_t, policy: c_int, priority: c_int) -> Result<(), Refusal> {
    // SAFETY: all-zero bytes are a valid `sched_param`.
    let mut parameter: libc::sched_param = unsafe { zeroed() };
    parameter.sched_priority = priority;
    // By raw call: musl's wrapper refuses with ENOSYS.
    // SAFETY: the kernel reads `struct sched_param { int }` from the pointer, which outlives the call.
    let done = unsafe { libc::syscall(libc::SYS_sched_setscheduler, thread, policy, &raw const parameter) };
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

/// Gives free memory back to the kernel.
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` works under the allocator's locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives back the end of the calling thread's arena, which `malloc_trim` leaves as it is unless it is the first one. The
/// allocator does so when a piece next to it is freed that is so large that it looks; after [`give_freed_memory`] only.
pub(crate) fn trim_own() {
    #[cfg(target_env = "gnu")]
    {
        const PIECE: usize = 128 << 10;
        // SAFETY: the piece is freed once, and nobody else knows it; the allocator returns null if it has none, which may
        // be freed.
        unsafe { libc::free(std::hint::black_box(libc::malloc(PIECE))) };
    }
}

/// Has the calling thread's part of the allocator keep so many bytes ready, in memory: what grows by and by is asked of the
/// kernel page by page. Of use after [`keep_freed_memory`].
pub(crate) fn stock(bytes: usize) {
    const PAGE: usize = 4 << 10;
    // Less than what stands for itself.
    const PIECE: usize = 16 << 10;
    // Others give back what is freed, whatever comes next.
    let bytes = if cfg!(target_env = "gnu") { bytes } else { 0 };
    let mut pieces = Vec::with_capacity(bytes.div_ceil(PIECE));
    for _ in 0..bytes.div_ceil(PIECE) {
        let mut piece = Vec::<u8>::with_capacity(PIECE);
        piece.spare_capacity_mut().iter_mut().step_by(PAGE).for_each(|byte| _ = byte.write(1));
        pieces.push(std::hint::black_box(piece));
    }
}

/// Tells the allocator to give back what is freed, until [`keep_freed_memory`] is called again.
pub(crate) fn give_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` only changes numbers of the allocator, under its lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 0);
        libc::mallopt(libc::M_TOP_PAD, 0);
    }
}

/// What is mapped of files and is as it stands in them.
pub(crate) struct Mapped(Vec<(usize, usize)>);

impl Mapped {
    pub(crate) fn here() -> Self {
        Self(untouched(&std::fs::read_to_string("/proc/self/smaps").unwrap_or_default()))
    }

    /// Gives it back to the kernel.
    pub(crate) fn give_back(self) {
        for (start, length) in self.0 {
            // SAFETY: the range is a mapping of a file that this process cannot write to and has never written: nothing in
            // it differs from the file, from which it is read again when somebody gets there. It is still that mapping: no
            // library is unloaded, and files are mapped by the loader only.
            unsafe {
                libc::madvise(std::ptr::without_provenance_mut(start), length, libc::MADV_DONTNEED);
            }
        }
    }
}

/// Start and length of each mapping of a file that may not be written and of which no page was, by relocations say
/// (`proc_pid_smaps(5)`).
fn untouched(maps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut candidate, mut is_same) = (None, false);
    for line in maps.lines() {
        if let Some(range) = file(line) {
            found.extend(candidate.filter(|_| is_same));
            (candidate, is_same) = (range, false);
        }
        // A page that was written is counted in one of the two: it is in memory or swapped out.
        match line.split_once(':') {
            Some(("Anonymous", rest)) => is_same = rest.trim() == "0 kB",
            Some(("Swap", rest)) => is_same &= rest.trim() == "0 kB",
            _ => {}
        }
    }
    found.extend(candidate.filter(|_| is_same));
    found
}

/// From the first line of a mapping: its start and length, if it is of a file and cannot be written. `None`: another line.
fn file(line: &str) -> Option<Option<(usize, usize)>> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let access = words.next()?;
    let is_file = words.nth(2).is_some_and(|inode| inode != "0");
    Some((matches!(access, "r-xp" | "r--p") && is_file).then(|| (start, end.saturating_sub(start))))
}

/// Tells the allocator to keep what is freed instead of giving it back to the kernel: memory that comes back
/// costs a page fault for each 4 KiB, in the middle of a takeover.
pub(crate) fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    {
        const KEEP: c_int = 64 << 20;
        const GROW_BY: c_int = 256 << 10;
        // Larger pieces stand for themselves, and leave no hole between others.
        const LARGE: c_int = 32 << 10;
        // SAFETY: `mallopt` only changes numbers of the allocator, under its lock.
        unsafe {
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEEP);
            libc::mallopt(libc::M_TOP_PAD, GROW_BY);
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_in_its_file_is_given_back() {
        let maps = "\
55e0-55e4 r--p 00000000 fe:00 131 /usr/sbin/standfast
Rss:                   4 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
55e4-55f4 r-xp 00002000 fe:00 131 /usr/sbin/standfast
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
55f4-55f5 r--p 00012000 fe:00 131 /usr/sbin/standfast
Anonymous:             4 kB
55f4-55f5 r--p 00012000 fe:00 131 /usr/sbin/standfast
Anonymous:             0 kB
Swap:                  4 kB
55f5-55f6 rw-p 00013000 fe:00 131 /usr/sbin/standfast
Anonymous:             0 kB
55f6-55f7 r--s 00013000 fe:00 131 /usr/sbin/standfast
Anonymous:             0 kB
55f7-55f8 rwxp 00002000 fe:00 131 /usr/sbin/standfast
Anonymous:             0 kB
6000-7000 r--p 00000000 00:00 0
Anonymous:             0 kB
7ffd-7fff r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
nonsense
";
        assert_eq!(untouched(maps), [(0x55e0, 0x4), (0x55e4, 0x10)]);
        let here = std::fs::read_to_string("/proc/self/smaps").unwrap();
        assert!(!untouched(&here).is_empty());
        Mapped::here().give_back();
        assert_eq!(untouched(maps), [(0x55e0, 0x4), (0x55e4, 0x10)], "what was dropped is read again");
    }
}
