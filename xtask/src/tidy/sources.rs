//! The rules about files: where `unsafe` may be, what a pure crate says at its top, what a file begins with, how
//! long it may be, and what must not be left lying about.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Finding;
use super::arrows::PURE;
use super::lexer::{code_only, is_word};

/// A file longer than this is hard to hold in one's head.
const LONGEST: usize = 900;
/// A file that must be longer says so, and why, near its top.
const EXCUSE: &str = "tidy: long because ";

pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    let mut findings = Vec::new();
    for path in files {
        let file = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // What is not text is nobody's prose.
        let Ok(source) = String::from_utf8(content) else { continue };
        check_paths(&file, &source, &mut findings);
        if file.extension().is_some_and(|kind| kind == "rs") {
            check_rust(&file, &source, &mut findings);
        }
    }
    Ok(findings)
}

/// All files but those that are built, vendored or git's own.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            // Test data may be anything.
            if !["target", ".git", "data", "corpus"].iter().any(|skipped| name == *skipped) {
                collect(&entry.path(), files)?;
            }
        // In a worktree git's own is a file.
        } else if entry.file_type()?.is_file() && name != ".git" {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn check_rust(file: &Path, source: &str, findings: &mut Vec<Finding>) {
    let mut add = |line: usize, text: &str| {
        findings.push(Finding { file: file.to_owned(), line, text: text.to_owned() })
    };
    if !source.starts_with("//!") {
        add(1, "begin with a `//!` comment that says why the file exists");
    }
    let lines = source.lines().count();
    if lines > LONGEST && !source.lines().take(30).any(|line| line.contains(EXCUSE)) {
        let text = format!("{lines} lines; divide it (at most {LONGEST}), or say `{EXCUSE}...` at its top");
        add(lines, &text);
    }
    let code = code_only(source);
    for (at, line) in code.lines().enumerate() {
        for (word, advice) in left_over(line) {
            add(at + 1, &format!("{word}: {advice}"));
        }
        if has_word(line, "unsafe") && !may_be_unsafe(file) {
            add(at + 1, "unsafe: move it to a module `sys`, behind a safe function with the reason");
        }
    }
    if let Some(pure) = PURE.iter().find(|pure| file == Path::new("crates").join(pure).join("src/lib.rs")) {
        for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
            if !code.lines().any(|line| line.trim() == attribute) {
                add(1, &format!("{pure} is pure: write {attribute}, so that the compiler proves it"));
            }
        }
    }
    if PURE.iter().any(|pure| file.starts_with(Path::new("crates").join(pure).join("src"))) {
        check_no_std(&code, &mut add);
    }
}

/// The standard library may come back for tests only.
fn check_no_std(code: &str, add: &mut impl FnMut(usize, &str)) {
    let mut before = "";
    for (at, line) in code.lines().enumerate() {
        if line.contains("extern crate std") && before.trim() != "#[cfg(test)]" {
            add(
                at + 1,
                "extern crate std: a pure crate has it for tests only, so write #[cfg(test)] above it",
            );
        }
        if !line.trim().is_empty() {
            before = line;
        }
    }
}

fn may_be_unsafe(file: &Path) -> bool {
    let name = |part: &std::ffi::OsStr| part == "sys" || part == "sys.rs";
    file.iter().any(name)
}

/// What somebody wanted to come back to.
fn left_over(line: &str) -> Vec<(&'static str, &'static str)> {
    let macros = ["todo", "unimplemented", "dbg"].into_iter().zip(["todo!", "unimplemented!", "dbg!"]);
    let mut found: Vec<_> = macros
        .filter(|(word, with)| has_word(line, word) && line.contains(with))
        .map(|(_, with)| (with, "do it now, or write down in prose what is missing"))
        .collect();
    if line.contains("#[ignore") {
        found.push(("#[ignore]", "a test runs, or skips itself with a reason when it cannot"));
    }
    found
}

fn has_word(line: &str, word: &str) -> bool {
    let bytes = line.as_bytes();
    line.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let after = bytes.get(at + word.len());
        !before.is_some_and(|byte| is_word(*byte)) && !after.is_some_and(|byte| is_word(*byte))
    })
}

/// Directories of one person's machine.
fn check_paths(file: &Path, source: &str, findings: &mut Vec<Finding>) {
    // In two parts, or this file would be the first finding.
    let roots =
        [concat!("/", "work/"), concat!("/", "home/"), concat!("/", "Users/"), concat!("/", "tmp/target")];
    for (at, line) in source.lines().enumerate() {
        for root in roots {
            let mut places = line.match_indices(root);
            // Not in the middle of a longer path or an address.
            if places.any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-".contains(c)))
            {
                let text = format!("{root}...: a path of one machine; nobody else has it");
                findings.push(Finding { file: file.to_owned(), line: at + 1, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, source: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check_rust(Path::new(file), source, &mut findings);
        check_paths(Path::new(file), source, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unsafe_lives_in_sys_only() {
        let source = "//! A\nfn f() { unsafe { g() } }\n// unsafe in a comment\n";
        assert_eq!(found("crates/linux/src/sys/map.rs", source), [""; 0]);
        assert_eq!(found("crates/lab/src/sys.rs", source), [""; 0]);
        let bad = found("crates/lab/src/lib.rs", source);
        assert!(bad.len() == 1 && bad[0].starts_with("crates/lab/src/lib.rs:2: unsafe"), "{bad:?}");
    }

    #[test]
    fn a_pure_crate_says_so() {
        let good = "//! A\n#![no_std]\n#![forbid(unsafe_code)]\n#[cfg(test)]\nextern crate std;\n";
        assert_eq!(found("crates/wire/src/lib.rs", good), [""; 0]);
        assert_eq!(found("crates/wire/src/lib.rs", "//! A\n").len(), 2);
        let leak = found("crates/wire/src/lib.rs", &good.replace("#[cfg(test)]", ""));
        assert!(leak.len() == 1 && leak[0].contains(":5: extern crate std"), "{leak:?}");
    }

    #[test]
    fn beginnings_lengths_and_left_overs_are_named() {
        assert_eq!(found("a.rs", "fn f() {}\n").len(), 1);
        assert_eq!(found("a.rs", &format!("//! A\n{}", "\n".repeat(900))).len(), 1);
        assert_eq!(
            found("a.rs", &format!("//! A\n// {EXCUSE}it is a table.\n{}", "\n".repeat(900))),
            [""; 0]
        );
        let source =
            concat!("//! A\nfn f() { to", "do!() }\n#[ig", "nore]\nfn g() {}\n// ", "/ho", "me/me/x\n");
        let bad = found("a.rs", source);
        assert_eq!(bad.len(), 3, "{bad:?}");
        assert!(bad[2].starts_with("a.rs:5:"), "{bad:?}");
    }
}
