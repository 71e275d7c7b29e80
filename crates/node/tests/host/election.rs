//! Who answers for the address, and from when on: the reference scenario with the protocol's times, to the
//! nanosecond where the protocol gives them.

use crate::config::{host, instance, lb01, lb02, scenario, with};
use crate::world::{START, World, adverts, ip, ms};
use model::{Authentication, Peer, Secret, Transport, VirtualAddress};
use node::event::Standing;
use node::io::Order;
use timeline::Duration;
use wire::message::Message;

/// Master_Down_Interval of a backup of priority 100, and of one of priority 150.
const DOWN_100: f64 = 3_609.375;
const DOWN_150: f64 = 3_414.062_5;

/// lb01 and lb02 as the scenario has them, after everything has settled.
pub(crate) fn settled() -> World {
    let mut world = World::new(2);
    world.boot(0, lb01());
    world.boot(1, lb02());
    world.run(ms(10_000));
    for n in 0..2 {
        world.machines[n].log.clear();
        world.machines[n].kernel.announced.clear();
    }
    world
}

#[test]
fn sb1w_1_lb01_takes_the_address_and_lb02_stays_backup() {
    let mut world = World::new(2);
    world.boot(0, lb01());
    world.boot(1, lb02());
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
    insta::assert_snapshot!(world.story(0), @r"
    0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
    0.000000 (VI_50) Entering BACKUP STATE (init)
    3.414062 (VI_50) Receive advertisement timeout
    3.414062 (VI_50) Entering MASTER STATE
    3.414062 (VI_50) because no advert came from an active router in time
    3.414062 (VI_50) 1 address in place
    ");
    insta::assert_snapshot!(world.story(1), @r"
    0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
    0.000000 (VI_50) Entering BACKUP STATE (init)
    3.414062 (VI_50) follows 10.0.0.5 (priority 150)
    ");
}

#[test]
fn the_holder_alone_advertises_once_a_second_without_drift() {
    let mut world = settled();
    world.run(ms(60_000));
    let times: Vec<f64> = adverts(&world, 0).iter().map(|(at, _)| *at).collect();
    assert_eq!(times.len(), 60);
    for pair in times.windows(2) {
        assert_eq!(pair[1] - pair[0], 1_000.0);
    }
    assert_eq!(adverts(&world, 1), []);
    assert_eq!(world.machines[0].log.len(), 60, "a turn that advertises does nothing else");
    assert_eq!(world.machines[1].log.len(), 0, "a backup that hears its leader does nothing");
}

#[test]
fn s3_a_crash_costs_one_master_down_interval() {
    let mut world = settled();
    world.run(ms(500));
    let last = adverts(&world, 0).last().unwrap().0;
    world.crash(0, true);
    world.run(ms(5_000));
    assert!(world.has(1, "10.0.0.3"));
    let (took, priority) = adverts(&world, 1)[0];
    assert_eq!((took - last, priority), (DOWN_100, 100));
    let (announced, _, rounds) = world.machines[1].kernel.announced[0];
    assert_eq!((world.clock(announced), rounds), (took, 1), "announced in the turn in which it takes over");
    let packets: u32 = world.machines[1].kernel.announced.iter().map(|(.., rounds)| rounds).sum();
    assert_eq!(packets, 5, "garp_master_repeat counts the one that goes with setting the address");
}

#[test]
fn an_orderly_stop_costs_the_skew_only() {
    let mut world = settled();
    world.run(ms(500));
    world.order(0, Order::Stop);
    world.run(ms(2_000));
    let (left, zero) = *adverts(&world, 0).last().unwrap();
    assert_eq!(zero, 0);
    assert!(!world.has(0, "10.0.0.3") && world.machines[0].node.is_at_rest());
    assert_eq!(adverts(&world, 1)[0], (left + 609.375, 100));
    insta::assert_snapshot!(world.story(1), @r"
    11.109375 (VI_50) Entering MASTER STATE
    11.109375 (VI_50) because 10.0.0.5 resigned (priority 0)
    11.109375 (VI_50) 1 address in place
    ");
}

#[test]
fn s4_lb01_returns_and_takes_the_address_back() {
    let mut world = settled();
    world.crash(0, true);
    world.run(ms(10_000));
    world.boot(0, lb01());
    let back = world.now;
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
    assert_eq!(
        adverts(&world, 0).iter().find(|(at, _)| *at > world.clock(back)).unwrap().0,
        world.clock(back) + DOWN_150
    );
    assert!(
        adverts(&world, 1).iter().all(|(_, priority)| *priority != 0),
        "SM-ACT-15: it yields without a word"
    );
    insta::assert_snapshot!(world.story(1), @r"
    13.023438 (VI_50) Receive advertisement timeout
    13.023438 (VI_50) Entering MASTER STATE
    13.023438 (VI_50) because no advert came from an active router in time
    13.023438 (VI_50) 1 address in place
    23.414062 (VI_50) Entering BACKUP STATE
    23.414062 (VI_50) because 10.0.0.5 advertises the higher priority 150
    ");
}

#[test]
fn s4_preemption_leaves_no_moment_without_an_owner() {
    let mut world = settled();
    world.crash(0, true);
    world.run(ms(10_000));
    world.boot(0, lb01());
    for _ in 0..10_000 {
        world.run(ms(1));
        assert!(world.has(0, "10.0.0.3") || world.has(1, "10.0.0.3"));
    }
}

#[test]
fn sb1w_5_without_preemption_the_address_moves_once() {
    let patient = |priority| {
        host(vec![{
            let mut instance = scenario(priority);
            instance.settings.preempt = false;
            instance
        }])
    };
    let mut world = World::new(2);
    world.boot(0, patient(150));
    world.boot(1, patient(100));
    world.run(ms(10_000));
    assert_eq!(world.standing(0), Standing::Active);
    world.crash(0, true);
    world.run(ms(10_000));
    world.boot(0, patient(150));
    world.run(ms(60_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Backup, Standing::Active));
    assert_eq!(world.status(1, "VI_50").counters.became_active, 1);
    assert_eq!(world.status(1, "VI_50").counters.released_active, 0);
}

#[test]
fn three_nodes_agree_and_the_next_best_follows() {
    let mut world = World::new(3);
    for (n, priority) in [100, 150, 120].into_iter().enumerate() {
        world.boot(n, host(vec![scenario(priority)]));
    }
    world.run(ms(10_000));
    assert!(world.has(1, "10.0.0.3"));
    world.order(1, Order::Stop);
    world.run(ms(10_000));
    assert!(!world.has(0, "10.0.0.3") && world.has(2, "10.0.0.3"));
}

#[test]
fn sbt_6_sbt_7_equal_priorities_are_settled_by_the_address() {
    let mut world = World::new(2);
    for n in 0..2 {
        world.boot(n, host(vec![scenario(100)]));
    }
    world.run(ms(10_000));
    assert!(!world.has(0, "10.0.0.3") && world.has(1, "10.0.0.3"), "10.0.0.6 is the higher one");
}

#[test]
fn sm_act_4_an_active_router_that_hears_priority_0_speaks_up() {
    let mut world = World::new(3);
    for (n, priority) in [150, 100, 90].into_iter().enumerate() {
        world.boot(n, host(vec![scenario(priority)]));
    }
    world.cut(0, 1);
    world.run(ms(10_250));
    assert_eq!(world.standing(1), Standing::Active, "it does not hear the first");
    world.machines[0].log.clear();
    world.order(1, Order::Stop);
    world.run(ms(1));
    let mut heard = adverts(&world, 0);
    heard.truncate(1);
    assert_eq!(heard, [(10_250.0, 150)], "SM-ACT-4");
    world.run(ms(10_000));
    assert_eq!(world.standing(2), Standing::Backup, "the good-bye of the rival moved nobody");
}

#[test]
fn sbt_3_sb1w_4_two_that_were_apart_agree_when_they_meet() {
    let mut world = settled();
    world.cut(0, 1);
    world.cut(1, 0);
    world.run(ms(10_500));
    assert!(world.has(0, "10.0.0.3") && world.has(1, "10.0.0.3"), "a split brain: nobody can know");
    world.heal();
    world.machines.iter_mut().for_each(|m| m.kernel.announced.clear());
    world.run(ms(1_100));
    assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
    assert!(!world.machines[0].kernel.announced.is_empty(), "SBY-5: the neighbours learn the way back");
}

#[test]
fn sbt_1_sb1w_3_who_is_deaf_to_its_rival_keeps_being_answered() {
    let mut world = settled();
    world.cut(0, 1);
    world.run(ms(20_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Active));
    let rivals = world.status(0, "VI_50").counters.incidents.rivals;
    assert!(rivals >= 15, "{rivals} losing adverts");
    let told = world.story(0);
    assert_eq!(told.matches("lower priority 100").count(), 1, "RX-21: {told}");
}

#[test]
fn ipv6_works_the_same_with_version_3() {
    let mut world = World::new(2);
    for (n, priority) in [150, 100].into_iter().enumerate() {
        world.boot(n, host(vec![instance(52, priority, &["fe80::3", "2001:db8::3"])]));
    }
    world.run(ms(10_000));
    assert!(world.has(0, "2001:db8::3") && world.has(0, "fe80::3") && !world.has(1, "2001:db8::3"));
    let (_, first) = world.machines[0].sent()[0].clone();
    assert_eq!((first.source, first.destination, first.hop_limit), (ip("fe80::5"), ip("ff02::12"), 255));
    world.run(ms(500));
    let last = adverts(&world, 0).last().unwrap().0;
    world.crash(0, true);
    world.run(ms(5_000));
    assert_eq!(adverts(&world, 1)[0].0 - last, DOWN_100);
}

#[test]
fn tm_6_version_3_follows_the_interval_of_the_active_router() {
    let quick = |priority, centis| {
        let mut instance = instance(51, priority, &["10.0.0.3"]);
        instance.settings.version = wire::Version::V3;
        instance.settings.interval = crate::config::interval(centis);
        host(vec![instance])
    };
    let mut world = World::new(2);
    world.boot(0, quick(200, 10));
    world.boot(1, quick(100, 100));
    world.run(ms(5_050));
    let last = adverts(&world, 0).last().unwrap().0;
    world.crash(0, true);
    world.run(ms(5_000));
    let took = adverts(&world, 1)[0].0;
    assert!((took - last - 360.937_5).abs() < 1e-6, "three of its intervals and our skew: {}", took - last);
}

#[test]
fn uni_1_unicast_peers_elect_without_any_group() {
    let peers = |priority, peer: &str| {
        let peers = vec![Peer { address: ip(peer), min_ttl: None, max_ttl: None }];
        let transport = Transport::Unicast { source: None, peers, ttl: 255 };
        host(vec![model::Instance { transport, check_unicast_source: true, ..scenario(priority) }])
    };
    let mut world = World::new(2);
    world.boot(0, peers(150, "10.0.0.6"));
    world.boot(1, peers(100, "10.0.0.5"));
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
    assert!(world.machines[0].sent().iter().all(|(_, t)| t.destination == ip("10.0.0.6")));
    world.order(0, Order::Stop);
    world.run(ms(1_000));
    assert!(world.has(1, "10.0.0.3"));
}

#[test]
fn uni_1_who_has_no_peer_to_speak_to_stays_in_fault() {
    let transport = Transport::Unicast { source: None, peers: Vec::new(), ttl: 255 };
    let mut world = World::new(1);
    world.boot(0, host(vec![model::Instance { transport, ..scenario(150) }]));
    world.run(ms(10_000));
    assert_eq!(world.standing(0), Standing::Fault);
    assert!(world.story(0).contains("because no unicast peer is configured (unicast_fault_no_peer)"));
    assert!(world.machines[0].sent().is_empty() && !world.has(0, "10.0.0.3"));
}

#[test]
fn auth_9_auth_10_headers_are_believed_and_their_numbers_grow() {
    let sealed = |priority| {
        let authentication = Authentication::Header(Secret::cut(b"1111"));
        host(vec![model::Instance { authentication, ..scenario(priority) }])
    };
    let mut world = World::new(2);
    world.boot(0, sealed(150));
    world.boot(1, sealed(100));
    world.run(ms(20_000));
    assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
    let sent = world.machines[0].sent();
    let numbers: Vec<u32> =
        sent.iter().map(|(_, t)| u32::from_be_bytes(t.datagram[28..32].try_into().unwrap())).collect();
    assert!(numbers.len() > 10 && numbers.is_sorted_by(|a, b| a < b), "AUTH-9: {numbers:?}");
    let discards: u64 = world.status(1, "VI_50").counters.discards.counts().iter().sum();
    assert_eq!(discards, 0);
    world.crash(0, true);
    world.run(ms(10_000));
    world.boot(0, sealed(150));
    world.run(ms(20_000));
    assert!(
        world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"),
        "AUTH-10: a restarted sender is believed again"
    );
}

#[test]
fn sbc_8_another_password_makes_two_owners_and_says_so() {
    let mut world = World::new(2);
    world.boot(0, lb01());
    world.boot(1, with(lb02(), |i| i.authentication = Authentication::Password(Secret::cut(b"2222"))));
    world.cut(0, 0); // A whole network would not allow what follows.
    world.run(ms(10_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Active));
    let story = world.story(1);
    assert_eq!(
        story.matches("ignored an advert from 10.0.0.5: its password (auth_pass) is not ours").count(),
        2,
        "once in each role: {story}"
    );
    assert!(
        story.contains("1 advert of 10.0.0.5 was not believed (the last: its password (auth_pass) is not"),
        "{story}"
    );
    assert!(!story.contains("1111") && !story.contains("2222"));
}

#[test]
fn twenty_instances_fail_over_together() {
    let many = |priority: u8| {
        let each = (1..=20).map(|vrid| {
            let addresses: Vec<String> = (1..=20).map(|n| format!("10.{vrid}.0.{n}")).collect();
            let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
            instance(vrid, priority, &addresses)
        });
        host(each.collect())
    };
    let mut world = World::new(2);
    world.boot(0, many(150));
    world.boot(1, many(100));
    world.run(ms(10_000));
    assert_eq!(world.machines[0].kernel.ours().count(), 400);
    world.crash(0, true);
    world.run(ms(4_000));
    assert_eq!(world.machines[1].kernel.ours().count(), 400);
    world.boot(0, many(150));
    world.run(ms(10_000));
    assert_eq!((world.machines[0].kernel.ours().count(), world.machines[1].kernel.ours().count()), (400, 0));
}

#[test]
fn sm_init_1_the_owner_starts_as_active_and_keeps_its_own_address() {
    let mut world = World::new(2);
    let mut owner = instance(60, 255, &["10.0.0.5"]);
    owner.addresses[0] = VirtualAddress { prefix: 24, ..VirtualAddress::host(ip("10.0.0.5")) };
    world.boot(0, host(vec![owner.clone()]));
    owner.settings.priority = wire::Priority(100);
    world.boot(1, host(vec![owner]));
    world.run(ms(5_000));
    assert_eq!(adverts(&world, 0)[0], (0.0, 255));
    assert_eq!(world.status(0, "VI_60").source, Some(ip("10.0.0.5")));
    assert!(!world.has(1, "10.0.0.5"));
    insta::assert_snapshot!(world.story(0), @r"
    0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
    0.000000 (VI_60) Entering MASTER STATE
    0.000000 (VI_60) because its priority is 255: it owns the address
    0.000000 (VI_60) 10.0.0.5 was on eth0 already; it will be left there
    0.000000 (VI_60) 1 address in place
    ");
    world.order(0, Order::Stop);
    world.run(ms(100));
    assert!(world.has(0, "10.0.0.5"), "it was there before us");
    assert!(world.machines[0].node.is_at_rest());
}

#[test]
fn an_owner_whose_address_has_two_prefixes_keeps_its_own() {
    // 10.0.0.5/24 is the interface's own, 10.0.0.5/32 is what `virtual_ipaddress { 10.0.0.5 }` means.
    let mut world = World::new(1);
    world.boot(0, host(vec![instance(60, 255, &["10.0.0.5"])]));
    world.run(ms(1_000));
    for carrier in [false, true] {
        world.machines[0].change_link(crate::world::ETH0, |link| link.carrier = carrier);
        world.run(ms(1_000));
        assert_eq!(world.status(0, "VI_60").source, Some(ip("10.0.0.5")));
    }
    assert_eq!(world.standing(0), Standing::Active);
    assert_eq!(world.machines[0].kernel.ours().count(), 1);
}

#[test]
fn sm_act_13_two_owners_are_a_mistake_that_is_shouted_about() {
    let mut world = World::new(2);
    for n in 0..2 {
        world.boot(n, host(vec![instance(60, 255, &["10.0.0.99"])]));
    }
    world.run(ms(10_000));
    assert!(!world.has(0, "10.0.0.99") && world.has(1, "10.0.0.99"), "the higher address stays");
    let stories = world.story(0) + &world.story(1);
    assert!(stories.contains("CONFIGURATION ERROR: "), "{stories}");
}

#[test]
fn con_12_two_instances_with_one_vrid_on_two_interfaces_do_not_mix() {
    let mut world = World::new(2);
    for (n, machine) in world.machines.iter_mut().enumerate() {
        machine.add_link(crate::world::link(3, "eth1", 0x20 + u8::try_from(n).unwrap()), 1);
        machine.set_address(crate::world::address(3, &format!("10.1.0.{}/24", n + 5)));
    }
    let two = |first: u8, second: u8| {
        let other = model::Instance {
            name: "other".into(),
            home: "eth1".into(),
            ..instance(50, second, &["10.1.0.3"])
        };
        host(vec![scenario(first), other])
    };
    world.boot(0, two(150, 100));
    world.boot(1, two(100, 150));
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3") && !world.has(0, "10.1.0.3"));
    assert!(!world.has(1, "10.0.0.3") && world.has(1, "10.1.0.3"));
    let strays: u64 = world.machines[0].node.status(world.now).strays.iter().sum();
    assert_eq!(strays, 0);
}

#[test]
fn a_slow_hand_changes_nothing_about_who_is_active() {
    let mut world = World::new(2);
    for machine in &mut world.machines {
        machine.kernel.delay = ms(700);
        machine.kernel.late_notices = true;
    }
    world.boot(0, lb01());
    world.boot(1, lb02());
    world.run(ms(10_000));
    world.crash(0, true);
    world.run(ms(10_000));
    world.boot(0, lb01());
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
    let message = world.machines[0].sent()[0].1.clone();
    assert_eq!(Message::new(&crate::world::vrrp_message(&message)).unwrap().vrid(), 50);
}

#[test]
fn sm_p_6_same_inputs_same_outputs() {
    let run = || {
        let mut world = settled();
        world.crash(0, true);
        world.run(ms(7_000));
        world.boot(0, lb01());
        world.run(Duration::from_secs(20));
        world.story(0) + &world.story(1)
    };
    assert_eq!(run(), run(), "SM-P-6");
    let _ = START;
}
