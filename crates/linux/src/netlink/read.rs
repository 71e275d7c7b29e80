//! Reads what the kernel tells about links, addresses and neighbours, and forgives what it does not know.
//!
//! The codec crate decodes all of a message or nothing: one attribute of a newer kernel and a "link down"
//! would be lost. A failover daemon needs five attributes and must never lose a message, so this reader takes
//! the fixed header, then those attributes that it knows and that make sense, and nothing else.

use netlink_packet_core::NlasIterator;
use node::io::{Address, InterfaceIndex, Link};
use std::net::IpAddr;
use std::sync::Arc;
use wire::Mac;

use super::MARK;

/// One netlink message as it lies in a buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    /// Port id of the process whose request caused it (0: the kernel's own doing).
    pub(crate) port: u32,
    pub(crate) body: &'a [u8],
}

/// Length of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;

/// The messages in one received buffer. It ends at the first length that cannot be true.
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let len = usize::try_from(u32_at(self.0, 0)?).ok()?;
        let body = self.0.get(HEADER..len)?;
        let raw = Raw {
            kind: u16_at(self.0, 4)?,
            flags: u16_at(self.0, 6)?,
            sequence: u32_at(self.0, 8)?,
            port: u32_at(self.0, 12)?,
            body,
        };
        self.0 = self.0.get(align(len)..).unwrap_or(&[]);
        Some(raw)
    }
}

impl Messages<'_> {
    /// After the last message: whether nothing is left that could not be read.
    pub(crate) const fn is_whole(&self) -> bool {
        self.0.is_empty()
    }
}

/// Rounds up to netlink's alignment.
pub(crate) const fn align(len: usize) -> usize {
    (len + 3) & !3
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The attributes after a fixed header: kind without its flag bits, value. Stops at the first broken one.
pub(crate) fn attributes(bytes: &[u8], fixed: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let rest = bytes.get(fixed..).unwrap_or(&[]);
    NlasIterator::new(rest).map_while(Result::ok).map(|nla| {
        let value = 4..usize::from(nla.length());
        (nla.kind(), nla.into_inner().get(value).unwrap_or(&[]))
    })
}

/// Bytes up to the first NUL as text; what is not UTF-8 is replaced.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// What a link message says that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSeen {
    /// The kernel's number.
    pub index: InterfaceIndex,
    /// Its name, if the message had it.
    pub name: Option<String>,
    /// Its Ethernet address; zeros when it has none of 6 bytes.
    pub mac: Mac,
    /// `IFF_*`.
    pub flags: u32,
    /// `IF_OPER_*`, if the message had it.
    pub operstate: Option<u8>,
    /// The bridge, bond or VRF that it belongs to.
    pub master: Option<InterfaceIndex>,
    /// It is a VRF device.
    pub is_vrf: bool,
}

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IF_OPER_UNKNOWN: u8 = 0;
const IF_OPER_UP: u8 = 6;
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 1 << 3;
const IFF_LOWER_UP: u32 = 1 << 16;

