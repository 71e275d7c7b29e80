//! Nodes against each other, beyond what the pages of the findings show.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use common::outcome;
use config::pair::{Node, compare};
use config::{Loaded, Outcome, Sources, Surroundings, load};
use std::fmt::Write as _;

const LB01: &str = include_str!("data/lb01.conf");
const LB02: &str = include_str!("data/lb02.conf");

fn loaded(files: &[(&str, &str)]) -> Vec<(Sources, Outcome)> {
    let mut list: Vec<(Sources, Outcome)> = Vec::new();
    for (name, text) in files {
        let mut sources = Sources::apart_from(list.iter().map(|(sources, _)| sources));
        sources.add_root(*name, text.as_bytes().to_vec());
        let Loaded::Done(outcome) = load(&sources, &Surroundings::default()) else { panic!("includes") };
        list.push((sources, outcome));
    }
    list
}

/// Everything that is said about these files together, with the second places.
fn said(files: &[(&str, &str)]) -> Vec<String> {
    let loaded = loaded(files);
    let nodes: Vec<Node<'_>> = loaded.iter().filter_map(|(sources, o)| Node::of(sources, o)).collect();
    let comparison = compare(&nodes);
    let place = |span: config::Span| {
        let (sources, _) = loaded.iter().find(|(sources, _)| sources.contains(span.file)).unwrap();
        let (line, _) = sources.position(span);
        format!("{}:{line}", sources.name(span.file))
    };
    let tell = |d: &config::Diagnostic| {
        let labels: Vec<String> = d.labels.iter().map(|(span, _)| place(*span)).collect();
        format!("{} {} [{}]", place(d.span), d.id, labels.join(" "))
    };
    comparison.diagnostics.iter().map(tell).collect()
}

fn node(vrid: u8, priority: u8, more: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id {vrid}\npriority {priority}\n{more}\n\
         virtual_ipaddress {{\n10.0.0.3/24\n}}\n}}\n"
    )
}

#[test]
fn the_scenario_is_right() {
    assert!(said(&[("lb01", LB01), ("lb02", LB02)]).is_empty());
    // By itself a file is compared with nothing.
    assert!(said(&[("lb01", LB01)]).is_empty() && said(&[]).is_empty());
}

#[test]
fn every_finding_shows_both_places() {
    let (a, b) = (node(50, 150, ""), node(51, 100, "advert_int 3"));
    assert_eq!(
        said(&[("a", &a), ("b", &b)]),
        ["b:3 pair-vrid [a:3]", "b:5 pair-interval [a:1]"],
        "a line that is not there is shown by its block"
    );
}

#[test]
fn with_auth_hmac_each_must_believe_what_the_others_send() {
    let a = "a".repeat(32);
    let b = "b".repeat(32);
    let signed = |lines: &str| format!("auth_hmac {{\n{lines}\n}}");
    let told = |one: &str, two: &str| said(&[("a", &node(50, 150, one)), ("b", &node(50, 100, two))]);
    let plain = signed(&format!("key 1 {a}"));
    let both = signed(&format!("key 1 {a}\nkey 2 {b}\nactive_key 1"));
    let changed = signed(&format!("key 1 {a}\nkey 2 {b}\nactive_key 2"));
    let lax = signed(&format!("key 1 {a}\nmode permissive"));
    let listening = signed(&format!("key 1 {a}\nmode receive-only"));
    for (one, two) in [(&plain, &both), (&both, &changed), (&lax, &listening), (&plain, &lax)] {
        assert_eq!(told(one, two), Vec::<String>::new(), "{one} {two}");
    }
    assert_eq!(told("", &listening), Vec::<String>::new());
    let odd = "b:5 pair-authentication [a:5]";
    assert_eq!(told(&plain, &changed), [odd]);
    assert_eq!(told(&changed, &plain), [odd]);
    assert_eq!(told(&plain, &signed(&format!("key 1 {b}"))), [odd]);
    assert_eq!(told(&plain, &listening), [odd], "the one requires what the other does not send");
    assert_eq!(told(&plain, ""), ["b:1 pair-authentication [a:5]"]);
    let pass = "authentication {\nauth_type PASS\nauth_pass hushhush\n}";
    assert_eq!(told(&lax, pass), [odd]);
}

#[test]
fn the_odd_one_of_three_is_told_once() {
    let (a, b, c) = (node(51, 150, ""), node(50, 100, ""), node(50, 50, ""));
    assert_eq!(said(&[("a", &a), ("b", &b), ("c", &c)]), ["a:3 pair-vrid [b:3 c:3]"]);
    let c = node(51, 50, "advert_int 2");
    assert_eq!(
        said(&[("a", &a), ("b", &b), ("c", &c)]),
        ["b:3 pair-vrid [a:3 c:3]", "c:5 pair-interval [a:1 b:1]"]
    );
}

