//! What a reload would change: told in full, placed, and nothing told twice.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;
mod hosts;

use common::outcome;
use config::{Notice, Outcome, Places, Sources, Written, reload};
use model::{Host, Instance};
use proptest::prelude::*;

fn read(text: &str) -> (Sources, Outcome) {
    let (sources, outcome) = outcome(text);
    assert!(outcome.host.is_some(), "{:?}", outcome.diagnostics);
    (sources, outcome)
}

fn written(outcome: &Outcome) -> Written<'_> {
    Written { host: outcome.host.as_ref().unwrap(), places: &outcome.places }
}

/// `old line → new line: what (who notices): consequence`, a line for each difference.
fn told(old: &str, new: &str) -> String {
    let (old, new) = (read(old), read(new));
    let reload = reload(written(&old.1), written(&new.1));
    let mut text = String::new();
    for alteration in &reload.alterations {
        let name = alteration.name.as_deref().unwrap_or("host");
        text += &format!("{name} {}: {}\n", alteration.identity, alteration.fate);
        for d in &alteration.differences {
            let line = |sources: &Sources, span: Option<config::Span>| {
                span.map_or("-".into(), |span| sources.position(span).0.to_string())
            };
            let (from, to) = (line(&old.0, d.old), line(&new.0, d.new));
            text += &format!("  {from} → {to} {} ({}): {}\n", d.what, d.notice, d.consequence);
        }
    }
    text + &format!("kept {}\n", reload.kept)
}

const BASE: &str = "vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 50
    priority 150
    virtual_ipaddress {
        10.0.0.3/24
    }
}
";

#[test]
fn nothing_changed() {
    let other_words = BASE.replace("    state BACKUP\n", "    advert_int 1\n");
    assert_eq!(told(BASE, &other_words), "kept 1\n");
}

#[test]
fn a_lower_priority() {
    assert_eq!(
        told(BASE, &BASE.replace("150", "90")),
        "VI_1 eth0 VRID 50 IPv4: changed\n  \
         5 → 5 priority 150 → 90 (may interrupt): if it is Active, it says so at once: a partner with priority 91 to 150 \
         takes over within 3.7 s, unless it has `nopreempt` or `preempt_delay`\nkept 0\n"
    );
}

#[test]
fn a_higher_priority_and_a_delay() {
    let delayed = BASE.replace("priority 150", "priority 200\n    preempt_delay 10");
    assert_eq!(
        told(BASE, &delayed),
        "VI_1 eth0 VRID 50 IPv4: changed\n  \
         5 → 5 priority 150 → 200 (may interrupt): if it is Backup of a partner with priority 150 to 199, it takes over \
         after its preempt_delay, within 14.3 s\n  \
         1 → 6 preempt_delay off → 10 s (noticed): a preemption that is waiting now starts its wait anew; nothing \
         happens else\nkept 0\n"
    );
}

#[test]
fn addresses_come_and_go() {
    let new = BASE.replace("10.0.0.3/24", "10.0.0.4/24\n        10.0.0.5/24");
    assert_eq!(
        told(BASE, &new),
        "VI_1 eth0 VRID 50 IPv4: changed\n  \
         7 → - 10.0.0.3/24 removed (may interrupt): if it is Active, the address is removed at once, and nobody holds it\n  \
         - → 7 10.0.0.4/24 added (noticed): if it is Active, it is set and announced at once\n  \
         - → 8 10.0.0.5/24 added (noticed): if it is Active, it is set and announced at once\n  \
         6 → 6 adverts list 2 addresses instead of 1 (may interrupt): partners with another list say so in their log; \
         keepalived before 2.3.3 discards such adverts and takes over too within 4 s, until its list is the same\nkept 0\n"
    );
    let back = told(&new, BASE);
    assert!(back.contains("adverts list 1 address instead of 2"), "{back}");
}

#[test]
fn another_vrid_is_another_router() {
    assert_eq!(
        told(BASE, &BASE.replace("id 50", "id 51")),
        "VI_1 eth0 VRID 51 IPv4: replaced\n  \
         4 → 4 virtual_router_id 50 → 51 (may interrupt): this makes it another virtual router: the old one, if Active, \
         resigns (priority 0) and its addresses go; the new one starts as Backup and is Active after 3.5 s, unless a \
         partner with priority 150 or more is Active. A partner without this change takes over within 0.997 s, and does \
         not hear the new one: then both hold the addresses until it has the change too\nkept 0\n"
    );
}

#[test]
fn another_name_is_the_same_router() {
    assert_eq!(
        told(BASE, &BASE.replace("VI_1", "web")),
        "web eth0 VRID 50 IPv4: changed\n  \
         1 → 1 renamed: VI_1 → web (nobody notices): it is the same virtual router and goes on; messages and scripts use \
         the new name\nkept 0\n"
    );
}

