//! Which adverts are believed: every receive check alone, every two together, the worked and the negative vectors
//! of the conformance list from their IP header on, and authentication.
//!
//! Not here: RX-16 (the first IPv6 address is for the configuration to see to), RX-21 and RX-22 (telling is the
//! host's), AUTH-4 (configuration), AUTH-14 (no MIB), IOP-1 to IOP-12 (one instance speaks one version).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod authentication;
mod checks;
mod signatures;
mod vectors;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use timeline::Instant;
use vrrp::{Admitted, Authentication, Clocks, Discard, Expected, Ingress, Policy, Seen, admit};
use wire::trailer::Stamp;
use wire::{GROUP_V4, GROUP_V6, Interval, PROTOCOL_VRRP, Version, ipv4};

const NOW: Instant = Instant::from_nanos(1_000_000_000_000);
const GROUP: Expected<'static> = Expected::Group(IpAddr::V4(GROUP_V4));

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(text: [u16; 8]) -> Ipv6Addr {
    let [a, b, c, d, e, f, g, h] = text;
    Ipv6Addr::new(a, b, c, d, e, f, g, h)
}

/// Believes the version 2 vectors without authentication.
const V2: Policy<'static> = Policy {
    version: Version::V2,
    interval: Interval::SECOND,
    authentication: &Authentication::None,
    clocks: Clocks { wall: Stamp(0), kept: Stamp(0) },
    owner_ignores: false,
    expected: GROUP,
    own: v4(10, 0, 0, 6),
    addresses: &[v4(10, 0, 0, 3)],
    strict: false,
    trusted: None,
};

/// Believes the version 3 vectors over IPv4.
const V3: Policy<'static> =
    Policy { version: Version::V3, own: v4(192, 0, 2, 9), addresses: &[v4(192, 0, 2, 1)], ..V2 };

const FE80_1: Ipv6Addr = v6([0xfe80, 0, 0, 0, 0, 0, 0, 1]);
const FE80_2: Ipv6Addr = v6([0xfe80, 0, 0, 0, 0, 0, 0, 2]);
const FE80_9: Ipv6Addr = v6([0xfe80, 0, 0, 0, 0, 0, 0, 9]);

const LISTED_V6: &[IpAddr] = &[IpAddr::V6(v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])), IpAddr::V6(FE80_1)];

/// Believes the version 3 vectors over IPv6.
fn policy_v6() -> Policy<'static> {
    Policy {
        interval: Interval::from_centis(10).unwrap(),
        expected: Expected::Group(IpAddr::V6(GROUP_V6)),
        own: IpAddr::V6(FE80_9),
        addresses: LISTED_V6,
        ..V3
    }
}

/// The bytes of a literal.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A multicast datagram from the source of the vectors of each version.
fn datagram(message: &[u8]) -> Vec<u8> {
    let two = message.first().is_some_and(|first| first >> 4 == 2);
    let source = if two { Ipv4Addr::new(10, 0, 0, 5) } else { Ipv4Addr::new(192, 0, 2, 2) };
    packet(source, GROUP_V4, 255, PROTOCOL_VRRP, message)
}

fn packet(source: Ipv4Addr, destination: Ipv4Addr, ttl: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let header = ipv4::Header {
        source,
        destination,
        protocol,
        ttl,
        traffic_class: wire::TRAFFIC_CLASS,
        identification: 1,
    };
    [&header.to_bytes(payload.len())[..], payload].concat()
}

/// What a router that has seen nothing says of a datagram.
fn judge(policy: &Policy<'_>, datagram: &[u8]) -> Result<Admitted, Discard> {
    judge_again(&mut Seen::default(), policy, datagram)
}

/// RX-20 on the way: whatever is not believed leaves no trace.
fn judge_again(seen: &mut Seen, policy: &Policy<'_>, datagram: &[u8]) -> Result<Admitted, Discard> {
    let before = seen.clone();
    let verdict = Ingress::v4(datagram).and_then(|ingress| admit(seen, policy, NOW, &ingress));
    assert!(verdict.is_ok() || *seen == before, "RX-20: {verdict:?}");
    verdict
}

fn judge_v6(policy: &Policy<'_>, payload: &[u8]) -> Result<Admitted, Discard> {
    let ingress = Ingress::v6(FE80_2, GROUP_V6, Some(255), payload);
    admit(&mut Seen::default(), policy, NOW, &ingress)
}
