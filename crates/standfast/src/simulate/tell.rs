//! What came of a scenario, for people.

use std::time::Duration;

use node::event::Standing;
use timeline::Instant;

use super::alike::{Group, groups};
use super::cast::Cast;
use super::chart::{Chart, ink};
use super::history::{History, Life, Move, NOTICED, Record, Span, longest, total};
use super::judge::Verdict;
use super::scenario::{Expectation, Scenario};
use crate::draw::ink::{Ink, Line};
use crate::draw::words::{WIDTH, span, wrap};

/// So many groups of services are drawn.
const DRAWN: usize = 4;
/// So many names stand in a list.
const NAMED: usize = 3;
/// So many lines tell what happened.
const TOLD: usize = 40;
/// A client that goes astray for so long is worth a remark.
const ASTRAY: Duration = Duration::from_secs(1);
/// What one node does within so long is one line.
const TOGETHER: Duration = Duration::from_millis(500);

/// A scenario with what came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was played.
    pub(crate) scenario: Scenario,
    /// What was seen.
    pub(crate) record: Record,
    /// What follows from it.
    pub(crate) history: History,
    /// What came of each expectation.
    pub(crate) verdicts: Vec<Verdict>,
}

impl Outcome {
    /// How many expectations were not kept.
    pub(crate) fn broken(&self) -> usize {
        self.verdicts.iter().filter(|verdict| !verdict.kept).count()
    }

    /// Whether all is as it should be.
    pub(crate) fn is_well(&self) -> bool {
        self.broken() == 0 && self.record.bugs.is_empty()
    }

    /// All that there is to say.
    pub(crate) fn lines(&self, cast: &Cast) -> Vec<Line> {
        let mut lines = vec![Line::plain(" ").add(Ink::Bold, headline(&self.scenario)), Line::default()];
        let groups = groups(cast, &self.history);
        for group in groups.iter().take(DRAWN) {
            lines.extend(self.picture(cast, group, groups.len()));
        }
        if let Some(more) = groups.len().checked_sub(DRAWN).filter(|more| *more > 0) {
            let rest: usize = groups.iter().skip(DRAWN).map(Vec::len).sum();
            let text =
                format!(" and {rest} more instances that lived in {more} other ways: --json has all of them");
            lines.extend([Line::default().add(Ink::Dim, text), Line::default()]);
        }
        lines.extend(self.story(cast));
        if !self.scenario.expectations.is_empty() {
            lines.push(Line::default());
        }
        for (expectation, verdict) in self.scenario.expectations.iter().zip(&self.verdicts) {
            lines.extend(judged(expectation, verdict));
        }
        for bug in &self.record.bugs {
            let text = format!("a fault of Standfast itself, please report it: {bug}");
            lines.extend(paragraph(Ink::Bad, " ", &text, 3));
        }
        for remark in self.remarks(cast) {
            lines.extend(paragraph(Ink::Dim, "   ", &remark, 3));
        }
        lines.push(Line::default());
        lines
    }

    /// What it means, and what to do about it.
    pub(crate) fn remarks(&self, cast: &Cast) -> Vec<String> {
        let lives = &self.history.lives;
        let has_two = lives.iter().any(|life| !life.doubles().is_empty());
        let told = self.scenario.remarks.iter().filter(|remark| has_two || !remark.about_two);
        let mut remarks: Vec<String> = told.map(|remark| remark.text.to_owned()).collect();
        let most = lives.iter().enumerate().max_by_key(|(_, life)| life.astray());
        if let Some((service, life)) = most.filter(|(_, life)| life.astray() >= ASTRAY) {
            let name = cast.services.get(service).map_or("it", |service| &service.name);
            remarks.push(format!(
                "for {} somebody owned {name} while the client's ARP table still led to another node, since nobody \
                 announced it anew: `garp_master_refresh 10` in the instance makes this 10 s at most; without it, clients \
                 find out by themselves, Linux ones after about 10 to 50 s",
                span(life.astray())
            ));
        }
        remarks
    }

    /// A group of services: its name, its bars, its numbers.
    fn picture(&self, cast: &Cast, group: &Group, groups: usize) -> Vec<Line> {
        let Some(&first) = group.first() else { return Vec::new() };
        let Some(chart) = Chart::new(cast, &self.history, first) else { return Vec::new() };
        let addresses = match group.len() {
            1 => format!("  {}", cast.address_words(first)),
            _ => format!("  {} ...", cast.address_words(first)),
        };
        let all = if groups == 1 && group.len() > 1 { ", all alike" } else { "" };
        let name = format!("{}{all}", names(cast, group));
        let mut lines = vec![Line::plain(" ").add(Ink::Plain, name).add(Ink::Dim, addresses)];
        lines.extend(chart.lines());
        if let Some(life) = self.history.lives.get(first) {
            lines.extend(numbers(life));
        }
        lines.push(Line::default());
        lines
    }

