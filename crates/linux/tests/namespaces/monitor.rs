//! The monitor: what the kernel tells, who did it, and what is lost.

use crate::space::{self, inside, until};
use crate::trial;
use libtest_mimic::Trial;
use linux::hand::Hand;
use linux::ledger::Ledger;
use linux::links::Netns;
use linux::mailbox::Mailbox;
use linux::monitor::{Monitor, Traces};
use linux::netlink::{Netlink, Request};
use model::{AddressOptions, VirtualAddress};
use node::io::{Act, Actor, Fact, Hold, InterfaceIndex, Link, Outcome, Placed, RouterId};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;

pub(crate) fn trials(into: &mut Vec<Trial>) {
    into.extend([
        trial("monitor::what_the_kernel_takes_along_is_not_our_doing", taken_along),
        trial("monitor::begins_with_everything", everything),
        trial("monitor::tells_links_and_their_end", links),
        trial("monitor::tells_addresses_and_who_removed_them", addresses),
        trial("monitor::an_address_under_duplicate_detection_is_not_usable", tentative),
        trial("monitor::after_a_loss_it_tells_everything", overrun),
        trial("monitor::leaving_a_bridge_is_not_the_end_of_an_interface", bridge),
        trial("monitor::tells_when_forwarding_changes", forwarding),
    ]);
}

fn alone() -> Monitor {
    Monitor::open(0, Arc::default()).unwrap()
}

fn facts(monitor: &mut Monitor) -> Vec<Fact> {
    let mut facts = Vec::new();
    monitor.receive(|fact| facts.push(fact)).unwrap();
    facts
}

/// Waits for a fact that `wanted` makes something of.
fn fact<T>(monitor: &mut Monitor, what: &str, wanted: impl Fn(&Fact) -> Option<T>) -> T {
    until(what, || facts(monitor).iter().find_map(&wanted))
}

fn link(monitor: &mut Monitor, name: &str, wanted: impl Fn(&Link) -> bool) -> Link {
    fact(monitor, name, |fact| match fact {
        Fact::Link(link) if &*link.name == name && wanted(link) => Some(link.clone()),
        _ => None,
    })
}

fn everything() {
    space::address("lo", "10.0.0.1", 32);
    let mut monitor = alone();
    space::address("lo", "10.0.0.2", 32);
    let Fact::Everything { links, addresses } = monitor.everything().unwrap() else { panic!() };
    assert_eq!(links.len(), 1);
    let lo = &links[0];
    assert_eq!((&*lo.name, lo.index, lo.up, lo.carrier, lo.loopback), ("lo", 1, true, true, true));
    let texts: Vec<_> = addresses.iter().map(|a| format!("{}/{}", a.address, a.prefix)).collect();
    assert_eq!(texts, ["127.0.0.1/8", "10.0.0.1/32", "10.0.0.2/32", "::1/128"]);
    assert!(addresses.iter().all(|address| address.usable && !address.marked && address.interface == 1));
    assert_eq!(facts(&mut monitor), [], "what the truth contains is not told again");
}

fn links() {
    let there = space::another();
    let mut netlink = Netlink::open().unwrap();
    let mut monitor = alone();
    monitor.everything().unwrap();
    netlink.create_veth("a", "b", Some(Netns::Fd(there.as_fd()))).unwrap();
    let new = link(&mut monitor, "a", |_| true);
    assert!(!new.up && !new.carrier && !new.loopback);
    netlink.set_up("a", true).unwrap();
    let up = link(&mut monitor, "a", |link| link.up);
    assert!(!up.carrier, "the other end is down");
    inside(&there, || Netlink::open().unwrap().set_up("b", true).unwrap());
    link(&mut monitor, "a", |link| link.carrier);
    inside(&there, || Netlink::open().unwrap().set_up("b", false).unwrap());
    link(&mut monitor, "a", |link| link.up && !link.carrier);
    netlink.set_mac("a", wire::Mac([2, 0, 0, 0, 0, 9])).unwrap();
    link(&mut monitor, "a", |link| link.mac == wire::Mac([2, 0, 0, 0, 0, 9]));
    netlink.delete_link("a").unwrap();
    let gone = fact(&mut monitor, "the end of a", |fact| match fact {
        Fact::LinkGone(index) => Some(*index),
        _ => None,
    });
    assert_eq!(gone, new.index);
}

