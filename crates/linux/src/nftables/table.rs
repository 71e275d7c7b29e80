//! The one table of ours, as it is written: what is dropped, and what passes all the same.
//!
//! ```text
//! table inet standfast {
//!     set addresses4 { type ipv4_addr }
//!     set addresses6 { type ipv6_addr }
//!     set links6 { type ipv6_addr . iface_index }      link-local: the same address may be elsewhere
//!     set discovery { type icmpv6_type; flags constant }
//!     chain in  { hook input:  ip daddr @addresses4 goto closed, the same with daddr of IPv6 (and iif) }
//!     chain out { hook output: ip saddr @addresses4 goto closed, the same with saddr of IPv6 (and oif) }
//!     chain closed { VRRP accept; VRRP in AH accept; icmpv6 type @discovery accept; drop }
//! }
//! ```
//!
//! ARP is none of this, nor is what is forwarded. A router that drops Neighbor Discovery for its address has none
//! (RFC 9568 section 6.1); its Router Advertisements and redirects come from its virtual link-local address
//! (section 8.2), and it joins groups with it.

use super::batch::{Batch, Set, Step};
use model::Filter;
use node::io::{InterfaceIndex, Place};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is called in a set: link-local ones with their interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// IPv4.
    V4(Ipv4Addr),
    /// IPv6.
    V6(Ipv6Addr),
    /// IPv6, of one link.
    Link(Ipv6Addr, InterfaceIndex),
}

impl Key {
    /// The name of the address at this place.
    #[must_use]
    pub const fn of(place: &Place) -> Self {
        match place.address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) if address.is_unicast_link_local() => Self::Link(address, place.interface),
            IpAddr::V6(address) => Self::V6(address),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::V4(address) => address.octets().to_vec(),
            Self::V6(address) => address.octets().to_vec(),
            // The index is in the host's byte order, as the packet's is.
            Self::Link(address, interface) => [&address.octets()[..], &interface.to_ne_bytes()[..]].concat(),
        }
    }
}

/// How a table of ours begins its comment.
pub(super) const MARK: &str = "kept by standfast";
const COMMENT: &str = "kept by standfast: addresses that do not accept";

// Types as nft(8) numbers them.
const V4: Set = Set { name: "addresses4", key_type: 7, key_len: 4, constant: false };
const V6: Set = Set { name: "addresses6", key_type: 8, key_len: 16, constant: false };
const LINK: Set = Set { name: "links6", key_type: 8 << 6 | 20, key_len: 20, constant: false };
const DISCOVERY: Set = Set { name: "discovery", key_type: 29, key_len: 1, constant: true };

/// Multicast Listener Discovery 131, 132, 143; Neighbor Discovery 133 to 137.
const PASSES: [[u8; 1]; 8] = [[131], [132], [133], [134], [135], [136], [137], [143]];

const INPUT: u32 = 1;
const OUTPUT: u32 = 3;

const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

const IIF: u32 = 4;
const OIF: u32 = 5;
const NFPROTO: u32 = 15;
const L4PROTO: u32 = 16;

const IPV4: Step = Step::Is(2);
const IPV6: Step = Step::Is(10);
const VRRP: u8 = 112;
const AH: u8 = 51;
const ICMPV6: u8 = 58;

/// The comment as libnftnl keeps it: type 0, length, text.
fn user_data() -> Vec<u8> {
    let mut data = vec![0, u8::try_from(COMMENT.len() + 1).unwrap_or(0)];
    data.extend_from_slice(COMMENT.as_bytes());
    data.push(0);
    data
}

/// Whether this is the user data of a table of ours.
pub(super) fn is_mark(data: &[u8]) -> bool {
    data.first() == Some(&0) && data.get(2..).is_some_and(|text| text.starts_with(MARK.as_bytes()))
}