#[test]
fn one_more_and_one_less() {
    let other = BASE.replace("VI_1", "VI_2").replace("id 50", "id 51").replace("10.0.0.3", "10.0.0.9");
    let added = "VI_2 eth0 VRID 51 IPv4: added\n  \
        - → 10 version 2, priority 150, 10.0.0.9/24 (noticed): it starts as Backup and is Active after 3.5 s, unless a \
        partner with priority 150 or more is Active\nkept 1\n";
    assert_eq!(told(BASE, &format!("{BASE}{other}")), added);
    let removed = "VI_2 eth0 VRID 51 IPv4: removed\n  \
        10 → - version 2, priority 150, 10.0.0.9/24 (may interrupt): if it is Active, it resigns and its addresses go: a \
        partner takes over within 0.997 s; without one nobody holds them\nkept 1\n";
    assert_eq!(told(&format!("{BASE}{other}"), BASE), removed);
}

#[test]
fn an_address_that_changes_its_instance() {
    let text = |first: &str, second: &str| {
        let second = BASE.replace("VI_1", "VI_2").replace("id 50", "id 51").replace("10.0.0.3/24", second);
        BASE.replace("10.0.0.3/24", first) + &second
    };
    let told = told(&text("10.0.0.3\n10.0.0.4", "10.0.0.9"), &text("10.0.0.3", "10.0.0.9\n10.0.0.4"));
    assert!(
        told.contains("10.0.0.4/32 removed (may interrupt): it goes to `VI_2` and stays if both are Active"),
        "{told}"
    );
    assert!(
        told.contains("10.0.0.4/32 added (noticed): it comes from `VI_1` and stays if both are Active"),
        "{told}"
    );
}

#[test]
fn what_is_inherited_is_placed_where_it_is_written() {
    let globals = "global_defs {\n    vrrp_version 3\n}\n";
    let told = told(BASE, &format!("{globals}{BASE}"));
    assert!(told.contains("1 → 2 version 2 → 3 (may interrupt)"), "{told}");
}

#[test]
fn a_password_is_not_shown() {
    let with = |pass: &str| {
        BASE.replace(
            "    priority",
            &format!("    authentication {{\n auth_type PASS\n auth_pass {pass}\n }}\n    priority"),
        )
    };
    let told = told(&with("geheim"), &with("sesam"));
    assert!(told.contains("5 → 5 another password (PASS) (may interrupt)"), "{told}");
    assert!(!told.contains("geheim") && !told.contains("sesam"), "{told}");
}

#[test]
fn another_vrf_makes_it_another_router() {
    let text = |place: &str| {
        BASE.replace(
            "    interface eth0\n",
            &format!(
                "    {place}\n    unicast_src_ip 10.0.0.5\n    unicast_peer {{\n        10.0.0.6\n    }}\n"
            ),
        )
        .replace("        10.0.0.3/24\n", "        10.0.0.3/24 dev eth0\n")
    };
    let told = told(&text("vrf red"), &text("vrf blue"));
    assert!(
        told.starts_with(
            "VI_1 VRF blue VRID 50 IPv4 unicast: replaced\n  3 → 3 vrf red → blue (may interrupt): this makes it"
        ),
        "{told}"
    );
    let told = self::told(&text("interface eth0"), &text("vrf red"));
    assert!(told.contains("interface eth0 → none") && told.contains("vrf none → red"), "{told}");
}

