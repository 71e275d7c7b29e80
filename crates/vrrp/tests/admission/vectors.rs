//! The literal vectors of the conformance list, judged as they would arrive.

use vrrp::{Admitted, Advertisement, Remarks, SumForm, admit_stray};
use wire::Priority;

use crate::*;

pub(crate) const VEC_V2_NONE: &str = "2132960100013ec80a0000030000000000000000";
pub(crate) const VEC_V2_PASS: &str = "213296010101db650a0000033131313100000000";
pub(crate) const VEC_V2_PASS_IP: &str =
    "45c0002800000000ff70d08e0a000005e0000012213296010101db650a0000033131313100000000";
pub(crate) const VEC_V2_NONE_IP: &str =
    "45c0002800000000ff70d08e0a000005e00000122132960100013ec80a0000030000000000000000";
pub(crate) const VEC_V2_PRIO0: &str = "213200010001d4c80a0000030000000000000000";
pub(crate) const VEC_V2_PASS_PRIO0: &str = "21320001010171660a0000033131313100000000";
const VEC_V2_OWNER: &str = "2101ff0200035b75c0000201c00002810000000000000000";
pub(crate) const VEC_V2_AH_INNER: &str = "2132960102013cc80a0000030000000000000000";
pub(crate) const VEC_V2_AH_RFC2402: &str = "45c0004000010000ff33d0b20a000005e0000012700400000a00000500000001e40301182d8ccdc87d80bcee2132960102013cc80a0000030000000000000000";
pub(crate) const VEC_V2_AH_KA: &str = "45c0004000010000ff33d0b20a000005e0000012700400000a0000050000000145c92ca4a1f7eb011b948d002132960102013cc80a0000030000000000000000";
pub(crate) const VEC_V3_4: &str = "313364010064a865c0000201";
pub(crate) const VEC_V3_4_PSEUDO: &str = "31336401006405d4c0000201";
const VEC_V3_4_IP: &str = "45c0002000000000ff701899c0000202e0000012313364010064a865c0000201";
const VEC_V3_4_PSEUDO_IP: &str = "45c0002000000000ff701899c0000202e000001231336401006405d4c0000201";
const VEC_V3_4_PRIO0: &str = "3133000100640c66c0000201";
const VEC_V3_4_PRIO0_PH: &str = "31330001006469d4c0000201";
const VEC_V3_4_OWNER: &str = "3133ff010ffffdc8c0000202";
const VEC_V3_4_OWNER_PH: &str = "3133ff010fff5b37c0000202";
const VEC_V3_4_MIN: &str = "3133fe0200014cc3c0000201c0000203";
const VEC_V3_4_MIN_PH: &str = "3133fe020001aa2dc0000201c0000203";
const VEC_V3_4_RESV: &str = "31336401f064b864c0000201";
const VEC_V3_4_CS0: &str = "3137640100640000c000aa62";
const VEC_V3_4_CSFFFF: &str = "313764010064ffffc000aa62";
pub(crate) const VEC_V3_6_TWO: &str =
    "3134c802000adc52fe80000000000000000000000000000120010db8000000000000000000000001";
const VEC_V3_6_PRIO0: &str =
    "31340002000aa453fe80000000000000000000000000000120010db8000000000000000000000001";
const VEC_V3_6_BADCSUM: &str =
    "3134c802000ada82fe80000000000000000000000000000120010db8000000000000000000000001";

const NEG_VER4: &str = "4133640100649865c0000201";
const NEG_TYPE2: &str = "323364010064a765c0000201";
const NEG_TRUNC7: &str = "313364010064a8";
const NEG_SHORTADDR: &str = "313364010064a865c000";
const NEG_COUNT2: &str = "313364020064a864c0000201";
const NEG_COUNT0: &str = "3133640000646a68";
const NEG_CSUM: &str = "313364010064a965c0000201";
const NEG_VRID0: &str = "310064010064a898c0000201";
const NEG_INT0: &str = "313364010000a8c9c0000201";
const NEG_V2_AUTH3: &str = "2132960103013bc80a0000030000000000000000";
const NEG_V2_NOAUTH: &str = "2132960100013ec80a000003";
const NEG_V2_INT2: &str = "2132960100023ec70a0000030000000000000000";

fn believed(policy: &Policy<'_>, vector: &str) -> Admitted {
    judge(policy, &datagram(&hex(vector))).unwrap()
}

fn refused(policy: &Policy<'_>, vector: &str) -> Discard {
    judge(policy, &datagram(&hex(vector))).unwrap_err()
}

fn priority_and_centis(admitted: Admitted) -> (u8, u16) {
    let Advertisement { priority, interval, .. } = admitted.advertisement;
    (priority.0, interval.centis())
}

