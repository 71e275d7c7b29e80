//! Shows findings: like a compiler, in one line each, or as JSON.

mod json;
mod sarif;

pub use json::{Check, Document};
pub use sarif::{Log, log};

use annotate_snippets::{
    AnnotationKind, Group, Level, Origin, Renderer, Snippet, Title, normalize_untrusted_str,
};
use config::{Diagnostic, FileId, Fix, Id, Severity, Sources, Span, masked};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

/// How findings are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The line with a caret, the reason, and what to write instead
    #[default]
    Full,
    /// One line each: place, severity, id, message
    Concise,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for code hosts and editors
    Sarif,
}

/// Labels further away than this many lines get an excerpt of their own.
const NEAR: usize = 12;
/// Longer lines are cut: they were ignored for their length, and nobody wants to see all of it.
const LONGEST: usize = 1023;

/// Shows findings about the files of one or several configurations.
#[derive(Debug)]
pub struct Reporter<'a> {
    sources: Vec<&'a Sources>,
    /// Where the lines of a file start, once it was needed: a search for each finding would be quadratic.
    starts: BTreeMap<FileId, Vec<usize>>,
    colour: bool,
}

impl<'a> Reporter<'a> {
    /// A reporter; `colour` only has to do with [`Reporter::full`].
    #[must_use]
    pub fn new(sources: impl IntoIterator<Item = &'a Sources>, colour: bool) -> Self {
        Self { sources: sources.into_iter().collect(), starts: BTreeMap::new(), colour }
    }

