//! Which adverts are believed: the receive checks in their order (RFC 9568 section 7.1, RFC 3768 section 7.1,
//! ids RX-1 to RX-18), each refusal with a name of its own.
//!
//! A refused advert changes nothing (RX-20): [`admit`] touches only [`Seen`], and only after everything else
//! passed.

use crate::keyring::{Clocks, Freshness, Keyring, Mode, Replay, Stamps};
use crate::router::Advertisement;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use timeline::Instant;
use wire::checksum::{self, Sum};
use wire::message::{Body, Message};
use wire::trailer::{Stamp, Trailer};
use wire::{Family, Interval, PROTOCOL_AH, PROTOCOL_VRRP, Version, Vrid, ah, ipv4};

/// A datagram as it came in, its IP header read.
#[derive(Clone, Copy, Debug)]
pub struct Ingress<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL or hop limit; `None` if the kernel did not tell.
    pub hop_limit: Option<u8>,
    /// From the first byte of the VRRP message; may have a tail.
    pub payload: &'a [u8],
    /// The whole packet, when an Authentication Header stood before the message.
    sealed: Option<ipv4::Packet<'a>>,
}

impl<'a> Ingress<'a> {
    /// Reads an IPv4 datagram of protocol 112 or 51, from its IP header on (RX-1).
    ///
    /// # Errors
    /// [`Discard::Malformed`] when header, lengths or the Authentication Header do not add up.
    pub fn v4(datagram: &'a [u8]) -> Result<Self, Discard> {
        let packet = ipv4::parse(datagram).map_err(|_| Discard::Malformed)?;
        let (payload, sealed) = match packet.protocol {
            PROTOCOL_VRRP => (packet.payload, None),
            PROTOCOL_AH => {
                let header = ah::parse(packet.payload).map_err(|_| Discard::Malformed)?;
                if header.next_header != PROTOCOL_VRRP {
                    return Err(Discard::Malformed);
                }
                (header.payload, Some(packet))
            }
            _ => return Err(Discard::Malformed),
        };
        Ok(Self {
            source: IpAddr::V4(packet.source),
            destination: IpAddr::V4(packet.destination),
            hop_limit: Some(packet.ttl),
            payload,
            sealed,
        })
    }

    /// An IPv6 datagram, whose header the kernel has read.
    #[must_use]
    pub const fn v6(
        source: Ipv6Addr,
        destination: Ipv6Addr,
        hop_limit: Option<u8>,
        payload: &'a [u8],
    ) -> Self {
        let (source, destination) = (IpAddr::V6(source), IpAddr::V6(destination));
        Self { source, destination, hop_limit, payload, sealed: None }
    }

    /// The family of the IP header.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// The VRID that it claims, for finding the virtual router before anything is believed (RX-23).
    #[must_use]
    pub fn vrid(&self) -> Option<Vrid> {
        Message::new(self.payload).and_then(|m| Vrid::new(m.vrid()))
    }

    /// What it says of itself; `None` if it is too short to say anything.
    #[must_use]
    pub fn heard(&self) -> Option<Heard> {
        let message = Message::new(self.payload)?;
        let auth_type = match (&self.sealed, message.version()) {
            (Some(_), _) => 2,
            (None, 2) => message.auth_type(),
            (None, _) => 0,
        };
        Some(Heard { version: message.version(), interval: message.interval(), auth_type })
    }

    /// The addresses that it lists; none if it is damaged.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let body = Message::new(self.payload).and_then(|m| m.body(self.family()).ok());
        body.map(|body| body.addresses.iter().collect()).unwrap_or_default()
    }
}

/// What an advert says of itself, believed or not: for telling what differs from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Version.
    pub version: u8,
    /// Interval, unless it is zero.
    pub interval: Option<Interval>,
    /// Version 2 authentication type; 2 also for whatever came inside an Authentication Header.
    pub auth_type: u8,
}

/// What one virtual router believes.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Its version.
    pub version: Version,
    /// Its own interval; version 2 demands equality (RX-13).
    pub interval: Interval,
    /// Its authentication.
    pub authentication: &'a Authentication,
    /// What time it is for signed stamps.
    pub clocks: Clocks,
    /// It is the owner and ignores all adverts (RX-9 as published, [`crate::Settings::owner_ignores_adverts`]).
    pub owner_ignores: bool,
    /// Where adverts for it are sent.
    pub expected: Expected<'a>,
    /// Its own source address (RX-17).
    pub own: IpAddr,
    /// Its listed addresses, sorted; compared as a set (RX-14, WIRE-9).
    pub addresses: &'a [IpAddr],
    /// Drop an advert with another address list, instead of counting it (strict mode).
    pub strict: bool,
    /// Do not compare the list of this known Active router.
    pub trusted: Option<IpAddr>,
}

