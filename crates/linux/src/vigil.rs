//! Whether a worker still turns: what its supervisor concludes from the sign of life in the ledger, and when it looks
//! again. Time comes in as an argument; nothing here waits or kills.
//!
//! A thread that waits for its timer or for packets is idle until the moment it has itself set; after that it is late.
//! A late one is given up when its lateness is more than half an interval *and* there is no more time to lose: as long
//! as the addresses would be adopted or gone before another router can have taken over, waiting costs nobody anything.
//! If the supervisor itself was late, the machine stood still, and the worker gets a fresh start.

use crate::ledger::beat::Beat;
use std::num::NonZeroU32;
use std::time::Duration;
use timeline::Instant;

/// A worker that holds nothing, or whose routers speak seldom, may be late by so much.
const LONGEST: Duration = Duration::from_secs(5);
/// So late is any thread on a busy machine now and then. With adverts faster than every 20 ms a peer has taken over
/// before: nobody loses an address that he would have kept.
const LEAST: Duration = Duration::from_millis(25);
/// Between two looks, however many routers make the worker turn.
const SPACING: Duration = Duration::from_secs(1);
/// What it takes from killing a worker to the first advert of the next one.
const ADOPTION: Duration = Duration::from_millis(100);
/// What a new worker needs of that: reading its configuration, opening its sockets.
pub const START: Duration = Duration::from_millis(50);
/// The same when there is no hurry.
const EASE: Duration = Duration::from_millis(200);
/// The hand may wait so long for one slice of work.
const HAND: Duration = Duration::from_secs(5);
/// So often in a row the machine may have stood still between two turns of the worker.
const EXCUSES: u32 = 3;

/// What is wrong with a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// The thread that sends adverts does not turn.
    Packet {
        /// It is late by this much.
        late: Duration,
        /// When it last began or ended a turn.
        turned_at: Instant,
    },
    /// The thread that sets addresses has been about one order for this long.
    Hand(Duration),
}

/// The watch over one worker.
#[derive(Debug)]
pub struct Vigil {
    look_at: Instant,
    /// The turn that was seen last.
    turned_at: Option<Instant>,
    /// Lateness counts from here at the earliest.
    from: Instant,
    /// That the hand is stuck is not told before this again.
    hand_at: Instant,
    excuses: u32,
}

impl Vigil {
    /// Begins now.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { look_at: now, turned_at: None, from: now, hand_at: now, excuses: 0 }
    }

    /// When to look next.
    #[must_use]
    pub const fn look_at(&self) -> Instant {
        self.look_at
    }

    /// The next look is due: things may be more urgent than they were.
    pub fn hurry(&mut self, now: Instant) {
        self.look_at = self.look_at.min(now);
    }

    /// Looks, if it is time. `until`: when the first of the other routers may take over from one that is Active here; asked
    /// for only when the worker is late.
    pub fn look(
        &mut self,
        now: Instant,
        beat: &Beat,
        until: impl FnOnce() -> Option<Instant>,
    ) -> Option<Stuck> {
        if now < self.look_at {
            return None;
        }
        let half = half(beat);
        self.excuse(now, beat, half / 2);
        let Some(turned_at) = beat.turned_at else {
            self.look_at = now + half;
            return None;
        };
        // A hand that waits must hide nothing: the thread that sends adverts is judged first.
        self.look_at_packet(now, beat, half, turned_at, until).or_else(|| self.look_at_hand(now, beat))
    }

    fn look_at_packet(
        &mut self,
        now: Instant,
        beat: &Beat,
        half: Duration,
        turned_at: Instant,
        until: impl FnOnce() -> Option<Instant>,
    ) -> Option<Stuck> {
        let due = beat.due_at.max(self.from);
        let limit = due + half;
        self.look_at = limit.max(now + half.min(SPACING)).min(now + LONGEST * 2);
        if now < limit {
            return None;
        }
        let last = until().map_or(limit, |until| last_moment(limit, until, beat.pace));
        let last = last.min(due + LONGEST);
        if now >= last {
            let late = now.since(beat.due_at);
            return Some(Stuck::Packet { late, turned_at });
        }
        self.look_at = last.min(now + half);
        None
    }

    fn look_at_hand(&mut self, now: Instant, beat: &Beat) -> Option<Stuck> {
        let time = now.since(beat.hand_since?.max(self.from));
        if time < HAND || now < self.hand_at {
            return None;
        }
        self.hand_at = now + LONGEST;
        Some(Stuck::Hand(time))
    }

    /// Who looks late stood still, and the worker perhaps with it.
    fn excuse(&mut self, now: Instant, beat: &Beat, bearable: Duration) {
        if beat.turned_at != self.turned_at {
            self.turned_at = beat.turned_at;
            self.excuses = 0;
        }
        if now.since(self.look_at) > bearable && self.excuses < EXCUSES {
            self.excuses += 1;
            self.from = now;
        }
    }
}

