//! The reactor: one thread, one [`Node`], one loop around it.
//!
//! A turn reads facts, then frames that arrived before it began, then outcomes, then orders; only then time
//! passes and what must be held is derived. So a machine that stood still reads its peer's adverts before it
//! draws a conclusion from a timer. Nothing here waits for the kernel's configuration locks: that is the hand's work.

use crate::clock::Clock;
use crate::error::{Error, Refusal, Result};
use crate::filter::VridSet;
use crate::hand::Hand;
use crate::ledger::Ledger;
use crate::mailbox::Mailbox;
use crate::monitor::Monitor;
use crate::privileges;
use crate::sockets::{Need, Speaker, Unsent};
use crate::timer::Timer;
use model::Host;
use node::Node;
use node::event::{Event, Level};
use node::io::{Effect, Fact, Input, Order, Outcome, Transmit};
use node::status::Status;
use rustix::event::epoll;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use timeline::Machine;
use wire::Family;

/// The real-time priority that the thread asks for: above the hand's.
const PRIORITY: i32 = 2;
/// Events that may wait for the desk; more are counted and dropped.
const EVENTS: u64 = 20_000;
/// How far in time one turn may have to look back to empty a socket before timers may fire.
const ROUNDS: usize = 8;

/// What the desk asks of the reactor.
#[derive(Debug)]
pub enum Command {
    /// Run this configuration from now on.
    Configure(Box<Host>),
    /// An order for the node.
    Order(Order),
    /// Answer with a [`Report::Status`].
    Status,
}

/// What the reactor tells the desk.
#[derive(Debug)]
pub enum Report {
    /// Something happened.
    Event(Event),
    /// The answer to [`Command::Status`].
    Status(Box<Status>),
    /// Something about the host that is not an event of the node.
    Problem(Level, String),
    /// So many events were dropped because the desk did not keep up.
    Lost(u64),
    /// The last order is carried out; nothing runs any more.
    Ended,
    /// The reactor's thread panicked.
    Broken(String),
}

/// The desk's side of the reactor.
#[derive(Debug)]
pub struct Desk {
    commands: Arc<Mailbox<Command>>,
    reports: Arc<Mailbox<Report>>,
    waiting: Arc<AtomicU64>,
}

impl Desk {
    /// Hands a command to the reactor.
    pub fn command(&self, command: Command) {
        self.commands.push(command);
    }

    /// Moves all reports to the end of `into`.
    pub fn reports(&self, into: &mut Vec<Report>) {
        let count = self.reports.take(into);
        self.waiting.fetch_sub(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
    }
}

/// Readable while reports wait.
impl AsFd for Desk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reports.as_fd()
    }
}

/// A running reactor.
#[derive(Debug)]
pub struct Reactor {
    desk: Desk,
    remarks: Vec<String>,
    thread: JoinHandle<()>,
}

impl Reactor {
    /// Opens everything and starts the threads.
    ///
    /// # Errors
    /// When the kernel refuses a socket, or the namespace is forbidden.
    pub fn start(ledger: Ledger) -> Result<Self> {
        privileges::forbidden_netns()?;
        privileges::keep_freed_memory();
        let commands = Arc::new(Mailbox::new()?);
        let reports = Arc::new(Mailbox::new()?);
        let waiting = Arc::new(AtomicU64::new(0));
        let desk = Desk { commands: commands.clone(), reports: reports.clone(), waiting: waiting.clone() };
        let outcomes = Arc::new(Mailbox::new()?);
        let hand = Hand::start(outcomes.clone(), ledger)?;
        let monitor = Monitor::open(hand.port(), hand.traces())?;
        let mut remarks = vec![format!("hand: {}", hand.scheduling())];
        let teller = Teller { reports, waiting, lost: 0 };
        let turner = Turner::new(commands, outcomes, hand, monitor, teller)?;
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("packet".into())
            .spawn(move || {
                let _ = sender.send(privileges::run_in_real_time(PRIORITY));
                turner.run();
            })
            .map_err(|why| Error::refused("start the packet thread", Refusal::of(&why)))?;
        remarks.extend(receiver.recv().map(|got| format!("packet: {got}")));
        Ok(Self { desk, remarks, thread })
    }

    /// The desk's side.
    #[must_use]
    pub const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What could not be had and is done without (real-time priority, big buffers).
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Waits for the end of the threads, which [`Report::Ended`] announced.
    pub fn join(self) {
        let _ = self.thread.join();
    }
}