/// Authentication as the wire needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// Auth Type 0.
    None,
    /// Auth Type 1.
    Password(wire::message::Auth),
    /// Auth Type 2.
    Header(ah::Key),
    /// A signed trailer, in either version (AUTH-16); Auth Type 0.
    Keyed(Arc<Keyring>),
}

/// Where adverts for a virtual router are sent.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// To this group.
    Group(IpAddr),
    /// To our own address.
    Unicast {
        /// The listed peers.
        peers: &'a [Peer],
        /// Only they are believed.
        only_peers: bool,
    },
}

/// A unicast peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Least TTL that its adverts must show; `None`: not checked.
    pub min_ttl: Option<u8>,
    /// Greatest TTL that its adverts may show; `None`: not checked.
    pub max_ttl: Option<u8>,
}

/// What authentication must remember: the last sequence number of each sender (AUTH-9, AUTH-17). Most routers have nothing
/// to remember, and need no place for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(Option<Box<Senders>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Senders {
    /// The last few senders of Authentication Headers, latest first.
    sequences: Vec<(IpAddr, u32)>,
    /// The senders of signed trailers.
    stamps: Stamps,
}

impl Seen {
    /// Makes room for the stamps of so many listed peers, and of some others. Without it only the last sender is known.
    pub fn make_room(&mut self, peers: usize) {
        self.senders().stamps.make_room(peers);
    }

    /// Of an advert that was refused with [`Discard::Stale`], and so is genuine: whether it is no recording of what its
    /// sender had sent before the last one that was believed. Then one of the two clocks is wrong (AUTH-18).
    #[must_use]
    pub fn is_news(&self, ingress: &Ingress<'_>) -> bool {
        let body = Message::new(ingress.payload).and_then(|message| message.body(ingress.family()).ok());
        let trailer = body.and_then(|body| Trailer::read(body.tail));
        trailer
            .is_some_and(|trailer| self.last(ingress.source).is_none_or(|last| trailer.stamp.is_after(last)))
    }

    /// The greatest sequence number known; a sender that was restarted must go beyond it (AUTH-10).
    #[must_use]
    pub fn greatest(&self) -> u32 {
        self.sequences().iter().map(|(_, sequence)| *sequence).max().unwrap_or(0)
    }

    fn senders(&mut self) -> &mut Senders {
        self.0.get_or_insert_default()
    }

    fn sequences(&self) -> &[(IpAddr, u32)] {
        self.0.as_deref().map_or(&[], |senders| &senders.sequences)
    }

    /// The last stamp of a sender.
    fn last(&self, source: IpAddr) -> Option<Stamp> {
        self.0.as_deref().and_then(|senders| senders.stamps.last(source))
    }

    fn is_replay(&self, source: IpAddr, sequence: u32) -> bool {
        self.sequences().iter().any(|(known, last)| *known == source && sequence <= *last)
    }

    fn remember(&mut self, source: IpAddr, sequence: u32) {
        let sequences = &mut self.senders().sequences;
        let known = sequences.iter().position(|(known, _)| *known == source);
        let place = known.or_else(|| sequences.len().checked_sub(1).filter(|_| sequences.len() >= SENDERS));
        if let Some(place) = place {
            sequences.remove(place);
        } else {
            sequences.reserve_exact(SENDERS - sequences.len());
        }
        sequences.insert(0, (source, sequence));
    }
}

/// So many senders of Authentication Headers are known.
const SENDERS: usize = 4;