/// Writes everything anew, `closed` in its sets; what is there now goes in the same moment, and so do `old` tables.
pub(super) fn replace(batch: &mut Batch, filter: &Filter, closed: &BTreeSet<Key>, old: &[String]) {
    let table = filter.table.as_str();
    old.iter().for_each(|name| batch.delete_table(name));
    // Deleting one that is not there would be refused.
    batch.add_table(table, &user_data());
    batch.delete_table(table);
    batch.add_table(table, &user_data());
    for (set, number) in [V4, V6, LINK, DISCOVERY].into_iter().zip(1..) {
        batch.add_set(table, set, number);
    }
    batch.add_elements(table, DISCOVERY, &PASSES);
    batch.add_chain(table, "closed", None);
    batch.add_chain(table, "in", Some((INPUT, filter.priority)));
    batch.add_chain(table, "out", Some((OUTPUT, filter.priority)));
    let mut rule = |chain, steps: &[&[Step]]| {
        let steps = steps.concat();
        let counts = |step: &Step| matches!(step, Step::Drop | Step::Accept);
        match steps.split_last() {
            Some((last, before)) if filter.counters && counts(last) => {
                batch.add_rule(table, chain, &[before, &[Step::Count, *last]].concat());
            }
            _ => batch.add_rule(table, chain, &steps),
        }
    };
    let transport = |number| [Step::Meta { key: L4PROTO, to: 1 }, Step::Is(number)];
    let first_byte = Step::Payload { base: TRANSPORT, offset: 0, len: 1, to: 1 };
    rule("closed", &[&transport(VRRP), &[Step::Accept]]);
    rule("closed", &[&transport(AH), &[first_byte, Step::Is(VRRP), Step::Accept]]);
    rule("closed", &[&transport(ICMPV6), &[first_byte, Step::In(DISCOVERY), Step::Accept]]);
    rule("closed", &[&[Step::Drop]]);
    for (chain, at4, at6, interface) in [("in", 16, 24, IIF), ("out", 12, 8, OIF)] {
        let family = Step::Meta { key: NFPROTO, to: 1 };
        let load = |offset, len| Step::Payload { base: NETWORK, offset, len, to: 1 };
        let to = Step::Goto("closed");
        rule(chain, &[&[family, IPV4, load(at4, 4), Step::In(V4), to]]);
        rule(chain, &[&[family, IPV6, load(at6, 16), Step::In(V6), to]]);
        // An address fills the first register.
        let link = Step::Meta { key: interface, to: 2 };
        rule(chain, &[&[family, IPV6, load(at6, 16), link, Step::In(LINK), to]]);
    }
    change(batch, table, closed, true);
}

/// Adds elements, or removes them.
pub(super) fn change(batch: &mut Batch, table: &str, keys: &BTreeSet<Key>, adds: bool) {
    let mut sets = [(V4, Vec::new()), (V6, Vec::new()), (LINK, Vec::new())];
    for key in keys {
        let [v4, v6, link] = &mut sets;
        let (_, list) = match key {
            Key::V4(_) => v4,
            Key::V6(_) => v6,
            Key::Link(..) => link,
        };
        list.push(key.bytes());
    }
    for (set, list) in sets {
        if adds {
            batch.add_elements(table, set, &list);
        } else {
            batch.delete_elements(table, set, &list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::read::Messages;

    fn place(address: &str) -> Place {
        Place { interface: 3, address: address.parse().unwrap(), prefix: 24 }
    }

    #[test]
    fn an_address_is_named_with_its_interface_if_it_is_of_one_link() {
        assert_eq!(Key::of(&place("10.0.0.3")).bytes(), [10, 0, 0, 3]);
        assert_eq!(Key::of(&place("fd00::3")).bytes().len(), 16);
        let link = Key::of(&place("fe80::3"));
        assert_eq!(link.bytes()[..2], [0xfe, 0x80]);
        assert_eq!(link.bytes()[16..], 3u32.to_ne_bytes());
        assert_ne!(link, Key::of(&Place { interface: 4, ..place("fe80::3") }));
        assert_eq!(Key::of(&place("10.0.0.3")), Key::of(&Place { interface: 4, ..place("10.0.0.3") }));
    }

    #[test]
    fn a_mark_is_read_back() {
        assert!(is_mark(&user_data()));
        assert!(!is_mark(b""));
        assert!(!is_mark(b"\x00\x05mine\0"));
    }

    #[test]
    fn a_thousand_addresses_are_one_batch() {
        let closed = (0..1000u32).map(|n| Key::V4(Ipv4Addr::from(0x0a00_0000 + n))).collect();
        let mut batch = Batch::new(1);
        replace(&mut batch, &Filter::default(), &closed, &[]);
        let (bytes, ..) = batch.finish();
        let kinds: Vec<u16> = Messages(&bytes).map(|raw| raw.kind & 0xff).collect();
        let expected = [&[0x10, 0, 2, 0][..], &[9; 4], &[12], &[3; 3], &[6; 10], &[12], &[0x11]].concat();
        assert_eq!(kinds, expected);
    }
}
