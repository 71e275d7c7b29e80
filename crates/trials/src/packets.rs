//! Any bytes as a datagram: one answer with a name, and nothing is believed that a second, simpler look at the bytes
//! does not find believable too.

use arbitrary::{Result, Unstructured};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use timeline::Instant;
use vrrp::{
    Admitted, Authentication, Clocks, Discard, Expected, Ingress, Keyring, Mode, Peer, Policy, Replay, Seen,
    SumForm, admit, admit_stray,
};
use wire::checksum::Sum;
use wire::message::{Auth, Message, Outgoing};
use wire::trailer::{self, Key, Stamp};
use wire::{Family, Interval, Version, Vrid, ah};

const NOW: Instant = Instant::from_nanos(1_000_000_000_000);
/// "1111", zero-filled, as everybody's tutorial has it.
const PASSWORD: [u8; 8] = *b"1111\0\0\0\0";
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));
const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 6));
const SOURCE_6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const OWN_6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 3);
const LISTED: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))];
const LISTED_6: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
];
const PEERS: [Peer; 2] = [
    Peer { address: SOURCE, min_ttl: Some(200), max_ttl: Some(254) },
    Peer { address: IpAddr::V6(SOURCE_6), min_ttl: None, max_ttl: Some(64) },
];

/// A datagram as it comes from a socket.
struct Datagram {
    /// IPv4: from the IP header on. IPv6: the payload.
    bytes: Vec<u8>,
    /// IPv6: what the kernel said of the header.
    header: Option<(Ipv6Addr, Ipv6Addr, Option<u8>)>,
}

impl Datagram {
    fn read(&self) -> Result<Ingress<'_>, Discard> {
        match self.header {
            None => Ingress::v4(&self.bytes),
            Some((source, destination, hop_limit)) => {
                Ok(Ingress::v6(source, destination, hop_limit, &self.bytes))
            }
        }
    }
}

/// Judges a datagram under a policy that the first bytes choose.
///
/// # Panics
/// When a rule is broken.
pub fn check(bytes: &[u8]) {
    // Too few bytes to choose with choose the first of everything, so there is no error.
    let _ = choose(Unstructured::new(bytes));
}

fn choose(mut u: Unstructured<'_>) -> Result<()> {
    let [flags, rules, interval, helping] = u.arbitrary::<[u8; 4]>()?;
    let six = flags & 1 != 0;
    let version = if flags & 2 == 0 { Version::V2 } else { Version::V3 };
    let unicast = flags & 4 != 0;
    let authentication = match flags >> 3 & 3 {
        0 => Authentication::None,
        3 => Authentication::Keyed(ring().into()),
        1 => Authentication::Password(Auth::Pass(PASSWORD)),
        _ => Authentication::Header(ah::Key::new(PASSWORD)),
    };
    let group = if six { IpAddr::V6(wire::GROUP_V6) } else { IpAddr::V4(wire::GROUP_V4) };
    let own = if six { IpAddr::V6(OWN_6) } else { OWN };
    let policy = Policy {
        version,
        interval: Interval::from_secs(interval.clamp(1, 40)).unwrap_or(Interval::SECOND),
        authentication: &authentication,
        clocks: Clocks { wall: Stamp(1 << 40), kept: Stamp(1 << 41) },
        owner_ignores: rules & 0xe0 == 0xe0,
        expected: if unicast {
            Expected::Unicast { peers: &PEERS, only_peers: rules & 1 != 0 }
        } else {
            Expected::Group(group)
        },
        own,
        addresses: if six { &LISTED_6 } else { &LISTED },
        strict: rules & 2 != 0,
        trusted: (rules & 4 != 0).then_some(SOURCE),
    };
    let header = if six {
        let source = if rules & 8 == 0 { SOURCE_6 } else { u.arbitrary::<[u8; 16]>()?.into() };
        let destination = if rules & 16 == 0 { wire::GROUP_V6 } else { OWN_6 };
        let limit = u.arbitrary::<u8>()?;
        Some((source, destination, (limit != 0).then_some(limit)))
    } else {
        None
    };
    let mut datagram = Datagram { bytes: u.take_rest().to_vec(), header };
    help(&mut datagram, helping, policy.own);
    judge(&policy, &datagram);
    Ok(())
}

