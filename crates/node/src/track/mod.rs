//! What is tracked by name: what is known about each script, process, file and damped interface, and when to look
//! at it again. News come in; a [`Health`] comes out, which the verdict counts.

mod crowd;
mod damped;
mod neighbor;
mod number;
mod probe;
mod runs;

pub(crate) use self::crowd::Crowd;
pub(crate) use self::damped::Damped;
pub(crate) use self::neighbor::Neighbor;
pub(crate) use self::number::Number;
pub(crate) use self::probe::Probe;

use self::runs::{Runs, Stage};
use crate::event::{Event, Fault, Finish, Health};
use crate::io::{Effect, Ended, Ending, Errno, Kill, Program, Reason, Run, RunId, Unread};
use crate::sessions::Reach;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use model::{Host, Script};
use timeline::{Duration, Instant};

/// Something tracked by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Script(Arc<str>),
    Process(Arc<str>),
    File(Arc<str>),
    Bfd(Arc<str>),
    Link(Arc<str>),
}

/// What comes due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The next run of a script.
    Start(Arc<str>),
    /// The end of the patience with a run.
    End(RunId),
    /// A change of the number of processes has lasted.
    Process(Arc<str>),
    /// A change of a link has lasted.
    Link(Arc<str>),
}

/// Between the first runs of scripts that start together: a machine that boots has other things to do as well.
const PACE: Duration = Duration::from_millis(2);

/// Everything that is tracked by name on this host.
#[derive(Debug, Default)]
pub(crate) struct Trackers {
    pub(crate) scripts: BTreeMap<Arc<str>, Probe>,
    pub(crate) processes: BTreeMap<Arc<str>, Crowd>,
    pub(crate) files: BTreeMap<Arc<str>, Number>,
    pub(crate) neighbors: BTreeMap<Arc<str>, Neighbor>,
    pub(crate) links: BTreeMap<Arc<str>, Damped>,
    /// The interfaces of static addresses that an instance goes by, by its name.
    pub(crate) static_links: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    runs: Runs,
    due: BTreeSet<(Instant, Due)>,
    /// What counts otherwise than before: whoever tracks it is to be judged again.
    news: BTreeSet<Key>,
    stopping: bool,
}

impl Trackers {
    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What counts otherwise since the last time this was asked.
    pub(crate) fn take_news(&mut self) -> BTreeSet<Key> {
        core::mem::take(&mut self.news)
    }

    // ---- a configuration ----

    /// Takes a configuration: what is defined as before keeps what is known about it, and its run.
    pub(crate) fn configure(
        &mut self,
        now: Instant,
        host: &Host,
        inherited: &BTreeSet<Arc<str>>,
        effects: &mut Vec<Effect>,
    ) {
        if self.stopping {
            return;
        }
        self.static_links = host.static_interfaces();
        self.configure_scripts(now, host, inherited, effects);
        let mut before = core::mem::take(&mut self.processes);
        for process in &host.processes {
            let name = process.name.clone();
            let old = before.remove(&name);
            old.iter().for_each(|old| self.forget(old.due_at(), Due::Process(name.clone())));
            self.news.insert(Key::Process(name.clone()));
            self.processes.insert(name, Crowd::adopt(old, process.clone(), now));
        }
        before.into_iter().for_each(|(name, old)| self.forget(old.due_at(), Due::Process(name)));
        let mut before = core::mem::take(&mut self.files);
        for file in &host.files {
            let name = file.name.clone();
            let old = before.remove(&name).filter(|old| old.path == file.path);
            self.news.insert(Key::File(name.clone()));
            self.files.insert(name, old.unwrap_or_else(|| Number::new(file.path.clone(), now)));
        }
        let mut before = core::mem::take(&mut self.neighbors);
        for bfd in &host.bfd {
            let name = bfd.name.clone();
            let old = before.remove(&name);
            // What stays has nothing new to say.
            if old.is_none() {
                self.news.insert(Key::Bfd(name.clone()));
            }
            self.neighbors.insert(name, old.unwrap_or_else(|| Neighbor::new(now)));
        }
        let mut before = core::mem::take(&mut self.links);
        for delay in &host.link_delays {
            let name = delay.interface.clone();
            let old = before.remove(&name);
            old.iter().for_each(|old| self.forget(old.due_at(), Due::Link(name.clone())));
            self.links.insert(name, Damped::new(delay.clone(), old.and_then(Damped::counted)));
        }
        for (name, old) in before {
            self.forget(old.due_at(), Due::Link(name.clone()));
            self.news.insert(Key::Link(name));
        }
    }