fn gone(monitor: &mut Monitor, address: IpAddr) -> (InterfaceIndex, Actor) {
    fact(monitor, "an address that is gone", |fact| match fact {
        Fact::AddressGone { place, by } if place.address == address => Some((place.interface, by.clone())),
        _ => None,
    })
}

fn addresses() {
    let outcomes: Arc<Mailbox<Outcome>> = Arc::new(Mailbox::new().unwrap());
    let hand = Hand::start(outcomes, Ledger::create(16).unwrap()).unwrap();
    let mut monitor = Monitor::open(hand.port(), hand.traces()).unwrap();
    monitor.everything().unwrap();
    for text in ["10.0.0.3", "2001:db8::3"] {
        let address: IpAddr = text.parse().unwrap();
        let placed: Arc<[Placed]> =
            Arc::new([Placed { interface: 1, address: VirtualAddress::host(address) }]);
        let add = || {
            let announcements = Arc::new([]);
            let act = Act::Add { addresses: Arc::clone(&placed), announcements };
            hand.push(Hold { router: RouterId(1), epoch: 1, act });
        };
        let told = |monitor: &mut Monitor| {
            fact(monitor, "a new address", |fact| match fact {
                Fact::Address(told) if told.address == address => Some(told.clone()),
                _ => None,
            })
        };
        // Nothing is there, and nobody set it: no trace either.
        let act = Act::Remove { addresses: Arc::clone(&placed), all: true };
        hand.push(Hold { router: RouterId(1), epoch: 1, act });
        add();
        told(&mut monitor);
        Netlink::open().unwrap().remove_address("lo", address, placed[0].address.prefix).unwrap();
        assert!(matches!(gone(&mut monitor, address).1, Actor::Other(_)));
        let act = Act::Remove { addresses: Arc::clone(&placed), all: true };
        hand.push(Hold { router: RouterId(1), epoch: 1, act });
        add();
        let new = told(&mut monitor);
        assert!(new.marked && new.usable && !new.secondary && new.interface == 1, "{new:?}");
        let act = Act::Remove { addresses: Arc::clone(&placed), all: false };
        hand.push(Hold { router: RouterId(1), epoch: 1, act });
        assert_eq!(gone(&mut monitor, address), (1, Actor::Ourselves));
        // Set again, and removed by somebody else.
        add();
        told(&mut monitor);
        Netlink::open().unwrap().remove_address("lo", address, new.prefix).unwrap();
        let (_, by) = gone(&mut monitor, address);
        assert!(matches!(by, Actor::Other(_)), "{by:?}");
        add();
        told(&mut monitor);
        let text = format!("{address}/{}", new.prefix);
        if Command::new("ip").args(["address", "del", &text, "dev", "lo"]).status().is_ok_and(|s| s.success())
        {
            let (_, by) = gone(&mut monitor, address);
            assert_eq!(by, Actor::Other(None), "who did it has ended");
        }
        // A removal that finds nothing leaves no trace behind that would excuse the next.
        let act = Act::Remove { addresses: Arc::clone(&placed), all: true };
        hand.push(Hold { router: RouterId(1), epoch: 1, act });
        add();
        told(&mut monitor);
        Netlink::open().unwrap().remove_address("lo", address, new.prefix).unwrap();
        assert!(matches!(gone(&mut monitor, address).1, Actor::Other(_)));
    }
}

fn tentative() {
    let there = space::another();
    let mut netlink = Netlink::open().unwrap();
    netlink.create_veth("a", "b", Some(Netns::Fd(there.as_fd()))).unwrap();
    inside(&there, || Netlink::open().unwrap().set_up("b", true).unwrap());
    netlink.set_up("a", true).unwrap();
    let index = netlink.link_index("a").unwrap();
    let mut monitor = alone();
    monitor.everything().unwrap();
    let dad = AddressOptions { detect_duplicates: true, ..AddressOptions::default() };
    let address = VirtualAddress::host("2001:db8::5".parse().unwrap()).with(dad);
    netlink.run(&Request::add_virtual(index, &address)).unwrap();
    let usable = |monitor: &mut Monitor, usable: bool| {
        fact(monitor, "the address", |fact| match fact {
            Fact::Address(told) if told.address == address.address && told.usable == usable => Some(()),
            _ => None,
        })
    };
    usable(&mut monitor, false);
    usable(&mut monitor, true);
}

