//! Interfaces come and go, and an instance follows: it waits visibly, starts when it can, says good-bye when it can.

use crate::config::{host, instance, lb01, scenario, with};
use crate::election::settled;
use crate::world::{ETH0, World, address, adverts, ip, link, ms, tentative};
use model::{Host, Peer, TrackedInterface, Transport};
use node::event::{Fault, Standing};
use node::io::{Act, Address, Errno, Fact, Hold, Order};
use wire::{Family, Mac, Priority};

/// An IPv6 instance, Active on a machine of its own.
fn ipv6() -> World {
    let mut world = World::new(1);
    world.boot(0, host(vec![instance(52, 150, &["2001:db8::3"])]));
    world.run(ms(10_000));
    assert!(world.has(0, "2001:db8::3"));
    world.machines[0].log.clear();
    world
}

#[test]
fn sm_init_7_an_interface_that_is_missing_is_waited_for() {
    let mut world = World::new(1);
    world.machines[0].remove_link(ETH0);
    world.boot(0, lb01());
    world.run(ms(60_000));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::InterfaceMissing("eth0".into())]);
    world.machines[0].add_link(link(9, "eth0", 5), 0);
    world.run(ms(1_000));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::NoSourceAddress("eth0".into(), Family::V4)]);
    world.machines[0].set_address(address(9, "10.0.0.5/24"));
    world.run(ms(3_500));
    assert!(world.has(0, "10.0.0.3"));
    insta::assert_snapshot!(world.story(0), @r"
     0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
     0.000000 (VI_50) Entering FAULT STATE
     0.000000 (VI_50) because interface eth0 does not exist
    60.000000 (VI_50) still in FAULT: interface eth0 has no IPv4 address to send from
    61.000000 (VI_50) Entering BACKUP STATE
    61.000000 (VI_50) because no fault is left
    64.414062 (VI_50) Receive advertisement timeout
    64.414062 (VI_50) Entering MASTER STATE
    64.414062 (VI_50) because no advert came from an active router in time
    64.414062 (VI_50) 1 address in place
    ");
}

#[test]
fn an_interface_that_vanishes_takes_everything_along() {
    let mut world = settled();
    world.machines[0].remove_link(ETH0);
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Fault);
    let holds = world.machines[0].holds();
    let is_empty = |hold: &Hold| matches!(&hold.act, Act::Remove { addresses, .. } if addresses.is_empty());
    assert!(holds.iter().all(is_empty), "there is nothing left to remove: {holds:?}");
    assert_eq!(holds.len(), 1, "but announcements are off");
    assert_eq!(adverts(&world, 0), [], "nor a way to say good-bye");
    world.run(ms(4_000));
    assert_eq!(world.standing(1), Standing::Active);
    world.machines[0].add_link(link(7, "eth0", 5), 0);
    world.machines[0].set_address(address(7, "10.0.0.5/24"));
    world.run(ms(5_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
    assert!(world.machines[0].sent().iter().all(|(_, t)| t.interface == 7));
    insta::assert_snapshot!(world.story(0), @r"
    10.000000 (VI_50) Entering FAULT STATE
    10.000000 (VI_50) because interface eth0 does not exist
    14.010000 (VI_50) Entering BACKUP STATE
    14.010000 (VI_50) because no fault is left
    14.023438 (VI_50) follows 10.0.0.6 (priority 100)
    17.424063 (VI_50) Entering MASTER STATE
    17.424063 (VI_50) because 10.0.0.6 is active with the lower priority 100
    17.424063 (VI_50) 1 address in place
    ");
}

#[test]
fn an_interface_that_is_replaced_within_a_turn_moves_the_addresses() {
    let mut world = settled();
    world.machines[0].remove_link(ETH0);
    world.machines[0].add_link(link(7, "eth0", 0x77), 0);
    world.machines[0].set_address(address(7, "10.0.0.5/24"));
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Active);
    assert_eq!(world.machines[0].kernel.addresses.last().map(|k| k.address.interface), Some(7));
    world.run(ms(5_000));
    assert_eq!(world.standing(1), Standing::Backup);
}

#[test]
fn an_interface_that_is_renamed_is_another_one() {
    let mut world = settled();
    world.machines[0].change_link(ETH0, |link| link.name = "lan0".into());
    world.run(ms(10));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::InterfaceMissing("eth0".into())]);
    assert!(!world.has(0, "10.0.0.3"), "what was on it goes");
    assert_eq!(
        adverts(&world, 0).last().map(|(_, priority)| *priority),
        Some(0),
        "it can still say good-bye"
    );
    world.machines[0].change_link(ETH0, |link| link.name = "eth0".into());
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3"));
}

