//! Requirements of the conformance list that a configuration can break: what is said, and what is used instead.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use common::{clean, outcome};
use config::pair::{Node, compare};
use config::{Loaded, Severity, Sources, Surroundings, load};
use model::{Authentication, Instance, Secret};
use std::fmt::Write as _;
use wire::{Interval, Priority, Version};

/// An instance with these lines, in version 3 if they say so.
fn instance(priority: u8, lines: &str) -> String {
    format!(
        "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\npriority {priority}\n{lines}\n\
         virtual_ipaddress {{ 10.0.0.3 }}\n}}\n"
    )
}

/// What is said of a file, as `severity id`, and the first instance that it comes to.
fn said(text: &str) -> (Vec<String>, Option<Instance>) {
    let (_, outcome) = outcome(text);
    let tell = |d: &config::Diagnostic| {
        let severity = match d.id.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        format!("{severity} {}", d.id.name())
    };
    let said = outcome.diagnostics.iter().map(tell).collect();
    (said, outcome.host.and_then(|host| host.instances.into_iter().next()))
}

/// The findings of two nodes of a cluster against each other.
fn paired(first: &str, second: &str) -> Vec<&'static str> {
    let mut loaded: Vec<(Sources, config::Outcome)> = Vec::new();
    for (name, text) in [("lb01", first), ("lb02", second)] {
        let mut sources = Sources::apart_from(loaded.iter().map(|(sources, _)| sources));
        sources.add_root(name, text.as_bytes().to_vec());
        let Loaded::Done(outcome) = load(&sources, &Surroundings::default()) else { panic!("includes") };
        loaded.push((sources, outcome));
    }
    let nodes: Vec<Node<'_>> = loaded.iter().filter_map(|(sources, o)| Node::of(sources, o)).collect();
    compare(&nodes).diagnostics.iter().map(|d| d.id.name()).collect()
}

#[test]
fn wire_5_no_configuration_comes_to_priority_0() {
    for written in ["0", "256", "-1", "00", "0x0"] {
        let text = instance(100, "").replace("priority 100", &format!("priority {written}"));
        let (said, instance) = said(&text);
        assert_ne!(instance.unwrap().settings.priority, Priority::LEAVING, "{written}: {said:?}");
        assert!(!said.is_empty(), "{written}");
    }
    // What a program other than the reader may build is refused as well.
    let mut host = outcome(instance(100, "")).1.host.unwrap();
    host.instances[0].settings.priority = Priority::LEAVING;
    assert!(host.check().is_err());
}

#[test]
fn wire_8_addresses_of_two_families_are_parted_with_a_warning() {
    let text = instance(100, "version 3").replace("{ 10.0.0.3 }", "{\n10.0.0.3\n2001:db8::3\n}");
    let (said, instance) = said(&text);
    assert_eq!(said, ["warning other-family"]);
    let addresses = instance.unwrap().addresses;
    assert!(addresses.iter().all(|a| a.address.is_ipv4()), "{addresses:?}");
}

#[test]
fn wire_11_cfg_8_as_many_addresses_as_a_packet_holds_and_no_more_are_listed() {
    let many = |count: usize, v6: bool| {
        let mut lines = String::new();
        for n in 1..=count {
            let (high, low) = (n / 250, n % 250 + 1);
            if v6 {
                writeln!(lines, "2001:db8::{high:x}:{low:x}/64").unwrap();
            } else {
                writeln!(lines, "10.1.{high}.{low}").unwrap();
            }
        }
        let (said, instance) = said(&instance(100, "version 3").replace("10.0.0.3", &format!("\n{lines}")));
        let instance = instance.unwrap();
        (
            said.contains(&"warning too-many-addresses".to_owned()),
            instance.addresses.len(),
            instance.excluded.len(),
        )
    };
    // RFC 8347 stops at 16 and 2.
    assert_eq!(many(17, false), (false, 17, 0));
    assert_eq!(many(3, true), (false, 3, 0));
    assert_eq!(many(255, false), (false, 255, 0));
    assert_eq!(many(256, false), (true, 255, 1));
    assert_eq!(many(90, true), (false, 90, 0));
    assert_eq!(many(91, true), (true, 90, 1));
}

#[test]
fn wire_13_authentication_in_version_3_is_dropped_with_a_warning() {
    let (said, instance) =
        said(&instance(100, "version 3\nauthentication {\nauth_type PASS\nauth_pass 1111\n}"));
    assert!(said.contains(&"warning auth-with-v3".to_owned()), "{said:?}");
    assert_eq!(instance.unwrap().authentication, Authentication::None);
}

