//! The programs that read the pipes (`notify_fifo_script`): started when a pipe is open, started anew at a reload if
//! they have ended or something about them is new, ended with the daemon. One that could read on is left to: ended
//! in the middle of a line, it would lose it.

use node::io::{Effect, Ended, Ending, Kill, Program, Run, RunId};
use std::sync::Arc;
use timeline::{Duration, Instant};

/// Their runs have numbers from here on: above those of checks, below those of notify scripts.
const OURS: u64 = 1 << 62;
/// After SIGTERM, so long until SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// A pipe is open, and this is to read it.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The keyword, for people.
    pub script: Arc<str>,
    /// The program.
    pub program: Arc<Program>,
    /// The pipe is another one than before: a reader of that one waits in vain.
    pub anew: bool,
}

#[derive(Debug)]
struct Reader {
    id: RunId,
    script: Arc<str>,
    program: Arc<Program>,
    /// It was told to end, and is killed then.
    ends_at: Option<Instant>,
}

impl Reader {
    /// Tells it to end, once.
    fn end(&mut self, now: Instant) -> Option<Effect> {
        if self.ends_at.is_some() {
            return None;
        }
        self.ends_at = Some(now + GRACE);
        Some(Effect::Kill(Kill { id: self.id, hard: false }))
    }
}

/// The programs that read.
#[derive(Debug, Default)]
pub struct Readers {
    running: Vec<Reader>,
    /// To be started when the one before has ended.
    next: Vec<Ready>,
    last: u64,
}

impl Readers {
    /// Whether this is a run of one of them.
    #[must_use]
    pub const fn is_ours(id: RunId) -> bool {
        id.0 >> 62 == 1
    }

    /// A configuration comes: those that it does not ask for end, the others go on.
    pub fn configure(&mut self, now: Instant, wanted: &[Ready]) -> Vec<Effect> {
        let is_wanted = |script: &str, program: &Program| {
            wanted.iter().any(|ready| *ready.script == *script && *ready.program == *program)
        };
        self.next.retain(|ready| is_wanted(&ready.script, &ready.program));
        let others = self.running.iter_mut().filter(|reader| !is_wanted(&reader.script, &reader.program));
        others.filter_map(|reader| reader.end(now)).collect()
    }

    /// A pipe is open, perhaps since before.
    pub fn start(&mut self, now: Instant, ready: Ready) -> Option<Effect> {
        if let Some(reader) = self.running.iter_mut().find(|reader| reader.script == ready.script) {
            if !ready.anew && reader.ends_at.is_none() && reader.program == ready.program {
                return None;
            }
            self.next.retain(|waiting| waiting.script != ready.script);
            self.next.push(ready);
            return reader.end(now);
        }
        self.last += 1;
        let id = RunId(OURS | self.last);
        let (script, program) = (ready.script.clone(), ready.program.clone());
        self.running.push(Reader { id, script, program, ends_at: None });
        Some(Effect::Run(Run { id, script: ready.script, program: ready.program }))
    }

    /// One has ended: what to say about it, and what is started in its place.
    pub fn ended(&mut self, now: Instant, ended: &Ended) -> (Option<String>, Option<Effect>) {
        let Some(at) = self.running.iter().position(|reader| reader.id == ended.id) else {
            return (None, None);
        };
        let Reader { script, ends_at, .. } = self.running.swap_remove(at);
        let text = match &ended.how {
            Ending::NotRun(why) => Some(format!("{script} cannot be run: {why}")),
            _ if ends_at.is_some() => None,
            Ending::Exited(code) => Some(format!("{script} has ended (status {code})")),
            Ending::Signalled(signal) => Some(format!("{script} has ended (signal {signal})")),
        };
        let text = text.map(|text| format!("{text}: nobody reads its FIFO until the next reload"));
        let next = self.next.iter().position(|ready| ready.script == script);
        let next = next.map(|at| self.next.swap_remove(at)).and_then(|ready| self.start(now, ready));
        (text.filter(|_| next.is_none()), next)
    }

    /// When somebody has to be killed.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.running.iter().filter_map(|reader| reader.ends_at).min()
    }

    /// Kills whoever did not end in time.
    pub fn fire(&mut self, now: Instant) -> Vec<Effect> {
        let late = self.running.iter_mut().filter(|reader| reader.ends_at.is_some_and(|at| at <= now));
        late.map(|reader| {
            reader.ends_at = Some(now + GRACE);
            Effect::Kill(Kill { id: reader.id, hard: true })
        })
        .collect()
    }
}
