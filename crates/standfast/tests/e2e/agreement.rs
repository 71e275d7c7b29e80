//! `standfast simulate` and the laboratory agree: the same files and the same scenario, once in virtual time and once
//! with real daemons and real packets, have the same owners one after the other, at the same times to within one
//! advert.
//!
//! The scenarios are the built-in ones with shorter waits. One differs in kind: the laboratory cannot stop a kernel,
//! so a node is not paused but its daemon frozen, in both.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use lab::harness::{Outcome, Stop, Test, fail};
use lab::{Change, Cidr, Lab, Lossy, Machine, Signal, Traffic, Watch};
use serde_json::Value;
use timeline::Instant;

use crate::conf::{Instance, LB01, LB02, ip, scenario};
use crate::figures;
use crate::pair::{Node, Running, SOON, ours};

const NAMES: [&str; 2] = [LB01, LB02];
/// A shorter time with two owners or none is the one passing the address on to the other.
const HANDOVER: f64 = 0.1;

/// Each scenario in units: seconds for adverts every second.
const SCENARIOS: [(&str, &str); 7] = [
    ("power_lost", "at 6 power off lb01\nat 11 power on lb01\nuntil 16"),
    ("orderly_stop", "at 6 stop lb01\nat 9 start lb01\nuntil 14"),
    ("cable_cut", "at 6 cut lb01 <-> lb02\nat 11 heal\nuntil 14"),
    ("one_way_link", "at 6 cut lb01 -> lb02\nat 11 heal\nuntil 14"),
    ("late_switch", "at 6 power off lb01\nat 11 cut lb01\nat 11 power on lb01\nat 17 heal lb01\nuntil 20"),
    ("reload", "at 6 reload lb01 with reload.conf\nuntil 13"),
    ("node_frozen", "at 6 freeze lb01 for 6\nuntil 15"),
];

pub(crate) fn tests() -> Vec<Test> {
    let pairs = [Pair::Scenario, Pair::NoPreemption];
    let each = pairs.into_iter().flat_map(|pair| SCENARIOS.map(|(name, text)| (pair, name, text)));
    each.map(|(pair, name, text)| {
        Test::new(format!("simulation_and_laboratory_agree::{name}::{}", pair.name()), move || {
            agree(pair, name, text)
        })
    })
    .collect()
}

/// Two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pair {
    /// The reference scenario: version 2, a password, adverts every second, the first takes back.
    Scenario,
    /// Version 3, adverts every half second, nobody takes back.
    NoPreemption,
}

impl Pair {
    const fn name(self) -> &'static str {
        match self {
            Self::Scenario => "the_reference_pair",
            Self::NoPreemption => "a_pair_without_preemption",
        }
    }

    /// One unit of the scenarios, and the time between two adverts.
    const fn unit(self) -> f64 {
        match self {
            Self::Scenario => 1.0,
            Self::NoPreemption => 0.5,
        }
    }

    fn conf(self, machine: &str) -> String {
        match self {
            Self::Scenario => scenario(machine),
            Self::NoPreemption => {
                let priority = if machine == LB01 { 150 } else { 100 };
                let instance = Instance::new("VI_1", 50).priority(priority).every("0.5").address("10.0.0.3");
                let instance = instance.line("version 3").line("nopreempt");
                format!("global_defs {{\n    router_id {machine}\n}}\n{}", instance.file())
            }
        }
    }

    /// What lb01 reads at the reload: it is the lesser one now.
    fn lesser(self) -> String {
        self.conf(LB01).replace("priority 150", "priority 90")
    }
}

