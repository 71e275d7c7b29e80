//! The reader of captured frames.

use wire::checksum::OnesComplement;
use wire::frame::{Seen, header, read};
use wire::{GROUP_V4, Mac, Priority};

use crate::vectors::*;
use crate::{hex, ip};

/// A vector that starts with its IP header, in a frame from the Virtual Router MAC of VRID 51.
fn framed(ethertype: u16, packet: &str) -> Vec<u8> {
    let destination = Mac::multicast(GROUP_V4.into()).unwrap();
    [header(destination, Mac([0, 0, 0x5e, 0, 1, 0x33]), ethertype).as_slice(), &hex(packet)].concat()
}

fn line(frame: &[u8]) -> String {
    read(frame).unwrap().to_string()
}

#[test]
fn adverts_are_read() {
    assert_eq!(
        read(&hex(VEC_V3_6_TWO_ETH)),
        Some(Seen::Vrrp {
            source_mac: Mac([0, 0, 0x5e, 0, 2, 0x34]),
            source: ip("fe80::2"),
            destination: ip("ff02::12"),
            hop_limit: 255,
            version: 3,
            kind: 1,
            vrid: 52,
            priority: Priority(200),
            count: 2,
            first: Some(ip("fe80::1")),
            centiseconds: 10,
            authenticated: false,
            sum_ok: true,
        })
    );
}

#[test]
fn adverts_have_one_line() {
    assert_eq!(
        line(&hex(VEC_V2_PASS_ETH)),
        "00:00:5e:00:01:32 10.0.0.5 > 224.0.0.18: VRRPv2 vrid 50 prio 150 interval 1 s address 10.0.0.3 \
         [authenticated]"
    );
    assert_eq!(
        line(&hex(VEC_V3_6_TWO_ETH)),
        "00:00:5e:00:02:34 fe80::2 > ff02::12: VRRPv3 vrid 52 prio 200 interval 0.1 s address fe80::1 +1"
    );
    assert_eq!(
        line(&framed(0x0800, VEC_V2_AH_KA)),
        "00:00:5e:00:01:33 10.0.0.5 > 224.0.0.18: VRRPv2 vrid 50 prio 150 interval 1 s address 10.0.0.3 \
         [authenticated]"
    );
}

#[test]
fn ck_5_both_sums_over_ipv4_are_right() {
    for vector in [VEC_V3_4_IP, VEC_V3_4_PSEUDO_IP] {
        assert_eq!(
            line(&framed(0x0800, vector)),
            "00:00:5e:00:01:33 192.0.2.2 > 224.0.0.18: VRRPv3 vrid 51 prio 100 interval 1 s address 192.0.2.1"
        );
    }
}

#[test]
fn what_is_wrong_is_shown() {
    let mut frame = framed(0x0800, VEC_V3_4_IP);
    frame[22] = 254; // TTL
    frame[34] = 0x32; // type 2, and so the checksum is wrong
    frame[38..40].fill(0); // interval
    assert_eq!(
        line(&frame),
        "00:00:5e:00:01:33 192.0.2.2 > 224.0.0.18: VRRPv3 vrid 51 prio 100 interval 0 s address 192.0.2.1 \
         [unknown type] [hop limit not 255] [bad checksum or length]"
    );

    // Says that it has 9 addresses: none of them can be shown.
    let mut frame = framed(0x0800, VEC_V3_4_IP);
    frame[37] = 9;
    let text = line(&frame);
    assert!(text.ends_with("interval 1 s +8 [bad checksum or length]"), "{text}");
}

#[test]
fn rx_6_padding_and_tags_are_taken_off() {
    let plain = framed(0x0800, VEC_V3_4_IP);
    let padded = [plain.as_slice(), &[0xee; 14]].concat();
    assert_eq!(read(&padded), read(&plain));

    let mut tagged = plain.clone();
    tagged.splice(12..12, [0x88, 0xa8, 0, 7, 0x81, 0, 0, 8]);
    assert_eq!(read(&tagged), read(&plain));
    assert_eq!(read(&tagged[..17]), None);
}

/// As a router with a trailer sends it: the kernel sums whatever it is given.
#[test]
fn rx_6_sum_over_ipv6_covers_the_tail() {
    let tail = [0xab; 28];
    let mut frame = [hex(VEC_V3_6_TWO_ETH).as_slice(), &tail].concat();
    frame[19] += 28; // payload length
    let bad = line(&frame);
    assert!(bad.ends_with("[bad checksum or length]"), "{bad}");

    frame[60..62].fill(0);
    let sum = OnesComplement::pseudo_header(ip("fe80::2"), ip("ff02::12"), 112, 68).with(&frame[54..]);
    frame[60..62].copy_from_slice(&sum.checksum().to_be_bytes());
    assert_eq!(line(&frame), line(&hex(VEC_V3_6_TWO_ETH)));
}

#[test]
fn ck_1_version_2_with_a_pseudo_header_is_wrong() {
    let mut frame = framed(0x0800, VEC_V2_NONE_IP);
    frame[40..42].fill(0);
    let sum = OnesComplement::pseudo_header(ip("10.0.0.5"), ip("224.0.0.18"), 112, 20).with(&frame[34..]);
    frame[40..42].copy_from_slice(&sum.checksum().to_be_bytes());
    let text = line(&frame);
    assert!(text.ends_with("[bad checksum or length]"), "{text}");
}

#[test]
fn auth_12_sealed_message_without_auth_type_shows_as_authenticated() {
    let mut frame = framed(0x0800, VEC_V2_AH_KA);
    frame[62] = 0;
    let text = line(&frame);
    assert!(text.ends_with("[authenticated] [bad checksum or length]"), "{text}");
}

#[test]
fn announcements_have_one_line() {
    for (vector, text) in [
        (GARP_REQ_BCAST, "ARP gratuitous request, 192.0.2.1 is-at 00:00:5e:00:01:33"),
        (GARP_REPLY, "ARP gratuitous reply, 192.0.2.1 is-at 00:00:5e:00:01:33"),
        (ARP_PROBE, "ARP probe, who-has 192.0.2.1 asks 02:00:00:00:00:05"),
        (ARP_REPLY_HOST, "ARP reply, 192.0.2.1 is-at 00:00:5e:00:01:33"),
        (UNA_GLOBAL, "neighbor advertisement, 2001:db8::1 is-at 00:00:5e:00:02:34, router, override"),
    ] {
        assert_eq!(line(&hex(vector)), text);
    }
}

#[test]
fn other_frames_are_no_business_of_ours() {
    assert_eq!(read(&[]), None);
    assert_eq!(read(&framed(0x88cc, VEC_V3_4_IP)), None, "LLDP");
    let mut udp = framed(0x0800, VEC_V3_4_IP);
    udp[23] = 17;
    assert_eq!(read(&udp), None);
    let mut sealed_tcp = framed(0x0800, VEC_V2_AH_KA);
    sealed_tcp[34] = 6;
    assert_eq!(read(&sealed_tcp), None);
}