/// Sums and signatures that no fuzzer guesses, written over what it made.
fn help(datagram: &mut Datagram, helping: u8, own: IpAddr) {
    let start = if datagram.header.is_some() { Some(0) } else { naive::payload(&datagram.bytes) };
    let Some(start) = start else { return };
    if helping & 8 != 0
        && datagram.header.is_none()
        && let (IpAddr::V4(own), Some(to)) = (own, datagram.bytes.get_mut(16..20))
    {
        to.copy_from_slice(&own.octets());
    }
    if helping & 1 != 0 {
        let pseudo = helping & 2 != 0;
        if let Some(sum) = naive::checksum(datagram, start, pseudo)
            && let Some(field) = datagram.bytes.get_mut(start + 6..start + 8)
        {
            field.copy_from_slice(&sum.to_be_bytes());
        }
    }
    if helping & 16 != 0 {
        let source = datagram.read().map_or(SOURCE, |ingress| ingress.source);
        let whole = datagram.header.map(|(source, destination, _)| Sum::PseudoHeader {
            source: source.into(),
            destination: destination.into(),
        });
        let stamp = Stamp(u64::from(helping));
        if let (Some((1, key)), Some(payload)) = (ring().keys.first(), datagram.bytes.get_mut(start..)) {
            // What is too short cannot be signed, and is judged as it is.
            let _ = trailer::seal(key, 1, stamp, source, payload, whole);
        }
    }
    if helping & 4 != 0 {
        let form = if helping & 2 != 0 { ah::Form::Rfc2402 } else { ah::Form::Keepalived };
        let key = ah::Key::new(PASSWORD);
        // What has no such header cannot be sealed, and is judged as it is.
        let _ = ah::seal(&key, &mut datagram.bytes, u32::from(helping), form);
    }
}

fn ring() -> Keyring {
    let key = Key::new(&[b'k'; 32]).unwrap_or_else(|| unreachable!("32 bytes are enough"));
    Keyring {
        keys: vec![(1, key)],
        active: 1,
        window: None,
        replay: Replay::Monotonic,
        mode: Mode::Permissive,
    }
}

fn judge(policy: &Policy<'_>, datagram: &Datagram) {
    let ingress = match datagram.read() {
        Ok(ingress) => ingress,
        Err(why) => {
            named(why);
            assert_eq!(why, Discard::Malformed);
            return;
        }
    };
    let _ = (ingress.heard(), ingress.vrid(), ingress.addresses());
    named(admit_stray(&ingress));
    let mut seen = Seen::default();
    match admit(&mut seen, policy, NOW, &ingress) {
        Err(why) => {
            named(why);
            assert_eq!(seen, Seen::default(), "what is not believed is not remembered");
            refused(policy, datagram, &ingress, why);
        }
        Ok(admitted) => {
            naive::believable(policy, datagram, &ingress);
            means_the_same(policy, &ingress, &admitted);
            let again = admit(&mut seen, policy, NOW, &ingress);
            if seen == Seen::default() {
                assert_eq!(again, Ok(admitted));
            } else {
                assert_eq!(again, Err(Discard::Replay), "a signed advert is good for once");
            }
        }
    }
}

/// Each refusal can be counted and told.
fn named(why: Discard) {
    assert_eq!(Discard::ALL[why.index()], why);
    assert!(!why.name().is_empty() && !why.to_string().is_empty());
}

/// The reason is a true one.
fn refused(policy: &Policy<'_>, datagram: &Datagram, ingress: &Ingress<'_>, why: Discard) {
    let bytes = ingress.payload;
    let at = |at: usize| bytes.get(at).copied().unwrap_or(0);
    match why {
        Discard::Version => assert_ne!(at(0) >> 4, policy.version.number()),
        Discard::Type => assert_ne!(at(0) & 15, 1),
        Discard::NoAddresses => assert_eq!(at(3), 0),
        Discard::IntervalZero => assert_eq!((at(4) & 15, at(5)), (0, 0)),
        Discard::Interval => assert_ne!(u16::from(at(5)) * 100, policy.interval.centis()),
        Discard::OwnSource => assert_eq!(ingress.source, policy.own),
        Discard::OwnerIgnores => assert!(policy.owner_ignores),
        Discard::AddressList => assert!(policy.strict),
        Discard::Truncated => assert!(naive::message(ingress).is_none()),
        Discard::Checksum => assert!(!naive::sum_is_right(ingress)),
        Discard::HopLimit => assert!(
            ingress.hop_limit != Some(255) || matches!(policy.expected, Expected::Unicast { .. }),
            "{:?}",
            datagram.header
        ),
        Discard::Replay => panic!("nobody was heard before"),
        Discard::Malformed | Discard::TrailingBytes | Discard::Vrid | Discard::AuthenticationUnknown => {}
        Discard::AuthenticationType | Discard::AuthenticationFailed | Discard::Destination => {}
        Discard::SignatureMissing | Discard::KeyUnknown | Discard::SignatureWrong | Discard::Stale => {
            assert!(matches!(policy.authentication, Authentication::Keyed(_)));
        }
        Discard::UnlistedPeer => assert!(PEERS.iter().all(|peer| peer.address != ingress.source)),
    }
}

