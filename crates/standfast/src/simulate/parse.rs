//! The text of a scenario: one statement a line, understood word by word; what is not, is said with its place and
//! with what to write instead.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use config::nearest;
use model::Host;

use super::cast::Cast;
use super::line::{Line, Mistake, Result, VERBS};
use super::scenario::{Act, Claim, Expectation, Scenario, When, Who};
use super::words::split;

/// How the first word of each statement is used.
const STATEMENTS: [(&str, &str); 4] = [
    ("at", "`at 10s power off lb01`"),
    ("expect", "`expect lb02 owns VI_1 within 4s`"),
    ("until", "`until 90s`"),
    ("title", "`title nobody notices a reboot`"),
];

/// What stands around a scenario.
pub(crate) struct Setting<'a> {
    /// Who plays.
    pub(crate) cast: &'a Cast,
    /// Reads the configuration that a reload names; the error says what is wrong with it.
    pub(crate) configuration: &'a dyn Fn(&str) -> std::result::Result<Host, String>,
    /// How long to look on after the last thing that happens, when no end is given.
    pub(crate) slack: Duration,
}

/// A scenario so far.
struct Draft {
    scenario: Scenario,
    /// When the last thing happened.
    since: Duration,
    until: Option<Duration>,
    mistakes: Vec<Mistake>,
}

/// Reads the text of a scenario.
///
/// # Errors
/// Everything that was not understood, in the order of the text.
pub(crate) fn parse(
    name: &str,
    text: &str,
    setting: &Setting<'_>,
) -> std::result::Result<Scenario, Vec<Mistake>> {
    let scenario = Scenario {
        name: name.to_owned(),
        title: String::new(),
        remarks: Vec::new(),
        acts: Vec::new(),
        told: Vec::new(),
        expectations: Vec::new(),
        until: Duration::ZERO,
    };
    let mut draft = Draft { scenario, since: Duration::ZERO, until: None, mistakes: Vec::new() };
    let mut from = 0;
    for (number, whole) in text.split_inclusive('\n').enumerate() {
        let line = Line::new(whole.trim_end(), from, split(whole.trim_end(), from), setting.cast);
        if let Err(mistake) = draft.statement(line, number + 1, setting) {
            draft.mistakes.push(mistake);
        }
        from += whole.len();
    }
    draft.finish(setting)
}

impl Draft {
    fn statement(&mut self, mut line: Line<'_>, number: usize, setting: &Setting<'_>) -> Result<()> {
        let Some(first) = line.peek() else { return Ok(()) };
        line.skip();
        match first.text.to_ascii_lowercase().as_str() {
            "at" => {
                let (at, place) = line.time()?;
                self.since = at;
                if line.take("expect") {
                    return self.expectation(line, number, Some(at));
                }
                let told = line.rest().to_owned();
                let acts = act(&mut line, setting)?;
                line.finish()?;
                self.scenario.acts.extend(acts.into_iter().map(|act| (at, act)));
                self.scenario.told.push((at, told));
                if self.until.is_some_and(|until| at > until) {
                    return Err(
                        Mistake::new(place, "this happens after the end").help("`until` comes too early")
                    );
                }
                Ok(())
            }
            "expect" => self.expectation(line, number, None),
            "until" | "end" => {
                let (until, place) = line.time()?;
                line.finish()?;
                if self.until.replace(until).is_some() {
                    return Err(Mistake::new(place, "there are two ends").help("keep one `until`"));
                }
                let last = self.scenario.acts.iter().map(|(at, _)| *at).max().unwrap_or_default();
                if until < last {
                    let help = format!("something happens at {}s: write a later time", last.as_secs_f64());
                    return Err(Mistake::new(place, "this ends before all has happened").help(help));
                }
                Ok(())
            }
            "title" | "name" => {
                self.scenario.title = line.rest().to_owned();
                Ok(())
            }
            other => Err(unknown(first, other)),
        }
    }

    fn expectation(&mut self, mut line: Line<'_>, number: usize, at: Option<Duration>) -> Result<()> {
        let text = line.rest().to_owned();
        let text = if let Some(at) = at { format!("{text} at {}s", at.as_secs_f64()) } else { text };
        let place = line.place();
        let (services, claim) = claim(&mut line, at)?;
        line.finish()?;
        let since = self.since;
        self.scenario.expectations.push(Expectation { text, line: number, place, since, services, claim });
        Ok(())
    }

