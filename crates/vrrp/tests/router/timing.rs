//! One test for every requirement on timers (TM) that the state machine alone can show. The formulas of TM-1 to TM-4
//! and TM-8 are tested beside their code; TM-11 and TM-12 are for the host and for admission.

use vrrp::{Effect, Input, Manner, Notice, Phase, Role, Settings};
use wire::Priority;
use wire::Version::{V2, V3};

use crate::requirements::{ADI, SECOND, SKEW, VERSIONS};
use crate::*;

#[test]
fn tm_5_what_was_learnt_is_forgotten_with_the_state() {
    let mut bench = Bench::started(settings(V3));
    bench.hear_interval(HIGHER, 200, centis(10));
    bench.give(Input::Shutdown(Manner::Fault));
    bench.start();
    assert_eq!((bench.left(), bench.router.active_interval()), (ADI, centis(100)));
}

#[test]
fn tm_6_a_learnt_interval_counts_in_skew_time_and_in_active_down_interval() {
    for (learnt, adi) in [(1, 36_093_750), (10, 360_937_500), (1000, 36_093_750_000), (4095, 147_803_906_250)]
    {
        let mut bench = Bench::started(settings(V3));
        bench.hear_interval(HIGHER, 200, centis(learnt));
        assert_eq!((bench.left(), bench.router.down_interval()), (nanos(adi), nanos(adi)));
        assert_eq!(bench.router.skew_time() * 256, centis(learnt).duration() * 156);
    }
}

#[test]
fn tm_7_an_active_router_keeps_its_own_interval() {
    let mut bench = Bench::started(settings(V3));
    bench.hear_interval(HIGHER, 200, centis(10));
    bench.run_out();
    assert_eq!((bench.left(), bench.router.active_interval()), (SECOND, centis(100)));
    bench.run_out();
    assert_eq!(bench.left(), SECOND);
}

#[test]
fn tm_9_nothing_fires_early() {
    let mut backup = Bench::started(settings(V3));
    backup.hear(HIGHER, 200);
    let mut active = Bench::active(settings(V3));
    for bench in [&mut backup, &mut active] {
        let before = bench.router.clone();
        bench.now = before.deadline().unwrap() - nanos(1);
        assert_eq!(bench.give(Input::Elapsed), []);
        assert_eq!(bench.router, before);
    }
}

#[test]
fn tm_10_trap_17_silence_is_excused_when_adverts_may_have_been_lost() {
    for version in VERSIONS {
        let mut bench = Bench::started(settings(version));
        bench.wait(Duration::from_secs(8));
        assert_eq!(bench.give(Input::Deaf), [Effect::Notice(Notice::SilenceExcused)]);
        assert_eq!(bench.left(), SECOND + SKEW);
        assert_eq!(bench.give(Input::Elapsed), []);
        bench.run_out();
        assert_eq!(bench.role(), Role::Active, "but silence after it counts");
    }
}

/// An Active router that is to give way when a peer of priority 100 must have taken over: after 3.609 s of silence.
fn giving_way() -> Bench {
    Bench::active(Settings { preempt: false, late_rival: Some(Priority(100)), ..settings(V3) })
}

#[test]
fn who_is_too_late_gives_way_to_who_has_taken_over() {
    let mut bench = giving_way();
    // The last advert left one interval before the next one was due.
    bench.wait(ADI);
    let effects = bench.give(Input::Elapsed);
    assert_eq!(bench.role(), Role::Backup);
    assert!(effects.iter().all(|effect| !matches!(effect, Effect::Advertise(_))), "{effects:?}");
    assert_eq!(bench.left(), bench.router.down_interval());
}

#[test]
fn who_is_less_late_goes_on() {
    let mut bench = giving_way();
    bench.wait(ADI - nanos(1));
    let effects = bench.give(Input::Elapsed);
    assert_eq!(bench.role(), Role::Active);
    assert!(effects.contains(&Effect::Advertise(Priority(100))), "{effects:?}");
    let mut usual = Bench::active(settings(V3));
    usual.wait(Duration::from_secs(60));
    usual.give(Input::Elapsed);
    assert_eq!(usual.role(), Role::Active, "unless it was asked to give way");
}

#[test]
fn who_is_too_late_does_not_answer_the_one_that_has_taken_over() {
    let mut bench = giving_way();
    bench.wait(Duration::from_secs(10));
    let effects = bench.hear(LOWER, 50);
    assert_eq!(bench.role(), Role::Backup);
    assert!(effects.iter().all(|effect| !matches!(effect, Effect::Advertise(_))), "{effects:?}");
    bench.hear(LOWER, 50);
    assert_eq!(bench.router.leader().map(|leader| leader.priority), Some(Priority(50)), "it follows it");
}

