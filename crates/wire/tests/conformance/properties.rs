//! Properties over all bytes and all adverts.

use std::net::IpAddr;

use proptest::prelude::*;
use wire::ah::{self, Form, Key};
use wire::checksum::{Sum, verifies};
use wire::message::{Auth, Message};
use wire::{Family, Interval, Mac, Priority, Version, arp, frame, ipv4, ipv6, ndp};

use crate::vectors::*;
use crate::{Advert, hex, pseudo};

/// Every reader, on the same bytes; what comes out is walked and printed.
fn read_everything(bytes: &[u8]) {
    for family in [Family::V4, Family::V6] {
        let Some(message) = Message::new(bytes) else { break };
        let _ = format!("{message:?} {:?}", message.body(family));
        let Ok(body) = message.body(family) else { continue };
        assert_eq!(body.addresses.len(), usize::from(message.count()));
        assert_eq!(body.addresses.iter().count(), body.addresses.len());
        assert_eq!([body.message, body.tail].concat(), bytes);
    }
    for sum in [Sum::Message, pseudo("192.0.2.2", "224.0.0.18"), pseudo("fe80::2", "ff02::12")] {
        let _ = verifies(bytes, sum);
    }
    if let Ok(packet) = ipv4::parse(bytes) {
        let key = Key::new([1; 8]);
        assert!(!ah::verify(&key, &packet, Form::Rfc2402) && !ah::verify(&key, &packet, Form::Keepalived));
    }
    if let Ok(packet) = ipv6::parse(bytes) {
        let _ = ndp::parse(&packet).map(|neighbor| neighbor.to_string());
    }
    let _ = ah::parse(bytes);
    let _ = ah::seal(&Key::new([1; 8]), &mut bytes.to_vec(), 1, Form::Rfc2402);
    let _ = arp::parse(bytes).map(|arp| arp.to_string());
    let _ = frame::read(bytes).map(|seen| seen.to_string());
}

/// Frames of every kind, to be broken.
const FRAMES: [&str; 9] = [
    VEC_V2_PASS_ETH,
    VEC_V3_6_TWO_ETH,
    GARP_REQ_VMAC,
    GARP_REPLY,
    ARP_PROBE,
    ARP_REPLY_HOST,
    UNA_GLOBAL,
    UNA_LL,
    VEC_V2_AH_KA,
];

fn addresses(family: Family) -> BoxedStrategy<Vec<IpAddr>> {
    match family {
        Family::V4 => prop::collection::vec(any::<[u8; 4]>().prop_map(IpAddr::from), 1..=255).boxed(),
        Family::V6 => prop::collection::vec(any::<[u8; 16]>().prop_map(IpAddr::from), 1..=255).boxed(),
    }
}

fn auth() -> impl Strategy<Value = Auth> {
    prop_oneof![Just(Auth::None), any::<[u8; 8]>().prop_map(Auth::Pass), Just(Auth::Ah)]
}

