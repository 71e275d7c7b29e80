//! The checksum of VRRP (section 2.5 of the list).

use wire::Family;
use wire::checksum::{OnesComplement, Sum, internet, verifies};
use wire::message::{Message, Unencodable};

use crate::vectors::*;
use crate::{Advert, hex, pseudo};

/// RFC 1071 section 3, the numerical example.
#[test]
fn rfc_1071_example() {
    let bytes = hex("0001f203f4f5f6f7");
    assert_eq!(OnesComplement::new().with(&bytes).fold(), 0xddf2);
    assert_eq!(internet(&bytes), !0xddf2);
    assert_eq!(internet(&[0xab]), !0xab00, "an odd byte is the high half of its word");
    assert_eq!(internet(&[]), 0xffff);
}

/// 256 KiB of ones and then just enough to carry at every step of the folding.
#[test]
fn rfc_1071_carries_are_folded_to_the_end() {
    let mut bytes = vec![0xff; 1 << 18];
    bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0]);
    assert_eq!(OnesComplement::new().with(&bytes).fold(), 1);
}

#[test]
fn ck_1_version_2_covers_the_whole_message_and_no_pseudo_header() {
    for vector in [VEC_V2_NONE, VEC_V2_PASS, VEC_V2_PRIO0, VEC_V2_PASS_PRIO0, VEC_V2_OWNER, VEC_V2_AH_INNER] {
        assert!(verifies(&hex(vector), Sum::Message), "{vector}");
        assert!(!verifies(&hex(vector), pseudo("10.0.0.5", "224.0.0.18")), "{vector}");
    }
    let bytes = hex(VEC_V2_PASS);
    assert_eq!(Message::new(&bytes).unwrap().checksum(), 0xdb65);
    assert!(!verifies(&bytes[..12], Sum::Message), "without the Authentication Data");

    // An IPv4 router that speaks both versions has one `Sum`; version 2 leaves the pseudo-header out.
    let v2 = Advert::v2(50, 150, 1, &["10.0.0.3"]);
    v2.assert_is(pseudo("10.0.0.5", "224.0.0.18"), VEC_V2_NONE);
}

#[test]
fn ck_2_pseudo_header_over_ipv6() {
    let sum = pseudo("fe80::2", "ff02::12");
    assert!(verifies(&hex(VEC_V3_6_TWO), sum));
    assert!(verifies(&hex(VEC_V3_6_PRIO0), sum));
    assert!(!verifies(&hex(VEC_V3_6_BADCSUM), sum));
    assert!(verifies(&hex(VEC_V3_6_BADCSUM), Sum::Message), "wrong in the way that its comment says");
    let advert = Advert::v3(52, 200, 10, &["fe80::1"]);
    assert_eq!(advert.emit(Sum::Message), Err(Unencodable::PseudoHeaderMissing));
}

#[test]
fn ck_3_message_only_over_ipv4() {
    let bytes = hex(VEC_V3_4);
    assert_eq!(Message::new(&bytes).unwrap().checksum(), 0xa865);
    for vector in [VEC_V3_4, VEC_V3_4_PRIO0, VEC_V3_4_OWNER, VEC_V3_4_MIN, VEC_V3_4_RESV] {
        assert!(verifies(&hex(vector), Sum::Message), "{vector}");
        assert!(!verifies(&hex(vector), pseudo("192.0.2.2", "224.0.0.18")), "{vector}");
    }
}

#[test]
fn ck_4_pseudo_header_over_ipv4() {
    let bytes = hex(VEC_V3_4_PSEUDO);
    assert_eq!(Message::new(&bytes).unwrap().checksum(), 0x05d4);
    for vector in [VEC_V3_4_PSEUDO, VEC_V3_4_PRIO0_PH, VEC_V3_4_OWNER_PH, VEC_V3_4_MIN_PH] {
        assert!(verifies(&hex(vector), pseudo("192.0.2.2", "224.0.0.18")), "{vector}");
        assert!(!verifies(&hex(vector), Sum::Message), "{vector}");
    }
}

#[test]
fn ck_6_zero_and_all_ones_both_verify() {
    assert!(verifies(&hex(VEC_V3_4_CS0), Sum::Message));
    assert!(verifies(&hex(VEC_V3_4_CSFFFF), Sum::Message));
}

#[test]
fn ck_6_zero_stays_zero_on_send() {
    Advert::v3(55, 100, 100, &["192.0.170.98"]).assert_is(Sum::Message, VEC_V3_4_CS0);
}

/// To a unicast peer the pseudo-header has the peer's address: 0xe000 + 0x0012 goes, 0xc000 + 0x0209 comes.
#[test]
fn ck_7_pseudo_header_has_the_real_destination() {
    let advert = Advert::v3(51, 100, 100, &["192.0.2.1"]);
    let to_peer = pseudo("192.0.2.2", "192.0.2.9");
    let bytes = advert.emit(to_peer).unwrap();
    assert_eq!(bytes, hex("31336401006423ddc0000201"));
    assert!(verifies(&bytes, to_peer));
    assert!(!verifies(&bytes, pseudo("192.0.2.2", "224.0.0.18")));
    assert!(!verifies(&bytes, pseudo("192.0.2.3", "192.0.2.9")));
}

#[test]
fn rx_7_tail_is_not_part_of_the_sum() {
    let bytes = [hex(VEC_V3_4), vec![1, 2, 3]].concat();
    let body = Message::new(&bytes).unwrap().body(Family::V4).unwrap();
    assert!(verifies(body.message, Sum::Message));
    assert!(!verifies(&bytes, Sum::Message));
}
