//! The signed trailer behind a VRRP message that keepalived 2.4.2 calls `auth_hmac`: 28 bytes with a time stamp and
//! HMAC-SHA-256-128 (RFC 4868) over the sender, the message and the stamp. No RFC knows it; it serves both versions
//! and both families.
//!
//! Whether a stamp is fresh, and whether it was used before, is for the layer above (`vrrp::admit`).

use core::fmt;
use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use core::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::checksum::Sum;
use crate::message::Message;

/// The bytes of the trailer.
pub const LEN: usize = 28;
/// Those before the signature: type, key id, reserved, stamp.
const BEFORE_MAC: usize = 12;
/// Those of the signature.
const MAC_LEN: usize = 16;
/// The only type.
const TYPE: u8 = 1;

/// A shared key of 32 to 64 bytes.
///
/// Comparing two takes the same time whatever they are; printing one does not show it.
#[derive(Clone)]
pub struct Key {
    /// Filled with zeros to the block of SHA-256, as HMAC itself does it (RFC 2104 section 2).
    block: [u8; Self::MAX_LEN],
    len: usize,
}

impl Key {
    /// The fewest bytes of a key.
    pub const MIN_LEN: usize = 32;
    /// The most bytes of a key.
    pub const MAX_LEN: usize = 64;

    /// The key of these bytes; `None` if there are fewer than [`Key::MIN_LEN`] or more than [`Key::MAX_LEN`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut block = [0; Self::MAX_LEN];
        if bytes.len() < Self::MIN_LEN {
            return None;
        }
        block.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { block, len: bytes.len() })
    }

    /// The bytes, for configuration files only.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        self.block.get(..self.len).unwrap_or_default()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let differing = self.block.iter().zip(&other.block).fold(0, |sum, (one, two)| sum | (one ^ two));
        core::hint::black_box(differing) == 0 && self.len == other.len
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.reveal().hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// When an advert was signed: seconds since 1970 modulo 2^32, 1/65536ths, and a counter. Each advert of a sender has
/// a greater one; greater is meant modulo 2^64 (RFC 1982).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp(pub u64);

impl Stamp {
    /// What the wall clock shows so long after 1970.
    #[must_use]
    pub fn at(since_1970: Duration) -> Self {
        let fraction = (u64::from(since_1970.subsec_nanos()) << 16) / 1_000_000_000;
        Self(since_1970.as_secs().wrapping_shl(32) | fraction << 16)
    }

    /// The next one at the same time.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Whether it comes after `other`.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() > 0
    }

    /// How far the two are apart.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        let apart = self.0.wrapping_sub(other.0).cast_signed().unsigned_abs();
        let nanos = ((apart & 0xffff_ffff) * 1_000_000_000) >> 32;
        Duration::from_secs(apart >> 32) + Duration::from_nanos(nanos)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stamp({:#018x})", self.0)
    }
}

/// A trailer that arrived. That it is genuine is for [`Trailer::verifies`] to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Which key signed it.
    pub key_id: u8,
    /// When it was signed.
    pub stamp: Stamp,
    mac: [u8; MAC_LEN],
}

impl Trailer {
    /// Reads what follows a message; `None` if it is no trailer: another length or type, or reserved bits that are
    /// set.
    #[must_use]
    pub fn read(tail: &[u8]) -> Option<Self> {
        let tail: &[u8; LEN] = tail.try_into().ok()?;
        let (fixed, mac) = tail.split_first_chunk::<BEFORE_MAC>()?;
        let [TYPE, key_id, 0, 0, stamp @ ..] = *fixed else { return None };
        Some(Self { key_id, stamp: Stamp(u64::from_be_bytes(stamp)), mac: mac.try_into().ok()? })
    }

