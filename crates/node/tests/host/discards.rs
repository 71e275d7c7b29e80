//! Adverts that are not believed: counted always, told rarely, and never a reason for anything.

use crate::config::{host, lb02, scenario};
use crate::election::settled;
use crate::world::{ETH0, World, forged, ip, ms};
use node::event::{Event, Level, Standing};
use node::io::Transmit;
use vrrp::Discard;
use wire::Version;

/// The last advert of lb01, with one thing about it changed.
fn tampered(world: &World, change: impl FnOnce(&mut Vec<u8>)) -> Transmit {
    let (_, sent) = world.machines[0].sent().pop().unwrap();
    let mut bytes = sent.datagram.to_vec();
    change(&mut bytes);
    forged(ETH0, sent.source, sent.destination, bytes)
}

/// A settled world in which lb01 has just advertised.
fn talking() -> World {
    let mut world = settled();
    world.run(ms(1_500));
    world
}

#[test]
fn rx_21_ten_thousand_bad_packets_are_few_lines() {
    let mut world = talking();
    let bad = tampered(&world, |bytes| bytes[24] ^= 1);
    for n in 0..10_000 {
        let now = world.now;
        world.machines[1].catch(now, bad.clone());
        if n % 10 == 0 {
            world.run(ms(1));
        }
    }
    world.run(ms(0));
    assert_eq!(world.status(1, "VI_50").counters.discarded(Discard::Checksum), 10_000);
    insta::assert_snapshot!(world.story(1).trim(), @"11.500000 (VI_50) ignored an advert from 10.0.0.5: its checksum is wrong");
}

#[test]
fn rx_20_what_is_not_believed_changes_nothing() {
    type Change = fn(&mut Vec<u8>);
    let changes: [(Discard, Change); 4] = [
        (Discard::HopLimit, |bytes| bytes[8] = 254),
        (Discard::Version, |bytes| bytes[20] = 0x31),
        (Discard::Truncated, |bytes| {
            bytes.truncate(28);
            bytes[3] = 28;
        }),
        (Discard::Checksum, |bytes| bytes[22] = 255),
    ];
    for (why, change) in changes {
        let mut world = talking();
        let bad = tampered(&world, change);
        world.crash(0, true);
        for _ in 0..40 {
            let now = world.now;
            world.machines[1].catch(now, bad.clone());
            world.run(ms(100));
        }
        assert!(world.has(1, "10.0.0.3"), "{why:?} kept a backup from taking over");
        assert_eq!(world.status(1, "VI_50").counters.discarded(why), 40, "{why:?}");
    }
}

#[test]
fn rx_17_our_own_advert_that_comes_back_is_never_answered() {
    let mut world = talking();
    let (_, own) = world.machines[0].sent().pop().unwrap();
    world.machines[0].log.clear();
    for _ in 0..100 {
        let now = world.now;
        world.machines[0].catch(now, own.clone());
        world.run(ms(1));
    }
    assert_eq!(world.machines[0].sent().len(), 0);
    assert_eq!(world.status(0, "VI_50").counters.discarded(Discard::OwnSource), 100);
}

/// Adverts of three virtual routers that are not configured anywhere arrive at lb02.
fn meet_strangers(world: &mut World) {
    for vrid in [51_u8, 52, 53] {
        let other = tampered(world, |bytes| {
            bytes[21] = vrid;
            let sum = wire::checksum::internet(&{
                let mut message = bytes[20..].to_vec();
                message[6..8].copy_from_slice(&[0, 0]);
                message
            });
            bytes[26..28].copy_from_slice(&sum.to_be_bytes());
        });
        let now = world.now;
        world.machines[1].catch(now, other);
    }
    world.run(ms(10));
}

#[test]
fn rx_8_other_clusters_are_counted_and_told_only_if_that_is_wanted() {
    let mut world = talking();
    meet_strangers(&mut world);
    assert_eq!(world.machines[1].node.status(world.now).strays[Discard::Vrid.index()], 3);
    assert_eq!(world.story(1), "");
    // `log_unknown_vrids`.
    let mut host = world.machines[1].node.host();
    host.daemon.logs_unknown = true;
    world.configure(1, host);
    world.run(ms(10));
    world.story(1);
    for _ in 0..5 {
        meet_strangers(&mut world);
    }
    let story = world.story(1);
    for vrid in [51, 52, 53] {
        let words = format!("for VRID {vrid}: ");
        assert_eq!(story.matches(&words).count(), 1, "{story}");
    }
    assert_eq!(world.machines[1].node.status(world.now).strays[Discard::Vrid.index()], 18);
}

