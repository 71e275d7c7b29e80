//! One tracked process: how many there are, and since when that counts.

use crate::event::{Event, Health};
use crate::io::Errno;
use alloc::sync::Arc;
use model::Process;
use timeline::Instant;

/// Processes that match, and whether they are as many as wanted.
#[derive(Debug)]
pub(crate) struct Crowd {
    process: Process,
    /// How many; `None`: nobody has counted yet.
    pub(crate) count: Option<Result<u32, Errno>>,
    pub(crate) health: Health,
    pub(crate) since: Instant,
    /// How many there were when its health changed.
    pub(crate) judged: u32,
    /// When the change counts that has begun.
    due_at: Option<Instant>,
}

impl Crowd {
    /// What was known about the same processes stays.
    pub(crate) fn adopt(old: Option<Self>, process: Process, now: Instant) -> Self {
        let fresh =
            Self { process, count: None, health: Health::Waiting, since: now, judged: 0, due_at: None };
        let Some(old) = old.filter(|old| old.is_same(&fresh.process)) else { return fresh };
        let mut kept = Self { due_at: None, process: fresh.process, ..old };
        // It may want another number of them now.
        if let Some(count) = kept.count
            && kept.judge(count) != kept.health
        {
            kept.change(now);
        }
        kept
    }

    fn is_same(&self, other: &Process) -> bool {
        let what = |p: &Process| {
            (p.path.clone(), p.parameters.clone(), p.parameter_match, p.full_command, p.name.clone())
        };
        what(&self.process) == what(other)
    }

    pub(crate) const fn due_at(&self) -> Option<Instant> {
        self.due_at
    }

    /// Takes how many there are; true if its health is another now.
    pub(crate) fn set(&mut self, now: Instant, count: Result<u32, Errno>) -> bool {
        let before = self.count.replace(count);
        if self.judge(count) == self.health {
            self.due_at = None;
            return false;
        }
        let delay = match (before, count) {
            (Some(Ok(before)), Ok(count)) if count > before => self.process.begin_delay,
            (Some(Ok(_)), Ok(_)) => self.process.end_delay,
            // The first news counts at once, and so does whether there are news at all.
            _ => core::time::Duration::ZERO,
        };
        if delay.is_zero() {
            self.change(now);
            return true;
        }
        self.due_at.get_or_insert(now + delay);
        false
    }

    /// What has begun has lasted; true if its health is another now.
    pub(crate) fn fire(&mut self, now: Instant) -> bool {
        let is_due = self.due_at.take_if(|at| now >= *at).is_some();
        if is_due {
            self.change(now);
        }
        is_due
    }

    fn change(&mut self, now: Instant) {
        let Some(count) = self.count else { return };
        (self.health, self.since, self.due_at) = (self.judge(count), now, None);
        self.judged = count.unwrap_or(0);
    }

    fn judge(&self, count: Result<u32, Errno>) -> Health {
        let Process { fewest, most, .. } = self.process;
        match count {
            Err(_) => Health::Unknown,
            Ok(count) if count >= fewest && most.is_none_or(|most| count <= most) => Health::Well,
            Ok(_) => Health::Failed,
        }
    }

    pub(crate) fn event(&self, name: &Arc<str>) -> Event {
        let count = self.count.unwrap_or(Ok(0));
        Event::Process { process: name.clone(), health: self.health, count }
    }
}
