//! Static addresses, ours beside Debian's keepalived: there from the start, put back, moved by a reload, gone at the end.

use lab::harness::{Outcome, Test};
use lab::{Change, Event, Signal};

use crate::conf::{Flavour, LB01, ip};
use crate::crash::worker;
use crate::pair::{self, Kind, Node, SOON};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("fixed::ours_are_kept_put_back_and_given_back", || story(Kind::Standfast)),
        Test::new("fixed::theirs_are_kept_put_back_and_given_back", || story(Kind::Keepalived)),
        Test::new("fixed::a_worker_that_dies_leaves_no_gap", succession),
        Test::new("fixed::an_address_of_the_administrator_stays", stays),
    ]
}

fn conf(addresses: &[&str], every: &str) -> String {
    let lines: String = addresses.iter().map(|address| format!("    {address}\n")).collect();
    format!("static_ipaddress {{\n{lines}}}\n{}", Flavour::V3.instance(LB01).every(every).file())
}

fn story(kind: Kind) -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let watch = lb01.watch_addresses()?;
    let node = Node::new(lb01, kind, conf(&["10.1.0.1/24 dev eth0", "2001:db8::7/64 dev eth0"], "0.3"))?;
    let running = node.spawn()?;
    for address in ["10.1.0.1", "2001:db8::7"] {
        lb01.wait_until_holds(ip(address), true, SOON)?;
    }
    for address in ["10.1.0.1/24", "2001:db8::7/64"] {
        let mark = watch.events().mark();
        lb01.del_address("eth0", address.parse()?)?;
        let (address, _) = address.split_once('/').unwrap();
        let gone = watch.wait_for_address_gone(mark, ip(address), SOON)?.at;
        // What tells that it was set at first may come after the mark.
        let back = |event: &Event| {
            event.at >= gone
                && matches!(&event.change, Change::Address { address: of, .. } if of.address == ip(address))
        };
        watch.wait_from(mark, &format!("{address} is put back"), SOON, back)?;
    }
    running.enters("VI_1", "MASTER", pair::ELECTION)?;
    node.write(conf(&["10.1.0.2/24 dev eth0"], "0.3"))?;
    running.signal(Signal::HUP)?;
    lb01.wait_until_holds(ip("10.1.0.2"), true, SOON)?;
    lb01.wait_until_holds(ip("10.1.0.1"), false, SOON)?;
    running.stop()?;
    for address in ["10.1.0.2", "2001:db8::7", "10.0.0.3"] {
        assert!(!lb01.holds(ip(address))?, "{address} after {kind}");
    }
    Ok(())
}

fn succession() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    let running = Node::ours(lb01, conf(&["10.1.0.1/24 dev eth0"], "1"))?.start_active()?;
    lb01.wait_until_holds(ip("10.1.0.1"), true, SOON)?;
    let watch = lb01.watch_addresses()?;
    let mark = running.lines().mark();
    running.signal_process(worker(&running)?, Signal::KILL)?;
    running.wait_for_line_from(mark, "where the worker before it left off", SOON)?;
    running.stop()?;
    lb01.wait_until_holds(ip("10.1.0.1"), false, SOON)?;
    let is_it = |change: &Change| matches!(change, Change::AddressGone { address, .. } if address.address == ip("10.1.0.1"));
    let gone = watch.events().all().iter().filter(|event| is_it(&event.change)).count();
    assert_eq!(gone, 1, "at the end only");
    Ok(())
}

fn stays() -> Outcome {
    let lab = pair::alone()?;
    let lb01 = lab.machine(LB01)?;
    lb01.add_address("eth0", "10.1.0.1/24".parse()?)?;
    let running = Node::ours(lb01, conf(&["10.1.0.1/24 dev eth0"], "0.3"))?.start_active()?;
    running.wait_for_line("static address 10.1.0.1 was on eth0 already", SOON)?;
    running.stop()?;
    assert!(lb01.holds(ip("10.1.0.1"))?);
    Ok(())
}
