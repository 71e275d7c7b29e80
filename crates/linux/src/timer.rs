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
}

impl Timer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn new() -> Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
            .map_err(|why| Error::refused("make a timer", why))?;
        Ok(Self { fd, armed: None })
    }

    /// Sets the timer to `at` (at once if that is past), or stops it. Costs no system call if nothing changes.
    ///
    /// # Errors
    /// The kernel's refusal; not known to happen.
    pub fn set(&mut self, at: Option<Instant>) -> Result<()> {
        let at = at.filter(|&at| at != Instant::NEVER);
        if self.armed == at {
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
        self.armed = at;
        Ok(())
    }

    /// Takes notice that the timer went off, so that the descriptor is not readable any more. Returns whether it did.
    pub fn take(&mut self) -> bool {
        let fired = rustix::io::read(&self.fd, &mut [0u8; 8]).is_ok();
        if fired {
            self.armed = None;
        }
        fired
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

    #[test]
    fn it_goes_off_at_its_instant_and_never_before() {
        let mut timer = Timer::new().unwrap();
        assert!(!timer.take());
        let due = clock::now() + Duration::from_millis(3);
        timer.set(Some(due)).unwrap();
        assert!(wait(&timer));
        assert!(clock::now() >= due);
        assert!(timer.take() && !timer.take());
        timer.set(Some(due)).unwrap();
        assert!(wait(&timer), "a past instant is at once");
        timer.set(Some(Instant::EPOCH)).unwrap();
        assert!(wait(&timer));
        timer.set(None).unwrap();
        assert!(!timer.take(), "stopping takes back what was not noticed");
        timer.set(Some(Instant::NEVER)).unwrap();
        assert!(!timer.take());
    }
}