    fn finish(mut self, setting: &Setting<'_>) -> std::result::Result<Scenario, Vec<Mistake>> {
        let mut scenario = self.scenario;
        let last =
            scenario.acts.iter().map(|(at, _)| *at).chain(scenario.expectations.iter().map(needs)).max();
        scenario.until = self.until.unwrap_or(last.unwrap_or_default() + setting.slack);
        for expectation in &scenario.expectations {
            if needs(expectation) > scenario.until {
                let help = format!("write `until {}s` or later", needs(expectation).as_secs_f64());
                let mistake =
                    Mistake::new(expectation.place, "this is decided only after the end").help(help);
                self.mistakes.push(mistake);
            }
        }
        if !self.mistakes.is_empty() {
            return Err(self.mistakes);
        }
        start_the_rest(&mut scenario, setting.cast);
        // Stable: what happens at one moment happens as it was written.
        scenario.acts.sort_by_key(|(at, _)| *at);
        scenario.told.sort_by_key(|(at, _)| *at);
        Ok(scenario)
    }
}

/// When an expectation can be judged.
fn needs(expectation: &Expectation) -> Duration {
    match expectation.claim {
        Claim::Owns(_, When::Within(time)) | Claim::One(time) => expectation.since + time,
        Claim::Owns(_, When::At(time) | When::Through(_, time)) => time,
        Claim::Owns(_, When::End)
        | Claim::Nobody(_)
        | Claim::Two(_)
        | Claim::Silence(_)
        | Claim::Owners(_) => expectation.since,
    }
}

/// Nodes that are neither started nor switched on run from the beginning.
fn start_the_rest(scenario: &mut Scenario, cast: &Cast) {
    let is_started = |node: usize| {
        let first =
            scenario.acts.iter().filter(|(_, act)| act.subject() == Some(node)).min_by_key(|(at, _)| *at);
        matches!(first, Some((_, Act::Start(_) | Act::PowerOn(_))))
    };
    let rest: Vec<usize> = (0..cast.nodes.len()).filter(|node| !is_started(*node)).collect();
    if rest.is_empty() {
        return;
    }
    let names: Vec<&str> = rest.iter().map(|node| cast.name(*node)).collect();
    scenario.told.insert(0, (Duration::ZERO, format!("start {}", names.join(", "))));
    scenario.acts.splice(0..0, rest.iter().map(|node| (Duration::ZERO, Act::Start(*node))));
}

fn unknown(first: super::words::Word<'_>, word: &str) -> Mistake {
    if let Some((_, example)) = VERBS.iter().find(|(verb, _)| *verb == word) {
        return Mistake::at(first, "when does this happen?").help(format!("write {example}"));
    }
    let known = STATEMENTS.iter().chain(&VERBS);
    let near = nearest(word, known.clone().map(|(known, _)| *known));
    let example = known.clone().find(|(known, _)| Some(*known) == near);
    let help = match example {
        Some((word, example)) => format!("did you mean `{word}`? {example}"),
        None => "a line begins with `at`, `expect`, `until` or `title`; # begins a comment".to_owned(),
    };
    Mistake::at(first, format!("`{}` begins no statement", first.text)).help(help)
}

/// What happens, after the time.
fn act(line: &mut Line<'_>, setting: &Setting<'_>) -> Result<Vec<Act>> {
    let each = |nodes: Vec<usize>, act: fn(usize) -> Act| Ok(nodes.into_iter().map(act).collect());
    match line.verb()? {
        "start" => each(line.nodes(&[])?, Act::Start),
        "stop" => each(line.nodes(&[])?, Act::Stop),
        "crash" => each(line.nodes(&[])?, Act::Crash),
        "power" => match line.one_of(&["off", "on"])? {
            "off" => each(line.nodes(&[])?, Act::PowerOff),
            _ => each(line.nodes(&[])?, Act::PowerOn),
        },
        verb @ ("pause" | "freeze") => {
            let nodes = line.nodes(&["for"])?;
            line.one_of(&["for"])?;
            let (time, _) = line.time()?;
            let act = if verb == "pause" { Act::Pause } else { Act::Freeze };
            Ok(nodes.into_iter().map(|node| act(node, time)).collect())
        }
        "reload" => reload(line, setting),
        "cut" => cut(line),
        "lose" => {
            let percent = line.percent()?;
            Ok(line.paths()?.into_iter().map(|(from, to)| Act::Lose(from, to, percent)).collect())
        }
        "delay" => {
            let (time, _) = line.time()?;
            Ok(line.paths()?.into_iter().map(|(from, to)| Act::Delay(from, to, time)).collect())
        }
        "heal" => heal(line),
        "unplug" => cable(line, false),
        "plug" => cable(line, true),
        "script" => script(line),
        "bfd" => bfd(line),
        "remove" => remove(line),
        other => Err(line.here(format!("`{other}` is not a thing that happens"))),
    }
}

