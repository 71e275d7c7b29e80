//! `standfast demo`: one failover, for real, in front of the reader's eyes.
//!
//! It builds a laboratory of its own (private namespaces: lb01, lb02, a client, a switch), runs two real daemons
//! in it with the configurations of the reference scenario, crashes and stops them, lets a service die, cuts the way
//! between them, and shows what happened beside what the protocol allows. It needs no other program and touches
//! nothing outside: see [`lab`].
//!
//! `measure` and `judge` decide from recorded facts alone and can be tested without a laboratory; `world` and
//! `story` make the facts; `report`, `chart`, `screen` and `draw` show them.
//!
//! # What this is not
//! It is no benchmark: it shares this machine with whatever else runs, and says by how much that was felt.

mod chart;
mod judge;
mod measure;
mod report;
mod scenario;
mod screen;
mod service;
mod story;
mod world;

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linux::signals::{Signal, Signals};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use serde_json::json;
use timeline::Instant;

use crate::draw::ink::{Ink, Line, Look};
use crate::draw::svg;
use crate::draw::words::{WIDTH, count, millis, seconds, span, wrap};
use chart::Chart;
use measure::{History, Hold, What};
use scenario::{ASKS_EVERY, CLIENT, VIP, VRID, Who};
use screen::Screen;
use story::Story;
use world::{Eyes, Program, World};

/// All was as it should be.
const OK: u8 = 0;
/// Something was off.
const OFF: u8 = 1;
/// There can be no laboratory here.
const NO_LAB: u8 = 4;
/// It was interrupted (128 and the number of SIGINT).
const INTERRUPTED: i32 = 130;
/// How long the first page of the whole story is, about, and that of the quick one: the live time line has this
/// length from the start.
const LENGTHS: [Duration; 2] = [Duration::from_secs(33), Duration::from_secs(18)];
/// How long the second page is.
const SECOND: Duration = Duration::from_secs(30);
/// Lines of a daemon's log that are shown when something was off.
const EXCERPT: usize = 12;

/// Options of `standfast demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The first four steps only: about 18 seconds instead of 55
    #[arg(long)]
    pub quick: bool,
    /// One JSON document with every fact instead of text
    #[arg(long)]
    pub json: bool,
    /// Leave captures (for tcpdump), logs and configurations in this directory
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Run this program as lb02 (/usr/sbin/keepalived, say)
    #[arg(long, value_name = "PROGRAM")]
    pub peer: Option<PathBuf>,
    /// ASCII only [default: as the locale says]
    #[arg(long)]
    pub ascii: bool,
    /// Run this program on both
    #[arg(long, value_name = "PROGRAM", hide = true)]
    pub daemon: Option<PathBuf>,
    /// Draw the final screen into this file
    #[arg(long, value_name = "FILE", hide = true)]
    pub svg: Option<PathBuf>,
    /// Be the service of this machine, inside the laboratory
    #[arg(long, value_name = "NAME", hide = true)]
    pub serve: Option<String>,
}

/// Runs the demonstration. Call it before there are threads. Returns the exit code: 0 if all was as the
/// protocol demands, 1 if not, 4 if there can be no laboratory on this machine.
#[must_use]
pub fn run(args: &Args) -> u8 {
    if let Some(name) = &args.serve {
        return match service::serve(name) {
            Ok(never) => match never {},
            Err(why) => complain(OFF, &why),
        };
    }
    // Opened outside: inside, some directories (/run) are others.
    let outputs = match Outputs::open(args) {
        Ok(outputs) => outputs,
        Err(why) => return complain(OFF, &why),
    };
    if let Err(refusal) = lab::enter() {
        return complain(NO_LAB, &refusal);
    }
    // Before there are threads, all of which inherit the mask.
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(why) => return complain(NO_LAB, &why),
    };
    let (lab, programs) = match prepare(args) {
        Ok(prepared) => prepared,
        Err(why) => return complain(NO_LAB, &why),
    };
    match world::watch(&lab) {
        Ok(eyes) => {
            play(args, &outputs, &Stage { lab: &lab, eyes: &eyes, programs: &programs, signals: &signals })
        }
        Err(why) => complain(NO_LAB, &why),
    }
}

fn complain(code: u8, why: &dyn std::fmt::Display) -> u8 {
    let _ = writeln!(std::io::stderr(), "standfast demo: {why}");
    code
}

/// Files that were asked for, open.
struct Outputs {
    keep: Option<File>,
    svg: Option<File>,
}

