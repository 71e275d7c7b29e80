//! What is said about a configuration: one finding with its places, its reason and its next step.

use crate::registry::Id;
use crate::source::{FileId, Sources, Span};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Advice. Nothing is dropped.
    Note,
    /// The line is dropped or altered (as keepalived does), and the rest goes on.
    Warning,
    /// keepalived would not start either; nothing runs.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// A change of the text that mends a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What to replace; empty to insert.
    pub span: Span,
    /// The new text.
    pub replacement: String,
    /// Whether it may be applied without asking.
    pub safety: Safety,
}

/// Whether a [`Fix`] may be applied without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Safety {
    /// keepalived goes on doing what it did, or does what nobody can doubt was meant: a blank that is none, a
    /// netmask instead of a prefix length.
    Safe,
    /// A good guess, or something that the other nodes have to change at the same time.
    Suggestion,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind of finding; names its long explanation.
    pub id: Id,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line. Never holds a secret.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Second places, each with what it has to do with the first.
    pub labels: Vec<(Span, String)>,
    /// Why, or what to write instead.
    pub help: Option<String>,
    /// The same, ready to be applied.
    pub fix: Option<Fix>,
    /// The keyword that is not built or has no effect, for whoever lists such findings together.
    pub keyword: Option<&'static str>,
    /// The include lines that led to the file, innermost first.
    pub include_chain: Vec<Span>,
}

impl Diagnostic {
    pub(crate) fn new(id: Id, span: Span) -> Self {
        Self {
            id,
            severity: id.severity(),
            message: String::new(),
            span,
            labels: Vec::new(),
            help: None,
            fix: None,
            keyword: None,
            include_chain: Vec::new(),
        }
    }

    /// The finding in one line: `file:line:column: severity[id]: message`.
    #[must_use]
    pub fn concise(&self, sources: &Sources) -> String {
        let (line, column) = sources.position(self.span);
        let name = sources.name(self.span.file);
        format!("{name}:{line}:{column}: {}[{}]: {}", self.severity, self.id, self.message)
    }

    pub(crate) fn say(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    pub(crate) fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push((span, text.into()));
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// A change that may be applied without asking ([`Safety::Safe`]).
    pub(crate) fn fix(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, replacement: replacement.into(), safety: Safety::Safe });
        self
    }

    /// A change that a person has to decide about ([`Safety::Suggestion`]).
    pub(crate) fn suggest(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, replacement: replacement.into(), safety: Safety::Suggestion });
        self
    }
}

/// How many findings of one kind are kept. The rest is counted.
pub const CAP: usize = 100;

/// How many places of one unbuilt keyword are shown.
const PLACES: usize = 4;

/// Collects findings, at most [`CAP`] of a kind, so that a large broken file ends in a readable report.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Diagnostic>,
    counts: BTreeMap<Id, usize>,
    /// Things reported once however often they occur: (id, name) to the index in `list` and the count.
    once: BTreeMap<(Id, &'static str, String), (usize, usize)>,
    muted: Vec<Span>,
    errors: usize,
}

impl Findings {
    /// Adds a finding; `fill` is not even called when there are enough of this kind.
    pub(crate) fn add(&mut self, id: Id, span: Span, fill: impl FnOnce(Diagnostic) -> Diagnostic) {
        if self.is_muted(id, span) {
            return;
        }
        if id.severity() == Severity::Error {
            self.errors += 1;
        }
        let count = self.counts.entry(id).or_default();
        *count += 1;
        if *count <= CAP {
            self.list.push(fill(Diagnostic::new(id, span)));
        }
    }

    /// Whether [`Findings::add`] would keep such a finding; if not, it is counted as if it had been added.
    pub(crate) fn wants(&mut self, id: Id, span: Span) -> bool {
        if self.is_muted(id, span) {
            return false;
        }
        let count = self.counts.entry(id).or_default();
        if *count < CAP {
            return true;
        }
        *count += 1;
        false
    }

    /// Counts one more place of a finding that was added with [`Findings::add_once`]; false if it was not.
    pub(crate) fn again(&mut self, key: &(Id, &'static str, String), span: Span) -> bool {
        let Some((index, count)) = self.once.get_mut(key) else { return false };
        *count += 1;
        if *count <= PLACES
            && let Some(first) = self.list.get_mut(*index)
        {
            first.labels.push((span, String::from("also here")));
        }
        true
    }

    /// Adds a finding that is the same wherever it occurs: later places become labels and a count.
    pub(crate) fn add_once(
        &mut self,
        key: (Id, &'static str, String),
        span: Span,
        fill: impl FnOnce(Diagnostic) -> Diagnostic,
    ) {
        let id = key.0;
        if self.again(&key, span) {
            return;
        }
        let index = self.list.len();
        self.add(id, span, fill);
        if let Some(added) = self.list.get_mut(index) {
            added.keyword = matches!(id, Id::NotBuilt | Id::NoEffect).then_some(key.1);
            self.once.insert(key, (index, 1));
        }
    }

    /// From now on the small findings within `span` are not worth a line: the cause was reported.
    pub(crate) fn mute(&mut self, span: Span) {
        self.muted.push(span);
    }

    fn is_muted(&self, id: Id, span: Span) -> bool {
        // Only the line being worked on or a few before it can be meant, so the newest are looked at first
        // and not more than the cap: a file full of odd blanks must not become quadratic.
        id.is_consequence()
            && self
                .muted
                .iter()
                .rev()
                .take(CAP)
                .any(|m| m.file == span.file && m.start <= span.start && span.start <= m.end)
    }

    /// Where lines were found wrong already, sorted. What is only known to do nothing here is not wrong.
    pub(crate) fn complaints(&self) -> Vec<(FileId, u32)> {
        let known = |d: &&Diagnostic| !matches!(d.id, Id::NotBuilt | Id::NoEffect);
        let mut list: Vec<_> = self.list.iter().filter(known).map(|d| (d.span.file, d.span.start)).collect();
        list.sort_unstable();
        list
    }

    /// Whether anything of this kind was found.
    pub(crate) fn any(&self, id: Id) -> bool {
        self.counts.contains_key(&id)
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The findings in the order of the text, and how many of a kind were left out.
    pub(crate) fn finish(self) -> (Vec<Diagnostic>, Vec<(Id, usize)>) {
        let mut list = self.list;
        for (index, count) in self.once.into_values() {
            if let Some(first) = list.get_mut(index)
                && count > 1
            {
                first.message = format!("{} ({count} places)", first.message);
            }
        }
        list.sort_by_key(|d| (d.span.file, d.span.start));
        let omitted =
            self.counts.into_iter().filter(|(_, n)| *n > CAP).map(|(id, n)| (id, n - CAP)).collect();
        (list, omitted)
    }
}
