//! Whatever happens in whatever order: no panic, no hidden clock, no dependence on when the epoch was.

use proptest::collection::vec;
use proptest::prelude::*;
use vrrp::{AnnounceSettings, Input, Leader, Legacy, Manner, Settings};
use wire::Version::{V2, V3};

use crate::*;

fn a_wait() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        (0..5_000_000_000_u64).prop_map(nanos),
        (0..100_000_u64).prop_map(Duration::from_secs),
    ]
}

fn a_priority() -> impl Strategy<Value = Priority> {
    prop_oneof![1..=255_u8, Just(100), Just(255)].prop_map(Priority)
}

fn some_settings() -> impl Strategy<Value = Settings> {
    let announce = (0..9_u32, a_wait(), a_wait(), 0..9_u32, 0..9_u32, a_wait()).prop_map(
        |(repeat, delay, refresh, refresh_repeat, lower_priority_repeat, lower_priority_delay)| {
            AnnounceSettings {
                repeat,
                delay,
                refresh,
                refresh_repeat,
                lower_priority_repeat,
                lower_priority_delay,
            }
        },
    );
    let times = (1..=4095_u16, 1..=255_u8, a_wait(), 1..=100_u8);
    (any::<[bool; 5]>(), a_priority(), times, announce).prop_map(
        |([v3, preempt, ignores, silent, polite], priority, (fine, coarse, hold, down_adverts), announce)| {
            Settings {
                priority,
                interval: if v3 { centis(fine) } else { Interval::from_secs(coarse).unwrap() },
                preempt,
                preempt_delay: hold,
                down_adverts,
                owner_ignores_adverts: ignores,
                lower_priority_no_advert: silent,
                higher_priority_send_advert: polite,
                announce: announce.into(),
                ..settings(if v3 { V3 } else { V2 })
            }
        },
    )
}

/// What another router left; its times are counted from when it is given, and may be nonsense.
fn a_legacy(source: impl Strategy<Value = IpAddr> + Clone) -> impl Strategy<Value = Legacy> {
    let leader =
        (source, any::<u8>()).prop_map(|(source, priority)| Leader { source, priority: Priority(priority) });
    let backup = (1..=25_500_u16, proptest::option::of(leader))
        .prop_map(|(interval, leader)| Legacy::Backup { interval: centis(interval), leader });
    let active = (1..=25_500_u16, a_wait(), a_wait()).prop_map(|(interval, until, next)| Legacy::Active {
        interval: centis(interval),
        until: Instant::EPOCH + until,
        advertise_at: Instant::EPOCH + next,
    });
    prop_oneof![backup, active]
}

/// An input, and for an advert how long it lay in a queue.
fn an_input() -> impl Strategy<Value = (Input, Duration)> {
    let source = prop_oneof![Just(ip(LOWER)), Just(ip(OWN)), Just(ip(HIGHER)), any::<IpAddr>()];
    let heard = (source.clone(), any::<u8>(), 1..=25_500_u16).prop_map(|(source, priority, interval)| {
        let (priority, interval) = (Priority(priority), centis(interval));
        Input::Advertisement(Advertisement { source, priority, interval, at: Instant::EPOCH })
    });
    let input = prop_oneof![
        4 => heard,
        4 => Just(Input::Elapsed),
        2 => source.clone().prop_map(|primary| Input::Startup { primary }),
        2 => (source.clone(), a_legacy(source.clone())).prop_map(|(primary, legacy)| Input::Resume { primary, legacy }),
        1 => prop_oneof![Just(Manner::Stop), Just(Manner::Fault), Just(Manner::Mute)].prop_map(Input::Shutdown),
        1 => a_priority().prop_map(Input::Priority),
        1 => source.prop_map(Input::Primary),
        1 => (some_settings(), a_priority())
            .prop_map(|(settings, priority)| Input::Reconfigure { settings, priority }),
        1 => Just(Input::Deaf),
        1 => prop_oneof![Just(Input::TakeOver), Just(Input::StandBack)],
    ];
    (input, a_wait())
}

/// Waits, each with the input that follows and, for an advert, how long that lay in a queue.
type Life = Vec<(Duration, (Input, Duration))>;