/// Tells the desk, and never waits for it.
#[derive(Debug)]
struct Teller {
    reports: Arc<Mailbox<Report>>,
    waiting: Arc<AtomicU64>,
    lost: u64,
}

impl Teller {
    fn tell(&mut self, report: Report) {
        if self.waiting.load(Ordering::Relaxed) >= EVENTS && matches!(report, Report::Event(_)) {
            self.lost += 1;
            return;
        }
        if self.lost > 0 {
            self.put(Report::Lost(self.lost));
            self.lost = 0;
        }
        self.put(report);
    }

    fn put(&self, report: Report) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.reports.push(report);
    }
}

/// The loop and everything it owns.
struct Turner {
    node: Node,
    speaker: Speaker,
    monitor: Monitor,
    hand: Hand,
    timer: Timer,
    clock: Clock,
    epoll: std::os::fd::OwnedFd,
    commands: Arc<Mailbox<Command>>,
    outcomes: Arc<Mailbox<Outcome>>,
    teller: Teller,
    stopping: bool,
    abandoned: bool,
    ended: bool,
    /// Memberships or sockets may have to change.
    listeners_stale: bool,
    effects: Vec<Effect>,
    transmits: Vec<Transmit>,
    unsent: Vec<Unsent>,
    inbox: Vec<Outcome>,
    orders: Vec<Command>,
}

