//! Each disturbance does what it says, and no more.

use crate::cluster::Cluster;
use crate::lan::Path;
use crate::plan::instance;
use crate::programs::Course;
use crate::scene::{Record, Scene, Step, play};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use model::{
    Authentication, Command, File, Flaw, Host, Key, KeyMode, Keyring, ParameterMatch, Process, Replay,
    Script, Secret, Tracked, Transport,
};
use model::{VirtualAddress, Weight};
use node::event::Standing;
use node::io::{Ending, Reason};
use node::sessions::Reach;
use timeline::{Duration, Instant};
use vrrp::{Peer, Settings};
use wire::bfd::Diagnostic;
use wire::{Family, Priority, Version, Vrid};

const VIP: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 100));

fn host(priority: u8) -> Host {
    let mut settings = Settings::new(Version::V2, Family::V4, Vrid::new(51).unwrap());
    settings.priority = Priority(priority);
    let held = VirtualAddress { prefix: 24, ..VirtualAddress::host(VIP) };
    Host { instances: vec![instance(0, settings, vec![held])], ..Host::default() }
}

fn unicast(priority: u8, source: [u8; 4], peer: [u8; 4]) -> Host {
    let mut host = host(priority);
    let peers = vec![Peer { address: peer.into(), min_ttl: None, max_ttl: None }];
    host.instances[0].transport = Transport::Unicast { source: Some(source.into()), peers, ttl: 255 };
    host
}

fn pair() -> Vec<Host> {
    vec![host(150), host(100)]
}

