//! Reading and writing VRRP messages (sections 2.1, 2.2 and 2.4 of the list).

use wire::checksum::{Sum, verifies};
use wire::message::{ADVERTISEMENT, Auth, Message, Truncated, Unencodable};
use wire::{Family, Interval, Priority};

use crate::vectors::*;
use crate::{Advert, hex, ip, pseudo};

const PASSWORD: Auth = Auth::Pass(*b"1111\0\0\0\0");

fn v2() -> Advert {
    Advert::v2(50, 150, 1, &["10.0.0.3"])
}

fn v3() -> Advert {
    Advert::v3(51, 100, 100, &["192.0.2.1"])
}

fn v3_over_ipv6() -> Advert {
    Advert::v3(52, 200, 10, &["fe80::1", "2001:db8::1"])
}

fn group_v4() -> Sum {
    pseudo("192.0.2.2", "224.0.0.18")
}

fn group_v6() -> Sum {
    pseudo("fe80::2", "ff02::12")
}

#[test]
fn tx_1_version_2_vectors_are_written() {
    v2().assert_is(Sum::Message, VEC_V2_NONE);
    v2().auth(PASSWORD).assert_is(Sum::Message, VEC_V2_PASS);
    v2().auth(Auth::Ah).assert_is(Sum::Message, VEC_V2_AH_INNER);
    Advert::v2(50, 0, 1, &["10.0.0.3"]).assert_is(Sum::Message, VEC_V2_PRIO0);
    Advert::v2(50, 0, 1, &["10.0.0.3"]).auth(PASSWORD).assert_is(Sum::Message, VEC_V2_PASS_PRIO0);
}

#[test]
fn tx_1_version_3_vectors_over_ipv4_are_written_with_both_sums() {
    let group = group_v4();
    let check = |advert: Advert, message: &str, pseudo: &str| {
        advert.assert_is(Sum::Message, message);
        advert.assert_is(group, pseudo);
    };
    check(v3(), VEC_V3_4, VEC_V3_4_PSEUDO);
    check(Advert::v3(51, 0, 100, &["192.0.2.1"]), VEC_V3_4_PRIO0, VEC_V3_4_PRIO0_PH);
    check(Advert::v3(51, 255, 4095, &["192.0.2.2"]), VEC_V3_4_OWNER, VEC_V3_4_OWNER_PH);
    check(Advert::v3(51, 254, 1, &["192.0.2.1", "192.0.2.3"]), VEC_V3_4_MIN, VEC_V3_4_MIN_PH);
}

#[test]
fn tx_1_version_3_vectors_over_ipv6_are_written() {
    v3_over_ipv6().assert_is(group_v6(), VEC_V3_6_TWO);
    Advert::v3(52, 0, 10, &["fe80::1", "2001:db8::1"]).assert_is(group_v6(), VEC_V3_6_PRIO0);
}

#[test]
fn wire_1_reserve_is_zero_on_send_for_the_longest_interval() {
    let bytes = Advert::v3(51, 100, 4095, &["192.0.2.1"]).emit(Sum::Message).unwrap();
    assert_eq!(bytes[4..6], [0x0f, 0xff]);
}

#[test]
fn wire_2_reserve_is_ignored_on_receipt() {
    let bytes = hex(VEC_V3_4_RESV);
    let message = Message::new(&bytes).unwrap();
    assert_eq!(message.centiseconds(), 100);
    assert_eq!(message.interval(), Some(Interval::SECOND));
    assert!(verifies(message.body(Family::V4).unwrap().message, Sum::Message));
}

#[test]
fn wire_3_owner_sends_255() {
    Advert::v2(1, 255, 3, &["192.0.2.1", "192.0.2.129"]).assert_is(Sum::Message, VEC_V2_OWNER);
    let bytes = hex(VEC_V2_OWNER);
    assert!(Message::new(&bytes).unwrap().priority().is_owner());
}

