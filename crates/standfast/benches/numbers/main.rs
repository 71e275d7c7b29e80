//! The numbers that Standfast shall reach, measured beside Debian's keepalived and beside the floor, in one run.
//!
//! `cargo xtask bench` runs it on an otherwise idle machine and writes table, JSON and plots. It is a benchmark and
//! no test: nothing is asserted, but each figure is held against what was set as its goal. A *trial* is one daemon
//! (or the floor) under one load, and gives one or more figures; the parties take turns, so that a slow moment hits
//! all of them, and what is told is the median of the runs.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod adverts;
mod figures;
mod life;
mod load;
mod pressure;
mod quiet;
mod report;
mod takeover;

use figures::{Figures, Party};
use std::path::{Path, PathBuf};
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

/// How long to wait for what must happen.
const LIMIT: Duration = Duration::from_secs(30);

/// What the command line asks for.
struct Wish {
    /// Only trials whose name contains one of these.
    only: Vec<String>,
    runs: usize,
    /// How long steady states are watched.
    window: Duration,
    /// Where results are written; nowhere if unset.
    out: Option<PathBuf>,
    /// Measure although the machine is busy; nothing is written then.
    anyway: bool,
    /// Also what is told for the record.
    all: bool,
}

impl Wish {
    /// The time for loads that are told for the record.
    fn half(&self) -> Duration {
        self.window / 2
    }

    const USAGE: &str = "\
usage: cargo xtask bench [--all] [--quick] [--anyway] [--runs N] [--window SECONDS] [--out DIR] [TRIAL...]

  TRIAL      only trials whose name contains one of these words
  --all      also the trials for the record: other loads, and pressure of every kind (the rest takes some 20 minutes)
  --quick    one run, steady states watched for 5 s; nothing is written
  --anyway   measure though the machine is busy; nothing is written
  --runs     runs of each trial; the median is told (3)
  --window   how long steady states are watched, in seconds (20)
  --out      where table, JSON and plots go (docs/performance)";

    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut wish = Self {
            only: Vec::new(),
            runs: 3,
            window: Duration::from_secs(20),
            out: None,
            anyway: false,
            all: false,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value\n\n{}", Self::USAGE));
            match word.as_str() {
                "--bench" => {} // cargo says so
                "--quick" => (wish.runs, wish.window) = (1, Duration::from_secs(5)),
                "--all" => wish.all = true,
                "--anyway" => wish.anyway = true,
                "--runs" => wish.runs = value()?.parse::<usize>()?.max(1),
                "--window" => wish.window = Duration::from_secs(value()?.parse::<u64>()?.max(1)),
                "--out" => wish.out = Some(value()?.into()),
                option if option.starts_with('-') => {
                    return Err(format!("there is no option {option}\n\n{}", Self::USAGE).into());
                }
                name => wish.only.push(name.to_owned()),
            }
        }
        Ok(wish)
    }
}

/// One load, and who can be put under it.
struct Trial {
    name: &'static str,
    parties: &'static [Party],
    run: fn(Party, &Wish) -> Result<Figures, Failure>,
    /// For the record: no goal was set.
    extra: bool,
}

const DAEMONS: &[Party] = &[Party::Standfast, Party::Keepalived];
const ALL: &[Party] = &[Party::Standfast, Party::Keepalived, Party::Floor];

const TRIALS: &[Trial] = &[
    Trial { name: "takeover-1", parties: ALL, run: takeover::one, extra: false },
    Trial { name: "takeover-1000", parties: ALL, run: takeover::thousand, extra: false },
    Trial { name: "orderly-stop", parties: DAEMONS, run: takeover::orderly_stop, extra: true },
    Trial { name: "power-lost", parties: DAEMONS, run: takeover::power_lost, extra: true },
    Trial { name: "address-deleted", parties: DAEMONS, run: takeover::address_deleted, extra: false },
    Trial { name: "drift", parties: DAEMONS, run: adverts::drift, extra: false },
    Trial { name: "ten-milliseconds", parties: DAEMONS, run: adverts::ten_milliseconds, extra: false },
    Trial { name: "sending", parties: ALL, run: adverts::sending, extra: false },
    Trial { name: "receiving", parties: ALL, run: adverts::receiving, extra: false },
    Trial { name: "start", parties: DAEMONS, run: life::start, extra: false },
    Trial { name: "reload", parties: DAEMONS, run: life::reload, extra: false },
    Trial { name: "families", parties: DAEMONS, run: adverts::families, extra: true },
    Trial { name: "sixteen", parties: DAEMONS, run: adverts::sixteen, extra: true },
    Trial { name: "twenty", parties: DAEMONS, run: life::twenty, extra: true },
    Trial { name: "flood", parties: DAEMONS, run: pressure::flood, extra: true },
    Trial { name: "stalls", parties: DAEMONS, run: pressure::stalls, extra: true },
    Trial { name: "busy", parties: DAEMONS, run: pressure::busy, extra: true },
    Trial { name: "locks", parties: DAEMONS, run: pressure::locks, extra: true },
    Trial { name: "scripts", parties: DAEMONS, run: pressure::scripts, extra: true },
];

fn main() -> Result<(), Failure> {
    let wish = Wish::read(std::env::args().skip(1))?;
    lab::enter()?;
    if !Path::new(load::KEEPALIVED).exists() {
        println!("keepalived is not installed: it is left out, and nothing is written");
    }
    let mut report = report::Report::new(&wish);
    for trial in TRIALS {
        let named = wish.only.iter().any(|word| is_meant(trial.name, word));
        if !(named || wish.only.is_empty() && (wish.all || !trial.extra)) {
            continue;
        }
        println!("{}", trial.name);
        for run in 1..=wish.runs {
            for &party in trial.parties {
                if party == Party::Keepalived && !Path::new(load::KEEPALIVED).exists() {
                    report.is_partial = true;
                    continue;
                }
                let (figures, trouble) = undisturbed(trial, party, &wish);
                if let Some(trouble) = &trouble {
                    println!("  run {run} {party}: not to be quoted: {trouble}");
                }
                if let Some(why) = &figures.failure {
                    println!("  run {run} {party:<10} failed: {why}");
                }
                for line in figures.lines() {
                    println!("  run {run} {party:<10} {line}");
                }
                report.take(trial.name, party, figures, trouble.filter(|_| !wish.anyway));
            }
        }
    }
    println!();
    print!("{}", report.table());
    report.write()
}

/// A whole name means that trial alone, a part of names all that have it.
fn is_meant(name: &str, word: &str) -> bool {
    name == word || name.contains(word) && TRIALS.iter().all(|trial| trial.name != word)
}

/// Runs a trial; again if somebody else had the machine meanwhile. What disturbed it, if it was disturbed each time.
fn undisturbed(trial: &Trial, party: Party, wish: &Wish) -> (Figures, Option<String>) {
    const TRIES: usize = 8;
    let mut tried = 0;
    loop {
        tried += 1;
        let before = quiet::wait(wish.anyway);
        let watch = quiet::Watch::begin();
        // A daemon that fails under a load has a result, too.
        let figures = (trial.run)(party, wish).unwrap_or_else(|why| Figures::failed(why.to_string()));
        match before.err().or(watch.end()) {
            Some(trouble) if tried < TRIES && !wish.anyway => println!("  once more: {trouble}"),
            trouble => return (figures, trouble),
        }
    }
}
