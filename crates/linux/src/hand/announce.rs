//! Announcements: the first of an address at once, repetitions when nothing more urgent is to be done.
//!
//! A burst is one `Announce`. All bursts advance round by round: nobody's second announcement goes out while
//! somebody's first waits for nothing but its turn. Within a burst a round must be complete before the next begins.

use super::Shared;
use super::crier::{Crier, Note, is_overtaken};
use crate::clock;
use crate::mailbox::ROOM;
use crate::sys::control::Space;
use crate::sys::message::{Name, Outgoing, SendBatch};
use node::io::{Announcement, InterfaceIndex, RouterId};
use socket2::Socket;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use timeline::Instant;

/// Frames that go out between two looks at the queue: about 0.1 ms.
pub(super) const CHUNK: usize = 64;

/// One `Announce` under way.
#[derive(Debug)]
struct Burst {
    router: RouterId,
    epoch: u64,
    announcements: Arc<[Announcement]>,
    /// Places in `announcements` that this round has not sent yet, in order.
    pending: Vec<usize>,
    /// Which round this is, from 0.
    round: u32,
    rounds: u32,
    gap: Duration,
    /// Withdrawn meanwhile.
    dead: Vec<(InterfaceIndex, IpAddr)>,
}

impl Burst {
    fn fill(&mut self) {
        self.pending = (0..self.announcements.len())
            .filter(|&at| {
                let announcement = &self.announcements[at];
                !self.dead.contains(&(announcement.interface, announcement.address))
            })
            .collect();
    }

    /// Starts the next round if this one is complete; false when there is none.
    fn advance(&mut self) -> bool {
        if self.pending.is_empty() {
            self.round += 1;
            if self.round < self.rounds {
                self.fill();
            }
        }
        !self.pending.is_empty()
    }
}

pub(super) struct Announcer {
    socket: Socket,
    outbox: SendBatch,
    shared: Arc<Shared>,
    bursts: Vec<Burst>,
    /// When the latest frame went out of each interface.
    latest: HashMap<InterfaceIndex, Instant>,
    /// Who sends first announcements beside this thread, once many were to be sent.
    crier: Option<Crier>,
    /// Interfaces that it may be sending out of.
    lent: HashSet<InterfaceIndex>,
}

/// Where an announcement goes.
fn describe<'a>(announcement: &'a Announcement, _: &mut Space) -> (Outgoing<'a>, usize) {
    let to = Name::frame(announcement.interface, &announcement.frame);
    (Outgoing { to, bytes: &announcement.frame }, 0)
}

/// Sends and counts.
pub(super) fn transmit<T>(
    outbox: &mut SendBatch,
    socket: &Socket,
    items: &[T],
    announcement: impl Fn(&T) -> &Announcement,
    shared: &Shared,
) {
    let mut failed = 0u64;
    outbox.send(
        socket,
        items,
        |item, space| describe(announcement(item), space),
        |_, errno| {
            failed += 1;
            shared.last_failure.store(errno.0, Ordering::Relaxed);
        },
    );
    let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
    shared.announced.fetch_add(count.saturating_sub(failed), Ordering::Relaxed);
    shared.failed.fetch_add(failed, Ordering::Relaxed);
}

impl Announcer {
    pub(super) fn new(socket: Socket, outbox: SendBatch, shared: Arc<Shared>) -> Self {
        Self {
            socket,
            outbox,
            shared,
            bursts: Vec::new(),
            latest: HashMap::new(),
            crier: None,
            lent: HashSet::new(),
        }
    }

    /// Prepares one for sending, and sends nothing.
    pub(super) fn rehearse(&mut self) {
        let one = Announcement { interface: 0, address: IpAddr::from([0; 4]), frame: Box::default() };
        self.outbox.rehearse(&one, describe);
    }

    /// Sends now.
    pub(super) fn send(&mut self, announcements: &[&Announcement]) {
        if announcements.is_empty() {
            return;
        }
        transmit(&mut self.outbox, &self.socket, announcements, |one| one, &self.shared);
        self.note(announcements.iter().map(|one| one.interface));
    }

    /// Something was sent out of these just now.
    fn note(&mut self, interfaces: impl IntoIterator<Item = InterfaceIndex>) {
        let now = clock::now();
        for interface in interfaces {
            self.latest.insert(interface, now);
        }
    }

    /// Sends first announcements now, but for those whose routers have changed their minds.
    pub(super) fn send_notes(&mut self, notes: &[Note]) {
        let shared = Arc::clone(&self.shared);
        let queue = shared.lock();
        let valid = notes.iter().filter(|note| !is_overtaken(note, &queue.removals));
        let all: Vec<&Announcement> = valid.map(Note::announcement).collect();
        drop(queue);
        self.send(&all);
    }

    /// Many are to be announced in a moment: somebody shall be there who does it.
    pub(super) fn expect_many(&mut self) {
        if self.crier.is_none() {
            self.crier = Crier::start(&self.socket, &self.shared);
        }
    }

