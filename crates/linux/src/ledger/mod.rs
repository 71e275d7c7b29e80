//! What this process holds, written where its death does not erase it.
//!
//! A memfd shared with the supervisor. The hand notes an address *before* it asks the kernel to set it and strikes it
//! out *after* it asked to remove it, each with one atomic store and no system call. Whatever kills
//! the worker, what stands in the ledger is everything that may be left on the host, and [`release_all`] removes it.
//!
//! The same memory says how each router stands ([`roll`]), so that another worker can go on in its place, and gives
//! a sign of life of both threads ([`beat`]), so that a worker that is stuck is noticed.
//!
//! # Layout (version 3, 64-bit words in the machine's byte order)
//! Header (16 words): magic, version, room for addresses, sequence (grows with every change of an address), inode of the
//! network namespace, room for routers, whether what is held is up for adoption (0 no, 1 yes, 2 taken), records of
//! routers ever used, when the packet thread turned, by when it must turn, shortest interval of an Active router, number
//! of the packet thread, since when the hand is busy, number of its thread, records of addresses ever used, whether there is
//! a table of addresses that do not accept.
//! Then the records of routers (16 words each, see [`roll`]), then those of addresses: `head`, address (high half, low
//! half), reserved. `head` packs interface (32 bits), generation (8), state (8), prefix (8), family (8); it is stored last when a record
//! comes to life and first when it dies, so a record is either whole or free. A reader that finds `head` unchanged
//! after reading the address has read one record and not half of two.

pub mod beat;
mod book;
pub mod roll;

use self::beat::{Beat, HandBeat};
use self::book::{Book, Free, MAGIC, MOST, SEALS, VERSION, at, length, word};
use self::roll::{Estates, Roll};
use crate::error::{Error, Refusal, Result};
use crate::netlink::{Netlink, Request};
use crate::privileges::netns_inode;
use node::io::{Address, InterfaceIndex, Place};
use rustix::fs::{MemfdFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slotted;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Of so many addresses there is one router.
const EACH: usize = 4;
/// The most routers that there is room for.
const ROUTERS: usize = 1 << 14;
/// A record is read so often while it changes. A writer changes it for nanoseconds; who changes it for longer is none.
const PATIENCE: usize = 10_000;

/// How far an operation on an address has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The kernel was or will be asked to set it; whether it did is not known.
    Adding,
    /// It is set, and by us.
    Held,
    /// The kernel was or will be asked to remove it.
    Removing,
}

/// A held address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// On this interface.
    pub interface: InterfaceIndex,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// How far it has come.
    pub state: State,
}

/// Names a record of a [`Ledger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

/// The writer's side.
#[derive(Debug)]
pub struct Ledger {
    fd: OwnedFd,
    book: Arc<Book>,
    free: Free,
    /// What a worker before this one noted and this one keeps.
    kept: Vec<(Place, Slot)>,
}

impl Ledger {
    /// A ledger with room for `capacity` addresses, in a new memfd, for the calling thread's network namespace.
    ///
    /// # Errors
    /// When there is no memory or no descriptor left.
    pub fn create(capacity: usize) -> Result<Self> {
        let doing = "create the ledger";
        let refused = |why: rustix::io::Errno| Error::refused(doing, why);
        let capacity = capacity.clamp(1, MOST);
        let routers = (capacity / EACH).clamp(1, ROUTERS);
        let fd = memfd_create("standfast-ledger", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(refused)?;
        ftruncate(&fd, word(length(routers, capacity) * 8)).map_err(refused)?;
        fcntl_add_seals(&fd, SEALS).map_err(refused)?;
        let book = Arc::new(Book::begin(&fd, routers, capacity)?);
        let header = [
            (at::VERSION, VERSION),
            (at::ADDRESSES, word(capacity)),
            (at::ROUTERS, word(routers)),
            (at::NETNS, netns_inode().unwrap_or(0)),
            (at::MAGIC, MAGIC),
        ];
        header.into_iter().for_each(|(at, value)| book.store(at, value));
        Ok(Self { fd, book, free: Free::from(0, capacity), kept: Vec::new() })
    }

    /// Goes on in a memfd that another process created (a supervisor, which keeps its own descriptor), and writes for
    /// the calling thread's network namespace. What the last writer noted is kept if the supervisor offers it to a
    /// successor ([`Ledger::offer`]), and erased otherwise.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn adopt(fd: OwnedFd) -> Result<Self> {
        let book = Book::open(&fd, true)?;
        let mut kept = Vec::new();
        let mut free = Free::from(book.used_addresses().count(), book.addresses());
        let here = netns_inode().unwrap_or(0);
        let keeps = book.load(at::CLAIM) == claim::OFFERED && book.load(at::NETNS) == here;
        for (slot, record) in book.used_addresses() {
            match read(record) {
                Record::Whole(Entry { interface, address, prefix, .. }) if keeps => {
                    kept.push((Place { interface, address, prefix }, Slot(slot)));
                }
                Record::Whole(_) | Record::Free | Record::Damaged => {
                    record[0].store(0, Ordering::Release);
                    free.put(slot);
                }
            }
        }
        if !keeps {
            roll::erase(&book);
        }
        book.store(at::NETNS, here);
        let ledger = Self { fd, book: Arc::new(book), free, kept };
        ledger.count();
        Ok(ledger)
    }