fn a_life() -> impl Strategy<Value = (Settings, Life)> {
    (some_settings(), vec((a_wait(), an_input()), 1..60))
}

/// Runs a life from `epoch` on: all effects, with the times and the deadlines relative to it.
fn live(epoch: Instant, settings: &Settings, life: &Life) -> Vec<(Vec<Effect>, Option<Duration>)> {
    let mut bench = Bench::new(settings.clone());
    bench.now = epoch;
    let mut log = Vec::new();
    for (wait, (input, age)) in life {
        bench.wait(*wait);
        let now = bench.now;
        let placed = |at: Instant| (now + at.since(Instant::EPOCH)) - *age;
        let mut input = input.clone();
        if let Input::Advertisement(heard) = &mut input {
            heard.at = now - *age;
        }
        if let Input::Resume { legacy: Legacy::Active { until, advertise_at, .. }, .. } = &mut input {
            (*until, *advertise_at) = (placed(*until), placed(*advertise_at));
        }
        let elapsed = input == Input::Elapsed;
        let role = bench.role();
        let effects = bench.give(input);
        let deadline = bench.router.deadline();
        assert_eq!(deadline.is_some(), bench.role() != Role::Initialize, "SM-P-1");
        assert!(!elapsed || deadline.is_none_or(|due| due > bench.now), "nothing is overdue after Elapsed");
        let changes = effects.iter().filter(|e| matches!(e, Effect::Transition(_))).count();
        assert_eq!(changes, usize::from(role != bench.role()));
        log.push((effects, deadline.map(|due| due.since(epoch))));
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sm_p_6_same_inputs_and_times_give_the_same_outputs((settings, life) in a_life()) {
        let epoch = Instant::from_nanos(1 << 60);
        prop_assert_eq!(live(epoch, &settings, &life), live(epoch, &settings, &life));
    }

    #[test]
    fn sm_p_6_only_differences_of_times_matter((settings, life) in a_life(), later in a_wait()) {
        let epoch = Instant::from_nanos(1 << 60);
        prop_assert_eq!(live(epoch, &settings, &life), live(epoch + later, &settings, &life));
    }

    #[test]
    fn sm_p_1_one_timer_runs_in_backup_and_active_and_none_in_initialize((settings, life) in a_life()) {
        let mut bench = Bench::new(settings);
        for (wait, (input, _)) in life {
            bench.wait(wait);
            bench.give(input);
            prop_assert_eq!(bench.router.deadline().is_some(), bench.role() != Role::Initialize);
            match bench.router.state() {
                State::Initialize => {}
                State::Backup { down_at, .. } => prop_assert_eq!(bench.router.deadline(), Some(*down_at)),
                State::Active { advertise_at, .. } => prop_assert!(bench.router.deadline() <= Some(*advertise_at)),
            }
        }
    }

    #[test]
    fn sm_p_2_adverts_come_from_active_routers_and_priority_0_out_of_them((settings, life) in a_life()) {
        let mut bench = Bench::new(settings);
        for (wait, (input, _)) in life {
            bench.wait(wait);
            let (stops, stands_back) = (matches!(input, Input::Shutdown(_)), input == Input::StandBack);
            let before = bench.role();
            let sent = adverts(&bench.give(input));
            let after = bench.role();
            // A member of a sync group resigns to Backup when the group does.
            let leaves = before == Role::Active
                && (after == Role::Initialize && stops || after == Role::Backup && stands_back);
            prop_assert!(sent.is_empty() || before == Role::Active || after == Role::Active, "{:?}", sent);
            prop_assert_eq!(sent.contains(&0), leaves && !sent.is_empty(), "{:?}", sent);
            prop_assert!(sent.iter().filter(|priority| **priority == 0).count() <= 1);
        }
    }

    /// At both ends of time, where instants saturate: no panic.
    #[test]
    fn nothing_panics_at_the_ends_of_time(
        (settings, life) in a_life(),
        from in prop_oneof![Just(Instant::EPOCH), (0..1_u64 << 40).prop_map(|n| Instant::from_nanos(u64::MAX - n))],
    ) {
        let mut bench = Bench::new(settings);
        bench.now = from;
        for (wait, (input, _)) in life {
            bench.wait(wait);
            bench.give(input);
        }
    }
}
