//! The IP Authentication Header of VRRP version 2, Auth Type 2 (RFC 2338 section 5.3.6, RFC 2402), with
//! HMAC-MD5-96 (RFC 2403). RFC 3768 removed it and MD5 is obsolete; it is here for the networks that still
//! have it (AUTH-15).
//!
//! The sequence number is written and read here; whether it is a replay is for the layer above (AUTH-9).

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use crate::{PROTOCOL_AH, PROTOCOL_VRRP, ipv4, secret};

/// The bytes of the header with its ICV.
pub const HEADER_LEN: usize = 24;
/// The bytes before the ICV: next header, payload length, reserved, SPI, sequence number.
const BEFORE_ICV: usize = 12;
/// The bytes of the ICV: the first 96 bits of the HMAC (RFC 2403 section 2).
const ICV_LEN: usize = 12;
/// The Payload Len field: 32-bit words of the header, less two (RFC 2402 section 2.2).
const PAYLOAD_LEN: u8 = 4;

/// What the ICV covers of the IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// RFC 2402 section 3.3.3.1: type of service, flags and fragment offset, TTL and header checksum count as
    /// zero (AUTH-7). Keepalived does so too to and from unicast peers.
    Rfc2402,
    /// The same, but the TTL counts as it is: what keepalived does to and from the multicast group (AUTH-8).
    Keepalived,
}

/// The shared key: up to eight characters, zero-filled, as it stands for HMAC (AUTH-9).
///
/// Comparing two takes the same time whatever they are; printing one does not show it.
#[derive(Clone, Copy)]
pub struct Key([u8; 8]);

impl Key {
    /// The key of these eight bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl From<[u8; 8]> for Key {
    fn from(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        secret::same(self.0, other.0)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// An Authentication Header and what it protects. That it is genuine is for [`verify`] to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ah<'a> {
    /// The number of the protocol in the payload.
    pub next_header: u8,
    /// The Security Parameters Index: keepalived's is the source address of the packet (AUTH-9).
    pub spi: u32,
    /// The sequence number.
    pub sequence: u32,
    /// The Integrity Check Value.
    pub icv: [u8; ICV_LEN],
    /// What follows the header.
    pub payload: &'a [u8],
}

/// The Authentication Header that an IP payload of [`PROTOCOL_AH`] starts with.
///
/// # Errors
/// [`Malformed`]: the first reason that applies.
pub fn parse(payload: &[u8]) -> Result<Ah<'_>, Malformed> {
    let truncated = Malformed::Truncated { needed: HEADER_LEN, have: payload.len() };
    let (fixed, rest) = payload.split_first_chunk().ok_or(truncated)?;
    let [next_header, length, _, _, p0, p1, p2, p3, s0, s1, s2, s3]: [u8; BEFORE_ICV] = *fixed;
    if length != PAYLOAD_LEN {
        return Err(Malformed::Length(length));
    }
    let (icv, payload) = rest.split_first_chunk().ok_or(truncated)?;
    Ok(Ah {
        next_header,
        spi: u32::from_be_bytes([p0, p1, p2, p3]),
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        icv: *icv,
        payload,
    })
}

/// Why bytes are not an Authentication Header that VRRP can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// The bytes end before the header does.
    #[error("the Authentication Header needs {needed} bytes and has {have}")]
    Truncated {
        /// The bytes of a header.
        needed: usize,
        /// The bytes that are there.
        have: usize,
    },
    /// A Payload Len other than that of a 96-bit ICV.
    #[error("the length field of the Authentication Header is {0}, not 4")]
    Length(u8),
}

/// Whether the ICV of `packet` is that of `key` over it, compared in constant time (AUTH-7, AUTH-8).
///
/// `false` also if there is no Authentication Header (the ICV covers the protocol number, so that needs no look
/// of its own), and if the IPv4 header has options: no router sends VRRP with options, and which of them count
/// as zero is a table (RFC 2402 appendix A1) that nobody would test.
#[must_use]
pub fn verify(key: &Key, packet: &ipv4::Packet<'_>, form: Form) -> bool {
    let Ok(header) = <&[u8; ipv4::HEADER_LEN]>::try_from(packet.header) else { return false };
    let Some(before_icv) = packet.payload.first_chunk::<BEFORE_ICV>() else { return false };
    let Ok(ah) = parse(packet.payload) else { return false };
    mac(key, header, before_icv, ah.payload, form).verify_truncated_left(&ah.icv).is_ok()
}