impl LinkSeen {
    /// Reads the body of `RTM_NEWLINK` or `RTM_DELLINK`.
    ///
    /// `None` for a message of another family than `AF_UNSPEC`: a bridge reports its ports with the same
    /// message types, and "port left the bridge" must not be taken for "interface is gone".
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        const FIXED: usize = 16;
        if *body.first()? != 0 {
            return None;
        }
        let mut seen = Self {
            index: u32_at(body, 4)?,
            name: None,
            mac: Mac::default(),
            flags: u32_at(body, 8)?,
            operstate: None,
            master: None,
            is_vrf: false,
        };
        for (kind, value) in attributes(body, FIXED) {
            match kind {
                IFLA_IFNAME => seen.name = Some(text(value)).filter(|name| !name.is_empty()),
                IFLA_ADDRESS => seen.mac = value.try_into().map(Mac).unwrap_or_default(),
                IFLA_OPERSTATE => seen.operstate = value.first().copied(),
                IFLA_MASTER => seen.master = u32_at(value, 0).filter(|index| *index != 0),
                IFLA_LINKINFO => {
                    let mut parts = attributes(value, 0);
                    seen.is_vrf = parts.any(|(kind, value)| kind == IFLA_INFO_KIND && text(value) == "vrf");
                }
                _ => {}
            }
        }
        Some(seen)
    }

    /// Administratively up.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.flags & IFF_UP != 0
    }

    /// Has carrier: the lower layer says so, and the operational state is up or unknown.
    ///
    /// `UNKNOWN` is what drivers report that do not tell (loopback, TUN, some virtual links), but also every link in
    /// the moment after it was set up, so it counts only with `IFF_LOWER_UP`. RFC 2863's other states (dormant: not
    /// authenticated yet; lower layer down; testing) do not pass traffic, whatever the lower layer says.
    #[must_use]
    pub const fn has_carrier(&self) -> bool {
        matches!(self.operstate, None | Some(IF_OPER_UP | IF_OPER_UNKNOWN)) && self.flags & IFF_LOWER_UP != 0
    }

    /// The link as the node sees it. `None` if the message had no name.
    #[must_use]
    pub fn link(&self) -> Option<Link> {
        self.link_with(forwards_ipv6)
    }

    /// The same; `forwards_ipv6` says of a name whether the host forwards IPv6 there.
    #[must_use]
    pub fn link_with(&self, forwards_ipv6: fn(&str) -> bool) -> Option<Link> {
        let name = self.name.as_deref()?;
        Some(Link {
            index: self.index,
            name: Arc::from(name),
            mac: self.mac,
            up: self.is_up(),
            carrier: self.has_carrier(),
            loopback: self.flags & IFF_LOOPBACK != 0,
            forwards_ipv6: forwards_ipv6(name),
            is_vrf: self.is_vrf,
            master: self.master,
        })
    }
}

/// Whether the calling thread's host forwards IPv6 on `interface`; false when the kernel does not say.
#[must_use]
pub fn forwards_ipv6(interface: &str) -> bool {
    if interface.contains('/') {
        return false; // no name of an interface
    }
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/forwarding");
    std::fs::read(path).is_ok_and(|text| text.first().is_some_and(|&digit| digit != b'0'))
}

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const IFA_F_SECONDARY: u32 = 0x01;
const IFA_F_OPTIMISTIC: u32 = 0x04;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Whether an address family is IPv4 or IPv6.
pub(crate) const fn is_ip(family: u8) -> bool {
    matches!(family, AF_INET | AF_INET6)
}

/// Reads the body of `RTM_NEWADDR` or `RTM_DELADDR`; `None` for families other than IPv4 and IPv6.
pub(crate) fn address(body: &[u8]) -> Option<Address> {
    const FIXED: usize = 8;
    let (family, prefix) = (*body.first()?, *body.get(1)?);
    let mut flags = u32::from(*body.get(2)?);
    let longest = if family == AF_INET { 32 } else { 128 };
    let interface = u32_at(body, 4).filter(|_| prefix <= longest)?;
    let (mut local, mut other, mut marked) = (None, None, false);
    for (kind, value) in attributes(body, FIXED) {
        match kind {
            IFA_LOCAL => local = ip(family, value),
            IFA_ADDRESS => other = ip(family, value),
            IFA_FLAGS => flags = u32_at(value, 0).unwrap_or(flags),
            IFA_PROTO => marked = value.first() == Some(&MARK),
            _ => {}
        }
    }
    Some(Address {
        interface,
        // On a point-to-point link IFA_ADDRESS is the peer; IFA_LOCAL, when present, is always ours.
        address: local.or(other)?,
        prefix,
        usable: flags & IFA_F_DADFAILED == 0
            && (flags & IFA_F_TENTATIVE == 0 || flags & IFA_F_OPTIMISTIC != 0),
        // The same bit means "temporary" in IPv6.
        secondary: family == AF_INET && flags & IFA_F_SECONDARY != 0,
        marked,
    })
}

fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        AF_INET6 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}

/// What the kernel knows about the Ethernet address of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// On this interface.
    pub interface: InterfaceIndex,
    /// Whose.
    pub address: IpAddr,
    /// Its Ethernet address; `None` while it is being asked for or nobody answered.
    pub mac: Option<Mac>,
    /// `NUD_*` bits (linux/neighbour.h): 0x02 reachable, 0x04 stale, 0x20 failed, 0x80 permanent.
    pub state: u16,
}

