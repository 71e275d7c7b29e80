//! What steers the address: scripts; from the first word to the priority, and what a reload keeps.

use crate::config::{host, lb02, scenario};
use crate::facts::{file, process};
use crate::world::{ETH0, Programs, World, address, link, ms};
use model::{Account, Command, Flaw, Host, Script, Tracked, TrackedInterface, Weight};
use node::Node;
use node::event::{Event, Fault, Finish, Health, Level, Standing};
use node::io::{Effect, Ended, Ending, Fact, Input, Order, Reason, Run, RunId};
use node::status::Counts;
use std::collections::BTreeMap;
use std::sync::Arc;
use timeline::{Instant, Machine as _};
use wire::Priority;

/// A script that is run every so many milliseconds.
pub(crate) fn script(name: &str, interval: u64) -> Script {
    let command = Command::Run { path: format!("/etc/keepalived/{name}"), arguments: Vec::new() };
    Script {
        name: name.into(),
        command,
        account: None,
        interval: ms(interval),
        timeout: None,
        rise: 1,
        fall: 1,
        weight: Weight::default(),
        starts_failed: false,
    }
}

pub(crate) fn tracked(name: &str, value: i16) -> Tracked {
    Tracked { name: name.into(), weight: Weight { value, reverse: false } }
}

/// The scenario's host with this script, tracked with this weight.
pub(crate) fn checked(priority: u8, script: Script, weight: i16) -> Host {
    let mut instance = scenario(priority);
    instance.tracking.scripts = vec![tracked(&script.name, weight)];
    Host { scripts: vec![script], ..host(vec![instance]) }
}

pub(crate) fn alone(host: Host, programs: Programs) -> World {
    let mut world = World::new(1);
    world.machines[0].programs = programs;
    world.boot(0, host);
    world.run(ms(0));
    world
}

pub(crate) const OK: Programs = Programs::ending(Ending::Exited(0));
const BAD: Programs = Programs::ending(Ending::Exited(1));

fn not_run() -> Programs {
    Programs::ending(Ending::NotRun(Reason::Flaw(Flaw::Missing("/etc/keepalived/chk".into()))))
}

/// Ends like this after so many milliseconds.
fn slow(ending: Ending, millis: u64) -> Programs {
    Programs { after: Some(ms(millis)), ..Programs::ending(ending) }
}

fn hangs(obeys: bool, mortal: bool) -> Programs {
    Programs { ending: Ending::Exited(0), after: None, obeys, mortal }
}

pub(crate) fn priority(world: &World) -> u8 {
    world.status(0, "VI_50").priority.0
}

/// The times of the runs, in milliseconds.
fn runs(world: &World) -> Vec<f64> {
    world.machines[0].runs().iter().map(|(at, _)| world.clock(*at)).collect()
}

/// The times of the signals, and whether they were SIGKILL.
fn kills(world: &World) -> Vec<(f64, bool)> {
    world.machines[0].kills().iter().map(|(at, kill)| (world.clock(*at), kill.hard)).collect()
}

// ---- the first word ----

#[test]
fn an_instance_starts_when_the_first_run_has_ended() {
    let mut world = alone(checked(100, script("chk", 5_000), 0), slow(Ending::Exited(0), 2_000));
    world.run(ms(1_999));
    let status = world.status(0, "VI_50");
    assert_eq!((status.standing, status.waits, status.faults.len()), (Standing::Initialize, true, 0));
    world.run(ms(20_000));
    insta::assert_snapshot!(world.story(0), @r"
    0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
    2.000000 VRRP_Script(chk) succeeded
    2.000000 (VI_50) Entering BACKUP STATE (init)
    5.609375 (VI_50) Receive advertisement timeout
    5.609375 (VI_50) Entering MASTER STATE
    5.609375 (VI_50) because no advert came from an active router in time
    5.609375 (VI_50) 1 address in place
    ");
}

#[test]
fn the_first_run_decides_alone() {
    let slowly = |script| Script { rise: 3, fall: 3, ..script };
    let mut world = alone(checked(100, slowly(script("chk", 1_000)), 0), OK);
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Backup);
    let mut world = alone(checked(100, slowly(script("chk", 1_000)), 0), BAD);
    world.run(ms(10));
    let finish = Finish::Ended(Ending::Exited(1));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::Script("chk".into(), Some(finish))]);
    // It failed once, and is well after three successes.
    world.machines[0].programs = OK;
    world.run(ms(2_900));
    assert_eq!(world.standing(0), Standing::Fault);
    world.run(ms(200));
    assert_eq!(world.standing(0), Standing::Backup);
}

