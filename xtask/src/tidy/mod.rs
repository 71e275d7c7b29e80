//! The rules that no compiler checks: each finding says where, and what to do about it.

mod arrows;
pub(crate) mod lexer;
mod licences;
mod sources;

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{conformance, shell};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, from the root of the workspace.
    pub(crate) file: PathBuf,
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong and what to do.
    pub(crate) text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.text)
    }
}

/// Checks everything and prints what was found; true if nothing was.
pub(crate) fn run() -> Result<bool> {
    let root = shell::root();
    let mut findings = arrows::check(&metadata(&["--no-deps"])?)?;
    findings.extend(sources::check(&root)?);
    findings.extend(conformance::check(&root)?);
    findings.extend(licences::check(&root, &metadata(&["--filter-platform", &host()?])?)?);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    let denied = cargo_deny()?;
    if findings.is_empty() && denied {
        println!("tidy: nothing found");
    } else {
        println!("tidy: {} findings", findings.len());
    }
    Ok(findings.is_empty() && denied)
}

/// What `cargo metadata` says.
fn metadata(more: &[&str]) -> Result<Value> {
    let words = ["metadata", "--format-version", "1", "--quiet"].iter().chain(more);
    let text = shell::cargo(words).output()?;
    serde_json::from_str(&text).context("cargo metadata printed something else than JSON")
}

/// The triple of the machine that compiles.
fn host() -> Result<String> {
    let text = shell::program("rustc", ["-vV"]).output()?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

/// The same list of licences through other eyes, where they are installed; true if it has nothing to say.
fn cargo_deny() -> Result<bool> {
    if !shell::cargo(["deny", "--version"]).quietly() {
        return Ok(true);
    }
    // Without advisories: those change from day to day, and need the network.
    shell::cargo(["deny", "--offline", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"])
        .succeeds()
}

/// The list in `value[key]`, or none.
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text in `value[key]`, or "".
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
