//! `standfast simulate`: what happens to the addresses of these configurations if ...
//!
//! The configurations run in the simulated world of [`sim`], in virtual time. `cast` says who plays; `words`,
//! `line` and `parse` read the text of a scenario, `builtin` writes those that everybody asks about in the same
//! text; `world` lets a scenario happen; `history` and `judge` decide from what was recorded alone, by the
//! protocol's own arithmetic (`law`); `tell`, `chart`, `alike` and `json` show it.
//!
//! # What this is not
//! It is no proof about a kernel, a switch or a firewall: it knows of them what the scenario says.

mod alike;
mod builtin;
mod cast;
mod chart;
mod history;
mod json;
mod judge;
mod law;
mod line;
mod parse;
mod scenario;
mod tell;
mod words;
mod world;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Id, Severity, Sources, Span, Surroundings, nearest, pair};
use model::Host;
use timeline::Instant;

use crate::check::{self, Colour, here};
use crate::draw::ink::{Ink, Line, Look};
use crate::draw::svg;
use crate::report::{Reporter, Tally};
use crate::sources::{self, Read};
use builtin::{Builtin, Play, Stage};
use cast::Cast;
use history::History;
use law::Law;
use line::Mistake;
use parse::{Setting, parse};
use scenario::Scenario;
use tell::Outcome;

/// All expectations were kept.
const KEPT: u8 = 0;
/// An expectation was not kept.
const BROKEN: u8 = 1;
/// A file or a scenario is wrong.
const WRONG: u8 = 2;
/// So many hints about the files are shown.
const HINTS: usize = 4;
/// So many mistakes of a scenario are shown.
const MISTAKES: usize = 30;
/// No scenario is larger, in bytes.
const LARGEST: u64 = 4 << 20;

/// Keywords of what steers an address besides the protocol.
const STEERING: [&str; 7] = [
    "vrrp_script",
    "track_script",
    "vrrp_track_process",
    "track_process",
    "vrrp_track_file",
    "track_file",
    "vrrp_sync_group",
];

/// Options of `standfast simulate`.
#[derive(Debug, Default, clap::Args)]
#[command(
    after_help = "Ends with 0 (all expectations kept), 1 (one was not) or 2 (a file or a scenario is wrong).\n\
    --list names the built-in scenarios; --print NAME writes one for your files, to change it. A scenario of your own:\n\n  \
    at 0s start lb01, lb02\n  at 10s power off lb01\n  expect lb02 owns VI_1 within 4s\n  \
    at 30s power on lb01\n  expect never two owners of VI_1\n  expect owners of VI_1: lb01 lb02 lb01\n  until 60s"
)]
pub struct Args {
    /// The keepalived.conf of each node, - for the standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Play this one: a built-in name, or a file; can be given several times [default: all built-in ones]
    #[arg(short, long = "scenario", value_name = "NAME|FILE")]
    pub scenarios: Vec<String>,
    /// The configuration for the scenario `reload`; NODE=FILE for another node than the first owner
    #[arg(long, value_name = "[NODE=]FILE")]
    pub reload_with: Option<String>,
    /// Name the built-in scenarios
    #[arg(long)]
    pub list: bool,
    /// Write the text of a built-in scenario, for these files
    #[arg(long, value_name = "NAME", conflicts_with_all = ["scenarios", "json", "svg"])]
    pub print: Option<String>,
    /// Only the list of results, and what was not kept
    #[arg(short, long)]
    pub brief: bool,
    /// Another number is another network: other delays, other clocks
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// One JSON document with every fact instead of text
    #[arg(long)]
    pub json: bool,
    /// Draw it into this file, - for the standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub svg: Option<PathBuf>,
    /// ASCII only [default: as the locale says]
    #[arg(long)]
    pub ascii: bool,
    /// Id for @ID lines in the configurations [default: the host's short name]
    #[arg(short = 'i', long, value_name = "ID")]
    pub config_id: Option<String>,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
}

/// Plays, shows, and returns the exit code. A reader that went away does not change it.
pub fn run(args: &Args, out: &mut dyn Write) -> u8 {
    if args.list {
        // Nobody is left to tell when writing fails; the exit code still says it all.
        let _ = list(out);
        return KEPT;
    }
    match Company::read(args, out) {
        Ok(company) => company.run(args, out),
        Err(code) => code,
    }
}

