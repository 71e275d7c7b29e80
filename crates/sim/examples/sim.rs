//! `sim --seed N`: the story of one world. `sim --seeds N`: which of the first N worlds go wrong. `sim --first N`: the
//! first of them. `sim --soak`: worlds on all processors for a long time.
#![allow(clippy::print_stdout, reason = "telling is its purpose")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const USAGE: &str =
    "usage: sim --seed N | --seeds N | --first N | --soak [--hours H | --minutes M] [--from SEED]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["--seed", text] => text.parse().ok().map(one),
        ["--seeds", text] => text.parse().ok().map(many),
        ["--first", text] => text.parse().ok().map(first),
        ["--soak", ref rest @ ..] => soak(rest),
        _ => None,
    };
    done.unwrap_or_else(|| {
        println!("{USAGE}");
        ExitCode::from(2)
    })
}

fn one(seed: u64) -> ExitCode {
    let run = sim::run(seed);
    print!("{}", run.trace.story());
    match run.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("!!! {violation}");
            ExitCode::FAILURE
        }
    }
}

fn many(seeds: u64) -> ExitCode {
    let mut wrong = 0;
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..seeds {
        let run = sim::run(seed);
        run.seen.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
        if let Some(violation) = run.violation {
            wrong += 1;
            println!("seed {seed}: {violation}");
        }
    }
    for (what, count) in &seen {
        println!("{count:>12}  {what}");
    }
    println!("{wrong} of {seeds} worlds went wrong");
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn first(seeds: u64) -> ExitCode {
    let wrong = (0..seeds).find_map(|seed| Some((seed, sim::run(seed).violation?)));
    let Some((seed, violation)) = wrong else { return ExitCode::SUCCESS };
    println!("seed {seed}: {violation}");
    ExitCode::FAILURE
}

fn soak(words: &[&str]) -> Option<ExitCode> {
    let (mut time, mut from) = (Duration::from_secs(3_600), 10_000);
    for pair in words.chunks(2) {
        match pair {
            ["--hours", text] => time = duration(text, 3_600.0)?,
            ["--minutes", text] => time = duration(text, 60.0)?,
            ["--from", text] => from = text.parse().ok()?,
            _ => return None,
        }
    }
    let began = Instant::now();
    let (next, wrong) = (AtomicU64::new(from), AtomicU64::new(0));
    let work = || {
        while began.elapsed() < time {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let what = match std::panic::catch_unwind(|| sim::run(seed).violation) {
                Ok(None) => continue,
                Ok(Some(violation)) => violation.to_string(),
                Err(_) => "panic".into(),
            };
            wrong.fetch_add(1, Ordering::Relaxed);
            println!("seed {seed}: {what}\n  cargo xtask sim --seed {seed}");
        }
    };
    let tell = || {
        let (seed, wrong) = (next.load(Ordering::Relaxed), wrong.load(Ordering::Relaxed));
        let minutes = began.elapsed().as_secs() / 60;
        println!("{minutes} min: {} worlds, seeds {from} to {seed}, {wrong} went wrong", seed - from);
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut told = Instant::now();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(100));
            if told.elapsed() >= Duration::from_secs(60) {
                told = Instant::now();
                tell();
            }
        }
    });
    tell();
    Some(if wrong.into_inner() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn duration(text: &str, unit: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse::<f64>().ok()? * unit).ok()
}