/// One with each of another's settings in turn.
fn one_by_one(a: &Instance, b: &Instance) -> Vec<Instance> {
    let swaps: &[fn(&mut Instance, &Instance)] = &[
        |a, b| a.name = b.name.clone(),
        |a, b| a.home = b.home.clone(),
        |a, b| a.settings.version = b.settings.version,
        |a, b| a.settings.family = b.settings.family,
        |a, b| a.settings.vrid = b.settings.vrid,
        |a, b| a.settings.priority = b.settings.priority,
        |a, b| a.settings.interval = b.settings.interval,
        |a, b| a.settings.preempt = b.settings.preempt,
        |a, b| a.settings.preempt_delay = b.settings.preempt_delay,
        |a, b| a.settings.down_adverts = b.settings.down_adverts,
        |a, b| a.settings.owner_ignores_adverts = b.settings.owner_ignores_adverts,
        |a, b| a.settings.lower_priority_no_advert = b.settings.lower_priority_no_advert,
        |a, b| a.settings.higher_priority_send_advert = b.settings.higher_priority_send_advert,
        |a, b| a.settings.announce.repeat = b.settings.announce.repeat,
        |a, b| a.settings.announce.delay = b.settings.announce.delay,
        |a, b| a.settings.announce.refresh = b.settings.announce.refresh,
        |a, b| a.settings.announce.refresh_repeat = b.settings.announce.refresh_repeat,
        |a, b| a.settings.announce.lower_priority_repeat = b.settings.announce.lower_priority_repeat,
        |a, b| a.settings.announce.lower_priority_delay = b.settings.announce.lower_priority_delay,
        |a, b| a.wants_active = b.wants_active,
        |a, b| a.transport = b.transport.clone(),
        |a, b| a.authentication = b.authentication.clone(),
        |a, b| a.checksum = b.checksum,
        |a, b| a.addresses = b.addresses.clone(),
        |a, b| a.excluded = b.excluded.clone(),
        |a, _| a.addresses.reverse(),
        |a, _| a.excluded.reverse(),
        |a, _| a.track_interfaces.reverse(),
        |a, b| a.track_interfaces = b.track_interfaces.clone(),
        |a, b| a.tracking = b.tracking.clone(),
        |a, b| a.notify = b.notify.clone(),
        |a, b| a.strict = !b.strict,
        |a, b| a.accept = !b.accept,
        |a, b| a.track_source = b.track_source,
        |a, b| a.ignore_own_link = b.ignore_own_link,
        |a, b| a.gaps.arp = b.gaps.arp,
        |a, b| a.gaps.na = b.gaps.na,
        |a, b| a.skip_check_known_leader = b.skip_check_known_leader,
        |a, b| a.check_unicast_source = b.check_unicast_source,
    ];
    let swapped = swaps.iter().map(|swap| {
        let mut copy = a.clone();
        swap(&mut copy, b);
        copy
    });
    swapped.chain([b.clone()]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is different is told, and only that.
    #[test]
    fn nothing_is_left_out(a in hosts::host(), b in hosts::host()) {
        let places = Places::default();
        prop_assert_eq!(reload(Written { host: &a, places: &places }, Written { host: &a, places: &places }).alterations, vec![]);
        prop_assert_eq!(reload(Written { host: &a, places: &places }, Written { host: &b, places: &places }).alterations.is_empty(), a == b);
        for (one, other) in a.instances.iter().zip(&b.instances) {
            let old = Host { instances: vec![one.clone()], ..Host::default() };
            for changed in one_by_one(one, other) {
                let new = Host { instances: vec![changed], ..Host::default() };
                let told = reload(Written { host: &old, places: &places }, Written { host: &new, places: &places });
                prop_assert_eq!(told.alterations.is_empty(), old == new, "{:?}\n{:?}", old, new);
                prop_assert!(told.alterations.iter().all(|a| !a.differences.is_empty()), "{:?}", told);
                prop_assert_eq!(told.kept, usize::from(old == new));
                let nobody = told.notice() == Notice::Nobody;
                prop_assert!(nobody || old != new);
            }
        }
    }
}

/// Comparing each with each takes minutes.
#[test]
fn many_changes_are_told_in_time() {
    let file = |link: &str, net: u32| {
        let mut text = String::new();
        for n in 0..5_000_u32 {
            text += &format!(
                "vrrp_instance {link}{n} {{\ninterface {link}{}\nvirtual_router_id {}\npriority 100\n\
                 virtual_ipaddress {{\n{net}.0.{}.{}\n}}\n}}\n",
                n / 250,
                n % 250 + 1,
                n / 250,
                n % 250 + 1
            );
        }
        text += &format!(
            "vrrp_instance {link} {{\ninterface lan\nvirtual_router_id 1\npriority 100\nunicast_src_ip 10.9.9.9\n\
             unicast_peer {{\n"
        );
        (0..10_000_u32).for_each(|n| text += &format!("{net}.1.{}.{}\n", n / 250, n % 250 + 1));
        text += "}\nvirtual_ipaddress {\n10.9.9.1\n}\nvirtual_ipaddress_excluded {\n";
        (0..10_000_u32).for_each(|n| text += &format!("{net}.2.{}.{}\n", n / 250, n % 250 + 1));
        text + "}\n}\n"
    };
    let [one, elsewhere, renumbered] =
        [("eth", 10), ("ens", 11), ("eth", 12)].map(|(link, net)| read(&file(link, net)));
    let start = std::time::Instant::now();
    let moved = reload(written(&one.1), written(&elsewhere.1));
    assert_eq!((moved.alterations.len(), moved.kept), (10_001, 0));
    let moved = reload(written(&one.1), written(&renumbered.1));
    assert_eq!((moved.alterations.len(), moved.kept), (5_001, 0));
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}
