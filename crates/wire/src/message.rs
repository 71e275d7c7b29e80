//! The VRRP message, versions 2 and 3 (RFC 3768 section 5.1, RFC 9568 section 5.1): the bytes after the IP
//! header, without an opinion on them.
//!
//! Reading goes in two steps because the checks do (RX-3 to RX-7): [`Message::new`] gives the fixed fields, so
//! that a wrong version or type can be named even when the rest is missing, and [`Message::body`] gives what
//! depends on the address family and the count.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::slice::ChunksExact;

use crate::checksum::Sum;
use crate::{Family, Interval, Priority, Version, Vrid, secret};

/// The bytes of the Authentication Data that ends every version 2 message.
const AUTH_DATA_LEN: usize = 8;
/// The only message type there is, ADVERTISEMENT (CON-11).
pub const ADVERTISEMENT: u8 = 1;

/// The bytes of a VRRP message, at least the eight fixed ones. Nothing in it has been checked.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    fixed: [u8; Message::FIXED_LEN],
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// The bytes before the first address, the same in both versions.
    pub const FIXED_LEN: usize = 8;

    /// The message that `bytes` (an IP payload) starts with; `None` if they end before the fixed fields do.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.first_chunk().map(|fixed| Self { fixed: *fixed, bytes })
    }

    /// All the bytes that were given to [`Message::new`].
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The version nibble, 0..=15 (RX-3).
    #[must_use]
    pub const fn version(self) -> u8 {
        self.fixed[0] >> 4
    }

    /// The type nibble, 0..=15; [`ADVERTISEMENT`] is the only one that is defined (RX-4).
    #[must_use]
    pub const fn kind(self) -> u8 {
        self.fixed[0] & 0x0f
    }

    /// The Virtual Rtr ID. 0 can arrive; it is no [`Vrid`].
    #[must_use]
    pub const fn vrid(self) -> u8 {
        self.fixed[1]
    }

    /// The priority.
    #[must_use]
    pub const fn priority(self) -> Priority {
        Priority(self.fixed[2])
    }

    /// How many addresses the message says that it carries. 0 can arrive (RX-11).
    #[must_use]
    pub const fn count(self) -> u8 {
        self.fixed[3]
    }

    /// Version 2: the Auth Type: 0 none, 1 simple text, 2 IP Authentication Header, others undefined (RX-12).
    #[must_use]
    pub const fn auth_type(self) -> u8 {
        self.fixed[4]
    }

    /// Version 2: the Adver Int in seconds. 0 can arrive.
    #[must_use]
    pub const fn seconds(self) -> u8 {
        self.fixed[5]
    }

    /// Version 3: the Max Advertise Interval in centiseconds, 0..=4095, the Reserve bits masked (WIRE-2).
    #[must_use]
    pub const fn centiseconds(self) -> u16 {
        u16::from_be_bytes([self.fixed[4] & 0x0f, self.fixed[5]])
    }

    /// The advertisement interval as the version of the message says it (IOP-4); `None` for 0 (RX-10) and for
    /// versions other than 2 and 3.
    #[must_use]
    pub const fn interval(self) -> Option<Interval> {
        match self.version() {
            2 => Interval::from_secs(self.seconds()),
            3 => Interval::from_centis(self.centiseconds()),
            _ => None,
        }
    }

    /// The checksum field, unverified: see [`crate::checksum::verifies`].
    #[must_use]
    pub const fn checksum(self) -> u16 {
        u16::from_be_bytes([self.fixed[6], self.fixed[7]])
    }

    /// What follows the fixed fields, in a packet of `family`.
    ///
    /// Version 2 needs its eight bytes of Authentication Data whatever the Auth Type is (TRAP-14); every other
    /// version is read as version 3, which has none.
    ///
    /// # Errors
    /// [`Truncated`] if the bytes end before the addresses or the Authentication Data do (RX-5).
    pub fn body(self, family: Family) -> Result<Body<'a>, Truncated> {
        let addresses_len = usize::from(self.count()) * family.address_len();
        let has_auth_data = self.version() == 2;
        let needed = Self::FIXED_LEN + addresses_len + if has_auth_data { AUTH_DATA_LEN } else { 0 };
        let truncated = Truncated { needed, have: self.bytes.len() };

        let (message, tail) = self.bytes.split_at_checked(needed).ok_or(truncated)?;
        let variable = message.get(Self::FIXED_LEN..).ok_or(truncated)?;
        let (addresses, auth_data) = variable.split_at_checked(addresses_len).ok_or(truncated)?;
        let auth_data = auth_data.first_chunk().copied();
        Ok(Body { message, addresses: Addresses { bytes: addresses, family }, auth_data, tail })
    }
}

