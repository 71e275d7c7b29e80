//! IP headers around VRRP: the -IP and -ETH vectors, and the lengths of RX-1.

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::{GROUP_V4, GROUP_V6, HOP_LIMIT, PROTOCOL_VRRP, TRAFFIC_CLASS, ipv4, ipv6};

use crate::hex;
use crate::vectors::*;

fn v4_header(source: [u8; 4]) -> ipv4::Header {
    ipv4::Header {
        source: Ipv4Addr::from(source),
        destination: GROUP_V4,
        protocol: PROTOCOL_VRRP,
        ttl: HOP_LIMIT,
        traffic_class: TRAFFIC_CLASS,
        identification: 0,
    }
}

fn v6_header() -> ipv6::Header {
    ipv6::Header {
        source: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2),
        destination: GROUP_V6,
        next_header: PROTOCOL_VRRP,
        hop_limit: HOP_LIMIT,
        traffic_class: TRAFFIC_CLASS,
    }
}

fn v4_packet(source: [u8; 4], message: &str) -> Vec<u8> {
    let (message, mut out) = (hex(message), Vec::new());
    v4_header(source).emit(message.len(), &mut out);
    out.extend_from_slice(&message);
    out
}

fn v6_packet(message: &str) -> Vec<u8> {
    let (message, mut out) = (hex(message), Vec::new());
    v6_header().emit(message.len(), &mut out);
    out.extend_from_slice(&message);
    out
}

#[test]
fn wire_12_con_4_ipv4_vectors_are_written() {
    assert_eq!(v4_packet([10, 0, 0, 5], VEC_V2_NONE), hex(VEC_V2_NONE_IP));
    assert_eq!(v4_packet([10, 0, 0, 5], VEC_V2_PASS), hex(VEC_V2_PASS_IP));
    assert_eq!(v4_packet([192, 0, 2, 2], VEC_V3_4), hex(VEC_V3_4_IP));
    assert_eq!(v4_packet([192, 0, 2, 2], VEC_V3_4_PSEUDO), hex(VEC_V3_4_PSEUDO_IP));
}

#[test]
fn wire_12_con_4_ipv6_vector_is_written() {
    assert_eq!(v6_packet(VEC_V3_6_TWO), hex(VEC_V3_6_TWO_IP));
}

#[test]
fn rx_1_ipv4_fields_are_read() {
    let bytes = hex(VEC_V2_AH_RFC2402);
    let packet = ipv4::parse(&bytes).unwrap();
    assert_eq!((packet.source, packet.destination), (Ipv4Addr::new(10, 0, 0, 5), GROUP_V4));
    assert_eq!((packet.ttl, packet.protocol, packet.identification), (255, 51, 1));
    assert_eq!((packet.header, packet.payload), bytes.split_at(20));
    assert!(packet.header_verifies());
}

#[test]
fn rx_1_ipv4_options_are_stepped_over() {
    let mut bytes = hex(VEC_V3_4_IP);
    bytes[0] = 0x46;
    bytes[3] += 4;
    bytes.splice(20..20, [0x94, 4, 0, 0]); // Router Alert
    let packet = ipv4::parse(&bytes).unwrap();
    assert_eq!(packet.header.len(), 24);
    assert_eq!(packet.payload, hex(VEC_V3_4));
    assert!(!packet.header_verifies(), "its checksum is that of the header without options");
}

#[test]
fn rx_1_ipv4_padding_is_cut_by_the_total_length() {
    let mut bytes = hex(VEC_V3_4_IP);
    bytes.resize(46, 0xee);
    assert_eq!(ipv4::parse(&bytes).unwrap().payload, hex(VEC_V3_4));
}

#[test]
fn rx_1_ipv4_lengths_that_cannot_be_are_refused() {
    let with = |at: usize, value: u8| {
        let mut bytes = hex(VEC_V3_4_IP);
        bytes[at] = value;
        ipv4::parse(&bytes).map(|_| ()).unwrap_err()
    };
    assert_eq!(with(0, 0x65), ipv4::Malformed::Version(6));
    assert_eq!(with(0, 0x44), ipv4::Malformed::HeaderLength(16));
    assert_eq!(with(3, 19), ipv4::Malformed::TotalLength { total: 19, header: 20 });
    assert_eq!(with(3, 33), ipv4::Malformed::Truncated { needed: 33, have: 32 });
    assert_eq!(with(0, 0x4f), ipv4::Malformed::TotalLength { total: 32, header: 60 });
    let short = hex(VEC_V3_4_IP);
    assert_eq!(ipv4::parse(&short[..19]), Err(ipv4::Malformed::Truncated { needed: 20, have: 19 }));
    assert_eq!(ipv4::parse(&[]), Err(ipv4::Malformed::Truncated { needed: 20, have: 0 }));
}

#[test]
fn rx_1_ipv4_fragments_are_refused_and_dont_fragment_is_not() {
    let with = |high: u8, low: u8| {
        let mut bytes = hex(VEC_V3_4_IP);
        bytes[6..8].copy_from_slice(&[high, low]);
        ipv4::parse(&bytes).map(|packet| packet.payload.len())
    };
    assert_eq!(with(0x40, 0), Ok(12));
    assert_eq!(with(0x20, 0), Err(ipv4::Malformed::Fragment));
    assert_eq!(with(0x00, 1), Err(ipv4::Malformed::Fragment));
    assert_eq!(with(0x1f, 0xff), Err(ipv4::Malformed::Fragment));
}

#[test]
fn rx_1_ipv4_header_without_payload_is_a_packet() {
    let header = v4_header([192, 0, 2, 2]).to_bytes(0);
    assert_eq!(ipv4::parse(&header).unwrap().payload, []);
}

#[test]
fn rx_1_ipv6_fields_are_read_and_padding_is_cut_by_the_payload_length() {
    let bytes = [hex(VEC_V3_6_TWO_IP), vec![0xee; 5]].concat();
    let packet = ipv6::parse(&bytes).unwrap();
    assert_eq!((packet.source, packet.destination), (v6_header().source, GROUP_V6));
    assert_eq!((packet.hop_limit, packet.next_header), (255, 112));
    assert_eq!(packet.payload, hex(VEC_V3_6_TWO));
}

#[test]
fn rx_1_ipv6_lengths_that_cannot_be_are_refused() {
    let bytes = hex(VEC_V3_6_TWO_IP);
    assert_eq!(ipv6::parse(&bytes[..39]), Err(ipv6::Malformed::Truncated { needed: 40, have: 39 }));
    assert_eq!(ipv6::parse(&bytes[..79]), Err(ipv6::Malformed::Truncated { needed: 80, have: 79 }));
    assert_eq!(ipv6::parse(&hex(VEC_V2_PASS_IP)), Err(ipv6::Malformed::Version(4)));
}

#[test]
fn length_fields_saturate_rather_than_wrap() {
    assert_eq!(v4_header([192, 0, 2, 2]).to_bytes(65_516)[2..4], [0xff, 0xff]);
    assert_eq!(v4_header([192, 0, 2, 2]).to_bytes(usize::MAX)[2..4], [0xff, 0xff]);
    assert_eq!(v6_header().to_bytes(65_536)[4..6], [0xff, 0xff]);
}

#[test]
fn con_1_the_protocol_number_is_112() {
    assert_eq!(PROTOCOL_VRRP, 112);
    assert_eq!(hex(VEC_V3_4_IP)[9], 112);
    assert_eq!(hex(VEC_V3_6_TWO_IP)[6], 112);
}
