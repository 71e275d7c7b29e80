//! Each worked vector by itself: written byte for byte, read back field for field, and right by its own sum alone.

use sha2::{Digest, Sha256};
use wire::checksum::{Sum, verifies};
use wire::frame::{self, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use wire::message::{ADVERTISEMENT, Auth, Message};
use wire::{Family, GROUP_V4, GROUP_V6, HOP_LIMIT, Interval, Mac, PROTOCOL_VRRP, TRAFFIC_CLASS, ipv4, ipv6};

use crate::vectors::*;
use crate::{Advert, hex, ip, pseudo};

const PASSWORD: Auth = Auth::Pass(*b"1111\0\0\0\0");

/// The sources of the vectors, by version and family.
fn two() -> Sum {
    pseudo("10.0.0.5", "224.0.0.18")
}

fn three() -> Sum {
    pseudo("192.0.2.2", "224.0.0.18")
}

fn three_v6() -> Sum {
    pseudo("fe80::2", "ff02::12")
}

/// Writes `advert` and reads it back; `wrong` is the sum that must not fit.
#[track_caller]
fn check(vector: &str, advert: &Advert, sum: Sum, wrong: Sum) {
    advert.assert_is(sum, vector);
    let bytes = hex(vector);
    assert!(verifies(&bytes, sum) && !verifies(&bytes, wrong), "the sum");
    let message = Message::new(&bytes).unwrap();
    assert_eq!((message.version(), message.kind()), (advert.version.number(), ADVERTISEMENT));
    assert_eq!((message.vrid(), message.priority().0), (advert.vrid, advert.priority));
    assert_eq!(message.interval(), Interval::from_centis(advert.centis));
    let body = message.body(Family::of(advert.addresses[0])).unwrap();
    assert_eq!(body.addresses.iter().collect::<Vec<_>>(), advert.addresses);
    assert_eq!((body.message, body.tail), (bytes.as_slice(), [].as_slice()));
    let data = match advert.auth {
        Auth::Pass(password) => password,
        Auth::None | Auth::Ah => [0; 8],
    };
    assert_eq!(body.auth_data, (message.version() == 2).then_some(data));
    if message.version() == 2 {
        assert_eq!(message.auth_type(), advert.auth.wire_type());
    }
}

// ---- Version 2 ----

fn v2(priority: u8) -> Advert {
    Advert::v2(50, priority, 1, &["10.0.0.3"])
}

#[test]
fn vec_v2_none_is_written_and_read() {
    check(VEC_V2_NONE, &v2(150), Sum::Message, two());
}

#[test]
fn vec_v2_pass_is_written_and_read() {
    check(VEC_V2_PASS, &v2(150).auth(PASSWORD), Sum::Message, two());
}

#[test]
fn vec_v2_prio0_is_written_and_read() {
    check(VEC_V2_PRIO0, &v2(0), Sum::Message, two());
}

#[test]
fn vec_v2_pass_prio0_is_written_and_read() {
    check(VEC_V2_PASS_PRIO0, &v2(0).auth(PASSWORD), Sum::Message, two());
}

#[test]
fn vec_v2_owner_is_written_and_read() {
    let owner = Advert::v2(1, 255, 3, &["192.0.2.1", "192.0.2.129"]);
    check(VEC_V2_OWNER, &owner, Sum::Message, pseudo("192.0.2.1", "224.0.0.18"));
}

#[test]
fn vec_v2_ah_inner_is_written_and_read() {
    check(VEC_V2_AH_INNER, &v2(150).auth(Auth::Ah), Sum::Message, two());
}

// ---- Version 3 over IPv4 ----

fn v3(priority: u8, centis: u16, addresses: &[&str]) -> Advert {
    Advert::v3(51, priority, centis, addresses)
}

#[test]
fn vec_v3_4_is_written_and_read() {
    check(VEC_V3_4, &v3(100, 100, &["192.0.2.1"]), Sum::Message, three());
}

#[test]
fn vec_v3_4_pseudo_is_written_and_read() {
    check(VEC_V3_4_PSEUDO, &v3(100, 100, &["192.0.2.1"]), three(), Sum::Message);
}

#[test]
fn vec_v3_4_prio0_is_written_and_read() {
    check(VEC_V3_4_PRIO0, &v3(0, 100, &["192.0.2.1"]), Sum::Message, three());
}

#[test]
fn vec_v3_4_prio0_ph_is_written_and_read() {
    check(VEC_V3_4_PRIO0_PH, &v3(0, 100, &["192.0.2.1"]), three(), Sum::Message);
}

#[test]
fn vec_v3_4_owner_is_written_and_read() {
    check(VEC_V3_4_OWNER, &v3(255, 4095, &["192.0.2.2"]), Sum::Message, three());
}

#[test]
fn vec_v3_4_owner_ph_is_written_and_read() {
    check(VEC_V3_4_OWNER_PH, &v3(255, 4095, &["192.0.2.2"]), three(), Sum::Message);
}

#[test]
fn vec_v3_4_min_is_written_and_read() {
    check(VEC_V3_4_MIN, &v3(254, 1, &["192.0.2.1", "192.0.2.3"]), Sum::Message, three());
}

#[test]
fn vec_v3_4_min_ph_is_written_and_read() {
    check(VEC_V3_4_MIN_PH, &v3(254, 1, &["192.0.2.1", "192.0.2.3"]), three(), Sum::Message);
}

#[test]
fn vec_v3_4_resv_is_read_as_if_it_were_zero() {
    let bytes = hex(VEC_V3_4_RESV);
    let message = Message::new(&bytes).unwrap();
    assert_eq!((bytes[4] >> 4, message.centiseconds()), (0xf, 100));
    assert!(verifies(&bytes, Sum::Message));
    // What differs from the ordinary one is that nibble and the sum over it.
    let plain = hex(VEC_V3_4);
    let differ: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != plain[*at]).collect();
    assert_eq!(differ, [4, 6, 7]);
}

