//! The scenarios that everybody asks about. Each is written for the files at hand, in the same text that users write.

use std::fmt::Write as _;
use std::time::Duration;

use super::cast::Cast;
use super::law::{Heir, Law, Reason};
use super::scenario::Remark;

/// A built-in scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Builtin {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it shows, in one line.
    pub(crate) about: &'static str,
    write: fn(&Stage<'_>) -> Result<Play, &'static str>,
}

/// What is known before it is written.
pub(crate) struct Stage<'a> {
    /// Who plays.
    pub(crate) cast: &'a Cast,
    /// What the protocol allows.
    pub(crate) law: Law<'a>,
    /// The node that owns the first address when all is well.
    pub(crate) victim: usize,
    /// Which node owns each service when all is well.
    pub(crate) owners: &'a [Option<usize>],
    /// When all has settled after a start.
    pub(crate) settled: Duration,
    /// The node that reloads, and its new file.
    pub(crate) reload: Option<(usize, String)>,
}

/// A scenario as text, and what to say about what came of it.
#[derive(Debug)]
pub(crate) struct Play {
    /// The text.
    pub(crate) text: String,
    /// What it means, and what to do about it.
    pub(crate) remarks: Vec<Remark>,
}

/// All of them, in the order in which they are played.
pub(crate) const ALL: [Builtin; 8] = [
    Builtin { name: "power-lost", about: "a node loses power and comes back", write: power_lost },
    Builtin { name: "orderly-stop", about: "the daemon is stopped and started again", write: orderly_stop },
    Builtin { name: "cable-cut", about: "the nodes do not see each other for a while", write: cable_cut },
    Builtin { name: "one-way-link", about: "a node hears the others and is not heard", write: one_way },
    Builtin {
        name: "late-switch",
        about: "the switch forwards only some time after a boot",
        write: late_switch,
    },
    Builtin { name: "check-fails", about: "a check script fails for 20 s", write: check_fails },
    Builtin { name: "reload", about: "the daemon reads another configuration", write: reload },
    Builtin { name: "node-paused", about: "a virtual machine stands still for 10 s", write: node_paused },
];

impl Builtin {
    /// The one of that name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        ALL.into_iter().find(|builtin| builtin.name == name)
    }

    /// Its text for the files at hand.
    ///
    /// # Errors
    /// Why it cannot be played with them.
    pub(crate) fn write(&self, stage: &Stage<'_>) -> Result<Play, &'static str> {
        (self.write)(stage)
    }
}

const ALONE: &str = "it needs two nodes; name the file of the other one too";

/// How long each trouble lasts at least.
const TROUBLE: Duration = Duration::from_secs(10);

/// A text that grows line by line.
struct Writer<'a> {
    stage: &'a Stage<'a>,
    text: String,
    at: Duration,
}

impl<'a> Writer<'a> {
    /// All nodes are started, and all settles.
    fn new(stage: &'a Stage<'a>, title: &str) -> Self {
        let names: Vec<&str> = stage.cast.nodes.iter().map(|node| &*node.name).collect();
        let text = format!("title {title}\nat 0s start {}\n", names.join(", "));
        Self { stage, text, at: stage.settled }
    }

