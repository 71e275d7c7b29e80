//! When to look at which router again: a heap that forgives.
//!
//! Moving a deadline *later* costs nothing at once: the old entry stays, and when it comes to the front the router is
//! asked for its real deadline, so that nobody wakes up for one that has moved. A backup that hears an advert each
//! interval is touched here at most once an interval, and after warm-up nothing is allocated.

use crate::io::RouterId;
use crate::slot::Slot;
use alloc::collections::BinaryHeap;
use core::cmp::Reverse;
use timeline::Instant;

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    heap: BinaryHeap<Reverse<(Instant, RouterId)>>,
}

impl Schedule {
    /// Makes sure that a router is looked at by its deadline, but not before `not_before`.
    pub(crate) fn arm(&mut self, slot: &mut Slot, not_before: Instant) {
        let Some(deadline) = slot.deadline().map(|at| at.max(not_before)) else { return };
        if slot.queued.is_none_or(|at| deadline < at) {
            slot.queued = Some(deadline);
            self.heap.push(Reverse((deadline, slot.id)));
        }
    }

    /// The next router whose entry has come, with the entry's time: it is live if that is what the caller queued.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, RouterId)> {
        let Reverse((at, _)) = self.heap.peek()?;
        // What is due at the end of time is never due: moved on by any interval, it would be due again at once.
        if *at > now || *at == Instant::NEVER {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// The earliest entry, to see whether it is still true.
    pub(crate) fn peek(&self) -> Option<(Instant, RouterId)> {
        self.heap.peek().map(|Reverse(entry)| *entry)
    }

    /// Takes the earliest entry away.
    pub(crate) fn drop_first(&mut self) {
        self.heap.pop();
    }

    /// The earliest entry; no real deadline is earlier.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}
