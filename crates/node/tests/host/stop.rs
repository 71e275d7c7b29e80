//! The end: in order, or without a word.

use crate::config::{host, lb01, scenario};
use crate::election::settled;
use crate::world::{ETH0, World, adverts, ip, ms};
use node::event::Standing;
use node::io::Order;
use timeline::Machine as _;

#[test]
fn sm_act_2_a_stop_is_at_rest_only_after_the_addresses_are_gone() {
    let mut world = settled();
    world.machines[0].kernel.delay = ms(300);
    world.order(0, Order::Stop);
    for _ in 0..29 {
        world.run(ms(10));
        assert!(!world.machines[0].node.is_at_rest() && world.has(0, "10.0.0.3"));
    }
    world.run(ms(20));
    assert!(world.machines[0].node.is_at_rest() && !world.has(0, "10.0.0.3"));
    assert_eq!(adverts(&world, 0), [(10_000.0, 0)], "it resigned at once");
    assert!(world.machines[0].node.status(world.now).stopping);
    insta::assert_snapshot!(world.story(0).trim(), @"10.000000 (VI_50) Entering STOP STATE");
}

#[test]
fn a_stop_while_an_address_is_being_set_waits_for_both() {
    let mut world = World::new(1);
    world.machines[0].kernel.delay = ms(100);
    world.boot(0, host(vec![scenario(255)]));
    world.run(ms(50));
    world.order(0, Order::Stop);
    world.run(ms(60));
    assert!(!world.machines[0].node.is_at_rest());
    world.run(ms(100));
    assert!(world.machines[0].node.is_at_rest() && !world.has(0, "10.0.0.3"));
}

#[test]
fn after_a_stop_nothing_starts_again() {
    let mut world = settled();
    world.order(0, Order::Stop);
    world.run(ms(100));
    world.machines[0].log.clear();
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(10));
    world.machines[0].change_link(ETH0, |link| link.carrier = true);
    world.order(0, Order::Stop);
    world.run(ms(20_000));
    assert_eq!(world.machines[0].log, []);
    assert_eq!(world.standing(0), Standing::Initialize);
}

#[test]
fn an_instance_in_fault_stops_too() {
    let mut world = World::new(1);
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.boot(0, lb01());
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Fault);
    world.order(0, Order::Stop);
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Initialize);
    assert!(world.story(0).contains("(VI_50) Entering STOP STATE"), "whoever is notified hears of it");
    assert!(world.machines[0].node.is_at_rest());
}

#[test]
fn sm_bkp_2_a_backup_stops_without_a_word() {
    let mut world = settled();
    world.order(1, Order::Stop);
    world.run(ms(100));
    assert_eq!(adverts(&world, 1), [], "SM-BKP-2");
    assert!(world.machines[1].node.is_at_rest());
}

#[test]
fn to_abandon_leaves_everything_where_it_is() {
    let mut world = settled();
    world.order(0, Order::Abandon);
    world.run(ms(20_000));
    assert_eq!(world.machines[0].log, [], "not a word");
    assert!(world.machines[0].kernel.ours().eq([ip("10.0.0.3")]));
    assert_eq!(world.machines[0].node.deadline(), None);
    assert!(world.machines[0].node.is_at_rest());
    assert_eq!(world.standing(1), Standing::Active);
}