/// What was understood, written anew, is understood in the same way.
fn means_the_same(policy: &Policy<'_>, ingress: &Ingress<'_>, admitted: &Admitted) {
    let message = Message::new(ingress.payload).expect("it was read");
    let Some(vrid) = Vrid::new(message.vrid()) else { return };
    let addresses = ingress.addresses();
    let auth = match policy.authentication {
        // What it signed says nothing of what is written here, and the unsigned is believed too.
        Authentication::None | Authentication::Keyed(_) => Auth::None,
        Authentication::Password(auth) => *auth,
        Authentication::Header(_) => Auth::Ah,
    };
    let advert = Outgoing {
        version: policy.version,
        vrid,
        priority: admitted.advertisement.priority,
        interval: admitted.advertisement.interval,
        addresses: &addresses,
        auth: if policy.version == Version::V3 { Auth::None } else { auth },
    };
    let sum = match admitted.remarks.sum {
        SumForm::Message => Sum::Message,
        SumForm::PseudoHeader => {
            Sum::PseudoHeader { source: ingress.source, destination: ingress.destination }
        }
    };
    let mut bytes = Vec::new();
    // Version 2 over IPv6 does not exist, but a policy here may say so.
    if advert.emit(sum, &mut bytes).is_err() {
        assert!(ingress.family() == Family::V6 && policy.version == Version::V2);
        return;
    }
    if matches!(auth, Auth::Ah) && policy.version == Version::V2 {
        // Only the message: the header before it is the sender's.
        let again = Message::new(&bytes).expect("it was written");
        assert_eq!((again.vrid(), again.priority()), (message.vrid(), message.priority()));
        assert_eq!((again.interval(), again.auth_type()), (message.interval(), 2));
        return;
    }
    let datagram = match (ingress.source, ingress.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let (protocol, ttl) = (wire::PROTOCOL_VRRP, ingress.hop_limit.unwrap_or(255));
            let (traffic_class, identification) = (wire::TRAFFIC_CLASS, 0);
            let header =
                wire::ipv4::Header { source, destination, protocol, ttl, traffic_class, identification };
            let mut whole = Vec::new();
            header.emit(bytes.len(), &mut whole);
            whole.extend_from_slice(&bytes);
            Datagram { bytes: whole, header: None }
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Datagram { bytes, header: Some((source, destination, ingress.hop_limit)) }
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => panic!("one packet, one family"),
    };
    let again = datagram.read().expect("it was written");
    let answer = admit(&mut Seen::default(), policy, NOW, &again).expect("it was believed before");
    assert_eq!(answer.advertisement, admitted.advertisement);
    assert_eq!(again.addresses(), addresses);
    assert_eq!(answer.remarks.address_list_differs, admitted.remarks.address_list_differs);
    assert_eq!(answer.remarks.interval_differs, admitted.remarks.interval_differs);
}

/// The rules once more, straight from the bytes and without a line of the readers.
mod naive {
    use super::{Datagram, PASSWORD, PEERS};
    use std::net::IpAddr;
    use vrrp::{Authentication, Expected, Ingress, Policy};
    use wire::Version;

    /// Where the VRRP message begins in an IPv4 datagram.
    pub(super) fn payload(bytes: &[u8]) -> Option<usize> {
        let header = usize::from(bytes.first()? & 15) * 4;
        let sealed = *bytes.get(9)? == 51;
        Some(header + if sealed { 24 } else { 0 })
    }