fn list(out: &mut dyn Write) -> io::Result<()> {
    for builtin in builtin::ALL {
        writeln!(out, "{:<15} {}", builtin.name, builtin.about)?;
    }
    Ok(())
}

fn complain(why: &str) -> u8 {
    let _ = writeln!(io::stderr(), "standfast simulate: {why}");
    WRONG
}

/// The files, understood.
struct Company {
    cast: Cast,
    /// What to know about the files before reading on.
    hints: Vec<String>,
    surroundings: Surroundings,
}

/// Why a configuration cannot be played, if it cannot: the simulated world has no routing tables.
fn unplayable(host: &Host) -> Option<String> {
    let routed = host.instances.iter().find(|instance| instance.home.is_routed())?;
    Some(format!(
        "`{}` has no interface, and where routing leads its adverts is not simulated: give it one for this",
        routed.name
    ))
}

/// What was played, or why not.
enum Played {
    Done(Box<Outcome>),
    LeftOut { name: String, why: String },
}

impl Company {
    fn read(args: &Args, out: &mut dyn Write) -> Result<Self, u8> {
        if args.files.is_empty() {
            return Err(complain(
                "name the keepalived.conf of each node: standfast simulate lb01.conf lb02.conf",
            ));
        }
        if args.files.iter().filter(|file| file.as_os_str() == "-").count() > 1 {
            return Err(complain("the standard input can be one node only: - is named twice"));
        }
        let surroundings = here::surroundings(args.config_id.clone(), false);
        let reads = sources::read_each(&args.files, &surroundings);
        if check::refuse(&reads, &args.files, &surroundings, (args.json, args.color.wanted()), out) {
            return Err(WRONG);
        }
        let mut hints = hints(&reads, &args.files);
        let hosts = args.files.iter().zip(reads).filter_map(|(path, read)| match read {
            Read::Done { host: Some(host), .. } => Some((path.as_path(), host)),
            Read::Done { .. } | Read::Absent { .. } => None,
        });
        let hosts: Vec<(&Path, Host)> = hosts.collect();
        if let Some(why) = hosts.iter().find_map(|(_, host)| unplayable(host)) {
            return Err(complain(&why));
        }
        let idle = hosts.iter().find(|(_, host)| host.instances.is_empty()).map(|(path, _)| *path);
        let cast = Cast::new(hosts);
        if let [node] = &cast.nodes[..] {
            hints.insert(
                0,
                format!("{} is alone: nobody can take over; name the files of all nodes", node.name),
            );
        }
        if cast.services.is_empty() {
            return Err(complain("there is no vrrp_instance in these files: nothing can move"));
        }
        if let Some(path) = idle {
            let name = sources::shown(path);
            return Err(complain(&format!(
                "there is no vrrp_instance in {name}: that node can take over nothing"
            )));
        }
        Ok(Self { cast, hints, surroundings })
    }

    fn run(&self, args: &Args, out: &mut dyn Write) -> u8 {
        let reload = match self.reload(args) {
            Ok(reload) => reload,
            Err(why) => return complain(&why),
        };
        let law = Law::new(&self.cast);
        let settled = law.settled();
        let owners = self.owners_when_well(settled, args.seed);
        let first = owners.iter().copied().flatten().next();
        let victim = first.unwrap_or(0);
        let reload = reload.map(|(node, file)| (node.unwrap_or(victim), file));
        let stage = Stage { cast: &self.cast, law, victim, owners: &owners, settled, reload };
        if let Some(name) = &args.print {
            return print(name, &stage, out);
        }
        let mut played = Vec::new();
        if args.scenarios.is_empty() {
            for builtin in builtin::ALL {
                played.push(self.play_builtin(builtin, &stage, args.seed));
            }
        }
        for name in &args.scenarios {
            match (Builtin::of(name), Path::new(name)) {
                (Some(builtin), _) => played.push(self.play_builtin(builtin, &stage, args.seed)),
                (None, path) => match self.play_file(path, args, &stage, out) {
                    Ok(outcome) => played.push(Played::Done(Box::new(outcome))),
                    Err(code) => return code,
                },
            }
        }
        let broken =
            played.iter().any(|played| matches!(played, Played::Done(outcome) if !outcome.is_well()));
        let code = if broken { BROKEN } else { KEPT };
        // A scenario that was asked for and cannot be played has shown nothing.
        let is_missing = |played: &Played| matches!(played, Played::LeftOut { .. });
        let code = if !args.scenarios.is_empty() && played.iter().any(is_missing) { WRONG } else { code };
        match self.show(args, &played, code, out) {
            Ok(()) => code,
            Err(why) => complain(&why),
        }
    }

