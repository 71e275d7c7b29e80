//! The arrows between the crates: who may use whom. A new arrow is a decision, so it is made here and explained
//! in ARCHITECTURE.md.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use super::{Finding, list, text};

/// Each crate and the crates of this workspace that it may use.
const ARROWS: [(&str, &[&str]); 13] = [
    ("standfast", &["config", "lab", "linux", "sim", "node", "model", "vrrp", "wire", "timeline"]),
    ("lab", &["linux", "node", "model", "vrrp", "wire", "timeline"]),
    ("trials", &["linux", "node", "model", "vrrp", "wire", "timeline"]),
    ("linux", &["node", "model", "vrrp", "wire", "timeline"]),
    ("sim", &["node", "model", "vrrp", "wire", "timeline"]),
    ("node", &["model", "vrrp", "bfd", "wire", "timeline"]),
    ("config", &["model", "vrrp", "wire", "timeline"]),
    ("model", &["vrrp", "bfd", "wire"]),
    ("vrrp", &["wire", "timeline"]),
    ("bfd", &["wire", "timeline"]),
    ("wire", &[]),
    ("timeline", &[]),
    ("xtask", &[]),
];

/// The crates that reach no clock, file, variable, socket or random number.
pub(super) const PURE: [&str; 8] = ["timeline", "wire", "vrrp", "bfd", "model", "config", "node", "sim"];

/// What the pure crates may use from outside: crates that do without the standard library themselves.
const PURE_OUTSIDE: [&str; 4] = ["hmac", "md-5", "sha2", "thiserror"];

pub(super) fn check(metadata: &Value) -> Result<Vec<Finding>> {
    let root = Path::new(text(metadata, "workspace_root"));
    let packages = list(metadata, "packages");
    let members: Vec<&str> = packages.iter().map(|package| text(package, "name")).collect();
    let mut findings = Vec::new();
    for package in packages {
        let manifest = Path::new(text(package, "manifest_path"));
        let lines = std::fs::read_to_string(manifest)?;
        let file = manifest.strip_prefix(root).unwrap_or(manifest);
        check_package(package, &members, file, &lines, &mut findings);
    }
    Ok(findings)
}

fn check_package(package: &Value, members: &[&str], file: &Path, lines: &str, findings: &mut Vec<Finding>) {
    let name = text(package, "name");
    let mut add = |line, text| findings.push(Finding { file: PathBuf::from(file), line, text });
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
        let text = format!(
            "the crate {name} is new: give it a row in ARROWS (xtask/src/tidy/arrows.rs) and its reason in ARCHITECTURE.md"
        );
        return add(1, text);
    };
    for dependency in list(package, "dependencies") {
        let other = text(dependency, "name");
        let line = line_of(lines, other);
        let testing = text(dependency, "kind") == "dev";
        if members.contains(&other) {
            // A crate may test itself with other features.
            let itself = testing && other == name;
            if !itself && !allowed.contains(&other) {
                add(line, format!("{name} must not use {other}; it may use: {}", allowed.join(", ")));
            }
        } else if PURE.contains(&name) && !testing && !PURE_OUTSIDE.contains(&other) {
            let text = format!(
                "{name} is pure and must not use {other}, which may reach a clock or a file; if it does not, add it to PURE_OUTSIDE"
            );
            add(line, text);
        }
    }
}

/// The line of a manifest that names the dependency.
fn line_of(manifest: &str, dependency: &str) -> usize {
    let names =
        |line: &str| line.strip_prefix(dependency).is_some_and(|rest| rest.starts_with([' ', '=', '.']));
    manifest.lines().position(names).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn findings(name: &str, dependencies: &Value) -> Vec<String> {
        let package = json!({"name": name, "dependencies": dependencies});
        let mut findings = Vec::new();
        let manifest = "[dependencies]\nlinux = { workspace = true }\njiff = \"1\"\n";
        check_package(&package, &["node", "linux", "lab"], Path::new("Cargo.toml"), manifest, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_found_with_its_line() {
        let found = findings("node", &json!([{"name": "linux", "kind": null}]));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("Cargo.toml:2: node must not use linux"), "{found:?}");
        assert!(findings("linux", &json!([{"name": "node", "kind": null}])).is_empty());
    }

    #[test]
    fn purity_ends_at_an_impure_dependency_except_in_tests() {
        let found =
            findings("node", &json!([{"name": "jiff", "kind": null}, {"name": "proptest", "kind": "dev"}]));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("Cargo.toml:3: node is pure"), "{found:?}");
    }

    #[test]
    fn a_crate_may_test_itself_and_a_new_one_needs_a_row() {
        assert!(findings("lab", &json!([{"name": "lab", "kind": "dev"}])).is_empty());
        assert_eq!(findings("helpers", &json!([])).len(), 1);
    }

    #[test]
    fn the_table_has_no_circle() {
        // Every crate stands above all that it may use.
        let place = |name: &str| ARROWS.iter().position(|(known, _)| *known == name);
        for (name, allowed) in ARROWS {
            assert!(allowed.iter().all(|other| place(other) > place(name)), "{name}");
        }
    }
}