#[test]
fn vec_v3_4_cs0_is_written_and_read() {
    let advert = Advert::v3(55, 100, 100, &["192.0.170.98"]);
    check(VEC_V3_4_CS0, &advert, Sum::Message, three());
    assert_eq!(Message::new(&hex(VEC_V3_4_CS0)).unwrap().checksum(), 0);
}

#[test]
fn vec_v3_4_csffff_is_read_as_its_twin() {
    let (bytes, twin) = (hex(VEC_V3_4_CSFFFF), hex(VEC_V3_4_CS0));
    assert_eq!((&bytes[..6], &bytes[8..]), (&twin[..6], &twin[8..]));
    assert_eq!(Message::new(&bytes).unwrap().checksum(), 0xffff);
    assert!(verifies(&bytes, Sum::Message));
}

// ---- Version 3 over IPv6 ----

#[test]
fn vec_v3_6_two_is_written_and_read() {
    let advert = Advert::v3(52, 200, 10, &["fe80::1", "2001:db8::1"]);
    check(VEC_V3_6_TWO, &advert, three_v6(), Sum::Message);
}

#[test]
fn vec_v3_6_prio0_is_written_and_read() {
    let advert = Advert::v3(52, 0, 10, &["fe80::1", "2001:db8::1"]);
    check(VEC_V3_6_PRIO0, &advert, three_v6(), Sum::Message);
}

#[test]
fn vec_v3_6_badcsum_is_right_for_the_message_alone() {
    let (bytes, good) = (hex(VEC_V3_6_BADCSUM), hex(VEC_V3_6_TWO));
    assert!(!verifies(&bytes, three_v6()));
    assert!(verifies(&bytes, Sum::Message));
    assert_eq!((&bytes[..6], &bytes[8..]), (&good[..6], &good[8..]), "the sum alone differs");
}

// ---- With their headers ----

#[track_caller]
fn check_ipv4(packet: &str, message: &str, source: &str) {
    let (bytes, message) = (hex(packet), hex(message));
    let source = source.parse().unwrap();
    let header = ipv4::Header {
        source,
        destination: GROUP_V4,
        protocol: PROTOCOL_VRRP,
        ttl: HOP_LIMIT,
        traffic_class: TRAFFIC_CLASS,
        identification: 0,
    };
    assert_eq!([&header.to_bytes(message.len())[..], &message].concat(), bytes);
    let read = ipv4::parse(&bytes).unwrap();
    assert!(read.header_verifies());
    assert_eq!((read.source, read.destination, read.payload), (source, GROUP_V4, message.as_slice()));
    assert_eq!((read.protocol, read.ttl, read.header[1]), (112, 255, 0xc0));
}

#[test]
fn vec_v2_pass_ip_is_written_and_read() {
    check_ipv4(VEC_V2_PASS_IP, VEC_V2_PASS, "10.0.0.5");
}

#[test]
fn vec_v2_none_ip_is_written_and_read() {
    check_ipv4(VEC_V2_NONE_IP, VEC_V2_NONE, "10.0.0.5");
}

#[test]
fn vec_v3_4_ip_is_written_and_read() {
    check_ipv4(VEC_V3_4_IP, VEC_V3_4, "192.0.2.2");
}

#[test]
fn vec_v3_4_pseudo_ip_is_written_and_read() {
    check_ipv4(VEC_V3_4_PSEUDO_IP, VEC_V3_4_PSEUDO, "192.0.2.2");
}

