//! Somebody deletes the service address while its holder is Active: it is put back at once and announced.

use std::time::Duration;

use lab::harness::{Outcome, Test};
use lab::{Capture, Cidr, Client};

use crate::conf::{Flavour, LB01, LB02, ip};
use crate::figures;
use crate::pair::{self, ELECTION, Kind, Node, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("repair::a_deleted_address_is_put_back_and_announced", || put_back(Flavour::V2Pass)),
        Test::new("repair::a_deleted_ipv6_address_is_put_back_and_announced", || put_back(Flavour::V3Ipv6)),
        Test::slow("repair::an_address_deleted_again_and_again_comes_back", again_and_again),
        Test::new("repair::all_addresses_flushed_are_put_back", flushed),
        Test::new("repair::the_measure_what_keepalived_does", measure),
    ]
}

/// The address as the kernel has it.
fn held(flavour: Flavour) -> Cidr {
    Cidr::host(flavour.service())
}

fn put_back(flavour: Flavour) -> Outcome {
    let lab = pair::three()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let service = flavour.service();
    let capture = Capture::start(client, "eth0")?;
    let nodes = pair::nodes(&lab, [Kind::Standfast; 2], |name| flavour.instance(name).file())?;
    let running = pair::settle(&nodes)?;
    let asking = Client::start(client, service)?;
    asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    // The announcements of the takeover itself must be over.
    see::wait_for_announcements(&capture, 0, service, lb01.mac("eth0")?, 10, ELECTION)?;
    let watch = lb01.watch_addresses()?;
    let (mark, lines) = (capture.tape().mark(), running[0].lines().mark());
    let begun = lab::now();
    lb01.del_address("eth0", held(flavour))?;
    let gone = watch.wait_for_address_gone(0, service, SOON)?.at;
    let back = watch.wait_for_address(0, service, SOON)?.at;
    asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    see::wait_for_announcements(&capture, mark, service, lb01.mac("eth0")?, 1, SOON)?;
    running[0].wait_for_line_from(lines, &format!("{service} was removed from eth0"), SOON)?;
    figures::time(format_args!("deleted address put back after, ours {flavour:?}"), back.since(gone));
    see::wait_for_adverts(&capture, adverts_from(flavour), 2, SOON)?;
    let silence = asking.timeline().since(begun).longest_silence();
    figures::time(format_args!("client silence, address deleted, ours {flavour:?}"), silence);
    assert!(silence < Duration::from_millis(200), "{silence:?}");
    for daemon in &running {
        let after = daemon.lines().from_mark(lines);
        assert!(!after.iter().any(|line| line.text.contains("Entering")), "{after:?}");
    }
    Ok(())
}

fn adverts_from(flavour: Flavour) -> std::net::IpAddr {
    if flavour.is_ipv6() { ip("fe80::aff:fe00:5") } else { ip("10.0.0.5") }
}

fn again_and_again() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let running = Node::ours(lb01, Flavour::V3.instance(LB01).every("0.3").file())?.start_active()?;
    lb01.wait_until_holds(ip("10.0.0.3"), true, SOON)?;
    let watch = lb01.watch_addresses()?;
    let delete = || -> lab::Result<usize> {
        let mark = watch.events().mark();
        lb01.del_address("eth0", held(Flavour::V3))?;
        Ok(mark)
    };
    for _ in 0..5 {
        watch.wait_for_address(delete()?, ip("10.0.0.3"), SOON)?;
    }
    assert_eq!(running.count("Entering"), 2, "BACKUP and MASTER at the start: five are repaired");
    // The sixth within ten seconds is a fight, which is left to the others for five seconds.
    let mark = delete()?;
    running.wait_for_line("Entering FAULT STATE", SOON)?;
    running.wait_for_line("10.0.0.3 keeps being removed from eth0", SOON)?;
    let fault = running.lines().mark();
    watch.wait_for_address(mark, ip("10.0.0.3"), Duration::from_secs(20))?;
    // Back in its role, and the address with it.
    running.wait_for_line_from(fault, "Entering MASTER STATE", SOON)?;
    running.stop()?;
    assert!(!lb01.holds(ip("10.0.0.3"))?);
    Ok(())
}

/// As `ip addr flush` or a restarted network manager does it, the machine's own address included.
fn flushed() -> Outcome {
    let lab = pair::alone()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let conf = Flavour::V3.instance(LB01).every("0.3").address("10.0.0.4").file();
    let running = Node::ours(lb01, conf)?.start_active()?;
    for address in ["10.0.0.3", "10.0.0.4"] {
        lb01.wait_until_holds(ip(address), true, SOON)?;
    }
    for address in ["10.0.0.5/24", "10.0.0.3/32", "10.0.0.4/32"] {
        let cidr: Cidr = address.parse()?;
        // One that went with another, or came back meanwhile, needs no care.
        let _ = lb01.del_address("eth0", cidr);
    }
    lb01.add_address("eth0", "10.0.0.5/24".parse()?)?;
    for address in ["10.0.0.3", "10.0.0.4"] {
        Client::start(client, ip(address))?.wait_for_answer_by(lb01.mac("eth0")?, ELECTION)?;
        assert!(lb01.holds(ip(address))?);
    }
    running.stop()
}

fn measure() -> Outcome {
    let lab = pair::three()?;
    let (lb01, client) = (lab.machine(LB01)?, lab.machine("client")?);
    let nodes = pair::nodes(&lab, [Kind::Keepalived; 2], |name| Flavour::V2Pass.instance(name).file())?;
    let running = pair::settle(&nodes)?;
    let asking = Client::start(client, ip("10.0.0.3"))?;
    asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    let (mark, begun) = (running[0].lines().mark(), lab::now());
    lb01.del_address("eth0", held(Flavour::V2Pass))?;
    running[0].enters_from(mark, "VI_1", "MASTER", ELECTION)?;
    asking.wait_for_answer_by(lb01.mac("eth0")?, SOON)?;
    assert!(!lab.machine(LB02)?.holds(ip("10.0.0.3"))?);
    let silence = asking.timeline().since(begun).longest_silence();
    figures::time("client silence, address deleted, theirs V2Pass", silence);
    Ok(())
}
