//! What happens between fork and exec when this program starts itself again, and taking over what it inherits.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Runs `command` in a session of its own, with the standard streams and no other descriptor.
pub(crate) fn new_session(command: &mut Command) {
    // SAFETY: `setsid` and `close_range` are async-signal-safe and allocate nothing; CLOSE_RANGE_CLOEXEC closes
    // nothing before the program is replaced. By raw call: musl has no wrapper.
    unsafe {
        command.pre_exec(|| {
            const FIRST: libc::c_uint = 3;
            const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
            rustix::process::setsid()?;
            // A kernel without it (before 5.11) leaves open what the starter left open.
            libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC);
            Ok(())
        });
    }
}

/// Gives `command` these descriptors under the same numbers. They must stay open in the caller until the start.
pub(crate) fn keep_open<const N: usize>(command: &mut Command, fds: [RawFd; N]) {
    // SAFETY: `fcntl` is async-signal-safe; a number that is not open is refused and reported as the error of
    // the start. Nothing is closed here.
    unsafe {
        command.pre_exec(move || {
            for fd in fds {
                if libc::fcntl(fd, libc::F_SETFD, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

/// Sends `command` SIGTERM when the thread that starts it ends; if that happened already, the start fails.
pub(crate) fn end_with_parent(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: `prctl` and `getppid` are async-signal-safe and allocate nothing.
    unsafe {
        command.pre_exec(move || {
            let term = libc::c_ulong::try_from(libc::SIGTERM).unwrap_or_default();
            if libc::prctl(libc::PR_SET_PDEATHSIG, term) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            if u32::try_from(libc::getppid()).ok() != Some(parent) {
                return Err(std::io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

/// Takes over a descriptor that this process inherited under a number; `None` if nothing is open there. It will
/// not be inherited further. To be called once for a number, before anything else could own it.
pub(crate) fn inherit(number: RawFd) -> Option<OwnedFd> {
    if number <= 2 {
        return None;
    }
    // SAFETY: F_SETFD on a number that is not open fails and changes nothing.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return None;
    }
    // SAFETY: it is open, it is no standard stream, and by the contract above nobody else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}