    /// What a worker before this one noted and this one keeps, with the names of the records.
    pub fn take_kept(&mut self) -> Vec<(Place, Slot)> {
        std::mem::take(&mut self.kept)
    }

    /// The packet thread's side.
    #[must_use]
    pub fn roll(&self) -> Roll {
        Roll::new(Arc::clone(&self.book))
    }

    /// The hand's sign of life.
    #[must_use]
    pub fn hand_beat(&self) -> HandBeat {
        HandBeat(Arc::clone(&self.book))
    }

    /// For the supervisor, before it starts a worker: nothing is expected of it until its first turn. `offer`: it may go
    /// on with what stands here ([`Roll::claim`]), until [`Ledger::revoke`].
    pub fn offer(&self, offer: bool) {
        beat::forget(&self.book);
        self.book.store(at::CLAIM, if offer { claim::OFFERED } else { claim::NONE });
    }

    /// Takes an offer back. False if there is none, or the worker has claimed it.
    #[must_use]
    pub fn revoke(&self) -> bool {
        claim::swap(&self.book, claim::OFFERED, claim::NONE)
    }

    /// Notes whether a table of ours is or may be in the kernel.
    pub fn note_filter(&self, is_here: bool) {
        self.book.store(at::FILTER, u64::from(is_here));
    }

    /// Whether one is noted, by this worker or one before it.
    #[must_use]
    pub fn has_filter(&self) -> bool {
        self.book.load(at::FILTER) != 0
    }

    /// Notes that an address is about to be set. `None` when the ledger is full: then a crash leaves the address.
    pub fn begin(&mut self, interface: InterfaceIndex, address: IpAddr, prefix: u8) -> Option<Slot> {
        let slot = self.free.take()?;
        let [head, high, low] = self.book.address(slot)?;
        self.book.use_up_to(at::ADDRESSES_USED, slot);
        let (family, bits) = match address {
            IpAddr::V4(ip) => (4, u128::from(u32::from(ip))),
            IpAddr::V6(ip) => (6, u128::from(ip)),
        };
        let [h, l] = halves(bits);
        // A reader that sees the new address must not find the `head` of the record that was here before.
        fence(Ordering::Release);
        high.store(h, Ordering::Relaxed);
        low.store(l, Ordering::Relaxed);
        let generation = generation(head.load(Ordering::Relaxed)).wrapping_add(1);
        let value = Head { interface, generation, state: code(State::Adding), prefix, family }.pack();
        head.store(value, Ordering::Release);
        self.count();
        Some(Slot(slot))
    }

    /// Notes how far the operation has come.
    pub fn set(&mut self, slot: Slot, state: State) {
        self.change(slot, code(state));
    }

    /// Strikes out an address that is gone, or not ours after all.
    pub fn clear(&mut self, slot: Slot) {
        if self.change(slot, FREE) {
            self.free.put(slot.0);
        }
    }

