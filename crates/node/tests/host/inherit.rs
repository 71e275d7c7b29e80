//! A daemon goes on where one that has ended without a word left off: what the other machines notice, and what not.

use crate::config::{host, instance, interval, lb01, lb02, with};
use crate::election::settled;
use crate::groups::{self, grouped};
use crate::tracking::{checked, script, tracked};
use crate::world::{ETH0, Programs, World, adverts, ms};
use model::{File, Host, Script, VirtualAddress, Weight};
use node::estate::{Estate, Note};
use node::event::Standing;
use node::io::{Ending, Errno, Fact, Input};
use std::collections::BTreeMap;
use timeline::{Duration, Machine as _};
use vrrp::Legacy;
use wire::Version;

#[test]
fn sm_init_9_the_others_do_not_notice_and_the_address_stays() {
    let mut world = settled();
    world.run(ms(400));
    let before = world.status(0, "VI_50").counters;
    world.machines[0].log.clear();
    world.replace(0, lb01(), ms(1_200));
    world.run(ms(1));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
    let counters = world.status(0, "VI_50").counters;
    assert_eq!(
        (counters.sent, counters.became_active, counters.received),
        (before.sent + 1, before.became_active, before.received)
    );
    for _ in 0..100 {
        world.run(ms(100));
        assert!(world.has(0, "10.0.0.3") && !world.has(1, "10.0.0.3"));
    }
    assert_eq!(world.story(1), "", "nothing happened");
    let all = adverts(&world, 0);
    assert_eq!(all[0], (11_600.0, 150), "at once");
    // The seconds of a rhythm that began at 3.414 s.
    assert!(
        (all[1].0 - 12_414.062_5).abs() < 0.001 && (all[2].0 - all[1].0 - 1_000.0).abs() < 0.001,
        "{all:?}"
    );
    insta::assert_snapshot!(world.story(0), @r"
    11.600000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
    11.600000 (VI_50) Entering MASTER STATE
    11.600000 (VI_50) because it goes on where the worker before it left off
    11.600000 (VI_50) 1 address in place
    ");
}

#[test]
fn where_another_may_have_taken_over_it_starts_as_any_other_and_holds_nothing() {
    let mut world = settled();
    world.run(ms(400));
    world.replace(0, lb01(), ms(3_050));
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Backup);
    assert!(!world.has(0, "10.0.0.3"));
    assert!(adverts(&world, 0).is_empty());
}

#[test]
fn what_is_configured_no_longer_goes_and_what_is_new_comes() {
    let mut world = settled();
    let other = with(lb01(), |instance| {
        instance.addresses = vec![VirtualAddress::host("10.0.0.4".parse().unwrap())];
    });
    world.replace(0, other, ms(100));
    world.run(ms(50));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
    assert!(world.has(0, "10.0.0.4") && !world.has(0, "10.0.0.3"));
    // Another virtual router inherits nothing.
    let mut world = settled();
    world.replace(0, host(vec![instance(51, 150, &["10.0.0.3"])]), ms(100));
    world.run(ms(50));
    assert_eq!(world.standing(0), Standing::Backup);
    assert!(!world.has(0, "10.0.0.3"));
}

#[test]
fn an_advert_that_nobody_could_hear_counts_for_nothing() {
    let mut world = settled();
    world.run(ms(400));
    let now = world.now;
    let node = &mut world.machines[0].node;
    let mut all = BTreeMap::new();
    let mut noted = |input: Option<Input<'_>>| {
        input.into_iter().for_each(|input| node.handle(now, input, &mut Vec::new()));
        let mut found = None;
        node.note_estates(|id, note| {
            found = match note {
                Note::Gone => None,
                Note::Stands(estate) => Some((id, estate.clone())),
                Note::Advertised(progress) => {
                    let mut estate: Estate = all.get(&id).cloned().unwrap();
                    estate.go_on(progress);
                    Some((id, estate))
                }
            };
            all.extend(found.clone());
            true
        });
        found.map(|(id, estate)| (id, estate.legacy))
    };
    let Some((router, Legacy::Active { until: before, .. })) = noted(None) else { panic!("it is active") };
    let unsent = || Some(Input::Unsent { router, errno: Errno(1) });
    let Some((_, Legacy::Active { until, .. })) = noted(unsent()) else { panic!("it is active") };
    assert_eq!(before.since(until), ms(1_000), "the others count from the one before");
    assert_eq!(noted(unsent()), None, "it had one copy");
}

#[test]
fn who_goes_on_waits_for_no_first_word_and_no_startup_delay() {
    let mut world = World::new(1);
    world.boot(0, checked(100, script("chk", 5_000), 0));
    world.run(ms(10_000));
    assert_eq!(world.standing(0), Standing::Active);
    world.machines[0].programs_wait = true;
    let late = Host { startup_delay: Duration::from_secs(30), ..checked(100, script("chk", 5_000), 0) };
    world.replace(0, late, ms(100));
    world.run(ms(1));
    assert_eq!(world.standing(0), Standing::Active);
}