/// Why an advert was not believed. Each has a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Discard {
    /// RX-1: header or lengths do not add up.
    Malformed,
    /// RX-2: TTL or hop limit is not 255, so it may come from another network.
    HopLimit,
    /// RX-3: not the version configured here.
    Version,
    /// RX-4: not an advertisement.
    Type,
    /// RX-5: shorter than its address count says.
    Truncated,
    /// RX-6: longer than its address count says, and the rest is neither padding nor a known trailer.
    TrailingBytes,
    /// RX-7: the checksum is wrong.
    Checksum,
    /// RX-8: no such VRID on this interface in this family.
    Vrid,
    /// RX-9: we are the owner and ignore adverts.
    OwnerIgnores,
    /// RX-10: an interval of zero.
    IntervalZero,
    /// RX-11: no address is listed.
    NoAddresses,
    /// RX-12: an authentication type that does not exist.
    AuthenticationUnknown,
    /// RX-12: another authentication type than ours.
    AuthenticationType,
    /// RX-12: the password or the signature is wrong.
    AuthenticationFailed,
    /// AUTH-9, AUTH-17: a sequence number that was used before.
    Replay,
    /// AUTH-16: it is not signed.
    SignatureMissing,
    /// AUTH-16: it is signed with a key that is not configured here.
    KeyUnknown,
    /// AUTH-16: its signature is wrong.
    SignatureWrong,
    /// AUTH-17: it was signed at another time.
    Stale,
    /// RX-13: version 2, another interval than ours.
    Interval,
    /// RX-14: another list of addresses than ours, in strict mode.
    AddressList,
    /// RX-17: from our own address.
    OwnSource,
    /// RX-18: not sent to where adverts for this router are sent.
    Destination,
    /// UNI-1: from a router that is not a listed peer.
    UnlistedPeer,
}

impl Discard {
    /// All of them, in the order of the checks.
    pub const ALL: [Self; 24] = [
        Self::Malformed,
        Self::HopLimit,
        Self::Version,
        Self::Type,
        Self::Truncated,
        Self::TrailingBytes,
        Self::Checksum,
        Self::Vrid,
        Self::OwnerIgnores,
        Self::IntervalZero,
        Self::NoAddresses,
        Self::AuthenticationUnknown,
        Self::AuthenticationType,
        Self::AuthenticationFailed,
        Self::Replay,
        Self::SignatureMissing,
        Self::KeyUnknown,
        Self::SignatureWrong,
        Self::Stale,
        Self::Interval,
        Self::AddressList,
        Self::OwnSource,
        Self::Destination,
        Self::UnlistedPeer,
    ];

    /// Its place in [`Discard::ALL`], for tables of counters.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name of its counter, spelt as RFC 8347 does where it has one.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed-pkts-rcvd",
            Self::HopLimit => "ip-ttl-errors",
            Self::Version => "version-errors",
            Self::Type => "invalid-type-pkts-rcvd",
            Self::Truncated => "packet-length-errors",
            Self::TrailingBytes => "trailing-bytes-errors",
            Self::Checksum => "checksum-errors",
            Self::Vrid => "vrid-errors",
            Self::OwnerIgnores => "owner-ignored-pkts",
            Self::IntervalZero => "interval-zero-errors",
            Self::NoAddresses => "address-count-errors",
            Self::AuthenticationUnknown => "invalid-auth-type",
            Self::AuthenticationType => "auth-type-mismatch",
            Self::AuthenticationFailed => "auth-failures",
            Self::Replay => "auth-replays",
            Self::SignatureMissing => "auth-hmac-missing",
            Self::KeyUnknown => "auth-hmac-unknown-key",
            Self::SignatureWrong => "auth-hmac-invalid",
            Self::Stale => "auth-hmac-stale",
            Self::Interval => "interval-errors",
            Self::AddressList => "address-list-errors",
            Self::OwnSource => "own-source-pkts-rcvd",
            Self::Destination => "address-errors",
            Self::UnlistedPeer => "unlisted-peer-pkts-rcvd",
        }
    }
}

impl fmt::Display for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the IP packet is malformed",
            Self::HopLimit => "its TTL is not 255: it was routed, or made by hand",
            Self::Version => "it has another VRRP version",
            Self::Type => "it is not an advertisement",
            Self::Truncated => "it is shorter than its address count says",
            Self::TrailingBytes => "bytes that nobody knows follow the message",
            Self::Checksum => "its checksum is wrong",
            Self::Vrid => "its VRID is not configured on this interface",
            Self::OwnerIgnores => "this router owns the address and ignores adverts (owner_ignore_adverts)",
            Self::IntervalZero => "its interval is zero",
            Self::NoAddresses => "it lists no address",
            Self::AuthenticationUnknown => "its authentication type does not exist",
            Self::AuthenticationType => "its authentication type is not the one configured here",
            Self::AuthenticationFailed => "its password (auth_pass) is not ours",
            Self::Replay => "its sequence number was used before",
            Self::SignatureMissing => "it is not signed (auth_hmac)",
            Self::KeyUnknown => "it is signed with a key number that is not configured here (auth_hmac)",
            Self::SignatureWrong => "its signature is wrong (auth_hmac): another key has the number, or it was altered",
            Self::Stale => "it was signed at another time (auth_hmac): the clocks of the nodes differ, or it is a repetition",
            Self::Interval => "its interval (advert_int) is not ours; version 2 demands the same",
            Self::AddressList => "its address list is not ours",
            Self::OwnSource => "it comes from our own address: a loop, or a duplicate address",
            Self::Destination => "it was not sent to this router's group or address",
            Self::UnlistedPeer => "its sender is not a listed unicast_peer",
        })
    }
}

