//! Neighbor Discovery (RFC 4861) as far as a virtual router speaks it: the unsolicited Neighbor Advertisement
//! that tells a network where a virtual address lives now, and a reader for advertisements and solicitations.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

use crate::checksum::OnesComplement;
use crate::frame::{self, ETHERTYPE_IPV6};
use crate::{HOP_LIMIT, Mac, ipv6};

/// IPv6 next header of ICMPv6 (RFC 4443).
pub const PROTOCOL_ICMPV6: u8 = 58;
/// Every node on the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// ICMPv6 type Neighbor Solicitation (RFC 4861 section 4.3).
const SOLICITATION: u8 = 135;
/// ICMPv6 type Neighbor Advertisement (RFC 4861 section 4.4).
const ADVERTISEMENT: u8 = 136;
/// The flags of an advertisement, in the first byte of their word.
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;
/// Options (RFC 4861 section 4.6.1), whose length is counted in units of eight bytes.
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
const OPTION_UNIT: usize = 8;

/// The bytes of an advertisement with its one option.
const MESSAGE_LEN: usize = 32;
/// The bytes of an unsolicited advertisement with its IPv6 and Ethernet headers.
pub const FRAME_LEN: usize = frame::HEADER_LEN + ipv6::HEADER_LEN + MESSAGE_LEN;

/// The frame of an unsolicited Neighbor Advertisement: "`target` is at `mac`", to all nodes (NA-1 to NA-6).
///
/// One for each IPv6 address of the virtual router. `mac` is the source of the frame too; `source` is an
/// address of the sending interface. The Solicited flag is clear, Override is set, and the target link-layer
/// address is there, without which no host learns anything (TRAP-12). `router` must be `true` for whoever
/// forwards: a host that sees it turn to `false` drops the router from its default list (NA-4, NA-10).
#[must_use]
pub fn unsolicited_advertisement(
    mac: Mac,
    source: Ipv6Addr,
    target: Ipv6Addr,
    router: bool,
) -> [u8; FRAME_LEN] {
    let flags = OVERRIDE | if router { ROUTER } else { 0 };
    let mut message = [0; MESSAGE_LEN];
    message[0] = ADVERTISEMENT;
    message[4] = flags;
    message[8..24].copy_from_slice(&target.octets());
    message[24..26].copy_from_slice(&[TARGET_LINK_LAYER, 1]);
    message[26..].copy_from_slice(&mac.0);
    let checksum = sum(source, ALL_NODES, &message).checksum();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());

    let header = ipv6::Header {
        source,
        destination: ALL_NODES,
        next_header: PROTOCOL_ICMPV6,
        hop_limit: HOP_LIMIT,
        traffic_class: 0,
    };
    let all_nodes = Mac([0x33, 0x33, 0, 0, 0, 1]);
    let mut frame = [0; FRAME_LEN];
    frame[..14].copy_from_slice(&frame::header(all_nodes, mac, ETHERTYPE_IPV6));
    frame[14..54].copy_from_slice(&header.to_bytes(MESSAGE_LEN));
    frame[54..].copy_from_slice(&message);
    frame
}

/// The Solicited-Node group of an address: ff02::1:ff and its last 24 bits (RFC 4291 section 2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (high & 0xff), low)
}

/// A Neighbor Advertisement or a Neighbor Solicitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Neighbor {
    /// Which of the two.
    pub kind: Kind,
    /// The address that it is about.
    pub target: Ipv6Addr,
    /// The link-layer address option: the target's in an advertisement, the source's in a solicitation.
    pub link_layer: Option<Mac>,
}

/// What a [`Neighbor`] message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Who has the target?
    Solicitation,
    /// The target is here.
    Advertisement {
        /// The R flag: the sender is a router.
        router: bool,
        /// The S flag: this answers a solicitation.
        solicited: bool,
        /// The O flag: replace what the cache says (NA-5).
        override_cache: bool,
    },
}

/// The message in `packet`, if it is one that a host would take (RFC 4861 sections 7.1.1 and 7.1.2).
///
/// `None` for every other protocol and type, and if the hop limit is not 255, the code not 0, the checksum
/// wrong, the target a multicast address, an option of length 0 or cut short, the Solicited flag set in a
/// multicast advertisement, or a solicitation from `::` not what address detection sends.
#[must_use]
pub fn parse(packet: &ipv6::Packet<'_>) -> Option<Neighbor> {
    let &ipv6::Packet { source, destination, hop_limit, next_header, payload } = packet;
    let (head, rest) = payload.split_first_chunk::<8>()?;
    let (target, options) = rest.split_first_chunk::<16>()?;
    let [kind, code, _, _, flags, ..] = *head;
    let target = Ipv6Addr::from(*target);
    let acceptable = next_header == PROTOCOL_ICMPV6
        && hop_limit == HOP_LIMIT
        && code == 0
        && !target.is_multicast()
        && sum(source, destination, payload).fold() == 0xffff;
    if !acceptable {
        return None;
    }
    match kind {
        SOLICITATION => {
            let link_layer = link_layer_option(options, SOURCE_LINK_LAYER)?;
            let detection = link_layer.is_none() && destination == solicited_node(target);
            (!source.is_unspecified() || detection).then_some(Neighbor {
                kind: Kind::Solicitation,
                target,
                link_layer,
            })
        }
        ADVERTISEMENT => {
            let link_layer = link_layer_option(options, TARGET_LINK_LAYER)?;
            let solicited = flags & SOLICITED != 0;
            let kind = Kind::Advertisement {
                router: flags & ROUTER != 0,
                solicited,
                override_cache: flags & OVERRIDE != 0,
            };
            (!solicited || !destination.is_multicast()).then_some(Neighbor { kind, target, link_layer })
        }
        _ => None,
    }
}

/// The address in the first option of type `wanted`, if there is one; `None` if the options are malformed.
fn link_layer_option(mut options: &[u8], wanted: u8) -> Option<Option<Mac>> {
    let mut found = None;
    while let [kind, units, ..] = *options {
        if units == 0 {
            return None;
        }
        let (option, rest) = options.split_at_checked(usize::from(units) * OPTION_UNIT)?;
        if let ([_, _, mac @ ..], true, None) = (option, kind == wanted, found) {
            found = mac.first_chunk().copied().map(Mac);
        }
        options = rest;
    }
    // A single byte is no option.
    options.is_empty().then_some(found)
}

/// The sum of an ICMPv6 message and its pseudo-header (RFC 4443 section 2.3).
fn sum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> OnesComplement {
    let (source, destination) = (IpAddr::V6(source), IpAddr::V6(destination));
    OnesComplement::pseudo_header(source, destination, PROTOCOL_ICMPV6, message.len()).with(message)
}

/// One line, as tcpdump would say it.
impl fmt::Display for Neighbor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, target, link_layer } = self;
        match kind {
            Kind::Solicitation => {
                write!(f, "neighbor solicitation, who-has {target}")?;
                link_layer.map_or(Ok(()), |mac| write!(f, " tell {mac}"))
            }
            Kind::Advertisement { router, solicited, override_cache } => {
                write!(f, "neighbor advertisement, {target}")?;
                link_layer.map_or(Ok(()), |mac| write!(f, " is-at {mac}"))?;
                let flags = [(router, "router"), (solicited, "solicited"), (override_cache, "override")];
                let set = flags.iter().filter(|(set, _)| **set);
                set.map(|(_, name)| name).try_for_each(|name| write!(f, ", {name}"))
            }
        }
    }
}
