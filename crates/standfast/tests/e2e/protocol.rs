//! The protocol's details on a real wire: IPv6, quick adverts, many instances, all that an address line can say,
//! ties, owners and delayed preemption.

use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, fail, program};
use lab::{Capture, Lab};
use wire::frame::Seen;

use crate::conf::{self, Flavour, Instance, LB01, LB02, ip};
use crate::figures;
use crate::pair::{self, ELECTION, JITTER, Kind, Node, SLACK, SOON};
use crate::see::{self, adverts};

pub(crate) fn tests() -> Vec<Test> {
    let ours = [Kind::Standfast; 2];
    let theirs = [Kind::Keepalived; 2];
    vec![
        Test::new("protocol::con_3_con_4_tx_4_to_tx_6_wire_12_na_1_to_na_3_na_6_nd_8_ipv6_is_exact", ipv6),
        Test::new("protocol::uni_1_unicast_adverts_go_to_the_peer_alone", unicast),
        Test::new("protocol::auth_16_signed_adverts_elect_and_an_unsigned_one_is_refused", signed),
        Test::new(
            "protocol::auth_16_who_only_checks_signatures_agrees_with_keepalived_without_keys",
            signed_beside_theirs,
        ),
        Test::new("protocol::adverts_every_100_ms", move || quick(ours, 10)),
        Test::new("protocol::adverts_every_10_ms", move || quick(ours, 1)),
        Test::new("protocol::the_measure_adverts_every_10_ms_theirs", move || quick(theirs, 1)),
        Test::new("protocol::twenty_instances_move_together", twenty),
        Test::new("protocol::excluded_addresses_are_held_and_not_advertised", excluded),
        Test::new("protocol::address_lines_mean_what_keepalived_makes_of_them", address_lines),
        Test::new("protocol::preempt_delay_holds_the_return_back", || preempt_delay(Kind::Standfast)),
        Test::new("protocol::the_measure_preempt_delay_theirs", || preempt_delay(Kind::Keepalived)),
        Test::new("protocol::sbt_6_equal_priorities_are_decided_by_the_address", tie),
        Test::new("protocol::sm_init_1_the_owner_is_active_at_once", owner),
        Test::new("protocol::garp_6_announcements_are_refreshed", refresh),
        Test::new("protocol::sbt_3_a_partition_heals_to_one_holder", partition),
    ]
}

fn ipv6() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let _running = Node::ours(lb01, Flavour::V3Ipv6.instance(LB01).every("0.3").file())?.start_active()?;
    let mac = lb01.mac("eth0")?;
    see::wait_for_announcements(&capture, 0, ip("fd00:10::3"), mac, 5, SOON)?;
    see::wait_for_announcements(&capture, 0, ip("fe80::3"), mac, 5, SOON)?;
    see::wait_for_adverts(&capture, ip("fe80::aff:fe00:5"), 2, SOON)?;
    for record in capture.records() {
        let ethernet = wire::frame::ethernet(&record.frame).ok_or_else(|| fail("no frame"))?;
        match record.seen {
            Some(Seen::Vrrp {
                source,
                destination,
                hop_limit,
                version,
                count,
                first,
                centiseconds,
                sum_ok,
                ..
            }) => {
                assert_eq!((source, destination), (ip("fe80::aff:fe00:5"), ip("ff02::12")));
                assert_eq!((hop_limit, version, count, centiseconds, sum_ok), (255, 3, 2, 30, true));
                assert_eq!(first, Some(ip("fe80::3")), "the link-local address leads");
                assert_eq!(ethernet.destination.to_string(), "33:33:00:00:00:12");
                let class = ethernet.payload[0] << 4 | ethernet.payload[1] >> 4;
                assert_eq!(class, 0xc0, "the traffic class");
            }
            Some(Seen::Neighbor(_)) if see::announces(&record, ip("fd00:10::3")).is_some() => {
                let packet = wire::ipv6::parse(ethernet.payload)?;
                assert_eq!((packet.hop_limit, packet.destination), (255, wire::ndp::ALL_NODES));
                assert_eq!(ethernet.source, mac);
                assert_eq!(ethernet.destination.to_string(), "33:33:00:00:00:01");
            }
            _ => {}
        }
    }
    // The address is there with its own length, and usable at once.
    let held = lb01.addresses("eth0")?.into_iter().find(|a| a.address == ip("fd00:10::3"));
    assert_eq!(held.map(|held| held.prefix), Some(128));
    see::examine(&capture, &lab, "ipv6")
}