/// A believed advert and what was odd about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// For the state machine.
    pub advertisement: Advertisement,
    /// For counters and events.
    pub remarks: Remarks,
}

/// What was odd about an advert though it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remarks {
    /// RX-14: its address list is not ours.
    pub address_list_differs: bool,
    /// RX-15: version 3, its interval is not ours.
    pub interval_differs: bool,
    /// CK-5: which checksum it carried.
    pub sum: SumForm,
    /// Its stamp is about now by the wall clock alone: the sender would refuse the stamps of this router (AUTH-18).
    pub confirms_wall_clock: bool,
}

/// The checksum that an advert carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SumForm {
    /// Over the message alone.
    Message,
    /// With the pseudo-header.
    PseudoHeader,
}

/// Checks an advert for a virtual router that is configured; first failure wins.
///
/// # Errors
/// The first check that failed.
pub fn admit(
    seen: &mut Seen,
    policy: &Policy<'_>,
    at: Instant,
    ingress: &Ingress<'_>,
) -> Result<Admitted, Discard> {
    check_hop_limit(policy, ingress)?;
    let message = Message::new(ingress.payload).ok_or(Discard::Truncated)?;
    if version_of(&message) != Some(policy.version) {
        return Err(Discard::Version); // RX-3
    }
    let (body, sum) = check_form(&message, ingress)?;
    if policy.owner_ignores {
        return Err(Discard::OwnerIgnores); // RX-9
    }
    let interval = match policy.version {
        Version::V3 => Interval::from_centis(message.centiseconds()).ok_or(Discard::IntervalZero)?, // RX-10
        Version::V2 => policy.interval,
    };
    if body.addresses.is_empty() {
        return Err(Discard::NoAddresses); // RX-11
    }
    let proof = check_authentication(seen, policy, &message, &body, ingress)?; // RX-12
    if policy.version == Version::V2 && Interval::from_secs(message.seconds()) != Some(policy.interval) {
        return Err(Discard::Interval); // RX-13
    }
    let address_list_differs = policy.trusted != Some(ingress.source) && !same_set(&body, policy.addresses);
    // RFC 3768 section 7.1 keeps what an owner says, whatever it lists.
    let owner_of_v2 = policy.version == Version::V2 && message.priority().is_owner();
    if address_list_differs && policy.strict && !owner_of_v2 {
        return Err(Discard::AddressList); // RX-14
    }
    if ingress.source == policy.own {
        return Err(Discard::OwnSource); // RX-17
    }
    check_destination(policy, ingress)?; // RX-18, UNI-1
    match proof {
        Proof::None => {}
        Proof::Sequence(sequence) => seen.remember(ingress.source, sequence),
        Proof::Stamp(stamp, _) => seen.senders().stamps.remember(ingress.source, stamp),
    }
    let confirms_wall_clock = matches!(proof, Proof::Stamp(_, Freshness::Wall));
    let advertisement = Advertisement { source: ingress.source, priority: message.priority(), interval, at };
    let interval_differs = policy.version == Version::V3 && interval != policy.interval; // RX-15
    Ok(Admitted {
        advertisement,
        remarks: Remarks { address_list_differs, interval_differs, sum, confirms_wall_clock },
    })
}

/// Names what is wrong with an advert for a VRID that nobody configured: the general checks, then RX-8.
#[must_use]
pub fn admit_stray(ingress: &Ingress<'_>) -> Discard {
    if ingress.destination.is_multicast() && ingress.hop_limit.is_some_and(|limit| limit != wire::HOP_LIMIT) {
        return Discard::HopLimit;
    }
    let Some(message) = Message::new(ingress.payload) else { return Discard::Truncated };
    if version_of(&message).is_none() {
        return Discard::Version;
    }
    check_form(&message, ingress).err().unwrap_or(Discard::Vrid)
}

