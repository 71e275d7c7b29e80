//! IPv4 packets as far as VRRP needs them (RFC 791). Raw IPv4 sockets deliver the header with the payload, and
//! the two mistakes to make with it, a fixed cut of 20 bytes and trust in the length of the buffer, are made
//! often (RX-1, TRAP-11).

use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;

use crate::checksum;

/// The bytes of a header without options.
pub const HEADER_LEN: usize = 20;

/// A whole IPv4 packet, cut to its own lengths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The source address.
    pub source: Ipv4Addr,
    /// The destination address.
    pub destination: Ipv4Addr,
    /// The time to live, in hops.
    pub ttl: u8,
    /// The number of the protocol in the payload.
    pub protocol: u8,
    /// The identification, which the Authentication Header covers (AUTH-7).
    pub identification: u16,
    /// The header with its options, 20..=60 bytes.
    pub header: &'a [u8],
    /// What follows the header, without what pads the frame.
    pub payload: &'a [u8],
}

impl Packet<'_> {
    /// Whether the header checksum is right.
    ///
    /// [`parse`] does not ask: on a raw socket the kernel has checked, and dropped, before.
    #[must_use]
    pub fn header_verifies(&self) -> bool {
        checksum::OnesComplement::new().with(self.header).fold() == 0xffff
    }
}

/// Everything but the bytes of the payload, which can hold a password.
impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("ttl", &self.ttl)
            .field("protocol", &self.protocol)
            .field("identification", &self.identification)
            .field("header_len", &self.header.len())
            .field("payload_len", &self.payload.len())
            .finish()
    }
}

/// The IPv4 packet that `bytes` start with. Its header says where the payload starts (IHL) and where it ends
/// (total length): bytes after that are padding, and dropped.
///
/// # Errors
/// [`Malformed`]: the first reason that applies.
pub fn parse(bytes: &[u8]) -> Result<Packet<'_>, Malformed> {
    let have = bytes.len();
    let fixed = bytes.first_chunk().ok_or(Malformed::Truncated { needed: HEADER_LEN, have })?;
    let [version_ihl, _tos, l0, l1, i0, i1, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3]: [u8;
        HEADER_LEN] = *fixed;

    if version_ihl >> 4 != 4 {
        return Err(Malformed::Version(version_ihl >> 4));
    }
    let header_len = usize::from(version_ihl & 0x0f) * 4;
    if header_len < HEADER_LEN {
        return Err(Malformed::HeaderLength(header_len));
    }
    let total = usize::from(u16::from_be_bytes([l0, l1]));
    if total < header_len {
        return Err(Malformed::TotalLength { total, header: header_len });
    }
    // More Fragments, or a fragment offset. Don't Fragment is the bit between them and is no matter.
    if u16::from_be_bytes([f0, f1]) & 0x3fff != 0 {
        return Err(Malformed::Fragment);
    }
    let truncated = Malformed::Truncated { needed: total, have };
    let (header, payload) =
        bytes.get(..total).and_then(|packet| packet.split_at_checked(header_len)).ok_or(truncated)?;
    Ok(Packet {
        source: Ipv4Addr::new(s0, s1, s2, s3),
        destination: Ipv4Addr::new(d0, d1, d2, d3),
        ttl,
        protocol,
        identification: u16::from_be_bytes([i0, i1]),
        header,
        payload,
    })
}

/// Why bytes are not an IPv4 packet that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// The bytes end before the header or the total length does.
    #[error("the IPv4 packet needs {needed} bytes and has {have}")]
    Truncated {
        /// The bytes that the header, or its total length, asks for.
        needed: usize,
        /// The bytes that are there.
        have: usize,
    },
    /// Another version of IP.
    #[error("the version of the IP packet is {0}, not 4")]
    Version(u8),
    /// An IHL below its minimum; the number is in bytes.
    #[error("the IPv4 header says that it has {0} bytes, and at least 20 are needed")]
    HeaderLength(usize),
    /// The packet ends inside its own header.
    #[error("the IPv4 packet says that it has {total} bytes, and {header} of header")]
    TotalLength {
        /// The total length field.
        total: usize,
        /// The bytes of the header.
        header: usize,
    },
    /// A part of a packet. No VRRP packet needs fragments (WIRE-11).
    #[error("the IPv4 packet is a fragment")]
    Fragment,
}

/// A header to write: 20 bytes, no options, not a fragment, and free to be fragmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The source address.
    pub source: Ipv4Addr,
    /// The destination address.
    pub destination: Ipv4Addr,
    /// The number of the protocol in the payload.
    pub protocol: u8,
    /// The time to live, in hops.
    pub ttl: u8,
    /// The type of service byte; [`crate::TRAFFIC_CLASS`] for adverts.
    pub traffic_class: u8,
    /// The identification. Linux fills in another one when a raw socket sends 0, so a packet with an
    /// Authentication Header needs one that is not 0 (TRAP-15).
    pub identification: u16,
}

impl Header {
    /// The header for `payload_len` bytes of payload.
    ///
    /// At most 65,515 bytes fit into a packet; of a longer payload the total length field says the most that it
    /// can, and no network takes the result.
    #[must_use]
    pub fn to_bytes(&self, payload_len: usize) -> [u8; HEADER_LEN] {
        let total = u16::try_from(payload_len.saturating_add(HEADER_LEN)).unwrap_or(u16::MAX);
        let [l0, l1] = total.to_be_bytes();
        let [i0, i1] = self.identification.to_be_bytes();
        let [s0, s1, s2, s3] = self.source.octets();
        let [d0, d1, d2, d3] = self.destination.octets();
        let (tos, ttl, protocol) = (self.traffic_class, self.ttl, self.protocol);
        let with_checksum = |[c0, c1]: [u8; 2]| {
            [0x45, tos, l0, l1, i0, i1, 0, 0, ttl, protocol, c0, c1, s0, s1, s2, s3, d0, d1, d2, d3]
        };
        with_checksum(checksum::internet(&with_checksum([0, 0])).to_be_bytes())
    }

    /// Appends [`Header::to_bytes`] to `out`.
    pub fn emit(&self, payload_len: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes(payload_len));
    }
}
