//! What is done about addresses: set, refused, adopted, taken away by others, left over by an earlier run; and the
//! orders in which a hand's outcomes and a kernel's notices may come.

use crate::config::{host, instance, lb01, scenario, with};
use crate::election::settled;
use crate::world::{ETH0, Kept, World, address, adverts, ip, link, ms};
use model::{Host, VirtualAddress};
use node::event::{Event, Standing};
use node::io::{Act, Actor, Address, Effect, Errno, Fact, Link, Order};
use node::status::AddressState;
use timeline::Duration;

const EPERM: Errno = Errno(1);

/// One machine, alone, Active with these addresses.
fn alone(addresses: &[&str]) -> World {
    let mut world = World::new(1);
    world.boot(0, host(vec![instance(50, 150, addresses)]));
    world.run(ms(10_000));
    assert_eq!(world.standing(0), Standing::Active);
    world.machines[0].log.clear();
    world.machines[0].kernel.announced.clear();
    world
}

fn marked(text: &str) -> Kept {
    Kept { address: Address { marked: true, ..address(ETH0, text) }, ours: false }
}

/// The acts of the holds that machine 0 asked for, as words.
pub(crate) fn acts(world: &World) -> Vec<String> {
    let name = |list: &[node::io::Placed]| {
        let names: Vec<String> = list.iter().map(|p| p.address.address.to_string()).collect();
        names.join(" ")
    };
    let word = |act: &Act| match act {
        Act::Add { addresses, .. } => format!("add {}", name(addresses)),
        Act::Remove { addresses, all } => {
            format!("remove{} {}", if *all { " all" } else { "" }, name(addresses))
        }
        Act::Announce { announcements, rounds, .. } => format!("announce {} x{rounds}", announcements.len()),
        Act::Close { places } => {
            let names: Vec<String> = places.iter().map(|place| place.address.to_string()).collect();
            format!("close {}", names.join(" "))
        }
    };
    world.machines[0].holds().iter().map(|hold| word(&hold.act)).collect()
}

#[test]
fn arp_5_becoming_active_sets_and_announces_in_one_turn() {
    let mut world = World::new(1);
    world.boot(0, lb01());
    world.run(ms(9_000));
    assert_eq!(acts(&world), ["add 10.0.0.3", "announce 1 x4", "announce 1 x5"]);
    let at: Vec<f64> = world.machines[0].kernel.announced.iter().map(|(at, ..)| world.clock(*at)).collect();
    assert_eq!(at, [3_414.062_5, 3_414.062_5, 8_414.062_5], "and again after garp_master_delay");
}

#[test]
fn a_burst_of_one_is_one_packet() {
    let mut world = World::new(1);
    let mut once = scenario(150);
    once.settings.announce.repeat = 1;
    once.settings.announce.delay = Duration::ZERO;
    world.boot(0, host(vec![once]));
    world.run(ms(10_000));
    assert_eq!(acts(&world), ["add 10.0.0.3"]);
}