#[test]
fn tm_10_an_excuse_never_shortens_the_wait() {
    let mut bench = Bench::started(settings(V3));
    let before = bench.router.clone();
    assert_eq!(bench.give(Input::Deaf), []);
    assert_eq!(bench.router, before);
}

#[test]
fn tm_10_adverts_that_waited_in_the_queue_count_from_when_they_arrived() {
    let mut bench = Bench::started(settings(V3));
    bench.wait(Duration::from_secs(10));
    bench.hear_late(HIGHER, 200, Duration::from_secs(5));
    bench.hear_late(HIGHER, 200, Duration::from_secs(2));
    assert_eq!(bench.left(), ADI - Duration::from_secs(2));
    assert_eq!(bench.give(Input::Elapsed), []);
    bench.hear_late(HIGHER, 0, SECOND);
    bench.give(Input::Elapsed);
    assert_eq!(bench.role(), Role::Active, "Skew_Time was over long ago");
}

#[test]
fn tm_10_what_lay_in_the_queue_does_not_cut_short_a_later_start_or_excuse() {
    let mut bench = Bench::started(settings(V3));
    bench.hear_late(HIGHER, 200, Duration::from_secs(5));
    assert_eq!(bench.left(), ADI);
    bench.wait(Duration::from_secs(8));
    bench.give(Input::Deaf);
    bench.hear_late(HIGHER, 200, Duration::from_secs(3));
    assert_eq!(bench.left(), SECOND + SKEW);
}

#[test]
fn tm_13_the_interval_of_a_priority_0_advert_is_not_adopted() {
    let mut bench = Bench::started(settings(V3));
    bench.hear_interval(HIGHER, 200, centis(10));
    bench.hear_interval(HIGHER, 0, centis(4095));
    assert_eq!((bench.left(), bench.router.active_interval()), (nanos(60_937_500), centis(10)));
}

/// Measured with keepalived 2.2.7: a backup raised from 50 to 240 after the last advert of the Active router took
/// over 3.063 s after that advert.
#[test]
fn tm_14_a_new_priority_moves_the_running_timer_by_the_difference_of_the_skews() {
    let mut bench = Bench::started(Settings { priority: Priority(50), ..settings(V2) });
    bench.hear(HIGHER, 200);
    bench.wait(millis(1700));
    bench.give(Input::Priority(Priority(240)));
    assert_eq!(bench.left(), nanos(3_062_500_000 - 1_700_000_000));
    bench.give(Input::Priority(Priority(50)));
    assert_eq!(bench.left(), nanos(3_804_687_500 - 1_700_000_000), "and back");
}

#[test]
fn tm_14_a_new_priority_also_moves_what_priority_0_armed() {
    let mut bench = Bench::started(settings(V3));
    bench.hear_interval(HIGHER, 200, centis(10));
    bench.hear(HIGHER, 0);
    bench.give(Input::Priority(Priority(254)));
    assert_eq!(bench.left(), nanos(781_250));
}

#[test]
fn a_router_finds_its_place_in_the_interval_and_keeps_it() {
    let interval = Duration::from_millis(100);
    for (part, place) in [(0, 0), (1 << 31, 50_000_000), (1 << 30, 25_000_000), (u32::MAX, 99_999_999)] {
        let mut router = Router::new(Settings { interval: centis(10), ..settings(V3) });
        router.set_phase(Phase::Fixed(part));
        let (mut effects, begun) = (Vec::new(), Instant::EPOCH + nanos(12_345_678_901));
        router.handle(begun, Input::Startup { primary: ip(OWN) }, &mut effects);
        router.handle(begun, Input::TakeOver, &mut effects);
        let first = router.deadline().unwrap();
        assert!(first > begun && first <= begun + interval, "never later than the RFC has it");
        assert_eq!(u128::from(first.as_nanos()) % interval.as_nanos(), place);
        // From then on exactly an interval.
        let mut due = first;
        for _ in 0..3 {
            effects.clear();
            router.handle(due, Input::Elapsed, &mut effects);
            assert_eq!(effects, [Effect::Advertise(Priority(100))]);
            assert_eq!(router.deadline().unwrap(), due + interval);
            due += interval;
        }
    }
}
