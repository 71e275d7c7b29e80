//! Requirements of the conformance list that need whole hosts and have no story elsewhere.

use crate::config::{host, instance, lb01, lb02, scenario, with};
use crate::election::settled;
use crate::world::{ETH0, World, adverts, forged, ip, ms, vrrp_message};
use model::{ChecksumForm, Host};
use node::compat;
use node::event::{Event, Level, Standing};
use node::io::{Act, Announcement};
use vrrp::Discard;
use wire::message::Message;
use wire::ndp::Kind;
use wire::{Family, Version, ipv6, ndp};

/// VRID 50 of version 3 over IPv4, without authentication.
fn version_3(priority: u8) -> Host {
    with(host(vec![instance(50, priority, &["10.0.0.3"])]), |i| i.settings.version = Version::V3)
}

/// What machine 0 had announced for IPv6, read back from the frames.
fn advertised(world: &World) -> Vec<ndp::Neighbor> {
    let of = |list: &[Announcement]| list.iter().map(|one| one.frame.clone()).collect::<Vec<_>>();
    let frames = world.machines[0].holds().into_iter().flat_map(|hold| match hold.act {
        Act::Add { announcements, .. } => of(&announcements),
        Act::Announce { announcements, .. } => of(&announcements),
        Act::Remove { .. } | Act::Close { .. } => Vec::new(),
    });
    frames.map(|frame| ndp::parse(&ipv6::parse(&frame[14..]).unwrap()).unwrap()).collect()
}

#[test]
fn wire_7_the_link_local_address_leads_wherever_it_was_written() {
    let mut world = World::new(1);
    world.boot(0, host(vec![instance(52, 255, &["2001:db8::3", "2001:db8::4", "fe80::3", "fe80::4"])]));
    world.run(ms(100));
    let (_, sent) = world.machines[0].sent()[0].clone();
    let bytes = vrrp_message(&sent);
    let listed: Vec<_> = Message::new(&bytes).unwrap().body(Family::V6).unwrap().addresses.iter().collect();
    assert_eq!(listed, ["fe80::3", "2001:db8::3", "2001:db8::4", "fe80::4"].map(ip));
}

#[test]
fn con_12_two_families_with_one_vrid_do_not_mix() {
    let both = |v4, v6| {
        let v6 = model::Instance { name: "six".into(), ..instance(50, v6, &["fe80::3"]) };
        with(host(vec![instance(50, v4, &["10.0.0.3"]), v6]), |i| i.settings.version = Version::V3)
    };
    let mut world = World::new(2);
    world.cut(0, 0); // The world takes two holders of one VRID for a mistake.
    world.boot(0, both(150, 100));
    world.boot(1, both(100, 150));
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3") && !world.has(0, "fe80::3"));
    assert!(world.has(1, "fe80::3") && !world.has(1, "10.0.0.3"));
}

#[test]
fn na_4_na_10_a_host_that_forwards_says_that_it_is_a_router() {
    for forwards in [true, false] {
        let mut world = World::new(1);
        world.machines[0].change_link(ETH0, |link| link.forwards_ipv6 = forwards);
        world.boot(0, host(vec![instance(52, 255, &["2001:db8::3"])]));
        world.run(ms(10_000));
        let said = advertised(&world);
        assert!(said.len() > 1, "{said:?}");
        for one in said {
            let Kind::Advertisement { router, solicited, override_cache } = one.kind else {
                panic!("{one:?}")
            };
            assert_eq!((router, solicited, override_cache), (forwards, false, true));
            assert!(one.link_layer.is_some());
        }
    }
}

#[test]
fn arp_5_nd_8_every_address_is_announced_when_it_is_set() {
    let mut world = World::new(1);
    let v6 = model::Instance { name: "six".into(), ..instance(52, 255, &["fe80::3", "2001:db8::3"]) };
    world.boot(0, host(vec![instance(50, 255, &["10.0.0.3", "10.0.0.4"]), v6]));
    world.run(ms(100));
    for address in ["10.0.0.3", "10.0.0.4", "fe80::3", "2001:db8::3"] {
        let rounds: u32 = world.machines[0]
            .kernel
            .announced
            .iter()
            .filter(|(_, announced, _)| *announced == ip(address))
            .map(|(.., rounds)| rounds)
            .sum();
        assert_eq!(rounds, 5, "{address}");
    }
}

