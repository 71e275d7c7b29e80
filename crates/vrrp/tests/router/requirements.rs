//! One test for every requirement on the states (SM) that the state machine alone can show, in the order of the
//! conformance list. What needs a host (SM-INIT-7, SM-INIT-8, SM-BKP-1, SM-ACT-1, TM-11) is tested where the host is.

use vrrp::{AnnounceSettings, Effect, Input, Manner, Notice, Role, Settings, State, Why};
use wire::Priority;
use wire::Version::{V2, V3};

use crate::*;

/// Active_Down_Interval of priority 100 at one second, the same in both versions.
pub(crate) const ADI: Duration = nanos(3_609_375_000);
/// Skew_Time of the same.
pub(crate) const SKEW: Duration = nanos(609_375_000);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const VERSIONS: [Version; 2] = [V2, V3];

fn owner(version: Version) -> Settings {
    Settings { priority: Priority::OWNER, ..settings(version) }
}

fn without_preemption(version: Version) -> Settings {
    Settings { preempt: false, ..settings(version) }
}

fn with_hold(version: Version) -> Settings {
    Settings { preempt_delay: Duration::from_secs(10), ..settings(version) }
}

/// An owner that gave way to a second owner of higher address.
fn yielded_owner(version: Version) -> Bench {
    let mut bench = Bench::started(owner(version));
    bench.hear(HIGHER, 255);
    assert_eq!(bench.role(), Role::Backup);
    bench
}

// ---- Initialize ----

#[test]
fn sm_init_1_the_owner_starts_as_active() {
    for version in VERSIONS {
        let mut bench = Bench::new(owner(version));
        let effects = bench.start();
        let expected = [
            Effect::Advertise(Priority::OWNER),
            turn(Role::Initialize, Role::Active, Why::Owner),
            Effect::Announce { rounds: 5 },
        ];
        assert_eq!(effects, expected);
        assert_eq!(bench.left(), SECOND);
    }
}

#[test]
fn sm_init_2_all_others_start_as_backup() {
    let mut bench = Bench::new(settings(V3));
    assert_eq!(bench.start(), [turn(Role::Initialize, Role::Backup, Why::Started)]);
    assert_eq!((bench.left(), bench.router.active_interval()), (ADI, centis(100)));

    let mut bench = Bench::new(Settings { interval: centis(4095), ..settings(V3) });
    bench.start();
    assert_eq!(bench.left(), nanos(147_803_906_250));
}

#[test]
fn sm_init_3_version_2_starts_with_master_down_interval() {
    let mut bench = Bench::new(Settings { interval: centis(300), ..settings(V2) });
    assert_eq!(bench.start(), [turn(Role::Initialize, Role::Backup, Why::Started)]);
    assert_eq!(bench.left(), nanos(9_609_375_000));
}

#[test]
fn sm_init_4_sm_init_5_sm_init_6_nothing_matters_before_startup() {
    for version in VERSIONS {
        let mut bench = Bench::new(settings(version));
        let before = bench.router.clone();
        for priority in [0, 50, 100, 200, 255] {
            assert_eq!(bench.hear(HIGHER, priority), []);
        }
        for manner in [Manner::Stop, Manner::Fault, Manner::Mute] {
            assert_eq!(bench.give(Input::Shutdown(manner)), []);
        }
        assert_eq!(bench.give(Input::Elapsed), []);
        assert_eq!(bench.give(Input::Deaf), []);
        assert_eq!(bench.give(Input::TakeOver), []);
        assert_eq!(bench.give(Input::StandBack), []);
        assert_eq!(bench.router, before);
        assert_eq!(bench.router.deadline(), None);
    }
}

#[test]
fn sm_init_priority_and_settings_count_from_the_start_that_follows() {
    let mut bench = Bench::new(settings(V3));
    assert_eq!(bench.give(Input::Priority(Priority(200))), []);
    bench.start();
    assert_eq!(bench.left(), nanos(3_218_750_000));

    let mut bench = Bench::new(settings(V3));
    let faster = Settings { interval: centis(10), ..settings(V3) };
    assert_eq!(bench.give(Input::Reconfigure { settings: faster, priority: Priority(150) }), []);
    bench.start();
    assert_eq!(bench.left(), nanos(341_406_250));
}

// ---- Backup ----

