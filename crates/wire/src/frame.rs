//! Ethernet frames: the header that announcements need, and a reader of captured frames that says in one line
//! what of interest to a virtual router went by.
//!
//! The reader is for people who look on (tests, the demonstration, a doctor). It shows what is wrong with an
//! advert instead of refusing it, so nothing may be decided by it: that is `vrrp::admit`.

use core::fmt;
use core::net::IpAddr;

use crate::arp::{self, Arp};
use crate::checksum::{self, Sum};
use crate::message::{Body, Message};
use crate::ndp::{self, Neighbor};
use crate::trailer::Trailer;
use crate::{
    Family, HOP_LIMIT, Interval, Mac, PROTOCOL_AH, PROTOCOL_VRRP, Priority, Version, ah, ipv4, ipv6, message,
};

/// The bytes of an Ethernet header without tags.
pub const HEADER_LEN: usize = 14;
/// Ethertype of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// Ethertype of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// Ethertype of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Ethertypes of the VLAN tags of IEEE 802.1Q and 802.1ad.
const ETHERTYPE_TAGS: [u16; 2] = [0x8100, 0x88a8];

/// An Ethernet header.
#[must_use]
pub const fn header(destination: Mac, source: Mac, ethertype: u16) -> [u8; HEADER_LEN] {
    let [d0, d1, d2, d3, d4, d5] = destination.0;
    let [s0, s1, s2, s3, s4, s5] = source.0;
    let [t0, t1] = ethertype.to_be_bytes();
    [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1]
}

/// An Ethernet frame, its VLAN tags taken off.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ethernet<'a> {
    /// The destination address.
    pub destination: Mac,
    /// The source address: the Virtual Router MAC in adverts and announcements of a router that has one (TX-2).
    pub source: Mac,
    /// The ethertype of the payload.
    pub ethertype: u16,
    /// What follows, padding included.
    pub payload: &'a [u8],
}

/// Everything but the bytes of the payload, which can hold a password.
impl fmt::Debug for Ethernet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ethernet")
            .field("destination", &self.destination)
            .field("source", &self.source)
            .field("ethertype", &format_args!("{:#06x}", self.ethertype))
            .field("payload_len", &self.payload.len())
            .finish()
    }
}

/// Takes an Ethernet frame apart; `None` if it ends inside its header or a tag.
#[must_use]
pub fn ethernet(frame: &[u8]) -> Option<Ethernet<'_>> {
    let (destination, rest) = frame.split_first_chunk()?;
    let (source, rest) = rest.split_first_chunk()?;
    let (mut ethertype, mut payload) = split_u16(rest)?;
    while ETHERTYPE_TAGS.contains(&ethertype) {
        let (_tag, rest) = split_u16(payload)?;
        (ethertype, payload) = split_u16(rest)?;
    }
    Some(Ethernet { destination: Mac(*destination), source: Mac(*source), ethertype, payload })
}

fn split_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    bytes.split_first_chunk().map(|(field, rest)| (u16::from_be_bytes(*field), rest))
}

/// What a captured frame was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// A VRRP message, right or wrong.
    Vrrp {
        /// The source of the Ethernet frame.
        source_mac: Mac,
        /// The source of the IP packet.
        source: IpAddr,
        /// The destination of the IP packet: the group, or a unicast peer.
        destination: IpAddr,
        /// The TTL or Hop Limit; [`HOP_LIMIT`] if all is well (RX-2).
        hop_limit: u8,
        /// The version nibble.
        version: u8,
        /// The type nibble; [`message::ADVERTISEMENT`] if all is well.
        kind: u8,
        /// The Virtual Rtr ID; 0 is none.
        vrid: u8,
        /// The priority.
        priority: Priority,
        /// How many addresses it says that it has.
        count: u8,
        /// The first address, if the message is complete and has one.
        first: Option<IpAddr>,
        /// The advertisement interval in centiseconds, in version 2 too; 0..=25,500.
        centiseconds: u16,
        /// Whether it comes with a password, in an Authentication Header or with a signed trailer, right or wrong.
        authenticated: bool,
        /// Whether the message is complete and its checksum right: with or without pseudo-header in version 3
        /// over IPv4 (CK-5), over all that the packet carries in IPv6 (RX-6).
        sum_ok: bool,
    },
    /// An ARP request or reply.
    Arp(Arp),
    /// A Neighbor Advertisement or Solicitation that a host would take.
    Neighbor(Neighbor),
}

