//! Authentication of version 2: passwords, and the Authentication Header with its memory of sequence numbers.

use wire::message::Auth;
use wire::{PROTOCOL_AH, ah};

use crate::vectors::*;
use crate::*;

const PASSWORD: Authentication = Authentication::Password(Auth::Pass(*b"1111\0\0\0\0"));
const HEADER: Authentication = Authentication::Header(ah::Key::new(*b"1111\0\0\0\0"));
const NEG_V2_PASS1112: &str = "213296010101db640a0000033131313200000000";
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

fn with(authentication: &'static Authentication) -> Policy<'static> {
    Policy { authentication, ..V2 }
}

fn judge_message(policy: &Policy<'_>, vector: &str) -> Result<(), Discard> {
    judge(policy, &datagram(&hex(vector))).map(drop)
}

/// The datagram of VEC-V2-AH from another source, with another sequence number.
fn sealed(source: Ipv4Addr, sequence: u32, form: ah::Form) -> Vec<u8> {
    let mut payload = Vec::new();
    ah::emit_header(source.to_bits(), sequence, &mut payload);
    payload.extend_from_slice(&hex(VEC_V2_AH_INNER));
    let mut bytes = packet(source, GROUP_V4, 255, PROTOCOL_AH, &payload);
    ah::seal(&ah::Key::new(*b"1111\0\0\0\0"), &mut bytes, sequence, form).unwrap();
    bytes
}

fn number(seen: &mut Seen, source: Ipv4Addr, sequence: u32) -> Result<(), Discard> {
    judge_again(seen, &with(&HEADER), &sealed(source, sequence, ah::Form::Keepalived)).map(drop)
}

#[test]
fn auth_1_wire_10_without_authentication_the_data_is_ignored() {
    let mut message = hex(VEC_V2_NONE);
    message[12..].copy_from_slice(b"whatever");
    message[6..8].fill(0);
    let sum = wire::checksum::internet(&message);
    message[6..8].copy_from_slice(&sum.to_be_bytes());
    assert!(judge(&V2, &datagram(&message)).is_ok());
}

#[test]
fn auth_2_auth_3_auth_13_a_password_must_match_in_all_eight_bytes() {
    assert!(judge(&with(&PASSWORD), &hex(VEC_V2_PASS_IP)).is_ok());
    assert_eq!(judge_message(&with(&PASSWORD), VEC_V2_PASS_PRIO0), Ok(()));
    assert_eq!(judge_message(&with(&PASSWORD), NEG_V2_PASS1112), Err(Discard::AuthenticationFailed));
    const LONGER: Authentication = Authentication::Password(Auth::Pass(*b"1111\0\0\0x"));
    assert_eq!(judge_message(&with(&LONGER), VEC_V2_PASS), Err(Discard::AuthenticationFailed));
    // A resignation without the password resigns nobody.
    assert_eq!(judge_message(&with(&PASSWORD), VEC_V2_PRIO0), Err(Discard::AuthenticationType));
}

#[test]
fn auth_6_auth_11_auth_12_another_kind_of_authentication_is_refused() {
    let [none, pass] = [VEC_V2_NONE, VEC_V2_PASS].map(|v| datagram(&hex(v)));
    let [header, bare] = [hex(VEC_V2_AH_KA), datagram(&hex(VEC_V2_AH_INNER))];
    for (ours, theirs) in [
        (&Authentication::None, [&pass, &header, &bare]),
        (&PASSWORD, [&none, &header, &bare]),
        (&HEADER, [&none, &pass, &bare]),
    ] {
        for bytes in theirs {
            assert_eq!(judge(&with(ours), bytes), Err(Discard::AuthenticationType), "{ours:?}");
        }
    }
}

#[test]
fn auth_12_a_header_around_a_message_that_does_not_announce_it_is_refused() {
    for (ours, message) in
        [(&Authentication::None, VEC_V2_NONE), (&PASSWORD, VEC_V2_PASS), (&HEADER, VEC_V2_NONE)]
    {
        let mut payload = Vec::new();
        ah::emit_header(PEER.to_bits(), 1, &mut payload);
        payload.extend_from_slice(&hex(message));
        let bytes = packet(PEER, GROUP_V4, 255, PROTOCOL_AH, &payload);
        assert_eq!(judge(&with(ours), &bytes), Err(Discard::AuthenticationType), "{ours:?}");
    }
}

#[test]
fn auth_7_auth_8_trap_15_both_forms_of_the_hash_are_believed() {
    for vector in [VEC_V2_AH_RFC2402, VEC_V2_AH_KA] {
        assert!(judge(&with(&HEADER), &hex(vector)).is_ok());
    }
}

#[test]
fn auth_6_auth_7_a_header_with_a_wrong_value_or_key_is_refused() {
    const OTHER: Authentication = Authentication::Header(ah::Key::new(*b"1112\0\0\0\0"));
    assert_eq!(judge(&with(&OTHER), &hex(VEC_V2_AH_KA)), Err(Discard::AuthenticationFailed));
    // Source, identification, sequence, ICV: covered. (The message has a checksum of its own before.)
    for byte in [5, 15, 30, 31, 32, 43] {
        let mut bytes = hex(VEC_V2_AH_RFC2402);
        bytes[byte] ^= 1;
        assert_eq!(judge(&with(&HEADER), &bytes), Err(Discard::AuthenticationFailed), "byte {byte}");
    }
}

#[test]
fn auth_9_the_index_is_the_source_address() {
    let mut payload = Vec::new();
    ah::emit_header(PEER.to_bits() + 1, 1, &mut payload);
    payload.extend_from_slice(&hex(VEC_V2_AH_INNER));
    let mut bytes = packet(PEER, GROUP_V4, 255, PROTOCOL_AH, &payload);
    ah::seal(&ah::Key::new(*b"1111\0\0\0\0"), &mut bytes, 1, ah::Form::Rfc2402).unwrap();
    assert_eq!(judge(&with(&HEADER), &bytes), Err(Discard::AuthenticationFailed));
}

#[test]
fn rx_1_a_header_that_does_not_add_up_is_malformed() {
    let changes: [fn(&mut Vec<u8>); 3] = [
        |b| b[20] = 17,
        |b| b[21] = 5,
        |b| {
            b.truncate(40);
            b[3] = 40;
        },
    ];
    for change in changes {
        let mut bytes = hex(VEC_V2_AH_KA);
        change(&mut bytes);
        assert_eq!(judge(&with(&HEADER), &bytes), Err(Discard::Malformed));
    }
}

#[test]
fn auth_9_a_sequence_number_must_grow() {
    let mut seen = Seen::default();
    assert_eq!(judge_again(&mut seen, &with(&HEADER), &hex(VEC_V2_AH_KA)).map(drop), Ok(()));
    for vector in [VEC_V2_AH_KA, VEC_V2_AH_RFC2402] {
        assert_eq!(judge_again(&mut seen, &with(&HEADER), &hex(vector)), Err(Discard::Replay));
    }
    assert_eq!(number(&mut seen, PEER, 7), Ok(()));
    assert_eq!(number(&mut seen, PEER, 2), Err(Discard::Replay));
    assert_eq!(number(&mut seen, PEER, 7), Err(Discard::Replay));
    assert_eq!(number(&mut seen, PEER, u32::MAX), Ok(()));
}

#[test]
fn auth_9_each_sender_counts_for_itself() {
    let mut seen = Seen::default();
    let sender = |n: u8| Ipv4Addr::new(10, 0, 0, 10 + n);
    for n in 0..4 {
        assert_eq!(number(&mut seen, sender(n), 100), Ok(()));
    }
    for n in [2, 0, 3, 1, 0] {
        assert_eq!(number(&mut seen, sender(n), 100), Err(Discard::Replay));
        assert_eq!(number(&mut seen, sender(n), 50), Err(Discard::Replay));
    }
    // Latest of all: sender 0. A fifth takes the place of whom nobody heard for longest.
    assert_eq!(number(&mut seen, sender(0), 101), Ok(()));
    assert_eq!(number(&mut seen, sender(9), 5), Ok(()));
    assert_eq!(number(&mut seen, sender(0), 101), Err(Discard::Replay));
    assert_eq!(number(&mut seen, sender(3), 100), Err(Discard::Replay));
}

#[test]
fn auth_10_a_restarted_sender_knows_beyond_what_it_must_go() {
    let mut seen = Seen::default();
    assert_eq!(seen.greatest(), 0);
    assert_eq!(number(&mut seen, PEER, 41), Ok(()));
    assert_eq!(number(&mut seen, Ipv4Addr::new(10, 0, 0, 7), 12), Ok(()));
    assert_eq!(seen.greatest(), 41);
}

/// RX-20: whatever is refused after the sequence number was found right does not use the number up.
#[test]
fn rx_20_a_refused_advert_does_not_use_its_sequence_number() {
    let bytes = sealed(PEER, 9, ah::Form::Keepalived);
    let base = with(&HEADER);
    let refusing = [
        (Policy { interval: Interval::from_secs(2).unwrap(), ..base }, Discard::Interval),
        (Policy { strict: true, addresses: &[v4(192, 0, 2, 77)], ..base }, Discard::AddressList),
        (Policy { own: IpAddr::V4(PEER), ..base }, Discard::OwnSource),
        (Policy { expected: Expected::Group(v4(224, 0, 0, 19)), ..base }, Discard::Destination),
        (Policy { owner_ignores: true, ..base }, Discard::OwnerIgnores),
    ];
    let mut seen = Seen::default();
    assert_eq!(number(&mut seen, PEER, 8), Ok(()));
    for (policy, why) in refusing {
        // That the memory is the same is asserted on the way.
        assert_eq!(judge_again(&mut seen, &policy, &bytes), Err(why));
    }
    assert_eq!(judge_again(&mut seen, &base, &bytes).map(drop), Ok(()));
}

#[test]
fn rx_12_the_replay_check_stands_between_the_signature_and_the_interval() {
    let bytes = sealed(PEER, 9, ah::Form::Keepalived);
    let mut seen = Seen::default();
    assert!(judge_again(&mut seen, &with(&HEADER), &bytes).is_ok());
    let other_interval = Policy { interval: Interval::from_secs(2).unwrap(), ..with(&HEADER) };
    assert_eq!(judge_again(&mut seen, &other_interval, &bytes), Err(Discard::Replay));
    const OTHER: Authentication = Authentication::Header(ah::Key::new(*b"1112\0\0\0\0"));
    assert_eq!(judge_again(&mut seen, &with(&OTHER), &bytes), Err(Discard::AuthenticationFailed));
}