#[test]
fn sm_bkp_2_sm_bkp_13_trap_19_a_backup_leaves_without_priority_0() {
    for (manner, why) in
        [(Manner::Stop, Why::Stopped), (Manner::Fault, Why::Fault), (Manner::Mute, Why::Fault)]
    {
        let mut bench = Bench::started(settings(V3));
        bench.hear(HIGHER, 200);
        assert_eq!(bench.give(Input::Shutdown(manner)), [turn(Role::Backup, Role::Initialize, why)]);
        assert_eq!(bench.router.deadline(), None);
        assert_eq!(bench.router.leader(), None);
    }
}

#[test]
fn sm_bkp_3_silence_makes_a_backup_active() {
    for version in VERSIONS {
        let mut bench = Bench::started(settings(version));
        bench.wait(ADI - nanos(1));
        assert_eq!(bench.give(Input::Elapsed), []);
        bench.wait(nanos(1));
        let expected = [
            Effect::Advertise(Priority(100)),
            turn(Role::Backup, Role::Active, Why::NoResponse),
            Effect::Announce { rounds: 5 },
        ];
        assert_eq!(bench.give(Input::Elapsed), expected);
        assert_eq!(bench.left(), SECOND);
    }
}

#[test]
fn sm_bkp_3_the_reason_is_told() {
    // Silence of a better router.
    let mut bench = Bench::started(settings(V3));
    bench.hear(HIGHER, 200);
    assert!(bench.run_out().contains(&turn(Role::Backup, Role::Active, Why::NoResponse)));
    // A worse router is pushed aside.
    let mut bench = Bench::started(settings(V3));
    bench.hear(HIGHER, 50);
    assert!(bench.run_out().contains(&turn(Role::Backup, Role::Active, Why::Preempting(leader(HIGHER, 50)))));
    // It left.
    let mut bench = Bench::started(settings(V3));
    bench.hear(HIGHER, 200);
    bench.hear(HIGHER, 0);
    assert!(bench.run_out().contains(&turn(Role::Backup, Role::Active, Why::LeaderLeft(ip(HIGHER)))));
}

#[test]
fn sm_bkp_3_a_router_that_may_not_preempt_never_says_that_it_did() {
    let mut bench = Bench::started(without_preemption(V3));
    bench.hear(HIGHER, 50);
    assert!(bench.run_out().contains(&turn(Role::Backup, Role::Active, Why::NoResponse)));
    // Nor one whose preemption is still held back: the other router fell silent.
    let mut bench = Bench::started(with_hold(V3));
    bench.hear(HIGHER, 50);
    assert!(bench.run_out().contains(&turn(Role::Backup, Role::Active, Why::NoResponse)));
}

#[test]
fn sm_bkp_4_priority_0_leaves_only_skew_time() {
    for version in VERSIONS {
        let mut bench = Bench::started(settings(version));
        bench.hear(HIGHER, 200);
        bench.wait(millis(300));
        assert_eq!(bench.hear(HIGHER, 0), []);
        assert_eq!(bench.left(), SKEW);
    }
}

#[test]
fn sm_bkp_5_sm_bkp_6_trap_4_an_advert_that_is_not_worse_arms_the_timer_whatever_its_address() {
    for (source, priority) in [(HIGHER, 200), (LOWER, 200), (HIGHER, 100), (LOWER, 100), (HIGHER, 255)] {
        let mut bench = Bench::started(settings(V3));
        bench.wait(millis(2000));
        let heard = leader(source, priority);
        assert_eq!(
            bench.hear_interval(source, priority, centis(10)),
            [Effect::Notice(Notice::NewLeader(heard))]
        );
        assert_eq!(bench.left(), nanos(360_937_500));
        assert_eq!((bench.router.active_interval(), bench.router.leader()), (centis(10), Some(heard)));
        assert_eq!(bench.hear_interval(source, priority, centis(10)), [], "told once");
    }
}

#[test]
fn sm_bkp_7_trap_5_lower_priority_is_discarded() {
    for version in VERSIONS {
        let mut bench = Bench::started(settings(version));
        bench.hear(HIGHER, 200);
        for _ in 0..3 {
            bench.wait(SECOND);
            bench.hear_interval(LOWER, 99, centis(200));
        }
        assert_eq!(bench.left(), SKEW, "the old deadline stands");
        assert_eq!(bench.router.active_interval(), centis(100));
        bench.run_out();
        assert_eq!(bench.role(), Role::Active);
    }
}

#[test]
fn sm_bkp_8_without_preemption_lower_priority_is_followed() {
    let mut bench = Bench::started(without_preemption(V3));
    bench.wait(millis(3000));
    bench.hear_interval(LOWER, 1, centis(10));
    assert_eq!((bench.left(), bench.router.active_interval()), (nanos(360_937_500), centis(10)));
}

