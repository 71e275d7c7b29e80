//! Starting a program that is none of ours: a child that shares our memory until it has become the program, as
//! `posix_spawn` does it, so that the cost does not grow with the size of this process.

use crate::error::Refusal;
use rustix::process::Pid;
use std::cell::UnsafeCell;
use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// Everything that a child needs, made ready before it exists: it must allocate nothing.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// The file.
    pub(crate) file: &'a CStr,
    /// Its words, the first one its name.
    pub(crate) words: &'a [CString],
    /// Its environment.
    pub(crate) environment: &'a Environment,
    /// What it reads and writes.
    pub(crate) null: BorrowedFd<'a>,
    /// User, group and further groups that it gets; `None`: ours.
    pub(crate) rights: Option<(u32, u32, &'a [u32])>,
    /// The limit of open descriptors that it gets, if ours is not the one that we were started with.
    pub(crate) descriptors: Option<(u64, u64)>,
    /// We are spared when memory is short, and it shall not be.
    pub(crate) is_spared: bool,
}

/// Variables in the form that the kernel takes.
#[derive(Debug)]
pub(crate) struct Environment {
    variables: Vec<CString>,
}

impl Environment {
    pub(crate) fn new(variables: Vec<CString>) -> Self {
        Self { variables }
    }
}

/// What a child could not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Come into being.
    Fork,
    /// Get its streams, its session and its limits.
    Prepare,
    /// Get the rights of its user.
    Rights,
    /// Become the program.
    Execute,
}

/// The stack of a child until it becomes the program.
#[derive(Debug)]
pub(crate) struct Stack {
    base: *mut c_void,
}

const STACK: usize = 64 << 10;

// SAFETY: the mapping belongs to this value alone and is used through `&mut self` only.
unsafe impl Send for Stack {}

impl Stack {
    pub(crate) fn new() -> Result<Self, Refusal> {
        // SAFETY: a fresh private mapping that nobody else knows.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                STACK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Refusal::of(&std::io::Error::last_os_error()));
        }
        Ok(Self { base })
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, unmapped once; no child runs on it, `start` waits for that.
        unsafe { libc::munmap(self.base, STACK) };
    }
}

/// What the child reads, and where it says what went wrong.
struct Order {
    file: *const c_char,
    words: *const *const c_char,
    environment: *const *const c_char,
    null: RawFd,
    rights: Option<(u32, u32, *const u32, usize)>,
    /// As the kernel's `struct rlimit64` has it.
    descriptors: Option<[u64; 2]>,
    is_spared: bool,
    parent: libc::pid_t,
    failure: UnsafeCell<Option<(Step, c_int)>>,
}

