//! Socket options that neither `socket2` nor `rustix` knows.

use crate::error::Refusal;
use std::ffi::c_int;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

/// Length of an `int`, as `setsockopt` wants it.
const INT: libc::socklen_t = 4;
const _: () = assert!(size_of::<c_int>() == 4);

/// Sets an `int` option.
pub(crate) fn set_int(fd: impl AsFd, level: c_int, name: c_int, value: c_int) -> Result<(), Refusal> {
    // SAFETY: the pointer and the length describe `value`, which outlives the call; the kernel only reads it.
    let done =
        unsafe { libc::setsockopt(fd.as_fd().as_raw_fd(), level, name, (&raw const value).cast(), INT) };
    check(done)
}

/// The size of the receive buffer: by force if we may (`CAP_NET_ADMIN`), else as far as `rmem_max` allows.
pub(crate) fn set_receive_buffer(fd: impl AsFd, bytes: c_int) -> Result<(), Refusal> {
    set_int(&fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes)
        .or_else(|_| set_int(&fd, libc::SOL_SOCKET, libc::SO_RCVBUF, bytes))
}

/// The size of the send buffer, likewise.
pub(crate) fn set_send_buffer(fd: impl AsFd, bytes: c_int) -> Result<(), Refusal> {
    set_int(&fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes)
        .or_else(|_| set_int(&fd, libc::SOL_SOCKET, libc::SO_SNDBUF, bytes))
}

/// Who listens at the other end of a local socket: process id (`None` if it cannot be seen from this PID
/// namespace) and user id.
pub(crate) fn peer(fd: impl AsFd) -> Result<(Option<u32>, u32), Refusal> {
    let mut credentials = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut len = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or_default();
    // SAFETY: the pointer and the length describe `credentials`, which outlives the call; any bytes are valid in it.
    check(unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut len,
        )
    })?;
    Ok((u32::try_from(credentials.pid).ok().filter(|pid| *pid != 0), credentials.uid))
}

/// Turns C's "-1 and errno" into a `Result`.
pub(crate) fn check(done: c_int) -> Result<(), Refusal> {
    if done < 0 { Err(Refusal::of(&std::io::Error::last_os_error())) } else { Ok(()) }
}