#[test]
fn sm_bkp_9_each_priority_0_arms_skew_time_anew() {
    let mut bench = Bench::started(settings(V3));
    bench.hear(HIGHER, 200);
    bench.hear(HIGHER, 0);
    bench.wait(millis(600));
    bench.hear(HIGHER, 0);
    assert_eq!(bench.left(), SKEW);
}

#[test]
fn sm_bkp_10_a_better_router_calls_the_takeover_off() {
    for (source, priority) in [(LOWER, 100), (LOWER, 200)] {
        let mut bench = Bench::started(settings(V3));
        bench.hear(HIGHER, 200);
        bench.hear(HIGHER, 0);
        bench.wait(millis(600));
        bench.hear(source, priority);
        assert_eq!(bench.left(), ADI);
    }
}

#[test]
fn sm_bkp_10_trap_16_the_answer_of_the_active_router_undoes_what_another_one_did_by_leaving() {
    let mut bench = Bench::started(settings(V3));
    bench.hear(HIGHER, 200);
    assert_eq!(bench.hear(LOWER, 0), []);
    assert_eq!((bench.left(), bench.router.leader()), (SKEW, Some(leader(HIGHER, 200))));
    assert_eq!(bench.hear(HIGHER, 200), [], "the same leader as ever");
    assert_eq!(bench.left(), ADI);
}

#[test]
fn sm_bkp_11_sm_bkp_12_a_wakeup_of_an_older_arming_does_nothing() {
    let mut bench = Bench::started(settings(V3));
    bench.wait(millis(3500));
    bench.hear(HIGHER, 200);
    let before = bench.router.clone();
    // When the first arming would have ended, and each second in between.
    for wait in [nanos(109_375_000), SECOND, SECOND, SECOND] {
        bench.wait(wait);
        assert_eq!(bench.give(Input::Elapsed), []);
    }
    assert_eq!(bench.router, before);
}

#[test]
fn sm_bkp_14_version_2_learns_nothing() {
    for (configured, priority) in [(settings(V2), 200), (settings(V2), 100), (without_preemption(V2), 50)] {
        let mut bench = Bench::started(configured);
        bench.wait(millis(1500));
        bench.hear_interval(HIGHER, priority, centis(300));
        assert_eq!((bench.left(), bench.router.active_interval()), (ADI, centis(100)));
    }
}

#[test]
fn sm_bkp_15_preemption_is_held_back_from_the_first_inferior_advert() {
    for version in VERSIONS {
        let mut bench = Bench::started(with_hold(version));
        bench.wait(SECOND);
        let told = bench.hear(LOWER, 50);
        assert!(told.contains(&Effect::Notice(Notice::PreemptHold(Duration::from_secs(10)))));
        assert_eq!((bench.left(), bench.hold()), (ADI, Some(Duration::from_secs(10))));
        for _ in 0..9 {
            bench.wait(SECOND);
            assert_eq!(bench.hear(LOWER, 50), []);
            assert_eq!(bench.left(), ADI);
        }
        // The hold is over: this one is discarded, and the last one before it decides.
        bench.wait(SECOND);
        bench.hear(LOWER, 50);
        assert_eq!(bench.left(), ADI - SECOND);
        let why = Why::Preempting(leader(LOWER, 50));
        assert!(bench.run_out().contains(&turn(Role::Backup, Role::Active, why)));
    }
}

/// Measured with keepalived 2.2.7, `preempt_delay 5`, priority 150 against 100: the first inferior advert came at
/// 0 s, the last one within the delay at 4.017 s, and it took over at 7.432 s.
#[test]
fn sm_bkp_15_the_hold_ends_as_keepalived_ends_it() {
    let preempt_delay = Duration::from_secs(5);
    let mut bench = Bench::started(Settings { priority: Priority(150), preempt_delay, ..settings(V2) });
    let first = bench.now;
    for at in [0, 1002, 2015, 3015, 4017, 5018, 6019, 7022] {
        bench.now = first + millis(at);
        bench.give(Input::Elapsed);
        bench.hear(LOWER, 100);
        assert_eq!(bench.role(), Role::Backup);
    }
    bench.run_out();
    assert_eq!(bench.now.since(first), nanos(4_017_000_000 + 3_414_062_500));
    assert_eq!(bench.role(), Role::Active);
}

