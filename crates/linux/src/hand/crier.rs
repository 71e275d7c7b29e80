//! First announcements of many addresses, sent beside the hand: while the kernel sets the next slice, another thread
//! announces the one before. Sending takes a fifth of the time, and a thousand addresses would wait for it.
//!
//! The thread is started when more addresses are expected, or wait, than one slice has, and it is given nothing where it would
//! take the hand's processor, nor more than a few slices: what it does not come to, the hand does itself.

use super::Shared;
use super::announce::{CHUNK, transmit};
use crate::sys::message::SendBatch;
use crate::sys::process::Schedule;
use node::io::{Announcement, RouterId};
use socket2::Socket;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// So many slices wait at most: what waits longer is late.
const MOST: usize = 4;

/// Whether this thread and another can run at the same time.
pub(super) fn has_processors() -> bool {
    rustix::thread::sched_getaffinity(None).is_ok_and(|set| set.count() > 1)
}

/// What is to be announced once.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) router: RouterId,
    pub(super) epoch: u64,
    pub(super) announcements: Arc<[Announcement]>,
    /// Which of them.
    pub(super) at: usize,
}

impl Note {
    pub(super) fn announcement(&self) -> &Announcement {
        &self.announcements[self.at]
    }
}

#[derive(Debug, Default)]
struct Notes {
    waiting: VecDeque<Vec<Note>>,
    /// What was sent goes back to the thread that it came from: freed here, it would stay among the memory of that one.
    sent: Vec<Vec<Note>>,
    /// The thread is sending some that do not wait any more.
    is_sending: bool,
    ending: bool,
}

#[derive(Debug, Default)]
struct Board {
    notes: Mutex<Notes>,
    /// Something was put up, or the end has come.
    posted: Condvar,
    /// Everything was sent.
    silent: Condvar,
}

impl Board {
    /// A thread that panicked with the lock held leaves notes that are whole.
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread, from the hand's side. Dropping it sends what waits, and ends it.
pub(super) struct Crier {
    board: Arc<Board>,
    thread: Option<JoinHandle<()>>,
}

impl Crier {
    /// Its name, by which [`Scheduler`](crate::scheduling::Scheduler) knows it.
    pub(super) const NAME: &str = "crier";

    /// Starts the thread with the scheduling of the calling one, unless there is only one processor for both.
    pub(super) fn start(socket: &Socket, shared: &Arc<Shared>) -> Option<Self> {
        if !has_processors() {
            return None;
        }
        let socket = socket.try_clone().ok()?;
        let (board, shared) = (Arc::new(Board::default()), Arc::clone(shared));
        let (theirs, outbox) = (Arc::clone(&board), SendBatch::plain(CHUNK));
        let schedule = Schedule::own().ok();
        let work = move || {
            // It is not inherited.
            schedule.into_iter().for_each(Schedule::take_up);
            cry(&theirs, &socket, outbox, &shared);
        };
        let thread = std::thread::Builder::new().name(Self::NAME.to_owned()).spawn(work).ok()?;
        Some(Self { board, thread: Some(thread) })
    }

    /// Has these announced, at most [`CHUNK`], and returns at once; returns them if the thread is behind or has no processor of
    /// its own.
    pub(super) fn post(&self, notes: Vec<Note>) -> Result<(), Vec<Note>> {
        if notes.is_empty() {
            return Ok(());
        }
        let mut board = self.board.lock();
        if board.waiting.len() >= MOST || !has_processors() {
            return Err(notes);
        }
        board.waiting.push_back(notes);
        // So that it never grows in the other thread.
        let all = board.waiting.len() + usize::from(board.is_sending);
        board.sent.reserve(all);
        let sleeps = !board.is_sending;
        drop(board);
        if sleeps {
            self.board.posted.notify_one();
        }
        Ok(())
    }

    /// Drops what routers have put up before they changed their mind.
    pub(super) fn supersede(&self, removals: &HashMap<RouterId, u64>) {
        for notes in &mut self.board.lock().waiting {
            notes.retain(|note| removals.get(&note.router).is_none_or(|&latest| note.epoch >= latest));
        }
    }

