//! One interface whose changes count only when they last (`interface_up_down_delays`).

use crate::event::Fault;
use model::LinkDelay;
use timeline::Instant;

/// A link as it counts, and as it is.
#[derive(Debug)]
pub(crate) struct Damped {
    delay: LinkDelay,
    /// What is wrong with it, as far as that counts; `None`: nobody has told.
    counted: Option<Option<Fault>>,
    /// What is wrong with it.
    actual: Option<Fault>,
    due_at: Option<Instant>,
}

impl Damped {
    pub(crate) const fn new(delay: LinkDelay, counted: Option<Option<Fault>>) -> Self {
        Self { delay, counted, actual: None, due_at: None }
    }

    pub(crate) const fn due_at(&self) -> Option<Instant> {
        self.due_at
    }

    pub(crate) fn counted(self) -> Option<Option<Fault>> {
        self.counted
    }

    /// What is wrong with it, as far as that counts.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.counted.as_ref().and_then(Option::as_ref)
    }

    /// Takes what is wrong with it. The first news counts at once, and so does an interface that comes or goes:
    /// nothing can be sent through one that is not there.
    pub(crate) fn set(&mut self, now: Instant, fault: Option<Fault>) {
        let exists = !matches!(fault, Some(Fault::InterfaceMissing(_)));
        let existed = !matches!(self.counted, Some(Some(Fault::InterfaceMissing(_))));
        self.actual = fault;
        let wait = if self.actual.is_some() { self.delay.down } else { self.delay.up };
        let is_other =
            self.counted.as_ref().is_some_and(|counted| counted.is_some() != self.actual.is_some());
        if is_other && exists && existed && !wait.is_zero() {
            self.due_at.get_or_insert(now + wait);
            return;
        }
        self.due_at = None;
        self.counted = Some(self.actual.clone());
    }

    /// What has begun has lasted: it counts now.
    pub(crate) fn fire(&mut self) -> bool {
        self.due_at = None;
        let before = self.counted.replace(self.actual.clone());
        before != self.counted
    }
}
