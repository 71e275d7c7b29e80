//! `recvmmsg(2)` and `sendmmsg(2)` over buffers that are allocated once.
//!
//! Both go through the raw system call: musl's `sendmmsg` is a loop of `sendmsg`, and no safe wrapper has
//! `recvmmsg` with the control messages that are needed here.

use super::control::{Said, Space};
use node::io::Errno;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

/// The largest datagram that is read; adverts are at most some 4 kB by the format, and below 100 bytes
/// in practice. A longer one is reported as truncated.
const BYTES: usize = 2048;

/// Room for a datagram as long as no longer one is expected or has come: what lies close together is read faster.
const USUAL: usize = 256;

/// Room for a socket address.
const NAME: u32 = 32;

/// A socket address of any family, as the kernel copies it in and out.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    bytes: [u8; NAME as usize],
    len: u32,
}

impl Name {
    const EMPTY: Self = Self { bytes: [0; NAME as usize], len: 0 };

    /// `sockaddr_in` or `sockaddr_in6`; `scope` is the interface number of a link-local destination.
    pub(crate) fn ip(address: IpAddr, scope: u32) -> Self {
        let mut name = Self::EMPTY;
        match address {
            IpAddr::V4(ip) => {
                name.bytes[..2].copy_from_slice(&family(libc::AF_INET));
                name.bytes[4..8].copy_from_slice(&ip.octets());
                name.len = 16;
            }
            IpAddr::V6(ip) => {
                name.bytes[..2].copy_from_slice(&family(libc::AF_INET6));
                name.bytes[8..24].copy_from_slice(&ip.octets());
                name.bytes[24..28].copy_from_slice(&scope.to_ne_bytes());
                name.len = 28;
            }
        }
        name
    }

    /// `sockaddr_ll` of an Ethernet frame on its way out; the frame's own type field names the protocol.
    pub(crate) fn frame(interface: u32, frame: &[u8]) -> Self {
        let mut name = Self::EMPTY;
        name.bytes[..2].copy_from_slice(&family(libc::AF_PACKET));
        if let (Some(to), Some(kind)) = (frame.get(..6), frame.get(12..14)) {
            name.bytes[2..4].copy_from_slice(kind);
            name.bytes[12..18].copy_from_slice(to);
        }
        name.bytes[4..8].copy_from_slice(&interface.to_ne_bytes());
        name.bytes[11] = 6;
        name.len = 20;
        name
    }

    /// The address of a `sockaddr_in` or `sockaddr_in6`.
    fn source(&self) -> Option<IpAddr> {
        if self.bytes[..2] == family(libc::AF_INET) {
            return self.bytes[4..8].first_chunk::<4>().map(|bytes| IpAddr::from(*bytes));
        }
        self.source_v6().map(IpAddr::V6)
    }

    /// The address of a `sockaddr_in6`.
    fn source_v6(&self) -> Option<Ipv6Addr> {
        if self.bytes[..2] != family(libc::AF_INET6) {
            return None;
        }
        self.bytes[8..24].first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes))
    }
}

fn family(number: i32) -> [u8; 2] {
    u16::try_from(number).unwrap_or(0).to_ne_bytes()
}

/// One received datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) truncated: bool,
    pub(crate) source_v6: Option<Ipv6Addr>,
    pub(crate) said: Said,
}

/// Buffers for receiving many datagrams with one system call.
pub(crate) struct RecvBatch {
    /// One after the other, each of `room` bytes.
    data: Box<[u8]>,
    room: usize,
    control: Box<[Space]>,
    names: Box<[Name]>,
    lens: Box<[Len]>,
    /// Point into `data`; `headers` point to these, to `names` and to `control`. Boxes stay where they are however
    /// their owner moves, so all is set up once. Nothing here ever goes through these pointers: only the kernel does, in
    /// a call that the compiler must take for one that may write anywhere.
    parts: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    /// So many headers carry what the last call has written.
    used: usize,
    /// The headers ask for the sender's name.
    named: bool,
}

