//! Findings as SARIF 2.1.0, the form that code hosts and editors read.

use super::{Reporter, Severity};
use config::{Diagnostic, Id, Safety, Span};
use serde::Serialize;
use std::collections::BTreeMap;

/// A log with the findings of one run.
#[derive(Debug, Serialize)]
pub struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    invocations: [Invocation; 1],
    artifacts: Vec<Artifact>,
    results: Vec<Outcome>,
}

#[derive(Debug, Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Text,
    full_description: Text,
    help: Help,
    default_configuration: Configuration,
}

#[derive(Debug, Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Debug, Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Debug, Serialize)]
struct Text {
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    /// That the check ran to its end, not that nothing was found.
    execution_successful: bool,
    exit_code: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Debug, Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
}

#[derive(Debug, Serialize)]
struct Artifact {
    location: ArtifactLocation,
}

#[derive(Clone, Debug, Serialize)]
struct ArtifactLocation {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<Fix>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fix {
    description: Text,
    artifact_changes: [Change; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    artifact_location: ArtifactLocation,
    replacements: [Replacement; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement {
    deleted_region: Region,
    inserted_content: Text,
}

/// The findings as a log. `omitted` says how many of a kind are not among them.
pub fn log<'d>(
    reporter: &mut Reporter<'_>,
    diagnostics: impl IntoIterator<Item = &'d Diagnostic>,
    omitted: &[(Id, usize)],
    exit_code: u8,
) -> Log {
    let mut artifacts = Artifacts::default();
    let results = diagnostics.into_iter().map(|d| outcome(reporter, &mut artifacts, d)).collect();
    let notifications = omitted.iter().map(|(id, count)| Notification {
        level: "note",
        message: text(format!("{count} more findings of {id} are not listed")),
    });
    let version = env!("CARGO_PKG_VERSION");
    let rules = Id::ALL.iter().map(|id| rule(*id)).collect();
    let run = Run {
        tool: Tool { driver: Driver { name: "standfast", version, semantic_version: version, rules } },
        column_kind: "unicodeCodePoints",
        invocations: [Invocation {
            execution_successful: true,
            exit_code,
            tool_execution_notifications: notifications.collect(),
        }],
        artifacts: artifacts.list,
        results,
    };
    Log { schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [run] }
}

fn rule(id: Id) -> Rule {
    let page = id.explanation();
    // Behind the title and the line with the severity stands the explanation itself.
    let why = page.splitn(3, "\n\n").nth(2).unwrap_or(page).trim();
    Rule {
        id: id.name(),
        short_description: text(id.title()),
        full_description: text(first_sentences(why).unwrap_or_else(|| id.title().to_owned())),
        help: Help { text: page.to_owned(), markdown: page.to_owned() },
        default_configuration: Configuration { level: level(id.severity()) },
    }
}

/// The first paragraph that is no example.
fn first_sentences(page: &str) -> Option<String> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced && !line.trim().is_empty() {
            lines.push(line);
        } else if !lines.is_empty() {
            break;
        }
    }
    (!lines.is_empty()).then(|| lines.join(" "))
}

fn outcome(reporter: &mut Reporter<'_>, artifacts: &mut Artifacts, d: &Diagnostic) -> Outcome {
    let message = match &d.help {
        Some(help) => format!("{}\n{help}", d.message),
        None => d.message.clone(),
    };
    let labels = d.labels.iter().map(|(span, text)| (*span, text.clone()));
    let includes = d.include_chain.iter().map(|span| (*span, "included from here".to_owned()));
    let related = labels.chain(includes).enumerate().map(|(index, (span, words))| Location {
        id: Some(index + 1),
        message: Some(text(words)),
        ..location(reporter, artifacts, span)
    });
    let related = related.collect();
    let fixes = reporter.open_fix(d).map(|fix| {
        let what = if fix.safety == Safety::Safe { "Mend it" } else { "Perhaps this was meant" };
        let replacement = Replacement {
            deleted_region: region(reporter, fix.span),
            inserted_content: text(fix.replacement.as_str()),
        };
        Fix {
            description: text(what),
            artifact_changes: [Change {
                artifact_location: artifacts.location(reporter.name(fix.span.file)),
                replacements: [replacement],
            }],
        }
    });
    Outcome {
        rule_id: d.id.name(),
        rule_index: Id::ALL.iter().position(|id| *id == d.id).unwrap_or_default(),
        level: level(d.severity),
        message: text(message),
        locations: [location(reporter, artifacts, d.span)],
        related_locations: related,
        fixes: fixes.into_iter().collect(),
    }
}

fn location(reporter: &mut Reporter<'_>, artifacts: &mut Artifacts, span: Span) -> Location {
    let artifact_location = artifacts.location(reporter.name(span.file));
    let region = region(reporter, span);
    Location { id: None, physical_location: PhysicalLocation { artifact_location, region }, message: None }
}

fn region(reporter: &mut Reporter<'_>, span: Span) -> Region {
    let (start_line, start_column) = reporter.position(span);
    let (end_line, end_column) = reporter.position(span.after());
    Region { start_line, start_column, end_line, end_column }
}

/// The files that were named, each once.
#[derive(Default)]
struct Artifacts {
    list: Vec<Artifact>,
    known: BTreeMap<String, usize>,
}

impl Artifacts {
    fn location(&mut self, name: &str) -> ArtifactLocation {
        let uri = uri(name);
        let index = *self.known.entry(uri.clone()).or_insert_with(|| {
            self.list.push(Artifact { location: ArtifactLocation { uri: uri.clone(), index: None } });
            self.list.len() - 1
        });
        ArtifactLocation { uri, index: Some(index) }
    }
}

/// A file's name as a URI reference (RFC 3986): absolute names as `file:`, others relative.
fn uri(name: &str) -> String {
    let mut uri = String::from(if name.starts_with('/') { "file://" } else { "" });
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn text(text: impl Into<String>) -> Text {
    Text { text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_uri_references() {
        assert_eq!(uri("/etc/a b%.conf"), "file:///etc/a%20b%25.conf");
        assert_eq!(uri("conf.d/x:y-ä"), "conf.d/x%3Ay-%C3%A4");
    }

    #[test]
    fn every_rule_has_its_texts() {
        for id in Id::ALL {
            let rule = rule(*id);
            assert!(!rule.full_description.text.contains("```"), "{id}");
            assert!(rule.full_description.text.len() > 20, "{id}: {}", rule.full_description.text);
        }
    }
}
