//! Where text came from that does not stand where it is read: uses of definitions, and turns of loops. With
//! it each finding is shown at the text that causes it and at the place that brought the text there.

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Sources, Span};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How deep uses and loops may be nested.
pub(crate) const DEPTH: u16 = 64;

/// One use of a definition of several lines, or one turn of a loop.
#[derive(Debug)]
struct Context {
    /// The use, or the head of the loop.
    place: Span,
    depth: u16,
    /// What is said there.
    label: String,
}

/// A name that was replaced.
#[derive(Debug)]
struct Use {
    place: Span,
    /// Its value.
    definition: Span,
    name: Vec<u8>,
}

#[derive(Debug, Default)]
pub(crate) struct Origins {
    contexts: Vec<Context>,
    uses: Vec<Use>,
}

impl Origins {
    /// A new context for text that `place` brings; `None` when there are too many within each other.
    pub(crate) fn enter(&mut self, place: Span, label: impl FnOnce() -> String) -> Option<u32> {
        let depth = self.context(place.file).map_or(0, |c| c.depth) + 1;
        if depth > DEPTH {
            return None;
        }
        self.contexts.push(Context { place, depth, label: label() });
        u32::try_from(self.contexts.len()).ok()
    }

    /// Notes that a name was replaced at `place`.
    pub(crate) fn replaced(&mut self, place: Span, name: &[u8], definition: Span) {
        self.uses.push(Use { place, definition: definition.plain(), name: name.to_vec() });
    }

    fn context(&self, file: FileId) -> Option<&Context> {
        self.contexts.get((file.context() as usize).checked_sub(1)?)
    }

    /// Gives the findings the places of the text that they are about, and leaves out repetitions: what a
    /// definition or a loop brings many times is said once.
    pub(crate) fn settle(mut self, findings: &mut Vec<Diagnostic>, sources: &Sources) {
        self.uses.sort_by_key(|u| (u.place.file, u.place.start));
        let mut seen = BTreeMap::new();
        let mut fixed = BTreeSet::new();
        let mut index = 0;
        findings.retain_mut(|finding| {
            self.settle_one(finding, sources);
            let key = (finding.id, finding.span, finding.message.clone());
            index += 1;
            if seen.insert(key, index).is_some() {
                return false;
            }
            if let Some(fix) = &finding.fix
                && !fixed.insert((fix.span, fix.replacement.clone()))
            {
                finding.fix = None;
            }
            true
        });
        findings.sort_by_key(|d| (d.span.file, d.span.start));
    }

    fn settle_one(&self, finding: &mut Diagnostic, sources: &Sources) {
        let mut labels = Vec::new();
        for used in self.uses_in(finding.span, sources) {
            let label = (used.definition, format!("`{}` is defined here", crate::text::shown(&used.name)));
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        let mut file = finding.span.file;
        while let Some(context) = self.context(file) {
            labels.push((context.place.plain(), context.label.clone()));
            file = context.place.file;
        }
        for (span, _) in &mut finding.labels {
            *span = span.plain();
        }
        finding.labels.extend(labels);
        // What stands in the place of a name cannot be mended where the name stands.
        if let Some(fix) = &mut finding.fix {
            let touched = self.near(fix.span).any(|u| u.place.start < fix.span.end.max(fix.span.start + 1));
            fix.span = fix.span.plain();
            if touched {
                finding.fix = None;
            }
        }
        finding.span = finding.span.plain();
    }

    /// The names that a place is about: within its one word.
    fn uses_in<'o>(&'o self, span: Span, sources: &Sources) -> impl Iterator<Item = &'o Use> {
        let text = sources.text(span);
        let inner = move |u: &Use| u.place.start <= span.start && span.end <= u.place.end;
        let one_word = !text.iter().any(|b| crate::text::is_blank(*b));
        self.near(span).filter(move |u| u.place.start < span.end && (one_word || inner(u)))
    }

    /// The names whose use touches a place or begins behind its start.
    fn near(&self, span: Span) -> impl Iterator<Item = &Use> {
        // A use is shorter than a line, so only the few before can reach into the place.
        let from = self.uses.partition_point(|u| {
            (u.place.file, u.place.start + crate::definitions::LINE_LIMIT_U32) < (span.file, span.start)
        });
        let end = span.end.max(span.start + 1);
        let rest = self.uses.get(from..).unwrap_or_default();
        rest.iter()
            .take_while(move |u| u.place.file == span.file && u.place.start < end)
            .filter(move |u| u.place.end > span.start)
    }
}
