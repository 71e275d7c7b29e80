//! Instances without `interface`, and their `vrf`.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use common::{clean, outcome};
use config::{Detail, Secrets, print};
use core::time::Duration;
use model::{Home, Instance, Transport};

/// Lines in the place of `interface`, and others.
fn text(place: &str, lines: &str) -> String {
    format!(
        "vrrp_instance A {{\n{place}\nvirtual_router_id 7\npriority 90\nunicast_src_ip 10.0.0.1\n\
         unicast_peer {{\n192.0.2.2\n}}\nvirtual_ipaddress {{\n10.0.0.3/24 dev eth0\n}}\n{lines}\n}}\n"
    )
}

/// What is said, each with its line.
fn said(text: &str) -> Vec<String> {
    let (sources, outcome) = outcome(text);
    let tell =
        |d: &config::Diagnostic| format!("{}: {}: {}", sources.position(d.span).0, d.id.name(), d.message);
    outcome.diagnostics.iter().map(tell).collect()
}

fn runs(text: &str) -> Vec<Instance> {
    outcome(text).1.host.map(|host| host.instances).unwrap_or_default()
}

#[test]
fn unicast_needs_no_interface() {
    let it = clean(&text("", ""));
    assert_eq!(it.home, Home::Routed { vrf: None });
    assert!(matches!(it.transport, Transport::Unicast { source: Some(_), .. }));
    assert_eq!(it.device_of(&it.addresses[0]).map(|name| &**name), Some("eth0"));
    assert_eq!(it.identity().to_string(), "no interface VRID 7 IPv4 unicast");
    let it = clean(&text("vrf red", ""));
    assert_eq!(it.home, Home::Routed { vrf: Some("red".into()) });
    assert_eq!(it.identity().to_string(), "VRF red VRID 7 IPv4 unicast");
}

#[test]
fn what_an_interface_would_say_has_to_be_written() {
    let fails = |text: &str, id_and_words: &str| {
        let said = said(text);
        assert!(said.len() == 1 && said[0].contains(id_and_words), "{said:?}");
        assert!(runs(text).is_empty());
    };
    let whole = text("", "");
    fails(
        &whole.replace(" dev eth0", ""),
        "10: interface-missing: `A` has no interface, and nothing says on which one 10.0.0.3 belongs",
    );
    let two = whole.replace("10.0.0.3/24 dev eth0", "10.0.0.3\n10.0.0.4 dev eth0\n10.0.0.5");
    fails(
        &two,
        "10: interface-missing: `A` has no interface, and nothing says on which one 10.0.0.3 (and of 1 more) belongs",
    );
    fails(&text("", "virtual_ipaddress_excluded {\n10.0.0.9\n}"), "10.0.0.9 belongs");
    fails(
        &whole.replace("unicast_src_ip 10.0.0.1\n", ""),
        "1: interface-missing: `A` has neither interface nor source address",
    );
    let multicast =
        whole.replace("unicast_peer {\n192.0.2.2\n}\n", "").replace("unicast_src_ip", "mcast_src_ip");
    fails(&multicast, "1: interface-missing: `A` has no interface");
    fails(&multicast.replace("priority", "vrf red\npriority"), "1: interface-missing: `A` has no interface");
    let v6 = whole.replace("10.0.0.1", "2001:db8::1").replace("10.0.0.3/24", "2001:db8::3/64");
    assert_eq!(said(&v6.replace("192.0.2.2", "2001:db8::2")), [""; 0]);
    fails(&v6.replace("192.0.2.2", "fe80::2"), "7: interface-missing: fe80::2 is link-local");
    fails(
        &v6.replace("2001:db8::1", "fe80::1").replace("192.0.2.2", "2001:db8::2"),
        "5: interface-missing: fe80::1 is link-local",
    );
    fails(&text("vrf a/b", ""), "2: interface-name");
    fails(&text("vrf", ""), "2: missing-value");
}

#[test]
fn an_interface_comes_before_a_vrf() {
    let both = text("interface eth0\nvrf red", "");
    assert_eq!(said(&both).len(), 1);
    assert!(said(&both)[0].starts_with("3: vrf-ignored"));
    assert_eq!(runs(&both)[0].home, Home::from("eth0"));
}

#[test]
fn there_is_no_own_link_to_ignore() {
    let text = text("", "dont_track_primary");
    assert!(said(&text)[0].contains("no-effect"), "{:?}", said(&text));
    assert!(!runs(&text)[0].ignore_own_link);
}