    fn victim(&self) -> &'a str {
        self.stage.cast.name(self.stage.victim)
    }

    fn at(&mut self, what: &str) {
        let _ = writeln!(self.text, "at {} {what}", seconds(self.at));
    }

    fn expect(&mut self, what: &str) {
        let _ = writeln!(self.text, "expect {what}");
    }

    fn wait(&mut self, time: Duration) {
        self.at += Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0));
    }

    /// The services that the victim owns when all is well and that somebody else has too.
    fn lost(&self) -> Vec<usize> {
        let has_peer = |service: &usize| self.stage.cast.members(*service).count() > 1;
        self.owned().into_iter().filter(has_peer).collect()
    }

    /// The services that the victim owns when all is well.
    fn owned(&self) -> Vec<usize> {
        let owners = self.stage.owners.iter().enumerate();
        owners.filter(|(_, owner)| **owner == Some(self.stage.victim)).map(|(service, _)| service).collect()
    }

    fn name_all(&self, services: &[usize]) -> String {
        if services.len() > 1 && services.len() == self.stage.cast.services.len() {
            return "all".to_owned();
        }
        let names = services.iter().filter_map(|service| self.stage.cast.services.get(*service));
        names.map(|service| &*service.name).collect::<Vec<_>>().join(", ")
    }

    /// For each next owner one line: it owns what it takes over, within what the protocol allows.
    fn expect_next(&mut self, bound: impl Fn(&Law<'_>, usize, usize) -> Duration) -> Duration {
        let law = &self.stage.law;
        let mut heirs: Vec<(Option<usize>, Duration, Vec<usize>)> = Vec::new();
        for service in self.lost() {
            let next = law.next(service, self.stage.victim);
            let others = self.stage.cast.members(service).map(|(node, _)| node);
            let slowest =
                others.filter(|node| *node != self.stage.victim).map(|node| bound(law, service, node)).max();
            let time = next.map_or_else(|| slowest.unwrap_or_default(), |node| bound(law, service, node));
            let time = tenths(time);
            match heirs.iter_mut().find(|heir| heir.0 == next && heir.1 == time) {
                Some(heir) => heir.2.push(service),
                None => heirs.push((next, time, vec![service])),
            }
        }
        for (next, time, services) in &heirs {
            let who = next.map_or("somebody", |node| self.stage.cast.name(node));
            let what = self.name_all(services);
            self.expect(&format!("{who} owns {what} within {}", seconds(*time)));
        }
        heirs.iter().map(|heir| heir.1).max().unwrap_or_default()
    }

    /// The victim is back: what it takes back it does within what the protocol allows, and leaves the rest.
    fn expect_return(&mut self) -> Duration {
        let (victim, law) = (self.stage.victim, &self.stage.law);
        let (back, stay): (Vec<usize>, Vec<usize>) =
            self.lost().into_iter().partition(|service| law.takes_back(*service, victim));
        let alone: Vec<usize> =
            self.owned().into_iter().filter(|service| !self.lost().contains(service)).collect();
        let back: Vec<usize> = back.into_iter().chain(alone).collect();
        let time = back.iter().map(|service| law.return_time(*service, victim)).max().unwrap_or_default();
        let time = tenths(time);
        if !back.is_empty() {
            let what = self.name_all(&back);
            self.expect(&format!("{} owns {what} within {}", self.victim(), seconds(time)));
        }
        let kept: Vec<usize> =
            stay.into_iter().filter(|service| law.next(*service, victim).is_some()).collect();
        let mut heirs: Vec<(usize, Vec<usize>)> = Vec::new();
        for service in kept {
            let Some(next) = law.next(service, victim) else { continue };
            match heirs.iter_mut().find(|heir| heir.0 == next) {
                Some(heir) => heir.1.push(service),
                None => heirs.push((next, vec![service])),
            }
        }
        for (next, services) in heirs {
            let what = self.name_all(&services);
            self.expect(&format!("{} owns {what} at the end", self.stage.cast.name(next)));
        }
        time
    }

    /// The end, and what two owners mean if there were any.
    fn end(mut self, about_two: &[&'static str]) -> Play {
        let _ = writeln!(self.text, "until {}", seconds(self.at));
        let remarks = about_two.iter().map(|text| Remark { about_two: true, text });
        Play { text: self.text, remarks: remarks.collect() }
    }
}

fn is_alone(stage: &Stage<'_>) -> bool {
    stage.cast.nodes.len() < 2
}

fn power_lost(stage: &Stage<'_>) -> Result<Play, &'static str> {
    let mut play =
        Writer::new(stage, &format!("{} loses power and comes back", stage.cast.name(stage.victim)));
    let victim = play.victim();
    play.at(&format!("power off {victim}"));
    let time = play.expect_next(|law, service, node| law.down(service, node));
    play.wait(time + TROUBLE);
    play.at(&format!("power on {victim}"));
    let time = play.expect_return();
    play.expect("never two owners");
    play.wait(time + TROUBLE);
    let mut play = play.end(&[]);
    if is_alone(stage) {
        let text = "a lone node: nobody takes over, and the address is gone until it is back";
        play.remarks.push(Remark { about_two: false, text });
    }
    Ok(play)
}

fn orderly_stop(stage: &Stage<'_>) -> Result<Play, &'static str> {
    let mut play = Writer::new(
        stage,
        &format!("the daemon of {} is stopped and started again", stage.cast.name(stage.victim)),
    );
    let victim = play.victim();
    play.at(&format!("stop {victim}"));
    let time = play.expect_next(|law, service, node| law.skew(service, node));
    play.wait(time + TROUBLE);
    play.at(&format!("start {victim}"));
    let time = play.expect_return();
    play.expect("never two owners");
    play.wait(time + TROUBLE);
    Ok(play.end(&[]))
}

fn cable_cut(stage: &Stage<'_>) -> Result<Play, &'static str> {
    let title =
        |victim: &str, others: &str| format!("{victim} and {others} do not see each other; clients see all");
    cut(
        stage,
        "<->",
        title,
        &[
            "two owners while the nodes do not see each other is a limit of VRRP, whoever speaks it: a node that hears \
         nothing cannot tell a dead partner from a cut cable",
            "what helps: a second way between the nodes (a bond, or another VRRP interface), the adverts on the network of \
         the clients, and something that a node without that network tracks (track_interface, or a script that asks the \
         gateway)",
        ],
    )
}

fn one_way(stage: &Stage<'_>) -> Result<Play, &'static str> {
    let title = |victim: &str, _: &str| format!("{victim} hears the others and is not heard");
    cut(
        stage,
        "->",
        title,
        &[
            "two owners are a limit of VRRP here too: the node that is not heard has the higher priority and need not yield. \
         Standfast says so in its log: \"... still advertises and does not hear us\"",
            "what causes it: a firewall that lets protocol 112 out and not in, a switch that loses multicast in one \
         direction, a password or a checksum that only one node accepts",
        ],
    )
}

/// The way from the victim to the others is cut (and back, as `arrow` says), and healed.
fn cut(
    stage: &Stage<'_>,
    arrow: &str,
    title: impl Fn(&str, &str) -> String,
    about_two: &[&'static str],
) -> Result<Play, &'static str> {
    if is_alone(stage) {
        return Err(ALONE);
    }
    let victim = stage.cast.name(stage.victim);
    let others = stage.others();
    let mut play = Writer::new(stage, &title(victim, &others));
    play.at(&format!("cut {victim} {arrow} {others}"));
    let time = play.expect_next(|law, service, node| law.down(service, node));
    play.wait(time + TROUBLE);
    play.at("heal");
    let time = tenths(stage.law.agree());
    play.expect(&format!("one owner within {}", seconds(time)));
    play.wait(time + TROUBLE);
    Ok(play.end(about_two))
}

fn late_switch(stage: &Stage<'_>) -> Result<Play, &'static str> {
    if is_alone(stage) {
        return Err(ALONE);
    }
    let mut play = Writer::new(
        stage,
        &format!("{} boots, and its switch forwards 30 s later", stage.cast.name(stage.victim)),
    );
    let victim = play.victim();
    play.at(&format!("power off {victim}"));
    let time = play.expect_next(|law, service, node| law.down(service, node));
    play.wait(time + TROUBLE);
    play.at(&format!("cut {victim}"));
    play.at(&format!("power on {victim}"));
    play.wait(Duration::from_secs(30));
    play.at(&format!("heal {victim}"));
    let time = tenths(stage.law.agree());
    play.expect(&format!("one owner within {}", seconds(time)));
    play.wait(time + TROUBLE);
    Ok(play.end(&[
        "a node whose port does not forward yet hears nobody and becomes Active; clients cannot reach it, so this harms \
         only when the port opens: then the address moves once more than needed",
        "what helps: `spanning-tree portfast` (edge port) at the switch, or `vrrp_startup_delay 40` in global_defs, so \
         that the node waits until it can hear the others",
    ]))
}

fn check_fails(stage: &Stage<'_>) -> Result<Play, &'static str> {
    let script = stage.cast.nodes.get(stage.victim).and_then(|node| node.host.scripts.first());
    let Some(script) = script else { return Err("no script is tracked") };
    let title = format!("the check {} fails on {} for a while", script.name, stage.cast.name(stage.victim));
    let mut play = Writer::new(stage, &title);
    let victim = play.victim();
    play.at(&format!("script {} on {victim} fails", script.name));
    // The run before may just have begun; then so many fail, the last of them at its time limit.
    let noticed = |times: u32| script.interval * (times.max(1) + 1) + script.limit();
    let lost = play.lost();
    let mut longest = Duration::ZERO;
    let mut stays = Vec::new();
    for service in lost {
        let name = play.name_all(&[service]);
        match stage.law.after_check(service, stage.victim, &script.name) {
            Some(Heir::Next(node, time)) => {
                let time = tenths(noticed(script.fall) + time);
                play.expect(&format!("{} owns {name} within {}", stage.cast.name(node), seconds(time)));
                longest = longest.max(time);
            }
            Some(Heir::Stays(why)) => stays.push((name, why)),
            None => {}
        }
    }
    play.wait((noticed(script.fall).max(longest) + Duration::from_secs(5)).max(Duration::from_secs(20)));
    let moment = play.at;
    for (name, _) in &stays {
        play.expect(&format!("{victim} owns {name} at {}", seconds(moment)));
    }
    play.at(&format!("script {} on {victim} succeeds", script.name));
    play.expect("never two owners");
    let back = play.owned().iter().map(|service| stage.law.return_time(*service, stage.victim)).max();
    play.wait(noticed(script.rise) + back.unwrap_or_default() + TROUBLE);
    let mut play = play.end(&[]);
    let light = "its weight does not bring the priority below that of the next node: the address stays";
    let nopreempt = "the next node has `nopreempt`: it takes no address from a node that lives, however low its priority; \
                     a script without a weight (FAULT) moves it";
    for (reason, text) in [(Reason::Light, light), (Reason::Nopreempt, nopreempt)] {
        if stays.iter().any(|(_, why)| *why == reason) {
            play.remarks.push(Remark { about_two: false, text });
        }
    }
    Ok(play)
}

fn reload(stage: &Stage<'_>) -> Result<Play, &'static str> {
    let Some((node, file)) = &stage.reload else { return Err("name the new file: --reload-with FILE") };
    let mut play = Writer::new(stage, &format!("{} reads {file}", stage.cast.name(*node)));
    play.at(&format!("reload {} with \"{file}\"", stage.cast.name(*node)));
    play.expect("never two owners");
    let settled = stage.settled;
    play.wait(settled + TROUBLE);
    play.text.push_str("expect somebody owns all at the end\n");
    Ok(play.end(&[]))
}

fn node_paused(stage: &Stage<'_>) -> Result<Play, &'static str> {
    let pause = stage.lost_time() + Duration::from_secs(6);
    let pause = pause.max(TROUBLE);
    let mut play =
        Writer::new(stage, &format!("{} stands still for {}", stage.cast.name(stage.victim), seconds(pause)));
    let victim = play.victim();
    play.at(&format!("pause {victim} for {}", seconds(pause)));
    play.expect_next(|law, service, node| law.down(service, node));
    play.wait(pause);
    let time = tenths(stage.law.agree());
    play.text.push_str(&format!("expect two owners for at most {}\n", seconds(time)));
    play.wait(time + TROUBLE);
    let _ = writeln!(play.text, "expect somebody owns all at the end");
    Ok(play.end(&[]))
}

impl Stage<'_> {
    /// The names of all nodes but the victim.
    fn others(&self) -> String {
        let others = (0..self.cast.nodes.len()).filter(|node| *node != self.victim);
        others.map(|node| self.cast.name(node)).collect::<Vec<_>>().join(", ")
    }

    /// The longest time until somebody notices that the victim is gone, in whole seconds.
    fn lost_time(&self) -> Duration {
        let services = 0..self.cast.services.len();
        let down = |service: usize| {
            let others = self.cast.members(service).map(|(node, _)| node).filter(|node| *node != self.victim);
            others.map(|node| self.law.down(service, node)).max().unwrap_or_default()
        };
        let longest = services.map(down).max().unwrap_or_default();
        Duration::from_secs(longest.as_secs() + 1)
    }
}

/// `3.7s`, `10s`
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

/// Up to the next tenth of a second, and one more for the network and the kernel.
fn tenths(time: Duration) -> Duration {
    let tenths = u64::try_from(time.as_millis().div_ceil(100)).unwrap_or(u64::MAX);
    Duration::from_millis((tenths + 1) * 100)
}
