//! The sign of life of a worker's threads: when each last turned, and by when it must turn again. Stores into shared
//! memory, no system call; the supervisor tells from it whether a thread waits or is stuck (`crate::vigil`).

use super::book::{Book, at};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use timeline::Instant;

/// What the supervisor reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// When the packet thread last began or ended a turn; `None` before its first.
    pub turned_at: Option<Instant>,
    /// By when it must turn: what its timer is set to, and in the middle of a turn when that began.
    pub due_at: Instant,
    /// The shortest interval of a router that is Active; zero if none is.
    pub pace: Duration,
    /// The number of the packet thread.
    pub packet: Option<NonZeroU32>,
    /// Since when the hand is about one order; `None`: it is idle.
    pub hand_since: Option<Instant>,
    /// The number of the hand's thread.
    pub hand: Option<NonZeroU32>,
}

pub(super) fn read(book: &Book) -> Beat {
    let instant = |at| Some(book.load(at)).filter(|nanos| *nanos > 0).map(Instant::from_nanos);
    let thread = |at| u32::try_from(book.load(at)).ok().and_then(NonZeroU32::new);
    Beat {
        turned_at: instant(at::TURNED),
        due_at: instant(at::DUE).unwrap_or(Instant::NEVER),
        pace: Duration::from_nanos(book.load(at::PACE)),
        packet: thread(at::PACKET_THREAD),
        hand_since: instant(at::HAND_SINCE),
        hand: thread(at::HAND_THREAD),
    }
}

/// A worker that has yet to begin: nothing is expected of it.
pub(super) fn forget(book: &Book) {
    let all = [at::DUE, at::TURNED, at::PACE, at::PACKET_THREAD, at::HAND_SINCE, at::HAND_THREAD];
    all.into_iter().for_each(|at| book.store(at, 0));
}

/// The calling thread's number in the supervisor's eyes.
fn own_number() -> u64 {
    u64::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap_or(0)
}

/// The hand's side.
#[derive(Debug)]
pub struct HandBeat(pub(super) Arc<Book>);

impl HandBeat {
    /// To be called once by the thread itself.
    pub fn begin(&self) {
        self.0.store(at::HAND_THREAD, own_number());
    }

    /// It asks the kernel for something.
    pub fn busy(&self, now: Instant) {
        self.0.store(at::HAND_SINCE, now.as_nanos());
    }

    /// It has its answer.
    pub fn idle(&self) {
        self.0.store(at::HAND_SINCE, 0);
    }
}

/// The packet thread's side.
pub(super) fn begin(book: &Book) {
    book.store(at::PACKET_THREAD, own_number());
}

pub(super) fn turns(book: &Book, now: Instant) {
    // Until it ends, it is late.
    book.store(at::DUE, now.as_nanos());
    book.store(at::TURNED, now.as_nanos());
}

/// The pace that is asked of the turn under way.
pub(super) fn hurry(book: &Book, pace: Duration) {
    book.store(at::PACE, u64::try_from(pace.as_nanos()).unwrap_or(u64::MAX));
}

pub(super) fn rests(book: &Book, now: Instant, due: Instant, pace: Duration) {
    book.store(at::TURNED, now.as_nanos());
    hurry(book, pace);
    book.store(at::DUE, due.max(now).as_nanos());
}
