//! Who takes over, when, and what the wire and a client see of it: each flavour of the protocol, crash and orderly
//! stop, our daemon and Debian's keepalived in both roles.

use std::time::Duration;

use lab::harness::{Outcome, Test, fail};
use lab::{Capture, Client};
use timeline::Instant;
use wire::frame::Seen;

use crate::conf::{self, Flavour, LB01, LB02, ip};
use crate::figures;
use crate::pair::{self, ELECTION, JITTER, Kind, Running, SLACK, SOON};
use crate::see::{self, adverts, announcements};

/// How the Active router goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The machine dies.
    Crash,
    /// The daemon is asked to end.
    Stop,
}

use Flavour::{V2, V2Ah, V2Pass, V2Unicast, V3, V3Ipv6, V3Unicast};
use Kind::{Keepalived, Standfast};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    let mut add = |flavour: Flavour, kinds: [Kind; 2]| {
        for (end, word) in [(End::Crash, "crash"), (End::Stop, "stop")] {
            let name = format!("takeover::{flavour:?}::{}_active_{}_backup::{word}", kinds[0], kinds[1]);
            tests.push(Test::new(name, move || takeover(flavour, kinds, end)));
        }
    };
    for flavour in [V2, V2Pass, V2Ah, V2Unicast, V3, V3Ipv6, V3Unicast] {
        add(flavour, [Standfast, Standfast]);
    }
    for flavour in [V2Pass, V2Ah, V2Unicast, V3, V3Ipv6, V3Unicast] {
        add(flavour, [Standfast, Keepalived]);
        add(flavour, [Keepalived, Standfast]);
    }
    // The measure of the tests themselves.
    add(V2Pass, [Keepalived, Keepalived]);
    tests
}

/// Lines that the loss of a machine's cable or a restart may bring, in both daemons' words.
const ALLOWED: [&str; 7] = [
    // keepalived says on every start that it was not told which user runs scripts.
    "default user 'keepalived_script' for script execution does not exist",
    "SECURITY VIOLATION",
    "Truncating auth_pass",
    "Netlink: filter",
    "error 0",
    "not built yet",
    // An ordinary user gets no real-time scheduling.
    "SCHED_FIFO",
];

fn takeover(flavour: Flavour, kinds: [Kind; 2], end: End) -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02, client) = (lab.machine(LB01)?, lab.machine(LB02)?, lab.machine("client")?);
    // On lb02, which survives: unicast adverts do not come to the client.
    let capture = Capture::start(lb02, "eth0")?;
    let asking = Client::start(client, flavour.service())?;
    let nodes = pair::nodes(&lab, kinds, |name| flavour.instance(name).file())?;
    let running = pair::settle(&nodes)?;
    let (old, new) = (lb01.mac("eth0")?, lb02.mac("eth0")?);
    asking.wait_for_answer_by(old, ELECTION)?;
    see::wait_for_neighbour(&lab, flavour.service(), old)?;
    two_adverts(&capture, flavour)?;
    assert!(!lb02.holds(flavour.service())?, "the backup does not hold the address");

    let before = lab::now();
    match end {
        End::Crash => running[0].dies(&lab)?,
        End::Stop => running[0].term()?,
    }
    running[1].enters("VI_1", "MASTER", ELECTION)?;
    lb02.wait_until_holds(flavour.service(), true, SOON)?;
    asking.wait_for_answer_by(new, SOON)?;
    see::wait_for_neighbour(&lab, flavour.service(), new)?;
    see::wait_for_announcements(&capture, 0, flavour.service(), new, 5, SOON)?;
    if end == End::Stop {
        ended_in_order(&nodes[0], &running[0], flavour)?;
    }

    let story = format!("{flavour:?} {end:?} {} to {}", kinds[0], kinds[1]);
    timing(&capture, flavour, end, before, &story)?;
    let silence = asking.timeline().since(before).longest_silence();
    figures::time(format_args!("client silence, {story}"), silence);
    let complaints: Vec<String> = match end {
        // What the dying machine itself says does not count.
        End::Crash => running[1].complaints(&ALLOWED),
        End::Stop => running.iter().flat_map(|daemon| daemon.complaints(&ALLOWED)).collect(),
    };
    if !complaints.is_empty() {
        return Err(fail(format!("the logs complain:\n{}", complaints.join("\n"))));
    }
    see::examine(&capture, &lab, "takeover")
}