    /// The node and the file of the scenario `reload`.
    fn reload(&self, args: &Args) -> Result<Option<(Option<usize>, String)>, String> {
        let Some(text) = &args.reload_with else { return Ok(None) };
        let named = text.split_once('=').filter(|(name, _)| !name.contains('/'));
        let file = named.map_or(text.as_str(), |(_, file)| file);
        let played = |node| match self.configuration(Path::new(file)) {
            Ok(_) => Ok(Some((node, file.to_owned()))),
            Err(why) => Err(format!("--reload-with: {why}; standfast check {file}")),
        };
        let Some((name, _)) = named else { return played(None) };
        match self.cast.node(name) {
            Some(node) => played(Some(node)),
            None => {
                let names: Vec<&str> = self.cast.nodes.iter().map(|node| &*node.name).collect();
                Err(format!("--reload-with: `{name}` is not a node; there are: {}", names.join(", ")))
            }
        }
    }

    /// Who owns each service some time after all were started.
    fn owners_when_well(&self, settled: Duration, seed: u64) -> Vec<Option<usize>> {
        let text = format!("until {}s\n", settled.as_secs_f64());
        let scenario = parse("start", &text, &self.setting(&|_| Err(String::new()), settled));
        let Ok(scenario) = scenario else { return vec![None; self.cast.services.len()] };
        let record = world::play(&self.cast, &scenario, seed);
        let history = History::new(&self.cast, &scenario, &record);
        let end = Instant::EPOCH + settled;
        let owner = |life: &history::Life| life.owners.at(end).and_then(|owners| owners.first().copied());
        history.lives.iter().map(owner).collect()
    }

