//! Netlink: batches, refusals, dumps, links.

use crate::space::{self, Sniffer};
use crate::trial;
use libtest_mimic::Trial;
use linux::links::MacVlanMode;
use linux::netlink::{Netlink, Request};
use model::{AddressOptions, VirtualAddress};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;
use wire::Mac;

pub(crate) fn trials(into: &mut Vec<Trial>) {
    into.extend([
        trial("netlink::a_batch_reports_each_failure_and_carries_out_the_rest", planted_errors),
        trial("netlink::a_thousand_addresses", thousand),
        trial("netlink::options_of_a_virtual_address_arrive", options),
        trial("netlink::links_can_be_made_and_changed", links),
        trial("netlink::isolated_ports_do_not_hear_each_other", isolated),
        trial("netlink::errors_name_the_thing_and_the_kernels_words", words),
    ]);
}

fn virtual_address(text: &str) -> VirtualAddress {
    VirtualAddress::host(text.parse().unwrap())
}

fn lo() -> (Netlink, u32) {
    let mut netlink = Netlink::open().unwrap();
    let index = netlink.link_index("lo").unwrap();
    (netlink, index)
}

fn planted_errors() {
    let (mut netlink, lo) = lo();
    let mut requests: Vec<Request> = (0..200u32)
        .map(|n| {
            let address = VirtualAddress::host(IpAddr::V4(Ipv4Addr::from(0x0a01_0000 + n)));
            Request::add_virtual(lo, &address)
        })
        .collect();
    // First, in the middle, last of a slice, first of the next, last of all.
    let mut wrong = virtual_address("10.9.9.9");
    wrong.prefix = 40;
    for (at, bad) in [
        (0, Request::add_virtual(4_000_000, &virtual_address("10.9.9.1"))),
        (30, Request::add_virtual(lo, &wrong)),
        (63, Request::remove_virtual(lo, &virtual_address("10.9.9.2"))),
        (64, Request::add_virtual(lo, &virtual_address("10.1.0.5"))),
        (199, Request::remove_virtual(lo, &virtual_address("10.9.9.3"))),
    ] {
        requests[at] = bad;
    }
    let mut results = Vec::new();
    netlink.batch(&requests, &mut results).unwrap();
    assert_eq!(results.len(), 200);
    let failed: Vec<(usize, i32)> = results
        .iter()
        .enumerate()
        .filter_map(|(at, result)| result.as_ref().err().map(|why| (at, why.errno.0)))
        .collect();
    let expected = [
        (0, libc::ENODEV),
        (30, libc::EINVAL),
        (63, libc::EADDRNOTAVAIL),
        (64, libc::EEXIST),
        (199, libc::EADDRNOTAVAIL),
    ];
    assert_eq!(failed, expected);
    assert!(results[30].as_ref().unwrap_err().text.is_some(), "the kernel's words are kept");
    let held = netlink.dump_addresses().unwrap();
    assert_eq!(held.iter().filter(|address| address.marked).count(), 195);
}

fn thousand() {
    let (mut netlink, lo) = lo();
    for family in ["10.2.0.0", "2001:db8::"] {
        let addresses: Vec<VirtualAddress> = (0..1000u32)
            .map(|n| {
                VirtualAddress::host(match family.parse().unwrap() {
                    IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from(u32::from(ip) + n)),
                    IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) + u128::from(n)).into()),
                })
            })
            .collect();
        for (what, requests) in [
            ("add", addresses.iter().map(|a| Request::add_virtual(lo, a)).collect::<Vec<_>>()),
            ("remove", addresses.iter().map(|a| Request::remove_virtual(lo, a)).collect()),
        ] {
            let mut results = Vec::new();
            let start = Instant::now();
            netlink.batch(&requests, &mut results).unwrap();
            println!("1000 addresses {family} {what}: {:?}", start.elapsed());
            assert!(results.iter().all(Result::is_ok));
        }
    }
    assert!(netlink.dump_addresses().unwrap().iter().all(|address| !address.marked));
}

