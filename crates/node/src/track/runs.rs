//! Runs under way, and the patience with them.

use crate::io::RunId;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use timeline::{Duration, Instant};

/// After SIGTERM, so long until SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// After SIGKILL, so long until the next.
const AGAIN: Duration = Duration::from_secs(10);
/// A run may be this late to begin, or as late as it may take: a machine that has much to do says nothing about
/// what is checked.
const LATE: Duration = Duration::from_secs(5);
/// The end of a patience that is noticed this late says that we stood still, and perhaps the run too.
const STOOD_STILL: Duration = Duration::from_millis(100);

/// How far the patience has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was asked for, and has not begun.
    Asked,
    /// It may go on.
    Free,
    /// It was told to end.
    Told,
    /// It was killed.
    Killed,
}

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Running {
    /// Of this script; `None`: its script is no longer configured so.
    pub(super) script: Option<Arc<str>>,
    pub(super) stage: Stage,
    /// When the patience ends.
    pub(super) ends_at: Instant,
    /// How long it may take.
    limit: Duration,
    /// It was forgiven that it is late, because we were.
    is_excused: bool,
}

/// The runs that have not ended.
#[derive(Debug, Default)]
pub(super) struct Runs {
    running: BTreeMap<RunId, Running>,
    last: u64,
}

impl Runs {
    /// A run that is asked for now: its number, and when it should have begun.
    pub(super) fn ask(&mut self, now: Instant, script: Arc<str>, limit: Duration) -> (RunId, Instant) {
        self.last += 1;
        let (id, ends_at) = (RunId(self.last), now + limit.max(LATE));
        let (script, stage, is_excused) = (Some(script), Stage::Asked, false);
        self.running.insert(id, Running { script, stage, ends_at, limit, is_excused });
        (id, ends_at)
    }

    /// It has begun: only now its time runs. When it was due, and when it is now.
    pub(super) fn begun(&mut self, now: Instant, id: RunId) -> Option<(Instant, Instant)> {
        let run = self.running.get_mut(&id).filter(|run| run.stage == Stage::Asked)?;
        let before = run.ends_at;
        (run.stage, run.ends_at) = (Stage::Free, now + run.limit);
        Some((before, run.ends_at))
    }

    pub(super) fn stage(&self, id: RunId) -> Option<Stage> {
        self.running.get(&id).map(|run| run.stage)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = RunId> + '_ {
        self.running.keys().copied()
    }

    /// The patience has ended: until when it lasts now, and with whom; nobody, if it was us who stood still.
    pub(super) fn escalate(&mut self, now: Instant, id: RunId) -> Option<(Instant, Option<Running>)> {
        let run = self.running.get_mut(&id)?;
        let is_fresh = matches!(run.stage, Stage::Asked | Stage::Free);
        let is_forgiven = is_fresh && !run.is_excused && now.since(run.ends_at) >= STOOD_STILL;
        let (stage, wait) = match run.stage {
            Stage::Asked => (Stage::Asked, run.limit.max(LATE)),
            Stage::Free if is_forgiven => (Stage::Free, run.limit),
            Stage::Free => (Stage::Told, GRACE),
            Stage::Told | Stage::Killed => (Stage::Killed, AGAIN),
        };
        (run.stage, run.ends_at) = (stage, now + wait);
        run.is_excused |= is_forgiven;
        Some((run.ends_at, (!is_forgiven).then(|| run.clone())))
    }

    /// Its script is no longer configured so. When it was due, and when it is now.
    pub(super) fn disown(&mut self, now: Instant, id: RunId) -> Option<(Instant, Instant)> {
        let run = self.running.get_mut(&id)?;
        let before = run.ends_at;
        run.script = None;
        if matches!(run.stage, Stage::Asked | Stage::Free) {
            (run.stage, run.ends_at) = (Stage::Told, now + GRACE);
        }
        Some((before, run.ends_at))
    }

    pub(super) fn take(&mut self, id: RunId) -> Option<Running> {
        self.running.remove(&id)
    }
}