/// What `frame`, from its Ethernet header on, was; `None` for everything that is no business of a virtual
/// router, and for what is too broken to say.
#[must_use]
pub fn read(frame: &[u8]) -> Option<Seen> {
    let Ethernet { source, ethertype, payload, .. } = ethernet(frame)?;
    match ethertype {
        ETHERTYPE_ARP => arp::parse(payload).map(Seen::Arp),
        ETHERTYPE_IPV4 => read_ipv4(source, &ipv4::parse(payload).ok()?),
        ETHERTYPE_IPV6 => read_ipv6(source, &ipv6::parse(payload).ok()?),
        _ => None,
    }
}

fn read_ipv4(source_mac: Mac, packet: &ipv4::Packet<'_>) -> Option<Seen> {
    let (sealed, payload) = match packet.protocol {
        PROTOCOL_VRRP => (false, packet.payload),
        PROTOCOL_AH => {
            let ah = ah::parse(packet.payload).ok()?;
            (ah.next_header == PROTOCOL_VRRP).then_some((true, ah.payload))?
        }
        _ => return None,
    };
    let addresses = (packet.source.into(), packet.destination.into());
    read_vrrp(source_mac, addresses, packet.ttl, sealed, payload)
}

fn read_ipv6(source_mac: Mac, packet: &ipv6::Packet<'_>) -> Option<Seen> {
    if packet.next_header != PROTOCOL_VRRP {
        return ndp::parse(packet).map(Seen::Neighbor);
    }
    let addresses = (packet.source.into(), packet.destination.into());
    read_vrrp(source_mac, addresses, packet.hop_limit, false, packet.payload)
}

fn read_vrrp(
    source_mac: Mac,
    (source, destination): (IpAddr, IpAddr),
    hop_limit: u8,
    sealed: bool,
    payload: &[u8],
) -> Option<Seen> {
    let message = Message::new(payload)?;
    let body = message.body(Family::of(source)).ok();
    let sum_ok = body.is_some_and(|body| sum_is_right(message, &body, source, destination));
    let signed = body.is_some_and(|body| Trailer::read(body.tail).is_some());
    let v2 = message.version() == Version::V2.number();
    Some(Seen::Vrrp {
        source_mac,
        source,
        destination,
        hop_limit,
        version: message.version(),
        kind: message.kind(),
        vrid: message.vrid(),
        priority: message.priority(),
        count: message.count(),
        first: body.and_then(|body| body.addresses.first()),
        centiseconds: if v2 { u16::from(message.seconds()) * 100 } else { message.centiseconds() },
        authenticated: sealed || signed || (v2 && message.auth_type() != 0),
        sum_ok,
    })
}

fn sum_is_right(message: Message<'_>, body: &Body<'_>, source: IpAddr, destination: IpAddr) -> bool {
    let with_addresses = Sum::PseudoHeader { source, destination };
    match (Version::from_number(message.version()), Family::of(source)) {
        (_, Family::V6) => checksum::verifies(message.bytes(), with_addresses),
        (Some(Version::V2), Family::V4) => checksum::verifies(body.message, Sum::Message),
        (_, Family::V4) => {
            checksum::verifies(body.message, Sum::Message) || checksum::verifies(body.message, with_addresses)
        }
    }
}

/// One line, as tcpdump would say it; what is wrong stands at its end, in brackets.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arp(arp) => arp.fmt(f),
            Self::Neighbor(neighbor) => neighbor.fmt(f),
            Self::Vrrp {
                source_mac,
                source,
                destination,
                hop_limit,
                version,
                kind,
                vrid,
                priority,
                count,
                first,
                centiseconds,
                authenticated,
                sum_ok,
            } => {
                write!(
                    f,
                    "{source_mac} {source} > {destination}: VRRPv{version} vrid {vrid} prio {priority}"
                )?;
                match Interval::from_centis(*centiseconds) {
                    Some(interval) => write!(f, " interval {interval}")?,
                    None => f.write_str(" interval 0 s")?,
                }
                if let Some(first) = first {
                    write!(f, " address {first}")?;
                }
                if *count > 1 {
                    write!(f, " +{}", count - 1)?;
                }
                let notes = [
                    (*authenticated, "authenticated"),
                    (*kind != message::ADVERTISEMENT, "unknown type"),
                    (*hop_limit != HOP_LIMIT, "hop limit not 255"),
                    (!sum_ok, "bad checksum or length"),
                ];
                let set = notes.iter().filter(|(set, _)| *set);
                set.map(|(_, note)| note).try_for_each(|note| write!(f, " [{note}]"))
            }
        }
    }
}
