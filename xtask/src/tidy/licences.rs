//! Whose code is built in, and on what terms: every dependency's licence is on the list in `deny.toml`, and every
//! dependency comes from crates.io.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Finding, list, text};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(root: &Path, metadata: &Value) -> Result<Vec<Finding>> {
    let deny = std::fs::read_to_string(root.join("deny.toml")).context("cannot read deny.toml")?;
    let allowed = allowed(&deny)?;
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let mut findings = Vec::new();
    // With a platform given, the packages are still all; those that are built are the nodes of the graph.
    let built: Vec<&str> = metadata
        .get("resolve")
        .map_or(&[][..], |graph| list(graph, "nodes"))
        .iter()
        .map(|node| text(node, "id"))
        .collect();
    for package in list(metadata, "packages").iter().filter(|package| built.contains(&text(package, "id"))) {
        let (name, version) = (text(package, "name"), text(package, "version"));
        let mut add = |text: String| {
            findings.push(Finding {
                file: PathBuf::from("Cargo.lock"),
                line: line_of(&lock, name, version),
                text,
            });
        };
        let licence = text(package, "license");
        match permits(licence, &allowed) {
            Ok(true) => {}
            Ok(false) => add(format!(
                "{name} {version} has the licence {licence:?}, which deny.toml does not allow: do without it"
            )),
            Err(why) => {
                add(format!("{name} {version} has the licence {licence:?}: {why:#}; look at it yourself"))
            }
        }
        let source = text(package, "source");
        if !source.is_empty() && source != REGISTRY {
            add(format!("{name} {version} comes from {source}: only crates.io keeps what it once had"));
        }
    }
    Ok(findings)
}

fn line_of(lock: &str, name: &str, version: &str) -> usize {
    let wanted = [format!("name = \"{name}\""), format!("version = \"{version}\"")];
    let lines: Vec<&str> = lock.lines().collect();
    lines.windows(2).position(|pair| pair == wanted).map_or(1, |at| at + 1)
}

/// The strings of `allow = [...]` in the table `[licenses]`.
fn allowed(deny: &str) -> Result<Vec<&str>> {
    let (_, table) = deny.split_once("[licenses]").context("deny.toml has no [licenses]")?;
    let (_, list) = table.split_once("allow = [").context("[licenses] in deny.toml has no allow = [")?;
    let (list, _) = list.split_once(']').context("the list of licences has no end")?;
    Ok(list.split('"').skip(1).step_by(2).collect())
}

/// Whether an SPDX expression can be met with the allowed licences alone.
fn permits(expression: &str, allowed: &[&str]) -> Result<bool> {
    // Before SPDX a slash meant OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let result = any_of(&words, &mut at, allowed)?;
    if at < words.len() {
        bail!("{:?} is not expected here", words[at]);
    }
    Ok(result)
}

fn any_of(words: &[&str], at: &mut usize, allowed: &[&str]) -> Result<bool> {
    let mut result = all_of(words, at, allowed)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        result |= all_of(words, at, allowed)?;
    }
    Ok(result)
}

fn all_of(words: &[&str], at: &mut usize, allowed: &[&str]) -> Result<bool> {
    let mut result = one(words, at, allowed)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        result &= one(words, at, allowed)?;
    }
    Ok(result)
}

fn one(words: &[&str], at: &mut usize, allowed: &[&str]) -> Result<bool> {
    let Some(&word) = words.get(*at) else { bail!("the expression ends too early") };
    *at += 1;
    if word == "(" {
        let result = any_of(words, at, allowed)?;
        if words.get(*at) != Some(&")") {
            bail!("a bracket is not closed");
        }
        *at += 1;
        return Ok(result);
    }
    if words.get(*at) != Some(&"WITH") {
        return Ok(allowed.contains(&word));
    }
    let Some(exception) = words.get(*at + 1) else { bail!("WITH is followed by nothing") };
    *at += 2;
    // An exception only adds permissions.
    Ok(allowed.contains(&word) || allowed.contains(&format!("{word} WITH {exception}").as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_weighed() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0", "Zlib WITH some-exception"];
        let good = [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
            "Zlib WITH some-exception",
        ];
        for expression in good {
            assert!(permits(expression, &allowed).unwrap(), "{expression}");
        }
        for expression in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-2.0) AND GPL-3.0", "Zlib", "mit"] {
            assert!(!permits(expression, &allowed).unwrap(), "{expression}");
        }
        for expression in ["", "MIT AND", "(MIT", "MIT MIT", "MIT WITH"] {
            assert!(permits(expression, &allowed).is_err(), "{expression}");
        }
    }

    #[test]
    fn the_list_is_read_from_deny_toml() {
        let deny = "[graph]\n[licenses]\n# c\nallow = [\n  \"MIT\",\n  \"ISC\",\n]\n[bans]\ndeny = [\"x\"]\n";
        assert_eq!(allowed(deny).unwrap(), ["MIT", "ISC"]);
    }

    #[test]
    fn a_package_is_found_in_the_lock_file() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"2.0.0\"\n";
        assert_eq!(line_of(lock, "a", "2.0.0"), 6);
    }
}