fn options() {
    let (mut netlink, lo) = lo();
    let v4 = AddressOptions {
        scope: 253,
        label: Some("lo:vip".into()),
        broadcast: Some(Ipv4Addr::new(10, 3, 0, 255)),
        no_prefix_route: true,
        ..AddressOptions::default()
    };
    let v4 = VirtualAddress { prefix: 24, ..virtual_address("10.3.0.1") }.with(v4);
    let peer = AddressOptions { peer: Some("10.4.0.2".parse().unwrap()), ..AddressOptions::default() };
    let peer = virtual_address("10.4.0.1").with(peer);
    let v6 = virtual_address("2001:db8::7").with(AddressOptions { home: true, ..AddressOptions::default() });
    let dad = AddressOptions { detect_duplicates: true, ..AddressOptions::default() };
    let dad = VirtualAddress { prefix: 64, ..virtual_address("2001:db8::8") }.with(dad);
    for address in [&v4, &peer, &v6, &dad] {
        netlink.run(&Request::add_virtual(lo, address)).unwrap();
    }
    let shown = std::process::Command::new("ip").args(["-d", "address", "show", "dev", "lo"]).output();
    if let Ok(shown) = shown {
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        println!("{shown}");
        assert!(shown.contains("inet 10.3.0.1/24 brd 10.3.0.255 scope link"), "{shown}");
        assert!(shown.contains("lo:vip"), "{shown}");
        assert!(shown.contains("inet 10.4.0.1 peer 10.4.0.2/32"), "{shown}");
        assert!(shown.contains("home"), "{shown}");
    }
    let held = netlink.dump_addresses().unwrap();
    for address in [&v4, &peer, &v6, &dad] {
        let found = held.iter().find(|held| held.address == address.address).unwrap();
        assert!(found.marked && found.prefix == address.prefix, "{found:?}");
        netlink.run(&Request::remove_virtual(lo, address)).unwrap();
    }
}

fn links() {
    let other = space::another();
    let mut netlink = Netlink::open().unwrap();
    netlink.create_bridge("lan").unwrap();
    let (a, _) = space::cable("port_a", "eth0", &other);
    netlink.set_master("port_a", Some("lan")).unwrap();
    netlink.set_up("lan", true).unwrap();
    netlink.set_isolated("port_a", true).unwrap();
    let lan = netlink.link_index("lan").unwrap();
    assert_eq!(netlink.link("port_a").unwrap().master, Some(lan));
    netlink.set_master("port_a", None).unwrap();
    assert_eq!(netlink.link("port_a").unwrap().master, None);
    let mac = Mac([2, 0, 0, 0, 0, 0x42]);
    netlink.set_mac("port_a", mac).unwrap();
    netlink.set_up("port_a", false).unwrap();
    netlink.rename("port_a", "renamed").unwrap();
    let link = netlink.dump_links().unwrap().into_iter().find(|link| link.index == a).unwrap();
    assert_eq!((&*link.name, link.mac, link.up), ("renamed", mac, false));
    netlink
        .create_macvlan("vrrp.51", "lan", MacVlanMode::Private, Some(Mac([0, 0, 0x5e, 0, 1, 51])))
        .unwrap();
    assert_eq!(netlink.link("vrrp.51").unwrap().mac, Mac([0, 0, 0x5e, 0, 1, 51]));
    netlink.create_veth("a", "b", None).unwrap();
    netlink.delete_link("b").unwrap();
    assert!(netlink.link_index("a").is_err(), "the other end goes too");
    netlink.delete_link("lan").unwrap();
}

fn isolated() {
    let mut netlink = Netlink::open().unwrap();
    netlink.create_bridge("lan").unwrap();
    netlink.set_up("lan", true).unwrap();
    let hosts = ["a", "b"].map(|name| {
        let host = space::another();
        let (_, index) = space::cable(name, "eth0", &host);
        netlink.set_master(name, Some("lan")).unwrap();
        (host, index)
    });
    let ear = space::inside(&hosts[1].0, || Sniffer::new(hosts[1].1));
    let mouth = space::inside(&hosts[0].0, || Sniffer::new(hosts[0].1));
    let mut frame = [0xff; 60];
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 7]);
    let mut hears = |wanted: bool, text: u8| {
        frame[20] = text;
        // A port forwards a moment after it was plugged in; what was sent before is not kept.
        space::until("the frame", || {
            mouth.send(&frame);
            let heard = ear.frames().iter().any(|other| other[..] == frame[..]);
            assert!(wanted || !heard, "an isolated port was heard");
            (heard == wanted).then_some(())
        });
    };
    hears(true, 1);
    netlink.set_isolated("a", true).unwrap();
    netlink.set_isolated("b", true).unwrap();
    hears(false, 2);
    netlink.set_isolated("b", false).unwrap();
    hears(true, 3);
}

fn words() {
    let (mut netlink, _) = lo();
    let address: IpAddr = "10.5.0.1".parse().unwrap();
    netlink.add_address("lo", address, 32).unwrap();
    let error = netlink.add_address("lo", address, 32).unwrap_err().to_string();
    assert!(error.starts_with("cannot set 10.5.0.1/32 on lo: File exists"), "{error}");
    let error = netlink.add_address("none0", address, 32).unwrap_err().to_string();
    assert_eq!(error, "there is no interface none0");
    assert_eq!(netlink.neighbour("lo", address).unwrap(), None);
    let error = netlink.delete_link("lo").unwrap_err().to_string();
    assert!(error.starts_with("cannot delete lo: "), "{error}");
}