fn unicast() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let capture = Capture::start(lb02, "eth0")?;
    for flavour in [Flavour::V2Unicast, Flavour::V3Unicast] {
        let mark = capture.tape().mark();
        let running = Node::ours(lb01, flavour.instance(LB01).file())?.start_active()?;
        see::wait_for_adverts(&capture, ip("10.0.0.5"), 2, SOON)?;
        running.stop()?;
        for record in capture.tape().from_mark(mark).iter().filter(|record| record.advert().is_some()) {
            let see::Opened { ethernet, ip } = see::open(record)?;
            assert_eq!(ethernet.destination, lb02.mac("eth0")?);
            assert_eq!((ip.ttl, ip.header[1], ip.destination), (255, 0xc0, [10, 0, 0, 6].into()));
        }
    }
    Ok(())
}

/// Signed adverts: believed by who has the key, and by nobody who requires signatures when there is none.
fn signed() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let key = [b'k'; 40];
    let digits = "6b".repeat(40);
    let keyed = |name: &str, mode: &str| {
        let lines = format!("auth_hmac {{\n        key 7 hex:{digits}\n        mode {mode}\n    }}");
        Flavour::V3.instance(name).every("0.3").line(lines).file()
    };
    let first = Node::ours(lb01, keyed(LB01, "enforce"))?.start_active()?;
    let second = Node::ours(lb02, keyed(LB02, "enforce"))?.start()?;
    second.enters("VI_1", "BACKUP", SOON)?;
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 10, SOON)?;
    assert_eq!(second.count("Entering MASTER"), 0);
    let key = wire::trailer::Key::new(&key).ok_or_else(|| fail("no key"))?;
    let mut last = None;
    for record in capture.records().iter().filter(|record| record.advert().is_some()) {
        let see::Opened { ip: packet, .. } = see::open(record)?;
        let at = packet.payload.len() - wire::trailer::LEN;
        let trailer =
            wire::trailer::Trailer::read(&packet.payload[at..]).ok_or_else(|| fail("not signed"))?;
        assert_eq!(trailer.key_id, 7);
        assert!(trailer.verifies(&key, packet.source.into(), &packet.payload[..at]));
        assert!(last.replace(trailer.stamp).is_none_or(|last| trailer.stamp.is_after(last)));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let age = last.ok_or_else(|| fail("no advert"))?.distance(wire::trailer::Stamp::at(now));
    assert!(age < Duration::from_secs(5), "stamped with the wall clock: {age:?}");
    first.stop()?;
    second.enters("VI_1", "MASTER", SOON)?;
    // One that does not sign is not heard, whatever its priority.
    let third = Node::ours(lb01, keyed(LB01, "receive-only"))?.start()?;
    second.wait_for_line("it is not signed (auth_hmac)", SOON)?;
    assert_eq!(second.count("Entering BACKUP"), 1, "it stays");
    let log = second.log();
    assert!(!log.contains("6b6b") && !log.contains("kkkk"), "{log}");
    third.stop()?;
    second.stop()
}

/// Debian's keepalived knows no `auth_hmac`, and discards what is signed ("vrrp packet too long"). A node that does not
/// sign yet agrees with it.
fn signed_beside_theirs() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let lines = format!("auth_hmac {{\n        key 1 {}\n        mode receive-only\n    }}", "k".repeat(32));
    let ours = Node::ours(lb01, Flavour::V3.instance(LB01).every("0.3").line(lines).file())?;
    let first = ours.start_active()?;
    let theirs =
        Node::new(lb02, Kind::Keepalived, Flavour::V3.instance(LB02).every("0.3").file())?.start()?;
    theirs.enters("VI_1", "BACKUP", SOON)?;
    let mark = capture.tape().mark();
    // Three times as long as it waits for the next advert.
    let heard = adverts(&capture.records()).len();
    see::wait_for_adverts(&capture, ip("10.0.0.5"), heard + 12, SOON)?;
    assert_eq!(theirs.count("Entering MASTER"), 0);
    assert!(capture.tape().from_mark(mark).iter().all(|record| match record.seen {
        Some(Seen::Vrrp { source, authenticated, .. }) => source == ip("10.0.0.5") && !authenticated,
        _ => true,
    }));
    first.stop()?;
    theirs.enters("VI_1", "MASTER", SOON)?;
    let back = ours.start_active()?;
    theirs.enters("VI_1", "BACKUP", SOON)?;
    assert!(back.log().contains("follows 10.0.0.6"), "it believed what was not signed");
    back.stop()
}