fn unicast_pair() -> Vec<Host> {
    vec![unicast(150, [10, 0, 0, 1], [10, 0, 0, 2]), unicast(100, [10, 0, 0, 2], [10, 0, 0, 1])]
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn scene(hosts: Vec<Host>, steps: Vec<(u64, Step)>) -> Scene {
    let starts = (0..hosts.len()).map(|n| (secs(0), Step::Start(n)));
    let steps = starts.chain(steps.into_iter().map(|(at, step)| (secs(at), step))).collect();
    let named = hosts.into_iter().enumerate().map(|(n, host)| (format!("node{}", n + 1).into(), host));
    Scene { cluster: Cluster::of(named.collect()), steps, length: secs(60), seed: 1 }
}

/// What came of it; whatever happens, nothing may that never must.
fn of(hosts: Vec<Host>, steps: Vec<(u64, Step)>) -> Record {
    let record = play(&scene(hosts, steps));
    assert_eq!(record.violations, []);
    record
}

/// Who holds the address at this second.
fn holders(record: &Record, at: u64) -> Vec<usize> {
    let until = Instant::EPOCH + secs(at);
    let mut holders = Vec::new();
    for held in record.held.iter().filter(|held| held.at <= until && held.address == VIP) {
        holders.retain(|machine| *machine != held.machine);
        holders.extend(held.is_held.then_some(held.machine));
    }
    holders.sort_unstable();
    holders
}

fn both_ways(path: Path) -> Vec<(u64, Step)> {
    let on = |at, from, to, path| (at, Step::Path { segment: None, from, to, path });
    vec![on(10, 0, 1, path), on(10, 1, 0, path), on(40, 0, 1, Path::GOOD), on(40, 1, 0, Path::GOOD)]
}

#[test]
fn undisturbed_the_best_one_holds_the_address_and_says_so() {
    let record = of(pair(), vec![]);
    assert_eq!(holders(&record, 59), [0]);
    let told = record.announced.first().unwrap();
    assert_eq!((told.machine, told.address, &*told.interface), (0, VIP, "eth0"));
    assert!(record.adverts.iter().all(|advert| advert.machine == 0 && advert.priority == Priority(150)));
    let times: Vec<_> = record.moves.iter().map(|moved| (moved.machine, moved.to)).collect();
    assert_eq!(times, [(0, Standing::Backup), (1, Standing::Backup), (0, Standing::Active)]);
}

#[test]
fn the_same_scene_gives_the_same_record_and_another_seed_another_one() {
    let scene = scene(pair(), both_ways(Path { lost: 500, doubled: 500, ..Path::GOOD }));
    let other = Scene { seed: 2, ..scene.clone() };
    assert_eq!(play(&scene).trace.whole(), play(&scene).trace.whole());
    assert_ne!(play(&scene).trace.whole(), play(&other).trace.whole());
}

#[test]
fn a_cut_network_has_two_owners_and_one_when_it_is_whole_again() {
    let record = of(pair(), both_ways(Path::CUT));
    assert_eq!([9, 20, 45].map(|at| holders(&record, at)), [vec![0], vec![0, 1], vec![0]]);
}

#[test]
fn one_way_is_enough_where_the_active_one_speaks_and_not_where_it_listens() {
    let cut = |from, to| vec![(10, Step::Path { segment: None, from, to, path: Path::CUT })];
    assert_eq!(holders(&of(pair(), cut(0, 1)), 20), [0, 1], "the backup does not hear");
    assert_eq!(holders(&of(pair(), cut(1, 0)), 20), [0], "the backup hears and is silent");
}

#[test]
fn lost_multicast_parts_multicast_routers_and_no_unicast_ones() {
    assert_eq!(holders(&of(pair(), both_ways(Path::NO_MULTICAST)), 20), [0, 1]);
    assert_eq!(holders(&of(unicast_pair(), both_ways(Path::NO_MULTICAST)), 20), [0]);
    assert_eq!(holders(&of(unicast_pair(), both_ways(Path::CUT)), 20), [0, 1]);
}

#[test]
fn what_is_lost_doubled_and_late_arrives_so_often_and_so_late() {
    let doubled = Path { doubled: 1_000, ..Path::GOOD };
    let all_lost = Path { lost: 1_000, ..Path::GOOD };
    let late = Path { delay: Duration::from_secs(2), jitter: secs(1), ..Path::GOOD };
    assert_eq!(holders(&of(pair(), both_ways(all_lost)), 20), [0, 1]);
    assert_eq!(holders(&of(pair(), both_ways(doubled)), 20), [0], "twice is as good as once");
    assert_eq!(holders(&of(pair(), both_ways(late)), 30), [0], "late adverts are adverts");
}

#[test]
fn unicast_is_routed_between_segments_and_multicast_is_not() {
    let mut hosts = unicast_pair();
    let mut second = scene(hosts.clone(), vec![]);
    second.cluster.machines[1].interfaces[0].segment = 7;
    assert_eq!(play(&second).adverts.iter().filter(|advert| advert.machine == 1).count(), 0);
    hosts = pair();
    let mut second = scene(hosts, vec![]);
    second.cluster.machines[1].interfaces[0].segment = 7;
    assert_eq!(holders(&play(&second), 20), [0, 1]);
}

#[test]
fn a_router_takes_one_from_the_ttl() {
    let mut hosts = unicast_pair();
    if let Transport::Unicast { peers, .. } = &mut hosts[1].instances[0].transport {
        peers[0].min_ttl = Some(255);
    }
    let mut scene = scene(hosts, vec![]);
    assert_eq!(holders(&play(&scene), 20), [0], "neighbours");
    scene.cluster.machines[1].interfaces[0].segment = 7;
    assert_eq!(holders(&play(&scene), 20), [0, 1], "not neighbours any more");
}

#[test]
fn a_partition_of_one_segment_leaves_the_other_alone() {
    let second = |priority| {
        let mut host = host(priority);
        let mut settings = Settings::new(Version::V2, Family::V4, Vrid::new(52).unwrap());
        settings.priority = Priority(priority);
        let other = VirtualAddress::host(IpAddr::from([10, 0, 1, 100]));
        let mut more = instance(1, settings, vec![other]);
        more.home = "eth1".into();
        host.instances.push(more);
        host
    };
    let cut = |from, to| (10, Step::Path { segment: Some(0), from, to, path: Path::CUT });
    let record = of(vec![second(150), second(100)], vec![cut(0, 1), cut(1, 0)]);
    let active = |n: usize, name: &str| {
        let mut moves = record.moves.iter().rev();
        moves.find(|m| m.machine == n && &*m.instance == name).is_some_and(|m| m.to == Standing::Active)
    };
    assert!(active(0, "VI_1") && active(1, "VI_1") && active(0, "VI_2") && !active(1, "VI_2"));
}

#[test]
fn wrong_passwords_part_them_and_so_does_another_group() {
    let mut hosts = pair();
    hosts[0].instances[0].authentication = Authentication::Password(Secret::cut(b"one"));
    hosts[1].instances[0].authentication = Authentication::Password(Secret::cut(b"other"));
    assert_eq!(holders(&of(hosts, vec![]), 20), [0, 1]);
    let mut hosts = pair();
    hosts[1].group_v4 = [224, 0, 0, 99].into();
    assert_eq!(holders(&of(hosts, vec![]), 20), [0, 1]);
}

#[test]
fn a_stranger_with_the_same_vrid_silences_the_lesser_one() {
    let mut stranger = host(100);
    stranger.instances[0].name = "STRANGER".into();
    stranger.instances[0].addresses[0].address = [10, 0, 0, 200].into();
    let record = of(vec![host(150), stranger], vec![]);
    assert!(record.held.iter().all(|held| held.machine == 0));
}

#[test]
fn without_power_it_holds_nothing_and_comes_back_with_nothing() {
    let record = of(pair(), vec![(10, Step::PowerLost(0)), (30, Step::Start(0))]);
    assert_eq!(
        [9, 10, 20, 29, 40].map(|at| holders(&record, at)),
        [vec![0], vec![], vec![1], vec![1], vec![0]]
    );
}

#[test]
fn a_crash_leaves_the_address_unless_it_is_cleaned() {
    let crash = |cleaned| vec![(10, Step::Crash { machine: 0, cleaned })];
    assert_eq!(holders(&of(pair(), crash(true)), 20), [1]);
    assert_eq!(holders(&of(pair(), crash(false)), 20), [0, 1]);
    let again = vec![(10, Step::Crash { machine: 0, cleaned: false }), (12, Step::Start(0))];
    assert_eq!(holders(&of(pair(), again), 20), [0]);
}

#[test]
fn an_orderly_end_gives_the_address_over_at_once() {
    let record = of(pair(), vec![(10, Step::Stop(0))]);
    assert_eq!(holders(&record, 11), [1]);
    let last = record.adverts.iter().rfind(|advert| advert.machine == 0).unwrap();
    assert_eq!(last.priority, Priority::LEAVING);
    assert_eq!(record.runs.last().map(|(_, machine, runs)| (*machine, *runs)), Some((0, false)));
}

#[test]
fn a_new_daemon_is_not_bound_by_what_the_last_one_took_back() {
    let cable = |at, on| (at, Step::Carrier { machine: 0, interface: "eth0".into(), on });
    let mut steps: Vec<_> = (10..20).map(|at| cable(at, at % 2 == 1)).collect();
    let slow = Step::Hand { machine: 0, time: Duration::from_millis(100) };
    steps.extend([(25, Step::Stop(0)), (26, slow), (27, Step::Start(0))]);
    let record = of(pair(), steps);
    let moved = record.moves.iter().rfind(|moved| moved.to == Standing::Active).unwrap();
    let held = record.held.iter().rfind(|held| held.machine == 0 && held.is_held).unwrap();
    assert!(held.at.since(moved.at) < Duration::from_millis(110), "{}", record.trace.story());
}

#[test]
fn who_is_frozen_goes_on_holding_and_who_sleeps_or_is_paused_does_not() {
    let (machine, time) = (0, secs(20));
    let frozen = of(pair(), vec![(10, Step::Freeze { machine, time })]);
    assert_eq!([20, 35].map(|at| holders(&frozen, at)), [vec![0, 1], vec![0]]);
    let asleep = of(pair(), vec![(10, Step::Suspend { machine, time })]);
    assert_eq!([20, 35].map(|at| holders(&asleep, at)), [vec![1], vec![0]]);
    let paused = of(pair(), vec![(10, Step::Pause { machine, time })]);
    assert_eq!([20, 35].map(|at| holders(&paused, at)), [vec![1], vec![0]]);
}

#[test]
fn a_paused_backup_takes_nothing_over_when_it_goes_on() {
    for time in [secs(20), Duration::from_millis(3_300)] {
        let record = of(pair(), vec![(10, Step::Pause { machine: 1, time })]);
        assert!(record.held.iter().all(|held| held.machine == 0), "{}", record.trace.story());
        let record = of(pair(), vec![(10, Step::Suspend { machine: 1, time })]);
        assert!(record.held.iter().all(|held| held.machine == 0), "{}", record.trace.story());
    }
}

#[test]
fn what_is_done_on_a_sleeping_machine_is_done_when_it_is_awake() {
    let sleep = Step::Suspend { machine: 0, time: secs(20) };
    let record = of(pair(), vec![(10, sleep), (12, Step::Stop(0)), (14, Step::PowerLost(1))]);
    let ended = record.runs.iter().find(|(_, machine, runs)| *machine == 0 && !runs).unwrap();
    assert!(ended.0.since(Instant::EPOCH) >= secs(30), "{}", record.trace.story());
    let off = record.runs.iter().find(|(_, machine, runs)| *machine == 1 && !runs).unwrap();
    assert_eq!(off.0.since(Instant::EPOCH), secs(14));
}

#[test]
fn steps_of_the_wall_clock_move_nothing() {
    let steps = [3_600_000, -7_200_000, 5_000, -300, 300];
    let step = |(at, millis): (u64, i64)| [0, 1].map(|machine| (at, Step::Wall { machine, millis }));
    let steps: Vec<_> = (10..).zip(steps).flat_map(step).collect();
    let (calm, record) = (of(pair(), vec![]), of(pair(), steps));
    assert_eq!(record.moves, calm.moves);
    assert_eq!(record.adverts, calm.adverts);
}

/// Signed adverts, believed by the clock.
fn keyed_pair() -> Vec<Host> {
    let keys = vec![(1, Key::new(&[7; 32]).unwrap())];
    let (window, replay, mode) = (None, Replay::Time, KeyMode::Enforce);
    let ring = Keyring { keys, active: 1, window, replay, mode };
    let mut hosts = pair();
    hosts.iter_mut().for_each(|host| {
        host.instances[0].authentication = Authentication::Keyed(ring.clone().into());
    });
    hosts
}

#[test]
fn auth_18_a_step_of_either_wall_clock_or_of_both_ends_no_agreement() {
    let calm = of(keyed_pair(), vec![]);
    assert_eq!(holders(&calm, 50), [0]);
    for machines in [vec![0], vec![1], vec![0, 1]] {
        let step = |(at, millis): (u64, i64)| {
            machines.iter().map(move |machine| (at, Step::Wall { machine: *machine, millis }))
        };
        let steps = [3_600_000, -7_200_000, 40_000, -300, 300];
        let steps: Vec<_> = (10..).zip(steps).flat_map(step).collect();
        let record = of(keyed_pair(), steps);
        assert_eq!(record.moves, calm.moves, "{machines:?}");
        assert_eq!(record.adverts, calm.adverts, "{machines:?}");
    }
}

#[test]
fn auth_18_a_clock_that_was_wrong_at_the_start_counts_when_it_is_put_right() {
    // It starts anew with a clock that is wrong by an hour, which is put right 20 s later.
    let wrong = |machine, millis: i64| {
        vec![
            (5, Step::Stop(machine)),
            (8, Step::Wall { machine, millis }),
            (10, Step::Start(machine)),
            (30, Step::Wall { machine, millis: -millis }),
        ]
    };
    for machine in [0, 1] {
        let record = play(&scene(keyed_pair(), wrong(machine, 3_600_000)));
        let story = record.trace.story();
        assert_eq!(holders(&record, 25), [0, 1], "neither believes the other: {story}");
        assert_eq!([33, 50].map(|at| holders(&record, at)), [[0], [0]], "{story}");
    }
    // Both are wrong, each in its own way.
    let both = [wrong(0, 3_600_000), wrong(1, -3_600_000)].concat();
    let record = play(&scene(keyed_pair(), both));
    let story = record.trace.story();
    assert_eq!([25, 50].map(|at| holders(&record, at)), [vec![0, 1], vec![0]], "{story}");
}

#[test]
fn a_stalled_desk_reads_late_and_delays_no_advert() {
    let reload = |reading| Step::Reload { machine: 0, host: Box::new(host(50)), reading };
    let record = of(pair(), vec![(10, Step::Desk { machine: 0, time: secs(15) }), (12, reload(secs(2)))]);
    assert_eq!([24, 35].map(|at| holders(&record, at)), [vec![0], vec![1]]);
    let own: Vec<_> = record.adverts.iter().filter(|advert| advert.machine == 0).collect();
    let gaps = own.windows(2).map(|pair| pair[1].at.since(pair[0].at));
    assert!(gaps.clone().all(|gap| gap < Duration::from_millis(1_010)), "{:?}", gaps.max());
    let slow = of(pair(), vec![(10, reload(secs(10)))]);
    assert_eq!([19, 30].map(|at| holders(&slow, at)), [vec![0], vec![1]]);
}

#[test]
fn what_a_stalled_desk_does_not_fetch_is_dropped_and_counted() {
    let mut steps = vec![(5, Step::Desk { machine: 0, time: secs(50) })];
    for at in 6..50 {
        let (machine, interface) = (0, "eth0".into());
        steps.push((at, Step::Carrier { machine, interface, on: at % 2 == 1 }));
    }
    let record = of(pair(), steps);
    assert!(
        record.trace.story().contains("the desk reads 40 reports late, and "),
        "{}",
        record.trace.story()
    );
}

#[test]
fn a_stalled_packet_thread_sends_nothing_and_a_slow_hand_sets_late() {
    let record = of(pair(), vec![(10, Step::Stall { machine: 0, time: secs(10) })]);
    assert_eq!(holders(&record, 19), [0, 1]);
    let record = of(pair(), vec![(1, Step::Hand { machine: 0, time: secs(2) })]);
    let moved = record.moves.iter().find(|moved| moved.to == Standing::Active).unwrap();
    assert!(record.held[0].at.since(moved.at) >= secs(2));
}

#[test]
fn links_down_and_addresses_refused_or_stolen() {
    let (machine, interface) = (0, || "eth0".into());
    let down = of(pair(), vec![(10, Step::Up { machine, interface: interface(), up: false })]);
    assert_eq!(holders(&down, 20), [1]);
    let pulled = of(pair(), vec![(10, Step::Carrier { machine, interface: interface(), on: false })]);
    assert_eq!(holders(&pulled, 20), [1]);
    let refused = of(pair(), vec![(0, Step::Refuse { machine, address: VIP, refused: true })]);
    assert_eq!(holders(&refused, 20), [1]);
    let stolen = of(pair(), vec![(10, Step::Steal { machine, address: VIP })]);
    let gone = stolen.held.iter().find(|held| !held.is_held).unwrap();
    assert_eq!((gone.machine, holders(&stolen, 11)), (0, vec![0]));
    let unseen = of(pair(), vec![(10, Step::Unseen { machine, address: VIP })]);
    assert_eq!(holders(&unseen, 11), [0]);
}

#[test]
fn an_edit_counts_at_the_next_start() {
    let edit = (10, Step::Edit { machine: 0, host: Box::new(host(50)) });
    assert_eq!(holders(&of(pair(), vec![edit.clone()]), 20), [0]);
    let again = vec![edit, (20, Step::Crash { machine: 0, cleaned: true }), (21, Step::Start(0))];
    assert_eq!(holders(&of(pair(), again), 50), [1]);
}

#[test]
fn healing_undoes_everything() {
    let (machine, interface) = (0, || "eth0".into());
    let steps = vec![
        (10, Step::Edit { machine, host: Box::new(host(50)) }),
        (10, Step::Stop(0)),
        (10, Step::Carrier { machine: 1, interface: interface(), on: false }),
        (11, Step::Suspend { machine: 1, time: secs(600) }),
        (11, Step::PowerLost(0)),
        (12, Step::Path { segment: None, from: 0, to: 1, path: Path::CUT }),
        (30, Step::Heal),
    ];
    let record = of(pair(), steps);
    assert_eq!([20, 40].map(|at| holders(&record, at)), [vec![], vec![0]]);
}

fn checked(priority: u8, weight: i16) -> Host {
    let mut host = host(priority);
    let weight = Weight { value: weight, reverse: false };
    host.scripts.push(Script {
        name: "check".into(),
        command: Command::Run { path: "/bin/check".into(), arguments: vec![] },
        account: None,
        interval: secs(1),
        timeout: None,
        rise: 1,
        fall: 1,
        weight,
        starts_failed: false,
    });
    host.instances[0].tracking.scripts.push(Tracked { name: "check".into(), weight });
    host
}

#[test]
fn a_check_that_fails_hangs_or_cannot_be_run_moves_the_address_until_it_is_well_again() {
    let ends = |how| Course::Ends { after: Duration::from_millis(20), how };
    let missing = Ending::NotRun(Reason::Flaw(Flaw::Missing("/bin/check".into())));
    let courses = [
        Course::FAILS,
        ends(Ending::Signalled(11)),
        ends(missing),
        Course::Hangs { is_deaf: false },
        Course::Hangs { is_deaf: true },
    ];
    for (course, weight) in courses.iter().flat_map(|course| [(course, 0), (course, -80)]) {
        let check = |at, course| (at, Step::Check { machine: 0, script: "check".into(), course });
        let hosts = vec![checked(150, weight), checked(100, weight)];
        let record = of(hosts, vec![check(10, course.clone()), check(30, Course::GOOD)]);
        let held = [9, 29, 45].map(|at| holders(&record, at));
        assert_eq!(held, [vec![0], vec![1], vec![0]], "{course:?} {weight}\n{}", record.trace.story());
    }
}

#[test]
fn a_file_and_processes_say_how_well_a_machine_is() {
    let mut first = host(150);
    let weight = |value| Weight { value, reverse: false };
    first.files.push(File { name: "load".into(), path: "/load".into(), weight: weight(1), initial: None });
    first.instances[0].tracking.files.push(Tracked { name: "load".into(), weight: weight(1) });
    first.processes.push(Process {
        name: "nginx".into(),
        path: "nginx".into(),
        parameters: vec![],
        parameter_match: ParameterMatch::Exact,
        full_command: false,
        weight: weight(0),
        fewest: 1,
        most: None,
        end_delay: Duration::ZERO,
        begin_delay: Duration::ZERO,
    });
    first.instances[0].tracking.processes.push(Tracked { name: "nginx".into(), weight: weight(0) });
    let file = |at, value| (at, Step::File { machine: 0, file: "load".into(), value });
    let nginx = |at, count| (at, Step::Processes { machine: 0, process: "nginx".into(), count: Ok(count) });
    let steps = vec![file(10, Ok(-80)), file(20, Ok(0)), nginx(30, 0), nginx(40, 3)];
    let record = of(vec![first, host(100)], steps);
    let held = [9, 19, 29, 39, 50].map(|at| holders(&record, at));
    assert_eq!(held, [vec![0], vec![1], vec![0], vec![1], vec![0]], "{}", record.trace.story());
}

#[test]
fn a_bfd_session_that_is_told_down_moves_the_address() {
    for (value, others) in [(0, 100), (-60, 100)] {
        let mut first = host(150);
        let weight = Weight { value, reverse: false };
        first.bfd.push(model::Bfd::new("gateway", IpAddr::from([10, 0, 0, 1])));
        first.instances[0].tracking.bfd.push(Tracked { name: "gateway".into(), weight });
        let (ours, theirs) = (Diagnostic::EXPIRED, Diagnostic::NONE);
        let down = Reach::Down { ours, theirs, on_purpose: false };
        let bfd = |at, reach| (at, Step::Bfd { machine: 0, session: "gateway".into(), reach });
        let record = of(vec![first, host(others)], vec![bfd(10, down), bfd(30, Reach::Up)]);
        let held = [9, 29, 45].map(|at| holders(&record, at));
        assert_eq!(held, [vec![0], vec![1], vec![0]], "{value}\n{}", record.trace.story());
    }
}
