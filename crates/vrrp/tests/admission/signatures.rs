//! The signed trailer of `auth_hmac`: which adverts are believed with keys, and when.

use super::{V2, V3, hex, judge, judge_again, packet, v4};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use vrrp::{Authentication, Clocks, Discard, Expected, Ingress, Keyring, Mode, Peer, Policy, Replay, Seen};
use wire::trailer::{self, Key, Stamp};
use wire::{GROUP_V4, PROTOCOL_VRRP};

/// keepalived's own vector: source 198.51.100.10, key id 1.
const MESSAGE: &str = "3133c80100644402c0000264";
const TRAILER: &str = "0101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265";
const STAMP: Stamp = Stamp(0x6800_0000_8000_0000);
const LISTED: &[IpAddr] = &[v4(192, 0, 2, 100)];
const SENDER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);

fn key(first: u8) -> Key {
    Key::new(&(first..first + 32).collect::<Vec<u8>>()).unwrap()
}

fn ring() -> Keyring {
    Keyring { keys: vec![(1, key(0))], active: 1, window: None, replay: Replay::Time, mode: Mode::Enforce }
}

/// Believes the vector at its time.
fn policy(authentication: &Authentication) -> Policy<'_> {
    let clocks = Clocks { wall: STAMP, kept: STAMP };
    Policy { addresses: LISTED, authentication, clocks, ..V3 }
}

fn datagram(payload: &[u8]) -> Vec<u8> {
    packet(SENDER, GROUP_V4, 255, PROTOCOL_VRRP, payload)
}

fn vector() -> Vec<u8> {
    datagram(&hex(&format!("{MESSAGE}{TRAILER}")))
}

/// The vector, signed at another time.
fn signed(stamp: Stamp) -> Vec<u8> {
    let mut payload = hex(&format!("{MESSAGE}{TRAILER}"));
    trailer::seal(&key(0), 1, stamp, SENDER.into(), &mut payload, None).unwrap();
    datagram(&payload)
}

/// The least step of the clock in a stamp.
const TICK: u64 = 1 << 16;

const fn at(seconds: i64) -> Stamp {
    Stamp(STAMP.0.wrapping_add_signed(seconds << 32))
}

#[test]
fn auth_16_what_is_signed_with_a_known_key_is_believed() {
    let with = |ring: Keyring| judge(&policy(&Authentication::Keyed(ring.into())), &vector()).map(|_| ());
    assert_eq!(with(ring()), Ok(()));
    let two = vec![(9, key(1)), (1, key(0))];
    assert_eq!(with(Keyring { keys: two, active: 9, ..ring() }), Ok(()), "any known key may sign");
    let renamed = Keyring { keys: vec![(2, key(0))], active: 2, ..ring() };
    assert_eq!(with(renamed), Err(Discard::KeyUnknown));
    let other = Keyring { keys: vec![(1, key(1))], ..ring() };
    assert_eq!(with(other), Err(Discard::SignatureWrong));
    for mode in [Mode::Permissive, Mode::ReceiveOnly] {
        assert_eq!(with(Keyring { mode, ..ring() }), Ok(()));
        let other = Keyring { keys: vec![(1, key(1))], mode, ..ring() };
        assert_eq!(with(other), Err(Discard::SignatureWrong), "a wrong one never is");
    }
}

#[test]
fn auth_16_what_is_not_signed_is_believed_by_who_does_not_ask_for_it() {
    let plain = datagram(&hex(MESSAGE));
    let with =
        |mode| judge(&policy(&Authentication::Keyed(Keyring { mode, ..ring() }.into())), &plain).map(|_| ());
    assert_eq!(with(Mode::Enforce), Err(Discard::SignatureMissing));
    assert_eq!(with(Mode::Permissive), Ok(()));
    assert_eq!(with(Mode::ReceiveOnly), Ok(()));
}

#[test]
fn auth_16_version_2_is_signed_behind_its_authentication_data() {
    // Priority 200, no authentication, interval 1 s, one address.
    let mut payload = hex("2133c8010001b967c0000264 0000000000000000").to_vec();
    let sum = wire::checksum::internet(&{
        let mut bytes = payload.clone();
        bytes[6..8].fill(0);
        bytes
    });
    payload[6..8].copy_from_slice(&sum.to_be_bytes());
    payload.resize(payload.len() + trailer::LEN, 0);
    trailer::seal(&key(0), 1, STAMP, SENDER.into(), &mut payload, None).unwrap();
    let keyed = Authentication::Keyed(ring().into());
    let policy = Policy { version: V2.version, ..policy(&keyed) };
    assert!(judge(&policy, &datagram(&payload)).is_ok());
    // A password and a signature are not both.
    payload[4] = 1;
    payload[6..8].fill(0);
    let at = payload.len() - trailer::LEN;
    let sum = wire::checksum::internet(&payload[..at]);
    payload[6..8].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(judge(&policy, &datagram(&payload)), Err(Discard::AuthenticationType));
}

#[test]
fn auth_17_a_stamp_outside_the_window_is_stale_and_one_that_was_used_a_replay() {
    let keyed = Authentication::Keyed(ring().into());
    let policy = policy(&keyed);
    let judge_at = |stamp| judge(&policy, &signed(stamp)).map(|_| ());
    assert_eq!([at(-5), at(0), at(5)].map(judge_at), [Ok(()); 3]);
    assert_eq!(judge_at(Stamp(at(-5).0 - TICK)), Err(Discard::Stale));
    assert_eq!(judge_at(Stamp(at(5).0 + TICK)), Err(Discard::Stale));

    let mut seen = Seen::default();
    seen.make_room(0);
    let mut again = |stamp| judge_again(&mut seen, &policy, &signed(stamp)).map(|_| ());
    assert_eq!(again(at(1)), Ok(()));
    assert_eq!(again(at(1)), Err(Discard::Replay));
    assert_eq!(again(at(0)), Err(Discard::Replay));
    assert_eq!(again(Stamp(at(1).0 + 1)), Ok(()), "the counter makes it another one");
}

