//! The thread that may wait for the kernel: it sets, removes and announces addresses, so that the thread that
//! sends adverts never does. (One address took 31 ms when another namespace was being torn down.)
//!
//! Orders are carried out as they came, in slices of at most 64 addresses. After each slice the
//! announcements of its addresses go out, while the kernel sets the next one if there is one. Repetitions of announcements wait beside the queue and fill the pauses
//! between slices; nothing waits for them. An order that a later one has overtaken is dropped.

mod announce;
mod closer;
mod crier;
mod work;

use crate::error::{Error, Refusal, Result};
use crate::ledger::Ledger;
use crate::mailbox::Mailbox;
use crate::monitor::Traces;
use crate::netlink::Netlink;
use crate::nftables::{Alert, Noticed};
use crate::privileges::forbidden_netns;
use crate::sys::message::SendBatch;
use crate::sys::option;
use announce::Announcer;
use closer::Closer;
use model::Filter;
use node::io::{Act, Errno, Fact, Hold, InterfaceIndex, Outcome, RouterId};
use socket2::{Domain, Socket, Type};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use work::Worker;

/// The real-time priority that the thread asks for: above every ordinary process, below most other
/// real-time threads and below the thread that sends adverts.
pub const PRIORITY: i32 = 1;

/// The name of the thread, and of the one that announces beside it.
pub(crate) const NAME: &str = "hand";
pub(crate) const CRIER: &str = crier::Crier::NAME;

/// Bytes that setting so many addresses takes, about; not more than a thousand take.
pub(crate) fn stock_for(addresses: usize) -> usize {
    addresses.min(1024) * 512
}

/// What the thread is asked to do.
#[derive(Debug)]
enum Order {
    Hold(Hold),
    Forget(InterfaceIndex),
    Disown,
    /// What the configuration asks of the filter; `None`: that there be none.
    Filter(Option<Filter>),
}

/// See [`Hand::brace`].
#[derive(Clone, Copy, Debug)]
struct Brace {
    addresses: usize,
    is_near: bool,
}

/// The orders that were not looked at yet.
#[derive(Debug, Default)]
struct Queue {
    orders: Vec<Order>,
    /// The epoch of each router's latest `Remove`: what is older must not be carried out any more. Written at
    /// the push, so that it overtakes whatever waits.
    removals: HashMap<RouterId, u64>,
    /// `removals` changed since the thread looked.
    changed: bool,
    ending: bool,
    /// Somebody changed our table, or may have.
    disturbed: Option<Noticed>,
    /// A takeover is to be prepared.
    brace: Option<Brace>,
    /// Much has happened, and is over.
    rest: bool,
}

/// What both sides see.
#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Grows with whatever is put into the queue.
    pushed: AtomicU64,
    wake: Condvar,
    announced: AtomicU64,
    failed: AtomicU64,
    last_failure: AtomicI32,
    traces: Arc<Traces>,
}

impl Shared {
    /// A thread that panicked with the lock held leaves a queue that is whole: every change is one push.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the thread that there is something in the queue.
    fn wake(&self, queue: MutexGuard<'_, Queue>) {
        self.pushed.fetch_add(1, Ordering::Release);
        drop(queue);
        self.wake.notify_one();
    }
}

/// How many announcements went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Announced {
    /// Frames that the kernel took.
    pub sent: u64,
    /// Frames that it did not take.
    pub failed: u64,
    /// Why it did not take the latest of those.
    pub last_failure: Option<Errno>,
}

/// The thread, from outside. Dropping it is [`Hand::stop`].
#[derive(Debug)]
pub struct Hand {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    port: u32,
    scheduling: String,
    facts: Arc<Mutex<Vec<Fact>>>,
}