#[test]
fn a_broken_file_is_compared_as_far_as_it_goes() {
    let broken = format!("{}vrrp_instance VI_2 {{\n}}\n", node(51, 100, ""));
    let whole = format!(
        "{}vrrp_instance VI_2 {{\ninterface eth0\nvirtual_router_id 9\npriority 9\n\
         virtual_ipaddress {{\n10.0.0.9\n}}\n}}\n",
        node(50, 150, "")
    );
    assert!(loaded(&[("b", &broken)])[0].1.host.is_none());
    // Nothing of a missing partner: VI_2 is there, and what it lacks was told.
    assert_eq!(said(&[("a", &whole), ("b", &broken)]), ["b:3 pair-vrid [a:3]"]);
}

#[test]
fn one_name_alone_makes_no_cluster() {
    let a = node(50, 150, "");
    let b = node(51, 150, "").replace("10.0.0.3", "192.0.2.3");
    assert_eq!(said(&[("a", &a), ("b", &b)]), ["b:1 pair-strangers []"]);
    let c = b.replace("51", "52").replace("192.0.2.3", "198.51.100.3");
    assert_eq!(said(&[("a", &a), ("b", &b), ("c", &c)]), ["b:1 pair-strangers []"], "one note says it");
    // Of two files the same name and VRID are enough, of many they are not.
    let d = node(50, 100, "").replace("10.0.0.3", "203.0.113.3");
    assert_eq!(said(&[("a", &a), ("d", &d)]), ["d:7 pair-addresses [a:7]"]);
    assert_eq!(said(&[("a", &a), ("d", &d), ("b", &b)]), ["d:1 pair-strangers []"]);
    let a2 = node(50, 100, "");
    assert_eq!(said(&[("a", &a), ("a2", &a2), ("b", &b)]), ["b:1 pair-strangers []"]);
}

#[test]
fn instances_find_their_partners_whatever_is_wrong() {
    // Both VRIDs are swapped; the addresses say who belongs to whom.
    let pair = |first: u8, second: u8, priority: u8| {
        format!(
            "vrrp_instance A {{\ninterface eth0\nvirtual_router_id {first}\npriority {priority}\n\
             virtual_ipaddress {{\n10.0.0.3\n}}\n}}\n\
             vrrp_instance B {{\ninterface eth0\nvirtual_router_id {second}\npriority {priority}\n\
             virtual_ipaddress {{\n10.0.0.4\n}}\n}}\n"
        )
    };
    let (a, b) = (pair(50, 51, 150), pair(51, 50, 100));
    assert_eq!(said(&[("a", &a), ("b", &b)]), ["b:3 pair-vrid [a:3]", "b:11 pair-vrid [a:11]"]);
    // One VRID on two links: the names decide.
    let links = |priority: u8| {
        pair(50, 50, priority).replacen("eth0", "eth1", 1).replace("10.0.0.4", &format!("10.0.{priority}.4"))
    };
    let (a, b) = (links(150), links(100));
    assert_eq!(said(&[("a", &a), ("b", &b)]), ["b:14 pair-addresses [a:14]"]);
}

#[test]
fn what_was_dropped_is_not_missing() {
    let script = "vrrp_script chk {\nscript /bin/true\ninterval 2\nweight 5\n}\n";
    let file = |priority| format!("{script}{}", node(50, priority, "track_script {\nchk\n}"));
    // At priority 255 a weight is dropped, and that was said.
    assert!(said(&[("a", &file(255)), ("b", &file(200))]).is_empty());
    let none = format!("{script}{}", node(50, 255, ""));
    assert_eq!(said(&[("a", &none), ("b", &file(200))]), ["b:11 pair-tracking [a:6]"]);
}

#[test]
fn sums_over_several_failures_count() {
    let file = |priority, first: i16, second: i16| {
        node(50, priority, &format!("track_interface {{\neth1 weight {first}\neth2 weight {second}\n}}"))
    };
    let told = |a: &str, b: &str| said(&[("a", a), ("b", b)]);
    // 150 - 20 - 30 = 100: equal is not enough.
    assert_eq!(told(&file(150, -20, -30), &file(100, -20, -30)), ["a:6 pair-weight [a:7 a:4 b:4]"]);
    // 150 - 20 - 31 = 99: together they suffice, none of them alone.
    let alone = ["a:6 pair-weight-alone [a:4 b:4]", "a:7 pair-weight-alone [a:4 b:4]"];
    assert_eq!(told(&file(150, -20, -31), &file(100, -20, -31)), alone);
    // 110 + 20 + 20 against 120 + 20: 130 < 140 when one fails.
    assert!(told(&file(110, 20, 20), &file(100, 20, 20)).is_empty());
    // The gains decide who holds the address: 100 + 60 is more than 150, and 100 less than that.
    assert!(told(&file(100, 60, -60), &node(50, 150, "")).is_empty());
    // What is beyond 254 is cut, but not lost: 254 + 10 - 12 = 252.
    assert_eq!(told(&file(254, 10, -12), &node(50, 253, "")), ["a:6 pair-weight-alone [a:4 b:4]"]);
}