#[test]
fn sm_bkp_15_a_router_that_may_lead_resets_the_hold() {
    for priority in [100, 200] {
        let mut bench = Bench::started(with_hold(V3));
        bench.hear(LOWER, 50);
        bench.wait(Duration::from_secs(3));
        bench.hear(HIGHER, priority);
        assert_eq!(bench.hold(), None);
        bench.wait(SECOND);
        bench.hear(LOWER, 50);
        assert_eq!(bench.hold(), Some(Duration::from_secs(10)), "from the beginning");
    }
}

#[test]
fn sm_bkp_15_priority_0_is_not_held_back() {
    let mut bench = Bench::started(with_hold(V3));
    bench.hear(LOWER, 50);
    bench.wait(SECOND);
    bench.hear(LOWER, 0);
    assert_eq!(bench.left(), SKEW);
    assert!(bench.run_out().contains(&turn(Role::Backup, Role::Active, Why::LeaderLeft(ip(LOWER)))));
}

#[test]
fn sm_bkp_15_a_rise_of_priority_starts_the_hold_and_a_fall_ends_it() {
    let mut bench = Bench::started(with_hold(V3));
    bench.hear(LOWER, 120);
    assert_eq!(bench.hold(), None);
    bench.give(Input::Priority(Priority(150)));
    bench.hear(LOWER, 120);
    assert_eq!(bench.hold(), Some(Duration::from_secs(10)));
    bench.give(Input::Priority(Priority(110)));
    bench.hear(LOWER, 120);
    assert_eq!(bench.hold(), None);
}

#[test]
fn sm_bkp_16_new_settings_leave_the_running_deadline_alone() {
    for version in VERSIONS {
        let mut bench = Bench::started(settings(version));
        bench.hear(HIGHER, 200);
        bench.wait(millis(500));
        let new = Settings { interval: centis(300), ..without_preemption(version) };
        assert_eq!(bench.give(Input::Reconfigure { settings: new, priority: Priority(100) }), []);
        assert_eq!(bench.left(), ADI - millis(500));
        // The next arming has the new interval (version 2) and preemption.
        bench.hear_interval(HIGHER, 50, centis(300));
        let skew = if version == V2 { SKEW } else { SKEW * 3 };
        assert_eq!(bench.left(), SECOND * 9 + skew);
    }
}

#[test]
fn sm_bkp_16_tm_14_a_priority_by_settings_moves_the_timer_as_one_by_trackers_does() {
    let mut bench = Bench::started(settings(V3));
    bench.hear(HIGHER, 200);
    for _ in 0..10 {
        bench.give(Input::Priority(Priority(200)));
        assert_eq!(bench.left(), nanos(3_218_750_000));
        bench.give(Input::Reconfigure { settings: settings(V3), priority: Priority(100) });
        assert_eq!(bench.left(), ADI, "and back: it does not add up");
    }
}

#[test]
fn sm_bkp_16_who_may_no_longer_preempt_lets_a_leader_that_speaks_lead() {
    let lesser = |bench: &mut Bench| bench.give(Input::Priority(Priority(50)));
    let reloaded =
        |bench: &mut Bench| bench.give(Input::Reconfigure { settings: settings(V3), priority: Priority(50) });
    let polite = |bench: &mut Bench| {
        let settings = without_preemption(V3);
        bench.give(Input::Reconfigure { settings, priority: Priority(100) })
    };
    let changes: [fn(&mut Bench) -> Vec<Effect>; 3] = [lesser, reloaded, polite];
    for change in changes {
        let mut bench = Bench::started(settings(V3));
        for _ in 0..3 {
            bench.wait(SECOND).hear(HIGHER, 80);
        }
        bench.wait(millis(500));
        // It was to take over soon. The advert of half a second ago was no silence.
        assert_eq!(change(&mut bench), []);
        let down = bench.router.down_interval();
        assert_eq!(bench.left(), down);
        bench.wait(millis(500)).hear(HIGHER, 80);
        assert_eq!(bench.left(), down);
        assert!(bench.run_out().contains(&turn(Role::Backup, Role::Active, Why::NoResponse)));
    }
}

#[test]
fn sm_bkp_16_silence_is_silence_whoever_might_preempt_by_now() {
    let mut bench = Bench::started(settings(V3));
    bench.hear(HIGHER, 200);
    bench.wait(SECOND).give(Input::Priority(Priority(254)));
    assert!(bench.run_out().contains(&turn(Role::Backup, Role::Active, Why::NoResponse)));
}