#[test]
fn one_that_counts_by_its_weight_holds_nobody_up_and_counts_nothing_at_first() {
    for weight in [20, -20] {
        let mut world = alone(checked(100, script("chk", 5_000), weight), slow(Ending::Exited(0), 2_000));
        world.run(ms(10));
        assert_eq!((world.standing(0), priority(&world)), (Standing::Backup, 100));
        world.run(ms(2_000));
        assert_eq!(priority(&world), if weight > 0 { 120 } else { 100 });
    }
}

#[test]
fn init_fail_counts_as_failed_until_the_first_run() {
    let starts_failed = true;
    let failed = |script| Script { starts_failed, ..script };
    let mut world = alone(checked(100, failed(script("chk", 5_000)), 0), slow(Ending::Exited(0), 2_000));
    world.run(ms(10));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::Script("chk".into(), None)]);
    world.run(ms(2_000));
    assert_eq!(world.standing(0), Standing::Backup);
    let mut world = alone(checked(100, failed(script("chk", 5_000)), -20), slow(Ending::Exited(0), 2_000));
    world.run(ms(10));
    assert_eq!(priority(&world), 80);
    world.run(ms(2_000));
    assert_eq!(priority(&world), 100);
}

// ---- runs in a row ----

/// The health after each run.
fn healths(script: Script, endings: &[Ending]) -> Vec<Health> {
    let mut world = alone(checked(100, script, 0), OK);
    let health = |ending: &Ending| {
        world.machines[0].programs = Programs::ending(ending.clone());
        world.run(ms(1_000));
        world.machines[0].node.status(world.now).scripts[0].health
    };
    endings.iter().map(health).collect()
}

#[test]
fn rise_and_fall_count_runs_in_a_row() {
    let (good, bad, gone) = (|| Ending::Exited(0), || Ending::Exited(1), || Ending::NotRun(Reason::NoRunner));
    let patient = Script { rise: 2, fall: 3, ..script("chk", 1_000) };
    use Health::{Failed, Unknown, Well};
    assert_eq!(
        healths(
            patient.clone(),
            &[good(), bad(), bad(), good(), bad(), bad(), bad(), good(), bad(), good(), good()]
        ),
        [Well, Well, Well, Well, Well, Well, Failed, Failed, Failed, Failed, Well]
    );
    // What cannot be run is no success either; the last of the row says what it is.
    assert_eq!(
        healths(
            patient,
            &[good(), gone(), bad(), gone(), bad(), bad(), bad(), gone(), gone(), gone(), good()]
        ),
        [Well, Well, Well, Unknown, Unknown, Unknown, Failed, Failed, Failed, Unknown, Unknown]
    );
    assert_eq!(
        healths(script("chk", 1_000), &[bad(), gone(), good(), gone()]),
        [Failed, Unknown, Well, Unknown]
    );
}

#[test]
fn only_a_check_that_was_carried_out_fails() {
    let table = [
        (Ending::Exited(0), Health::Well),
        (Ending::Exited(1), Health::Failed),
        (Ending::Exited(125), Health::Failed),
        (Ending::Exited(126), Health::Unknown),
        (Ending::Exited(127), Health::Unknown),
        (Ending::Exited(128), Health::Failed),
        (Ending::Exited(255), Health::Failed),
        (Ending::Signalled(9), Health::Failed),
        (Ending::Signalled(15), Health::Failed),
        (Ending::NotRun(Reason::Flaw(Flaw::NoAccount("x".into()))), Health::Unknown),
    ];
    for (ending, health) in table {
        assert_eq!(healths(script("chk", 1_000), std::slice::from_ref(&ending)), [health], "{ending:?}");
    }
}

