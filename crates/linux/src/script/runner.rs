//! The worker's side: passes on what is to be run. It never waits.

use super::message::{Answer, LONGEST, Request};
use crate::sys::map::Room;
use node::io::{Ended, Ending, Errno, Reason};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Asks the supervisor to run programs.
#[derive(Debug)]
pub struct Runner {
    channel: OwnedFd,
    /// What the supervisor has not yet taken. The node has one run of a script at a time, so it stays short.
    backlog: VecDeque<Vec<u8>>,
    /// Answers of our own.
    refused: Vec<Ended>,
    buffer: Room,
    is_gone: bool,
}

impl Runner {
    /// Speaks through one end of a [`super::channel`].
    #[must_use]
    pub fn new(channel: OwnedFd) -> Self {
        Self {
            channel,
            backlog: VecDeque::new(),
            refused: Vec::new(),
            buffer: Room::new(LONGEST),
            is_gone: false,
        }
    }

    /// Passes a request on, or refuses it at once.
    pub fn ask(&mut self, request: &Request) {
        match request.encode() {
            _ if self.is_gone => self.refuse(request, Reason::NoRunner),
            Some(bytes) => self.backlog.push_back(bytes),
            None => self.refuse(request, Reason::Refused(Errno(libc::E2BIG))),
        }
    }

    fn refuse(&mut self, request: &Request, why: Reason) {
        if let Request::Run(run) = request {
            self.refused.push(Ended { id: run.id, how: Ending::NotRun(why) });
        }
    }

    /// Sends what the supervisor takes now. `true`: something is left for later.
    pub fn flush(&mut self) -> bool {
        while let Some(bytes) = self.backlog.front() {
            match send(&self.channel, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS | rustix::io::Errno::NOMEM) => {
                    return true;
                }
                // The supervisor is gone, and so will be this process.
                Err(_) => self.leave(),
            }
            self.backlog.pop_front();
        }
        false
    }

    fn leave(&mut self) {
        self.is_gone = true;
        let waiting: Vec<Request> = self.backlog.iter().filter_map(|bytes| Request::decode(bytes)).collect();
        self.backlog.clear();
        for request in waiting {
            self.refuse(&request, Reason::NoRunner);
        }
    }

    /// Takes what has been answered.
    pub fn receive(&mut self, mut take: impl FnMut(Answer)) {
        for ended in self.refused.drain(..) {
            take(Answer::Ended(ended));
        }
        while !self.is_gone {
            match recv(&self.channel, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Ok((0, _)) => self.is_gone = true,
                Ok((length, _)) => {
                    if let Some(answer) = self.buffer.get(..length).and_then(Answer::decode) {
                        take(answer);
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.is_gone = true,
            }
        }
    }

    /// Answers of its own wait, for which the descriptor is not readable.
    #[must_use]
    pub const fn has_answers(&self) -> bool {
        !self.refused.is_empty()
    }

    /// The supervisor has closed its end: there is nothing to wait for.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        self.is_gone
    }
}

/// Readable while answers wait.
impl AsFd for Runner {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}