#[derive(Clone, Copy, Default)]
struct Len {
    data: usize,
    truncated: bool,
    said: Said,
}

// SAFETY: the pointers in `parts` and `headers` lead to boxes of the same value and are read by the kernel only,
// during calls that borrow the value mutably.
unsafe impl Send for RecvBatch {}

impl RecvBatch {
    /// Buffers for `count` datagrams.
    pub(crate) fn new(count: usize) -> Self {
        let mut data = vec![0; USUAL * count].into_boxed_slice();
        let mut control = vec![Space::EMPTY; count].into_boxed_slice();
        let mut names = vec![Name::EMPTY; count].into_boxed_slice();
        let mut parts: Box<[libc::iovec]> = data.chunks_mut(USUAL).map(part).collect();
        let rooms = parts.iter_mut().zip(&mut control).zip(&mut names);
        let headers = rooms
            .map(|((part, room), name)| header(part, &mut name.bytes, room.0.as_mut_ptr(), room.0.len()))
            .collect();
        let lens = vec![Len::default(); count].into_boxed_slice();
        Self { data, room: USUAL, control, names, lens, parts, headers, used: 0, named: true }
    }

    /// How many datagrams one call can bring.
    pub(crate) fn capacity(&self) -> usize {
        self.headers.len()
    }

    /// Makes room for datagrams of so many bytes, at most [`BYTES`]. What the last call has brought is gone.
    pub(crate) fn make_room(&mut self, bytes: usize) {
        let room = bytes.clamp(USUAL, BYTES).next_power_of_two();
        if room <= self.room {
            return;
        }
        self.data = vec![0; room * self.capacity()].into_boxed_slice();
        self.room = room;
        // The headers point to the parts, which stay where they are.
        self.parts.iter_mut().zip(self.data.chunks_mut(room)).for_each(|(to, data)| *to = part(data));
        self.lens.fill(Len::default());
    }

    /// Whether there is less room than for any advert.
    pub(crate) const fn can_grow(&self) -> bool {
        self.room < BYTES
    }

    /// Makes room for any advert, if the last call has brought a datagram that was too long for the room that there was.
    /// To be called when what it has brought is done with.
    pub(crate) fn adapt(&mut self) {
        if self.lens.iter().take(self.used).any(|len| len.truncated) {
            self.make_room(BYTES);
        }
    }

    /// Receives what is there, without waiting; returns how many. `EAGAIN` is `Ok(0)`. `named`: also who sent it, which
    /// an IPv4 header says anyway.
    pub(crate) fn receive(&mut self, fd: impl AsFd, named: bool) -> Result<usize, Errno> {
        let count = self.capacity();
        if std::mem::replace(&mut self.named, named) != named {
            for (header, name) in self.headers.iter_mut().zip(&mut self.names) {
                let room = name.bytes.as_mut_ptr().cast();
                header.msg_hdr.msg_name = if named { room } else { ptr::null_mut() };
                header.msg_hdr.msg_namelen = if named { NAME } else { 0 };
            }
        }
        for header in self.headers.iter_mut().take(std::mem::take(&mut self.used)) {
            header.msg_hdr.msg_namelen = if named { NAME } else { 0 };
            set_control_len(&mut header.msg_hdr, size_of::<Space>());
        }
        let arrived = loop {
            // SAFETY: `headers` has `count` entries, each pointing to an `iovec`, a name and a control buffer of the
            // lengths that it states, all owned by `self`, which is borrowed mutably until the call returns.
            let arrived = unsafe {
                libc::syscall(
                    libc::SYS_recvmmsg,
                    fd.as_fd().as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    count,
                    libc::MSG_DONTWAIT,
                    ptr::null_mut::<libc::timespec>(),
                )
            };
            match usize::try_from(arrived) {
                Ok(arrived) => break arrived.min(count),
                Err(_) => match errno() {
                    libc::EINTR => {}
                    libc::EAGAIN => break 0,
                    errno => return Err(Errno(errno)),
                },
            }
        };
        self.used = arrived;
        let arrivals = self.lens.iter_mut().zip(&self.headers).zip(&self.control).take(arrived);
        for ((len, header), control) in arrivals {
            let said = control.0.get(..control_len(&header.msg_hdr)).unwrap_or_default();
            *len = Len {
                data: usize::try_from(header.msg_len).unwrap_or(0).min(self.room),
                said: Said::read(said),
                truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            };
        }
        Ok(arrived)
    }

