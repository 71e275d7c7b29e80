//! One record for each router: how it stands, for a worker that goes on in its place.
//!
//! The packet thread writes a record when its router has advertised or changed, after the advert has gone: what is noted
//! is never ahead of what the other routers heard. A sequence lock (the first word, odd while the record changes) keeps
//! a reader from seeing half of it; one that stays odd was being written when its writer died, and counts as damaged.
//!
//! Record, in words: lock (0: free); until; advertise at (nanoseconds of `CLOCK_BOOTTIME`); sequence number; stamp (0: none); sent; bytes `kind,
//! family, way, VRID, leader's family, leader's priority, interval` (2, in centiseconds); name of the interface or VRF (2 words, ended by
//! 0); leader's address (2 words); received; became Active; released Active; priority; 1 word reserved. What an advert changes
//! comes first, and so all of it lies in one line of the processor's cache.

use super::book::{Book, Free, ROUTER, at};
use super::{PATIENCE, beat, claim, halves};
use model::{Home, Identity};
use node::estate::{Estate, Note, Progress, Tally};
use node::io::RouterId;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;
use timeline::Instant;
use vrrp::{Leader, Legacy};
use wire::trailer::Stamp;
use wire::{Family, Interval, Priority, Vrid};

const BACKUP: u8 = 1;
const ACTIVE: u8 = 2;
/// Of the byte that says how a router speaks: unicast, and routing decides where; its name is that of a VRF device or
/// empty. 0 and 1 are multicast and unicast on an interface.
const ROUTED: u8 = 2;

/// Where a router is noted, and its interval if it is Active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    slot: u32,
    pace: Option<Interval>,
}

/// The packet thread's side of a ledger: its sign of life, and the routers.
#[derive(Debug)]
pub struct Roll {
    book: Arc<Book>,
    free: Free,
    /// By the router's number: numbers are given from 0 on, and each advert looks here.
    places: Vec<Option<Place>>,
    /// Records of the worker before: they stand until this one's do.
    old: Vec<usize>,
    /// How many routers are Active at each interval.
    paces: BTreeMap<Interval, usize>,
    /// The pace that was noted last.
    pace: Duration,
}

impl Roll {
    pub(super) fn new(book: Arc<Book>) -> Self {
        let free = Free::from(0, book.routers());
        Self { book, free, places: Vec::new(), old: Vec::new(), paces: BTreeMap::new(), pace: Duration::ZERO }
    }

    /// To be called once by the packet thread itself.
    pub fn begin(&self) {
        beat::begin(&self.book);
    }

    /// A turn begins.
    pub fn turns(&self, now: Instant) {
        beat::turns(&self.book, now);
    }

    /// A turn has ended; the next one comes at `due` at the latest. Returns whether there is more haste than before: then
    /// the supervisor has to be told, who looks no oftener than it must.
    pub fn rests(&mut self, now: Instant, due: Instant) -> bool {
        for slot in self.old.drain(..) {
            if let Some([lock, ..]) = self.book.router(slot) {
                lock.store(0, Ordering::Release);
            }
            self.free.put(slot);
        }
        let pace = self.paces.keys().next().map_or(Duration::ZERO, |interval| interval.duration());
        beat::rests(&self.book, now, due, pace);
        let before = std::mem::replace(&mut self.pace, pace);
        !pace.is_zero() && (before.is_zero() || pace < before)
    }

    /// What the worker before left to this one, if the supervisor still offers it: from now on it is this one's.
    /// Otherwise `None`, and the supervisor removes or has removed the addresses.
    ///
    /// The records stand until this turn has ended ([`Roll::rests`]): should it not, the supervisor knows how long it may
    /// wait. To be called before anything is noted.
    pub fn claim(&mut self) -> Option<Vec<Estate>> {
        if !claim::swap(&self.book, claim::OFFERED, claim::CLAIMED) {
            erase(&self.book);
            return None;
        }
        // A record that is not in use, or says nothing, has no reader to stand for.
        let (old, unused) =
            self.book.used_routers().enumerate().partition::<Vec<_>, _>(|(_, record)| stands(record));
        let [old, unused] =
            [old, unused].map(|some| some.into_iter().map(|(slot, _)| slot).collect::<Vec<_>>());
        self.free = Free::from(old.len() + unused.len(), self.book.routers());
        unused.into_iter().rev().for_each(|slot| self.free.put(slot));
        self.old = old;
        let left = estates(&self.book);
        beat::hurry(&self.book, left.pace());
        Some(left.estates)
    }