/// Adverts every `centis` hundredths of a second: all are sent, and the peer takes over as quickly.
fn quick(kinds: [Kind; 2], centis: u16) -> Outcome {
    let lab = pair::three()?;
    let interval = Duration::from_millis(u64::from(centis) * 10);
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let nodes =
        pair::nodes(&lab, kinds, |name| Flavour::V3.instance(name).every(&format!("0.{centis:02}")).file())?;
    // One after the other: on a busy machine an election of 36 ms can go either way.
    let first = nodes[0].start_active()?;
    let second = nodes[1].start()?;
    let count = if centis == 1 { 300 } else { 30 };
    let times = see::wait_for_adverts(&capture, ip("10.0.0.5"), count, Duration::from_secs(30))?;
    let took = times[count - 1].since(times[0]);
    let due = took.as_secs_f64() / interval.as_secs_f64() + 1.0;
    let share = 100.0 * count as f64 / due;
    let whose = format!("{}, every {interval:?}", kinds[0]);
    figures::note(format_args!("adverts sent of those due, {whose}"), format_args!("{share:.1} %"));
    figures::time(format_args!("widest gap between adverts, {whose}"), see::widest(&times));
    let intervals = capture.records().into_iter().filter_map(|record| match record.seen {
        Some(Seen::Vrrp { centiseconds, .. }) => Some(centiseconds),
        _ => None,
    });
    assert!(intervals.into_iter().all(|said| said == centis));
    if kinds[0] == Kind::Standfast {
        assert!(share > 99.0, "the schedule does not drift: {share} %");
    }
    first.dies(&lab)?;
    second.enters("VI_1", "MASTER", SOON)?;
    let all = adverts(&capture.records());
    let last = all.iter().rfind(|a| a.source == ip("10.0.0.5")).ok_or_else(|| fail("none of lb01"))?.at;
    let taken = all.iter().find(|a| a.at > last).map_or_else(
        || Ok::<_, Stop>(see::wait_for_adverts(&capture, ip("10.0.0.6"), 1, SOON)?[0]),
        |advert| Ok(advert.at),
    )?;
    let due = conf::master_down(3, 100, interval);
    figures::time(format_args!("advert after it was due, {whose}"), taken.since(last).saturating_sub(due));
    assert!(taken.since(last) < due + SLACK, "{:?}", taken.since(last));
    Ok(())
}

fn twenty() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let address = |n: u8| format!("10.0.0.{}", 100 + n);
    let nodes = pair::nodes(&lab, [Kind::Standfast; 2], |name| {
        let one = |n: u8| {
            let mut instance = Flavour::V3.instance(name).every("0.5");
            (instance.name, instance.vrid) = (format!("VI_{n}"), n);
            instance.addresses = vec![address(n)];
            instance
        };
        conf::file(&(1..=20).map(one).collect::<Vec<_>>())
    })?;
    let running = pair::settle(&nodes)?;
    for n in 1..=20 {
        running[0].enters(&format!("VI_{n}"), "MASTER", ELECTION)?;
        lb01.wait_until_holds(ip(&address(n)), true, SOON)?;
    }
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 60, SOON)?;
    assert_eq!(running[1].count("Entering MASTER"), 0);
    running[0].dies(&lab)?;
    let mac = lb02.mac("eth0")?;
    for n in 1..=20 {
        running[1].enters(&format!("VI_{n}"), "MASTER", ELECTION)?;
        lb02.wait_until_holds(ip(&address(n)), true, SOON)?;
        see::wait_for_announcements(&capture, 0, ip(&address(n)), mac, 1, SOON)?;
    }
    let records = capture.records();
    let mut latest = Duration::ZERO;
    for n in 1..=20 {
        let all = adverts(&records);
        let last = all.iter().rfind(|a| a.vrid == n && a.priority == 150).ok_or_else(|| fail("no advert"))?;
        let due = last.at + conf::master_down(3, 100, Duration::from_millis(500));
        let first = see::announcements(&records, ip(&address(n)), mac)[0];
        latest = latest.max(first.since(due));
    }
    figures::time("last of 20 instances' first announcement after it was due", latest);
    assert!(latest < SLACK, "{latest:?}");
    running[1].stop()?;
    assert!(!lb02.holds(ip("10.0.0.101"))?);
    Ok(())
}