/// Reads the body of `RTM_NEWNEIGH`.
pub(crate) fn neighbour(body: &[u8]) -> Option<Neighbour> {
    const FIXED: usize = 12;
    const NDA_DST: u16 = 1;
    const NDA_LLADDR: u16 = 2;
    let family = *body.first()?;
    let (mut address, mut mac) = (None, None);
    for (kind, value) in attributes(body, FIXED) {
        match kind {
            NDA_DST => address = ip(family, value),
            NDA_LLADDR => mac = value.try_into().ok().map(Mac),
            _ => {}
        }
    }
    Some(Neighbour { interface: u32_at(body, 4)?, address: address?, mac, state: u16_at(body, 8)? })
}

/// Reads the body of `RTM_NEWNETCONF`: the interface and whether it forwards, if the message says so.
pub(crate) fn forwarding(body: &[u8]) -> Option<(InterfaceIndex, bool)> {
    const FIXED: usize = 4; // one byte, aligned
    const NETCONFA_IFINDEX: u16 = 1;
    const NETCONFA_FORWARDING: u16 = 2;
    let (mut index, mut forwards) = (None, None);
    for (kind, value) in attributes(body, FIXED) {
        match kind {
            NETCONFA_IFINDEX => index = u32_at(value, 0),
            NETCONFA_FORWARDING => forwards = u32_at(value, 0).map(|value| value != 0),
            _ => {}
        }
    }
    Some((index?, forwards?))
}

/// The answer in an `NLMSG_ERROR`: error number (0: done, an acknowledgement) and the extended text.
pub(crate) fn verdict(raw: &Raw<'_>) -> Option<(i32, Option<String>)> {
    const NLM_F_CAPPED: u16 = 0x100;
    const NLM_F_ACK_TLVS: u16 = 0x200;
    const NLMSGERR_ATTR_MSG: u16 = 1;
    let errno = i32::from_ne_bytes(raw.body.get(..4)?.try_into().ok()?).wrapping_neg();
    // The number counts, whatever became of the words.
    let words = || {
        let request = usize::try_from(u32_at(raw.body, 4)?).ok()?;
        let skip = 4 + if raw.flags & NLM_F_CAPPED != 0 { HEADER } else { align(request) };
        attributes(raw.body, skip).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)
    };
    let said = if raw.flags & NLM_F_ACK_TLVS == 0 { None } else { words() };
    Some((errno, said.map(|(_, value)| said_in_words(value))))
}