#[test]
fn sm_bkp_16_settings_that_change_nothing_change_nothing() {
    let same = with_hold(V3);
    let mut bench = Bench::started(same.clone());
    bench.hear_interval(LOWER, 50, centis(10));
    bench.wait(millis(200));
    let before = bench.router.clone();
    assert_eq!(bench.give(Input::Reconfigure { settings: same, priority: Priority(100) }), []);
    assert_eq!(bench.router, before, "the hold and the learnt interval too");
}

#[test]
fn sm_bkp_16_another_preempt_delay_counts_from_the_next_advert() {
    let mut bench = Bench::started(with_hold(V3));
    bench.hear(LOWER, 50);
    bench.wait(SECOND);
    let shorter = Settings { preempt_delay: Duration::from_secs(2), ..settings(V3) };
    bench.give(Input::Reconfigure { settings: shorter, priority: Priority(100) });
    bench.hear(LOWER, 50);
    assert_eq!(bench.hold(), Some(Duration::from_secs(2)));
}

#[test]
fn sm_bkp_16_another_version_forgets_what_was_learnt() {
    let mut bench = Bench::started(settings(V3));
    bench.hear_interval(HIGHER, 200, centis(10));
    bench.give(Input::Reconfigure { settings: settings(V2), priority: Priority(100) });
    assert_eq!(bench.router.active_interval(), centis(100));
    bench.hear(HIGHER, 200);
    assert_eq!(bench.left(), ADI);
}

#[test]
fn sm_bkp_17_a_backup_that_becomes_owner_is_active_at_once() {
    let expected = [
        Effect::Advertise(Priority::OWNER),
        turn(Role::Backup, Role::Active, Why::Owner),
        Effect::Announce { rounds: 5 },
    ];
    for version in VERSIONS {
        let mut bench = Bench::started(settings(version));
        assert_eq!(bench.give(Input::Priority(Priority::OWNER)), expected);
        let mut bench = Bench::started(settings(version));
        let input = Input::Reconfigure { settings: owner(version), priority: Priority::OWNER };
        assert_eq!(bench.give(input), expected);
    }
}

#[test]
fn sm_bkp_17_an_owner_that_gave_way_is_not_made_owner_again_by_new_settings() {
    let mut bench = yielded_owner(V3);
    let input = Input::Reconfigure { settings: owner(V3), priority: Priority::OWNER };
    assert_eq!(bench.give(input), []);
    assert_eq!(bench.role(), Role::Backup);
}

// ---- Active ----

#[test]
fn sm_act_2_sm_act_17_an_active_router_resigns_if_it_can_speak() {
    let resigns = Effect::Advertise(Priority::LEAVING);
    for version in VERSIONS {
        let leave = |manner| {
            let mut bench = Bench::active(settings(version));
            let effects = bench.give(Input::Shutdown(manner));
            assert_eq!(bench.router.deadline(), None);
            effects
        };
        assert_eq!(leave(Manner::Stop), [resigns, turn(Role::Active, Role::Initialize, Why::Stopped)]);
        assert_eq!(leave(Manner::Fault), [resigns, turn(Role::Active, Role::Initialize, Why::Fault)]);
        assert_eq!(leave(Manner::Mute), [turn(Role::Active, Role::Initialize, Why::Fault)]);
    }
}

#[test]
fn sm_act_3_adverts_keep_to_the_interval() {
    let mut bench = Bench::active(Settings { interval: centis(25), ..settings(V3) });
    let times: Vec<_> = bench
        .run(SECOND)
        .into_iter()
        .filter_map(|(at, effect)| {
            matches!(effect, Effect::Advertise(Priority(100))).then_some(at.as_millis())
        })
        .collect();
    assert_eq!(times, [250, 500, 750, 1000]);
}

#[test]
fn sm_act_3_lateness_does_not_add_up_and_missed_adverts_are_not_made_up_for() {
    let mut bench = Bench::active(settings(V3));
    bench.wait(millis(1200));
    assert_eq!(adverts(&bench.give(Input::Elapsed)), [100]);
    assert_eq!(bench.left(), millis(800));
    bench.wait(millis(2900));
    assert_eq!(adverts(&bench.give(Input::Elapsed)), [100], "one, not three");
    assert_eq!(bench.left(), millis(900));
    // Exactly a whole number of intervals late.
    bench.wait(millis(2900));
    assert_eq!(adverts(&bench.give(Input::Elapsed)), [100]);
    assert_eq!(bench.left(), SECOND);
}

