//! Bytes ⇄ packets: VRRP versions 2 and 3 over IPv4 and IPv6, the IPsec Authentication Header that RFC 2338
//! used, gratuitous ARP, and the unsolicited Neighbor Advertisement.
//!
//! Reading never panics on any bytes, and refuses in steps: each reader reports the first thing that is
//! wrong, so that the layer above can name it. Writing takes typed values, so most mistakes cannot be said.
//!
//! # What this is not
//! It decides nothing: whether a packet that reads well is *believed* is `vrrp::admit`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod ah;
pub mod arp;
pub mod bfd;
pub mod checksum;
pub mod frame;
pub mod ipv4;
pub mod ipv6;
pub mod message;
pub mod ndp;
mod secret;
pub mod trailer;

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;
use core::time::Duration;

/// IP protocol number (IPv6 next header) of VRRP (RFC 9568 section 7.2, CON-1).
pub const PROTOCOL_VRRP: u8 = 112;
/// IP protocol number of the Authentication Header (RFC 4302).
pub const PROTOCOL_AH: u8 = 51;
/// The IPv4 group of VRRP (RFC 9568 section 5.1.1.2, CON-2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The IPv6 group of VRRP (RFC 9568 section 5.1.2.2, CON-3).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// The TTL or Hop Limit of every VRRP packet (RFC 9568 sections 5.1.1.3 and 5.1.2.3, CON-4).
pub const HOP_LIMIT: u8 = 255;
/// The IPv4 type of service and IPv6 traffic class of sent adverts: CS6, network control (WIRE-12).
pub const TRAFFIC_CLASS: u8 = 0xc0;

/// An address family. A virtual router lives in exactly one (CON-12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The bytes of one address on the wire.
    #[must_use]
    pub const fn address_len(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A protocol version that this program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768 (and the authentication of RFC 2338): IPv4 only, whole seconds.
    V2,
    /// RFC 9568: both families, centiseconds.
    V3,
}

impl Version {
    /// The version that the nibble `number` on the wire means, if this program speaks it.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            _ => None,
        }
    }

    /// The nibble on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// A Virtual Router Identifier, 1..=255 (RFC 9568 section 5.2.3, CON-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// The VRID `value`, or `None` for 0, which no virtual router can have.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(v) => Some(Self(v)),
            None => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A priority as it stands in an advert (RFC 9568 section 5.2.4, CON-7): 0 says "I am leaving", 255 is the
/// address owner, 1..=254 are backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub u8);

impl Priority {
    /// The Active router is leaving.
    pub const LEAVING: Self = Self(0);
    /// What a router has when nobody chose.
    pub const DEFAULT: Self = Self(100);
    /// The router whose own address is the virtual address.
    pub const OWNER: Self = Self(255);

    /// Whether this is the owner's.
    #[must_use]
    pub const fn is_owner(self) -> bool {
        self.0 == 255
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An advertisement interval in centiseconds (10 ms), never 0 (TM-12).
///
/// Version 3 carries 1..=4095; version 2 carries whole seconds, 1..=255 s. One type holds both: at most
/// 25,500 cs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(u16);

impl Interval {
    /// One second, the default of both versions (CON-8, CON-9).
    pub const SECOND: Self = Self(100);
    /// The longest that version 3 can carry, 40.95 s.
    pub const MAX_V3: Self = Self(4095);
    /// The longest that version 2 can carry, 255 s.
    pub const MAX_V2: Self = Self(25_500);

    /// `centis` centiseconds; `None` for 0 and above 25,500.
    #[must_use]
    pub const fn from_centis(centis: u16) -> Option<Self> {
        if centis == 0 || centis > 25_500 { None } else { Some(Self(centis)) }
    }

    /// `seconds` whole seconds; `None` for 0.
    #[must_use]
    pub const fn from_secs(seconds: u8) -> Option<Self> {
        // At most 255 * 100, which fits.
        Self::from_centis(seconds as u16 * 100)
    }

    /// The number of centiseconds.
    #[must_use]
    pub const fn centis(self) -> u16 {
        self.0
    }

    /// The interval in whole seconds, if it is some.
    #[must_use]
    pub const fn whole_secs(self) -> Option<u8> {
        // The range of the type keeps the quotient at 255 or less.
        if self.0.is_multiple_of(100) { Some((self.0 / 100).to_le_bytes()[0]) } else { None }
    }

    /// The same as a [`Duration`].
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 10)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        if rest == 0 {
            write!(f, "{whole} s")
        } else if rest % 10 == 0 {
            write!(f, "{whole}.{} s", rest / 10)
        } else {
            write!(f, "{whole}.{rest:02} s")
        }
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Every station.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The Virtual Router MAC of a VRID in a family (RFC 9568 section 7.3, CON-5).
    #[must_use]
    pub const fn virtual_router(family: Family, vrid: Vrid) -> Self {
        let kind = match family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        Self([0, 0, 0x5e, 0, kind, vrid.get()])
    }

    /// The Ethernet group of an IP multicast address (RFC 1112 section 6.4, RFC 2464 section 7); `None` for an
    /// address that is no multicast address.
    #[must_use]
    pub const fn multicast(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(v4) if v4.is_multicast() => {
                let [_, b, c, d] = v4.octets();
                Some(Self([0x01, 0x00, 0x5e, b & 0x7f, c, d]))
            }
            IpAddr::V6(v6) if v6.is_multicast() => {
                let [.., a, b, c, d] = v6.octets();
                Some(Self([0x33, 0x33, a, b, c, d]))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn con_5_virtual_router_mac() {
        let vrid = Vrid::new(51).unwrap();
        assert_eq!(Mac::virtual_router(Family::V4, vrid).to_string(), "00:00:5e:00:01:33");
        assert_eq!(Mac::virtual_router(Family::V6, vrid).to_string(), "00:00:5e:00:02:33");
    }

    #[test]
    fn con_2_and_con_3_link_addresses_of_the_groups() {
        let text = |address| Mac::multicast(address).map(|mac| mac.to_string());
        assert_eq!(text(IpAddr::V4(GROUP_V4)).as_deref(), Some("01:00:5e:00:00:12"));
        assert_eq!(text(IpAddr::V6(GROUP_V6)).as_deref(), Some("33:33:00:00:00:12"));
        assert_eq!(text("239.129.2.3".parse().unwrap()).as_deref(), Some("01:00:5e:01:02:03"));
        assert_eq!(text("192.0.2.1".parse().unwrap()), None);
        assert_eq!(text("2001:db8::1".parse().unwrap()), None);
    }

    #[test]
    fn con_6_vrid_zero_does_not_exist() {
        assert_eq!(Vrid::new(0), None);
        assert_eq!(Vrid::new(255).map(Vrid::get), Some(255));
    }

    #[test]
    fn tm_12_interval_range_and_text() {
        assert_eq!(Interval::from_centis(0), None);
        assert_eq!(Interval::from_centis(25_501), None);
        assert_eq!(Interval::from_secs(255), Some(Interval::MAX_V2));
        assert_eq!(Interval::MAX_V2.whole_secs(), Some(255));
        assert_eq!(Interval::from_centis(150).unwrap().whole_secs(), None);
        for (centis, text) in [(100, "1 s"), (150, "1.5 s"), (1, "0.01 s"), (4095, "40.95 s")] {
            assert_eq!(Interval::from_centis(centis).unwrap().to_string(), text);
        }
    }
}