    fn setting<'a>(
        &'a self,
        configuration: &'a dyn Fn(&str) -> Result<Host, String>,
        slack: Duration,
    ) -> Setting<'a> {
        Setting { cast: &self.cast, configuration, slack }
    }

    fn play_builtin(&self, builtin: Builtin, stage: &Stage<'_>, seed: u64) -> Played {
        let name = builtin.name.to_owned();
        let Play { text, remarks } = match builtin.write(stage) {
            Ok(play) => play,
            Err(why) => return Played::LeftOut { name, why: why.to_owned() },
        };
        let configuration = |path: &str| self.configuration(Path::new(path));
        match parse(builtin.name, &text, &self.setting(&configuration, stage.settled)) {
            Ok(scenario) => Played::Done(Box::new(self.play(Scenario { remarks, ..scenario }, seed))),
            Err(mistakes) => {
                let why = mistakes.first().map(|mistake| mistake.message.clone()).unwrap_or_default();
                Played::LeftOut { name, why }
            }
        }
    }

    fn play_file(
        &self,
        path: &Path,
        args: &Args,
        stage: &Stage<'_>,
        out: &mut dyn Write,
    ) -> Result<Outcome, u8> {
        let text = self.text(path)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let configuration = |file: &str| self.configuration(&directory.join(file));
        let name = path.display().to_string();
        let short = path.file_stem().map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into_owned());
        match parse(&short, &text, &self.setting(&configuration, stage.settled)) {
            Ok(scenario) => Ok(self.play(scenario, args.seed)),
            Err(mistakes) => {
                let shown = mistaken(&name, &text, &mistakes, args.color.wanted());
                let _ = if args.json {
                    io::stderr().write_all(shown.as_bytes())
                } else {
                    out.write_all(shown.as_bytes())
                };
                Err(WRONG)
            }
        }
    }

    /// The text of a scenario.
    fn text(&self, path: &Path) -> Result<String, u8> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
        let name = path.display();
        match read {
            Err(why) => return Err(complain(&self.unreadable(path, &why))),
            Ok(_) if bytes.len() as u64 > LARGEST => {
                return Err(complain(&format!("{name} is no scenario: it is larger than 4 MB")));
            }
            Ok(_) if bytes.contains(&0) => {
                return Err(complain(&format!("{name} is no scenario: it is not text")));
            }
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let is_blank = |line: &str| line.trim().is_empty() || line.trim().starts_with('#');
        if text.lines().all(is_blank) {
            return Err(complain(&format!(
                "nothing happens in {name} and nothing is expected; --print power-lost writes one as a start"
            )));
        }
        Ok(text)
    }

    fn unreadable(&self, path: &Path, why: &io::Error) -> String {
        let name = path.display().to_string();
        let builtin = builtin::ALL.map(|builtin| builtin.name);
        match nearest(&name, builtin) {
            Some(near) if why.kind() == io::ErrorKind::NotFound => {
                format!("there is no scenario {name}; did you mean {near}?")
            }
            _ if why.kind() == io::ErrorKind::NotFound => {
                format!("there is no file {name}; the built-in scenarios are {}", builtin.join(", "))
            }
            _ => format!("cannot read {name}: {why}"),
        }
    }

    /// The configuration of a reload.
    fn configuration(&self, path: &Path) -> Result<Host, String> {
        let read = sources::read(path, &self.surroundings);
        let first =
            read.diagnostics().iter().find(|d| d.severity == Severity::Error).map(|d| d.message.clone());
        match read {
            Read::Done { host: Some(host), .. } => match unplayable(&host) {
                None => Ok(host),
                Some(why) => Err(why),
            },
            Read::Done { .. } | Read::Absent { .. } => Err(first.unwrap_or_default()),
        }
    }

    fn play(&self, scenario: Scenario, seed: u64) -> Outcome {
        let record = world::play(&self.cast, &scenario, seed);
        let history = History::new(&self.cast, &scenario, &record);
        let verdicts = scenario.expectations.iter().map(|e| judge::judge(e, &self.cast, &history)).collect();
        Outcome { scenario, record, history, verdicts }
    }

    fn show(&self, args: &Args, played: &[Played], code: u8, out: &mut dyn Write) -> Result<(), String> {
        if args.json {
            let document = self.document(args, played, code);
            let _ = serde_json::to_writer_pretty(&mut *out, &document).map(|()| writeln!(out));
            return Ok(());
        }
        let lines = self.lines(args, played);
        if let Some(path) = &args.svg {
            let picture = svg::picture(&command(args), &lines);
            if path.as_os_str() == "-" {
                let _ = out.write_all(picture.as_bytes());
                return Ok(());
            }
            std::fs::write(path, picture).map_err(|why| format!("cannot write {}: {why}", path.display()))?;
        }
        let look = Look { colour: args.color.wanted(), ..Look::detect(args.ascii) };
        let mut text = String::new();
        for line in &lines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", look.show(line));
        }
        let _ = out.write_all(text.as_bytes());
        Ok(())
    }

    fn lines(&self, args: &Args, played: &[Played]) -> Vec<Line> {
        let mut lines = self.about();
        for outcome in played.iter().filter_map(Played::outcome) {
            if !args.brief || !outcome.is_well() {
                lines.extend(outcome.lines(&self.cast));
            }
        }
        let width = played.iter().map(|played| played.name().chars().count()).max().unwrap_or(0).max(15);
        if played.iter().any(|played| matches!(played, Played::Done(_))) {
            if !args.brief {
                lines.push(chart::Chart::legend());
            }
            lines.push(tell::head(width));
        }
        for played in played {
            match played {
                Played::Done(outcome) => lines.push(outcome.row(width)),
                Played::LeftOut { name, why } => {
                    lines.push(Line::default().add(Ink::Dim, format!(" - {name:<width$}  left out: {why}")));
                }
            }
        }
        lines
    }

    /// Who plays, and what to know about the files.
    fn about(&self) -> Vec<Line> {
        let names: Vec<&str> = self.cast.nodes.iter().map(|node| &*node.name).collect();
        let nodes = crate::report::counted(names.len(), "node");
        let instances = crate::report::counted(self.cast.services.len(), "instance");
        let text = format!(" {nodes} ({}), {instances}", names.join(", "));
        let mut lines = vec![Line::plain(text)];
        for hint in &self.hints {
            lines.extend(tell::paragraph(Ink::Dim, " hint: ", hint, 7));
        }
        lines.push(Line::default());
        lines
    }

    fn document(&self, args: &Args, played: &[Played], code: u8) -> serde_json::Value {
        let scenarios = played.iter().filter_map(Played::outcome).map(|o| json::outcome(o, &self.cast));
        let left = played.iter().filter_map(|played| match played {
            Played::Done(_) => None,
            Played::LeftOut { name, why } => Some(serde_json::json!({ "name": name, "why": why })),
        });
        serde_json::json!({
            "version": 1,
            "exit_code": code,
            "seed": args.seed,
            "nodes": self.cast.nodes.iter().map(|node| &*node.name).collect::<Vec<_>>(),
            "hints": self.hints,
            "scenarios": scenarios.collect::<Vec<_>>(),
            "left_out": left.collect::<Vec<_>>(),
        })
    }
}