    /// What happened, one line each.
    fn story(&self, cast: &Cast) -> Vec<Line> {
        let acts = self
            .scenario
            .told
            .iter()
            .map(|(at, text)| (Instant::EPOCH + *at, 0, vec![(Ink::Bold, text.clone())]));
        let mut told: Vec<Told> = acts.collect();
        let steps = gathered(&self.record.moves);
        told.extend(steps.into_iter().map(|(step, services)| (step.at, 1, words(cast, step, &services))));
        told.sort_by_key(|(at, rank, _)| (*at, *rank));
        let left = told.len().saturating_sub(TOLD);
        let mut lines = Vec::new();
        for (at, _, text) in told.into_iter().take(TOLD) {
            let time = format!(" {:>9.3} s  ", at.since(Instant::EPOCH).as_secs_f64());
            let indent = time.len() + 2;
            let whole: String = text.iter().map(|(_, part)| part.as_str()).collect();
            let mut rows = wrap(&format!("{time}{whole}"), indent).into_iter();
            // The first row keeps its colours; it is cut where the others begin.
            let first = rows.next().unwrap_or_default();
            let mut line = Line::default().add(Ink::Dim, time.clone());
            let mut room = first.chars().count().saturating_sub(time.chars().count());
            for (ink, part) in text {
                let cut: String = part.chars().take(room).collect();
                room -= cut.chars().count();
                line = line.add(ink, cut);
            }
            lines.push(line);
            lines.extend(rows.map(Line::plain));
        }
        if left > 0 {
            lines.push(
                Line::default()
                    .add(Ink::Dim, format!("              and {left} more events: --json has all of them")),
            );
        }
        lines
    }

    /// The one line of it in the list of all.
    pub(crate) fn row(&self, width: usize) -> Line {
        let broken = self.broken();
        let count = self.verdicts.len();
        let (sign, ink_) = match (self.is_well(), count) {
            // Nothing was expected: nothing was kept.
            (true, 0) => ("-", Ink::Plain),
            (true, _) => ("✓", Ink::Good),
            (false, _) => ("✗", Ink::Bad),
        };
        let line =
            Line::plain(" ").add(ink_, sign).add(Ink::Plain, format!(" {:<width$}", self.scenario.name));
        let lives = &self.history.lives;
        let gap = lives.iter().map(|life| longest(&noticed(life.gaps()))).max().unwrap_or_default();
        let two = lives.iter().map(|life| longest(&life.doubles())).max().unwrap_or_default();
        let silent = lives.iter().map(|life| longest(&noticed(life.silences()))).max().unwrap_or_default();
        let time = |time: Duration| if time.is_zero() { "never".to_owned() } else { span(time) };
        let line = if lives.iter().any(|life| life.begun().is_none()) {
            line.add(Ink::Bad, format!("{:>11}{:>13}", "always", "always"))
        } else {
            line.add(Ink::Plain, format!("{:>11}{:>13}", time(gap), time(silent)))
        };
        let ink_two = if two.is_zero() { Ink::Plain } else { Ink::Bad };
        let line = line.add(ink_two, format!("{:>13}", time(two)));
        let text = if count == 0 { "none".to_owned() } else { format!("{} of {count}", count - broken) };
        line.add(ink_, format!("{text:>14}"))
    }
}

/// When something happened, what goes first of what happened at one moment, and its words.
type Told = (Instant, u8, Vec<(Ink, String)>);

/// What the columns of [`Outcome::row`] mean.
pub(crate) fn head(width: usize) -> Line {
    let names = format!("{:<pad$}", " scenario, longest", pad = width + 3);
    let text =
        format!("{names}{:>11}{:>13}{:>13}{:>14}", "no owner", "silence", "two owners", "expectations");
    Line::default().add(Ink::Dim, text)
}

/// Without those that pass while the address is passed on.
fn noticed(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.length() >= NOTICED);
    spans
}

fn headline(scenario: &Scenario) -> String {
    if scenario.title.is_empty() {
        scenario.name.clone()
    } else {
        format!("{}: {}", scenario.name, scenario.title)
    }
}

