//! What happens to the interface under a running daemon, and what the daemon makes of it.

use std::path::PathBuf;

use lab::harness::{Outcome, Stop, Test, skip};
use lab::{Capture, Client, Lab, Machine};
use wire::Mac;

use crate::conf::{Flavour, Instance, LB01, ip};
use crate::figures;
use crate::pair::{self, ELECTION, Node, Running, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("interface::vanishes_and_reappears_with_another_number", || vanishes(Flavour::V3)),
        Test::new("interface::vanishes_and_reappears_ipv6", || vanishes(Flavour::V3Ipv6)),
        Test::new("interface::loses_carrier_and_gets_it_back", carrier),
        Test::new("interface::goes_down_and_up", || down_up(Flavour::V3)),
        Test::new("interface::goes_down_and_up_ipv6", || down_up(Flavour::V3Ipv6)),
        Test::new("interface::a_new_mac_is_announced", || new_mac(Flavour::V3)),
        Test::new("interface::a_new_mac_is_announced_ipv6", || new_mac(Flavour::V3Ipv6)),
        Test::new("interface::renamed_away_and_back", renamed),
        Test::new("interface::the_primary_address_changes", primary),
        Test::new("interface::the_only_address_goes_and_comes", no_source),
        Test::new("interface::missing_at_start_is_waited_for", missing),
        Test::new("interface::a_tentative_link_local_address_is_waited_for", tentative),
        Test::new("interface::one_of_two_instances_waits_alone", one_of_two),
    ]
}

fn instance(flavour: Flavour) -> Instance {
    flavour.instance(LB01).every("0.3")
}

fn active(lab: &Lab, flavour: Flavour) -> Result<Running, Stop> {
    let lb01 = lab.machine(LB01)?;
    let running = Node::ours(lb01, instance(flavour).file())?.start_active()?;
    lb01.wait_until_holds(flavour.service(), true, SOON)?;
    Ok(running)
}

/// Active again since `mark`, and the client notices.
fn active_again(lab: &Lab, running: &Running, mark: usize, flavour: Flavour) -> Outcome {
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    let lb01 = lab.machine(LB01)?;
    lb01.wait_until_holds(flavour.service(), true, SOON)?;
    let asking = Client::start(lab.machine("client")?, flavour.service())?;
    asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    Ok(())
}

fn vanishes(flavour: Flavour) -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let running = active(&lab, flavour)?;
    let (old, mark) = (lb01.link_index("eth0")?, running.lines().mark());
    lb01.delete_link("eth0")?;
    running.enters_from(mark, "VI_1", "FAULT", SOON)?;
    running.wait_for_line_from(mark, "eth0 does not exist", SOON)?;
    let mark = running.lines().mark();
    lb01.recreate_link("eth0")?;
    assert_ne!(lb01.link_index("eth0")?, old);
    active_again(&lab, &running, mark, flavour)?;
    running.stop()
}

fn carrier() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let running = active(&lab, Flavour::V3)?;
    let watch = lb01.watch_addresses()?;
    let (mark, pulled) = (running.lines().mark(), lab::now());
    lab.cable(lb01).unplug()?;
    running.enters_from(mark, "VI_1", "FAULT", SOON)?;
    running.wait_for_line_from(mark, "eth0 has no carrier", SOON)?;
    let gone = watch.wait_for_address_gone(0, ip("10.0.0.3"), SOON)?.at;
    figures::time("address gone after the carrier was lost", gone.since(pulled));
    let mark = running.lines().mark();
    lab.cable(lb01).plug()?;
    active_again(&lab, &running, mark, Flavour::V3)?;
    running.stop()
}

fn down_up(flavour: Flavour) -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let running = active(&lab, flavour)?;
    let mark = running.lines().mark();
    lb01.link_down("eth0")?;
    running.enters_from(mark, "VI_1", "FAULT", SOON)?;
    running.wait_for_line_from(mark, "eth0 is down", SOON)?;
    lb01.wait_until_holds(flavour.service(), false, SOON)?;
    let mark = running.lines().mark();
    lb01.link_up("eth0")?;
    if flavour.is_ipv6() {
        // The kernel forgets global IPv6 addresses when a link goes down; an administrator's tools set them again.
        lb01.add_address("eth0", "fd00:10::5/64".parse()?)?;
    }
    active_again(&lab, &running, mark, flavour)?;
    running.stop()
}