#[test]
fn wire_6_count_is_the_number_of_addresses_and_at_least_one() {
    let empty = Advert { addresses: Vec::new(), ..v3() };
    assert_eq!(empty.emit(Sum::Message), Err(Unencodable::NoAddress));

    let addresses = |n| Advert { addresses: vec![ip("192.0.2.1"); n], ..v3() };
    assert_eq!(addresses(255).emit(Sum::Message).unwrap()[3], 255);
    assert_eq!(addresses(256).emit(Sum::Message), Err(Unencodable::TooManyAddresses));
}

#[test]
fn wire_7_order_of_the_addresses_is_kept() {
    let bytes = hex(VEC_V3_6_TWO);
    let addresses = Message::new(&bytes).unwrap().body(Family::V6).unwrap().addresses;
    assert_eq!(addresses.first(), Some(ip("fe80::1")));
    assert_eq!(addresses.iter().collect::<Vec<_>>(), [ip("fe80::1"), ip("2001:db8::1")]);
    assert_eq!(addresses.into_iter().len(), 2);
}

#[test]
fn wire_8_families_are_not_mixed() {
    let mixed = Advert::v3(51, 100, 100, &["192.0.2.1", "fe80::1"]);
    assert_eq!(mixed.emit(group_v4()), Err(Unencodable::MixedFamilies));
    assert_eq!(v3().emit(group_v6()), Err(Unencodable::MixedFamilies));
    assert_eq!(v3_over_ipv6().emit(group_v4()), Err(Unencodable::MixedFamilies));
    assert_eq!(v3_over_ipv6().emit(pseudo("fe80::2", "224.0.0.18")), Err(Unencodable::MixedFamilies));
    assert_eq!(v3_over_ipv6().emit(pseudo("192.0.2.2", "ff02::12")), Err(Unencodable::MixedFamilies));
}

#[test]
fn wire_10_authentication_data_without_authentication_is_zero_on_send_and_ignored_on_receipt() {
    assert_eq!(v2().emit(Sum::Message).unwrap()[12..], [0; 8]);
    assert_eq!(v2().auth(Auth::Ah).emit(Sum::Message).unwrap()[12..], [0; 8]);
    assert!(Auth::None.accepts(*b"whatever"));
    assert!(Auth::Ah.accepts(*b"whatever"));

    // The same packet as from a router that leaves bytes there: its checksum covers them.
    let mut bytes = hex(VEC_V2_NONE);
    bytes[12..].copy_from_slice(b"leftover");
    bytes[6..8].copy_from_slice(&[0, 0]);
    let sum = wire::checksum::internet(&bytes);
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    let body = Message::new(&bytes).unwrap().body(Family::V4).unwrap();
    assert!(verifies(body.message, Sum::Message));
    assert_eq!(body.auth_data, Some(*b"leftover"));
    assert_eq!(body.addresses.first(), Some(ip("10.0.0.3")));
}

#[test]
fn wire_11_packet_lengths_at_the_limits_of_the_count() {
    let packet = |advert: Advert, family, header| advert.outgoing().encoded_len(family) + header;
    let many = |n, address| vec![ip(address); n];
    assert_eq!(packet(Advert { addresses: many(255, "10.1.0.1"), ..v3() }, Family::V4, 20), 1048);
    assert_eq!(packet(Advert { addresses: many(255, "10.1.0.1"), ..v2() }, Family::V4, 20), 1056);
    assert_eq!(packet(Advert { addresses: many(90, "fe80::1"), ..v3() }, Family::V6, 40), 1488);
    assert_eq!(packet(Advert { addresses: many(255, "fe80::1"), ..v3() }, Family::V6, 40), 4128);
}

#[test]
fn wire_13_version_3_has_no_authentication() {
    assert_eq!(v3().auth(PASSWORD).emit(Sum::Message), Err(Unencodable::AuthenticationInV3));
    assert_eq!(v3().auth(Auth::Ah).emit(Sum::Message), Err(Unencodable::AuthenticationInV3));
    let bytes = hex(VEC_V3_4);
    assert_eq!(Message::new(&bytes).unwrap().body(Family::V4).unwrap().auth_data, None);
}

