//! A queue between two threads whose reader may wait for it in an epoll beside its sockets.
//!
//! Nothing is ever dropped here: who writes more than the reader can take must bound it on their side. The
//! lock is held for a push or a swap of vectors, never over a system call.

use crate::error::{Error, Result};
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Letters in order, and a descriptor that is readable while there are some.
#[derive(Debug)]
pub struct Mailbox<T> {
    letters: Mutex<Vec<T>>,
    bell: OwnedFd,
}

impl<T> Mailbox<T> {
    /// An empty mailbox.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn new() -> Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|why| Error::refused("make an eventfd", why))?;
        Ok(Self { letters: Mutex::new(Vec::new()), bell })
    }

    /// Puts one letter in and wakes the reader.
    pub fn push(&self, letter: T) {
        self.push_all(std::iter::once(letter));
    }

    /// Puts letters in, in order, and wakes the reader once; none: does nothing.
    pub fn push_all(&self, letters: impl IntoIterator<Item = T>) {
        let mut queue = self.lock();
        let was_empty = queue.is_empty();
        queue.extend(letters);
        // For what lies there already the bell rings, or whoever put it there is about to ring it, or its reader, who
        // silences it first, is about to take all.
        let rings = was_empty && !queue.is_empty();
        drop(queue);
        if rings {
            self.ring();
        }
    }

    /// Moves all letters to the end of `into` and silences the bell. Returns how many there were.
    pub fn take(&self, into: &mut Vec<T>) -> usize {
        // The bell first: a letter that comes in between rings it again, and an empty look costs nothing.
        let _ = rustix::io::read(&self.bell, &mut [0u8; 8]);
        let mut queue = self.lock();
        let count = queue.len();
        into.append(&mut queue);
        let crowded = is_crowded(&queue, count).then(|| std::mem::take(&mut *queue));
        drop(queue);
        // Freed without the lock, which may take a system call.
        drop(crowded);
        let all = into.len();
        slim(into, all);
        count
    }

    /// Gives room back that only a crowd has needed, if there is nothing in it.
    pub fn rest(&self) {
        let mut queue = self.lock();
        if queue.is_empty() {
            let crowded = std::mem::take(&mut *queue);
            drop(queue);
            drop(crowded);
        }
    }

    /// Makes the descriptor readable without a letter.
    pub fn ring(&self) {
        // It can only fail when the counter is full, and then the bell rings already.
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }

    /// A thread that panicked with the lock held can have done nothing worse than not pushing.
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives room back that only a rare crowd has needed: `needed` places are much less than there are.
pub(crate) fn slim<T>(buffer: &mut Vec<T>, needed: usize) {
    if is_crowded(buffer, needed) {
        buffer.shrink_to((needed * 2).max(ROOM));
    }
}

/// So little room is not worth giving back.
pub(crate) const ROOM: usize = 64;

const fn is_crowded<T>(buffer: &Vec<T>, needed: usize) -> bool {
    buffer.capacity() > ROOM && needed < buffer.capacity() / 8
}

/// Readable while letters wait.
impl<T> AsFd for Mailbox<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    #[test]
    fn the_room_of_a_crowd_is_given_back_when_few_come() {
        let mailbox = Mailbox::new().unwrap();
        mailbox.push_all(0..5_000);
        let mut inbox = Vec::new();
        assert_eq!(mailbox.take(&mut inbox), 5_000);
        assert!(mailbox.lock().capacity() >= 5_000 && inbox.capacity() >= 5_000);
        inbox.clear();
        mailbox.push(1);
        assert_eq!((mailbox.take(&mut inbox), inbox.clone()), (1, vec![1]));
        assert!(mailbox.lock().capacity() < 1_000 && inbox.capacity() < 1_000);
    }

    fn readable<T>(mailbox: &Mailbox<T>) -> bool {
        poll(&mut [PollFd::new(mailbox, PollFlags::IN)], Some(&Timespec::default())).unwrap() > 0
    }

    #[test]
    fn the_bell_rings_while_there_are_letters() {
        let mailbox = Mailbox::new().unwrap();
        assert!(!readable(&mailbox));
        mailbox.push_all([]);
        assert!(!readable(&mailbox));
        mailbox.push(1);
        mailbox.push_all([2, 3]);
        assert!(readable(&mailbox));
        let mut letters = vec![0];
        assert_eq!(mailbox.take(&mut letters), 3);
        assert_eq!(letters, [0, 1, 2, 3]);
        assert!(!readable(&mailbox));
        assert_eq!(mailbox.take(&mut letters), 0);
    }
}
