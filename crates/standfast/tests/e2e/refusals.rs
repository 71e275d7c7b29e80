//! The kernel says no: missing privileges, addresses that are there already, addresses it will not set.

use std::path::PathBuf;

use lab::harness::{Outcome, Stop, Test, program, skip};
use lab::{Capture, Client, Ended, Machine};

use crate::conf::{Flavour, LB01, LB02, ip};
use crate::pair::{self, ELECTION, Node, OURS, SOON};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("refusals::without_cap_net_admin", || without("net_admin", "CAP_NET_ADMIN")),
        Test::new("refusals::without_cap_net_raw", || without("net_raw", "CAP_NET_RAW")),
        Test::new("refusals::an_ordinary_user_is_told_the_same", ordinary_user),
        Test::new("refusals::an_address_that_is_there_is_adopted_and_left", adopted),
        Test::new("refusals::ipv6_switched_off_is_a_fault_until_it_is_on_again", no_ipv6),
        Test::new("refusals::an_instance_whose_only_address_is_refused_leaves_it_to_the_peer", refused),
        Test::new("refusals::one_address_of_two_that_cannot_be_set_is_an_alarm", one_of_two),
        Test::new("refusals::an_unreadable_file_names_the_permission", unreadable),
    ]
}

/// The words that run a program without a capability.
fn without_capability(name: &str) -> [String; 2] {
    [format!("--bounding-set=-{name}"), format!("--inh-caps=-{name}")]
}

fn without(name: &str, capability: &str) -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let node = Node::ours(lb01, Flavour::V3.instance(LB01).every("0.3").file())?;
    let daemon = lb01.spawn(program("setpriv")?, |command| {
        command.args(without_capability(name)).arg(OURS).args(["run", "-f"]).arg(&node.conf);
        command.arg("-p").arg(&node.pid_file);
    })?;
    assert_eq!(daemon.wait(SOON)?, Ended::Code(4), "{}", daemon.log());
    daemon.wait_for_line(capability, SOON)?;
    assert!(capture.records().iter().all(|record| record.advert().is_none()));
    Ok(())
}

fn can_become_another() -> Result<(), Stop> {
    let alone = lab::inside().is_some_and(|inside| inside.user_namespace);
    if alone { Err(skip("only root can become another user")) } else { Ok(()) }
}

/// A copy of the program that everybody may run.
fn for_everybody(machine: &Machine) -> Result<PathBuf, Stop> {
    can_become_another()?;
    let copy = machine.file("standfast");
    // Not copied by this process: another thread's fork could hold the copy open for writing.
    let copied = std::process::Command::new("install").args(["-m", "755", OURS]).arg(&copy).status()?;
    assert!(copied.success());
    Ok(copy)
}

fn ordinary_user() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let ours = for_everybody(lb01)?;
    let node = Node::ours(lb01, Flavour::V3.instance(LB01).file())?;
    let daemon = lb01.spawn(program("setpriv")?, |command| {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&ours).args(["run", "-f"]);
        command.arg(&node.conf).arg("-p").arg(&node.pid_file);
    })?;
    assert_eq!(daemon.wait(SOON)?, Ended::Code(4), "{}", daemon.log());
    for capability in ["CAP_NET_ADMIN", "CAP_NET_RAW"] {
        daemon.wait_for_line(capability, SOON)?;
    }
    Ok(())
}

fn unreadable() -> Outcome {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let ours = for_everybody(lb01)?;
    let node = Node::ours(lb01, Flavour::V3.instance(LB01).file())?;
    std::fs::set_permissions(&node.conf, std::fs::Permissions::from_mode(0o600))?;
    let daemon = lb01.spawn(program("setpriv")?, |command| {
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&ours)
            .arg("check")
            .arg(&node.conf);
    })?;
    assert_eq!(daemon.wait(SOON)?, Ended::Code(2), "{}", daemon.log());
    daemon.wait_for_line("ermission denied", SOON)?;
    Ok(())
}

fn adopted() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    lb01.add_address("eth0", "10.0.0.3/32".parse()?)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let running = Node::ours(lb01, Flavour::V3.instance(LB01).every("0.3").file())?.start_active()?;
    running.wait_for_line("10.0.0.3 was on eth0 already; it will be left there", SOON)?;
    crate::see::wait_for_announcements(&capture, 0, ip("10.0.0.3"), lb01.mac("eth0")?, 5, SOON)?;
    running.stop()?;
    assert!(lb01.holds(ip("10.0.0.3"))?, "it is not ours to remove");
    Ok(())
}