fn excluded() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let conf = Flavour::V3
        .instance(LB01)
        .every("0.3")
        .line("virtual_ipaddress_excluded {\n        10.0.0.4\n        fd00:10::4\n    }")
        .file();
    let running = Node::ours(lb01, conf)?.start_active()?;
    for address in ["10.0.0.3", "10.0.0.4", "fd00:10::4"] {
        lb01.wait_until_holds(ip(address), true, SOON)?;
        see::wait_for_announcements(&capture, 0, ip(address), lb01.mac("eth0")?, 5, SOON)?;
    }
    for record in capture.records() {
        if let Some(Seen::Vrrp { count, first, .. }) = record.seen {
            assert_eq!((count, first), (1, Some(ip("10.0.0.3"))));
        }
    }
    running.stop()?;
    for address in ["10.0.0.3", "10.0.0.4", "fd00:10::4"] {
        assert!(!lb01.holds(ip(address))?, "{address}");
    }
    Ok(())
}

/// The lines of `ip addr` for the service addresses, without what differs by nature (marks, lifetimes).
fn shown(lab: &Lab) -> Result<Vec<String>, Stop> {
    let output = lab.machine(LB01)?.command(program("ip")?).args(["-o", "addr", "show"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| ["inet 10.0.0.2", "inet 10.0.1.", "inet6 fd00:10::2"].iter().any(|a| line.contains(a)))
        .map(|line| {
            let line = line.split('\\').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            let mark = words.iter().position(|word| *word == "proto");
            let kept =
                words.iter().enumerate().filter(|(n, _)| mark.is_none_or(|at| *n != at && *n != at + 1));
            kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
        })
        .collect();
    lines.sort();
    Ok(lines)
}

fn address_lines() -> Outcome {
    let lines = [
        "10.0.0.20",
        "10.0.0.21/24",
        "10.0.0.23/28 dev lo",
        // Of one subnet the kernel takes one scope only.
        "10.0.1.22/24 brd 10.0.1.255 dev eth0 scope link label eth0:vip",
        "10.0.1.24/26 brd + scope host",
    ];
    let mut found = Vec::new();
    for kind in [Kind::Keepalived, Kind::Standfast] {
        let lab = pair::alone()?;
        let lb01 = lab.machine(LB01)?;
        let mut instance = Instance::new("VI_1", 50).every("0.3").line("version 3");
        instance.addresses = lines.map(str::to_owned).to_vec();
        let conf = instance
            .line("virtual_ipaddress_excluded {\n        fd00:10::20/64\n        fd00:10::21\n    }")
            .file();
        let running = Node::new(lb01, kind, conf)?.start_active()?;
        for address in ["10.0.0.20", "10.0.0.23", "10.0.1.24", "fd00:10::20", "fd00:10::21"] {
            lb01.wait_until_holds(ip(address), true, SOON)?;
        }
        found.push(shown(&lab)?);
        running.stop()?;
        assert_eq!(shown(&lab)?, Vec::<String>::new(), "{kind}: all are removed");
    }
    assert_eq!(found[0].len(), 7, "{:?}", found[0]);
    assert_eq!(found[1], found[0], "ours (left) and keepalived's (right)");
    Ok(())
}

fn preempt_delay(kind: Kind) -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let _other = Node::ours(lb02, Flavour::V3.instance(LB02).every("0.3").file())?.start_active()?;
    let conf = Flavour::V3.instance(LB01).every("0.3").state("BACKUP").line("preempt_delay 3").file();
    let returning = Node::new(lb01, kind, conf)?.spawn()?;
    let mark = capture.tape().mark();
    let started = returning.enters("VI_1", "BACKUP", SOON)?;
    let entered = returning.enters("VI_1", "MASTER", ELECTION)?;
    let heard = adverts(&capture.tape().from_mark(mark)).first().map(|advert| advert.at);
    let from = heard.unwrap_or(started.at).max(started.at);
    let waited = entered.at.since(from);
    figures::time(format_args!("return with preempt_delay 3, {kind}"), waited);
    assert!(waited + Duration::from_millis(300) + JITTER >= Duration::from_secs(3), "{waited:?}");
    assert!(waited < Duration::from_secs(4) + SLACK, "{waited:?}");
    lb02.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    Ok(())
}

