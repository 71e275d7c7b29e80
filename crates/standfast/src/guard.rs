//! What the supervisor knows about the worker's life: whether it is stuck, how long what it holds may stay if it is, and
//! whether the next worker may go on with it.
//!
//! The order of things after a worker's end: either its addresses are offered to the next one, which is started at once
//! and has to claim them while no other router can have taken over yet; or they are removed before anything else. Two
//! deaths in a short time are a loop, and what a loop holds is removed.

use linux::clock;
use linux::ledger::{Ledger, Reader, kernel_keeps_marks};
use linux::vigil::{START, Stuck, Vigil, release};
use std::time::Duration;
use timeline::Instant;

/// Two deaths within this time are a loop.
const LOOP: Duration = Duration::from_secs(60);
/// Nobody waits longer for another worker.
const OFFER: Duration = Duration::from_secs(30);
/// A worker that was killed is given at least so long to be gone.
const KILL: Duration = Duration::from_millis(5);

pub(crate) struct Guard {
    reader: Reader,
    vigil: Vigil,
    /// The worker was killed.
    condemned: bool,
    /// It was killed because it cannot set addresses: then the next one shall not say that it holds some.
    handless: bool,
    /// That the hand waits for the kernel was said.
    told_waiting: bool,
    /// What was offered to the worker is taken back then.
    revoke_at: Option<Instant>,
    /// What a condemned worker holds is removed then, though it has not ended.
    release_at: Option<Instant>,
    /// When a worker died last.
    fell_at: Option<Instant>,
    /// The kernel keeps marks: another worker knows at once which addresses are ours. Where it does not, one whose router
    /// does not go on as Active would leave them.
    marks: bool,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// The worker hangs: kill it. In words, what is wrong.
    Kill(String),
    /// To be told once: something waits, and nothing can be done about it.
    Tell(String),
    /// What was offered was not claimed in time: remove it, if the offer can be taken back.
    Revoke,
    /// The worker was killed and is not gone: remove what it holds.
    Release,
}

/// What the next worker may go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Addresses stay, for this long at most.
    Held(Duration),
    /// No address is held; what was learnt of other routers is of use.
    Learnt,
    /// Nothing.
    Nothing,
}

impl Guard {
    pub(crate) fn new(ledger: &Ledger) -> Result<Self, linux::Error> {
        Ok(Self {
            reader: Reader::open(ledger)?,
            vigil: Vigil::new(clock::now()),
            condemned: false,
            handless: false,
            told_waiting: false,
            revoke_at: None,
            release_at: None,
            fell_at: None,
            marks: kernel_keeps_marks(),
        })
    }

    /// A worker is about to start.
    pub(crate) fn begin(&mut self) {
        self.vigil = Vigil::new(clock::now());
        (self.condemned, self.handless, self.told_waiting) = (false, false, false);
        self.release_at = None;
    }

    /// The worker says that there is more haste than before.
    pub(crate) fn hurry(&mut self) {
        self.vigil.hurry(clock::now());
    }

    /// How long there is nothing to look at.
    pub(crate) fn pause(&self) -> Duration {
        let look = (!self.condemned).then(|| self.vigil.look_at());
        let next = [self.revoke_at, self.release_at, look].into_iter().flatten().min();
        next.map_or(Duration::MAX, |next| next.since(clock::now()))
    }

    /// Looks at the worker with this process number.
    pub(crate) fn look(&mut self, pid: u32) -> Option<Need> {
        let now = clock::now();
        if self.revoke_at.take_if(|at| now >= *at).is_some() {
            return Some(Need::Revoke);
        }
        if self.release_at.take_if(|at| now >= *at).is_some() {
            return Some(Need::Release);
        }
        if self.condemned || now < self.vigil.look_at() {
            return None;
        }
        let beat = self.reader.beat();
        // What is told next of it is another wait.
        self.told_waiting &= beat.hand_since.is_some();
        let (thread, is_hand, what) = match self.vigil.look(now, &beat, || self.reader.estates().until())? {
            Stuck::Packet { late, .. } => {
                (beat.packet, false, format!("its thread that sends adverts is {} late", show(late)))
            }
            Stuck::Hand(time) => {
                let time = show(time);
                (beat.hand, true, format!("its thread that sets addresses has been busy for {time}"))
            }
        };
        let state = thread.and_then(|thread| linux::vigil::state_of(pid, thread));
        let words = format!("{what} ({})", state.map_or("its state is not known", linux::vigil::words));
        if is_hand && state == Some('D') {
            // Killing helps nobody: the next one would wait for the same lock, and adverts go on.
            let news = !std::mem::replace(&mut self.told_waiting, true);
            return news.then_some(Need::Tell(words));
        }
        (self.condemned, self.handless) = (true, is_hand);
        let estates = self.reader.estates();
        let last = estates.until().map_or(now, |until| until - release(estates.pace()));
        self.release_at = Some(last.max(now + KILL));
        Some(Need::Kill(words))
    }

    /// A worker has died of itself, or was killed: what the next one may go on with. `lives`: it was in order otherwise.
    pub(crate) fn fall(&mut self, lives: bool) -> Offer {
        let now = clock::now();
        self.revoke_at = None;
        let before = self.fell_at.replace(now);
        if !lives || self.handless || before.is_some_and(|at| now.since(at) < LOOP) {
            return Offer::Nothing;
        }
        let estates = self.reader.estates();
        let Some(until) = estates.until() else {
            return if estates.estates.is_empty() { Offer::Nothing } else { Offer::Learnt };
        };
        let last = (until - release(estates.pace())).min(now + OFFER);
        // A record that is not whole may be of a router with less time than all others.
        if !self.marks || estates.damaged > 0 || last.since(now) < START {
            return Offer::Nothing;
        }
        self.revoke_at = Some(last);
        Offer::Held(last.since(now))
    }

    /// What was offered is off. Whether there was something.
    pub(crate) fn withdraw(&mut self) -> bool {
        self.revoke_at.take().is_some()
    }

    pub(crate) const fn reader(&self) -> &Reader {
        &self.reader
    }
}

pub(crate) fn show(time: Duration) -> String {
    match time.as_millis() {
        0..1_000 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Identity;
    use node::estate::{Estate, Tally};
    use node::io::RouterId;
    use vrrp::Legacy;
    use wire::{Family, Interval, Vrid};

    /// A guard whose worker was Active with adverts every second when it died.
    fn fallen(marks: bool) -> Guard {
        let ledger = Ledger::create(4).unwrap();
        let vrid = Vrid::new(50).unwrap();
        let identity = Identity { home: "eth0".into(), vrid, family: Family::V4, unicast: false };
        let now = clock::now();
        let second = Duration::from_secs(1);
        let legacy = Legacy::Active {
            interval: Interval::SECOND,
            until: now + second * 3,
            advertise_at: now + second,
        };
        let estate = Estate {
            identity,
            legacy,
            priority: wire::Priority(100),
            sequence: 0,
            stamp: None,
            tally: Tally::default(),
        };
        ledger.roll().note(RouterId(0), node::estate::Note::Stands(&estate));
        Guard { marks, ..Guard::new(&ledger).unwrap() }
    }

    #[test]
    fn another_worker_goes_on_only_where_it_can_tell_which_addresses_are_ours() {
        assert!(matches!(fallen(true).fall(true), Offer::Held(time) if time > Duration::from_secs(1)));
        assert_eq!(fallen(false).fall(true), Offer::Nothing);
    }
}