impl Outputs {
    fn open(args: &Args) -> Result<Self, String> {
        let failed = |doing: &str, path: &Path, why: std::io::Error| {
            format!("cannot {doing} {}: {why}", path.display())
        };
        let directory = |path: &PathBuf| {
            std::fs::create_dir_all(path)
                .and_then(|()| File::open(path))
                .map_err(|why| failed("make the directory", path, why))
        };
        let file = |path: &PathBuf| File::create(path).map_err(|why| failed("write", path, why));
        Ok(Self {
            keep: args.keep.as_ref().map(directory).transpose()?,
            svg: args.svg.as_ref().map(file).transpose()?,
        })
    }
}

fn prepare(args: &Args) -> lab::Result<(lab::Lab, [Program; 2])> {
    let lab = world::build()?;
    let program =
        |path: Option<&PathBuf>| path.map_or_else(|| Ok(Program::own()), |path| Program::other(path, &lab));
    let programs = [program(args.daemon.as_ref())?, program(args.peer.as_ref().or(args.daemon.as_ref()))?];
    Ok((lab, programs))
}

/// All that the story needs.
struct Stage<'a> {
    lab: &'a lab::Lab,
    eyes: &'a Eyes,
    programs: &'a [Program; 2],
    signals: &'a Signals,
}

/// Plays the story, with the screen and the signals on threads of their own; returns the exit code.
fn play(args: &Args, outputs: &Outputs, stage: &Stage<'_>) -> u8 {
    let screen = Screen::new(Look::detect(args.ascii), args.json);
    let length = LENGTHS[usize::from(args.quick)];
    let done = match eventfd(0, EventfdFlags::CLOEXEC) {
        Ok(done) => done,
        Err(why) => return complain(NO_LAB, &why),
    };
    screen.say(headline(stage.programs));
    let story = std::thread::scope(|scope| {
        scope.spawn(|| screen.animate(|| live(stage.eyes, length)));
        scope.spawn(|| heed(stage.signals, &done, &screen));
        let mut story = Story::new(World::new(stage.lab, stage.eyes, stage.programs, stage.signals), &screen);
        story.play(args.quick);
        screen.end();
        // The counter of an eventfd of our own takes a 1 at any time.
        let _ = rustix::io::write(&done, &1_u64.to_ne_bytes());
        story
    });
    let history = stage.eyes.history();
    let ok = story.steps.iter().all(|step| step.off() == 0);
    screen.say(ending(&story, &history, stage.eyes));
    if args.json {
        let document = document(&story, &history, stage);
        let _ = writeln!(std::io::stdout(), "{document:#}");
    }
    match save(args, outputs, &story, &screen) {
        Ok(()) if ok => OK,
        Ok(()) => OFF,
        Err(why) => complain(OFF, &why),
    }
}

/// Ends the program in order when it is told to. With it everything ends that it started: the kernel sees to that.
fn heed(signals: &Signals, done: &rustix::fd::OwnedFd, screen: &Screen) {
    loop {
        let mut ready = [PollFd::new(signals, PollFlags::IN), PollFd::new(done, PollFlags::IN)];
        if poll(&mut ready, None).is_err() {
            continue;
        }
        while let Ok(Some(received)) = signals.next() {
            if matches!(received.signal, Signal::Interrupt | Signal::Terminate | Signal::Hangup) {
                screen.end();
                let text = "standfast demo: interrupted; its machines and daemons are gone\n";
                let _ = std::io::stderr().write_all(text.as_bytes());
                std::process::exit(INTERRUPTED);
            }
        }
        if !ready[1].revents().is_empty() {
            return;
        }
    }
}

/// What is shown before the first step.
fn headline(programs: &[Program; 2]) -> Vec<Line> {
    let title = Line::plain(" ").add(Ink::Bold, "Two load balancers, one address, one client").flush(
        Ink::Dim,
        "everything in private namespaces",
        WIDTH,
    );
    let rows = Who::BOTH.map(|who| {
        Line::plain("   ")
            .add(chart::ink(who), who.name())
            .add(Ink::Plain, format!("    {}  priority {}  ", who.address(), who.priority()))
            .add(Ink::Dim, programs[who.index()].version.clone())
    });
    let [one, two] = rows;
    let client = Line::plain(format!("   client  {CLIENT}  asks {VIP} every {} ms", ASKS_EVERY.as_millis()));
    let protocol = format!("VRRPv2, VRID {VRID}, every 1 s");
    vec![title, one, two, client.flush(Ink::Dim, &protocol, WIDTH), Line::default()]
}

