//! The Authentication Header (section 2.3 and section 8 of the list).

use std::net::Ipv4Addr;

use wire::ah::{self, Form, Key, Malformed, Unsealable};
use wire::{GROUP_V4, HOP_LIMIT, PROTOCOL_AH, TRAFFIC_CLASS, ipv4};

use crate::hex;
use crate::vectors::*;

const KEY: Key = Key::new(*b"1111\0\0\0\0");
const SPI: u32 = 0x0a00_0005;

fn verifies(key: &Key, bytes: &[u8], form: Form) -> bool {
    ah::verify(key, &ipv4::parse(bytes).unwrap(), form)
}

/// The datagram of the vectors before it is sealed.
fn unsealed() -> Vec<u8> {
    let inner = hex(VEC_V2_AH_INNER);
    let header = ipv4::Header {
        source: Ipv4Addr::new(10, 0, 0, 5),
        destination: GROUP_V4,
        protocol: PROTOCOL_AH,
        ttl: HOP_LIMIT,
        traffic_class: TRAFFIC_CLASS,
        identification: 1,
    };
    let mut out = Vec::new();
    header.emit(ah::HEADER_LEN + inner.len(), &mut out);
    ah::emit_header(SPI, 0, &mut out);
    out.extend_from_slice(&inner);
    out
}

fn sealed(form: Form) -> Vec<u8> {
    let mut datagram = unsealed();
    ah::seal(&KEY, &mut datagram, 1, form).unwrap();
    datagram
}

#[test]
fn vec_v2_ah_rfc2402_auth_7_is_written() {
    assert_eq!(sealed(Form::Rfc2402), hex(VEC_V2_AH_RFC2402));
}

#[test]
fn vec_v2_ah_ka_auth_8_is_written() {
    assert_eq!(sealed(Form::Keepalived), hex(VEC_V2_AH_KA));
}

#[test]
fn vec_v2_ah_rfc2402_auth_7_verifies_in_its_form_only() {
    assert!(verifies(&KEY, &hex(VEC_V2_AH_RFC2402), Form::Rfc2402));
    assert!(!verifies(&KEY, &hex(VEC_V2_AH_RFC2402), Form::Keepalived));
}

#[test]
fn vec_v2_ah_ka_auth_8_verifies_in_its_form_only() {
    assert!(verifies(&KEY, &hex(VEC_V2_AH_KA), Form::Keepalived));
    assert!(!verifies(&KEY, &hex(VEC_V2_AH_KA), Form::Rfc2402));
}

#[test]
fn auth_7_header_fields_are_read() {
    let bytes = hex(VEC_V2_AH_RFC2402);
    let ah = ah::parse(ipv4::parse(&bytes).unwrap().payload).unwrap();
    assert_eq!((ah.next_header, ah.spi, ah.sequence), (112, SPI, 1));
    assert_eq!(ah.icv[..], hex("e40301182d8ccdc87d80bcee"));
    assert_eq!(ah.payload, hex(VEC_V2_AH_INNER));
}

#[test]
fn auth_6_other_key_does_not_verify() {
    for form in [Form::Rfc2402, Form::Keepalived] {
        assert!(!verifies(&Key::new(*b"1112\0\0\0\0"), &sealed(form), form));
    }
}

#[test]
fn auth_6_packet_without_the_header_does_not_verify() {
    assert!(!verifies(&KEY, &hex(VEC_V2_NONE_IP), Form::Rfc2402));
    // The right bytes under another protocol number.
    let mut bytes = sealed(Form::Rfc2402);
    bytes[9] = 112;
    assert!(!verifies(&KEY, &bytes, Form::Rfc2402));
}

/// Type of service, fragment flags, TTL and header checksum may change on the way (in the keepalived form all
/// but the TTL); every other bit of the packet may not.
#[test]
fn auth_7_auth_8_every_bit_but_the_mutable_ones_is_covered() {
    for form in [Form::Rfc2402, Form::Keepalived] {
        let good = sealed(form);
        for bit in 0..good.len() * 8 {
            let (byte, mask) = (bit / 8, 0x80 >> (bit % 8));
            let mut bytes = good.clone();
            bytes[byte] ^= mask;
            // Changes that the IPv4 reader refuses never come this far.
            let Ok(packet) = ipv4::parse(&bytes) else { continue };
            let mutable = matches!(byte, 1 | 6 | 7 | 10 | 11) || (byte == 8 && form == Form::Rfc2402);
            assert_eq!(ah::verify(&KEY, &packet, form), mutable, "{form:?}, bit {bit}");
        }
    }
}

#[test]
fn auth_7_padding_is_not_covered() {
    let bytes = [sealed(Form::Rfc2402), vec![0; 6]].concat();
    assert!(verifies(&KEY, &bytes, Form::Rfc2402));
}

#[test]
fn auth_7_ip_options_do_not_verify() {
    let mut bytes = sealed(Form::Rfc2402);
    bytes[0] = 0x46;
    bytes[3] += 4;
    bytes.splice(20..20, [1, 1, 1, 1]);
    assert!(!verifies(&KEY, &bytes, Form::Rfc2402));
}

#[test]
fn auth_9_sealing_again_replaces_sequence_and_icv() {
    let mut datagram = unsealed();
    for sequence in [7, u32::MAX, 1] {
        ah::seal(&KEY, &mut datagram, sequence, Form::Keepalived).unwrap();
        let packet = ipv4::parse(&datagram).unwrap();
        assert_eq!(ah::parse(packet.payload).unwrap().sequence, sequence);
        assert!(ah::verify(&KEY, &packet, Form::Keepalived));
    }
    assert_eq!(datagram, hex(VEC_V2_AH_KA));
}

#[test]
fn malformed_headers_are_named() {
    let bytes = hex(VEC_V2_AH_RFC2402);
    assert_eq!(ah::parse(&bytes[20..43]), Err(Malformed::Truncated { needed: 24, have: 23 }));
    assert_eq!(ah::parse(&[]), Err(Malformed::Truncated { needed: 24, have: 0 }));
    let mut longer = bytes[20..].to_vec();
    longer[1] = 5;
    assert_eq!(ah::parse(&longer), Err(Malformed::Length(5)));
}

#[test]
fn trap_15_what_cannot_be_sealed_is_named_and_left_alone() {
    let refused = |change: fn(&mut Vec<u8>)| {
        let mut datagram = unsealed();
        change(&mut datagram);
        let before = datagram.clone();
        let reason = ah::seal(&KEY, &mut datagram, 9, Form::Rfc2402).unwrap_err();
        assert_eq!(datagram, before);
        reason
    };
    assert_eq!(refused(|d| d[4..6].fill(0)), Unsealable::NoIdentification);
    assert_eq!(refused(|d| d[9] = 112), Unsealable::Protocol(112));
    assert_eq!(refused(|d| d.push(0)), Unsealable::Trailing(1));
    assert_eq!(refused(|d| d[0] = 0x46), Unsealable::Options);
    assert_eq!(refused(|d| d[21] = 3), Unsealable::Ah(Malformed::Length(3)));
    let truncated = ipv4::Malformed::Truncated { needed: 64, have: 63 };
    assert_eq!(refused(|d| d.truncate(63)), Unsealable::Ipv4(truncated));
    let no_header = |d: &mut Vec<u8>| {
        d.truncate(30);
        d[3] = 30;
    };
    assert_eq!(refused(no_header), Unsealable::Ah(Malformed::Truncated { needed: 24, have: 10 }));
}