/// The fixed fields. The other bytes can hold a password.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("version", &self.version())
            .field("kind", &self.kind())
            .field("vrid", &self.vrid())
            .field("priority", &self.priority().0)
            .field("count", &self.count())
            .field("interval", &self.interval())
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// A message that ends before what it announces (RX-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the message needs {needed} bytes and has {have}")]
pub struct Truncated {
    /// The bytes that its version, family and count ask for.
    pub needed: usize,
    /// The bytes that are there.
    pub have: usize,
}

/// A message taken apart.
#[derive(Clone, Copy)]
pub struct Body<'a> {
    /// The message without the tail: what the checksum covers over IPv4. Over IPv6 it covers
    /// [`Message::bytes`], tail and all (RX-6).
    pub message: &'a [u8],
    /// The addresses of the virtual router.
    pub addresses: Addresses<'a>,
    /// Version 2: the Authentication Data. A password in plain text if the Auth Type is 1.
    pub auth_data: Option<[u8; 8]>,
    /// What follows the message (RX-6): usually nothing, else a trailer that the layer above judges.
    pub tail: &'a [u8],
}

/// Everything but the Authentication Data, which can be a password.
impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("addresses", &self.addresses)
            .field("has_auth_data", &self.auth_data.is_some())
            .field("tail_len", &self.tail.len())
            .finish_non_exhaustive()
    }
}

/// The addresses of a message, in its order, read where they lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Addresses<'a> {
    /// A whole number of addresses.
    bytes: &'a [u8],
    family: Family,
}

impl<'a> Addresses<'a> {
    /// How many there are, 0..=255.
    #[must_use]
    pub fn len(self) -> usize {
        self.bytes.len() / self.family.address_len()
    }

    /// Whether there are none (RX-11).
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// The first address: over IPv6 the link-local address of the virtual router (WIRE-7).
    #[must_use]
    pub fn first(self) -> Option<IpAddr> {
        self.iter().next()
    }

    /// All of them.
    #[must_use]
    pub fn iter(self) -> AddressIter<'a> {
        AddressIter(self.bytes.chunks_exact(self.family.address_len()))
    }
}

impl<'a> IntoIterator for Addresses<'a> {
    type Item = IpAddr;
    type IntoIter = AddressIter<'a>;
    fn into_iter(self) -> AddressIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The iterator of [`Addresses`].
#[derive(Clone, Debug)]
pub struct AddressIter<'a>(ChunksExact<'a, u8>);

impl Iterator for AddressIter<'_> {
    type Item = IpAddr;

    fn next(&mut self) -> Option<IpAddr> {
        let bytes = self.0.next()?;
        // The length of the chunks is that of the family, so it tells the family.
        if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
            return Some(IpAddr::V4(Ipv4Addr::from(octets)));
        }
        <[u8; 16]>::try_from(bytes).ok().map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for AddressIter<'_> {}

/// What version 2 says about authentication, in its Auth Type and its Authentication Data (RFC 2338 section
/// 5.3.6).
///
/// Comparing two takes the same time whatever the password is; printing one does not show it.
#[derive(Clone, Copy)]
pub enum Auth {
    /// Type 0.
    None,
    /// Type 1, simple text: the password, zero-filled to eight bytes (AUTH-2).
    Pass([u8; 8]),
    /// Type 2: the packet is inside an IP Authentication Header, which [`crate::ah`] seals.
    Ah,
}