#[test]
fn a_stop_waits_for_what_is_removed_from_a_renamed_interface() {
    let mut world = settled();
    world.machines[0].kernel.delay = ms(100);
    world.machines[0].change_link(ETH0, |link| link.name = "lan0".into());
    world.run(ms(10));
    world.order(0, Order::Stop);
    world.run(ms(10));
    assert!(world.has(0, "10.0.0.3") && !world.machines[0].node.is_at_rest());
    world.run(ms(200));
    assert!(!world.has(0, "10.0.0.3") && world.machines[0].node.is_at_rest());
}

#[test]
fn two_interfaces_that_change_names_change_roles() {
    let mut world = World::new(1);
    world.machines[0].add_link(link(3, "eth1", 0x33), 1);
    world.machines[0].set_address(address(3, "10.1.0.5/24"));
    world.boot(0, lb01());
    world.run(ms(5_000));
    for (index, name) in [(ETH0, "tmp"), (3, "eth0"), (ETH0, "eth1")] {
        world.machines[0].change_link(index, |link| link.name = name.into());
    }
    world.run(ms(10_000));
    assert_eq!(world.status(0, "VI_50").source, Some(ip("10.1.0.5")));
    let on: Vec<u32> =
        world.machines[0].kernel.addresses.iter().filter(|k| k.ours).map(|k| k.address.interface).collect();
    assert_eq!(on, [3]);
}

#[test]
fn without_carrier_it_goes_without_a_word() {
    let mut world = settled();
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(10));
    assert_eq!(adverts(&world, 0), [], "SM-ACT-17: nobody would hear it");
    assert!(!world.has(0, "10.0.0.3"));
    world.run(ms(5_000));
    assert!(world.has(1, "10.0.0.3"));
    world.machines[0].change_link(ETH0, |link| link.carrier = true);
    world.run(ms(5_000));
    assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
    insta::assert_snapshot!(world.story(0), @r"
    10.000000 (VI_50) Entering FAULT STATE
    10.000000 (VI_50) because interface eth0 has no carrier
    15.010000 (VI_50) Entering BACKUP STATE
    15.010000 (VI_50) because no fault is left
    15.023438 (VI_50) follows 10.0.0.6 (priority 100)
    18.424063 (VI_50) Entering MASTER STATE
    18.424063 (VI_50) because 10.0.0.6 is active with the lower priority 100
    18.424063 (VI_50) 1 address in place
    ");
}

#[test]
fn a_flap_within_one_turn_is_not_even_noticed() {
    let mut world = settled();
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.machines[0].change_link(ETH0, |link| link.carrier = true);
    world.run(ms(1));
    assert_eq!(world.machines[0].log, []);
}

