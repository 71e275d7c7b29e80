//! A new configuration while the daemon runs: what did not change does not notice, what changed changes at once, and
//! what is wrong changes nothing.

use std::time::Duration;

use lab::harness::{Outcome, Stop, Test};
use lab::{Capture, Lab, Signal};

use crate::conf::{self, Flavour, Instance, LB01, LB02, ip};
use crate::figures;
use crate::pair::{self, ELECTION, Node, Running, SOON};
use crate::see::{self, adverts, announces};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("reload::an_unchanged_file_is_not_noticed", unchanged),
        Test::new("reload::addresses_come_and_go_without_a_transition", addresses),
        Test::new("reload::a_lower_priority_hands_over", priority),
        Test::new("reload::instances_come_and_go_and_others_do_not_notice", instances),
        Test::new("reload::a_broken_file_is_refused_and_the_old_one_goes_on", broken),
        Test::new("reload::an_interval_changes", interval),
        Test::new("reload::a_password_changes", password),
    ]
}

const INTERVAL: Duration = Duration::from_millis(300);

/// An instance whose announcements are soon over.
fn instance(name: &str) -> Instance {
    Flavour::V3.instance(name).every("0.3").line("garp_master_delay 1")
}

/// lb01 alone, Active, with all announcements made.
fn quiet(lab: &Lab, conf: &str) -> Result<(Node, Running, Capture), Stop> {
    let lb01 = lab.machine(LB01)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let node = Node::ours(lb01, conf)?;
    let running = node.start_active()?;
    see::wait_for_announcements(&capture, 0, ip("10.0.0.3"), lb01.mac("eth0")?, 10, SOON)?;
    Ok((node, running, capture))
}

/// Tells the daemon to read its file again, and waits until that is done.
fn reload(node: &Node, running: &Running, conf: &str) -> Result<(), lab::Error> {
    let mark = running.lines().mark();
    node.write(conf)?;
    running.signal(Signal::HUP)?;
    running.wait_for_line_from(mark, "configuration in force", SOON)?;
    Ok(())
}

fn unchanged() -> Outcome {
    let lab = pair::three()?;
    let conf = instance(LB01).file();
    let backup = Node::ours(lab.machine(LB02)?, instance(LB02).file())?.start()?;
    let (node, running, capture) = quiet(&lab, &conf)?;
    backup.enters("VI_1", "BACKUP", SOON)?;
    let (mark, lines, others) = (capture.tape().mark(), running.lines().mark(), backup.lines().mark());
    for _ in 0..3 {
        reload(&node, &running, &conf)?;
        see::wait_for_adverts(&capture, ip("10.0.0.5"), 3, SOON)?;
    }
    let records = capture.tape().from_mark(mark);
    let times: Vec<_> = adverts(&records).iter().map(|advert| advert.at).collect();
    figures::time("widest gap between adverts (300 ms) over three reloads", see::widest(&times));
    assert!(see::widest(&times) < INTERVAL * 3 / 2, "{:?}", see::widest(&times));
    assert!(adverts(&records).iter().all(|advert| advert.source == ip("10.0.0.5") && advert.priority == 150));
    let announced = records.iter().filter(|record| announces(record, ip("10.0.0.3")).is_some()).count();
    assert_eq!(announced, 0, "nothing to announce");
    for (daemon, mark) in [(&running, lines), (&backup, others)] {
        let moved = daemon.lines().from_mark(mark);
        assert!(!moved.iter().any(|line| line.text.contains("Entering")), "{moved:?}");
    }
    Ok(())
}

fn addresses() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let one = instance(LB01);
    let (node, running, capture) = quiet(&lab, &one.file())?;
    let (mark, lines) = (capture.tape().mark(), running.lines().mark());
    reload(&node, &running, &one.clone().address("10.0.0.4").file())?;
    lb01.wait_until_holds(ip("10.0.0.4"), true, SOON)?;
    see::wait_for_announcements(&capture, mark, ip("10.0.0.4"), lb01.mac("eth0")?, 5, SOON)?;
    // The next advert lists both.
    let two = |record: &lab::Record| matches!(record.seen, Some(wire::frame::Seen::Vrrp { count: 2, .. }));
    capture.wait_from(mark, "an advert with two addresses", SOON, two)?;
    assert!(lb01.holds(ip("10.0.0.3"))?);
    let mut other = one;
    other.addresses = vec!["10.0.0.4".into()];
    reload(&node, &running, &other.file())?;
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    assert!(lb01.holds(ip("10.0.0.4"))?);
    let moved = running.lines().from_mark(lines);
    assert!(!moved.iter().any(|line| line.text.contains("Entering")), "{moved:?}");
    running.stop()?;
    assert!(!lb01.holds(ip("10.0.0.4"))?);
    Ok(())
}