/// Appends an Authentication Header for a VRRP message to `out`, its ICV still zero: [`seal`] fills it in.
pub fn emit_header(spi: u32, sequence: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[PROTOCOL_VRRP, PAYLOAD_LEN, 0, 0]);
    out.extend_from_slice(&spi.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&[0; ICV_LEN]);
}

/// Writes `sequence` and the ICV of `key` into `datagram`: an IPv4 header of 20 bytes, the Authentication
/// Header of [`emit_header`], and the VRRP message. Does not allocate.
///
/// Everything else, the identification above all, must be as it will be sent (TRAP-15).
///
/// # Errors
/// [`Unsealable`]: the first reason that applies; `datagram` is then as it was.
pub fn seal(key: &Key, datagram: &mut [u8], sequence: u32, form: Form) -> Result<(), Unsealable> {
    let header = sealable_header(datagram)?;
    let truncated =
        Malformed::Truncated { needed: HEADER_LEN, have: datagram.len().saturating_sub(ipv4::HEADER_LEN) };
    let (_, payload) = datagram.split_first_chunk_mut::<{ ipv4::HEADER_LEN }>().ok_or(truncated)?;
    parse(payload)?;
    let (before_icv, rest) = payload.split_first_chunk_mut::<BEFORE_ICV>().ok_or(truncated)?;
    let (icv, message) = rest.split_first_chunk_mut::<ICV_LEN>().ok_or(truncated)?;

    before_icv[8..].copy_from_slice(&sequence.to_be_bytes());
    let tag: [u8; 16] = mac(key, &header, before_icv, message, form).finalize().into_bytes().into();
    icv.copy_from_slice(&tag[..ICV_LEN]);
    Ok(())
}

/// Why a datagram cannot be sealed. Each is a mistake of the caller, not of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unsealable {
    /// It is no IPv4 packet.
    #[error(transparent)]
    Ipv4(#[from] ipv4::Malformed),
    /// Its header has options, which nobody could verify.
    #[error("a sealed IPv4 packet has no options")]
    Options,
    /// Its protocol is not [`PROTOCOL_AH`].
    #[error("the protocol of the IPv4 packet is {0}, not 51")]
    Protocol(u8),
    /// The kernel fills in an identification of its own if it is 0, and the ICV would be wrong (TRAP-15).
    #[error("the identification of a sealed IPv4 packet is not 0")]
    NoIdentification,
    /// Its total length leaves bytes over, which would be sent but not covered.
    #[error("{0} bytes follow the end of the IPv4 packet")]
    Trailing(usize),
    /// Its payload is no Authentication Header.
    #[error(transparent)]
    Ah(#[from] Malformed),
}

/// The IPv4 header of `datagram`, if the whole can be sealed.
fn sealable_header(datagram: &[u8]) -> Result<[u8; ipv4::HEADER_LEN], Unsealable> {
    let packet = ipv4::parse(datagram)?;
    let header = packet.header.try_into().map_err(|_| Unsealable::Options)?;
    if packet.protocol != PROTOCOL_AH {
        return Err(Unsealable::Protocol(packet.protocol));
    }
    if packet.identification == 0 {
        return Err(Unsealable::NoIdentification);
    }
    let packet_len = packet.header.len() + packet.payload.len();
    match datagram.len().saturating_sub(packet_len) {
        0 => Ok(header),
        trailing => Err(Unsealable::Trailing(trailing)),
    }
}

/// The HMAC over a packet: its header as `form` sees it, its Authentication Header with a zero ICV, its message.
fn mac(
    key: &Key,
    header: &[u8; ipv4::HEADER_LEN],
    before_icv: &[u8; BEFORE_ICV],
    message: &[u8],
    form: Form,
) -> Hmac<Md5> {
    // HMAC fills a key up to the block of its hash with zeros (RFC 2104 section 2); a whole block cannot fail.
    let mut block = [0; 64];
    block[..8].copy_from_slice(&key.0);
    let mut mac = Hmac::<Md5>::new(&block.into());
    mac.update(&immutable(header, form));
    mac.update(before_icv);
    mac.update(&[0; ICV_LEN]);
    mac.update(message);
    mac
}

/// `header` with the fields that change on the way as zero.
const fn immutable(header: &[u8; ipv4::HEADER_LEN], form: Form) -> [u8; ipv4::HEADER_LEN] {
    let [version_ihl, _, l0, l1, i0, i1, _, _, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = *header;
    let ttl = match form {
        Form::Rfc2402 => 0,
        Form::Keepalived => ttl,
    };
    [version_ihl, 0, l0, l1, i0, i1, 0, 0, ttl, protocol, 0, 0, s0, s1, s2, s3, d0, d1, d2, d3]
}