    /// Notes what is new about a router. `false`: there is no room for it, and nobody goes on with it.
    pub fn note(&mut self, id: RouterId, note: Note<'_>) -> bool {
        match note {
            Note::Advertised(progress) => {
                let Some(Place { slot, .. }) = self.place(id) else { return false };
                self.write(slot, &progressed(progress));
                true
            }
            Note::Stands(estate) => self.note_whole(id, estate).is_some(),
            Note::Gone => {
                let at = usize::try_from(id.0).ok().and_then(|at| self.places.get_mut(at));
                if let Some(Place { slot, pace }) = at.and_then(Option::take) {
                    self.change_pace(pace, None);
                    self.write(slot, &[0; ROUTER - 1]);
                    usize::try_from(slot).into_iter().for_each(|slot| self.free.put(slot));
                }
                true
            }
        }
    }

    fn place(&self, id: RouterId) -> Option<Place> {
        usize::try_from(id.0).ok().and_then(|at| self.places.get(at).copied().flatten())
    }

    fn note_whole(&mut self, id: RouterId, estate: &Estate) -> Option<()> {
        let at = usize::try_from(id.0).ok()?;
        let known = self.place(id);
        let pace = match estate.legacy {
            Legacy::Active { interval, .. } => Some(interval),
            Legacy::Backup { .. } => None,
        };
        let slot = match known {
            Some(place) => place.slot,
            None => {
                let slot = self.free.take()?;
                self.book.use_up_to(at::ROUTERS_USED, slot);
                u32::try_from(slot).ok()?
            }
        };
        self.change_pace(known.and_then(|place| place.pace), pace);
        if self.places.len() <= at {
            self.places.resize(at + 1, None);
        }
        *self.places.get_mut(at)? = Some(Place { slot, pace });
        self.write(slot, &encode(estate));
        Some(())
    }

    fn change_pace(&mut self, before: Option<Interval>, after: Option<Interval>) {
        if before == after {
            return;
        }
        if let Some(before) = before
            && let Some(count) = self.paces.get_mut(&before)
        {
            *count -= 1;
            if *count == 0 {
                self.paces.remove(&before);
            }
        }
        if let Some(after) = after {
            *self.paces.entry(after).or_default() += 1;
        }
    }

    /// Writes the first words of a record, from the one after the lock.
    fn write(&self, slot: u32, words: &[u64]) {
        let record = usize::try_from(slot).ok().and_then(|slot| self.book.router(slot));
        let Some([lock, rest @ ..]) = record else { return };
        let before = lock.load(Ordering::Relaxed) & !1;
        lock.store(before | 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (to, value) in rest.iter().zip(words) {
            to.store(*value, Ordering::Relaxed);
        }
        // Never 0: a record that is written is not free.
        lock.store(before.wrapping_add(2).max(2), Ordering::Release);
    }
}

/// What the records of a ledger say.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Estates {
    /// How each router stands.
    pub estates: Vec<Estate>,
    /// So many records are not whole.
    pub damaged: usize,
}

impl Estates {
    /// When the first of the other routers may take over from one that is Active here, if nothing is said any more.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        let active = self.estates.iter().filter_map(|estate| match estate.legacy {
            Legacy::Active { until, .. } => Some(until),
            Legacy::Backup { .. } => None,
        });
        active.min()
    }

    /// The shortest interval of a router that is Active; zero if none is.
    #[must_use]
    pub fn pace(&self) -> Duration {
        let active = self.estates.iter().filter_map(|estate| match estate.legacy {
            Legacy::Active { interval, .. } => Some(interval.duration()),
            Legacy::Backup { .. } => None,
        });
        active.min().unwrap_or_default()
    }
}

/// Whether a record was written and not struck out since; one that is not whole may say something.
fn stands(record: &[AtomicU64; ROUTER]) -> bool {
    let [lock, _, _, _, _, _, head, ..] = record;
    let lock = lock.load(Ordering::Acquire);
    lock & 1 == 1 || (lock != 0 && head.load(Ordering::Relaxed) != 0)
}

