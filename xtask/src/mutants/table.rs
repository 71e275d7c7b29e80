//! The table of mutants.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::Wish;
use super::run::Judged;

/// The name of a mutant, which stays the same as long as the code that it breaks does.
fn key(judged: &Judged) -> String {
    let mutation = &judged.mutation;
    let file = mutation.file.trim_start_matches("crates/").replace("src/", "");
    format!("{file} {}: {}", mutation.function, mutation.what)
}

/// Mutants that nobody notices, each with the reason: `name => reason`, one in a line.
/// A name that ends in `*` stands for all that begin like it.
fn excused() -> BTreeMap<String, String> {
    let lines = include_str!("excused.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" => ")).map(|(name, why)| (name.into(), why.into())).collect()
}

/// Writes docs/testing/mutants.md; whether each mutant that the worlds do not notice is excused.
pub(super) fn write(root: &Path, results: &[Judged], wish: &Wish) -> Result<bool> {
    let excused = excused();
    let caught = results.iter().filter(|judged| judged.sim.is_some()).count();
    let tests = results.iter().filter(|judged| judged.tests.is_some()).count();
    let missed: Vec<&Judged> = results.iter().filter(|judged| judged.sim.is_none()).collect();
    let either = results.iter().filter(|judged| judged.sim.is_some() || judged.tests.is_some()).count();
    let is_excused = |judged: &&&Judged| excuse(&excused, &key(judged)).is_some();
    let open = missed.iter().filter(|judged| !is_excused(judged)).count();
    let mut text = String::new();
    let _ = writeln!(text, "# Mutants\n");
    let _ = writeln!(
        text,
        "Written by `cargo xtask mutants --worlds {} --every {}{}`. Each line is one small change of the core, built in and looked at: first by \
         the first {} simulated worlds (which oracle noticed it), then by the tests of `vrrp` and `node` (which test \
         was the first to fail).\n",
        wish.worlds,
        wish.every,
        wish.minutes.map(|minutes| format!(" --minutes {minutes}")).unwrap_or_default(),
        wish.worlds
    );
    let _ = writeln!(text, "| | mutants |\n|---|---|");
    let _ = writeln!(text, "| all | {} |", results.len());
    let _ = writeln!(text, "| noticed by the simulated worlds | {caught} |");
    let _ = writeln!(text, "| noticed by the unit tests | {tests} |");
    let _ = writeln!(text, "| noticed by either | {either} |");
    let _ = writeln!(text, "| not noticed by the worlds, for the reason given | {} |", missed.len() - open);
    let _ = writeln!(text, "| not noticed by the worlds, open | {open} |\n");
    let _ = writeln!(text, "## Not noticed by the worlds\n\n| mutant | unit tests | reason |\n|---|---|---|");
    for judged in &missed {
        let reason = excuse(&excused, &key(judged)).unwrap_or("**open**");
        let tests = judged.tests.as_deref().unwrap_or("**missed**");
        let _ = writeln!(text, "| {} | {} | {} |", cell(&key(judged)), cell(tests), cell(reason));
    }
    let _ = writeln!(text, "\n## Noticed\n\n| mutant | worlds | unit tests |\n|---|---|---|");
    for judged in results {
        if let Some(sim) = &judged.sim {
            let tests = judged.tests.as_deref().unwrap_or("missed");
            let _ = writeln!(text, "| {} | {} | {} |", cell(&key(judged)), cell(sim), cell(tests));
        }
    }
    println!(
        "{} mutants: {caught} noticed by the worlds, {tests} by the tests, {either} by either",
        results.len()
    );
    let names: BTreeSet<String> = results.iter().map(key).collect();
    let is_whole = wish.only.is_none() && wish.every == 1;
    for name in excused.keys().filter(|name| is_whole && !name.ends_with('*') && !names.contains(*name)) {
        println!("excused.txt names a mutant that does not exist: {name}");
    }
    if wish.only.is_none() {
        let path = root.join("docs/testing/mutants.md");
        std::fs::create_dir_all(root.join("docs/testing"))?;
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(open == 0)
}

fn excuse<'a>(excused: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    excused.iter().find(|(pattern, _)| fits(pattern)).map(|(_, why)| why.as_str())
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