impl Hand {
    /// Starts the thread in the calling thread's network namespace. What becomes of each `Add` and `Remove`
    /// goes into `outcomes`; what is held stands in `ledger`.
    ///
    /// # Errors
    /// In a forbidden namespace, or when the kernel refuses the sockets or the thread.
    pub fn start(outcomes: Arc<Mailbox<Outcome>>, ledger: Ledger) -> Result<Self> {
        forbidden_netns()?;
        let netlink = Netlink::open()?;
        let port = netlink.port();
        // Protocol 0: such a socket receives nothing.
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)
            .map_err(|error| Error::raw("open a packet socket", Refusal::of(&error)))?;
        // Room for a burst that a slow card takes its time to send.
        option::set_send_buffer(&socket, 4 << 20).map_err(|why| Error::refused("size a send buffer", why))?;
        let shared = Arc::new(Shared::default());
        let announcer = Announcer::new(socket, SendBatch::plain(announce::CHUNK), Arc::clone(&shared));
        let facts = Arc::new(Mutex::new(Vec::new()));
        let closer = {
            let (shared, facts, outcomes) = (Arc::clone(&shared), Arc::clone(&facts), Arc::clone(&outcomes));
            let tell = move |fact| {
                facts.lock().unwrap_or_else(PoisonError::into_inner).push(fact);
                outcomes.ring();
            };
            Closer::new(Box::new(tell), Box::new(move || alert(Arc::clone(&shared))))
        };
        let worker = Worker::new(Arc::clone(&shared), netlink, announcer, (ledger, closer), outcomes);
        let (tell, hear) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || {
                let _ = tell.send(crate::privileges::run_in_real_time(PRIORITY));
                worker.run();
            })
            .map_err(|error| Error::refused("start the hand", Refusal::of(&error)))?;
        let scheduling = hear.recv().unwrap_or_default();
        Ok(Self { shared, thread: Some(thread), port, scheduling, facts })
    }

    /// Hands over an order. Returns at once.
    pub fn push(&self, hold: Hold) {
        self.push_all(std::iter::once(hold));
    }

    /// Hands over orders, in order, waking the thread once.
    pub fn push_all(&self, holds: impl IntoIterator<Item = Hold>) {
        self.push_with(None, holds);
    }

    /// The same with what a new configuration asks of the filter (`Some(None)`: that there be none): both are there
    /// before the thread does anything, so that what another run left in force is replaced and not interrupted.
    pub fn push_with(&self, filter: Option<Option<Filter>>, holds: impl IntoIterator<Item = Hold>) {
        let mut queue = self.shared.lock();
        queue.orders.extend(filter.map(Order::Filter));
        for hold in holds {
            if matches!(hold.act, Act::Remove { .. }) {
                let latest = queue.removals.entry(hold.router).or_default();
                *latest = hold.epoch.max(*latest);
                queue.changed = true;
            }
            queue.orders.push(Order::Hold(hold));
        }
        self.shared.wake(queue);
    }

    /// Has the thread fetch what it needs for a takeover of at most so many addresses, and stay awake for a moment; `is_near`:
    /// and have the memory for it.
    pub fn brace(&self, addresses: usize, is_near: bool) {
        let mut queue = self.shared.lock();
        queue.brace = Some(Brace { addresses, is_near });
        self.shared.wake(queue);
    }

    /// Much has happened, and is over: has the thread give back the memory that only that has needed.
    pub fn rest(&self) {
        let mut queue = self.shared.lock();
        queue.rest = true;
        self.shared.wake(queue);
    }

    /// An interface is gone, and with it everything on it.
    pub fn forget(&self, interface: InterfaceIndex) {
        let mut queue = self.shared.lock();
        queue.orders.push(Order::Forget(interface));
        self.shared.wake(queue);
    }

    /// What an earlier worker noted is not gone on with: whoever offered it removes it.
    pub fn disown(&self) {
        let mut queue = self.shared.lock();
        queue.orders.push(Order::Disown);
        self.shared.wake(queue);
    }

    /// Moves what there is to tell the node of the filter to the end of `into`: the bell of the outcomes rings for it
    /// too, so that a turn that asks everybody costs no system call more.
    pub fn take_facts(&self, into: &mut Vec<Fact>) {
        into.append(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The netlink port id: notifications that carry it were caused by this thread.
    #[must_use]
    pub const fn port(&self) -> u32 {
        self.port
    }

    /// What this thread is removing, for the [`Monitor`](crate::monitor::Monitor).
    #[must_use]
    pub fn traces(&self) -> Arc<Traces> {
        Arc::clone(&self.shared.traces)
    }

    /// Which scheduling the thread got, in words.
    #[must_use]
    pub fn scheduling(&self) -> &str {
        &self.scheduling
    }

    /// How many announcements went out so far.
    #[must_use]
    pub fn announced(&self) -> Announced {
        let last = self.shared.last_failure.load(Ordering::Relaxed);
        Announced {
            sent: self.shared.announced.load(Ordering::Relaxed),
            failed: self.shared.failed.load(Ordering::Relaxed),
            last_failure: (last != 0).then_some(Errno(last)),
        }
    }

    /// Whether the thread has ended without being asked (a panic): then nothing is held or released any more.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Carries out what was pushed so far, drops repetitions of announcements, and ends the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let mut queue = self.shared.lock();
        queue.ending = true;
        self.shared.wake(queue);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by its hook; there is nothing to add here.
            let _ = thread.join();
        }
    }
}

/// Wakes the thread when somebody has changed our table.
fn alert(shared: Arc<Shared>) -> Alert {
    Box::new(move |noticed| {
        let mut queue = shared.lock();
        // What is certain is not forgotten over what is not.
        if noticed != Noticed::Loss || queue.disturbed.is_none() {
            queue.disturbed = Some(noticed);
        }
        shared.wake(queue);
    })
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.end();
    }
}