impl Played {
    fn name(&self) -> &str {
        match self {
            Self::Done(outcome) => &outcome.scenario.name,
            Self::LeftOut { name, .. } => name,
        }
    }

    const fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Done(outcome) => Some(outcome),
            Self::LeftOut { .. } => None,
        }
    }
}

/// Writes the text of a built-in scenario.
fn print(name: &str, stage: &Stage<'_>, out: &mut dyn Write) -> u8 {
    let Some(builtin) = Builtin::of(name) else {
        let names = builtin::ALL.map(|builtin| builtin.name);
        return complain(&format!("there is no scenario {name}; there are {}", names.join(", ")));
    };
    match builtin.write(stage) {
        Ok(play) => {
            let _ = out.write_all(play.text.as_bytes());
            KEPT
        }
        Err(why) => complain(&format!("{name} cannot be played with these files: {why}")),
    }
}

/// The command that leads to this output.
fn command(args: &Args) -> String {
    let mut words = vec!["standfast simulate".to_owned()];
    words.extend(args.files.iter().map(|file| {
        file.file_name()
            .map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned())
    }));
    words.extend(args.scenarios.iter().map(|scenario| format!("-s {scenario}")));
    words.join(" ")
}

/// What about the files may explain what comes.
fn hints(reads: &[Read], files: &[PathBuf]) -> Vec<String> {
    let mut hints = Vec::new();
    for (read, file) in reads.iter().zip(files) {
        let tally = Tally::of(read.diagnostics(), read.omitted());
        if tally.warnings > 0 {
            let count = crate::report::counted(tally.warnings, "warning");
            let name = sources::shown(file);
            hints.push(format!("{name} has {count}, which may matter: standfast check {name}"));
        }
    }
    let unbuilt = reads.iter().flat_map(Read::diagnostics).filter(|d| d.id == Id::NotBuilt);
    let early: BTreeSet<&str> =
        unbuilt.filter_map(|d| d.keyword).filter(|keyword| STEERING.contains(keyword)).collect();
    if !early.is_empty() {
        let names = early.into_iter().collect::<Vec<_>>().join(", ");
        hints.push(format!("played here as if it were well, but not watched by `run` yet: {names}"));
    }
    let nodes: Vec<pair::Node<'_>> = reads.iter().filter_map(Read::node).collect();
    if nodes.len() > 1 {
        let mut reporter = Reporter::new(reads.iter().map(Read::sources), false);
        let found = pair::compare(&nodes).diagnostics;
        let mut worst: Vec<_> = found.iter().filter(|d| d.severity > Severity::Note).collect();
        worst.extend(found.iter().filter(|d| d.severity == Severity::Note));
        for d in worst.iter().take(HINTS) {
            let (line, _) = reporter.position(d.span);
            hints.push(format!("{}:{line}: {} [{}]", reporter.name(d.span.file), d.message, d.id));
        }
        if worst.len() > HINTS {
            let names: Vec<String> = files.iter().map(|file| sources::shown(file)).collect();
            let more = worst.len() - HINTS;
            hints.push(format!(
                "and {more} more about the nodes together: standfast check {}",
                names.join(" ")
            ));
        }
    }
    hints
}

/// Mistakes in the text of a scenario, as `check` shows findings.
fn mistaken(name: &str, text: &str, mistakes: &[Mistake], colour: bool) -> String {
    let mut sources = Sources::new();
    let file = sources.add_root(name, text.as_bytes().to_vec());
    let mut reporter = Reporter::new([&sources], colour);
    let mut shown = String::new();
    for mistake in mistakes.iter().take(MISTAKES) {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let span = Span { file, start: place(mistake.place.0), end: place(mistake.place.1) };
        shown.push_str(&reporter.mistake(&mistake.message, span, mistake.help.as_deref()));
    }
    let more = match mistakes.len().saturating_sub(MISTAKES) {
        0 => "",
        _ => "; the first of them are shown",
    };
    let _ = writeln!(shown, "{name}: {}{more}", crate::report::counted(mistakes.len(), "error"));
    shown
}