    fn change(&mut self, slot: Slot, state: u8) -> bool {
        let Some([head, ..]) = self.book.address(slot.0) else { return false };
        let old = Head::unpack(head.load(Ordering::Relaxed));
        if old.state == FREE {
            return false;
        }
        head.store(Head { state, ..old }.pack(), Ordering::Release);
        self.count();
        true
    }

    fn count(&self) {
        if let Some(sequence) = self.book.header(at::SEQUENCE) {
            sequence.fetch_add(1, Ordering::Release);
        }
    }

    /// What is noted.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        entries(&self.book)
    }
}

/// Who owns what a dead worker has left: the supervisor, which removes it, or the next worker. Both sides change the
/// word with one compare-and-exchange, so it is never both.
mod claim {
    use super::book::{Book, at};
    use std::sync::atomic::Ordering;

    pub(super) const NONE: u64 = 0;
    pub(super) const OFFERED: u64 = 1;
    pub(super) const CLAIMED: u64 = 2;

    pub(super) fn swap(book: &Book, from: u64, to: u64) -> bool {
        book.header(at::CLAIM)
            .is_some_and(|word| word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok())
    }
}

/// The memfd, to hand to a supervisor.
impl AsFd for Ledger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The reader's side.
#[derive(Debug)]
pub struct Reader {
    book: Book,
}

impl Reader {
    /// Opens a ledger that another process writes or has written.
    ///
    /// # Errors
    /// When the descriptor is no ledger of this version, or one that its writer could cut short under our feet.
    pub fn open(fd: impl AsFd) -> Result<Self> {
        Ok(Self { book: Book::open(fd, false)? })
    }

    /// How the routers stand.
    #[must_use]
    pub fn estates(&self) -> Estates {
        roll::estates(&self.book)
    }

    /// The sign of life of the worker's threads.
    #[must_use]
    pub fn beat(&self) -> Beat {
        beat::read(&self.book)
    }

    /// What is noted. Records that no writer of ours leaves are not in it: see [`Reader::damaged`].
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        entries(&self.book)
    }

    /// How many records are neither free nor whole.
    #[must_use]
    pub fn damaged(&self) -> usize {
        records(&self.book).filter(|record| matches!(record, Record::Damaged)).count()
    }

    /// All that is noted now, to be gone by though the ledger changes.
    #[must_use]
    pub fn noted(&self) -> Noted {
        Noted { entries: self.entries(), damaged: self.damaged(), netns: self.netns() }
    }

    /// Whether a table of ours is or may be in the kernel.
    #[must_use]
    pub fn has_filter(&self) -> bool {
        self.book.load(at::FILTER) != 0
    }

    /// Grows with every change.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.book.load(at::SEQUENCE)
    }

    /// Inode of the network namespace whose addresses these are.
    #[must_use]
    pub fn netns(&self) -> u64 {
        self.book.load(at::NETNS)
    }
}

/// What a ledger said at one moment ([`Reader::noted`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    entries: Vec<Entry>,
    damaged: usize,
    netns: u64,
}

const FREE: u8 = 0;

const fn code(state: State) -> u8 {
    match state {
        State::Adding => 1,
        State::Held => 2,
        State::Removing => 3,
    }
}

#[derive(Clone, Copy)]
struct Head {
    interface: u32,
    generation: u8,
    state: u8,
    prefix: u8,
    family: u8,
}

impl Head {
    fn pack(self) -> u64 {
        let [a, b, c, d] = self.interface.to_be_bytes();
        u64::from_be_bytes([a, b, c, d, self.generation, self.state, self.prefix, self.family])
    }

    fn unpack(head: u64) -> Self {
        let [a, b, c, d, generation, state, prefix, family] = head.to_be_bytes();
        Self { interface: u32::from_be_bytes([a, b, c, d]), generation, state, prefix, family }
    }
}

fn generation(head: u64) -> u8 {
    Head::unpack(head).generation
}

fn halves(bits: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = bits.to_be_bytes();
    [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes(rest)]
}

fn entries(book: &Book) -> Vec<Entry> {
    let whole = |record| if let Record::Whole(entry) = record { Some(entry) } else { None };
    records(book).filter_map(whole).collect()
}

/// What a record is.
enum Record {
    Free,
    Whole(Entry),
    Damaged,
}