/// `VI_1`, `VI_1, VI_2 and 498 more`
fn names(cast: &Cast, services: &[usize]) -> String {
    let name = |service: &usize| cast.services.get(*service).map_or("?", |service| &service.name);
    let all: Vec<&str> = services.iter().take(NAMED).map(name).collect();
    match services.len().saturating_sub(NAMED) {
        0 => all.join(", "),
        more => format!("{} and {more} more", all.join(", ")),
    }
}

/// `no owner 3.609 s; two owners never; client silent 3.609 s`
fn numbers(life: &Life) -> Vec<Line> {
    if life.begun().is_none() {
        return vec![Line::default().add(Ink::Bad, " nobody ever owned it")];
    }
    let part = |spans: &[Span]| match spans.len() {
        0 => "never".to_owned(),
        1 => span(total(spans)),
        times => format!("{} in {times} parts, the longest {}", span(total(spans)), span(longest(spans))),
    };
    let doubles = life.doubles();
    let all = format!(
        " no owner: {}; two owners: {}; client silent: {}",
        part(&noticed(life.gaps())),
        part(&doubles),
        part(&noticed(life.silences()))
    );
    let ink = if doubles.is_empty() { Ink::Dim } else { Ink::Bad };
    wrap(&all, 1).into_iter().map(|row| Line::default().add(ink, row)).collect()
}

/// Moves that are one for people: the same node, the same reason, nearly the same time.
fn gathered(moves: &[Move]) -> Vec<(&Move, Vec<usize>)> {
    let mut list: Vec<(&Move, Vec<usize>)> = Vec::new();
    for step in moves.iter().filter(|step| is_told(step)) {
        let alike = |(known, _): &&mut (&Move, Vec<usize>)| {
            (known.node, known.to, &known.why) == (step.node, step.to, &step.why)
                && step.at.since(known.at) < TOGETHER
        };
        // What is near in time stands at the end.
        match list.iter_mut().rev().take(32).find(alike) {
            Some((_, services)) if !services.contains(&step.service) => services.push(step.service),
            _ => list.push((step, vec![step.service])),
        }
    }
    list.iter_mut().for_each(|(_, services)| services.sort_unstable());
    list
}

/// Whether a move is worth a line: a start and an end are told already.
const fn is_told(step: &Move) -> bool {
    !matches!(
        (step.from, step.to),
        (Standing::Initialize, Standing::Backup) | (Standing::Backup, Standing::Initialize)
    )
}

fn words(cast: &Cast, step: &Move, services: &[usize]) -> Vec<(Ink, String)> {
    let what = names(cast, services);
    let verb = match (step.from, step.to) {
        (_, Standing::Active) => format!(" takes {what}"),
        (Standing::Active, Standing::Fault) => format!(" gives {what} up (FAULT)"),
        (_, Standing::Fault) => format!(" cannot take part in {what} (FAULT)"),
        (Standing::Fault, Standing::Backup) => format!(" takes part in {what} again"),
        (_, Standing::Backup | Standing::Initialize) => format!(" gives {what} up"),
    };
    let why = step.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    vec![(ink(step.node), cast.name(step.node).to_owned()), (Ink::Plain, format!("{verb}{why}"))]
}

fn judged(expectation: &Expectation, verdict: &Verdict) -> Vec<Line> {
    let (sign, color) = if verdict.kept { ("✓", Ink::Good) } else { ("✗", Ink::Bad) };
    let text = shortened(&expectation.text);
    let rows = wrap(&format!("   {text}: {}", verdict.seen), 5);
    let mut lines = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let rest: String = row.chars().skip(3).collect();
        let ink = if verdict.kept { Ink::Plain } else { Ink::Bad };
        lines.push(if number == 0 {
            Line::plain(" ").add(color, sign).add(ink, format!(" {rest}"))
        } else {
            Line::plain("   ").add(ink, rest)
        });
    }
    lines
}

/// A text whose middle is left out when it is long: hundreds of names say nothing.
fn shortened(text: &str) -> String {
    const HEAD: usize = 60;
    const TAIL: usize = 24;
    let count = text.chars().count();
    if count <= HEAD + TAIL + 20 {
        return text.to_owned();
    }
    let head: String = text.chars().take(HEAD).collect();
    let tail: String = text.chars().skip(count - TAIL).collect();
    format!("{head} ... {tail}")
}

/// A text in rows.
pub(crate) fn paragraph(ink: Ink, lead: &str, text: &str, indent: usize) -> Vec<Line> {
    debug_assert!(indent < WIDTH);
    wrap(&format!("{lead}{text}"), indent).into_iter().map(|row| Line::default().add(ink, row)).collect()
}
