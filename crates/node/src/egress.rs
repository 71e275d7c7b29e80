//! What a router sends: adverts encoded once and kept until something in them changes, and the announcements
//! of its addresses.

use crate::io::{Announcement, Placed};
use crate::verdict::Place;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use model::{Authentication, ChecksumForm, Host, Instance, Transport};
use wire::checksum::Sum;
use wire::message::{Auth, Outgoing};
use wire::trailer::{self, Stamp};
use wire::{
    Family, HOP_LIMIT, PROTOCOL_AH, PROTOCOL_VRRP, Priority, TRAFFIC_CLASS, Version, ah, arp, ipv4, ndp,
};

/// The adverts of one router, ready to go.
#[derive(Debug, Default)]
pub(crate) struct Egress {
    cached: Option<Cached>,
    /// Last Authentication Header sequence number used.
    sequence: u32,
    /// Last stamp used.
    stamp: Option<Stamp>,
}

#[derive(Debug)]
struct Cached {
    priority: Priority,
    place: Place,
    adverts: Adverts,
}

/// One for each destination. Nearly all routers have one, which needs no place of its own.
#[derive(Debug)]
enum Adverts {
    One([Addressed; 1]),
    Many(Vec<Addressed>),
}

impl Adverts {
    fn all(&self) -> &[Addressed] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }

    fn all_mut(&mut self) -> &mut [Addressed] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

impl FromIterator<Addressed> for Adverts {
    fn from_iter<T: IntoIterator<Item = Addressed>>(all: T) -> Self {
        let all: Vec<Addressed> = all.into_iter().collect();
        match <[Addressed; 1]>::try_from(all) {
            Ok(one) => Self::One(one),
            Err(many) => Self::Many(many),
        }
    }
}

/// One encoded advert and where it goes.
#[derive(Clone)]
pub(crate) struct Addressed {
    pub(crate) destination: IpAddr,
    pub(crate) datagram: Arc<[u8]>,
}

impl fmt::Debug for Addressed {
    /// Without the bytes: a password may be among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes to {}", self.datagram.len(), self.destination)
    }
}

/// What a serial number must go beyond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    /// The greatest sequence number of an Authentication Header heard from others (AUTH-10).
    pub(crate) greatest: u32,
    /// The time for stamps.
    pub(crate) clock: Stamp,
}

/// What makes each copy of a signed advert another one.
#[derive(Clone, Copy, Debug)]
enum Serial {
    /// It is not signed.
    None,
    /// In an Authentication Header.
    Sequence(u32),
    /// In a trailer.
    Stamp(Stamp),
}

impl Egress {
    /// Forgets what was encoded: the configuration changed.
    pub(crate) fn forget(&mut self) {
        self.cached = None;
    }

    /// Last Authentication Header sequence number used; 0: none.
    pub(crate) const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Last stamp used.
    pub(crate) const fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// The stamps up to this one are used.
    pub(crate) fn go_on_after_stamp(&mut self, stamp: Stamp) {
        if self.stamp.is_none_or(|before| stamp.is_after(before)) {
            self.stamp = Some(stamp);
        }
    }

    /// The sequence numbers up to this one are used.
    pub(crate) fn go_on_after(&mut self, sequence: u32) {
        self.sequence = self.sequence.max(sequence);
    }

    /// See [`Slot::glance`](crate::slot::Slot::glance).
    pub(crate) fn glance(&self) -> usize {
        let first = self.cached.as_ref().and_then(|cached| cached.adverts.all().first());
        first.map_or(0, |advert| usize::from(advert.datagram.first().is_some_and(|byte| *byte > 0)))
    }

    /// The adverts of this priority from this place, one for each destination. `heard`: they are signed, and a restarted
    /// sender of Authentication Headers must go beyond what it heard (AUTH-10). `None`: nothing changes from one to the next.
    pub(crate) fn adverts(
        &mut self,
        host: &Host,
        instance: &Instance,
        place: Place,
        priority: Priority,
        heard: Option<Heard>,
    ) -> &[Addressed] {
        let fresh = self.cached.as_ref().is_some_and(|c| c.priority == priority && c.place == place);
        let serial = heard.map_or(Serial::None, |heard| self.serial(instance, heard));
        let resealed = fresh && {
            let mut adverts = self.cached.iter_mut().flat_map(|cached| cached.adverts.all_mut());
            adverts.all(|advert| reseal(instance, place.source, advert, serial).is_some())
        };
        if !resealed {
            let adverts = destinations(host, instance)
                .into_iter()
                .filter_map(|destination| {
                    let datagram = encode(instance, place.source, destination, priority, serial)?;
                    Some(Addressed { destination, datagram: datagram.into() })
                })
                .collect();
            self.cached = Some(Cached { priority, place, adverts });
        }
        self.cached.as_ref().map_or(&[], |cached| cached.adverts.all())
    }

