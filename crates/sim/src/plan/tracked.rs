//! What the machines of a plan track besides their links: a script, a file, processes; what they wait for; and instances
//! that move together.

use crate::cluster::Member;
use crate::random::Random;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use model::{
    Command, File, InitialNumber, LinkDelay, Process, Rare, Script, SyncGroup, Tracked, Tracking, Weight,
};
use timeline::Duration;

/// The names of what is tracked in any plan.
pub(super) const SCRIPT: &str = "check";
pub(super) const FILE: &str = "file";
pub(super) const PROCESS: &str = "nginx";

/// Gives all machines the same.
pub(super) fn add(random: &mut Random, members: &mut [Member]) {
    let routers = members.first().map_or(0, |member| member.host.instances.len());
    let which = random.index(routers.max(1));
    if random.permille(300) {
        let script = script(random);
        each(members, which, |host, tracking, can_weigh| {
            host.scripts.push(script.clone());
            tracking.scripts.push(tracked(SCRIPT, script.weight.value, can_weigh));
        });
    }
    if random.permille(150) {
        let file = File {
            name: FILE.into(),
            path: "/run/number".into(),
            weight: Weight { value: 1, reverse: false },
            initial: Some(InitialNumber { value: 0, overwrite: false }),
        };
        each(members, which, |host, tracking, can_weigh| {
            if can_weigh {
                host.files.push(file.clone());
                tracking.files.push(tracked(FILE, 1, true));
            }
        });
    }
    if random.permille(150) {
        let process = process(random);
        each(members, which, |host, tracking, can_weigh| {
            host.processes.push(process.clone());
            tracking.processes.push(tracked(PROCESS, process.weight.value, can_weigh));
        });
    }
    if random.permille(200) {
        let (down, up) = (random.millis(0, 1_500), random.millis(0, 1_500));
        for member in &mut *members {
            let ports = member.interfaces.first();
            let delays = ports.map(|port| LinkDelay { interface: port.name.clone(), down, up });
            member.host.link_delays.extend(delays);
        }
    }
    if random.permille(150) {
        let startup_delay = random.millis(1, 3_000);
        members.iter_mut().for_each(|member| member.host.startup_delay = startup_delay);
    }
    if routers > 1 && random.permille(250) {
        members.iter_mut().for_each(|member| group(&mut member.host));
    }
}

fn each(members: &mut [Member], which: usize, mut track: impl FnMut(&mut model::Host, &mut Tracking, bool)) {
    for member in members {
        let Some(instance) = member.host.instances.get(which) else { continue };
        let can_weigh = !instance.settings.priority.is_owner();
        let mut tracking = instance.tracking.clone();
        track(&mut member.host, &mut tracking, can_weigh);
        if let Some(instance) = member.host.instances.get_mut(which) {
            instance.tracking = tracking;
        }
    }
}

/// An owner may not track with a weight.
fn tracked(name: &str, weight: i16, can_weigh: bool) -> Tracked {
    let value = if can_weigh { weight } else { 0 };
    Tracked { name: name.into(), weight: Weight { value, reverse: false } }
}

fn script(random: &mut Random) -> Script {
    Script {
        name: SCRIPT.into(),
        command: Command::Run { path: "/bin/check".into(), arguments: Vec::new() },
        account: None,
        interval: Duration::from_millis([500, 1_000, 2_000][random.index(3)]),
        timeout: random.permille(300).then(|| random.millis(100, 2_500)),
        rise: [1, 1, 2, 3][random.index(4)],
        fall: [1, 1, 2, 3][random.index(4)],
        weight: Weight { value: [0, -60, -120][random.index(3)], reverse: false },
        starts_failed: random.permille(200),
    }
}

fn process(random: &mut Random) -> Process {
    Process {
        name: PROCESS.into(),
        path: String::from("nginx"),
        parameters: Vec::new(),
        parameter_match: model::ParameterMatch::default(),
        full_command: false,
        weight: Weight { value: [0, -60][random.index(2)], reverse: false },
        fewest: 1,
        most: None,
        end_delay: random.millis(0, 1_500),
        begin_delay: random.millis(0, 1_500),
    }
}

/// All instances of a machine move together, with one priority and one mind about preemption.
fn group(host: &mut model::Host) {
    let Some(first) = host.instances.first().map(|instance| instance.settings.clone()) else { return };
    let is_owner = first.priority.is_owner();
    for instance in &mut host.instances {
        instance.settings.priority = first.priority;
        (instance.settings.preempt, instance.settings.preempt_delay) = (first.preempt, first.preempt_delay);
        // A member follows what its group tracks; weights of its own would part it from the others.
        instance.tracking = Rare::default();
        instance.track_interfaces.clear();
    }
    let mut tracking = Tracking::default();
    let (scripts, processes) = (host.scripts.first(), host.processes.first());
    let lists = [(scripts.map(|s| &s.name), true), (processes.map(|p| &p.name), false)];
    for (name, is_script) in lists {
        let Some(name) = name else { continue };
        let list = if is_script { &mut tracking.scripts } else { &mut tracking.processes };
        list.push(tracked(name, -60, !is_owner));
    }
    host.files.clear();
    let members: Vec<Arc<str>> = host.instances.iter().map(|instance| instance.name.clone()).collect();
    let (name, track_interfaces, notify) =
        (format!("G{}", members.len()).into(), vec![], model::Notify::default());
    host.groups.push(SyncGroup {
        name,
        members,
        weights: false,
        track_interfaces,
        tracking: tracking.into(),
        notify: notify.into(),
    });
}