#[test]
fn a_vrid_is_used_once_in_each_vrf() {
    let one = |name: &str, place: &str, dev: &str| {
        let text = text(place, "").replace("vrrp_instance A", &format!("vrrp_instance {name}"));
        text.replace("dev eth0", &format!("dev {dev}"))
    };
    let all = [one("A", "", "eth0"), one("B", "vrf red", "eth1"), one("C", "vrf blue", "eth2")].concat();
    assert_eq!(said(&all), [""; 0]);
    let twice = [one("A", "vrf red", "eth0"), one("B", "vrf red", "eth1")].concat();
    assert!(said(&twice)[0].contains("both use VRID 7 with IPv4 on VRF red"), "{:?}", said(&twice));
}

/// An advert that comes in on an interface is for who has that, before it is for who has none.
#[test]
fn who_has_an_interface_takes_what_comes_in_there_and_that_is_said() {
    let one = |name: &str, place: &str| {
        text(place, "").replace("vrrp_instance A", &format!("vrrp_instance {name}"))
    };
    let pair = |a: &str, b: &str| [one("A", a), one("B", b).replace("10.0.0.3", "10.0.0.4")].concat();
    let shared = |text: &str, interfaces: Option<&[(&str, bool, Option<&str>)]>| {
        let mut sources = config::Sources::new();
        sources.add_root("keepalived.conf", text.to_owned().into_bytes());
        let interface = |(name, is_vrf, vrf): &(&str, bool, Option<&str>)| {
            let vrf = vrf.map(str::to_owned);
            (name.to_string(), config::Interface { is_vrf: *is_vrf, vrf, ..config::Interface::default() })
        };
        let interfaces = interfaces.map(|all| all.iter().map(interface).collect());
        let surroundings = config::Surroundings { interfaces, ..config::Surroundings::default() };
        let config::Loaded::Done(outcome) = config::load(&sources, &surroundings) else {
            panic!("no includes")
        };
        assert_eq!(outcome.host.unwrap().instances.len(), 2);
        let found = outcome.diagnostics.iter().filter(|d| d.id.name() == "vrid-shared");
        found.map(|d| (sources.position(d.span).0, d.message.clone(), d.labels.len())).collect::<Vec<_>>()
    };
    let both = "both use VRID 7 with IPv4 unicast: what comes in on eth0 is for";
    let said = |line, names: &str, taker: &str| vec![(line, format!("{names} {both} {taker} only"), 1)];
    let outside = pair("interface eth0", "");
    assert_eq!(shared(&outside, None), said(14, "`B` and `A`", "`A`"));
    assert_eq!(shared(&pair("", "interface eth0"), None), said(1, "`A` and `B`", "`B`"));
    let inside = pair("interface eth0", "vrf red");
    assert_eq!(shared(&inside, None), []);
    let free = [("eth0", false, None), ("red", true, None), ("blue", true, None)];
    assert_eq!(shared(&outside, Some(&free)).len(), 1);
    assert_eq!(shared(&outside, Some(&[])).len(), 1, "it may appear");
    assert_eq!(shared(&inside, Some(&free)), []);
    let port = |of| [("eth0", false, Some(of)), ("red", true, None), ("blue", true, None)];
    assert_eq!(shared(&outside, Some(&port("red"))), []);
    assert_eq!(shared(&inside, Some(&port("red"))), said(14, "`B` and `A`", "`A`"));
    assert_eq!(shared(&inside, Some(&port("blue"))), []);
    // Another VRID; multicast.
    let other = outside.replacen("virtual_router_id 7", "virtual_router_id 8", 1);
    assert_eq!(shared(&other, None), []);
    let multicast = outside.replacen("unicast_src_ip 10.0.0.1\nunicast_peer {\n192.0.2.2\n}\n", "", 1);
    assert_eq!(shared(&multicast, None), []);
}

#[test]
fn its_gap_is_that_of_the_host() {
    let group =
        "global_defs {\nvrrp_garp_interval 0.25\n}\ngarp_group {\ninterface eth0\ngarp_interval 0.5\n}\n";
    let other =
        text("interface eth0", "").replace("vrrp_instance A", "vrrp_instance B").replace(".3/24", ".4/24");
    let (_, outcome) = outcome(format!("{group}{other}{}", text("", "")));
    let host = outcome.host.unwrap();
    let gaps: Vec<_> = host.instances.iter().map(|one| one.gaps.arp).collect();
    assert_eq!(gaps, [Duration::from_millis(500), Duration::from_millis(250)]);
    let again = common::outcome(print(&host, Secrets::Shown, Detail::Normal)).1;
    assert_eq!(again.host.unwrap(), host);
}