#[test]
fn strays_that_are_broken_are_told_once_a_minute_even_after_a_scan_of_all_vrids() {
    let mut world = talking();
    for (round, first) in [(0, 1), (1, 1), (2, 200)] {
        for vrid in (first..=255_u8).filter(|vrid| *vrid != 50) {
            for flaw in 0..2_u8 {
                let broken = tampered(&world, |bytes| {
                    bytes[21] = vrid;
                    bytes[if flaw == 0 { 26 } else { 8 }] ^= 0x55;
                });
                let now = world.now;
                world.machines[1].catch(now, broken);
            }
        }
        world.run(ms(10));
        let told = world.story(1).lines().count();
        assert!(told <= 256, "{told}");
        assert_eq!(told > 0, round != 1, "told again only after a minute");
        if round == 1 {
            world.run(ms(61_000));
        }
    }
    let strays: u64 = world.machines[1].node.status(world.now).strays.iter().sum();
    assert_eq!(strays, 2 * (254 + 254 + 56));
}

#[test]
fn bytes_of_any_length_from_anywhere_do_no_harm() {
    let mut world = talking();
    for len in 0..80 {
        for fill in [0, 0x45, 0xff] {
            let (now, garbage) = (world.now, forged(ETH0, ip("10.0.0.5"), ip("224.0.0.18"), vec![fill; len]));
            world.machines[1].catch(now, garbage);
            let v6 = forged(ETH0, ip("fe80::99"), ip("ff02::12"), vec![fill; len]);
            world.machines[1].catch(now, v6);
        }
    }
    let unknown = Transmit { interface: 99, ..tampered(&world, |_| {}) };
    let now = world.now;
    world.machines[1].catch(now, unknown);
    world.run(ms(10_000));
    assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
}

#[test]
fn sbd_3_two_leaders_that_take_turns_are_told_a_few_times_only() {
    let mut world = World::new(3);
    world.boot(0, host(vec![scenario(150)]));
    world.boot(1, host(vec![scenario(150)]));
    world.cut(0, 1);
    world.cut(1, 0);
    world.boot(2, lb02());
    world.run(ms(59_000));
    let told = world.story(2).matches("follows").count();
    assert!((2..=5).contains(&told), "{told} lines in a minute");
}

#[test]
fn rx_14_another_address_list_is_remarked_and_believed() {
    let mut world = World::new(2);
    world.boot(0, host(vec![scenario(150)]));
    let mut other = scenario(100);
    other.addresses[0].address = ip("10.0.0.4");
    world.boot(1, host(vec![other]));
    world.run(ms(20_000));
    let counters = world.status(1, "VI_50").counters;
    assert!(counters.incidents.address_list_differs > 10 && counters.became_active == 0);
    assert_eq!(world.story(1).matches("another list of addresses").count(), 1);
}

#[test]
fn rx_14_another_address_list_is_dropped_in_strict_mode() {
    let mut world = World::new(2);
    // Two will be Active, which the world allows only on a network that is not whole.
    world.cut(1, 0);
    world.boot(0, host(vec![scenario(150)]));
    let mut other = scenario(100);
    other.addresses[0].address = ip("10.0.0.4");
    other.strict = true;
    world.boot(1, host(vec![other]));
    world.run(ms(20_000));
    let counters = world.status(1, "VI_50").counters;
    assert!(counters.discarded(vrrp::Discard::AddressList) > 10 && counters.became_active == 1);
    let mut same = scenario(100);
    same.strict = true;
    world.configure(1, host(vec![same]));
    world.run(ms(20_000));
    assert_eq!(world.status(1, "VI_50").standing, node::event::Standing::Backup);
}