/// Lets the kernel refuse IPv6 addresses on an interface.
fn switch_ipv6_off(machine: &Machine, off: bool) -> Outcome {
    let path = "/proc/sys/net/ipv6/conf/eth0/disable_ipv6";
    machine.write(path, if off { "1" } else { "0" }).map_err(|why| skip(why.to_string()))
}

/// The one address cannot be set (of one subnet the kernel takes one scope only): the instance does not claim to hold
/// what it cannot, and the peer serves.
fn refused() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02, client) = (lab.machine(LB01)?, lab.machine(LB02)?, lab.machine("client")?);
    let capture = Capture::start(client, "eth0")?;
    let conf = |name: &str, line: &str| {
        let mut instance = Flavour::V3.instance(name).every("0.3");
        instance.addresses = vec![line.into()];
        instance.file()
    };
    let node = Node::ours(lb01, conf(LB01, "10.0.0.3/24 scope link"))?;
    let running = node.spawn()?;
    let other = Node::ours(lb02, conf(LB02, "10.0.0.3/24"))?.spawn()?;
    let refused = running.wait_for_line("cannot set 10.0.0.3 on eth0: invalid argument", ELECTION)?;
    running.enters("VI_1", "FAULT", SOON)?;
    running.wait_for_line("address refused", SOON)?;
    let resigned = capture.wait_for("it resigns", SOON, |record| record.advert() == Some((50, 0)))?;
    assert!(resigned.at.since(refused.at) < SOON);
    other.enters("VI_1", "MASTER", ELECTION)?;
    let asking = Client::start(client, ip("10.0.0.3"))?;
    asking.wait_for_answer_by(lb02.mac("eth0")?, SOON)?;
    // It tries again by itself, and fails again.
    let mark = running.lines().mark();
    running.wait_for_line_from(mark, "cannot set 10.0.0.3", std::time::Duration::from_secs(20))?;
    // A better configuration is tried at once.
    let mark = running.lines().mark();
    node.write(conf(LB01, "10.0.0.3/24"))?;
    running.signal(lab::Signal::HUP)?;
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    running.stop()
}

/// No IPv6 at all: nothing to send from.
fn no_ipv6() -> Outcome {
    let lab = pair::three()?;
    let (lb01, lb02) = (lab.machine(LB01)?, lab.machine(LB02)?);
    switch_ipv6_off(lb01, true)?;
    let capture = Capture::start(lab.machine("client")?, "eth0")?;
    let running = Node::ours(lb01, Flavour::V3Ipv6.instance(LB01).every("0.3").file())?.start()?;
    running.enters("VI_1", "FAULT", SOON)?;
    running.wait_for_line("no usable link-local IPv6 address", SOON)?;
    let other = Node::ours(lb02, Flavour::V3Ipv6.instance(LB02).every("0.3").file())?.start_active()?;
    lb02.wait_until_holds(ip("fd00:10::3"), true, SOON)?;
    // It comes back as soon as the kernel lets it.
    let mark = running.lines().mark();
    switch_ipv6_off(lb01, false)?;
    running.enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    lb01.wait_until_holds(ip("fd00:10::3"), true, SOON)?;
    capture.wait_for("lb01's adverts", SOON, |record| record.advert() == Some((50, 150)))?;
    lb02.wait_until_holds(ip("fd00:10::3"), false, SOON)?;
    other.stop()
}

/// An excluded IPv6 address is refused, the IPv4 address is not: it stays Active and says so.
fn one_of_two() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    switch_ipv6_off(lb01, true)?;
    let conf = Flavour::V3.instance(LB01).every("0.3");
    let conf = conf.line("virtual_ipaddress_excluded {\n        fd00:10::4\n    }").file();
    let running = Node::ours(lb01, conf)?.start_active()?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let refused = running.wait_for_line("cannot set fd00:10::4 on eth0", SOON)?;
    assert!(refused.text.contains("next try in"), "{refused:?}");
    switch_ipv6_off(lb01, false)?;
    lb01.wait_until_holds(ip("fd00:10::4"), true, std::time::Duration::from_secs(20))?;
    assert_eq!(running.count("Entering"), 2);
    running.stop()?;
    assert!(!lb01.holds(ip("fd00:10::4"))?);
    Ok(())
}