/// Every advert that can be written, with a sum that fits it.
fn adverts() -> impl Strategy<Value = (Advert, Sum)> {
    let version_2 = (1..=255_u16, auth(), addresses(Family::V4))
        .prop_map(|(seconds, auth, addresses)| (Version::V2, seconds * 100, auth, addresses, Sum::Message));
    let version_3 = |family, sums: Vec<Sum>| {
        (1..=4095_u16, addresses(family), prop::sample::select(sums))
            .prop_map(|(centis, addresses, sum)| (Version::V3, centis, Auth::None, addresses, sum))
    };
    let over_v4 = version_3(Family::V4, vec![Sum::Message, pseudo("192.0.2.2", "224.0.0.18")]);
    let over_v6 = version_3(Family::V6, vec![pseudo("fe80::2", "ff02::12"), pseudo("::1", "2001:db8::9")]);
    (1..=255_u8, any::<u8>(), prop_oneof![version_2, over_v4, over_v6]).prop_map(
        |(vrid, priority, (version, centis, auth, addresses, sum))| {
            (Advert { version, vrid, priority, centis, addresses, auth }, sum)
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    /// As above, but past the first checks.
    #[test]
    fn no_broken_frame_makes_a_reader_panic(
        frame in prop::sample::select(FRAMES.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = hex(frame);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let cut = cut.index(bytes.len() + 1);
        for start in [0, 14, 34, 54] {
            read_everything(bytes.get(start..).unwrap_or_default());
            read_everything(bytes.get(start..cut).unwrap_or_default());
        }
    }

    #[test]
    fn wire_6_what_is_written_is_read_back((advert, sum) in adverts()) {
        let bytes = advert.emit(sum).unwrap();
        let family = Family::of(advert.addresses[0]);
        prop_assert_eq!(bytes.len(), advert.outgoing().encoded_len(family));
        prop_assert!(verifies(&bytes, sum));

        let message = Message::new(&bytes).unwrap();
        prop_assert_eq!(Version::from_number(message.version()), Some(advert.version));
        prop_assert_eq!((message.kind(), message.vrid()), (1, advert.vrid));
        prop_assert_eq!(message.priority(), Priority(advert.priority));
        prop_assert_eq!(message.interval(), Interval::from_centis(advert.centis));
        let body = message.body(family).unwrap();
        prop_assert_eq!((body.message, body.tail.len()), (&bytes[..], 0));
        prop_assert_eq!(body.addresses.iter().collect::<Vec<_>>(), &advert.addresses[..]);
        match advert.version {
            Version::V2 => {
                prop_assert_eq!(message.auth_type(), advert.auth.wire_type());
                prop_assert!(advert.auth.accepts(body.auth_data.unwrap()));
            }
            Version::V3 => prop_assert_eq!(body.auth_data, None),
        }
    }

    #[test]
    fn rx_7_every_single_bit_error_is_found((advert, sum) in adverts(), bit in any::<prop::sample::Index>()) {
        let mut bytes = advert.emit(sum).unwrap();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 0x80 >> (bit % 8);
        prop_assert!(!verifies(&bytes, sum));
    }

    #[test]
    fn auth_7_auth_8_what_is_sealed_verifies_with_its_key_only(
        (key, other) in any::<([u8; 8], [u8; 8])>(),
        (spi, sequence) in any::<(u32, u32)>(),
        identification in 1..=u16::MAX,
        payload in prop::collection::vec(any::<u8>(), 0..100),
        form in prop::sample::select(vec![Form::Rfc2402, Form::Keepalived]),
    ) {
        let header = ipv4::Header {
            source: [192, 0, 2, 2].into(),
            destination: wire::GROUP_V4,
            protocol: wire::PROTOCOL_AH,
            ttl: 255,
            traffic_class: 0xc0,
            identification,
        };
        let mut datagram = Vec::new();
        header.emit(ah::HEADER_LEN + payload.len(), &mut datagram);
        ah::emit_header(spi, 0, &mut datagram);
        datagram.extend_from_slice(&payload);
        ah::seal(&Key::new(key), &mut datagram, sequence, form).unwrap();

        let packet = ipv4::parse(&datagram).unwrap();
        let read = ah::parse(packet.payload).unwrap();
        prop_assert_eq!((read.spi, read.sequence, read.payload), (spi, sequence, &payload[..]));
        prop_assert!(ah::verify(&Key::new(key), &packet, form));
        prop_assert_eq!(ah::verify(&Key::new(other), &packet, form), key == other);
    }

    #[test]
    fn con_2_con_3_multicast_addresses_map_to_group_addresses(octets in any::<[u8; 16]>()) {
        let address = IpAddr::from(octets);
        let group = Mac::multicast(address);
        prop_assert_eq!(group.is_some(), address.is_multicast());
        prop_assert!(group.is_none_or(|mac| mac.0[0] & 1 == 1));
    }
}
