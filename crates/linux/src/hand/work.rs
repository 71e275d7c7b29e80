//! The thread's work: jobs into slices, slices into outcomes.

use super::announce::Announcer;
use super::closer::Closer;
use super::crier::{Note, has_processors};
use super::{Brace, Order, Shared};
use crate::clock;
use crate::error::{Refusal, Result};
use crate::ledger::beat::HandBeat;
use crate::ledger::{Ledger, Slot, State, is_gone, kernel_keeps_marks};
use crate::mailbox::{Mailbox, ROOM};
use crate::netlink::{Netlink, Request, SLICE};
use crate::privileges;
use model::VirtualAddress;
use node::io::{Act, Announcement, Hold, InterfaceIndex, Outcome, Place, Placed, RouterId, Settled};
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use timeline::Instant;

/// How long a slice should take.
const AIM: Duration = Duration::from_millis(1);
/// So long it stays awake for a takeover that is near.
const ALERT: Duration = Duration::from_millis(1);
/// Addresses in the shortest slice: with fewer, asking costs more than it saves.
const LEAST: usize = 8;

/// One `Hold` under way.
struct Job {
    router: RouterId,
    epoch: u64,
    task: Task,
    /// One for each address; those from `next` on have no answer yet.
    results: Vec<(Place, Settled)>,
    next: usize,
}

enum Task {
    Add { addresses: Arc<[Placed]>, announcements: Arc<[Announcement]> },
    Remove { addresses: Arc<[Placed]>, all: bool },
    Announce { announcements: Arc<[Announcement]>, rounds: u32, gap: Duration },
}

impl Job {
    /// A job, or what is to be closed, which is none.
    fn new(hold: Hold) -> Result<Self, (RouterId, Arc<[Place]>)> {
        let task = match hold.act {
            Act::Add { addresses, announcements } => Task::Add { addresses, announcements },
            Act::Remove { addresses, all } => Task::Remove { addresses, all },
            Act::Announce { announcements, rounds, gap } => Task::Announce { announcements, rounds, gap },
            Act::Close { places } => return Err((hold.router, places)),
        };
        let mut job = Self { router: hold.router, epoch: hold.epoch, task, results: Vec::new(), next: 0 };
        let results = job.addresses().iter();
        job.results = results.map(|placed| (placed.place(), Settled::Superseded)).collect();
        Ok(job)
    }

    fn addresses(&self) -> &[Placed] {
        match &self.task {
            Task::Add { addresses, .. } | Task::Remove { addresses, .. } => addresses,
            Task::Announce { .. } => &[],
        }
    }

    /// The announcement of the `at`-th address.
    fn note(&self, at: usize) -> Option<Note> {
        let Task::Add { addresses, announcements } = &self.task else { return None };
        let placed = addresses.get(at)?;
        let fits =
            |one: &Announcement| (one.interface, one.address) == (placed.interface, placed.address.address);
        let here = announcements.get(at).is_some_and(fits).then_some(at);
        let at = here.or_else(|| announcements.iter().position(fits))?;
        let announcements = Arc::clone(announcements);
        Some(Note { router: self.router, epoch: self.epoch, announcements, at })
    }

    fn is_overtaken(&self, removals: &HashMap<RouterId, u64>) -> bool {
        !matches!(self.task, Task::Remove { .. })
            && removals.get(&self.router).is_some_and(|&latest| self.epoch < latest)
    }
}

/// One address of a job in the slice that is about to be sent.
#[derive(Clone, Copy)]
struct Item {
    job: usize,
    at: usize,
    place: Place,
    adding: bool,
    /// Noted in the ledger for this item alone.
    slot: Option<Slot>,
}

