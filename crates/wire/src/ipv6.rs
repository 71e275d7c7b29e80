//! The IPv6 header (RFC 8200 section 3), for the Neighbor Advertisements that are sent and for the frames that
//! are read. Adverts do not need it: the kernel writes and removes the header of a raw IPv6 socket.

use alloc::vec::Vec;
use core::net::Ipv6Addr;

/// The bytes of the header.
pub const HEADER_LEN: usize = 40;

/// A whole IPv6 packet, cut to its own length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The source address.
    pub source: Ipv6Addr,
    /// The destination address.
    pub destination: Ipv6Addr,
    /// The hop limit.
    pub hop_limit: u8,
    /// The number of the protocol in the payload, or of an extension header. None is looked through: VRRP and
    /// Neighbor Discovery are sent without.
    pub next_header: u8,
    /// What follows the header, without what pads the frame.
    pub payload: &'a [u8],
}

/// The IPv6 packet that `bytes` start with; bytes after its payload length are padding, and dropped (RX-1).
///
/// # Errors
/// [`Malformed`]: the first reason that applies.
pub fn parse(bytes: &[u8]) -> Result<Packet<'_>, Malformed> {
    let have = bytes.len();
    let short = Malformed::Truncated { needed: HEADER_LEN, have };
    let (fixed, rest) = bytes.split_first_chunk::<8>().ok_or(short)?;
    let (source, rest) = rest.split_first_chunk::<16>().ok_or(short)?;
    let (destination, rest) = rest.split_first_chunk::<16>().ok_or(short)?;
    let [first, _, _, _, l0, l1, next_header, hop_limit] = *fixed;

    if first >> 4 != 6 {
        return Err(Malformed::Version(first >> 4));
    }
    let payload_len = usize::from(u16::from_be_bytes([l0, l1]));
    let payload =
        rest.get(..payload_len).ok_or(Malformed::Truncated { needed: HEADER_LEN + payload_len, have })?;
    Ok(Packet {
        source: Ipv6Addr::from(*source),
        destination: Ipv6Addr::from(*destination),
        hop_limit,
        next_header,
        payload,
    })
}

/// Why bytes are not an IPv6 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// The bytes end before the header or the payload length does.
    #[error("the IPv6 packet needs {needed} bytes and has {have}")]
    Truncated {
        /// The bytes that the header, or its payload length, asks for.
        needed: usize,
        /// The bytes that are there.
        have: usize,
    },
    /// Another version of IP.
    #[error("the version of the IP packet is {0}, not 6")]
    Version(u8),
}

/// A header to write, without flow label and extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The source address.
    pub source: Ipv6Addr,
    /// The destination address.
    pub destination: Ipv6Addr,
    /// The number of the protocol in the payload.
    pub next_header: u8,
    /// The hop limit.
    pub hop_limit: u8,
    /// The traffic class; [`crate::TRAFFIC_CLASS`] for adverts.
    pub traffic_class: u8,
}

impl Header {
    /// The header for `payload_len` bytes of payload.
    ///
    /// At most 65,535 bytes fit into a packet; of a longer payload the length field says the most that it can,
    /// and no network takes the result.
    #[must_use]
    pub fn to_bytes(&self, payload_len: usize) -> [u8; HEADER_LEN] {
        let [l0, l1] = u16::try_from(payload_len).unwrap_or(u16::MAX).to_be_bytes();
        let (class_high, class_low) = (self.traffic_class >> 4, self.traffic_class << 4);
        let mut header = [0; HEADER_LEN];
        header[..8].copy_from_slice(&[
            0x60 | class_high,
            class_low,
            0,
            0,
            l0,
            l1,
            self.next_header,
            self.hop_limit,
        ]);
        header[8..24].copy_from_slice(&self.source.octets());
        header[24..].copy_from_slice(&self.destination.octets());
        header
    }

    /// Appends [`Header::to_bytes`] to `out`.
    pub fn emit(&self, payload_len: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes(payload_len));
    }
}
