//! `standfast check --diff OLD NEW`: what a reload would change, and whether anybody would notice. SARIF has no
//! form for that; the text stands in its place.

use crate::report::{Format, Reporter, Tally, counted};
use crate::sources::Read;
use config::{Alteration, Difference, Fate, Notice, Reload, Span, Written};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// Consequences are broken before they get longer than this.
const WIDTH: usize = 96;

/// Two configurations that can run.
pub(super) struct Pair<'a> {
    pub(super) old: &'a Read,
    pub(super) new: &'a Read,
    pub(super) old_file: &'a Path,
    pub(super) new_file: &'a Path,
}

/// The exit code: 0 when nobody would notice, 1 when somebody would, 2 when the reload would be refused.
pub(super) fn run(pair: &Pair<'_>, format: Format, reporter: &mut Reporter<'_>, out: &mut dyn Write) -> u8 {
    let (Some(old), Some(new)) = (written(pair.old), written(pair.new)) else { return 2 };
    let refused = new.host.instances.is_empty() && !old.host.instances.is_empty();
    let reload = config::reload(old, new);
    let code = match reload.notice() {
        _ if refused => 2,
        Notice::Nobody => 0,
        Notice::Noticed | Notice::Interrupts => 1,
    };
    // Nobody is left to tell when writing fails; the exit code still says it all.
    let _ = match format {
        Format::Json => json(pair, &reload, refused, code, reporter, out),
        Format::Concise => concise(&reload, reporter, out).and_then(|()| end(pair, &reload, refused, out)),
        Format::Full | Format::Sarif => {
            full(&reload, reporter, out).and_then(|()| end(pair, &reload, refused, out))
        }
    };
    code
}

fn written(read: &Read) -> Option<Written<'_>> {
    match read {
        Read::Done { host: Some(host), places, .. } => Some(Written { host, places }),
        Read::Done { host: None, .. } | Read::Absent { .. } => None,
    }
}

fn name(alteration: &Alteration) -> String {
    shown(alteration.name.as_deref().unwrap_or("host"))
}

/// Text of a file that cannot steer a terminal.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Where a difference is written: `old.conf:5 → new.conf:6`.
fn places(difference: &Difference, reporter: &mut Reporter<'_>) -> String {
    let mut place =
        |span: Option<Span>| span.map(|span| (reporter.name(span.file), reporter.position(span).0));
    match (place(difference.old), place(difference.new)) {
        (None, None) => String::new(),
        (Some((file, line)), None) | (None, Some((file, line))) => format!("{file}:{line}"),
        (Some((old, before)), Some((new, after))) => format!("{old}:{before} → {new}:{after}"),
    }
}

fn full(reload: &Reload, reporter: &mut Reporter<'_>, out: &mut dyn Write) -> io::Result<()> {
    for alteration in &reload.alterations {
        let identity = &alteration.identity;
        let identity = if identity.is_empty() { String::new() } else { format!(" ({identity})") };
        writeln!(out, "{}{identity}: {}", name(alteration), alteration.fate)?;
        for difference in &alteration.differences {
            let places = places(difference, reporter);
            let places = if places.is_empty() { places } else { format!("  ({places})") };
            writeln!(out, "  {}{places}", shown(&difference.what))?;
            for line in broken(&format!("{}: {}", difference.notice, difference.consequence)) {
                writeln!(out, "      {line}")?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Text in lines.
fn broken(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let full = lines.last().is_some_and(|line| line.chars().count() + word.chars().count() >= WIDTH - 6);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

fn concise(reload: &Reload, reporter: &mut Reporter<'_>, out: &mut dyn Write) -> io::Result<()> {
    for alteration in &reload.alterations {
        for difference in &alteration.differences {
            let place = places(difference, reporter);
            let gap = if place.is_empty() { "" } else { ": " };
            let (name, notice) = (name(alteration), difference.notice);
            let (fate, what) = (alteration.fate, shown(&difference.what));
            writeln!(out, "{place}{gap}{name} {fate}: {what}: {notice}: {}", difference.consequence)?;
        }
    }
    Ok(())
}

/// The last line says it all.
fn end(pair: &Pair<'_>, reload: &Reload, refused: bool, out: &mut dyn Write) -> io::Result<()> {
    let (old, new) = (pair.old_file.display(), pair.new_file.display());
    let tally = Tally::of(pair.new.diagnostics(), pair.new.omitted());
    if tally.warnings > 0 {
        writeln!(out, "{new}: {}: standfast check {new}", counted(tally.warnings, "warning"))?;
    }
    if refused {
        return writeln!(out, "{old} → {new}: refused: no instance would be left; stop the daemon instead");
    }
    if reload.alterations.is_empty() {
        return writeln!(out, "{old} → {new}: nothing changes");
    }
    let count = |fate| reload.alterations.iter().filter(|a| a.name.is_some() && a.fate == fate).count();
    let mut parts = Vec::new();
    for fate in [Fate::Added, Fate::Removed, Fate::Replaced, Fate::Altered] {
        if count(fate) > 0 {
            parts.push(format!("{} {fate}", counted(count(fate), "instance")));
        }
    }
    if reload.alterations.iter().any(|a| a.name.is_none()) {
        parts.insert(0, "host changed".into());
    }
    if reload.kept > 0 {
        parts.push(format!("{} as before", counted(reload.kept, "instance")));
    }
    writeln!(out, "{old} → {new}: {}: {}", parts.join(", "), reload.notice())
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    exit_code: u8,
    old: String,
    new: String,
    /// The worst of all, or that the reload would be refused.
    verdict: &'static str,
    kept: usize,
    changes: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    /// `null`: the host.
    instance: Option<&'a str>,
    identity: &'a str,
    change: String,
    differences: Vec<Detail<'a>>,
}

#[derive(Serialize)]
struct Detail<'a> {
    what: &'a str,
    notice: &'static str,
    consequence: &'a str,
    old: Option<Place<'a>>,
    new: Option<Place<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: usize,
}

const fn word(notice: Notice) -> &'static str {
    match notice {
        Notice::Nobody => "nobody",
        Notice::Noticed => "noticed",
        Notice::Interrupts => "interrupts",
    }
}

fn json(
    pair: &Pair<'_>,
    reload: &Reload,
    refused: bool,
    exit_code: u8,
    reporter: &mut Reporter<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut changes = Vec::new();
    for alteration in &reload.alterations {
        let mut differences = Vec::new();
        for Difference { what, notice, consequence, old, new } in &alteration.differences {
            let mut place = |span: &Option<Span>| {
                span.map(|span| Place { file: reporter.name(span.file), line: reporter.position(span).0 })
            };
            let (old, new) = (place(old), place(new));
            differences.push(Detail { what, notice: word(*notice), consequence, old, new });
        }
        changes.push(Entry {
            instance: alteration.name.as_deref(),
            identity: &alteration.identity,
            change: alteration.fate.to_string(),
            differences,
        });
    }
    let document = Document {
        version: 1,
        exit_code,
        old: pair.old_file.display().to_string(),
        new: pair.new_file.display().to_string(),
        verdict: if refused { "refused" } else { word(reload.notice()) },
        kept: reload.kept,
        changes,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
