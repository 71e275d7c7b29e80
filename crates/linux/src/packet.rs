//! The reactor: one thread, one [`Node`], one loop around it.
//!
//! A turn reads facts, then frames that arrived before it began, then outcomes, then orders; only then time
//! passes and what must be held is derived. So a machine that stood still reads its peer's adverts before it
//! draws a conclusion from a timer. Addresses are the hand's work, because setting them waits for the kernel's
//! configuration locks. Two things here wait for them too, both rare: joining and leaving groups, when a
//! configuration or an interface is new, and reading the whole truth after notifications were lost.

mod beats;
mod lack;
mod wake;

use self::lack::{Lacking, Unreadable};
use self::wake::{Crowd, Readable};
use crate::clock::{self, Clock, Turn};
use crate::error::{Error, Refusal, Result};
use crate::filter::VridSet;
use crate::hand::Hand;
use crate::ledger::Ledger;
use crate::ledger::roll::Roll;
use crate::mail::Mailer;
use crate::mailbox::{Mailbox, slim};
use crate::monitor::Monitor;
use crate::neighbors::{self, Neighbors};
use crate::netlink::SLICE;
use crate::pipes::{Pipes, Readers, Ready};
use crate::privileges;
use crate::script::Runner;
use crate::script::message::{Answer, Request};
use crate::sockets::{Need, Speaker, Unsent};
use crate::timer::Timer;
use crate::watch::{News, Watchers};
use model::{Filter, Host};
use node::Node;
use node::event::{Event, Level};
use node::io::{Act, Effect, Fact, Hold, Input, InterfaceIndex, Mailed, Order, Outcome, Transmit};
use node::sessions::{self, SessionId, Sessions};
use node::status::Status;
use rustix::event::epoll;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use timeline::{Duration, Instant, Machine};
use wire::Family;

/// The real-time priority that the thread asks for: above the hand's.
pub(crate) const PRIORITY: i32 = 2;
/// Events that may wait for the desk; more are counted and dropped.
const EVENTS: u64 = 20_000;
/// How far in time one turn may have to look back to empty a socket before timers may fire.
const ROUNDS: usize = 8;
/// What the kernel refused (a socket, a group) is asked for again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// The same for the whole truth about the host.
const STALE: Duration = Duration::from_millis(100);
/// The same for runs of scripts that the supervisor did not take at once.
const UNTAKEN: Duration = Duration::from_millis(5);
/// The hand is looked after at least this often.
const PULSE: Duration = Duration::from_secs(1);
/// So long before a takeover is due, all that it needs is fetched: what has slept for hours takes longer to wake up than to
/// do its work.
const BRACE: Duration = Duration::from_micros(500);
/// While the hand sets many addresses, the kernel tells of each: so long after it has, the next ones may gather. Who hears
/// of each at once is woken up by each, and it is the hand that pays for waking him.
const GATHER: Duration = Duration::from_millis(1);
/// Not again so soon after.
const BRACED: Duration = Duration::from_millis(50);
/// A turn that begins so much later than it should have may have been overtaken by anything.
const STALLED: Duration = Duration::from_millis(1);
/// The wall clock is told again when it has moved by so many nanoseconds: a fraction of the shortest window of signed
/// stamps, and far more than one turn's adjustment.
const DRIFT: u128 = 50_000_000;

/// What the desk asks of the reactor.
#[derive(Debug)]
pub enum Command {
    /// Run this configuration from now on.
    Configure(Box<Host>),
    /// An order for the node.
    Order(Order),
    /// Have everything in memory that a takeover needs.
    Brace,
    /// Give back the memory that was needed when much happened.
    Rest,
    /// Answer with a [`Report::Status`].
    Status,
    /// The same, and count from zero from then on.
    StatusAndCountAnew,
    /// Answer with a [`Report::Host`].
    Host,
}

