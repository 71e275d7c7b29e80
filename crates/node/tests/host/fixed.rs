//! Static addresses: there as long as the daemon is, whoever is Active; and instances that go by their interfaces.

use crate::addresses::acts;
use crate::config::{host, lb01};
use crate::world::{ETH0, Kept, World, address, ip, link, ms};
use model::{Host, StaticAddress, TrackGroup, VirtualAddress};
use node::event::{Event, Fault, Standing, StaticNews};
use node::io::{Address, Errno, Order};
use node::status::AddressState;
use timeline::Duration;

fn fixed(text: &str, device: &str) -> StaticAddress {
    let (address, prefix) = text.split_once('/').unwrap();
    let mut address = VirtualAddress::host(ip(address));
    (address.prefix, address.options.device) = (prefix.parse().unwrap(), Some(device.into()));
    StaticAddress { address, track_group: None }
}

/// With one on eth0 and one on eth1, whose link VI_50 goes by.
fn with_two(host: Host) -> Host {
    let mut tracked = fixed("10.1.0.1/24", "eth1");
    tracked.track_group = Some("TG".into());
    let group = TrackGroup { name: "TG".into(), members: vec!["VI_50".into()] };
    Host { static_addresses: vec![fixed("10.0.7.1/24", "eth0"), tracked], track_groups: vec![group], ..host }
}

/// One machine with both, and a second interface.
fn started() -> World {
    let mut world = World::new(1);
    world.machines[0].add_link(link(3, "eth1", 0x33), 1);
    world.boot(0, with_two(lb01()));
    world
}

fn news(world: &World) -> Vec<(String, StaticNews)> {
    let events = world.machines[0].events().into_iter();
    let told = events.filter_map(|(_, event)| {
        let Event::Static { address, news, .. } = event else { return None };
        Some((address.to_string(), news))
    });
    told.collect()
}

fn states(world: &World) -> Vec<AddressState> {
    let status = world.machines[0].node.status(world.now);
    status.static_addresses.iter().map(|address| address.state).collect()
}

#[test]
fn they_are_there_before_anybody_is_active_and_go_at_the_end() {
    let mut world = started();
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Backup);
    assert_eq!(acts(&world), ["add 10.0.7.1 10.1.0.1"]);
    assert_eq!(states(&world), [AddressState::Held; 2]);
    assert!(world.machines[0].kernel.announced.is_empty(), "nobody has to move");
    world.run(ms(5_000));
    assert!(world.has(0, "10.0.0.3"));
    world.order(0, Order::Stop);
    world.run(ms(10));
    for address in ["10.0.7.1", "10.1.0.1", "10.0.0.3"] {
        assert!(!world.has(0, address), "{address}");
    }
    assert!(world.machines[0].node.is_at_rest());
}

#[test]
fn an_end_waits_for_them() {
    let mut world = started();
    world.run(ms(5_000));
    world.machines[0].kernel.delay = ms(100);
    world.order(0, Order::Stop);
    world.run(ms(10));
    assert!(!world.machines[0].node.is_at_rest());
    world.run(ms(1_000));
    assert!(world.machines[0].node.is_at_rest() && !world.has(0, "10.0.7.1"));
}

#[test]
fn a_host_of_static_addresses_alone_holds_them() {
    let mut world = World::new(1);
    world.boot(0, Host { static_addresses: vec![fixed("10.0.7.1/24", "eth0")], ..host(Vec::new()) });
    world.run(ms(10));
    assert!(world.has(0, "10.0.7.1"));
}

#[test]
fn what_somebody_removes_is_set_again_in_the_same_turn() {
    let mut world = started();
    world.run(ms(5_000));
    world.machines[0].log.clear();
    world.machines[0].steal("10.1.0.1", "ip");
    world.run(ms(1));
    assert!(world.has(0, "10.1.0.1"));
    let lost = StaticNews::Lost { by: Some("ip".into()), wait: Some(Duration::ZERO) };
    assert_eq!(news(&world), [("10.1.0.1".into(), lost)]);
    assert_eq!(world.standing(0), Standing::Active, "the link is what counts");
}

#[test]
fn whoever_removes_one_again_and_again_is_waited_for() {
    let mut world = started();
    world.run(ms(5_000));
    for _ in 0..6 {
        world.machines[0].steal("10.0.7.1", "ip");
        world.run(ms(100));
    }
    let lost = StaticNews::Lost { by: Some("ip".into()), wait: Some(Duration::from_secs(10)) };
    assert_eq!(news(&world).last(), Some(&("10.0.7.1".into(), lost)));
    assert!(!world.has(0, "10.0.7.1"));
    world.run(ms(9_800));
    assert!(!world.has(0, "10.0.7.1"));
    world.run(ms(200));
    assert!(world.has(0, "10.0.7.1"));
    assert_eq!(world.standing(0), Standing::Active);
}

#[test]
fn one_that_nobody_watches_stays_away_until_a_reload() {
    let mut host = with_two(lb01());
    host.static_addresses[0].address.options.no_track = true;
    let mut world = started();
    world.configure(0, host.clone());
    world.run(ms(5_000));
    world.machines[0].steal("10.0.7.1", "ip");
    world.run(ms(60_000));
    assert!(!world.has(0, "10.0.7.1"));
    assert_eq!(news(&world), [("10.0.7.1".into(), StaticNews::Lost { by: Some("ip".into()), wait: None })]);
    world.configure(0, host);
    world.run(ms(10));
    assert!(world.has(0, "10.0.7.1"));
}