    fn bytes(&self, file: FileId) -> &'a [u8] {
        self.sources.iter().find(|sources| sources.contains(file)).map_or(&[], |sources| sources.bytes(file))
    }

    /// The name of a file.
    #[must_use]
    pub fn name(&self, file: FileId) -> &'a str {
        self.sources.iter().find(|sources| sources.contains(file)).map_or("", |sources| sources.name(file))
    }

    /// Line and column of the start of a place, from 1; the column in characters.
    pub fn position(&mut self, span: Span) -> (usize, usize) {
        let bytes = self.bytes(span.file);
        let starts = self.starts(span.file);
        let line = starts.partition_point(|start| *start <= span.start as usize).max(1);
        let start = starts.get(line - 1).copied().unwrap_or(0);
        let before = bytes.get(start..span.start as usize).unwrap_or_default();
        // Continuation bytes of UTF-8 do not begin a character.
        (line, before.iter().filter(|b| **b & 0xc0 != 0x80).count() + 1)
    }

    /// The change that mends a finding, unless it would show a secret.
    pub fn open_fix<'d>(&mut self, d: &'d Diagnostic) -> Option<&'d Fix> {
        d.fix.as_ref().filter(|fix| !self.hides(fix.span))
    }

    /// Whether a part of the place is masked when it is shown.
    fn hides(&mut self, span: Span) -> bool {
        let (first, _) = self.position(span);
        let (last, _) = self.position(span.after());
        let bytes = self.bytes(span.file);
        (first..=last).any(|number| {
            let (start, end) = self.line_range(span.file, number);
            let line = bytes.get(start..end).unwrap_or_default();
            let masked = masked(line);
            let within = |at: u32| (at as usize).saturating_sub(start).min(line.len());
            let (from, to) = (within(span.start), within(span.end).max(within(span.start)));
            let shown = masked.at.get(from).zip(masked.at.get(to)).and_then(|(a, b)| masked.text.get(*a..*b));
            let raw = String::from_utf8_lossy(line.get(from..to).unwrap_or_default());
            shown.is_some_and(|shown| shown.chars().zip(raw.chars()).any(|(s, r)| s == '*' && r != '*'))
        })
    }

    /// The bytes of a line, its end included.
    fn line_range(&mut self, file: FileId, number: usize) -> (usize, usize) {
        let length = self.bytes(file).len();
        let starts = self.starts(file);
        let start = starts.get(number - 1).copied().unwrap_or(length);
        (start, starts.get(number).copied().unwrap_or(length))
    }

    fn starts(&mut self, file: FileId) -> &[usize] {
        let bytes = self.bytes(file);
        self.starts.entry(file).or_insert_with(|| {
            let bytes = bytes.iter().enumerate();
            std::iter::once(0).chain(bytes.filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1)).collect()
        })
    }

    /// `file:line:column: severity[id]: message`, with its line end.
    pub fn concise(&mut self, d: &Diagnostic) -> String {
        let (line, column) = self.position(d.span);
        let name = self.name(d.span.file);
        format!("{name}:{line}:{column}: {}[{}]: {}\n", d.severity, d.id, d.message)
    }

    /// The finding with its lines, carets, reasons and help, and an empty line behind it.
    pub fn full(&mut self, d: &Diagnostic) -> String {
        let title = match d.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let title = title.primary_title(d.message.as_str()).id(d.id.name());
        self.drawn(title, (d.span, &d.labels), &d.include_chain, d.help.as_deref())
    }

    /// The same for a mistake in a text that is no configuration: it has a place and a help, but no id.
    pub fn mistake(&mut self, message: &str, span: Span, help: Option<&str>) -> String {
        self.drawn(Level::ERROR.primary_title(normalize_untrusted_str(message)), (span, &[]), &[], help)
    }

    fn drawn<'d>(
        &mut self,
        title: Title<'d>,
        (span, labels): (Span, &'d [(Span, String)]),
        chain: &[Span],
        help: Option<&str>,
    ) -> String {
        let mut group: Group<'_> = Group::with_title(title);
        for excerpt in self.excerpts(span, labels) {
            group = match excerpt {
                Excerpt::Lines(snippet) => group.element(snippet),
                Excerpt::Name(name) => group.element(Origin::path(name)),
            };
        }
        for span in chain {
            let (line, _) = self.position(*span);
            let text = format!("included from {}:{line}", self.name(span.file));
            group = group.element(Level::NOTE.message(normalize_untrusted_str(&text)));
        }
        if let Some(help) = help {
            group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
        }
        let renderer = if self.colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group]) + "\n\n"
    }

    /// The places of a finding, the first one first, near ones together.
    fn excerpts<'d>(&mut self, main: Span, labels: &'d [(Span, String)]) -> Vec<Excerpt<'d>> {
        if self.bytes(main.file).is_empty() {
            return vec![Excerpt::Name(self.name(main.file).to_owned())];
        }
        let (first, _) = self.position(main);
        let mut near = vec![(first, main, None)];
        let mut far = Vec::new();
        for (span, text) in labels {
            let (line, _) = self.position(*span);
            let place = (line, *span, Some(text.as_str()));
            if span.file == main.file && line.abs_diff(first) <= NEAR {
                near.push(place);
            } else {
                far.push(place);
            }
        }
        let mut list = vec![Excerpt::Lines(self.snippet(&near))];
        list.extend(far.into_iter().map(|place| Excerpt::Lines(self.snippet(&[place]))));
        list
    }

    /// Lines of one file with marks; the first place is the main one when it has no text.
    fn snippet<'d>(
        &mut self,
        places: &[(usize, Span, Option<&'d str>)],
    ) -> Snippet<'d, annotate_snippets::Annotation<'d>> {
        let file = places.first().map(|(_, span, _)| span.file);
        let first = places.iter().map(|(line, ..)| *line).min().unwrap_or(1);
        let last = places.iter().map(|(line, ..)| *line).max().unwrap_or(1);
        let Some(file) = file else { return Snippet::source("") };
        let shown = self.lines(file, first..=last);
        let marks: Vec<_> = places
            .iter()
            .map(|(line, span, text)| {
                let (start, end) = shown.place(*line, *span);
                let kind = if text.is_none() { AnnotationKind::Primary } else { AnnotationKind::Context };
                kind.span(start..end).label(text.map(normalize_untrusted_str))
            })
            .collect();
        let name = self.name(file).to_owned();
        Snippet::source(shown.text).line_start(first).path(name).annotations(marks)
    }

    /// Some lines as they may be shown.
    fn lines(&mut self, file: FileId, range: RangeInclusive<usize>) -> Shown {
        let bytes = self.bytes(file);
        let mut shown = Shown { first: *range.start(), text: String::new(), lines: Vec::new() };
        let starts = self.starts(file);
        for number in range {
            let start = starts.get(number - 1).copied().unwrap_or(bytes.len());
            let end = starts.get(number).copied().unwrap_or(bytes.len());
            let line = bytes.get(start..end).unwrap_or_default().trim_ascii_end();
            let line = if line.len() > LONGEST { line.get(..80).unwrap_or(line) } else { line };
            let masked = masked(line);
            shown.lines.push((start, shown.text.len(), masked.at));
            shown.text.push_str(&masked.text);
            shown.text.push('\n');
        }
        shown
    }
}

enum Excerpt<'d> {
    Lines(Snippet<'d, annotate_snippets::Annotation<'d>>),
    /// The file has no lines to show.
    Name(String),
}

/// Masked lines, and where their bytes went.
struct Shown {
    first: usize,
    text: String,
    /// Start in the file, start in the text, and the places of the bytes within the line.
    lines: Vec<(usize, usize, Vec<usize>)>,
}