/// What the reactor tells the desk.
#[derive(Debug)]
pub enum Report {
    /// Something happened.
    Event(Event),
    /// The answer to [`Command::Status`].
    Status(Box<Status>),
    /// The answer to [`Command::Host`]: the configuration in force.
    Host(Box<Host>),
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

    /// It is quiet: gives back the room that many reports have needed, and has the reactor and the hand do the same.
    pub fn rest(&self) {
        self.reports.rest();
        self.command(Command::Rest);
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

/// Tells whoever watches over the packet thread that it is in more haste than before.
pub type Haste = Box<dyn FnMut() + Send>;

/// A running reactor.
#[derive(Debug)]
pub struct Reactor {
    desk: Desk,
    remarks: Vec<String>,
    thread: JoinHandle<()>,
}

impl Reactor {
    /// Opens everything and starts the threads. Scripts are run through `runner`. `haste` is called by the packet thread
    /// when whoever watches over it has to look oftener than before: it must not wait.
    ///
    /// # Errors
    /// When the kernel refuses a socket, or the namespace is forbidden.
    pub fn start(ledger: Ledger, runner: Runner, haste: Haste) -> Result<Self> {
        privileges::forbidden_netns()?;
        let commands = Arc::new(Mailbox::new()?);
        let reports = Arc::new(Mailbox::new()?);
        let waiting = Arc::new(AtomicU64::new(0));
        let desk = Desk { commands: commands.clone(), reports: reports.clone(), waiting: waiting.clone() };
        let outcomes = Arc::new(Mailbox::new()?);
        let roll = ledger.roll();
        let hand = Hand::start(outcomes.clone(), ledger)?;
        let monitor = Monitor::open(hand.port(), hand.traces())?;
        let mut remarks = vec![format!("hand: {}", hand.scheduling())];
        let aside = Teller { reports: reports.clone(), waiting: waiting.clone(), lost: 0 };
        let pipes = Pipes::start(Box::new(move |level, text| aside.put(Report::Problem(level, text))))?;
        let teller = Teller { reports, waiting, lost: 0 };
        let mut turner = Turner::new(commands, outcomes, (hand, roll), monitor, runner, pipes, teller)?;
        turner.haste = haste;
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
    roll: Roll,
    haste: Haste,
    runner: Runner,
    pipes: Pipes,
    readers: Readers,
    opened: Vec<Ready>,
    watchers: Watchers,
    mailer: Mailer,
    timer: Timer,
    crowd: Crowd,
    clock: Clock,
    /// What the node was told of the wall clock.
    wall: Option<i128>,
    epoll: std::os::fd::OwnedFd,
    commands: Arc<Mailbox<Command>>,
    outcomes: Arc<Mailbox<Outcome>>,
    teller: Teller,
    stopping: bool,
    abandoned: bool,
    ended: bool,
    /// A configuration has come.
    configured: bool,
    /// Memberships may have to change.
    listeners_stale: bool,
    /// Interfaces may have come and gone unseen: what was joined may be joined no longer.
    memberships_doubtful: bool,
    /// What the configuration needs from the network.
    need: Need,
    /// What the node was last told that it cannot have.
    lacking: Lacking,
    /// When to ask for it again.
    again_at: Option<Instant>,
    /// When to look after the hand.
    pulse_at: Instant,
    /// When everything was last made ready for a takeover.
    braced_at: Instant,
    /// This turn was told of addresses that are there.
    learns_addresses: bool,
    /// So many addresses are with the hand.
    under_way: usize,
    /// The supervisor has to look oftener than it does. It is told when the next turn begins: it would wake up where the
    /// addresses of a takeover are being set.
    is_hasty: bool,
    unreadable: Unreadable,
    /// Why this cannot go on.
    broken: Option<&'static str>,
    effects: Vec<Effect>,
    /// The most effects of a turn since the hand was last looked after.
    most: usize,
    transmits: Vec<Transmit>,
    unsent: Vec<Unsent>,
    holds: Vec<Hold>,
    events: Vec<Event>,
    /// What a new configuration asks of the filter: the hand hears it together with the holds that follow from it.
    filter: Option<Option<Filter>>,
    filter_facts: Vec<Fact>,
    inbox: Vec<Outcome>,
    orders: Vec<Command>,
    answers: Vec<Answer>,
    receipts: Vec<Mailed>,
    /// When to offer the supervisor again what it did not take.
    untaken_at: Option<Instant>,
    sessions: Sessions,
    neighbors: Neighbors,
    /// The addresses of interfaces decide where BFD packets go.
    is_scoped: bool,
    /// In this turn a session had news for the node.
    is_told: bool,
    beats: Vec<sessions::Effect>,
    packets: Vec<(SessionId, [u8; wire::bfd::LEN])>,
}

impl Turner {
    fn new(
        commands: Arc<Mailbox<Command>>,
        outcomes: Arc<Mailbox<Outcome>>,
        (hand, roll): (Hand, Roll),
        monitor: Monitor,
        runner: Runner,
        pipes: Pipes,
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
            roll,
            haste: Box::new(|| {}),
            runner,
            pipes,
            readers: Readers::default(),
            opened: Vec::new(),
            watchers: Watchers::new()?,
            mailer: Mailer::new()?,
            timer,
            crowd: Crowd::new(),
            clock: Clock::new(),
            wall: None,
            epoll,
            commands,
            outcomes,
            teller,
            stopping: false,
            abandoned: false,
            ended: false,
            configured: false,
            listeners_stale: false,
            memberships_doubtful: false,
            need: Need::default(),
            lacking: Lacking::default(),
            again_at: None,
            pulse_at: Instant::EPOCH,
            braced_at: Instant::EPOCH,
            learns_addresses: false,
            under_way: 0,
            is_hasty: false,
            unreadable: Unreadable::default(),
            broken: None,
            effects: Vec::new(),
            most: 0,
            transmits: Vec::new(),
            unsent: Vec::new(),
            holds: Vec::new(),
            events: Vec::new(),
            filter: None,
            filter_facts: Vec::new(),
            inbox: Vec::new(),
            orders: Vec::new(),
            answers: Vec::new(),
            receipts: Vec::new(),
            untaken_at: None,
            sessions: Sessions::new(neighbors::draw()?),
            neighbors: Neighbors::new(neighbors::draw()?),
            is_scoped: false,
            is_told: false,
            beats: Vec::new(),
            packets: Vec::new(),
        };
        let Self { timer, monitor, outcomes, commands, runner, pipes, watchers, mailer, .. } = &turner;
        let own = [
            (timer.as_fd(), Readable::TIMER),
            (monitor.as_fd(), Readable::MONITOR),
            (outcomes.as_fd(), Readable::OUTCOMES),
            (commands.as_fd(), Readable::COMMANDS),
            (runner.as_fd(), Readable::PROGRAMS),
            (watchers.as_fd(), Readable::PROGRAMS),
            (mailer.as_fd(), Readable::PROGRAMS),
            (pipes.ready().as_fd(), Readable::PIPES),
        ];
        own.into_iter().try_for_each(|(fd, which)| turner.watch(fd, which))?;
        let everything = turner.monitor.everything()?;
        let turn = turner.clock.turn();
        turner.node.handle(turn.now, Input::Fact(everything), &mut turner.effects);
        turner.tell_clock(&turn);
        Ok(turner)
    }

    fn watch(&self, fd: BorrowedFd<'_>, which: Readable) -> Result<()> {
        let data = epoll::EventData::new_u64(which.data());
        match epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(why) => Err(Error::refused("watch a descriptor", why)),
        }
    }

    /// Turns until the last order is carried out. A panic in a turn ends the loop: what is held is released by
    /// the hand here and by the supervisor behind it.
    fn run(mut self) {
        self.roll.begin();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            while !self.ended && self.broken.is_none() {
                let ready = self.wait();
                self.turn(ready);
            }
        }));
        let broken = match outcome {
            Ok(()) => self.broken.map(str::to_owned),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                Some(text.unwrap_or_else(|| "a panic without words".into()))
            }
        };
        self.pipes.end();
        // What has happened in a turn that did not come to its end is told all the same.
        for event in self.events.drain(..) {
            self.teller.tell(Report::Event(event));
        }
        // The desk need not wait for the hand to hear that the worst has happened.
        if let Some(what) = broken {
            self.teller.put(Report::Broken(what));
            self.hand.stop();
        } else {
            self.hand.stop();
            self.teller.put(Report::Ended);
        }
    }

    /// Waits until there is something to do. Says what, at least.
    fn wait(&mut self) -> Readable {
        let gathers = std::mem::take(&mut self.learns_addresses) && self.under_way > SLICE;
        let gather = gathers.then_some(GATHER);
        let slot = self.crowd.is_dense().then(|| self.crowd.slot()).max(gather);
        if let Some(slot) = slot {
            let now = clock::now();
            let slot = now + slot;
            clock::sleep(self.timer.armed().map_or(slot, |at| at.min(slot)).since(now));
        }
        let nothing = epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) };
        let mut events = [nothing; 16];
        match epoll::wait(&self.epoll, events.as_mut_slice(), None) {
            Ok(count) if count < events.len() => events[..count]
                .iter()
                .fold(Readable::NOTHING, |ready, event| ready.and(Readable::from_data(event.data.u64()))),
            // There may be more; or interrupted.
            Ok(_) | Err(_) => Readable::EVERYTHING,
        }
    }

    fn turn(&mut self, ready: Readable) {
        let mut turn = self.clock.turn();
        self.roll.turns(turn.now);
        if std::mem::take(&mut self.is_hasty) {
            (self.haste)();
        }
        self.tell_clock(&turn);
        let is_due = |node: &Node, now| node.deadline().is_some_and(|at| at <= now);
        // Who stood still since the kernel was asked must ask again: the timer is overdue, or something is due that the
        // kernel had not named yet.
        let is_late = self.timer.armed().is_some_and(|due| turn.now >= due + STALLED)
            || is_due(&self.node, turn.now) && !ready.has(Readable::TIMER);
        let ready = if is_late { Readable::EVERYTHING } else { ready };
        if ready.has(Readable::TIMER) {
            self.timer.note_fired();
        }
        if ready.has(Readable::MONITOR) || self.monitor.is_stale() {
            self.take_facts(turn.now);
            // It may have waited for the kernel.
            turn = self.clock.again(&turn);
        }
        // Before any timer fires, whatever the kernel said; and before anything may move one forward.
        let hears =
            is_due(&self.node, turn.now) || !ready.is_within(Readable::TIMER.and(Readable::NEIGHBORS));
        if hears {
            self.hear(&mut turn, ready.has(Readable::STRAYS));
        }
        if ready.has(Readable::NEIGHBORS) || self.sessions.deadline().is_some_and(|at| at <= turn.now) {
            self.hear_neighbors(&turn);
        }
        let now = turn.now;
        if ready.has(Readable::OUTCOMES) {
            self.outcomes.take(&mut self.inbox);
            for outcome in self.inbox.drain(..) {
                self.under_way = self.under_way.saturating_sub(outcome.results.len());
                self.node.handle(now, Input::Outcome(outcome), &mut self.effects);
            }
            self.hand.take_facts(&mut self.filter_facts);
            for fact in self.filter_facts.drain(..) {
                self.node.handle(now, Input::Fact(fact), &mut self.effects);
            }
        }
        if ready.has(Readable::PROGRAMS) || self.runner.has_answers() {
            self.take_answers(now);
            self.take_news(now);
            self.take_receipts(now);
        }
        self.start_readers(now, ready.has(Readable::PIPES));
        if ready.has(Readable::COMMANDS) {
            self.take_orders(now);
        }
        if self.again_at.is_some_and(|at| now >= at) {
            self.open_ears(now);
            self.listeners_stale = true;
        }
        // Before anything is decided: who cannot hear must not become Active.
        if std::mem::take(&mut self.listeners_stale) {
            self.listen(now);
        }
        self.again_at = match self.again_at {
            _ if self.lacking.is_empty() && self.neighbors.is_whole() => None,
            Some(at) if now < at => Some(at),
            _ => Some(now + AGAIN),
        };
        self.watch_neighbors(now, sessions::Input::Elapsed);
        // What a session concludes may move a timer forward as well.
        if std::mem::take(&mut self.is_told) && !hears {
            self.hear(&mut turn, false);
        }
        self.node.handle(now, Input::Elapsed, &mut self.effects);
        self.perform(now);
        if self.hand.is_dead() {
            self.broken = Some("the thread that sets addresses has ended");
        }
        if now >= self.pulse_at {
            self.pulse_at = now + PULSE;
            let most = std::mem::take(&mut self.most);
            slim(&mut self.effects, most);
            slim(&mut self.transmits, most);
            slim(&mut self.holds, most);
            slim(&mut self.events, most);
        }
        let stale = self.monitor.is_stale().then(|| now + STALE);
        let own = [self.again_at, Some(self.pulse_at), stale, self.untaken_at, self.readers.deadline()];
        let machines = [self.node.deadline(), self.sessions.deadline()];
        let deadline = own.into_iter().chain([self.brace_by(now)]).chain(machines).flatten().min();
        if let Err(why) = self.timer.set_by(deadline, now) {
            self.teller.tell(Report::Problem(Level::Alarm, why.to_string()));
        }
        self.is_hasty = self.roll.rests(now, deadline.unwrap_or(self.pulse_at));
        self.ended = self.abandoned || self.stopping && self.node.is_at_rest();
    }

    /// Makes ready for a takeover that is near. Returns when to do so, if one is farther off.
    fn brace_by(&mut self, now: Instant) -> Option<Instant> {
        let brace_at = self.node.takeover_at()? - BRACE;
        if now < brace_at {
            return Some(brace_at);
        }
        if now >= self.braced_at + BRACED {
            self.brace(now, true);
        }
        None
    }

    /// Has this thread and the hand go through a takeover; `is_near`: and have the memory for it.
    fn brace(&mut self, now: Instant, is_near: bool) {
        self.braced_at = now;
        let addresses = self.node.addresses();
        self.hand.brace(addresses, is_near);
        self.speaker.rehearse();
        if is_near {
            privileges::stock(crate::hand::stock_for(addresses));
        }
    }

    /// The wall clock, if it is another than it was: signed stamps go by it.
    fn tell_clock(&mut self, turn: &Turn) {
        let ahead = turn.wall_ahead();
        if self.wall.is_none_or(|told| told.abs_diff(ahead) >= DRIFT) {
            self.wall = Some(ahead);
            self.node.handle(turn.now, Input::Fact(Fact::WallClock(ahead)), &mut self.effects);
        }
    }

    /// What the kernel tells of interfaces and addresses.
    fn take_facts(&mut self, now: Instant) {
        let (was_stale, is_scoped) = (self.monitor.is_stale(), self.is_scoped);
        let Self { node, speaker, monitor, hand, effects, learns_addresses, .. } = self;
        let (listeners_stale, memberships_doubtful) =
            (&mut self.listeners_stale, &mut self.memberships_doubtful);
        let read = monitor.receive(|fact| {
            *learns_addresses |= matches!(fact, Fact::Address(_));
            *listeners_stale |= matches!(fact, Fact::Link(_) | Fact::LinkGone(_) | Fact::Everything { .. });
            *listeners_stale |= is_scoped && matches!(fact, Fact::Address(_) | Fact::AddressGone { .. });
            *memberships_doubtful |= matches!(fact, Fact::Everything { .. });
            if let Fact::LinkGone(interface) = fact {
                hand.forget(interface);
                // One with the same number may follow in this very turn, and is not joined.
                speaker.forget(interface);
            }
            node.handle(now, Input::Fact(fact), effects);
        });
        // Once for each loss: it is tried again every turn.
        if let Err(why) = read
            && !was_stale
        {
            self.teller.tell(Report::Problem(Level::Alarm, why.to_string()));
        }
    }

    /// Adverts that arrived before the turn began.
    fn hear(&mut self, turn: &mut Turn, strays: bool) {
        let (mut lost, mut unreadable, mut ours) = (0, 0, 0);
        for _ in 0..ROUNDS {
            let Self { node, speaker, effects, clock, .. } = self;
            let drained = speaker
                .receive(clock, turn, strays, |now, frame| node.handle(now, Input::Frame(frame), effects));
            lost += drained.lost;
            unreadable += drained.unreadable;
            ours += drained.ours;
            if !drained.more {
                break;
            }
        }
        let now = turn.now;
        self.crowd.note(now, ours);
        if let Some(text) = self.unreadable.note(now, unreadable) {
            self.teller.tell(Report::Problem(Level::Warning, text));
        }
        // After the frames: an old advert among them must not undo the grace.
        if lost > 0 {
            self.node.handle(now, Input::Fact(Fact::Deaf), &mut self.effects);
        }
    }

    /// What became of scripts.
    fn take_answers(&mut self, now: Instant) {
        let was_gone = self.runner.is_gone();
        let answers = &mut self.answers;
        self.runner.receive(|answer| answers.push(answer));
        if self.runner.is_gone() && !was_gone {
            // Its end would wake us for ever. The desk knows what it means.
            let _ = epoll::delete(&self.epoll, &self.runner);
        }
        for answer in self.answers.drain(..) {
            match answer {
                Answer::Begun(id) => self.node.handle(now, Input::Begun(id), &mut self.effects),
                Answer::Ended(ended) if Readers::is_ours(ended.id) => {
                    let (text, next) = self.readers.ended(now, &ended);
                    text.into_iter().for_each(|text| self.teller.tell(Report::Problem(Level::Alarm, text)));
                    self.effects.extend(next);
                }
                Answer::Ended(ended) => self.node.handle(now, Input::Ended(ended), &mut self.effects),
                Answer::Remark(text) => self.teller.tell(Report::Problem(Level::Warning, text)),
            }
        }
    }

    /// Programs that read pipes: a pipe is open, or one of them did not end in time.
    fn start_readers(&mut self, now: Instant, opened: bool) {
        if opened {
            self.pipes.ready().take(&mut self.opened);
        }
        for ready in self.opened.drain(..) {
            self.effects.extend(self.readers.start(now, ready));
        }
        self.effects.extend(self.readers.fire(now));
    }

    /// What tracked files say, and how many tracked processes there are.
    fn take_news(&mut self, now: Instant) {
        let Self { watchers, node, effects, teller, .. } = self;
        watchers.receive(|news| match news {
            News::Fact(fact) => node.handle(now, Input::Fact(fact), effects),
            News::Remark(level, text) => teller.tell(Report::Problem(level, text)),
        });
    }

    /// What became of mail.
    fn take_receipts(&mut self, now: Instant) {
        self.mailer.receive(&mut self.receipts);
        for mailed in self.receipts.drain(..) {
            self.node.handle(now, Input::Mailed(mailed), &mut self.effects);
        }
    }

    fn take_orders(&mut self, now: Instant) {
        let mut orders = std::mem::take(&mut self.orders);
        self.commands.take(&mut orders);
        for command in orders.drain(..) {
            match command {
                Command::Configure(host) => {
                    let scattered = host;
                    let host = Box::new(scattered.gathered());
                    drop(scattered);
                    self.listeners_stale = true;
                    // Ears first: a router that starts must not miss the advert that is on its way.
                    self.need = need(&host, std::mem::take(&mut self.need.vrfs));
                    self.crowd.configure(host.instances.iter().map(|instance| instance.settings.interval));
                    self.open_ears(now);
                    let readers = self.pipes.configure(&host);
                    self.effects.extend(self.readers.configure(now, &readers));
                    self.watchers.watch(&host);
                    self.inherit(now);
                    self.filter = Some(host.filters().then(|| host.filter.clone()));
                    let bfd = host.bfd.clone();
                    self.node.handle(now, Input::Configure(host), &mut self.effects);
                    self.watch_neighbors(now, sessions::Input::Configure(&bfd));
                }
                Command::Order(order) => {
                    self.stopping = true;
                    self.node.handle(now, Input::Order(order), &mut self.effects);
                    if order == Order::Stop {
                        self.watch_neighbors(now, sessions::Input::Stop);
                    }
                    self.abandoned |= order == Order::Abandon;
                }
                Command::Brace => {
                    std::hint::black_box(node::rehearse());
                    self.brace(now, false);
                }
                Command::Rest => {
                    self.node.rest();
                    self.outcomes.rest();
                    privileges::trim_own();
                    self.hand.rest();
                }
                Command::Status => self.tell_status(now),
                Command::StatusAndCountAnew => {
                    self.tell_status(now);
                    self.node.handle(now, Input::CountAnew, &mut self.effects);
                }
                Command::Host => self.teller.tell(Report::Host(Box::new(self.node.host()))),
            }
        }
        self.orders = orders;
    }

    fn tell_status(&mut self, now: Instant) {
        let mut status = self.node.status(now);
        self.sessions.describe(&mut status);
        self.teller.tell(Report::Status(Box::new(status)));
    }

    /// Before the first configuration: goes on with what a worker before this one has left, if it may.
    fn inherit(&mut self, now: Instant) {
        if std::mem::replace(&mut self.configured, true) {
            return;
        }
        match self.roll.claim() {
            Some(estates) => {
                (self.haste)();
                self.node.handle(now, Input::Inherit(estates), &mut self.effects);
            }
            None => self.hand.disown(),
        }
    }

    /// Effects in order: adverts in batches, then the hand's work, then the news. Where there is work for the hand that
    /// removes nothing, it begins before the adverts go: waking it up and sending them take equally long, and a client
    /// waits for both.
    fn perform(&mut self, now: Instant) {
        while !self.effects.is_empty() {
            self.most = self.most.max(self.effects.len());
            for effect in self.effects.drain(..) {
                match effect {
                    Effect::Send(transmit) => self.transmits.push(transmit),
                    Effect::Hold(hold) => self.holds.push(hold),
                    Effect::Run(run) => self.runner.ask(&Request::Run(run)),
                    Effect::Kill(kill) => self.runner.ask(&Request::Kill(kill)),
                    Effect::Tell(line) => self.pipes.tell(line),
                    Effect::Mail(letter) => self.mailer.send(letter),
                    Effect::Report(event) => self.events.push(event),
                }
            }
            if self.holds.iter().any(|hold| matches!(hold.act, Act::Remove { .. })) {
                flush(&mut self.speaker, &mut self.transmits, &mut self.unsent);
            }
            for hold in &self.holds {
                if let Act::Add { addresses, .. } | Act::Remove { addresses, .. } = &hold.act {
                    self.under_way += addresses.len();
                }
            }
            if !self.holds.is_empty() || self.filter.is_some() {
                self.hand.push_with(self.filter.take(), self.holds.drain(..));
            }
            flush(&mut self.speaker, &mut self.transmits, &mut self.unsent);
            for event in self.events.drain(..) {
                self.teller.tell(Report::Event(event));
            }
            for Unsent { router, errno, .. } in self.unsent.drain(..) {
                self.node.handle(now, Input::Unsent { router, errno }, &mut self.effects);
            }
        }
        self.send_packets(now);
        // What was sent is noted for whoever may have to go on.
        let Self { node, roll, .. } = self;
        node.note_estates(|id, note| roll.note(id, note));
        // After the adverts. What it refuses at once is an answer of the next turn.
        let is_left = self.runner.flush() || self.runner.has_answers();
        self.untaken_at = is_left.then(|| now + UNTAKEN);
    }

    /// Makes sockets and filters what the configuration needs, and tells the node what could not be had.
    fn open_ears(&mut self, now: Instant) {
        match self.speaker.adapt(&self.need) {
            Ok(missing) => {
                let told = self.lacking.sockets(&missing);
                self.tell_lack(now, Level::Alarm, told);
            }
            Err(why) => self.teller.tell(Report::Problem(Level::Alarm, why.to_string())),
        }
        let which = |is_stray| if is_stray { Readable::STRAYS } else { Readable::EARS };
        let watched: Result<()> =
            self.speaker.ears().try_for_each(|(ear, is_stray)| self.watch(ear, which(is_stray)));
        if let Err(why) = watched {
            self.teller.tell(Report::Problem(Level::Alarm, why.to_string()));
        }
    }

    /// Joins the groups of the routers whose interfaces exist, and tells the node which could not be joined.
    fn listen(&mut self, now: Instant) {
        let listeners = || self.node.listeners();
        let vrfs: BTreeSet<_> = listeners().filter_map(|listener| listener.vrf).collect();
        let wanted: BTreeSet<_> = listeners().filter_map(|one| Some((one.interface?, one.group?))).collect();
        if vrfs != self.need.vrfs {
            self.need.vrfs = vrfs;
            self.open_ears(now);
        }
        let unjoined = if std::mem::take(&mut self.memberships_doubtful) {
            self.speaker.renew_memberships(&wanted)
        } else {
            self.speaker.hold_memberships(&wanted)
        };
        let told = self.lacking.groups(&unjoined);
        self.tell_lack(now, Level::Warning, told);
        self.meet_neighbors(now);
    }

    fn tell_lack(&mut self, now: Instant, level: Level, (facts, words): (Vec<Fact>, Vec<String>)) {
        for text in words {
            self.teller.tell(Report::Problem(level, text));
        }
        for fact in facts {
            self.node.handle(now, Input::Fact(fact), &mut self.effects);
        }
    }
}

fn flush(speaker: &mut Speaker, transmits: &mut Vec<Transmit>, unsent: &mut Vec<Unsent>) {
    if !transmits.is_empty() {
        speaker.send(transmits, unsent);
        transmits.clear();
    }
}

/// What a configuration needs from the network; the VRFs are those of before until it is known which these are.
fn need(host: &Host, vrfs: BTreeSet<InterfaceIndex>) -> Need {
    let mut need = Need { vrfs, ..Need::default() };
    for instance in &host.instances {
        let set = match instance.settings.family {
            Family::V4 => &mut need.v4,
            Family::V6 => &mut need.v6,
        };
        set.get_or_insert_with(VridSet::default).insert(instance.settings.vrid);
        // IP header, Authentication Header, message, password and signed trailer.
        let bytes = match instance.settings.family {
            Family::V4 => 60 + 24 + 8 + 4 * instance.addresses.len() + 8 + 28,
            Family::V6 => 8 + 16 * instance.addresses.len() + 28,
        };
        need.longest = need.longest.max(bytes);
        need.authenticated |= matches!(instance.authentication, model::Authentication::Header(_));
    }
    need.backlog = host.instances.len() * 4;
    need
}
