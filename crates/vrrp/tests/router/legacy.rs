//! A router goes on where one of a process that is no more has left off, and no other router notices.

use vrrp::{Input, Legacy, Settings, State};
use wire::Version::{V2, V3};

use crate::*;

/// What an Active router of these settings left that has last advertised so long ago.
pub(crate) fn active(bench: &Bench, ago: Duration) -> Legacy {
    let interval = bench.router.settings().interval;
    let last = bench.now - ago;
    Legacy::Active {
        interval,
        until: last + interval.duration() * 3,
        advertise_at: last + interval.duration(),
    }
}

/// What a Backup left that followed a router which advertises every two seconds.
pub(crate) fn backup(source: &str, priority: u8) -> Legacy {
    Legacy::Backup { interval: centis(200), leader: Some(leader(source, priority)) }
}

fn resume(bench: &mut Bench, legacy: Legacy) -> Vec<Effect> {
    bench.give(Input::Resume { primary: ip(OWN), legacy })
}

#[test]
fn sm_init_9_who_was_active_says_so_at_once_and_keeps_its_rhythm() {
    for (ago, next) in [(0, 1_000), (400, 600), (1_000, 1_000), (2_300, 700), (2_999, 1)] {
        let mut bench = Bench::new(settings(V3));
        let effects = {
            let legacy = active(&bench, millis(ago));
            resume(&mut bench, legacy)
        };
        assert_eq!(
            (bench.role(), adverts(&effects), announced(&effects)),
            (Role::Active, vec![100], vec![5])
        );
        let times: Vec<_> = bench
            .run(Duration::from_secs(3))
            .into_iter()
            .filter(|(_, e)| matches!(e, Effect::Advertise(_)))
            .collect();
        assert_eq!(times[0].0, millis(next), "{ago} ms after the last advert");
        assert_eq!(times[1].0, millis(next + 1_000));
    }
}

#[test]
fn sm_init_9_where_another_may_have_taken_over_it_starts_as_any_other() {
    for (version, ago) in [(V2, 3_000), (V3, 3_000), (V3, 100_000)] {
        let mut bench = Bench::new(settings(version));
        let legacy = active(&bench, millis(ago));
        assert_eq!(adverts(&resume(&mut bench, legacy)), []);
        assert_eq!((bench.role(), bench.left()), (Role::Backup, bench.router.down_interval()));
    }
}

#[test]
fn it_yields_to_a_better_router_as_ever() {
    let mut bench = Bench::new(settings(V3));
    let legacy = active(&bench, millis(500));
    resume(&mut bench, legacy);
    bench.hear(HIGHER, 200);
    assert_eq!(bench.role(), Role::Backup);
    let mut bench = Bench::new(settings(V3));
    let legacy = active(&bench, millis(500));
    resume(&mut bench, legacy);
    assert_eq!(adverts(&bench.hear(HIGHER, 50)), [100], "and answers a lesser one");
}

#[test]
fn a_backup_knows_whom_it_follows_and_how_long_to_wait_for_it() {
    let mut bench = Bench::new(settings(V3));
    assert_eq!(adverts(&resume(&mut bench, backup(HIGHER, 200))), []);
    let skew = centis(200).duration() * 156 / 256;
    assert_eq!((bench.role(), bench.left()), (Role::Backup, centis(200).duration() * 3 + skew));
    let effects = bench.hear(HIGHER, 200);
    assert_eq!(effects, [], "it is no new leader");
    // Version 2 learns no interval.
    let mut bench = Bench::new(settings(V2));
    resume(&mut bench, backup(HIGHER, 200));
    assert_eq!(bench.left(), bench.router.down_interval());
    assert_eq!(bench.router.leader().map(|leader| leader.priority), Some(Priority(200)));
    // Who has resigned is followed no longer.
    let mut bench = Bench::new(settings(V3));
    resume(&mut bench, backup(HIGHER, 0));
    assert_eq!((bench.router.leader(), bench.left()), (None, bench.router.down_interval()));
}

#[test]
fn an_owner_owns_whatever_it_was() {
    let mut bench = Bench::new(Settings { priority: Priority::OWNER, ..settings(V3) });
    assert_eq!(adverts(&resume(&mut bench, backup(HIGHER, 255))), [255]);
    assert!(matches!(bench.router.state(), State::Active { .. }));
}