#[test]
fn rx_19_what_is_believed_is_told_as_it_was_said() {
    let expected = Admitted {
        advertisement: Advertisement {
            source: v4(10, 0, 0, 5),
            priority: Priority(150),
            interval: Interval::SECOND,
            at: NOW,
        },
        remarks: Remarks {
            address_list_differs: false,
            interval_differs: false,
            sum: SumForm::Message,
            confirms_wall_clock: false,
        },
    };
    assert_eq!(judge(&V2, &hex(VEC_V2_NONE_IP)), Ok(expected));
}

#[test]
fn ck_3_ck_4_ck_5_trap_1_both_checksums_of_version_3_over_ipv4_are_believed_and_told_apart() {
    let form = |vector| judge(&V3, &hex(vector)).unwrap().remarks.sum;
    assert_eq!(form(VEC_V3_4_IP), SumForm::Message);
    assert_eq!(form(VEC_V3_4_PSEUDO_IP), SumForm::PseudoHeader);
    for (message, pseudo, expected) in [
        (VEC_V3_4, VEC_V3_4_PSEUDO, (100, 100)),
        (VEC_V3_4_PRIO0, VEC_V3_4_PRIO0_PH, (0, 100)),
        (VEC_V3_4_OWNER, VEC_V3_4_OWNER_PH, (255, 4095)),
        (VEC_V3_4_MIN, VEC_V3_4_MIN_PH, (254, 1)),
    ] {
        let (message, pseudo) = (believed(&V3, message), believed(&V3, pseudo));
        assert_eq!((message.remarks.sum, pseudo.remarks.sum), (SumForm::Message, SumForm::PseudoHeader));
        assert_eq!((priority_and_centis(message), priority_and_centis(pseudo)), (expected, expected));
    }
}

#[test]
fn ck_6_a_checksum_of_zero_and_its_twin_verify() {
    let policy = Policy { addresses: &[v4(192, 0, 170, 98)], strict: true, ..V3 };
    believed(&policy, VEC_V3_4_CS0);
    believed(&policy, VEC_V3_4_CSFFFF);
}

#[test]
fn ck_2_version_3_over_ipv6() {
    let strict = Policy { strict: true, ..policy_v6() };
    assert_eq!(priority_and_centis(judge_v6(&strict, &hex(VEC_V3_6_TWO)).unwrap()), (200, 10));
    assert_eq!(priority_and_centis(judge_v6(&strict, &hex(VEC_V3_6_PRIO0)).unwrap()), (0, 10));
    assert_eq!(judge_v6(&strict, &hex(VEC_V3_6_BADCSUM)), Err(Discard::Checksum));
}

#[test]
fn wire_2_trap_10_the_reserve_bits_are_ignored() {
    assert_eq!(priority_and_centis(believed(&V3, VEC_V3_4_RESV)), (100, 100));
}

#[test]
fn version_2_vectors() {
    assert_eq!(priority_and_centis(believed(&V2, VEC_V2_PRIO0)), (0, 100));
    let addresses = [v4(192, 0, 2, 1), v4(192, 0, 2, 129)];
    let policy =
        Policy { interval: Interval::from_secs(3).unwrap(), addresses: &addresses, strict: true, ..V2 };
    assert_eq!(priority_and_centis(believed(&policy, VEC_V2_OWNER)), (255, 300));
}

#[test]
fn negative_vectors_each_for_its_reason() {
    for (vector, why) in [
        (NEG_VER4, Discard::Version),
        (NEG_TYPE2, Discard::Type),
        (NEG_TRUNC7, Discard::Truncated),
        (NEG_SHORTADDR, Discard::Truncated),
        (NEG_COUNT2, Discard::Truncated),
        (NEG_COUNT0, Discard::NoAddresses),
        (NEG_CSUM, Discard::Checksum),
        (NEG_INT0, Discard::IntervalZero),
    ] {
        assert_eq!(refused(&V3, vector), why, "{vector}");
    }
    for (vector, why) in [
        (NEG_V2_AUTH3, Discard::AuthenticationUnknown),
        (NEG_V2_NOAUTH, Discard::Truncated),
        (NEG_V2_INT2, Discard::Interval),
        (VEC_V2_PASS, Discard::AuthenticationType),
    ] {
        assert_eq!(refused(&V2, vector), why, "{vector}");
    }
    assert_eq!(refused(&V3, VEC_V2_NONE), Discard::Version);
    assert_eq!(refused(&V2, VEC_V3_4), Discard::Version);
}

