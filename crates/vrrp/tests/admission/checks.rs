//! The receive checks: each alone, each with every later one (which fixes their order), and what is tolerated.

use proptest::prelude::*;
use vrrp::{Peer, admit_stray};
use wire::checksum::{OnesComplement, internet};
use wire::{PROTOCOL_AH, ah};

use crate::vectors::*;
use crate::*;

/// An advert in the making, right unless something is done to it.
#[derive(Clone, Debug)]
struct Case {
    policy: Policy<'static>,
    ttl: u8,
    destination: Ipv4Addr,
    first: u8,
    priority: u8,
    addresses: Vec<[u8; 4]>,
    /// Bytes 4 and 5.
    word: [u8; 2],
    auth_data: Vec<u8>,
    tail: Vec<u8>,
    cut: usize,
    break_sum: bool,
    sealed: bool,
}

impl Case {
    fn v3() -> Self {
        Self {
            policy: Policy { strict: true, ..V3 },
            ttl: 255,
            destination: GROUP_V4,
            first: 0x31,
            priority: 100,
            addresses: vec![[192, 0, 2, 1]],
            word: [0, 100],
            auth_data: vec![],
            tail: vec![],
            cut: 0,
            break_sum: false,
            sealed: false,
        }
    }

    fn v2() -> Self {
        let password = Authentication::Password(wire::message::Auth::Pass(*b"1111\0\0\0\0"));
        let policy = Policy { strict: true, authentication: Box::leak(Box::new(password)), ..V2 };
        let (word, auth_data) = ([1, 1], b"1111\0\0\0\0".to_vec());
        Self { policy, first: 0x21, addresses: vec![[10, 0, 0, 3]], word, auth_data, ..Self::v3() }
    }

    const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

    fn message(&self) -> Vec<u8> {
        let count = u8::try_from(self.addresses.len()).unwrap();
        let fixed = [self.first, 51, self.priority, count, self.word[0], self.word[1], 0, 0];
        let mut message = [&fixed[..], &self.addresses.concat(), &self.auth_data].concat();
        let sum = internet(&message) ^ if self.break_sum { 0x0100 } else { 0 };
        message[6..8].copy_from_slice(&sum.to_be_bytes());
        message.truncate(message.len() - self.cut);
        message.extend_from_slice(&self.tail);
        message
    }

    fn judge(&self) -> Result<Admitted, Discard> {
        let message = self.message();
        let bytes = if self.sealed {
            let mut payload = Vec::new();
            ah::emit_header(Self::SOURCE.to_bits(), 1, &mut payload);
            payload.extend_from_slice(&message);
            packet(Self::SOURCE, self.destination, self.ttl, PROTOCOL_AH, &payload)
        } else {
            packet(Self::SOURCE, self.destination, self.ttl, PROTOCOL_VRRP, &message)
        };
        judge(&self.policy, &bytes)
    }
}

/// Not the addresses of any advert here.
const OTHER_LIST: &[IpAddr] = &[v4(192, 0, 2, 77)];

type Flaw = (Discard, fn(&mut Case));

/// In the order of the checks.
const FLAWS_V3: &[Flaw] = &[
    (Discard::HopLimit, |c| c.ttl = 254),
    (Discard::Version, |c| c.first = 0x40 | c.first & 0x0f),
    (Discard::Type, |c| c.first = c.first & 0xf0 | 2),
    (Discard::Truncated, |c| c.cut = 1),
    (Discard::TrailingBytes, |c| c.tail = vec![9]),
    (Discard::Checksum, |c| c.break_sum = true),
    (Discard::OwnerIgnores, |c| c.policy.owner_ignores = true),
    (Discard::IntervalZero, |c| c.word = [0xf0, 0]),
    (Discard::NoAddresses, |c| c.addresses.clear()),
    (Discard::AuthenticationType, |c| c.sealed = true),
    (Discard::AddressList, |c| c.policy.addresses = OTHER_LIST),
    (Discard::OwnSource, |c| c.policy.own = IpAddr::V4(Case::SOURCE)),
    (Discard::Destination, |c| c.destination = Ipv4Addr::new(224, 0, 0, 19)),
];