#[test]
fn a_stolen_address_is_set_again_in_the_same_turn() {
    let mut world = settled();
    world.run(ms(200));
    let before = world.clock(world.now);
    world.machines[0].log.clear();
    world.machines[0].steal("10.0.0.3", "ip");
    world.run(ms(300));
    assert!(world.has(0, "10.0.0.3"));
    assert_eq!(acts(&world), ["add 10.0.0.3", "announce 1 x4"]);
    let announced = world.machines[0].kernel.announced.first().map(|(at, ..)| world.clock(*at));
    assert_eq!(announced, Some(before), "and announced");
    assert_eq!(world.status(0, "VI_50").counters.released_active, 0, "it stays Active");
    assert_eq!(world.status(0, "VI_50").counters.incidents.lost_addresses, 1);
    insta::assert_snapshot!(world.story(0), @r"
    10.200000 (VI_50) 10.0.0.3 was removed from eth0 by ip; setting it again at once
    10.200000 (VI_50) 1 address in place
    ");
}

#[test]
fn what_we_remove_ourselves_is_no_theft() {
    let mut world = settled();
    world.order(0, Order::Stop);
    world.run(ms(100));
    let story = world.story(0);
    assert!(!story.contains("removed"), "{story}");
    assert_eq!(world.status(0, "VI_50").counters.incidents.lost_addresses, 0);
}

#[test]
fn a_fight_is_left_to_a_healthy_peer() {
    let mut world = settled();
    let end = world.now + ms(120_000);
    let (mut thefts, mut without) = (0, 0);
    while world.now < end {
        if world.has(0, "10.0.0.3") {
            thefts += 1;
            world.machines[0].steal("10.0.0.3", "dhcpcd");
        }
        world.run(ms(10));
        without += u32::from(!world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
    }
    assert!(thefts < 12, "{thefts} thefts");
    assert!(without < 500, "nobody had it for {without} times 10 ms");
    assert_eq!(world.standing(1), Standing::Active);
    assert!(adverts(&world, 0).iter().any(|(_, priority)| *priority == 0), "it resigned in order");
    let story = world.story(0);
    assert!(story.contains("because 10.0.0.3 keeps being removed from eth0 (last by dhcpcd)"), "{story}");
    assert!(story.contains("again and again: leaving it to others for 10 s"), "{story}");
    world.run(Duration::from_secs(170));
    assert!(world.has(0, "10.0.0.3"), "peace: it is there again");
    for _ in 0..3 {
        world.machines[0].steal("10.0.0.3", "ip");
        world.run(ms(0));
        assert!(world.has(0, "10.0.0.3"), "and at once after a quiet time");
    }
}

#[test]
fn a_thief_on_a_link_that_is_down_is_fought_too() {
    let mut world = World::new(1);
    world.machines[0].add_link(Link { up: false, carrier: false, ..link(3, "eth1", 9) }, 1);
    let mut elsewhere = VirtualAddress::host(ip("10.1.0.3"));
    (elsewhere.options.device, elsewhere.options.no_track) = (Some("eth1".into()), true);
    let mut router = instance(50, 150, &["10.0.0.3"]);
    router.excluded.push(elsewhere);
    world.boot(0, host(vec![router]));
    world.run(ms(10_000));
    assert!(world.has(0, "10.1.0.3"), "an interface that is down may carry addresses");
    // Whatever it sets is taken at once, and nothing is told about time: it must not go on for ever.
    world.machines[0].kernel.thief.insert(ip("10.1.0.3"));
    world.machines[0].steal("10.1.0.3", "dhcpcd");
    world.run(ms(0));
    assert_eq!(world.standing(0), Standing::Fault);
    let story = world.story(0);
    assert!(story.contains("because 10.1.0.3 keeps being removed from eth1 (last by dhcpcd)"), "{story}");
    assert_eq!(
        world.status(0, "VI_50").counters.incidents.lost_addresses,
        1,
        "what the link may have taken is no theft"
    );
    world.machines[0].kernel.thief.clear();
    world.run(ms(20_000));
    assert!(world.has(0, "10.0.0.3") && world.has(0, "10.1.0.3"));
}

#[test]
fn an_address_of_the_administrator_with_another_prefix_is_another() {
    let mut world = alone(&["10.0.0.3"]);
    world.machines[0].set_address(address(ETH0, "10.0.0.3/24"));
    world.run(ms(10));
    world.machines[0].log.clear();
    let set = world.machines[0].kernel.addresses.len();
    let place = address(ETH0, "10.0.0.3/24").place();
    world.machines[0].kernel.addresses.retain(|kept| kept.address.place() != place);
    assert_eq!(world.machines[0].kernel.addresses.len(), set - 1);
    world.machines[0].tell(Fact::AddressGone { place, by: Actor::Other(None) });
    world.run(ms(1_000));
    assert_eq!(acts(&world), [] as [&str; 0], "ours was left alone");
    assert_eq!(world.status(0, "VI_50").counters.incidents.lost_addresses, 0);
}

#[test]
fn an_adopted_ipv6_address_with_another_prefix_is_missed_when_it_goes() {
    let mut world = World::new(1);
    world.machines[0].set_address(address(ETH0, "2001:db8::3/64"));
    world.boot(0, host(vec![instance(50, 150, &["2001:db8::3"])]));
    world.run(ms(10_000));
    let state = |world: &World| world.status(0, "VI_50").addresses[0].state;
    assert_eq!(state(&world), AddressState::Foreign, "the kernel does not set it twice");
    world.machines[0].log.clear();
    let everything = world.machines[0].kernel.everything();
    world.machines[0].tell(everything);
    world.run(ms(1_000));
    assert_eq!(acts(&world), [] as [&str; 0], "it is there");
    world.machines[0].steal("2001:db8::3", "ip");
    world.run(ms(1_000));
    assert_eq!(state(&world), AddressState::Held);
    assert!(world.has(0, "2001:db8::3"));
}

#[test]
fn a_reload_ends_the_wait_after_a_fight() {
    let mut world = alone(&["10.0.0.3"]);
    world.machines[0].kernel.thief.insert(ip("10.0.0.3"));
    world.machines[0].steal("10.0.0.3", "dhcpcd");
    world.run(ms(1_000));
    assert_eq!(world.standing(0), Standing::Fault);
    world.machines[0].kernel.thief.clear();
    world.configure(0, host(vec![instance(50, 151, &["10.0.0.3"])]));
    world.run(ms(3_900));
    assert_eq!(world.standing(0), Standing::Active);
    world.machines[0].steal("10.0.0.3", "ip");
    world.run(ms(0));
    assert!(world.has(0, "10.0.0.3"), "what was before does not count any more");
}

#[test]
fn a_thief_that_is_faster_than_the_outcome_is_fought_the_same_way() {
    for late_notices in [false, true] {
        let mut world = alone(&["10.0.0.3"]);
        world.machines[0].kernel.thief.insert(ip("10.0.0.3"));
        world.machines[0].kernel.late_notices = late_notices;
        world.machines[0].steal("10.0.0.3", "dhcpcd");
        world.run(ms(1_000));
        let told = world.story(0).matches("was removed from eth0 by dhcpcd").count();
        assert_eq!(told, 6, "five are repaired at once");
        assert_eq!(world.status(0, "VI_50").counters.incidents.lost_addresses, 6);
        assert_eq!(world.standing(0), Standing::Fault);
        world.machines[0].kernel.thief.clear();
        world.run(ms(20_000));
        assert!(world.has(0, "10.0.0.3"));
    }
}

#[test]
fn stepping_down_ends_the_announcements_of_an_adopted_address() {
    let mut world = World::new(1);
    world.machines[0].set_address(address(ETH0, "10.0.0.3/32"));
    world.boot(0, host(vec![instance(50, 150, &["10.0.0.3"])]));
    world.run(ms(5_000));
    world.machines[0].log.clear();
    world.order(0, Order::Stop);
    world.run(ms(1));
    assert_eq!(acts(&world), ["remove "], "nothing is removed, and what was asked for is off");
    assert!(world.has(0, "10.0.0.3"));
    assert!(world.machines[0].node.is_at_rest());
    // Likewise when its instance is gone from the configuration.
    world.boot(0, host(vec![instance(50, 150, &["10.0.0.3"])]));
    world.run(ms(5_000));
    world.machines[0].log.clear();
    world.configure(0, host(vec![]));
    world.run(ms(1));
    assert_eq!(acts(&world), ["remove "]);
}

/// Two instances with the same address, the second of which becomes Active a little later.
fn twins() -> Host {
    host(vec![instance(50, 150, &["10.0.0.3"]), instance(51, 100, &["10.0.0.3"])])
}

#[test]
fn an_address_of_another_instance_is_no_leftover() {
    for delay in [0, 20] {
        let mut world = World::new(1);
        world.machines[0].kernel.delay = ms(delay);
        world.boot(0, twins());
        world.run(ms(3_500));
        assert_eq!(world.status(0, "VI_50").standing, Standing::Active);
        assert_eq!(world.status(0, "VI_51").standing, Standing::Backup);
        assert!(world.has(0, "10.0.0.3"));
        let everything = world.machines[0].kernel.everything();
        world.machines[0].tell(everything);
        world.run(ms(50));
        assert!(world.has(0, "10.0.0.3"));
        let story = world.story(0);
        assert!(!story.contains("an earlier run"), "{story}");
    }
}

#[test]
fn an_address_that_another_instance_holds_too_stays() {
    for second_leaves in [false, true] {
        let mut world = World::new(1);
        world.boot(0, twins());
        world.run(ms(6_000));
        world.machines[0].log.clear();
        let mut left = twins();
        left.instances.remove(usize::from(second_leaves));
        let name = left.instances[0].name.clone();
        world.configure(0, left);
        world.run(ms(1_000));
        assert!(acts(&world).iter().all(|act| !act.contains("10.0.0.3")), "{:?}", acts(&world));
        assert_eq!(world.status(0, &name).addresses[0].state, AddressState::Held);
        world.order(0, Order::Stop);
        world.run(ms(100));
        assert!(!world.has(0, "10.0.0.3"), "the last one takes it away");
    }
}

#[test]
fn a_router_that_steps_down_leaves_the_address_to_another_that_is_active() {
    for first_falls in [true, false] {
        let mut world = World::new(1);
        let mut twins = twins();
        let at = usize::from(!first_falls);
        twins.instances[at].home = "eth1".into();
        for instance in &mut twins.instances {
            instance.addresses[0].options.device = Some("eth0".into());
        }
        world.machines[0].add_link(link(3, "eth1", 9), 1);
        world.machines[0].set_address(address(3, "10.1.0.5/24"));
        world.boot(0, twins);
        world.run(ms(6_000));
        world.machines[0].log.clear();
        world.machines[0].change_link(3, |link| link.up = false);
        world.run(ms(100));
        assert_eq!(acts(&world), ["remove "]);
        assert!(world.has(0, "10.0.0.3"));
        let states = ["VI_50", "VI_51"].map(|name| world.status(0, name).addresses[0].state);
        assert_eq!(states[at], AddressState::Absent);
        assert_eq!(states[1 - at], AddressState::Held);
        // Both at once: nobody is left to leave it to.
        world.machines[0].change_link(3, |link| link.up = true);
        world.run(ms(6_000));
        world.order(0, Order::Stop);
        world.run(ms(100));
        assert!(!world.has(0, "10.0.0.3"));
    }
}

#[test]
fn the_notice_of_a_theft_that_comes_before_the_outcome_is_not_lost() {
    let mut world = alone(&["10.0.0.3", "10.0.0.4"]);
    world.machines[0].kernel.delay = ms(20);
    world.machines[0].steal("10.0.0.3", "ip");
    world.run(ms(10));
    // While it is being set somebody removes it once more: the kernel tells that before the hand has answered.
    world.run(ms(9));
    let by = Actor::Other(None);
    world.machines[0].kernel.refuses.clear();
    world.machines[0].tell(Fact::AddressGone { place: address(ETH0, "10.0.0.3/32").place(), by });
    world.run(ms(200));
    assert!(world.has(0, "10.0.0.3"));
    assert_eq!(world.status(0, "VI_50").counters.incidents.lost_addresses, 2);
    assert_eq!(world.status(0, "VI_50").addresses[0].state, AddressState::Held);
}

#[test]
fn a_flush_of_twenty_addresses_is_repaired_at_once() {
    let addresses: Vec<String> = (1..=20).map(|n| format!("10.9.0.{n}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut world = alone(&addresses);
    for address in &addresses {
        world.machines[0].steal(address, "systemd-networkd");
    }
    world.run(ms(0));
    assert_eq!(world.machines[0].kernel.ours().count(), 20, "one incident is no fight");
}

#[test]
fn eexist_is_adopted_and_never_removed() {
    let mut world = World::new(2);
    world.machines[0].set_address(address(ETH0, "10.0.0.3/32"));
    world.boot(0, lb01());
    world.run(ms(10_000));
    assert_eq!(world.status(0, "VI_50").addresses[0].state, AddressState::Foreign);
    world.order(0, Order::Stop);
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3") && world.machines[0].node.is_at_rest());
    insta::assert_snapshot!(world.story(0), @r"
     0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
     0.000000 (VI_50) Entering BACKUP STATE (init)
     3.414062 (VI_50) Receive advertisement timeout
     3.414062 (VI_50) Entering MASTER STATE
     3.414062 (VI_50) because no advert came from an active router in time
     3.414062 (VI_50) 10.0.0.3 was on eth0 already; it will be left there
     3.414062 (VI_50) 1 address in place
    10.000000 (VI_50) Entering STOP STATE
    ");
}

#[test]
fn an_adopted_address_that_is_removed_by_its_owner_becomes_ours() {
    let mut world = World::new(1);
    world.machines[0].set_address(address(ETH0, "10.0.0.3/32"));
    world.boot(0, lb01());
    world.run(ms(10_000));
    world.machines[0].steal("10.0.0.3", "ip");
    world.run(ms(10));
    assert_eq!(world.status(0, "VI_50").addresses[0].state, AddressState::Held);
    world.order(0, Order::Stop);
    world.run(ms(10));
    assert!(!world.has(0, "10.0.0.3"));
}

#[test]
fn all_refused_is_a_fault_that_a_healthy_peer_gains_from() {
    let mut world = World::new(2);
    world.machines[0].kernel.refuses.insert(ip("10.0.0.3"), EPERM);
    world.boot(0, lb01());
    world.boot(1, host(vec![scenario(100)]));
    world.run(ms(4_500));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Fault, Standing::Active));
    insta::assert_snapshot!(world.story(0), @r"
    0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
    0.000000 (VI_50) Entering BACKUP STATE (init)
    3.414062 (VI_50) Receive advertisement timeout
    3.414062 (VI_50) Entering MASTER STATE
    3.414062 (VI_50) because no advert came from an active router in time
    3.414062 (VI_50) cannot set 10.0.0.3 on eth0: operation not permitted (needs CAP_NET_ADMIN); next try in 5 s
    3.414062 (VI_50) Entering FAULT STATE
    3.414062 (VI_50) because address refused: operation not permitted (needs CAP_NET_ADMIN)
    ");
    world.run(ms(5_500));
    assert_eq!(world.standing(0), Standing::Backup, "it tries again after 5 s");
    world.run(ms(51_500));
    assert_eq!(world.standing(1), Standing::Active);
    assert!(world.status(0, "VI_50").counters.became_active <= 4, "5 s, 10 s, 20 s …");
    world.machines[0].kernel.refuses.clear();
    world.run(Duration::from_secs(60));
    assert!(world.has(0, "10.0.0.3"), "and succeeds once it is allowed to");
}

#[test]
fn a_reload_ends_the_wait_after_a_refusal() {
    let mut world = World::new(1);
    world.machines[0].kernel.refuses.insert(ip("10.0.0.3"), EPERM);
    world.boot(0, lb01());
    world.run(ms(3_500));
    assert_eq!(world.standing(0), Standing::Fault);
    world.configure(0, with(lb01(), |i| i.addresses[0].address = ip("10.0.0.4")));
    world.run(ms(1));
    assert_eq!(world.standing(0), Standing::Backup);
}

#[test]
fn some_refused_stays_and_tries_again() {
    let mut world = World::new(1);
    world.machines[0].kernel.refuses.insert(ip("10.0.0.4"), EPERM);
    world.boot(0, host(vec![instance(50, 150, &["10.0.0.3", "10.0.0.4"])]));
    world.run(ms(12_000));
    assert_eq!(world.standing(0), Standing::Active);
    assert_eq!(world.status(0, "VI_50").addresses[1].state, AddressState::Refused(EPERM));
    assert!(world.machines[0].kernel.announced.iter().all(|(_, address, _)| *address == ip("10.0.0.3")));
    assert_eq!(
        acts(&world),
        ["add 10.0.0.3 10.0.0.4", "announce 2 x4", "announce 1 x5"],
        "nor is it asked for later"
    );
    world.machines[0].kernel.refuses.clear();
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.4"));
    insta::assert_snapshot!(world.story(0), @r"
     0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
     0.000000 (VI_50) Entering BACKUP STATE (init)
     3.414062 (VI_50) Receive advertisement timeout
     3.414062 (VI_50) Entering MASTER STATE
     3.414062 (VI_50) because no advert came from an active router in time
     3.414062 (VI_50) cannot set 10.0.0.4 on eth0: operation not permitted (needs CAP_NET_ADMIN); next try in 10 s
    13.414062 (VI_50) 2 addresses in place
    ");
}

#[test]
fn a_theft_while_another_address_is_refused_does_not_spin() {
    let mut world = World::new(1);
    world.machines[0].kernel.refuses.insert(ip("10.0.0.4"), EPERM);
    world.boot(0, host(vec![instance(50, 150, &["10.0.0.3", "10.0.0.4"])]));
    world.run(ms(5_000));
    world.machines[0].kernel.thief.insert(ip("10.0.0.3"));
    world.machines[0].steal("10.0.0.3", "ip");
    // The world itself counts turns.
    world.run(Duration::from_secs(100));
}

#[test]
fn an_address_that_cannot_be_removed_is_told_and_tried_again() {
    let mut world = settled();
    world.machines[0].kernel.clings.insert(ip("10.0.0.3"), EPERM);
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(10));
    assert_eq!((world.standing(0), world.has(0, "10.0.0.3")), (Standing::Fault, true));
    let story = world.story(0);
    assert!(story.contains("cannot remove 10.0.0.3 from eth0: operation not permitted"), "{story}");
    world.machines[0].kernel.clings.clear();
    world.run(ms(10_000));
    assert!(!world.has(0, "10.0.0.3"), "BK-6: it does not stay for ever");
    world.order(0, Order::Stop);
    world.run(ms(1));
    assert!(world.machines[0].node.is_at_rest());
}

#[test]
fn an_address_that_cannot_be_removed_does_not_hold_up_an_orderly_end() {
    let mut world = settled();
    world.machines[0].kernel.clings.insert(ip("10.0.0.3"), EPERM);
    world.order(0, Order::Stop);
    world.run(ms(10));
    assert!(world.machines[0].node.is_at_rest());
}

#[test]
fn bk_6_leftovers_of_an_earlier_run_go_before_anything_else() {
    let mut world = World::new(2);
    world.boot(1, host(vec![scenario(200)]));
    world.run(ms(10_000));
    world.machines[0].kernel.addresses.push(marked("10.0.0.3/32"));
    world.machines[0].kernel.addresses.push(marked("10.0.0.77/32"));
    world.machines[0].set_address(address(ETH0, "10.0.0.78/32"));
    world.boot(0, lb01());
    world.run(ms(0));
    assert!(!world.has(0, "10.0.0.3") && !world.has(0, "10.0.0.77"));
    assert!(world.has(0, "10.0.0.78"), "the administrator's is never touched");
    insta::assert_snapshot!(world.story(0), @r"
    10.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
    10.000000 (VI_50) Entering BACKUP STATE (init)
    10.000000 removed 10.0.0.77 from eth0: an earlier run had left it
    10.000000 removed 10.0.0.3 from eth0: an earlier run had left it
    ");
}

#[test]
fn bk_6_a_leftover_with_another_prefix_goes_too() {
    let mut world = World::new(1);
    world.machines[0].kernel.addresses.push(marked("10.0.0.3/24"));
    world.boot(0, host(vec![scenario(100)]));
    world.run(ms(0));
    assert!(!world.has(0, "10.0.0.3"));
}

#[test]
fn an_owner_keeps_a_leftover_that_it_wants() {
    let mut world = World::new(1);
    world.machines[0].kernel.addresses.push(marked("10.0.0.3/32"));
    world.boot(0, host(vec![scenario(255)]));
    world.run(ms(1_000));
    assert_eq!(acts(&world), ["announce 1 x5"]);
    assert!(world.story(0).contains("1 address in place"));
    world.order(0, Order::Stop);
    world.run(ms(1));
    assert!(!world.has(0, "10.0.0.3"));
}

#[test]
fn the_administrators_address_survives_beside_a_leftover() {
    let mut world = World::new(1);
    world.machines[0].kernel.addresses.push(marked("10.0.0.3/32"));
    world.machines[0].set_address(address(ETH0, "10.0.0.4/32"));
    world.machines[0].kernel.delay = ms(10);
    world.boot(0, host(vec![instance(50, 255, &["10.0.0.3", "10.0.0.4"])]));
    world.run(ms(5));
    world.order(0, Order::Stop); // While 10.0.0.4 is being set, and before it is known to be his.
    world.run(ms(100));
    assert!(!world.has(0, "10.0.0.3") && world.has(0, "10.0.0.4"));
}

#[test]
fn remove_while_add_is_in_flight() {
    let mut world = World::new(2);
    world.machines[0].kernel.delay = ms(500);
    world.boot(0, lb01());
    world.run(ms(3_500));
    assert_eq!(world.status(0, "VI_50").addresses[0].state, AddressState::Adding);
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(10));
    assert_eq!(world.status(0, "VI_50").addresses[0].state, AddressState::Removing);
    world.run(ms(5_000));
    assert!(!world.has(0, "10.0.0.3"));
    assert_eq!(world.status(0, "VI_50").addresses[0].state, AddressState::Absent);
}

#[test]
fn add_while_remove_is_in_flight() {
    for late_notices in [false, true] {
        let mut world = World::new(1);
        world.boot(0, host(vec![instance(50, 255, &["10.0.0.3"])]));
        world.run(ms(1_000));
        world.machines[0].kernel.delay = ms(50);
        world.machines[0].kernel.late_notices = late_notices;
        for _ in 0..3 {
            world.machines[0].change_link(ETH0, |link| link.carrier = false);
            world.run(ms(10));
            world.machines[0].change_link(ETH0, |link| link.carrier = true);
            world.run(ms(10));
        }
        world.run(ms(1_000));
        assert!(world.has(0, "10.0.0.3"));
        assert_eq!(world.status(0, "VI_50").addresses[0].state, AddressState::Held);
        assert_eq!(world.status(0, "VI_50").counters.incidents.lost_addresses, 0);
    }
}

#[test]
fn a_superseded_outcome_is_asked_for_again_if_still_wanted() {
    let mut world = alone(&["10.0.0.3", "10.0.0.4"]);
    world.machines[0].kernel.delay = ms(20);
    world.machines[0].steal("10.0.0.3", "ip");
    world.run(ms(5));
    // A reload that removes the other one comes in between: the hand drops what is older.
    world.configure(0, host(vec![instance(50, 150, &["10.0.0.3"])]));
    world.run(ms(100));
    assert!(world.has(0, "10.0.0.3") && !world.has(0, "10.0.0.4"));
    assert_eq!(world.status(0, "VI_50").addresses[0].state, AddressState::Held);
}

#[test]
fn notices_may_come_before_or_after_the_outcome() {
    for (late_notices, delay) in [(false, 0), (true, 0), (false, 30), (true, 30)] {
        let mut world = World::new(2);
        for machine in &mut world.machines {
            machine.kernel.late_notices = late_notices;
            machine.kernel.delay = ms(delay);
        }
        world.boot(0, lb01());
        world.boot(1, host(vec![scenario(100)]));
        for _ in 0..4 {
            world.run(ms(5_000));
            world.machines[0].change_link(ETH0, |link| link.carrier = !link.carrier);
        }
        world.run(ms(10_000));
        let told: String = world.story(0) + &world.story(1);
        assert!(!told.contains("earlier run") && !told.contains("was removed"), "{told}");
        assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
    }
}

#[test]
fn a_resync_finds_what_was_removed_unseen() {
    let mut world = settled();
    world.machines[0].kernel.addresses.retain(|kept| kept.address.address != ip("10.0.0.3"));
    let everything = world.machines[0].kernel.everything();
    world.machines[0].tell(everything);
    world.run(ms(0));
    assert!(world.has(0, "10.0.0.3"));
    insta::assert_snapshot!(world.story(0), @r"
    10.000000 (VI_50) 10.0.0.3 was removed from eth0; setting it again at once
    10.000000 (VI_50) 1 address in place
    ");
}

#[test]
fn a_resync_while_an_address_is_being_set_leaves_no_doubt() {
    for stolen_unseen in [false, true] {
        let mut world = alone(&["10.0.0.3"]);
        world.machines[0].kernel.delay = ms(20);
        world.machines[0].kernel.late_notices = true;
        world.machines[0].steal("10.0.0.3", "ip");
        world.run(ms(5));
        let everything = world.machines[0].kernel.everything();
        world.machines[0].tell(everything);
        world.run(ms(5));
        if stolen_unseen {
            // Set, and taken away again, and both notices are lost: only the outcome comes.
            world.machines[0].kernel.thief.insert(ip("10.0.0.3"));
            world.machines[0].kernel.is_silent = true;
        }
        world.run(ms(12));
        world.machines[0].kernel.thief.clear();
        world.machines[0].kernel.is_silent = false;
        world.run(ms(100));
        assert!(world.has(0, "10.0.0.3"));
        assert_eq!(world.status(0, "VI_50").counters.incidents.lost_addresses, 1);
    }
}

#[test]
fn a_resync_that_finds_nothing_new_does_nothing() {
    let mut world = settled();
    for n in 0..2 {
        let everything = world.machines[n].kernel.everything();
        world.machines[n].tell(everything);
    }
    world.run(ms(0));
    assert!(world.machines.iter().all(|machine| machine.log.is_empty()));
}

#[test]
fn facts_told_twice_change_nothing() {
    let mut world = settled();
    let Fact::Everything { links, addresses } = world.machines[0].kernel.everything() else { return };
    links.into_iter().for_each(|link| world.machines[0].tell(Fact::Link(link)));
    addresses.into_iter().for_each(|address| world.machines[0].tell(Fact::Address(address)));
    world.run(ms(0));
    assert_eq!(world.machines[0].log, []);
}

#[test]
fn no_epoch_is_used_for_two_minds() {
    let mut world = World::new(1);
    world.machines[0].kernel.delay = ms(5);
    world.boot(0, host(vec![scenario(255)]));
    for _ in 0..10 {
        world.run(ms(7));
        world.machines[0].change_link(ETH0, |link| link.carrier = !link.carrier);
    }
    let changes: Vec<u64> = world.machines[0]
        .log
        .iter()
        .filter_map(|(_, effect)| match effect {
            Effect::Hold(hold) if !matches!(hold.act, Act::Announce { .. }) => Some(hold.epoch),
            Effect::Hold(_)
            | Effect::Send(_)
            | Effect::Report(_)
            | Effect::Run(_)
            | Effect::Kill(_)
            | Effect::Tell(_)
            | Effect::Mail(_) => None,
        })
        .collect();
    assert!(changes.len() > 5 && changes.is_sorted_by(|a, b| a < b), "{changes:?}");
}

#[test]
fn excluded_addresses_move_along_unlisted() {
    let mut moving = scenario(150);
    moving.excluded.push(VirtualAddress::host(ip("2001:db8::9")));
    let mut world = World::new(1);
    world.boot(0, Host { instances: vec![moving], ..Host::default() });
    world.run(ms(5_000));
    assert!(world.has(0, "10.0.0.3") && world.has(0, "2001:db8::9"));
    let advert = &world.machines[0].sent()[0].1;
    let message = crate::world::vrrp_message(advert);
    assert_eq!(wire::message::Message::new(&message).unwrap().count(), 1);
}

#[test]
fn an_address_that_another_program_left_is_an_alarm_while_another_router_is_active() {
    let mut world = settled();
    for times in 1..=2 {
        world.machines[1].set_address(address(ETH0, "10.0.0.3/32"));
        world.run(ms(10_000));
        let events = world.machines[1].events();
        let alarms = events.iter().filter(|(_, event)| matches!(event, Event::AddressWhileBackup { .. }));
        assert_eq!(alarms.count(), times, "once each time that it appears");
        world.machines[1].steal("10.0.0.3", "ip");
        world.run(ms(10_000));
    }
    assert!(!world.story(0).contains("although"), "the active router holds it rightly");
    let story = world.story(1);
    assert!(story.contains("remove it: ip addr del 10.0.0.3/"), "{story}");
}
