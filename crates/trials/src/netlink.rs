//! Any bytes as what the kernel answers or tells: reading ends, what is read stands in the bytes, and what cannot be
//! read is a refusal or a loss, never "all is well".

use linux::Refusal;
use linux::monitor::{Asks, Notices, Traces};
use linux::netlink::LinkSeen;
use linux::netlink::answer::{Answers, Dump, Table};
use node::io::{Actor, Address, Fact, Place};
use std::net::IpAddr;
use std::sync::Arc;

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// The sequence number of what was asked.
const ASKED: u32 = 0x0102_0304;

/// The first byte says where the bytes are cut in two; the others come as a dump, as answers, and as notifications.
///
/// # Panics
/// When a rule is broken.
pub fn check(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let cut = usize::from(*cut) * 4;
    let parts = if cut < bytes.len() { bytes.split_at(cut) } else { (bytes, &bytes[..0]) };
    notifications(parts.0, parts.1);
    // A fuzzer does not guess the number that was asked with: the first message has it.
    let asked = bytes.get(8..12).and_then(|four| four.try_into().ok()).map_or(ASKED, u32::from_ne_bytes);
    dump(bytes, Dump::links(asked), parts, |link| of_the_link(bytes, link));
    dump(bytes, Dump::addresses(asked), parts, |address| of_the_address(bytes, address));
    answers(bytes, asked);
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The messages that are certainly there, by a reading of its own: kind, sequence number, body.
fn messages(mut bytes: &[u8]) -> Vec<(u16, u32, &[u8])> {
    let mut found = Vec::new();
    while let (Some(len), Some(kind), Some(sequence)) = (number(bytes, 0), number(bytes, 4), number(bytes, 8))
    {
        let len = u32::from_ne_bytes(len) as usize;
        if len < HEADER || len > bytes.len() {
            break;
        }
        found.push((u16::from_ne_bytes(kind), u32::from_ne_bytes(sequence), &bytes[HEADER..len]));
        bytes = bytes.get(len.div_ceil(4) * 4..).unwrap_or(&[]);
    }
    found
}

/// So many bytes are messages, with what aligns them.
fn readable(bytes: &[u8]) -> usize {
    messages(bytes).iter().map(|(_, _, body)| (HEADER + body.len()).div_ceil(4) * 4).sum()
}

fn stands_in(bytes: &[u8], value: &[u8]) -> bool {
    value.is_empty() || bytes.windows(value.len()).any(|window| window == value)
}

fn of_the_link(bytes: &[u8], link: &LinkSeen) {
    assert!(stands_in(bytes, &link.index.to_ne_bytes()));
    if let Some(name) = &link.name {
        assert!(!name.is_empty() && !name.contains('\0'));
        assert!(name.contains(char::REPLACEMENT_CHARACTER) || stands_in(bytes, name.as_bytes()));
    }
}

fn of_the_address(bytes: &[u8], address: &Address) {
    assert!(stands_in(bytes, &address.interface.to_ne_bytes()));
    of_the_place(bytes, &address.place());
}

fn of_the_place(bytes: &[u8], place: &Place) {
    let octets = match place.address {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    assert!(stands_in(bytes, &octets), "{place:?}");
    assert!(usize::from(place.prefix) <= octets.len() * 8, "{place:?}");
}

#[allow(clippy::wildcard_enum_match_arm, reason = "no other fact, now or later, is a notification")]
fn notifications(first: &[u8], second: &[u8]) {
    let asks = Asks { forwards_ipv6: |name| name.len() % 2 == 1, name_of: |port| Some(port.to_string()) };
    let traces = Arc::new(Traces::default());
    let noted = Place { interface: 2, address: IpAddr::from([10, 0, 0, 3]), prefix: 32 };
    traces.leave(noted);
    let mut notices = Notices::new(7, traces, asks);
    let mut by_us = 0;
    for bytes in [first, second] {
        let mut facts = Vec::new();
        let whole = notices.read(bytes, &mut facts);
        let there = messages(bytes);
        assert!(facts.len() <= there.len(), "more facts than messages");
        assert!(!whole || readable(bytes) >= bytes.len(), "what was not read is a loss");
        for fact in &facts {
            match fact {
                Fact::Link(link) => assert!(!link.name.is_empty()),
                Fact::Address(address) => of_the_address(bytes, address),
                Fact::AddressGone { place, by } => {
                    of_the_place(bytes, place);
                    if *by == Actor::Ourselves {
                        assert_eq!(*place, noted);
                        by_us += 1;
                    }
                }
                Fact::LinkGone(_) => {}
                other => panic!("{other:?} is not in any notification"),
            }
        }
    }
    assert!(by_us <= 1, "one note, one removal of ours");
}

fn dump<T: PartialEq + std::fmt::Debug>(
    all: &[u8],
    mut dump: Dump<T>,
    (first, second): (&[u8], &[u8]),
    each: impl Fn(&T),
) {
    let ended = dump.take(first) || dump.take(second);
    match dump.finish() {
        Ok(Table { rows, disturbed }) => {
            assert!(rows.len() <= all.len() / HEADER);
            rows.iter().for_each(each);
            if !ended && !disturbed {
                for part in [first, second] {
                    assert!(readable(part) >= part.len(), "what was not read is a disturbance");
                }
            }
        }
        Err(why) => {
            assert!(ended && why.errno.0 > 0, "{why:?}");
            in_words(&why);
        }
    }
}

fn answers(bytes: &[u8], asked: u32) {
    const COUNT: usize = 3;
    let mut results: Vec<Result<(), Refusal>> = vec![Ok(()); COUNT];
    let done = Answers::new(asked, &mut results).take(bytes);
    let there = messages(bytes);
    for (at, result) in results.iter().enumerate() {
        let sequence = asked.wrapping_add(u32::try_from(at).unwrap_or(0));
        let its: Vec<_> =
            there.iter().filter(|(kind, its, _)| (*kind, *its) == (NLMSG_ERROR, sequence)).collect();
        assert!(!(at + 1 == COUNT && done && its.is_empty()), "answered by nobody");
        let well = |body: &[u8]| number(body, 0) == Some([0; 4]);
        match result {
            Ok(()) => assert!(its.iter().all(|(_, _, body)| well(body)), "a refusal is lost"),
            Err(why) => {
                assert!(its.iter().any(|(_, _, body)| !well(body)));
                assert!(why.errno.0 > 0, "{why:?}");
                in_words(why);
            }
        }
    }
    let is_end = |kind| kind == NLMSG_DONE || kind == NLMSG_ERROR;
    assert!(!done || there.iter().any(|(kind, ..)| is_end(*kind)));
}

/// What the kernel says goes into a line of a log.
fn in_words(why: &Refusal) {
    if let Some(text) = &why.text {
        assert!(text.chars().count() <= 200 && !text.contains(char::is_control));
    }
}