fn version_of(message: &Message<'_>) -> Option<Version> {
    match message.version() {
        2 => Some(Version::V2),
        3 => Some(Version::V3),
        _ => None,
    }
}

/// RX-2 for multicast; for unicast the bounds of the peer, if it has some (UNI-2).
fn check_hop_limit(policy: &Policy<'_>, ingress: &Ingress<'_>) -> Result<(), Discard> {
    let within = match (policy.expected, ingress.hop_limit) {
        // Unknown is not 255: a socket that does not tell must not open the door.
        (Expected::Group(_), limit) => limit == Some(wire::HOP_LIMIT),
        (Expected::Unicast { .. }, None) => true,
        (Expected::Unicast { peers, .. }, Some(limit)) => {
            peers.iter().find(|p| p.address == ingress.source).is_none_or(|peer| {
                peer.min_ttl.is_none_or(|least| limit >= least)
                    && peer.max_ttl.is_none_or(|most| limit <= most)
            })
        }
    };
    if within { Ok(()) } else { Err(Discard::HopLimit) }
}

/// RX-4 to RX-7: what can be said without knowing the virtual router.
fn check_form<'a>(message: &Message<'a>, ingress: &Ingress<'a>) -> Result<(Body<'a>, SumForm), Discard> {
    if message.kind() != 1 {
        return Err(Discard::Type);
    }
    let body = message.body(ingress.family()).map_err(|_| Discard::Truncated)?;
    if !is_known_tail(body.tail) {
        return Err(Discard::TrailingBytes);
    }
    let pseudo = Sum::PseudoHeader { source: ingress.source, destination: ingress.destination };
    let form = match (ingress.family(), message.version()) {
        (Family::V4, 2) => checksum::verifies(body.message, Sum::Message).then_some(SumForm::Message), // CK-1
        // CK-5: both forms are about; what deployed routers send is tried first.
        (Family::V4, _) if checksum::verifies(body.message, pseudo) => Some(SumForm::PseudoHeader),
        (Family::V4, _) => checksum::verifies(body.message, Sum::Message).then_some(SumForm::Message),
        // CK-2: over IPv6 the sum covers the whole payload.
        (Family::V6, _) => checksum::verifies(ingress.payload, pseudo).then_some(SumForm::PseudoHeader),
    };
    form.map(|form| (body, form)).ok_or(Discard::Checksum)
}

/// RX-6: nothing, Ethernet padding, or keepalived's `auth_hmac` trailer.
fn is_known_tail(tail: &[u8]) -> bool {
    const PADDING_LIMIT: usize = 46;
    const HMAC_TRAILER: usize = 28;
    let padding = tail.len() < PADDING_LIMIT && tail.iter().all(|byte| *byte == 0);
    let trailer = tail.len() == HMAC_TRAILER && matches!(tail, [1, _, 0, 0, ..]);
    padding || trailer
}

/// What is to be remembered once everything else is right.
#[derive(Clone, Copy)]
enum Proof {
    None,
    /// Of an Authentication Header.
    Sequence(u32),
    /// Of a signed trailer.
    Stamp(Stamp, Freshness),
}

/// RX-12, AUTH-1 to AUTH-17.
fn check_authentication(
    seen: &Seen,
    policy: &Policy<'_>,
    message: &Message<'_>,
    body: &Body<'_>,
    ingress: &Ingress<'_>,
) -> Result<Proof, Discard> {
    if policy.version == Version::V3 {
        return match policy.authentication {
            _ if ingress.sealed.is_some() => Err(Discard::AuthenticationType),
            Authentication::Keyed(ring) => check_trailer(seen, policy, ring, body, ingress),
            Authentication::None | Authentication::Password(_) | Authentication::Header(_) => Ok(Proof::None),
        };
    }
    if message.auth_type() > 2 {
        return Err(Discard::AuthenticationUnknown);
    }
    match (policy.authentication, message.auth_type(), &ingress.sealed) {
        (Authentication::None, 0, None) => Ok(Proof::None),
        (Authentication::Keyed(ring), 0, None) => check_trailer(seen, policy, ring, body, ingress),
        (Authentication::Password(ours), 1, None) => match body.auth_data {
            Some(data) if ours.accepts(data) => Ok(Proof::None),
            Some(_) | None => Err(Discard::AuthenticationFailed),
        },
        (Authentication::Header(key), 2, Some(packet)) => {
            let header = ah::parse(packet.payload).map_err(|_| Discard::Malformed)?;
            // AUTH-8: keepalived hashes the TTL of multicast adverts; the RFC does not. Believe both.
            let genuine =
                ah::verify(key, packet, ah::Form::Keepalived) || ah::verify(key, packet, ah::Form::Rfc2402);
            if !genuine || header.spi != spi_of(ingress.source) {
                return Err(Discard::AuthenticationFailed);
            }
            if seen.is_replay(ingress.source, header.sequence) {
                return Err(Discard::Replay);
            }
            Ok(Proof::Sequence(header.sequence))
        }
        (
            Authentication::None
            | Authentication::Password(_)
            | Authentication::Header(_)
            | Authentication::Keyed(_),
            _,
            _,
        ) => Err(Discard::AuthenticationType), // AUTH-11, AUTH-12
    }
}