fn records(book: &Book) -> impl Iterator<Item = Record> + '_ {
    book.used_addresses().map(|(_, record)| read(record))
}

/// Reads one record; again while the writer changes it (which takes it some nanoseconds).
fn read([head, high, low]: [&AtomicU64; 3]) -> Record {
    for _ in 0..PATIENCE {
        let before = head.load(Ordering::Acquire);
        let bits = u128::from(high.load(Ordering::Relaxed)) << 64 | u128::from(low.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        if head.load(Ordering::Relaxed) == before {
            return understand(Head::unpack(before), bits);
        }
    }
    Record::Damaged
}

fn understand(head: Head, bits: u128) -> Record {
    let state = match head.state {
        FREE => return Record::Free,
        1 => State::Adding,
        2 => State::Held,
        3 => State::Removing,
        _ => return Record::Damaged,
    };
    let (address, longest) = match (head.family, u32::try_from(bits)) {
        (4, Ok(bits)) => (IpAddr::V4(Ipv4Addr::from(bits)), 32),
        (6, _) => (IpAddr::V6(Ipv6Addr::from(bits)), 128),
        _ => return Record::Damaged,
    };
    // The kernel numbers interfaces with positive `int`s.
    if head.interface == 0 || head.interface > i32::MAX.unsigned_abs() || head.prefix > longest {
        return Record::Damaged;
    }
    Record::Whole(Entry { interface: head.interface, address, prefix: head.prefix, state })
}

/// What is to become of the addresses that a dead process has left.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Leftovers {
    /// There, and ours: to be removed.
    pub ours: Vec<Entry>,
    /// Not there any more.
    pub gone: Vec<Entry>,
    /// There, but not certainly ours: they stay.
    pub not_ours: Vec<Entry>,
}

/// Compares what a ledger said with the addresses that are there (`present`) in the network namespace with the inode `here`.
/// `marks`: the kernel keeps marks. Each address is named once, however often it is noted.
///
/// # Errors
/// When the ledger is of another network namespace.
pub fn leftovers(noted: &Noted, here: u64, present: &[Address], marks: bool) -> Result<Leftovers> {
    if noted.netns != here {
        return Err(Error::Garbled {
            doing: "release what is left".to_owned(),
            what: "the ledger is of another network namespace",
        });
    }
    let mut there = HashMap::new();
    for address in present {
        there.entry(address.place()).or_insert(address.marked);
    }
    // Of two notes the surer one counts: an address that is set again may still be noted as being removed.
    let (mut surest, mut order) = (HashMap::new(), Vec::new());
    for entry in noted.entries.iter().copied() {
        let place = Place { interface: entry.interface, address: entry.address, prefix: entry.prefix };
        match surest.entry(place) {
            Slotted::Vacant(vacant) => {
                order.push(place);
                vacant.insert(entry);
            }
            Slotted::Occupied(mut before) if before.get().state == State::Adding => {
                before.insert(entry);
            }
            Slotted::Occupied(_) => {}
        }
    }
    let mut left = Leftovers::default();
    for (place, entry) in order.iter().filter_map(|place| Some((place, *surest.get(place)?))) {
        let to = match there.get(place) {
            None => &mut left.gone,
            Some(true) => &mut left.ours,
            Some(false) if !marks && entry.state != State::Adding && !is_of_every_host(entry.address) => {
                &mut left.ours
            }
            Some(false) => &mut left.not_ours,
        };
        to.push(entry);
    }
    Ok(left)
}

/// What a host has with or without us: no note is good enough to take it away.
fn is_of_every_host(address: IpAddr) -> bool {
    address == IpAddr::V4(Ipv4Addr::LOCALHOST) || address == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

/// What [`release_all`] did.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Released {
    /// Removed now.
    pub removed: Vec<Entry>,
    /// Not there any more.
    pub gone: Vec<Entry>,
    /// There, but without our mark: somebody else set it again, so it stays.
    pub not_ours: Vec<Entry>,
    /// The kernel refused to remove it.
    pub refused: Vec<(Entry, Refusal)>,
    /// So many records of the ledger could not be read; what they named may be left.
    pub damaged: usize,
}

