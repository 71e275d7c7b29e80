//! The reference scenario as its administrator tells it: verify (S2), drift (S3), return (S4), no return (S5).

use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, fail};
use lab::{Capture, Client, Lab};
use wire::frame::Seen;

use crate::conf::{self, Flavour, LB01, LB02, ip, scenario};
use crate::figures;
use crate::pair::{self, ELECTION, JITTER, Kind, Node, Running, SLACK, SOON};
use crate::see::{self, adverts};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for (kind, word) in [(Kind::Standfast, "ours"), (Kind::Keepalived, "theirs")] {
        let kinds = [kind; 2];
        let mut add = |name: &str, run: fn([Kind; 2]) -> Outcome| {
            tests.push(Test::new(format!("scenario::{word}::{name}"), move || run(kinds)));
        };
        add("s2_the_address_is_on_lb01_alone_and_adverts_are_exact", verify);
        add("s3_after_a_crash_the_neighbours_entry_moves", crash);
        add("s4_lb01_returns_and_takes_the_address_back", preemption);
        add("s5_with_nopreempt_the_address_moves_once", nopreempt);
    }
    tests
}

fn start(lab: &Lab, kinds: [Kind; 2]) -> Result<([Node; 2], [Running; 2]), Stop> {
    let nodes = pair::nodes(lab, kinds, scenario)?;
    let running = pair::settle(&nodes)?;
    Ok((nodes, running))
}

fn verify(kinds: [Kind; 2]) -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let _daemons = start(&lab, kinds)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let service = lb01.addresses("eth0")?.into_iter().find(|a| a.address == ip("10.0.0.3"));
    assert_eq!(service.map(|service| service.to_string()).as_deref(), Some("10.0.0.3/32"));
    // As `ip addr` shows it.
    let shown = said(&lab, LB01, &["-4", "-o", "addr", "show", "dev", "eth0"])?;
    let line = shown.lines().find(|line| line.contains("10.0.0.3/32")).unwrap_or_default();
    assert!(line.contains("scope global eth0"), "{shown}");
    assert!(!lb02.holds(ip("10.0.0.3"))?);
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 3, SOON)?;
    let records = capture.records();
    for record in records.iter().filter(|record| matches!(record.seen, Some(Seen::Vrrp { .. }))) {
        let see::Opened { ethernet, ip } = see::open(record)?;
        assert_eq!(ethernet.source, lb01.mac("eth0")?);
        assert_eq!(ethernet.destination.to_string(), "01:00:5e:00:00:12");
        assert_eq!(
            (ip.source.to_string(), ip.destination.to_string()),
            ("10.0.0.5".into(), "224.0.0.18".into())
        );
        assert_eq!((ip.ttl, ip.protocol, ip.header[1], ip.header.len()), (255, 112, 0xc0, 20));
        assert!(ip.header_verifies());
        // Version 2, type 1; VRID 50; priority 150; one address; simple text; 1 s; checksum; 10.0.0.3; password.
        let [sum0, sum1] = [ip.payload[6], ip.payload[7]];
        let expected = [0x21, 50, 150, 1, 1, 1, sum0, sum1, 10, 0, 0, 3, b'1', b'1', b'1', b'1', 0, 0, 0, 0];
        assert_eq!(ip.payload, expected);
        assert!(wire::checksum::verifies(ip.payload, wire::checksum::Sum::Message));
    }
    see::examine(&capture, &lab, "verify")
}