#[test]
fn another_status_is_told_though_it_counts_as_before() {
    let mut world = alone(checked(100, Script { fall: 3, ..script("chk", 1_000) }, 0), OK);
    for status in [0, 1, 1, 2, 0, 3] {
        world.machines[0].programs = Programs::ending(Ending::Exited(status));
        world.run(ms(1_000));
    }
    insta::assert_snapshot!(world.story(0), @r"
    0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
    0.000000 VRRP_Script(chk) succeeded
    0.000000 (VI_50) Entering BACKUP STATE (init)
    2.000000 Script `chk` now returning 1
    3.609375 (VI_50) Receive advertisement timeout
    3.609375 (VI_50) Entering MASTER STATE
    3.609375 (VI_50) because no advert came from an active router in time
    3.609375 (VI_50) 1 address in place
    4.000000 Script `chk` now returning 2
    4.000000 VRRP_Script(chk) failed (exited with status 2)
    4.000000 (VI_50) Entering FAULT STATE
    4.000000 (VI_50) because script chk failed (exited with status 2)
    5.000000 Script `chk` now returning 0
    5.000000 VRRP_Script(chk) succeeded
    5.000000 (VI_50) Entering BACKUP STATE
    5.000000 (VI_50) because no fault is left
    6.000000 Script `chk` now returning 3
    ");
}

// ---- when ----

#[test]
fn a_script_runs_on_an_absolute_schedule_fractions_too() {
    let mut world = alone(checked(100, script("chk", 250), 0), slow(Ending::Exited(0), 30));
    world.run(ms(1_100));
    assert_eq!(runs(&world), [0.0, 250.0, 500.0, 750.0, 1000.0]);
    // A machine that stood still does not make up for it, and stays on its beat.
    world.machines[0].log.clear();
    world.machines[0].frozen = true;
    world.run(ms(2_000));
    world.machines[0].frozen = false;
    world.run(ms(600));
    assert_eq!(runs(&world), [3250.0, 3500.0]);
}

#[test]
fn a_slow_script_does_not_overlap_itself() {
    let patient = Script { timeout: Some(ms(10_000)), fall: 2, ..script("chk", 1_000) };
    let mut world = alone(checked(100, patient, 0), slow(Ending::Exited(0), 2_500));
    world.run(ms(7_000));
    assert_eq!(runs(&world), [0.0, 3000.0, 6000.0]);
    let status = &world.machines[0].node.status(world.now).scripts[0];
    assert_eq!((status.health, status.runs, status.skipped, status.is_running), (Health::Well, 3, 5, true));
    assert_eq!(kills(&world), []);
}

#[test]
fn many_scripts_do_not_begin_at_the_same_moment() {
    let names: Vec<String> = (0..500).map(|n| format!("chk{n:03}")).collect();
    let mut instance = scenario(100);
    instance.tracking.scripts = names.iter().map(|name| tracked(name, 0)).collect();
    let scripts = names.iter().map(|name| script(name, 1_000)).collect();
    let mut world = alone(Host { scripts, ..host(vec![instance]) }, slow(Ending::Exited(0), 5));
    world.run(ms(9_999));
    let mut beats: BTreeMap<Instant, usize> = BTreeMap::new();
    for (at, _) in world.machines[0].runs() {
        *beats.entry(at).or_default() += 1;
    }
    assert!(beats.values().all(|runs| *runs == 1), "{beats:?}");
    let status = world.machines[0].node.status(world.now);
    assert!(status.scripts.iter().all(|script| script.runs == 10 && script.skipped == 0));
    assert_eq!(world.standing(0), Standing::Active, "all have been heard of within the first second");
    // Nor do they after the machine has slept.
    world.machines[0].frozen = true;
    world.run(ms(3_600_000));
    world.machines[0].frozen = false;
    world.machines[0].log.clear();
    world.run(ms(2_000));
    let mut beats: BTreeMap<Instant, usize> = BTreeMap::new();
    for (at, _) in world.machines[0].runs() {
        *beats.entry(at).or_default() += 1;
    }
    assert!(beats.len() == 1_000 && beats.values().all(|runs| *runs == 1), "{beats:?}");
}

#[test]
fn a_run_that_slept_with_the_machine_is_not_late() {
    let sleeps = |programs| {
        let mut world = alone(checked(100, script("chk", 1_000), 0), programs);
        world.run(ms(200));
        world.machines[0].frozen = true;
        world.run(ms(3_600_000));
        world.machines[0].frozen = false;
        world
    };
    let mut world = sleeps(slow(Ending::Exited(0), 3_600_400));
    world.machines[0].programs = OK;
    world.run(ms(10_000));
    assert_eq!((world.standing(0), kills(&world)), (Standing::Active, vec![]));
    // Once: one that hangs is ended all the same.
    let mut world = sleeps(hangs(true, true));
    world.run(ms(1_100));
    assert_eq!((world.standing(0), kills(&world)), (Standing::Fault, vec![(3_601_200.0, false)]));
}

#[test]
fn one_that_nobody_gets_to_is_unknown_and_its_time_has_not_begun() {
    let mut world = World::new(1);
    world.machines[0].programs_wait = true;
    world.boot(0, checked(100, script("chk", 1_000), 0));
    world.run(ms(4_999));
    let status = world.status(0, "VI_50");
    assert_eq!((status.standing, status.waits), (Standing::Initialize, true), "patience with a busy machine");
    world.run(ms(5_000));
    assert_eq!((world.standing(0), priority(&world)), (Standing::Active, 1), "a node that is alone serves");
    // Nobody tells it to end: it has done nothing wrong, and may still begin.
    assert_eq!((kills(&world), runs(&world)), (vec![], vec![0.0]));
    let id = world.machines[0].runs()[0].1.id;
    let late = Instant::from_nanos(world.now.as_nanos());
    let node = &mut world.machines[0].node;
    node.handle(late, Input::Begun(id), &mut Vec::new());
    node.handle(late + ms(999), Input::Elapsed, &mut Vec::new());
    node.handle(late + ms(999), Input::Ended(Ended { id, how: Ending::Exited(0) }), &mut Vec::new());
    node.handle(late + ms(999), Input::Elapsed, &mut Vec::new());
    assert_eq!(priority(&world), 100);
}

#[test]
fn a_script_that_many_track_runs_once() {
    let mut hosts = checked(100, script("chk", 1_000), 0);
    let mut other = crate::config::instance(51, 100, &["10.0.0.4"]);
    other.tracking.scripts = vec![tracked("chk", -30)];
    hosts.instances.push(other);
    let mut world = alone(hosts, OK);
    world.run(ms(3_500));
    assert_eq!(runs(&world).len(), 4);
    world.machines[0].programs = BAD;
    world.run(ms(1_000));
    assert_eq!(world.status(0, "VI_50").standing, Standing::Fault);
    assert_eq!(world.status(0, "VI_51").priority, Priority(70));
}

// ---- the end of a run ----

#[test]
fn one_that_takes_too_long_has_failed_and_is_told_to_end() {
    let quick = Script { timeout: Some(ms(700)), ..script("chk", 2_000) };
    let mut world = alone(checked(100, quick, 0), hangs(true, true));
    world.run(ms(699));
    assert_eq!(world.status(0, "VI_50").faults, []);
    world.run(ms(2));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::Script("chk".into(), Some(Finish::TimedOut))]);
    world.run(ms(2_500));
    assert_eq!(kills(&world), [(700.0, false), (2700.0, false)]);
    assert_eq!(runs(&world), [0.0, 2000.0]);
}