#[test]
fn tx_8_what_could_not_be_sent_is_counted_apart_and_told_rarely() {
    let mut world = World::new(1);
    let mut deaf = scenario(255);
    deaf.ignore_own_link = true;
    world.boot(0, host(vec![deaf]));
    world.run(ms(5_000));
    let sent = world.status(0, "VI_50").counters.sent;
    world.machines[0].change_link(ETH0, |link| link.up = false);
    world.run(ms(50_000));
    let counters = world.status(0, "VI_50").counters;
    assert_eq!((counters.sent, counters.incidents.unsent), (sent, 50));
    assert_eq!(world.story(0).matches("could not send an advert: network is down").count(), 1);
}

#[test]
fn sbd_1_sbd_2_a_rival_that_does_not_hear_us_is_an_alarm_from_its_second_advert_on() {
    let mut world = settled();
    world.cut(0, 1);
    world.run(ms(3_900));
    assert_eq!(world.standing(1), Standing::Active);
    let story = world.story(0);
    assert_eq!(story.matches("it has not heard us (yet); answered").count(), 1, "{story}");
    assert!(!story.contains("ALARM") && !story.contains("two machines hold the address"), "{story}");
    world.run(ms(10_000));
    let rivals: Vec<_> = world.machines[0]
        .events()
        .into_iter()
        .filter(|(_, event)| matches!(event, Event::Rival { .. }))
        .collect();
    assert!(matches!(rivals[..], [(_, ref event)] if event.level() == Level::Alarm), "{rivals:?}");
    assert!(world.story(0).contains("10.0.0.6 still advertises (priority 100) and does not hear us"));
}

#[test]
fn sbd_1_a_rival_that_heard_us_is_a_warning_however_much_of_it_waited() {
    let mut world = settled();
    world.machines[0].frozen = true;
    world.run(ms(3_700));
    world.machines[0].frozen = false;
    world.run(ms(5_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
    assert!(!world.story(0).contains("still advertises"));
}

#[test]
fn silence_that_was_full_of_adverts_is_no_silence() {
    let mut world = talking();
    let bad = tampered(&world, |bytes| bytes[24] ^= 1);
    world.crash(0, true);
    for _ in 0..3 {
        let now = world.now;
        world.machines[1].catch(now, bad.clone());
        world.run(ms(1_300));
    }
    let moved =
        world.machines[1].events().into_iter().find(|(_, event)| matches!(event, Event::Moved { .. }));
    assert_eq!(moved.map(|(_, event)| event.level()), Some(Level::Alarm));
    let story = world.story(1);
    assert!(
        story.contains("because 3 adverts of 10.0.0.5 were not believed (the last: its checksum is wrong)"),
        "{story}"
    );
}

#[test]
fn what_was_not_believed_before_a_believed_advert_is_no_reason() {
    let mut world = talking();
    let bad = tampered(&world, |bytes| bytes[24] ^= 1);
    let now = world.now;
    world.machines[1].catch(now, bad);
    world.run(ms(1_500));
    world.crash(0, true);
    world.run(ms(5_000));
    assert!(world.story(1).contains("because no advert came from an active router in time"));
}

#[test]
fn rx_3_rx_13_another_version_and_another_interval_are_told_with_both_values() {
    let mut world = World::new(2);
    world.cut(0, 0); // A whole network would not allow what follows.
    world.boot(0, host(vec![scenario(150)]));
    let mut other = scenario(100);
    other.authentication = model::Authentication::None;
    other.settings.version = match other.settings.version {
        Version::V2 => Version::V3,
        Version::V3 => Version::V2,
    };
    world.boot(1, host(vec![other]));
    world.run(ms(5_000));
    let story = world.story(1);
    assert!(story.contains("version 2, ours 3") || story.contains("version 3, ours 2"), "{story}");
    let mut world = World::new(2);
    world.cut(0, 0); // A whole network would not allow what follows.
    let at = |centis| {
        let mut instance = scenario(100);
        instance.settings.version = Version::V2;
        instance.settings.interval = wire::Interval::from_centis(centis).unwrap();
        host(vec![instance])
    };
    world.boot(0, at(200));
    world.boot(1, at(100));
    world.run(ms(9_000));
    assert!(world.story(1).contains("(every 2 s, ours 1 s)"));
}