    /// Sends first announcements beside the calling thread; now, if that cannot be.
    pub(super) fn lend(&mut self, notes: Vec<Note>) {
        // A slice of removals, say: nobody has to be there for that.
        if notes.is_empty() {
            return;
        }
        self.expect_many();
        self.lent.extend(notes.iter().map(|note| note.announcement().interface));
        let left = match &self.crier {
            Some(crier) => crier.post(notes),
            None => Some(notes),
        };
        left.into_iter().for_each(|notes| self.send_notes(&notes));
    }

    /// Whether nothing waits to be announced.
    pub(super) fn is_idle(&self) -> bool {
        self.bursts.is_empty() && self.lent.is_empty()
    }

    /// Waits until what was lent was sent.
    pub(super) fn settle(&mut self) {
        if self.lent.is_empty() {
            return;
        }
        let left = self.crier.as_ref().map(Crier::silence).unwrap_or_default();
        self.send_notes(&left);
        let lent = std::mem::take(&mut self.lent);
        self.note(lent);
    }

    /// Takes over an `Announce`. It replaces an older one of the same router for the same addresses that has only
    /// repetitions left: a router that is asked again and again does not pile up frames.
    pub(super) fn schedule(
        &mut self,
        router: RouterId,
        epoch: u64,
        announcements: Arc<[Announcement]>,
        rounds: u32,
        gap: Duration,
    ) {
        let of = |list: &Arc<[Announcement]>| -> Vec<(InterfaceIndex, IpAddr)> {
            list.iter().map(|announcement| (announcement.interface, announcement.address)).collect()
        };
        let new = of(&announcements);
        self.bursts
            .retain(|burst| burst.router != router || burst.round == 0 || of(&burst.announcements) != new);
        if rounds == 0 || announcements.is_empty() {
            return;
        }
        let mut burst = Burst {
            router,
            epoch,
            announcements,
            pending: Vec::new(),
            round: 0,
            rounds,
            gap,
            dead: Vec::new(),
        };
        burst.fill();
        self.bursts.push(burst);
    }

    /// Drops what a router has announced before it changed its mind.
    pub(super) fn supersede(&mut self, removals: &HashMap<RouterId, u64>) {
        if self.bursts.is_empty() || removals.is_empty() {
            return;
        }
        self.bursts.retain(|burst| removals.get(&burst.router).is_none_or(|&latest| burst.epoch >= latest));
    }

    /// An address is gone: nobody announces it any more.
    pub(super) fn withdraw(&mut self, gone: (InterfaceIndex, IpAddr)) {
        for burst in &mut self.bursts {
            let is_it = |one: &Announcement| (one.interface, one.address) == gone;
            if burst.announcements.iter().any(is_it) {
                burst.dead.push(gone);
                let announcements = &burst.announcements;
                burst.pending.retain(|&at| !is_it(&announcements[at]));
            }
        }
    }

    /// An interface is gone.
    pub(super) fn forget(&mut self, interface: InterfaceIndex) {
        self.latest.remove(&interface);
        for burst in &mut self.bursts {
            let list = Arc::clone(&burst.announcements);
            burst.pending.retain(|&at| list[at].interface != interface);
            burst.dead.extend(
                list.iter().filter(|one| one.interface == interface).map(|one| (one.interface, one.address)),
            );
        }
    }

    /// Sends up to [`CHUNK`] frames that are due. Returns when the next is due; `None`: nothing waits.
    pub(super) fn advance(&mut self, now: Instant) -> Option<Instant> {
        self.bursts.retain_mut(Burst::advance);
        // Stable: among equals, first come, first served.
        self.bursts.sort_by_key(|burst| burst.round);
        let mut bursts = std::mem::take(&mut self.bursts);
        let mut chosen: Vec<(usize, usize)> = Vec::new();
        let mut due = Instant::NEVER;
        for (which, burst) in bursts.iter_mut().enumerate() {
            if chosen.len() >= CHUNK {
                due = now;
                break;
            }
            let (list, gap, latest) = (&burst.announcements, burst.gap, &mut self.latest);
            burst.pending.retain(|&at| {
                let interface = list[at].interface;
                let free = latest.get(&interface).map_or(now, |&last| last + gap);
                if !gap.is_zero() && free > now {
                    due = due.min(free);
                    return true;
                }
                if chosen.len() >= CHUNK {
                    due = now;
                    return true;
                }
                chosen.push((which, at));
                latest.insert(interface, now);
                false
            });
            if burst.pending.is_empty() && burst.round + 1 < burst.rounds {
                due = now; // the next round may begin; `advance` decides when
            }
        }
        let frames: Vec<&Announcement> =
            chosen.iter().map(|&(which, at)| &bursts[which].announcements[at]).collect();
        self.send(&frames);
        bursts.retain(|burst| !burst.pending.is_empty() || burst.round + 1 < burst.rounds);
        self.bursts = bursts;
        if self.bursts.is_empty() {
            self.bursts.shrink_to(ROOM);
        }
        (!self.bursts.is_empty()).then_some(due)
    }
}