impl Turner {
    fn new(
        commands: Arc<Mailbox<Command>>,
        outcomes: Arc<Mailbox<Outcome>>,
        hand: Hand,
        monitor: Monitor,
        teller: Teller,
    ) -> Result<Self> {
        let epoll =
            epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|why| Error::refused("make an epoll", why))?;
        let timer = Timer::new()?;
        let mut turner = Self {
            node: Node::new(),
            speaker: Speaker::open(&Need::default())?,
            monitor,
            hand,
            timer,
            clock: Clock::new(),
            epoll,
            commands,
            outcomes,
            teller,
            stopping: false,
            abandoned: false,
            ended: false,
            listeners_stale: false,
            effects: Vec::new(),
            transmits: Vec::new(),
            unsent: Vec::new(),
            inbox: Vec::new(),
            orders: Vec::new(),
        };
        for fd in
            [turner.timer.as_fd(), turner.monitor.as_fd(), turner.outcomes.as_fd(), turner.commands.as_fd()]
        {
            turner.watch(fd)?;
        }
        let everything = turner.monitor.everything()?;
        turner.node.handle(turner.clock.turn().now, Input::Fact(everything), &mut turner.effects);
        Ok(turner)
    }

    fn watch(&self, fd: BorrowedFd<'_>) -> Result<()> {
        let data = epoll::EventData::new_u64(u64::try_from(fd.as_raw_fd()).unwrap_or(0));
        match epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(why) => Err(Error::refused("watch a descriptor", why)),
        }
    }

    /// Turns until the last order is carried out. A panic in a turn ends the loop: what is held is released by
    /// the hand here and by the supervisor behind it.
    fn run(mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            while !self.ended {
                self.wait();
                self.turn();
            }
        }));
        let last = match outcome {
            Ok(()) => Report::Ended,
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                Report::Broken(text.unwrap_or_else(|| "a panic without words".into()))
            }
        };
        self.hand.stop();
        self.teller.put(last);
    }

    fn wait(&mut self) {
        let mut events =
            [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 16];
        // Interrupted or not: the turn looks at everything anyway.
        let _ = epoll::wait(&self.epoll, events.as_mut_slice(), None);
    }

    fn turn(&mut self) {
        let turn = self.clock.turn();
        let now = turn.now;
        self.timer.take();
        let Self { node, monitor, hand, effects, listeners_stale, .. } = self;
        let read = monitor.receive(|fact| {
            *listeners_stale |= matches!(fact, Fact::Link(_) | Fact::LinkGone(_) | Fact::Everything { .. });
            if let Fact::LinkGone(interface) = fact {
                hand.forget(interface);
            }
            node.handle(now, Input::Fact(fact), effects);
        });
        if let Err(why) = read {
            self.teller.tell(Report::Problem(Level::Alarm, why.to_string()));
        }
        let mut lost = 0;
        for _ in 0..ROUNDS {
            let Self { node, speaker, effects, .. } = self;
            let drained = speaker.receive(&turn, |frame| node.handle(now, Input::Frame(frame), effects));
            lost += drained.lost;
            if !drained.more {
                break;
            }
        }
        // After the frames: an old advert among them must not undo the grace.
        if lost > 0 {
            self.node.handle(now, Input::Fact(Fact::Deaf), &mut self.effects);
        }
        self.outcomes.take(&mut self.inbox);
        for outcome in self.inbox.drain(..) {
            self.node.handle(now, Input::Outcome(outcome), &mut self.effects);
        }
        self.take_orders(now);
        self.node.handle(now, Input::Elapsed, &mut self.effects);
        self.perform(now);
        if std::mem::take(&mut self.listeners_stale) {
            self.listen();
        }
        let deadline = self.node.deadline();
        if let Err(why) = self.timer.set(deadline) {
            self.teller.tell(Report::Problem(Level::Alarm, why.to_string()));
        }
        self.ended = self.abandoned || self.stopping && self.node.is_at_rest();
    }

    fn take_orders(&mut self, now: timeline::Instant) {
        let mut orders = std::mem::take(&mut self.orders);
        self.commands.take(&mut orders);
        for command in orders.drain(..) {
            match command {
                Command::Configure(host) => {
                    self.listeners_stale = true;
                    // Ears first: a router that starts must not miss the advert that is on its way.
                    self.open_ears(&host);
                    self.node.handle(now, Input::Configure(host), &mut self.effects);
                }
                Command::Order(order) => {
                    self.stopping = true;
                    self.node.handle(now, Input::Order(order), &mut self.effects);
                    self.abandoned |= order == Order::Abandon;
                }
                Command::Status => {
                    let status = Box::new(self.node.status(now));
                    self.teller.tell(Report::Status(status));
                }
            }
        }
        self.orders = orders;
    }

    /// Effects in order: adverts in batches, then the hand's work, then the news.
    fn perform(&mut self, now: timeline::Instant) {
        while !self.effects.is_empty() {
            for effect in self.effects.drain(..) {
                match effect {
                    Effect::Send(transmit) => self.transmits.push(transmit),
                    Effect::Hold(hold) => {
                        flush(&mut self.speaker, &mut self.transmits, &mut self.unsent);
                        self.hand.push(hold);
                    }
                    Effect::Report(event) => self.teller.tell(Report::Event(event)),
                }
            }
            flush(&mut self.speaker, &mut self.transmits, &mut self.unsent);
            for Unsent { router, errno, .. } in self.unsent.drain(..) {
                self.node.handle(now, Input::Unsent { router, errno }, &mut self.effects);
            }
        }
    }

    /// Makes sockets and filters what a configuration needs.
    fn open_ears(&mut self, host: &Host) {
        let need = need(host);
        if let Err(why) = self.speaker.adapt(&need) {
            self.teller.tell(Report::Problem(Level::Alarm, why.to_string()));
        }
        let watched: Result<()> = self.speaker.ears().try_for_each(|ear| self.watch(ear));
        if let Err(why) = watched {
            self.teller.tell(Report::Problem(Level::Alarm, why.to_string()));
        }
    }

    /// Joins the groups of the routers whose interfaces exist.
    fn listen(&mut self) {
        let wanted: BTreeSet<_> = self
            .node
            .listeners()
            .filter_map(|listener| Some((listener.interface?, listener.group?)))
            .collect();
        for why in self.speaker.hold_memberships(&wanted) {
            self.teller.tell(Report::Problem(Level::Warning, why.to_string()));
        }
    }
}

fn flush(speaker: &mut Speaker, transmits: &mut Vec<Transmit>, unsent: &mut Vec<Unsent>) {
    if !transmits.is_empty() {
        speaker.send(transmits, unsent);
        transmits.clear();
    }
}

/// What a configuration needs from the network.
fn need(host: &Host) -> Need {
    let mut need = Need::default();
    for instance in &host.instances {
        let set = match instance.settings.family {
            Family::V4 => &mut need.v4,
            Family::V6 => &mut need.v6,
        };
        set.get_or_insert_with(VridSet::default).insert(instance.settings.vrid);
        need.authenticated |= matches!(instance.authentication, model::Authentication::Header(_));
    }
    need.backlog = host.instances.len() * 4;
    need
}
