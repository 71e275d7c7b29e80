//! Writes the seeds from which the corpora in `fuzz/corpus` grew: `cargo run -p trials --example seeds [DIRECTORY]`.
#![allow(clippy::unwrap_used, reason = "a tool for who works on the fuzz targets")]

use linux::ledger::{Ledger, State};
use model::Identity;
use node::estate::{Estate, Note, Tally};
use node::io::RouterId;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use timeline::Instant;
use vrrp::{Leader, Legacy};
use wire::Family;

/// Vectors of the conformance list: whole IPv4 datagrams, IPv4 messages and IPv6 messages.
const DATAGRAMS: [&str; 6] = [
    "45c0002800000000ff70d08e0a000005e0000012213296010101db650a0000033131313100000000",
    "45c0002800000000ff70d08e0a000005e00000122132960100013ec80a0000030000000000000000",
    "45c0004000010000ff33d0b20a000005e0000012700400000a00000500000001e40301182d8ccdc87d80bcee2132960102013cc80a0000030000000000000000",
    "45c0004000010000ff33d0b20a000005e0000012700400000a0000050000000145c92ca4a1f7eb011b948d002132960102013cc80a0000030000000000000000",
    "45c0002000000000ff701899c0000202e0000012313364010064a865c0000201",
    "45c0002000000000ff701899c0000202e000001231336401006405d4c0000201",
];
const MESSAGES: [&str; 19] = [
    "213200010001d4c80a0000030000000000000000",
    "21320001010171660a0000033131313100000000",
    "2101ff0200035b75c0000201c00002810000000000000000",
    "3133000100640c66c0000201",
    "31330001006469d4c0000201",
    "3133ff010fff5b37c0000202",
    "3133fe0200014cc3c0000201c0000203",
    "31336401f064b864c0000201",
    "3137640100640000c000aa62",
    "313764010064ffffc000aa62",
    "4133640100649865c0000201",
    "323364010064a765c0000201",
    "313364010064a8",
    "313364010064a865c000",
    "313364020064a864c0000201",
    "3133640000646a68",
    "313364010064a965c0000201",
    "313364010000a8c9c0000201",
    "2132960103013bc80a0000030000000000000000",
];
const MESSAGES_6: [&str; 3] = [
    "3134c802000adc52fe80000000000000000000000000000120010db8000000000000000000000001",
    "31340002000aa453fe80000000000000000000000000000120010db8000000000000000000000001",
    "3134c802000ada82fe80000000000000000000000000000120010db8000000000000000000000001",
];

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A message of version 2 or 3 from 10.0.0.5 to the group.
fn wrapped(message: &[u8]) -> Vec<u8> {
    let source = if message[0] >> 4 == 2 { [10, 0, 0, 5] } else { [192, 0, 2, 2] };
    let (protocol, ttl, traffic_class, identification) = (wire::PROTOCOL_VRRP, 255, 0xc0, 0);
    let (source, destination) = (source.into(), wire::GROUP_V4);
    let header = wire::ipv4::Header { source, destination, protocol, ttl, traffic_class, identification };
    [&header.to_bytes(message.len())[..], message].concat()
}

fn packets() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for vector in DATAGRAMS.map(hex).into_iter().chain(MESSAGES.map(|text| wrapped(&hex(text)))) {
        let message = vector.get(20).copied().unwrap_or(0) >> 4;
        let (version, authentication) = match (message, vector[9], vector.get(24)) {
            (3, 112, _) => (2, 0),
            (_, 51, _) => (0, 16),
            (_, _, Some(1)) => (0, 8),
            _ => (0, 0),
        };
        for (rules, helping) in [(0, 0), (2, 0), (0, 1)] {
            seeds.push([&[version | authentication, rules, 1, helping], &vector[..]].concat());
        }
        // To a unicast router, with the sums for it.
        let unicast = [&[version | authentication | 4, 1, 1, 1 | 2 | 8], &vector[..]].concat();
        seeds.push(unicast);
    }
    for vector in MESSAGES_6.map(hex) {
        for rules in [0, 2, 16] {
            seeds.push([&[3, rules, 1, 0, 255], &vector[..]].concat());
        }
        seeds.push([&[3 | 4, 16, 1, 1, 60], &vector[..]].concat());
    }
    seeds
}

