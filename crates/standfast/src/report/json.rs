//! Findings as JSON.

use super::Reporter;
use config::{Diagnostic, Id, Safety, Span};
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that `check --format json` prints. Fields may come to it; those that are there keep their meaning.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    /// The version of this form: 1.
    pub version: u8,
    /// What the command ends with: 0 (nothing, or notes), 1 (warnings) or 2 (errors).
    pub exit_code: u8,
    /// One for each configuration, then those of several together.
    pub checks: Vec<Check<'a>>,
}

/// The findings about one configuration, or about several together.
#[derive(Debug, Serialize)]
pub struct Check<'a> {
    /// The main files.
    pub files: Vec<&'a str>,
    /// What was found, in the order of the text.
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
    /// A change of the text that mends it; absent also when it would show a secret.
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
    /// Whether `--fix` applies it; else it is a guess, or something to be changed on all nodes at once.
    pub safe: bool,
}

impl<'a> Reporter<'a> {
    /// The findings for JSON.
    pub fn check<'d>(
        &mut self,
        files: Vec<&'d str>,
        diagnostics: &'d [Diagnostic],
        omitted: &[(Id, usize)],
        instances: Option<usize>,
    ) -> Check<'d>
    where
        'a: 'd,
    {
        Check {
            files,
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
            fix: self.open_fix(d).map(|fix| Replacement {
                place: self.place(fix.span),
                text: &fix.replacement,
                safe: fix.safety == Safety::Safe,
            }),
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
