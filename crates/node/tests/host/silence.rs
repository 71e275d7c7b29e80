//! Silence that proves nothing: a process that stood still, adverts that were lost on the way to us.

use crate::config::{host, lb01, scenario};
use crate::election::settled;
use crate::world::{World, adverts, ms};
use node::event::Standing;
use node::io::{Act, Fact};
use timeline::{Instant, Machine as _};

/// Backup lb02 stands still for this long, while lb01 goes on.
fn stall(world: &mut World, time: u64) {
    world.machines[1].frozen = true;
    world.run(ms(time));
    world.machines[1].frozen = false;
    world.run(ms(0));
}

#[test]
fn tm_10_a_late_turn_with_adverts_in_the_socket_takes_nothing_over() {
    let mut world = settled();
    for time in [3_700, 5_000, 60_000] {
        stall(&mut world, time);
        assert_eq!(world.standing(1), Standing::Backup);
    }
    assert_eq!(world.story(1), "", "there is nothing to tell");
}

#[test]
fn tm_10_a_late_turn_without_adverts_is_excused_once() {
    let mut world = settled();
    world.cut(0, 1);
    stall(&mut world, 10_000);
    assert_eq!(world.standing(1), Standing::Backup);
    let excused = world.clock(world.now);
    world.run(ms(5_000));
    assert_eq!(adverts(&world, 1)[0].0, excused + 1_609.375, "one interval and the skew, then it is dead");
    insta::assert_snapshot!(world.story(1), @r"
    20.000000 (VI_50) this process was late or adverts were lost: waiting one more interval
    21.609375 (VI_50) Receive advertisement timeout
    21.609375 (VI_50) Entering MASTER STATE
    21.609375 (VI_50) because no advert came from an active router in time
    21.609375 (VI_50) 1 address in place
    ");
}

#[test]
fn who_keeps_standing_still_is_not_excused_for_ever() {
    let mut world = settled();
    world.cut(0, 1);
    for _ in 0..3 {
        stall(&mut world, 10_000);
    }
    assert_eq!(world.standing(1), Standing::Active);
}

#[test]
fn sm_act_21_sbt_4_a_holder_that_stood_still_yields_before_it_speaks() {
    let mut world = settled();
    world.machines[0].frozen = true;
    world.run(ms(5_000));
    assert_eq!(world.standing(1), Standing::Active);
    world.machines[0].log.clear();
    world.machines[0].frozen = false;
    // lb02's adverts wait in the socket. Of lower priority: it does not yield to them, but answers and goes on.
    world.run(ms(100));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
    // The other way round: the lower one wakes up.
    let mut world = World::new(2);
    world.boot(0, host(vec![scenario(150)]));
    world.run(ms(1));
    world.boot(1, host(vec![scenario(100)]));
    world.machines[0].frozen = true;
    world.run(ms(5_000));
    assert_eq!(world.standing(1), Standing::Active);
    world.machines[1].frozen = true;
    world.boot(0, lb01());
    world.run(ms(5_000));
    world.machines[1].log.clear();
    world.machines[1].frozen = false;
    world.run(ms(0));
    assert_eq!((world.standing(1), adverts(&world, 1)), (Standing::Backup, vec![]));
    assert!(!world.has(1, "10.0.0.3"));
}

#[test]
fn deaf_prolongs_a_silence_that_was_about_to_count() {
    let mut world = settled();
    world.cut(0, 1);
    world.run(ms(2_000));
    world.machines[1].tell(Fact::Deaf);
    world.run(ms(0));
    assert!(world.story(1).contains("waiting one more interval"));
    world.run(ms(1_000));
    assert_eq!(world.standing(1), Standing::Backup);
    world.run(ms(1_000));
    assert_eq!(world.standing(1), Standing::Active);
}

#[test]
fn deaf_says_nothing_about_a_silence_that_has_just_begun() {
    let mut world = settled();
    world.run(ms(10));
    world.machines[1].tell(Fact::Deaf);
    world.machines[0].tell(Fact::Deaf);
    world.run(ms(0));
    assert_eq!((world.story(0), world.story(1)), (String::new(), String::new()));
}

#[test]
fn tm_11_a_flood_that_makes_us_deaf_for_ever_is_told_once_and_saves_no_dead_leader() {
    let mut world = settled();
    world.crash(0, true);
    for _ in 0..700 {
        world.machines[1].tell(Fact::Deaf);
        world.run(ms(10));
    }
    assert_eq!(world.standing(1), Standing::Active);
    assert_eq!(world.story(1).matches("waiting one more interval").count(), 1);
}

#[test]
fn deadlines_never_lie_in_the_past_after_a_turn() {
    let mut world = settled();
    world.cut(0, 1);
    for _ in 0..200 {
        world.run(ms(37));
        for machine in &world.machines {
            assert!(machine.node.deadline().is_none_or(|at| at > world.now || at == Instant::NEVER));
        }
    }
}

#[test]
fn tm_11_a_holder_that_stood_still_for_long_announces_again_and_says_so() {
    let mut world = World::new(1);
    world.boot(0, lb01());
    world.run(ms(20_000));
    for (time, told) in [(3_000, 0), (7_000, 1), (7_000, 2)] {
        world.machines[0].frozen = true;
        world.run(ms(time));
        world.machines[0].frozen = false;
        world.run(ms(10));
        assert_eq!(world.standing(0), Standing::Active);
        let announced =
            world.machines[0].holds().into_iter().filter(|hold| matches!(hold.act, Act::Announce { .. }));
        assert_eq!(announced.count(), 2 + told, "besides the two bursts after the takeover");
    }
    assert_eq!(world.story(0).matches("this process stood still for 6.").count(), 2, "each time");
}