#[test]
fn con_8_version_3_interval_fits_12_bits() {
    let interval = |centis| Advert::v3(51, 100, centis, &["192.0.2.1"]).emit(Sum::Message);
    assert!(interval(4095).is_ok());
    assert_eq!(interval(4096), Err(Unencodable::IntervalTooLong));
}

#[test]
fn con_9_version_2_interval_is_whole_seconds() {
    let interval = |centis| Advert { centis, ..v2() }.emit(Sum::Message);
    assert_eq!(interval(25_500).unwrap()[5], 255);
    assert_eq!(interval(150), Err(Unencodable::IntervalNotWholeSeconds));
    assert_eq!(interval(10), Err(Unencodable::IntervalNotWholeSeconds));
}

#[test]
fn con_12_version_2_does_not_carry_ipv6() {
    let advert = Advert::v2(50, 150, 1, &["fe80::1"]);
    assert_eq!(advert.emit(Sum::Message), Err(Unencodable::FamilyNotInVersion));
    assert_eq!(advert.emit(group_v6()), Err(Unencodable::FamilyNotInVersion));
}

#[test]
fn emit_appends_and_leaves_the_buffer_alone_on_an_error() {
    let mut out = b"header".to_vec();
    v3().outgoing().emit(Sum::Message, &mut out).unwrap();
    assert_eq!(out, [b"header".as_slice(), &hex(VEC_V3_4)].concat());

    let before = out.clone();
    assert!(v3_over_ipv6().outgoing().emit(Sum::Message, &mut out).is_err());
    assert_eq!(out, before);
}

#[test]
fn rx_fields_of_version_2_are_read() {
    let bytes = hex(VEC_V2_OWNER);
    let message = Message::new(&bytes).unwrap();
    assert_eq!((message.version(), message.kind()), (2, ADVERTISEMENT));
    assert_eq!((message.vrid(), message.priority(), message.count()), (1, Priority::OWNER, 2));
    assert_eq!((message.auth_type(), message.seconds(), message.checksum()), (0, 3, 0x5b75));
    let body = message.body(Family::V4).unwrap();
    assert_eq!((body.message, body.tail), (bytes.as_slice(), [].as_slice()));
    assert_eq!(body.auth_data, Some([0; 8]));
    assert_eq!(body.addresses.iter().collect::<Vec<_>>(), [ip("192.0.2.1"), ip("192.0.2.129")]);
}

#[test]
fn rx_fields_of_version_3_are_read() {
    let bytes = hex(VEC_V3_4_OWNER);
    let message = Message::new(&bytes).unwrap();
    assert_eq!((message.version(), message.kind()), (3, ADVERTISEMENT));
    assert_eq!((message.vrid(), message.priority(), message.count()), (51, Priority::OWNER, 1));
    assert_eq!((message.centiseconds(), message.checksum()), (4095, 0xfdc8));
    assert_eq!(message.interval(), Some(Interval::MAX_V3));
}

#[test]
fn rx_5_truncated_says_how_much_is_missing() {
    let bytes = hex(VEC_V3_6_TWO);
    let body = |n: usize| Message::new(&bytes[..n]).unwrap().body(Family::V6).map(|_| ());
    assert_eq!(body(40), Ok(()));
    for have in 8..40 {
        assert_eq!(body(have), Err(Truncated { needed: 40, have }));
    }
    assert_eq!(body(39).unwrap_err().to_string(), "the message needs 40 bytes and has 39");
}

#[test]
fn rx_6_what_follows_the_message_is_the_tail() {
    for (vector, family) in [(VEC_V2_PASS, Family::V4), (VEC_V3_4, Family::V4), (VEC_V3_6_TWO, Family::V6)] {
        let message = hex(vector);
        let bytes = [message.as_slice(), &[7; 28]].concat();
        let body = Message::new(&bytes).unwrap().body(family).unwrap();
        assert_eq!((body.message, body.tail), (message.as_slice(), [7; 28].as_slice()));
    }
}