/// AUTH-16, AUTH-17: the signature first, so that only what is genuine says anything about clocks.
fn check_trailer(
    seen: &Seen,
    policy: &Policy<'_>,
    ring: &Keyring,
    body: &Body<'_>,
    ingress: &Ingress<'_>,
) -> Result<Proof, Discard> {
    let Some(trailer) = Trailer::read(body.tail) else {
        // Nothing, or padding: anything else was refused.
        return if ring.mode == Mode::Enforce { Err(Discard::SignatureMissing) } else { Ok(Proof::None) };
    };
    let key = ring.key(trailer.key_id).ok_or(Discard::KeyUnknown)?;
    if !trailer.verifies(key, ingress.source, body.message) {
        return Err(Discard::SignatureWrong);
    }
    let last = seen.last(ingress.source);
    let is_new = |last: &Stamp| trailer.stamp.is_after(*last);
    if ring.replay == Replay::Monotonic {
        return match last.is_none_or(|last| is_new(&last)) {
            true => Ok(Proof::Stamp(trailer.stamp, Freshness::Kept)),
            false => Err(Discard::Replay),
        };
    }
    let window = ring.window_at(policy.interval);
    let freshness = policy.clocks.freshness(trailer.stamp, window).ok_or(Discard::Stale)?;
    let now = match freshness {
        Freshness::Kept => policy.clocks.kept,
        Freshness::Wall => policy.clocks.wall,
    };
    // A last stamp far ahead of that clock is of the time before the sender's clock was put right. As long as it is fresh by
    // the clock that this router goes by, it counts all the same: else whoever sets this machine's wall clock back could
    // have recordings believed. A sender whose clock went back in truth is heard when the window has passed.
    let is_recent = |last: &Stamp| last.distance(policy.clocks.kept) <= window;
    let counts = last.filter(|last| !last.is_after(now) || last.distance(now) <= window || is_recent(last));
    if counts.is_none_or(|last| is_new(&last)) {
        Ok(Proof::Stamp(trailer.stamp, freshness))
    } else {
        Err(Discard::Replay)
    }
}

/// AUTH-9: the Security Parameters Index that keepalived uses: the IPv4 source address.
fn spi_of(source: IpAddr) -> u32 {
    match source {
        IpAddr::V4(v4) => v4.to_bits(),
        IpAddr::V6(_) => 0,
    }
}

/// Whether the advert lists exactly `ours` (sorted), in any order (WIRE-9). Allocates nothing.
fn same_set(body: &Body<'_>, ours: &[IpAddr]) -> bool {
    body.addresses.len() == ours.len()
        && (body.addresses.iter().eq(ours.iter().copied())
            || (body.addresses.iter().all(|theirs| ours.binary_search(&theirs).is_ok())
                && ours.iter().all(|own| body.addresses.iter().any(|theirs| theirs == *own))))
}

fn check_destination(policy: &Policy<'_>, ingress: &Ingress<'_>) -> Result<(), Discard> {
    match policy.expected {
        Expected::Group(group) if ingress.destination == group => Ok(()),
        // UNI-3: a multicast advert is not for a unicast router, nor the reverse.
        Expected::Unicast { .. } if ingress.destination.is_multicast() => Err(Discard::Destination),
        Expected::Unicast { peers, only_peers }
            if !only_peers || peers.iter().any(|peer| peer.address == ingress.source) =>
        {
            Ok(())
        }
        Expected::Unicast { .. } => Err(Discard::UnlistedPeer),
        Expected::Group(_) => Err(Discard::Destination),
    }
}