fn overrun() {
    let traces: Arc<Traces> = Arc::default();
    let mut monitor = Monitor::open_with(0, traces, 4096).unwrap();
    monitor.everything().unwrap();
    let mut netlink = Netlink::open().unwrap();
    let requests: Vec<Request> = (0..200u32)
        .map(|n| {
            let address = IpAddr::from(u32::to_be_bytes(0x0a01_0000 + n));
            Request::add_virtual(1, &VirtualAddress::host(address))
        })
        .collect();
    netlink.batch(&requests, &mut Vec::new()).unwrap();
    let told = facts(&mut monitor);
    let Some(Fact::Everything { addresses, .. }) = told.last() else { panic!("{told:?}") };
    assert_eq!(addresses.iter().filter(|address| address.marked).count(), 200);
    assert_eq!(monitor.overruns(), 1);
    space::address("lo", "10.9.9.9", 32);
    let told = until("the next fact", || Some(facts(&mut monitor)).filter(|told| !told.is_empty()));
    assert!(matches!(told[0], Fact::Address(_)), "then it goes on as before: {told:?}");
}

fn bridge() {
    let mut netlink = Netlink::open().unwrap();
    netlink.create_bridge("lan").unwrap();
    netlink.create_veth("a", "b", None).unwrap();
    let index = netlink.link_index("a").unwrap();
    let mut monitor = alone();
    monitor.everything().unwrap();
    netlink.set_master("a", Some("lan")).unwrap();
    netlink.set_master("a", None).unwrap();
    netlink.rename("a", "last").unwrap();
    let mut told = Vec::new();
    until("the rename", || {
        told.extend(facts(&mut monitor));
        told.iter().any(|fact| matches!(fact, Fact::Link(link) if &*link.name == "last")).then_some(())
    });
    assert!(!told.contains(&Fact::LinkGone(index)), "{told:?}");
}

fn forwarding() {
    let mut netlink = Netlink::open().unwrap();
    netlink.create_veth("a", "b", None).unwrap();
    let mut monitor = alone();
    let Fact::Everything { links, .. } = monitor.everything().unwrap() else { panic!() };
    assert!(links.iter().all(|link| !link.forwards_ipv6));
    space::sysctl("ipv6/conf/a/forwarding", "1");
    link(&mut monitor, "a", |link| link.forwards_ipv6);
    space::sysctl("ipv6/conf/all/forwarding", "1");
    link(&mut monitor, "b", |link| link.forwards_ipv6);
    space::sysctl("ipv6/conf/all/forwarding", "0");
    link(&mut monitor, "a", |link| !link.forwards_ipv6);
}

fn taken_along() {
    let outcomes: Arc<Mailbox<Outcome>> = Arc::new(Mailbox::new().unwrap());
    let hand = Hand::start(outcomes, Ledger::create(16).unwrap()).unwrap();
    let mut monitor = Monitor::open(hand.port(), hand.traces()).unwrap();
    monitor.everything().unwrap();
    let ours: IpAddr = "10.1.0.3".parse().unwrap();
    let address = VirtualAddress { prefix: 24, ..VirtualAddress::host(ours) };
    let addresses: Arc<[Placed]> = Arc::new([Placed { interface: 1, address }]);
    let act = Act::Add { addresses: Arc::clone(&addresses), announcements: Arc::new([]) };
    hand.push(Hold { router: RouterId(1), epoch: 1, act });
    fact(&mut monitor, "our address", |fact| {
        matches!(fact, Fact::Address(told) if told.address == ours).then_some(())
    });
    let theirs = space::address("lo", "10.1.0.4", 24);
    space::sysctl("ipv4/conf/lo/promote_secondaries", "0");
    space::sysctl("ipv4/conf/all/promote_secondaries", "0");
    hand.push(Hold { router: RouterId(1), epoch: 2, act: Act::Remove { addresses, all: false } });
    let mut told = Vec::new();
    until("both removals", || {
        told.extend(facts(&mut monitor).into_iter().filter_map(|fact| match fact {
            Fact::AddressGone { place, by } => Some((place.address, by)),
            _ => None,
        }));
        (told.len() >= 2).then_some(())
    });
    told.sort_by_key(|(address, _)| *address);
    assert_eq!(told, [(ours, Actor::Ourselves), (theirs, Actor::Other(None))]);
}
