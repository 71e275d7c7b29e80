//! Every check and every test there is, in one command, with one line at its end.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

use crate::count::Count;
use crate::{packages, shell, tidy};

/// Where tests note that they were skipped, and why; `lab::harness` knows the name.
pub(crate) const SKIPS: &str = "STANDFAST_SKIPS";

/// How much to test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All.
    Everything,
    /// Not the slow end-to-end tests.
    Fast,
}

/// Runs it all; true if all is well.
pub(crate) fn run(extent: Extent) -> Result<bool> {
    let begun = Instant::now();
    headline("programs to test with");
    packages::provide()?;
    components();
    let mut count = Count::default();
    let mut bad = Vec::new();
    let mut step = |name: &'static str, run: &dyn Fn() -> Result<Count>| {
        headline(name);
        let result = run().unwrap_or_else(|error| {
            eprintln!("{name}: {error:#}");
            Count::check(false)
        });
        if result.failed > 0 {
            bad.push(name);
        }
        count += result;
    };
    step("format", &|| check(shell::cargo(["fmt", "--all", "--check"])));
    step("clippy", &|| {
        check(shell::cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
    step("tidy", &|| tidy::run().map(Count::check));
    step("tests", &|| tests(extent));
    step("documentation", &|| {
        check(shell::cargo(["doc", "--workspace", "--no-deps"]).with("RUSTDOCFLAGS", "-D warnings"))
    });
    headline("summary");
    for name in &bad {
        println!("failed: {name}");
    }
    println!("took {} s", begun.elapsed().as_secs());
    println!("{count}");
    Ok(bad.is_empty())
}

fn headline(text: &str) {
    println!("\n=== {text}");
}

fn check(run: shell::Run) -> Result<Count> {
    run.succeeds().map(Count::check)
}

/// The parts of Rust that a minimal installation lacks.
fn components() {
    for (tool, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !shell::cargo([tool, "--version"]).quietly() {
            // If this fails too, the check itself will say so.
            let _ = shell::program("rustup", ["component", "add", component]).succeeds();
        }
    }
}

fn tests(extent: Extent) -> Result<Count> {
    let skips = Skips::new();
    let mut count = if shell::cargo(["nextest", "--version"]).quietly() {
        let mut count = nextest(extent, &skips)?;
        // A test that skips itself ends well, so nextest counts it among those that passed.
        let skipped = skips.read().len() as u64;
        count.passed = count.passed.saturating_sub(skipped);
        count.skipped += skipped;
        count += libtest(&["test", "--workspace", "--doc"], &skips)?;
        count
    } else {
        let mut words = vec!["test", "--workspace", "--no-fail-fast"];
        if extent == Extent::Fast {
            words.extend(["--", "--skip", "slow::"]);
        }
        libtest(&words, &skips)?
    };
    for line in skips.read() {
        println!("skipped: {}", line.replace('\t', ": "));
    }
    if count == Count::default() {
        // A runner that ran nothing has tested nothing.
        count.failed = 1;
    }
    Ok(count)
}

fn nextest(extent: Extent, skips: &Skips) -> Result<Count> {
    let config = shell::root().join("xtask/nextest.toml");
    let mut words = vec!["nextest", "run", "--workspace", "--no-fail-fast", "--config-file"];
    let config = config.to_string_lossy();
    words.push(&config);
    if extent == Extent::Fast {
        words.extend(["-E", "not test(/^slow::/)"]);
    }
    let mut count = None;
    let good = shell::cargo(words)
        .with(SKIPS, &skips.0)
        .heard_by(|line| count = Count::of_nextest(line).or(count))?;
    Ok(settle(count.unwrap_or_default(), good))
}

fn libtest(words: &[&str], skips: &Skips) -> Result<Count> {
    let mut count = Count::default();
    let good = shell::cargo(words).with(SKIPS, &skips.0).heard_by(|line| {
        count += Count::of_libtest(line).unwrap_or_default();
    })?;
    Ok(settle(count, good))
}

/// What did not compile or crashed is in no count, but it failed.
fn settle(mut count: Count, good: bool) -> Count {
    if !good && count.failed == 0 {
        count.failed = 1;
    }
    count
}

/// The file with one line for each test that skipped itself.
pub(crate) struct Skips(PathBuf);

impl Skips {
    pub(crate) fn new() -> Self {
        let skips = Self(std::env::temp_dir().join(format!("standfast-skips-{}", std::process::id())));
        // A file of an earlier process of that number.
        let _ = std::fs::remove_file(&skips.0);
        skips
    }

    /// Its path.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0
    }

    pub(crate) fn read(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Skips {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
