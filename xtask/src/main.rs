//! The project's own chores, in Rust, so that a fresh machine needs nothing but cargo: `cargo xtask test` sets up
//! what is missing and runs every check there is.
//!
//! # What this is not
//! No part of the program: nothing here is shipped.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "talking to the person at the terminal is the purpose"
)]

mod conformance;
mod count;
mod mutants;
mod packages;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
Chores of the project:

  cargo xtask test [--fast]   every check and test there is; installs missing Debian packages when root.
                              --fast leaves out the slow end-to-end tests
  cargo xtask tidy            the rules that no compiler checks: arrows between crates, purity, unsafe, licences
  cargo xtask sim --seed N    the story of the simulated world that this number means
  cargo xtask sim --seeds N   which of the first N worlds go wrong
  cargo xtask soak [--hours H | --minutes M] [--from SEED]
                              every case beside Debian's keepalived, then simulated worlds on all processors
                              until then; an hour unless told otherwise
  cargo xtask soak --differential
                              the cases only
  cargo xtask mutants [--worlds N] [--every K] [--only PATH] [--minutes M]
                              breaks the core in every small way and looks who notices: docs/testing/mutants.md
  cargo xtask reference       docs/reference anew, from the table of keywords
  cargo xtask conformance     docs/conformance.md anew, from docs/conformance.tsv and a run of the tests it names
  cargo xtask bench [--all] [--quick] [--anyway] [TRIAL...]
                              the numbers to reach beside keepalived and beside the floor: docs/performance;
                              --all: also other loads, and pressure of every kind
  cargo xtask demo [ARG...]   the demonstration, built as the benches are
";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<bool> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test"] => test::run(test::Extent::Everything),
        ["test", "--fast"] => test::run(test::Extent::Fast),
        ["tidy"] => tidy::run(),
        ["sim", rest @ ..] => {
            let cargo = ["run", "--quiet", "-p", "sim", "--example", "sim", "--"];
            shell::cargo(cargo.into_iter().chain(rest.iter().copied())).succeeds()
        }
        ["mutants", rest @ ..] => mutants::run(&mutants::wish(rest)?),
        ["soak", "--differential"] => differential(),
        ["soak", rest @ ..] => {
            let same = differential()?;
            let cargo =
                ["run", "--quiet", "--profile", "lab", "-p", "sim", "--example", "sim", "--", "--soak"];
            Ok(shell::cargo(cargo.into_iter().chain(rest.iter().copied())).succeeds()? && same)
        }
        ["reference"] => {
            let cargo = ["test", "--quiet", "-p", "config", "--test", "reference"];
            shell::cargo(cargo).with("BLESS", "1").succeeds()
        }
        ["conformance"] => conformance::write(),
        ["bench", rest @ ..] => {
            packages::provide()?;
            // As words after `--` go to the benchmark, so does where the results belong.
            let out = shell::root().join("docs/performance").to_string_lossy().into_owned();
            let mut cargo =
                vec!["bench", "--profile", "release", "-p", "standfast", "--bench", "numbers", "--"];
            // Results are written of a whole run only: not of some trials, nor of a quick look.
            let is_value = |before: &str| ["--runs", "--window"].contains(&before);
            let is_whole = rest
                .iter()
                .zip(std::iter::once(&"").chain(rest))
                .all(|(word, before)| ["--runs", "--window", "--all"].contains(word) || is_value(before));
            if is_whole {
                cargo.extend(["--out", &out]);
            }
            shell::cargo(cargo.into_iter().chain(rest.iter().copied())).succeeds()
        }
        ["demo", rest @ ..] => {
            let cargo = ["run", "--quiet", "--profile", "lab", "-p", "standfast", "--", "demo"];
            shell::cargo(cargo.into_iter().chain(rest.iter().copied())).succeeds()
        }
        [] | ["help" | "-h" | "--help"] => {
            print!("{HELP}");
            Ok(true)
        }
        other => bail!("there is no chore {other:?}\n\n{HELP}"),
    }
}

/// All cases of the differential test, not only those of CI.
fn differential() -> Result<bool> {
    packages::provide()?;
    let cargo = ["test", "--quiet", "-p", "standfast", "--test", "differential", "--", "--nocapture"];
    shell::cargo(cargo).with("STANDFAST_DIFFERENTIAL", "all").succeeds()
}
