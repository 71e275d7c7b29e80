//! Runs under way, and the patience with them.

use crate::io::RunId;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use timeline::{Duration, Instant};

/// After SIGTERM, so long until SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// After SIGKILL, so long until the next.
const AGAIN: Duration = Duration::from_secs(10);

/// How far the patience has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
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
}

/// The runs that have not ended.
#[derive(Debug, Default)]
pub(super) struct Runs {
    running: BTreeMap<RunId, Running>,
    last: u64,
}

impl Runs {
    pub(super) fn begin(&mut self, script: Option<Arc<str>>, ends_at: Instant) -> RunId {
        self.last += 1;
        let id = RunId(self.last);
        self.running.insert(id, Running { script, stage: Stage::Free, ends_at });
        id
    }

    pub(super) fn stage(&self, id: RunId) -> Option<Stage> {
        self.running.get(&id).map(|run| run.stage)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = RunId> + '_ {
        self.running.keys().copied()
    }

    /// The patience has ended: what follows, and until when.
    pub(super) fn escalate(&mut self, now: Instant, id: RunId) -> Option<Running> {
        let run = self.running.get_mut(&id)?;
        let (stage, wait) = match run.stage {
            Stage::Free => (Stage::Told, GRACE),
            Stage::Told | Stage::Killed => (Stage::Killed, AGAIN),
        };
        (run.stage, run.ends_at) = (stage, now + wait);
        Some(run.clone())
    }

    /// Its script is no longer configured so. When it was due, and when it is now.
    pub(super) fn disown(&mut self, now: Instant, id: RunId) -> Option<(Instant, Instant)> {
        let run = self.running.get_mut(&id)?;
        let before = run.ends_at;
        run.script = None;
        if run.stage == Stage::Free {
            (run.stage, run.ends_at) = (Stage::Told, now + GRACE);
        }
        Some((before, run.ends_at))
    }

    pub(super) fn take(&mut self, id: RunId) -> Option<Running> {
        self.running.remove(&id)
    }
}
