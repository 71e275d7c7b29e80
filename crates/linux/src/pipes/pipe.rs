//! One pipe.

use super::Say;
use crate::script::account;
use model::Fifo;
use node::event::Level;
use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Stat, Uid, fchown, fstat, mknodat, open, stat, unlink};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// So many lines wait for a reader when the pipe itself (64 KiB) is full.
const WAITING: usize = 8192;

/// A pipe that is open.
#[derive(Debug)]
pub(super) struct Pipe {
    fifo: Fifo,
    file: OwnedFd,
    /// What it was when it was opened: device and number.
    identity: (u64, u64),
    /// It was made here, and goes with us.
    is_made: bool,
    waiting: VecDeque<Arc<str>>,
    /// So much of the first line is written.
    written: usize,
    /// Lines that did not fit.
    lost: u64,
    is_full: bool,
    /// A program of ours reads it.
    pub(super) has_reader: bool,
}

impl Pipe {
    /// Opens a pipe, or makes it.
    ///
    /// # Errors
    /// Why it is not used.
    pub(super) fn open(fifo: &Fifo) -> Result<Self, String> {
        let owner = owner(fifo)?;
        let path = fifo.path.as_str();
        let is_made = match mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(why) => return Err(format!("cannot make it: {why}")),
        };
        let opened = open_it(path).and_then(|(file, status)| {
            if is_made {
                if let Some((user, group)) = owner {
                    let change = fchown(&file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
                    change.map_err(|why| format!("cannot give it to its user: {why}"))?;
                }
            } else if status.st_uid != rustix::process::geteuid().as_raw()
                && owner.is_none_or(|(user, _)| status.st_uid != user)
            {
                return Err(format!("user {} owns it, neither we nor the user of its line", status.st_uid));
            }
            Ok((file, status))
        });
        match opened {
            Ok((file, status)) => Ok(Self {
                fifo: fifo.clone(),
                file,
                identity: identity(&status),
                is_made,
                waiting: VecDeque::new(),
                written: 0,
                lost: 0,
                is_full: false,
                has_reader: false,
            }),
            Err(why) => {
                if is_made {
                    let _ = unlink(path);
                }
                Err(why)
            }
        }
    }

    /// Whether it is what this line asks for, and still where it was.
    pub(super) fn is_as(&self, fifo: &Fifo) -> bool {
        self.fifo.path == fifo.path && self.fifo.account == fifo.account && self.is_there()
    }

    fn is_there(&self) -> bool {
        stat(self.fifo.path.as_str()).is_ok_and(|status| identity(&status) == self.identity)
    }

    /// Lines wait for room.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A program of ours reads it, and has not read everything.
    pub(super) fn is_unread(&self) -> bool {
        self.has_reader && self.unread() > 0
    }

    /// So many bytes wait in the pipe itself.
    fn unread(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.file).unwrap_or(0)
    }

    /// Takes a line.
    pub(super) fn put(&mut self, line: &Arc<str>, say: &Say) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back(line.clone());
            return;
        }
        // What is written in between keeps its order; what comes now is missing at the end.
        self.flush(say);
        if self.waiting.len() < WAITING {
            self.waiting.push_back(line.clone());
            return;
        }
        self.lost += 1;
        if self.lost == 1 {
            let path = &self.fifo.path;
            say(
                Level::Alarm,
                format!(
                    "FIFO {path}: nobody reads it, and {WAITING} lines wait already: from now on lines are lost"
                ),
            );
        }
    }

    /// Writes as much as there is room for.
    pub(super) fn flush(&mut self, say: &Say) {
        while let Some(line) = self.waiting.front() {
            let rest = line.as_bytes().get(self.written..).unwrap_or_default();
            match rustix::io::write(&self.file, rest) {
                Ok(count) if count < rest.len() => self.written += count,
                Ok(_) => {
                    self.written = 0;
                    self.waiting.pop_front();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return self.note_full(say),
                Err(why) => {
                    // We read it as well, so there is always a reader: this does not happen.
                    let path = &self.fifo.path;
                    say(Level::Alarm, format!("FIFO {path}: {why}: {} lines are lost", self.waiting.len()));
                    self.waiting.clear();
                    self.written = 0;
                }
            }
        }
        self.is_full = false;
        if self.lost > 0 {
            let (path, lost) = (&self.fifo.path, std::mem::take(&mut self.lost));
            say(Level::Alarm, format!("FIFO {path}: it is read again; {lost} lines were lost"));
        }
    }

    fn note_full(&mut self, say: &Say) {
        if !std::mem::replace(&mut self.is_full, true) {
            let path = &self.fifo.path;
            say(
                Level::Warning,
                format!("FIFO {path}: it is full, nobody seems to read it: up to {WAITING} lines wait here"),
            );
        }
    }

    /// It is not written to any more, and goes if it was made here.
    pub(super) fn close(self, say: &Say) {
        let (path, untold) = (&self.fifo.path, self.waiting.len() as u64 + self.lost);
        if untold > 0 {
            say(Level::Alarm, format!("FIFO {path}: {untold} lines were never read and are lost"));
        }
        if self.is_unread() {
            let unread = self.unread();
            say(Level::Alarm, format!("FIFO {path}: its program left the last {unread} bytes unread"));
        }
        if self.is_made && self.is_there() {
            let _ = unlink(path.as_str());
        }
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Opens what there is, if it is a FIFO. For reading too: then writing works before a reader has come.
fn open_it(path: &str) -> Result<(OwnedFd, Stat), String> {
    let what = |status: &Stat| match FileType::from_raw_mode(status.st_mode) {
        FileType::Fifo => Ok(()),
        FileType::RegularFile => Err("it is a regular file, no FIFO".to_owned()),
        FileType::Directory => Err("it is a directory, no FIFO".to_owned()),
        FileType::Symlink
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Err("it is no FIFO".to_owned()),
    };
    // Looked at before and after: opening some devices does things.
    stat(path).map_err(|why| why.to_string()).and_then(|status| what(&status))?;
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty()).map_err(|why| format!("cannot open it: {why}"))?;
    let status = fstat(&file).map_err(|why| why.to_string())?;
    what(&status)?;
    Ok((file, status))
}

fn identity(status: &Stat) -> (u64, u64) {
    (status.st_dev, status.st_ino)
}

/// Who shall own it, if its line says so.
fn owner(fifo: &Fifo) -> Result<Option<(u32, u32)>, String> {
    let Some(wanted) = &fifo.account else { return Ok(None) };
    let identity = account::resolve(Some(&wanted.user), wanted.group.as_deref());
    identity.map(|identity| Some((identity.user, identity.group))).map_err(|why| why.to_string())
}