#[test]
fn an_interface_that_goes_down_is_no_thief_of_its_ipv6_addresses() {
    let mut world = ipv6();
    world.machines[0].change_link(ETH0, |link| link.up = false);
    world.run(ms(10));
    assert_eq!(world.status(0, "VI_52").counters.incidents.lost_addresses, 0);
    world.machines[0].change_link(ETH0, |link| link.up = true);
    world.run(ms(100));
    assert_eq!(world.status(0, "VI_52").faults, [Fault::NoSourceAddress("eth0".into(), Family::V6)]);
    world.machines[0].set_address(tentative(ETH0, 5));
    world.run(ms(1_500));
    assert_eq!(world.standing(0), Standing::Fault, "its link-local address is not ready");
    world.machines[0].set_address(Address { usable: true, ..tentative(ETH0, 5) });
    world.run(ms(5_000));
    assert!(world.has(0, "2001:db8::3"));
    insta::assert_snapshot!(world.story(0), @r"
    10.000000 (VI_52) Entering FAULT STATE
    10.000000 (VI_52) because interface eth0 is down; interface eth0 has no usable link-local IPv6 address to send from
    10.010000 (VI_52) still in FAULT: interface eth0 has no usable link-local IPv6 address to send from
    11.610000 (VI_52) Entering BACKUP STATE
    11.610000 (VI_52) because no fault is left
    15.024062 (VI_52) Receive advertisement timeout
    15.024062 (VI_52) Entering MASTER STATE
    15.024062 (VI_52) because no advert came from an active router in time
    15.024062 (VI_52) 1 address in place
    ");
}

#[test]
fn sm_init_7_a_tentative_link_local_address_at_boot_is_waited_for() {
    let mut world = World::new(1);
    world.machines[0].kernel.addresses.retain(|kept| kept.address.address.is_ipv4());
    world.machines[0].set_address(tentative(ETH0, 5));
    world.boot(0, host(vec![instance(52, 150, &["2001:db8::3"])]));
    world.run(ms(1_500));
    assert_eq!(world.status(0, "VI_52").faults, [Fault::NoSourceAddress("eth0".into(), Family::V6)]);
    world.machines[0].set_address(Address { usable: true, ..tentative(ETH0, 5) });
    world.run(ms(0));
    assert_eq!(world.standing(0), Standing::Backup);
    world.run(ms(5_000));
    assert!(world.has(0, "2001:db8::3"));
}

#[test]
fn a_new_hardware_address_is_announced() {
    let mut world = settled();
    world.run(ms(100));
    world.machines[0].change_link(ETH0, |link| link.mac = Mac([2, 0, 0, 0, 0, 0x99]));
    world.run(ms(1));
    let packets: u32 = world.machines[0].kernel.announced.iter().map(|(.., rounds)| rounds).sum();
    assert_eq!(packets, 5);
    let holds = world.machines[0].holds();
    assert!(format!("{holds:?}").contains("153"), "with the new address in it");
    assert_eq!(world.standing(0), Standing::Active);
}

#[test]
fn sby_9_a_new_primary_address_is_advertised_at_once() {
    let mut world = settled();
    world.run(ms(100));
    world.machines[0].log.clear();
    world.machines[0].steal("10.0.0.5", "ip");
    world.machines[0].set_address(address(ETH0, "10.0.0.9/24"));
    world.run(ms(1));
    let sent = world.machines[0].sent();
    assert_eq!(sent.iter().map(|(_, t)| t.source).collect::<Vec<_>>(), [ip("10.0.0.9")]);
    assert_eq!(world.standing(0), Standing::Active);
    world.run(ms(5_000));
    assert_eq!(world.standing(1), Standing::Backup);
}

#[test]
fn sm_act_17_without_a_source_address_it_says_good_bye_and_waits() {
    let mut world = settled();
    world.machines[0].steal("10.0.0.5", "ip");
    world.run(ms(1));
    assert_eq!(world.standing(0), Standing::Fault);
    assert_eq!(adverts(&world, 0).last().map(|(_, priority)| *priority), Some(0));
    assert_eq!(world.status(0, "VI_50").source, None);
    world.machines[0].set_address(address(ETH0, "10.0.0.5/24"));
    world.run(ms(10_000));
    assert_eq!(world.standing(0), Standing::Active);
}

#[test]
fn tx_3_a_secondary_address_is_better_than_none() {
    let mut world = World::new(1);
    world.machines[0].steal("10.0.0.5", "ip");
    let secondary = Address { secondary: true, ..address(ETH0, "10.0.0.5/24") };
    world.machines[0].set_address(secondary);
    world.boot(0, lb01());
    world.run(ms(10));
    assert_eq!(world.status(0, "VI_50").source, Some(ip("10.0.0.5")));
}

#[test]
fn the_whole_truth_changes_no_source_address_that_can_be_used() {
    let peers = vec![Peer { address: ip("2001:db8::6"), min_ttl: None, max_ttl: None }];
    let beyond = Transport::Unicast { source: None, peers, ttl: 255 };
    let multicast = instance(52, 150, &["2001:db8::3"]);
    let unicast = model::Instance { transport: beyond, ..instance(53, 150, &["2001:db8::4"]) };
    let mut world = World::new(1);
    world.machines[0].set_address(address(ETH0, "2001:db8::5/64"));
    world.boot(0, host(vec![multicast, unicast]));
    world.run(ms(10));
    let sources = |world: &World| ["VI_52", "VI_53"].map(|name| world.status(0, name).source.unwrap());
    let before = sources(&world);
    assert_eq!(before[1], ip("2001:db8::5"));
    world.machines[0].set_address(address(ETH0, "fe80::99/64"));
    world.machines[0].set_address(address(ETH0, "2001:db8::99/64"));
    world.run(ms(10));
    assert_eq!(sources(&world), before, "told one by one");
    // Linux lists newer IPv6 addresses first.
    let Fact::Everything { links, mut addresses } = world.machines[0].kernel.everything() else { panic!() };
    addresses.reverse();
    world.machines[0].tell(Fact::Everything { links, addresses });
    world.run(ms(10));
    assert_eq!(sources(&world), before, "told all at once");
    for gone in before {
        world.machines[0].steal(&gone.to_string(), "ip");
    }
    world.run(ms(10));
    assert_eq!(sources(&world), [ip("fe80::99"), ip("2001:db8::99")]);
}

#[test]
fn without_sockets_nobody_becomes_active() {
    let no_socket = |family, sealed, errno: Option<i32>| Fact::NoSocket {
        family,
        sealed,
        vrf: None,
        why: errno.map(Errno),
    };
    let mut world = World::new(1);
    world.boot(0, lb01());
    world.machines[0].tell(no_socket(Family::V4, false, Some(97)));
    world.run(ms(10_000));
    let faults = world.status(0, "VI_50").faults;
    assert_eq!(faults, [Fault::NoSocket(Family::V4, Errno(97))]);
    assert_eq!(
        faults[0].to_string(),
        "no IPv4 sockets for adverts: address family not supported (is IPv6 switched off?)"
    );
    assert!(!world.has(0, "10.0.0.3") && world.machines[0].sent().is_empty());
    // The other family and the sealed adverts are nothing to this router.
    world.machines[0].tell(no_socket(Family::V6, false, Some(97)));
    world.machines[0].tell(no_socket(Family::V4, true, Some(1)));
    world.machines[0].tell(no_socket(Family::V4, false, None));
    world.run(ms(1));
    assert_eq!(world.standing(0), Standing::Backup);
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3"));
    world.machines[0].tell(no_socket(Family::V4, false, Some(1)));
    world.run(ms(1_000));
    assert_eq!(world.standing(0), Standing::Fault);
    assert!(!world.has(0, "10.0.0.3"));
}

#[test]
fn without_its_group_nobody_becomes_active() {
    let not_joined = |errno: Option<i32>| Fact::NotJoined {
        interface: ETH0,
        group: wire::GROUP_V4.into(),
        why: errno.map(Errno),
    };
    let mut world = World::new(1);
    world.boot(0, lb01());
    world.machines[0].tell(not_joined(Some(105)));
    world.run(ms(10_000));
    let faults = world.status(0, "VI_50").faults;
    assert_eq!(faults, [Fault::NotJoined("eth0".into(), Errno(105))]);
    assert_eq!(faults[0].to_string(), "adverts on eth0 cannot be heard: no buffer space");
    assert!(world.machines[0].sent().is_empty());
    // The whole truth about links and addresses says nothing about it.
    let everything = world.machines[0].kernel.everything();
    world.machines[0].tell(everything);
    world.run(ms(1_000));
    assert_eq!(world.standing(0), Standing::Fault);
    world.machines[0].tell(not_joined(None));
    world.run(ms(10_000));
    assert_eq!(world.standing(0), Standing::Active);
}

#[test]
fn tx_4_unicast_beyond_the_link_has_a_global_source() {
    let unicast = |peer: &str| {
        let peers = vec![Peer { address: ip(peer), min_ttl: None, max_ttl: None }];
        let transport = Transport::Unicast { source: None, peers, ttl: 255 };
        host(vec![model::Instance { transport, ..instance(52, 150, &["2001:db8::3"]) }])
    };
    let mut world = World::new(1);
    world.boot(0, unicast("2001:db8::6"));
    world.run(ms(10));
    let link_local = world.status(0, "VI_52").source.unwrap();
    assert!(matches!(link_local, core::net::IpAddr::V6(v6) if v6.is_unicast_link_local()), "nothing better");
    // The virtual address is no source, although it was there first.
    world.machines[0].set_address(address(ETH0, "2001:db8::3/64"));
    world.machines[0].set_address(address(ETH0, "2001:db8::5/64"));
    world.run(ms(1));
    assert_eq!(world.status(0, "VI_52").source, Some(ip("2001:db8::5")));
    world.configure(0, unicast("fe80::6"));
    world.run(ms(1));
    assert_eq!(world.status(0, "VI_52").source, Some(link_local));
}

/// lb01 that also looks at eth1.
fn tracking(weight: i16) -> Host {
    with(lb01(), |i| {
        i.track_interfaces.push(TrackedInterface { interface: "eth1".into(), weight, reverse: false });
    })
}

#[test]
fn a_tracked_interface_without_weight_is_a_fault_with_a_good_bye() {
    let mut world = World::new(2);
    world.machines[0].add_link(link(3, "eth1", 0x33), 1);
    world.boot(0, tracking(0));
    world.boot(1, host(vec![scenario(100)]));
    world.run(ms(10_000));
    world.machines[0].change_link(3, |link| link.carrier = false);
    world.run(ms(700));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Fault, Standing::Active));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::NoCarrier("eth1".into())]);
    world.machines[0].change_link(3, |link| link.up = false);
    world.run(ms(1));
    assert!(world.story(0).contains("still in FAULT: interface eth1 is down"));
    world.machines[0].change_link(3, |link| (link.up, link.carrier) = (true, true));
    world.run(ms(5_000));
    assert_eq!(world.standing(0), Standing::Active);
}