/// The kernel's words for a line of a log.
pub(crate) fn said_in_words(value: &[u8]) -> String {
    const LONGEST: usize = 200;
    text(value).chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(align(bytes.len()), 0);
        bytes
    }

    fn link_header(family: u8, index: u32, flags: u32) -> Vec<u8> {
        let mut bytes = vec![family, 0, 1, 0];
        for word in [index, flags, 0] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn a_link_with_attributes_from_the_future_is_still_read() {
        let mut body = link_header(0, 7, IFF_UP);
        body.extend(attribute(IFLA_IFNAME, b"eth7\0"));
        body.extend(attribute(0x3ff, &[1, 2, 3]));
        body.extend(attribute(IFLA_OPERSTATE, &[2]));
        body.extend(attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]));
        body.extend([3, 0, 9]); // an attribute cut short ends the list, not the message
        let seen = LinkSeen::read(&body).unwrap();
        assert_eq!((seen.index, seen.name.as_deref()), (7, Some("eth7")));
        assert_eq!(seen.mac, Mac([2, 0, 0, 0, 0, 1]));
        assert!(seen.is_up() && !seen.has_carrier());
    }

    #[test]
    fn a_vrf_device_and_its_ports_are_told_from_others() {
        let read = |kind: &[u8], master: u32| {
            let mut body = link_header(0, 7, IFF_UP);
            body.extend(attribute(IFLA_IFNAME, b"eth7\0"));
            body.extend(attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, kind)));
            body.extend(attribute(IFLA_MASTER, &master.to_ne_bytes()));
            let link = LinkSeen::read(&body).unwrap().link_with(|_| false).unwrap();
            (link.is_vrf, link.master)
        };
        assert_eq!(read(b"vrf\0", 0), (true, None));
        assert_eq!(read(b"veth\0", 3), (false, Some(3)));
        assert_eq!(read(b"vrfoo\0", 3), (false, Some(3)));
        assert_eq!(read(b"", 3), (false, Some(3)));
    }

    #[test]
    fn carrier_needs_both_the_lower_layer_and_the_operational_state() {
        for (state, lower, carrier) in [
            (IF_OPER_UP, true, true),
            (IF_OPER_UNKNOWN, true, true),   // loopback
            (IF_OPER_UNKNOWN, false, false), // just set up, the cable is not plugged in
            (2, false, false),               // down
            (5, true, false),                // dormant
        ] {
            let flags = IFF_UP | if lower { IFF_LOWER_UP } else { 0 };
            let mut body = link_header(0, 7, flags);
            body.extend(attribute(IFLA_OPERSTATE, &[state]));
            assert_eq!(LinkSeen::read(&body).unwrap().has_carrier(), carrier, "{state} {lower}");
        }
    }

    #[test]
    fn a_bridge_port_message_is_not_a_link_message() {
        assert_eq!(LinkSeen::read(&link_header(7, 3, 0)), None);
    }

    #[test]
    fn nothing_here_panics_on_short_or_false_input() {
        let mut body = link_header(0, 7, 0);
        body.extend(attribute(IFLA_OPERSTATE, &[]));
        body.extend(attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, b"vrf\0")));
        for end in 0..body.len() {
            let _ = LinkSeen::read(&body[..end]);
            let _ = address(&body[..end]);
            let _ = neighbour(&body[..end]);
            let raw = Raw { kind: 2, flags: 0x200, sequence: 0, port: 0, body: &body[..end] };
            let _ = verdict(&raw);
            assert_eq!(Messages(&body[..end]).count(), 0);
        }
    }

    #[test]
    fn a_number_whose_words_are_cut_off_is_still_a_number() {
        let verdict_of = |errno: i32| {
            let body = [&errno.to_ne_bytes()[..], &[3, 0x3b, 0x3a]].concat();
            verdict(&Raw { kind: 2, flags: 0x300, sequence: 0, port: 0, body: &body })
        };
        assert_eq!(verdict_of(0), Some((0, None)));
        assert_eq!(verdict_of(-1), Some((1, None)));
    }

    #[test]
    fn a_length_beyond_all_bytes_names_no_words() {
        let body = [&(-1_i32).to_ne_bytes()[..], &u32::MAX.to_ne_bytes(), &[0; 40]].concat();
        let raw = Raw { kind: 2, flags: 0x200, sequence: 0, port: 0, body: &body };
        assert_eq!(verdict(&raw), Some((1, None)));
    }

    #[test]
    fn a_prefix_that_is_longer_than_the_address_is_no_prefix() {
        for (family, len, prefix) in [(AF_INET, 4, 33), (AF_INET6, 16, 129)] {
            let mut body = vec![family, prefix, 0, 0, 9, 0, 0, 0];
            body.extend(attribute(IFA_LOCAL, &[10; 16][..len]));
            assert_eq!(address(&body), None);
            body[1] -= 1;
            assert!(address(&body).is_some());
        }
    }

    #[test]
    fn what_the_kernel_says_is_one_short_line() {
        let said = said_in_words(&[&b"no\nsuch\x1b[2J "[..], &[b'x'; 1000]].concat());
        assert!(said.starts_with("nosuch[2J xxx") && said.len() == 200, "{said}");
    }

    #[test]
    fn messages_end_at_a_length_that_lies() {
        let mut bytes = vec![0; 40];
        bytes[..4].copy_from_slice(&20u32.to_ne_bytes());
        bytes[20..24].copy_from_slice(&400u32.to_ne_bytes());
        assert_eq!(Messages(&bytes).count(), 1);
        assert_eq!(Messages(&[8, 0, 0, 0]).count(), 0);
    }

    #[test]
    fn usable_means_neither_tentative_nor_failed() {
        let read = |flags: u32| {
            let mut body = vec![AF_INET6, 64, 0, 0, 9, 0, 0, 0];
            body.extend(attribute(IFA_ADDRESS, &[0xfe; 16]));
            body.extend(attribute(IFA_FLAGS, &flags.to_ne_bytes()));
            address(&body).unwrap()
        };
        assert!(read(0x80).usable);
        assert!(!read(IFA_F_TENTATIVE).usable);
        assert!(read(IFA_F_TENTATIVE | IFA_F_OPTIMISTIC).usable);
        assert!(!read(IFA_F_DADFAILED).usable);
        assert!(!read(IFA_F_SECONDARY).secondary, "the bit means temporary in IPv6");
    }
}