/// All records are free.
pub(super) fn erase(book: &Book) {
    for [lock, ..] in book.used_routers() {
        lock.store(0, Ordering::Release);
    }
}

pub(super) fn estates(book: &Book) -> Estates {
    let mut all = Estates::default();
    for record in book.used_routers() {
        match read(record) {
            Ok(Some(estate)) => all.estates.push(estate),
            Err(Damaged) => all.damaged += 1,
            Ok(None) => {}
        }
    }
    all
}

/// A record that no writer of ours leaves, or leaves only when it dies in the middle.
struct Damaged;

fn read(record: &[AtomicU64; ROUTER]) -> Result<Option<Estate>, Damaged> {
    let [lock, rest @ ..] = record;
    for _ in 0..PATIENCE {
        let before = lock.load(Ordering::Acquire);
        if before & 1 == 1 {
            std::hint::spin_loop();
            continue;
        }
        let mut words = [0; ROUTER - 1];
        for (to, from) in words.iter_mut().zip(rest) {
            *to = from.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        if lock.load(Ordering::Relaxed) == before {
            return if before == 0 { Ok(None) } else { decode(&words) };
        }
    }
    Err(Damaged)
}

fn encode(estate: &Estate) -> [u64; ROUTER - 1] {
    let Estate { identity, legacy, priority, sequence, stamp, tally } = estate;
    let (kind, interval, leader, times) = match *legacy {
        Legacy::Backup { interval, leader } => (BACKUP, interval, leader, [Instant::EPOCH; 2]),
        Legacy::Active { interval, until, advertise_at } => (ACTIVE, interval, None, [until, advertise_at]),
    };
    let family = match identity.family {
        Family::V4 => 4,
        Family::V6 => 6,
    };
    let (leader_family, leader_priority, [high, low]) = match leader.map(|leader| (leader.source, leader)) {
        None => (0, 0, [0, 0]),
        Some((IpAddr::V4(v4), leader)) => (4, leader.priority.0, [0, u64::from(u32::from(v4))]),
        Some((IpAddr::V6(v6), leader)) => (6, leader.priority.0, halves(u128::from(v6))),
    };
    let [centis, rest] = interval.centis().to_be_bytes();
    let vrid = identity.vrid.get();
    let way = if identity.home.is_routed() { ROUTED } else { u8::from(identity.unicast) };
    let head = [kind, family, way, vrid, leader_family, leader_priority, centis, rest];
    let mut name = [0; 16];
    for (to, from) in
        name.iter_mut().zip(identity.home.device().into_iter().flat_map(|name| name.bytes()).take(15))
    {
        *to = from;
    }
    let [first, second] = halves(u128::from_be_bytes(name));
    let [until, advertise_at] = times.map(Instant::as_nanos);
    let Tally { sent, received, became_active, released_active } = *tally;
    let sequence = u64::from(*sequence);
    let head = u64::from_be_bytes(head);
    [
        until,
        advertise_at,
        sequence,
        stamp.map_or(0, |Stamp(stamp)| stamp),
        sent,
        head,
        first,
        second,
        high,
        low,
        received,
        became_active,
        released_active,
        u64::from(priority.0),
        0,
    ]
}

/// The words that an advert changes: the first of those that [`encode`] gives.
fn progressed(progress: Progress) -> [u64; 5] {
    let Progress { until, advertise_at, sequence, stamp, sent } = progress;
    let stamp = stamp.map_or(0, |Stamp(stamp)| stamp);
    [until.as_nanos(), advertise_at.as_nanos(), u64::from(sequence), stamp, sent]
}

fn decode(words: &[u64; ROUTER - 1]) -> Result<Option<Estate>, Damaged> {
    let [until, advertise_at, sequence, stamp, sent, head, first, second, high, low, rest @ ..] = *words;
    let [received, became_active, released_active, priority, _] = rest;
    let [kind, family, way, vrid, leader_family, leader_priority, centis, more] = head.to_be_bytes();
    if kind == 0 {
        return Ok(None);
    }
    let interval = Interval::from_centis(u16::from_be_bytes([centis, more])).ok_or(Damaged)?;
    let low_32 = u32::try_from(low).ok().filter(|_| high == 0);
    let source = match (leader_family, low_32) {
        (0, _) => None,
        (4, Some(bits)) => Some(IpAddr::V4(Ipv4Addr::from(bits))),
        (6, _) => Some(IpAddr::V6(Ipv6Addr::from(u128::from(high) << 64 | u128::from(low)))),
        _ => return Err(Damaged),
    };
    let leader = source.map(|source| Leader { source, priority: Priority(leader_priority) });
    let [until, advertise_at] = [until, advertise_at].map(Instant::from_nanos);
    let legacy = match kind {
        BACKUP => Legacy::Backup { interval, leader },
        ACTIVE => Legacy::Active { interval, until, advertise_at },
        _ => return Err(Damaged),
    };
    let name = (u128::from(first) << 64 | u128::from(second)).to_be_bytes();
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = std::str::from_utf8(name).ok().filter(|name| name.len() < 16).ok_or(Damaged)?;
    let name = (!name.is_empty()).then(|| name.into());
    let (home, unicast) = match way {
        ROUTED => (Home::Routed { vrf: name }, true),
        0 => (Home::Interface(name.ok_or(Damaged)?), false),
        1 => (Home::Interface(name.ok_or(Damaged)?), true),
        _ => return Err(Damaged),
    };
    let identity = Identity {
        home,
        vrid: Vrid::new(vrid).ok_or(Damaged)?,
        family: match family {
            4 => Family::V4,
            6 => Family::V6,
            _ => return Err(Damaged),
        },
        unicast,
    };
    let priority =
        u8::try_from(priority).ok().filter(|priority| *priority > 0).map(Priority).ok_or(Damaged)?;
    let sequence = u32::try_from(sequence).map_err(|_| Damaged)?;
    let tally = Tally { sent, received, became_active, released_active };
    let stamp = Some(Stamp(stamp)).filter(|stamp| *stamp != Stamp(0));
    Ok(Some(Estate { identity, legacy, priority, sequence, stamp, tally }))
}

/// So that a change of the layout is noticed: a record is as long as its parts.
const _: () = assert!(ROUTER == 16 && at::FILTER < super::book::HEADER);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Ledger, Reader, State};

    fn estate(vrid: u8, legacy: Legacy) -> Estate {
        let vrid = Vrid::new(vrid).unwrap();
        let identity = Identity { home: "eth0".into(), vrid, family: Family::V4, unicast: false };
        let tally = Tally { sent: 5, received: 6, became_active: 7, released_active: 8 };
        Estate { identity, legacy, priority: Priority(120), sequence: 9, stamp: Some(Stamp(10)), tally }
    }

    fn active(vrid: u8, centis: u16, until: u64) -> Estate {
        let interval = Interval::from_centis(centis).unwrap();
        let [until, advertise_at] = [until, 2].map(Instant::from_nanos);
        estate(vrid, Legacy::Active { interval, until, advertise_at })
    }

    fn backup(vrid: u8, source: &str) -> Estate {
        let leader = Some(Leader { source: source.parse().unwrap(), priority: Priority(150) });
        estate(vrid, Legacy::Backup { interval: Interval::from_centis(4095).unwrap(), leader })
    }

    #[test]
    fn how_routers_stand_is_read_by_another_as_it_was_written() {
        let ledger = Ledger::create(64).unwrap();
        let (mut roll, reader) = (ledger.roll(), Reader::open(&ledger).unwrap());
        let mut other = backup(52, "2001:db8::5");
        other.identity =
            Identity { home: "0123456789abcde".into(), family: Family::V6, unicast: true, ..other.identity };
        let lone = estate(53, Legacy::Backup { interval: Interval::SECOND, leader: None });
        let routed = |vrid, vrf: Option<&str>| {
            let mut routed = backup(vrid, "10.0.0.5");
            routed.identity.unicast = true;
            routed.identity.home = Home::Routed { vrf: vrf.map(Into::into) };
            routed
        };
        let all = [
            active(50, 100, 77),
            backup(51, "10.0.0.5"),
            other,
            lone,
            routed(54, None),
            routed(54, Some("red")),
        ];
        for (id, estate) in (0..).map(RouterId).zip(&all) {
            roll.note(id, Note::Stands(estate));
        }
        assert_eq!(reader.estates(), Estates { estates: all.to_vec(), damaged: 0 });
        assert_eq!(reader.estates().until(), Some(Instant::from_nanos(77)));
        roll.note(RouterId(1), Note::Gone);
        roll.note(RouterId(1), Note::Gone);
        roll.note(RouterId(0), Note::Stands(&backup(50, "10.0.0.6")));
        let left = reader.estates();
        assert_eq!(left.estates, [&[backup(50, "10.0.0.6")], &all[2..]].concat());
        assert_eq!(left.until(), None);
    }

    #[test]
    fn an_advert_changes_its_own_words_and_no_others() {
        let ledger = Ledger::create(8).unwrap();
        let (mut roll, reader) = (ledger.roll(), Reader::open(&ledger).unwrap());
        let [until, advertise_at] = [90, 80].map(Instant::from_nanos);
        let progress = Progress { until, advertise_at, sequence: 17, stamp: None, sent: 18 };
        roll.note(RouterId(4), Note::Advertised(progress));
        assert_eq!(reader.estates(), Estates::default(), "nothing is known of it");
        let mut expected = active(50, 100, 77);
        roll.note(RouterId(4), Note::Stands(&expected));
        roll.note(RouterId(4), Note::Advertised(progress));
        expected.go_on(progress);
        assert_eq!(reader.estates(), Estates { estates: vec![expected], damaged: 0 });
        assert_eq!(reader.estates().until(), Some(until));
    }

    #[test]
    fn the_pace_is_the_shortest_interval_of_an_active_router() {
        let ledger = Ledger::create(8).unwrap();
        let (mut roll, reader) = (ledger.roll(), Reader::open(&ledger).unwrap());
        assert_eq!((reader.beat().turned_at, reader.beat().due_at), (None, Instant::NEVER));
        let pace = |roll: &mut Roll| {
            let haste = roll.rests(Instant::from_nanos(5), Instant::from_nanos(9));
            (reader.beat().pace, haste)
        };
        assert_eq!(pace(&mut roll), (Duration::ZERO, false));
        roll.note(RouterId(0), Note::Stands(&active(50, 100, 1)));
        roll.note(RouterId(1), Note::Stands(&active(51, 10, 1)));
        // No room for more; nobody goes on with it, and it sets no pace.
        roll.note(RouterId(2), Note::Stands(&active(52, 1, 1)));
        roll.note(RouterId(2), Note::Gone);
        assert_eq!(pace(&mut roll), (Duration::from_millis(100), true));
        assert_eq!(pace(&mut roll), (Duration::from_millis(100), false));
        roll.note(RouterId(1), Note::Stands(&active(51, 50, 1)));
        assert_eq!(pace(&mut roll), (Duration::from_millis(500), false));
        roll.note(RouterId(1), Note::Stands(&backup(51, "10.0.0.5")));
        assert_eq!(pace(&mut roll), (Duration::from_secs(1), false));
        roll.note(RouterId(0), Note::Gone);
        assert_eq!(pace(&mut roll), (Duration::ZERO, false));
        assert_eq!(reader.beat().due_at, Instant::from_nanos(9));
        roll.turns(Instant::from_nanos(10));
        assert_eq!(reader.beat().due_at, Instant::from_nanos(10), "in a turn it is due");
    }

    /// A ledger in which a worker has died that was Active and held an address; and the supervisor's descriptor.
    fn left() -> (Ledger, Ledger) {
        let supervisor = Ledger::create(16).unwrap();
        let fd = || supervisor.fd.try_clone().unwrap();
        supervisor.offer(false);
        let mut first = Ledger::adopt(fd()).unwrap();
        assert_eq!((first.take_kept(), first.roll().claim()), (vec![], None), "nothing was offered");
        let slot = first.begin(7, "10.0.0.3".parse().unwrap(), 32).unwrap();
        first.set(slot, State::Held);
        first.roll().note(RouterId(3), Note::Stands(&active(50, 100, 77)));
        let second = fd();
        supervisor.offer(true);
        (supervisor, Ledger::adopt(second).unwrap())
    }

    #[test]
    fn what_is_offered_is_gone_on_with_and_stands_until_the_successor_stands() {
        let (supervisor, mut second) = left();
        let reader = Reader::open(&supervisor).unwrap();
        assert_eq!(reader.entries().len(), 1, "it is still held");
        let kept = second.take_kept();
        assert_eq!(kept[0].0.address, IpAddr::from([10, 0, 0, 3]));
        let mut roll = second.roll();
        assert_eq!(roll.claim(), Some(vec![active(50, 100, 77)]));
        assert!(!supervisor.revoke(), "it is taken");
        assert_eq!(reader.beat().pace, Duration::from_secs(1), "the turn is urgent");
        assert_eq!(reader.estates().until(), Some(Instant::from_nanos(77)));
        roll.note(RouterId(0), Note::Stands(&active(50, 100, 99)));
        assert!(roll.rests(Instant::from_nanos(5), Instant::from_nanos(9)));
        assert_eq!(reader.estates(), Estates { estates: vec![active(50, 100, 99)], damaged: 0 });
        second.clear(kept[0].1);
        assert_eq!(reader.entries(), []);
        assert_eq!(roll.claim(), None, "once");
    }

    #[test]
    fn one_succession_after_the_other_takes_no_more_room_than_two() {
        let (supervisor, mut ledger) = left();
        for n in 0..20 {
            let mut roll = ledger.roll();
            assert_eq!(roll.claim().map(|left| left.len()), Some(1), "the {n}. time");
            roll.note(RouterId(3), Note::Stands(&active(50, 100, 77)));
            roll.rests(Instant::from_nanos(5), Instant::from_nanos(9));
            assert!(supervisor.book.load(at::ROUTERS_USED) <= 2, "the {n}. time");
            supervisor.offer(true);
            ledger = Ledger::adopt(supervisor.fd.try_clone().unwrap()).unwrap();
        }
    }

    #[test]
    fn what_was_offered_and_taken_back_is_not_gone_on_with() {
        let (supervisor, second) = left();
        assert!(supervisor.revoke() && !supervisor.revoke());
        assert_eq!(second.roll().claim(), None);
        let reader = Reader::open(&supervisor).unwrap();
        assert_eq!(reader.estates(), Estates::default());
        assert_eq!(reader.entries().len(), 1, "until the hand has heard that it is not ours");
    }

    #[test]
    fn a_record_that_its_writer_did_not_finish_is_damaged() {
        let ledger = Ledger::create(8).unwrap();
        let (mut roll, reader) = (ledger.roll(), Reader::open(&ledger).unwrap());
        roll.note(RouterId(0), Note::Stands(&active(50, 100, 77)));
        let [lock, _, _, _, _, _, head, ..] = ledger.book.router(0).unwrap();
        lock.fetch_add(1, Ordering::Relaxed);
        assert_eq!(reader.estates(), Estates { estates: vec![], damaged: 1 });
        lock.fetch_add(1, Ordering::Relaxed);
        assert_eq!(reader.estates().damaged, 0);
        for (byte, value) in [(0, 3), (1, 5), (2, 3), (3, 0), (4, 5), (6, 255)] {
            let good = head.load(Ordering::Relaxed);
            let mut bytes = good.to_be_bytes();
            bytes[byte] = value;
            head.store(u64::from_be_bytes(bytes), Ordering::Relaxed);
            assert_eq!(reader.estates(), Estates { estates: vec![], damaged: 1 }, "byte {byte}");
            head.store(good, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_reader_never_sees_half_a_record() {
        let ledger = Ledger::create(4).unwrap();
        let reader = Reader::open(&ledger).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for estate in reader.estates().estates {
                        let tally = estate.tally;
                        assert_eq!(
                            [tally.sent; 3],
                            [tally.received, tally.became_active, tally.released_active]
                        );
                        assert_eq!(u64::from(estate.sequence), tally.sent);
                    }
                }
            });
            let mut roll = ledger.roll();
            for n in 1..=20_000_u32 {
                let mut estate = active(50, 100, 77);
                let each = u64::from(n);
                estate.sequence = n;
                estate.tally =
                    Tally { sent: each, received: each, became_active: each, released_active: each };
                roll.note(RouterId(0), Note::Stands(&estate));
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