    /// Whether `key` signed it for this message (without the trailer) from this sender. Compared in constant time.
    #[must_use]
    pub fn verifies(&self, key: &Key, source: IpAddr, message: &[u8]) -> bool {
        sign(key, source, message, &before_mac(self.key_id, self.stamp))
            .is_some_and(|mac| mac.verify_truncated_left(&self.mac).is_ok())
    }
}

/// Writes the trailer into the last [`LEN`] bytes of `payload`, the rest of which is the message. `whole` is the sum
/// over all of that, when the trailer counts in the checksum of the message: over IPv6 it does. Does not allocate.
///
/// `None`: `payload` is too short for a message and a trailer, and stays as it was.
pub fn seal(
    key: &Key,
    key_id: u8,
    stamp: Stamp,
    source: IpAddr,
    payload: &mut [u8],
    whole: Option<Sum>,
) -> Option<()> {
    let at = payload.len().checked_sub(LEN)?;
    let (message, tail) = payload.split_at_mut_checked(at)?;
    let fixed = before_mac(key_id, stamp);
    let mac: [u8; 32] = sign(key, source, message, &fixed)?.finalize().into_bytes().into();
    let (begin, end) = tail.split_first_chunk_mut::<BEFORE_MAC>()?;
    *begin = fixed;
    end.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
    if let Some(sum) = whole {
        payload.get_mut(6..8)?.fill(0);
        let checksum = sum.before(payload.len()).with(payload).checksum();
        payload.get_mut(6..8)?.copy_from_slice(&checksum.to_be_bytes());
    }
    Some(())
}

const fn before_mac(key_id: u8, stamp: Stamp) -> [u8; BEFORE_MAC] {
    let [a, b, c, d, e, f, g, h] = stamp.0.to_be_bytes();
    [TYPE, key_id, 0, 0, a, b, c, d, e, f, g, h]
}