#[test]
fn rx_22_what_fails_a_check_is_told_with_its_reason_and_source() {
    let mut world = settled();
    world.run(ms(1_500));
    let (_, good) = world.machines[0].sent().pop().unwrap();
    for (why, at, value) in [
        (Discard::HopLimit, 8_usize, 254_u8),
        (Discard::Version, 20, 0x31),
        (Discard::Type, 20, 0x22),
        (Discard::Checksum, 22, 1),
    ] {
        let mut bytes = good.datagram.to_vec();
        bytes[at] = value;
        let now = world.now;
        let bad = forged(ETH0, ip("10.0.0.7"), good.destination, {
            bytes[15] = 7;
            bytes
        });
        world.machines[1].catch(now, bad);
        world.run(ms(1));
        let told = world.machines[1].events().into_iter().any(|(_, event)| {
            matches!(event, Event::Discarded { why: said, source, vrid, .. }
                if (said, source, vrid.map(wire::Vrid::get)) == (why, ip("10.0.0.7"), Some(50)))
        });
        assert!(told, "{why:?}: {:?}", world.machines[1].events());
    }
}

#[test]
fn rx_19_believed_adverts_are_counted_and_farewells_apart() {
    let mut world = settled();
    let before = world.status(1, "VI_50").counters;
    world.run(ms(5_000));
    world.order(0, node::io::Order::Stop);
    world.run(ms(100));
    let after = world.status(1, "VI_50");
    assert_eq!(after.counters.received - before.received, 6);
    assert_eq!(after.counters.incidents.priority_zero_received - before.incidents.priority_zero_received, 1);
    assert_eq!(after.leader.map(|leader| leader.source), Some(ip("10.0.0.5")));
}

#[test]
fn tx_9_a_send_that_fails_leaves_state_and_schedule_alone_and_is_an_alarm() {
    let mut world = World::new(1);
    world.boot(0, with(host(vec![scenario(255)]), |i| i.ignore_own_link = true));
    world.run(ms(5_250));
    world.machines[0].change_link(ETH0, |link| link.up = false);
    world.run(ms(5_000));
    assert_eq!(world.standing(0), Standing::Active);
    let alarms = world.machines[0].events();
    let alarm = alarms.iter().find(|(_, event)| matches!(event, Event::Unsent { .. })).unwrap();
    assert_eq!(alarm.1.level(), Level::Alarm);
    assert_eq!(world.clock(alarm.0), 6_000.0, "at the first advert that fails, not after ADI");
    // Back on the old schedule as soon as it can be.
    world.machines[0].change_link(ETH0, |link| link.up = true);
    let already = adverts(&world, 0).len();
    world.run(ms(2_000));
    let later: Vec<f64> = adverts(&world, 0)[already..].iter().map(|(at, _)| at % 1_000.0).collect();
    assert!(!later.is_empty() && later.iter().all(|off| *off == 0.0), "{later:?}");
}

