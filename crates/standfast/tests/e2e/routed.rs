//! Instances without an interface: routing decides where they speak, and a VRF that is missing keeps them in FAULT.

use lab::harness::{Outcome, Test};
use lab::{Capture, Signal};

use crate::conf::{LB01, LB02, ip};
use crate::crash::worker;
use crate::pair::{self, ELECTION, Node, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("routed::a_pair_elects_moves_and_gives_back", || story(false)),
        Test::new("routed::a_pair_elects_moves_and_gives_back_ipv6", || story(true)),
        Test::new("routed::no_link_is_watched_that_nothing_names", links),
        Test::new("routed::a_vrf_that_is_missing_is_a_fault_until_a_reload", missing),
        Test::new("routed::a_worker_that_dies_is_succeeded", succession),
    ]
}

/// `own` and `peer` are the last parts of the nodes' addresses.
fn conf(own: u8, peer: u8, priority: u8, six: bool, place: &str) -> String {
    let (prefix, service) = if six { ("fd00:10::", "fd00:10::3/64") } else { ("10.0.0.", "10.0.0.3/24") };
    format!(
        "vrrp_instance VI_1 {{\n    {place}\n    virtual_router_id 50\n    version 3\n    priority {priority}\n    \
         advert_int 0.3\n    unicast_src_ip {prefix}{own}\n    unicast_peer {{\n        {prefix}{peer}\n    }}\n    \
         virtual_ipaddress {{\n        {service} dev eth0\n    }}\n}}\n"
    )
}

fn story(six: bool) -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    let (service, source) =
        if six { (ip("fd00:10::3"), ip("fd00:10::5")) } else { (ip("10.0.0.3"), ip("10.0.0.5")) };
    let capture = Capture::start(lb02, "eth0")?;
    let first = Node::ours(lb01, conf(5, 6, 150, six, ""))?.start_active()?;
    lb01.wait_until_holds(service, true, SOON)?;
    see::wait_for_announcements(&capture, 0, service, lb01.mac("eth0")?, 1, SOON)?;
    see::wait_for_adverts(&capture, source, 3, SOON)?;
    let second = Node::ours(lb02, conf(6, 5, 100, six, ""))?.start()?;
    second.enters("VI_1", "BACKUP", SOON)?;
    // It hears: longer than it would wait for a silent one.
    see::wait_for_adverts(&capture, source, 8, SOON)?;
    assert_eq!(second.count("Entering MASTER"), 0);
    let mark = second.lines().mark();
    first.stop()?;
    second.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    lb02.wait_until_holds(service, true, SOON)?;
    assert!(!lb01.holds(service)?);
    second.stop()
}

fn links() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let text = conf(5, 6, 150, false, "");
    // The weight tells that the link's end was heard of.
    let quiet = text.replace("dev eth0", "dev eth0 no_track");
    let quiet = quiet
        .replace("    version 3", "    track_interface {\n        eth0 weight -20\n    }\n    version 3");
    let node = Node::ours(lb01, quiet)?;
    let running = node.start_active()?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    lab.cable(lb01).unplug()?;
    running.wait_for_line("effective priority from 150 to 130", SOON)?;
    assert_eq!(running.count("Entering FAULT"), 0);
    node.write(&text)?;
    running.signal(Signal::HUP)?;
    running.wait_for_line("because interface eth0 has no carrier", SOON)?;
    let mark = running.lines().mark();
    lab.cable(lb01).plug()?;
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    running.stop()
}

fn missing() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let node = Node::ours(lb01, conf(5, 6, 150, false, "vrf red"))?;
    let running = node.start()?;
    running.enters("VI_1", "FAULT", SOON)?;
    running.wait_for_line("because the VRF device red does not exist", SOON)?;
    running.wait_for_line("there is no interface `red` now", SOON)?;
    let mark = running.lines().mark();
    node.write(conf(5, 6, 150, false, "vrf eth0"))?;
    running.signal(Signal::HUP)?;
    running.wait_for_line_from(mark, "interface `eth0` is no VRF device", SOON)?;
    running.wait_for_line_from(mark, "because interface eth0 is no VRF device", SOON)?;
    let mark = running.lines().mark();
    node.write(conf(5, 6, 150, false, ""))?;
    running.signal(Signal::HUP)?;
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    running.stop()
}

fn succession() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let running = Node::ours(lb01, conf(5, 6, 150, false, ""))?.start_active()?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let mark = running.lines().mark();
    running.signal_process(worker(&running)?, Signal::KILL)?;
    running.wait_for_line_from(mark, "where the worker before it left off", SOON)?;
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    assert_eq!(running.count("Entering BACKUP"), 1, "at its start only");
    running.stop()
}