const FLAWS_V2: &[Flaw] = &[
    (Discard::HopLimit, |c| c.ttl = 254),
    (Discard::Version, |c| c.first = 0x40 | c.first & 0x0f),
    (Discard::Type, |c| c.first = c.first & 0xf0 | 2),
    (Discard::Truncated, |c| c.cut = 1),
    (Discard::TrailingBytes, |c| c.tail = vec![9]),
    (Discard::Checksum, |c| c.break_sum = true),
    (Discard::OwnerIgnores, |c| c.policy.owner_ignores = true),
    (Discard::NoAddresses, |c| c.addresses.clear()),
    (Discard::AuthenticationUnknown, |c| c.word[0] = 3),
    (Discard::AuthenticationType, |c| c.policy.authentication = &Authentication::None),
    (Discard::AuthenticationFailed, |c| c.auth_data = b"1112\0\0\0\0".to_vec()),
    (Discard::Interval, |c| c.word[1] = 2),
    (Discard::AddressList, |c| c.policy.addresses = OTHER_LIST),
    (Discard::OwnSource, |c| c.policy.own = IpAddr::V4(Case::SOURCE)),
    (Discard::Destination, |c| c.destination = Ipv4Addr::new(224, 0, 0, 19)),
];

fn check_order(right: &Case, flaws: &[Flaw]) {
    assert!(right.judge().is_ok(), "{right:?}");
    for (at, (first, spoil)) in flaws.iter().enumerate() {
        let mut one = right.clone();
        spoil(&mut one);
        assert_eq!(one.judge().unwrap_err(), *first, "alone");
        for (second, spoil_too) in &flaws[at + 1..] {
            // What is cut short cannot be too long.
            if (*first, *second) == (Discard::Truncated, Discard::TrailingBytes) {
                continue;
            }
            let mut two = one.clone();
            spoil_too(&mut two);
            assert_eq!(two.judge().unwrap_err(), *first, "{first:?} comes before {second:?}");
        }
    }
}

#[test]
fn rx_2_to_rx_7_rx_9_to_rx_12_rx_14_rx_17_rx_18_version_3_each_alone_and_in_order() {
    check_order(&Case::v3(), FLAWS_V3);
}

#[test]
fn rx_2_to_rx_7_rx_9_rx_11_to_rx_14_rx_17_rx_18_version_2_each_alone_and_in_order() {
    check_order(&Case::v2(), FLAWS_V2);
}

#[test]
fn the_order_is_that_of_the_list_of_discards() {
    for flaws in [FLAWS_V2, FLAWS_V3] {
        assert!(flaws.is_sorted_by_key(|(why, _)| why.index()));
    }
    for (index, why) in Discard::ALL.into_iter().enumerate() {
        assert_eq!(why.index(), index);
        assert!(!why.to_string().is_empty());
        let twins = Discard::ALL.iter().filter(|other| other.name() == why.name()).count();
        assert_eq!(twins, 1, "{}", why.name());
    }
}

// ---- RX-1: the IP header ----

#[test]
fn rx_1_what_is_no_whole_datagram_is_malformed() {
    let good = hex(VEC_V2_NONE_IP);
    let with = |change: fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        judge(&V2, &bytes)
    };
    assert!(with(|_| ()).is_ok());
    let changes: [fn(&mut Vec<u8>); 8] = [
        Vec::clear,
        |b| b.truncate(19),
        |b| b.truncate(b.len() - 1),
        |b| b[0] = 0x65,
        |b| b[0] = 0x44,
        |b| b[3] = 19,
        |b| b[6] = 0x20,
        |b| b[9] = 17,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(with(change), Err(Discard::Malformed), "change {number}");
    }
}

#[test]
fn rx_1_trap_11_the_header_says_where_the_message_starts_and_ends() {
    // Four bytes of options, and Ethernet padding that is not even zero.
    let mut bytes = hex(VEC_V2_NONE_IP);
    bytes.splice(20..20, [1, 1, 1, 1]);
    (bytes[0], bytes[3]) = (0x46, 44);
    bytes.extend_from_slice(&[0xaa; 6]);
    assert!(judge(&V2, &bytes).is_ok());
}

// ---- RX-2, UNI-2: hops ----

#[test]
fn rx_2_the_hop_limit_of_ipv6() {
    for (limit, expected) in [(255, None), (254, Some(Discard::HopLimit)), (0, Some(Discard::HopLimit))] {
        let bytes = hex(VEC_V3_6_TWO);
        let ingress = Ingress::v6(FE80_2, GROUP_V6, Some(limit), &bytes);
        assert_eq!(admit(&mut Seen::default(), &policy_v6(), NOW, &ingress).err(), expected);
    }
}

// ---- RX-3 to RX-7 ----

#[test]
fn rx_6_ethernet_padding_is_tolerated() {
    for length in [1, 6, 28, 45] {
        assert!(Case { tail: vec![0; length], ..Case::v3() }.judge().is_ok(), "{length}");
        assert!(Case { tail: vec![0; length], ..Case::v2() }.judge().is_ok(), "{length}");
    }
    let long = Case { tail: vec![0; 46], ..Case::v3() };
    assert_eq!(long.judge(), Err(Discard::TrailingBytes));
}

