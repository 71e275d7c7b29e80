//! A scenario in the simulated world, and back: what was seen there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use node::compat;
use node::sessions::Reach;
use sim::{Cluster, Course, Path, Scene, Step};
use wire::bfd::Diagnostic;

use super::cast::Cast;
use super::history::{Move, Record};
use super::scenario::{Act, Scenario};

/// What a new worker needs until it goes on with what the one before it held.
const ADOPTION: Duration = Duration::from_millis(30);
/// How long a daemon needs to read its configuration.
const READING: Duration = Duration::from_millis(20);

/// Lets a scenario happen; `seed` decides what is left to chance.
pub(crate) fn play(cast: &Cast, scenario: &Scenario, seed: u64) -> Record {
    let hosts = cast.nodes.iter().map(|node| (node.name.clone(), node.host.clone()));
    let cluster = Cluster::of(hosts.collect());
    let mut steps = Vec::new();
    for (at, act) in &scenario.acts {
        steps.extend(steps_of(act, *at, &cluster));
    }
    let scene = Scene { cluster, steps, length: scenario.until, seed };
    let names = Names::new(&scene.cluster);
    record(cast, &sim::play(&scene), &names)
}

fn steps_of(act: &Act, at: Duration, cluster: &Cluster) -> Vec<(Duration, Step)> {
    let path = |from: usize, to: usize, path: Path| (at, Step::Path { segment: None, from, to, path });
    let others = |node: usize| (0..cluster.machines.len()).filter(move |other| *other != node);
    let isolated = |node: usize, kind: Path| -> Vec<(Duration, Step)> {
        others(node).flat_map(|other| [path(node, other, kind), path(other, node, kind)]).collect()
    };
    let cut = Path { cut: true, ..Path::GOOD };
    match act {
        Act::Start(node) | Act::PowerOn(node) => vec![(at, Step::Start(*node))],
        Act::Stop(node) => vec![(at, Step::Stop(*node))],
        Act::Crash(node) => {
            vec![(at, Step::Replace { machine: *node, time: ADOPTION })]
        }
        Act::PowerOff(node) => vec![(at, Step::PowerLost(*node))],
        Act::Pause(node, time) => vec![(at, Step::Pause { machine: *node, time: *time })],
        Act::Freeze(node, time) => vec![(at, Step::Freeze { machine: *node, time: *time })],
        Act::Reload(node, host) => {
            vec![(at, Step::Reload { machine: *node, host: host.clone(), reading: READING })]
        }
        Act::Cut(from, to) => vec![path(*from, *to, cut)],
        Act::Lose(from, to, percent) => {
            vec![path(*from, *to, Path { lost: u64::from(*percent) * 10, ..Path::GOOD })]
        }
        Act::Delay(from, to, delay) => vec![path(*from, *to, Path { delay: *delay, ..Path::GOOD })],
        Act::Mend(from, to) => vec![path(*from, *to, Path::GOOD)],
        Act::Isolate(node) => isolated(*node, cut),
        Act::Rejoin(node) => isolated(*node, Path::GOOD),
        Act::Heal => (0..cluster.machines.len()).flat_map(|node| isolated(node, Path::GOOD)).collect(),
        Act::Cable(node, interface, on) => {
            let ports =
                cluster.machines.get(*node).map(|machine| &machine.interfaces[..]).unwrap_or_default();
            let meant = |name: &Arc<str>| interface.as_ref().is_none_or(|wanted| **wanted == **name);
            let meant = ports.iter().map(|port| &port.name).filter(|name| meant(name));
            let step = |interface: &Arc<str>| Step::Carrier {
                machine: *node,
                interface: interface.clone(),
                on: *on,
            };
            meant.map(|interface| (at, step(interface))).collect()
        }
        Act::Remove(node, address) => vec![(at, Step::Steal { machine: *node, address: *address })],
        Act::Bfd(node, session, is_up) => {
            let (ours, theirs) = (Diagnostic::EXPIRED, Diagnostic::NONE);
            let reach = if *is_up { Reach::Up } else { Reach::Down { ours, theirs, on_purpose: false } };
            vec![(at, Step::Bfd { machine: *node, session: session.as_str().into(), reach })]
        }
        Act::Script(node, script, ok) => {
            let course = if *ok { Course::GOOD } else { Course::FAILS };
            vec![(at, Step::Check { machine: *node, script: script.as_str().into(), course })]
        }
    }
}

fn record(cast: &Cast, seen: &sim::Record, names: &Names) -> Record {
    let mut numbers: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for service in 0..cast.services.len() {
        numbers.extend(cast.members(service).map(|(node, instance)| ((node, &*instance.name), service)));
    }
    let mut record = Record::default();
    for moved in &seen.moves {
        let Some(service) = numbers.get(&(moved.machine, &*moved.instance)).copied() else { continue };
        record.moves.push(Move {
            at: moved.at,
            node: moved.machine,
            service,
            from: moved.from,
            to: moved.to,
            why: compat::reason(moved.from, &moved.why, &moved.faults, moved.disbelieved)
                .map(|why| names.put_into(&why)),
        });
    }
    record.holds = seen.held.iter().map(|held| (held.at, held.machine, held.address, held.is_held)).collect();
    record.announced = seen.announced.iter().map(|told| (told.at, told.machine, told.address)).collect();
    record.bugs = seen.violations.iter().map(ToString::to_string).collect();
    record
}

/// Which node has which address: the simulated world invents some, and nobody knows them by heart.
struct Names(BTreeMap<IpAddr, Arc<str>>);

impl Names {
    fn new(cluster: &Cluster) -> Self {
        let each = cluster.machines.iter().flat_map(|machine| {
            let addresses = machine.interfaces.iter().flat_map(|port| &port.addresses);
            addresses.map(|(address, _)| (*address, machine.name.clone()))
        });
        Self(each.collect())
    }

    /// The text with names for addresses.
    fn put_into(&self, text: &str) -> String {
        let name = |word: &str| {
            let bare = word.trim_end_matches([',', ';', ')', ':']);
            let name = bare.parse().ok().and_then(|address| self.0.get(&address))?;
            Some(format!("{name}{}", word.get(bare.len()..).unwrap_or_default()))
        };
        let words = text.split(' ').map(|word| name(word).unwrap_or_else(|| word.to_owned()));
        words.collect::<Vec<_>>().join(" ")
    }
}