#[test]
fn one_that_ignores_the_first_signal_gets_the_second() {
    let mut world = alone(checked(100, script("chk", 1_000), 0), hangs(false, true));
    world.run(ms(3_900));
    assert_eq!(kills(&world), [(1000.0, false), (3000.0, true)]);
    // Its next run waited for it to end.
    assert_eq!(runs(&world), [0.0, 3000.0].map(|at| if at > 0.0 { 4000.0 } else { at })[..1]);
    world.run(ms(200));
    assert_eq!(runs(&world), [0.0, 4000.0]);
    assert_eq!(world.standing(0), Standing::Fault);
}

#[test]
fn one_that_cannot_be_killed_fails_again_and_again() {
    let patient = Script { fall: 3, ..script("chk", 1_000) };
    let mut world = alone(checked(100, patient, 0), OK);
    world.run(ms(500));
    world.machines[0].programs = hangs(false, false);
    world.run(ms(3_000));
    let health = |world: &World| world.machines[0].node.status(world.now).scripts[0].health;
    assert_eq!(health(&world), Health::Well, "it timed out at 2 s and was still there at 3 s");
    world.run(ms(1_000));
    assert_eq!(health(&world), Health::Failed);
    world.run(ms(20_000));
    assert_eq!(kills(&world), [(2000.0, false), (4000.0, true), (14000.0, true), (24000.0, true)]);
    assert_eq!(runs(&world), [0.0, 1000.0]);
}