#[test]
fn vec_v3_6_two_ip_is_written_and_read() {
    let (bytes, message) = (hex(VEC_V3_6_TWO_IP), hex(VEC_V3_6_TWO));
    let header = ipv6::Header {
        source: "fe80::2".parse().unwrap(),
        destination: GROUP_V6,
        next_header: PROTOCOL_VRRP,
        hop_limit: HOP_LIMIT,
        traffic_class: TRAFFIC_CLASS,
    };
    let mut written = Vec::new();
    header.emit(message.len(), &mut written);
    written.extend(&message);
    assert_eq!(written, bytes);
    let read = ipv6::parse(&bytes).unwrap();
    assert_eq!((read.source, read.destination), (header.source, GROUP_V6));
    assert_eq!((read.next_header, read.hop_limit, read.payload), (112, 255, message.as_slice()));
}

#[track_caller]
fn check_ethernet(vector: &str, packet: &str, family: Family, vrid: u8, ethertype: u16) {
    let (bytes, packet) = (hex(vector), hex(packet));
    let group = if family == Family::V4 { GROUP_V4.into() } else { GROUP_V6.into() };
    let to = Mac::multicast(group).unwrap();
    let from = Mac::virtual_router(family, wire::Vrid::new(vrid).unwrap());
    assert_eq!([&frame::header(to, from, ethertype)[..], &packet].concat(), bytes);
    let read = frame::ethernet(&bytes).unwrap();
    assert_eq!((read.destination, read.source, read.payload), (to, from, packet.as_slice()));
}

#[test]
fn vec_v2_pass_eth_is_written_and_read() {
    check_ethernet(VEC_V2_PASS_ETH, VEC_V2_PASS_IP, Family::V4, 50, ETHERTYPE_IPV4);
}

#[test]
fn vec_v3_6_two_eth_is_written_and_read() {
    check_ethernet(VEC_V3_6_TWO_ETH, VEC_V3_6_TWO_IP, Family::V6, 52, ETHERTYPE_IPV6);
}

// ---- The most addresses: start, length and SHA-256 of the message ----

fn many_v4() -> Vec<std::net::IpAddr> {
    (1..=255).map(|n| ip(&format!("10.1.0.{n}"))).collect()
}

/// fe80::1 and then 2001:db8::1 to `last`.
fn many_v6(last: u16) -> Advert {
    let globals = (1..=last).map(|n| ip(&format!("2001:db8::{n:x}")));
    let addresses = std::iter::once(ip("fe80::1")).chain(globals).collect();
    Advert { addresses, ..Advert::v3(54, 100, 100, &[]) }
}

#[track_caller]
fn check_long(advert: &Advert, sum: Sum, start: &str, len: usize, sha256: &str) {
    let bytes = advert.emit(sum).unwrap();
    assert_eq!((&bytes[..16], bytes.len()), (hex(start).as_slice(), len));
    assert_eq!(Sha256::digest(&bytes)[..], hex(sha256)[..]);
    let body = Message::new(&bytes).unwrap().body(Family::of(advert.addresses[0])).unwrap();
    assert_eq!(body.addresses.iter().collect::<Vec<_>>(), advert.addresses);
    assert!(verifies(&bytes, sum));
}

#[test]
fn vec_v3_4_max_wire_11_is_written_and_read() {
    let advert = Advert { addresses: many_v4(), ..Advert::v3(53, 100, 100, &[]) };
    let sha256 = "ea9dc7163dd5276062e723e03e33f37462d5eb141f1092c8d63daaaaec8a3b9c";
    check_long(&advert, Sum::Message, "313564ff0064f2dd0a0100010a010002", 1028, sha256);
}

#[test]
fn vec_v3_4_max_ph_wire_11_is_written_and_read() {
    let advert = Advert { addresses: many_v4(), ..Advert::v3(53, 100, 100, &[]) };
    let sha256 = "3e70d1f698aabeda9665530fcccdfaa95c23f4d5279d8a8444ed00aedab5ac67";
    let sum = pseudo("10.1.1.1", "224.0.0.18");
    check_long(&advert, sum, "313564ff006403550a0100010a010002", 1028, sha256);
}

#[test]
fn vec_v2_max_wire_11_is_written_and_read() {
    let advert = Advert { addresses: many_v4(), ..Advert::v2(53, 100, 1, &[]) };
    let sha256 = "bf61bb0664a9e221880699c7a8ba6ac70d4fa327e32f352bc7ab30ec2ea6f7be";
    check_long(&advert, Sum::Message, "213564ff000103410a0100010a010002", 1036, sha256);
}

#[test]
fn vec_v3_6_max90_wire_11_is_written_and_read() {
    let sha256 = "b7822e7ff185c14784ab21d717e15205e2689e633cf7f13ec3f67d29a5956a62";
    check_long(&many_v6(0x59), three_v6(), "3136645a006472d3fe80000000000000", 1448, sha256);
}

#[test]
fn vec_v3_6_max255_wire_11_is_written_and_read() {
    let sha256 = "9c5377a49f91ad1e56e8516043a4823d1396157b8103e03fc364841d23cf94ba";
    check_long(&many_v6(0xfe), three_v6(), "313664ff006480a7fe80000000000000", 4088, sha256);
}
