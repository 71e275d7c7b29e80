//! First announcements of many addresses, sent beside the hand: while the kernel sets the next slice, another thread
//! announces the one before. Sending takes a seventh of the time, and a thousand addresses would wait for it.
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

/// Whether its router has decided otherwise since.
pub(super) fn is_overtaken(note: &Note, removals: &HashMap<RouterId, u64>) -> bool {
    removals.get(&note.router).is_some_and(|&latest| note.epoch < latest)
}

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
    /// What was sent goes back to the thread that it came from, which frees it when it has time: nobody waits for the other's
    /// allocator.
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

    /// Has these announced, at most [`CHUNK`], and returns at once. Returns what the caller has to send itself: the oldest of
    /// what waits, if the thread is behind; these, if it has no processor of its own or is no more.
    pub(super) fn post(&self, notes: Vec<Note>) -> Option<Vec<Note>> {
        if !has_processors() || self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return Some(notes);
        }
        let mut board = self.board.lock();
        board.waiting.push_back(notes);
        // So that it never grows in the other thread.
        let all = board.waiting.len() + usize::from(board.is_sending);
        board.sent.reserve(all);
        let oldest = if board.waiting.len() > MOST { board.waiting.pop_front() } else { None };
        let sleeps = !board.is_sending;
        drop(board);
        if sleeps {
            self.board.posted.notify_one();
        }
        oldest
    }

    /// Waits until what the thread is sending was sent, and returns what it has not begun.
    pub(super) fn silence(&self) -> Vec<Note> {
        let mut board = self.board.lock();
        let left = board.waiting.drain(..).flatten().collect();
        while board.is_sending && !self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            let waited = self.board.silent.wait_timeout(board, Duration::from_secs(1));
            board = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let sent = std::mem::take(&mut board.sent);
        drop(board);
        drop(sent);
        left
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
        if let Some(mut some) = notes.waiting.pop_front() {
            notes.is_sending = true;
            drop(notes);
            // The hand may be waiting for the kernel while routers change their minds.
            let queue = shared.lock();
            some.retain(|note| !is_overtaken(note, &queue.removals));
            drop(queue);
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

    fn routers(notes: &[Note]) -> Vec<u32> {
        notes.iter().map(|note| note.router.0).collect()
    }

    /// On a socket that reaches nobody: each frame is refused, and counted as such. None where there is one processor only.
    fn mute() -> Option<(Crier, Arc<Shared>)> {
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).unwrap();
        let shared = Arc::new(Shared::default());
        Some((Crier::start(&socket, &shared)?, shared))
    }

    /// One whose thread never comes to anything.
    fn idle() -> Option<Crier> {
        let board = Arc::new(Board::default());
        let theirs = Arc::clone(&board);
        let wait = move || {
            let mut notes = theirs.lock();
            while !notes.ending {
                notes = theirs.posted.wait(notes).unwrap();
            }
        };
        has_processors().then(|| Crier { board, thread: Some(std::thread::spawn(wait)) })
    }

    #[test]
    fn everything_is_sent_once_by_one_of_the_two() {
        let Some((crier, shared)) = mute() else { return };
        let mut own = 0;
        for round in 1..=3 {
            (0..20)
                .for_each(|router| own += crier.post(notes(router, 1, CHUNK)).map_or(0, |left| left.len()));
            own += crier.silence().len();
            let sent = usize::try_from(shared.failed.load(Ordering::Relaxed)).unwrap();
            assert_eq!(sent + own, round * 20 * 64);
        }
        assert!(crier.post(notes(1, 1, 3)).is_none());
        let before = shared.failed.load(Ordering::Relaxed);
        drop(crier);
        let after = shared.failed.load(Ordering::Relaxed);
        assert!(before == after || before + 3 == after, "the end sends what waits");
        assert_eq!(shared.announced.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_has_changed_his_mind_is_not_announced() {
        let Some((crier, shared)) = mute() else { return };
        shared.lock().removals.extend([(RouterId(1), 5), (RouterId(2), 4)]);
        // One batch, which only the thread may look at.
        let all: Vec<Note> = (1..=3).flat_map(|router| notes(router, 4, 2)).collect();
        assert!(crier.post(all).is_none());
        drop(crier);
        assert_eq!(shared.failed.load(Ordering::Relaxed), 4, "two of the second and two of the third");
    }

    #[test]
    fn who_is_behind_gives_back_the_oldest() {
        let Some(crier) = idle() else { return };
        (0..4).for_each(|router| assert!(crier.post(notes(router, 1, 1)).is_none()));
        assert_eq!(crier.post(notes(9, 1, 7)).map(|left| routers(&left)), Some(vec![0]));
        assert_eq!(routers(&crier.silence()), [1, 2, 3, 9, 9, 9, 9, 9, 9, 9]);
        assert!(crier.silence().is_empty());
    }

    #[test]
    fn one_that_is_no_more_is_given_nothing() {
        let Some(mut crier) = idle() else { return };
        let ended = crier.thread.replace(std::thread::spawn(|| ()));
        while !crier.thread.as_ref().unwrap().is_finished() {
            std::thread::yield_now();
        }
        assert_eq!(crier.post(notes(3, 1, 5)).map(|left| left.len()), Some(5));
        drop(crier);
        ended.unwrap().join().unwrap();
    }
}