#[test]
fn sm_act_4_trap_16_priority_0_is_answered_at_once_and_always() {
    for version in VERSIONS {
        let mut bench = Bench::active(settings(version));
        for _ in 0..20 {
            bench.wait(millis(10));
            assert_eq!(bench.hear(LOWER, 0), [Effect::Advertise(Priority(100))]);
            assert_eq!(bench.left(), SECOND);
        }
    }
}

#[test]
fn sm_act_5_sm_act_14_higher_priority_wins_whatever_preempt_mode_says() {
    for configured in [settings(V3), without_preemption(V3)] {
        for source in [LOWER, HIGHER] {
            let mut bench = Bench::active(configured.clone());
            let heard = leader(source, 101);
            let effects = bench.hear_interval(source, 101, centis(10));
            assert_eq!(effects, [turn(Role::Active, Role::Backup, Why::HigherPriority(heard))]);
            assert_eq!((bench.left(), bench.router.active_interval()), (nanos(360_937_500), centis(10)));
            assert_eq!(bench.router.leader(), Some(heard));
        }
    }
}

#[test]
fn sm_act_6_sm_act_11_equal_priority_and_higher_address_wins() {
    let mut bench = Bench::active(settings(V3));
    let why = Why::HigherAddress(leader(HIGHER, 100));
    assert_eq!(bench.hear(HIGHER, 100), [turn(Role::Active, Role::Backup, why)]);
    assert_eq!(bench.left(), ADI);

    let mut bench = Bench::active(settings(V3));
    bench.give(Input::Primary(ip("fe80::9")));
    bench.hear("fe80::8", 100);
    assert_eq!(bench.role(), Role::Active);
    bench.hear("fe80::10", 100);
    assert_eq!(bench.role(), Role::Backup);
}

#[test]
fn sm_act_7_sm_act_8_sm_act_9_trap_6_a_losing_advert_is_answered_at_once_and_the_schedule_stays() {
    for version in VERSIONS {
        for (source, priority) in [(LOWER, 100), (HIGHER, 99), (LOWER, 1)] {
            let mut bench = Bench::active(settings(version));
            bench.wait(millis(400));
            let expected = [
                Effect::Notice(Notice::Rival(leader(source, priority))),
                Effect::Advertise(Priority(100)),
                Effect::Announce { rounds: 5 },
            ];
            assert_eq!(bench.hear(source, priority), expected);
            assert_eq!((bench.role(), bench.left()), (Role::Active, millis(600)));
        }
    }
}

#[test]
fn dif_18_sm_act_7_sm_act_8_can_be_undone_as_rfc_5798_had_it() {
    let mut bench = Bench::active(Settings { lower_priority_no_advert: true, ..settings(V3) });
    let effects = bench.hear(LOWER, 50);
    assert_eq!((adverts(&effects), announced(&effects)), (vec![], vec![5]));
}

#[test]
fn sm_act_10_trap_7_our_own_advert_is_never_answered() {
    for priority in [0, 50, 100, 200, 255] {
        let mut bench = Bench::active(settings(V3));
        bench.wait(millis(300));
        let before = bench.router.clone();
        assert_eq!(bench.hear(OWN, priority), []);
        assert_eq!(bench.router, before);
    }
}

#[test]
fn sm_act_12_an_owner_processes_adverts_in_both_versions() {
    for version in VERSIONS {
        let mut bench = Bench::started(owner(version));
        assert_eq!(adverts(&bench.hear(HIGHER, 254)), [255]);
        assert_eq!(adverts(&bench.hear(HIGHER, 0)), [255]);
        assert_eq!(bench.role(), Role::Active);
    }
}

#[test]
fn sm_act_13_cfg_1_trap_9_of_two_owners_the_higher_address_stays() {
    for version in VERSIONS {
        let mut bench = Bench::started(owner(version));
        let effects = bench.hear(LOWER, 255);
        assert_eq!(effects.first(), Some(&Effect::Notice(Notice::SecondOwner(ip(LOWER)))));
        assert_eq!((adverts(&effects), bench.role()), (vec![255], Role::Active));

        let expected = [
            Effect::Notice(Notice::SecondOwner(ip(HIGHER))),
            turn(Role::Active, Role::Backup, Why::HigherAddress(leader(HIGHER, 255))),
        ];
        assert_eq!(bench.hear(HIGHER, 255), expected);
    }
}

#[test]
fn cfg_4_an_owner_preempts_whatever_preempt_mode_says() {
    let mut bench = Bench::started(Settings { priority: Priority::OWNER, ..without_preemption(V3) });
    bench.hear(HIGHER, 255);
    bench.wait(SECOND);
    let deadline = bench.router.deadline();
    bench.hear(LOWER, 254);
    assert_eq!(bench.router.deadline(), deadline);
}