fn tie() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let conf = || Flavour::V3.instance(LB02).every("0.3").file();
    // Equal priorities do not preempt; only when both are Active the address decides. So both become Active alone.
    let cut = lab.lose_from(lb01, lab::Traffic::Vrrp)?;
    let other = lab.lose_to(lb01, lab::Traffic::Vrrp)?;
    let (one, two) = (Node::ours(lb01, conf())?.start_active()?, Node::ours(lb02, conf())?.start_active()?);
    let mark = one.lines().mark();
    cut.heal()?;
    other.heal()?;
    one.enters_from(mark, "VI_1", "BACKUP", SOON)?;
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    assert!(lb02.holds(ip("10.0.0.3"))?);
    assert_eq!(two.count("Entering BACKUP"), 1, "only at the start");
    Ok(())
}

fn owner() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    // It owns the address: it is its own, and stays when the daemon ends.
    let mut conf = Flavour::V2.instance(LB01).priority(255);
    conf.addresses = vec!["10.0.0.5/24".into()];
    let running = Node::ours(lb01, conf.file())?.spawn()?;
    let ready = running.wait_for_line("Startup complete", SOON)?;
    let entered = running.enters("VI_1", "MASTER", SOON)?;
    assert!(entered.at.since(ready.at) < Duration::from_secs(1), "without waiting for anybody");
    capture.wait_for("adverts of the owner", SOON, |record| record.advert() == Some((50, 255)))?;
    running.stop()?;
    assert!(lb01.holds(ip("10.0.0.5"))?, "it was there before");
    Ok(())
}

fn refresh() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let lines = [
        "garp_master_delay 1",
        "garp_master_repeat 2",
        "garp_master_refresh 1",
        "garp_master_refresh_repeat 3",
    ];
    let conf = lines.iter().fold(Flavour::V3.instance(LB01).every("0.3"), |conf, line| conf.line(*line));
    let _running = Node::ours(lb01, conf.file())?.start_active()?;
    // Two, two after a second, then three every second.
    let at = see::wait_for_announcements(&capture, 0, ip("10.0.0.3"), lb01.mac("eth0")?, 10, ELECTION)?;
    let from_first: Vec<u128> = at.iter().map(|time| (time.since(at[0]).as_millis() + 300) / 1000).collect();
    assert_eq!(from_first, [0, 0, 1, 1, 2, 2, 2, 3, 3, 3], "{at:?}");
    Ok(())
}

fn partition() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let nodes =
        pair::nodes(&lab, [Kind::Standfast; 2], |name| Flavour::V3.instance(name).every("0.3").file())?;
    let running = pair::settle(&nodes)?;
    lab.isolate(&[lb01, lb02])?;
    running[1].enters("VI_1", "MASTER", ELECTION)?;
    lb02.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    assert!(lb01.holds(ip("10.0.0.3"))?, "two holders: they do not hear each other");
    let (mark, healed) = (running[1].lines().mark(), lab::now());
    lab.heal()?;
    let moved = running[1].enters_from(mark, "VI_1", "BACKUP", SOON)?;
    lb02.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    figures::time("two holders after a partition was healed (adverts every 300 ms)", moved.at.since(healed));
    assert!(lb01.holds(ip("10.0.0.3"))?);
    assert_eq!(running[0].count("Entering"), 2, "the higher priority stays");
    Ok(())
}
