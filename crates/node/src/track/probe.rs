//! One script: what its runs have said so far.

use crate::event::{Finish, Health};
use crate::io::{Program, RunId};
use alloc::sync::Arc;
use model::Script;
use timeline::Instant;

/// A script and what is known from its runs.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) script: Script,
    pub(crate) program: Arc<Program>,
    /// When it is run next.
    pub(crate) due_at: Instant,
    /// The run that is under way.
    pub(crate) run: Option<RunId>,
    pub(crate) health: Health,
    pub(crate) since: Instant,
    /// What made its health; `None`: no run has.
    pub(crate) why: Option<Finish>,
    pub(crate) last: Option<(Instant, Finish)>,
    /// So many runs in a row said the same as the last one.
    same: u32,
    /// So many in a row did not succeed.
    bad: u32,
    /// Runs that were begun, and that were left out because the one before had not ended.
    pub(crate) runs: u64,
    pub(crate) skipped: u64,
}

impl Probe {
    /// `succeeds`: a daemon before this one ran it, and who goes on in its place goes by what that one knew, not by
    /// `init_fail`, until the first run has ended.
    pub(crate) fn new(
        script: Script,
        program: Program,
        now: Instant,
        due_at: Instant,
        succeeds: bool,
    ) -> Self {
        let health = if script.starts_failed && !succeeds { Health::Failed } else { Health::Waiting };
        Self {
            script,
            program: Arc::new(program),
            due_at,
            run: None,
            health,
            since: now,
            why: None,
            last: None,
            same: 0,
            bad: 0,
            runs: 0,
            skipped: 0,
        }
    }

    /// Whether what it knows is about this program.
    pub(crate) fn is_of(&self, program: &Program) -> bool {
        (&self.program.command, &self.program.account) == (&program.command, &program.account)
    }

    /// Takes the settings of a reload that did not change what is run.
    pub(crate) fn follow(&mut self, now: Instant, script: Script, program: Program) {
        self.due_at = self.due_at.min(now + script.interval);
        self.script = script;
        if *self.program != program {
            self.program = Arc::new(program);
        }
    }

    pub(crate) fn begin(&mut self, id: RunId) {
        self.run = Some(id);
        self.runs += 1;
    }

    /// Counts the end of a run; true if its health is another now, or known for the first time: the first run decides
    /// alone.
    pub(crate) fn count(&mut self, now: Instant, finish: Finish) -> bool {
        let health = finish.health();
        let before = self.last.as_ref().map(|(_, last)| last.health());
        self.same = if before == Some(health) { self.same.saturating_add(1) } else { 1 };
        self.bad = if health == Health::Well { 0 } else { self.bad.saturating_add(1) };
        self.last = Some((now, finish.clone()));
        let is_enough = match (before, self.health, health) {
            (None, ..) => true,
            (_, _, Health::Well) => self.same >= self.script.rise,
            (_, Health::Well, _) => self.bad >= self.script.fall,
            (_, Health::Waiting | Health::Failed | Health::Unknown, _) => self.same >= self.script.fall,
        };
        let is_other = health != self.health;
        if !is_enough || !is_other && before.is_some() {
            return false;
        }
        self.why = Some(finish);
        if is_other {
            (self.health, self.since) = (health, now);
        }
        true
    }
}