#[test]
fn an_end_after_the_time_limit_says_nothing_new() {
    // It catches the signal, tidies up and says that all is well; it was too late all the same.
    let mut world = alone(checked(100, script("chk", 1_000), 0), slow(Ending::Exited(0), 1_500));
    world.machines[0].programs.obeys = false;
    world.run(ms(1_900));
    assert_eq!(world.standing(0), Standing::Fault);
    assert_eq!(kills(&world), [(1000.0, false)]);
    world.machines[0].programs = OK;
    world.run(ms(200));
    assert_eq!(world.standing(0), Standing::Backup);
}

#[test]
fn endings_of_runs_that_nobody_knows_are_nothing() {
    let mut world = alone(checked(100, script("chk", 1_000), 0), OK);
    world.run(ms(5_500));
    let before = format!("{:?}", world.machines[0].node.status(world.now));
    let (now, mut effects) = (world.now, Vec::new());
    for id in [0, 1, 2, 77, u64::MAX] {
        let ended = Ended { id: RunId(id), how: Ending::Exited(1) };
        world.machines[0].node.handle(now, Input::Ended(ended), &mut effects);
    }
    world.machines[0].node.handle(now, Input::Elapsed, &mut effects);
    assert_eq!(effects, []);
    assert_eq!(format!("{:?}", world.machines[0].node.status(world.now)), before);
}

// ---- what cannot be run ----

