//! The only place of the laboratory with `unsafe`: system calls that the safe wrappers do not offer.
//!
//! Each block says why it is sound. Nothing here decides anything; the modules above give it meaning.
#![allow(unsafe_code)]
#![expect(clippy::cast_possible_truncation, reason = "constants and sizes of C that fit the fields of C")]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use rustix::thread::UnshareFlags;

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The old process; the number of the new one.
    Parent(i32),
    /// The new process.
    Child,
}

/// Forks. The caller has made sure that the process has one thread only.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: with a single thread no lock can be held by a thread that does not exist in the child, so the
    // child may go on as an ordinary process. `enter` checks the number of threads before it gets here.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// Ends the process at once: nothing is flushed, no destructor runs.
///
/// For the halves of a fork whose buffers belong to the other half.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Leaves the namespaces that `flags` name and makes new ones for the calling thread.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: only a private file table could make descriptors of other threads dangle; it is never asked for.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Lets `command` run `prepare` in the new process, between fork and exec.
///
/// `prepare` must make plain system calls only: no allocation, no locks.
pub(crate) fn before_exec(
    command: &mut Command,
    prepare: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: the only caller passes a closure that makes system calls on descriptors and buffers that exist
    // already (setns, getcwd, chdir, prctl), all of them async-signal-safe.
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Gives the calling process back its working directory by name, after its root has changed under it.
pub(crate) fn with_same_directory(change: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let mut name = [0_u8; libc::PATH_MAX as usize];
    // SAFETY: the buffer is writable for its whole length.
    let known = !unsafe { libc::getcwd(name.as_mut_ptr().cast(), name.len()) }.is_null();
    change()?;
    if known {
        // SAFETY: `getcwd` succeeded, so the buffer holds a string that ends in NUL.
        // A directory that is hidden in the new namespace leaves the process in "/", which is where it is now.
        let _ = unsafe { libc::chdir(name.as_ptr().cast()) };
    }
    Ok(())
}

/// A set of signals that are kept back from their handlers and can be waited for.
pub(crate) struct Blocked {
    set: libc::sigset_t,
    before: libc::sigset_t,
}

/// A signal that arrived.
pub(crate) struct Arrived {
    /// Its number.
    pub(crate) signal: c_int,
    /// A process sent it (not the kernel, as for a key on a terminal).
    pub(crate) by_process: bool,
}

impl Blocked {
    /// Blocks `signals` for the calling thread.
    pub(crate) fn new(signals: &[c_int]) -> io::Result<Self> {
        // SAFETY: `sigset_t` is plain data; `sigemptyset` gives it its value before it is used.
        let (mut set, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { (zeroed(), zeroed()) };
        // SAFETY: both pointers are to live locals; the numbers are valid or refused with EINVAL.
        unsafe {
            libc::sigemptyset(&raw mut set);
            for &signal in signals {
                check(libc::sigaddset(&raw mut set, signal))?;
            }
            check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, &raw mut before))?;
        }
        Ok(Self { set, before })
    }

    /// Waits for one of them.
    pub(crate) fn wait(&self) -> io::Result<Arrived> {
        loop {
            // SAFETY: `siginfo_t` is plain data that the kernel fills.
            let mut info: libc::siginfo_t = unsafe { zeroed() };
            // SAFETY: both pointers are to live values of the right types.
            let signal = unsafe { libc::sigwaitinfo(&raw const self.set, &raw mut info) };
            if signal > 0 {
                return Ok(Arrived { signal, by_process: info.si_code <= 0 });
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// Puts the signal mask back as it was.
    pub(crate) fn restore(&self) -> io::Result<()> {
        // SAFETY: the pointer is to the mask that `new` read; a null pointer says that the old one is not wanted.
        check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) })
    }
}

/// Sends `signal` to the process `pid`.
pub(crate) fn kill(pid: i32, signal: c_int) -> io::Result<()> {
    // SAFETY: `kill` has no memory preconditions. The caller passes the pid of a child that it has not reaped.
    check(unsafe { libc::kill(pid, signal) })
}