/// Who owned the address, and since when.
type Owners = Vec<(f64, Vec<&'static str>)>;

fn agree(pair: Pair, name: &str, text: &str) -> Outcome {
    let text = in_seconds(pair, text);
    let lab = Lab::builder().machine(LB01, "10.0.0.5/24", None).machine(LB02, "10.0.0.6/24", None).build()?;
    let simulated = settled(simulated(pair, &lab, &text)?);
    let mut stage = Stage::new(pair, &lab)?;
    stage.play(&text)?;
    let (real, acts) = stage.seen()?;
    let real = settled(real);
    let told = || {
        format!("{text}\nsimulation: {simulated:?}\nlaboratory: {real:?}\nacts, planned and done: {acts:?}")
    };
    let sequence = |owners: &Owners| owners.iter().map(|(_, names)| names.clone()).collect::<Vec<_>>();
    if sequence(&simulated) != sequence(&real) {
        return Err(fail(format!("the owners differ:\n{}", told())));
    }
    let mut worst: f64 = 0.0;
    for ((simulated, _), (real, _)) in simulated.iter().zip(&real).skip(1) {
        let cause = acts.iter().rev().find(|(planned, _)| *planned <= simulated + 0.001);
        let (planned, done) = cause.copied().unwrap_or((0.0, 0.0));
        worst = worst.max(((simulated - planned) - (real - done)).abs());
    }
    figures::note(
        format!("simulate: {name}, {}", pair.name()),
        format!("{worst:.3} s beside the laboratory"),
    );
    if worst > pair.unit() {
        return Err(fail(format!("{worst:.3} s apart is more than one advert:\n{}", told())));
    }
    Ok(())
}

/// The scenario with its times in seconds, and with both daemons started: the better one first.
fn in_seconds(pair: Pair, text: &str) -> String {
    let scaled = |word: &str| {
        let time: f64 = word.parse().ok()?;
        Some(format!("{}s", time * pair.unit()))
    };
    let mut all = String::new();
    for line in format!("at 0 start lb01\nat 1 start lb02\n{text}").lines() {
        let words = line.split(' ').map(|word| scaled(word).unwrap_or_else(|| word.to_owned()));
        let _ = writeln!(all, "{}", words.collect::<Vec<_>>().join(" "));
    }
    all
}

/// What `standfast simulate` says.
fn simulated(pair: Pair, lab: &Lab, text: &str) -> Result<Owners, Stop> {
    let files = NAMES.map(|name| lab.directory().join(format!("{name}.conf")));
    for (name, file) in NAMES.iter().zip(&files) {
        std::fs::write(file, pair.conf(name))?;
    }
    let file = lab.directory().join("scenario");
    std::fs::write(&file, text)?;
    std::fs::write(lab.directory().join("reload.conf"), pair.lesser())?;
    let output = Command::new(ours()).args(["simulate", "--json", "-s"]).arg(&file).args(&files).output()?;
    let document: Value = serde_json::from_slice(&output.stdout)
        .map_err(|why| fail(format!("{why}: {}", String::from_utf8_lossy(&output.stderr))))?;
    let instance = &document["scenarios"][0]["instances"][0];
    let spans = instance["owners"].as_array().ok_or_else(|| fail(format!("no owners: {document:#}")))?;
    let owner = |name: &Value| NAMES.into_iter().find(|known| name == *known);
    let span = |span: &Value| {
        let owners = span["owners"].as_array()?.iter().filter_map(owner).collect();
        Some((span["from_s"].as_f64()?, owners))
    };
    Ok(spans.iter().filter_map(span).collect())
}

/// Without the moments in which one passes the address on to the other.
fn settled(owners: Owners) -> Owners {
    let ends: Vec<f64> = owners.iter().skip(1).map(|(at, _)| *at).chain([f64::MAX]).collect();
    let mut list = Owners::new();
    for ((at, names), end) in owners.into_iter().zip(ends) {
        let is_new = list.last().is_none_or(|(_, before)| *before != names);
        // The first is where it all begins.
        if is_new && (list.is_empty() || end - at >= HANDOVER) {
            list.push((at, names));
        }
    }
    list
}

/// The laboratory while a scenario happens.
struct Stage<'a> {
    lab: &'a Lab,
    pair: Pair,
    nodes: Vec<Node>,
    watches: Vec<Watch>,
    running: [Option<Running>; 2],
    /// What has ended; its log is still read.
    past: Vec<Running>,
    losses: Vec<Lossy>,
    /// When the first daemon was ready.
    begun: Instant,
    /// When a machine had power (true) or not.
    power: Vec<(Instant, usize, bool)>,
    acts: Vec<(f64, Instant)>,
    end: Instant,
}

impl<'a> Stage<'a> {
    fn new(pair: Pair, lab: &'a Lab) -> Result<Self, Stop> {
        let machines = NAMES.map(|name| lab.machine(name));
        let machines = machines.into_iter().collect::<Result<Vec<&Machine>, _>>()?;
        let nodes = machines.iter().map(|machine| Node::ours(machine, pair.conf(machine.name())));
        let watches = machines.iter().map(|machine| machine.watch_addresses());
        Ok(Self {
            lab,
            pair,
            nodes: nodes.collect::<Result<_, _>>()?,
            watches: watches.collect::<Result<_, _>>()?,
            running: [None, None],
            past: Vec::new(),
            losses: Vec::new(),
            begun: lab::now(),
            power: Vec::new(),
            acts: Vec::new(),
            end: Instant::EPOCH,
        })
    }