#[test]
fn sb1w_2_sbt_2_who_does_not_hear_a_worse_router_stays_alone() {
    let mut world = settled();
    world.cut(1, 0);
    world.run(ms(30_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
    assert_eq!(world.status(0, "VI_50").counters.incidents.rivals, 0);
}

#[test]
fn sbt_6_ten_beats_nine_in_both_families() {
    for (nine, ten, address) in [(9, 10, "10.0.0.3"), (9, 10, "2001:db8::3")] {
        let mut world = World::new(2);
        for (n, last) in [nine, ten].into_iter().enumerate() {
            for own in [format!("10.0.0.{}", n + 5), format!("fe80::{}", n + 5)] {
                world.machines[n].steal(&own, "ip");
            }
            // fe80::9 and fe80::10: as numbers, not as text.
            for own in [format!("10.0.0.{last}/24"), format!("fe80::{last}/64")] {
                world.machines[n].set_address(crate::world::address(ETH0, &own));
            }
            world.boot(n, host(vec![instance(50, 100, &[address])]));
        }
        world.run(ms(10_000));
        assert!(!world.has(0, address) && world.has(1, address), "{address}");
    }
}

#[test]
fn sbt_7_equal_routers_that_start_together_are_one_active_within_adi_and_an_interval() {
    let mut world = World::new(3);
    for n in 0..3 {
        world.boot(n, host(vec![scenario(100)]));
    }
    world.run(ms(3_610 + 1_000));
    let active: Vec<bool> = (0..3).map(|n| world.standing(n) == Standing::Active).collect();
    assert_eq!(active, [false, false, true]);
    assert!(!world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3") && world.has(2, "10.0.0.3"));
}

#[test]
fn ck_5_sbt_8_different_forms_of_the_checksum_are_understood() {
    let form = |priority, form| with(version_3(priority), |i| i.checksum = form);
    for forms in [
        [ChecksumForm::Message, ChecksumForm::PseudoHeader],
        [ChecksumForm::PseudoHeader, ChecksumForm::Message],
    ] {
        let mut world = World::new(2);
        world.boot(0, form(150, forms[0]));
        world.boot(1, form(100, forms[1]));
        world.run(ms(20_000));
        assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup), "{forms:?}");
        assert_eq!(world.status(1, "VI_50").counters.discarded(Discard::Checksum), 0);
    }
}

/// On the way to the backup the TTL of every advert changes, as a proxy or a tunnel does it.
#[test]
fn sbc_9_adverts_of_another_ttl_make_two_owners_and_the_reason_is_told() {
    let mut world = World::new(2);
    world.boot(0, lb01());
    world.boot(1, lb02());
    world.cut(0, 1);
    for _ in 0..100 {
        world.run(ms(100));
        let (now, sent) = (world.now, world.machines[0].sent());
        world.machines[0].log.clear();
        for (_, transmit) in sent {
            let mut bytes = transmit.datagram.to_vec();
            bytes[8] = 254;
            let routed = forged(ETH0, transmit.source, transmit.destination, bytes);
            world.machines[1].catch(now, routed);
        }
    }
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Active));
    let story = world.story(1);
    assert!(story.contains("its TTL is not 255"), "{story}");
    let alarm =
        |event: &Event| matches!(event, Event::Rival { .. } | Event::Moved { disbelieved: Some(_), .. });
    assert!(story.contains("was not believed (the last: its TTL"), "{story}");
    let told = world.machines[0].events().into_iter().any(|(_, event)| alarm(&event));
    assert!(told || world.status(0, "VI_50").counters.incidents.rivals > 0, "lb01 hears its rival");
}

#[test]
fn dif_1_active_is_our_word_and_master_that_of_keepalived() {
    let mut world = settled();
    world.crash(0, true);
    world.run(ms(10_000));
    let moved = world.machines[1].events().into_iter().find(|(_, e)| matches!(e, Event::Moved { .. }));
    let (_, moved) = moved.unwrap();
    assert!(format!("{moved:?}").contains("to: Active"), "{moved:?}");
    assert!(!format!("{moved:?}").to_uppercase().contains("MASTER"), "{moved:?}");
    assert!(compat::log_lines(&moved).concat().contains("Entering MASTER STATE"));
}

#[test]
fn many_instances_do_not_advertise_in_one_burst() {
    let burst = |count: u8| {
        let mut world = World::new(1);
        let instances = (1..=count).map(|vrid| instance(vrid, 150, &[&format!("10.0.1.{vrid}")])).collect();
        world.boot(0, host(instances));
        world.run(ms(10_000));
        let sent: Vec<f64> = world.machines[0].sent().iter().map(|(at, _)| world.clock(*at)).collect();
        let second = |at: f64| sent.iter().filter(|t| (at..at + 1_000.0).contains(*t)).count();
        assert_eq!(second(6_000.0), usize::from(count), "each once");
        let most = |at: &f64| sent.iter().filter(|t| (*at..at + 1.0).contains(*t)).count();
        sent.iter().filter(|t| **t >= 6_000.0).map(most).max().unwrap()
    };
    assert_eq!(burst(64), 64, "few keep the rhythm of the RFC");
    assert!(burst(200) <= 64, "many are spread over the second");
}