/// What `ip` prints.
fn said(lab: &Lab, machine: &str, arguments: &[&str]) -> Result<String, Stop> {
    let program = lab::harness::program("ip")?;
    let output = lab.machine(machine)?.command(program).args(arguments).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn crash(kinds: [Kind; 2]) -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02, client) = (lab.machine(LB01)?, lab.machine(LB02)?, lab.machine("client")?);
    let capture = Capture::start(client, "eth0")?;
    let asking = Client::start(client, ip("10.0.0.3"))?;
    let (_nodes, running) = start(&lab, kinds)?;
    let (old, new) = (lb01.mac("eth0")?, lb02.mac("eth0")?);
    asking.wait_for_answer_by(old, ELECTION)?;
    see::wait_for_neighbour(&lab, ip("10.0.0.3"), old)?;
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 2, SOON)?;
    let begun = lab::now();
    running[0].dies(&lab)?;
    running[1].enters("VI_1", "MASTER", ELECTION)?;
    let (first, second) = {
        // Five at once, five more 5 s later.
        let all = see::wait_for_announcements(&capture, 0, ip("10.0.0.3"), new, 10, ELECTION)?;
        (all[..5].to_vec(), all[5..10].to_vec())
    };
    see::wait_for_neighbour(&lab, ip("10.0.0.3"), new)?;
    let all = adverts(&capture.records());
    let taken = all.iter().find(|a| a.source == ip("10.0.0.6")).ok_or_else(|| fail("no advert of lb02"))?.at;
    let last = all.iter().rfind(|a| a.source == ip("10.0.0.5")).ok_or_else(|| fail("none of lb01"))?.at;
    let due = conf::master_down(2, 100, Duration::from_secs(1));
    let took = taken.since(last);
    assert!(took + JITTER >= due && took < due + SLACK, "{took:?}");
    assert!(all.iter().all(|advert| (advert.source == ip("10.0.0.5")) == (advert.at < taken)), "never both");
    let (burst, pause) = (first[4].since(first[0]), second[0].since(first[0]));
    assert!(first[0].since(taken) < SLACK && burst < SLACK, "the first burst takes {burst:?}");
    let five = Duration::from_secs(5);
    assert!(pause + JITTER >= five && pause < five + SLACK, "the second burst comes after {pause:?}");
    let silence = asking.timeline().since(begun).longest_silence();
    figures::time(format_args!("client silence, scenario S3, {}", kinds[0]), silence);
    assert!(silence < due + SLACK, "the client noticed a gap of {silence:?}");
    Ok(())
}

fn preemption(kinds: [Kind; 2]) -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02, client) = (lab.machine(LB01)?, lab.machine(LB02)?, lab.machine("client")?);
    let asking = Client::start(client, ip("10.0.0.3"))?;
    let (nodes, running) = start(&lab, kinds)?;
    running[0].term()?;
    asking.wait_for_answer_by(lb02.mac("eth0")?, ELECTION)?;
    running[0].wait(SOON)?;
    let mark = running[1].lines().mark();
    let begun = lab::now();
    let again = nodes[0].spawn()?;
    let entered = again.enters("VI_1", "MASTER", ELECTION)?;
    asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    running[1].enters_from(mark, "VI_1", "BACKUP", SOON)?;
    lb02.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    assert!(lb01.holds(ip("10.0.0.3"))?);
    let back = entered.at.since(begun);
    figures::time(format_args!("return to Active after the start, scenario S4, {}", kinds[0]), back);
    assert!(back < Duration::from_secs(4) + SLACK, "within 3.x s of its return: {back:?}");
    let silence = asking.timeline().since(begun).longest_silence();
    figures::time(format_args!("client silence, scenario S4 (return), {}", kinds[0]), silence);
    assert!(silence < Duration::from_millis(300), "{silence:?}");
    Ok(())
}

fn nopreempt(kinds: [Kind; 2]) -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02, client) = (lab.machine(LB01)?, lab.machine(LB02)?, lab.machine("client")?);
    let capture = Capture::start(client, "eth0")?;
    let conf = |name: &str| Flavour::V2Pass.instance(name).state("BACKUP").line("nopreempt").file();
    let nodes = pair::nodes(&lab, kinds, conf)?;
    let running = pair::settle(&nodes)?;
    let watch = lb01.watch_addresses()?;
    running[0].stop()?;
    running[1].enters("VI_1", "MASTER", ELECTION)?;
    let again = nodes[0].spawn()?;
    again.enters("VI_1", "BACKUP", SOON)?;
    // lb01 would have taken it by now: it has heard more of lb02 than its own patience.
    let mark = watch.events().mark();
    see::wait_for_adverts(&capture, ip("10.0.0.6"), 5, SOON)?;
    assert!(lb02.holds(ip("10.0.0.3"))? && !lb01.holds(ip("10.0.0.3"))?);
    assert_eq!(again.count("Entering MASTER STATE"), 0);
    assert!(watch.wait_for_address(mark, ip("10.0.0.3"), Duration::ZERO).is_err());
    // It still is a backup worth having.
    running[1].stop()?;
    again.enters("VI_1", "MASTER", ELECTION)?;
    Ok(())
}