#[test]
fn auth_4_a_longer_password_is_cut_to_eight_bytes_with_a_warning() {
    let with = |password: &str| {
        instance(100, &format!("authentication {{\nauth_type PASS\nauth_pass {password}\n}}"))
    };
    let (said, instance) = said(&with("correcthorse"));
    assert!(said.contains(&"warning auth-pass-too-long".to_owned()), "{said:?}");
    assert_eq!(instance.unwrap().authentication, Authentication::Password(Secret::cut(b"correcth")));
    let eight = clean(&with("horse-42"));
    assert_eq!(eight.authentication, Authentication::Password(Secret::cut(b"horse-42")));
}

#[test]
fn cfg_1_two_owners_are_told() {
    assert_eq!(paired(&instance(255, ""), &instance(255, "advert_int 1")), ["pair-owners"]);
}

#[test]
fn cfg_2_steps_of_priority_and_time_that_are_too_small_are_told() {
    let tight = |centis: &str| said(&instance(100, &format!("version 3\nadvert_int {centis}"))).0;
    assert!(tight("0.02").contains(&"note tight-interval".to_owned()));
    assert!(!tight("1").contains(&"note tight-interval".to_owned()));
}

#[test]
fn cfg_3_equal_priorities_are_told() {
    assert!(paired(&instance(100, ""), &instance(100, "preempt")).contains(&"pair-priority"));
    assert_eq!(paired(&instance(150, ""), &instance(100, "")), [""; 0]);
}

#[test]
fn cfg_5_different_intervals_are_told() {
    let at = |version: u8, seconds: u8, priority: u8| {
        instance(priority, &format!("version {version}\nadvert_int {seconds}"))
    };
    assert!(paired(&at(2, 1, 150), &at(2, 3, 100)).contains(&"pair-interval"));
    assert!(paired(&at(3, 1, 150), &at(3, 3, 100)).contains(&"pair-interval-learnt"));
    assert_eq!(paired(&at(3, 3, 150), &at(3, 3, 100)), [""; 0]);
}

#[test]
fn cfg_7_what_cannot_run_is_told_and_made_to_run_if_keepalived_does() {
    let twice = instance(100, "") + &instance(90, "").replace("instance A", "instance B");
    assert_eq!(said(&twice).0, ["error vrid-twice"]);
    let (without, _) = said(&instance(100, "").replace("virtual_ipaddress { 10.0.0.3 }", ""));
    assert!(without.iter().any(|id| id.contains("no-address")), "{without:?}");
    let (v6, instance_v6) = said(&instance(100, "version 2").replace("10.0.0.3", "2001:db8::3"));
    assert_eq!(
        (v6, instance_v6.unwrap().settings.version),
        (vec!["warning version-conflict".into()], Version::V3)
    );
    for (lines, want) in [("advert_int 1.5", 200), ("version 3\nadvert_int 41", 4095)] {
        let (said, instance) = said(&instance(100, lines));
        assert!(said.contains(&"warning interval-altered".to_owned()), "{said:?}");
        assert_eq!(instance.unwrap().settings.interval, Interval::from_centis(want).unwrap());
    }
}

/// The opposite of what RFC 9568 has as its default, and of what keepalived's `no_accept` asks for.
#[test]
fn fwd_8_addresses_are_accepted_unless_somebody_asks_for_the_opposite() {
    let accepts = |priority, lines: &str| said(&instance(priority, lines)).1.unwrap().accepts();
    assert!(accepts(100, ""));
    assert!(accepts(100, "accept"));
    assert!(!accepts(100, "no_accept"));
    assert!(!accepts(100, "accept\nno_accept"), "the last line counts");
    assert!(accepts(100, "no_accept\naccept"));
    assert!(!accepts(100, "strict_mode"));
    assert!(accepts(100, "strict_mode\nversion 3\naccept"));
    assert!(accepts(255, "state MASTER\nstrict_mode"), "an owner");
    assert_eq!(said(&instance(100, "no_accept")).0, [""; 0]);
    assert_eq!(said(&instance(100, "accept")).0, [""; 0]);
}

/// RFC 3768 has no Accept_Mode.
#[test]
fn fwd_5_strict_version_2_accepts_as_owner_only() {
    let (said, instance) = said(&instance(100, "strict_mode\naccept"));
    assert_eq!(said, ["warning strict-mode"]);
    assert!(!instance.unwrap().accepts());
}

#[test]
fn tx_11_without_vmac_it_is_said_with_which_mac_addresses_answer() {
    let text = instance(100, "use_vmac");
    let (sources, outcome) = outcome(&text);
    let all: Vec<String> = outcome.diagnostics.iter().map(|d| d.concise(&sources)).collect();
    assert!(
        all.iter().any(|line| line.contains("the addresses answer with the interface's own MAC")),
        "{all:?}"
    );
}