/// Images of ledgers that were really written, and the same torn and altered.
fn ledgers() -> Vec<Vec<u8>> {
    let image = |ledger: &Ledger| {
        let mut bytes = vec![0; 4096];
        let file = std::fs::File::from(ledger.as_fd().try_clone_to_owned().unwrap());
        let len = file.read_at(&mut bytes, 0).unwrap();
        bytes.truncate(len);
        bytes
    };
    let mut ledger = Ledger::create(4).unwrap();
    let mut seeds = vec![image(&ledger)];
    let first = ledger.begin(2, "10.0.0.3".parse().unwrap(), 32).unwrap();
    seeds.push(image(&ledger));
    ledger.set(first, State::Held);
    seeds.push(image(&ledger));
    let second = ledger.begin(2, "2001:db8::1".parse().unwrap(), 128).unwrap();
    ledger.set(second, State::Held);
    ledger.begin(1, "127.0.0.1".parse().unwrap(), 8).unwrap();
    ledger.set(first, State::Removing);
    ledger.begin(2, "10.0.0.3".parse().unwrap(), 32).unwrap();
    let full = image(&ledger);
    seeds.push(full.clone());
    ledger.clear(first);
    seeds.push(image(&ledger));
    // Routers, and what a supervisor offers of them.
    let mut roll = ledger.roll();
    for (id, estate) in (0..).map(RouterId).zip(estates()) {
        roll.note(id, Note::Stands(&estate));
        seeds.push(image(&ledger));
        roll.note(id, Note::Gone);
    }
    roll.note(RouterId(9), Note::Stands(&estates()[0]));
    roll.rests(Instant::from_nanos(5), Instant::from_nanos(1_000_000_005));
    ledger.offer(true);
    let offered = image(&ledger);
    seeds.push(offered.clone());
    for byte in (128..256).step_by(7) {
        let mut other = offered.clone();
        other[byte] ^= 0x41;
        seeds.push(other);
    }
    for end in [0, 8, 127, 128, 200, full.len() - 1] {
        seeds.push(full[..end].to_vec()); // torn
    }
    for word in [0, 1, 2, 3, 4, 5, 6, 7, 14] {
        let mut other = full.clone(); // foreign, of another version, of a size that is not so
        other[word * 8] ^= 1;
        seeds.push(other);
    }
    seeds.push(b"4711\n".to_vec());
    let sealed = seeds.into_iter().enumerate();
    sealed.map(|(n, seed)| [&[u8::try_from(n * 2 % 256).unwrap()], &seed[..]].concat()).collect()
}

/// One router of each kind.
fn estates() -> Vec<Estate> {
    let of = |interface: &str, family, unicast, legacy| {
        let vrid = wire::Vrid::new(50).unwrap();
        let identity = Identity { home: interface.into(), vrid, family, unicast };
        let tally = Tally { sent: 1, received: 2, became_active: 3, released_active: 4 };
        Estate { identity, legacy, priority: wire::Priority(150), sequence: 7, stamp: None, tally }
    };
    let interval = wire::Interval::SECOND;
    let leader =
        |source: &str| Some(Leader { source: source.parse().unwrap(), priority: wire::Priority(150) });
    let (until, advertise_at) = (Instant::NEVER, Instant::from_nanos(1_000_000_000));
    vec![
        of("eth0", Family::V4, false, Legacy::Active { interval, until, advertise_at }),
        of("eth0", Family::V4, true, Legacy::Backup { interval, leader: leader("10.0.0.5") }),
        of("0123456789abcde", Family::V6, false, Legacy::Backup { interval, leader: leader("fe80::5") }),
        of("eth1", Family::V6, true, Legacy::Backup { interval, leader: None }),
    ]
}

/// Each breaks one rule and no other: these stay in the corpus, whatever a minimiser says.
fn near_misses() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let good = hex(DATAGRAMS[0]);
    let with = |rules: u8, change: &dyn Fn(&mut Vec<u8>)| {
        let mut datagram = good.clone();
        change(&mut datagram);
        [&[8, rules, 1, 0], &datagram[..]].concat()
    };
    let packets = vec![
        with(0, &|_| {}),
        with(0, &|bytes| bytes[8] = 254),
        with(0, &|bytes| bytes[15] = 6),  // from our own address
        with(0, &|bytes| bytes[19] = 19), // to another group
        with(0, &|bytes| bytes[26] ^= 1),
        with(0, &|bytes| bytes[32] = b'2'), // another password; its sum is wrong too
        with(0xe0, &|_| {}),
        with(2, &|_| {}),
        [&[8, 0, 1, 1], &with(0, &|bytes| bytes[32] = b'2')[4..]].concat(),
        [&[8, 0, 2, 0], &good[..]].concat(),
        [&[4 | 8, 1, 1, 1 | 8], &with(0, &|bytes| bytes[8] = 199)[4..]].concat(),
        [&[4 | 8, 1, 1, 1 | 8], &with(0, &|bytes| bytes[15] = 9)[4..]].concat(),
    ];
    let mut ledger = Ledger::create(1).unwrap();
    let slot = ledger.begin(2, "10.0.0.3".parse().unwrap(), 32).unwrap();
    ledger.set(slot, State::Held);
    let mut image = vec![0; 288];
    let file = std::fs::File::from(ledger.as_fd().try_clone_to_owned().unwrap());
    file.read_exact_at(&mut image, 0).unwrap();
    let mut heads = Vec::new();
    for (interface, state, prefix, family) in
        [(2_u32, 2, 32, 4), (0, 2, 32, 4), (u32::MAX, 2, 32, 4), (2, 2, 33, 4), (2, 9, 32, 4), (2, 2, 129, 6)]
    {
        let [a, b, c, d] = interface.to_be_bytes();
        let head = u64::from_be_bytes([a, b, c, d, 1, state, prefix, family]);
        image[256..264].copy_from_slice(&head.to_ne_bytes());
        heads.push([&[0], &image[..]].concat());
    }
    (packets, heads)
}

fn write(directory: &Path, name: &str, kind: &str, seeds: &[Vec<u8>]) {
    let directory = directory.join(name);
    fs::create_dir_all(&directory).unwrap();
    for (n, seed) in seeds.iter().enumerate() {
        fs::write(directory.join(format!("{kind}-{n:03}")), seed).unwrap();
    }
}

fn main() {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "fuzz/corpus".to_owned());
    let directory = Path::new(&directory);
    write(directory, "packets", "seed", &packets());
    write(directory, "ledger", "seed", &ledgers());
    let (packets, ledgers) = near_misses();
    write(directory, "packets", "near", &packets);
    write(directory, "ledger", "near", &ledgers);
}