/// The lines that are drawn anew while the story goes on.
fn live(eyes: &Eyes, length: Duration) -> Vec<Line> {
    let history = eyes.history();
    let ends = match eyes.page() {
        Some(page) => (page, history.taken.max(page + SECOND)),
        None => (history.begun, history.taken.max(history.begun + length)),
    };
    let mut lines = Chart::new(&history, &eyes.chapters(), ends).lines();
    lines.push(status(&history));
    lines
}

/// Who holds the address, when the last advert came, and how the client fares.
fn status(history: &History) -> Line {
    let now = history.taken;
    let holders = history.holds.iter().filter(|hold| hold.until == now);
    let holders: Vec<Who> = holders.map(|hold| hold.who).collect();
    let line = match holders[..] {
        [] => Line::plain(" now     ").add(Ink::Silent, "nobody holds it"),
        [who] => Line::plain(" now     ").add(chart::ink(who), format!("{} holds it", who.name())),
        _ => Line::plain(" now     ").add(Ink::Bad, "two hold it"),
    };
    let advert = history.sights.iter().rev().find(|sight| matches!(sight.what, What::Advert { .. }));
    let line = match advert {
        Some(advert) => {
            let age = now.since(advert.at).as_secs_f64();
            let by = advert.who.map_or("nobody", Who::name);
            line.add(Ink::Dim, format!(", last advert by {by} {age:.1} s ago"))
        }
        None => line.add(Ink::Dim, ", no advert yet"),
    };
    match history.answers.last() {
        Some(answer) if now.since(answer.at) < Duration::from_millis(100) => {
            let by = history.owner_of(answer.by).map_or("somebody", Who::name);
            line.add(Ink::Dim, format!(", client answered by {by}"))
        }
        Some(answer) => {
            line.add(Ink::Silent, format!(", client waits for {:.1} s", now.since(answer.at).as_secs_f64()))
        }
        None => line.add(Ink::Silent, ", client was never answered yet"),
    }
}

/// The time line, the log excerpts if something was off, and the verdict.
fn ending(story: &Story<'_>, history: &History, eyes: &Eyes) -> Vec<Line> {
    let chapters = eyes.chapters();
    let mut lines = Vec::new();
    for ends in chart::pages(history.begun, eyes.page(), history.taken) {
        lines.extend(Chart::new(history, &chapters, ends).lines());
    }
    lines.extend([Chart::legend(), Line::default()]);
    let off: usize = story.steps.iter().map(report::Step::off).sum();
    if let Some(step) = story.steps.iter().find(|step| step.off() > 0) {
        lines.extend(excerpts(story, step, history.begun));
    }
    let checks: usize = story.steps.iter().map(|step| step.checks.len()).sum();
    let steps = count(story.steps.len(), "step");
    let took = history.taken.since(history.begun).as_secs();
    if off == 0 {
        let text = format!(" ✓ as the protocol demands: {checks} checks in {steps}, {took} s");
        lines.push(Line::default().add(Ink::Good, text));
        let silent = |number: usize| silence_of(story, number).map_or("?".to_owned(), span);
        lines.push(Line::plain(format!(
            "   the client waited {} (crash), {} (return), {} (orderly stop)",
            silent(2),
            silent(3),
            silent(4)
        )));
        lines.extend(last_words(story).into_iter().flatten().map(Line::plain));
    } else {
        let be = if off == 1 { "is" } else { "are" };
        let text = format!(" ✗ {off} of {} {be} off, in {steps}, {took} s", count(checks, "check"));
        lines.push(Line::default().add(Ink::Bad, text));
    }
    if off > 0 {
        lines.extend(advice());
    }
    lines
}

/// What the whole story adds: the service, and the two holders.
fn last_words(story: &Story<'_>) -> Option<Vec<String>> {
    let ms = |number, check, fact| fact_of(story, number, check, fact).and_then(from_millis);
    let served = ms(6, "service", "silent_ms")?;
    let after = ms(7, "holders", "after_heal_ms")?;
    let text = format!(
        "   nobody served for {} (dead service); two held the address for {} after the heal",
        span(served),
        span(after)
    );
    Some(wrap(&text, 3))
}

/// How long the client was not answered in a step.
fn silence_of(story: &Story<'_>, number: usize) -> Option<Duration> {
    from_millis(fact_of(story, number, "client", "silent_ms")?)
}

/// A number that a check of a step has found.
fn fact_of(story: &Story<'_>, number: usize, check: &str, fact: &str) -> Option<f64> {
    let step = story.steps.iter().find(|step| step.number == number)?;
    let check = step.checks.iter().find(|known| known.name == check)?;
    check.facts.get(fact)?.as_f64()
}

fn from_millis(millis: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(millis / 1e3).ok()
}

