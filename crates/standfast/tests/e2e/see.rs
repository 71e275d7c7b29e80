//! What a capture tells: adverts, announcements, and what other programs say of them.

use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::harness::{Outcome, Stop, fail, program};
use lab::{Capture, Lab, Record};
use timeline::Instant;
use wire::Mac;
use wire::frame::{self, Seen};
use wire::ndp::Kind;

use crate::pair::SOON;

/// Waits for what can only be asked.
pub(crate) fn wait_until(what: &str, mut reached: impl FnMut() -> Result<bool, Stop>) -> Outcome {
    let deadline = lab::Deadline::from(SOON);
    while !reached()? {
        if deadline.is_past() {
            return Err(fail(format!("{what}: not within {SOON:?}")));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// An advert on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advert {
    pub(crate) at: Instant,
    pub(crate) source: IpAddr,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
}

/// All adverts, in order.
pub(crate) fn adverts(records: &[Record]) -> Vec<Advert> {
    let advert = |record: &Record| match record.seen {
        Some(Seen::Vrrp { source, vrid, priority, .. }) => {
            Some(Advert { at: record.at, source, vrid, priority: priority.0 })
        }
        _ => None,
    };
    records.iter().filter_map(advert).collect()
}

/// Whether a frame says, unasked and to all, that `address` is at some Ethernet address.
pub(crate) fn announces(record: &Record, address: IpAddr) -> Option<Mac> {
    match (record.seen?, address) {
        (Seen::Arp(arp), IpAddr::V4(v4)) if arp.is_gratuitous() && arp.sender == v4 => Some(arp.sender_mac),
        (Seen::Neighbor(neighbor), IpAddr::V6(v6)) if neighbor.target == v6 => match neighbor.kind {
            Kind::Advertisement { solicited: false, override_cache: true, .. } => neighbor.link_layer,
            Kind::Advertisement { .. } | Kind::Solicitation => None,
        },
        _ => None,
    }
}

/// When `mac` announced `address`.
pub(crate) fn announcements(records: &[Record], address: IpAddr, mac: Mac) -> Vec<Instant> {
    records.iter().filter(|record| announces(record, address) == Some(mac)).map(|record| record.at).collect()
}

/// Waits until `address` was announced `count` times by `mac` since `mark`; says when.
pub(crate) fn wait_for_announcements(
    capture: &Capture,
    mark: usize,
    address: IpAddr,
    mac: Mac,
    count: usize,
    within: Duration,
) -> Result<Vec<Instant>, lab::Error> {
    let mut times = Vec::new();
    let what = format!("{count} announcements of {address} by {mac}");
    capture.wait_from(mark, &what, within, |record| {
        times.extend((announces(record, address) == Some(mac)).then_some(record.at));
        times.len() >= count
    })?;
    Ok(times)
}

/// Waits for `count` more adverts of a source; says when they came.
pub(crate) fn wait_for_adverts(
    capture: &Capture,
    source: IpAddr,
    count: usize,
    within: Duration,
) -> Result<Vec<Instant>, lab::Error> {
    let mut times = Vec::new();
    let what = format!("{count} adverts of {source}");
    capture.wait_from(capture.tape().mark(), &what, within, |record| {
        let advert = adverts(std::slice::from_ref(record));
        times.extend(advert.iter().filter(|advert| advert.source == source).map(|advert| advert.at));
        times.len() >= count
    })?;
    Ok(times)
}

/// The greatest time between two neighbours.
pub(crate) fn widest(times: &[Instant]) -> Duration {
    times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default()
}

/// A captured frame with its layers opened, for tests of exact bytes.
pub(crate) struct Opened<'a> {
    pub(crate) ethernet: frame::Ethernet<'a>,
    pub(crate) ip: wire::ipv4::Packet<'a>,
}

/// Opens an IPv4 frame.
pub(crate) fn open(record: &Record) -> Result<Opened<'_>, Stop> {
    let ethernet = frame::ethernet(&record.frame).ok_or_else(|| fail("no Ethernet frame"))?;
    let ip = wire::ipv4::parse(ethernet.payload)?;
    Ok(Opened { ethernet, ip })
}

/// Has the client's own table point to `mac` by now? (An announcement updates it without any question.)
pub(crate) fn wait_for_neighbour(lab: &Lab, address: IpAddr, mac: Mac) -> Outcome {
    let client = lab.machine("client")?;
    let deadline = lab::Deadline::from(SOON);
    while client.neighbour(address)? != Some(mac) {
        if deadline.is_past() {
            let known = client.neighbour(address)?;
            return Err(fail(format!("the client sends to {address} at {known:?}, not at {mac}")));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// What tshark must not find.
const WRONG: &str = "_ws.malformed || _ws.expert.severity == error || ip.checksum.status == 0 || \
    vrrp.checksum.status == 0 || icmpv6.checksum.status == 0";

/// Gives the capture to tcpdump and tshark: nothing may be malformed, no checksum wrong.
pub(crate) fn examine(capture: &Capture, lab: &Lab, name: &str) -> Outcome {
    let file = lab.directory().join(format!("{name}.pcap"));
    capture.write_pcap(&file)?;
    if capture.dropped() > 0 {
        return Err(fail(format!("{} frames were not captured", capture.dropped())));
    }
    let tshark = |arguments: &[&str]| -> Result<String, Stop> {
        let mut command = Command::new(program("tshark")?);
        // Nobody's own settings.
        command.env("HOME", lab.directory()).env_remove("XDG_CONFIG_HOME");
        command.args(["-n", "-o", "ip.check_checksum:TRUE", "-r"]).arg(&file).args(arguments);
        said(&mut command)
    };
    let all = tshark(&["-Y", "vrrp"])?.lines().count();
    if all == 0 {
        return Err(fail("tshark sees no VRRP in the capture"));
    }
    let bad = tshark(&["-Y", WRONG])?;
    if !bad.trim().is_empty() {
        return Err(fail(format!("tshark finds something wrong:\n{bad}")));
    }
    // It insists on becoming another user; in a user namespace there is only one.
    if lab::inside().is_some_and(|inside| inside.user_namespace) {
        return Ok(());
    }
    let mut command = Command::new(program("tcpdump")?);
    let text = said(command.args(["-nn", "-vvv", "-e", "-r"]).arg(&file))?;
    let bad: Vec<&str> = text
        .lines()
        .filter(|line| {
            ["bad", "invalid", "truncated", "[|", "malformed"].iter().any(|sign| line.contains(sign))
        })
        .collect();
    if bad.is_empty() {
        Ok(())
    } else {
        Err(fail(format!("tcpdump finds something wrong:\n{}", bad.join("\n"))))
    }
}

/// What a program prints; a failure of it is a failure of the test.
fn said(command: &mut Command) -> Result<String, Stop> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(fail(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
