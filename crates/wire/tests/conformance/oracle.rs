//! Another implementation, etherparse, reads what is written here and sums what is summed here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{Icmpv6Slice, NetSlice, SlicedPacket};
use proptest::prelude::*;
use wire::arp::{self, TargetHardware};
use wire::checksum::{OnesComplement, internet};
use wire::{Mac, ipv4, ipv6, ndp};

proptest! {
    #[test]
    fn ck_1_sums_agree(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let theirs = etherparse::checksum::Sum16BitWords::new().add_slice(&bytes).ones_complement();
        prop_assert_eq!(internet(&bytes), theirs.to_be());
    }

    /// The definition, two bytes at a time.
    #[test]
    fn ck_2_ck_4_sums_agree_with_the_definition_whatever_the_pieces(
        source in any::<[u8; 16]>(),
        destination in any::<[u8; 16]>(),
        protocol in any::<u8>(),
        words in prop::collection::vec(any::<[u8; 2]>(), 0..200),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = words.concat();
        let length = u32::try_from(bytes.len()).unwrap();
        let cut = cut.index(words.len() + 1) * 2;
        let rest = [&length.to_be_bytes(), [0, protocol].as_slice(), &bytes].concat();

        let v6 = |octets: [u8; 16]| IpAddr::V6(Ipv6Addr::from(octets));
        let sum = OnesComplement::pseudo_header(v6(source), v6(destination), protocol, bytes.len());
        let theirs = by_definition(&[&source, destination.as_slice(), &rest].concat());
        prop_assert_eq!(sum.with(&bytes).fold(), theirs);
        prop_assert_eq!(sum.with(&bytes[..cut]).with(&bytes[cut..]).fold(), theirs);

        let (source, destination) = (&source[..4], &destination[..4]);
        let v4 = |octets: &[u8]| IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(octets).unwrap()));
        let sum = OnesComplement::pseudo_header(v4(source), v4(destination), protocol, bytes.len());
        prop_assert_eq!(sum.with(&bytes).fold(), by_definition(&[source, destination, &rest].concat()));
    }

    #[test]
    fn ipv4_headers_agree(
        source in any::<u32>(),
        destination in any::<u32>(),
        (protocol, ttl, traffic_class) in any::<(u8, u8, u8)>(),
        identification in any::<u16>(),
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let (source, destination) = (Ipv4Addr::from_bits(source), Ipv4Addr::from_bits(destination));
        let header = ipv4::Header { source, destination, protocol, ttl, traffic_class, identification };
        let mut bytes = Vec::new();
        header.emit(payload.len(), &mut bytes);

        let (theirs, _) = etherparse::Ipv4Header::from_slice(&bytes).unwrap();
        prop_assert_eq!(theirs.header_checksum, theirs.calc_header_checksum());
        prop_assert_eq!((theirs.source, theirs.destination), (source.octets(), destination.octets()));
        prop_assert_eq!((theirs.protocol.0, theirs.time_to_live), (protocol, ttl));
        prop_assert_eq!(theirs.dscp.value() << 2 | theirs.ecn.value(), traffic_class);
        prop_assert_eq!(usize::from(theirs.total_len), 20 + payload.len());
        prop_assert!(!theirs.dont_fragment && !theirs.more_fragments);
        prop_assert_eq!(theirs.identification, identification);

        bytes.extend_from_slice(&payload);
        let ours = ipv4::parse(&bytes).unwrap();
        prop_assert!(ours.header_verifies());
        prop_assert_eq!((ours.source, ours.destination, ours.payload), (source, destination, &payload[..]));
        prop_assert_eq!((ours.ttl, ours.protocol, ours.identification), (ttl, protocol, identification));
    }

    #[test]
    fn ipv6_headers_agree(
        (source, destination) in any::<([u8; 16], [u8; 16])>(),
        (next_header, hop_limit, traffic_class) in any::<(u8, u8, u8)>(),
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let (source, destination) = (Ipv6Addr::from(source), Ipv6Addr::from(destination));
        let header = ipv6::Header { source, destination, next_header, hop_limit, traffic_class };
        let mut bytes = Vec::new();
        header.emit(payload.len(), &mut bytes);

        let (theirs, _) = etherparse::Ipv6Header::from_slice(&bytes).unwrap();
        prop_assert_eq!((theirs.source, theirs.destination), (source.octets(), destination.octets()));
        prop_assert_eq!((theirs.next_header.0, theirs.hop_limit), (next_header, hop_limit));
        prop_assert_eq!((theirs.traffic_class, theirs.flow_label.value()), (traffic_class, 0));
        prop_assert_eq!(usize::from(theirs.payload_length), payload.len());

        bytes.extend_from_slice(&payload);
        let ours = ipv6::parse(&bytes).unwrap();
        prop_assert_eq!((ours.source, ours.destination, ours.payload), (source, destination, &payload[..]));
        prop_assert_eq!((ours.hop_limit, ours.next_header), (hop_limit, next_header));
    }

    #[test]
    fn garp_1_frames_agree(mac in any::<[u8; 6]>(), address in any::<[u8; 4]>()) {
        let address_ip = Ipv4Addr::from(address);
        for (frame, operation, target) in [
            (arp::gratuitous_request(Mac(mac), address_ip, TargetHardware::Own), 1, mac),
            (arp::gratuitous_request(Mac(mac), address_ip, TargetHardware::Zero), 1, [0; 6]),
            (arp::gratuitous_request(Mac(mac), address_ip, TargetHardware::Broadcast), 1, [0xff; 6]),
            (arp::gratuitous_reply(Mac(mac), address_ip), 2, mac),
        ] {
            let packet = SlicedPacket::from_ethernet(&frame).unwrap();
            let Some(NetSlice::Arp(theirs)) = packet.net else { panic!("no ARP in {packet:?}") };
            prop_assert_eq!(theirs.operation().0, operation);
            prop_assert_eq!((theirs.sender_hw_addr(), theirs.sender_protocol_addr()), (&mac[..], &address[..]));
            prop_assert_eq!((theirs.target_hw_addr(), theirs.target_protocol_addr()), (&target[..], &address[..]));
        }
    }

    #[test]
    fn na_3_checksums_agree(
        mac in any::<[u8; 6]>(),
        (source, target) in any::<([u8; 16], [u8; 16])>(),
        router in any::<bool>(),
    ) {
        let (source, target) = (Ipv6Addr::from(source), Ipv6Addr::from(target));
        let frame = ndp::unsolicited_advertisement(Mac(mac), source, target, router);
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(NetSlice::Ipv6(ip)) = &packet.net else { panic!("no IPv6 in {packet:?}") };
        prop_assert_eq!(ip.header().hop_limit(), 255);
        let icmp = Icmpv6Slice::from_slice(ip.payload().payload).unwrap();
        prop_assert!(icmp.is_checksum_valid(ip.header().source(), ip.header().destination()));
        prop_assert_eq!((icmp.type_u8(), icmp.code_u8()), (136, 0));
    }
}

fn by_definition(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks_exact(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair[1]);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}