/// Starts a program. The calling thread waits until it runs or has failed; a file system that does not answer
/// holds it up that long.
pub(crate) fn start(program: &Program<'_>, stack: &mut Stack) -> Result<(Pid, OwnedFd), (Step, Refusal)> {
    let words = pointers(program.words);
    let environment = pointers(&program.environment.variables);
    let order = Order {
        file: program.file.as_ptr(),
        words: words.as_ptr(),
        environment: environment.as_ptr(),
        null: program.null.as_raw_fd(),
        rights: program.rights.map(|(user, group, more)| (user, group, more.as_ptr(), more.len())),
        descriptors: program.descriptors.map(|(soft, hard)| [soft, hard]),
        is_spared: program.is_spared,
        // SAFETY: always succeeds.
        parent: unsafe { libc::getpid() },
        failure: UnsafeCell::new(None),
    };
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the child runs `child` on a stack of its own while this thread is suspended (CLONE_VFORK) until it
    // executes or exits, so everything that `order` points to outlives it. Signals are blocked in this thread by
    // `script::spawner`, so no handler runs on the child's stack before it has set all of them to the default.
    // With CLONE_PIDFD the kernel writes a descriptor to `pidfd`.
    let pid = unsafe {
        libc::clone(
            child,
            stack.base.byte_add(STACK),
            flags,
            (&raw const order).cast_mut().cast(),
            &raw mut pidfd,
        )
    };
    if pid < 0 {
        return Err((Step::Fork, Refusal::of(&std::io::Error::last_os_error())));
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    // SAFETY: the child that wrote it has executed or ended: nobody else has access.
    let failure = unsafe { ptr::read_volatile(order.failure.get()) };
    if let Some((step, errno)) = failure {
        let _ = rustix::process::waitid(
            rustix::process::WaitId::PidFd(std::os::fd::AsFd::as_fd(&pidfd)),
            rustix::process::WaitIdOptions::EXITED,
        );
        return Err((step, Refusal::new(errno)));
    }
    let Some(pid) = Pid::from_raw(pid) else { return Err((Step::Fork, Refusal::new(libc::EAGAIN))) };
    Ok((pid, pidfd))
}

fn pointers(words: &[CString]) -> Vec<*const c_char> {
    words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
}

/// The child. It shares our memory: raw system calls only, no allocation, no lock, no panic.
extern "C" fn child(order: *mut c_void) -> c_int {
    let order: *const Order = order.cast_const().cast();
    // SAFETY: `start` gave a pointer to an `Order` that outlives this child.
    let order = unsafe { &*order };
    // SAFETY: all pointers in it are what `start` made them.
    let (step, errno) = unsafe { become_program(order) };
    // SAFETY: the parent is suspended, and reads this after our end.
    unsafe {
        ptr::write_volatile(order.failure.get(), Some((step, errno)));
        libc::_exit(127)
    }
}

/// Returns only if it failed.
///
/// # Safety
/// Only in the child of [`start`].
unsafe fn become_program(order: &Order) -> (Step, c_int) {
    const FIRST: c_long = 3;
    const CLOSE_RANGE_CLOEXEC: c_long = 4;
    // SAFETY: system calls without memory but what `order` points to; each is async-signal-safe. The raw ones
    // are those that the C library would carry out for all threads of the parent too.
    unsafe {
        // A session of its own is a process group of its own, and has no terminal.
        if libc::setsid() < 0 {
            return (Step::Prepare, errno());
        }
        for stream in 0..=2 {
            if libc::dup2(order.null, stream) < 0 {
                return (Step::Prepare, errno());
            }
        }
        // Ours close themselves. A kernel without this call (before 5.11) leaves open what our starter left open.
        libc::syscall(libc::SYS_close_range, FIRST, c_long::from(u32::MAX), CLOSE_RANGE_CLOEXEC);
        if let Some(limit) = &order.descriptors {
            let none = ptr::null_mut::<[u64; 2]>();
            libc::syscall(libc::SYS_prlimit64, 0, c_long::from(libc::RLIMIT_NOFILE), &raw const *limit, none);
        }
        run_normally(order.is_spared);
        default_signals();
        if let Err(errno) = take_rights(order) {
            return (Step::Rights, errno);
        }
        // After the rights: a change of them takes it back. It ends with us, what it starts does not.
        let zero: c_long = 0;
        libc::syscall(
            libc::SYS_prctl,
            c_long::from(libc::PR_SET_PDEATHSIG),
            c_long::from(libc::SIGTERM),
            zero,
            zero,
            zero,
        );
        if libc::getppid() != order.parent {
            return (Step::Prepare, libc::ESRCH);
        }
        let none = 0u64;
        let forget = ptr::null_mut::<u64>();
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            c_long::from(libc::SIG_SETMASK),
            &raw const none,
            forget,
            size_of::<u64>(),
        );
        libc::execve(order.file, order.words, order.environment);
        (Step::Execute, errno())
    }
}

/// What we need to be in time is not for checks.
///
/// # Safety
/// Only in the child of [`start`].
unsafe fn run_normally(is_spared: bool) {
    // SAFETY: system calls with memory of this function only.
    unsafe {
        let policy = libc::syscall(libc::SYS_sched_getscheduler, 0);
        if policy != c_long::from(libc::SCHED_OTHER)
            && policy != c_long::from(libc::SCHED_BATCH)
            && policy != c_long::from(libc::SCHED_IDLE)
        {
            let parameter: c_int = 0;
            libc::syscall(
                libc::SYS_sched_setscheduler,
                0,
                c_long::from(libc::SCHED_OTHER),
                &raw const parameter,
            );
        }
        // The raw call returns 20 minus the nice value.
        if libc::syscall(libc::SYS_getpriority, 0, 0) > 20 {
            libc::syscall(libc::SYS_setpriority, 0, 0, 0);
        }
        if is_spared {
            // The kernel knows this child from its parent, although they share memory: vfork(2).
            let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            if file >= 0 {
                libc::write(file, c"0".as_ptr().cast(), 1);
            }
        }
    }
}

/// Every signal does what it does by default: an ignored one would stay ignored.
///
/// # Safety
/// Only in the child of [`start`].
unsafe fn default_signals() {
    // Room for the kernel's `struct sigaction`; zeros are the default action, without flags.
    let default = [0u64; 8];
    let forget = ptr::null_mut::<u64>();
    for signal in 1..=64 as c_long {
        // SAFETY: the kernel reads at most 64 bytes; KILL and STOP are refused and change nothing.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, forget, size_of::<u64>())
        };
    }
}

/// # Safety
/// Only in the child of [`start`].
unsafe fn take_rights(order: &Order) -> Result<(), c_int> {
    let Some((user, group, more, count)) = order.rights else { return Ok(()) };
    let done = |result: c_long| if result < 0 { Err(errno()) } else { Ok(()) };
    // SAFETY: `more` points to `count` numbers. By raw call: the wrappers would change all threads of the parent.
    unsafe {
        done(libc::syscall(libc::SYS_setgroups, count, more))?;
        done(libc::syscall(libc::SYS_setresgid, group, group, group))?;
        done(libc::syscall(libc::SYS_setresuid, user, user, user))
    }
}

fn errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Blocks every signal in the calling thread, as [`start`] needs it.
pub(crate) fn block_all_signals() {
    // SAFETY: the set is initialised by `sigfillset`, and outlives the call.
    unsafe {
        let mut all = std::mem::MaybeUninit::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut());
    }
}
