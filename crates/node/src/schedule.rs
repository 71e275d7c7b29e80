//! When to look at which router again: a heap that forgives.
//!
//! Moving a deadline *later* costs nothing at once: the old entry stays, and when it comes to the front the router is
//! asked for its real deadline, so that nobody wakes up for one that has moved. A backup that hears an advert each
//! interval is touched here at most once an interval, and after warm-up nothing is allocated.
//!
//! Routers that are armed one after the other for the same moment share one entry, a run: those that advertise together
//! move through the heap as one.

use crate::io::RouterId;
use crate::slot::Slot;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use timeline::Instant;

/// See [`Schedule::arm_again`].
const GRAIN: u64 = 1_000_000;

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// The moment of each run, a number that grows with each, and its place in `runs`.
    heap: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    runs: Vec<Run>,
    /// Places in `runs` that no entry of the heap leads to.
    free: Vec<usize>,
    begun: u64,
    /// The run that was armed last, if the heap still has it.
    last: Option<(Instant, usize)>,
}

#[derive(Debug, Default)]
struct Run {
    ids: Vec<RouterId>,
    /// So many of them were taken.
    taken: usize,
}

impl Schedule {
    /// Makes sure that a router is looked at by its deadline, but not before `not_before`.
    pub(crate) fn arm(&mut self, slot: &mut Slot, not_before: Instant) {
        let Some(deadline) = slot.deadline().map(|at| at.max(not_before)) else { return };
        if slot.queued.is_none_or(|at| deadline < at) {
            slot.queued = Some(deadline);
            self.push(deadline, slot.id);
        }
    }

    /// The same for one whose entry of the moment `before` has come to the front and is no longer true: the deadline has
    /// moved, and most likely will move on. So an early look in a millisecond that many share is enough, unless this was it.
    pub(crate) fn arm_again(&mut self, slot: &mut Slot, before: Instant) {
        let Some(deadline) = slot.deadline() else { return };
        let nanos = deadline.as_nanos();
        let early = Instant::from_nanos(nanos - nanos % GRAIN);
        let at = if early > before { early } else { deadline };
        slot.queued = Some(at);
        self.push(at, slot.id);
    }

