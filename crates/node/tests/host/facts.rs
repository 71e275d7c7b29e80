//! What steers the address besides scripts: files, processes, interfaces, the source address.

use crate::config::{host, scenario, with};
use crate::tracking::{OK, alone, priority, tracked};
use crate::world::{ETH0, World, address, ip, link, ms};
use model::{File, LinkDelay, ParameterMatch, Process, Tracked, TrackedInterface, Weight};
use node::event::{Fault, Standing};
use node::io::{Errno, Fact, Unread};
use timeline::Duration;

// ---- files ----

pub(crate) fn file(name: &str) -> File {
    let (path, weight) = (format!("/run/{name}"), Weight { value: 1, reverse: false });
    File { name: name.into(), path, weight, initial: None }
}

#[test]
fn a_number_in_a_file_times_its_weight() {
    // Number, weight, reverse, priority of a base of 100; 0 is FAULT.
    let table = [
        (0, 0, false, 100),
        (5, 0, false, 0),
        (0, 0, true, 0),
        (5, 0, true, 100),
        (5, 2, false, 110),
        (5, 2, true, 90),
        (-5, 2, false, 90),
        (5, -2, false, 90),
        (-5, 2, true, 110),
        (-126, 2, false, 1),
        (-127, 2, false, 0),
        (-253, 1, false, 1),
        (-254, 1, false, 0),
        (1_000, 1, false, 254),
        (i32::MAX, 254, false, 254),
        (i32::MIN, 254, false, 0),
        (i32::MIN, 254, true, 254),
        (i32::MIN, -254, false, 254),
        (1, -254, false, 0),
    ];
    for (number, value, reverse, expected) in table {
        let mut host = host(vec![scenario(100)]);
        host.files = vec![file("drain")];
        let weight = Weight { value, reverse };
        host.instances[0].tracking.files = vec![Tracked { name: "drain".into(), weight }];
        let mut world = alone(host, OK);
        world.run(ms(10));
        world.machines[0].tell(Fact::File { name: "drain".into(), value: Ok(number) });
        world.run(ms(10));
        let status = world.status(0, "VI_50");
        let counted = if status.standing == Standing::Fault { 0 } else { status.priority.0 };
        assert_eq!(counted, expected, "{number} {value} {reverse}");
    }
}

#[test]
fn a_file_that_says_nothing_new_says_the_old() {
    let mut host = host(vec![scenario(100)]);
    host.files = vec![file("drain")];
    host.instances[0].tracking.files = vec![tracked("drain", 1)];
    let mut world = alone(host.clone(), OK);
    let say = |world: &mut World, value| {
        world.machines[0].tell(Fact::File { name: "drain".into(), value });
        world.machines[0].tell(Fact::File { name: "unknown".into(), value: Ok(9) });
        world.run(ms(10));
        priority(world)
    };
    assert_eq!(say(&mut world, Err(Unread::Absent)), 100);
    assert_eq!(say(&mut world, Ok(-20)), 80);
    assert_eq!(say(&mut world, Err(Unread::Garbage)), 80);
    assert_eq!(say(&mut world, Err(Unread::Refused(Errno(13)))), 80);
    // A reload keeps what is known, if it is the same file.
    world.configure(0, host.clone());
    world.run(ms(10));
    assert_eq!(priority(&world), 80);
    host.files[0].path = "/run/other".into();
    world.configure(0, host);
    world.run(ms(10));
    assert_eq!(priority(&world), 100);
    assert_eq!(say(&mut world, Ok(-20)), 80);
    assert_eq!(say(&mut world, Err(Unread::Absent)), 100);
    insta::assert_snapshot!(world.story(0), @r"
    0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
    0.000000 (VI_50) Entering BACKUP STATE (init)
    0.010000 tracked file drain says -20
    0.010000 (VI_50) Changing effective priority from 100 to 80
    0.020000 tracked file drain does not begin with a number of 32 bits: -20 stays
    0.030000 tracked file drain cannot be read (permission denied): -20 stays
    0.040000 configuration in force: 1 instance (0 new, 0 removed, 0 changed)
    0.050000 configuration in force: 1 instance (0 new, 0 removed, 0 changed)
    0.050000 (VI_50) Changing effective priority from 80 to 100
    0.060000 tracked file drain says -20
    0.060000 (VI_50) Changing effective priority from 100 to 80
    0.070000 tracked file drain is missing or empty: it counts as 0
    0.070000 (VI_50) Changing effective priority from 80 to 100
    ");
}

#[test]
fn a_file_without_weight_is_waited_for() {
    let mut host = host(vec![scenario(100)]);
    host.files = vec![file("drain")];
    host.instances[0].tracking.files = vec![tracked("drain", 0)];
    let mut world = alone(host, OK);
    world.run(ms(5_000));
    assert_eq!((world.standing(0), world.status(0, "VI_50").waits), (Standing::Initialize, true));
    world.machines[0].tell(Fact::File { name: "drain".into(), value: Err(Unread::Absent) });
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Backup);
}