impl Auth {
    /// The Auth Type on the wire. (The MIB counts from 1 instead, AUTH-14.)
    #[must_use]
    pub const fn wire_type(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Pass(_) => 1,
            Self::Ah => 2,
        }
    }

    /// Whether Authentication Data that arrived is right. Types 0 and 2 ignore it (WIRE-10, AUTH-6); type 1
    /// compares all eight bytes, in constant time (AUTH-3).
    ///
    /// That the Auth Type of the packet is [`Auth::wire_type`] is for the caller to check first (AUTH-11).
    #[must_use]
    pub const fn accepts(self, data: [u8; 8]) -> bool {
        match self {
            Self::None | Self::Ah => true,
            Self::Pass(password) => secret::same(password, data),
        }
    }

    /// The Authentication Data to send: zero except for a password (AUTH-1, AUTH-6).
    const fn data(self) -> [u8; 8] {
        match self {
            Self::None | Self::Ah => [0; 8],
            Self::Pass(password) => password,
        }
    }
}

impl PartialEq for Auth {
    fn eq(&self, other: &Self) -> bool {
        self.wire_type() == other.wire_type() && secret::same(self.data(), other.data())
    }
}

impl Eq for Auth {}

impl Hash for Auth {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.wire_type().hash(state);
        self.data().hash(state);
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Pass(_) => "Pass(..)",
            Self::Ah => "Ah",
        })
    }
}

/// An advertisement to write.
///
/// ```
/// use wire::checksum::{self, Sum};
/// use wire::message::{Auth, Message, Outgoing};
/// use wire::{Family, Interval, Priority, Version, Vrid};
///
/// let addresses = ["192.0.2.1".parse()?];
/// let advert = Outgoing {
///     version: Version::V3,
///     vrid: Vrid::new(51).ok_or("no VRID")?,
///     priority: Priority::DEFAULT,
///     interval: Interval::SECOND,
///     addresses: &addresses,
///     auth: Auth::None,
/// };
/// let mut bytes = Vec::new();
/// advert.emit(Sum::Message, &mut bytes)?;
///
/// let message = Message::new(&bytes).ok_or("shorter than the fixed fields")?;
/// let body = message.body(Family::V4)?;
/// assert_eq!(message.interval(), Some(Interval::SECOND));
/// assert_eq!(body.addresses.first(), Some(addresses[0]));
/// assert!(checksum::verifies(body.message, Sum::Message));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outgoing<'a> {
    /// The protocol version.
    pub version: Version,
    /// The Virtual Rtr ID.
    pub vrid: Vrid,
    /// The priority.
    pub priority: Priority,
    /// The advertisement interval: whole seconds for version 2, at most [`Interval::MAX_V3`] for version 3.
    pub interval: Interval,
    /// The addresses in the order of the wire, 1..=255 of one family (WIRE-6, WIRE-8). Over IPv6 the first is
    /// the link-local address of the virtual router; that is for the configuration to see to (WIRE-7).
    pub addresses: &'a [IpAddr],
    /// The authentication of version 2; [`Auth::None`] for version 3 (WIRE-13).
    pub auth: Auth,
}