#[test]
fn sm_act_15_demotion_is_without_priority_0() {
    for (source, priority) in [(LOWER, 200), (HIGHER, 100)] {
        let mut bench = Bench::active(settings(V3));
        assert_eq!(adverts(&bench.hear(source, priority)), []);
        let mut polite = Bench::active(Settings { higher_priority_send_advert: true, ..settings(V3) });
        let effects = polite.hear(source, priority);
        assert_eq!(effects.first(), Some(&Effect::Advertise(Priority(100))), "before it yields");
        assert_eq!(adverts(&effects), [100]);
    }
}

#[test]
fn sm_act_16_version_2_learns_nothing_by_demotion() {
    let mut bench = Bench::active(settings(V2));
    bench.hear_interval(HIGHER, 200, centis(300));
    assert_eq!((bench.left(), bench.router.active_interval()), (ADI, centis(100)));
}

#[test]
fn sm_act_18_the_down_timer_died_with_the_state_that_had_it() {
    let mut bench = Bench::started(settings(V3));
    let first = bench.router.deadline().unwrap();
    bench.wait(millis(100));
    bench.give(Input::Priority(Priority::OWNER));
    bench.give(Input::Priority(Priority(100)));
    bench.run(first.since(bench.now));
    assert_eq!(bench.role(), Role::Active);
}

#[test]
fn sm_act_19_a_new_priority_is_advertised_at_once_and_the_schedule_stays() {
    for (priority, expected) in [(90, 90), (110, 110), (255, 255)] {
        let mut bench = Bench::active(settings(V3));
        bench.wait(millis(250));
        assert_eq!(bench.give(Input::Priority(Priority(priority))), [Effect::Advertise(Priority(expected))]);
        assert_eq!((bench.role(), bench.left()), (Role::Active, millis(750)));
        assert_eq!(adverts(&bench.run_out()), [expected]);
    }
    let mut bench = Bench::active(settings(V3));
    assert_eq!(bench.give(Input::Priority(Priority(100))), [], "no news");
}

#[test]
fn sm_act_20_a_flood_of_losing_adverts_is_answered_within_bounds() {
    let mut bench = Bench::active(settings(V3));
    let (mut answers, mut periodic) = (0, 0);
    for _ in 0..10_000 {
        bench.wait(millis(1));
        periodic += adverts(&bench.give(Input::Elapsed)).len();
        answers += adverts(&bench.hear(LOWER, 50)).len();
    }
    assert_eq!(periodic, 10, "never at the cost of the schedule");
    assert_eq!(answers, 4 + 39, "a burst of four, then four a second");
}

#[test]
fn sm_act_20_the_meter_fills_up_again() {
    let mut bench = Bench::active(settings(V3));
    let burst = |bench: &mut Bench| (0..10).map(|_| adverts(&bench.hear(LOWER, 50)).len()).sum::<usize>();
    assert_eq!(burst(&mut bench), 4);
    bench.wait(millis(250));
    assert_eq!(burst(&mut bench), 1);
    bench.wait(Duration::from_secs(60));
    assert_eq!(burst(&mut bench), 4);
}

#[test]
fn sm_act_21_a_stalled_active_router_that_reads_first_yields_without_a_word() {
    let mut bench = Bench::active(settings(V3));
    bench.wait(Duration::from_secs(10));
    // What the backup that took over said meanwhile, in the order in which it lay in the queue.
    for age in (0..=6).rev() {
        assert_eq!(adverts(&bench.hear_late(LOWER, 150, Duration::from_secs(age))), []);
    }
    assert_eq!(bench.give(Input::Elapsed), []);
    assert_eq!((bench.role(), bench.left()), (Role::Backup, ADI));
}

#[test]
fn tm_11_an_active_router_that_stood_still_announces_again_and_says_so() {
    for version in VERSIONS {
        let mut bench = Bench::active(Settings {
            announce: AnnounceSettings {
                delay: Duration::ZERO,
                refresh: Duration::ZERO,
                ..AnnounceSettings::default()
            }
            .into(),
            ..settings(version)
        });
        // So late that a backup of the same priority has not run out yet.
        bench.wait(SECOND + bench.router.down_interval());
        assert_eq!(bench.give(Input::Elapsed), [Effect::Advertise(Priority(100))]);
        let late = bench.router.down_interval() + millis(1);
        bench.wait(bench.left() + late);
        let rounds = bench.router.settings().announce.repeat;
        assert_eq!(
            bench.give(Input::Elapsed),
            [
                Effect::Advertise(Priority(100)),
                Effect::Notice(Notice::StoodStill(late)),
                Effect::Announce { rounds },
            ]
        );
        assert_eq!(bench.role(), Role::Active);
    }
}

