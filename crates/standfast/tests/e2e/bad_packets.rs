//! Packets that no honest router sends, many of them: the daemon stays as it is, counts them by their reason, and
//! does not fill the disk with what it has to say about them.

use std::net::IpAddr;
use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, fail};
use lab::{Capture, Lab, Machine, Signal};
use wire::checksum::Sum;
use wire::frame::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, header};
use wire::message::{Auth, Outgoing};
use wire::{Interval, Mac, Priority, Version, Vrid, ipv4, ipv6};

use crate::conf::{Flavour, LB01, LB02, ip};
use crate::figures;
use crate::pair::{self, Kind, Running, SOON};
use crate::see::{self, adverts};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("bad_packets::version_2_with_a_password", || flood(Flavour::V2Pass)),
        Test::new("bad_packets::version_2_inside_an_authentication_header", || flood(Flavour::V2Ah)),
        Test::new("bad_packets::version_3", || flood(Flavour::V3)),
        Test::new("bad_packets::version_3_over_ipv6", || flood(Flavour::V3Ipv6)),
        Test::new("bad_packets::strangers_are_no_unicast_peers", strangers),
        Test::new("bad_packets::another_interface_is_another_network", other_interface),
        Test::new("bad_packets::the_statistics_name_each_reason", statistics),
    ]
}

/// How often each forgery is sent.
const TIMES: usize = 40;
/// How many lines a flood may add to a log.
const LINES: usize = 60;

/// A packet that claims to be an advert; as it stands, one that would win.
#[derive(Clone, Debug)]
struct Forged {
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    version: Version,
    vrid: u8,
    seconds: u8,
    auth: Auth,
    /// Changes the finished message.
    spoil: fn(&mut Vec<u8>),
}

impl Forged {
    fn new(flavour: Flavour) -> Self {
        Self {
            source: if flavour.is_ipv6() { ip("fe80::aff:fe00:9") } else { ip("10.0.0.9") },
            destination: if flavour.is_ipv6() { ip("ff02::12") } else { ip("224.0.0.18") },
            ttl: 255,
            version: if flavour.version() == 2 { Version::V2 } else { Version::V3 },
            vrid: 50,
            seconds: 1,
            auth: if flavour == Flavour::V2Pass { Auth::Pass(*b"1111\0\0\0\0") } else { Auth::None },
            spoil: |_| {},
        }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut forged = self.clone();
        change(&mut forged);
        forged
    }

    fn message(&self) -> Result<Vec<u8>, Stop> {
        let addresses =
            if self.source.is_ipv6() { vec![ip("fe80::3"), ip("fd00:10::3")] } else { vec![ip("10.0.0.3")] };
        let outgoing = Outgoing {
            version: self.version,
            vrid: Vrid::new(self.vrid).ok_or_else(|| fail("VRID 0"))?,
            priority: Priority(254),
            interval: Interval::from_secs(self.seconds).ok_or_else(|| fail("no interval"))?,
            addresses: &addresses,
            auth: self.auth,
        };
        let mut message = Vec::new();
        let sum = Sum::PseudoHeader { source: self.source, destination: self.destination };
        outgoing.emit(sum, &mut message).map_err(|why| fail(format!("{why:?}")))?;
        (self.spoil)(&mut message);
        Ok(message)
    }

    fn frame(&self, from: &Machine, to: Mac) -> Result<Vec<u8>, Stop> {
        let message = self.message()?;
        Ok(packet(from.mac("eth0")?, to, self.source, self.destination, self.ttl, &message))
    }
}

/// A frame with an advert of VRID 50 that would win, from the client.
pub(crate) fn stranger(flavour: Flavour, client: &Machine) -> Result<Vec<u8>, Stop> {
    Forged::new(flavour).frame(client, group(flavour)?)
}

/// A frame with any bytes as the IP payload.
fn packet(from: Mac, to: Mac, source: IpAddr, destination: IpAddr, ttl: u8, payload: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut frame = header(to, from, ETHERTYPE_IPV4).to_vec();
            let ip = ipv4::Header {
                source,
                destination,
                protocol: wire::PROTOCOL_VRRP,
                ttl,
                traffic_class: wire::TRAFFIC_CLASS,
                identification: 1,
            };
            ip.emit(payload.len(), &mut frame);
            frame.extend(payload);
            frame
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut frame = header(to, from, ETHERTYPE_IPV6).to_vec();
            let ip = ipv6::Header {
                source,
                destination,
                next_header: wire::PROTOCOL_VRRP,
                hop_limit: ttl,
                traffic_class: wire::TRAFFIC_CLASS,
            };
            ip.emit(payload.len(), &mut frame);
            frame.extend(payload);
            frame
        }
        _ => Vec::new(),
    }
}

/// Numbers that look random and are the same every time.
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.to_be_bytes()[0]
    }
}

