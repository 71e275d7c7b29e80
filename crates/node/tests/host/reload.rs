//! A configuration comes while everything runs: what did not change must not notice.

use crate::config::{host, instance, interval, lb01, scenario, with};
use crate::election::settled;
use crate::world::{ETH0, World, address, adverts, ip, link, ms};
use model::{Authentication, Host, Instance, Secret};
use node::event::{Event, Standing};
use node::io::{Act, Effect, Fact, Input, Order};
use std::net::{IpAddr, Ipv4Addr};
use timeline::{Duration, Instant, Machine as _};
use wire::{Priority, Version};

fn many(count: u8, priority: u8) -> Host {
    host((1..=count).map(|vrid| instance(vrid, priority, &[&format!("10.7.0.{vrid}")])).collect())
}

#[test]
fn nothing_changed_does_nothing() {
    let mut world = settled();
    let deadline = world.machines[0].node.deadline();
    world.configure(0, lb01());
    world.run(ms(0));
    let only = Effect::Report(Event::Configured { instances: 1, added: 0, removed: 0, altered: 0 });
    assert_eq!(world.machines[0].log, [(world.now, only)]);
    assert_eq!(world.machines[0].node.deadline(), deadline);
}

#[test]
fn an_address_more_and_an_address_less() {
    let mut world = settled();
    world.configure(0, with(lb01(), |i| i.addresses.push(model::VirtualAddress::host(ip("10.0.0.4")))));
    world.run(ms(100));
    assert!(world.has(0, "10.0.0.3") && world.has(0, "10.0.0.4"));
    let holds = world.machines[0].holds();
    let touched = holds.iter().map(|hold| match &hold.act {
        Act::Add { addresses, .. } => {
            addresses.iter().map(|placed| placed.address.address).collect::<Vec<_>>()
        }
        Act::Announce { announcements, .. } => announcements.iter().map(|a| a.address).collect(),
        Act::Remove { .. } | Act::Close { .. } => Vec::new(),
    });
    assert_eq!(
        touched.collect::<Vec<_>>(),
        [[ip("10.0.0.4")], [ip("10.0.0.4")]],
        "the other does not notice"
    );
    world.machines[0].log.clear();
    world.configure(0, lb01());
    world.run(ms(100));
    assert!(world.has(0, "10.0.0.3") && !world.has(0, "10.0.0.4"));
    assert_eq!(world.machines[0].holds().len(), 1);
    assert_eq!(world.status(0, "VI_50").counters.became_active, 1);
    insta::assert_snapshot!(world.story(0), @r"
    10.100000 configuration in force: 1 instance (0 new, 0 removed, 1 changed)
    10.100000 (VI_50) 1 address in place
    ");
}

#[test]
fn an_address_whose_options_change_is_set_anew() {
    let mut world = settled();
    world.configure(0, with(lb01(), |i| i.addresses[0].prefix = 24));
    world.run(ms(100));
    let prefixes: Vec<u8> =
        world.machines[0].kernel.addresses.iter().filter(|k| k.ours).map(|k| k.address.prefix).collect();
    assert_eq!(prefixes, [24]);
    let told = world.story(0);
    assert!(!told.contains("removed 10") && !told.contains("was removed"), "{told}");
}

#[test]
fn another_priority_is_told_at_once() {
    let mut world = settled();
    world.run(ms(200));
    world.configure(0, with(lb01(), |i| i.settings.priority = Priority(120)));
    world.run(ms(1));
    assert_eq!(adverts(&world, 0).last(), Some(&(10_200.0, 120)));
    world.configure(0, with(lb01(), |i| i.settings.priority = Priority(50)));
    world.run(ms(5_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Backup, Standing::Active));
}

#[test]
fn an_instance_more_starts_and_the_others_do_not_notice() {
    let mut world = World::new(1);
    world.boot(0, many(3, 150));
    world.run(ms(10_000));
    let rhythm = adverts(&world, 0).len();
    world.machines[0].log.clear();
    world.configure(0, many(4, 150));
    world.run(ms(3_000));
    assert_eq!(adverts(&world, 0).len(), 9, "one advert a second from each of the three, {rhythm} before");
    world.run(ms(1_000));
    assert!(world.has(0, "10.7.0.4"));
}

#[test]
fn what_no_router_heeds_changes_no_rhythm() {
    let mut world = World::new(1);
    world.boot(0, lb01());
    world.run(ms(10_300));
    let before = adverts(&world, 0);
    let other = |i: &mut Instance| {
        i.notify.mail = Some(true);
        (i.track_source, i.strict, i.wants_active) = (!i.track_source, !i.strict, !i.wants_active);
        i.accept = !i.accept;
    };
    world.configure(0, with(lb01(), other));
    world.run(ms(10_300));
    let after = adverts(&world, 0);
    let gaps = after.windows(2).skip(before.len() - 1).map(|pair| pair[1].0 - pair[0].0);
    assert!(gaps.into_iter().all(|gap| (gap - 1_000.0).abs() < 1.0), "{after:?}");
    assert!(after.len() >= before.len() + 10);
    world.configure(0, with(lb01(), |i| i.settings.priority = Priority(140)));
    world.run(ms(1));
    assert_eq!(adverts(&world, 0).len(), after.len() + 1, "this is heeded: it is told at once");
}

#[test]
fn an_instance_less_resigns_and_its_addresses_go() {
    let mut world = World::new(2);
    world.boot(0, many(2, 150));
    world.boot(1, many(2, 100));
    world.run(ms(10_000));
    world.machines[0].kernel.delay = ms(20);
    world.configure(0, many(1, 150));
    world.run(ms(10));
    assert_eq!(adverts(&world, 0).last(), Some(&(10_000.0, 0)));
    assert!(!world.machines[0].node.is_at_rest());
    world.run(ms(1_000));
    assert!(!world.has(0, "10.7.0.2") && world.has(1, "10.7.0.2") && world.has(0, "10.7.0.1"));
    let told = world.story(0);
    assert!(!told.contains("earlier run"), "{told}");
    world.order(0, Order::Stop);
    world.run(ms(100));
    assert!(world.machines[0].node.is_at_rest());
}

#[test]
fn what_is_removed_while_it_is_being_set_is_not_taken_for_a_leftover() {
    for late_notices in [false, true] {
        let mut world = World::new(1);
        world.machines[0].kernel.delay = ms(50);
        world.machines[0].kernel.late_notices = late_notices;
        world.boot(0, host(vec![scenario(255)]));
        world.run(ms(10));
        world.configure(0, host(vec![]));
        world.run(ms(500));
        assert!(!world.has(0, "10.0.0.3"));
        let told = world.story(0);
        assert!(!told.contains("earlier run"), "{told}");
        assert!(world.machines[0].node.is_at_rest());
    }
}

#[test]
fn an_instance_that_comes_back_at_once_holds_its_address() {
    let mut world = World::new(1);
    world.machines[0].kernel.delay = ms(50);
    world.boot(0, host(vec![scenario(255)]));
    world.run(ms(1_000));
    world.configure(0, host(vec![]));
    world.run(ms(10));
    world.configure(0, host(vec![scenario(255)]));
    world.run(ms(1_000));
    assert!(world.has(0, "10.0.0.3"));
    assert_eq!(world.status(0, "VI_50").addresses[0].state, node::status::AddressState::Held);
    world.order(0, Order::Stop);
    world.run(ms(100));
    assert!(!world.has(0, "10.0.0.3") && world.machines[0].node.is_at_rest());
}

#[test]
fn an_instance_in_fault_that_is_removed_says_that_it_stopped() {
    let mut world = settled();
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(10));
    world.configure(0, host(vec![]));
    world.run(ms(10));
    assert!(world.story(0).contains("(VI_50) Entering STOP STATE"));
}