#[test]
fn iop_4_seconds_become_centiseconds() {
    let bytes = hex(VEC_V2_OWNER);
    assert_eq!(Message::new(&bytes).unwrap().interval(), Interval::from_centis(300));
}

#[test]
fn auth_2_password_is_zero_filled() {
    assert_eq!(v2().auth(PASSWORD).emit(Sum::Message).unwrap()[12..], *b"1111\0\0\0\0");
}

#[test]
fn auth_3_all_eight_bytes_are_compared() {
    assert!(PASSWORD.accepts(*b"1111\0\0\0\0"));
    for at in 0..8 {
        let mut data = *b"1111\0\0\0\0";
        data[at] ^= 1;
        assert!(!PASSWORD.accepts(data), "byte {at}");
    }
}

#[test]
fn auth_13_leaving_adverts_are_authenticated_like_all_others() {
    let bytes = hex(VEC_V2_PASS_PRIO0);
    let message = Message::new(&bytes).unwrap();
    assert_eq!((message.priority(), message.auth_type()), (Priority::LEAVING, PASSWORD.wire_type()));
    assert!(PASSWORD.accepts(message.body(Family::V4).unwrap().auth_data.unwrap()));
}

#[test]
fn auth_14_types_on_the_wire_count_from_zero() {
    assert_eq!([Auth::None, PASSWORD, Auth::Ah].map(Auth::wire_type), [0, 1, 2]);
}

#[test]
fn passwords_are_not_printed() {
    let bytes = hex(VEC_V2_PASS);
    let message = Message::new(&bytes).unwrap();
    let texts = [
        format!("{PASSWORD:?}"),
        format!("{:?}", v2().auth(PASSWORD).outgoing()),
        format!("{message:?} {:?}", message.body(Family::V4).unwrap()),
        format!("{:?}", wire::ah::Key::new(*b"1111\0\0\0\0")),
        format!("{:?}", wire::frame::ethernet(&hex(VEC_V2_PASS_ETH)).unwrap()),
        format!("{:?}", wire::ipv4::parse(&hex(VEC_V2_PASS_IP)).unwrap()),
    ];
    for text in texts {
        assert!(!text.contains("1111") && !text.contains("49, 49"), "{text}");
    }
}

#[test]
fn passwords_are_equal_only_to_themselves() {
    assert_eq!(PASSWORD, PASSWORD);
    assert_ne!(PASSWORD, Auth::Pass(*b"1112\0\0\0\0"));
    assert_ne!(Auth::Pass([0; 8]), Auth::None);
    assert_ne!(Auth::None, Auth::Ah);
}

#[test]
fn con_11_one_type_is_written() {
    for bytes in [v2().emit(Sum::Message), v3().emit(Sum::Message), v3_over_ipv6().emit(group_v6())] {
        assert_eq!(bytes.unwrap()[0] & 0x0f, 1);
    }
    assert_eq!(ADVERTISEMENT, 1);
}

#[test]
fn con_7_priorities_have_three_meanings() {
    assert_eq!(
        (Priority::LEAVING, Priority::DEFAULT, Priority::OWNER),
        (Priority(0), Priority(100), Priority(255))
    );
    let owners: Vec<u8> = (0..=255).filter(|n| Priority(*n).is_owner()).collect();
    assert_eq!(owners, [255]);
}

/// One byte of the password against a sum that was made over the other one.
#[test]
fn auth_5_the_password_is_inside_the_sum() {
    let mut bytes = hex(VEC_V2_PASS);
    for at in 12..20 {
        bytes[at] ^= 1;
        assert!(!verifies(&bytes, Sum::Message), "byte {at}");
        bytes[at] ^= 1;
    }
    assert!(verifies(&bytes, Sum::Message));
}