#[test]
fn auth_17_only_what_is_believed_in_every_other_way_is_remembered() {
    let keyed = Authentication::Keyed(ring().into());
    let mut seen = Seen::default();
    seen.make_room(0);
    let peers = [Peer { address: v4(10, 0, 0, 9), min_ttl: None, max_ttl: None }];
    let expected = Expected::Unicast { peers: &peers, only_peers: true };
    let elsewhere = Policy { expected, ..policy(&keyed) };
    assert_eq!(judge_again(&mut seen, &elsewhere, &vector()), Err(Discard::Destination));
    assert!(judge_again(&mut seen, &policy(&keyed), &vector()).is_ok());
}

#[test]
fn auth_17_monotonic_stamps_need_no_clock() {
    let keyed = Authentication::Keyed(Keyring { replay: Replay::Monotonic, ..ring() }.into());
    let mut seen = Seen::default();
    let mut again = |stamp| judge_again(&mut seen, &policy(&keyed), &signed(stamp)).map(|_| ());
    assert_eq!(again(at(-100_000)), Ok(()));
    assert_eq!(again(at(-100_000)), Err(Discard::Replay));
    assert_eq!(again(at(100_000)), Ok(()));
    assert_eq!(again(at(0)), Err(Discard::Replay));
}

#[test]
fn auth_18_two_clocks_count_and_the_wall_clock_is_confirmed() {
    let keyed = Authentication::Keyed(ring().into());
    let clocks = Clocks { wall: at(3_600), kept: at(0) };
    let policy = Policy { clocks, ..policy(&keyed) };
    let mut seen = Seen::default();
    seen.make_room(0);
    let mut again = |clocks, stamp| {
        let datagram = signed(stamp);
        let believed = judge_again(&mut seen, &Policy { clocks, ..policy }, &datagram);
        let is_news = believed == Err(Discard::Stale) && seen.is_news(&Ingress::v4(&datagram).unwrap());
        (believed.map(|admitted| admitted.remarks.confirms_wall_clock), is_news)
    };
    assert_eq!(again(clocks, at(1)), (Ok(false), false), "who was believed before is believed on");
    assert_eq!(again(clocks, at(3_600)), (Ok(true), false));
    // Now the host goes by the wall clock.
    let clocks = Clocks { wall: at(3_600), kept: at(3_600) };
    assert_eq!(again(clocks, at(3_600)), (Err(Discard::Replay), false));
    assert_eq!(again(clocks, at(2)), (Err(Discard::Stale), false), "what was recorded before is of no use");
    assert_eq!(again(clocks, at(9_999)), (Err(Discard::Stale), true), "but this is a doubt");
}

#[test]
fn auth_18_a_sender_whose_clock_was_put_right_is_heard_again() {
    let keyed = Authentication::Keyed(ring().into());
    let mut seen = Seen::default();
    seen.make_room(0);
    let ahead = Policy { clocks: Clocks { wall: at(0), kept: at(3_600) }, ..policy(&keyed) };
    assert!(judge_again(&mut seen, &ahead, &signed(at(3_600))).is_ok());
    // It may as well be a recording, played to a machine whose clock somebody has set back.
    assert_eq!(judge_again(&mut seen, &ahead, &signed(at(0))), Err(Discard::Replay));
    let later = Policy { clocks: Clocks { wall: at(6), kept: at(3_606) }, ..policy(&keyed) };
    assert!(judge_again(&mut seen, &later, &signed(at(6))).is_ok(), "its old stamps are no longer fresh");
    assert_eq!(judge_again(&mut seen, &later, &signed(at(6))), Err(Discard::Replay));
}

#[test]
fn auth_17_a_recording_is_refused_when_the_wall_clock_is_set_back_to_its_time() {
    let keyed = Authentication::Keyed(ring().into());
    let mut seen = Seen::default();
    seen.make_room(0);
    let right = Policy { clocks: Clocks { wall: at(3_600), kept: at(3_600) }, ..policy(&keyed) };
    assert!(judge_again(&mut seen, &right, &signed(at(3_600))).is_ok());
    for second in 1..4 {
        let set_back = Clocks { wall: at(second), kept: at(3_600 + second) };
        let tricked = Policy { clocks: set_back, ..policy(&keyed) };
        assert_eq!(judge_again(&mut seen, &tricked, &signed(at(second))), Err(Discard::Replay), "{second}");
        assert!(judge_again(&mut seen, &tricked, &signed(at(3_600 + second))).is_ok(), "the genuine one");
    }
}

#[test]
fn auth_17_a_window_that_is_written_counts() {
    let keyed = Authentication::Keyed(Keyring { window: Some(Duration::from_secs(1)), ..ring() }.into());
    let judge_at = |stamp| judge(&policy(&keyed), &signed(stamp)).map(|_| ());
    assert_eq!([at(-1), at(1)].map(judge_at), [Ok(()); 2]);
    assert_eq!([at(-2), at(2)].map(judge_at), [Err(Discard::Stale); 2]);
}

#[test]
fn auth_16_own_adverts_that_come_back_are_named_as_such() {
    let keyed = Authentication::Keyed(ring().into());
    let policy = Policy { own: IpAddr::V4(SENDER), ..policy(&keyed) };
    assert_eq!(judge(&policy, &vector()), Err(Discard::OwnSource));
}