#[test]
fn another_interval_is_the_new_rhythm() {
    let quick = |centis| {
        let mut instance = instance(51, 150, &["10.0.0.3"]);
        instance.settings.version = Version::V3;
        instance.settings.interval = interval(centis);
        host(vec![instance])
    };
    let mut world = World::new(1);
    world.boot(0, quick(100));
    world.run(ms(10_000));
    world.machines[0].log.clear();
    world.configure(0, quick(10));
    world.run(ms(1_000));
    let times: Vec<f64> = adverts(&world, 0).iter().map(|(at, _)| *at - 10_000.0).collect();
    assert_eq!(times, [0., 100., 200., 300., 400., 500., 600., 700., 800., 900., 1_000.]);
}

#[test]
fn another_version_is_spoken_and_believed_at_once() {
    let newer = |host: Host| {
        with(host, |i| {
            i.settings.version = Version::V3;
            i.authentication = Authentication::None;
        })
    };
    let mut world = settled();
    world.configure(1, newer(crate::config::lb02()));
    world.configure(0, newer(lb01()));
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
    let versions: Vec<u8> = world.machines[0].sent().iter().map(|(_, t)| t.datagram[20] >> 4).collect();
    assert!(versions.len() > 9 && versions.iter().all(|v| *v == 3));
    assert_eq!(world.status(1, "VI_50").counters.became_active, 0);
}