#[test]
fn what_cannot_be_run_hands_over_to_a_healthy_peer_with_an_alarm() {
    let mut world = World::new(2);
    world.boot(0, checked(150, script("chk", 1_000), 0));
    world.boot(1, lb02());
    world.run(ms(6_000));
    assert_eq!(world.standing(0), Standing::Active);
    world.machines[0].log.clear();
    world.machines[0].programs = not_run();
    world.run(ms(6_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Backup, Standing::Active));
    let events = world.machines[0].events();
    let alarms = events.iter().filter(|(_, event)| event.level() == Level::Alarm).count();
    assert_eq!(alarms, 1, "told once: {events:?}");
    insta::assert_snapshot!(world.story(0), @r"
     7.000000 VRRP_Script(chk) cannot be run: /etc/keepalived/chk does not exist: nobody knows whether its service is well, so who tracks it has priority 1 until that is mended
     7.000000 (VI_50) Changing effective priority from 150 to 1
    10.023438 (VI_50) Entering BACKUP STATE
    10.023438 (VI_50) because 10.0.0.6 advertises the higher priority 100
    ");
    world.machines[0].programs = OK;
    world.run(ms(6_000));
    assert_eq!((world.standing(0), world.standing(1)), (Standing::Active, Standing::Backup));
}

#[test]
fn one_that_is_alone_goes_on_and_two_broken_ones_serve() {
    let mut world = alone(checked(150, script("chk", 1_000), 0), not_run());
    world.run(ms(10_000));
    assert_eq!((world.standing(0), priority(&world)), (Standing::Active, 1));
    let mut world = World::new(2);
    for (n, priority) in [(0, 150), (1, 100)] {
        world.machines[n].programs = not_run();
        world.boot(n, checked(priority, script("chk", 1_000), 0));
    }
    world.run(ms(30_000));
    assert_eq!(
        (world.standing(0), world.standing(1)),
        (Standing::Backup, Standing::Active),
        "equal priorities"
    );
}

#[test]
fn the_owner_is_not_moved() {
    let mut world = alone(checked(255, script("chk", 1_000), 0), not_run());
    world.run(ms(5_000));
    assert_eq!((world.standing(0), priority(&world)), (Standing::Active, 255));
    world.machines[0].programs = BAD;
    world.run(ms(5_000));
    assert_eq!(world.standing(0), Standing::Fault, "a check that failed is a fault for an owner too");
}

// ---- weights ----

#[test]
fn weights_add_up_and_are_clamped() {
    // Base, weight, reverse, and the priority while it is well and while it failed; 0 is FAULT.
    let table = [
        (100, 20, false, 120, 100),
        (100, 20, true, 80, 100),
        (100, -20, false, 100, 80),
        (100, -20, true, 100, 120),
        (250, 20, false, 254, 250),
        (10, -20, false, 10, 1),
        (100, 0, false, 100, 0),
        (100, 0, true, 0, 100),
    ];
    for (base, value, reverse, well, failed) in table {
        let mut host = checked(base, script("chk", 1_000), value);
        host.instances[0].tracking.scripts[0].weight.reverse = reverse;
        for (programs, expected) in [(OK, well), (BAD, failed)] {
            let mut world = alone(host.clone(), programs);
            world.run(ms(100));
            let status = world.status(0, "VI_50");
            let counted = if status.standing == Standing::Fault { 0 } else { status.priority.0 };
            assert_eq!(counted, expected, "{base} {value} {reverse}");
        }
    }
}

#[test]
fn the_status_says_what_makes_the_priority() {
    let mut all = checked(100, script("chk", 1_000), -30);
    all.instances[0].track_interfaces =
        vec![TrackedInterface { interface: "eth7".into(), weight: -5, reverse: false }].into();
    all.files = vec![file("drain")];
    all.instances[0].tracking.files = vec![tracked("drain", 2)];
    all.processes = vec![process("nginx", 1, None)];
    all.instances[0].tracking.processes = vec![tracked("nginx", 3)];
    let mut world = alone(all, BAD);
    world.machines[0].tell(Fact::File { name: "drain".into(), value: Ok(-4) });
    world.run(ms(3_000));
    let status = world.status(0, "VI_50");
    let counts: Vec<&Counts> = status.tracked.iter().map(|tracked| &tracked.counts).collect();
    assert_eq!(counts, [-30, 0, -8, -5].map(Counts::Adds).each_ref());
    assert_eq!((status.base_priority, status.priority), (Priority(100), Priority(57)));
    insta::assert_snapshot!(node::compat::data(&world.machines[0].node.status(world.now)), @r"
    ------< VRRP Topology >------
     VRRP Instance = VI_50
       VRRP Version = 2
       State = BACKUP
       Wantstate = BACKUP
       Last transition = 3 s ago
       Interface = eth0
       Using src_ip = 10.0.0.5
       Master down timer = 3777343 usecs
       Virtual Router ID = 50
       Priority = 100
       Effective priority = 57
       Total priority = 57
         script chk weight -30: -30
         process nginx weight 3: +0
         file drain weight 2: -8
         interface eth7 weight -5: -5
       Advert interval = 1 s
       Preempt = enabled
       Accept = enabled
       Virtual IP (1):
         10.0.0.3/32 dev eth0
     VRRP Script = chk
       Status = BAD since 3 s
       Last run = failed (exited with status 1), 0 s ago
       Runs = 4, left out = 0
     VRRP Process = nginx
       Status = INIT since 3 s
     VRRP Track file = drain
       Value = -4 since 3 s
    ");
}

// ---- reload and stop ----

#[test]
fn a_reload_keeps_what_is_known_about_the_same_script_and_its_run() {
    let failing = checked(100, script("chk", 5_000), -30);
    let mut world = alone(failing.clone(), BAD);
    world.run(ms(4_000));
    world.machines[0].programs = slow(Ending::Exited(0), 2_000);
    world.run(ms(2_000));
    assert_eq!((priority(&world), runs(&world)), (70, vec![0.0, 5000.0]));
    let mut other = failing;
    other.instances[0].tracking.scripts[0].weight.value = -40;
    other.instances[0].notify.mail = Some(false);
    (other.scripts[0].rise, other.scripts[0].interval) = (2, ms(3_000));
    world.machines[0].log.clear();
    world.configure(0, other);
    world.run(ms(500));
    assert_eq!(priority(&world), 60);
    assert_eq!(kills(&world), []);
    world.run(ms(6_000));
    assert_eq!(priority(&world), 100, "the run that was under way counts, and one more was needed");
    assert_eq!(runs(&world), [9000.0, 12000.0]);
}

#[test]
fn a_reload_that_changes_a_script_ends_its_run_and_nobody_falls() {
    let before = checked(100, script("chk", 5_000), 0);
    let mut world = alone(before.clone(), OK);
    world.run(ms(9_000));
    world.machines[0].programs = hangs(false, true);
    world.run(ms(2_000));
    assert_eq!(runs(&world), [0.0, 5000.0, 10000.0]);
    world.machines[0].log.clear();
    let mut after = before;
    after.scripts[0].account = Some(Account { user: "nobody".into(), group: None });
    world.machines[0].programs = slow(Ending::Exited(0), 1_000);
    world.configure(0, after.clone());
    world.run(ms(4_000));
    assert_eq!(kills(&world), [(11000.0, false), (13000.0, true)]);
    assert_eq!(runs(&world)[0], 11000.0);
    assert_eq!(world.standing(0), Standing::Active, "it served all the time");
    assert!(world.machines[0].events().iter().all(|(_, event)| !matches!(event, Event::Moved { .. })));
    // Now it is no longer tracked at all.
    world.machines[0].programs = hangs(true, true);
    world.run(ms(1_500));
    after.scripts.clear();
    after.instances[0].tracking.scripts.clear();
    world.machines[0].log.clear();
    world.configure(0, after);
    world.run(ms(60_000));
    assert_eq!((kills(&world).len(), runs(&world).len()), (1, 0));
    assert_eq!(world.standing(0), Standing::Active);
}

#[test]
fn a_reload_with_a_new_script_that_fails_moves_the_instance() {
    let mut world = alone(host(vec![scenario(100)]), BAD);
    world.run(ms(10_000));
    assert_eq!(world.standing(0), Standing::Active);
    world.configure(0, checked(100, script("chk", 1_000), 0));
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Fault);
    world.configure(0, host(vec![scenario(100)]));
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Backup);
}