    /// The serial number of the next adverts.
    fn serial(&mut self, instance: &Instance, heard: Heard) -> Serial {
        match &instance.authentication {
            Authentication::Header(_) => {
                self.sequence = self.sequence.max(heard.greatest).wrapping_add(1).max(1);
                Serial::Sequence(self.sequence)
            }
            Authentication::Keyed(ring) if ring.signing_key().is_some() => {
                let stamp = ring.next_stamp(self.stamp, heard.clock, instance.settings.interval);
                self.stamp = Some(stamp);
                Serial::Stamp(stamp)
            }
            Authentication::None | Authentication::Password(_) | Authentication::Keyed(_) => Serial::None,
        }
    }
}

/// The group of a multicast router, or the peers of a unicast one.
fn destinations(host: &Host, instance: &Instance) -> Vec<IpAddr> {
    match &instance.transport {
        Transport::Multicast { .. } => alloc::vec![group(host, instance)],
        Transport::Unicast { peers, .. } => peers.iter().map(|peer| peer.address).collect(),
    }
}

/// The group that a multicast router speaks to.
pub(crate) fn group(host: &Host, instance: &Instance) -> IpAddr {
    let own = match &instance.transport {
        Transport::Multicast { group, .. } => *group,
        Transport::Unicast { .. } => None,
    };
    own.unwrap_or_else(|| default_group(host, instance.settings.family))
}

/// The group of all routers that name none.
pub(crate) const fn default_group(host: &Host, family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(host.group_v4),
        Family::V6 => IpAddr::V6(host.group_v6),
    }
}

/// TTL or hop limit of sent adverts.
pub(crate) const fn hop_limit(instance: &Instance) -> u8 {
    match &instance.transport {
        Transport::Multicast { .. } => HOP_LIMIT,
        Transport::Unicast { ttl, .. } => *ttl,
    }
}

/// One advert: for IPv4 the whole datagram, for IPv6 the message. `None` if it cannot be said, which a
/// checked configuration excludes.
fn encode(
    instance: &Instance,
    source: IpAddr,
    destination: IpAddr,
    priority: Priority,
    serial: Serial,
) -> Option<Vec<u8>> {
    let settings = &instance.settings;
    let addresses = listed(instance);
    let auth = match (&instance.authentication, settings.version) {
        (Authentication::None | Authentication::Keyed(_), _) | (_, Version::V3) => Auth::None,
        (Authentication::Password(secret), Version::V2) => Auth::Pass(secret.reveal()),
        (Authentication::Header(_), Version::V2) => Auth::Ah,
    };
    let sum = match instance.checksum {
        ChecksumForm::Message if settings.family == Family::V4 => Sum::Message,
        ChecksumForm::Message | ChecksumForm::PseudoHeader => Sum::PseudoHeader { source, destination },
    };
    let message = Outgoing {
        version: settings.version,
        vrid: settings.vrid,
        priority,
        interval: settings.interval,
        addresses: &addresses,
        auth,
    };
    let mut bytes = Vec::new();
    message.emit(sum, &mut bytes).ok()?;
    if let Serial::Stamp(stamp) = serial {
        bytes.resize(bytes.len() + trailer::LEN, 0);
        sign(instance, (source, destination), stamp, &mut bytes)?;
    }
    match (source, destination, &instance.authentication) {
        (IpAddr::V4(source), IpAddr::V4(destination), Authentication::Header(secret)) => {
            let Serial::Sequence(sequence) = serial else { return None };
            sealed(instance, (source, destination), &bytes, ah::Key::new(secret.reveal()), sequence)
        }
        (
            IpAddr::V4(source),
            IpAddr::V4(destination),
            Authentication::None | Authentication::Password(_) | Authentication::Keyed(_),
        ) => {
            let header = ip_header(instance, source, destination, PROTOCOL_VRRP, 0);
            let mut datagram = Vec::new();
            header.emit(bytes.len(), &mut datagram);
            datagram.extend_from_slice(&bytes);
            Some(datagram)
        }
        (IpAddr::V6(_), IpAddr::V6(_), _) => Some(bytes),
        (IpAddr::V4(_), IpAddr::V6(_), _) | (IpAddr::V6(_), IpAddr::V4(_), _) => None,
    }
}