#[test]
fn rx_8_rx_23_an_advert_for_nobody_here() {
    let stray = |bytes: &[u8]| {
        let bytes = datagram(bytes);
        let ingress = Ingress::v4(&bytes).unwrap();
        (ingress.vrid().map(wire::Vrid::get), admit_stray(&ingress))
    };
    assert_eq!(stray(&hex(VEC_V3_4)), (Some(51), Discard::Vrid));
    assert_eq!(stray(&hex(VEC_V2_NONE)), (Some(50), Discard::Vrid));
    assert_eq!(stray(&hex(NEG_VRID0)), (None, Discard::Vrid));
    assert_eq!(stray(&hex(NEG_TRUNC7)), (None, Discard::Truncated));
    assert_eq!(stray(&hex(NEG_VER4)), (Some(51), Discard::Version));
    assert_eq!(stray(&hex(NEG_TYPE2)), (Some(51), Discard::Type));
    assert_eq!(stray(&hex(NEG_COUNT2)), (Some(51), Discard::Truncated));
    assert_eq!(stray(&hex(NEG_CSUM)), (Some(51), Discard::Checksum));
    assert_eq!(stray(&[hex(VEC_V3_4), vec![7]].concat()), (Some(51), Discard::TrailingBytes));

    let routed = packet(Ipv4Addr::new(192, 0, 2, 2), GROUP_V4, 254, PROTOCOL_VRRP, &hex(VEC_V3_4));
    assert_eq!(admit_stray(&Ingress::v4(&routed).unwrap()), Discard::HopLimit);
    let unicast = packet(Ipv4Addr::new(192, 0, 2, 2), Ipv4Addr::new(192, 0, 2, 9), 60, 112, &hex(VEC_V3_4));
    assert_eq!(admit_stray(&Ingress::v4(&unicast).unwrap()), Discard::Vrid);
}

/// One bit, wherever it is, makes any advert unbelievable: the checksum covers it all.
#[test]
fn rx_7_one_wrong_bit_is_found() {
    for (policy, vector) in
        [(V2, VEC_V2_NONE), (V3, VEC_V3_4), (V3, VEC_V3_4_PSEUDO), (V3, VEC_V3_4_MIN), (V2, VEC_V2_PRIO0)]
    {
        for bit in 0..hex(vector).len() * 8 {
            let mut message = hex(vector);
            message[bit / 8] ^= 0x80 >> (bit % 8);
            // The address of the sender of the vectors, whatever the version nibble has become.
            let mut whole = datagram(&hex(vector));
            whole.truncate(20);
            whole.extend_from_slice(&message);
            assert!(judge(&policy, &whole).is_err(), "{vector}: bit {bit}");
        }
    }
    for bit in 0..hex(VEC_V3_6_TWO).len() * 8 {
        let mut message = hex(VEC_V3_6_TWO);
        message[bit / 8] ^= 0x80 >> (bit % 8);
        assert!(judge_v6(&policy_v6(), &message).is_err(), "bit {bit}");
    }
}

/// One version is spoken and believed; nothing believes both.
#[test]
fn iop_1_another_version_is_never_believed() {
    for vector in [VEC_V3_4, VEC_V3_4_PSEUDO, VEC_V3_4_PRIO0, VEC_V3_4_OWNER] {
        assert_eq!(refused(&V2, vector), Discard::Version, "{vector}");
    }
    for vector in [VEC_V2_NONE, VEC_V2_PRIO0, VEC_V2_OWNER] {
        assert_eq!(refused(&V3, vector), Discard::Version, "{vector}");
    }
}

#[test]
fn nam_25_nam_28_to_nam_30_nam_32_to_nam_36_counters_are_spelt_as_in_rfc_8347() {
    // What each broken vector counts as: the leaf of the module, or the counter of RFC 2787 in its spelling.
    for (policy, vector, name) in [
        (V2, NEG_V2_INT2, "interval-errors"),
        (V3, NEG_TYPE2, "invalid-type-pkts-rcvd"),
        (V3, NEG_TRUNC7, "packet-length-errors"),
        (V3, NEG_CSUM, "checksum-errors"),
        (V3, NEG_VER4, "version-errors"),
        (V2, NEG_V2_AUTH3, "invalid-auth-type"),
        (V2, VEC_V2_PASS, "auth-type-mismatch"),
    ] {
        assert_eq!(refused(&policy, vector).name(), name, "{vector}");
    }
    let strict = Policy { strict: true, addresses: &[v4(192, 0, 2, 77)], ..V3 };
    assert_eq!(refused(&strict, VEC_V3_4).name(), "address-list-errors");
    let routed = packet(Ipv4Addr::new(192, 0, 2, 2), GROUP_V4, 254, PROTOCOL_VRRP, &hex(VEC_V3_4));
    assert_eq!(judge(&V3, &routed).unwrap_err().name(), "ip-ttl-errors");
    let stray = datagram(&hex(VEC_V3_4));
    assert_eq!(admit_stray(&Ingress::v4(&stray).unwrap()).name(), "vrid-errors");
    assert_eq!(Discard::AuthenticationFailed.name(), "auth-failures");
}
