//! Any bytes as what a worker leaves behind: its ledger, and the pid file. Whatever they say, no address is removed that
//! is not there, or is there without being ours, and nobody goes on as Active when another may have taken over.

use linux::ledger::roll::Estates;
use linux::ledger::{Entry, Ledger, Leftovers, Reader, State, leftovers};
use linux::pidfile;
use linux::vigil::Vigil;
use node::io::{Address, Place};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use timeline::{Duration, Instant, Machine as _};
use vrrp::{Input, Legacy, Role, Router, Settings};
use wire::{Family, Version};

/// The first byte chooses the seals, and what is there; the others are the ledger.
///
/// # Panics
/// When a rule is broken.
pub fn check(bytes: &[u8]) {
    let Some((choice, image)) = bytes.split_first() else { return };
    pid_file(image);
    let fd = sealed(image, choice & 1 == 0);
    let reader = match Reader::open(&fd) {
        Ok(reader) => reader,
        Err(why) => {
            assert!(why.to_string().contains("ledger"), "{why}");
            assert!(Ledger::adopt(fd).is_err(), "what cannot be read cannot be written");
            return;
        }
    };
    assert!(choice & 1 == 0, "without seals its end could be cut off");
    let entries = reader.entries();
    assert!(entries.len() + reader.damaged() <= image.len() / 32, "more than there is room for");
    let estates = reader.estates();
    assert!(estates.estates.len() + estates.damaged <= image.len() / 128, "more than there is room for");
    resumed(&estates);
    watched(&reader);
    assert!(
        leftovers(&reader.noted(), reader.netns() ^ 1, &[], true).is_err(),
        "addresses of another namespace"
    );
    for marks in [false, true] {
        let present = present(&entries, choice >> 1);
        let left = leftovers(&reader.noted(), reader.netns(), &present, marks).expect("of this namespace");
        judge(&entries, &present, marks, &left);
    }
    adopted(fd, &reader, &entries, &estates);
}

fn pid_file(bytes: &[u8]) {
    if let Some(pid) = pidfile::written(bytes) {
        assert!(i32::try_from(pid).is_ok_and(|pid| pid > 0));
        assert_eq!(pidfile::written(format!("{pid}\n").as_bytes()), Some(pid));
    }
}

fn sealed(image: &[u8], seal: bool) -> OwnedFd {
    let fd = memfd_create("ledger", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memory");
    let written = rustix::io::write(&fd, image).expect("memory");
    assert_eq!(written, image.len());
    if seal {
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(&fd, seals).expect("a memfd takes seals");
    }
    fd
}

/// A host where some of the noted addresses are: marked, by somebody else, with another prefix, or not at all.
fn present(entries: &[Entry], choice: u8) -> Vec<Address> {
    let of = |interface, address, prefix, marked| {
        let (usable, secondary) = (true, false);
        Address { interface, address, prefix, usable, secondary, marked }
    };
    let mut present = vec![
        of(1, IpAddr::V4(Ipv4Addr::LOCALHOST), 8, false),
        of(2, Ipv4Addr::new(10, 0, 0, 5).into(), 24, false),
        of(2, Ipv4Addr::new(10, 0, 0, 3).into(), 32, true),
    ];
    for (n, entry) in entries.iter().enumerate() {
        let turn = (n + usize::from(choice)) % 4;
        let prefix = if turn == 2 { entry.prefix / 2 } else { entry.prefix };
        if turn < 3 {
            present.push(of(entry.interface, entry.address, prefix, turn == 0));
        }
    }
    present
}

fn place(entry: &Entry) -> Place {
    Place { interface: entry.interface, address: entry.address, prefix: entry.prefix }
}

fn judge(entries: &[Entry], present: &[Address], marks: bool, left: &Leftovers) {
    let mut named = BTreeSet::new();
    for entry in left.ours.iter().chain(&left.gone).chain(&left.not_ours) {
        assert!(named.insert(place(entry)), "{entry:?} is judged twice");
        assert!(entries.contains(entry), "{entry:?} was never noted");
    }
    assert_eq!(named, entries.iter().map(place).collect(), "each is judged");
    for entry in &left.ours {
        assert!(entry.interface > 0 && entry.prefix <= if entry.address.is_ipv4() { 32 } else { 128 });
        let there: Vec<_> = present.iter().filter(|there| there.place() == place(entry)).collect();
        assert!(!there.is_empty(), "{entry:?} is not there");
        let marked = there.iter().any(|there| there.marked);
        let certain = !marks && entry.state != State::Adding && entry.address != Ipv4Addr::LOCALHOST;
        assert!(marked || certain, "{entry:?} is not ours");
    }
}

/// What a router makes of what another one left: it is Active only while nobody else can be, and in any case alive.
fn resumed(left: &Estates) {
    let now = Instant::from_nanos(1_000_000_000_000);
    for estate in &left.estates {
        let version = if estate.identity.family == Family::V4 { Version::V2 } else { Version::V3 };
        let mut router = Router::new(Settings::new(version, estate.identity.family, estate.identity.vrid));
        let primary = IpAddr::from([192, 0, 2, 9]);
        router.handle(now, Input::Resume { primary, legacy: estate.legacy }, &mut Vec::new());
        let may = matches!(estate.legacy, Legacy::Active { until, .. } if until > now);
        assert_eq!(router.role() == Role::Active, may, "{estate:?}");
        assert!(router.deadline().is_some_and(|due| due > now), "it goes on");
    }
    let first = left.until();
    assert!(left.estates.iter().all(|estate| match estate.legacy {
        Legacy::Active { until, .. } => first.is_some_and(|first| first <= until),
        Legacy::Backup { .. } => true,
    }));
}

/// Whatever the sign of life says, there is a next look, and it is not far away.
fn watched(reader: &Reader) {
    let mut now = Instant::from_nanos(1_000_000_000_000);
    let mut vigil = Vigil::new(now);
    for _ in 0..20 {
        if vigil.look(now, &reader.beat(), || reader.estates().until()).is_some() {
            return;
        }
        assert!(vigil.look_at() > now && vigil.look_at().since(now) <= Duration::from_secs(10));
        now = vigil.look_at();
    }
}

/// A new worker begins with what it was offered, or with nothing, and has all the room there is.
fn adopted(fd: OwnedFd, reader: &Reader, entries: &[Entry], estates: &Estates) {
    let mut ledger = Ledger::adopt(fd).expect("it was opened");
    let kept = ledger.take_kept();
    assert_eq!((reader.entries().len(), reader.damaged()), (kept.len(), 0));
    assert!(kept.iter().all(|(kept, _)| entries.iter().any(|entry| place(entry) == *kept)));
    let mut roll = ledger.roll();
    let claimed = roll.claim();
    assert!(kept.is_empty() || claimed.is_some(), "what is kept was offered");
    if let Some(claimed) = claimed
        && !kept.is_empty()
    {
        assert_eq!(claimed, estates.estates);
    }
    let now = Instant::from_nanos(1);
    roll.rests(now, now);
    assert_eq!(reader.estates(), Estates::default(), "what it does not note is gone");
    let address = IpAddr::from([192, 0, 2, 1]);
    let mut slots: Vec<_> = kept.into_iter().map(|(_, slot)| slot).collect();
    while let Some(slot) = ledger.begin(9, address, 32) {
        slots.push(slot);
    }
    assert_eq!(reader.entries().len(), slots.len());
    for slot in slots {
        ledger.set(slot, State::Held);
        ledger.clear(slot);
    }
    assert_eq!((ledger.entries(), reader.damaged()), (vec![], 0));
}