    /// Waits until everything was sent. What was not, as the thread is no more, is returned.
    pub(super) fn silence(&self) -> Vec<Note> {
        let left = self.wait();
        let sent = std::mem::take(&mut self.board.lock().sent);
        drop(sent);
        left
    }

    fn wait(&self) -> Vec<Note> {
        let mut board = self.board.lock();
        while board.is_sending || !board.waiting.is_empty() {
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                board.is_sending = false;
                return board.waiting.drain(..).flatten().collect();
            }
            let waited = self.board.silent.wait_timeout(board, Duration::from_secs(1));
            board = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Vec::new()
    }
}

impl Drop for Crier {
    fn drop(&mut self) {
        self.board.lock().ending = true;
        self.board.posted.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by its hook; there is nothing to add here.
            let _ = thread.join();
        }
    }
}

/// The thread's work.
fn cry(board: &Board, socket: &Socket, mut outbox: SendBatch, shared: &Shared) {
    let mut notes = board.lock();
    loop {
        if let Some(some) = notes.waiting.pop_front() {
            notes.is_sending = true;
            drop(notes);
            transmit(&mut outbox, socket, &some, Note::announcement, shared);
            notes = board.lock();
            notes.sent.push(some);
            continue;
        }
        notes.is_sending = false;
        board.silent.notify_one();
        if notes.ending {
            return;
        }
        notes = board.posted.wait(notes).unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Type};
    use std::sync::atomic::Ordering;

    fn notes(router: u32, epoch: u64, count: usize) -> Vec<Note> {
        let one = Announcement { interface: 0, address: [10, 0, 0, 3].into(), frame: [0; 60].into() };
        let announcements: Arc<[Announcement]> = vec![one; count].into();
        let note =
            |at| Note { router: RouterId(router), epoch, announcements: Arc::clone(&announcements), at };
        (0..count).map(note).collect()
    }

    /// One whose thread is no more; none where there is only one processor.
    fn nobody() -> Option<Crier> {
        if !has_processors() {
            return None;
        }
        let thread = std::thread::spawn(|| ());
        while !thread.is_finished() {
            std::thread::yield_now();
        }
        Some(Crier { board: Arc::default(), thread: Some(thread) })
    }

    #[test]
    fn everything_is_sent_before_silence_and_counted() {
        // Not a socket that could reach anybody: each frame is refused, and counted as such.
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).unwrap();
        let shared = Arc::new(Shared::default());
        let Some(crier) = Crier::start(&socket, &shared) else { return };
        for round in 1..=3 {
            for router in 0..20 {
                // As the hand, which goes on with the next slice meanwhile.
                let mut left = Some(notes(router, 1, CHUNK));
                while let Some(notes) = left.take() {
                    left = crier.post(notes).err();
                    std::thread::yield_now();
                }
            }
            assert!(crier.silence().is_empty());
            assert_eq!(shared.failed.load(Ordering::Relaxed), round * 20 * 64);
        }
        crier.post(notes(1, 1, 3)).unwrap();
        drop(crier);
        assert_eq!(shared.failed.load(Ordering::Relaxed), 3 * 20 * 64 + 3, "the end sends what waits");
        assert_eq!(shared.announced.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_has_changed_his_mind_is_not_announced() {
        let Some(crier) = nobody() else { return };
        for router in 1..=3 {
            crier.post(notes(router, 4, 2)).unwrap();
        }
        crier.supersede(&HashMap::from([(RouterId(1), 5), (RouterId(2), 4)]));
        let left: Vec<u32> = crier.silence().iter().map(|note| note.router.0).collect();
        assert_eq!(left, [2, 2, 3, 3]);
    }

    #[test]
    fn who_is_behind_is_given_no_more() {
        let Some(crier) = nobody() else { return };
        (0..4).for_each(|router| crier.post(notes(router, 1, 1)).unwrap());
        assert_eq!(crier.post(notes(9, 1, 7)).map_err(|left| left.len()), Err(7));
    }

    #[test]
    fn what_a_dead_thread_has_left_is_not_lost() {
        let Some(crier) = nobody() else { return };
        crier.post(notes(1, 1, 5)).unwrap();
        assert_eq!(crier.silence().len(), 5);
        assert!(crier.silence().is_empty());
    }
}