#[test]
fn who_goes_on_keeps_the_priority_until_it_knows_what_it_tracks() {
    for starts_failed in [false, true] {
        // The weight comes from the script or is taken by it: before its first word neither is known.
        for (weight, priority) in [(50, 150), (-50, 100), (0, 100)] {
            let host = || checked(100, Script { starts_failed, ..script("chk", 5_000) }, weight);
            let mut world = World::new(1);
            world.boot(0, host());
            world.run(ms(12_000));
            assert_eq!(world.standing(0), Standing::Active);
            world.machines[0].programs_wait = true;
            world.machines[0].log.clear();
            world.replace(0, host(), ms(100));
            world.run(ms(3_000));
            let all = adverts(&world, 0);
            assert!(all.len() > 2 && all.iter().all(|advert| advert.1 == priority), "{weight}: {all:?}");
            assert_eq!(world.standing(0), Standing::Active);
        }
    }
}

#[test]
fn the_first_words_of_what_is_tracked_end_the_inherited_priority() {
    let host = || checked(100, script("chk", 1_000), 50);
    let mut world = World::new(1);
    world.boot(0, host());
    world.run(ms(12_000));
    world.machines[0].programs = Programs::ending(Ending::Exited(1));
    world.machines[0].log.clear();
    world.replace(0, host(), ms(100));
    world.run(ms(1_500));
    let all = adverts(&world, 0);
    assert_eq!(
        (all.first().map(|advert| advert.1), all.last().map(|advert| advert.1)),
        (Some(150), Some(100))
    );
}

#[test]
fn what_never_speaks_hides_no_failure_for_long() {
    let host = || {
        let mut host = checked(100, script("chk", 1_000), -60);
        host.instances[0].tracking.files = vec![tracked("mute", 1)];
        let (name, path) = ("mute".into(), "/mnt/mute".into());
        host.files = vec![File { name, path, weight: Weight::default(), initial: None }];
        host
    };
    let mut world = World::new(1);
    world.boot(0, host());
    world.run(ms(10));
    world.machines[0].tell(Fact::File { name: "mute".into(), value: Ok(50) });
    world.run(ms(12_000));
    assert_eq!(adverts(&world, 0).last().map(|advert| advert.1), Some(150));
    world.machines[0].programs = Programs::ending(Ending::Exited(1));
    world.machines[0].log.clear();
    world.replace(0, host(), ms(100));
    world.run(ms(9_000));
    assert!(adverts(&world, 0).iter().all(|advert| advert.1 == 150), "what the file says is waited for");
    world.run(ms(3_000));
    assert_eq!(adverts(&world, 0).last().map(|advert| advert.1), Some(40), "and then what is known counts");
}

#[test]
fn a_reload_in_between_changes_nothing_about_it() {
    let host = |repeat| {
        let mut host = checked(100, script("chk", 5_000), 50);
        host.instances[0].settings.announce.repeat = repeat;
        host
    };
    let mut world = World::new(1);
    world.boot(0, host(1));
    world.run(ms(12_000));
    world.machines[0].programs_wait = true;
    world.machines[0].log.clear();
    world.replace(0, host(1), ms(100));
    world.run(ms(500));
    world.configure(0, host(2));
    world.run(ms(2_000));
    let all = adverts(&world, 0);
    assert!(all.len() > 2 && all.iter().all(|advert| advert.1 == 150), "{all:?}");
}

#[test]
fn who_has_a_fault_does_not_go_on_and_starts_as_any_other_later() {
    let mut world = settled();
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.replace(0, lb01(), ms(100));
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Fault);
    assert!(!world.has(0, "10.0.0.3"));
    world.machines[0].change_link(ETH0, |link| link.carrier = true);
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Backup);
}

#[test]
fn a_group_goes_on_as_one() {
    let mut world = groups::world();
    world.boot(0, grouped(2, 150));
    world.boot(1, grouped(2, 100));
    world.run(ms(10_000));
    world.replace(0, grouped(2, 150), ms(100));
    world.run(ms(1));
    for (n, expected) in [(0, [(Standing::Active, 1); 2]), (1, [(Standing::Backup, 0); 2])] {
        let status = world.machines[n].node.status(world.now);
        let all = status.instances.iter().map(|one| (one.standing, one.counters.became_active));
        assert_eq!(all.collect::<Vec<_>>(), expected, "machine {n}");
    }
}

#[test]
fn a_backup_remembers_how_long_to_wait_for_whom_it_follows() {
    let v3 = |host: Host, centis| {
        with(host, |instance| {
            instance.authentication = model::Authentication::None;
            instance.settings.version = Version::V3;
            instance.settings.interval = interval(centis);
        })
    };
    let mut world = World::new(2);
    world.boot(0, v3(lb01(), 400));
    world.boot(1, v3(lb02(), 100));
    world.run(ms(60_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
    // Between two adverts of lb01, which come every four seconds.
    world.replace(1, v3(lb02(), 100), ms(50));
    world.machines[1].log.clear();
    world.crash(0, true);
    world.run(ms(10_000));
    assert_eq!(world.standing(1), Standing::Backup, "its own interval would have been over after 3.6 s");
    assert_eq!(world.status(1, "VI_50").active_interval, interval(400));
    world.run(ms(10_000));
    assert_eq!(world.standing(1), Standing::Active);
}