#[test]
fn rx_6_auth_15_an_auth_hmac_trailer_is_tolerated_if_it_has_the_form_of_one() {
    // keepalived's own vector: source 198.51.100.10, key id 1.
    let message = "3133c80100644402c0000264";
    let trailer = "0101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265";
    let judge_with = |trailer: &str| {
        let payload = hex(&format!("{message}{trailer}"));
        let bytes = packet(Ipv4Addr::new(198, 51, 100, 10), GROUP_V4, 255, PROTOCOL_VRRP, &payload);
        judge(&Policy { addresses: &[v4(192, 0, 2, 100)], ..V3 }, &bytes)
    };
    assert!(judge_with(trailer).is_ok());
    let others = [
        format!("02{}", &trailer[2..]),
        format!("0101ff{}", &trailer[6..]),
        trailer[..54].to_owned(),
        format!("{trailer}01"),
    ];
    for other in others {
        assert_eq!(judge_with(&other), Err(Discard::TrailingBytes), "{other}");
    }
}

#[test]
fn rx_6_over_ipv6_the_sum_covers_the_tail() {
    let mut payload = hex(VEC_V3_6_TWO);
    payload.extend_from_slice(&hex("0101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265"));
    assert_eq!(judge_v6(&policy_v6(), &payload), Err(Discard::Checksum));
    payload[6..8].fill(0);
    let sum = OnesComplement::pseudo_header(IpAddr::V6(FE80_2), IpAddr::V6(GROUP_V6), 112, payload.len());
    let sum = sum.with(&payload).checksum();
    payload[6..8].copy_from_slice(&sum.to_be_bytes());
    assert!(judge_v6(&policy_v6(), &payload).is_ok());
}

// ---- RX-10 to RX-15 ----

#[test]
fn tm_12_every_interval_of_version_3_but_zero_is_believed() {
    for centis in [1_u16, 2, 99, 100, 101, 4094, 4095] {
        let case = Case { word: centis.to_be_bytes(), ..Case::v3() };
        assert_eq!(case.judge().unwrap().advertisement.interval.centis(), centis);
    }
}

#[test]
fn rx_13_version_2_demands_our_interval() {
    for seconds in [0, 2, 255] {
        assert_eq!(Case { word: [1, seconds], ..Case::v2() }.judge(), Err(Discard::Interval));
    }
}

#[test]
fn rx_15_trap_2_version_3_only_remarks_on_another_interval() {
    let differs =
        |centis: u8| Case { word: [0, centis], ..Case::v3() }.judge().unwrap().remarks.interval_differs;
    assert!(!differs(100));
    assert!(differs(50));
}

#[test]
fn rx_14_another_address_list_is_remarked_on_and_dropped_in_strict_mode_only() {
    for right in [Case::v2(), Case::v3()] {
        let mut case = right;
        case.policy.addresses = OTHER_LIST;
        assert_eq!(case.judge(), Err(Discard::AddressList));
        case.policy.strict = false;
        assert!(case.judge().unwrap().remarks.address_list_differs);
        // skip_check_adv_addr: the known Active router is not asked.
        case.policy.strict = true;
        case.policy.trusted = Some(IpAddr::V4(Case::SOURCE));
        assert!(!case.judge().unwrap().remarks.address_list_differs);
        case.policy.trusted = Some(v4(10, 0, 0, 99));
        assert_eq!(case.judge(), Err(Discard::AddressList));
    }
}

#[test]
fn rx_14_in_version_2_the_owner_is_believed_whatever_it_lists() {
    let mut case = Case { priority: 255, ..Case::v2() };
    case.policy.addresses = OTHER_LIST;
    assert!(case.judge().unwrap().remarks.address_list_differs);
}

#[test]
fn wire_9_the_order_of_the_addresses_does_not_matter_but_their_set_does() {
    let many: Vec<IpAddr> = (1..=255).map(|last| v4(10, 1, 0, last)).collect();
    let differs = |lasts: &[u8]| {
        let mut case = Case { addresses: lasts.iter().map(|last| [10, 1, 0, *last]).collect(), ..Case::v3() };
        case.policy =
            Policy { strict: false, addresses: Box::leak(many[..4].to_vec().into()), ..case.policy };
        case.judge().unwrap().remarks.address_list_differs
    };
    assert!(!differs(&[1, 2, 3, 4]));
    assert!(!differs(&[4, 2, 1, 3]));
    for wrong in
        [&[1, 2, 3][..], &[1, 2, 3, 5], &[1, 2, 3, 3], &[1, 1, 2, 2], &[1, 2, 3, 4, 4], &[4, 3, 2, 9]]
    {
        assert!(differs(wrong), "{wrong:?}");
    }
    // As many as there can be, backwards.
    let mut most = Case { addresses: (1..=255).rev().map(|last| [10, 1, 0, last]).collect(), ..Case::v3() };
    most.policy.addresses = Box::leak(many.into());
    assert!(most.judge().is_ok());
}