#[test]
fn a_new_password_counts_from_the_reload_on() {
    let mut world = settled();
    let other = |i: &mut Instance| i.authentication = Authentication::Password(Secret::cut(b"s3cret"));
    world.configure(0, with(lb01(), other));
    world.configure(1, with(crate::config::lb02(), other));
    world.run(ms(10_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
}

#[test]
fn a_group_of_their_own_is_kept_across_a_reload() {
    let ours = Ipv4Addr::new(224, 0, 0, 99);
    let mine = |instances| Host { group_v4: ours, ..host(instances) };
    let mut world = World::new(1);
    world.boot(0, mine(vec![scenario(150), instance(51, 150, &["10.0.0.4"])]));
    world.run(ms(10_000));
    world.configure(0, mine(vec![scenario(140)]));
    world.run(ms(10_000));
    world.order(0, Order::Stop);
    world.run(ms(10));
    let groups: Vec<IpAddr> = world.machines[0].sent().iter().map(|(_, t)| t.destination).collect();
    assert!(groups.len() > 20 && groups.iter().all(|group| *group == IpAddr::V4(ours)), "{groups:?}");
}

#[test]
fn a_new_group_is_spoken_to_at_once_and_farewells_go_to_the_old() {
    let new = Ipv4Addr::new(224, 0, 0, 99);
    let mut world = World::new(1);
    world.boot(0, many(2, 150));
    world.run(ms(10_000));
    world.machines[0].log.clear();
    world.configure(0, Host { group_v4: new, ..many(1, 150) });
    world.run(ms(3_000));
    let sent = world.machines[0].sent();
    let (farewell, rest) = sent.split_first().unwrap();
    assert_eq!(farewell.1.destination, IpAddr::V4(wire::GROUP_V4));
    assert!(rest.len() >= 3 && rest.iter().all(|(_, t)| t.destination == IpAddr::V4(new)));
}

#[test]
fn nopreempt_added_while_backup_counts_from_the_next_advert() {
    let mut world = World::new(2);
    world.boot(1, host(vec![scenario(100)]));
    world.run(ms(5_000));
    world.boot(0, host(vec![scenario(150)]));
    world.run(ms(1_000));
    world.configure(0, with(host(vec![scenario(150)]), |i| i.settings.preempt = false));
    world.run(ms(20_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Backup, Standing::Active));
}

#[test]
fn an_instance_that_moves_to_another_interface_is_another_one() {
    let mut world = settled();
    world.machines[0].add_link(link(3, "eth1", 0x33), 0);
    world.machines[0].set_address(address(3, "10.0.0.55/24"));
    world.configure(0, with(lb01(), |i| i.home = "eth1".into()));
    world.run(ms(0));
    assert_eq!(adverts(&world, 0).last().map(|(_, priority)| *priority), Some(0));
    assert!(!world.has(0, "10.0.0.3"));
    world.run(ms(5_000));
    let on: Vec<u32> =
        world.machines[0].kernel.addresses.iter().filter(|k| k.ours).map(|k| k.address.interface).collect();
    assert_eq!(on, [3]);
}

#[test]
fn sbc_4_the_startup_delay_holds_everything_back_once() {
    let delayed = |instances| Host { startup_delay: Duration::from_secs(10), ..host(instances) };
    let mut world = World::new(1);
    world.boot(0, delayed(vec![scenario(255)]));
    world.run(ms(9_000));
    assert_eq!((world.standing(0), world.machines[0].sent().len()), (Standing::Initialize, 0));
    world.configure(0, delayed(vec![scenario(255), instance(51, 255, &["10.0.0.4"])]));
    world.run(ms(2_000));
    assert!(world.has(0, "10.0.0.3") && world.has(0, "10.0.0.4"));
    assert_eq!(adverts(&world, 0)[0], (10_000.0, 255));
    world.configure(0, delayed(vec![]));
    world.run(ms(1_000));
    world.configure(0, delayed(vec![scenario(255)]));
    world.run(ms(0));
    assert!(world.has(0, "10.0.0.3"), "it is a delay after the daemon's start, not after a reload");
}

#[test]
fn the_later_of_both_delays_counts_and_one_of_them_from_the_boot() {
    for (startup, boot, begins) in [(10, 4, 10_000.0), (2, 7, 7_000.0)] {
        let mut world = World::new(1);
        let startup_delay = Duration::from_secs(startup);
        let boot_delay = world.now.since(Instant::EPOCH) + Duration::from_secs(boot);
        world.boot(0, Host { startup_delay, boot_delay, ..host(vec![scenario(255)]) });
        world.run(ms(12_000));
        assert_eq!(adverts(&world, 0)[0], (begins, 255));
    }
    // Long after the boot it holds nothing back.
    let mut world = World::new(1);
    world.run(ms(60_000));
    let boot_delay = world.now.since(Instant::EPOCH) - Duration::from_secs(1);
    world.boot(0, Host { boot_delay, ..host(vec![scenario(255)]) });
    world.run(ms(100));
    assert!(world.has(0, "10.0.0.3"));
}

#[test]
fn counters_go_on_over_a_reload_and_begin_anew_when_told_to() {
    let mut world = settled();
    let before = world.status(0, "VI_50").counters;
    assert!(before.sent > 0 && before.became_active == 1);
    world.configure(0, with(lb01(), |i| i.settings.priority = Priority(160)));
    world.run(ms(2_000));
    let after = world.status(0, "VI_50").counters;
    assert!(after.sent > before.sent && after.became_active == 1, "{after:?}");
    let now = world.now;
    world.machines[0].node.handle(now, node::io::Input::CountAnew, &mut Vec::new());
    assert_eq!(world.status(0, "VI_50").counters, node::Counters::default());
    world.run(ms(2_000));
    let anew = world.status(0, "VI_50").counters;
    assert!(anew.sent > 0 && anew.sent < after.sent && anew.became_active == 0, "{anew:?}");
}

#[test]
fn an_instance_that_cannot_start_is_a_fault_only_after_the_startup_delay() {
    let mut world = World::new(1);
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.boot(0, Host { startup_delay: Duration::from_secs(10), ..lb01() });
    world.run(ms(9_999));
    assert_eq!(world.standing(0), Standing::Initialize);
    world.run(ms(1));
    assert_eq!(world.standing(0), Standing::Fault);
}

#[test]
fn an_address_that_moves_between_instances_stays() {
    let mut world = World::new(1);
    world.boot(0, host(vec![instance(50, 255, &["10.0.0.3", "10.0.0.4"]), instance(51, 255, &["10.0.0.9"])]));
    world.run(ms(1_000));
    world.configure(
        0,
        host(vec![instance(50, 255, &["10.0.0.3"]), instance(51, 255, &["10.0.0.9", "10.0.0.4"])]),
    );
    world.run(ms(1_000));
    assert!(["10.0.0.3", "10.0.0.4", "10.0.0.9"].iter().all(|address| world.has(0, address)));
    let told = world.story(0);
    assert!(!told.contains("earlier run") && !told.contains("was removed"), "{told}");
}

#[test]
fn addresses_that_a_reload_does_not_touch_are_not_told_again() {
    let mut world = settled();
    world.configure(0, with(lb01(), |i| i.settings.priority = Priority(160)));
    world.run(ms(5_000));
    assert!(!world.story(0).contains("in place"));
}

// What `standfast check --diff` says would happen, and within which time.

/// lb01 Active with priority 150, lb02 a backup of this one; the reload comes in the middle of an interval.
fn beside(priority: u8) -> World {
    let mut world = World::new(2);
    world.boot(0, lb01());
    world.run(ms(5_000));
    world.boot(1, host(vec![scenario(priority)]));
    world.run(ms(5_500));
    assert!(world.has(0, "10.0.0.3"));
    world
}

#[test]
fn a_lower_priority_gives_the_address_to_a_better_partner_in_time() {
    for (partner, longest) in [(91, ms(3_645)), (150, ms(3_415))] {
        let mut world = beside(partner);
        world.configure(0, with(lb01(), |i| i.settings.priority = Priority(90)));
        world.run(longest);
        assert!(world.has(1, "10.0.0.3") && !world.has(0, "10.0.0.3"), "priority {partner}");
    }
    let mut world = beside(90);
    world.configure(0, with(lb01(), |i| i.settings.priority = Priority(90)));
    world.run(ms(20_000));
    assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"), "an equal one is not better");
}

#[test]
fn a_higher_priority_takes_the_address_in_time() {
    let better = |delay| with(host(vec![scenario(200)]), |i| i.settings.preempt_delay = ms(delay));
    let mut world = beside(100);
    world.configure(1, better(0));
    world.run(ms(3_219));
    assert!(world.has(1, "10.0.0.3") && !world.has(0, "10.0.0.3"));
    // An interval until it is heard, the delay, and the wait that the last advert began.
    let mut world = beside(100);
    world.configure(1, better(10_000));
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3"));
    world.run(ms(1_000 + 3_219));
    assert!(world.has(1, "10.0.0.3") && !world.has(0, "10.0.0.3"));
}

#[test]
fn another_vrid_on_one_node_gives_two_holders() {
    let mut world = beside(100);
    world.configure(0, host(vec![instance(51, 150, &["10.0.0.3"])]));
    world.run(ms(997));
    assert!(world.has(1, "10.0.0.3") && !world.has(0, "10.0.0.3"), "the old one resigned");
    world.run(ms(3_415 - 997));
    assert!(world.has(1, "10.0.0.3") && world.has(0, "10.0.0.3"));
}

#[test]
fn another_password_on_one_node_gives_two_holders() {
    let mut world = beside(100);
    let other = |i: &mut Instance| i.authentication = Authentication::Password(Secret::cut(b"s3cret"));
    world.configure(0, with(lb01(), other));
    world.run(ms(3_997));
    assert!(world.has(1, "10.0.0.3") && world.has(0, "10.0.0.3"));
}

/// A removal takes back what was asked for before, and with it the first announcements that wait: those of the addresses that
/// stay are owed.
#[test]
fn an_address_less_in_the_middle_of_a_takeover_leaves_the_others_announced() {
    let mut node = node::Node::new();
    let mut effects = Vec::new();
    let now = Instant::EPOCH + ms(1_000);
    let everything = Fact::Everything {
        links: vec![link(ETH0, "eth0", 1)],
        addresses: vec![address(ETH0, "10.0.0.5/24")],
    };
    let owner = |addresses: &[&str]| Input::Configure(Box::new(host(vec![instance(50, 255, addresses)])));
    for input in [Input::Fact(everything), owner(&["10.0.0.3", "10.0.0.4"]), Input::Elapsed] {
        node.handle(now, input, &mut effects);
    }
    let is_add =
        |effect: &Effect| matches!(effect, Effect::Hold(hold) if matches!(hold.act, Act::Add { .. }));
    assert!(effects.iter().any(is_add), "{effects:?}");
    effects.clear();
    // The hand has not answered yet.
    for input in [owner(&["10.0.0.3"]), Input::Elapsed] {
        node.handle(now, input, &mut effects);
    }
    let act = |effect: &_| if let Effect::Hold(hold) = effect { Some(hold.act.clone()) } else { None };
    let acts: Vec<Act> = effects.iter().filter_map(act).collect();
    let [Act::Remove { .. }, Act::Announce { announcements, rounds, .. }] = &acts[..] else {
        panic!("{acts:?}")
    };
    assert_eq!((announcements.len(), announcements[0].address, *rounds), (1, ip("10.0.0.3"), 1));
}
