//! The pipes that changes are written to (`notify_fifo`, `vrrp_notify_fifo`).
//!
//! A thread of their own makes, opens and fills them: a file system or a user database that does not answer, or a pipe
//! that nobody reads, delays nobody else. Lines keep their order. What a full pipe does not take waits here; what does
//! not fit here either is counted and said.

mod pipe;
mod readers;

pub use readers::{Readers, Ready};

use self::pipe::Pipe;
use crate::error::{Error, Refusal, Result};
use crate::mailbox::Mailbox;
use model::{Command, Fifo, Host};
use node::event::Level;
use node::io::Program;
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// So long the daemon waits for the thread when it ends.
const LAST: Duration = Duration::from_millis(1500);
/// At the end, so long our own readers may take to read the last lines.
const UNREAD: Duration = Duration::from_millis(700);
/// And to do something with what they have read.
const DIGEST: Duration = Duration::from_millis(200);

/// How the thread tells what is the matter.
pub type Say = Box<dyn Fn(Level, String) + Send>;

enum Order {
    Hold(Vec<Wanted>),
    Line(Arc<str>),
    End,
}

/// A pipe as configured.
#[derive(Debug)]
struct Wanted {
    fifo: Fifo,
    /// What reads it.
    reader: Option<Ready>,
}

/// The thread and the way to it.
#[derive(Debug)]
pub struct Pipes {
    orders: Arc<Mailbox<Order>>,
    /// Pipes that are open, with the programs that shall read them.
    ready: Arc<Mailbox<Ready>>,
    over: Receiver<()>,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hold(_) => "Hold",
            Self::Line(_) => "Line",
            Self::End => "End",
        })
    }
}

impl Pipes {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the kernel has no room for it.
    pub fn start(say: Say) -> Result<Self> {
        let (orders, ready) = (Arc::new(Mailbox::new()?), Arc::new(Mailbox::new()?));
        let (sender, over) = channel();
        let thread = std::thread::Builder::new().name("pipes".into());
        let mut writer =
            Writer { orders: orders.clone(), ready: ready.clone(), say, pipes: Vec::new(), over: false };
        let spawned = thread.spawn(move || {
            while !writer.over {
                writer.turn();
            }
            let _ = sender.send(());
        });
        spawned.map_err(|why| Error::refused("start the thread for pipes", Refusal::of(&why)))?;
        Ok(Self { orders, ready, over })
    }

    /// From now on the pipes of this configuration are written to. Returns the programs that shall read them.
    pub fn configure(&self, host: &Host) -> Vec<Ready> {
        let mut wanted: Vec<Wanted> = Vec::new();
        let both = [(&host.notify.fifo, "notify_fifo"), (&host.notify.vrrp_fifo, "vrrp_notify_fifo")];
        for (fifo, name) in both.into_iter().filter_map(|(fifo, name)| Some((fifo.as_ref()?, name))) {
            // With the path of the other one it is the same pipe.
            if wanted.iter().any(|other| other.fifo.path == fifo.path) {
                continue;
            }
            let reader = fifo.script.as_ref().map(|hook| {
                let mut command = hook.command.clone();
                if let Command::Run { arguments, .. } = &mut command {
                    arguments.push(fifo.path.clone());
                }
                let settings = &host.script_settings;
                let account = hook.account.clone().or_else(|| settings.account.clone());
                let program = Program { command, account, security: settings.security };
                let script = Arc::from(format!("{name}_script"));
                Ready { script, program: Arc::new(program), anew: false }
            });
            wanted.push(Wanted { fifo: fifo.clone(), reader });
        }
        let readers = wanted.iter().filter_map(|wanted| wanted.reader.clone()).collect();
        self.orders.push(Order::Hold(wanted));
        readers
    }

    /// Writes a line.
    pub fn tell(&self, line: Arc<str>) {
        self.orders.push(Order::Line(line));
    }

    /// Pipes that were opened; readable in an epoll.
    #[must_use]
    pub fn ready(&self) -> &Mailbox<Ready> {
        &self.ready
    }

    /// Writes what the pipes take, and removes those that were made here. Waits no longer than 1.5 s.
    pub fn end(&self) {
        self.orders.push(Order::End);
        let _ = self.over.recv_timeout(LAST);
    }
}

struct Writer {
    orders: Arc<Mailbox<Order>>,
    ready: Arc<Mailbox<Ready>>,
    say: Say,
    pipes: Vec<Pipe>,
    over: bool,
}

impl Writer {
    fn turn(&mut self) {
        let mut fds = vec![PollFd::new(&*self.orders, PollFlags::IN)];
        let full = self.pipes.iter().filter(|pipe| pipe.waits());
        fds.extend(full.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::OUT)));
        let _ = poll(&mut fds, None);
        let mut orders = Vec::new();
        self.orders.take(&mut orders);
        for order in orders {
            match order {
                Order::Hold(wanted) => self.hold(wanted),
                Order::Line(line) => self.pipes.iter_mut().for_each(|pipe| pipe.put(&line, &self.say)),
                Order::End => self.end(),
            }
        }
        self.pipes.iter_mut().for_each(|pipe| pipe.flush(&self.say));
    }

    fn hold(&mut self, wanted: Vec<Wanted>) {
        let mut before = std::mem::take(&mut self.pipes);
        let mut keep = Vec::new();
        for Wanted { fifo, reader } in wanted {
            let kept = before.iter().position(|pipe| pipe.is_as(&fifo)).map(|at| before.swap_remove(at));
            keep.push((fifo, reader, kept));
        }
        // Those that are not wanted any more go first: one of them may be in the way.
        before.into_iter().for_each(|pipe| pipe.close(&self.say));
        for (fifo, reader, kept) in keep {
            let anew = kept.is_none();
            match kept.map_or_else(|| Pipe::open(&fifo), Ok) {
                Ok(mut pipe) => {
                    pipe.has_reader = reader.is_some();
                    self.pipes.push(pipe);
                    self.ready.push_all(reader.map(|reader| Ready { anew, ..reader }));
                }
                Err(why) => {
                    (self.say)(Level::Alarm, format!("FIFO {}: {why}; nothing is written to it", fifo.path));
                }
            }
        }
    }

    fn end(&mut self) {
        self.over = true;
        self.pipes.iter_mut().for_each(|pipe| pipe.flush(&self.say));
        // Our own readers end with the daemon: they shall have read the last lines.
        let until = std::time::Instant::now() + UNREAD;
        while std::time::Instant::now() < until && self.pipes.iter().any(Pipe::is_unread) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.pipes.iter().any(|pipe| pipe.has_reader) {
            std::thread::sleep(DIGEST);
        }
        for mut pipe in self.pipes.drain(..) {
            pipe.flush(&self.say);
            pipe.close(&self.say);
        }
    }
}

#[cfg(test)]
mod tests;