// ---- RX-18, UNI: where to ----

const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 6);

fn unicast(peers: &'static [Peer], only_peers: bool) -> Case {
    let mut case = Case { destination: OURS, ttl: 64, ..Case::v3() };
    case.policy.expected = Expected::Unicast { peers, only_peers };
    case
}

const PEER: Peer = Peer { address: IpAddr::V4(Case::SOURCE), min_ttl: None, max_ttl: None };
const OTHER: Peer = Peer { address: v4(10, 0, 0, 99), min_ttl: None, max_ttl: None };

#[test]
fn uni_1_rx_18_unlisted_peers_are_refused_if_only_peers_are_believed() {
    assert!(unicast(&[OTHER, PEER], true).judge().is_ok());
    assert_eq!(unicast(&[OTHER], true).judge(), Err(Discard::UnlistedPeer));
    assert!(unicast(&[OTHER], false).judge().is_ok());
}

#[test]
fn uni_2_the_hops_of_a_peer_are_bounded_as_configured() {
    const BOUNDED: Peer = Peer { min_ttl: Some(64), max_ttl: Some(65), ..PEER };
    for (ttl, expected) in
        [(63, Err(Discard::HopLimit)), (64, Ok(())), (65, Ok(())), (66, Err(Discard::HopLimit))]
    {
        assert_eq!(Case { ttl, ..unicast(&[BOUNDED], true) }.judge().map(drop), expected, "{ttl}");
    }
    assert!(Case { ttl: 1, ..unicast(&[PEER], true) }.judge().is_ok());
}

#[test]
fn uni_3_multicast_is_not_for_a_unicast_router_nor_the_reverse() {
    let group = Case { destination: GROUP_V4, ttl: 255, ..unicast(&[PEER], true) };
    assert_eq!(group.judge(), Err(Discard::Destination));
    assert_eq!(Case { destination: OURS, ..Case::v3() }.judge(), Err(Discard::Destination));
}

#[test]
fn ck_7_uni_4_the_pseudo_header_has_the_real_destination() {
    let case = unicast(&[PEER], true);
    let mut message = case.message();
    message[6..8].fill(0);
    let sum = |to: Ipv4Addr| {
        let sum = OnesComplement::pseudo_header(Case::SOURCE.into(), to.into(), 112, message.len());
        sum.with(&message).checksum()
    };
    let judge_sum = |sum: u16| {
        let mut message = message.clone();
        message[6..8].copy_from_slice(&sum.to_be_bytes());
        judge(&case.policy, &packet(Case::SOURCE, OURS, 64, PROTOCOL_VRRP, &message)).map(drop)
    };
    assert_eq!(judge_sum(sum(OURS)), Ok(()));
    assert_eq!(judge_sum(sum(GROUP_V4)), Err(Discard::Checksum));
}

#[test]
fn rx_9_sm_act_12_an_owner_ignores_adverts_only_if_told_to() {
    let mut case = Case { priority: 255, ..Case::v2() };
    assert!(case.judge().is_ok());
    case.policy.owner_ignores = true;
    assert_eq!(case.judge(), Err(Discard::OwnerIgnores));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever bytes come, from whatever header on: an answer, and never a trace of what was refused.
    #[test]
    fn any_bytes_are_judged(
        start in prop_oneof![
            Just(vec![]), Just(hex(VEC_V2_PASS_IP)), Just(hex(VEC_V2_AH_KA)), Just(hex(VEC_V2_NONE_IP)),
        ],
        keep in 0..70_usize,
        more in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let bytes = [&start[..keep.min(start.len())], &more].concat();
        for policy in [V2, V3, unicast(&[PEER], true).policy] {
            let _ = judge(&policy, &bytes);
        }
        if let Ok(ingress) = Ingress::v4(&bytes) {
            let _ = (admit_stray(&ingress), ingress.vrid());
        }
        let ingress = Ingress::v6(FE80_2, GROUP_V6, None, &bytes);
        let _ = (admit(&mut Seen::default(), &policy_v6(), NOW, &ingress), admit_stray(&ingress));
    }
}