#[test]
fn an_address_of_the_administrator_stays_at_the_end() {
    let mut world = started();
    world.machines[0].set_address(address(ETH0, "10.0.7.1/24"));
    world.run(ms(10));
    assert_eq!(states(&world)[0], AddressState::Foreign);
    assert_eq!(news(&world), [("10.0.7.1".into(), StaticNews::Adopted)]);
    world.order(0, Order::Stop);
    world.run(ms(10));
    assert!(world.has(0, "10.0.7.1") && !world.has(0, "10.1.0.1"));
}

#[test]
fn what_a_dead_daemon_left_is_kept_without_a_gap() {
    let mut world = started();
    world.run(ms(5_000));
    world.machines[0].log.clear();
    world.replace(0, with_two(lb01()), ms(50));
    world.run(ms(10));
    assert_eq!(states(&world), [AddressState::Held; 2]);
    let touched = acts(&world).iter().any(|act| act.contains("10.0.7.1") || act.contains("10.1.0.1"));
    assert!(!touched, "{:?}", acts(&world));
    world.order(0, Order::Stop);
    world.run(ms(10));
    assert!(!world.has(0, "10.0.7.1") && !world.has(0, "10.1.0.1"));
}

#[test]
fn a_leftover_that_is_configured_no_more_goes() {
    let mut world = World::new(1);
    let left = Kept { address: Address { marked: true, ..address(ETH0, "10.0.7.1/24") }, ours: false };
    world.machines[0].kernel.addresses.push(left);
    world.boot(0, lb01());
    world.run(ms(10));
    assert!(!world.has(0, "10.0.7.1"));
}

#[test]
fn a_reload_touches_only_what_is_another() {
    let mut world = started();
    world.run(ms(5_000));
    world.machines[0].log.clear();
    let mut host = with_two(lb01());
    host.static_addresses[0] = fixed("10.0.7.2/24", "eth0");
    world.configure(0, host);
    world.run(ms(10));
    assert_eq!(acts(&world), ["remove 10.0.7.1", "add 10.0.7.2"]);
    assert_eq!(world.standing(0), Standing::Active);
}

#[test]
fn a_virtual_address_that_becomes_static_stays_where_it_is_and_back() {
    let mut world = World::new(1);
    let moving = |texts: &[&str]| host(vec![crate::config::instance(50, 150, texts)]);
    world.boot(0, moving(&["10.0.0.3", "10.0.0.4"]));
    world.run(ms(10_000));
    world.machines[0].log.clear();
    let fixed = Host { static_addresses: vec![fixed("10.0.0.4/32", "eth0")], ..moving(&["10.0.0.3"]) };
    world.configure(0, fixed);
    world.run(ms(10));
    assert!(world.has(0, "10.0.0.4"));
    assert_eq!(states(&world), [AddressState::Held]);
    assert!(!acts(&world).iter().any(|act| act.contains("10.0.0.4")), "{:?}", acts(&world));
    world.configure(0, moving(&["10.0.0.3", "10.0.0.4"]));
    world.run(ms(10));
    assert!(world.has(0, "10.0.0.4"));
    assert!(!acts(&world).iter().any(|act| act.starts_with("remove")), "{:?}", acts(&world));
}

#[test]
fn a_refusal_is_told_once_and_tried_again() {
    let mut world = started();
    world.machines[0].kernel.refuses.insert(ip("10.0.7.1"), Errno(13));
    world.run(ms(35_000));
    let refused = StaticNews::Refused { errno: Errno(13), wait: Duration::from_secs(10) };
    assert_eq!(news(&world), [("10.0.7.1".into(), refused)]);
    assert_eq!(world.standing(0), Standing::Active, "no instance goes by the address itself");
    world.machines[0].kernel.refuses.clear();
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.7.1"));
}

#[test]
fn instances_of_the_group_go_by_the_link_of_the_address() {
    let mut world = started();
    world.run(ms(5_000));
    world.machines[0].change_link(3, |link| link.up = false);
    world.run(ms(10));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::InterfaceDown("eth1".into())]);
    assert!(!world.has(0, "10.0.0.3") && world.has(0, "10.1.0.1"), "the static address stays");
    world.machines[0].change_link(3, |link| link.up = true);
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Backup);
    world.machines[0].remove_link(3);
    world.run(ms(10));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::InterfaceMissing("eth1".into())]);
    world.machines[0].add_link(link(9, "eth1", 0x39), 1);
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Backup);
    assert!(world.has(0, "10.1.0.1"), "and the address is set on the new one");
}

#[test]
fn a_reload_that_takes_the_group_away_ends_the_fault() {
    let mut world = started();
    world.machines[0].change_link(3, |link| link.up = false);
    world.run(ms(1_000));
    assert_eq!(world.standing(0), Standing::Fault);
    let host =
        Host { track_groups: Vec::new(), static_addresses: vec![fixed("10.0.7.1/24", "eth0")], ..lb01() };
    world.configure(0, host);
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Backup);
    assert!(!world.has(0, "10.1.0.1"));
}