/// Everything that must not be believed.
fn forgeries(flavour: Flavour) -> Vec<(&'static str, Forged)> {
    let good = Forged::new(flavour);
    let own = if flavour.is_ipv6() { ip("fe80::aff:fe00:5") } else { ip("10.0.0.5") };
    let other = if flavour.version() == 2 { Version::V3 } else { Version::V2 };
    let mut all = vec![
        ("another VRID", good.with(|f| f.vrid = 51)),
        ("a router away", good.with(|f| f.ttl = 254)),
        ("our own, looped", good.with(|f| f.source = own)),
        ("a wrong checksum", good.with(|f| f.spoil = |m| m[6] ^= 0x55)),
        ("another type", good.with(|f| f.spoil = |m| m[0] = m[0] & 0xf0 | 2)),
        ("a version that does not exist", good.with(|f| f.spoil = |m| m[0] = 0x41)),
        ("more addresses than it has", good.with(|f| f.spoil = |m| m[3] = 200)),
        ("nothing but a byte", good.with(|f| f.spoil = |m| m.truncate(1))),
        ("half a message", good.with(|f| f.spoil = |m| m.truncate(11))),
        ("nothing at all", good.with(|f| f.spoil = Vec::clear)),
    ];
    if !flavour.is_ipv6() {
        all.push(("another version", good.with(|f| (f.version, f.auth) = (other, Auth::None))));
    }
    match flavour {
        Flavour::V2Pass => {
            all.push(("a wrong password", good.with(|f| f.auth = Auth::Pass(*b"2222\0\0\0\0"))));
            all.push(("no password", good.with(|f| f.auth = Auth::None)));
            all.push(("another interval", good.with(|f| f.seconds = 2)));
        }
        Flavour::V2Ah => all.push(("no header", good)),
        Flavour::V2 | Flavour::V2Unicast | Flavour::V3 | Flavour::V3Ipv6 | Flavour::V3Unicast => {}
    }
    all
}

fn group(flavour: Flavour) -> Result<Mac, Stop> {
    let address = if flavour.is_ipv6() { ip("ff02::12") } else { ip("224.0.0.18") };
    Mac::multicast(address).ok_or_else(|| fail("no group"))
}

fn flood(flavour: Flavour) -> Outcome {
    let lab = pair::three()?;
    let client = lab.machine("client")?;
    let capture = Capture::start(lab.machine(LB02)?, "eth0")?;
    let nodes = pair::nodes(&lab, [Kind::Standfast; 2], |name| flavour.instance(name).file())?;
    let running = pair::settle(&nodes)?;
    lab.machine(LB01)?.wait_until_holds(flavour.service(), true, SOON)?;
    let lines: Vec<usize> = running.iter().map(|daemon| daemon.lines().mark()).collect();
    let (mark, to) = (capture.tape().mark(), group(flavour)?);
    let mut sent = 0;
    for (what, forged) in forgeries(flavour) {
        let frame = forged.frame(client, to)?;
        for _ in 0..TIMES {
            client.send_frame("eth0", &frame).map_err(|why| fail(format!("{what}: {why}")))?;
            sent += 1;
        }
    }
    sent += noise(client, flavour, to)?;
    // Both had to read all of it before they read this.
    let own = if flavour.is_ipv6() { ip("fe80::aff:fe00:5") } else { ip("10.0.0.5") };
    see::wait_for_adverts(&capture, own, 3, SOON)?;
    let all = adverts(&capture.tape().from_mark(mark));
    let times: Vec<_> = all.iter().filter(|a| a.source == own && a.priority == 150).map(|a| a.at).collect();
    assert!(see::widest(&times) < Duration::from_millis(1500), "{:?}", see::widest(&times));
    for (daemon, mark) in running.iter().zip(&lines) {
        let said = daemon.lines().from_mark(*mark);
        assert!(!said.iter().any(|line| line.text.contains("Entering")), "{said:?}");
        assert!(said.iter().any(|line| line.text.contains("ignored an advert")), "{said:?}");
        assert!(said.len() <= LINES, "{} lines about {sent} packets: {said:?}", said.len());
        figures::note(format_args!("log lines about {sent} bad packets, {flavour:?}"), said.len());
    }
    assert!(lab.machine(LB01)?.holds(flavour.service())? && !lab.machine(LB02)?.holds(flavour.service())?);
    for daemon in &running {
        daemon.stop()?;
    }
    Ok(())
}