/// The Active router's adverts say what was configured.
fn two_adverts(capture: &Capture, flavour: Flavour) -> Outcome {
    let mut seen = 0;
    capture.wait_for("two adverts of lb01", ELECTION, |record| {
        seen += usize::from(!record.outgoing && record.advert() == Some((50, 150)));
        seen == 2
    })?;
    for record in capture.records() {
        let Some(Seen::Vrrp {
            source,
            destination,
            version,
            hop_limit,
            kind,
            sum_ok,
            authenticated,
            centiseconds,
            ..
        }) = record.seen
        else {
            continue;
        };
        let group = if flavour.is_ipv6() { ip("ff02::12") } else { ip("224.0.0.18") };
        assert_eq!(destination, if flavour.is_unicast() { ip("10.0.0.6") } else { group });
        assert!(source == ip("10.0.0.5") || source == ip("fe80::aff:fe00:5"), "{source}");
        assert!(!record.outgoing, "the backup sends nothing");
        assert_eq!((version, hop_limit, kind, centiseconds), (flavour.version(), 255, 1, 100));
        assert!(sum_ok, "{:?}", record.seen);
        assert_eq!(authenticated, matches!(flavour, V2Pass | V2Ah));
    }
    Ok(())
}

/// It left nothing behind.
fn ended_in_order(node: &pair::Node, running: &Running, flavour: Flavour) -> Outcome {
    assert_eq!(running.wait(SOON)?, lab::Ended::Code(0));
    assert!(!node.machine.holds(flavour.service())?, "it removed the address");
    assert!(!pair::exists(&node.machine, &node.pid_file)?, "it removed its pid file");
    Ok(())
}

/// The first advert of the new Active router, against what the protocol says; and its first announcements.
fn timing(capture: &Capture, flavour: Flavour, end: End, before: Instant, story: &str) -> Outcome {
    let records = capture.records();
    let all = adverts(&records);
    let theirs = |advert: &&see::Advert| advert.priority == 100;
    let first = all.iter().find(theirs).ok_or_else(|| fail("lb02 sends no adverts"))?.at;
    let of_lb01 = all.iter().filter(|advert| advert.at < first && advert.priority != 100);
    let last = of_lb01.clone().next_back().ok_or_else(|| fail("lb01 sent no adverts"))?;
    let second = Duration::from_secs(1);
    let due = match end {
        End::Crash => {
            assert_eq!(last.priority, 150, "nobody said a last word");
            conf::master_down(flavour.version(), 100, second)
        }
        End::Stop => {
            assert_eq!(last.priority, 0, "it resigned");
            assert!(last.at >= before);
            conf::skew(flavour.version(), 100, second)
        }
    };
    let took = first.since(last.at);
    figures::time(format_args!("advert after it was due, {story}"), took.saturating_sub(due));
    assert!(took + JITTER >= due && took < due + SLACK, "took over after {took:?}, due after {due:?}");
    let (_, mac) = records
        .iter()
        .find_map(|record| {
            Some((record, see::announces(record, flavour.service())?)).filter(|(r, _)| r.outgoing)
        })
        .ok_or_else(|| fail("no announcement by lb02"))?;
    let at = announcements(&records, flavour.service(), mac);
    let announced = at.first().map(|at| at.since(last.at)).unwrap_or_default();
    figures::time(format_args!("announcement after it was due, {story}"), announced.saturating_sub(due));
    let burst = at.iter().filter(|at| at.since(first) < second).count();
    assert!(burst >= 5, "{burst} announcements in the first second");
    for record in records.iter().filter(|record| see::announces(record, flavour.service()).is_some()) {
        let ethernet = wire::frame::ethernet(&record.frame).ok_or_else(|| fail("no frame"))?;
        let group =
            if flavour.is_ipv6() { wire::Mac::multicast(ip("ff02::1")) } else { Some(wire::Mac::BROADCAST) };
        assert_eq!(Some(ethernet.destination), group, "announcements go to everybody");
    }
    Ok(())
}
