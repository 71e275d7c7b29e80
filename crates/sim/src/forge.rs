//! Somebody on the segment who speaks VRRP and is no router: adverts that would win if they were believed, each wrong in
//! one respect.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use model::{Authentication, Host, Instance, Transport};
use node::io::{InterfaceIndex, RouterId, Transmit};
use vrrp::Discard;
use wire::checksum::Sum;
use wire::message::{Auth, Outgoing};
use wire::{Family, HOP_LIMIT, PROTOCOL_VRRP, Priority, Version, Vrid, ipv4};

/// What is wrong with a forged advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// It came from another network.
    Routed,
    /// It is of another version.
    Version,
    /// It is no advertisement.
    Kind,
    /// It ends too soon.
    Cut,
    /// Something nobody knows follows it.
    Tail,
    /// A bit fell over.
    Damaged,
    /// It is of a virtual router that is not known here.
    Stranger,
    /// It proves nothing, or something wrong.
    Password,
    /// It has another interval, which version 2 does not allow.
    Interval,
    /// It says that it is from whoever hears it.
    Ourselves,
    /// It was sent to one and is meant for all.
    Destination,
    /// Its sender is no peer.
    Peer,
}

impl Forgery {
    /// All of them.
    pub(crate) const ALL: [Self; 12] = [
        Self::Routed,
        Self::Version,
        Self::Kind,
        Self::Cut,
        Self::Tail,
        Self::Damaged,
        Self::Stranger,
        Self::Password,
        Self::Interval,
        Self::Ourselves,
        Self::Destination,
        Self::Peer,
    ];
}

/// Where the victim hears.
pub(crate) struct Ear {
    pub(crate) interface: InterfaceIndex,
    /// What it speaks from.
    pub(crate) source: IpAddr,
}

/// An advert of this kind for an instance, and why it must not be believed; `None`: this instance cannot be deceived so.
pub(crate) fn forge(
    host: &Host,
    instance: &Instance,
    ear: &Ear,
    forgery: Forgery,
    priority: u8,
) -> Option<(Transmit, Discard)> {
    let settings = &instance.settings;
    let is_v2 = settings.version == Version::V2;
    let (is_unicast, peer, is_picky) = match &instance.transport {
        Transport::Unicast { peers, .. } => (true, peers.first()?.address, instance.check_unicast_source),
        Transport::Multicast { .. } => (false, stranger(ear.source), false),
    };
    let is_sealed = matches!(instance.authentication, Authentication::Header(_) | Authentication::Keyed(_));
    let why = match forgery {
        Forgery::Routed if !is_unicast => Discard::HopLimit,
        Forgery::Version => Discard::Version,
        Forgery::Kind => Discard::Type,
        Forgery::Cut => Discard::Truncated,
        Forgery::Tail => Discard::TrailingBytes,
        Forgery::Damaged => Discard::Checksum,
        Forgery::Stranger => Discard::Vrid,
        Forgery::Password if is_v2 => match instance.authentication {
            Authentication::Password(_) => Discard::AuthenticationFailed,
            Authentication::None | Authentication::Header(_) | Authentication::Keyed(_) => {
                Discard::AuthenticationType
            }
        },
        Forgery::Interval if is_v2 && !is_sealed => Discard::Interval,
        Forgery::Ourselves if !is_sealed => Discard::OwnSource,
        Forgery::Destination if !is_unicast && !is_sealed => Discard::Destination,
        Forgery::Peer if is_picky && !is_sealed => Discard::UnlistedPeer,
        Forgery::Routed
        | Forgery::Password
        | Forgery::Interval
        | Forgery::Ourselves
        | Forgery::Destination
        | Forgery::Peer => return None,
    };
    let source = match forgery {
        Forgery::Ourselves => ear.source,
        Forgery::Peer => stranger(ear.source),
        Forgery::Routed
        | Forgery::Version
        | Forgery::Kind
        | Forgery::Cut
        | Forgery::Tail
        | Forgery::Damaged
        | Forgery::Stranger
        | Forgery::Password
        | Forgery::Interval
        | Forgery::Destination => peer,
    };
    let group = match settings.family {
        Family::V4 => IpAddr::V4(host.group_v4),
        Family::V6 => IpAddr::V6(host.group_v6),
    };
    let destination = if is_unicast || forgery == Forgery::Destination { ear.source } else { group };
    let auth = match (&instance.authentication, forgery) {
        (Authentication::None | Authentication::Keyed(_), Forgery::Password) => Auth::Pass(*b"guess\0\0\0"),
        (Authentication::Header(_), Forgery::Password) => Auth::None,
        (Authentication::Password(_), Forgery::Password) => Auth::Pass(*b"guess\0\0\0"),
        (Authentication::Password(secret), _) => Auth::Pass(secret.reveal()),
        (Authentication::None | Authentication::Header(_) | Authentication::Keyed(_), _) => Auth::None,
    };
    let interval =
        if forgery == Forgery::Interval { wire::Interval::from_secs(77)? } else { settings.interval };
    let vrid = if forgery == Forgery::Stranger { Vrid::new(200)? } else { settings.vrid };
    let addresses: Vec<IpAddr> = instance.addresses.iter().map(|a| a.address).collect();
    let message = Outgoing {
        version: settings.version,
        vrid,
        priority: Priority(priority),
        interval,
        addresses: &addresses,
        auth,
    };
    let mut bytes = Vec::new();
    let sum = match settings.version {
        Version::V2 => Sum::Message,
        Version::V3 => Sum::PseudoHeader { source, destination },
    };
    message.emit(sum, &mut bytes).ok()?;
    damage(forgery, settings.version, &mut bytes);
    let ttl = if forgery == Forgery::Routed { 254 } else { HOP_LIMIT };
    let mut datagram = Vec::new();
    if let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, destination) {
        let (protocol, traffic_class, identification) = (PROTOCOL_VRRP, wire::TRAFFIC_CLASS, 1);
        let header = ipv4::Header { source, destination, protocol, ttl, traffic_class, identification };
        header.emit(bytes.len(), &mut datagram);
    }
    datagram.extend_from_slice(&bytes);
    let datagram: Arc<[u8]> = datagram.into();
    let (router, interface) = (RouterId(0), ear.interface);
    Some((Transmit { router, interface, vrf: 0, source, destination, hop_limit: ttl, datagram }, why))
}

fn damage(forgery: Forgery, version: Version, bytes: &mut Vec<u8>) {
    match (forgery, bytes.first_mut()) {
        (Forgery::Version, Some(first)) => *first ^= 0x10,
        (Forgery::Kind, Some(first)) => *first ^= 0x02,
        // Version 2 ends with eight bytes that may be missing nowhere.
        (Forgery::Cut, Some(_)) => bytes.truncate(bytes.len() - if version == Version::V2 { 9 } else { 1 }),
        (Forgery::Tail, Some(_)) => bytes.extend_from_slice(&[0xee; 5]),
        (Forgery::Damaged, Some(_)) => {
            if let Some(sum) = bytes.get_mut(6) {
                *sum ^= 0x40;
            }
        }
        _ => {}
    }
}

/// Beside whoever hears it, and above everybody else.
const fn stranger(beside: IpAddr) -> IpAddr {
    match beside {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 250))
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, _] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, 0xfffe))
        }
    }
}