    /// Lets happen what the text says.
    fn play(&mut self, text: &str) -> Outcome {
        let mut plan: Vec<(f64, Vec<&str>)> = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at = seconds(words[1]);
            if let ["at", _, "freeze", name, "for", time] = words[..] {
                plan.push((at + seconds(time), vec!["at", "", "thaw", name]));
            }
            plan.push((at, words));
        }
        plan.sort_by(|one, other| one.0.total_cmp(&other.0));
        for (at, words) in plan {
            let due = self.begun + Duration::from_secs_f64(at);
            std::thread::sleep(due.since(lab::now()));
            let done = self.act(&words)?;
            if self.acts.is_empty() {
                self.begun = done;
            }
            self.acts.push((at, done));
        }
        Ok(())
    }

    /// Does one thing; when it was done.
    fn act(&mut self, words: &[&str]) -> Result<Instant, Stop> {
        let node = |name: &str| NAMES.iter().position(|known| *known == name).unwrap();
        let now = lab::now();
        match *words {
            ["until", _] => self.end = now,
            ["at", _, "start", name] => return self.start(node(name)),
            ["at", _, "stop", name] => {
                let running = self.running[node(name)].take().unwrap();
                running.term()?;
                self.past.push(running);
            }
            ["at", _, "power", "off", name] => {
                let running = self.running[node(name)].take().unwrap();
                running.dies(self.lab)?;
                self.power.push((now, node(name), false));
                self.past.push(running);
            }
            ["at", _, "power", "on", name] => {
                self.boot(node(name))?;
                return self.start(node(name));
            }
            ["at", _, "freeze", name, ..] => self.running[node(name)].as_ref().unwrap().freeze()?,
            ["at", _, "thaw", name] => self.running[node(name)].as_ref().unwrap().thaw()?,
            ["at", _, "reload", name, ..] => {
                self.nodes[node(name)].write(self.pair.lesser())?;
                self.running[node(name)].as_ref().unwrap().signal(Signal::HUP)?;
            }
            ["at", _, "cut", one, "<->", other] => {
                self.cut(node(one))?;
                self.cut(node(other))?;
            }
            ["at", _, "cut", _, "->", deaf] => self.cut(node(deaf))?,
            ["at", _, "cut", name] => {
                self.cut(node(name))?;
                self.losses.push(self.lab.lose_from(&self.nodes[node(name)].machine, Traffic::All)?);
            }
            ["at", _, "heal", ..] => self.losses.clear(),
            _ => return Err(fail(format!("nobody knows how to {words:?}"))),
        }
        Ok(now)
    }

    /// Nothing reaches this node.
    fn cut(&mut self, node: usize) -> Result<(), lab::Error> {
        self.losses.push(self.lab.lose_to(&self.nodes[node].machine, Traffic::All)?);
        Ok(())
    }

    /// A machine that lost power has nothing left of what it held.
    fn boot(&mut self, node: usize) -> Outcome {
        let machine = &self.nodes[node].machine;
        let service: Cidr = "10.0.0.3/32".parse()?;
        if machine.holds(service.address)? {
            machine.del_address("eth0", service)?;
        }
        self.lab.cable(machine).plug()?;
        let link = |change: &Change| matches!(change, Change::Link { carrier: true, .. });
        let watch = machine.watch_addresses()?;
        if !machine.netlink().link("eth0").is_ok_and(|link| link.has_carrier()) {
            watch.wait_for("the link runs", SOON, |event| link(&event.change))?;
        }
        self.power.push((lab::now(), node, true));
        Ok(())
    }

    /// Starts a daemon; it has started when it listens.
    fn start(&mut self, node: usize) -> Result<Instant, Stop> {
        for past in &self.past {
            past.wait(SOON)?;
        }
        let running = self.nodes[node].spawn()?;
        let at = running.enters("VI_1", "BACKUP", SOON)?.at;
        self.running[node] = Some(running);
        Ok(at)
    }

    /// Who owned the address, and when each act was planned and done; times from the beginning.
    fn seen(&self) -> Result<(Owners, Vec<(f64, f64)>), Stop> {
        let address = ip("10.0.0.3");
        let since = |at: Instant| at.since(self.begun).as_secs_f64();
        let mut changes: Vec<(Instant, usize, Option<bool>, Option<bool>)> = Vec::new();
        for (node, watch) in self.watches.iter().enumerate() {
            for event in watch.events().all() {
                let held = match event.change {
                    Change::Address { address: there, .. } => (there.address == address).then_some(true),
                    Change::AddressGone { address: gone, .. } => (gone.address == address).then_some(false),
                    Change::Lost => return Err(fail("the laboratory missed something")),
                    Change::Link { .. } | Change::LinkGone { .. } | Change::Port { .. } => None,
                };
                changes.extend(held.map(|held| (event.at, node, Some(held), None)));
            }
        }
        changes.extend(self.power.iter().map(|(at, node, on)| (*at, *node, None, Some(*on))));
        changes.sort_by_key(|(at, ..)| *at);
        let (mut held, mut powered) = ([false; 2], [true; 2]);
        let mut owners: Owners = vec![(0.0, Vec::new())];
        for (at, node, holds, power) in changes.into_iter().filter(|(at, ..)| *at <= self.end) {
            held[node] = holds.unwrap_or(held[node]);
            powered[node] = power.unwrap_or(powered[node]);
            let now = (0..2).filter(|node| held[*node] && powered[*node]).map(|node| NAMES[node]);
            owners.push((since(at), now.collect()));
        }
        Ok((owners, self.acts.iter().map(|(planned, done)| (*planned, since(*done))).collect()))
    }
}

fn seconds(text: &str) -> f64 {
    text.trim_end_matches('s').parse().unwrap()
}