fn new_mac(flavour: Flavour) -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let capture = Capture::start(client, "eth0")?;
    let running = active(&lab, flavour)?;
    let asking = Client::start(client, flavour.service())?;
    asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    let mac = Mac([2, 0, 0, 0, 0, 0x77]);
    let mark = capture.tape().mark();
    lb01.set_mac("eth0", mac)?;
    see::wait_for_announcements(&capture, mark, flavour.service(), mac, 1, SOON)?;
    asking.wait_for_answer_by(mac, SOON)?;
    assert_eq!(running.count("Entering"), 2);
    Ok(())
}

fn renamed() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let running = active(&lab, Flavour::V3)?;
    let mark = running.lines().mark();
    lb01.rename_link("eth0", "lan0")?;
    running.enters_from(mark, "VI_1", "FAULT", SOON)?;
    running.wait_for_line_from(mark, "eth0 does not exist", SOON)?;
    // The address must not stay behind on an interface that is no longer the instance's.
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    let mark = running.lines().mark();
    lb01.rename_link("lan0", "eth0")?;
    active_again(&lab, &running, mark, Flavour::V3)
}

fn primary() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let running = active(&lab, Flavour::V3)?;
    lb01.add_address("eth0", "10.0.0.15/24".parse()?)?;
    see::wait_for_adverts(&capture, ip("10.0.0.5"), 2, SOON)?;
    // Without promote_secondaries the kernel removes the second with the first; it is set once more then.
    lb01.del_address("eth0", "10.0.0.5/24".parse()?)?;
    let _ = lb01.add_address("eth0", "10.0.0.15/24".parse()?);
    see::wait_for_adverts(&capture, ip("10.0.0.15"), 3, SOON)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    running.stop()
}

fn no_source() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let running = active(&lab, Flavour::V3)?;
    let mark = running.lines().mark();
    lb01.del_address("eth0", "10.0.0.5/24".parse()?)?;
    running.enters_from(mark, "VI_1", "FAULT", SOON)?;
    running.wait_for_line_from(mark, "no IPv4 address to send from", SOON)?;
    lb01.wait_until_holds(ip("10.0.0.3"), false, SOON)?;
    let mark = running.lines().mark();
    lb01.add_address("eth0", "10.0.0.5/24".parse()?)?;
    active_again(&lab, &running, mark, Flavour::V3)
}

fn missing() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    lb01.delete_link("eth0")?;
    let running = Node::ours(lb01, instance(Flavour::V3).file())?.start()?;
    running.enters("VI_1", "FAULT", SOON)?;
    running.wait_for_line("eth0 does not exist", SOON)?;
    let mark = running.lines().mark();
    lb01.recreate_link("eth0")?;
    active_again(&lab, &running, mark, Flavour::V3)?;
    running.stop()
}

/// Lets the kernel ask for a while whether an IPv6 address is somebody else's, as it does outside laboratories.
fn detect_duplicates(machine: &Machine) -> Outcome {
    let settings = [("all/accept_dad", "1"), ("default/accept_dad", "1"), ("default/dad_transmits", "1")];
    for (setting, value) in settings {
        let path = PathBuf::from("/proc/sys/net/ipv6/conf").join(setting);
        if let Err(why) = machine.write(&path, value) {
            return Err(skip(why.to_string()));
        }
    }
    Ok(())
}

fn tentative() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    detect_duplicates(lb01)?;
    lb01.delete_link("eth0")?;
    let watch = lb01.watch_addresses()?;
    let running = Node::ours(lb01, instance(Flavour::V3Ipv6).file())?.start()?;
    running.enters("VI_1", "FAULT", SOON)?;
    lb01.recreate_link("eth0")?;
    let not_yet = running.wait_for_line("no usable link-local IPv6 address", SOON)?;
    let local = ip("fe80::aff:fe00:5");
    let usable = watch.wait_for("the link-local address is usable", SOON, |event| {
        matches!(event.change, lab::Change::Address { address, usable: true, .. } if address.address == local)
    })?;
    assert!(not_yet.at < usable.at, "it was tentative at first");
    active_again(&lab, &running, 0, Flavour::V3Ipv6)?;
    running.stop()
}

fn one_of_two() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let mut other = Instance::new("VI_2", 60).every("0.3").line("version 3").address("10.9.0.3");
    other.interface = "eth1".into();
    let conf = format!("{}{}", instance(Flavour::V3), other);
    let running = Node::ours(lb01, conf)?.start_active()?;
    running.enters("VI_2", "FAULT", SOON)?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    assert_eq!(running.count("(VI_2) Entering MASTER"), 0);
    running.stop()
}
