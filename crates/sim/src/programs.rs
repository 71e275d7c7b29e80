//! What else runs on a machine: scripts that a daemon has run, files that it reads, processes that it counts.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use model::Host;
use node::io::{Ended, Ending, Errno, Fact, Kill, Run, RunId, Unread};
use node::sessions::Reach;
use timeline::{Duration, Instant};

/// How runs of a script go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Course {
    /// They end by themselves.
    Ends {
        /// After so long.
        after: Duration,
        /// Like this.
        how: Ending,
    },
    /// They never end.
    Hangs {
        /// Not even at SIGTERM.
        is_deaf: bool,
    },
}

impl Course {
    /// All is well: soon, with status 0.
    pub const GOOD: Self = Self::Ends { after: Duration::from_millis(5), how: Ending::Exited(0) };
    /// It soon says no.
    pub const FAILS: Self = Self::Ends { after: Duration::from_millis(5), how: Ending::Exited(1) };
}

/// How long a process needs to die.
const DYING: Duration = Duration::from_millis(1);
const TERM: i32 = 15;
const KILL: i32 = 9;

#[derive(Debug, Default)]
pub(crate) struct Programs {
    courses: BTreeMap<Arc<str>, Course>,
    files: BTreeMap<Arc<str>, Result<i32, Unread>>,
    processes: BTreeMap<Arc<str>, Result<u32, Errno>>,
    neighbors: BTreeMap<Arc<str>, Reach>,
    running: BTreeMap<RunId, Running>,
    /// What has not been well at some time since the machine was switched on.
    ailing: BTreeSet<Arc<str>>,
}

#[derive(Debug)]
struct Running {
    /// When and how it ends; `None`: never.
    end: Option<(Instant, Ending)>,
    is_deaf: bool,
    script: Arc<str>,
}

impl Programs {
    /// The next runs of a script go like this.
    pub(crate) fn set_course(&mut self, script: Arc<str>, course: Course) {
        self.courses.insert(script, course);
    }

    pub(crate) fn set_file(&mut self, name: Arc<str>, value: Result<i32, Unread>) -> Fact {
        self.files.insert(name.clone(), value);
        self.ailing.insert(name.clone());
        Fact::File { name, value }
    }

    pub(crate) fn set_processes(&mut self, name: Arc<str>, count: Result<u32, Errno>) -> Fact {
        self.processes.insert(name.clone(), count);
        self.ailing.insert(name.clone());
        Fact::Processes { name, count }
    }

    pub(crate) fn set_neighbor(&mut self, name: Arc<str>, reach: Reach) -> Fact {
        self.neighbors.insert(name.clone(), reach);
        self.ailing.insert(name.clone());
        Fact::Bfd { name, reach }
    }

    /// All is well with everything from now on.
    pub(crate) fn heal(&mut self) {
        self.courses.clear();
        self.files.clear();
        self.processes.clear();
        self.neighbors.clear();
    }

    /// What whoever reads this configuration finds: files as they were written at first, as many processes as
    /// are wanted, and every neighbour, unless something happened to them.
    pub(crate) fn facts(&self, host: &Host) -> Vec<Fact> {
        let files = host.files.iter().map(|file| {
            let initial = file.initial.map(|initial| initial.value).ok_or(Unread::Absent);
            let (name, value) = (file.name.clone(), *self.files.get(&file.name).unwrap_or(&initial));
            Fact::File { name, value }
        });
        let processes = host.processes.iter().map(|process| {
            let (name, wanted) = (process.name.clone(), Ok(process.fewest));
            let count = *self.processes.get(&process.name).unwrap_or(&wanted);
            Fact::Processes { name, count }
        });
        let neighbors = host.bfd.iter().map(|bfd| {
            let (name, reach) = (bfd.name.clone(), *self.neighbors.get(&bfd.name).unwrap_or(&Reach::Up));
            Fact::Bfd { name, reach }
        });
        files.chain(processes).chain(neighbors).collect()
    }

