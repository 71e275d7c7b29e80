//! The negative vectors: what this layer says of each. To refuse is for the layer above, which needs a fact to
//! name as the reason.

use wire::checksum::{Sum, verifies};
use wire::message::{Auth, Message, Truncated};
use wire::{Family, Vrid};

use crate::hex;
use crate::vectors::*;

/// A vector that is whole, with a checksum that is right in the message-only form.
fn well_summed(vector: &str) -> Message<'static> {
    let bytes: &'static [u8] = hex(vector).leak();
    let message = Message::new(bytes).unwrap();
    let body = message.body(Family::V4).unwrap();
    assert_eq!(body.message, bytes);
    assert!(verifies(body.message, Sum::Message));
    message
}

fn truncated(vector: &str) -> Truncated {
    let bytes = hex(vector);
    Message::new(&bytes).unwrap().body(Family::V4).unwrap_err()
}

#[test]
fn neg_ver4_rx_3_version_4_is_seen() {
    assert_eq!(well_summed(NEG_VER4).version(), 4);
    assert_eq!(well_summed(NEG_VER4).interval(), None);
}

#[test]
fn neg_type2_con_11_rx_4_type_2_is_seen() {
    assert_eq!(well_summed(NEG_TYPE2).kind(), 2);
}

#[test]
fn neg_trunc7_rx_5_seven_bytes_are_no_message() {
    assert!(Message::new(&hex(NEG_TRUNC7)).is_none());
}

#[test]
fn neg_shortaddr_neg_count2_rx_5_missing_addresses_are_seen() {
    assert_eq!(truncated(NEG_SHORTADDR), Truncated { needed: 12, have: 10 });
    assert_eq!(truncated(NEG_COUNT2), Truncated { needed: 16, have: 12 });
}

#[test]
fn neg_v2_noauth_rx_5_trap_14_missing_authentication_data_is_seen() {
    assert_eq!(truncated(NEG_V2_NOAUTH), Truncated { needed: 20, have: 12 });
}

#[test]
fn neg_csum_rx_7_wrong_checksum_is_seen() {
    assert!(!verifies(&hex(NEG_CSUM), Sum::Message));
}

#[test]
fn neg_vrid0_rx_8_vrid_0_is_seen() {
    assert_eq!(Vrid::new(well_summed(NEG_VRID0).vrid()), None);
}

#[test]
fn neg_int0_rx_10_interval_0_is_seen() {
    assert_eq!(well_summed(NEG_INT0).centiseconds(), 0);
    assert_eq!(well_summed(NEG_INT0).interval(), None);
}

#[test]
fn neg_count0_rx_11_count_0_is_seen() {
    let message = well_summed(NEG_COUNT0);
    let addresses = message.body(Family::V4).unwrap().addresses;
    assert_eq!((message.count(), addresses.len(), addresses.first()), (0, 0, None));
    assert!(addresses.is_empty());
}

#[test]
fn neg_v2_auth3_rx_12_auth_11_unknown_authentication_is_seen() {
    assert_eq!(well_summed(NEG_V2_AUTH3).auth_type(), 3);
}

#[test]
fn neg_v2_pass1112_rx_12_auth_3_wrong_password_is_seen() {
    let data = well_summed(NEG_V2_PASS1112).body(Family::V4).unwrap().auth_data.unwrap();
    assert!(!Auth::Pass(*b"1111\0\0\0\0").accepts(data));
    assert!(Auth::Pass(*b"1112\0\0\0\0").accepts(data));
}

#[test]
fn neg_v2_int2_rx_13_other_interval_is_seen() {
    assert_eq!(well_summed(NEG_V2_INT2).seconds(), 2);
}