    /// Who sent the `at`-th datagram of the last call, if that was asked for.
    pub(crate) fn source(&self, at: usize) -> Option<IpAddr> {
        self.names.get(at).filter(|_| self.named && at < self.used).and_then(Name::source)
    }

    /// The `at`-th datagram of the last call; empty beyond what it brought.
    pub(crate) fn datagram(&self, at: usize) -> Received<'_> {
        let Some(len) = self.lens.get(at) else {
            return Received { bytes: &[], truncated: false, source_v6: None, said: Said::default() };
        };
        Received {
            bytes: &self.data[at * self.room..][..len.data],
            truncated: len.truncated,
            source_v6: if self.named { self.names[at].source_v6() } else { None },
            said: len.said,
        }
    }
}

/// One datagram or frame to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) to: Name,
    pub(crate) bytes: &'a [u8],
}

/// Buffers for sending many datagrams with one system call.
pub(crate) struct SendBatch {
    capacity: usize,
    /// One for each datagram; or one for all, which stays empty.
    control: Box<[Space]>,
    controls: Box<[usize]>,
    names: Vec<Name>,
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers in `parts` and `headers` are written anew for each system call and are read by nobody else.
unsafe impl Send for SendBatch {}

impl SendBatch {
    /// Buffers for `capacity` datagrams.
    pub(crate) fn new(capacity: usize) -> Self {
        Self::with(capacity, capacity)
    }

    /// The same for datagrams that have no control messages.
    pub(crate) fn plain(capacity: usize) -> Self {
        Self::with(capacity, 1)
    }

    fn with(capacity: usize, control: usize) -> Self {
        Self {
            capacity,
            control: vec![Space::EMPTY; control].into_boxed_slice(),
            controls: vec![0; capacity].into_boxed_slice(),
            names: Vec::with_capacity(capacity),
            parts: Vec::with_capacity(capacity),
            headers: Vec::with_capacity(capacity),
        }
    }

    /// Sends `messages` in order, as many to a system call as fit. `describe` says where a message goes and
    /// writes its control messages (returning their length). `failed` hears of each that was not sent.
    ///
    /// A message that the kernel refuses does not keep the next from being sent, except when the socket's
    /// buffer is full (`EAGAIN`): then the rest of its batch is reported with it.
    pub(crate) fn send<'a, T>(
        &mut self,
        fd: impl AsFd,
        messages: &'a [T],
        mut describe: impl FnMut(&'a T, &mut Space) -> (Outgoing<'a>, usize),
        mut failed: impl FnMut(usize, Errno),
    ) {
        for (batch, chunk) in messages.chunks(self.capacity.max(1)).enumerate() {
            self.prepare(chunk, &mut describe);
            let start = batch * self.capacity;
            self.transmit(&fd, |at, errno| failed(start + at, errno));
        }
    }

