//! Findings as JSON.

use super::Reporter;
use config::{Diagnostic, Id, Span};
use serde::Serialize;
use std::collections::BTreeMap;

/// Findings of one configuration, for JSON.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    /// The main file.
    pub file: &'a str,
    /// What was found.
    pub diagnostics: Vec<Entry<'a>>,
    /// How many findings of a kind were left out.
    pub omitted: BTreeMap<&'static str, usize>,
    /// How many virtual routers the configuration has; absent when it cannot run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<usize>,
}

/// One finding, for JSON.
#[derive(Debug, Serialize)]
pub struct Entry<'a> {
    /// Its kind.
    pub id: &'static str,
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// What is wrong.
    pub message: &'a str,
    /// Where.
    #[serde(flatten)]
    pub place: Place<'a>,
    /// Second places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label<'a>>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<&'a str>,
    /// A change of the text that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Replacement<'a>>,
    /// The include lines that led to the file, innermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub included_from: Vec<Place<'a>>,
}

/// A place in a file, for JSON. Lines and columns count from 1, columns in characters.
#[derive(Debug, Serialize)]
pub struct Place<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Line of the start.
    pub line: usize,
    /// Column of the start.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column behind the end.
    pub end_column: usize,
}

/// A second place, for JSON.
#[derive(Debug, Serialize)]
pub struct Label<'a> {
    /// Where.
    #[serde(flatten)]
    pub place: Place<'a>,
    /// What it has to do with the first.
    pub text: &'a str,
}

/// A change of the text, for JSON.
#[derive(Debug, Serialize)]
pub struct Replacement<'a> {
    /// What to replace.
    #[serde(flatten)]
    pub place: Place<'a>,
    /// The new text.
    pub text: &'a str,
}

impl<'a> Reporter<'a> {
    /// The findings for JSON; `file` is the main file.
    pub fn document<'d>(
        &mut self,
        file: &'d str,
        diagnostics: &'d [Diagnostic],
        omitted: &[(Id, usize)],
        instances: Option<usize>,
    ) -> Document<'d>
    where
        'a: 'd,
    {
        Document {
            file,
            diagnostics: diagnostics.iter().map(|d| self.entry(d)).collect(),
            omitted: omitted.iter().map(|(id, count)| (id.name(), *count)).collect(),
            instances,
        }
    }

    fn entry<'d>(&mut self, d: &'d Diagnostic) -> Entry<'d>
    where
        'a: 'd,
    {
        Entry {
            id: d.id.name(),
            severity: d.severity.to_string(),
            message: &d.message,
            place: self.place(d.span),
            labels: d.labels.iter().map(|(span, text)| Label { place: self.place(*span), text }).collect(),
            help: d.help.as_deref(),
            fix: d
                .fix
                .as_ref()
                .map(|fix| Replacement { place: self.place(fix.span), text: &fix.replacement }),
            included_from: d.include_chain.iter().map(|span| self.place(*span)).collect(),
        }
    }

    fn place<'d>(&mut self, span: Span) -> Place<'d>
    where
        'a: 'd,
    {
        let (line, column) = self.position(span);
        let (end_line, end_column) = self.position(span.after());
        Place { file: self.name(span.file), line, column, end_line, end_column }
    }
}