// ---- processes ----

pub(crate) fn process(name: &str, fewest: u32, most: Option<u32>) -> Process {
    Process {
        name: name.into(),
        path: format!("/usr/sbin/{name}"),
        parameters: Vec::new(),
        parameter_match: ParameterMatch::Exact,
        full_command: false,
        weight: Weight::default(),
        fewest,
        most,
        end_delay: Duration::ZERO,
        begin_delay: Duration::ZERO,
    }
}

fn watched(process: Process, weight: i16) -> World {
    let mut host = host(vec![scenario(100)]);
    host.instances[0].tracking.processes = vec![tracked(&process.name, weight)];
    host.processes = vec![process];
    alone(host, OK)
}

fn count(world: &mut World, count: u32) {
    world.machines[0].tell(Fact::Processes { name: "nginx".into(), count: Ok(count) });
    world.run(ms(0));
}

#[test]
fn processes_are_to_be_as_many_as_wanted() {
    let mut world = watched(process("nginx", 2, Some(3)), -40);
    let mut priorities = Vec::new();
    for n in [0, 1, 2, 3, 4, 3] {
        count(&mut world, n);
        priorities.push(priority(&world));
    }
    assert_eq!(priorities, [60, 60, 100, 100, 60, 100]);
    let mut world = watched(process("nginx", 1, None), 0);
    world.run(ms(5_000));
    assert!(world.status(0, "VI_50").waits, "nobody has counted");
    count(&mut world, 1);
    assert_eq!(world.standing(0), Standing::Backup);
    count(&mut world, 0);
    assert_eq!(world.status(0, "VI_50").faults, [Fault::Process("nginx".into(), 0)]);
    count(&mut world, 5);
    assert_eq!(world.standing(0), Standing::Backup);
    insta::assert_snapshot!(world.story(0), @r"
    0.000000 configuration in force: 1 instance (1 new, 0 removed, 0 changed)
    5.000000 Quorum gained for tracked process nginx (1 running)
    5.000000 (VI_50) Entering BACKUP STATE (init)
    5.000000 Quorum lost for tracked process nginx (0 running)
    5.000000 (VI_50) Entering FAULT STATE
    5.000000 (VI_50) because 0 processes nginx run
    5.000000 Quorum gained for tracked process nginx (5 running)
    5.000000 (VI_50) Entering BACKUP STATE
    5.000000 (VI_50) because no fault is left
    ");
}

#[test]
fn changes_of_processes_count_when_they_last() {
    let (end_delay, begin_delay) = (ms(2_000), ms(500));
    let mut world = watched(Process { end_delay, begin_delay, ..process("nginx", 1, Some(2)) }, -40);
    count(&mut world, 1);
    assert_eq!(priority(&world), 100);
    // A restart is no failure.
    count(&mut world, 0);
    world.run(ms(1_900));
    count(&mut world, 1);
    world.run(ms(5_000));
    assert_eq!(priority(&world), 100);
    count(&mut world, 0);
    world.run(ms(1_999));
    assert_eq!(priority(&world), 100);
    world.run(ms(1));
    assert_eq!(priority(&world), 60);
    // Too many begin: the other delay.
    count(&mut world, 1);
    world.run(ms(499));
    assert_eq!(priority(&world), 60);
    world.run(ms(1));
    assert_eq!(priority(&world), 100);
    count(&mut world, 3);
    world.run(ms(300));
    count(&mut world, 4);
    world.run(ms(200));
    assert_eq!(priority(&world), 60, "counted from the first that was too many");
}

#[test]
fn processes_that_cannot_be_watched_are_unknown() {
    let mut world = watched(process("nginx", 1, None), 0);
    world.machines[0].tell(Fact::Processes { name: "nginx".into(), count: Err(Errno(1)) });
    world.run(ms(10_000));
    assert_eq!((world.standing(0), priority(&world)), (Standing::Active, 1));
}

// ---- interfaces ----

#[test]
fn changes_of_a_link_count_when_they_last() {
    let mut host = host(vec![scenario(100)]);
    host.link_delays = vec![LinkDelay { interface: "eth0".into(), down: ms(2_000), up: ms(500) }];
    let mut world = alone(host.clone(), OK);
    world.run(ms(10_000));
    let flap = |world: &mut World, carrier, millis| {
        world.machines[0].change_link(ETH0, |link| link.carrier = carrier);
        world.run(ms(millis));
        world.standing(0)
    };
    assert_eq!(flap(&mut world, false, 1_999), Standing::Active);
    assert_eq!(flap(&mut world, true, 10_000), Standing::Active);
    assert_eq!(flap(&mut world, false, 1_999), Standing::Active);
    world.run(ms(1));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::NoCarrier("eth0".into())]);
    assert_eq!(flap(&mut world, true, 499), Standing::Fault);
    world.run(ms(1));
    assert_eq!(world.standing(0), Standing::Backup);
    // It is gone: nothing can be sent through it, and no delay helps.
    world.machines[0].remove_link(ETH0);
    world.run(ms(1));
    assert_eq!(world.standing(0), Standing::Fault);
    // A reload that takes the delays away counts the link as it is.
    world.machines[0].add_link(link(ETH0, "eth0", 5), 0);
    world.machines[0].set_address(address(ETH0, "10.0.0.5/24"));
    world.run(ms(5_000));
    world.machines[0].change_link(ETH0, |link| link.carrier = false);
    world.run(ms(100));
    assert_eq!(world.standing(0), Standing::Active);
    host.link_delays.clear();
    world.configure(0, host);
    world.run(ms(1));
    assert_eq!(world.standing(0), Standing::Fault);
}