fn priority() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let backup = Node::ours(lb02, instance(LB02).file())?.start()?;
    let (node, running, capture) = quiet(&lab, &instance(LB01).file())?;
    let mark = capture.tape().mark();
    reload(&node, &running, &instance(LB01).priority(90).file())?;
    backup.enters("VI_1", "MASTER", ELECTION)?;
    lb02.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    let all = adverts(&capture.tape().from_mark(mark));
    assert!(all.iter().any(|advert| (advert.source, advert.priority) == (ip("10.0.0.5"), 90)), "{all:?}");
    let lines = running.lines().mark();
    reload(&node, &running, &instance(LB01).priority(200).file())?;
    running.enters_from(lines, "VI_1", "MASTER", ELECTION)?;
    lb02.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    Ok(())
}

fn instances() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let first = instance(LB01);
    let second = Instance::new("VI_2", 60).line("version 3").every("0.3").address("10.0.0.4");
    let (node, running, capture) = quiet(&lab, &first.file())?;
    let mark = capture.tape().mark();
    let begun = lab::now();
    reload(&node, &running, &conf::file(&[first.clone(), second]))?;
    let entered = running.enters("VI_2", "MASTER", ELECTION)?;
    figures::time("new instance Active after the reload (protocol: 1082.8 ms)", entered.at.since(begun));
    lb01.wait_until_holds(ip("10.0.0.4"), true, SOON)?;
    let removed = capture.tape().mark();
    reload(&node, &running, &first.file())?;
    capture.wait_from(removed, "it resigns", SOON, |record| record.advert() == Some((60, 0)))?;
    lb01.wait_until_holds(ip("10.0.0.4"), false, SOON)?;
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 3, SOON)?;
    // VI_1 has not noticed.
    let all = adverts(&capture.tape().from_mark(mark));
    let times: Vec<_> = all.iter().filter(|advert| advert.vrid == 50).map(|advert| advert.at).collect();
    assert!(see::widest(&times) < INTERVAL * 3 / 2, "{:?}", see::widest(&times));
    assert_eq!(running.count("(VI_1) Entering"), 2, "BACKUP and MASTER at the start");
    assert_eq!(all.last().map(|advert| advert.vrid), Some(50), "VRID 60 is silent");
    Ok(())
}

fn broken() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let (node, running, capture) = quiet(&lab, &instance(LB01).file())?;
    let wrong = instance(LB01).file().replace("virtual_router_id 50", "virtual_router_id 256");
    for (conf, word) in [(wrong.as_str(), "256"), ("", "")] {
        let (mark, lines) = (capture.tape().mark(), running.lines().mark());
        if conf.is_empty() {
            std::fs::remove_file(&node.conf)?;
        } else {
            node.write(conf)?;
        }
        running.signal(Signal::HUP)?;
        running.wait_for_line_from(lines, "reload refused", SOON)?;
        running.wait_for_line_from(lines, word, SOON)?;
        see::wait_for_adverts(&capture, ip("10.0.0.5"), 4, SOON)?;
        let times: Vec<_> = adverts(&capture.tape().from_mark(mark)).iter().map(|advert| advert.at).collect();
        assert!(see::widest(&times) < INTERVAL * 3 / 2, "{:?}", see::widest(&times));
        assert!(lb01.holds(ip("10.0.0.3"))?);
    }
    // The next good file is taken.
    reload(&node, &running, &instance(LB01).address("10.0.0.4").file())?;
    lb01.wait_until_holds(ip("10.0.0.4"), true, SOON)?;
    Ok(())
}

fn interval() -> Outcome {
    let lab = pair::alone()?;
    let (node, running, capture) = quiet(&lab, &instance(LB01).file())?;
    let mut quicker = instance(LB01);
    quicker.interval = "0.1".into();
    reload(&node, &running, &quicker.file())?;
    let said =
        |record: &lab::Record| matches!(record.seen, Some(wire::frame::Seen::Vrrp { centiseconds: 10, .. }));
    capture.wait_for("an advert with the new interval", SOON, said)?;
    let times = see::wait_for_adverts(&capture, ip("10.0.0.5"), 11, SOON)?;
    let ten = times[10].since(times[0]);
    assert!(ten < Duration::from_millis(1300), "ten intervals of 100 ms take {ten:?}");
    assert_eq!(running.count("Entering"), 2);
    Ok(())
}

fn password() -> Outcome {
    let lab = pair::alone()?;
    let secret =
        |text: &str| Flavour::V2Pass.instance(LB01).line("garp_master_delay 1").file().replace("1111", text);
    let (node, running, capture) = quiet(&lab, &secret("1111"))?;
    reload(&node, &running, &secret("another"))?;
    let new = |record: &lab::Record| record.frame.ends_with(b"another\0");
    capture.wait_for("an advert with the new password", SOON, new)?;
    assert_eq!(running.count("Entering"), 2);
    assert_eq!(running.count("another"), 0, "passwords are not logged");
    Ok(())
}