/// Bytes without sense, as VRRP and as frames.
fn noise(client: &Machine, flavour: Flavour, to: Mac) -> Result<usize, Stop> {
    let mut noise = Noise(flavour.service().to_string().len() as u64);
    let good = Forged::new(flavour);
    for n in 0..400_usize {
        let mut payload: Vec<u8> = (0..n % 64).map(|_| noise.byte()).collect();
        // Every other one gets past the first checks.
        if n % 2 == 0 && payload.len() > 2 {
            payload[0] = flavour.version() << 4 | 1;
            payload[1] = 50;
        }
        let mut frame = packet(client.mac("eth0")?, to, good.source, good.destination, 255, &payload);
        if n % 5 == 0 {
            // Damage the IP header as well.
            let at = 14 + usize::from(noise.byte()) % 20;
            frame[at] ^= noise.byte() | 1;
        }
        client.send_frame("eth0", &frame)?;
    }
    Ok(400)
}

/// The statistics of a running daemon.
fn dumped(node: &pair::Node, running: &Running) -> Result<String, Stop> {
    let mark = running.lines().mark();
    running.signal(Signal::USR2)?;
    running.wait_for_line_from(mark, "keepalived.stats", SOON)?;
    Ok(node.machine.read(node.dumps().join("keepalived.stats"))?)
}

/// The number behind a title in the statistics.
fn number(text: &str, after: &str, title: &str) -> usize {
    let rest = text.split_once(after).map_or(text, |(_, rest)| rest);
    let line = rest.lines().find(|line| line.trim_start().starts_with(title));
    line.and_then(|line| line.rsplit(' ').next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn statistics() -> Outcome {
    let lab = pair::alone()?;
    let client = lab.machine("client")?;
    let node = pair::Node::ours(lab.machine(LB01)?, Flavour::V2Pass.instance(LB01).file())?;
    let running = node.start_active()?;
    let (good, to) = (Forged::new(Flavour::V2Pass), group(Flavour::V2Pass)?);
    let wrong = [
        ("Packet Errors", "TTL", good.with(|f| f.ttl = 254)),
        ("Packet Errors", "Length", good.with(|f| f.spoil = |m| m.truncate(11))),
        ("Packet Errors", "Invalid Type", good.with(|f| f.spoil = |m| m[0] = 0x22)),
        ("Packet Errors", "Advertisement Interval", good.with(|f| f.seconds = 2)),
        ("Authentication Errors", "Type Mismatch", good.with(|f| f.auth = Auth::None)),
        ("Authentication Errors", "Failure", good.with(|f| f.auth = Auth::Pass(*b"2222\0\0\0\0"))),
    ];
    for (n, (_, _, forged)) in wrong.iter().enumerate() {
        for _ in 0..=n {
            client.send_frame("eth0", &forged.frame(client, to)?)?;
        }
    }
    let deadline = lab::Deadline::from(SOON);
    let mut text = dumped(&node, &running)?;
    while number(&text, "Authentication Errors", "Failure") < wrong.len() && !deadline.is_past() {
        text = dumped(&node, &running)?;
    }
    for (n, (block, title, _)) in wrong.iter().enumerate() {
        assert_eq!(number(&text, block, title), n + 1, "{title}: {text}");
    }
    assert_eq!(number(&text, "Advertisements", "Received"), 0, "{text}");
    Ok(())
}

fn strangers() -> Outcome {
    let lab = pair::three()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let conf = Flavour::V3Unicast.instance(LB01).line("check_unicast_src").file();
    let node = pair::Node::ours(lb01, conf)?;
    let running = node.start_active()?;
    let capture = Capture::start(lab.machine(LB02)?, "eth0")?;
    let stranger = Forged::new(Flavour::V3).with(|f| f.destination = ip("10.0.0.5"));
    for _ in 0..TIMES {
        client.send_frame("eth0", &stranger.frame(client, lb01.mac("eth0")?)?)?;
    }
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 2, SOON)?;
    assert_eq!(running.count("Entering"), 2, "{}", running.log());
    running.wait_for_line("ignored an advert from 10.0.0.9", SOON)?;
    running.stop()
}

/// A second network on lb01, where somebody uses the same VRID.
fn other_interface() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    {
        let mut netlink = lb01.netlink();
        netlink.create_veth("other0", "other1", None)?;
        netlink.set_up("other0", true)?;
        netlink.set_up("other1", true)?;
    }
    lb01.add_address("other0", "10.7.0.5/24".parse()?)?;
    let running = pair::Node::ours(lb01, Flavour::V2Pass.instance(LB01).file())?.start_active()?;
    let capture = Capture::start(client, "eth0")?;
    let frame = Forged::new(Flavour::V2Pass)
        .with(|f| f.source = ip("10.7.0.9"))
        .frame(client, group(Flavour::V2Pass)?)?;
    for _ in 0..TIMES {
        lb01.send_frame("other1", &frame)?;
    }
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 2, SOON)?;
    assert_eq!(running.count("Entering"), 2, "{}", running.log());
    check_alive(&lab, &running)
}

fn check_alive(lab: &Lab, running: &Running) -> Outcome {
    assert!(lab.machine(LB01)?.holds(ip("10.0.0.3"))?);
    running.stop()
}