    pub(crate) fn run(&mut self, now: Instant, run: &Run) {
        let script = run.script.clone();
        let running = match self.courses.get(&run.script).unwrap_or(&Course::GOOD) {
            Course::Ends { after, how } => {
                Running { end: Some((now + *after, how.clone())), is_deaf: false, script }
            }
            Course::Hangs { is_deaf } => Running { end: None, is_deaf: *is_deaf, script },
        };
        self.running.insert(run.id, running);
    }

    pub(crate) fn kill(&mut self, now: Instant, kill: Kill) {
        let Some(running) = self.running.get_mut(&kill.id) else { return };
        self.ailing.insert(running.script.clone());
        let how = Ending::Signalled(if kill.hard { KILL } else { TERM });
        let death = now + DYING;
        let is_alive = running.end.as_ref().is_none_or(|(at, _)| *at > death);
        if is_alive && (kill.hard || !running.is_deaf) {
            running.end = Some((death, how));
        }
    }

    /// The daemon is gone, and with it what it had run.
    pub(crate) fn forget_runs(&mut self) {
        self.running.clear();
    }

    /// Whether something about this has not been well.
    pub(crate) fn has_ailed(&self, name: &str) -> bool {
        self.ailing.contains(name)
    }

    /// The machine did not run for so long.
    pub(crate) fn put_off(&mut self, time: Duration) {
        self.running.values_mut().filter_map(|running| running.end.as_mut()).for_each(|(at, _)| *at += time);
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.running.values().filter_map(|running| Some(running.end.as_ref()?.0)).min()
    }

    /// What has ended.
    pub(crate) fn ended(&mut self, now: Instant) -> Option<Ended> {
        let is_over = |running: &Running| running.end.as_ref().is_some_and(|(at, _)| *at <= now);
        let (id, _) = self.running.iter().find(|(_, running)| is_over(running))?;
        let id = *id;
        let Running { end, script, .. } = self.running.remove(&id)?;
        let (_, how) = end?;
        if how != Ending::Exited(0) {
            self.ailing.insert(script);
        }
        Some(Ended { id, how })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Command;
    use node::io::Program;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn run(programs: &mut Programs, id: u64) -> RunId {
        let (command, script) = (Command::Readable { path: "/ok".into() }, "check".into());
        let program = Arc::new(Program { command, account: None, security: false });
        programs.run(at(0), &Run { id: RunId(id), script, program });
        RunId(id)
    }

    #[test]
    fn a_run_goes_as_its_script_does_when_it_begins() {
        let mut programs = Programs::default();
        let good = run(&mut programs, 1);
        programs.set_course("check".into(), Course::FAILS);
        let bad = run(&mut programs, 2);
        assert_eq!(programs.ended(at(4)), None);
        assert_eq!(programs.next(), Some(at(5)));
        assert_eq!(programs.ended(at(5)), Some(Ended { id: good, how: Ending::Exited(0) }));
        assert_eq!(programs.ended(at(5)), Some(Ended { id: bad, how: Ending::Exited(1) }));
        assert_eq!(programs.next(), None);
    }

    #[test]
    fn what_hangs_ends_by_a_signal_and_what_is_deaf_only_by_the_hard_one() {
        let mut programs = Programs::default();
        programs.set_course("check".into(), Course::Hangs { is_deaf: false });
        let id = run(&mut programs, 1);
        assert_eq!(programs.next(), None);
        programs.kill(at(10), Kill { id, hard: false });
        assert_eq!(programs.ended(at(11)), Some(Ended { id, how: Ending::Signalled(15) }));

        programs.set_course("check".into(), Course::Hangs { is_deaf: true });
        let id = run(&mut programs, 2);
        programs.kill(at(10), Kill { id, hard: false });
        assert_eq!(programs.next(), None);
        programs.kill(at(20), Kill { id, hard: true });
        assert_eq!(programs.ended(at(21)), Some(Ended { id, how: Ending::Signalled(9) }));
    }
}
