//! What time it is for signed adverts (`auth_hmac`), and what a step of the wall clock may do: nothing, until the
//! other routers show that they go by the new time.
//!
//! A clock that was right and is set wrong would make every advert of an Active router unbelievable, and one of its
//! peers would take over from a healthy router. A clock that was wrong and is put right must count, or two routers
//! with different errors never agree. Nobody can tell the two apart from within; but who refuses our stamps takes
//! over, and is heard. So the time of the stamps goes on as if nobody had set the clock, until a genuine advert says
//! otherwise.

use core::time::Duration;
use model::Host;
use timeline::Instant;
use vrrp::{Authentication, Clocks};
use wire::trailer::Stamp;

/// The wall clock over the driver's line, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dial {
    /// As the driver tells it.
    told: Option<i128>,
    /// Without the steps that nobody has confirmed.
    kept: i128,
    /// A difference of so many nanoseconds makes no advert unbelievable.
    slack: u128,
}

/// Less than this is no step: clocks are adjusted all the time, and the shortest window is a second.
const SLEW: u128 = 500_000_000;

impl Dial {
    /// The wall clock is ahead of the line by so much now. By how much it was set, if it was.
    pub(crate) fn tell(&mut self, ahead: i128) -> Option<i128> {
        let Some(before) = self.told.replace(ahead) else {
            self.kept = ahead;
            return None;
        };
        let step = ahead.saturating_sub(before);
        let is_slow = step.unsigned_abs() < SLEW;
        if is_slow {
            self.kept = self.kept.saturating_add(step);
        }
        // Small steps count at once, right or wrong: left out, they would add up to a large one.
        if ahead.saturating_sub(self.kept).unsigned_abs() <= self.slack {
            self.kept = ahead;
        }
        (!is_slow && step.unsigned_abs() > self.slack).then_some(step)
    }

    /// Half of the shortest window of those that sign: who is off by so much is believed by others as he believes them.
    pub(crate) fn configure(&mut self, host: &Host) {
        let windows = host.instances.iter().filter_map(|instance| match &instance.authentication {
            model::Authentication::Keyed(ring) => Some(ring.window_at(instance.settings.interval)),
            model::Authentication::None
            | model::Authentication::Password(_)
            | model::Authentication::Header(_) => None,
        });
        self.slack = windows.min().unwrap_or_default().as_nanos() / 2;
    }

    /// Others go by the wall clock as it is now. Whether that changes anything.
    pub(crate) fn follow(&mut self) -> bool {
        let told = self.told.unwrap_or(self.kept);
        core::mem::replace(&mut self.kept, told) != told
    }

    /// What the two clocks show at an instant of the line, to who asks for signatures. Nobody else looks.
    pub(crate) fn clocks(&self, authentication: &Authentication, now: Instant) -> Clocks {
        match authentication {
            Authentication::Keyed(_) => self.at(now),
            Authentication::None | Authentication::Password(_) | Authentication::Header(_) => {
                Clocks { wall: Stamp(0), kept: Stamp(0) }
            }
        }
    }

    fn at(&self, now: Instant) -> Clocks {
        let shown = |ahead: i128| {
            let nanos = i128::from(now.as_nanos()).saturating_add(ahead).max(0).unsigned_abs();
            let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
            let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
            Stamp::at(Duration::new(seconds, rest))
        };
        Clocks { wall: shown(self.told.unwrap_or(self.kept)), kept: shown(self.kept) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i128 = 1_000_000_000;

    #[test]
    fn auth_18_a_step_counts_when_it_is_confirmed() {
        let mut dial = Dial::default();
        let now = Instant::from_nanos(5_000_000_000);
        assert_eq!(dial.tell(100 * SECOND), None);
        let seconds = |n: u64| Stamp::at(Duration::from_secs(n));
        assert_eq!(dial.at(now), Clocks { wall: seconds(105), kept: seconds(105) });
        assert!(!dial.follow());
        assert_eq!(dial.tell(3_700 * SECOND), Some(3_600 * SECOND));
        assert_eq!(dial.at(now), Clocks { wall: seconds(3_705), kept: seconds(105) });
        // A second step, back: the first one was a mistake.
        assert_eq!(dial.tell(100 * SECOND), Some(-3_600 * SECOND));
        assert_eq!(dial.at(now), Clocks { wall: seconds(105), kept: seconds(105) });
        assert_eq!(dial.tell(-1_000 * SECOND), Some(-1_100 * SECOND));
        assert!(dial.follow());
        assert_eq!(dial.at(now), Clocks { wall: seconds(0), kept: seconds(0) }, "before 1970 is 1970");
    }

    #[test]
    fn auth_18_steps_that_harm_nobody_do_not_add_up() {
        let mut dial = Dial { slack: 2_500_000_000, ..Dial::default() };
        dial.tell(0);
        for day in 1..=20 {
            assert_eq!(dial.tell(day * SECOND * 3 / 5), None, "day {day}");
        }
        assert_eq!(dial.at(Instant::EPOCH).kept, Stamp::at(Duration::from_secs(12)));
        assert_eq!(dial.tell(15 * SECOND), Some(3 * SECOND));
        assert_eq!(dial.at(Instant::EPOCH).kept, Stamp::at(Duration::from_secs(12)));
        assert_eq!(dial.tell(14 * SECOND), None, "near enough again");
        assert_eq!(dial.at(Instant::EPOCH).kept, Stamp::at(Duration::from_secs(14)));
    }

    #[test]
    fn what_is_adjusted_slowly_counts_at_once() {
        let mut dial = Dial::default();
        dial.tell(0);
        dial.tell(60 * SECOND);
        for part in 1..=30 {
            assert_eq!(dial.tell(60 * SECOND + part * SECOND / 10), None);
        }
        let clocks = dial.at(Instant::EPOCH);
        assert_eq!(clocks.kept, Stamp::at(Duration::from_secs(3)));
        assert_eq!(clocks.wall, Stamp::at(Duration::from_secs(63)));
    }
}