    fn configure_scripts(
        &mut self,
        now: Instant,
        host: &Host,
        inherited: &BTreeSet<Arc<str>>,
        effects: &mut Vec<Effect>,
    ) {
        let mut before = core::mem::take(&mut self.scripts);
        let security = host.script_settings.security;
        let mut fresh = 0;
        for script in &host.scripts {
            let account = script.account.clone().or_else(|| host.script_settings.account.clone());
            let program = Program { command: script.command.clone(), account, security };
            let name = script.name.clone();
            let same = |old: &&mut Probe| old.is_of(&program);
            let probe = if before.get_mut(&name).filter(same).is_some()
                && let Some(mut old) = before.remove(&name)
            {
                self.forget(Some(old.due_at), Due::Start(name.clone()));
                old.follow(now, script.clone(), program);
                old
            } else {
                let due_at = now + spread(fresh, host.scripts.len(), script);
                fresh += 1;
                self.news.insert(Key::Script(name.clone()));
                Probe::new(script.clone(), program, now, due_at, inherited.contains(&name))
            };
            self.due.insert((probe.due_at, Due::Start(name.clone())));
            self.scripts.insert(name, probe);
        }
        for (name, old) in before {
            self.forget(Some(old.due_at), Due::Start(name));
            if let Some(id) = old.run {
                self.end(now, id, effects);
            }
        }
    }

    fn forget(&mut self, at: Option<Instant>, what: Due) {
        if let Some(at) = at {
            self.due.remove(&(at, what));
        }
    }

    // ---- time ----

    /// Does what is due.
    pub(crate) fn fire(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        // What is due at the end of time is never due: moved on, it would be due again at once.
        while self.due.first().is_some_and(|(at, _)| *at <= now && *at != Instant::NEVER)
            && let Some((_, due)) = self.due.pop_first()
        {
            match due {
                Due::Start(name) => self.start(now, &name, effects),
                Due::End(id) => self.lose_patience(now, id, effects),
                Due::Process(name) => {
                    if let Some(crowd) = self.processes.get_mut(&name)
                        && crowd.fire(now)
                    {
                        effects.push(Effect::Report(crowd.event(&name)));
                        self.news.insert(Key::Process(name));
                    }
                }
                Due::Link(name) => {
                    if self.links.get_mut(&name).is_some_and(Damped::fire) {
                        self.news.insert(Key::Link(name));
                    }
                }
            }
        }
    }

    fn start(&mut self, now: Instant, name: &Arc<str>, effects: &mut Vec<Effect>) {
        let Some(probe) = self.scripts.get_mut(name) else { return };
        // After a long standstill all are due at once: each waits for its own turn, which is nearer than an interval.
        let is_missed = probe.runs > 0 && now.since(probe.due_at) >= probe.script.interval;
        probe.due_at = next_on_schedule(probe.due_at, probe.script.interval, now);
        self.due.insert((probe.due_at, Due::Start(name.clone())));
        let Some(running) = probe.run else {
            if is_missed {
                return;
            }
            let (id, ends_at) = self.runs.ask(now, name.clone(), probe.script.limit());
            self.due.insert((ends_at, Due::End(id)));
            probe.begin(id);
            let (script, program) = (name.clone(), probe.program.clone());
            return effects.push(Effect::Run(Run { id, script, program }));
        };
        probe.skipped += 1;
        // One that cannot even be killed says nothing good, again and again: it must not stay well for ever.
        if matches!(self.runs.stage(running), None | Some(Stage::Told | Stage::Killed)) {
            self.count(now, name, Finish::TimedOut, effects);
        }
    }

    fn lose_patience(&mut self, now: Instant, id: RunId, effects: &mut Vec<Effect>) {
        let Some((ends_at, late)) = self.runs.escalate(now, id) else { return };
        self.due.insert((ends_at, Due::End(id)));
        let Some(late) = late else { return };
        if matches!(late.stage, Stage::Told | Stage::Killed) {
            effects.push(Effect::Kill(Kill { id, hard: late.stage == Stage::Killed }));
        }
        let finish = match late.stage {
            // That says nothing about what is checked; what it says when it has begun counts.
            Stage::Asked => Finish::Ended(Ending::NotRun(Reason::NotBegun)),
            Stage::Told => Finish::TimedOut,
            Stage::Free | Stage::Killed => return,
        };
        if let Some(script) = late.script {
            self.count(now, &script, finish, effects);
        }
    }

    /// Nobody wants to know any more what this run says.
    fn end(&mut self, now: Instant, id: RunId, effects: &mut Vec<Effect>) {
        let Some((old, late)) = self.runs.disown(now, id) else { return };
        self.forget(Some(old), Due::End(id));
        self.due.insert((late, Due::End(id)));
        effects.push(Effect::Kill(Kill { id, hard: false }));
    }

    /// The daemon ends: nothing is started any more, and what runs is told to end. Nobody waits for it.
    pub(crate) fn stop(&mut self, effects: &mut Vec<Effect>) {
        if core::mem::replace(&mut self.stopping, true) {
            return;
        }
        self.due.clear();
        effects.extend(self.runs.ids().map(|id| Effect::Kill(Kill { id, hard: false })));
    }