    fn push(&mut self, at: Instant, id: RouterId) {
        if let Some((moment, place)) = self.last
            && moment == at
            && let Some(run) = self.runs.get_mut(place)
        {
            return run.ids.push(id);
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.runs.push(Run::default());
            self.runs.len() - 1
        });
        if let Some(run) = self.runs.get_mut(place) {
            run.ids.push(id);
        }
        self.begun += 1;
        self.heap.push(Reverse((at, self.begun, place)));
        self.last = Some((at, place));
    }

    /// The next router whose entry has come, with the entry's time: it is live if that is what the caller queued.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, RouterId)> {
        let (at, id) = self.peek()?;
        // What is due at the end of time is never due: moved on by any interval, it would be due again at once.
        if at > now || at == Instant::NEVER {
            return None;
        }
        self.drop_first();
        Some((at, id))
    }

    /// A run of several that is due and of which none was taken: those in it.
    pub(crate) fn untouched(&self, now: Instant) -> &[RouterId] {
        let Some(Reverse((at, _, place))) = self.heap.peek() else { return &[] };
        match self.runs.get(*place) {
            Some(run) if *at <= now && run.taken == 0 && run.ids.len() > 1 => &run.ids,
            Some(_) | None => &[],
        }
    }

    /// The earliest entry, to see whether it is still true.
    pub(crate) fn peek(&self) -> Option<(Instant, RouterId)> {
        let Reverse((at, _, place)) = self.heap.peek()?;
        let run = self.runs.get(*place)?;
        Some((*at, *run.ids.get(run.taken)?))
    }

    /// Takes the earliest entry away.
    pub(crate) fn drop_first(&mut self) {
        let Some(&Reverse((_, _, place))) = self.heap.peek() else { return };
        let Some(run) = self.runs.get_mut(place) else { return };
        run.taken += 1;
        if run.taken < run.ids.len() {
            return;
        }
        run.taken = 0;
        run.ids.clear();
        self.heap.pop();
        self.free.push(place);
        self.last = self.last.filter(|(_, last)| *last != place);
    }

    /// It is quiet: gives the room of runs back that nobody is in. At the start there is one for each router.
    pub(crate) fn rest(&mut self) {
        self.free.sort_unstable();
        while self.free.last().is_some_and(|place| place + 1 == self.runs.len()) {
            self.free.pop();
            self.runs.pop();
        }
        for place in &self.free {
            if let Some(run) = self.runs.get_mut(*place) {
                run.ids = Vec::new();
            }
        }
        self.free.shrink_to_fit();
        self.runs.shrink_to_fit();
        self.heap.shrink_to_fit();
    }

    /// The earliest entry; no real deadline is earlier.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn at_rest_it_keeps_what_waits_and_forgets_room_that_nobody_needs() {
        let mut schedule = Schedule::default();
        (0..100).for_each(|id| schedule.push(at(u64::from(id)), RouterId(id)));
        (0..90).for_each(|_| assert!(schedule.pop_due(at(89)).is_some()));
        schedule.push(at(95), RouterId(200));
        schedule.rest();
        let room: usize = schedule.runs.iter().map(|run| run.ids.capacity()).sum();
        assert!(room <= 11 * 4, "{room}");
        schedule.push(at(95), RouterId(201));
        let order: Vec<u32> =
            core::iter::from_fn(|| schedule.pop_due(at(1000))).map(|(_, id)| id.0).collect();
        assert_eq!(order, [90, 91, 92, 93, 94, 95, 200, 201, 96, 97, 98, 99]);
        schedule.rest();
        assert!(schedule.runs.is_empty() && schedule.free.is_empty());
    }

    #[test]
    fn all_come_in_the_order_of_time_and_those_of_one_moment_as_they_were_armed() {
        let mut schedule = Schedule::default();
        for (millis, id) in [(7, 1), (7, 2), (3, 3), (7, 4), (7, 5), (9, 6)] {
            schedule.push(at(millis), RouterId(id));
        }
        assert_eq!((schedule.heap.len(), schedule.next()), (4, Some(at(3))));
        assert!(schedule.untouched(at(8)).is_empty(), "one alone");
        assert_eq!(schedule.pop_due(at(2)), None);
        let mut order = Vec::new();
        while let Some((_, id)) = schedule.pop_due(at(8)) {
            order.push(id.0);
        }
        assert_eq!((order, schedule.peek()), (vec![3, 1, 2, 4, 5], Some((at(9), RouterId(6)))));
    }

    #[test]
    fn a_run_that_is_being_taken_can_grow_and_one_that_was_taken_cannot() {
        let mut schedule = Schedule::default();
        schedule.push(at(5), RouterId(1));
        schedule.push(at(5), RouterId(2));
        assert!(schedule.untouched(at(4)).is_empty(), "not yet");
        assert_eq!(schedule.untouched(at(5)), [RouterId(1), RouterId(2)]);
        assert_eq!(schedule.pop_due(at(5)), Some((at(5), RouterId(1))));
        assert!(schedule.untouched(at(5)).is_empty(), "begun");
        schedule.push(at(5), RouterId(3));
        assert_eq!(schedule.pop_due(at(5)), Some((at(5), RouterId(2))));
        assert_eq!(schedule.pop_due(at(5)), Some((at(5), RouterId(3))));
        schedule.push(at(5), RouterId(4));
        schedule.push(at(6), RouterId(5));
        assert_eq!(schedule.pop_due(at(9)), Some((at(5), RouterId(4))));
        assert_eq!(schedule.pop_due(at(9)), Some((at(6), RouterId(5))));
        assert_eq!((schedule.pop_due(at(9)), schedule.next()), (None, None));
        assert_eq!((schedule.runs.len(), schedule.free.len()), (2, 2), "places are used again");
    }

    #[test]
    fn the_end_of_time_never_comes() {
        let mut schedule = Schedule::default();
        schedule.push(Instant::NEVER, RouterId(1));
        assert_eq!(schedule.pop_due(Instant::NEVER), None);
    }

    #[test]
    fn nothing_is_lost_and_nothing_comes_early_whatever_the_order() {
        let mut seed = 7_u64;
        let mut draw = |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % bound
        };
        let (mut schedule, mut expected) = (Schedule::default(), BTreeSet::new());
        for id in 0..5_000 {
            let moment = at(draw(40));
            schedule.push(moment, RouterId(id));
            expected.insert((moment, RouterId(id)));
            if draw(3) == 0 {
                let first = expected.first().map(|(moment, _)| *moment);
                let popped = schedule.pop_due(at(50));
                assert_eq!(popped.map(|(moment, _)| moment), first);
                assert!(popped.is_some_and(|one| expected.remove(&one)));
            }
        }
        while let Some(one) = schedule.pop_due(at(50)) {
            assert_eq!(Some(one.0), expected.first().map(|(moment, _)| *moment));
            assert!(expected.remove(&one));
        }
        assert!(expected.is_empty());
    }
}
