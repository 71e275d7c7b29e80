//! ARP for Ethernet and IPv4 (RFC 826): the gratuitous forms that tell a network where a virtual address lives
//! now, and a reader for what others say.
//!
//! The gratuitous request is written in three ways by three kinds of routers, which differ in a field that
//! should not matter and now and then does; hence [`TargetHardware`].

use core::fmt;
use core::net::Ipv4Addr;

use crate::Mac;
use crate::frame::{self, ETHERTYPE_ARP};

/// The bytes of an ARP packet for Ethernet and IPv4.
pub const BODY_LEN: usize = 28;
/// The bytes of an Ethernet frame with it, without the padding that the network card adds.
pub const FRAME_LEN: usize = frame::HEADER_LEN + BODY_LEN;

/// Hardware type Ethernet, protocol type IPv4, and the lengths of their addresses.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

/// What a gratuitous request says in the target hardware address, where a request has nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetHardware {
    /// All ones: keepalived, FRR, holo.
    Broadcast,
    /// All zeros: the announcement of RFC 5227 section 2.3 (GARP-4).
    Zero,
    /// The sender's own: RFC 9568 section 6.4.1 with errata 7947 and 7949 (GARP-2).
    Own,
}

/// The frame of a gratuitous ARP request: "`address` is at `mac`", to everyone (GARP-1, GARP-3).
///
/// One for each IPv4 address of the virtual router. `mac` is the source of the frame too.
#[must_use]
pub fn gratuitous_request(mac: Mac, address: Ipv4Addr, target: TargetHardware) -> [u8; FRAME_LEN] {
    let target_mac = match target {
        TargetHardware::Broadcast => Mac::BROADCAST,
        TargetHardware::Zero => Mac::default(),
        TargetHardware::Own => mac,
    };
    let operation = Operation::Request;
    Arp { operation, sender_mac: mac, sender: address, target_mac, target: address }.to_frame(Mac::BROADCAST)
}

/// The frame of a gratuitous ARP reply, to everyone.
///
/// The target hardware address is the sender's: Linux takes no other reply for gratuitous (GARP-5, TRAP-13).
#[must_use]
pub fn gratuitous_reply(mac: Mac, address: Ipv4Addr) -> [u8; FRAME_LEN] {
    let operation = Operation::Reply;
    Arp { operation, sender_mac: mac, sender: address, target_mac: mac, target: address }
        .to_frame(Mac::BROADCAST)
}

/// An ARP operation (RFC 826). The others belong to other protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

impl Operation {
    /// The number on the wire.
    const fn number(self) -> u16 {
        match self {
            Self::Request => 1,
            Self::Reply => 2,
        }
    }
}

/// An ARP packet for Ethernet and IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arp {
    /// Request or reply.
    pub operation: Operation,
    /// The sender hardware address, SHA.
    pub sender_mac: Mac,
    /// The sender protocol address, SPA; 0.0.0.0 in a probe.
    pub sender: Ipv4Addr,
    /// The target hardware address, THA; without meaning in a request.
    pub target_mac: Mac,
    /// The target protocol address, TPA.
    pub target: Ipv4Addr,
}

impl Arp {
    /// The packet in an Ethernet frame from its sender hardware address to `destination`.
    #[must_use]
    pub fn to_frame(self, destination: Mac) -> [u8; FRAME_LEN] {
        let mut frame = [0; FRAME_LEN];
        frame[..14].copy_from_slice(&frame::header(destination, self.sender_mac, ETHERTYPE_ARP));
        frame[14..20].copy_from_slice(&ETHERNET_IPV4);
        frame[20..22].copy_from_slice(&self.operation.number().to_be_bytes());
        frame[22..28].copy_from_slice(&self.sender_mac.0);
        frame[28..32].copy_from_slice(&self.sender.octets());
        frame[32..38].copy_from_slice(&self.target_mac.0);
        frame[38..].copy_from_slice(&self.target.octets());
        frame
    }

    /// Whether sender and target address are the same one (RFC 5227 section 2.3, GARP-1).
    ///
    /// A reply must also name its sender as the target hardware before Linux takes it for gratuitous (GARP-5).
    #[must_use]
    pub const fn is_gratuitous(self) -> bool {
        !self.sender.is_unspecified() && self.sender.to_bits() == self.target.to_bits()
    }

    /// Whether this asks for an address without claiming one (RFC 5227 section 1.1).
    #[must_use]
    pub const fn is_probe(self) -> bool {
        matches!(self.operation, Operation::Request)
            && self.sender.is_unspecified()
            && !self.target.is_unspecified()
    }
}

/// The ARP packet that `body`, the payload of an Ethernet frame, starts with; bytes after it are padding.
///
/// `None` if it is cut short, is for other hardware or another protocol than Ethernet and IPv4, or is neither a
/// request nor a reply.
#[must_use]
pub fn parse(body: &[u8]) -> Option<Arp> {
    let (kind, rest) = body.split_first_chunk::<6>()?;
    let (operation, rest) = rest.split_first_chunk()?;
    let (sender_mac, rest) = rest.split_first_chunk()?;
    let (sender, rest) = rest.split_first_chunk::<4>()?;
    let (target_mac, rest) = rest.split_first_chunk()?;
    let target = rest.first_chunk::<4>()?;
    let operation = match u16::from_be_bytes(*operation) {
        1 => Operation::Request,
        2 => Operation::Reply,
        _ => return None,
    };
    (*kind == ETHERNET_IPV4).then(|| Arp {
        operation,
        sender_mac: Mac(*sender_mac),
        sender: Ipv4Addr::from(*sender),
        target_mac: Mac(*target_mac),
        target: Ipv4Addr::from(*target),
    })
}

/// One line, as tcpdump would say it.
impl fmt::Display for Arp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, sender_mac, sender, target, .. } = self;
        match operation {
            Operation::Request if self.is_gratuitous() => {
                write!(f, "ARP gratuitous request, {sender} is-at {sender_mac}")
            }
            Operation::Reply if self.is_gratuitous() => {
                write!(f, "ARP gratuitous reply, {sender} is-at {sender_mac}")
            }
            Operation::Request if self.is_probe() => {
                write!(f, "ARP probe, who-has {target} asks {sender_mac}")
            }
            Operation::Request => write!(f, "ARP request, who-has {target} tell {sender} ({sender_mac})"),
            Operation::Reply => write!(f, "ARP reply, {sender} is-at {sender_mac}"),
        }
    }
}