impl Shown {
    fn place(&self, line: usize, span: Span) -> (usize, usize) {
        let Some((from, to, at)) = self.lines.get(line - self.first) else { return (0, 0) };
        let map = |byte: u32| {
            let within = (byte as usize).saturating_sub(*from);
            to + at.get(within).or(at.last()).copied().unwrap_or(0)
        };
        (map(span.start), map(span.end))
    }
}

/// How many findings of each severity there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
}

impl Tally {
    /// Counts, with those that were left out.
    #[must_use]
    pub fn of(diagnostics: &[Diagnostic], omitted: &[(Id, usize)]) -> Self {
        let mut tally = Self::default();
        let kept = diagnostics.iter().map(|d| (d.severity, 1));
        for (severity, count) in kept.chain(omitted.iter().map(|(id, count)| (id.severity(), *count))) {
            *match severity {
                Severity::Error => &mut tally.errors,
                Severity::Warning => &mut tally.warnings,
                Severity::Note => &mut tally.notes,
            } += count;
        }
        tally
    }

    /// `1 error, 2 warnings`; empty when there is nothing.
    #[must_use]
    pub fn text(self) -> String {
        let mut text = String::new();
        for (count, word) in [(self.errors, "error"), (self.warnings, "warning"), (self.notes, "note")] {
            if count > 0 {
                let comma = if text.is_empty() { "" } else { ", " };
                // Writing to a string cannot fail.
                let _ = write!(text, "{comma}{}", counted(count, word));
            }
        }
        text
    }
}

/// `1 error`, `2 errors`, `3 addresses`.
#[must_use]
pub fn counted(count: usize, word: &str) -> String {
    let plural = match word {
        _ if count == 1 => "",
        _ if word.ends_with('s') => "es",
        _ => "s",
    };
    format!("{count} {word}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{Loaded, Surroundings, load};

    fn shown(text: &str) -> String {
        let mut sources = Sources::new();
        sources.add_root("keepalived.conf", text.as_bytes().to_vec());
        let Loaded::Done(outcome) = load(&sources, &Surroundings::default()) else { panic!("includes") };
        let mut reporter = Reporter::new([&sources], false);
        outcome.diagnostics.iter().map(|d| reporter.full(d)).collect()
    }

    #[test]
    fn a_finding_is_drawn_with_its_reasons() {
        let text = "vrrp_instance VI_1 {\n    state MASTER\n    interface eth0\n    virtual_router_id 50\n    \
                    priority 150\n    nopreempt\n    virtual_ipaddress {\n        10.0.0.3\n    }\n}\n";
        let want = "\
warning[nopreempt-ignored]: `nopreempt` cannot work here and is ignored
 --> keepalived.conf:6:5
  |
2 |     state MASTER
  |           ------ `state MASTER` takes the address at every start
...
6 |     nopreempt
  |     ^^^^^^^^^
  |
  = help: write `state BACKUP` and `nopreempt` on both nodes, with different priorities

";
        assert_eq!(shown(text), want);
    }

    #[test]
    fn secrets_are_masked_and_columns_stay() {
        let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 7\npriority 9\nauthentication {\n\
                    auth_type PASS\nauth_pass geheimnis99\n}\nvirtual_ipaddress { 10.0.0.3 }\n}\n";
        let shown = shown(text);
        assert!(!shown.contains("geheim"), "{shown}");
        assert!(shown.contains("auth_pass ***********\n  |           ^^^^^^^^^^^"), "{shown}");
    }

    #[test]
    fn odd_bytes_are_drawn_without_harm() {
        for text in ["\u{feff}foo\n", "f\u{1b}[31mo\u{7}o bar\n", "\u{e4}\u{a0}x", "", "}", "a\tb {", "x \"y"]
        {
            let shown = shown(text);
            assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
        }
        let mut sources = Sources::new();
        sources.add_root("t", b"B\xfcro\n\xff\xfe\0\n".to_vec());
        let Loaded::Done(outcome) = load(&sources, &Surroundings::default()) else { panic!("includes") };
        let mut reporter = Reporter::new([&sources], true);
        for d in &outcome.diagnostics {
            assert!(reporter.full(d).contains('?'), "{d:?}");
            assert_eq!(reporter.concise(d).trim_end(), d.concise(&sources));
        }
    }

    #[test]
    fn counts_in_words() {
        assert_eq!(Tally { errors: 1, warnings: 2, notes: 0 }.text(), "1 error, 2 warnings");
        assert_eq!(
            (counted(1, "address"), counted(3, "address")),
            ("1 address".into(), "3 addresses".into())
        );
    }
}
