//! The programs that are told: for each instance and group one after the other, those of others beside them.

use super::Subject;
use crate::event::{Event, Unheard};
use crate::io::{Effect, Ended, Ending, Kill, Program, Run, RunId};
use crate::slot::Quiet;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use timeline::{Duration, Instant};

/// So long the next program of the same instance waits for the one before.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same while the daemon ends.
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// So long the daemon waits for all of them together when it ends.
const LAST: Duration = Duration::from_secs(3);
/// So many may wait for one instance or group.
const WAITING: usize = 64;
/// So many that were waited for too long may still run beside the next, for one instance or group.
const LEFT: usize = 4;
/// Runs of these programs have numbers from here on, those of checks are below.
const OURS: u64 = 1 << 63;

/// Whether this is a run of a program that is told something.
pub(crate) const fn is_ours(id: RunId) -> bool {
    id.0 & OURS != 0
}

/// A program to be run once.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// For people.
    pub(crate) script: Arc<str>,
    pub(crate) program: Arc<Program>,
    /// It is told a state, which matters more than what else happens.
    pub(crate) is_state: bool,
}

/// The programs of one instance or group.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Task>,
    current: Option<Current>,
    /// Runs that are waited for no longer.
    left: BTreeMap<RunId, Arc<str>>,
    /// Not told, and not said yet.
    lost: u32,
    quiet: Quiet,
    complaints: Quiet,
}

#[derive(Debug)]
struct Current {
    id: RunId,
    script: Arc<str>,
    ends_at: Instant,
}

/// All programs that are told something.
#[derive(Debug, Default)]
pub(crate) struct Post {
    lines: BTreeMap<Subject, Line>,
    /// Whose a run is.
    runs: BTreeMap<RunId, Subject>,
    /// When the patience with the current run of a line ends; only lines with somebody waiting act on it.
    due: BTreeSet<(Instant, Subject)>,
    last: u64,
    /// The daemon ends then at the latest.
    closes_at: Option<Instant>,
}

impl Post {
    /// Nothing runs that is waited for, and nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.values().all(|line| line.current.is_none() && line.waiting.is_empty())
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let due = self.due.first().map(|(at, _)| *at);
        let closes = self.closes_at.filter(|_| !self.is_empty());
        [due, closes].into_iter().flatten().min()
    }

    /// Runs a program, when those before it have ended.
    pub(crate) fn send(&mut self, now: Instant, subject: &Subject, task: Task, effects: &mut Vec<Effect>) {
        let line = self.lines.entry(subject.clone()).or_default();
        line.waiting.push_back(task);
        if line.waiting.len() > WAITING {
            // The last state is what counts; what else happened matters least.
            let least = line.waiting.iter().position(|task| !task.is_state).unwrap_or(0);
            line.waiting.remove(least);
            line.lost = line.lost.saturating_add(1);
            if line.quiet.tell(now, 1).is_some() {
                say_lost(subject, line, effects);
            }
        }
        self.go_on(now, subject, effects);
    }

    /// Starts the next of a line, or sees to it that the one before is not waited for too long.
    fn go_on(&mut self, now: Instant, subject: &Subject, effects: &mut Vec<Effect>) {
        let Some(line) = self.lines.get_mut(subject) else { return };
        match &line.current {
            Some(current) if line.waiting.is_empty() && self.closes_at.is_none() => {
                // Nobody waits for it: it may take its time.
                self.due.remove(&(current.ends_at, subject.clone()));
            }
            Some(current) if line.left.len() < LEFT || self.closes_at.is_some() => {
                self.due.insert((current.ends_at, subject.clone()));
            }
            Some(_) => {}
            None => {
                if let Some(task) = line.waiting.pop_front() {
                    self.last += 1;
                    let id = RunId(OURS | self.last);
                    let patience = if self.closes_at.is_some() { LAST_PATIENCE } else { PATIENCE };
                    let ends_at = now + patience;
                    line.current = Some(Current { id, script: task.script.clone(), ends_at });
                    let waits = !line.waiting.is_empty() && line.left.len() < LEFT;
                    if waits || self.closes_at.is_some() {
                        self.due.insert((ends_at, subject.clone()));
                    }
                    self.runs.insert(id, subject.clone());
                    effects.push(Effect::Run(Run { id, script: task.script, program: task.program }));
                } else if line.lost > 0 {
                    say_lost(subject, line, effects);
                } else if line.left.is_empty()
                    && !line.quiet.is_recent(now)
                    && !line.complaints.is_recent(now)
                {
                    self.lines.remove(subject);
                }
            }
        }
    }

    /// A run has ended.
    pub(crate) fn ended(&mut self, now: Instant, ended: Ended, effects: &mut Vec<Effect>) {
        let Some(subject) = self.runs.remove(&ended.id) else { return };
        let Some(line) = self.lines.get_mut(&subject) else { return };
        let script = match line.current.take_if(|current| current.id == ended.id) {
            Some(current) => {
                self.due.remove(&(current.ends_at, subject.clone()));
                Some(current.script)
            }
            None => line.left.remove(&ended.id),
        };
        if ended.how != Ending::Exited(0)
            && let Some(script) = script
            && let Some(suppressed) = line.complaints.tell(now, 4)
        {
            let why = Unheard::Ended { how: ended.how, suppressed };
            effects.push(Effect::Report(Event::Unheard { script, why }));
        }
        self.go_on(now, &subject, effects);
    }

    /// Looks at what is due.
    pub(crate) fn fire(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.closes_at.is_some_and(|at| now >= at) {
            return self.close(effects);
        }
        while let Some((at, subject)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, subject));
                return;
            }
            let Some(line) = self.lines.get_mut(&subject) else { continue };
            let Some(late) = line.current.take() else { continue };
            let (script, waiting) = (late.script.clone(), line.waiting.len());
            let why = Unheard::Slow { waiting };
            effects.push(Effect::Report(Event::Unheard { script, why }));
            line.left.insert(late.id, late.script);
            self.go_on(now, &subject, effects);
        }
    }

    /// The daemon ends: the patience is shorter now.
    pub(crate) fn hurry(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.closes_at.is_some() {
            return;
        }
        self.closes_at = Some(now + LAST);
        self.due.clear();
        let subjects: Vec<Subject> = self.lines.keys().cloned().collect();
        for subject in subjects {
            if let Some(current) = self.lines.get_mut(&subject).and_then(|line| line.current.as_mut()) {
                current.ends_at = current.ends_at.min(now + LAST_PATIENCE);
            }
            self.go_on(now, &subject, effects);
        }
    }

    /// The time is over: what has not been told will not be.
    fn close(&mut self, effects: &mut Vec<Effect>) {
        self.due.clear();
        for (subject, line) in &mut self.lines {
            if let Some(late) = line.current.take() {
                let why = Unheard::Slow { waiting: line.waiting.len() };
                effects.push(Effect::Report(Event::Unheard { script: late.script, why }));
                effects.push(Effect::Kill(Kill { id: late.id, hard: false }));
            }
            let rest = u32::try_from(line.waiting.len()).unwrap_or(u32::MAX);
            line.lost = line.lost.saturating_add(rest);
            line.waiting.clear();
            if line.lost > 0 {
                say_lost(subject, line, effects);
            }
        }
    }
}

fn say_lost(subject: &Subject, line: &mut Line, effects: &mut Vec<Effect>) {
    let (script, count) = (subject.name().clone(), core::mem::take(&mut line.lost));
    effects.push(Effect::Report(Event::Unheard { script, why: Unheard::Lost { count } }));
}