fn reload(line: &mut Line<'_>, setting: &Setting<'_>) -> Result<Vec<Act>> {
    let nodes = line.nodes(&["with"])?;
    line.one_of(&["with"])?;
    let file = line.next("the file that it reads")?;
    let host = (setting.configuration)(file.text).map_err(|why| {
        Mistake::at(file, format!("cannot reload with this file: {why}"))
            .help("a path begins at the directory of this file; `standfast check` says more")
    })?;
    Ok(nodes.into_iter().map(|node| Act::Reload(node, Box::new(host.clone()))).collect())
}

fn cut(line: &mut Line<'_>) -> Result<Vec<Act>> {
    if line.has_arrow() {
        return Ok(line.paths()?.into_iter().map(|(from, to)| Act::Cut(from, to)).collect());
    }
    Ok(line.nodes(&[])?.into_iter().map(Act::Isolate).collect())
}

fn heal(line: &mut Line<'_>) -> Result<Vec<Act>> {
    if line.peek().is_none() {
        return Ok(vec![Act::Heal]);
    }
    if line.has_arrow() {
        return Ok(line.paths()?.into_iter().map(|(from, to)| Act::Mend(from, to)).collect());
    }
    Ok(line.nodes(&[])?.into_iter().map(Act::Rejoin).collect())
}

fn cable(line: &mut Line<'_>, plugged: bool) -> Result<Vec<Act>> {
    let node = line.node()?;
    let Some(word) = line.peek() else { return Ok(vec![Act::Cable(node, None, plugged)]) };
    line.skip();
    let host = line.cast().nodes.get(node).map(|node| &node.host);
    let mut known: Vec<&str> = host.map(interfaces).unwrap_or_default();
    known.sort_unstable();
    known.dedup();
    if known.contains(&word.text) {
        return Ok(vec![Act::Cable(node, Some(word.text.to_owned()), plugged)]);
    }
    Err(line.unknown(word, "an interface that this node uses", &known))
}

/// The interfaces that a configuration names.
fn interfaces(host: &Host) -> Vec<&str> {
    let own = host.instances.iter().filter_map(|instance| instance.home.interface()).map(|name| &**name);
    let tracked = host.instances.iter().flat_map(|i| i.track_interfaces.iter().map(|t| &*t.interface));
    let by_groups = host.groups.iter().flat_map(|g| g.track_interfaces.iter().map(|t| &*t.interface));
    let fixed = host.static_addresses.iter().filter_map(|one| one.interface().map(|name| &**name));
    own.chain(tracked).chain(by_groups).chain(fixed).collect()
}

fn script(line: &mut Line<'_>) -> Result<Vec<Act>> {
    let name = line.next("the name of a vrrp_script")?;
    line.one_of(&["on"])?;
    let nodes = line.nodes(&["fails", "succeeds"])?;
    let ok = line.one_of(&["fails", "succeeds"])? == "succeeds";
    for node in &nodes {
        let scripts: Vec<&str> = match line.cast().nodes.get(*node) {
            Some(node) => node.host.scripts.iter().map(|script| &*script.name).collect(),
            None => Vec::new(),
        };
        if !scripts.contains(&name.text) {
            let what = format!("a script that {} tracks", line.cast().name(*node));
            return Err(line.unknown(name, &what, &scripts));
        }
    }
    Ok(nodes.into_iter().map(|node| Act::Script(node, name.text.to_owned(), ok)).collect())
}

fn bfd(line: &mut Line<'_>) -> Result<Vec<Act>> {
    let name = line.next("the name of a bfd_instance")?;
    line.one_of(&["on"])?;
    let nodes = line.nodes(&["up", "down"])?;
    let is_up = line.one_of(&["up", "down"])? == "up";
    for node in &nodes {
        let sessions: Vec<&str> = match line.cast().nodes.get(*node) {
            Some(node) => node.host.bfd.iter().map(|bfd| &*bfd.name).collect(),
            None => Vec::new(),
        };
        if !sessions.contains(&name.text) {
            let what = format!("a BFD session of {}", line.cast().name(*node));
            return Err(line.unknown(name, &what, &sessions));
        }
    }
    Ok(nodes.into_iter().map(|node| Act::Bfd(node, name.text.to_owned(), is_up)).collect())
}