#[test]
fn an_unchanged_copy_is_compared() {
    let source = node(50, 150, "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n}");
    let told = |a, b, text: &str| said(&[(a, text), (b, text)]);
    let both = told("a", "b", &source);
    assert!(both.iter().any(|d| d.contains("pair-same-source")), "{both:?}");
    assert_eq!(told("a", "a", &source), ["a:1 pair-same-text []"]);
    let by_id = source.replace("priority 150", "@lb01 priority 150\n@lb02 priority 100");
    assert_eq!(told("a", "b", &by_id), ["b:1 pair-same-text []"]);
}

#[test]
fn a_sum_that_is_cut_says_so() {
    let file = |priority| node(50, priority, "track_interface {\neth1 weight 100\n}");
    let (a, b) = (file(200), file(190));
    let loaded = loaded(&[("a", &a), ("b", &b)]);
    let nodes: Vec<_> = loaded.iter().filter_map(|(sources, o)| Node::of(sources, o)).collect();
    let said: Vec<_> = compare(&nodes).diagnostics.into_iter().map(|d| d.message).collect();
    assert!(said.iter().any(|m| m.starts_with("priority 190 + 100, at most 254 here and in a:")), "{said:?}");
}

#[test]
fn passwords_are_not_shown() {
    let auth = |pass: &str| format!("authentication {{\nauth_type PASS\nauth_pass {pass}\n}}");
    let (a, b) = (node(50, 150, &auth("hushhush")), node(50, 100, &auth("silence")));
    let loaded = loaded(&[("a", &a), ("b", &b)]);
    let nodes: Vec<_> = loaded.iter().filter_map(|(sources, o)| Node::of(sources, o)).collect();
    let comparison = compare(&nodes);
    let text = format!("{:?}", comparison.diagnostics);
    assert_eq!(comparison.diagnostics.len(), 1);
    assert!(!text.contains("hush") && !text.contains("silence"), "{text}");
}

#[test]
fn ten_thousand_instances_are_matched_in_time() {
    let file = |priority: u8| {
        let mut text = String::new();
        for n in 0..10_000 {
            let (vrid, link, a, b) = (n % 250 + 1, n / 250, n / 250, n % 250);
            writeln!(
                text,
                "vrrp_instance V{n} {{\ninterface e{link}\nvirtual_router_id {vrid}\npriority {priority}\n\
                 virtual_ipaddress {{\n10.1.{a}.{b}/16\n}}\n}}"
            )
            .unwrap();
        }
        text
    };
    let (a, b) = (file(150), file(100));
    let start = std::time::Instant::now();
    assert_eq!(said(&[("a", &a), ("b", &b)]), Vec::<String>::new());
    // A tenth of that is usual; matching each with each takes minutes.
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    let (_, whole) = outcome(&a);
    assert_eq!(whole.host.unwrap().instances.len(), 10_000);
}

#[test]
fn one_vrid_on_many_links_and_long_lists_are_compared_in_time() {
    let file = |first: u32, prefix: u32| {
        let mut text = String::new();
        for n in 0..5_000_u32 {
            let (a, b) = (first + n / 250, n % 250);
            writeln!(
                text,
                "vrrp_instance V{first}_{n} {{\ninterface vlan{n}\nvirtual_router_id 1\npriority 100\n\
                 virtual_ipaddress {{\n10.{a}.{b}.1/24\n}}\n}}"
            )
            .unwrap();
        }
        text += "vrrp_instance M {\ninterface eth0\nvirtual_router_id 2\npriority 100\n\
                 virtual_ipaddress {\n172.16.0.1\n}\nvirtual_ipaddress_excluded {\n";
        for n in 0..20_000_u32 {
            writeln!(text, "172.17.{}.{}/{prefix}", n / 250, n % 250 + 1).unwrap();
        }
        text + "}\n}\n"
    };
    let start = std::time::Instant::now();
    let told = said(&[("a", &file(0, 24)), ("b", &file(100, 25))]);
    assert!(told.iter().any(|line| line.contains("pair-prefix")), "{told:?}");
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}
