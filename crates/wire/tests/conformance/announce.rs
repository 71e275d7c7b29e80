//! Gratuitous ARP and unsolicited Neighbor Advertisements (section 2.7 of the list).

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::arp::{self, Arp, Operation, TargetHardware};
use wire::ndp::{self, Kind, Neighbor, solicited_node};
use wire::{Family, Mac, Vrid, ipv6};

use crate::hex;
use crate::vectors::*;

const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const HOST: Mac = Mac([2, 0, 0, 0, 0, 0x99]);

fn vmac(family: Family, vrid: u8) -> Mac {
    Mac::virtual_router(family, Vrid::new(vrid).unwrap())
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

#[test]
fn garp_req_vmac_garp_req_zero_garp_req_bcast_garp_1_garp_3_requests_are_written_in_every_form() {
    let mac = vmac(Family::V4, 51);
    let request = |target| arp::gratuitous_request(mac, VIP, target).to_vec();
    assert_eq!(request(TargetHardware::Own), hex(GARP_REQ_VMAC));
    assert_eq!(request(TargetHardware::Zero), hex(GARP_REQ_ZERO));
    assert_eq!(request(TargetHardware::Broadcast), hex(GARP_REQ_BCAST));
}

#[test]
fn garp_reply_garp_5_a_reply_names_its_sender_as_the_target() {
    assert_eq!(arp::gratuitous_reply(vmac(Family::V4, 51), VIP).to_vec(), hex(GARP_REPLY));
}

#[test]
fn garp_1_every_form_is_read_as_gratuitous() {
    for (vector, operation) in [
        (GARP_REQ_VMAC, Operation::Request),
        (GARP_REQ_ZERO, Operation::Request),
        (GARP_REQ_BCAST, Operation::Request),
        (GARP_REPLY, Operation::Reply),
    ] {
        let arp = arp::parse(&hex(vector)[14..]).unwrap();
        assert_eq!((arp.operation, arp.sender, arp.target), (operation, VIP, VIP));
        assert_eq!(arp.sender_mac, vmac(Family::V4, 51));
        assert!(arp.is_gratuitous() && !arp.is_probe());
    }
}

#[test]
fn arp_reply_host_is_written_and_read() {
    let reply = Arp {
        operation: Operation::Reply,
        sender_mac: vmac(Family::V4, 51),
        sender: VIP,
        target_mac: HOST,
        target: Ipv4Addr::new(192, 0, 2, 99),
    };
    assert_eq!(reply.to_frame(HOST).to_vec(), hex(ARP_REPLY_HOST));
    assert_eq!(arp::parse(&hex(ARP_REPLY_HOST)[14..]), Some(reply));
    assert!(!reply.is_gratuitous() && !reply.is_probe());
}

#[test]
fn arp_probe_is_written_and_read() {
    let probe = Arp {
        operation: Operation::Request,
        sender_mac: Mac([2, 0, 0, 0, 0, 5]),
        sender: Ipv4Addr::UNSPECIFIED,
        target_mac: Mac::default(),
        target: VIP,
    };
    assert_eq!(probe.to_frame(Mac::BROADCAST).to_vec(), hex(ARP_PROBE));
    assert_eq!(arp::parse(&hex(ARP_PROBE)[14..]), Some(probe));
    assert!(probe.is_probe() && !probe.is_gratuitous());

    let nothing = Arp { target: Ipv4Addr::UNSPECIFIED, ..probe };
    assert!(!nothing.is_probe() && !nothing.is_gratuitous());
    let reply = Arp { operation: Operation::Reply, ..probe };
    assert!(!reply.is_probe() && !reply.is_gratuitous());
}

#[test]
fn arp_for_other_hardware_protocols_and_operations_is_not_read() {
    let body = hex(GARP_REPLY)[14..].to_vec();
    for (at, value) in [(1, 6), (2, 0x86), (4, 8), (5, 16), (7, 0), (7, 3)] {
        let mut other = body.clone();
        other[at] = value;
        assert_eq!(arp::parse(&other), None, "byte {at}");
    }
    assert_eq!(arp::parse(&body[..27]), None);
    assert!(arp::parse(&[body.as_slice(), &[0; 18]].concat()).is_some(), "padded to 60 bytes");
}

#[test]
fn una_global_una_ll_na_1_na_6_advertisements_are_written() {
    let una = |target| ndp::unsolicited_advertisement(vmac(Family::V6, 52), v6("fe80::1"), v6(target), true);
    assert_eq!(una("2001:db8::1").to_vec(), hex(UNA_GLOBAL));
    assert_eq!(una("fe80::1").to_vec(), hex(UNA_LL));
}

#[test]
fn na_1_na_2_na_4_flags_are_router_and_override() {
    for (router, first) in [(true, 0xa0), (false, 0x20)] {
        let frame = ndp::unsolicited_advertisement(HOST, v6("fe80::1"), v6("fe80::1"), router);
        assert_eq!(frame[58..62], [first, 0, 0, 0]);
        let kind = Kind::Advertisement { router, solicited: false, override_cache: true };
        let read = ndp::parse(&ipv6::parse(&frame[14..]).unwrap());
        assert_eq!(read, Some(Neighbor { kind, target: v6("fe80::1"), link_layer: Some(HOST) }));
    }
}

#[test]
fn na_3_what_a_host_would_not_take_is_not_read() {
    let good = hex(UNA_GLOBAL);
    assert!(ndp::parse(&ipv6::parse(&good[14..]).unwrap()).is_some());

    // Each change keeps the checksum right, except the one that breaks it.
    let changed = |at: usize, value: u8, resum: bool| {
        let mut packet = good[14..].to_vec();
        packet[at] = value;
        if resum {
            resum_icmpv6(&mut packet);
        }
        ndp::parse(&ipv6::parse(&packet).unwrap())
    };
    assert_eq!(changed(7, 254, false), None, "hop limit");
    assert_eq!(changed(6, 59, false), None, "next header");
    assert_eq!(changed(41, 1, true), None, "code");
    assert_eq!(changed(43, 0, false), None, "checksum");
    assert_eq!(changed(44, 0xe0, true), None, "Solicited in a multicast");
    assert_eq!(changed(48, 0xff, true), None, "multicast target");
    assert_eq!(changed(65, 0, true), None, "option of length 0");
    assert_eq!(changed(65, 2, true), None, "option longer than the packet");
    assert_eq!(changed(40, 134, true), None, "Router Advertisement");
    assert!(changed(64, 9, true).is_some_and(|read| read.link_layer.is_none()), "unknown option");
}

#[test]
fn nd_solicitations_are_read() {
    let target = v6("2001:db8::1");
    let ask = |source: &str, destination, option: &[u8]| {
        let message = [&[135, 0, 0, 0, 0, 0, 0, 0], target.octets().as_slice(), option].concat();
        let header = ipv6::Header {
            source: v6(source),
            destination,
            next_header: ndp::PROTOCOL_ICMPV6,
            hop_limit: 255,
            traffic_class: 0,
        };
        let mut packet = Vec::new();
        header.emit(message.len(), &mut packet);
        packet.extend_from_slice(&message);
        resum_icmpv6(&mut packet);
        ndp::parse(&ipv6::parse(&packet).unwrap())
    };
    let option = [1, 1, 2, 0, 0, 0, 0, 0x99];
    let group = solicited_node(target);
    let solicitation = |link_layer| Some(Neighbor { kind: Kind::Solicitation, target, link_layer });

    assert_eq!(ask("fe80::99", group, &option), solicitation(Some(HOST)));
    assert_eq!(ask("fe80::99", target, &[]), solicitation(None));
    let two = [option, [1, 1, 2, 0, 0, 0, 0, 0x98]].concat();
    assert_eq!(ask("fe80::99", group, &two), solicitation(Some(HOST)), "the first of two options");
    assert_eq!(ask("::", group, &[]), solicitation(None), "duplicate address detection");
    assert_eq!(ask("::", group, &option), None, "detection names no link-layer address");
    assert_eq!(ask("::", target, &[]), None, "detection asks the group");
    assert_eq!(ask("fe80::99", group, &option[..1]), None, "one byte is no option");
    assert_eq!(ask("fe80::99", group, &option[..7]), None, "option cut short");
}

#[test]
fn nd_1_solicited_node_group() {
    let group = solicited_node(v6("2001:db8::abcd:1234:5678"));
    assert_eq!(group, v6("ff02::1:ff34:5678"));
    assert_eq!(Mac::multicast(group.into()), Some(Mac([0x33, 0x33, 0xff, 0x34, 0x56, 0x78])));
}

/// Makes the ICMPv6 checksum of a packet right, by the other implementation's arithmetic.
fn resum_icmpv6(packet: &mut [u8]) {
    let [source, destination]: [[u8; 16]; 2] =
        [packet[8..24].try_into().unwrap(), packet[24..40].try_into().unwrap()];
    packet[42..44].fill(0);
    let sum = etherparse::checksum::Sum16BitWords::new()
        .add_16bytes(source)
        .add_16bytes(destination)
        .add_4bytes(u32::try_from(packet.len() - 40).unwrap().to_be_bytes())
        .add_2bytes([0, 58])
        .add_slice(&packet[40..])
        .ones_complement();
    // Theirs is in the order of memory already.
    packet[42..44].copy_from_slice(&sum.to_ne_bytes());
}