#[test]
fn garp_6_announcements_come_twice_and_then_at_the_refresh_period() {
    let announce = AnnounceSettings {
        repeat: 3,
        refresh: Duration::from_secs(10),
        refresh_repeat: 2,
        ..AnnounceSettings::default()
    };
    let mut bench = Bench::active(Settings { announce: announce.into(), ..settings(V3) });
    let log: Vec<_> = bench
        .run(Duration::from_secs(36))
        .into_iter()
        .filter_map(|(at, effect)| match effect {
            Effect::Announce { rounds } => Some((at.as_secs(), rounds)),
            Effect::Advertise(_) | Effect::Transition(_) | Effect::Notice(_) => None,
        })
        .collect();
    assert_eq!(log, [(5, 3), (15, 2), (25, 2), (35, 2)]);
}

#[test]
fn garp_6_sby_5_a_losing_advert_brings_two_bursts_of_its_own() {
    let announce = AnnounceSettings {
        delay: Duration::ZERO,
        lower_priority_repeat: 2,
        lower_priority_delay: Duration::from_secs(3),
        ..AnnounceSettings::default()
    };
    let mut bench = Bench::active(Settings { announce: announce.into(), ..settings(V3) });
    assert_eq!(announced(&bench.hear(LOWER, 50)), [2]);
    let later: Vec<_> =
        bench.run(Duration::from_secs(9)).into_iter().filter(|(_, e)| !announced(&[*e]).is_empty()).collect();
    assert_eq!(later, [(Duration::from_secs(3), Effect::Announce { rounds: 2 })]);
}

#[test]
fn sby_9_a_new_primary_address_is_advertised_from_at_once() {
    let mut bench = Bench::active(settings(V3));
    assert_eq!(bench.give(Input::Primary(ip(LOWER))), [Effect::Advertise(Priority(100))]);
    assert_eq!(bench.give(Input::Primary(ip(LOWER))), []);
    let mut bench = Bench::started(settings(V3));
    assert_eq!(bench.give(Input::Primary(ip(LOWER))), []);
}

#[test]
fn a_second_startup_brings_at_most_another_address() {
    for mut bench in [Bench::started(settings(V3)), Bench::active(settings(V3))] {
        bench.wait(millis(100));
        let before = bench.router.clone();
        assert_eq!(bench.start(), []);
        assert_eq!(bench.router, before);
    }
}

#[test]
fn reconfigure_tells_the_others_and_keeps_the_new_rhythm() {
    let mut bench = Bench::active(settings(V3));
    bench.wait(millis(900));
    let slower = Settings { interval: centis(200), ..settings(V3) };
    let effects = bench.give(Input::Reconfigure { settings: slower, priority: Priority(120) });
    assert_eq!(effects, [Effect::Advertise(Priority(120))]);
    assert_eq!(bench.left(), millis(2000));
}

#[test]
fn reconfigure_can_start_and_stop_the_refresh() {
    let refreshing = |refresh| {
        let announce = AnnounceSettings { refresh, ..AnnounceSettings::default() };
        Input::Reconfigure {
            settings: Settings { announce: announce.into(), ..settings(V3) },
            priority: Priority(100),
        }
    };
    let mut bench = Bench::active(settings(V3));
    bench.run(Duration::from_secs(6));
    bench.give(refreshing(Duration::from_secs(2)));
    let bursts = |bench: &mut Bench| {
        bench.run(Duration::from_secs(6)).iter().filter(|(_, e)| !announced(&[*e]).is_empty()).count()
    };
    assert_eq!(bursts(&mut bench), 3);
    bench.give(refreshing(Duration::ZERO));
    assert_eq!(bursts(&mut bench), 0);
}

#[test]
fn wire_5_a_state_has_no_word_for_priority_0_but_leaving() {
    // Whoever was heard to leave is remembered as such, and nothing of it is repeated.
    let mut bench = Bench::started(settings(V3));
    bench.hear(HIGHER, 0);
    assert!(
        matches!(bench.router.state(), State::Backup { leader: Some(l), .. } if l.priority == Priority(0))
    );
    assert_eq!(adverts(&bench.run_out()), [100]);
}
