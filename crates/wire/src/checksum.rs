//! The Internet checksum (RFC 1071), because VRRP has two of them: version 3 over IPv4 is summed with a
//! pseudo-header by RFC 5798 and by what is deployed, without one by RFC 9568 (CK-3, CK-4, TRAP-1). Both are
//! one [`Sum`] here, so that no caller adds up bytes by itself.
//!
//! ARP has no checksum; IPv4 headers and ICMPv6 take theirs from [`OnesComplement`].

use core::net::IpAddr;

use crate::PROTOCOL_VRRP;

/// What the checksum of a VRRP message covers beside the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sum {
    /// Nothing: version 2 (CK-1), and version 3 over IPv4 as RFC 9568 section 5.2.8 says (CK-3).
    Message,
    /// The pseudo-header of the IP packet: version 3 over IPv6 (CK-2), and over IPv4 as RFC 5798 says and
    /// keepalived and FRR do (CK-4).
    ///
    /// The addresses are those of the packet itself: to a unicast peer, the peer's (CK-7). Both are of one
    /// family; a mixture sums to something, but to nothing that any peer sends.
    PseudoHeader {
        /// The source address of the IP packet.
        source: IpAddr,
        /// The destination address of the IP packet.
        destination: IpAddr,
    },
}

impl Sum {
    /// The sum before the first byte of a message of `length` bytes.
    #[must_use]
    pub(crate) fn before(self, length: usize) -> OnesComplement {
        match self {
            Self::Message => OnesComplement::new(),
            Self::PseudoHeader { source, destination } => {
                OnesComplement::pseudo_header(source, destination, PROTOCOL_VRRP, length)
            }
        }
    }
}

/// Whether the VRRP message `bytes`, checksum in place, is as it was sent.
///
/// The sum with the checksum in place is compared with 0xffff, so a checksum field of 0x0000 and one of 0xffff
/// both verify where the sum of the rest is 0xffff (CK-6).
#[must_use]
pub fn verifies(bytes: &[u8], sum: Sum) -> bool {
    sum.before(bytes.len()).with(bytes).fold() == 0xffff
}

/// The Internet checksum of `bytes`, whose own checksum field must be zero.
///
/// An odd last byte is padded with a zero (RFC 1071 section 4.1).
#[must_use]
pub fn internet(bytes: &[u8]) -> u16 {
    OnesComplement::new().with(bytes).checksum()
}

/// A one's complement sum under way (RFC 1071), for data that lies in pieces.
///
/// Every piece but the last must have an even number of bytes, or the bytes after it count as the wrong half
/// of their word. Up to 16 GiB can be added.
///
/// 2^16 is 1 modulo 0xffff, so a number of any width adds the same as its 16-bit words do, and the sum needs
/// folding only once, at the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnesComplement(u64);

impl OnesComplement {
    /// The sum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// The sum of the pseudo-header for `length` bytes of `protocol`: RFC 8200 section 8.1 for IPv6, and the
    /// form that UDP (RFC 768) uses for IPv4.
    ///
    /// The two differ only in where the zeros and the length stand, which a sum does not see.
    #[must_use]
    pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> Self {
        let Self(sum) = Self::new().with_address(source).with_address(destination);
        Self(sum.wrapping_add(u64::from(protocol)).wrapping_add(length as u64))
    }

    /// The sum with `bytes` added.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        // A chunk adds less than 2^33: the 64 bits do not overflow below 2^31 chunks. `wrapping_add` keeps the
        // release profile's overflow check out of the loop, which the compiler then vectorises.
        let (chunks, rest) = bytes.as_chunks::<8>();
        let mut sum = self.0;
        for chunk in chunks {
            sum = sum.wrapping_add(halves(*chunk));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        Self(sum.wrapping_add(halves(last)))
    }

    /// The sum with the bytes of `address` added.
    #[must_use]
    pub fn with_address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self(self.0.wrapping_add(u64::from(v4.to_bits()))),
            IpAddr::V6(v6) => self.with(&v6.octets()),
        }
    }

    /// The 16-bit sum. 0xffff over data with its checksum in place says that the data is whole.
    #[must_use]
    pub const fn fold(self) -> u16 {
        let sum = (self.0 >> 32) + (self.0 & 0xffff_ffff); // below 2^33
        let sum = (sum >> 16) + (sum & 0xffff); // below 2^18
        let sum = (sum >> 16) + (sum & 0xffff); // at most 0x10002
        let sum = (sum >> 16) + (sum & 0xffff); // at most 0xffff
        let [.., high, low] = sum.to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// The checksum that makes the whole verify. 0x0000 stays 0x0000: the swap to 0xffff is UDP's (CK-6).
    #[must_use]
    pub const fn checksum(self) -> u16 {
        !self.fold()
    }
}

/// The two 32-bit halves of eight bytes, added.
const fn halves(chunk: [u8; 8]) -> u64 {
    let word = u64::from_be_bytes(chunk);
    (word >> 32) + (word & 0xffff_ffff)
}