#[test]
fn a_tracked_interface_may_count_in_reverse() {
    let tracked = |weight, reverse| {
        with(host(vec![scenario(100)]), |i| {
            i.track_interfaces = vec![TrackedInterface { interface: "eth1".into(), weight, reverse }].into();
        })
    };
    for (weight, up, down) in [(20, 80, 100), (-20, 100, 120), (0, 0, 100)] {
        let mut world = World::new(1);
        world.machines[0].add_link(link(3, "eth1", 9), 1);
        world.boot(0, tracked(weight, true));
        world.run(ms(10));
        let counted = |world: &World| {
            if world.standing(0) == Standing::Fault { 0 } else { priority(world) }
        };
        assert_eq!(counted(&world), up);
        world.machines[0].change_link(3, |link| link.up = false);
        world.run(ms(10));
        assert_eq!(counted(&world), down);
    }
}

#[test]
fn a_source_that_is_not_here_is_a_fault_if_it_is_tracked() {
    let source = Some(ip("10.0.0.77"));
    let with_source = |track_source| {
        with(host(vec![scenario(100)]), |i| {
            i.transport = model::Transport::Multicast { group: None, source };
            i.track_source = track_source;
        })
    };
    let mut world = alone(with_source(false), OK);
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Backup);
    world.configure(0, with_source(true));
    world.run(ms(10));
    assert_eq!(world.status(0, "VI_50").faults, [Fault::SourceMissing(ip("10.0.0.77"))]);
    world.machines[0].set_address(address(ETH0, "10.0.0.77/24"));
    world.run(ms(10_000));
    assert_eq!(world.standing(0), Standing::Active);
    world.machines[0].steal("10.0.0.77", "ip");
    world.run(ms(10));
    assert_eq!(world.standing(0), Standing::Fault);
}