/// Removes from the host what a dead process has left according to its ledger, see [`release`].
///
/// # Errors
/// As [`release`].
pub fn release_all(ledger: &Reader, netlink: &mut Netlink) -> Result<Released> {
    release(&ledger.noted(), netlink)
}

/// Removes from the host what a process has left that noted this.
///
/// Where the kernel keeps marks (Linux 5.18), only addresses with ours are removed. On an older kernel
/// those are removed that certainly were ours, and of those that were just being set none: there the record cannot
/// tell them from an administrator's.
///
/// # Errors
/// When the addresses of the host cannot be read at all, or the ledger is of another network namespace.
pub fn release(noted: &Noted, netlink: &mut Netlink) -> Result<Released> {
    let here = netns_inode().unwrap_or(0);
    let present = netlink.dump_addresses()?;
    let Leftovers { ours: doomed, gone, not_ours } = leftovers(noted, here, &present, kernel_keeps_marks())?;
    let mut released = Released { gone, not_ours, damaged: noted.damaged, ..Released::default() };
    let requests: Vec<Request> = doomed
        .iter()
        .map(|entry| Request::remove_address(entry.interface, entry.address, entry.prefix))
        .collect();
    let mut results = Vec::with_capacity(requests.len());
    let failed = netlink.batch(&requests, &mut results).err();
    // What the socket did not answer for is tried alone; removing twice harms nothing.
    for request in &requests[results.len().min(requests.len())..] {
        results.push(match &failed {
            Some(_) => netlink.run(request),
            None => Ok(()),
        });
    }
    for (entry, result) in doomed.into_iter().zip(results) {
        match result {
            Ok(()) => released.removed.push(entry),
            // On a point-to-point link the kernel asks for the peer, which is not noted.
            Err(why) if is_gone(&why) => {
                match netlink.remove_marked(entry.interface, entry.address, entry.prefix) {
                    Ok(true) => released.removed.push(entry),
                    Ok(false) => released.gone.push(entry),
                    Err(why) => released.refused.push((entry, why)),
                }
            }
            Err(why) => released.refused.push((entry, why)),
        }
    }
    Ok(released)
}

/// Whether a refused removal says that the address is not there.
pub(crate) const fn is_gone(why: &Refusal) -> bool {
    why.is(libc::EADDRNOTAVAIL) || why.is(libc::ENODEV)
}