#[test]
fn stopped_from_inside_its_own_check_it_resigns_at_once() {
    let mut world = alone(checked(100, script("chk", 5_000), 0), OK);
    world.run(ms(9_000));
    world.machines[0].programs = slow(Ending::Exited(0), 60_000);
    world.run(ms(2_000));
    world.machines[0].log.clear();
    world.order(0, Order::Stop);
    world.run(ms(1));
    assert!(world.machines[0].node.is_at_rest());
    assert_eq!(kills(&world), [(11000.0, false)]);
    assert!(!world.has(0, "10.0.0.3"));
    world.run(ms(60_000));
    assert_eq!(runs(&world).len(), 0, "nothing is started any more");
}

// ---- scale ----

#[test]
fn a_turn_of_one_script_looks_at_no_other() {
    let mut hosts = Host::default();
    for n in 0..200_u8 {
        let mut instance = crate::config::instance(n + 1, 100, &[&format!("10.0.1.{n}")]);
        instance.tracking.scripts = vec![tracked(&format!("chk{n}"), -10)];
        hosts.scripts.push(script(&format!("chk{n}"), 1_000_000));
        hosts.instances.push(instance);
    }
    let mut node = Node::new();
    let (now, mut effects) = (Instant::from_nanos(1_000_000_000), Vec::new());
    let links = vec![link(ETH0, "eth0", 5)];
    let addresses = vec![address(ETH0, "10.0.0.5/24")];
    node.handle(now, Input::Fact(Fact::Everything { links, addresses }), &mut effects);
    node.handle(now, Input::Configure(Box::new(hosts)), &mut effects);
    node.handle(now + ms(500), Input::Elapsed, &mut effects);
    let runs: Vec<Run> = effects
        .drain(..)
        .filter_map(|effect| if let Effect::Run(run) = effect { Some(run) } else { None })
        .collect();
    assert_eq!(runs.len(), 200);
    let names: Vec<&Arc<str>> = runs.iter().map(|run| &run.script).collect();
    assert_eq!(names[7].as_ref(), "chk7");
    let ended = Ended { id: runs[7].id, how: Ending::Exited(1) };
    node.handle(now + ms(501), Input::Ended(ended), &mut effects);
    node.handle(now + ms(501), Input::Elapsed, &mut effects);
    let told: Vec<String> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Report(event) => Some(node::compat::log_lines(event).concat()),
            Effect::Send(_)
            | Effect::Hold(_)
            | Effect::Kill(_)
            | Effect::Run(_)
            | Effect::Tell(_)
            | Effect::Mail(_) => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            "VRRP_Script(chk7) failed (exited with status 1)",
            "(VI_8) Changing effective priority from 100 to 90"
        ]
    );
}