pub(super) struct Worker {
    shared: Arc<Shared>,
    netlink: Netlink,
    announcer: Announcer,
    closer: Closer,
    /// A configuration has said what it asks of the filter.
    has_filter: bool,
    ledger: Ledger,
    beat: HandBeat,
    outcomes: Arc<Mailbox<Outcome>>,
    jobs: VecDeque<Job>,
    /// What this run set, or went on with. The slot is missing when the ledger was full.
    own: HashMap<Place, Option<Slot>>,
    /// What the kernel refused since the router's last `Remove`: it is not announced.
    refused: HashMap<RouterId, HashSet<(InterfaceIndex, IpAddr)>>,
    /// The addresses and whether they are marked; asked for when that matters, for one slice.
    known: Option<HashMap<Place, bool>>,
    /// Whether the kernel stores which addresses are ours.
    marks: bool,
    /// Interfaces on which secondary addresses survive the removal of their primary.
    promoted: HashSet<InterfaceIndex>,
    /// Copy of the queue's.
    removals: HashMap<RouterId, u64>,
    /// How many addresses the next slice may have, so that it takes about [`AIM`].
    limit: usize,
    // Reused from slice to slice.
    items: Vec<Item>,
    requests: Vec<Request>,
    answers: Vec<Result<(), Refusal>>,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        netlink: Netlink,
        announcer: Announcer,
        (mut ledger, closer): (Ledger, Closer),
        outcomes: Arc<Mailbox<Outcome>>,
    ) -> Self {
        let own = ledger.take_kept().into_iter().map(|(place, slot)| (place, Some(slot))).collect();
        Self {
            shared,
            netlink,
            announcer,
            closer,
            has_filter: false,
            beat: ledger.hand_beat(),
            ledger,
            outcomes,
            jobs: VecDeque::new(),
            own,
            refused: HashMap::new(),
            known: None,
            marks: kernel_keeps_marks(),
            promoted: HashSet::new(),
            removals: HashMap::new(),
            limit: SLICE,
            items: Vec::with_capacity(SLICE),
            requests: Vec::with_capacity(SLICE),
            answers: Vec::with_capacity(SLICE),
        }
    }

    pub(super) fn run(mut self) {
        let mut due = None;
        self.beat.begin();
        while self.collect(due) {
            self.beat.busy(clock::now());
            self.closer.close(&self.ledger);
            self.slice();
            if self.jobs.is_empty() && self.has_filter {
                self.closer.open(&self.ledger);
            }
            self.beat.idle();
            // Not while addresses wait to be set: the first announcement of each goes before the second of any.
            if self.jobs.is_empty() {
                self.announcer.settle();
                // Most of the room of a rare crowd is of no use later.
                self.jobs.shrink_to(ROOM);
                let due_at = [self.announcer.advance(clock::now()), self.closer.due()];
                due = due_at.into_iter().flatten().min();
            }
        }
        self.closer.end(&self.ledger);
    }

    /// A takeover is near: goes through what it needs, up to the kernel's part, and stays awake for a moment. What nobody
    /// has used for hours is in no cache, perhaps not in memory, and its processor asleep.
    ///
    /// Where it would have the only processor, it does not stay awake: whoever is to give it something could not run.
    fn brace(&mut self, brace: Brace, pushed: u64) {
        let until = clock::now() + ALERT;
        self.rehearse();
        if brace.addresses > SLICE {
            self.announcer.expect_many();
            if brace.is_near {
                privileges::stock(super::stock_for(brace.addresses));
            }
        }
        if !has_processors() {
            return;
        }
        while self.shared.pushed.load(Ordering::Acquire) == pushed && clock::now() < until {
            std::hint::spin_loop();
        }
    }

    /// Sets an address of each family on an interface that cannot exist, without asking the kernel, which would refuse.
    /// Leaves nothing behind.
    fn rehearse(&mut self) {
        const ROUTER: RouterId = RouterId(u32::MAX - 1);
        self.items.clear();
        self.requests.clear();
        self.answers.clear();
        for address in [IpAddr::from([0; 4]), IpAddr::from([0; 16])] {
            let placed = Placed { interface: 0, address: VirtualAddress::host(address) };
            let act = Act::Add { addresses: Arc::new([placed]), announcements: Arc::default() };
            self.jobs.extend(Job::new(Hold { router: ROUTER, epoch: 0, act }));
        }
        self.gather();
        for request in &self.requests {
            self.netlink.rehearse(request);
            self.answers.push(Err(Refusal::new(libc::ENODEV)));
        }
        self.settle();
        self.announce();
        self.announcer.rehearse();
        self.refused.remove(&ROUTER);
        self.jobs.clear();
        self.items.clear();
        self.requests.clear();
        self.answers.clear();
    }

    /// Takes new orders; waits for some until `due` when there is nothing else to do. False: end.
    fn collect(&mut self, due: Option<Instant>) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut queue = shared.lock();
        while queue.orders.is_empty() && self.jobs.is_empty() && queue.disturbed.is_none() {
            if queue.ending {
                return false;
            }
            if std::mem::take(&mut queue.rest) {
                // With nothing under way there is nothing that a removal could have overtaken.
                let forgotten = self.announcer.is_idle().then(|| {
                    queue.changed = false;
                    (std::mem::take(&mut queue.removals), std::mem::take(&mut self.removals))
                });
                drop(queue);
                drop(forgotten);
                self.own.shrink_to_fit();
                self.jobs.shrink_to_fit();
                privileges::trim_own();
                queue = shared.lock();
                continue;
            }
            if let Some(brace) = queue.brace.take() {
                let pushed = shared.pushed.load(Ordering::Acquire);
                drop(queue);
                self.brace(brace, pushed);
                queue = shared.lock();
                continue;
            }
            match due.map(|due| due.since(clock::now())) {
                Some(Duration::ZERO) => break,
                Some(pause) => {
                    let waited = shared.wake.wait_timeout(queue, pause);
                    queue = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => queue = shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
        // Awake already.
        queue.brace = None;
        let orders = std::mem::take(&mut queue.orders);
        let disturbed = queue.disturbed.take();
        drop(queue);
        if let Some(noticed) = disturbed {
            self.closer.disturbed(noticed);
        }
        self.look_ahead();
        for order in orders {
            match order {
                Order::Hold(hold) => {
                    if matches!(hold.act, Act::Remove { .. }) {
                        self.refused.remove(&hold.router);
                    }
                    match Job::new(hold) {
                        Ok(job) => self.jobs.push_back(job),
                        Err((router, places)) => self.closer.want(router, places),
                    }
                }
                Order::Forget(interface) => self.forget(interface),
                Order::Filter(filter) => {
                    self.closer.configure(filter);
                    self.has_filter = true;
                }
                Order::Disown => {
                    let slots: Vec<Slot> = self.own.drain().filter_map(|(_, slot)| slot).collect();
                    slots.into_iter().for_each(|slot| self.ledger.clear(slot));
                }
            }
        }
        true
    }

    /// Learns which orders have been overtaken since the last look.
    fn look_ahead(&mut self) {
        let mut queue = self.shared.lock();
        if std::mem::take(&mut queue.changed) {
            self.removals.clone_from(&queue.removals);
            drop(queue);
            self.announcer.supersede(&self.removals);
        }
    }

    fn forget(&mut self, interface: InterfaceIndex) {
        self.announcer.forget(interface);
        self.promoted.remove(&interface);
        self.refused.retain(|_, places| {
            places.retain(|place| place.0 != interface);
            !places.is_empty()
        });
        let (ledger, own) = (&mut self.ledger, &mut self.own);
        own.retain(|place, slot| {
            let stays = place.interface != interface;
            if !stays && let Some(slot) = *slot {
                ledger.clear(slot);
            }
            stays
        });
    }

    /// Carries out the next addresses of the jobs in front, as many as fit into one slice.
    fn slice(&mut self) {
        self.items.clear();
        self.requests.clear();
        self.answers.clear();
        self.known = None;
        self.gather();
        self.known = None; // what was known before the slice may not be so after it
        if !self.requests.is_empty() {
            // What is being removed must not be announced after that.
            if self.items.iter().any(|item| !item.adding) {
                self.announcer.settle();
            }
            let start = clock::now();
            if let Err(why) = self.netlink.slice(&self.requests, &mut self.answers) {
                self.reconstruct(&why);
            }
            self.adjust(clock::now().since(start));
            self.settle();
            self.announce();
        }
        self.finish();
    }

    /// 64 IPv4 addresses take the kernel less than 1 ms, as many IPv6 addresses up to ten times as long, and both
    /// longer while others hold its lock. A slice must not be long: only after it announcements go out and
    /// newer decisions are seen.
    fn adjust(&mut self, took: Duration) {
        if took > AIM {
            self.limit = (self.limit / 2).max(LEAST);
        } else if took < AIM / 2 {
            self.limit = (self.limit * 2).min(SLICE);
        }
    }

    /// Chooses what goes into the slice. What needs no kernel is settled at once.
    fn gather(&mut self) {
        for job in 0..self.jobs.len() {
            let next = &mut self.jobs[job];
            if next.is_overtaken(&self.removals) {
                next.next = next.results.len(); // they say `Superseded`
                continue;
            }
            while self.jobs[job].next < self.jobs[job].results.len() {
                if !self.take(job) {
                    return;
                }
                self.jobs[job].next += 1;
            }
        }
    }

    /// Takes the next address of a job into the slice, or settles it. False: it must wait for the next slice.
    fn take(&mut self, job: usize) -> bool {
        if self.requests.len() >= self.limit {
            return false;
        }
        let one = &self.jobs[job];
        let at = one.next;
        let (adding, all) = match &one.task {
            Task::Add { .. } => (true, false),
            Task::Remove { all, .. } => (false, *all),
            Task::Announce { .. } => return true,
        };
        let Some(placed) = one.addresses().get(at) else { return true };
        let (interface, prefix) = (placed.interface, placed.address.prefix);
        let place = placed.place();
        // What a slice makes of an address is known after it, so one address is in it once.
        let same = |item: &Item| (item.place.interface, item.place.address) == (interface, place.address);
        if self.items.iter().any(same) {
            return false;
        }
        let ours = self.own.get(&place).copied();
        let request = if adding {
            Request::add_virtual(interface, &placed.address)
        } else {
            Request::remove_virtual(interface, &placed.address)
        };
        let mut slot = None;
        match (adding, ours) {
            (true, Some(_)) => {}
            (true, None) => slot = self.ledger.begin(interface, place.address, prefix),
            (false, Some(noted)) => {
                if let Some(noted) = noted {
                    self.ledger.set(noted, State::Removing);
                }
            }
            // Left by an earlier run, unless somebody has put his own in its place meanwhile.
            (false, None) if all && !self.is_foreign(place) => {}
            (false, None) => {
                self.jobs[job].results[at].1 = Settled::NotOurs;
                return true;
            }
        }
        if !adding {
            self.shared.traces.leave(place);
        }
        self.requests.push(request);
        self.items.push(Item { job, at, place, adding, slot });
        if place.address.is_ipv4() && prefix < 32 {
            self.promote(interface);
        }
        true
    }

    /// Makes sure that removing an address takes no other along, whoever removes it: before the first such address
    /// is set, so that what the supervisor does after a crash is safe too. It stays so.
    ///
    /// Linux removes all secondary IPv4 addresses of a subnet with its primary, unless
    /// `net.ipv4.conf.IF.promote_secondaries` is set. A virtual address that was first in its subnet would
    /// take the host's own (or another router's) addresses along. A host address (/32) is alone in its subnet.
    fn promote(&mut self, interface: InterfaceIndex) {
        if !self.promoted.insert(interface) {
            return;
        }
        let Ok(name) = rustix::net::netdevice::index_to_name(&self.netlink, interface) else { return };
        let path = format!("/proc/sys/net/ipv4/conf/{name}/promote_secondaries");
        if std::fs::read(&path).is_ok_and(|value| value.first() == Some(&b'0')) {
            // Where it cannot be written (a read-only /proc), what goes along is told by the kernel and set again.
            let _ = std::fs::write(&path, "1");
        }
    }

    /// The socket failed in the middle: looks what is there and makes up the answers.
    fn reconstruct(&mut self, why: &Refusal) {
        self.answers.clear();
        let known = self.netlink.dump_addresses();
        self.answers.extend(self.items.iter().map(|item| {
            let Ok(known) = &known else { return Err(why.clone()) };
            let found = known.iter().find(|one| one.place() == item.place);
            match (item.adding, found) {
                (true, Some(one)) if one.marked => Ok(()),
                (true, Some(_)) => Err(Refusal::new(libc::EEXIST)),
                (false, None) => Ok(()),
                (true, None) | (false, Some(_)) => Err(why.clone()),
            }
        }));
    }

    /// Turns the kernel's answers into results, ownership and the ledger's states.
    fn settle(&mut self) {
        for which in 0..self.items.len() {
            let item = self.items[which];
            let answer = self.answers.get(which).cloned().unwrap_or(Ok(()));
            let settled = if item.adding { self.added(item, answer) } else { self.removed(item, answer) };
            if let Some(result) = self.jobs[item.job].results.get_mut(item.at) {
                result.1 = settled;
            }
        }
    }

    fn added(&mut self, item: Item, answer: Result<(), Refusal>) -> Settled {
        let (router, place) = (self.jobs[item.job].router, (item.place.interface, item.place.address));
        let ours = self.own.get(&item.place).copied();
        let answer = match answer {
            Err(why) if why.is(libc::EEXIST) && self.is_ours(item.place) => Ok(()),
            answer => answer,
        };
        if let Some(places) = self.refused.get_mut(&router) {
            places.remove(&place);
        }
        let why = match answer {
            Ok(()) => {
                let noted = ours.flatten().or(item.slot);
                let slot = noted.or_else(|| self.ledger.begin(place.0, place.1, item.place.prefix));
                if let Some(slot) = slot {
                    self.ledger.set(slot, State::Held);
                }
                self.own.insert(item.place, slot);
                return Settled::Added;
            }
            Err(why) => why,
        };
        if let Some(slot) = item.slot {
            self.ledger.clear(slot);
        }
        if why.is(libc::EEXIST) {
            self.disown(item.place); // ours was removed, and somebody else set it again
            return Settled::Adopted;
        }
        if is_gone(&why) {
            self.disown(item.place); // the interface is gone, and what we had on it too
        }
        self.refused.entry(router).or_default().insert(place);
        self.announcer.withdraw(place);
        Settled::Refused(why.errno)
    }

    /// Whose an address is that is there already. That we set it once is no proof: it may have been removed and set
    /// again by somebody else. The kernel knows, if it is not too old.
    fn is_ours(&mut self, place: Place) -> bool {
        let set = self.own.contains_key(&place);
        if !self.marks {
            return set;
        }
        self.mark_of(place).map_or(set, |mark| mark == Some(true))
    }

    /// Whether an address that this run did not set is surely somebody else's.
    fn is_foreign(&mut self, place: Place) -> bool {
        self.marks && self.mark_of(place).ok() == Some(Some(false))
    }

    /// Whether an address carries our mark; `None` if it is not there.
    fn mark_of(&mut self, place: Place) -> Result<Option<bool>> {
        if self.known.is_none() {
            let known = self.netlink.dump_addresses()?;
            self.known = Some(known.iter().map(|one| (one.place(), one.marked)).collect());
        }
        Ok(self.known.as_ref().and_then(|known| known.get(&place).copied()))
    }

    fn removed(&mut self, item: Item, answer: Result<(), Refusal>) -> Settled {
        let Place { interface, address, prefix } = item.place;
        let mut gone = match answer {
            Ok(()) => Ok(()),
            // Left by an earlier run on a point-to-point link, perhaps, with a peer that nobody knows now.
            Err(why)
                if why.is(libc::EADDRNOTAVAIL)
                    && address.is_ipv4()
                    && !self.own.contains_key(&item.place) =>
            {
                match self.netlink.remove_marked(interface, address, prefix) {
                    Ok(false) => Err(why),
                    found => found.map(drop),
                }
            }
            Err(why) => Err(why),
        };
        if gone.is_err() {
            self.shared.traces.take(item.place); // nothing was removed, nothing will be told
        }
        if gone.as_ref().is_err_and(is_gone) {
            gone = Ok(());
        }
        match gone {
            Ok(()) => {
                self.disown(item.place);
                self.announcer.withdraw((interface, address));
                Settled::Removed
            }
            Err(why) => {
                if let Some(Some(slot)) = self.own.get(&item.place) {
                    self.ledger.set(*slot, State::Held);
                }
                Settled::Refused(why.errno)
            }
        }
    }

    fn disown(&mut self, place: Place) {
        if let Some(Some(slot)) = self.own.remove(&place) {
            self.ledger.clear(slot);
        }
    }

    /// Sends the first announcement of each address that this slice has set, unless its router has already
    /// changed its mind.
    fn announce(&mut self) {
        self.look_ahead();
        let notes: Vec<Note> = self
            .items
            .iter()
            .filter_map(|item| {
                let job = &self.jobs[item.job];
                let there = matches!(job.results.get(item.at)?.1, Settled::Added | Settled::Adopted);
                if !item.adding || !there || job.is_overtaken(&self.removals) {
                    return None;
                }
                job.note(item.at)
            })
            .collect();
        // With others waiting to be set, somebody else does it meanwhile.
        if self.jobs.iter().any(|job| job.next < job.results.len()) {
            self.announcer.lend(notes);
        } else {
            self.announcer.send_notes(&notes);
        }
    }

    /// Reports the jobs in front that are complete and lets their repetitions begin.
    fn finish(&mut self) {
        while self.jobs.front().is_some_and(|job| job.next == job.results.len()) {
            let Some(job) = self.jobs.pop_front() else { return };
            // Nothing that was decided before goes out after a removal is reported, be it of nothing.
            if matches!(job.task, Task::Remove { .. }) {
                self.announcer.settle();
            }
            if let Task::Announce { announcements, rounds, gap } = job.task {
                if self.removals.get(&job.router).is_none_or(|&latest| job.epoch >= latest) {
                    let there = self.without_refused(job.router, announcements);
                    self.announcer.schedule(job.router, job.epoch, there, rounds, gap);
                }
            } else {
                self.outcomes.push(Outcome { router: job.router, epoch: job.epoch, results: job.results });
            }
        }
    }

    /// What of these may be announced: not what the kernel refused to set.
    fn without_refused(&self, router: RouterId, announcements: Arc<[Announcement]>) -> Arc<[Announcement]> {
        let Some(refused) = self.refused.get(&router).filter(|places| !places.is_empty()) else {
            return announcements;
        };
        let there = |one: &&Announcement| !refused.contains(&(one.interface, one.address));
        announcements.iter().filter(there).cloned().collect()
    }
}
