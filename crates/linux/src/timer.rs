//! One absolute timer for the whole loop: a timerfd on the same clock as everything else.
//!
//! Absolute, so that a late turn does not shift the next deadline; `CLOCK_BOOTTIME`, so that no step of the wall
//! clock moves it. A timeout of `epoll_wait` would be later by the thread's timer slack (50 µs by default).

use crate::error::{Error, Result};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use timeline::Instant;

/// A timer that makes its descriptor readable at an instant.
#[derive(Debug)]
pub struct Timer {
    fd: OwnedFd,
    armed: Option<Instant>,
    /// It went off and is readable until it is set anew.
    fired: bool,
}

impl Timer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn new() -> Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
            .map_err(|why| Error::refused("make a timer", why))?;
        Ok(Self { fd, armed: None, fired: false })
    }

    /// Sets the timer to `at` (at once if that is past), or stops it; its descriptor is not readable any more. Costs no
    /// system call if nothing changes.
    ///
    /// # Errors
    /// The kernel's refusal; not known to happen.
    pub fn set(&mut self, at: Option<Instant>) -> Result<()> {
        let at = at.filter(|&at| at != Instant::NEVER);
        if self.armed == at && !self.fired {
            return Ok(());
        }
        // An all-zero time stops the timer; "at once" must be one nanosecond after the epoch.
        let nanos = at.map_or(0, |at| at.as_nanos().max(1));
        let time = Timespec {
            tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
        };
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(
            &self.fd,
            TimerfdTimerFlags::ABSTIME,
            &Itimerspec { it_interval: never, it_value: time },
        )
        .map_err(|why| Error::refused("set a timer", why))?;
        (self.armed, self.fired) = (at, false);
        Ok(())
    }

    /// Sees to it that it goes off at `at` or before. Moving it later would cost a system call each time that somebody
    /// is heard; going off for nothing is rarer.
    ///
    /// # Errors
    /// As [`Timer::set`].
    pub fn set_by(&mut self, at: Option<Instant>, now: Instant) -> Result<()> {
        let early = self.armed.is_some_and(|armed| armed > now && at.is_some_and(|at| armed <= at));
        if early && !self.fired { Ok(()) } else { self.set(at) }
    }

    /// What it was set to last; `None` if it is stopped.
    #[must_use]
    pub const fn armed(&self) -> Option<Instant> {
        self.armed
    }

    /// Takes notice that the timer went off (or may have). Setting it anew makes the descriptor unreadable, so that
    /// nobody need read it.
    pub const fn note_fired(&mut self) {
        self.fired = true;
    }
}

/// Readable once the time has come.
impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use rustix::event::{PollFd, PollFlags, Timespec as PollTime, poll};
    use std::time::Duration;

    fn wait(timer: &Timer) -> bool {
        let limit = PollTime { tv_sec: 2, tv_nsec: 0 };
        poll(&mut [PollFd::new(timer, PollFlags::IN)], Some(&limit)).unwrap() > 0
    }

    fn is_readable(timer: &Timer) -> bool {
        let at_once = PollTime { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(timer, PollFlags::IN)], Some(&at_once)).unwrap() > 0
    }

    #[test]
    fn it_goes_off_at_its_instant_and_never_before() {
        let mut timer = Timer::new().unwrap();
        assert!(!is_readable(&timer));
        let due = clock::now() + Duration::from_millis(3);
        timer.set(Some(due)).unwrap();
        assert!(wait(&timer));
        assert!(clock::now() >= due);
        timer.note_fired();
        timer.set(None).unwrap();
        assert!(!is_readable(&timer), "stopping takes back what was not read");
        timer.set(Some(due)).unwrap();
        assert!(wait(&timer), "a past instant is at once");
        timer.note_fired();
        timer.set(Some(due)).unwrap();
        assert!(wait(&timer), "the same instant once more");
        timer.set(Some(Instant::EPOCH)).unwrap();
        assert!(wait(&timer));
        timer.set(Some(Instant::NEVER)).unwrap();
        assert!(!is_readable(&timer));
    }

    #[test]
    fn it_may_go_off_early_but_not_late() {
        let mut timer = Timer::new().unwrap();
        let now = clock::now();
        let at = |seconds| Some(now + Duration::from_secs(seconds));
        timer.set_by(at(20), now).unwrap();
        timer.set_by(at(30), now).unwrap();
        assert_eq!(timer.armed(), at(20), "later is no reason");
        timer.set_by(at(10), now).unwrap();
        assert_eq!(timer.armed(), at(10));
        timer.set_by(None, now).unwrap();
        assert_eq!(timer.armed(), None);
        timer.set_by(at(10), now).unwrap();
        timer.note_fired();
        timer.set_by(at(40), now).unwrap();
        assert_eq!(timer.armed(), at(40));
        timer.set_by(at(50), now + Duration::from_secs(45)).unwrap();
        assert_eq!(timer.armed(), at(50), "what is past does not go off again");
    }
}