/// What the daemons said during a step.
fn excerpts(story: &Story<'_>, step: &report::Step, begun: Instant) -> Vec<Line> {
    let mut lines = Vec::new();
    for who in Who::BOTH {
        let said = story.world.said(who, step.from, step.until);
        let title = format!(" log of {} in step {}, the last lines:", who.name(), step.number);
        lines.push(Line::default().add(Ink::Bold, title));
        if said.is_empty() {
            lines.push(Line::default().add(Ink::Dim, "   (nothing)"));
        }
        for line in said.iter().skip(said.len().saturating_sub(EXCERPT)) {
            let text = format!("   {:7.3} s  {}", seconds(line.at, begun), without_time(&line.text));
            lines.extend(wrap(&text, 14).into_iter().map(|row| Line::default().add(Ink::Dim, row)));
        }
    }
    lines.push(Line::default());
    lines
}

/// A log line without its own time, of which ours (RFC 3339) and keepalived's (`Sun Nov 22 15:27:45 2026: `) are known.
fn without_time(line: &str) -> &str {
    let year = |text: &str| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((stamp, rest)) = line.split_once(' ')
        && stamp.get(..4).is_some_and(year)
        && stamp.get(10..11) == Some("T")
    {
        return rest;
    }
    match line.split_at_checked(24) {
        Some((stamp, rest)) if stamp.get(20..).is_some_and(year) => rest.strip_prefix(": ").unwrap_or(line),
        _ => line,
    }
}

fn advice() -> Vec<Line> {
    let text = " Run it again with --keep DIR for captures (tcpdump -nn -r DIR/client.pcap), whole logs and the \
                configurations. On a machine with much other work, times can be off without a fault.";
    wrap(text, 3).into_iter().map(Line::plain).collect()
}

/// Everything as JSON; times are seconds since the machines stood ready.
fn document(story: &Story<'_>, history: &History, stage: &Stage<'_>) -> serde_json::Value {
    let begun = stage.eyes.begun();
    let holders = history.holds.iter().map(|hold| {
        json!({
            "machine": hold.who.name(), "from_s": seconds(hold.from, begun), "until_s": seconds(hold.until, begun),
        })
    });
    let silences = history
        .gaps()
        .filter(|gap| gap.length() >= Duration::from_millis(50))
        .map(|gap| json!({ "from_s": seconds(gap.from, begun), "until_s": seconds(gap.until, begun) }));
    let served = |served: Hold| {
        json!({
            "machine": served.who.name(), "from_s": seconds(served.from, begun), "until_s": seconds(served.until, begun),
        })
    };
    let machines = Who::BOTH.map(|who| {
        json!({
            "name": who.name(), "address": who.address(), "mac": history.macs[who.index()].to_string(),
            "priority": who.priority(), "daemon": stage.programs[who.index()].version,
        })
    });
    let off: usize = story.steps.iter().map(report::Step::off).sum();
    json!({
        "standfast": env!("CARGO_PKG_VERSION"),
        "address": VIP,
        "vrid": VRID,
        "machines": machines,
        "client": { "address": CLIENT, "asks_every_ms": millis(ASKS_EVERY) },
        "steps": story.steps.iter().map(|step| step.json(begun)).collect::<Vec<_>>(),
        "timeline": {
            "holders": holders.collect::<Vec<_>>(),
            "silences": silences.collect::<Vec<_>>(),
            "service": history.served().into_iter().map(served).collect::<Vec<_>>(),
        },
        "seconds": seconds(history.taken, begun),
        "off": off,
        "ok": off == 0,
    })
}

/// Writes what was asked for into files.
fn save(args: &Args, outputs: &Outputs, story: &Story<'_>, screen: &Screen) -> Result<(), String> {
    if let (Some(directory), Some(name)) = (&outputs.keep, &args.keep) {
        let inside = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        story.world.keep(&inside).map_err(|why| why.to_string())?;
        let text = format!(" kept in {}: captures, logs, configurations", name.display());
        screen.say([Line::default().add(Ink::Dim, text)]);
    }
    if let Some(mut file) = outputs.svg.as_ref() {
        let picture = svg::picture("standfast demo", &screen.said());
        file.write_all(picture.as_bytes()).map_err(|why| format!("cannot write the picture: {why}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_lose_their_own_time() {
        for line in [
            "2026-11-22T15:36:07.194+00:00 (VI_1) Entering MASTER STATE",
            "Sun Nov 22 15:27:45 2026: (VI_1) Entering MASTER STATE",
            "(VI_1) Entering MASTER STATE",
        ] {
            assert_eq!(without_time(line), "(VI_1) Entering MASTER STATE");
        }
        assert_eq!(without_time(""), "");
    }
}
