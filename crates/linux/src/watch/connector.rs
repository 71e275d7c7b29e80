//! The kernel's news of processes (`cn_proc`): who began, became another program, took another name, or ended.
//!
//! The kernel tells them in the first network, PID and user namespace only, and to whoever has `CAP_NET_ADMIN`.

use crate::error::{Error, Refusal, Result};
use crate::sys::option;
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recvfrom, send};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// `CN_IDX_PROC` and `CN_VAL_PROC` (linux/connector.h).
const PROC: u32 = 1;
/// `PROC_CN_MCAST_LISTEN` (linux/cn_proc.h).
const LISTEN: u32 = 1;
/// Room for some 5,000 news.
const RECEIVE_BUFFER: i32 = 4 << 20;
/// Most news that one call takes.
const BUDGET: usize = 20_000;
/// Length of `struct nlmsghdr`, of `struct cn_msg`, and of `struct proc_event` before its data.
const NETLINK: usize = 16;
const CONNECTOR: usize = 20;
const EVENT: usize = 16;

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// A process that another one made.
    Fork { parent: u32, child: u32 },
    /// It is another program, or has another name.
    Became(u32),
    /// It has ended.
    Ended(u32),
}

/// News that were read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// All that there were.
    All,
    /// Some were lost.
    Lost,
    /// The socket has failed.
    Failed,
}

#[derive(Debug)]
pub(super) struct Connector {
    fd: OwnedFd,
    inbox: Vec<u8>,
}

impl Connector {
    /// Asks the kernel for its news.
    pub(super) fn open() -> Result<Self> {
        let doing = "hear of processes";
        let refused = |why: Errno| Error::admin(doing, why);
        crate::privileges::forbidden_netns()?;
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(netlink::CONNECTOR),
        )
        .map_err(refused)?;
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, PROC)).map_err(refused)?;
        option::set_receive_buffer(&fd, RECEIVE_BUFFER).map_err(|why| Error::admin(doing, why))?;
        rustix::net::connect(&fd, &SocketAddrNetlink::new(0, 0)).map_err(refused)?;
        send(&fd, &request(), SendFlags::empty()).map_err(refused)?;
        let mut connector = Self { fd, inbox: vec![0; 4096] };
        connector.accepted().map_err(|why| Error::admin(doing, why))?;
        Ok(connector)
    }

    /// Waits for the kernel's answer to the request; it answers at once, with one of its events.
    fn accepted(&mut self) -> std::result::Result<(), Refusal> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let limit = Timespec { tv_sec: 1, tv_nsec: 0 };
        let _ = poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&limit));
        for _ in 0..10_000 {
            match recvfrom(&self.fd, &mut self.inbox[..], RecvFlags::empty()) {
                Ok((length, _, _)) => match answer(&self.inbox[..length]) {
                    Some(0) => return Ok(()),
                    Some(errno) => return Err(Refusal::new(errno.cast_signed())),
                    None => {}
                },
                Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(why) => return Err(why.into()),
            }
        }
        // It says nothing to a process of another PID namespace.
        Err(Refusal::new(libc::EOPNOTSUPP))
    }

    /// Reads what there is.
    pub(super) fn hear(&mut self, mut tell: impl FnMut(Deed)) -> Heard {
        let mut heard = Heard::All;
        for _ in 0..BUDGET {
            match recvfrom(&self.fd, &mut self.inbox[..], RecvFlags::empty()) {
                Ok((length, _, _)) => {
                    if let Some(deed) = deed(&self.inbox[..length]) {
                        tell(deed);
                    }
                }
                Err(Errno::AGAIN) => return heard,
                Err(Errno::NOBUFS) => heard = Heard::Lost,
                Err(Errno::INTR) => {}
                Err(_) => return Heard::Failed,
            }
        }
        heard
    }
}

/// Readable while there are news.
impl AsFd for Connector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The request to be told.
fn request() -> Vec<u8> {
    let length = u32::try_from(NETLINK + CONNECTOR + 4).unwrap_or_default();
    let done = u32::try_from(libc::NLMSG_DONE).unwrap_or_default();
    // nlmsghdr { length, type and flags, sequence, port }, cn_msg { index, value, sequence, ack, length and flags }
    let data_length = 4u32;
    #[cfg(target_endian = "big")]
    let (done, data_length) = (done << 16, data_length << 16);
    let words = [length, done, 0, 0, PROC, PROC, 0, 0, data_length, LISTEN];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// A word of `struct proc_event`, by its place.
fn word(message: &[u8], at: usize) -> Option<u32> {
    message.get(NETLINK + CONNECTOR..)?.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// The kernel's answer to a request: an error number, or 0.
fn answer(message: &[u8]) -> Option<u32> {
    (word(message, 0)? == 0).then(|| word(message, EVENT)).flatten()
}

fn deed(message: &[u8]) -> Option<Deed> {
    let data = |at: usize| word(message, EVENT + 4 * at);
    // The first is the number of the thread, the second that of its process.
    let (thread, process) = (data(0)?, data(1)?);
    match word(message, 0)? {
        1 => {
            let (thread, child) = (data(2)?, data(3)?);
            // A thread is no process.
            (thread == child).then_some(Deed::Fork { parent: process, child })
        }
        2 | 0x200 => (thread == process).then_some(Deed::Became(process)),
        0x8000_0000 => (thread == process).then_some(Deed::Ended(process)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(words: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; NETLINK + CONNECTOR];
        let (what, data) = words.split_first().unwrap();
        let words = [*what, 0, 0, 0].into_iter().chain(data.iter().copied());
        bytes.extend(words.flat_map(u32::to_ne_bytes));
        bytes
    }

    #[test]
    fn news_are_read_and_anything_else_is_nothing() {
        assert_eq!(deed(&message(&[1, 5, 5, 9, 9])), Some(Deed::Fork { parent: 5, child: 9 }));
        assert_eq!(deed(&message(&[1, 5, 5, 9, 5])), None, "a thread");
        assert_eq!(deed(&message(&[2, 9, 9])), Some(Deed::Became(9)));
        assert_eq!(deed(&message(&[0x200, 9, 9, 0, 0])), Some(Deed::Became(9)));
        assert_eq!(deed(&message(&[0x200, 10, 9, 0, 0])), None, "the name of a thread");
        assert_eq!(deed(&message(&[0x8000_0000, 9, 9])), Some(Deed::Ended(9)));
        assert_eq!(deed(&message(&[4, 9, 9])), None);
        assert_eq!(answer(&message(&[0, 1])), Some(1));
        assert_eq!(answer(&message(&[1, 1])), None);
        let whole = message(&[1, 5, 5, 9, 9]);
        for length in 0..whole.len() {
            assert_eq!(deed(&whole[..length]), None);
            let _ = answer(&whole[..length]);
        }
    }
}