fn remove(line: &mut Line<'_>) -> Result<Vec<Act>> {
    let word = line.next("a virtual address")?;
    let Ok(address) = word.text.parse::<IpAddr>() else {
        return Err(Mistake::at(word, format!("`{}` is no address", word.text))
            .help("`at 30s remove 10.0.0.3 on lb01`"));
    };
    line.one_of(&["on", "from"])?;
    let nodes = line.nodes(&[])?;
    for node in &nodes {
        let known = virtual_addresses(line.cast(), *node);
        if !known.contains(&address) {
            let names: Vec<String> = known.iter().map(IpAddr::to_string).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let what = format!("a virtual address of {}", line.cast().name(*node));
            return Err(line.unknown(word, &what, &names));
        }
    }
    Ok(nodes.into_iter().map(|node| Act::Remove(node, address)).collect())
}

fn virtual_addresses(cast: &Cast, node: usize) -> BTreeSet<IpAddr> {
    let instances = cast.nodes.get(node).into_iter().flat_map(|node| &node.host.instances);
    instances.flat_map(|instance| instance.held_addresses()).map(|held| held.address).collect()
}

/// What is expected, after `expect`.
fn claim(line: &mut Line<'_>, at: Option<Duration>) -> Result<(Vec<usize>, Claim)> {
    let Some(first) = line.peek() else { return Err(line.expectation_missing()) };
    match first.text {
        "never" => {
            line.skip();
            if line.one_of(&["two", "nobody", "silence"])? == "two" {
                line.one_of(&["owners"])?;
                return Ok((line.services_of(&[])?, Claim::Two(Duration::ZERO)));
            }
            Err(line
                .back("this cannot be ruled out from the start", "`expect nobody owns VI_1 for at most 4s`"))
        }
        "two" => {
            line.skip();
            line.one_of(&["owners"])?;
            let services = line.services_of(&["for"])?;
            Ok((services, Claim::Two(line.at_most()?)))
        }
        "one" => {
            line.skip();
            line.one_of(&["owner"])?;
            let services = line.services_of(&["within"])?;
            line.one_of(&["within"])?;
            Ok((services, Claim::One(line.time()?.0)))
        }
        "silence" => {
            line.skip();
            let services = line.services_of(&["for"])?;
            Ok((services, Claim::Silence(line.at_most()?)))
        }
        "owners" | "owners:" => {
            line.skip();
            let services = line.services_of(&[":", "are"])?;
            if !line.after_colon() {
                line.one_of(&["are"])?;
            }
            Ok((services, Claim::Owners(line.nodes(&[])?)))
        }
        _ => owns(line, at),
    }
}

fn owns(line: &mut Line<'_>, at: Option<Duration>) -> Result<(Vec<usize>, Claim)> {
    let who = match line.peek().map(|word| word.text) {
        Some("somebody") => Who::Somebody,
        Some("nobody") => Who::Nobody,
        _ => Who::Node(line.node()?),
    };
    if !matches!(who, Who::Node(_)) {
        line.skip();
    }
    if !line.take("owns") {
        let found = line.peek().map_or_else(String::new, |word| format!(", not `{}`", word.text));
        let help = "for example `expect lb02 owns VI_1 within 4s`";
        return Err(line.here(format!("`owns` was expected{found}")).help(help));
    }
    let services = line.services(&["within", "at", "from", "for"])?;
    let when = match at {
        Some(at) if line.peek().is_none() => When::At(at),
        _ if line.peek().is_none() => {
            let help = "within 4s, at 20s, from 20s to 40s, or at the end";
            return Err(line.here("when is this expected?".to_owned()).help(help));
        }
        _ => match line.one_of(&["within", "at", "from", "for"])? {
            "within" => When::Within(line.time()?.0),
            "at" if line.take("the") => {
                line.one_of(&["end"])?;
                When::End
            }
            "at" if line.take("end") => When::End,
            "at" => When::At(line.time()?.0),
            "from" => {
                let (from, _) = line.time()?;
                line.one_of(&["to"])?;
                let (to, place) = line.time()?;
                if to < from {
                    return Err(Mistake::new(place, "this is before the beginning")
                        .help("write the earlier time first"));
                }
                When::Through(from, to)
            }
            _ if who == Who::Nobody => return Ok((services, Claim::Nobody(line.most()?))),
            _ => {
                let help = "`from 20s to 40s` says how long; `for at most` goes with `nobody`";
                return Err(line.back("this cannot be bounded", help));
            }
        },
    };
    Ok((services, Claim::Owns(who, when)))
}