/// Whether this kernel stores `IFA_PROTO` (Linux 5.18).
#[must_use]
pub fn kernel_keeps_marks() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 18)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_by_another() {
        let mut ledger = Ledger::create(2).unwrap();
        let v6: IpAddr = "2001:db8:1:2:3:4:5:6".parse().unwrap();
        let v4: IpAddr = "10.0.0.3".parse().unwrap();
        let first = ledger.begin(7, v6, 64).unwrap();
        let second = ledger.begin(8, v4, 32).unwrap();
        assert_eq!(ledger.begin(9, v4, 32), None, "full");
        ledger.set(first, State::Held);
        let reader = Reader::open(&ledger).unwrap();
        let entries = [
            Entry { interface: 7, address: v6, prefix: 64, state: State::Held },
            Entry { interface: 8, address: v4, prefix: 32, state: State::Adding },
        ];
        assert_eq!(reader.entries(), entries);
        let before = reader.sequence();
        ledger.set(second, State::Removing);
        ledger.clear(first);
        ledger.clear(first);
        ledger.set(first, State::Held);
        assert_eq!(reader.sequence(), before + 2, "a struck record stays struck");
        assert_eq!(reader.entries(), [Entry { state: State::Removing, ..entries[1] }]);
        assert!(ledger.begin(9, v4, 32).is_some());
        assert_eq!(ledger.begin(9, v4, 32), None);
        drop(ledger);
        assert_eq!(reader.entries().len(), 2, "the writer's death erases nothing");
    }

    #[test]
    fn what_is_no_ledger_is_refused() {
        let fd = memfd_create("x", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        assert!(Reader::open(&fd).unwrap_err().to_string().contains("not sealed"));
        fcntl_add_seals(&fd, SEALS).unwrap();
        assert!(Reader::open(&fd).unwrap_err().to_string().contains("size"));
        let fd = memfd_create("x", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&fd, 4096).unwrap();
        fcntl_add_seals(&fd, SEALS).unwrap();
        assert!(Reader::open(&fd).unwrap_err().to_string().contains("not a ledger"));
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(Reader::open(&file).is_err());
    }

    /// A ledger of two records with these heads and, as the low half of the address, this word.
    fn forged(heads: [u64; 2], low: u64) -> Ledger {
        let mut ledger = Ledger::create(2).unwrap();
        let any = "10.0.0.3".parse().unwrap();
        for (head, slot) in heads.into_iter().zip([0, 1]) {
            ledger.begin(7, any, 32).unwrap();
            let [first, _, last] = ledger.book.address(slot).unwrap();
            first.store(head, Ordering::Release);
            last.store(low, Ordering::Release);
        }
        ledger
    }

    fn head(interface: u32, state: u8, prefix: u8, family: u8) -> u64 {
        Head { interface, generation: 1, state, prefix, family }.pack()
    }

    #[test]
    fn a_record_that_no_writer_leaves_names_no_address_and_is_counted() {
        for damaged in [
            head(0, 2, 32, 4),
            head(u32::MAX, 2, 32, 4),
            head(7, 2, 33, 4),
            head(7, 2, 129, 6),
            head(7, 4, 32, 4),
            head(7, 2, 32, 5),
        ] {
            let reader = Reader::open(forged([damaged, head(7, 2, 24, 4)], 0x0a00_0003)).unwrap();
            assert_eq!((reader.entries().len(), reader.damaged()), (1, 1), "{damaged:#x}");
        }
        let reader = Reader::open(forged([head(7, 2, 24, 4); 2], 1 << 32)).unwrap();
        assert_eq!((reader.entries().len(), reader.damaged()), (0, 2), "an IPv4 address has 32 bits");
    }

    fn present(place: &str, prefix: u8, marked: bool) -> Address {
        let address = place.parse().unwrap();
        Address { interface: 7, address, prefix, usable: true, secondary: false, marked }
    }

    #[test]
    fn an_address_that_is_noted_twice_is_removed_once() {
        let reader = Reader::open(forged([head(7, 1, 32, 4), head(7, 2, 32, 4)], 0x0a00_0003)).unwrap();
        let (here, there) = (reader.netns(), [present("10.0.0.3", 32, false)]);
        let left = leftovers(&reader.noted(), here, &there, false).unwrap();
        assert_eq!(left.ours.len(), 1);
        assert_eq!((left.ours[0].state, left.gone, left.not_ours), (State::Held, vec![], vec![]));
        let left = leftovers(&reader.noted(), here, &there, true).unwrap();
        assert_eq!((left.ours.len(), left.not_ours.len()), (0, 1), "without our mark it stays");
        assert!(leftovers(&reader.noted(), here ^ 1, &there, false).is_err());
    }

    #[test]
    fn no_note_takes_the_loopback_address_away() {
        let reader = Reader::open(forged([head(7, 2, 8, 4); 2], 0x7f00_0001)).unwrap();
        let left =
            leftovers(&reader.noted(), reader.netns(), &[present("127.0.0.1", 8, false)], false).unwrap();
        assert_eq!((left.ours.len(), left.not_ours.len()), (0, 1));
    }

    #[test]
    fn a_ledger_is_as_long_as_its_records() {
        let fd = memfd_create("x", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&fd, 8 * 12 + 5).unwrap();
        fcntl_add_seals(&fd, SEALS).unwrap();
        assert!(Reader::open(&fd).unwrap_err().to_string().contains("size"));
    }

    #[test]
    fn a_reader_never_sees_half_a_record() {
        let mut ledger = Ledger::create(1).unwrap();
        let reader = Reader::open(&ledger).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for entry in reader.entries() {
                        let IpAddr::V6(ip) = entry.address else { panic!("{entry:?}") };
                        assert_eq!(ip.segments(), [u16::try_from(entry.interface).unwrap(); 8]);
                    }
                }
            });
            for n in 0..20_000u16 {
                let slot = ledger.begin(u32::from(n), Ipv6Addr::from([n; 8]).into(), 128).unwrap();
                ledger.set(slot, State::Held);
                ledger.clear(slot);
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