/// Reaps one child if one is dead: its pid and the exit code that a shell would show.
pub(crate) fn reap() -> Option<(i32, c_int)> {
    let mut status = 0;
    // SAFETY: the pointer is to a live local.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    if pid <= 0 {
        return None;
    }
    let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
    Some((pid, code))
}

/// Sets a socket option that is a plain value.
pub(crate) fn set_option<T: Copy>(fd: impl AsFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let (pointer, len) = ((&raw const *value).cast::<c_void>(), size_of::<T>());
    // SAFETY: pointer and length describe `value`, which outlives the call; the kernel only reads it.
    check(unsafe { libc::setsockopt(raw(&fd), level, name, pointer, len as libc::socklen_t) })
}

/// Attaches a classic BPF program: only what it lets through reaches the socket.
pub(crate) fn attach_filter(fd: impl AsFd, program: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // The kernel copies the program; it does not write through the pointer.
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    set_option(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Lets a packet socket see what is addressed to other stations on interface `index`.
pub(crate) fn promiscuous(fd: impl AsFd, index: u32) -> io::Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: c_int::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?,
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
}

/// Binds a packet socket to interface `index`, for all protocols.
pub(crate) fn bind_packet(fd: impl AsFd, index: u32) -> io::Result<()> {
    let address = link_address(index)?;
    let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: pointer and length describe a live local of the address family of the socket.
    check(unsafe { libc::bind(raw(&fd), (&raw const address).cast(), len) })
}

fn link_address(index: u32) -> io::Result<libc::sockaddr_ll> {
    // SAFETY: `sockaddr_ll` is plain data for which all zeros is a value.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = c_int::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(address)
}

/// How many packets a packet socket had no room for since the last call.
pub(crate) fn packets_dropped(fd: impl AsFd) -> io::Result<u32> {
    // SAFETY: plain data for which all zeros is a value.
    let mut statistics: libc::tpacket_stats = unsafe { zeroed() };
    let mut len = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    let (level, name) = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
    // SAFETY: both pointers are to live locals; the kernel writes at most `len` bytes.
    check(unsafe { libc::getsockopt(raw(&fd), level, name, (&raw mut statistics).cast(), &raw mut len) })?;
    Ok(statistics.tp_drops)
}

/// What came with a packet.
#[derive(Clone, Copy)]
pub(crate) struct Received {
    /// Its length in the buffer.
    pub(crate) len: usize,
    /// The kernel's wall-clock time stamp, since 1970.
    pub(crate) stamp: Option<Duration>,
    /// This host sent it.
    pub(crate) outgoing: bool,
}

/// Receives one packet from a packet socket, without waiting.
pub(crate) fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    #[repr(align(8))]
    struct Control([u8; 128]);
    let mut control = Control([0; 128]);
    let mut from = MaybeUninit::<libc::sockaddr_ll>::zeroed();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: plain data for which all zeros is a value.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_name = from.as_mut_ptr().cast();
    message.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();
    // SAFETY: every pointer in `message` is to a live local with the length beside it.
    let len = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: it was zeroed at first, which is a value of this type, and the kernel writes whole values.
    let from = unsafe { from.assume_init() };
    Ok(Received { len, stamp: stamp_of(&message), outgoing: from.sll_pkttype == libc::PACKET_OUTGOING })
}

fn stamp_of(message: &libc::msghdr) -> Option<Duration> {
    // SAFETY: `message` was filled by a successful `recvmsg` and its control buffer is alive and aligned.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: the macros return pointers to whole headers inside the control buffer, or null.
        let (level, kind, data) =
            unsafe { ((*header).cmsg_level, (*header).cmsg_type, libc::CMSG_DATA(header)) };
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS {
            // SAFETY: the kernel put a `timespec` there; it need not be aligned for one.
            let stamp = unsafe { data.cast::<libc::timespec>().read_unaligned() };
            let nanos = u32::try_from(stamp.tv_nsec).ok()?;
            return Some(Duration::new(u64::try_from(stamp.tv_sec).ok()?, nanos));
        }
        // SAFETY: as above.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

/// Brings up the interface `name` of the calling thread's network namespace.
pub(crate) fn link_up(name: &str) -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: plain data for which all zeros is a value.
    let mut request: libc::ifreq = unsafe { zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    // SAFETY: both requests read the name and read or write the flags inside `request`, a live local.
    unsafe {
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request))?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as i16;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request))
    }
}