/// The signature: over family, version, VRID and source, the message without its checksum, and the trailer without
/// its signature.
fn sign(key: &Key, source: IpAddr, message: &[u8], fixed: &[u8; BEFORE_MAC]) -> Option<Hmac<Sha256>> {
    let fields = Message::new(message)?;
    let mut header = [0; 20];
    header[1..3].copy_from_slice(&[fields.version(), fields.vrid()]);
    match source {
        IpAddr::V4(v4) => {
            header[0] = 4;
            header[4..8].copy_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            header[0] = 6;
            header[4..].copy_from_slice(&v6.octets());
        }
    }
    let mut mac = Hmac::<Sha256>::new(&key.block.into());
    mac.update(&header);
    mac.update(message.get(..6)?);
    mac.update(&[0; 2]);
    mac.update(message.get(8..)?);
    mac.update(fixed);
    mac.update(&[0; MAC_LEN]);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum;
    use std::string::String;
    use std::vec::Vec;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).unwrap()).collect()
    }

    fn key() -> Key {
        Key::new(&(0..32).collect::<Vec<u8>>()).unwrap()
    }

    const STAMP: Stamp = Stamp(0x6800_0000_8000_0000);
    const V4: &str = "3133c80100644402c0000264 010100006800000080000000 1b84bc4e8e43892dc6d98448f8ee2265";
    const V6: &str = "3133c8010064a2e9fe800000000000000000000000000100 010100006800000080000000 \
                      c8c56146ebfd66ee10ec4d8186461b78";

    #[test]
    fn auth_16_the_published_vectors_are_written_and_believed() {
        for (source, vector) in [("198.51.100.10", V4), ("fe80::10", V6)] {
            let source: IpAddr = source.parse().unwrap();
            let expected = hex(vector);
            let at = expected.len() - LEN;
            let mut written = expected.clone();
            written[at..].fill(0xff);
            seal(&key(), 1, STAMP, source, &mut written, None).unwrap();
            assert_eq!(written, expected, "{source}");
            let trailer = Trailer::read(&expected[at..]).unwrap();
            assert_eq!((trailer.key_id, trailer.stamp), (1, STAMP));
            assert!(trailer.verifies(&key(), source, &expected[..at]));
        }
    }

    #[test]
    fn auth_16_every_bit_but_the_checksum_counts() {
        let source: IpAddr = "198.51.100.10".parse().unwrap();
        let vector = hex(V4);
        for bit in 0..vector.len() * 8 {
            let mut bytes = vector.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let at = bytes.len() - LEN;
            let (message, tail) = bytes.split_at(at);
            let believed = Trailer::read(tail).is_some_and(|t| t.verifies(&key(), source, message));
            assert_eq!(believed, (48..64).contains(&bit), "bit {bit}");
        }
        let (message, tail) = vector.split_at(vector.len() - LEN);
        let trailer = Trailer::read(tail).unwrap();
        assert!(!trailer.verifies(&key(), "198.51.100.11".parse().unwrap(), message));
        let mut other: Vec<u8> = (0..32).collect();
        other[31] ^= 1;
        assert!(!trailer.verifies(&Key::new(&other).unwrap(), source, message));
    }

    #[test]
    fn what_is_no_trailer_is_not_read_as_one() {
        let good = &hex(V4)[12..];
        assert!(Trailer::read(good).is_some());
        for (at, byte) in [(0, 0), (0, 2), (2, 1), (3, 0x80)] {
            let mut bad = good.to_vec();
            bad[at] = byte;
            assert_eq!(Trailer::read(&bad), None, "{at}");
        }
        assert_eq!(Trailer::read(&good[..27]), None);
        assert_eq!(Trailer::read(&[good, &[0]].concat()), None);
        assert_eq!(Trailer::read(&[]), None);
    }

    #[test]
    fn over_ipv6_the_checksum_covers_the_trailer() {
        let (source, destination): (IpAddr, IpAddr) =
            ("fe80::10".parse().unwrap(), "ff02::12".parse().unwrap());
        let sum = Sum::PseudoHeader { source, destination };
        let mut bytes = hex(V6);
        seal(&key(), 1, STAMP, source, &mut bytes, Some(sum)).unwrap();
        assert!(checksum::verifies(&bytes, sum));
        let (message, tail) = bytes.split_at(bytes.len() - LEN);
        assert!(Trailer::read(tail).unwrap().verifies(&key(), source, message));
        let mut short = [0x31; LEN + 7];
        assert_eq!(seal(&key(), 1, STAMP, source, &mut short, None), None);
        assert_eq!(short, [0x31; LEN + 7]);
    }

    #[test]
    fn stamps_are_the_wall_clock_and_go_round() {
        assert_eq!(Stamp::at(Duration::new(0x6800_0000, 500_000_000)), STAMP);
        assert_eq!(Stamp::at(Duration::new(0x1_6800_0000, 500_000_000)), STAMP);
        assert_eq!(Stamp::at(Duration::new(1, 999_999_999)).0, 0x1_ffff_0000);
        let last = Stamp(u64::MAX);
        assert_eq!(last.next(), Stamp(0));
        assert!(last.next().is_after(last) && !last.is_after(last.next()) && !last.is_after(last));
        assert_eq!(last.next().distance(last), Duration::ZERO);
        let later = Stamp::at(Duration::from_millis(1_500));
        assert_eq!(later.distance(Stamp(0)), Duration::from_millis(1_500));
        assert_eq!(Stamp(0).distance(later), Duration::from_millis(1_500));
    }

    #[test]
    fn keys_have_32_to_64_bytes_and_are_not_shown() {
        assert_eq!(Key::new(&[b'k'; 31]), None);
        assert_eq!(Key::new(&[b'k'; 65]), None);
        let key = Key::new(&[b'k'; 64]).unwrap();
        assert_eq!(key.reveal(), [b'k'; 64]);
        assert_eq!(std::format!("{key:?}"), "Key(..)");
        assert_ne!(Key::new(&[b'k'; 63]), Some(key));
    }
}
