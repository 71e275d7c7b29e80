//! What was found, for people: like a compiler, or one line each; and a last line that says it all.

use super::Part;
use crate::report::{Reporter, Tally, counted};
use config::{Diagnostic, Id};
use std::borrow::Cow;
use std::io::{self, Write};

/// Lists in a help are broken before they get longer than this.
const WIDTH: usize = 90;

/// Like a compiler. The worst stands last, where the eye is when the output has scrolled by.
pub(super) fn full(parts: &[Part<'_>], reporter: &mut Reporter<'_>, out: &mut dyn Write) -> io::Result<()> {
    for part in parts {
        let mut list = gathered(part.diagnostics, reporter, Form::Full);
        list.sort_by_key(|d| d.severity);
        for diagnostic in &list {
            out.write_all(reporter.full(diagnostic).as_bytes())?;
        }
        end(part, out)?;
    }
    next_step(parts, out)
}

/// One line each, in the order of the text.
pub(super) fn concise(
    parts: &[Part<'_>],
    reporter: &mut Reporter<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for part in parts {
        for diagnostic in &gathered(part.diagnostics, reporter, Form::Concise) {
            out.write_all(reporter.concise(diagnostic).as_bytes())?;
        }
        end(part, out)?;
    }
    Ok(())
}

/// How many findings were left out, and the last line.
fn end(part: &Part<'_>, out: &mut dyn Write) -> io::Result<()> {
    for (id, count) in part.omitted {
        writeln!(out, "... and {count} more of {id}")?;
    }
    let found = said(part);
    let size = part.host.map_or_else(String::new, |host| {
        let addresses = host.instances.iter().map(|i| i.held_addresses().count()).sum();
        let instances = counted(host.instances.len(), "instance");
        format!(": {instances}, {}", counted(addresses, "address"))
    });
    let compared = if part.files.len() > 1 { " compared" } else { "" };
    writeln!(out, "{}{compared}: {found}{size}", part.files.join(", "))
}

/// `1 error, 7 warnings (3 not built yet), 1 note`.
fn said(part: &Part<'_>) -> String {
    let Tally { errors, warnings, notes } = part.tally();
    if errors + warnings + notes == 0 {
        return "no findings".to_owned();
    }
    let unbuilt = part.diagnostics.iter().filter(|d| d.id == Id::NotBuilt && d.keyword.is_some()).count();
    let remark = match unbuilt {
        0 => String::new(),
        all if all == warnings => " (not built yet)".to_owned(),
        some => format!(" ({some} not built yet)"),
    };
    let before = Tally { errors, warnings, notes: 0 }.text();
    let after = Tally { notes, ..Tally::default() }.text();
    let comma = if before.is_empty() || after.is_empty() { "" } else { ", " };
    format!("{before}{remark}{comma}{after}")
}

/// What to do now.
fn next_step(parts: &[Part<'_>], out: &mut dyn Write) -> io::Result<()> {
    let all = || parts.iter().flat_map(|part| part.diagnostics);
    // What is worst; among equals the last, which is the nearest. Keywords that are not built are no riddle.
    let worst = all().filter(|d| d.keyword.is_none()).max_by_key(|d| d.severity);
    match worst {
        Some(worst) => writeln!(out, "more about a finding: standfast explain {}", worst.id)?,
        None => match all().find_map(|d| d.keyword) {
            Some(keyword) => writeln!(out, "more about a keyword: standfast explain {keyword}")?,
            None => return Ok(()),
        },
    }
    let count = parts.iter().map(|part| part.mendable).sum::<usize>();
    match count {
        0 => Ok(()),
        1 => writeln!(out, "--fix can mend one of them; --fix --dry-run shows how"),
        _ => writeln!(out, "--fix can mend {count} of them; --fix --dry-run shows how"),
    }
}

/// The findings; those about keywords that are not built yet (or have no effect) as one of each kind: a file
/// in use has many of them, and together they say one thing.
fn gathered<'d>(list: &'d [Diagnostic], reporter: &mut Reporter<'_>, form: Form) -> Vec<Cow<'d, Diagnostic>> {
    let mut done: Vec<Cow<'d, Diagnostic>> = Vec::new();
    for diagnostic in list {
        if diagnostic.keyword.is_none() {
            done.push(Cow::Borrowed(diagnostic));
            continue;
        }
        let alike = |d: &&Diagnostic| d.id == diagnostic.id && d.keyword.is_some();
        let group: Vec<&Diagnostic> = list.iter().filter(alike).collect();
        let first = group.first().is_some_and(|first| std::ptr::eq(*first, diagnostic));
        if group.len() == 1 {
            done.push(Cow::Borrowed(diagnostic));
        } else if first {
            done.push(Cow::Owned(together(diagnostic, &group, reporter, form)));
        }
    }
    done
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Full,
    Concise,
}

/// One finding for all of a group.
fn together(
    first: &Diagnostic,
    group: &[&Diagnostic],
    reporter: &mut Reporter<'_>,
    form: Form,
) -> Diagnostic {
    let names: Vec<&str> = group.iter().filter_map(|d| d.keyword).collect();
    let what =
        if first.id == Id::NotBuilt { "are not built yet and do nothing" } else { "have no effect here" };
    let mut one = Diagnostic { labels: Vec::new(), help: None, ..first.clone() };
    one.message = match form {
        Form::Full => format!("{} keywords {what}", names.len()),
        Form::Concise => format!("{} keywords {what}: {}", names.len(), names.join(", ")),
    };
    if form == Form::Full {
        let mut lines = vec![String::new()];
        for diagnostic in group {
            let entry = format!(
                "{} ({})",
                diagnostic.keyword.unwrap_or_default(),
                lines_of(first, diagnostic, reporter)
            );
            let last = lines.last().map_or(0, String::len);
            if last > 0 && last + entry.len() > WIDTH {
                lines.push(String::new());
            }
            if let Some(last) = lines.last_mut() {
                last.push_str(if last.is_empty() { "" } else { ", " });
                last.push_str(&entry);
            }
        }
        one.help = Some(lines.join(",\n"));
    }
    one
}

/// `line 5`, `lines 5, 9 ...`; with the file's name when it is another one than that of `first`.
fn lines_of(first: &Diagnostic, diagnostic: &Diagnostic, reporter: &mut Reporter<'_>) -> String {
    let spans = std::iter::once(diagnostic.span).chain(diagnostic.labels.iter().map(|(span, _)| *span));
    let lines: Vec<String> = spans.map(|span| reporter.position(span).0.to_string()).collect();
    let word = if lines.len() == 1 { "line" } else { "lines" };
    let file = if diagnostic.span.file == first.span.file { "" } else { reporter.name(diagnostic.span.file) };
    let gap = if file.is_empty() { "" } else { ", " };
    format!("{file}{gap}{word} {}", lines.join(", "))
}