#[test]
fn a_tracked_interface_with_a_weight_moves_the_priority() {
    let mut world = World::new(2);
    world.machines[0].add_link(link(3, "eth1", 0x33), 1);
    world.boot(0, tracking(-60));
    world.boot(1, host(vec![scenario(100)]));
    world.run(ms(10_000));
    world.machines[0].log.clear();
    world.machines[0].change_link(3, |link| link.carrier = false);
    world.run(ms(1));
    assert_eq!(adverts(&world, 0), [(10_000.0, 90)], "SM-ACT-19: told at once");
    world.run(ms(5_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Backup, Standing::Active));
    assert_eq!(world.status(0, "VI_50").priority, Priority(90));
    world.machines[0].change_link(3, |link| link.carrier = true);
    world.run(ms(5_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
}

#[test]
fn an_address_on_another_interface_waits_for_it() {
    let mut world = World::new(1);
    let elsewhere = with(lb01(), |i| {
        i.addresses[0].options.device = Some("eth1".into());
        i.addresses[0].options.no_track = true;
    });
    world.boot(0, elsewhere);
    world.run(ms(5_000));
    assert_eq!(world.standing(0), Standing::Active);
    assert!(!world.has(0, "10.0.0.3"));
    world.machines[0].add_link(link(3, "eth1", 0x33), 1);
    world.run(ms(10));
    assert!(world.has(0, "10.0.0.3"), "no_track: it comes when its interface comes");
    let announced = world.machines[0].kernel.announced.len();
    assert!(announced > 0);
}

#[test]
fn every_order_of_faults_ends_well() {
    // Each step is undone later, in every order; whatever happens between, the end is the same.
    type Step = fn(&mut World, bool);
    let steps: [Step; 3] = [
        |world, down| world.machines[0].change_link(ETH0, |link| link.carrier = !down),
        |world, down| {
            if down {
                world.machines[0].steal("10.0.0.5", "ip");
            } else {
                world.machines[0].set_address(address(ETH0, "10.0.0.5/24"));
            }
        },
        |world, down| {
            world.machines[0].change_link(ETH0, |link| link.name = if down { "old" } else { "eth0" }.into())
        },
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for back in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut world = settled();
            for (down, each) in [(true, order), (false, back)] {
                for n in each {
                    steps[n](&mut world, down);
                    world.run(ms(50));
                }
            }
            world.run(ms(10_000));
            assert_eq!(
                (world.standing(0), world.has(0, "10.0.0.3")),
                (Standing::Active, true),
                "{order:?} {back:?}"
            );
            assert_eq!(world.status(0, "VI_50").faults, []);
        }
    }
}