    // ---- news ----

    /// A run has begun.
    pub(crate) fn begun(&mut self, now: Instant, id: RunId) {
        if let Some((before, ends_at)) = self.runs.begun(now, id).filter(|_| !self.stopping) {
            self.forget(Some(before), Due::End(id));
            self.due.insert((ends_at, Due::End(id)));
        }
    }

    /// A run has ended. One that nobody knows is none of ours any more.
    pub(crate) fn ended(&mut self, now: Instant, ended: Ended, effects: &mut Vec<Effect>) {
        let Some(run) = self.runs.take(ended.id) else { return };
        self.forget(Some(run.ends_at), Due::End(ended.id));
        let Some(name) = run.script else { return };
        if let Some(probe) = self.scripts.get_mut(&name) {
            probe.run = None;
        }
        // Of one that was too late it is known already that it failed.
        if matches!(run.stage, Stage::Asked | Stage::Free) && !self.stopping {
            self.count(now, &name, Finish::Ended(ended.how), effects);
        }
    }

    fn count(&mut self, now: Instant, name: &Arc<str>, finish: Finish, effects: &mut Vec<Effect>) {
        let Some(probe) = self.scripts.get_mut(name) else { return };
        let before = probe.last.as_ref().map(|(_, last)| last.clone());
        let script = name.clone();
        if let Finish::Ended(Ending::Exited(status)) = finish
            && before.is_some_and(|before| before != finish)
        {
            effects.push(Effect::Report(Event::ScriptReturns { script: script.clone(), status }));
        }
        if probe.count(now, finish.clone()) {
            effects.push(Effect::Report(Event::Script { script, health: probe.health, finish }));
            self.news.insert(Key::Script(name.clone()));
        }
    }

    /// So many processes match. One that is not configured is none of ours.
    pub(crate) fn set_processes(
        &mut self,
        now: Instant,
        name: &Arc<str>,
        count: Result<u32, Errno>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(crowd) = self.processes.get_mut(name) else { return };
        let due = Due::Process(name.clone());
        if let Some(at) = crowd.due_at() {
            self.due.remove(&(at, due.clone()));
        }
        if crowd.set(now, count) {
            effects.push(Effect::Report(crowd.event(name)));
            self.news.insert(Key::Process(name.clone()));
        }
        self.due.extend(crowd.due_at().map(|at| (at, due)));
    }

    /// A tracked file says this. One that is not configured is none of ours.
    pub(crate) fn set_file(
        &mut self,
        now: Instant,
        name: &Arc<str>,
        value: Result<i32, Unread>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(number) = self.files.get_mut(name) else { return };
        let Some(news) = number.set(now, value) else { return };
        if news.is_told {
            let (file, value, unread) = (name.clone(), number.value, number.unread);
            effects.push(Effect::Report(Event::File { file, value, unread }));
        }
        if news.counts {
            self.news.insert(Key::File(name.clone()));
        }
    }

    /// The neighbour of a session is so. One that is not configured is none of ours.
    pub(crate) fn set_neighbor(
        &mut self,
        now: Instant,
        name: &Arc<str>,
        reach: Reach,
        effects: &mut Vec<Effect>,
    ) {
        let Some(neighbor) = self.neighbors.get_mut(name) else { return };
        let Some(counts) = neighbor.set(now, reach) else { return };
        effects.push(Effect::Report(Event::Bfd { session: name.clone(), reach }));
        if counts {
            self.news.insert(Key::Bfd(name.clone()));
        }
    }

    /// What is wrong with a link now, if something is. Its changes count when they have lasted.
    pub(crate) fn set_link(&mut self, now: Instant, name: &Arc<str>, fault: Option<Fault>) {
        let Some(link) = self.links.get_mut(name) else { return };
        let due = Due::Link(name.clone());
        if let Some(at) = link.due_at() {
            self.due.remove(&(at, due.clone()));
        }
        link.set(now, fault);
        self.due.extend(link.due_at().map(|at| (at, due)));
    }
}

/// When the `n`th of `count` new scripts runs first: soon, and not all at once.
fn spread(n: u32, count: usize, script: &Script) -> Duration {
    let share = script.interval / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    PACE.min(share).saturating_mul(n)
}

/// The first instant after `now` on the schedule that `due` belongs to: what was missed is not made up for.
fn next_on_schedule(due: Instant, interval: Duration, now: Instant) -> Instant {
    let missed = now.since(due).as_nanos() / interval.as_nanos().max(1);
    due + interval.saturating_mul(u32::try_from(missed + 1).unwrap_or(u32::MAX))
}

impl Health {
    /// Whether it counts as failed for somebody who may count in reverse.
    pub(crate) fn is_failed(self, reverse: bool) -> bool {
        match self {
            Self::Well => reverse,
            Self::Failed => !reverse,
            Self::Waiting | Self::Unknown => false,
        }
    }
}