fn raw(fd: &impl AsFd) -> c_int {
    fd.as_fd().as_raw_fd()
}

fn check(done: c_int) -> io::Result<()> {
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets an environment variable of this process, for the processes that it starts.
pub(crate) fn set_variable(name: &str, value: &str) {
    // SAFETY: `enter` calls this while the process has one thread, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var(name, value) };
}

/// Time on a processor of the calling thread.
#[cfg(feature = "floor")]
pub(crate) fn thread_time() -> io::Result<Duration> {
    // SAFETY: plain data for which all zeros is a value.
    let mut time: libc::timespec = unsafe { zeroed() };
    // SAFETY: the pointer is to a live local.
    check(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) })?;
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Ok(Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0)))
}

/// Lets a socket hear an IPv4 group on interface `index`.
#[cfg(feature = "floor")]
pub(crate) fn join_group(fd: impl AsFd, group: std::net::Ipv4Addr, index: u32) -> io::Result<()> {
    let request = libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: u32::from_ne_bytes(group.octets()) },
        imr_address: libc::in_addr { s_addr: 0 },
        imr_ifindex: c_int::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?,
    };
    set_option(fd, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &request)
}

/// Room for the control messages of one datagram.
#[cfg(feature = "floor")]
#[repr(align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 128]);

/// Datagrams that are sent together, built once.
#[cfg(feature = "floor")]
pub(crate) struct Volley {
    headers: Vec<libc::mmsghdr>,
    // What the headers point to; boxed, so that it stays where it is.
    _frames: Vec<Vec<u8>>,
    _parts: Box<[libc::iovec]>,
    _names: Box<[libc::sockaddr_in]>,
    _controls: Box<[Control]>,
}

#[cfg(feature = "floor")]
impl Volley {
    /// Of datagrams with their destinations and interfaces.
    pub(crate) fn new(messages: impl Iterator<Item = (Vec<u8>, std::net::Ipv4Addr, u32)>) -> Self {
        let (mut frames, mut names, mut controls) = (Vec::new(), Vec::new(), Vec::new());
        for (frame, to, interface) in messages {
            frames.push(frame);
            // SAFETY: plain data for which all zeros is a value.
            let mut name: libc::sockaddr_in = unsafe { zeroed() };
            name.sin_family = libc::AF_INET as u16;
            name.sin_addr.s_addr = u32::from_ne_bytes(to.octets());
            names.push(name);
            let mut control = Control([0; 128]);
            // SAFETY: the buffer is longer than one header with an `in_pktinfo`, and aligned for both; `CMSG_LEN` and
            // `CMSG_DATA` only compute.
            unsafe {
                let header = control.0.as_mut_ptr().cast::<libc::cmsghdr>();
                (*header).cmsg_len = libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as u32) as usize;
                (*header).cmsg_level = libc::IPPROTO_IP;
                (*header).cmsg_type = libc::IP_PKTINFO;
                let mut info: libc::in_pktinfo = zeroed();
                info.ipi_ifindex = c_int::try_from(interface).unwrap_or(0);
                libc::CMSG_DATA(header).cast::<libc::in_pktinfo>().write_unaligned(info);
            }
            controls.push(control);
        }
        let (mut names, mut controls) = (names.into_boxed_slice(), controls.into_boxed_slice());
        let mut parts: Box<[libc::iovec]> = frames
            .iter_mut()
            .map(|frame: &mut Vec<u8>| libc::iovec {
                iov_base: frame.as_mut_ptr().cast(),
                iov_len: frame.len(),
            })
            .collect();
        let mut headers = Vec::new();
        for ((part, name), control) in parts.iter_mut().zip(&mut names).zip(&mut controls) {
            // SAFETY: plain data for which all zeros is a value.
            let mut header: libc::mmsghdr = unsafe { zeroed() };
            header.msg_hdr.msg_name = (&raw mut *name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            // SAFETY: `CMSG_SPACE` only computes.
            header.msg_hdr.msg_controllen =
                unsafe { libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as u32) } as usize;
            headers.push(header);
        }
        Self { headers, _frames: frames, _parts: parts, _names: names, _controls: controls }
    }

    /// Sends them all; returns how many went out.
    pub(crate) fn send(&mut self, fd: impl AsFd) -> io::Result<u64> {
        let mut at = 0;
        while at < self.headers.len() {
            let left = &mut self.headers[at..];
            // SAFETY: each header points to a name, a part and control data that this value owns and that have not
            // moved since; the kernel writes only the lengths in the headers.
            let sent = unsafe { libc::sendmmsg(raw(&fd), left.as_mut_ptr(), left.len() as u32, 0) };
            at += usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
        }
        Ok(self.headers.len() as u64)
    }
}

