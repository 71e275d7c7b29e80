//! What a background reader has seen, in order, and a way to wait for more of it: the reason why nothing here
//! sleeps to let something else happen.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use crate::clock::Deadline;
use crate::{Error, Result};

/// An append-only list that can be waited on.
#[derive(Debug)]
pub struct Tape<T> {
    inner: Mutex<Inner<T>>,
    news: Condvar,
}

#[derive(Debug)]
struct Inner<T> {
    items: Vec<T>,
    ended: bool,
}

impl<T> Default for Tape<T> {
    fn default() -> Self {
        Self { inner: Mutex::new(Inner { items: Vec::new(), ended: false }), news: Condvar::new() }
    }
}

impl<T: Clone> Tape<T> {
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // A reader that panicked has pushed whole items only.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, item: T) {
        self.lock().items.push(item);
        self.news.notify_all();
    }

    /// Nothing more will come.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.news.notify_all();
    }

    /// How many items there are: a mark for [`Tape::wait_from`].
    #[must_use]
    pub fn mark(&self) -> usize {
        self.lock().items.len()
    }

    /// All items so far.
    #[must_use]
    pub fn all(&self) -> Vec<T> {
        self.lock().items.clone()
    }

    /// The items from `mark` on.
    #[must_use]
    pub fn from_mark(&self, mark: usize) -> Vec<T> {
        self.lock().items.get(mark..).unwrap_or_default().to_vec()
    }

    /// Waits for an item that `wanted` likes, beginning with the oldest.
    pub fn wait(&self, deadline: impl Into<Deadline>, wanted: impl FnMut(&T) -> bool) -> Option<T> {
        self.wait_from(0, deadline, wanted).map(|(_, item)| item)
    }

    /// Waits for an item at or after `mark` that `wanted` likes; says with it where to go on.
    ///
    /// `None`: the deadline passed, or the tape ended, without one.
    pub fn wait_from(
        &self,
        mark: usize,
        deadline: impl Into<Deadline>,
        mut wanted: impl FnMut(&T) -> bool,
    ) -> Option<(usize, T)> {
        let deadline = deadline.into();
        let mut next = mark;
        let mut inner = self.lock();
        loop {
            while let Some(item) = inner.items.get(next) {
                next += 1;
                if wanted(item) {
                    return Some((next, item.clone()));
                }
            }
            if inner.ended || deadline.is_past() {
                return None;
            }
            inner = self.news.wait_timeout(inner, deadline.left()).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A thread that reads a descriptor until it is told to stop.
#[derive(Debug)]
pub(crate) struct Pump {
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

/// Whether a [`Pump`] goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// There may be more later.
    On,
    /// There will never be more.
    End,
}

impl Pump {
    /// Calls `read` whenever `source` is readable (or has hung up), and once more when it is told to stop.
    /// `read` must not block.
    pub(crate) fn start(
        name: &str,
        source: OwnedFd,
        mut read: impl FnMut(BorrowedFd<'_>) -> Flow + Send + 'static,
    ) -> Result<Self> {
        let doing = || format!("start the thread {name}");
        let stop = eventfd(0, EventfdFlags::CLOEXEC).map_err(|e| Error::system(doing(), e))?;
        let told = stop.try_clone().map_err(|e| Error::system(doing(), e))?;
        let run = move || {
            loop {
                let mut fds = [PollFd::new(&source, PollFlags::IN), PollFd::new(&told, PollFlags::IN)];
                match poll(&mut fds, None) {
                    Ok(_) => {}
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(_) => return,
                }
                let last = !fds[1].revents().is_empty();
                if read(source.as_fd()) == Flow::End || last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        Ok(Self { stop, thread: Some(thread.map_err(|e| Error::system(doing(), e))?) })
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        // The counter of an eventfd of our own takes a 1 at any time.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn waiting_ends_with_the_item_the_deadline_or_the_end() {
        let tape = Arc::new(Tape::default());
        tape.push(1);
        assert_eq!(tape.wait_from(0, Duration::ZERO, |n| *n == 1), Some((1, 1)));
        assert_eq!(tape.wait(Duration::from_millis(5), |n| *n == 2), None);
        let other = Arc::clone(&tape);
        let writer = std::thread::spawn(move || other.push(2));
        assert_eq!(tape.wait_from(1, Duration::from_secs(10), |n| *n == 2), Some((2, 2)));
        writer.join().unwrap();
        tape.end();
        assert_eq!(tape.wait(Duration::from_secs(600), |n| *n == 3), None);
    }
}