impl Outgoing<'_> {
    /// Appends the message to `out`, which stays as it was on an error.
    ///
    /// `sum` is a choice only for version 3 over IPv4 (CK-5). Version 2 has no pseudo-header and ignores the
    /// one it is given (CK-1), so that one `sum` serves both versions of an IPv4 router; IPv6 cannot do
    /// without (CK-2).
    ///
    /// # Errors
    /// [`Unencodable`]: the first reason that applies.
    pub fn emit(&self, sum: Sum, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let family = self.family()?;
        let sum = self.allowed_sum(sum, family)?;
        let count = u8::try_from(self.addresses.len()).map_err(|_| Unencodable::TooManyAddresses)?;
        let [high, low] = self.version_field()?;
        let auth_data: &[u8] = match self.version {
            Version::V2 => &self.auth.data(),
            Version::V3 => &[],
        };
        let first = self.version.number() << 4 | ADVERTISEMENT;
        let fixed = [first, self.vrid.get(), self.priority.0, count, high, low];

        let len = self.encoded_len(family);
        let running = sum.before(len).with(&fixed);
        let running = self.addresses.iter().fold(running, |running, address| running.with_address(*address));
        let checksum = running.with(auth_data).checksum();

        out.reserve(len);
        out.extend_from_slice(&fixed);
        out.extend_from_slice(&checksum.to_be_bytes());
        for address in self.addresses {
            match address {
                IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
                IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
            }
        }
        out.extend_from_slice(auth_data);
        Ok(())
    }

    /// The bytes that [`Outgoing::emit`] appends when the addresses are of `family`.
    #[must_use]
    pub const fn encoded_len(&self, family: Family) -> usize {
        let auth_data = match self.version {
            Version::V2 => AUTH_DATA_LEN,
            Version::V3 => 0,
        };
        Message::FIXED_LEN + self.addresses.len() * family.address_len() + auth_data
    }

    /// The one family of the addresses.
    fn family(&self) -> Result<Family, Unencodable> {
        let (first, others) = self.addresses.split_first().ok_or(Unencodable::NoAddress)?;
        let family = Family::of(*first);
        if others.iter().any(|other| Family::of(*other) != family) {
            return Err(Unencodable::MixedFamilies);
        }
        Ok(family)
    }

    /// `sum` as far as version and `family` leave a choice.
    fn allowed_sum(&self, sum: Sum, family: Family) -> Result<Sum, Unencodable> {
        match (self.version, family, sum) {
            (Version::V2, Family::V6, _) => Err(Unencodable::FamilyNotInVersion),
            (Version::V2, Family::V4, _) => Ok(Sum::Message),
            (Version::V3, Family::V6, Sum::Message) => Err(Unencodable::PseudoHeaderMissing),
            (Version::V3, Family::V4, Sum::Message) => Ok(Sum::Message),
            (Version::V3, _, Sum::PseudoHeader { source, destination }) => {
                let fits = Family::of(source) == family && Family::of(destination) == family;
                if fits { Ok(sum) } else { Err(Unencodable::MixedFamilies) }
            }
        }
    }

    /// Bytes 4 and 5, which are what the versions differ in.
    fn version_field(&self) -> Result<[u8; 2], Unencodable> {
        match self.version {
            Version::V2 => {
                let seconds = self.interval.whole_secs().ok_or(Unencodable::IntervalNotWholeSeconds)?;
                Ok([self.auth.wire_type(), seconds])
            }
            Version::V3 if self.auth != Auth::None => Err(Unencodable::AuthenticationInV3),
            Version::V3 if self.interval > Interval::MAX_V3 => Err(Unencodable::IntervalTooLong),
            // At most 4095, so the Reserve bits are zero (WIRE-1).
            Version::V3 => Ok(self.interval.centis().to_be_bytes()),
        }
    }
}

/// Why an advertisement cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unencodable {
    /// WIRE-6: at least one.
    #[error("an advertisement carries at least one address")]
    NoAddress,
    /// The count is one byte.
    #[error("an advertisement carries at most 255 addresses")]
    TooManyAddresses,
    /// WIRE-8: the addresses, and those of the pseudo-header, are of one family.
    #[error("an advertisement carries addresses of one family, that of its packet")]
    MixedFamilies,
    /// CON-9: version 2 counts seconds.
    #[error("VRRP version 2 advertises in whole seconds")]
    IntervalNotWholeSeconds,
    /// CON-8: version 3 has 12 bits of centiseconds.
    #[error("VRRP version 3 advertises at least every 40.95 seconds")]
    IntervalTooLong,
    /// Version 2 is IPv4 only.
    #[error("VRRP version 2 does not carry IPv6")]
    FamilyNotInVersion,
    /// WIRE-13: version 3 has no authentication.
    #[error("VRRP version 3 has no authentication")]
    AuthenticationInV3,
    /// CK-2: over IPv6 the sum covers the pseudo-header.
    #[error("the checksum of VRRP over IPv6 covers the addresses of the packet")]
    PseudoHeaderMissing,
}