    /// Goes through everything that sending needs, and sends nothing: the first message that matters then does not wait
    /// for the code that sends it.
    pub(crate) fn rehearse<'a, T>(
        &mut self,
        message: &'a T,
        mut describe: impl FnMut(&'a T, &mut Space) -> (Outgoing<'a>, usize),
    ) {
        self.prepare(std::slice::from_ref(message), &mut describe);
        self.names.clear();
        self.parts.clear();
        self.headers.clear();
    }

    /// Makes the headers of at most as many messages as there is room for.
    fn prepare<'a, T>(
        &mut self,
        chunk: &'a [T],
        describe: &mut impl FnMut(&'a T, &mut Space) -> (Outgoing<'a>, usize),
    ) {
        self.names.clear();
        self.parts.clear();
        self.headers.clear();
        for (at, message) in chunk.iter().enumerate() {
            let is_plain = self.control.len() < self.capacity;
            let (out, len) = describe(message, &mut self.control[if is_plain { 0 } else { at }]);
            debug_assert!(!is_plain || len == 0, "they have one place for all");
            self.controls[at] = len;
            self.names.push(out.to);
            let base = out.bytes.as_ptr().cast_mut().cast();
            self.parts.push(libc::iovec { iov_base: base, iov_len: out.bytes.len() });
        }
        let is_plain = self.control.len() < self.capacity;
        let controls = self.control.as_mut_ptr();
        let pieces = self.parts.iter_mut().zip(&mut self.names).zip(&self.controls).enumerate();
        for (at, ((part, name), &len)) in pieces {
            // Of the boxed slice, which has a place for each of at most `capacity`, or one.
            let control = controls.wrapping_add(if is_plain { 0 } else { at }).cast();
            let mut one = header(part, &mut name.bytes, control, len);
            one.msg_hdr.msg_namelen = name.len;
            self.headers.push(one);
        }
    }

    /// Hands the prepared headers to the kernel until each was sent or refused.
    fn transmit(&mut self, fd: &impl AsFd, mut failed: impl FnMut(usize, Errno)) {
        let count = self.headers.len();
        let mut at = 0;
        while at < count {
            // SAFETY: `headers[at..]` has `count - at` entries; each points to a name, an `iovec` and control data of
            // the lengths that it states, owned by `self` or (the payload) borrowed from the caller of `send` for
            // longer than this call. The kernel reads the payload and writes only `msg_len` in the headers.
            let sent = unsafe {
                libc::syscall(
                    libc::SYS_sendmmsg,
                    fd.as_fd().as_raw_fd(),
                    self.headers[at..].as_mut_ptr(),
                    count - at,
                    libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                )
            };
            match usize::try_from(sent) {
                // The kernel reports an error only for the first message of a call: the next call brings it.
                Ok(sent) if sent > 0 => at += sent,
                _ => match errno() {
                    libc::EINTR => {}
                    libc::EAGAIN => {
                        (at..count).for_each(|each| failed(each, Errno(libc::EAGAIN)));
                        return;
                    }
                    errno => {
                        failed(at, Errno(errno));
                        at += 1;
                    }
                },
            }
        }
    }
}

fn part(to: &mut [u8]) -> libc::iovec {
    libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() }
}

/// A message header that points to the given buffers.
fn header(
    part: &mut libc::iovec,
    name: &mut [u8; NAME as usize],
    control: *mut u8,
    len: usize,
) -> libc::mmsghdr {
    // SAFETY: all-zero bytes are a valid `mmsghdr`: integers and null pointers.
    let mut header: libc::mmsghdr = unsafe { zeroed() };
    header.msg_hdr.msg_name = name.as_mut_ptr().cast();
    header.msg_hdr.msg_namelen = NAME;
    header.msg_hdr.msg_iov = part;
    header.msg_hdr.msg_iovlen = 1;
    if len > 0 {
        header.msg_hdr.msg_control = control.cast();
        set_control_len(&mut header.msg_hdr, len);
    }
    header
}

// The C libraries disagree on the type of `msg_controllen`.
#[allow(clippy::useless_conversion, reason = "the field is u32 in musl, usize in glibc")]
fn control_len(header: &libc::msghdr) -> usize {
    usize::try_from(header.msg_controllen).unwrap_or(0).min(size_of::<Space>())
}

#[allow(clippy::useless_conversion, reason = "the field is u32 in musl, usize in glibc")]
fn set_control_len(header: &mut libc::msghdr, len: usize) {
    header.msg_controllen = len.try_into().unwrap_or(0);
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}