/// The addresses of an advert: as they were written, but over IPv6 a link-local one goes first (WIRE-7). For the others
/// the order means nothing (WIRE-9).
fn listed(instance: &Instance) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = instance.addresses.iter().map(|a| a.address).collect();
    let is_link_local = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    if let Some(first) = addresses.iter().position(is_link_local)
        && let Some(upto) = addresses.get_mut(..=first)
    {
        upto.rotate_right(1);
    }
    addresses
}

fn ip_header(
    instance: &Instance,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    identification: u16,
) -> ipv4::Header {
    let ttl = hop_limit(instance);
    ipv4::Header { source, destination, protocol, ttl, traffic_class: TRAFFIC_CLASS, identification }
}

/// AUTH-7 to AUTH-9: the Authentication Header as keepalived makes it.
fn sealed(
    instance: &Instance,
    (source, destination): (Ipv4Addr, Ipv4Addr),
    message: &[u8],
    key: ah::Key,
    sequence: u32,
) -> Option<Vec<u8>> {
    let mut inner = Vec::new();
    ah::emit_header(source.to_bits(), sequence, &mut inner);
    inner.extend_from_slice(message);
    let mut datagram = Vec::new();
    ip_header(instance, source, destination, PROTOCOL_AH, identification(sequence))
        .emit(inner.len(), &mut datagram);
    datagram.extend_from_slice(&inner);
    ah::seal(&key, &mut datagram, sequence, form(destination)).ok()?;
    Some(datagram)
}

/// AUTH-16: signs a message that has room for the trailer behind it.
fn sign(
    instance: &Instance,
    (source, destination): (IpAddr, IpAddr),
    stamp: Stamp,
    payload: &mut [u8],
) -> Option<()> {
    let Authentication::Keyed(ring) = &instance.authentication else { return None };
    // Over IPv6 the checksum covers the trailer too.
    let whole = (instance.settings.family == Family::V6).then_some(Sum::PseudoHeader { source, destination });
    trailer::seal(ring.signing_key()?, ring.active, stamp, source, payload, whole)
}

/// Gives a signed advert its next serial number in place: nothing is allocated. `None` if that cannot be done,
/// above all while the last one is still on its way.
fn reseal(instance: &Instance, source: IpAddr, advert: &mut Addressed, serial: Serial) -> Option<()> {
    let sequence = match serial {
        Serial::None => return Some(()),
        Serial::Stamp(stamp) => {
            let bytes = Arc::get_mut(&mut advert.datagram)?;
            let header = if source.is_ipv4() { ipv4::HEADER_LEN } else { 0 };
            return sign(instance, (source, advert.destination), stamp, bytes.get_mut(header..)?);
        }
        Serial::Sequence(sequence) => sequence,
    };
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, advert.destination) else { return None };
    let Authentication::Header(secret) = &instance.authentication else { return None };
    let bytes = Arc::get_mut(&mut advert.datagram)?;
    let header = ip_header(instance, source, destination, PROTOCOL_AH, identification(sequence));
    let (old, inner) = bytes.split_first_chunk_mut::<{ ipv4::HEADER_LEN }>()?;
    *old = header.to_bytes(inner.len());
    ah::seal(&ah::Key::new(secret.reveal()), bytes, sequence, form(destination)).ok()
}

/// Never 0, which the kernel would replace under the signature (TRAP-15).
fn identification(sequence: u32) -> u16 {
    let [_, _, high, low] = sequence.to_be_bytes();
    u16::from_be_bytes([high, low]).max(1)
}

/// AUTH-8: keepalived hashes the TTL of multicast adverts and not that of unicast ones.
const fn form(destination: Ipv4Addr) -> ah::Form {
    if destination.is_multicast() { ah::Form::Keepalived } else { ah::Form::Rfc2402 }
}

/// The announcement of one address from the interface that carries it (GARP-1, NA-1).
pub(crate) fn announcement(
    placed: &Placed,
    mac: wire::Mac,
    link_local: Option<IpAddr>,
    forwards_ipv6: bool,
) -> Announcement {
    let address = placed.address.address;
    let frame: Box<[u8]> = match (address, link_local) {
        (IpAddr::V4(v4), _) => Box::new(arp::gratuitous_request(mac, v4, arp::TargetHardware::Broadcast)),
        (IpAddr::V6(v6), Some(IpAddr::V6(source))) => {
            Box::new(ndp::unsolicited_advertisement(mac, source, v6, forwards_ipv6))
        }
        // The address itself is assigned to the interface too (NA-6).
        (IpAddr::V6(v6), None | Some(IpAddr::V4(_))) => {
            Box::new(ndp::unsolicited_advertisement(mac, v6, v6, forwards_ipv6))
        }
    };
    Announcement { interface: placed.interface, address, frame }
}