/// Buffers for receiving datagrams that nobody looks at.
#[cfg(feature = "floor")]
pub(crate) struct Net {
    headers: Vec<libc::mmsghdr>,
    // What the headers point to; boxed, so that it stays where it is.
    _buffers: Box<[[u8; 2048]]>,
    _parts: Box<[libc::iovec]>,
    _controls: Box<[Control]>,
}

#[cfg(feature = "floor")]
impl Net {
    /// For so many with one call.
    pub(crate) fn new(count: usize) -> Self {
        let mut buffers = vec![[0_u8; 2048]; count].into_boxed_slice();
        let mut controls = vec![Control([0; 128]); count].into_boxed_slice();
        let mut parts: Box<[libc::iovec]> = buffers
            .iter_mut()
            .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() })
            .collect();
        let mut headers = Vec::new();
        for (part, control) in parts.iter_mut().zip(&mut controls) {
            // SAFETY: plain data for which all zeros is a value.
            let mut header: libc::mmsghdr = unsafe { zeroed() };
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = control.0.len();
            headers.push(header);
        }
        Self { headers, _buffers: buffers, _parts: parts, _controls: controls }
    }

    /// Waits for the first and takes what else is there; returns how many.
    pub(crate) fn receive(&mut self, fd: impl AsFd) -> io::Result<u64> {
        let count = self.headers.len() as u32;
        // SAFETY: each header points to a buffer and control room that this value owns and that have not moved since.
        let got = unsafe {
            libc::recvmmsg(
                raw(&fd),
                self.headers.as_mut_ptr(),
                count,
                libc::MSG_WAITFORONE,
                std::ptr::null_mut(),
            )
        };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        // The kernel wrote how much room it used.
        for header in &mut self.headers[..got] {
            header.msg_hdr.msg_controllen = size_of::<Control>();
        }
        Ok(got as u64)
    }
}

/// Stops the thread `tid` of another process as a debugger does, and returns when it has stopped.
pub(crate) fn stop_thread(tid: i32) -> io::Result<()> {
    let ask = |request, what| {
        // SAFETY: neither request reads or writes memory through its arguments.
        match unsafe { libc::ptrace(request, tid, 0, 0) } {
            -1 => Err(io::Error::other(format!("{what} {tid}: {}", io::Error::last_os_error()))),
            _ => Ok(()),
        }
    };
    ask(libc::PTRACE_SEIZE, "trace")?;
    ask(libc::PTRACE_INTERRUPT, "interrupt")?;
    wait_for_traced(tid).map(drop)
}

/// Waits until a traced thread stops (true) or has ended (false).
pub(crate) fn wait_for_traced(tid: i32) -> io::Result<bool> {
    let mut status = 0;
    // SAFETY: the kernel writes an `int` through the pointer, which outlives the call.
    match unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(libc::WIFSTOPPED(status)),
    }
}