/// The lateness that is never held against a worker: half an interval.
fn half(beat: &Beat) -> Duration {
    if beat.pace.is_zero() { LONGEST } else { (beat.pace / 2).clamp(LEAST, LONGEST) }
}

/// The latest moment at which a worker can be given up such that another one adopts what it held before `until`; where
/// there is no time for that, such that it is at least removed.
fn last_moment(limit: Instant, until: Instant, pace: Duration) -> Instant {
    let reserve = if until.since(limit) >= ADOPTION { pace.max(EASE) } else { release(pace) };
    limit.max(until - reserve)
}

/// What removing addresses may take: a quarter of an interval, within bounds.
#[must_use]
pub fn release(pace: Duration) -> Duration {
    (pace / 4).clamp(Duration::from_millis(10), Duration::from_millis(50))
}

/// The kernel's letter for what a thread of a process does; `None` if it is gone.
#[must_use]
pub fn state_of(pid: u32, thread: NonZeroU32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/stat")).ok()?;
    // The name in front may contain anything.
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// The same in words.
#[must_use]
pub const fn words(state: char) -> &'static str {
    match state {
        'R' => "it runs in a loop, or gets no processor",
        'S' => "it sleeps",
        'D' => "it waits for the kernel",
        'T' => "it is stopped",
        't' => "a debugger has stopped it",
        'Z' | 'X' => "it has ended",
        _ => "its state is not known",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos((1_000_000 + ms) * 1_000_000)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A worker that has turned at 0 and is to turn again after its interval.
    fn beat(pace: u64) -> Beat {
        let due_at = at(if pace == 0 { 1_000 } else { pace });
        Beat { turned_at: Some(at(0)), due_at, pace: ms(pace), packet: None, hand_since: None, hand: None }
    }

    /// Looks whenever it wants to until it has found something; the moments of its looks.
    fn watch(beat: &Beat, until: Option<Instant>) -> (Vec<u64>, Stuck) {
        let mut vigil = Vigil::new(at(0));
        let mut looks = Vec::new();
        loop {
            let now = vigil.look_at();
            looks.push(now.since(at(0)).as_millis().try_into().unwrap());
            assert!(looks.len() < 50, "{looks:?}");
            if let Some(stuck) = vigil.look(now, beat, || until) {
                return (looks, stuck);
            }
        }
    }

    fn given_up(pace: u64, until: u64) -> u64 {
        *watch(&beat(pace), Some(at(until))).0.last().unwrap()
    }

    #[test]
    fn a_hung_worker_is_given_up_while_another_can_still_take_over_from_it() {
        // The interval, when the first peer may take over, when the worker is given up.
        for (pace, until, expected) in
            [(100, 300, 150), (200, 600, 400), (1_000, 3_000, 2_000), (3_000, 9_000, 6_000)]
        {
            assert_eq!(given_up(pace, until), expected, "every {pace} ms");
        }
    }

    #[test]
    fn where_there_is_no_time_for_another_the_address_is_gone_before_a_peer_takes_over() {
        for (pace, until, expected) in [(20, 60, 50), (30, 90, 80), (40, 120, 110)] {
            assert_eq!(given_up(pace, until), expected, "every {pace} ms");
        }
        // Nothing can be told so soon: it could be any busy moment.
        assert_eq!(given_up(10, 30), 35);
    }

    #[test]
    fn nobody_waits_longer_than_a_few_seconds_for_a_thread_that_is_late() {
        assert_eq!(given_up(40_000, 120_000), 45_000);
        let (looks, stuck) = watch(&beat(0), None);
        assert_eq!(looks, [0, 6_000]);
        assert_eq!(stuck, Stuck::Packet { late: ms(5_000), turned_at: at(0) });
    }

    #[test]
    fn who_turns_in_time_is_looked_at_about_once_an_interval() {
        for (pace, most) in [(1_000, 10), (100, 100), (10, 1_000), (0, 2)] {
            let mut vigil = Vigil::new(at(0));
            let mut looks = 0;
            while vigil.look_at() < at(10_000) {
                let now = vigil.look_at();
                let every = if pace == 0 { 1_000 } else { pace };
                let turned =
                    now.since(at(0)).as_nanos().try_into().unwrap_or(0_u64) / 1_000_000 / every * every;
                let beat = Beat { turned_at: Some(at(turned)), due_at: at(turned + every), ..beat(pace) };
                assert_eq!(vigil.look(now, &beat, || panic!("it is not late")), None);
                looks += 1;
            }
            assert!(looks <= most, "{looks} looks in 10 s with {pace} ms");
        }
    }

    #[test]
    fn a_supervisor_that_stood_still_gives_the_worker_a_fresh_start_and_not_for_ever() {
        let beat = beat(1_000);
        let mut vigil = Vigil::new(at(0));
        let until = || Some(at(3_000));
        assert_eq!(vigil.look(at(0), &beat, until), None);
        for n in 1..=3 {
            let now = vigil.look_at() + ms(60_000);
            assert_eq!(vigil.look(now, &beat, until), None, "the {n}. time");
            assert_eq!(vigil.look_at(), now + ms(500));
        }
        let now = vigil.look_at();
        let mut other = Vigil { ..vigil };
        let turned = Beat { turned_at: Some(now), due_at: now + ms(1_000), ..beat };
        assert_eq!(other.look(now, &turned, until), None, "it has turned");
        assert!(matches!(vigil.look(now, &beat, until), Some(Stuck::Packet { .. })));
    }

    #[test]
    fn a_worker_that_has_yet_to_begin_is_waited_for() {
        let beat = Beat { turned_at: None, due_at: Instant::NEVER, ..beat(0) };
        let mut vigil = Vigil::new(at(0));
        for _ in 0..100 {
            let now = vigil.look_at();
            assert_eq!(vigil.look(now, &beat, || None), None);
            assert!(vigil.look_at() > now);
        }
    }

    #[test]
    fn what_a_thread_does_is_read_from_the_kernel() {
        let own = NonZeroU32::new(std::process::id()).unwrap();
        let state = state_of(own.get(), own).unwrap();
        assert!("RS".contains(state), "{state}");
        assert_eq!(state_of(own.get(), NonZeroU32::MAX), None);
    }

    #[test]
    fn a_hand_that_is_stuck_is_told_though_adverts_go_on() {
        let mut vigil = Vigil::new(at(0));
        let mut now = at(0);
        let hand = loop {
            let turning = Beat { turned_at: Some(now), due_at: now + ms(1_000), ..beat(1_000) };
            let beat = Beat { hand_since: Some(at(300)), ..turning };
            if let Some(stuck) = vigil.look(now, &beat, || None) {
                break stuck;
            }
            now = vigil.look_at();
            assert!(now < at(10_000));
        };
        assert!(matches!(hand, Stuck::Hand(time) if (ms(5_000)..ms(7_000)).contains(&time)), "{hand:?}");
    }

    #[test]
    fn a_hand_that_is_stuck_does_not_hide_that_adverts_stop() {
        let mut vigil = Vigil::new(at(0));
        let mut hands = Vec::new();
        let found = loop {
            let now = vigil.look_at();
            assert!(now < at(30_000));
            // The hand waits from the start; the other thread turns every second, and for the last time at 20 s.
            let turned = now.since(at(0)).as_secs().min(20) * 1_000;
            let due_at = at(turned + 1_000);
            let beat = Beat { turned_at: Some(at(turned)), due_at, hand_since: Some(at(1)), ..beat(1_000) };
            match vigil.look(now, &beat, || Some(at(turned + 3_000))) {
                Some(Stuck::Hand(_)) => hands.push(now.since(at(0)).as_secs()),
                Some(stuck) => break (stuck, now),
                None => {}
            }
        };
        assert_eq!(found, (Stuck::Packet { late: ms(1_000), turned_at: at(20_000) }, at(22_000)));
        assert!(hands.windows(2).all(|two| (5..8).contains(&(two[1] - two[0]))), "{hands:?}");
        assert!(hands.len() >= 3, "{hands:?}");
    }
}
