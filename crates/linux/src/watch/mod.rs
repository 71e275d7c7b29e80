//! Files and processes that are tracked, watched by two threads of their own.
//!
//! Neither is the packet thread, because a file system may not answer and reading `/proc` takes its time; nor the desk,
//! which may stall for a minute while an address waits to move; nor the supervisor, which reads nothing that others
//! write. They are two, so that a file on a dead server does not hide that a process has ended. Nobody waits for them at
//! the end: they hold nothing.

mod connector;
mod files;
mod number;
mod process;
mod processes;

use crate::error::{Error, Refusal, Result};
use crate::mailbox::Mailbox;
use model::{File, Host, Process};
use node::event::Level;
use node::io::{Errno, Fact, Unread};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// What a watcher says.
#[derive(Debug)]
pub enum News {
    /// What it saw.
    Fact(Fact),
    /// What the administrator should know about how it watches.
    Remark(Level, String),
}

/// News about the things of one configuration.
#[derive(Debug)]
struct Letter {
    /// Which configuration.
    plan: u64,
    news: News,
}

/// What is to be watched from now on.
#[derive(Debug)]
struct Plan<T> {
    number: u64,
    /// The first one of this worker.
    is_first: bool,
    things: Vec<T>,
}

/// Where a watcher tells what it sees.
#[derive(Debug)]
struct Teller {
    plan: u64,
    letters: Arc<Mailbox<Letter>>,
}

impl Teller {
    fn tell(&self, news: impl IntoIterator<Item = News>) {
        self.letters.push_all(news.into_iter().map(|news| Letter { plan: self.plan, news }));
    }
}

/// The reactor's side of the watchers. Their threads begin when there is something to watch.
#[derive(Debug)]
pub struct Watchers {
    letters: Arc<Mailbox<Letter>>,
    files: Option<Arc<Mailbox<Plan<File>>>>,
    processes: Option<Arc<Mailbox<Plan<Process>>>>,
    plan: u64,
    inbox: Vec<Letter>,
}

impl Watchers {
    /// Nothing is watched yet.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn new() -> Result<Self> {
        let letters = Arc::new(Mailbox::new()?);
        Ok(Self { letters, files: None, processes: None, plan: 0, inbox: Vec::new() })
    }

    /// Watches what this configuration tracks, and nothing else. Everything is told anew, also what did not change.
    pub fn watch(&mut self, host: &Host) {
        self.plan += 1;
        let (number, is_first) = (self.plan, self.plan == 1);
        let teller = Teller { plan: number, letters: self.letters.clone() };
        let files = host.files.clone();
        let refused = |file: File, errno| Fact::File { name: file.name, value: Err(Unread::Refused(errno)) };
        post(&mut self.files, Plan { number, is_first, things: files }, &teller, files::start, refused);
        let processes = host.processes.clone();
        let refused = |process: Process, errno| Fact::Processes { name: process.name, count: Err(errno) };
        let plan = Plan { number, is_first, things: processes };
        post(&mut self.processes, plan, &teller, processes::start, refused);
    }

    /// Hands out what is new. What was seen for an earlier configuration is left out.
    pub fn receive(&mut self, mut give: impl FnMut(News)) {
        self.letters.take(&mut self.inbox);
        self.inbox.drain(..).filter(|letter| letter.plan == self.plan).for_each(|letter| give(letter.news));
    }
}

/// Readable while there are news.
impl AsFd for Watchers {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.letters.as_fd()
    }
}

/// Hands a plan to its thread, which is started if there is something to do. Where that fails, it is told of each thing.
fn post<T: Clone>(
    thread: &mut Option<Arc<Mailbox<Plan<T>>>>,
    plan: Plan<T>,
    teller: &Teller,
    start: impl FnOnce(Arc<Mailbox<Plan<T>>>, Arc<Mailbox<Letter>>) -> std::io::Result<()>,
    refused: impl Fn(T, Errno) -> Fact,
) {
    if thread.is_none() {
        if plan.things.is_empty() {
            return;
        }
        let started = Mailbox::new().map_err(|why| (why.errno(), why.to_string())).and_then(|plans| {
            let plans = Arc::new(plans);
            start(plans.clone(), teller.letters.clone()).map(|()| plans).map_err(|why| {
                let error = Error::refused("start a thread that watches", Refusal::of(&why));
                (error.errno(), error.to_string())
            })
        });
        match started {
            Ok(plans) => *thread = Some(plans),
            Err((errno, why)) => {
                let errno = errno.unwrap_or(Errno(libc::EIO));
                teller.tell(plan.things.into_iter().map(|thing| News::Fact(refused(thing, errno))));
                teller.tell([News::Remark(Level::Alarm, why)]);
                return;
            }
        }
    }
    if let Some(plans) = thread {
        plans.push(plan);
    }
}