    /// The bytes of the message without what follows it.
    pub(super) fn message<'a>(ingress: &Ingress<'a>) -> Option<&'a [u8]> {
        let bytes = ingress.payload;
        let each = if ingress.source.is_ipv4() { 4 } else { 16 };
        let tail = if bytes.first()? >> 4 == 2 { 8 } else { 0 };
        bytes.get(..8 + usize::from(*bytes.get(3)?) * each + tail)
    }

    fn sum(bytes: &[u8], mut sum: u64) -> u16 {
        for pair in bytes.chunks(2) {
            sum += u64::from(pair[0]) * 256 + u64::from(pair.get(1).copied().unwrap_or(0));
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap_or(0)
    }

    fn pseudo(source: IpAddr, destination: IpAddr, len: usize) -> u64 {
        let octets = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let both = [octets(source), octets(destination)].concat();
        u64::from(sum(&both, 0)) + 112 + u64::try_from(len).unwrap_or(0)
    }

    pub(super) fn sum_is_right(ingress: &Ingress<'_>) -> bool {
        let Some(message) = message(ingress) else { return false };
        let with =
            |bytes: &[u8]| sum(bytes, pseudo(ingress.source, ingress.destination, bytes.len())) == 0xffff;
        match (ingress.source, message[0] >> 4) {
            (IpAddr::V6(_), _) => with(ingress.payload),
            (IpAddr::V4(_), 2) => sum(message, 0) == 0xffff,
            (IpAddr::V4(_), _) => sum(message, 0) == 0xffff || with(message),
        }
    }

    /// The checksum that the message should have.
    pub(super) fn checksum(datagram: &Datagram, start: usize, with_pseudo: bool) -> Option<u16> {
        let ingress = datagram.read().ok()?;
        let mut bytes = if datagram.header.is_some() { ingress.payload } else { message(&ingress)? }.to_vec();
        bytes.get_mut(6..8)?.fill(0);
        let before = if with_pseudo || datagram.header.is_some() {
            pseudo(ingress.source, ingress.destination, bytes.len())
        } else {
            0
        };
        (datagram.bytes.len() >= start + 8).then(|| !sum(&bytes, before))
    }

    /// Whatever is believed keeps these.
    pub(super) fn believable(policy: &Policy<'_>, datagram: &Datagram, ingress: &Ingress<'_>) {
        let message = message(ingress).expect("whole");
        let limit = match datagram.header {
            None => Some(datagram.bytes[8]),
            Some((_, _, limit)) => limit,
        };
        let peer = PEERS.iter().find(|peer| peer.address == ingress.source);
        let listed = peer.is_some();
        match policy.expected {
            Expected::Group(group) => {
                assert_eq!(limit, Some(255));
                assert_eq!(ingress.destination, group);
            }
            Expected::Unicast { only_peers, .. } => {
                assert!(listed || !only_peers);
                if let (Some(peer), Some(limit)) = (peer, limit) {
                    assert!((peer.min_ttl.unwrap_or(0)..=peer.max_ttl.unwrap_or(255)).contains(&limit));
                }
                assert!(!ingress.destination.is_multicast());
            }
        }
        assert_eq!(message[0], policy.version.number() * 16 + 1);
        assert!(message[3] > 0);
        assert!(sum_is_right(ingress));
        assert!(!policy.owner_ignores);
        assert_ne!(ingress.source, policy.own);
        let tail = &ingress.payload[message.len()..];
        assert!(tail.len() < 46 && (tail.len() == 28 || tail.iter().all(|byte| *byte == 0)));
        match policy.version {
            Version::V2 => {
                assert_eq!(u16::from(message[5]) * 100, policy.interval.centis());
                let sealed = datagram.header.is_none() && datagram.bytes[9] == 51;
                match policy.authentication {
                    Authentication::None | Authentication::Keyed(_) => assert!(message[4] == 0 && !sealed),
                    Authentication::Password(_) => {
                        assert!(message[4] == 1 && !sealed);
                        assert_eq!(&message[message.len() - 8..], PASSWORD);
                    }
                    Authentication::Header(_) => assert!(message[4] == 2 && sealed),
                }
            }
            Version::V3 => assert_ne!((message[4] & 15, message[5]), (0, 0)),
        }
        let mut theirs = ingress.addresses();
        let count = theirs.len();
        theirs.sort_unstable();
        let same = count == policy.addresses.len() && {
            theirs.dedup();
            theirs == policy.addresses
        };
        let owner_of_v2 = policy.version == Version::V2 && message[2] == 255;
        assert!(same || !policy.strict || owner_of_v2 || policy.trusted == Some(ingress.source));
    }
}
